"""The clients, each behind the same few words, so that what is tested is written once for all of them.

A driver is a client over a surface. A conversation is a list of the client's own messages: user(), assistant() (an answer sent back as it
came) and results() make them. ask() returns what a program would see. The official clients of both languages take the bodies of
shapes.py; a client with messages of its own is a file beside this one.
"""
import anthropic
import openai
from langchain_driver import LangChainChat, LangChainMessages, LangChainResponses
from node_driver import AiSdkChat, AiSdkMessages, AiSdkResponses, NodeChat, NodeMessages, NodeResponses
from shapes import Chat, Messages, Responses, by_class


class Python:
    """`statuses`: what the client raises, by status."""

    def __init__(self, url, key="none"):
        self.client = self.make(url, key)

    def close(self):
        self.client.close()

    def status(self, e):
        return by_class(e, self.statuses)

    def begin(self, model, turns):
        return self.create(**self.fields(model, turns), stream=True)


class OpenAIPython(Python):
    client_name = "openai (Python)"
    error, statuses = openai.APIStatusError, {400: openai.BadRequestError, 404: openai.NotFoundError, 429: openai.RateLimitError, 503: openai.InternalServerError}

    def make(self, url, key):
        return openai.OpenAI(base_url=url + "/v1", api_key=key, max_retries=0, timeout=20)


class PythonChat(OpenAIPython, Chat):
    @property
    def create(self):
        return self.client.chat.completions.create

    def talk(self, fields, stream):
        if not stream:
            return self.create(**fields).model_dump(exclude_none=True), 0, ""
        deltas, thought = 0, ""
        with self.client.chat.completions.stream(**fields, stream_options={"include_usage": True}) as events:
            for event in events:
                for choice in event.chunk.choices if event.type == "chunk" else ():
                    deltas += bool(choice.delta.content)
                    thought += getattr(choice.delta, "reasoning_content", None) or ""
            return events.get_final_completion().model_dump(exclude_none=True), deltas, thought


class PythonResponses(OpenAIPython, Responses):
    @property
    def create(self):
        return self.client.responses.create

    def talk(self, fields, stream):
        if not stream:
            return self.create(**fields).model_dump(exclude_none=True), 0, ""
        numbers, deltas = [], 0
        with self.client.responses.stream(**fields) as events:
            for event in events:
                numbers.append(event.sequence_number)
                deltas += event.type == "response.output_text.delta"
            got = events.get_final_response()
        assert numbers == list(range(len(numbers))), numbers
        return got.model_dump(exclude_none=True), deltas, ""


class PythonMessages(Python, Messages):
    client_name = "anthropic (Python)"
    error, statuses = anthropic.APIStatusError, {400: anthropic.BadRequestError, 404: anthropic.NotFoundError, 429: anthropic.RateLimitError, 503: anthropic.InternalServerError}

    def make(self, url, key):
        return anthropic.Anthropic(base_url=url, api_key=key, max_retries=0, timeout=20)

    @property
    def create(self):
        return self.client.messages.create

    def talk(self, fields, stream):
        if not stream:
            return self.create(**fields).model_dump(exclude_none=True), 0, ""
        with self.client.messages.stream(**fields) as events:
            deltas = sum(e.type == "content_block_delta" and e.delta.type == "text_delta" for e in events)
            return events.get_final_message().model_dump(exclude_none=True), deltas, ""


PYTHON = (PythonChat, PythonResponses, PythonMessages)
DRIVERS = (*PYTHON, NodeChat, NodeResponses, NodeMessages, AiSdkChat, AiSdkResponses, AiSdkMessages, LangChainChat, LangChainResponses, LangChainMessages)
