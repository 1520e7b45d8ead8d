"""Google's types: what reaches the upstream, and what its answers become."""
from cases_request import CALL, PNG, SCHEMA, TIME, WEATHER, asks, body, image, text, user
from compare import Case, answer, plain_numbers, upstream
from lib.mock import json_answer, sse

HOSTS = ("generativelanguage.googleapis.com", "us-central1-aiplatform.googleapis.com", "aiplatform.googleapis.com")
IDS = r'"id":"(?:<uuid>|call_[0-9a-f]{8})"'
USAGE = {"promptTokenCount": 30, "candidatesTokenCount": 8, "totalTokenCount": 38}
THOUGHTS = {**USAGE, "thoughtsTokenCount": 12}
SEALED = {"functionCall": {"name": "get_weather", "args": {"city": "Oslo"}}, "thoughtSignature": "c2ln"}


def reply(*parts, finish="STOP", usage=USAGE):
    candidate = {"content": {"role": "model", "parts": list(parts)}, "index": 0}
    if finish:
        candidate["finishReason"] = finish
    return {"candidates": [candidate], **({"usageMetadata": usage} if usage else {}), "modelVersion": "gemini-2.5-flash", "responseId": "r1"}


def said(*parts, **more):
    return [json_answer(reply(*parts, **more))]


def stream(*events):
    return [sse(list(events), done=False, newline="\r\n")]


def error(status, name="X", **more):
    return [json_answer({"error": {"code": status, "message": "m", "status": name}}, status, **more)]


def refused_tool(rec):
    """Signet's word for what TensorZero leaves out in silence."""
    start = rec["text"].index("p: ") + 3
    text = rec["text"][:start] + 'OpenAI custom tools are not supported by this provider"}}'
    return {**rec, "text": text, "upstream": []}


OWN_NAME = answer("gcp_vertex_gemini client", "google_ai_studio_gemini client")
OWN_NAME_WHY = "TensorZero names the other of the two types here"

HELLO = said({"text": "Hello"})
STREAM = stream(reply({"text": "Hel"}, finish=None), reply({"text": "lo"}))
CLAUDE = [json_answer({"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-sonnet-4-5", "content": [{"type": "text", "text": "Hello"}],
                       "stop_reason": "end_turn", "stop_sequence": None, "usage": {"input_tokens": 4, "output_tokens": 5}})]


CLAUDE_EVENTS = [
    {"type": "message_start", "message": {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-sonnet-4-5", "content": [], "stop_reason": None,
                                          "stop_sequence": None, "usage": {"input_tokens": 4, "output_tokens": 1}}},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hello"}},
    {"type": "content_block_stop", "index": 0},
    {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None}, "usage": {"output_tokens": 5}},
    {"type": "message_stop"},
]


def studio(*messages, **more):
    return body(*messages, model="studio", **more)


def vertex(*messages, **more):
    return body(*messages, model="vertex", **more)


def after_calls(*results, model="studio"):
    calls = [{**CALL, "id": f"call_{i}"} for i in range(len(results))]
    return body(user("Weather?"), {"role": "assistant", "tool_calls": calls}, *(
        {"role": "tool", "tool_call_id": f"call_{i}", "content": r} for i, r in enumerate(results)), model=model, tools=[WEATHER])


ALL = {"temperature": 0.5, "top_p": 0.25, "seed": 7, "max_completion_tokens": 9, "presence_penalty": 0.5, "frequency_penalty": 0.25, "stop": ["x", "y"]}

