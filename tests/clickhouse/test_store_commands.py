"""`signet store copy-to-clickhouse`, `retention --clickhouse-days`, `dead retry` for ClickHouse: what they bring is there once, wherever they are cut."""
import json
import os
import signal
import subprocess
import time
import uuid

import pytest

from lib import raw, record
from lib.mock import Mock, chat_answer, error, json_answer
from lib.raw import TZ, TZ_CHAT, chat
from lib.signet import Signet, binary, config, openai_model
from test_faults import SOON, VIEWS, ask, cursor, dead, stored_once, views
from test_rows import drained, gateway

SQLITE = '[gateway.observability]\nbackend = "sqlite"\n'


def env(clickhouse):
    return {**os.environ, **SOON, "TENSORZERO_CLICKHOUSE_URL": clickhouse.address(clickhouse.database)}


def store(clickhouse, *words, data=None, status=0, **more):
    run = subprocess.run([binary(), "store", *words] + (["--data-dir", str(data)] if data else []), capture_output=True, text=True, timeout=120,
                         env={**env(clickhouse), **more})
    assert run.returncode == status, run.stdout + run.stderr
    return run


def start(clickhouse, *words, data):
    return subprocess.Popen([binary(), "store", *words, "--data-dir", str(data)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                            env=env(clickhouse))


@pytest.fixture(scope="module")
def seeded():
    """A data directory with 40 answers and what a failed request leaves; not written to again."""
    with Mock(default=json_answer(chat_answer("Hello \u4f60\u597d"))) as up:
        with Signet(config(openai_model("m", up.url), "", "", record=True)) as s:
            ids = ask(s, 40, k="v")
            up.then(error(500, "boom"))
            raw.post(s.port, TZ_CHAT, chat(TZ + "m"))
            record.wait_rows(s.data_dir, 41)
        yield s.data_dir, ids


def test_what_is_copied_is_what_a_gateway_would_have_sent(mock, clickhouse):
    """The same answers by the sink, and by the command into a database of its own: column by column the same."""
    mock.default = json_answer(chat_answer("Hello \"there\""))
    tool = {"type": "function", "function": {"name": "t", "parameters": {"type": "object"}}}
    with gateway(mock, clickhouse, SQLITE, '[store]\nalso = ["clickhouse"]\n') as signet:
        ask(signet, 2, k="v")
        raw.post(signet.port, TZ_CHAT, {**chat(TZ + "m"), "tools": [tool], "temperature": 0.5, "tool_choice": "auto", "parallel_tool_calls": False})
        drained(signet)
        record.wait_rows(signet.data_dir, 3)
    sent, other = clickhouse.database, clickhouse.database + "_copied"
    out = store(clickhouse, "copy-to-clickhouse", clickhouse.address(other), data=signet.data_dir)
    assert out.stdout.splitlines() == ["ChatInference: 3 rows here, 3 of them there", "ModelInference: 3 rows here, 3 of them there"]
    for table in "ChatInference", "ModelInference", "TagInference", "CumulativeUsage":
        rows = [sorted((json.dumps({k: v for k, v in r.items() if k != "updated_at"}) for r in clickhouse.rows(f"SELECT * FROM {table}", db)))
                for db in (sent, other)]
        assert rows[0] == rows[1] and rows[0], table
    assert clickhouse.count("ConfigSnapshot FINAL", other) == 1
    # the other way round nothing is new: it is there
    store(clickhouse, "copy-to-clickhouse", data=signet.data_dir)
    assert clickhouse.count("ChatInference", sent) == 3 and clickhouse.count("CumulativeUsage FINAL", sent) == 3


def test_stopped_and_run_again_it_doubles_nothing(seeded, clickhouse):
    data, ids = seeded
    clickhouse.fault("hang_after", "INSERT INTO ModelInference", seconds=1)
    run = start(clickhouse, "copy-to-clickhouse", data=data)
    raw.wait_for(lambda: clickhouse.log("INSERT INTO ModelInference"), 30, 0.02)
    run.send_signal(signal.SIGINT)
    run.wait(60)
    run.communicate()
    out = store(clickhouse, "copy-to-clickhouse", data=data)
    assert "ChatInference: 40 rows here, 40 of them there\n" in out.stdout
    stored_once(clickhouse, ids)
    assert views(clickhouse) == dict.fromkeys(VIEWS, 40)
    assert not os.path.exists(os.path.join(data, "journal", "copy.cursor"))


@pytest.mark.parametrize("what,table", [("slow", "ChatInference"), ("hang", "ChatInference"), ("hang_after", "ChatInference"), ("slow", "ModelInference")])
def test_killed_and_run_again_it_doubles_nothing(seeded, clickhouse, what, table):
    """Also while the server is still at what the killed one sent."""
    data, ids = seeded
    clickhouse.fault(what, f"INSERT INTO {table}", seconds=1)
    run = start(clickhouse, "copy-to-clickhouse", data=data)
    raw.wait_for(lambda: clickhouse.log(f"INSERT INTO {table}"), 30, 0.02)
    run.kill()
    run.communicate()
    out = store(clickhouse, "copy-to-clickhouse", data=data)
    assert "until it cannot run any more" in out.stderr
    stored_once(clickhouse, ids)
    assert views(clickhouse) == dict.fromkeys(VIEWS, 40)


def test_a_server_that_fails_in_between_is_tried_again(seeded, clickhouse):
    data, ids = seeded
    clickhouse.fault("error_in_views", "INSERT INTO ModelInference", code=241)
    clickhouse.fault("cut_after", "INSERT INTO ChatInference")
    store(clickhouse, "copy-to-clickhouse", data=data)
    stored_once(clickhouse, ids)
    assert views(clickhouse) == dict.fromkeys(VIEWS, 40)


def test_counts_that_differ_are_told(seeded, clickhouse):
    data, ids = seeded
    store(clickhouse, "copy-to-clickhouse", data=data)
    row = clickhouse.ask(f"SELECT * EXCEPT timestamp FROM ChatInference WHERE id = '{ids[0]}' FORMAT JSONEachRow", clickhouse.database)
    clickhouse.ask("INSERT INTO ChatInference FORMAT JSONEachRow\n" + row, clickhouse.database)
    out = store(clickhouse, "copy-to-clickhouse", data=data, status=1)
    assert "ChatInference: 40 rows here, 40 of them there in 41 rows\n" in out.stdout


def test_a_range_of_time(seeded, clickhouse):
    data, _ = seeded
    out = store(clickhouse, "copy-to-clickhouse", "--to", "2020-01-01", data=data)
    assert "ChatInference: 0 rows here, 0 of them there" in out.stdout
    assert clickhouse.count("ChatInference", clickhouse.database) == 0


def test_rows_that_a_gateway_has_still_to_send_do_not_come_twice(mock, clickhouse):
    """They are in signet.db and in the journal: copied first, then the gateway's turn."""
    mock.default = json_answer(chat_answer("Hello there"))
    signet = gateway(mock, clickhouse, SQLITE, '[store]\nalso = ["clickhouse"]\nshutdown_drain_s = 0\n', env=SOON)
    ids = ask(signet, 3, k="v")
    drained(signet)
    clickhouse.kill()
    ids += ask(signet, 3, k="v")
    record.wait_rows(signet.data_dir, 6)
    signet.stop()
    clickhouse.start()
    store(clickhouse, "copy-to-clickhouse", data=signet.data_dir)
    stored_once(clickhouse, ids)
    signet.start()
    ids += ask(signet, 1, k="v")
    drained(signet)
    stored_once(clickhouse, ids)
    assert views(clickhouse) == dict.fromkeys(VIEWS, 7)
    assert cursor(signet)[2] == "batch 0 0"
    assert f"is in use by process {signet.process.pid}" in store(clickhouse, "copy-to-clickhouse", data=signet.data_dir, status=1).stderr
    signet.stop()


def test_where_there_is_nothing_to_copy_to(seeded, clickhouse):
    data, _ = seeded
    assert "TENSORZERO_CLICKHOUSE_URL" in store(clickhouse, "copy-to-clickhouse", data=data, status=1, TENSORZERO_CLICKHOUSE_URL="").stderr
    assert "neither http:// nor https://" in store(clickhouse, "copy-to-clickhouse", "tcp://x", data=data, status=1).stderr
    wrong = store(clickhouse, "copy-to-clickhouse", clickhouse.address("x", password="wrong-secret"), data=data, status=1).stderr
    assert "Authentication failed" in wrong and "wrong-secret" not in wrong
    assert "no record in" in store(clickhouse, "copy-to-clickhouse", data="/nowhere", status=1).stderr


def id_of_age(days):
    ms = int((time.time() - days * 86400) * 1000)
    return str(uuid.UUID(int=(ms << 80) | (7 << 76) | (2 << 62) | (uuid.uuid4().int & ((1 << 62) - 1))))


def chat_row(id):
    return json.dumps({"id": id, "function_name": "f", "variant_name": "v", "episode_id": id, "input": "{}", "output": "[]", "tool_params": "",
                       "inference_params": "{}", "tags": {"k": "v"}})


def model_row(id):
    return json.dumps({"id": id, "inference_id": id, "raw_request": "", "raw_response": "", "model_name": "m", "model_provider_name": "p", "input_tokens": 1,
                       "input_messages": "[]", "output": "[]"})


def insert(clickhouse, table, *rows):
    clickhouse.ask(f"INSERT INTO {table} FORMAT JSONEachRow\n" + "\n".join(rows), clickhouse.database)


def test_retention_deletes_what_is_older(mock, clickhouse):
    mock.default = json_answer(chat_answer("Hello there"))
    with gateway(mock, clickhouse) as signet:
        ids = ask(signet, 2, k="v")
        drained(signet)
        old, young = [id_of_age(31), id_of_age(400)], [id_of_age(29)]
        for id in old + young:
            insert(clickhouse, "ChatInference", chat_row(id))
            insert(clickhouse, "ModelInference", model_row(id))
            insert(clickhouse, "BooleanMetricFeedback", json.dumps({"id": id, "target_id": id, "metric_name": "good", "value": True, "tags": {"k": "v"}}))
        counts = lambda: {t: clickhouse.count(t, clickhouse.database) for t in
                          ("ChatInference", "ModelInference", "InferenceById", "InferenceTag", "TagInference", "BooleanMetricFeedback", "FeedbackTag")}
        before = counts()
        ddl = clickhouse.ask("SELECT name, create_table_query FROM system.tables WHERE database = currentDatabase() ORDER BY name", clickhouse.database)
        usage = views(clickhouse)["CumulativeUsage"]
        out = store(clickhouse, "retention", "--clickhouse-days", "30")  # beside the gateway
        assert "ChatInference: 2 rows deleted\n" in out.stdout and "InferenceById: 2 rows deleted\n" in out.stdout
        assert counts() == {t: n - 2 for t, n in before.items()}
        left = [r["id"] for r in clickhouse.rows("SELECT toString(id) AS id FROM ChatInference ORDER BY id", clickhouse.database)]
        assert left == sorted(ids + young)
        assert views(clickhouse)["CumulativeUsage"] == usage
        assert ddl == clickhouse.ask("SELECT name, create_table_query FROM system.tables WHERE database = currentDatabase() ORDER BY name", clickhouse.database)
        assert store(clickhouse, "retention", "--clickhouse-days", "30").stdout == ""
        ids += ask(signet, 1, k="v")
        drained(signet)
        assert clickhouse.count("ChatInference", clickhouse.database) == 4


def test_retention_wants_a_number_and_a_database(clickhouse):
    assert "--clickhouse-days" in store(clickhouse, "retention", status=2).stderr
    assert store(clickhouse, "retention", "--clickhouse-days", "0", status=2).stderr
    assert "TENSORZERO_CLICKHOUSE_URL" in store(clickhouse, "retention", "--clickhouse-days", "3", status=1, TENSORZERO_CLICKHOUSE_URL="").stderr
    assert "does not exist" in store(clickhouse, "retention", "--clickhouse-days", "3", status=1).stderr
    assert clickhouse.ask(f"EXISTS DATABASE {clickhouse.database}") == "0\n"
    store(clickhouse, "retention", "--clickhouse-days", "3", status=1, TENSORZERO_CLICKHOUSE_URL=clickhouse.address("x", user="readonly"))


def test_dead_rows_are_tried_again(mock, clickhouse):
    mock.default = json_answer(chat_answer("Hello there"))
    with gateway(mock, clickhouse, env=SOON) as signet:
        good = ask(signet)
        drained(signet)
        clickhouse.fault("error", "a row that nobody takes", code=27, text="Cannot parse input", times=1000)
        bad = [raw.post(signet.port, TZ_CHAT, chat(TZ + "m", content="a row that nobody takes")).headers["x-signet-inference-id"] for _ in range(3)]
        good += ask(signet)
        raw.wait_for(lambda: len(dead(signet)) == 6, 60, 0.1)
        drained(signet)
    [name] = [n for n in os.listdir(os.path.join(signet.data_dir, "journal", "dead"))]
    path = os.path.join(signet.data_dir, "journal", "dead", name)
    with open(path, "a") as f:
        f.write('half a li\n{"table":99,"row":{}}\n')
    text = open(path).read()
    again = store(clickhouse, "dead", "retry", data=signet.data_dir, status=1)
    assert "0 records stored, 8 left" in again.stderr and "refused again: " in again.stderr and open(path).read() == text
    clickhouse.forget()
    clickhouse.fault("hang", "INSERT INTO ModelInference", seconds=1)
    run = start(clickhouse, "dead", "retry", data=signet.data_dir)
    raw.wait_for(lambda: clickhouse.log("INSERT INTO ModelInference"), 30, 0.02)
    run.kill()
    run.communicate()
    assert open(path).read() == text
    again = store(clickhouse, "dead", "retry", data=signet.data_dir, status=1)
    assert "6 records stored, 2 left" in again.stderr
    assert open(path).read() == 'half a li\n{"table":99,"row":{}}\n'
    stored_once(clickhouse, good + bad)
