"""Runs every command block of README.md and README.zh-CN.md, in order, beside one `./dev run` of the quickstart.

A block runs as it stands, with `bash -e`, in a folder that mirrors the checkout by links, so that what a block makes stays out of it.
What stands for the reader's own (REPLACED) is put in before. Commands that do not end by themselves (LONG) get what ends them:
a server validates and exits, a tail is cut after two seconds and must have printed something. `./dev run` is the one that is already
up, where no variables were set before it; `./dev test` is what runs this file.
"""
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
READMES = ["README.md", "README.zh-CN.md"]
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)

RAN = 'printf "%s\\n" RAN-TO-ITS-END\n'


def blocks(name):
    return [(language, text) for language, text in BLOCK.findall((ROOT / name).read_text())]


def free(port):
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            s.bind(("127.0.0.1", port))
        except OSError:
            return False
        return s.getsockname()[1]


class Run:
    """`./dev run`, and the folder in which the blocks run."""

    def __init__(self, folder):
        self.folder, self.log = folder, folder / "dev-run.log"
        self.work = folder / "checkout"
        self.work.mkdir()
        for entry in ROOT.iterdir():
            if entry.name not in ("signet-data", "my-gateway", "examples", ".git"):
                (self.work / entry.name).symlink_to(entry)
        shutil.copytree(ROOT / "examples", self.work / "examples")
        self.env = {k: v for k, v in os.environ.items()
                    if k not in ("API_ENDPOINT", "DEVICE_ID", "OS_TYPE", "SID") and not k.startswith(("SIGNET_", "TENSORZERO_"))}
        self.env["NO_PROXY"] = self.env["no_proxy"] = "localhost,127.0.0.1"
        self.port, flags = 3000, []
        if not free(3000):  # someone else's: elsewhere
            self.port = free(0)
            flags = ["--bind-address", f"127.0.0.1:{self.port}"]
        with self.log.open("w") as log:
            self.process = subprocess.Popen([str(ROOT / "dev"), "run", *flags],
                                            env={**self.env, "SIGNET_DATA_DIR": str(self.work / "signet-data")}, stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                                            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))  # ignored in what a script starts with &
        self.wait_up()

    def wait_up(self):
        end = time.monotonic() + 900
        while time.monotonic() < end and self.process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                self.api = re.search(r"http://127\.0\.0\.1:\d+/stream/chat", self.log.read_text()).group()
                wasm = ROOT / "examples/quickstart/rust_proxy/sign_bg.wasm"
                target = self.work / "examples/quickstart/rust_proxy"
                target.mkdir(exist_ok=True)
                shutil.copy(wasm, target)
                (self.folder / "mine.wasm").write_bytes(wasm.read_bytes())
                return
            except OSError:
                time.sleep(0.1)
        raise AssertionError(f"./dev run did not come up:\n{self.log.read_text()[-3000:]}")

    def replaced(self, text):
        serve = f"{ROOT}/build/signet serve --validate-and-exit"
        for pattern, new in [
            (r"http://localhost:3000/", f"http://localhost:{self.port}/"),
            (r"https://developer-api\.example\.com/stream/chat", self.api),
            (r"/path/to/sign_bg\.wasm", str(self.folder / "mine.wasm")),
            (r"^\./dev run\b.*$", f'if [ -z "${{API_ENDPOINT:-}}" ]; then curl -sf -o /dev/null http://localhost:{self.port}/health; else '
                                   f"{serve} --bind-address 127.0.0.1:0 --config-file examples/quickstart/signet.toml --data-dir {self.folder}/other-data; fi"),
            (r"^\./dev test\b.*$", f"{ROOT}/dev test --help >/dev/null"),
            (r"^build/signet serve\b(.*)$", rf"{serve} \1"),
            (r"^(build/signet log tail\b[^#\n]*).*$", r'timeout 2 \1 >tail.out || [ $? -eq 124 ]; cat tail.out; test -s tail.out'),
        ]:
            text = re.sub(pattern, new, text, flags=re.M)
        return text

    def block(self, text):
        return subprocess.run(["bash", "-e", "-o", "pipefail", "-c", self.replaced(text) + "\n" + RAN], cwd=self.work, env=self.env,
                              capture_output=True, text=True, timeout=300)

    def stop(self):
        self.process.send_signal(signal.SIGINT)
        try:
            return self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.terminate()
            raise


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    r = Run(tmp_path_factory.mktemp("readme"))
    yield r
    if r.process.poll() is None:
        r.stop()


