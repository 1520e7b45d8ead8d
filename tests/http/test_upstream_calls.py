"""One call to an upstream, seen from both sides: what is sent, what its outcome does to the client, the record and the metrics."""
import base64
import json
import time

import pytest

from lib import raw, record
from lib.mock import HANG, Mock, Pause, answer, chat_answer, chunk, cut, error, hang, json_answer, sse, text_chunks
from lib.raw import CHAT, TZ, TZ_CHAT, chat
from lib.signet import Signet, config, openai_model

BOTH = pytest.mark.parametrize("path,prefix", [(CHAT, ""), (TZ_CHAT, TZ)], ids=["openai", "tensorzero"])
SLOW = "[models.slow.timeouts]\nnon_streaming.total_ms = 300\nstreaming = { ttft_ms = 300, total_ms = 600 }\n"


def signet_toml(mock):
    return config(openai_model("m", mock.url) + openai_model("two", mock.url + "/a", mock.url + "/b") + openai_model("slow", mock.url) + SLOW
                  + openai_model("slower", mock.url + "/a", mock.url + "/b", model_keys="timeouts = { streaming.ttft_ms = 300 }"),
                  record=True, extra='[object_storage]\ntype = "disabled"')


class Grown:
    """How far counters have moved since it was made."""

    def __init__(self, signet):
        self.signet, self.before = signet, signet.metrics()

    def __call__(self, name, **labels):
        def total(metrics):
            return sum(v for k, v in metrics.items() if k.split("{")[0] == name and all(f'{a}="{b}"' in k for a, b in labels.items()))
        return total(self.signet.metrics()) - total(self.before)


# -- what is sent -------------------------------------------------------------------------------------
CLIENT = [("openai-beta", "assistants=v2"), ("session_id", "s1"), ("session-id", "s2"), ("thread-id", "t"), ("originator", "codex"),
          ("user-agent", "Mine/1.0"), ("x-codex-turn", "7")]


def test_an_openai_clients_own_headers_go_on(signet, mock):
    raw.post(signet.port, CHAT, chat(), CLIENT + [("x-other", "no"), ("cookie", "no"), ("accept-language", "de")])
    sent = mock.last().headers
    assert {k: sent.get(k) for k, _ in CLIENT} == dict(CLIENT)
    assert not {"x-other", "cookie", "accept-language", "authorization"} & set(sent)
    raw.post(signet.port, TZ_CHAT, chat(TZ + "m"), CLIENT)
    assert not {k for k, _ in CLIENT if k != "user-agent"} & set(mock.last().headers)
    assert mock.last().headers["user-agent"].startswith("Signet/")


def test_the_rest_of_the_head(signet, mock):
    raw.post(signet.port, CHAT, chat())
    assert mock.last().headers["content-type"] == "application/json" and mock.last().headers["user-agent"].startswith("Signet/")
    assert mock.last().headers.get("accept") != "text/event-stream" and mock.last().method == "POST"
    mock.then(sse(text_chunks("s")))
    raw.post(signet.port, CHAT, chat(stream=True))
    assert mock.last().headers["accept"] == "text/event-stream"


@BOTH
def test_files_are_masked_in_the_record_only(signet, mock, path, prefix):
    data = [base64.b64encode(bytes([i]) * 900).decode() for i in range(3)]
    parts = [{"type": "image_url", "image_url": {"url": "data:image/png;base64," + d}} for d in data]
    messages = [{"role": "user", "content": [{"type": "text", "text": "see"}, *parts[:2]]}, {"role": "assistant", "content": "yes"},
                {"role": "user", "content": [parts[2]]}]
    got = raw.post(signet.port, path, {"model": prefix + "m", "messages": messages})
    assert got.status == 200, got.body
    row = record.whole(signet.data_dir, got.headers["x-signet-inference-id"])["ModelInference"][0]
    sent = mock.last().body.decode()
    for i, d in enumerate(data):
        assert d in sent
        sent = sent.replace(d, f"<TENSORZERO_FILE_{i}>")
    assert row["raw_request"] == sent


