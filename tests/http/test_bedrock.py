"""aws_bedrock: Converse and its stream behind OpenAI's chat, each request's signature checked by the mock."""
import base64
import json

import openai
import pytest

from lib import raw
from lib.aws import (CLEAN, KEYS, bedrock_model, converse, error, event, exception, frame, frames, signed, text_stream)
from lib.mock import CLOSE, answer, json_answer, sse, text_chunks
from lib.record import uuid, whole
from lib.signet import config, openai_model

SIGNET = {"env": {**CLEAN, **KEYS, "T_TOKEN": "session/TOKEN=="}}
ARN = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc123"
PNG = "iVBORw0KGgo="
PDF = base64.b64encode(b"%PDF-1.7 x").decode()


def signet_toml(mock):
    models = [
        "[surfaces]\nauto_cache = false\n",
        bedrock_model("m", mock.url),
        bedrock_model("new", mock.url, "us.anthropic.claude-sonnet-4-6-v1:0"),
        bedrock_model("newest", mock.url, "us.anthropic.claude-opus-4-7-v1:0"),
        bedrock_model("old", mock.url, "us.anthropic.claude-sonnet-4-5-20250929-v1:0"),
        bedrock_model("llama", mock.url, "meta.llama3-70b-instruct-v1:0"),
        bedrock_model("arn", mock.url, ARN),
        bedrock_model("family", mock.url, ARN, 'model_family = "claude-sonnet-4-5"\n'),
        bedrock_model("slash", mock.url + "/x/"),
        bedrock_model("token", mock.url, keys='session_token = "env::T_TOKEN"\n'),
        bedrock_model("bearer", mock.url, keys='api_key = "env::T_TOKEN"\n', credentials=False),
        bedrock_model("dynamic", mock.url, keys='access_key_id = "dynamic::id"\nsecret_access_key = "dynamic::secret"\n', credentials=False),
        bedrock_model("extra", mock.url, keys='extra_body = [{pointer = "/inferenceConfig/maxTokens", value = 7}]\n'
                      'extra_headers = [{name = "X-Custom", value = "a  b"}]\n'),
        openai_model("other", mock.url),
        bedrock_model("two", mock.url).replace('routing = ["p"]', 'routing = ["p", "q"]')
        + f'[models.two.providers.q]\ntype = "openai"\nmodel_name = "x"\napi_base = "{mock.url}/v1/"\napi_key_location = "none"\n',
    ]
    return config("".join(models), record=True)


@pytest.fixture
def client(signet):
    with openai.OpenAI(base_url=signet.url + "/v1", api_key="none", max_retries=0, timeout=10) as c:
        yield c


def ask(signet, model="m", path=raw.CHAT, **fields):
    return raw.post(signet.port, path, json.dumps({"model": model, "messages": [{"role": "user", "content": "Hi"}], **fields}))


def sent(signet, mock, model="m", **fields):
    """The body that the service got."""
    mock.then(converse({"text": "x"}))
    got = ask(signet, model, **fields)
    assert got.status == 200, got.body
    signed(mock.last())
    return mock.last().json


def stream(signet, mock, *parts, model="m", **options):
    mock.then(frames(*parts, **options))
    got = ask(signet, model, stream=True, stream_options={"include_usage": True})
    return got, [json.loads(e) for e in got.events() if e != "[DONE]"]


def deltas(chunks):
    return [c["choices"][0]["delta"] for c in chunks if c.get("choices")]


