"""Provider type anthropic behind /openai/v1: equal but for what providers-others §12 and its rows marked F list."""
from cases_request import CALL, PDF, PNG, WEATHER, after_call, asks, body, image, text, user
from compare import Case, answer as answered, plain_numbers, upstream
from lib import claude
from lib.claude import answer, end, event, stream, text_block, text_stream, thinking, thinking_block, tool_block, tool_use
from lib.mock import answer as bytes_answer


def ask(*messages, **more):
    return body(*messages, model="claude", **more)


def case(name, request, *up, **more):
    return Case("anthropic-" + name, request, list(up) or [answer("Hello!")], **more)


PARAMS = {"tensorzero::params": {"chat_completion": {"thinking_budget_tokens": 2048}}}
CASES = [
    case("plain", ask()),
    case("system-and-developer", ask({"role": "system", "content": "Be brief."}, {"role": "developer", "content": "Really."}, user("Hi"))),
    case("parameters", ask(max_tokens=99, temperature=0.5, top_p=0.25, stop=["END", "\n\nHuman"]), signet=upstream(',"\\n\\nHuman"]', ',"\\n\\nHuman"]')),
    case("seed-and-penalties", ask(seed=7, presence_penalty=0.5, frequency_penalty=0.5)),
    case("tier-auto", ask(service_tier="auto")),
    case("tier-priority", ask(service_tier="priority")),
    case("tier-default", ask(service_tier="default")),
    case("tools", ask(tools=[WEATHER])),
    case("tools-required", ask(tools=[WEATHER], tool_choice="required")),
    case("tools-named", ask(tools=[WEATHER], tool_choice={"type": "function", "function": {"name": "get_weather"}})),
    case("tools-none", ask(tools=[WEATHER], tool_choice="none")),
    case("tools-not-parallel", ask(tools=[WEATHER], parallel_tool_calls=False)),
    case("after-a-call", {**after_call("3 C", tools=[WEATHER]), "model": "tensorzero::model_name::claude"}),
    case("image", {**asks(text("What?"), image("data:image/png;base64," + PNG)), "model": "tensorzero::model_name::claude"}),
    case("effort", ask(reasoning_effort="low")),
    case("budget", ask(max_tokens=4096, **PARAMS)),
    case("json-object", ask(response_format={"type": "json_object"})),
    case("json-schema", ask(response_format={"type": "json_schema", "json_schema": {"name": "n", "strict": True, "schema": {
        "type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"], "additionalProperties": False}}})),
    case("custom-tool", ask(tools=[{"type": "custom", "custom": {"name": "c"}}])),
    case("arguments-no-object", {**body(user("?"), {"role": "assistant", "tool_calls": [{**CALL, "function": {"name": "x", "arguments": "[1]"}}]}),
                                 "model": "tensorzero::model_name::claude"}),
    case("no-messages", ask(messages=[])),
    case("answer-tools", ask(tools=[WEATHER]), answer("So", tool_use("t1", "get_weather", {"city": "Oslo"}), stop="tool_use")),
    case("answer-thinking", ask(), answer(thinking("hm", "sig"), {"type": "redacted_thinking", "data": "R"}, "Hi")),
    case("answer-length", ask(), answer("x", stop="max_tokens")),
    case("answer-stop-sequence", ask(), answer("x", stop="stop_sequence")),
    case("answer-no-usage", ask(), answer("x", usage={"input_tokens": 3, "output_tokens": 4})),
    case("answer-server-tool", ask(), answer({"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"q": 1}}, "x")),
    case("stream", ask(stream=True), text_stream("Hel", "lo!")),
    case("stream-usage", ask(stream=True, stream_options={"include_usage": True}), text_stream("Hel", "lo!")),
    case("stream-thinking", ask(stream=True), stream(thinking_block(0, "hm", " so"), text_block(1, "Hi"), end()),
         signet=answered('"signature":""', '"signature":null'), why="an empty signature is none (§2.9)"),
    case("stream-tools", ask(stream=True, tools=[WEATHER]), stream(tool_block(0, "t1", "get_weather", "", '{"city":', '"Oslo"}'),
                                                                  tool_block(1, "t2", "get_weather", '{"city":"Rome"}'), end("tool_use"))),
    case("stream-ping", ask(stream=True), stream(event("ping"), text_block(0, "a"), event("ping"), end())),
    *[case(f"error-{s}", ask(), claude.error(s, "no")) for s in (400, 401, 403, 404, 413, 429, 500, 529)],
    *[case(f"stream-error-{s}", ask(stream=True), claude.error(s, "no")) for s in (400, 429, 529)],
    case("error-no-json", ask(), bytes_answer("<html>", 502)),
    case("answer-no-json", ask(), bytes_answer("nothing")),
    case("proxy-no-length", body(model="claude-proxy", **{"tensorzero::credentials": {"my_key": "sk-d"}}),
         signet=answered("The TensorZero Gateway doesn't know", "Signet doesn't know"), why="its own name (§2.2)"),
    case("proxy", body(model="claude-proxy", max_tokens=5, **{"tensorzero::credentials": {"my_key": "sk-d"}})),
    case("proxy-no-key", body(model="claude-proxy", max_tokens=5)),
]
