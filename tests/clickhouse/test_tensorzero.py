"""The rows of the same calls to TensorZero 2026.6 and to Signet, column by column, each on a database that the other one made.

The calls are those of tests/compat: a new case there is compared here too. Not compared: ids, times, latencies (but whether there
is one), snapshot_hash, and what DIFFERS names with its reason.
"""
import importlib
import json
import os
import queue
import re
import subprocess
import sys
import tempfile
import threading
import time

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "compat"))

from lib import raw  # noqa: E402
from lib.internal import ids, page  # noqa: E402
from lib.signet import Signet, config  # noqa: E402
from peers import ENV, Peer  # noqa: E402

TAG = "tensorzero::tags"
GROUPS = ("answer", "stream", "errors", "request", "fields")
# What runs always: a call for each thing that rows tell apart. SIGNET_ALL_ROWS=1 runs every case of tests/compat.
ALWAYS = {
    "answer": "*",
    "stream": "usage-asked usage-not-asked no-usage-chunk usage-cached role-only-first finish-length finish-content-filter finish-unknown "
              "split-at-every-byte two-calls two-calls-usage call-and-text calls-interleaved arguments-absent reasoning-content reasoning "
              "raw-response raw-all json-mode status-500 no-event bad-json-event two-choices",
    "errors": "no-messages unknown-model status-400 status-429 status-500 json-cut fallback fallback-twice fallback-none-left fallback-stream "
              "fallback-raw-response dead-then-good dead closed-in-body slow-then-good",
    "request": "plain unicode-is-not-escaped escapes system developer system-and-developer system-parts multi-turn assistant-null text-parts raw-text "
               "user-name tools tools-two-and-time tool-strict tool-twice custom-tool choice-none choice-auto choice-required choice-specific "
               "allowed-auto allowed-required parallel-true parallel-false history-call history-call-with-tools history-two-results "
               "format-text format-json extra-content-thought",
    "fields": "episode tags params params-stop params-json-mode body-set body-append body-delete body-stream header-set dryrun provider-tools",
}


def cases():
    # they ask a table that this version does not fill
    every = {f"{g}-{c.name}": c for g in GROUPS for c in importlib.import_module("cases_" + g).CASES if c.name not in ("cache-on", "cache-read-only")}
    if os.environ.get("SIGNET_ALL_ROWS"):
        return every
    return {n: c for n, c in every.items() if ALWAYS[n.split("-")[0]] == "*" or c.name in ALWAYS[n.split("-")[0]].split()}


CASES = cases()
UNCOMPARED = {"id", "inference_id", "episode_id", "timestamp", "snapshot_hash"}
LATENCIES = {"processing_time_ms", "response_time_ms", "ttft_ms"}
AS_WRITTEN = ({"raw_request", "inference_params"}, "numbers go up as they were written (providers-openai §7.3)")
HINT = ({"raw_request"}, "the hint stands whenever json_object is sent (providers-openai §7.3)")
DIFFERS = {  # case: (columns, why)
    "request-numbers": AS_WRITTEN, "request-numbers-integers": AS_WRITTEN, "request-temperature-out-of-range": AS_WRITTEN,
    "request-format-schema-no-schema": HINT, "request-format-schema-3-5": HINT,
    "request-history-empty-arguments": ({"raw_request"}, "arguments go back as {}, never as an empty text (providers-openai §8 #12)"),
    "stream-discard-unknown": ({"raw_response"}, "an event that is no chunk is skipped and kept in the record (surfaces §1.6)"),
    "stream-finish-unknown": ({"finish_reason"}, "`eos` is some servers' word for stop"),
    "stream-bad-json-event": ({"raw_response"}, "TensorZero drops what comes behind an event that it cannot read (providers-openai §7.3)"),
    "stream-two-choices": ({"raw_response"}, "the same"),
}
FETCHED = "TensorZero answers, and loses the row: to keep it, it fetches the file, whose host is not there"
ONLY_HERE = {  # case: why TensorZero has no row of it
    "errors-choices-two": "the first choice is the result (providers-openai §7.3)",
    "request-image-url": FETCHED, "request-image-url-detail": FETCHED, "request-image-url-detail-low": FETCHED,
    "request-image-url-mime": FETCHED, "request-image-url-odd": FETCHED,
}


def tagged(case, name):
    """The case's body with its name among the tags, where it can have any."""
    if isinstance(case.body, dict) and isinstance(case.body.get(TAG, {}), dict):
        return {**case.body, TAG: {**case.body.get(TAG, {}), "case": name}}
    return case.body


