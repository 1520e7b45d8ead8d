"""kill -9 under load: every answer that a client saw complete is in SQLite after the restart, once.

Twelve clients, half of them streaming, ten kills at odd moments. The variants fill the disk in between and free
it again (a small tmpfs).
"""
import collections
import os
import random
import subprocess
import threading
import time

import pytest

from lib import raw, record
from lib.mock import Mock, chat_answer, json_answer, sse, text_chunks
from lib.raw import CHAT, TZ, TZ_CHAT, chat
from lib.signet import Signet, config, openai_model

CLIENTS, KILLS = 12, 10


class Load:
    """Twelve clients that ask on and on; `complete` gets the inference id of each answer that came to its end."""

    def __init__(self, signet, rest=0):
        self.signet, self.complete, self.refused, self.rest = signet, [], 0, rest
        self.on, self.up = True, threading.Event()
        self.idle = threading.Barrier(CLIENTS + 1)
        self.pause = threading.Event()
        self.threads = [threading.Thread(target=self.client, args=(i,), daemon=True) for i in range(CLIENTS)]
        for t in self.threads:
            t.start()

    def client(self, i):
        path, model = ((CHAT, "m"), (TZ_CHAT, TZ + "m"))[i // 2 % 2]
        body = chat(model, content="q" * random.randint(10, 3000), stream=i % 2 == 1)
        request = raw.post_bytes(path, body)
        while self.on:
            self.up.wait()
            if self.pause.is_set():
                self.idle.wait()  # all stand still
                self.idle.wait()  # until they are let go
                continue
            try:
                with raw.Client(self.signet.port, timeout=10) as c:
                    for _ in range(50):
                        if self.pause.is_set():
                            break
                        c.send(request)
                        got = c.read()
                        if got.status == 503:
                            self.refused += 1
                            time.sleep(0.02)
                        elif got.status == 200 and (i % 2 == 0 or got.body.endswith(b"data: [DONE]\n\n")):
                            self.complete.append(got.headers["x-signet-inference-id"])
                        time.sleep(self.rest)
            except (OSError, EOFError):
                time.sleep(0.01)

    def quiet(self):
        """Returns when no request is in flight; go() lets them run again."""
        self.pause.set()
        self.idle.wait(30)

    def go(self):
        self.pause.clear()
        self.idle.wait(30)

    def end(self):
        self.quiet()
        self.on = False
        self.pause.clear()
        self.idle.wait(30)
        for t in self.threads:
            t.join(20)


@pytest.fixture
def up():
    streamed, plain = sse(text_chunks("streamed answer " * 10), delay=0.001), json_answer(chat_answer("plain answer " * 10))
    with Mock(default=lambda conn, request: (streamed if request.json["stream"] else plain)(conn, request)) as mock:
        yield mock


def all_rows(data_dir):
    return collections.Counter(r["id"] for r in record.listed(data_dir))


def drained(signet, seconds=60):
    try:
        raw.wait_for(lambda: signet.status()["signet"]["record"]["backlog_records"] == 0, seconds, 0.1)
    except AssertionError:
        raise AssertionError(f"{signet.status()['signet']['record']}\n{signet.tail(3000)}") from None


def life(signet, load):
    signet.start()
    load.up.set()
    time.sleep(random.uniform(0.3, 1.2))


def kill(signet, load):
    load.up.clear()
    signet.kill9()


def check_once(data_dir, complete, missing=0):
    rows = all_rows(data_dir)
    assert not [id for id, n in rows.items() if n != 1]
    lost = set(complete) - set(rows)
    assert len(lost) == missing, f"{len(lost)} of {len(complete)} complete answers are not in the record, expected {missing}"
    bodies = {r["id"] for r in record.rows(data_dir, "select id from ChatInference")}
    assert set(complete) - lost <= bodies, "list rows without their bodies"
    models = collections.Counter(r["inference_id"] for r in record.rows(data_dir, "select inference_id from ModelInference"))
    assert all(models[id] == 1 for id in set(complete) - lost), "model rows are missing or doubled"
    (sums,) = record.rows(data_dir, "select (select sum(count) from Rollup where dim = 'surface') as rollup, (select sum(count) from Facet where dim = 'surface') as facet")
    assert (sums["rollup"], sums["facet"]) == (len(rows), len(rows)), "sums that are not those of the rows"


@pytest.mark.parametrize("sync", ["interval", "always", "never"])
def test_kill9(up, sync):
    signet = Signet(config(openai_model("m", up.url), record=True, extra=f'[journal]\nsync = "{sync}"\nsegment_mb = 1'), start=False)
    load = Load(signet)
    kills = KILLS if sync == "interval" else 3
    for _ in range(kills):
        life(signet, load)
        kill(signet, load)
    life(signet, load)
    load.end()
    drained(signet)
    assert signet.metric("signet_journal_unrecorded_total") == 0
    signet.stop()
    assert len(load.complete) > 100
    check_once(signet.data_dir, load.complete)


@pytest.fixture
def disk(tmp_path):
    path = tmp_path / "disk"
    path.mkdir()
    if os.geteuid() or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=384m,mode=0700", "tmpfs", path]).returncode:
        pytest.skip("needs the right to mount a tmpfs")
    yield path
    subprocess.run(["umount", "-l", path])


def fill(disk):
    try:
        with open(disk / "filler", "ab") as f:
            while True:
                f.write(b"\0" * 65536)
                f.flush()
    except OSError:
        pass


@pytest.mark.parametrize("on_full", ["refuse", "serve"])
def test_kill9_with_a_full_disk(up, disk, on_full):
    data = str(disk / "data")
    signet = Signet(config(openai_model("m", up.url), record=True, extra="[journal]\nsegment_mb = 1\nreserve_mb = 1\nkeep_mb = 1\nwait_ms = 5000\n"
                           f'on_full = "{on_full}"'), env={"SIGNET_DATA_DIR": data}, start=False)
    signet.data_dir = data
    load, unrecorded = Load(signet, rest=0.02), 0  # the records themselves must not fill the disk
    for turn in range(KILLS):
        life(signet, load)
        if turn % 3 == 1:
            fill(disk)
            time.sleep(1)
            os.unlink(disk / "filler")
            time.sleep(0.5)
            # What is missing is counted in this process: read it while nothing is in flight, then let it die.
            load.quiet()
            unrecorded += signet.metric("signet_journal_unrecorded_total")
            kill(signet, load)
            load.go()
        else:
            kill(signet, load)
    life(signet, load)
    load.end()
    drained(signet)
    unrecorded += signet.metric("signet_journal_unrecorded_total")
    signet.stop()
    room = os.statvfs(disk)
    assert room.f_bavail * room.f_frsize > 64 << 20, "the disk was full also when nothing filled it: what was lost then is in no count"
    if on_full == "refuse":
        assert load.refused > 0
    check_once(data, load.complete, unrecorded)
