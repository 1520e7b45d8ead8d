"""POST /v1/messages: Anthropic's own client, and byte by byte, over every family of upstreams (surfaces §5, §6, §7.1)."""
import hashlib
import json

import anthropic
import pytest

from lib import claude, raw
from lib.claude import answer, end, error_event, event, start, stream, text_block, text_stream, thinking, thinking_block, tool_block, tool_use
from lib.mock import CLOSE, HANG, RESET, chat_answer, chunk, error, json_answer, sse, text_chunks, tool_call, usage_chunk
from lib.record import rows, wait_row
from lib.signet import config, openai_model

PATH = "/v1/messages"
SIGNET = {"env": claude.ENV}
WEIGH = {"name": "weigh", "description": "Weigh a box", "input_schema": {"type": "object", "properties": {"box": {"type": "string"}}, "required": ["box"]}}


def signet_toml(mock):
    models = openai_model("fast", mock.url, model_name="gpt-x") + claude.model("own", mock.url) + claude.model("own-pair", mock.url, mock.url)
    models += openai_model("chat-pair", mock.url, mock.url)
    return config(models, extra='[surfaces.aliases]\n"claude-*" = "fast"\n', record=True)


@pytest.fixture
def client(signet):
    with anthropic.Anthropic(base_url=signet.url, api_key="none", max_retries=0, timeout=10) as c:
        yield c


def ask(signet, *messages, path=PATH, headers=(), **fields):
    body = {"model": "fast", "max_tokens": 256, "messages": list(messages) or [{"role": "user", "content": "Hi"}], **fields}
    return raw.post(signet.port, path, json.dumps(body, separators=(",", ":"), ensure_ascii=False), headers)


def events(got):
    """[(name, data)], each with both of its lines."""
    out = []
    for block in got.body.decode().split("\n\n")[:-1]:
        name, data = block.split("\n")
        assert name.startswith("event: ") and data.startswith("data: ")
        out.append((name[7:], json.loads(data[6:])))
        assert out[-1][0] == out[-1][1]["type"]
    return out


def check_order(all):
    """surfaces §5.7: one message_start, blocks one after the other, a delta inside of its own."""
    names = [n for n, _ in all if n != "ping"]
    assert names[0] == "message_start" and names.count("message_start") == 1
    open, next = None, 0
    kinds = {"text_delta": "text", "thinking_delta": "thinking", "signature_delta": "thinking", "input_json_delta": "tool_use"}
    for name, data in all:
        if name == "content_block_start":
            assert open is None and data["index"] == next
            open, next = data["content_block"]["type"], next + 1
        elif name == "content_block_delta":
            assert data["index"] == next - 1 and kinds[data["delta"]["type"]] == open
        elif name == "content_block_stop":
            assert open and data["index"] == next - 1
            open = None
    assert open is None
    return all


def blocks(all):
    """The content that the events make."""
    out = []
    for name, data in check_order(all):
        if name == "content_block_start":
            out.append({**data["content_block"], "json": ""})
        elif name == "content_block_delta":
            d = data["delta"]
            for field, key in (("text", "text"), ("thinking", "thinking"), ("signature", "signature"), ("partial_json", "json")):
                if field in d:
                    out[-1][key] = out[-1].get(key, "") + d[field]
    return out


# -- chat upstreams ----------------------------------------------------------------------------------
GOLDEN = {"model": "claude-fast", "max_tokens": 256, "stream": True, "system": [
    {"type": "text", "text": "x-anthropic-billing-header: cc_version=2.1.9; cc_entrypoint=cli;"},
    {"type": "text", "text": "You sort boxes.", "cache_control": {"type": "ephemeral"}}], "tools": [WEIGH],
    "messages": [{"role": "user", "content": [{"type": "text", "text": "Which is heavier?"},
                                              {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}}]},
                 {"role": "assistant", "content": [{"type": "tool_use", "id": "toolu_01", "name": "weigh", "input": {"box": "A"}}]},
                 {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_01", "content": [{"type": "text", "text": "4 kg"}]},
                                              {"type": "text", "text": "Go on."}]}],
    "metadata": {"user_id": "user_1_account__session_5d1c"}}


