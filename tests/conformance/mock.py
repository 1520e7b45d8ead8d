"""A deterministic upstream of chat completions for public conformance suites: it calls tools from their own schema, answers json_schema
with an instance of it, keeps to limits and stops, streams, and knows `n`. `python mock.py` prints its port and serves.

What a suite misses at the mock alone is the mock's own loss; before the gateway nothing more may be missing (./dev conformance).
"""
import base64
import hashlib
import json
import re
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

MODEL = "mock-gpt"


def instance(schema, root=None):
    """A value that fits a JSON schema."""
    root = root or schema
    if "$ref" in schema:
        at = root
        for part in schema["$ref"].lstrip("#/").split("/"):
            at = at[part]
        return instance(at, root)
    if "const" in schema:
        return schema["const"]
    if schema.get("enum"):
        return schema["enum"][0]
    for key in ("anyOf", "oneOf", "allOf"):
        if schema.get(key):
            return instance(schema[key][0], root)
    kind = schema.get("type", "object" if "properties" in schema else "string")
    kind = next((k for k in kind if k != "null"), "null") if isinstance(kind, list) else kind
    if kind == "object":
        return {k: instance(v, root) for k, v in schema.get("properties", {}).items()}
    if kind == "array":
        return [instance(schema.get("items", {}), root) for _ in range(max(1, schema.get("minItems", 1)))]
    if kind == "integer":
        return max(int(schema.get("minimum", 1)), 1)
    if kind == "number":
        return max(float(schema.get("minimum", 1.5)), 1.5)
    return {"boolean": True, "null": None}.get(kind, "Paris"[: schema.get("maxLength", 5)])


def text_of(content):
    if isinstance(content, str):
        return content
    return " ".join(p.get("text", "") for p in content or [] if isinstance(p, dict))


def wrong(body):
    """What OpenAI would refuse: (message, param)."""
    if not isinstance(body.get("model"), str) or not body["model"]:
        return "you must provide a model parameter", "model"
    if not isinstance(body.get("messages"), list) or not body["messages"]:
        return "Invalid 'messages': empty array.", "messages"
    for i, message in enumerate(body["messages"]):
        if not isinstance(message, dict) or message.get("role") not in ("system", "developer", "user", "assistant", "tool", "function"):
            return f"Invalid value for 'messages[{i}].role'.", f"messages[{i}].role"
    for name, low, high in (("temperature", 0, 2), ("top_p", 0, 1), ("presence_penalty", -2, 2), ("frequency_penalty", -2, 2), ("n", 1, 128),
                            ("top_logprobs", 0, 20), ("max_tokens", 1, 2**31), ("max_completion_tokens", 1, 2**31)):
        value = body.get(name)
        if value is not None and (isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high):
            return f"Invalid '{name}': expected a value from {low} to {high}.", name
    return None


def say(body):
    """The message, its finish reason and its tokens."""
    last = body["messages"][-1]
    tools = [t["function"] for t in body.get("tools") or [] if t.get("type") == "function"]
    choice = body.get("tool_choice", "auto")
    form = body.get("response_format") or {}
    if tools and choice != "none" and last["role"] != "tool":
        named = choice["function"]["name"] if isinstance(choice, dict) and "function" in choice else None
        tool = next((t for t in tools if t["name"] == named), tools[0])
        call = {"id": "call_" + hashlib.sha256(json.dumps(tool).encode()).hexdigest()[:20], "type": "function",
                "function": {"name": tool["name"], "arguments": json.dumps(instance(tool.get("parameters") or {"type": "object"}))}}
        calls = [call]
        if body.get("parallel_tool_calls", True) and re.search(r"\bboth\b|\bparallel\b|\band also\b", text_of(last.get("content"))):
            calls.append({**call, "id": call["id"][:-1] + "z"})
        return {"role": "assistant", "content": None, "refusal": None, "annotations": [], "tool_calls": calls}, "tool_calls", 12
    if form.get("type") == "json_schema":
        text = json.dumps(instance(form["json_schema"]["schema"]))
    elif form.get("type") == "json_object":
        text = '{"answer": "Paris"}'
    else:
        text = f"You said {text_of(last.get('content'))[-200:]!r}. One two three four five six seven eight nine ten."
    words, finish = re.findall(r"\s*\S+", text), "stop"
    limit = body.get("max_completion_tokens") or body.get("max_tokens")
    if limit and len(words) > limit and not form:
        text, finish = "".join(words[:limit]), "length"
    stops = body.get("stop") or []
    for stop in [stops] if isinstance(stops, str) else stops:
        if stop in text:
            text, finish = text[: text.index(stop)], "stop"
    return {"role": "assistant", "content": text, "refusal": None, "annotations": []}, finish, len(re.findall(r"\S+", text)) or 1


