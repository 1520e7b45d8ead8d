"""Which model a name means, what /v1/models lists, which profile a request gets (surfaces §1.2, §2, §3)."""
import re

import pytest

from lib import raw
from lib.mock import chat_answer, json_answer, sse, text_chunks
from lib.raw import CHAT, TZ, TZ_CHAT, chat
from lib.signet import Signet, config, openai_model


def signet_toml(mock):
    return config(openai_model("gpt", mock.url + "/gpt") + openai_model("name/with::all", mock.url + "/odd").replace("[models.name/with::all", '[models."name/with::all"')
                  + openai_model("claude-big", mock.url + "/big"),
                  extra='''[surfaces.aliases]
fast = "gpt"
"claude-*" = { target = "gpt", display_name = "Any Claude" }
"claude-3-*" = "claude-big"
chain = "fast"
prefixed = "tensorzero::model_name::claude-big"
nowhere = "not-configured"
limits = { target = "gpt", display_name = "With limits", max_input_tokens = 1000, max_output_tokens = 100 }
''')


@pytest.mark.parametrize("name,target", [
    ("gpt", "/gpt"), (TZ + "gpt", "/gpt"), ("name/with::all", "/odd"), ("fast", "/gpt"), ("prefixed", "/big"),
    ("claude-x", "/gpt"), ("claude-3-opus", "/big"), ("claude-big", "/big"), ("limits", "/gpt"),
])
def test_names(signet, mock, name, target):
    got = raw.post(signet.port, CHAT, chat(name))
    assert got.status == 200, got.body
    assert got.json["model"] == name, "the name that was asked for comes back"
    assert mock.last().target == target + "/v1/chat/completions"


@pytest.mark.parametrize("name", ["chain", "nowhere", "GPT", "gpt ", "anthropic/gpt", TZ + "fast"])
def test_names_that_mean_nothing(signet, mock, name):
    got = raw.post(signet.port, CHAT, chat(name))
    assert got.status == 404, got.body
    error = got.json["error"]
    assert (error["type"], error["code"], error["param"]) == ("invalid_request_error", "model_not_found", "model")
    assert error["message"].startswith(f"The model `{name.removeprefix(TZ)}` does not exist.")
    assert not mock.requests


def test_nearest_names_are_said(signet):
    assert "gpt" in raw.post(signet.port, CHAT, chat("gpd")).message.split("Known: ")[1]


@pytest.mark.parametrize("model", ["", None, 5, ["gpt"]])
def test_model_of_no_use_is_400(signet, mock, model):
    assert raw.post(signet.port, CHAT, {**chat(), "model": model}).status == 400
    assert raw.post(signet.port, CHAT, {"messages": []}).status == 400


def test_functions_are_not_there_yet(signet):
    for path in (CHAT, TZ_CHAT):
        got = raw.post(signet.port, path, chat("tensorzero::function_name::f"))
        assert got.status == 404 and ("Unknown function: f" in got.message or path == CHAT)


def test_bare_names_are_refused_on_tensorzeros_route(signet, mock):
    got = raw.post(signet.port, TZ_CHAT, chat("gpt"))
    assert got.status == 400
    assert got.message.startswith("Invalid request to OpenAI-compatible endpoint: `model` field must start with `tensorzero::function_name::`")


def test_profile_header_beats_the_path(signet, mock):
    got = raw.post(signet.port, TZ_CHAT, chat("gpt"), [("x-signet-profile", "openai")])
    assert got.status == 200 and got.json["id"].startswith("chatcmpl-")
    got = raw.post(signet.port, CHAT, chat(TZ + "gpt"), [("x-signet-profile", "tensorzero")])
    assert got.status == 200 and got.json["model"] == TZ + "gpt" and "episode_id" in got.json


@pytest.mark.parametrize("path", ["/v1/models", "/openai/v1/models"])
def test_list(signet, path):
    got = raw.get(signet.port, path)
    assert got.status == 200 and got.json["object"] == "list" and set(got.json) == {"object", "data"}
    ids = [m["id"] for m in got.json["data"]]
    assert ids == ["fast", "chain", "prefixed", "nowhere", "limits", "gpt", "name/with::all", "claude-big"]
    one = {m["id"]: m for m in got.json["data"]}
    assert one["gpt"].keys() == {"id", "object", "created", "owned_by"}
    assert one["gpt"]["owned_by"] == "openai" and one["gpt"]["object"] == "model"
    assert (one["limits"]["display_name"], one["limits"]["context_length"], one["limits"]["max_output_tokens"]) == ("With limits", 1000, 100)
    assert len({m["created"] for m in got.json["data"]}) == 1


