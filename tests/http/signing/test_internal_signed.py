"""Pages about signed providers: signers and their test, discovered models, a provider's test; and that no secret is in any answer."""
import json

import pytest
from lib import golden, raw, record
from lib.internal import page, post, request, with_query
from lib.raw import CHAT, chat
from lib.signet import Signet, config
from signing_lib import DeveloperApi, build_sample, native

DEVICE, SESSION, KEY, PASTED = "canary-device-71", "canary-session-72", "canary-key-73", "canary-pasted-74"


def toml(sample, api):
    return config(f'''
[models.signed]
routing = ["p"]
[models.signed.providers.p]
type = "rust-proxy"
model_name = "claude-3.5-sonnet"
device_id = "{DEVICE}"
session_id = "{SESSION}"
models_endpoint = "{api.endpoint.replace('/stream/chat', '/models')}"
signer = {{ path = "{sample}" }}
[models.keyed]
routing = ["q"]
[models.keyed.providers.q]
type = "openai"
model_name = "m"
api_base = "http://127.0.0.1:1/v1/"
api_key_location = "env::CANARY_KEY"
extra_headers = [{{ name = "authorization", value = "{PASTED}" }}]
''', record=True)


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    sample = build_sample(tmp_path_factory.mktemp("signer"))
    with DeveloperApi() as api, Signet(toml(sample, api), env={"API_ENDPOINT": api.endpoint, "CANARY_KEY": KEY}) as signet:
        yield signet


def ask(gateway, model="signed"):
    got = raw.post(gateway.port, CHAT, chat(model))
    id = got.headers["x-signet-inference-id"]
    record.wait_row(gateway.data_dir, id)
    return id


def test_a_signer_is_described(gateway):
    ask(gateway)
    got = page(gateway, "/signers")
    (signer,) = got["signers"]
    assert signer["id"] == "models.signed.providers.p" and len(signer["sha256"]) == 64 and signer["pinned"] is False
    assert signer["calls"] >= 1 and signer["us"]["p50"] >= 1 and signer["bytes"] > 100 and signer["imports"] == [] and signer["pages"] > 0
    assert any(e.startswith("sign") for e in signer["exports"]) and signer["pool"]["made"] >= 1 and signer["by_size"][0]["n"] >= 1
    golden.check("signers", got, bytes=1, pages=17, calls=3, made=1, path="sign.wasm", exports=[], n=3, us50=12, p50=12, p99=14, max=40)


def test_a_test_signature_is_what_signet_sign_prints(gateway):
    got = post(gateway, "/signers/models.signed.providers.p/test",
               {"content": "User: Hi", "device_id": "my-device", "nonce": "n-1", "timestamp": "1700000000", "repeat": 50})
    assert got["headers"]["sign"] == native("n-1", "1700000000", "my-device", "User: Hi")
    assert got["headers"]["nonce"] == "n-1" and got["us"]["p50"] <= got["us"]["p99"] and got["pages"] > 0
    got = post(gateway, "/signers/models.signed.providers.p/test", {"content": "x"})
    assert DEVICE not in json.dumps(got) and len(got["headers"]["nonce"]) == 36


@pytest.mark.parametrize("body,status", [({}, 400), ({"content": 1}, 400), ({"content": "x", "repeat": 0}, 400), ({"content": "x", "repeat": 5000}, 400)])
def test_a_test_that_is_none(gateway, body, status):
    assert "error" in post(gateway, "/signers/models.signed.providers.p/test", body, status)


def test_an_unknown_signer(gateway):
    post(gateway, "/signers/models.x.providers.y/test", {"content": "x"}, 404)


def test_few_test_signatures_a_minute(tmp_path):
    with DeveloperApi() as api, Signet(toml(build_sample(tmp_path), api), env={"API_ENDPOINT": api.endpoint, "CANARY_KEY": KEY}) as signet:
        answers = [request(signet, "POST", "/signers/models.signed.providers.p/test", body={"content": "x"}) for _ in range(25)]
        assert [a.status for a in answers[:10]] == [200] * 10 and answers[-1].status in (200, 429)
        refused = [a for a in answers if a.status == 429]
        assert refused and refused[0].headers["retry-after"] == "60"
        raw.wait_for(lambda: "a signature was made for a test" in signet.stderr())


def events(got):
    return [json.loads(e) for e in got.events()]


