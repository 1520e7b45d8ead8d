"""An upstream's error page that is longer than what is read of one: the beginning is told, and the next call goes on."""
import pytest

from lib import raw
from lib.mock import answer, chat_answer, json_answer
from lib.raw import CHAT, TZ, TZ_CHAT, chat
from lib.signet import config, openai_model

LONG = b"<html>late " + b"x" * (3 << 20)


def signet_toml(mock):
    return config(openai_model("m", mock.url))


@pytest.mark.parametrize("path,model", [(CHAT, "m"), (TZ_CHAT, TZ + "m")], ids=["openai", "tensorzero"])
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("framing", ["length", "chunked", "close"])
def test_the_beginning_of_a_long_page_is_told(signet, mock, path, model, stream, framing):
    mock.then(answer(LONG, 502, content_type="text/html", framing=framing))
    got = raw.post(signet.port, path, chat(model, stream=stream))
    assert got.status in (500, 502)
    assert "late xxxx" in got.message and len(got.message) <= (1 << 20) + 4096
    mock.then(json_answer(chat_answer("good")))
    assert raw.post(signet.port, path, chat(model)).status == 200


def test_a_page_that_is_cut_in_mid_character_is_text(signet, mock):
    page = b"a" + "\u4f60".encode() * (1 << 19)
    mock.then(answer(page, 502, content_type="text/html"))
    got = raw.post(signet.port, TZ_CHAT, chat(TZ + "m"))
    assert "a\u4f60\u4f60" in got.message
