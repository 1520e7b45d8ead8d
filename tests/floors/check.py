#!/usr/bin/env python3
"""Reads the includes of src/ and fails on an arrow that points upward (the floors: docs/architecture.md).

A file may include headers of its own floor and of those below it. What goes against that stands in EXCEPTIONS with its reason,
and an exception that no file uses any more is an error too.
"""

import pathlib
import re
import sys

FLOORS = ["base", "inference", "fiber", "sign", "net", "config", "template", "store", "wire", "upstream", "route", "api"]  # upwards
HOUSE = len(FLOORS)  # src/main.c and src/serve.*: above all of them

EXCEPTIONS: dict[tuple[str, str], str] = {}  # (file, header): why

INCLUDE = re.compile(r'^\s*#\s*include\s*"([^"]+)"', re.M)


def floor(path: str) -> int:
    top = path.split("/")[0] if "/" in path else ""
    return FLOORS.index(top) if top in FLOORS else HOUSE


def check(root: pathlib.Path) -> list[str]:
    wrong, used = [], set()
    src = root / "src"
    for file in sorted([*src.rglob("*.c"), *src.rglob("*.h")]):
        name = file.relative_to(src).as_posix()
        if "/" in name and name.split("/")[0] not in FLOORS:
            wrong.append(f"src/{name}: {name.split('/')[0]}/ is not a floor (add it to FLOORS of tests/floors/check.py, in its place)")
            continue
        for header in INCLUDE.findall(file.read_text()):
            if not (src / header).exists():
                if header == "engines.h":  # the Rust engines lie below everything
                    continue
                wrong.append(f"src/{name}: \"{header}\" is no file under src/ (name headers from there: \"floor/file.h\")")
            elif floor(header) > floor(name):
                if (name, header) in EXCEPTIONS:
                    used.add((name, header))
                else:
                    wrong.append(f"src/{name}: includes {header}, a floor above its own")
    for name, header in EXCEPTIONS.keys() - used:
        wrong.append(f"tests/floors/check.py: the exception {name} -> {header} is used no more")
    return wrong


def names_of(text: str) -> set[str]:
    """What a header gives a name to, for all who include it: tags and members of enumerations, macros but its guard."""
    text = re.sub(r"/\*.*?\*/", " ", text, flags=re.S)
    found = set()
    for tag, body in re.findall(r"\benum\s*(\w*)\s*\{([^}]*)\}", text):
        found |= {f"enum {tag}"} if tag else set()
        found |= {re.match(r"\s*(\w+)", member)[1] for member in body.split(",") if re.match(r"\s*[A-Za-z_]", member)}
    return found | {m for m in re.findall(r"^#define (\w+)", text, re.M) if not m.endswith("_H")}


def twice(root: pathlib.Path) -> list[str]:
    """One name, one meaning: two headers that mean different things by it can never be included together."""
    where: dict[str, list[str]] = {}
    for file in sorted((root / "src").rglob("*.h")):
        for name in names_of(file.read_text()):
            where.setdefault(name, []).append(file.relative_to(root).as_posix())
    return [f"{name} stands in {' and in '.join(files)}" for name, files in sorted(where.items()) if len(files) > 1]


def self_test() -> None:
    """The check must see a broken arrow."""
    import tempfile

    with tempfile.TemporaryDirectory() as d:
        root = pathlib.Path(d)
        for path, text in {
            "src/base/a.h": '#include "net/b.h"\n#define A_H\n#define SAME 1\nenum one { X, /* Y */ Z };\n',
            "src/net/b.h": '#include "base/a.h"\nenum other { SAME, X = 3 };\nenum one { W };\n',
            "src/attic/c.c": "",
        }.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text)
        seen = [w for w in check(root) if w.startswith("src/")]
        assert len(seen) == 2 and seen[0].startswith("src/attic/c.c") and seen[1].startswith("src/base/a.h: includes net/b.h"), seen
        assert [t.split(" stands")[0] for t in twice(root)] == ["SAME", "X", "enum one"], twice(root)


if __name__ == "__main__":
    self_test()
    house = pathlib.Path(__file__).resolve().parents[2]
    problems = check(house) + twice(house)
    print("\n".join(problems) or "floors: no include points upward, no name stands in two headers")
    sys.exit(1 if problems else 0)
