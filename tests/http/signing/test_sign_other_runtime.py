"""Done when 3: a signature made by Signet equals one computed by another WebAssembly runtime."""
import random
from concurrent.futures import ThreadPoolExecutor

import pytest
from signing_lib import OtherRuntime, build_sample, native, sign

ALPHABET = "abc XYZ019\n\t\"\\/äß你好👋\u200b\x7f"


def inputs(n):
    rng = random.Random(20261125)
    for _ in range(n):
        length = rng.choice((0, 1, 55, 56, 63, 64, 65, rng.randrange(300), rng.randrange(20000)))
        content = "".join(rng.choices(ALPHABET, k=length))
        nonce = "%032x" % rng.getrandbits(128)
        device = "".join(rng.choices("0123456789abcdef-", k=rng.randrange(0, 40)))
        yield nonce, str(rng.randrange(10**9, 2 * 10**9)), device, content


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    return build_sample(tmp_path_factory.mktemp("signer"))


def test_a_hundred_random_inputs_of_the_command(sample):
    other = OtherRuntime(sample)
    cases = list(inputs(100))
    with ThreadPoolExecutor(4) as pool:
        signet = list(pool.map(lambda case: sign(sample, *case), cases))
    assert len(signet) == 100
    for case, got in zip(cases, signet):
        assert got == other.sign(*case) == native(*case)
