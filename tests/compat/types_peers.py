"""The two gateways for cases_types.py.

TensorZero knows most vendors by fixed addresses. A proxy that it is told of speaks for all these hosts, with certificates
of an authority that it trusts: the proxy is the mock itself.
"""
import tempfile

import cases_types
from lib.mock import Authority, Mock
from peers import Ours, TensorZero

HEAD = """[gateway]
bind_address = "127.0.0.1:0"
[gateway.observability]
enabled = false
[object_storage]
type = "disabled"
"""


class ProxyMock(Mock):
    """A mock that is asked as a proxy, too: for a tunnel, which it ends itself, and in the absolute form."""

    def __init__(self):
        self._folder = tempfile.TemporaryDirectory()
        self.authority = Authority(self._folder.name)
        self._tls = {}
        super().__init__()

    def _context(self, host):
        with self._lock:
            if host not in self._tls:
                self._tls[host] = self.authority.context(host, file=host)
            return self._tls[host]

    def _connect(self, conn, request):
        context = self._context(request.target.split(":")[0])
        conn.send(b"HTTP/1.1 200 OK\r\n\r\n")
        conn.sock = context.wrap_socket(conn.sock, server_side=True)

    def _script(self, request):
        if request.method == "CONNECT":
            with self._lock:
                self.requests.remove(request)
            return self._connect
        if request.target.startswith("http://"):
            request.target = "/" + request.target.split("/", 3)[3]
        return super()._script(request)


class TypesTensorZero(TensorZero):
    mock_type = ProxyMock

    def read_toml(self):
        self.env = {**self.env, "HTTPS_PROXY": self.mock.url, "SSL_CERT_FILE": self.mock.authority.cert,
                    "TENSORZERO_DISABLE_PSEUDONYMOUS_USAGE_ANALYTICS": "1"}
        self.toml = HEAD + cases_types.toml(False, self.mock.url[7:])


class TypesOurs(Ours):
    def read_toml(self):
        self.toml = HEAD + cases_types.toml(True, self.mock.url[7:])
