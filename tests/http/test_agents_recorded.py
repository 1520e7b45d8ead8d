"""What Claude Code and Codex send in a whole session, again, without them: every request of tests/agents/recorded over every wire.

The model behind makes the calls that it made when the session was recorded, so each answer must bring those of the next request's history.
"""
import json

import pytest

from lib import raw, recorded
from lib.model import Model
from lib.signet import Signet, config
from lib.wires import ENV, WIRES, allow_for, model_toml, there

SESSIONS = {name: recorded.read(name) for name in recorded.sessions()}
KINDS = {"function_call": "arguments", "custom_tool_call": "input"}


def turns_of(body):
    """[[(tool, arguments)…]…] of the model's calling turns in a history."""
    out, open_turn = [], False
    for item in body.get("messages", []):
        calls = [(b["name"], b["input"]) for b in item["content"] if b["type"] == "tool_use"] if item["role"] == "assistant" else []
        out += [calls] if calls else []
    for item in body.get("input", []):
        kind = item.get("type")
        if kind in KINDS:
            text = item[KINDS[kind]]
            out += [] if open_turn else [[]]
            out[-1].append((item["name"], json.loads(text) if kind == "function_call" else text))
        open_turn = kind in KINDS
    return out


def calls_in(got):
    """The calls of a streamed answer, and its whole text."""
    calls, text, pieces = [], "", {}
    for event in map(json.loads, got.events()):
        kind = event["type"]
        if kind == "content_block_start" and event["content_block"]["type"] == "tool_use":
            pieces[event["index"]] = ""
            calls.append([event["content_block"]["name"], event["index"]])
        elif kind == "content_block_delta":
            delta = event["delta"]
            text += delta.get("text", "")
            if delta["type"] == "input_json_delta":
                pieces[event["index"]] += delta["partial_json"]
        elif kind == "response.output_item.done" and event["item"]["type"] in KINDS:
            item = event["item"]
            said = item[KINDS[item["type"]]]
            calls.append((item["name"], json.loads(said) if item["type"] == "function_call" else said))
        elif kind == "response.output_text.delta":
            text += event["delta"]
    assert kind in ("message_stop", "response.completed"), got.body[-2000:]
    return [(name, json.loads(pieces[at])) if isinstance(at, int) else (name, at) for name, at in calls], text


@pytest.fixture(scope="module", params=list(WIRES))
def over(request):
    wire = WIRES[request.param]
    with Model() as model:
        names = [s[0][2]["model"] for s in SESSIONS.values()]
        toml = "".join(model_toml(n, wire, model.url) for n in names)
        assert there(toml), f"no provider for {wire.name}"
        with Signet(config(toml, record=True), env=ENV) as signet:
            allow_for(signet, [wire])
            yield model, signet
            signet.assert_idle()


@pytest.mark.parametrize("name", SESSIONS)
def test_a_recorded_session(over, name):
    model, signet = over
    session = SESSIONS[name]
    assert raw.post(signet.port, session[0][0], {}).status != 404, f"{session[0][0]} is no route"
    expected = turns_of(session[-1][2])
    assert [len(turn) for turn in expected] in ([2, 1, 1], [1, 1, 1])
    model.reset(play=expected)
    for at, (path, headers, body) in enumerate(session):
        got = raw.post(signet.port, path, json.dumps(body), headers)
        assert got.status == 200 and got.headers["content-type"].startswith("text/event-stream"), got.body[:2000]
        calls, text = calls_in(got)
        assert calls == (expected[at] if at < len(expected) else [])
        assert bool(calls) or "hello, world" in text
    assert len(model.requests) == len(session) and not model.complaints, [c for _, _, c in model.complaints][:5]
