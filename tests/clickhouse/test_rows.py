"""Rows on their way: from an answer through the journal into a ClickHouse database that Signet made."""
import json

from lib import raw, record
from lib.mock import chat_answer, json_answer
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
