"""What goes up is what the client said (surfaces §3.1): limits under their own names, any seed, and lists that the upstream owns.

Values that Signet has no words for pass to an upstream of OpenAI's family as they came; for another family they are named
in x-signet-ignored, or are a 400. On /openai/v1 everything is as TensorZero has it.
"""
import base64
import json
import subprocess

import pytest
from lib import raw, record
from lib.mock import chat_answer, json_answer
from lib.raw import CHAT, TZ, TZ_CHAT, chat
from lib.signet import Signet, binary, config, openai_model
from signing.signing_lib import build_sample

TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}


@pytest.fixture(scope="module")
def module_signet(module_mock, tmp_path_factory):
    sample = build_sample(tmp_path_factory.mktemp("signer"))
    foreign = ('[models.foreign]\nrouting = ["p"]\n[models.foreign.providers.p]\ntype = "rust-proxy"\nmodel_name = "x"\n'
               f'api_endpoint = "{module_mock.url}/stream/chat"\ndevice_id = "d"\nsession_id = "s"\nsigner = {{ path = "{sample}" }}\n')
    with Signet(config(openai_model("m", module_mock.url) + openai_model("drops", module_mock.url, keys='drop_fields = ["max_tokens"]\n') + foreign,
                       record=True)) as signet:
        yield signet


def sent(signet, mock, path=CHAT, model="m", **fields):
    """What the upstream gets of it, as text, and what it says of it."""
    mock.then(json_answer(chat_answer("ok")))
    got = raw.post(signet.port, path, json.dumps(chat(model, **fields)))
    assert got.status == 200, got.body
    return mock.last().json, got


def foreign(signet, mock, **fields):
    from lib.mock import answer
    mock.then(answer("event: c\ndata: ok\n\nevent: finish\ndata:\n\n", content_type="text/event-stream"))
    return raw.post(signet.port, CHAT, json.dumps(chat("foreign", **fields)))


# -- max_tokens --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("given", [{"max_tokens": 5}, {"max_completion_tokens": 6}, {"max_tokens": 5, "max_completion_tokens": 6},
                                   {"max_completion_tokens": 5, "max_tokens": 6}, {"max_tokens": -1}, {"max_completion_tokens": -2},
                                   {"max_tokens": None}, {"max_tokens": None, "max_completion_tokens": 7}, {"max_tokens": 7, "max_completion_tokens": None},
                                   {"max_tokens": 2**40}, {"max_tokens": 2**63 - 1}])
def test_a_limit_keeps_its_name(signet, mock, given):
    body, _ = sent(signet, mock, **given)
    assert {k: v for k, v in body.items() if k.startswith("max_")} == given
    assert [k for k in body if k.startswith("max_")] == list(given)


@pytest.mark.parametrize("given,want", [({"max_tokens": 5}, 5), ({"max_completion_tokens": 6}, 6), ({"max_tokens": 5, "max_completion_tokens": 6}, 5)])
def test_a_limit_on_tensorzeros_route_has_one_name(signet, mock, given, want):
    mock.then(json_answer(chat_answer("ok")))
    body, _ = sent(signet, mock, TZ_CHAT, TZ + "m", **given)
    assert {k: v for k, v in body.items() if k.startswith("max_")} == {"max_completion_tokens": want}


def test_tensorzeros_own_limit_wins_over_both(signet, mock):
    body, _ = sent(signet, mock, max_tokens=5, max_completion_tokens=6, **{"tensorzero::params": {"chat_completion": {"max_tokens": 4}}})
    assert {k: v for k, v in body.items() if k.startswith("max_")} == {"max_completion_tokens": 4}


def test_a_limit_that_is_dropped_comes_back_under_no_other_name(signet, mock):
    body, got = sent(signet, mock, model="drops", max_tokens=5)
    assert not [k for k in body if k.startswith("max_")] and got.headers["x-signet-ignored"] == "max_tokens"
    body, _ = sent(signet, mock, model="drops", max_tokens=5, max_completion_tokens=6)
    assert body["max_completion_tokens"] == 6 and "max_tokens" not in body


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
def test_a_limit_without_a_meaning_elsewhere_is_refused_there(signet, mock, name):
    got = foreign(signet, mock, **{name: -1})
    assert got.status == 400 and got.message.endswith(f"`{name}` must be at least 1")
    assert foreign(signet, mock, **{name: 1}).headers["x-signet-ignored"] == "max_tokens"


