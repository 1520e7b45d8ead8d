"""Canaries in every credential (12, Done when 5): the gateway is driven by every route, page and command that there is, and no canary is in any answer, page, log,
export, database row, metric or error; in no encoding."""
import base64
import json
import os
import re
import stat
import subprocess
import time
import urllib.parse

import pytest
from lib import keys, raw, record
from lib.mock import Mock, error, sse, text_chunks
from lib.raw import CHAT, TZ, TZ_CHAT, chat
from lib.signet import Signet, binary, config
from signing_lib import DeveloperApi, build_sample

API = os.path.join(os.path.dirname(__file__), "..", "..", "..", "src", "api")
SESSION = "/internal/signet/session"


def canary(name):
    """Long enough that nothing has it by chance, and that its middle is looked for too."""
    return f"canary{len(name)}{name}{abs(hash(name)) % 10**9:09d}q7Zx{name[::-1]}end"


ENV = {"PROVIDER_KEY": canary("providerkey"), "OPENAI_API_KEY": canary("defaultkey"), "SID": canary("sid"), "DEVICE_ID": canary("device"), "SIGNET_UI_PASSWORD": canary("uipassword"),
       "FALLBACK_KEY": canary("fallbackkey")}
DATABASE = {"TENSORZERO_CLICKHOUSE_URL": canary("clickhouse"), "TENSORZERO_POSTGRES_URL": canary("postgres"), "TENSORZERO_VALKEY_URL": canary("valkey")}
PASTED_KEY, PASTED_SID, PASTED_DEVICE, PASTED_HEADER, USER_PASSWORD = canary("pastedkey"), canary("pastedsid"), canary("pasteddevice"), canary("pastedheader"), canary("userpassword")
PROXY, CLIENT, DYNAMIC, WRONG, BASIC = canary("proxy"), canary("client"), canary("dynamic"), canary("wrong"), canary("basic")


def toml(mock, api, sample, hash_file):
    def openai(name, url, location, more=""):
        return f'[models.{name}]\nrouting = ["p"]\n[models.{name}.providers.p]\ntype = "openai"\nmodel_name = "x"\napi_base = "{url}/v1/"\napi_key_location = {location}\n{more}\n'

    def rust(name, endpoint, more):
        return (f'[models.{name}]\nrouting = ["p"]\n[models.{name}.providers.p]\ntype = "rust-proxy"\nmodel_name = "claude-3.5-sonnet"\napi_endpoint = "{endpoint}"\n'
                f'models_endpoint = "{endpoint.replace("/stream/chat", "/models")}"\nsigner = {{ path = "{sample}" }}\n{more}\n')
    return config(
        openai("env", mock.url, '"env::PROVIDER_KEY"') + openai("own", mock.url, '"dynamic::client_authorization"')
        + openai("named", mock.url, '"dynamic::named"') + openai("fallback", mock.url, '{ default = "dynamic::named", fallback = "env::FALLBACK_KEY" }')
        + openai("headed", mock.url, '"none"', f'extra_headers = [{{ name = "x-api-key", value = "{PASTED_HEADER}" }}]')
        + openai("down", "http://127.0.0.1:1", '"env::PROVIDER_KEY"') + openai("proxied", "https://upstream.invalid", '"env::PROVIDER_KEY"')
        + rust("signed", api, 'device_id_location = "env::DEVICE_ID"\nsession_id_location = "env::SID"\n') + rust("pasted", api, f'device_id = "{PASTED_DEVICE}"\nsession_id = "{PASTED_SID}"\n')
        + rust("broken", "http://127.0.0.1:1/stream/chat", f'device_id = "{PASTED_DEVICE}"\nsession_id = "{PASTED_SID}"\n'),
        "[gateway.auth]\nenabled = true\n", '[server]\naccess_log = true\n[store]\nalso = ["sqlite"]\n[gateway.observability]\nbackend = "clickhouse"\n'
        '[ui.users.alice]\npassword_hash_location = "path::' + hash_file + '"\nrole = "editor"\n', True)


