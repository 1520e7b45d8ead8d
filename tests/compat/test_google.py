"""Google's types at TensorZero 2026.6.0 and at Signet, as test_compat.py does for the others (issue: equal but for what
providers-others §12 lists)."""
import pytest

from cases_google import CASES
from compare import bare, loosened, meant, of_signet
from google import OursGoogle, TensorZeroGoogle
from test_compat import golden, same

CASES = [pytest.param(c, id=c.name) for c in CASES]
GOLDEN = golden("cases_google")


@pytest.fixture(scope="module")
def tensorzero():
    peer = TensorZeroGoogle()
    yield peer
    peer.close()


@pytest.fixture(scope="module")
def ours():
    peer = OursGoogle()
    yield peer
    peer.signet.assert_idle()
    peer.close()
    assert not peer.crashes, "\n".join(peer.crashes)


@pytest.mark.parametrize("case", CASES)
def test_tensorzero_is_as_recorded(tensorzero, case):
    same(bare(tensorzero.run(case)), bare(GOLDEN[case.name]))


@pytest.mark.parametrize("case", CASES)
def test_signet(ours, case):
    same(loosened(of_signet(ours.run(case)), case), meant(GOLDEN[case.name], case))