# -- how it ends --------------------------------------------------------------------------------------
@BOTH
def test_a_stream_without_an_event(signet, mock, path, prefix):
    mock.then(sse([], done=False))
    got = raw.post(signet.port, path, chat(prefix + "m", stream=True))
    assert got.status == 502 and "Stream ended before first chunk" in got.message and "p: " in got.message
    row = record.whole(signet.data_dir, got.headers["x-signet-inference-id"])["InferenceById"][0]
    assert (row["state"], row["stream"], row["status"]) == ("error", 1, 502)


@BOTH
def test_an_event_stream_of_another_type(signet, mock, path, prefix):
    mock.then(json_answer(chat_answer("plain")))
    got = raw.post(signet.port, path, chat(prefix + "m", stream=True))
    assert got.status == 502 and "Expected content-type 'text/event-stream', got \"application/json\"" in got.message
    rows = record.whole(signet.data_dir, got.headers["x-signet-inference-id"])
    assert json.loads(rows["RequestError"][0]["attempts"][0]["raw_response"]) == chat_answer("plain")


@BOTH
def test_a_models_own_timeouts(signet, mock, path, prefix):
    grown = Grown(signet)
    mock.then(hang())
    got = raw.post(signet.port, path, chat(prefix + "slow"))
    assert got.status == (504 if path == CHAT else 502)
    assert "Model slow timed out due to configured `non_streaming.total_ms` timeout (300ms)" in got.message
    mock.then(hang())
    got = raw.post(signet.port, path, chat(prefix + "slow", stream=True))
    assert "Model slow timed out due to configured `streaming.ttft_ms` timeout (300ms)" in got.message
    rows = record.whole(signet.data_dir, got.headers["x-signet-inference-id"])
    assert rows["InferenceById"][0]["error_kind"] == "timeout" and len(rows["RequestError"][0]["attempts"]) == 1
    mock.then(sse([chunk({"content": "a"}), HANG], done=False))
    got = raw.post(signet.port, path, chat(prefix + "slow", stream=True))
    assert got.status == 200 and "Model slow timed out due to configured `streaming.total_ms` timeout (600ms)" in got.text
    rows = record.whole(signet.data_dir, got.headers["x-signet-inference-id"])
    assert (rows["InferenceById"][0]["state"], rows["InferenceById"][0]["preview_out"]) == ("truncated", "a")
    assert grown("signet_upstream_requests_total", model="slow", provider="p", result="timeout") == 3
    assert grown("signet_fallbacks_total", model="slow") == 0


def test_a_models_time_ends_the_walk(signet, mock):
    """The second provider is not asked when the model's own time is over."""
    mock.then(hang(), sse(text_chunks("late")))
    got = raw.post(signet.port, CHAT, chat("slower", stream=True))
    assert "Model slower timed out" in got.message and len(mock.requests) == 1


@BOTH
def test_the_gateways_own_outbound_limits(module_mock, mock, path, prefix):
    limits = "global_outbound_http_timeout_ms = 400\n"
    words = "Request timed out due to `gateway.global_outbound_http_timeout_ms`"
    with Signet(config(openai_model("m", module_mock.url), gateway=limits)) as s:
        mock.then(hang(), hang(), sse([chunk({"content": "a"}), HANG], done=False))
        for stream in (False, True):
            got = raw.post(s.port, path, chat(prefix + "m", stream=stream))
            assert got.status >= 500 and words in got.message
        got = raw.post(s.port, path, chat(prefix + "m", stream=True))
        assert got.status == 200 and words in got.text
        mock.then(sse([Pause(0.1), chunk({"content": "a"}), Pause(0.1), chunk({}, "stop")]))
        assert raw.post(s.port, path, chat(prefix + "m", stream=True)).events()[-1] == "[DONE]"
    with Signet(config(openai_model("m", module_mock.url), gateway="global_outbound_http_intra_stream_read_timeout_ms = 300")) as s:
        mock.then(sse([chunk({"content": "a"}), HANG], done=False), json_answer(chat_answer("slow"), delay=0.5))
        got = raw.post(s.port, path, chat(prefix + "m", stream=True))
        assert got.status == 200 and words in got.text
        assert raw.post(s.port, path, chat(prefix + "m")).status == 200, "it is the time between two reads of a stream"


