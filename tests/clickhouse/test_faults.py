"""Bad input and faults: whatever ClickHouse does, an answer does not notice, no row is lost, none is there twice.

SIGNET_FAULT=clickhouse.soon shortens the waits of a minute that storage §7.8 asks for; they are as they are in every other way.
"""
import json
import os
import time

import pytest

from lib import raw
from lib.mock import chat_answer, json_answer
from lib.raw import TZ, TZ_CHAT, chat
from test_rows import drained, gateway

SOON = {"SIGNET_FAULT": "clickhouse.soon:1+"}


@pytest.fixture
def up(mock):
    mock.default = json_answer(chat_answer("Hello there"))
    return mock


def ask(signet, n=1, **tags):
    """Ids of n answered requests."""
    ids = []
    for _ in range(n):
        got = raw.post(signet.port, TZ_CHAT, {**chat(TZ + "m"), "tensorzero::tags": tags})
        assert got.status == 200
        ids.append(got.headers["x-signet-inference-id"])
    return ids


def record(signet):
    return signet.status()["signet"]["record"]


def sink(signet):
    return next(s for s in record(signet)["sinks"] if s["sink"] == "clickhouse")


def wait_state(signet, state, seconds=20):
    try:
        raw.wait_for(lambda: sink(signet)["state"] == state, seconds, 0.05)
    except AssertionError:
        raise AssertionError(f"not {state}: {sink(signet)}\n{signet.tail(2000)}") from None
    return " ".join(sink(signet)["alarms"])


def stored_once(clickhouse, ids):
    for table, column in (("ChatInference", "id"), ("ModelInference", "inference_id")):
        found = [r["id"] for r in clickhouse.rows(f"SELECT toString({column}) AS id FROM {table} ORDER BY id", clickhouse.database)]
        assert found == sorted(ids), table


def dead(signet):
    folder, out = os.path.join(signet.data_dir, "journal", "dead"), []
    for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else []:
        if name.startswith("clickhouse-"):
            with open(os.path.join(folder, name)) as f:
                out += [json.loads(line) for line in f]
    return out


def cursor(signet):
    with open(os.path.join(signet.data_dir, "journal", "clickhouse.cursor")) as f:
        return f.read().split("\n")


def test_refused_connections_cost_nothing_but_disk(up, clickhouse):
    with gateway(up, clickhouse, env=SOON) as signet:
        ids = ask(signet)
        drained(signet)
        clickhouse.kill()
        ids += ask(signet, 5)
        alarm = wait_state(signet, "down")
        assert "ClickHouse at 127.0.0.1" in alarm and "cannot connect" in alarm
        assert signet.get("/health").count('"signet_store":"error"') == 1
        ids += ask(signet, 5)
        clickhouse.start()
        wait_state(signet, "ok")
        drained(signet)
        stored_once(clickhouse, ids)


def test_a_start_does_not_wait_for_it(up, clickhouse):
    clickhouse.kill()
    with gateway(up, clickhouse, env=SOON) as signet:
        ids = ask(signet, 3)
        wait_state(signet, "down")
        clickhouse.start()
        drained(signet)
        stored_once(clickhouse, ids)


def test_records_of_a_run_without_it_come_with_the_next_start(up, clickhouse):
    clickhouse.kill()
    signet = gateway(up, clickhouse, env=SOON, extra="[store]\nshutdown_drain_s = 0\n")
    ids = ask(signet, 3)
    signet.stop()
    clickhouse.start()
    signet.start()
    ids += ask(signet, 1)
    drained(signet)
    stored_once(clickhouse, ids)
    signet.stop()


def test_wrong_password(up, clickhouse):
    url = clickhouse.address(clickhouse.database, password="wrong-secret")
    with gateway(up, clickhouse, env={**SOON, "TENSORZERO_CLICKHOUSE_URL": url}) as signet:
        ask(signet)
        alarm = wait_state(signet, "blocked")
        assert "Authentication failed" in alarm
        assert "wrong-secret" not in alarm + signet.stderr()
        assert signet.metric("signet_sink_state", sink="clickhouse") == 3


