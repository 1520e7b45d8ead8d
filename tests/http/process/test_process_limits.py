"""Under a limit of tasks or of address space a start either has all the threads that it will ever need, or is refused in words."""
import json
import os
import resource

import pytest
from lib import raw
from lib.signet import LISTENING, Signet, config, openai_model, plain

CHAT = "/v1/chat/completions"
NOBODY = 54321  # a user who runs nothing else: RLIMIT_NPROC counts all of a user's tasks


def large(name):
    return json.dumps({"model": name, "messages": [{"role": "user", "content": "x" * 3_000_000}]})


def starts(toml, limit, user=-1, **more):
    """The gateway if it started under that limit; else None, and it said why."""
    s = Signet(toml, start=False, preexec=limit, **more)
    for path in (s.folder, s.toml_path):
        os.chown(path, user, -1)
    s.spawn()
    try:
        raw.wait_for(lambda: "listening on" in s.stderr() or s.process.poll() is not None, 30)
    except AssertionError:
        s.process.kill()
        raise
    if s.process.poll() is None:
        s.port = int(LISTENING.search(s.stderr()).group(1))
        return s
    assert s.process.returncode == 1, (s.process.returncode, s.stderr())  # refused, not ended by a signal
    s.check_reports()
    assert any(word in s.stderr() for word in ("cannot be had", "cannot start", "does not start", "no memory", "out of memory", "memory",
                                               "Resource temporarily unavailable")), s.stderr()
    return None


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become a user who runs nothing else")
def test_a_limit_of_tasks_refuses_the_start_or_is_never_met(mock):
    toml = config(openai_model("m", mock.url), extra="[server]\nworkers = 2\n", record=True)
    served = refused = 0
    for tasks in (1, 2, 3, 5, 8, 12, 16, 20, 24, 28, 40):
        def limit(tasks=tasks):
            resource.setrlimit(resource.RLIMIT_NPROC, (tasks, tasks))
            os.setgid(NOBODY)
            os.setuid(NOBODY)

        s = starts(toml, limit, NOBODY, env={"ASAN_OPTIONS": "detect_leaks=0:exitcode=99"})  # to look for leaks takes a task of its own
        if not s:
            assert not served, f"{tasks} tasks are too few, fewer were enough"
            refused += 1
            continue
        served += 1
        for _ in range(3):  # what is parsed and printed beside the loop
            assert raw.post(s.port, CHAT, large("m"), timeout=60).status == 200
        assert raw.get(s.port, "/health").status == 200
        s.stop()
        s.check_reports()
    assert served and refused


@pytest.mark.skipif(not plain(), reason="needs a build without sanitizers, which reserve terabytes")
def test_a_limit_of_address_space_refuses_the_start_or_answers(mock):
    toml = config(openai_model("m", mock.url), extra="[server]\nworkers = 2\n", record=True)
    served = refused = 0
    for mib in (48, 64, 100, 150, 200, 300, 400, 600, 1000, 2000, 4000):
        s = starts(toml, lambda mib=mib: resource.setrlimit(resource.RLIMIT_AS, (mib << 20, mib << 20)), program=plain())
        if not s:
            refused += 1
            continue
        served += 1
        statuses = [raw.post(s.port, CHAT, large("m"), timeout=60).status for _ in range(3)]
        assert set(statuses) <= {200, 413, 500, 503}, statuses  # answered, if only that there is no memory
        assert s.process.poll() is None
        s.kill9()
    assert served and refused
