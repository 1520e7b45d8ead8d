"""kill -9 under load, of Signet and sometimes of ClickHouse: every answer that a client saw complete is in ClickHouse once, in each table and
in what views make of it. SIGNET_KILLS says how many rounds (./dev test kills: 20)."""
import collections
import os
import random
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "faults"))

from lib.mock import Mock, chat_answer, json_answer, sse, text_chunks  # noqa: E402
from test_kill9 import Load, drained, kill, life  # noqa: E402
from test_rows import gateway  # noqa: E402

KILLS = int(os.environ.get("SIGNET_KILLS", 3))


def counted(server, database, table, column):
    return collections.Counter(r["id"] for r in server.rows(f"SELECT toString({column}) AS id FROM {table}", database))


def test_kill9_clickhouse(clickhouse):
    streamed, plain = sse(text_chunks("streamed answer " * 10), delay=0.001), json_answer(chat_answer("plain answer " * 10))
    with Mock(default=lambda conn, request: (streamed if request.json["stream"] else plain)(conn, request)) as up:
        signet = gateway(up, clickhouse, extra="[journal]\nsegment_mb = 1\n", start=False)
        load = Load(signet, rest=0.02)
        for turn in range(KILLS):
            life(signet, load)
            if turn % 3 == 2:
                clickhouse.kill()
                time.sleep(random.uniform(0, 0.5))
            kill(signet, load)
            if turn % 3 == 2:
                clickhouse.start()
        life(signet, load)
        load.end()
        drained(signet, 120)
        assert signet.metric("signet_journal_unrecorded_total") == 0
        signet.stop()
    assert len(load.complete) > 50
    rows = {table: counted(clickhouse, clickhouse.database, table, column)
            for table, column in (("ChatInference", "id"), ("ModelInference", "inference_id"))}
    for table, found in rows.items():
        assert not [id for id, n in found.items() if n != 1], f"{table}: rows that are there twice"
        lost = set(load.complete) - set(found)
        assert not lost, f"{table}: {len(lost)} of {len(load.complete)} complete answers are missing"
    [usage] = clickhouse.rows("SELECT sum(count) AS n FROM CumulativeUsage WHERE type = 'model_inferences'", clickhouse.database)
    known = clickhouse.count("ModelInference WHERE input_tokens IS NOT NULL", clickhouse.database)
    assert usage["n"] == known, "a view lost a block, or counted one twice"
