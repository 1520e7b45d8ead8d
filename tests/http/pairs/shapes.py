"""The bodies of the three surfaces, as the official clients of both languages take and return them.

A driver adds talk(fields, stream): the answer as a dict, how many deltas of text came, and the thoughts that only the stream's pieces had.
"""
import base64
import json
from dataclasses import dataclass, field


@dataclass
class Seen:
    text: str = ""
    thought: str = ""
    calls: list = field(default_factory=list)  # (id, name, arguments)
    finish: str = ""  # stop, calls, length
    usage: tuple = None  # input (cached and written ones among them), output, cached
    deltas: int = 0
    own: object = None  # what assistant() sends back


def encoded(data):
    return base64.b64encode(data).decode()


def data_url(media_type, data):
    return f"data:{media_type};base64,{encoded(data)}"


def by_class(e, statuses):
    """The status that an error's class stands for."""
    return next((status for status, kind in statuses.items() if isinstance(e, kind)), None)


class Shape:
    def ask(self, model, turns, stream=False, **options):
        got, deltas, thought = self.talk(self.fields(model, turns, **options), stream)
        seen = Seen(deltas=deltas, thought=thought)
        self.read(got, seen)
        return seen


class Chat(Shape):
    name, path, family = "chat", "/v1/chat/completions", "chat"
    finishes = {"stop": "stop", "tool_calls": "calls", "length": "length"}

    def user(self, text, *files):
        parts = [{"type": "image_url", "image_url": {"url": data_url(kind, data)}} if kind.startswith("image/") else
                 {"type": "file", "file": {"filename": "a.pdf", "file_data": data_url(kind, data)}} for kind, data in files]
        return [{"role": "user", "content": [{"type": "text", "text": text}, *parts] if parts else text}]

    def assistant(self, seen):
        return [seen.own]

    def results(self, calls, texts):
        return [{"role": "tool", "tool_call_id": call[0], "content": text} for call, text in zip(calls, texts)]

    def fields(self, model, turns, system="", tools=(), choice=None, schema=None, think=False, limit=None, cache=False):
        out = {"model": model, "messages": ([{"role": "system", "content": system}] if system else []) + turns}
        if tools:
            out["tools"] = [{"type": "function", "function": {"name": n, "description": "d", "parameters": s}} for n, s in tools]
        if choice:
            out["tool_choice"] = {"type": "function", "function": {"name": choice}}
        if schema:
            out["response_format"] = {"type": "json_schema", "json_schema": {"name": "s", "strict": True, "schema": schema}}
        return out | ({"reasoning_effort": "low"} if think else {}) | ({"max_completion_tokens": limit} if limit else {})

    def read(self, got, seen):
        message = got["choices"][0]["message"]
        seen.thought = seen.thought or message.get("reasoning_content") or ""
        seen.text, seen.finish = message.get("content") or "", self.finishes[got["choices"][0]["finish_reason"]]
        seen.calls = [(c["id"], c["function"]["name"], json.loads(c["function"]["arguments"])) for c in message.get("tool_calls") or []]
        if usage := got.get("usage"):
            seen.usage = (usage["prompt_tokens"], usage["completion_tokens"], (usage.get("prompt_tokens_details") or {}).get("cached_tokens") or 0)
        seen.own = {k: v for k, v in message.items() if v is not None and k not in ("parsed", "annotations", "refusal")}
        for call in seen.own.get("tool_calls", []):
            call.pop("index", None)
            call["function"].pop("parsed_arguments", None)
        if seen.thought:
            seen.own["reasoning_content"] = seen.thought


