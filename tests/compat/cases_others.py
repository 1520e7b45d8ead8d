"""The types beside the OpenAI family: each is asked what all types are asked, and told its own format's answers.

cases_anthropic.py, cases_aws.py, cases_google.py and cases_responses.py look at one matter each. This is the whole grid: a row of
ASKED is a request, a row of the tables of answers below is what a provider says. Where Signet is meant to differ, DIFFERENT says how
(providers-openai §7.3, providers-others §12); what it does then is in golden/others_signet.json.
"""
import json

from cases_google import reply
from cases_responses import answer as responded, events, no_null_ids, said as output
from cases_types import ASKED as ASKED_OF_ALL, SAID as SAID_OF_CHAT, TOOLS, asked, first_match
from cases_request import CALL, PDF, PNG, image, text, user
from compare import Case
from lib import aws, claude
from lib.mock import chat_answer, error, json_answer, sse, text_chunks

RESULT = {"role": "tool", "tool_call_id": "call_A1", "content": "4"}
CALL_B = {"id": "call_B2", "type": "function", "function": {"name": "get_time", "arguments": "{}"}}
BIG = {"type": "object", "properties": {"a": {"$ref": "#/$defs/A"}, "b": {"type": ["string", "null"]}}, "$defs": {"A": {"type": "string"}}, "required": ["a", "b"],
       "additionalProperties": False}


def calls(*results):
    return [user("Weather?"), {"role": "assistant", "tool_calls": [CALL, CALL_B]}, *results]


def thoughts(kind, **fields):
    extra = [{"type": "thought", "insert_index": 0, "provider_type": kind, **fields}]
    return [user("a"), {"role": "assistant", "content": "b", "tensorzero_extra_content": extra}, user("c")]


