"""Small limits of /v1: keys that stand twice, long error texts."""
import json

import pytest

from lib import raw
from lib.mock import answer, error, json_answer
from lib.raw import CHAT, TZ, TZ_CHAT, chat

MESSAGE = '{"role":"user","content":"Hi"}'
TWICE = {
    "model": '{"model":"m","model":"m","messages":[%s]}' % MESSAGE,
    "messages": '{"model":"m","messages":[%s],"messages":[%s]}' % (MESSAGE, MESSAGE),
    "stream": '{"model":"m","stream":false,"messages":[%s],"stream":true}' % MESSAGE,
    "unknown": '{"model":"m","messages":[%s],"unknown":1,"unknown":1}' % MESSAGE,
    "messages[0].role": '{"model":"m","messages":[{"role":"user","content":"Hi","role":"system"}]}',
    "messages[1].content": '{"model":"m","messages":[%s,{"role":"user","content":"a","content":"b"}]}' % MESSAGE,
    "messages[0].content[1].text": '{"model":"m","messages":[{"role":"user","content":[{"type":"text","text":"a"},{"type":"text","text":"b","text":"c"}]}]}',
    "tools[0].function.parameters.properties.a": '{"model":"m","messages":[%s],"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object","properties":{"a":{},"a":{}}}}}]}' % MESSAGE,
    "metadata.k": '{"model":"m","messages":[%s],"metadata":{"k":"1","k":"2"}}' % MESSAGE,
    "logit_bias.1": '{"model":"m","messages":[%s],"logit_bias":{"1":1,"\\u0031":2}}' % MESSAGE,
    "response_format.json_schema.schema.x": '{"model":"m","messages":[%s],"response_format":{"type":"json_schema","json_schema":{"name":"n","schema":{"x":1,"x":1}}}}' % MESSAGE,
    "many.k9": '{"model":"m","messages":[%s],"many":{%s,"k9":0}}' % (MESSAGE, ",".join(f'"k{i}":{i}' for i in range(1000))),
    "tensorzero::tags.a": '{"model":"m","messages":[%s],"tensorzero::tags":{"a":"1","a":"1"}}' % MESSAGE,
    "x" * 64: '{"model":"m","messages":[%s],"%s":1,"%s":1}' % (MESSAGE, "x" * 5000, "x" * 5000),
    "deep" + "[0]" * 100 + ".a": '{"model":"m","messages":[%s],"deep":%s{"a":1,"a":1}%s}' % (MESSAGE, "[" * 100, "]" * 100),
}


@pytest.mark.parametrize("path", TWICE)
def test_a_key_twice_is_400(signet, mock, path):
    got = raw.post(signet.port, CHAT, TWICE[path])
    assert got.status == 400, got.body
    assert got.json["error"]["param"] == path and f"the key `{path}` twice" in got.message
    assert not mock.requests


@pytest.mark.parametrize("body,path", [
    ('{"model":"m","prompt":"a","prompt":"b"}', "prompt"),
    ('{"model":"m","prompt":"a","echo":true,"x":{"y":[{"z":1,"z":2}]}}', "x.y[0].z"),
    ('{"model":"m","model":"m","prompt":"a"}', "model"),
], ids=["prompt", "deep", "model"])
def test_a_key_twice_in_a_text_completion(signet, mock, body, path):
    got = raw.post(signet.port, "/v1/completions", body)
    assert (got.status, got.json["error"]["param"]) == (400, path)
    assert not mock.requests


def test_equal_keys_of_different_objects_are_none(signet, mock):
    body = {"model": "m", "messages": [{"role": "user", "content": "Hi"}] * 3, "metadata": {"model": "x", "a": "b"}, "user": "a"}
    assert raw.post(signet.port, CHAT, body).status == 200


def test_on_tensorzero_s_route_the_last_counts(signet, mock):
    body = '{"model":"%sm","messages":[%s],"temperature":1,"temperature":0.5}' % (TZ, MESSAGE)
    assert raw.post(signet.port, TZ_CHAT, body).status == 200


REASONS = {400: "Bad Request", 404: "Not Found", 429: "Too Many Requests", 500: "Internal Server Error"}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("status", [400, 404, 429, 500])
def test_an_error_text_ends_at_8_kib(signet, mock, status, stream):
    for body in (answer("ä" * 300_000, status, content_type="text/plain"), error(status, "ä" * 300_000), json_answer({"error": {"message": "x", "more": "ä" * 300_000}}, status)):
        mock.then(body)
        got = raw.post(signet.port, CHAT, chat(stream=stream))
        assert got.status >= 400 and len(got.body) < 9000
        message = json.loads(got.body)["error"]["message"]
        said = f'no provider of "m" answered. p: {status} {REASONS[status]}: x'  # its own words are short: they are enough
        assert len(message.encode()) <= 8192 and (message.endswith("…") or message == said)


def test_an_error_text_of_8_kib_is_whole(signet, mock):
    for n in (8000, 8192 - 20):
        mock.then(json_answer({"error": {"message": "x" * (n - 100)}}, 400))
        assert raw.post(signet.port, CHAT, chat()).json == {"error": {"message": "x" * (n - 100)}}


def test_an_error_of_ours_ends_there_too(signet, mock):
    got = raw.post(signet.port, CHAT, chat("m" * 500_000))
    assert got.status == 404 and len(got.body) < 9000 and got.message.endswith("…")
