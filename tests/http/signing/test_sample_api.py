"""examples/developer-api: the sample upstream verifies as its README says, and fails as it is told."""
import http.client
import json
import time
import uuid

import pytest
from signing_lib import DeveloperApi, native


@pytest.fixture(scope="module")
def api():
    with DeveloperApi() as a:
        yield a


def post(api, content="User: Hello", path="/stream/chat", body=None, key=b"signet-sample-key", drop=(), **change):
    nonce, now = str(uuid.uuid4()), str(int(time.time()))
    headers = {"nonce": nonce, "timestamp": now, "device-id": "d", "os-type": "3", "sid": "s"}
    headers.update({k.replace("_", "-"): v for k, v in change.items()})
    headers.setdefault("sign", native(headers["nonce"], headers["timestamp"], headers["device-id"], content, key))
    nonce = headers["nonce"]
    for name in drop:
        del headers[name]
    conn = http.client.HTTPConnection("127.0.0.1", api.port, timeout=20)
    conn.request("POST", path, body or json.dumps({"content": content}), headers)
    answer = conn.getresponse()
    try:
        return answer.status, answer.read().decode(), nonce
    finally:
        conn.close()


def events(text):
    out = []
    for block in text.split("\n\n")[:-1]:
        lines = block.split("\n")
        out.append((lines[0][len("event: "):], "\n".join(line[len("data: "):] for line in lines[1:])))
    return out


def test_a_signed_request_is_answered_with_events(api):
    status, text, _ = post(api)
    got = events(text)
    assert status == 200
    assert got[0][0] == "threadId"
    assert "".join(data for name, data in got if name == "c").startswith("Hello! This answer comes from")
    assert json.loads(dict(got)["sources"])[0]["url"] == "https://example.com/signing"
    assert got[-1][0] == "finish"


def test_reasoning_when_the_content_asks_for_it(api):
    assert [name for name, _ in events(post(api, "User: [think] please")[1])].count("r") == 2


@pytest.mark.parametrize("header", ["nonce", "timestamp", "device-id", "os-type", "sid", "sign"])
def test_a_missing_header_is_401(api, header):
    assert post(api, drop=[header])[:2] == (401, f"header {header} is missing")


@pytest.mark.parametrize("change, reason", [
    ({"key": b"other"}, "the signature does not fit nonce, timestamp, device-id and content"),
    ({"sign": "00"}, "the signature does not fit nonce, timestamp, device-id and content"),
    ({"nonce": "7"}, "nonce is not a UUID v4 in lower case"),
    ({"nonce": str(uuid.uuid4()).upper()}, "nonce is not a UUID v4 in lower case"),
    ({"timestamp": "yesterday"}, "timestamp is not in Unix seconds"),
    ({"timestamp": str(int(time.time()) - 400)}, "timestamp is more than 300 s off"),
    ({"timestamp": str(int(time.time()) + 3600)}, "timestamp is more than 300 s off"),
])
def test_a_wrong_signature_is_401(api, change, reason):
    assert post(api, **change)[:2] == (401, reason)


def test_a_nonce_is_taken_once(api):
    status, _, nonce = post(api)
    assert status == 200
    assert post(api, nonce=nonce)[:2] == (401, "nonce was used before")


def test_a_bad_body_is_400(api):
    for body in ("{", "[]", "{}", '{"content": 7}'):
        assert post(api, body=body)[0] == 400
    assert post(api, path="/elsewhere")[0] == 404


def test_it_fails_as_the_header_says(api):
    assert post(api, x_fail="500")[:2] == (500, "told to fail")
    assert post(api, x_fail="error")[1] == "event: error\ndata: told to fail\n\n"
    with pytest.raises(http.client.IncompleteRead) as cut:
        post(api, x_fail="cut")
    assert cut.value.partial.decode().endswith("answer")


def test_it_hangs_when_told():
    with DeveloperApi("--fail", "hang") as api:
        conn = http.client.HTTPConnection("127.0.0.1", api.port, timeout=0.5)
        nonce, now = str(uuid.uuid4()), str(int(time.time()))
        conn.request("POST", "/stream/chat", '{"content":"x"}', {
            "nonce": nonce, "timestamp": now, "device-id": "d", "os-type": "3", "sid": "s", "sign": native(nonce, now, "d", "x")})
        with pytest.raises(TimeoutError):
            conn.getresponse()
        conn.close()


def test_the_header_beats_the_flag():
    with DeveloperApi("--fail", "500", "--answer", "echo", "--key", "k") as api:
        assert post(api, key=b"k")[0] == 500
        got = events(post(api, "User: two\nlines", key=b"k", x_fail="none")[1])
        assert "".join(data for name, data in got if name == "c") == "User: two\nlines"


def test_a_list_of_models(api):
    conn = http.client.HTTPConnection("127.0.0.1", api.port, timeout=5)
    conn.request("GET", "/models")
    models = json.loads(conn.getresponse().read())["data"]
    conn.close()
    assert [m["modelName"] for m in models] == ["base-model", "claude-3.5-sonnet-20241022", "gpt-4o-2024-11-20", "used-up-model"]
