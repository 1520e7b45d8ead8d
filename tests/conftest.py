"""Which test a process is at: a file for each process in $SIGNET_PROGRESS, for tools/dev/watched.py."""
import os
import pathlib


def _note(text):
    folder = os.environ.get("SIGNET_PROGRESS")
    if folder:
        pathlib.Path(folder, str(os.getpid())).write_text(text)


def pytest_runtest_logstart(nodeid):
    _note(nodeid)


def pytest_runtest_logfinish(nodeid):
    _note("")
