"""What pages read where the rows are in ClickHouse: the same calls, read from SQLite by the gateway that served them and from ClickHouse by
another one that has nothing else (`local_days = 0`), or that has SQLite's list without bodies."""
import json
import os
import time
import uuid

import pytest

from lib import raw, record
from lib.internal import ids, page, post, request, with_query
from lib.mock import answer, chat_answer, error, json_answer, sse, text_chunks, tool_call
from lib.raw import CHAT, TZ, TZ_CHAT, chat
from lib.signet import Signet, config, openai_model
from test_rows import drained

BOTH = '[store]\nalso = ["clickhouse"]\n'
ALONE = "[store]\nlocal_days = 0\n"


def toml(mock, extra, backend="clickhouse"):
    return config(openai_model("m", mock.url) + openai_model("two", mock.url + "/a", mock.url + "/b"),
                  f'[gateway.observability]\nbackend = "{backend}"\n', extra, record=True)


PATIENT = {"SIGNET_FAULT": "reads.patient:1+"}


def open_gateway(mock, clickhouse, extra, backend="clickhouse", env=PATIENT, **more):
    url = clickhouse.address(clickhouse.database)
    return Signet(toml(mock, extra, backend), env={"TENSORZERO_CLICKHOUSE_URL": url, **env}, **more)


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
    called = {"role": "assistant", "content": None, "tool_calls": [tool_call("c1", "lookup", '{"id":"A\'1"}')]}
    mock.then(json_answer(chat_answer(choices=[{"index": 0, "message": called, "finish_reason": "tool_calls"}])))
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


# ---- SQLite keeps the list, ClickHouse the bodies: what a gateway does by itself ----

@pytest.fixture(scope="module")
def listed(world, server, module_mock):
    """(a gateway with the default `local_days` on the same database, what it was asked itself)"""
    module_mock.reset()
    with open_gateway(module_mock, server, "") as signet:
        made = {"own": ask(signet, text="words of its own", metadata={"team": "own"})}
        module_mock.then(error(429, "slow down"))
        made["fell_back"] = ask(signet, "two", "it fell back")
        module_mock.then(error(500, "it broke down"))
        made["failed"] = ask(signet, text="it failed")
        drained(signet)
        for id in made.values():
            record.wait_row(signet.data_dir, id)
        assert record.rows(signet.data_dir, "select * from ChatInference") == []
        yield signet, made


def test_the_list_goes_on_in_clickhouse_where_sqlites_ends(world, listed):
    one, other, made = world
    signet, own = listed
    older = [i for i in ids(one) if i != made["failed"]]
    assert ids(signet) == sorted(own.values(), reverse=True) + older
    seen, cursor = [], None
    while True:
        got = page(signet, "/logs", limit=2, **({"cursor": cursor} if cursor else {}))
        seen += [r["id"] for r in got["rows"]]
        cursor = got["next"]
        if not cursor:
            break
    assert seen == ids(signet)
    assert [r["surface"] for r in page(signet, "/logs")["rows"]] == ["chat"] * 3 + [None] * 6
    assert page(signet, "/logs/count")["n"] == 9
    assert ids(signet, status="error") == [own["failed"]]
    assert ids(signet, model="two") == [own["fell_back"], made["fell_back"]]
    assert page(signet, "/logs/facets", dim="model")["facets"]["model"] == [{"v": "m", "n": 7}, {"v": "two", "n": 2}]
    assert page(signet, "/logs/facets", dim="status")["facets"]["status"] == [{"v": "ok", "n": 8}, {"v": "error", "n": 1}]
    total = page(signet, "/overview", range="1h", by="model")
    assert {s["by"]: (sum(s["n"]), sum(s["err"])) for s in total["series"]} == {"m": (7, 1), "two": (2, 0)}
    assert (total["total"]["n"], total["total"]["err"]) == (9, 1)
    histogram = page(signet, "/logs/histogram", range="1h", buckets=20)
    assert (sum(histogram["ok"]), sum(histogram["err"])) == (8, 1)
    assert post(signet, "/internal/inferences/count", {})["count"] == 9
    assert page(signet, "/overview", range="1h", by="tag:team")["total"]["n"] == 9
    by_tag = {s["by"]: sum(s["n"]) for s in page(signet, "/overview", range="1h", by="tag:team")["series"]}
    assert by_tag == {"a": 1, "b": 1, "own": 1}
    for params, want in (({"tag.team": "own"}, [own["own"]]), ({"tag.team": ["own", "x"]}, [own["own"]]), ({"tag.none": ""}, []),
                         ({"tag.team": ""}, [own["own"], made["fell_back"], made["plain"]]), ({"tag.team": "!own"}, [made["fell_back"], made["plain"]])):
        assert ids(signet, **params) == want, params
    health = {p["provider"]: (p["n_5m"], p["err_5m"]) for p in page(signet, "/health")["providers"]}
    assert health == {"p": (2, 1), "p0": (1, 1), "p1": (1, 0)}


