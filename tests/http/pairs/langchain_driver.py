"""LangChain for Python: langchain-openai over chat completions and over Responses, langchain-anthropic over Messages."""
import anthropic
import httpx
import openai
from langchain_anthropic import ChatAnthropic
from langchain_core.messages import HumanMessage, SystemMessage, ToolMessage
from langchain_openai import ChatOpenAI
from shapes import Chat, Messages, Responses, Seen, by_class, encoded


class LangChain:
    client_name = "LangChain (Python)"

    def __init__(self, url, key="none"):
        self.url, self.key = url, key

    def close(self):
        pass

    def status(self, e):
        return by_class(e, self.statuses)

    def user(self, text, *files):
        parts = [{"type": "image" if kind.startswith("image/") else "file", "base64": encoded(data), "mime_type": kind,
                  **({} if kind.startswith("image/") else {"filename": "a.pdf"})} for kind, data in files]
        return [HumanMessage([{"type": "text", "text": text}, *parts] if parts else text)]

    def assistant(self, seen):
        return [seen.own]

    def results(self, calls, texts):
        return [ToolMessage(text, tool_call_id=call[0]) for call, text in zip(calls, texts)]

    def system(self, text, cache):
        return SystemMessage(text)

    def ask(self, model, turns, stream=False, system="", tools=(), choice=None, schema=None, think=False, limit=None, cache=False):
        chain = self.make(model, **(self.thinks if think else {}), **({"max_tokens": limit} if limit else {}))
        turns = ([self.system(system, cache)] if system else []) + turns
        if tools:
            named = [{"title": n, "description": "d", **s} for n, s in tools]
            chain = chain.bind_tools(named, **({"tool_choice": choice} if choice else {}))
        if schema:
            chain = chain.with_structured_output({"title": "s", "description": "d", **schema}, method="json_schema", include_raw=True)
        seen = Seen()
        if stream:
            got = None
            for part in chain.stream(turns):
                piece = part.get("raw") if schema else part
                if piece is not None:
                    seen.deltas += bool(piece.text)
                    got = piece if got is None else got + piece
        else:
            got = chain.invoke(turns)
            got = got["raw"] if schema else got
        return self.read(got, seen)

    def read(self, got, seen):
        seen.own, seen.text = got, got.text
        seen.thought = "".join(b.get("reasoning", "") for b in got.content_blocks if b["type"] == "reasoning")
        seen.calls = [(c["id"], c["name"], c["args"]) for c in got.tool_calls]
        seen.finish = self.finish(got.response_metadata, seen.calls)
        if usage := got.usage_metadata:
            seen.usage = (usage["input_tokens"], usage["output_tokens"], usage.get("input_token_details", {}).get("cache_read") or 0)
        return seen

    def finish(self, told, calls):
        word = told.get("finish_reason") or told.get("stop_reason")
        return self.finishes[word]

    def begin(self, model, turns):
        return self.make(model).stream(turns)


class LangChainOpenAI(LangChain):
    error, statuses = openai.APIStatusError, {400: openai.BadRequestError, 404: openai.NotFoundError, 429: openai.RateLimitError, 503: openai.InternalServerError}

    def __init__(self, url, key="none"):
        super().__init__(url, key)
        self.http = httpx.Client(timeout=20)

    def close(self):
        self.http.close()

    def make(self, model, **more):
        return ChatOpenAI(model=model, base_url=self.url + "/v1", api_key=self.key, max_retries=0, http_client=self.http, **self.own, **more)


class LangChainChat(LangChainOpenAI):
    name, path, family, finishes = Chat.name, Chat.path, Chat.family, Chat.finishes
    own, thinks = {"use_responses_api": False, "stream_usage": True}, {"reasoning_effort": "low"}


class LangChainResponses(LangChainOpenAI):
    name, path, family = Responses.name, Responses.path, Responses.family
    own = {"use_responses_api": True, "store": False, "include": ["reasoning.encrypted_content"], "output_version": "responses/v1"}
    thinks = {"reasoning": {"effort": "low", "summary": "auto"}}

    def finish(self, told, calls):
        return "length" if told.get("status") == "incomplete" else "calls" if calls else "stop"


class LangChainMessages(LangChain):
    name, path, family, finishes = Messages.name, Messages.path, Messages.family, Messages.finishes
    error, statuses = anthropic.APIStatusError, {400: anthropic.BadRequestError, 404: anthropic.NotFoundError, 429: anthropic.RateLimitError, 503: anthropic.InternalServerError}
    thinks = {"thinking": {"type": "enabled", "budget_tokens": 2048}}

    def make(self, model, **more):
        return ChatAnthropic(model=model, base_url=self.url, api_key=self.key, max_retries=0, timeout=20, stream_usage=True, **{"max_tokens": 4096, **more})

    def system(self, text, cache):
        return SystemMessage([{"type": "text", "text": text, **({"cache_control": {"type": "ephemeral"}} if cache else {})}])
