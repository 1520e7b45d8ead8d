"""The session, the device and the signature of a signed call, repeated by the upstream: nobody reads them."""
import base64
import json
import os
import time

import httpx
import pytest

from lib.mock import Mock, answer, json_answer
from lib.signet import Signet, config
from signing_lib import build_sample

DEVICE, SESSION = "device-0123456789abcdef", "session-fedcba9876543210"


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    return build_sample(tmp_path_factory.mktemp("signer"))


def toml(mock, sample):
    return config(f'[models.r]\nrouting = ["p"]\n[models.r.providers.p]\ntype = "rust-proxy"\nmodel_name = "x"\n'
                  f'api_endpoint = "{mock.url}/stream/chat?access_token=query-secret-value"\ndevice_id = "{DEVICE}"\n'
                  f'session_id = "{SESSION}"\nsigner = {{ path = "{sample}" }}\n', record=True)


def forms(secret):
    masked = secret[:8] + "****" + secret[-6:]
    return [secret, secret.upper(), masked, base64.b64encode(f"x{secret}".encode()).decode(), "".join(f"%{ord(c):02X}" for c in secret)]


@pytest.mark.parametrize("how", ["status", "event", "later event"])
def test_nothing_of_a_signed_call_is_repeated(sample, how):
    secrets = []

    def script(conn, request):
        sent = [request.headers["sid"], request.headers["device-id"], request.headers["sign"], "query-secret-value"]
        secrets.extend(sent)
        text = " ".join(form for secret in sent for form in forms(secret))
        if how == "status":
            return json_answer({"code": 401, "message": text, "data": sent}, 401)(conn, request)
        before = "event: c\ndata: Hel\n\n" if how == "later event" else ""
        return answer(f"{before}event: error\ndata: {text}\n\n", content_type="text/event-stream")(conn, request)

    with Mock(default=script) as mock, Signet(toml(mock, sample)) as signet:
        for stream in (False, True):
            for path, name in (("/v1", "r"), ("/openai/v1", "tensorzero::model_name::r")):
                body = {"model": name, "messages": [{"role": "user", "content": "Hi"}], "stream": stream}
                got = httpx.post(f"{signet.url}{path}/chat/completions", json=body, timeout=30)
                for secret in secrets:
                    for form in forms(secret):
                        assert form not in got.text and form not in json.dumps(dict(got.headers)), got.text
        time.sleep(0.5)
        secrets = [s for s in secrets if s != "query-secret-value"]  # the record has the configuration
        said = signet.stderr() + signet.get("/metrics")
        for folder, _, names in os.walk(signet.data_dir):
            for name in names:
                with open(os.path.join(folder, name), "rb") as f:
                    said += f.read().decode("latin-1")
        assert len(secrets) == 12
        for secret in secrets:
            assert not [form for form in forms(secret) if form in said]
