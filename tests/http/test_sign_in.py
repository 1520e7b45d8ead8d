"""Signing in to the pages (ui §7): who gets in without, passwords, keys, links; what a browser must prove; what ends a session."""
import os
import re
import socket
import sqlite3
import subprocess
import time

import pytest

from lib import keys, raw
from lib.mock import Mock
from lib.raw import CHAT, chat
from lib.signet import Signet, binary, config, openai_model

SESSION, KEYS = "/internal/signet/session", "/internal/signet/keys"
PASSWORD = "correct horse battery staple"
LOCAL = ("host", "localhost")
JSON = ("content-type", "application/json")


def request(port, method, path, headers=(), body=None, host="localhost", address="127.0.0.1"):
    import json
    data = json.dumps(body).encode() if body is not None else b""
    lines = [f"{method} {path} HTTP/1.1", f"host: {host}", *[f"{k}: {v}" for k, v in headers]]
    if data or method not in ("GET", "HEAD"):
        lines.append(f"content-length: {len(data)}")
    with raw.Client(port, host=address) as c:
        c.send(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + data)
        return c.read(no_body=method == "HEAD")


def write(port, method, path, body=None, csrf="1", headers=(), **more):
    return request(port, method, path, [JSON, ("x-signet-csrf", csrf), *headers], body, **more)


def cookie_of(answer):
    return answer.headers["set-cookie"].split(";")[0]


class Browser:
    """Keeps a cookie and the token that goes with it."""

    def __init__(self, port, body=None, host="localhost"):
        self.port, self.host, self.cookie, self.csrf = port, host, None, "1"
        if body:
            answer = write(port, "POST", SESSION, body, host=host)
            assert answer.status == 204, answer.text
            self.take(answer)

    def take(self, answer):
        self.cookie = cookie_of(answer)
        self.csrf = self.get(SESSION).json["csrf"]

    def headers(self):
        return [("cookie", self.cookie)] if self.cookie else []

    def get(self, path, headers=()):
        return request(self.port, "GET", path, [*self.headers(), *headers], host=self.host)

    def write(self, method, path, body=None, headers=(), csrf=None):
        return write(self.port, method, path, body, csrf or self.csrf, [*self.headers(), *headers], host=self.host)


def hash_of(password):
    out = subprocess.run([binary(), "ui", "hash-password"], input=password + "\n", capture_output=True, text=True, timeout=60)
    assert out.returncode == 0, out.stderr
    return out.stdout.strip()


HASHES = {}


def users_toml(mock, more=""):
    users = "".join(f'[ui.users.{n}]\npassword_hash_location = "env::HASH_{n.upper()}"\nrole = "{n}"\n' for n in ("admin", "editor", "viewer"))
    return config(openai_model("m", mock.url), "", users + more, record=True)


def users_env():
    for name in ("admin", "editor", "viewer"):
        HASHES.setdefault(name, hash_of(f"{name} {PASSWORD}"))
    return {f"HASH_{n.upper()}": h for n, h in HASHES.items()}


@pytest.fixture(scope="module")
def house():
    """A gateway with three users, one of each role."""
    with Mock() as mock, Signet(users_toml(mock), env=users_env()) as signet:
        signet.mock = mock
        yield signet


SIGNED_IN = {}


def sign_in(house, name, fresh=False):
    """A browser of this user, the same one each time: a password costs some 100 ms."""
    if fresh or (house.port, name) not in SIGNED_IN:
        browser = Browser(house.port, {"user": name, "password": f"{name} {PASSWORD}"})
        if fresh:
            return browser
        SIGNED_IN[house.port, name] = browser
    return SIGNED_IN[house.port, name]


# ---- without signing in --------------------------------------------------------------------------

@pytest.fixture(scope="module")
def open_house():
    """Nothing configured: auto."""
    with Mock() as mock, Signet(config(openai_model("m", mock.url), record=True)) as signet:
        yield signet


