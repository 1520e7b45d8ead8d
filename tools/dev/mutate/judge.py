"""Which tests pass a mutant, and which of them notices it."""
import glob
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import defaultdict
from dataclasses import dataclass, field

HERE = os.path.dirname(os.path.abspath(__file__))
SUITES = ("tests/http", "tests/faults", "tests/compat")
LEFT_OUT = ("test_kill9.py",)  # minutes of killing, for what others see sooner
LONG = {"tests/faults/test_injected.py", "tests/http/signing/test_sign_gateway.py", "tests/http/signing/test_sign_rust.py",
        "tests/http/faults/test_fault_record.py"}  # begun first
SLOW = 30  # seconds: a single test that takes longer is left out
CACHE = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")


@dataclass
class Tests:
    """One unit test program, or one file of pytest, and what each of its tests reaches."""
    name: str
    seconds: float = 0
    ok: bool = True
    output: str = ""
    reached: dict = field(default_factory=lambda: defaultdict(set))  # mutant -> tests of pytest, or {name}
    took: dict = field(default_factory=dict)  # test -> seconds
    failing: set = field(default_factory=set)  # tests that fail without any mutant: left out, the others of the file judge
    flaky: set = field(default_factory=set)  # that failed once without any: what they say of a mutant, they must say twice

    @property
    def unit(self):
        return not self.name.endswith(".py")


def end_group(pid):
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


class Judge:
    def __init__(self, build):
        self.build = os.path.abspath(build)
        self.running = set()  # process groups

    # -- running -----------------------------------------------------------------------------------
    def _run(self, command, seconds, tag, **env):
        """(status or None after that time, output). What it leaves behind, processes and files, is removed."""
        folder = os.path.join(self.build, "tmp", tag)
        os.makedirs(folder, exist_ok=True)
        environment = {**os.environ, "SIGNET_BIN": os.path.join(self.build, "out", "signet"), "TMPDIR": folder,
                       "XDG_CACHE_HOME": CACHE, "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1", **env}
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                   env=environment, start_new_session=True)
        self.running.add(process.pid)
        try:
            output = process.communicate(timeout=seconds)[0]
            status = process.returncode
        except subprocess.TimeoutExpired:
            status, output = None, b""
        finally:
            end_group(process.pid)
            self.running.discard(process.pid)
            if process.poll() is None:
                process.communicate()
            shutil.rmtree(folder, True)
        return status, output.decode("utf-8", "replace")

    def stop(self, *_):
        """Of a signal: ends this run and all that it started."""
        for pid in list(self.running):
            end_group(pid)
        os._exit(130)

    def _command(self, tests, chosen=(), limit=0):
        if tests.unit:
            return [os.path.join(self.build, "out", tests.name)]
        stop = ["-x", "-o", f"faulthandler_timeout={limit}", "-o", "faulthandler_exit_on_timeout=true"] if limit else ["-p", "reached"]
        return [sys.executable, "-m", "pytest", "-q", "-c", "tests/pytest.ini", "--rootdir", "tests", *stop,
                *(chosen or [tests.name])]

    # -- with no mutant active -----------------------------------------------------------------------
    def all_tests(self, suites):
        units = [os.path.basename(f)[:-2] for f in sorted(glob.glob("tests/unit/test_*.c"))]
        files = [f for suite in suites for f in sorted(glob.glob(f"{suite}/**/test_*.py", recursive=True))
                 if os.path.basename(f) not in LEFT_OUT]
        return [Tests(n) for n in units + sorted(files, key=lambda f: f not in LONG)]

    def learn(self, tests):
        """Runs it with no mutant: its time, and what it reaches. Once more if it fails, which tells the flaky from the failing."""
        for attempt in range(2):
            tag = os.path.basename(tests.name)
            seen = os.path.join(self.build, "seen", tag)
            lines = seen + ".json"
            for path in (seen, lines):
                if os.path.exists(path):
                    os.remove(path)
            begin = time.monotonic()
            status, tests.output = self._run(self._command(tests), 1200, tag, SIGNET_MUTANT_SEEN=seen, MUTATE_REACHED=lines,
                                             PYTHONPATH=HERE, PYTHONDONTWRITEBYTECODE="1")
            tests.seconds = time.monotonic() - begin
            tests.ok = status in (0, 5)
            failed = set(self._failed(tests.output))
            tests.failing, tests.flaky = failed if attempt else set(), failed | tests.flaky
            if tests.ok:
                break
        tests.flaky -= tests.failing
        if not tests.ok and not tests.unit and status == 1 and tests.failing:
            tests.ok = True  # the rest of the file is as good as ever
        if tests.unit and os.path.exists(seen):
            with open(seen, "rb") as f:
                for n, passed in enumerate(f.read()):
                    if passed:
                        tests.reached[n].add(tests.name)
        elif os.path.exists(lines):
            with open(lines) as f:
                for line in map(json.loads, f):
                    tests.took[line["test"]] = line["seconds"]
                    if line["seconds"] <= SLOW and line["test"].split("::", 1)[-1] not in tests.failing:
                        for n in line["reached"]:
                            tests.reached[n].add("tests/" + line["test"])
        return tests

    # -- with one ------------------------------------------------------------------------------------
    def judge(self, number, tests, budget):
        """(killed, by what, seconds). Unit tests first, then pytest's files, the quickest first."""
        begin = time.monotonic()
        reaching = sorted((t for t in tests if number in t.reached), key=lambda t: (not t.unit, self._cost(t, number)))
        spent = 0
        cut = ""
        for t in reaching:
            cost = self._cost(t, number)
            spent += cost
            if budget and spent > budget and not t.unit:
                cut = f"within {budget} s of tests"
                continue
            limit = max(10 * cost, 20)
            chosen = [] if t.unit else [c for c in map("tests/{}".format, t.took) if c in t.reached[number]]
            slowest = max([t.took[c.removeprefix("tests/")] for c in chosen], default=0)
            command = self._command(t, chosen, max(10 * slowest, 20))
            status, output = self._run(command, limit + 20, f"{number}", SIGNET_MUTANT=str(number))
            if status != 0 and t.flaky & set(self._failed(output)):
                status, output = self._run(command, limit + 20, f"{number}", SIGNET_MUTANT=str(number))
            if status != 0:
                return True, self._word(t, status, output), time.monotonic() - begin
        return False, cut or ("" if reaching else "no test reaches it"), time.monotonic() - begin

    def _cost(self, tests, number):
        if tests.unit:
            return tests.seconds
        return 1 + sum(tests.took[c.removeprefix("tests/")] for c in tests.reached[number])

    def _failed(self, output):
        """Names of the tests that failed, as pytest or cmocka prints them."""
        failed = [l.split(" - ")[0].split("::", 1)[-1] for l in output.splitlines() if l.startswith(("FAILED ", "ERROR "))]
        return failed + [l.split("] ")[-1].split(":")[0] for l in output.splitlines() if l.startswith("[  FAILED  ] ")]

    def _word(self, tests, status, output):
        if status is None:
            return f"{tests.name} (no end)"
        failed = self._failed(output)
        return f"{os.path.basename(tests.name)}: {failed[0]}" if failed else os.path.basename(tests.name)
