"""use_30d of GET /internal/signet/keys: what each key was used for, equal to SQL over the record."""
import sqlite3
import time

import pytest

from lib import keys, raw, record
from lib.mock import Mock, error
from lib.raw import CHAT, chat
from lib.signet import Signet, config, openai_model

KEYS = "/internal/signet/keys"


@pytest.fixture(scope="module")
def gate():
    with Mock() as mock, Signet(config(openai_model("m", mock.url), "[gateway.auth]\nenabled = true\n", record=True)) as signet:
        signet.mock = mock
        signet.admin = keys.create(signet.data_dir, "--role", "admin")
        raw.wait_for(lambda: raw.get(signet.port, "/v1/models", [keys.bearer(signet.admin)]).status == 200)
        yield signet


def use_of(gate):
    got = raw.get(gate.port, KEYS, [keys.bearer(gate.admin)])
    assert got.status == 200, got.text
    return {k["public_id"]: k["use_30d"] for k in got.json["keys"]}


def test_use_is_that_of_the_record(gate):
    made = [keys.create(gate.data_dir, "--description", f"k{i}") for i in range(30)]
    raw.wait_for(lambda: raw.get(gate.port, "/v1/models", [keys.bearer(made[-1])]).status == 200)
    last = None
    for i, key in enumerate(made[:28]):  # two were never used
        for n in range(1 + i % 3):
            if n == 2:
                gate.mock.then(error(500))
            last = raw.post(gate.port, CHAT, chat(), [keys.bearer(key)])
    live = use_of(gate)  # the journal's newest rows are seen before the sink has them
    record.wait_row(gate.data_dir, record.uuid(last.headers["x-request-id"].removeprefix("req_")))
    stored = raw.wait_for(lambda: use_of(gate), 5)
    db = sqlite3.connect(f"file:{gate.data_dir}/signet.db?mode=ro", uri=True)
    sums = {k: (n, (i or 0) + (o or 0)) for k, n, i, o in
            db.execute("select key_public_id, count(*), sum(input_tokens), sum(output_tokens) from InferenceById where key_public_id is not null group by 1")}
    assert len(sums) == 28
    wanted = [{"n": n, "tokens": tokens, "cost": None} for n, tokens in (sums.get(keys.public_id(k), (0, 0)) for k in made)]
    assert [live[keys.public_id(k)] for k in made] == wanted
    assert [stored[keys.public_id(k)] for k in made] == wanted
    assert stored[keys.public_id(gate.admin)]["n"] == 0


def test_a_key_that_was_last_used_31_days_ago_has_no_use(gate):
    key = keys.create(gate.data_dir)
    raw.wait_for(lambda: raw.get(gate.port, "/v1/models", [keys.bearer(key)]).status == 200)
    gate.mock.then(error(500))
    raw.post(gate.port, CHAT, chat(), [keys.bearer(key)])
    raw.wait_for(lambda: use_of(gate)[keys.public_id(key)]["n"] == 1, 5)
    gate.stop()
    db = sqlite3.connect(f"{gate.data_dir}/signet.db", timeout=5)
    db.execute("update tensorzero_auth_api_key set last_used_at = ? where public_id = ?", (int((time.time() - 31 * 86400) * 1000), keys.public_id(key)))
    db.commit()
    db.close()
    gate.start()
    raw.wait_for(lambda: raw.get(gate.port, "/v1/models", [keys.bearer(gate.admin)]).status == 200)
    assert use_of(gate)[keys.public_id(key)] == {"n": 0, "tokens": 0, "cost": None}


def test_without_a_record_it_is_not_known():
    with Mock() as mock, Signet(config(openai_model("m", mock.url), "[gateway.auth]\nenabled = true\n")) as signet:
        admin = keys.create(signet.data_dir, "--role", "admin")
        raw.wait_for(lambda: raw.get(signet.port, "/v1/models", [keys.bearer(admin)]).status == 200)
        assert [k["use_30d"] for k in raw.get(signet.port, KEYS, [keys.bearer(admin)]).json["keys"]] == [None]
