"""`signet check`: its arguments, where its words go, its exit status."""
import json
import os
import subprocess

import pytest

from lib.signet import binary, config, openai_model

GOOD = config(openai_model("m", "http://127.0.0.1:1"))
BAD = GOOD + "[nonsense]\n[server]\nworkers = 0\n"
WARNED = '[models.w]\nrouting = ["p"]\n[models.w.providers.p]\ntype = "openai"\nmodel_name = "x"\n'


@pytest.fixture
def folder(tmp_path):
    for name, text in (("good.toml", GOOD), ("bad.toml", BAD), ("warned.toml", WARNED), ("-odd.toml", WARNED)):
        (tmp_path / name).write_text(text)
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "one.toml").write_text(GOOD)
    (tmp_path / "parts" / "two.toml").write_text("[server]\nworkers = 2\n")
    return tmp_path


def check(folder, *args):
    """(exit status, stdout, stderr)"""
    env = {k: v for k, v in os.environ.items() if not k.startswith(("OPENAI_", "SIGNET_DATA"))}
    done = subprocess.run([binary(), "check", *args], cwd=folder, env=env, capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("args,said", [
    (["good.toml"], "1 file is valid.\n"), (["--config-file", "good.toml"], "1 file is valid.\n"), (["--config-file=good.toml"], "1 file is valid.\n"),
    (["parts/**/*.toml"], "2 files are valid.\n"), (["--config-file", "parts/one.toml", "parts/two.toml"], "2 files are valid.\n"),
    (["--", "good.toml"], "1 file is valid.\n"), (["--default-config"], "0 files are valid.\n"), (["--json", "good.toml"], "[]\n"),
])
def test_what_is_valid(folder, args, said):
    assert check(folder, *args) == (0, said, "")


def test_behind_two_dashes_everything_is_a_file(folder):
    status, out, err = check(folder, "--", "-odd.toml")
    assert (status, out) == (0, "1 file is valid.\n") and err.startswith("-odd.toml:3: warning: models.w.providers.p: API key missing")


def test_findings_are_lines_on_stderr(folder):
    status, out, err = check(folder, "bad.toml")
    assert (status, out) == (1, "")
    assert [l.split(" (")[0] for l in err.splitlines() if "workers" in l] == [f"bad.toml:{BAD.count(chr(10))}: server.workers: `0` is out of range"]
    assert any(l.startswith(f"bad.toml:{BAD.count(chr(10)) - 2}: nonsense: unknown field `nonsense`") for l in err.splitlines())


def test_findings_as_json_on_stdout(folder):
    status, out, err = check(folder, "--json", "bad.toml")
    found = json.loads(out)
    assert (status, err) == (1, "") and len(found) == 2
    one = next(f for f in found if f["key"] == "server.workers")
    assert one == {"file": "bad.toml", "line": BAD.count("\n"), "key": "server.workers", "text": one["text"]}
    status, out, err = check(folder, "--json", "warned.toml")
    assert (status, err) == (0, "") and [f["warning"] for f in json.loads(out)] == [True]


@pytest.mark.parametrize("args,why", [
    ([], "name the files to check"), (["--default-config", "good.toml"], "give files or --default-config, not both"), (["--nope"], "unknown argument --nope"),
    (["--config-file"], "--config-file needs a value"), (["--config-filex"], "unknown argument --config-filex"),
])
def test_wrong_usage(folder, args, why):
    assert check(folder, *args) == (2, "", f"signet check: {why}\nsignet check --help explains\n")


def test_a_dash_alone_is_a_file(folder):
    status, out, err = check(folder, "-")
    assert (status, out) == (1, "") and "-" in err


def test_help(folder):
    status, out, err = check(folder, "--help")
    assert (status, err) == (0, "") and out.startswith("usage: signet check GLOB...\n")
