"""`signet store`: whether the database is whole, out of it and into another one, rows that were refused."""
import json
import os
import shutil
import sqlite3
import subprocess

import pytest

from lib import raw, record
from lib.mock import Mock, chat_answer, error, json_answer, sse, text_chunks
from lib.raw import CHAT, TZ, TZ_CHAT, chat
from lib.signet import Signet, binary, config, openai_model

TABLES = ("InferenceById", "ChatInference", "ModelInference", "RequestError", "TagInference", "ConfigSnapshot")


def store(*words, data=None, status=0, env=None, stdin=None):
    run = subprocess.run([binary(), "store", *words] + (["--data-dir", str(data)] if data else []), capture_output=True, text=True, timeout=120,
                         env=os.environ | (env or {}), input=stdin)
    assert run.returncode == status, run.stdout + run.stderr
    return run


@pytest.fixture(scope="module")
def seeded(tmp_path_factory):
    """A data directory that a gateway has left: answers plain and streamed, with tags and tools, one that failed, one refused."""
    with Mock(default=json_answer(chat_answer("Hello \u4f60\u597d \"quoted\""))) as up:
        with Signet(config(openai_model("m", up.url), record=True)) as s:
            raw.post(s.port, CHAT, chat(content="first"))
            raw.post(s.port, TZ_CHAT, chat(TZ + "m", **{"tensorzero::tags": {"user": "7", "we\"ird": "x"}}))
            up.then(sse(text_chunks("streamed")))
            raw.post(s.port, CHAT, chat(stream=True, tools=[{"type": "function", "function": {"name": "t", "parameters": {"type": "object"}}}], tool_choice="auto"))
            up.then(error(500, "boom"))
            raw.post(s.port, CHAT, chat(content="fails"))
            raw.post(s.port, CHAT, chat(temperature="hot"))
            record.wait_rows(s.data_dir, 5)
        yield s.data_dir


@pytest.fixture
def data(seeded, tmp_path):
    return shutil.copytree(seeded, tmp_path / "data")


def rows(data, table):
    found = record.rows(str(data), f"select * from {table}")
    for r in found:
        r.pop("n", None), r.pop("created_at", None), r.pop("last_used", None)
    return sorted(found, key=lambda r: json.dumps(r, sort_keys=True))


def test_check_tells_a_whole_database_from_one_that_is_not(data):
    assert store("check", data=data).stdout.startswith("whole: 5 inferences")
    with sqlite3.connect(data / "signet.db") as db:
        db.execute("delete from InferenceById where state = 'ok'")
    db.close()
    out = store("check", data=data, status=1).stdout
    assert "3 answers without their list row\n" in out and "NOT whole: 2 inferences" in out
    with open(data / "signet.db", "r+b") as f:
        f.seek(3 * 16384)
        f.write(b"\xff" * 16384)
    assert store("check", data=data, status=1).stdout or store("check", data=data, status=1).stderr


def test_what_is_exported_is_imported_column_by_column(data, tmp_path):
    out = tmp_path / "rows.ndjson"
    assert "5 inferences exported" in store("export", "--out", str(out), data=data).stderr
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    assert [line["table"] for line in lines].count("InferenceById") == 5
    assert lines[0]["table"] == "ConfigSnapshot"
    chats = [line for line in lines if line["table"] == "ChatInference"]
    assert chats[0]["input"]["messages"] and chats[0]["output"][0]["type"] == "text" and len(chats) == 3
    other = tmp_path / "other"
    other.mkdir(mode=0o700)
    assert "5 inferences imported" in store("import", str(out), data=other).stderr
    for table in TABLES:
        assert rows(other, table) == rows(data, table), table
    # once more: nothing is doubled, and the sums are those of five
    assert "0 inferences imported" in store("import", "-", data=other, stdin=out.read_text()).stderr
    for table in TABLES:
        assert rows(other, table) == rows(data, table), table
    assert record.rows(str(other), "select sum(count) as n from Rollup where dim = 'surface'")[0]["n"] == 5
    assert store("check", data=other).stdout.startswith("whole: 5")


def test_export_by_time(data):
    assert "0 inferences exported" in store("export", "--to", "2020-01-01", data=data).stderr
    assert "0 inferences exported" in store("export", "--from", "2999-01-01T00:00:00Z", data=data).stderr
    assert "5 inferences exported" in store("export", "--from", "2020-01-01", "--to", "2999-01-01", data=data).stderr


def test_lines_at_fault_are_told_and_the_others_go_in(data, tmp_path):
    good = store("export", data=data).stdout
    bad = "no JSON\n[]\n{\"table\":\"Nothing\"}\n{\"table\":\"ChatInference\",\"id\":7}\n{\"table\":\"InferenceById\",\"id\":\"x'; drop table\"}\n\n"
    other = tmp_path / "other"
    other.mkdir(mode=0o700)
    run = store("import", "-", data=other, stdin=bad + good, status=1)
    assert "line 1: it is no JSON object" in run.stderr and "line 3: its \"table\"" in run.stderr and "line 4: column id" in run.stderr
    assert "5 inferences imported" in run.stderr
    assert rows(other, "InferenceById") == rows(data, "InferenceById")


