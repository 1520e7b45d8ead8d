"""Provider type `openai` with api_type = "responses": what goes up and what comes back, for clients of chat completions (providers-openai §4)."""
import json

import pytest

from lib import raw
from lib.mock import error, json_answer, sse
from lib.record import wait_row
from lib.signet import config, openai_model

CHAT, TENSORZERO = "/v1/chat/completions", "/openai/v1/chat/completions"
WEATHER = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"], "additionalProperties": False}
USAGE = {"input_tokens": 90, "input_tokens_details": {"cached_tokens": 64}, "output_tokens": 40, "output_tokens_details": {"reasoning_tokens": 16}, "total_tokens": 130}


def signet_toml(mock):
    return config(
        openai_model("m", mock.url, model_name="gpt-5-mini", keys='api_type = "responses"\ninclude_encrypted_reasoning = true\nprovider_tools = [{ type = "web_search" }]')
        + openai_model("plain", mock.url, model_name="gpt-5-mini", keys='api_type = "responses"'),
        record=True,
    )


def response(output, **more):
    return {"id": "resp_1", "object": "response", "created_at": 1767225600, "status": "completed", "error": None, "incomplete_details": None, "model": "gpt-5-mini-2025-08-07",
            "output": output, "usage": USAGE, **more}


def text(s="Hello!"):
    return {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": [{"type": "output_text", "text": s, "annotations": []}]}


def events(*list_):
    return [json.dumps({"type": t, "sequence_number": i, **members}) for i, (t, members) in enumerate(list_)]


def stream_of(*list_, **options):
    return sse(events(*list_), done=False, **options)


def ask(signet, model="plain", path=CHAT, **fields):
    fields.setdefault("messages", [{"role": "user", "content": "hi"}])
    name = "tensorzero::model_name::" + model if path == TENSORZERO else model
    return raw.post(signet.port, path, json.dumps({"model": name, **fields}))


def chunks(got):
    return [json.loads(e) for e in got.events() if e != "[DONE]"]


THOUGHT = {"type": "thought", "insert_index": 0, "signature": "gAAA1", "summary": [{"type": "summary_text", "text": "Need the tool."}], "provider_type": "openai"}


def test_the_golden_request(signet, mock):
    """providers-openai §6.4"""
    mock.then(json_answer(response([text()])))
    got = ask(signet, "m", messages=[
        {"role": "system", "content": "Be brief."}, {"role": "user", "content": "Weather in Oslo?"},
        {"role": "assistant", "content": None, "tensorzero_extra_content": [THOUGHT],
         "tool_calls": [{"id": "call_R1", "type": "function", "function": {"name": "get_weather", "arguments": '{"city":"Oslo"}'}}]},
        {"role": "tool", "tool_call_id": "call_R1", "content": '{"temp_c":4}'}, {"role": "user", "content": "And tomorrow?"}],
        max_tokens=200, reasoning_effort="low", verbosity="low", parallel_tool_calls=False, tool_choice="auto",
        tools=[{"type": "function", "function": {"name": "get_weather", "description": "Weather of a city.", "parameters": WEATHER, "strict": True}}])
    assert got.status == 200, got.body
    assert mock.last().target == "/v1/responses"
    assert json.loads(mock.last().body) == json.loads(json.dumps({
        "model": "gpt-5-mini", "input": [
            {"type": "message", "role": "system", "content": [{"type": "input_text", "text": "Be brief."}]},
            {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Weather in Oslo?"}]},
            {"type": "reasoning", "encrypted_content": "gAAA1", "summary": [{"type": "summary_text", "text": "Need the tool."}]},
            {"type": "function_call", "call_id": "call_R1", "name": "get_weather", "arguments": '{"city":"Oslo"}'},
            {"type": "function_call_output", "call_id": "call_R1", "output": '{"temp_c":4}'},
            {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "And tomorrow?"}]}],
        "text": {"format": {"type": "text"}, "verbosity": "low"},
        "tools": [{"type": "function", "name": "get_weather", "description": "Weather of a city.", "parameters": WEATHER, "strict": True}, {"type": "web_search"}],
        "parallel_tool_calls": False, "tool_choice": "auto", "max_output_tokens": 200,
        "include": ["reasoning.encrypted_content"], "store": False, "reasoning": {"effort": "low", "summary": "auto"}, "stream": False}))
    assert list(mock.last().json) == ["model", "input", "text", "tools", "parallel_tool_calls", "tool_choice", "max_output_tokens", "include", "reasoning", "stream", "store"]


