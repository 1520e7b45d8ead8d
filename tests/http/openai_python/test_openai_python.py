"""The official openai client for Python against both profiles: what an application does, as it does it."""
import json
import time

import httpx
import openai
import pytest
from pydantic import BaseModel

from lib import raw
from lib.mock import (CLOSE, HANG, Gate, answer, chat_answer, chunk, error, hang, json_answer, sse, text_chunks,
                      tool_call, usage_chunk)
from lib.signet import config, openai_model

HI = [{"role": "user", "content": "Hi"}]
PNG = "data:image/png;base64,iVBORw0KGgo="
WEATHER = {"type": "function", "function": {"name": "get_weather", "description": "Weather of a city.", "parameters": {
    "type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"], "additionalProperties": False}}}


def signet_toml(mock):
    return config(openai_model("m", mock.url) + openai_model("two", mock.url + "/a", mock.url + "/b"),
                  gateway='[object_storage]\ntype = "disabled"')


class Profile:
    def __init__(self, name, path, prefix):
        self.name, self.path, self.prefix = name, path, prefix

    def model(self, name="m"):
        return self.prefix + name

    @property
    def openai(self):
        return self.name == "openai"


PROFILES = [Profile("openai", "/v1", ""), Profile("tensorzero", "/openai/v1", raw.TZ)]


@pytest.fixture(params=PROFILES, ids=lambda p: p.name)
def profile(request):
    return request.param


@pytest.fixture
def client(signet, profile):
    with openai.OpenAI(base_url=signet.url + profile.path, api_key="none", max_retries=0, timeout=30) as c:
        yield c