@BOTH
def test_debug_shows_what_was_sent_and_what_came(module_mock, mock, path, prefix):
    with Signet(config(openai_model("m", module_mock.url), gateway="debug = true")) as s:
        mock.then(answer('{"choices":[{"mess'))
        got = raw.post(s.port, path, chat(prefix + "m"))
        assert "\nRaw request: " + mock.last().body.decode() in got.message and '\nRaw response: {"choices":[{"mess' in got.message
        mock.then(cut(), cut())
        got = raw.post(s.port, path, chat(prefix + "m"))
        assert "\nRaw request: " in got.message and "Raw response" not in got.message
    mock.then(answer('{"choices":[{"mess'))
    with Signet(config(openai_model("m", module_mock.url))) as s:
        assert "Raw re" not in raw.post(s.port, path, chat(prefix + "m")).message


# -- what an upstream's status becomes ------------------------------------------------------------------
@pytest.mark.parametrize("status,code,seen,code_seen", [
    (400, None, 400, None), (401, None, 502, "upstream_auth"), (403, None, 502, "upstream_auth"), (402, None, 429, "insufficient_quota"),
    (404, None, 404, None), (408, None, 504, "timeout"), (418, None, 418, None), (422, None, 422, None),
    (429, None, 429, "rate_limit_exceeded"), (500, None, 502, "upstream_error"), (503, None, 503, "server_is_overloaded"),
    (529, None, 503, "server_is_overloaded"), (400, "context_length_exceeded", 400, "context_length_exceeded"),
    (429, "insufficient_quota", 429, "insufficient_quota"), (400, "content_filter", 400, "content_policy_violation"),
    (400, "invalid_prompt", 400, "invalid_prompt"), (400, "cyber_policy", 400, "cyber_policy"),
])
def test_a_status_without_openais_body(signet, mock, status, code, seen, code_seen):
    """No error object that an OpenAI client knows: it gets Signet's own, by the failure's kind."""
    body = {"code": code, "message": "no"} if code else {"message": "no"}
    mock.then(json_answer(body, status))
    got = raw.post(signet.port, CHAT, chat())
    assert (got.status, got.json["error"]["code"]) == (seen, code_seen), got.body
    assert set(got.json["error"]) == {"message", "type", "param", "code"} and "no" in got.message
    assert "try again" not in got.message and "retry-after" not in got.headers, "nobody said when"


@pytest.mark.parametrize("status", [400, 404, 409, 422, 429, 500, 503])
def test_openais_own_error_object_comes_through(signet, mock, status):
    body = {"error": {"message": "as it is", "type": "odd", "param": "x", "code": "c", "more": [1]}}
    mock.then(json_answer(body, status))
    got = raw.post(signet.port, CHAT, chat())
    assert (got.status, got.json) == (status, body)
    mock.then(json_answer(body, status))
    got = raw.post(signet.port, TZ_CHAT, chat(TZ + "m"))
    assert got.status == 502 and got.json["error"]["message"].startswith("All variants failed with errors: m: ")


def test_error_status_gateway(module_mock, mock):
    with Signet(config(openai_model("m", module_mock.url), extra='[surfaces]\nerror_status = "gateway"')) as s:
        mock.then(error(429, "slow"), error(400, "bad"))
        for words in ("slow", "bad"):
            got = raw.post(s.port, CHAT, chat())
            assert got.status == 502 and words in got.message and got.message.startswith("All variants failed")


# -- counted --------------------------------------------------------------------------------------------
def test_counts_of_attempts(signet, mock):
    grown = Grown(signet)
    mock.then(error(500), json_answer(chat_answer("b")), error(429), error(401), sse(text_chunks("s")))
    for stream, status in ((False, 200), (False, 502), (True, 200)):
        assert raw.post(signet.port, CHAT, chat("two", stream=stream)).status == status
    labels = {"model": "two"}
    assert grown("signet_upstream_requests_total", **labels) == 5
    for provider, result, n in (("p0", "server", 1), ("p1", "ok", 1), ("p0", "rate_limit", 1), ("p1", "auth", 1), ("p0", "ok", 1)):
        assert grown("signet_upstream_requests_total", provider=provider, result=result, **labels) == n, (provider, result)
    assert grown("signet_fallbacks_total", **labels) == 2
    assert grown("signet_upstream_seconds_count", **labels) == 5 and 0 <= grown("signet_upstream_seconds_sum", **labels) < 60
    assert grown("signet_upstream_ttft_seconds_count", provider="p0", **labels) == 1 and grown("signet_upstream_ttft_seconds_count", provider="p1", **labels) == 0
    assert grown("tensorzero_input_tokens_total") == 22 and grown("tensorzero_output_tokens_total") == 14
    assert grown("tensorzero_requests_total", endpoint="inference", function_name="tensorzero::default", model_name="two") == 3


