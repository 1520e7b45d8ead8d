"""OpenAI's chat completions, as the mock model speaks them."""
import re

from .files import file_of, url_of
from .turn import Tool, Turn, Wrong, long_enough, number

ROLES = ("system", "developer", "user", "assistant", "tool", "function")
RANGES = (("temperature", 0, 2), ("top_p", 0, 1), ("presence_penalty", -2, 2), ("frequency_penalty", -2, 2), ("n", 1, 128),
          ("top_logprobs", 0, 20), ("max_tokens", 1, 2**31), ("max_completion_tokens", 1, 2**31))
FINISH = {"stop": "stop", "length": "length", "calls": "tool_calls", "sequence": "stop"}


def text_of(content):
    if isinstance(content, str):
        return content
    return " ".join(p.get("text") or "" for p in content or [] if isinstance(p, dict))


def in_range(body, ranges):
    for name, low, high in ranges:
        value = body.get(name)
        if value is not None and (isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high):
            raise Wrong(f"Invalid '{name}': expected a value from {low} to {high}.", name)


def files_of(content, where):
    for i, part in enumerate(content if isinstance(content, list) else []):
        at = f"{where}.content[{i}]"
        if part.get("type") == "image_url":
            yield url_of(part["image_url"].get("url"), at + ".image_url.url")
        elif part.get("type") == "file" and "file_data" in part["file"]:
            yield url_of(part["file"]["file_data"], at + ".file.file_data")
        elif part.get("type") == "input_audio":
            yield file_of("audio/" + part["input_audio"]["format"], part["input_audio"]["data"], at)


def read(body):
    if not isinstance(body.get("model"), str) or not body["model"]:
        raise Wrong("you must provide a model parameter", "model")
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise Wrong("Invalid 'messages': empty array.", "messages")
    in_range(body, RANGES)
    turn = Turn(body["model"], stream=bool(body.get("stream")))
    waiting = []  # ids of calls whose results must come next
    for i, message in enumerate(messages):
        where = f"messages[{i}]"
        if not isinstance(message, dict) or message.get("role") not in ROLES:
            raise Wrong(f"Invalid value for '{where}.role'.", where + ".role")
        role, text = message["role"], text_of(message.get("content"))
        if role == "tool":
            if message.get("tool_call_id") not in waiting:
                raise Wrong(f"'{where}.tool_call_id' has no tool call before it.", where + ".tool_call_id")
            waiting.remove(message["tool_call_id"])
            turn.results.append(text)
            continue
        if waiting:
            raise Wrong(f"An assistant message with 'tool_calls' must be followed by tool messages: {waiting} have none.", where)
        if role in ("system", "developer"):
            turn.system += ("\n" if turn.system else "") + text
            continue
        turn.words.append(text)
        if role == "assistant":
            turn.files, turn.results, turn.prefill = [], [], text
            waiting = [c["id"] for c in message.get("tool_calls") or []]
            turn.calling_turns += bool(waiting)
            if len(set(waiting)) != len(waiting):
                raise Wrong(f"'{where}.tool_calls' has the same id twice.", where)
            continue
        turn.prefill = ""
        turn.files += files_of(message.get("content"), where)
        if not text.startswith("Attachments of tool result "):
            turn.last, turn.results = text, []
    if waiting:
        raise Wrong(f"An assistant message with 'tool_calls' must be followed by tool messages: {waiting} have none.", "messages")
    for tool in body.get("tools") or []:
        if tool.get("type") == "function":
            turn.tools.append(Tool(tool["function"]["name"], tool["function"].get("parameters")))
        elif tool.get("type") == "custom":
            turn.tools.append(Tool(tool["custom"]["name"], custom=True))
    choice = body.get("tool_choice", "auto")
    turn.choice = choice if isinstance(choice, str) else choice.get(choice.get("type"), {}).get("name", "auto")
    turn.parallel = body.get("parallel_tool_calls") is not False
    form = body.get("response_format") or {}
    turn.schema = form["json_schema"]["schema"] if form.get("type") == "json_schema" else None
    turn.json = form.get("type") == "json_object"
    turn.limit = body.get("max_completion_tokens") or body.get("max_tokens")
    stops = body.get("stop") or []
    turn.stops = [stops] if isinstance(stops, str) else stops
    turn.think = body.get("reasoning_effort") not in (None, "none")
    turn.cache = body.get("prompt_cache_key") or long_enough(turn)
    return turn


