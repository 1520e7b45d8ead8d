"""Each type of the OpenAI family: the same requests and answers of a provider, row by row.

TensorZero calls these vendors at their own addresses: it is led to the mock by a proxy (types_peers.py). A row of TYPES is
a type; ASKED and SAID are what every one of them is asked and told. Where Signet is meant to differ, DIFFERENT says how
(providers-openai §7.3).
"""
import re

from compare import Case, answer, upstream
from cases_request import CALL, PNG, SCHEMA, TIME, WEATHER, after_call, body, image, text, user
from lib.mock import chat_answer, chunk, error, json_answer, sse, text_chunks, tool_call, usage_chunk

# type -> its keys in TOML; where its address is: the path that TensorZero calls, or None where the table says it
TYPES = {
    "azure": ('deployment_id = "dep/loyment"\nendpoint = "http://HOST/az?q=1"', None),
    "deepseek": ('model_name = "mock-model"', "/v1/"),
    "fireworks": ('model_name = "mock-model"', "/inference/v1/"),
    "groq": ('model_name = "mock-model"', "/openai/v1/"),
    "hyperbolic": ('model_name = "mock-model"', "/v1/"),
    "mistral": ('model_name = "mock-model"', "/v1/"),
    "openrouter": ('model_name = "mock-model"', "/api/v1/"),
    "sglang": ('model_name = "mock-model"\napi_base = "http://HOST/s/"', None),
    "tgi": ('api_base = "http://HOST/t/"', None),
    "together": ('model_name = "mock-model"', "/v1/"),
    "vllm": ('model_name = "mock-model"\napi_base = "http://HOST/v/"', None),
    "xai": ('model_name = "mock-model"', "/v1/"),
}
# further providers of a type: name -> (type, keys, path)
VARIANTS = {
    "deepseek-reasoner": ("deepseek", 'model_name = "deepseek-reasoner"', "/v1/"),
    "groq-format": ("groq", 'model_name = "mock-model"\nreasoning_format = "parsed"', "/openai/v1/"),
    "groq-o1-mini": ("groq", 'model_name = "o1-mini-x"', "/openai/v1/"),
    "mistral-mode": ("mistral", 'model_name = "mock-model"\nprompt_mode = "reasoning"', "/v1/"),
    "openrouter-o1": ("openrouter", 'model_name = "o1-mini"', "/api/v1/"),
}


def toml(signet, host):
    """The models of all rows. `signet`: with an address where the type has its own at TensorZero."""
    out = ""
    rows = {name: (name, *row) for name, row in TYPES.items()}
    for name, (kind, keys, path) in {**rows, **VARIANTS}.items():
        out += f'[models."{name}"]\nrouting = ["p"]\n[models."{name}".providers.p]\ntype = "{kind}"\n{keys}\napi_key_location = "env::COMPAT_KEY"\n'.replace("HOST", host)
        if signet and path:
            out += f'api_base = "http://{host}{path}"\n'
    for kind in ("azure", "openrouter"):
        keys, path = TYPES[kind]
        base = f'api_base = "http://{host}{path}"\n' if signet and path else ""
        out += EMBEDDING.format(name=kind, kind=kind, keys=keys.replace("HOST", host) + "\n" + base)
    openai = f'model_name = "mock-model"\napi_base = "http://{host}/o/"\n'
    return out + EMBEDDING.format(name="openai", kind="openai", keys=openai)


EMBEDDING = """[embedding_models.{name}]
routing = ["p"]
[embedding_models.{name}.providers.p]
type = "{kind}"
{keys}api_key_location = "env::COMPAT_KEY"
"""
VECTORS = {"object": "list", "data": [{"object": "embedding", "index": 0, "embedding": [0.5, -1.25]}], "model": "m",
           "usage": {"prompt_tokens": 5, "total_tokens": 5}}
