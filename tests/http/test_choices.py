"""`n` > 1 (surfaces §3.1): all choices reach the client and the record, plain and streamed, as the official client reads them."""
import json

import pytest
from lib import raw, record
from lib.mock import answer, chat_answer, chunk, json_answer, sse, tool_call, usage_chunk
from lib.raw import CHAT, TZ, TZ_CHAT, chat
from lib.signet import config, openai_model
from openai import BadRequestError, OpenAI
from openai.types.chat import ChatCompletion, ChatCompletionChunk


def signet_toml(mock):
    return config(openai_model("m", mock.url) + openai_model("two", mock.url + "/a", mock.url + "/b"), record=True)


@pytest.fixture
def client(signet):
    with OpenAI(api_key="x", base_url=signet.url + "/v1", max_retries=0) as client:
        yield client


def choice(index, content=None, finish="stop", **message):
    return {"index": index, "message": {"role": "assistant", "content": content, "refusal": None, **message}, "logprobs": None, "finish_reason": finish}


def piece(index, delta, finish=None):
    return {"index": index, "delta": delta, "logprobs": None, "finish_reason": finish}


def others_of(signet, id):
    rows = record.whole(signet.data_dir, id)
    assert len(rows["ModelInference"]) == 1
    return rows["ChatInference"][0]["output"], json.loads(rows["ModelInference"][0]["other_choices"])


THREE = [choice(0, "one"), choice(1, None, "tool_calls", tool_calls=[tool_call("call_a", "f", "{}")]), choice(2, "three", "length")]


@pytest.mark.parametrize("order", [[0, 1, 2], [2, 1, 0], [1, 2, 0]])
def test_all_choices_of_a_plain_answer(signet, mock, client, order):
    mock.then(json_answer(chat_answer("", choices=[THREE[i] for i in order])))
    got = client.chat.completions.with_raw_response.create(model="m", messages=[{"role": "user", "content": "Hi"}], n=3)
    parsed = got.parse()
    assert mock.last().json["n"] == 3 and [c.index for c in parsed.choices] == order
    by = {c.index: c for c in parsed.choices}
    assert (by[0].message.content, by[2].message.content, by[2].finish_reason) == ("one", "three", "length")
    assert by[1].message.tool_calls[0].id == "call_a" and parsed.usage.total_tokens == 18
    output, others = others_of(signet, got.headers["x-signet-inference-id"])
    assert output == [{"type": "text", "text": "one"}]
    assert [(o["index"], o["finish_reason"]) for o in others] == sorted([(1, "tool_call"), (2, "length")], key=lambda o: order.index(o[0]))
    told = {o["index"]: o["output"] for o in others}
    assert told[2] == [{"type": "text", "text": "three"}] and told[1][0]["name"] == "f"


STREAM = [chunk(choices=[piece(0, {"role": "assistant", "content": ""})]), chunk(choices=[piece(1, {"role": "assistant", "content": ""})]),
          chunk(choices=[piece(0, {"content": "on"})]), chunk(choices=[piece(1, {"content": "tw"})]), chunk(choices=[piece(0, {"content": "e"})]),
          chunk(choices=[piece(1, {"content": "o"})]), chunk(choices=[piece(1, {"tool_calls": [{"index": 0, **tool_call("call_a", "f", "{")}]})]),
          chunk(choices=[piece(0, {"content": "!"})]), chunk(choices=[piece(1, {"tool_calls": [{"index": 0, "function": {"arguments": "}"}}]})]),
          chunk(choices=[piece(0, {}, "stop")]), chunk(choices=[piece(1, {}, "stop")]), usage_chunk()]


def gathered(chunks):
    out = {}
    for c in (c for e in chunks for c in e["choices"]):
        mine = out.setdefault(c["index"], {"text": "", "arguments": "", "finish": None, "roles": 0})
        mine["text"] += c["delta"].get("content") or ""
        mine["roles"] += "role" in c["delta"]
        for call in c["delta"].get("tool_calls") or []:
            mine["arguments"] += call["function"].get("arguments") or ""
        mine["finish"] = c["finish_reason"] or mine["finish"]
    return out


WANT = {0: {"text": "one!", "arguments": "", "finish": "stop", "roles": 1}, 1: {"text": "two", "arguments": "{}", "finish": "tool_calls", "roles": 1}}


def events_of(got):
    assert got.status == 200 and got.events()[-1] == "[DONE]", got.text
    return [json.loads(e) for e in got.events()[:-1]]


