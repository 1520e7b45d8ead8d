"""A stream has begun with its first content (surfaces §1.7): until then the next provider is asked.

What commits nothing: a role, empty content, pings, usage, a finish reason. What was held back goes out in front of the
first content, in order and byte for byte; what an abandoned attempt sent stays in that attempt's record.
"""
import json
import time

import pytest

from lib import raw, record
from lib.mock import CLOSE, HANG, RESET, Gate, Pause, Raw, chunk, sse, text_chunks, tool_call, usage_chunk
from lib.raw import CHAT, TZ, TZ_CHAT, chat
from lib.signet import config, openai_model

BOTH = pytest.mark.parametrize("path,prefix", [(CHAT, ""), (TZ_CHAT, TZ)], ids=["openai", "tensorzero"])
ROLE = chunk({"role": "assistant", "content": ""})
ERROR = {"error": {"message": "overloaded", "code": 503}}


def signet_toml(mock):
    two = mock.url + "/a", mock.url + "/b"
    slow = openai_model("slow", *two).replace('api_key_location = "none"\n', 'api_key_location = "none"\ntimeouts.streaming.ttft_ms = 400\n', 1)
    return config(openai_model("m", mock.url) + openai_model("two", *two) + slow +
                  openai_model("whole", mock.url, model_keys="timeouts.streaming.ttft_ms = 400"), record=True)


def texts(got):
    return "".join(c["delta"].get("content") or "" for e in got.events()[:-1] for c in json.loads(e).get("choices", []))


SAYS_NOTHING = {
    "role": [ROLE],
    "role alone": [chunk({"role": "assistant"})],
    "refusal null": [chunk({"role": "assistant", "content": "", "refusal": None})],
    "null content": [chunk({"role": "assistant", "content": None})],
    "empty refusal": [chunk({"role": "assistant", "refusal": ""})],
    "empty thought": [chunk({"role": "assistant", "reasoning_content": "", "reasoning": None})],
    "no calls": [chunk({"role": "assistant", "content": "", "tool_calls": []})],
    "empty members": [chunk({"role": "assistant", "content": "", "audio": None, "annotations": [], "more": {}, "other": ""})],
    "many": [ROLE] * 30,
    "no choices": [chunk(choices=[], usage=None, prompt_filter_results=[{"prompt_index": 0}])],
    "usage": [ROLE, usage_chunk()],
    "finish": [ROLE, chunk({}, "stop")],
    "ping": [Raw(b'event: ping\ndata: {"type":"ping"}\n\n')],
    "comment": [Raw(b": keep-alive\n\n"), ROLE],
    "role, ping": [ROLE, Raw(b'event: ping\ndata: {"type":"ping"}\n\n'), "null", "{}"],
    "empty parts": [chunk({"role": "assistant", "content": []})],
    "no delta": [chunk(choices=[{"index": 0, "finish_reason": None, "content_filter_offsets": {"a": 1}}])],
}
FAILS = {
    "error": ([ERROR], None),
    "error event": ([Raw(b"event: error\ndata: out of order\n\n")], None),
    "error choice": ([chunk(choices=[{"index": 0, "delta": {"content": ""}, "finish_reason": "error", "error": {"message": "x"}}])], None),
    "garbage": (["{nonsense"], None),
    "close": ([], CLOSE),
    "reset": ([], RESET),
}


@BOTH
@pytest.mark.parametrize("fails", FAILS)
@pytest.mark.parametrize("says", SAYS_NOTHING)
def test_what_says_nothing_commits_nothing(signet, mock, path, prefix, says, fails):
    events, end = FAILS[fails]
    if says == "finish" and fails == "close":
        pytest.skip("a whole answer without content")
    mock.drop_idle()
    mock.then(sse([*SAYS_NOTHING[says], Pause(0.02), *events], done=False, end=end or HANG), sse(text_chunks("second")))
    got = raw.post(signet.port, path, chat(prefix + "two", stream=True))
    assert got.status == 200 and texts(got) == "second", got.text
    assert "error" not in got.text and got.headers["x-signet-provider"] == "p1"
    assert [r.target[:3] for r in mock.requests][-1] == "/b/"


