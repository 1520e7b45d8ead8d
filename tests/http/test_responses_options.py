"""[surfaces] keys of the Responses API: tools that are refused, a short echo, answers that the upstream keeps (surfaces §1.3, §4.5)."""
import json

import pytest

from lib import raw
from lib.mock import chat_answer, json_answer, sse
from lib.signet import Signet, config, openai_model

PATH = "/v1/responses"
ANSWER = {"id": "resp_u", "object": "response", "status": "completed", "model": "x", "output": [], "store": True, "previous_response_id": "resp_before", "usage": None}


def gateway(mock, **surfaces):
    keys = "[surfaces]\n" + "".join(f"{k} = {json.dumps(v)}\n" for k, v in surfaces.items() if k != "responses")
    keys += "[surfaces.responses]\n" + "".join(f"{k} = {json.dumps(v)}\n" for k, v in surfaces.get("responses", {}).items())
    return Signet(config(openai_model("m", mock.url) + openai_model("gpt", mock.url, model_name="gpt-x", keys='api_type = "responses"'), extra=keys, record=True))


def ask(signet, model="m", **fields):
    return raw.post(signet.port, PATH, json.dumps({"model": model, "input": "hi", **fields}))


def test_hosted_tools_can_be_refused(mock):
    """surfaces §8.4 #53"""
    with gateway(mock, unsupported_tools="reject") as signet:
        got = ask(signet, tools=[{"type": "function", "name": "f"}, {"type": "web_search"}])
        assert got.status == 400 and got.json["error"]["param"] == "tools[1]" and "web_search" in got.json["error"]["message"]
        mock.then(json_answer(ANSWER))
        assert ask(signet, "gpt", tools=[{"type": "web_search"}]).status == 200
        assert mock.last().json["tools"] == [{"type": "web_search"}]


def test_an_upstream_that_keeps_its_answers(mock):
    with gateway(mock, responses={"upstream_state": True}) as signet:
        mock.then(json_answer(ANSWER))
        got = ask(signet, "gpt", previous_response_id="resp_before", store=True, background=False, conversation=None)
        assert mock.last().json == {"model": "gpt-x", "input": "hi", "previous_response_id": "resp_before", "store": True, "background": False, "conversation": None}
        assert (got.json["id"], got.json["previous_response_id"], got.json["store"], got.json["model"]) == ("resp_u", "resp_before", True, "gpt")


def test_a_short_echo_and_nothing_kept(mock):
    with gateway(mock, responses={"echo": "short", "store": False}) as signet:
        mock.then(sse([json.dumps({"choices": [{"index": 0, "delta": {"content": "x"}, "finish_reason": "stop"}]})]))
        list_ = [json.loads(e) for e in ask(signet, instructions="long", tools=[{"type": "function", "name": "f"}], stream=True).events()]
        begun, whole = list_[0]["response"], list_[-1]["response"]
        assert begun["instructions"] is None and begun["tools"] == [] and whole["instructions"] == "long" and whole["tools"] and whole["store"] is False
        assert raw.get(signet.port, f"{PATH}/{whole['id']}").status == 404


@pytest.mark.parametrize("shape", ["image", "text"])
def test_results_with_images_go_up_as_parts(mock, shape):
    """surfaces §8.4 #17: a chat client's tool message with an image, an upstream of responses; providers-openai §8 #71: by its call id"""
    url = "data:image/png;base64,AAAA"
    with gateway(mock) as signet:
        mock.then(json_answer(ANSWER | {"output": [{"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "x"}]}]}))
        content = [{"type": "text", "text": "shot"}, {"type": "image_url", "image_url": {"url": url}}] if shape == "image" else "shot"
        got = raw.post(signet.port, "/v1/chat/completions", json.dumps({"model": "gpt", "messages": [
            {"role": "user", "content": "a"}, {"role": "assistant", "tool_calls": [{"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]},
            {"role": "tool", "tool_call_id": "call_1", "content": content}]}))
        assert got.status == 200, got.body
        output = mock.last().json["input"][2]
        assert output["type"] == "function_call_output" and output["call_id"] == "call_1"
        assert output["output"] == ([{"type": "input_text", "text": "shot"}, {"type": "input_image", "image_url": url}] if shape == "image" else "shot")


def test_a_custom_tool_over_a_provider_that_has_none(mock):
    """surfaces §8.4 #39: a function upstream, the raw patch back, newlines unescaped"""
    toml = f'[models.m]\nrouting = ["p"]\n[models.m.providers.p]\ntype = "anthropic"\nmodel_name = "claude-sonnet-4-5"\napi_base = "{mock.url}/v1/"\napi_key_location = "env::ANTHROPIC_TEST_KEY"\n'
    tool = {"type": "custom", "name": "apply_patch", "description": "Edits.", "format": {"type": "grammar", "syntax": "lark", "definition": "start: X"}}
    events = [{"type": "message_start", "message": {"id": "msg_1", "type": "message", "role": "assistant", "model": "c", "content": [], "usage": {"input_tokens": 1, "output_tokens": 1}}},
              {"type": "content_block_start", "index": 0, "content_block": {"type": "tool_use", "id": "toolu_1", "name": "apply_patch", "input": {}}},
              {"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": '{"input": "*** Be'}},
              {"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": 'gin\\'}},
              {"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": 'nX"}'}}, {"type": "content_block_stop", "index": 0},
              {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 3}}, {"type": "message_stop"}]
    with Signet(config(toml, record=True), env={"ANTHROPIC_TEST_KEY": "k"}) as signet:
        mock.then(sse([json.dumps(e) for e in events], done=False))
        list_ = [json.loads(e) for e in ask(signet, tools=[tool], stream=True).events()]
        item = list_[-1]["response"]["output"][0]
        assert (item["type"], item["name"], item["input"], item["call_id"]) == ("custom_tool_call", "apply_patch", "*** Begin\nX", "toolu_1")
        assert [e["delta"] for e in list_ if e["type"] == "response.custom_tool_call_input.delta"] == ["*** Be", "gin", "\nX"]
        sent = mock.last().json["tools"][0]
        assert sent["input_schema"]["required"] == ["input"] and sent["description"].endswith("Input format (lark):\nstart: X")
