"""Starts the real binary, waits until it listens, stops it, and says what it left behind.

The binary: $SIGNET_BIN, else build-asan/signet, else build/signet. Each process gets a folder of its own
for configuration, data and stderr. stop() is where most of the truth is: exit status 0 and no sanitizer
report, or the test fails.
"""
import atexit
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.request

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
LISTENING = re.compile(r"listening on .*?\b(?:\d{1,3}\.){3}\d{1,3}:(\d+)")
REPORTS = ("ERROR: AddressSanitizer", "ERROR: LeakSanitizer", "WARNING: ThreadSanitizer", "runtime error:",
           "AddressSanitizer:DEADLYSIGNAL")

NOT_INHERITED = ("SIGNET_", "TENSORZERO_", "OPENAI_", "SSL_CERT_", "HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "NO_PROXY",
                 "no_proxy", "ALL_PROXY", "all_proxy")  # ./dev mutate's own aside


def binary():
    given = os.environ.get("SIGNET_BIN")
    for path in [given] if given else [os.path.join(ROOT, d, "signet") for d in ("build-asan", "build")]:
        if os.access(path, os.X_OK):
            return path
    raise AssertionError("no signet binary: run ./dev asan, or set SIGNET_BIN")


def plain():
    """The binary without sanitizers, which have their own word on crashes; None if it is not built."""
    for path in [binary(), os.path.join(ROOT, "build", "signet")]:
        if os.access(path, os.X_OK) and not sanitized(path):
            return path
    return None


def sanitized(path=None):
    """Whether the binary is an ASan or TSan build (slower, bigger, more memory)."""
    with open(path or binary(), "rb") as f:
        data = f.read()
    return b"__asan_init" in data or b"__tsan_init" in data


def config(models="", gateway="", extra="", record=False):
    """A whole signet.toml. Without `record` nothing is written to disk."""
    text = '[gateway]\nbind_address = "127.0.0.1:0"\n' + gateway + "\n"
    if not record:
        text += "[gateway.observability]\nenabled = false\n"
    return text + models + "\n" + extra + "\n"


def openai_model(name, *upstreams, model_name="mock-model", keys="", model_keys=""):
    """TOML of a model that tries these upstream URLs in order (providers p0, p1, ...; a single one: p)."""
    names = ["p"] if len(upstreams) == 1 else [f"p{i}" for i in range(len(upstreams))]
    text = f"[models.{name}]\nrouting = {json.dumps(names)}\n{model_keys}\n"
    for p, url in zip(names, upstreams):
        text += (f'[models.{name}.providers.{p}]\ntype = "openai"\nmodel_name = "{model_name}"\n'
                 f'api_base = "{url}/v1/"\n' + ("" if "api_key_location" in keys else 'api_key_location = "none"\n') + keys + "\n")
    return text


