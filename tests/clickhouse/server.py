"""A ClickHouse server for tests: ClickHouse's own engine in this process (chdb-core) behind its HTTP interface.

    python server.py FOLDER [--user U] [--password P] [--port N]

prints `url http://…` and lives until stdin closes. Where it differs from a server: one query runs at a time; async_insert is accepted
and runs at once; users are the one given and two of the tests' own, `readonly` (code 164 on every write) and `nogrants` (497), with the
same password; system.processes knows the requests that a fault holds back, which the engine cannot; query_log is not there.

POST /fault {"match": text, "do": what, "times": n, "code": n, "seconds": n} makes the next n requests whose query has the text go wrong:
  error        answered with this ClickHouse error; nothing is done       error_after  the same when all is done
  hang         nothing is done and nothing answered for so long           hang_after   the same when all is done
  slow         done, so much later
  cut          the connection is closed instead of an answer              cut_after    the same when all is done
  torn_after   the answer's body ends too early, when all is done
  error_in_views  an INSERT's block is stored, of the views behind its table only "spared" (a list of names) get it, then this error
  kill_in_views   the same, and the process is killed
DELETE /fault forgets them. GET /log lists the requests that were served, as [{"query", "id", "settings", "encoding", "bytes", "connection"}].
"""
import argparse
import base64
import email.parser
import email.policy
import http.server
import json
import os
import re
import signal
import socket
import sys
import threading
import time
import urllib.parse

import zstandard
from chdb import session

STATUS = {516: 403, 497: 403, 164: 403, 81: 404, 60: 404, 46: 404, 47: 404, 62: 400, 27: 400, 117: 400, 241: 500, 159: 408, 394: 500, 202: 503}
WRITES = re.compile(r"\s*(insert|create|alter|drop|truncate|rename|optimize|delete|update|exchange|detach|attach)\b", re.I)
NOT_SETTINGS = ("query", "database", "default_format", "user", "password", "query_id", "session_id", "session_timeout")
OF_ANSWERS = ("async_insert", "wait_for_async_insert")  # would queue rows that the engine in process never flushes
PROCESSES = re.compile(r"system\.processes.*query_id\s*=\s*'([^']*)'", re.S)


class Failure(Exception):
    def __init__(self, code, text):
        super().__init__(f"Code: {code}. DB::Exception: {text}")
        self.code = code


class Engine:
    def __init__(self, folder):
        self.session = session.Session(folder)
        self.lock = threading.Lock()
        self.database, self.settings = None, {}

    def run(self, query, database, settings, params, fmt):
        with self.lock:
            try:
                self.adopt(database, {**settings, **{"param_" + k: v for k, v in params.items()}})
                return self.session.query(query, fmt).bytes() or b""
            except Exception as e:
                found = re.search(r"Code: (\d+)\. DB::Exception: (.*)", str(e), re.S)
                if not found:
                    raise
                raise Failure(int(found[1]), found[2].strip()) from None

    def adopt(self, database, settings):
        """The engine has one session for all: what the last query set and this one does not goes back to its default."""
        if database != self.database:
            self.database = None
            self.session.query(f"USE `{database}`")
            self.database = database
        now = {k: v for k, v in settings.items() if self.settings.get(k) != v}
        gone = [k for k in self.settings if k not in settings and not k.startswith("param_")]
        self.settings = {}  # until it is done
        if now or gone:
            self.session.query("SET " + ", ".join([f"{k} = {quoted(v)}" for k, v in now.items()] + [f"{k} = DEFAULT" for k in gone]))
        self.settings = settings


def quoted(text):
    return "'" + str(text).replace("\\", "\\\\").replace("'", "\\'") + "'"