def test_who_sits_at_the_machine_is_admin(open_house):
    got = request(open_house.port, "GET", SESSION)
    assert got.status == 200, got.text
    assert (got.json["role"], got.json["method"], got.json["user"], got.json["expires_at"]) == ("admin", "auto", "local", None)
    for host in ("localhost:3000", "127.0.0.1", "127.0.0.1:80", "[::1]", "[::1]:3000", "LOCALHOST"):
        assert request(open_house.port, "GET", SESSION, host=host).status == 200
    csrf = got.json["csrf"]
    made = write(open_house.port, "POST", KEYS, {"description": "x"}, csrf)
    assert made.status == 201 and re.fullmatch(r"sk-t0-\w{12}-\w{48}", made.json["key"])


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "10.0.0.1", "[::2]", "localhos", ""])
def test_a_rebinding_host_is_nobody(open_house, host):
    got = request(open_house.port, "GET", SESSION, host=host)
    assert got.status == 401 and "version" not in got.json and "csrf" not in got.json
    assert request(open_house.port, "GET", KEYS, host=host).status == 401


@pytest.mark.parametrize("header", [("x-forwarded-for", "127.0.0.1"), ("X-Forwarded-Host", "localhost"), ("x-forwarded-proto", "https"),
                                    ("forwarded", "for=127.0.0.1;host=localhost"), ("via", "1.1 proxy"), ("x-real-ip", "127.0.0.1"),
                                    ("X-Signet-Remote", "1"), ("x-signet-remote", "0")])
def test_what_came_through_a_proxy_is_not_local(open_house, header):
    assert request(open_house.port, "GET", SESSION, [header]).status == 401
    assert request(open_house.port, "GET", KEYS, [header]).status == 401


def other_address():
    """An address of this machine that is not the loopback; None without one."""
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        s.connect(("192.0.2.1", 9))
        return s.getsockname()[0]
    except OSError:
        return None
    finally:
        s.close()


def test_another_machine_is_nobody_and_the_log_has_a_link():
    address = other_address()
    if not address or address.startswith("127."):
        pytest.skip("this machine has only a loopback")
    with Mock() as mock:
        toml = config(openai_model("m", mock.url), record=True).replace("127.0.0.1:0", "0.0.0.0:0")
        with Signet(toml) as signet:
            assert request(signet.port, "GET", SESSION, address=address).status == 401
            link = [l["link"] for l in signet.logs() if "link" in l][0]
            assert re.fullmatch(r"http://localhost:\d+/ui/login#link=[0-9a-f]{32}", link)
            body = {"link": link.split("=")[1]}
            assert write(signet.port, "POST", SESSION, body, address=address, host=f"{address}:1").status == 204
            assert write(signet.port, "POST", SESSION, body, address=address).status == 401  # once


def test_mode_none_makes_everybody_editor_and_nobody_admin():
    with Mock() as mock, Signet(config(openai_model("m", mock.url), record=True), env={"SIGNET_UI_AUTH": "none"}) as signet:
        got = request(signet.port, "GET", SESSION, [("via", "x")], host="gateway.example")
        assert (got.status, got.json["role"], got.json["method"]) == (200, "editor", "none")
        assert request(signet.port, "GET", KEYS).status == 403
        assert any("whoever reaches" in l["msg"] for l in signet.logs())


def test_mode_required_asks_the_machine_itself():
    with Mock() as mock, Signet(config(openai_model("m", mock.url), "", '[ui]\nauth = "required"\n', record=True)) as signet:
        got = request(signet.port, "GET", SESSION)
        assert got.status == 401 and got.json["login"] == ["key", "link"]
        assert any("link" in l for l in signet.logs())


# ---- passwords -----------------------------------------------------------------------------------

def test_a_stranger_learns_how_to_sign_in_and_nothing_else(house):
    got = request(house.port, "GET", SESSION)
    assert got.status == 401
    assert got.json == {"error": "Sign in", "code": "sign_in", "login": ["password", "key", "link"], "needs_user": True}
    for path in ("/keys", "/sessions", "/audit"):
        assert request(house.port, "GET", "/internal/signet" + path).status == 401


