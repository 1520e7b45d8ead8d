"""aws_sagemaker: another type's format behind an endpoint, its streams in pieces within frames."""
import json

import openai
import pytest

from lib import raw
from lib.aws import CLEAN, KEYS, error, event, exception, frames, signed
from lib.mock import CLOSE, chat_answer, json_answer, text_chunks, tool_call
from lib.signet import config

SIGNET = {"env": {**CLEAN, **KEYS}}


def model(name, mock, hosted):
    return (f'[models.{name}]\nrouting = ["p"]\n[models.{name}.providers.p]\ntype = "aws_sagemaker"\nendpoint_name = "my-endpoint"\nmodel_name = "hosted"\n'
            f'hosted_provider = "{hosted}"\nregion = "us-east-1"\nendpoint_url = "{mock.url}"\naccess_key_id = "env::T_AWS_ID"\n'
            'secret_access_key = "env::T_AWS_SECRET"\nextra_headers = [{name = "x-amzn-sagemaker-target-variant", value = "v1"}]\n')


def signet_toml(mock):
    return config(model("m", mock, "openai") + model("t", mock, "tgi"))


@pytest.fixture
def client(signet):
    with openai.OpenAI(base_url=signet.url + "/v1", api_key="none", max_retries=0, timeout=10) as c:
        yield c


def ask(signet, model="m", path=raw.CHAT, **fields):
    return raw.post(signet.port, path, json.dumps({"model": model, "messages": [{"role": "user", "content": "Hi"}], **fields}))


def text(events):
    return "".join(f"data: {e if isinstance(e, str) else json.dumps(e, ensure_ascii=False)}\n\n" for e in events).encode() + b"data: [DONE]\n\n"


def parts(data, size):
    return [event("PayloadPart", data[i : i + size]) for i in range(0, len(data), size)]


def test_a_plain_answer(client, mock):
    mock.then(json_answer(chat_answer("Hello!")))
    got = client.chat.completions.create(model="m", messages=[{"role": "user", "content": "Hi"}], max_tokens=9)
    assert got.choices[0].message.content == "Hello!"
    request = mock.last()
    assert request.target == "/endpoints/my-endpoint/invocations" and request.json["model"] == "hosted"
    facts = signed(request)
    assert facts["service"] == "sagemaker" and "x-amzn-sagemaker-target-variant" in facts["headers"]


@pytest.mark.parametrize("size", [1, 5, 64, 100000])
def test_a_stream_cut_anywhere(client, mock, size):
    mock.then(frames(*parts(text(text_chunks("Héllo – wörld", pieces=4)), size)))
    chunks = list(client.chat.completions.create(model="m", messages=[{"role": "user", "content": "Hi"}], stream=True, stream_options={"include_usage": True}))
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == "Héllo – wörld"
    assert chunks[-1].usage.total_tokens == 18
    assert mock.last().target.endswith("/invocations-response-stream") and mock.last().json["stream"] is True
    signed(mock.last())


def test_tgi_has_one_name_for_every_model(signet, mock):
    mock.then(json_answer(chat_answer(None, message={"tool_calls": [tool_call("c", "f", {"a": 1})]})))
    got = ask(signet, "t", max_tokens=9, tools=[{"type": "function", "function": {"name": "f"}}])
    assert (mock.last().json["model"], mock.last().json["max_tokens"]) == ("tgi", 9)
    assert got.json["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"] in ('{"a":1}', '{"a": 1}')


def test_an_exception_in_the_stream(signet, mock):
    mock.then(frames(*parts(text(text_chunks("abc", pieces=1))[:-30], 50), exception("ModelStreamError", {"Message": "the container died", "ErrorCode": "StreamBroken"})))
    last = [json.loads(e) for e in ask(signet, stream=True).events() if e != "[DONE]"][-1]
    assert "AWS Sagemaker streaming exception: ModelStreamError" in last["error"]["message"]


def test_a_stream_that_ends_in_a_frame(signet, mock):
    whole = b"".join(parts(text(text_chunks("abcdef")), 40))
    mock.then(frames(whole[:-100]))
    assert "ended in its middle" in ask(signet, stream=True).text
    mock.then(frames(whole[:300], CLOSE))
    assert "error" in ask(signet, stream=True).text


def test_other_frames_are_ignored(signet, mock):
    mock.then(frames(event("Noise", b"data: {\n\n"), *parts(text(text_chunks("ok")), 30)))
    assert ask(signet, stream=True).events()[-1] == "[DONE]"


@pytest.mark.parametrize("body,want", [({"OriginalStatusCode": 400, "OriginalMessage": "too long", "Message": "m"}, 400), ({"OriginalStatusCode": 503, "Message": "m"}, 503),
                                       ({"Message": "m"}, 424)])
def test_the_containers_own_status_decides(signet, mock, body, want):
    mock.then(json_answer(body, 424, headers=[("x-amzn-errortype", "ModelError")]))
    assert ask(signet).status == want


def test_throttled(signet, mock):
    mock.then(error(429, "ThrottlingException", "slow down", [("retry-after", "2")]))
    got = ask(signet)
    assert got.status == 429 and got.headers["retry-after"] == "2" and "AWS sagemaker returned error status 429" in got.message
