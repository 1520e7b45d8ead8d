"""Plain answers of the upstream, and what the client gets."""
import json

from cases_request import TIME, WEATHER, body
from compare import Case
from lib.mock import answer, chat_answer, json_answer, tool_call

CALLS = [tool_call("call_1", "get_weather", '{"city":"Oslo"}'), tool_call("call_2", "get_time", "{}")]


def gives(name, up, case_body=None, **more):
    return Case(name, case_body or body(tools=[WEATHER, TIME]), [json_answer(up)], **more)


def message(**fields):
    return chat_answer(message=fields)


def choice(**fields):
    up = chat_answer()
    up["choices"][0].update(fields)
    up["choices"][0] = {k: v for k, v in up["choices"][0].items() if v is not ...}
    return up


CASES = [
    gives("text", chat_answer("Grüße \U0001f600 \"q\" \\ / \n")),
    gives("text-empty", chat_answer("")),
    gives("content-null", message(content=None)),
    gives("content-null-nothing", chat_answer(message={"content": None})),
    gives("calls", chat_answer(None, message={"tool_calls": CALLS}, finish_reason="tool_calls")),
    gives("calls-and-text", chat_answer("I look.", message={"tool_calls": CALLS}, finish_reason="tool_calls")),
    gives("call-finish-stop", chat_answer(None, message={"tool_calls": CALLS[:1]}, finish_reason="stop")),
    gives("call-bad-arguments", chat_answer(None, message={"tool_calls": [tool_call("c", "get_weather", "{oops")]}, finish_reason="tool_calls")),
    gives("call-empty-arguments", chat_answer(None, message={"tool_calls": [tool_call("c", "get_time", "")]}, finish_reason="tool_calls")),
    gives("call-unknown-tool", chat_answer(None, message={"tool_calls": [tool_call("c", "nope", "{}")]}, finish_reason="tool_calls")),
    gives("call-not-asked-for", chat_answer(None, message={"tool_calls": CALLS}, finish_reason="tool_calls"), body()),
    gives("call-custom", chat_answer(None, message={"tool_calls": [{"id": "c", "type": "custom", "custom": {"name": "sql", "input": "SELECT 1"}}]}, finish_reason="tool_calls"),
          body(tools=[{"type": "custom", "custom": {"name": "sql"}}])),
    gives("calls-empty", message(tool_calls=[])),
    gives("calls-null", message(tool_calls=None)),
    gives("reasoning-content", message(reasoning_content="Let me see.")),
    gives("reasoning", message(reasoning="Let me see.")),
    gives("reasoning-both", message(reasoning="a", reasoning_content="b")),
    gives("reasoning-null", message(reasoning=None, reasoning_content="h")),
    gives("reasoning-and-calls", chat_answer(None, message={"reasoning_content": "hm", "tool_calls": CALLS}, finish_reason="tool_calls")),
    gives("finish-length", choice(finish_reason="length")),
    gives("finish-content-filter", choice(finish_reason="content_filter")),
    gives("finish-function-call", choice(finish_reason="function_call")),
    gives("finish-unknown", choice(finish_reason="insufficient_system_resource")),
    gives("usage-absent", chat_answer(usage=...)),
    gives("usage-null", chat_answer(usage=None)),
    gives("usage-cached", chat_answer(usage={"prompt_tokens": 120, "completion_tokens": 12, "total_tokens": 132, "prompt_tokens_details": {"cached_tokens": 100, "audio_tokens": 0}, "completion_tokens_details": {"reasoning_tokens": 3}})),
    gives("usage-cached-zero", chat_answer(usage={"prompt_tokens": 120, "completion_tokens": 12, "total_tokens": 132, "prompt_tokens_details": {"cached_tokens": 0}})),
    gives("usage-cached-null", chat_answer(usage={"prompt_tokens": 120, "completion_tokens": 12, "total_tokens": 132, "prompt_tokens_details": None})),
    gives("usage-prompt-only", chat_answer(usage={"prompt_tokens": 5})),
    gives("usage-completion-only", chat_answer(usage={"completion_tokens": 5})),
    gives("usage-total-lies", chat_answer(usage={"prompt_tokens": 5, "completion_tokens": 6, "total_tokens": 100})),
    gives("unknown-keys", {**chat_answer(), "x": 1, "choices": [{"index": 0, "odd": 2, "message": {"role": "assistant", "content": "Hi", "odd": 3}, "finish_reason": "stop"}]}),
    gives("model-differs", chat_answer(model="other")),
    gives("logprobs", choice(logprobs={"content": [{"token": "H", "logprob": -0.1, "bytes": [72], "top_logprobs": []}]})),
    gives("annotations", message(annotations=[{"type": "url_citation", "url_citation": {"url": "https://x.example", "title": "t", "start_index": 0, "end_index": 1}}])),
    gives("role-absent", {**chat_answer(), "choices": [{"index": 0, "message": {"content": "Hi"}, "finish_reason": "stop"}]}),
    Case("chunked", body(), [json_answer(chat_answer("chunky"), framing="chunked", chunk=9)]),
    Case("close-delimited", body(), [json_answer(chat_answer("closing"), framing="close")]),
    Case("split-at-every-byte", body(), [json_answer(chat_answer("bytewise é"), split=1)]),
    Case("pretty-printed", body(), [answer(json.dumps(chat_answer("pretty"), indent=2))]),
    Case("content-type-text", body(), [answer(json.dumps(chat_answer("t")), content_type="text/plain")]),
    Case("content-type-none", body(), [answer(json.dumps(chat_answer("t")), content_type=None)]),
    Case("status-201", body(), [json_answer(chat_answer("created"), 201)]),
    Case("stream-asked-json-false", body(stream=False), [json_answer(chat_answer("plain"))]),
    # raw material
    Case("include-raw-response", body(**{"tensorzero::include_raw_response": True}), [json_answer(chat_answer("r"))]),
    Case("include-original-response", body(**{"tensorzero::include_original_response": True}), [json_answer(chat_answer("r"))]),
    Case("include-raw-usage", body(**{"tensorzero::include_raw_usage": True}), [json_answer(chat_answer("r", usage={"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3, "x": {"y": [1, 2.50]}}))]),
    Case("include-raw-usage-none", body(**{"tensorzero::include_raw_usage": True}), [json_answer(chat_answer("r", usage=...))]),
    Case("include-all", body(**{"tensorzero::include_raw_usage": True, "tensorzero::include_raw_response": True, "tensorzero::include_original_response": True}), [json_answer(chat_answer("r"))]),
]
