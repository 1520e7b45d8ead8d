"""What upstreams of the OpenAI family are known to do (providers-openai §8), end to end on both profiles.

Each stream is sent whole and split at each byte. What is compared is what a client makes of the answer:
text, reasoning, calls (id, name, arguments), finish reason, usage, error.
"""
import json

import pytest

from lib import raw
from lib.mock import CLOSE, Raw, answer, chat_answer, chunk, error, json_answer, sse, tool_call, usage_chunk
from lib.raw import CHAT, TZ, TZ_CHAT, chat
from lib.signet import config, openai_model

PROFILES = [(CHAT, "m"), (TZ_CHAT, TZ + "m")]
BOTH = pytest.mark.parametrize("path,model", PROFILES, ids=["openai", "tensorzero"])
TOOL = {"type": "function", "function": {"name": "f", "description": "", "parameters": {"type": "object"}}}


def signet_toml(mock):
    return config(openai_model("m", mock.url) + openai_model("two", mock.url + "/a", mock.url + "/b"))


class Seen:
    """What a client that follows OpenAI's rules makes of a stream: calls by index, arguments appended."""

    def __init__(self, events):
        self.text = self.reasoning = self.refusal = ""
        self.finish = self.usage = self.error = None
        self.errors, self.finishes, calls = [], 0, {}
        assert events[-1] == "[DONE]", events
        for event in events[:-1]:
            value = json.loads(event)
            if "error" in value:
                self.errors.append(value["error"]["message"])
                continue
            self.usage = value.get("usage") or self.usage
            for choice in value["choices"]:
                delta = choice.get("delta", {})
                self.text += delta.get("content") or ""
                self.refusal += delta.get("refusal") or ""
                self.reasoning += delta.get("reasoning_content") or ""
                self.reasoning += "".join(e["text"] or "" for e in delta.get("tensorzero_extra_content", []) if e["type"] == "thought")
                for entry in delta.get("tool_calls") or []:
                    call = calls.setdefault(entry.get("index", 0), {"id": None, "name": "", "arguments": ""})
                    call["id"] = call["id"] or entry.get("id")
                    call["name"] += entry["function"].get("name") or ""
                    call["arguments"] += str(entry["function"].get("arguments") or "")
                if choice.get("finish_reason"):
                    self.finish = choice["finish_reason"]
                    self.finishes += 1
        self.calls = [(c["id"], c["name"], c["arguments"]) for c in calls.values()]


def ask(signet, mock, path, model, events, split, done=True, end=None, usage=True, **options):
    mock.then(sse(events, done=done, end=end, split=split, framing="close" if end else "chunked", **options))
    got = raw.post(signet.port, path, chat(model, stream=True, tools=[TOOL], **({"stream_options": {"include_usage": True}} if usage else {})))
    assert got.status == 200, got.body
    return Seen(got.events())


def t(index=None, id=..., name=None, arguments=..., **more):
    out = {} if index is None else {"index": index}
    if id is not ...:
        out["id"] = id
    out["function"] = {}
    if name is not None:
        out["function"]["name"] = name
    if arguments is not ...:
        out["function"]["arguments"] = arguments
    return {**out, **more}


def calls(*entries, finish=None, **delta):
    return chunk({"tool_calls": list(entries), **delta}, finish)


STOP = [chunk({}, "stop"), usage_chunk()]
END = [chunk({}, "tool_calls"), usage_chunk()]

