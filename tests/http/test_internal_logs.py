"""The record as pages read it: lists, filters, single inferences and their parts (ui §5), out of the store and out of the journal."""
import json
import sqlite3
import time

import pytest

from lib import raw, record
from lib.internal import ids, page, request
from lib.mock import chat_answer, error, json_answer, sse, text_chunks
from lib.raw import CHAT, TZ, TZ_CHAT, chat
from lib.signet import Signet, config, openai_model


def signet_toml(mock):
    return config(openai_model("m", mock.url) + openai_model("two", mock.url + "/a", mock.url + "/b"), record=True)


def ask(signet, model="m", text="Hi", headers=(), **more):
    got = raw.post(signet.port, CHAT, {**chat(model), "messages": [{"role": "user", "content": text}], **more}, headers)
    return got.headers["x-signet-inference-id"]


def test_the_newest_come_first_page_by_page(signet):
    texts = {ask(signet, text=f"number {i}"): f"number {i}" for i in range(5)}
    made = sorted(texts)  # two workers' ids of one millisecond are in no order
    got = page(signet, "/logs", limit=3)
    assert [r["id"] for r in got["rows"]] == made[:1:-1]
    assert got["rows"][0]["preview_in"] == texts[made[-1]] and got["took_ms"] >= 0
    assert [r["id"] for r in page(signet, "/logs", limit=3, cursor=got["next"])["rows"]][:2] == made[1::-1]


def test_a_row_is_there_before_the_store_has_it(mock):
    with Signet(signet_toml(mock)) as signet:
        first = ask(signet, text="stored")
        record.wait_row(signet.data_dir, first)
        lock = sqlite3.connect(signet.data_dir + "/signet.db", timeout=5)
        lock.execute("begin immediate")  # the drainer cannot write
        try:
            second = ask(signet, text="still in the journal")
            assert record.listed(signet.data_dir, second) == []
            assert ids(signet) == sorted([first, second], reverse=True)
            assert ids(signet, q="journal") == [second] and ids(signet, q="stored") == [first]
            detail = page(signet, "/inferences/" + second)
            assert detail["record"]["state"] == "journal"
            assert detail["input"]["inline"]["messages"][0]["content"][0]["text"] == "still in the journal"
            call = detail["attempts"][0]["model_inference_id"]
            assert request(signet, "GET", f"/model_inferences/{call}/parts/raw_request").body == mock.requests[-1].body
        finally:
            lock.rollback()
            lock.close()
        record.wait_row(signet.data_dir, second)
        assert ids(signet) == sorted([first, second], reverse=True)
        assert page(signet, "/inferences/" + second)["record"]["state"] == "stored"
        assert request(signet, "GET", f"/model_inferences/{call}/parts/raw_request").body == mock.requests[-1].body


def three(signet, mock):
    """A good one, one that fell back, one that failed, the oldest first; all stored."""
    good = ask(signet, text="plain words", metadata={"team": "a"}, temperature=0.5)
    mock.then(error(429, "slow down"))
    fell_back = ask(signet, "two", "other words", metadata={"team": "b"})
    mock.then(error(500, "broken down"))
    failed = ask(signet, text="plain failure")
    for id in (good, fell_back, failed):
        record.wait_row(signet.data_dir, id)
    return good, fell_back, failed


@pytest.fixture(params=["stored", "journal"])
def kept(request, mock):
    """(signet, the three): from the store, and from the journal of a gateway whose store is locked. One filter, two ways to apply it."""
    with Signet(signet_toml(mock)) as signet:
        if request.param == "stored":
            yield signet, three(signet, mock)
            return
        first = ask(signet, text="so that there is a file")
        record.wait_row(signet.data_dir, first)
        lock = sqlite3.connect(signet.data_dir + "/signet.db", timeout=5)
        lock.execute("delete from InferenceById")
        lock.commit()
        lock.execute("begin immediate")
        try:
            good = ask(signet, text="plain words", metadata={"team": "a"}, temperature=0.5)
            mock.then(error(429, "slow down"))
            fell_back = ask(signet, "two", "other words", metadata={"team": "b"})
            mock.then(error(500, "broken down"))
            yield signet, (good, fell_back, ask(signet, text="plain failure"))
            assert record.listed(signet.data_dir) == []
        finally:
            lock.rollback()
            lock.close()


