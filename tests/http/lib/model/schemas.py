"""Whether a request is one that its vendor would take: the vendors' own schemas, as the package llm-comply ships them.

What the shipped schemas are older than (names that a vendor added since) is in NEWER, and nothing else is let through.
"""
import functools
import importlib.util
import json
import os

# file, schema of requests, whether names that the schema does not know are wrong
OF = {
    "chat": ("openai_chat.json", "CreateChatCompletionRequest"),
    "responses": ("openresponses.json", "CreateResponseBody"),
    "messages": ("anthropic.json", "BetaCreateMessageParams"),
    "count_tokens": ("anthropic.json", "BetaCountMessageTokensParams"),
    "embeddings": ("openai_chat.json", "CreateEmbeddingRequest"),
    "completions": ("openai_chat.json", "CreateCompletionRequest"),
}


@functools.cache
def spec(file):
    found = importlib.util.find_spec("llm_comply")
    if not found:
        raise AssertionError("the package llm-comply is not there: ./dev setup test")
    with open(os.path.join(os.path.dirname(found.origin), "specs", file)) as f:
        value = json.load(f)
    nullable(value.get("components", {}))
    return value


def nullable(value):
    """OpenAPI 3.0's `nullable` in the words of JSON Schema."""
    for inner in list(value.values() if isinstance(value, dict) else value):
        if isinstance(inner, (dict, list)):
            nullable(inner)
    if isinstance(value, dict) and value.pop("nullable", None) is True:
        kind = value.get("type")
        if isinstance(kind, str):
            value["type"] = [kind, "null"]
        for choice in ("oneOf", "anyOf"):
            if choice in value:
                value[choice] = [*value[choice], {"type": "null"}]
        if "enum" in value and None not in value["enum"]:
            value["enum"].append(None)


def known(schema, whole):
    """The names of an object's schema."""
    if "$ref" in schema:
        schema = whole["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
    names = set(schema.get("properties", {}))
    for part in schema.get("allOf", []):
        names |= known(part, whole)
    return names


@functools.cache
def validator(kind):
    import warnings
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        from jsonschema import Draft202012Validator, RefResolver
        file, name = OF[kind]
        whole = spec(file)
        return Draft202012Validator({"$ref": f"#/components/schemas/{name}"}, resolver=RefResolver("", whole)), known({"$ref": "/" + name}, whole)


# Names that the vendor has and the shipped schema has not yet.
NEWER = {
    "chat": {"verbosity", "prompt_cache_key", "safety_identifier", "prompt_cache_retention", "prompt_cache_options", "moderation"},
    "responses": {"conversation", "context_management", "prompt", "prompt_cache_retention", "user", "client_metadata", "moderation"},
    "messages": {"compaction", "user_profile_id"},
    "count_tokens": {"compaction", "user_profile_id"},
}


def complaints(kind, body):
    """What the vendor's schema says against a request; []: nothing."""
    if kind not in OF:
        return []
    judge, names = validator(kind)
    newer = NEWER.get(kind, set())
    judged = {k: v for k, v in body.items() if k not in newer}
    if kind == "responses":
        judged = without_newer_types(judged)
    if kind == "chat":
        judged = without_custom(judged)
    return [shortest(e) for e in judge.iter_errors(judged)] + [f"{k}: no name of the schema" for k in body if k not in names and k not in newer]


def answer_complaints(file, name, value):
    """What the schema `name` of a vendor says against an answer, or a part of one."""
    import warnings
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        from jsonschema import Draft202012Validator, RefResolver
        judge = Draft202012Validator({"$ref": f"#/components/schemas/{name}"}, resolver=RefResolver("", spec(file)))
        return [shortest(e) for e in judge.iter_errors(value)]


# Of Responses, whose shipped schema is that of Open Responses: the types that it knows. Clients of OpenAI bring others.
ITEMS = {None, "message", "function_call", "function_call_output", "reasoning", "item_reference"}


def without_newer_types(body):
    out = dict(body)
    if isinstance(body.get("input"), list):
        out["input"] = [{"type": "message", **i} for i in body["input"] if i.get("type") in ITEMS]  # OpenAI takes it without the type
    if isinstance(body.get("tools"), list):
        out["tools"] = [t for t in body["tools"] if t.get("type") == "function"]
    return out


def without_custom(body):
    """The shipped schema of chat completions has no custom tools, which the API has."""
    out = dict(body)
    if isinstance(body.get("tools"), list):
        out["tools"] = [t for t in body["tools"] if t.get("type") != "custom"]
    if isinstance(body.get("messages"), list):
        out["messages"] = [{**m, "tool_calls": [c for c in m["tool_calls"] if c.get("type") != "custom"]} if m.get("tool_calls") else m for m in body["messages"]]
    return out


def shortest(problem):
    """Of a choice of schemas none fits: what the nearest one says."""
    while problem.context:
        problem = min(problem.context, key=lambda e: (-len(e.absolute_path), len(e.message)))
    at = ".".join(map(str, problem.absolute_path))
    return f"{at}: {problem.message[:300]}"
