"""openai-python's first mistakes: what a newcomer gets wrong in the first minute, and whether the answer's text leads out."""
import openai
import pytest

from lib import raw
from lib.mock import json_answer
from lib.signet import Signet, config, openai_model

HI = [{"role": "user", "content": "hi"}]


@pytest.fixture(scope="module")
def signet(module_mock):
    with Signet(config(openai_model("assistant", module_mock.url))) as s:
        yield s


def ask(signet, base, model="assistant", scheme="http", key="none"):
    client = openai.OpenAI(base_url=f"{scheme}://127.0.0.1:{signet.port}{base}", api_key=key, max_retries=0, timeout=20)
    return client.chat.completions.create(model=model, messages=HI)


@pytest.mark.parametrize("base", ["", "/", "/v1/v1", "/v1/chat/completions", "/api/v1"])
def test_a_wrong_base_url_learns_the_right_one(signet, base):
    with pytest.raises(openai.NotFoundError) as caught:
        ask(signet, base)
    assert f"Set the client's base URL to http://127.0.0.1:{signet.port}/v1)" in caught.value.message, caught.value.message


@pytest.mark.parametrize("base", ["/v1", "/v1/"])
def test_the_right_base_url_works_with_and_without_a_slash(signet, module_mock, base):
    module_mock.then(json_answer({"id": "x", "object": "chat.completion", "created": 1, "model": "mock-model",
                                  "choices": [{"index": 0, "message": {"role": "assistant", "content": "yes"}, "finish_reason": "stop"}]}))
    assert ask(signet, base).choices[0].message.content == "yes"


def test_a_wrong_model_learns_the_ones_there_are(signet):
    with pytest.raises(openai.NotFoundError) as caught:
        ask(signet, "/v1", model="assistent")
    assert "assistent" in caught.value.message and "assistant" in caught.value.message, caught.value.message


def test_https_to_the_plain_port_fails_and_the_log_says_why(signet):
    with pytest.raises(openai.APIConnectionError):
        ask(signet, "/v1", scheme="https")
    raw.wait_for(lambda: "TLS came to a port that speaks plain HTTP: write http://" in signet.stderr())


@pytest.mark.parametrize("key,words", [("none", "API key"), ("sk-proj-not-ours", "API key")])
def test_a_missing_or_foreign_key_is_told_so(module_mock, tmp_path, key, words):
    with Signet(config(openai_model("assistant", module_mock.url), gateway="[gateway.auth]\nenabled = true\n")) as s:
        with pytest.raises(openai.AuthenticationError) as caught:
            ask(s, "/v1", key=key)
        assert words.lower() in caught.value.message.lower() and key not in caught.value.message, caught.value.message
