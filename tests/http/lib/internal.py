"""Asks the routes of /internal as a browser on this machine does."""
import json
import urllib.parse

from lib import raw

UI = "/internal/signet"


def request(signet, method, path, headers=(), body=None, timeout=20):
    """The whole answer. `path` stands below /internal/signet unless it begins with /internal."""
    path = path if path.startswith("/internal") else UI + path
    data = b"" if body is None else json.dumps(body).encode()
    lines = [f"{method} {path} HTTP/1.1", "host: localhost", *[f"{k}: {v}" for k, v in headers]]
    if body is not None:
        csrf = request(signet, "GET", "/session").json["csrf"]
        lines += ["content-type: application/json", f"x-signet-csrf: {csrf}", f"content-length: {len(data)}"]
    with raw.Client(signet.port, timeout) as c:
        c.send(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + data)
        return c.read(no_body=method == "HEAD")


def with_query(path, params):
    query = urllib.parse.urlencode(params, doseq=True)
    return path + ("?" + query if query else "")


def page(signet, path, **params):
    """The answer's JSON."""
    got = request(signet, "GET", with_query(path, params))
    assert got.status == 200, got.body
    return got.json


def post(signet, path, body, status=200):
    got = request(signet, "POST", path, body=body)
    assert got.status == status, got.body
    return got.json


def ids(signet, **params):
    return [r["id"] for r in page(signet, "/logs", **params)["rows"]]
