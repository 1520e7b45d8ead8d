"""Injected failures (SIGNET_FAULT, debug builds): each point of one request fails once, one after another.

Whatever fails: no crash, no sanitizer report, a whole answer or a clear error to the client, the next request
works, nothing is left behind, an answer that was given is recorded or counted as unrecorded.
"""
import glob
import os
import re
import signal

import pytest

from lib import raw, record
from lib.mock import Authority, Mock, chat_answer, json_answer, sse, text_chunks
from lib.raw import CHAT, TZ, TZ_CHAT, chat
from lib.signet import ROOT, Signet, config, openai_model

STATUSES = {200, 400, 408, 413, 429, 431, 500, 502, 503, 504}


def points():
    """All names that the sources pass to fault()."""
    names = set()
    for path in glob.glob(os.path.join(ROOT, "src", "**", "*.[ch]"), recursive=True):
        with open(path) as f:
            names |= set(re.findall(r'\bfault\("([^"]+)"\)', f.read()))
    return sorted(names)


@pytest.fixture(scope="module")
def up(tmp_path_factory):
    ca = Authority(tmp_path_factory.mktemp("ca"))
    with Mock(tls=ca.context()) as mock:
        plain, stream = json_answer(chat_answer("whole")), sse(text_chunks("whole"))
        mock.default = lambda conn, request: (stream if request.json.get("stream") else plain)(conn, request)
        mock.ca = ca.cert
        yield mock


def toml(up):
    return config(openai_model("m", up.url), record=True, extra=f'[server]\nworkers = 1\n[upstream]\nca_file = "{up.ca}"')


def one(signet, path, body):
    """One request: its answer if whole, an error's status, or None if the connection broke."""
    try:
        got = raw.post(signet.port, path, body, timeout=15)
    except (EOFError, OSError):
        return None, None
    assert got.status in STATUSES, got.head
    if got.status != 200:
        assert got.body == b"" or b"error" in got.body
        return got.status, None
    if body.get("stream"):
        if not got.body.endswith(b"data: [DONE]\n\n"):
            return None, None
        if b'"error"' in got.body:
            return "error event", None
    assert "whole" in "".join(re.findall(r'"content":"([^"]*)"', got.text))
    return 200, got.headers.get("x-signet-inference-id")


def scenario(up, spec):
    """Starts with this fault, asks plainly and streamed on both profiles, then once more; True if anything was seen to fail."""
    signet = Signet(toml(up), env={"SIGNET_FAULT": spec}, start=False)
    try:
        signet.start()
    except AssertionError:
        if signet.process.poll() is None:
            signet.process.kill()
            raise
        signet.check_reports()
        assert signet.process.returncode == 1, f"{spec}: ended with {signet.process.returncode}\n{signet.tail()}"
        assert signet.stderr().strip(), f"{spec}: refused to start without a word"
        return "start"
    outcomes, ids = [], []
    for path, model, stream in ((CHAT, "m", False), (CHAT, "m", True), (TZ_CHAT, TZ + "m", False), (TZ_CHAT, TZ + "m", True)):
        outcome, id = one(signet, path, chat(model, stream=stream))
        outcomes.append(outcome)
        ids += [id] if id else []
    if spec.endswith("+"):
        signet.kill9()
        signet.check_reports()
        return "+"
    assert signet.process.poll() is None, f"{spec}: died\n{signet.tail()}"
    for _ in range(2):
        outcome, id = one(signet, CHAT, chat())
        outcomes.append(outcome)
        ids += [id] if id else []
    assert sum(o != 200 for o in outcomes) <= 1, f"{spec}: one failure, but {outcomes}"
    try:
        unrecorded = signet.metric("signet_journal_unrecorded_total")
    except OSError:  # it was this request that failed
        unrecorded = signet.metric("signet_journal_unrecorded_total")
    signet.assert_idle()
    signet.stop(signal.SIGTERM)
    # A row may be in the journal still: the next start would move it. Here the drain had its time.
    rows = {r["id"] for r in record.listed(signet.data_dir)}
    assert len(set(ids) - rows) <= unrecorded, f"{spec}: answers without a row: {set(ids) - rows}"
    return "clean" if outcomes == [200] * 6 else "failed"


def first_pass_of_a_request(up, point):
    """How many passes of that point a start takes, by halving over `point:n+` (which refuses the start while n is inside it)."""
    low, high = 1, 2
    while scenario(up, f"{point}:{high}+") == "start":
        low, high = high, high * 4
        assert high < 1 << 22
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if scenario(up, f"{point}:{middle}+") == "start" else (low, middle)
    return high


def walk(up, point, n, quiet=6, limit=400):
    """Fails pass n, n+1, … until `quiet` runs in a row showed nothing."""
    clean = 0
    failed = 0
    while clean < quiet:
        outcome = scenario(up, f"{point}:{n}")
        clean = clean + 1 if outcome == "clean" else 0
        failed += outcome == "failed"
        n += 1
        limit -= 1
        assert limit, f"{point}: still failing after hundreds of passes"
    return failed


def test_the_build_has_faults(up):
    assert scenario(up, "connect:1") in ("failed", "clean")
    signet = Signet(toml(up), env={"SIGNET_FAULT": "connect:1+"})
    assert one(signet, CHAT, chat())[0] == 502, "this binary was built without -Dfaults=true: ./dev asan"
    signet.stop()


def test_allocations_of_one_request(up):
    start = first_pass_of_a_request(up, "alloc")
    assert walk(up, "alloc", max(1, start - 2), quiet=12) > 3


WALKED = [p for p in points() if p != "alloc" and not p.startswith(("sign.", "config."))]
SEEN = {"connect", "conn", "origin", "poll", "recv", "request", "send", "tls", "upconn"}  # by the client of a request that passes them


@pytest.mark.parametrize("point", WALKED)
def test_point(up, point):
    failed = walk(up, point, 1, quiet=4, limit=60)
    if point in SEEN:
        assert failed, f"{point}: nothing fails there any more"


def test_each_point_of_the_sources_is_visited():
    """Those that are not walked here fail in a unit test, by name."""
    units = ""
    for path in glob.glob(os.path.join(ROOT, "tests", "unit", "*.c")):
        with open(path) as f:
            units += f.read()
    assert SEEN <= set(WALKED)
    assert not [p for p in points() if p not in WALKED and p != "alloc" and f'"{p}' not in units]
