"""Requests that are no good HTTP: refused with a clear status, never half understood (RFC 9112 §11.2)."""
import gzip
import json
import time
import zlib

import brotli
import pytest
import zstandard

from lib import raw
from lib.mock import chat_answer, json_answer
from lib.raw import CHAT, TZ, TZ_CHAT, chat
from lib.signet import config, openai_model

BODY = json.dumps(chat()).encode()
SMUGGLED = b"GET /status HTTP/1.1\r\nhost: smuggled\r\n\r\n"


def head(*lines, start="POST /v1/chat/completions HTTP/1.1"):
    return "\r\n".join((start, "host: test", "content-type: application/json", *lines)).encode("latin-1") + b"\r\n\r\n"


N = len(BODY)
CHUNKED = b"%x\r\n%s\r\n0\r\n\r\n" % (N, BODY)

SMUGGLING = {
    "content-length-and-chunked": head(f"content-length: {N}", "transfer-encoding: chunked") + CHUNKED,
    "chunked-and-content-length": head("transfer-encoding: chunked", "content-length: 6") + b"0\r\n\r\n" + SMUGGLED,
    "two-content-lengths": head(f"content-length: {N}", f"content-length: {N + 40}") + BODY + SMUGGLED,
    "two-equal-content-lengths": head(f"content-length: {N}", f"content-length: {N}") + BODY,
    "content-length-list": head(f"content-length: {N}, {N}") + BODY,
    "content-length-plus": head(f"content-length: +{N}") + BODY,
    "content-length-minus": head("content-length: -1") + BODY,
    "content-length-hex": head(f"content-length: 0x{N:x}") + BODY,
    "content-length-space-inside": head("content-length: 1 2") + BODY,
    "content-length-empty": head("content-length:") + BODY,
    "content-length-overflow": head("content-length: 99999999999999999999999") + BODY,
    "transfer-encoding-odd": head("transfer-encoding: xchunked") + CHUNKED,
    "transfer-encoding-identity": head("transfer-encoding: identity", f"content-length: {N}") + BODY,
    "transfer-encoding-chunked-not-last": head("transfer-encoding: chunked, identity") + CHUNKED,
    "transfer-encoding-twice": head("transfer-encoding: chunked", "transfer-encoding: identity") + CHUNKED,
    "transfer-encoding-tab": head("transfer-encoding:\x0bchunked") + CHUNKED,
    "bare-lf-in-head": b"POST /v1/chat/completions HTTP/1.1\nhost: test\ncontent-length: %d\n\n" % N + BODY,
    "bare-lf-one-header": head(f"content-length: {N}").replace(b"host: test\r\n", b"host: test\n") + BODY,
    "bare-cr": head(f"content-length: {N}", "x-a: 1\rcontent-length: 3") + BODY,
    "obs-fold": head("x-a: 1\r\n folded", f"content-length: {N}") + BODY,
    "obs-fold-transfer-encoding": head("transfer-encoding:\r\n chunked") + CHUNKED,
    "space-before-colon": head(f"content-length : {N}") + BODY,
    "tab-before-colon": head(f"transfer-encoding\t: chunked") + CHUNKED,
    "header-without-colon": head("nonsense", f"content-length: {N}") + BODY,
    "header-empty-name": head(": x", f"content-length: {N}") + BODY,
    "header-nul": head("x-a: a\0b", f"content-length: {N}") + BODY,
    "header-control-in-name": head("x\x01a: b", f"content-length: {N}") + BODY,
    "chunk-size-not-hex": head("transfer-encoding: chunked") + b"zz\r\n" + BODY + b"\r\n0\r\n\r\n",
    "chunk-size-minus": head("transfer-encoding: chunked") + b"-1\r\n" + BODY + b"\r\n0\r\n\r\n",
    "chunk-size-0x": head("transfer-encoding: chunked") + b"0x%x\r\n" % N + BODY + b"\r\n0\r\n\r\n",
    "chunk-size-overflow": head("transfer-encoding: chunked") + b"ffffffffffffffffff\r\n" + BODY + b"\r\n0\r\n\r\n",
    "chunk-bare-lf": head("transfer-encoding: chunked") + b"%x\n" % N + BODY + b"\n0\n\n",
    "chunk-data-too-long": head("transfer-encoding: chunked") + b"%x\r\n" % (N - 2) + BODY + b"\r\n0\r\n\r\n",
    "no-version": head(f"content-length: {N}", start="POST /v1/chat/completions") + BODY,
    "odd-version": head(f"content-length: {N}", start="POST /v1/chat/completions HTTP/3.7") + BODY,
    "http2-preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "tls-hello": bytes.fromhex("160301020001000001fc0303") + b"\0" * 40,
    "odd-method": head(f"content-length: {N}", start="P\x01ST /v1/chat/completions HTTP/1.1") + BODY,
    "lower-case-method": head(f"content-length: {N}", start="post /v1/chat/completions HTTP/1.1") + BODY,
    "nothing-but-blank": b" \r\n\r\n",
}