def fragment(index, arguments, **more):
    f = {"arguments": arguments, **({"name": more.pop("name")} if "name" in more else {})}
    return chunk({"tool_calls": [{"index": index, **({"id": more["id"], "type": "function"} if "id" in more else {}), "function": f}]})


INTERLEAVED = [fragment(0, "", id="call_1", name="weigh"), fragment(0, '{"box":'), fragment(1, '{"box":"C"', id="weigh:1", name="weigh"),
               fragment(0, '"B"}'), fragment(1, "}")]


def test_the_golden_stream_of_the_page(signet, mock):
    """surfaces §8.4 #1, #6, #10, #18, #20, and the page of §7.1"""
    mock.then(sse([chunk({"role": "assistant", "content": ""}), chunk({"reasoning_content": "B is "}), chunk({"reasoning_content": "next."}),
                   chunk({"content": "Weighing "}), chunk({"content": "B."}), *INTERLEAVED, chunk({}, "tool_calls"),
                   usage_chunk(120, 40, prompt_tokens_details={"cached_tokens": 100}, completion_tokens_details={"reasoning_tokens": 6})]))
    got = raw.post(signet.port, PATH + "?beta=true", json.dumps(GOLDEN, separators=(",", ":")), [("x-api-key", "k"), ("anthropic-version", "2023-06-01")])
    sent = mock.last()
    assert not [h for h in sent.headers if h.startswith("anthropic-")]
    assert sent.json == {
        "messages": [{"role": "system", "content": "You sort boxes."},
                     {"role": "user", "content": [{"type": "text", "text": "Which is heavier?"},
                                                  {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}]},
                     {"role": "assistant", "tool_calls": [{"id": "toolu_01", "type": "function", "function": {"name": "weigh", "arguments": '{"box":"A"}'}}]},
                     {"role": "tool", "content": "4 kg", "tool_call_id": "toolu_01"}, {"role": "user", "content": "Go on."}],
        "model": "gpt-x", "max_completion_tokens": 256, "stream": True, "stream_options": {"include_usage": True},
        "tools": [{"type": "function", "function": {"name": "weigh", "description": "Weigh a box", "parameters": WEIGH["input_schema"]}}],
        "tool_choice": "auto"}
    id = got.headers["x-signet-inference-id"].replace("-", "")
    body = got.body.decode().replace(id, "0197c0de000070008000000000000001").encode()
    assert check_order(events(got))[0][1]["message"]["usage"]["input_tokens"] == 2017
    # (the page, but for the text block's citations: a list, which the AI SDK reads, not null, which it refuses)
    assert (len(body), hashlib.sha256(body).hexdigest()) == (2889, "fa650ae4a613e8082cb7b8a71180386d5e79daca1f0ac21f0dac587009f8c622"), body.decode()
    assert wait_row(signet.data_dir, got.headers["x-signet-inference-id"])["surface"] == "messages"
    row = rows(signet.data_dir, "select tags from ChatInference where id = ?", got.headers["x-signet-inference-id"])[0]
    assert json.loads(row["tags"])["signet::session"] == "5d1c" and json.loads(row["tags"])["signet::surface"] == "messages"


def test_a_plain_message(client, mock):
    mock.then(json_answer(chat_answer("Hello!", usage={"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18,
                                                       "prompt_tokens_details": {"cached_tokens": 4}})))
    got = client.messages.create(model="fast", max_tokens=64, system="Be brief.", extra_body={"temperature": 0.5, "top_p": 0.9}, stop_sequences=["END", " "],
                                 messages=[{"role": "user", "content": "Hi"}])
    assert got.type == "message" and got.role == "assistant" and got.model == "fast" and got.id.startswith("msg_")
    assert got.content[0].text == "Hello!" and got.stop_reason == "end_turn" and got.stop_sequence is None
    assert (got.usage.input_tokens, got.usage.cache_read_input_tokens, got.usage.output_tokens) == (7, 4, 7)
    sent = mock.last().json
    assert sent["stop"] == ["END"] and sent["temperature"] == 0.5 and sent["messages"][0] == {"role": "system", "content": "Be brief."}


