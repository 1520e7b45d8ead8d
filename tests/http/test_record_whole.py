"""What is written of a request, row by row and column by column: the answer and its record are judged together (storage §2)."""
import json

import pytest

from lib import raw, record
from lib.mock import Mock, Pause, chat_answer, chunk, error, hang, json_answer, sse, text_chunks, tool_call, usage_chunk
from lib.raw import CHAT, TZ, TZ_CHAT, chat
from lib.signet import Signet, config, openai_model

WEATHER = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOLS = [{"type": "function", "function": {"name": "weather", "description": "Tells it", "parameters": WEATHER, "strict": True}},
         {"type": "function", "function": {"name": "time", "parameters": {"type": "object"}}}]
SPANS = [{"name": name, "start_ms": "ms", "end_ms": "ms"} for name in ("prepare", "wait", "answer")]
BOTH = pytest.mark.parametrize("path,model,surface", [(CHAT, "m", "chat"), (TZ_CHAT, TZ + "m", "openai")], ids=["openai", "tensorzero"])


def signet_toml(mock):
    return config(openai_model("m", mock.url) + openai_model("two", mock.url + "/a", mock.url + "/b"), record=True)


def listed(**columns):
    """A row of InferenceById, but for these columns that of a plain "Hi", answered with "Hello!"."""
    return {"id": "inference", "function_name": "tensorzero::default", "variant_name": "m", "episode_id": "episode", "function_type": "chat",
            "snapshot_hash": 1, "state": "ok", "status": 200, "error_kind": None, "surface": "chat", "stream": 0, "cached": 0, "signed": 0,
            "cut": 0, "model_name": "m", "model_provider_name": "p", "key_public_id": None, "attempts": 1, "input_tokens": 11,
            "output_tokens": 7, "estimated": 0, "cost_nano": None, "processing_time_ms": "ms", "ttft_ms": None, "finish_reason": "stop",
            "tools": 0, "preview_in": "Hi", "preview_out": "Hello!", **columns}


