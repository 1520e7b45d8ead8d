"""What a client of Messages gets of other families, and other clients of Anthropic, Bedrock and Gemini: members, tiers, seals, limits, citations."""
import json

import pytest

from lib import claude, raw
from lib.aws import CLEAN, KEYS, bedrock_model, converse
from lib.mock import chat_answer, chunk, json_answer, sse, text_chunks, tool_call, usage_chunk
from lib.model.schemas import answer_complaints
from lib.record import wait_row
from lib.signet import config, openai_model

SIGNET = {"env": {**CLEAN, **KEYS, **claude.ENV, "GOOGLE_AI_STUDIO_API_KEY": "AIza-test-key-1"}}
WEIGH = {"name": "weigh", "description": "Weigh a box", "input_schema": {"type": "object", "properties": {"box": {"type": "string"}}, "required": ["box"]}}


def gemini(name, url):
    return (f'[models.{name}]\nrouting = ["g"]\n[models.{name}.providers.g]\ntype = "google_ai_studio_gemini"\nmodel_name = "gemini-3-pro"\napi_base = "{url}/v1beta"\n')


def signet_toml(mock):
    models = openai_model("chat", mock.url, model_name="gpt-x") + claude.model("own", mock.url) + gemini("gem", mock.url)
    models += claude.model("mine", mock.url, keys='api_key_location = "dynamic::client_x_api_key"')
    models += "".join(claude.model(name, mock.url, model_name=model) for name, model in CLAUDES.items())
    models += claude.model("opus", mock.url, model_name="claude-opus-4-6") + claude.model("twice", mock.url, mock.url)
    bedrock = bedrock_model("carried", mock.url, "us.anthropic.claude-sonnet-4-6-v1:0")
    models += bedrock.replace('routing = ["p"]', 'routing = ["a", "p"]') + claude.model("carried", mock.url).split("\n", 2)[2]
    return config(models, record=True)


SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"], "additionalProperties": False}


CLAUDES = {"house": "house-model", "vendor": "anthropic/claude-opus-4-1", "newest": "us.anthropic.claude-sonnet-9-v1:0", "unheard": "claude-next"}


def messages(signet, model="chat", headers=(), **fields):
    body = {"model": model, "max_tokens": 256, "messages": [{"role": "user", "content": "Hi"}], **fields}
    return raw.post(signet.port, "/v1/messages", json.dumps(body), headers)


def chat(signet, model="own", path=raw.CHAT, **fields):
    return raw.post(signet.port, path, json.dumps({"model": model, "messages": [{"role": "user", "content": "Hi"}], **fields}))


def complaints(name, value):
    return answer_complaints("anthropic.json", name, value)


def events(got):
    assert got.status == 200, got.body
    return [json.loads(b.split("\ndata: ")[1]) for b in got.body.decode().split("\n\n")[:-1]]


# -- members that the schema requires ----------------------------------------------------------------

REFUSAL = {"choices": [{"index": 0, "finish_reason": "content_filter", "message": {"role": "assistant", "content": None, "refusal": "I will not."}}]}
CACHED = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18, "prompt_tokens_details": {"cached_tokens": 4}, "completion_tokens_details": {"reasoning_tokens": 3}}


@pytest.mark.parametrize("upstream", [
    chat_answer("Hello!"), chat_answer("Hello!", usage=CACHED, service_tier="flex"), {**chat_answer(""), **REFUSAL}, {**chat_answer("Hm"), "usage": None},
    chat_answer(None, message={"reasoning_content": "Which?", "tool_calls": [tool_call("c1", "weigh", '{"box":"A"}')]}, finish_reason="tool_calls")])
def test_an_answer_made_here_has_what_the_schema_requires(signet, mock, upstream):
    mock.then(json_answer(upstream))
    got = messages(signet, tools=[WEIGH])
    assert got.status == 200 and complaints("Message", got.json) == [], got.body
    assert got.json["usage"]["service_tier"] == ("batch" if upstream.get("service_tier") == "flex" else "standard")
    assert (got.json["stop_details"] or {}).get("type") == ("refusal" if got.json["stop_reason"] == "refusal" else None)


