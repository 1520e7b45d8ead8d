"""Types that speak chat completions in a dialect of their own, on /v1: what of a request reaches them, what of their answers
the client gets. On /openai/v1 tests/compat/test_types.py compares each with TensorZero."""
import json

import openai
import pytest

from lib import raw
from lib.mock import chat_answer, chunk, json_answer, sse, text_chunks, tool_call, usage_chunk
from lib.record import uuid, whole
from lib.signet import Signet, config

TYPES = ("deepseek", "fireworks", "groq", "hyperbolic", "mistral", "openrouter", "sglang", "together", "vllm", "xai")
KEYED = {"keyed-together": ("together", 'tool_choice_required = "required"'), "keyed-vllm": ("vllm", 'json_schema_as = "guided_json"'),
         "keyed-mistral": ("mistral", 'prompt_mode = "reasoning"'), "keyed-groq": ("groq", 'reasoning_format = "parsed"')}


def signet_toml(mock):
    text = ""
    rows = {kind: (kind, "") for kind in TYPES}
    for name, (kind, keys) in {**rows, **KEYED}.items():
        text += (f'[models."{name}"]\nrouting = ["p"]\n[models."{name}".providers.p]\ntype = "{kind}"\nmodel_name = "m"\n'
                 f'api_base = "{mock.url}/{kind}/"\napi_key_location = "dynamic::k"\n{keys}\n')
    text += f'[models.tgi]\nrouting = ["p"]\n[models.tgi.providers.p]\ntype = "tgi"\napi_base = "{mock.url}/tgi"\napi_key_location = "none"\n'
    text += f'[models.reasoner]\nrouting = ["p"]\n[models.reasoner.providers.p]\ntype = "deepseek"\nmodel_name = "deepseek-reasoner"\napi_base = "{mock.url}/"\napi_key_location = "dynamic::k"\n'
    text += f'[provider_types.groq.defaults]\napi_base = "{mock.url}/short/"\napi_key_location = "dynamic::k"\n'
    return config(text, record=True)


def ask(signet, model, content="Hi", **more):
    body = {"model": model, "messages": [{"role": "user", "content": content}], "tensorzero::credentials": {"k": "key-1"}, **more}
    return raw.post(signet.port, "/v1/chat/completions", json.dumps(body))


def streamed(signet, model, events):
    chunks = [json.loads(e) for e in ask(signet, model, stream=True).events()[:-1]]
    deltas = [c["choices"][0]["delta"] for c in chunks if c.get("choices")]
    return "".join(d.get("content") or "" for d in deltas), "".join(d.get("reasoning_content") or d.get("reasoning") or "" for d in deltas)


@pytest.mark.parametrize("model", [*TYPES, "tgi"])
def test_the_official_client(signet, mock, model):
    with openai.OpenAI(base_url=signet.url + "/v1", api_key="none", max_retries=0, timeout=10) as client:
        more = {"extra_body": {"tensorzero::credentials": {"k": "key-1"}}}
        assert client.chat.completions.create(model=model, messages=[{"role": "user", "content": "Hi"}], **more).choices[0].message.content == "Hello!"
        assert mock.last().target == f"/{model}/chat/completions"
        assert mock.last().headers.get("authorization") == (None if model == "tgi" else "Bearer key-1")
        mock.then(sse(text_chunks("One two three")))
        got = client.chat.completions.create(model=model, messages=[{"role": "user", "content": "Hi"}], stream=True, **more)
        assert "".join(c.choices[0].delta.content or "" for c in got if c.choices) == "One two three"
        mock.then(json_answer(chat_answer(None, message={"tool_calls": [tool_call("c1", "f", "{}")]}, finish_reason="tool_calls")))
        tools = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]
        got = client.chat.completions.create(model=model, messages=[{"role": "user", "content": "Hi"}], tools=tools, **more)
        assert got.choices[0].message.tool_calls[0].function.name == "f"
        assert ("tools" in mock.last().json) == (model != "hyperbolic")


def test_shorthand_names(mock):
    """In a gateway of its own: what it keeps of the name stays."""
    with Signet(signet_toml(mock)) as own:
        got = ask(own, "groq::llama/x:free")
    assert got.status == 200 and got.headers["x-signet-provider"] == "groq"
    assert mock.last().json["model"] == "llama/x:free" and mock.last().target == "/short/chat/completions"


# -- requests --------------------------------------------------------------------------------------------
def test_max_tokens_by_its_old_name(signet, mock):
    """providers-openai §8 #46."""
    for name in ("max_tokens", "max_completion_tokens"):
        assert ask(signet, "mistral", **{name: 5}).status == 200
        assert mock.last().json["max_tokens"] == 5 and "max_completion_tokens" not in mock.last().json
    ask(signet, "mistral", max_tokens=5, max_completion_tokens=7)
    assert mock.last().body.count(b"max_tokens") == 1 and mock.last().json["max_tokens"] == 5  # the smaller one


