"""The official clients, each behind the same few words, so that what is tested is written once for all of them.

A conversation is a list of the client's own messages: user(), assistant() (an answer sent back as it came) and results() make them.
ask() returns what a program would see. A new surface is a class here.
"""
import base64
import json
from dataclasses import dataclass, field

import anthropic
import openai


@dataclass
class Seen:
    text: str = ""
    thought: str = ""
    calls: list = field(default_factory=list)  # (id, name, arguments)
    finish: str = ""  # stop, calls, length
    usage: tuple = None  # input (cached and written ones among them), output, cached
    deltas: int = 0
    own: object = None  # what assistant() sends back


def data_url(media_type, data):
    return f"data:{media_type};base64,{base64.b64encode(data).decode()}"


class Driver:
    """`error`, `statuses`: how the client raises a status."""

    def __init__(self, url, key="none"):
        self.client = self.make(url, key)

    def close(self):
        self.client.close()


class OpenAIDriver(Driver):
    error, statuses = openai.APIStatusError, {400: openai.BadRequestError, 404: openai.NotFoundError, 429: openai.RateLimitError, 503: openai.InternalServerError}

    def make(self, url, key):
        return openai.OpenAI(base_url=url + "/v1", api_key=key, max_retries=0, timeout=20)


class Chat(OpenAIDriver):
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

    def fields(self, model, turns, system, tools, choice, schema, think, limit, cache):
        out = {"model": model, "messages": ([{"role": "system", "content": system}] if system else []) + turns}
        if tools:
            out["tools"] = [{"type": "function", "function": {"name": n, "description": "d", "parameters": s}} for n, s in tools]
        if choice:
            out["tool_choice"] = {"type": "function", "function": {"name": choice}}
        if schema:
            out["response_format"] = {"type": "json_schema", "json_schema": {"name": "s", "strict": True, "schema": schema}}
        return out | ({"reasoning_effort": "low"} if think else {}) | ({"max_completion_tokens": limit} if limit else {})

    def ask(self, model, turns, stream=False, system="", tools=(), choice=None, schema=None, think=False, limit=None, cache=False):
        fields = self.fields(model, turns, system, tools, choice, schema, think, limit, cache)
        seen = Seen()
        if stream:
            with self.client.chat.completions.stream(**fields, stream_options={"include_usage": True}) as events:
                for event in events:
                    if event.type == "chunk":
                        for choice_ in event.chunk.choices:
                            seen.deltas += bool(choice_.delta.content)
                            seen.thought += getattr(choice_.delta, "reasoning_content", None) or ""
                got = events.get_final_completion()
        else:
            got = self.client.chat.completions.create(**fields)
        message = got.choices[0].message
        seen.thought = seen.thought or getattr(message, "reasoning_content", None) or ""
        seen.text, seen.finish = message.content or "", self.finishes[got.choices[0].finish_reason]
        seen.calls = [(c.id, c.function.name, json.loads(c.function.arguments)) for c in message.tool_calls or []]
        if got.usage:
            details = got.usage.prompt_tokens_details
            seen.usage = (got.usage.prompt_tokens, got.usage.completion_tokens, (details.cached_tokens if details else 0) or 0)
        seen.own = {k: v for k, v in message.model_dump(exclude_none=True).items() if k not in ("parsed", "annotations", "refusal")}
        for call in seen.own.get("tool_calls", []):
            call.pop("index", None)
            call["function"].pop("parsed_arguments", None)
        if seen.thought:
            seen.own["reasoning_content"] = seen.thought
        return seen

    def begin(self, model, turns):
        return self.client.chat.completions.create(**self.fields(model, turns, "", (), None, None, False, None, False), stream=True)


