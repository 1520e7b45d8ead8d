"""An upstream of the Responses API behind TensorZero's chat route (providers-openai §4): equal but for what §7.3 mends."""
import json

from cases_request import CALL, PNG, SCHEMA, TIME, WEATHER, body, image, text, user
from compare import Case
from lib.mock import error, json_answer, sse

USAGE = {"input_tokens": 90, "input_tokens_details": {"cached_tokens": 64}, "output_tokens": 40, "output_tokens_details": {"reasoning_tokens": 16}, "total_tokens": 130}


def said(s="Hello!"):
    return {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": [{"type": "output_text", "text": s, "annotations": []}]}


def answer(*output, **more):
    return json_answer({"id": "resp_1", "object": "response", "created_at": 1767225600, "status": "completed", "error": None, "incomplete_details": None, "model": "gpt-5-mini-2025-08-07",
                        "output": list(output), "usage": USAGE, **more})


def ask(name, *messages, up=None, **more):
    case = {k: more.pop(k) for k in ("signet", "why") if k in more}
    return Case(name, body(*messages, model="responses", **more), [up or answer(said())], **case)


def no_null_ids(rec):
    """`"id":null` of messages is left out (§4.2)."""
    rec = json.loads(json.dumps(rec))
    for request in rec["upstream"]:
        request["body"] = request["body"].replace('"id":null,', "")
    return rec


def also(*changes):
    def change(rec):
        for one in (no_null_ids, *changes):
            rec = one(rec)
        return rec
    return change


def text_of(old, new):
    def change(rec):
        assert old in rec["text"], (old, rec["text"])
        return {**rec, "text": rec["text"].replace(old, new)}
    return change


IDS = "providers-openai §4.2: no \"id\":null"
CALLED = "providers-openai §7.3: the finish reason of a call is tool_calls, the id of a call its call_id"


def events(*list_):
    return sse([json.dumps({"type": t, "sequence_number": i, **m}) for i, (t, m) in enumerate(list_)], done=False)


DONE = ("response.completed", {"response": {"id": "resp_2", "status": "completed", "usage": {"input_tokens": 40, "output_tokens": 25, "total_tokens": 65}}})

CASES = [
    ask("plain", signet=no_null_ids, why=IDS),
    ask("system and effort", {"role": "system", "content": "Be brief."}, user("Hi"), reasoning_effort="low", verbosity="low", max_tokens=200, signet=no_null_ids, why=IDS),
    ask("tools", user("Hi"), tools=[WEATHER, TIME], tool_choice="required", parallel_tool_calls=False, signet=no_null_ids, why=IDS),
    ask("a tool by name", user("Hi"), tools=[WEATHER, TIME], tool_choice={"type": "function", "function": {"name": "get_time"}}, signet=no_null_ids, why=IDS),
    ask("a call and its result", user("Weather?"), {"role": "assistant", "tool_calls": [CALL]}, {"role": "tool", "tool_call_id": "call_A1", "content": "4"}, tools=[WEATHER], signet=no_null_ids, why=IDS),
    ask("an image", user([image("data:image/png;base64," + PNG)]), signet=no_null_ids, why=IDS),
    ask("a schema", user("Hi"), response_format={"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMA, "strict": True}}, signet=no_null_ids, why=IDS),
    ask("json", user("Give json"), response_format={"type": "json_object"}, signet=no_null_ids, why=IDS),
    ask("an error", up=error(429, "slow down"), signet=no_null_ids, why=IDS),
    ask("a server's error", up=error(500, "broken"), signet=no_null_ids, why=IDS),
    Case("a stream of text", body(model="responses", stream=True, stream_options={"include_usage": True}),
         [events(("response.created", {"response": {"id": "resp_2", "status": "in_progress", "output": [], "usage": None}}),
                 ("response.output_item.added", {"output_index": 0, "item": {"id": "msg_1", "type": "message", "role": "assistant", "content": []}}),
                 ("response.output_text.delta", {"item_id": "msg_1", "output_index": 0, "content_index": 0, "delta": "Hel"}),
                 ("response.output_text.delta", {"item_id": "msg_1", "output_index": 0, "content_index": 0, "delta": "lo"}), DONE)], signet=no_null_ids, why=IDS),
    ask("a call comes back", up=answer({"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "Ask."}], "encrypted_content": "gAAA2"},
                                       {"type": "function_call", "id": "fc_1", "call_id": "call_R2", "name": "get_weather", "arguments": '{"city":"Oslo"}', "status": "completed"}),
        signet=also(text_of('"finish_reason":"stop"', '"finish_reason":"tool_calls"')), why=CALLED),
    ask("an answer that was cut", up=answer(said("Once"), status="incomplete", incomplete_details={"reason": "max_output_tokens"}), signet=no_null_ids, why=IDS),
    Case("a stream of a call", body(model="responses", stream=True),
         [events(("response.output_item.added", {"output_index": 0, "item": {"id": "fc_2", "type": "function_call", "call_id": "call_R3", "name": "get_weather", "arguments": ""}}),
                 ("response.function_call_arguments.delta", {"item_id": "fc_2", "output_index": 0, "delta": '{"city":"Oslo"}'}),
                 ("response.output_item.done", {"output_index": 0, "item": {"id": "fc_2", "type": "function_call", "call_id": "call_R3", "name": "get_weather", "arguments": '{"city":"Oslo"}'}}), DONE)],
         signet=also(text_of("fc_2", "call_R3"), text_of('"finish_reason":"stop"', '"finish_reason":"tool_calls"')), why=CALLED),
]
