"""Which web pages may call (13 D3): a page elsewhere must not spend the operator's key, a page that may can read what it gets, errors too."""
import signal

import pytest

from lib import keys, raw, record
from lib.mock import Mock, sse, text_chunks
from lib.raw import CHAT, TZ, TZ_CHAT, chat
from lib.signet import Signet, config, openai_model

COMPLETIONS = "/v1/completions"
LISTED = "https://app.example.com"
EXTRA = f'[server]\ncors_origins = ["{LISTED}", "http://10.0.0.7:8080", "chrome-extension://abcdefgh", "https://port.example:443"]\n'


def signet_toml(mock):
    return config(openai_model("m", mock.url), record=True, extra=EXTRA)


def body_of(path):
    if path == COMPLETIONS:
        return {"model": "m", "prompt": "Hi"}
    return chat((TZ if path == TZ_CHAT else "") + "m")


def origins(*values):
    return [("origin", v) for v in values]


ADMITTED = [LISTED, "HTTPS://APP.Example.COM", "https://app.example.com:443", "https://port.example", "http://10.0.0.7:8080",
            "chrome-extension://abcdefgh", "http://localhost", "http://localhost:3000", "https://localhost:5173", "HTTP://LocalHost:1",
            "http://127.0.0.1", "http://127.0.0.1:65535", "http://127.8.9.10:80", "http://[::1]", "http://[::1]:3000", "https://[0:0:0:0:0:0:0:1]:1",
            "http://[::ffff:7f00:1]"]

FOREIGN = ["https://evil.example", "null", "NULL", "", "*", "http://localhost.evil.example", "http://localhost.evil.example:3000", "http://evil.localhost.example",
           "http://localhostx", "http://xlocalhost", "http://notlocalhost:3000", "http://127.0.0.1.evil.example", "http://127.evil.example", "http://127.0.0.1x",
           "http://1.127.0.0.1", "http://0.0.0.0:3000", "http://128.0.0.1", "http://127.1", "http://2130706433", "http://0x7f.0.0.1", "http://127.0.0.256",
           "http://[::2]", "http://[::]", "http://[::1].evil.example", "http://[::1", "http://::1", "http://[::ffff:8.8.8.8]", "http://[fe80::1]",
           "http://localhost@evil.example", "http://localhost:80@evil.example", "http://evil.example#localhost", "http://evil.example/localhost",
           "http://localhost/", "http://localhost:", "http://localhost:0", "http://localhost:65536", "http://localhost:80x", "http://localhost:3000 http://evil.example",
           "http://localhost, https://evil.example", "file://", "file:///etc/passwd", "localhost", "localhost:3000", "//localhost", "://localhost", "ftp://localhost",
           "chrome-extension://localhost", "javascript://localhost", "data:text/html,x", "https://app.example.com.evil.example", "https://evil.app.example.com",
           "https://evilapp.example.com", "http://app.example.com", "https://app.example.com:8443", "https://app.example.com/", "https://app.example.co",
           "http://10.0.0.7", "http://10.0.0.7:80801", "http://10.0.0.70:8080", "chrome-extension://abcdefghi", "https://app.example.com\t.evil.example",
           "http://test", "http://test:80", "http://löcalhost", b"http://localhost\xff".decode("latin-1"), "http://localhost\\@evil.example", "http://localhost%00.evil.example"]


@pytest.mark.parametrize("path", [CHAT, TZ_CHAT, COMPLETIONS])
@pytest.mark.parametrize("origin", ADMITTED)
def test_a_page_that_may_call_does(signet, path, origin):
    got = raw.post(signet.port, path, body_of(path), origins(origin))
    assert got.status == 200, got.text
    assert got.headers["access-control-allow-origin"] == origin and got.headers["vary"] == "origin"
    assert got.headers["access-control-expose-headers"] == "*" and "access-control-allow-credentials" not in got.headers