class OnClickHouse(Peer):
    """What tests/compat knows of a peer, with the record on."""

    def prepare(self, url):
        self.toml = re.sub(r"\[gateway\.observability\]\nenabled = false\n", "", self.toml)
        self.url = url
        with tempfile.NamedTemporaryFile("w", suffix=".toml", delete=False) as f:
            f.write(self.toml)
        self.toml_path = f.name

    def run_all(self, names):
        for name in names:
            case = CASES[name]
            self.mock.reset()
            self.mock.then(*case.up)
            if case.fresh:
                self.mock.drop_idle()
                time.sleep(0.1)
            try:
                raw.post(self.port, raw.TZ_CHAT, tagged(case, name), case.headers, timeout=20)
            except (OSError, EOFError):
                pass
            for request in self.mock.requests:
                request.done.wait(3)


class TensorZero(OnClickHouse):
    def __init__(self, url):
        super().__init__()
        self.prepare(url)
        self.process = self.spawn()
        urls = queue.Queue()

        def read():
            for line in self.process.stdout:
                if line.startswith(b"url "):
                    urls.put(line.decode().strip())
            urls.put(None)

        threading.Thread(target=read, daemon=True).start()
        found = urls.get(timeout=90)
        assert found, "TensorZero does not start on this database"
        self.port = int(found.split(":")[2].split("/")[0])

    def spawn(self, *ids):
        env = {k: v for k, v in os.environ.items() if k != "OPENAI_API_KEY"}
        return subprocess.Popen([sys.executable, os.path.join(HERE, "tensorzero_peer.py"), self.toml_path, self.url, *ids],
                                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env={**env, **ENV})

    def close(self):
        self.process.stdin.close()
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
        super().close()


class Signets(OnClickHouse):
    def __init__(self, url):
        super().__init__()
        self.prepare(url)
        self.signet = Signet(self.toml, env={**ENV, "TENSORZERO_CLICKHOUSE_URL": url})
        self.port = self.signet.port

    def close(self):
        self.signet.stop()
        super().close()


def settled(server, database, seconds=120):
    """When the number of rows has stood still for a while: TensorZero writes behind its answers."""
    last, since, end = -1, time.monotonic(), time.monotonic() + seconds
    while time.monotonic() < end:
        now = server.count("ChatInference", database) + server.count("ModelInference", database)
        if now != last:
            last, since = now, time.monotonic()
        elif time.monotonic() - since > 1.5:
            return
        time.sleep(0.2)


def comparable(row):
    out = {}
    for column, value in row.items():
        if column in UNCOMPARED:
            continue
        if column in LATENCIES:
            value = value is not None
        if column == "tags":
            value = {k: v for k, v in value.items() if k != "case"}
        out[column] = value
    return out


def rows_by_case(server, database):
    """{case: {table: [row]}}"""
    out, case_of = {}, {}
    for row in server.rows("SELECT * FROM ChatInference ORDER BY toUInt128(id)", database):
        name = case_of[row["id"]] = row["tags"].get("case", "?")
        out.setdefault(name, {"ChatInference": [], "ModelInference": []})["ChatInference"].append(comparable(row))
    for row in server.rows("SELECT * FROM ModelInference ORDER BY toUInt128(id)", database):
        out[case_of[row["inference_id"]]]["ModelInference"].append(comparable(row))
    return out


def objects(server, database):
    """What system tables know of a database: {name: facts}."""
    out = {}
    for t in server.rows(f"SELECT name, engine, sorting_key, partition_key, primary_key, as_select, create_table_query FROM system.tables WHERE database = '{database}'"):
        text = t.pop("create_table_query")
        # TensorZero draws the border of workflow evaluations anew for each database; its time counts
        t["as_select"] = re.sub(r"09184e72-a000-7[0-9a-f-]+", "…", " ".join(t["as_select"].replace(f"{database}.", "").split()))
        t["into"] = (re.search(r" TO \S+?\.(\w+)", text) or [None, None])[1]
        t["indexes"] = re.findall(r"INDEX (\w+ \w+ TYPE [^,)]*(?:\(.*?\))? GRANULARITY \d+)", text)
        t["granularity"] = re.search(r"index_granularity = (\d+)", text)[1] if "index_granularity" in text else None
        out[t.pop("name")] = t
    for c in server.rows(f"SELECT table, name, type, position, default_kind, default_expression FROM system.columns WHERE database = '{database}' ORDER BY table, position"):
        out[c.pop("table")].setdefault("columns", []).append(c)
    return out