def test_a_stream_made_here_has_what_the_schema_requires(signet, mock):
    calls = {"tool_calls": [{"index": 0, "id": "c1", "type": "function", "function": {"name": "weigh", "arguments": '{"box":"A"}'}}]}
    mock.then(sse([chunk({"reasoning_content": "Hm"}), chunk({"content": "So"}), chunk(calls), chunk({}, "tool_calls"), usage_chunk(12, 7)]))
    all = events(messages(signet, stream=True, tools=[WEIGH]))
    assert complaints("Message", all[0]["message"]) == []
    schemas = {"thinking": "ResponseThinkingBlock", "text": "ResponseTextBlock", "tool_use": "ResponseToolUseBlock"}
    starts = [e["content_block"] for e in all if e["type"] == "content_block_start"]
    assert [b["type"] for b in starts] == list(schemas) and [complaints(schemas[b["type"]], b) for b in starts] == [[], [], []]
    assert [complaints("MessageDeltaEvent", e) for e in all if e["type"] == "message_delta"] == [[]]


# -- tiers -------------------------------------------------------------------------------------------

TIERS = [("standard", "default"), ("batch", "flex"), ("priority", "priority"), ("reserved", None)]


@pytest.mark.parametrize("theirs,ours", TIERS)
def test_a_tier_of_anthropic_in_openais_words(signet, mock, theirs, ours):
    usage = {**claude.USAGE, "service_tier": theirs}
    mock.then(claude.answer("Hello", usage=usage), claude.answer("Hello", usage=usage), sse([claude.start(usage), *claude.text_block(0, "Hello"), *claude.end(usage=usage)], done=False))
    assert chat(signet).json.get("service_tier") == ours
    said = raw.post(signet.port, "/v1/responses", json.dumps({"model": "own", "input": "Hi"})).json
    assert said["service_tier"] == (ours or "default")
    chunks = [json.loads(e) for e in chat(signet, stream=True).events()[:-1]]
    assert {c.get("service_tier") for c in chunks} <= {None, ours} and "standard" not in json.dumps(chunks)


# -- seals behind the last text (Claude Code takes the last block for the answer) ---------------------

def reply(*parts, finish="STOP"):
    return {"candidates": [{"content": {"role": "model", "parts": list(parts)}, "index": 0, **({"finishReason": finish} if finish else {})}],
            "usageMetadata": {"promptTokenCount": 30, "candidatesTokenCount": 8, "totalTokenCount": 38}, "modelVersion": "g", "responseId": "r1"}


def kinds(all):
    return [e["content_block"]["type"] for e in all if e["type"] == "content_block_start"]


SEAL = {"text": "", "thoughtSignature": "s1"}


def test_the_last_block_of_a_stream_is_the_text(signet, mock):
    mock.then(sse([reply({"text": "Hm", "thought": True}, finish=None), reply({"text": "Hel"}, finish=None), reply({"text": "lo"}, finish=None), reply(SEAL)], done=False))
    all = events(messages(signet, "gem", stream=True))
    assert kinds(all) == ["thinking", "text"] and "".join(e["delta"].get("text", "") for e in all if e["type"] == "content_block_delta") == "Hello"


def test_a_seal_before_something_else_keeps_its_place_in_a_stream(signet, mock):
    call = {"functionCall": {"name": "weigh", "args": {"box": "A"}}, "thoughtSignature": "s2"}
    mock.then(sse([reply({"text": "So"}, finish=None), reply(SEAL, finish=None), reply(call)], done=False))
    assert kinds(events(messages(signet, "gem", stream=True, tools=[WEIGH]))) == ["text", "redacted_thinking", "redacted_thinking", "tool_use"]
    mock.then(sse([reply({"text": "So"}, finish=None), reply(SEAL, finish=None), reply({"text": " it is"})], done=False))
    assert kinds(events(messages(signet, "gem", stream=True))) == ["text", "redacted_thinking", "text"]


def test_a_seal_at_the_end_of_a_plain_answer_stands_before_the_text_and_goes_back(signet, mock):
    mock.then(json_answer(reply({"text": "Hello"}, SEAL)), json_answer(reply({"text": "ok"})))
    content = messages(signet, "gem").json["content"]
    assert [b["type"] for b in content] == ["redacted_thinking", "text"]
    messages(signet, "gem", messages=[{"role": "user", "content": "Hi"}, {"role": "assistant", "content": content}, {"role": "user", "content": "More"}])
    assert mock.last().json["contents"][1] == {"role": "model", "parts": [{"thoughtSignature": "s1", "text": "Hello"}]}


# -- max_tokens that nobody gave (providers-others §2.2, §2.6) ----------------------------------------

@pytest.mark.parametrize("name,tokens", [("vendor", 32000), ("newest", 128000)])
def test_a_model_behind_a_vendors_prefix_has_its_familys_length(signet, mock, name, tokens):
    mock.then(claude.answer("Hello"))
    assert chat(signet, name).status == 200 and mock.last().json["max_tokens"] == tokens