FILTERS = [  # parameters, which of (good, fell back, failed)
    ({}, "gbf"), ({"fn": "tensorzero::default"}, "gbf"), ({"fn": "x"}, ""), ({"fn": "!x"}, "gbf"), ({"model": "two"}, "b"),
    ({"model": ["two", "m"]}, "gbf"), ({"model": "!two"}, "gf"), ({"model": ["!two", "!m"]}, ""), ({"provider": "p1"}, "b"), ({"key": "k"}, ""),
    ({"key": "!k"}, "gbf"), ({"surface": "chat"}, "gbf"), ({"type": "chat"}, "gbf"), ({"finish": "stop"}, "gb"), ({"error_kind": "server"}, "f"),
    ({"status": "ok"}, "gb"), ({"status": "error"}, "f"), ({"status": "5xx"}, "f"), ({"status": "200"}, "gb"), ({"status": ["4xx", "5xx"]}, "f"),
    ({"status": "!ok"}, "f"), ({"status": "!5xx"}, "gb"), ({"status": "429"}, ""), ({"stream": 0}, "gbf"), ({"stream": 1}, ""), ({"signed": 1}, ""),
    ({"cached": 0}, "gbf"), ({"fallback": 1}, "b"), ({"fallback": 0}, "gf"), ({"min_ms": 0}, "gbf"), ({"min_ms": 100000}, ""),
    ({"max_ms": 100000}, "gbf"), ({"min_in": 11}, "gb"), ({"min_in": 12}, ""), ({"min_out": "6.5"}, "gb"), ({"min_cost": "0.1"}, ""),
    ({"tag.team": "a"}, "g"), ({"tag.team": ["a", "b"]}, "gb"), ({"tag.team": ""}, "gb"), ({"tag.team": "!a"}, "b"), ({"tag.none": ""}, ""),
    ({"tag.team": "a", "model": "m"}, "g"), ({"tag.team": "a", "model": "two"}, ""), ({"q": "plain"}, "gf"), ({"q": "PLAIN -failure"}, "g"),
    ({"q": '"other words"'}, "b"), ({"q": '"words other"'}, ""), ({"q": "broken", "in": "error"}, "f"), ({"q": "plain", "in": "output"}, ""),
    ({"q": "Hello"}, "gb"), ({"metric.m": "true"}, ""), ({"demo": 0}, "gbf"), ({"demo": 1}, ""), ({"range": "15m"}, "gbf"),
    ({"to": "2020-01-01T00:00:00Z"}, ""), ({"from": "2020-01-01T00:00:00+08:00"}, "gbf"), ({"what": "ever"}, "gbf"),
    ({"function_name": "tensorzero::default", "variant_name": "two"}, "b"),
]


def test_filters_select_the_same_from_store_and_journal(kept):
    signet, (good, fell_back, failed) = kept
    names = {good: "g", fell_back: "b", failed: "f"}
    wrong = []
    for params, want in FILTERS:
        got = "".join(names[i] for i in ids(signet, **params))
        n = page(signet, "/logs/count", **params)
        if sorted(got) != sorted(want) or n["n"] != len(want) or not n["exact"]:
            wrong.append((params, got, n["n"], want))
    assert wrong == []