class Net:
    """What has come out of the gateway, and what must not."""

    def __init__(self):
        self.secrets, self.caught = {}, {}

    def keep_out(self, name, secret):
        self.secrets[name] = secret

    def catch(self, name, data):
        self.caught[name] = self.caught.get(name, b"") + (data if isinstance(data, bytes) else data.encode())

    def forms(self, secret):
        plain = secret.encode()
        yield plain
        yield plain[8:-8] if len(plain) > 30 else plain  # all but its ends
        yield plain.hex().encode()
        yield urllib.parse.quote(secret, safe="").encode()
        for shift in range(3):  # base64 wherever it begins
            text = base64.b64encode(b"\0" * shift + plain)
            yield text[4 if shift else 0:-4]

    def holes(self):
        return [(name, where) for name, secret in self.secrets.items() for form in self.forms(secret) for where, data in self.caught.items() if form in data]


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = str(tmp_path_factory.mktemp("canaries"))
    sample = build_sample(folder)
    hashed = subprocess.run([binary(), "ui", "hash-password"], input=USER_PASSWORD + "\n", capture_output=True, text=True, timeout=60).stdout.strip()
    hash_file = os.path.join(folder, "alice.hash")
    with open(hash_file, "w") as f:
        f.write(hashed + "\n")
    os.chmod(hash_file, stat.S_IRUSR | stat.S_IWUSR)
    env = {**ENV, **{k: f"{'http' if 'CLICK' in k else k.split('_')[1].lower()}://user:{v}@127.0.0.1:1/db" for k, v in DATABASE.items()}, 
           "HTTPS_PROXY": f"http://user:{PROXY}@127.0.0.1:1", "NO_PROXY": "127.0.0.1", "SIGNET_LOG": "debug"}
    net = Net()
    for name, value in {**ENV, **DATABASE, "pasted key": PASTED_KEY, "pasted sid": PASTED_SID, "pasted device": PASTED_DEVICE, "pasted header": PASTED_HEADER, "password": USER_PASSWORD,
                        "hash": hashed, "proxy": PROXY, "client": CLIENT, "dynamic": DYNAMIC, "wrong": WRONG, "basic": BASIC}.items():
        net.keep_out(name, value)
    with Mock() as mock, DeveloperApi() as api:
        with Signet(toml(mock, api.endpoint, sample, hash_file), env=env) as signet:
            signet.mock, signet.net, signet.env_, signet.sample = mock, net, env, sample
            signet.admin = keys.create(signet.data_dir, "--role", "admin", "--description", "admin")
            signet.plain = keys.create(signet.data_dir)
            for name, key in (("admin key", signet.admin), ("plain key", signet.plain)):
                net.keep_out(name, key)
                net.keep_out(name + ", its secret", key.split("-")[3])
            raw.wait_for(lambda: raw.get(signet.port, "/v1/models", [keys.bearer(signet.plain)]).status == 200)
            yield signet


def through(world, method, path, headers=(), body=None, seconds=3):
    """One request; all that comes is caught. Some answers are streams that do not end."""
    data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    lines = [f"{method} {path} HTTP/1.1", "host: localhost", "connection: close", *[f"{k}: {v}" for k, v in headers]]
    if method not in ("GET", "HEAD"):
        lines += ["content-type: application/json", f"content-length: {len(data)}"]
    got = b""
    with raw.Client(world.port, seconds) as c:
        c.send(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + data)
        try:
            while True:
                piece = c.sock.recv(1 << 20)
                if not piece:
                    break
                got += piece
        except TimeoutError:
            pass
    assert got.startswith(b"HTTP/1.1 "), (method, path)
    cookies = re.findall(rb"(?i)set-cookie: (?:__Host-)?signet_session=([0-9a-f]{64})", got)
    caught = re.sub(rb"(?i)(set-cookie: (?:__Host-)?signet_session=)[0-9a-f]{64}", rb"\1", got)
    world.net.catch(f"{method} {path.split('?')[0]}", caught)
    return int(got[9:12]), got.split(b"\r\n\r\n", 1)[1], [c.decode() for c in cookies]


def ask(world, model, more=(), key=None, path=CHAT, **fields):
    prefix = TZ if path == TZ_CHAT else ""
    status, body, _ = through(world, "POST", path, [keys.bearer(key or world.plain) if key != "" else ("x-none", "1"), *more], chat(prefix + model, "say it", **fields), 15)
    return status, body


