"""ui §7, line by line, where test_sign_in.py has not said it: every route of the tables by every caller, headers of every page and answer, what a proxy or a
page elsewhere can pretend, what reaches SQL. The tables of routes are read from the source: a new route is tested by standing there."""
import json
import os
import re
import signal
import sqlite3
import subprocess
import time

import pytest

from lib import keys, raw, record
from lib.mock import Mock
from lib.raw import CHAT, TZ, TZ_CHAT, chat
from lib.signet import Signet, binary, config, openai_model
from test_internal_logs import NASTY
from test_sign_in import KEYS, PASSWORD, SESSION, Browser, cookie_of, other_address, request, users_env, users_toml, write

API = os.path.join(os.path.dirname(__file__), "..", "..", "src", "api")
ROLES = ["none", "viewer", "editor", "admin"]
NONE = "01900000-0000-7000-8000-000000000000"
AUTH = "[gateway.auth]\nenabled = true\n"
POLICY = "default-src 'none'; frame-ancestors 'none'"


def tables():
    """(method, pattern, role or None) of every route there is."""
    found = []
    for name in sorted(os.listdir(API)):
        with open(os.path.join(API, name), encoding="utf-8") as f:
            text = f.read()
        found += [(m, p, r.lower()) for m, p, r in re.findall(r'\{\s*"([A-Z]+)",\s*"(/internal/[^"]*)",\s*ROLE_([A-Z]+),', text)]
        if name == "router.c":
            found += [(m, p, None) for m, p in re.findall(r'\{\s*"([A-Z]+)",\s*"(/[^"]*)",\s*(?:&|NULL)', text)]
    return found


def concrete(pattern):
    return re.sub(r"\{[a-z]+\}", NONE, pattern)


def ask(port, method, path, headers=(), body=b"{}", host="localhost", address="127.0.0.1"):
    """Status and headers alone: some routes answer with a stream that does not end."""
    lines = [f"{method} {path} HTTP/1.1", f"host: {host}", *[f"{k}: {v}" for k, v in headers]]
    if method not in ("GET", "HEAD"):
        lines += ["content-type: application/json", f"content-length: {len(body)}"]
    with raw.Client(port, host=address) as c:
        return c.send(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + (body if method not in ("GET", "HEAD") else b"")).read_head()


@pytest.fixture(scope="module")
def house():
    """Users of each role, keys of each role, keys asked for."""
    with Mock() as mock, Signet(users_toml(mock).replace("[gateway]\n", "[gateway]\n", 1) + AUTH, env=users_env(), args=["--workers", "2"]) as signet:
        signet.mock = mock
        signet.keys = {r: keys.create(signet.data_dir, "--role", r) for r in ROLES}
        raw.wait_for(lambda: raw.get(signet.port, KEYS, [keys.bearer(signet.keys["admin"])]).status == 200)
        raw.wait_for(lambda: raw.get(signet.port, "/v1/models", [keys.bearer(signet.keys["none"])]).status == 200)
        signet.browsers = {r: Browser(signet.port, {"user": r, "password": f"{r} {PASSWORD}"}) for r in ROLES[1:]}
        yield signet


def of_session(house, role):
    browser = house.browsers[role]
    return [*browser.headers(), ("x-signet-csrf", browser.csrf)]


def test_the_tables_are_found():
    found = tables()
    assert len(found) > 40 and ("POST", CHAT, None) in found and ("GET", "/internal/signet/keys", "admin") in found and ("GET", "/internal/models/count", "viewer") in found
    assert {r for _, _, r in found} == {None, "none", "viewer", "editor", "admin"}


OPEN = {"/health", "/status", "/api/hello", "/ui", "/ui/{id}"}  # to anybody


