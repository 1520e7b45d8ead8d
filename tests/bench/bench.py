#!/usr/bin/env python3
"""The table of costs: Signet beside nginx's proxy_pass in one run (docs/performance.md holds one with its machine described).

nginx is the mock upstream and, in a second instance of one worker, the floor; Signet runs one worker too. wrk -t2 -c64 sends ~1.1 KB
requests, the mock answers ~0.6 KB. Each figure is CPU of the measured process per completed and correct answer, the median of several
rounds that alternate between the two, so that a busy neighbour falls on both. Rows whose run had a wrong answer fail.

    bench.py --signet build-release/signet --tool build-release/bench-tool [--quick] [--long] [--peer] [ROW…]
"""

import argparse
import contextlib
import json
import os
import pathlib
import shutil
import sqlite3
import statistics
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import machine
from machine import ANSWER, ROOT, Nginx, Process, Signet, Source, Wrong, free_port, request_body, streams, streams_result, wrk

FAST_EVENTS = 2000
PACE_US = 5000
BEHIND = {"signet-drainer", "signet-sync"} # threads that no answer waits for
CHAT = "/v1/chat/completions"


class Row:
    """One line of the table. `bar`, `goal`: the most that `value` may be, or with `least` the least; None = printed only."""

    def __init__(self, name, unit, bar=None, goal=None, least=False):
        self.name, self.unit, self.bar, self.goal, self.least = name, unit, bar, goal, least
        self.value = self.floor = self.figure = None
        self.note = ""

    def set(self, value, figure="", floor="", note=""):
        self.value, self.figure, self.floor, self.note = value, figure, floor, note

    def wrong(self, why):
        self.value, self.note = None, f"WRONG: {why}"

    @property
    def passed(self):
        return self.value is not None and (self.bar is None or self.reaches(self.bar))

    def reaches(self, mark):
        return self.value >= mark if self.least else self.value <= mark

    def cells(self):
        show = lambda x: "" if x is None else f"{x:.2f}{self.unit}" if self.unit == "x" else f"{x:.1f} {self.unit}"
        result = "FAIL" if not self.passed else "" if self.bar is None else "pass" if self.goal is None or not self.reaches(self.goal) else "pass, goal"
        return [self.name, self.floor or "", self.figure or "", show(self.value), show(self.bar), show(self.goal), result, self.note]