@pytest.fixture(scope="module")
def databases(server):
    """`theirs` was made by TensorZero, `ours` by Signet; then all cases ran on the other one's."""
    TensorZero(server.address("theirs")).close()
    Signets(server.address("ours")).close()
    raw.wait_for(lambda: server.count("TensorZeroMigration", "ours") == 47, 20, 0.1)
    made = objects(server, "theirs"), objects(server, "ours")
    migrations = server.count("TensorZeroMigration", "theirs"), server.count("TensorZeroMigration", "ours")
    signet = Signets(server.address("theirs"))
    signet.run_all(CASES)
    raw.wait_for(lambda: signet.signet.status()["signet"]["record"]["backlog_records"] == 0, 60, 0.1)
    tensorzero = TensorZero(server.address("ours"))
    tensorzero.run_all(CASES)
    settled(server, "ours")
    yield {"made": made, "migrations": migrations, "tensorzero": rows_by_case(server, "ours"), "signet": rows_by_case(server, "theirs"),
           "peer": tensorzero, "server": server}
    signet.close()
    tensorzero.close()


def test_the_schema_is_tensorzeros(databases):
    theirs, ours = databases["made"]
    assert sorted(ours) == sorted(theirs) and len(ours) == 69
    for name in theirs:
        assert ours[name] == theirs[name], name


def test_a_finished_database_is_not_touched(databases):
    assert databases["migrations"] == (47, 47)
    assert databases["server"].count("TensorZeroMigration", "theirs") == 47
    assert databases["server"].count("TensorZeroMigration", "ours") == 47
    assert databases["server"].count("DeploymentID FINAL", "theirs") == 1


def test_both_have_rows_of_the_same_calls(databases):
    assert sorted(set(databases["signet"]) - set(ONLY_HERE)) == sorted(databases["tensorzero"])
    assert len(databases["tensorzero"]) >= 60


@pytest.mark.parametrize("name", CASES)
def test_rows_are_equal(databases, name):
    theirs, ours = databases["tensorzero"].get(name), databases["signet"].get(name)
    if name in ONLY_HERE:
        assert theirs is None and ours, "it has a row there by now"
        return
    if theirs is None:
        assert ours is None, "a call that leaves nothing in TensorZero's tables"
        return
    columns, _ = DIFFERS.get(name, ((), ""))
    for table in theirs:
        assert len(ours[table]) == len(theirs[table])
        for want, got in zip(theirs[table], ours[table]):
            assert {k: v for k, v in got.items() if k not in columns} == {k: v for k, v in want.items() if k not in columns}, table


def test_tensorzero_reads_what_signet_wrote(databases):
    server, peer = databases["server"], databases["peer"]
    ids = [r["id"] for r in server.rows("SELECT id FROM ChatInference WHERE mapContains(tags, 'case') ORDER BY id LIMIT 20", "theirs")]
    peer.url, url = server.address("theirs"), peer.url
    reader = peer.spawn(*ids)
    peer.url = url
    text = reader.communicate(timeout=60)[0].decode()
    found = json.loads(next(line for line in text.splitlines() if line.startswith("read "))[5:])
    assert sorted(i["id"] for i in found) == sorted(ids)
    assert all("case" in i["tags"] for i in found)


def test_pages_show_what_tensorzero_wrote(databases):
    server = databases["server"]
    rows = server.rows("SELECT toString(id) AS id, input, output, tags, processing_time_ms AS ms FROM ChatInference ORDER BY toUInt128(id) DESC", "ours")
    with Signet(config(extra="[store]\nlocal_days = 0\n", record=True), env={"TENSORZERO_CLICKHOUSE_URL": server.address("ours"), "SIGNET_FAULT": "reads.patient:1+"}) as signet:
        assert ids(signet, limit=1000) == [r["id"] for r in rows]
        assert page(signet, "/logs/count")["n"] == len(rows)
        for row in rows[::5]:
            got = page(signet, "/inferences/" + row["id"])
            assert json.loads(row["input"]) == got["input"]["inline"] and json.loads(row["output"]) == got["output"]["inline"]
            assert got["tags"] == row["tags"] and got["row"]["ms"] == row["ms"]
            calls = server.rows(f"SELECT toString(id) AS id FROM ModelInference WHERE inference_id = '{row['id']}' ORDER BY toUInt128(ModelInference.id)", "ours")
            assert [a["model_inference_id"] for a in got["attempts"]] == [c["id"] for c in calls]
        [sums] = server.rows("SELECT sum(input_tokens) AS i, sum(output_tokens) AS o FROM ModelInference", "ours")
        total = page(signet, "/overview", range="24h", by="model")["total"]
        assert (total["n"], total["in"], total["out"]) == (len(rows), int(sums["i"]), int(sums["o"]))