TWO = {**VECTORS, "data": [{"object": "embedding", "index": i, "embedding": [0.5]} for i in range(2)]}
EMBEDDED = {
    "plain": ({}, VECTORS), "dimensions": ({"dimensions": 2}, VECTORS), "several": ({"input": ["a", "b"]}, TWO),
    "tokens": ({"input": [1, 2]}, VECTORS), "token-lists": ({"input": [[1], [2, 3]]}, TWO),
    "base64": ({"encoding_format": "base64"}, {**VECTORS, "data": [{"object": "embedding", "index": 0, "embedding": "AAAAPw=="}]}),
    "numbers-for-base64": ({"encoding_format": "base64"}, VECTORS), "unknown-field": ({"odd": 1, "user": "u"}, VECTORS),
    "raw": ({"tensorzero::include_raw_response": True}, VECTORS), "null": ({"dimensions": None}, VECTORS),
    "no-usage": ({}, {k: v for k, v in VECTORS.items() if k != "usage"}), "out-of-order": ({"input": ["a", "b"]}, {**TWO, "data": TWO["data"][::-1]}),
    "too-few": ({"input": ["a", "b"]}, VECTORS), "no-vectors": ({}, {}), "empty": ({"input": []}, VECTORS),
    "input-number": ({"input": 5}, VECTORS), "input-mixed": ({"input": ["a", 1]}, VECTORS), "input-null": ({"input": None}, VECTORS),
    "format-unknown": ({"encoding_format": "hex"}, VECTORS), "dimensions-text": ({"dimensions": "2"}, VECTORS), "no-model": ({"model": None}, VECTORS),
    "400": ({}, 400), "500": ({}, 500),
}


def named(name, **function):
    return {"type": "function", "function": {"name": name, **function}}