class Bench:
    def __init__(self, args):
        self.args = args
        self.folder = machine.scratch()
        self.tool = pathlib.Path(args.tool)
        self.seconds = 2 if args.quick else 8
        self.rounds = 2 if args.quick else 5
        self.rows: list[Row] = []
        mock, proxy = free_port(), free_port()
        self.source = Source(self.tool)
        self.mock = Nginx(self.folder / "mock", f"""server {{ listen 127.0.0.1:{mock}; default_type application/json;
            location / {{ return 200 '{ANSWER}'; }} }}""", mock)
        self.proxy = Nginx(self.folder / "proxy", f"""
            upstream plain {{ server 127.0.0.1:{mock}; keepalive 128; }}
            upstream events {{ server 127.0.0.1:{self.source.port}; keepalive 128; }}
            server {{ listen 127.0.0.1:{proxy}; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_read_timeout 1000s;
            location / {{ proxy_pass http://plain; }}
            location ~ /(fast|pace|hold)- {{ proxy_pass http://events; proxy_buffering off; }} }}""", proxy)
        self.bodies = {}

    # -- pieces ------------------------------------------------------------------------------------------------------------

    def body(self, model, stream=False, size=1100):
        key = f"{model}-{stream}-{size}"
        if key not in self.bodies:
            self.bodies[key] = self.folder / f"body-{key}.json"
            self.bodies[key].write_text(request_body(model, stream, size))
        return self.bodies[key]

    def models(self, *modes):
        """TOML of model `m` on the mock, `signed` the same with the sample signer, and one model for each mode of the source."""
        def model(name, base, more=""):
            return (f'[models.{name}]\nrouting = ["p"]\n[models.{name}.providers.p]\ntype = "openai"\nmodel_name = "mock-model"\n'
                    f'api_base = "{base}/v1/"\napi_key_location = "none"\n{more}')
        text = model("m", f"http://127.0.0.1:{self.mock.port}")
        if self.args.signer:
            text += model("signed", f"http://127.0.0.1:{self.mock.port}",
                          f'signer = {{ path = "{pathlib.Path(self.args.signer).resolve()}", device_id = "bench-device" }}\n')
        for mode in modes:
            text += model(mode.split("-")[0], f"http://127.0.0.1:{self.source.port}/{mode}")
        return text

    def signet(self, name, toml, record=False, flags=("--workers", "1"), env=None):
        off = "" if record else "[gateway.observability]\nenabled = false\n"
        return Signet(pathlib.Path(self.args.signet).resolve(), self.folder / name, off + toml, flags, env).ready()

    def say(self, text):
        print(f"bench: {text}", file=sys.stderr, flush=True)

    def run(self, names, measure):
        """Runs one measurement that fills these rows; what goes wrong in it fails them."""
        rows = [Row(*n) for n in names]
        if self.args.rows and not any(w in r.name for w in self.args.rows for r in rows):
            return
        self.say(", ".join(r.name for r in rows))
        self.rows += rows
        try:
            measure(*rows)
        except (Wrong, OSError, subprocess.SubprocessError, sqlite3.Error, ValueError, IndexError) as e:
            for row in rows:
                if row.value is None:
                    row.wrong(f"{type(e).__name__}: {e}" if not isinstance(e, Wrong) else e)

    def requests(self, process, port, path, body, before=None):
        """us of CPU per request of one round."""
        start = process.cpu_ns()
        got = wrk(port, path, body, self.seconds)
        return {"us": (process.cpu_ns() - start) / 1000 / got["done"], **got}

    def alternate(self, *measures):
        """Medians of the measures' `us`, taken in turns; a first turn of each is thrown away."""
        seconds, self.seconds = self.seconds, 1
        for m in measures:
            m()
        self.seconds = seconds
        results = [[] for _ in measures]
        for _ in range(self.rounds):
            for m, out in zip(measures, results):
                out.append(m())
        return [statistics.median(r["us"] for r in out) for out in results], results

    # -- rows ----------------------------------------------------------------------------------------------------------------

    def plain(self, row, signed=None, peer=None):
        s = self.signet("plain", self.models())
        measures = [lambda: self.requests(self.proxy, self.proxy.port, CHAT, self.body("m")),
                    lambda: self.requests(s, s.port, CHAT, self.body("m"))]
        if signed:
            measures.append(lambda: self.requests(s, s.port, CHAT, self.body("signed")))
        if peer:
            p = Peer(self)
            measures.append(lambda: self.requests(p, p.port, "/openai/v1/chat/completions", self.body("tensorzero::model_name::m")))
        us, all_rounds = self.alternate(*measures)
        rate = [statistics.median(r["rate"] for r in out) for out in all_rounds]
        floor = f"{us[0]:.1f} us"
        row.set(us[1] / us[0], f"{us[1]:.1f} us", floor, f"{rate[1]:.0f}/s, nginx {rate[0]:.0f}/s")
        if signed:
            signed.set(us[2] - us[1], f"{us[2]:.1f} us", f"{us[1]:.1f} us", "floor here: Signet unsigned")
        if peer:
            peer.set(us[-1] / us[0], f"{us[-1]:.1f} us", floor, f"{rate[-1]:.0f}/s")
        s.stop()

    def recorded(self, path_row, whole_row, words_row):
        """Rounds are half as long and each has a data directory of its own: where files grow by gigabytes the figure becomes
        that of the kernel, and on a virtual machine of the host, finding pages for the page cache (docs/performance.md)."""
        totals = {"answers": 0, "rows": 0}

        def measure(search):
            s = self.signet("recorded", f'[store.sqlite]\nsearch = "{search}"\n' + self.models(), record=True)
            answers = wrk(s.port, CHAT, self.body("m"), 1)["done"]
            s.settle()
            cpu, threads = s.cpu_ns(), s.threads_ns()
            got = wrk(s.port, CHAT, self.body("m"), self.seconds / 2)
            now = s.threads_ns()
            behind = sum(now[n] - threads.get(n, 0) for n in now if n in BEHIND)
            on_path = s.cpu_ns() - cpu - behind
            s.settle() # what the drainer still has to do belongs to these requests too
            whole = s.cpu_ns() - cpu
            lost, names = s.metric("signet_journal_unrecorded_total"), s.threads_ns()
            s.stop()
            rows = sqlite3.connect(s.data / "signet.db").execute("SELECT count(*) FROM ChatInference").fetchone()[0]
            shutil.rmtree(s.data)
            answers += got["done"]
            if lost or rows < answers:
                raise Wrong(f"{answers} answers, {rows} rows, {lost:.0f} counted as unrecorded")
            if not BEHIND <= set(names):
                raise Wrong(f"the threads behind the answer's path are not there: {', '.join(sorted(names))}")
            totals["answers"] += answers
            totals["rows"] += rows
            return {"us": whole / 1000 / got["done"], "path": on_path / 1000 / got["done"], **got}

        (floor, whole, indexed), rounds = self.alternate(
            lambda: self.requests(self.proxy, self.proxy.port, CHAT, self.body("m")), lambda: measure("off"), lambda: measure("words"))
        path = statistics.median(r["path"] for r in rounds[1])
        path_row.set(path / floor, f"{path:.1f} us", f"{floor:.1f} us", f"{totals['answers']} answers, {totals['rows']} rows")
        whole_row.set(whole / floor, f"{whole:.1f} us", f"{floor:.1f} us", "without the word index")
        words_row.set(indexed - whole, f"{indexed:.1f} us", f"{whole:.1f} us", "floor here: the same without")

    @contextlib.contextmanager
    def own_core(self, *measured):
        """What is measured on one core, its load on the others: with a wake-up an event the figure is otherwise that of where
        the kernel happens to wake whom (docs/performance.md)."""
        all_cores = os.sched_getaffinity(0)
        *others, last = sorted(all_cores)
        if others:
            for process in measured:
                process.use_cores({last})
            self.source.use_cores(others)
            os.sched_setaffinity(0, others)
        try:
            yield
        finally: # the rows after a wrong one are not to be confined
            os.sched_setaffinity(0, all_cores)
            for process in (*measured, self.source):
                process.use_cores(all_cores)

    def events(self, fast_row, pace_row):
        pace_count = self.seconds * 1_000_000 // PACE_US
        fast, pace = f"fast-{FAST_EVENTS}", f"pace-{PACE_US}-{pace_count}"
        s = self.signet("events", self.models(fast, pace))

        def one(process, port, path, body, connections, seconds, each, count):
            before = process.cpu_ns()
            run = streams(self.tool, port, path, body, connections, seconds, count)
            got = streams_result(run, each)
            return {"us": (process.cpu_ns() - before) / 1000 / got["events"], **got}

        def measure(row, mode, connections, each, count):
            name = mode.split("-")[0]
            seconds = self.seconds if count == 0 else 1
            us, got = self.alternate(
                lambda: one(self.proxy, self.proxy.port, f"/{mode}/v1/chat/completions", self.body("m", True), connections, seconds, each, count),
                lambda: one(s, s.port, CHAT, self.body(name, True), connections, seconds, each, count))
            row.set(us[1] / us[0], f"{us[1]:.2f} us", f"{us[0]:.2f} us", f"{connections} connections, {sum(g['events'] for g in got[1])} events counted")

        try:
            measure(fast_row, fast, 16, FAST_EVENTS + 2, 0)
        except Wrong as e:
            fast_row.wrong(e)
        with self.own_core(self.proxy, s):
            measure(pace_row, pace, 50, pace_count + 2, 1)
        s.stop()

    def idle_streams(self, row):
        n = 500 if self.args.quick else 5000
        hold = 6000 if self.args.quick else 25000
        s = self.signet("idle", self.models(f"hold-{hold}", f"fast-{FAST_EVENTS}"))
        streams_result(streams(self.tool, s.port, CHAT, self.body("fast", True), 16, 1), FAST_EVENTS + 2)
        before = s.memory_kib()
        run = streams(self.tool, s.port, CHAT, self.body("hold", True), n, 0, 1)
        run.stdout.readline()
        time.sleep(hold / 1000 * 0.7)
        open_now = s.metric("signet_streams")
        during = s.memory_kib()
        got = streams_result(run, 3)
        if got["streams"] != n or open_now < n:
            raise Wrong(f"{open_now:.0f} streams were open, {got['streams']} of {n} ended well")
        row.set((during - before) / n, f"{during / 1024:.1f} MB", f"{before / 1024:.1f} MB", f"{n} open streams, all ended well")
        s.stop()

    def idle_connections(self, row):
        n = 1000 if self.args.quick else 10000
        s = self.signet("keepalive", self.models())
        before = s.memory_kib()
        run = subprocess.Popen([str(self.tool), "idle", "127.0.0.1", str(s.port), "/health", str(n)], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, text=True)
        first = json.loads(run.stdout.readline())["answered"]
        time.sleep(3)
        during = s.memory_kib()
        run.stdin.write("again\n")
        run.stdin.flush()
        again = json.loads(run.stdout.readline())["answered"]
        run.stdin.close()
        run.wait()
        if first != n or again != n:
            raise Wrong(f"{first} and then {again} of {n} connections were answered")
        row.set((during - before) / n, f"{during / 1024:.1f} MB", f"{before / 1024:.1f} MB", f"{n} connections held, answered twice")
        s.stop()

    def start(self, time_row, memory_row, binary_row):
        signer = f'signer = {{ path = "{pathlib.Path(self.args.signer).resolve()}" }}\n' if self.args.signer else ""
        toml = '[models.rust-proxy]\nrouting = ["devapi"]\n[models.rust-proxy.providers.devapi]\ntype = "rust-proxy"\nmodel_name = "x"\n' + signer
        env = {"API_ENDPOINT": "http://127.0.0.1:9/stream/chat", "DEVICE_ID": "bench", "SID": "bench"}
        times, memory = [], []
        for _ in range(3 if self.args.quick else 11):
            begin = time.monotonic()
            s = Signet(pathlib.Path(self.args.signet).resolve(), self.folder / "start", toml, ("--workers", "1"), env)
            first_answer(s)
            times.append((time.monotonic() - begin) * 1000)
            memory.append(s.memory_kib() / 1024)
            s.stop()
        cached = list((self.folder / "start" / "data" / "modules").glob("*.cwasm"))
        if self.args.signer and not cached:
            raise Wrong("no compiled module was cached")
        time_row.set(statistics.median(times[1:]), note=f"first start, compiling the signer: {times[0]:.0f} ms; the rest {min(times[1:]):.0f} to {max(times[1:]):.0f}")
        memory_row.set(statistics.median(memory[1:]))
        stripped = self.folder / "signet-stripped"
        subprocess.run(["strip", "-o", str(stripped), self.args.signet], check=True)
        binary_row.set(stripped.stat().st_size / 1e6)

    def soak_requests(self, row):
        total = 20_000 if self.args.quick else 1_000_000
        s = self.signet("soak", self.models(), record=True)
        done, after_tenth, began = 0, None, time.monotonic()
        while done < total:
            done += wrk(s.port, CHAT, self.body("m", size=300), 5 if self.args.quick else 10)["done"]
            if after_tenth is None and done >= total / 10:
                s.settle()
                after_tenth = s.memory_kib()
        s.settle(600)
        end = s.memory_kib()
        row.set((end / after_tenth - 1) * 100, f"{end / 1024:.1f} MB", f"{after_tenth / 1024:.1f} MB",
                f"{done} requests with the record on in {time.monotonic() - began:.0f} s")
        s.stop()
        shutil.rmtree(s.data, ignore_errors=True)

    def soak_stream(self, row):
        seconds = 10 if self.args.quick else 600
        mode = f"short-1000-{seconds * 1000}" # 600,000 longer events would pass the 100 MiB that an answer may have
        s = self.signet("longstream", self.models(mode))
        run = streams(self.tool, s.port, CHAT, self.body("short", True), 1, seconds, 1)
        time.sleep(seconds / 10)
        first, most = s.memory_kib(), 0
        while run.poll() is None:
            most = max(most, s.memory_kib())
            time.sleep(1)
        got = streams_result(run, seconds * 1000 + 2)
        row.set((most / first - 1) * 100, f"{most / 1024:.1f} MB", f"{first / 1024:.1f} MB", f"{got['events']} events in one stream")
        s.stop()

    # -- the table -------------------------------------------------------------------------------------------------------------

    def table(self):
        optional = []
        if self.args.signer:
            optional.append(("signed: CPU added to a request", "us", 15, 7))
        if self.args.peer:
            optional.append(("TensorZero 2026.6, log off: CPU a request", "x"))
        plain = lambda row, *more: self.plain(row, more[0] if self.args.signer else None, more[-1] if self.args.peer else None)
        self.run([("record off: CPU a request", "x", 1.5, 1.1), *optional], plain)
        self.run([("record on: CPU a request, the answer's path", "x", 1.8, 1.3), ("record on: CPU a request, whole process", "x", 4.0, 2.5),
                  ("word index: CPU added to a request", "us", 60, 40)], self.recorded)
        self.run([("CPU a streamed event, as fast as they come", "x", 1.2, 0.7), ("CPU a streamed event, one each 5 ms", "x", 1.2, 0.95)], self.events)
        self.run([("memory of an idle open stream", "KiB", 24, 16)], self.idle_streams)
        self.run([("memory of an idle keep-alive connection", "KiB")], self.idle_connections)
        self.run([("start to first answer, module cached", "ms", 150, 50), ("resident at start", "MB", 40, 20), ("binary, stripped", "MB", 25, 20)], self.start)
        if self.args.long:
            self.run([("growth over 1,000,000 requests", "%", 5)], self.soak_requests)
            self.run([("growth over a 10-minute stream of 1,000 events/s", "%", 5)], self.soak_stream)