@pytest.mark.parametrize("value", [1.5, "5", 2**63, True, {}])
def test_a_limit_is_a_whole_number(signet, value):
    assert raw.post(signet.port, CHAT, chat(max_tokens=value)).status == 400


# -- seed --------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [-1, 0, 1, 2**32, -(2**31) - 1, 2**63 - 1, -(2**63)])
def test_a_seed_is_any_signed_number(signet, mock, seed):
    body, got = sent(signet, mock, seed=seed)
    assert body["seed"] == seed
    row = record.whole(signet.data_dir, got.headers["x-signet-inference-id"])["ChatInference"][0]
    assert row["inference_params"] == {"chat_completion": {"seed": seed}}
    assert foreign(signet, mock, seed=seed).headers["x-signet-ignored"] == "seed"


@pytest.mark.parametrize("seed", [2**63, -(2**63) - 1, 1.0, "1", [1]])
def test_another_seed_is_refused(signet, seed):
    got = raw.post(signet.port, CHAT, chat(seed=seed))
    assert got.status == 400 and got.json["error"]["param"] == "seed"


@pytest.mark.parametrize("seed,status", [(-1, 400), (2**32, 400), (2**32 - 1, 200)])
def test_a_seed_on_tensorzeros_route_is_as_there(signet, mock, seed, status):
    assert raw.post(signet.port, TZ_CHAT, chat(TZ + "m", seed=seed)).status == status


# -- open lists --------------------------------------------------------------------------------------------------------------

PNG = "data:image/png;base64," + base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(20)).decode()
SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}}


def user(part):
    return {"messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}, part]}]}


def image(**more):
    return user({"type": "image_url", "image_url": {"url": PNG, **more}})


CALLED = [{"role": "user", "content": "Hi"},
          {"role": "assistant", "content": None, "tool_calls": [{"id": "mc_1", "type": "mcp_call", "mcp_call": {"server": "s", "name": "n"}}]},
          {"role": "tool", "tool_call_id": "mc_1", "content": "4"}]
OPEN = {
    "detail": image(detail="original"),
    "detail empty": image(detail=""),
    "format type": {"response_format": {"type": "grammar", "grammar": "root ::= x"}},
    "format regex": {"response_format": {"type": "regex", "pattern": "a+"}},
    "format flat schema": {"response_format": {"type": "json_schema", "schema": SCHEMA}},
    "format of an object": {"response_format": {"type": "json_object", "schema": SCHEMA}},
    "audio": user({"type": "input_audio", "input_audio": {"data": base64.b64encode(bytes(range(40))).decode(), "format": "pcm16"}}),
    "audio of tomorrow": user({"type": "input_audio", "input_audio": {"data": "AAAA", "format": "opus"}}),
    "part": user({"type": "input_video", "input_video": {"data": "AAAA"}}),
    "tier": {"service_tier": "overnight"},
    "effort": {"reasoning_effort": "frantic"},
    "verbosity": {"verbosity": "mute"},
    "tool choice word": {"tools": [TOOL], "tool_choice": "any"},
    "tool choice type": {"tools": [TOOL, {"type": "mcp", "server_label": "s"}], "tool_choice": {"type": "mcp", "server_label": "s"}},
    "allowed mode": {"tools": [TOOL], "tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "prefer", "tools": [
        {"type": "function", "function": {"name": "f"}}]}}},
    "allowed tool": {"tools": [TOOL, {"type": "web_search"}], "tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [
        {"type": "web_search"}]}}},
    "tool type": {"tools": [{"type": "computer_use", "width": 3}]},
    "custom format": {"tools": [{"type": "custom", "custom": {"name": "c", "format": {"type": "ebnf", "text": "a"}}}]},
    "custom syntax": {"tools": [{"type": "custom", "custom": {"name": "c", "format": {"type": "grammar", "grammar": {"syntax": "gbnf", "definition": "a"}}}}]},
    "call type": {"messages": CALLED},
    "modality": {"modalities": ["text", "smell"], "audio": {"voice": "nobody", "format": "wax"}},
    "retention": {"prompt_cache_retention": "for ever"},
    "stream option": {"stream_options": {"include_smell": True}},
    "prediction": {"prediction": {"type": "guess", "content": 1}},
    "search": {"web_search_options": {"search_context_size": "huge"}},
}


