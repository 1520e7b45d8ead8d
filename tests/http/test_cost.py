"""What an answer cost (config 2.18, 3.14): by pointers, by the list of prices; in the rows, the pages' routes, the log, /metrics.
Unknown is null, never 0."""
import json
import os
import re
import subprocess
import time

import pytest

from lib import raw, record
from lib.internal import request
from lib.mock import CLOSE, Mock, chat_answer, chunk, error, hang, json_answer, sse, text_chunks, usage_chunk
from lib.raw import CHAT, TZ, TZ_CHAT, chat
from lib.signet import Signet, binary, config, openai_model

POINTERS = 'cost = [{ pointer = "/usage/prompt_tokens", cost_per_million = 2.5, required = true }, { pointer = "/usage/completion_tokens", cost_per_million = 10 }]'
PRICES = """date = 2026-11-30
[openai]
"listed*" = { input = 2, output = 8, cache_read = 0.5, reasoning = 16 }
"free" = { input = 0, output = 0 }
"""
DETAILS = {"prompt_tokens": 1000, "completion_tokens": 200, "prompt_tokens_details": {"cached_tokens": 600}, "completion_tokens_details": {"reasoning_tokens": 150}}
BILL = 400 * 2000 + 600 * 500 + 50 * 8000 + 150 * 16000  # in billionths of a dollar


def toml(mock, unpriced="warn"):
    models = (openai_model("pointed", mock.url, keys=POINTERS) + openai_model("listed", mock.url, model_name="listed-1")
              + openai_model("free", mock.url, model_name="free") + openai_model("unknown", mock.url, model_name="unknown")
              + openai_model("both", mock.url + "/a", mock.url + "/b", model_name="listed-1", keys=POINTERS))
    return config(models, extra=f'[store]\nprices = "prices.toml"\nunpriced = "{unpriced}"\n', record=True)


def start(mock, tmp_path, unpriced="warn", prices=PRICES, **more):
    (tmp_path / "prices.toml").write_text(prices)
    return Signet(toml(mock, unpriced), folder=str(tmp_path), **more)


@pytest.fixture(scope="module")
def mock():
    with Mock(default=json_answer(chat_answer())) as m:
        yield m


@pytest.fixture(scope="module")
def signet(mock, tmp_path_factory):
    with start(mock, tmp_path_factory.mktemp("cost")) as s:
        yield s


@pytest.fixture(autouse=True)
def fresh(mock):
    mock.reset()


def ask(s, model, path=CHAT, **more):
    """(the answer, its list row, the rows of its calls)"""
    got = raw.post(s.port, path, chat(TZ + model if path == TZ_CHAT else model, **more))
    id = got.headers["x-signet-inference-id"]
    row = record.wait_row(s.data_dir, id)
    return got, row, record.rows(s.data_dir, "select * from ModelInference where inference_id = ? order by seq", id)


def internal(s, path):
    got = request(s, "GET", path)
    assert got.status == 200, got.text
    return got


@pytest.mark.parametrize("path", [CHAT, TZ_CHAT])
@pytest.mark.parametrize("stream", [False, True])
def test_pointers_are_in_the_row_and_in_tensorzeros_answer(signet, mock, path, stream):
    if stream:
        mock.then(sse(text_chunks()))
    got, row, calls = ask(signet, "pointed", path, stream=stream, **({"stream_options": {"include_usage": True}} if stream else {}))
    assert row["cost_nano"] == calls[0]["cost_nano"] == 11 * 2500 + 7 * 10000
    assert json.loads(calls[0]["price"]) == {"from": "cost"}
    assert ('"tensorzero_cost":0.0000975' in got.text) == (path == TZ_CHAT)


