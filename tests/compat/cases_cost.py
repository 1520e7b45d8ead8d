"""What an answer cost by the pointers of the configuration, in plain answers and in streams."""
from cases_request import body
from compare import Case
from lib.mock import chat_answer, chunk, json_answer, sse, text_chunks, usage_chunk


def costs(name, usage, model="priced", **more):
    return Case(name, body(model=model), [json_answer(chat_answer(usage=usage))], **more)


def streams(name, events, model="priced", **more):
    return Case(name, body(model=model, stream=True, stream_options={"include_usage": True}), [sse(events)], **more)


def counts(prompt=1000, completion=200, **more):
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": 0, **more}


def cached(n):
    return {"prompt_tokens_details": {"cached_tokens": n}}


TEXT = [chunk({"content": "a"}), chunk({}, "stop")]

CASES = [
    costs("plain", counts()),
    costs("plain-cached", counts(**cached(400))),
    costs("plain-cached-null", counts(**cached(None))),
    costs("plain-details-null", counts(prompt_tokens_details=None)),
    costs("plain-more-cached-than-read", counts(10, 0, **cached(4000))),
    costs("plain-required-missing", {"completion_tokens": 5}),
    costs("plain-required-null", {"prompt_tokens": None, "completion_tokens": 5}),
    costs("plain-no-usage", ...),
    costs("plain-nothing-used", counts(0, 0)),
    costs("plain-a-little", counts(1, 0)),
    costs("plain-much", counts(2000000000, 2000000001)),
    costs("counts-in-other-places", counts(cached_tokens=400, prompt_cache_hit_tokens=300, prompt_tokens_details={"cache_write_tokens": 5})),
    streams("stream-counts-in-other-places", [*TEXT, usage_chunk(1000, 200, cached_tokens=400, prompt_tokens_details={"cache_write_tokens": 5})]),
    costs("none-asked-for", counts(), "priced-nothing"),
    streams("stream-none-asked-for", text_chunks(), "priced-nothing"),
    costs("optional-missing", ..., "priced-optional"),
    costs("optional-a-little", counts(1, 0), "priced-optional"),
    costs("optional-thirty", counts(30, 0), "priced-optional"),
    costs("optional-three", counts(3, 0), "priced-optional"),
    *[costs(f"unit-{name}", counts(cost=value), "priced-unit") for name, value in {
        "fraction": 0.00014725, "text": "0.00014725", "exponent": 1.4725e-7, "text-exponent": "1.5e-7", "whole": 3, "zero": 0, "negative": -0.5,
        "boolean": True, "null": None, "list": [1], "empty": "", "blank": " 1", "nothing": {}, "large": 12345678901234.5,
        "tiny": 1e-20, "text-plus": "+1", "text-comma": "1,5", "text-line": "1_000", "text-lines": "1__0", "text-line-first": "_1", "text-only-point": ".", "text-point": ".5", "text-end": "5."}.items()],
    Case("raw-usage", {**body(model="priced"), "tensorzero::include_raw_usage": True}, [json_answer(chat_answer(usage=counts()))]),
    streams("stream", text_chunks()),
    streams("stream-cached", [*TEXT, usage_chunk(1000, 200, **cached(400))]),
    streams("stream-cumulative", [*[chunk({"content": "a"}, usage=counts(1000, n, **cached(400 - n))) for n in (1, 20, 300)], chunk({}, "stop")]),
    streams("stream-smaller-at-the-end", [chunk({"content": "a"}, usage=counts()), chunk({}, "stop"), usage_chunk(1, 1)]),
    streams("stream-no-usage", text_chunks(usage=False)),
    streams("stream-half-of-it", [*TEXT, chunk(choices=[], usage={"prompt_tokens": 9})]),
    streams("stream-optional-missing", text_chunks(usage=False), "priced-optional"),
    streams("stream-optional", text_chunks(), "priced-optional"),
    streams("stream-null", [*TEXT, usage_chunk(1000, 200, **cached(None))]),
    streams("stream-null-then-number", [chunk({"content": "a"}, usage=counts(**cached(None))), chunk({}, "stop"), usage_chunk(1000, 200, **cached(400))]),
    streams("stream-number-then-null", [chunk({"content": "a"}, usage=counts(**cached(400))), chunk({}, "stop"), usage_chunk(1000, 200, **cached(None))]),
    streams("stream-unit", [chunk(choices=[{"index": 0, "delta": {"content": "a"}, "cost/x": 0.25}]), chunk({}, "stop"), usage_chunk()], "priced-unit"),
    streams("stream-unit-not-there", [*TEXT, usage_chunk(cost=3)], "priced-unit"),
]
