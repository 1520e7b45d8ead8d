"""tools/dev/watched.py: a suite that makes no progress ends red with the test's name, and leaves nothing behind."""
import os
import subprocess
import sys
import time

from lib.signet import ROOT

WATCHED = os.path.join(ROOT, "tools", "dev", "watched.py")


def watched(seconds, path, *command, **more):
    return subprocess.run([sys.executable, WATCHED, str(seconds), str(path), *command], capture_output=True, text=True, timeout=60, **more)


def test_a_suite_that_hangs_ends_red_with_the_tests_name(tmp_path):
    (tmp_path / "conftest.py").write_text(open(os.path.join(ROOT, "tests", "conftest.py")).read())
    (tmp_path / "test_it.py").write_text(
        "import pathlib, subprocess, time\n"
        "def test_good():\n    pass\n"
        "def test_hangs():\n"
        "    pathlib.Path('child').write_text(str(subprocess.Popen(['sleep', '600']).pid))\n"
        "    time.sleep(600)\n")
    at = tmp_path / "at"
    at.mkdir()
    done = watched(8, at, sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(tmp_path), "test_it.py",
                   cwd=tmp_path, env={**os.environ, "SIGNET_PROGRESS": str(at)})
    assert done.returncode == 124
    assert "FAILED: no progress for 8 s in test_it.py::test_hangs" in done.stderr
    child = int((tmp_path / "child").read_text())
    for _ in range(100):
        try:
            with open(f"/proc/{child}/stat") as f:
                if f.read().rsplit(")", 1)[1].split()[0] == "Z":
                    return
        except FileNotFoundError:
            return
        time.sleep(0.05)
    raise AssertionError("what the suite had started goes on")


def test_a_command_that_makes_progress_has_its_own_time_and_status(tmp_path):
    log = tmp_path / "log"
    done = watched(1.5, log, "sh", "-c", f"for i in 1 2 3 4 5 6; do echo line $i >>{log}; sleep 0.5; done; exit 7")
    assert (done.returncode, done.stderr) == (7, "")


def test_a_log_that_stops_growing_is_named_by_its_last_line(tmp_path):
    log = tmp_path / "log"
    done = watched(1, log, "sh", "-c", f"echo the first >{log}; echo the last one >>{log}; sleep 600")
    assert done.returncode == 124 and "no progress for 1 s in the last one" in done.stderr