def test_a_session_is_what_its_user_is(house):
    for name in ("admin", "editor", "viewer"):
        got = sign_in(house, name).get(SESSION).json
        assert (got["user"], got["role"], got["method"]) == (name, name, "password")
        assert got["expires_at"] and re.fullmatch("[0-9a-f]{32}", got["csrf"])


def test_the_cookie(house):
    answer = write(house.port, "POST", SESSION, {"user": "viewer", "password": "viewer " + PASSWORD})
    assert re.fullmatch(r"signet_session=[0-9a-f]{64}; Path=/; HttpOnly; SameSite=Strict; Max-Age=2592000", answer.headers["set-cookie"])
    https = write(house.port, "POST", SESSION, {"user": "viewer", "password": "viewer " + PASSWORD}, headers=[("x-forwarded-proto", "https")])
    assert re.fullmatch(r"__Host-signet_session=[0-9a-f]{64}; Path=/; HttpOnly; SameSite=Strict; Max-Age=2592000; Secure", https.headers["set-cookie"])
    assert request(house.port, "GET", SESSION, [("cookie", "a=b; " + cookie_of(https) + "; c=d")]).status == 200


def test_answers_carry_the_headers_of_pages(house):
    for got in (request(house.port, "GET", SESSION), sign_in(house, "admin").get(KEYS)):
        assert got.headers["cache-control"] == "no-store" and got.headers["x-content-type-options"] == "nosniff"
        assert got.headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
        assert got.headers["referrer-policy"] == "no-referrer" and got.headers["cross-origin-resource-policy"] == "same-origin"


def test_a_refusal_says_not_which_part_was_wrong(house):
    answers = [write(house.port, "POST", SESSION, b) for b in (
        {"user": "admin", "password": "wrong"}, {"user": "nobody", "password": "wrong"}, {"password": PASSWORD},
        {"api_key": "sk-t0-" + "a" * 12 + "-" + "b" * 48}, {"link": "0" * 32})]
    assert {(a.status, a.body) for a in answers} == {(401, answers[0].body)}
    assert all("set-cookie" not in a.headers for a in answers)


@pytest.mark.parametrize("body", [{}, [], "x", {"password": 1}, {"password": "a", "link": "b"}, {"api_key": None}])
def test_a_request_that_is_none(house, body):
    assert write(house.port, "POST", SESSION, body).status == 400


def test_a_new_sign_in_makes_a_new_session_and_ends_the_old(house):
    fixed = "signet_session=" + "f" * 64
    first = write(house.port, "POST", SESSION, {"user": "viewer", "password": "viewer " + PASSWORD}, headers=[("cookie", fixed)])
    assert cookie_of(first) != fixed
    assert request(house.port, "GET", SESSION, [("cookie", fixed)]).status == 401
    browser = Browser(house.port)
    browser.take(first)
    second = browser.write("POST", SESSION, {"user": "viewer", "password": "viewer " + PASSWORD})
    assert second.status == 204 and cookie_of(second) != cookie_of(first)
    assert request(house.port, "GET", SESSION, [("cookie", cookie_of(first))]).status == 401
    assert request(house.port, "GET", SESSION, [("cookie", cookie_of(second))]).status == 200


def test_signing_out_ends_the_session_on_the_server(house):
    browser = sign_in(house, "editor", fresh=True)
    gone = browser.write("DELETE", SESSION)
    assert gone.status == 204 and "Max-Age=0" in gone.headers["set-cookie"]
    assert browser.get(SESSION).status == 401


