"""The record as pages read it: lists, filters, single inferences and their parts (ui §5), out of the store and out of the journal."""
import json
import sqlite3
import time

import pytest

from lib import raw, record
from lib.internal import ids, page, request
from lib.mock import chat_answer, error, json_answer, sse, text_chunks
from lib.raw import CHAT, TZ, TZ_CHAT, chat
from lib.signet import Signet, config, openai_model


def signet_toml(mock):
    return config(openai_model("m", mock.url) + openai_model("two", mock.url + "/a", mock.url + "/b"), record=True)


def ask(signet, model="m", text="Hi", headers=(), **more):
    got = raw.post(signet.port, CHAT, {**chat(model), "messages": [{"role": "user", "content": text}], **more}, headers)
    return got.headers["x-signet-inference-id"]


def test_the_newest_come_first_page_by_page(signet):
    made = [ask(signet, text=f"number {i}") for i in range(5)]
    got = page(signet, "/logs", limit=3)
    assert [r["id"] for r in got["rows"]] == made[:1:-1]
    assert got["rows"][0]["preview_in"] == "number 4" and got["took_ms"] >= 0
    assert [r["id"] for r in page(signet, "/logs", limit=3, cursor=got["next"])["rows"]][:2] == made[1::-1]


def test_a_row_is_there_before_the_store_has_it(mock):
    with Signet(signet_toml(mock)) as signet:
        first = ask(signet, text="stored")
        record.wait_row(signet.data_dir, first)
        lock = sqlite3.connect(signet.data_dir + "/signet.db", timeout=5)
        lock.execute("begin immediate")  # the drainer cannot write
        try:
            second = ask(signet, text="still in the journal")
            assert record.listed(signet.data_dir, second) == []
            assert ids(signet) == [second, first]
            assert ids(signet, q="journal") == [second] and ids(signet, q="stored") == [first]
            detail = page(signet, "/inferences/" + second)
            assert detail["record"]["state"] == "journal"
            assert detail["input"]["inline"]["messages"][0]["content"][0]["text"] == "still in the journal"
            call = detail["attempts"][0]["model_inference_id"]
            assert request(signet, "GET", f"/model_inferences/{call}/parts/raw_request").body == mock.requests[-1].body
        finally:
            lock.rollback()
            lock.close()
        record.wait_row(signet.data_dir, second)
        assert ids(signet) == [second, first]
        assert page(signet, "/inferences/" + second)["record"]["state"] == "stored"
        assert request(signet, "GET", f"/model_inferences/{call}/parts/raw_request").body == mock.requests[-1].body