@BOTH
@pytest.mark.parametrize("says", ["role", "ping", "finish", "many"])
def test_silence_behind_it_meets_ttft(signet, mock, path, prefix, says):
    mock.then(sse(SAYS_NOTHING[says], done=False, end=HANG), sse(text_chunks("second")))
    began = time.monotonic()
    got = raw.post(signet.port, path, chat(prefix + "slow", stream=True))
    assert got.status == 200 and texts(got) == "second" and 0.35 < time.monotonic() - began < 5
    assert mock.requests[0].gone.wait(5)


@BOTH
def test_ttft_of_the_model_runs_until_content(signet, mock, path, prefix):
    mock.then(sse([ROLE], done=False, end=HANG))
    got = raw.post(signet.port, path, chat(prefix + "whole", stream=True))
    assert got.status == (504 if path == CHAT else 502) and "`streaming.ttft_ms`" in got.message


SAYS = {
    "text": {"content": "x"},
    "space": {"content": " "},
    "thought": {"reasoning_content": "hm"},
    "reasoning": {"reasoning": "hm"},
    "refusal": {"refusal": "No."},
    "call": {"tool_calls": [{"index": 0, **tool_call("call_a", "f", "")}]},
    "old call": {"function_call": {"name": "f", "arguments": ""}},
}


@BOTH
@pytest.mark.parametrize("says", SAYS)
def test_content_of_every_kind_commits(signet, mock, path, prefix, says):
    mock.then(sse([ROLE, chunk(SAYS[says]), Pause(0.02), ERROR], done=False), sse(text_chunks("second")))
    got = raw.post(signet.port, path, chat(prefix + "two", stream=True))
    assert got.status == 200 and "overloaded" in got.text and "second" not in got.text
    assert len(mock.requests) == 1


@pytest.mark.parametrize("says", [{"audio": {"id": "a", "transcript": "Hi"}}, {"reasoning_details": [{"type": "reasoning.text", "text": "hm"}]}])
def test_content_that_only_a_pass_through_carries_commits(signet, mock, says):
    mock.then(sse([ROLE, chunk(says), Pause(0.02), ERROR], done=False), sse(text_chunks("second")))
    got = raw.post(signet.port, CHAT, chat("two", stream=True))
    assert "overloaded" in got.text and json.loads(got.events()[1])["choices"][0]["delta"] == says and len(mock.requests) == 1


def test_what_was_held_back_comes_in_order_and_byte_for_byte(signet, mock):
    events = [b'{"id":"u", "object":"chat.completion.chunk","created":17,"model":"mock-model-1","x":{"b":1.50,"a":"\\u00e9"},'
              b'"choices":[{"index":0,"delta":%s,"logprobs":null,"finish_reason":%s}]}' % (delta, finish)
              for delta, finish in [(b'{"role":"assistant","content":""}', b"null"), (b'{"content":"", "z":null}', b"null"), (b"{}", b"null"),
                                    (b'{"content":"H\\u0069 \xc3\xa9"}', b"null"), (b'{"content":"!"}', b"null"), (b"{}", b'"stop"')]]
    mock.then(sse([Raw(b"data: %s\n\n" % e) for e in events], split=7))
    got = raw.post(signet.port, CHAT, chat(stream=True))
    hex = got.headers["x-signet-inference-id"].replace("-", "")
    want = [e.replace(b'"id":"u"', b'"id":"chatcmpl-%s"' % hex.encode()).replace(b'"model":"mock-model-1"', b'"model":"m"') for e in events]
    assert [e.encode() for e in got.events()[:-1]] == want
    row = record.whole(signet.data_dir, got.headers["x-signet-inference-id"])["ModelInference"][0]
    assert row["raw_response"].encode() == b"\n".join(events)
    assert row["output"] == [{"type": "text", "text": "Hi é!"}]


def test_nothing_leaves_before_the_first_content_and_all_does_with_it(signet, mock):
    content, end = Gate(), Gate()
    mock.then(sse([ROLE, chunk({}), content, chunk({"content": "a"}), end, chunk({}, "stop")]))
    with raw.Client(signet.port, 20) as c:
        c.send(raw.post_bytes(CHAT, chat(stream=True)))
        mock.wait_requests(1)
        time.sleep(0.3)
        content.set()
        c.read_head()
        first = b""
        while b'"content":"a"' not in first:
            first += c.read_chunk()
        assert first.count(b"data: ") == 3
        end.set()
        while c.read_chunk():
            pass