def test_an_admin_sees_and_ends_sessions(house):
    admin, viewer = sign_in(house, "admin", fresh=True), sign_in(house, "viewer", fresh=True)
    listed = admin.get("/internal/signet/sessions").json["sessions"]
    mine = [s for s in listed if s["own"]]
    assert len(mine) == 1 and mine[0]["user"] == "admin"
    theirs = [s for s in listed if s["user"] == "viewer"][0]
    assert theirs["address"] == "127.0.0.1"
    assert admin.write("DELETE", "/internal/signet/sessions/" + theirs["id"]).status == 204
    assert viewer.get(SESSION).status == 401
    assert admin.write("DELETE", "/internal/signet/sessions/" + theirs["id"]).status == 404


def test_lockout_is_of_a_user_at_an_address():
    with Mock() as mock, Signet(users_toml(mock), env=users_env()) as signet:
        def attempt(user="viewer", password="wrong", address="127.0.0.1"):
            return write(signet.port, "POST", SESSION, {"user": user, "password": password}, address=address)
        for _ in range(5):
            assert attempt().status == 401
        got = attempt(password="viewer " + PASSWORD)
        assert got.status == 429 and got.headers["retry-after"] == "1" and got.json["code"] == "wait"
        assert attempt(user="editor", password="editor " + PASSWORD).status == 204
        time.sleep(1.1)
        assert attempt().status == 401
        got = attempt()
        assert got.status == 429 and got.headers["retry-after"] == "2"
        time.sleep(2.1)
        assert attempt(password="viewer " + PASSWORD).status == 204  # and the count begins anew
        assert attempt().status == 401
        metric = raw.get(signet.port, "/metrics").text
        assert "signet_auth_failures_total" in metric
        audit = Browser(signet.port, {"user": "admin", "password": "admin " + PASSWORD}).get("/internal/signet/audit").json["events"]
        assert [e["action"] for e in audit].count("session.refused") == 7
        assert {"t", "user", "address", "action", "target"} == set(audit[0])


def test_another_password_ends_the_sessions_of_the_old_one():
    with Mock() as mock:
        with Signet(users_toml(mock), env=users_env()) as signet:
            admin = Browser(signet.port, {"user": "admin", "password": "admin " + PASSWORD})
            viewer = Browser(signet.port, {"user": "viewer", "password": "viewer " + PASSWORD})
            signet.stop()
            signet.env["HASH_VIEWER"] = hash_of("another")
            signet.start()
            admin.port = viewer.port = signet.port
            assert admin.get(SESSION).status == 200
            assert viewer.get(SESSION).status == 401


def test_the_password_of_the_environment_is_one_admins_and_outlives_a_start():
    with Mock() as mock, Signet(config(openai_model("m", mock.url), record=True), env={"SIGNET_UI_PASSWORD": PASSWORD}) as signet:
        assert request(signet.port, "GET", SESSION).json["login"] == ["password", "key", "link"]
        admin = Browser(signet.port, {"password": PASSWORD})
        assert admin.get(SESSION).json["role"] == "admin"
        assert write(signet.port, "POST", SESSION, {"password": PASSWORD + "x"}).status == 401
        signet.stop()
        signet.start()
        admin.port = signet.port
        assert admin.get(SESSION).status == 200


def test_a_link_of_the_command_line_works_once(house):
    out = subprocess.run([binary(), "ui", "link", "--public-url", "https://gw.example"], capture_output=True, text=True, timeout=60,
                         env={**os.environ, "SIGNET_DATA_DIR": house.data_dir})
    assert out.returncode == 0, out.stderr
    secret = re.fullmatch(r"https://gw\.example/ui/login#link=([0-9a-f]{32})\n", out.stdout).group(1)
    assert Browser(house.port, {"link": secret}).get(SESSION).json["role"] == "admin"
    assert write(house.port, "POST", SESSION, {"link": secret}).status == 401


def test_a_key_signs_in_with_its_role(house):
    plain, viewer = keys.create(house.data_dir), keys.create(house.data_dir, "--role", "viewer")
    raw.wait_for(lambda: write(house.port, "POST", SESSION, {"api_key": viewer}).status == 204, 2, 0.1)
    got = write(house.port, "POST", SESSION, {"api_key": plain})
    assert got.status == 403 and got.json["code"] == "no_role"
    browser = Browser(house.port, {"api_key": viewer})
    assert browser.get(SESSION).json["method"] == "key" and browser.get(SESSION).json["user"] == keys.public_id(viewer)
    keys.run(house.data_dir, "disable", keys.public_id(viewer))
    raw.wait_for(lambda: browser.get(SESSION).status == 401, 1)


