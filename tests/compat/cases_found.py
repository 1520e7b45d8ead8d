"""What a differential run found (./dev compat-fuzz finds its like): one small input for each cause, in the order of its numbers."""
import base64
import json

from cases_request import CALL, MP3, PDF, PNG, TIME, WEATHER, asks, body, image, text, user
from cases_stream import calls, call
from compare import Case
from lib.mock import answer, chat_answer, chunk, json_answer, sse, text_chunks, usage_chunk

LONG = base64.encodebytes(b"%PDF-1.4\n" + bytes(80)).decode()
EPISODE = "0199c0de-1111-7222-8333-444455556666"
TEMPLATE = {"type": "tensorzero::template", "name": "user", "arguments": {}}
THOUGHT = {"type": "thought", "text": "hm"}


def f(name, value, **more):
    return body(**{f"tensorzero::{name}": value, **more})


def file(data, **more):
    return asks({"type": "file", "file": {"file_data": data, **more}})


def data(mime, base="SGVs"):
    return f"data:{mime};base64,{base}"


def extra(**entry):
    return f("extra_body", [entry])


def header(**entry):
    return f("extra_headers", [{"name": "x-a", "value": "v", **entry}])


def said(*extra_content):
    return body(user("a"), {"role": "assistant", "content": [text("b"), text("c")], "tensorzero_extra_content": list(extra_content)})


def at(n, i):
    return {"type": "unknown", "data": {"n": n}, **({} if i is None else {"insert_index": i})}


def raw(more):
    """A request as text, for keys that stand twice."""
    return '{"model":"tensorzero::model_name::m","messages":[{"role":"user","content":"Hi"}],' + more + "}"


def fails(name, *up, stream=False, **more):
    return Case(name, body(**more, **({"stream": True} if stream else {})), list(up))


def page(data, status, **options):
    return answer(data, status, content_type="text/html", **options)


def good(data, **options):
    return answer(data, **options)


PLAIN = json.dumps(chat_answer("Hello")).encode()
EVENT = b"data: " + json.dumps(chunk({"content": "a"})).encode() + b"\n\n"
LAST = b"data: " + json.dumps(chunk({}, "stop")).encode() + b"\n\n"


def events(*parts):
    return answer(b"".join(parts), content_type="text/event-stream", framing="chunked")