def test_a_stream_of_the_official_client(client, mock):
    mock.then(sse(text_chunks("Hello there!", pieces=4)))
    with client.messages.stream(model="fast", max_tokens=64, messages=[{"role": "user", "content": "Hi"}]) as s:
        assert "".join(s.text_stream) == "Hello there!"
        final = s.get_final_message()
    assert final.stop_reason == "end_turn" and final.usage.output_tokens == 7 and final.usage.input_tokens == 11


def test_tools_of_the_official_client(client, mock):
    """surfaces §8.4 #3, #4, #5"""
    calls = [e for i in range(3) for e in (fragment(i, "", id=f"c{i}", name="weigh"), fragment(i, '{"box"'), fragment(i, f':"{i}"}}'))]
    mock.then(sse([chunk({"reasoning_content": "hm"}), chunk({"content": "So"}), *calls, chunk({}, "tool_calls"), usage_chunk()]))
    with client.messages.stream(model="fast", max_tokens=64, tools=[WEIGH], tool_choice={"type": "any", "disable_parallel_tool_use": True},
                                messages=[{"role": "user", "content": "Weigh"}]) as s:
        final = s.get_final_message()
    assert [b.type for b in final.content] == ["thinking", "text", "tool_use", "tool_use", "tool_use"] and final.stop_reason == "tool_use"
    assert [b.input for b in final.content[2:]] == [{"box": "0"}, {"box": "1"}, {"box": "2"}]
    assert mock.last().json["tool_choice"] == "required" and mock.last().json["parallel_tool_calls"] is False
    mock.then(json_answer(chat_answer(None, message={"tool_calls": [tool_call("c:0", "weigh", '{"box":"A"}'), tool_call("d", "weigh", "no json"),
                                                                     tool_call("e", "weigh", "")]}, finish_reason="stop")))
    got = client.messages.create(model="fast", max_tokens=64, tools=[WEIGH], messages=[{"role": "user", "content": "Weigh"}])
    assert got.stop_reason == "tool_use" and [b.input for b in got.content] == [{"box": "A"}, {"_raw": "no json"}, {}]
    assert got.content[0].id.startswith("c_0_")


def test_text_that_a_thought_interrupts_is_three_blocks(signet, mock):
    """surfaces §8.4 #2"""
    mock.then(sse([chunk({"content": "---"}), chunk({"reasoning_content": "hm"}), chunk({"content": "So."}), chunk({}, "stop")]))
    assert [b["type"] for b in blocks(events(ask(signet, stream=True)))] == ["text", "thinking", "text"]


@pytest.mark.parametrize("first", [chunk({"content": ""}), chunk({"content": "\n\n"})])
def test_calls_before_any_text_come_without_an_empty_block(signet, mock, first):
    """surfaces §8.4 #7"""
    mock.then(sse([first, fragment(0, "", id="a", name="weigh"), chunk({}, "tool_calls"), usage_chunk()]))
    found = blocks(events(ask(signet, stream=True, tools=[WEIGH])))
    assert [(b["type"], b["json"]) for b in found] == [("tool_use", "{}")]


def test_usage_of_the_end_is_in_message_delta(signet, mock):
    """surfaces §8.4 #19"""
    mock.then(sse(text_chunks("x")))
    all = events(ask(signet, stream=True))
    assert dict(all)["message_delta"]["usage"] == {
        "input_tokens": 11, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0, "output_tokens": 7, "output_tokens_details": None, "server_tool_use": None}


def result(id, content, **more):
    return {"type": "tool_result", "tool_use_id": id, "content": content, **more}


IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}}


def test_images_in_results_follow_them_all(signet, mock):
    """surfaces §8.4 #14, #15"""
    mock.then(json_answer(chat_answer("ok")))
    ask(signet, {"role": "user", "content": "?"}, {"role": "assistant", "content": [tool_use("a", "weigh", {}), tool_use("b", "weigh", {})]},
        {"role": "user", "content": [result("a", [{"type": "text", "text": "see"}, IMAGE]), result("b", "no", is_error=True)]}, tools=[WEIGH])
    sent = mock.last().json["messages"][2:]
    assert [(m["role"], m["content"]) for m in sent[:2]] == [("tool", "see\n[image 1]"), ("tool", "Error: no")]
    assert sent[2]["role"] == "user" and sent[2]["content"][1]["type"] == "image_url"


