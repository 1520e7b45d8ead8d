"""Model discovery against the sample developer API, and the quickstart's own configuration."""
import os
import shutil
import stat

import httpx
import pytest
from lib.mock import answer as plain, json_answer
from lib.signet import ROOT, Signet, config
from signing_lib import DeveloperApi, build_sample


def ask(signet, name):
    body = {"model": name, "messages": [{"role": "user", "content": "Hello"}]}
    return httpx.post(signet.url + "/v1/chat/completions", json=body, timeout=30)


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    sample = build_sample(tmp_path_factory.mktemp("signer"))
    toml = ""
    for name, listed in (("short", "claude-3.5-sonnet"), ("whole", "gpt-4o-2024-11-20"), ("base", "base-model"),
                         ("used", "used-up-model"), ("unknown", "no-such-model")):
        toml += (f'[models.{name}]\nrouting = ["p"]\n[models.{name}.providers.p]\ntype = "rust-proxy"\n'
                 f'model_name = "{listed}"\ndevice_id = "d"\nsession_id = "s"\nsigner = {{ path = "{sample}" }}\n'
                 "model_filter = { min_usage_left = 1 }\n")
    with DeveloperApi() as api, Signet(config(toml), env={"API_ENDPOINT": api.endpoint}) as signet:
        yield signet


@pytest.mark.parametrize("name", ["short", "whole", "base"])
def test_a_usable_model_answers(gateway, name):
    assert ask(gateway, name).status_code == 200


@pytest.mark.parametrize("name, listed", [("used", "used-up-model"), ("unknown", "no-such-model")])
def test_an_exhausted_or_unknown_model_fails_at_once(gateway, name, listed):
    answer = ask(gateway, name)
    assert answer.status_code == 400
    assert f"Model '{listed}' is not available or has no usage left" in answer.text


def test_discovered_models_are_listed(gateway):
    assert ask(gateway, "whole").status_code == 200
    ids = [m["id"] for m in httpx.get(gateway.url + "/v1/models").json()["data"]]
    assert {"base-model", "claude-3.5-sonnet-20241022", "gpt-4o-2024-11-20"} <= set(ids)
    assert "used-up-model" not in ids


def test_the_beginning_of_one_listed_name_is_a_short_name(gateway):
    assert ask(gateway, "whole").status_code == 200
    answer = ask(gateway, "gpt-4o")
    assert answer.status_code == 200, answer.text
    assert answer.json()["model"] == "gpt-4o"
    assert answer.headers["x-signet-model"] == "gpt-4o-2024-11-20"
    assert ask(gateway, "used-up").status_code == 404
    assert httpx.get(gateway.url + "/v1/models/gpt-4o").status_code == 200


def test_the_quickstart_needs_four_variables_and_a_module(tmp_path):
    folder = tmp_path / "quickstart"
    folder.mkdir()
    with open(os.path.join(ROOT, "examples", "quickstart", "signet.toml")) as f:
        toml = '[gateway]\nbind_address = "127.0.0.1:0"\n' + f.read()
    missing = Signet(toml, folder=str(folder), start=False)
    status, stderr = missing.fails_to_start()
    assert status == 1
    assert "API_ENDPOINT" in stderr and "DEVICE_ID" in stderr and "SID" in stderr
    built = build_sample(folder / "rust_proxy")
    shutil.move(built, folder / "rust_proxy" / "sign_bg.wasm")
    with DeveloperApi() as api:
        env = {"API_ENDPOINT": api.endpoint, "DEVICE_ID": "d", "OS_TYPE": "3", "SID": "s"}
        with Signet(toml, folder=str(folder), env=env) as signet:
            assert ask(signet, "rust-proxy").status_code == 200
            kept = os.listdir(os.path.join(signet.data_dir, "modules"))
            assert len(kept) == 1
            assert stat.S_IMODE(os.stat(os.path.join(signet.data_dir, "modules", kept[0])).st_mode) == 0o600


LISTED = [{"displayName": "Basic", "modelName": "basic", "modelType": "base", "isNew": False, "usageLeft": 0},
          {"displayName": "Fresh", "modelName": "fresh", "modelType": "premium", "isNew": True, "usageLeft": 1},
          {"displayName": "Old", "modelName": "old", "modelType": "premium", "isNew": False, "usageLeft": 5},
          {"displayName": "Trial", "modelName": "trial", "modelType": "freeTrial", "isNew": False, "usageLeft": 2},
          {"displayName": "Empty", "modelName": "empty", "modelType": "premium", "isNew": True, "usageLeft": 0}]


@pytest.mark.parametrize("chosen, usable", [
    ("", {"basic", "fresh", "old", "trial"}),
    ("model_filter = { min_usage_left = 1 }", {"basic", "fresh", "old", "trial"}),
    ("model_filter = { min_usage_left = 2 }", {"basic", "old", "trial"}),
    ("model_filter = { include_types = [\"premium\"] }", {"fresh", "old"}),
    ("model_filter = { include_types = [\"base\", \"freeTrial\"] }", {"basic", "trial"}),
    ("model_filter = { exclude_types = [\"premium\"] }", {"basic", "trial"}),
    ("model_filter = { only_new = true }", {"fresh"}),
])
def test_which_listed_models_may_be_called(tmp_path, mock, chosen, usable):
    sample = build_sample(tmp_path)
    mock.route("/models", json_answer(LISTED))
    mock.default = plain("event: c\ndata: ok\n\nevent: finish\ndata:\n\n", content_type="text/event-stream")
    toml = (f'[models.m]\nrouting = ["p"]\n[models.m.providers.p]\ntype = "rust-proxy"\nmodel_name = "old"\ndevice_id = "d"\nsession_id = "s"\n'
            f'api_endpoint = "{mock.url}/stream/chat"\nmodels_endpoint = "{mock.url}/models"\nsigner = {{ path = "{sample}" }}\n{chosen}\n')
    with Signet(config(toml)) as signet:
        ask(signet, "m")  # the list is fetched with the first call
        assert {m["modelName"] for m in LISTED if ask(signet, m["modelName"]).status_code == 200} == usable
        listed = {m["id"] for m in httpx.get(signet.url + "/v1/models").json()["data"]}
        assert listed & {m["modelName"] for m in LISTED} == usable