def history(id):
    return [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": None, "reasoning_content": "hm", "tool_calls": [tool_call(id, "f", "{}")]},
            {"role": "tool", "tool_call_id": id, "content": "4"}]


def test_ids_of_nine(signet, mock):
    """providers-openai §8 #48."""
    got = ask(signet, "mistral", messages=history("call_0fypS1hVX"))
    call, result = mock.last().json["messages"][1:]
    assert len(result["tool_call_id"]) == 9 and result["tool_call_id"].isalnum() and call["tool_calls"][0]["id"] == result["tool_call_id"]
    assert "reasoning_content" not in call and "reasoning_content" in got.headers["x-signet-ignored"]
    ask(signet, "mistral", messages=history("abcDEF123"))
    assert mock.last().json["messages"][2]["tool_call_id"] == "abcDEF123"


def test_reasoning_goes_back_with_calls(signet, mock):
    """providers-openai §8 #49."""
    ask(signet, "deepseek", messages=history("c1"))
    assert mock.last().json["messages"][1]["reasoning_content"] == "hm"


@pytest.mark.parametrize("model,fields,gone,named", [
    ("hyperbolic", {"tools": [{"type": "function", "function": {"name": "f"}}]}, "tools", "tools"),
    ("groq", {"service_tier": "priority"}, "service_tier", "service_tier"),
    ("groq", {"verbosity": "low"}, "verbosity", "verbosity"),
    ("mistral", {"reasoning_effort": "low"}, "reasoning_effort", "reasoning_effort"),
    ("fireworks", {"seed": 3}, "seed", "seed"),
    ("tgi", {"response_format": {"type": "json_object"}}, "response_format", "json_mode"),
])
def test_what_a_server_has_no_place_for_is_named(signet, mock, model, fields, gone, named):
    got = ask(signet, model, **fields)
    assert got.status == 200 and gone not in mock.last().json and named in got.headers["x-signet-ignored"]


@pytest.mark.parametrize("model,sent", [("mistral", "any"), ("together", "auto"), ("keyed-together", "required"), ("groq", "required")])
def test_a_call_that_must_be(signet, mock, model, sent):
    ask(signet, model, tools=[{"type": "function", "function": {"name": "f"}}], tool_choice="required")
    assert mock.last().json["tool_choice"] == sent


SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}}