def test_facets_histogram_and_overview_count_the_same(kept):
    signet, _ = kept
    facets = page(signet, "/logs/facets", dim=["model", "status", "tag.team", "tag", "provider"])["facets"]
    assert facets["model"] == [{"v": "m", "n": 2}, {"v": "two", "n": 1}]
    assert facets["status"] == [{"v": "ok", "n": 2}, {"v": "error", "n": 1}]
    assert facets["tag.team"] == [{"v": "a", "n": 1}, {"v": "b", "n": 1}]
    assert {f["v"]: f["n"] for f in facets["tag"]}["team"] == 2
    assert page(signet, "/logs/facets", dim="model", prefix="TW")["facets"]["model"] == [{"v": "two", "n": 1}]
    assert page(signet, "/logs/facets", dim="model", status="error")["facets"]["model"] == [{"v": "m", "n": 1}]
    histogram = page(signet, "/logs/histogram", range="1h", buckets=20)
    assert (sum(histogram["ok"]), sum(histogram["err"])) == (2, 1) and len(histogram["ok"]) <= 20
    overview = page(signet, "/overview", range="1h", by="model")
    assert {s["by"]: (sum(s["n"]), sum(s["err"]), sum(s["in"])) for s in overview["series"]} == {"m": (2, 1, 11), "two": (1, 0, 11)}
    total = overview["total"]
    assert (total["n"], total["err"], total["in"], total["out"], total["cost"]) == (3, 1, 22, 14, None) and total["p95"] is not None
    assert overview["before"]["n"] == 0 and overview["before"]["p95"] is None
    assert sum(page(signet, "/overview", range="1h", by="tag:team")["series"][0]["n"]) == 1


def test_a_part_in_ranges(signet, mock):
    id = ask(signet, text="0123456789" * 100)
    whole = request(signet, "GET", f"/inferences/{id}/parts/input")
    assert whole.json == {"messages": [{"role": "user", "content": [{"type": "text", "text": "0123456789" * 100}]}]}
    assert whole.headers["content-type"] == "text/plain; charset=utf-8" and whole.headers["x-content-type-options"] == "nosniff"

    def asked(part="input", status=206, **headers):
        got = request(signet, "GET", f"/inferences/{id}/parts/{part}", [(k.replace("_", "-"), v) for k, v in headers.items()])
        assert got.status == status, got.body
        return got

    n = len(whole.body)
    assert asked(range="bytes=0-9").body == whole.body[:10] and asked(range="bytes=10-19").headers["content-range"] == f"bytes 10-19/{n}"
    assert asked(range="bytes=-5").body == whole.body[-5:] and asked(range=f"bytes=5-{n * 9}").body == whole.body[5:]
    assert asked(range=f"bytes=-{n * 9}").body == whole.body
    assert asked(status=416, range=f"bytes={n}-").headers["content-range"] == f"bytes */{n}"
    for odd in ("bytes=9-1", "bytes=-", "lines=1-2", "bytes=0-1,4-5", "bytes=a-b", "bytes=99999999999999999999-"):
        assert asked(status=200, range=odd).body == whole.body
    assert asked(status=304, if_none_match=whole.headers["etag"]).body == b""
    assert asked(status=206, range="bytes=0-1", if_range=whole.headers["etag"]).body == whole.body[:2]
    assert asked(status=200, range="bytes=0-1", if_range='"other"').body == whole.body
    assert "attachment" in asked("input?download=1", 200).headers["content-disposition"]
    assert request(signet, "HEAD", f"/inferences/{id}/parts/input").headers["content-length"] == str(n)
    asked("nothing", 404), asked("raw_request", 404)


