"""Fills a store with inferences of 30 days, skewed as real traffic is, as an outsider: with SQL into a file that a gateway has made.

What a gateway makes beside the rows (sums, the word index) it makes when it starts the next time, as after a change of schema.
"""
import json
import os
import random
import sqlite3
import time
import uuid

MODELS = [f"model-{i}" for i in range(20)]
WORDS = "refund policy invoice overdue shipping order cancel account password reset 退款 发票 订单".split()


def pick(rng, values):
    """The first is the most frequent, each next half as frequent."""
    return values[min(int(rng.expovariate(0.6)), len(values) - 1)]


def rows(n, seed=7, days=30, now=None):
    rng, now = random.Random(seed), int((now or time.time()) * 1000)
    times = sorted(rng.randrange(now - days * 86_400_000 + 60_000, now - 60_000) for _ in range(n))
    for t in times:
        bits = rng.getrandbits(74)
        id = str(uuid.UUID(int=t << 80 | 7 << 76 | (bits >> 62) << 64 | 2 << 62 | bits & (1 << 62) - 1))
        failed = rng.random() < 0.03
        model = pick(rng, MODELS)
        priced = model == MODELS[0]
        text = " ".join(rng.choice(WORDS) for _ in range(8))
        ms = int(rng.lognormvariate(7, 0.8))
        yield {"id": id, "function_name": pick(rng, ["tensorzero::default", "support", "search"]), "variant_name": pick(rng, ["v1", "v2", "v3"]),
               "episode_id": id, "function_type": "chat", "state": "error" if failed else "ok", "status": 502 if failed else 200,
               "error_kind": "server" if failed else None, "surface": pick(rng, ["chat", "openai"]), "stream": int(rng.random() < 0.5), "cached": 0,
               "signed": 0, "cut": 0, "model_name": model, "model_provider_name": pick(rng, ["openai", "azure"]),
               "key_public_id": pick(rng, ["k1", "k2", "k3", None]), "attempts": 1, "input_tokens": None if failed else rng.randrange(10, 2000),
               "output_tokens": None if failed else rng.randrange(1, 500), "estimated": 0, "cost_nano": 1234567 if priced and not failed else None,
               "processing_time_ms": ms, "ttft_ms": ms // 4 if not failed else None, "finish_reason": None if failed else "stop", "tools": 0,
               "preview_in": text, "preview_out": "" if failed else "Hello!", "seq": t << 15 | bits >> 59}


def fill(data_dir, n, bodies=True, **options):
    """Returns the connection; close it before a gateway starts."""
    db = sqlite3.connect(os.path.join(data_dir, "signet.db"), timeout=10)
    made = list(rows(n, **options))
    names = list(made[0])
    db.executemany(f"insert or ignore into InferenceById({','.join(names)}) values({','.join('?' * len(names))})", [list(r.values()) for r in made])
    if bodies:
        chats = [(r["seq"], r["id"], r["function_name"], r["variant_name"], r["episode_id"],
                  json.dumps({"messages": [{"role": "user", "content": [{"type": "text", "text": r["preview_in"]}]}]}, ensure_ascii=False),
                  '[{"type":"text","text":"Hello!"}]', json.dumps({"team": r["model_name"][-1]})) for r in made if r["state"] == "ok"]
        db.executemany("insert or ignore into ChatInference(seq,id,function_name,variant_name,episode_id,input,output,tags,tool_params,inference_params,"
                       "dynamic_tools,dynamic_provider_tools) values(?,?,?,?,?,?,?,?,'','','[]','[]')", chats)
        db.executemany("insert or ignore into TagInference values('team',?,?,?,?,?,?,'chat')",
                       [(json.loads(c[7])["team"], c[0], c[1], c[2], c[3], c[4]) for c in chats])
    last = max(r["seq"] for r in made) + 1
    db.execute("insert or replace into Progress(what, at) values('rollup', ?)", (last,))
    db.execute("insert or replace into Progress(what, at) values('words', ?)", (last,))
    db.commit()
    return db


def wait_until_summed(signet, seconds=120):
    """Until sums and the word index have what is there."""
    db = sqlite3.connect(f"file:{signet.data_dir}/signet.db?mode=ro", uri=True, timeout=5)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        left = db.execute("select (select count(*) from Progress where what = 'rollup' or what = 'words' and at > 0) + (select count(*) from TextPending)").fetchone()[0]
        if not left:
            db.close()
            return
        time.sleep(0.05)
    raise AssertionError("the store is still at work")
