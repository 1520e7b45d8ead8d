"""Keys of a provider as an upstream sees them: credentials of the client, defaults and fallbacks, dropped fields, timeouts."""
import pytest

from lib import raw
from lib.mock import Pause, chunk, error, hang, sse
from lib.raw import CHAT, TZ, TZ_CHAT, chat
from lib.signet import config, openai_model

SIGNET = {"env": {"SPARE_KEY": "sk-spare"}}


def signet_toml(mock):
    def with_key(name, value):
        return openai_model(name, mock.url, keys=f"api_key_location = {value}")

    slow = "timeouts = { non_streaming = { total_ms = 150 }, streaming = { ttft_ms = 150, total_ms = 500 } }"
    return config(with_key("client", '"dynamic::client_authorization"') + with_key("client-key", '"dynamic::client_x_api_key"')
                  + with_key("pair", '{ default = "dynamic::mine", fallback = "env::SPARE_KEY" }')
                  + openai_model("agent", mock.url, keys='extra_headers = [{ name = "user-agent", value = "mine/1" }]')
                  + openai_model("drop", mock.url, keys='drop_fields = ["logit_bias"]')
                  + openai_model("slow-provider", mock.url, keys=slow) + openai_model("slow-model", mock.url, model_keys=slow.replace(", total_ms = 500", "")))


def test_the_clients_own_credential_goes_to_the_provider_that_asks_for_it(signet, mock):
    assert raw.post(signet.port, CHAT, chat("client"), [("authorization", "Bearer sk-client")]).status == 200
    assert mock.last().headers["authorization"] == "Bearer sk-client"
    assert raw.post(signet.port, CHAT, chat("client-key"), [("x-api-key", "sk-x")]).status == 200
    assert mock.last().headers["authorization"] == "Bearer sk-x"


@pytest.mark.parametrize("status", [401, 403])
def test_a_refusal_of_the_clients_own_credential_is_the_clients(signet, mock, status):
    mock.then(error(status, "who are you"))
    got = raw.post(signet.port, CHAT, chat("client"), [("authorization", "Bearer sk-client")])
    assert got.status == status and got.message == "who are you"


def test_a_missing_credential_of_the_client_asks_no_upstream(signet, mock):
    got = raw.post(signet.port, CHAT, chat("client"))
    assert got.status == 400 and "Dynamic api key `client_authorization` is missing" in got.message
    assert not mock.requests


def test_the_fallback_of_a_credential_is_taken_when_the_request_brings_none(signet, mock):
    raw.post(signet.port, CHAT, {**chat("pair"), "tensorzero::credentials": {"mine": "sk-mine"}})
    assert mock.last().headers["authorization"] == "Bearer sk-mine"
    raw.post(signet.port, CHAT, chat("pair"))
    assert mock.last().headers["authorization"] == "Bearer sk-spare"


def test_a_configured_user_agent_replaces_signets(signet, mock):
    raw.post(signet.port, CHAT, chat("agent"))
    assert [v for k, v in mock.last().header_list if k.lower() == "user-agent"] == ["mine/1"]


def test_dropped_fields_are_named(signet, mock):
    got = raw.post(signet.port, CHAT, chat("drop", logit_bias={"1": 1}, seed=1))
    assert got.headers["x-signet-ignored"] == "logit_bias"
    assert "logit_bias" not in mock.last().json and mock.last().json["seed"] == 1


@pytest.mark.parametrize("path,prefix,status", [(CHAT, "", 504), (TZ_CHAT, TZ, 502)])
@pytest.mark.parametrize("model,who", [("slow-provider", "Model provider p"), ("slow-model", "Model slow-model")])
@pytest.mark.parametrize("stream,kind", [(False, "non_streaming.total_ms"), (True, "streaming.ttft_ms")])
def test_timeouts_say_whose_and_which(signet, mock, path, prefix, status, model, who, stream, kind):
    mock.then(hang())
    got = raw.post(signet.port, path, chat(prefix + model, stream=stream))
    assert got.status == status
    assert f"{who} timed out due to configured `{kind}` timeout (150ms)" in got.message


@pytest.mark.parametrize("path,prefix", [(CHAT, ""), (TZ_CHAT, TZ)])
def test_the_total_timeout_of_a_stream_is_an_event(signet, mock, path, prefix):
    mock.then(sse([chunk({"role": "assistant", "content": "a"}), Pause(2), chunk({"content": "b"})]))
    got = raw.post(signet.port, path, chat(prefix + "slow-provider", stream=True))
    assert b"timed out due to configured `streaming.total_ms` timeout (500ms)" in got.body and got.events()[-1] == "[DONE]"
