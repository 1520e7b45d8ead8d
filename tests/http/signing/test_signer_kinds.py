"""signer.kind = "sigv4" | "hmac": another upstream that wants a signature is a few lines of TOML."""
import base64
import hashlib
import hmac
import json
import time

import pytest

from lib import raw
from lib.aws import CLEAN, KEYS, signed
from lib.mock import Mock
from lib.signet import Signet, config, openai_model

SIGNET = {"env": {**CLEAN, **KEYS, "T_SECRET": "shh", "T_TOKEN": "session=="}}
SIGV4 = 'service = "execute-api"\nregion = "eu-west-1"\naccess_key_id = "env::T_AWS_ID"\nsecret_access_key = "env::T_AWS_SECRET"\n'


def signer(model, kind, keys):
    return f'[models.{model}.providers.p.signer]\nkind = "{kind}"\n{keys}\n'


def signet_toml(mock):
    url = mock.url
    return config("".join([
        openai_model("sigv4", url), signer("sigv4", "sigv4", SIGV4),
        openai_model("token", url), signer("token", "sigv4", SIGV4 + 'session_token = "env::T_TOKEN"\n'),
        openai_model("hmac", url), signer("hmac", "hmac", 'secret_location = "env::T_SECRET"\n'),
        openai_model("own", url), signer("own", "hmac", 'secret_location = "dynamic::secret"\ninputs = ["method", "path", "nonce", "body"]\nseparator = "\\n"\n'
                                         'encoding = "base64"\nprefix = "v1="\nheader = "x-sig"\nnonce_header = "x-nonce"\ntimestamp_header = ""\n')]))


def ask(signet, model, **fields):
    return raw.post(signet.port, raw.CHAT, json.dumps({"model": model, "messages": [{"role": "user", "content": "Hi"}], **fields}))


def test_sigv4_on_any_provider(signet, mock):
    assert ask(signet, "sigv4").status == 200
    facts = signed(mock.last())
    assert (facts["service"], facts["region"], facts["token"]) == ("execute-api", "eu-west-1", None)
    assert ask(signet, "token").status == 200 and signed(mock.last())["token"] == "session=="


def test_hmac(signet, mock):
    assert ask(signet, "hmac").status == 200
    r = mock.last()
    assert abs(int(r.headers["x-timestamp"]) - time.time()) < 60
    want = hmac.new(b"shh", r.headers["x-timestamp"].encode() + b"." + r.body, hashlib.sha256).hexdigest()
    assert r.headers["x-signature"] == want


def test_hmac_as_the_upstream_wants_it(signet, mock):
    assert ask(signet, "own", **{"tensorzero::credentials": {"secret": "other"}}).status == 200
    r = mock.last()
    text = b"\n".join([b"POST", r.target.encode(), r.headers["x-nonce"].encode(), r.body])
    assert r.headers["x-sig"] == "v1=" + base64.b64encode(hmac.new(b"other", text, hashlib.sha256).digest()).decode()
    assert "x-timestamp" not in r.headers
    got = ask(signet, "own")
    assert got.status == 400 and "Dynamic api key `secret` is missing" in got.message


def test_a_large_body_is_signed_whole(signet, mock):
    assert ask(signet, "hmac", user="x" * 600_000).status == 200
    r = mock.last()
    assert r.headers["x-signature"] == hmac.new(b"shh", r.headers["x-timestamp"].encode() + b"." + r.body, hashlib.sha256).hexdigest()


def test_each_attempt_has_its_own_time(signet, mock):
    ask(signet, "own", **{"tensorzero::credentials": {"secret": "other"}})
    ask(signet, "own", **{"tensorzero::credentials": {"secret": "other"}})
    assert len({r.headers["x-nonce"] for r in mock.requests}) == 2


@pytest.mark.parametrize("kind,keys,words", [
    ("sigv4", 'region = "x"\n', "missing field `service`"), ("sigv4", 'service = "x"\nregion = "x"\naccess_key_id = "env::T_AWS_ID"\n', "belong together"),
    ("sigv4", 'service = "x"\nregion = "x"\npath = "a.wasm"\n', "unknown field `path`"), ("hmac", "", "missing field `secret_location`"),
    ("hmac", 'secret_location = "env::NOPE"\n', "Environment variable `NOPE` is missing"), ("hmac", 'secret_location = "shh"\n', "Invalid credential location format"),
    ("hmac", 'secret_location = "env::T_SECRET"\ninputs = ["device_id", "", "", ""]\n', "`device_id` is a module's"), ("rsa", "", "unknown variant `rsa`")])
def test_what_a_table_lacks(mock, kind, keys, words):
    with Mock() as m:
        s = Signet(config(openai_model("m", m.url) + signer("m", kind, keys)), env=SIGNET["env"], start=False)
        status, text = s.fails_to_start()
        assert status == 1 and words in text
