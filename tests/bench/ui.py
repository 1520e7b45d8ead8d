#!/usr/bin/env python3
"""What pages cost: the routes of the web UI at a million rows in SQLite (docs/performance.md holds a run).

The rows are made by bench-rows and kept in build-rows/. Each question is asked TRIES times over one kept-alive connection; its time
is the route's own (`took_ms`: from the request's last byte to the answer's first), its CPU that of every thread but the drainer's.
The median is held against the bar; the worst stands beside it.

    ui.py --signet build-release/signet --rows-tool build-release/bench-rows [--rows N] [--quick] [ROW…]
"""

import argparse
import gzip
import http.client
import json
import os
import pathlib
import re
import shutil
import statistics
import sys
import threading
import time
import urllib.parse

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import bench
import machine
import stored
from bench import BEHIND, CHAT, Row
from machine import Process, Wrong, wrk

NOT_READERS = BEHIND | {"signet-journal", "signet-keys"}
READERS = 10
POLL_S = 5 # as Overview does
MONTH = {"range": "30d"}

LISTS = [ # parameters, what it is
    ({}, "newest"), ({"fn": "tensorzero::default"}, "frequent"), ({"fn": "function-11"}, "rare"), ({"variant": "v3"}, ""), ({"model": "gpt-4o"}, "frequent"),
    ({"model": "model-19"}, "rare"), ({"provider": "groq"}, ""), ({"key": "key000000000"}, "frequent"), ({"key": "key000000199"}, "rare"),
    ({"surface": "chat"}, "frequent"), ({"surface": "completions"}, "rare"), ({"type": "chat"}, ""), ({"finish": "stop"}, "frequent"), ({"finish": "length"}, "rare"),
    ({"error_kind": "rate_limit"}, ""), ({"error_kind": "quota"}, "rare"), ({"status": "ok"}, ""), ({"status": "error"}, ""), ({"status": "4xx"}, ""),
    ({"status": "5xx"}, ""), ({"status": "429"}, ""), ({"status": "cancelled"}, ""), ({"status": "truncated"}, "rare"), ({"stream": 1}, ""), ({"cached": 1}, "rare"),
    ({"signed": 1}, "rare"), ({"fallback": 1}, "rare"), ({"fallback": 0}, ""), ({"min_ms": 2000}, "frequent"), ({"min_ms": 30000}, "rare"), ({"max_ms": 100}, "rare"),
    ({"min_ttft": 4000}, "rare"), ({"min_cost": "0.02"}, "rare"), ({"min_in": 8000}, "rare"), ({"min_out": 3000}, "rare"), ({"tag.team": "team-7"}, "frequent"),
    ({"tag.user": "u2999"}, "rare"), ({"tag.team": ""}, "has it"), ({"fn": "!support"}, "not"), ({"model": "nobody"}, "none")]
WORDS = [("refund", "English, frequent"), ("退款", "Chinese, frequent"), ("zyzzyva", "English, rare"), ("麒麟", "Chinese, rare"), ("nowhereatall", "none"),
         ("refund invoice", "two words"), ('"refund policy"', "phrase"), ("refund -invoice", "minus")]
BYS = ["", "model", "function", "provider", "variant", "key", "surface"]
BESIDE = [({**MONTH, "by": "tag:team"}, "by=tag:team, from the rows"), ({**MONTH, "status": "error"}, "status=error, from the rows"),
          ({**MONTH, "stream": 1}, "stream=1, from the rows"), ({"range": "24h", "by": "model"}, "24h by=model"), ({"range": "7d", "by": "key"}, "7d by=key")]
COUNTS = [{}, {"model": "gpt-4o"}, {"status": "error"}, {"key": "key000000003"}]


