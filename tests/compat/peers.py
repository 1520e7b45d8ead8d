"""The two gateways under comparison, each behind its own mock, both on gateway.toml."""
import os
import queue
import socket
import subprocess
import sys
import tempfile
import threading
import time

from compare import record
from intercept import Interceptor
from lib import raw
from lib.mock import Mock
from lib.signet import Signet

HERE = os.path.dirname(os.path.abspath(__file__))
ENV = {"COMPAT_KEY": "sk-compat", "COMPAT_AWS_ID": "AKIDEXAMPLE", "COMPAT_AWS_SECRET": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"}


class Peer:
    mock_type = Mock
    toml_file, path, env, hosts = "gateway.toml", raw.TZ_CHAT, ENV, ()

    def __init__(self):
        self.mock = self.mock_type()
        self.interceptor = Interceptor(self.mock, self.hosts) if self.hosts else None
        if self.interceptor:
            self.env = {**self.env, **self.interceptor.env}
        # Bound and never listening: connections are refused, and nobody else gets the port.
        self._dead = socket.socket()
        self._dead.bind(("127.0.0.1", 0))
        self.dead = f"http://127.0.0.1:{self._dead.getsockname()[1]}"
        self.read_toml()

    def read_toml(self):
        """The configuration, in self.toml."""
        with open(os.path.join(HERE, self.toml_file)) as f:
            self.toml = f.read().replace("MOCK", self.mock.url).replace("DEAD", self.dead).replace("PORT", self.mock.url.split(":")[2])

    def run(self, case):
        """Sends the case; returns its record (compare.record)."""
        self.mock.reset()
        self.mock.then(*case.up)
        if case.fresh:
            self.mock.drop_idle()
            time.sleep(0.1)
        answer = raw.post(self.port, case.path or self.path, case.body, case.headers, timeout=20)
        # An upstream may still be in its script (the gateway stopped listening to it).
        for request in self.mock.requests:
            request.done.wait(3)
        return record(answer, self.mock.requests, self.mock.url, self.dead)

    def close(self):
        self.mock.close()
        self._dead.close()
        if self.interceptor:
            self.interceptor.close()


class TensorZero(Peer):
    """In a process of its own, since it is a library inside Python."""

    def __init__(self):
        super().__init__()
        self.log = []
        with tempfile.NamedTemporaryFile("w", suffix=".toml", delete=False) as f:
            f.write(self.toml)
        self.process = subprocess.Popen([sys.executable, os.path.join(HERE, "peer.py"), f.name], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env={**{k: v for k, v in os.environ.items() if k != "OPENAI_API_KEY" and not (self.hosts and k == "SSL_CERT_DIR")}, **self.env})
        urls = queue.Queue()

        def read():
            for line in self.process.stdout:
                line = line.decode("utf-8", "replace").strip()
                urls.put(line[4:]) if line.startswith("url ") else self.log.append(line)
            urls.put(None)

        threading.Thread(target=read, daemon=True).start()
        url = urls.get(timeout=60)
        assert url, "\n".join(self.log)
        self.port = int(url.split(":")[2].split("/")[0])

    def close(self):
        self.process.stdin.close()
        self.process.wait(10)
        super().close()


class Ours(Peer):
    def __init__(self):
        super().__init__()
        self.signet = Signet(self.toml, env=self.env)
        self.crashes = []

    @property
    def port(self):
        if self.signet.process.poll() is not None:  # the case that ended it has failed; the others go on
            self.crashes.append(self.signet.tail())
            self.signet.start()
        return self.signet.port

    def close(self):
        self.signet.stop()
        super().close()
