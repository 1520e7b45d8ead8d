"""The same request to TensorZero 2026.6.0 and to Signet: same answer, same upstream requests, to the byte.

golden/*.json holds what TensorZero does (written by record.py), so that a difference is told apart: is it
TensorZero that changed, or Signet that is wrong. Where Signet is meant to differ, the case says how and why.
"""
import difflib
import importlib
import json
import os

import pytest

from compare import bare, loosened, meant, of_signet
from peers import HERE, Ours, TensorZero

GROUPS = ("cases_request", "cases_answer", "cases_stream", "cases_errors", "cases_fields", "cases_found",
          "cases_responses", "cases_anthropic", "cases_aws", "cases_cost")
CASES = [pytest.param(group, case, id=f"{group[6:]}-{case.name}") for group in GROUPS
         for case in importlib.import_module(group).CASES]


def golden(group):
    with open(os.path.join(HERE, "golden", group[6:] + ".json")) as f:
        return json.load(f)


GOLDEN = {group: golden(group) for group in GROUPS}


@pytest.fixture(scope="session")
def tensorzero():
    peer = TensorZero()
    yield peer
    peer.close()


@pytest.fixture(scope="session")
def ours():
    peer = Ours()
    yield peer
    peer.signet.assert_idle()
    peer.close()
    assert not peer.crashes, "\n".join(peer.crashes)


def show(rec):
    return json.dumps(rec, indent=1, ensure_ascii=False).replace("\\n", "\n")


def same(got, want):
    got, want = show(got).splitlines(), show(want).splitlines()
    if got != want:
        pytest.fail("\n".join(difflib.unified_diff(want, got, "expected", "got", lineterm="", n=1)), pytrace=False)


@pytest.mark.parametrize("group,case", CASES)
def test_tensorzero_is_as_recorded(tensorzero, group, case):
    same(bare(tensorzero.run(case)), bare(GOLDEN[group][case.name]))


@pytest.mark.parametrize("group,case", CASES)
def test_signet(ours, group, case):
    same(loosened(of_signet(ours.run(case)), case), meant(GOLDEN[group][case.name], case))
