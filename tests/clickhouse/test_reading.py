"""What pages read where the rows are in ClickHouse: the same calls, read from SQLite by the gateway that served them and from ClickHouse by
another one that has nothing else (`local_days = 0`), or that has SQLite's list without bodies."""
import pytest

from lib import raw, record
from lib.internal import ids, page, post, request
from lib.mock import answer, chat_answer, error, json_answer, sse, text_chunks, tool_call
from lib.raw import CHAT, TZ, TZ_CHAT, chat
from lib.signet import Signet, config, openai_model
from test_rows import drained

BOTH = '[store]\nalso = ["clickhouse"]\n'
ALONE = "[store]\nlocal_days = 0\n"


def toml(mock, extra, backend="clickhouse"):
    return config(openai_model("m", mock.url) + openai_model("two", mock.url + "/a", mock.url + "/b"),
                  f'[gateway.observability]\nbackend = "{backend}"\n', extra, record=True)


def open_gateway(mock, clickhouse, extra, backend="clickhouse", database=None, env=None):
    url = clickhouse.address(database or clickhouse.database)
    return Signet(toml(mock, extra, backend), env={"TENSORZERO_CLICKHOUSE_URL": url, **(env or {})})


def ask(signet, model="m", text="Hi", headers=(), **more):
    got = raw.post(signet.port, CHAT, {**chat(model), "messages": [{"role": "user", "content": text}], **more}, headers)
    return got.headers["x-signet-inference-id"]


def ask_some(signet, mock):
    """Six answers and a failure, the oldest first."""
    made = {"plain": ask(signet, text="plain words about a refund", metadata={"team": "a"}, temperature=0.5)}
    mock.then(error(429, "slow down"))
    made["fell_back"] = ask(signet, "two", "other words", metadata={"team": "b"})
    mock.then(sse(text_chunks("streamed words, 退款 已收到")))
    made["stream"] = ask(signet, text="我想申请退款，包裹", stream=True)
    mock.then(json_answer(chat_answer(None, tool_calls=[tool_call("c1", "lookup", '{"id":"A\'1"}')], finish_reason="tool_calls")))
    made["tool"] = ask(signet, text="use\n a  tool", tools=[{"type": "function", "function": {"name": "lookup", "parameters": {"type": "object"}}}])
    mock.then(json_answer(chat_answer("It's \"quoted\" \\ and \u0000 \u202e <b>x</b> \t end")))
    made["nasty"] = ask(signet, text="'; DROP TABLE ChatInference; -- \u0000 \\' \"", metadata={"it's": "a'b\\\"c"})
    made["long"] = ask(signet, text="long " * 4000)
    mock.then(error(500, "broken down"))
    made["failed"] = ask(signet, text="plain failure")
    return made


@pytest.fixture(scope="module")
def world(server, module_mock):
    """(read from SQLite, read from ClickHouse, the ids): two gateways over the same calls."""
    server.forget()
    server.database = "reading"
    module_mock.reset()
    with open_gateway(module_mock, server, BOTH, "sqlite") as one:
        made = ask_some(one, module_mock)
        drained(one)
        for id in made.values():
            record.wait_row(one.data_dir, id)
        with open_gateway(module_mock, server, ALONE) as other:
            yield one, other, made


UNKNOWN = ("surface", "attempts", "signed", "estimated", "key")  # what TensorZero's tables do not say


def without(row, *names):
    return {k: v for k, v in row.items() if k not in names}


def test_rows_of_the_list_are_the_same(world):
    one, other, made = world
    mine, theirs = page(one, "/logs")["rows"], page(other, "/logs")["rows"]
    assert made["failed"] == mine[0]["id"]
    assert [without(r, *UNKNOWN) for r in theirs] == [without(r, *UNKNOWN) for r in mine[1:]]
    assert all(r["surface"] is None and r["attempts"] is None for r in theirs)
