"""What an upstream repeats of a credential reaches nobody: no client, log, row or metric (issue: errors that repeat the key).

The mock answers with the very key that the request brought, in every disguise. Afterwards all that Signet has said and
written is searched for it.
"""
import base64
import json
import os
from urllib.parse import quote

import pytest

from lib import raw, record
from lib.mock import answer, chunk, error, head, json_answer, sse
from lib.raw import CHAT, TZ, TZ_CHAT, chat
from lib.signet import config, openai_model

KEY = "sk-Live_9fQ2+Xw/7aBcDeFgHiJkLmNoPqRsTuVwXyZ"
EXTRA = "tenant-token-4711-ABCDEFGH"
CLIENT = "sk-client-5hTgBn7UjM3kIo9LpQaWsEdR"
SIGNET = {"env": {"TEST_KEY": KEY}}
BOTH = pytest.mark.parametrize("path,prefix", [(CHAT, ""), (TZ_CHAT, TZ)], ids=["openai", "tensorzero"])

DISGUISES = {
    "whole": lambda k: k,
    "percent": lambda k: "".join(f"%{ord(c):02x}" for c in k),
    "percent where it must be": lambda k: quote(k, safe=""),
    "percent twice": lambda k: quote(quote(k, safe=""), safe=""),
    "base64": lambda k: base64.b64encode(k.encode()).decode(),
    "base64 of more": lambda k: base64.b64encode(f"Bearer {k}".encode()).decode(),
    "base64 of other places": lambda k: base64.urlsafe_b64encode(f"user:{k}".encode()).decode(),
    "hex": lambda k: k.encode().hex(),
    "upper case": lambda k: k.upper(),
    "without its middle": lambda k: k[:8] + "*" * 20 + k[-4:],
    "with dots": lambda k: k[:7] + "..." + k[-4:],
    "with an ellipsis": lambda k: k[:5] + "…" + k[-4:],
    "long ends": lambda k: k[:20] + "…" + k[-20:],
    "html": lambda k: "".join(f"&#{ord(c)};" for c in k),
    "json in json": lambda k: json.dumps(json.dumps(k.replace("/", "\\/"))),
}


def signet_toml(mock):
    keys = 'api_key_location = "env::TEST_KEY"\nextra_headers = [{ name = "x-tenant-token", value = "%s" }]\n' % EXTRA
    return config(openai_model("m", mock.url, keys=keys)
                  + openai_model("c", mock.url, keys='api_key_location = "dynamic::client_authorization"\n')
                  + openai_model("q", mock.url, keys='api_key_location = "dynamic::mine"\n'), record=True)


def leaks(text, secret):
    """Which disguises of the secret are in the text."""
    if isinstance(text, bytes):
        text = text.decode("utf-8", "replace")
    return [name for name, of in DISGUISES.items() if of(secret) in text or json.dumps(of(secret))[1:-1] in text]


def written(signet):
    """All that is on disk, and what the process says of itself."""
    out = [signet.stderr().encode(), signet.get("/metrics").encode(), signet.get("/status").encode()]
    for folder, _, names in os.walk(signet.data_dir):
        for name in names:
            with open(os.path.join(folder, name), "rb") as f:
                out.append(f.read())
    return b"\n".join(out)


def check(signet, got, *secrets):
    everything = got.head + b"\r\n\r\n" + got.body
    for secret in secrets:
        assert not leaks(everything, secret), everything
    assert b"[redacted]" in everything or got.status == 200, everything


def test_nothing_is_written(signet, mock):
    """Every disguise, plain and streamed, in body, header and event, of a configured key and of a client's own; then the disk."""
    n = 0
    for disguise in DISGUISES.values():
        for path, prefix in ((CHAT, ""), (TZ_CHAT, TZ)):
            for stream in (False, True):
                text = f"Incorrect API key provided: {disguise(KEY)}, tenant {disguise(EXTRA)}."
                mock.then(error(401, text, headers=[("x-request-id", f"req {disguise(KEY)}".encode().decode("latin-1"))], code="invalid_api_key"))
                got = raw.post(signet.port, path, chat(prefix + "m", stream=stream))
                assert got.status >= 400
                check(signet, got, KEY, EXTRA)
                n += 1
    record.wait_rows(signet.data_dir, n, 20)
    for secret in (KEY, EXTRA):
        assert not leaks(written(signet), secret)
    row = record.rows(signet.data_dir, "select * from RequestError order by seq limit 1")[0]
    assert "Incorrect API key provided: [redacted], tenant [redacted]" in json.dumps(row)