# ---- what a browser must prove -------------------------------------------------------------------

def test_csrf_is_asked_of_whatever_changes_something(house, open_house):
    admin = sign_in(house, "admin")
    for headers, why in (([JSON], "X-Signet-CSRF"), ([("x-signet-csrf", admin.csrf)], "content type"),
                         ([("content-type", "text/plain"), ("x-signet-csrf", admin.csrf)], "content type"),
                         ([JSON, ("x-signet-csrf", "0" * 32)], "another session"), ([JSON, ("x-signet-csrf", "1")], "another session")):
        got = request(house.port, "POST", KEYS, [*admin.headers(), *headers], {})
        assert got.status == 403 and why in got.json["error"], (headers, got.text)
    assert admin.write("POST", KEYS, {}).status == 201
    for headers in ([JSON], [JSON, ("x-signet-csrf", "1")]):  # in local mode too
        assert request(open_house.port, "POST", KEYS, headers, {}).status == 403
    for headers in ([JSON], [("x-signet-csrf", "1")]):  # and for the sign-in itself
        assert request(house.port, "POST", SESSION, headers, {"user": "admin", "password": "admin " + PASSWORD}).status == 403


def test_the_token_of_another_session_does_not_fit(house):
    one, other = sign_in(house, "admin"), sign_in(house, "admin", fresh=True)
    assert one.write("POST", KEYS, {}, csrf=other.csrf).status == 403


@pytest.mark.parametrize("headers", [[("origin", "https://evil.example")], [("origin", "null")], [("origin", "http://localhost:1")],
                                     [("sec-fetch-site", "cross-site")], [("sec-fetch-site", "same-site")]])
def test_a_page_of_another_site_is_refused(house, open_house, headers):
    admin = sign_in(house, "admin")
    assert admin.get(KEYS, headers).status == 403
    assert admin.write("POST", KEYS, {}, headers).status == 403
    assert request(open_house.port, "GET", KEYS, headers).status == 403
    assert write(house.port, "POST", SESSION, {"user": "admin", "password": "admin " + PASSWORD}, headers=headers).status == 403


@pytest.mark.parametrize("headers", [[("origin", "http://localhost"), ("sec-fetch-site", "same-origin")], [("sec-fetch-site", "none")]])
def test_a_page_of_its_own_is_not(house, headers):
    assert sign_in(house, "admin").get(KEYS, headers).status == 200


def test_the_public_url_is_an_own_origin():
    toml = '[ui]\npublic_url = "https://gw.example/base"\n'
    with Mock() as mock, Signet(config(openai_model("m", mock.url), "", toml, record=True), env={"SIGNET_UI_PASSWORD": PASSWORD}) as signet:
        got = write(signet.port, "POST", SESSION, {"password": PASSWORD}, headers=[("origin", "https://gw.example")], host="internal:3000")
        assert got.status == 204 and got.headers["set-cookie"].startswith("__Host-signet_session=")
        assert request(signet.port, "GET", SESSION, [("origin", "http://gw.example")], host="internal:3000").status == 403


# ---- routes by roles -----------------------------------------------------------------------------

def routes():
    """Every row of the tables of routes, as they stand in the source: (method, path, role)."""
    found = []
    folder = os.path.join(os.path.dirname(__file__), "..", "..", "src", "api")
    for name in sorted(os.listdir(folder)):
        with open(os.path.join(folder, name), encoding="utf-8") as f:
            found += re.findall(r'\{\s*"([A-Z]+)",\s*"(/internal/signet[^"]*)",\s*ROLE_([A-Z]+),', f.read())
    return found