# number(s) of providers-openai §8, events, calls
CALLS = {
    "#1 index missing": ([calls(t(id="a", name="f", arguments="{}")), *END], [("a", "f", "{}")]),
    "#2 index starts at 1": ([calls(t(1, "a", "f", "")), calls(t(1, arguments="{}")), *END], [("a", "f", "{}")]),
    "#3 all calls carry index 0": ([calls(t(0, "a", "f", '{"p":1}')), calls(t(0, "b", "f", '{"p":2}')), *END], [("a", "f", '{"p":1}'), ("b", "f", '{"p":2}')]),
    "#4 id on each delta": ([calls(t(0, "a", "f", "{")), calls(t(0, "a", arguments='"x":1')), calls(t(0, "a", arguments="}")), *END], [("a", "f", '{"x":1}')]),
    "#5 two entries of one index": ([calls(t(0, "a", "f"), t(0, arguments="{")), calls(t(0, arguments="}")), *END], [("a", "f", "{}")]),
    "#6 interleaved": ([calls(t(0, "a", "f", "")), calls(t(1, "b", "g", "")), calls(t(0, arguments="{}")), calls(t(1, arguments="[]")), *END], [("a", "f", "{}"), ("b", "g", "[]")]),
    "#7 id empty later": ([calls(t(0, "a", "f", "{")), calls(t(0, "", arguments="}")), *END], [("a", "f", "{}")]),
    "#7 id null later": ([calls(t(0, "a", "f", "{")), calls(t(0, None, arguments="}")), *END], [("a", "f", "{}")]),
    "#8 new index without id and name": ([calls(t(0, "a", "f", '{"x":')), calls(t(1, arguments="1}")), *END], [("a", "f", '{"x":1}')]),
    "#9 name repeated": ([calls(t(0, "a", "f", "{")), calls(t(0, None, "f", "}")), *END], [("a", "f", "{}")]),
    "#10 name in parts": ([calls(t(0, "a", "get_temp", "")), calls(t(0, None, "erature", "")), calls(t(0, arguments="{}")), *END], [("a", "get_temperature", "{}")]),
    "#11 arguments null": ([calls(t(0, "a", "f", None)), calls(t(0, arguments="{}")), *END], [("a", "f", "{}")]),
    "#11 arguments absent": ([calls(t(0, "a", "f")), calls(t(0, arguments="{}")), *END], [("a", "f", "{}")]),
    "#11 arguments an object": ([calls(t(0, "a", "f", {"a": 1})), *END], [("a", "f", '{"a":1}')]),
    "#13 whole call with the finish reason": ([calls(t(0, "a", "f", "{}"), finish="tool_calls"), usage_chunk()], [("a", "f", "{}")]),
    "#17 custom {} beside function": ([calls(t(0, "a", "f", "{}", type="function", custom={})), *END], [("a", "f", "{}")]),
}


@BOTH
@pytest.mark.parametrize("split", [0, 1], ids=["whole", "bytes"])
@pytest.mark.parametrize("name", CALLS)
def test_calls(signet, mock, name, path, model, split):
    """providers-openai §8 #1-11, #13, #17."""
    events, want = CALLS[name]
    seen = ask(signet, mock, path, model, events, split)
    assert seen.calls == want
    assert (seen.finish, seen.finishes, seen.errors, seen.text) == ("tool_calls", 1, [], "")
    assert seen.usage["total_tokens"] == 18


@BOTH
@pytest.mark.parametrize("split", [0, 1], ids=["whole", "bytes"])
def test_two_calls_under_one_id(signet, mock, path, model, split):
    """providers-openai §8 #80."""
    seen = ask(signet, mock, path, model, [calls(t(0, "a", "f", "{}")), calls(t(1, "a", "g", "{}")), *END], split)
    assert [c[1:] for c in seen.calls] == [("f", "{}"), ("g", "{}")]
    if path == TZ_CHAT:
        assert seen.calls[0][0] == "a" and seen.calls[1][0].startswith("call_")


@BOTH
@pytest.mark.parametrize("split", [0, 1], ids=["whole", "bytes"])
def test_finish_stop_although_calls_were_made(signet, mock, path, model, split):
    """providers-openai §8 #14, #74: the calls are delivered; `stop` stays on TensorZero's routes, /v1 says tool_calls (surfaces §1.6)."""
    seen = ask(signet, mock, path, model, [calls(t(0, "a", "f", "{}")), *STOP], split)
    assert seen.calls == [("a", "f", "{}")]
    assert seen.finish == ("tool_calls" if path == CHAT else "stop")