@pytest.mark.parametrize("user,text", [("readonly", "readonly mode"), ("nogrants", "Not enough privileges")])
def test_a_user_who_may_not_write(up, clickhouse, user, text):
    with gateway(up, clickhouse, env=SOON) as signet:  # the tables are there
        ask(signet)
        drained(signet)
    with gateway(up, clickhouse, env=SOON, user=user) as signet:
        [id] = ask(signet)
        assert text in wait_state(signet, "blocked")
        assert record(signet)["backlog_records"] == 1
    assert clickhouse.count("ChatInference", clickhouse.database) == 1


def test_a_database_that_nobody_may_create(up, clickhouse):
    with gateway(up, clickhouse, env=SOON, user="nogrants") as signet:
        ask(signet)
        assert "Not enough privileges" in wait_state(signet, "blocked")


def test_a_url_that_is_none_stops_the_start(up, clickhouse):
    for url, why in (("tcp://h:9000/x", "neither http:// nor https://"), (clickhouse.url + "/a/b", "more than one segment"),
                     (clickhouse.url + "/?database=x", "the database stands in its query")):
        signet = gateway(up, clickhouse, env={"TENSORZERO_CLICKHOUSE_URL": url}, start=False)
        status, text = signet.fails_to_start()
        assert status == 1 and "TENSORZERO_CLICKHOUSE_URL" in text and why in text


def test_a_server_that_hangs(up, clickhouse):
    with gateway(up, clickhouse, env=SOON) as signet:
        ids = ask(signet)
        drained(signet)
        clickhouse.fault("hang", "INSERT INTO ChatInference", seconds=4)
        ids += ask(signet)
        wait_state(signet, "down")
        drained(signet)
        stored_once(clickhouse, ids)
        # it asked whether the query still ran, then for the rows, and sent them under another token
        assert clickhouse.log("system.processes") and clickhouse.log("SELECT id FROM ChatInference WHERE id IN")
        tokens = [e["settings"]["insert_deduplication_token"] for e in clickhouse.log("INSERT INTO ChatInference")]
        assert tokens[-1] != tokens[-2] and tokens[-1].startswith(tokens[-2].split("-r")[0] + "-r")
        assert {e["id"] for e in clickhouse.log("INSERT INTO ChatInference")[-2:]} == {tokens[-1].split("-r")[0]}


@pytest.mark.parametrize("what", ["hang_after", "cut", "cut_after", "torn_after"])
@pytest.mark.parametrize("table", ["ChatInference", "ModelInference"])
def test_an_answer_that_does_not_come_proves_nothing(up, clickhouse, what, table):
    with gateway(up, clickhouse, env=SOON) as signet:
        ids = ask(signet)
        drained(signet)
        clickhouse.fault(what, f"INSERT INTO {table}", seconds=3)
        ids += ask(signet, 2)
        raw.wait_for(lambda: clickhouse.log(f"SELECT id FROM {table} WHERE id IN"), 20, 0.05)
        drained(signet)
        stored_once(clickhouse, ids)
        assert clickhouse.rows("SELECT sum(count) AS n FROM CumulativeUsage WHERE type = 'model_inferences'", clickhouse.database) == [{"n": 3}]


@pytest.mark.parametrize("code", [159, 202, 210, 241, 252, 394, 999])
def test_errors_of_the_server_are_tried_again(up, clickhouse, code):
    """500 in mid batch (of two tables the first is stored), a killed insert (394), memory, time, too many queries."""
    with gateway(up, clickhouse, env=SOON) as signet:
        clickhouse.fault("error", "INSERT INTO ModelInference", code=code, times=3)
        ids = ask(signet, 2)
        alarm = wait_state(signet, "down")
        assert f"Code: {code}" in alarm
        drained(signet)
        stored_once(clickhouse, ids)
        assert dead(signet) == []
        assert signet.metric("signet_sink_retries_total") >= 3


