"""What two records differ in, as a cluster: one line that says the kind of difference and its place, without the values at hand.

Which clusters are known stands in docs/differences.md and nowhere else: each row of its tables begins with a pattern in backticks, in which
`*` is any text.
"""
import fnmatch
import json
import os
import re
import struct

from lib.signet import ROOT

PAGE = os.path.join(ROOT, "docs", "differences.md")
SHOWN = 90  # characters of a text from where it begins to differ
PARAMS = ("temperature", "top_p", "presence_penalty", "frequency_penalty")


def known():
    """The patterns of the page: those of decisions, those of accidents."""
    with open(PAGE) as f:
        decisions, accidents = f.read().split("## Accidents")
    return [[row.strip("`").replace("\\|", "|").strip() for row in re.findall(r"^\| (``.+?``|`[^`]+`) \|", text, re.M)]
            for text in (decisions, accidents)]


def matches(cluster, patterns):
    return any(fnmatch.fnmatchcase(cluster, p.replace("[", "[[]")) for p in patterns)


FRAME = re.compile(r"All variants failed with errors: \S+: All model providers failed to infer with errors: \w+: ")


def plain(text):
    """A text without what is only this input's: ids, numbers, quoted values; and without the frame of a failed call."""
    text = FRAME.sub("", text)
    text = re.sub(r'\\?"(?:[^"\\]|\\.)*\\?"', '"…"', text)
    text = re.sub(r"base64,[\w+/=%\\]*", "base64,…", text)
    return re.sub(r"\d+(\.\d+)?", "0", text)


def apart(a, b):
    """Two texts from where they begin to differ, a word before that kept."""
    i = 0
    while i < min(len(a), len(b)) and a[i] == b[i]:
        i += 1
    i = max(0, a.rfind(" ", 0, max(0, i - 12)) + 1)
    return f"{a[i:i + SHOWN] or '(nothing)'} | {b[i:i + SHOWN] or '(nothing)'}"


# -- JSON --------------------------------------------------------------------------------------------------------------------
class Number(str):
    """A number's text."""


def read(text):
    def pairs(list_):
        return [("{", k, v) for k, v in list_] or ("{",)

    return json.loads(text, object_pairs_hook=pairs, parse_int=Number, parse_float=Number, strict=False)


def is_object(v):
    return v == ("{",) or (isinstance(v, list) and bool(v) and isinstance(v[0], tuple) and v[0][:1] == ("{",) and len(v[0]) == 3)


def f32(text):
    try:
        return struct.pack("f", float(text))
    except OverflowError:
        return b"inf"


def same_number(a, b, path):
    if a == b:
        return True
    if path in PARAMS:
        return f32(a) == f32(b)
    return ("." in a + b or "e" in (a + b).lower() or len(a + b) > 36) and float(a) == float(b)


def kind_of(v):
    return "object" if is_object(v) else "list" if isinstance(v, list) else "number" if isinstance(v, Number) else "string" if isinstance(v, str) else json.dumps(v)


def is_redacted(a, b):
    """Whether b is a with something that it repeats taken out."""
    return isinstance(a, str) and "[redacted]" in b and re.fullmatch(".*".join(map(re.escape, b.split("[redacted]"))), a, re.S) is not None


def json_apart(a, b, path=""):
    """Where two documents differ first, and how; None: they say the same."""
    if isinstance(a, Number) and isinstance(b, Number):
        return None if same_number(a, b, path) else f"{path}: another number"
    if is_object(a) and is_object(b):
        a, b = list(a if a != ("{",) else []), list(b if b != ("{",) else [])
        keys_a, keys_b = [p[1] for p in a], [p[1] for p in b]
        for k in keys_a:
            if k not in keys_b:
                return f"{path}: lacks {k}"
        for k in keys_b:
            if k not in keys_a:
                return f"{path}: has {k}"
        if keys_a != keys_b:
            return f"{path}: other order"
        for x, y in zip(a, b):
            found = json_apart(x[2], y[2], f"{path}.{x[1]}" if path else x[1])
            if found:
                return found
        return None
    if kind_of(a) != kind_of(b):
        return f"{path}: {kind_of(a)} | {kind_of(b)}"
    if isinstance(a, list):
        for x, y in zip(a, b):
            found = json_apart(x, y, path + "[]")
            if found:
                return found
        return None if len(a) == len(b) else f"{path}: {'fewer' if len(b) < len(a) else 'more'} elements"
    return None if a == b else f"{path}: a secret | [redacted]" if is_redacted(a, b) else f"{path}: {apart(plain(a), plain(b))}"


