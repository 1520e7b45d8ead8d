"""Event streams of the upstream, and the chunks that the client gets."""
import json

from cases_request import TIME, WEATHER, body
from compare import Case, answer as gives
from lib.mock import Pause, Raw, answer, chat_answer, chunk, json_answer, sse, text_chunks, usage_chunk


def streamed(name, events, done=True, up=None, signet=None, why="", end=None, request=None, **options):
    request = request or body(stream=True, stream_options={"include_usage": True})
    return Case(name, request, [up or sse(events, done=done, end=end, **options)], signet=signet, why=why)


def call(index=None, id=None, name=None, arguments=None, **more):
    out = {}
    if index is not None:
        out["index"] = index
    if id is not None:
        out["id"] = id
        out["type"] = "function"
    function = {}
    if name is not None:
        function["name"] = name
    if arguments is not None:
        function["arguments"] = arguments
    out["function"] = function
    out.update(more)
    return out


def calls(*entries, finish=None, **delta):
    return chunk({"tool_calls": list(entries), **delta}, finish)


END = [chunk({}, "stop"), usage_chunk()]
TOOLS_END = [chunk({}, "tool_calls"), usage_chunk()]
TWO_CALLS = [chunk({"role": "assistant", "content": None}), calls(call(0, "call_A", "get_weather", "")), calls(call(0, arguments='{"city":')),
             calls(call(1, "call_B", "get_time", "")), calls(call(0, arguments='"Oslo"}'), call(1, arguments='{"tz":"CET"}')), *TOOLS_END]

NO_CHOICES = ('data: {"error":{"message":"Error from openai server: Error parsing chunk. Error: missing field `choices` at line 1 column 25"}}\n\n')

