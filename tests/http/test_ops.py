"""/status, /health, /metrics (http-api §4 with Signet's additions; signet-own (f))."""
import re

from lib import raw
from lib.mock import error, sse, text_chunks
from lib.raw import CHAT, TZ, TZ_CHAT, chat
from lib.signet import config, openai_model


def signet_toml(mock):
    return config(openai_model("m", mock.url) + openai_model("two", mock.url + "/a", mock.url + "/b"), record=True)


def test_status(signet):
    got = raw.get(signet.port, "/status")
    assert got.status == 200 and got.body.startswith(b'{"status":"ok","version":"2026.6.0","config_hash":"')
    assert list(got.json) == ["status", "version", "config_hash", "signet"]
    assert re.fullmatch("[0-9a-f]{64}", got.json["config_hash"])
    ours = got.json["signet"]
    assert {"version", "uptime_s", "workers", "connections", "streams", "rss_bytes", "record", "signers"} <= set(ours)
    assert ours["record"]["state"] == "ok" and ours["record"]["unrecorded"] == 0 and ours["record"]["disk_free_bytes"] > 0


def test_health(signet):
    got = raw.get(signet.port, "/health")
    assert (got.status, got.body) == (200, b'{"gateway":"ok","clickhouse":"ok","postgres":"ok","valkey":"ok","valkey_cache":"ok"}')


def test_metrics(signet, mock):
    before = signet.metrics()
    raw.post(signet.port, CHAT, chat())
    mock.then(sse(text_chunks("s")))
    raw.post(signet.port, TZ_CHAT, chat(TZ + "m", stream=True))
    mock.then(error(500))
    raw.post(signet.port, CHAT, chat("two"))
    raw.post(signet.port, CHAT, "{bad")
    now = signet.metrics()

    def grown(name, **labels):
        def total(metrics):
            return sum(v for k, v in metrics.items() if k.split("{")[0] == name and all(f'{a}="{b}"' in k for a, b in labels.items()))
        return total(now) - total(before)

    assert grown("tensorzero_requests_total", endpoint="inference", function_name="tensorzero::default", model_name="m") == 2
    assert grown("tensorzero_inferences_total", model_name="two") == 1
    assert grown("tensorzero_input_tokens_total") == 33 and grown("tensorzero_output_tokens_total") == 21
    assert grown("signet_http_requests_total", status="200") >= 3
    assert grown("signet_http_requests_total", status="400") == 1
    assert grown("signet_upstream_requests_total", model="m", provider="p", result="ok") == 2
    assert grown("signet_upstream_requests_total", model="two", provider="p0") == 1
    assert grown("signet_fallbacks_total", model="two") == 1
    assert grown("signet_http_request_seconds_count") >= 4
    assert grown("signet_upstream_ttft_seconds_count", model="m") >= 1


def test_metrics_text_is_well_formed(signet):
    got = raw.get(signet.port, "/metrics")
    assert got.headers["content-type"].startswith("text/plain")
    types, seen = {}, set()
    for line in got.text.splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert name not in types, f"{name} is declared twice"
            types[name] = kind
        elif line and not line.startswith("#"):
            series = line.rsplit(" ", 1)[0]
            assert re.fullmatch(r'[a-z_:][a-z0-9_:]*(\{([a-z_]+="([^"\\\n]|\\.)*",?)*\})?', series), line
            float(line.rsplit(" ", 1)[1])
            assert series not in seen, f"{series} twice"
            seen.add(series)
            base = re.sub("_(bucket|sum|count)$", "", series.split("{")[0])
            assert base in types or series.split("{")[0] in types, line
    for name in ("signet_build_info", "signet_start_time_seconds", "signet_process_rss_bytes", "signet_open_files", "signet_client_connections",
                 "signet_streams", "signet_cancelled_total", "signet_body_memory_bytes", "signet_journal_records_total"):
        assert any(s.startswith(name) for s in seen), name


def test_status_tells_of_this_moment(signet):
    ours = raw.get(signet.port, "/status").json["signet"]
    assert 0 <= ours["uptime_s"] < 3600 and ours["workers"] >= 1 and 1 <= ours["connections"] <= 4 and ours["streams"] == 0
    assert 1 << 20 < ours["rss_bytes"] < 1 << 40
    assert ours["record"]["content"] == "full" and ours["record"]["sink"] == "sqlite" and ours["record"]["alarms"] == []
    assert ours["signers"] == []


def test_gauges_are_read_when_asked(signet, mock):
    raw.post(signet.port, CHAT, chat())
    metrics = signet.metrics()
    workers = raw.get(signet.port, "/status").json["signet"]["workers"]
    lags = {k: v for k, v in metrics.items() if k.startswith("signet_loop_lag_seconds")}
    assert set(lags) == {f'signet_loop_lag_seconds{{worker="{i}"}}' for i in range(workers)}
    assert all(0 <= v < 60 for v in lags.values())
    builds = [k for k in metrics if k.startswith("signet_build_info")]
    assert len(builds) == 1 and re.fullmatch(r'signet_build_info\{version="[^"]+"\}', builds[0]) and metrics[builds[0]] == 1
    assert 1_700_000_000 < metrics["signet_start_time_seconds"] < 4_000_000_000
    assert 1 << 20 < metrics["signet_process_rss_bytes"] < 1 << 40
    assert 5 < metrics["signet_open_files"] < 10_000
    assert 1 <= metrics["signet_client_connections"] <= 4  # those before may still be going
    assert metrics["signet_body_memory_bytes"] == 0 and metrics["signet_offload_queue"] == 0
    upstreams = {k: v for k, v in metrics.items() if k.startswith("signet_upstream_connections")}
    assert {re.search('state="(.*?)"', k).group(1) for k in upstreams} == {"idle", "busy"}
    assert all('host="127.0.0.1"' in k for k in upstreams)
    assert sum(v for k, v in upstreams.items() if "idle" in k) >= 1


def test_a_request_that_cannot_be_read_gets_the_paths_shape_and_its_id(signet):
    for path, error in (("/v1/messages", lambda b, id: b["type"] == "error" and b["request_id"] == id),
                        ("/v1/chat/completions", lambda b, id: b["error"]["type"] == "invalid_request_error"),
                        ("/inference", lambda b, id: isinstance(b["error"], str))):
        with raw.Client(signet.port) as c:
            c.send(f"POST {path} HTTP/1.1\r\nHost: x\r\nBad\x01: y\r\n\r\n".encode())
            got = c.read()
        assert got.status == 400 and got.headers["content-type"] == "application/json"
        assert re.fullmatch("req_[0-9a-f]{32}", got.headers["x-request-id"]) and got.headers["request-id"] == got.headers["x-request-id"]
        assert error(got.json, got.headers["x-request-id"]), got.body
