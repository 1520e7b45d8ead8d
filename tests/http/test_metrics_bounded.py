"""/metrics is bounded whatever clients ask (13 D4): labels are configured names; shorthand names are labels up to 100."""
import re

import pytest

from lib import raw
from lib.mock import Mock
from lib.raw import CHAT, TZ, TZ_CHAT, chat
from lib.signet import Signet, config, openai_model

LONG = "long-" + "n" * 300


def signet_toml(mock):
    return config(openai_model("m", mock.url) + openai_model(LONG, mock.url) + openai_model("later", mock.url))




def labels(page, metric, label):
    return [re.search(label + r'="((?:[^"\\]|\\.)*)"', l).group(1) for l in page.splitlines() if l.startswith(metric + "{") and f"{label}=" in l]


@pytest.fixture(scope="module")
def signet():
    with Mock() as mock, Signet(signet_toml(mock), env={"OPENAI_API_KEY": "sk-none", "HTTPS_PROXY": "http://127.0.0.1:1"}) as signet:
        yield signet  # shorthands fail at once, nothing leaves


def test_made_up_names_fill_nothing(signet):
    for i in range(130):
        assert raw.post(signet.port, CHAT, chat(f"openai::made-up-{i}")).status >= 400
    for name in ("openai::" + "y" * 125, "openai::" + "z" * 600, "openai::\u0001\"\\\n{}", "openai::" + "ü" * 100):
        raw.post(signet.port, CHAT, chat(name))
        raw.post(signet.port, TZ_CHAT, chat(TZ + name))
    raw.post(signet.port, CHAT, chat("nobody-has-this"))
    assert raw.post(signet.port, CHAT, chat("later")).status == 200  # what is configured still counts by its name
    raw.get(signet.port, "/metrics")  # a series of its own, counted behind its answer
    raw.wait_for(lambda: signet.metric("signet_http_request_seconds_count", route="/metrics", status="2xx"))
    page = raw.get(signet.port, "/metrics").text
    for metric, label in (("tensorzero_requests_total", "model_name"), ("tensorzero_inferences_total", "model_name"), ("signet_upstream_requests_total", "model"),
                          ("signet_upstream_seconds_count", "model")):
        names = set(labels(page, metric, label))
        made_up = {n for n in names if n.startswith("openai::")}
        assert len(made_up) == 100 and "other" in names and "later" in names, metric
        assert all(len(n.encode()) <= 128 for n in names)
        assert "nobody-has-this" not in names
    assert signet.metric("signet_upstream_requests_total", model="other", provider="openai") == 30 + 8
    assert signet.metric("tensorzero_requests_total", model_name="other") == 30 + 8
    assert signet.metric("signet_upstream_requests_total", model="openai::made-up-7", provider="openai") == 1
    series = page.count("\n")
    for i in range(130, 200):
        raw.post(signet.port, CHAT, chat(f"openai::made-up-{i}"))
    assert raw.get(signet.port, "/metrics").text.count("\n") == series


def test_a_long_name_of_the_configuration_is_cut(signet):
    assert raw.post(signet.port, CHAT, chat(LONG)).status == 200
    page = raw.get(signet.port, "/metrics").text
    assert LONG[:128] in labels(page, "signet_upstream_requests_total", "model") and LONG[:129] not in page


def test_hosts_of_files_are_one_label(signet):
    """A client names any host: its connections are counted as those of files."""
    for i in range(5):
        raw.post(signet.port, CHAT, chat("m", content=[{"type": "image_url", "image_url": {"url": f"http://host-{i}.invalid/x.png"}}]))
    hosts = set(labels(raw.get(signet.port, "/metrics").text, "signet_upstream_connections", "host"))
    assert not any(h.startswith("host-") for h in hosts)


def test_made_up_paths_methods_and_keys_are_no_labels():
    with Mock() as mock, Signet(config(openai_model("m", mock.url), "[gateway.auth]\nenabled = true\n", "[server]\nmetrics_auth = false\n")) as signet:
        before = raw.get(signet.port, "/metrics").text
        for i in range(30):
            raw.get(signet.port, f"/made-up/{i}", [("authorization", f"Bearer made-up-{i}")], method=f"MADE{i}" if i % 2 else "GET")
            raw.get(signet.port, f"/internal/signet/inferences/made-up-{i}")
            raw.get(signet.port, f"/ui/made-up-{i}")
        page = raw.get(signet.port, "/metrics").text
        assert "made-up" not in page and len(page) < len(before) + 20_000