def test_every_route_by_every_caller(house):
    """Strangers, keys and sessions of each role: 401 and 403 exactly where the tables say so."""
    for method, pattern, needed in tables():
        path = concrete(pattern)
        ours = pattern.startswith("/internal/signet")
        if (method, pattern) == ("DELETE", SESSION) or needed == "none":
            continue  # ends the sessions of this test; anybody may sign in
        stranger = ask(house.port, method, path, [("x-signet-csrf", "1")]).status
        assert (stranger == 401) == (pattern not in OPEN), (method, pattern, stranger)
        bad = ask(house.port, method, path, [keys.bearer("sk-t0-" + "a" * 12 + "-" + "b" * 48), ("x-signet-csrf", "1")]).status
        assert (bad == 401) == (pattern not in OPEN), (method, pattern, bad)
        for role in ROLES:
            status = ask(house.port, method, path, [keys.bearer(house.keys[role])]).status
            enough = not ours or ROLES.index(role) >= ROLES.index(needed)
            assert (status not in (401, 403)) == enough, (method, pattern, "key", role, status)
            if role == "none":
                continue
            status = ask(house.port, method, path, of_session(house, role)).status
            least = needed or ("viewer" if method in ("GET", "HEAD") else "editor")
            if pattern.startswith("/internal/") and not ours:  # TensorZero's: both doors are on the way
                least = max(least, "viewer" if method in ("GET", "HEAD") else "editor", key=ROLES.index)
            enough = pattern in OPEN or ROLES.index(role) >= ROLES.index(least)
            assert (status not in (401, 403)) == enough, (method, pattern, "session", role, status)


def test_no_session_goes_anywhere_without_its_token(house):
    for method, pattern, needed in tables():
        if method in ("GET", "HEAD") or needed == "none":
            continue
        got = ask(house.port, method, concrete(pattern), house.browsers["admin"].headers())
        assert got.status == 403, (method, pattern, got.status)
        got = ask(house.port, method, concrete(pattern), [*house.browsers["admin"].headers(), ("x-signet-csrf", house.browsers["editor"].csrf)])
        assert got.status == 403, (method, pattern, got.status)


@pytest.mark.parametrize("header", [("origin", "https://evil.example"), ("origin", "null"), ("sec-fetch-site", "cross-site"), ("sec-fetch-site", "same-site")])
def test_a_page_elsewhere_reaches_nothing_with_a_session(house, header):
    """A browser would send the cookie with neither, but it is not believed to."""
    for method, pattern, needed in tables():
        if pattern in OPEN and header[0] == "sec-fetch-site" or pattern.startswith("/ui"):
            continue
        got = ask(house.port, method, concrete(pattern), [*of_session(house, "admin"), header])
        assert got.status == 403, (method, pattern, got.status)
        assert "access-control-allow-origin" not in got.headers


@pytest.mark.parametrize("header", [("x-signet-remote", "1"), ("x-signet-remote", ""), ("X-Signet-Remote", "0")])
def test_what_came_through_signet_ui_from_elsewhere_needs_a_session_everywhere(house, header):
    for method, pattern, needed in tables():
        if pattern in OPEN or needed == "none":
            continue
        got = ask(house.port, method, concrete(pattern), [keys.bearer(house.keys["admin"]), header])
        assert got.status == 401 or got.status == 403 and method != "GET", (method, pattern, got.status)


# ---- who sits at the machine -------------------------------------------------------------------

@pytest.fixture(scope="module")
def open_house():
    """Nothing configured: who sits here is admin."""
    with Mock() as mock, Signet(config(openai_model("m", mock.url), record=True).replace("127.0.0.1:0", "0.0.0.0:0")) as signet:
        signet.mock = mock
        yield signet


FORGED = [[("x-forwarded-for", "127.0.0.1")], [("x-forwarded-host", "localhost")], [("x-forwarded-anything", "")], [("forwarded", "for=127.0.0.1")], [("via", "1.0 localhost")],
          [("x-real-ip", "127.0.0.1")], [("x-signet-remote", "0")]]


def test_no_forged_header_makes_local_and_each_unmakes_it(open_house):
    address = other_address()
    for forged in FORGED:
        for method, pattern, needed in tables():
            if needed in (None, "none"):
                continue
            assert ask(open_house.port, method, concrete(pattern), [("x-signet-csrf", "1"), *forged]).status == 401, (pattern, forged)
        if address and not address.startswith("127."):
            for host in ("localhost", "127.0.0.1", address):
                assert ask(open_house.port, "GET", KEYS, forged, host=host, address=address).status == 401


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "localhost:80@evil.example", "[::1].evil.example", "0.0.0.0", "127.0.0.2", ""])
def test_a_bent_name_reaches_no_route_of_the_pages(open_house, host):
    csrf, seen = request(open_house.port, "GET", SESSION).json["csrf"], len(open_house.mock.requests)
    for method, pattern, needed in tables():
        if needed in (None, "none"):
            continue
        got = ask(open_house.port, method, concrete(pattern), [("x-signet-csrf", csrf), ("origin", f"http://{host}"), ("sec-fetch-site", "same-origin")], host=host)
        assert got.status in (401, 403), (method, pattern, got.status)
    for path in (CHAT, TZ_CHAT, "/v1/completions"):
        got = ask(open_house.port, "POST", path, [("origin", f"http://{host}")], json.dumps(chat()).encode(), host)
        assert got.status == 403 or host == "127.0.0.2"  # an origin of this machine, though no name of it
    assert len(open_house.mock.requests) == seen or host == "127.0.0.2"