@pytest.mark.parametrize("name", ["house", "unheard"])
def test_a_length_that_nobody_knows_is_the_requests_to_mend(signet, mock, name):
    before = len(mock.requests)
    got = chat(signet, name)
    assert got.status == 400 and "Please set `max_tokens`" in got.json["error"]["message"], got.body
    assert len(mock.requests) == before


# -- what an upstream says of its limits (surfaces §5.8) ----------------------------------------------

LIMITS = [("anthropic-ratelimit-requests-limit", "50"), ("anthropic-ratelimit-requests-remaining", "49"),
          ("anthropic-ratelimit-requests-reset", "2026-12-01T00:00:00Z"), ("anthropic-ratelimit-unified-status", "allowed"), ("anthropic-organization-id", "org-1")]


def limits_of(got):
    return {k: v for k, v in got.headers.items() if "ratelimit" in k or k.startswith(("anthropic-", "x-codex-"))}


def with_limits(status, value, limits):
    return json_answer(value, status=status, headers=limits)


@pytest.mark.parametrize("stream", [False, True])
def test_limits_go_back_to_a_client_of_the_same_family(signet, mock, stream):
    mock.then(sse([claude.start(), *claude.text_block(0, "Hello"), *claude.end()], done=False, headers=LIMITS) if stream
              else with_limits(200, claude.message("Hello"), LIMITS))
    assert limits_of(messages(signet, "own", stream=stream)) == dict(LIMITS[:3])
    mock.then(with_limits(429, {"type": "error", "error": {"type": "rate_limit_error", "message": "slow"}}, [*LIMITS, ("retry-after", "7")]))
    got = messages(signet, "own")
    assert got.status == 429 and limits_of(got) == dict(LIMITS[:3]) and got.headers["retry-after"] == "7"
    mock.then(with_limits(200, claude.message("Hello"), LIMITS))
    assert limits_of(chat(signet)) == {}
    mock.then(with_limits(400, {"type": "error", "error": {"type": "invalid_request_error", "message": "no"}}, LIMITS))
    assert limits_of(messages(signet, "own")) == {}


def test_limits_of_a_clients_own_key_are_told_whole(signet, mock):
    mock.then(with_limits(200, claude.message("Hello"), LIMITS))
    assert limits_of(messages(signet, "mine", headers=[("x-api-key", "sk-mine")])) == dict(LIMITS)


def test_limits_of_openai_go_back_to_its_clients_on_v1_only(signet, mock):
    told = [("x-ratelimit-remaining-tokens", "149984"), ("x-ratelimit-reset-tokens", "6m0s"), ("x-codex-primary-used-percent", "3")]
    answers = [with_limits(200, chat_answer("Hello"), told) for _ in range(3)]
    mock.then(*answers)
    assert limits_of(chat(signet, "chat")) == dict(told)
    assert limits_of(messages(signet)) == {}
    assert limits_of(chat(signet, "tensorzero::model_name::chat", path="/openai/v1/chat/completions")) == {}


def test_a_limit_with_a_control_character_is_left_out(signet, mock):
    mock.then(with_limits(200, claude.message("Hello"), [("anthropic-ratelimit-tokens-limit", "1\x012"), LIMITS[0]]))
    got = messages(signet, "own")
    assert got.status in (200, 502) and "anthropic-ratelimit-tokens-limit" not in got.headers


# -- citations (surfaces §6.5) -----------------------------------------------------------------------

def web(url, **more):
    return {"type": "web_search_result_location", "url": url, "title": "T", "encrypted_index": "e", "cited_text": "c", **more}


PAGE = {"type": "char_location", "cited_text": "c", "document_index": 0, "document_title": None, "start_char_index": 0, "end_char_index": 1}
CITED = [{"type": "text", "text": "Ünd: "}, {"type": "text", "text": "die Erde 🌍", "citations": [web("https://a"), PAGE]},
         {"type": "text", "text": " kreist.", "citations": [{"type": "search_result_location", "source": "https://b", "title": None, "cited_text": "c",
                                                                "search_result_index": 0, "start_block_index": 0, "end_block_index": 1}]}]
PLACES = [{"url": "https://a", "title": "T", "start_index": 5, "end_index": 15}, {"url": "https://b", "title": "", "start_index": 15, "end_index": 23}]
NESTED = [{"type": "url_citation", "url_citation": p} for p in PLACES]


