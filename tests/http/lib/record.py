"""Reads the record (‹data›/signet.db) as an outsider does: read-only, while Signet runs or after it ended."""
import json
import os
import sqlite3
import time


def rows(data_dir, sql, *args):
    """[{column: value}]; [] while there is no file or table yet."""
    path = os.path.join(data_dir, "signet.db")
    if not os.path.exists(path):
        return []
    db = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=5)
    try:
        db.row_factory = sqlite3.Row
        return [dict(r) for r in db.execute(sql, args)]
    except sqlite3.OperationalError:
        return []
    finally:
        db.close()


def listed(data_dir, id=None):
    return rows(data_dir, "select * from InferenceById" + (" where id = ?" if id else "") + " order by seq", *([id] if id else []))


def wait_row(data_dir, id, seconds=8):
    """The list row of this inference, as soon as the drainer has moved it."""
    end = time.monotonic() + seconds
    while True:
        found = listed(data_dir, id)
        if found:
            return found[0]
        if time.monotonic() > end:
            raise AssertionError(f"no row {id} within {seconds} s; there are {len(listed(data_dir))} rows")
        time.sleep(0.02)


def wait_rows(data_dir, n, seconds=8):
    end = time.monotonic() + seconds
    while True:
        found = listed(data_dir)
        if len(found) >= n:
            return found
        if time.monotonic() > end:
            raise AssertionError(f"{len(found)} rows after {seconds} s, expected {n}")
        time.sleep(0.02)


def uuid(hex32):
    """chatcmpl-‹32 hex› -> the inference id."""
    h = hex32.removeprefix("chatcmpl-").replace("-", "")
    return f"{h[:8]}-{h[8:12]}-{h[12:16]}-{h[16:20]}-{h[20:]}"


JSON_COLUMNS = {"input", "output", "tool_params", "inference_params", "tags", "extra_body", "dynamic_tools", "dynamic_provider_tools",
                "allowed_tools", "input_messages", "signature", "spans", "attempts"}
SPANS = {"processing_time_ms", "ttft_ms", "response_time_ms", "delay_ms", "start_ms", "end_ms", "us"}


def whole(data_dir, id, seconds=8):
    """All rows of one answer, as {table: [row]}, for a test to compare whole: JSON columns read, and what no test can know checked
    here and replaced by a word (ids: "inference", "episode", "call"; spans of time: "ms")."""
    began = time.time() - 600
    row = wait_row(data_dir, id, seconds)
    names = {id: "inference", row["episode_id"]: "episode"}
    out = {"InferenceById": [row]}
    for table, key in (("ChatInference", "id"), ("ModelInference", "inference_id"), ("RequestError", "id")):
        out[table] = rows(data_dir, f"select * from {table} where {key} = ? order by seq", id)
    for i, call in enumerate(out["ModelInference"]):
        names[call["id"]] = "call" if len(out["ModelInference"]) == 1 else f"call {i}"
    for table, found in out.items():
        for row in found:
            assert row.pop("seq") > 0
            assert began < row.pop("timestamp") / 1000 < time.time() + 60, f"{table}: the time of a row"
            for column, value in row.items():
                if value and isinstance(value, str) and (column in JSON_COLUMNS - {"attempts"} or column == "attempts" and table == "RequestError"):
                    value = json.loads(value)
                row[column] = without_chance(value, column, names)
    out["tags"] = {r["key"]: r["value"] for r in rows(data_dir, "select key, value from InferenceTag where inference_id = ?", id)}
    return out


def without_chance(value, name, names):
    if isinstance(value, dict):
        return {k: without_chance(v, k, names) for k, v in value.items()}
    if isinstance(value, list):
        return [without_chance(v, name, names) for v in value]
    if name in SPANS and value is not None:
        assert isinstance(value, int) and 0 <= value < 600_000, f"{name}: {value}"
        return "ms"
    if isinstance(value, str) and name.endswith("id"):
        return names.get(value, value)
    return value