@BOTH
@pytest.mark.parametrize("split", [0, 1], ids=["whole", "bytes"])
def test_custom_call(signet, mock, path, model, split):
    """providers-openai §8 #18."""
    entry = {"index": 0, "id": "c", "type": "custom", "custom": {"name": "sql", "input": "SEL"}}
    mock.then(sse([chunk({"tool_calls": [entry]}), *END], split=split))
    got = raw.post(signet.port, path, chat(model, stream=True, tools=[{"type": "custom", "custom": {"name": "sql"}}]))
    joined = ""
    for event in got.events()[:-1]:
        for choice in json.loads(event)["choices"]:
            for call in choice["delta"].get("tool_calls") or []:
                joined += (call.get("custom") or {}).get("input") or (call.get("function") or {}).get("arguments") or ""
    assert joined == "SEL" and '"error"' not in got.text


TEXTS = {
    # name: (events, done, text, finish on TensorZero's routes, finish on /v1)
    "#15 tool_calls [] beside content": ([chunk({"content": "x", "tool_calls": []}), *STOP], True, "x", "stop"),
    "#15 tool_calls null beside content": ([chunk({"content": "x", "tool_calls": None}), *STOP], True, "x", "stop"),
    "#19 no role at all": ([chunk({"content": "x"}), *STOP], True, "x", "stop"),
    "#19 role on each": ([chunk({"role": "assistant", "content": "x"}), chunk({"role": "assistant", "content": "y"}), *STOP], True, "xy", "stop"),
    "#20 usage chunk": ([chunk({"content": "x"}), *STOP], True, "x", "stop"),
    "#27 Azure's prompt filter chunk": ([{"id": "", "choices": [], "prompt_filter_results": [{"prompt_index": 0}]}, chunk({"content": "x"}), *STOP], True, "x", "stop"),
    "#28 Azure's chunk without delta": ([chunk({"content": "x"}), {"id": "", "choices": [{"index": 0, "finish_reason": None, "content_filter_offsets": {}}]}, *STOP], True, "x", "stop"),
    "#31 comment": ([Raw(b": OPENROUTER PROCESSING\n\n"), chunk({"content": "x"}), *STOP], True, "x", "stop"),
    "#32 keep-alive as data": ([Raw(b"data: : keepalive\n\n"), chunk({"content": "x"}), *STOP], True, "x", "stop"),
    "#33 no blank": ([Raw(b"data:" + json.dumps(chunk({"content": "x"})).encode() + b"\n\n"), *STOP], True, "x", "stop"),
    "#33 CRLF": ([Raw(b"data: " + json.dumps(chunk({"content": "x"})).encode() + b"\r\n\r\n"), *STOP], True, "x", "stop"),
    "#33 lone CR": ([Raw(b"data: " + json.dumps(chunk({"content": "x"})).encode() + b"\r\r"), *STOP], True, "x", "stop"),
    "#33 BOM": ([Raw(b"\xef\xbb\xbfdata: " + json.dumps(chunk({"content": "x"})).encode() + b"\n\n"), *STOP], True, "x", "stop"),
    "#33 data over several lines": ([Raw(b'data: {"id":"i","choices":[{"index":0,\ndata: "delta":{"content":"x"},"finish_reason":null}]}\n\n'), *STOP], True, "x", "stop"),
    "#34 multi-byte characters": ([chunk({"content": "é€"}), chunk({"content": "\U0001f600"}), *STOP], True, "é€\U0001f600", "stop"),
    "#39 end without [DONE], finish seen": ([chunk({"content": "x"}), *STOP], False, "x", "stop"),
    "#42 [DONE] without finish reason": ([chunk({"content": "x"}), usage_chunk()], True, "x", None),
    "#43 finish reason '' on every chunk": ([chunk({"content": "x"}, ""), chunk({"content": "y"}, ""), chunk({}, "length"), usage_chunk()], True, "xy", "length"),
    "#44 a new finish reason": ([chunk({"content": "x"}), chunk({}, "insufficient_system_resource"), usage_chunk()], True, "x", None),
    "surfaces #56 no finish_reason key": ([{"id": "i", "choices": [{"index": 0, "delta": {"content": "x"}}]}, *STOP], True, "x", "stop"),
}


