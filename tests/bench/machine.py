"""Processes and their cost: starting nginx, Signet and the tools, reading CPU and memory from /proc, running wrk.

CPU comes from the scheduler in nanoseconds (the process's CPU clock; schedstat for single threads), never from wall time: two cores
are shared by the load, the mock and what is measured. A run with a wrong or missing answer raises Wrong: its figure does not count.
"""

import json
import os
import pathlib
import re
import resource
import shutil
import signal
import socket
import subprocess
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]

ANSWER_TEXT = "The capital of France is Paris, a city on the Seine"
ANSWER = json.dumps({
    "id": "chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT", "object": "chat.completion", "created": 1741569952, "model": "mock-model",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": ANSWER_TEXT + ", and has been since the tenth century.",
                                         "refusal": None, "annotations": []}, "logprobs": None, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 219, "completion_tokens": 24, "total_tokens": 243,
              "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
              "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0, "accepted_prediction_tokens": 0}},
    "service_tier": "default", "system_fingerprint": "fp_44709d6fcb"}, separators=(",", ":"))
PROSE = ("You are a careful assistant of a travel agency. Answer in one sentence, name your source when there is one, never invent a "
         "price, and keep to the facts that the documents below state. The customer is planning a trip through western Europe by train "
         "in the spring, with two children, and prefers short legs with a stop at noon. The budget is moderate; hotels near the station "
         "are preferred over those in the old towns, and nobody in the party speaks the local languages well. ")


def request_body(model: str, stream: bool = False, size: int = 1100) -> str:
    """A chat request of `size` bytes, whatever the model's name is."""
    body = {"model": model, **({"stream": True} if stream else {}),
            "messages": [{"role": "system", "content": ""}, {"role": "user", "content": "What is the capital of France?"}],
            "temperature": 0.7, "max_tokens": 256}
    body["messages"][0]["content"] = (PROSE * 4)[:max(1, size - len(json.dumps(body)))]
    return json.dumps(body)


class Wrong(Exception):
    """A run whose figure must not be used."""


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def raise_file_limit() -> int:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


class Process:
    """A child that ends with the bench. `pid` is the one whose cost counts (nginx: its worker)."""

    all: list["Process"] = []

    def __init__(self, args, **kwargs):
        self.child = subprocess.Popen(args, **kwargs)
        self.pid = self.child.pid
        Process.all.append(self)

    def cpu_ns(self) -> int:
        return time.clock_gettime_ns((~self.pid << 3) | 2)

    def threads_ns(self) -> dict[str, int]:
        """CPU of the living threads, added up by name."""
        out: dict[str, int] = {}
        for task in pathlib.Path(f"/proc/{self.pid}/task").iterdir():
            try:
                name = (task / "comm").read_text().strip()
                out[name] = out.get(name, 0) + int((task / "schedstat").read_text().split()[0])
            except FileNotFoundError:
                pass
        return out

    def use_cores(self, cores) -> None:
        for task in pathlib.Path(f"/proc/{self.pid}/task").iterdir():
            os.sched_setaffinity(int(task.name), cores)

    def memory_kib(self, key: str = "VmRSS") -> int:
        return int(re.search(rf"^{key}:\s+(\d+)", pathlib.Path(f"/proc/{self.pid}/status").read_text(), re.M).group(1))

    def settle(self, limit_s: float = 180) -> None:
        """Waits until the process uses under 1 % of a core over half a second."""
        end = time.monotonic() + limit_s
        while time.monotonic() < end:
            before = self.cpu_ns()
            time.sleep(0.5)
            if self.cpu_ns() - before < 5_000_000:
                return
        raise Wrong(f"still busy {limit_s:.0f} s after the load ended")

    def stop(self, sig: int = signal.SIGTERM, wait_s: float = 60) -> int | None:
        if self.child.poll() is None:
            self.child.send_signal(sig)
            try:
                self.child.wait(wait_s)
            except subprocess.TimeoutExpired:
                self.child.kill()
                self.child.wait()
        return self.child.returncode

    @classmethod
    def stop_all(cls) -> None:
        for p in reversed(cls.all):
            p.stop(wait_s=10)


class Nginx(Process):
    """One nginx of one worker. `servers` are server blocks; `ports` must answer before it counts as up."""

    def __init__(self, folder: pathlib.Path, servers: str, port: int):
        folder.mkdir(parents=True)
        conf = folder / "nginx.conf"
        temp = "".join(f"{k}_temp_path {folder}/{k};" for k in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        conf.write_text(f"""{"user root;" if os.getuid() == 0 else ""}
daemon off; worker_processes 1; worker_rlimit_nofile 20000; pid {folder}/pid; error_log {folder}/error.log warn;
events {{ worker_connections 19000; }}
http {{ access_log off; {temp} keepalive_timeout 300s; keepalive_requests 100000000; tcp_nodelay on; server_tokens off;
{servers} }}
""")
        binary = shutil.which("nginx") or "/usr/sbin/nginx"
        super().__init__([binary, "-e", f"{folder}/error.log", "-p", str(folder), "-c", str(conf)])
        wait_port(port, self)
        children = []
        while not children and self.child.poll() is None: # the port is open before the worker is there
            children = pathlib.Path(f"/proc/{self.child.pid}/task/{self.child.pid}/children").read_text().split()
            time.sleep(0.005)
        self.pid = int(children[0])
        self.port = port


def wait_port(port: int, process: Process, limit_s: float = 30) -> None:
    end = time.monotonic() + limit_s
    while time.monotonic() < end and process.child.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.005)
    raise Wrong(f"{process.child.args[0]} does not answer on port {port}")


