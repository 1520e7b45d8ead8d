#!/usr/bin/env python3
"""A sample developer API: the upstream that Signet's provider `rust-proxy` talks to.

It speaks the whole protocol: one POST endpoint (/stream/chat) that takes a flattened conversation,
demands a signature on every request, verifies it natively, and answers with server-sent events; and a
list of models (/models) for discovery. The signature is HMAC-SHA256 over

    nonce \\n timestamp \\n device-id \\n content

as hexadecimal digits in the header `sign`: what examples/signers/hmac computes in WebAssembly. A nonce
that was seen before and a timestamp more than 300 s off are refused with 401, like a wrong signature.

To see how a gateway behaves when its upstream does not, --fail (or a request's own header x-fail) makes
it fail: `error` sends an error event, `500` a status, `hang` accepts and never answers, `cut` closes the
connection in the middle of an event. Python 3.9 or newer, standard library only.
"""

import argparse
import hashlib
import hmac
import json
import re
import socket
import sys
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

MAX_BODY = 128 << 20
MAX_CLOCK_SKEW_S = 300
FAILURES = ("none", "error", "500", "hang", "cut")
# A user's text with this in it gets reasoning before the answer, so that both kinds can be seen.
REASONING_MARK = "[think]"

CANNED = (
    "Hello! This answer comes from the sample developer API. "
    "Your request carried a signature that a WebAssembly module made, and it was verified. "
    "Grüße, 你好, 👋"
)

SOURCES = [
    {"title": "Signing requests", "url": "https://example.com/signing"},
    {"title": "Server-sent events", "url": "https://example.com/events"},
]

MODELS = [
    {"displayName": "Base", "modelName": "base-model", "modelType": "base",
     "isNew": False, "usageLeft": 0, "icon": ""},
    {"displayName": "Claude 3.5 Sonnet", "modelName": "claude-3.5-sonnet-20241022",
     "modelType": "premium", "isNew": False, "usageLeft": 100, "icon": ""},
    {"displayName": "GPT-4o", "modelName": "gpt-4o-2024-11-20", "modelType": "freeTrial",
     "isNew": True, "usageLeft": 10, "icon": ""},
    {"displayName": "Used up", "modelName": "used-up-model", "modelType": "premium",
     "isNew": False, "usageLeft": 0, "icon": ""},
]


class Nonces:
    """Remembers each nonce for as long as its timestamp would be accepted."""

    def __init__(self):
        self.lock = threading.Lock()
        self.seen = {}
        self.next_sweep = 0.0

    def first_use(self, nonce):
        now = time.monotonic()
        with self.lock:
            if now > self.next_sweep:
                old = now - 2 * MAX_CLOCK_SKEW_S
                self.seen = {n: t for n, t in self.seen.items() if t > old}
                self.next_sweep = now + 60
            if nonce in self.seen:
                return False
            self.seen[nonce] = now
            return True


def event(name, data):
    """One server-sent event. A line break in the data begins a new data line."""
    lines = re.split("\r\n|\r|\n", data)
    text = f"event: {name}\n" + "".join(f"data: {line}\n" for line in lines) + "\n"
    return text.encode()


