"""The Responses API's own WebSocket: a `response.create` a turn, events as text messages (issue: Codex and Open Responses use it)."""
import base64
import hashlib
import json
import os
import socket
import struct

import pytest

from lib import raw
from lib.keys import bearer, create
from lib.mock import chat_answer, chunk, error, json_answer, sse, text_chunks
from lib.record import wait_row
from lib.signet import Signet, config, openai_model

PATH = "/v1/responses"


def signet_toml(mock):
    return config(openai_model("m", mock.url), record=True)


class Socket:
    """A client of RFC 6455, as small as it can be."""

    def __init__(self, port, headers=(), path=PATH):
        key = base64.b64encode(os.urandom(16)).decode()
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=10)
        lines = [f"GET {path} HTTP/1.1", f"host: 127.0.0.1:{port}", "connection: Upgrade", "upgrade: websocket", "sec-websocket-version: 13", f"sec-websocket-key: {key}", *(f"{k}: {v}" for k, v in headers)]
        self.sock.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        self.buffer = b""
        while b"\r\n\r\n" not in self.buffer:
            got = self.sock.recv(65536)
            assert got, self.buffer
            self.buffer += got
        self.head, self.buffer = self.buffer.split(b"\r\n\r\n", 1)
        self.status = int(self.head.split()[1])
        if self.status == 101:
            want = base64.b64encode(hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest())
            assert b"sec-websocket-accept: " + want in self.head

    def frame(self, payload, op=1, last=True):
        mask = os.urandom(4)
        n = len(payload)
        head = bytes([(128 if last else 0) | op]) + (bytes([128 | n]) if n < 126 else bytes([254]) + struct.pack(">H", n) if n < 65536 else bytes([255]) + struct.pack(">Q", n))
        self.sock.sendall(head + mask + bytes(b ^ mask[i & 3] for i, b in enumerate(payload)))

    def take(self, n):
        while len(self.buffer) < n:
            got = self.sock.recv(65536)
            if not got:
                raise EOFError
            self.buffer += got
        got, self.buffer = self.buffer[:n], self.buffer[n:]
        return got

    def message(self):
        first, n = self.take(2)
        n = struct.unpack(">H", self.take(2))[0] if n == 126 else struct.unpack(">Q", self.take(8))[0] if n == 127 else n
        return first & 15, self.take(n)

    def say(self, **fields):
        self.frame(json.dumps({"type": "response.create", "model": "m", **fields}).encode())

    def events(self):
        """Of one turn."""
        out = []
        while not out or out[-1]["type"] not in ("response.completed", "response.failed", "response.incomplete", "error"):
            op, text = self.message()
            assert op == 1
            out.append(json.loads(text))
        return out

    def close(self):
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def test_turns_on_one_connection(signet, mock):
    mock.then(sse(text_chunks("one")), sse(text_chunks("two")), sse(text_chunks("three")))
    with Socket(signet.port) as s:
        assert s.status == 101
        s.say(input="A", store=False)
        first = s.events()
        assert [e["type"] for e in first[:2]] == ["response.created", "response.in_progress"] and first[-1]["type"] == "response.completed"
        assert [e["sequence_number"] for e in first] == list(range(len(first)))
        # goes on by the id of what was said here, although nothing is kept
        s.say(input=[{"role": "user", "content": "B"}], store=False, previous_response_id=first[-1]["response"]["id"])
        second = s.events()
        assert [m["content"] for m in mock.last().json["messages"]] == ["A", "one", "B"]
        s.frame(b"", op=9)
        assert s.message() == (10, b"")
        s.say(input="C", store=False, previous_response_id=second[-1]["response"]["id"])
        s.events()
        assert [m["content"] for m in mock.last().json["messages"]] == ["A", "one", "B", "two", "C"]
        s.frame(struct.pack(">H", 1000), op=8)
        assert s.message() == (8, struct.pack(">H", 1000))
        with pytest.raises(EOFError):
            s.message()
    row = wait_row(signet.data_dir, uuid_of(first[-1]["response"]["id"]))
    assert row["surface"] == "responses" and row["state"] == "ok"


def uuid_of(id):
    h = id.removeprefix("resp_")
    return f"{h[:8]}-{h[8:12]}-{h[12:16]}-{h[16:20]}-{h[20:]}"


def test_a_message_in_several_frames_and_a_large_one(signet, mock):
    mock.then(sse(text_chunks("x")))
    with Socket(signet.port) as s:
        text = json.dumps({"type": "response.create", "model": "m", "store": False, "input": "y" * 300000}).encode()
        s.frame(text[:100], last=False)
        s.frame(b"", op=9)
        s.frame(text[100:], op=0)
        assert s.message() == (10, b"")
        assert s.events()[-1]["type"] == "response.completed"
        assert len(mock.last().json["messages"][0]["content"]) == 300000


def test_a_turn_that_fails_leaves_the_connection(signet, mock):
    with Socket(signet.port) as s:
        for message, status in ((b"{", 400), (b'{"type":"x"}', 400), (json.dumps({"type": "response.create", "model": "nope", "input": "x"}).encode(), 404)):
            s.frame(message)
            got = s.events()[-1]
            assert got["type"] == "error" and got["status"] == status and got["error"]["message"]
        mock.then(error(429, "slow"))
        s.say(input="x", store=False)
        got = s.events()[-1]
        assert got["status"] == 429 and got["error"]["code"] == "rate_limit_exceeded"
        mock.then(sse([chunk({"content": "a"})], done=False))
        s.say(input="x", store=False)
        assert s.events()[-1]["type"] == "response.failed"
        mock.then(sse(text_chunks("ok")))
        s.say(input="x", store=False)
        assert s.events()[-1]["type"] == "response.completed"


@pytest.mark.parametrize("frame, code", [(b"\x82\x80\0\0\0\0", 1003), (b"\x81\x01a", 1002), (b"\x81\x81\0\0\0\0\xff", 1007), (b"\x81\xff" + b"\xff" * 8 + b"\0" * 4, 1009)])
def test_frames_that_may_not_be(signet, frame, code):
    with Socket(signet.port) as s:
        s.sock.sendall(frame + b"\0" * 8)
        assert s.message() == (8, struct.pack(">H", code))


def test_the_client_leaves_in_the_middle_of_a_turn(signet, mock):
    mock.then(sse([chunk({"content": "a"})] * 20, delay=0.2))
    with Socket(signet.port) as s:
        s.say(input="x", store=False)
        s.message()
    mock.wait_requests(1)
    assert mock.last().gone.wait(5)


def test_a_key_is_asked_for_at_the_handshake(mock):
    with Signet(config(openai_model("m", mock.url), gateway="[gateway.auth]\nenabled = true\n", record=True)) as signet:
        key = bearer(create(signet.data_dir))
        raw.wait_for(lambda: raw.get(signet.port, "/v1/models", [key]).status == 200)
        with Socket(signet.port) as s:
            assert s.status == 401
        mock.then(sse(text_chunks("ok")))
        with Socket(signet.port, [key]) as s:
            s.say(input="x")
            assert s.events()[-1]["type"] == "response.completed"


def test_a_drain_ends_an_idle_connection(mock):
    with Signet(config(openai_model("m", mock.url), record=True, extra="[server]\ndrain_s = 1\n")) as signet:
        s = Socket(signet.port)
        assert s.status == 101
        signet.stop()
        s.close()