def cited_stream():
    parts = [claude.start()]
    for i, b in enumerate(CITED):
        parts += claude.block(i, *[("citations_delta", "citation", c) for c in b.get("citations", [])], ("text_delta", "text", b["text"][:4]),
                              ("text_delta", "text", b["text"][4:]), type="text", text="", citations=[])
    return sse([*parts, *claude.end()], done=False)


def test_citations_are_annotations_of_chat(signet, mock):
    mock.then(claude.answer(*CITED), cited_stream())
    message = chat(signet).json["choices"][0]["message"]
    assert message["content"] == "Ünd: die Erde 🌍 kreist." and message["annotations"] == NESTED
    assert [message["content"][p["start_index"]:p["end_index"]] for p in PLACES] == ["die Erde 🌍", " kreist."]
    chunks = [json.loads(e)["choices"][0]["delta"] for e in chat(signet, stream=True).events()[:-1] if json.loads(e)["choices"]]
    assert [c["annotations"] for c in chunks if "annotations" in c] == [NESTED]


def test_citations_are_annotations_of_each_text_of_responses(signet, mock):
    mock.then(claude.answer(*CITED))
    said = raw.post(signet.port, "/v1/responses", json.dumps({"model": "own", "input": "Hi"})).json
    parts = [p for i in said["output"] for p in i["content"]]
    assert [a for p in parts for a in p["annotations"]] == [
        {"type": "url_citation", "url": "https://a", "title": "T", "start_index": 0, "end_index": 10},
        {"type": "url_citation", "url": "https://b", "title": "", "start_index": 0, "end_index": 8}]


def test_citations_that_have_no_url_or_no_room_are_left_out(signet, mock):
    odd = [PAGE, web(""), web(None), web("https://" + "x" * 200000), {"type": 7}, "x", None, web("https://c")]
    mock.then(claude.answer({"type": "text", "text": "Hi", "citations": odd}))
    assert [a["url_citation"]["url"] for a in chat(signet).json["choices"][0]["message"]["annotations"]] == ["https://c"]
    mock.then(claude.answer({"type": "text", "text": "Hi", "citations": [web("https://" + "x" * 60000)] * 20}))
    kept = chat(signet).json["choices"][0]["message"]["annotations"]
    assert 10 < len(kept) < 20


def test_tensorzeros_route_and_messages_do_not_change(signet, mock):
    mock.then(claude.answer(*CITED), claude.answer(*CITED))
    got = chat(signet, "tensorzero::model_name::own", path="/openai/v1/chat/completions").json
    assert "annotations" not in got["choices"][0]["message"]
    assert messages(signet, "own").json["content"] == CITED


# -- a hostile upstream ------------------------------------------------------------------------------

def delta(index, type, **fields):
    return claude.event("content_block_delta", index=index, delta={"type": type, **fields})


def begun(index, **block):
    return claude.event("content_block_start", index=index, content_block=block)


ODD = {
    "a delta before any block": [delta(0, "text_delta", text="a")],
    "a delta of a block that never opened": [*claude.text_block(0, "a"), delta(7, "text_delta", text="b"), delta(8, "citations_delta", citation=web("https://a"))],
    "an index twice": [begun(0, type="text", text="a"), begun(0, type="text", text="b"), claude.event("content_block_stop", index=0)],
    "a stop twice": [*claude.text_block(0, "a"), claude.event("content_block_stop", index=0), claude.event("content_block_stop", index=9)],
    "indices that are none": [begun(-1, type="text", text="a"), begun("x", type="text", text="b"), begun(None, type="text", text="c"), begun(2**64, type="text", text="d")],
    "blocks that are none": [begun(0), claude.event("content_block_start", index=1, content_block=7), claude.event("content_block_start", index=2),
                             *claude.text_block(3, "a")],
    "deltas that are none": [begun(0, type="text", text="a"), claude.event("content_block_delta", index=0, delta=None), delta(0, "text_delta", text=7),
                             delta(0, "citations_delta", citation=7), delta(0, "citations_delta"), delta(0, "future_delta", x=1)],
    "usage below zero and beyond all": [*claude.text_block(0, "a"), claude.event("message_delta", delta={"stop_reason": "end_turn"},
                                                                              usage={"input_tokens": -5, "output_tokens": 2**70, "service_tier": 7, "cache_creation": []})],
    "two beginnings": [claude.start(), *claude.text_block(0, "a"), claude.start()],
    "types that are none": [claude.event("future_event", x=[[]]), claude.Raw(b"event: x\ndata: {\"type\":7}\n\n"), claude.Raw(b"data: []\n\n"), *claude.text_block(0, "a")],
}