class Pages:
    def __init__(self, args):
        self.args, self.rows = args, []
        self.tries = 5 if args.quick else 20
        self.folder = machine.scratch()
        made, _ = stored.stored(pathlib.Path(args.rows_tool), args.rows, say=self.say)
        self.start_mock()
        self.signet = self.gateway(made.parent) # it adds no inference here, so the next run finds the same rows
        self.say("waiting until the last hours are summed up")
        stored.wait_until_done(self.signet.data)
        self.connection = http.client.HTTPConnection("127.0.0.1", self.signet.port, timeout=60)

    def start_mock(self):
        port = machine.free_port()
        self.mock = machine.Nginx(self.folder / "mock", f"""server {{ listen 127.0.0.1:{port}; default_type application/json;
            location / {{ return 200 '{machine.ANSWER}'; }} }}""", port)

    def gateway(self, folder):
        toml = (f'[models.m]\nrouting = ["p"]\n[models.m.providers.p]\ntype = "openai"\nmodel_name = "mock-model"\n'
                f'api_base = "http://127.0.0.1:{self.mock.port}/v1/"\napi_key_location = "none"\n')
        return machine.Signet(pathlib.Path(self.args.signet).resolve(), folder, toml, ("--workers", "1")).ready()

    def say(self, text):
        print(f"bench: {text}", file=sys.stderr, flush=True)

    # -- asking --------------------------------------------------------------------------------------------------------------

    def get(self, path, params=None, connection=None):
        c = connection or self.connection
        c.request("GET", "/internal/signet" + path + ("?" + urllib.parse.urlencode(params, doseq=True) if params else ""), headers={"host": "localhost"})
        answer = c.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise Wrong(f"{path} {params}: {answer.status} {body[:200]!r}")
        return json.loads(body)

    def cpu(self):
        return sum(v for k, v in self.signet.threads_ns().items() if k not in NOT_READERS) / 1e6

    def ask(self, name, bar, path, params=None, tell=lambda got: "", paths=None):
        """One row: `paths` are asked in turn, else `path` each time."""
        if self.args.words and not any(w in name for w in self.args.words):
            return
        row = Row(name, "ms", bar)
        self.rows.append(row)
        try:
            took, cpu, partial = [], [], False
            for i in range(self.tries + 1): # the first one warms the reader's cache
                before = self.cpu()
                got = self.get(paths[i % len(paths)] if paths else path, params)
                cpu.append(self.cpu() - before)
                took.append(got["took_ms"])
                partial |= bool(got.get("partial"))
            row.set(statistics.median(took[1:]), f"worst {max(took[1:]):.1f} ms", f"CPU {statistics.median(cpu[1:]):.1f} ms",
                    tell(got) + (" PARTIAL" if partial else ""))
            if partial and bar:
                row.wrong("the deadline came first: " + row.note)
        except (Wrong, OSError, http.client.HTTPException, KeyError) as e:
            row.wrong(f"{type(e).__name__}: {e}")
            self.connection.close()

    def lists(self):
        for params, what in LISTS:
            name = "list: " + (", ".join(f"{k}={v}" for k, v in params.items()) or "the newest page") + (f" ({what})" if what and params else "")
            self.ask(name, 50, "/logs", params, lambda got: f"{len(got['rows'])} rows")
        middle = self.get("/logs", {"to": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 15 * 86400)), "limit": 1})["next"]
        self.ask("list: a page in the middle", 50, "/logs", {"cursor": middle}, lambda got: f"{len(got['rows'])} rows")

    def charts(self):
        for by in BYS:
            self.ask("chart of 30 days" + (f", by={by}" if by else ""), 50, "/overview", {**MONTH, **({"by": by} if by else {})},
                     lambda got: f"{len(got['series'])} series of {len(got['series'][0]['n'])}, {got['total']['n']} rows")
        self.ask("histogram of 30 days", 50, "/logs/histogram", MONTH, lambda got: f"{sum(got['ok']) + sum(got['err'])} rows")
        for params, what in BESIDE:
            self.ask("chart, " + what, None, "/overview", params, lambda got: f"{got['total']['n']} rows")

    def counts(self):
        for params in COUNTS:
            self.ask("count: " + (", ".join(f"{k}={v}" for k, v in params.items()) or "all"), 50, "/logs/count", params,
                     lambda got: f"{got['n']}{'' if got['exact'] else ' or more'}")
        self.ask("values of a filter: fn, model, provider, key", None, "/logs/facets", {"dim": ["fn", "model", "provider", "key"]},
                 lambda got: f"{sum(len(v) for v in got['facets'].values())} values")

    def words(self):
        for q, what in WORDS:
            self.ask(f"words: {q} ({what})", 200, "/logs", {"q": q}, lambda got: f"{len(got['rows'])} rows")

    def one(self):
        ids = [r["id"] for r in self.get("/logs", {"limit": 200})["rows"]]
        self.ask("one inference", 20, None, paths=["/inferences/" + i for i in ids[::7]])

    def first_load(self):
        """All that a browser fetches before the first page is there: what index.html names, and what those import at once."""
        row = Row("first load of the UI, gzip", "KB", 350)
        if self.args.words and not any(w in row.name for w in self.args.words):
            return
        self.rows.append(row)
        c = http.client.HTTPConnection("127.0.0.1", self.signet.port, timeout=20)

        def fetch(path):
            c.request("GET", path, headers={"host": "localhost", "accept-encoding": "gzip"})
            answer = c.getresponse()
            body = answer.read()
            if answer.status != 200:
                raise Wrong(f"{path}: {answer.status}")
            if answer.headers.get("content-encoding") != "gzip":
                return len(gzip.compress(body)), body.decode()
            return len(body), gzip.decompress(body).decode()

        try:
            size, page = fetch("/ui/")
            todo, seen = re.findall(r'(?:src|href)="([^"]+\.(?:js|css))"', page), set()
            while todo:
                path = urllib.parse.urljoin("/ui/", todo.pop())
                if path in seen:
                    continue
                seen.add(path)
                n, text = fetch(path)
                size += n
                if path.endswith(".js"): # static imports only: pages that are loaded when they are opened do not count
                    todo += [urllib.parse.urljoin(path, m) for m in re.findall(r'(?:\bfrom|\bimport)\s*"(\./[^"]+\.js)"', text)]
            if not seen:
                raise Wrong("this build has no UI (node was missing)")
            row.set(size / 1000, note=f"{len(seen) + 1} files")
        except (Wrong, OSError, http.client.HTTPException) as e:
            row.wrong(e)

    # -- readers beside the API ----------------------------------------------------------------------------------------------

    def readers(self):
        row = Row("ten readers polling: the API's p99", "%", 10)
        if self.args.words and not any(w in row.name for w in self.args.words):
            return
        self.rows.append(row)
        self.signet.stop() # requests are recorded: in a store of its own
        made, _ = stored.stored(pathlib.Path(self.args.rows_tool), min(self.args.rows, 200_000), say=self.say)
        stored.copy(made, self.folder / "readers" / "data")
        self.signet = self.gateway(self.folder / "readers")
        body = self.folder / "body.json"
        body.write_text(machine.request_body("m"))
        seconds, rounds = (3, 2) if self.args.quick else (15, 5)
        asked = [0]

        def read(stop):
            c = http.client.HTTPConnection("127.0.0.1", self.signet.port, timeout=30)
            while not stop.is_set():
                for path, params in (("/overview", {"range": "24h"}), ("/health", None), ("/logs", {"limit": 100})):
                    self.get(path, params, c)
                    asked[0] += 1
                stop.wait(POLL_S)

        def measure(n):
            stop = threading.Event()
            threads = [threading.Thread(target=read, args=(stop,)) for _ in range(n)]
            for t in threads:
                t.start()
                time.sleep(POLL_S / READERS / 5)
            try:
                return wrk(self.signet.port, CHAT, body, seconds, rate=1000)["p99_ms"]
            finally:
                stop.set()
                for t in threads:
                    t.join()

        try:
            measure(0)
            pairs = [(measure(0), measure(READERS)) for _ in range(rounds)]
            alone, beside = (statistics.median(p[i] for p in pairs) for i in (0, 1))
            row.set((beside / alone - 1) * 100, f"{beside:.2f} ms", f"{alone:.2f} ms", f"{asked[0]} pages read in {rounds} rounds at 1,000 requests/s")
        except (Wrong, OSError, http.client.HTTPException) as e:
            row.wrong(e)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--signet", required=True)
    p.add_argument("--rows-tool", required=True)
    p.add_argument("--rows", type=int, default=1_000_000)
    p.add_argument("--quick", action="store_true")
    p.add_argument("--markdown", action="store_true")
    p.add_argument("words", nargs="*", metavar="ROW")
    args = p.parse_args()
    machine.raise_file_limit()
    print(f"{bench.describe()}; {args.rows} rows")
    pages = None
    try:
        pages = Pages(args)
        for part in (pages.lists, pages.counts, pages.charts, pages.words, pages.one, pages.first_load, pages.readers):
            part()
        head = ["figure", "CPU, floor", "worst", "median", "bar"]
        status = bench.print_rows(pages.rows, head)
        if args.markdown:
            bench.print_markdown(pages.rows, head)
        return status
    finally:
        Process.stop_all()
        if pages and not os.environ.get("BENCH_KEEP"):
            shutil.rmtree(pages.folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