# -- the main job --------------------------------------------------------------------------------------
def test_a_plain_answer(client, mock):
    mock.then(converse({"text": "Hello!"}))
    got = client.chat.completions.create(model="m", messages=[{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}], max_tokens=16)
    assert got.choices[0].message.content == "Hello!" and got.choices[0].finish_reason == "stop"
    assert (got.usage.prompt_tokens, got.usage.completion_tokens, got.usage.prompt_tokens_details.cached_tokens) == (30, 30, 10)
    request = mock.last()
    assert request.target == "/model/anthropic.claude-3-haiku-20240307-v1%3A0/converse"
    assert request.body == (b'{"messages":[{"role":"user","content":[{"text":"Hi"}]}],"system":[{"text":"Be brief."}],'
                            b'"inferenceConfig":{"maxTokens":16}}')
    assert request.headers["accept"] == request.headers["content-type"] == "application/json"
    facts = signed(request)
    assert facts["region"] == "us-east-1" and facts["service"] == "bedrock" and facts["headers"] == ["accept", "content-type", "host", "x-amz-date"]


def test_a_stream(client, mock):
    mock.then(frames(*text_stream("Hel", "lo", "!")))
    chunks = list(client.chat.completions.create(model="m", messages=[{"role": "user", "content": "Hi"}], stream=True, stream_options={"include_usage": True}))
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == "Hello!"
    assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] == "stop"
    assert (chunks[-1].usage.prompt_tokens, chunks[-1].usage.completion_tokens) == (30, 30)
    assert mock.last().target.endswith("/converse-stream") and "accept" not in mock.last().headers
    signed(mock.last())


def test_the_record(signet, mock):
    mock.then(frames(*text_stream("Hello!")))
    got = ask(signet, stream=True)
    id = uuid(json.loads(got.events()[0])["id"])
    row = whole(signet.data_dir, id)["InferenceById"][0]
    assert row["model_name"] == "m" if "model_name" in row else row["variant_name"] == "m"
    assert got.events()[-1] == "[DONE]"