@BOTH
@pytest.mark.parametrize("status", [400, 403, 404, 422, 429, 500, 503, 529])
def test_of_every_status(signet, mock, path, prefix, status):
    mock.then(error(status, f"no: {KEY}", headers=[("retry-after", "1")]))
    check(signet, raw.post(signet.port, path, chat(prefix + "m")), KEY)


@BOTH
@pytest.mark.parametrize("content_type", ["text/html", "application/json", "text/plain"])
def test_of_a_page_that_is_no_json(signet, mock, path, prefix, content_type):
    mock.then(answer(f"<p>{KEY}</p>", 502, content_type=content_type))
    got = raw.post(signet.port, path, chat(prefix + "m"))
    assert got.status >= 400 and not leaks(got.head + got.body, KEY)
    mock.then(answer(f"<p>{KEY}</p>", 200, content_type=content_type))
    got = raw.post(signet.port, path, chat(prefix + "m", stream=True))
    assert got.status >= 400 and not leaks(got.head + got.body, KEY)


@BOTH
def test_cut_in_chunks(signet, mock, path, prefix):
    """In as many chunks of the transfer as the body has bytes."""
    mock.then(json_answer({"error": {"message": f"bad {KEY}"}}, 401, framing="chunked", chunk=1))
    check(signet, raw.post(signet.port, path, chat(prefix + "m")), KEY)


@BOTH
def test_of_a_good_status(signet, mock, path, prefix):
    mock.then(json_answer({"error": {"message": f"bad {KEY}", "code": KEY}}))
    check(signet, raw.post(signet.port, path, chat(prefix + "m")), KEY)


@BOTH
@pytest.mark.parametrize("first", [True, False], ids=["first", "later"])
def test_in_a_stream(signet, mock, path, prefix, first):
    before = [] if first else [chunk({"role": "assistant", "content": "Hel"})]
    for disguise in DISGUISES.values():
        mock.then(sse([*before, {"error": {"message": f"bad {disguise(KEY)}", "type": "x", "code": KEY}}], done=False))
        got = raw.post(signet.port, path, chat(prefix + "m", stream=True))
        assert not leaks(got.head + got.body, KEY), got.body
    assert not leaks(written(signet), KEY)


def test_of_a_client_s_own_key(signet, mock):
    """Its 401 reaches the client whole, but for the key."""
    headers = [("authorization", f"Bearer {CLIENT}")]
    mock.then(error(401, f"Incorrect API key provided: {CLIENT}", code="invalid_api_key"))
    got = raw.post(signet.port, CHAT, chat("c"), headers)
    assert (got.status, got.message) == (401, "Incorrect API key provided: [redacted]")
    mock.then(error(401, f"Incorrect API key provided: {CLIENT[:8]}****{CLIENT[-4:]}"))
    assert raw.post(signet.port, CHAT, chat("c"), headers).message == "Incorrect API key provided: [redacted]"
    mock.then(error(401, f"Incorrect API key provided: {CLIENT}"))
    got = raw.post(signet.port, TZ_CHAT, chat(TZ + "q", **{"tensorzero::credentials": {"mine": CLIENT}}))
    check(signet, got, CLIENT)
    assert not leaks(written(signet), CLIENT)


def test_the_other_words_stay(signet, mock):
    """An error without a credential is byte for byte what it was."""
    body = {"error": {"message": "The model `sk-live` does not exist... sorry", "type": "invalid_request_error", "param": "model", "code": "model_not_found"}}
    mock.then(json_answer(body, 404))
    got = raw.post(signet.port, CHAT, chat())
    assert (got.status, got.json) == (404, body)


def test_failed_raw_responses(signet, mock):
    """include_raw_response shows a client what failed attempts brought."""
    mock.then(error(500, f"bad {KEY}"))
    got = raw.post(signet.port, TZ_CHAT, chat(TZ + "m", **{"tensorzero::include_raw_response": True}))
    assert "[redacted]" in json.dumps(got.json["tensorzero_raw_response"]) and not leaks(got.body, KEY)


@BOTH
def test_a_body_of_many_masks_is_no_attack(signet, mock, path, prefix):
    mock.then(answer("sk-Live_9f*" * 90000, 500, content_type="text/plain"))
    got = raw.post(signet.port, path, chat(prefix + "m"), timeout=60)
    assert got.status >= 400 and b"sk-Live" not in got.body
