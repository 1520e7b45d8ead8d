"""Bodies that need far more memory than they have bytes. What is made of all of them has a bound of its own
(four times `body_memory_mib`); what is over it is told so, and the gateway goes on."""
import threading

import pytest

from lib import raw
from lib.raw import CHAT, chat
from lib.signet import config, openai_model, sanitized

MIB = 1 << 20
HI = b'{"model":"m","messages":[{"role":"user","content":"Hi"}],'


def signet_toml(mock):
    return config(openai_model("m", mock.url), extra="[server]\nbody_memory_mib = 40")


def filled(start, unit, end, mib):
    return start + unit * (mib * MIB // len(unit)) + end


BODIES = {
    "ones": (HI + b'"x":[', b"1,", b"1]}"), "tags": (HI + b'"tensorzero::tags":{', b'"":"",', b'"a":"b"}}'),
    "messages": (b'{"model":"m","messages":[', b'{"role":"user","content":""},', b'{"role":"user","content":"a"}]}'),
    "strings": (HI + b'"stop":[', b'"",', b'""]}'),
}


@pytest.mark.parametrize("name", BODIES)
def test_one_alone_over_the_bound_is_413(signet, mock, name):
    start, unit, end = BODIES[name]
    before = signet.rss()
    got = raw.post(signet.port, CHAT, filled(start, unit, end, 20), timeout=60)
    assert got.status == 413, (got.status, got.body[:300])
    assert "more than 167772160 bytes of memory" in got.message
    assert not sanitized() or signet.rss() - before < 900 * MIB
    assert raw.post(signet.port, CHAT, chat()).status == 200


def test_many_at_once_stay_under_the_bound(signet, mock):
    body = filled(*BODIES["ones"], mib=3)
    answers = []

    def send():
        answers.append(raw.post(signet.port, CHAT, body, timeout=120))

    threads = [threading.Thread(target=send) for _ in range(12)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    statuses = sorted(a.status for a in answers)
    assert len(statuses) == 12 and set(statuses) <= {200, 503}, statuses
    for a in answers:
        if a.status == 503:
            assert a.headers["retry-after"] == "1" and "too many large request" in a.message
    assert raw.post(signet.port, CHAT, body, timeout=60).status == 200, "what was counted is given back"


def test_brackets_alone_cost_nothing(signet, mock):
    """Each took a hundred bytes before the nesting was looked at."""
    signet.check_reports()
    for unit in (b"[", b'{"a":'):
        got = raw.post(signet.port, CHAT, filled(HI + b'"x":', unit, b"", 30), timeout=60)
        assert got.status == 400, got.body[:300]
        assert "recursion limit exceeded" in got.message