def drive_models(world):
    """Good answers, streams, errors, refusals; with each way in which a credential gets to an upstream."""
    net, mock = world.net, world.mock
    for path in (CHAT, TZ_CHAT):
        for model in ("env", "headed", "signed", "pasted"):
            assert ask(world, model, path=path)[0] == 200, model
        mock.then(sse(text_chunks("s")))
        assert ask(world, "env", path=path, stream=True)[0] == 200
        assert ask(world, "signed", path=path, stream=True)[0] == 200
        for status in (400, 401, 403, 429, 500):
            mock.then(error(status))
            assert ask(world, "env", path=path)[0] >= 400
        for model in ("down", "proxied", "broken"):
            assert ask(world, model, path=path)[0] >= 500, model
        # the client's own: beside this gateway's key, and named ones in the body
        assert ask(world, "own", [("x-signet-api-key", world.plain)], key=CLIENT, path=path)[0] == 200
        for model in ("named", "fallback"):
            assert ask(world, model, path=path, **{"tensorzero::credentials": {"named": DYNAMIC}})[0] == 200
        mock.then(error(401))
        assert ask(world, "named", path=path, **{"tensorzero::credentials": {"named": DYNAMIC}})[0] >= 400
        assert ask(world, "named", path=path)[0] >= 400  # it is missing
        assert ask(world, "fallback", path=path)[0] == 200
        # a body that is wrong at, or behind, the credential
        for body in (json.dumps(chat("named", **{"tensorzero::credentials": {"named": DYNAMIC}})).encode()[:-1], json.dumps(chat("named", **{"tensorzero::credentials": DYNAMIC})).encode(),
                     json.dumps(chat("named", **{"tensorzero::credentials": {"named": [DYNAMIC]}})).encode(), json.dumps(chat("nobody", **{"tensorzero::credentials": {"named": DYNAMIC}})).encode()):
            assert through(world, "POST", path, [keys.bearer(world.plain)], body)[0] >= 400
        # keys that are none
        for headers in ([keys.bearer(f"sk-t0-{'a' * 12}-{WRONG[:48]:x<48}")], [("authorization", "Basic " + BASIC)], [("x-api-key", WRONG)], [("api-key", WRONG)], [("x-signet-api-key", WRONG)],
                        [("authorization", "Bearer " + WRONG + "\xff")], [("cookie", "signet_session=" + WRONG)], [("proxy-authorization", "Basic " + BASIC)]):
            assert through(world, "POST", path, headers, chat("env"))[0] == 401
        assert through(world, "POST", path, [keys.bearer(world.plain), ("origin", "https://evil.example")], chat("env"))[0] == 403
    net.keep_out("wrong, cut", WRONG[:48])
    for call in mock.requests:  # it got them: the canaries are where they belong
        seen = json.dumps(call.headers)
        world.seen = getattr(world, "seen", "") + seen
    for name in (ENV["PROVIDER_KEY"], PASTED_HEADER, CLIENT, DYNAMIC, ENV["FALLBACK_KEY"]):
        assert name in world.seen
    assert world.admin not in world.seen and world.plain not in world.seen


def drive_sign_in(world):
    net = world.net
    csrf = [("x-signet-csrf", "1")]
    out = subprocess.run([binary(), "ui", "link"], capture_output=True, text=True, timeout=60, env={**os.environ, "SIGNET_DATA_DIR": world.data_dir}).stdout
    link = out.strip().split("=")[1]
    net.keep_out("link", link)
    cookies = []
    for body in ({"user": "alice", "password": USER_PASSWORD}, {"user": "admin", "password": ENV["SIGNET_UI_PASSWORD"]}, {"api_key": world.admin}, {"link": link}):
        status, _, made = through(world, "POST", SESSION, csrf, body, 15)
        assert status == 204 and len(made) == 1, body
        cookies += made
        net.keep_out(f"session {len(cookies)}", made[0])
    for body in ({"user": "alice", "password": WRONG}, {"user": WRONG, "password": WRONG}, {"api_key": WRONG}, {"link": WRONG}, {"password": [WRONG]}, {"api_key": world.plain}):
        assert through(world, "POST", SESSION, csrf, body, 15)[0] >= 400
    return cookies


