"""OpenAI's Responses, as the mock model speaks them. It keeps what it answered, for previous_response_id."""
import json
import re

from .chat import error, in_range, text_of  # noqa: F401
from .files import file_of, url_of
from .turn import THOUGHT, Tool, Turn, Wrong, long_enough, number, seal

RANGES = (("temperature", 0, 2), ("top_p", 0, 1), ("max_output_tokens", 1, 2**31), ("top_logprobs", 0, 20))
CALLS = {"function_call": "function_call_output", "custom_tool_call": "custom_tool_call_output", "local_shell_call": "local_shell_call_output",
         "shell_call": "shell_call_output", "apply_patch_call": "apply_patch_call_output"}


def file_in(part, at):
    kind = part.get("type")
    if kind == "input_image" and part.get("image_url"):
        return [url_of(part["image_url"], at + ".image_url")]
    if kind == "input_file" and part.get("file_data"):
        data = part["file_data"]
        return [url_of(data, at) if data.startswith("data:") else file_of("application/pdf", data, at)]
    if kind == "input_file" and part.get("file_url"):
        return [("url", part["file_url"])]
    return []


def tools_of(tools, namespace=""):
    for tool in tools or []:
        kind = tool.get("type")
        if kind == "namespace":
            yield from tools_of(tool["tools"], tool["name"])
        elif kind in ("function", "custom"):
            yield Tool(tool["name"], tool.get("parameters") or {"type": "object"}, custom=kind == "custom", namespace=namespace)
        elif kind in ("local_shell", "shell", "apply_patch"):
            yield Tool(kind, {"type": "object"})


def read(body, stored=None):
    """`stored`: {id: (input items, output items)} of earlier answers."""
    if not isinstance(body.get("model"), str) or not body["model"]:
        raise Wrong("Missing required parameter: 'model'.", "model", code="missing_required_parameter")
    if body.get("background"):
        raise Wrong("This mock answers at once, or not at all.", "background", code="unsupported_value")
    items = body.get("input")
    items = [{"role": "user", "content": items}] if isinstance(items, str) else items
    if not isinstance(items, list):
        raise Wrong("Invalid type for 'input': expected a string or an array.", "input", code="invalid_type")
    if before := body.get("previous_response_id"):
        if before not in (stored or {}):
            raise Wrong(f"Previous response with id '{before}' not found.", "previous_response_id", code="previous_response_not_found")
        items = stored[before] + items
    in_range(body, RANGES)
    turn = Turn(body["model"], system=body.get("instructions") or "", stream=bool(body.get("stream")))
    read_items(items, turn)
    turn.tools += tools_of(body.get("tools"))
    choice = body.get("tool_choice") or "auto"
    turn.choice = choice if isinstance(choice, str) else choice.get("name", "auto")
    turn.parallel = body.get("parallel_tool_calls") is not False
    form = (body.get("text") or {}).get("format") or {}
    turn.schema = form["schema"] if form.get("type") == "json_schema" else None
    turn.json = form.get("type") == "json_object"
    turn.limit = body.get("max_output_tokens")
    turn.think = (body.get("reasoning") or {}).get("effort") not in (None, "none")
    turn.cache = body.get("prompt_cache_key") or long_enough(turn)
    return turn


def read_items(items, turn):
    waiting, in_calls = {}, False
    for i, item in enumerate(items):
        where, kind = f"input[{i}]", item.get("type", "message")
        if kind in CALLS:
            waiting[item["call_id"]] = CALLS[kind]
            turn.calling_turns += not in_calls
            in_calls, turn.files, turn.results = True, [], []
        elif kind in CALLS.values():
            in_calls = False
            if waiting.pop(item.get("call_id"), None) != kind:
                raise Wrong(f"No tool call found for function call output with call_id {item.get('call_id')}.", "input")
            turn.results.append(text_of(item["output"]))
            for j, part in enumerate(item["output"] if isinstance(item["output"], list) else []):
                turn.files += file_in(part, f"{where}.output[{j}]")
        elif kind == "reasoning":
            known = [seal(THOUGHT)]
            if item.get("encrypted_content") and item["encrypted_content"] not in known:
                raise Wrong(f"The encrypted content for item {item.get('id')} could not be verified.", where, code="invalid_encrypted_content")
        elif kind == "additional_tools":
            turn.tools += tools_of(item["tools"])
        elif kind == "message":
            in_calls = False
            read_message(item, where, turn)
    if waiting:
        raise Wrong(f"No tool output found for function call {next(iter(waiting))}.", "input")


def read_message(item, where, turn):
    role, text = item.get("role"), text_of(item.get("content"))
    if role not in ("user", "assistant", "system", "developer"):
        raise Wrong(f"Invalid value: '{role}'.", where + ".role", code="invalid_value")
    if role in ("system", "developer"):
        turn.system += ("\n" if turn.system else "") + text
        return
    turn.words.append(text)
    turn.prefill = text if role == "assistant" else ""
    if role == "assistant":
        turn.files, turn.results = [], []
        return
    turn.last, turn.results = text, []
    for j, part in enumerate(item["content"] if isinstance(item["content"], list) else []):
        turn.files += file_in(part, f"{where}.content[{j}]")


def usage_of(said):
    return {"input_tokens": said.input, "input_tokens_details": {"cached_tokens": said.cached, "cache_write_tokens": said.written},
            "output_tokens": said.output, "output_tokens_details": {"reasoning_tokens": said.reasoning}, "total_tokens": said.input + said.output}


