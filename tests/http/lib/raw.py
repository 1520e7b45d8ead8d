"""A client that sends exactly the bytes it is given and reads answers without helping."""
import json
import socket
import struct
import time


class Answer:
    def __init__(self, status, headers, header_list, body, head):
        self.status, self.headers, self.header_list, self.body, self.head = status, headers, header_list, body, head

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def text(self):
        return self.body.decode("utf-8")

    @property
    def message(self):
        """The error's text, whichever shape it has."""
        error = self.json["error"]
        return error if isinstance(error, str) else error["message"]

    def events(self):
        """The data of each event of a stream."""
        out = []
        for block in self.body.decode("utf-8").split("\n\n"):
            data = [l[6:] for l in block.split("\n") if l.startswith("data: ")]
            if data:
                out.append("\n".join(data))
        return out


class Client:
    def __init__(self, port, timeout=20, host="127.0.0.1", rcvbuf=None):
        self.sock = socket.socket()
        if rcvbuf:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
        self.sock.settimeout(timeout)
        self.sock.connect((host, port))
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""

    def send(self, data):
        self.sock.sendall(data)
        return self

    def more(self):
        got = self.sock.recv(262144)
        if not got:
            raise EOFError
        self.buffer += got
        return got

    def read_head(self):
        while b"\r\n\r\n" not in self.buffer:
            self.more()
        head, self.buffer = self.buffer.split(b"\r\n\r\n", 1)
        lines = head.decode("latin-1").split("\r\n")
        header_list = [tuple(l.split(": ", 1)) if ": " in l else (l.rstrip(":"), "") for l in lines[1:]]
        return Answer(int(lines[0].split(" ")[1]), {k.lower(): v for k, v in header_list}, header_list, b"", head)

    def _take(self, n):
        while len(self.buffer) < n:
            self.more()
        out, self.buffer = self.buffer[:n], self.buffer[n:]
        return out

    def read_chunk(self):
        """One chunk's data; b"" is the last."""
        while b"\r\n" not in self.buffer:
            self.more()
        line, self.buffer = self.buffer.split(b"\r\n", 1)
        size = int(line.split(b";")[0], 16)
        return self._take(size + 2)[:-2]

    def read(self, no_body=False):
        """One whole answer; skips 100 Continue."""
        while True:
            answer = self.read_head()
            if answer.status != 100:
                break
        h = answer.headers
        if no_body or answer.status in (204, 304):
            return answer
        if "chunked" in h.get("transfer-encoding", ""):
            parts = []
            while True:
                data = self.read_chunk()
                if not data:
                    break
                parts.append(data)
            answer.body = b"".join(parts)
        elif "content-length" in h:
            answer.body = self._take(int(h["content-length"]))
        else:
            try:
                while True:
                    self.more()
            except EOFError:
                pass
            answer.body, self.buffer = self.buffer, b""
        return answer

    def at_end(self, seconds=5):
        """True if the peer closes (or resets) within that time without sending more."""
        self.sock.settimeout(seconds)
        try:
            return self.sock.recv(1) == b""
        except ConnectionResetError:
            return True
        except TimeoutError:
            return False

    def close(self):
        self.sock.close()

    def reset(self):
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def post_bytes(path, body, headers=(), version="1.1", content_type="application/json"):
    if isinstance(body, (dict, list)):
        body = json.dumps(body).encode()
    if isinstance(body, str):
        body = body.encode()
    lines = [f"POST {path} HTTP/{version}", "host: test", f"content-type: {content_type}",
             *[f"{k}: {v}" for k, v in headers]]
    if not any(k.lower() in ("content-length", "transfer-encoding") for k, _ in headers):
        lines.append(f"content-length: {len(body)}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + body


def post(port, path, body, headers=(), timeout=20):
    with Client(port, timeout) as c:
        c.send(post_bytes(path, body, headers))
        return c.read()


def get(port, path, headers=(), method="GET", timeout=20):
    with Client(port, timeout) as c:
        lines = [f"{method} {path} HTTP/1.1", "host: test", *[f"{k}: {v}" for k, v in headers]]
        c.send(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))
        return c.read(no_body=method == "HEAD")


def wait_for(what, seconds=5, step=0.01):
    """Polls until `what()` is true; returns its value."""
    end = time.monotonic() + seconds
    while True:
        value = what()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds} s: {getattr(what, '__doc__', None) or what}")
        time.sleep(step)


CHAT = "/v1/chat/completions"
TZ_CHAT = "/openai/v1/chat/completions"


def chat(model="m", content="Hi", **more):
    """A request body for profile openai; for profile tensorzero pass model=TZ + name."""
    return {"model": model, "messages": [{"role": "user", "content": content}], **more}


TZ = "tensorzero::model_name::"