class Responses(Shape):
    name, path, family = "responses", "/v1/responses", "responses"

    def user(self, text, *files):
        parts = [{"type": "input_image", "image_url": data_url(kind, data)} if kind.startswith("image/") else
                 {"type": "input_file", "filename": "a.pdf", "file_data": data_url(kind, data)} for kind, data in files]
        return [{"role": "user", "content": [{"type": "input_text", "text": text}, *parts] if parts else text}]

    def assistant(self, seen):
        return seen.own

    def results(self, calls, texts):
        return [{"type": "function_call_output", "call_id": call[0], "output": text} for call, text in zip(calls, texts)]

    def fields(self, model, turns, system="", tools=(), choice=None, schema=None, think=False, limit=None, cache=False):
        out = {"model": model, "input": turns, "store": False, "include": ["reasoning.encrypted_content"]} | ({"instructions": system} if system else {})
        if tools:
            out["tools"] = [{"type": "function", "name": n, "description": "d", "parameters": s, "strict": False} for n, s in tools]
        if choice:
            out["tool_choice"] = {"type": "function", "name": choice}
        if schema:
            out["text"] = {"format": {"type": "json_schema", "name": "s", "strict": True, "schema": schema}}
        return out | ({"reasoning": {"effort": "low", "summary": "auto"}} if think else {}) | ({"max_output_tokens": limit} if limit else {})

    def read(self, got, seen):
        seen.own = [{k: v for k, v in item.items() if v is not None and k != "parsed_arguments"} for item in got["output"]]
        for item in seen.own:
            for part in item.get("content") or []:
                part.pop("parsed", None)
            if item["type"] == "message":
                seen.text += "".join(p["text"] for p in item["content"] if p["type"] == "output_text")
            if item["type"] == "function_call":
                seen.calls.append((item["call_id"], item["name"], json.loads(item["arguments"])))
            if item["type"] == "reasoning":
                seen.thought += "".join(p["text"] for p in item["summary"]) or "".join(p["text"] for p in item.get("content") or [])
        seen.finish = "length" if got["status"] == "incomplete" else "calls" if seen.calls else "stop"
        if usage := got.get("usage"):
            seen.usage = (usage["input_tokens"], usage["output_tokens"], usage["input_tokens_details"]["cached_tokens"])


class Messages(Shape):
    name, path, family = "messages", "/v1/messages", "messages"
    finishes = {"end_turn": "stop", "tool_use": "calls", "max_tokens": "length"}

    def user(self, text, *files):
        parts = [{"type": "image" if kind.startswith("image/") else "document",
                  "source": {"type": "base64", "media_type": kind, "data": encoded(data)}} for kind, data in files]
        return [{"role": "user", "content": [{"type": "text", "text": text}, *parts] if parts else text}]

    def assistant(self, seen):
        return [{"role": "assistant", "content": seen.own}]

    def results(self, calls, texts):
        return [{"role": "user", "content": [{"type": "tool_result", "tool_use_id": call[0], "content": text} for call, text in zip(calls, texts)]}]

    def fields(self, model, turns, system="", tools=(), choice=None, schema=None, think=False, limit=None, cache=False):
        out = {"model": model, "messages": turns, "max_tokens": limit or 4096}
        if system:
            out["system"] = [{"type": "text", "text": system, **({"cache_control": {"type": "ephemeral"}} if cache else {})}]
        if tools:
            out["tools"] = [{"name": n, "description": "d", "input_schema": s} for n, s in tools]
        if choice:
            out["tool_choice"] = {"type": "tool", "name": choice}
        if schema:
            out["output_config"] = {"format": {"type": "json_schema", "schema": schema}}
        return out | ({"thinking": {"type": "enabled", "budget_tokens": 2048, "display": "summarized"}} if think else {})

    def read(self, got, seen):
        blocks, usage = got["content"], got["usage"]
        seen.text = "".join(b["text"] for b in blocks if b["type"] == "text")
        seen.thought = "".join(b["thinking"] for b in blocks if b["type"] == "thinking")
        seen.calls = [(b["id"], b["name"], b["input"]) for b in blocks if b["type"] == "tool_use"]
        seen.finish = self.finishes[got["stop_reason"]]
        cached = usage.get("cache_read_input_tokens") or 0
        seen.usage = (usage["input_tokens"] + cached + (usage.get("cache_creation_input_tokens") or 0), usage["output_tokens"], cached)
        seen.own = [{k: v for k, v in b.items() if v is not None and k != "parsed_output"} for b in blocks]