@BOTH
@pytest.mark.parametrize("split", [0, 1], ids=["whole", "bytes"])
@pytest.mark.parametrize("name", TEXTS)
def test_texts(signet, mock, name, path, model, split):
    """providers-openai §8 #15, #19, #20, #27, #28, #31-34, #39, #42-44; surfaces §8.4 #56."""
    events, done, text, finish = TEXTS[name]
    seen = ask(signet, mock, path, model, events, split, done=done)
    assert (seen.text, seen.errors, seen.calls) == (text, [], [])
    if finish:
        assert (seen.finish, seen.finishes) == (finish, 1)
    assert seen.usage["prompt_tokens"] == 11


@BOTH
def test_null_content_beside_a_call_is_no_text(signet, mock, path, model):
    """providers-openai §8 #16."""
    mock.then(sse([chunk({"role": "assistant", "content": None, "tool_calls": [t(0, "a", "f", "{}")]}), *END]))
    got = raw.post(signet.port, path, chat(model, stream=True, tools=[TOOL]))
    assert Seen(got.events()).text == ""
    mock.then(json_answer(chat_answer(None, message={"tool_calls": [tool_call("a", "f", "{}")]}, finish_reason="tool_calls")))
    message = raw.post(signet.port, path, chat(model, tools=[TOOL])).json["choices"][0]["message"]
    assert message["content"] is None


@BOTH
def test_call_without_arguments(signet, mock, path, model):
    """providers-openai §8 #12: `` comes to the client unchanged and goes back as {}."""
    mock.then(json_answer(chat_answer(None, message={"tool_calls": [tool_call("a", "f", "")]}, finish_reason="tool_calls")))
    message = raw.post(signet.port, path, chat(model, tools=[TOOL])).json["choices"][0]["message"]
    assert message["tool_calls"][0]["function"]["arguments"] == ""
    raw.post(signet.port, path, {"model": model, "messages": [{"role": "user", "content": "x"}, {"role": "assistant", "tool_calls": message["tool_calls"]},
                                                              {"role": "tool", "tool_call_id": "a", "content": "y"}]})
    assert mock.last().json["messages"][1]["tool_calls"][0]["function"]["arguments"] == "{}"


U1 = {"prompt_tokens": 5, "completion_tokens": 1, "total_tokens": 6}
U3 = {"prompt_tokens": 5, "completion_tokens": 3, "total_tokens": 8}
USAGES = {
    "#21 after the finish chunk": ([chunk({"content": "x"}), chunk({}, "stop"), chunk(choices=[], usage=U3)], (5, 3)),
    "#22 cumulative": ([chunk({"content": "x"}, usage={**U3, "completion_tokens": n}) for n in (1, 2, 3)] + [chunk({}, "stop")], (5, 3)),
    "#23 null at the end": ([chunk({"content": "x"}, usage=U3), chunk({}, "stop", usage=None)], (5, 3)),
    "#24 twice": ([chunk({"content": "x"}), chunk({}, "stop", usage=U3), chunk(choices=[], usage=U3)], (5, 3)),
    "#26 floats": ([chunk({"content": "x"}), chunk({}, "stop"), chunk(choices=[], usage={"prompt_tokens": 5.0, "completion_tokens": 3.0})], (5, 3)),
    "#26 without completion_tokens": ([chunk({"content": "x"}), chunk({}, "stop"), chunk(choices=[], usage={"prompt_tokens": 5})], (5, None)),
}


@BOTH
@pytest.mark.parametrize("split", [0, 1], ids=["whole", "bytes"])
@pytest.mark.parametrize("name", USAGES)
def test_usage(signet, mock, name, path, model, split):
    """providers-openai §8 #21-24, #26: both finish and usage arrive, once, with the right numbers."""
    events, (prompt, completion) = USAGES[name]
    mock.then(sse(events, split=split))
    got = raw.post(signet.port, path, chat(model, stream=True, stream_options={"include_usage": True}))
    seen = Seen(got.events())
    with_usage = [json.loads(e)["usage"] for e in got.events()[:-1] if json.loads(e).get("usage")]
    assert len(with_usage) == 1
    assert seen.usage["prompt_tokens"] == prompt
    assert seen.usage.get("completion_tokens") in ((completion,) if path == TZ_CHAT or completion is not None else (None, 0))
    assert (seen.finish, seen.text.strip("x"), seen.errors) == ("stop", "", [])