def test_the_golden_answer(signet, mock):
    """providers-openai §6.5"""
    mock.then(json_answer(response([
        {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "Ask again for tomorrow."}], "encrypted_content": "gAAA2"},
        {"type": "function_call", "id": "fc_1", "call_id": "call_R2", "name": "get_weather", "arguments": '{"city":"Oslo"}', "status": "completed"}, text("Checking.")])))
    got = ask(signet).json
    message = got["choices"][0]["message"]
    assert message["content"] == "Checking." and got["choices"][0]["finish_reason"] == "tool_calls"
    assert [(c["id"], c["function"]) for c in message["tool_calls"]] == [("call_R2", {"name": "get_weather", "arguments": '{"city":"Oslo"}'})]
    assert message["tensorzero_extra_content"][0]["signature"] == "gAAA2"
    usage = got["usage"]
    assert (usage["prompt_tokens"], usage["completion_tokens"]) == (90, 40)
    assert usage["prompt_tokens_details"]["cached_tokens"] == 64 and usage["completion_tokens_details"]["reasoning_tokens"] == 16


GOLDEN_STREAM = (
    ("response.created", {"response": {"id": "resp_2", "status": "in_progress", "output": [], "usage": None}}),
    ("response.output_item.added", {"output_index": 0, "item": {"id": "rs_2", "type": "reasoning", "summary": []}}),
    ("response.reasoning_summary_part.added", {"item_id": "rs_2", "output_index": 0, "summary_index": 0, "part": {"type": "summary_text", "text": ""}}),
    ("response.reasoning_summary_text.delta", {"item_id": "rs_2", "output_index": 0, "summary_index": 0, "delta": "Need the "}),
    ("response.reasoning_summary_text.delta", {"item_id": "rs_2", "output_index": 0, "summary_index": 0, "delta": "tool."}),
    ("response.reasoning_summary_text.done", {"item_id": "rs_2", "output_index": 0, "summary_index": 0, "text": "Need the tool."}),
    ("response.output_item.done", {"output_index": 0, "item": {"id": "rs_2", "type": "reasoning", "summary": [{"type": "summary_text", "text": "Need the tool."}], "encrypted_content": "gAAA3"}}),
    ("response.output_item.added", {"output_index": 1, "item": {"id": "fc_2", "type": "function_call", "call_id": "call_R3", "name": "get_weather", "arguments": ""}}),
    ("response.function_call_arguments.delta", {"item_id": "fc_2", "output_index": 1, "delta": '{"city":'}),
    ("response.function_call_arguments.delta", {"item_id": "fc_2", "output_index": 1, "delta": '"Oslo"}'}),
    ("response.function_call_arguments.done", {"item_id": "fc_2", "output_index": 1, "arguments": '{"city":"Oslo"}'}),
    ("response.output_item.done", {"output_index": 1, "item": {"id": "fc_2", "type": "function_call", "call_id": "call_R3", "name": "get_weather", "arguments": '{"city":"Oslo"}'}}),
    ("response.completed", {"response": {"id": "resp_2", "status": "completed", "incomplete_details": None, "usage": {"input_tokens": 40, "output_tokens": 25, "total_tokens": 65}}}),
)


def joined_calls(list_):
    calls = {}
    for c in list_:
        for choice in c["choices"]:
            for t in choice["delta"].get("tool_calls") or []:
                one = calls.setdefault(t["index"], {"id": "", "name": "", "arguments": ""})
                one["id"] += t.get("id") or ""
                one["name"] += t["function"].get("name") or ""
                one["arguments"] += t["function"].get("arguments") or ""
    return [calls[i] for i in sorted(calls)]


def finish_of(list_):
    return [choice["finish_reason"] for c in list_ for choice in c["choices"] if choice["finish_reason"]]


@pytest.mark.parametrize("split", [0, 1])
def test_the_golden_stream(signet, mock, split):
    """providers-openai §6.6, §8 #59: the id of a call is its call_id; the finish reason is that of a call"""
    mock.then(stream_of(*GOLDEN_STREAM, split=split))
    got = chunks(ask(signet, stream=True, stream_options={"include_usage": True}))
    assert joined_calls(got) == [{"id": "call_R3", "name": "get_weather", "arguments": '{"city":"Oslo"}'}]
    assert finish_of(got) == ["tool_calls"]
    assert got[-1]["usage"]["prompt_tokens"] == 40 and got[-1]["usage"]["completion_tokens"] == 25


