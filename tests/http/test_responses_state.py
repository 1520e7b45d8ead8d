"""What the Responses API keeps between requests (surfaces §4.5): over an upstream of chat completions, which knows nothing of it."""
import json

import openai
import pytest

from lib import raw
from lib.keys import bearer, create
from lib.mock import chat_answer, chunk, error, json_answer, sse, text_chunks
from lib.signet import Signet, config, openai_model

PATH = "/v1/responses"


def signet_toml(mock):
    return config(openai_model("m", mock.url) + openai_model("gpt", mock.url, model_name="gpt-x", keys='api_type = "responses"'), record=True)


def ask(signet, path=PATH, headers=(), **fields):
    return raw.post(signet.port, path, json.dumps({"model": "m", "input": "hi", **fields}), headers=headers)


def get(signet, id, tail="", headers=()):
    return raw.get(signet.port, f"{PATH}/{id}{tail}", headers=headers)


@pytest.fixture
def client(signet):
    with openai.OpenAI(base_url=signet.url + "/v1", api_key="none", max_retries=0, timeout=10) as c:
        yield c


def test_a_conversation_goes_on_by_its_last_answer(client, mock):
    mock.then(json_answer(chat_answer("one")), sse(text_chunks("two")), json_answer(chat_answer("three")))
    first = client.responses.create(model="m", input="A", instructions="S")
    with client.responses.stream(model="m", input=[{"role": "user", "content": "B"}], previous_response_id=first.id) as s:
        list(s)
        second = s.get_final_response()
    third = client.responses.create(model="m", input="C", previous_response_id=second.id)
    assert third.previous_response_id == second.id and third.store is True and second.previous_response_id == first.id
    assert mock.last().json["messages"] == [{"role": r, "content": c} for r, c in (("user", "A"), ("assistant", "one"), ("user", "B"), ("assistant", "two"), ("user", "C"))]
    # instructions are not inherited; what is kept of an answer is its own input alone
    items = client.responses.input_items.list(third.id)
    assert [i.content[0].text for i in items.data] == ["C"]


def test_calls_go_on_by_their_results_alone(client, mock):
    call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    tools = [{"type": "function", "name": "f", "parameters": {"type": "object", "properties": {}}, "strict": False}]
    mock.then(sse([chunk({"tool_calls": [{"index": 0, **call}]}), chunk({}, "tool_calls")]), json_answer(chat_answer("done")))
    with client.responses.stream(model="m", input="go", tools=tools) as s:
        list(s)
        first = s.get_final_response()
    got = client.responses.create(model="m", tools=tools, previous_response_id=first.id, input=[{"type": "function_call_output", "call_id": "c1", "output": "7"}])
    assert got.output_text == "done"
    assert mock.last().json["messages"][1:] == [{"role": "assistant", "tool_calls": [call]}, {"role": "tool", "content": "7", "tool_call_id": "c1"}]


@pytest.mark.parametrize("stream", [False, True])
def test_a_kept_answer_is_found_and_forgotten(client, signet, mock, stream):
    mock.then(sse(text_chunks("kept")) if stream else json_answer(chat_answer("kept")))
    if stream:
        with client.responses.stream(model="m", input="A") as s:
            list(s)
            made = s.get_final_response()
    else:
        made = client.responses.create(model="m", input="A")
    assert client.responses.retrieve(made.id).model_dump() == made.model_dump(exclude={"output": {"__all__": {"content": {"__all__": {"parsed"}}}}})
    events = [json.loads(e) for e in get(signet, made.id, "?stream=true").events()]
    assert [e["type"] for e in events] == ["response.created", "response.in_progress", "response.output_item.added", "response.output_item.done", "response.completed"]
    assert [e["sequence_number"] for e in [json.loads(e) for e in get(signet, made.id, "?stream=true&starting_after=3").events()]] == [4]
    assert client.responses.delete(made.id) is None
    for path in ("", "/input_items"):
        got = get(signet, made.id, path)
        assert got.status == 404 and got.json["error"]["type"] == "invalid_request_error"
    with pytest.raises(openai.BadRequestError) as e:
        client.responses.create(model="m", input="B", previous_response_id=made.id)
    assert e.value.code == "previous_response_not_found" and e.value.param == "previous_response_id"


def test_input_items_are_pages(client, mock):
    mock.then(json_answer(chat_answer("x")))
    made = client.responses.create(model="m", input=[{"role": "user", "content": f"t{i}"} for i in range(5)])
    ids = [i.id for i in client.responses.input_items.list(made.id, order="asc", limit=2)]
    assert len(ids) == 5 == len(set(ids))
    page = client.responses.input_items.list(made.id, limit=2)
    assert [i.content for i in page.data] == ["t4", "t3"] and page.has_more


def test_what_is_not_to_be_kept_is_not(signet, mock):
    mock.then(json_answer(chat_answer("x")))
    made = ask(signet, store=False).json
    assert made["store"] is False and get(signet, made["id"]).status == 404
    got = ask(signet, previous_response_id=made["id"])
    assert got.status == 400 and got.json["error"]["code"] == "previous_response_not_found"


