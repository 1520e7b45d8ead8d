"""What a client reads when no provider answered: the model, each provider and its reason, on every surface of /v1.

TensorZero's nesting stays on TensorZero's own routes, and in the record.
"""
import json
import socket

import pytest

from lib import raw
from lib.mock import error, json_answer
from lib.raw import CHAT, TZ, TZ_CHAT, chat
from lib.signet import config, openai_model


def closed_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def toml(mock):
    dead = f"http://127.0.0.1:{closed_port()}"
    return (config(openai_model("assistant", "http://name.invalid", dead) + openai_model("half", mock.url, dead) + openai_model("m", mock.url))
            + openai_model("e", dead).replace("[models.", "[embedding_models."))


SIGNET = {"env": {}}
BODIES = [
    (CHAT, lambda m: chat(m)),
    ("/v1/completions", lambda m: {"model": m, "prompt": "x"}),
    ("/v1/responses", lambda m: {"model": m, "input": "x", "store": False}),
    ("/v1/messages", lambda m: {"model": m, "max_tokens": 5, "messages": [{"role": "user", "content": "x"}]}),
]


def signet_toml(mock):
    return toml(mock)


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
@pytest.mark.parametrize("path,body", BODIES, ids=[b[0] for b in BODIES])
def test_each_provider_and_its_reason_stand_in_one_sentence(signet, path, body, stream):
    got = raw.post(signet.port, path, {**body("assistant"), "stream": stream})
    assert got.status >= 500
    text = got.json["error"]["message"]
    assert text.startswith('no provider of "assistant" answered. p0: cannot resolve name.invalid'), text
    assert "; p1: " in text and "onnection refused" in text, text
    assert "All model providers" not in text and "All variants" not in text


def test_embeddings_say_the_same(signet):
    got = raw.post(signet.port, "/v1/embeddings", {"model": "e", "input": "x"})
    assert got.json["error"]["message"].startswith('no provider of "e" answered. p: '), got.json


def test_what_an_upstream_said_stands_without_its_frame(signet, mock):
    mock.then(error(401, "Incorrect API key provided"))
    got = raw.post(signet.port, CHAT, chat("half"))
    assert got.json["error"]["message"].startswith('no provider of "half" answered. p0: 401 Unauthorized: Incorrect API key provided; p1: '), got.json


def test_long_reasons_share_the_room(signet, mock):
    mock.then(error(500, "x" * 100_000))
    text = raw.post(signet.port, CHAT, chat("half")).json["error"]["message"]
    assert len(text.encode()) <= 8192 and "onnection refused" in text


def test_tensorzeros_route_keeps_its_nesting(signet):
    got = raw.post(signet.port, TZ_CHAT, chat(TZ + "assistant"))
    assert got.status == 502
    assert got.json["error"]["message"].startswith("All variants failed with errors: assistant: All model providers failed to infer with errors: p0: ")
