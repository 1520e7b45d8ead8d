"""POST /internal/signet/config/check (ui §4.14, §5): what is wrong in the files on disk and what differs from what runs; nothing that runs changes."""
import json
import os
import threading

import pytest

from lib import raw
from lib.mock import Mock
from lib.raw import CHAT, chat
from lib.signet import Signet, config, openai_model

CHECK, SESSION = "/internal/signet/config/check", "/internal/signet/session"


def toml(mock, extra=""):
    return config(openai_model("m", mock.url) + openai_model("two", mock.url + "/a", mock.url + "/b"), extra=extra, record=True)


def post(signet, path=CHECK, csrf=None, headers=()):
    csrf = csrf or ask(signet, "GET", SESSION).json["csrf"]
    return ask(signet, "POST", path, [("content-type", "application/json"), ("x-signet-csrf", csrf), ("content-length", "0"), *headers])


def ask(signet, method, path, headers=()):
    with raw.Client(signet.port, 60) as c:
        c.send("\r\n".join([f"{method} {path} HTTP/1.1", "host: localhost", *[f"{k}: {v}" for k, v in headers], "", ""]).encode())
        return c.read()


@pytest.fixture
def gateway():
    with Mock() as mock, Signet(toml(mock)) as signet:
        signet.mock = mock
        yield signet


def rewrite(signet, text):
    with open(signet.toml_path, "w") as f:
        f.write(text)


def test_files_as_they_were_loaded_differ_in_nothing(gateway):
    got = post(gateway)
    assert got.status == 200, got.text
    assert got.headers["cache-control"] == "no-store"
    answer = got.json
    assert answer.pop("hash") == gateway.status()["config_hash"]
    assert answer == {"ok": True, "errors": [], "warnings": [], "diff": []}
    assert "config-check" in ask(gateway, "GET", SESSION).json["features"]


def test_what_differs_is_told_key_by_key(gateway):
    before = gateway.status()["config_hash"]
    text = toml(gateway.mock, "[server]\ndrain_s = 7\n").replace('routing = ["p0", "p1"]', 'routing = ["p1", "p0"]').replace("[models.m]", "[models.renamed]").replace("models.m.", "models.renamed.")
    rewrite(gateway, text)
    answer = post(gateway).json
    assert answer["ok"] and answer["errors"] == [] and answer["hash"] != before
    diff = {d["key"]: d for d in answer["diff"]}
    assert diff["models.two.routing"] == {"key": "models.two.routing", "old": ["p0", "p1"], "new": ["p1", "p0"], "file": gateway.toml_path, "line": diff["models.two.routing"]["line"],
                                          "when": "now"}
    assert text.splitlines()[diff["models.two.routing"]["line"] - 1] == 'routing = ["p1", "p0"]'
    assert (diff["server.drain_s"]["old"], diff["server.drain_s"]["new"], diff["server.drain_s"]["when"]) == (30, 7, "restart")
    assert (diff["models.m.routing"]["new"], diff["models.m.routing"]["old"]) == (None, ["p"])
    assert diff["models.renamed.routing"]["old"] is None and diff["models.renamed.routing"]["new"] == ["p"]
    assert [d["key"] for d in answer["diff"]] == sorted(diff)
    # it was looked at, no more
    assert gateway.status()["config_hash"] == before
    assert raw.post(gateway.port, CHAT, chat("m")).status == 200 and raw.post(gateway.port, CHAT, chat("renamed")).status == 404


def test_what_is_wrong_has_file_and_line_and_changes_nothing(gateway):
    rewrite(gateway, toml(gateway.mock).replace('routing = ["p"]', 'routing = ["q"]') + "[server]\nfoo = 1\n")
    answer = post(gateway).json
    assert not answer["ok"] and answer["hash"] is None and answer["diff"] == []
    assert {e["file"] for e in answer["errors"]} == {gateway.toml_path}
    lines = open(gateway.toml_path).read().splitlines()
    assert "foo = 1" in {lines[e["line"] - 1] for e in answer["errors"]}
    assert {e["key"] for e in answer["errors"]} >= {"models.m", "server.foo"}
    rewrite(gateway, "[broken")
    assert not post(gateway).json["ok"]
    os.unlink(gateway.toml_path)
    gone = post(gateway).json
    assert not gone["ok"] and gone["errors"]
    assert raw.post(gateway.port, CHAT, chat("m")).status == 200


def test_secrets_in_the_files_are_in_no_answer(gateway):
    rewrite(gateway, toml(gateway.mock) + '[models.rust]\nrouting = ["p"]\n[models.rust.providers.p]\ntype = "rust-proxy"\nmodel_name = "x"\napi_endpoint = "http://127.0.0.1:1"\n'
            'device_id = "canary-device"\nos_type = "linux"\nsession_id = "canary-session"\n')
    got = post(gateway)
    assert got.status == 200 and "canary" not in got.text
    rewrite(gateway, toml(gateway.mock).replace('api_key_location = "none"', 'api_key_location = "sk-canary-pasted-where-a-place-belongs"'))
    got = post(gateway)
    assert got.status == 200 and "canary" not in got.text


def test_it_takes_the_command_line_and_the_environment_with_it():
    with Mock() as mock, Signet(toml(mock), args=["--workers", "1"], env={"SIGNET_ON_DISCONNECT": "finish"}) as signet:
        assert post(signet).json["diff"] == []


def test_many_at_once(gateway):
    csrf, got = ask(gateway, "GET", SESSION).json["csrf"], []
    threads = [threading.Thread(target=lambda: got.append(post(gateway, csrf=csrf))) for _ in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert [(a.status, a.json["ok"], a.json["diff"]) for a in got] == [(200, True, [])] * 8


def test_it_is_an_admins(gateway):
    with Mock() as mock, Signet(toml(mock), env={"SIGNET_UI_AUTH": "none"}) as signet:
        got = post(signet)
        assert got.status == 403 and "role admin" in json.loads(got.body)["error"]
    assert ask(gateway, "POST", CHECK, [("content-length", "0")]).status == 403  # without the page's token
