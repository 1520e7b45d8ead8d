#!/usr/bin/env python3
"""The house stays one that can take many: each name has one place, and no file grows past what one can hold in mind.

- A sampling parameter, a column of the record and a provider type are each one row. What is a row's name is written once
  in src/: three of each kind are looked for in the string literals there.
- No file of src/ has more than MOST_LINES lines, and half of them have fewer than MEDIAN_LINES.
"""

import pathlib
import re
import statistics
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
MOST_LINES, MEDIAN_LINES = 800, 250
ROWS = {
    "parameter": ["presence_penalty", "thinking_budget_tokens", "verbosity"],
    "column": ["snapshot_hash", "processing_time_ms", "provider_cache_write_input_tokens"],
    "provider type": ["rust-proxy", "anthropic", "groq"],
}
TOKEN = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:[^"\\\n]|\\.)*"', re.S)


def literals(text: str):
    """(line, text) of each string literal; what stands in comments is none."""
    for m in TOKEN.finditer(text):
        if m[0][0] == '"':
            yield text.count("\n", 0, m.start()) + 1, m[0][1:-1]


def places(name: str, files: dict[str, str]) -> list[str]:
    word = re.compile(rf"(?<![\w:/.-]){re.escape(name)}(?![\w:/-])")
    return [f"{file}:{line}" for file, text in files.items() for line, s in literals(text) if word.search(s)]


def check(files: dict[str, str], rows: dict[str, list[str]]) -> list[str]:
    wrong = []
    for kind, names in rows.items():
        for name in names:
            at = places(name, files)
            if len(at) != 1:
                wrong.append(f"{kind} {name}: written in {len(at)} places of src/, not in its one row: {', '.join(at)}")
    lengths = {file: text.count("\n") for file, text in files.items()}
    wrong += [f"{file}: {n} lines, more than {MOST_LINES}: is it one thing?" for file, n in lengths.items() if n > MOST_LINES]
    if lengths and statistics.median(lengths.values()) >= MEDIAN_LINES:
        wrong.append(f"half of the files of src/ have {MEDIAN_LINES} lines or more")
    return wrong


def self_test() -> None:
    """The check must see a second place, and must not see a comment."""
    once = {"a.c": 'B("x_y") /* "x_y" */ // x_y\n'}
    assert check(once, {"column": ["x_y"]}) == []
    assert len(check({**once, "b.c": 'f("WHERE x_y = 1");\n'}, {"column": ["x_y"]})) == 1
    assert len(check({"a.c": "\n" * 801}, {})) == 2


if __name__ == "__main__":
    self_test()
    src = {f.relative_to(ROOT).as_posix(): f.read_text() for f in sorted((ROOT / "src").rglob("*.[ch]"))}
    problems = check(src, ROWS)
    print("\n".join(problems) or f"one place: {sum(map(len, ROWS.values()))} names stand once, {len(src)} files are short enough")
    sys.exit(1 if problems else 0)