@pytest.mark.parametrize("stream", [False, True])
def test_each_kind_of_token_has_its_price(signet, mock, stream):
    mock.then(sse([chunk({"content": "a"}), chunk({}, "stop"), chunk(choices=[], usage=DETAILS)]) if stream else json_answer(chat_answer(usage=DETAILS)))
    got, row, (call,) = ask(signet, "listed", stream=stream)
    assert row["cost_nano"] == call["cost_nano"] == BILL
    assert (call["provider_cache_read_input_tokens"], call["reasoning_tokens"]) == (600, 150)
    assert (call["provider_cache_write_input_tokens"], call["provider_cache_write_1h_input_tokens"]) == (None, None)
    assert json.loads(call["price"]) == {"from": "prices", "date": "2026-11-30", "match": "listed*", "input": 2.0, "output": 8.0, "cache_read": 0.5,
                                         "cache_write": 2.0, "cache_write_1h": 2.0, "reasoning": 16.0}


def test_free_is_0_and_unknown_is_null(signet, mock):
    assert ask(signet, "free")[1]["cost_nano"] == 0
    got, row, (call,) = ask(signet, "unknown", TZ_CHAT)
    assert (row["cost_nano"], call["cost_nano"], call["price"]) == (None, None, None) and got.json["usage"]["tensorzero_cost"] is None
    mock.then(json_answer(chat_answer(usage=...)))
    assert ask(signet, "listed")[1]["cost_nano"] is None
    mock.then(json_answer(chat_answer(usage={"prompt_tokens": 5})))
    assert ask(signet, "listed")[1]["cost_nano"] is None


def test_a_broken_stream_costs_what_nobody_knows(signet, mock):
    mock.then(sse([chunk({"content": "a"}), CLOSE], done=False))
    for model in ("listed", "pointed"):
        row = ask(signet, model, stream=True)[1]
        assert (row["state"], row["cost_nano"]) == ("truncated", None)
        mock.then(sse([chunk({"content": "a"}), CLOSE], done=False))


def test_after_a_fallback_the_answer_is_paid_for_not_the_failure(signet, mock):
    mock.then(error(500), json_answer(chat_answer()))
    _, row, calls = ask(signet, "both")
    assert (row["attempts"], row["cost_nano"], len(calls)) == (2, 97500, 1)


def test_pages_log_and_csv_show_it(signet, mock):
    mock.then(json_answer(chat_answer(usage=DETAILS)))
    got, row, _ = ask(signet, "listed")
    id, dollars = row["id"], BILL / 1e9
    attempt = internal(signet, f"/inferences/{id}").json["attempts"][0]
    assert attempt["cost"] == dollars and attempt["price"]["match"] == "listed*"
    assert attempt["usage"] == {"input_tokens": 1000, "output_tokens": 200, "cache_read_tokens": 600, "cache_write_tokens": None,
                                "cache_write_1h_tokens": None, "reasoning_tokens": 150}
    assert [r["cost"] for r in internal(signet, "/logs?model=listed&limit=1").json["rows"]] == [dollars]
    head, *lines = internal(signet, "/logs/export?format=csv&model=listed").text.splitlines()
    line = next(x for x in lines if x.startswith(id))
    assert line.split(",")[head.split(",").index("cost")] == f"{dollars:.9f}"
    shown = subprocess.run([binary(), "log", "show", id, "--data-dir", signet.data_dir], capture_output=True, text=True, timeout=30).stdout
    assert f" cost ${dollars}\n" in shown
    as_json = subprocess.run([binary(), "log", "show", id, "--json", "--data-dir", signet.data_dir], capture_output=True, text=True, timeout=30).stdout
    assert json.loads(as_json)["row"]["cost"] == dollars


def test_overview_adds_up_what_is_known_and_says_of_how_many(signet, mock):
    for model in ("listed", "unknown"):
        ask(signet, model)
    db = record.rows(signet.data_dir, "select model_name m, count(*) n, count(cost_nano) priced, sum(cost_nano) nano from InferenceById group by 1")
    got = internal(signet, "/overview?range=1h&by=model").json

    def added(series, key):
        return sum(x or 0 for x in series[key])
    by = {s["by"]: s for s in got["series"]}
    for r in db:
        s = by[r["m"]]
        assert (added(s, "n"), added(s, "priced"), added(s, "cost")) == (r["n"], r["priced"], pytest.approx((r["nano"] or 0) / 1e9)), r["m"]
    assert set(by["unknown"]["cost"]) == {None}
    assert got["total"]["cost"] == pytest.approx(sum(r["nano"] or 0 for r in db) / 1e9)
    priced = {m["name"]: [p["priced"] for p in m["providers"]] for m in internal(signet, "/models").json["models"]}
    assert priced == {"pointed": [True], "listed": [True], "free": [True], "unknown": [False], "both": [True, True]}


