"""Provider type anthropic (providers-others §2): what a chat client's request becomes, and what comes back of its answers."""
import json

import pytest

from lib import claude, raw
from lib.claude import answer, end, error_event, event, stream, text_block, text_stream, thinking, thinking_block, tool_block, tool_use
from lib.mock import CLOSE, RESET
from lib.record import wait_row
from lib.signet import config

TOOL = {"type": "function", "function": {"name": "get_weather", "description": "Current weather", "parameters": {
    "type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}}


def signet_toml(mock):
    models = "[surfaces]\nauto_cache = false\n" + claude.model("m", mock.url) + claude.model("pair", mock.url, mock.url) + claude.model("old", mock.url, model_name="claude-sonnet-4-5")
    models += claude.model("new", mock.url, model_name="claude-opus-4-7") + claude.model("mend", mock.url, keys="repair_history = true")
    return config(models, record=True)


SIGNET = {"env": claude.ENV}


def chat(signet, *messages, model="m", headers=(), **fields):
    body = {"model": model, "messages": list(messages) or [{"role": "user", "content": "Hi"}], **fields}
    return raw.post(signet.port, "/v1/chat/completions", json.dumps(body), headers)


def chunks(got):
    events = got.events()
    assert events[-1] == "[DONE]"
    return [json.loads(e) for e in events[:-1]]


def text_of(got):
    return "".join(c["choices"][0]["delta"].get("content") or "" for c in chunks(got) if c.get("choices"))


def user(content):
    return {"role": "user", "content": content}


def test_a_plain_chat(signet, mock):
    mock.then(answer("Hello!"))
    got = chat(signet, {"role": "system", "content": "Be brief."}, user("Hi"), temperature=0.5, stop=["END"])
    sent = mock.last()
    assert sent.target == "/v1/messages" and sent.headers["x-api-key"] == "sk-claude"
    assert sent.headers["anthropic-version"] == "2023-06-01" and "authorization" not in sent.headers
    assert sent.body.decode() == (
        '{"model":"claude-sonnet-4-6","messages":[{"role":"user","content":[{"type":"text","text":"Hi"}]}],"max_tokens":64000,"stream":false,'
        '"system":[{"type":"text","text":"Be brief."}],"temperature":0.5,"stop_sequences":["END"]}')
    choice = got.json["choices"][0]
    assert got.status == 200 and choice["message"]["content"] == "Hello!" and choice["finish_reason"] == "stop"
    assert got.json["usage"]["prompt_tokens"] == 140 and got.json["usage"]["prompt_tokens_details"]["cached_tokens"] == 100
    assert got.headers["x-signet-upstream-request-id"] == "req_up"


def test_a_stream(signet, mock):
    mock.then(text_stream("Hel", "lo", "!"))
    got = chat(signet, stream=True, stream_options={"include_usage": True})
    assert mock.last().headers["accept"] == "text/event-stream" and mock.last().json["stream"] is True
    assert text_of(got) == "Hello!"
    assert chunks(got)[-2]["choices"][0]["finish_reason"] == "stop"
    assert chunks(got)[-1]["usage"]["total_tokens"] == 195


# -- the request -------------------------------------------------------------------------------------
def call(id, name="get_weather", arguments='{"city":"Oslo"}'):
    return {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}


def calls(*list, content=None, **more):
    return {"role": "assistant", "content": content, "tool_calls": [*list], **more}


def result(id, content="3 C"):
    return {"role": "tool", "tool_call_id": id, "content": content}


def sent(signet, mock, *messages, **fields):
    mock.then(answer("ok"))
    got = chat(signet, *messages, **fields)
    assert got.status == 200, got.body
    return mock.last().json, got


def test_the_golden_request_of_the_page(signet, mock):
    """providers-others §11.1"""
    mock.then(text_stream("ok"))
    chat(signet, {"role": "system", "content": "Be brief."}, user("Weather in Oslo and Rome?"), tools=[TOOL], tool_choice="auto",
         reasoning_effort="low", stream=True)
    assert mock.last().body.decode() == (
        '{"model":"claude-sonnet-4-6","messages":[{"role":"user","content":[{"type":"text","text":"Weather in Oslo and Rome?"}]}],'
        '"max_tokens":64000,"stream":true,"output_config":{"effort":"low"},"system":[{"type":"text","text":"Be brief."}],'
        '"thinking":{"type":"adaptive"},"tool_choice":{"type":"auto","disable_parallel_tool_use":false},'
        '"tools":[{"name":"get_weather","description":"Current weather","input_schema":{"type":"object","properties":'
        '{"city":{"type":"string"}},"required":["city"]},"strict":false}]}')


def test_results_of_parallel_calls_are_one_message(signet, mock):
    """providers-others §13 A13"""
    body, _ = sent(signet, mock, user("?"), calls(call("a"), call("b")), result("a"), result("b", "15 C"), tools=[TOOL])
    assert [m["role"] for m in body["messages"]] == ["user", "assistant", "user"]
    assert body["messages"][2]["content"] == [
        {"type": "tool_result", "tool_use_id": "a", "content": [{"type": "text", "text": "3 C"}]},
        {"type": "tool_result", "tool_use_id": "b", "content": [{"type": "text", "text": "15 C"}]}]


def test_results_stand_before_the_text_of_their_message(signet, mock):
    """providers-others §13 A14"""
    body, _ = sent(signet, mock, user("?"), calls(call("a")), user("And?"), result("a"), tools=[TOOL])
    assert [b["type"] for b in body["messages"][2]["content"]] == ["tool_result", "text"]


def test_answers_in_a_row_are_one_message(signet, mock):
    """providers-others §13 A15"""
    body, _ = sent(signet, mock, user("?"), {"role": "assistant", "content": "Let me see."}, calls(call("a")), calls(call("b")),
                   result("a"), result("b"), tools=[TOOL])
    assert [b["type"] for b in body["messages"][1]["content"]] == ["text", "tool_use", "tool_use"]
    assert len(body["messages"]) == 3


def test_empty_texts_are_left_out(signet, mock):
    """providers-others §13 A19, surfaces §8.4 #9"""
    body, _ = sent(signet, mock, user("?"), calls(call("a"), content=""), result("a"), user(" "), tools=[TOOL])
    assert [b["type"] for m in body["messages"][1:] for b in m["content"]] == ["tool_use", "tool_result"]


def test_a_result_of_nothing_is_an_empty_list(signet, mock):
    """providers-others §13 A20"""
    body, _ = sent(signet, mock, user("?"), calls(call("a")), result("a", ""), tools=[TOOL])
    assert body["messages"][2]["content"] == [{"type": "tool_result", "tool_use_id": "a", "content": []}]


def test_an_empty_system_text_is_none(signet, mock):
    """providers-others §13 A21"""
    body, _ = sent(signet, mock, {"role": "system", "content": ""}, user("Hi"))
    assert "system" not in body


def test_the_beginning_of_an_answer_loses_its_trailing_blanks(signet, mock):
    """providers-others §13 A22"""
    body, _ = sent(signet, mock, user("Hi"), {"role": "assistant", "content": "The answer is \n"})
    assert body["messages"][1]["content"] == [{"type": "text", "text": "The answer is"}]


def test_arguments_of_nothing_are_an_empty_object(signet, mock):
    """providers-others §13 A11"""
    body, _ = sent(signet, mock, user("?"), calls(call("a", arguments="")), result("a"), tools=[TOOL])
    assert body["messages"][1]["content"][0]["input"] == {}


@pytest.mark.parametrize("arguments,words", [("[1]", "Tool call arguments must be a JSON object"), ('"x"', "Tool call arguments must be a JSON object"),
                                             ("{", "Error parsing tool call arguments as JSON Value")])
def test_arguments_that_are_no_object_are_refused(signet, mock, arguments, words):
    """providers-others §13 A12"""
    got = chat(signet, user("?"), calls(call("a", arguments=arguments)), result("a"), tools=[TOOL])
    assert got.status == 400 and words in got.message and mock.requests == []


def test_digits_and_order_of_arguments_stay(signet, mock):
    """providers-others §13 A42"""
    odd = '{"b":1,"a":2,"n":1.0,"big":12345678901234567890}'
    mock.then(answer(tool_use("t", "get_weather", {}), stop="tool_use"))
    chat(signet, user("?"), calls(call("a", arguments=odd)), result("a"), tools=[TOOL])
    assert odd in mock.last().body.decode()
    whole = json.dumps(claude.message(tool_use("t", "get_weather", "HERE"), stop="tool_use"), separators=(",", ":")).replace('"HERE"', odd)
    from lib.mock import answer as bytes_answer
    mock.then(bytes_answer(whole))
    got = chat(signet, tools=[TOOL])
    assert got.json["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"] == odd


def test_ids_that_the_api_refuses_are_mapped_alike(signet, mock):
    """providers-others §13 A18, surfaces §8.4 #10"""
    body, _ = sent(signet, mock, user("?"), calls(call("functions.run:0"), call("call.0"), call("call:0")), result("functions.run:0"),
                   result("call.0"), result("call:0"), tools=[TOOL])
    used = [b["id"] for b in body["messages"][1]["content"]]
    assert used == [b["tool_use_id"] for b in body["messages"][2]["content"]] and len(set(used)) == 3
    assert used[0].startswith("functions_run_0_") and all(c.isalnum() or c in "_-" for i in used for c in i)


def test_of_two_results_of_one_call_the_first_counts(signet, mock):
    """providers-others §13 A17"""
    body, got = sent(signet, mock, user("?"), calls(call("a")), result("a", "first"), result("a", "second"), tools=[TOOL])
    assert [b["content"][0]["text"] for b in body["messages"][2]["content"]] == ["first"]
    assert got.headers["x-signet-ignored"] == "tool_result"


def test_a_call_without_a_result(signet, mock):
    """providers-others §13 A16: TensorZero's route sends it as it is, unless the provider mends it; OpenAI's fills it in"""
    history = [user("?"), calls(call("a")), user("Go on.")]
    for path, model, text in (("/openai/v1", "tensorzero::model_name::m", None), ("/openai/v1", "tensorzero::model_name::mend", "interrupted"),
                              ("/v1", "m", "[no result]")):
        mock.then(answer("ok"))
        got = raw.post(signet.port, path + "/chat/completions", {"model": model, "messages": history, "tools": [TOOL]})
        assert got.status == 200
        first = mock.last().json["messages"][2]["content"][0]
        assert first["type"] == ("tool_result" if text else "text")
        assert not text or (first["content"][0]["text"] == text and first["is_error"] is True)


def test_tools_stay_for_a_history_that_has_calls(signet, mock):
    """providers-others §13 A37"""
    body, _ = sent(signet, mock, user("?"), calls(call("a")), result("a"), tools=[TOOL], tool_choice="none")
    assert body["tool_choice"] == {"type": "none"} and body["tools"][0]["name"] == "get_weather"
    body, _ = sent(signet, mock, user("?"), tools=[TOOL], tool_choice="none")
    assert "tools" not in body and "tool_choice" not in body
    body, _ = sent(signet, mock, user("?"), calls(call("a")), result("a"))
    assert body["tools"] == [{"name": "get_weather", "description": "", "input_schema": {"type": "object"}, "strict": False}]


def test_a_union_at_a_schemas_root_becomes_one_object(signet, mock):
    """providers-others §13 A43"""
    union = {"type": "function", "function": {"name": "u", "parameters": {"type": "object", "properties": {"a": {"type": "string"}, "b": {}},
                                                                           "anyOf": [{"required": ["a"]}, {"required": ["b"]}]}}}
    body, _ = sent(signet, mock, tools=[union, TOOL])
    schema = body["tools"][0]["input_schema"]
    assert "anyOf" not in schema and set(schema["properties"]) == {"a", "b"} and schema["required"] == []
    assert '[{"required":["a"]},{"required":["b"]}]' in schema["description"]
    assert body["tools"][1]["input_schema"] == TOOL["function"]["parameters"]


@pytest.mark.parametrize("choice,wire", [("auto", {"type": "auto"}), ("required", {"type": "any"}),
                                         ({"type": "function", "function": {"name": "get_weather"}}, {"type": "tool", "name": "get_weather"})])
def test_choices(signet, mock, choice, wire):
    body, _ = sent(signet, mock, tools=[TOOL], tool_choice=choice, parallel_tool_calls=False)
    assert body["tool_choice"] == {**wire, "disable_parallel_tool_use": True}


# -- thinking ----------------------------------------------------------------------------------------
def test_effort_is_a_budget_where_there_is_no_effort(signet, mock):
    """providers-others §13 A24"""
    body, _ = sent(signet, mock, model="old", reasoning_effort="high", max_tokens=8000)
    assert body["thinking"] == {"type": "enabled", "budget_tokens": 6400} and "output_config" not in body


def budget(n, **params):
    return {"tensorzero::params": {"chat_completion": {"thinking_budget_tokens": n, **params}}}


def test_a_budget_is_an_effort_where_there_is_no_budget(signet, mock):
    """providers-others §13 A25"""
    body, got = sent(signet, mock, model="new", temperature=0.2, **budget(10000))
    assert body["thinking"] == {"type": "adaptive"} and body["output_config"] == {"effort": "medium"}
    assert "temperature" not in body and got.headers["x-signet-ignored"] == "thinking_budget_tokens, temperature"


def test_a_budget_over_max_tokens_is_refused_before_any_call(signet, mock):
    """providers-others §13 A26"""
    got = chat(signet, model="old", max_tokens=1000, **budget(4096))
    assert got.status == 400 and "4096" in got.message and "1000" in got.message and mock.requests == []


def test_no_tool_is_forced_beside_thinking(signet, mock):
    """providers-others §13 A27"""
    body, got = sent(signet, mock, tools=[TOOL], tool_choice="required", reasoning_effort="low")
    assert body["tool_choice"] == {"type": "auto", "disable_parallel_tool_use": False} and got.headers["x-signet-ignored"] == "tool_choice"


def test_json_mode_needs_no_beginning_of_the_answer(signet, mock):
    """providers-others §13 A23: where the generation takes none, the schema is sent"""
    schema = {"type": "object", "properties": {"a": {"type": "string", "pattern": "^x"}}, "required": ["a"], "additionalProperties": False}
    body, _ = sent(signet, mock, response_format={"type": "json_schema", "json_schema": {"name": "n", "schema": schema, "strict": True}})
    assert body["output_config"]["format"] == {"type": "json_schema", "schema": {
        "type": "object", "properties": {"a": {"type": "string", "description": '{"pattern":"^x"}'}}, "required": ["a"], "additionalProperties": False}}
    assert body["messages"][-1]["role"] == "user"


def test_a_schema_that_cannot_be_said_becomes_a_tool(signet, mock):
    """providers-others §2.7"""
    open_schema = {"type": "object", "additionalProperties": {"type": "integer"}}
    fields = {"response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": open_schema}}}
    mock.then(answer(tool_use("t", "respond", {"a": 1}), stop="tool_use"))
    got = chat(signet, **fields)
    assert mock.last().json["tool_choice"]["name"] == "respond" and mock.last().json["tools"][0]["input_schema"] == open_schema
    choice = got.json["choices"][0]
    assert choice["message"]["content"] == '{"a":1}' and choice["finish_reason"] == "stop" and "tool_calls" not in choice["message"]
    mock.then(stream(tool_block(0, "t", "respond", '{"a"', ":1}"), end("tool_use")))
    assert text_of(chat(signet, stream=True, **fields)) == '{"a":1}'


def extra(*blocks):
    return {"tensorzero_extra_content": [{"type": "thought", "insert_index": 0, **b} for b in blocks]}


def replayed(signet, mock, *thoughts, path="/v1", model="m"):
    mock.then(answer("ok"))
    body = {"model": model, "tools": [TOOL], "messages": [user("?"), calls(call("a"), **extra(*thoughts)), result("a")]}
    assert raw.post(signet.port, path + "/chat/completions", body).status == 200
    return mock.last().json["messages"][1]["content"]


@pytest.mark.parametrize("thought,block", [
    pytest.param({"text": "x", "signature": None}, None, id="providers-others §13 A3"),
    pytest.param({"text": "", "signature": "ab"}, thinking("", "ab"), id="providers-others §13 A4"),
    pytest.param({"text": None, "signature": "zz"}, {"type": "redacted_thinking", "data": "zz"}, id="providers-others §13 A5"),
    pytest.param({"text": "x", "signature": "s", "provider_type": "google_ai_studio_gemini"}, None, id="providers-others §13 A8"),
    pytest.param({"text": "x", "signature": "s", "provider_type": "anthropic"}, thinking("x", "s"), id="its own"),
])
def test_thoughts_of_a_history(signet, mock, thought, block):
    content = replayed(signet, mock, thought)
    assert [b["type"] for b in content][-1] == "tool_use"
    assert content[:-1] == ([block] if block else [])


def test_a_thought_and_its_seal_come_back_before_the_call(signet, mock):
    """providers-others §13 A1, A2, A7"""
    mock.then(stream(thinking_block(0, "Two", " cities.", signature="ab"), tool_block(1, "t1", "get_weather", '{"city":"Oslo"}'), end("tool_use")))
    got = raw.post(signet.port, "/openai/v1/chat/completions", {"model": "tensorzero::model_name::m", "messages": [user("?")], "tools": [TOOL], "stream": True})
    extras = [e for c in chunks(got) for e in c["choices"][0]["delta"].get("tensorzero_extra_content", []) if c["choices"]]
    text = "".join(e["text"] or "" for e in extras)
    seal = "".join(e["signature"] or "" for e in extras)
    assert (text, seal) == ("Two cities.", "ab")
    content = replayed(signet, mock, {"text": text, "signature": seal, "provider_type": "anthropic"}, path="/openai/v1", model="tensorzero::model_name::m")
    assert [b["type"] for b in content] == ["thinking", "tool_use"] and content[0] == thinking("Two cities.", "ab")


# -- streams -----------------------------------------------------------------------------------------
def tool_calls(got):
    out = {}
    for c in chunks(got):
        for part in (c["choices"][0]["delta"].get("tool_calls") or [] if c["choices"] else []):
            one = out.setdefault(part["index"], ["", "", ""])
            f = part.get("function", {})
            out[part["index"]] = [one[0] + part.get("id", ""), one[1] + f.get("name", ""), one[2] + f.get("arguments", "")]
    return [tuple(out[i]) for i in sorted(out)]


def test_calls_in_a_stream(signet, mock):
    """providers-others §13 A10, surfaces §8.4 #57"""
    mock.then(stream(thinking_block(0, "hm"), text_block(1, "So"), tool_block(2, "t1", "get_weather", "", '{"city": ', '"Oslo"}'),
                     tool_block(3, "t2", "get_weather", '{"city":"Rome"}'), end("tool_use")))
    got = chat(signet, tools=[TOOL], stream=True)
    assert tool_calls(got) == [("t1", "get_weather", '{"city": "Oslo"}'), ("t2", "get_weather", '{"city":"Rome"}')]
    assert {c["choices"][0]["index"] for c in chunks(got)} == {0} and text_of(got) == "So"


@pytest.mark.parametrize("block", [
    pytest.param(tool_block(0, "t", "get_weather"), id="providers-others §13 A9"),
    pytest.param(tool_block(0, "t", "get_weather", ""), id="surfaces §8.4 #8"),
])
def test_a_call_without_arguments(signet, mock, block):
    mock.then(stream(block, end("tool_use")))
    assert tool_calls(chat(signet, tools=[TOOL], stream=True)) == [("t", "get_weather", "{}")]


def test_arguments_that_come_whole_with_the_blocks_start(signet, mock):
    mock.then(stream(tool_block(0, "t", "get_weather", input={"city": "Oslo"}), end("tool_use")))
    assert tool_calls(chat(signet, tools=[TOOL], stream=True)) == [("t", "get_weather", '{"city":"Oslo"}')]


def test_usage_of_a_stream_is_never_added_up(signet, mock):
    """providers-others §13 A33, A34, surfaces §8.4 #21"""
    for usage in ({"input_tokens": 40, "cache_read_input_tokens": 100, "output_tokens": 55}, {"output_tokens": 55},
                  {"input_tokens": None, "cache_read_input_tokens": None, "output_tokens": 55}):
        mock.then(stream(text_block(0, "x"), end(usage=usage)))
        got = chat(signet, stream=True, stream_options={"include_usage": True})
        last = chunks(got)[-1]["usage"]
        assert (last["prompt_tokens"], last["completion_tokens"], last["prompt_tokens_details"]["cached_tokens"]) == (140, 55, 100)


def test_events_and_deltas_that_nobody_knows_are_passed_over(signet, mock):
    """providers-others §13 A32"""
    odd = [event("future_event", x=1), *text_block(0, "a")[:2], event("content_block_delta", index=0, delta={"type": "future_delta"}),
           event("content_block_delta", index=0, delta={"type": "text_delta", "text": "b"}), event("ping")]
    mock.then(stream(odd, end()))
    assert text_of(chat(signet, stream=True)) == "ab"


def test_a_servers_own_tools_are_no_calls_of_the_client(signet, mock):
    """providers-others §13 A36"""
    server = claude.block(0, ("input_json_delta", "partial_json", '{"query":"x"}'), type="server_tool_use", id="s1", name="web_search", input={})
    found = claude.block(1, type="web_search_tool_result", tool_use_id="s1", content=[{"encrypted_content": "ENC"}])
    cited = claude.block(2, ("text_delta", "text", "Found."), ("citations_delta", "citation", {"type": "web_search_result_location"}), type="text", text="")
    mock.then(stream(server, found, cited, end()))
    body = {"model": "tensorzero::model_name::m", "messages": [user("?")], "stream": True}
    got = raw.post(signet.port, "/openai/v1/chat/completions", body)
    assert tool_calls(got) == [] and text_of(got) == "Found."
    extras = [e for c in chunks(got) for e in c["choices"][0]["delta"].get("tensorzero_extra_content", []) if c["choices"]]
    assert [e["data"] for e in extras] == [
        {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {"query": "x"}},
        {"type": "web_search_tool_result", "tool_use_id": "s1", "content": [{"encrypted_content": "ENC"}]}]


def test_an_overload_before_the_content_moves_on(signet, mock):
    """providers-others §13 A28"""
    mock.then(stream(error_event()), text_stream("second"))
    assert text_of(chat(signet, model="pair", stream=True)) == "second" and len(mock.requests) == 2


def test_an_overload_behind_the_content_is_an_error(signet, mock):
    """providers-others §13 A29"""
    mock.then(stream(text_block(0, "first"), error_event()))
    got = chat(signet, stream=True)
    events = [json.loads(e) for e in got.events()[:-1]]
    assert events[-1]["error"]["code"] == "server_is_overloaded" and sum("error" in e for e in events) == 1
    assert all(e["choices"][0]["finish_reason"] is None for e in events[:-1])
    row = wait_row(signet.data_dir, got.headers["x-signet-inference-id"])
    assert row["state"] == "truncated"


def test_a_stream_that_says_that_it_stopped_is_whole(signet, mock):
    """providers-others §13 A30"""
    mock.then(stream(text_block(0, "all"), end(stop_message=False)))
    got = chat(signet, stream=True)
    assert text_of(got) == "all" and chunks(got)[-1]["choices"][0]["finish_reason"] == "stop"


@pytest.mark.parametrize("how", [None, CLOSE, RESET])
def test_a_stream_that_breaks_off_is_no_success(signet, mock, how):
    """providers-others §13 A31"""
    mock.then(stream(text_block(0, "half"), *([how] if how else [])))
    events = [json.loads(e) for e in chat(signet, stream=True).events()[:-1]]
    assert "error" in events[-1] and all(e["choices"][0]["finish_reason"] is None for e in events[:-1])


def test_a_thought_that_broke_off_is_not_replayed(signet, mock):
    """providers-others §13 A6"""
    assert [b["type"] for b in replayed(signet, mock, {"text": "half a th", "signature": None, "provider_type": "anthropic"})] == ["tool_use"]


def test_pieces_of_any_size_are_the_same_stream(signet, mock):
    """providers-others §13 A41"""
    events = stream(text_block(0, "Grüße ", "世界"), tool_block(1, "t", "get_weather", '{"city":"Ørsta"}'), end("tool_use"))
    for split in (1, 3, 7):
        mock.then(stream(text_block(0, "Grüße ", "世界"), tool_block(1, "t", "get_weather", '{"city":"Ørsta"}'), end("tool_use"), split=split))
        got = chat(signet, tools=[TOOL], stream=True)
        assert text_of(got) == "Grüße 世界" and tool_calls(got) == [("t", "get_weather", '{"city":"Ørsta"}')]
    assert events


# -- answers and errors ------------------------------------------------------------------------------
@pytest.mark.parametrize("reason,finish", [("end_turn", "stop"), ("max_tokens", "length"), ("stop_sequence", "stop"), ("tool_use", "tool_calls"),
                                           ("refusal", "content_filter"), ("model_context_window_exceeded", "length"), ("pause_turn", "stop")])
def test_stop_reasons(signet, mock, reason, finish):
    mock.then(answer("x", stop=reason))
    assert chat(signet).json["choices"][0]["finish_reason"] == finish


def test_a_refusal_without_content_is_an_answer(signet, mock):
    """providers-others §13 A35"""
    mock.then(answer(stop="refusal"))
    got = chat(signet)
    assert got.status == 200 and got.json["choices"][0]["finish_reason"] == "content_filter"


@pytest.mark.parametrize("status,want,code", [(400, 400, None), (401, 502, "upstream_auth"), (403, 502, "upstream_auth"), (404, 404, None),
                                              (413, 413, None), (429, 429, "rate_limit_exceeded"), (500, 502, "upstream_error"),
                                              (529, 503, "server_is_overloaded")])
def test_errors(signet, mock, status, want, code):
    mock.then(claude.error(status, "no", headers=[("retry-after", "7")]))
    got = chat(signet)
    assert got.status == want and "no" in got.message
    assert code is None or got.json["error"]["code"] == code
    assert status not in (429, 529) or got.headers["retry-after"] == "7"


@pytest.mark.parametrize("status,body,want", [(529, "<html>busy</html>", 503), (413, "", 413)])
def test_errors_that_are_no_json(signet, mock, status, body, want):
    """providers-others §13 A40"""
    from lib.mock import answer as bytes_answer
    mock.then(bytes_answer(body, status, content_type="text/html"))
    assert chat(signet).status == want


def test_a_file_too_large_is_the_requests_fault(signet, mock):
    """providers-others §13 A44"""
    for status in (400, 413):
        mock.then(claude.error(status, "image exceeds 5 MB maximum"))
        image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
        got = chat(signet, user([image]))
        assert got.status == status and "exceeds" in got.message and len(mock.requests) == 1
        mock.requests.clear()


def test_files(signet, mock):
    parts = [{"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}},
             {"type": "file", "file": {"file_data": "data:application/pdf;base64,JVBERi0=", "filename": "a.pdf"}},
             {"type": "file", "file": {"file_data": "data:text/plain;base64,aGk=", "filename": "a.txt"}}]
    body, _ = sent(signet, mock, user(parts))
    assert body["messages"][0]["content"] == [
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}},
        {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="}, "title": "a.pdf"},
        {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "hi"}, "title": "a.txt"}]


def test_shorthand_names_and_provider_tools(signet, mock):
    tool = {"type": "web_search_20250305", "name": "web_search"}
    mock.then(answer("ok"))
    got = raw.post(signet.port, "/openai/v1/chat/completions", {"model": "tensorzero::model_name::m", "messages": [user("?")],
                                                                "tensorzero::provider_tools": [{"scope": {"model_name": "m"}, "tool": tool}]})
    assert got.status == 200 and mock.last().json["tools"] == [tool] and "tool_choice" not in mock.last().json