def test_words_are_found_in_bodies_and_in_errors(world, listed):
    one, other, made = world
    signet, own = listed
    for params, want in (({"q": "words"}, [own["own"], made["stream"], made["fell_back"], made["plain"]]), ({"q": "fell"}, [own["fell_back"]]),
                         ({"q": "it"}, [own["failed"], own["fell_back"]]), ({"q": "it -fell"}, [own["failed"]]), ({"q": "broke", "in": "error"}, [own["failed"]]),
                         ({"q": "words", "surface": "chat"}, [own["own"]]), ({"q": "Hello", "fallback": 1}, [own["fell_back"]]),
                         ({"q": "it", "status": "error"}, [own["failed"]]), ({"q": "退款"}, [made["stream"]]), ({"q": "words", "limit": 2}, [own["own"], made["stream"]]),
                         ({"q": "Hello", "tag.team": "own"}, [own["own"]])):
        got = ids(signet, **params)
        assert [i for i in got if i != made["nasty"]] == want, params
        if "limit" not in params:
            assert page(signet, "/logs/count", **params)["n"] == len(got), params
    assert page(signet, "/logs", q="words", limit=1)["rows"][0]["surface"] == "chat"
    assert page(signet, "/overview", range="1h", q="words")["total"]["n"] == 4


def test_bodies_of_a_row_that_sqlite_lists_come_from_clickhouse(world, listed):
    one, _, made = world
    signet, own = listed
    signet.stop()
    for name in os.listdir(signet.data_dir + "/journal"):  # what it keeps there for a while would hide it
        if name.endswith(".sj"):
            os.unlink(f"{signet.data_dir}/journal/{name}")
    signet.start()
    got = page(signet, "/inferences/" + own["fell_back"])
    assert got["input"]["inline"]["messages"][0]["content"][0]["text"] == "it fell back" and got["output"]["inline"][0]["text"] == "Hello!"
    assert [(a["why"], a["provider"], a["error"] is None) for a in got["attempts"]] == [("first", "p0", False), ("fallback", "p1", True)]
    assert got["row"]["surface"] == "chat" and got["attempts"][1]["raw_response"]["bytes"] > 0
    call = got["attempts"][1]["model_inference_id"]
    assert page(signet, "/inferences/" + call)["row"]["surface"] == "chat"
    assert b"it fell back" in request(signet, "GET", f"/model_inferences/{call}/parts/raw_request").body
    failed = page(signet, "/inferences/" + own["failed"])
    assert failed["row"]["state"] == "error" and failed["input"] is None and "it broke down" in failed["attempts"][0]["error"]
    assert page(signet, "/inferences/" + made["plain"])["input"] == page(one, "/inferences/" + made["plain"])["input"]
    whole = [json.loads(l) for l in request(signet, "GET", "/logs/export?parts=1&status=ok").text.splitlines()]
    assert len(whole) == 9 and [w["id"] for w in whole[:-1] if not (w["input"]["messages"] and w["output"])] == []


# ---- what another gateway left there ----

def v7(ms, n):
    return str(uuid.UUID(int=ms << 80 | 7 << 76 | n << 64 | 2 << 62 | n))