@pytest.mark.parametrize("origin", FOREIGN)
def test_a_page_elsewhere_does_not(signet, mock, origin):
    for path in (CHAT, TZ_CHAT, COMPLETIONS):
        with raw.Client(signet.port) as c:
            head = f"POST {path} HTTP/1.1\r\nhost: localhost\r\norigin: {origin}\r\ncontent-length: 2\r\n\r\n{{}}"
            c.send(head.encode("utf-8" if "ö" in origin else "latin-1"))
            got = c.read()
        assert got.status == 403, (path, got.text)
        assert "may not call this gateway" in got.message and "cors_origins" in got.message
        assert got.json["error"]["code"] == "origin_not_allowed"
        assert not [h for h in got.headers if h.startswith("access-control")]
    assert mock.requests == []


@pytest.mark.parametrize("path", ["/v1/models", "/openai/v1/models", "/status", "/metrics", "/health", "/nowhere", "/v1/models/m"])
def test_that_holds_for_the_other_routes_too(signet, path):
    assert raw.get(signet.port, path, origins("https://evil.example")).status == 403
    got = raw.get(signet.port, path, origins(LISTED))
    assert got.status == (404 if path == "/nowhere" else 200) and got.headers["access-control-allow-origin"] == LISTED


def test_a_name_that_was_bent_to_this_machine(signet, mock):
    """DNS rebinding: host and origin agree, and neither is this machine's."""
    for host in ("evil.example", "evil.example:3000", "localhost.evil.example"):
        with raw.Client(signet.port) as c:
            c.send(f"POST {CHAT} HTTP/1.1\r\nhost: {host}\r\norigin: http://{host}\r\ncontent-type: text/plain\r\ncontent-length: 2\r\n\r\n{{}}".encode())
            assert c.read().status == 403
    assert mock.requests == []


def test_every_origin_header_counts(signet):
    local = "http://localhost:3000"
    for values, status in (((local, LISTED), 200), ((local, "https://evil.example"), 403), (("https://evil.example", local), 403), ((local, "null"), 403), ((local, ""), 403)):
        assert raw.post(signet.port, CHAT, chat(), origins(*values)).status == status, values
    assert raw.post(signet.port, CHAT, chat(), [("OrIgIn", "https://evil.example")]).status == 403


