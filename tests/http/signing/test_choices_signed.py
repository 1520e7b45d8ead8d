"""`n` > 1 at an upstream whose format knows one choice: that many calls side by side, signed each, usage summed (surfaces §3.1)."""
import json
import threading
import time

import pytest
from lib import raw, record
from lib.mock import CLOSE, HANG, Gate, Pause, Raw, answer, chat_answer, error, json_answer, sse
from lib.raw import CHAT, chat
from lib.signet import Signet, config, openai_model
from openai import OpenAI
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from signing_lib import build_sample, native


def event(text, name="c"):
    return f"event: {name}\ndata: {text}\n\n"


def said(text):
    return answer(event(text) + event("", "finish"), content_type="text/event-stream")


@pytest.fixture(scope="module")
def module_signet(module_mock, tmp_path_factory):
    sample = build_sample(tmp_path_factory.mktemp("signer"))

    def provider(model, name, extra=""):
        return (f'[models.{model}.providers.{name}]\ntype = "rust-proxy"\nmodel_name = "x"\napi_endpoint = "{module_mock.url}/{name}/stream/chat"\n'
                f'device_id = "d"\nsession_id = "s"\nsigner = {{ path = "{sample}" }}\nestimate_usage = true\n{extra}')
    toml = '[models.m]\nrouting = ["p"]\n' + provider("m", "p") + '[models.two]\nrouting = ["p", "q"]\n' + provider("two", "p") + provider("two", "q")
    toml += '[models.slow]\nrouting = ["p", "q"]\n' + provider("slow", "p", "timeouts.streaming.ttft_ms = 300\ntimeouts.non_streaming.total_ms = 300\n")
    toml += provider("slow", "q")
    toml += '[models.mixed]\nrouting = ["o", "p"]\n' + provider("mixed", "p") + openai_model("x", module_mock.url + "/o").split("\n", 3)[3].replace(
        "[models.x.providers.p]", "[models.mixed.providers.o]")
    with Signet(config(toml, record=True)) as signet:
        yield signet


def scripts(mock, texts):
    mock.then(*map(said, texts))


def test_a_plain_answer_of_three(signet, mock):
    scripts(mock, ["one", "two", "three"])
    got = raw.post(signet.port, CHAT, chat(n=3))
    assert got.status == 200, got.body
    parsed = ChatCompletion.model_validate(got.json, strict=True)
    assert [c.index for c in parsed.choices] == [0, 1, 2] and {c.message.content for c in parsed.choices} == {"one", "two", "three"}
    assert len(mock.requests) == 3 and len({r.headers["nonce"] for r in mock.requests}) == 3
    for r in mock.requests:
        h = r.headers
        assert h["sign"] == native(h["nonce"], h["timestamp"], h["device-id"], r.json["content"])
    rows = record.whole(signet.data_dir, got.headers["x-signet-inference-id"])
    calls = rows["ModelInference"]
    assert len(calls) == 3 and [c["attempt"] for c in calls] == [1, 2, 3]
    assert {c["signature"]["nonce"] for c in calls} == {r.headers["nonce"] for r in mock.requests}
    assert [c["output"][0]["text"] for c in calls] == [c.message.content for c in parsed.choices]
    assert rows["ChatInference"][0]["output"] == calls[0]["output"]
    assert [o["output"] for o in json.loads(calls[0]["other_choices"])] == [c["output"] for c in calls[1:]]
    assert parsed.usage.completion_tokens == sum(c["output_tokens"] for c in calls) == rows["InferenceById"][0]["output_tokens"] == 4
    assert parsed.usage.prompt_tokens == sum(c["input_tokens"] for c in calls) == rows["InferenceById"][0]["input_tokens"]
    assert "x-signet-ignored" not in got.headers


def events_of(got):
    assert got.status == 200 and got.events()[-1] == "[DONE]", got.body
    return [json.loads(e) for e in got.events()[:-1]]


def gathered(events):
    out = {}
    for c in (c for e in events for c in e["choices"]):
        mine = out.setdefault(c["index"], {"text": "", "finish": [], "roles": 0})
        mine["text"] += c["delta"].get("content") or ""
        mine["roles"] += "role" in c["delta"]
        mine["finish"] += [c["finish_reason"]] if c["finish_reason"] else []
    return out


def test_a_stream_of_three_carries_their_index(signet, mock):
    mock.then(*[sse([Raw(event(t).encode()) for t in text] + [Raw(event("", "finish").encode())], delay=0.01, done=False) for text in ("abc", "defg", "hi")])
    got = raw.post(signet.port, CHAT, chat(n=3, stream=True, stream_options={"include_usage": True}))
    events = events_of(got)
    for e in events:
        ChatCompletionChunk.model_validate(e, strict=True)
    seen = gathered(events)
    assert set(seen) == {0, 1, 2} and {v["text"] for v in seen.values()} == {"abc", "defg", "hi"}
    assert all(v["finish"] == ["stop"] and v["roles"] == 1 for v in seen.values())
    rows = record.whole(signet.data_dir, got.headers["x-signet-inference-id"])
    calls = rows["ModelInference"]
    assert [c["output"] for c in calls] == [[{"type": "text", "text": seen[i]["text"]}] for i in range(3)]
    assert all(c["raw_response"].startswith("event: c\ndata: ") and c["raw_response"].count("event: finish") == 1 for c in calls)
    assert [e["usage"]["completion_tokens"] for e in events if e.get("usage")] == [sum(c["output_tokens"] for c in calls)] == [3]
    assert [(o["index"], o["output"]) for o in json.loads(calls[0]["other_choices"])] == [(i, calls[i]["output"]) for i in (1, 2)]
    assert rows["InferenceById"][0]["output_tokens"] == 3 and rows["InferenceById"][0]["attempts"] == 3