def test_a_view_that_fails_behind_its_table(up, clickhouse):
    """Also when the block comes once more."""
    with gateway(up, clickhouse, env=SOON) as signet:
        clickhouse.fault("error_after", "INSERT INTO ChatInference", code=241, text="while pushing to view", times=2)
        ids = ask(signet)
        drained(signet)
        stored_once(clickhouse, ids)
        assert signet.metric("signet_sink_view_gap_total") == 1


VIEWS = {"CumulativeUsage": "SELECT sum(count) AS n FROM CumulativeUsage WHERE type = 'model_inferences'",
         "VariantStatistics": "SELECT toUInt64(countMerge(count)) AS n FROM VariantStatistics",
         "ModelProviderStatistics": "SELECT toUInt64(countMerge(count)) AS n FROM ModelProviderStatistics",
         "InferenceById": "SELECT count() AS n FROM InferenceById FINAL", "InferenceTag": "SELECT count() AS n FROM InferenceTag WHERE key = 'k'",
         "TagInference": "SELECT count() AS n FROM TagInference FINAL WHERE key = 'k'", "EpisodeById": "SELECT sum(count) AS n FROM EpisodeById"}


def views(clickhouse):
    return {name: clickhouse.rows(sql, clickhouse.database)[0]["n"] for name, sql in VIEWS.items()}


@pytest.mark.parametrize("table,spared", [("ModelInference", []), ("ModelInference", ["CumulativeUsageView"]), ("ChatInference", []),
                                          ("ChatInference", ["VariantStatisticsChatView", "ChatInferenceTagView"])])
def test_a_server_that_is_killed_between_a_block_and_its_views(up, clickhouse, table, spared):
    with gateway(up, clickhouse, env=SOON) as signet:
        ids = ask(signet, 3, k="v")
        drained(signet)
        clickhouse.fault("kill_in_views", f"INSERT INTO {table}", spared=spared)
        ids += ask(signet, 2, k="v")
        clickhouse.process.wait(20)
        ids += ask(signet, 2, k="v")
        clickhouse.start()
        drained(signet)
        stored_once(clickhouse, ids)
        assert views(clickhouse) == dict.fromkeys(VIEWS, 7)
        assert signet.metric("signet_sink_view_gap_total") == 0


@pytest.mark.parametrize("table", ["ModelInference", "ChatInference"])
def test_both_are_killed_between_a_block_and_its_views(up, clickhouse, table):
    """What the cursor proves is enough for the next life."""
    signet = gateway(up, clickhouse, env=SOON)
    ids = ask(signet, 3, k="v")
    drained(signet)
    clickhouse.fault("kill_in_views", f"INSERT INTO {table}")
    ids += ask(signet, 2, k="v")
    clickhouse.process.wait(20)
    signet.kill9()
    assert cursor(signet)[0] == "signet cursor 2"
    clickhouse.start()
    signet.start()
    ids += ask(signet, 2, k="v")
    drained(signet)
    stored_once(clickhouse, ids)
    assert views(clickhouse) == dict.fromkeys(VIEWS, 7)
    signet.stop()


def test_a_block_that_came_under_another_token_is_filled_up_under_that_one(up, clickhouse):
    """The first try never arrived whole, the second was killed before the views, and so was the gateway."""
    signet = gateway(up, clickhouse, env=SOON)
    ids = ask(signet, 3, k="v")
    drained(signet)
    signet.stop()
    signet.start()  # with a cursor, so nothing that the journal holds is in doubt
    clickhouse.fault("cut", "INSERT INTO ModelInference")
    clickhouse.fault("kill_in_views", "INSERT INTO ModelInference")
    ids += ask(signet, 1, k="v")  # one, so that it is one batch
    clickhouse.process.wait(20)
    signet.kill9()
    assert [line.split()[:5] for line in cursor(signet) if line.startswith("table")] == [["table", "3", "token", "1", "whole"]]
    clickhouse.start()
    signet.start()
    drained(signet)
    stored_once(clickhouse, ids)
    assert views(clickhouse) == dict.fromkeys(VIEWS, 4)
    [again] = clickhouse.log("INSERT INTO ModelInference")
    assert again["settings"]["insert_deduplication_token"].endswith("-r1")
    signet.stop()