@pytest.mark.parametrize("split", [0, 1])
@pytest.mark.parametrize("usage", [True, False])
def test_all_choices_of_a_stream(signet, mock, usage, split):
    mock.then(sse(STREAM, split=split))
    got = raw.post(signet.port, CHAT, chat(n=2, stream=True, **({"stream_options": {"include_usage": True}} if usage else {})))
    events = events_of(got)
    assert gathered(events) == WANT and mock.last().json["n"] == 2
    assert [e["usage"]["total_tokens"] for e in events if e.get("usage")] == ([18] if usage else [])
    for e in events:
        ChatCompletionChunk.model_validate(e, strict=True)
    output, others = others_of(signet, got.headers["x-signet-inference-id"])
    assert output == [{"type": "text", "text": "one!"}]
    assert [(o["index"], o["finish_reason"], [b["type"] for b in o["output"]]) for o in others] == [(1, "stop", ["text", "tool_call"])]
    assert others[0]["output"][0]["text"] == "two" and others[0]["output"][1]["raw_arguments" if "raw_arguments" in others[0]["output"][1] else "arguments"] == "{}"


def test_the_official_client_reads_the_stream(client, mock, signet):
    mock.then(sse(STREAM))
    texts = {}
    for event in client.chat.completions.create(model="m", messages=[{"role": "user", "content": "Hi"}], n=2, stream=True):
        for c in event.choices:
            texts[c.index] = texts.get(c.index, "") + (c.delta.content or "")
    assert texts == {0: "one!", 1: "two"}


def test_choices_of_one_event(signet, mock):
    events = [chunk(choices=[piece(i, {"role": "assistant", "content": ""}) for i in range(3)]),
              chunk(choices=[piece(i, {"content": f"t{i}"}) for i in (2, 0, 1)]), chunk(choices=[piece(i, {}, f) for i, f in enumerate(["stop", "length", "stop"])])]
    mock.then(sse(events))
    got = raw.post(signet.port, CHAT, chat(n=3, stream=True))
    assert {k: (v["text"], v["finish"]) for k, v in gathered(events_of(got)).items()} == {0: ("t0", "stop"), 1: ("t1", "length"), 2: ("t2", "stop")}
    _, others = others_of(signet, got.headers["x-signet-inference-id"])
    assert [(o["index"], o["output"][0]["text"], o["finish_reason"]) for o in others] == [(1, "t1", "length"), (2, "t2", "stop")]


def test_calls_of_choices_do_not_mix(signet, mock):
    """The same index and even the same id in two choices; one of them without an index, one of them twice."""
    call = {**tool_call("call_a", "f", '{"a":'), "index": 0}
    bare = {k: v for k, v in call.items() if k != "index"}
    events = [chunk(choices=[piece(0, {"tool_calls": [call]})]), chunk(choices=[piece(1, {"tool_calls": [bare]})]),
              chunk(choices=[piece(0, {"tool_calls": [{"index": 0, "function": {"arguments": "0}"}}]})]),
              chunk(choices=[piece(1, {"tool_calls": [{"function": {"arguments": "1}"}}]})]),
              chunk(choices=[piece(0, {}, "stop")]), chunk(choices=[piece(1, {}, "tool_calls")])]
    mock.then(sse(events))
    got = raw.post(signet.port, CHAT, chat(n=2, stream=True))
    seen = gathered(events_of(got))
    assert (seen[0]["arguments"], seen[1]["arguments"], seen[0]["finish"]) == ('{"a":0}', '{"a":1}', "tool_calls")
    output, others = others_of(signet, got.headers["x-signet-inference-id"])
    assert output[0]["raw_arguments"] == '{"a":0}' and others[0]["output"][0]["arguments"] == '{"a":1}'


def test_a_stream_whose_finish_reasons_are_missing(signet, mock):
    mock.then(sse([*STREAM[:6], chunk(choices=[piece(0, {}, "length")])]))
    got = raw.post(signet.port, CHAT, chat(n=2, stream=True))
    assert {k: v["finish"] for k, v in gathered(events_of(got)).items()} == {0: "length", 1: "stop"}


def test_a_stream_that_ends_before_all_choices_do_is_broken(signet, mock):
    mock.then(sse([*STREAM[:6], chunk(choices=[piece(0, {}, "stop")])], done=False))
    got = raw.post(signet.port, CHAT, chat(n=2, stream=True))
    assert any("error" in e for e in events_of(got))


