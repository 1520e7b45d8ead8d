"""The mock does what its scripts say: the other tests stand on it."""
import threading

import httpx
import pytest

from lib import raw
from lib.mock import (CLOSE, HANG, RESET, Authority, Mock, Pause, answer, chat_answer, cut, endless, error, hang,
                      json_answer, sse, text_chunks)


@pytest.fixture
def up():
    with Mock() as mock:
        yield mock


@pytest.mark.parametrize("framing", ["length", "chunked", "close"])
@pytest.mark.parametrize("encoding", [None, "gzip", "deflate"])
def test_every_framing_and_encoding_reads_back(up, framing, encoding):
    up.then(json_answer(chat_answer("é"), framing=framing, encoding=encoding, chunk=7))
    got = httpx.post(up.url + "/v1/chat/completions", json={"a": 1})
    assert got.json()["choices"][0]["message"]["content"] == "é"


def test_requests_are_kept_byte_for_byte(up):
    raw.post(up.port, "/x", b'{"a": 1}', [("X-Odd", "Case  kept")])
    assert up.last().raw == (b"POST /x HTTP/1.1\r\nhost: test\r\ncontent-type: application/json\r\nX-Odd: Case  kept\r\n"
                             b'content-length: 8\r\n\r\n{"a": 1}')


def test_stream_split_at_every_byte(up):
    up.then(sse(text_chunks("héllo"), split=1))
    got = httpx.post(up.url + "/", json={})
    assert got.text.endswith("data: [DONE]\n\n")


def test_scripts_are_taken_in_order(up):
    up.then(error(429, "slow", headers=[("retry-after", "3")]), answer("<html>", content_type="text/html"))
    first, second = httpx.post(up.url + "/", json={}), httpx.post(up.url + "/", json={})
    assert (first.status_code, first.headers["retry-after"]) == (429, "3")
    assert second.text == "<html>"


def test_trouble(up):
    for script, kind in [(cut(), httpx.RemoteProtocolError), (cut(b"HTTP/1.1 2", rst=True), httpx.ReadError),
                         (hang(), httpx.ReadTimeout), (endless(b"x" * 65536), httpx.HTTPError)]:
        up.then(script)
        with pytest.raises(kind), httpx.stream("POST", up.url, json={}, timeout=0.3) as got:
            for i, _ in enumerate(got.iter_raw()):
                if i > 20:
                    raise httpx.HTTPError("enough")


def test_gone_is_seen(up):
    up.then(sse([Pause(0.01), HANG]), sse(text_chunks(), end=RESET), sse(text_chunks(), end=CLOSE))
    with raw.Client(up.port) as c:
        c.send(raw.post_bytes("/", {}))
        c.read_head()
    assert up.wait_requests(1)[0].gone.wait(5)


def test_tls(tmp_path):
    ca = Authority(tmp_path)
    import ssl

    with Mock(tls=ca.context()) as good, Mock(tls=ca.context(expired=True, file="old")) as old:
        trust = ssl.create_default_context(cafile=ca.cert)
        assert httpx.post(good.url, json={}, verify=trust).status_code == 200
        with pytest.raises(httpx.ConnectError, match="expired"):
            httpx.post(old.url, json={}, verify=trust)


def test_a_closed_mock_leaves_no_thread_that_accepts():
    """It would take a connection of the next mock, whose listener has the same number, and close it."""
    before = set(threading.enumerate())
    with Mock():
        pass
    assert set(threading.enumerate()) <= before