def items_of(body, said):
    """(item as it begins, item as it ends) of each output."""
    of = number(body)
    if said.thought:
        part = {"type": "summary_text", "text": said.thought}
        wants = (body.get("reasoning") or {}).get("summary") not in (None, "none")
        whole = {"id": f"rs_{of}", "type": "reasoning", "summary": [part] if wants else []}
        if "reasoning.encrypted_content" in (body.get("include") or []):
            whole["encrypted_content"] = seal(said.thought)
        yield {"id": f"rs_{of}", "type": "reasoning", "summary": []}, whole
    if said.text or not said.calls:
        part = {"type": "output_text", "text": said.text, "annotations": [], "logprobs": []}
        whole = {"id": f"msg_{of}", "type": "message", "status": "incomplete" if said.finish == "length" else "completed", "role": "assistant", "content": [part]}
        yield {**whole, "status": "in_progress", "content": []}, whole
    for n, call in enumerate(said.calls):
        kind, rest = ("custom_tool_call", "input") if call.tool.custom else ("function_call", "arguments")
        whole = {"id": f"{'ctc' if call.tool.custom else 'fc'}_{of}{n}", "type": kind, "status": "completed", rest: call.arguments, "call_id": call.id,
                 "name": call.tool.name, **({"namespace": call.tool.namespace} if call.tool.namespace else {})}
        yield {**whole, "status": "in_progress", rest: ""}, whole


def response_of(body, said, now, status, output):
    ended = status in ("completed", "incomplete")
    text = {"format": {"type": "text"}, **(body.get("text") or {})}
    reasoning = {"effort": None, "summary": None, **(body.get("reasoning") or {})}
    tools = [{**t, "strict": t.get("strict", True), "description": t.get("description")} if t.get("type") == "function" else t for t in body.get("tools") or []]
    default = {"instructions": None, "max_output_tokens": None, "max_tool_calls": None, "previous_response_id": None, "prompt_cache_key": None,
               "safety_identifier": None, "tool_choice": "auto", "temperature": 1.0, "top_p": 1.0, "top_logprobs": 0, "presence_penalty": 0.0,
               "frequency_penalty": 0.0, "truncation": "disabled", "parallel_tool_calls": True, "store": True, "background": False, "metadata": {},
               "user": None}
    return {"id": "resp_" + number(body), "object": "response", "created_at": now, "status": status, "completed_at": now if status == "completed" else None,
            "error": None, "incomplete_details": {"reason": "max_output_tokens"} if status == "incomplete" else None, "model": body["model"],
            "output": output, **{k: body[k] if body.get(k) is not None else v for k, v in default.items()}, "text": text, "reasoning": reasoning,
            "tools": tools, "service_tier": "default", "usage": usage_of(said) if ended else None}


def answer(body, said, now):
    status = "incomplete" if said.finish == "length" else "completed"
    return response_of(body, said, now, status, [whole for _, whole in items_of(body, said)])


def named(numbered, kind, **fields):
    return {"type": kind, "sequence_number": next(numbered), **fields}


def events(body, said, now):
    n = iter(range(1 << 30))
    begun = response_of(body, said, now, "in_progress", [])
    yield named(n, "response.created", response=begun)
    yield named(n, "response.in_progress", response=begun)
    for at, (item, whole) in enumerate(items_of(body, said)):
        yield named(n, "response.output_item.added", output_index=at, item=item)
        yield from item_events(n, said, at, whole)
        yield named(n, "response.output_item.done", output_index=at, item=whole)
    ended = answer(body, said, now)
    yield named(n, "response." + ended["status"], response=ended)


def item_events(n, said, at, whole):
    of = {"item_id": whole["id"], "output_index": at}
    if whole["type"] == "reasoning":
        for part in whole["summary"]:
            yield named(n, "response.reasoning_summary_part.added", **of, summary_index=0, part={**part, "text": ""})
            for piece in re.findall(r"\s*\S+", part["text"]):
                yield named(n, "response.reasoning_summary_text.delta", **of, summary_index=0, delta=piece)
            yield named(n, "response.reasoning_summary_text.done", **of, summary_index=0, text=part["text"])
            yield named(n, "response.reasoning_summary_part.done", **of, summary_index=0, part=part)
    elif whole["type"] == "message":
        part = whole["content"][0]
        yield named(n, "response.content_part.added", **of, content_index=0, part={**part, "text": ""})
        for piece in said.pieces():
            yield named(n, "response.output_text.delta", **of, content_index=0, delta=piece, logprobs=[])
        yield named(n, "response.output_text.done", **of, content_index=0, text=part["text"], logprobs=[])
        yield named(n, "response.content_part.done", **of, content_index=0, part=part)
    else:
        name, key = ("custom_tool_call_input", "input") if whole["type"] == "custom_tool_call" else ("function_call_arguments", "arguments")
        for piece in re.findall(r"(?s).{1,7}", whole[key]):
            yield named(n, f"response.{name}.delta", **of, delta=piece)
        yield named(n, f"response.{name}.done", **of, **{key: whole[key]}, **({"name": whole["name"]} if key == "arguments" else {}))


def compact(body, now):
    """What /v1/responses/compact answers: one item in place of the conversation."""
    turn = read(body)
    words = " ".join(turn.words)
    item = {"id": "cmp_" + number(body), "type": "compaction", "encrypted_content": seal(words)}
    return {"id": "resp_" + number(body), "object": "response.compaction", "created_at": now, "output": [item],
            "usage": {"input_tokens": turn.tokens(), "input_tokens_details": {"cached_tokens": 0}, "output_tokens": 1,
                      "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": turn.tokens() + 1}}


def bytes_of(event):
    return f"event: {event['type']}\ndata: {json.dumps(event, separators=(',', ':'))}\n\n".encode()
