#!/usr/bin/env python3
"""Checks the documentation against the tree.

- Every function that docs/*.md names as `src/floor/file.c: function` is defined in that file.
- Every relative link of README*.md, CONTRIBUTING.md, SECURITY.md and docs/ leads to a file.
- Every key that src/config/ and the provider types read (their tables of keys) stands in docs/configuration.md.
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
    if walk < WALK_MIN:
        wrong.append(f"docs/architecture.md: the walk of a request names {walk} functions, expected {WALK_MIN} or more")
    return wrong


if __name__ == "__main__":
    sample = "static int\nfoo(void);\nint bar(int a,\n\tint b)\n{\n\tfoo();\n}\n"
    assert defines(sample, "bar") and not defines(sample, "foo")
    problems = check()
    print("\n".join(problems) or "docs: every function named is where it is said to be, every link leads somewhere")
    sys.exit(1 if problems else 0)