def test_vacuum_makes_it_smaller(data):
    with sqlite3.connect(data / "signet.db") as db:
        db.execute("create table junk(x)")
        db.executemany("insert into junk values(randomblob(100000))", [()] * 100)
        db.execute("drop table junk")
    db.close()
    before = os.path.getsize(data / "signet.db")
    assert "->" in store("vacuum", data=data).stdout
    assert os.path.getsize(data / "signet.db") < before / 2
    assert store("check", data=data).stdout.startswith("whole: 5")
    assert "bytes free" in store("vacuum", data=data, status=1, env={"SIGNET_FAULT": "store.room"}).stderr


def test_sql_answers_and_changes_nothing(data):
    assert store("sql", "select count(*) as n from inferences; select null as a, 1.5 as b, x'00ff' as c, 'q\"\n\u4f60' as d", data=data).stdout == (
        '{"n":5}\n{"a":null,"b":1.5,"c":"00FF","d":"q\\"\\n\u4f60"}\n')
    assert store("sql", data=data, stdin="select state from inferences where status = 400;\n").stdout == '{"state":"error"}\n'
    for query in ("delete from InferenceById", "drop table InferenceById", "create table x(y)", "pragma user_version = 9", "attach 'made.db' as m; create table m.x(y)"):
        assert "signet store: " in store("sql", query, data=data, status=1).stderr
    assert "syntax error" in store("sql", "selekt", data=data, status=1).stderr
    assert store("check", data=data).stdout.startswith("whole: 5") and not os.path.exists("made.db")


def dead_lines(data, n=2):
    """As the drainer leaves them: the rows of two records, of which one was for a schema that the database has now."""
    lines = store("export", data=data).stdout.splitlines()
    groups, group = [], []
    for line in lines[1:]:
        row = json.loads(line)
        table = {"ChatInference": 1, "ModelInference": 3, "InferenceById": 64, "RequestError": 65}[row.pop("table")]
        group.append({"t": "2026-11-30T12:00:00.000Z", "sink": "sqlite", "table": table, "recno": 100 + len(groups), "code": None, "error": "no such column", "row": row})
        if table == 64:
            groups.append(group)
            group = []
    return groups[:n]


def test_dead_rows_are_listed_tried_again_and_dropped(data):
    groups = dead_lines(data)
    ids = [g[-1]["row"]["id"] for g in groups]
    folder = data / "journal" / "dead"
    folder.mkdir(parents=True, exist_ok=True)
    hopeless = {**groups[0][-1], "recno": 7, "row": {"id": "no UUID"}}
    text = "".join(json.dumps(line) + "\n" for line in [hopeless, *groups[0], *groups[1]]) + "half a li"
    (folder / "sqlite-202611.ndjson").write_text(text)
    (folder / "clickhouse-202611.ndjson").write_text(json.dumps(hopeless) + "\n")
    with sqlite3.connect(data / "signet.db") as db:
        for id in ids:
            for table, key in (("InferenceById", "id"), ("ChatInference", "id"), ("ModelInference", "inference_id"), ("RequestError", "id")):
                db.execute(f"delete from {table} where {key} = ?", [id])
    db.close()
    assert store("dead", "list", data=data).stdout.count("recno") == text.count("recno") + 1
    # killed after the rows went in: they are not put in twice
    assert subprocess.run([binary(), "store", "dead", "retry", "--data-dir", str(data)], capture_output=True,
                          env=os.environ | {"SIGNET_FAULT": "dead.stored"}).returncode == -9
    run = store("dead", "retry", data=data, status=1)
    assert "2 records stored" in run.stderr and "set TENSORZERO_CLICKHOUSE_URL" in run.stderr
    assert {r["id"] for r in rows(data, "InferenceById")} >= set(ids) and len(rows(data, "InferenceById")) == 5
    assert (folder / "sqlite-202611.ndjson").read_text() == json.dumps(hopeless) + "\nhalf a li"
    assert store("check", data=data).stdout.startswith("whole: 5")
    assert "1 files deleted" in store("dead", "drop", "--sink", "sqlite", data=data).stderr
    assert sorted(os.listdir(folder)) == ["clickhouse-202611.ndjson"]


def test_beside_a_gateway_only_what_reads(tmp_path, mock):
    with Signet(config(openai_model("m", mock.url), record=True)) as s:
        record.wait_row(s.data_dir, raw.post(s.port, CHAT, chat()).headers["x-signet-inference-id"])
        assert store("check", data=s.data_dir).stdout.startswith("whole: 1")
        assert "1 inferences exported" in store("export", data=s.data_dir).stderr
        assert "0 rows" in store("dead", "list", data=s.data_dir).stderr
        for words in (["vacuum"], ["import", "/dev/null"], ["dead", "retry"], ["dead", "drop"]):
            assert f"is in use by process {s.process.pid}" in store(*words, data=s.data_dir, status=1).stderr


def test_usage(tmp_path):
    assert "usage: signet store check" in store("--help").stdout
    for words in ([], ["nothing"], ["check", "x"], ["import"], ["import", "a", "b"], ["dead"], ["dead", "raise"], ["export", "--from", "yesterday"], ["--nope"]):
        assert store(*words, status=2).stderr
    assert "no record in" in store("export", data=tmp_path / "nowhere", status=1).stderr
    for words in (["check"], ["vacuum"], ["dead", "list"]):
        assert "signet store: " in store(*words, data=tmp_path / "nowhere", status=1).stderr
    assert not (tmp_path / "nowhere").exists()