def call(index, id, name, arguments="", item_id=None):
    item = {"type": "function_call", "call_id": id, "name": name, "arguments": arguments}
    if item_id:
        item["id"] = item_id
    return "response.output_item.added", {"output_index": index, "item": item}


def arguments(index, delta, **more):
    return "response.function_call_arguments.delta", {"output_index": index, "delta": delta, **more}


def completed(**more):
    return "response.completed", {"response": {"id": "r", "status": "completed", "incomplete_details": None, "usage": {"input_tokens": 1, "output_tokens": 2}, **more}}


def said(index, delta, content_index=0):
    return "response.output_text.delta", {"item_id": "msg_1", "output_index": index, "content_index": content_index, "delta": delta}


@pytest.mark.parametrize("name, list_, calls", [
    ("providers-openai §8 #60: two calls, deltas interleaved",
     [call(1, "a", "f"), call(2, "b", "g"), arguments(1, '{"x":'), arguments(2, '{}'), arguments(1, '1}')], [("a", "f", '{"x":1}'), ("b", "g", "{}")]),
    ("providers-openai §8 #61: an empty delta", [call(0, "a", "f"), arguments(0, ""), arguments(0, "{}")], [("a", "f", "{}")]),
    ("providers-openai §8 #62: arguments only in .done",
     [call(0, "a", "f"), ("response.function_call_arguments.done", {"output_index": 0, "arguments": '{"q":1}'})], [("a", "f", '{"q":1}')]),
    ("providers-openai §8 #63: a call item without id", [call(0, "a", "f"), arguments(0, "{}")], [("a", "f", "{}")]),
    ("arguments only in the item that is done",
     [call(0, "a", "f", item_id="fc_1"), ("response.output_item.done", {"output_index": 0, "item": {"type": "function_call", "id": "fc_1", "call_id": "a", "name": "f", "arguments": '{"z":2}'}})],
     [("a", "f", '{"z":2}')]),
    ("arguments before the name", [arguments(0, '{"k":1}', item_id="fc_9"), call(0, "a", "f", item_id="fc_9")], [("a", "f", '{"k":1}')]),
    ("the whole answer at its end alone", [completed(output=[{"type": "function_call", "id": "fc_1", "call_id": "a", "name": "f", "arguments": "{}"}])], [("a", "f", "{}")]),
], ids=lambda v: v if isinstance(v, str) else "")
def test_calls_of_streams(signet, mock, name, list_, calls):
    mock.then(stream_of(*list_, *([] if list_[-1][0] == "response.completed" else [completed()])))
    got = chunks(ask(signet, stream=True))
    assert [(c["id"], c["name"], c["arguments"]) for c in joined_calls(got)] == calls
    assert finish_of(got) == ["tool_calls"]


def test_a_text_ends_with_its_terminal_event_although_the_socket_stays_open(signet, mock):
    from lib.mock import Pause
    mock.then(sse([*events(said(0, "Hel"), said(0, "lo"), completed()), Pause(30)], done=False))
    got = chunks(ask(signet, stream=True))
    assert "".join(c["choices"][0]["delta"].get("content") or "" for c in got) == "Hello"
    assert finish_of(got) == ["stop"]


def test_a_second_message_is_text_of_its_own_place(signet, mock):
    mock.then(stream_of(said(0, "a"), said(3, "b"), completed()))
    got = ask(signet, "plain", TENSORZERO, stream=True)
    assert "".join(c["choices"][0]["delta"].get("content") or "" for c in chunks(got)) == "ab"


@pytest.mark.parametrize("end, finish", [("max_output_tokens", "length"), ("content_filter", "content_filter")])
@pytest.mark.parametrize("stream", [False, True])
def test_incomplete_is_no_error(signet, mock, end, finish, stream):
    """providers-openai §8 #65"""
    details = {"status": "incomplete", "incomplete_details": {"reason": end}}
    if stream:
        mock.then(stream_of(said(0, "Once"), ("response.incomplete", {"response": {"id": "r", **details, "usage": USAGE}})))
        got = chunks(ask(signet, stream=True))
        assert "".join(c["choices"][0]["delta"].get("content") or "" for c in got) == "Once" and finish_of(got) == [finish]
    else:
        mock.then(json_answer(response([text("Once")], **details)))
        choice = ask(signet).json["choices"][0]
        assert choice["message"]["content"] == "Once" and choice["finish_reason"] == finish