def test_each_condition_of_local_alone_ends_it():
    """auto: the peer, Host, headers (above); a user, a key that is asked for, a mode."""
    with Mock() as mock:
        plain = openai_model("m", mock.url)
        for toml, env in ((config(plain, AUTH, record=True), {}), (config(plain, record=True), {"SIGNET_UI_PASSWORD": PASSWORD}), (users_toml(mock), users_env()),
                          (config(plain, record=True), {"SIGNET_UI_AUTH": "required"})):
            with Signet(toml, env=env) as signet:
                assert request(signet.port, "GET", KEYS).status == 401 and request(signet.port, "GET", SESSION).status == 401


# ---- headers of pages and answers --------------------------------------------------------------

PAGES = ["", "/", "/logs", "/logs/x", "/inferences/x", "/models", "/playground", "/keys", "/signers", "/settings", "/login", "/nowhere", "/%00", "/..%2f..%2fetc/passwd", "/<script>"]


def test_every_page_has_its_policy_and_no_answer_is_framed_or_kept(house):
    nonces = set()
    for page in PAGES:
        got = request(house.port, "GET", "/ui" + page)
        assert got.status == 200, page
        policy = dict(d.strip().split(" ", 1) for d in got.headers["content-security-policy"].split(";"))
        nonce = re.fullmatch(r"'self' 'nonce-([0-9a-f]{32}|none)'", policy.pop("style-src")).group(1)
        assert policy == {"default-src": "'none'", "script-src": "'self'", "img-src": "'self' data: blob:", "connect-src": "'self'", "worker-src": "'self'", "form-action": "'self'",
                          "base-uri": "'self'", "frame-ancestors": "'none'"}, page
        assert nonce == "none" or (nonce in got.text and nonce not in nonces)
        nonces.add(nonce)
        assert got.headers["cache-control"] == "no-store" and got.headers["x-content-type-options"] == "nosniff" and got.headers["referrer-policy"] == "no-referrer"
        assert got.headers["cross-origin-opener-policy"] == got.headers["cross-origin-resource-policy"] == "same-origin"
        assert "<script>" not in page or page not in got.text
    assert request(house.port, "GET", "/ui/assets/nothing.js").status == 404


def test_files_with_a_hash_are_kept_and_are_files():
    with Mock() as mock, Signet(config(openai_model("m", mock.url))) as signet:
        page = request(signet.port, "GET", "/ui").text
        if "left out of this build" in page:
            pytest.skip("no web application in this binary")
        files = re.findall(r'(?:src|href)="(?:/ui/|\./)?(assets/[^"]+)"', page)
        assert files
        for name in files:
            got = request(signet.port, "GET", "/ui/" + name)
            assert got.status == 200 and got.headers["cache-control"] == "public, max-age=31536000, immutable", name
            assert got.headers["x-content-type-options"] == "nosniff" and got.headers["cross-origin-resource-policy"] == "same-origin"
            assert got.headers["content-type"].split(";")[0] in ("text/javascript", "text/css", "image/svg+xml")


def test_every_answer_of_the_pages_routes_is_neither_kept_nor_framed_nor_sniffed(house):
    """Refused and served ones."""
    for method, pattern, needed in tables():
        if needed is None or (method, pattern) == ("DELETE", SESSION):
            continue
        for headers in ([], of_session(house, "admin"), [("origin", "https://evil.example")]):
            got = ask(house.port, method, concrete(pattern), headers)
            if got.status == 401 and not pattern.startswith("/internal/signet"):
                continue  # at TensorZero's door, in its shape
            if not pattern.startswith("/internal/signet") and got.status == 403:
                continue
            assert got.headers.get("cache-control") == "no-store", (method, pattern, got.status)
            assert got.headers.get("x-content-type-options") == "nosniff", (method, pattern, got.status)
            assert got.headers.get("content-security-policy") == POLICY, (method, pattern, got.status)
            assert got.headers.get("referrer-policy") == "no-referrer" and got.headers.get("cross-origin-resource-policy") == "same-origin"
            assert not [h for h in got.headers if h.startswith("access-control")]