def test_a_view_that_fails_once_gets_the_block(up, clickhouse):
    with gateway(up, clickhouse, env=SOON) as signet:
        clickhouse.fault("error_in_views", "INSERT INTO ModelInference", code=241)
        ids = ask(signet, 2, k="v")
        drained(signet)
        stored_once(clickhouse, ids)
        assert views(clickhouse) == dict.fromkeys(VIEWS, 2)
        assert signet.metric("signet_sink_view_gap_total") == 0


def test_a_views_complaint_of_rows_halves_nothing(up, clickhouse):
    """A code that else blames rows (349), of a view behind the table: the block is there."""
    with gateway(up, clickhouse, env=SOON) as signet:
        clickhouse.fault("error_in_views", "INSERT INTO ModelInference", code=349, times=2)
        ids = ask(signet, 1, k="v")
        drained(signet)
        stored_once(clickhouse, ids)
        assert dead(signet) == []
        assert signet.metric("signet_sink_view_gap_total") == 1


def test_a_view_without_a_window_never_gets_a_block_twice(up, clickhouse):
    """A database as older versions made it, or an operator's own view: a gap, counted, rather than a double sum."""
    with gateway(up, clickhouse, env=SOON) as signet:
        ask(signet, 1, k="v")
        drained(signet)
        clickhouse.ask("CREATE TABLE Own (n UInt64) ENGINE = MergeTree ORDER BY n", clickhouse.database)
        clickhouse.ask("CREATE MATERIALIZED VIEW OwnView TO Own AS SELECT count() AS n FROM ModelInference", clickhouse.database)
        clickhouse.fault("error_in_views", "INSERT INTO ModelInference", code=241, spared=["OwnView"])
        ask(signet, 1, k="v")
        drained(signet)
        assert clickhouse.rows("SELECT sum(n) AS n FROM Own", clickhouse.database) == [{"n": 1}]
        assert views(clickhouse)["CumulativeUsage"] == 1
        assert signet.metric("signet_sink_view_gap_total") == 1
        assert f"{clickhouse.database}.Own may have forgotten" in signet.stderr()


def test_a_view_of_another_database_never_gets_a_block_twice(up, clickhouse):
    other = clickhouse.database + "_other"
    with gateway(up, clickhouse, env=SOON) as signet:
        ask(signet)
        drained(signet)
        clickhouse.ask(f"CREATE DATABASE {other}")
        clickhouse.ask("CREATE TABLE Own (n UInt64) ENGINE = MergeTree ORDER BY n", other)
        clickhouse.ask(f"CREATE MATERIALIZED VIEW OwnView TO Own AS SELECT count() AS n FROM {clickhouse.database}.ModelInference", other)
        clickhouse.fault("error_after", "INSERT INTO ModelInference", code=241)
        ask(signet)
        drained(signet)
        assert clickhouse.rows("SELECT sum(n) AS n FROM Own", other) == [{"n": 1}]
        assert signet.metric("signet_sink_view_gap_total") == 1
        clickhouse.ask("DROP TABLE OwnView", other)


def test_a_token_that_the_table_has_forgotten_is_not_sent_again(up, clickhouse):
    """More blocks than the window holds have come since."""
    with gateway(up, clickhouse, env=SOON) as signet:
        ids = ask(signet)
        drained(signet)
        clickhouse.ask("ALTER TABLE ModelInference MODIFY SETTING non_replicated_deduplication_window = 17", clickhouse.database)
        clickhouse.fault("error_after", "INSERT INTO ModelInference", code=241)
        ids += ask(signet)
        drained(signet)
        stored_once(clickhouse, ids)
        assert views(clickhouse)["CumulativeUsage"] == 2
        assert signet.metric("signet_sink_view_gap_total") == 1