@pytest.mark.parametrize("what", OPEN)
def test_a_list_that_the_upstream_owns_is_open(signet, mock, what):
    fields = OPEN[what]
    body, _ = sent(signet, mock, **fields)
    assert {k: body[k] for k in fields} == fields


@pytest.mark.parametrize("what,names", [("format type", "response_format"), ("format flat schema", "response_format"), ("tool choice word", "tool_choice, tools"),
                                        ("tier", "service_tier"), ("tool type", "tools[0]:computer_use"), ("modality", "modalities, audio")])
def test_what_another_family_cannot_say_is_named(signet, mock, what, names):
    got = foreign(signet, mock, **OPEN[what])
    assert got.status == 200 and sorted(got.headers["x-signet-ignored"].split(", ")) == sorted(names.split(", "))


@pytest.mark.parametrize("what", ["detail", "audio", "part", "call type"])
def test_content_that_another_family_cannot_say_is_refused(signet, mock, what):
    assert foreign(signet, mock, **OPEN[what]).status == 400


CLOSED = ["detail", "format type", "audio", "part", "tier", "tool choice word", "tool choice type", "allowed mode", "tool type", "custom format",
          "custom syntax", "call type"]


@pytest.mark.parametrize("what", CLOSED)
def test_tensorzeros_route_closes_its_lists(signet, mock, what):
    assert raw.post(signet.port, TZ_CHAT, chat(TZ + "m", **OPEN[what])).status in (400, 500)
    assert not mock.requests


# -- provider_types ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["", 'api_key_location = "none"\n'])
def test_a_base_for_all_providers_of_a_type(mock, key):
    toml = (f'[provider_types.openai.defaults]\n{key}api_base = "{mock.url}/all/v1/"\n[models.m]\nrouting = ["p", "q"]\n'
            '[models.m.providers.p]\ntype = "openai"\nmodel_name = "x"\napi_key_location = "none"\n'
            f'[models.m.providers.q]\ntype = "openai"\nmodel_name = "x"\napi_key_location = "none"\napi_base = "{mock.url}/own/v1/"\n')
    with Signet(config(toml), env={"OPENAI_API_KEY": "sk-x"}) as signet:
        mock.then(json_answer({"error": {"message": "x"}}, 500), json_answer(chat_answer("ok")), json_answer(chat_answer("ok")))
        assert raw.post(signet.port, CHAT, chat("m")).status == 200
        assert raw.post(signet.port, CHAT, chat("openai::gpt-x")).status == 200
        assert [r.target for r in mock.requests] == ["/all/v1/chat/completions", "/own/v1/chat/completions", "/all/v1/chat/completions"]
        assert mock.last().headers.get("authorization") == (None if key else "Bearer sk-x")
        assert not [l for l in signet.logs() if l["level"] in ("warn", "error") and "unknown" in l["msg"]]


@pytest.mark.parametrize("text,says", [('api_base = "no url"\n', "provider_types.openai.defaults.api_base: "), ("api_base = 3\n", "invalid type: integer"),
                                       ("", "missing field `api_key_location`")])
def test_a_bad_default_stops_the_start(tmp_path, text, says):
    (tmp_path / "a.toml").write_text(f"[provider_types.openai.defaults]\n{text}")
    out = subprocess.run([binary(), "check", str(tmp_path / "a.toml")], capture_output=True, text=True, timeout=30)
    assert out.returncode == 1 and says in out.stdout + out.stderr
