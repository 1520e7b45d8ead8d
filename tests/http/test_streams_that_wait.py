"""The head and the pings of streams whose upstream takes its time (surfaces §1.3, §1.5, §1.7)."""
import pytest

from lib import raw
from lib.mock import CLOSE, Pause, sse, text_chunks
from lib.raw import CHAT, TZ, TZ_CHAT, chat
from lib.signet import config, openai_model


def signet_toml(mock):
    return config(openai_model("m", mock.url) + openai_model("two", mock.url + "/a", mock.url + "/b"),
                  extra="[surfaces]\nhead_after_ms = 100\nping_ms = 150\n")


def test_the_head_goes_out_before_the_first_chunk_and_names_no_provider_yet(signet, mock):
    mock.then(sse([Pause(0.6), *text_chunks("Good day.")]))
    got = raw.post(signet.port, CHAT, chat("m", stream=True))
    assert got.status == 200 and got.body.startswith(b": ping\n\n") and got.body.count(b": ping\n\n") >= 2
    assert got.headers["x-signet-model"] == "m" and "x-signet-provider" not in got.headers
    assert got.events()[-1] == "[DONE]"


def test_a_provider_that_fails_after_the_head_is_followed_by_the_next(signet, mock):
    mock.then(sse([Pause(0.4), CLOSE]), sse(text_chunks("Good day.")))
    got = raw.post(signet.port, CHAT, chat("two", stream=True))
    assert got.status == 200 and b'"Goo"' in got.body and b'"error"' not in got.body
    assert [r.target[:2] for r in mock.requests] == ["/a", "/b"]


def test_all_that_fail_after_the_head_are_an_event(signet, mock):
    mock.then(sse([Pause(0.4), CLOSE]))
    got = raw.post(signet.port, CHAT, chat("m", stream=True))
    assert got.status == 200
    assert '"error":' in got.events()[0] and got.events()[1:] == ["[DONE]"]


@pytest.mark.parametrize("pause", [0.6])
def test_tensorzeros_route_waits_for_the_first_chunk_and_has_its_own_ping(signet, mock, pause):
    first, *rest = text_chunks("Good day.")
    mock.then(sse([Pause(pause), first, Pause(pause), *rest]))
    got = raw.post(signet.port, TZ_CHAT, chat(TZ + "m", stream=True))
    assert got.body.startswith(b"data: ") and b"\n:" not in got.body
    assert got.headers["x-signet-provider"] == "p"
