"""./dev compat-fuzz: random requests, upstream answers and configurations to TensorZero 2026.6 and to Signet, before equal mocks.

What differs is gathered in clusters (fuzz_clusters.py); each is printed once, with the smallest input that shows it, and is either in
docs/differences.md or a failure. Both gateways live as long as the run; an input costs a request to each, side by side.
"""
import argparse
import concurrent.futures
import dataclasses
import os
import queue
import random
import re
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "../http")]

import fuzz_answers  # noqa: E402
import fuzz_clusters  # noqa: E402
import fuzz_configs  # noqa: E402
import fuzz_requests  # noqa: E402
from compare import of_signet  # noqa: E402
from lib.mock import chat_answer, json_answer, sse, text_chunks  # noqa: E402
from lib.signet import binary  # noqa: E402
from peers import Ours, TensorZero  # noqa: E402

TRIES = 150  # inputs that are tried for a smaller one of a cluster
SHOWN = 1500  # bytes of an input


@dataclasses.dataclass
class Found:
    count: int
    input: object


class Gateways:
    """Both, running."""

    def __init__(self):
        self.peers = (TensorZero(), Ours())
        self.pool = concurrent.futures.ThreadPoolExecutor(2)
        plain, stream = json_answer(chat_answer()), sse(text_chunks())
        for peer in self.peers:
            peer.mock.default = lambda conn, request: (stream if b'"stream":true' in request.body else plain)(conn, request)

    def cluster(self, one):
        case = one.case()
        tz, ours = self.pool.map(lambda peer: peer.run(case), self.peers)
        return fuzz_clusters.cluster(of_signet(tz), of_signet(ours))

    def close(self):
        tz, ours = self.peers
        crashes = ours.crashes
        tz.close()
        ours.signet.assert_idle()
        ours.close()
        assert not crashes, "\n".join(crashes)


ASK = """
import sys
from tensorzero import TensorZeroGateway
for path in sys.stdin:
    try:
        TensorZeroGateway.build_embedded(config_file=path.strip())
        said = "OK"
    except BaseException as e:
        said = str(e)
    print("\\x02" + said.replace("\\n", "\\x04") + "\\x03", flush=True)
"""


ESCAPE = re.compile(r"\\(?:u\{([0-9a-f]+)\}|(.))", re.S)


def unescape(match):
    """One escape of Rust's {:?}."""
    code, char = match.groups()
    return chr(int(code, 16)) if code else {"n": "\n", "r": "\r", "t": "\t", "0": "\0"}.get(char, char)


class Checks:
    """`signet check` and TensorZero's reader of configurations, in a process that stays."""

    def __init__(self):
        self.env = {**{k: v for k, v in os.environ.items() if k in ("PATH", "HOME", "VIRTUAL_ENV", "ASAN_OPTIONS")}, "FUZZ_KEY": "sk-fuzz"}
        self.folder = tempfile.TemporaryDirectory(prefix="signet-compat-fuzz-")
        self.path = os.path.join(self.folder.name, "fuzz.toml")
        self.start()

    def start(self):
        self.asked = subprocess.Popen([sys.executable, "-c", ASK], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=self.env)
        self.lines = queue.Queue()

        def read(out, lines):
            for line in out:
                found = re.search(rb"\x02(.*)\x03", line)
                if found:
                    lines.put(found.group(1).decode("utf-8", "replace").replace("\x04", "\n"))
            lines.put(None)

        threading.Thread(target=read, args=(self.asked.stdout, self.lines), daemon=True).start()

    def tensorzero(self):
        self.asked.stdin.write(self.path.encode() + b"\n")
        self.asked.stdin.flush()
        said = self.lines.get(timeout=60)
        if said is None:  # it ended: said nothing that could be compared
            self.start()
            return "ended"
        found = re.search(r'message: "(.*?)" \}\)\)', said, re.S)
        if found:
            said = ESCAPE.sub(unescape, found.group(1))
        return re.sub(r"(TOML parse error at line \d+, column \d+)\n.*\n +\| *\^+\n(.*)\n", r"\1: \2", said, flags=re.S)

    def cluster(self, one):
        with open(self.path, "w") as f:
            f.write(one.text())
        ran = subprocess.Popen([binary(), "check", self.path], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=self.env)
        said = self.tensorzero()
        report = ran.communicate(timeout=30)[1].decode("utf-8", "replace")
        return fuzz_clusters.config_cluster(said, ran.returncode, report)

    def close(self):
        self.asked.stdin.close()
        self.asked.wait(10)
        self.folder.cleanup()


