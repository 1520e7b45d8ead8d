"""What a client gets while nothing comes from the upstream (surfaces §1.3: head_after_ms, ping_ms)."""
import json

import pytest

from lib import raw
from lib.mock import Pause, chunk, error, sse
from lib.raw import CHAT, TZ, TZ_CHAT, chat
from lib.signet import config, openai_model

LATE = [Pause(0.9), chunk({"content": "a"}), Pause(0.5), chunk({"content": "b"}), chunk({}, "stop")]


def signet_toml(mock):
    return config(openai_model("m", mock.url), extra="[surfaces]\nhead_after_ms = 200\nping_ms = 100")


def text_of(events):
    return "".join(c["delta"].get("content") or "" for e in events[:-1] for c in json.loads(e)["choices"])


def test_the_head_and_comments_come_before_the_first_chunk(signet, mock):
    mock.then(sse(LATE))
    got = raw.post(signet.port, CHAT, chat(stream=True))
    assert got.status == 200
    assert got.text.startswith(": ping\n\n")
    assert 4 <= got.text.count(": ping\n\n") <= 15
    assert ": ping\n\n" in got.text[got.text.index('"a"'):got.text.index('"b"')]
    events = got.events()
    assert (text_of(events), events[-1]) == ("ab", "[DONE]")


def test_tensorzeros_route_waits_for_the_first_chunk_and_has_its_own_interval(signet, mock):
    mock.then(sse(LATE))
    got = raw.post(signet.port, TZ_CHAT, chat(TZ + "m", stream=True))
    assert got.text.startswith("data: {")
    assert not [line for line in got.text.split("\n") if line.startswith(":")]
    assert got.events()[-1] == "[DONE]"


@pytest.mark.parametrize("path,model,status", [(CHAT, "m", 200), (TZ_CHAT, TZ + "m", 502)], ids=["openai", "tensorzero"])
def test_an_upstream_that_fails_after_the_head_is_an_event(signet, mock, path, model, status):
    def late(conn, request):
        conn.sleep(0.6)
        error(500, "out of order")(conn, request)

    mock.then(late)
    got = raw.post(signet.port, path, chat(model, stream=True))
    assert got.status == status
    assert "out of order" in got.text
    if status == 200:
        assert got.events()[-1] == "[DONE]"
        assert "out of order" in json.loads(got.events()[-2])["error"]["message"]
