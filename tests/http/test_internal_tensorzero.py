"""TensorZero's routes under /internal that are about model calls, in its shapes (http-api §20, storage §3)."""
import pytest

from lib import raw, record
from lib.internal import page, post, request
from lib.mock import error
from lib.raw import CHAT, chat
from lib.signet import Signet, config, openai_model

NONE = "01900000-0000-7000-8000-000000000000"


@pytest.fixture(scope="module")
def gateway(module_mock):
    toml = config(openai_model("m", module_mock.url) + openai_model("two", module_mock.url + "/a", module_mock.url + "/b"), record=True)
    with Signet(toml) as signet:
        signet.made = []
        for i, model in enumerate(("m", "two", "m", "m")):
            got = raw.post(signet.port, CHAT, chat(model, f"number {i}"))
            signet.made.append(got.headers["x-signet-inference-id"])
            record.wait_row(signet.data_dir, signet.made[-1])
        signet.made.sort()
        yield signet


def row(gateway, id):
    return record.wait_row(gateway.data_dir, id)


def test_the_calls_of_an_inference(gateway):
    id = gateway.made[0]
    (call,) = page(gateway, f"/internal/model_inferences/{id}")["model_inferences"]
    (stored,) = record.rows(gateway.data_dir, "select * from ModelInference where inference_id = ?", id)
    assert call["id"] == stored["id"] and call["raw_request"] == stored["raw_request"] and call["raw_response"] == stored["raw_response"]
    assert call["input_messages"][0]["content"][0]["type"] == "text" and call["output"] == [{"type": "text", "text": "Hello!"}]
    assert (call["input_tokens"], call["output_tokens"], call["cached"], call["cost"], call["system"]) == (11, 7, False, None, None)
    assert len(call["timestamp"]) == 20 and call["snapshot_hash"].isdigit()
    assert page(gateway, f"/internal/model_inferences/{NONE}")["model_inferences"] == []
    assert page(gateway, f"/internal/model_inferences/{call['id']}")["model_inferences"] == []
    assert request(gateway, "GET", "/internal/model_inferences/x").status == 400


def test_what_an_id_is_of(gateway):
    id = gateway.made[0]
    episode = row(gateway, id)["episode_id"]
    call = page(gateway, f"/internal/model_inferences/{id}")["model_inferences"][0]["id"]
    assert page(gateway, f"/internal/resolve_uuid/{id}")["object_types"] == [
        {"type": "inference", "function_name": "tensorzero::default", "function_type": "chat", "variant_name": row(gateway, id)["variant_name"],
         "episode_id": episode}]
    assert page(gateway, f"/internal/resolve_uuid/{episode}")["object_types"] == [{"type": "episode"}]
    got = page(gateway, f"/internal/resolve_uuid/{call}")["object_types"]
    assert got == [{"type": "model_inference", "inference_id": id, "model_name": row(gateway, id)["model_name"],
                    "model_provider_name": row(gateway, id)["model_provider_name"]}]
    assert page(gateway, f"/internal/resolve_uuid/{NONE}") | {"took_ms": 0} == {"id": NONE, "object_types": [], "took_ms": 0}
    assert request(gateway, "GET", "/internal/resolve_uuid/'").status == 400


def metadata(gateway, **params):
    return [m["id"] for m in page(gateway, "/internal/inference_metadata", **params)["inference_metadata"]]


def test_metadata_in_pages(gateway):
    newest = gateway.made[::-1]
    assert metadata(gateway) == newest and metadata(gateway, limit=2) == newest[:2]
    assert metadata(gateway, before=newest[1]) == newest[2:]
    assert metadata(gateway, after=newest[3], limit=2) == newest[1:3]  # those that come next, newest first
    assert metadata(gateway, after=newest[0]) == [] and metadata(gateway, before=newest[3]) == []
    assert metadata(gateway, variant_name="two") == [i for i in newest if row(gateway, i)["variant_name"] == "two"]
    assert metadata(gateway, function_name="x") == [] and metadata(gateway, episode_id=row(gateway, newest[0])["episode_id"]) == newest[:1]
    one = page(gateway, "/internal/inference_metadata", limit=1)["inference_metadata"][0]
    assert set(one) == {"id", "function_name", "variant_name", "episode_id", "function_type", "snapshot_hash"}
    for bad in ("limit=0", "limit=x", "before=x", "after=%00", f"before={NONE}&after={NONE}"):
        assert request(gateway, "GET", "/internal/inference_metadata?" + bad).status == 400, bad


def test_counts(gateway):
    assert post(gateway, "/internal/inferences/count", {})["count"] == 4
    assert post(gateway, "/internal/inferences/count", {"variant_name": "two"})["count"] == 1
    assert post(gateway, "/internal/inferences/count", {"function_name": "'"})["count"] == 0
    assert "function" in post(gateway, "/internal/inferences/count", {"filters": {"type": "and", "children": []}}, 400)["error"]
    assert page(gateway, "/internal/models/count")["model_count"] == 2


@pytest.mark.parametrize("window", ["minute", "hour", "day", "week", "month", "cumulative"])
def test_usage_and_latency(gateway, window):
    got = page(gateway, "/internal/models/usage", time_window=window, max_periods=10)["data"]
    by_model = {}
    for d in got:
        by_model[d["model_name"]] = by_model.get(d["model_name"], 0) + d["count"]
        assert d["input_tokens"] == 11 * d["count"] and d["cost"] is None and d["count_with_cost"] == 0
        assert d["period_start"].endswith("Z") and (window != "cumulative" or d["period_start"] == "1970-01-01T00:00:00Z")
    assert by_model == {"m": 3, "two": 1}
    latency = page(gateway, "/internal/models/latency", time_window=window)
    assert len(latency["quantiles"]) == 70 and latency["quantiles"][:3] == [0.001, 0.005, 0.01] and latency["quantiles"][-1] == 0.999
    assert {d["model_name"]: d["count"] for d in latency["data"]}["two"] <= 1
    assert all(len(d["response_time_ms_quantiles"]) == 70 for d in latency["data"])


@pytest.mark.parametrize("query", ["", "time_window=year&max_periods=1", "time_window=day", "time_window=day&max_periods=0", "time_window=day&max_periods=1000"])
def test_windows_that_are_none(gateway, query):
    assert request(gateway, "GET", "/internal/models/usage?" + query).status == 400
