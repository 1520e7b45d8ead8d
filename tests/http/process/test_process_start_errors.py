"""What a start and `signet check` say of settings that a newcomer gets wrong: each sentence with its fix."""
import json
import os
import subprocess

import pytest

from lib.signet import NOT_INHERITED, binary

RUST = '[models.r]\nrouting = ["d"]\n[models.r.providers.d]\ntype = "rust-proxy"\nmodel_name = "x"\n'
OPENAI = '[models.m]\nrouting = ["p"]\n[models.m.providers.p]\ntype = "openai"\nmodel_name = "x"\napi_key_location = "%s"\n'
GOOD = {"API_ENDPOINT": "http://127.0.0.1:9/stream/chat", "DEVICE_ID": "d-1", "SID": "s-1"}


def run(command, toml, folder, *args, **variables):
    path = folder / "signet.toml"
    path.write_text("[gateway.observability]\nenabled = false\n" + toml)
    env = {k: v for k, v in os.environ.items() if not k.startswith(NOT_INHERITED) and k not in GOOD and k != "OS_TYPE"}
    more = ["--validate-and-exit", "--bind-address", "127.0.0.1:0", "--data-dir", str(folder / "data")] if command == "serve" else []
    done = subprocess.run([binary(), command, str(path), *more, *args], env={**env, **variables}, capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("changed,says", [
    ({"SID": None}, ["SID is not set (models.r.providers.d); set SID where Signet starts, or write", "`session_id_location`"]),
    ({"SID": "sid"}, ["SID is not set", "put your own value in SID, which is empty, a placeholder"]),
    ({"API_ENDPOINT": "https://xxx", "DEVICE_ID": "xxxx", "SID": None}, ["; set SID where Signet starts", "put your own value in API_ENDPOINT, DEVICE_ID, which"]),
], ids=["not set", "a placeholder", "both"])
def test_a_setting_that_is_missing_or_a_placeholder_names_its_fix(tmp_path, changed, says):
    status, out, err = run("serve", RUST, tmp_path, **{k: v for k, v in {**GOOD, **changed}.items() if v is not None})
    assert status == 1 and "s-1" not in err
    for text in says:
        assert text in err, err


def test_a_value_from_a_windows_file_is_cut_and_told(tmp_path):
    status, out, err = run("check", RUST, tmp_path, **{**GOOD, "SID": "s-1\r"})
    assert "Environment variable `SID` ends in a carriage return, which is cut off" in err and "sed -i" in err, err


@pytest.mark.parametrize("url,warns", [("http://127.0.0.1:9", True), ("http://127.0.0.1:9/", True), ("http://127.0.0.1:9/stream/chat", False)])
def test_an_endpoint_without_a_path_warns(tmp_path, url, warns):
    err = run("check", RUST, tmp_path, **{**GOOD, "API_ENDPOINT": url})[2]
    assert ("has no path (API_ENDPOINT is the whole URL of the chat endpoint" in err) == warns, err


def test_check_fails_on_a_missing_module_and_says_where_it_looked(tmp_path):
    status, out, err = run("check", RUST, tmp_path, **GOOD)
    assert status == 1 and "rust_proxy/sign_bg.wasm" in err and str(tmp_path) in err, err


def test_strict_makes_warnings_fatal(tmp_path):
    toml = OPENAI % "env::NOT_THERE"
    assert run("check", toml, tmp_path)[0] == 0
    status, out, err = run("check", toml, tmp_path, "--strict")
    assert (status, out) == (1, "") and "1 warning, which --strict does not let pass." in err
    assert run("check", toml, tmp_path, "--strict", NOT_THERE="sk-x")[0] == 0
    status, out, _ = run("check", toml, tmp_path, "--strict", "--json")
    assert status == 1 and json.loads(out)[0]["warning"] is True


def test_keys_of_the_json_have_one_form(tmp_path):
    toml = OPENAI % "nowhere" + 'api_base = 3\nxyz = 1\n' + RUST + "search_mode = 7\n"
    found = json.loads(run("check", toml, tmp_path, "--json")[1])
    keys = {f["key"] for f in found}
    assert {"models.m.providers.p.api_key_location", "models.m.providers.p.api_base", "models.r.providers.d.search_mode"} <= keys, keys
    assert not any(": " in k for k in keys)


@pytest.mark.parametrize("text,says", [("", "is empty"), ("k" * 70000, "is larger than 64 KiB"), (None, "No such file or directory")])
def test_a_file_with_a_secret_that_cannot_be_used_is_named(tmp_path, text, says):
    secret = tmp_path / "key"
    if text is not None:
        secret.write_text(text)
    status, out, err = run("serve", OPENAI % f"path::{secret}", tmp_path)
    assert status == 1 and says in err and str(secret) in err, err


@pytest.mark.parametrize("mode,warns", [(0o644, True), (0o640, False), (0o600, False)])
def test_a_secret_that_every_user_can_read_warns_once(tmp_path, mode, warns):
    secret = tmp_path / "key"
    secret.write_text("sk-live-1\r\n")
    secret.chmod(mode)
    status, out, err = run("serve", OPENAI % f"path::{secret}", tmp_path)
    assert status == 0, err
    assert err.count("can be read by every user (chmod 600)") == (1 if warns else 0) and "sk-live" not in err
    status, out, err = run("serve", OPENAI % "path_from_env::KEY_FILE", tmp_path, KEY_FILE=str(secret))
    assert status == 0, err
