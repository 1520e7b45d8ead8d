"""Paths, methods, shapes of errors and headers common to all answers (http-api §1.2, §2.1; surfaces §1.1, §1.5)."""
import re

import pytest

from lib import raw
from lib.signet import Signet, config, openai_model

MODEL = openai_model("m", "http://127.0.0.1:1")
OPENAI, NATIVE, ANTHROPIC = "openai", "native", "anthropic"


def signet_toml(mock):
    return config(MODEL)


def check(got, shape, message):
    assert got.headers["content-type"] == "application/json"
    if shape == OPENAI:
        assert got.json == {"error": {"message": message, "type": "invalid_request_error", "param": None, "code": None}}
    elif shape == NATIVE:
        assert got.json == {"error": message}
    else:
        assert got.json["type"] == "error" and got.json["error"]["message"] == message
        assert got.json["error"]["type"] == ("not_found_error" if got.status == 404 else "invalid_request_error")
        assert got.json["request_id"] == got.headers["request-id"]


def test_headers_of_every_answer(signet):
    seen = set()
    for path in ("/status", "/v1/models", "/nope", "/openai/v1/nope", "/v1/chat/completions"):
        h = raw.get(signet.port, path).headers
        assert h["x-tensorzero-gateway-version"] == "2026.6.0"
        assert re.fullmatch("req_[0-9a-f]{32}", h["x-request-id"]) and h["request-id"] == h["x-request-id"]
        seen.add(h["x-request-id"])
    assert len(seen) == 5


@pytest.mark.parametrize("path,shape", [
    ("/nope", NATIVE), ("/", NATIVE), ("/v1", NATIVE), ("/v1/datasets", NATIVE), ("/openai", NATIVE), ("/openai/v2/x", NATIVE),
    ("/api/event_logging/batch", NATIVE), ("/statusx", NATIVE), ("/status/x", NATIVE), ("//status", NATIVE),
    ("/openai/v1", OPENAI), ("/openai/v1/nope", OPENAI), ("/v1/chat", OPENAI), ("/v1/completions/x/y", OPENAI), ("/anthropic/v1/x", ANTHROPIC), ("/anthropic", ANTHROPIC),
])
def test_unknown_paths(signet, path, shape):
    got = raw.get(signet.port, path + "?secret=1")
    assert got.status == 404
    check(got, shape, f"Route not found: GET {path}")
    assert "location" not in got.headers


@pytest.mark.parametrize("path,shape,meant,base", [
    ("/chat/completions", OPENAI, "POST /v1/chat/completions", "/v1"),
    ("/v1/v1/chat/completions", OPENAI, "POST /v1/chat/completions", "/v1"),
    ("/v1/chat/completions/chat/completions", OPENAI, "POST /v1/chat/completions", "/v1"),
    ("/v1//chat/completions", OPENAI, "POST /v1/chat/completions", "/v1"),
    ("/api/v1/chat/completions/", OPENAI, "POST /v1/chat/completions", "/v1"),
    ("/openai/chat/completions", OPENAI, "POST /openai/v1/chat/completions", "/openai/v1"),
    ("/openai/v1/v1/chat/completions", OPENAI, "POST /openai/v1/chat/completions", "/openai/v1"),
    ("/chat/completion", OPENAI, "POST /v1/chat/completions", "/v1"),
    ("/models", OPENAI, "GET /v1/models", "/v1"),
    ("/v1/v1/models", OPENAI, "GET /v1/models", "/v1"),
    ("/embeddings", OPENAI, "POST /v1/embeddings", "/v1"),
    ("/responses", OPENAI, "POST /v1/responses", "/v1"),
    ("/v1/v1/messages", ANTHROPIC, "POST /v1/messages", ""),
    ("/messages", ANTHROPIC, "POST /v1/messages", ""),
    ("/v1/v1/messages/count_tokens", ANTHROPIC, "POST /v1/messages/count_tokens", ""),
    ("/anthropic/messages", ANTHROPIC, "POST /anthropic/v1/messages", "/anthropic"),
    ("/anthropic/v1/v1/messages", ANTHROPIC, "POST /anthropic/v1/messages", "/anthropic"),
    ("/v1/chat/completion", OPENAI, "POST /v1/chat/completions", None),
    ("/v1/chat/compeltions", OPENAI, "POST /v1/chat/completions", None),
    ("/v1/chat/completions/x", OPENAI, "POST /v1/chat/completions", None),
    ("/v1/model", OPENAI, "GET /v1/models", None),
    ("/v1/modelsx", OPENAI, "GET /v1/models", None),
    ("/v1/embedding", OPENAI, "POST /v1/embeddings", None),
    ("/v1/message", ANTHROPIC, "POST /v1/messages", None),
    ("/v1/messages/x", ANTHROPIC, "POST /v1/messages", None),
    ("/openai/v1/chat/completion", OPENAI, "POST /openai/v1/chat/completions", None),
])
def test_an_unknown_path_names_the_route_that_was_meant_and_the_right_base_url(signet, path, shape, meant, base):
    got = raw.get(signet.port, path, method="POST")
    assert got.status == 404
    advice = "" if base is None else f" Set the client's base URL to http://test{base}"
    check(got, shape, f"Route not found: POST {path} (did you mean {meant}?{advice})")