CASES = [
    streamed("usage-asked", text_chunks("Hello there")),
    streamed("usage-not-asked", text_chunks("Hello there"), request=body(stream=True)),
    streamed("usage-false", text_chunks("Hello there"), request=body(stream=True, stream_options={"include_usage": False})),
    streamed("usage-null", text_chunks("Hello there"), request=body(stream=True, stream_options={"include_usage": None})),
    streamed("no-usage-chunk", text_chunks("Hi", usage=False)),
    streamed("usage-in-finish-chunk", [chunk({"content": "a"}), chunk({}, "stop", usage={"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3})]),
    streamed("usage-twice", [chunk({"content": "a"}), chunk({}, "stop", usage={"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}), usage_chunk(1, 2)]),
    streamed("usage-cumulative", [chunk({"content": "a"}, usage={"prompt_tokens": 5, "completion_tokens": n}) for n in (1, 2, 3)] + [chunk({}, "stop")]),
    streamed("usage-null-at-the-end", [chunk({"content": "a"}, usage={"prompt_tokens": 5, "completion_tokens": 1}), chunk({}, "stop", usage=None)]),
    streamed("usage-cached", [chunk({"content": "a"}), chunk({}, "stop"), usage_chunk(9, 3, prompt_tokens_details={"cached_tokens": 4})]),
    streamed("usage-partial", [chunk({"content": "a"}), chunk({}, "stop"), chunk(choices=[], usage={"prompt_tokens": 9})]),
    streamed("empty-first", [chunk({"role": "assistant", "content": ""}), chunk({"content": "a"}), *END]),
    streamed("role-only-first", [chunk({"role": "assistant"}), chunk({"content": "a"}), *END]),
    streamed("content-null", [chunk({"role": "assistant", "content": None}), chunk({"content": "a"}), *END]),
    streamed("content-and-finish", [chunk({"content": "a"}, "stop"), usage_chunk()]),
    streamed("nothing-but-finish", [chunk({}, "stop")]),
    streamed("finish-length", [chunk({"content": "a"}), chunk({}, "length")]),
    streamed("finish-content-filter", [chunk({"content": "a"}), chunk({}, "content_filter")]),
    streamed("finish-unknown", [chunk({"content": "a"}), chunk({}, "eos")]),
    streamed("finish-twice", [chunk({"content": "a"}, "length"), chunk({}, "stop")]),
    streamed("split-at-every-byte", text_chunks("Grüße \U0001f600"), split=1),
    streamed("split-7", text_chunks("Grüße \U0001f600"), split=7),
    streamed("close-delimited", text_chunks("closing"), framing="close"),
    streamed("content-type-charset", text_chunks("a"), content_type="text/event-stream; charset=utf-8"),
    streamed("content-type-case", text_chunks("a"), content_type="Text/Event-Stream"),
    streamed("crlf", text_chunks("crlf"), newline="\r\n"),
    streamed("comments", [Raw(b": OPENROUTER PROCESSING\n\n"), chunk({"content": "a"}), Raw(b":\n\n"), *END]),
    streamed("event-and-id-lines", [Raw(b"event: message\nid: 1\nretry: 5\ndata: " + json.dumps(chunk({"content": "a"})).encode() + b"\n\n"), *END]),
    streamed("data-without-blank", [Raw(b"data:" + json.dumps(chunk({"content": "a"})).encode() + b"\n\n"), *END]),
    streamed("data-over-lines", [Raw(b'data: {"id":"x","choices":[{"index":0,\ndata: "delta":{"content":"a"},"finish_reason":null}]}\n\n'), *END]),
    streamed("after-done", [chunk({"content": "a"}, "stop"), "[DONE]", chunk({"content": "b"})], done=False),
    # tool calls
    streamed("two-calls", TWO_CALLS, request=body(stream=True, tools=[WEATHER, TIME])),
    streamed("two-calls-usage", TWO_CALLS, request=body(stream=True, tools=[WEATHER, TIME], stream_options={"include_usage": True})),
    streamed("call-whole-in-one", [calls(call(0, "a", "f", "{}"), finish="tool_calls"), usage_chunk()]),
    streamed("call-and-text", [chunk({"content": "I look. "}), calls(call(0, "a", "f", "")), calls(call(0, arguments="{}")), chunk({"content": "x"}), *TOOLS_END]),
    streamed("call-text-in-one-delta", [calls(call(0, "a", "f", "{"), content="t"), calls(call(0, arguments="}")), *TOOLS_END]),
    streamed("call-finish-stop", [calls(call(0, "a", "f", "{}")), *END]),
    streamed("calls-interleaved", [calls(call(0, "a", "f", "")), calls(call(1, "b", "g", "")), calls(call(0, arguments="{")), calls(call(1, arguments="[")), calls(call(0, arguments="}")), calls(call(1, arguments="]")), *TOOLS_END]),
    streamed("calls-empty-beside-content", [chunk({"content": "x", "tool_calls": []}), *END]),
    streamed("calls-null-beside-content", [chunk({"content": "x", "tool_calls": None}), *END]),
    streamed("arguments-absent", [calls(call(0, "a", "f")), calls(call(0, arguments="{}")), *TOOLS_END]),
    streamed("two-entries-of-one-call", [calls(call(0, "a", "f"), call(0, arguments="{")), calls(call(0, arguments="}")), *TOOLS_END]),
    # reasoning
    streamed("reasoning-content", [chunk({"role": "assistant", "reasoning_content": "let "}), chunk({"reasoning_content": "me"}), chunk({"content": "a"}), *END]),
    streamed("reasoning", [chunk({"reasoning": "let "}), chunk({"reasoning": "me"}), chunk({"content": "a"}), *END]),
    streamed("reasoning-null-other", [chunk({"reasoning": None, "reasoning_content": "h"}), chunk({"content": "a"}), *END]),
    streamed("reasoning-and-content-in-one", [chunk({"reasoning_content": "h", "content": "a"}), *END]),
    streamed("reasoning-text-reasoning", [chunk({"content": "---"}), chunk({"reasoning_content": "h"}), chunk({"content": "a"}), calls(call(0, "c", "f", "{}")), *END]),
    # raw material
    streamed("raw-response", text_chunks("ab", 1), request=body(stream=True, **{"tensorzero::include_raw_response": True})),
    streamed("original-response", text_chunks("ab", 1), request=body(stream=True, **{"tensorzero::include_original_response": True})),
    streamed("raw-usage", text_chunks("ab", 1), request=body(stream=True, **{"tensorzero::include_raw_usage": True})),
    streamed("raw-usage-and-usage-false", text_chunks("ab", 1), request=body(stream=True, stream_options={"include_usage": False}, **{"tensorzero::include_raw_usage": True})),
    streamed("raw-usage-and-usage-true", text_chunks("ab", 1), request=body(stream=True, stream_options={"include_usage": True}, **{"tensorzero::include_raw_usage": True})),
    streamed("raw-usage-without-usage", text_chunks("ab", 1, usage=False), request=body(stream=True, **{"tensorzero::include_raw_usage": True})),
    streamed("raw-all", text_chunks("ab", 1), request=body(stream=True, **{"tensorzero::include_raw_usage": True, "tensorzero::include_raw_response": True, "tensorzero::include_original_response": True})),
    streamed("json-mode", text_chunks('{"a":1}'), request=body(stream=True, response_format={"type": "json_object"})),
    # trouble before the first chunk
    streamed("status-401", None, up=json_answer({"error": {"message": "bad key"}}, 401)),
    streamed("status-429-retry-after", None, up=json_answer({"error": {"message": "slow"}}, 429, headers=[("retry-after", "7")])),
    streamed("status-500", None, up=answer("boom", 500, content_type="text/plain")),
    streamed("status-503-request-id", None, up=json_answer({"error": {"message": "x"}}, 503, headers=[("x-request-id", "req_up")])),
    streamed("json-instead-of-sse", None, up=json_answer(chat_answer("not a stream"))),
    streamed("json-error-instead-of-sse", None, up=json_answer({"error": {"message": "odd"}})),
    streamed("html-instead-of-sse", None, up=answer("<html>hi</html>", content_type="text/html")),
    streamed("no-content-type", None, up=answer("data: x\n\n", content_type=None),
             why="surfaces §1.6, Labels: a stream is known by how it begins",
             signet=gives(r'''Inference stream closed due to error from openai server: Expected content-type 'text/event-stream', got \"\": data: x\n\n''',
                          "Error from openai server: Error parsing chunk. Error: expected value at line 1 column 1")),
    streamed("no-event", [], done=True),
    streamed("nothing-at-all", [], done=False),
    streamed("comment-only", [Raw(b": x\n\n")], done=True),
    # trouble later
    streamed("bad-json-event", [chunk({"content": "a"}), "{oops", chunk({"content": "b"}), *END]),
    streamed("bad-json-first", ["{oops", chunk({"content": "b"}), *END]),
    streamed("event-without-choices", [chunk({"content": "a"}), {"id": "x", "object": "odd"}, chunk({"content": "b"}), *END],
             why="surfaces §1.6: an event that is no chunk is skipped", signet=gives(NO_CHOICES, "")),
    streamed("two-choices", [chunk({"content": "a"}), {"id": "x", "choices": [{"index": 0, "delta": {"content": "b"}}, {"index": 1, "delta": {"content": "c"}}]}, *END],
             why="providers-openai §2.10: Signet puts the number in",
             signet=gives("choices: {}", "choices: 2")),
    streamed("cut-after-finish", [chunk({"content": "a"}), chunk({}, "stop")], done=False, framing="close"),
    streamed("discard-unknown", [chunk({"content": "a"}), {"id": "x", "object": "odd"}, "{oops", chunk({"content": "b"}), *END], request=body(model="discard", stream=True),
             why="surfaces §1.6: an event that is no chunk is skipped", signet=gives(NO_CHOICES, "")),
    streamed("pause", [chunk({"content": "a"}), Pause(0.05), chunk({"content": "b"}), *END]),
]