@BOTH
def test_an_answer_without_content_is_one(signet, mock, path, prefix):
    mock.then(sse([ROLE, chunk({}, "stop"), usage_chunk()]))
    got = raw.post(signet.port, path, chat(prefix + "two", stream=True, stream_options={"include_usage": True}))
    assert got.status == 200 and got.events()[-1] == "[DONE]" and len(mock.requests) == 1
    values = [json.loads(e) for e in got.events()[:-1]]
    assert [c["finish_reason"] for v in values for c in v["choices"] if c["finish_reason"]] == ["stop"]
    assert [v["usage"]["prompt_tokens"] for v in values if v.get("usage")] == [11]


def test_the_abandoned_attempts_words_stay_in_its_record(signet, mock):
    mock.then(sse([ROLE, chunk({}), Pause(0.02), ERROR], done=False), sse(text_chunks("second", usage=False)))
    got = raw.post(signet.port, CHAT, chat("two", stream=True))
    rows = record.whole(signet.data_dir, got.headers["x-signet-inference-id"])
    attempt, = rows["RequestError"][0]["attempts"]
    assert [json.loads(e) for e in attempt["raw_response"].split("\n")] == [ROLE, chunk({}), ERROR]
    assert attempt["provider"] == "p0" and attempt["status"] == 200 and "overloaded" in attempt["error"]
    assert "overloaded" not in rows["ModelInference"][0]["raw_response"]
    assert [json.loads(e) for e in rows["ModelInference"][0]["raw_response"].split("\n")] == text_chunks("second", usage=False)


def test_the_words_before_silence_stay_in_the_record_too(signet, mock):
    mock.then(sse([ROLE], done=False, end=HANG), sse(text_chunks("second")))
    got = raw.post(signet.port, CHAT, chat("slow", stream=True))
    attempt, = record.whole(signet.data_dir, got.headers["x-signet-inference-id"])["RequestError"][0]["attempts"]
    assert json.loads(attempt["raw_response"]) == ROLE


def test_times_run_until_content(signet, mock):
    before = signet.metric("signet_upstream_ttft_seconds_sum", model="m")
    mock.then(sse([ROLE, Pause(0.5), chunk({"content": "a"}), chunk({}, "stop")]))
    got = raw.post(signet.port, CHAT, chat(stream=True))
    row = record.wait_row(signet.data_dir, got.headers["x-signet-inference-id"])
    assert 450 <= row["ttft_ms"] < 5000
    assert signet.metric("signet_upstream_ttft_seconds_sum", model="m") - before > 0.45


def test_a_stream_that_says_nothing_for_long_begins_all_the_same(signet, mock):
    mock.then(sse([chunk({}, pad="x" * 1000)] * 3000 + text_chunks("end")))
    got = raw.post(signet.port, CHAT, chat(stream=True), timeout=60)
    assert texts(got) == "end" and len(got.events()) > 3000


@pytest.mark.parametrize("fails", FAILS)
def test_the_last_provider_of_openais_route_fails_with_a_status(signet, mock, fails):
    events, end = FAILS[fails]
    mock.drop_idle()
    mock.then(sse([ROLE, Pause(0.02), *events], done=False, end=end or HANG))
    got = raw.post(signet.port, CHAT, chat(stream=True))
    assert got.status == (503 if fails == "error" else 502) and got.json["error"]["message"]


@pytest.mark.parametrize("fails", FAILS)
def test_the_last_provider_of_tensorzeros_route_fails_as_there(signet, mock, fails):
    """With nobody else to ask TensorZero's stream has begun with the first chunk: the failure is an event of it."""
    events, end = FAILS[fails]
    mock.drop_idle()
    mock.then(sse([ROLE, Pause(0.02), *events], done=False, end=end or CLOSE))
    got = raw.post(signet.port, TZ_CHAT, chat(TZ + "m", stream=True))
    assert got.status == 200 and any("error" in json.loads(e) for e in got.events()[:-1]), got.text