@pytest.mark.parametrize("alone", [PATIENT], indirect=True, ids=["patient"])
def test_rows_of_functions_and_of_years_ago(alone, clickhouse):
    """JSON functions, several calls of one inference, text blocks as they once were, columns that were not there yet."""
    old = int(time.time() * 1000) - 2 * 365 * 86400_000
    episode, json_id, chat_id = v7(old, 1), v7(old + 1000, 2), v7(old + 2000, 3)
    text = json.dumps({"messages": [{"role": "user", "content": [{"type": "text", "value": "as it once was"}]}]})
    put = lambda table, **row: clickhouse.call("POST", f"/?database={clickhouse.database}", f"INSERT INTO {table} FORMAT JSONEachRow\n{json.dumps(row)}".encode())
    common = {"function_name": "extract", "variant_name": "best", "episode_id": episode, "inference_params": "{}"}
    put("JsonInference", id=json_id, input=text, output=json.dumps({"raw": '{"name":"Ada"}', "parsed": {"name": "Ada"}}), output_schema="{}", auxiliary_content="",
        tags={"who": "then"}, **common)
    put("ChatInference", id=chat_id, input=text, output="[]", tool_params="", **common)
    for i, (owner, tokens, cost) in enumerate(((json_id, 10, 0.25), (json_id, 20, 0.5), (chat_id, None, None))):
        put("ModelInference", id=v7(old + 3000 + i, i), inference_id=owner, raw_request="{}", raw_response="{}", model_name=f"model-{i}", model_provider_name="p",
            input_tokens=tokens, output_tokens=tokens, cost=cost, input_messages="[]", output="[]")
    rows = page(alone, "/logs", fn="extract")["rows"]
    assert [(r["id"], r["type"], r["model"], r["in"], r["cost"], r["ms"], r["preview_in"], r["preview_out"], r["stream"]) for r in rows] == [
        (chat_id, "chat", "model-2", None, None, None, "as it once was", "", False),
        (json_id, "json", "model-1", 30, 0.75, None, "as it once was", '{"name":"Ada"}', False)]
    assert ids(alone, model="model-1") == [json_id] and ids(alone, model="model-0") == [] and ids(alone, min_cost="0.7") == [json_id]
    assert ids(alone, q="Ada") == [json_id] and ids(alone, type="json") == [json_id] and ids(alone, episode=episode) == [chat_id, json_id]
    got = page(alone, "/inferences/" + json_id)
    assert got["output"]["inline"] == {"raw": '{"name":"Ada"}', "parsed": {"name": "Ada"}} and got["tags"] == {"who": "then"}
    assert [(a["model"], a["cost"]) for a in got["attempts"]] == [("model-0", 0.25), ("model-1", 0.5)]
    assert page(alone, "/overview", **{"from": "2020-01-01T00:00:00Z"}, fn="extract", step=31 * 86400)["total"] | {"ttft50": None} == {
        "n": 2, "err": 0, "in": 30, "out": 30, "cost": 0.75, "priced": 1, "p50": None, "p95": None, "p99": None, "ttft50": None, "ttft95": None}
    assert {m["id"] for m in page(alone, "/internal/inference_metadata", function_name="extract")["inference_metadata"]} == {json_id, chat_id}


# ---- faults ----

@pytest.fixture
def alone(mock, clickhouse, request):
    """A gateway whose rows are in ClickHouse only, with one there."""
    mock.default = json_answer(chat_answer("Hello there"))
    with open_gateway(mock, clickhouse, ALONE, env=getattr(request, "param", {})) as signet:
        signet.stored = ask(signet, text="stored words")
        drained(signet)
        yield signet


ROUTES = ["/logs", "/logs/count", "/logs/histogram?range=1h", "/logs/facets?dim=model", "/overview?range=1h", "/overview?range=1h&by=model", "/logs?q=words",
          "/logs?model=m", "/internal/inference_metadata", "/internal/models/count", "/internal/models/usage?time_window=day&max_periods=2"]
NOT_THERE = "01900000-0000-7000-8000-000000000000"


def test_clickhouse_that_is_away_is_said_at_once(alone, clickhouse):
    clickhouse.kill()
    for path in ROUTES + ["/inferences/" + NOT_THERE]:
        began = time.monotonic()
        got = request(alone, "GET", path)
        assert got.status == 503 and "ClickHouse at 127.0.0.1" in got.message, (path, got.body)
        assert time.monotonic() - began < 3
    with pytest.raises(ConnectionResetError):  # a file that has begun breaks off, so that nobody takes it for whole
        request(alone, "GET", "/logs/export")
    assert page(alone, "/health")["record"]["sink"]["type"] == "clickhouse"
    clickhouse.start()
    raw.wait_for(lambda: request(alone, "GET", "/logs").status == 200, 10, 0.1)
    assert ids(alone) == [alone.stored]


def test_what_the_sink_has_not_delivered_is_read_while_clickhouse_is_away(alone, clickhouse):
    clickhouse.kill()
    new = ask(alone, text="not there yet")
    assert ids(alone) == [new]
    got = page(alone, "/logs")
    assert got["partial"] and got["searched_to"]
    assert request(alone, "GET", "/logs?cursor=" + got["next"]).status == 503
    detail = page(alone, "/inferences/" + new)
    assert detail["record"]["state"] == "journal" and detail["input"]["inline"]["messages"][0]["content"][0]["text"] == "not there yet"
    clickhouse.start()
    drained(alone)
    assert ids(alone) == [new, alone.stored]
    assert page(alone, "/inferences/" + new)["record"]["state"] == "stored"


