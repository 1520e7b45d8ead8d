"""Headers of an upstream that mean something to the client: retry-after in its three forms, x-request-id. Any length."""
import email.utils
import time

import pytest

from lib import raw
from lib.mock import chat_answer, error, json_answer, sse, text_chunks
from lib.raw import CHAT, TZ, TZ_CHAT, chat
from lib.signet import config, openai_model

LENGTHS = pytest.mark.parametrize("length", [1, 62, 63, 64, 65, 66, 127, 128, 129, 200, 1024])
YEAR = 366 * 86400


def signet_toml(mock):
    return config(openai_model("m", mock.url) + openai_model("two", mock.url + "/a", mock.url + "/b"))


def asked_to_wait(signet, mock, *headers, status=429, model="m", message="slow"):
    """(status, retry-after) of an answer behind an upstream's error with these headers."""
    mock.reset(error(status, message, headers=headers))
    got = raw.post(signet.port, CHAT, chat(model))
    return got.status, got.headers.get("retry-after")


def date_in(seconds):
    return email.utils.formatdate(time.time() + seconds, usegmt=True)


def test_a_date_becomes_seconds(signet, mock):
    status, wait = asked_to_wait(signet, mock, ("retry-after", date_in(120)))
    assert status == 429 and 100 <= int(wait) <= 121  # the gateway may still see the second before
    assert 86000 <= int(asked_to_wait(signet, mock, ("retry-after", date_in(86400)))[1]) <= 86401


def test_a_date_that_has_passed_is_now(signet, mock):
    assert asked_to_wait(signet, mock, ("retry-after", date_in(-3600))) == (429, "0")


@pytest.mark.parametrize("value", ["Fri, 31 Dec 9999 23:59:59 GMT", "99999999999", "18446744073709551616.5", str(YEAR + 1)])
def test_nobody_waits_longer_than_a_year(signet, mock, value):
    wait = asked_to_wait(signet, mock, ("retry-after", value))[1]
    assert wait in (None, str(YEAR))


@pytest.mark.parametrize("value,seconds", [("0", "0"), ("7", "7"), ("7.0", "7"), ("7.001", "8"), ("0.25", "1"), (str(YEAR - 1), str(YEAR - 1)),
                                           ("7s", None), ("-1", None), ("1.x", None), ("soon", None), ("", None), ("Mon, 32 Foo 2026 00:00:00 GMT", None)])
def test_seconds_whole_and_in_parts(signet, mock, value, seconds):
    assert asked_to_wait(signet, mock, ("retry-after", value)) == (429, seconds)


@pytest.mark.parametrize("value,seconds", [("0", "0"), ("1", "1"), ("1000", "1"), ("1001", "2"), ("9" * 18, str(YEAR)), ("x", "5")])
def test_milliseconds_come_first(signet, mock, value, seconds):
    assert asked_to_wait(signet, mock, ("retry-after", "5"), ("retry-after-ms", value)) == (429, seconds)


@pytest.mark.parametrize("status,seen", [(429, (429, "5")), (503, (503, "5")), (529, (529, "5")), (500, (500, None)), (400, (400, None))])
def test_only_who_may_come_again_is_told_when(signet, mock, status, seen):
    assert asked_to_wait(signet, mock, ("retry-after", "5"), status=status) == seen


@pytest.mark.parametrize("text,seconds", [
    ("Please try again in 20s.", "20"), ("Please try again in 1.5s.", "2"), ("Try Again In 20 seconds", "20"), ("please try again in 350ms", "1"),
    ("try again in 2m", "120"), ("try again in 1.999s", "2"), ("try again in 2.001s", "3"), ("try again in 1h", "1"), ("try again in a while", None),
    ("try again later", None), ("try again in 1234567890123s", "123456789")])
def test_the_upstreams_words_say_it_too(signet, mock, text, seconds):
    wait = asked_to_wait(signet, mock, message=text)[1]
    if seconds == "123456789":
        assert wait is None or int(wait) <= 999999999, "no overflow"
    else:
        assert wait == seconds


def test_the_header_beats_the_words(signet, mock):
    assert asked_to_wait(signet, mock, ("retry-after", "3"), message="try again in 20s") == (429, "3")


def test_the_last_providers_word_counts(signet, mock):
    mock.then(error(429, "slow", headers=[("retry-after", "5")]), error(429, "slow", headers=[("retry-after", "9")]))
    assert raw.post(signet.port, CHAT, chat("two")).headers["retry-after"] == "9"


@LENGTHS
def test_a_retry_after_of_any_length(signet, mock, length):
    assert asked_to_wait(signet, mock, ("retry-after", "x" * length)) == (429, None)
    blanks = date_in(120).replace(", ", "," + " " * (length - 28)) if length > 28 else date_in(120)
    wait = asked_to_wait(signet, mock, ("retry-after", blanks))[1]
    assert wait is None or 100 <= int(wait) <= 121  # the gateway may see the second before the date was made
    if length == 63:
        assert wait, "a date of 63 bytes is read"
    digits = asked_to_wait(signet, mock, ("retry-after", "0" * (length - 1) + "4"))[1]
    assert digits in (None, "4")


@LENGTHS
@pytest.mark.parametrize("stream", [False, True])
def test_a_request_id_of_any_length(signet, mock, length, stream):
    ids = [("x-request-id", "i" * length)]
    mock.reset(sse(text_chunks("hi"), headers=ids) if stream else json_answer(chat_answer("hi"), headers=ids))
    for path, model in ((CHAT, "m"), (TZ_CHAT, TZ + "m")):
        h = raw.post(signet.port, path, chat(model, stream=stream)).headers
        assert h["x-signet-upstream-request-id"] == "i" * length
        assert h["request-id"] == ("i" * length if path == CHAT else h["x-request-id"])


@LENGTHS
def test_a_content_type_of_any_length(signet, mock, length):
    mock.reset(sse(text_chunks("hi"), content_type="text/event-stream; x=" + "y" * length))
    assert raw.post(signet.port, CHAT, chat(stream=True)).events()[-1] == "[DONE]"
    mock.reset(json_answer(chat_answer("hi"), content_type="z" * length))
    got = raw.post(signet.port, CHAT, chat(stream=True))
    assert got.status == 502 and f"Expected content-type 'text/event-stream', got \"{'z' * length}\"" in got.message