@pytest.mark.parametrize("name", SMUGGLING)
def test_smuggling_forms_are_refused(signet, mock, name):
    with raw.Client(signet.port, timeout=5) as c:
        c.send(SMUGGLING[name])
        got = c.read()
        assert got.status in (400, 405, 501, 505), got.body
        assert got.headers.get("connection") == "close"
        assert c.at_end(), "the connection stayed open, or a second answer came"
    assert not mock.requests


def test_whole_head_in_single_bytes(signet):
    with raw.Client(signet.port) as c:
        for byte in head(f"content-length: {N}"):
            c.send(bytes([byte]))
        c.send(BODY)
        assert c.read().status == 200


def test_missing_host(signet, mock):
    with raw.Client(signet.port) as c:
        c.send(b"POST /v1/chat/completions HTTP/1.1\r\ncontent-length: %d\r\n\r\n" % N + BODY)
        assert c.read().status in (200, 400)


def test_http_1_0_closes(signet):
    with raw.Client(signet.port) as c:
        c.send(head(f"content-length: {N}", start="POST /v1/chat/completions HTTP/1.0") + BODY)
        got = c.read()
        assert got.status == 200 and "transfer-encoding" not in got.headers
        assert c.at_end()


def test_connection_close_is_honoured(signet):
    with raw.Client(signet.port) as c:
        c.send(head(f"content-length: {N}", "connection: close") + BODY)
        got = c.read()
        assert (got.status, got.headers["connection"]) == (200, "close")
        assert c.at_end()


def test_keep_alive_and_pipelining(signet, mock):
    for i in range(6):
        mock.then(json_answer(chat_answer(f"answer {i}"), delay=0.05 if i == 0 else 0))
    with raw.Client(signet.port) as c:
        c.send(b"".join(raw.post_bytes(CHAT, chat(content=str(i))) for i in range(3)))
        texts = [c.read().json["choices"][0]["message"]["content"] for _ in range(3)]
        for i in range(3, 6):
            c.send(raw.post_bytes(CHAT, chat(content=str(i))))
            texts.append(c.read().json["choices"][0]["message"]["content"])
    assert texts == [f"answer {i}" for i in range(6)]
    assert [r.json["messages"][0]["content"] for r in mock.requests] == list("012345")


@pytest.mark.parametrize("chunked", [False, True])
def test_pipelined_behind_a_body_of_several_reads(signet, mock, chunked):
    """The first body comes in pieces, and the last piece has the next request's head with it."""
    mock.then(json_answer(chat_answer("first")), json_answer(chat_answer("second")), json_answer(chat_answer("third")))
    body = json.dumps(chat(content="1" * 300_000)).encode()
    if chunked:
        first = head("transfer-encoding: chunked") + b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in (body[:70_000], body[70_000:])) + b"0\r\n\r\n"
    else:
        first = raw.post_bytes(CHAT, body)
    whole = first + raw.post_bytes(CHAT, chat(content="2" * 100_000)) + raw.post_bytes(CHAT, chat(content="3"))
    with raw.Client(signet.port) as c:
        for at in range(0, len(whole), 65_521):
            c.send(whole[at : at + 65_521])
            time.sleep(0.01)
        assert [c.read().json["choices"][0]["message"]["content"] for _ in range(3)] == ["first", "second", "third"]
    assert [len(r.json["messages"][0]["content"]) for r in mock.requests] == [300_000, 100_000, 1]


def test_pipelined_behind_a_bad_one(signet, mock):
    with raw.Client(signet.port) as c:
        c.send(raw.post_bytes(CHAT, "{oops") + raw.post_bytes(CHAT, chat()))
        assert [c.read().status, c.read().status] == [400, 200]
    assert len(mock.requests) == 1


def test_expect_100(signet):
    with raw.Client(signet.port, timeout=3) as c:
        c.send(head(f"content-length: {N}", "expect: 100-continue"))
        assert c.read_head().status == 100
        c.send(BODY)
        assert c.read().status == 200


def test_expect_100_is_not_sent_for_a_route_that_is_not_there(signet):
    with raw.Client(signet.port, timeout=3) as c:
        c.send(head(f"content-length: {N}", "expect: 100-continue", start="POST /nope HTTP/1.1"))
        assert c.read_head().status == 404


def test_chunked_request(signet, mock):
    pieces = b"".join(b"%x;ext=1\r\n%s\r\n" % (len(BODY[i : i + 7]), BODY[i : i + 7]) for i in range(0, N, 7))
    with raw.Client(signet.port) as c:
        c.send(head("transfer-encoding: chunked") + pieces + b"0\r\nx-trailer: 1\r\n\r\n")
        assert c.read().status == 200
        c.send(raw.post_bytes(CHAT, chat()))
        assert c.read().status == 200
    assert mock.requests[0].json["messages"] == [{"role": "user", "content": "Hi"}]
    assert "x-trailer" not in mock.requests[0].headers