def chatted(**columns):
    """The same of ChatInference."""
    return {"id": "inference", "function_name": "tensorzero::default", "variant_name": "m", "episode_id": "episode",
            "input": {"messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}]},
            "output": [{"type": "text", "text": "Hello!"}], "tool_params": "", "inference_params": {"chat_completion": {}},
            "processing_time_ms": "ms", "tags": {"signet::surface": "chat"}, "extra_body": [], "ttft_ms": None, "dynamic_tools": [],
            "dynamic_provider_tools": [], "allowed_tools": None, "tool_choice": None, "parallel_tool_calls": None, "snapshot_hash": 1, **columns}


def called(request, response, **columns):
    """The same of ModelInference: the exact bytes that were sent and that came."""
    return {"id": "call", "inference_id": "inference", "raw_request": request, "raw_response": response, "model_name": "m",
            "model_provider_name": "p", "input_tokens": 11, "output_tokens": 7, "response_time_ms": "ms", "ttft_ms": None, "system": None,
            "input_messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}], "output": [{"type": "text", "text": "Hello!"}],
            "cached": 0, "finish_reason": "stop", "snapshot_hash": 1, "cost_nano": None, "provider_cache_read_input_tokens": None,
            "provider_cache_write_input_tokens": None, "function_name": "tensorzero::default", "variant_name": "m", "attempt": 1,
            "http_status": 200, "signature": None, "spans": SPANS, "other_choices": None, "provider_cache_write_1h_input_tokens": None, "reasoning_tokens": None, "price": None,
            **columns}


def ask(signet, path, body, headers=()):
    """(the answer, its record)"""
    got = raw.post(signet.port, path, body, headers)
    return got, record.whole(signet.data_dir, got.headers["x-signet-inference-id"])


def own_tags(surface):
    """Signet's tags: none on TensorZero's route."""
    return {"signet::surface": "chat"} if surface == "chat" else {}


def sent(mock, n=-1):
    return mock.requests[n].body.decode()


def text_of(value):
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


@BOTH
def test_a_plain_request(signet, mock, path, model, surface):
    got, rows = ask(signet, path, chat(model))
    assert got.json["choices"][0]["message"]["content"] == "Hello!"
    assert rows["InferenceById"] == [listed(surface=surface)]
    assert rows["ChatInference"] == [chatted(tags=own_tags(surface))]
    assert rows["ModelInference"] == [called(sent(mock), text_of(chat_answer()))]
    assert rows["RequestError"] == [] and rows["tags"] == own_tags(surface)


@BOTH
def test_a_request_with_tools(signet, mock, path, model, surface):
    calls = [tool_call("call_1", "weather", '{"city":"Paris"}'), tool_call("call_2", "weather", '{"town":1}')]
    answer = chat_answer(None, message={"tool_calls": calls}, finish_reason="tool_calls")
    mock.then(json_answer(answer))
    body = {**chat(model, tools=TOOLS, tool_choice="auto", parallel_tool_calls=False, temperature=0.7, seed=5), "tensorzero::tags": {"a": "b"},
            "messages": [{"role": "system", "content": "Be brief"}, {"role": "user", "content": "Weather in Paris?"}]}
    got, rows = ask(signet, path, body)
    choice = got.json["choices"][0]
    assert choice["finish_reason"] == "tool_calls" and choice["message"]["tool_calls"] == calls
    native = [{"type": "function", "description": t["function"].get("description", ""), "parameters": t["function"]["parameters"],
               "name": t["function"]["name"], "strict": t["function"].get("strict", False)} for t in TOOLS]
    said = [{"role": "user", "content": [{"type": "text", "text": "Weather in Paris?"}]}]
    assert rows["InferenceById"] == [listed(surface=surface, finish_reason="tool_call", tools=2, preview_in="Weather in Paris?",
                                            preview_out='weather({"city":"Paris"}) weather({"town":1})')]
    assert rows["ChatInference"] == [chatted(
        input={"system": "Be brief", "messages": said},
        output=[{"type": "tool_call", "id": "call_1", "raw_name": "weather", "raw_arguments": '{"city":"Paris"}', "name": "weather",
                 "arguments": {"city": "Paris"}},
                {"type": "tool_call", "id": "call_2", "raw_name": "weather", "raw_arguments": '{"town":1}', "name": "weather", "arguments": None}],
        tool_params={"tools_available": [{k: v for k, v in t.items() if k != "type"} for t in native], "tool_choice": "auto",
                     "parallel_tool_calls": False},
        inference_params={"chat_completion": {"temperature": 0.7, "seed": 5}}, tags={"a": "b", **own_tags(surface)},
        dynamic_tools=native, allowed_tools={"tools": ["weather", "time"], "choice": "function_default"}, tool_choice="auto",
        parallel_tool_calls=0)]
    assert rows["ModelInference"] == [called(
        sent(mock), text_of(answer), system="Be brief", input_messages=said, finish_reason="tool_call",
        output=[{"type": "tool_call", "id": c["id"], "name": "weather", "arguments": c["function"]["arguments"]} for c in calls])]
    assert rows["tags"] == {"a": "b", **own_tags(surface)}


@BOTH
def test_a_stream(signet, mock, path, model, surface):
    events = text_chunks()
    mock.then(sse([Pause(0.02), *events]))
    got, rows = ask(signet, path, chat(model, stream=True))
    assert "".join(c["delta"].get("content") or "" for e in got.events()[:-1] for c in json.loads(e)["choices"]) == "Hello!"
    assert rows["InferenceById"] == [listed(surface=surface, stream=1, ttft_ms="ms")]
    assert rows["ChatInference"] == [chatted(ttft_ms="ms", tags=own_tags(surface))]
    assert rows["ModelInference"] == [called(sent(mock), "\n".join(map(text_of, events)), ttft_ms="ms")]
    assert rows["RequestError"] == []


@BOTH
def test_a_stream_of_tool_calls(signet, mock, path, model, surface):
    def piece(i, **function):
        return chunk({"tool_calls": [{"index": i, **({"id": f"call_{i}", "type": "function"} if "name" in function else {}), "function": function}]})

    mock.then(sse([chunk({"role": "assistant", "content": None}), piece(0, name="weather", arguments=""), piece(0, arguments='{"city":'),
                   piece(0, arguments='"Rome"}'), piece(1, name="time", arguments="{}"), chunk({}, "tool_calls"), usage_chunk()]))
    _, rows = ask(signet, path, chat(model, stream=True, tools=TOOLS))
    assert rows["ChatInference"][0]["output"] == [
        {"type": "tool_call", "id": "call_0", "raw_name": "weather", "raw_arguments": '{"city":"Rome"}', "name": "weather", "arguments": {"city": "Rome"}},
        {"type": "tool_call", "id": "call_1", "raw_name": "time", "raw_arguments": "{}", "name": "time", "arguments": {}}]
    assert rows["ModelInference"][0]["output"] == [{"type": "tool_call", "id": "call_0", "name": "weather", "arguments": '{"city":"Rome"}'},
                                                   {"type": "tool_call", "id": "call_1", "name": "time", "arguments": "{}"}]
    assert (rows["InferenceById"][0]["tools"], rows["InferenceById"][0]["finish_reason"]) == (2, "tool_call")


@BOTH
def test_a_failure(signet, mock, path, model, surface):
    mock.then(error(429, "slow down", code="rate_limit_exceeded"))
    got, rows = ask(signet, path, chat(model))
    upstreams = text_of({"error": {"message": "slow down", "code": "rate_limit_exceeded"}})
    why = "Error 429 Too Many Requests from openai client: " + upstreams
    assert got.status in (429, 502)
    assert rows["InferenceById"] == [listed(surface=surface, state="error", status=got.status, error_kind="rate_limit", input_tokens=None, output_tokens=None,
                                            finish_reason=None, preview_out="")]
    assert rows["ChatInference"] == [] and rows["ModelInference"] == [] and rows["tags"] == {}
    assert rows["RequestError"] == [{
        "id": "inference", "error": f"All variants failed with errors: m: All model providers failed to infer with errors: p: {why}",
        "attempts": [{"variant": "m", "model": "m", "provider": "p", "why": "first", "delay_ms": "ms", "status": 429, "error": why,
                      "signature": None, "raw_request": sent(mock), "raw_response": upstreams}]}]


def test_a_fallback(signet, mock):
    """The answer of the second provider, and beside it what the first one did."""
    mock.then(error(503, "busy"))
    got, rows = ask(signet, CHAT, chat("two"))
    assert (got.status, got.headers["x-signet-provider"]) == (200, "p1")
    assert rows["InferenceById"] == [listed(variant_name="two", model_name="two", model_provider_name="p1", attempts=2)]
    assert rows["ModelInference"] == [called(sent(mock), text_of(chat_answer()), model_name="two", variant_name="two", model_provider_name="p1", attempt=2)]
    assert len(rows["RequestError"]) == 1 and rows["RequestError"][0]["error"] is None
    assert [(a["provider"], a["why"], a["status"], a["raw_request"]) for a in rows["RequestError"][0]["attempts"]] == [("p0", "first", 503, sent(mock, 0))]


def test_all_providers_fail(signet, mock):
    mock.then(error(500, "one"), error(500, "other"))
    _, rows = ask(signet, CHAT, chat("two"))
    assert (rows["InferenceById"][0]["attempts"], rows["InferenceById"][0]["model_provider_name"]) == (2, "p1")
    assert [(a["provider"], a["why"]) for a in rows["RequestError"][0]["attempts"]] == [("p0", "first"), ("p1", "fallback")]


def test_a_provider_that_nobody_reaches_has_no_status(module_mock):
    with Mock() as gone:
        url = gone.url
    with Signet(config(openai_model("m", url), record=True)) as signet:
        _, rows = ask(signet, CHAT, chat())
    attempt = rows["RequestError"][0]["attempts"][0]
    assert (attempt["status"], attempt["raw_response"]) == (None, "") and attempt["error"].startswith("Error from openai client: Error sending request: ")
    assert rows["InferenceById"][0]["error_kind"] == "server"


@pytest.mark.parametrize("usage,tokens", [
    (..., (None, None, None)), (None, (None, None, None)), ({"prompt_tokens": 0, "completion_tokens": 0}, (0, 0, None)),
    ({"prompt_tokens": 9, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 0}}, (9, 2, 0)),
    ({"prompt_tokens": 9, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 8}}, (9, 2, 8)),
    ({"prompt_tokens": 9}, (9, None, None)),
])
def test_counts_that_are_not_there_are_null_and_zero_is_zero(signet, mock, usage, tokens):
    mock.then(json_answer(chat_answer(usage=usage)))
    _, rows = ask(signet, CHAT, chat())
    call, row = rows["ModelInference"][0], rows["InferenceById"][0]
    assert (call["input_tokens"], call["output_tokens"], call["provider_cache_read_input_tokens"]) == tokens
    assert (row["input_tokens"], row["output_tokens"]) == tokens[:2]
    assert call["provider_cache_write_input_tokens"] is None


