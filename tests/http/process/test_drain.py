"""Issue 15 A3: a drain that a load balancer sees, and what those get whom its end cuts off (docs/operations.md)."""
import json
import signal
import time

import pytest

from lib import raw
from lib.mock import HANG, Mock, chat_answer, hang, json_answer, sse, text_chunks
from lib.raw import CHAT, TZ_CHAT, chat
from lib.record import listed
from lib.signet import Signet, config, openai_model

MESSAGES = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}
RESPONSES = {"model": "m", "input": "hi"}
TZ = {"model": "tensorzero::model_name::m", "messages": [{"role": "user", "content": "hi"}]}


def test_a_notice_is_given_while_requests_are_still_taken():
    with Mock(default=json_answer(chat_answer("hi"))) as mock:
        with Signet(config(openai_model("m", mock.url), extra="[server]\ndrain_notice_s = 2\n")) as s:
            kept = raw.Client(s.port)
            assert "connection" not in kept.send(raw.post_bytes(CHAT, chat())).read().headers
            began = time.monotonic()
            s.process.send_signal(signal.SIGTERM)
            health = raw.wait_for(lambda: (lambda a: a if a.status == 503 else None)(raw.get(s.port, "/health")))
            assert health.json["gateway"] == "error" and health.headers["connection"] == "close"
            for client in (kept, raw.Client(s.port)):
                got = client.send(raw.post_bytes(CHAT, chat())).read()
                assert (got.status, got.headers["connection"]) == (200, "close")
                assert client.at_end(), "the connection ends with the answer"
            assert s.process.wait(10) == 0 and 2 <= time.monotonic() - began < 6
            assert any("/health answers 503" in l["msg"] and l["seconds_left"] == 2 for l in s.logs())


def test_without_a_notice_the_listeners_close_at_once():
    with Mock(default=hang()) as mock:
        with Signet(config(openai_model("m", mock.url), extra="[server]\ndrain_s = 1\n")) as s:
            running = raw.Client(s.port).send(raw.post_bytes(CHAT, chat()))
            mock.wait_requests(1)
            s.process.send_signal(signal.SIGTERM)
            raw.wait_for(lambda: any(l["msg"].startswith("draining: no new") for l in s.logs()))
            with pytest.raises(OSError):
                raw.wait_for(lambda: raw.Client(s.port, timeout=2).close())
            assert running.read().status == 503
            assert s.process.wait(10) == 0
            assert not any("/health answers" in l["msg"] for l in s.logs())


def test_a_second_signal_ends_a_notice_at_once():
    s = Signet(config(openai_model("m", "http://127.0.0.1:1"), extra="[server]\ndrain_notice_s = 60\n"))
    s.process.send_signal(signal.SIGTERM)
    raw.wait_for(lambda: raw.get(s.port, "/health").status == 503)
    s.process.send_signal(signal.SIGTERM)
    s.stop(status=128 + signal.SIGTERM)


@pytest.fixture(scope="module")
def cut_off():
    """What each kind of client got at the end of a drain, and the list rows: plain ones on each surface, then streams."""
    plain = {CHAT: chat(), "/v1/messages": MESSAGES, "/v1/responses": RESPONSES, TZ_CHAT: TZ}
    got = {}

    def answer(conn, request):
        streamed = json.loads(request.body).get("stream")
        (stream if streamed else silent)(conn, request)

    silent = hang()
    stream = sse(text_chunks("Hello!", pieces=1, usage=False)[:2], done=False, end=HANG)
    with Mock(default=answer) as mock:
        with Signet(config(openai_model("m", mock.url), record=True, extra="[server]\ndrain_s = 1\n")) as s:
            clients = {(path, False): raw.Client(s.port).send(raw.post_bytes(path, body)) for path, body in plain.items()}
            for path, body in plain.items():
                client = clients[path, True] = raw.Client(s.port).send(raw.post_bytes(path, {**body, "stream": True}))
                while b"Hello!" not in client.buffer:
                    client.more()
            mock.wait_requests(8)
            s.process.send_signal(signal.SIGTERM)
            for which, client in clients.items():
                got[which] = client.read()
            assert s.process.wait(20) == 0
        got["rows"] = listed(s.data_dir)
    return got


@pytest.mark.parametrize("path", [CHAT, "/v1/messages", "/v1/responses", TZ_CHAT])
def test_at_the_end_of_a_drain_a_plain_request_gets_503_in_its_surfaces_form(cut_off, path):
    got = cut_off[path, False]
    assert (got.status, got.headers["retry-after"], got.headers["connection"]) == (503, "1", "close")
    assert got.message == "The gateway is shutting down: send the request again"
    assert set(got.json) >= ({"type", "error"} if path == "/v1/messages" else {"error"})


def test_at_the_end_of_a_drain_a_stream_gets_an_error_event_in_its_clients_format(cut_off):
    words = "The gateway is shutting down: send the request again"
    openai = cut_off[CHAT, True]
    assert openai.status == 200 and words in json.loads([e for e in openai.events() if "error" in e][0])["error"]["message"]
    messages = cut_off["/v1/messages", True].text
    assert "event: error\n" in messages and words in messages and "message_stop" not in messages
    responses = [json.loads(e) for e in cut_off["/v1/responses", True].events()]
    assert words in json.dumps([e for e in responses if e["type"] in ("error", "response.failed")])
    native = [e for e in cut_off[TZ_CHAT, True].events() if "error" in e]
    assert words in native[0]


def test_it_is_recorded_as_a_shutdown_not_as_the_clients_doing(cut_off):
    rows = cut_off["rows"]
    assert len(rows) == 8
    assert sorted((r["stream"], r["state"], r["error_kind"]) for r in rows) == [(0, "error", "shutdown")] * 4 + [(1, "truncated", "shutdown")] * 4
