"""An upstream whose every byte is scripted.

A thread a connection, raw sockets, no Nagle. A *script* is a function (conn, request) -> None that
writes what it likes; the makers below (json_answer, sse, hang, reset, ...) return such functions.
Scripts are taken from a queue (mock.then), else from mock.default. Each request's exact bytes are kept.

The trap: a test that asserts "the upstream was cancelled" must look at request.gone, which is set only
by scripts that wait (Conn.wait_gone) or whose send fails.
"""
import gzip
import json
import os
import select
import socket
import ssl
import struct
import threading
import time
import zlib

RST = struct.pack("ii", 1, 0)


class Request:
    """One request as it came: `raw` holds head and body exactly; `body` is without chunk framing."""

    def __init__(self, raw_head, body, raw_body, conn):
        self.raw = raw_head + raw_body
        self.head = raw_head
        self.body = body
        self.conn = conn
        self.at = time.monotonic()
        lines = raw_head.decode("latin-1").split("\r\n")
        self.method, self.target, self.version = lines[0].split(" ")
        self.header_list = [tuple(l.split(": ", 1)) if ": " in l else (l.rstrip(":"), "") for l in lines[1:] if l]
        self.headers = {k.lower(): v for k, v in self.header_list}
        self.gone = threading.Event()  # the peer closed before the script had ended
        self.done = threading.Event()  # the script has ended

    @property
    def json(self):
        return json.loads(self.body)


class Conn:
    def __init__(self, mock, sock, number):
        self.mock, self.sock, self.number = mock, sock, number
        self.buffer = b""
        self.open = True
        self.dropping = False
        self.served = 0

    # -- reading ---------------------------------------------------------------------------------
    def _more(self):
        if self.mock.tls:
            self._wait_tls()
        got = self.sock.recv(262144)
        if not got:
            raise EOFError
        self.buffer += got

    def _wait_tls(self):
        """Until there is something to read, or drop_idle() asks for an end. A TLS connection is for one thread alone: two
        inside of it corrupt the heap, so whoever wants it closed with its last word asks the one that reads."""
        while not self.sock.pending() and not select.select([self.sock], [], [], 0.02)[0]:
            if self.dropping:
                self.sock.settimeout(0.1)
                try:
                    self.sock.unwrap()  # with close_notify, as servers do: without it the session could not be resumed
                except (OSError, ValueError):
                    pass
                raise EOFError

    def _line(self):
        while b"\r\n" not in self.buffer:
            self._more()
        line, self.buffer = self.buffer.split(b"\r\n", 1)
        return line + b"\r\n"

    def _take(self, n):
        parts, have = [self.buffer[:n]], min(len(self.buffer), n)
        self.buffer = self.buffer[n:]
        while have < n:
            self._more()
            piece = self.buffer[: n - have]
            self.buffer = self.buffer[n - have :]
            parts.append(piece)
            have += len(piece)
        return b"".join(parts)

    def read_request(self):
        while b"\r\n\r\n" not in self.buffer:
            self._more()
        head, self.buffer = self.buffer.split(b"\r\n\r\n", 1)
        head += b"\r\n\r\n"
        fields = {}
        for line in head.decode("latin-1").split("\r\n")[1:]:
            if ":" in line:
                k, v = line.split(":", 1)
                fields[k.strip().lower()] = v.strip()
        raw = body = b""
        if fields.get("expect", "").lower() == "100-continue":
            self.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        if "chunked" in fields.get("transfer-encoding", "").lower():
            while True:
                line = self._line()
                size = int(line.split(b";")[0], 16)
                data = self._take(size + 2)
                raw += line + data
                body += data[:-2]
                if size == 0:
                    break
        elif "content-length" in fields:
            raw = body = self._take(int(fields["content-length"]))
        return Request(head, body, raw, self)

    # -- writing ---------------------------------------------------------------------------------
    def send(self, data):
        self.sock.sendall(data)

    def sleep(self, seconds):
        """Sleeps, but returns True at once when the peer has gone (or the mock is closing)."""
        return self.wait_gone(seconds)

    def wait_gone(self, seconds=60):
        end = time.monotonic() + seconds
        poll = select.poll()
        poll.register(self.sock, select.POLLIN | select.POLLRDHUP | select.POLLHUP | select.POLLERR)
        while time.monotonic() < end and not self.mock.closing.is_set():
            for _, event in poll.poll(min(50, max(1, int((end - time.monotonic()) * 1000)))):
                if event & (select.POLLRDHUP | select.POLLHUP | select.POLLERR):
                    return True
                if event & select.POLLIN:
                    try:
                        got = self.sock.recv(65536)
                    except ssl.SSLWantReadError:
                        continue
                    except OSError:
                        return True
                    if not got:
                        return True
                    self.buffer += got
        return False

    def close(self):
        self.open = False
        try:
            self.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.sock.close()

    def end(self):
        """From another thread: the connection ends, and its own thread, which finds that out, closes it. Nobody else may: the
        number of a closed socket belongs to whoever opens the next one, and a TLS connection is for one thread alone."""
        self.dropping = True
        try:
            socket.socket.shutdown(self.sock, socket.SHUT_RDWR)  # not SSLSocket's, which takes the connection apart
        except OSError:
            pass

    def reset(self):
        """Closes with RST."""
        self.open = False
        try:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RST)
        except OSError:
            pass
        self.sock.close()


