"""gateway.auth (http-api §3, surfaces §1.4): where a key may stand, what is said of a bad one, when a change is in force."""
import os
import re
import sqlite3
import subprocess
import time

import pytest

from lib import keys, raw
from lib.mock import Mock
from lib.raw import CHAT, TZ, TZ_CHAT, chat
from lib.signet import Signet, binary, config, openai_model

AUTH = "[gateway.auth]\nenabled = true\n"
TOP = "TensorZero authentication error: "
PERFORMING = TOP + "Error performing authentication: "
FORMAT = TOP + "Invalid format for TensorZero API key: "


def toml(mock, more="", record=False):
    return config(openai_model("m", mock.url) + openai_model("own", mock.url, keys='api_key_location = "dynamic::client_authorization"'),
                  AUTH, more, record)


@pytest.fixture(scope="module")
def gate():
    with Mock() as mock, Signet(toml(mock, record=True), args=["--workers", "3"]) as signet:
        signet.mock = mock
        yield signet


@pytest.fixture(scope="module")
def key(gate):
    made = keys.create(gate.data_dir, "--description", "tests")
    raw.wait_for(lambda: raw.get(gate.port, "/v1/models", [keys.bearer(made)]).status == 200)
    return made


@pytest.mark.parametrize("header", ["authorization", "x-api-key", "api-key", "x-signet-api-key", "X-Api-Key"])
def test_a_key_may_come_in_each_of_the_four_headers(gate, key, header):
    value = f"Bearer {key}" if header == "authorization" else key
    for path in (CHAT, TZ_CHAT):
        got = raw.post(gate.port, path, chat((TZ if path == TZ_CHAT else "") + "m"), [(header, value)])
        assert got.status == 200, got.text
    assert raw.get(gate.port, "/v1/models", [(header, value)]).status == 200


UNKNOWN = "sk-t0-" + "a" * 12 + "-" + "b" * 48


@pytest.mark.parametrize("headers,text", [
    ([], PERFORMING + "authorization header is required"),
    ([("authorization", b"Bearer \xff".decode("latin-1"))], PERFORMING + "Invalid authorization header: failed to convert header to a str"),
    ([("authorization", "Basic eA==")], PERFORMING + "authorization header must start with 'Bearer '"),
    ([("authorization", "bearer " + UNKNOWN)], PERFORMING + "authorization header must start with 'Bearer '"),
    ([("authorization", "Bearer x")], FORMAT + "API key must be of the form `sk-t0-<public_id>-<long_key>`"),
    ([("authorization", "Bearer " + UNKNOWN + "-x")], FORMAT + "API key must be of the form `sk-t0-<public_id>-<long_key>`"),
    ([("authorization", "Bearer sk-t1-a-b")], FORMAT + "API key must start with `sk-t0-`"),
    ([("authorization", "Bearer sk-t0-a-b")], FORMAT + "Public ID must be 12 characters"),
    ([("authorization", "Bearer sk-t0-" + "a" * 12 + "-b")], FORMAT + "Long key must be 48 characters"),
    ([("authorization", "Bearer sk-t0-" + "a" * 11 + "_-" + "b" * 48)], FORMAT + "Public ID must be alphanumeric"),
    ([("authorization", "Bearer sk-t0-" + "a" * 12 + "-" + "b" * 47 + "_")], FORMAT + "Long key must be alphanumeric"),
    ([("authorization", "Bearer " + UNKNOWN)], PERFORMING + "Provided API key does not exist in the database"),
    ([("x-api-key", UNKNOWN)], PERFORMING + "Provided API key does not exist in the database"),
    ([("authorization", "Bearer upstream"), ("x-signet-api-key", UNKNOWN)], PERFORMING + "Provided API key does not exist in the database"),
])
def test_texts_of_refusals_are_tensorzeros(gate, headers, text):
    native = raw.post(gate.port, "/inference", "{}", headers)
    assert (native.status, native.json) == (401, {"error": text})
    for path in (CHAT, TZ_CHAT, "/openai/v1/nowhere"):
        got = raw.post(gate.port, path, chat(), headers)
        assert got.status == 401 and got.message == text, (path, got.text)
        assert got.json["error"]["type"] == "invalid_request_error" and got.json["error"]["code"] == "invalid_api_key"
    assert native.headers["x-tensorzero-gateway-version"] == "2026.6.0"