def test_a_client_that_goes_is_recorded_with_what_came(signet, mock):
    mock.then(sse([Pause(0.02), chunk({"role": "assistant", "content": "Half of it"})], done=False, end="hang"))
    with raw.Client(signet.port) as c:
        c.send(raw.post_bytes(CHAT, chat(stream=True)))
        id = c.read_head().headers["x-signet-inference-id"]
        c.read_chunk()
    rows = record.whole(signet.data_dir, id)
    assert rows["InferenceById"] == [listed(state="cancelled", stream=1, ttft_ms="ms", input_tokens=None, output_tokens=None, finish_reason=None,
                                            preview_out="Half of it")]
    assert rows["ChatInference"][0]["output"] == [{"type": "text", "text": "Half of it"}]
    assert len(rows["RequestError"]) == 1 and rows["RequestError"][0]["attempts"] == []


def test_tags_and_episode_of_a_request(signet, mock):
    episode = "0199c0de-1111-7222-8333-444455556666"
    got, rows = ask(signet, CHAT, {**chat(user="u-1"), "tensorzero::tags": {"k": "v", "ä": "你 \"q\""}, "tensorzero::episode_id": episode})
    assert got.headers["x-signet-episode-id"] == episode
    assert rows["tags"] == rows["ChatInference"][0]["tags"] == {"k": "v", "ä": "你 \"q\"", "signet::user": "u-1", "signet::surface": "chat"}