@BOTH
def test_content_filter_400(signet, mock, path, model):
    """providers-openai §8 #29: a client error whose code is kept; the next provider is tried."""
    refused = error(400, "The response was filtered", code="content_filter", innererror={"code": "ResponsibleAIPolicyViolation"})
    mock.then(refused)
    got = raw.post(signet.port, path, chat(model))
    assert got.status == (400 if path == CHAT else 502)
    if path == CHAT:
        assert got.json["error"]["code"] in ("content_filter", "content_policy_violation")
    mock.then(refused, json_answer(chat_answer("second")))
    assert raw.post(signet.port, path, chat(model.replace("m", "two") if path == CHAT else TZ + "two")).status == 200


@BOTH
def test_429_with_retry_after(signet, mock, path, model):
    """providers-openai §8 #30."""
    mock.then(error(429, "slow", headers=[("retry-after", "45")]))
    got = raw.post(signet.port, path, chat(model))
    assert got.status == (429 if path == CHAT else 502)
    if path == CHAT:
        assert got.headers["retry-after"] == "45" and got.message == "slow"


@BOTH
@pytest.mark.parametrize("split", [0, 1], ids=["whole", "bytes"])
@pytest.mark.parametrize("event,text", [
    ({"error": {"message": "overloaded", "code": 502}}, ""),
    ({"error": {"message": "overloaded", "code": 502}, "choices": [{"index": 0, "delta": {"content": ""}, "finish_reason": "error"}]}, ""),
    ({"id": "i", "choices": [{"index": 0, "delta": {"content": ""}, "finish_reason": "error", "error": {"message": "overloaded"}}]}, ""),
    ({"error": "overloaded"}, ""),
], ids=["error", "error with choices", "error in the choice", "error as text"])
def test_error_in_a_200_stream(signet, mock, path, model, event, text, split):
    """providers-openai §8 #35, #36: before the first text the next provider is tried, after it the stream fails."""
    two = "two" if path == CHAT else TZ + "two"
    seen = ask(signet, mock, path, two, [chunk({"content": "Half"}), event], split)
    assert seen.text == "Half" and len(seen.errors) == 1 and "overloaded" in seen.errors[0] and not seen.finish
    assert len(mock.requests) == 1
    mock.reset()
    mock.then(sse([event], split=split), sse([chunk({"content": "second"}), *STOP]))
    got = raw.post(signet.port, path, chat(two, stream=True))
    assert Seen(got.events()).text == "second" and len(mock.requests) == 2


@BOTH
def test_json_instead_of_a_stream(signet, mock, path, model):
    """providers-openai §8 #37."""
    two = "two" if path == CHAT else TZ + "two"
    mock.then(json_answer({"error": {"message": "no streams today"}}), sse([chunk({"content": "second"}), *STOP]))
    assert Seen(raw.post(signet.port, path, chat(two, stream=True)).events()).text == "second"
    mock.then(json_answer({"error": {"message": "no streams today"}}))
    got = raw.post(signet.port, path, chat(model, stream=True))
    assert got.status == 502 and "no streams today" in got.message


@BOTH
@pytest.mark.parametrize("split", [0, 1], ids=["whole", "bytes"])
def test_end_without_done_and_finish(signet, mock, path, model, split):
    """providers-openai §8 #40: the text, then an error, never a success."""
    seen = ask(signet, mock, path, model, [chunk({"content": "Half"})], split, done=False, end=CLOSE)
    assert seen.text == "Half" and not seen.finish
    assert len(seen.errors) == 1 and "Stream ended without finish reason" in seen.errors[0]