TOOLS = {"tools": [WEATHER, TIME]}
JSON_SCHEMA = {"response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA}}}
THOUGHT = {"type": "thought", "text": "Let me think."}


def thinking(kind, **more):
    """A turn whose assistant message has a thought of the type."""
    extra = [{**THOUGHT, "insert_index": 0, "provider_type": kind, **more}]
    return [user("a"), {"role": "assistant", "content": "b", "tensorzero_extra_content": extra}, user("c")]


# what a client asks: name -> messages (a function of the type's name) and further fields
ASKED = {
    "plain": {},
    "system": {"messages": [{"role": "system", "content": "Be brief."}, user("Hi")]},
    "turns": {"messages": [user("a"), {"role": "assistant", "content": "b"}, user("c"), user("d")]},
    "assistant-empty": {"messages": [user("a"), {"role": "assistant"}, user("c")]},
    "parameters": {"temperature": 0.5, "top_p": 0.25, "presence_penalty": 0.5, "frequency_penalty": 0.25, "max_tokens": 64, "seed": 7, "stop": ["END"]},
    "effort": {"reasoning_effort": "low"},
    "verbosity": {"verbosity": "low"},
    "thinking-budget": {"tensorzero::params": {"chat_completion": {"thinking_budget_tokens": 100}}},
    "effort-and-budget": {"reasoning_effort": "low", "tensorzero::params": {"chat_completion": {"thinking_budget_tokens": 100}}},
    "tier-auto": {"service_tier": "auto"}, "tier-default": {"service_tier": "default"},
    "tier-flex": {"service_tier": "flex"}, "tier-priority": {"service_tier": "priority"},
    "image": {"messages": [user([text("see"), image("data:image/png;base64," + PNG, detail="low")])]},
    "image-url": {"messages": [user([image("https://x.example/a.png", detail="high")])]},
    "tools": TOOLS,
    "tools-strict": {"tools": [named("f", parameters={"type": "object"}, strict=True)]},
    "tools-none": {**TOOLS, "tool_choice": "none"},
    "tools-required": {**TOOLS, "tool_choice": "required"},
    "tools-one": {**TOOLS, "tool_choice": named("get_time")},
    "tools-parallel": {**TOOLS, "parallel_tool_calls": False},
    "tools-allowed": {**TOOLS, "tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [named("get_time")]}}},
    "tools-custom": {"tools": [{"type": "custom", "custom": {"name": "sql"}}]},
    "after-call": after_call("4 degrees"),
    "text-before-result": {"messages": [user("Weather?"), {"role": "assistant", "content": "Looking.", "tool_calls": [CALL]},
                                        {"role": "tool", "tool_call_id": "call_A1", "content": "4"}, user("And now?")]},
    "json": {"response_format": {"type": "json_object"}},
    "json-system": {"messages": [{"role": "system", "content": "Be brief."}, user("Hi")], "response_format": {"type": "json_object"}},
    "json-said": {"messages": [user("json please")], "response_format": {"type": "json_object"}},
    "json-schema": JSON_SCHEMA,
    "json-schema-none": {"response_format": {"type": "json_schema", "json_schema": {"name": "n"}}},
    "text-format": {"response_format": {"type": "text"}},
    "thought": {"messages": thinking},
    "thought-unscoped": {"messages": lambda kind: thinking(None)},
    "thought-foreign": {"messages": lambda kind: thinking("anthropic")},
    "dynamic-nothing": {"tensorzero::credentials": {"x": "y"}},
}

USAGE = {"prompt_tokens": 32, "completion_tokens": 9, "total_tokens": 135, "prompt_tokens_details": {"cached_tokens": 8},
         "completion_tokens_details": {"reasoning_tokens": 94}, "prompt_cache_hit_tokens": 5, "prompt_cache_miss_tokens": 27}
CALLS = [tool_call("call_1", "get_weather", '{"city":"Oslo"}'), tool_call("call_2", "get_time", "{}")]
DETAILS = [{"type": "reasoning.text", "text": "Hm.", "signature": "sig", "format": "f1", "index": 0},
           {"type": "reasoning.summary", "summary": "Sum.", "format": "f1", "index": 1},
           {"type": "reasoning.encrypted", "data": "enc", "format": "f1", "index": 2}]


def calls_stream():
    return [chunk({"role": "assistant", "content": None}),
            chunk({"tool_calls": [{"index": 0, "id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": ""}}]}),
            chunk({"tool_calls": [{"index": 0, "function": {"arguments": '{"city":'}}]}),
            chunk({"tool_calls": [{"index": 0, "function": {"arguments": '"Oslo"}'}}]}),
            chunk({}, "tool_calls"), usage_chunk()]


# what the provider says: name -> (its answer, whether it is asked for a stream)
SAID = {
    "usage": (json_answer(chat_answer(usage=USAGE)), False),
    "usage-none": (json_answer(chat_answer(usage=...)), False),
    "calls": (json_answer(chat_answer(None, message={"tool_calls": CALLS}, finish_reason="tool_calls")), False),
    "reasoning": (json_answer(chat_answer(message={"reasoning": "Hm."})), False),
    "reasoning-content": (json_answer(chat_answer(message={"reasoning_content": "Hm."})), False),
    "details": (json_answer(chat_answer(message={"reasoning_details": DETAILS})), False),
    "tags": (json_answer(chat_answer("<think>Hm.</think>Yes.")), False),
    "tags-before": (json_answer(chat_answer("A<think>Hm.</think>B")), False),
    "empty": (json_answer(chat_answer("")), False),
    "finish-eos": (json_answer(chat_answer(finish_reason="eos")), False),
    "finish-length": (json_answer(chat_answer(finish_reason="length")), False),
    "no-json": (json_answer("oops"), False),
    "400": (error(400, "bad"), False), "401": (error(401, "who"), False), "404": (error(404, "what"), False), "422": (error(422, "odd"), False),
    "429": (error(429, "slow"), False), "500": (error(500, "broken", headers=[("x-request-id", "up-1")]), False),
    "stream": (sse(text_chunks()), True),
    "stream-usage": (sse([*text_chunks(usage=False), chunk(choices=[], usage=USAGE)]), True),
    "stream-last-usage": (sse([chunk({"role": "assistant", "content": "Hi"}), chunk({}, "stop", usage=USAGE)]), True),
    "stream-calls": (sse(calls_stream()), True),
    "stream-reasoning": (sse([chunk({"role": "assistant", "reasoning": "Hm."}), chunk({"content": "Hi"}), chunk({}, "stop"), usage_chunk()]), True),
    "stream-reasoning-content": (sse([chunk({"role": "assistant", "reasoning_content": "Hm."}), chunk({"content": "Hi"}), chunk({}, "stop"), usage_chunk()]), True),
    "stream-details": (sse([*[chunk({"role": "assistant", "content": "", "reasoning_details": [d]}) for d in DETAILS], chunk({"content": "Hi"}), chunk({}, "stop"), usage_chunk()]), True),
    "stream-400": (error(400, "bad"), True), "stream-500": (error(500, "broken"), True),
}

# mistral's own forms
SAID_BY = {
    "mistral": {
        "parts": (json_answer(chat_answer([{"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]}, {"type": "text", "text": "Yes."}])), False),
        "stream-parts": (sse([chunk({"role": "assistant", "content": [{"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]}]}),
                              chunk({"content": "Yes."}), chunk({}, "stop"), usage_chunk()]), True),
        "finish-model-length": (json_answer(chat_answer(finish_reason="model_length")), False),
    },
    "fireworks": {
        "cached-header": (json_answer(chat_answer(usage=USAGE), headers=[("fireworks-cached-prompt-tokens", "3")]), False),
    },
    "tgi": {
        "object-arguments": (json_answer(chat_answer(None, message={"tool_calls": [{"id": "0", "type": "function", "function": {"name": "get_weather", "arguments": {"city": "Oslo"}}}]}, finish_reason="stop_sequence")), False),
    },
}
ASKED_OF_VARIANTS = ("plain", "system", "turns", "parameters", "tools-parallel", "json", "json-system", "thought", "after-call", "text-before-result")

# Where Signet means to do otherwise (its own record is golden/types_signet.json): what a case's name matches -> why.
DIFFERENT = {
    r"azure-tools-required": "§7.3: Azure knows `required`",
    r"(azure|mistral|mistral-mode)-tools-parallel": "§7.3: a setting has its effect",
    r"deepseek-(effort|effort-and-budget)": "§7.3: the same",
    r".*-tools-custom": "a request with custom tools alone loses them in silence there",
    r".*-json-schema-none": "§7.3: the hint whenever json_object is sent",
    r"deepseek-json-schema": "§7.3: the same",
    r"(mistral|mistral-mode|vllm)-json.*": "§7.3: the same; guided_json is gone from vLLM",
    r"(mistral|mistral-mode)-(after-call|text-before-result)": "§3.8: ids that the API takes",
    r"mistral-(thought|thought-unscoped)": "§3.8: the API refuses reasoning_content",
    r"mistral-stream-calls": "§3.8: fragments of a call are put together",
    r".*-usage-none": "an answer without usage is an answer",
    r"(fireworks|tgi)-(usage|cached-header|stream-usage)": "cached tokens also where the body tells them",
    r".*-(stream-)?reasoning(-content)?": "§3.5, §7.3: a thought under either name, of its own type",
    r".*-no-json": "the name of a struct in TensorZero's code",
    r"(together|fireworks|sglang)-stream-(400|500)": "§2.12: what the provider said stands in the error",
    r"tgi-stream-calls": "§7.3: tools in streams",
    r"tgi-stream(-.*)?": "one name for its one model; TensorZero has it in capitals in streams",
    r"tgi-calls": "§3.5: arguments that are a text stay the text",
    r"embed-openrouter-.*": "§3.1: the gateway's own name in a header; §5: `dimensions` go out",
    r"embed-.*-numbers-for-base64": "§5: a vector comes as it was asked for",
    r"embed-azure-no-usage": "§5: an answer without usage is an answer",
    r"embed-.*-too-few": "§5: as many vectors as inputs, or an error",
    r"embed-.*-no-vectors": "where the member is missing is not said",
    r"embed-list": "serde reads a list as the members of a struct",
    r"openrouter.*": "§3.1: the gateway's own name in a header; §3.6: what is encrypted is a thought of its own",
}


def asked(kind, model, fields):
    messages = fields.get("messages", [user("Hi")])
    if callable(messages):
        messages = messages(kind)
    more = {k: v for k, v in fields.items() if k not in ("messages", "model")}
    return body(*messages, model=model, **more)


def first_match(table, name):
    return next((why for pattern, why in table.items() if re.fullmatch(pattern, name)), None)


def why_different(name):
    return first_match(DIFFERENT, name)


def cases():
    for kind in TYPES:
        for name, fields in ASKED.items():
            yield Case(f"{kind}-{name}", asked(kind, kind, fields))
        for name, (said, stream) in {**SAID, **SAID_BY.get(kind, {})}.items():
            fields = dict(TOOLS) if "calls" in name or "arguments" in name else {}
            if stream:
                fields.update(stream=True, stream_options={"include_usage": True})
            yield Case(f"{kind}-{name}", asked(kind, kind, fields), [said])
    for model, (kind, _, _) in VARIANTS.items():
        for name in ASKED_OF_VARIANTS:
            yield Case(f"{model}-{name}", asked(kind, model, ASKED[name]))
    for kind in ("azure", "openai", "openrouter"):
        for name, (fields, said) in EMBEDDED.items():
            up = error(said, "no") if isinstance(said, int) else json_answer(said)
            ask = {"model": "tensorzero::embedding_model_name::" + kind, "input": "Hi", **fields}
            yield Case(f"embed-{kind}-{name}", ask, [up], path="/openai/v1/embeddings")
    yield Case("embed-unknown", {"model": "nothing", "input": "Hi"}, path="/openai/v1/embeddings")
    yield Case("embed-without-model", {"input": "Hi"}, path="/openai/v1/embeddings")
    yield Case("embed-without-input", {"model": "openai"}, path="/openai/v1/embeddings")
    yield Case("embed-list", "[]", path="/openai/v1/embeddings")
    yield Case("embed-no-json", "{", path="/openai/v1/embeddings")


CASES = list(cases())