class Signet:
    def __init__(self, toml, args=(), env=None, folder=None, start=True, preexec=None, wait=20, name="signet.toml",
                 program=None):
        self.folder = folder or tempfile.mkdtemp(prefix="signet-test-")
        if not folder:
            atexit.register(shutil.rmtree, self.folder, True)
        self.toml_path = os.path.join(self.folder, name)
        self.stderr_path = os.path.join(self.folder, "stderr.log")
        self.data_dir = os.path.join(self.folder, "data")
        if toml is not None:
            fd = os.open(self.toml_path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(fd, "w") as f:
                f.write(toml)
        self.args, self.preexec, self.wait, self.program = list(args), preexec, wait, program
        self.env = {k: v for k, v in os.environ.items() if k.startswith("SIGNET_MUTANT") or not k.startswith(NOT_INHERITED)}
        self.env.setdefault("ASAN_OPTIONS", "detect_leaks=1:exitcode=99:abort_on_error=0")
        self.env.setdefault("UBSAN_OPTIONS", "print_stacktrace=1:halt_on_error=1:exitcode=99")
        self.env.setdefault("TSAN_OPTIONS", "exitcode=99:report_signal_unsafe=0")
        self.env["SIGNET_DATA_DIR"] = self.data_dir
        self.env.update(env or {})
        self.process = None
        self.port = None
        if start:
            self.start()

    # -- life --------------------------------------------------------------------------------------
    def spawn(self):
        """Starts without waiting for the port: for starts that must fail."""
        self.offset = os.path.getsize(self.stderr_path) if os.path.exists(self.stderr_path) else 0
        with open(self.stderr_path, "ab") as err:
            self.process = subprocess.Popen(
                [self.program or binary(), "serve", "--config-file", self.toml_path, *self.args], stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE, stderr=err, env=self.env, cwd=self.folder, preexec_fn=self.preexec)
        return self

    def start(self):
        self.spawn()
        end = time.monotonic() + self.wait
        while True:
            found = LISTENING.search(self.stderr())
            if found:
                self.port = int(found.group(1))
                break
            if self.process.poll() is not None:
                raise AssertionError(f"signet ended with {self.process.returncode} before it listened:\n{self.stderr()}")
            if time.monotonic() > end:
                self.process.kill()
                raise AssertionError(f"signet does not listen after {self.wait} s:\n{self.stderr()}")
            time.sleep(0.01)
        self.idle = self.debug()
        return self

    def fails_to_start(self, seconds=20):
        """Waits for the end of a start that must be refused: (status, stderr)."""
        if not self.process:
            self.spawn()
        try:
            status = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise AssertionError(f"signet started, or hangs:\n{self.stderr()}")
        self.check_reports()
        return status, self.stderr()

    def stop(self, sig=signal.SIGTERM, seconds=40, status=0):
        if not self.process or self.process.poll() is not None and self.process.returncode == -signal.SIGKILL:
            return
        if self.process.poll() is None:
            self.process.send_signal(sig)
        try:
            code = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.send_signal(signal.SIGQUIT)
            time.sleep(0.2)
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"signet did not end within {seconds} s of signal {sig}:\n{self.tail()}")
        self.check_reports()
        assert code == status, f"signet ended with {code}, expected {status}:\n{self.tail()}"

    def kill9(self):
        self.process.kill()
        self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind is None:
            self.stop()
        elif self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    # -- what it says --------------------------------------------------------------------------------
    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def stderr(self):
        with open(self.stderr_path, "rb") as f:
            f.seek(getattr(self, "offset", 0))
            return f.read().decode("utf-8", "replace")

    def tail(self, n=6000):
        return self.stderr()[-n:]

    def logs(self):
        out = []
        for line in self.stderr().splitlines():
            try:
                out.append(json.loads(line))
            except ValueError:
                pass
        return out

    def check_reports(self):
        text = self.stderr()
        for mark in REPORTS:
            assert mark not in text, f"sanitizer report:\n{text[max(0, text.index(mark) - 200):][:8000]}"

    def get(self, path, timeout=10):
        with urllib.request.urlopen(self.url + path, timeout=timeout) as answer:
            return answer.read().decode()

    def status(self):
        return json.loads(self.get("/status"))

    def debug(self):
        """The counters of debug builds, {} otherwise."""
        try:
            return self.status().get("signet", {}).get("debug", {})
        except (OSError, ValueError):
            return {}

    def metrics(self):
        """{'name{labels}': value} of /metrics."""
        out = {}
        for line in self.get("/metrics").splitlines():
            if line and not line.startswith("#"):
                name, value = line.rsplit(" ", 1)
                out[name] = float(value)
        return out

    def metric(self, name, **labels):
        """Sum of all series of that name that carry these labels."""
        total = 0.0
        for series, value in self.metrics().items():
            if series.split("{")[0] == name and all(f'{k}="{v}"' in series for k, v in labels.items()):
                total += value
        return total

    def rss(self):
        with open(f"/proc/{self.process.pid}/statm") as f:
            return int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def open_files(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def assert_idle(self, seconds=15):
        """Nothing of the test that ended is left: fibers, arenas and client connections as after the start.
        Pooled upstream connections and signer instances may stay; they may not outgrow their pools."""
        assert self.process.poll() is None, f"signet has ended with {self.process.returncode}:\n{self.tail()}"
        keys = [k for k in ("fibers", "client_connections", "arenas") if k in self.idle]
        end = time.monotonic() + seconds
        while True:
            now = self.debug()
            over = {k: (now.get(k), self.idle[k]) for k in keys if now.get(k, 1 << 30) > self.idle[k]}
            if not over:
                break
            if time.monotonic() > end:
                raise AssertionError(f"left over (now, idle): {over}\n{self.tail()}")
            time.sleep(0.05)
        self.check_reports()