HEAD = ["figure", "nginx", "Signet", "value", "bar", "goal"]


def print_rows(rows, head=HEAD):
    """The table on standard output; the exit status that belongs to it."""
    cells = [[*head, *HEAD[len(head):], "result", ""]] + [r.cells() for r in rows]
    widths = [max(len(c[i]) for c in cells) for i in range(7)]
    for c in cells:
        print("  ".join(x.ljust(w) if i in (0, 6) else x.rjust(w) for i, (x, w) in enumerate(zip(c, widths))) + "  " + c[7])
    bad = [r.name for r in rows if not r.passed]
    print(f"\n{len(rows) - len(bad)} of {len(rows)} rows hold" + (f"; not: {'; '.join(bad)}" if bad else ""))
    return 1 if bad or not rows else 0


def print_markdown(rows, head=("figure", "nginx or floor", "Signet", "value", "bar", "goal")):
    print("\n| " + " | ".join([*head, *HEAD[len(head):]]) + " | result | |\n|---|---|---|---|---|---|---|---|")
    for r in rows:
        print("| " + " | ".join(r.cells()) + " |")


def first_answer(s):
    import http.client

    while s.child.poll() is None:
        try:
            c = http.client.HTTPConnection("127.0.0.1", s.port, timeout=5)
            c.request("GET", "/health")
            if c.getresponse().read():
                return
        except OSError:
            time.sleep(0.001)
    raise Wrong(f"signet ended: {s.log.read_text()[-600:]}")


