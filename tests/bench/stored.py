"""Stores of seeded rows that are made once and used again: by the bench of pages, by the browser tests.

    python3 tests/bench/stored.py --rows-tool build-release/bench-rows --rows 200000    prints the folder
"""

import argparse
import hashlib
import json
import os
import pathlib
import shutil
import sqlite3
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
KEPT_S = 12 * 3600 # a store is made anew when its newest rows are older than this: ranges are told from now


def version() -> str:
    """Of what makes the rows and of the schema that they stand in."""
    h = hashlib.sha256()
    for file in (HERE / "rows.c", ROOT / "src/store/schema.c", ROOT / "src/store/schema.h", ROOT / "src/store/columns.h", ROOT / "src/store/rollup.h"):
        h.update(file.read_bytes())
    return h.hexdigest()[:8]


def stored(tool: pathlib.Path, rows: int, seed: int = 1, say=lambda text: None) -> tuple[pathlib.Path, dict]:
    """A data directory with that many rows, and what the tool said of it. Nobody may write to it: copy() it first."""
    folder = ROOT / "build-rows" / f"{rows}-{seed}-{version()}"
    told = folder / "made.json"
    if told.exists() and time.time() - json.loads(told.read_text())["until_ms"] / 1000 < KEPT_S:
        return folder / "data", json.loads(told.read_text())
    if (ROOT / "build-rows").exists():
        for old in (ROOT / "build-rows").glob(f"{rows}-{seed}-*"): # of another schema, or too old
            shutil.rmtree(old)
    folder.mkdir(parents=True)
    say(f"making {rows} rows in {folder}")
    made = subprocess.run([str(tool), str(folder / "data"), str(rows), str(seed)], capture_output=True, text=True)
    if made.returncode:
        shutil.rmtree(folder)
        raise OSError(f"{tool}: {made.stderr.strip()}")
    got = json.loads(made.stdout)
    say(f"{rows} rows stored in {got['store_s']} s, summed up and indexed in {got['work_s']} s")
    told.write_text(made.stdout)
    return folder / "data", got


def copy(data: pathlib.Path, to: pathlib.Path) -> pathlib.Path:
    """For a gateway that writes to it: a copy that shares its blocks where the file system can."""
    to.mkdir(parents=True, exist_ok=True)
    subprocess.run(["cp", "--reflink=auto", str(data / "signet.db"), str(to / "signet.db")], check=True)
    os.chmod(to, 0o700)
    return to


def wait_until_done(data: pathlib.Path, seconds: float = 600) -> None:
    """Until the gateway has summed up and indexed all that is there."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        db = sqlite3.connect(f"file:{data}/signet.db?mode=ro", uri=True)
        at = dict(db.execute("SELECT what, at FROM Progress"))
        waiting = db.execute("SELECT EXISTS(SELECT 1 FROM TextPending)").fetchone()[0]
        db.close()
        if "rollup" not in at and not at.get("words", 1) and not waiting and at.get("wide_to", 0) > time.time() - 2 * 3600 - 130 \
                and at["wide_days"] + 86400 > at["wide_to"]:
            return
        time.sleep(0.2)
    raise TimeoutError(f"after {seconds:.0f} s the store is still being summed up")


if __name__ == "__main__":
    p = argparse.ArgumentParser()
    p.add_argument("--rows-tool", required=True)
    p.add_argument("--rows", type=int, default=200_000)
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--to", help="print a copy of it in this folder instead, for a gateway to write to")
    a = p.parse_args()
    data, _ = stored(pathlib.Path(a.rows_tool), a.rows, a.seed, lambda text: print(text, file=sys.stderr, flush=True))
    print(copy(data, pathlib.Path(a.to)) if a.to else data)