def tables():
    found = []
    for name in sorted(os.listdir(API)):
        with open(os.path.join(API, name), encoding="utf-8") as f:
            text = f.read()
        found += re.findall(r'\{\s*"([A-Z]+)",\s*"(/internal/[^"]*)",\s*ROLE_', text)
        if name == "router.c":
            found += re.findall(r'\{\s*"([A-Z]+)",\s*"(/[^"]*)",\s*(?:&|NULL)', text)
    return found


QUERIES = {"/internal/signet/logs/facets": "?dim=model&dim=error_kind&dim=tag", "/internal/signet/logs/export": "?parts=1", "/internal/signet/logs": "?limit=1000",
           "/internal/signet/overview": "?by=model", "/internal/signet/audit": "?limit=1000", "/internal/models/usage": "?time_window=day&max_periods=2"}


def drive_routes(world, cookie):
    """Every route of the tables, with ids that are there, as admin by session and by key, and as a stranger."""
    session = [("cookie", "signet_session=" + cookie)]
    csrf = json.loads(through(world, "GET", SESSION, session)[1])["csrf"]
    rows = record.listed(world.data_dir)
    calls = record.rows(world.data_dir, "select id, inference_id from ModelInference")
    parts = {"part": ["input", "output", "raw_request", "raw_response", "chunks"]}
    for method, pattern in tables():
        if (method, pattern) in (("DELETE", SESSION), ("POST", CHAT), ("POST", TZ_CHAT)):
            continue
        values = {"id": [r["id"] for r in rows] if "inference" in pattern or "resolve" in pattern else ["models.signed.providers.p"] if "signers" in pattern else [keys.public_id(world.plain)],
                  "m": ["env", "signed", "pasted", "broken"], "p": ["p"], **parts}
        if "/model_inferences/{id}/parts" in pattern:
            values["id"] = [c["id"] for c in calls]
        if "/ui/{id}" == pattern:
            values["id"] = ["logs", "settings", "login", "assets/x.js"]
        paths = [pattern]
        for name in re.findall(r"\{([a-z]+)\}", pattern):
            paths = [p.replace("{" + name + "}", v) for p in paths for v in values[name]]
        body = {"content": "x"} if "signers" in pattern else {"description": "made here"} if pattern.endswith("/keys") else {}
        for path in paths:
            path += QUERIES.get(pattern, "")
            live = pattern.endswith("/live")
            status, answer, _ = through(world, method, path, [*session, ("x-signet-csrf", csrf)], body, 1 if live else 20)
            assert status < 500 or "discover" in path, (method, path, status, answer)
            if method == "POST" and ("keys" in pattern):
                made = json.loads(answer).get("key")
                world.net.keep_out("made " + path, made)
                name = f"{method} {path}"
                world.net.caught[name] = world.net.caught[name].replace(made.encode(), b"")  # said once, there
            if method == "GET":
                through(world, method, path, [keys.bearer(world.admin)], None, 0.5 if live else 20)
                through(world, method, path, [])


def drive_config_check(world, cookie):
    """With a file that is broken around its secrets."""
    session = [("cookie", "signet_session=" + cookie)]
    csrf = json.loads(through(world, "GET", SESSION, session)[1])["csrf"]
    text = open(world.toml_path).read()
    for broken in (text.replace(f'device_id = "{PASTED_DEVICE}"', f'device_id = "{PASTED_DEVICE}"\nsession_ids = "x"'), text.replace('type = "rust-proxy"', 'type = "rust-prox"'),
                   text.replace('api_key_location = "env::PROVIDER_KEY"', f'api_key_location = "{PASTED_KEY}"'), text.replace('role = "editor"', 'role = "boss"'), text + "[server]\ndrain_s = 3\n"):
        with open(world.toml_path, "w") as f:
            f.write(broken)
        assert through(world, "POST", "/internal/signet/config/check", [*session, ("x-signet-csrf", csrf)], {}, 30)[0] == 200
        for args in (["check", world.toml_path], ["check", "--json", world.toml_path]):
            command(world, args, {0, 1})
    with open(world.toml_path, "w") as f:
        f.write(text)