def test_chat(client, mock, profile):
    mock.then(json_answer(chat_answer("Good day.", usage={"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12})))
    got = client.chat.completions.create(model=profile.model(), messages=HI, temperature=0.7, max_tokens=50, seed=7)
    assert got.choices[0].message.content == "Good day."
    assert got.choices[0].message.role == "assistant"
    assert got.choices[0].finish_reason == "stop"
    assert (got.usage.prompt_tokens, got.usage.completion_tokens, got.usage.total_tokens) == (9, 3, 12)
    assert got.created == 1767225600 if profile.openai else abs(got.created - time.time()) < 60
    sent = mock.last().json
    assert sent["temperature"] == 0.7 and sent["seed"] == 7 and sent["max_tokens" if profile.openai else "max_completion_tokens"] == 50
    if profile.openai:
        assert got.model == "m"
        assert got.id.startswith("chatcmpl-") and len(got.id) == len("chatcmpl-") + 32
    else:
        assert got.model == "tensorzero::model_name::m"


def test_ids_in_headers(client, mock, profile):
    got = client.chat.completions.with_raw_response.create(model=profile.model(), messages=HI)
    assert got.headers["x-request-id"].startswith("req_")
    assert got.headers["x-signet-inference-id"].replace("-", "") == got.parse().id.replace("chatcmpl-", "").replace("-", "")
    assert got.headers["x-signet-model"] == "m"
    assert got.headers["x-signet-provider"] == "p"


def test_stream(client, mock, profile):
    mock.then(sse(text_chunks("Grüße \U0001f600!", 5), delay=0.01))
    text, finish = "", None
    for c in client.chat.completions.create(model=profile.model(), messages=HI, stream=True):
        assert c.object == "chat.completion.chunk"
        assert not profile.openai or c.choices  # without include_usage no chunk is without a choice
        if c.choices:
            text += c.choices[0].delta.content or ""
            finish = c.choices[0].finish_reason or finish
        assert c.usage is None
    assert (text, finish) == ("Grüße \U0001f600!", "stop")


def test_stream_comes_piece_by_piece(client, mock, profile):
    gate = Gate()  # opened by the client when it has the first piece: one that comes late never would
    mock.then(sse([chunk({"content": "a"}), gate, chunk({"content": "b"}), chunk({}, "stop")]))
    seen = []
    for c in client.chat.completions.create(model=profile.model(), messages=HI, stream=True):
        if c.choices and c.choices[0].delta.content:
            seen.append((c.choices[0].delta.content, gate.is_set()))
            gate.set()
    assert seen == [("a", False), ("b", True)]


def test_usage_in_stream(client, mock, profile):
    mock.then(sse(text_chunks("Hi")[:-1] + [usage_chunk(9, 3, prompt_tokens_details={"cached_tokens": 4})]))
    chunks = list(client.chat.completions.create(model=profile.model(), messages=HI, stream=True,
                                                 stream_options={"include_usage": True}))
    with_usage = [c for c in chunks if c.usage]
    assert len(with_usage) == 1 and with_usage[0] is chunks[-1]
    usage = with_usage[0].usage
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (9, 3, 12)
    assert usage.prompt_tokens_details.cached_tokens == 4
    assert (chunks[-1].choices == []) == profile.openai


def test_stream_helper_accumulates(client, mock, profile):
    mock.then(sse([chunk({"role": "assistant", "content": "I look. "}),
                   chunk({"tool_calls": [{"index": 0, "id": "call_A", "type": "function", "function": {"name": "get_weather", "arguments": ""}}]}),
                   chunk({"tool_calls": [{"index": 0, "function": {"arguments": '{"city":'}}]}),
                   chunk({"tool_calls": [{"index": 1, "id": "call_B", "type": "function", "function": {"name": "get_weather", "arguments": ""}}]}),
                   chunk({"tool_calls": [{"index": 1, "function": {"arguments": '{"city":"Rome"}'}}]}),
                   chunk({"tool_calls": [{"index": 0, "function": {"arguments": '"Oslo"}'}}]}),
                   chunk({}, "tool_calls"), usage_chunk()]))
    with client.chat.completions.stream(model=profile.model(), messages=HI, tools=[WEATHER]) as stream:
        for _ in stream:
            pass
        final = stream.get_final_completion()
    message = final.choices[0].message
    assert message.content == "I look. "
    assert [(c.id, c.function.name, c.function.arguments) for c in message.tool_calls] == [
        ("call_A", "get_weather", '{"city":"Oslo"}'), ("call_B", "get_weather", '{"city":"Rome"}')]
    assert final.choices[0].finish_reason == "tool_calls"


def test_tools_round_trip(client, mock, profile):
    mock.then(json_answer(chat_answer(None, message={"tool_calls": [tool_call("call_1", "get_weather", '{"city":"Oslo"}')]}, finish_reason="tool_calls")),
              json_answer(chat_answer("Sunny.")))
    first = client.chat.completions.create(model=profile.model(), messages=HI, tools=[WEATHER], tool_choice="auto")
    message = first.choices[0].message
    assert first.choices[0].finish_reason == "tool_calls"
    assert message.content is None
    assert json.loads(message.tool_calls[0].function.arguments) == {"city": "Oslo"}
    # The message goes back as the client has it.
    second = client.chat.completions.create(model=profile.model(), tools=[WEATHER], messages=[
        *HI, message, {"role": "tool", "tool_call_id": message.tool_calls[0].id, "content": "sunny"}])
    assert second.choices[0].message.content == "Sunny."
    sent = mock.last().json
    assert [m["role"] for m in sent["messages"]] == ["user", "assistant", "tool"]
    assert sent["messages"][1]["tool_calls"][0]["id"] == "call_1"
    assert sent["messages"][2]["content"] == ("sunny" if profile.openai else '"sunny"')
    assert sent["messages"][2]["tool_call_id"] == "call_1"


def test_parallel_tool_calls(client, mock, profile):
    calls = [tool_call(f"call_{i}", "get_weather", json.dumps({"city": c})) for i, c in enumerate(("Oslo", "Rome", "Kyiv"))]
    mock.then(json_answer(chat_answer(None, message={"tool_calls": calls}, finish_reason="tool_calls")))
    got = client.chat.completions.create(model=profile.model(), messages=HI, tools=[WEATHER], parallel_tool_calls=True)
    assert [c.id for c in got.choices[0].message.tool_calls] == ["call_0", "call_1", "call_2"]
    assert mock.last().json["parallel_tool_calls"] is True


@pytest.mark.parametrize("choice", ["none", "auto", "required", {"type": "function", "function": {"name": "get_weather"}}], ids=str)
def test_tool_choice(client, mock, profile, choice):
    client.chat.completions.create(model=profile.model(), messages=HI, tools=[WEATHER], tool_choice=choice)
    assert mock.last().json["tool_choice"] == choice


def test_images(client, mock, profile):
    content = [{"type": "text", "text": "What?"}, {"type": "image_url", "image_url": {"url": PNG, "detail": "low"}},
               {"type": "image_url", "image_url": {"url": "https://x.example/a.png"}}]
    client.chat.completions.create(model=profile.model(), messages=[{"role": "user", "content": content}])
    assert mock.last().json["messages"][0]["content"] == content


def test_json_schema(client, mock, profile):
    class City(BaseModel):
        name: str
        people: int

    mock.then(json_answer(chat_answer('{"name":"Oslo","people":700000}')))
    got = client.chat.completions.parse(model=profile.model(), messages=HI, response_format=City)
    assert got.choices[0].message.parsed == City(name="Oslo", people=700000)
    sent = mock.last().json["response_format"]
    assert sent["type"] == "json_schema"
    assert sent["json_schema"]["strict"] is True
    assert sent["json_schema"]["schema"]["properties"].keys() == {"name", "people"}


def test_json_object(client, mock, profile):
    client.chat.completions.create(model=profile.model(), messages=[{"role": "user", "content": "as JSON"}], response_format={"type": "json_object"})
    assert mock.last().json["response_format"] == {"type": "json_object"}


def test_system_and_developer(client, mock, profile):
    client.chat.completions.create(model=profile.model(), messages=[{"role": "developer", "content": "Be brief."}, *HI])
    first = mock.last().json["messages"][0]
    assert first["content"] == "Be brief." and first["role"] in ("system", "developer")


UPSTREAM_ERRORS = [
    # upstream's status, exception and status on /v1: as the upstream said it (surfaces §1.6), but for what concerns the
    # gateway's own credential (§1.7)
    (400, openai.BadRequestError, 400),
    (404, openai.NotFoundError, 404),
    (409, openai.ConflictError, 409),
    (422, openai.UnprocessableEntityError, 422),
    (429, openai.RateLimitError, 429),
    (401, openai.InternalServerError, 502),
    (403, openai.InternalServerError, 502),
    (500, openai.InternalServerError, 500),
    (503, openai.InternalServerError, 503),
    (504, openai.InternalServerError, 504),
]


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
@pytest.mark.parametrize("status,exception,seen", UPSTREAM_ERRORS, ids=[str(e[0]) for e in UPSTREAM_ERRORS])
def test_upstream_errors(client, mock, profile, status, exception, seen, stream):
    mock.then(error(status, "the cause", type="some_type", code="some_code", param="some.param"))
    with pytest.raises(openai.APIStatusError) as caught:
        client.chat.completions.create(model=profile.model(), messages=HI, stream=stream)
    assert "the cause" in caught.value.message
    if profile.openai:
        assert caught.value.status_code == seen
        assert isinstance(caught.value, exception)
        if seen == status:
            assert (caught.value.type, caught.value.code, caught.value.param) == ("some_type", "some_code", "some.param")
        else:
            assert caught.value.code == "upstream_auth"
    else:
        assert caught.value.status_code == 502
        assert caught.value.message.find("All variants failed with errors: m: ") >= 0
    assert caught.value.request_id.startswith("req_")


def test_retry_after_reaches_the_client(client, mock, profile):
    mock.then(error(429, "slow", headers=[("retry-after", "17")]))
    with pytest.raises(openai.APIStatusError) as caught:
        client.chat.completions.create(model=profile.model(), messages=HI)
    if profile.openai:
        assert caught.value.response.headers["retry-after"] == "17"


def test_context_length(client, mock, profile):
    mock.then(error(400, "This model's maximum context length is 8 tokens.", type="invalid_request_error", code="context_length_exceeded"))
    with pytest.raises(openai.APIStatusError) as caught:
        client.chat.completions.create(model=profile.model(), messages=HI)
    if profile.openai:
        assert (caught.value.status_code, caught.value.code) == (400, "context_length_exceeded")


def test_quota(client, mock, profile):
    mock.then(error(429, "You exceeded your current quota", type="insufficient_quota", code="insufficient_quota"))
    with pytest.raises(openai.APIStatusError) as caught:
        client.chat.completions.create(model=profile.model(), messages=HI)
    if profile.openai:
        assert (caught.value.status_code, caught.value.code) == (429, "insufficient_quota")


def test_unknown_model(client, mock, profile):
    with pytest.raises(openai.APIStatusError) as caught:
        client.chat.completions.create(model=profile.model("nope"), messages=HI)
    if profile.openai:
        assert isinstance(caught.value, openai.NotFoundError)
        assert (caught.value.code, caught.value.param) == ("model_not_found", "model")
        assert caught.value.message.find("The model `nope` does not exist.") >= 0
    else:
        assert caught.value.status_code == 400
    assert not mock.requests


def test_bad_field(client, mock, profile):
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model=profile.model(), messages=HI, extra_body={"temperature": "warm"})
    assert "temperature: invalid type: string" in caught.value.message
    assert caught.value.type == "invalid_request_error"
    assert not mock.requests


def test_error_in_mid_stream(client, mock, profile):
    mock.then(sse([chunk({"content": "Half"}), {"error": {"message": "overloaded", "code": 502}}], done=False, end=CLOSE))
    text = ""
    with pytest.raises(openai.APIError, match="overloaded"):
        for c in client.chat.completions.create(model=profile.model(), messages=HI, stream=True):
            text += (c.choices[0].delta.content or "") if c.choices else ""
    assert text == "Half"


def test_cut_stream_is_an_error(client, mock, profile):
    mock.then(sse([chunk({"content": "Half"})], done=False, end=CLOSE, framing="close"))
    text = ""
    with pytest.raises(openai.APIError):
        for c in client.chat.completions.create(model=profile.model(), messages=HI, stream=True):
            text += (c.choices[0].delta.content or "") if c.choices else ""
    assert text == "Half"


def test_fallback(client, mock, profile):
    mock.then(error(500, "first"), json_answer(chat_answer("second")))
    got = client.chat.completions.create(model=profile.model("two"), messages=HI)
    assert got.choices[0].message.content == "second"
    assert [r.target for r in mock.requests] == ["/a/v1/chat/completions", "/b/v1/chat/completions"]


def test_client_retries(signet, mock, profile):
    mock.then(error(503, "busy", headers=[("retry-after", "1")]), json_answer(chat_answer("at last")))
    with openai.OpenAI(base_url=signet.url + profile.path, api_key="none", max_retries=2) as c:
        start = time.monotonic()
        got = c.chat.completions.create(model=profile.model(), messages=HI)
    assert got.choices[0].message.content == "at last"
    assert len(mock.requests) == 2
    if profile.openai:
        assert time.monotonic() - start >= 0.9  # the client waited as retry-after says


def test_client_does_not_retry_bad_requests(signet, mock):
    mock.then(error(400, "bad"))
    with openai.OpenAI(base_url=signet.url + "/v1", api_key="none", max_retries=2) as c, pytest.raises(openai.BadRequestError):
        c.chat.completions.create(model="m", messages=HI)
    assert len(mock.requests) == 1


def test_timeout_cancels_upstream(signet, mock, profile):
    mock.then(hang())
    with openai.OpenAI(base_url=signet.url + profile.path, api_key="none", max_retries=0, timeout=0.3) as c:
        with pytest.raises(openai.APITimeoutError):
            c.chat.completions.create(model=profile.model(), messages=HI)
    assert mock.wait_requests(1)[0].gone.wait(5), "the upstream call went on"


def test_cancel_stream(client, mock, profile):
    mock.then(sse([chunk({"content": "a"}), HANG], done=False))
    stream = client.chat.completions.create(model=profile.model(), messages=HI, stream=True)
    assert next(iter(stream)) is not None
    stream.close()
    assert mock.last().gone.wait(5), "the upstream call went on"


async def use_async(base, profile, mock):
    async with openai.AsyncOpenAI(base_url=base, api_key="none", max_retries=0) as c:
        import asyncio

        mock.default = json_answer(chat_answer("async"), delay=0.1)
        start = time.monotonic()
        all_ = await asyncio.gather(*[c.chat.completions.create(model=profile.model(), messages=HI) for _ in range(20)])
        assert [a.choices[0].message.content for a in all_] == ["async"] * 20
        assert time.monotonic() - start < 1.9, "twenty requests went one after another"
        mock.then(sse(text_chunks("stream")))
        text = ""
        async for part in await c.chat.completions.create(model=profile.model(), messages=HI, stream=True):
            text += (part.choices[0].delta.content or "") if part.choices else ""
        assert text == "stream"


def test_async_client(signet, mock, profile):
    import asyncio

    asyncio.run(use_async(signet.url + profile.path, profile, mock))


def test_models(client, profile):
    models = client.models.list()
    assert [m.id for m in models.data] == ["m", "two"]
    assert {m.owned_by for m in models.data} == {"openai"} and {m.object for m in models.data} == {"model"}
    assert client.models.retrieve("two").id == "two"
    with pytest.raises(openai.NotFoundError) as caught:
        client.models.retrieve("nope")
    assert caught.value.code == "model_not_found"


def test_html_error_page_is_short(client, mock, profile):
    mock.then(answer("<html><head><title>502 Bad Gateway</title></head><body><h1>Bad</h1>" + "x" * 5000 + "</body></html>", 502, content_type="text/html"))
    with pytest.raises(openai.InternalServerError) as caught:
        client.chat.completions.create(model=profile.model(), messages=HI)
    if profile.openai:
        assert "<" not in caught.value.message and len(caught.value.message) < 600


def test_keep_alive_is_used(signet, mock, profile):
    with httpx.Client() as http, openai.OpenAI(base_url=signet.url + profile.path, api_key="none", http_client=http) as c:
        for _ in range(3):
            c.chat.completions.create(model=profile.model(), messages=HI)
    assert len({r.conn.number for r in mock.requests}) == 1, "each request opened an upstream connection"


def test_unknown_fields_pass_on_v1_only(client, mock, profile):
    client.chat.completions.create(model=profile.model(), messages=HI, user="u-1", logit_bias={"50": 1}, extra_body={"odd_field": [1.50]})
    sent = mock.last()
    if profile.openai:
        assert b'"odd_field":[1.5' in sent.body and sent.json["user"] == "u-1" and sent.json["logit_bias"] == {"50": 1}
    else:
        assert not {"user", "logit_bias", "odd_field"} & sent.json.keys()


def test_refusal(client, mock, profile):
    mock.then(json_answer(chat_answer(None, message={"refusal": "No."})))
    got = client.chat.completions.create(model=profile.model(), messages=HI)
    if profile.openai:
        assert got.choices[0].message.refusal == "No."


def test_logprobs(client, mock, profile):
    up = chat_answer("Hi")
    up["choices"][0]["logprobs"] = {"content": [{"token": "Hi", "logprob": -0.25, "bytes": [72, 105], "top_logprobs": []}], "refusal": None}
    mock.then(json_answer(up))
    got = client.chat.completions.create(model=profile.model(), messages=HI, logprobs=True)
    if profile.openai:
        assert got.choices[0].logprobs.content[0].logprob == -0.25
