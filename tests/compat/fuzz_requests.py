"""Random chat requests for /openai/v1: the valid ones of the cases with a fault, several of their fields together, and single fields with
values of their own grammar (URLs, data URLs, types, ids, pointers, filters), and broken bytes."""
import base64
import copy
import json
import os

import cases_fields
import cases_request
import fuzz_json
from cases_request import CALL, MP3, PDF, PNG, TIME, WAV, WEATHER, asks, body, image, text, user
from compare import Case
from fuzz_json import Text

HERE = os.path.dirname(os.path.abspath(__file__))
SLOW = ("slow", "dead")


def valid():
    """The cases' bodies that TensorZero serves, and Signet alike: what is known to differ need not be found at every turn."""
    out = []
    for group, cases in (("request", cases_request.CASES), ("fields", cases_fields.CASES)):
        with open(os.path.join(HERE, "golden", group + ".json")) as f:
            golden = json.load(f)
        out += [c.body for c in cases if isinstance(c.body, dict) and not c.up and not c.signet and golden[c.name]["status"] == 200
                and not any(word in str(c.body.get("model")) for word in SLOW)]
    return out


# -- single fields -----------------------------------------------------------------------------------------------------------
def pick(rng, *parts):
    """A text put together: each part one of a list, or a text."""
    return "".join(p if isinstance(p, str) else rng.choice(p) for p in parts)


def url(rng):
    return pick(rng, ["https://", "http://", "HTTP://", "ftp://", "data:", "file:///", "", "https:", "https:/", "ws://", "a+b://"],
                ["", "", "", "u:p@", "u@", ":p@"], ["x.example", "X.Example", "127.1", "0x7f.1", "[::1]", "[::0001]", "bücher.example", "xn--bcher-kva.example", "1.2.3.4.5", "", "a..b", "a_b", "%41.example"],
                ["", "", ":80", ":443", ":0443", ":8080", ":080", ":", ":99999"], ["", "/", "/a/../b", "/./a", "/%2e/a", "/a b", "/ü", "//", "/a\\b", "/{x}", "/|^`"],
                ["", "", "?", "?q=ü x", "?a='\"<>", "#", "#f ü"])


def mime(rng):
    return pick(rng, ["image/png", "IMAGE/PNG", "text/plain", "text/csv", "text/tab-separated-values", "text/calendar", "text/vcard", "text/javascript", "application/javascript", "audio/basic",
                      "application/pdf", "application/json", "application/x-nothing", "audio/mpeg", "audio/wav", "image/svg+xml", "image/*", "*/*", "nonsense", "", "text", "/", "a/", "/b", "te xt/plain",
                      "application/zip", "application/vnd.ms-excel", "application/vnd.openxmlformats-officedocument.wordprocessingml.document", "text/markdown", "text/html", "video/mp4", "application/octet-stream",
                      "application/yaml", "application/x-tar", "application/rtf", "font/woff2", "application/toml", "text/x-python", "text/xml", "application/xml", "audio/midi"],
                ["", "", "", "; charset=utf-8", ";charset=utf-8", ";name=a.txt", "; charset", ";", "; q=\"a b\"", ";a=b;c=d"])


def base64_text(rng):
    data = base64.b64decode(rng.choice([PNG, PDF, WAV, MP3, "SGVsbG8sIFdvcmxk", "YQ==", "", "e30="]))
    data += bytes(rng.choice([0, 0, 1, 60]))
    kind = rng.randrange(10)
    if kind < 3:
        return base64.encodebytes(data).decode()
    if kind < 6:
        return base64.b64encode(data).decode()
    plain = base64.b64encode(data).decode()
    return rng.choice([base64.urlsafe_b64encode(data).decode(), plain.rstrip("="), plain + "=", plain[:7] + "\r\n" + plain[7:], plain[:5] + " " + plain[5:], plain[:3] + "\t" + plain[3:], plain[:-1], "@" + plain,
                       plain[:6] + "=" + plain[6:], plain + "\n", "\n" + plain, "QQ==", "QR==", "Q", "QQ=", plain[:4] + "%0A" + plain[4:]])


