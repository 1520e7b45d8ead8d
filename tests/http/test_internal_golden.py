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
    golden.check("session", page(signet, "/session"))
    logs = page(signet, "/logs", limit=3)
    golden.check("logs", logs)
    for name, id in zip(("inference", "inference_fallback", "inference_failed"), traffic):
        golden.check(name, page(signet, "/inferences/" + id))
