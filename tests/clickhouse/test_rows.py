"""Rows on their way: from an answer through the journal into a ClickHouse database that Signet made."""
import hashlib
import json
import os

import pytest

from lib import raw, record
from lib.internal import page
from lib.mock import answer, chat_answer, json_answer
from lib.raw import CHAT, TZ, TZ_CHAT, chat
from lib.signet import Signet, config, openai_model


def gateway(mock, clickhouse, gateway="", extra="", env=None, user=None, **more):
    url = clickhouse.address(clickhouse.database, **({"user": user} if user else {}))
    return Signet(config(openai_model("m", mock.url), gateway, extra, record=True), env={"TENSORZERO_CLICKHOUSE_URL": url, **(env or {})}, **more)


def drained(signet, seconds=20):
    try:
        raw.wait_for(lambda: signet.status()["signet"]["record"]["backlog_records"] == 0, seconds, 0.05)
    except AssertionError:
        raise AssertionError(f"{signet.status()['signet']['record']}\n{signet.tail(3000)}") from None


def test_a_plain_request_is_a_row_in_each_table(mock, clickhouse):
    mock.then(json_answer(chat_answer("Hello there")))
    with gateway(mock, clickhouse) as signet:
        got = raw.post(signet.port, TZ_CHAT, {**chat(TZ + "m"), "tensorzero::tags": {"user": "7"}})
        assert got.status == 200
        id = got.headers["x-signet-inference-id"]
        drained(signet)
        [row] = clickhouse.rows("SELECT *, toString(snapshot_hash) AS hash FROM ChatInference", clickhouse.database)
        assert row["id"] == id
        assert (row["function_name"], row["variant_name"]) == ("tensorzero::default", "m")
        assert json.loads(row["input"])["messages"][0]["role"] == "user"
        assert json.loads(row["output"]) == [{"type": "text", "text": "Hello there"}]
        assert row["tags"]["user"] == "7"
        [call] = clickhouse.rows("SELECT * FROM ModelInference", clickhouse.database)
        assert call["inference_id"] == id
        assert json.loads(call["raw_response"])["choices"][0]["message"]["content"] == "Hello there"
        # what views make of them
        assert clickhouse.rows("SELECT key, value FROM TagInference WHERE key = 'user'", clickhouse.database) == [{"key": "user", "value": "7"}]
        assert clickhouse.count("InferenceById", clickhouse.database) == 1
        # the configuration that the rows name
        [snapshot] = clickhouse.rows("SELECT toString(hash) AS hash, config FROM ConfigSnapshot", clickhouse.database)
        assert snapshot["hash"] == row["hash"]
        # one batch, compressed, on a connection that stays
        inserts = clickhouse.log("INSERT INTO ChatInference") + clickhouse.log("INSERT INTO ModelInference")
        assert {e["encoding"] for e in inserts} == {"zstd"}
        assert len({e["connection"] for e in inserts}) == 1
        assert signet.status()["signet"]["record"]["sink"] == "clickhouse"
        assert signet.metric("signet_sink_rows_total", sink="clickhouse", table="ChatInference") == 1
        assert signet.metric("signet_sink_state", sink="clickhouse") == 0
        # the list without bodies, for the UI
        assert record.wait_row(signet.data_dir, id)["model_name"] == "m"
        assert record.rows(signet.data_dir, "select * from ChatInference") == []
        assert record.rows(signet.data_dir, "select * from ModelInference") == []


def id_of(signet, tags=None):
    got = raw.post(signet.port, TZ_CHAT, {**chat(TZ + "m"), "tensorzero::tags": tags or {}})
    assert got.status == 200
    return got.headers["x-signet-inference-id"]


def test_what_is_sent_with_an_insert(mock, clickhouse):
    mock.then(json_answer(chat_answer("Hello there")))
    with gateway(mock, clickhouse) as signet:
        id_of(signet)
        drained(signet)
        [insert] = clickhouse.log("INSERT INTO ModelInference")
        with open(signet.data_dir + "/node") as f:
            node = f.read().strip()
        settings = insert["settings"]
        assert settings["query_id"] == f"signet-{node}-ModelInference-1-1"
        assert settings["insert_deduplication_token"].split("-r")[0] == settings["query_id"]
        expected = {"async_insert": "0", "deduplicate_blocks_in_dependent_materialized_views": "1", "max_execution_time": "60",
                    "input_format_skip_unknown_fields": "0", "input_format_null_as_default": "0", "output_format_json_quote_64bit_integers": "1",
                    "database": clickhouse.database}
        assert {k: settings[k] for k in expected} == expected