def test_the_model_is_that_of_the_answer_before(signet, mock):
    mock.then(json_answer(chat_answer("x")), json_answer(chat_answer("y")))
    made = ask(signet).json
    got = raw.post(signet.port, PATH, json.dumps({"previous_response_id": made["id"], "input": "more"}))
    assert got.status == 200 and got.json["model"] == "m"


def test_a_reference_stands_for_its_item(signet, mock):
    mock.then(json_answer(chat_answer("said")), json_answer(chat_answer("y")))
    made = ask(signet).json
    got = ask(signet, input=[{"role": "user", "content": "u"}, {"type": "item_reference", "id": made["output"][0]["id"]}, {"role": "user", "content": "v"}])
    assert got.status == 200, got.body
    assert [m["content"] for m in mock.last().json["messages"]] == ["u", "said", "v"]


def test_a_chain_over_an_upstream_of_responses(signet, mock):
    output = [{"type": "reasoning", "id": "rs_u", "summary": [], "encrypted_content": "gAA="}, {"type": "message", "id": "msg_u", "role": "assistant", "status": "completed", "content": [{"type": "output_text", "text": "Hi", "annotations": []}]}]
    answer = json_answer({"id": "resp_u", "object": "response", "status": "completed", "model": "x", "output": output, "store": False, "usage": None})
    mock.then(answer, answer)
    made = ask(signet, model="gpt").json
    assert made["output"][0] == {"type": "reasoning", "id": "rs_u", "summary": []} and made["store"] is True
    assert get(signet, made["id"]).json["output"][0] == made["output"][0]
    assert get(signet, made["id"], "?include[]=reasoning.encrypted_content").json["output"][0] == output[0]
    ask(signet, model="gpt", previous_response_id=made["id"], input="more")
    sent = mock.last().json
    assert "previous_response_id" not in sent and sent["store"] is False
    assert sent["input"] == [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hi"}]}, *output, {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "more"}]}]


def test_another_key_sees_nothing(mock):
    """surfaces §8.4 #48"""
    toml = config(openai_model("m", mock.url), gateway="[gateway.auth]\nenabled = true\n", record=True)
    with Signet(toml) as signet:
        one, other = bearer(create(signet.data_dir)), [bearer(create(signet.data_dir))]
        for key in (one, other[0]):
            raw.wait_for(lambda: raw.get(signet.port, "/v1/models", [key]).status == 200)
        mock.then(json_answer(chat_answer("x")))
        made = ask(signet, headers=[one]).json
        assert get(signet, made["id"], headers=[one]).status == 200
        assert get(signet, made["id"], headers=other).status == 404
        assert get(signet, made["id"], "/input_items", headers=other).status == 404
        assert raw.get(signet.port, f"{PATH}/{made['id']}", headers=other, method="DELETE").status == 404
        assert ask(signet, headers=other, previous_response_id=made["id"]).json["error"]["code"] == "previous_response_not_found"


def test_a_kill_loses_no_answer_that_was_given(mock):
    """DESIGN §6: what was told to the client is in the journal"""
    toml = config(openai_model("m", mock.url), record=True)
    with Signet(toml) as signet:
        mock.then(json_answer(chat_answer("x")))
        made = ask(signet).json
        signet.kill9()
        signet.start()
        assert get(signet, made["id"]).json == made


def test_an_upgrade_is_told_where_to_go(signet):
    """surfaces §8.4 #60"""
    got = raw.get(signet.port, PATH, headers=[("upgrade", "websocket"), ("connection", "upgrade"), ("sec-websocket-key", "x"), ("sec-websocket-version", "13")])
    assert got.status == 426 and got.headers["connection"] == "close" and set(got.json["error"]) == {"message", "type", "param", "code"}
    got = raw.get(signet.port, PATH)
    assert got.status == 405 and got.headers["allow"] == "POST"


def test_tokens_are_counted_before_they_are_spent(client, signet, mock):
    small = client.responses.input_tokens.count(model="m", input="hi").input_tokens
    large = client.responses.input_tokens.count(model="m", input="hi " * 500, instructions="Be brief.", tools=[{"type": "function", "name": "f", "parameters": {"type": "object", "properties": {}}, "strict": False}]).input_tokens
    assert 0 < small < 40 < 400 < large
    got = raw.post(signet.port, PATH + "/input_tokens", json.dumps({"model": "m", "input": "hi"}))
    assert got.json == {"object": "response.input_tokens", "input_tokens": small} and got.headers["x-signet-token-count"] == "estimated"
    assert mock.requests == []
    assert raw.post(signet.port, PATH + "/input_tokens", json.dumps({"model": "nope", "input": "hi"})).status == 404
    assert raw.post(signet.port, PATH + "/input_tokens", json.dumps({"model": "m", "input": 7})).status == 400


@pytest.mark.parametrize("tail", ["/compact", "/resp_0/cancel"])
def test_what_only_an_upstream_with_a_memory_can_do(signet, tail):
    got = raw.post(signet.port, PATH + tail, "{}")
    assert got.status == 404 and got.json["error"]["code"] == "not_found" and set(got.json["error"]) == {"message", "type", "param", "code"}