class Mock:
    def __init__(self, tls=None, default=None, host="127.0.0.1"):
        self.tls = tls
        self.default = default or json_answer(chat_answer())
        self.requests = []
        self.connections = 0
        self.closing = threading.Event()
        self._queue = []
        self._routes = {}
        self._lock = threading.Lock()
        self._conns = set()
        self._listener = socket.socket()
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.bind((host, 0))
        self._listener.listen(512)
        self.host, self.port = self._listener.getsockname()
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()

    @property
    def url(self):
        return f"http{'s' if self.tls else ''}://{self.host}:{self.port}"

    def then(self, *scripts):
        """Scripts for the next requests, in order; after them the default again."""
        with self._lock:
            self._queue.extend(scripts)
        return self

    def route(self, prefix, script):
        """All requests whose path begins so get this script (before the queue)."""
        self._routes[prefix] = script
        return self

    def reset(self, default=None):
        with self._lock:
            self._queue.clear()
            self._routes.clear()
            self.requests = []
        if default:
            self.default = default

    def last(self):
        return self.requests[-1]

    def wait_requests(self, n, seconds=5):
        end = time.monotonic() + seconds
        while len(self.requests) < n:
            if time.monotonic() > end:
                raise AssertionError(f"{len(self.requests)} requests came, expected {n}")
            time.sleep(0.005)
        return self.requests

    def open_connections(self):
        with self._lock:
            return len(self._conns)

    def drop_idle(self):
        """Closes all connections that wait for a request."""
        with self._lock:
            idle = list(self._conns)
        for conn in idle:
            if self.tls:
                conn.dropping = True  # its thread says goodbye first
            else:
                conn.end()
        end = time.monotonic() + 5
        while any(c in self._conns for c in idle) and time.monotonic() < end:
            time.sleep(0.005)

    def close(self):
        self.closing.set()
        # A thread left in accept() would take a connection of whoever gets this descriptor's number next: any
        # signal (SIGCHLD while a child is started) makes the kernel begin the call again, by number.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._accepting.join()
        self._listener.close()
        with self._lock:
            conns = list(self._conns)
        for conn in conns:
            conn.end()
        end = time.monotonic() + 1
        while self._conns and time.monotonic() < end:
            time.sleep(0.005)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _accept(self):
        while not self.closing.is_set():
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.connections += 1
            threading.Thread(target=self._serve, args=(sock, self.connections), daemon=True).start()

    def _script(self, request):
        for prefix, script in self._routes.items():
            if request.target.startswith(prefix):
                return script
        with self._lock:
            return self._queue.pop(0) if self._queue else self.default

    def _serve(self, sock, number):
        if self.tls:
            try:
                sock = self.tls.wrap_socket(sock, server_side=True)
            except (OSError, ssl.SSLError):
                sock.close()
                return
        conn = Conn(self, sock, number)
        with self._lock:
            self._conns.add(conn)
        try:
            while conn.open and not self.closing.is_set():
                request = conn.read_request()
                conn.served += 1
                with self._lock:
                    self.requests.append(request)
                try:
                    self._script(request)(conn, request)
                except (OSError, EOFError):
                    request.gone.set()
                    raise
                finally:
                    request.done.set()
        except (OSError, EOFError, ValueError):
            pass
        finally:
            with self._lock:
                self._conns.discard(conn)
            if conn.open:
                conn.close()


