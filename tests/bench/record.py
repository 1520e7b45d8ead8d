#!/usr/bin/env python3
"""What the record bears (docs/performance.md holds a run): 10,000 requests a second into journal and SQLite, a ClickHouse that is away
and comes back, and bytes on disk. One worker before nginx as the mock, wrk as the load: all of them share the machine's cores.

    record.py --signet build-release/signet [--quick] [--long] [ROW…]
"""

import argparse
import os
import pathlib
import shutil
import socket
import sqlite3
import statistics
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import bench
import machine
from bench import CHAT, Row
from machine import ROOT, Process, Wrong, start_wrk, wrk, wrk_result

RATE = 10_000    # asked for with a tenth more, because a pause is counted in whole milliseconds
AWAY_RATE = 2000
PYTHON = ROOT / ".venv/bin/python"


class Recorded:
    def __init__(self, args):
        self.args, self.rows = args, []
        self.folder = machine.scratch()
        self.seconds = 5 if args.quick else 300 if args.long else 20
        self.away_s = 8 if args.quick else 600 if args.long else 30
        port = machine.free_port()
        self.mock = machine.Nginx(self.folder / "mock", f"""server {{ listen 127.0.0.1:{port}; default_type application/json;
            location / {{ return 200 '{machine.ANSWER}'; }} }}""", port)
        self.body = self.folder / "body.json"
        self.body.write_text(machine.request_body("m"))

    def say(self, text):
        print(f"bench: {text}", file=sys.stderr, flush=True)

    def signet(self, name, toml="", env=None):
        model = (f'[models.m]\nrouting = ["p"]\n[models.m.providers.p]\ntype = "openai"\nmodel_name = "mock-model"\n'
                 f'api_base = "http://127.0.0.1:{self.mock.port}/v1/"\napi_key_location = "none"\n')
        return machine.Signet(pathlib.Path(self.args.signet).resolve(), self.folder / name, toml + model, ("--workers", "1"), env).ready()

    def run(self, measure, *names):
        rows = [Row(*n[0], **n[1]) for n in names]
        if self.args.words and not any(w in r.name for w in self.args.words for r in rows):
            return
        self.say(", ".join(r.name for r in rows))
        self.rows += rows
        try:
            measure(*rows)
        except (Wrong, OSError, subprocess.SubprocessError, sqlite3.Error, ValueError) as e:
            for row in rows:
                if row.value is None:
                    row.wrong(e if isinstance(e, Wrong) else f"{type(e).__name__}: {e}")

    # -- 10,000 a second ---------------------------------------------------------------------------------------------------------

    def backlogs(self, s, run):
        """The backlog in records, each half second, while the load runs."""
        out = []
        while run.poll() is None:
            out.append(s.metric("signet_sink_backlog_records"))
            time.sleep(0.5)
        return out

    def sustained(self, rate_row, backlog_row, disk_row):
        s = self.signet("sustained")
        wrk(s.port, CHAT, self.body, 2) # files, caches, the first checkpoint
        s.settle()
        before = s.metric("signet_journal_records_total")
        run = start_wrk(s.port, CHAT, self.body, self.seconds, rate=RATE * 11 // 10)
        backlog = self.backlogs(s, run)
        got = wrk_result(run, self.seconds)
        left, began = s.metric("signet_sink_backlog_records"), time.monotonic()
        s.settle(600)
        drained = time.monotonic() - began
        lost, recorded = s.metric("signet_journal_unrecorded_total"), s.metric("signet_journal_records_total") - before
        journal = s.metric("signet_journal_bytes_total") / s.metric("signet_journal_records_total")
        s.stop()
        if lost or recorded < got["done"]:
            raise Wrong(f"{got['done']} answers, {recorded:.0f} records, {lost:.0f} counted as unrecorded")
        rate_row.set(got["rate"], note=f"{got['done']} requests in {self.seconds} s, p99 {got['p99_ms']:.1f} ms, all recorded")
        half = len(backlog) // 2
        first, last = statistics.mean(backlog[half // 2:half]), statistics.mean(backlog[-(half // 2):])
        backlog_row.set((last - first) / (self.seconds / 2) / got["rate"] * 100, f"{last:.0f}", f"{first:.0f}",
                        f"records behind in the second and the last quarter; at most {max(backlog):.0f}; the {left:.0f} at the end took {drained:.1f} s")
        self.on_disk(s, disk_row, journal)
        shutil.rmtree(s.data)

    def on_disk(self, s, row, journal):
        db = sqlite3.connect(s.data / "signet.db")
        inferences = db.execute("SELECT count(*) FROM InferenceById").fetchone()[0]
        db.close()
        export = s.data / "export.ndjson"
        done = subprocess.run([self.args.signet, "store", "export", "--data-dir", str(s.data), "--out", str(export), "--from", "2020-01-01T00:00:00Z"],
                              capture_output=True, text=True)
        if done.returncode:
            raise Wrong(f"store export: {done.stderr[-300:]}")
        json_bytes = export.stat().st_size / inferences
        files = sum(f.stat().st_size for f in s.data.glob("signet.db*")) / inferences
        row.set(files, f"{json_bytes:.0f} B", f"{self.body.stat().st_size + len(machine.ANSWER)} B",
                f"floor: request and answer; Signet: its rows as JSON (store export). The journal has {journal:.0f} B a request until they are delivered")

    # -- ClickHouse away -----------------------------------------------------------------------------------------------------------

    def away(self, memory_row, drain_row):
        if not PYTHON.exists():
            raise Wrong("the tests' ClickHouse is not here: ./dev setup test")
        with socket.socket() as held: # nobody listens: refused
            held.bind(("127.0.0.1", 0))
            port = held.getsockname()[1]
        s = self.signet("away", env={"TENSORZERO_CLICKHOUSE_URL": f"http://signet:pw@127.0.0.1:{port}/bench"})
        wrk(s.port, CHAT, self.body, 2, rate=AWAY_RATE)
        time.sleep(2)
        first = s.memory_kib()
        run = start_wrk(s.port, CHAT, self.body, self.away_s, rate=AWAY_RATE * 11 // 10)
        most = first
        while run.poll() is None:
            most = max(most, s.memory_kib())
            time.sleep(0.5)
        got = wrk_result(run, self.away_s)
        lost = s.metric("signet_journal_unrecorded_total")
        if lost or got["rate"] < AWAY_RATE * 0.9:
            raise Wrong(f"{got['rate']:.0f} requests/s, {lost:.0f} counted as unrecorded")
        memory_row.set((most - first) / 1024, f"{most / 1024:.1f} MB", f"{first / 1024:.1f} MB",
                       f"{got['done']} requests in {self.away_s} s at {got['rate']:.0f}/s, p99 {got['p99_ms']:.1f} ms")
        self.drain(s, port, drain_row, got["rate"])
        s.stop()
        shutil.rmtree(s.data)

    def drain(self, s, port, row, rate):
        """ClickHouse comes back. Its engine runs beside on the same cores, so this is its pace as much as the sink's."""
        behind = s.metric("signet_sink_backlog_records")
        server = Process([str(PYTHON), str(ROOT / "tests/clickhouse/server.py"), str(self.folder / "clickhouse"), "--user", "signet", "--password", "pw",
                          "--port", str(port)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        if not server.child.stdout.readline().startswith("url "):
            raise Wrong("the tests' ClickHouse does not start")
        began, now = time.monotonic(), behind
        first = None
        while now > behind / 100:
            if time.monotonic() - began > 900:
                raise Wrong(f"{now:.0f} of {behind:.0f} records are still there after 900 s")
            time.sleep(0.2)
            now = s.metric("signet_sink_backlog_records")
            if first is None and now < behind * 0.95: # it was found, the schema is made
                first = (time.monotonic(), now)
        pace = (first[1] - now) / max(0.2, time.monotonic() - first[0])
        row.set(pace / rate, f"{pace:.0f}/s", f"{rate:.0f}/s", f"{behind:.0f} records, {time.monotonic() - began:.1f} s after ClickHouse came back all but a hundredth are there")
        server.stop()

    def table(self):
        self.run(self.sustained, (("requests a second, all recorded", "/s", RATE), {"least": True}), (("growth of the backlog meanwhile, of the arrivals", "%", 1), {}),
                 (("bytes on disk a request", "B"), {}))
        self.run(self.away, (("ClickHouse away: memory grows", "MB", 10), {}), (("ClickHouse back: the backlog drains, of the arrivals", "x", 5), {"least": True}))


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--signet", required=True)
    p.add_argument("--quick", action="store_true")
    p.add_argument("--long", action="store_true")
    p.add_argument("--markdown", action="store_true")
    p.add_argument("words", nargs="*", metavar="ROW")
    args = p.parse_args()
    machine.raise_file_limit()
    print(bench.describe())
    recorded = None
    try:
        recorded = Recorded(args)
        recorded.table()
        head = ["figure", "before, floor", "Signet"]
        status = bench.print_rows(recorded.rows, head)
        if args.markdown:
            bench.print_markdown(recorded.rows, head)
        return status
    finally:
        Process.stop_all()
        if recorded and not os.environ.get("BENCH_KEEP"):
            shutil.rmtree(recorded.folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
