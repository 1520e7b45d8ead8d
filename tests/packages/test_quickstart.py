"""docs/guides/quickstart.md (and its Chinese twin, whose blocks are the same), followed literally: every block in order, in one shell, in a folder that mirrors the checkout.

Only what is the reader's own is put in (the real API's URL and signer are the sample's), and ports that are taken here are others.
`docker` is docker_shim.py, which starts what the compose file says without containers.
"""
import contextlib
import importlib.util
import json
import os
import pathlib
import re
import shlex
import shutil
import socket
import subprocess
import sys
import time

import pytest

from compose import ROOT

GUIDES = ["quickstart.md", "quickstart.zh-CN.md"]
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)

SIGNET = os.path.abspath(os.environ.get("SIGNET_BIN") or ROOT / "build/signet")
CLICKHOUSE = ROOT / "tests/clickhouse/server.py"


@contextlib.contextmanager
def clickhouse(folder):
    """The tests' ClickHouse server with the compose file's user: its port, which stands for 8123."""
    server = subprocess.Popen([sys.executable, CLICKHOUSE, folder / "clickhouse", "--user", "chuser", "--password", "chpassword", "--port", "0"],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        yield int(server.stdout.readline().rsplit(":", 1)[1])
    finally:
        server.kill()
        server.wait()


def look_at_ui(port):
    """The reader's browser at localhost:4000: the row of the guide's own question, opened."""
    got = subprocess.run(["node", ROOT / "tests/browser/row.mjs", f"http://localhost:{port}", "Hello, world!"], capture_output=True, text=True, timeout=60)
    assert got.returncode == 0 and "rust_proxy_provider" in got.stdout, got.stdout + got.stderr


# What stands in place of the services that are not the gateway; None where this checkout has nothing that could. Then the steps that
# need it are not walked, and the gateway is started without it: no test is skipped for it, and none passes.
STAND_INS = {
    "clickhouse": clickhouse if CLICKHOUSE.exists() and importlib.util.find_spec("chdb") else None,
    "ui": look_at_ui if re.search(r"^  ui +", subprocess.run([SIGNET, "--help"], capture_output=True, text=True).stdout, re.M) else None,
}
NEEDS = {"localhost:8123": "clickhouse"}

# A step is a block; what its output must have.
EXPECTED = [
    ('"stream": true', r'^data: \{.*"object":"chat\.completion\.chunk"(.|\n)*^data: \[DONE\]'),
    ("curl -X POST", r'"object":"chat\.completion"'),
    ("compose -f FILE ps", r"^gateway signet/gateway healthy$"),
    ("logs gateway", r"listening on "),
    ("signet log grep", r"rust-proxy/rust_proxy_provider.*Hello, world!"),
    ("localhost:8123", r"rust-proxy\trust_proxy_provider"),
]


def blocks(name):
    return [text for _, text in BLOCK.findall((ROOT / "docs/guides" / name).read_text())]


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Walk:
    def __init__(self, folder, file):
        self.folder, self.file = folder, file
        self.work, self.state, self.programs = folder / "checkout", folder / "state", folder / "bin"
        for f in (self.work, self.state, self.programs):
            f.mkdir()
        (self.work / "docs").symlink_to(ROOT / "docs")
        shutil.copytree(ROOT / "examples", self.work / "examples", ignore=shutil.ignore_patterns("*.wasm"))
        docker = self.programs / "docker"
        docker.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} {ROOT}/tests/packages/docker_shim.py "$@"\n')
        docker.chmod(0o755)
        subprocess.run([ROOT / "examples/signers/hmac/build.sh", folder / "mine.wasm"], check=True)
        self.api, self.stack = None, contextlib.ExitStack()
        self.ports = {"3000": free_port(), "4000": free_port()}
        drop = ["TENSORZERO_CLICKHOUSE_URL"]
        if STAND_INS["clickhouse"] and "rustproxy" in file:
            self.ports["8123"], drop = self.stack.enter_context(clickhouse(folder)), []
        self.services = ["gateway"] + (["ui"] if STAND_INS["ui"] else [])
        self.env = {"PATH": f"{self.programs}:{os.environ['PATH']}", "HOME": os.environ.get("HOME", "/"), "NO_PROXY": "localhost,127.0.0.1", "SIGNET_BIN": SIGNET,
                    "SHIM_STATE": str(self.state), "SHIM_PORTS": json.dumps(self.ports), "SHIM_SERVICES": " ".join(self.services), "SHIM_DROP": " ".join(drop)}
        self.cwd = str(self.work)

    def start_api(self, line):
        port = free_port()
        self.api_at = f"http://127.0.0.1:{port}/stream/chat"
        argv = shlex.split(line.replace("0.0.0.0", "127.0.0.1").replace("8124", str(port)))
        self.api = subprocess.Popen([sys.executable, *argv[1:]], cwd=self.work, stdout=subprocess.PIPE, text=True)
        self.api.stdout.readline()

    def replaced(self, text):
        for old, new in [("docker-compose-rustproxy.yml", self.file), ("https://developer-api.example.com/stream/chat", self.api_at),
                         ("http://host.docker.internal:8124/stream/chat", self.api_at.replace("127.0.0.1", "host.docker.internal")),
                         ("/path/to/sign_bg.wasm", str(self.folder / "mine.wasm")), *((f"localhost:{a}", f"localhost:{b}") for a, b in self.ports.items())]:
            text = text.replace(old, new)
        return text

    def step(self, text):
        """Runs a block; the shell's folder and variables go on to the next one."""
        after = self.folder / "after"
        program = f"{self.replaced(text)}\npwd >{after}\nenv -0 >>{after}"
        got = subprocess.run(["bash", "-e", "-o", "pipefail", "-c", program], cwd=self.cwd, env=self.env, capture_output=True, text=True, timeout=120)
        assert got.returncode == 0, f"{text}\nexit {got.returncode}\n{got.stdout}\n{got.stderr}\n{self.log()}"
        self.cwd, _, variables = after.read_text().partition("\n")
        self.env = dict(v.split("=", 1) for v in variables.split("\0") if "=" in v)
        return got.stdout

    def log(self):
        file = self.state / "gateway.log"
        return file.read_text()[-3000:] if file.exists() else ""

    def end(self):
        if self.api:
            self.api.terminate()
            self.api.wait(10)
        for name in self.services:
            pid = self.state / f"{name}.pid"
            if pid.exists() and pathlib.Path(f"/proc/{pid.read_text()}/exe").exists():
                os.kill(int(pid.read_text()), 9)
        self.stack.close()


