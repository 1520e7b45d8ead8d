"""Google's generateContent, as the mock model speaks it: AI Studio's paths and Vertex's."""
import json
import re

from .files import file_of
from .turn import THOUGHT, Tool, Turn, Wrong, number, seal

FINISH = {"stop": "STOP", "length": "MAX_TOKENS", "calls": "STOP", "sequence": "STOP"}
STATUS = {400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND", 429: "RESOURCE_EXHAUSTED", 503: "UNAVAILABLE"}
BYPASS = "skip_thought_signature_validator"
FIELDS = {"contents", "tools", "toolConfig", "generationConfig", "systemInstruction", "safetySettings", "cachedContent", "labels"}
# Of a schema of OpenAPI's subset.
SCHEMA = {"type", "format", "title", "description", "nullable", "enum", "items", "properties", "required", "anyOf", "pattern", "example", "default",
          "propertyOrdering", "minimum", "maximum", "minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties"}


def either(value, *names):
    """The service takes both spellings."""
    return next((value[n] for n in names if n in value), None)


def check_schema(schema, where):
    for key in schema:
        if key not in SCHEMA:
            raise Wrong(f'Invalid JSON payload received. Unknown name "{key}" at \'{where}\': Cannot find field.')
    for name, inner in schema.get("properties", {}).items():
        check_schema(inner, f"{where}.properties.{name}")
    for inner in [schema[k] for k in ("items",) if k in schema] + schema.get("anyOf", []):
        check_schema(inner, where)


def read(body, model=""):
    for key in body:
        if key not in FIELDS:
            raise Wrong(f'Invalid JSON payload received. Unknown name "{key}": Cannot find field.')
    if not body.get("contents"):
        raise Wrong("* GenerateContentRequest.contents: contents is not specified")
    turn = Turn(model)
    turn.system = " ".join(p.get("text", "") for p in (body.get("systemInstruction") or {}).get("parts", []))
    waiting = []
    for i, content in enumerate(body["contents"]):
        waiting = read_content(content, f"contents[{i}]", turn, waiting)
    config = body.get("generationConfig") or {}
    turn.limit, turn.stops = config.get("maxOutputTokens"), config.get("stopSequences") or []
    if config.get("responseMimeType") == "application/json":
        turn.schema = either(config, "responseJsonSchema", "responseSchema")
        turn.json = turn.schema is None
        if "responseSchema" in config:
            check_schema(config["responseSchema"], "generation_config.response_schema")
    thinking = config.get("thinkingConfig") or {}
    turn.think = bool(thinking.get("includeThoughts"))
    for group in body.get("tools") or []:
        for tool in group.get("functionDeclarations", []):
            if "parameters" in tool:
                check_schema(tool["parameters"], "tools.function_declarations.parameters")
            turn.tools.append(Tool(tool["name"], either(tool, "parametersJsonSchema", "parameters") or {"type": "object"}))
    calling = (body.get("toolConfig") or {}).get("functionCallingConfig") or {}
    names = calling.get("allowedFunctionNames") or []
    turn.choice = {"none": "none", "any": names[0] if len(names) == 1 else "required"}.get(calling.get("mode", "auto").lower(), "auto")
    turn.cache = number(turn.system) if len(turn.system.split()) > 1000 else ""
    return turn


def read_content(content, where, turn, waiting):
    if content.get("role") not in ("user", "model") or not content.get("parts"):
        raise Wrong(f"{where}: a role of user or model, and parts, are needed")
    texts, calls, answers = [], [], []
    turn.files, turn.results = [], []
    for j, part in enumerate(content["parts"]):
        call, answer, data = either(part, "functionCall", "function_call"), either(part, "functionResponse", "function_response"), either(part, "inlineData", "inline_data")
        sign = part.get("thoughtSignature")
        if sign is not None and sign not in (seal(THOUGHT), BYPASS):
            raise Wrong(f"{where}.parts[{j}]: Thought signature is not valid")
        if call:
            calls.append(call["name"])
        elif answer:
            answers.append(answer["name"])
            turn.results.append(str(answer["response"].get("content", answer["response"])))
        elif data:
            turn.files.append(file_of(either(data, "mimeType", "mime_type"), data["data"], where))
        elif "text" in part and not part.get("thought"):
            texts.append(part["text"])
    if sorted(answers) != sorted(waiting):
        raise Wrong("Please ensure that the number of function response parts is equal to the number of function call parts of the function call turn.")
    turn.words.append(" ".join(texts))
    turn.prefill = " ".join(texts) if content["role"] == "model" else ""
    if content["role"] == "user" and texts:
        turn.last = " ".join(texts)
    turn.calling_turns += bool(calls)
    return calls


def parts_of(said):
    sign = {"thoughtSignature": seal(said.thought)} if said.thought else {}
    if said.thought:
        yield {"thought": True, "text": said.thought}
    for at, call in enumerate(said.calls):
        yield {"functionCall": {"name": call.tool.name, "args": json.loads(call.arguments), "id": call.id}, **(sign if at == 0 else {})}
    if said.text:
        yield {"text": said.text, **sign}


def usage_of(said):
    out = {"promptTokenCount": said.input, "candidatesTokenCount": said.output - said.reasoning, "totalTokenCount": said.input + said.output}
    return out | ({"thoughtsTokenCount": said.reasoning} if said.reasoning else {}) | ({"cachedContentTokenCount": said.cached} if said.cached else {})


def whole(body, parts, said, finish=None):
    candidate = {"content": {"role": "model", "parts": parts}, "index": 0, **({"finishReason": finish} if finish else {})}
    return {"candidates": [candidate], "usageMetadata": usage_of(said), "modelVersion": "mock-gemini", "responseId": number(body)}


def answer(body, said, now):
    return whole(body, list(parts_of(said)), said, FINISH[said.finish])


def events(body, said, now):
    """Signed parts come whole; a text in pieces, its signature with the last, empty one."""
    for part in parts_of(said):
        if "text" not in part:
            yield whole(body, [part], said)
            continue
        for piece in re.findall(r"\s*\S+", part["text"]):
            yield whole(body, [{k: v for k, v in part.items() if k == "thought"} | {"text": piece}], said)
        if "thoughtSignature" in part:
            yield whole(body, [{"text": "", "thoughtSignature": part["thoughtSignature"]}], said)
    yield whole(body, [{"text": ""}], said, FINISH[said.finish])


def error(wrong):
    return {"error": {"code": wrong.status, "message": wrong.message, "status": STATUS.get(wrong.status, "INTERNAL")}}