def metrics(s):
    return {m[1]: float(m[2]) for m in re.finditer(r'^(signet_cost\w+\{[^}]*\}) (\S+)$', raw.get(s.port, "/metrics").text, re.M)}


def test_metrics_count_dollars_by_model(signet, mock):
    before = metrics(signet)
    for model in ("pointed", "unknown", "pointed"):
        ask(signet, model)
    after = metrics(signet)

    def grown(key):
        return after.get(key, 0) - before.get(key, 0)
    assert grown('signet_cost_dollars_total{model="pointed"}') == pytest.approx(2 * 0.0000975)
    assert grown('signet_cost_unknown_total{model="unknown"}') == 1
    assert 'signet_cost_unknown_total{model="pointed"}' not in {k for k in after if after[k] > before.get(k, 0)}


def test_warn_says_once_which_model_has_no_price(signet, mock):
    ask(signet, "unknown")
    ask(signet, "unknown")
    raw.wait_for(lambda: "has no price" in signet.stderr())
    said = [l for l in signet.logs() if "has no price" in json.dumps(l)]
    assert any(l.get("model") == "unknown" and l.get("provider") == "p" for l in said)
    assert any("models.unknown.providers.p" in json.dumps(l) for l in said)  # and at the start


def test_refuse_calls_nothing_without_a_price(mock, tmp_path):
    with start(mock, tmp_path, "refuse") as s:
        assert raw.post(s.port, CHAT, chat("listed")).status == 200
        mock.reset()
        got = raw.post(s.port, CHAT, chat("unknown"))
        assert got.status == 500 and "has no price" in got.text and "prices.toml" in got.text and not mock.requests
        assert record.wait_row(s.data_dir, got.headers["x-signet-inference-id"])["error_kind"] == "config"


def test_models_that_no_table_names_have_prices_too(mock, tmp_path):
    with start(mock, tmp_path, "refuse", start=False) as s:
        with open(s.toml_path, "a") as f:
            f.write(f'[provider_types.openai.defaults]\napi_base = "{mock.url}/v1/"\napi_key_location = "env::COST_KEY"\n')
        s.env["COST_KEY"] = "sk-cost"
        s.start()
        assert ask(s, "openai::listed-9")[1]["cost_nano"] == 11 * 2000 + 7 * 8000
        mock.reset()
        got = raw.post(s.port, CHAT, chat("openai::nameless"))
        assert got.status == 500 and "has no price" in got.text and not mock.requests


def test_ignore_is_silent(mock, tmp_path):
    with start(mock, tmp_path, "ignore") as s:
        assert raw.post(s.port, CHAT, chat("unknown")).status == 200
        assert not [l for l in s.logs() if "no price" in json.dumps(l)]


def test_a_reload_reads_the_list_anew(mock, tmp_path):
    with start(mock, tmp_path) as s:
        assert ask(s, "listed")[1]["cost_nano"] == 11 * 2000 + 7 * 8000
        (tmp_path / "prices.toml").write_text(PRICES.replace("input = 2,", "input = 3,"))
        s.process.send_signal(1)
        raw.wait_for(lambda: ask(s, "listed")[1]["cost_nano"] == 11 * 3000 + 7 * 8000, 10)
        # a list that is wrong changes nothing
        (tmp_path / "prices.toml").write_text(PRICES.replace("input = 2,", "inptu = 3,"))
        s.process.send_signal(1)
        raw.wait_for(lambda: any("unknown field `inptu`" in json.dumps(l) for l in s.logs()), 10)
        assert ask(s, "listed")[1]["cost_nano"] == 11 * 3000 + 7 * 8000