def test_before_a_login_nothing_is_told(house):
    """No version, name or datum: not by a page, a refusal, a redirect."""
    version = json.loads(request(house.port, "GET", SESSION, house.browsers["viewer"].headers()).body)["version"]
    for method, pattern, needed in tables():
        if needed is None and pattern not in ("/ui",):
            continue
        got = request(house.port, method, concrete(pattern), [("x-signet-csrf", "1"), ("content-type", "application/json")], {} if method != "GET" else None)
        for word in (f'"{version}"', "mock-model", house.data_dir, "viewer " + PASSWORD, '"m"'):
            assert word not in got.text, (method, pattern, word)


# ---- cookies and sessions ----------------------------------------------------------------------

def test_cookies_of_both_names_are_looked_at_and_neither_is_made_of_what_was_sent(house):
    good = house.browsers["viewer"].cookie
    value = good.split("=")[1]
    for cookie in (good, f"__Host-signet_session={value}", f"a=b; {good}; c=d", f"{good}; x={'y' * 1000}"):
        assert request(house.port, "GET", SESSION, [("cookie", cookie)]).status == 200, cookie
    for cookie in (f"signet_session={value[:-1]}", f"signet_session={value}x", "signet_session=", f"Signet_Session={value}", f"xsignet_session={value}", f"signet_session=%00{value}",
                   "signet_session=' OR 1=1 --", f"signet_session={value.upper() if value.upper() != value else value[::-1]}", "signet_session=" + "f" * 5000):
        assert request(house.port, "GET", SESSION, [("cookie", cookie)]).status == 401, cookie


@pytest.mark.parametrize("way", ["password", "key", "link"])
def test_no_sign_in_takes_the_session_that_was_there(house, way):
    """Fixation: whoever planted a cookie learns nothing by it."""
    link = subprocess.run([binary(), "ui", "link"], capture_output=True, text=True, timeout=60, env={**os.environ, "SIGNET_DATA_DIR": house.data_dir}).stdout.strip().split("=")[1]
    body = {"password": {"user": "viewer", "password": f"viewer {PASSWORD}"}, "key": {"api_key": house.keys["viewer"]}, "link": {"link": link}}[way]
    for planted in ("signet_session=" + "e" * 64, "__Host-signet_session=" + "e" * 64):
        if way == "link" and planted.startswith("__Host"):
            continue  # it is good once
        got = write(house.port, "POST", SESSION, body, headers=[("cookie", planted)])
        assert got.status == 204 and "e" * 64 not in got.headers["set-cookie"]
        assert request(house.port, "GET", SESSION, [("cookie", planted)]).status == 401
        attributes = [a.strip() for a in got.headers["set-cookie"].split(";")[1:]]
        assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(attributes) and not [a for a in attributes if a.startswith("Domain")]


def test_a_session_of_one_role_becomes_no_other(house):
    viewer = Browser(house.port, {"user": "viewer", "password": f"viewer {PASSWORD}"})
    for body in ({"user": "viewer", "password": f"viewer {PASSWORD}", "role": "admin"}, {"user": "viewer", "password": f"viewer {PASSWORD}", "user\u0000": "admin"}):
        got = write(house.port, "POST", SESSION, body)
        if got.status == 204:
            assert request(house.port, "GET", SESSION, [("cookie", cookie_of(got))]).json["role"] == "viewer"
    assert viewer.write("POST", KEYS, {"role": "admin"}).status == 403
    assert viewer.write("DELETE", "/internal/signet/sessions/" + NONE).status == 403


def test_a_lockout_is_of_user_and_address_and_no_header_lifts_it():
    with Mock() as mock, Signet(users_toml(mock), env=users_env()) as signet:
        wrong = {"user": "admin", "password": "wrong"}
        for _ in range(5):
            assert write(signet.port, "POST", SESSION, wrong).status == 401
        got = write(signet.port, "POST", SESSION, wrong)
        assert got.status in (401, 429)
        # neither the right password, another way of writing the address, nor a forged header
        for headers in ([], [("x-forwarded-for", "10.1.2.3")], [("x-real-ip", "10.1.2.3")], [("forwarded", "for=10.1.2.3")], [("cookie", "signet_session=" + "a" * 64)]):
            got = write(signet.port, "POST", SESSION, {"user": "admin", "password": f"admin {PASSWORD}"}, headers=headers)
            assert got.status == 429 and 1 <= int(got.headers["retry-after"]) <= 300, headers
        # another user is not locked out with it
        assert write(signet.port, "POST", SESSION, {"user": "viewer", "password": f"viewer {PASSWORD}"}).status == 204


