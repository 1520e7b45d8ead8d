"""All chosen mutants in one tree: `(MUTANT(17) ? (mutated) : (original))`, so that one build serves them all.

Which one is active is read once, from SIGNET_MUTANT. SIGNET_MUTANT_SEEN names a file of a byte a mutant, shared by all
processes that were started with it, where each mutant that was passed leaves a 1.
"""
import os
import random
import subprocess
from collections import defaultdict

from sites import errors, parse

HEADER = """#ifndef SIGNET_MUTANT_H
#define SIGNET_MUTANT_H
extern int mutant_active;
extern unsigned char *mutant_seen;
#define MUTANT(n) (mutant_seen[n] = 1, mutant_active == (n))
#endif
"""
SOURCE = """#include "mutant.h"
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int mutant_active = -1;
static unsigned char nowhere[%(size)d];
unsigned char *mutant_seen = nowhere;

__attribute__((constructor(101))) static void read_environment(void)
{
	const char *active = getenv("SIGNET_MUTANT"), *seen = getenv("SIGNET_MUTANT_SEEN");
	int fd = seen ? open(seen, O_RDWR | O_CREAT | O_CLOEXEC, 0600) : -1;
	void *map = MAP_FAILED;

	if (active)
		mutant_active = atoi(active);
	if (fd >= 0 && ftruncate(fd, sizeof nowhere) == 0)
		map = mmap(NULL, sizeof nowhere, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (fd >= 0)
		close(fd);
	if (map != MAP_FAILED)
		mutant_seen = map;
}
"""


def lines_of(floor):
    n = 0
    for folder, _, names in os.walk(os.path.join("src", floor)):
        for name in names:
            if name.endswith(".c"):
                with open(os.path.join(folder, name), "rb") as f:
                    n += f.read().count(b"\n")
    return n


def choose(sites, n, seed, only=()):
    """`n` sites that do not overlap: each floor's share follows its lines of code; within it every kind is as likely.
    Each site has its own lot, of the seed and what it says, so that a change elsewhere takes few others."""
    floors = sorted({s.floor for s in sites})
    size = {f: lines_of(f) for f in floors}
    whole = sum(size.values())
    chosen = []
    for floor in floors:
        share = max(3, round(n * size[floor] / whole))
        rng = random.Random(f"signet {seed} {floor}")
        kinds, same = defaultdict(list), defaultdict(int)
        for site in sites:
            if site.floor == floor:
                says = (site.file, site.function, site.kind, *site.shown())
                same[says] += 1
                kinds[site.kind].append((random.Random(f"{seed} {says} {same[says]}").random(), site))
        for lots in kinds.values():
            lots.sort(key=lambda lot: lot[0])
        taken = defaultdict(list)
        while share and any(kinds.values()):
            kind = rng.choice(sorted(k for k in kinds if kinds[k]))
            site = kinds[kind].pop()[1]
            if all(site.end <= s or e <= site.start for s, e in taken[site.file]):
                taken[site.file].append((site.start, site.end))
                chosen.append(site)
                share -= 1
    return sorted((s for s in chosen if not only or s.floor in only), key=lambda s: (s.file, s.start))


def written(site, number):
    if not site.mutated:
        return f"(MUTANT({number}) ? (void)0 : (void)({site.original}))"
    return f"(MUTANT({number}) ? ({site.mutated}) : ({site.original}))"


def text_with(path, mutants):
    """The file's text with these {number: site} in it."""
    with open(path, "rb") as f:
        out = f.read()
    for number, site in sorted(mutants.items(), key=lambda m: -m[1].start):
        out = out[: site.start] + written(site, number).encode() + out[site.end :]
    return out.decode()


def check(job):
    """The mutants of a file that compile, and its text with them."""
    path, mutants, arguments = job
    extra = ("-DMUTANT(n)=((n)<0)",)
    if errors(parse(path, arguments, text_with(path, mutants), extra), path):
        mutants = {n: s for n, s in mutants.items() if not errors(parse(path, arguments, text_with(path, {n: s}), extra), path)}
    return mutants, text_with(path, mutants)


def write_if_new(path, text):
    try:
        with open(path) as f:
            if f.read() == text:
                return
    except FileNotFoundError:
        os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as f:
        f.write(text)


def copy_tree(to, replaced, count):
    """The checkout's build files, src/ and tests/unit in `to`, some with another text. Only what differs is written."""
    kept = set()
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "meson.build", "meson_options.txt", "ui/none.c", "src", "tests/unit"],
                            capture_output=True, text=True, check=True).stdout.split("\n")
    for path in filter(os.path.exists, listed):
        if path in replaced or path.endswith((".c", ".h", ".build", ".txt")):
            kept.add(path)
            with open(path) as f:
                write_if_new(os.path.join(to, path), replaced.get(path) or f.read())
    for path, text in {"src/mutant.h": HEADER, "src/mutant.c": SOURCE % {"size": count + 1}}.items():
        kept.add(path)
        write_if_new(os.path.join(to, path), text)
    for folder, _, names in os.walk(to):
        for name in names:
            path = os.path.join(folder, name)
            if os.path.relpath(path, to) not in kept:
                os.remove(path)
