"""POST /v1/embeddings and /openai/v1/embeddings, by OpenAI's own client and byte by byte (surfaces §3.4, http-api §13)."""
import base64
import json
import struct

import openai
import pytest

from lib import raw
from lib.mock import answer, error, json_answer
from lib.record import uuid, wait_row
from lib.signet import config

VECTORS = [[0.25, -1.5], [0.1, 1e-7]]


def provider(model, name, upstream, kind="openai", keys=""):
    return (f'[embedding_models.{model}.providers.{name}]\ntype = "{kind}"\nmodel_name = "up-{name}"\n'
            f'api_base = "{upstream}/v1/"\napi_key_location = "none"\n{keys}')


def signet_toml(mock):
    tables = f'[embedding_models.small]\nrouting = ["a"]\n{provider("small", "a", mock.url)}'
    tables += f'[embedding_models.two]\nrouting = ["a", "b"]\n{provider("two", "a", mock.url)}{provider("two", "b", mock.url, "openrouter")}'
    tables += f'''[embedding_models.az]
routing = ["p"]
[embedding_models.az.providers.p]
type = "azure"
deployment_id = "dep"
endpoint = "{mock.url}"
api_key_location = "dynamic::az"
[surfaces.aliases]
ada = "small"
[provider_types.openai.defaults]
api_base = "{mock.url}/short/"
'''
    return config(tables, record=True)


def packed(numbers):
    return base64.b64encode(struct.pack(f"<{len(numbers)}f", *numbers)).decode()


def said(vectors, **more):
    data = [{"object": "embedding", "index": i, "embedding": v} for i, v in enumerate(vectors)]
    return {"object": "list", "data": data, "model": "up", "usage": {"prompt_tokens": 5, "total_tokens": 5}, **more}


def ask(signet, path="/v1/embeddings", **fields):
    return raw.post(signet.port, path, json.dumps({"model": "small", "input": "Hi", **fields}))


@pytest.fixture
def client(signet):
    with openai.OpenAI(base_url=signet.url + "/v1", api_key="none", max_retries=0, timeout=10) as c:
        yield c


def test_the_official_client_asks_in_base64_and_gets_numbers(client, mock):
    """providers-openai §8 #75: asked in base64, answered in floats."""
    mock.then(json_answer(said(VECTORS)))
    got = client.embeddings.create(model="small", input=["a", "b"], dimensions=2, user="u-1")
    assert [e.embedding for e in got.data] == [pytest.approx(v) for v in VECTORS]
    assert (got.model, got.usage.prompt_tokens, got.usage.total_tokens) == ("small", 5, 5)
    assert mock.last().target == "/v1/embeddings"
    assert mock.last().body == b'{"model":"up-a","input":["a","b"],"dimensions":2,"encoding_format":"base64","user":"u-1"}'


def test_numbers_keep_their_digits(signet, mock):
    mock.then(answer('{"data":[{"embedding":[0.12345678901234567,1E-7,-0]}],"usage":{"prompt_tokens":1}}'))
    got = ask(signet, encoding_format="float")
    assert got.body == b'{"object":"list","data":[{"object":"embedding","embedding":[0.12345678901234567,1E-7,-0],"index":0}],"model":"small","usage":{"prompt_tokens":1,"total_tokens":1}}'


def test_base64_becomes_numbers(signet, mock):
    mock.then(json_answer(said([packed([0.1, -2.5, 3e-8])])))
    assert ask(signet).json["data"][0]["embedding"] == [0.1, -2.5, 3e-8]


def test_base64_stays_as_it_is(signet, mock):
    mock.then(json_answer(said([packed([0.1])])))
    assert ask(signet, encoding_format="base64").json["data"][0]["embedding"] == packed([0.1])


def test_vectors_are_put_in_order(signet, mock):
    """providers-openai §8 #76: index 1, 0."""
    data = [{"index": 1, "embedding": [1]}, {"index": 0, "embedding": [0]}]
    mock.then(json_answer({"data": data}))
    got = ask(signet, input=["a", "b"]).json
    assert [(e["index"], e["embedding"]) for e in got["data"]] == [(0, [0]), (1, [1])]
    assert got["usage"] == {"prompt_tokens": 0, "total_tokens": 0}


@pytest.mark.parametrize("up,text", [
    (json_answer(said(VECTORS)), "Expected 1 embeddings, got 2"),
    (json_answer({"data": [{"index": 3, "embedding": [0]}]}), "`index` of an embedding is not its own"),
    (json_answer(said(["???"])), "`embedding` is neither numbers nor base64 of them"),
    (json_answer(said([packed([1])[:-4]])), "`embedding` is neither numbers nor base64 of them"),
    (json_answer(said([["x"]])), None),
    (json_answer({"error": {"message": "sorry"}}), "sorry"),
    (answer("oops"), "Error parsing JSON response"),
    (answer("data: {}\n\n"), "Error parsing JSON response"),
    (json_answer({}), "missing field `data`"),
])
def test_an_answer_that_is_none(signet, mock, up, text):
    mock.then(up)
    got = ask(signet, encoding_format="base64" if text is None else "float")
    assert got.status == 502 and (text or "`embedding` is neither") in got.json["error"]["message"], got.text


