#!/usr/bin/env python3
"""Checks the documentation against the tree.

- Every function that docs/*.md names as `src/floor/file.c: function` is defined in that file.
- Every relative link of README*.md, CONTRIBUTING.md, SECURITY.md and docs/ leads to a file.
- Every key that src/config/ and the provider types read (their tables of keys) stands in docs/configuration.md.
- Every header of an answer that src/api/, src/net/ and `signet ui` name has a row under "Response headers" of docs/operations.md, and each row's are named.
- docs/architecture.md has the walk: at least WALK_MIN such names, from the server's parser to the journal.
"""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
NAMED = re.compile(r"`(src/[\w/.-]+\.[ch]): (\w+)`")
LINK = re.compile(r"\]\(([^)#\s]+)(#[^)\s]*)?\)")
KEY = re.compile(r'\{\s*"([a-z_]+)",\s*KEY_(\w+)')
WALK_MIN = 12
HEADERS = [re.compile(p) for p in (
    r'\b(?:exchange_header|set_header)\(\s*[^,()]+,\s*B\("([^"]+)"\)', r'http_put_header\(at, B\("([^"]+)"\)', r'\{ B\("([a-z-]+)"\), B\("[^"]*"\) \},\n',
    r'\bB\("([a-z-]+): [^"]*\\r\\n"\)', r'at, B\("([a-z-]+): "\)', r'\\r\\n(sec-[a-z-]+|upgrade): %', r'strftime\([^"]*"([a-z]+): ')]
RETURNED = re.compile(r"returned_\w+\[\] = \{(.*?)\};", re.S)  # what a provider type lets back to its family's clients
TO_UPSTREAMS = {"http_client.c"}  # their own headers are the provider types' matter
NOT_SENT = {"x-signet-remote", "accept", "data"}  # to the gateway, to an upstream; a table of another kind


def headers_of_answers() -> set[str]:
    found = set()
    for file in [*(ROOT / "src/api").glob("*.c"), *(ROOT / "src/net").glob("*.c"), ROOT / "src/ui_main.c"]:
        if file.name not in TO_UPSTREAMS:
            found |= {name for pattern in HEADERS for name in pattern.findall(file.read_text())}
    for file in (ROOT / "src/upstream").glob("*.c"):
        for names in RETURNED.findall(file.read_text()):
            found |= set(re.findall(r'B\("([^!"][^"]*)"\)', names))
    return found - NOT_SENT


def headers_told() -> set[str]:
    part = (ROOT / "docs/operations.md").read_text().split("\n## Response headers\n", 1)[-1].split("\n## ", 1)[0]
    rows = [line.split("|")[1] for line in part.splitlines() if line.startswith("| `")]
    return {name for row in rows for name in re.findall(r"`([^`]+)`", row)}


def defines(text: str, function: str) -> bool:
    """A definition starts at the line's first column and is not a declaration."""
    for m in re.finditer(rf"^(?!\s|#|//|/\*)[^;=\n]*\b{re.escape(function)}\s*\(", text, re.M):
        rest = text[m.end():]
        end = re.search(r"[;{]", rest)
        if end and end.group() == "{":
            return True
    return False


def check() -> list[str]:
    wrong, walk = [], 0
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    for page in sorted(pages):
        text, name = page.read_text(), page.relative_to(ROOT)
        for file, function in NAMED.findall(text):
            walk += page.name == "architecture.md"
            path = ROOT / file
            if not path.exists():
                wrong.append(f"{name}: there is no {file}")
            elif not defines(path.read_text(), function):
                wrong.append(f"{name}: {file} does not define {function}")
        for target, _ in LINK.findall(text):
            if not re.match(r"[a-z]+:", target) and not (page.parent / target).exists():
                wrong.append(f"{name}: the link to {target} leads nowhere")
    told = (ROOT / "docs/configuration.md").read_text()
    for file in sorted([*(ROOT / "src/config").glob("*.c"), *(ROOT / "src/upstream").glob("*.c")]):
        for key, kind in KEY.findall(file.read_text()):
            if kind != "LATER" and not re.search(rf"[`.\[ ]{key}[`.\] ,]", told):
                wrong.append(f"docs/configuration.md: says nothing of {key}, which {file.relative_to(ROOT)} reads")
    sent, rows = headers_of_answers(), headers_told()
    wrong += [f"docs/operations.md: no row of \"Response headers\" has {name}, which answers have" for name in sorted(sent - rows)]
    wrong += [f"docs/operations.md: \"Response headers\" has {name}, which no answer has" for name in sorted(rows - sent)]
    if walk < WALK_MIN:
        wrong.append(f"docs/architecture.md: the walk of a request names {walk} functions, expected {WALK_MIN} or more")
    return wrong


if __name__ == "__main__":
    sample = "static int\nfoo(void);\nint bar(int a,\n\tint b)\n{\n\tfoo();\n}\n"
    assert defines(sample, "bar") and not defines(sample, "foo")
    problems = check()
    print("\n".join(problems) or "docs: every function named is where it is said to be, every link leads somewhere")
    sys.exit(1 if problems else 0)