def test_a_provider_is_tested_and_leaves_a_row(gateway):
    got = request(gateway, "POST", "/models/signed/providers/p/test", body={"prompt": "Hello?"})
    assert got.status == 200 and got.headers["content-type"] == "text/event-stream"
    told = events(got)
    assert [e.get("stage") for e in told] == ["sign", "sent", "first byte", "first token", "done", None]
    assert told[-1]["ok"] is True and told[-1]["http_status"] == 200 and "Hello" in told[-1]["text"] and told[-1]["error"] is None
    row = raw.wait_for(lambda: page(gateway, "/logs", **{"tag.tensorzero::ui": "true"})["rows"], 10)[0]
    assert row["model"] == "signed" and row["surface"] == "ui" and row["preview_in"] == "Hello?" and row["signed"] is True


def test_a_provider_that_cannot_be_reached(gateway):
    told = events(request(gateway, "POST", "/models/keyed/providers/q/test", body={}))
    assert told[-1]["ok"] is False and told[-1]["http_status"] is None and len(told[-1]["error"]) > 10
    rows = raw.wait_for(lambda: page(gateway, "/logs", model="keyed", status="error")["rows"], 10)
    assert rows[0]["preview_in"] == "Say hello in one short sentence."


@pytest.mark.parametrize("path,body,status", [
    ("/models/signed/providers/x/test", {}, 404), ("/models/x/providers/p/test", {}, 404), ("/models/signed/providers/p/test", {"prompt": ""}, 400),
    ("/models/signed/providers/p/test", {"max_tokens": 0}, 400), ("/models/signed/providers/p/test", {"prompt": "x" * 70000}, 400),
    ("/models/keyed/providers/q/discover", {}, 404)])
def test_a_test_of_what_is_not_there(gateway, path, body, status):
    assert "error" in post(gateway, path, body, status)


def test_discovered_models(gateway):
    ask(gateway)
    (known,) = page(gateway, "/models")["discovered"]
    assert (known["model"], known["provider"], known["error"]) == ("signed", "p", None) and known["fetched_at"] and known["next_at"]
    fresh = post(gateway, "/models/signed/providers/p/discover", {})
    assert fresh["items"] == known["items"] and fresh["fetched_at"] >= known["fetched_at"]
    used_up = next(m for m in fresh["items"] if m["modelName"] == "used-up-model")
    assert used_up["usageLeft"] == 0 and used_up["usable"] is False and used_up["why"] == "no usage left"
    golden.check("models", page(gateway, "/models"))


def test_the_configuration_with_its_places(gateway):
    got = page(gateway, "/config")
    entries = {e["key"]: e for e in got["entries"]}
    assert entries["models.signed.routing"]["value"] == ["p"] and entries["models.signed.routing"]["line"] == 6
    assert entries["models.signed.providers.p.device_id"]["value"] == "<secret>"
    assert entries["models.keyed.providers.q.api_key_location"]["value"] == "env::CANARY_KEY (set)"
    assert entries["journal.max_mb"] == {"key": "journal.max_mb", "value": 8192, "from": "default"}
    assert entries["store.data_dir"]["from"] == "env" and entries["gateway.bind_address"]["from"] == "file"
    assert [e["key"] for e in got["entries"]] == sorted(e["key"] for e in got["entries"])
    assert page(gateway, "/config", hash=got["hash"])["hash"] == got["hash"]
    golden.check("config", {**got, "entries": [e for e in got["entries"] if e["key"].startswith("models.signed") and "signer" not in e["key"]]}, path="signet.toml", file="signet.toml")


def test_no_secret_is_in_any_answer(gateway):
    """Credentials, device id, session id and whole signatures: every route, every part."""
    id, failed = ask(gateway), ask(gateway, "keyed")
    request(gateway, "POST", "/models/signed/providers/p/test", body={})
    paths = [with_query(p, {}) for p in ("/session", "/health", "/models", "/signers", "/config", "/logs", "/logs/count", "/logs/histogram?range=1h",
             "/logs/facets?dim=model&dim=tag", "/overview?range=1h&by=model", "/logs/export?parts=1", "/logs/export?format=csv",
             f"/inferences/{id}", f"/inferences/{failed}", f"/inferences/{id}/parts/input", f"/inferences/{id}/parts/output")]
    detail = page(gateway, "/inferences/" + id)
    for attempt in detail["attempts"]:
        for part in ("raw_request", "raw_response", "chunks"):
            paths.append(f"/model_inferences/{attempt['model_inference_id']}/parts/{part}")
    assert len(detail["attempts"][0]["signature"]["head"]) == 8
    for path in paths:
        got = request(gateway, "GET", path)
        assert got.status == 200, (path, got.body)
        for secret in (DEVICE, SESSION, KEY, PASTED):
            assert secret.encode() not in got.body + got.head, (path, secret)
    for secret in (DEVICE, SESSION, KEY, PASTED):
        assert secret not in gateway.stderr()
