"""The same as test_first_content.py of an upstream that speaks the developer API: what is no text commits nothing."""
import json

import pytest
from lib import raw, record
from lib.mock import CLOSE, HANG, RESET, Pause, Raw, sse
from lib.raw import CHAT, TZ, TZ_CHAT, chat
from lib.signet import Signet, config
from signing_lib import build_sample

BOTH = pytest.mark.parametrize("path,prefix", [(CHAT, ""), (TZ_CHAT, TZ)], ids=["openai", "tensorzero"])
SAYS_NOTHING = {"thread": "event: threadId\ndata: t1\n\n", "sources": 'event: sources\ndata: [{"title":"T"}]\n\n', "empty text": "event: c\ndata:\n\n",
                "empty thought": 'event: r\ndata: {"text":""}\n\n', "unknown": "event: news\ndata: x\n\n", "comment": ": ping\n\n"}
FAILS = {"error": [Raw(b"event: error\ndata: overloaded\n\n"), CLOSE], "end": [], "close": [CLOSE], "reset": [RESET], "silence": [HANG]}
SECOND = [Raw(b"event: c\ndata: second\n\nevent: finish\ndata:\n\n")]


@pytest.fixture(scope="module")
def module_signet(module_mock, tmp_path_factory):
    sample = build_sample(tmp_path_factory.mktemp("signer"))
    toml = '[models.two]\nrouting = ["a", "b"]\n' + "".join(
        f'[models.two.providers.{p}]\ntype = "rust-proxy"\nmodel_name = "x"\napi_endpoint = "{module_mock.url}/{p}/stream/chat"\ndevice_id = "d"\n'
        f'session_id = "s"\nsigner = {{ path = "{sample}" }}\ntimeouts.streaming.ttft_ms = 400\n' for p in "ab")
    with Signet(config(toml, record=True)) as signet:
        yield signet


@BOTH
@pytest.mark.parametrize("fails", FAILS)
@pytest.mark.parametrize("says", SAYS_NOTHING)
def test_what_is_no_text_commits_nothing(signet, mock, path, prefix, says, fails):
    mock.drop_idle()
    mock.then(sse([Raw(SAYS_NOTHING[says].encode()), Pause(0.02), *FAILS[fails]], done=False), sse(SECOND, done=False))
    got = raw.post(signet.port, path, chat(prefix + "two", stream=True))
    assert got.status == 200 and '"second"' in got.text and "error" not in got.text
    assert [r.target[:3] for r in mock.requests][-1] == "/b/" and mock.requests[0].headers["nonce"] != mock.last().headers["nonce"]


@BOTH
@pytest.mark.parametrize("event", ["event: c\ndata: x\n\n", "event: r\ndata: hm\n\n"])
def test_a_text_or_a_thought_commits(signet, mock, path, prefix, event):
    mock.then(sse([Raw(event.encode()), Pause(0.02), *FAILS["error"]], done=False), sse(SECOND, done=False))
    got = raw.post(signet.port, path, chat(prefix + "two", stream=True))
    assert got.status == 200 and "overloaded" in got.text and len(mock.requests) == 1


def test_a_finish_without_text_is_an_empty_answer(signet, mock):
    mock.then(sse([Raw(b"event: threadId\ndata: t1\n\nevent: finish\ndata:\n\n")], done=False))
    got = raw.post(signet.port, CHAT, chat("two", stream=True))
    assert got.status == 200 and json.loads(got.events()[-2])["choices"][0]["finish_reason"] == "stop" and len(mock.requests) == 1


@pytest.mark.parametrize("fails", FAILS)
def test_the_abandoned_attempts_words_stay_in_its_record(signet, mock, fails):
    mock.then(sse([Raw(SAYS_NOTHING["thread"].encode()), Pause(0.02), *FAILS[fails]], done=False), sse(SECOND, done=False))
    got = raw.post(signet.port, CHAT, chat("two", stream=True))
    attempt, = record.whole(signet.data_dir, got.headers["x-signet-inference-id"])["RequestError"][0]["attempts"]
    assert attempt["raw_response"].startswith("event: threadId\ndata: t1\n") and ("overloaded" in attempt["raw_response"]) == (fails == "error")
    assert attempt["signature"]["nonce"] == mock.requests[0].headers["nonce"]
