"""Keys when something breaks: kill -9 while they are made, a damaged or locked database, a full disk's 503."""
import os
import signal
import sqlite3
import subprocess
import threading
import time

from lib import keys, raw
from lib.mock import Mock
from lib.raw import CHAT, chat
from lib.signet import Signet, binary, config, openai_model

AUTH = "[gateway.auth]\nenabled = true\n"
ROUTE = "/internal/signet/keys"
KILLS = 5


def toml(mock, auth=AUTH):
    return config(openai_model("m", mock.url), auth, record=True)


def works(port, key):
    return raw.get(port, "/v1/models", [keys.bearer(key)]).status == 200


def test_kill9_while_keys_are_made_loses_none_that_was_acknowledged():
    acknowledged = []
    with Mock() as mock, Signet(toml(mock), start=False) as signet:
        admin = keys.create(signet.data_dir, "--role", "admin")
        signet.start()

        def make(stop):
            while not stop.is_set():
                try:
                    got = raw.post(signet.port, ROUTE, {"description": "x"}, [keys.bearer(admin)], timeout=5)
                    if got.status == 201:
                        acknowledged.append(got.json["key"])
                except (OSError, EOFError):
                    time.sleep(0.01)
        for round_ in range(KILLS):
            stop = threading.Event()
            threads = [threading.Thread(target=make, args=(stop,), daemon=True) for _ in range(4)]
            before = len(acknowledged)
            for t in threads:
                t.start()
            raw.wait_for(lambda: len(acknowledged) > before + 3 + round_, 20)
            signet.kill9()
            stop.set()
            for t in threads:
                t.join(20)
            signet.start()
            for key in acknowledged[before:]:
                assert works(signet.port, key)
        assert all(works(signet.port, key) for key in acknowledged)
        listed = [k["public_id"] for k in keys.listed(signet.data_dir)]
        assert len(listed) == len(set(listed)) and {keys.public_id(k) for k in acknowledged} <= set(listed)


def test_kill9_of_the_command_line_keeps_what_it_printed(tmp_path):
    data = str(tmp_path / "data")
    keys.create(data)
    printed = []
    for i in range(12):
        p = subprocess.Popen([binary(), "keys", "create"], stdout=subprocess.PIPE, env={**os.environ, "SIGNET_DATA_DIR": data})
        time.sleep(0.02 * i)
        p.send_signal(signal.SIGKILL)
        out = p.communicate(timeout=20)[0].decode().strip()
        if out:
            printed.append(keys.public_id(out))
    assert set(printed) <= {k["public_id"] for k in keys.listed(data)}
    keys.create(data)


def test_a_damaged_database_costs_no_key():
    with Mock() as mock, Signet(toml(mock), start=False) as signet:
        key, gone = keys.create(signet.data_dir), keys.create(signet.data_dir)
        keys.run(signet.data_dir, "disable", keys.public_id(gone))
        with open(os.path.join(signet.data_dir, "signet.db"), "r+b") as f:
            f.write(b"damaged" * 100)
        signet.start()
        assert works(signet.port, key) and not works(signet.port, gone)
        assert any(n.startswith("signet.db.corrupt-") for n in os.listdir(signet.data_dir))
        assert [k["public_id"] for k in keys.listed(signet.data_dir)] == [keys.public_id(gone), keys.public_id(key)]


def test_without_database_and_copy_nobody_gets_in():
    with Mock() as mock, Signet(toml(mock), start=False) as signet:
        key = keys.create(signet.data_dir)
        os.remove(os.path.join(signet.data_dir, "keys.json"))
        with open(os.path.join(signet.data_dir, "signet.db"), "r+b") as f:
            f.write(b"damaged" * 100)
        signet.start()
        assert raw.post(signet.port, CHAT, chat(), [keys.bearer(key)]).status == 401


def test_a_locked_database_stops_changes_and_no_request():
    with Mock() as mock, Signet(toml(mock)) as signet:
        admin = keys.create(signet.data_dir, "--role", "admin")
        raw.wait_for(lambda: works(signet.port, admin), 2)
        db = sqlite3.connect(os.path.join(signet.data_dir, "signet.db"))
        db.execute("BEGIN EXCLUSIVE")
        answer = []
        t = threading.Thread(target=lambda: answer.append(raw.post(signet.port, ROUTE, {}, [keys.bearer(admin)])), daemon=True)
        t.start()
        slowest = 0
        while t.is_alive():
            began = time.monotonic()
            assert works(signet.port, admin)
            slowest = max(slowest, time.monotonic() - began)
            time.sleep(0.05)
        db.rollback()
        db.close()
        assert answer[0].status == 503 and "locked" in answer[0].json["error"]
        assert slowest < 1, slowest
        assert raw.post(signet.port, ROUTE, {}, [keys.bearer(admin)]).status == 201


def test_keys_that_cannot_be_opened_are_tried_again():
    with Mock() as mock:
        with Signet(toml(mock), env={"SIGNET_FAULT": "keys.open:1"}) as signet:
            key = keys.create(signet.data_dir)
            raw.wait_for(lambda: works(signet.port, key), 3)
        with Signet(toml(mock), env={"SIGNET_FAULT": "keys.open:1+"}) as signet:
            got = raw.get(signet.port, "/v1/models", [keys.bearer("sk-t0-" + "a" * 12 + "-" + "b" * 48)])
            assert got.status == 503 and got.message.startswith("TensorZero authentication error: Database error: ")
            assert raw.get(signet.port, "/v1/models").status == 401
            assert raw.get(signet.port, "/health").status == 200
