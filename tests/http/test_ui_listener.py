"""[ui] enabled and bind_address (ui §7): a gateway without pages, and pages on a port of their own in the gateway's process."""
import re
import socket

import pytest

from lib import keys, raw
from lib.mock import Mock, sse, text_chunks
from lib.raw import CHAT, chat
from lib.signet import Signet, config, openai_model

PAGES = re.compile(r"the web UI is at http://127\.0\.0\.1:(\d+)")


def get(port, path, headers=(), method="GET", host="localhost"):
    with raw.Client(port) as c:
        c.send("\r\n".join([f"{method} {path} HTTP/1.1", f"host: {host}", *[f"{k}: {v}" for k, v in headers], "", ""]).encode())
        return c.read(no_body=method == "HEAD")


def pages_port(signet):
    return int(raw.wait_for(lambda: PAGES.search(signet.stderr())).group(1))


@pytest.fixture(scope="module")
def both():
    with Mock() as mock, Signet(config(openai_model("m", mock.url), extra='[ui]\nbind_address = "127.0.0.1:0"\n', record=True), args=["--workers", "2"]) as signet:
        signet.mock, signet.pages = mock, pages_port(signet)
        yield signet


def test_the_pages_are_at_the_root_of_their_own_port(both):
    for path in ("/", "/logs", "/settings", "/inferences/x"):
        got = get(both.pages, path)
        assert got.status == 200 and got.headers["content-type"] == "text/html; charset=utf-8", path
        assert "frame-ancestors 'none'" in got.headers["content-security-policy"] and got.headers["cache-control"] == "no-store"
    if "left out of this build" not in get(both.pages, "/").text:
        base = re.search(r'<base href="([^"]*)"', get(both.pages, "/").text)
        assert base and base.group(1) == "/"
    assert get(both.pages, "/config?x=1").headers["location"] == "/settings?x=1"
    assert get(both.pages, "/health").status == 200 and get(both.pages, "/health").body == b""
    assert get(both.port, "/ui").status == 200  # and still below /ui of the other


def test_what_pages_ask_for_is_there_and_nothing_else(both):
    assert get(both.pages, "/internal/signet/session").json["role"] == "admin"
    assert get(both.pages, "/internal/signet/logs").status == 200
    assert "signet" in get(both.pages, "/status").json
    for path in ("/metrics", "/v1/models", "/v1/completions", "/openai/v1/chat/completions", "/openai/v1/models"):
        got = get(both.pages, path)
        assert got.headers.get("content-type", "").startswith("text/html"), path  # a page, which says that there is none
    for path in ("/v1/completions", "/openai/v1/chat/completions", "/", "/logs"):
        got = raw.post(both.pages, path, chat())
        assert got.status == 405 and got.headers["allow"] == "GET,HEAD"
    assert both.mock.requests == []


def test_the_playground_calls_models_there(both):
    got = raw.post(both.pages, CHAT, chat(), [("origin", f"http://localhost:{both.pages}")])
    assert got.status == 200 and got.headers["x-tensorzero-gateway-version"]
    both.mock.then(sse(text_chunks("s")))
    assert raw.post(both.pages, CHAT, chat(stream=True)).events()[-1] == "[DONE]"
    assert raw.post(both.pages, CHAT, chat(), [("origin", "https://evil.example")]).status == 403


def test_a_bent_name_is_nobody_there_too(both):
    assert get(both.pages, "/internal/signet/session", host=f"evil.example:{both.pages}").status == 401
    assert get(both.pages, "/internal/signet/logs", [("x-forwarded-for", "1.2.3.4")]).status == 401


def test_both_drain(tmp_path):
    with Mock() as mock, Signet(config(openai_model("m", mock.url), extra='[ui]\nbind_address = "127.0.0.1:0"\n')) as signet:
        port = pages_port(signet)
        idle = raw.Client(port)
        idle.send(b"GET /health HTTP/1.1\r\nhost: a\r\n\r\n")
        assert idle.read().status == 200
        signet.stop()
        assert idle.at_end()
        with pytest.raises(OSError):
            socket.create_connection(("127.0.0.1", port), 2)


def test_the_variable_wins_and_a_base_path_is_the_gateways_alone():
    with Mock() as mock:
        toml = config(openai_model("m", mock.url), 'base_path = "/gw"\n', '[ui]\nbind_address = "127.0.0.1:1"\n')
        with Signet(toml, env={"SIGNET_UI_BIND_ADDRESS": "127.0.0.1:0"}, start=False) as signet:
            signet.spawn()
            port = pages_port(signet)
            assert get(port, "/internal/signet/session").json["base"] == "/gw"
            assert raw.post(port, CHAT, chat()).status == 200
            assert get(port, "/gw/internal/signet/session").headers["content-type"].startswith("text/html")
            entries = {e["key"]: e for e in get(port, "/internal/signet/config").json["entries"]}
            assert (entries["ui.bind_address"]["value"], entries["ui.bind_address"]["from"]) == ("127.0.0.1:0", "env")
            assert (entries["ui.enabled"]["value"], entries["ui.enabled"]["from"]) == (True, "default")