def test_documents(signet, mock):
    mock.then(json_answer(chat_answer("ok")))
    pdf = {"type": "document", "title": "a.pdf", "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="}}
    text = {"type": "document", "title": "T", "source": {"type": "text", "media_type": "text/plain", "data": "words"}}
    found = {"type": "search_result", "title": "S", "source": "http://x", "content": [{"type": "text", "text": "it"}]}
    ask(signet, {"role": "user", "content": [pdf, text, found]})
    assert mock.last().json["messages"][0]["content"] == [
        {"type": "file", "file": {"file_data": "data:application/pdf;base64,JVBERi0=", "filename": "a.pdf"}},
        {"type": "text", "text": "T\nwords"}, {"type": "text", "text": "S (http://x)\nit"}]


def test_a_late_system_turn_stands_in_its_place(signet, mock):
    mock.then(json_answer(chat_answer("ok")))
    ask(signet, {"role": "user", "content": "a"}, {"role": "system", "content": "Now in German."}, {"role": "user", "content": "b"})
    assert mock.last().json["messages"][1] == {"role": "user", "content": "<system>\nNow in German.\n</system>"}


def test_the_billing_note_changes_no_prompt(signet, mock):
    """surfaces §8.4 #27"""
    bodies = []
    for cch in ("a1", "b2"):
        mock.then(json_answer(chat_answer("ok")))
        ask(signet, system=[{"type": "text", "text": f"x-anthropic-billing-header: v; cch={cch}"}, {"type": "text", "text": "S"}])
        bodies.append(mock.last().body)
    assert bodies[0] == bodies[1]


def test_a_budget_becomes_an_effort(signet, mock):
    """surfaces §8.4 #51"""
    mock.then(json_answer(chat_answer("ok")))
    assert ask(signet, max_tokens=20000, thinking={"type": "enabled", "budget_tokens": 10000}).status == 200
    assert mock.last().json["reasoning_effort"] == "medium"


def test_json_schema_and_effort(signet, mock):
    mock.then(json_answer(chat_answer("{}")))
    ask(signet, output_config={"effort": "high", "format": {"type": "json_schema", "schema": {"type": "object"}}})
    sent = mock.last().json
    assert sent["reasoning_effort"] == "high" and sent["response_format"]["json_schema"]["schema"] == {"type": "object"}


def test_what_only_anthropic_has_is_named(signet, mock):
    """surfaces §8.4 #42"""
    mock.then(json_answer(chat_answer("ok")))
    got = ask(signet, top_k=5, context_management={"edits": []}, tools=[WEIGH, {"type": "web_search_20250305", "name": "web_search"}, {"type": "bash_20250124", "name": "bash"}])
    assert got.headers["x-signet-ignored"] == "top_k, context_management, tools[1]:web_search_20250305"
    assert [t["function"]["name"] for t in mock.last().json["tools"]] == ["weigh", "bash"]


