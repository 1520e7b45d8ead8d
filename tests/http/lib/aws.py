"""AWS as a mock plays it: signatures checked by an implementation of its own, frames of an event stream, answers of Converse."""
import hashlib
import hmac
import json
import re
import struct
import urllib.parse
import zlib

from lib.mock import CLOSE, Pause, answer, chunked, head, json_answer

KEY_ID, SECRET = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
KEYS = {"T_AWS_ID": KEY_ID, "T_AWS_SECRET": SECRET}
# Nothing of this machine's own may be found.
CLEAN = {"AWS_EC2_METADATA_DISABLED": "true", "HOME": "/nonexistent", "AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_SESSION_TOKEN": "",
         "AWS_PROFILE": "", "AWS_REGION": "", "AWS_DEFAULT_REGION": "", "AWS_BEARER_TOKEN_BEDROCK": ""}
AUTHORIZATION = re.compile(r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^/]+)/([^/]+)/aws4_request, SignedHeaders=([^,]+), Signature=([0-9a-f]{64})$")


def quote(text, safe):
    return urllib.parse.quote(text, safe=safe + "-_.~")


def signed(request, secret=SECRET):
    """Asserts that the signature is right for exactly what came. Returns {key_id, region, service, headers, token}."""
    key_id, day, region, service, names, signature = AUTHORIZATION.match(request.headers["authorization"]).groups()
    path, _, query = request.target.partition("?")
    names = names.split(";")
    assert names == sorted(set(names)) and {"host", "x-amz-date"} <= set(names)
    values = {}
    for name, value in request.header_list:
        values.setdefault(name.lower(), []).append(" ".join(value.split()))
    canonical = "\n".join([
        request.method, quote(path, "/"), "&".join(sorted(query.split("&"))) if query else "",
        *[f"{n}:{','.join(values[n])}" for n in names], "", ";".join(names), hashlib.sha256(request.body).hexdigest()])
    date = request.headers["x-amz-date"]
    assert date.startswith(day)
    to_sign = "\n".join(["AWS4-HMAC-SHA256", date, f"{day}/{region}/{service}/aws4_request", hashlib.sha256(canonical.encode()).hexdigest()])
    key = ("AWS4" + secret).encode()
    for step in (day, region, service, "aws4_request"):
        key = hmac.new(key, step.encode(), hashlib.sha256).digest()
    assert hmac.new(key, to_sign.encode(), hashlib.sha256).hexdigest() == signature, f"wrong signature over\n{canonical}"
    for name in ("content-type", "x-amz-security-token"):
        assert name not in request.headers or name in names, f"{name} is not signed"
    return {"key_id": key_id, "region": region, "service": service, "headers": names, "token": request.headers.get("x-amz-security-token"),
            "path": quote(path, "/")}


# -- frames -------------------------------------------------------------------------------------------
def header(name, value):
    name, value = name.encode(), value.encode()
    return bytes([len(name)]) + name + b"\x07" + struct.pack(">H", len(value)) + value


def frame(headers, payload=b""):
    text = b"".join(header(k, v) for k, v in headers.items())
    prelude = struct.pack(">II", 16 + len(text) + len(payload), len(text))
    out = prelude + struct.pack(">I", zlib.crc32(prelude)) + text + payload
    return out + struct.pack(">I", zlib.crc32(out))


def event(name, payload):
    payload = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return frame({":event-type": name, ":content-type": "application/json", ":message-type": "event"}, payload)


def exception(name, payload):
    return frame({":exception-type": name, ":content-type": "application/json", ":message-type": "exception"}, json.dumps(payload).encode())


def frames(*parts, split=0, status=200, headers=()):
    """A stream of frames (bytes), Pauses, or CLOSE. `split`: one chunk every so many bytes."""

    def script(conn, request):
        conn.send(head(status, headers, "application/vnd.amazon.eventstream") + b"transfer-encoding: chunked\r\n\r\n")
        data = b""
        for part in parts:
            if isinstance(part, bytes):
                data += part
                continue
            conn.send(chunked(data, split or None)[:-5])
            data = b""
            if part == CLOSE:
                return conn.close()
            if isinstance(part, Pause):
                conn.sleep(part)
        conn.send(chunked(data, split or None) if data else b"0\r\n\r\n")

    return script


# -- Converse -----------------------------------------------------------------------------------------
USAGE = {"inputTokens": 20, "outputTokens": 30, "totalTokens": 60, "cacheReadInputTokens": 10, "cacheWriteInputTokens": 0}


def converse(*content, stop="end_turn", usage=USAGE, **more):
    value = {"metrics": {"latencyMs": 700}, "output": {"message": {"role": "assistant", "content": list(content)}}, "stopReason": stop, "usage": usage}
    return json_answer({**value, **more}, headers=[("x-amzn-requestid", "req-aws")])


def text_stream(*pieces, stop="end_turn", usage=USAGE):
    out = [event("messageStart", {"role": "assistant", "p": "abc"})]
    out += [event("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": t}, "p": "abcdefgh"}) for t in pieces]
    return out + [event("contentBlockStop", {"contentBlockIndex": 0}), event("messageStop", {"stopReason": stop}),
                  event("metadata", {"usage": usage, "metrics": {"latencyMs": 1}})]


def error(status, name, message="no", headers=()):
    return answer(json.dumps({"message": message}), status, [("x-amzn-errortype", name + ":http://internal.amazon.com/"), *headers])


def bedrock_model(name, url, model_id="anthropic.claude-3-haiku-20240307-v1:0", keys="", credentials=True, region="us-east-1"):
    text = (f'[models.{name}]\nrouting = ["p"]\n[models.{name}.providers.p]\ntype = "aws_bedrock"\nmodel_id = "{model_id}"\n'
            f'region = "{region}"\nendpoint_url = "{url}"\n')
    if credentials:
        text += 'access_key_id = "env::T_AWS_ID"\nsecret_access_key = "env::T_AWS_SECRET"\n'
    return text + keys + "\n"
