"""The spine: a chat request through both profiles, plain and streamed."""
import json

import pytest

from lib import raw
from lib.mock import chat_answer, json_answer, sse, text_chunks
from lib.raw import CHAT, TZ, TZ_CHAT, chat


@pytest.mark.parametrize("path,model", [(CHAT, "m"), (TZ_CHAT, TZ + "m")])
def test_plain(signet, mock, path, model):
    mock.then(json_answer(chat_answer("Good day.")))
    got = raw.post(signet.port, path, chat(model))
    assert got.status == 200
    assert got.headers["content-type"] == "application/json"
    assert got.headers["x-tensorzero-gateway-version"] == "2026.6.0"
    assert got.json["choices"][0]["message"]["content"] == "Good day."
    assert got.json["choices"][0]["finish_reason"] == "stop"
    assert got.json["usage"]["total_tokens"] == 18
    assert mock.last().target == "/v1/chat/completions"
    assert mock.last().json["messages"] == [{"role": "user", "content": "Hi"}]
    assert mock.last().json["model"] == "mock-model"
    assert "authorization" not in mock.last().headers


@pytest.mark.parametrize("path,model", [(CHAT, "m"), (TZ_CHAT, TZ + "m")])
def test_stream(signet, mock, path, model):
    mock.then(sse(text_chunks("Good day.")))
    got = raw.post(signet.port, path, chat(model, stream=True))
    assert got.status == 200
    assert got.headers["content-type"] == "text/event-stream"
    events = got.events()
    assert events[-1] == "[DONE]"
    chunks = [json.loads(e) for e in events[:-1]]
    text = "".join(c["choices"][0]["delta"].get("content") or "" for c in chunks if c["choices"])
    assert text == "Good day."
    assert [c["choices"][0]["finish_reason"] for c in chunks if c["choices"]][-1] == "stop"
    assert mock.last().headers["accept"] == "text/event-stream"
    assert mock.last().json["stream_options"] == {"include_usage": True}