@pytest.mark.parametrize("fields,words", [
    ({"max_tokens": ...}, "max_tokens: Field required"), ({"messages": []}, "messages: at least one message"), ({"model": ...}, "model: Field required"),
    ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages.0.content.0.text: Field required"),
    ({"messages": [{"role": "user", "content": [{"type": "image", "source": {"type": "base64", "media_type": 1, "data": ""}}]}]},
     "messages.0.content.0.source.media_type: Input should be a valid string"),
    ({"messages": [{"role": "user", "content": [{"type": "image", "source": {"type": "file", "file_id": "f"}}]}]}, "messages.0.content.0.source"),
    ({"messages": [{"role": "user", "content": [result("no", "x")]}]}, "tool call id not found"),
    ({"messages": [{"role": "user", "content": [{"type": "hologram"}]}]}, "messages.0.content.0"),
    ({"mcp_servers": [{"url": "x"}]}, "mcp_servers"), ({"temperature": "hot"}, "temperature: Input should be a valid number"),
    ({"tool_choice": {"type": "odd"}}, "tool_choice.type"), ({"tensorzero::typo": 1}, "tensorzero::typo"), ({"max_tokens": 0}, "max_tokens"),
])
def test_refusals(signet, mock, fields, words):
    body = {"model": "fast", "max_tokens": 5, "messages": [{"role": "user", "content": "Hi"}], **fields}
    got = raw.post(signet.port, PATH, {k: v for k, v in body.items() if v is not ...})
    assert got.status == 400 and words in got.message, got.message
    assert got.json["type"] == "error" and got.json["error"]["type"] == "invalid_request_error" and got.json["request_id"].startswith("req_")
    assert mock.requests == []


def test_a_model_that_is_not_there(signet):
    """surfaces §8.4 #58"""
    got = ask(signet, model="nope")
    assert got.status == 404 and got.json["type"] == "error" and got.json["error"]["type"] == "not_found_error" and "request_id" in got.json


@pytest.mark.parametrize("status,code,want,type", [
    (503, None, 529, "overloaded_error"), (429, "rate_limit_exceeded", 429, "rate_limit_error"), (429, "insufficient_quota", 402, "billing_error"),
    (401, None, 502, "api_error"), (500, None, 502, "api_error"), (504, None, 504, "timeout_error"), (400, None, 400, "invalid_request_error")])
def test_errors_of_another_family(signet, mock, status, code, want, type):
    """surfaces §8.4 #59"""
    mock.then(error(status, "no", code=code))
    got = ask(signet)
    assert (got.status, got.json["error"]["type"]) == (want, type) and "no" in got.message


def test_a_prompt_that_is_too_long_is_told_in_the_words_that_clients_know(signet, mock):
    mock.then(error(400, "maximum context length is 8", code="context_length_exceeded"))
    got = ask(signet)
    assert got.status == 400 and got.message.startswith("prompt is too long: ") and got.message.endswith("(capability_rejected: prompt_too_long)")


@pytest.mark.parametrize("how", [None, CLOSE, RESET])
def test_a_stream_that_breaks_ends_in_an_error_event(signet, mock, how):
    mock.then(sse([chunk({"content": "half"}), *([how] if how else [])], done=False))
    all = events(ask(signet, stream=True))
    assert all[-1][0] == "error" and all[-1][1]["error"]["type"] == "api_error" and all[-1][1]["request_id"].startswith("req_")
    assert "message_stop" not in dict(all) and "message_delta" not in dict(all)


def test_the_next_provider_answers_while_nothing_was_said(signet, mock):
    mock.then(sse([chunk({"role": "assistant", "content": ""}), RESET], done=False), sse(text_chunks("second")))
    all = check_order(events(ask(signet, model="chat-pair", stream=True)))
    assert blocks(all)[0]["text"] == "second"


def test_a_client_that_leaves_takes_the_call_along(signet, mock):
    mock.then(sse([chunk({"content": "a"}), HANG], done=False))
    with raw.Client(signet.port) as c:
        c.send(raw.post_bytes(PATH, {"model": "fast", "max_tokens": 5, "stream": True, "messages": [{"role": "user", "content": "Hi"}]}))
        c.read_head()
        c.read_chunk()
    assert mock.last().gone.wait(5)