BAD = [("/logs?limit=0", 400), ("/logs?limit=1001", 400), ("/logs?limit=-1", 400), ("/logs?limit=x", 400), ("/logs?limit=99999999999999999999", 400),
       ("/logs?cursor=x", 400), ("/logs?cursor=6ba7b810-9dad-11d1-80b4-00c04fd430c8", 400), ("/logs?cursor=%00", 400), ("/logs?range=2d", 400),
       ("/logs?from=yesterday", 400), ("/logs?to=2026-13-01T00:00:00Z", 400), ("/logs?status=6xx", 400), ("/logs?status=ok'", 400),
       ("/logs?stream=2", 400), ("/logs?min_ms=x", 400), ("/logs?min_ms=nan", 400), ("/logs?min_ms=-1", 400), ("/logs?in=x", 400),
       ("/logs?" + "&".join(f"model={i}" for i in range(300)), 400), ("/logs?q=" + "x" * 9000, 400),
       ("/logs/facets", 400), ("/logs/facets?dim=x", 400), ("/logs/facets?dim=min_ms", 400), ("/logs/facets?dim=id'--", 400),
       ("/logs/histogram?buckets=0", 400), ("/logs/histogram?buckets=100000", 400), ("/overview?by=x", 400), ("/overview?by=tag:", 400),
       ("/overview?range=30d&step=1", 400), ("/overview?step=x", 400), ("/logs/export?format=xml", 400), ("/logs/export?format=csv&parts=1", 400),
       ("/inferences/x", 400), ("/inferences/01900000-0000-7000-8000-000000000000", 404), ("/inferences/'%20or%201=1", 400),
       ("/inferences/01900000-0000-7000-8000-000000000000/parts/input", 404), ("/inferences/x/parts/input", 400),
       ("/model_inferences/01900000-0000-7000-8000-000000000000/parts/raw_request", 404), ("/config?hash=x", 404), ("/nothing", 404), ("/logs/x", 404)]


@pytest.mark.parametrize("path,status", BAD, ids=[b[0][:60] for b in BAD])
def test_what_is_wrong_is_said(signet, path, status):
    got = request(signet, "GET", path)
    assert got.status == status and len(got.message) > 5, got.body
    assert "signet.db" not in got.message


def test_other_methods(signet):
    got = request(signet, "POST", "/logs", body={})
    assert got.status == 405 and got.headers["allow"] == "GET"
    assert request(signet, "HEAD", "/logs").status == 200


NASTY = ["'", '"', "' OR '1'='1", "a;DROP TABLE InferenceById;--", "%", "_", "\\", "a\0b", "\0", "你好", "‮", "x" * 5000, "?1", "(?)", "NULL", "[", "]"]


def test_whatever_reaches_sql_is_only_a_value(signet):
    """Quotes and NULs in every string, in every place of a filter."""
    made = ask(signet, text="nasty")
    record.wait_row(signet.data_dir, made)
    names = ["fn", "variant", "model", "provider", "key", "episode", "surface", "type", "finish", "error_kind", "tag.a", "tag.it's", 'tag.a"b', "q"]
    for text in NASTY:
        for name in names:
            for value in (text, "!" + text):
                rows = page(signet, "/logs", **{name: value})["rows"]
                assert all(r["preview_in"] is not None for r in rows)
                page(signet, "/logs/count", **{name: value})
        page(signet, "/logs/facets", dim=["model", "tag." + text], prefix=text, model=text)
        page(signet, "/overview", range="1h", by="tag:" + text, variant=text)
        assert ids(signet, model=text) == [] and ids(signet, **{"tag.a": text}) == []
    assert made in ids(signet)


def test_export(kept):
    signet, (good, fell_back, failed) = kept
    got = request(signet, "GET", "/logs/export?format=ndjson")
    lines = [json.loads(l) for l in got.text.splitlines()]
    assert lines[-1] == {"end": True, "rows": 3} and [l["id"] for l in lines[:-1]] == sorted([failed, fell_back, good], reverse=True)
    assert got.headers["content-type"] == "application/x-ndjson"
    whole = [json.loads(l) for l in request(signet, "GET", "/logs/export?parts=1&tag.team=a").text.splitlines()]
    assert whole[0]["input"]["messages"][0]["content"][0]["text"] == "plain words" and whole[0]["output"][0]["text"] == "Hello!"
    csv = request(signet, "GET", "/logs/export?format=csv").text.splitlines()
    assert len(csv) == 4 and csv[0].startswith("id,t,state,status") and sorted(l[:36] for l in csv[1:]) == sorted([failed, fell_back, good])


def test_a_cell_is_no_formula(signet):
    for text in ("=1+1", "@sum", "+1", "-1", 'say "x", y'):
        record.wait_row(signet.data_dir, ask(signet, text=text))
    csv = request(signet, "GET", "/logs/export?format=csv").text
    for cell in ('"\'=1+1"', '"\'@sum"', '"\'+1"', '"\'-1"', '"say ""x"", y"'):
        assert cell in csv