def test_the_same_token_is_taken_once(mock, clickhouse):
    """What `dedup_window` gives to the tables that Signet makes (storage §7.8 rule 6)."""
    mock.then(json_answer(chat_answer("Hello there")))
    with gateway(mock, clickhouse) as signet:
        id_of(signet)
        drained(signet)
    for _ in range(2):
        clickhouse.call("POST", f"/?database={clickhouse.database}&insert_deduplication_token=t1",
                        b"INSERT INTO BooleanMetricFeedback FORMAT JSONEachRow\n"
                        b'{"id":"019a2b3c-0000-7000-8000-000000000001","target_id":"019a2b3c-0000-7000-8000-000000000002","metric_name":"m","value":true}')
    assert clickhouse.count("BooleanMetricFeedback", clickhouse.database) == 1


def test_without_the_window_nothing_is_set(mock, clickhouse):
    with gateway(mock, clickhouse, extra="[store.clickhouse]\ndedup_window = false\n") as signet:
        raw.wait_for(lambda: clickhouse.count("TensorZeroMigration", clickhouse.database) == 47, 20, 0.05)
        assert "deduplication" not in clickhouse.ask("SHOW CREATE TABLE ChatInference", clickhouse.database)


def test_sqlite_and_clickhouse_side_by_side(mock, clickhouse):
    """`also`: each has all of it, and one that is away does not hold the other up."""
    mock.default = json_answer(chat_answer("Hello there"))
    with gateway(mock, clickhouse, "[gateway.observability]\nbackend = \"sqlite\"\n", '[store]\nalso = ["clickhouse"]\n',
                 env={"SIGNET_FAULT": "clickhouse.soon:1+"}) as signet:
        ids = [id_of(signet, {"n": str(i)}) for i in range(3)]
        drained(signet)
        clickhouse.kill()
        ids += [id_of(signet) for _ in range(3)]
        assert [s["sink"] for s in signet.status()["signet"]["record"]["sinks"]] == ["sqlite", "clickhouse"]
        record.wait_rows(signet.data_dir, 6)
        raw.wait_for(lambda: signet.metric("signet_sink_state", sink="clickhouse") == 2, 10, 0.05)
        assert signet.metric("signet_sink_state", sink="sqlite") == 0
        assert signet.metric("signet_sink_backlog_records", sink="sqlite") == 0
        assert signet.metric("signet_sink_backlog_records", sink="clickhouse") == 3
        clickhouse.start()
        drained(signet)
        assert signet.status()["signet"]["record"]["sink"] == "sqlite"
        for table in "ChatInference", "ModelInference":
            assert len(record.rows(signet.data_dir, f"select id from {table}")) == 6
            assert clickhouse.count(table, clickhouse.database) == 6


def test_clickhouse_with_all_of_sqlite(mock, clickhouse):
    mock.default = json_answer(chat_answer("Hello there"))
    with gateway(mock, clickhouse, extra='[store]\nalso = ["sqlite"]\n') as signet:
        id_of(signet)
        drained(signet)
        assert signet.status()["signet"]["record"]["sink"] == "clickhouse"
        assert len(record.rows(signet.data_dir, "select id from ChatInference")) == 1
        assert clickhouse.count("ChatInference", clickhouse.database) == 1


def test_without_local_days_sqlite_has_no_rows(mock, clickhouse):
    mock.default = json_answer(chat_answer("Hello there"))
    with gateway(mock, clickhouse, extra="[store]\nlocal_days = 0\n") as signet:
        id_of(signet)
        drained(signet)
        assert "sinks" not in signet.status()["signet"]["record"]
        assert clickhouse.count("ChatInference", clickhouse.database) == 1
        assert record.listed(signet.data_dir) == []


def test_a_second_gateway_finds_what_the_first_made(mock, clickhouse):
    mock.default = json_answer(chat_answer("Hello there"))
    with gateway(mock, clickhouse) as one, gateway(mock, clickhouse) as other:
        ids = [id_of(one), id_of(other), id_of(one)]
        drained(one)
        drained(other)
        found = [r["id"] for r in clickhouse.rows("SELECT toString(id) AS id FROM ChatInference", clickhouse.database)]
        assert sorted(found) == sorted(ids)
        assert clickhouse.count("DeploymentID FINAL", clickhouse.database) == 1


def test_a_failed_request_leaves_nothing_in_clickhouse(mock, clickhouse):
    mock.then(answer("no", 500))
    with gateway(mock, clickhouse) as signet:
        assert raw.post(signet.port, CHAT, chat("m")).status >= 500
        drained(signet)
        raw.wait_for(lambda: len(record.listed(signet.data_dir)) == 1, 10, 0.05)
        assert clickhouse.count("ChatInference", clickhouse.database) == 0
        assert record.listed(signet.data_dir)[0]["state"] == "error"


def test_the_configuration_is_kept_once(mock, clickhouse):
    """Its row is touched by each start and keeps its first time."""
    with gateway(mock, clickhouse) as signet:
        raw.wait_for(lambda: clickhouse.count("ConfigSnapshot", clickhouse.database) == 1, 20, 0.05)
        [first] = clickhouse.rows("SELECT hash, created_at, last_used FROM ConfigSnapshot FINAL", clickhouse.database)
        signet.stop()
        signet.start()
        raw.wait_for(lambda: clickhouse.rows("SELECT last_used FROM ConfigSnapshot FINAL", clickhouse.database)[0]["last_used"] > first["last_used"], 20, 0.05)
        [then] = clickhouse.rows("SELECT hash, created_at, last_used FROM ConfigSnapshot FINAL", clickhouse.database)
        assert (then["hash"], then["created_at"]) == (first["hash"], first["created_at"])
        assert not then["created_at"].startswith("1970")