class Peer(Process):
    """TensorZero's gateway in a Python process of its own."""

    def __init__(self, bench):
        config = bench.folder / "peer.toml"
        config.write_text("[gateway.observability]\nenabled = false\n" + bench.models().split("[models.signed]")[0])
        super().__init__([sys.executable if not (ROOT / ".venv/bin/python").exists() else str(ROOT / ".venv/bin/python"), "-W", "ignore", "-c",
                          "import sys, time; from openai import OpenAI; from tensorzero import patch_openai_client\n"
                          "c = patch_openai_client(OpenAI(api_key='x'), config_file=sys.argv[1], async_setup=False)\n"
                          "print('peer at', c.base_url, flush=True); time.sleep(1e6)", str(config)],
                         stdout=subprocess.PIPE, text=True, env={**os.environ, "RUST_LOG": "off"})
        line = next((l for l in self.child.stdout if l.startswith("peer at ")), None) # its log goes to stdout too
        if not line:
            raise Wrong("tensorzero did not start (is it in .venv?)")
        self.port = int(line.split(":")[2].split("/")[0])


def describe():
    cpu = next((l.split(":", 1)[1].strip() for l in open("/proc/cpuinfo") if l.startswith("model name")), "?")
    nginx = subprocess.run([shutil.which("nginx") or "/usr/sbin/nginx", "-v"], capture_output=True, text=True).stderr.strip().split("/")[-1]
    return (f"{time.strftime('%Y-%m-%d %H:%M', time.gmtime())} UTC, {os.cpu_count()} cores of {cpu}, Linux {os.uname().release}, nginx {nginx}, "
            f"load {os.getloadavg()[0]:.1f} before")


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--signet", required=True)
    p.add_argument("--tool", required=True)
    p.add_argument("--signer", help="the sample signer's module")
    p.add_argument("--quick", action="store_true")
    p.add_argument("--long", action="store_true")
    p.add_argument("--peer", action="store_true")
    p.add_argument("--markdown", action="store_true")
    p.add_argument("rows", nargs="*")
    args = p.parse_args()
    machine.raise_file_limit()
    print(describe())
    bench = None
    try:
        bench = Bench(args)
        bench.table()
        status = print_rows(bench.rows)
        if args.markdown:
            print_markdown(bench.rows)
        return status
    finally:
        Process.stop_all()
        if bench and not os.environ.get("BENCH_KEEP"):
            shutil.rmtree(bench.folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