@pytest.mark.parametrize("host,shown", [("a b", "HOST"), ("x\"<script>", "HOST"), ("h" * 300, "HOST"), ("[::1]:3000", "[::1]:3000")])
def test_the_host_of_a_hint_is_a_host(signet, host, shown):
    with raw.Client(signet.port) as c:
        c.send(f"GET /models HTTP/1.1\r\nhost: {host}\r\nx-forwarded-proto: https\r\n\r\n".encode())
        got = c.read()
    if got.status == 404:
        assert got.json["error"]["message"].endswith(f" to https://{shown}/v1)")
    else:
        assert got.status == 400 and shown == "HOST"


def test_a_long_unknown_path_is_compared_with_nothing(signet):
    path = "/x" * 2000 + "/chat/completions"
    assert raw.get(signet.port, path).json == {"error": f"Route not found: GET {path}"}


def test_tls_to_the_plain_port_is_told_so(signet):
    with raw.Client(signet.port) as c:
        c.send(bytes.fromhex("160301020001000001fc0303") + bytes(64))
        got = c.read()
        assert got.status == 400 and b"TLS came to a port that speaks plain HTTP: write http://" in got.body
        assert c.at_end()
    raw.wait_for(lambda: "TLS came to a port that speaks plain HTTP" in signet.stderr())


@pytest.mark.parametrize("method,path,allow,shape", [
    ("POST", "/status", "GET,HEAD", NATIVE), ("DELETE", "/v1/models", "GET,HEAD", OPENAI), ("PUT", "/openai/v1/models/x", "GET,HEAD", OPENAI),
    ("GET", "/v1/chat/completions", "POST", OPENAI), ("OPTIONS", "/v1/chat/completions", "POST", OPENAI), ("OPTIONS", "/health", "GET,HEAD", NATIVE),
    ("HEAD", "/v1/chat/completions", "POST", None), ("POST", "/v1/models/{id}", "GET,HEAD", OPENAI), ("PATCH", "/metrics", "GET,HEAD", NATIVE),
])
def test_wrong_methods(signet, method, path, allow, shape):
    got = raw.get(signet.port, path, method=method)
    assert (got.status, got.headers["allow"]) == (405, allow)
    assert not any(k.startswith("access-control") for k in got.headers)
    if shape:
        check(got, shape, f"Method not allowed: {method} {path} (allowed: {allow})")


@pytest.mark.parametrize("path", ["/status", "/health", "/metrics", "/v1/models", "/openai/v1/models/m"])
def test_head_is_get_without_its_body(signet, path):
    got = raw.get(signet.port, path, method="HEAD")
    assert got.status == 200 and int(got.headers["content-length"]) > 0


def test_head_of_the_root_is_a_probe(signet):
    got = raw.get(signet.port, "/", method="HEAD")
    assert (got.status, got.headers["content-length"]) == (200, "0")


@pytest.mark.parametrize("path", ["/status/", "/v1/models/", "/health/?x=1", "/openai/v1/models/m/"])
def test_a_slash_at_the_end_is_the_same_route(signet, path):
    assert raw.get(signet.port, path).status == 200


def test_routes_are_counted_by_pattern(signet):
    before = signet.metric("signet_http_requests_total", route="/v1/models/{id}")
    raw.get(signet.port, "/v1/models/m")
    raw.get(signet.port, "/v1/models/made-up-by-a-client")
    # counted when the answer is out, so perhaps a moment after it is here
    raw.wait_for(lambda: signet.metric("signet_http_requests_total", route="/v1/models/{id}") == before + 2)
    raw.get(signet.port, "/made-up-by-a-client")
    assert not any("made-up" in series for series in signet.metrics())


@pytest.mark.parametrize("path,shape", [("/openai/v1/chat/completions", OPENAI), ("/status", NATIVE), ("/v1/messages", ANTHROPIC)])
def test_requests_that_no_handler_sees_are_answered_in_the_paths_shape(signet, path, shape):
    with raw.Client(signet.port) as c:
        c.send(f"POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n".encode())
        got = c.read()
        assert got.status == 400 and got.headers["content-type"] == "application/json"
        assert got.headers["x-tensorzero-gateway-version"] == "2026.6.0"
        keys = {OPENAI: {"error"}, NATIVE: {"error"}, ANTHROPIC: {"type", "error", "request_id"}}[shape]
        assert set(got.json) == keys and (isinstance(got.json["error"], str) == (shape == NATIVE))
        assert c.at_end()


def test_base_path_stands_before_every_route_and_in_front_of_shapes():
    with Signet(config(MODEL, gateway='base_path = "/gw"')) as s:
        assert raw.get(s.port, "/gw/status").status == 200
        assert raw.get(s.port, "/gw", method="HEAD").status == 200
        check(raw.get(s.port, "/status"), NATIVE, "Route not found: GET /status")
        check(raw.get(s.port, "/gwx/status"), NATIVE, "Route not found: GET /gwx/status")
        check(raw.get(s.port, "/gw/openai/v1/x"), OPENAI, "Route not found: GET /gw/openai/v1/x")
        check(raw.get(s.port, "/openai/v1/x"), NATIVE, "Route not found: GET /openai/v1/x")


def test_unstable_error_json_stands_beside_the_message():
    with Signet(config(MODEL, gateway="unstable_error_json = true")) as s:
        got = raw.get(s.port, "/nope").json
        text = "Route not found: GET /nope"
        assert got == {"error": text, "error_json": {"RouteNotFound": {"message": text}}}
        got = raw.get(s.port, "/openai/v1/nope").json["error"]
        assert got["error_json"] == got["tensorzero_error_json"] == {"RouteNotFound": {"message": got["message"]}}
