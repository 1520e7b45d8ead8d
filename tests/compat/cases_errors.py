"""Bad requests and failing upstreams: statuses and texts."""
from cases_request import body, user
from compare import Case
from lib.mock import Pause, answer, chat_answer, cut, error, json_answer, sse, text_chunks
from lib.raw import TZ

CAUSE = {"loose": r"(?<=Error sending request: )[^\"]+|(?<=Error parsing text response: )[^\"]+|(?<=closed due to error from openai server: )[^\"]+",
         "why": "the operating system's wording"}
TYPES = {"loose": r"(?<=Error parsing JSON response: )[^\"]+", "why": "serde's words for a value of the wrong type"}
LONG = "x" * 3000


def raw(name, text, **more):
    return Case(name, text, **more)


def fails(name, *up, model="m", **more):
    return Case(name, body(model=model), list(up), **more)


def choices(*list_):
    return chat_answer(choices=list(list_))


ONE = {"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}

FIRST = ('{"id":"<uuid>","episode_id":"<uuid>","choices":[{"index":0,"finish_reason":"stop","message":{"role":"assistant","content":"Hi"}}],"created":0,'
         '"model":"tensorzero::model_name::m","system_fingerprint":"","service_tier":null,"object":"chat.completion",'
         '"usage":{"prompt_tokens":11,"completion_tokens":7,"total_tokens":18,"tensorzero_cost":null}}')

CASES = [
    # JSON
    raw("empty-body", ""),
    raw("blank-body", "  \n"),
    raw("cut-body", '{"model":"tensorzero::model_name::m","messages":[{"role":"us'),
    raw("trailing", '{"model":"tensorzero::model_name::m","messages":[]} x'),
    raw("trailing-comma", '{"model":"tensorzero::model_name::m","messages":[],}'),
    raw("no-quotes", "{model:1}"),
    raw("single-quotes", "{'model':'x'}"),
    raw("array-body", "[]"),
    raw("array-body-filled", '["tensorzero::model_name::m",[]]'),
    raw("string-body", '"x"'),
    raw("number-body", "5"),
    raw("null-body", "null"),
    raw("true-body", "true"),
    raw("control-in-string", '{"model":"a\nb"}'),
    raw("bad-escape", '{"model":"a\\qb"}'),
    raw("bad-unicode-escape", '{"model":"a\\u12"}'),
    raw("lone-surrogate", '{"model":"tensorzero::model_name::m","messages":[{"role":"user","content":"\\ud83d"}]}'),
    raw("leading-zero", '{"model":"x","seed":01}'),
    raw("nan", '{"model":"x","temperature":NaN}'),
    raw("bom", b'\xef\xbb\xbf{"model":"x"}'),
    raw("invalid-utf8", b'{"model":"tensorzero::model_name::m","messages":[{"role":"user","content":"\xff"}]}'),
    raw("cut-utf8", b'{"model":"\xc3"}'),
    raw("nul-byte", b'{"model":"a\0"}'),
    raw("deep-127", '{"model":"tensorzero::model_name::m","messages":[],"x":' + "[" * 126 + "]" * 126 + "}"),
    raw("deep-128", '{"model":"tensorzero::model_name::m","messages":[],"x":' + "[" * 127 + "]" * 127 + "}"),
    raw("deep-129", '{"model":"tensorzero::model_name::m","messages":[],"x":' + "[" * 128 + "]" * 128 + "}"),
    raw("duplicate-keys", '{"model":"nope","messages":[{"role":"user","content":"a","content":"b"}],"model":"tensorzero::model_name::m","stream":true,"stream":false}'),
    raw("case-matters", '{"Model":"tensorzero::model_name::m","messages":[]}'),
    # missing and wrong
    Case("no-model", {"messages": []}),
    Case("no-messages", {"model": TZ + "m"}),
    Case("neither", {}),
    Case("model-number", {"model": 5, "messages": []}),
    Case("model-null", {"model": None, "messages": []}),
    Case("messages-null", {"model": TZ + "m", "messages": None}),
    Case("messages-string", {"model": TZ + "m", "messages": "Hi"}),
    Case("messages-object", {"model": TZ + "m", "messages": {}}),
    Case("messages-of-strings", {"model": TZ + "m", "messages": ["Hi"]}),
    Case("message-no-role", {"model": TZ + "m", "messages": [{"content": "Hi"}]}),
    Case("message-role-odd", {"model": TZ + "m", "messages": [{"role": "critic", "content": "Hi"}]}),
    Case("message-role-number", {"model": TZ + "m", "messages": [{"role": 5, "content": "Hi"}]}),
    Case("message-second-bad", {"model": TZ + "m", "messages": [user("a"), {"role": "user"}]}),
    Case("assistant-content-number", body(user("a"), {"role": "assistant", "content": 5})),
    # names
    Case("bare-name", {"model": "m", "messages": []}),
    Case("empty-model", {"model": "", "messages": []}),
    Case("prefix-only-model", {"model": "tensorzero::model_name::", "messages": []}),
    Case("prefix-only-function", {"model": "tensorzero::function_name::", "messages": []}),
    Case("prefix-odd", {"model": "tensorzero::", "messages": []}),
    Case("prefix-embedding", {"model": "tensorzero::embedding_model_name::x", "messages": []}),
    Case("unknown-model", {"model": TZ + "nope", "messages": []}),
    Case("unknown-model-colons", {"model": TZ + "nope::x", "messages": []}),
    Case("unknown-function", {"model": "tensorzero::function_name::nope", "messages": []}),
    Case("default-function", {"model": "tensorzero::function_name::tensorzero::default", "messages": []}),
    Case("shorthand-without-key", {"model": TZ + "openai::gpt-4o", "messages": []}),
    Case("shorthand-empty", {"model": TZ + "openai::", "messages": []}, why="a shorthand without a name is no model",
         signet=lambda r: {**r, "status": 400, "text": '{"error":{"message":"Invalid inference target: Invalid model name: Model name \'openai::\' not found in model table"}}'}),
    Case("model-and-variant", body(**{"tensorzero::variant_name": "v"})),
    Case("unknown-function-and-variant", {"model": "tensorzero::function_name::nope", "messages": [], "tensorzero::variant_name": "v"}),
    # order of checks
    Case("order-n-before-model", {"model": "m", "messages": [], "n": 2}),
    Case("order-unknown-before-model", {"model": "m", "messages": [], "foo": 1, "tensorzero::deny_unknown_fields": True}),
    Case("order-type-before-n", {"model": "m", "messages": 5, "n": 2}),
    Case("order-model-before-messages", {"model": "m", "messages": [{"role": "user", "content": 5}]}),
    Case("order-messages-before-target", {"model": TZ + "nope", "messages": [{"role": "user", "content": 5}]}),
    Case("order-tags-before-target", {"model": TZ + "nope", "messages": [], "tensorzero::tags": {"tensorzero::x": "y"}}),
    Case("order-tool-choice-before-target", {"model": TZ + "nope", "messages": [], "tool_choice": {"type": "function", "function": {"name": "x"}}}),
    # statuses of the upstream
    fails("status-400", error(400, "bad request")),
    fails("status-401", error(401, "bad key", code="invalid_api_key")),
    fails("status-402", error(402, "pay")),
    fails("status-403", error(403, "no")),
    fails("status-404", error(404, "no such model")),
    fails("status-408", error(408, "slow")),
    fails("status-409", error(409, "conflict")),
    fails("status-413", error(413, "big")),
    fails("status-422", error(422, "odd")),
    fails("status-429", error(429, "slow down", headers=[("retry-after", "20")])),
    fails("status-500", error(500, "boom")),
    fails("status-502-html", answer("<html><body>Bad gateway</body></html>", 502, content_type="text/html")),
    fails("status-502-empty", answer("", 502, content_type="text/html")),
    fails("status-503", error(503, "busy")),
    fails("status-504", error(504, "late")),
    fails("status-529", error(529, "overloaded")),
    fails("status-599", error(599, "odd")),
    fails("status-400-request-id", error(400, "bad", headers=[("x-request-id", "req_up")])),
    fails("status-500-request-id", error(500, "bad", headers=[("x-request-id", "req_up")])),
    fails("status-400-long", error(400, LONG)),
    fails("status-400-no-json", answer("plain text", 400, content_type="text/plain")),
    fails("status-401-close", json_answer({"error": "x"}, 401, framing="close")),
    # garbage with 200
    fails("html", answer("<html></html>", content_type="text/html")),
    fails("empty-200", answer("")),
    fails("json-cut", answer('{"choices":[')),
    fails("json-array", answer("[]"), **TYPES),
    fails("json-null", answer("null"), **TYPES),
    fails("no-choices", answer('{"id":"x"}')),
    fails("choices-empty", json_answer(choices())),
    fails("choices-two", json_answer(choices(ONE, {**ONE, "index": 1})), why="providers-openai §7.3: the first choice is the result",
          signet=lambda r: {**r, "status": 200, "text": FIRST}),
    fails("choices-null", json_answer(chat_answer(choices=None)), **TYPES),
    fails("content-number", json_answer(choices({**ONE, "message": {"role": "assistant", "content": 5}})), **TYPES),
    # routing
    fails("fallback", error(500, "first"), json_answer(chat_answer("second")), model="three"),
    fails("fallback-twice", error(401, "first"), error(429, "second"), json_answer(chat_answer("third")), model="three"),
    fails("fallback-none-left", error(401, "first"), error(429, "second"), error(500, "third"), model="three"),
    fails("fallback-on-400", error(400, "first"), json_answer(chat_answer("second")), model="three"),
    fails("fallback-on-garbage", answer("<html>"), json_answer(chat_answer("second")), model="three"),
    Case("fallback-stream", body(model="three", stream=True), [error(500, "first"), sse(text_chunks("ok"))]),
    Case("fallback-stream-none-left", body(model="three", stream=True), [error(500, "a"), error(401, "b"), answer("<html>", content_type="text/html")]),
    Case("fallback-stream-no-event", body(model="three", stream=True), [sse([]), sse(text_chunks("ok"))]),
    Case("fallback-raw-response", body(model="three", **{"tensorzero::include_raw_response": True}), [error(500, "first"), json_answer(chat_answer("ok"))]),
    Case("fallback-raw-response-stream", body(model="three", stream=True, **{"tensorzero::include_raw_response": True}), [error(500, "first"), sse(text_chunks("ok"))]),
    Case("failed-raw-response", body(model="three", **{"tensorzero::include_raw_response": True}), [error(500, "a"), error(401, "b"), error(404, "c")]),
    Case("failed-original-response", body(**{"tensorzero::include_original_response": True}), [error(500, "a")]),
    fails("dead-then-good", json_answer(chat_answer("second")), model="dead-then-good"),
    # the network: the cause's wording is each gateway's own
    fails("dead", model="dead", **CAUSE),
    Case("dead-stream", body(model="dead", stream=True), **CAUSE),
    fails("closed-before-answer", *[cut()] * 3, fresh=True, **CAUSE),
    fails("closed-in-head", *[cut(b"HTTP/1.1 200 OK\r\ncontent-")] * 3, fresh=True, **CAUSE),
    fails("closed-in-body", cut(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{"), fresh=True, **CAUSE),
    fails("not-http", *[cut(b"SSH-2.0-OpenSSH\r\n")] * 3, fresh=True, **CAUSE),
    # timeouts
    fails("slow-provider", json_answer(chat_answer("late"), delay=1), model="slow-provider"),
    fails("slow-model", json_answer(chat_answer("late"), delay=1), model="slow-model"),
    fails("slow-then-good", json_answer(chat_answer("late"), delay=1), json_answer(chat_answer("second")), model="slow-then-good"),
    Case("slow-provider-stream", body(model="slow-provider", stream=True), [sse([Pause(1), *text_chunks("late")])]),
    Case("slow-provider-stream-no-head", body(model="slow-provider", stream=True), [json_answer({}, delay=1)]),
    Case("slow-stream-total", body(model="slow-stream", stream=True), [sse([*text_chunks("ab", 1)[:2], Pause(2), *text_chunks("late")])]),
    Case("slow-model-stream", body(model="slow-model", stream=True), [sse([Pause(1), *text_chunks("late")])]),
    Case("slow-then-good-stream", body(model="slow-then-good", stream=True), [json_answer({}, delay=1), sse(text_chunks("ok"))]),
]
