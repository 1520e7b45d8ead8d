"""What an upstream says that no client of OpenAI's format could read, and what leaves all the same (surfaces §1.6, Repair, Labels).

The last test is a property: recorded answers with random members dropped, nulled, retyped, reordered, doubled and split. Whatever
leaves satisfies the official client's own models, strictly, or is an error object; and the record holds the same text and
calls. MENDED_ANSWERS says how many (500; `./dev mend` asks for 20,000), MENDED_SEED which.
"""
import copy
import json
import os
import random
import subprocess

import pytest
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from lib import raw, record
from lib.mock import answer, chat_answer, chunk, json_answer, sse, tool_call, usage_chunk
from lib.raw import CHAT, TZ, TZ_CHAT, chat
from lib.signet import binary, config, openai_model

BOTH = pytest.mark.parametrize("path,model", [(CHAT, "m"), (TZ_CHAT, TZ + "m")], ids=["openai", "tensorzero"])
STREAM = [chunk({"role": "assistant", "content": ""}), chunk({"content": "Hel"}), chunk({"content": "lo"}), chunk({}, "stop")]


def signet_toml(mock):
    return config(openai_model("m", mock.url), record=True)


def events_of(got):
    events = got.events()
    assert events[-1] == "[DONE]", events
    return [json.loads(e) for e in events[:-1]]


def text_of(chunks):
    return "".join(c["delta"].get("content") or "" for e in chunks for c in e["choices"])


def output_of(signet, got):
    return record.whole(signet.data_dir, got.headers["x-signet-inference-id"])["ChatInference"][0]["output"]


# -- labels ------------------------------------------------------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize("label", ["text/plain", "application/json", None, "application/octet-stream"])
@pytest.mark.parametrize("begin", ["", ": hello\n\n", "\n\n", "\ufeff", "event: message\n"], ids=["data", "comment", "blank", "bom", "name"])
def test_a_stream_is_known_by_how_it_begins(signet, mock, path, model, label, begin):
    mock.then(answer(begin + "".join(f"data: {json.dumps(e)}\n\n" for e in STREAM) + "data: [DONE]\n\n", content_type=label))
    got = raw.post(signet.port, path, chat(model, stream=True))
    assert got.status == 200 and text_of(events_of(got)) == "Hello"


@BOTH
def test_a_document_is_no_stream(signet, mock, path, model):
    mock.then(json_answer(chat_answer("x" * 100000)))
    got = raw.post(signet.port, path, chat(model, stream=True))
    assert got.status in (500, 502) and "Expected content-type 'text/event-stream'" in got.body.decode()
    assert '"content\\": \\"xxx' in got.body.decode() or "xxxx" in got.body.decode() # it is shown from its first byte


@BOTH
@pytest.mark.parametrize("label", ["text/event-stream", "application/json"])
def test_a_stream_that_nobody_asked_for_is_gathered(signet, mock, path, model, label):
    calls = [chunk({"tool_calls": [{"index": 0, **tool_call("a", "f", "{")}]}), chunk({"tool_calls": [{"index": 0, "function": {"arguments": "}"}}]})]
    mock.then(answer("".join(f"data: {json.dumps(e)}\n\n" for e in [*STREAM[:3], *calls, chunk({}, "tool_calls"), usage_chunk()]) + "data: [DONE]\n\n",
                     content_type=label))
    got = raw.post(signet.port, path, chat(model))
    message = got.json["choices"][0]["message"]
    assert got.status == 200 and message["content"] == "Hello" and got.json["usage"]["prompt_tokens"] == 11
    assert message["tool_calls"] == [tool_call("a", "f", "{}")] and got.json["choices"][0]["finish_reason"] == "tool_calls"
    assert [b["type"] for b in output_of(signet, got)] == ["text", "tool_call"]


# -- events of other kinds ---------------------------------------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize("odd", ['{"type":"ping"}', '{"warning":"x"}', "null", "{}", "[]", '{"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}}'])
@pytest.mark.parametrize("at", [0, 2])
def test_what_is_no_chunk_is_skipped(signet, mock, path, model, odd, at):
    events = [json.dumps(e) for e in STREAM]
    events.insert(at, odd)
    mock.then(answer("".join(f"event: ping\ndata: {e}\n\n" if e == odd else f"data: {e}\n\n" for e in events) + "data: [DONE]\n\n",
                     content_type="text/event-stream"))
    got = raw.post(signet.port, path, chat(model, stream=True))
    chunks = events_of(got)
    assert text_of(chunks) == "Hello" and not any("error" in c for c in chunks)
    assert output_of(signet, got) == [{"type": "text", "text": "Hello"}]