def usage_of(said, n=1):
    out = said.output * n
    return {"prompt_tokens": said.input, "completion_tokens": out, "total_tokens": said.input + out,
            "prompt_tokens_details": {"cached_tokens": said.cached, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": said.reasoning, "audio_tokens": 0, "accepted_prediction_tokens": 0,
                                          "rejected_prediction_tokens": 0}}


def call_of(call):
    if call.tool.custom:
        return {"id": call.id, "type": "custom", "custom": {"name": call.tool.name, "input": call.arguments}}
    return {"id": call.id, "type": "function", "function": {"name": call.tool.name, "arguments": call.arguments}}


def logprobs(body, text):
    if not body.get("logprobs"):
        return None

    def token(t):
        return {"token": t, "logprob": -0.25, "bytes": list(t.encode())}
    return {"content": [{**token(t), "top_logprobs": [token(t)] * (body.get("top_logprobs") or 0)} for t in re.findall(r"\s*\S+", text or "")],
            "refusal": None}


def top_of(body, now):
    return {"id": "chatcmpl-" + number(body), "created": now, "model": body["model"], "service_tier": "default", "system_fingerprint": "fp_mock"}


def answer(body, said, now):
    message = {"role": "assistant", "content": said.text or None, "refusal": None, "annotations": []}
    if said.thought:
        message["reasoning_content"] = said.thought
    if said.calls:
        message["tool_calls"] = [call_of(c) for c in said.calls]
    n = body.get("n") or 1
    return {**top_of(body, now), "object": "chat.completion", "usage": usage_of(said, n), "choices": [
        {"index": i, "message": message, "logprobs": logprobs(body, message["content"]), "finish_reason": FINISH[said.finish]} for i in range(n)]}


def events(body, said, now):
    top, n = top_of(body, now), body.get("n") or 1
    asked = (body.get("stream_options") or {}).get("include_usage")

    def chunk(i, delta, finish=None, logs=None):
        return {**top, "object": "chat.completion.chunk", **({"usage": None} if asked else {}),
                "choices": [{"index": i, "delta": delta, "logprobs": logs, "finish_reason": finish}]}
    for i in range(n):
        yield chunk(i, {"role": "assistant", "content": "" if said.text else None, "refusal": None})
    for piece in re.findall(r"\s*\S+", said.thought):
        for i in range(n):
            yield chunk(i, {"reasoning_content": piece})
    for piece in said.pieces():
        for i in range(n):
            yield chunk(i, {"content": piece}, logs=logprobs(body, piece))
    for at, call in enumerate(map(call_of, said.calls)):
        kind = call["type"]
        rest = "input" if kind == "custom" else "arguments"
        for i in range(n):
            yield chunk(i, {"tool_calls": [{"index": at, **call, kind: {"name": call[kind]["name"], rest: ""}}]})
            for piece in re.findall(r"(?s).{1,7}", call[kind][rest]):
                yield chunk(i, {"tool_calls": [{"index": at, kind: {rest: piece}}]})
    for i in range(n):
        yield chunk(i, {}, FINISH[said.finish])
    if asked:
        yield {**top, "object": "chat.completion.chunk", "choices": [], "usage": usage_of(said, n)}
    yield "[DONE]"


def error(wrong):
    kinds = {401: "invalid_request_error", 429: "rate_limit_error", 404: "invalid_request_error", 400: "invalid_request_error"}
    kind = kinds.get(wrong.status, "server_error" if wrong.status >= 500 else "invalid_request_error")
    return {"error": {"message": wrong.message, "type": kind, "param": wrong.param, "code": wrong.code}}