def head(port, method, path, headers):
    """The status alone: some routes answer with a stream that does not end."""
    lines = [f"{method} {path} HTTP/1.1", "host: localhost", "content-type: application/json", *[f"{k}: {v}" for k, v in headers]]
    lines += ["content-length: 2", "", "{}"] if method != "GET" else ["", ""]
    with raw.Client(port) as c:
        return c.send("\r\n".join(lines).encode()).read_head().status


RANK = ["none", "viewer", "editor", "admin"]


def test_every_route_by_every_role(house):
    assert len(routes()) >= 10
    keyed = {r: keys.create(house.data_dir, "--role", r) for r in RANK}
    raw.wait_for(lambda: raw.get(house.port, KEYS, [keys.bearer(keyed["admin"])]).status == 200, 2)
    browsers = {r: sign_in(house, r) for r in RANK[1:]}
    for method, pattern, needed in routes():
        needed = needed.lower()
        if needed == "none" or (method, pattern) == ("DELETE", "/internal/signet/session"):
            continue
        path = re.sub(r"\{[a-z]+\}", "no-such-thing", pattern)
        assert write(house.port, method, path, {}).status == 401, (method, path)
        for role in RANK:
            enough = RANK.index(role) >= RANK.index(needed)
            callers = {"key": [keys.bearer(keyed[role])]}
            if role in browsers:
                callers["session"] = [*browsers[role].headers(), ("x-signet-csrf", browsers[role].csrf)]
            for how, headers in callers.items():
                status = head(house.port, method, path, headers)
                assert (status not in (401, 403)) == enough, (method, path, role, how, status)


def test_a_session_has_its_role_on_tensorzeros_routes_too(house):
    ask = chat()
    for name, status in (("viewer", 403), ("editor", 200), ("admin", 200)):
        assert sign_in(house, name).write("POST", CHAT, ask).status == status
    viewer = sign_in(house, "viewer")
    assert viewer.get("/v1/models").status == 200
    editor = sign_in(house, "editor")
    assert request(house.port, "POST", CHAT, [*editor.headers(), JSON], ask).status == 403  # no token
    assert raw.post(house.port, CHAT, ask).status == 200  # auth is off: without a session as ever


def test_with_auth_on_a_session_stands_in_for_a_key():
    auth = "[gateway.auth]\nenabled = true\n"
    with Mock() as mock, Signet(config(openai_model("m", mock.url), auth, record=True), env={"SIGNET_UI_PASSWORD": PASSWORD}) as signet:
        admin = Browser(signet.port, {"password": PASSWORD})
        assert admin.write("POST", CHAT, chat()).status == 200
        assert raw.post(signet.port, CHAT, chat()).status == 401
        key = keys.create(signet.data_dir)
        raw.wait_for(lambda: raw.get(signet.port, "/v1/models", [keys.bearer(key)]).status == 200, 2)
        # a key that `signet ui` puts on the way counts only beside a session
        hop = [keys.bearer(key), ("x-signet-remote", "1")]
        assert raw.post(signet.port, CHAT, chat(), hop).status == 401
        assert request(signet.port, "GET", KEYS, hop).status == 401
        assert admin.write("POST", CHAT, chat(), hop).status == 200


# ---- keys by route -------------------------------------------------------------------------------

