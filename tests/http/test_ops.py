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
