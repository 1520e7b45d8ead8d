"""./dev mutate: how many small changes of the code the tests notice. See --help there, and sites.py, schema.py, judge.py."""
import argparse
import json
import os
import signal
import subprocess
import sys
import time
from collections import defaultdict
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor, as_completed

import schema
import sites
from judge import SLOW, SUITES, Judge

BUILD = "build-mutate"
EQUIVALENT = "tests/mutate/equivalent.txt"
BEGAN = time.monotonic()


def say(text):
    at = int(time.monotonic() - BEGAN)
    print(f"mutate {at // 60:3d}:{at % 60:02d}  {text}", flush=True)


def place(site):
    return site.file, site.start, site.end, site.mutated


def numbered(found):
    """{place(site): (file, function, original, mutated)}; where several of one function look alike, "function#2" is the second."""
    out, count = {}, defaultdict(int)
    for s in sorted(found, key=lambda s: (s.file, s.start)):
        key = (s.file, s.function, *s.shown())
        count[key] += 1
        out[place(s)] = key if count[key] == 1 else (s.file, f"{s.function}#{count[key]}", *s.shown())
    return out


def equivalents():
    """{(file, function, original, mutated)} of the list."""
    out = set()
    with open(EQUIVALENT) as f:
        for n, line in enumerate(f, 1):
            if line.strip() and not line.startswith("#"):
                fields = [x.strip() for x in line.split(" | ")]
                if len(fields) != 4 or " -> " not in fields[2]:
                    raise SystemExit(f"{EQUIVALENT}:{n}: file | function | original -> mutated | reason")
                original, mutated = fields[2].split(" -> ", 1)
                out.add((fields[0], fields[1], original.strip(), mutated.strip().replace("(dropped)", "")))
    return out


def find_all(jobs, arguments):
    files = sorted(f for f in arguments if f.startswith("src/") and f.count("/") > 1 and f != "src/base/fault.c")
    with ProcessPoolExecutor(jobs) as pool:
        return [s for found in pool.map(sites.find, [(f, arguments[f]) for f in files]) for s in found]


def build(chosen, arguments, jobs):
    """The tree with the mutants, built. Returns {number: site} without those that do not compile."""
    files = defaultdict(dict)
    for number, site in enumerate(chosen):
        files[site.file][number] = site
    kept, texts = {}, {}
    with ProcessPoolExecutor(jobs) as pool:
        for path, (mutants, text) in zip(files, pool.map(schema.check, [(p, m, arguments[p]) for p, m in files.items()])):
            kept.update(mutants)
            texts[path] = text
    tree, out = os.path.join(BUILD, "tree"), os.path.join(BUILD, "out")
    schema.copy_tree(tree, texts, len(chosen))
    log = os.path.join(BUILD, "build.log")
    options = ["-Db_sanitize=address,undefined", "-Dfaults=true", "-Dwerror=false", "-Doptimization=1", "-Ddebug=false", "-Db_ndebug=false",
               f"-Dc_args=-w -include {os.path.abspath(tree)}/src/mutant.h", f"-Dengines={os.path.abspath(BUILD)}/engines"]
    again = ["--reconfigure"] if os.path.exists(f"{out}/build.ninja") else []
    environment = {**os.environ, "CC": os.environ.get("BUILD_CC") or os.environ.get("CC") or "cc"}
    with open(log, "w") as f:
        for command in (["meson", "setup", *again, out, tree, *options], ["ninja", "-C", out, "-k", "0", "all"]):
            if subprocess.run(command, stdout=f, stderr=subprocess.STDOUT, env=environment).returncode:
                raise SystemExit(f"mutate: the tree of mutants does not build: see {log}")
    return kept


def learn(judge, suites, jobs):
    tests = judge.all_tests(suites)
    say(f"all tests once with no mutant active ({len(tests)} programs and files, {jobs} at a time): some minutes")
    with ThreadPoolExecutor(jobs) as pool:
        done = [pool.submit(judge.learn, t) for t in tests]
        for n, _ in enumerate(as_completed(done), 1):
            if n % 10 == 0 or n == len(tests):
                say(f"  {n} of {len(tests)}")
    for t in tests:
        if not t.ok:
            say(f"left out, as it fails without any mutant: {t.name}\n" + "\n".join("    " + l for l in t.output.splitlines()[-12:]))
        for test in sorted(t.failing) if t.ok else ():
            say(f"left out, as it fails without any mutant: {t.name}::{test} (the other tests of the file judge)")
        for test in sorted(t.flaky):
            say(f"flaky, as it failed once without any mutant: {t.name}: {test} (it must see a mutant twice)")
        for test, seconds in t.took.items():
            if seconds > SLOW:
                say(f"left out, as it takes {seconds:.0f} s: {test}")
    return [t for t in tests if t.ok]