@BOTH
def test_max_tokens_goes_out_under_the_name_of_its_route(signet, mock, path, model):
    """providers-openai §8 #45, #47: on TensorZero's route never the old name; temperature is sent as set, a 400 comes back with its text,
    extra_body deletes it."""
    mock.then(error(400, "Unsupported value: 'temperature' does not support 0.3 with this model."))
    got = raw.post(signet.port, path, chat(model, max_tokens=5, temperature=0.3))
    assert "does not support 0.3" in got.message
    assert {k: v for k, v in mock.last().json.items() if k.startswith("max_")} == {"max_tokens" if path == CHAT else "max_completion_tokens": 5}
    assert mock.last().json["temperature"] == 0.3
    raw.post(signet.port, path, chat(model, temperature=0.3, **{"tensorzero::extra_body": [{"pointer": "/temperature", "delete": True}]}))
    assert "temperature" not in mock.last().json and not [k for k in mock.last().json if k.startswith("tensorzero")]


@BOTH
def test_reasoning_goes_back_with_the_calls(signet, mock, path, model):
    """providers-openai §8 #49: reasoning_content beside tool_calls, also when there is no text."""
    assistant = {"role": "assistant", "content": None, "tool_calls": [tool_call("a", "f", "{}")]}
    if path == CHAT:
        assistant["reasoning_content"] = "hm"
    else:
        assistant["tensorzero_extra_content"] = [{"type": "thought", "text": "hm"}]
    raw.post(signet.port, path, {"model": model, "messages": [{"role": "user", "content": "x"}, assistant, {"role": "tool", "tool_call_id": "a", "content": "y"}]})
    sent = mock.last().json["messages"][1]
    assert sent["reasoning_content"] == "hm" and sent["tool_calls"][0]["id"] == "a"


@BOTH
@pytest.mark.parametrize("split", [0, 1], ids=["whole", "bytes"])
@pytest.mark.parametrize("delta", [{"reasoning": None, "reasoning_content": "h"}, {"reasoning": "h", "reasoning_content": "h"}, {"reasoning": "h"}], ids=str)
def test_reasoning_comes_once(signet, mock, path, model, delta, split):
    """providers-openai §8 #50, #51."""
    mock.then(sse([chunk(delta), chunk({"content": "a"}), *STOP], split=split), json_answer(chat_answer("a", message=delta)))
    got = raw.post(signet.port, path, chat(model, stream=True))
    seen = Seen(got.events())
    assert (seen.text, seen.errors) == ("a", [])
    if path == TZ_CHAT:
        assert seen.reasoning == "h"
    else:
        assert got.text.count('"h"') >= 1
    message = raw.post(signet.port, path, chat(model)).json["choices"][0]["message"]
    if path == TZ_CHAT:
        assert [e["text"] for e in message["tensorzero_extra_content"]] == ["h"]
    else:
        assert message.get("reasoning_content", message.get("reasoning")) == "h"


@BOTH
@pytest.mark.parametrize("split", [0, 1], ids=["whole", "bytes"])
@pytest.mark.parametrize("content", [..., ""], ids=["alone", "beside empty content"])
def test_refusal(signet, mock, path, model, content, split):
    """providers-openai §8 #57, #58: a refusal is no empty answer, and no empty text block stands beside it."""
    delta = {"refusal": "No."} if content is ... else {"refusal": "No.", "content": content}
    mock.then(sse([chunk(delta), *STOP], split=split), json_answer(chat_answer(None if content is ... else "", message={"refusal": "No."})))
    got = raw.post(signet.port, path, chat(model, stream=True))
    message = raw.post(signet.port, path, chat(model)).json["choices"][0]["message"]
    assert Seen(got.events()).errors == []
    if path == CHAT:
        assert Seen(got.events()).refusal == "No."
        assert message["refusal"] == "No."
    assert not message["content"]


@BOTH
def test_choice_and_parallel_without_tools(signet, mock, path, model):
    """providers-openai §8 #72, #73."""
    raw.post(signet.port, path, chat(model, tools=[], tool_choice="auto", parallel_tool_calls=True))
    assert not {"tools", "tool_choice", "parallel_tool_calls"} & mock.last().json.keys()


@BOTH
@pytest.mark.parametrize("escape", ["\\ud83d", "\\ude00"])
def test_lone_surrogates_in_arguments(signet, mock, path, model, escape):
    """providers-openai §8 #78: read, and sent on as U+FFFD, never a broken UTF-8 byte."""
    mock.then(answer('{"choices":[{"index":0,"message":{"role":"assistant","content":null,"tool_calls":[{"id":"a","type":"function","function":{"name":"f",'
                     '"arguments":"{\\"x\\":\\"%s\\"}"}}]},"finish_reason":"tool_calls"}]}' % escape))
    got = raw.post(signet.port, path, chat(model, tools=[TOOL]))
    assert got.status == 200
    assert json.loads(got.body)["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"] == '{"x":"\ufffd"}'