def test_a_right_public_id_with_a_wrong_secret_is_unknown(gate, key):
    wrong = key[:-1] + ("x" if key[-1] != "x" else "y")
    got = raw.get(gate.port, "/v1/models", [keys.bearer(wrong)])
    assert got.status == 401 and got.message == PERFORMING + "Provided API key does not exist in the database"


def test_the_check_comes_before_body_path_and_method(gate):
    for answer in (raw.post(gate.port, CHAT, "{bad"), raw.get(gate.port, "/nowhere"), raw.get(gate.port, CHAT),
                   raw.get(gate.port, "/internal/functions"), raw.get(gate.port, "/v1/models")):
        assert answer.status == 401


def test_probes_are_open_and_metrics_are_not(gate, key):
    assert raw.get(gate.port, "/health").status == 200
    status = raw.get(gate.port, "/status")
    assert status.status == 200 and list(status.json) == ["status", "version", "config_hash"]
    assert "signet" in raw.get(gate.port, "/status", [keys.bearer(key)]).json
    assert raw.get(gate.port, "/metrics").status == 401
    text = raw.get(gate.port, "/metrics", [keys.bearer(key)]).text
    assert re.search(r'signet_auth_failures_total\{result="missing"\} [1-9]', text)
    assert re.search(r'signet_auth_failures_total\{result="unknown"\} [1-9]', text)


def test_metrics_auth_false_opens_metrics_and_no_more():
    with Mock() as mock, Signet(toml(mock, "[server]\nmetrics_auth = false\n")) as signet:
        assert raw.get(signet.port, "/metrics").status == 200
        assert raw.get(signet.port, "/v1/models").status == 401


def test_probes_are_open_below_a_base_path():
    with Mock() as mock:
        text = config(openai_model("m", mock.url), 'base_path = "/gw"\n' + AUTH)
        with Signet(text, start=False) as signet:
            signet.spawn()
            raw.wait_for(lambda: "listening on" in signet.stderr(), 20)
            port = int(re.search(r"127\.0\.0\.1:(\d+)", signet.stderr()).group(1))
            assert raw.get(port, "/gw/health").status == 200
            assert raw.get(port, "/gw/v1/models").status == 401


def test_one_good_key_is_enough_and_the_other_header_is_the_upstreams(gate, key):
    got = raw.post(gate.port, CHAT, chat("own"), [("authorization", "Bearer upstream-secret"), ("x-signet-api-key", key)])
    assert got.status == 200, got.text
    assert gate.mock.last().headers["authorization"] == "Bearer upstream-secret"


def test_the_gateways_key_never_goes_upstream(gate, key):
    got = raw.post(gate.port, CHAT, chat("own"), [keys.bearer(key)])
    assert got.status == 400, got.text  # the client sent no credential of its own


def test_the_same_key_twice_is_fine_and_two_keys_are_not(gate, key):
    other = keys.create(gate.data_dir)
    raw.wait_for(lambda: raw.get(gate.port, "/v1/models", [keys.bearer(other)]).status == 200)
    assert raw.get(gate.port, "/v1/models", [keys.bearer(key), ("x-api-key", key)]).status == 200
    got = raw.get(gate.port, "/v1/models", [keys.bearer(key), ("x-api-key", other)])
    assert got.status == 401 and "two different API keys" in got.message


def in_force(gate, made, good, seconds=1.0):
    """Until three connections in a row, and then twelve more, on whatever worker, agree."""
    def same():
        return all((raw.get(gate.port, "/v1/models", [keys.bearer(made)]).status == 200) == good for _ in range(3))
    raw.wait_for(same, seconds)
    for _ in range(12):
        assert (raw.get(gate.port, "/v1/models", [keys.bearer(made)]).status == 200) == good


def test_a_disabled_key_is_out_of_force_within_a_second_on_all_workers(gate):
    made = keys.create(gate.data_dir)
    in_force(gate, made, True)
    keys.run(gate.data_dir, "disable", keys.public_id(made))
    in_force(gate, made, False)
    got = raw.get(gate.port, "/v1/models", [keys.bearer(made)])
    assert re.fullmatch(re.escape(PERFORMING) + r"API key was disabled at: \d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d{3})? UTC", got.message)
    keys.run(gate.data_dir, "enable", keys.public_id(made))
    in_force(gate, made, True)


