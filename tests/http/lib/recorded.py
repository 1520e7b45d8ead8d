"""What agents sent, kept small: tests/agents/recorded/NAME.json, written by tests/agents and sent again by tests/http.

Paths, ids, versions and dates are scrubbed, and a long text is only its length: what a vendor wrote is not ours to keep, and how long it
is matters more than what it says. Of a request what is as in the one before is "=".
"""
import json
import os
import re

from .signet import ROOT

FOLDER = os.path.join(ROOT, "tests", "agents", "recorded")
WORK, HOME = "/home/agent/work", "/home/agent"
LONG = 120
KEPT = ("accept", "authorization", "content-type", "user-agent", "x-", "anthropic-", "originator", "session-id", "session_id", "thread-id", "openai-")
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


def scrubber(place):
    seen = {}

    def text(s):
        s = s.replace(place.work, WORK).replace(place.home, HOME)
        s = UUID.sub(lambda m: seen.setdefault(m[0], f"00000000-0000-4000-8000-{len(seen):012d}"), s)
        s = re.sub(r"\b[0-9a-f]{64}\b", "0" * 64, s)
        s = re.sub(r"\b\d+\.\d+\.\d+(\.[0-9a-f]+)?\b", "0.0.0", s)
        return s

    def scrub(value):
        if isinstance(value, dict):
            return {k: f"‹{len(v)}›" if k == "description" and isinstance(v, str) else scrub(v) for k, v in value.items()}
        if isinstance(value, list):
            return [scrub(v) for v in value]
        if not isinstance(value, str):
            return value
        short = re.sub(r"\b20\d\d-\d\d-\d\d\b", "2026-01-01", text(value))
        return short if len(short) <= LONG or re.fullmatch(r"[A-Za-z0-9+/=_.-]+", short) or "Begin Patch" in short else f"‹{len(short)}›"
    return scrub, text


def less(now, before):
    """`now`, with "=" in the place of what is as in `before`."""
    if isinstance(now, dict) and isinstance(before, dict):
        return {k: "=" if k in before and v == before[k] and k != "model" else less(v, before.get(k)) for k, v in now.items()}
    if isinstance(now, list) and isinstance(before, list):
        return ["=" if i < len(before) and v == before[i] else v for i, v in enumerate(now)]
    return now


def more(kept, before):
    if kept == "=":
        return before
    if isinstance(kept, dict):
        return {k: more(v, before.get(k) if isinstance(before, dict) else None) for k, v in kept.items()}
    if isinstance(kept, list):
        return [more(v, before[i] if isinstance(before, list) and i < len(before) else None) for i, v in enumerate(kept)]
    return kept


def write(name, place, requests):
    scrub, text = scrubber(place)
    out, before = [], None
    for r in requests:
        body = scrub(r.json)
        headers = [[k.lower(), text(v)] for k, v in r.header_list if k.lower().startswith(KEPT) and not k.lower().startswith("accept-")]
        headers = [[k, v if len(v) < 1000 else v[:200]] for k, v in headers if k != "x-codex-turn-metadata"]
        out.append({"path": r.target, "headers": headers if not out or headers != out[0]["headers"] else "=", "body": less(body, before)})
        before = body
    os.makedirs(FOLDER, exist_ok=True)
    with open(os.path.join(FOLDER, name + ".json"), "w") as f:
        json.dump(out, f, ensure_ascii=False, indent=1)
        f.write("\n")


def longer(value):
    """Texts at the length they had."""
    if isinstance(value, dict):
        return {k: longer(v) for k, v in value.items()}
    if isinstance(value, list):
        return [longer(v) for v in value]
    found = re.fullmatch(r"‹(\d+)›", value) if isinstance(value, str) else None
    return ("What stood here. " * (int(found[1]) // 17 + 1))[: int(found[1])].strip() + "." if found else value


def sessions():
    return sorted(f[:-5] for f in os.listdir(FOLDER) if f.endswith(".json"))


def read(name):
    """[(path, [(header, value)…], body)…]"""
    with open(os.path.join(FOLDER, name + ".json")) as f:
        kept = json.load(f)
    out, before = [], None
    for r in kept:
        before = more(r["body"], before)
        headers = [tuple(h) for h in (kept[0]["headers"] if r["headers"] == "=" else r["headers"])]
        out.append((r["path"], headers, longer(before)))
    return out
