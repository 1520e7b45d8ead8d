"""Reads the record (‹data›/signet.db) as an outsider does: read-only, while Signet runs or after it ended."""
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
