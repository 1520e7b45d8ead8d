"""The developer API behind provider `rust-proxy`, as the mock model speaks it: one text in, events out, each request signed and verified."""
import hashlib
import hmac
import re

from .turn import Turn, Wrong

KEY = b"signet-sample-key"  # examples/signers/hmac


def verify(headers, content):
    covered = "\n".join((headers["nonce"], headers["timestamp"], headers["device-id"], content))
    if not hmac.compare_digest(hmac.new(KEY, covered.encode(), hashlib.sha256).hexdigest(), headers["sign"]):
        raise Wrong("the signature does not fit", status=401)


def read(body):
    """What stands after the last `User: ` are the user's last words."""
    content = body["content"]
    last = re.split(r"(?:^|\n)(?:User|Tool): ", content)[-1]
    return Turn(body.get("extra", {}).get("model") or "", words=[content], last=re.split(r"\n(?:Assistant|System): ", last)[0])


def events(body, said, now):
    yield "event: threadId\ndata: 1\n\n"
    for piece in said.pieces():
        yield f"event: c\ndata: {piece}\n\n"
    yield "event: finish\ndata: \n\n"
