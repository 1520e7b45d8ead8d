"""Lists and charts over a month of inferences, each figure compared with SQL over the rows."""
import itertools
import random
import sqlite3
import time

import pytest

from lib import seed
from lib.internal import ids, page, request
from lib.raw import CHAT, chat
from lib import raw, record
from lib.signet import Signet, config, openai_model

N = 6000


@pytest.fixture(scope="module")
def store(module_mock):
    toml = config(openai_model("m", module_mock.url), record=True)
    with Signet(toml) as first:
        pass
    seed.fill(first.data_dir, N).close()
    with Signet(None, folder=first.folder) as signet:
        seed.wait_until_summed(signet)
        db = sqlite3.connect(f"file:{signet.data_dir}/signet.db?mode=ro", uri=True)
        yield signet, db
        db.close()


CONDITIONS = [  # parameters of a page, SQL of the same
    ({"fn": "support"}, "function_name = 'support'"), ({"variant": ["v1", "v3"]}, "variant_name in ('v1', 'v3')"), ({"model": "model-9"}, "model_name = 'model-9'"),
    ({"model": ["model-3", "model-4"]}, "model_name in ('model-3', 'model-4')"), ({"provider": "azure"}, "model_provider_name = 'azure'"),
    ({"key": "k2"}, "key_public_id = 'k2'"), ({"key": "!k1"}, "ifnull(key_public_id, '') <> 'k1'"), ({"surface": "openai"}, "surface = 'openai'"),
    ({"status": "error"}, "state = 'error'"), ({"status": "5xx"}, "status / 100 = 5"), ({"status": "ok"}, "state = 'ok'"), ({"stream": 1}, "stream = 1"),
    ({"min_ms": 3000}, "processing_time_ms >= 3000"), ({"max_ms": 500}, "processing_time_ms <= 500"), ({"min_ttft": 900}, "ttft_ms >= 900"),
    ({"min_cost": "0.001"}, "cost_nano >= 1000000"), ({"min_in": 1500}, "input_tokens >= 1500"), ({"min_out": 450}, "output_tokens >= 450"),
    ({"tag.team": "3"}, "exists(select 1 from TagInference g where g.seq = t.seq and key = 'team' and value = '3')"),
    ({"tag.team": "!0"}, "exists(select 1 from TagInference g where g.seq = t.seq and key = 'team' and value <> '0')"),
    ({"q": "refund", "in": "input"}, "preview_in like '%refund%'"), ({"q": "退款"}, "preview_in like '%退款%'"), ({"q": '"refund policy"'}, "preview_in like '%refund policy%'"),
    ({"q": "refund -invoice"}, "preview_in like '%refund%' and preview_in not like '%invoice%'"), ({"error_kind": "server"}, "error_kind = 'server'"),
    ({"fn": "nobody"}, "0"),
]


def sql_ids(db, where, limit=100):
    return [r[0] for r in db.execute(f"select id from InferenceById t where {where} order by seq desc limit {limit}")]


def sql_count(db, where):
    return db.execute(f"select count(*) from InferenceById t where {where}").fetchone()[0]


@pytest.mark.parametrize("params,where", CONDITIONS, ids=[str(c[0]) for c in CONDITIONS])
def test_each_filter_is_what_sql_says(store, params, where):
    signet, db = store
    assert ids(signet, **params) == sql_ids(db, where)
    assert page(signet, "/logs/count", **params) | {"took_ms": 0} == {"n": sql_count(db, where), "exact": True, "took_ms": 0}


def test_pairs_of_filters_are_what_sql_says(store):
    signet, db = store
    pairs = [p for p in itertools.combinations(CONDITIONS, 2) if not p[0][0].keys() & p[1][0].keys()]
    for (a, sql_a), (b, sql_b) in random.Random(3).sample(pairs, 60):
        assert ids(signet, **a, **b) == sql_ids(db, f"({sql_a}) and ({sql_b})"), (a, b)


@pytest.mark.parametrize("params,where", [({}, "1"), ({"model": "model-1"}, "model_name = 'model-1'"), ({"status": "error"}, "state = 'error'"),
                                          ({"q": "password"}, "preview_in like '%password%'"), ({"tag.team": "1"}, CONDITIONS[18][1].replace("'3'", "'1'"))])