CASES = [
    Case("plain", studio(), HELLO),
    Case("vertex", vertex(), HELLO),
    Case("endpoint", {**body(model="endpoint"), "tensorzero::credentials": {"token": "t-1"}}, HELLO),
    Case("endpoint-without-token", body(model="endpoint")),
    Case("claude", body(model="claude", max_completion_tokens=9), CLAUDE),
    Case("claude-system-and-tools", body({"role": "system", "content": "Be brief."}, user("Hi"), model="claude", max_completion_tokens=9, tools=[WEATHER], temperature=0.5), CLAUDE),
    Case("claude-stream", body(model="claude", max_completion_tokens=9, stream=True, stream_options={"include_usage": True}), [sse(CLAUDE_EVENTS, done=False)]),
    Case("claude-refused", body(model="claude", max_completion_tokens=9), error(400, "INVALID_ARGUMENT"),
         signet=answer("anthropic client", "gcp_vertex_anthropic client"), why="providers-others §3: the right type"),
    Case("claude-overloaded", body(model="claude", max_completion_tokens=9), [json_answer({"type": "error", "error": {"type": "overloaded_error", "message": "m"}}, 529)],
         signet=answer("anthropic server", "gcp_vertex_anthropic server"), why="providers-others §3: the right type"),
    Case("stream", studio(stream=True, stream_options={"include_usage": True}), STREAM),
    Case("vertex-stream", vertex(stream=True), STREAM),
    Case("system", studio({"role": "system", "content": "Be brief."}, user("Hi")), HELLO),
    Case("empty-messages", {"model": "tensorzero::model_name::studio", "messages": []}),
    Case("vertex-empty-messages", {"model": "tensorzero::model_name::vertex", "messages": []}),
    Case("parameters", studio(**ALL), HELLO),
    Case("vertex-parameters", vertex(**ALL), HELLO),
    Case("widened", studio(temperature=0.7), HELLO, signet=plain_numbers, why="providers-others §1: numbers as they were written"),
    Case("tier-and-verbosity", studio(service_tier="auto", verbosity="low"), HELLO),
    Case("effort", studio(reasoning_effort="low"), HELLO, signet=upstream('"thinkingLevel":"low"', '"thinkingBudget":1024'),
         why="providers-others §9.2: 2.5 takes budgets"),
    Case("tools", studio(tools=[WEATHER, TIME]), HELLO),
    Case("vertex-tools", vertex(tools=[WEATHER]), HELLO),
    Case("tool-choice-none", studio(tools=[WEATHER], tool_choice="none"), HELLO),
    Case("tool-choice-required", studio(tools=[WEATHER], tool_choice="required"), HELLO),
    Case("tool-choice-specific", studio(tools=[WEATHER, TIME], tool_choice={"type": "function", "function": {"name": "get_time"}}), HELLO),
    Case("parallel", studio(tools=[WEATHER], parallel_tool_calls=False), HELLO),
    Case("custom-tool", studio(tools=[{"type": "custom", "custom": {"name": "patch"}}]), signet=refused_tool, why="providers-others §1: nothing is left out in silence"),
    Case("json-object", studio(response_format={"type": "json_object"}), HELLO),
    Case("json-schema", studio(response_format={"type": "json_schema", "json_schema": {"name": "x", "strict": True, "schema": SCHEMA}}), HELLO),
    Case("image", {**asks(text("What?"), image("data:image/png;base64," + PNG)), "model": "tensorzero::model_name::studio"}, HELLO),
    Case("results", after_calls("A"), HELLO),
    Case("results-of-parallel-calls", after_calls("A", "B"), HELLO),
    Case("arguments-that-are-no-json", studio(user("x"), {"role": "assistant", "tool_calls": [{**CALL, "function": {"name": "f", "arguments": "{"}}]}),
         signet=OWN_NAME, why=OWN_NAME_WHY),
    Case("arguments-that-are-no-object", studio(user("x"), {"role": "assistant", "tool_calls": [{**CALL, "function": {"name": "f", "arguments": "[1]"}}]}),
         signet=OWN_NAME, why=OWN_NAME_WHY),
    Case("thought", studio(), said({"text": "Hm.", "thought": True}, {"text": "Hello"}, usage=THOUGHTS)),
    Case("call", studio(tools=[WEATHER]), said(SEALED, finish="STOP"), loose=IDS, signet=answer('"finish_reason":"stop"', '"finish_reason":"tool_calls"'),
         why="providers-others §9.6: a call is told by the reason"),
    Case("call-streamed", studio(tools=[WEATHER], stream=True), stream(reply(SEALED)), loose=IDS + r'|"id":"0"', signet=answer('"finish_reason":"stop"', '"finish_reason":"tool_calls"'),
         why="providers-others §9.6, §9.7: the reason, and ids that are made as for a plain answer"),
    Case("thought-streamed", studio(stream=True), stream(reply({"text": "Hm.", "thought": True}, finish=None), reply({"text": "Hello"}, usage=THOUGHTS))),
    Case("length", studio(), said({"text": "Hel"}, finish="MAX_TOKENS")),
    Case("safety", studio(), said({"text": "Hel"}, finish="SAFETY")),
    Case("other", studio(), said({"text": "Hel"}, finish="OTHER")),
    Case("no-candidates", studio(), [json_answer({"candidates": [], "usageMetadata": USAGE})]),
    Case("refused-400", studio(), error(400, "INVALID_ARGUMENT")),
    Case("refused-401", studio(), error(401, "UNAUTHENTICATED")),
    Case("refused-403", studio(), error(403, "PERMISSION_DENIED")),
    Case("refused-429", studio(), error(429, "RESOURCE_EXHAUSTED")),
    Case("refused-500", studio(), error(500, "INTERNAL")),
    Case("refused-503-streamed", studio(stream=True), error(503, "UNAVAILABLE")),
    Case("vertex-refused", vertex(), error(404, "NOT_FOUND")),
]
