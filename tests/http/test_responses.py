"""POST /v1/responses by OpenAI's own client and byte by byte, over an upstream of chat completions, one of responses, and a signed one (surfaces §4)."""
import hashlib
import json
import os

import openai
import pytest

from lib import raw
from lib.mock import RESET, chat_answer, chunk, cut, error, json_answer, sse, text_chunks, tool_call, usage_chunk
from lib.record import wait_row
from lib.signet import config, openai_model

PATH = "/v1/responses"
USAGE = {"input_tokens": 9, "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 0}, "output_tokens": 5, "output_tokens_details": {"reasoning_tokens": 2}, "total_tokens": 14}
WEIGH = {"type": "function", "name": "weigh", "description": "Weigh a box", "strict": False, "parameters": {"type": "object", "properties": {"box": {"type": "string"}}, "required": ["box"]}}
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


def signet_toml(mock):
    return config(
        openai_model("m", mock.url) + openai_model("two", mock.url, mock.url)
        + openai_model("gpt", mock.url, model_name="gpt-x", keys='api_type = "responses"'),
        record=True, extra="[surfaces]\nping_ms = 200\n",
    )


def ask(signet, model="m", path=PATH, headers=(), **fields):
    fields.setdefault("input", "hi")
    return raw.post(signet.port, path, json.dumps({"model": model, "store": False, **fields}), headers=headers)


@pytest.fixture
def client(signet):
    with openai.OpenAI(base_url=signet.url + "/v1", api_key="none", max_retries=0, timeout=10) as c:
        yield c


def stream(got):
    """The events, each checked for what all of them have (surfaces §8.4 #33, #38)."""
    assert got.status == 200, got.body
    list_ = [json.loads(e) for e in got.events()]
    assert [e["sequence_number"] for e in list_] == list(range(len(list_)))
    assert list_[0]["type"] == "response.created" and list_[1]["type"] == "response.in_progress"
    assert sum(e["type"] in ("response.completed", "response.incomplete", "response.failed") for e in list_) == 1
    assert list_[-1]["type"] in ("response.completed", "response.incomplete", "response.failed")
    opened, closed = [e["item"]["id"] for e in list_ if e["type"] == "response.output_item.added"], [e["item"]["id"] for e in list_ if e["type"] == "response.output_item.done"]
    assert opened == closed == [i["id"] for i in list_[-1]["response"]["output"]]
    assert all(e["item_id"] in opened for e in list_ if "item_id" in e)  # surfaces §8.4 #37
    assert [e["output_index"] for e in list_ if e["type"] == "response.output_item.added"] == list(range(len(opened)))
    return list_


def names(list_):
    return [e["type"].removeprefix("response.") for e in list_]


# ---- over chat completions ----


def test_a_plain_answer(client, mock):
    mock.then(json_answer(chat_answer("On it.", usage={"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5, "prompt_tokens_details": {"cached_tokens": 1}})))
    got = client.responses.create(model="m", input="Weigh B", instructions="You sort boxes.", max_output_tokens=50, temperature=0.5, metadata={"a": "b"}, user="u1", store=False)
    assert got.id.startswith("resp_") and got.object == "response" and got.status == "completed" and got.model == "m"
    assert got.output_text == "On it." and [i.type for i in got.output] == ["message"] and got.output[0].id.startswith("msg_")
    assert (got.usage.input_tokens, got.usage.output_tokens, got.usage.total_tokens, got.usage.input_tokens_details.cached_tokens) == (3, 2, 5, 1)
    assert (got.instructions, got.max_output_tokens, got.temperature, got.metadata, got.user) == ("You sort boxes.", 50, 0.5, {"a": "b"}, "u1")
    assert got.completed_at >= got.created_at
    assert mock.last().target == "/v1/chat/completions"
    assert mock.last().json["messages"] == [{"role": "system", "content": "You sort boxes."}, {"role": "user", "content": "Weigh B"}]
    assert mock.last().json["max_completion_tokens"] == 50 and mock.last().json["temperature"] == 0.5


MEMBERS = [
    "id", "object", "created_at", "status", "background", "completed_at", "error", "frequency_penalty", "incomplete_details", "instructions", "max_output_tokens", "max_tool_calls",
    "metadata", "model", "output", "parallel_tool_calls", "presence_penalty", "previous_response_id", "prompt_cache_key", "reasoning", "safety_identifier", "service_tier", "store",
    "temperature", "text", "tool_choice", "tools", "top_logprobs", "top_p", "truncation", "usage", "user"]


def test_the_object_has_its_members_in_order(signet, mock):
    mock.then(json_answer(chat_answer("x")))
    assert list(ask(signet).json) == MEMBERS


def test_the_object_has_the_values_that_hold_where_none_was_sent(signet, mock):
    """So OpenAI writes them; the published schema of the API wants numbers, not nulls."""
    wanted = {"temperature": 1.0, "top_p": 1.0, "frequency_penalty": 0.0, "presence_penalty": 0.0, "top_logprobs": 0, "max_tool_calls": None, "prompt_cache_key": None, "safety_identifier": None}
    mock.then(json_answer(chat_answer("x")))
    plain = ask(signet).json
    mock.then(sse(text_chunks("x")))
    list_ = stream(ask(signet, stream=True))
    for object in [plain, *(e["response"] for e in list_ if "response" in e)]:
        assert list(object) == MEMBERS and {k: object[k] for k in wanted} == wanted
    assert [e["type"] for e in list_ if "response" in e] == ["response.created", "response.in_progress", "response.completed"]


@pytest.mark.parametrize("sent, shown", [
    ({"type": "function", "name": "f"}, {"description": None, "parameters": {"type": "object", "properties": {}}, "strict": False}),
    ({"type": "function", "name": "f", "description": None, "parameters": None, "strict": None}, {"description": None, "parameters": {"type": "object", "properties": {}}, "strict": False}),
    ({"type": "function", "function": {"name": "f", "description": "d", "strict": True}}, {"description": "d", "parameters": {"type": "object", "properties": {}}, "strict": True}),
    ({"type": "custom", "name": "f"}, {}),
])
def test_tools_come_back_with_all_that_they_have(signet, mock, sent, shown):
    mock.then(json_answer(chat_answer("x")))
    assert ask(signet, tools=[sent]).json["tools"] == [{"type": sent["type"], "name": "f", **shown}]


def test_a_stream(client, mock):
    mock.then(sse(text_chunks("Hello there", pieces=3)))
    with client.responses.stream(model="m", input="hi", store=False) as s:
        kinds = [e.type for e in s]
        final = s.get_final_response()
    assert final.output_text == "Hello there" and final.usage.total_tokens == 18
    assert kinds == ["response.created", "response.in_progress", "response.output_item.added", "response.content_part.added"] + ["response.output_text.delta"] * 3 + [
        "response.output_text.done", "response.content_part.done", "response.output_item.done", "response.completed"]


def tool_chunk(index, id=None, name=None, arguments=""):
    f = {"arguments": arguments, **({"name": name} if name else {})}
    return chunk({"tool_calls": [{"index": index, **({"id": id, "type": "function"} if id else {}), "function": f}]})


def test_tools_in_a_stream_and_their_results(client, mock):
    mock.then(sse([chunk({"role": "assistant", "content": "On it."}), tool_chunk(0, "call_9", "weigh"), tool_chunk(0, arguments='{"box": '), tool_chunk(0, arguments='"B"}'), chunk({}, "tool_calls"), usage_chunk()]))
    with client.responses.stream(model="m", input="Weigh B", tools=[WEIGH], store=False) as s:
        final = [e for e in s] and s.get_final_response()
    call = final.output[1]
    assert [i.type for i in final.output] == ["message", "function_call"] and (call.call_id, call.name, call.arguments) == ("call_9", "weigh", '{"box": "B"}')
    assert mock.last().json["tools"] == [{"type": "function", "function": {"name": "weigh", "description": "Weigh a box", "parameters": WEIGH["parameters"]}}]
    mock.then(json_answer(chat_answer("3 kg")))
    got = client.responses.create(model="m", store=False, tools=[WEIGH], input=[{"role": "user", "content": "Weigh B"}, *[i.model_dump(exclude_none=True, exclude={"parsed_arguments"}) for i in final.output],
                                                       {"type": "function_call_output", "call_id": "call_9", "output": "3"}])
    assert got.output_text == "3 kg"
    assert mock.last().json["messages"] == [
        {"role": "user", "content": "Weigh B"},
        {"role": "assistant", "content": "On it.", "tool_calls": [{"id": "call_9", "type": "function", "function": {"name": "weigh", "arguments": '{"box": "B"}'}}]},
        {"role": "tool", "content": "3", "tool_call_id": "call_9"}]


def test_parallel_calls_whose_fragments_come_in_turns(signet, mock):
    mock.then(sse([tool_chunk(0, "a", "weigh"), tool_chunk(1, "b", "weigh"), tool_chunk(0, arguments='{"box":'), tool_chunk(1, arguments='{"box":"2"'), tool_chunk(0, arguments='"1"}'), tool_chunk(1, arguments="}"), chunk({}, "tool_calls")]))
    list_ = stream(ask(signet, stream=True, tools=[WEIGH]))
    assert [(i["call_id"], i["arguments"]) for i in list_[-1]["response"]["output"]] == [("a", '{"box":"1"}'), ("b", '{"box":"2"}')]
    open_ = None
    for e in list_:  # items do not overlap
        if e["type"] == "response.output_item.added":
            assert open_ is None
            open_ = e["item"]["id"]
        elif e["type"] == "response.output_item.done":
            assert open_ == e["item"]["id"]
            open_ = None


def test_thoughts_texts_and_calls_are_items_of_their_own(signet, mock):
    mock.then(sse([chunk({"reasoning_content": "Use the "}), chunk({"reasoning_content": "scale."}), chunk({"content": "a"}), tool_chunk(0, "c", "weigh", "{}"), chunk({"content": "b"}), chunk({}, "stop")]))
    list_ = stream(ask(signet, stream=True, tools=[WEIGH], reasoning={"effort": "low", "summary": "auto"}))
    items = list_[-1]["response"]["output"]
    assert [i["type"] for i in items] == ["reasoning", "message", "function_call", "message"]
    assert items[0]["summary"] == [{"type": "summary_text", "text": "Use the scale."}] and "encrypted_content" not in items[0]
    assert names(list_)[2:8] == ["output_item.added", "reasoning_summary_part.added", "reasoning_summary_text.delta", "reasoning_summary_text.delta", "reasoning_summary_text.done", "reasoning_summary_part.done"]
    assert mock.last().json["reasoning_effort"] == "low"
    mock.then(sse([chunk({"reasoning_content": "raw"}), chunk({"content": "a"}), chunk({}, "stop")]))
    list_ = stream(ask(signet, stream=True))
    assert names(list_)[2:6] == ["output_item.added", "reasoning_text.delta", "reasoning_text.done", "output_item.done"]
    assert list_[-1]["response"]["output"][0]["content"] == [{"type": "reasoning_text", "text": "raw"}]


def test_the_thought_goes_back_where_it_came_from(signet, mock):
    mock.then(json_answer(chat_answer("x")))
    ask(signet, input=[{"role": "user", "content": "a"}, {"type": "reasoning", "id": "rs_1", "summary": [], "content": [{"type": "reasoning_text", "text": "raw"}]},
                       {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "b"}]}, {"role": "user", "content": "c"}])
    assert mock.last().json["messages"][1] == {"role": "assistant", "content": "b", "reasoning_content": "raw"}


def test_an_upstream_that_ends_without_a_finish_reason_but_with_done(signet, mock):
    """surfaces §8.4 #31"""
    mock.then(sse([chunk({"content": "x"})], done=True))
    list_ = stream(ask(signet, stream=True))
    assert list_[-1]["type"] == "response.completed"


@pytest.mark.parametrize("model", ["m", "gpt"])
def test_a_cut_upstream_is_a_failure(signet, mock, model):
    """surfaces §8.4 #32"""
    first = [chunk({"content": "Once"})] if model == "m" else up(CREATED, DELTA)
    mock.then(sse(first, done=False))
    got = ask(signet, model, stream=True)
    list_ = [json.loads(e) for e in got.events()]
    assert list_[-1]["type"] == "response.failed" and list_[-1]["response"]["error"] == {"code": "server_error", "message": "Upstream stream ended early"}
    assert [e["sequence_number"] for e in list_] == sorted({e["sequence_number"] for e in list_})
    if model == "m":
        assert list_[-2]["type"] == "response.output_item.done" and list_[-2]["item"]["status"] == "incomplete"


def test_length_is_incomplete(signet, mock):
    mock.then(sse([chunk({"content": "Once"}), chunk({}, "length")]))
    end = stream(ask(signet, stream=True))[-1]
    assert end["type"] == "response.incomplete" and end["response"]["incomplete_details"] == {"reason": "max_output_tokens"}
    assert end["response"]["output"][0]["status"] == "incomplete" and end["response"]["completed_at"] is None
    mock.then(json_answer({**chat_answer("Once"), "choices": [{"index": 0, "message": {"role": "assistant", "content": "Once"}, "finish_reason": "length"}]}))
    got = ask(signet).json
    assert got["status"] == "incomplete" and got["output"][0]["status"] == "incomplete"


def test_a_refusal(signet, mock):
    mock.then(sse([chunk({"refusal": "No."}), chunk({}, "stop")]))
    list_ = stream(ask(signet, stream=True))
    assert list_[-1]["response"]["output"][0]["content"] == [{"type": "refusal", "refusal": "No."}]
    assert {"refusal.delta", "refusal.done"} <= set(names(list_))


def test_images_files_and_their_results(client, mock):
    """surfaces §8.4 #16: structured, never base64 as text"""
    url = "data:image/png;base64," + PNG
    mock.then(json_answer(chat_answer("x")))
    client.responses.create(model="m", store=False, input=[
        {"role": "user", "content": [{"type": "input_text", "text": "see"}, {"type": "input_image", "image_url": url, "detail": "low"}, {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERi0="}]},
        {"type": "function_call", "call_id": "c", "name": "look", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c", "output": [{"type": "input_text", "text": "shot"}, {"type": "input_image", "image_url": url}]}])
    sent = mock.last().json["messages"]
    assert sent[0]["content"] == [{"type": "text", "text": "see"}, {"type": "image_url", "image_url": {"url": url, "detail": "low"}}, {"type": "file", "file": {"file_data": "data:application/pdf;base64,JVBERi0=", "filename": "a.pdf"}}]
    assert sent[2]["role"] == "tool" and sent[2]["content"].startswith("shot\n[") and "base64" not in sent[2]["content"]
    assert sent[3]["content"][1] == {"type": "image_url", "image_url": {"url": url}}


def test_schemas(client, mock):
    schema = {"type": "object", "properties": {"a": {"type": "number"}}, "required": ["a"], "additionalProperties": False}
    mock.then(json_answer(chat_answer('{"a":1}')))
    got = client.responses.create(model="m", input="x", store=False, text={"format": {"type": "json_schema", "name": "n", "schema": schema, "strict": True}, "verbosity": "low"})
    assert got.output_text == '{"a":1}' and got.text.format.name == "n"
    assert mock.last().json["response_format"]["json_schema"]["schema"] == schema and mock.last().json["verbosity"] == "low"


def test_system_and_developer_items(signet, mock):
    mock.then(json_answer(chat_answer("x")))
    ask(signet, instructions="A", input=[{"role": "developer", "content": "B"}, {"role": "user", "content": "u"}, {"role": "system", "content": "C"}, {"role": "user", "content": ""}, {"role": "user", "content": "v"}])
    assert mock.last().json["messages"] == [{"role": "system", "content": "A\n\nB"}, {"role": "user", "content": "u"}, {"role": "user", "content": "<system>C</system>"}, {"role": "user", "content": "v"}]


# ---- tools that other families lack ----


def test_tools_of_other_kinds(signet, mock):
    """surfaces §8.4 #40, #41, #42"""
    tools = [{"type": "namespace", "name": "mcp", "description": "d", "tools": [{"type": "function", "name": "find", "parameters": None}]}, {"type": "local_shell"}, {"type": "web_search"}, {"type": "image_generation"},
             {"type": "function", "function": {"name": "nested", "parameters": {}}}]
    mock.then(sse([tool_chunk(0, "a", "mcp__find", '{"q":1}'), tool_chunk(1, "b", "local_shell", '{"command":["ls"],"workdir":"/x"}'), chunk({}, "tool_calls")]))
    got = ask(signet, stream=True, tools=tools)
    find, shell = stream(got)[-1]["response"]["output"]
    assert (find["type"], find["namespace"], find["name"], find["call_id"]) == ("function_call", "mcp", "find", "a")
    assert shell["type"] == "local_shell_call" and shell["action"] == {"type": "exec", "env": {}, "command": ["ls"], "working_directory": "/x"}
    assert [t["function"]["name"] for t in mock.last().json["tools"]] == ["mcp__find", "local_shell", "nested"]
    assert all(t["function"]["parameters"] is not None for t in mock.last().json["tools"])
    assert set(got.headers["x-signet-ignored"].split(", ")) >= {"tools[2]:web_search", "tools[3]:image_generation"}
    mock.then(json_answer(chat_answer("x")))
    ask(signet, tools=tools, input=[{"role": "user", "content": "u"}, find, shell, {"type": "function_call_output", "call_id": "a", "output": "1"}, {"type": "local_shell_call_output", "id": "b", "output": "2"}])
    sent = mock.last().json["messages"]
    assert [(c["function"]["name"], json.loads(c["function"]["arguments"])) for c in sent[1]["tool_calls"]] == [("mcp__find", {"q": 1}), ("local_shell", {"command": ["ls"], "workdir": "/x"})]
    assert [(m["tool_call_id"], m["content"]) for m in sent[2:]] == [("a", "1"), ("b", "2")]


def test_items_that_nobody_knows_are_no_error(signet, mock):
    """surfaces §8.4 #43, #44"""
    mock.then(json_answer(chat_answer("x")))
    got = ask(signet, input=[{"role": "user", "content": "u"}, {"type": "additional_tools", "role": "user", "tools": [{"type": "function", "name": "late"}]}, {"type": "ghost_snapshot", "x": 1},
                             {"type": "tool_search_call", "call_id": "t"}, {"type": "tool_search_output", "call_id": "t", "tools": [WEIGH]}])
    assert got.status == 200, got.body
    assert got.headers["x-signet-ignored"] == "input[2]:ghost_snapshot"
    assert [t["function"]["name"] for t in mock.last().json["tools"]] == ["late", "weigh"]
    assert mock.last().json["messages"][1]["tool_calls"][0]["function"] == {"name": "tool_search", "arguments": "{}"}


def test_long_tool_names_come_back_whole(signet, mock):
    """surfaces §8.4 #13"""
    name = "n" * 71
    mock.then(lambda conn, request: json_answer(chat_answer(None, message={"tool_calls": [tool_call("c", request.json["tools"][0]["function"]["name"], "{}")]}))(conn, request))
    got = ask(signet, tools=[{"type": "function", "name": name}]).json
    assert len(mock.last().json["tools"][0]["function"]["name"]) <= 64 and got["output"][0]["name"] == name


@pytest.mark.parametrize("fields, param, code, words", [
    ({"input": [{"role": "user", "content": [{"type": "input_image", "image_url": 7}]}]}, "input[0].content[0].image_url", None, "invalid type"),
    ({"input": []}, "input", "missing_required_parameter", "input"),
    ({"max_output_tokens": 0}, "max_output_tokens", "invalid_value", "at least 1"),
    ({"conversation": "c1"}, "conversation", "unsupported_parameter", "upstream_state"),
    ({"background": True}, "background", "unsupported_parameter", "upstream_state"),
    ({"previous_response_id": "resp_" + "0" * 32, "conversation": "c"}, "previous_response_id", "unsupported_parameter", "together"),
    ({"input": [{"type": "function_call_output", "call_id": "zz", "output": "1"}]}, "input[0]", None, "No tool call found for function call output with call_id zz."),
    ({"input": [{"role": "user", "content": [{"type": "input_image", "file_id": "file-1"}]}]}, "input[0].content[0].file_id", None, "file_id"),
    ({"tools": [{"type": "web_search"}], "tool_choice": "required"}, "tool_choice", None, "required"),
    ({"tool_choice": {"type": "function", "name": "no"}}, "tool_choice", None, "no"),
    ({"temperature": "hot"}, "temperature", None, "temperature"),
    ({"tensorzero::nonsense": 1}, "tensorzero::nonsense", "unsupported_parameter", "nonsense"),
], ids=lambda v: str(v)[:40])
def test_bad_requests(signet, fields, param, code, words):
    got = ask(signet, **fields)
    assert got.status == 400, got.body
    e = got.json["error"]
    assert set(e) == {"message", "type", "param", "code"} and e["param"] == param and words in e["message"] and (code is None or e["code"] == code)


def test_an_unknown_reference_is_the_request_s_fault(signet):
    """surfaces §8.4 #49"""
    got = ask(signet, input=[{"type": "item_reference", "id": "msg_"}])
    assert got.status == 400 and "Item with id 'msg_' not found." in got.json["error"]["message"]


def test_unknown_models_and_errors_of_upstreams(client, mock):
    with pytest.raises(openai.NotFoundError) as e:
        client.responses.create(model="nope", input="x")
    assert e.value.code == "model_not_found"
    mock.then(error(429, "slow down, try again in 20s"))
    with pytest.raises(openai.RateLimitError):
        client.responses.create(model="m", input="x")
    mock.then(error(400, "maximum context length exceeded", code="context_length_exceeded"))
    with pytest.raises(openai.BadRequestError) as e:
        client.responses.create(model="m", input="x")
    assert e.value.code == "context_length_exceeded"


def test_a_failure_before_content_falls_over(signet, mock):
    mock.then(error(500), sse(text_chunks("ok")))
    list_ = stream(ask(signet, "two", stream=True))
    assert list_[-1]["response"]["output"][0]["content"][0]["text"] == "ok"


def test_a_plain_upstream_answer_to_a_stream(signet, mock):
    """surfaces §8.4 #36"""
    mock.then(sse([chunk({"content": "whole"}), chunk({}, "stop")]))
    assert names(stream(ask(signet, stream=True)))[0] == "created"


def test_the_client_leaves_and_the_upstream_learns_of_it(client, mock):
    mock.then(sse([chunk({"content": "a"})] * 3, delay=0.2))
    s = client.responses.create(model="m", input="x", stream=True)
    next(iter(s))
    s.close()
    mock.wait_requests(1)
    assert mock.last().gone.wait(5) or mock.last().done.wait(1)


def test_the_twin_below_openai(signet, mock):
    mock.then(json_answer(chat_answer("x")))
    got = ask(signet, path="/openai/v1/responses", model="tensorzero::model_name::m")
    assert got.status == 200 and got.json["model"] == "tensorzero::model_name::m"


def test_who_asks_is_in_the_row(signet, mock):
    mock.then(json_answer(chat_answer("x")))
    got = ask(signet, safety_identifier="u-9", prompt_cache_key="k1", headers=[("session_id", "s-1"), ("user-agent", "codex_cli_rs/1.0 (x)")])
    row = wait_row(signet.data_dir, got.headers["x-signet-inference-id"])
    assert row["surface"] == "responses"


# ---- over responses: the client's own bytes ----

CREATED = ("response.created", {"response": {"id": "resp_u", "object": "response", "model": "gpt-x-0301", "store": False, "output": []}})
DELTA = ("response.output_text.delta", {"item_id": "msg_1", "output_index": 0, "content_index": 0, "delta": "Once"})


def up(*list_):
    return [json.dumps({"type": t, "sequence_number": i, **m}, separators=(",", ":")) for i, (t, m) in enumerate(list_)]


def test_the_golden_pass_through(signet, mock):
    """surfaces §7.3, §8.4 #34"""
    list_ = [
        '{"type":"response.created","sequence_number":0,"response":{"id":"resp_u","object":"response","model":"gpt-x-0301","store":false,"output":[]}}',
        '{"type":"response.web_search_call.searching","sequence_number":1,"item_id":"ws_7","output_index":0}',
        '{"type":"response.output_item.done","sequence_number":2,"output_index":1,"item":{"id":"rs_u1","type":"reasoning","summary":[],"encrypted_content":"gAA="}}',
        '{"type":"response.new_thing","sequence_number":3,"x":null}',
        '{"type":"response.completed","sequence_number":4,"response":{"id":"resp_u","object":"response","model":"gpt-x-0301","store":false,"output":[],"usage":null}}']
    mock.then(sse(list_, done=False))
    body = '{"model":"gpt","input":"hi","tools":[{"type":"web_search","external_web_access":false}],"stream":true,"future_field":{"b":1.50,"a":2}}'
    got = raw.post(signet.port, PATH, body)
    assert mock.last().body.decode() == '{"model":"gpt-x","input":"hi","tools":[{"type":"web_search","external_web_access":false}],"stream":true,"future_field":{"b":1.50,"a":2},"store":false,"include":["reasoning.encrypted_content"]}'
    id = "resp_" + got.headers["x-signet-inference-id"].replace("-", "")
    head = f'"response":{{"id":"{id}","object":"response","model":"gpt","store":true,"output":['
    assert got.events() == [
        '{"type":"response.created","sequence_number":0,' + head + "]}}", list_[1],
        '{"type":"response.output_item.done","sequence_number":2,"output_index":1,"item":{"id":"rs_u1","type":"reasoning","summary":[]}}', list_[3],
        '{"type":"response.completed","sequence_number":4,' + head + '{"id":"rs_u1","type":"reasoning","summary":[]}],"usage":null}}']


def test_a_passed_plain_answer(client, mock):
    output = [{"type": "message", "id": "msg_u", "role": "assistant", "status": "completed", "content": [{"type": "output_text", "text": "Hi", "annotations": []}], "new": 1}]
    mock.then(json_answer({"id": "resp_u", "object": "response", "created_at": 1, "status": "completed", "model": "gpt-x-1", "output": output, "store": False, "usage": USAGE, "odd": {"n": 1.5}}))
    got = client.responses.create(model="gpt", input="hi", store=False)
    assert got.output_text == "Hi" and got.model == "gpt" and got.id != "resp_u" and got.usage.total_tokens == 14 and got.output[0].new == 1 and got.odd == {"n": 1.5}


def test_a_terminal_response_done(signet, mock):
    """surfaces §8.4 #35"""
    mock.then(sse(up(CREATED, DELTA, ("response.done", {"response": {"id": "r", "status": "completed", "output": [], "usage": USAGE}})), done=False))
    assert json.loads(ask(signet, "gpt", stream=True).events()[-1])["type"] == "response.completed"


def test_an_error_event_is_passed_and_followed(signet, mock):
    mock.then(sse(up(CREATED, DELTA, ("error", {"code": "server_is_overloaded", "message": "m", "param": None})), done=False))
    list_ = [json.loads(e) for e in ask(signet, "gpt", stream=True).events()]
    assert [e["type"] for e in list_[-2:]] == ["error", "response.failed"] and list_[-1]["response"]["error"]["code"] == "server_is_overloaded"
    mock.then(sse(up(CREATED, DELTA, ("response.failed", {"response": {"id": "r", "status": "failed", "error": {"code": "odd_code", "message": "m"}}})), done=False))
    list_ = [json.loads(e) for e in ask(signet, "gpt", stream=True).events()]
    assert [e["type"] for e in list_] == ["response.created", "response.output_text.delta", "response.failed"] and list_[-1]["response"]["error"] == {"code": "odd_code", "message": "m"}


def test_thoughts_of_the_upstream_go_back_as_they_were(signet, mock):
    """surfaces §8.4 #45, #46"""
    done = json_answer({"id": "resp_u", "object": "response", "status": "completed", "output": [], "usage": USAGE})
    mock.then(done)
    items = [{"role": "user", "content": "a"}, {"type": "reasoning", "id": "rs_u1", "summary": [], "encrypted_content": "gAA="}, {"type": "reasoning", "id": "rs_u2", "summary": []}, {"role": "assistant", "content": "b"}, {"role": "user", "content": "c"}]
    ask(signet, "gpt", input=items)
    assert mock.last().json["input"] == [items[0], items[1], items[3], items[4]]
    seal = "sgn1." + __import__("base64").urlsafe_b64encode(b'{"p":"anthropic","s":"x"}').decode().rstrip("=")
    mock.then(done)
    ask(signet, "gpt", input=[items[0], {"type": "reasoning", "id": "rs_9", "summary": [], "encrypted_content": seal}, items[3]])
    assert mock.last().json["input"] == [items[0], items[3]]