def data_url(rng):
    return pick(rng, ["data:", "data:", "data:", "DATA:", "", "data"]) + mime(rng) + rng.choice([";base64,", ";base64,", ";base64,", ";BASE64,", ",", ";base64", "; base64,", ";base64;,"]) + base64_text(rng)


def file_part(rng):
    inner = {"file_data": data_url(rng)}
    if rng.random() < 0.4:
        inner["filename"] = rng.choice(["a.pdf", "", "ü.txt", None, "a", 5])
    return {"type": "file", "file": inner}


def image_part(rng):
    more = {}
    if rng.random() < 0.3:
        more["detail"] = rng.choice(["low", "high", "auto", "odd", None, 5, {"low": None}, {"odd": None}, {"low": 1}, {}])
    if rng.random() < 0.3:
        more["tensorzero::mime_type"] = mime(rng)
    if rng.random() < 0.1:
        more["x"] = 1
    return image(data_url(rng) if rng.random() < 0.4 else url(rng), **more)


def audio_part(rng):
    return {"type": "input_audio", "input_audio": {"data": rng.choice([WAV, MP3, base64_text(rng)]), "format": rng.choice(["wav", "mp3", "odd", ""])}}


def uuid(rng):
    text = "0199c0de-1111-7222-8333-444455556666"
    i = rng.randrange(len(text))
    return rng.choice([text, text.upper(), text.replace("-", ""), "{" + text + "}", "urn:uuid:" + text, "{" + text, text + "0", text[:i], text[:i] + rng.choice("gZ-ü\0{\xa0") + text[i + 1 :], text[:i] + "-" + text[i:],
                       text[:8] + text[9:], "u" + text, text.replace("-7", "-4"), "urn:" + text, text[:i] + text[i + 1 :]])


def filters(rng):
    out = {}
    if rng.random() < 0.3:
        out["model_name"] = rng.choice(["m", "three", "nope", "keyed", None, 5])
        if rng.random() < 0.5:
            out["provider_name"] = rng.choice(["p", "q", None, 5, "a"])
    elif rng.random() < 0.2:
        out["variant_name"] = rng.choice(["m", "v", None])
    elif rng.random() < 0.2:
        out["model_provider_name"] = rng.choice(["tensorzero::model_name::m::provider_name::p", "x", None])
    elif rng.random() < 0.1:
        out[rng.choice(["provider_name", "x"])] = rng.choice(["p", None])
    return out


POINTERS = ["/x", "/x/y", "/a/0", "/messages/0", "/messages/0/content", "/messages/-", "/messages/5", "/messages/-/x", "/model", "/model/x", "/stream", "", "x", "/x/", "/", "//", "/~1a~0", "/~2", "/messages/01", "/messages/x",
            "/messages/0/content/0/text", "/0", "/-", "/a/-", "/a/b/-/c", "/tools/0", "/messages/0/role/x", "/messages/1/x", "/messages//", "/ü"]


def extra_body(rng):
    out = filters(rng)
    out["pointer"] = rng.choice(POINTERS)
    if rng.random() < 0.3:
        out["delete"] = rng.choice([True, True, True, False, None])
    else:
        out["value"] = fuzz_json.value(rng)
    return out


def extra_header(rng):
    out = filters(rng)
    out["name"] = rng.choice(["x-a", "X-B", "user-agent", "a b", "", "ü", "content-type", "x-a"])
    if rng.random() < 0.3:
        out["delete"] = rng.choice([True, True, False])
    else:
        out["value"] = rng.choice(["v", "", "a b", "ü", "a\nb", "\x01", "\t", 5])
    return out


def extra_content(rng):
    out = {"type": rng.choice(["thought", "thought", "unknown", "odd"])}
    if rng.random() < 0.6:
        out["insert_index"] = rng.choice([0, 1, 2, 5, Text("1.0"), None, -1, "0", Text("1e0")])
    if out["type"] == "unknown":
        out["data"] = fuzz_json.value(rng)
        if rng.random() < 0.3:
            out["model_name"] = rng.choice(["m", "other", None])
    else:
        out["text"] = rng.choice(["hm", None, "", "t"])
        if rng.random() < 0.3:
            out["summary"] = rng.choice([None, [], [{"type": "summary_text", "text": "s"}], "x", [{"text": "s"}], [{"type": "odd", "text": "s"}], [5]])
        if rng.random() < 0.3:
            out[rng.choice(["signature", "provider_type", "extra_data", "_internal_provider_type", "x"])] = fuzz_json.value(rng)
    return out