def command(world, args, statuses=(0,), seconds=60):
    env = {**{k: v for k, v in os.environ.items() if not k.startswith(("SIGNET_", "TENSORZERO_"))}, **world.env_, "SIGNET_DATA_DIR": world.data_dir,
           "ASAN_OPTIONS": "detect_leaks=1:exitcode=99:abort_on_error=0"}
    done = subprocess.run([binary(), *args], capture_output=True, timeout=seconds, env=env, stdin=subprocess.DEVNULL)
    assert done.returncode in statuses, (args, done.returncode, done.stderr[-2000:])
    world.net.catch("signet " + " ".join(args[:2]), done.stdout + done.stderr)
    return done.stdout.decode("utf-8", "replace")


def drive_commands(world):
    ids = [r["id"] for r in record.listed(world.data_dir)]
    for id in ids:
        for more in ([], ["--raw"], ["--json"], ["--raw", "--json"]):
            command(world, ["log", "show", id, *more])
    for words in ("say", "error", "Bearer", "canary"):
        command(world, ["log", "grep", words, "--json", "--limit", "1000"], {0, 1})
    out = os.path.join(world.folder, "export.ndjson")
    for args in (["store", "export"], ["store", "export", "--out", out], ["store", "check"], ["store", "dead", "list"], ["keys", "list"], ["keys", "list", "--json"], ["version"],
                 ["sign", "--module", world.sample, "--inspect"], ["check", world.toml_path], ["check", "--json", world.toml_path]):
        command(world, args, {0, 1})
    for (table,) in [(t["name"],) for t in record.rows(world.data_dir, "select name from sqlite_master where type in ('table', 'view') and name not like 'sqlite_%'")]:
        command(world, ["store", "sql", f'select * from "{table}" limit 100000'], {0, 1})
    with open(out, "rb") as f:
        world.net.catch("export file", f.read())
    tail = subprocess.Popen([binary(), "log", "tail", "--limit", "1000", "--data-dir", world.data_dir], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    time.sleep(2)
    tail.terminate()
    world.net.catch("signet log tail", tail.communicate()[0])


def catch_files(world):
    """All that is on disk, the journal as it is too; and the log."""
    time.sleep(0.5)
    for folder, _, names in os.walk(world.data_dir):
        for name in names:
            with open(os.path.join(folder, name), "rb") as f:
                world.net.catch("file " + name, f.read())
    with open(world.stderr_path, "rb") as f:
        world.net.catch("log", f.read())


def around(net):
    """Each hole with what stands around it."""
    out = []
    for name, secret in net.secrets.items():
        for form in net.forms(secret):
            for where, data in net.caught.items():
                at = data.find(form)
                if at >= 0:
                    out.append(f"{name} in {where}: ...{data[max(0, at - 120):at + 120]!r}")
                    break
    return out


def test_no_canary_comes_out(world):
    drive_models(world)
    raw.wait_for(lambda: len(record.listed(world.data_dir)) >= 30, 20)
    cookies = drive_sign_in(world)
    drive_routes(world, cookies[1])
    drive_config_check(world, cookies[1])
    drive_commands(world)
    catch_files(world)
    net = world.net
    # signatures that left are whole nowhere, nor are the secrets that signed them
    text = b"".join(net.caught.values())
    assert len(net.caught) > 60 and len(text) > 200_000 and len(net.secrets) > 25
    for needed in ("GET /metrics", "GET /status", "GET /health", "GET /internal/signet/config", "GET /internal/signet/audit", "GET /internal/signet/logs/export", "POST /internal/signet/config/check",
                   "GET /ui", "signet log", "signet store", "file signet.db", "log"):
        assert [w for w in net.caught if w.startswith(needed)], needed
    assert b"say it" in net.caught["file signet.db"] + net.caught.get("file signet.db-wal", b"")  # it would be found
    assert not net.holes(), "\n".join(around(net))


def test_the_net_has_no_holes_of_its_own():
    net = Net()
    net.keep_out("x", canary("x" * 10))
    for form in net.forms(canary("x" * 10)):
        net.caught = {"there": b"abc" + form + b"def"}
        assert net.holes(), form
    net.caught = {"there": base64.b64encode(b"ab" + canary("x" * 10).encode() + b"cd")}
    assert net.holes()