@pytest.mark.parametrize("name, last, message", [
    ("providers-openai §8 #64: response.failed", ("response.failed", {"response": {"error": {"code": "server_error", "message": "m of the server"}}}), "m of the server"),
    ("providers-openai §8 #66: a flat error event", ("error", {"code": "x", "message": "flat m", "param": None}), "flat m"),
    ("an error object in the event", ("error", {"error": {"code": "x", "message": "deep m"}}), "deep m"),
    ("providers-openai §8 #67: closed without a terminal event", None, "Stream ended without a terminal event"),
], ids=lambda v: v if isinstance(v, str) else "")
def test_failures_of_streams(signet, mock, name, last, message):
    mock.then(stream_of(said(0, "Once"), *([last] if last else [])))
    got = ask(signet, stream=True)
    assert message in json.loads(got.events()[-2])["error"]["message"] and got.events()[-1] == "[DONE]"


@pytest.mark.parametrize("answer", [
    response([], status="failed", error={"code": "server_error", "message": "it broke"}),
    response([text()], error={"code": "x", "message": "it broke"}),
    response([], status="in_progress"), response([], status="queued"), {"id": "x"}, [], 3])
def test_an_answer_that_is_none(signet, mock, answer):
    mock.then(json_answer(answer))
    got = ask(signet)
    assert got.status == 502, got.body
    if isinstance(answer, dict) and answer.get("error"):
        assert "it broke" in got.json["error"]["message"]


