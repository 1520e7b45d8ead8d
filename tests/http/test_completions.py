"""POST /v1/completions, OpenAI's legacy text completions, by its own client and byte by byte: any chat model answers."""
import json

import openai
import pytest

from lib import raw
from lib.mock import RESET, chat_answer, chunk, error, json_answer, sse, text_chunks
from lib.record import uuid, wait_row
from lib.signet import config, openai_model

PATH = "/v1/completions"


def signet_toml(mock):
    return config(openai_model("m", mock.url), record=True)


def ask(signet, **fields):
    return raw.post(signet.port, PATH, json.dumps({"model": "m", "prompt": "Once upon", **fields}))


@pytest.fixture
def client(signet):
    with openai.OpenAI(base_url=signet.url + "/v1", api_key="none", max_retries=0, timeout=10) as c:
        yield c


def test_the_prompt_is_the_one_message_of_a_chat(client, mock):
    mock.then(json_answer(chat_answer(" a time", usage={"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5})))
    got = client.completions.create(model="m", prompt="Once upon", max_tokens=9, temperature=0.5, stop=["\n"], seed=7, user="u-1")
    assert got.object == "text_completion" and got.id.startswith("cmpl-") and got.model == "m"
    assert [(c.text, c.index, c.finish_reason, c.logprobs) for c in got.choices] == [(" a time", 0, "stop", None)]
    assert (got.usage.prompt_tokens, got.usage.completion_tokens, got.usage.total_tokens) == (3, 2, 5)
    sent = mock.last().json
    assert mock.last().target == "/v1/chat/completions"
    assert sent["messages"] == [{"role": "user", "content": "Once upon"}]
    assert (sent["max_tokens"], sent["temperature"], sent["stop"], sent["seed"], sent["user"]) == (9, 0.5, ["\n"], 7, "u-1")
    assert "prompt" not in sent


def test_a_stream(client, mock):
    mock.then(sse(text_chunks(" a time in the west", pieces=4)))
    chunks = list(client.completions.create(model="m", prompt="Once upon", stream=True))
    assert {c.object for c in chunks} == {"text_completion"} and len({c.id for c in chunks}) == 1
    assert "".join(c.choices[0].text for c in chunks) == " a time in the west"
    assert [c.choices[0].finish_reason for c in chunks] == [None] * (len(chunks) - 1) + ["stop"]
    assert all(c.usage is None for c in chunks)


def test_a_stream_with_usage_has_it_in_a_chunk_of_its_own(signet, mock):
    mock.then(sse(text_chunks("x", pieces=1)))
    events = ask(signet, stream=True, stream_options={"include_usage": True}).events()
    chunks = [json.loads(e) for e in events[:-1]]
    assert events[-1] == "[DONE]"
    assert [c["usage"] for c in chunks[:-1]] == [None] * (len(chunks) - 1)
    assert chunks[-1]["choices"] == [] and chunks[-1]["usage"]["total_tokens"] == 18


@pytest.mark.parametrize("stream", [False, True])
def test_echo_puts_the_prompt_in_front(signet, mock, stream):
    mock.then(sse(text_chunks(" a time")) if stream else json_answer(chat_answer(" a time")))
    got = ask(signet, echo=True, stream=stream)
    texts = [json.loads(e)["choices"][0]["text"] for e in got.events()[:-1]] if stream else [got.json["choices"][0]["text"]]
    assert "".join(texts) == "Once upon a time"


def test_texts_of_an_answer_are_joined_and_escaped_once(signet, mock):
    mock.then(json_answer(chat_answer(message={"content": [{"type": "text", "text": 'a"'}, {"type": "text", "text": "\nb"}]})))
    got = ask(signet, prompt='say "a"\n', echo=True)
    assert got.json["choices"][0]["text"] == 'say "a"\na"\nb'


def test_a_list_of_one_prompt_is_that_prompt(signet, mock):
    mock.then(json_answer(chat_answer("x")))
    assert ask(signet, prompt=["Once"]).status == 200
    assert mock.last().json["messages"] == [{"role": "user", "content": "Once"}]


@pytest.mark.parametrize("fields,param,words", [
    ({"prompt": ["a", "b"]}, "prompt", "several prompts"),
    ({"prompt": [1, 2]}, "prompt", "token ids"),
    ({"prompt": [[1, 2]]}, "prompt", "token ids"),
    ({"prompt": []}, "prompt", "empty list"),
    ({"prompt": 5}, "prompt", "expected a string"),
    ({"prompt": None}, "prompt", "missing field `prompt`"),
    ({"suffix": " end"}, "suffix", "does not fill in"),
    ({"best_of": 2}, "best_of", "other than 1"),
    ({"n": 2}, "n", "other than 1"),
    ({"echo": "yes"}, "echo", "expected a boolean"),
    ({"temperature": "hot"}, "temperature", "expected f32"),
])
def test_what_a_chat_model_cannot_do_is_refused_by_name(signet, mock, fields, param, words):
    got = ask(signet, **fields)
    assert got.status == 400 and words in got.message
    assert got.json["error"]["param"] == param and got.json["error"]["type"] == "invalid_request_error"
    assert mock.requests == []


def test_broken_json_is_told_as_on_every_surface(signet):
    got = raw.post(signet.port, PATH, b'{"model":"m","prompt":')
    assert got.status == 400 and "Failed to parse the request body as JSON" in got.message
    assert raw.post(signet.port, PATH, b"[]").status == 400


def test_idle_values_are_as_if_absent(signet, mock):
    mock.then(json_answer(chat_answer("x")))
    got = ask(signet, suffix=None, best_of=1, n=1, echo=False, logprobs=None)
    assert got.status == 200 and "x-signet-ignored" not in got.headers
    assert set(mock.last().json) == {"model", "messages", "n"}


def test_logprobs_are_left_out_and_named(signet, mock):
    mock.then(json_answer(chat_answer("x")))
    got = ask(signet, logprobs=3)
    assert got.headers["x-signet-ignored"] == "logprobs" and got.json["choices"][0]["logprobs"] is None
    assert "logprobs" not in mock.last().json


def test_unknown_fields_reach_an_upstream_of_the_family(signet, mock):
    mock.then(json_answer(chat_answer("x")))
    assert ask(signet, logit_bias={"50256": -100}, brand_new=[1]).status == 200
    assert mock.last().json["logit_bias"] == {"50256": -100} and mock.last().json["brand_new"] == [1]


def test_an_upstreams_error_comes_as_its_own(signet, mock):
    mock.then(error(429, "Slow down.", type="tokens", code="rate_limit_exceeded"))
    got = ask(signet)
    assert got.status == 429 and got.message == "Slow down."


def test_a_break_inside_the_stream_is_an_event(signet, mock):
    mock.then(sse([chunk({"content": "a"}), RESET]))
    events = ask(signet, stream=True).events()
    assert json.loads(events[0])["choices"][0]["text"] == "a"
    assert "error" in json.loads(events[-2]) and events[-1] == "[DONE]"


def test_the_record_has_it_under_its_surface(signet, mock):
    mock.then(json_answer(chat_answer(" a time")))
    got = ask(signet)
    row = wait_row(signet.data_dir, uuid(got.json["id"].removeprefix("cmpl-")))
    assert (row["surface"], row["state"], row["preview_in"], row["preview_out"]) == ("completions", "ok", "Once upon", "a time")


def test_only_post_and_only_on_v1(signet):
    assert raw.get(signet.port, PATH).status == 405
    assert raw.post(signet.port, "/openai/v1/completions", b"{}").status == 404
