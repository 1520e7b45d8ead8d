"""Requests refused before their body is read leave a row (storage §6.10): an operator finds a user's 401 by its request id. Strangers cannot fill the disk with them."""
import json
import os
import re
import socket
import subprocess
import time

import pytest

from lib import keys, raw, record
from lib.mock import Mock
from lib.raw import CHAT, TZ_CHAT, chat
from lib.signet import Signet, binary, config, openai_model

AUTH = "[gateway.auth]\nenabled = true\n"
COMPLETIONS = "/v1/completions"
UNKNOWN = "sk-t0-" + "a" * 12 + "-" + "b" * 48
OF_PEER, OF_ALL = 30, 120  # rows a minute; docs/access.md


@pytest.fixture(scope="module")
def gate():
    with Mock() as mock, Signet(config(openai_model("m", mock.url), AUTH, "", True)) as signet:
        signet.mock = mock
        yield signet


@pytest.fixture
def early_in_a_minute():
    """A ration is of one minute of the machine's clock: a test that counts begins early enough in one."""
    if time.clock_gettime(time.CLOCK_MONOTONIC) % 60 > 45:
        time.sleep(60.1 - time.clock_gettime(time.CLOCK_MONOTONIC) % 60)


def row_of(gate, answer):
    return record.wait_row(gate.data_dir, record.uuid(answer.headers["x-request-id"].removeprefix("req_")))


def disabled_key(gate):
    made = keys.create(gate.data_dir)
    keys.run(gate.data_dir, "disable", keys.public_id(made))
    raw.wait_for(lambda: "was disabled" in raw.get(gate.port, "/v1/models", [keys.bearer(made)]).text)
    return made


def expired_key(gate):
    made = keys.create(gate.data_dir, "--expiration", time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 2)))
    raw.wait_for(lambda: "expired" in raw.get(gate.port, "/v1/models", [keys.bearer(made)]).text, 8)
    return made


@pytest.mark.parametrize("path,surface", [(CHAT, "chat"), (TZ_CHAT, "openai"), (COMPLETIONS, "completions")])
@pytest.mark.parametrize("make,says", [(None, "authorization header is required"), (lambda g: "nonsense", "API key must be of the form"),
                                       (lambda g: UNKNOWN, "does not exist"), (disabled_key, "was disabled at"), (expired_key, "expired at")],
                         ids=["missing", "malformed", "unknown", "disabled", "expired"])
def test_a_request_without_a_good_key_has_a_row(gate, path, surface, make, says):
    key = make(gate) if make else None
    got = raw.post(gate.port, path, chat(content="words of a stranger"), [keys.bearer(key)] if key else [])
    assert got.status == 401 and says in got.message
    row = row_of(gate, got)
    assert (row["state"], row["status"], row["error_kind"], row["surface"], row["attempts"]) == ("error", 401, "client", surface, 0)
    assert row["model_name"] is None and not row["preview_in"] and row["key_public_id"] is None
    (why,) = record.rows(gate.data_dir, "select error, attempts from RequestError where id = ?", row["id"])
    assert says in why["error"] and why["attempts"] == "[]"
    if key and len(key) > 40:  # never the key itself
        assert key.split("-")[3] not in json.dumps([row, why])


def test_the_operator_finds_it_by_the_request_id(gate):
    got = raw.post(gate.port, CHAT, chat(), [keys.bearer(UNKNOWN)])
    shown = subprocess.run([binary(), "log", "show", got.headers["x-request-id"], "--data-dir", gate.data_dir], capture_output=True, text=True)
    assert shown.returncode == 0, shown.stderr
    assert "401" in shown.stdout and "does not exist in the database" in shown.stdout and UNKNOWN not in shown.stdout