EXPECTED = [  # text of a block -> what its output must have
    ('"stream": true', r'^data: \{.*"object":"chat\.completion\.chunk"(.|\n)*^data: \[DONE\]'),
    ("curl -X POST", r'"object":"chat\.completion"'),
    ("signet sign --module", r"(?m)^[0-9a-f]{64}$"),
    ("from openai import", r"\S"),
    ("log grep", r"rust-proxy"),
]


@pytest.mark.parametrize("name", READMES)
def test_every_command_block_runs(run, name):
    for language, text in blocks(name):
        assert language == "sh", f"{name}: a block that this test cannot run: ```{language}\n{text}"
        got = run.block(text)
        where = f"{name}:\n{text}\nexit {got.returncode}\n{got.stdout}\n{got.stderr}"
        assert got.returncode == 0 and got.stdout.endswith("RAN-TO-ITS-END\n"), where
        for word, pattern in EXPECTED:
            if word in text:
                assert re.search(pattern, got.stdout, re.M), where
                break


def test_both_readmes_have_the_same_blocks_and_begin_with_the_two_commands():
    strip = lambda text: re.sub(r" *#.*", "", text).replace("你好！", "Hello, world!")
    english, chinese = (list(strip(text) for _, text in blocks(name)) for name in READMES)
    assert english == chinese
    assert english[0].split("\n")[:2] == ["./dev run", "./dev test"]


def dev_run(run, *flags):
    return subprocess.run([str(ROOT / "dev"), "run", *flags], env={**run.env, "SIGNET_DATA_DIR": str(run.folder / "second-data")}, capture_output=True, text=True,
                          stdin=subprocess.DEVNULL, timeout=300)


def test_a_start_that_fails_is_dev_runs_own_end_and_nobody_is_said_to_be_up(run):
    taken = dev_run(run, "--bind-address", f"127.0.0.1:{run.port}")
    assert taken.returncode == 1 and "address in use" in taken.stderr and "Signet is up" not in taken.stderr, taken.stderr[-2000:]
    absent = dev_run(run, "--config-file", str(run.folder / "none.toml"))
    assert absent.returncode == 1 and "Signet is up" not in absent.stderr, absent.stderr[-2000:]


def test_dev_run_takes_the_next_port_if_its_own_is_taken(run):
    if run.port != 3000:
        pytest.skip("3000 is another program's here, and perhaps the next one too")
    with (run.folder / "second.log").open("w") as log:
        second = subprocess.Popen([str(ROOT / "dev"), "run"], env={**run.env, "SIGNET_DATA_DIR": str(run.folder / "second-data")}, stdout=log, stderr=log,
                                  stdin=subprocess.DEVNULL, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
    try:
        end = time.monotonic() + 120
        text = ""
        while "Signet is up" not in text and second.poll() is None and time.monotonic() < end:
            time.sleep(0.1)
            text = (run.folder / "second.log").read_text()
        assert "port 3000 is taken by another program: trying 3001" in text and re.search(r"http://localhost:300[1-5]/v1/chat", text), text
    finally:
        second.send_signal(signal.SIGINT)
        assert second.wait(60) == 0


def test_interrupt_ends_dev_run_and_its_sample_api(run):
    assert run.stop() == 0, run.log.read_text()[-2000:]
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", int(run.api.split(":")[2].split("/")[0])), 2).close()
