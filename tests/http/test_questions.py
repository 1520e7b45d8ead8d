"""docs/operations.md's "Questions to the record" and "Backup and restore", as an operator pastes them (issue 15 G)."""
import json
import os
import re
import sqlite3
import subprocess

import pytest
from lib import mock as m
from lib import raw, seed
from lib.signet import ROOT, Signet, binary, config, openai_model

CHAT = "/v1/chat/completions"


def blocks(language):
    with open(os.path.join(ROOT, "docs", "operations.md")) as f:
        return re.findall(rf"^```{language}\n(.*?)^```$", f.read(), re.M | re.S)


def question(word):
    found = [b for b in blocks("sql") if word in b]
    assert len(found) == 1, word
    return found[0]


def ask(data_dir, sql):
    done = subprocess.run([binary(), "store", "sql", "--data-dir", data_dir], input=sql, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture(scope="module")
def data():
    """Two models: one whose first provider fails now and then, one without trouble."""
    with m.Mock() as bad, m.Mock() as good:
        toml = config(openai_model("falls", bad.url, good.url, model_name="a") + openai_model("plain", good.url, model_name="b"), record=True)
        with Signet(toml) as s:
            bad.then(m.error(500, "broken"), m.json_answer(m.chat_answer()), m.error(429, "slow down"))
            for name in ("falls", "falls", "falls", "plain", "plain"):
                assert raw.post(s.port, CHAT, raw.chat(model=name)).status == 200
            bad.then(m.error(500, "broken"))
            good.then(m.error(503, "gone"))
            assert raw.post(s.port, CHAT, raw.chat(model="falls")).status >= 500
        yield s.data_dir


def test_tokens_a_model_a_day(data):
    rows = ask(data, question("AS tokens_in"))
    assert [(r["model_name"], r["calls"], r["tokens_in"], r["tokens_out"]) for r in rows] == [("falls", 7, 33, 21), ("plain", 2, 22, 14)]
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", rows[0]["day"])


def test_error_rate_by_provider(data):
    rows = ask(data, question("AS percent"))
    assert [(r["model_provider_name"], r["calls"], r["failed"], r["percent"]) for r in rows] == [("p0", 4, 3, 75.0), ("p1", 3, 1, 33.3), ("p", 2, 0, 0.0)]


def test_what_failed_last(data):
    rows = ask(data, question("inference_id, model_provider_name"))
    assert [(r["model_provider_name"], r["http_status"]) for r in rows][2:] == [("p0", 429), ("p0", 500)]
    assert {(r["model_provider_name"], r["http_status"]) for r in rows[:2]} == {("p0", 500), ("p1", 503)}
    assert all(r["error"] and re.fullmatch(r"[0-9a-f-]{36}", r["inference_id"]) for r in rows)


def test_the_slowest_of_a_day(data):
    rows = ask(data, question("ORDER BY processing_time_ms"))
    assert len(rows) == 6 and [r["processing_time_ms"] for r in rows] == sorted((r["processing_time_ms"] for r in rows), reverse=True)


def test_each_attempt_is_one_row_and_nothing_else(data):
    rows = ask(data, "SELECT inference_id, attempt, state, model_provider_name, http_status, input_tokens, cost FROM attempts ORDER BY time, attempt")
    assert [(r["attempt"], r["state"], r["model_provider_name"], r["http_status"]) for r in rows] == [
        (1, "failed", "p0", 500), (2, "ok", "p1", 200), (1, "ok", "p0", 200), (1, "failed", "p0", 429), (2, "ok", "p1", 200),
        (1, "ok", "p", 200), (1, "ok", "p", 200), (1, "failed", "p0", 500), (2, "failed", "p1", 503)]
    assert len({r["inference_id"] for r in rows}) == 6


def test_a_span_of_time_is_looked_up_in_an_index(tmp_path):
    """Of each question of the page: the rows of its span and no others are looked at, in a large record."""
    with Signet(config(record=True)) as s:
        pass
    db = seed.fill(s.data_dir, 20000)
    db.execute("ANALYZE")
    for sql in blocks("sql"):
        plan = [row[3] for row in db.execute("EXPLAIN QUERY PLAN " + sql)]
        uses = [step for step in plan if "InferenceById_time" in step]
        assert len(uses) == (2 if "FROM attempts" in sql else 1), (sql, plan)
        assert all(re.match(r"SEARCH l USING INDEX InferenceById_time \(<expr>>", step) for step in uses), plan
        assert not [step for step in plan if re.match(r"SCAN (l|m|e|c|InferenceById|ModelInference|RequestError)\b", step)], (sql, plan)
    day = db.execute("SELECT substr(max(time), 1, 10) FROM inferences").fetchone()[0]
    by_index = db.execute("SELECT count(*), sum(input_tokens) FROM inferences WHERE time >= ? AND time < ? || 'T12'", (day, day)).fetchone()
    by_scan = db.execute("SELECT count(*), sum(input_tokens) FROM inferences WHERE time || '' >= ? AND time || '' < ? || 'T12'", (day, day)).fetchone()
    assert by_index == by_scan and by_index[0] > 0
    db.close()
    hour = ask(s.data_dir, question("AS dollars").replace("'2026-11-30T08'", f"'{day}'").replace("'2026-11-30T09'", f"'{day}T12'"))
    assert sum(r["answers"] for r in hour) == by_index[0]


# ---- a backup, and back ----

def shell(text, folder):
    done = subprocess.run(["bash", "-e", "-c", text], cwd=folder, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def contents(path):
    """Every row of every table that the record has, but for what the gateway writes about itself."""
    db = sqlite3.connect(path)
    tables = [r[0] for r in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table' AND name LIKE '%Inference%' OR name = 'RequestError' ORDER BY 1")]
    rows = {t: sorted(db.execute(f'SELECT * FROM "{t}"').fetchall(), key=repr) for t in tables}
    db.close()
    return {t: r for t, r in rows.items() if not t.startswith("InferenceText")}


def settled(s, n):
    def there():
        db = sqlite3.connect(os.path.join(s.data_dir, "signet.db"))
        got = db.execute("SELECT count(*) FROM InferenceById").fetchone()[0]
        db.close()
        return got == n
    raw.wait_for(there, 20)


def test_a_backup_of_a_running_gateway_and_its_restore(mock, tmp_path):
    backup, restore = [b for b in blocks("sh") if "signet-backup.db" in b]
    toml = config(openai_model("m", mock.url), record=True)
    with Signet(toml, folder=str(tmp_path / "gateway") if (tmp_path / "gateway").mkdir() is None else None) as s:
        here = os.path.dirname(s.data_dir)
        os.symlink(s.data_dir, os.path.join(here, "signet-data"))
        for i in range(5):
            assert raw.post(s.port, CHAT, raw.chat(content=f"before {i}")).status == 200
        settled(s, 5)
        shell(backup, here)  # while it serves
        for i in range(3):
            assert raw.post(s.port, CHAT, raw.chat(content=f"after {i}")).status == 200
        settled(s, 8)
    whole = contents(os.path.join(s.data_dir, "signet.db"))
    saved = contents(os.path.join(here, "signet-backup.db"))
    assert (len(whole["InferenceById"]), len(saved["InferenceById"])) == (8, 5)

    # On the same data directory: the journal has what came after the backup.
    shell(restore, here)
    assert contents(os.path.join(s.data_dir, "signet.db")) == saved
    with Signet(None, folder=here) as again:
        settled(again, 8)
    assert contents(os.path.join(s.data_dir, "signet.db")) == whole

    # On another machine: nothing but the copy, and new answers behind the old ones.
    other = tmp_path / "other"
    (other / "data").mkdir(parents=True)
    (other / "signet-data").symlink_to(other / "data")
    (other / "signet-backup.db").write_bytes(open(os.path.join(here, "signet-backup.db"), "rb").read())
    shell(restore, other)
    check = subprocess.run([binary(), "store", "check", "--data-dir", str(other / "data")], capture_output=True, text=True, timeout=60)
    assert check.returncode == 0, check.stderr
    with Signet(toml, folder=str(other)) as new:
        assert raw.post(new.port, CHAT, raw.chat(content="on the other machine")).status == 200
        settled(new, 6)
    found = contents(str(other / "data" / "signet.db"))
    assert all(row in found["ModelInference"] for row in saved["ModelInference"]) and len(found["ModelInference"]) == 6
