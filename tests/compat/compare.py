"""What is compared, and what is masked first.

A run of a case gives a record: the answer (status, content type, text) and every request that reached
the upstream (target, headers, body). Masked: UUIDs, `created`, the mock's port, and of the upstream's
headers `user-agent`, `host`, `content-length`. Nothing else: key order, number spelling and the order of
events must match to the byte.
"""
import dataclasses
import json
import re
import struct
import typing

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
CREATED = re.compile(r'"created":(?!1767225600)\d+')
# What a signature of AWS makes of the moment and of the mock's port.
SIGNED = re.compile(r"(?<=Signature=)[0-9a-f]{64}|\b20\d{6}T\d{6}Z\b|(?<=Credential=AKIDEXAMPLE/)20\d{6}")
UNCOMPARED = {"user-agent", "host", "content-length"}


@dataclasses.dataclass
class Case:
    name: str
    body: typing.Any  # dict, or str/bytes sent as they are
    up: list = dataclasses.field(default_factory=list)  # scripts of the mock, in order
    headers: list = dataclasses.field(default_factory=list)
    # What Signet is meant to do otherwise: a function that turns TensorZero's record into Signet's, and why.
    signet: typing.Callable = None
    why: str = ""
    fresh: bool = False  # on a connection of its own: a reused one that closes is tried again
    path: str = None  # of the route, if it is not that of chat
    loose: str = None  # a regular expression: what it matches in the answer is not compared


def mask(text, mock_url, dead_url):
    text = text.replace(mock_url, "<mock>").replace(dead_url, "<dead>")
    text = text.replace(mock_url.split("//")[1], "<mock-host>").replace(dead_url.split("//")[1], "<dead-host>")
    return CREATED.sub('"created":0', UUID.sub("<uuid>", text))


def record(answer, requests, mock_url, dead_url):
    def clean(text):
        return mask(SIGNED.sub("…", text), mock_url, dead_url)

    return {
        "status": answer.status,
        "content_type": answer.headers.get("content-type", ""),
        "text": clean(answer.body.decode("utf-8", "backslashreplace")),
        "upstream": [
            {"target": f"{r.method} {clean(r.target)}",
             "headers": {k: clean(v) for k, v in sorted(r.headers.items()) if k not in UNCOMPARED and (k, v) != ("accept", "*/*")},
             "body": clean(r.body.decode("utf-8", "backslashreplace"))}
            for r in requests
        ],
    }


def bare(rec):
    """Without reqwest's `accept: */*`, which older records have."""
    rec = json.loads(json.dumps(rec))
    for request in rec["upstream"]:
        if request["headers"].get("accept") == "*/*":
            del request["headers"]["accept"]
    return rec


def of_signet(rec):
    """Signet's record without what http-api §22.2 lets it add: `type`, `code`, `param` beside an error's
    message, and reqwest's `accept: */*` is nothing that an upstream may read anything into."""
    rec = json.loads(json.dumps(rec))
    rec["text"] = "\n".join(strip_error_keys(line) for line in rec["text"].split("\n"))
    return bare(rec)


def loosened(rec, case):
    return {**rec, "text": re.sub(case.loose, "…", rec["text"])} if case.loose else rec


def meant(golden, case):
    """What Signet should do, of TensorZero's record."""
    return loosened(of_signet(case.signet(golden) if case.signet else golden), case)


def strip_error_keys(line):
    prefix = "data: " if line.startswith("data: ") else ""
    try:
        value = json.loads(line[len(prefix):])
    except ValueError:
        return line
    if not isinstance(value, dict) or not isinstance(value.get("error"), dict):
        return line
    for key in ("type", "code", "param"):
        value["error"].pop(key, None)
    return prefix + json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def upstream(*pairs):
    """For Case.signet: in the upstream's bodies each pair's first text becomes its second."""

    def change(rec):
        rec = json.loads(json.dumps(rec))
        for request in rec["upstream"]:
            for old, new in zip(pairs[::2], pairs[1::2]):
                assert old in request["body"], old
                request["body"] = request["body"].replace(old, new, 1)
        return rec

    return change


def answer(*pairs, status=None):
    """For Case.signet: the same in the answer's text."""

    def change(rec):
        rec = json.loads(json.dumps(rec))
        for old, new in zip(pairs[::2], pairs[1::2]):
            assert old in rec["text"], (old, rec["text"])
            rec["text"] = rec["text"].replace(old, new, 1)
        if status:
            rec["status"] = status
        return rec

    return change


# -- numbers: providers-openai §7.3, first row ---------------------------------------------------------
def f32(x):
    return struct.unpack("f", struct.pack("f", x))[0]


FLOAT = re.compile(r"-?\d+\.\d+(?:e-?\d+)?")


def shortest(match):
    """The shortest decimal that is the same f32: what the client wrote, or equal to it."""
    x = float(match.group(0))
    for digits in range(1, 18):
        text = f"{x:.{digits}g}"
        if f32(float(text)) == f32(x):
            return repr(float(text))
    return match.group(0)


def plain_numbers(rec):
    """TensorZero's 0.699999988079071 -> 0.7 in the upstream's bodies."""
    rec = json.loads(json.dumps(rec))
    for request in rec["upstream"]:
        request["body"] = FLOAT.sub(shortest, request["body"])
    return rec