def test_what_is_no_surface_leaves_none(gate):
    ids = [raw.get(gate.port, p).headers["x-request-id"] for p in ("/v1/models", "/nowhere", "/metrics", "/internal/functions")]
    ids.append(raw.get(gate.port, CHAT, method="OPTIONS").headers["x-request-id"])
    row_of(gate, raw.post(gate.port, CHAT, chat()))
    assert [i for i in ids if record.listed(gate.data_dir, record.uuid(i.removeprefix("req_")))] == []


def test_a_body_that_was_not_read_is_in_no_file(gate):
    canary = "canary-of-a-stranger-9b1f"
    row_of(gate, raw.post(gate.port, CHAT, chat(content=canary)))
    for folder, _, names in os.walk(gate.data_dir):
        for name in names:
            with open(os.path.join(folder, name), "rb") as f:
                assert canary.encode() not in f.read(), name


def test_a_flood_does_not_fill_the_disk(early_in_a_minute):
    """Of one address some rows a minute, of all together some more; what is over is answered and counted."""
    with Mock() as mock, Signet(config(openai_model("m", mock.url), AUTH, "[server]\nmetrics_auth = false\n", True), args=["--workers", "2"]) as signet:
        def rows():
            return record.rows(signet.data_dir, "select count(*) as n from InferenceById")[0]["n"]
        for _ in range(3 * OF_PEER):
            got = raw.post(signet.port, CHAT, chat())
            assert got.status == 401 and got.headers["x-request-id"]
        raw.wait_for(lambda: rows() == OF_PEER, 10)
        assert signet.metric("signet_refused_unrecorded_total") == 2 * OF_PEER


def test_many_addresses_share_what_there_is_for_all(early_in_a_minute):
    """Each of them has its own ration, and all have one together."""
    with Mock() as mock, Signet(config(openai_model("m", mock.url), AUTH, "[server]\nmetrics_auth = false\n", True)) as signet:
        def refused(n):
            s = socket.create_connection(("127.0.0.1", signet.port), 10, source_address=(f"127.0.1.{n}", 0))
            with s:
                s.sendall(raw.post_bytes(CHAT, chat()))
                assert b"401" in s.recv(4096)[:20]
        refused(1)
        raw.wait_for(lambda: len(record.listed(signet.data_dir)) == 1, 10)
        for n in range(1, 20):
            for _ in range(OF_ALL // 10):
                refused(n)
        raw.wait_for(lambda: len(record.listed(signet.data_dir)) == OF_ALL, 10)
        assert signet.metric("signet_refused_unrecorded_total") == 1 + 19 * (OF_ALL // 10) - OF_ALL
        # a good key is not rationed
        made = keys.create(signet.data_dir)
        raw.wait_for(lambda: raw.get(signet.port, "/v1/models", [keys.bearer(made)]).status == 200)
        row_of(signet, raw.post(signet.port, CHAT, chat(temperature="hot"), [keys.bearer(made)]))


def test_a_page_of_another_site_leaves_one_too():
    with Mock() as mock, Signet(config(openai_model("m", mock.url), record=True)) as signet:
        got = raw.post(signet.port, CHAT, chat(content="not to be kept"), [("origin", "https://row.example")])
        row = row_of(signet, got)
        assert (row["state"], row["status"], row["surface"], row["attempts"], row["preview_in"]) == ("error", 403, "chat", 0, "")
        assert "https://row.example" in record.rows(signet.data_dir, "select error from RequestError where id = ?", row["id"])[0]["error"]


def test_without_a_record_nothing_is_written():
    with Mock() as mock, Signet(config(openai_model("m", mock.url), AUTH, "[server]\nmetrics_auth = false\n")) as signet:
        assert raw.post(signet.port, CHAT, chat()).status == 401
        assert signet.metric("signet_refused_unrecorded_total") == 0


def test_access_md_says_the_rule():
    with open(os.path.join(os.path.dirname(__file__), "..", "..", "docs", "access.md"), encoding="utf-8") as f:
        text = re.sub(r"\s+", " ", f.read())
    assert f"{OF_PEER} rows a minute for each address" in text and f"{OF_ALL} for all together" in text
