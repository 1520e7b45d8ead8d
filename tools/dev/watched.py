#!/usr/bin/env python3
"""watched.py SECONDS PATH COMMAND…: runs a command, and ends it when PATH has not changed for so long.

PATH is a file that grows while there is progress (a log), or a directory of files, each with the name of the test that one
process is at (tests/conftest.py). A run that hangs then ends red, with the name of what it hung in, instead of never.
"""
import os
import pathlib
import signal
import subprocess
import sys
import time


def files(path: pathlib.Path) -> list[pathlib.Path]:
    return sorted(path.iterdir()) if path.is_dir() else [path] if path.exists() else []


def changed(path: pathlib.Path) -> float:
    times = [0.0]
    for file in [path, *files(path)]:
        try:
            times.append(file.stat().st_mtime)
        except OSError:  # just removed
            pass
    return max(times)


def where(path: pathlib.Path) -> str:
    said = {(file.read_text(errors="replace").splitlines() or [""])[-1].strip() for file in files(path)}
    return ", ".join(sorted(said - {""})) or "before its first test"


def main(seconds: float, path: pathlib.Path, command: list[str]) -> int:
    begun = time.time()
    process = subprocess.Popen(command, start_new_session=True)
    try:
        while True:
            try:
                return process.wait(min(1.0, seconds / 4))
            except subprocess.TimeoutExpired:
                pass
            if time.time() - max(changed(path), begun) > seconds:
                print(f"FAILED: no progress for {seconds:g} s in {where(path)}", file=sys.stderr, flush=True)
                return 124
    finally:
        try:
            os.killpg(process.pid, signal.SIGKILL)  # and what it has started
        except ProcessLookupError:
            pass
        process.wait()


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]), pathlib.Path(sys.argv[2]), sys.argv[3:]))