def judge_all(judge, mutants, tests, jobs, budget):
    """{number: (killed, word)}"""
    verdicts, begin = {}, time.monotonic()
    with ThreadPoolExecutor(jobs) as pool:
        running = {pool.submit(judge.judge, n, tests, budget): n for n in mutants}
        for done in as_completed(running):
            number = running[done]
            killed, word, seconds = done.result()
            verdicts[number] = (killed, word)
            left = (time.monotonic() - begin) / len(verdicts) * (len(mutants) - len(verdicts))
            say(f"{len(verdicts):4d}/{len(mutants)} {'killed' if killed else 'ALIVE '} {where(mutants[number])} {word} "
                f"[{seconds:.0f} s; about {left / 60:.0f} min left]")
    return verdicts


def kept_verdicts(path, mutants):
    """Of the mutants which a run before noticed: {number: (True, word)}; tests that are added since take nothing away from it."""
    with open(path) as f:
        noticed = {(r["at"], r["function"], r["original"], r["mutated"]): r["by"] for r in json.load(f) if r["killed"]}
    keys = {n: (where(s), s.function, *s.shown()) for n, s in mutants.items()}
    return {n: (True, noticed[key]) for n, key in keys.items() if key in noticed}


def where(site):
    return f"{site.file}:{site.line} {site.kind}"


def report(mutants, verdicts, equivalent, places):
    floors = defaultdict(lambda: [0, 0])
    for number, (killed, _) in verdicts.items():
        for floor in (mutants[number].floor, "all"):
            floors[floor][0] += 1
            floors[floor][1] += killed
    lines = ["| floor | mutants | killed | rate |", "|---|---:|---:|---:|"]
    for floor in sorted(floors, key=lambda f: (f == "all", f)):
        n, killed = floors[floor]
        lines.append(f"| {floor} | {n} | {killed} | {100 * killed // n} % |")
    lines += ["", f"left out as equivalent ({EQUIVALENT}): {equivalent}", "", "survivors:"]
    for number, site in sorted(mutants.items()):
        killed, word = verdicts[number]
        if not killed:
            original, mutated = site.shown()
            lines.append(f"  {site.file}:{site.line} {places[place(site)][1]}: {original} -> {mutated or '(dropped)'}" + (f"   [{word}]" if word else ""))
    return "\n".join(lines)


def main():
    p = argparse.ArgumentParser(prog="./dev mutate", add_help=False)
    p.add_argument("seed", nargs="?", default="1")
    p.add_argument("n", nargs="?", type=int, default=300)
    p.add_argument("-j", type=int, default=os.cpu_count())
    p.add_argument("--floor", action="append", default=[])
    p.add_argument("--suite", action="append", default=[])
    p.add_argument("--budget", type=int, default=0)
    p.add_argument("--again", action="store_true")
    p.add_argument("--list", action="store_true")
    a = p.parse_args()
    os.makedirs(f"{BUILD}/seen", exist_ok=True)
    arguments = sites.compile_arguments("build-asan")
    found = find_all(a.j, arguments)
    chosen = schema.choose(found, a.n, a.seed, a.floor)
    say(f"{len(found)} places to mutate; seed {a.seed} takes {len(chosen)}")
    known = equivalents()
    places = numbered(found)
    for entry in sorted(known - set(places.values())):
        say(f"{EQUIVALENT} fits no place: {' | '.join(entry[:2])} | {entry[2]} -> {entry[3] or '(dropped)'}")
    same = [s for s in chosen if places[place(s)] in known]
    chosen = [s for s in chosen if s not in same]
    if a.list:
        for s in chosen:
            print(f"{where(s)} {places[place(s)][1]}: {s.shown()[0]} -> {s.shown()[1] or '(dropped)'}")
        return
    mutants = build(chosen, arguments, a.j)
    say(f"built, with {len(chosen) - len(mutants)} that do not compile left out")
    judge = Judge(BUILD)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, judge.stop)
    tests = learn(judge, [f"tests/{s}" for s in a.suite if s != "unit"] if a.suite else SUITES, a.j)
    unreached = sum(all(n not in t.reached for t in tests) for n in mutants)
    say(f"{unreached} of {len(mutants)} are reached by no test")
    kept = f"{BUILD}/result-{a.seed}-{a.n}"
    before = kept_verdicts(f"{kept}.json", mutants) if a.again else {}
    verdicts = before | judge_all(judge, {n: s for n, s in mutants.items() if n not in before}, tests, a.j, a.budget)
    text = report(mutants, verdicts, len(same), places)
    print("\n" + text)
    with open(f"{kept}.txt", "w") as f:
        f.write(text + "\n")
    with open(f"{kept}.json", "w") as f:
        json.dump([{"at": where(s), "function": s.function, "original": s.shown()[0], "mutated": s.shown()[1], "killed": verdicts[n][0],
                    "by": verdicts[n][1]} for n, s in mutants.items()], f, indent=1)
    say(f"kept in {f.name}")


if __name__ == "__main__":
    sys.exit(main())