def test_an_answer_without_usage_counts_no_tokens(signet, mock):
    grown = Grown(signet)
    mock.then(json_answer(chat_answer(usage=...)))
    assert raw.post(signet.port, CHAT, chat()).status == 200
    assert grown("tensorzero_input_tokens_total") == grown("tensorzero_output_tokens_total") == 0
    assert grown("tensorzero_inferences_total", model_name="m") == 1


def test_a_dryrun_is_not_counted_as_an_inference(signet, mock):
    grown = Grown(signet)
    raw.post(signet.port, TZ_CHAT, {**chat(TZ + "m"), "tensorzero::dryrun": True})
    assert grown("tensorzero_inferences_total") == grown("tensorzero_requests_total") == 0
    assert grown("signet_upstream_requests_total", model="m", result="ok") == 1


def test_a_client_that_leaves_is_counted_once(signet, mock):
    grown = Grown(signet)
    mock.then(hang())
    with raw.Client(signet.port) as c:
        c.send(raw.post_bytes(CHAT, chat()))
        mock.wait_requests(1)
    raw.wait_for(lambda: grown("signet_cancelled_total") == 1)
    raw.wait_for(lambda: grown("signet_upstream_requests_total", model="m", result="cancelled") == 1)
    assert grown("signet_streams") == 0


def test_streams_under_way_are_a_gauge(signet, mock):
    mock.then(sse([chunk({"content": "a"}), HANG], done=False))
    with raw.Client(signet.port) as c:
        c.send(raw.post_bytes(CHAT, chat(stream=True)))
        c.read_head()
        c.read_chunk()
        assert signet.metric("signet_streams") == 1
        status = signet.status()["signet"]
        assert status["streams"] == 1 and status["connections"] >= 2
        assert signet.metric("signet_client_connections") >= 2
        busy = [v for k, v in signet.metrics().items() if k.startswith("signet_upstream_connections") and 'busy"' in k]
        assert sum(busy) == 1
    raw.wait_for(lambda: signet.metric("signet_streams") == 0 and signet.status()["signet"]["streams"] == 0)


def test_gauges_of_the_process(signet):
    metrics = signet.metrics()
    assert [v for k, v in metrics.items() if k.startswith("signet_build_info{version=")] == [1.0]
    assert abs(time.time() - metrics["signet_start_time_seconds"]) < 600
    assert abs(metrics["signet_process_rss_bytes"] - signet.rss()) < 64 << 20
    assert abs(metrics["signet_open_files"] - signet.open_files()) <= 4
    status = signet.status()["signet"]
    assert 0 <= status["uptime_s"] < 600 and abs(status["rss_bytes"] - signet.rss()) < 64 << 20
    assert {k for k in metrics if k.startswith("signet_loop_lag_seconds{")} == {f'signet_loop_lag_seconds{{worker="{i}"}}' for i in range(status["workers"])}


@pytest.mark.parametrize("options", [None, {}, {"include_usage": False}, {"include_usage": True}, {"x": 1, "include_usage": False}, ...])
def test_usage_is_asked_for_whatever_the_client_wants(signet, mock, options):
    """The record needs it; the client gets it only where it asked."""
    mock.then(sse(text_chunks("hi")))
    got = raw.post(signet.port, CHAT, chat(stream=True) | ({} if options is ... else {"stream_options": options}))
    asked = options if isinstance(options, dict) else {}
    assert mock.last().json["stream_options"] == {**asked, "include_usage": True}
    wanted = asked.get("include_usage", False)
    assert ('"usage":{' in got.text) == wanted and got.events()[-1] == "[DONE]"
    assert record.whole(signet.data_dir, got.headers["x-signet-inference-id"])["InferenceById"][0]["input_tokens"] == 11
