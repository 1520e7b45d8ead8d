"""Bodies that are no good: malformed, of the wrong type, deep, huge. One clear 400 (or 413), nothing sent upstream."""
import json
import socket
import time

import pytest

from lib import raw
from lib.raw import CHAT, TZ, TZ_CHAT, chat
from lib.signet import config, openai_model, sanitized

PROFILES = [(CHAT, "m"), (TZ_CHAT, TZ + "m")]
LIMIT = 100 << 20


def signet_toml(mock):
    return config(openai_model("m", mock.url), extra="[server]\nbody_memory_mib = 260")


MALFORMED = {
    "empty": b"", "blank": b"  \n", "cut": b'{"model":"m","messages":[{"role":"us', "trailing": b'{"model":"m","messages":[]} x',
    "trailing-comma": b'{"model":"m","messages":[],}', "single-quotes": b"{'model':'m'}", "comment": b'{"model":"m" /* x */}',
    "nan": b'{"model":"m","messages":[],"temperature":NaN}', "leading-zero": b'{"model":"m","messages":[],"seed":01}',
    "control-character": b'{"model":"m\n"}', "bad-escape": b'{"model":"\\q"}', "nul": b'{"model":"m\0"}',
    "bom": b'\xef\xbb\xbf{"model":"m","messages":[]}', "invalid-utf8": b'{"model":"m","messages":[{"role":"user","content":"\xff\xfe"}]}',
    "cut-utf8": b'{"model":"\xe2\x82"}', "overlong-utf8": b'{"model":"\xc0\x80"}', "surrogate-in-utf8": b'{"model":"\xed\xa0\x80"}',
    "utf16": '{"model":"m","messages":[]}'.encode("utf-16"), "huge-exponent": b'{"model":"m","messages":[],"temperature":1e999}',
    "deep-arrays": b'{"model":"m","x":' + b"[" * 200000, "deep-objects": b'{"a":' * 100000,
    "deep-closed": b'{"model":"m","messages":[],"x":' + b"[" * 5000 + b"]" * 5000 + b"}",
    "binary": bytes(range(256)) * 4, "form": b"model=m&messages=x",
}


@pytest.mark.parametrize("path,model", PROFILES, ids=["openai", "tensorzero"])
@pytest.mark.parametrize("name", MALFORMED)
def test_malformed(signet, mock, name, path, model):
    got = raw.post(signet.port, path, MALFORMED[name])
    assert got.status == 400, got.body[:300]
    assert got.message.startswith("Failed to parse the request body as JSON: "), got.message
    assert " at line " in got.message and got.message.endswith(" (400 Bad Request)")
    assert got.json["error"]["type"] == "invalid_request_error"
    assert not mock.requests


@pytest.mark.parametrize("path,model", PROFILES, ids=["openai", "tensorzero"])
@pytest.mark.parametrize("fields,text", [
    ({"messages": 5}, "messages: invalid type: integer `5`, expected a sequence"),
    ({"messages": [{"role": "user"}]}, "messages[0]: missing field `content`"),
    ({"messages": [{"role": "critic", "content": "x"}]}, "messages[0]: unknown variant `critic`"),
    ({"temperature": "warm"}, 'temperature: invalid type: string "warm", expected f32'),
    ({"seed": 10**19}, "seed: invalid value: integer `10000000000000000000`, expected "),
    ({"max_tokens": 10**19}, "max_tokens: invalid value: integer `10000000000000000000`, expected "),
    ({"stream": "yes"}, 'stream: invalid type: string "yes", expected a boolean'),
    ({"stream_options": {"include_usage": 5}}, "stream_options.include_usage: invalid type: integer `5`, expected a boolean"),
    ({"tools": [{"type": "function", "function": {"parameters": {}}}]}, "tools[0]: missing field `name`"),
    ({"tool_choice": 5}, "tool_choice: Tool choice must be a string or object"),
    ({"response_format": {"type": 5}}, "response_format.type: invalid type: integer `5`, expected variant identifier"),
    ({"stop": 5}, "stop: data did not match any variant of untagged enum StopSequences"),
])
def test_wrong_types_name_the_path(signet, mock, path, model, fields, text):
    got = raw.post(signet.port, path, {**chat(model), **fields})
    assert got.status == 400 and text in got.message, got.body
    assert not mock.requests


def test_openai_profile_says_type_code_and_param(signet, mock):
    got = raw.post(signet.port, CHAT, {**chat(), "n": 9})
    assert got.status == 400
    assert set(got.json["error"]) == {"message", "type", "param", "code"}
    assert (got.json["error"]["type"], got.json["error"]["code"]) == ("invalid_request_error", "unsupported_value")
    got = raw.post(signet.port, CHAT, {**chat(), "max_tokens": 0})
    assert got.status == 400, "surfaces §8.4 #55: max_tokens 0 is 400"
    assert not mock.requests


def test_duplicate_keys_the_last_wins_for_tensorzero(signet, mock):
    """On /v1 they are a 400 (test_limits_of_requests.py)."""
    path, model = PROFILES[1]
    got = raw.post(signet.port, path, '{"model":"nope","messages":[{"role":"user","content":"a","content":"b"}],"model":"%s"}' % model)
    assert got.status == 200
    assert [m["content"] for m in mock.last().json["messages"]] == ["b"]
    assert mock.last().body.count(b'"model"') == 1


