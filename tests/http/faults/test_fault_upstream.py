"""Upstreams that fail: a clear error to the client, the next provider tried, the connection not reused."""
import json
import socket
import time

import pytest

from lib import raw
from lib.mock import (CLOSE, HANG, RESET, Mock, Pause, Raw, answer, chat_answer, chunk, cut, endless, error, hang,
                      json_answer, sse, text_chunks)
from lib.raw import CHAT, TZ, TZ_CHAT, chat
from lib.signet import Signet, config, openai_model, sanitized

PROFILES = [(CHAT, "m"), (TZ_CHAT, TZ + "m")]
BOTH = pytest.mark.parametrize("path,model", PROFILES, ids=["openai", "tensorzero"])
TIMEOUTS = "timeouts = { non_streaming.total_ms = 500, streaming.ttft_ms = 500, streaming.total_ms = 3000 }\n"


def signet_toml(mock):
    return config(openai_model("m", mock.url, keys=TIMEOUTS) + openai_model("two", mock.url + "/a", mock.url + "/b", keys=TIMEOUTS)
                  + openai_model("dead", "http://127.0.0.1:1") + openai_model("dead-then-good", "http://127.0.0.1:1", mock.url),
                  extra="[upstream]\nconnect_timeout_ms = 1000")


def status_of_v1(path, openai, tensorzero=502):
    return openai if path == CHAT else tensorzero


