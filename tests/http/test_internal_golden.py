"""The shapes of ui §5, as files that the web application is compiled against (lib/golden.py)."""
import pytest

from lib import golden, raw, record
from lib.internal import page
from lib.mock import error, sse, text_chunks, usage_chunk
from lib.raw import CHAT, chat
from lib.signet import config, openai_model


def signet_toml(mock):
    return config(openai_model("m", mock.url) + openai_model("two", mock.url + "/a", mock.url + "/b"), record=True)


def ask(signet, body):
    got = raw.post(signet.port, CHAT, body)
    record.wait_row(signet.data_dir, got.headers["x-signet-inference-id"])
    return got.headers["x-signet-inference-id"]


@pytest.fixture
def traffic(signet, mock):
    """Three inferences, the oldest first: a plain one, one that fell back, one that failed."""
    plain = ask(signet, {**chat("m"), "temperature": 0.5, "metadata": {"team": "a"}, "user": "u-1"})
    mock.then(error(429, "slow down"))
    fell_back = ask(signet, chat("two", "Tell me"))
    mock.then(error(400, "no such thing"))
    failed = ask(signet, chat("m", "What?"))
    return plain, fell_back, failed


def test_shapes(signet, mock, traffic):
    golden.check("session", page(signet, "/session"), csrf="csrf")
    logs = page(signet, "/logs", limit=3)
    golden.check("logs", logs)
    for name, id in zip(("inference", "inference_fallback", "inference_failed"), traffic):
        golden.check(name, page(signet, "/inferences/" + id))


def summed(value):
    """Lists of numbers as one: how many steps a range has depends on the minute."""
    if isinstance(value, dict):
        return {k: summed(v) for k, v in value.items()}
    if isinstance(value, list) and value and all(v is None or isinstance(v, (int, float)) for v in value):
        numbers = [v for v in value if v is not None]
        return [sum(numbers) if numbers else None]
    return [summed(v) for v in value] if isinstance(value, list) else value


def test_shapes_of_charts(signet, mock, traffic):
    golden.check("count", page(signet, "/logs/count"), n=3)
    golden.check("histogram", summed(page(signet, "/logs/histogram", range="1h")), ok=[2], err=[1], step_s=120)
    golden.check("facets", page(signet, "/logs/facets", dim=["model", "status"]), n=2)
    golden.check("overview", summed(page(signet, "/overview", range="1h")), step_s=120, n=[3], err=[1], out=[14], **{"in": [22]})
    by_model = summed(page(signet, "/overview", range="1h", by="model"))
    assert sorted(s["by"] for s in by_model["series"]) == ["m", "two"]
    health = page(signet, "/health")
    golden.check("health", {**health, "workers": health["workers"][:1]}, uptime_s=9, connections=1, rss=40000000, disk_free=60000000000, rows=0,
                 bytes=0, segments=1, n_5m=3, err_5m=1, loop_lag_ms=1.5, oldest_s=0)
