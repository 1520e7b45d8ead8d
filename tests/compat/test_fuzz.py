"""The differential fuzzer in its short form: what differs of these is named in docs/differences.md (`./dev compat-fuzz` asks for more)."""
import pytest

import fuzz_run

SEED = 1
SHORT = {"requests": 1000, "answers": 200, "configurations": 50}


@pytest.fixture(scope="module")
def gateways():
    both = fuzz_run.Gateways()
    yield both
    both.close()


@pytest.fixture(scope="module")
def checks():
    both = fuzz_run.Checks()
    yield both
    both.close()


@pytest.mark.parametrize("part", SHORT)
def test_what_differs_is_listed(part, request, capsys):
    judge = request.getfixturevalue("checks" if part == "configurations" else "gateways")
    found = fuzz_run.run(judge, fuzz_run.inputs_of(part, SEED, SHORT[part]))
    if fuzz_run.report(part, SHORT[part], found, judge, shrink=False):
        pytest.fail(capsys.readouterr().out, pytrace=False)