def test_halves_of_a_batch_have_tokens_of_their_own(up, clickhouse):
    """Of four rows one is refused, and the error does not say which."""
    with gateway(up, clickhouse, env=SOON) as signet:
        good = ask(signet)
        drained(signet)
        clickhouse.fault("hang", "INSERT INTO ModelInference", seconds=1)
        ids = [ask(signet)[0]]
        raw.wait_for(lambda: len(clickhouse.log("INSERT INTO ModelInference")) == 2, 20, 0.05)
        ids += ask(signet, 3)
        got = raw.post(signet.port, TZ_CHAT, chat(TZ + "m", content="a row that nobody takes"))
        bad = got.headers["x-signet-inference-id"]
        clickhouse.fault("error", "a row that nobody takes", code=27, text="Cannot parse input", times=100)
        drained(signet)
        assert {row["row"]["inference_id" if row["table"] == 3 else "id"] for row in dead(signet)} == {bad}
        stored_once(clickhouse, good + ids)
        tokens = [e["settings"]["insert_deduplication_token"] for e in clickhouse.log("INSERT INTO ModelInference")]
        assert len(tokens) == len(set(tokens))


def test_a_table_that_is_missing(up, clickhouse):
    with gateway(up, clickhouse, env=SOON) as signet:
        ids = ask(signet)
        drained(signet)
        clickhouse.ask("RENAME TABLE ModelInference TO Elsewhere", clickhouse.database)
        ids += ask(signet)
        assert "ModelInference" in wait_state(signet, "blocked")
        assert dead(signet) == []
        clickhouse.ask("RENAME TABLE Elsewhere TO ModelInference", clickhouse.database)
        wait_state(signet, "ok")
        drained(signet)
        stored_once(clickhouse, ids)


def test_a_column_that_is_missing(up, clickhouse):
    """One row alone is refused for it: no reason to give rows up."""
    with gateway(up, clickhouse, env=SOON) as signet:
        ids = ask(signet)
        drained(signet)
        clickhouse.ask("ALTER TABLE ChatInference RENAME COLUMN extra_body TO elsewhere", clickhouse.database)
        ids += ask(signet)
        assert "table ChatInference has no column `extra_body`" in wait_state(signet, "blocked")
        assert dead(signet) == []
        clickhouse.ask("ALTER TABLE ChatInference RENAME COLUMN elsewhere TO extra_body", clickhouse.database)
        drained(signet)
        stored_once(clickhouse, ids)


@pytest.mark.parametrize("together", [1, 4])
def test_one_bad_row_goes_to_the_dead_letter(up, clickhouse, together):
    """A table that takes no `finish_reason` refuses the row that has one; the others are stored."""
    with gateway(up, clickhouse, env=SOON) as signet:
        good = ask(signet)
        drained(signet)
        clickhouse.fault("error", "INSERT INTO ModelInference", code=27, text="Cannot parse input: (at row 1)")
        clickhouse.fault("hang", "INSERT INTO ChatInference", seconds=1)  # so that the others come into one batch
        ids = ask(signet, together)
        drained(signet)
        [row] = dead(signet)
        assert (row["table"], row["code"], row["sink"]) == (3, 27, "clickhouse")
        assert row["row"]["inference_id"] in ids and "(at row 1)" in row["error"] and row["recno"] > 1
        assert signet.metric("signet_sink_dead_rows_total", sink="clickhouse") == 1
        assert "journal/dead" in " ".join(sink(signet)["alarms"])
        found = {r["id"] for r in clickhouse.rows("SELECT toString(inference_id) AS id FROM ModelInference", clickhouse.database)}
        assert found == set(good + ids) - {row["row"]["inference_id"]}