RAW = {"tensorzero::include_raw_response": True}
CASES = [
    # 1: base64 in lines
    Case("g1-file-in-lines", file(data("application/pdf", LONG), filename="a.pdf")),
    Case("g1-file-crlf", file(data("application/pdf", "SGVs\r\nbG8="), filename="a.pdf")),
    Case("g1-file-no-name", file(data("text/csv", LONG))),
    Case("g1-image-in-lines", asks(image(data("image/png", base64.encodebytes(base64.b64decode(PNG) + bytes(80)).decode())))),
    Case("g1-image-blanks", asks(image(" " + data("image/png", PNG) + "\n"))),
    Case("g1-audio-in-lines", asks({"type": "input_audio", "input_audio": {"data": MP3 + "\n", "format": "mp3"}})),
    Case("g1-quote-in-data", file(data("application/pdf", 'A"},"x'), filename="a.pdf")),
    # 2: names for files of every type
    *[Case("g2-" + mime.replace("/", "-"), file(data(mime))) for mime in (
        "text/tab-separated-values", "text/calendar", "text/vcard", "text/javascript", "application/javascript", "audio/basic", "audio/mpeg;a=b", "audio/opus", "application/pdf;x=y", "text/plain;charset=utf-8",
        "TEXT/PLAIN; Charset=UTF-8", "application/octet-stream", "application/x-tar", "application/vnd.ms-excel", "font/woff2", "application/yaml", "a/b", "text/plain;a=\"b c\"", "image/svg+xml;x=y")],
    # 3, 6: pages
    fails("g3-page-latin1", page(b"<html>caf\xe9</html>", 502), **RAW),
    fails("g3-page-halves", page(b"\xed\xa0\xbd \xf0\x9f\x98 \xc3", 401), **RAW),
    fails("g3-page-bom", page(b"\xef\xbb\xbf{}", 500), **RAW),
    fails("g3-page-latin1-label", answer(b"caf\xe9", 502, content_type="text/html; charset=iso-8859-1"), **RAW),
    fails("g3-page-quoted-label", answer(b"\x93x\x94", 401, content_type='text/html; Charset="windows-1252"'), **RAW),
    fails("g3-page-utf16", answer("h\xe9".encode("utf-16"), 500, content_type="text/html"), **RAW),
    fails("g3-page-odd-label", answer(b"caf\xc3\xa9", 500, content_type="text/html; charset=klingon"), **RAW),
    fails("g3-page-latin1-label-stream", answer(b"caf\xe9", 502, content_type="text/html; charset=latin1"), stream=True, **RAW),
    Case("g4-latin1-label", body(), [answer(json.dumps(chat_answer("Hello")).encode().replace(b"Hello", b"caf\xe9"), content_type="application/json; charset=latin1")]),
    fails("g3-page-latin1-stream", page(b"caf\xe9", 502), stream=True, **RAW),
    # 4: good answers
    Case("g4-byte-in-content", body(), [good(PLAIN.replace(b"Hello", b"He\xffllo"))]),
    Case("g4-byte-in-id", body(), [good(PLAIN.replace(b"chatcmpl", b"chat\xe9mpl"))]),
    Case("g4-cut-character", body(), [good(PLAIN.replace(b"Hello", b"Hello\xf0\x9f\x98"))]),
    Case("g4-bom", body(), [good(b"\xef\xbb\xbf" + PLAIN)]),
    Case("g4-huge-number", body(), [good(PLAIN.replace(b"1767225600", b"1e400"))]),
    Case("g4-byte-raw-response", body(**RAW), [good(PLAIN.replace(b"Hello", b"He\xffllo"))]),
    # 5: statuses without a name
    *[fails(f"g5-{status}-stream", page(b"late", status), stream=True) for status in (520, 521, 522, 523, 524, 525, 526, 529, 530, 599, 418, 451, 431, 511)],
    *[fails(f"g5-{status}", page(b"late", status)) for status in (520, 529, 418)],
    # 7: NUL
    fails("g7-nul-in-page", page(b"a\0b", 400)),
    fails("g7-nul-in-page-stream", page(b"a\0b", 500), stream=True),
    Case("g7-nul-in-model", {"model": "tensorzero::model_name::a\0b", "messages": []}),
    Case("g7-nul-in-field", f("deny_unknown_fields", True, **{"a\0b": 1})),
    Case("g7-nul-in-value", body(service_tier="a\0b")),
    Case("g7-nul-in-tag", f("tags", {"tensorzero::a\0b": "c"})),
    Case("g7-nul-in-pointer", extra(pointer="a\0b", value=1)),
    # 8: filters of null
    Case("g8-body-provider-null", extra(model_name="m", provider_name=None, pointer="/x", value=1)),
    Case("g8-header-provider-null", header(model_name="m", provider_name=None)),
    Case("g8-body-provider-null-alone", extra(provider_name=None, pointer="/x", value=1)),
    Case("g8-body-model-null", extra(model_name=None, pointer="/x", value=1)),
    Case("g8-body-variant-null", extra(variant_name=None, pointer="/x", value=1)),
    Case("g8-body-older-number", extra(model_provider_name=5, pointer="/x", value=1, delete=True)),
    Case("g8-body-older-nothing", extra(model_provider_name="x", pointer="/x")),
    Case("g8-body-older-no-pointer", extra(model_provider_name="x", value=1)),
    # 9: where extra content goes
    *[Case("g9-" + "-".join(map(str, places)).lower(), said(*[at(n, i) for n, i in enumerate(places)])) for places in ((None, 1), (0, None), (None, 0, None), (5, None, 0), (2, 2, None), (2, 1, None, 3))],
    # 10: URLs as they are printed
    *[Case(f"g10-{name}", asks(image(url))) for name, url in (("punycode", "https://b\xfccher.example/"), ("address", "http://127.1/a"), ("port", "https://x.example:0443/"), ("port-80", "http://x.example:080/"), ("dots", "https://x.example/a/../b/./%2e/c"),
                                                              ("backslash", "https://x.example\\a"), ("user", "https://u:p@x.example/"), ("one-slash", "https:/x.example"), ("blanks", " https://x.example/ "))],
    Case("g10-api-base-dots", body(model="base-dots")),
    Case("g10-api-base-address", body(model="base-address")),
    Case("g10-api-base-blanks", body(model="base-blanks")),
    Case("g10-api-base-user", body(model="base-user")),
    Case("g10-api-base-user-stream", body(model="base-user", stream=True), [sse(text_chunks())]),
    # 11: the index of a choice
    Case("g11-index-1", body(stream=True), [sse([{**c, "choices": [{**x, "index": 1} for x in c["choices"]]} for c in text_chunks("Hello")])]),
    Case("g11-index-changes", body(stream=True), [sse([{**c, "choices": [{**x, "index": i} for x in c["choices"]]} for i, c in enumerate(text_chunks("Hello"))])]),
    # 12: pointers
    *[Case("g12-" + p.strip("/").replace("/", "-") + ("-delete" if gone else ""), extra(pointer=p, **({"delete": True} if gone else {"value": 1}))) for p, gone in (
        ("/messages/0/role/x", True), ("/model/x", True), ("/messages/5/x", True), ("/messages/x", True), ("/messages/-", True), ("/messages/-/x", True), ("/messages/0/content/0", True), ("/0", False), ("/x/0", False), ("/messages/0/5", False),
        ("/-", False), ("/x/-", False), ("/messages/0/-", False), ("/messages/00", False), ("/x/01", False), ("/messages/123456789012345678901234567890", False))],
    # 13, 14: words and their order
    Case("g13-namespace", body(model="in-n1", **{"tensorzero::namespace": 'n"2'})),
    Case("g13-no-namespace", body(model="in-n1")),
    Case("g14-filter-before-template", body(user([TEMPLATE]), **{"tensorzero::extra_body": [{"model_name": "nope", "pointer": "/x", "value": 1}]})),
    Case("g14-filter-before-json-tool", f("extra_body", [{"model_name": "nope", "pointer": "/x", "value": 1}], **{"tensorzero::params": {"chat_completion": {"json_mode": "tool"}}})),
    *[Case(f"g14-uuid-{i}", f("episode_id", u)) for i, u in enumerate((EPISODE[:-1], "{" + EPISODE, "{" + EPISODE + "}", "urn:uuid:" + EPISODE, "URN:UUID:" + EPISODE, EPISODE.replace("-", "") + "0", "{" + EPISODE.replace("-", "") + "}", EPISODE[:23],
                                                                           "-----", "a\0b", "\xfc"))],
    *[Case(f"g14-quoted-{ord(c):x}", body(temperature="a" + c)) for c in "\u200d\xa0\u0301\x9f\ue000\u2028\xad\ufeff\U0001f600\x7f\0'"],
    *[Case(f"g14-mime-{i}", asks(image("https://x.example/a", **{"tensorzero::mime_type": m}))) for i, m in enumerate(("/b", "te xt/plain", "*/*", "image/png; charset", "text/plain; =b", "image/png;a=\"b"))],
    *[Case(f"g14-data-mime-{i}", file(data(m))) for i, m in enumerate(("/b", "te xt/plain", "*/*", "image/*", "image/png; charset", "text/plain; =b", "a/b/c", "\xfc/x"))],
    *[Case(f"g14-map-{i}", b) for i, b in enumerate((
        body(service_tier={"flex": None}), body(service_tier={"flex": 1}), body(service_tier={}), f("cache_options", {"enabled": {"off": None}}), f("params", {"chat_completion": {"json_mode": {"on": None}}}),
        f("params", {"chat_completion": {"json_mode": {"odd": 1}}}), asks(image("https://x.example/a", detail={"low": None})), asks(image("https://x.example/a", detail={"low": 1})),
        body(tools=[WEATHER], tool_choice={"type": "allowed_tools", "allowed_tools": {"mode": {"required": None}, "tools": []}})))],
    Case("g14-data-path", asks(image("data:/a b/x;base64,SGVs"))),
    Case("g14-data-marks", asks(image('data:image/png;base64,SG^s|`{}<>"'))),
    Case("g8-body-model-colons", extra(model_name="m::x", pointer="/x", value=1)),
    Case("g14-space-in-key", asks({"type": "image_url", "image_url": {"url ": "x"}})),
    # 15: what is refused
    Case("g15-image-key", asks(image("https://x.example/a", x=1))),
    Case("g15-image-order", asks({"type": "image_url", "image_url": {"detail": "odd", "url": 5}})),
    Case("g15-older-header-filter", header(model_provider_name="tensorzero::model_name::m::provider_name::p")),
    Case("g15-schema-description", body(response_format={"type": "json_schema", "json_schema": {"name": "n", "description": []}})),
    Case("g15-schema-order", body(response_format={"type": "json_schema", "json_schema": {"strict": 5, "name": 5}})),
    *[Case(f"g15-summary-{i}", said({**THOUGHT, "summary": s})) for i, s in enumerate(("x", [5], ["x"], [{"text": "s"}], [{"type": "odd", "text": "s"}], [{"type": "summary_text"}], [{"type": "summary_text", "text": 5}], [{"type": "summary_text", "text": "s"}]))],
    *[Case(f"g15-index-{i}", '{"model":"tensorzero::model_name::m","messages":[{"role":"assistant","content":"b","tensorzero_extra_content":[{"type":"thought","text":"t","insert_index":' + n + "}]}]}") for i, n in enumerate(("1.0", "-1", '"0"', "1e0"))],
    *[Case(f"g15-scope-{i}", f("provider_tools", [{"tool": {"a": 1}, "scope": s}])) for i, s in enumerate(({"model_name": "m", "provider_name": 5}, {"model_name": "m", "provider_name": None}, {"model_name": "m", "x": 1}, {}))],
    Case("g15-upper-case-data", file("DATA:application/pdf;base64,SGVs")),
    # 16: keys that stand twice
    Case("g16-checked-last", raw('"temperature":"x","temperature":0.5')),
    Case("g16-in-schema", raw('"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"nonsense","a":1,"type":"object"}}}]')),
    Case("g16-in-extra-body", raw('"tensorzero::extra_body":[{"pointer":"/x","value":{"a":1,"b":2,"a":{"c":3,"c":4}}}]')),
    Case("g16-in-message", '{"model":"tensorzero::model_name::m","messages":[{"role":"critic","content":5,"role":"user","content":"Hi"}]}'),
    Case("g16-many", raw('"tensorzero::extra_body":[{"pointer":"/x","value":{' + ",".join(f'"k{i % 20}":{i}' for i in range(40)) + "}}]")),
    # 17: cut streams
    Case("g17-cut-in-event", body(stream=True), [events(EVENT, LAST, EVENT[:-9])]),
    Case("g17-cut-before-blank", body(stream=True), [events(EVENT, LAST, EVENT[:-1])]),
    Case("g17-done-without-blank", body(stream=True), [events(EVENT, LAST, b"data: [DONE]")]),
    # 18: escapes
    Case("g18-lower-case", f("extra_body", [{"pointer": "/x", "value": "\x1f\x0b\\u001F"}])),
    *[Case(f"credential-{name}{'-stream' if stream else ''}", body(model="dynamic", stream=stream, **{"tensorzero::credentials": {"my_key": value}}), up)
      for name, value in (("control", "a\u0001b"), ("line-break", "a\nb"), ("delete", "a\x7fb"), ("tab", "a\tb"), ("umlaut", "\u00fc"))
      for stream, up in ((False, []), (True, [sse(text_chunks())]))],
]