# -- half an emoji -----------------------------------------------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("member", ["content", "reasoning_content", "arguments"])
def test_half_an_emoji(signet, mock, path, model, stream, member):
    said = {"content": '"content":"quiet \\ud83d"', "reasoning_content": '"content":"x","reasoning_content":"quiet \\ud83d"',
            "arguments": '"content":null,"tool_calls":[{"index":0,"id":"a","type":"function","function":{"name":"f","arguments":"quiet \\ud83d"}}]'}[member]
    kind = "delta" if stream else "message"
    whole = ('{"id":"x","object":"chat.completion%s","created":1,"model":"y","choices":[{"index":0,"%s":{"role":"assistant",%s},"finish_reason":"stop"}]}'
             % (".chunk" if stream else "", kind, said))
    mock.then(answer(f"data: {whole}\n\ndata: [DONE]\n\n", content_type="text/event-stream") if stream else answer(whole))
    got = raw.post(signet.port, path, chat(model, stream=stream))
    text = got.body.decode("utf-8", "strict")
    assert "\\ud83d" not in text.lower() and "quiet \ufffd" in text
    assert "quiet \ufffd" in json.dumps(output_of(signet, got), ensure_ascii=False)
    id = got.headers["x-signet-inference-id"]
    for command in (["show", id], ["show", id, "--json"], ["grep", "quiet", "--json"]):
        out = subprocess.run([binary(), "log", command[0], "--data-dir", signet.data_dir, *command[1:]], capture_output=True, timeout=30)
        assert out.returncode == 0 and "quiet \ufffd" in out.stdout.decode("utf-8", "strict")


def test_an_emoji_cut_between_two_events_comes_whole(signet, mock):
    first = json.dumps(chunk({"content": "a?"})).replace("?", "\\ud83d")
    second = json.dumps(chunk({"content": "?b"})).replace("?", "\\ude00")
    mock.then(answer(f"data: {first}\n\ndata: {second}\n\ndata: {json.dumps(STREAM[-1])}\n\ndata: [DONE]\n\n", content_type="text/event-stream"))
    got = raw.post(signet.port, CHAT, chat(stream=True))
    assert [c["choices"][0]["delta"].get("content") for c in events_of(got)] == ["a", "\U0001f600b", None]
    assert output_of(signet, got) == [{"type": "text", "text": "a\U0001f600b"}]


@pytest.mark.parametrize("content,blocks", [([None], ["text"]), ([5, {"type": "x"}], ["unknown", "text"]), ([None, "a"], ["text"])])
def test_content_of_odd_parts_is_json_in_the_record(signet, mock, content, blocks):
    mock.then(sse([chunk({"content": content}), *STREAM]))
    got = raw.post(signet.port, CHAT, chat(stream=True))
    assert text_of(events_of(got)).endswith("Hello") and [b["type"] for b in output_of(signet, got)] == blocks


# -- the property ------------------------------------------------------------------------------------------------------------

USAGE = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18, "prompt_tokens_details": {"cached_tokens": 3},
         "completion_tokens_details": {"reasoning_tokens": 2}}
LOGPROBS = {"content": [{"token": "Hi", "logprob": -0.5, "bytes": [72, 105], "top_logprobs": [{"token": "Hi", "logprob": -0.5, "bytes": None}]}],
            "refusal": None}
TOOLS = [tool_call("call_a", "weather", '{"city":"Oslo"}'), tool_call("call_b", "time", "{}")]


def whole(message, finish="stop", **more):
    return {"id": "chatcmpl-1", "object": "chat.completion", "created": 1767225600, "model": "gpt", "choices": [
        {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish, "logprobs": None}], "usage": USAGE, **more}


def piece(delta, finish=None, **more):
    return {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1767225600, "model": "gpt",
            "choices": [{"index": 0, "delta": delta, "finish_reason": finish, **more.pop("choice", {})}], **more}