# -- scripts: plain answers -------------------------------------------------------------------------
REASONS = {200: "OK", 201: "Created", 302: "Found", 400: "Bad Request", 401: "Unauthorized", 402: "Payment Required",
           403: "Forbidden", 404: "Not Found", 408: "Request Timeout", 413: "Payload Too Large",
           422: "Unprocessable Entity", 429: "Too Many Requests", 500: "Internal Server Error", 502: "Bad Gateway",
           503: "Service Unavailable", 504: "Gateway Timeout", 529: "Overloaded"}


def encode(body, encoding):
    if encoding in (None, "identity"):
        return body
    if encoding == "gzip":
        return gzip.compress(body)
    if encoding == "deflate":
        return zlib.compress(body)
    if encoding == "br":
        import brotli

        return brotli.compress(body)
    if encoding == "zstd":
        import zstandard

        return zstandard.compress(body)
    raise ValueError(encoding)


def chunked(data, size=None):
    size = size or max(1, len(data))
    out = b"".join(b"%x\r\n%s\r\n" % (len(data[i : i + size]), data[i : i + size]) for i in range(0, len(data), size))
    return out + b"0\r\n\r\n"


def head(status=200, headers=(), content_type="application/json"):
    lines = [f"HTTP/1.1 {status} {REASONS.get(status, 'Status')}"]
    if content_type:
        lines.append(f"content-type: {content_type}")
    lines += [f"{k}: {v}" for k, v in headers]
    return ("\r\n".join(lines) + "\r\n").encode("latin-1")


def answer(body, status=200, headers=(), content_type="application/json", framing="length", encoding=None,
           chunk=None, split=0, delay=0):
    """One whole answer. framing: length, chunked or close; split n: one write every n bytes."""
    if isinstance(body, str):
        body = body.encode()

    def script(conn, request):
        data = encode(body, encoding)
        top = head(status, list(headers) + ([("content-encoding", encoding)] if encoding else []), content_type)
        if delay and conn.sleep(delay):
            request.gone.set()
            return conn.close()
        if framing == "length":
            out = top + b"content-length: %d\r\n\r\n" % len(data) + data
        elif framing == "chunked":
            out = top + b"transfer-encoding: chunked\r\n\r\n" + chunked(data, chunk)
        else:
            out = top + b"connection: close\r\n\r\n" + data
        write_split(conn, out, split)
        if framing == "close":
            conn.close()

    return script


def write_split(conn, out, split):
    if not split:
        return conn.send(out)
    for n, i in enumerate(range(0, len(out), split)):
        conn.send(out[i : i + split])
        if n % 16 == 0:
            time.sleep(0)  # lets the reader in; the kernel joins some of the rest


def json_answer(value, status=200, **options):
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return answer(text, status, **options)


def error(status, message="m", headers=(), **more):
    return json_answer({"error": {"message": message, **more}}, status, headers=headers)


