"""Anthropic's Messages, as the mock model speaks them."""
import json
import re

from .files import file_of
from .turn import THOUGHT, Tool, Turn, Wrong, number, seal

FINISH = {"stop": "end_turn", "length": "max_tokens", "calls": "tool_use", "sequence": "stop_sequence"}
KINDS = {400: "invalid_request_error", 401: "authentication_error", 402: "billing_error", 403: "permission_error", 404: "not_found_error",
         413: "request_too_large", 429: "rate_limit_error", 504: "timeout_error", 529: "overloaded_error"}
# What the vendor runs or defines itself; the model of this mock calls them with an instance of these.
OWN_TOOLS = {"bash": {"command": {"type": "string"}}, "text_editor": {"command": {"const": "view"}, "path": {"type": "string"}},
             "memory": {"command": {"const": "view"}, "path": {"type": "string"}}}


def blocks_of(content, where):
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    if not isinstance(content, list):
        raise Wrong(f"{where}: Input should be a valid list")
    return content


def file_in(block, where):
    source = block.get("source") or {}
    if source.get("type") == "base64":
        return [file_of(source["media_type"], source["data"], where)]
    if source.get("type") == "url":
        return [("url", source["url"])]
    return [("text/plain", len(source.get("data", "")))] if source.get("type") == "text" else []


def marks_of(value):
    """Whether the client marked something for caching."""
    if isinstance(value, dict):
        return value.get("cache_control") is not None or any(marks_of(v) for v in value.values())
    return isinstance(value, list) and any(marks_of(v) for v in value)


def read(body, counts=False):
    if not isinstance(body.get("model"), str) or not body["model"]:
        raise Wrong("model: Field required")
    if not counts and "max_tokens" not in body:
        raise Wrong("max_tokens: Field required")
    if not isinstance(body.get("messages"), list):
        raise Wrong("messages: Input should be a valid list")
    if not body["messages"]:
        raise Wrong("messages: at least one message is required")
    for name, high in (("temperature", 1), ("top_p", 1)):
        if body.get(name) is not None and not 0 <= body[name] <= high:
            raise Wrong(f"{name}: range: 0..1")
    system = body.get("system") or ""
    turn = Turn(body["model"], stream=bool(body.get("stream")), limit=body.get("max_tokens"))
    turn.system = system if isinstance(system, str) else "\n".join(b["text"] for b in system)
    waiting = []
    for i, message in enumerate(body["messages"]):
        waiting = read_message(message, f"messages.{i}", turn, waiting)
    if waiting:
        raise Wrong(f"messages: `tool_use` ids were found without `tool_result` blocks immediately after: {', '.join(waiting)}")
    read_tools(body, turn)
    form = (body.get("output_config") or {}).get("format") or body.get("output_format") or {}
    turn.schema = form.get("schema") if form.get("type") == "json_schema" else None
    turn.stops = body.get("stop_sequences") or []
    turn.think = (body.get("thinking") or {}).get("type") in ("enabled", "adaptive", "between_tools")
    turn.cache = number(turn.system, turn.last) if marks_of(body) else ""
    return turn


def read_tools(body, turn):
    for i, tool in enumerate(body.get("tools") or []):
        kind = re.sub(r"_\d{8}$", "", tool.get("type") or "custom")
        if kind == "custom":
            if (tool.get("input_schema") or {}).get("type") != "object":
                raise Wrong(f"tools.{i}.custom.input_schema.type: Field required")
            turn.tools.append(Tool(tool["name"], tool["input_schema"]))
        elif kind in OWN_TOOLS:
            turn.tools.append(Tool(tool["name"], {"type": "object", "properties": OWN_TOOLS[kind]}))
    choice = body.get("tool_choice") or {"type": "auto"}
    if choice["type"] in ("any", "tool") and turn.think:
        raise Wrong("Thinking may not be enabled when tool_choice forces tool use.")
    turn.choice = {"any": "required", "tool": choice.get("name")}.get(choice["type"], choice["type"])
    turn.parallel = not choice.get("disable_parallel_tool_use")
    names = [t.name for t in turn.tools]
    if len(set(names)) != len(names):
        raise Wrong("tools: Tool names must be unique.")


