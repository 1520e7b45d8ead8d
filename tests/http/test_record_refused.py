"""Requests that were refused leave a row too, also those whose model was never known: who was given a request id finds out why (storage §6.10)."""
import json
import os
import sqlite3
import subprocess
import time

import pytest

from lib import raw, record
from lib.raw import CHAT, TZ, TZ_CHAT, chat
from lib.signet import Signet, config, openai_model

REFUSED = [
    ("bad JSON", CHAT, b'{"model": "m", ', 400, "client"),
    ("not an object", TZ_CHAT, b"[]", 400, "client"),
    ("no body", CHAT, b"", 400, "client"),
    ("unknown model", CHAT, json.dumps(chat("nobody-has-this")).encode(), 404, "client"),
    ("unknown model, as TensorZero", TZ_CHAT, json.dumps(chat(TZ + "nobody-has-this")).encode(), None, None),
    ("a wrong field", CHAT, json.dumps(chat(temperature="hot")).encode(), 400, "client"),
    ("a foreign episode", CHAT, json.dumps(chat(**{"tensorzero::episode_id": "0197c0de"})).encode(), 400, "client"),
    ("too large", CHAT, b'{"model":"m","x":"' + b"x" * (1 << 20) + b'"}', 413, "client"),
    ("an unknown encoding", CHAT, json.dumps(chat()).encode(), 415, "client"),
]


def signet_toml(mock):
    return config(openai_model("m", mock.url), record=True, extra="[server]\nmax_body_mib = 1\n")


@pytest.mark.parametrize("path, body, status, kind", [r[1:] for r in REFUSED], ids=[r[0] for r in REFUSED])
def test_a_refused_request_has_a_row(signet, path, body, status, kind):
    headers = ["content-type: application/json"] + (["content-encoding: rot13"] if status == 415 else [])
    with raw.Client(signet.port) as c:
        c.send(f"POST {path} HTTP/1.1\r\nhost: a\r\ncontent-length: {len(body)}\r\n".encode() + "".join(h + "\r\n" for h in headers).encode() + b"\r\n" + body)
        got = c.read()
    assert got.status == status if status else got.status >= 400
    request = got.headers["x-request-id"]
    row = record.wait_row(signet.data_dir, record.uuid(request.removeprefix("req_")))
    assert (row["state"], row["status"], row["surface"], row["attempts"]) == ("error", got.status, "chat" if path == CHAT else "openai", 0)
    assert (row["error_kind"] == kind if kind else row["error_kind"]) and row["model_name"] is None and row["episode_id"] != "0" * 8
    (why,) = record.rows(signet.data_dir, "select error, attempts from RequestError where id = ?", row["id"])
    assert len(why["error"]) > 10 and why["attempts"] == "[]"
    # what is TensorZero's has no such rows
    assert record.rows(signet.data_dir, "select 1 from ChatInference where id = ?", row["id"]) == []
    assert record.rows(signet.data_dir, "select 1 from ModelInference where inference_id = ?", row["id"]) == []


def test_the_wrong_method_has_a_row_but_not_a_browsers_question(signet):
    with raw.Client(signet.port) as c:
        c.send(f"OPTIONS {CHAT} HTTP/1.1\r\nhost: a\r\n\r\n".encode())
        asked = c.read().headers["x-request-id"]
        c.send(f"GET {CHAT} HTTP/1.1\r\nhost: a\r\n\r\n".encode())
        got = c.read()
    assert got.status == 405 and got.headers["allow"] == "POST"
    row = record.wait_row(signet.data_dir, record.uuid(got.headers["x-request-id"].removeprefix("req_")))
    assert (row["state"], row["status"], row["error_kind"]) == ("error", 405, "client")
    assert "Method not allowed" in record.rows(signet.data_dir, "select error from RequestError where id = ?", row["id"])[0]["error"]
    assert record.listed(signet.data_dir, record.uuid(asked.removeprefix("req_"))) == []


def test_log_show_takes_the_request_id(signet):
    got = raw.post(signet.port, CHAT, chat(temperature="hot"))
    assert got.status == 400
    request = got.headers["x-request-id"]
    run = [os.environ.get("SIGNET_BIN", "build/signet"), "log", "show", request, "--data-dir", signet.data_dir]
    shown = subprocess.run(run, capture_output=True, text=True)  # it may still be in the journal: the same
    assert shown.returncode == 0, shown.stderr
    assert "temperature" in shown.stdout and "400" in shown.stdout
    record.wait_row(signet.data_dir, record.uuid(request.removeprefix("req_")))
    assert "temperature" in subprocess.run(run, capture_output=True, text=True).stdout


def test_an_answer_is_found_by_its_request_id_too(signet):
    got = raw.post(signet.port, CHAT, chat())
    assert got.status == 200
    assert record.uuid(got.headers["x-request-id"].removeprefix("req_")) == got.headers["x-signet-inference-id"]


def test_a_dry_run_leaves_none_when_it_is_refused(signet):
    got = raw.post(signet.port, TZ_CHAT, chat(TZ + "nobody", **{"tensorzero::dryrun": True}))
    assert got.status >= 400
    after = raw.post(signet.port, CHAT, chat(temperature="hot")).headers["x-request-id"]
    record.wait_row(signet.data_dir, record.uuid(after.removeprefix("req_")))
    assert record.listed(signet.data_dir, record.uuid(got.headers["x-request-id"].removeprefix("req_"))) == []


def test_a_full_record_that_refuses_is_not_asked_to_record_that(mock):
    """`on_full = "refuse"`: the 503 itself does not wait for room, and is in no count of what went missing."""
    with Signet(config(openai_model("m", mock.url), record=True, extra='[journal]\non_full = "refuse"\nmax_mb = 1\nsegment_mb = 1\nwait_ms = 5000\n')) as s:
        record.wait_row(s.data_dir, raw.post(s.port, CHAT, chat()).headers["x-signet-inference-id"])
        db = sqlite3.connect(os.path.join(s.data_dir, "signet.db"), timeout=5, isolation_level=None)
        db.execute("begin immediate")
        for _ in range(60):
            raw.post(s.port, CHAT, chat(content="x" * 50_000))
        raw.wait_for(lambda: raw.post(s.port, CHAT, chat()).status == 503, 15)  # the room is looked at now and then
        before, began = s.metric("signet_journal_unrecorded_total"), time.monotonic()
        got = raw.post(s.port, CHAT, chat())
        assert got.status == 503 and "journal.on_full" in got.text
        assert time.monotonic() - began < 3
        assert s.metric("signet_journal_unrecorded_total") == before
        db.close()