def test_keys_are_made_changed_and_rotated(house):
    admin = sign_in(house, "admin")
    made = admin.write("POST", KEYS, {"description": 'quote " \' \u0000 nul', "role": "viewer", "expires_at": "2099-01-01T00:00:00Z"})
    assert made.status == 201 and made.headers["cache-control"] == "no-store"
    public = made.json["public_id"]

    def row():
        return {k["public_id"]: k for k in admin.get(KEYS).json["keys"]}[public]
    assert (row()["description"], row()["role"], row()["created_by"]) == ('quote " \' \u0000 nul', "viewer", "admin")
    assert row()["expires_at"] == "2099-01-01T00:00:00.000Z" and row()["disabled_at"] is None
    assert admin.write("PATCH", f"{KEYS}/{public}", {"disabled": True, "description": None, "role": None, "expires_at": None}).status == 204
    assert row()["disabled_at"] and (row()["description"], row()["role"], row()["expires_at"]) == (None, None, None)
    assert admin.write("POST", f"{KEYS}/{public}/rotate", {}).status == 400
    assert admin.write("PATCH", f"{KEYS}/{public}", {"disabled": False}).status == 204
    new = admin.write("POST", f"{KEYS}/{public}/rotate", {"keep_s": 60})
    assert new.status == 201 and new.json["public_id"] != public
    for body, why in (({"limits": []}, "limits"), ({"role": "boss"}, "role"), ({"expires_at": "2020-01-01T00:00:00Z"}, "future"),
                      ({"expires_at": "soon"}, "expires_at"), ({"description": 1}, "description"), ({"disabled": 1}, "disabled"), ([], "object")):
        got = admin.write("POST", KEYS, body)
        assert got.status == 400 and why in got.json["error"], got.text
    assert admin.write("PATCH", f"{KEYS}/nobody%27%00", {"disabled": True}).status == 404
    actions = [e["action"] for e in admin.get("/internal/signet/audit?limit=4").json["events"]]
    assert actions == ["key.create", "key.rotate", "key.enable", "key.disable"]


def test_the_audit_comes_in_pages(house):
    admin = sign_in(house, "admin")
    seen, cursor = [], ""
    while True:
        page = admin.get("/internal/signet/audit?limit=7" + cursor).json
        seen += [(e["t"], e["action"], e["target"]) for e in page["events"]]
        if not page["next"]:
            break
        cursor = "&cursor=" + page["next"]
    assert len(seen) > 7 and seen == [(e["t"], e["action"], e["target"]) for e in admin.get("/internal/signet/audit?limit=1000").json["events"]]
    assert admin.get("/internal/signet/audit?limit=1001").status == 400
    assert admin.get("/internal/signet/audit?cursor=x").status == 400


# ---- secrets -------------------------------------------------------------------------------------

def test_no_secret_is_kept_or_said(house):
    """Keys, passwords, hashes of passwords, session ids, links: in no file, no log line, no later answer."""
    admin = sign_in(house, "admin")
    made = admin.write("POST", KEYS, {"role": "admin"}).json["key"]
    cli = keys.create(house.data_dir)
    out = subprocess.run([binary(), "ui", "link"], capture_output=True, text=True, timeout=60, env={**os.environ, "SIGNET_DATA_DIR": house.data_dir})
    link = out.stdout.strip().split("=")[1]
    raw.post(house.port, CHAT, chat(), [keys.bearer(made)])
    write(house.port, "POST", SESSION, {"api_key": made})
    write(house.port, "POST", SESSION, {"user": "admin", "password": "canary wrong password"})
    session = admin.cookie.split("=")[1]
    secrets = [made, made.split("-")[3], cli.split("-")[3], session, link, admin.csrf, "canary wrong password", PASSWORD, *HASHES.values()]
    answers = [admin.get(p).body for p in (KEYS, "/internal/signet/sessions", "/internal/signet/audit", "/status", "/metrics")]
    time.sleep(0.5)
    files = [house.stderr().encode()]
    for folder, _, names in os.walk(house.data_dir):
        for name in names:
            with open(os.path.join(folder, name), "rb") as f:
                files.append(f.read())
    for secret in secrets:
        for text in [*answers, *files]:
            assert secret.encode() not in text
    # nor what stands for them in the store, in an answer
    db = sqlite3.connect(f"file:{house.data_dir}/signet.db?mode=ro", uri=True)
    stored = [r[0] for r in db.execute("SELECT hash FROM tensorzero_auth_api_key UNION ALL SELECT hash FROM Session UNION ALL SELECT proof FROM Session WHERE proof <> ''")]
    assert len(stored) > 4
    for value in stored:
        for text in answers:
            assert value.encode() not in text