@BOTH
@pytest.mark.parametrize("stream", (False, True), ids=["plain", "stream"])
def test_raw_entries_name_the_row_of_their_call(signet, mock, path, model, surface, stream):
    mock.then(sse(text_chunks() + [usage_chunk()]) if stream else json_answer(chat_answer()))
    got = raw.post(signet.port, path, {**chat(model, stream=stream), "tensorzero::include_raw_usage": True})
    record.wait_row(signet.data_dir, got.headers["x-signet-inference-id"])
    call, = record.rows(signet.data_dir, "select id from ModelInference where inference_id = ?", got.headers["x-signet-inference-id"])
    shown = [json.loads(e) for e in got.events()[:-1]] if stream else [got.json]
    entries = [entry for one in shown for entry in one.get("tensorzero_raw_usage") or []]
    assert entries and all((e["model_inference_id"], e["provider_type"], e["api_type"]) == (call["id"], "openai", "chat_completions") for e in entries)


@BOTH
def test_a_stream_that_breaks(signet, mock, path, model, surface):
    mock.then(sse([Pause(0.02), chunk({"content": "Half"})], done=False, end="reset"))
    got, rows = ask(signet, path, chat(model, stream=True))
    assert got.status == 200
    assert rows["InferenceById"] == [listed(surface=surface, state="truncated", stream=1, ttft_ms="ms", input_tokens=None, output_tokens=None,
                                            finish_reason=None, preview_out="Half", error_kind="server")]
    assert rows["ChatInference"] == [chatted(ttft_ms="ms", tags=own_tags(surface), output=[{"type": "text", "text": "Half"}])]
    call, failure = rows["ModelInference"][0], rows["RequestError"][0]
    assert (call["raw_response"], call["http_status"], call["finish_reason"]) == (text_of(chunk({"content": "Half"})), 200, None)
    shown = next(json.loads(e)["error"] for e in got.events() if e.startswith('{"error"'))
    assert failure["attempts"] == [] and failure["error"] in shown["message"]


def test_an_error_behind_an_early_head(module_mock, mock):
    mock.then(json_answer({"error": {"message": "too late"}}, 500, delay=0.6))
    with Signet(config(openai_model("m", module_mock.url), record=True, extra="[surfaces]\nhead_after_ms = 100")) as signet:
        got, rows = ask(signet, CHAT, chat(stream=True))
    assert got.status == 200 and "x-signet-provider" not in got.headers and got.events()[-1] == "[DONE]"
    assert "too late" in json.loads(got.events()[-2])["error"]["message"]
    assert rows["InferenceById"] == [listed(state="error", stream=1, status=200, error_kind="server", input_tokens=None, output_tokens=None,
                                            finish_reason=None, preview_out="")]
    assert [a["status"] for a in rows["RequestError"][0]["attempts"]] == [500] and rows["ChatInference"] == []


@pytest.mark.parametrize("stream", [False, True])
def test_on_disconnect_finish_records_the_whole(module_mock, mock, stream):
    mock.then(sse([chunk({"content": "Hel"}), Pause(0.4), chunk({"content": "lo!"}), chunk({}, "stop"), usage_chunk()]) if stream
              else json_answer(chat_answer(), delay=0.4))
    with Signet(config(openai_model("m", module_mock.url), record=True, extra='[server]\non_disconnect = "finish"')) as signet:
        with raw.Client(signet.port) as c:
            c.send(raw.post_bytes(CHAT, chat(stream=stream)))
            mock.wait_requests(1)
            if stream:
                c.read_head()
        (row,) = record.wait_rows(signet.data_dir, 1)
        rows = record.whole(signet.data_dir, row["id"])
    assert rows["InferenceById"] == [listed(stream=int(stream), status=200 if stream else None, ttft_ms=rows["InferenceById"][0]["ttft_ms"])]
    assert rows["ChatInference"][0]["output"] == [{"type": "text", "text": "Hello!"}] and rows["RequestError"] == []