def test_a_batch_of_which_every_row_is_refused_is_not_given_up(up, clickhouse):
    with gateway(up, clickhouse, env=SOON) as signet:
        ask(signet)
        drained(signet)
        clickhouse.fault("hang", "INSERT INTO ChatInference", seconds=1)
        clickhouse.fault("error", "INSERT INTO ModelInference", code=117, text="Unknown field", times=30)
        ids = ask(signet, 4)
        alarm = wait_state(signet, "blocked")
        assert "every row of a batch for ModelInference is refused" in alarm or dead(signet)
        clickhouse.forget()
        drained(signet)
        assert clickhouse.count("ModelInference", clickhouse.database) + len(dead(signet)) == 5


def test_an_older_schema_is_left_alone(up, clickhouse):
    with gateway(up, clickhouse, env=SOON) as signet:
        ask(signet)
        drained(signet)
    clickhouse.ask("DELETE FROM TensorZeroMigration WHERE migration_id >= 51", clickhouse.database)
    with gateway(up, clickhouse, env=SOON) as signet:
        ask(signet)
        alarm = wait_state(signet, "blocked")
        assert "migrations 51 52 53 are missing" in alarm
        assert "--run-clickhouse-migrations" in alarm
    assert clickhouse.count("TensorZeroMigration", clickhouse.database) == 44
    assert clickhouse.count("ChatInference", clickhouse.database) == 1


def test_tables_without_migrations_are_a_mixture(up, clickhouse):
    with gateway(up, clickhouse, env=SOON) as signet:
        ask(signet)
        drained(signet)
    clickhouse.ask("TRUNCATE TABLE TensorZeroMigration", clickhouse.database)
    with gateway(up, clickhouse, env=SOON) as signet:
        ask(signet)
        assert "migrations 0 2 3 4" in wait_state(signet, "blocked")


def test_a_pass_that_was_interrupted_is_finished(up, clickhouse):
    clickhouse.fault("error", "CREATE MATERIALIZED VIEW IF NOT EXISTS JsonInferenceTagView", code=241, times=2)
    with gateway(up, clickhouse, env=SOON) as signet:
        ids = ask(signet)
        drained(signet)
        stored_once(clickhouse, ids)
        assert clickhouse.count("TensorZeroMigration", clickhouse.database) == 47


def test_more_migrations_than_we_know_are_no_obstacle(up, clickhouse):
    with gateway(up, clickhouse, env=SOON) as signet:
        ask(signet)
        drained(signet)
    clickhouse.ask('INSERT INTO TensorZeroMigration FORMAT JSONEachRow\n{"migration_id":99,"migration_name":"Migration0099","gateway_version":"2027.1.0",'
                   '"gateway_git_sha":"","execution_time_ms":1}', clickhouse.database)
    clickhouse.forget()
    with gateway(up, clickhouse, env=SOON) as signet:
        ask(signet)
        drained(signet)
    assert clickhouse.count("ChatInference", clickhouse.database) == 2
    assert not clickhouse.log("CREATE ") and not clickhouse.log("TensorZeroMigration SETTINGS")


def test_automatic_migrations_can_be_forbidden(up, clickhouse):
    with gateway(up, clickhouse, env=SOON, extra="[clickhouse]\ndisable_automatic_migrations = true\n") as signet:
        ids = ask(signet)
        assert "signet serve --run-clickhouse-migrations" in wait_state(signet, "blocked")
        run = gateway(up, clickhouse, args=["--run-clickhouse-migrations"], start=False).spawn()
        assert run.process.wait(60) == 0, run.stderr()
        drained(signet)
        stored_once(clickhouse, ids)
    again = gateway(up, clickhouse, args=["--run-migrations"], start=False).spawn()
    assert again.process.wait(60) == 0
    clickhouse.ask("DELETE FROM TensorZeroMigration WHERE migration_id = 47", clickhouse.database)
    older = gateway(up, clickhouse, args=["--run-clickhouse-migrations"], start=False).spawn()
    assert older.process.wait(60) == 1 and "migrations 47 are missing" in older.stderr()