def test_list_is_cached_by_etag(signet):
    first = raw.get(signet.port, "/v1/models")
    again = raw.get(signet.port, "/v1/models", [("if-none-match", first.headers["etag"])])
    assert (again.status, again.body) == (304, b"")
    other = raw.get(signet.port, "/v1/models", [("if-none-match", first.headers["etag"][:-2] + 'x"')])
    assert (other.status, other.body, other.headers["etag"]) == (200, first.body, first.headers["etag"])


@pytest.mark.parametrize("header,matches", [("{}", True), ("W/{}", True), ("*", True), ('"a", {}', True), ('"a",W/{} , "b"', True), ("W/*", True),
                                            ('"a", "b"', False), ("", False), (",", False), ("w/{}", False), ("{}x", False)])
def test_any_etag_of_a_list_matches(signet, header, matches):
    etag = raw.get(signet.port, "/v1/models").headers["etag"]
    assert re.fullmatch('"[0-9a-f]{64}"', etag)
    got = raw.get(signet.port, "/v1/models/gpt", [("if-none-match", header.format(etag))])
    assert (got.status, got.headers["etag"]) == (304 if matches else 200, etag)


@pytest.mark.parametrize("name,owner", [("gpt", "openai"), ("fast", "openai"), ("prefixed", "openai"), ("nowhere", "signet"), ("claude-x", "openai"), ("chain", "signet")])
def test_who_owns_a_model(signet, name, owner):
    got = raw.get(signet.port, "/v1/models/" + name)
    if got.status == 200:
        assert got.json["owned_by"] == owner
    listed = {m["id"]: m["owned_by"] for m in raw.get(signet.port, "/v1/models").json["data"]}
    assert listed.get(name, owner) == owner


@pytest.mark.parametrize("path,id", [("/v1/models/gpt", "gpt"), ("/v1/models/gpt/", "gpt"), ("/openai/v1/models/gpt?x=1", "gpt"), ("/v1/models/name/with::all", "name/with::all"),
                                     ("/v1/models/name%2Fwith%3A%3Aall", "name/with::all"), ("/v1/models/%6e%61me%2fwith%3a%3aall", "name/with::all"), ("/v1/models/g%70t", "gpt"), ("/v1/models/claude-3-any", "claude-3-any"),
                                     ("/v1/models/tensorzero::model_name::gpt", "tensorzero::model_name::gpt")])
def test_one(signet, path, id):
    got = raw.get(signet.port, path)
    assert (got.status, got.json["id"], got.json["object"]) == (200, id, "model")


@pytest.mark.parametrize("path,id", [("g%7", "g%7"), ("gp%", "gp%"), ("%zzgpt", "%zzgpt"), ("%7gpt", "%7gpt"), ("%g7", "%g7"), ("%2525", "%25")])
def test_what_is_no_escape_stays_as_it_is(signet, path, id):
    got = raw.get(signet.port, "/v1/models/" + path)
    assert got.status == 404 and f"`{id}`" in got.message


def test_one_that_is_not_there(signet):
    got = raw.get(signet.port, "/v1/models/nope")
    assert (got.status, got.json["error"]["code"]) == (404, "model_not_found")


def test_default_model_and_no_shorthand(module_mock):
    toml = config(openai_model("gpt", module_mock.url), extra='[surfaces]\ndefault_model = "gpt"\nshorthand = false')
    with Signet(toml) as s:
        got = raw.post(s.port, CHAT, chat("whatever"))
        assert (got.status, got.json["model"]) == (200, "whatever")
        assert raw.post(s.port, CHAT, chat("openai::gpt-4o")).status == 200, "with shorthand off this is a name like any other"


def test_shorthand_reads_the_environment(module_mock):
    toml = config(openai_model("gpt", module_mock.url), extra='[provider_types.openai.defaults]\napi_key_location = "env::MY_KEY"')
    with Signet(toml, env={"MY_KEY": "sk-x", "HTTPS_PROXY": "http://127.0.0.1:1"}) as s:
        got = raw.post(s.port, CHAT, chat("openai::gpt-4o"))
        assert got.status == 502 and "sk-x" not in got.text, "it is a model; there is no way out of this test's network"
        assert "model_not_found" not in got.text
    with Signet(config(openai_model("gpt", module_mock.url))) as s:
        got = raw.post(s.port, CHAT, chat("openai::gpt-4o"))
        assert got.status >= 400 and "OPENAI_API_KEY" in got.message


def test_base_path(module_mock):
    module_mock.reset()
    with Signet(config(openai_model("gpt", module_mock.url), gateway='base_path = "/gw/"'), wait=20) as s:
        for path in ("/gw/v1/chat/completions", "/gw/openai/v1/chat/completions"):
            assert raw.post(s.port, path, chat("gpt" if "openai" not in path else TZ + "gpt")).status == 200
        for path in ("/gw/status", "/gw/health", "/gw/metrics", "/gw/v1/models"):
            assert raw.get(s.port, path).status == 200
        for path in ("/status", "/v1/models", "/v1/chat/completions"):
            assert raw.get(s.port, path).status == 404