def test_a_key_expires_while_it_is_in_use(gate):
    at = time.gmtime(time.time() + 3)
    made = keys.create(gate.data_dir, "--expiration", time.strftime("%Y-%m-%dT%H:%M:%SZ", at))
    in_force(gate, made, True)
    raw.wait_for(lambda: raw.get(gate.port, "/v1/models", [keys.bearer(made)]).status == 401, 6)
    got = raw.get(gate.port, "/v1/models", [keys.bearer(made)])
    assert got.message == PERFORMING + "API key expired at: " + time.strftime("%Y-%m-%d %H:%M:%S UTC", at)


def test_rotation_ends_the_old_key_at_once_or_later(gate):
    old = keys.create(gate.data_dir, "--description", "x", "--role", "viewer")
    new = keys.run(gate.data_dir, "rotate", keys.public_id(old)).strip()
    in_force(gate, new, True)
    in_force(gate, old, False)
    row = {k["public_id"]: k for k in keys.listed(gate.data_dir)}[keys.public_id(new)]
    assert (row["description"], row["role"], row["disabled_at"]) == ("x", "viewer", None)
    again = keys.run(gate.data_dir, "rotate", keys.public_id(new), "--keep-s", "600").strip()
    in_force(gate, again, True)
    assert raw.get(gate.port, "/v1/models", [keys.bearer(new)]).status == 200
    assert "disabled or has expired" in keys.run(gate.data_dir, "rotate", keys.public_id(old), status=1)


def test_the_key_stands_in_the_record(gate, key):
    raw.post(gate.port, CHAT, chat(content="who asks"), [keys.bearer(key)])

    db = sqlite3.connect(f"file:{gate.data_dir}/signet.db?mode=ro", uri=True)

    def stored():
        return db.execute("SELECT l.key_public_id, c.tags FROM InferenceById l JOIN ChatInference c ON c.seq = l.seq "
                          "WHERE l.preview_in LIKE '%who asks%'").fetchone()
    public, tags = raw.wait_for(stored, 10)
    assert public == keys.public_id(key)
    assert f'"tensorzero::api_key_public_id":"{public}"' in tags
    assert db.execute("SELECT count(*) FROM tensorzero_auth_api_key WHERE length(hash) = 64").fetchone()[0] > 0


def test_auth_off_looks_at_no_header(mock):
    with Signet(config(openai_model("m", mock.url))) as signet:
        for headers in ([], [("authorization", "Bearer x")], [("x-api-key", UNKNOWN)]):
            assert raw.post(signet.port, CHAT, chat(), headers).status == 200


def test_tensorzeros_flags_of_serve(tmp_path):
    data = str(tmp_path / "data")

    def serve(*args):
        return subprocess.run([binary(), *args], capture_output=True, text=True, timeout=60, env={**os.environ, "SIGNET_DATA_DIR": data})
    made = serve("--create-api-key")
    assert made.returncode == 0 and re.fullmatch(r"sk-t0-\w{12}-\w{48}\n", made.stdout), made.stderr
    later = serve("--create-api-key", "--expiration", "2099-01-31T00:00:00+02:00")
    assert later.returncode == 0
    assert keys.listed(data)[0]["expires_at"] == "2099-01-30T22:00:00.000Z"
    past = serve("--create-api-key", "--expiration", "2020-01-01T00:00:00Z")
    assert past.returncode == 1 and "Expiration datetime needs to be in the future" in past.stderr and not past.stdout
    assert serve("--expiration", "2099-01-31T00:00:00Z", "--default-config").returncode != 0
    gone = serve("--disable-api-key", keys.public_id(made.stdout.strip()))
    assert gone.returncode == 0 and keys.listed(data)[1]["disabled_at"]
    assert serve("--disable-api-key", "nobody").returncode == 1


def test_wrong_usage_of_keys(tmp_path):
    data = str(tmp_path / "data")
    for args in (["create", "x"], ["disable"], ["list", "x"], ["burn", "x"], []):
        keys.run(data, *args, status=2)
    assert "No such file" in keys.run(data, "list", status=1)
    assert "--role boss" in keys.run(data, "create", "--role", "boss", status=1)
    assert "not a time" in keys.run(data, "create", "--expiration", "soon", status=1)
    assert keys.create(data) and "no key with the public id" in keys.run(data, "enable", "nobody", status=1)
    assert keys.run(data, "list").count("\n") == 2