def text_apart(a, b, what):
    """None, or a cluster, of two bodies that should be the same."""
    if a == b:
        return None
    try:
        x, y = read(a), read(b)
    except (ValueError, RecursionError):
        return f"{what}: {apart(plain(a), plain(b))}"
    found = json_apart(x, y)
    return f"{what} {found}" if found else None


# -- records -----------------------------------------------------------------------------------------------------------------
def message(text):
    """The error's text, or the whole."""
    try:
        value = json.loads(text)
        return value["error"]["message"] if isinstance(value["error"], dict) else value["error"]
    except (ValueError, KeyError, TypeError):
        return text


def stream_apart(a, b):
    x, y = ([e for e in t.split("\n\n") if e] for t in (a, b))
    for one, other in zip(x, y):
        found = text_apart(one.removeprefix("data: "), other.removeprefix("data: "), "event")
        if found:
            return found
    if len(x) == len(y):
        return None
    rest = (x[len(y):] or y[len(x):])[0].removeprefix("data: ")
    return f"stream: {'lacks' if len(x) > len(y) else 'has'} {plain(message(rest))[:SHOWN]}"


def answer_apart(tz, ours):
    if tz["status"] != ours["status"]:
        said = [plain(message(r["text"])) if r["status"] >= 400 else "served" for r in (tz, ours)]
        return f"status {tz['status']}/{ours['status']}: {apart(*said)}"
    if tz["content_type"] != ours["content_type"]:
        return f"label {tz['content_type']} | {ours['content_type']}"
    if "event-stream" in tz["content_type"]:
        return stream_apart(tz["text"], ours["text"])
    return text_apart(tz["text"], ours["text"], f"answer {tz['status'] // 100}xx")


def request_apart(tz, ours):
    if tz["target"] != ours["target"]:
        return f"upstream target: {apart(tz['target'], ours['target'])}"
    for name in sorted({*tz["headers"], *ours["headers"]}):
        if tz["headers"].get(name) != ours["headers"].get(name):
            return f"upstream header {name}: {apart(str(tz['headers'].get(name)), str(ours['headers'].get(name)))}"
    return text_apart(tz["body"], ours["body"], "upstream body")


def cluster(tz, ours):
    """None: equal."""
    found = answer_apart(tz, ours)
    if found:
        return found
    if len(tz["upstream"]) != len(ours["upstream"]):
        return f"upstream requests: {len(tz['upstream'])} | {len(ours['upstream'])}"
    return next((c for c in map(request_apart, tz["upstream"], ours["upstream"]) if c), None)


# -- configurations ----------------------------------------------------------------------------------------------------------
def first_error(report):
    lines = report.strip().split("\n")
    errors = [line for line in lines if not re.match(r"^[^:]*:\d+: warning: ", line)]
    return re.sub(r"^[^:]*:\d+: ", "", (errors or lines)[0])


def without_passwords(text):
    return re.sub(r"([a-z][a-z0-9+.-]*://)[^/\s\"`@]*@", r"\1…@", text)


def config_cluster(said, status, report):
    """`said`: TensorZero's one error, or OK."""
    if "this version of Signet does not support" in report:
        return "not built yet"
    if said == "OK":
        if status == 0:
            return None
        return f"served/refused: {plain(first_error(report))[:2 * SHOWN]}"
    if status == 0 and "warning: " not in report:
        return f"refused/served: {plain(said)[:2 * SHOWN]}"
    if said in report:
        return None
    if without_passwords(said) in report:
        return "refused: a URL's password is hidden"
    return f"refused: {apart(plain(said), plain(first_error(report)))}"