@pytest.mark.parametrize("stream", [False, True])
def test_a_pass_through_answer_keeps_the_upstreams_id(signet, mock, stream):
    """surfaces §1.5: beside the gateway's own x-request-id; never on TensorZero's route."""
    ids = [("x-request-id", "req-up-1")]
    mock.reset(sse(text_chunks("hi"), headers=ids) if stream else json_answer(chat_answer("hi"), headers=ids))
    h = raw.post(signet.port, CHAT, chat("gpt", stream=stream)).headers
    assert (h["request-id"], h["x-signet-upstream-request-id"]) == ("req-up-1", "req-up-1")
    assert re.fullmatch("req_[0-9a-f]{32}", h["x-request-id"])
    h = raw.post(signet.port, TZ_CHAT, chat(TZ + "gpt", stream=stream)).headers
    assert h["request-id"] == h["x-request-id"] != "req-up-1"


def test_ids_and_headers(signet, mock):
    got = raw.post(signet.port, CHAT, chat("gpt"))
    h = got.headers
    assert h["x-request-id"] == h["request-id"] and re.fullmatch("req_[0-9a-f]{32}", h["x-request-id"])
    assert got.json["id"] == "chatcmpl-" + h["x-signet-inference-id"].replace("-", "")
    assert re.fullmatch("[0-9a-f-]{36}", h["x-signet-episode-id"])
    assert (h["x-signet-model"], h["x-signet-provider"], h["x-signet-variant"]) == ("gpt", "p", "gpt")
    episode = "0199c0de-1111-7222-8333-444455556666"
    got = raw.post(signet.port, CHAT, chat("gpt"), [("x-tensorzero-episode-id", episode)])
    assert got.headers["x-signet-episode-id"] == episode


def test_ignored_fields_are_named(signet, mock):
    got = raw.post(signet.port, TZ_CHAT, chat(TZ + "gpt", user="u", odd_one=1))
    assert set(got.headers["x-signet-ignored"].replace(" ", "").split(",")) == {"odd_one", "user"}
    assert "x-signet-ignored" not in raw.post(signet.port, CHAT, chat("gpt", odd_one=1)).headers, "it was passed on, not ignored"


def test_misspelt_tensorzero_field_is_refused_on_v1(signet, mock):
    got = raw.post(signet.port, CHAT, chat("gpt", **{"tensorzero::tag": {}}))
    assert got.status == 400 and "tensorzero::tag" in got.message and not mock.requests


def test_patterns_are_not_among_the_nearest_names(signet):
    known = raw.post(signet.port, CHAT, chat("claude")).message
    assert "claude-x" not in known  # claude-* takes every name that begins so
    assert "claude-big" in known.split("Known: ")[1] and "claude-," not in known and "claude-3-," not in known


def test_an_answer_before_there_is_an_episode_names_none(signet):
    got = raw.post(signet.port, CHAT, chat("gpt", n=9))
    assert got.status == 400 and "x-signet-inference-id" in got.headers and "x-signet-episode-id" not in got.headers


def test_many_ignored_fields_are_cut_behind_a_whole_name(signet, mock):
    odd = {f"field_number_{i:03}_of_many": i for i in range(100)}
    got = raw.post(signet.port, TZ_CHAT, chat(TZ + "gpt", **odd))
    assert got.status == 200
    names = got.headers["x-signet-ignored"].split(", ")
    assert len(got.headers["x-signet-ignored"]) <= 1024 and len(names) > 30
    assert set(names) <= set(odd)


@pytest.mark.parametrize("path,prefix", [(CHAT, ""), (TZ_CHAT, TZ)], ids=["openai", "tensorzero"])
@pytest.mark.parametrize("model,asked,told", [
    ("secret", "team-a", None), ("secret", None, "None"), ("secret", "team-b", "team-b"), ("secret", "team-", "team-"),
    ("secret", "team-aa", "team-aa"), ("open", None, None), ("open", "team-b", None),
])
def test_a_namespaced_model_wants_its_namespace(module_mock, mock, path, prefix, model, asked, told):
    toml = config(openai_model("secret", module_mock.url, model_keys='namespace = "team-a"') + openai_model("open", module_mock.url))
    with Signet(toml) as s:
        got = raw.post(s.port, path, {**chat(prefix + model), **({"tensorzero::namespace": asked} if asked else {})})
    if told is None:
        assert got.status == 200 and len(mock.requests) == 1
        return
    assert (got.status, len(mock.requests)) == (400, 0)
    assert got.message == (f"Model `secret` has namespace `team-a`, but the request namespace is `{told}`. "
                           "Namespaced models can only be used with a matching namespace.")