def pieces(text):
    """Words with the blanks that follow them: a stream as a model would write it."""
    return re.findall(r"\S+\s*|\s+", text)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "sample-developer-api"
    sys_version = ""
    disable_nagle_algorithm = True
    wbufsize = -1  # the head and the first event leave in one write

    # ---- what is asked ----

    def do_GET(self):
        if self.path.split("?")[0].endswith("/models"):
            if self.failure() == "500":
                return self.refuse(500, "told to fail")
            return self.plain(200, "application/json", json.dumps({"data": MODELS}).encode())
        return self.refuse(404, f"no such path: {self.path}")

    def do_POST(self):
        raw = self.body()
        if raw is None:
            return None
        if not self.path.split("?")[0].endswith("/stream/chat"):
            return self.refuse(404, f"no such path: {self.path}")
        try:
            request = json.loads(raw)
            content = request["content"]
            if not isinstance(content, str):
                raise TypeError
        except (ValueError, KeyError, TypeError):
            return self.refuse(400, "the body needs a text `content`")
        complaint = self.verify(content)
        if complaint:
            return self.refuse(401, complaint)
        return self.answer(request, content)

    def body(self):
        try:
            n = int(self.headers.get("content-length", ""))
        except ValueError:
            n = -1
        if n < 0 or n > MAX_BODY:
            self.close_connection = True
            self.refuse(411 if n < 0 else 413, "the body needs a content-length of at most 128 MiB")
            return None
        raw = self.rfile.read(n)
        if len(raw) < n:
            self.close_connection = True
            return None
        return raw

    def failure(self):
        return self.headers.get("x-fail") or self.server.options.fail

    # ---- the signature ----

    def verify(self, content):
        """What is wrong with the request's signature; None: nothing."""
        given = {}
        for name in ("nonce", "timestamp", "device-id", "os-type", "sid", "sign"):
            given[name] = self.headers.get(name)
            if given[name] is None:
                return f"header {name} is missing"
        try:
            parsed = uuid.UUID(given["nonce"])
            if str(parsed) != given["nonce"] or parsed.version != 4:
                raise ValueError
        except ValueError:
            return "nonce is not a UUID v4 in lower case"
        if not re.fullmatch(r"[0-9]{1,12}", given["timestamp"]):
            return "timestamp is not in Unix seconds"
        if abs(time.time() - int(given["timestamp"])) > MAX_CLOCK_SKEW_S:
            return f"timestamp is more than {MAX_CLOCK_SKEW_S} s off"
        covered = "\n".join((given["nonce"], given["timestamp"], given["device-id"], content))
        right = hmac.new(self.server.key, covered.encode("utf-8", "surrogatepass"), hashlib.sha256)
        if not hmac.compare_digest(right.hexdigest().encode(), given["sign"].encode()):
            return "the signature does not fit nonce, timestamp, device-id and content"
        # Last, so that a stranger's bad signature cannot use a nonce up.
        if not self.server.nonces.first_use(given["nonce"]):
            return "nonce was used before"
        return None

    # ---- answers ----

    def answer(self, request, content):
        fail = self.failure()
        if fail == "500":
            return self.refuse(500, "told to fail")
        if fail == "hang":
            return self.hang()
        text = content if self.server.options.answer == "echo" else CANNED
        self.start_stream()
        if fail == "error":
            self.write(event("error", "told to fail"))
            return self.end_stream()
        for chunk in self.events(request, content, text, fail):
            self.write(chunk)
            if fail != "cut" and self.server.options.delay_ms:
                time.sleep(self.server.options.delay_ms / 1000)
        if fail == "cut":
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return None
        return self.end_stream()

    def events(self, request, content, text, fail):
        """The events of one answer, in order; joined where no text stands between them."""
        thread = request.get("threadId") or str(uuid.uuid4())
        before = event("threadId", thread) + event("queryMessageId", str(uuid.uuid4()))
        if REASONING_MARK in content:
            yield before + event("r", "The user asks to see reasoning, ")
            yield event("r", json.dumps({"text": "so here is some."}))
            before = b""
        for i, piece in enumerate(pieces(text)):
            if fail == "cut" and i == 2:
                yield event("c", piece)[:-3]
                return
            yield before + event("c", piece)
            before = b""
        yield (
            before
            + event("sources", json.dumps(SOURCES))
            + event("rlq", "What else can be signed?")
            + event("answerMessageId", str(uuid.uuid4()))
            + event("finish", "")
        )

    def hang(self):
        """Holds the connection until the other side gives it up."""
        self.close_connection = True
        self.connection.settimeout(600)
        try:
            while self.connection.recv(4096):
                pass
        except OSError:
            pass

    def start_stream(self):
        self.send_response(200)
        self.send_header("content-type", "text/event-stream; charset=utf-8")
        self.send_header("cache-control", "no-cache")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()

    def write(self, data):
        self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data))
        self.wfile.flush()

    def end_stream(self):
        self.wfile.write(b"0\r\n\r\n")
        self.wfile.flush()

    def plain(self, status, content_type, data):
        self.send_response(status)
        self.send_header("content-type", content_type)
        self.send_header("content-length", str(len(data)))
        if self.close_connection:
            self.send_header("connection", "close")
        self.end_headers()
        self.wfile.write(data)
        self.wfile.flush()

    def refuse(self, status, reason):
        self.plain(status, "text/plain; charset=utf-8", reason.encode())

    # ---- the rest ----

    def log_message(self, format, *args):
        if self.server.options.verbose:
            super().log_message(format, *args)

    def handle(self):
        try:
            super().handle()
        except (ConnectionError, BrokenPipeError):
            pass  # the other side went away: a client that cancelled


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 1024


def port_number(text):
    n = int(text)
    if not 0 <= n <= 65535:
        raise argparse.ArgumentTypeError("a port is 0 to 65535")
    return n


def main():
    p = argparse.ArgumentParser(
        description="A sample developer API that verifies signatures.",
        epilog="A request's header x-fail beats --fail. Reasoning is sent when the content has "
        + REASONING_MARK + " in it.")
    p.add_argument("--port", type=port_number, default=8123, help="0 takes a free one (default 8123)")
    p.add_argument("--host", default="127.0.0.1", help="address to listen on (default 127.0.0.1)")
    p.add_argument("--key", default="signet-sample-key", help="the key of the signer's HMAC")
    p.add_argument("--answer", choices=("echo", "canned"), default="canned",
                   help="echo returns the content as it came")
    p.add_argument("--delay-ms", type=int, default=0, help="pause after each event")
    p.add_argument("--fail", choices=FAILURES, default="none", help="how every request fails")
    p.add_argument("--verbose", action="store_true", help="a line a request on standard error")
    options = p.parse_args()

    server = Server((options.host, options.port), Handler)
    server.options = options
    server.key = options.key.encode()
    server.nonces = Nonces()
    print(f"listening on {server.server_address[1]}", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        pass
    return 0


if __name__ == "__main__":
    sys.exit(main())