class Live:
    def __init__(self, signet, path="/internal/signet/logs/live", last=None):
        self.client = raw.Client(signet.port)
        self.client.send((f"GET {path} HTTP/1.1\r\nhost: localhost\r\n" + (f"last-event-id: {last}\r\n" if last else "") + "\r\n").encode())
        head = self.client.read_head()
        assert head.status == 200 and head.headers["content-type"] == "text/event-stream"
        self.text = ""
        assert self.next()[0] == "beat"  # it looks from now on

    def next(self):
        """(event, id, data)"""
        while "\n\n" not in self.text:
            self.text += self.client.read_chunk().decode()
        block, self.text = self.text.split("\n\n", 1)
        f = dict(l.split(": ", 1) for l in block.split("\n"))
        return f["event"], f.get("id"), json.loads(f["data"])


def test_live_shows_what_arrives_and_a_reconnect_loses_none(signet, mock):
    ask(signet, text="before")
    live = Live(signet, "/internal/signet/logs/live?model=m")
    began = time.monotonic()
    first = ask(signet, text="one")
    ask(signet, "two", "of another model")
    second = ask(signet, text="two")
    assert {live.next()[1] for _ in range(2)} == {first, second} and time.monotonic() - began < 3
    live.client.close()
    missed = [ask(signet, text=f"missed {i}") for i in range(3)]
    again = raw.Client(signet.port)
    again.send(f"GET /internal/signet/logs/live?model=m HTTP/1.1\r\nhost: localhost\r\nlast-event-id: {second}\r\n\r\n".encode())
    again.read_head()
    text = ""
    while text.count("event: row") < 3:
        text += again.read_chunk().decode()
    assert [l[4:] for l in text.split("\n") if l.startswith("id: ")] == missed
    again.close()


def test_live_counts_what_nobody_can_read(signet, mock):
    live = Live(signet)
    made = [ask(signet, text=f"number {i}") for i in range(60)]
    seen, counted = [], 0
    while len(seen) + counted < 60:
        event, id, data = live.next()
        if event == "row":
            seen.append(id)
        elif event == "skipped":
            counted += data["n"]
            assert data["until"] == id
    assert set(seen) <= set(made) and len(seen) == len(set(seen))
    live.client.close()


def test_a_gateway_that_ends_lets_live_readers_go(mock):
    with Signet(signet_toml(mock)) as signet:
        live = Live(signet)
        began = time.monotonic()
        signet.stop()
        assert time.monotonic() - began < 8
        live.client.close()


def test_without_a_record(mock):
    with Signet(config(openai_model("m", mock.url))) as signet:
        for path in ("/logs", "/logs/live", "/logs/export", "/overview", "/inferences/01900000-0000-7000-8000-000000000000"):
            got = request(signet, "GET", path)
            assert got.status == 404 and "gateway.observability.enabled" in got.message, path
        assert page(signet, "/health")["record"]["policy"] == "off"


@pytest.mark.parametrize("headers", [[("x-forwarded-for", "1.2.3.4")], [("forwarded", "for=1.2.3.4")], [("via", "1.1 p")], [("x-signet-remote", "1")]])
def test_who_comes_through_a_proxy_is_no_local_caller(signet, headers):
    assert request(signet, "GET", "/session", headers).status == 401
    assert request(signet, "GET", "/logs", headers).status == 401


@pytest.mark.parametrize("host,status", [("localhost", 200), ("localhost:3000", 200), ("127.0.0.1:1", 200), ("[::1]:80", 200), ("evil.test", 401),
                                         ("localhost.evil.test", 401), ("127.0.0.1.evil.test", 401), ("", 401)])
def test_a_page_that_bends_a_name_here_is_kept_out(signet, host, status):
    with raw.Client(signet.port) as c:
        c.send(f"GET /internal/signet/session HTTP/1.1\r\nhost: {host}\r\n\r\n".encode())
        assert c.read().status == status


