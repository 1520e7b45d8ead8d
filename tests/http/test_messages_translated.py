"""What a client of Messages gets of other families, and other clients of Anthropic, Bedrock and Gemini: members, tiers, seals, limits, citations."""
import json

import pytest

from lib import claude, raw
from lib.mock import chat_answer, chunk, json_answer, sse, text_chunks, tool_call, usage_chunk
from lib.model.schemas import answer_complaints
from lib.signet import config, openai_model

SIGNET = {"env": {**claude.ENV, "GOOGLE_AI_STUDIO_API_KEY": "AIza-test-key-1"}}
WEIGH = {"name": "weigh", "description": "Weigh a box", "input_schema": {"type": "object", "properties": {"box": {"type": "string"}}, "required": ["box"]}}


def gemini(name, url):
    return (f'[models.{name}]\nrouting = ["g"]\n[models.{name}.providers.g]\ntype = "google_ai_studio_gemini"\nmodel_name = "gemini-3-pro"\napi_base = "{url}/v1beta"\n')


def signet_toml(mock):
    models = openai_model("chat", mock.url, model_name="gpt-x") + claude.model("own", mock.url) + gemini("gem", mock.url)
    models += claude.model("mine", mock.url, keys='api_key_location = "dynamic::client_x_api_key"')
    models += "".join(claude.model(name, mock.url, model_name=model) for name, model in CLAUDES.items())
    return config(models, record=True)


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
