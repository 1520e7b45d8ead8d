#!/usr/bin/env python3
"""clang-tidy over src/, two files at a time. A file that passed is not read again until it, a header it reaches, .clang-tidy or
the compiler's flags change: the stamps are in .cache/tidy/. While BUILD_DIR/results/gentle
is there, it gives way to all else that runs. Usage: tidy.py BUILD_DIR [FILTER]"""

import concurrent.futures
import hashlib
import json
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
STAMPS = ROOT / ".cache" / "tidy"
INCLUDE = re.compile(rb'^\s*#\s*include\s*"([^"]+)"', re.M)


def reached(file: pathlib.Path, seen: dict[pathlib.Path, bytes]) -> dict[pathlib.Path, bytes]:
    if file not in seen and file.exists():
        seen[file] = file.read_bytes()
        for header in INCLUDE.findall(seen[file]):
            reached(ROOT / "src" / header.decode(), seen)
    return seen


def key(entry: dict) -> str:
    h = hashlib.sha256((ROOT / ".clang-tidy").read_bytes() + entry["command"].encode())
    for path, text in sorted(reached(pathlib.Path(entry["file"]), {}).items()):
        h.update(str(path).encode() + text)
    return h.hexdigest()[:24]


def tidy(build: str, entry: dict) -> tuple[str, str]:
    """The file's name and what is wrong with it ("" = nothing)."""
    file = pathlib.Path(entry["file"])
    stamp = STAMPS / key(entry)
    if stamp.exists():
        return str(file.relative_to(ROOT)), ""
    gentle = ["nice", "-n", "19"] if (ROOT / build / "results" / "gentle").exists() else []
    run = subprocess.run([*gentle, "clang-tidy", "-p", build, "--quiet", "--extra-arg=-Wno-unknown-warning-option",
                          "--extra-arg=-Wno-unused-command-line-argument", str(file)],
                         capture_output=True, text=True)
    if run.returncode == 0 and "warning:" not in run.stdout:
        stamp.touch()
        return str(file.relative_to(ROOT)), ""
    return str(file.relative_to(ROOT)), run.stdout.strip() or run.stderr.strip()


def main() -> int:
    build, words = sys.argv[1], sys.argv[2:]
    STAMPS.mkdir(parents=True, exist_ok=True)
    entries = []
    for entry in json.loads((ROOT / build / "compile_commands.json").read_text()):
        path = (pathlib.Path(entry["directory"]) / entry["file"]).resolve()
        if path.is_relative_to(ROOT / "src") and all(w in str(path) for w in words):
            entries.append({**entry, "file": str(path)})
    bad = 0
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for name, text in pool.map(lambda e: tidy(build, e), entries):
            if text:
                bad += 1
                print(f"{name}:\n{text}", flush=True)
    print(f"clang-tidy: {len(entries) - bad} passed, {bad} failed")
    return 1 if bad or not entries else 0


if __name__ == "__main__":
    sys.exit(main())