CANARY = "canary-3f9a"


def everything(clickhouse, signet):
    text = "".join(json.dumps(clickhouse.rows(f"SELECT * FROM {t}", clickhouse.database)) for t in ("ChatInference", "ModelInference"))
    for table in ("InferenceById", "ChatInference", "ModelInference", "RequestError"):
        text += json.dumps(record.rows(signet.data_dir, f"select * from {table}"))
    for name in os.listdir(signet.data_dir + "/journal"):
        if name.endswith(".sj"):
            with open(f"{signet.data_dir}/journal/{name}", "rb") as f:
                text += f.read().decode("latin-1")
    return text


@pytest.mark.parametrize("content", ["metadata", "hash", "full"])
def test_record_content(mock, clickhouse, content):
    """No body anywhere, not in the journal either; rows stay such that readers can read them."""
    tool = {"type": "function", "function": {"name": CANARY + "-tool", "parameters": {"type": "object"}}}
    mock.then(json_answer(chat_answer(CANARY + " said")), answer(json.dumps({"error": {"message": CANARY}}), 400))
    with gateway(mock, clickhouse, extra=f'[store]\nalso = ["sqlite"]\n[record]\ncontent = "{content}"\n') as signet:
        body = {**chat(TZ + "m", content=CANARY + " asked"), "tools": [tool], "tensorzero::tags": {"team": "red"}}
        body["messages"].insert(0, {"role": "system", "content": CANARY + " is the rule"})
        assert raw.post(signet.port, TZ_CHAT, body).status == 200
        assert raw.post(signet.port, TZ_CHAT, body).status >= 400
        drained(signet)
        assert (CANARY in everything(clickhouse, signet)) == (content == "full")
        assert signet.status()["signet"]["record"]["content"] == content
        [row] = clickhouse.rows("SELECT * FROM ChatInference", clickhouse.database)
        [call] = clickhouse.rows("SELECT * FROM ModelInference", clickhouse.database)
        assert row["tags"]["team"] == "red" and call["input_tokens"] == 11 and call["model_name"] == "m"
        if content == "metadata":
            assert (json.loads(row["input"]), json.loads(row["output"])) == ({"messages": []}, [])
            assert (call["raw_request"], call["raw_response"], call["input_messages"], call["output"]) == ("", "", "[]", "[]")
        if content == "hash":
            sent = mock.requests[0].body
            assert call["raw_request"] == "sha256:" + hashlib.sha256(sent).hexdigest()
            assert json.loads(row["output"])[0]["text"].startswith("sha256:")


COSTS = """[store]
local_days = 0
prices = "prices.toml"
"""


def test_what_an_answer_cost_is_in_tensorzeros_column_and_its_sums(mock, clickhouse, tmp_path):
    (tmp_path / "prices.toml").write_text('date = 2026-11-30\n[openai]\n"mock-model" = { input = 2, output = 0.1 }\n')
    usages = [{"prompt_tokens": 11, "completion_tokens": 7}, {"prompt_tokens": 1, "completion_tokens": 1}, ..., {"prompt_tokens": 0, "completion_tokens": 3}]
    with gateway(mock, clickhouse, extra=COSTS, folder=str(tmp_path)) as signet:
        ids = []
        for usage in usages:
            mock.then(json_answer(chat_answer(usage=usage)))
            ids.append(raw.post(signet.port, CHAT, chat()).headers["x-signet-inference-id"])
        drained(signet)
        rows = {r["id"]: r["cost"] for r in clickhouse.rows("SELECT toString(inference_id) AS id, toString(cost) AS cost FROM ModelInference", clickhouse.database)}
        # 3e-7, which JSON has with an exponent, too
        assert [rows[i] for i in ids] == ["0.0000227", "0.0000021", None, "0.0000003"]
        [sums] = clickhouse.rows("SELECT toString(sumMerge(total_cost)) AS cost, countMerge(count_with_cost) AS priced, countMerge(count) AS n FROM ModelProviderStatistics", clickhouse.database)
        assert (sums["cost"], int(sums["priced"]), int(sums["n"])) == ("0.0000251", 3, 4)
        # and back on the pages
        shown = {r["id"]: r["cost"] for r in page(signet, "/logs", range="1h")["rows"]}
        assert [shown[i] for i in ids] == [0.0000227, 0.0000021, None, 0.0000003]
        total = page(signet, "/overview", range="1h")["total"]
        assert (total["cost"], total["priced"], total["n"]) == (pytest.approx(0.0000251), 3, 4)