def chat_answer(content="Hello!", **more):
    """A chat.completion as OpenAI writes it."""
    message = {"role": "assistant", "content": content, "refusal": None, "annotations": []}
    message.update(more.pop("message", {}))
    value = {"id": "chatcmpl-mock", "object": "chat.completion", "created": 1767225600, "model": "mock-model-1",
             "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}],
             "usage": {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18},
             "service_tier": "default", "system_fingerprint": "fp_mock"}
    if "finish_reason" in more:
        value["choices"][0]["finish_reason"] = more.pop("finish_reason")
    value.update(more)
    return {k: v for k, v in value.items() if v is not ...}


def tool_call(id, name, arguments):
    return {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}


# -- scripts: streams -------------------------------------------------------------------------------
def chunk(delta=None, finish=None, usage=..., **more):
    value = {"id": "chatcmpl-mock", "object": "chat.completion.chunk", "created": 1767225600, "model": "mock-model-1",
             "service_tier": "default", "system_fingerprint": "fp_mock",
             "choices": [{"index": 0, "delta": delta or {}, "logprobs": None, "finish_reason": finish}]}
    if usage is not ...:
        value["usage"] = usage
    value.update(more)
    return value


def usage_chunk(prompt=11, completion=7, **more):
    usage = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion, **more}
    return chunk(usage=usage, choices=[])