# ---- the list itself, as `signet check` reads it ----

def check(tmp_path, prices, toml='[store]\nprices = "prices.toml"\n'):
    if prices is not None:
        (tmp_path / "prices.toml").write_text(prices)
    (tmp_path / "signet.toml").write_text(toml)
    done = subprocess.run([binary(), "check", "signet.toml"], cwd=tmp_path, capture_output=True, text=True, timeout=30)
    return done.returncode, done.stdout, done.stderr


def days_ago(n):
    return time.strftime("%Y-%m-%d", time.gmtime(time.time() - 86400 * n))


def test_check_says_how_old_the_list_is(tmp_path):
    day = days_ago(12)
    assert check(tmp_path, f'date = {day}\n[openai]\nx = {{ input = 1, output = 2 }}\n') == (0, f"1 file is valid.\nprices.toml: prices of {day}, 12 days old.\n", "")
    status, out, err = check(tmp_path, f'date = "{days_ago(200)}"\n')
    assert status == 0 and "200 days old" in out and err == "prices.toml:1: warning: date: the prices are 200 days old (look them up again, and write the day here)\n"


@pytest.mark.parametrize("prices,said", [
    (None, "Failed to read config file `prices.toml`: No such file or directory"),
    ("", "date: is missing in `prices.toml`"),
    ("date = 2026-11-30\n[opnai]\n", "opnai: is no provider type (did you mean `openai`?)"),
    ("date = 1\n", "date: is no day"), ('date = "today"\n', "date: is no day"), ("date = 2026-02-31\n", "date"),
    ("date = 2026-11-30\n[openai]\nx = 1\n", "openai.x: invalid type: integer `1`, expected a table of prices"),
    ("date = 2026-11-30\n[openai]\nx = { input = 1 }\n", "openai.x: missing field `output`"),
    ("date = 2026-11-30\n[openai]\nx = { input = 1, output = 1, cached = 1 }\n", "openai.x.cached: unknown field `cached`, expected one of `input`, `output`, `cache_read`"),
    ("date = 2026-11-30\n[openai]\nx = { input = -1, output = 1 }\n", "openai.x.input: `-1` is no price"),
    ("date = 2026-11-30\n[openai]\nx = { input = '1', output = 1 }\n", 'openai.x.input: invalid type: string "1", expected f64'),
    ("date = 2026-11-30\n[openai]\nx = { input = nan, output = 1 }\n", "openai.x.input: `nan` is no price"),
    ("date = 2026-11-30\n[openai]\nx = { input = 1, output = 1, over = 1 }\n", "openai.x.over: invalid type: integer `1`, expected a table of prices"),
    ("date = 2026-11-30\n[openai]\nx = { input = 1, output = 1, over = { input = 1, output = 1 } }\n", "openai.x.over: has no `tokens`"),
    ("date = 2026-11-30\n[openai]\nx = { input = 1, output = 1, over = { tokens = -1, input = 1, output = 1 } }\n", "openai.x.over: has no `tokens`"),
    ("date = 2026-11-30\n[openai]\nx = { input = 1, output = 1, over = { tokens = 1, output = 1 } }\n", "openai.x.over: missing field `input`"),
    ("date = 2026-11-30\n[openai]\nx = { input = 1, output = 1, tokens = 1 }\n", "openai.x.tokens: unknown field `tokens`"),
    ("date = 2026-11-30\n[openai\n", "prices.toml"),
    ("date = 2026-11-30\nx = 1\n", "x: is no provider type"),
])
def test_a_list_that_is_wrong_stops_the_load(tmp_path, prices, said):
    status, _, err = check(tmp_path, prices)
    assert status == 1 and said in err


def test_the_sample_list_is_whole(tmp_path):
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    status, out, err = check(tmp_path, None, f'[store]\nprices = "{root}/examples/prices.toml"\n')
    assert status == 0 and re.search(r"examples/prices.toml: prices of \d{4}-\d\d-\d\d, \d+ days old\.\n$", out)
