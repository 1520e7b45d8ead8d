"""The client leaves: the upstream call ends with it, and the record says so (storage §6.10)."""
import json
import socket
import threading
import time

import pytest

from lib import raw, record
from lib.mock import HANG, Pause, chat_answer, chunk, hang, json_answer, sse, text_chunks
from lib.raw import CHAT, TZ, TZ_CHAT, chat
from lib.signet import Signet, config, openai_model

PROFILES = [(CHAT, "m"), (TZ_CHAT, TZ + "m")]


def signet_toml(mock):
    return config(openai_model("m", mock.url) + openai_model("two", mock.url + "/a", mock.url + "/b"), record=True)


@pytest.fixture
def new_row(signet):
    """A function that gives the one list row that this test has made."""
    before = {r["id"] for r in record.listed(signet.data_dir)}

    def wait():
        found = raw.wait_for(lambda: [r for r in record.listed(signet.data_dir) if r["id"] not in before], 8)
        assert len(found) == 1, found
        return found[0]

    return wait


def leave(client, how):
    client.reset() if how == "reset" else client.close()


@pytest.mark.parametrize("how", ["close", "reset"])
@pytest.mark.parametrize("path,model", PROFILES, ids=["openai", "tensorzero"])
def test_plain_request(signet, mock, new_row, path, model, how):
    mock.then(hang())
    c = raw.Client(signet.port)
    c.send(raw.post_bytes(path, chat(model)))
    request = mock.wait_requests(1)[0]
    leave(c, how)
    assert request.gone.wait(3), "the upstream call went on"
    row = new_row()
    assert row["state"] == "cancelled"
    assert not record.rows(signet.data_dir, "select * from ChatInference where id = ?", row["id"])
    assert record.rows(signet.data_dir, "select * from RequestError where id = ?", row["id"])


@pytest.mark.parametrize("path,model", PROFILES, ids=["openai", "tensorzero"])
def test_stream_before_the_first_token(signet, mock, new_row, path, model):
    mock.then(sse([HANG], done=False))
    c = raw.Client(signet.port)
    c.send(raw.post_bytes(path, chat(model, stream=True)))
    request = mock.wait_requests(1)[0]
    time.sleep(0.1)
    c.close()
    assert request.gone.wait(3), "the upstream call went on"
    assert new_row()["state"] == "cancelled"


@pytest.mark.parametrize("path,model", PROFILES, ids=["openai", "tensorzero"])
def test_stream_after_the_first_token(signet, mock, new_row, path, model):
    mock.then(sse([chunk({"content": "Half an "}), chunk({"content": "answer"}), HANG], done=False))
    c = raw.Client(signet.port)
    c.send(raw.post_bytes(path, chat(model, stream=True)))
    c.read_head()
    while b"answer" not in c.buffer:
        c.more()
    c.close()
    assert mock.last().gone.wait(3), "the upstream call went on"
    row = new_row()
    assert (row["state"], row["finish_reason"], row["output_tokens"]) == ("cancelled", None, None)
    body = record.rows(signet.data_dir, "select * from ChatInference where id = ?", row["id"])
    assert json.loads(body[0]["output"])[0]["text"] == "Half an answer"


def test_stream_while_events_flow(signet, mock, new_row):
    mock.then(sse([chunk({"content": "x" * 50})] * 100000))
    c = raw.Client(signet.port)
    c.send(raw.post_bytes(CHAT, chat(stream=True)))
    c.read_head()
    for _ in range(20):
        c.more()
    c.reset()
    assert mock.last().gone.wait(5)
    assert new_row()["state"] == "cancelled"


def test_after_the_answer(signet, mock, new_row):
    mock.then(json_answer(chat_answer("done")))
    with raw.Client(signet.port) as c:
        c.send(raw.post_bytes(CHAT, chat()))
        assert c.read().status == 200
    assert new_row()["state"] == "ok"


def test_leaving_does_not_start_the_next_provider(signet, mock):
    mock.then(hang())
    c = raw.Client(signet.port)
    c.send(raw.post_bytes(CHAT, chat("two")))
    request = mock.wait_requests(1)[0]
    c.close()
    assert request.gone.wait(3)
    time.sleep(0.2)
    assert len(mock.requests) == 1, "a cancelled attempt fell through"


def test_leaving_never_counts_against_the_upstream(signet, mock):
    def failures():
        return sum(v for k, v in signet.metrics().items() if k.startswith("signet_upstream_requests_total")
                   and 'model="m"' in k and 'result="ok"' not in k and 'result="cancelled"' not in k)

    before, cancelled = failures(), signet.metric("signet_cancelled_total")
    mock.then(hang())
    c = raw.Client(signet.port)
    c.send(raw.post_bytes(CHAT, chat()))
    request = mock.wait_requests(1)[0]
    c.close()
    assert request.gone.wait(3)
    raw.wait_for(lambda: signet.metric("signet_cancelled_total") == cancelled + 1, 5)
    assert failures() == before


def test_pipelined_requests_of_a_client_that_left(signet, mock):
    mock.then(hang())
    c = raw.Client(signet.port)
    c.send(raw.post_bytes(CHAT, chat()) * 5)
    request = mock.wait_requests(1)[0]
    c.reset()
    assert request.gone.wait(3)
    time.sleep(0.2)
    assert len(mock.requests) == 1