def test_a_link_is_in_no_url_and_over_after_15_minutes(house):
    made = subprocess.run([binary(), "ui", "link"], capture_output=True, text=True, timeout=60, env={**os.environ, "SIGNET_DATA_DIR": house.data_dir}).stdout.strip()
    secret = re.fullmatch(r"http://localhost:\d+/ui/login#link=([0-9a-f]{32})", made).group(1)  # 128 bits, behind the #
    db = sqlite3.connect(f"{house.data_dir}/signet.db", timeout=10)
    tables_ = {n: [c[1] for c in db.execute(f"pragma table_info({n})")] for (n,) in db.execute("select name from sqlite_master where type = 'table'")}
    (name,) = [n for n in tables_ if "link" in n.lower()]
    times = [c for c in tables_[name] if c.endswith("_at") or c.endswith("_ms") or "time" in c or "expires" in c]
    assert times, tables_[name]
    for column in times:
        db.execute(f"update {name} set {column} = {column} - 16 * 60000")
    db.commit()
    db.close()
    time.sleep(1)
    assert write(house.port, "POST", SESSION, {"link": secret}).status == 401


# ---- what reaches SQL --------------------------------------------------------------------------

def encoded(text):
    from urllib.parse import quote
    return quote(text, safe="")


def test_every_string_of_every_path_is_only_a_value(house):
    """Unknown ids of every kind, in every place of every path: an answer in words, never a 500, and every row stays."""
    admin = house.browsers["admin"]
    before = len(admin.get(KEYS).json["keys"])
    for method, pattern, needed in tables():
        if "{" not in pattern or pattern.startswith("/ui"):
            continue
        for text in [*NASTY, NONE, "..", ".", "%", "a/b", "0", "-1", "9" * 40]:
            if not text or len(text) > 1000:
                continue
            path = re.sub(r"\{[a-z]+\}", lambda _: encoded(text), pattern)
            got = ask(house.port, method, path, of_session(house, "admin"))
            assert got.status in (200, 204, 400, 404, 405, 409, 503) and got.status != 500, (method, pattern, text, got.status)
            if method in ("DELETE", "PATCH"):
                assert got.status != 204, (method, pattern, text)
    assert len(admin.get(KEYS).json["keys"]) == before
    assert admin.get(SESSION).status == 200


def test_every_string_of_every_body_is_only_a_value(house):
    admin = house.browsers["admin"]
    for text in NASTY:
        made = admin.write("POST", KEYS, {"description": text})
        assert made.status in (201, 400), (text, made.text)
        if made.status == 201:
            row = [k for k in admin.get(KEYS).json["keys"] if k["public_id"] == made.json["public_id"]][0]
            assert row["description"] == text
        for body in ({"user": text, "password": "x"}, {"api_key": text}, {"link": text}):
            assert write(house.port, "POST", SESSION, body).status in (400, 401, 429)
        got = admin.write("POST", "/internal/inferences/count", {"function_name": text, "variant_name": text, "episode_id": NONE})
        assert got.status in (200, 400, 404), got.text
        assert admin.write("POST", f"/internal/signet/models/m/providers/p/test", {"prompt": text, "max_tokens": 1}).status in (200, 400)
    for path in ("/internal/models/usage", "/internal/models/latency", "/internal/inference_metadata", "/internal/signet/audit"):
        for text in NASTY:
            for name in ("time_window", "max_periods", "before", "after", "limit", "cursor", "function_name"):
                got = admin.get(f"{path}?{name}={encoded(text)}")
                assert got.status in (200, 400), (path, name, text, got.text)
    db = sqlite3.connect(f"file:{house.data_dir}/signet.db?mode=ro", uri=True)
    assert db.execute("pragma integrity_check").fetchone() == ("ok",)
    assert db.execute("select count(*) from sqlite_master where name in ('InferenceById', 'tensorzero_auth_api_key', 'Session')").fetchone() == (3,)


def test_strings_of_requests_are_only_values(house):
    """Model, tags, user, episode and what a client says of itself, into the rows and out again."""
    bearer = keys.bearer(house.keys["none"])
    for text in NASTY:
        for body in (chat("m", text, user=text[:64] or "u", metadata={"k": text[:512]}), chat(text or "x"), chat(**{"tensorzero::tags": {text[:100]: text}}),
                     chat(**{"tensorzero::episode_id": text}), chat(tools=[{"type": "function", "function": {"name": text, "parameters": {}}}])):
            got = raw.post(house.port, CHAT, body, [bearer])
            assert got.status in (200, 400, 404), (text, got.text)
    last = raw.post(house.port, CHAT, chat(), [bearer])
    record.wait_row(house.data_dir, last.headers["x-signet-inference-id"], 20)
    got = house.browsers["viewer"].get("/internal/signet/logs?limit=1000")
    assert got.status == 200 and len(got.json["rows"]) > 20