def test_a_refusal(signet, mock):
    mock.then(json_answer(response([{"type": "message", "role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]}])))
    assert ask(signet).json["choices"][0]["message"]["refusal"] == "No."
    mock.then(stream_of(("response.refusal.delta", {"output_index": 0, "content_index": 0, "delta": "No."}), completed()))
    assert "".join(c["choices"][0]["delta"].get("refusal") or "" for c in chunks(ask(signet, stream=True))) == "No."


def test_a_status_keeps_its_text(signet, mock):
    mock.then(error(400, "Unsupported value"))
    got = ask(signet)
    assert got.status == 400 and "Unsupported value" in got.json["error"]["message"]


def test_custom_tools_stay_what_they_are(signet, mock):
    tools = [{"type": "custom", "custom": {"name": "patch", "description": "d", "format": {"type": "grammar", "grammar": {"syntax": "lark", "definition": "start: X"}}}}]
    mock.then(json_answer(response([{"type": "custom_tool_call", "id": "ctc_1", "call_id": "c1", "name": "patch", "input": "*** Begin"}])))
    got = ask(signet, tools=tools).json["choices"][0]["message"]["tool_calls"]
    assert got == [{"id": "c1", "type": "custom", "custom": {"name": "patch", "input": "*** Begin"}}]
    assert mock.last().json["tools"] == [{"type": "custom", "name": "patch", "description": "d", "format": {"type": "grammar", "syntax": "lark", "definition": "start: X"}}]
    mock.then(json_answer(response([text()])))
    ask(signet, tools=tools, messages=[{"role": "user", "content": "go"}, {"role": "assistant", "content": None, "tool_calls": got}, {"role": "tool", "tool_call_id": "c1", "content": "ok"}])
    assert mock.last().json["input"][1:] == [{"type": "custom_tool_call", "call_id": "c1", "name": "patch", "input": "*** Begin"}, {"type": "custom_tool_call_output", "call_id": "c1", "output": "ok"}]
    mock.then(stream_of(("response.output_item.added", {"output_index": 0, "item": {"type": "custom_tool_call", "id": "ctc_1", "call_id": "c1", "name": "patch", "input": ""}}),
                        ("response.custom_tool_call_input.delta", {"output_index": 0, "item_id": "ctc_1", "delta": "*** B"}),
                        ("response.custom_tool_call_input.done", {"output_index": 0, "item_id": "ctc_1", "input": "*** B"}), completed()))
    assert "*** B" in "".join(ask(signet, tools=tools, stream=True).events())


def test_schemas_and_choices(signet, mock):
    mock.then(json_answer(response([text("{}")])))
    ask(signet, response_format={"type": "json_schema", "json_schema": {"name": "x", "schema": WEATHER, "strict": True}})
    assert mock.last().json["text"] == {"format": {"type": "json_schema", "name": "response_schema", "schema": WEATHER, "strict": True}}
    mock.then(json_answer(response([text("{}")])))
    ask(signet, response_format={"type": "json_object"})
    assert mock.last().json["text"] == {"format": {"type": "json_object"}}
    assert mock.last().json["input"][0]["content"][0]["text"] == "Respond using JSON."
    tools = [{"type": "function", "function": {"name": "f", "parameters": {}}}]
    for choice, sent in (("none", "none"), ("required", "required"), ({"type": "function", "function": {"name": "f"}}, {"mode": "required", "tools": [{"type": "function", "name": "f"}], "type": "allowed_tools"})):
        mock.then(json_answer(response([text()])))
        ask(signet, tools=tools, tool_choice=choice)
        assert mock.last().json["tool_choice"] == sent


def test_what_the_api_lacks_is_named(signet, mock):
    mock.then(json_answer(response([text()])))
    got = ask(signet, seed=7, stop=["x"])
    assert "seed" not in mock.last().json and "stop" not in mock.last().json
    assert {"seed", "stop"} <= set(got.headers["x-signet-ignored"].split(", "))


def test_without_tools_there_is_no_choice(signet, mock):
    """providers-openai §8 #72, #73"""
    mock.then(json_answer(response([text()])))
    ask(signet, tool_choice="auto", parallel_tool_calls=True, tools=[])
    assert "tool_choice" not in mock.last().json and "parallel_tool_calls" not in mock.last().json


@pytest.mark.parametrize("thoughts, sent", [
    ([THOUGHT], True), ([{**THOUGHT, "signature": None}], False),
], ids=["providers-openai §8 #68: with encrypted content", "without"])
def test_thoughts_go_back_sealed_or_not_at_all(signet, mock, thoughts, sent):
    mock.then(json_answer(response([text()])))
    ask(signet, messages=[{"role": "user", "content": "a"}, {"role": "assistant", "content": "b", "tensorzero_extra_content": thoughts}, {"role": "user", "content": "c"}])
    items = [i for i in mock.last().json["input"] if i["type"] == "reasoning"]
    assert items == ([{"type": "reasoning", "encrypted_content": "gAAA1", "summary": [{"type": "summary_text", "text": "Need the tool."}]}] if sent else [])


def test_a_thought_that_leads_nowhere_stays_here(signet, mock):
    """providers-openai §8 #69, surfaces §8.4 #47"""
    mock.then(json_answer(response([text()])))
    ask(signet, messages=[{"role": "user", "content": "a"}, {"role": "assistant", "content": None, "tensorzero_extra_content": [THOUGHT]}, {"role": "user", "content": "c"}])
    assert [i["type"] for i in mock.last().json["input"]] == ["message", "message"]


def test_long_ids_are_cut_alike(signet, mock):
    """surfaces §8.4 #12, providers-openai §8 #70"""
    ids = ["c" * 80 + "1", "c" * 80 + "2"]
    mock.then(json_answer(response([text()])))
    ask(signet, messages=[{"role": "user", "content": "a"},
                          {"role": "assistant", "content": None, "tool_calls": [{"id": i, "type": "function", "function": {"name": "f", "arguments": ""}} for i in ids]},
                          *({"role": "tool", "tool_call_id": i, "content": "r"} for i in ids)])
    calls = mock.last().json["input"][1:3]
    outputs = mock.last().json["input"][3:]
    assert [c["call_id"] for c in calls] == [o["call_id"] for o in outputs] and len({c["call_id"] for c in calls}) == 2
    assert all(len(c["call_id"]) <= 64 for c in calls) and all("id" not in c and c["arguments"] == "{}" for c in calls)


def test_tensorzero_s_route_answers_as_ever(signet, mock):
    mock.then(json_answer(response([text("Hi")])))
    got = ask(signet, "plain", TENSORZERO, **{"tensorzero::include_raw_usage": True}).json
    assert got["choices"][0]["message"]["content"] == "Hi" and got["choices"][0]["finish_reason"] == "stop"
    assert got["tensorzero_raw_usage"][0]["api_type"] == "responses" and got["tensorzero_raw_usage"][0]["data"] == USAGE


# ---- stop sequences, which the API has not (surfaces §5.2, §6.1) ----

STOPPED = [("response.created", {"response": {"id": "resp_1"}}), ("response.output_item.added", {"output_index": 0, "item": {"id": "msg_1", "type": "message"}})]
REST = [("response.output_item.added", {"output_index": 1, "item": {"id": "fc_1", "type": "function_call", "call_id": "call_1", "name": "f", "arguments": ""}}),
        ("response.function_call_arguments.delta", {"output_index": 1, "item_id": "fc_1", "delta": "{}"})]
WHOLE = ("response.completed", {"response": {"id": "resp_1", "status": "completed", "incomplete_details": None, "usage": USAGE}})


def saying(*pieces, rest=REST):
    return [*STOPPED, *(("response.output_text.delta", {"output_index": 0, "content_index": 0, "item_id": "msg_1", "delta": p}) for p in pieces), *rest]


def stopping(signet, surface, stop, **fields):
    """(text, finish, stop_sequence, input tokens) of an answer."""
    limits = {"max_tokens": 50}
    if surface == "messages":
        got = raw.post(signet.port, "/v1/messages", json.dumps({"model": "plain", "stop_sequences": stop, "messages": [{"role": "user", "content": "hi"}], **limits, **fields}))
    elif surface == "completions":
        got = raw.post(signet.port, "/v1/completions", json.dumps({"model": "plain", "prompt": "hi", "stop": stop, **limits, **fields}))
    else:
        got = ask(signet, stop=stop, **fields)
    assert got.status == 200, got.body
    if fields.get("stream"):
        list_ = chunks(got)
        if surface == "messages":
            end = next(e for e in list_ if e["type"] == "message_delta")
            text_ = "".join(e["delta"]["text"] for e in list_ if e["type"] == "content_block_delta")
            return text_, end["delta"]["stop_reason"], end["delta"]["stop_sequence"], end["usage"]["input_tokens"] + end["usage"]["cache_read_input_tokens"]
        of = [c["choices"][0] for c in list_ if c["choices"]]
        finish = [c["finish_reason"] for c in of if c["finish_reason"]]
        assert len(finish) == 1
        usage = [c["usage"]["prompt_tokens"] for c in list_ if c.get("usage")]
        return "".join((c["text"] if surface == "completions" else c["delta"].get("content")) or "" for c in of), finish[0], None, usage[-1] if usage else None
    answer = got.json
    if surface == "messages":
        return "".join(b["text"] for b in answer["content"]), answer["stop_reason"], answer["stop_sequence"], answer["usage"]["input_tokens"] + answer["usage"]["cache_read_input_tokens"]
    choice = answer["choices"][0]
    return choice["text"] if surface == "completions" else choice["message"]["content"], choice["finish_reason"], None, answer["usage"]["prompt_tokens"]


@pytest.mark.parametrize("surface, finish", [("chat", "stop"), ("completions", "stop"), ("messages", "stop_sequence")])
@pytest.mark.parametrize("pieces, shown, met", [
    (["alpha beta gamma"], "alpha ", "beta"),
    (["alpha ", "b", "et", "a", " gamma"], "alpha ", "beta"),
    (["alpha bet", "ter"], "alpha better", None),
    (["alpha be"], "alpha be", None),
    (["x END", " beta"], "x ", "END"),
])
def test_the_text_ends_before_the_first_stop_sequence(signet, mock, surface, finish, pieces, shown, met):
    wanted = (shown, finish if met else ("end_turn" if surface == "messages" else "stop"), met if surface == "messages" else None, 90)
    mock.then(json_answer(response([text("".join(pieces))])))
    assert stopping(signet, surface, ["beta", "END"]) == wanted
    assert "stop" not in mock.last().json and "stop_sequences" not in mock.last().json
    options = {} if surface == "messages" else {"stream_options": {"include_usage": True}}
    mock.then(stream_of(*saying(*pieces, rest=REST if met else []), WHOLE))
    assert stopping(signet, surface, ["beta", "END"], stream=True, **options) == wanted


def test_a_stop_sequence_is_recorded(signet, mock):
    """Usage of the whole answer: it is what is paid for."""
    mock.then(stream_of(*saying("alpha be", "ta"), WHOLE))
    got = ask(signet, stop="beta", stream=True)
    row = wait_row(signet.data_dir, got.headers["x-signet-inference-id"])
    assert row["finish_reason"] == "stop_sequence" and (row["input_tokens"], row["output_tokens"]) == (90, 40)


@pytest.mark.parametrize("surface", ["chat", "messages"])
def test_an_upstream_that_fails_behind_a_stop_sequence_fails_nothing(signet, mock, surface):
    for rest in ([("error", {"code": "server_error", "message": "no"})], []):  # the second ends without a word
        mock.then(stream_of(*saying("alpha beta", rest=rest)))
        got = stopping(signet, surface, ["beta"], stream=True)
        assert got[:2] == ("alpha ", "stop_sequence" if surface == "messages" else "stop")


def test_more_stop_sequences_than_are_searched_for(signet, mock):
    got = ask(signet, stop=[str(i) for i in range(65)])
    assert got.status == 400 and "more than 64 stop sequences" in got.json["error"]["message"]