# -- the request ---------------------------------------------------------------------------------------
def test_tools(signet, mock):
    tools = [{"type": "function", "function": {"name": "get_weather", "description": "Current weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}},
             {"type": "function", "function": {"name": "none"}}]
    body = sent(signet, mock, tools=tools)
    assert body["toolConfig"] == {"tools": [
        {"toolSpec": {"name": "get_weather", "description": "Current weather", "inputSchema": {"json": {"type": "object", "properties": {"city": {"type": "string"}}}}}},
        {"toolSpec": {"name": "none", "inputSchema": {"json": mock.last().json["toolConfig"]["tools"][1]["toolSpec"]["inputSchema"]["json"]}}}]}
    assert sent(signet, mock, tools=tools, tool_choice="required")["toolConfig"]["toolChoice"] == {"any": {}}
    assert sent(signet, mock, tools=tools, tool_choice={"type": "function", "function": {"name": "none"}})["toolConfig"]["toolChoice"] == {"tool": {"name": "none"}}
    body = sent(signet, mock, tools=tools, parallel_tool_calls=False)
    assert "toolChoice" not in body["toolConfig"]
    assert body["additionalModelRequestFields"] == {"tool_choice": {"type": "auto", "disable_parallel_tool_use": True}}


def test_a_tool_without_description_has_no_such_key(signet, mock):
    """providers-others §13 B7."""
    body = sent(signet, mock, tools=[{"type": "function", "function": {"name": "f", "description": "", "parameters": {"type": "object"}}}])
    assert body["toolConfig"]["tools"] == [{"toolSpec": {"name": "f", "inputSchema": {"json": {"type": "object"}}}}]


CALLS = [{"role": "user", "content": "Weather?"},
         {"role": "assistant", "content": None, "tool_calls": [
             {"id": "t1", "type": "function", "function": {"name": "w", "arguments": '{"b": 1, "a": 1.0, "n": 12345678901234567890}'}},
             {"id": "functions.w:0", "type": "function", "function": {"name": "w", "arguments": ""}}]},
         {"role": "tool", "tool_call_id": "t1", "content": "3 C"}, {"role": "tool", "tool_call_id": "functions.w:0", "content": ""}]


def test_calls_and_results(signet, mock):
    """providers-others §13 A13 of Converse: results of several messages are one, in front of what the user says."""
    body = sent(signet, mock, messages=[*CALLS, {"role": "user", "content": "And?"}])
    call, results = body["messages"][1]["content"], body["messages"][2]["content"]
    assert [m["role"] for m in body["messages"]] == ["user", "assistant", "user"]
    assert b'"input":{"b":1,"a":1.0,"n":12345678901234567890}' in mock.last().body
    assert call[1]["toolUse"]["input"] == {} and call[0]["toolUse"]["toolUseId"] == "t1"
    assert results[0] == {"toolResult": {"toolUseId": "t1", "content": [{"text": "3 C"}]}}
    assert results[1] == {"toolResult": {"toolUseId": call[1]["toolUse"]["toolUseId"], "content": [{"json": {}}]}}
    assert call[1]["toolUse"]["toolUseId"].startswith("functions_w_0_") and results[2] == {"text": "And?"}


@pytest.mark.parametrize("fields", [{}, {"tools": [{"type": "function", "function": {"name": "v"}}], "tool_choice": "none"}])
def test_a_history_of_calls_brings_its_tools(signet, mock, fields):
    """providers-others §13 B1, B2."""
    body = sent(signet, mock, messages=CALLS, **fields)
    assert body["toolConfig"] == {"tools": [{"toolSpec": {"name": "w", "inputSchema": {"json": {"type": "object"}}}}]}


def test_no_tools_no_config(signet, mock):
    """providers-others §13 B3."""
    assert "toolConfig" not in sent(signet, mock, tools=[])


def test_a_call_without_result_gets_one(signet, mock):
    body = sent(signet, mock, messages=[*CALLS[:3], {"role": "user", "content": "Never mind"}])
    assert body["messages"][2]["content"][1]["toolResult"]["content"] == [{"text": "[no result]"}]
    assert body["messages"][2]["content"][1]["toolResult"]["status"] == "error"


@pytest.mark.parametrize("arguments,words", [("[1]", "Tool call arguments must be a JSON object"), ("{", "Error parsing tool call arguments as JSON: ")])
def test_arguments_that_are_no_object_fail_the_attempt(signet, mock, arguments, words):
    """providers-others §13 A12 of Converse."""
    messages = [{"role": "assistant", "content": None, "tool_calls": [{"id": "t", "type": "function", "function": {"name": "w", "arguments": arguments}}]}]
    got = ask(signet, messages=messages)
    assert got.status == 400 and words in got.message and mock.requests == []


def test_long_names_are_mapped_and_mapped_back(signet, mock):
    name = "a" * 80
    tools = [{"type": "function", "function": {"name": name, "parameters": {"type": "object"}}}]
    mock.then(lambda conn, request: converse({"toolUse": {"toolUseId": "t", "name": request.json["toolConfig"]["tools"][0]["toolSpec"]["name"], "input": {"a": 1}}}, stop="tool_use")(conn, request))
    got = ask(signet, tools=tools, tool_choice={"type": "function", "function": {"name": name}})
    out = mock.last().json["toolConfig"]
    assert len(out["tools"][0]["toolSpec"]["name"]) == 64 and out["toolChoice"]["tool"]["name"] == out["tools"][0]["toolSpec"]["name"]
    call = got.json["choices"][0]["message"]["tool_calls"][0]
    assert call["function"] == {"name": name, "arguments": '{"a":1}'} and got.json["choices"][0]["finish_reason"] == "tool_calls"


def file(name=None, mime="application/pdf", data=PDF):
    return {"type": "file", "file": {"file_data": f"data:{mime};base64,{data}", **({"filename": name} if name else {})}}


def image(mime="image/png"):
    return {"type": "image_url", "image_url": {"url": f"data:{mime};base64,{PNG}"}}


def test_images(signet, mock):
    body = sent(signet, mock, messages=[{"role": "user", "content": [{"type": "text", "text": "See"}, image(), image("image/jpg")]}])
    assert body["messages"][0]["content"] == [{"text": "See"}, {"image": {"format": "png", "source": {"bytes": PNG}}}, {"image": {"format": "jpeg", "source": {"bytes": PNG}}}]


def test_documents_have_names_of_their_own(signet, mock):
    """providers-others §13 B4."""
    user = {"role": "user", "content": [{"type": "text", "text": "See"}, file("input.pdf")]}
    body = sent(signet, mock, messages=[user, {"role": "assistant", "content": "Yes"}, user, {"role": "assistant", "content": "Yes"}, user])
    assert [m["content"][1]["document"]["name"] for m in body["messages"][::2]] == ["input", "input-2", "input-3"]


def test_a_document_alone_gets_a_text(signet, mock):
    """providers-others §13 B5."""
    body = sent(signet, mock, messages=[{"role": "user", "content": [file("a.pdf")]}])
    assert body["messages"][0]["content"] == [{"document": {"format": "pdf", "name": "a", "source": {"bytes": PDF}}}, {"text": "."}]


@pytest.mark.parametrize("name,want", [("a_b/c (1).v2.pdf", "a-b-c (1)-v2"), ("  a   b .pdf", "a b"), (".pdf", "-pdf"), ("é.pdf", "-"), ("x" * 300 + ".pdf", "x" * 190)])
def test_a_documents_name_is_cleaned(signet, mock, name, want):
    """providers-others §13 B6."""
    body = sent(signet, mock, messages=[{"role": "user", "content": [{"type": "text", "text": "See"}, file(name)]}])
    assert body["messages"][0]["content"][1]["document"]["name"] == want


def test_blank_texts_are_left_out(signet, mock):
    body = sent(signet, mock, messages=[{"role": "system", "content": " "}, {"role": "user", "content": "a"}, {"role": "assistant", "content": " \n"}, {"role": "user", "content": "b"}])
    assert body == {"messages": [{"role": "user", "content": [{"text": "a"}, {"text": "b"}]}], "inferenceConfig": {}}


def test_parameters(signet, mock):
    body = sent(signet, mock, max_tokens=9, temperature=0.7, top_p=0.9, stop=["\n\n", "END"], service_tier="priority")
    assert b'"inferenceConfig":{"maxTokens":9,"temperature":0.7,"topP":0.9,"stopSequences":["END"]}' in mock.last().body
    assert body["serviceTier"] == {"type": "priority"}
    mock.then(converse({"text": "x"}))
    got = ask(signet, "llama", seed=3, presence_penalty=1, verbosity="low", reasoning_effort="high")
    assert set(got.headers["x-signet-ignored"].split(", ")) == {"seed", "presence_penalty", "verbosity", "reasoning_effort"}


@pytest.mark.parametrize("model,fields,config_,more", [
    ("old", {"reasoning_effort": "high", "max_tokens": 8000}, {"maxTokens": 8000}, {"thinking": {"type": "enabled", "budget_tokens": 6400}}),
    ("old", {"reasoning_effort": "low"}, {"maxTokens": 32000}, {"thinking": {"type": "enabled", "budget_tokens": 6400}}),
    ("new", {"reasoning_effort": "xhigh"}, {}, {"thinking": {"type": "adaptive"}, "output_config": {"effort": "max"}}),
    ("newest", {"reasoning_effort": "minimal", "temperature": 0.2}, {}, {"thinking": {"type": "adaptive"}, "output_config": {"effort": "low"}}),
    ("newest", {"reasoning_effort": "none"}, {}, None),
    ("old", {"reasoning_effort": "none", "temperature": 0.2}, {"temperature": 0.2}, None),
])
def test_thinking_by_generation(signet, mock, model, fields, config_, more):
    body = sent(signet, mock, model, **fields)
    assert body["inferenceConfig"] == config_ and body.get("additionalModelRequestFields") == more


SCHEMA = {"type": "json_schema", "json_schema": {"name": "x", "strict": True, "schema": {"type": "object", "properties": {"a": {"type": "string"}}}}}


def test_json_by_a_schema_where_the_model_takes_it(signet, mock):
    """providers-others §13 B17: the family tells what an ARN hides."""
    body = sent(signet, mock, "family", response_format=SCHEMA)
    format = body["outputConfig"]["textFormat"]
    assert format["type"] == "json_schema" and json.loads(format["structure"]["jsonSchema"]["schema"]) == SCHEMA["json_schema"]["schema"]
    for model in ("arn", "m", "llama"):
        mock.then(converse({"text": "{}"}))
        got = ask(signet, model, response_format=SCHEMA)
        assert got.headers["x-signet-ignored"] == "response_format" and "outputConfig" not in mock.last().json
        assert mock.last().json["messages"][-1]["role"] == "user", "no prefill"


# -- signatures ----------------------------------------------------------------------------------------
def test_a_colon_is_sent_once_and_signed_twice_encoded(signet, mock):
    """providers-others §13 S1."""
    sent(signet, mock)
    assert "%3A" in mock.last().target and "%253A" in signed(mock.last())["path"] and "%25253A" not in signed(mock.last())["path"]


def test_an_arn_is_one_segment(signet, mock):
    """providers-others §13 S2."""
    sent(signet, mock, "arn")
    assert mock.last().target == "/model/" + ARN.replace(":", "%3A").replace("/", "%2F") + "/converse"


def test_extra_headers_are_signed(signet, mock):
    """providers-others §13 S3, S5: sent as given; the changed body is what is hashed."""
    body = sent(signet, mock, "extra")
    assert body["inferenceConfig"] == {"maxTokens": 7} and mock.last().headers["x-custom"] == "a  b"
    assert "x-custom" in signed(mock.last())["headers"]


def test_an_endpoint_with_a_path(signet, mock):
    """providers-others §13 S4."""
    sent(signet, mock, "slash")
    assert mock.last().target.startswith("/x/model/") and mock.last().headers["host"] == f"127.0.0.1:{mock.port}"
    assert [n.lower() for n, _ in mock.last().header_list].count("host") == 1


def test_a_session_token(signet, mock):
    sent(signet, mock, "token")
    assert signed(mock.last())["token"] == "session/TOKEN=="


def test_a_bearer_token_in_the_place_of_a_signature(signet, mock):
    mock.then(converse({"text": "x"}))
    assert ask(signet, "bearer").status == 200
    assert mock.last().headers["authorization"] == "Bearer session/TOKEN==" and not [h for h in mock.last().headers if h.startswith("x-amz")]


def test_dynamic_keys(signet, mock):
    mock.then(converse({"text": "x"}))
    got = ask(signet, "dynamic", **{"tensorzero::credentials": {"id": "AKDYN", "secret": "shh"}})
    assert got.status == 200 and signed(mock.last(), "shh")["key_id"] == "AKDYN"
    got = ask(signet, "dynamic")
    assert got.status == 400 and "Dynamic api key `id` is missing" in got.message


def test_each_attempt_is_signed_anew(signet, mock):
    """providers-others §13 S6: a connection that turned out dead is no reason to send an old signature."""
    sent(signet, mock)
    mock.drop_idle()
    sent(signet, mock)
    signed(mock.last())


# -- the answer ----------------------------------------------------------------------------------------
def test_reasoning_and_a_call(signet, mock):
    mock.then(converse({"reasoningContent": {"reasoningText": {"text": "Look it up.", "signature": "c2ln"}}},
                       {"toolUse": {"toolUseId": "tooluse_1", "name": "w", "input": {"city": "Oslo"}}}, stop="tool_use"))
    message = ask(signet, tools=[{"type": "function", "function": {"name": "w"}}]).json["choices"][0]["message"]
    assert message["reasoning_content"] == "Look it up."
    assert message["tool_calls"][0] == {"id": "tooluse_1", "type": "function", "function": {"name": "w", "arguments": '{"city":"Oslo"}'}}


def extra(message):
    return message["tensorzero_extra_content"] if "tensorzero_extra_content" in message else message["tensorzero_extra_content_experimental"]


def test_redacted_reasoning_comes_back(signet, mock):
    """providers-others §13 B8."""
    mock.then(converse({"reasoningContent": {"redactedContent": "c2VjcmV0"}}, {"toolUse": {"toolUseId": "t", "name": "w", "input": {}}}, stop="tool_use"))
    message = ask(signet, tools=[{"type": "function", "function": {"name": "w"}}]).json["choices"][0]["message"]
    body = sent(signet, mock, messages=[{"role": "user", "content": "Hi"}, message, {"role": "tool", "tool_call_id": "t", "content": "1"}],
                tools=[{"type": "function", "function": {"name": "w"}}])
    assert body["messages"][1]["content"][0] == {"reasoningContent": {"redactedContent": "c2VjcmV0"}}
    assert "toolUse" in body["messages"][1]["content"][1]


@pytest.mark.parametrize("stop,finish", [("end_turn", "stop"), ("max_tokens", "length"), ("stop_sequence", "stop"), ("content_filtered", "content_filter"),
                                         ("guardrail_intervened", "content_filter"), ("model_context_window_exceeded", "length"), ("of_tomorrow", "stop")])
def test_stop_reasons(signet, mock, stop, finish):
    """providers-others §13 B18."""
    mock.then(converse({"text": "x"}, stop=stop))
    assert ask(signet).json["choices"][0]["finish_reason"] == finish


def test_cited_text_is_text(signet, mock):
    """providers-others §13 B19."""
    mock.then(converse({"citationsContent": {"content": [{"text": "a"}, {"text": "b"}], "citations": [{"title": "t"}]}}, {"image": {"format": "png"}}))
    assert ask(signet).json["choices"][0]["message"]["content"] == "ab"


def test_an_empty_message(signet, mock):
    mock.then(json_answer({"stopReason": "end_turn", "usage": {}}))
    got = ask(signet)
    assert got.status == 502 and "missing field `output` at line 1 column " in got.message
    mock.then(json_answer({"output": {}, "stopReason": "end_turn", "usage": {}}))
    assert "AWS Bedrock returned an empty message." in ask(signet).message


def test_usage_that_is_unknown_stays_so(signet, mock):
    mock.then(converse({"text": "x"}, usage={"inputTokens": 5, "outputTokens": 2, "totalTokens": 7}))
    assert "cached_tokens" not in json.dumps(ask(signet).json["usage"].get("prompt_tokens_details") or {"cached_tokens": 0}).replace('"cached_tokens": 0', "")


# -- streams -------------------------------------------------------------------------------------------
TOOLS = [event("messageStart", {"role": "assistant"}),
         event("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"reasoningContent": {"text": "Look."}}}),
         event("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"reasoningContent": {"signature": "c2ln"}}}),
         event("contentBlockStop", {"contentBlockIndex": 0}),
         event("contentBlockStart", {"contentBlockIndex": 1, "start": {"toolUse": {"toolUseId": "t1", "name": "w"}}}),
         event("contentBlockStart", {"contentBlockIndex": 2, "start": {"toolUse": {"toolUseId": "t2", "name": "v"}}}),
         event("contentBlockDelta", {"contentBlockIndex": 1, "delta": {"toolUse": {"input": '{"city": '}}}),
         event("contentBlockDelta", {"contentBlockIndex": 2, "delta": {"toolUse": {"input": '{"n":'}}}),
         event("contentBlockDelta", {"contentBlockIndex": 1, "delta": {"toolUse": {"input": '"Oslo"}'}}}),
         event("contentBlockDelta", {"contentBlockIndex": 2, "delta": {"toolUse": {"input": "1}"}}}),
         event("contentBlockStop", {"contentBlockIndex": 1}), event("contentBlockStop", {"contentBlockIndex": 2}),
         event("contentBlockStart", {"contentBlockIndex": 3, "start": {"toolUse": {"toolUseId": "t3", "name": "u"}}}), event("contentBlockStop", {"contentBlockIndex": 3}),
         event("messageStop", {"stopReason": "tool_use"}), event("future", {"x": 1}), event("metadata", {"usage": {"inputTokens": 20, "outputTokens": 30, "totalTokens": 50}})]


def calls(chunks):
    out = {}
    for d in deltas(chunks):
        for c in d.get("tool_calls") or []:
            one = out.setdefault(c["index"], {"id": "", "name": "", "arguments": ""})
            one["id"] += c.get("id") or ""
            one["name"] += c["function"].get("name") or ""
            one["arguments"] += c["function"].get("arguments") or ""
    return [out[i] for i in sorted(out)]


def test_interleaved_calls_go_to_their_own(signet, mock):
    """providers-others §13 B13, B14: usage comes behind the end; a call without arguments has an empty object."""
    got, chunks = stream(signet, mock, *TOOLS)
    assert calls(chunks) == [{"id": "t1", "name": "w", "arguments": '{"city": "Oslo"}'}, {"id": "t2", "name": "v", "arguments": '{"n":1}'},
                             {"id": "t3", "name": "u", "arguments": "{}"}]
    assert "".join(d.get("reasoning_content") or "" for d in deltas(chunks)) == "Look."
    assert chunks[-1]["usage"]["prompt_tokens"] == 20 and got.events()[-1] == "[DONE]"
    assert [c["choices"][0]["finish_reason"] for c in chunks if c["choices"]][-1] == "tool_calls"


@pytest.mark.parametrize("split", [1, 7, 100])
def test_frames_cut_anywhere(signet, mock, split):
    """providers-others §13 B9, B15."""
    _, whole_ = stream(signet, mock, *TOOLS)
    _, cut = stream(signet, mock, *TOOLS, split=split)
    assert calls(cut) == calls(whole_)
    _, chunks = stream(signet, mock, *text_stream("Hé", "llo"), split=split)
    assert "".join(d.get("content") or "" for d in deltas(chunks)) == "Héllo"


def test_an_exception_after_deltas(signet, mock):
    """providers-others §13 B10."""
    got, chunks = stream(signet, mock, *text_stream("a", "b", "c")[:4], exception("throttlingException", {"message": "slow down"}))
    assert "".join(d.get("content") or "" for d in deltas(chunks)) == "abc"
    last = chunks[-1]["error"]
    assert "AWS Bedrock streaming exception: throttlingException" in last["message"] and last["code"] == "rate_limit_exceeded"
    assert not [c for c in chunks if c.get("choices") and c["choices"][0]["finish_reason"]]


def test_an_unmodelled_error(signet, mock):
    """providers-others §13 B11."""
    bad = frame({":message-type": "error", ":error-code": "Oops", ":error-message": "it broke"})
    _, chunks = stream(signet, mock, *text_stream("a")[:2], bad)
    assert "AWS Bedrock streaming exception: Oops: it broke" in chunks[-1]["error"]["message"]


@pytest.mark.parametrize("parts", [[exception("throttlingException", {"message": "slow down"})], [text_stream("a")[0], exception("modelStreamErrorException", {"message": "m"})]])
def test_an_exception_before_content_goes_to_the_next_provider(signet, mock, parts):
    mock.then(frames(*parts), sse(text_chunks("other")))
    got = raw.post(signet.port, raw.CHAT, json.dumps({"model": "two", "stream": True, "messages": [{"role": "user", "content": "Hi"}]}))
    assert len(mock.requests) == 2 and got.status == 200 and "exception" not in got.text


@pytest.mark.parametrize("at", [0, 9, 30, 138])
def test_a_flipped_bit_is_fatal(signet, mock, at):
    """providers-others §13 B12: the connection is closed and not used again."""
    good = text_stream("a", "b")
    bad = bytearray(good[2])
    bad[at] ^= 1
    _, chunks = stream(signet, mock, good[0], good[1], bytes(bad), *good[3:])
    assert "Error decoding event stream frame: " in chunks[-1]["error"]["message"]
    used = mock.last().conn.number
    sent(signet, mock)
    assert mock.last().conn.number != used


@pytest.mark.parametrize("cut", range(1, len(TOOLS) - 2, 2))
def test_a_stream_that_is_cut_is_no_success(signet, mock, cut):
    parts = TOOLS[:cut]
    got, chunks = stream(signet, mock, *parts)
    if got.status == 200:
        assert "stream ended before messageStop" in chunks[-1]["error"]["message"]
    else:
        assert got.status == 502


def test_a_stream_cut_inside_of_a_frame(signet, mock):
    good = text_stream("a", "b")
    _, chunks = stream(signet, mock, *good[:2], good[2][:20])
    assert "it ended" in chunks[-1]["error"]["message"] or "ended in its middle" in chunks[-1]["error"]["message"]
    _, chunks = stream(signet, mock, *good[:2], CLOSE)
    assert "error" in chunks[-1]


def test_pieces_of_redacted_reasoning_are_one(signet, mock):
    pieces = [base64.b64encode(p).decode() for p in (b"ab", b"cde", b"f")]
    parts = [event("messageStart", {"role": "assistant"}), *[event("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"reasoningContent": {"redactedContent": p}}}) for p in pieces],
             event("contentBlockStop", {"contentBlockIndex": 0}), *text_stream("x")[1:]]
    got, _ = stream(signet, mock, *parts)
    assert base64.b64encode(b"abcdef").decode() in got.text


def test_what_is_no_stream(signet, mock):
    mock.then(answer("<html>", content_type="text/html"))
    got = ask(signet, stream=True)
    assert got.status == 502 and "Expected content-type 'application/vnd.amazon.eventstream'" in got.message


# -- errors --------------------------------------------------------------------------------------------
@pytest.mark.parametrize("status,name,want,code", [
    (400, "ValidationException", 400, None), (403, "AccessDeniedException", 502, "upstream_auth"), (404, "ResourceNotFoundException", 404, None),
    (408, "ModelTimeoutException", 504, "timeout"), (424, "ModelErrorException", 502, "upstream_error"), (429, "ThrottlingException", 429, "rate_limit_exceeded"),
    (429, "ModelNotReadyException", 503, "server_is_overloaded"), (500, "InternalServerException", 502, "upstream_error"), (503, "ServiceUnavailableException", 503, "server_is_overloaded")])
def test_errors(signet, mock, status, name, want, code):
    mock.then(error(status, name, "it says no"))
    got = ask(signet)
    assert got.status == want and got.json["error"]["code"] == code
    assert f"AWS bedrock returned error status {status} " in got.message and "it says no" in got.message


def test_a_prompt_that_is_too_long(signet, mock):
    mock.then(error(400, "ValidationException", "The model returned the following errors: prompt is too long: 300000 tokens > 200000 maximum"))
    got = ask(signet)
    assert got.status == 400 and got.json["error"]["code"] == "context_length_exceeded"


def test_the_clock_of_aws_is_believed(signet, mock):
    """Clock skew: the answer's date is what the request is signed with from then on."""
    from email.utils import formatdate
    import time

    mock.then(error(403, "InvalidSignatureException", "Signature expired", [("date", formatdate(time.time() + 3600, usegmt=True))]), converse({"text": "x"}))
    assert ask(signet).status == 200
    first, second = [r.headers["x-amz-date"] for r in mock.requests]
    assert second > first
    signed(mock.last())
    mock.then(error(403, "InvalidSignatureException", "Signature expired", [("date", formatdate(time.time(), usegmt=True))]), converse({"text": "x"}))
    assert ask(signet).status == 200 and mock.last().headers["x-amz-date"] < second


def test_tensorzeros_route(signet, mock):
    mock.then(converse({"text": "Hello!"}))
    got = ask(signet, raw.TZ + "m", raw.TZ_CHAT)
    assert got.status == 200 and got.json["choices"][0]["message"]["content"] == "Hello!"
    assert mock.last().body == b'{"messages":[{"role":"user","content":[{"text":"Hi"}]}],"inferenceConfig":{}}'
