"""Foreign code never holds up strangers' work: a signer that loops has threads of its own, and after three cuts a rest.

The proofs are counts and orders: what runs and what waits stands in /status, and a stranger's request ends while it still does.
"""
import json
import os
import subprocess
import threading

import pytest
from lib import mock as m
from lib import raw
from lib.signet import ROOT, Signet, config, openai_model
from signing_lib import build_sample

CLANG = ["clang", "--target=wasm32", "-nostdlib", "-ffreestanding", "-fno-builtin", "-mbulk-memory", "-O1", "-w",
         "-Wl,--no-entry", "-Wl,-z,stack-size=4096"]
CHAT = "/v1/chat/completions"


@pytest.fixture(scope="module")
def modules(tmp_path_factory):
    folder = tmp_path_factory.mktemp("modules")
    loop = str(folder / "loop.wasm")  # but for what it is tried with at the start
    subprocess.run([*CLANG, "-DCASE=LOOP", "-DSPARES_TRIAL", "-o", loop, os.path.join(ROOT, "tests", "unit", "wasm", "module.c")],
                   check=True)
    return {"loop": loop, "good": build_sample(folder)}


def signed(name, url, module, **options):
    options = "".join(f", {k} = {v}" for k, v in options.items())
    return openai_model(name, url, keys=f'signer = {{ path = "{module}", inputs = ["nonce", "timestamp", "body", "path"]{options} }}')


def chat(name, content="hi"):
    return json.dumps({"model": name, "messages": [{"role": "user", "content": content}]})


def pools(s):
    return {p["name"]: p for p in s.status()["signet"]["pools"]}


def signers(s):
    return {one["id"]: one for one in s.status()["signet"]["signers"]}


def test_all_pools_are_there_before_the_first_request(mock, modules):
    toml = config(signed("m", mock.url, modules["good"]) + signed("n", mock.url, modules["good"], pool=2))
    with Signet(toml) as s:
        found = pools(s)
        assert found.keys() == {"bodies", "files", "names", "models.m.providers.p", "models.n.providers.p"}
        assert (found["models.m.providers.p"]["threads"], found["models.n.providers.p"]["threads"]) == (4, 2)
        assert all(p["threads"] >= 2 and p["running"] == p["queued"] == 0 for p in found.values())
        threads = len(os.listdir(f"/proc/{s.process.pid}/task"))
        for name in ("m", "n"):
                    assert raw.post(s.port, CHAT, chat(name, "x" * 3_000_000), timeout=60).status == 200
        assert len(os.listdir(f"/proc/{s.process.pid}/task")) == threads


@pytest.mark.parametrize("clients", [20, 120])
def test_strangers_go_on_while_signatures_loop(mock, modules, clients):
    toml = config(signed("loops", mock.url, modules["loop"], pool=2, timeout_ms=60000, memory_limit_mb=64) +
                  signed("signed", mock.url, modules["good"], memory_limit_mb=64) +
                  openai_model("plain", mock.url) + openai_model("named", mock.url.replace("127.0.0.1", "localhost")))
    s = Signet(toml)
    looping = "models.loops.providers.p"
    try:
        held = [raw.Client(s.port) for _ in range(clients)]
        for one in held:
            one.send(raw.post_bytes(CHAT, chat("loops", "x" * 120_000)))  # so large that it is signed beside the worker's loop
        raw.wait_for(lambda: pools(s)[looping]["running"] + pools(s)[looping]["queued"] == clients, 60)
        assert pools(s)[looping]["running"] == 2  # as its `pool` says, whoever asks
        for name in ("plain", "named", "signed"):
            answer = raw.post(s.port, CHAT, chat(name, "y" * 3_000_000), timeout=120)
            assert answer.status == 200, answer.text
            assert (pools(s)[looping]["running"], pools(s)[looping]["queued"]) == (2, clients - 2)
        for one in held:
            one.sock.close()
        raw.wait_for(lambda: pools(s)[looping]["queued"] == 0, 60)  # who leaves, leaves the queue
        assert pools(s)[looping]["running"] == 2
    finally:
        s.kill9()
    s.check_reports()


