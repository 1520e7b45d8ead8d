"""Amazon Bedrock's Converse, as the mock model speaks it, and the framing of AWS's event streams."""
import json
import re
import struct
import zlib

from .files import file_of
from .turn import THOUGHT, Tool, Turn, Wrong, number, seal

FINISH = {"stop": "end_turn", "length": "max_tokens", "calls": "tool_use", "sequence": "stop_sequence"}
NAMES = {400: "ValidationException", 401: "UnrecognizedClientException", 403: "AccessDeniedException", 404: "ResourceNotFoundException", 429: "ThrottlingException",
         503: "ServiceUnavailableException"}
FIELDS = {"messages", "system", "inferenceConfig", "toolConfig", "additionalModelRequestFields", "serviceTier", "outputConfig", "guardrailConfig", "requestMetadata",
          "performanceConfig", "promptVariables", "additionalModelResponseFieldPaths"}


def frame(payload, **headers):
    """One frame; header names begin with a colon, `_` is `-`."""
    head = b""
    for name, value in headers.items():
        key = b":" + name.replace("_", "-").encode()
        head += bytes([len(key)]) + key + b"\x07" + struct.pack(">H", len(value)) + value.encode()
    prelude = struct.pack(">II", 16 + len(head) + len(payload), len(head))
    message = prelude + struct.pack(">I", zlib.crc32(prelude)) + head + payload
    return message + struct.pack(">I", zlib.crc32(message))


def read(body, model=""):
    for key in body:
        if key not in FIELDS:
            raise Wrong(f"Unknown parameter in input: {key}")
    turn = Turn(model)
    turn.system = " ".join(b["text"] for b in body.get("system") or [] if "text" in b)
    waiting, names = [], []
    for i, message in enumerate(body.get("messages") or []):
        if i == 0 and message["role"] != "user":
            raise Wrong("A conversation must start with a user message.")
        if i and message["role"] == body["messages"][i - 1]["role"]:
            raise Wrong("roles must alternate")
        waiting = read_message(message, turn, waiting, names)
    if len(set(names)) != len(names):
        raise Wrong("document names must be unique")
    config = body["inferenceConfig"] if "inferenceConfig" in body else {}
    turn.limit, turn.stops = config.get("maxTokens"), config.get("stopSequences") or []
    more = body.get("additionalModelRequestFields") or {}
    turn.think = (more.get("thinking") or {}).get("type") in ("enabled", "adaptive")
    read_tools(body.get("toolConfig"), turn)
    form = ((body.get("outputConfig") or {}).get("textFormat") or {})
    if form.get("type") == "json_schema":
        turn.schema = json.loads(form["structure"]["jsonSchema"]["schema"])
    marked = "cachePoint" in json.dumps(body) or len(turn.system.split()) > 1000
    turn.cache = number(turn.system) if marked else ""
    return turn


def read_tools(config, turn):
    if config is None:
        return
    if not config.get("tools"):
        raise Wrong("toolConfig.tools: at least one tool is needed")
    for tool in config["tools"]:
        if "toolSpec" in tool:
            turn.tools.append(Tool(tool["toolSpec"]["name"], tool["toolSpec"]["inputSchema"]["json"]))
    choice = config.get("toolChoice") or {"auto": {}}
    turn.choice = "required" if "any" in choice else choice["tool"]["name"] if "tool" in choice else "auto"


def read_message(message, turn, waiting, names):
    texts, calls, answered = [], [], []
    turn.files, turn.results = [], []
    if not message["content"]:
        raise Wrong("The content field in the Message object is empty.")
    for block in message["content"]:
        if "text" in block:
            if not block["text"].strip():
                raise Wrong("The text field in the ContentBlock object is blank.")
            texts.append(block["text"])
        read_file(block, turn, names)
        if "toolUse" in block:
            if not re.fullmatch(r"[a-zA-Z0-9_.:-]{1,64}", block["toolUse"]["toolUseId"]) or not isinstance(block["toolUse"]["input"], dict):
                raise Wrong("toolUse is not valid")
            calls.append(block["toolUse"]["toolUseId"])
        if "toolResult" in block:
            answered.append(block["toolResult"]["toolUseId"])
            turn.results.append(" ".join(b.get("text", "") for b in block["toolResult"]["content"]))
            for inner in block["toolResult"]["content"]:
                read_file(inner, turn, names)
        thought = (block.get("reasoningContent") or {}).get("reasoningText")
        if thought and thought.get("signature") != seal(THOUGHT):
            raise Wrong("Invalid signature in reasoningContent")
    if any("document" in b for b in message["content"]) and not texts:
        raise Wrong("A text block must be included when using documents")
    if sorted(answered) != sorted(waiting):
        raise Wrong(f"Expected toolResult blocks for {waiting}, got {answered}")
    text = " ".join(texts)
    turn.words.append(text)
    turn.prefill = text if message["role"] == "assistant" else ""
    if message["role"] == "user" and text:
        turn.last = text
    turn.calling_turns += bool(calls)
    return calls


def read_file(block, turn, names):
    for kind, media in (("image", "image/"), ("document", "application/")):
        if kind in block:
            file = block[kind]
            turn.files.append(file_of(media + file["format"], file["source"]["bytes"], kind))
            names += [file["name"]] if kind == "document" else []


def usage_of(said):
    return {"inputTokens": said.input - said.cached - said.written, "outputTokens": said.output, "totalTokens": said.input + said.output,
            "cacheReadInputTokens": said.cached, "cacheWriteInputTokens": said.written}


def blocks_of(said):
    if said.thought:
        yield {"reasoningContent": {"reasoningText": {"text": said.thought, "signature": seal(said.thought)}}}
    if said.text:
        yield {"text": said.text}
    for call in said.calls:
        yield {"toolUse": {"toolUseId": "tooluse_" + call.id[5:], "name": call.tool.name, "input": json.loads(call.arguments)}}


def answer(body, said, now):
    return {"output": {"message": {"role": "assistant", "content": list(blocks_of(said))}}, "stopReason": FINISH[said.finish], "usage": usage_of(said),
            "metrics": {"latencyMs": 7}}


def events(body, said, now):
    yield "messageStart", {"role": "assistant"}
    for at, block in enumerate(blocks_of(said)):
        of = {"contentBlockIndex": at}
        if "toolUse" in block:
            use = block["toolUse"]
            yield "contentBlockStart", {**of, "start": {"toolUse": {"toolUseId": use["toolUseId"], "name": use["name"]}}}
            for piece in re.findall(r"(?s).{1,7}", json.dumps(use["input"])):
                yield "contentBlockDelta", {**of, "delta": {"toolUse": {"input": piece}}}
        elif "text" in block:
            for piece in said.pieces():
                yield "contentBlockDelta", {**of, "delta": {"text": piece}, "p": "abcd"}
        else:
            for piece in re.findall(r"\s*\S+", said.thought):
                yield "contentBlockDelta", {**of, "delta": {"reasoningContent": {"text": piece}}}
            yield "contentBlockDelta", {**of, "delta": {"reasoningContent": {"signature": seal(said.thought)}}}
        yield "contentBlockStop", of
    yield "messageStop", {"stopReason": FINISH[said.finish]}
    yield "metadata", {"usage": usage_of(said), "metrics": {"latencyMs": 7}}


def bytes_of(event):
    name, payload = event
    return frame(json.dumps(payload, separators=(",", ":")).encode(), message_type="event", event_type=name, content_type="application/json")


def error(wrong):
    return {"message": wrong.message}
