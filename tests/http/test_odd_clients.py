"""Clients that say things their own way on /v1/chat/completions, each a scenario from its first request to its last (surfaces §2.1, §8.3)."""
import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from lib import raw
from lib.mock import chat_answer, chunk, json_answer, sse, text_chunks, tool_call, usage_chunk
from lib.raw import CHAT, chat
from lib.signet import config, openai_model

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
PNG = "data:image/png;base64,iVBORw0KGgo="
CALL = tool_call("call_1", "get_weather", '{"city":"Oslo"}')


def signet_toml(mock):
    return config(openai_model("m", mock.url), gateway='[object_storage]\ntype = "disabled"')


def ask(signet, body, headers=()):
    got = raw.post(signet.port, CHAT, body, headers)
    assert got.status == 200, got.text
    return got


def deltas(got):
    assert got.events()[-1] == "[DONE]"
    return [json.loads(e) for e in got.events()[:-1]]


# -- functions, as before tools ----------------------------------------------------------------------------------------------
FUNCTIONS = {"functions": [{"name": "get_weather", "description": "Weather", "parameters": SCHEMA}]}


@pytest.mark.parametrize("choice,sent", [(None, None), ("auto", "auto"), ("none", "none"),
                                         ({"name": "get_weather"}, {"type": "function", "function": {"name": "get_weather"}})])
def test_functions_go_up_as_tools(signet, mock, choice, sent):
    mock.then(json_answer(chat_answer("ok")))
    ask(signet, chat(**FUNCTIONS, **({"function_call": choice} if choice else {})))
    up = mock.last().json
    assert "functions" not in up and "function_call" not in up
    assert up["tools"] == [{"type": "function", "function": FUNCTIONS["functions"][0]}]
    assert up.get("tool_choice") == sent


def test_a_call_comes_back_as_a_function_call(signet, mock):
    mock.then(json_answer(chat_answer(None, message={"tool_calls": [CALL]}, finish_reason="tool_calls")))
    choice = ask(signet, chat(**FUNCTIONS)).json["choices"][0]
    assert choice["finish_reason"] == "function_call"
    assert choice["message"]["function_call"] == {"name": "get_weather", "arguments": '{"city":"Oslo"}'}
    assert "tool_calls" not in choice["message"]


def test_a_streamed_call_comes_back_as_a_function_call(signet, mock):
    begin = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": ""}}
    mock.then(sse([chunk({"role": "assistant", "content": None}), chunk({"tool_calls": [begin]}),
                   chunk({"tool_calls": [{"index": 0, "function": {"arguments": '{"city":'}}]}),
                   chunk({"tool_calls": [{"index": 0, "function": {"arguments": '"Oslo"}'}}]}), chunk({}, "tool_calls")]))
    events = deltas(ask(signet, chat(stream=True, **FUNCTIONS)))
    calls = [e["choices"][0]["delta"].get("function_call", {}) for e in events if e["choices"]]
    assert "".join(c.get("name", "") for c in calls) == "get_weather"
    assert "".join(c.get("arguments", "") for c in calls) == '{"city":"Oslo"}'
    assert not any("tool_calls" in e["choices"][0]["delta"] for e in events if e["choices"])
    assert [e["choices"][0]["finish_reason"] for e in events if e["choices"]][-1] == "function_call"


def test_the_result_of_a_function_goes_back_to_its_call(signet, mock):
    mock.then(json_answer(chat_answer("Sunny.")))
    history = [{"role": "user", "content": "Weather?"},
               {"role": "assistant", "content": None, "function_call": {"name": "get_weather", "arguments": '{"city":"Oslo"}'}},
               {"role": "function", "name": "get_weather", "content": "sunny"}]
    assert ask(signet, {"model": "m", "messages": history, **FUNCTIONS}).json["choices"][0]["message"]["content"] == "Sunny."
    sent = mock.last().json["messages"]
    call = sent[1]["tool_calls"][0]
    assert call["function"] == {"name": "get_weather", "arguments": '{"city":"Oslo"}'}
    assert (sent[2]["role"], sent[2]["tool_call_id"], sent[2]["content"]) == ("tool", call["id"], "sunny")


# -- flat tools, custom tools (Cursor, and those who copy from the Responses API) ------------------------------------------------
def test_flat_tools_go_up_nested(signet, mock):
    """surfaces §8.3 Cursor: {type, name, parameters} without `function` around it."""
    mock.then(json_answer(chat_answer(None, message={"tool_calls": [CALL]}, finish_reason="tool_calls")))
    flat = {"type": "function", "name": "get_weather", "description": "Weather", "parameters": SCHEMA, "strict": False}
    got = ask(signet, chat(tools=[flat], tool_choice={"type": "function", "name": "get_weather"}))
    up = mock.last().json
    assert up["tools"][0]["function"]["name"] == "get_weather" and up["tools"][0]["function"]["parameters"] == SCHEMA
    assert up["tool_choice"] == {"type": "function", "function": {"name": "get_weather"}}
    assert got.json["choices"][0]["message"]["tool_calls"][0]["function"]["name"] == "get_weather"


