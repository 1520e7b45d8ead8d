"""Who called: tags of the record that headers and fields of a /v1 request become (surfaces §1.8)."""
import json
import os
import sqlite3
import time

import pytest

from lib import raw
from lib.raw import CHAT, TZ, TZ_CHAT, chat
from lib.signet import config, openai_model

CLAUDE = json.dumps({"device_id": "d1", "account_uuid": "a1", "session_id": "s1"})
CASES = [
    ({"user": "u1"}, {}, {"signet::user": "u1"}),
    ({"user": "u1", "safety_identifier": "safe"}, {}, {"signet::user": "safe"}),
    ({"user": "x" * 300}, {}, {"signet::user": "x" * 256}),
    ({"user": "é" * 200 + "x" * 200}, {}, {"signet::user": "é" * 128}),
    ({"user": "a" + "é" * 200}, {}, {"signet::user": "a" + "é" * 127}),
    ({"user": CLAUDE}, {}, {"signet::user": "a1", "signet::session": "s1"}),
    ({"user": "{no json"}, {}, {"signet::user": "{no json"}),
    ({"metadata": {"user_id": "user_1_account__session_5d1c"}}, {"session-id": "later"},
     {"user_id": "user_1_account__session_5d1c", "signet::session": "5d1c"}),
    ({"prompt_cache_key": "key"}, {"session_id": "mine"}, {"signet::session": "mine"}),
    ({"prompt_cache_key": "key"}, {}, {"signet::session": "key"}),
    ({}, {"x-claude-code-agent-id": "a", "x-claude-code-parent-agent-id": "p"}, {"signet::agent": "a", "signet::parent_agent": "p"}),
    ({}, {"x-openai-subagent": "review"}, {"signet::agent": "review"}),
    ({}, {"user-agent": "OpenAI/Python 2.1"}, {"signet::client": "OpenAI"}),
    ({}, {"x-app": "cli"}, {"signet::client": "cli"}),
]


def signet_toml(mock):
    return config(openai_model("m", mock.url), record=True)


def tags(signet, got):
    """The row's tags, once the drainer has moved it."""
    for _ in range(200):
        if os.path.exists(signet.data_dir + "/signet.db"):
            with sqlite3.connect(f"file:{signet.data_dir}/signet.db?mode=ro", uri=True) as db:
                try:
                    rows = db.execute("select tags from ChatInference where id = ?", [got.headers["x-signet-inference-id"]]).fetchall()
                except sqlite3.OperationalError:
                    rows = []
            if rows:
                return json.loads(rows[0][0])
        time.sleep(0.05)
    raise AssertionError("the row did not come")


@pytest.mark.parametrize("fields,headers,want", CASES)
def test_what_a_request_says_of_its_caller(signet, fields, headers, want):
    got = raw.post(signet.port, CHAT, chat(**fields), list(headers.items()))
    assert got.status == 200, got.body
    assert tags(signet, got) == {**want, "signet::surface": "chat"}


def test_tensorzeros_route_has_tensorzeros_tags_only(signet):
    got = raw.post(signet.port, TZ_CHAT, {**chat(TZ + "m", user="u1"), "tensorzero::tags": {"a": "b"}}, [("x-openai-subagent", "s")])
    assert tags(signet, got) == {"a": "b"}