@BOTH
def test_deep_chunk(signet, mock, path, model):
    """providers-openai §8 #79: depth 1000 is a limit error, no crash."""
    mock.then(sse([chunk({"content": "a"}), Raw(b'data: {"choices":' + b"[" * 1000 + b"]" * 1000 + b"}\n\n"), *STOP]))
    got = raw.post(signet.port, path, chat(model, stream=True))
    seen = Seen(got.events())
    assert seen.text == "a" and seen.errors


@BOTH
@pytest.mark.parametrize("body", ["<html><body><h1>502 Bad Gateway</h1></body></html>", "", "plain"], ids=["html", "empty", "plain"])
def test_error_body_that_is_no_json(signet, mock, path, model, body):
    """providers-openai §8 #81."""
    mock.then(answer(body, 502, content_type="text/html"))
    got = raw.post(signet.port, path, chat(model))
    assert got.status == 502
    if path == TZ_CHAT:
        assert got.message.endswith("Error from openai server: " + body)
    else:
        assert "<" not in got.message


def test_no_usage_chunk_unless_asked(signet, mock):
    """surfaces §8.4 #55."""
    mock.then(sse([chunk({"content": "a"}), *STOP]))
    got = raw.post(signet.port, CHAT, chat(stream=True))
    assert all(json.loads(e)["choices"] for e in got.events()[:-1])
    assert all("usage" not in json.loads(e) for e in got.events()[:-1])


def test_long_call_ids(signet, mock):
    """surfaces §8.4 #11: an id of 43 bytes becomes 40 for openai, the same in call and result."""
    long = "call_" + "x" * 38
    raw.post(signet.port, CHAT, {"model": "m", "messages": [{"role": "user", "content": "x"}, {"role": "assistant", "tool_calls": [tool_call(long, "f", "{}")]},
                                                            {"role": "tool", "tool_call_id": long, "content": "y"}]})
    sent = mock.last().json["messages"]
    assert sent[1]["tool_calls"][0]["id"] == sent[2]["tool_call_id"]
    assert len(sent[2]["tool_call_id"]) <= 40


def test_long_tool_names(signet, mock):
    """surfaces §8.4 #13: a name of 71 characters is shortened upstream and comes back whole."""
    name = "n" * 71
    tool = {"type": "function", "function": {"name": name, "parameters": {"type": "object"}}}

    def script(conn, request):
        short = request.json["tools"][0]["function"]["name"]
        json_answer(chat_answer(None, message={"tool_calls": [tool_call("a", short, "{}")]}, finish_reason="tool_calls"))(conn, request)

    mock.then(script)
    got = raw.post(signet.port, CHAT, chat(tools=[tool]))
    assert len(mock.last().json["tools"][0]["function"]["name"]) <= 64
    assert got.json["choices"][0]["message"]["tool_calls"][0]["function"]["name"] == name


def test_images_in_tool_results(signet, mock):
    """surfaces §8.4 #14, #15: the tool messages first, the image in a user message after them, base64 never as text."""
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
    calls_ = [tool_call("a", "f", "{}"), tool_call("b", "f", "{}")]
    got = raw.post(signet.port, CHAT, {"model": "m", "messages": [
        {"role": "user", "content": "x"}, {"role": "assistant", "tool_calls": calls_},
        {"role": "tool", "tool_call_id": "a", "content": [{"type": "text", "text": "see"}, image]}, {"role": "tool", "tool_call_id": "b", "content": "y"}]})
    assert got.status == 200
    sent = mock.last().json["messages"]
    tools = [m for m in sent if m["role"] == "tool"]
    assert [m["tool_call_id"] for m in tools] == ["a", "b"]
    assert all("base64" not in m["content"] for m in tools if isinstance(m["content"], str))