@pytest.mark.parametrize("path", ["/internal/signet/logs", "/internal/signet/audit"])
def test_limits_over_the_maximum_and_foreign_cursors(house, path):
    admin = house.browsers["admin"]
    for query in ("limit=0", "limit=1001", "limit=-1", "limit=1e3", "limit=99999999999999999999", "limit=%00", "cursor=x", "cursor=%27", "cursor=-1", "cursor=%00",
                  "cursor=" + "9" * 40):
        assert admin.get(f"{path}?{query}").status == 400, query
    assert admin.get(f"{path}?limit=1000").status == 200
    if path.endswith("logs"):  # any id is a cursor, one that nobody has too
        assert admin.get(f"{path}?cursor={NONE}").json["rows"] == []


# ---- signet ui ---------------------------------------------------------------------------------

class Ui:
    """The process of its own, before a gateway."""

    def __init__(self, gateway, tmp, env=()):
        self.log = open(os.path.join(tmp, "ui.log"), "w+")
        self.process = subprocess.Popen([binary(), "ui", "--gateway-url", f"http://127.0.0.1:{gateway.port}", "--bind-address", "0.0.0.0:0"], stderr=self.log, stdin=subprocess.DEVNULL,
                                        env={**{k: v for k, v in os.environ.items() if not k.startswith(("SIGNET_UI", "TENSORZERO"))}, **dict(env)})
        self.port = int(raw.wait_for(self.at, 20).group(1))

    def at(self):
        with open(self.log.name) as f:
            return re.search(r"the web UI is at http://[^:]+:(\d+)", f.read())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(20) == 0
        self.log.close()


def test_no_page_elsewhere_spends_anything_by_way_of_signet_ui(open_house, tmp_path):
    """gateway.auth is off: whoever reaches the gateway itself may call models, but a bent name that reaches the UI may not."""
    with Ui(open_house, tmp_path) as ui:
        body = json.dumps(chat()).encode()
        local = ask(ui.port, "POST", CHAT, [("origin", f"http://localhost:{ui.port}")], body, f"localhost:{ui.port}")
        assert local.status == 200
        seen = len(open_house.mock.requests)
        for host, headers in (("evil.example", [("origin", "http://evil.example")]), (f"evil.example:{ui.port}", [("origin", f"http://evil.example:{ui.port}")]), ("evil.example", []),
                              ("localhost", [("x-forwarded-for", "1.2.3.4")]), ("localhost", [("x-signet-remote", "1"), ("forwarded", "for=1.2.3.4")])):
            for path in (CHAT, "/internal/signet/keys", "/internal/signet/models/m/providers/p/test"):
                got = ask(ui.port, "POST", path, [("x-signet-csrf", "1"), *headers], body, host)
                assert got.status in (401, 403), (host, headers, path, got.status)
            for path in ("/internal/signet/logs", "/internal/signet/keys", "/internal/models/count"):
                assert ask(ui.port, "GET", path, headers, host=host).status in (401, 403), (host, headers, path)
        got = ask(ui.port, "POST", CHAT, [("origin", "https://evil.example")], body, f"localhost:{ui.port}")
        assert got.status == 403
        assert len(open_house.mock.requests) == seen
        address = other_address()
        if address and not address.startswith("127."):
            assert ask(ui.port, "POST", CHAT, [], body, "localhost", address).status == 401
            assert ask(ui.port, "GET", "/internal/signet/logs", [], host="localhost", address=address).status == 401


def test_read_only_lets_nobody_change_anything(open_house, tmp_path):
    with Ui(open_house, tmp_path, {"TENSORZERO_UI_READ_ONLY": "1"}) as ui:
        for method, pattern, needed in tables():
            if method in ("GET", "HEAD") or pattern == SESSION:
                continue
            got = ask(ui.port, method, concrete(pattern), [("x-signet-csrf", "1")])
            assert got.status in (403, 405), (method, pattern, got.status)
        assert ask(ui.port, "GET", "/internal/signet/logs").status == 200
        assert ask(ui.port, "GET", "/internal/signet/keys").status == 403