def test_an_emoji_cut_in_each_choice(signet, mock):
    halves = [json.dumps(chunk(choices=[piece(i, {"content": "a?"})])).replace("?", "\\ud83d") for i in (0, 1)]
    rest = [json.dumps(chunk(choices=[piece(i, {"content": "?b"})])).replace("?", "\\ude00") for i in (0,)]
    mock.then(sse([halves[0], chunk(choices=[piece(1, {"content": "x"})]), *rest, *STREAM[-3:]]))
    got = raw.post(signet.port, CHAT, chat(n=2, stream=True))
    assert {k: v["text"] for k, v in gathered(events_of(got)).items()} == {0: "a\U0001f600b", 1: "x"}


def test_choices_that_no_client_could_read_are_mended(signet, mock):
    mock.then(answer('{"choices":[{"message":{"content":"a"}},{"message":{"content":[{"type":"text","text":"b"}],"tool_calls":[{"function":{"name":"f","arguments":{"x":1}}}]}}]}'))
    got = raw.post(signet.port, CHAT, chat(n=2))
    ChatCompletion.model_validate(got.json, strict=True)
    assert [(c["index"], c["message"]["content"]) for c in got.json["choices"]] == [(0, "a"), (1, "b")]
    _, others = others_of(signet, got.headers["x-signet-inference-id"])
    call = got.json["choices"][1]["message"]["tool_calls"][0]
    assert call["id"] == others[0]["output"][1]["id"] and call["function"]["arguments"] == '{"x":1}'


def test_a_long_name_is_mapped_back_in_every_choice(signet, mock):
    """Names that the upstream would refuse: the answer is written anew."""
    name = "n" * 71
    tools = [{"type": "function", "function": {"name": name, "parameters": {"type": "object"}}}]
    mock.then(json_answer(chat_answer("", choices=[choice(0, "a"), choice(1, "b", "length")])),
              sse([chunk(choices=[piece(1, {"content": "b"})]), chunk(choices=[piece(0, {"content": "a"})]), chunk(choices=[piece(1, {}, "length")]),
                   chunk(choices=[piece(0, {}, "stop")])]))
    got = raw.post(signet.port, CHAT, chat(n=2, tools=tools))
    assert [(c["index"], c["message"]["content"], c["finish_reason"]) for c in got.json["choices"]] == [(0, "a", "stop"), (1, "b", "length")]
    seen = gathered(events_of(raw.post(signet.port, CHAT, chat(n=2, tools=tools, stream=True))))
    assert seen == {0: {"text": "a", "arguments": "", "finish": "stop", "roles": 1}, 1: {"text": "b", "arguments": "", "finish": "length", "roles": 1}}


@pytest.mark.parametrize("n", [1, 8])
def test_as_many_as_may_be_asked_for(signet, mock, n):
    mock.then(json_answer(chat_answer("", choices=[choice(i, str(i)) for i in range(n)])))
    got = raw.post(signet.port, CHAT, chat(n=n))
    assert [c["message"]["content"] for c in got.json["choices"]] == [str(i) for i in range(n)]


@pytest.mark.parametrize("n", [0, 9, 2**31])
def test_more_or_none_is_refused(client, mock, n):
    with pytest.raises(BadRequestError) as e:
        client.chat.completions.create(model="m", messages=[{"role": "user", "content": "Hi"}], n=n)
    assert e.value.param == "n" and not mock.requests


def test_fewer_than_asked_for_is_what_there_is(signet, mock):
    mock.then(json_answer(chat_answer("only")), sse(STREAM[:1] + [STREAM[2], STREAM[9]]))
    assert len(raw.post(signet.port, CHAT, chat(n=3)).json["choices"]) == 1
    assert gathered(events_of(raw.post(signet.port, CHAT, chat(n=3, stream=True))))[0]["text"] == "on"


def test_tensorzeros_route_knows_one(signet, mock):
    got = raw.post(signet.port, TZ_CHAT, chat(TZ + "m", n=2))
    assert got.status == 400 and "TensorZero does not support `n` other than 1" in got.message and not mock.requests


def test_a_choice_that_has_content_commits(signet, mock):
    mock.then(sse([STREAM[0], STREAM[1], {"error": {"message": "x"}}], done=False), sse(STREAM))
    assert gathered(events_of(raw.post(signet.port, CHAT, chat("two", n=2, stream=True)))) == WANT
    mock.then(sse([STREAM[0], STREAM[3], {"error": {"message": "x"}}], done=False), sse(STREAM))
    got = raw.post(signet.port, CHAT, chat("two", n=2, stream=True))
    assert "error" in got.text and '"tw"' in got.text