def test_hundred_at_once(signet, mock):
    mock.default, default = hang(), mock.default
    clients = [raw.Client(signet.port) for _ in range(100)]
    for c in clients:
        c.send(raw.post_bytes(CHAT, chat(stream=True)))
    requests = mock.wait_requests(100, 15)
    for c in clients:
        c.reset()
    assert all(r.gone.wait(10) for r in requests)
    mock.default = default


@pytest.fixture
def finishing(module_mock):
    module_mock.reset()
    toml = config(openai_model("m", module_mock.url), record=True, extra='[server]\non_disconnect = "finish"')
    with Signet(toml) as s:
        yield s
        s.assert_idle()


def test_on_disconnect_finish_drains(finishing, module_mock):
    """[server] on_disconnect = "finish": as TensorZero, the answer is fetched whole and recorded as ok."""
    module_mock.then(sse([chunk({"content": "a"}), Pause(0.5), *text_chunks("bcd")]))
    c = raw.Client(finishing.port)
    c.send(raw.post_bytes(CHAT, chat(stream=True)))
    c.read_head()
    c.close()
    row = record.wait_rows(finishing.data_dir, 1)[0]
    assert (row["state"], row["finish_reason"], row["output_tokens"]) == ("ok", "stop", 7)
    body = record.rows(finishing.data_dir, "select * from ChatInference where id = ?", row["id"])
    assert json.loads(body[0]["output"])[0]["text"] == "abcd"
    assert not module_mock.last().gone.is_set()


# -- ending its own side is not leaving (decision 0015) --------------------------------------------------------------------

@pytest.mark.parametrize("version", ["1.1", "1.0"])
@pytest.mark.parametrize("path,model", PROFILES, ids=["openai", "tensorzero"])
def test_a_half_closed_client_gets_its_plain_answer(signet, mock, new_row, path, model, version):
    def slowly(conn, request):
        conn.sleep(0.3)
        json_answer(chat_answer("all of it"))(conn, request)

    mock.then(slowly)
    with raw.Client(signet.port) as c:
        c.send(raw.post_bytes(path, chat(model), version=version))
        mock.wait_requests(1)
        c.sock.shutdown(socket.SHUT_WR)
        got = c.read()
        assert got.status == 200 and got.json["choices"][0]["message"]["content"] == "all of it"
        assert c.at_end()
    assert new_row()["state"] == "ok"


@pytest.mark.parametrize("version", ["1.1", "1.0"])
@pytest.mark.parametrize("path,model", PROFILES, ids=["openai", "tensorzero"])
def test_a_half_closed_client_gets_its_stream(signet, mock, new_row, path, model, version):
    mock.then(sse([Pause(0.2), chunk({"content": "a"}), Pause(0.3), *text_chunks("bcd")]))
    with raw.Client(signet.port) as c:
        c.send(raw.post_bytes(path, chat(model, stream=True), version=version))
        mock.wait_requests(1)
        c.sock.shutdown(socket.SHUT_WR)
        got = c.read()
        assert got.status == 200 and got.events()[-1] == "[DONE]"
        texts = [e["choices"][0]["delta"].get("content") for e in map(json.loads, got.events()[:-1]) if e["choices"]]
        assert "".join(t or "" for t in texts) == "abcd"
    assert new_row()["state"] == "ok"


def test_a_half_closed_client_gets_an_error_too(signet, mock, new_row):
    def slowly(conn, request):
        conn.sleep(0.2)
        conn.close()

    mock.then(slowly, slowly)
    with raw.Client(signet.port) as c:
        c.send(raw.post_bytes(CHAT, chat()))
        mock.wait_requests(1)
        c.sock.shutdown(socket.SHUT_WR)
        assert c.read().status == 502
    assert new_row()["state"] == "error"


@pytest.mark.parametrize("stream", [False, True])
def test_a_half_closed_client_that_leaves_is_cancelled(signet, mock, new_row, stream):
    mock.then(sse([HANG], done=False) if stream else hang())
    c = raw.Client(signet.port)
    c.send(raw.post_bytes(CHAT, chat(stream=stream)))
    request = mock.wait_requests(1)[0]
    c.sock.shutdown(socket.SHUT_WR)
    time.sleep(0.2)
    assert not request.gone.is_set()
    c.close()
    assert request.gone.wait(3), "the upstream call went on"
    assert new_row()["state"] == "cancelled"


def test_a_client_that_leaves_behind_a_relay_is_cancelled(signet, mock, new_row):
    """A relay passes the end on and takes what comes back, until its own write fails."""
    listener = socket.create_server(("127.0.0.1", 0))
    mock.then(hang())

    def relay():
        inside, _ = listener.accept()
        outside = socket.create_connection(("127.0.0.1", signet.port))
        while data := inside.recv(65536):
            outside.sendall(data)
        outside.shutdown(socket.SHUT_WR)
        with inside, outside:
            try:
                while data := outside.recv(65536):
                    inside.sendall(data)
            except OSError:
                pass

    thread = threading.Thread(target=relay)
    thread.start()
    c = raw.Client(listener.getsockname()[1])
    c.send(raw.post_bytes(CHAT, chat()))
    request = mock.wait_requests(1)[0]
    c.close()
    assert request.gone.wait(5), "the upstream call went on"
    assert new_row()["state"] == "cancelled"
    thread.join(5)
    listener.close()
