#!/usr/bin/env python3
"""Lists the numbered lines of the specification that no test names; exit 1 if there is one.

A test names a line in a comment or a string: `providers-openai §8 #17`, also `#17, #20-22` in one go.
Not asked for are the lines that no part built so far touches; each with its reason below.
"""
import os
import re
import sys

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))  # tests/

RESPONSES = "OpenAI Responses: a later issue"
NOT_BUILT = {
    "providers-openai §8": (81, {
        25: "provider type groq", 46: "provider type mistral", 48: "provider type mistral",
        52: "provider types together, fireworks", 53: "provider types together, fireworks",
        54: "provider type openrouter", 55: "provider type openrouter", 56: "provider type xai",
        **{n: RESPONSES for n in range(59, 72)},
        75: "embeddings: a later issue", 76: "embeddings: a later issue",
    }),
    "surfaces §8.4": (61, {
        25: "reasoning_details of a chat history with signatures: a later issue",
        **{n: RESPONSES for n in (12, 16, 17, *range(31, 51), 54, 60)},
        52: "effort levels by model: with the Responses surface",
        53: "hosted tools come with Responses",
    }),
}
# Lines of providers-others §13 are numbered by a letter of their own: `providers-others §13 G1, G3-5`.
LETTERED = "providers-others §13"
LETTERS = {"C": (6, {1: "AWS", 2: "AWS"}), "G": (27, {})}


def named_lines(page):
    """{number: [files]} of the lines that tests name. A page that ends with a letter has no # before its numbers."""
    found = {}
    page, letter = (page[:-1], page[-1]) if page.startswith(LETTERED) else (page.strip(), "")
    one = rf"{letter}\d+" if letter else r"#\d+"
    other = r"[A-Z]\d+" if letter else one
    start = re.compile(re.escape(page.strip()) + rf"((?:\s*(?:,|and)?\s*{other}(?:\s*(?:-|–)\s*[#A-Z]?\d+)?)+)")
    named = re.compile(rf"({one}(?:\s*(?:-|–|to)\s*[#A-Z]?\d+)?)")
    for folder, _, files in os.walk(HERE):
        if "node_modules" in folder or "corpus" in folder:
            continue
        for name in files:
            path = os.path.join(folder, name)
            if path == os.path.abspath(__file__) or not name.endswith((".c", ".h", ".py", ".mjs", ".js", ".sh")):
                continue
            with open(path, encoding="utf-8", errors="replace") as f:
                text = re.sub(r"\n\s*(\*|#(?!\d)|//)?\s*", " ", f.read())  # a list may run over lines of a comment
            for match in start.finditer(text):
                for item in named.findall(match.group(1)):
                    numbers = [int(n) for n in re.findall(r"\d+", item)]
                    for n in range(numbers[0], numbers[-1] + 1):
                        found.setdefault(n, set()).add(os.path.relpath(path, HERE))
    return found


def main():
    verbose = "-v" in sys.argv
    missing = 0
    pages = {**NOT_BUILT, **{f"{LETTERED} {letter}": lines for letter, lines in LETTERS.items()}}
    for page, (last, excluded) in pages.items():
        found = named_lines(page)
        for n in range(1, last + 1):
            if n in found:
                if verbose:
                    print(f"{page} #{n}: {', '.join(sorted(found[n]))}")
            elif n in excluded:
                if verbose:
                    print(f"{page} #{n}: not asked for ({excluded[n]})")
            else:
                print(f"{page} #{n}: no test names it")
                missing += 1
        for n in sorted(set(found) - set(range(1, last + 1))):
            print(f"{page} #{n}: named by {', '.join(sorted(found[n]))}, but there is no such line")
            missing += 1
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
