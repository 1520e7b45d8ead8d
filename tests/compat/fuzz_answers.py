"""Random answers of an upstream, plain and streamed: good ones with a fault in their JSON, in their bytes or in how they are sent."""
import copy

import fuzz_json
from cases_answer import CALLS
from cases_request import TIME, WEATHER, body
from cases_stream import END, TOOLS_END, TWO_CALLS, call, calls
from compare import Case
from fuzz_json import Text
from fuzz_requests import broken
from lib.mock import answer, chat_answer, chunk, text_chunks, usage_chunk

CALLED = chat_answer("I look.", message={"tool_calls": CALLS, "reasoning_content": "hm"}, finish_reason="tool_calls")
ERROR = {"error": {"message": "no", "type": "t", "code": "c", "param": None}}
ANSWERS = [chat_answer("Hello"), chat_answer(None, message={"tool_calls": CALLS}, finish_reason="tool_calls"), CALLED, chat_answer("x", usage=...),
           chat_answer("x", usage={"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12, "prompt_tokens_details": {"cached_tokens": 4}}), chat_answer("x", message={"reasoning": "r"})]
STREAMS = [text_chunks("Hello there"), TWO_CALLS, [chunk({"role": "assistant", "reasoning_content": "let "}), chunk({"reasoning_content": "me"}), chunk({"content": "a"}), *END],
           [calls(call(0, "a", "f", "{}"), finish="tool_calls"), usage_chunk()], [chunk({"content": "I look. "}), calls(call(0, "a", "f", "")), calls(call(0, arguments="{}")), *TOOLS_END],
           [chunk({"content": "a"}), chunk({}, "stop", usage={"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3})], text_chunks("Hi", usage=False)]
STATUSES = [400, 401, 402, 403, 404, 405, 408, 409, 413, 418, 422, 429, 431, 451, 500, 501, 502, 503, 504, 505, 511, 520, 521, 522, 523, 524, 525, 526, 529, 530, 598, 599, 201, 202, 206]
TYPES = ["application/json", "text/plain", "text/html", None, "application/json; charset=utf-8", "application/octet-stream"]
STREAM_TYPES = ["text/event-stream; charset=utf-8", "Text/Event-Stream", "text/event-stream;charset=UTF-8"]
FLAGS = [{}, {}, {}, {"tensorzero::include_raw_response": True}, {"tensorzero::include_raw_usage": True}, {"tensorzero::include_original_response": True}, {"stream_options": {"include_usage": True}},
         {"stream_options": {"include_usage": True}}]
PAGES = [b"plain text", b"", b"<html>\xff\xfe caf\xe9</html>", b"a\0b", b"\xef\xbb\xbf{}", b"{}", b"null", b"[]", b'"x"', b"x" * 5000, b"caf\xc3\xa9 \xed\xa0\xbd", b"\xc3"]


def odd_bytes(rng, data):
    """Bytes that no JSON text should have, inside one."""
    i = data.find(b"Hello")
    i = i + 2 if i >= 0 and rng.random() < 0.5 else rng.randrange(len(data) + 1)
    return data[:i] + rng.choice([b"\xff", b"\xc3", b"\xed\xa0\xbd", b"\\ud83d", b"\0", b"\xef\xbb\xbf", b"\xf0\x9f\x98"]) + data[i:]


class Answer:
    """`parts`: what is sent, each a value or bytes; a plain answer is one. `how`: status, label, newline and where it is cut."""

    part = "answers"

    def __init__(self, parts, stream, flags, **how):
        self.parts, self.stream, self.flags, self.how = parts, stream, flags, how

    def bytes(self):
        newline = self.how.get("newline", b"\n")
        out = [p if isinstance(p, bytes) else fuzz_json.dump(p) for p in self.parts]
        if self.stream:
            out = [o if isinstance(p, bytes) else b"data: " + o + newline + newline for o, p in zip(out, self.parts)]
        data = b"".join(out)
        return data[: len(data) - self.how["cut"]] if self.how.get("cut") else data

    def case(self):
        default = "text/event-stream" if self.stream else "application/json"
        up = answer(self.bytes(), self.how.get("status", 200), content_type=self.how.get("label", default), framing="chunked" if self.stream else "length", chunk=self.how.get("chunk"))
        request = body(tools=[WEATHER, TIME], **self.flags)
        if self.stream:
            request["stream"] = True
        return Case("", fuzz_json.dump(request), [up])

    def show(self):
        how = {k: v for k, v in self.how.items() if k != "newline" or v != b"\n"}
        return f"{'stream' if self.stream else 'plain'} {self.flags or ''} {how or ''}\n{self.bytes().decode('utf-8', 'backslashreplace')}"

    def smaller(self):
        if self.flags:
            yield Answer(self.parts, self.stream, {}, **self.how)
        for key in self.how:
            yield Answer(self.parts, self.stream, self.flags, **{k: v for k, v in self.how.items() if k != key})
        for i, part in enumerate(self.parts):
            if len(self.parts) > 1:
                yield Answer(self.parts[:i] + self.parts[i + 1 :], self.stream, self.flags, **self.how)
        for i, part in enumerate(self.parts):
            if isinstance(part, (dict, list)):
                for less in fuzz_json.smaller(part):
                    yield Answer([*self.parts[:i], less, *self.parts[i + 1 :]], self.stream, self.flags, **self.how)


def plain(rng):
    flags = rng.choice(FLAGS)
    kind = rng.randrange(10)
    good = copy.deepcopy(rng.choice(ANSWERS))
    if kind < 6:
        for _ in range(rng.choice([1, 1, 2])):
            good = fuzz_json.fault(rng, good)
        return Answer([good], False, flags)
    if kind < 7:
        return Answer([rng.choice([broken, odd_bytes])(rng, fuzz_json.dump(good))], False, flags)
    if kind < 9:
        return Answer([rng.choice([*PAGES, ERROR, fuzz_json.fault(rng, ERROR)])], False, flags, status=rng.choice(STATUSES), label=rng.choice(TYPES))
    return Answer([rng.choice([*PAGES, good])], False, flags, label=rng.choice(TYPES))


def odd_event(rng):
    return rng.choice([b": comment\n\n", b"\n", b"data\n\n", b"data:\n\n", b"event: ping\ndata: {}\n\n", b"data: [DONE]\n\n", b"data: [DONE] \n\n", b"id: 1\nretry: 5\n\n", b"data: {oops\n\n", b"data: null\n\n", b"data: 5\n\n",
                       b'data: {"error":{"message":"no"}}\n\n', b"event: error\ndata: {}\n\n", b"data: {\ndata: }\n\n", b"\xef\xbb\xbf", b"data: \xff\n\n", b"foo\n\n", b'data: {"choices":[]}\n\n', b"data: {}\n\n", b"data:  \n\n"])


def streamed(rng):
    flags = rng.choice(FLAGS)
    parts = copy.deepcopy(rng.choice(STREAMS)) + [b"data: [DONE]\n\n"]
    kind = rng.randrange(20)
    how = {}
    if kind < 9:
        i = rng.randrange(len(parts) - 1)
        parts[i] = fuzz_json.fault(rng, parts[i])
    elif kind < 11:
        parts.insert(rng.randrange(len(parts) + 1), odd_event(rng))
    elif kind < 13:
        i = rng.randrange(len(parts) - 1)
        parts[i] = b"data: " + rng.choice([broken, odd_bytes])(rng, fuzz_json.dump(parts[i])) + b"\n\n"
    elif kind < 14:
        i = rng.randrange(len(parts))
        parts = rng.choice([parts[:i] + parts[i + 1 :], parts[:i] + [parts[i]] + parts[i:], parts[::-1] if i % 3 == 0 else parts[:-1]])
    elif kind < 15:
        how["cut"] = rng.randrange(1, 200)
    elif kind < 16:
        how["newline"] = rng.choice([b"\r\n", b"\r"])
    elif kind < 18:
        return Answer([rng.choice([*PAGES, fuzz_json.dump(ERROR)])], True, flags, status=rng.choice(STATUSES), label=rng.choice(TYPES))
    elif kind < 19:
        how["label"] = rng.choice(STREAM_TYPES)
        how["chunk"] = rng.choice([1, 7, 100])
    else:
        for choice in (p["choices"] for p in parts if isinstance(p, dict)):
            for one in choice:
                one["index"] = rng.choice([1, 1, 2, Text("0.0"), None, "0", -1])
    return Answer(parts, True, flags, **how)


def make(rng):
    return plain(rng) if rng.random() < 0.5 else streamed(rng)