# -- Anthropic upstreams: pass-through ---------------------------------------------------------------
def test_a_request_passes_through(signet, mock):
    """surfaces §8.4 #26, and §1.6"""
    body = ('{"model":"own","max_tokens":99,"temperature":1.50,"future_field":{"b":1.50,"a":2},"system":[{"type":"text","text":"a"},{"type":"text",'
            '"text":"x-anthropic-billing-header: v"},{"type":"text","text":"c","cache_control":{"type":"ephemeral"}}],"tools":[{"type":"web_search_20250305",'
            '"name":"web_search"}],"messages":[{"role":"user","content":[{"type":"hologram","x":1}]}],"tensorzero::tags":{"t":"v"},"metadata":{"user_id":"u"}}')
    mock.then(answer("ok"))
    got = raw.post(signet.port, PATH + "?beta=true", body, [("anthropic-beta", "b1,b2"), ("anthropic-beta", "b3"), ("anthropic-version", "2024-01-01"),
                                                           ("anthropic-dangerous-direct-browser-access", "true"), ("x-claude-code-session-id", "s1"),
                                                           ("x-app", "cli"), ("user-agent", "claude-cli/2"), ("x-api-key", "k")])
    sent = mock.last()
    assert got.status == 200, got.body
    assert sent.body.decode() == body.replace('"model":"own"', '"model":"claude-sonnet-4-6"').replace(',"tensorzero::tags":{"t":"v"}', "")
    assert (sent.headers["anthropic-beta"], sent.headers["anthropic-version"], sent.headers["user-agent"]) == ("b1,b2,b3", "2024-01-01", "claude-cli/2")
    assert sent.headers["x-claude-code-session-id"] == "s1" and sent.headers["x-app"] == "cli" and sent.headers["x-api-key"] == "sk-claude"
    assert "anthropic-dangerous-direct-browser-access" not in sent.headers
    assert got.headers["request-id"] == "req_up" and got.json["id"].startswith("msg_") and got.json["model"] == "own"
    assert {**got.json, "id": 0, "model": 0} == {**claude.message("ok"), "id": 0, "model": 0}


def test_a_stream_passes_through(signet, mock):
    odd = [event("ping"), event("future_event", x=[1.50]), *thinking_block(0, "hm", signature="sig"),
           *claude.block(1, ("citations_delta", "citation", {"type": "odd"}), type="text", text=""), *tool_block(2, "t", "weigh", "", '{"box":"A"}')]
    mock.then(stream(odd, end("pause_turn", usage={"output_tokens": 5, "new": 1})))
    got = ask(signet, model="own", stream=True)
    sent = b"".join([start(), *odd, *end("pause_turn", usage={"output_tokens": 5, "new": 1})])
    id = got.headers["x-signet-inference-id"].replace("-", "")
    assert got.body == sent.replace(b'"msg_up"', b'"msg_%s"' % id.encode()).replace(b'"claude-sonnet-4-6-2026"', b'"own"')


def test_a_passed_stream_in_small_pieces_is_the_same(signet, mock):
    for split in (1, 5):
        mock.then(stream(text_block(0, "Grüße"), end(), split=split))
        assert blocks(events(ask(signet, model="own", stream=True)))[0]["text"] == "Grüße"


def test_a_thought_without_words_keeps_its_bytes(signet, mock):
    """surfaces §8.4 #22, #23"""
    turn = [thinking("", "s1"), tool_use("a", "weigh", {}), thinking("x", "s2"), tool_use("b", "weigh", {}), {"type": "redacted_thinking", "data": "R"}]
    mock.then(answer("ok"))
    ask(signet, {"role": "user", "content": "?"}, {"role": "assistant", "content": turn}, {"role": "user", "content": [result("a", "1"), result("b", "2")]},
        model="own", tools=[WEIGH])
    assert mock.last().json["messages"][1]["content"] == turn


def test_a_thought_of_another_family_goes_home_only(signet, mock):
    """surfaces §8.4 #24"""
    mock.then(sse([chunk({"reasoning_content": "hm"}), chunk({"content": "So."}), chunk({}, "stop")]))
    found = blocks(events(ask(signet, stream=True)))
    seal = found[0]["signature"]
    assert seal.startswith("sgn1.")
    history = [{"role": "user", "content": "?"}, {"role": "assistant", "content": [thinking("hm", seal), {"type": "text", "text": "So.", "citations": []}]},
               {"role": "user", "content": "More"}]
    mock.then(answer("ok"))
    assert ask(signet, *history, model="own").status == 200
    assert mock.last().json["messages"] == [{"role": "user", "content": [{"type": "text", "text": "?"}]},
                                            {"role": "assistant", "content": [{"type": "text", "text": "So.", "citations": []}]},
                                            {"role": "user", "content": [{"type": "text", "text": "More"}]}]
    mock.then(json_answer(chat_answer("ok")))
    ask(signet, *history)
    assert mock.last().json["messages"][1] == {"role": "assistant", "content": "So.", "reasoning_content": "hm"}
    mock.then(json_answer(chat_answer("ok")))
    ask(signet, {"role": "user", "content": "?"}, {"role": "assistant", "content": [thinking("own", "bare"), {"type": "text", "text": "So."}]})
    assert mock.last().json["messages"][1] == {"role": "assistant", "content": "So."}


