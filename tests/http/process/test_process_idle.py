"""What a burst of streams took is given back when the gateway is idle again: stacks, heaps of the workers, SQLite's cache."""
import json
import re
import resource
import threading

import pytest
from lib import raw, record
from lib.mock import Mock
from lib.signet import Signet, config, openai_model, plain

CHAT = "/v1/chat/completions"
STREAMS = 600


def chunk(**delta):
    text = json.dumps({"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "m",
                       "choices": [{"index": 0, "delta": delta, "finish_reason": None if delta else "stop"}]})
    data = f"data: {text}\n\n".encode()
    return b"%x\r\n%s\r\n" % (len(data), data)


def stacks(s):
    """Mappings of the size of a fiber's stack."""
    with open(f"/proc/{s.process.pid}/maps") as f:
        sizes = [int(b, 16) - int(a, 16) for a, b in re.findall(r"^([0-9a-f]+)-([0-9a-f]+) rw-p", f.read(), re.M)]
    return sum(size == 65536 for size in sizes)


@pytest.mark.skipif(not plain(), reason="needs a build without sanitizers, which keep what is freed")
def test_what_a_burst_of_streams_took_is_given_back():
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    go_on = threading.Event()

    def slow(conn, _):
        conn.send(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n" + chunk(content="Hello"))
        go_on.wait(120)
        conn.send(b"".join(chunk(content=f" word {i}") for i in range(20)) + chunk() + b"e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n")

    with Mock(default=slow) as mock, Signet(config(openai_model("m", mock.url), extra="[server]\nworkers = 2\n", record=True), program=plain()) as s:
        body = {"model": "m", "stream": True, "messages": [{"role": "user", "content": "hi"}]}
        go_on.set()
        for _ in range(20):
            first = raw.post(s.port, CHAT, body)
            assert first.status == 200
        record.wait_row(s.data_dir, first.headers["x-signet-inference-id"])
        go_on.clear()
        before, stacks_before = s.rss(), stacks(s)

        clients = [raw.Client(s.port, timeout=120) for _ in range(STREAMS)]
        for c in clients:
            c.send(raw.post_bytes(CHAT, body))
        raw.wait_for(lambda: s.metric("signet_streams") == STREAMS, 60, 0.2)
        assert stacks(s) >= STREAMS // 2  # neighbours merge into one mapping where the guard page allows
        go_on.set()
        for c in clients:
            assert c.read().body.endswith(b"data: [DONE]\n\n")
            c.sock.close()
        raw.wait_for(lambda: stacks(s) <= stacks_before + 16, 90, 1)
        raw.wait_for(lambda: s.rss() <= before * 1.5, 90, 1)