def test_the_first_runaway_signature_of_a_module_holds_no_stream(mock, modules):
    """One worker. A module that signed well until now loops, for a small request: what else this worker does goes on, event by event,
    and an answer of its own (/status) is told meanwhile."""
    gates = [m.Gate() for _ in range(20)]
    events = [e for gate, piece in zip(gates, m.text_chunks("x" * 20, pieces=20)) for e in (gate, piece)]
    mock.then(m.sse(events))
    toml = config(signed("loops", mock.url, modules["loop"], pool=1, timeout_ms=60000) + openai_model("plain", mock.url))
    s = Signet(toml, args=("--workers", "1"))
    looping = "models.loops.providers.p"
    try:
        stream = raw.Client(s.port).send(raw.post_bytes(CHAT, json.dumps({"model": "plain", "stream": True, "messages": [
            {"role": "user", "content": "hi"}]})))
        mock.wait_requests(1)
        gates[0].set()
        gates[1].set()  # the role, and the first piece of text
        assert stream.read_head().status == 200
        runaway = raw.Client(s.port).send(raw.post_bytes(CHAT, chat("loops")))
        raw.wait_for(lambda: pools(s)[looping]["running"] == 1, 20)
        got = b""
        for n, gate in enumerate(gates, 1):
            gate.set()
            while got.count(b"data: {") < n:
                got += stream.read_chunk()
        while b"[DONE]" not in got:
            got += stream.read_chunk()
        assert raw.post(s.port, CHAT, chat("plain")).status == 200
        assert pools(s)[looping]["running"] == 1 and signers(s)[looping]["moved"] == 1 and signers(s)[looping]["calls"] == 0
        runaway.sock.close()
    finally:
        s.kill9()
    s.check_reports()


def test_three_cuts_in_a_row_are_followed_by_a_rest(mock, modules):
    loop = f'signer = {{ path = "{modules["loop"]}", inputs = ["nonce", "timestamp", "body", "path"], timeout_ms = 20, pool = 1 }}'
    toml = config(openai_model("m", mock.url, keys=loop) +
                  openai_model("falls", mock.url, mock.url).replace('api_key_location = "none"\n', f'api_key_location = "none"\n{loop}\n', 1))
    name = "models.m.providers.p"
    with Signet(toml) as s:
        for _ in range(3):
            answer = raw.post(s.port, CHAT, chat("m"))
            assert (answer.status, answer.json["error"]["code"]) == (500, "signer_failed")
            assert "cut after 20 ms of CPU time" in answer.text
        assert (signers(s)[name]["calls"], signers(s)[name]["refused"]) == (3, 0)
        answer = raw.post(s.port, CHAT, chat("m"))
        assert (answer.status, answer.json["error"]["code"]) == (500, "signer_failed")
        assert "Signing failed: it was cut 3 times in a row and is not called for another " in answer.text
        assert raw.post(s.port, CHAT, chat("falls")).status == 200  # the next provider, at once
        assert (signers(s)[name]["calls"], signers(s)[name]["refused"]) == (3, 2)
        assert s.metric("signet_signer_calls_total", signer=name, result="refused") == 2

        # After its rest one call is let through to see; it is cut, too, and the next rest begins.
        def probed():
            raw.post(s.port, CHAT, chat("m"))
            return signers(s)[name]["calls"] == 4
        raw.wait_for(probed, 30)
        answer = raw.post(s.port, CHAT, chat("m"))
        assert "is not called for another " in answer.text and signers(s)[name]["calls"] == 4


def test_of_many_at_once_only_the_first_are_cut(mock, modules):
    toml = config(signed("m", mock.url, modules["loop"], timeout_ms=50, pool=1))
    with Signet(toml) as s:
        answers = []
        threads = [threading.Thread(target=lambda: answers.append(raw.post(s.port, CHAT, chat("m"), timeout=120))) for _ in range(40)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        texts = [a.text for a in answers]
        assert len(texts) == 40 and all("Signing failed: " in t for t in texts)
        counts = signers(s)["models.m.providers.p"]
        assert counts["calls"] + counts["refused"] == 40
        # Three in a row and, if all of them took longer than a rest, some that were let through afterwards.
        assert 3 <= counts["calls"] <= 8 and sum("cut after 50 ms" in t for t in texts) == counts["calls"]