def test_the_official_client_over_its_own_family(client, mock):
    mock.then(stream(thinking_block(0, "Two", " cities."), tool_block(1, "t1", "weigh", '{"box":', '"A"}'), tool_block(2, "t2", "weigh"), end("tool_use")))
    with client.messages.stream(model="own", max_tokens=2048, thinking={"type": "enabled", "budget_tokens": 1024}, tools=[WEIGH],
                                messages=[{"role": "user", "content": "?"}]) as s:
        final = s.get_final_message()
    assert [b.type for b in final.content] == ["thinking", "tool_use", "tool_use"] and final.content[0].signature == "c2ln"
    assert final.content[1].input == {"box": "A"} and final.usage.cache_read_input_tokens == 100


@pytest.mark.parametrize("status,want", [(400, 400), (404, 404), (413, 413), (429, 429), (500, 500), (529, 529), (401, 502), (403, 502)])
def test_errors_of_its_own_family(signet, mock, status, want):
    """surfaces §1.6: status and body unchanged, but of the gateway's own credential"""
    mock.then(claude.error(status, "thinking.signature: odd"))
    got = ask(signet, model="own")
    assert got.status == want and "thinking.signature: odd" in got.message
    assert (got.json["request_id"] == "req_up") == (status == want)
    assert got.json["error"]["type"] == (claude.ERROR_TYPES[status] if status == want else "api_error")


def test_errors_raise_in_the_official_client(client, mock):
    mock.then(claude.error(529, "busy"))
    with pytest.raises(anthropic.InternalServerError) as e:
        client.messages.create(model="own", max_tokens=5, messages=[{"role": "user", "content": "Hi"}])
    assert e.value.status_code == 529
    mock.then(stream(text_block(0, "a"), error_event()))
    with pytest.raises(anthropic.APIStatusError):
        with client.messages.stream(model="own", max_tokens=5, messages=[{"role": "user", "content": "Hi"}]) as s:
            s.get_final_message()


def test_an_overload_in_a_passed_stream(signet, mock):
    mock.then(stream(error_event()), text_stream("second"))
    assert blocks(events(ask(signet, model="own-pair", stream=True)))[0]["text"] == "second"
    mock.then(stream(text_block(0, "first"), error_event()))
    all = events(ask(signet, model="own", stream=True))
    assert all[-1][0] == "error" and all[-1][1]["error"]["type"] == "overloaded_error" and "message_stop" not in dict(all)


def test_a_passed_stream_without_its_last_event_gets_one(signet, mock):
    mock.then(stream(text_block(0, "a"), end(stop_message=False)))
    assert events(ask(signet, model="own", stream=True))[-1] == ("message_stop", {"type": "message_stop"})
    mock.then(stream(text_block(0, "a")))
    assert events(ask(signet, model="own", stream=True))[-1][0] == "error"


def test_the_record_of_a_passed_stream(signet, mock):
    mock.then(stream(thinking_block(0, "hm"), text_block(1, "Hi"), end()))
    got = ask(signet, model="own", stream=True)
    row = wait_row(signet.data_dir, got.headers["x-signet-inference-id"])
    assert (row["surface"], row["state"], row["input_tokens"], row["output_tokens"]) == ("messages", "ok", 140, 55)


def test_the_other_path_is_the_same_route(signet, mock):
    mock.then(answer("ok"))
    assert ask(signet, model="own", path="/anthropic/v1/messages").json["content"] == [{"type": "text", "text": "ok"}]