def test_a_backlog_of_many_segments_is_one_list(mock):
    """While the store is locked the journal grows over several files; the newest is read first, and pages go on through all of them."""
    toml = config(openai_model("m", mock.url), record=True, extra="[journal]\nsegment_mb = 1\n")
    with Signet(toml) as signet:
        first = ask(signet, text="stored")
        record.wait_row(signet.data_dir, first)
        lock = sqlite3.connect(signet.data_dir + "/signet.db", timeout=5)
        lock.execute("begin immediate")
        try:
            made = [first] + [ask(signet, text=f"number {i} " + "x" * 20000) for i in range(60)]
            assert page(signet, "/health")["record"]["segments"] >= 3
            newest = sorted(made, reverse=True)
            assert ids(signet, limit=10) == newest[:10] and ids(signet, limit=1000) == newest
            assert page(signet, "/logs/count")["n"] == 61
            # each of them is judged by its words: on a busy machine the deadline may come first
            found = raw.wait_for(lambda: [got for got in [page(signet, "/logs", q="stored")] if "partial" not in got], 20)
            assert [r["id"] for r in found[0]["rows"]] == [first]
            seen, cursor = [], {}
            while cursor is not None:
                got = page(signet, "/logs", limit=7, **cursor)
                seen += [r["id"] for r in got["rows"]]
                cursor = {"cursor": got["next"]} if got["next"] else None
            assert seen == newest
            assert page(signet, "/inferences/" + made[1])["record"]["state"] == "journal"
        finally:
            lock.rollback()
            lock.close()
        for id in made:
            record.wait_row(signet.data_dir, id)
        assert ids(signet, limit=1000) == newest


def test_broken_json_in_old_rows(signet):
    id = ask(signet, text="will be damaged")
    record.wait_row(signet.data_dir, id)
    db = sqlite3.connect(signet.data_dir + "/signet.db", timeout=5)
    db.execute("update ChatInference set input = '{broken', tags = '[}', tool_params = '{', extra_body = '\"', inference_params = '{' where id = ?", (id,))
    db.execute("update ModelInference set spans = '[{', signature = '}' where inference_id = ?", (id,))
    db.commit()
    db.close()
    detail = page(signet, "/inferences/" + id)
    assert detail["input"]["inline"] == "{broken" and detail["tags"] == {} and detail["spans"] == [] and detail["attempts"][0]["signature"] is None
    assert id in ids(signet) and id not in ids(signet, **{"tag.team": ""})
    assert request(signet, "GET", f"/inferences/{id}/parts/input").body == b"{broken"
    assert request(signet, "GET", "/logs/export?parts=1").text.count("\n") > 1
    page(signet, "/overview", range="1h", by="tag:team")


def test_a_store_that_is_no_store(mock):
    """Truncated under a running gateway: an error that names the file, and the gateway goes on."""
    with Signet(signet_toml(mock)) as signet:
        id = ask(signet)
        record.wait_row(signet.data_dir, id)
        assert ids(signet) == [id]
        with open(signet.data_dir + "/signet.db", "r+b") as f:
            f.seek(100)
            f.write(b"\0" * 8000)
        got = request(signet, "GET", "/logs?model=m")
        assert got.status in (200, 500, 503)
        assert signet.get("/health") and request(signet, "GET", "/session").status == 200
        signet.kill9()


def test_an_inference_of_20_mb(signet, mock):
    text = "0123456789abcdef" * (20 << 16)
    id = ask(signet, text=text)
    (call,) = page(signet, "/inferences/" + id)["attempts"]
    detail = page(signet, "/inferences/" + id)
    assert detail["input"]["bytes"] > len(text) and detail["input"]["inline"] is None and len(detail["row"]["preview_in"]) <= 160
    got = request(signet, "GET", f"/inferences/{id}/parts/input", [("range", "bytes=1000000-1000015")])
    assert got.status == 206 and got.body in text.encode()
    assert len(request(signet, "GET", f"/inferences/{id}/parts/input").body) == detail["input"]["bytes"]
    assert len(json.dumps(page(signet, "/logs", limit=1))) < 2500
    record.wait_row(signet.data_dir, id, 30)
