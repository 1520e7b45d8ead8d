"""What every pair of a client's format and a provider's is tried for. Each takes a Pair and fails by an assertion or a client's error."""
import json
import struct
import time
import zlib

from lib.model.turn import THOUGHT


def png(width=2, height=2):
    def part(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    rows = b"".join(b"\0" + b"\x40\x80\xc0" * width for _ in range(height))
    return b"\x89PNG\r\n\x1a\n" + part(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)) + part(b"IDAT", zlib.compress(rows)) + part(b"IEND", b"")


PDF = b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids[]/Count 0>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n"
WEATHER = ("get_weather", {"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}, "required": ["city"]})
TIME = ("get_time", {"type": "object", "properties": {"zone": {"type": "string", "enum": ["UTC", "CET"]}}, "required": ["zone"]})
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}, "sure": {"type": "boolean"}}, "required": ["city", "sure"], "additionalProperties": False}
BOTH = (False, True)


def sent(pair):
    """The body of the last upstream request, whole, as text."""
    return pair.model.requests[-1].body.decode()


def chat(pair):
    seen = pair.ask(pair.user("Hello there"))
    assert "Hello there" in seen.text and "One two three" in seen.text and seen.finish == "stop", seen
    short = pair.ask(pair.user("[50 words]"), limit=20) if pair.wire.limits else None
    assert not short or (short.finish == "length" and len(short.text.split()) == 20), short


def stream(pair):
    plain, streamed = pair.ask(pair.user("Hello there")), pair.ask(pair.user("Hello there"), stream=True)
    assert streamed.text == plain.text and streamed.finish == "stop" and streamed.deltas > 5, streamed


def tools(pair):
    for streams in BOTH:
        turns = pair.user("What is the weather?")
        seen = pair.ask(turns, stream=streams, tools=[WEATHER, TIME], choice="get_weather")
        assert [c[1:] for c in seen.calls] == [("get_weather", {"city": "Paris", "days": 1})] and seen.finish == "calls", seen
        turns = turns + pair.assistant(seen) + pair.results(seen.calls, ["It is sunny."])
        seen = pair.ask(turns, stream=streams, tools=[WEATHER, TIME])
        assert seen.text == "The tools said: It is sunny.." and not seen.calls, seen


def parallel(pair):
    for streams in BOTH:
        turns = pair.user("I want both, weather and time.")
        seen = pair.ask(turns, stream=streams, tools=[WEATHER, TIME])
        assert [c[1:] for c in seen.calls] == [("get_weather", {"city": "Paris", "days": 1}), ("get_time", {"zone": "UTC"})], seen
        assert seen.calls[0][0] != seen.calls[1][0]
        seen = pair.ask(turns + pair.assistant(seen) + pair.results(seen.calls, ["sunny", "noon"]), stream=streams, tools=[WEATHER, TIME])
        assert seen.text == "The tools said: sunny; noon.", seen


def images(pair):
    one, other = png(), png(8, 8)
    seen = pair.ask(pair.user("What is this?", ("image/png", one), ("image/png", other)))
    assert f"I see image/png ({len(one)}), image/png ({len(other)})." in seen.text, seen


def pdf(pair):
    seen = pair.ask(pair.user("What is this?", ("application/pdf", PDF)))
    assert f"I see application/pdf ({len(PDF)})." in seen.text, seen


def schema(pair):
    for streams in BOTH:
        assert json.loads(pair.ask(pair.user("Where?"), schema=SCHEMA, stream=streams).text) == {"city": "Paris", "sure": True}


def thinking(pair):
    """A thought is shown; sent back in front of its call, it goes to its own family whole and is no error at another."""
    for streams in BOTH:
        turns = pair.user("What is the weather?")
        seen = pair.ask(turns, stream=streams, think=True, tools=[WEATHER])
        assert seen.thought == THOUGHT and seen.calls, seen
        seen = pair.ask(turns + pair.assistant(seen) + pair.results(seen.calls, ["sunny"]), stream=streams, think=True, tools=[WEATHER])
        assert seen.text == "The tools said: sunny." and seen.thought == THOUGHT, seen
        if pair.wire.signs_thoughts:
            assert pair.wire.thought_in_history(json.loads(sent(pair))), sent(pair)[-2000:]


def caching(pair):
    """A long prompt, marked where the client can: the second time it is read from the cache, and both are told so."""
    system = f"Be kind, {pair.driver.client_name}, {pair.driver.name}. " * 700
    for streams in BOTH:
        seen = pair.ask(pair.user("Hello"), system=system + str(streams), cache=True, stream=streams)
        again = pair.ask(pair.user("Hello"), system=system + str(streams), cache=True, stream=streams)
        assert seen.usage[2] == 0 and again.usage[2] == pair.model.said[-1].cached > 1000, (seen.usage, again.usage)


def usage(pair):
    for streams in BOTH:
        seen = pair.ask(pair.user("Count me in"), stream=streams)
        said = pair.model.said[-1]
        assert seen.usage == (said.input, said.output, said.cached), (seen.usage, said)


def refused(pair, status, ask):
    """What the client's error says."""
    try:
        ask()
    except pair.driver.error as e:
        assert pair.driver.status(e) == status, repr(e)
        return str(e)
    raise AssertionError("no error came")


def errors(pair):
    for status in (400, 429, 503):
        for streams in BOTH:
            assert "The mock was told to fail." in refused(pair, status, lambda: pair.ask(pair.user(f"[fail {status}]"), stream=streams))
    refused(pair, 404, lambda: pair.driver.ask("no-such-model", pair.user("Hello")))


def cancel(pair):
    before = len(pair.model.requests)
    got = pair.driver.begin(pair.name, pair.user("[slow] [300 words]"))
    events = iter(got)
    for _ in range(3):
        next(events)
    got.close()
    request = pair.model.requests[before]
    end = time.monotonic() + 5
    while not request.gone.is_set():
        assert time.monotonic() < end, "the upstream's stream goes on"
        time.sleep(0.005)


FEATURES = {f.__name__: f for f in (chat, stream, tools, parallel, images, pdf, schema, thinking, caching, usage, errors, cancel)}
