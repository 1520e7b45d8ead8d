"""[server] answer_memory_mib: what answers hold is counted and bounded, and none of them goes unrecorded for it."""
import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from lib import raw, record
from lib.mock import Mock, chat_answer, chunk, head, json_answer, sse, usage_chunk
from lib.raw import CHAT, TZ, TZ_CHAT, chat
from lib.signet import Signet, config, openai_model

MIB = 1 << 20


def toml(mock, answers=8, queue=4):
    return config(openai_model("m", mock.url), record=True, extra=f"[server]\nanswer_memory_mib = {answers}\n[journal]\nqueue_mb = {queue}\n")


def all_at_once(signet, n, path=CHAT, model="m", **fields):
    seen = []
    with ThreadPoolExecutor(n) as pool:
        jobs = [pool.submit(raw.post, signet.port, path, chat(model, **fields), (), 120) for _ in range(n)]
        while not all(j.done() for j in jobs):
            seen.append(signet.metric("signet_answer_memory_bytes"))
    return [j.result() for j in jobs], seen


def nothing_lost(signet, n):
    rows = record.wait_rows(signet.data_dir, n, 60)
    assert len(rows) == n and {r["state"] for r in rows} == {"ok"}
    assert signet.metric("signet_journal_unrecorded_total") == 0
    raw.wait_for(lambda: signet.metric("signet_answer_memory_bytes") == 0)


def test_large_streams_are_read_slower_and_all_recorded():
    text = "x" * (64 << 10)
    with Mock(default=sse([chunk({"role": "assistant"}), *[chunk({"content": text})] * 48, chunk({}, "stop"), usage_chunk()])) as mock:
        with Signet(toml(mock)) as signet:
            answers, seen = all_at_once(signet, 8, stream=True)
            for got in answers:
                whole = "".join(json.loads(e)["choices"][0]["delta"].get("content") or "" for e in got.events()[:-1] if json.loads(e)["choices"])
                assert got.status == 200 and len(whole) == 48 * len(text)
            assert 2 * MIB < max(seen) < 8 * MIB + 12 * MIB
            nothing_lost(signet, 8)


def test_what_the_record_keeps_of_one_stream_is_capped():
    """40 MB of text: the client gets all, the record 16 MiB and the note that it was cut."""
    text = "x" * (256 << 10)
    with Mock(default=sse([chunk({"role": "assistant"}), *[chunk({"content": text})] * 160, chunk({}, "stop"), usage_chunk()])) as mock:
        with Signet(toml(mock, answers=1024, queue=64)) as signet:
            got = raw.post(signet.port, CHAT, chat(stream=True), timeout=120)
            assert got.body.count(b"x" * 1000) and len(got.body) > 40 << 20
            nothing_lost(signet, 1)
            kept = record.rows(signet.data_dir, "select length(output) as n from ChatInference")[0]["n"]
            assert kept is None or kept <= 16 * MIB + 1000
            assert signet.metric("signet_journal_cut_records_total") == 1


def test_what_the_record_keeps_of_plain_answers_is_capped():
    """Eight answers of 24 MB side by side: the clients get all, each record has 16 MiB and the note that it was cut."""
    size = 24 * MIB
    with Mock(default=json_answer(chat_answer("x" * size))) as mock, Signet(toml(mock, answers=1024, queue=64)) as signet:
        answers, _ = all_at_once(signet, 8)
        assert all(got.status == 200 and len(got.json["choices"][0]["message"]["content"]) == size for got in answers)
        nothing_lost(signet, 8)
        kept = record.rows(signet.data_dir, "select length(output) as n from ChatInference")
        assert len(kept) == 8 and all(15 * MIB < row["n"] <= 16 * MIB + 1000 for row in kept)
        raws = record.rows(signet.data_dir, "select length(raw_response) as n from ModelInference")
        assert all(row["n"] <= 4 * MIB + 1000 for row in raws)
        assert signet.metric("signet_journal_cut_records_total") == 8
        # what was printed for the journal, before it compresses: no answer in it whole
        assert signet.metric("signet_journal_bytes_total") < 8 * 21 * MIB


def test_a_capped_answer_keeps_its_calls_and_choices():
    """What is cut is the end of the texts: calls before it stay whole, JSON is whole or away."""
    call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"x": 1}'}}
    said = {"role": "assistant", "content": "é" * (9 * MIB), "tool_calls": [call]}
    answer = chat_answer("")
    answer["choices"] = [{"index": 0, "message": said, "finish_reason": "stop"}]
    with Mock(default=json_answer(answer)) as mock, Signet(toml(mock, answers=1024, queue=64)) as signet:
        tools = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]
        got = raw.post(signet.port, CHAT, chat(tools=tools), timeout=60)
        assert len(got.json["choices"][0]["message"]["content"]) == 9 * MIB
        nothing_lost(signet, 1)
        row = record.rows(signet.data_dir, "select output from ChatInference")[0]
        blocks = json.loads(row["output"])
        text = next(b["text"] for b in blocks if b["type"] == "text")
        assert 7 * MIB < len(text) <= 8 * MIB and set(text) == {"é"}
        assert signet.metric("signet_journal_cut_records_total") == 1


@pytest.mark.parametrize("path,model", [(CHAT, "m"), (TZ_CHAT, TZ + "m")], ids=["openai", "tensorzero"])
def test_large_plain_answers_take_turns(path, model):
    with Mock(default=json_answer(chat_answer("x" * (3 * MIB)))) as mock, Signet(toml(mock, answers=4)) as signet:
        answers, seen = all_at_once(signet, 6, path, model)
        assert [got.status for got in answers] == [200] * 6
        assert all(len(got.json["choices"][0]["message"]["content"]) == 3 * MIB for got in answers)
        assert MIB <= max(seen) < 24 * MIB
        nothing_lost(signet, 6)


@pytest.mark.parametrize("path,model", [(CHAT, "m"), (TZ_CHAT, TZ + "m")], ids=["openai", "tensorzero"])
def test_without_room_for_long_it_is_503(path, model):
    def half(conn, request):
        conn.send(head() + b"content-length: 9000000\r\n\r\n" + b'"' + b"x" * 7_000_000)
        conn.sleep(9)
        conn.close()

    with Mock() as mock, Signet(toml(mock, answers=4)) as signet:
        mock.then(half, json_answer(chat_answer("x" * (3 * MIB))))
        with ThreadPoolExecutor(1) as pool:
            first = pool.submit(raw.post, signet.port, path, chat(model), (), 60)
            raw.wait_for(lambda: signet.metric("signet_answer_memory_bytes") >= 4 * MIB, 10)
            got = raw.post(signet.port, path, chat(model), timeout=60)
            assert got.status == 503 and "too many large answers at once" in got.message and got.headers["retry-after"]
            assert raw.post(signet.port, path, chat(model)).status == 200  # a small one needs none of it
            assert first.result().status >= 500