def test_without_an_origin_nothing_changes(signet):
    got = raw.post(signet.port, CHAT, chat(), [("referer", "https://evil.example/"), ("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "no-cors")])
    assert got.status == 200 and not [h for h in got.headers if h.startswith("access-control") or h == "vary"]
    asked = raw.get(signet.port, CHAT, [("access-control-request-method", "POST")], method="OPTIONS")
    assert asked.status == 405 and asked.headers["allow"] == "POST"


def test_a_key_does_not_make_up_for_a_foreign_page(signet):
    assert raw.post(signet.port, CHAT, chat(), [("authorization", "Bearer x"), *origins("https://evil.example")]).status == 403


@pytest.mark.parametrize("path", [CHAT, TZ_CHAT, COMPLETIONS, "/v1/models", "/nowhere"])
def test_a_preflight_is_answered(signet, path):
    asked = [*origins(LISTED), ("access-control-request-method", "POST"), ("access-control-request-headers", "authorization,content-type,x-stainless-lang")]
    got = raw.get(signet.port, path, asked, method="OPTIONS")
    assert got.status == 204 and got.body == b""
    assert got.headers["access-control-allow-origin"] == LISTED and got.headers["access-control-allow-methods"] == "GET, HEAD, POST"
    assert got.headers["access-control-allow-headers"] == "authorization,content-type,x-stainless-lang" and got.headers["access-control-max-age"] == "600"
    plain = raw.get(signet.port, path, asked[:2], method="OPTIONS")
    assert plain.status == 204 and "access-control-allow-headers" not in plain.headers


def test_a_preflight_from_elsewhere_is_refused(signet):
    for origin in ("https://evil.example", "null"):
        got = raw.get(signet.port, CHAT, [*origins(origin), ("access-control-request-method", "POST")], method="OPTIONS")
        assert got.status == 403 and "access-control-allow-origin" not in got.headers


def test_an_options_that_is_no_preflight_is_the_wrong_method(signet):
    got = raw.get(signet.port, CHAT, origins(LISTED), method="OPTIONS")
    assert got.status == 405 and got.headers["access-control-allow-origin"] == LISTED


def test_a_page_that_may_call_reads_errors(signet, mock):
    for got, status in ((raw.post(signet.port, CHAT, "{bad", origins(LISTED)), 400), (raw.post(signet.port, CHAT, chat("nobody"), origins(LISTED)), 404),
                        (raw.get(signet.port, CHAT, origins(LISTED)), 405), (raw.post(signet.port, CHAT, chat(), [*origins(LISTED), ("content-encoding", "rot13")]), 415)):
        assert got.status == status and got.headers["access-control-allow-origin"] == LISTED
    with raw.Client(signet.port) as c:  # never reaches a handler
        c.send(f"POST {CHAT} HTTP/1.1\r\nhost: a\r\norigin: {LISTED}\r\nbad\x01: y\r\n\r\n".encode())
        got = c.read()
    assert got.status == 400


def test_a_stream_has_the_headers_too(signet, mock):
    mock.then(sse(text_chunks("s")))
    got = raw.post(signet.port, CHAT, chat(stream=True), origins("http://localhost:5173"))
    assert got.status == 200 and got.headers["content-type"] == "text/event-stream" and got.headers["access-control-allow-origin"] == "http://localhost:5173"
    assert got.events()[-1] == "[DONE]"


def test_the_pages_routes_have_their_own_guard(signet):
    """cors_origins opens the routes of models, never the record."""
    for path in ("/internal/signet/logs", "/internal/signet/session", "/internal/models/count"):
        got = raw.get(signet.port, path, origins(LISTED))
        assert got.status in (401, 403) and "access-control-allow-origin" not in got.headers
        assert "access-control-allow-origin" not in raw.get(signet.port, path, [*origins(LISTED), ("access-control-request-method", "GET")], method="OPTIONS").headers
    with raw.Client(signet.port) as c:
        c.send(f"GET /internal/signet/session HTTP/1.1\r\nhost: localhost\r\norigin: {LISTED}\r\n\r\n".encode())
        got = c.read()
    assert got.status == 403 and "access-control-allow-origin" not in got.headers


def test_a_preflight_needs_no_key_and_a_401_can_be_read():
    with Mock() as mock, Signet(config(openai_model("m", mock.url), "[gateway.auth]\nenabled = true\n", EXTRA)) as signet:
        asked = raw.get(signet.port, CHAT, [*origins(LISTED), ("access-control-request-method", "POST"), ("access-control-request-headers", "authorization")], method="OPTIONS")
        assert asked.status == 204
        got = raw.post(signet.port, CHAT, chat(), origins(LISTED))
        assert got.status == 401 and got.headers["access-control-allow-origin"] == LISTED
        made = keys.create(signet.data_dir)
        raw.wait_for(lambda: raw.get(signet.port, "/v1/models", [keys.bearer(made)]).status == 200)
        assert raw.post(signet.port, CHAT, chat(), [keys.bearer(made), *origins(LISTED)]).status == 200
        assert raw.post(signet.port, CHAT, chat(), [keys.bearer(made), *origins("https://evil.example")]).status == 403


def test_a_reload_changes_who_may_call():
    with Mock() as mock, Signet(config(openai_model("m", mock.url))) as signet:
        assert raw.post(signet.port, CHAT, chat(), origins(LISTED)).status == 403
        with open(signet.toml_path, "w") as f:
            f.write(config(openai_model("m", mock.url), extra=EXTRA))
        signet.process.send_signal(signal.SIGHUP)
        raw.wait_for(lambda: raw.post(signet.port, CHAT, chat(), origins(LISTED)).status == 200, 10)


def test_the_pages_own_address_may_call():
    extra = EXTRA + '[ui]\npublic_url = "https://gateway.example.com/x"\n'
    with Mock() as mock, Signet(config(openai_model("m", mock.url), 'base_path = "/gw"\n', extra), start=False) as signet:
        signet.spawn()
        raw.wait_for(lambda: "listening on" in signet.stderr(), 20)
        port = int(signet.stderr().split("listening on 127.0.0.1:")[1].split('"')[0].split(" ")[0])
        assert raw.post(port, "/gw" + CHAT, chat(), origins("https://gateway.example.com")).status == 200
        assert raw.post(port, "/gw" + CHAT, chat(), origins("https://gateway.example.org")).status == 403