@pytest.mark.parametrize("model,want", [
    ("groq", {"response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA}}}),
    ("together", {"response_format": {"type": "json_object", "schema": SCHEMA}}),
    ("deepseek", {"response_format": {"type": "json_object"}}),
    ("keyed-vllm", {"guided_json": SCHEMA}), ("hyperbolic", {}),
])
def test_schemas(signet, mock, model, want):
    ask(signet, model, response_format={"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA}})
    sent = mock.last().json
    assert {k: sent[k] for k in ("response_format", "guided_json") if k in sent} == want


def test_keys_of_the_configuration(signet, mock):
    ask(signet, "keyed-mistral")
    assert mock.last().json["prompt_mode"] == "reasoning"
    ask(signet, "keyed-groq", reasoning_format="raw")
    assert mock.last().body.count(b"reasoning_format") == 1 and mock.last().json["reasoning_format"] == "raw"
    ask(signet, "keyed-groq")
    assert mock.last().json["reasoning_format"] == "parsed"


def test_seed_by_its_other_name(signet, mock):
    ask(signet, "mistral", seed=7)
    assert mock.last().json["random_seed"] == 7 and "seed" not in mock.last().json


def test_unknown_fields_pass(signet, mock):
    ask(signet, "openrouter", provider={"order": ["a"]}, transforms=[])
    assert mock.last().json["provider"] == {"order": ["a"]} and mock.last().json["transforms"] == []


def test_a_system_text_becomes_a_users(signet, mock):
    ask(signet, "reasoner", messages=[{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}])
    assert mock.last().json["messages"] == [{"role": "user", "content": [{"type": "text", "text": "Be brief."}, {"type": "text", "text": "Hi"}]}]


def test_a_server_that_needs_a_schema(signet, mock):
    got = ask(signet, "sglang", response_format={"type": "json_object"})
    assert got.status >= 400 and "requires a schema" in got.json["error"]["message"] and not mock.requests


# -- answers ---------------------------------------------------------------------------------------------
TAGGED = [["<thi", "nk>a</th", "ink>b"], ["<think>a</think>b"], list("<think>a</think>b"), ["", "<think>", "a", "</think>", "b"]]


@pytest.mark.parametrize("pieces", TAGGED)
@pytest.mark.parametrize("model", ["together", "fireworks"])
def test_tags_cut_anywhere(signet, mock, model, pieces):
    """providers-openai §8 #52."""
    mock.then(sse([*[chunk({"content": p}) for p in pieces], chunk({}, "stop"), usage_chunk()]))
    assert streamed(signet, model, pieces) == ("b", "a")


@pytest.mark.parametrize("pieces,text", [(["a <b"], "a <b"), (["a <", "think"], "a <think"), (["x</think>y"], "x</think>y"), (["<thin", "g>"], "<thing>")])
def test_what_is_no_tag_is_text(signet, mock, pieces, text):
    """providers-openai §8 #53."""
    mock.then(sse([*[chunk({"content": p}) for p in pieces], chunk({}, "stop"), usage_chunk()]))
    assert streamed(signet, "together", pieces) == (text, "")


def test_tags_in_a_plain_answer(signet, mock):
    mock.then(json_answer(chat_answer("A<think>one</think>B<think>two</think>C")))
    got = ask(signet, "together").json["choices"][0]["message"]
    assert got["content"] == "ABC" and "one" in got["reasoning_content"] and "two" in got["reasoning_content"]


DETAILS = [{"type": "reasoning.text", "text": "a", "index": 0}, {"type": "reasoning.text", "signature": "s", "index": 0},
           {"type": "reasoning.encrypted", "data": "enc", "format": "google-gemini-v1", "id": "tool_1", "index": 0}]


def test_details_come_and_go_back(signet, mock):
    """providers-openai §8 #54, #55: one thought with its signature, and the id of what is encrypted."""
    mock.then(sse([*[chunk({"content": "", "reasoning_details": [d]}) for d in DETAILS], chunk({"content": "b"}), chunk({}, "stop"), usage_chunk()]))
    got = ask(signet, "openrouter", stream=True)
    output = whole(signet.data_dir, uuid(got.headers["x-request-id"][4:]))
    thoughts = [b for b in json.loads(output["chat"]["output"]) if b["type"] == "thought"] if "chat" in output else None
    if thoughts is not None:
        assert [(t.get("text"), t.get("signature")) for t in thoughts] == [("a", "s"), (None, "enc")]
    extra = [{"type": "thought", "text": "a", "signature": "s", "provider_type": "openrouter", "insert_index": 0},
             {"type": "thought", "text": None, "signature": "enc", "provider_type": "openrouter", "insert_index": 1,
              "extra_data": {"format": "google-gemini-v1", "encrypted": True, "id": "tool_1"}}]
    body = {"model": "tensorzero::model_name::openrouter", "tensorzero::credentials": {"k": "x"},
            "messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "b", "tensorzero_extra_content": extra}, {"role": "user", "content": "Ho"}]}
    assert raw.post(signet.port, raw.TZ_CHAT, json.dumps(body)).status == 200
    assert mock.last().json["messages"][1]["reasoning_details"] == [
        {"type": "reasoning.text", "text": "a", "signature": "s"},
        {"type": "reasoning.encrypted", "data": "enc", "format": "google-gemini-v1", "id": "tool_1"}]


def test_details_reach_a_client_as_they_are(signet, mock):
    mock.then(json_answer(chat_answer("b", message={"reasoning_details": DETAILS})))
    assert ask(signet, "openrouter").json["choices"][0]["message"]["reasoning_details"] == DETAILS


@pytest.mark.parametrize("model,usage,want", [
    ("xai", {"prompt_tokens": 32, "completion_tokens": 9, "completion_tokens_details": {"reasoning_tokens": 94}}, (32, 103)),
    ("deepseek", {"prompt_tokens": 32, "completion_tokens": 9, "prompt_cache_hit_tokens": 5, "prompt_cache_miss_tokens": 27}, (32, 9)),
])
def test_usage_as_the_vendor_counts_it(signet, mock, model, usage, want):
    """providers-openai §8 #56: total = prompt + completion + reasoning."""
    mock.then(json_answer(chat_answer(usage=usage)))
    body = {"model": "tensorzero::model_name::" + model, "messages": [{"role": "user", "content": "Hi"}], "tensorzero::credentials": {"k": "x"}}
    got = raw.post(signet.port, raw.TZ_CHAT, json.dumps(body)).json["usage"]
    assert (got["prompt_tokens"], got["completion_tokens"]) == want


def test_usage_in_a_member_of_its_own(signet, mock):
    """providers-openai §8 #25: groq has it in x_groq."""
    mock.then(sse([chunk({"content": "x"}), chunk({}, "stop", x_groq={"usage": {"prompt_tokens": 3, "completion_tokens": 4}})]))
    got = ask(signet, "groq", stream=True, stream_options={"include_usage": True}).events()
    usage = [json.loads(e)["usage"] for e in got[:-1] if json.loads(e).get("usage")]
    assert usage and usage[-1]["prompt_tokens"] == 3


def test_parts_of_thinking(signet, mock):
    parts = [{"type": "thinking", "thinking": [{"type": "text", "text": "a"}]}, {"type": "text", "text": "b"}]
    mock.then(json_answer(chat_answer(parts)), sse([chunk({"content": [p]}) for p in parts] + [chunk({}, "stop"), usage_chunk()]))
    got = ask(signet, "mistral").json["choices"][0]["message"]
    assert (got["content"], got["reasoning_content"]) == ("b", "a")
    assert streamed(signet, "mistral", parts) == ("b", "a")
