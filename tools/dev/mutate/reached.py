"""A pytest plugin: which mutants each test passes. $MUTATE_REACHED gets one JSON line a test."""
import json
import os
import time

import pytest

SEEN = os.environ.get("SIGNET_MUTANT_SEEN")
of_module = {}  # what was reached while the first test of a module was set up: all of its tests rest on that


def take():
    """The mutants passed since the last call."""
    try:
        with open(SEEN, "r+b") as f:
            data = f.read()
            f.seek(0)
            f.write(bytes(len(data)))
    except FileNotFoundError:
        return set()
    return {n for n, passed in enumerate(data) if passed}


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_setup(item):
    try:
        return (yield)
    finally:
        item.reached = take()
        of_module.setdefault(item.path, item.reached)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item):
    begin = time.monotonic()
    passed = yield
    line = {"test": item.nodeid, "seconds": round(time.monotonic() - begin, 2),
            "reached": sorted(take() | getattr(item, "reached", set()) | of_module.get(item.path, set()))}
    with open(os.environ["MUTATE_REACHED"], "a") as f:
        f.write(json.dumps(line) + "\n")
    return passed