SEALED = {"text": "Hm.", "signature": "c2ln"}
# What a client asks, beside what cases_types.py asks of all.
ASKED = {
    **{k: v for k, v in ASKED_OF_ALL.items() if k not in ("dynamic-nothing", "json-said", "thought-foreign")},
    "developer": {"messages": [{"role": "developer", "content": "Be brief."}, user("Hi")]},
    "assistant-last": {"messages": [user("a"), {"role": "assistant", "content": "b"}]},
    "assistant-first": {"messages": [{"role": "assistant", "content": "b"}, user("c")]},
    "assistant-calls-after-text": {"messages": [user("a"), {"role": "assistant", "content": "So.", "tool_calls": [CALL]}, RESULT], **TOOLS},
    "two-results": {"messages": calls(RESULT, {**RESULT, "tool_call_id": "call_B2"}), **TOOLS},
    "two-results-turned": {"messages": calls({**RESULT, "tool_call_id": "call_B2"}, RESULT), **TOOLS},
    "results-without-tools": {"messages": calls(RESULT, {**RESULT, "tool_call_id": "call_B2"})},
    "text-empty": {"messages": [user("")]},
    "unicode": {"messages": [user("Grüße, 世界 \U0001f600 \u2028 <&>\n")]},
    "pdf": {"messages": [user([text("see"), {"type": "file", "file": {"file_data": "data:application/pdf;base64," + PDF, "filename": "a.pdf"}}])]},
    "two-images": {"messages": [user([image("data:image/png;base64," + PNG), text("and"), image("data:image/jpeg;base64," + PNG)])]},
    "audio": {"messages": [user([{"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}}])]},
    "tokens-of-both-names": {"max_tokens": 9, "max_completion_tokens": 8},
    "tools-empty": {"tools": []},
    "tools-described": {"tools": [{"type": "function", "function": {"name": "f", "description": "D", "parameters": BIG, "strict": True}}]},
    "tools-bare": {"tools": [{"type": "function", "function": {"name": "f"}}]},
    "tools-with-schema": {**TOOLS, "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": BIG}}},
    "schema-strict": {"response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": BIG, "strict": True}}},
    "thought-signed": {"messages": lambda kind: thoughts(kind, **SEALED)},
    "thought-sealed": {"messages": lambda kind: thoughts(kind, signature="c2ln")},
    "thought-foreign-signed": {"messages": lambda kind: thoughts("deepseek", **SEALED)},
    "effort-high": {"reasoning_effort": "high", "max_tokens": 20000},
    "effort-none": {"reasoning_effort": "none"},
    "budget": {"tensorzero::params": {"chat_completion": {"thinking_budget_tokens": 2048}}, "max_tokens": 4096},
    "stop-many": {"stop": ["a", "b", "c", "d"]},
    "penalties": {"presence_penalty": 0.5, "frequency_penalty": 0.25},
    "extra-body": {"tensorzero::extra_body": [{"pointer": "/odd/member", "value": {"x": [1, 2.50]}}]},
    "extra-headers": {"tensorzero::extra_headers": [{"model_name": "MODEL", "provider_name": "p", "name": "x-odd", "value": "1"}]},
}
# type -> the model and the provider's type
DEFAULT = {"anthropic": ("claude", "anthropic"), "bedrock": ("bedrock", "aws_bedrock"), "sagemaker": ("sagemaker", "aws_sagemaker"),
           "sagemaker-tgi": ("sagemaker-tgi", "aws_sagemaker"), "responses": ("responses", "openai")}
GOOGLE = {"studio": ("studio", "google_ai_studio_gemini"), "vertex": ("vertex", "gcp_vertex_gemini"), "vertex-claude": ("claude", "gcp_vertex_anthropic")}

# -- what providers say: name -> (the answer, whether it is asked for a stream) -------------------------------------------------
SAID_CLAUDE = {
    "calls": (claude.answer("So", claude.tool_use("t1", "get_weather", {"city": "Oslo"}), claude.tool_use("t2", "get_time", {}), stop="tool_use"), False),
    "thinking": (claude.answer(claude.thinking("Hm.", "c2ln"), "Hi"), False),
    "thinking-sealed": (claude.answer({"type": "redacted_thinking", "data": "cmVk"}, "Hi"), False),
    "nothing": (claude.answer(), False),
    "two-texts": (claude.answer("a", "b"), False),
    **{"stop-" + s: (claude.answer("x", stop=s), False) for s in ("max_tokens", "stop_sequence", "tool_use", "pause_turn", "refusal", "odd")},
    "usage-cache": (claude.answer("x", usage={"input_tokens": 4, "cache_creation_input_tokens": 7, "cache_read_input_tokens": 9, "output_tokens": 2}), False),
    "no-object": (json_answer([1]), False),
    "stream": (claude.text_stream("Hel", "lo!"), True),
    "stream-thinking": (claude.stream(claude.thinking_block(0, "Hm", "."), claude.text_block(1, "Hi"), claude.end()), True),
    "stream-calls": (claude.stream(claude.tool_block(0, "t1", "get_weather", '{"city":', '"Oslo"}'), claude.tool_block(1, "t2", "get_time"), claude.end("tool_use")), True),
    "stream-length": (claude.stream(claude.text_block(0, "Hel"), claude.end("max_tokens")), True),
    "stream-error-first": (sse([claude.error_event()], done=False), True),
    "stream-error-later": (claude.stream(claude.text_block(0, "a"), claude.error_event()), True),
    "stream-unknown-event": (claude.stream(claude.text_block(0, "a"), claude.event("future_event"), claude.end()), True),
    **{f"error-{s}": (claude.error(s, "no"), False) for s in (400, 401, 403, 404, 413, 429, 500, 529)},
    **{f"stream-error-{s}": (claude.error(s, "no"), True) for s in (400, 429, 500)},
}
CALL_PART = {"toolUse": {"toolUseId": "t1", "name": "get_weather", "input": {"city": "Oslo"}}}
META = aws.event("metadata", {"usage": aws.USAGE, "metrics": {"latencyMs": 1}})


def start(i, id, name):
    return aws.event("contentBlockStart", {"contentBlockIndex": i, "start": {"toolUse": {"toolUseId": id, "name": name}}})


def delta(i, **what):
    return aws.event("contentBlockDelta", {"contentBlockIndex": i, "delta": what})


def stopped(i):
    return aws.event("contentBlockStop", {"contentBlockIndex": i})


BEGIN = aws.event("messageStart", {"role": "assistant"})
SAID_BEDROCK = {
    "calls": (aws.converse({"text": "So"}, CALL_PART, {"toolUse": {"toolUseId": "t2", "name": "get_time", "input": {}}}, stop="tool_use"), False),
    "two-texts": (aws.converse({"text": "a"}, {"text": "b"}), False),
    "thinking": (aws.converse({"reasoningContent": {"reasoningText": {"text": "Hm.", "signature": "c2ln"}}}, {"text": "Hi"}), False),
    "thinking-sealed": (aws.converse({"reasoningContent": {"redactedContent": "cmVk"}}, {"text": "Hi"}), False),
    **{"stop-" + s: (aws.converse({"text": "x"}, stop=s), False) for s in ("malformed_model_output", "model_context_window_exceeded", "odd")},
    "stream": (aws.frames(*aws.text_stream("Hel", "lo!")), True),
    "stream-split": (aws.frames(*aws.text_stream("Hel", "lo!"), split=7), True),
    "stream-length": (aws.frames(*aws.text_stream("Hel", stop="max_tokens")), True),
    "stream-thinking": (aws.frames(BEGIN, delta(0, reasoningContent={"text": "Hm."}), delta(0, reasoningContent={"signature": "c2ln"}), stopped(0), delta(1, text="Hi"), stopped(1),
                                   aws.event("messageStop", {"stopReason": "end_turn"}), META), True),
    "stream-calls": (aws.frames(BEGIN, start(0, "t1", "get_weather"), delta(0, toolUse={"input": '{"city":'}), delta(0, toolUse={"input": '"Oslo"}'}), stopped(0),
                                start(1, "t2", "get_time"), stopped(1), aws.event("messageStop", {"stopReason": "tool_use"}), META), True),
    "stream-without-usage": (aws.frames(*aws.text_stream("Hi")[:-1]), True),
    **{f"error-{s}": (aws.error(s, n), False) for s, n in ((400, "ValidationException"), (404, "ResourceNotFoundException"), (408, "ModelTimeoutException"),
                                                           (424, "ModelErrorException"), (503, "ServiceUnavailableException"))},
    "stream-error-400": (aws.error(400, "ValidationException"), True),
}


def gemini_stream(*values):
    return sse(list(values), done=False, newline="\r\n")


def gemini_error(status, name):
    return json_answer({"error": {"code": status, "message": "m", "status": name}}, status)


def call_part(name="get_weather", **args):
    return {"functionCall": {"name": name, "args": args}}


BLOCKED = {"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {"promptTokenCount": 3, "totalTokenCount": 3}}
CACHED = {"promptTokenCount": 30, "cachedContentTokenCount": 10, "candidatesTokenCount": 8, "thoughtsTokenCount": 5, "totalTokenCount": 43}
IDS = r'"id":"(?:<uuid>|call_[0-9a-f]{8})"|"id":"\d"'
SAID_GEMINI = {
    "calls": (json_answer(reply({"text": "So"}, call_part(city="Oslo"), call_part("get_time"))), False),
    "two-texts": (json_answer(reply({"text": "a"}, {"text": "b"})), False),
    "usage-cached": (json_answer(reply({"text": "x"}, usage=CACHED)), False),
    "usage-none": (json_answer(reply({"text": "x"}, usage=None)), False),
    "no-parts": (json_answer({"candidates": [{"content": {"role": "model"}, "finishReason": "STOP"}], "usageMetadata": CACHED}), False),
    "no-content": (json_answer({"candidates": [{"finishReason": "SAFETY", "index": 0}], "usageMetadata": CACHED}), False),
    "blocked": (json_answer(BLOCKED), False),
    **{"finish-" + s: (json_answer(reply({"text": "x"}, finish=s)), False) for s in ("RECITATION", "MALFORMED_FUNCTION_CALL", "PROHIBITED_CONTENT", "LANGUAGE", "ODD")},
    "two-candidates": (json_answer({"candidates": [reply({"text": "a"})["candidates"][0], reply({"text": "b"})["candidates"][0]], "usageMetadata": CACHED}), False),
    "no-object": (json_answer("oops"), False),
    "stream": (gemini_stream(reply({"text": "Hel"}, finish=None), reply({"text": "lo"})), True),
    "stream-calls": (gemini_stream(reply(call_part(city="Oslo"), finish=None), reply(call_part("get_time"))), True),
    "stream-blocked": (gemini_stream(BLOCKED), True),
    "stream-length": (gemini_stream(reply({"text": "Hel"}, finish="MAX_TOKENS")), True),
    **{f"error-{s}": (gemini_error(s, n), False) for s, n in ((400, "FAILED_PRECONDITION"), (404, "NOT_FOUND"), (503, "UNAVAILABLE"), (504, "DEADLINE_EXCEEDED"))},
    **{f"stream-error-{s}": (gemini_error(s, n), True) for s, n in ((400, "INVALID_ARGUMENT"), (429, "RESOURCE_EXHAUSTED"), (500, "INTERNAL"))},
}


def function_call(i, name, arguments):
    return {"type": "function_call", "id": f"fc_{i}", "call_id": f"call_{i}", "name": name, "arguments": arguments, "status": "completed"}


def completed(status="completed", **more):
    return (f"response.{status}", {"response": {"id": "resp_2", "status": status, "usage": {"input_tokens": 40, "output_tokens": 25, "total_tokens": 65}, **more}})


CREATED = ("response.created", {"response": {"id": "resp_2", "status": "in_progress", "output": [], "usage": None}})


def piece(text):
    return ("response.output_text.delta", {"item_id": "msg_1", "output_index": 0, "content_index": 0, "delta": text})


SAID_RESPONSES = {
    "calls": (responded(output("So"), function_call(1, "get_weather", '{"city":"Oslo"}'), function_call(2, "get_time", "{}")), False),
    "thinking": (responded({"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "Hm."}]}, output()), False),
    "thinking-sealed": (responded({"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAA"}, output()), False),
    "refusal": (responded({**output(), "content": [{"type": "refusal", "refusal": "No."}]}), False),
    "web-search": (responded({"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search", "query": "q"}}, output()), False),
    "usage-none": (responded(output(), usage=None), False),
    "filtered": (responded(output("x"), status="incomplete", incomplete_details={"reason": "content_filter"}), False),
    "failed": (responded(status="failed", error={"code": "server_error", "message": "broken"}), False),
    "no-output": (responded(), False),
    "no-object": (json_answer("oops"), False),
    "stream": (events(CREATED, piece("Hel"), piece("lo"), completed()), True),
    "stream-cut-short": (events(CREATED, piece("Hel"), completed("incomplete", incomplete_details={"reason": "max_output_tokens"})), True),
    "stream-failed": (events(CREATED, completed("failed", error={"code": "server_error", "message": "broken"})), True),
    "stream-error-event": (events(CREATED, ("error", {"code": "server_error", "message": "broken", "param": None})), True),
    **{f"error-{s}": (error(s, "no"), False) for s in (400, 401, 404, 429, 500, 503)},
    **{f"stream-error-{s}": (error(s, "no"), True) for s in (400, 429, 500)},
}


def payload(*chunks, done=True):
    data = b"".join(b"data: " + json.dumps(c).encode() + b"\n\n" for c in chunks) + (b"data: [DONE]\n\n" if done else b"")
    return aws.frames(aws.event("PayloadPart", data[:50]), aws.event("PayloadPart", data[50:]))


SAID_SAGEMAKER = {
    **{k: v for k, v in SAID_OF_CHAT.items() if not v[1]},
    "stream": (payload(*text_chunks("Hello!")), True),
    "stream-usage": (payload(*text_chunks("Hello!", usage=True)), True),
    "stream-400": (aws.error(400, "ValidationError"), True),
    "stream-424": (aws.error(424, "ModelError"), True),
}
PLAIN = {"anthropic": claude.answer("Hello!"), "vertex-claude": claude.answer("Hello!"), "bedrock": aws.converse({"text": "Hello!"}), "responses": responded(output()),
         "studio": json_answer(reply({"text": "Hello!"})), "vertex": json_answer(reply({"text": "Hello!"}))}
SAID = {"anthropic": SAID_CLAUDE, "vertex-claude": SAID_CLAUDE, "bedrock": SAID_BEDROCK, "responses": SAID_RESPONSES, "studio": SAID_GEMINI, "vertex": SAID_GEMINI,
        "sagemaker": SAID_SAGEMAKER, "sagemaker-tgi": SAID_SAGEMAKER}

# Where Signet means to do otherwise: what a case's name matches -> why.
DIFFERENT = {
    # requests
    r".*-(turns|assistant-empty|text-before-result)": "§12: neighbours of one role are one message",
    r".*-image-url": "http-api §22.2: files from public addresses only, and words for what is wrong",
    r".*-text-empty": "§13 A19: an empty text is left out",
    r"(anthropic|bedrock|vertex-claude)-(thought|thought-unscoped)": "§13 A3: a thought without a signature is not sent",
    r"(anthropic|vertex-claude)-pdf": "§2.3: a file's name is its title",
    r"bedrock-pdf": "§5.2: a file's name is the document's",
    r"(anthropic|bedrock|vertex-claude)-effort(-high|-none)?": "§2.5: what the model's generation takes of an effort",
    r"vertex-claude-(json-schema|schema-strict|tools-with-schema)": "§3: a strict schema goes out",
    r"bedrock-tier-.*": "§5.1: serviceTier",
    r"bedrock-(tools.*|two-results.*|assistant-calls-after-text|calls|stream-calls)": "§5.1, §13 B7: no toolChoice auto, no empty description, calls one by one where that is asked",
    r"bedrock-(after-call|results-without-tools|text-before-result)": "§13 B1: calls in the history need tools",
    r"bedrock-thought-sealed": "§5.2: a sealed thought goes back",
    r".*-json-schema-none": "providers-openai §7.3: the hint whenever json_object is sent",
    r"(sagemaker-tgi|studio|vertex)-tools-custom": "§1: nothing is left out in silence",
    r"responses-parameters": "providers-openai §4.1: the API has no seed",
    r"responses-(image|pdf|two-images)": "providers-openai §4.2: one message of the user's is one item",
    r"(studio|vertex)-(effort-and-budget|effort|effort-high|effort-none)": "§9.2: 2.5 takes budgets alone",
    r"(studio|vertex)-two-results-turned": "§13 G8: results in the order of their calls",
    r"(studio|vertex)-(tools-described|tools-with-schema|schema-strict)": "§9.4: the subset of JSON Schema that the API takes",
    # answers
    r".*-stream-calls": "§13 A9: a call without arguments has `{}`; Gemini's: §9.6, §9.7",
    r"(anthropic|vertex-claude)-stop-refusal": "§13 A35",
    r"(anthropic|vertex-claude)-stream-thinking": "§2.9: an empty signature is none",
    r"(anthropic|vertex-claude)-stream-unknown-event": "§13 A32",
    r".*-no-(object|json)": "the names of structs in TensorZero's code, and of the type",
    r"vertex-claude-error-401": "§13 C6: a token that is refused is dropped, and one more is tried",
    r"vertex-claude-error-.*": "§3: the right type",
    r"bedrock-thinking-sealed": "§5.4: a sealed thought is kept",
    r"bedrock-stop-model_context_window_exceeded": "§13 B18",
    r"sagemaker.*-reasoning(-content)?": "§7: whose a thought is, is written into it",
    r"sagemaker-tgi-(usage|usage-none|calls|reasoning.*)": "providers-openai §7.3, §3.5: as for tgi itself",
    r"responses-(calls|filtered)": "providers-openai §4.4: the finish reason",
    r"responses-refusal": "providers-openai §7.3: a refusal is shown",
    r"responses-(failed|stream-failed|stream-error-event)": "providers-openai §4.4: a failed answer is an error in the provider's words",
    r"(studio|vertex)-calls": "§9.6: a call is told by the reason",
    r"(studio|vertex)-(usage-none|stream-usage-none)": "an answer without usage is an answer",
    r"(studio|vertex)-(blocked|stream-blocked)": "§13 G16: a blocked prompt ends with content_filter",
    r"(studio|vertex)-finish-(RECITATION|MALFORMED_FUNCTION_CALL|LANGUAGE)": "§9.6: finish reasons",
}


def why_different(name):
    return first_match(DIFFERENT, name)


def fields_of(fields, model):
    return json.loads(json.dumps(fields).replace("MODEL", model)) if "messages" not in fields else fields


def cases(types):
    for type, (model, kind) in types.items():
        limit = {"max_completion_tokens": 500} if type == "vertex-claude" else {}
        more = {"signet": no_null_ids, "why": "providers-openai §4.2"} if type == "responses" else {}
        for name, fields in ASKED.items():
            own = {} if {"max_tokens", "max_completion_tokens"} & set(fields) else limit
            yield Case(f"{type}-{name}", {**asked(kind, model, fields_of(fields, model)), **own}, [PLAIN.get(type, json_answer(chat_answer()))], **more)
        for name, (said, stream) in SAID[type].items():
            fields = dict(TOOLS) if "calls" in name else {}
            if stream:
                fields.update(stream=True, stream_options={"include_usage": True})
            yield Case(f"{type}-{name}", {**asked(kind, model, fields), **limit}, [said], loose=IDS if SAID[type] is SAID_GEMINI else None, **more)


CASES = list(cases(DEFAULT))