@pytest.mark.parametrize("path,model", PROFILES, ids=["openai", "tensorzero"])
def test_numbers_are_sent_as_written(signet, mock, path, model):
    """providers-openai §8 #77: huge integers and 1e-7 in schemas keep their digits."""
    raw.post(signet.port, path, '{"model":"%s","messages":[],"temperature":0.70,"tools":[{"type":"function","function":{"name":"f",'
             '"parameters":{"a":1e-7,"b":123456789012345678901234567890,"c":1.10,"d":-0.0}}}]}' % model)
    body = mock.last().body
    assert b'"a":1e-7,"b":123456789012345678901234567890,"c":1.10,"d":-0.0' in body
    assert b'"temperature":0.7' in body and b"0.699" not in body


@pytest.mark.parametrize("path,model", PROFILES, ids=["openai", "tensorzero"])
def test_nesting_up_to_the_limit_is_fine(signet, mock, path, model):
    deep = "[" * 126 + "]" * 126
    assert raw.post(signet.port, path, '{"model":"%s","messages":[],"x":%s}' % (model, deep)).status == 200
    assert raw.post(signet.port, path, '{"model":"%s","messages":[],"x":[%s]}' % (model, deep)).status == 400


@pytest.mark.parametrize("escape", ["\\ud83d", "\\ude00", "\\ud83dx", "\\ud83d\\u0041"])
def test_lone_surrogates_never_become_broken_utf8(signet, mock, escape):
    """providers-openai §8 #78. TensorZero refuses them in a request; what is sent must be UTF-8 in any case."""
    got = raw.post(signet.port, CHAT, '{"model":"m","messages":[{"role":"user","content":"%s"}]}' % escape)
    assert got.status in (200, 400)
    for request in mock.requests:
        request.body.decode("utf-8")


def send_big(port, size, framing, path=CHAT):
    """A body of `size` bytes made on the way; (status, bytes sent before the answer came)."""
    piece = b" " * (1 << 20)
    with raw.Client(port, timeout=60) as c:
        start = b'{"model":"m","messages":[{"role":"user","content":"Hi"}]}'
        c.send(f"POST {path} HTTP/1.1\r\nhost: t\r\n".encode() +
               (b"content-length: %d\r\n\r\n" % size if framing == "length" else b"transfer-encoding: chunked\r\n\r\n"))
        sent = 0
        try:
            while sent < size:
                data = piece[: size - sent] if sent else start + piece[: min(len(piece), size) - len(start)]
                c.send(b"%x\r\n%s\r\n" % (len(data), data) if framing == "chunked" else data)
                sent += len(data)
            if framing == "chunked":
                c.send(b"0\r\n\r\n")
        except (BrokenPipeError, ConnectionResetError):
            pass
        try:
            return c.read().status, sent
        except (EOFError, ConnectionResetError):
            return None, sent


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_body_over_the_limit_by_one(signet, mock, framing):
    before = signet.rss()
    status, _ = send_big(signet.port, LIMIT + 1, framing)
    assert status == 413
    assert signet.rss() - before < (900 if sanitized() else 230) << 20, "more than the body was held"
    assert not mock.requests


def test_length_over_the_limit_is_refused_before_the_body(signet):
    with raw.Client(signet.port, timeout=5) as c:
        c.send(b"POST /v1/chat/completions HTTP/1.1\r\nhost: t\r\nexpect: 100-continue\r\ncontent-length: %d\r\n\r\n" % (LIMIT + 1))
        assert c.read_head().status == 413


def test_body_of_just_the_limit(signet, mock):
    status, sent = send_big(signet.port, LIMIT, "length")
    assert (status, sent) == (200, LIMIT)
    assert len(mock.last().body) < 1000


def test_memory_of_all_bodies_is_bounded(signet, mock):
    """[server] body_memory_mib, here 260: the third body of 100 MiB gets 503 with retry-after: 1."""
    half = [raw.Client(signet.port, timeout=30) for _ in range(2)]
    piece = b" " * (1 << 20)
    for c in half:
        c.send(b"POST /v1/chat/completions HTTP/1.1\r\nhost: t\r\ncontent-length: %d\r\n\r\n" % LIMIT)
        for _ in range(99):
            c.send(piece)
    time.sleep(0.3)
    with raw.Client(signet.port, timeout=30) as c:
        c.send(b"POST /v1/chat/completions HTTP/1.1\r\nhost: t\r\ncontent-length: %d\r\n\r\n" % LIMIT)
        try:
            for _ in range(100):
                c.send(piece)
        except OSError:
            pass
        got = c.read()
        assert (got.status, got.headers["retry-after"]) == (503, "1")
    for c in half:
        c.close()
    raw.wait_for(lambda: signet.metric("signet_body_memory_bytes") == 0, 5)
    assert raw.post(signet.port, CHAT, chat()).status == 200


def test_large_conversation_goes_through_whole(signet, mock):
    content = "é" * (8 << 20)
    got = raw.post(signet.port, CHAT, json.dumps(chat(content=content), ensure_ascii=False).encode(), timeout=60)
    assert got.status == 200
    assert mock.last().json["messages"][0]["content"] == content


def test_client_that_stops_in_the_middle_of_a_body(signet, mock):
    c = raw.Client(signet.port)
    c.send(b"POST /v1/chat/completions HTTP/1.1\r\nhost: t\r\ncontent-length: 1000000\r\n\r\n" + b" " * 500000)
    c.sock.shutdown(socket.SHUT_RDWR)
    c.close()
    time.sleep(0.1)
    assert not mock.requests
