"""Gemini behind /v1 and /openai/v1: Google AI Studio (an API key), as a chat client meets it. Requests are compared with the
golden ones of providers-others §11.2."""
import json

import openai
import pytest

from lib import raw
from lib.mock import Raw, answer, json_answer, sse
from lib.record import uuid, wait_row
from lib.signet import Signet, config

CALL = {"functionCall": {"id": "fc1", "name": "get_weather", "args": {"city": "Oslo"}}, "thoughtSignature": "c2lnMQ=="}
WEATHER = {"type": "function", "function": {"name": "get_weather", "description": "Current weather", "parameters": {
    "type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}}
SENT_WEATHER = {"name": "get_weather", "description": "Current weather", "parameters": {
    "type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}
DUMMY = "skip_thought_signature_validator"
PNG = "iVBORw0KGgoAAAAAAAAAAAAAAAAAAAAA"


def model(name, url, model_name="gemini-2.5-flash", keys=""):
    return (f'[models.{name}]\nrouting = ["g"]\n[models.{name}.providers.g]\ntype = "google_ai_studio_gemini"\nmodel_name = "{model_name}"\n'
            f'api_base = "{url}/v1beta"\n{keys}\n')


def signet_toml(mock):
    return config(model("m", mock.url) + model("three", mock.url, "gemini-3-pro") + model("gemma", mock.url, "gemma-3-27b-it")
                  + model("whole", mock.url, keys='schema_keys = "json_schema"\ninclude_thoughts = false')
                  + f'[models.two]\nrouting = ["a", "b"]\n[models.two.providers.a]\ntype = "google_ai_studio_gemini"\nmodel_name = "gemini-2.5-pro"\n'
                    f'api_base = "{mock.url}/a"\n[models.two.providers.b]\ntype = "google_ai_studio_gemini"\nmodel_name = "gemini-2.5-flash"\n'
                    f'api_base = "{mock.url}/b"\n', record=True)


SIGNET = {"env": {"GOOGLE_AI_STUDIO_API_KEY": "AIza-test-key-1"}}


def reply(*parts, finish="STOP", usage=True, **more):
    value = {"candidates": [{"content": {"role": "model", "parts": list(parts)}, "index": 0}], "modelVersion": "gemini-2.5-flash", "responseId": "r1"}
    if finish:
        value["candidates"][0]["finishReason"] = finish
    if usage:
        value["usageMetadata"] = {"promptTokenCount": 30, "candidatesTokenCount": 8, "thoughtsTokenCount": 12, "totalTokenCount": 50}
    value.update(more)
    return value


def stream(*events, **options):
    return sse(list(events), done=False, newline="\r\n", **options)


def ask(signet, path=raw.CHAT, **fields):
    body = {"model": "m", "messages": [{"role": "user", "content": "Hi"}], **fields}
    return raw.post(signet.port, path, json.dumps(body))


def said(got):
    assert got.status == 200, got.body
    return got.json["choices"][0]["message"]


def deltas(got):
    assert got.status == 200, got.body
    return [json.loads(e) for e in got.events()[:-1]]


@pytest.fixture
def client(signet):
    with openai.OpenAI(base_url=signet.url + "/v1", api_key="none", max_retries=0, timeout=10) as c:
        yield c


# -- requests ---------------------------------------------------------------------------------------
def test_the_golden_request(signet, mock):
    mock.then(json_answer(reply({"text": "Hello"})))
    ask(signet, messages=[{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Weather in Oslo?"}], tools=[WEATHER], max_tokens=256)
    sent = mock.last()
    assert sent.target == "/v1beta/models/gemini-2.5-flash:generateContent"
    assert sent.headers["x-goog-api-key"] == "AIza-test-key-1" and "authorization" not in sent.headers
    assert sent.body.decode() == (
        '{"contents":[{"role":"user","parts":[{"text":"Weather in Oslo?"}]}],"tools":[{"functionDeclarations":[{"name":"get_weather","description":"Current weather",'
        '"parameters":{"type":"object","properties":{"city":{"type":"string"}},"required":["city"]}}]}],"toolConfig":{"functionCallingConfig":{"mode":"auto"}},'
        '"generationConfig":{"maxOutputTokens":256},"systemInstruction":{"role":"model","parts":[{"text":"Be brief."}]}}')


def test_a_plain_request_says_that_it_has_no_tools(signet, mock):
    mock.then(json_answer(reply({"text": "Hello"})))
    ask(signet, temperature=0.7, top_p=0.5, seed=1, stop=["x"], presence_penalty=0.1, frequency_penalty=0.2, max_tokens=5)
    assert mock.last().body.decode() == (
        '{"contents":[{"role":"user","parts":[{"text":"Hi"}]}],"tools":null,"generationConfig":{"stopSequences":["x"],"temperature":0.7,"topP":0.5,'
        '"presencePenalty":0.1,"frequencyPenalty":0.2,"maxOutputTokens":5,"seed":1}}')


def test_what_gemini_does_not_take_is_named(signet, mock):
    mock.then(json_answer(reply({"text": "Hello"})))
    got = ask(signet, verbosity="low", service_tier="flex", tools=[WEATHER], parallel_tool_calls=False)
    assert got.headers["x-signet-ignored"] == "service_tier, verbosity, parallel_tool_calls"


@pytest.mark.parametrize("choice,mode", [
    ("none", {"mode": "none"}), ("auto", {"mode": "auto"}), ("required", {"mode": "any"}),
    ({"type": "function", "function": {"name": "get_weather"}}, {"mode": "any", "allowedFunctionNames": ["get_weather"]}),
])
def test_tool_choices(signet, mock, choice, mode):
    mock.then(json_answer(reply({"text": "Hello"})))
    ask(signet, tools=[WEATHER], tool_choice=choice)
    assert mock.last().json["toolConfig"] == {"functionCallingConfig": mode}


def test_allowed_tools_are_those_that_are_declared(signet, mock):
    other = {"type": "function", "function": {"name": "other", "parameters": {"type": "object", "properties": {}}}}
    allowed = {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [{"type": "function", "function": {"name": "get_weather"}}]}}
    mock.then(json_answer(reply({"text": "Hello"})))
    ask(signet, tools=[WEATHER, other], tool_choice=allowed)
    assert mock.last().json["tools"] == [{"functionDeclarations": [SENT_WEATHER]}]
    assert mock.last().json["toolConfig"] == {"functionCallingConfig": {"mode": "auto"}}


def test_json_modes(signet, mock):
    schema = {"type": "object", "properties": {"a": {"type": ["string", "null"]}}, "required": ["a"], "additionalProperties": False}
    mock.then(json_answer(reply({"text": "{}"})), json_answer(reply({"text": "{}"})), json_answer(reply({"text": "{}"})))
    ask(signet, response_format={"type": "json_object"})
    assert mock.last().json["generationConfig"] == {"responseMimeType": "application/json"}
    strict = {"type": "json_schema", "json_schema": {"name": "x", "strict": True, "schema": schema}}
    ask(signet, response_format=strict)
    assert mock.last().json["generationConfig"]["responseSchema"] == {
        "type": "object", "properties": {"a": {"type": "string", "nullable": True}}, "required": ["a"]}
    ask(signet, model="whole", response_format=strict, tools=[WEATHER])
    assert mock.last().json["generationConfig"]["responseJsonSchema"] == schema
    assert mock.last().json["tools"][0]["functionDeclarations"][0]["parametersJsonSchema"] == WEATHER["function"]["parameters"]


def test_images_are_inline(signet, mock):
    mock.then(json_answer(reply({"text": "a dot"})))
    ask(signet, messages=[{"role": "user", "content": [{"type": "text", "text": "What?"}, {"type": "image_url", "image_url": {"url": "data:image/png;base64," + PNG}}]}])
    assert mock.last().json["contents"] == [{"role": "user", "parts": [{"text": "What?"}, {"inline_data": {"mime_type": "image/png", "data": PNG}}]}]


def test_thinking_is_a_budget_up_to_2_5_and_a_level_later(signet, mock):
    """providers-others §13 G24"""
    for model_name, fields, want in [
        ("m", {"reasoning_effort": "high"}, {"thinkingBudget": 24576, "includeThoughts": True}),
        ("m", {"reasoning_effort": "none"}, {"thinkingBudget": 0}),
        ("m", {"reasoning_effort": "high", "tensorzero::params": {"chat_completion": {"thinking_budget_tokens": 0}}}, {"thinkingBudget": 0}),
        ("three", {"reasoning_effort": "high", "tensorzero::params": {"chat_completion": {"thinking_budget_tokens": 0}}}, {"thinkingLevel": "high"}),
        ("three", {"reasoning_effort": "xhigh"}, {"thinkingLevel": "high", "includeThoughts": True}),
        ("three", {"tensorzero::params": {"chat_completion": {"thinking_budget_tokens": 9000}}}, {"thinkingLevel": "medium", "includeThoughts": True}),
        ("whole", {"reasoning_effort": "low"}, {"thinkingBudget": 1024}),
    ]:
        mock.then(json_answer(reply({"text": "x"})))
        assert ask(signet, model=model_name, **fields).status == 200
        assert mock.last().json["generationConfig"]["thinkingConfig"] == want, (model_name, fields)


def test_custom_tools_are_functions_here(signet, mock):
    """surfaces §4.3; TensorZero's route refuses them."""
    mock.then(json_answer(reply({"functionCall": {"name": "patch", "args": {"input": "free text"}}})))
    got = said(ask(signet, tools=[{"type": "custom", "custom": {"name": "patch"}}]))
    assert got["tool_calls"][0]["custom"] == {"name": "patch", "input": "free text"}
    assert mock.last().json["tools"][0]["functionDeclarations"][0]["parameters"]["required"] == ["input"]
    mock.requests.clear()
    got = ask(signet, raw.TZ_CHAT, model=raw.TZ + "m", tools=[{"type": "custom", "custom": {"name": "patch"}}])
    assert got.status >= 400 and "OpenAI custom tools are not supported by this provider" in got.message and mock.requests == []


# -- answers ----------------------------------------------------------------------------------------
def test_text_thoughts_usage(client, mock):
    mock.then(json_answer(reply({"text": "Hm.", "thought": True}, {"text": "Hello"}, usageMetadata={
        "promptTokenCount": 30, "toolUsePromptTokenCount": 5, "candidatesTokenCount": 8, "thoughtsTokenCount": 12, "cachedContentTokenCount": 20, "totalTokenCount": 50})))
    got = client.chat.completions.create(model="m", messages=[{"role": "user", "content": "Hi"}])
    assert got.choices[0].message.content == "Hello" and got.choices[0].message.reasoning_content == "Hm."
    assert got.choices[0].finish_reason == "stop"
    assert (got.usage.prompt_tokens, got.usage.completion_tokens) == (35, 20)
    assert got.usage.prompt_tokens_details.cached_tokens == 20 and got.usage.completion_tokens_details.reasoning_tokens == 12


def test_a_call_its_signature_and_the_next_turn(client, signet, mock):
    """providers-others §13 G1, G7, G19"""
    mock.then(json_answer(reply({"text": "Checking.", "thought": True}, CALL, {"functionCall": {"name": "get_weather", "args": {"city": "Rome"}}})),
              json_answer(reply({"text": "Cold."})))
    first = ask(signet, tools=[WEATHER], messages=[{"role": "user", "content": "Weather?"}])
    message = said(first)
    assert first.json["choices"][0]["finish_reason"] == "tool_calls"
    calls = message["tool_calls"]
    assert calls[0]["id"] == "fc1" and calls[0]["function"] == {"name": "get_weather", "arguments": '{"city":"Oslo"}'}
    assert calls[1]["id"].startswith("call_") and calls[1]["function"]["arguments"] == '{"city":"Rome"}'
    history = [{"role": "user", "content": "Weather?"}, message, *(
        {"role": "tool", "tool_call_id": c["id"], "content": t} for c, t in zip(calls, ["3 C", "15 C"]))]
    assert said(ask(signet, tools=[WEATHER], messages=history))["content"] == "Cold."
    assert mock.last().json["contents"] == [
        {"role": "user", "parts": [{"text": "Weather?"}]},
        {"role": "model", "parts": [{"thoughtSignature": "c2lnMQ==", "function_call": {"id": "fc1", "name": "get_weather", "args": {"city": "Oslo"}}},
                                    {"function_call": {"name": "get_weather", "args": {"city": "Rome"}}}]},
        {"role": "user", "parts": [{"function_response": {"id": "fc1", "name": "get_weather", "response": {"name": "get_weather", "content": "3 C"}}},
                                   {"function_response": {"name": "get_weather", "response": {"name": "get_weather", "content": "15 C"}}}]}]


def test_a_history_of_another_provider_gets_the_word_for_no_signature(signet, mock):
    """providers-others §13 G2, G8, G9, G25, G27: results in the order of the calls, images behind them"""
    call = lambda i, city: {"id": f"call_{i}", "type": "function", "function": {"name": "get_weather", "arguments": json.dumps({"city": city})}}
    history = [{"role": "user", "content": "Weather?"}, {"role": "assistant", "content": None, "tool_calls": [call(1, "a"), call(2, "b"), call(3, "c")]},
               {"role": "tool", "tool_call_id": "call_3", "content": [{"type": "text", "text": "C"}, {"type": "image_url", "image_url": {"url": "data:image/png;base64," + PNG}}]},
               {"role": "tool", "tool_call_id": "call_1", "content": "A"}, {"role": "tool", "tool_call_id": "call_2", "content": '{"$ref":"#/x"}'}]
    for name, signature in [("m", DUMMY), ("gemma", None)]:
        mock.then(json_answer(reply({"text": "ok"})))
        assert ask(signet, model=name, tools=[WEATHER], messages=history).status == 200
        contents = mock.last().json["contents"]
        assert [p.get("thoughtSignature") for p in contents[1]["parts"]] == [signature, None, None]
        parts = contents[2]["parts"]
        assert [p["function_response"]["response"]["content"] for p in parts[:3]] == ["A", '{"$ref":"#/x"}', "C"]
        assert [p["function_response"]["name"] for p in parts[:3]] == ["get_weather"] * 3
        assert parts[3] == {"inline_data": {"mime_type": "image/png", "data": PNG}} and len(contents) == 3


def test_files_of_a_result_are_inside_of_it_from_gemini_3_on(signet, mock):
    history = [{"role": "user", "content": "x"}, {"role": "assistant", "tool_calls": [{"id": "fx9", "type": "function", "function": {"name": "shot", "arguments": ""}}]},
               {"role": "tool", "tool_call_id": "fx9", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64," + PNG}}]}]
    mock.then(json_answer(reply({"text": "ok"})))
    assert ask(signet, model="three", messages=history).status == 200
    assert mock.last().json["contents"][1]["parts"][0]["function_call"] == {"id": "fx9", "name": "shot", "args": {}}
    assert mock.last().json["contents"][2]["parts"] == [{"function_response": {
        "id": "fx9", "name": "shot", "response": {"name": "shot", "content": ""}, "parts": [{"inline_data": {"mime_type": "image/png", "data": PNG}}]}}]


def test_arguments_that_are_no_object_fail_the_attempt(signet, mock):
    for arguments, words in [("[1]", "Tool call arguments must be a JSON object"), ("{", "Error parsing tool call arguments as JSON Value: ")]:
        got = ask(signet, messages=[{"role": "user", "content": "x"}, {"role": "assistant", "tool_calls": [
            {"id": "a", "type": "function", "function": {"name": "f", "arguments": arguments}}]}, {"role": "tool", "tool_call_id": "a", "content": ""}])
        assert got.status == 400 and words in got.message
    assert mock.requests == []


def test_names_are_mapped_and_mapped_back(signet, mock):
    """providers-others §13 G15"""
    tool = {"type": "function", "function": {"name": "1c::find", "parameters": {"type": "object", "properties": {}}}}
    sent = None
    for streamed in (False, True):
        mock.then(lambda conn, request: (stream if streamed else json_answer)(reply({"functionCall": {
            "name": request.json["tools"][0]["functionDeclarations"][0]["name"], "args": {}}}))(conn, request))
        got = ask(signet, tools=[tool], tool_choice={"type": "function", "function": {"name": "1c::find"}}, stream=streamed)
        name = (deltas(got)[1]["choices"][0]["delta"] if streamed else said(got))["tool_calls"][0]["function"]["name"]
        assert name == "1c::find"
        sent = mock.last().json["tools"][0]["functionDeclarations"][0]["name"]
        assert sent.startswith("_1c__find_") and len(sent) == len("_1c__find_") + 8
        assert mock.last().json["toolConfig"]["functionCallingConfig"]["allowedFunctionNames"] == [sent]
    assert sent


def test_finish_reasons(signet, mock):
    """providers-others §13 G17"""
    for reason, want in [("STOP", "stop"), ("MAX_TOKENS", "length"), ("SAFETY", "content_filter"), ("RECITATION", "content_filter"), ("OTHER", "stop")]:
        mock.then(json_answer(reply({"text": "x"}, finish=reason)))
        assert ask(signet).json["choices"][0]["finish_reason"] == want, reason
    mock.then(json_answer({"candidates": [{"finishReason": "SAFETY"}], "usageMetadata": {"promptTokenCount": 3}}))
    got = ask(signet)
    assert said(got)["content"] in (None, "") and got.json["choices"][0]["finish_reason"] == "content_filter"


BLOCKED = {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}, "usageMetadata": {"promptTokenCount": 7, "totalTokenCount": 7}}


def test_a_blocked_prompt_is_an_answer(signet, mock):
    """providers-others §13 G16"""
    mock.then(json_answer(BLOCKED), stream(BLOCKED))
    got = ask(signet)
    assert got.status == 200 and got.json["choices"][0]["finish_reason"] == "content_filter" and got.json["usage"]["prompt_tokens"] == 7
    chunks = deltas(ask(signet, stream=True, stream_options={"include_usage": True}))
    assert [c["choices"][0]["finish_reason"] for c in chunks if c["choices"]][-1] == "content_filter" and chunks[-1]["usage"]["prompt_tokens"] == 7


def test_a_call_that_the_model_got_wrong_goes_to_the_next(signet, mock):
    """providers-others §13 G18"""
    bad = {"candidates": [{"finishReason": "MALFORMED_FUNCTION_CALL", "finishMessage": "print(1)"}], "usageMetadata": {"promptTokenCount": 3}}
    mock.then(json_answer(bad), json_answer(reply({"text": "second"})), stream(bad), stream(reply({"text": "second"})))
    assert said(ask(signet, model="two"))["content"] == "second"
    assert "".join(c["choices"][0]["delta"].get("content", "") for c in deltas(ask(signet, model="two", stream=True))) == "second"
    assert [r.target[:3] for r in mock.requests] == ["/a/", "/b/"] * 2


def test_what_the_answer_rests_on_is_kept(signet, mock):
    mock.then(json_answer({**reply({"text": "It is."}), "candidates": [{"content": {"parts": [{"text": "It is."}]}, "finishReason": "STOP", "groundingMetadata": {
        "webSearchQueries": ["x"]}}]}))
    got = ask(signet)
    assert said(got)["content"] == "It is."
    row = wait_row(signet.data_dir, uuid(got.json["id"].removeprefix("chatcmpl-")))
    assert row["state"] == "ok"


def test_no_candidates_is_an_error(signet, mock):
    mock.then(json_answer({"usageMetadata": {}}))
    got = ask(signet)
    assert got.status == 502 and "Google AI Studio Gemini response has no candidates" in got.message
    mock.then(answer("<html>", content_type="text/html"))
    assert "Error parsing JSON response" in ask(signet).message


# -- streams ----------------------------------------------------------------------------------------
GOLDEN = [
    {"candidates": [{"content": {"role": "model", "parts": [{"text": "Checking.", "thought": True}]}, "index": 0}], "usageMetadata": {"promptTokenCount": 30, "thoughtsTokenCount": 12, "totalTokenCount": 42}},
    {"candidates": [{"content": {"role": "model", "parts": [{"functionCall": {"name": "get_weather", "args": {"city": "Oslo"}}, "thoughtSignature": "c2lnMQ=="}]}, "index": 0}],
     "usageMetadata": {"promptTokenCount": 30, "candidatesTokenCount": 8, "thoughtsTokenCount": 12, "totalTokenCount": 50}},
    {"candidates": [{"content": {"role": "model", "parts": [{"functionCall": {"name": "get_weather", "args": {"city": "Rome"}}}]}, "index": 0}],
     "usageMetadata": {"promptTokenCount": 30, "candidatesTokenCount": 16, "thoughtsTokenCount": 12, "totalTokenCount": 58}},
    {"candidates": [{"content": {"role": "model", "parts": [{"text": ""}]}, "finishReason": "STOP", "index": 0}],
     "usageMetadata": {"promptTokenCount": 30, "candidatesTokenCount": 16, "thoughtsTokenCount": 12, "totalTokenCount": 58}},
]


def test_the_golden_stream(client, mock):
    mock.then(stream(*GOLDEN))
    chunks = list(client.chat.completions.create(model="m", messages=[{"role": "user", "content": "Hi"}], stream=True, stream_options={"include_usage": True}))
    assert mock.last().target == "/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse" and mock.last().headers["accept"] == "text/event-stream"
    calls = {}
    for c in (t for chunk in chunks if chunk.choices for t in chunk.choices[0].delta.tool_calls or []):
        one = calls.setdefault(c.index, {"id": c.id, "name": c.function.name, "arguments": ""})
        one["arguments"] += c.function.arguments or ""
    assert [(c["name"], c["arguments"]) for c in calls.values()] == [("get_weather", '{"city":"Oslo"}'), ("get_weather", '{"city":"Rome"}')]
    assert len({c["id"] for c in calls.values()}) == 2
    assert chunks[-2].choices[0].finish_reason == "tool_calls"
    assert (chunks[-1].usage.prompt_tokens, chunks[-1].usage.completion_tokens) == (30, 28)
    assert "".join(getattr(c.choices[0].delta, "reasoning_content", None) or "" for c in chunks if c.choices) == "Checking."


def test_the_golden_stream_split_at_every_byte(signet, mock):
    mock.then(stream(*GOLDEN), stream(*GOLDEN, split=1))
    whole, pieces = ask(signet, stream=True), ask(signet, stream=True)

    def content(got):
        return [{**c["choices"][0], "id": None} for c in deltas(got)]

    # made ids of calls are of the inference
    def without_ids(chunks):
        return [json.dumps(c).replace(t["id"], "") if (t := (c["delta"].get("tool_calls") or [{}])[0]).get("id") else json.dumps(c) for c in chunks]

    assert without_ids(content(whole)) == without_ids(content(pieces))


def test_a_signature_at_the_end_of_a_stream_comes_back(signet, mock):
    """providers-others §13 G3, G4, G26: also one of 100 KB"""
    seal = "s" * 100000
    mock.then(stream(reply({"text": "Hel"}, finish=None), reply({"text": "lo"}, finish=None), reply({"text": "", "thoughtSignature": seal})), json_answer(reply({"text": "ok"})))
    chunks = deltas(ask(signet, stream=True))
    assert [c["choices"][0]["delta"]["content"] for c in chunks if c["choices"][0]["delta"].get("content")] == ["Hel", "lo"]
    extra = [x for c in chunks for x in c["choices"][0]["delta"].get("tensorzero_extra_content", [])]
    assert [x["signature"] for x in extra] == [seal]
    history = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello", "tensorzero_extra_content": extra}, {"role": "user", "content": "Go on"}]
    assert ask(signet, messages=history).status == 200
    assert mock.last().json["contents"][1] == {"role": "model", "parts": [{"text": "Hello"}, {"thoughtSignature": seal, "text": ""}]}


def test_calls_of_a_stream_are_never_merged(signet, mock):
    """providers-others §13 G5, G6"""
    events = [reply({"functionCall": {"name": n, "args": {"i": i}}}, finish="STOP" if i == 2 else None) for i, n in enumerate(["a", "b", "a"])]
    same = [reply({"functionCall": {"name": "a", "args": {"i": i}}}, finish="STOP" if i == 2 else None) for i in range(3)]
    for script, names in [(events, ["a", "b", "a"]), (same, ["a"] * 3)]:
        mock.then(stream(*script))
        calls = [t for c in deltas(ask(signet, stream=True)) for t in c["choices"][0]["delta"].get("tool_calls", [])]
        begun = [t for t in calls if t.get("id")]
        assert [t["function"]["name"] for t in begun] == names and len({t["id"] for t in begun}) == 3
        arguments = {}
        for t in calls:
            arguments[t["index"]] = arguments.get(t["index"], "") + t["function"]["arguments"]
        assert [json.loads(a) for a in arguments.values()] == [{"i": 0}, {"i": 1}, {"i": 2}]


def test_the_same_id_again_is_the_same_call(signet, mock):
    call = {"functionCall": {"id": "x1", "name": "a", "args": {}}}
    mock.then(stream(reply(call, finish=None), reply(call)))
    calls = [t for c in deltas(ask(signet, stream=True)) for t in c["choices"][0]["delta"].get("tool_calls", [])]
    assert [t["id"] for t in calls if t.get("id")] == ["x1"]


def test_chunks_without_content_are_no_error(signet, mock):
    """providers-others §13 G20, G21"""
    usage = {"usageMetadata": {"promptTokenCount": 9, "candidatesTokenCount": 4, "totalTokenCount": 13}}
    mock.then(stream(reply({"text": "x"}, usage=False), {"candidates": [{"groundingMetadata": {"webSearchQueries": ["q"]}, "index": 0}]}, usage))
    chunks = deltas(ask(signet, stream=True, stream_options={"include_usage": True}))
    assert chunks[-1]["usage"]["prompt_tokens"] == 9 and chunks[-1]["usage"]["completion_tokens"] == 4
    assert not any("error" in c for c in chunks)


def test_an_error_inside_a_stream(signet, mock):
    """providers-others §13 G22: before content the next provider answers, after it the stream ends with an error"""
    overloaded = [{"error": {"code": 503, "message": "Busy.", "status": "UNAVAILABLE"}}]
    mock.then(stream(json.dumps(overloaded)), stream(reply({"text": "second"})), stream(reply({"text": "x"}, finish=None), json.dumps(overloaded)))
    assert "".join(c["choices"][0]["delta"].get("content", "") for c in deltas(ask(signet, model="two", stream=True))) == "second"
    last = deltas(ask(signet, stream=True))[-1]
    assert "Busy." in last["error"]["message"] and last["error"]["code"] == "server_is_overloaded"


def test_a_stream_without_a_finish_reason_was_cut(signet, mock):
    mock.then(stream(reply({"text": "x"}, finish=None)))
    last = deltas(ask(signet, stream=True))[-1]
    assert "stream ended before a finish reason" in last["error"]["message"]


def test_an_event_that_is_no_json_is_an_error_event(signet, mock):
    mock.then(stream(reply({"text": "x"}, finish=None), Raw(b"data: {\r\n\r\n"), reply({"text": "y"})))
    assert any("error" in json.loads(e) for e in ask(signet, stream=True).events()[:-1])


# -- errors -----------------------------------------------------------------------------------------
def google_error(code, status, message="m", **detail):
    return {"error": {"code": code, "message": message, "status": status, "details": [{"@type": "x", **detail}] if detail else []}}


def test_a_refused_key_is_no_bad_request(signet, mock):
    """providers-others §13 G23"""
    mock.then(json_answer(google_error(400, "INVALID_ARGUMENT", "API key not valid.", reason="API_KEY_INVALID"), 400))
    got = ask(signet)
    assert got.status == 502 and got.json["error"]["code"] == "upstream_auth"


def test_a_limit_says_how_long(signet, mock):
    mock.then(json_answer([google_error(429, "RESOURCE_EXHAUSTED", "Quota.", retryDelay="7.5s")], 429))
    got = ask(signet)
    assert got.status == 429 and got.headers["retry-after"] == "8"


@pytest.mark.parametrize("status,want", [(400, 400), (403, 502), (404, 404), (500, 502), (503, 503)])
def test_statuses(signet, mock, status, want):
    mock.then(json_answer(google_error(status, "X", "Because."), status), json_answer(google_error(status, "X", "Because."), status))
    for streamed in (False, True):
        got = ask(signet, stream=streamed)
        assert got.status == want and "Because." in got.message


def test_the_key_is_in_no_error(signet, mock):
    mock.then(json_answer(google_error(400, "INVALID_ARGUMENT", "bad key AIza-test-key-1"), 400))
    assert "AIza-test-key-1" not in ask(signet).text


def test_tensorzeros_route(signet, mock):
    mock.then(json_answer(reply({"text": "Hello"})), stream(reply({"text": "Hel"}, finish=None), reply({"text": "lo"})))
    got = ask(signet, raw.TZ_CHAT, model=raw.TZ + "m", reasoning_effort="low")
    assert said(got)["content"] == "Hello" and mock.last().json["generationConfig"]["thinkingConfig"] == {"thinkingBudget": 1024}
    chunks = deltas(ask(signet, raw.TZ_CHAT, model=raw.TZ + "m", stream=True))
    assert "".join(c["choices"][0]["delta"].get("content") or "" for c in chunks) == "Hello"


def test_shorthand_models(mock):
    mock.then(json_answer(reply({"text": "Hello"})))
    text = config(f'[provider_types.google_ai_studio_gemini.defaults]\napi_base = "{mock.url}/short"\n')
    with Signet(text, **SIGNET) as own:
        assert said(ask(own, model="google_ai_studio_gemini::gemini-2.0-flash/x?y"))["content"] == "Hello"
    assert mock.last().target == "/short/models/gemini-2.0-flash/x%3Fy:generateContent"
    assert mock.last().json["tools"] is None


def test_configurations_that_are_wrong():
    text = config('[models.m]\nrouting = ["g"]\n[models.m.providers.g]\ntype = "google_ai_studio_gemini"\napi_base = "http://x/v1beta?key=1"\nschema_keys = "x"\ninclude_thoughts = 1\n')
    status, errors = Signet(text, start=False).fails_to_start()
    assert status == 1
    for words in ("missing field `model_name`", "a query does not belong into an `api_base`", "unknown variant `x`, expected", "include_thoughts",
                  "API key missing for provider Google AI Studio Gemini"):
        assert words in errors, (words, errors)


def test_a_messages_client_brings_signatures_back(signet, mock):
    mock.then(json_answer(reply({"text": "Checking.", "thought": True}, CALL)), json_answer(reply({"text": "Cold."})))
    more = {"model": "m", "max_tokens": 50, "tools": [{"name": "get_weather", "input_schema": WEATHER["function"]["parameters"]}]}
    first = raw.post(signet.port, "/v1/messages", json.dumps({**more, "messages": [{"role": "user", "content": "W?"}]}))
    result = {"type": "tool_result", "tool_use_id": "fc1", "content": "x", "is_error": True}
    second = raw.post(signet.port, "/v1/messages", json.dumps({**more, "messages": [
        {"role": "user", "content": "W?"}, {"role": "assistant", "content": first.json["content"]}, {"role": "user", "content": [result]}]}))
    assert second.json["content"] == [{"type": "text", "text": "Cold.", "citations": []}]
    assert mock.last().json["contents"][1:] == [
        {"role": "model", "parts": [{"thought": True, "text": "Checking."}, {"thoughtSignature": "c2lnMQ==", "function_call": {
            "id": "fc1", "name": "get_weather", "args": {"city": "Oslo"}}}]},
        {"role": "user", "parts": [{"function_response": {"id": "fc1", "name": "get_weather", "response": {"name": "get_weather", "content": "Error: x"}}}]}]
