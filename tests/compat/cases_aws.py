"""Types on AWS: Converse and its stream, SageMaker's hosted formats. What providers-others §12 lets Signet do otherwise stands at its case."""
from cases_request import CALL, PDF, PNG, WEATHER, after_call, asks, body, image, text, user
from compare import Case, answer, plain_numbers, upstream
from lib.aws import converse, error, event, exception, frames, text_stream
from lib.mock import chat_answer, json_answer, text_chunks

import json


def bedrock(*messages, **more):
    return body(*messages, model=more.pop("model", "bedrock"), **more)


def on(model, request):
    return {**request, "model": "tensorzero::model_name::" + model}


def file(name, mime="application/pdf", data=PDF):
    return {"type": "file", "file": {"file_data": f"data:{mime};base64,{data}", "filename": name}}


TEXT = converse({"text": "Hello!"})
CASES = [
    Case("plain", bedrock(), [TEXT]),
    Case("bearer", bedrock(model="bedrock-bearer"), [TEXT]),
    Case("stream", bedrock(stream=True, stream_options={"include_usage": True}), [frames(*text_stream("Hel", "lo"))]),
    Case("system and parameters", bedrock({"role": "system", "content": "Be brief."}, user("Hi"), max_tokens=16, temperature=0.7, top_p=0.9, stop=["END"]), [TEXT],
         signet=plain_numbers, why="numbers as they were written"),
    Case("image", on("bedrock", asks(text("See"), image("data:image/png;base64," + PNG))), [TEXT]),
    Case("document", on("bedrock", asks(text("See"), file("input.pdf"))), [TEXT]),
    Case("tools", bedrock(tools=[WEATHER], tool_choice="required"), [converse({"toolUse": {"toolUseId": "t1", "name": "get_weather", "input": {"city": "Oslo"}}}, stop="tool_use")]),
    Case("tools, choice auto", bedrock(tools=[WEATHER]), [TEXT],
         signet=upstream(',"toolChoice":{"auto":{}}', ""), why="some models refuse the key"),
    Case("tools, choice by name", bedrock(tools=[WEATHER], tool_choice={"type": "function", "function": {"name": "get_weather"}}), [TEXT]),
    Case("history of calls", on("bedrock", {**after_call("3 C"), "tools": [WEATHER]}), [TEXT],
         signet=upstream(',"toolChoice":{"auto":{}}', ""), why="some models refuse the key"),
    Case("reasoning", bedrock(), [converse({"reasoningContent": {"reasoningText": {"text": "Hm.", "signature": "c2ln"}}}, {"text": "x"})]),
    Case("cache in usage", bedrock(), [converse({"text": "x"}, usage={"inputTokens": 5, "outputTokens": 6, "totalTokens": 21, "cacheReadInputTokens": 7, "cacheWriteInputTokens": 3})]),
    *[Case(f"stop: {stop}", bedrock(), [converse({"text": "x"}, stop=stop)]) for stop in ("end_turn", "max_tokens", "stop_sequence", "content_filtered", "guardrail_intervened")],
    Case("empty message", bedrock(), [json_answer({"stopReason": "end_turn", "usage": {"inputTokens": 1, "outputTokens": 1, "totalTokens": 2}, "metrics": {"latencyMs": 1}})]),
    *[Case(f"error {status}", bedrock(), [error(status, name)]) for status, name in ((400, "ValidationException"), (403, "AccessDeniedException"), (429, "ThrottlingException"), (500, "InternalServerException"))],
    Case("error of a bearer", bedrock(model="bedrock-bearer"), [error(403, "AccessDeniedException")],
         signet=answer("AWS Bedrock returned", "AWS bedrock returned"), why="one text for both ways to sign"),
    Case("error of a stream", bedrock(stream=True), [error(429, "ThrottlingException")]),
    Case("exception at first", bedrock(stream=True), [frames(exception("throttlingException", {"message": "slow down"}))]),
    Case("exception later", bedrock(stream=True), [frames(*text_stream("a")[:2], exception("throttlingException", {"message": "slow down"}))]),
    Case("stream of a call", bedrock(stream=True, tools=[WEATHER], tool_choice="required"), [frames(
        event("messageStart", {"role": "assistant"}), event("contentBlockStart", {"contentBlockIndex": 0, "start": {"toolUse": {"toolUseId": "t1", "name": "get_weather"}}}),
        event("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"toolUse": {"input": '{"city":'}}}), event("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"toolUse": {"input": '"Oslo"}'}}}),
        event("contentBlockStop", {"contentBlockIndex": 0}), event("messageStop", {"stopReason": "tool_use"}), event("metadata", {"usage": {"inputTokens": 1, "outputTokens": 2, "totalTokens": 3}, "metrics": {"latencyMs": 1}}))]),
    Case("sagemaker", bedrock(model="sagemaker", max_tokens=9), [json_answer(chat_answer("Hello!"))]),
    Case("sagemaker stream", bedrock(model="sagemaker", stream=True), [frames(
        event("PayloadPart", b"".join(b"data: " + json.dumps(c).encode() + b"\n\n" for c in text_chunks("Hello!")) + b"data: [DONE]\n\n"))]),
    Case("sagemaker tgi", bedrock(model="sagemaker-tgi", max_tokens=9), [json_answer(chat_answer("Hello!"))]),
    Case("sagemaker error", bedrock(model="sagemaker"), [error(424, "ModelError")]),
]
