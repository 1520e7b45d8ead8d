"""The grids of types as TensorZero 2026.6.0 does: cases_types.py (the OpenAI family), cases_others.py (the others).

What Signet means to do otherwise is a record of its own, golden/‹group›_signet.json, and a reason in the cases' DIFFERENT.
"""
import importlib
import re

import pytest

from compare import loosened, meant, of_signet
from google import OursGoogle, TensorZeroGoogle
from peers import Ours, TensorZero
from test_compat import golden, same
from types_peers import TypesOurs, TypesTensorZero

GROUPS = {"types": (TypesTensorZero, TypesOurs), "others": (TensorZero, Ours), "others_google": (TensorZeroGoogle, OursGoogle)}
CASES = {g: importlib.import_module("cases_" + g) for g in GROUPS}
GOLDEN, SIGNET = {g: golden("cases_" + g) for g in GROUPS}, {g: golden(f"cases_{g}_signet") for g in GROUPS}


def of_all(wanted=lambda name: True):
    return pytest.mark.parametrize("group,case", [pytest.param(g, c, id=f"{g}-{c.name}") for g in GROUPS for c in CASES[g].CASES if wanted(c.name)])


class Peers:
    """One of each group, started when it is first asked."""

    def __init__(self, which):
        self.which, self.running = which, {}

    def __getitem__(self, group):
        if group not in self.running:
            self.running[group] = GROUPS[group][self.which]()
        return self.running[group]


@pytest.fixture(scope="module")
def tensorzero():
    peers = Peers(0)
    yield peers
    for peer in peers.running.values():
        peer.close()


@pytest.fixture(scope="module")
def ours():
    peers = Peers(1)
    yield peers
    for peer in peers.running.values():
        peer.signet.assert_idle()
        peer.close()
        assert not peer.crashes, "\n".join(peer.crashes)


@of_all(lambda name: name.endswith(("-plain", "-stream", "-tools")))
def test_tensorzero_is_as_recorded(tensorzero, group, case):
    same(loosened(tensorzero[group].run(case), case), loosened(GOLDEN[group][case.name], case))


@of_all()
def test_signet(ours, group, case):
    want = SIGNET[group].get(case.name)
    same(loosened(of_signet(ours[group].run(case)), case), loosened(of_signet(want), case) if want else meant(GOLDEN[group][case.name], case))


@of_all()
def test_differences_have_a_reason(group, case):
    """Signet's record differs from TensorZero's where a reason says so, and nowhere else."""
    if case.name in SIGNET[group]:
        assert loosened(of_signet(SIGNET[group][case.name]), case) != meant(GOLDEN[group][case.name], case)
        assert CASES[group].why_different(case.name), case.name


@pytest.mark.parametrize("group", ("types", "others"))
def test_every_reason_is_needed(group):
    """A reason that no record has any more is taken away."""
    names = {n for g in SIGNET if g.startswith(group) for n in SIGNET[g]}
    unused = [pattern for pattern in CASES[group].DIFFERENT if not any(re.fullmatch(pattern, n) for n in names)]
    assert not unused