def test_a_cluster_that_the_server_does_not_know(up, clickhouse):
    env = {**SOON, "TENSORZERO_CLICKHOUSE_CLUSTER_NAME": "nowhere"}
    with gateway(up, clickhouse, env=env) as signet:
        ask(signet)
        assert "--run-clickhouse-migrations" in wait_state(signet, "blocked")
    run = gateway(up, clickhouse, env=env, args=["--run-clickhouse-migrations"], start=False).spawn()
    assert run.process.wait(60) == 1 and "no cluster of the name" in run.stderr()


def test_kill_9_with_a_batch_in_flight(up, clickhouse):
    """Noted, sent, stored, and nobody heard of it: the next start asks before it sends."""
    signet = gateway(up, clickhouse, env=SOON)
    ids = ask(signet)
    drained(signet)
    clickhouse.fault("hang_after", "INSERT INTO ModelInference", seconds=3)
    ids += ask(signet, 2)
    raw.wait_for(lambda: clickhouse.count("ModelInference", clickhouse.database) >= 2, 20, 0.05)
    signet.kill9()
    assert cursor(signet)[2] != "batch 0 0"
    signet.start()
    drained(signet)
    stored_once(clickhouse, ids)
    assert cursor(signet)[2] == "batch 0 0"
    signet.stop()


def test_a_damaged_cursor_doubles_nothing(up, clickhouse):
    signet = gateway(up, clickhouse, env=SOON)
    ids = ask(signet, 3)
    drained(signet)
    signet.stop()
    with open(os.path.join(signet.data_dir, "journal", "clickhouse.cursor"), "w") as f:
        f.write("signet cursor 1\ndelivered 1\nbatch 0 0\ncrc 00000000\n")
    signet.start()
    ids += ask(signet)
    drained(signet)
    assert "the cursor of ClickHouse is damaged" in signet.stderr()
    stored_once(clickhouse, ids)
    signet.stop()


def test_a_sink_that_stores_and_falls_behind_is_slow(up, clickhouse):
    """Each batch comes through, a second apart, and more waits: the age of the oldest grows, and the state says so."""
    batches = "[gateway.observability]\nasync_writes = false\nbatch_writes = { enabled = true, max_rows = 1, flush_interval_ms = 10 }\n"
    with gateway(up, clickhouse, batches, "[store]\nlocal_days = 0\n", env={"SIGNET_FAULT": "drainer.soon:1+"}) as signet:
        ask(signet)
        drained(signet)
        clickhouse.fault("slow", "INSERT INTO ModelInference", seconds=0.7, times=8)
        ids = ask(signet, 40)  # four at most in a batch
        ages, states = [], []
        while record(signet)["backlog_records"]:
            ages.append(signet.metric("signet_sink_oldest_seconds", sink="clickhouse"))
            states.append(signet.metric("signet_sink_state", sink="clickhouse"))
            time.sleep(0.1)
        assert max(ages) >= 3 and all(b >= a - 1 for a, b in zip(ages[:-10], ages[1:-10]))
        assert 1 in states and states.index(1) < len(states) / 2 and states[states.index(1):-12].count(0) <= 1
        raw.wait_for(lambda: record(signet)["state"] == "ok" and record(signet)["oldest_s"] == 0, 10, 0.05)
        assert clickhouse.count("ChatInference", clickhouse.database) == len(ids) + 1


def test_a_stop_does_not_wait_for_a_server_that_hangs(up, clickhouse):
    signet = gateway(up, clickhouse, extra="[store]\nshutdown_drain_s = 1\n")
    ids = ask(signet)
    drained(signet)
    clickhouse.fault("hang", "INSERT INTO ChatInference", seconds=20)
    ids += ask(signet)
    raw.wait_for(lambda: len(clickhouse.log("INSERT INTO ChatInference")) == 2, 10, 0.05)
    signet.stop(seconds=15)
    assert "records are left for the next start" in signet.stderr()
