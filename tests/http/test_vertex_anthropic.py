"""Anthropic's Messages on Vertex AI: what differs from the API itself (providers-others §3)."""
import json

import pytest

from lib import raw
from lib.mock import Raw, json_answer, sse
from lib.signet import Signet, config
from test_gcp import SIGNET, account, bearer, opened, vertex, written
from test_gemini import WEATHER, ask, deltas, said

TYPE = "gcp_vertex_anthropic"
ANSWER = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-sonnet-4-6", "content": [{"type": "text", "text": "Hello"}],
          "stop_reason": "end_turn", "stop_sequence": None, "usage": {"input_tokens": 40, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 100, "output_tokens": 55}}
EVENTS = [{"type": "message_start", "message": {**ANSWER, "content": [], "stop_reason": None}},
          {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
          {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hello"}},
          {"type": "content_block_stop", "index": 0},
          {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None}, "usage": {"output_tokens": 55}},
          {"type": "message_stop"}]


def signet_toml(mock):
    keys = 'model_id = "claude-sonnet-4-6@20260101"'
    return config(vertex("m", mock.url, "europe-west1", type=TYPE, keys=keys)
                  + vertex("tools", mock.url, type=TYPE, keys=keys + '\nprovider_tools = [{ type = "web_search_20250305", name = "web_search" }]')
                  + vertex("shares", mock.url, type=TYPE, keys=keys + "\nshare_thoughts = true")
                  + vertex("own", mock.url, type=TYPE, keys=keys, credential="dynamic::gcp"))


def script(*events):
    return sse([Raw(f"event: {e['type']}\ndata: {json.dumps(e)}\n\n".encode()) for e in events], done=False)


def test_a_request(signet, mock):
    mock.then(json_answer(ANSWER))
    got = ask(signet, max_tokens=99, tools=[WEATHER], service_tier="auto", messages=[{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}])
    assert said(got)["content"] == "Hello" and got.json["usage"]["prompt_tokens"] == 140
    sent = mock.last()
    assert sent.target == "/v1/projects/proj/locations/europe-west1/publishers/anthropic/models/claude-sonnet-4-6@20260101:rawPredict"
    assert "x-api-key" not in sent.headers and "anthropic-version" not in sent.headers
    assert opened(bearer(sent))[1]["aud"] == "https://europe-west1-aiplatform.googleapis.com/"
    assert list(sent.json)[:4] == ["anthropic_version", "messages", "max_tokens", "stream"]
    assert sent.json["anthropic_version"] == "vertex-2023-10-16" and "model" not in sent.json and "service_tier" not in sent.json
    assert "strict" not in sent.json["tools"][0] and sent.json["system"] == [{"type": "text", "text": "Be brief."}]
    assert "service_tier" in got.headers["x-signet-ignored"]


def test_a_stream(signet, mock):
    mock.then(script(*EVENTS))
    chunks = deltas(ask(signet, stream=True, stream_options={"include_usage": True}))
    assert mock.last().target.endswith(":streamRawPredict") and mock.last().json["stream"] is True
    assert "".join(c["choices"][0]["delta"].get("content") or "" for c in chunks if c["choices"]) == "Hello"
    assert chunks[-1]["usage"]["completion_tokens"] == 55


def test_messages_pass_through(signet, mock):
    mock.then(json_answer(ANSWER))
    got = raw.post(signet.port, "/v1/messages", json.dumps({"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}], "brand_new": 1}))
    assert got.status == 200 and got.json["content"] == ANSWER["content"]
    assert mock.last().json["brand_new"] == 1 and "model" not in mock.last().json and mock.last().json["anthropic_version"] == "vertex-2023-10-16"


def test_its_own_tools(signet, mock):
    mock.then(json_answer(ANSWER))
    said(ask(signet, model="tools"))
    assert {"type": "web_search_20250305", "name": "web_search"} in mock.last().json["tools"]


def test_a_token_of_the_request(signet, mock):
    mock.then(json_answer(ANSWER))
    said(ask(signet, model="own", **{"tensorzero::credentials": {"gcp": "mine"}}))
    assert bearer(mock.last()) == "mine"


def test_thoughts_of_the_api_itself_only_where_they_are_shared(signet, mock):
    for name, provider, sent in [("m", "anthropic", False), ("shares", "anthropic", True), ("shares", "google_ai_studio_gemini", False), ("m", TYPE, True)]:
        mock.then(json_answer(ANSWER))
        thought = {"type": "thought", "insert_index": 0, "text": "Hm.", "signature": "c2ln", "provider_type": provider}
        said(ask(signet, model=name, messages=[{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "x", "tensorzero_extra_content": [thought]},
                                               {"role": "user", "content": "Go on"}]))
        assert (mock.last().json["messages"][1]["content"][0]["type"] == "thinking") is sent, (name, provider)


ANTHROPIC = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}


@pytest.mark.parametrize("body,status,want,words", [
    (ANTHROPIC, 529, 503, "Overloaded"),
    ([{"error": {"code": 403, "message": "No access.", "status": "PERMISSION_DENIED"}}], 403, 502, "No access."),
    ({"error": {"code": 400, "message": json.dumps({"type": "error", "error": {"type": "invalid_request_error", "message": "max_tokens: too large"}}), "status": "INVALID_ARGUMENT"}}, 400, 400, "max_tokens: too large"),
])
def test_errors_of_three_forms(signet, mock, body, status, want, words):
    mock.then(json_answer(body, status))
    got = ask(signet)
    assert got.status == want and words in got.message


def test_a_shorthand(mock):
    mock.then(json_answer(ANSWER))
    text = config(f'[provider_types.gcp_vertex_anthropic.defaults]\napi_base = "{mock.url}/s"\n')
    with Signet(text, **SIGNET | {"env": {**SIGNET["env"], "NO_PROXY": mock.url.split("//")[1]}}) as own:
        said(ask(own, model="gcp_vertex_anthropic::projects/p/locations/global/publishers/anthropic/models/claude-haiku-4-5@20251001"))
    assert mock.last().target == "/s/projects/p/locations/global/publishers/anthropic/models/claude-haiku-4-5@20251001:rawPredict"


SIGNET_FILE = written("vertex-anthropic.json", account())


@pytest.fixture(scope="module")
def module_signet(module_mock):
    with Signet(signet_toml(module_mock), env={"GCP_VERTEX_CREDENTIALS_PATH": SIGNET_FILE}) as signet:
        yield signet
