"""docs/operations.md, "Response headers": whatever answer is asked for, each of its headers has a row there (issue 15 G)."""
import os
import re

from lib import mock as m
from lib import raw
from lib.signet import ROOT, Signet, config, openai_model


def told():
    with open(os.path.join(ROOT, "docs", "operations.md")) as f:
        part = f.read().split("\n## Response headers\n", 1)[1].split("\n## ", 1)[0]
    return {name for line in part.splitlines() if line.startswith("| `") for name in re.findall(r"`([^`]+)`", line.split("|")[1])}


def test_each_header_of_an_answer_has_a_row(mock):
    toml = config(openai_model("m", mock.url), extra='[server]\ncors_origins = ["https://app.example.com"]\n', record=True)
    chat, message = raw.chat(), {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}
    browser = [("origin", "https://app.example.com"), ("access-control-request-method", "POST"), ("access-control-request-headers", "x")]
    with Signet(toml) as s:
        answers = [raw.post(s.port, path, chat) for path in ("/v1/chat/completions", "/openai/v1/chat/completions", "/inference", "/v1/nothing", "/health")]
        answers += [raw.post(s.port, path, message) for path in ("/v1/messages", "/v1/messages/count_tokens")]
        answers += [raw.post(s.port, "/v1/responses", {"model": "m", "input": "hi", "stream": True})]
        answers += [raw.get(s.port, path) for path in ("/health", "/status", "/metrics", "/v1/models", "/v1/chat/completions", "/ui", "/ui/", "/internal/signet/session")]
        answers += [raw.post(s.port, "/v1/chat/completions", "x", headers=[("content-encoding", "rot13")]),
                    raw.get(s.port, "/v1/chat/completions", browser, method="OPTIONS"), raw.get(s.port, "/v1/models", browser[:1])]
        mock.then(m.sse(m.text_chunks()))
        answers += [raw.post(s.port, "/v1/chat/completions", raw.chat(stream=True))]
        mock.then(m.error(429, "slow down", headers=[("retry-after", "7")]))
        answers += [raw.post(s.port, "/v1/chat/completions", chat)]
        answers += [raw.post(s.port, "/v1/chat/completions", raw.chat(top_k=3))]
    seen = {name.lower() for a in answers for name, _ in a.header_list}
    assert seen - told() == set()
    assert {a.status for a in answers} >= {200, 404, 405, 415, 429} and len(seen) > 25, sorted(seen)