@pytest.mark.parametrize("name", ODD)
@pytest.mark.parametrize("surface", ["chat", "messages", "responses"])
def test_odd_events_of_an_upstream_break_nothing(signet, mock, name, surface):
    mock.then(sse([claude.start(), *ODD[name], *claude.end()], done=False))
    if surface == "chat":
        got = chat(signet, stream=True)
        assert got.status == 200 and got.events()[-1] == "[DONE]", got.body
        assert all(json.loads(e).get("choices") is not None or "error" in json.loads(e) for e in got.events()[:-1]), got.body
    elif surface == "messages":
        assert events(messages(signet, "own", stream=True))[-1]["type"] in ("message_stop", "error")
    else:
        got = raw.post(signet.port, "/v1/responses", json.dumps({"model": "own", "input": "Hi", "stream": True}))
        assert json.loads(got.events()[-1])["type"] in ("response.completed", "response.failed", "error"), got.body
    usage = [e for e in got.events() if '"usage":{' in e] if surface != "messages" else []
    assert not any(":-" in e.split('"usage":{', 1)[1] for e in usage), usage
    mock.then(claude.answer("alive"))
    assert chat(signet).json["choices"][0]["message"]["content"] == "alive"


DEEP = "[" * 50000 + "]" * 50000
WRONG = [7, -1, 1e400, "x", True, [], {}, [[]], [None], {"type": 7}, {"type": "text"}, [{"type": []}], [{"type": "tool_result"}], None]
MEMBERS = ["max_tokens", "messages", "system", "stream", "temperature", "top_p", "top_k", "stop_sequences", "tools", "tool_choice", "thinking", "output_config",
           "output_format", "metadata", "service_tier", "cache_control", "mcp_servers", "container", "tensorzero::tags", "tensorzero::credentials", "tensorzero::dryrun"]


@pytest.mark.parametrize("member", MEMBERS)
def test_each_member_of_a_wrong_type_is_told_or_ignored(signet, mock, member):
    for value in WRONG if member != "stream" else [v for v in WRONG if v is not True]:
        for model in ("chat", "own"):
            mock.then(json_answer(chat_answer("ok")) if model == "chat" else claude.answer("ok"))
            got = messages(signet, model, **{member: value})
            assert got.status in (200, 400, 404), (member, value, got.status, got.body)
            if got.status != 200:
                assert got.json["type"] == "error" and got.json["error"]["message"], got.body
            mock.reset()


def test_a_model_of_a_wrong_type_is_told(signet):
    for value in [v for v in WRONG if v not in ("x", 1e400)]:
        got = messages(signet, value)
        assert got.status == 400 and got.json["error"]["message"].startswith("model"), (value, got.body)


@pytest.mark.parametrize("body", [
    f'{{"model":"chat","max_tokens":9,"messages":{DEEP}}}',
    f'{{"model":"chat","max_tokens":9,"messages":[{{"role":"user","content":{DEEP}}}]}}',
    f'{{"model":"own","max_tokens":9,"metadata":{DEEP},"messages":[{{"role":"user","content":"Hi"}}]}}',
    '{"model":"chat","max_tokens":9,"messages":[{"role":"user","content":"Hi"}],"tools":[' + ",".join(['{"name":"t","input_schema":{}}'] * 5000) + "]}",
    '{"model":"chat"', "", "[]", "null", '"x"', "\x00", '{"model":"chat","model":"own"}'], ids=range(11))
def test_bodies_that_are_none_are_refused(signet, mock, body):
    mock.reset()
    got = raw.post(signet.port, "/v1/messages", body)
    assert got.status in (200, 400) and got.json["type"] in ("error", "message"), got.body[:500]
    mock.reset()


def test_a_message_of_many_blocks(signet, mock):
    mock.then(json_answer(chat_answer("ok")))
    got = messages(signet, messages=[{"role": "user", "content": [{"type": "text", "text": "a"}] * 20000}])
    assert got.status in (200, 400, 413), got.body[:500]


# -- lines of known trouble, through and through -----------------------------------------------------

