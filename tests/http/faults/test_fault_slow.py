"""Slow and stalled clients: they get their time and no more, and hold back only themselves."""
import json
import socket
import time

import pytest

from lib import raw
from lib.mock import Pause, chunk, sse, text_chunks
from lib.raw import CHAT, chat, wait_for
from lib.signet import config, openai_model, sanitized

HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nhost: t\r\ncontent-type: application/json\r\n"


def signet_toml(mock):
    return config(openai_model("m", mock.url),
                  extra="[server]\nheader_timeout_ms = 600\nbody_idle_ms = 600\nkeepalive_ms = 800\nwrite_idle_ms = 2500\nworkers = 2")


def ends(c, seconds):
    """Waits for the answer or the end; (status or None, seconds it took)."""
    start = time.monotonic()
    c.sock.settimeout(seconds)
    try:
        status = c.read().status
    except (EOFError, ConnectionResetError):
        status = None
    return status, time.monotonic() - start


def test_slowloris_headers(signet, mock):
    """A byte of the head every 100 ms does not keep the connection: the limit is for the whole head."""
    with raw.Client(signet.port) as c:
        start = time.monotonic()
        try:
            for byte in HEAD * 4:
                c.send(bytes([byte]))
                time.sleep(0.1)
                if time.monotonic() - start > 3:
                    pytest.fail("a head may come at this pace for ever")
        except OSError:
            pass
        assert 0.4 < time.monotonic() - start < 3
    assert not mock.requests


def test_silent_connection(signet):
    with raw.Client(signet.port) as c:
        status, took = ends(c, 4)
        assert status in (None, 408) and took < 2.5


def test_head_that_stops(signet):
    with raw.Client(signet.port) as c:
        c.send(HEAD[:40])
        status, took = ends(c, 4)
        assert status in (None, 408) and 0.4 < took < 2.5


def test_body_that_stops(signet, mock):
    with raw.Client(signet.port) as c:
        c.send(HEAD + b"content-length: 1000\r\n\r\n{\"model\":")
        status, took = ends(c, 4)
        assert status == 408 and 0.4 < took < 2.5
        assert c.at_end()
    assert not mock.requests


def test_body_that_comes_slowly_but_comes(signet, mock):
    body = json.dumps(chat()).encode()
    with raw.Client(signet.port) as c:
        c.send(HEAD + b"content-length: %d\r\n\r\n" % len(body))
        for i in range(0, len(body), 8):
            c.send(body[i : i + 8])
            time.sleep(0.15)
        assert c.read().status == 200
    assert len(mock.requests) == 1


def test_idle_keep_alive_ends(signet):
    with raw.Client(signet.port) as c:
        c.send(raw.post_bytes(CHAT, chat()))
        assert c.read().status == 200
        start = time.monotonic()
        assert c.at_end(4)
        assert 0.4 < time.monotonic() - start < 3


def test_two_hundred_stalled_connections_disturb_nobody(signet):
    stalled = [raw.Client(signet.port) for _ in range(200)]
    for c in stalled:
        c.send(HEAD[:50])
    start = time.monotonic()
    assert raw.post(signet.port, CHAT, chat()).status == 200
    assert time.monotonic() - start < 1
    for c in stalled:
        c.close()


PIECE = "x" * 8000


def test_slow_reader_slows_the_upstream(signet, mock):
    """surfaces §8.4 #61: 64 MiB of events for a client that does not read: what is not taken is not fetched."""
    sent = [0]

    def script(conn, request):
        conn.send(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n")
        event = b"data: " + json.dumps(chunk({"content": PIECE})).encode() + b"\n\n"
        conn.sock.settimeout(30)
        for _ in range((64 << 20) // len(event)):
            conn.send(event)
            sent[0] += len(event)
        conn.send(b"data: " + json.dumps(chunk({}, "stop")).encode() + b"\n\ndata: [DONE]\n\n")
        conn.close()

    mock.then(script)
    before = signet.rss()
    with raw.Client(signet.port, rcvbuf=65536) as c:
        c.send(raw.post_bytes(CHAT, chat(stream=True)))
        c.read_head()
        last = wait_for(lambda: sent[0] > 1 << 20 and sent[0], 5)
        for _ in range(20):  # until nothing moves any more
            time.sleep(0.1)
            if sent[0] == last:
                break
            last = sent[0]
        assert sent[0] < 40 << 20, "the upstream was drained although the client does not read"
        assert signet.rss() - before < (80 if sanitized() else 24) << 20
        # And all of it arrives when the client reads again.
        got = 0
        while True:
            data = c.read_chunk()
            if not data:
                break
            got += len(data)
        assert got > 64 << 20
    assert signet.rss() - before < (600 if sanitized() else 200) << 20  # the record keeps the text; the stream itself is not kept


def test_client_that_never_reads_is_cut(signet, mock):
    """[server] write_idle_ms: here 2.5 s."""
    mock.then(sse([chunk({"content": PIECE})] * 4000, done=True))
    c = raw.Client(signet.port, rcvbuf=32768)
    c.send(raw.post_bytes(CHAT, chat(stream=True)))
    assert mock.wait_requests(1)[0].done.wait(15)
    assert mock.last().gone.is_set(), "the upstream could send everything to a client that reads nothing"
    c.close()


def test_other_streams_go_on_beside_a_stalled_one(signet, mock):
    stuck = raw.Client(signet.port, rcvbuf=32768)
    mock.then(sse([chunk({"content": PIECE})] * 4000, done=True))
    stuck.send(raw.post_bytes(CHAT, chat(stream=True)))
    mock.wait_requests(1)
    mock.then(sse([chunk({"content": "a"}), Pause(0.1), *text_chunks("b")]))
    start = time.monotonic()
    got = raw.post(signet.port, CHAT, chat(stream=True))
    assert got.events()[-1] == "[DONE]" and time.monotonic() - start < 2
    stuck.close()


def test_half_closed_client_still_gets_its_answer(signet, mock):
    """A client may end its side after the request (curl does not, some do); test_fault_client_gone.py has the rest."""
    with raw.Client(signet.port) as c:
        c.send(raw.post_bytes(CHAT, chat()))
        c.sock.shutdown(socket.SHUT_WR)
        status, took = ends(c, 5)
        assert status == 200 and took < 4
