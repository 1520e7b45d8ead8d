"""Out of file descriptors: connections are refused or wait, nothing crashes, and all is well again afterwards."""
import resource
import time

import pytest

from lib import raw
from lib.mock import Mock, chat_answer, hang, json_answer
from lib.raw import CHAT, chat
from lib.signet import Signet, config, openai_model

LIMIT = 96


def limited():
    resource.setrlimit(resource.RLIMIT_NOFILE, (LIMIT, LIMIT))


@pytest.fixture
def up():
    with Mock() as mock:
        yield mock


def test_many_clients(up):
    with Signet(config(openai_model("m", up.url), extra="[server]\nworkers = 1"), preexec=limited) as s:
        clients = []
        for _ in range(3 * LIMIT):
            try:
                clients.append(raw.Client(s.port, timeout=2))
            except OSError:
                break
        time.sleep(0.3)
        cpu = ticks(s)
        time.sleep(1)
        assert ticks(s) - cpu < 60, "it spins while it cannot accept"
        for c in clients:
            c.close()
        raw.wait_for(lambda: answered(s), 5)
        s.assert_idle()


def test_connections_kept_for_upstreams_and_files(up):
    """max_connections = 0 is 80 % of the limit: the rest is left for upstreams, journal and database."""
    with Signet(config(openai_model("m", up.url), extra="[server]\nworkers = 1", record=True), preexec=limited) as s:
        clients = [raw.Client(s.port, timeout=3) for _ in range(LIMIT)]
        time.sleep(0.2)
        served = 0
        for c in clients[:20]:
            c.send(raw.post_bytes(CHAT, chat()))
            try:
                served += c.read().status == 200
            except (EOFError, OSError):
                pass
        assert served == 20, "clients hold descriptors that the upstream needs"
        for c in clients:
            c.close()


def test_upstream_connections_fail_readably(up):
    """More concurrent calls than descriptors: those that cannot connect get an error, the others an answer."""
    up.default = json_answer(chat_answer(), delay=0.5)
    with Signet(config(openai_model("m", up.url), extra="[server]\nworkers = 1\nmax_connections = 60"), preexec=limited) as s:
        clients = [raw.Client(s.port, timeout=10) for _ in range(58)]
        for c in clients:
            c.send(raw.post_bytes(CHAT, chat()))
        statuses = [c.read().status for c in clients]
        assert set(statuses) <= {200, 502, 503} and statuses.count(200) >= 10, statuses
        for c in clients:
            c.close()
        raw.wait_for(lambda: answered(s), 5)
        s.assert_idle()


def test_limit_of_connections(up):
    """Above [server] max_connections a connection gets 503 and is closed; below it is served."""
    up.default = hang()
    with Signet(config(openai_model("m", up.url), extra="[server]\nmax_connections = 10")) as s:
        held = [raw.Client(s.port, timeout=5) for _ in range(10)]
        time.sleep(0.3)
        with raw.Client(s.port, timeout=5) as c:
            try:
                c.send(raw.post_bytes(CHAT, chat()))
                assert c.read().status == 503
            except (ConnectionResetError, BrokenPipeError, EOFError):
                pass
        for c in held:
            c.close()
        raw.wait_for(lambda: answered(s, "/status"), 5)


def answered(s, path=None):
    try:
        return (raw.get(s.port, path) if path else raw.post(s.port, CHAT, chat(), timeout=3)).status == 200
    except OSError:
        return False
    except EOFError:
        return False


def ticks(s):
    with open(f"/proc/{s.process.pid}/stat") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])