def test_head_requests(signet):
    for path in ("/", "/status", "/health", "/metrics", "/v1/models", "/openai/v1/models"):
        got = raw.get(signet.port, path, method="HEAD")
        assert (got.status, got.body) == (200, b""), path
    with raw.Client(signet.port) as c:
        c.send(b"HEAD /status HTTP/1.1\r\nhost: t\r\n\r\nGET /status HTTP/1.1\r\nhost: t\r\n\r\n")
        first, second = c.read(no_body=True), c.read()
        assert first.headers["content-length"] and second.json["status"] == "ok"


def test_unknown_paths(signet):
    native = raw.get(signet.port, "/nope?x=1")
    assert (native.status, native.json) == (404, {"error": "Route not found: GET /nope"})
    for path in ("/openai/v1/nope", "/v1/completions/x/y"):
        got = raw.post(signet.port, path, {})
        assert got.status == 404
        assert got.json["error"]["message"] == f"Route not found: POST {path}"
    assert raw.get(signet.port, "/nope").headers["x-tensorzero-gateway-version"] == "2026.6.0"


def test_doubled_v1_names_the_right_base(signet):
    got = raw.post(signet.port, "/v1/v1/chat/completions", chat())
    assert got.status == 404 and "/v1" in got.message


def test_wrong_method(signet):
    got = raw.get(signet.port, CHAT)
    assert (got.status, got.headers["allow"]) == (405, "POST")
    got = raw.get(signet.port, CHAT, method="OPTIONS")
    assert got.status == 405 and not any(h.startswith("access-control") for h in got.headers)
    got = raw.post(signet.port, "/status", {})
    assert got.status == 405 and got.headers["allow"].replace(" ", "") == "GET,HEAD"


def test_content_type_is_not_looked_at(signet):
    with raw.Client(signet.port) as c:
        c.send(raw.post_bytes(CHAT, chat(), content_type="text/plain"))
        assert c.read().status == 200


ENCODERS = {"gzip": gzip.compress, "br": brotli.compress, "zstd": zstandard.compress, "identity": bytes}


@pytest.mark.parametrize("encoding", ENCODERS)
@pytest.mark.parametrize("path,model", [(CHAT, "m"), (TZ_CHAT, TZ + "m")])
def test_compressed_requests(signet, mock, encoding, path, model):
    body = json.dumps(chat(model, content="x" * 100000)).encode()
    got = raw.post(signet.port, path, ENCODERS[encoding](body), [("content-encoding", encoding)])
    assert got.status == 200
    assert mock.last().json["messages"][0]["content"] == "x" * 100000
    assert "content-encoding" not in mock.last().headers


def test_compression_that_is_not_known(signet, mock):
    for encoding in ("deflate", "lzma", "gzip, br"):
        got = raw.post(signet.port, CHAT, zlib.compress(BODY), [("content-encoding", encoding)])
        assert got.status == 415 and got.headers["accept-encoding"] == "zstd,gzip,br", encoding
        assert got.headers["accept-encoding"] == "zstd,gzip,br"
    assert not mock.requests


@pytest.mark.parametrize("encoding", ["gzip", "br", "zstd"])
def test_broken_compression(signet, mock, encoding):
    good = ENCODERS[encoding](BODY * 10)
    for bad in (b"not compressed at all", good[: len(good) // 2], b""):
        got = raw.post(signet.port, CHAT, bad, [("content-encoding", encoding)])
        assert got.status == 400, (encoding, bad)
    assert not mock.requests


def test_decompression_bomb(signet, mock):
    before = signet.rss()
    bomb = gzip.compress(b" " * (300 << 20), 9)
    assert len(bomb) < 1 << 20
    got = raw.post(signet.port, CHAT, bomb, [("content-encoding", "gzip")])
    assert got.status == 413
    assert signet.rss() - before < 400 << 20
    assert not mock.requests


def test_request_line_and_headers_have_limits(signet, mock):
    def status(*lines, **more):
        with raw.Client(signet.port, timeout=10) as c:
            try:
                c.send(head(*lines, "content-length: 0", **more))
                return c.read().status
            except (EOFError, ConnectionResetError):
                return "closed"

    assert status(start="POST /" + "a" * 70000 + " HTTP/1.1") in (414, 431)
    assert status("x-a: " + "a" * 70000) == 431
    assert status(*[f"x-{i}: {'a' * 700}" for i in range(120)]) == 431
    assert status(*[f"x-{i}: 1" for i in range(300)]) == 431
    assert status(*[f"x-{i}: 1" for i in range(200)]) == 400  # fits: it is the empty body that is refused
    assert not mock.requests


def signet_toml(mock):
    return config(openai_model("m", mock.url))
