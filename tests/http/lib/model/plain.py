"""OpenAI's text completions and embeddings, as the mock model speaks them."""
import base64
import hashlib
import json
import struct

from .chat import FINISH, RANGES, error, in_range, usage_of  # noqa: F401
from .turn import Turn, Wrong, number


def read(body):
    if not isinstance(body.get("model"), str) or not body["model"]:
        raise Wrong("you must provide a model parameter", "model")
    prompt = body.get("prompt", "")
    prompt = prompt[0] if isinstance(prompt, list) and prompt and isinstance(prompt[0], str) else prompt
    if not isinstance(prompt, str):
        raise Wrong("Invalid 'prompt'.", "prompt")
    in_range(body, RANGES)
    stops = body.get("stop") or []
    return Turn(body["model"], words=[prompt], last=prompt, limit=body.get("max_tokens", 16), stops=[stops] if isinstance(stops, str) else stops,
                stream=bool(body.get("stream")))


def answer(body, said, now):
    usage = {k: v for k, v in usage_of(said).items() if not k.endswith("details")}
    return {"id": "cmpl-" + number(body), "object": "text_completion", "created": now, "model": body["model"], "usage": usage,
            "choices": [{"index": 0, "text": said.text, "logprobs": None, "finish_reason": FINISH[said.finish]}]}


def events(body, said, now):
    whole = answer(body, said, now)
    usage = whole.pop("usage")
    asked = (body.get("stream_options") or {}).get("include_usage")
    for piece in said.pieces():
        yield {**whole, "choices": [{"index": 0, "text": piece, "logprobs": None, "finish_reason": None}], **({"usage": None} if asked else {})}
    yield {**whole, "choices": [{**whole["choices"][0], "text": ""}], **({"usage": None} if asked else {})}
    if asked:
        yield {**whole, "choices": [], "usage": usage}
    yield "[DONE]"


def embeddings(body):
    """The whole answer: a vector that depends on the text alone, of unit length."""
    if not isinstance(body.get("model"), str) or not body["model"]:
        raise Wrong("you must provide a model parameter", "model")
    given = body.get("input")
    whole = given if isinstance(given, list) and given and not isinstance(given[0], int) else [given]
    if given in ("", [], None) or not all(isinstance(x, (str, list)) and x for x in whole):
        raise Wrong("Invalid 'input'.", "input")
    size = body.get("dimensions") or 8
    data = []
    for i, one in enumerate(whole):
        raw = hashlib.shake_128(json.dumps(one).encode()).digest(size)
        length = sum((b - 127.5) ** 2 for b in raw) ** 0.5
        packed = struct.pack(f"<{size}f", *((b - 127.5) / length for b in raw))
        vector = base64.b64encode(packed).decode() if body.get("encoding_format") == "base64" else list(struct.unpack(f"<{size}f", packed))
        data.append({"object": "embedding", "index": i, "embedding": vector})
    tokens = sum(len(x.split()) if isinstance(x, str) else len(x) for x in whole)
    return {"object": "list", "data": data, "model": body["model"], "usage": {"prompt_tokens": tokens, "total_tokens": tokens}}