@pytest.mark.parametrize("value", ["one", ["one", "two"], [1, 2, 3], [[1], [2, 3]]])
def test_every_kind_of_input_goes_on_as_it_is(signet, mock, value):
    n = len(value) if isinstance(value, list) and not isinstance(value[0], int) else 1
    mock.then(json_answer(said([[0]] * n)))
    assert ask(signet, input=value).status == 200
    assert mock.last().json["input"] == value


@pytest.mark.parametrize("fields,param,text", [
    ({"input": []}, "input", "Input cannot be empty"), ({"input": 5}, "input", "did not match any variant"),
    ({"input": ["a", 1]}, "input", "did not match any variant"), ({"model": ""}, "model", "is empty"),
    ({"model": 5}, "model", "expected a string"), ({"dimensions": -1}, "dimensions", "expected u32"),
    ({"encoding_format": "hex"}, "encoding_format", "unknown variant"),
])
def test_a_request_that_is_none(signet, mock, fields, param, text):
    got = ask(signet, **fields)
    assert got.status == 400 and got.json["error"]["param"] == param and text in got.json["error"]["message"]
    assert not mock.requests


def test_unknown_fields_are_named(signet, mock):
    mock.then(json_answer(said([[0]])))
    assert ask(signet, odd=1, truncate="END").headers["x-signet-ignored"] == "odd, truncate"


def test_a_model_that_does_not_exist(signet, client):
    with pytest.raises(openai.NotFoundError) as e:
        client.embeddings.create(model="large", input="x")
    assert (e.value.code, e.value.param) == ("model_not_found", "model") and "Known: small, two, az" in e.value.message


@pytest.mark.parametrize("name,target", [("ada", "/v1/embeddings"), ("tensorzero::embedding_model_name::small", "/v1/embeddings")])
def test_names(signet, mock, name, target):
    mock.then(json_answer(said([[0]])))
    assert ask(signet, model=name).json["model"] == name
    assert mock.last().target == target


def test_the_next_provider_is_asked(signet, mock):
    mock.then(error(503, "down"), json_answer(said([[7]])))
    got = ask(signet, model="two")
    assert got.json["data"][0]["embedding"] == [7] and got.headers["x-signet-provider"] == "b"
    assert [r.json["model"] for r in mock.requests] == ["up-a", "up-b"] and mock.last().headers["x-title"] == "Signet"


def test_azure_has_the_model_in_its_path(signet, mock):
    mock.then(json_answer(said([[0]])))
    got = ask(signet, model="az", **{"tensorzero::credentials": {"az": "k-1"}})
    assert got.status == 200
    assert mock.last().target == "/openai/deployments/dep/embeddings?api-version=2025-04-01-preview"
    assert mock.last().headers["api-key"] == "k-1" and "model" not in mock.last().json


def test_they_stand_among_the_models(signet):
    assert {"small", "two", "az", "ada"} <= {m["id"] for m in raw.get(signet.port, "/v1/models").json["data"]}


def test_the_record(signet, mock):
    mock.then(json_answer(said(VECTORS)))
    got = ask(signet, input=["first text", "second"])
    row = wait_row(signet.data_dir, uuid(got.headers["x-request-id"][4:]))
    assert (row["model_name"], row["input_tokens"], row["state"]) == ("small", 5, "ok")
    assert "second" in json.dumps(row)


# -- as TensorZero has it --------------------------------------------------------------------------------
TZ = "/openai/v1/embeddings"


def test_tensorzeros_shape(signet, mock):
    mock.then(json_answer(said([[0.5]])))
    got = ask(signet, TZ, model="tensorzero::embedding_model_name::small", odd=1)
    assert got.body == b'{"object":"list","data":[{"object":"embedding","embedding":[0.5],"index":0}],"model":"tensorzero::embedding_model_name::small","usage":{"prompt_tokens":5,"total_tokens":5,"tensorzero_cost":null}}'
    assert mock.last().body == b'{"model":"up-a","input":"Hi","encoding_format":"float"}'


def test_tensorzeros_errors(signet, mock):
    assert ask(signet, TZ, model="none").json["error"]["message"] == "Model not found: none"
    mock.then(error(500, "broken"))
    got = ask(signet, TZ)
    assert got.status == 500 and got.json["error"]["message"].startswith("All model providers failed to infer with errors: a: ")


def test_a_list_of_models_for_embeddings_is_checked(tmp_path):
    from lib.signet import Signet
    toml = config('[embedding_models.e]\nrouting = ["p"]\n[embedding_models.e.providers.p]\ntype = "groq"\nmodel_name = "m"\napi_key_location = "dynamic::k"\n')
    s = Signet(toml, start=False, folder=tmp_path)
    assert "Unsupported provider config for embedding: `groq` (it has: `azure`, `openai`, `openrouter`)" in s.fails_to_start()[1]
