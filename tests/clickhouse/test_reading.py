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


def test_one_inference_is_the_same(world):
    one, other, made = world
    for name, id in made.items():
        if name == "failed":
            assert request(other, "GET", "/inferences/" + id).status == 404
            continue
        mine, theirs = page(one, "/inferences/" + id), page(other, "/inferences/" + id)
        assert without(theirs, "row", "attempts", "spans", "record", "took_ms", "error") == without(mine, "row", "attempts", "spans", "record", "took_ms", "error"), name
        assert without(theirs["row"], *UNKNOWN) == without(mine["row"], *UNKNOWN)
        assert theirs["record"] == {"state": "stored", "sink": "clickhouse", "journal_ms": None}
        call, last = theirs["attempts"][0], mine["attempts"][-1]
        unknown = ("n", "why", "delay_ms", "http_status", "signature")
        assert len(theirs["attempts"]) == 1 and without(call, *unknown) == without(last, *unknown)
        assert call["signature"] is None and call["http_status"] is None
        for part in ("input", "output"):
            path = f"/inferences/{id}/parts/{part}"
            assert request(other, "GET", path).body == request(one, "GET", path).body
        for part in ("raw_request", "raw_response"):
            path = f"/model_inferences/{call['model_inference_id']}/parts/{part}"
            assert request(other, "GET", path).body == request(one, "GET", path).body
        assert page(other, "/inferences/" + call["model_inference_id"])["row"]["id"] == id
    assert request(other, "GET", "/inferences/01900000-0000-7000-8000-000000000000").status == 404


FILTERS = [  # of all answers, and what a row here cannot say holds for none of them
    {}, {"fn": "tensorzero::default"}, {"fn": "x"}, {"fn": "!x"}, {"model": "two"}, {"model": ["two", "m"]}, {"model": "!two"}, {"model": ["!two", "!m"]},
    {"provider": "p1"}, {"key": "k"}, {"key": "!k"}, {"type": "chat"}, {"finish": "stop"}, {"finish": "!stop"}, {"finish": "tool_call"}, {"status": "ok"},
    {"status": "200"}, {"status": "!5xx"}, {"status": "429"}, {"stream": 0}, {"stream": 1}, {"cached": 0}, {"cached": 1}, {"min_ms": 0}, {"min_ms": 100000},
    {"max_ms": 100000}, {"min_ttft": 0}, {"min_in": 11}, {"min_in": 12}, {"min_out": "6.5"}, {"min_cost": "0.1"}, {"tag.team": "a"}, {"tag.team": ["a", "b"]},
    {"tag.team": ""}, {"tag.team": "!a"}, {"tag.none": ""}, {"tag.it's": 'a\'b\\"c'}, {"tag.team": "a", "model": "m"}, {"tag.team": "a", "model": "two"},
    {"q": "plain"}, {"q": "words -plain"}, {"q": '"other words"'}, {"q": '"words other"'}, {"q": "ref*"}, {"q": "fund"}, {"q": "退款"}, {"q": "包裹"}, {"q": "款退"},
    {"q": "plain", "in": "output"}, {"q": "Hello", "in": "output"}, {"q": "STREAMED 已收到"}, {"q": "table chatinference"}, {"q": "Hello", "model": "two"},
    {"metric.m": "true"}, {"demo": 0}, {"range": "15m"}, {"to": "2020-01-01T00:00:00Z"}, {"from": "2020-01-01T00:00:00+08:00"}, {"what": "ever"},
    {"function_name": "tensorzero::default", "variant_name": "two"}, {"limit": 2}, {"limit": 2, "model": "m"}, {"limit": 1, "q": "words"},
]


def test_filters_select_the_same(world):
    one, other, made = world
    wrong = []
    for params in FILTERS:
        limit = params.get("limit", 100)
        want = [i for i in ids(one, **{**params, "limit": limit + 1}) if i != made["failed"]][:limit]
        got = ids(other, **params)
        n = page(other, "/logs/count", **params)
        count = len(want) if "limit" not in params else n["n"]
        if got != want or (n["n"], n["exact"]) != (count, True):
            wrong.append((params, got, n, want))
    assert wrong == []


def test_what_no_row_here_says_matches_none(world):
    _, other, _ = world
    for params in ({"surface": "chat"}, {"error_kind": "server"}, {"status": "error"}, {"signed": 1}, {"fallback": 1}, {"q": "broken", "in": "error"}):
        assert ids(other, **params) == [] and page(other, "/logs/count", **params)["n"] == 0
        assert page(other, "/overview", range="1h", **params)["total"]["n"] == 0
    for params in ({"surface": "!chat"}, {"signed": 0}, {"fallback": 0}, {"status": "!error"}):
        assert len(ids(other, **params)) == 6


def test_pages_have_no_gap_and_no_row_twice(world):
    one, other, made = world
    for params in ({}, {"model": "m"}, {"q": "words"}):
        seen, cursor = [], None
        while True:
            got = page(other, "/logs", limit=2, **params, **({"cursor": cursor} if cursor else {}))
            seen += [r["id"] for r in got["rows"]]
            cursor = got["next"]
            if not cursor:
                break
        assert seen == [i for i in ids(one, **params) if i != made["failed"]]


