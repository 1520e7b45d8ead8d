"""Every type of the OpenAI family, as TensorZero 2026.6.0 does: cases_types.py, golden/types.json."""
import pytest

import cases_types
from compare import of_signet
from test_compat import golden, same
from types_peers import TypesOurs, TypesTensorZero

GOLDEN, SIGNET = golden("cases_types"), golden("cases_types_signet")
CASES = [pytest.param(case, id=case.name) for case in cases_types.CASES]


@pytest.fixture(scope="module")
def tensorzero():
    peer = TypesTensorZero()
    yield peer
    peer.close()


@pytest.fixture(scope="module")
def ours():
    peer = TypesOurs()
    yield peer
    peer.signet.assert_idle()
    peer.close()
    assert not peer.crashes, "\n".join(peer.crashes)


@pytest.mark.parametrize("case", [c for c in CASES if c.values[0].name.split("-", 1)[1] in ("plain", "stream", "tools")])
def test_tensorzero_is_as_recorded(tensorzero, case):
    same(tensorzero.run(case), GOLDEN[case.name])


@pytest.mark.parametrize("case", CASES)
def test_signet(ours, case):
    want = SIGNET.get(case.name, GOLDEN[case.name])
    same(of_signet(ours.run(case)), of_signet(want))


@pytest.mark.parametrize("case", CASES)
def test_differences_have_a_reason(case):
    """Signet's record differs from TensorZero's where a reason says so, and nowhere else."""
    if case.name in SIGNET:
        assert of_signet(SIGNET[case.name]) != of_signet(GOLDEN[case.name])
        assert cases_types.why_different(case.name), case.name