class Responses(OpenAIDriver):
    name, path, family = "responses", "/v1/responses", "responses"

    def user(self, text, *files):
        parts = [{"type": "input_image", "image_url": data_url(kind, data)} if kind.startswith("image/") else
                 {"type": "input_file", "filename": "a.pdf", "file_data": data_url(kind, data)} for kind, data in files]
        return [{"role": "user", "content": [{"type": "input_text", "text": text}, *parts] if parts else text}]

    def assistant(self, seen):
        return seen.own

    def results(self, calls, texts):
        return [{"type": "function_call_output", "call_id": call[0], "output": text} for call, text in zip(calls, texts)]

    def fields(self, model, turns, system, tools, choice, schema, think, limit, cache):
        out = {"model": model, "input": turns, "store": False, "include": ["reasoning.encrypted_content"]} | ({"instructions": system} if system else {})
        if tools:
            out["tools"] = [{"type": "function", "name": n, "description": "d", "parameters": s, "strict": False} for n, s in tools]
        if choice:
            out["tool_choice"] = {"type": "function", "name": choice}
        if schema:
            out["text"] = {"format": {"type": "json_schema", "name": "s", "strict": True, "schema": schema}}
        return out | ({"reasoning": {"effort": "low", "summary": "auto"}} if think else {}) | ({"max_output_tokens": limit} if limit else {})

    def ask(self, model, turns, stream=False, system="", tools=(), choice=None, schema=None, think=False, limit=None, cache=False):
        fields = self.fields(model, turns, system, tools, choice, schema, think, limit, cache)
        seen, numbers = Seen(), []
        if stream:
            with self.client.responses.stream(**fields) as events:
                for event in events:
                    numbers.append(event.sequence_number)
                    seen.deltas += event.type == "response.output_text.delta"
                got = events.get_final_response()
            assert numbers == list(range(len(numbers))), numbers
        else:
            got = self.client.responses.create(**fields)
        seen.text = got.output_text
        seen.own = [item.model_dump(exclude_none=True, exclude={"parsed_arguments"}) for item in got.output]
        for item in got.output:
            if item.type == "function_call":
                seen.calls.append((item.call_id, item.name, json.loads(item.arguments)))
            if item.type == "reasoning":
                seen.thought += "".join(p.text for p in item.summary) or "".join(p.text for p in item.content or [])
        for item in seen.own:
            for part in item.get("content") or []:
                part.pop("parsed", None)
        seen.finish = "length" if got.status == "incomplete" else "calls" if seen.calls else "stop"
        if got.usage:
            seen.usage = (got.usage.input_tokens, got.usage.output_tokens, got.usage.input_tokens_details.cached_tokens)
        return seen

    def begin(self, model, turns):
        return self.client.responses.create(**self.fields(model, turns, "", (), None, None, False, None, False), stream=True)


class Messages(Driver):
    name, path, family = "messages", "/v1/messages", "messages"
    error, statuses = anthropic.APIStatusError, {400: anthropic.BadRequestError, 404: anthropic.NotFoundError, 429: anthropic.RateLimitError, 503: anthropic.InternalServerError}
    finishes = {"end_turn": "stop", "tool_use": "calls", "max_tokens": "length"}

    def make(self, url, key):
        return anthropic.Anthropic(base_url=url, api_key=key, max_retries=0, timeout=20)

    def user(self, text, *files):
        parts = [{"type": "image" if kind.startswith("image/") else "document",
                  "source": {"type": "base64", "media_type": kind, "data": base64.b64encode(data).decode()}} for kind, data in files]
        return [{"role": "user", "content": [{"type": "text", "text": text}, *parts] if parts else text}]

    def assistant(self, seen):
        return [{"role": "assistant", "content": seen.own}]

    def results(self, calls, texts):
        return [{"role": "user", "content": [{"type": "tool_result", "tool_use_id": call[0], "content": text} for call, text in zip(calls, texts)]}]

    def fields(self, model, turns, system, tools, choice, schema, think, limit, cache):
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

    def ask(self, model, turns, stream=False, system="", tools=(), choice=None, schema=None, think=False, limit=None, cache=False):
        fields = self.fields(model, turns, system, tools, choice, schema, think, limit, cache)
        seen = Seen()
        if stream:
            with self.client.messages.stream(**fields) as events:
                for event in events:
                    seen.deltas += event.type == "content_block_delta" and event.delta.type == "text_delta"
                got = events.get_final_message()
        else:
            got = self.client.messages.create(**fields)
        seen.text = "".join(b.text for b in got.content if b.type == "text")
        seen.thought = "".join(b.thinking for b in got.content if b.type == "thinking")
        seen.calls = [(b.id, b.name, b.input) for b in got.content if b.type == "tool_use"]
        seen.finish = self.finishes[got.stop_reason]
        u = got.usage
        seen.usage = (u.input_tokens + (u.cache_read_input_tokens or 0) + (u.cache_creation_input_tokens or 0), u.output_tokens, u.cache_read_input_tokens or 0)
        seen.own = [{k: v for k, v in b.model_dump(exclude_none=True).items() if k not in ("parsed_output",)} for b in got.content]
        return seen

    def begin(self, model, turns):
        return self.client.messages.create(**self.fields(model, turns, "", (), None, None, False, None, False), stream=True)


DRIVERS = (Chat, Responses, Messages)
