"""Pooled upstream connections: reused, and never the reason of an error."""
import threading
import time

from lib import raw
from lib.mock import Conn, chat_answer, cut, json_answer, sse, text_chunks
from lib.raw import CHAT, chat
from lib.signet import Signet, config, openai_model


def signet_toml(mock):
    return config(openai_model("m", mock.url) + openai_model("two", mock.url + "/a", mock.url + "/b"), extra="[server]\nworkers = 1\n[upstream]\nidle_ms = 1500")


def test_connections_are_reused(signet, mock):
    for _ in range(5):
        assert raw.post(signet.port, CHAT, chat()).status == 200
        mock.then(sse(text_chunks("s")))
        assert raw.post(signet.port, CHAT, chat(stream=True)).status == 200
    assert len({r.conn.number for r in mock.requests}) == 1


def test_stale_connection_is_answered_once(signet, mock):
    """The upstream closes an idle connection: the next request goes out on a fresh one, and the client sees nothing."""
    for _ in range(10):
        assert raw.post(signet.port, CHAT, chat()).status == 200
        mock.drop_idle()
    assert len(mock.requests) == 10


def test_reused_connection_closed_after_the_request(signet, mock):
    """Closed by the upstream before a byte of the answer: once more on a fresh connection, exactly once."""
    raw.post(signet.port, CHAT, chat())
    mock.requests.clear()
    before = signet.metric("signet_retries_total", model="m")
    mock.then(cut(), json_answer(chat_answer("second try")))
    got = raw.post(signet.port, CHAT, chat())
    assert got.json["choices"][0]["message"]["content"] == "second try"
    assert len(mock.requests) == 2
    assert mock.requests[0].conn.number != mock.requests[1].conn.number
    assert signet.metric("signet_retries_total", model="m") == before + 1


def test_reused_connection_reset_after_the_request(signet, mock):
    raw.post(signet.port, CHAT, chat())
    mock.then(cut(rst=True), json_answer(chat_answer("second try")))
    assert raw.post(signet.port, CHAT, chat()).json["choices"][0]["message"]["content"] == "second try"


def test_fresh_connection_that_closes_is_a_provider_error(signet, mock):
    mock.drop_idle()
    time.sleep(0.1)
    mock.then(cut(), cut())
    got = raw.post(signet.port, CHAT, chat())
    assert got.status == 502
    assert len(mock.requests) <= 2, "an attempt was repeated without end"
    mock.drop_idle()
    time.sleep(0.1)
    mock.reset()
    mock.then(cut(), json_answer(chat_answer("b answers")))
    assert raw.post(signet.port, CHAT, chat("two")).json["choices"][0]["message"]["content"] == "b answers"


def test_not_repeated_once_an_answer_began(signet, mock):
    raw.post(signet.port, CHAT, chat())
    mock.requests.clear()
    mock.then(cut(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{"))
    assert raw.post(signet.port, CHAT, chat()).status == 502
    assert len(mock.requests) == 1


def test_idle_connections_are_closed(signet, mock):
    raw.post(signet.port, CHAT, chat())
    assert mock.open_connections() >= 1
    raw.wait_for(lambda: mock.open_connections() == 0, 5)


def test_connection_close_of_the_upstream_is_honoured(signet, mock):
    mock.then(json_answer(chat_answer("bye"), framing="close"))
    raw.post(signet.port, CHAT, chat())
    assert raw.post(signet.port, CHAT, chat()).status == 200
    assert len({r.conn.number for r in mock.requests}) == 2


def test_unasked_bytes_on_an_idle_connection(signet, mock):
    """Bytes that come after the answer belong to no request: that connection is never used again."""

    def chatty(conn: Conn, request):
        json_answer(chat_answer("first"))(conn, request)
        time.sleep(0.05)
        conn.send(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")

    mock.then(chatty)
    raw.post(signet.port, CHAT, chat())
    time.sleep(0.2)
    mock.then(json_answer(chat_answer("mine")))
    got = raw.post(signet.port, CHAT, chat())
    assert got.json["choices"][0]["message"]["content"] == "mine"


def test_answer_longer_than_its_length(signet, mock):
    body = b'{"choices":[{"index":0,"message":{"role":"assistant","content":"x"},"finish_reason":"stop"}]}'
    mock.then(lambda conn, request: conn.send(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body) + body + b"HTTP/1.1 200 OK\r\n"))
    assert raw.post(signet.port, CHAT, chat()).status == 200
    mock.then(json_answer(chat_answer("mine")))
    assert raw.post(signet.port, CHAT, chat()).json["choices"][0]["message"]["content"] == "mine"


def test_max_idle(mock):
    """[upstream] max_idle: after a burst no more connections are kept than that, per worker and host."""
    with Signet(config(openai_model("m", mock.url), extra="[server]\nworkers = 1\n[upstream]\nmax_idle = 3")) as s:
        mock.default, default = json_answer(chat_answer(), delay=0.2), mock.default
        threads = [threading.Thread(target=raw.post, args=(s.port, CHAT, chat())) for _ in range(12)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        mock.default = default
        assert len(mock.requests) == 12
        raw.wait_for(lambda: mock.open_connections() <= 3, 3)
