"""Starts the tests' ClickHouse server (server.py), asks it, tells it to misbehave."""
import json
import os
import shutil
import subprocess
import sys
import tempfile
import urllib.error
import urllib.parse
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
USER, PASSWORD = "signet", "p:w@d/%"


class Refused(Exception):
    def __init__(self, code, text):
        super().__init__(text)
        self.code = code


class ClickHouse:
    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="clickhouse-test-")
        self.port, self.process = 0, None
        self.start()

    def start(self):
        """Also after kill(): the same folder, the same port."""
        self.process = subprocess.Popen([sys.executable, os.path.join(HERE, "server.py"), self.folder, "--user", USER, "--password", PASSWORD,
                                         "--port", str(self.port)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        line = self.process.stdout.readline().decode()
        assert line.startswith("url "), "the ClickHouse of the tests does not start: run ./dev setup"
        self.url = line.split()[1]
        self.port = int(self.url.rsplit(":", 1)[1])
        return self

    def kill(self):
        self.process.kill()
        self.process.wait()

    def close(self):
        self.kill()
        shutil.rmtree(self.folder, True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def address(self, database, user=USER, password=PASSWORD):
        """As TENSORZERO_CLICKHOUSE_URL has it."""
        quote = lambda text: urllib.parse.quote(text, safe="")
        return self.url.replace("http://", f"http://{quote(user)}:{quote(password)}@") + "/" + database

    def call(self, method, path, body=None):
        request = urllib.request.Request(self.url + path, data=body, method=method, headers={"X-ClickHouse-User": USER, "X-ClickHouse-Key": PASSWORD})
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:
                return answer.read().decode()
        except urllib.error.HTTPError as e:
            raise Refused(int(e.headers.get("X-ClickHouse-Exception-Code", 0)), e.read().decode()) from None

    def ask(self, sql, database="default"):
        return self.call("POST", f"/?database={database}", sql.encode())

    def rows(self, sql, database="default"):
        """[{column: value}]"""
        return [json.loads(line) for line in self.ask(sql + " FORMAT JSONEachRow", database).splitlines()]

    def count(self, table, database="default"):
        try:
            return int(self.ask(f"SELECT count() FROM {table}", database))
        except Refused as e:
            if e.code in (60, 81):
                return 0
            raise

    def fault(self, what, match="", **more):
        self.call("POST", "/fault", json.dumps({"do": what, "match": match, **more}).encode())

    def forget(self):
        self.call("DELETE", "/fault")

    def log(self, match=""):
        """What was asked since the start or forget()."""
        return [e for e in json.loads(self.call("GET", "/log")) if match in e["query"] or match in e["settings"].get("query", "")]
