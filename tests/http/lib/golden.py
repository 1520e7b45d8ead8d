"""Shapes of answers that both sides keep to: tests/golden/ui/‹name›.json is what the gateway sends and what ui/ is compiled against.

What no two runs share (ids, times, spans of time, ports) is replaced by fixed values; everything else is compared. SIGNET_GOLDEN=write
writes the files anew: look at the difference before it is committed.
"""
import json
import os
import re

from lib.signet import ROOT

FOLDER = os.path.join(ROOT, "tests", "golden", "ui")
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[47][0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}")
TIME = re.compile(r"^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$")
MS = re.compile(r"(^|_)ms$|^us$|^p\d\d|^ttft\d\d")
HEX64 = re.compile(r"^[0-9a-f]{64}$")
PORT = re.compile(r"127\.0\.0\.1:\d+")


def fixed(value, name="", seen=None):
    seen = {} if seen is None else seen
    if isinstance(value, dict):
        return {k: fixed(v, k, seen) for k, v in value.items()}
    if isinstance(value, list):
        return [fixed(v, name, seen) for v in value]
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, (int, float)):
        return 7 if MS.search(name) else value
    value = UUID.sub(lambda m: seen.setdefault(m[0], f"01900000-0000-7000-8000-{len(seen) + 1:012d}"), value)
    value = PORT.sub("127.0.0.1:8080", value)
    if TIME.match(value):
        return "2026-11-30T18:00:00.000Z"
    return "0" * 64 if HEX64.match(value) else value


def check(name, answer, **known):
    """`known`: values of members that vary for another reason, by their name."""
    def put(value):
        if isinstance(value, dict):
            return {k: known[k] if k in known and v is not None else put(v) for k, v in value.items()}
        return [put(v) for v in value] if isinstance(value, list) else value

    path = os.path.join(FOLDER, name + ".json")
    text = json.dumps(put(fixed(answer)), ensure_ascii=False, indent=1) + "\n"
    if os.environ.get("SIGNET_GOLDEN") == "write":
        os.makedirs(FOLDER, exist_ok=True)
        with open(path, "w") as f:
            f.write(text)
    with open(path) as f:
        assert text == f.read(), f"{name}: the shape has changed (SIGNET_GOLDEN=write writes it anew)"