# -- counting ----------------------------------------------------------------------------------------
def count(signet, path=PATH + "/count_tokens", headers=(), **fields):
    return raw.post(signet.port, path, {"model": "fast", "messages": [{"role": "user", "content": "Hi there"}], **fields}, headers)


def test_counting_where_the_upstream_can(signet, mock):
    """surfaces §8.4 #28, #30"""
    mock.then(json_answer({"input_tokens": 77, "context_management": {"original_input_tokens": 80}}))
    got = count(signet, model="own", path=PATH + "/count_tokens?beta=true", headers=[("anthropic-beta", "b1")], tools=[WEIGH])
    assert got.json == {"input_tokens": 77, "context_management": {"original_input_tokens": 80}} and got.headers["x-signet-token-count"] == "exact"
    sent = mock.last()
    assert sent.target == "/v1/messages/count_tokens" and sent.headers["anthropic-beta"] == "b1" and sent.headers["x-api-key"] == "sk-claude"
    assert sent.json == {"model": "claude-sonnet-4-6", "messages": [{"role": "user", "content": "Hi there"}], "tools": [WEIGH]}


def test_counting_where_it_cannot_is_estimated(signet, mock):
    """surfaces §8.4 #29: the system text and the tools are in it"""
    bare = count(signet)
    assert bare.headers["x-signet-token-count"] == "estimated" and bare.json == {"input_tokens": 3 + 4} and mock.requests == []
    assert count(signet, system="x" * 700).json["input_tokens"] == 7 + 200
    tools = [{**WEIGH, "name": f"weigh{i}"} for i in range(5)]
    one = -(-2 * len(json.dumps(tools[0], separators=(",", ":"))) // 7) + 8
    assert count(signet, system="x" * 700, tools=tools).json["input_tokens"] == 7 + 200 + 340 + 5 * one
    mock.then(claude.error(500))
    assert count(signet, model="own").headers["x-signet-token-count"] == "estimated"
    assert count(signet, path="/anthropic/v1/messages/count_tokens").status == 200


def test_counting_by_the_official_client(client):
    assert client.messages.count_tokens(model="fast", messages=[{"role": "user", "content": "Hi there"}]).input_tokens == 7


def test_a_picture_counts_by_its_pixels(signet):
    import base64
    import struct
    png = base64.b64encode(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + struct.pack(">II", 750, 100) + b"\x08\x02\0\0\0").decode()
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": png}}
    assert count(signet, messages=[{"role": "user", "content": [image]}]).json["input_tokens"] == 100 + 4


def test_counting_is_refused_as_a_message_is(signet):
    assert count(signet, model="nope").status == 404
    got = count(signet, messages=[])
    assert got.status == 400 and got.json["error"]["type"] == "invalid_request_error"


# -- models ------------------------------------------------------------------------------------------
def test_models_in_anthropics_form(signet, client):
    """surfaces §2.1"""
    listed = client.models.list(limit=1000)
    assert [m.id for m in listed.data] == ["fast", "own", "own-pair", "chat-pair"] and listed.has_more is False
    assert listed.data[0].type == "model" and listed.data[0].display_name == "fast" and listed.first_id == "fast" and listed.last_id == "chat-pair"
    page = raw.get(signet.port, "/anthropic/v1/models?limit=2&after_id=fast").json
    assert [m["id"] for m in page["data"]] == ["own", "own-pair"] and page["has_more"] is True and page["data"][0]["created_at"].endswith("Z")
    page = raw.get(signet.port, "/anthropic/v1/models?limit=1&before_id=own-pair").json
    assert [m["id"] for m in page["data"]] == ["own"] and page["has_more"] is True
    assert client.models.retrieve("own").id == "own"
    assert raw.get(signet.port, "/v1/models").json["object"] == "list"


@pytest.mark.parametrize("query", ["limit=0", "limit=1001", "after_id=nope", "before_id=nope"])
def test_models_by_a_wrong_question(signet, query):
    got = raw.get(signet.port, "/anthropic/v1/models?" + query)
    assert got.status == 400 and got.json["error"]["type"] == "invalid_request_error"