def test_the_list_of_the_last_days_is_read_while_clickhouse_is_away(mock, clickhouse):
    mock.default = json_answer(chat_answer("Hello there"))
    with open_gateway(mock, clickhouse, "", env={}) as signet:
        made = [ask(signet, text=f"number {i}") for i in range(3)]
        drained(signet)
        record.wait_rows(signet.data_dir, 3)
        clickhouse.kill()
        got = page(signet, "/logs")
        assert [r["id"] for r in got["rows"]] == sorted(made, reverse=True) and got["partial"]
        assert request(signet, "GET", "/logs?cursor=" + got["next"]).status == 503
        assert ids(signet, q="number", limit=3) == sorted(made, reverse=True)  # by what the list itself has of them
        count = page(signet, "/logs/count")
        assert (count["n"], count["exact"], count["partial"]) == (3, False, True)
        for by in ({}, {"by": "model"}):
            overview = page(signet, "/overview", range="24h", **by)
            assert overview["total"]["n"] == 3 and overview["partial"]
        assert page(signet, "/logs/facets", dim="model")["facets"]["model"] == [{"v": "m", "n": None}]
        assert sum(page(signet, "/logs/histogram", range="24h")["ok"]) == 3
        assert page(signet, "/inferences/" + made[0])["input"]["inline"]["messages"]  # the journal has it still
        clickhouse.start()


@pytest.mark.parametrize("fault", ["hang", "error", "cut", "torn_after"])
def test_an_answer_that_does_not_come_or_is_wrong(alone, clickhouse, fault):
    for path in ROUTES:
        clickhouse.forget()
        clickhouse.fault(fault, "FORMAT JSONCompactEachRow", times=100, seconds=4, code=241, text="Memory limit exceeded")
        began = time.monotonic()
        got = request(alone, "GET", path)
        assert time.monotonic() - began < 8, path
        if got.status == 200:
            assert fault == "hang" and got.json.get("partial"), path
        else:
            assert got.status == 503 and ("ClickHouse" in got.message or "in time" in got.message), (path, got.body)
            assert fault != "error" or "Memory limit exceeded" in got.message
    clickhouse.forget()
    raw.wait_for(lambda: request(alone, "GET", "/logs").status == 200, 10, 0.1)


def test_another_table_than_expected(alone, clickhouse):
    clickhouse.ask("DROP TABLE InferenceById", clickhouse.database)
    got = request(alone, "GET", "/logs")
    assert got.status == 503 and "InferenceById" in got.message


def test_a_slow_search_says_how_far_it_got(alone, clickhouse):
    clickhouse.fault("error", "ORDER BY id_uint LIMIT 1", code=159, text="Timeout exceeded")  # behind the first slice of time
    got = page(alone, "/logs", q="nothing-like-this")
    assert got["rows"] == [] and got["partial"] and got["searched_to"] == got["next"]
    assert page(alone, "/logs", q="nothing-like-this", cursor=got["next"])["next"] is None
    clickhouse.fault("error", "FROM JsonInference", times=1000, code=159, text="Timeout exceeded")
    assert page(alone, "/logs/count", model="m")["exact"] is False
    assert page(alone, "/overview", range="1h")["partial"]


def test_a_reader_who_leaves_ends_the_query(alone, clickhouse):
    clickhouse.fault("hang", "FORMAT JSONCompactEachRow", times=1, seconds=3)
    client = raw.Client(alone.port)
    client.send(b"GET /internal/signet/overview?range=1h HTTP/1.1\r\nhost: localhost\r\n\r\n")
    raw.wait_for(lambda: any("FORMAT JSONCompactEachRow" in e["query"] for e in clickhouse.log("ChatInference")), 5, 0.05)
    client.close()
    settings = clickhouse.log("FORMAT JSONCompactEachRow")[-1]["settings"]
    assert settings["cancel_http_readonly_queries_on_client_close"] == "1" and 0 < float(settings["max_execution_time"]) <= 3
    alone.assert_idle(2)


NASTY = ["'", '"', "' OR '1'='1", "a');DROP TABLE ChatInference;--", "%", "_", "\\", "\\'", "a\0b", "\0", "你好", "\u202e", "x" * 5000, "{x:String}", "?1", "NULL", "`", "\n\t",
         "\ud7ff\U0001f600"]


@pytest.mark.parametrize("alone", [PATIENT], indirect=True, ids=["patient"])
def test_whatever_reaches_sql_is_only_a_value(alone, clickhouse):
    names = ["fn", "variant", "model", "provider", "key", "episode", "type", "finish", "tag.a", "tag.it's", 'tag.a"b\\', "q"]
    for text in NASTY:
        for name in names:
            assert request(alone, "GET", with_query("/logs", {name: text})).status == 200, (name, text)
        page(alone, "/logs", **{n: "!" + text for n in names[:-1]})
        page(alone, "/logs/facets", dim=["model", "tag." + text], prefix=text, model=text)
        page(alone, "/overview", range="1h", by="tag:" + text, variant=text)
        assert ids(alone, model=text) == [] and ids(alone, **{"tag.a": text}) == []
    assert ids(alone) == [alone.stored]
    for path in ("/inferences/'%20or%201=1", "/inferences/%00", "/internal/resolve_uuid/'"):
        assert request(alone, "GET", path).status == 400