PLAIN = [
    whole({"content": "Hello!", "refusal": None, "annotations": []}, service_tier="default", system_fingerprint="fp"),
    whole({"content": None, "tool_calls": TOOLS}, "tool_calls"),
    whole({"content": "See", "annotations": [{"type": "url_citation", "url_citation": {"start_index": 0, "end_index": 3, "title": "t", "url": "https://x"}}]}),
    whole({"content": "thought of", "reasoning_content": "hm"}, "length", x_groq={"id": "req"}),
    whole({"content": None, "refusal": "No."}, "content_filter", prompt_filter_results=[{"prompt_index": 0}]),
    {**whole({"content": "Hi"}), "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi"}, "logprobs": LOGPROBS, "finish_reason": "stop"},
                                             {"index": 1, "message": {"role": "assistant", "content": "Ho"}, "logprobs": None, "finish_reason": "stop"}]},
]
LAST = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1767225600, "model": "gpt", "choices": [], "usage": USAGE}


def fragment(index, **function):
    id = function.pop("id", None)
    return {"index": index, **({"id": id, "type": "function"} if id else {}), "function": function}


STREAMS = [
    [piece({"role": "assistant", "content": "", "refusal": None}, obfuscation="x"), piece({"content": "Hel"}, obfuscation="yz"), piece({"content": "lo"}),
     piece({}, "stop"), LAST],
    [piece({"role": "assistant", "content": None}), piece({"tool_calls": [fragment(0, id="call_a", name="weather", arguments="")]}),
     piece({"tool_calls": [fragment(0, arguments='{"city":')]}), piece({"tool_calls": [fragment(0, arguments='"Oslo"}')]}),
     piece({"tool_calls": [fragment(1, id="call_b", name="time", arguments="{}")]}), piece({}, "tool_calls"), LAST],
    [piece({"role": "assistant", "tool_calls": [fragment(0, id="a", name="f", arguments="{}"), fragment(1, id="b", name="g", arguments="{}")]}, "tool_calls"), LAST],
    [piece({"role": "assistant", "reasoning_content": "hm"}), piece({"reasoning_content": " so"}), piece({"content": "An"}), piece({"content": "swer"}),
     piece({}, "length", usage=USAGE)],
    [{**piece({}), "choices": [], "prompt_filter_results": [{"prompt_index": 0}]}, piece({"content": "ok"}, choice={"content_filter_results": {}, "logprobs": LOGPROBS}),
     piece({}, "stop", choice={"content_filter_offsets": {"start": 0}}), LAST],
]


class Twice(dict):
    """An object one of whose members stands there twice; the last one counts."""

    first = None


def printed(value):
    if isinstance(value, dict):
        twice = [value.first] if isinstance(value, Twice) else []
        return "{" + ",".join(f"{json.dumps(k)}:{printed(v)}" for k, v in [*twice, *value.items()]) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(printed, value)) + "]"
    return json.dumps(value)


def places(value):
    """Every container of a document: what its members may suffer."""
    if isinstance(value, (dict, list)):
        yield value
        for v in value.values() if isinstance(value, dict) else value:
            yield from places(v)


RETYPED = [None, True, 0, 3.5, -1, "", "x", [], {}, ["x"], {"x": 1}, [None], 10**20]


def suffer(rng, document):
    """One change somewhere in it."""
    containers = [p for p in places(document) if len(p)]
    if not containers:
        return
    place = rng.choice(containers)
    if isinstance(place, list):
        at = rng.randrange(len(place))
        kind = rng.choice(["drop", "retype", "reorder", "double", "insert"])
        if kind == "drop":
            del place[at]
        elif kind == "retype":
            place[at] = copy.deepcopy(rng.choice(RETYPED))
        elif kind == "reorder":
            rng.shuffle(place)
        elif kind == "double":
            place.insert(at, copy.deepcopy(place[at]))
        else:
            place.insert(at, copy.deepcopy(rng.choice(RETYPED)))
        return
    key = rng.choice(list(place))
    kind = rng.choice(["drop", "null", "retype", "reorder", "add", "double"])
    if kind == "drop":
        del place[key]
    elif kind == "null":
        place[key] = None
    elif kind == "retype":
        place[key] = copy.deepcopy(rng.choice(RETYPED))
    elif kind == "reorder":
        items = list(place.items())
        rng.shuffle(items)
        place.clear()
        place.update(items)
    elif kind == "double":
        for k, v in place.items():
            if isinstance(v, dict):
                place[k] = Twice(v)
                if v:
                    place[k].first = (rng.choice(list(v)), copy.deepcopy(rng.choice(RETYPED)))
                else:
                    place[k].first = ("new", 1)
                break
    else:
        place[rng.choice(["new", "nested"])] = copy.deepcopy(rng.choice([{"a": [1, None]}, "y", 1.50]))