def test_a_flat_custom_tool_is_called(signet, mock):
    """surfaces §8.4 #54: Cursor's apply_patch is a custom tool, whose input is free text."""
    patch = "*** Begin Patch\n*** End Patch\n"
    call = {"id": "call_p", "type": "custom", "custom": {"name": "apply_patch", "input": patch}}
    mock.then(json_answer(chat_answer(None, message={"tool_calls": [call]}, finish_reason="tool_calls")))
    flat = {"type": "custom", "name": "apply_patch", "format": {"type": "grammar", "syntax": "lark", "definition": "start: /.+/"}}
    got = ask(signet, chat(tools=[flat]))
    sent = mock.last().json["tools"][0]
    assert sent == {"type": "custom", "custom": {"name": "apply_patch", "format": {
        "type": "grammar", "grammar": {"syntax": "lark", "definition": "start: /.+/"}}}}
    assert got.json["choices"][0]["message"]["tool_calls"][0]["custom"] == {"name": "apply_patch", "input": patch}


# -- Cline: no tools, XML in text, usage of the stream, reasoning ----------------------------------------------------------------
def test_cline(signet, mock):
    xml = "<thinking>look</thinking><read_file><path>a.c</path></read_file>"
    mock.then(sse([chunk({"role": "assistant", "content": ""}), chunk({"reasoning_content": "hm"}),
                   *[chunk({"content": c}) for c in (xml[:20], xml[20:])], chunk({}, "stop"), usage_chunk(100, 20)]))
    body = {"model": "m", "temperature": 0, "stream": True, "stream_options": {"include_usage": True}, "messages": [
        {"role": "system", "content": "You are Cline." + "x" * 60000},
        {"role": "user", "content": [{"type": "text", "text": "<task>fix</task>"}, {"type": "text", "text": "<environment_details/>"}]}]}
    events = deltas(ask(signet, body, [("http-referer", "https://cline.bot"), ("x-title", "Cline"), ("authorization", "Bearer none")]))
    said = [e["choices"][0]["delta"] for e in events if e["choices"]]
    assert "".join(d.get("content") or "" for d in said) == xml
    assert "".join(d.get("reasoning_content") or "" for d in said) == "hm"
    assert events[-1]["choices"] == [] and events[-1]["usage"]["prompt_tokens"] == 100
    assert mock.last().json["messages"] == body["messages"]


# -- OpenCode: parallel calls, an image in a tool's result -----------------------------------------------------------------------
def test_opencode(signet, mock):
    """surfaces §8.3: images inside tool messages, which reach an upstream of the same format as they are."""
    mock.then(json_answer(chat_answer("A cat.")))
    history = [{"role": "user", "content": "Look."},
               {"role": "assistant", "content": "", "tool_calls": [tool_call("a", "read", "{}"), tool_call("b", "shot", "{}")]},
               {"role": "tool", "tool_call_id": "a", "content": "text"},
               {"role": "tool", "tool_call_id": "b", "content": [{"type": "text", "text": "Image read"},
                                                                   {"type": "image_url", "image_url": {"url": PNG}}]}]
    assert ask(signet, {"model": "m", "messages": history}).json["choices"][0]["message"]["content"] == "A cat."
    assert mock.last().json["messages"] == history


# -- LibreChat: its own parameters, a title beside the answer ---------------------------------------------------------------------
def test_librechat(signet, mock):
    mock.default, before = json_answer(chat_answer("A title")), mock.default
    body = {"model": "m", "user": "65f0c0de", "stream": False, "temperature": 0.2, "stop": ["||>", "\nUser:", "<|diff_marker|>"],
            "messages": [{"role": "system", "content": "Titles."}, {"role": "user", "name": "bob", "content": [{"type": "text", "text": "Hi"}]}],
            "presence_penalty": 0, "frequency_penalty": 0, "top_p": 1, "max_tokens": 16, "promptPrefix": None, "resendFiles": True}
    with ThreadPoolExecutor(2) as pool:
        both = list(pool.map(lambda b: ask(signet, b), [body, {**body, "max_tokens": None}]))
    assert [got.json["choices"][0]["message"]["content"] for got in both] == ["A title"] * 2
    assert mock.last().json["stop"] == body["stop"] and mock.last().json["user"] == "65f0c0de"
    mock.default = before


# -- Open WebUI: the list at its start, streams with usage, no key or "Bearer " ------------------------------------------------
@pytest.mark.parametrize("authorization", [None, "Bearer ", "Bearer none"])
def test_open_webui(signet, mock, authorization):
    headers = [("authorization", authorization)] if authorization else []
    models = raw.get(signet.port, "/v1/models", headers)
    assert models.status == 200 and "m" in [m["id"] for m in models.json["data"]]
    mock.then(sse(text_chunks("Hello", 2)), json_answer(chat_answer('{"title":"Hi"}')))
    events = deltas(ask(signet, chat(stream=True, stream_options={"include_usage": True}), headers))
    assert "".join(e["choices"][0]["delta"].get("content") or "" for e in events if e["choices"]) == "Hello"
    assert events[-1]["usage"]["total_tokens"] == 18
    title = ask(signet, {"model": "m", "stream": False, "max_completion_tokens": 1000, "messages": [{"role": "user", "content": "### Task: title"}],
                         "metadata": {"task": "title_generation"}}, headers)
    assert json.loads(title.json["choices"][0]["message"]["content"]) == {"title": "Hi"}


# -- Continue, aider: more than four stops, unknown members ------------------------------------------------------------------
def test_continue_and_aider(signet, mock):
    mock.then(json_answer(chat_answer("ok")))
    stops = ["<fim_prefix>", "<fim_suffix>", "<fim_middle>", "/src/", "#- coding: utf-8"]
    ask(signet, chat(stop=stops, raw=True, extra_body={"a": 1}), [("user-agent", "litellm/1.0")])
    assert mock.last().json["stop"] == stops
