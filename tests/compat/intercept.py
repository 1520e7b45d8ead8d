"""A proxy that ends TLS itself and gives what it hears to a mock: for providers whose address TensorZero does not let anybody set.

Both gateways get HTTPS_PROXY and SSL_CERT_FILE. A host that is not expected is refused, so that nothing leaves this machine.
"""
import base64
import json
import re
import shutil
import socket
import tempfile
import threading

from lib.mock import Authority


class Interceptor:
    def __init__(self, mock, hosts):
        self.mock, self.folder = mock, tempfile.mkdtemp(prefix="compat-tls-")
        authority = Authority(self.folder)
        self.contexts = {h: authority.context(h, file=h) for h in hosts}
        self.ca = authority.cert
        self.listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def env(self):
        url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        return {"HTTPS_PROXY": url, "https_proxy": url, "NO_PROXY": "127.0.0.1,localhost", "no_proxy": "127.0.0.1,localhost", "SSL_CERT_FILE": self.ca}

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        try:
            head = b""
            while b"\r\n\r\n" not in head:
                got = client.recv(65536)
                if not got:
                    return client.close()
                head += got
            host = head.split(b" ")[1].decode().partition(":")[0]
            if host not in self.contexts:
                client.sendall(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n")
                return client.close()
            client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            inside = self.contexts[host].wrap_socket(client, server_side=True)
            self._relay(inside)
        except OSError:
            client.close()

    def _relay(self, inside):
        """One answer at a time, as HTTP/1.1 has it; each side is read by one thread alone."""
        upstream = socket.create_connection((self.mock.host, self.mock.port))
        inside.settimeout(0.005)
        upstream.settimeout(0.005)
        ended = False
        while not ended:
            for source, target in ((inside, upstream), (upstream, inside)):
                try:
                    data = source.recv(262144)
                except TimeoutError:
                    continue
                ended |= not data
                target.settimeout(20)
                target.sendall(data)
                target.settimeout(0.005)
        upstream.close()
        inside.close()

    def close(self):
        self.listener.close()
        shutil.rmtree(self.folder, True)


JWT = re.compile(r"Bearer (eyJ[\w-]+)\.([\w-]+)\.[\w-]+")


def opened_tokens(rec):
    """A signed token as what it says, without its times."""

    def show(match):
        head, claims = (json.loads(base64.urlsafe_b64decode(s + "=" * (-len(s) % 4))) for s in match.groups())
        claims["exp"] -= claims["iat"]
        claims["iat"] = 0
        return f"Bearer {json.dumps(head)} {json.dumps(claims)}"

    rec = json.loads(json.dumps(rec))
    for request in rec["upstream"]:
        if "authorization" in request["headers"]:
            request["headers"]["authorization"] = JWT.sub(show, request["headers"]["authorization"])
    return rec