def text_chunks(text="Hello!", pieces=3, usage=True):
    step = max(1, -(-len(text) // pieces))
    out = [chunk({"role": "assistant", "content": "", "refusal": None})]
    out += [chunk({"content": text[i : i + step]}) for i in range(0, len(text), step)]
    out.append(chunk({}, "stop"))
    return out + ([usage_chunk()] if usage else [])


class Pause(float):
    """An element of sse(): sleep so long."""


class Gate(threading.Event):
    """An element of sse(): nothing more leaves until the test sets it."""


class Raw(bytes):
    """An element of sse(): these bytes as they are."""


CLOSE, RESET, HANG = "close", "reset", "hang"


def sse(events, delay=0, done=True, split=0, framing="chunked", encoding=None, status=200, headers=(), end=None,
        content_type="text/event-stream", newline="\n"):
    """A stream. Events: dict (JSON), str (data as it is), Raw, Pause, Gate, or CLOSE / RESET / HANG."""

    def script(conn, request):
        top = head(status, list(headers) + ([("content-encoding", encoding)] if encoding else []), content_type)
        top += b"transfer-encoding: chunked\r\n\r\n" if framing == "chunked" else b"connection: close\r\n\r\n"
        todo = list(events) + (["[DONE]"] if done else []) + ([end] if end else [])
        if encoding or split:
            whole = b"".join(sse_bytes(e, newline) for e in todo if not isinstance(e, (Pause, Gate)) and e not in (CLOSE, RESET, HANG))
            data = encode(whole, encoding)
            if framing == "chunked":
                data = chunked(data, split or None)
            write_split(conn, top + data, split)
            return conn.close() if framing != "chunked" else None
        pending = top
        for event in todo:
            if isinstance(event, (Pause, Gate)) or event in (CLOSE, RESET, HANG):
                if pending:
                    conn.send(pending)
                    pending = b""
                if isinstance(event, Gate):
                    event.wait(30)
                elif isinstance(event, Pause):
                    if conn.sleep(event):
                        request.gone.set()
                        return conn.close()
                elif event == HANG:
                    if conn.wait_gone():
                        request.gone.set()
                    return conn.close()
                elif event == RESET:
                    time.sleep(0.05)  # let what was sent arrive: RST throws away what the peer has not read
                    return conn.reset()
                else:
                    return conn.close()
                continue
            data = sse_bytes(event, newline)
            if framing == "chunked":
                data = b"%x\r\n%s\r\n" % (len(data), data)
            pending += data
            if delay or len(pending) > 1 << 16:
                conn.send(pending)
                pending = b""
                if delay and conn.sleep(delay):
                    request.gone.set()
                    return conn.close()
        conn.send(pending + (b"0\r\n\r\n" if framing == "chunked" else b""))
        if framing != "chunked":
            conn.close()

    return script


def sse_bytes(event, newline="\n"):
    if isinstance(event, Raw):
        return bytes(event)
    if isinstance(event, dict):
        event = json.dumps(event, ensure_ascii=False, separators=(",", ":"))
    return f"data: {event}{newline}{newline}".encode()


# -- scripts: trouble -------------------------------------------------------------------------------
def hang(before=b""):
    """Takes the request, sends `before`, then nothing until the peer goes."""

    def script(conn, request):
        if before:
            conn.send(before)
        if conn.wait_gone():
            request.gone.set()
        conn.close()

    return script


def cut(before=b"", rst=False):
    """Sends these bytes and closes (or resets)."""

    def script(conn, request):
        if before:
            conn.send(before)
            time.sleep(0.02)
        conn.reset() if rst else conn.close()

    return script


def endless(piece, content_type="application/json", limit=1 << 31, framing="chunked", delay=0):
    """A body without an end; stops when the peer goes or after `limit` bytes. request.sent counts."""

    def script(conn, request):
        top = head(200, content_type=content_type)
        conn.send(top + (b"transfer-encoding: chunked\r\n\r\n" if framing == "chunked" else b"connection: close\r\n\r\n"))
        out = b"%x\r\n%s\r\n" % (len(piece), piece) if framing == "chunked" else piece
        request.sent = 0
        while request.sent < limit:
            conn.send(out)
            request.sent += len(out)
            if delay:
                time.sleep(delay)
        conn.close()

    return script


# -- TLS --------------------------------------------------------------------------------------------
class Authority:
    """A certificate authority and server certificates, made with the openssl command in `folder`."""

    def __init__(self, folder, name="signet-test-ca"):
        import subprocess

        self.folder, self.name, self.run = str(folder), name, subprocess.run
        os.makedirs(self.folder, exist_ok=True)
        self.key, self.cert = self._path("ca.key"), self._path("ca.pem")
        self._openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
                      "-subj", f"/CN={name}", "-keyout", self.key, "-out", self.cert)

    def _path(self, name):
        return os.path.join(self.folder, name)

    def _openssl(self, *args):
        done = self.run(["openssl", *args], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr

    def context(self, host="127.0.0.1", expired=False, file="server"):
        """An SSLContext whose certificate names `host` (an address or a name)."""
        key, csr, cert, ext = (self._path(f"{file}{s}") for s in (".key", ".csr", ".pem", ".ext"))
        kind = "IP" if host.replace(".", "").isdigit() else "DNS"
        with open(ext, "w") as f:
            f.write(f"subjectAltName={kind}:{host}\n")
        self._openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={host}",
                      "-keyout", key, "-out", csr)
        if expired:
            self._expired(csr, cert, ext)
        else:
            self._openssl("x509", "-req", "-in", csr, "-CA", self.cert, "-CAkey", self.key, "-CAcreateserial",
                          "-days", "30", "-extfile", ext, "-out", cert)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(cert, key)
        return context

    def _expired(self, csr, cert, ext):
        # `openssl x509` of 3.0 cannot set dates in the past; `openssl ca` can.
        conf, db = self._path("ca.cnf"), self._path("db")
        os.makedirs(db, exist_ok=True)
        open(os.path.join(db, "index.txt"), "w").close()
        with open(os.path.join(db, "serial"), "w") as f:
            f.write("1000\n")
        with open(conf, "w") as f:
            f.write(f"[ca]\ndefault_ca=d\n[d]\ndatabase={db}/index.txt\nserial={db}/serial\nnew_certs_dir={db}\n"
                    "default_md=sha256\npolicy=p\n[p]\ncommonName=supplied\n")
        self._openssl("ca", "-batch", "-config", conf, "-in", csr, "-cert", self.cert, "-keyfile", self.key,
                      "-extfile", ext, "-startdate", "20200101000000Z", "-enddate", "20200201000000Z", "-notext",
                      "-out", cert)