def test_pages_have_no_gap_and_no_row_twice(store, params, where):
    signet, db = store
    seen, cursor = [], None
    while True:
        got = page(signet, "/logs", limit=250, **params, **({"cursor": cursor} if cursor else {}))
        seen += [r["id"] for r in got["rows"]]
        cursor = got["next"]
        if not cursor:
            break
    assert seen == sql_ids(db, where, N)


def bounds(days, now):
    return {"from": stamp(now - days * 86400), "to": stamp(now)}


def stamp(seconds):
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + "Z"


SUMS = ("count(*), ifnull(sum(state in ('error','truncated')),0), ifnull(sum(input_tokens),0), ifnull(sum(output_tokens),0), sum(cost_nano) / 1e9, "
        "ifnull(sum(cost_nano is not null),0)")


def figures(t):
    return (t["n"], t["err"], t["in"], t["out"], pytest.approx(t["cost"]) if t["cost"] is not None else None, t["priced"])


def quantile(db, where, column, part):
    values = [r[0] for r in db.execute(f"select {column} from InferenceById t where {where} and {column} is not null order by 1")]
    return values[max(0, -(-len(values) * int(part * 100) // 100) - 1)] if values else None


@pytest.mark.parametrize("days", [1 / 48, 1, 7, 13.37, 30])
@pytest.mark.parametrize("params,where", [({}, "1"), ({"model": "model-0"}, "model_name = 'model-0'"), ({"fn": ["support", "search"]}, "function_name in ('support','search')"),
                                          ({"status": "error"}, "state = 'error'"), ({"key": "k1", "model": "model-0"}, "key_public_id = 'k1' and model_name = 'model-0'")])
def test_overview_is_what_sql_says(store, days, params, where):
    signet, db = store
    now = int(time.time())
    span = f"({where}) and seq >> 15 >= {int(now - days * 86400) * 1000} and seq >> 15 < {now * 1000}"
    got = page(signet, "/overview", **bounds(days, now), **params)
    assert figures(got["total"]) == db.execute(f"select {SUMS} from InferenceById t where {span}").fetchone()
    series = got["series"][0]
    assert (sum(series["n"]), sum(series["err"]), sum(series["in"])) == (got["total"]["n"], got["total"]["err"], got["total"]["in"])
    for name, column, part in (("p50", "processing_time_ms", 0.5), ("p95", "processing_time_ms", 0.95), ("ttft50", "ttft_ms", 0.5), ("ttft95", "ttft_ms", 0.95)):
        want = quantile(db, span, column, part)
        assert got["total"][name] == (pytest.approx(want, rel=0.021, abs=1) if want is not None else None), name
    before = f"({where}) and seq >> 15 >= {int(now - days * 86400) * 1000 - int(now * 1000 - int(now - days * 86400) * 1000)} and seq >> 15 < {int(now - days * 86400) * 1000}"
    assert got["before"]["n"] == sql_count(db, before)
    histogram = page(signet, "/logs/histogram", **bounds(days, now), **params)
    assert (sum(histogram["ok"]) + sum(histogram["err"]), sum(histogram["err"])) == (got["total"]["n"], got["total"]["err"])


@pytest.mark.parametrize("by,column", [("model", "model_name"), ("function", "function_name"), ("provider", "model_provider_name"), ("variant", "variant_name"), ("key", "key_public_id")])
def test_overview_by_something_is_what_sql_says(store, by, column):
    signet, db = store
    now = int(time.time())
    got = page(signet, "/overview", by=by, **bounds(30, now))
    want = {r[0]: r[1:] for r in db.execute(f"select {column}, count(*), sum(cost_nano is not null) from InferenceById where {column} is not null and "
                                            f"seq >> 15 >= {(now - 30 * 86400) * 1000} group by 1")}
    assert {s["by"]: (sum(s["n"]), sum(s["priced"])) for s in got["series"]} == want


@pytest.mark.parametrize("by,column,params,where", [
    ("key", "key_public_id", {"model": "model-0"}, "model_name = 'model-0'"), ("model", "model_name", {"key": ["k1", "k2"]}, "key_public_id in ('k1','k2')"),
    ("variant", "variant_name", {"fn": "support"}, "function_name = 'support'"), ("function", "function_name", {"variant": "v2"}, "variant_name = 'v2'"),
    ("model", "model_name", {"model": ["model-1", "model-2"]}, "model_name in ('model-1','model-2')"), ("provider", "model_provider_name", {"model": "model-0"}, "model_name = 'model-0'"),
    ("tag:team", "(select value from TagInference g where g.seq = t.seq)", {"model": "model-3"}, "model_name = 'model-3'")])
@pytest.mark.parametrize("days", [1, 30])
def test_overview_by_something_under_a_filter_is_what_sql_says(store, days, by, column, params, where):
    signet, db = store
    now = int(time.time()) // 60 * 60
    got = page(signet, "/overview", by=by, **bounds(days, now), **params)
    span = f"({where}) and seq >> 15 >= {(now - days * 86400) * 1000} and seq >> 15 < {now * 1000}"
    want = {r[0]: r[1:] for r in db.execute(f"select {column} as v, count(*), ifnull(sum(state in ('error','truncated')),0), ifnull(sum(input_tokens),0) "
                                            f"from InferenceById t where {span} and v is not null group by 1")}
    assert {s["by"]: (sum(s["n"]), sum(s["err"]), sum(s["in"])) for s in got["series"] if sum(s["n"])} == want
    assert got["total"]["n"] == sql_count(db, span)


def test_facets_are_what_sql_says(store):
    signet, db = store
    got = page(signet, "/logs/facets", dim=["model", "fn", "key", "status", "tag.team"])["facets"]
    for dim, column in (("model", "model_name"), ("fn", "function_name"), ("key", "key_public_id"), ("status", "state")):
        assert {f["v"]: f["n"] for f in got[dim]} == dict(db.execute(f"select {column}, count(*) from InferenceById where {column} is not null group by 1"))
    assert {f["v"]: f["n"] for f in got["tag.team"]} == dict(db.execute("select value, count(*) from TagInference group by 1"))


def test_the_whole_export_is_there(store):
    signet, db = store
    got = request(signet, "GET", "/logs/export?format=csv", timeout=60).text.splitlines()
    assert len(got) == 1 + sql_count(db, "1")


def test_a_reader_who_leaves_is_noticed(store):
    """Forty that go at once do not hold the four connections: the next one is answered."""
    signet, _ = store
    for _ in range(40):
        c = raw.Client(signet.port)
        c.send(b"GET /internal/signet/logs/count?q=nowhere&in=error HTTP/1.1\r\nhost: localhost\r\n\r\n")
        c.reset()
    began = time.monotonic()
    assert len(ids(signet)) == 100 and time.monotonic() - began < 3
    signet.assert_idle()


def test_many_readers_at_once(store):
    from concurrent.futures import ThreadPoolExecutor
    signet, _ = store
    before = signet.open_files()
    with ThreadPoolExecutor(24) as pool:
        got = list(pool.map(lambda i: request(signet, "GET", f"/logs?limit=50&min_ms={i}").status, range(96)))
    assert set(got) == {200}
    assert signet.open_files() < before + 24, "more than four connections to the store"


def test_counts_are_of_the_rows_that_are_left(store):
    """Sums stay when retention takes rows: what says how many rows a list has must not count those."""
    signet, db = store
    writer = sqlite3.connect(f"{signet.data_dir}/signet.db", timeout=10)
    writer.execute("delete from InferenceById where seq in (select seq from InferenceById order by seq limit 700)")
    writer.commit()
    writer.close()
    for params, where in (({}, "1"), ({"model": "model-0"}, "model_name = 'model-0'"), ({"variant": "v2"}, "variant_name = 'v2'")):
        assert page(signet, "/logs/count", **params)["n"] == sql_count(db, where)
    want = dict(db.execute("select key_public_id, count(*) from InferenceById where key_public_id is not null group by 1"))
    assert {f["v"]: f["n"] for f in page(signet, "/logs/facets", dim="key")["facets"]["key"]} == want