def test_json_mode_on_has_no_beginning_where_the_generation_takes_none(signet, mock):
    """providers-others §13 A23"""
    mock.then(claude.answer('{"a":"x"}'))
    got = chat(signet, "opus", response_format={"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA}})
    assert got.status == 200 and got.json["choices"][0]["message"]["content"] == '{"a":"x"}', got.body
    sent = mock.last().json
    assert [m["role"] for m in sent["messages"]] == ["user"] and sent["output_config"] == {"format": {"type": "json_schema", "schema": SCHEMA}}


@pytest.mark.parametrize("surface", ["chat", "messages"])
def test_an_overload_behind_the_text_is_one_error_and_nobody_else_is_asked(signet, mock, surface):
    """providers-others §13 A29"""
    mock.reset()
    mock.then(sse([claude.start(), *claude.text_block(0, "first"), claude.error_event()], done=False), claude.answer("never"))
    got = chat(signet, "twice", stream=True) if surface == "chat" else messages(signet, "twice", stream=True)
    assert b"first" in got.body and b"never" not in got.body and len(mock.requests) == 1
    all = [json.loads(e) for e in got.events() if e != "[DONE]"]
    assert [("error" in e) for e in all].count(True) == 1 and "error" in all[-1], all
    assert b'"finish_reason":"' not in got.body and b"message_stop" not in got.body
    assert wait_row(signet.data_dir, got.headers["x-signet-inference-id"])["state"] == "truncated"
    mock.reset()


def test_a_servers_own_blocks_go_back_as_they_came(signet, mock):
    """providers-others §13 A36"""
    server = {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {"query": "x"}}
    found = {"type": "web_search_tool_result", "tool_use_id": "s1", "content": [{"type": "web_search_result", "encrypted_content": "ENC=="}]}
    parts = claude.block(0, ("input_json_delta", "partial_json", '{"query":'), ("input_json_delta", "partial_json", '"x"}'), **{**server, "input": {}})
    parts += claude.block(1, **found) + claude.block(2, ("citations_delta", "citation", web("https://a")), ("text_delta", "text", "Found."), type="text", text="")
    mock.then(sse([claude.start(), *parts, *claude.end()], done=False), claude.answer("ok"))
    path, fields = "/openai/v1/chat/completions", {"model": "tensorzero::model_name::own"}
    deltas = [c["delta"] for e in chat(signet, path=path, stream=True, **fields).events()[:-1] for c in json.loads(e)["choices"]]
    assert not any(d.get("tool_calls") for d in deltas)
    extra = [x for d in deltas for x in d.get("tensorzero_extra_content", [])]
    history = [{"role": "user", "content": "?"}, {"role": "assistant", "content": "Found.", "tensorzero_extra_content": extra}, {"role": "user", "content": "More"}]
    assert chat(signet, path=path, messages=history, **fields).status == 200
    assert [b for b in mock.last().json["messages"][1]["content"] if b["type"] != "text"] == [server, found]


def test_marks_stay_where_they_are_over_anthropic_and_then_bedrock(signet, mock):
    """providers-others §13 A38"""
    mark = {"cache_control": {"type": "ephemeral"}}
    history = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": [claude.tool_use("t1", "weigh", {"box": "A"})]},
               {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": "4 kg", **mark}]}]
    mock.reset()
    mock.then(claude.error(529, "busy"), converse({"text": "ok"}))
    got = messages(signet, "carried", messages=history, tools=[{**WEIGH, "name": "other"}, {**WEIGH, **mark}])
    assert got.status == 200 and len(mock.requests) == 2, got.body
    first, second = (r.json for r in mock.requests)
    assert [t.get("cache_control") for t in first["tools"]] == [None, mark["cache_control"]]
    assert first["messages"][2]["content"][0]["cache_control"] == mark["cache_control"]
    assert [list(t)[0] for t in second["toolConfig"]["tools"]] == ["toolSpec", "toolSpec", "cachePoint"]
    assert [list(b)[0] for b in second["messages"][2]["content"]] == ["toolResult", "cachePoint"]
    mock.reset()


@pytest.mark.parametrize("status,type,size", [(400, "image/png", 6 << 20), (413, "application/pdf", 40 << 20)])
def test_a_file_that_the_vendor_finds_too_large_is_sent_once(signet, mock, status, type, size):
    """providers-others §13 A44"""
    mock.reset()
    mock.then(claude.error(status, "exceeds the maximum"), claude.answer("never"))
    block = {"type": "image" if "image" in type else "document", "source": {"type": "base64", "media_type": type, "data": "A" * (size * 4 // 3 // 4 * 4)}}
    got = messages(signet, "own", messages=[{"role": "user", "content": [block]}])
    assert got.status == status and "exceeds" in got.json["error"]["message"] and len(mock.requests) == 1, got.body[:500]
    assert len(mock.last().body) > size
    mock.reset()