def test_a_client_that_goes_before_there_is_an_answer(signet, mock):
    before = len(record.listed(signet.data_dir))
    mock.then(hang())
    with raw.Client(signet.port) as c:
        c.send(raw.post_bytes(CHAT, chat()))
        mock.wait_requests(1)
    rows = record.whole(signet.data_dir, record.wait_rows(signet.data_dir, before + 1)[-1]["id"])
    row = rows["InferenceById"][0]
    assert (row["state"], row["attempts"], row["error_kind"], row["preview_out"]) == ("cancelled", 1, None, "")
    assert rows["ChatInference"] == rows["ModelInference"] == []
    (failure,) = rows["RequestError"]
    assert failure["error"] is None and [(a["provider"], a["status"]) for a in failure["attempts"]] == [("p", None)]


def test_parameters_stand_in_the_record_as_they_were_written(signet, mock):
    body = chat(temperature=0.70, top_p=1e-1, presence_penalty=-0.5, frequency_penalty=0.25, max_completion_tokens=7, seed=5, stop=["x", "\n"],
                reasoning_effort="low", service_tier="auto", verbosity="high")
    text = json.dumps(body).replace("0.7,", "0.70,").replace("0.1,", "1e-1,")
    _, rows = ask(signet, CHAT, text)
    assert rows["ChatInference"][0]["inference_params"] == {"chat_completion": {
        "temperature": 0.7, "max_tokens": 7, "seed": 5, "top_p": 0.1, "presence_penalty": -0.5, "frequency_penalty": 0.25, "stop_sequences": ["x", "\n"],
        "reasoning_effort": "low", "service_tier": "auto", "verbosity": "high"}}
    stored = record.rows(signet.data_dir, "select inference_params p from ChatInference order by seq desc limit 1")[0]["p"]
    assert '"temperature":0.70,' in stored and '"top_p":1e-1,' in stored


def test_extra_body_stands_in_the_record(signet, mock):
    extra = [{"pointer": "/a/b", "value": {"c": [1, None]}}, {"model_name": "m", "provider_name": "p", "pointer": "/seed", "delete": True}]
    got, rows = ask(signet, TZ_CHAT, {**chat(TZ + "m", seed=5), "tensorzero::extra_body": extra})
    assert got.status == 200 and mock.last().json["a"] == {"b": {"c": [1, None]}} and "seed" not in mock.last().json
    kept = rows["ChatInference"][0]["extra_body"]
    assert [e["pointer"] for e in kept] == ["/a/b", "/seed"] and kept[0]["value"] == {"c": [1, None]} and kept[1]["delete"] is True


@BOTH
@pytest.mark.parametrize("choice,stored", [("none", "none"), ("auto", "auto"), ("required", "required"),
                                           ({"type": "function", "function": {"name": "time"}}, {"specific": "time"})])
def test_each_tool_choice(signet, mock, path, model, surface, choice, stored):
    got, rows = ask(signet, path, chat(model, tools=TOOLS, tool_choice=choice))
    assert got.status == 200 and mock.last().json["tool_choice"] == choice
    row = rows["ChatInference"][0]
    assert row["tool_choice"] == (stored if isinstance(stored, str) else text_of(stored))
    assert row["tool_params"]["tool_choice"] == stored and row["tool_params"]["parallel_tool_calls"] is None
    assert row["allowed_tools"] == {"tools": ["weather", "time"], "choice": "function_default"}
    assert row["parallel_tool_calls"] is None


@BOTH
def test_a_stream_that_begins_with_an_error_keeps_what_came(signet, mock, path, model, surface):
    said = {"error": {"message": "no more", "type": "server_error", "code": "insufficient_quota"}}
    mock.then(sse([said], done=False))
    got, rows = ask(signet, path, chat(model, stream=True))
    assert got.status >= 400
    attempt = rows["RequestError"][0]["attempts"][0]
    assert (attempt["raw_response"], attempt["status"]) == (text_of(said), 200)
    assert rows["InferenceById"][0]["state"] == "error"


@BOTH
def test_a_body_that_is_no_answer_is_kept(signet, mock, path, model, surface):
    mock.then(json_answer({"hello": 1}))
    got, rows = ask(signet, path, chat(model))
    assert got.status >= 500
    attempt = rows["RequestError"][0]["attempts"][0]
    assert (attempt["raw_response"], attempt["status"], attempt["raw_request"]) == (text_of({"hello": 1}), 200, sent(mock))