def needs(text):
    return [service for word, service in NEEDS.items() if word in text and not STAND_INS[service]]


@pytest.fixture
def walk(tmp_path, request):
    w = Walk(tmp_path, request.param)
    yield w
    w.end()


@pytest.mark.parametrize("sample", [False, True], ids=["own-api", "sample-api"])
@pytest.mark.parametrize("walk", ["docker-compose-rustproxy.yml", "docker-compose-sqlite.yml"], indirect=True)
def test_the_guide_followed_literally(walk, sample):
    steps = blocks(GUIDES[0])
    serve = next(s for s in steps if s.startswith("python3 examples/developer-api"))
    walk.start_api(serve)
    walked = 0
    for text in steps:
        own = "/path/to/sign_bg.wasm" in text
        if text == serve or needs(text) or (own and sample) or ("hmac/build.sh" in text and not sample):
            continue
        if walk.file == "docker-compose-sqlite.yml" and "localhost:8123" in text:
            continue  # "in every line above but the last of step 4"
        if sample and "hmac/build.sh" in text:
            (walk.work / "examples/quickstart/config/rust_proxy").mkdir(exist_ok=True)
        if text.rstrip().endswith(" down") and STAND_INS["ui"]:
            look_at_ui(walk.ports["4000"])
        out = walk.step(text)
        for _ in range(50):  # rows are on their way to the database for a moment
            if out or "localhost:8123" not in text:
                break
            time.sleep(0.2)
            out = walk.step(text)
        walked += 1
        for word, pattern in EXPECTED:
            if word in text.replace("docker-compose-rustproxy.yml", "FILE"):
                assert re.search(pattern, out, re.M), f"{text}\n{out}\n{walk.log()}"
                break
    assert walked >= 7
    assert '"level":"info"' in walk.log() and '"level":"error"' not in walk.log()


def test_which_steps_wait_for_a_stand_in():
    """No more than these are left out of the walk."""
    left = [text.split("\n")[0] for text in blocks(GUIDES[0]) if needs(text)]
    assert left == ['curl "http://localhost:8123/?user=chuser&password=chpassword&database=tensorzero" \\'][:0 if STAND_INS["clickhouse"] else 1]


@pytest.mark.parametrize("missing", ["API_ENDPOINT", "DEVICE_ID", "SID"])
@pytest.mark.parametrize("walk", ["docker-compose-rustproxy.yml"], indirect=True)
def test_a_missing_variable_is_named_before_anything_starts(walk, missing):
    walk.env |= {k: "x" for k in ("API_ENDPOINT", "DEVICE_ID", "SID") if k != missing}
    got = subprocess.run(["docker", "compose", "-f", "docker-compose-rustproxy.yml", "up", "-d"], cwd=walk.work / "examples/quickstart", env=walk.env,
                         capture_output=True, text=True)
    assert got.returncode != 0 and f"Environment variable {missing} must be set." in got.stderr and not (walk.state / "gateway.pid").exists()


def test_both_languages_have_the_same_steps():
    assert blocks(GUIDES[0]) == blocks(GUIDES[1])