@pytest.mark.parametrize("ui,says", [('bind_address = "localhost"', "ui.bind_address: invalid socket address syntax (`localhost`; write 127.0.0.1:4000)"),
                                     ('bind_address = "0.0.0.0:3999"', "`0.0.0.0:3999` is where the gateway listens"),
                                     ('bind_address = "127.0.0.1:3999"', "`127.0.0.1:3999` is where the gateway listens"), ("bind_address = 4000", "invalid type: integer")])
def test_an_address_that_cannot_be(ui, says):
    signet = Signet(f'[gateway]\nbind_address = "127.0.0.1:3999"\n[gateway.observability]\nenabled = false\n[ui]\n{ui}\n', start=False)
    status, err = signet.fails_to_start()
    assert status == 1 and says in err


def test_a_port_that_is_taken_refuses_the_start():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen()
        signet = Signet(config(), env={"SIGNET_UI_BIND_ADDRESS": f"127.0.0.1:{s.getsockname()[1]}"}, start=False)
        status, err = signet.fails_to_start()
    assert status == 1 and "address in use" in err
    status, err = Signet(config(), env={"SIGNET_UI_BIND_ADDRESS": "x"}, start=False).fails_to_start()
    assert status == 1 and "SIGNET_UI_BIND_ADDRESS: invalid socket address syntax (`x`" in err
    status, err = Signet(config(), env={"SIGNET_UI_ENABLED": "maybe"}, start=False).fails_to_start()
    assert status == 1 and "SIGNET_UI_ENABLED" in err


@pytest.mark.parametrize("how", ["toml", "env", "env wins"])
def test_without_the_ui_neither_pages_nor_their_routes_are_there(how):
    ui = {"toml": "[ui]\nenabled = false\n", "env": "", "env wins": "[ui]\nenabled = true\n"}[how]
    env = {} if how == "toml" else {"SIGNET_UI_ENABLED": "false" if how == "env" else "0"}
    with Mock() as mock, Signet(config(openai_model("m", mock.url), extra=ui, record=True), env=env) as signet:
        for method, path in (("GET", "/ui"), ("GET", "/ui/"), ("GET", "/ui/logs"), ("GET", "/ui/assets/x.js"), ("GET", "/internal/signet/session"), ("POST", "/internal/signet/session"),
                             ("GET", "/internal/signet/logs"), ("GET", "/internal/signet/keys"), ("GET", "/internal/signet/health"), ("GET", "/internal/signet/config")):
            got = get(signet.port, path, method=method)
            assert got.status == 404 and got.message == f"Route not found: {method} {path}", path
        assert raw.post(signet.port, CHAT, chat()).status == 200  # the gateway is one all the same
        proof = [("content-type", "application/json"), ("x-signet-csrf", "1"), ("content-length", "0")]
        assert get(signet.port, "/internal/signet/config/reload", proof, "POST").status == 200  # it was there before the pages
        assert get(signet.port, "/internal/signet/config/reload", proof, "POST", host="evil.example").status == 403
        assert get(signet.port, "/internal/signet/config/reload", [("content-length", "0")], "POST").status == 403
        assert get(signet.port, "/internal/models/count").status == 200  # TensorZero's
        assert get(signet.port, "/status").json["signet"]


def test_without_the_ui_nobody_signs_in_and_no_listener_opens():
    with Mock() as mock:
        toml = config(openai_model("m", mock.url), "[gateway.auth]\nenabled = true\n", '[ui]\nenabled = false\nbind_address = "127.0.0.1:0"\n', True)
        with Signet(toml) as signet:
            assert "the web UI is at" not in signet.stderr() and "login#link" not in signet.stderr()
            assert "ui.bind_address: is not used" in signet.stderr()
            assert get(signet.port, "/internal/signet/session").status == 401 and get(signet.port, "/ui").status == 401
            made = keys.create(signet.data_dir, "--role", "admin")
            raw.wait_for(lambda: raw.get(signet.port, "/v1/models", [keys.bearer(made)]).status == 200)
            assert get(signet.port, "/internal/signet/session", [keys.bearer(made)]).status == 404
            assert get(signet.port, "/internal/signet/config/reload", [("x-signet-csrf", "1"), ("content-type", "application/json"), ("content-length", "0")], "POST").status == 401
            assert get(signet.port, "/internal/signet/config/reload", [keys.bearer(made), ("content-length", "0")], "POST").status == 200