def logprobs(body, text):
    if not body.get("logprobs"):
        return None

    def token(t):
        return {"token": t, "logprob": -0.25, "bytes": list(t.encode())}
    return {"content": [{**token(t), "top_logprobs": [token(t)] * (body.get("top_logprobs") or 0)} for t in re.findall(r"\s*\S+", text or "")], "refusal": None}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True

    def log_message(self, *args):
        pass

    def answer(self, status, value):
        data = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def refuse(self, status, message, param=None, code=None):
        self.answer(status, {"error": {"message": message, "type": "invalid_request_error", "param": param, "code": code}})

    def do_GET(self):
        model = {"id": MODEL, "object": "model", "created": 1767225600, "owned_by": "mock"}
        if self.path.rstrip("/") == "/v1/models":
            self.answer(200, {"object": "list", "data": [model]})
        elif self.path == f"/v1/models/{MODEL}":
            self.answer(200, model)
        else:
            self.refuse(404, "Not found")

    def do_POST(self):
        raw = self.rfile.read(int(self.headers.get("content-length") or 0))
        if self.path != "/v1/chat/completions":
            return self.refuse(404, f"Unknown request URL: POST {self.path}.")
        try:
            body = json.loads(raw)
        except ValueError:
            return self.refuse(400, "We could not parse the JSON body of your request.")
        bad = wrong(body) if isinstance(body, dict) else ("expected an object", None)
        if bad:
            return self.refuse(400, *bad)
        if body["model"] != MODEL:
            return self.refuse(404, f"The model `{body['model']}` does not exist.", "model", "model_not_found")
        message, finish, out = say(body)
        n, tokens = body.get("n") or 1, sum(len(text_of(m.get("content")).split()) + 3 for m in body["messages"])
        usage = {"prompt_tokens": tokens, "completion_tokens": out * n, "total_tokens": tokens + out * n,
                 "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
                 "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0, "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0}}
        top = {"id": "chatcmpl-" + base64.b16encode(hashlib.sha256(raw).digest()[:12]).decode(), "created": int(time.time()), "model": MODEL,
               "service_tier": "default", "system_fingerprint": "fp_mock"}
        if body.get("stream"):
            return self.stream(body, top, message, finish, usage, n)
        self.answer(200, {**top, "object": "chat.completion", "usage": usage, "choices": [
            {"index": i, "message": message, "logprobs": logprobs(body, message["content"]), "finish_reason": finish} for i in range(n)]})

    def stream(self, body, top, message, finish, usage, n):
        asked = (body.get("stream_options") or {}).get("include_usage")

        def event(value):
            data = f"data: {value if isinstance(value, str) else json.dumps(value)}\n\n".encode()
            self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
            self.wfile.flush()

        def chunk(i, delta, finish=None, logs=None):
            event({**top, "object": "chat.completion.chunk", **({"usage": None} if asked else {}),
                   "choices": [{"index": i, "delta": delta, "logprobs": logs, "finish_reason": finish}]})
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        for i in range(n):
            chunk(i, {"role": "assistant", "content": "" if message["content"] is not None else None, "refusal": None})
        for piece in re.findall(r"\s*\S+", message["content"] or ""):
            for i in range(n):
                chunk(i, {"content": piece}, logs=logprobs(body, piece))
        for at, call in enumerate(message.get("tool_calls") or []):
            for i in range(n):
                chunk(i, {"tool_calls": [{"index": at, **call, "function": {"name": call["function"]["name"], "arguments": ""}}]})
                for piece in re.findall(r".{1,7}", call["function"]["arguments"]):
                    chunk(i, {"tool_calls": [{"index": at, "function": {"arguments": piece}}]})
        for i in range(n):
            chunk(i, {}, finish)
        if asked:
            event({**top, "object": "chat.completion.chunk", "choices": [], "usage": usage})
        event("[DONE]")
        self.wfile.write(b"0\r\n\r\n")


def serve(port=0):
    return ThreadingHTTPServer(("127.0.0.1", port), Handler)


if __name__ == "__main__":
    server = serve(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
    print(server.server_address[1], flush=True)
    server.serve_forever()
