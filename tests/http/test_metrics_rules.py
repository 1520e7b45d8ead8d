"""/metrics against the rules of promtool's lint, and the dashboard and alert rules of examples/ against /metrics (issue 15 D)."""
import json
import pathlib
import re

import pytest
import yaml

from lib import raw
from lib.mock import Mock, chat_answer, json_answer, sse, text_chunks
from lib.raw import CHAT, chat
from lib.signet import Signet, config, openai_model

EXAMPLES = pathlib.Path(__file__).parents[2] / "examples"
OF_THE_SCRAPE = {"instance", "job"}  # labels that Prometheus adds
OF_PROMETHEUS = {"up"}
WORDS = {"sum", "by", "rate", "increase", "histogram_quantile", "max", "and", "or", "label_values"}


@pytest.fixture(scope="module")
def page():
    with Mock(default=json_answer(chat_answer("hello"))) as mock:
        with Signet(config(openai_model("m", mock.url), record=True)) as s:
            before = s.get("/metrics")
            assert raw.post(s.port, CHAT, chat()).status == 200
            mock.reset(sse(text_chunks("hi")))
            assert raw.post(s.port, CHAT, chat(stream=True)).status == 200
            yield before, s.get("/metrics")


def parse(text):
    """{name: type}, {name: help}, {name: [{label: value}]} by names as they stand in samples."""
    types, helps, samples = {}, {}, {}
    for line in text.splitlines():
        if line.startswith("# "):
            _, what, name, rest = line.split(" ", 3)
            (types if what == "TYPE" else helps)[name] = rest
        elif line:
            name, labels = re.fullmatch(r"([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? \S+", line).groups()
            samples.setdefault(name, []).append(dict(re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', labels or "")))
    return types, helps, samples


# -- the rules of prometheus/client_golang/prometheus/testutil/promlint -------------------------------
UNITS = ("amperes", "bytes", "celsius", "grams", "joules", "kelvin", "meters", "metres", "moles", "seconds", "volts")
ABBREVIATED = {"s", "ms", "us", "ns", "sec", "b", "kb", "mb", "gb", "tb", "pb", "m", "h", "d"}


def lint(types, helps, samples):
    found = []
    for name, kind in types.items():
        say = lambda text: found.append(f"{name}: {text}")
        words = name.split("_")
        if not helps.get(name, "").strip():
            say("no help text")
        if (kind == "counter") != name.endswith("_total"):
            say('counter metrics should have "_total" suffix, others should not')
        if kind != "histogram" and name.endswith("_bucket"):
            say('non-histogram metrics should not have "_bucket" suffix')
        if kind not in ("histogram", "summary") and name.endswith(("_count", "_sum")):
            say('non-histogram and non-summary metrics should not have "_count" or "_sum" suffix')
        if {"counter", "gauge", "histogram", "summary"} & set(words):
            say("metric name should not include type")
        if ":" in name or re.search("[a-z][A-Z]", name):
            say("metric names should be written in snake_case without ':'")
        if ABBREVIATED & set(words):
            say("metric names should not contain abbreviated units")
        if {"milliseconds", "microseconds", "kilobytes", "megabytes", "minutes", "hours", "days", "bits"} & set(words):
            say("use the base unit")
        for series in samples.get(name, []):
            if kind != "histogram" and "le" in series:
                say('non-histogram metrics should not have "le" label')
            if any(re.search("[a-z][A-Z]", label) for label in series):
                say("label names should be written in snake_case")
    return found


def test_the_page_passes_promtools_rules(page):
    assert lint(*parse(page[1])) == []


def test_the_lint_finds_what_is_wrong():
    text = "# HELP a_ms x\n# TYPE a_ms counter\na_ms 1\n# TYPE b_total gauge\nb_total{leX=\"1\",le=\"2\"} 1\n"
    found = "\n".join(lint(*parse(text)))
    for part in ("abbreviated", '"_total" suffix', "b_total: no help", '"le" label', "snake_case"):
        assert part in found


def test_help_is_in_signets_words(page):
    assert not [h for h in parse(page[1])[1].values() if "TensorZero" in h]


def test_counters_are_there_at_zero_before_the_first_request(page):
    zero = page[0].splitlines()
    for series in ('signet_tokens_total{model="m",provider="p",direction="input"}', 'signet_tokens_total{model="m",provider="p",direction="output"}',
                   'signet_upstream_requests_total{model="m",provider="p",result="ok"}', 'signet_upstream_requests_total{model="m",provider="p",result="server"}',
                   'signet_fallbacks_total{model="m"}', 'signet_keys_rested_total{model="m",provider="p"}', 'signet_cost_dollars_total{model="m"}',
                   "tensorzero_input_tokens_total", "tensorzero_output_tokens_total"):
        assert f"{series} 0" in zero, series


def test_tokens_and_times_are_counted(page):
    types, _, samples = parse(page[1])
    values = dict(line.rsplit(" ", 1) for line in page[1].splitlines() if not line.startswith("#"))
    assert float(values['signet_tokens_total{model="m",provider="p",direction="input"}']) == float(values["tensorzero_input_tokens_total"]) > 0
    assert float(values['signet_tokens_total{model="m",provider="p",direction="output"}']) == float(values["tensorzero_output_tokens_total"]) > 0
    assert {t for t in types if t.startswith("tensorzero_")} == {
        "tensorzero_requests_total", "tensorzero_inferences_total", "tensorzero_input_tokens_total", "tensorzero_output_tokens_total",
        "tensorzero_inference_latency_overhead_seconds"}
    bounds = [s["le"] for s in samples["signet_http_request_seconds_bucket"] if s["route"] == "/v1/chat/completions"]
    assert bounds[0] == "0.005" and bounds[-2:] == ["900", "+Inf"] and sum(1 <= float(b) <= 60 for b in bounds) >= 12
    assert {s["status"] for s in samples["signet_http_request_seconds_count"]} <= {"1xx", "2xx", "3xx", "4xx", "5xx", "none"}
    for name in ("cpu_seconds_total", "resident_memory_bytes", "virtual_memory_bytes", "open_fds", "max_fds", "start_time_seconds"):
        assert float(values["process_" + name]) > 0


# -- examples/ ----------------------------------------------------------------------------------------
def expressions():
    dashboard = json.loads((EXAMPLES / "grafana/signet.json").read_text())
    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            yield "dashboard", panel["title"], target["expr"]
    for group in yaml.safe_load((EXAMPLES / "prometheus/signet.yml").read_text())["groups"]:
        for rule in group["rules"]:
            yield "rules", rule["alert"], rule["expr"]


def named(expr):
    """The metrics and the labels that an expression names."""
    text = re.sub(r'"[^"]*"', '""', expr)
    text = re.sub(r"\[[^\]]*\]", "", text)
    labels = set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)(?!=)", text))
    labels |= {l.strip() for group in re.findall(r"\bby \(([^)]*)\)", text) for l in group.split(",")}
    text = re.sub(r"\{[^}]*\}|\bby \([^)]*\)", "", text)
    return set(re.findall(r"[a-z_][a-z0-9_]*", text)) - WORDS - {"e9"}, labels


def test_every_metric_and_label_of_the_examples_exists(page):
    types, _, samples = parse(page[1])
    counted_later = {"signet_sink_dead_rows_total": {"sink"}, "signet_journal_unrecorded_total": {"reason"}}  # shown once there was one
    for where, title, expr in expressions():
        metrics, labels = named(expr)
        known = set(OF_THE_SCRAPE)
        assert metrics, (where, title)
        for metric in metrics - OF_PROMETHEUS:
            assert metric in samples or metric in counted_later, f"{where}, {title}: no metric {metric}"
            known |= set().union(*samples.get(metric, [counted_later.get(metric, set())]))
        assert labels <= known, f"{where}, {title}: no label {labels - known}"


def test_the_dashboard_covers_what_an_operator_asks():
    every = " ".join(expr for where, _, expr in expressions() if where == "dashboard")
    for metric in ("signet_http_requests_total", "signet_upstream_requests_total", "signet_http_request_seconds", "signet_upstream_ttft_seconds", "signet_tokens_total",
                   "signet_cost_dollars_total", "signet_sink_backlog_records", "signet_sink_state", "process_resident_memory_bytes", "signet_keys_rested_total"):
        assert metric in every