def provider_tool(rng):
    out = {"tool": rng.choice([{"type": "web_search"}, {}, fuzz_json.value(rng)])}
    if rng.random() < 0.7:
        out["scope"] = rng.choice([None, {"model_name": "m"}, {"model_name": "m", "provider_name": "p"}, {"model_name": "m", "provider_name": None}, {"model_name": "m", "x": 1}, {}, "x", {"model_provider_name": "tensorzero::model_name::m::provider_name::p"},
                                   {"model_name": "other"}, {"provider_name": "p"}, {"model_name": 5}])
    return out


def tool(rng):
    function = {"name": rng.choice(["f", "get_weather", "a b", "", "ü"]), "parameters": rng.choice([{"type": "object"}, {}, {"type": "object", "properties": {"a": {"type": rng.choice(["string", "odd", 5])}}}, True, fuzz_json.value(rng)])}
    if rng.random() < 0.3:
        function[rng.choice(["description", "strict", "x"])] = fuzz_json.value(rng)
    if rng.random() < 0.2:
        return {"type": "custom", "custom": {"name": "c", "format": rng.choice([{"type": "text"}, {"type": "grammar", "grammar": {"syntax": rng.choice(["lark", "regex", "odd"]), "definition": "a"}}, None, fuzz_json.value(rng)])}}
    return {"type": "function", "function": function}


def response_format(rng):
    inner = {"name": rng.choice(["n", "", 5]), "schema": rng.choice([{"type": "object"}, {}, None, fuzz_json.value(rng)]), "strict": rng.choice([True, False, None, 5])}
    if rng.random() < 0.4:
        inner["description"] = fuzz_json.value(rng)
    if rng.random() < 0.3:
        del inner[rng.choice(["name", "schema", "strict"])]
    return rng.choice([{"type": "json_schema", "json_schema": inner}, {"type": "json_schema", "json_schema": inner}, {"type": rng.choice(["text", "json_object", "odd"])}, fuzz_json.value(rng)])


def tool_choice(rng):
    return rng.choice(["auto", "none", "required", "odd", {"type": "function", "function": {"name": rng.choice(["get_weather", "nope", 5])}}, {"type": "allowed_tools", "allowed_tools": {"mode": rng.choice(["auto", "required", "odd", {"auto": None}]), "tools": [
        {"type": rng.choice(["function", "odd", 5]), "function": {"name": "get_weather"}}]}}, fuzz_json.value(rng)])


def conversation(rng):
    said = {"role": "assistant", "content": rng.choice(["b", None, [text("b"), text("c")]]), "tool_calls": [CALL]}
    if rng.random() < 0.4:
        said["tensorzero_extra_content"] = [extra_content(rng) for _ in range(rng.randrange(1, 4))]
    out = [user("a"), said]
    for _ in range(rng.randrange(3)):
        out.append(rng.choice([user("c"), {"role": "tool", "tool_call_id": rng.choice(["call_A1", "nope"]), "content": fuzz_json.value(rng)}, {"role": "system", "content": "s"},
                               {"role": "developer", "content": [text("s")]}]))
    return body(*out)


TZ_FIELDS = {
    "extra_body": lambda rng: [extra_body(rng) for _ in range(rng.randrange(1, 3))],
    "extra_headers": lambda rng: [extra_header(rng) for _ in range(rng.randrange(1, 3))],
    "episode_id": uuid,
    "provider_tools": lambda rng: [provider_tool(rng)],
    "tags": lambda rng: {rng.choice(["a", "tensorzero::x", ""]): rng.choice(["b", "", 5, None])},
    "namespace": lambda rng: rng.choice(["n", "", "n\"2", "tensorzero::n", "é\u200d", 5]),
    "cache_options": lambda rng: {rng.choice(["enabled", "max_age_s", "x"]): rng.choice(["on", "off", "read_only", "odd", 5, None, {"on": None}])},
    "params": lambda rng: {"chat_completion": {rng.choice(["temperature", "max_tokens", "seed", "json_mode", "service_tier", "stop_sequences", "reasoning_effort", "thinking_budget_tokens", "x"]): fuzz_json.value(rng)}},
    "credentials": lambda rng: {"my_key": rng.choice(["k", "", "a\nb", 5, "ü"])},
    "variant_name": fuzz_json.scalar,
    "include_raw_response": fuzz_json.scalar,
    "deny_unknown_fields": fuzz_json.scalar,
}

