"""A model behind every format that upstreams speak: deterministic, and as strict as the vendors.

It calls tools from their own schemas, answers json_schema with an instance of it, keeps to limits and stops, thinks when it is asked
to and knows its own thoughts again, counts tokens, caches what is marked, streams, and plays a script (`play`: for each of the model's calling turns the
calls to make, as (tool, arguments)). What a request does against its vendor's rules is a 400; what it does against the vendor's schema
is kept in `complaints`. Words in the user's text steer it: "[fail 429]" fails with that status, "[slow]" takes its time between two
events, "[50 words]" says so many, "both" makes two calls.

    with Model() as model: ...            # model.url, model.requests, model.complaints
    python -m lib.model [PORT]            # prints its port and serves
"""
import json
import re
import time
import urllib.parse

from lib import mock

from . import bedrock, chat, devapi, gemini, messages, plain, responses
from .schemas import complaints
from .turn import Wrong, say

SLOW_S = 0.05


class Model:
    def __init__(self, play=None, names=None, checks=True, keys=None, signed=False):
        """`names`: the models it has (None: any); `keys`: the API keys it takes (None: any or none); `signed`: each body by the sample signer."""
        self.play, self.names, self.checks, self.keys, self.signed = play, names, checks, keys, signed
        self.said = []  # what it said, in order
        self.complaints = []  # (path, body, what its schema says)
        self.seen = set()
        self.stored = {}
        self.breaks = 0
        self.mock = mock.Mock(default=self.script)
        self.url = self.mock.url

    @property
    def requests(self):
        return self.mock.requests

    def reset(self, play=None):
        self.play = play
        self.mock.reset()
        self.seen.clear()
        self.said.clear()
        self.complaints.clear()

    def break_next(self):
        """The next stream ends in its middle."""
        self.breaks += 1

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.mock.close()

    # ---- one request ----

    def script(self, conn, request):
        path = urllib.parse.urlsplit(request.target).path.rstrip("/")
        shape = shape_of(path, request)
        try:
            self.serve(path, request)(conn, request)
        except Wrong as wrong:
            headers = [("retry-after", "1")] if wrong.status == 429 else []
            if shape is bedrock.error:
                headers.append(("x-amzn-errortype", bedrock.NAMES.get(wrong.status, "InternalServerException")))
            mock.json_answer(shape(wrong), wrong.status, headers=headers)(conn, request)
        except (KeyError, TypeError, AttributeError, IndexError) as broken:  # of a body whose parts are of wrong types
            mock.json_answer(shape(Wrong(f"invalid request: {broken!r}")), 400)(conn, request)

    def serve(self, path, request):
        if request.method == "GET":
            return self.serve_get(path, request)
        if request.method == "HEAD":
            return head_only
        if path == "/stream/chat":
            return self.serve_devapi(request)
        if self.signed:
            devapi.verify(request.headers, request.body.decode())
        for pattern, serve in CLOUDS:
            if found := re.fullmatch(pattern, path):
                return serve(self, json.loads(request.body), request, *found.groups())
        self.check_key(request)
        route = ROUTES.get(path.split("/v1", 1)[-1] if path.startswith("/v1") else path)
        if not route or request.method != "POST":
            raise Wrong(f"Unknown request URL: {request.method} {path}.", status=404)
        try:
            body = json.loads(request.body)
        except ValueError:
            raise Wrong("We could not parse the JSON body of your request.") from None
        if not isinstance(body, dict):
            raise Wrong("expected an object")
        kind, answerer = route
        if self.checks:
            self.complaints += [(path, body, c) for c in complaints(kind, body)]
        answer = answerer(self, body)
        if self.names is not None and body["model"] not in self.names:
            raise Wrong(f"The model `{body['model']}` does not exist.", "model", 404, "model_not_found")
        return answer

    def serve_devapi(self, request):
        body = json.loads(request.body)
        devapi.verify(request.headers, body["content"])
        turn = devapi.read(body)
        said = say(turn, self.seen)
        self.said.append(said)
        slow = [mock.Pause(SLOW_S)] if "[slow]" in turn.last else []
        return mock.sse([part for e in devapi.events(body, said, 0) for part in [mock.Raw(e.encode()), *slow]], done=False)

    def check_key(self, request):
        given = request.headers.get("authorization", "").removeprefix("Bearer ") or request.headers.get("x-api-key", "")
        if self.keys is not None and given not in self.keys:
            raise Wrong("Incorrect API key provided.", status=401, code="invalid_api_key")

    def serve_get(self, path, request):
        names = self.names or ["mock-model"]
        one = [{"id": n, "object": "model", "created": 1767225600, "owned_by": "mock"} for n in names]
        if "anthropic-version" in request.headers:
            one = [{"type": "model", "id": n, "display_name": n, "created_at": "2026-01-01T00:00:00Z"} for n in names]
        if path == "/v1/models":
            more = {"first_id": names[0], "last_id": names[-1], "has_more": False} if "type" in one[0] else {"object": "list"}
            return mock.json_answer({"data": one, **more})
        if path.startswith("/v1/models/") and path[11:] in names:
            return mock.json_answer(one[names.index(path[11:])])
        raise Wrong("Not found", status=404)

    def talk(self, format, body, turn, content_type="text/event-stream", wrap=None):
        """The answer to a turn, as `format` writes it; `wrap` puts the bytes of an event into another framing."""
        said, now = say(turn, self.seen, self.play), int(time.time())
        self.said.append(said)
        if not turn.stream:
            return mock.json_answer(format.answer(body, said, now))
        named = wrap or getattr(format, "bytes_of", None)
        out = []
        for event in format.events(body, said, now):
            out.append(mock.Raw(named(event)) if named else event)
            if "[slow]" in turn.last:
                out.append(mock.Pause(SLOW_S))
        if self.breaks:
            self.breaks -= 1
            return mock.sse([*out[: len(out) // 2], mock.RESET], done=False)
        return mock.sse(out, done=False, content_type=content_type)


def head_only(conn, request):
    conn.send(mock.head(200) + b"content-length: 0\r\n\r\n")


def on_chat(model, body):
    return model.talk(chat, body, chat.read(body))


def on_completion(model, body):
    return model.talk(plain, body, plain.read(body))


def on_embeddings(model, body):
    return mock.json_answer(plain.embeddings(body))


def on_responses(model, body):
    answer = model.talk(responses, body, responses.read(body, model.stored))
    if body.get("store") is not False:
        said = say(responses.read(body, model.stored), set(model.seen), model.play)
        given = body["input"] if isinstance(body["input"], list) else [{"role": "user", "content": body["input"]}]
        whole = responses.answer(body, said, 0)
        model.stored[whole["id"]] = model.stored.get(body.get("previous_response_id"), []) + given + whole["output"]
    return answer


def on_input_tokens(model, body):
    return mock.json_answer({"object": "response.input_tokens", "input_tokens": responses.read(body, model.stored).tokens()})


def on_compact(model, body):
    return mock.json_answer(responses.compact(body, int(time.time())))


def on_messages(model, body):
    return model.talk(messages, body, messages.read(body))


def on_count(model, body):
    return mock.json_answer({"input_tokens": messages.read(body, counts=True).tokens()})


AWS_STREAM = "application/vnd.amazon.eventstream"


def on_gemini(model, body, request, name, stream):
    turn = gemini.read(body, name)
    turn.stream = bool(stream)
    if stream and "alt=sse" not in request.target:
        raise Wrong("without alt=sse a stream is a JSON array, which nobody wants")
    return model.talk(gemini, body, turn)


def on_converse(model, body, request, name, stream):
    turn = bedrock.read(body, urllib.parse.unquote(name))
    turn.stream = bool(stream)
    return model.talk(bedrock, body, turn, AWS_STREAM)


def on_sagemaker(model, body, request, endpoint, stream):
    """The container speaks chat completions; AWS cuts its stream where it likes."""
    turn = chat.read(body)
    model.complaints += [(endpoint, body, c) for c in complaints("chat", body)]
    return model.talk(chat, body, turn, AWS_STREAM, lambda e: bedrock.frame(mock.sse_bytes(e), message_type="event", event_type="PayloadPart"))


def on_azure_embeddings(model, body, request, deployment):
    """OpenAI's, of a deployment that the path names."""
    if request.headers.get("api-key") is None or "api-version=" not in request.target:
        raise Wrong("Access denied due to missing api-key or api-version.", status=401)
    body = {"model": deployment, **body}
    model.complaints += [(deployment, body, c) for c in complaints("embeddings", body)]
    return mock.json_answer(plain.embeddings(body))


CLOUDS = (
    (r"/openai/deployments/([^/]+)/embeddings", on_azure_embeddings),
    (r"/(?:v1beta|v1)/(?:.*/)?models/([^/:]+):(?:g|(streamG))enerateContent", on_gemini),
    (r"/model/([^/]+)/converse(-stream)?", on_converse),
    (r"/endpoints/([^/]+)/invocations(-response-stream)?", on_sagemaker),
)


def shape_of(path, request):
    """How the vendor whose path this is writes an error."""
    if path.startswith(("/v1/messages", "/anthropic")) or "anthropic-version" in request.headers:
        return messages.error
    if path.startswith(("/model/", "/endpoints/")):
        return bedrock.error
    return gemini.error if ":generateContent" in path or ":streamGenerateContent" in path else chat.error


# path below /v1: (name of the schema, handler)
ROUTES = {
    "/chat/completions": ("chat", on_chat),
    "/completions": ("completions", on_completion),
    "/embeddings": ("embeddings", on_embeddings),
    "/responses": ("responses", on_responses),
    "/responses/input_tokens": ("", on_input_tokens),
    "/responses/compact": ("", on_compact),
    "/messages": ("messages", on_messages),
    "/messages/count_tokens": ("count_tokens", on_count),
}
