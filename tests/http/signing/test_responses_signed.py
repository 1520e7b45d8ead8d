"""POST /v1/responses over a signed upstream, which knows one text and has its own events (surfaces §4; spec/rust-proxy)."""
import json

import openai
import pytest
from lib import raw
from lib.mock import answer
from lib.signet import Signet, config
from signing_lib import build_sample, native


def event(text, name="c"):
    return f"event: {name}\ndata: {text}\n\n"


@pytest.fixture(scope="module")
def module_signet(module_mock, tmp_path_factory):
    sample = build_sample(tmp_path_factory.mktemp("signer"))
    toml = (f'[models.m]\nrouting = ["p"]\n[models.m.providers.p]\ntype = "rust-proxy"\nmodel_name = "x"\napi_endpoint = "{module_mock.url}/stream/chat"\n'
            f'device_id = "d"\nsession_id = "s"\nsigner = {{ path = "{sample}" }}\nestimate_usage = true\n')
    with Signet(config(toml, record=True)) as signet:
        yield signet


def said(*texts):
    return answer("".join(map(event, texts)) + event("", "finish"), content_type="text/event-stream")


@pytest.fixture
def client(signet):
    with openai.OpenAI(base_url=signet.url + "/v1", api_key="none", max_retries=0, timeout=10) as c:
        yield c


def assert_signed(request):
    h = request.headers
    assert h["sign"] == native(h["nonce"], h["timestamp"], h["device-id"], request.json["content"])


def test_a_conversation_over_a_signed_upstream(client, mock):
    mock.then(said("He", "llo"), said("again"))
    first = client.responses.create(model="m", input="hi", instructions="Be brief.")
    assert first.output_text == "Hello" and first.usage.total_tokens > 0
    assert_signed(mock.last())
    with client.responses.stream(model="m", input="more", previous_response_id=first.id) as s:
        kinds = [e.type for e in s]
        assert s.get_final_response().output_text == "again"
    assert kinds[:2] == ["response.created", "response.in_progress"] and kinds[-1] == "response.completed"
    assert_signed(mock.last())
    content = mock.last().json["content"]
    assert content.index("hi") < content.index("Hello") < content.index("more")
    assert len({r.headers["nonce"] for r in mock.requests}) == 2


def test_what_the_upstream_cannot_carry(signet, mock):
    mock.then(said("x"))
    got = raw.post(signet.port, "/v1/responses", json.dumps({"model": "m", "input": "hi", "store": False, "truncation": "auto", "tools": [{"type": "web_search"}, {"type": "function", "name": "f"}]}))
    assert got.status == 200 and {"truncation", "tools[0]:web_search", "tools"} <= set(got.headers["x-signet-ignored"].split(", "))
    got = raw.post(signet.port, "/v1/responses", json.dumps({"model": "m", "store": False, "input": [{"role": "user", "content": [{"type": "input_image", "image_url": "data:image/png;base64,AAAA"}]}]}))
    assert got.status == 400, got.body
