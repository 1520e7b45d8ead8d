"""Issue 15 A2: what a service manager is told (sd_notify) and what it gives (LISTEN_FDS): docs/operations.md, both by the documented protocols."""
import os
import signal
import socket
import subprocess
import time

import pytest

from lib import raw
from lib.mock import Mock, chat_answer, json_answer
from lib.raw import CHAT, chat
from lib.signet import Signet, binary, config, openai_model

MODEL = openai_model("m", "http://127.0.0.1:1")


class Manager:
    """The socket that NOTIFY_SOCKET names, and what came to it."""

    def __init__(self, name):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sock.bind(name.replace("@", "\0", 1))
        self.sock.settimeout(10)
        self.env = {"NOTIFY_SOCKET": name}

    def told(self):
        return dict(l.split("=", 1) for l in self.sock.recv(4096).decode().split("\n"))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()


@pytest.mark.parametrize("abstract", [False, True])
def test_the_manager_hears_of_the_start_a_reload_and_the_end(tmp_path, abstract):
    name = f"@signet-test-{os.getpid()}" if abstract else str(tmp_path / "notify")
    with Manager(name) as manager, Signet(config(MODEL), env=manager.env) as s:
        assert manager.told() == {"READY": "1", "STATUS": "serving"}
        assert raw.get(s.port, "/health").status == 200, "it listens when it says so"
        for text, status in ((config(MODEL) + "[nope]\n", "serving; the last reload was refused: see the log"), (config(MODEL), "serving")):
            with open(s.toml_path, "w") as f:
                f.write(text)
            before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
            s.process.send_signal(signal.SIGHUP)
            reloading = manager.told()
            assert reloading.pop("RELOADING") == "1"
            assert before <= int(reloading.pop("MONOTONIC_USEC")) <= time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000 and not reloading
            assert manager.told() == {"READY": "1", "STATUS": status}
        s.process.send_signal(signal.SIGTERM)
        assert manager.told() == {"STOPPING": "1", "STATUS": "draining"}
        assert s.process.wait(10) == 0


def test_a_refused_start_never_says_ready(tmp_path):
    with Manager(str(tmp_path / "notify")) as manager:
        assert Signet(config(MODEL) + "[nope]\n", env=manager.env, start=False).fails_to_start()[0] == 1
        manager.sock.settimeout(0.1)
        with pytest.raises(TimeoutError):
            manager.told()


@pytest.mark.parametrize("name", ["/nowhere/at/all", "vsock:2:1", "/" + 200 * "x"])
def test_a_manager_that_cannot_be_told_costs_a_line_in_the_log(name):
    with Signet(config(MODEL), env={"NOTIFY_SOCKET": name}) as s:
        raw.wait_for(lambda: any("NOTIFY_SOCKET" in l["msg"] and l["level"] == "warn" for l in s.logs()))
        assert raw.get(s.port, "/health").status == 200


class Activated(Signet):
    """The gateway with these sockets as descriptors 3, 4, ...; only a shell that becomes it can tell it its own id before it is there."""

    def __init__(self, toml, sockets, pid, **more):
        self.sockets, self.listen_pid = sockets, pid
        super().__init__(toml, **more)

    def place(self):
        for i, sock in enumerate(self.sockets):
            os.dup2(sock.fileno(), 100 + i)
        for i in range(len(self.sockets)):
            os.dup2(100 + i, 3 + i)
            os.close(100 + i)
        os.closerange(3 + len(self.sockets), 100)

    def spawn(self):
        self.offset = 0
        with open(self.stderr_path, "ab") as err:
            self.process = subprocess.Popen(["/bin/sh", "-c", f'LISTEN_PID={self.listen_pid} exec "$0" serve --config-file "$1"', binary(), self.toml_path],
                                            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=err, env=self.env, cwd=self.folder, preexec_fn=self.place, close_fds=False)
        return self


def activated(toml, sockets, names=None, pid="$$", count=None, start=True):
    env = {"LISTEN_FDS": str(len(sockets) if count is None else count)}
    if names:
        env["LISTEN_FDNAMES"] = names
    return Activated(toml, sockets, pid, env=env, start=start)


def listening(host="127.0.0.1"):
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    sock.bind((host, 0))
    sock.listen(16)
    return sock, sock.getsockname()[1]


def test_requests_come_in_by_the_managers_socket_and_none_is_refused_before_the_start():
    sock, port = listening()
    with Mock(default=json_answer(chat_answer("early"))) as mock:
        early = raw.Client(port).send(raw.post_bytes(CHAT, chat()))  # nobody accepts it yet
        with activated(config(openai_model("m", mock.url)), [sock]) as s:
            assert s.port == port
            assert "early" in early.read().text
            for _ in range(8):
                assert raw.post(port, CHAT, chat()).status == 200
            told = next(l for l in s.logs() if "LISTEN_FDS" in l["msg"])
            assert (told["key"], told["running"]) == ("gateway.bind_address", f"127.0.0.1:{port}")
        late = raw.Client(port)  # the socket is the manager's: it outlives the gateway, and the next one answers
        late.send(raw.post_bytes(CHAT, chat()))
        with activated(config(openai_model("m", mock.url)), [sock]):
            assert "early" in late.read().text
    sock.close()


def test_several_sockets_and_one_for_the_pages():
    api, port = listening()
    more, other = listening()
    pages, ui = listening()
    toml = config(MODEL, extra='[ui]\nbind_address = "127.0.0.1:1"\n')
    with activated(toml, [api, pages, more], names="api:pages:more"):
        assert raw.get(port, "/health").status == 200 and raw.get(other, "/health").status == 200
        types = [raw.get(p, "/v1/models").headers["content-type"].split(";")[0] for p in (ui, port, other)]
        assert types == ["text/html", "application/json", "application/json"], "a listener of pages has no API"
    for sock in (api, more, pages):
        sock.close()


def test_sockets_for_another_process_are_as_if_they_were_not_there():
    sock, port = listening()
    with activated(config(MODEL), [sock], pid="1") as s:
        assert s.port != port and not any("LISTEN_FDS" in l["msg"] for l in s.logs())
    sock.close()


@pytest.mark.parametrize("kind,text", [("udp", "descriptor 3 is no listening TCP socket"), ("deaf", "descriptor 3 is no listening TCP socket"), ("unix", "descriptor 3 is no listening TCP socket"),
                                       ("many", "LISTEN_FDS: more than 16 sockets"), ("missing", "LISTEN_FDS: descriptor 3: "), ("pages", "needs `[ui] bind_address`")])
def test_sockets_that_cannot_be_used_stop_the_start(tmp_path, kind, text):
    sock = {"udp": lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM), "unix": lambda: socket.socket(socket.AF_UNIX)}.get(kind, lambda: socket.socket())()
    if kind == "unix":
        sock.bind(str(tmp_path / "s"))
        sock.listen()
    if kind == "pages":
        sock.bind(("127.0.0.1", 0))
        sock.listen()
    s = activated(config(MODEL), [] if kind == "missing" else [sock], names="pages" if kind == "pages" else None,
                  count={"many": 17, "missing": 1}.get(kind), start=False)
    status, err = s.fails_to_start()
    assert status == 1 and text in err
    sock.close()
