"""What an upstream of Anthropic's Messages answers, and the configuration that calls it."""
import json

from .mock import Raw, json_answer, sse

USAGE = {"input_tokens": 40, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 100, "output_tokens": 55}


def model(name, *upstreams, model_name="claude-sonnet-4-6", keys=""):
    """TOML of a model that tries these upstream URLs in order (providers a0, a1, ...; a single one: a)."""
    names = ["a"] if len(upstreams) == 1 else [f"a{i}" for i in range(len(upstreams))]
    text = f"[models.{name}]\nrouting = {json.dumps(names)}\n"
    for p, url in zip(names, upstreams):
        text += (f'[models.{name}.providers.{p}]\ntype = "anthropic"\nmodel_name = "{model_name}"\napi_base = "{url}/v1/"\n'
                 + ("" if "api_key_location" in keys else 'api_key_location = "env::CLAUDE_KEY"\n') + keys + "\n")
    return text


ENV = {"CLAUDE_KEY": "sk-claude"}


def message(*content, stop="end_turn", usage=USAGE, **more):
    blocks = [{"type": "text", "text": c} if isinstance(c, str) else c for c in content]
    return {"id": "msg_up", "type": "message", "role": "assistant", "model": "claude-sonnet-4-6-2026", "content": blocks,
            "stop_reason": stop, "stop_sequence": None, "usage": usage, **more}


def answer(*content, **more):
    return json_answer(message(*content, **more), headers=[("request-id", "req_up")])


def tool_use(id, name, input):
    return {"type": "tool_use", "id": id, "name": name, "input": input}


def thinking(text, signature):
    return {"type": "thinking", "thinking": text, "signature": signature}


def event(type, **fields):
    value = {"type": type, **fields}
    return Raw(f"event: {type}\ndata: {json.dumps(value, separators=(',', ':'), ensure_ascii=False)}\n\n".encode())


def start(usage=None):
    return event("message_start", message=message(stop=None, usage=usage or {**USAGE, "output_tokens": 1}))


def block(index, *deltas, **content_block):
    """The events of one block; a delta is given as (type, field, value)."""
    return [event("content_block_start", index=index, content_block=content_block),
            *[event("content_block_delta", index=index, delta={"type": t, f: v}) for t, f, v in deltas],
            event("content_block_stop", index=index)]


def text_block(index, *pieces):
    return block(index, *[("text_delta", "text", p) for p in pieces], type="text", text="")


def thinking_block(index, *pieces, signature="c2ln"):
    deltas = [("thinking_delta", "thinking", p) for p in pieces]
    return block(index, *deltas, ("signature_delta", "signature", signature), type="thinking", thinking="", signature="")


def tool_block(index, id, name, *pieces, input=None):
    return block(index, *[("input_json_delta", "partial_json", p) for p in pieces], type="tool_use", id=id, name=name, input=input or {})


def end(stop="end_turn", usage=None, stop_message=True, **delta):
    out = [event("message_delta", delta={"stop_reason": stop, "stop_sequence": None, **delta}, usage=usage or {"output_tokens": 55})]
    return out + ([event("message_stop")] if stop_message else [])


def stream(*events, **options):
    flat = [start()]
    for e in events:
        flat += e if isinstance(e, list) else [e]
    return sse(flat, done=False, headers=[("request-id", "req_up")], **options)


def text_stream(*pieces):
    return stream(text_block(0, *pieces), end())


ERROR_TYPES = {400: "invalid_request_error", 401: "authentication_error", 402: "billing_error", 403: "permission_error",
               404: "not_found_error", 413: "request_too_large", 429: "rate_limit_error", 500: "api_error",
               504: "timeout_error", 529: "overloaded_error"}


def error(status, message="m", headers=()):
    return json_answer({"type": "error", "error": {"type": ERROR_TYPES[status], "message": message}, "request_id": "req_up"}, status,
                       headers=[("request-id", "req_up"), *headers])


def error_event(type="overloaded_error", message="Overloaded"):
    return event("error", error={"details": None, "type": type, "message": message}, request_id="req_1")