class Source(Process):
    """The event source of tool.c."""

    def __init__(self, tool: pathlib.Path):
        super().__init__([str(tool), "source"], stdout=subprocess.PIPE, text=True)
        self.port = int(self.child.stdout.readline().split()[-1])


class Signet(Process):
    def __init__(self, binary: pathlib.Path, folder: pathlib.Path, toml: str, flags=(), env=None):
        folder.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        config = folder / "signet.toml"
        config.write_text(f'[gateway]\nbind_address = "127.0.0.1:{self.port}"\n' + toml)
        config.chmod(0o600)
        self.log = folder / "stderr.log"
        self.data = folder / "data"
        full = {k: v for k, v in os.environ.items() if not k.startswith(("SIGNET_", "TENSORZERO_")) and not k.upper().endswith("_PROXY")}
        with self.log.open("ab") as log:
            super().__init__([str(binary), "serve", "--config-file", str(config), "--data-dir", str(self.data), *flags],
                             stderr=log, env={**full, **(env or {})})

    def ready(self) -> "Signet":
        try:
            wait_port(self.port, self)
        except Wrong as e:
            raise Wrong(f"{e}: {self.log.read_text()[-600:]}") from None
        return self

    def metric(self, name: str) -> float:
        """Sum over the labels of one metric."""
        import urllib.request

        text = urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=10).read().decode()
        return sum(float(m) for m in re.findall(rf"^{re.escape(name)}(?:\{{[^}}]*\}})? (\S+)", text, re.M))


def wrk(port: int, path: str, body: pathlib.Path, seconds: float, expected: str = ANSWER_TEXT, rate: int = 0) -> dict:
    """wrk -t2 -c64: requests done, latency; raises Wrong if one answer was not right. `rate`: about so many a second, 0: as many as it can."""
    return wrk_result(start_wrk(port, path, body, seconds, expected, rate), seconds)


def start_wrk(port: int, path: str, body: pathlib.Path, seconds: float, expected: str = ANSWER_TEXT, rate: int = 0) -> subprocess.Popen:
    """With a rate each connection waits after an answer, so that all of them together ask for it if answers take a millisecond."""
    connections = 64 if rate <= 5000 else 256
    return subprocess.Popen(["wrk", "-t2", f"-c{connections}", f"-d{max(1, round(seconds))}s", "--timeout", "20s", "-s", str(HERE / "post.lua"),
                             f"http://127.0.0.1:{port}{path}", "--", str(body), expected, str(connections * 1000 / rate - 1 if rate else 0)],
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wrk_result(process: subprocess.Popen, seconds: float) -> dict:
    run = subprocess.CompletedProcess(process.args, 0, *process.communicate())
    m = re.search(r"^RESULT (\d+) (\d+) (\d+) (\d+) (\d+)", run.stdout, re.M)
    if not m:
        raise Wrong(f"wrk: {run.stdout[-300:]}{run.stderr[-300:]}")
    done, wrong, errors, p50, p99 = map(int, m.groups())
    if wrong or errors or not done:
        raise Wrong(f"{wrong} wrong answers and {errors} socket errors in {done} requests")
    return {"done": done, "p50_ms": p50 / 1000, "p99_ms": p99 / 1000, "rate": done / max(1, round(seconds))}


def streams(tool: pathlib.Path, port: int, path: str, body: pathlib.Path, connections: int, seconds: float, count: int = 0) -> subprocess.Popen:
    return subprocess.Popen([str(tool), "streams", "127.0.0.1", str(port), path, str(body), str(connections), str(seconds), str(count)],
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def streams_result(run: subprocess.Popen, events_each: int) -> dict:
    """What the client counted. `events_each`: how many chunks a whole stream has, give or take the two that a gateway may add."""
    out, err = run.communicate()
    got = json.loads(out.strip().splitlines()[-1])
    if run.returncode or not got["streams"] or not events_each <= got["least"] <= got["most"] <= events_each + 2:
        raise Wrong(f"streams: {got} of {events_each} events each {err[-300:]}")
    return got


def scratch() -> pathlib.Path:
    """On the disk of the checkout: a record on tmpfs would flatter."""
    parent = ROOT / "build-release"
    parent.mkdir(exist_ok=True)
    return pathlib.Path(tempfile.mkdtemp(prefix="bench-", dir=parent))