def test_they_run_side_by_side(signet, mock):
    scripts(mock, [])
    mock.then(*[answer(event("x") + event("", "finish"), content_type="text/event-stream", delay=0.5) for _ in range(8)])
    began = time.monotonic()
    got = raw.post(signet.port, CHAT, chat(n=8))
    assert len(got.json["choices"]) == 8 and time.monotonic() - began < 2.5


def test_the_official_client(signet, mock):
    scripts(mock, ["one", "two", "three", "four"])
    with OpenAI(api_key="x", base_url=signet.url + "/v1", max_retries=0) as client:
        got = client.chat.completions.create(model="m", messages=[{"role": "user", "content": "Hi"}], n=2)
        assert {c.message.content for c in got.choices} == {"one", "two"}
        texts = {}
        for chunk in client.chat.completions.create(model="m", messages=[{"role": "user", "content": "Hi"}], n=2, stream=True):
            for c in chunk.choices:
                texts[c.index] = texts.get(c.index, "") + (c.delta.content or "")
        assert set(texts) == {0, 1} and set(texts.values()) == {"three", "four"}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("fails", ["status", "error", "close", "end"])
def test_one_that_fails_fails_the_attempt(signet, mock, stream, fails):
    bad = {"status": error(500, "overloaded"), "error": answer(event("overloaded", "error"), content_type="text/event-stream"),
           "close": sse([Raw(b"event: threadId\ndata: t\n\n"), CLOSE], done=False), "end": sse([], done=False)}[fails]
    mock.route("/p/", bad)
    first = iter([said("a"), bad, said("b")])
    lock = threading.Lock()

    def of_p(conn, request):
        with lock:
            script = next(first)
        script(conn, request)
    mock.route("/p/", of_p)
    mock.route("/q/", said("second"))
    got = raw.post(signet.port, CHAT, chat("two", n=3, stream=stream))
    texts = [v["text"] for v in gathered(events_of(got)).values()] if stream else [c["message"]["content"] for c in got.json["choices"]]
    assert texts == ["second"] * 3 and got.headers["x-signet-provider"] == "q"
    rows = record.whole(signet.data_dir, got.headers["x-signet-inference-id"])
    attempt, = rows["RequestError"][0]["attempts"]
    assert attempt["provider"] == "p" and attempt["raw_request"] and len(rows["ModelInference"]) == 3


@pytest.mark.parametrize("stream", [False, True])
def test_silence_of_one_meets_the_deadline(signet, mock, stream):
    first = iter([said("a"), sse([Raw(b"event: threadId\ndata: t\n\n")], done=False, end=HANG)])
    mock.route("/p/", lambda conn, request: next(first)(conn, request))
    mock.route("/q/", said("second"))
    got = raw.post(signet.port, CHAT, chat("slow", n=2, stream=stream))
    texts = [v["text"] for v in gathered(events_of(got)).values()] if stream else [c["message"]["content"] for c in got.json["choices"]]
    assert texts == ["second"] * 2
    assert raw.wait_for(lambda: any(r.gone.is_set() for r in mock.requests))


def test_one_that_breaks_in_mid_stream_breaks_the_answer(signet, mock):
    gate = Gate()
    mock.then(sse([Raw(event("a").encode()), gate, Raw(event("b").encode())], done=False),
              sse([Raw(event("c").encode()), Pause(0.1), Raw(event("overloaded", "error").encode())], done=False))
    got = raw.post(signet.port, CHAT, chat(n=2, stream=True))
    gate.set()
    assert "overloaded" in got.text and got.events()[-1] == "[DONE]"
    row = record.wait_row(signet.data_dir, got.headers["x-signet-inference-id"])
    assert row["state"] == "truncated"


@pytest.mark.parametrize("stream", [False, True])
def test_a_client_that_leaves_ends_all_of_them(signet, mock, stream):
    mock.default = sse([Raw(event("a").encode())] if stream else [], done=False, end=HANG)
    with raw.Client(signet.port, 20) as c:
        c.send(raw.post_bytes(CHAT, chat(n=4, stream=stream)))
        mock.wait_requests(4)
        time.sleep(0.2)
    for r in mock.requests:
        assert r.gone.wait(5)
    mock.default = json_answer(chat_answer())


def test_providers_of_both_families(signet, mock):
    """The first knows `n` and fails; the second gets as many calls."""
    mock.then(error(500, "x"))
    mock.route("/p/", said("two"))
    got = raw.post(signet.port, CHAT, chat("mixed", n=2))
    assert [c["message"]["content"] for c in got.json["choices"]] == ["two", "two"]
    assert [r.target[:3] for r in mock.requests] == ["/o/", "/p/", "/p/"] and mock.requests[0].json["n"] == 2
    assert len(record.whole(signet.data_dir, got.headers["x-signet-inference-id"])["ModelInference"]) == 2
