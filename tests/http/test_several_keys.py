"""Several keys of one provider: spread, resting, tried in turn; and sessions that keep theirs ([routing] affinity)."""
import json
import threading

import pytest

from lib import raw
from lib.mock import error, json_answer, chat_answer, sse, text_chunks
from lib.signet import Signet, config

KEYS = {"KEY_A": "sk-a", "KEY_B": "sk-b", "KEY_C": "sk-c"}


def provider(model, name, upstream, keys='["env::KEY_A", "env::KEY_B", "env::KEY_C"]'):
    return f'[models.{model}.providers.{name}]\ntype = "openai"\nmodel_name = "m"\napi_base = "{upstream}/{name}/"\napi_key_location = {keys}\n'


def toml(mock, affinity=""):
    text = f'[models.m]\nrouting = ["p"]\n{provider("m", "p", mock.url)}'
    text += f'[models.two]\nrouting = ["a", "b"]\n{provider("two", "a", mock.url)}{provider("two", "b", mock.url)}'
    return config(text, extra=f'[routing]\naffinity = "{affinity}"\n' if affinity else "")


class Served:
    """A gateway for one test: what rests must not rest in the next one."""

    def __init__(self, mock, affinity=""):
        self.mock, self.signet = mock, Signet(toml(mock, affinity), env=KEYS)

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        self.signet.stop()

    def ask(self, content="Hi", model="m", headers=(), **more):
        body = {"model": model, "messages": [{"role": "user", "content": content}], **more}
        return raw.post(self.signet.port, "/v1/chat/completions", json.dumps(body), list(headers))

    def keys(self):
        return [r.headers["authorization"][-1] for r in self.mock.requests]


def test_requests_are_spread(mock):
    with Served(mock) as s:
        for _ in range(6):
            assert s.ask().status == 200
        assert sorted(s.keys()) == ["a", "a", "b", "b", "c", "c"]


@pytest.mark.parametrize("status", [401, 403, 429])
@pytest.mark.parametrize("stream", [False, True])
def test_a_refused_key_rests_and_the_next_is_tried(mock, status, stream):
    with Served(mock) as s:
        mock.then(error(status, "no"))
        mock.default = sse(text_chunks()) if stream else json_answer(chat_answer())
        got = [s.ask(stream=stream) for _ in range(5)]
        mock.default = json_answer(chat_answer())
        assert [g.status for g in got] == [200] * 5
        first, rest = s.keys()[0], s.keys()[1:]
        assert first not in rest and len(set(rest)) == 2


def test_other_errors_are_no_keys_fault(mock):
    with Served(mock) as s:
        mock.then(error(500, "broken"), error(404, "what"))
        assert s.ask().status == 500 and s.ask().status == 404
        for _ in range(3):
            s.ask()
        assert len(mock.requests) == 5 and len(set(s.keys())) == 3


@pytest.mark.parametrize("header", [("retry-after", "0"), ("retry-after-ms", "1"), ("x-ratelimit-reset-requests", "1ms")])
def test_a_key_rests_as_long_as_the_upstream_says(mock, header):
    with Served(mock) as s:
        mock.then(error(429, "slow", headers=[header]))
        for _ in range(6):
            assert s.ask().status == 200
        assert len(set(s.keys()[1:])) == 3


def test_all_keys_refused(mock):
    with Served(mock) as s:
        mock.then(*[error(429, "slow", headers=[("retry-after", "60")]) for _ in range(3)])
        got = s.ask()
        assert got.status == 429 and len(mock.requests) == 3 and len(set(s.keys())) == 3
        assert got.headers["retry-after"] == "60"
        # while all rest, the one that is free first is tried once
        assert s.ask().status == 200 and len(mock.requests) == 4


def test_the_next_provider_comes_after_the_last_key(mock):
    with Served(mock) as s:
        mock.then(*[error(401, "no") for _ in range(3)])
        assert s.ask(model="two").headers["x-signet-provider"] == "b"
        assert [r.target.split("/")[1] for r in mock.requests] == ["a", "a", "a", "b"]


def test_a_session_keeps_its_key(mock):
    with Served(mock, "session") as s:
        for session in range(8):
            for _ in range(3):
                s.ask(headers=[("session-id", f"s-{session}")])
        keys = s.keys()
        assert all(len(set(keys[i:i + 3])) == 1 for i in range(0, 24, 3)) and len(set(keys)) > 1


def test_a_header_of_your_own(mock):
    with Served(mock, "header:x-thread") as s:
        for thread in range(8):
            for _ in range(3):
                s.ask(headers=[("X-Thread", f"t-{thread}")])
        keys = s.keys()
        assert all(len(set(keys[i:i + 3])) == 1 for i in range(0, 24, 3)) and len(set(keys)) > 1
        for _ in range(6):
            s.ask()
        assert len(set(s.keys()[24:])) == 3  # without it requests are spread


def test_a_prefix_is_a_session(mock):
    with Served(mock, "prefix") as s:
        for topic in range(8):
            for _ in range(3):
                s.ask(f"topic {topic}")
        keys = s.keys()
        assert all(len(set(keys[i:i + 3])) == 1 for i in range(0, 24, 3)) and len(set(keys)) > 1


def test_a_session_moves_when_its_key_or_provider_fails_and_stays_there(mock):
    with Served(mock, "session") as s:
        ask = lambda: s.ask(model="two", headers=[("session-id", "one")])  # noqa: E731
        ask()
        mock.then(error(429, "slow", headers=[("retry-after", "60")]))
        ask(), ask()
        a, b, c, d = s.keys()
        assert a == b and c == d and c != b
        mock.then(error(500, "down"))
        ask(), ask()
        assert [r.target.split("/")[1] for r in mock.requests][4:] == ["a", "b", "b"]


def test_many_at_once(mock):
    with Served(mock) as s:
        threads = [threading.Thread(target=s.ask) for _ in range(30)]
        [t.start() for t in threads]
        [t.join() for t in threads]
        assert len(mock.requests) == 30 and len(set(s.keys())) == 3


@pytest.mark.parametrize("keys,text", [
    ("[]", "an empty list of keys"), ('["env::KEY_A", "env::NOT_THERE"]', "Environment variable `NOT_THERE` is missing"),
    ('["env::KEY_A", 5]', "expected a string"), ('["env::KEY_A", ["env::KEY_B"]]', "expected a string"),
])
def test_a_list_that_is_none(mock, tmp_path, keys, text):
    s = Signet(config(f'[models.m]\nrouting = ["p"]\n{provider("m", "p", mock.url, keys)}'), env=KEYS, start=False, folder=tmp_path)
    status, said = s.fails_to_start()
    assert status == 1 and text in said, said


def test_an_affinity_that_is_none(mock, tmp_path):
    s = Signet(toml(mock, "header:"), env=KEYS, start=False, folder=tmp_path)
    assert "expected one of `session`, `prefix`, `header:NAME`" in s.fails_to_start()[1]