def read_message(message, where, turn, waiting):
    """The ids of the calls whose results the next message must bring."""
    role, blocks = message.get("role"), blocks_of(message.get("content"), where + ".content")
    if role not in ("user", "assistant", "system"):
        raise Wrong(f"{where}.role: Input should be 'user', 'assistant' or 'system'")
    text = " ".join(b["text"] for b in blocks if b["type"] == "text")
    turn.words.append(text)
    if role == "system":
        return waiting
    if any(b["type"] == "text" and not b["text"].strip() for b in blocks):
        raise Wrong(f"{where}: text content blocks must contain non-whitespace text")
    results = [b for b in blocks if b["type"] == "tool_result"]
    answered = [b.get("tool_use_id") for b in results]
    if sorted(answered) != sorted(waiting):
        raise Wrong(f"{where}: `tool_use` ids were found without `tool_result` blocks immediately after: {waiting} got {answered}")
    turn.prefill = text if role == "assistant" else ""
    turn.files, turn.results = [], []
    if role == "assistant":
        return read_assistant(blocks, where, turn)
    for j, block in enumerate(blocks):
        turn.files += file_in(block, f"{where}.content.{j}")
    for result in results:
        inner = blocks_of(result.get("content") or [], where)
        turn.results.append(" ".join(b["text"] for b in inner if b["type"] == "text"))
        for block in inner:
            turn.files += file_in(block, where)
    if text:
        turn.last = text
    return []


def read_assistant(blocks, where, turn):
    for j, block in enumerate(blocks):
        if block["type"] == "thinking" and block.get("signature") != seal(block["thinking"] or THOUGHT):
            raise Wrong(f"{where}.content.{j}: Invalid `signature` in `thinking` block")
        if block["type"] == "tool_use" and not re.fullmatch(r"[a-zA-Z0-9_-]+", block["id"]):
            raise Wrong(f"{where}.content.{j}.tool_use.id: String should match pattern '^[a-zA-Z0-9_-]+$'")
    ids = [b["id"] for b in blocks if b["type"] == "tool_use"]
    turn.calling_turns += bool(ids)
    if len(set(ids)) != len(ids):
        raise Wrong(f"{where}: `tool_use` ids must be unique")
    return ids


def usage_of(said):
    return {"input_tokens": said.input - said.cached - said.written, "cache_creation_input_tokens": said.written, "cache_read_input_tokens": said.cached,
            "cache_creation": {"ephemeral_5m_input_tokens": said.written, "ephemeral_1h_input_tokens": 0}, "output_tokens": said.output,
            "service_tier": "standard", "server_tool_use": None, "inference_geo": None, "output_tokens_details": None}


def blocks_for(body, said):
    if said.thought:
        hidden = (body.get("thinking") or {}).get("display") == "omitted"
        yield {"type": "thinking", "thinking": "" if hidden else said.thought, "signature": seal(said.thought)}
    if said.text:
        yield {"type": "text", "text": said.text, "citations": []}
    for call in said.calls:
        yield {"type": "tool_use", "id": "toolu_" + call.id[5:], "name": call.tool.name, "input": json.loads(call.arguments), "caller": {"type": "direct"}}


def answer(body, said, now):
    return {"id": "msg_" + number(body), "type": "message", "role": "assistant", "model": body["model"], "content": list(blocks_for(body, said)),
            "stop_reason": FINISH[said.finish], "stop_sequence": said.sequence, "stop_details": None, "container": None, "usage": usage_of(said)}


def events(body, said, now):
    whole = answer(body, said, now)
    yield {"type": "message_start", "message": {**whole, "content": [], "stop_reason": None, "stop_sequence": None, "usage": {**whole["usage"], "output_tokens": 1}}}
    yield {"type": "ping"}
    for at, block in enumerate(whole["content"]):
        yield {"type": "content_block_start", "index": at, "content_block": begin_of(block)}
        for delta in deltas_of(block, said):
            yield {"type": "content_block_delta", "index": at, "delta": delta}
        yield {"type": "content_block_stop", "index": at}
    usage = {k: whole["usage"][k] for k in ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens", "output_tokens")}
    yield {"type": "message_delta", "delta": {"stop_reason": whole["stop_reason"], "stop_sequence": whole["stop_sequence"], "stop_details": None,
                                              "container": None}, "usage": {**usage, "server_tool_use": None, "output_tokens_details": None}}
    yield {"type": "message_stop"}


def begin_of(block):
    return {"text": {**block, "text": ""}, "thinking": {**block, "thinking": "", "signature": ""}, "tool_use": {**block, "input": {}}}[block["type"]]


def deltas_of(block, said):
    if block["type"] == "text":
        for piece in said.pieces():
            yield {"type": "text_delta", "text": piece}
    elif block["type"] == "thinking":
        for piece in re.findall(r"\s*\S+", block["thinking"]):
            yield {"type": "thinking_delta", "thinking": piece}
        yield {"type": "signature_delta", "signature": block["signature"]}
    else:
        yield {"type": "input_json_delta", "partial_json": ""}
        for piece in re.findall(r"(?s).{1,7}", json.dumps(block["input"])):
            yield {"type": "input_json_delta", "partial_json": piece}


def error(wrong):
    kind = KINDS.get(wrong.status, "api_error" if wrong.status >= 500 else "invalid_request_error")
    return {"type": "error", "error": {"type": kind, "message": wrong.message}, "request_id": "req_mock"}


def bytes_of(event):
    return f"event: {event['type']}\ndata: {json.dumps(event, separators=(',', ':'))}\n\n".encode()