def split(events, at):
    """A text that came in one event comes in two."""
    try:
        delta = events[at]["choices"][0]["delta"]
        text = delta["content"]
        rest = copy.deepcopy(events[at])
        delta["content"], rest["choices"][0]["delta"]["content"] = text[:1], text[1:]
        events.insert(at + 1, rest)
    except (KeyError, IndexError, TypeError):
        pass


def change(rng, events):
    """A stream's events: one suffers, or they are doubled, dropped, swapped, split."""
    kind, at = rng.randrange(10), rng.randrange(len(events))
    if kind == 0 and len(events) > 1:
        del events[at]
    elif kind == 1:
        events.insert(at, copy.deepcopy(events[at]))
    elif kind == 2:
        other = rng.randrange(len(events))
        events[at], events[other] = events[other], events[at]
    elif kind == 3:
        events.insert(at, copy.deepcopy(rng.choice(RETYPED)))
    elif kind == 4:
        split(events, at)
    elif isinstance(events[at], dict):
        suffer(rng, events[at])


def client_sees(chunks):
    """(text, calls) as a client that follows the format makes them of the first choice."""
    text, calls = "", {}
    for c in chunks:
        for choice in c["choices"]:
            if choice["index"]:
                continue
            delta = choice["delta"]
            text += delta.get("content") or ""
            for entry in delta.get("tool_calls") or []:
                call = calls.setdefault(entry["index"], [None, "", ""])
                function = entry.get("function") or entry.get("custom") or {}
                call[0] = call[0] or entry.get("id")
                call[1] += function.get("name") or ""
                call[2] += function.get("arguments") or function.get("input") or ""
    return text, [tuple(c) for c in calls.values()]


def message_says(answer):
    message = next(c["message"] for c in answer["choices"] if True)
    calls = [(c["id"], c["function"]["name"], c["function"]["arguments"]) for c in message.get("tool_calls") or []]
    return message.get("content") or "", calls


def record_says(output):
    return ("".join(b["text"] for b in output if b["type"] == "text"),
            [(b["id"], b["raw_name"], b["raw_arguments"]) for b in output if b["type"] == "tool_call"])


def judge_plain(signet, mock, document):
    text = printed(document)
    mock.then(answer(text))
    got = raw.post(signet.port, CHAT, chat())
    value = json.loads(got.body.decode("utf-8"))
    if got.status != 200:
        assert isinstance(value["error"]["message"], str), text
        return
    ChatCompletion.model_validate_json(got.body, strict=True)
    assert message_says(value) == record_says(output_of(signet, got)), (text, got.body)


def judge_stream(signet, mock, events):
    text = "".join(f"data: {printed(e)}\n\n" for e in events) + "data: [DONE]\n\n"
    mock.then(answer(text, content_type="text/event-stream"))
    got = raw.post(signet.port, CHAT, chat(stream=True, stream_options={"include_usage": True}))
    if got.status != 200:
        assert isinstance(got.json["error"]["message"], str), text
        return
    sent = got.events()
    assert sent[-1] == "[DONE]", text
    chunks = [json.loads(e) for e in sent[:-1]]
    for value, source in zip(chunks, sent):
        if "error" in value:
            assert isinstance(value["error"]["message"], str), text
        else:
            ChatCompletionChunk.model_validate_json(source, strict=True)
    if any("error" in c for c in chunks): # after it the client gets no more, and the record has what came all the same
        return
    assert client_sees(chunks) == record_says(output_of(signet, got)), (text, sent)


def test_whatever_an_upstream_says_leaves_in_openais_format(signet, mock):
    seed, many = int(os.environ.get("MENDED_SEED", "1")), int(os.environ.get("MENDED_ANSWERS", "500"))
    for n in range(many):
        rng = random.Random(f"{seed} {n}")
        stream = rng.random() < 0.6
        document = copy.deepcopy(rng.choice(STREAMS if stream else PLAIN))
        for _ in range(rng.choice([1, 1, 1, 2, 3, 5])):
            if stream and document:
                change(rng, document)
            elif not stream:
                suffer(rng, document)
        try:
            (judge_stream if stream else judge_plain)(signet, mock, document)
        except Exception as e:
            raise AssertionError(f"answer {n} of seed {seed}: {e}") from e