FIELDS = {
    "tools": lambda rng: [tool(rng) for _ in range(rng.randrange(1, 3))],
    "response_format": response_format,
    "tool_choice": tool_choice,
    "stream_options": lambda rng: {rng.choice(["include_usage", "x"]): rng.choice([True, False, None, 5])},
    "stop": lambda rng: rng.choice(["x", ["a", "b"], [], [5], {"a": 1}, "", [None]]),
    **{name: fuzz_json.scalar for name in ("temperature", "top_p", "seed", "max_tokens", "max_completion_tokens", "presence_penalty", "frequency_penalty", "reasoning_effort", "service_tier", "verbosity", "n", "stream",
                                           "parallel_tool_calls", "user", "logprobs", "zz")},
}


def single_field(rng):
    kind = rng.randrange(10)
    if kind < 3:
        part = rng.choice([file_part, image_part, image_part, audio_part])(rng)
        return asks(*([text("see")] if rng.random() < 0.5 else []), part)
    if kind < 5:
        name = rng.choice(list(TZ_FIELDS))
        return body(**{"tensorzero::" + name: TZ_FIELDS[name](rng)}, model="dynamic" if name == "credentials" else rng.choice(["m", "m", "three", "extras"]))
    if kind < 8:
        name = rng.choice(list(FIELDS))
        more = {"tools": [WEATHER, TIME]} if name in ("tool_choice", "parallel_tool_calls") and rng.random() < 0.8 else {}
        return body(**{**more, name: FIELDS[name](rng)})
    return conversation(rng)


def joined(rng, seeds):
    """The fields of two valid requests together."""
    a, b = copy.deepcopy(rng.choice(seeds)), copy.deepcopy(rng.choice(seeds))
    keys = [k for k in b if k != "model" and (k != "messages" or rng.random() < 0.5)]
    return {**a, **{k: b[k] for k in keys}}


def broken(rng, data):
    """A byte put in, taken out or changed, or the end cut off."""
    i = rng.randrange(len(data))
    byte = bytes([rng.choice([0, 9, 10, 0x22, 0x2c, 0x5c, 0x7b, 0x7d, 0x5b, 0x5d, 0x3a, 0x30, 0x2d, 0x2e, 0x65, 0x66, 0xc3, 0xff, 0xed, 0x75])])
    return rng.choice([data[:i], data[:i] + data[i + 1 :], data[:i] + byte + data[i:], data[:i] + byte + data[i + 1 :]])


class Request:
    part = "requests"

    def __init__(self, tree, raw=None):
        self.tree, self.raw = tree, raw

    def case(self):
        return Case("", self.raw if self.raw is not None else fuzz_json.dump(self.tree))

    def show(self):
        return self.case().body.decode("utf-8", "backslashreplace")

    def smaller(self):
        if self.raw is not None:
            step = max(1, len(self.raw) // 8)
            for i in range(0, len(self.raw), step):
                yield Request(None, self.raw[:i] + self.raw[i + step :])
            return
        for tree in fuzz_json.smaller(self.tree):
            yield Request(tree)


def make(rng, seeds):
    kind = rng.randrange(20)
    if kind < 9:
        return Request(fuzz_json.fault(rng, rng.choice(seeds)))
    if kind < 12:
        return Request(joined(rng, seeds))
    if kind < 14:
        return Request(fuzz_json.fault(rng, joined(rng, seeds)))
    if kind < 19:
        return Request(single_field(rng))
    return Request(None, broken(rng, fuzz_json.dump(rng.choice(seeds))))