CUT = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n{\"id\":"
PLAIN = {
    "reset-before-answer": [cut(rst=True)] * 2,
    "closed-before-answer": [cut()] * 2,
    "cut-in-status-line": [cut(b"HTTP/1.1 20")] * 2,
    "cut-in-headers": [cut(b"HTTP/1.1 200 OK\r\ncontent-le")] * 2,
    "cut-in-body": [cut(CUT)] * 2,
    "cut-in-chunk": [cut(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n10\r\n{\"id\":")] * 2,
    "cut-between-chunks": [cut(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n")] * 2,
    "reset-in-body": [cut(CUT, rst=True)] * 2,
    "bad-chunk-size": [cut(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n{}\r\n")] * 2,
    "not-http": [cut(b"SSH-2.0-OpenSSH_9.2\r\n")] * 2,
    "two-content-lengths": [cut(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}")] * 2,
    "html": [answer("<html><h1>Welcome</h1></html>", content_type="text/html")],
    "empty-200": [answer("")],
    "status-204": [cut(b"HTTP/1.1 204 No Content\r\n\r\n")] * 2,
    "json-cut": [answer('{"choices":[{"mess')],
    "json-null": [answer("null")],
    "no-choices": [json_answer({"id": "x"})],
    "choices-empty": [json_answer(chat_answer(choices=[]))],
    "deep": [answer('{"choices":' + "[" * 100000)],
    "redirect": [answer("", 302, headers=[("location", "http://127.0.0.1:1/")])],
    "bad-gzip": [answer("not gzip", headers=[("content-encoding", "gzip")])],
    "unknown-encoding": [answer("{}", headers=[("content-encoding", "lzma")])],
    "huge-headers": [cut(b"HTTP/1.1 200 OK\r\n" + b"x-pad: " + b"a" * 2000000 + b"\r\n\r\n{}")] * 2,
    "endless-headers": [cut(b"HTTP/1.1 200 OK\r\n" + b"x-pad: 1\r\n" * 100000)] * 2,
}


@BOTH
@pytest.mark.parametrize("name", PLAIN)
def test_plain(signet, mock, name, path, model):
    mock.then(*PLAIN[name])
    got = raw.post(signet.port, path, chat(model))
    assert got.status == 502, got.body[:500]
    assert got.headers["content-type"] == "application/json"
    assert "p: " in got.message, "the provider is not named"
    mock.reset()
    assert raw.post(signet.port, path, chat(model)).status == 200, "the next request is harmed"


@BOTH
def test_a_byte_that_is_no_utf8_in_a_good_answer(signet, mock, path, model):
    mock.then(answer(b'{"choices":[{"index":0,"message":{"role":"assistant","content":"a\xffb"},"finish_reason":"stop"}]}'))
    got = raw.post(signet.port, path, chat(model))
    assert got.status == 200 and got.json["choices"][0]["message"]["content"] == "a\ufffdb"


@BOTH
def test_200_with_an_error_object(signet, mock, path, model):
    """providers-openai §8 #38: a plain 200 with {"error":…} and no choices is a server error with its message; the next one is tried."""
    mock.then(json_answer({"error": {"message": "model is loading", "code": 503}}))
    got = raw.post(signet.port, path, chat(model))
    assert got.status in (502, 503) and "model is loading" in got.message
    mock.then(json_answer({"error": {"message": "model is loading"}}), json_answer(chat_answer("second")))
    got = raw.post(signet.port, path, chat("two" if path == CHAT else TZ + "two"))
    assert got.json["choices"][0]["message"]["content"] == "second"


@pytest.mark.parametrize("status,openai", [(400, 400), (401, 502), (402, 429), (403, 502), (404, 404), (408, 408), (409, 409), (413, 413),
                                           (422, 422), (429, 429), (500, 500), (502, 502), (503, 503), (504, 504), (529, 529)])
@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
def test_statuses(signet, mock, status, openai, stream):
    mock.then(error(status, "the cause"), error(status, "the cause"))
    got = raw.post(signet.port, CHAT, chat(stream=stream))
    assert (got.status, "the cause" in got.message) == (openai, True)
    got = raw.post(signet.port, TZ_CHAT, chat(TZ + "m", stream=stream))
    assert (got.status, "the cause" in got.message) == (502, True)


def test_credentials_are_in_no_error(signet, mock):
    mock.then(error(401, "Incorrect API key provided: sk-secret"))
    got = raw.post(signet.port, CHAT, chat(), [("authorization", "Bearer sk-client-key")])
    assert "sk-client-key" not in got.text and "sk-client-key" not in signet.stderr()


def test_retry_after(signet, mock):
    for value, seen in (("20", "20"), (None, None)):
        mock.then(error(429, "slow", headers=[("retry-after", value)] if value else [("retry-after-ms", "1500")]))
        got = raw.post(signet.port, CHAT, chat())
        assert got.headers["retry-after"] == (seen or "2")
        assert got.message == "slow"
    mock.then(error(429, "slow", headers=[("retry-after", "1.25")]))
    assert raw.post(signet.port, CHAT, chat()).headers["retry-after"] == "2", "seconds, rounded up"


@BOTH
def test_hang_before_the_head(signet, mock, path, model):
    mock.then(hang())
    start = time.monotonic()
    got = raw.post(signet.port, path, chat(model))
    assert 0.4 < time.monotonic() - start < 2
    assert got.status == status_of_v1(path, 504)
    assert "timed out due to configured `non_streaming.total_ms` timeout (500ms)" in got.message
    assert mock.last().gone.wait(3)


@BOTH
def test_hang_in_the_body(signet, mock, path, model):
    mock.then(hang(CUT))
    got = raw.post(signet.port, path, chat(model))
    assert got.status == status_of_v1(path, 504)
    assert mock.last().gone.wait(3)


@BOTH
def test_hang_before_the_first_event(signet, mock, path, model):
    mock.then(sse([HANG], done=False))
    got = raw.post(signet.port, path, chat(model, stream=True))
    assert got.status == status_of_v1(path, 504)
    assert "`streaming.ttft_ms` timeout (500ms)" in got.message


@BOTH
def test_hang_between_events(signet, mock, path, model):
    mock.then(sse([chunk({"content": "a"}), HANG], done=False))
    start = time.monotonic()
    got = raw.post(signet.port, path, chat(model, stream=True))
    assert 2.5 < time.monotonic() - start < 5
    assert "`streaming.total_ms` timeout (3s)" in got.text
    assert got.events()[-1] == "[DONE]"
    assert mock.last().gone.wait(3)


STREAMS = {
    "reset": ([chunk({"content": "Half"})], RESET),
    "closed-without-finish": ([chunk({"content": "Half"})], CLOSE),
    "error-event": ([chunk({"content": "Half"}), {"error": {"message": "overloaded", "code": 502}}], CLOSE),
    "error-string": ([chunk({"content": "Half"}), {"error": "overloaded"}], CLOSE),
    "event-error": ([chunk({"content": "Half"}), Raw(b'event: error\ndata: {"error":{"message":"overloaded"}}\n\n')], CLOSE),
    "cut-in-mid-event": ([chunk({"content": "Half"}), Raw(b'data: {"choices":[{"ind')], CLOSE),
    "cut-in-mid-character": ([chunk({"content": "Half"}), Raw(b'data: {"choices":[{"index":0,"delta":{"content":"\xf0\x9f')], CLOSE),
}


@BOTH
@pytest.mark.parametrize("name", STREAMS)
@pytest.mark.parametrize("framing", ["chunked", "close"])
def test_broken_streams_never_look_whole(signet, mock, name, framing, path, model):
    events, end = STREAMS[name]
    mock.then(sse(events, done=False, end=end, framing=framing))
    got = raw.post(signet.port, path, chat(model, stream=True))
    assert got.status == 200
    events = got.events()
    assert events[-1] == "[DONE]"
    values = [json.loads(e) for e in events[:-1]]
    assert "".join(c["choices"][0]["delta"].get("content") or "" for c in values if c.get("choices")) == "Half"
    errors = [v["error"]["message"] for v in values if "error" in v]
    assert 1 <= len(errors) <= (2 if "cut" in name else 1), values  # the half event is one, the end another
    if "error" in name:
        assert "overloaded" in errors[0]
    finishes = [c["choices"][0]["finish_reason"] for c in values if c.get("choices") and c["choices"][0]["finish_reason"]]
    assert not finishes, "a broken stream said how it finished"
    if path == CHAT:
        assert "error" in values[-1], "surfaces §3.3: the error, then [DONE]"
    else:
        assert values[-1]["choices"][0]["delta"] == {}, "http-api §11: one final chunk also after errors"


@BOTH
def test_fallback_until_the_first_token(signet, mock, path, model):
    for first in (cut(), sse([HANG], done=False), sse([], done=True), error(500), answer("<html>", content_type="text/html"),
                  sse([{"error": {"message": "x"}}], done=False, end=CLOSE), json_answer({"error": {"message": "in JSON"}})):
        mock.reset()
        mock.drop_idle()  # a reused connection that closes is tried once more, with the same provider
        time.sleep(0.1)
        mock.then(first, sse(text_chunks("second")))
        got = raw.post(signet.port, path, chat("two" if path == CHAT else TZ + "two", stream=True))
        assert got.status == 200
        text = "".join(json.loads(e)["choices"][0]["delta"].get("content") or "" for e in got.events()[:-1])
        assert text == "second"
        assert [r.target[:3] for r in mock.requests][-1] == "/b/"


@BOTH
def test_no_fallback_after_the_first_token(signet, mock, path, model):
    mock.then(sse([chunk({"content": "a"})], done=False, end=RESET), sse(text_chunks("second")))
    got = raw.post(signet.port, path, chat("two" if path == CHAT else TZ + "two", stream=True))
    assert "second" not in got.text and "error" in got.text
    assert len(mock.requests) == 1


def test_refusing_upstream(signet, mock):
    got = raw.post(signet.port, CHAT, chat("dead"))
    assert got.status == 502 and "refused" in got.message
    assert raw.post(signet.port, CHAT, chat("dead-then-good")).json["choices"][0]["message"]["content"] == "Hello!"


def test_unroutable_upstream_meets_the_connect_timeout(signet, mock):
    """A listener whose queue is full answers no SYN: only [upstream] connect_timeout_ms ends it."""
    full = socket.socket()
    full.bind(("127.0.0.1", 0))
    full.listen(0)
    filler = []
    for _ in range(4):
        s = socket.socket()
        s.setblocking(False)
        s.connect_ex(full.getsockname())
        filler.append(s)
    time.sleep(0.1)
    url = f"http://127.0.0.1:{full.getsockname()[1]}"
    with Signet(config(openai_model("m", url), extra="[upstream]\nconnect_timeout_ms = 700")) as s:
        start = time.monotonic()
        got = raw.post(s.port, CHAT, chat())
        assert got.status in (502, 504)
        assert 0.5 < time.monotonic() - start < 4
    for s in (*filler, full):
        s.close()


@BOTH
def test_endless_plain_body(signet, mock, path, model):
    before = signet.rss()
    mock.then(endless(b" " * 65536))
    got = raw.post(signet.port, path, chat(model), timeout=30)
    assert got.status in (502, 504)
    assert mock.last().gone.wait(5)
    assert signet.rss() - before < (700 if sanitized() else 300) << 20


@BOTH
def test_endless_error_body(signet, mock, path, model):
    """Error bodies are read up to 1 MiB."""

    def script(conn, request):
        conn.send(b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n")
        for _ in range(400):
            conn.send(b"x" * 65536)
        conn.close()

    mock.then(script)
    got = raw.post(signet.port, path, chat(model))
    assert got.status in (400, 502, 504)
    assert len(got.body) < 1200000


@BOTH
def test_event_of_50_mb(signet, mock, path, model):
    """An event over 16 MiB is a fatal error that names the limit; providers-openai §8 #79: a huge chunk is a limit error."""
    before = signet.rss()
    big = chunk({"content": "x" * (50 << 20)})
    mock.then(sse([chunk({"content": "a"}), Pause(0.01), big, chunk({"content": "b"}, "stop")]))
    got = raw.post(signet.port, path, chat(model, stream=True), timeout=60)
    values = [json.loads(e) for e in got.events()[:-1]]
    errors = [v["error"]["message"] for v in values if "error" in v]
    assert len(errors) == 1 and "16" in errors[0]
    assert len(got.body) < 1 << 20
    assert signet.rss() - before < (500 if sanitized() else 120) << 20


@BOTH
def test_event_of_10_mb_passes(signet, mock, path, model):
    mock.then(sse([chunk({"content": "x" * (10 << 20)}), chunk({}, "stop")]))
    got = raw.post(signet.port, path, chat(model, stream=True), timeout=60)
    text = "".join(json.loads(e)["choices"][0]["delta"].get("content") or "" for e in got.events()[:-1] if json.loads(e).get("choices"))
    assert len(text) == 10 << 20


@BOTH
@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd"])
def test_compressed_answers_though_never_asked_for(signet, mock, path, model, encoding):
    mock.then(json_answer(chat_answer("packed é"), encoding=encoding), sse(text_chunks("packed é"), encoding=encoding),
              sse(text_chunks("packed é"), encoding=encoding, split=5), json_answer(chat_answer("packed é"), encoding=encoding, framing="chunked", chunk=7))
    assert raw.post(signet.port, path, chat(model)).json["choices"][0]["message"]["content"] == "packed é"
    for _ in range(2):
        got = raw.post(signet.port, path, chat(model, stream=True))
        assert "".join(json.loads(e)["choices"][0]["delta"].get("content") or "" for e in got.events()[:-1] if json.loads(e)["choices"]) == "packed é"
    assert raw.post(signet.port, path, chat(model)).json["choices"][0]["message"]["content"] == "packed é"
    assert "accept-encoding" not in mock.last().headers
    assert raw.post(signet.port, path, chat(model)).headers.get("content-encoding") is None


def test_done_but_the_socket_stays_open(signet, mock):
    """providers-openai §8 #41: [DONE] ends the stream at once."""
    mock.then(sse([*text_chunks("a"), "[DONE]", HANG], done=False))
    start = time.monotonic()
    got = raw.post(signet.port, CHAT, chat(stream=True))
    assert got.events()[-1] == "[DONE]" and time.monotonic() - start < 1.5
    assert mock.last().gone.wait(3)


def test_early_answer_while_the_body_is_still_sent():
    """An upstream that answers 413 without reading, then closes: that is an error of this request, no hang."""
    with Mock() as early:

        def answer_at_once(sock, number):
            sock.recv(1024)
            body = b'{"error":{"message":"too big for me"}}'
            sock.sendall(b"HTTP/1.1 413 Payload Too Large\r\ncontent-length: %d\r\nconnection: close\r\n\r\n" % len(body) + body)
            time.sleep(0.3)
            sock.close()

        early._serve = answer_at_once
        with Signet(config(openai_model("m", early.url))) as s:
            got = raw.post(s.port, CHAT, chat(content="x" * (30 << 20)), timeout=30)
            assert got.status in (413, 502)


def test_informational_answers_are_skipped(signet, mock):
    body = json.dumps(chat_answer("after 103")).encode()
    mock.then(lambda conn, request: conn.send(b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body) + body))
    assert raw.post(signet.port, CHAT, chat()).json["choices"][0]["message"]["content"] == "after 103"


def test_content_after_done_is_not_read(signet, mock):
    mock.then(sse([*text_chunks("a"), "[DONE]", chunk({"content": "ghost"})], done=False))
    got = raw.post(signet.port, CHAT, chat(stream=True))
    assert "ghost" not in got.text


def test_trickle_of_the_head(signet, mock):
    body = json.dumps(chat_answer("drop by drop")).encode()

    def script(conn, request):
        for byte in b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body):
            conn.send(bytes([byte]))
            time.sleep(0.002)
        conn.send(body)

    mock.then(script)
    assert raw.post(signet.port, CHAT, chat()).json["choices"][0]["message"]["content"] == "drop by drop"


def test_pause_longer_than_the_ping_of_a_stream(signet, mock):
    mock.then(sse([chunk({"content": "a"}), Pause(0.3), chunk({"content": "b"}), chunk({}, "stop")]))
    assert raw.post(signet.port, CHAT, chat(stream=True)).events()[-1] == "[DONE]"