def summed(series):
    return {k: sum(x or 0 for x in v) if isinstance(v, list) else v for k, v in series.items() if k in ("by", "n", "err", "in", "out", "cost", "priced")}


@pytest.mark.parametrize("params", [{}, {"by": "model"}, {"by": "function"}, {"by": "variant"}, {"by": "provider"}, {"by": "tag:team"}, {"model": "two"},
                                    {"fn": "tensorzero::default"}, {"q": "words"}, {"by": "model", "q": "words"}, {"by": "tag:it's"}])
def test_charts_count_the_same(world, params):
    one, other, _ = world
    ok = {"status": "ok", "range": "1h", **params}
    mine, theirs = page(one, "/overview", **ok), page(other, "/overview", **ok)
    assert theirs["total"] == mine["total"] and theirs["total"]["n"] > 0 and theirs["total"]["p95"] is not None
    assert [summed(s) for s in theirs["series"]] == [summed(s) for s in mine["series"]]
    assert [s["n"] for s in theirs["series"]] == [s["n"] for s in mine["series"]]
    ok.pop("by", None)
    mine, theirs = page(one, "/logs/histogram", buckets=20, **ok), page(other, "/logs/histogram", buckets=20, **ok)
    assert (sum(theirs["ok"]), theirs["err"]) == (sum(mine["ok"]), mine["err"]) and sum(theirs["ok"]) > 0


def test_facets_are_the_same(world):
    one, other, _ = world
    dims = ["model", "fn", "variant", "provider", "status", "type", "finish", "tag", "tag.team", "tag.it's", "key"]
    mine, theirs = (page(s, "/logs/facets", dim=dims, status="ok")["facets"] for s in (one, other))
    assert {k: v for k, v in theirs.items() if k != "status"} == {k: v for k, v in mine.items() if k != "status"}
    assert theirs["status"] == [{"v": "ok", "n": 6}]
    assert page(other, "/logs/facets", dim="model", prefix="TW")["facets"]["model"] == [{"v": "two", "n": 1}]
    assert page(other, "/logs/facets", dim="model", model="m")["facets"]["model"] == theirs["model"]  # without its own condition
    assert page(other, "/logs/facets", dim="surface")["facets"]["surface"] == []


def test_a_file_of_all_is_the_same(world):
    one, other, made = world
    for query in ("parts=1", ""):
        mine, theirs = (request(s, "GET", "/logs/export?status=ok&" + query).text.splitlines() for s in (one, other))
        import json
        assert [without(json.loads(l), *UNKNOWN) for l in theirs] == [without(json.loads(l), *UNKNOWN) for l in mine]
    assert len(request(other, "GET", "/logs/export?format=csv").text.splitlines()) == 7


def test_the_routes_of_tensorzero(world):
    one, other, made = world
    good = [i for n, i in made.items() if n != "failed"]
    for id in good:
        path = f"/internal/model_inferences/{id}"
        assert page(other, path)["model_inferences"] == page(one, path)["model_inferences"]
        call = page(one, path)["model_inferences"][0]["id"]
        episode = page(one, f"/inferences/{id}")["row"]["episode_id"]
        for one_of in (id, call, episode):
            path = f"/internal/resolve_uuid/{one_of}"
            assert page(other, path)["object_types"] == page(one, path)["object_types"] != []
    assert page(other, "/internal/resolve_uuid/01900000-0000-7000-8000-000000000000")["object_types"] == []
    before = {"before": made["failed"]}
    newest = sorted(good)[::-1]
    for params in (before, {"before": newest[1]}, {"after": newest[3], "limit": 2}, {"variant_name": "two"}, {"limit": 2, **before}):
        assert page(other, "/internal/inference_metadata", **params)["inference_metadata"] == [
            m for m in page(one, "/internal/inference_metadata", **params)["inference_metadata"] if m["id"] in good]
    assert post(other, "/internal/inferences/count", {})["count"] == 6
    assert post(other, "/internal/inferences/count", {"variant_name": "two"})["count"] == 1
    assert page(other, "/internal/models/count")["model_count"] == 2
    for window in ("minute", "hour", "day", "week", "month", "cumulative"):
        # SQLite counts the failure, too
        get = lambda s, path: page(s, path, time_window=window, max_periods=10)["data"]
        mine, theirs = ({(d["model_name"]): d for d in get(s, "/internal/models/usage")} for s in (one, other))
        assert theirs["two"]["count"] == 1 and theirs["m"]["count"] == mine["m"]["count"] - (window != "minute") or window == "minute"
        assert {m: (d["input_tokens"], d["output_tokens"]) for m, d in theirs.items()} == {m: (d["input_tokens"], d["output_tokens"]) for m, d in mine.items()}
        assert {d["model_name"] for d in get(other, "/internal/models/latency")} <= {"m", "two"}