# -- a run -------------------------------------------------------------------------------------------------------------------
def run(judge, inputs, say=lambda text: None):
    """Asks for each input; {cluster: Found} of those that differ."""
    found, beat = {}, time.monotonic()
    for i, one in enumerate(inputs):
        key = judge.cluster(one)
        if time.monotonic() - beat > 15:
            beat = time.monotonic()
            say(f"{one.part}: {i + 1}, {sum(f.count for f in found.values())} of them differ")
        if key is None:
            continue
        have = found.setdefault(key, Found(0, one))
        have.count += 1
        if len(one.show()) < len(have.input.show()):
            have.input = one
    return found


def reduce(judge, key, one, seconds=20):
    """The smallest input that is found and still shows the cluster."""
    tries, end = 0, time.monotonic() + seconds
    while tries < TRIES and time.monotonic() < end:
        for less in one.smaller():
            tries += 1
            if tries > TRIES or time.monotonic() > end:
                return one
            if judge.cluster(less) == key:
                one = less
                break
        else:
            return one
    return one


def report(part, total, found, judge, shrink=True):
    """Prints the clusters; how many of the inputs have one that the page does not name."""
    decisions, accidents = fuzz_clusters.known()
    count = {"decision": 0, "accident": 0, "UNLISTED": 0}
    for key, have in sorted(found.items(), key=lambda item: -item[1].count):
        kind = "decision" if fuzz_clusters.matches(key, decisions) else "accident" if fuzz_clusters.matches(key, accidents) else "UNLISTED"
        count[kind] += have.count
        print(f"{have.count:6d}  {kind}  {key}")
        if kind == "UNLISTED":
            text = (reduce(judge, key, have.input) if shrink else have.input).show()
            print("                  " + text[:SHOWN].replace("\n", "\n                  "))
    equal, rest = total - sum(count.values()), total - count["decision"]
    print(f"{part}: {total}, equal {equal} ({100 * equal / total:.2f} %), of those that no decision concerns {100 * equal / max(1, rest):.2f} %; by decision otherwise {count['decision']}, "
          f"accidents {count['accident']}, not listed {count['UNLISTED']}, clusters {len(found)}", flush=True)
    return count["UNLISTED"]


def inputs_of(part, seed, n):
    rng = random.Random(f"{part} {seed}")
    seeds = fuzz_requests.valid() if part == "requests" else None
    for _ in range(n):
        if part == "requests":
            yield fuzz_requests.make(rng, seeds)
        else:
            yield (fuzz_answers if part == "answers" else fuzz_configs).make(rng)


def main():
    options = argparse.ArgumentParser(prog="./dev compat-fuzz")
    options.add_argument("seed", nargs="?", default="1")
    options.add_argument("requests", nargs="?", type=int, default=20000)
    options.add_argument("--answers", type=int)
    options.add_argument("--configs", type=int)
    options.add_argument("--no-reduce", action="store_true")
    o = options.parse_args()
    answers = o.requests // 4 if o.answers is None else o.answers
    configs = o.requests // 20 if o.configs is None else o.configs
    unlisted = 0
    for part, n, make in (("requests", o.requests, Gateways), ("answers", answers, Gateways), ("configurations", configs, Checks)):
        if not n:
            continue
        judge = make()
        found = run(judge, inputs_of(part, o.seed, n), lambda text: print(text, file=sys.stderr, flush=True))
        unlisted += report(part, n, found, judge, not o.no_reduce)
        judge.close()
    return 1 if unlisted else 0


if __name__ == "__main__":
    sys.exit(main())
