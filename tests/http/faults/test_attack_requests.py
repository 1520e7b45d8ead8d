"""Requests made to hurt: many small things that are compared with each other, headers that end a message early.

Each of the first kind took half a minute of a core with 50,000 entries, and grew with their square."""
import json
import time

import pytest

from lib import raw
from lib.mock import answer, chat_answer, error
from lib.raw import CHAT, TZ, TZ_CHAT, chat
from lib.signet import config, openai_model

N = 50000
PROFILES = [(CHAT, "m"), (TZ_CHAT, TZ + "m")]
HI = '[{"role":"user","content":"Hi"}]'


def signet_toml(mock):
    return config(openai_model("m", mock.url) + openai_model("two", mock.url, mock.url))


def many(form, n=N):
    return ",".join(form % i for i in range(n))


BODIES = {
    "tools": ('"tools":[%s]' % many('{"type":"function","function":{"name":"f%d","parameters":{}}}'), 400),
    "allowed-tools": ('"tool_choice":{"type":"allowed_tools","allowed_tools":{"mode":"auto","tools":[%s]}}'
                      % many('{"type":"function","function":{"name":"f%d"}}'), 400),
    "same-key": ('%s' % many('"temperature":0.%d'), 200),
    "extra-body": ('"tensorzero::extra_body":[%s]' % many('{"pointer":"/k%d","value":1}'), 400),
    "extra-headers": ('"tensorzero::extra_headers":[%s]' % many('{"name":"k%d","value":"1"}'), 400),
    "unknown-keys": (many('"k%d":1'), 200),
}


def in_time(port, path, body, seconds=8):
    start = time.monotonic()
    got = raw.post(port, path, body, timeout=60)
    took = time.monotonic() - start
    assert took < seconds, f"{took:.1f} s"
    return got


@pytest.mark.parametrize("path,model", PROFILES, ids=["openai", "tensorzero"])
@pytest.mark.parametrize("name", BODIES)
def test_no_list_costs_its_square(signet, mock, name, path, model):
    fields, status = BODIES[name]
    twice = name == "same-key" and path == CHAT
    status = 400 if twice else status
    got = in_time(signet.port, path, '{"model":"%s","messages":%s,%s}' % (model, HI, fields))
    assert got.status == status, got.body[:300]
    if status == 400:
        assert ("twice" if twice else "more than") in got.message and not mock.requests


@pytest.mark.parametrize("path,model", PROFILES, ids=["openai", "tensorzero"])
def test_many_calls_and_results(signet, mock, path, model):
    calls = many('{"id":"c%d","type":"function","function":{"name":"f","arguments":"{}"}}')
    results = many('{"role":"tool","tool_call_id":"c%d","content":"x"}')
    got = in_time(signet.port, path, '{"model":"%s","messages":[{"role":"user","content":"a"},{"role":"assistant","tool_calls":[%s]},%s]}'
                  % (model, calls, results), 20)
    assert got.status == 200, got.body[:300]
    assert len(mock.last().json["messages"]) == N + 2


@pytest.mark.parametrize("field", ["tensorzero_extra_content", "reasoning_details"])
def test_many_blocks_before_others(signet, mock, field):
    blocks = many('{"type":"thought","text":"%d"}')
    got = in_time(signet.port, CHAT, '{"model":"m","messages":[{"role":"assistant","content":"a","%s":[%s]}]}' % (field, blocks))
    assert got.status == 400 and "more than 256" in got.message, got.body[:300]


def test_the_last_of_equal_keys_however_they_are_escaped(signet, mock):
    """An upstream that takes the first of two would answer another request than the one Signet has read. (On /v1 they are refused.)"""
    for first, second in [("messages", "m\\u0065ssages"), ("m\\u0065ssages", "messages")]:
        twice = '{"model":"%s","%s":[{"role":"user","content":"a"}],"%s":[{"role":"user","content":"b"}]}'
        got = raw.post(signet.port, CHAT, twice % ("m", first, second))
        assert got.status == 400 and "twice" in got.message and not mock.requests
    for first, second in [("messages", "m\\u0065ssages"), ("m\\u0065ssages", "messages")]:
        got = raw.post(signet.port, TZ_CHAT, twice % (TZ + "m", first, second))
        assert got.status == 200
        body = mock.last().body
        assert b'"a"' not in body and body.count(b'ssages"') == 1, body


@pytest.mark.parametrize("name,value", [("content-length", "0"), ("Transfer-Encoding", "chunked"), ("connection", "close"), ("TE", "trailers"),
                                        ("proxy-authorization", "Basic x"), ("expect", "100-continue"), ("upgrade", "websocket")])
@pytest.mark.parametrize("path,model", PROFILES, ids=["openai", "tensorzero"])
def test_extra_headers_cannot_hide_a_request(signet, mock, path, model, name, value):
    """With a length of 0 the body would be the next request on a pooled connection."""
    got = raw.post(signet.port, path, {**chat(model), "tensorzero::extra_headers": [{"name": name, "value": value}]})
    assert got.status >= 400 and "belongs to the connection" in got.message, got.body
    assert not mock.requests


def test_a_host_header_of_ones_own_stands_once(signet, mock):
    got = raw.post(signet.port, CHAT, {**chat(), "tensorzero::extra_headers": [{"name": "Host", "value": "other.example"}]})
    assert got.status == 200
    hosts = [line for line in mock.last().head.lower().split(b"\r\n") if line.startswith(b"host:")]
    assert hosts == [b"host: other.example"]


@pytest.mark.parametrize("value", ["a\r\nx-evil: 1", "a\nb", "a\0b", "a\x7fb"])
def test_line_ends_in_header_values(signet, mock, value):
    got = raw.post(signet.port, CHAT, {**chat(), "tensorzero::extra_headers": [{"name": "x-mine", "value": value}]})
    assert got.status >= 400 and not mock.requests
    assert "x-evil" not in got.headers


@pytest.mark.parametrize("path,model", PROFILES, ids=["openai", "tensorzero"])
@pytest.mark.parametrize("headers", [[("retry-after-ms", "9223372036854775806")], [("retry-after", "9223372036854775")],
                                     [("retry-after", "18446744073709551616")], [("retry-after", "Fri, 31 Dec 9999 23:59:59 GMT")]])
def test_absurd_waits(signet, mock, path, model, headers):
    mock.then(error(429, "slow down", headers=headers))
    got = raw.post(signet.port, path, chat(model))
    assert got.status in (429, 502)
    if "retry-after" in got.headers:
        assert 0 <= int(got.headers["retry-after"]) <= 366 * 86400
    signet.check_reports()


@pytest.mark.parametrize("id", ["x" * 20000, "\xff\xfe"])
def test_ids_of_upstreams_that_are_no_header(signet, mock, id):
    mock.then(answer(json.dumps(chat_answer()).encode(), headers=[("x-request-id", id)]))
    got = raw.post(signet.port, CHAT, chat())
    assert got.status == 200
    assert len(got.headers.get("x-signet-upstream-request-id", "")) <= 1024
