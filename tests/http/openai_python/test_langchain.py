"""LangChain's ChatOpenAI against /v1 (surfaces §8.3): what a chain does of it."""
import httpx
import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from pydantic import BaseModel

from lib.mock import CLOSE, chat_answer, chunk, error, json_answer, sse, text_chunks, tool_call, usage_chunk
from lib.signet import config, openai_model


def signet_toml(mock):
    return config(openai_model("m", mock.url), gateway='[object_storage]\ntype = "disabled"')


@pytest.fixture
def model(signet):
    with httpx.Client() as http:  # its own one is kept by the library until the process ends
        yield lambda **more: ChatOpenAI(model="m", base_url=signet.url + "/v1", api_key="none", max_retries=0, timeout=30, http_client=http, **more)


@tool
def get_weather(city: str) -> str:
    """Weather of a city."""
    return f"sunny in {city}"


def test_invoke(model, mock):
    mock.then(json_answer(chat_answer("Good day.")))
    got = model(temperature=0.3).invoke([SystemMessage("Be kind."), HumanMessage("Hi")])
    assert got.content == "Good day."
    assert got.usage_metadata["total_tokens"] == 18
    assert got.response_metadata["finish_reason"] == "stop"
    assert [m["role"] for m in mock.last().json["messages"]] == ["system", "user"]


@pytest.mark.parametrize("usage", [False, True])
def test_stream(model, mock, usage):
    """The usage chunk comes only if asked for; its empty choices are no trouble."""
    mock.then(sse(text_chunks("Grüße!", 4)))
    whole = None
    for piece in model(stream_usage=usage).stream("Hi"):
        whole = piece if whole is None else whole + piece
    assert whole.content == "Grüße!"
    assert (whole.usage_metadata or {}).get("total_tokens") == (18 if usage else None)


def test_tools_and_their_results(model, mock):
    mock.then(json_answer(chat_answer(None, message={"tool_calls": [tool_call("a", "get_weather", '{"city":"Oslo"}'), tool_call("b", "get_weather", '{"city":"Rome"}')]},
                                      finish_reason="tool_calls")),
              json_answer(chat_answer("Sunny.")))
    bound = model().bind_tools([get_weather])
    history = [HumanMessage("Weather?")]
    asked = bound.invoke(history)
    assert [(c["id"], c["args"]) for c in asked.tool_calls] == [("a", {"city": "Oslo"}), ("b", {"city": "Rome"})]
    results = [ToolMessage(get_weather.invoke(c["args"]), tool_call_id=c["id"]) for c in asked.tool_calls]
    assert bound.invoke([*history, asked, *results]).content == "Sunny."
    sent = mock.last().json["messages"]
    assert [m.get("tool_call_id") for m in sent] == [None, None, "a", "b"] and sent[1]["tool_calls"][1]["id"] == "b"


def test_streamed_calls_are_added_up_by_their_index(model, mock):
    """surfaces §8.3: tool_calls[].index in each fragment."""
    begin = {"type": "function", "function": {"name": "get_weather", "arguments": ""}}
    mock.then(sse([chunk({"role": "assistant", "content": None}),
                   chunk({"tool_calls": [{"index": 0, "id": "a", **begin}]}), chunk({"tool_calls": [{"index": 1, "id": "b", **begin}]}),
                   chunk({"tool_calls": [{"index": 1, "function": {"arguments": '{"city":"Rome"}'}}]}),
                   chunk({"tool_calls": [{"index": 0, "function": {"arguments": '{"city":"Oslo"}'}}]}), chunk({}, "tool_calls"), usage_chunk()]))
    whole = None
    for piece in model().bind_tools([get_weather]).stream("Weather?"):
        whole = piece if whole is None else whole + piece
    assert [(c["id"], c["args"]) for c in whole.tool_calls] == [("a", {"city": "Oslo"}), ("b", {"city": "Rome"})]


@pytest.mark.parametrize("method", ["json_schema", "function_calling", "json_mode"])
def test_structured_output(model, mock, method):
    class City(BaseModel):
        name: str

    called = chat_answer(None, message={"tool_calls": [tool_call("a", "City", '{"name":"Oslo"}')]}, finish_reason="tool_calls")
    mock.then(json_answer(called if method == "function_calling" else chat_answer('{"name":"Oslo"}')))
    assert model().with_structured_output(City, method=method).invoke("A city, as JSON") == City(name="Oslo")


def test_an_image(model, mock):
    mock.then(json_answer(chat_answer("A cat.")))
    parts = [{"type": "text", "text": "What?"}, {"type": "image", "base64": "iVBORw0KGgo=", "mime_type": "image/png"}]
    assert model().invoke([HumanMessage(parts)]).content == "A cat."
    assert mock.last().json["messages"][0]["content"][1]["image_url"]["url"] == "data:image/png;base64,iVBORw0KGgo="


def test_an_answer_of_its_own_goes_back(model, mock):
    mock.then(json_answer(chat_answer("first")), json_answer(chat_answer("second")))
    first = model().invoke("Hi")
    assert model().invoke([HumanMessage("Hi"), first, AIMessage("mine"), HumanMessage("go on")]).content == "second"
    assert [m["content"] for m in mock.last().json["messages"]] == ["Hi", "first", "mine", "go on"]


@pytest.mark.parametrize("status,name", [(400, "BadRequestError"), (401, "AuthenticationError"), (429, "RateLimitError"), (500, "InternalServerError")])
def test_errors(model, mock, status, name):
    mock.then(error(status, "the cause"))
    with pytest.raises(Exception, match="the cause") as caught:
        model().invoke("Hi")
    names = [c.__name__ for c in type(caught.value).__mro__]
    assert name in names or "APIStatusError" in names


def test_an_error_in_a_stream_is_no_short_answer(model, mock):
    mock.then(sse([chunk({"content": "Half"}), {"error": {"message": "overloaded", "code": 502}}], done=False, end=CLOSE))
    with pytest.raises(Exception, match="overloaded"):
        list(model().stream("Hi"))