class State:
    def __init__(self, engine, user, password):
        self.engine, self.user, self.password = engine, user, password
        self.faults, self.log, self.running, self.lock = [], [], {}, threading.Lock()

    def fault_for(self, query):
        with self.lock:
            for f in self.faults:
                if f["times"] > 0 and f.get("match", "") in query:
                    f["times"] -= 1
                    return f
        return {}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True

    def log_message(self, *_):
        pass

    def answer(self, status, body, **headers):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-ClickHouse-Summary", '{"read_rows":"0","written_rows":"0"}')
        for k, v in headers.items():
            self.send_header(k.replace("_", "-"), v)
        self.end_headers()
        self.wfile.write(body)

    def failed(self, e):
        self.answer(STATUS.get(e.code, 500), (str(e) + " (version 26.9.2.1)\n").encode(), X_ClickHouse_Exception_Code=str(e.code))

    def body(self):
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            out = b""
            while n := int(self.rfile.readline().split(b";")[0], 16):
                out += self.rfile.read(n)
                self.rfile.readline()
            self.rfile.readline()
        else:
            out = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.headers.get("Content-Encoding") == "zstd":
            out = zstandard.ZstdDecompressor().stream_reader(out).read()
        return out

    def login(self, params):
        user, password = self.headers.get("X-ClickHouse-User"), self.headers.get("X-ClickHouse-Key")
        if self.headers.get("Authorization", "").startswith("Basic "):
            user, _, password = base64.b64decode(self.headers["Authorization"][6:]).decode().partition(":")
        user, password = user or params.get("user") or "default", password or params.get("password") or ""
        if user not in (self.state.user, "readonly", "nogrants") or password != self.state.password:
            raise Failure(516, f"{user}: Authentication failed: password is incorrect, or there is no user with such name. (AUTHENTICATION_FAILED)")
        return user

    def do_GET(self):
        path, _, query = self.path.partition("?")
        if path == "/ping":
            return self.answer(200, b"Ok.\n")
        if path == "/log":
            return self.answer(200, json.dumps(self.state.log).encode())
        self.serve_query(query, b"")

    def do_DELETE(self):
        self.state.faults.clear()
        self.state.log.clear()
        self.answer(200, b"")

    def do_POST(self):
        path, _, query = self.path.partition("?")
        body = self.body()
        if path == "/fault":
            self.state.faults.append({"times": 1, "code": 241, "seconds": 5, **json.loads(body)})
            return self.answer(200, b"")
        self.serve_query(query, body)

    def serve_query(self, url_query, body):
        params = dict(urllib.parse.parse_qsl(url_query, keep_blank_values=True))
        query_id = params.get("query_id", "")
        try:
            user = self.login(params)
            query = self.whole_query(params, body)
            self.state.log.append({"query": query[:4000], "id": query_id, "encoding": self.headers.get("Content-Encoding"), "bytes": len(body),
                                   "connection": self.client_address[1], "settings": params})
            fault = self.state.fault_for(query)
            self.state.running[query_id] = True
            try:
                self.go_wrong(fault, "", 0)
                answer = self.execute(user, query, params, fault)
                self.go_wrong(fault, "_after", 0)
            finally:
                self.state.running.pop(query_id, None)
        except Failure as e:
            return self.failed(e)
        except ConnectionAbortedError:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        if fault.get("do") == "torn_after":
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            self.wfile.write(b"half")
            self.wfile.flush()
            self.close_connection = True
            return
        self.answer(200, answer)

    def go_wrong(self, fault, when, _):
        what = fault.get("do", "")
        if what == "error" + when:
            raise Failure(fault["code"], fault.get("text", "made by a test") + " (TEST)")
        if what == "hang" + when:
            time.sleep(fault["seconds"])
            raise ConnectionAbortedError
        if what == "cut" + when:
            raise ConnectionAbortedError
        if what == "slow" + when:
            time.sleep(fault["seconds"])

    def whole_query(self, params, body):
        kind = self.headers.get("Content-Type", "")
        if kind.startswith("multipart/form-data"):
            return self.multipart(kind, body, params)
        text = body.decode("utf-8", "surrogateescape")
        return params["query"] + "\n" + text if "query" in params else text

    def multipart(self, kind, body, params):
        """External data (one table, JSONEachRow) as a subquery over the format's own function."""
        message = email.parser.BytesParser(policy=email.policy.default).parsebytes(b"Content-Type: " + kind.encode() + b"\r\n\r\n" + body)
        parts = {p.get_param("name", header="content-disposition"): p.get_payload(decode=True).decode() for p in message.iter_parts()}
        query, name = parts.pop("query", params.get("query")), next(n[:-len("_structure")] for n in parts if n.endswith("_structure"))
        source = f"format({parts[name + '_format']}, {quoted(parts[name + '_structure'])}, {quoted(parts[name])})"
        return re.sub(rf"\b(FROM|JOIN)\s+{name}\b", lambda m: f"{m[1]} {source} AS {name}", query, flags=re.I)

    def without_views(self, query, database, fault):
        """Views behind the table of this INSERT are away; attaches them on leaving."""
        table = re.search(r"INSERT INTO (\w+)", query)[1]
        run = lambda sql: self.state.engine.run(sql, database, {}, {}, "TabSeparated").decode()
        views = run(f"SELECT arrayJoin(dependencies_table) FROM system.tables WHERE database = currentDatabase() AND name = '{table}'").split()
        away = [v for v in views if v not in fault.get("spared", [])]
        assert away, "a fault of the tests that does nothing"
        for view in away:
            run(f"DETACH TABLE {view}")
        return lambda: [run(f"ATTACH TABLE {view}") for view in away]

    def execute(self, user, query, params, fault):
        if user != self.state.user and WRITES.match(query):
            raise Failure(*{"readonly": (164, "readonly: Cannot execute query in readonly mode. (READONLY)"),
                            "nogrants": (497, "nogrants: Not enough privileges. (ACCESS_DENIED)")}[user])
        asked = PROCESSES.search(query)
        if asked:
            return f"{int(asked[1] in self.state.running)}\n".encode()
        settings = {k: v for k, v in params.items() if k not in NOT_SETTINGS + OF_ANSWERS and not k.startswith("param_")}
        arguments = {k[6:]: v for k, v in params.items() if k.startswith("param_")}
        query = re.sub(r"\bSETTINGS\s+async_insert\s*=\s*\d\s*,\s*wait_for_async_insert\s*=\s*\d", "", query)
        database, what = params.get("database", "default"), fault.get("do", "")
        bring_back = self.without_views(query, database, fault) if what.endswith("_in_views") else None
        answer = self.state.engine.run(query, database, settings, arguments, params.get("default_format", "TabSeparated"))
        if what == "kill_in_views":
            os.kill(os.getpid(), signal.SIGKILL)
        if what == "error_in_views":
            bring_back()
            raise Failure(fault["code"], "made by a test: while pushing to view (TEST)")
        return answer


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 100
    allow_reuse_address = True


def main():
    p = argparse.ArgumentParser()
    p.add_argument("folder")
    p.add_argument("--user", default="default")
    p.add_argument("--password", default="")
    p.add_argument("--port", type=int, default=0)
    a = p.parse_args()
    Handler.state = State(Engine(a.folder), a.user, a.password)
    server = Server(("127.0.0.1", a.port), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(f"url http://127.0.0.1:{server.server_port}", flush=True)
    sys.stdin.read()


main()
