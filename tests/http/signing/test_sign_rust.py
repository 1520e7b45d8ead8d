"""Signers as most of them are made: Rust and wasm-bindgen, through both of its ABIs (rust-signer/)."""
import functools
import hashlib
import os
import re
import shutil
import subprocess

import pytest
from lib.signet import ROOT
from signing_lib import OtherRuntime, sign, signet_sign

CRATE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "rust-signer")
TARGET = "wasm32-unknown-unknown"


def fnv(*strings):
    data = "\n".join(strings).encode()
    return "%016x" % functools.reduce(lambda h, b: ((h ^ b) * 0x100000001b3) % 2**64, data, 0xcbf29ce484222325)


def crate_key():
    h = hashlib.sha256()
    for name in ("Cargo.toml", "Cargo.lock", "signer/Cargo.toml", "signer/src/lib.rs", "bindgen/Cargo.toml", "bindgen/src/main.rs"):
        with open(os.path.join(CRATE, name), "rb") as f:
            h.update(f.read())
    return h.hexdigest()[:16]


@pytest.fixture(scope="module")
def modules(tmp_path_factory):
    """Both modules by ABI. What cargo builds is kept beside the engines' cache: half a minute the first time."""
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    target = os.path.join(cache, "signet", "rust-signer-" + crate_key())
    cargo = shutil.which("cargo") or os.path.expanduser("~/.cargo/bin/cargo")
    build = [cargo, "build", "--quiet", "--release", "--locked", "--target-dir", target, "-p"]
    env = {k: v for k, v in os.environ.items() if not k.startswith(("WASM_BINDGEN", "RUSTFLAGS"))}
    rustc = shutil.which("rustc") or os.path.join(os.path.dirname(cargo), "rustc")
    probe = subprocess.run([rustc, "--target", TARGET, "--crate-type", "lib", "--crate-name", "probe", "-"], input=b"pub fn nothing() {}",
                           cwd=tmp_path_factory.mktemp("probe"), capture_output=True)
    if probe.returncode:
        pytest.skip(f"Rust has no target {TARGET} here, and ./dev setup found none")
    subprocess.run([*build, "bindgen"], cwd=CRATE, check=True, env=env)
    subprocess.run([*build, "signer", "--target", TARGET], cwd=CRATE, check=True, env=env)

    out = {}
    for abi, extra in (("wasm-bindgen", {}), ("wasm-bindgen (multi-value)", {"WASM_BINDGEN_MULTI_VALUE": "1"})):
        folder = str(tmp_path_factory.mktemp("bindgen"))
        subprocess.run([os.path.join(target, "release", "bindgen"), os.path.join(target, TARGET, "release", "signer.wasm"),
                        folder], check=True, env={**env, **extra})
        out[abi] = os.path.join(folder, "sign_bg.wasm")
    return out


@pytest.mark.parametrize("abi", ["wasm-bindgen", "wasm-bindgen (multi-value)"])
def test_signs_through(modules, abi):
    status, out, _ = signet_sign("--module", modules[abi], "--inspect")
    assert status == 0
    assert f"\nabi      {abi}\nimports  none\n" in out
    for case in (("n", "1700000000", "device", "User: Hello"), ("", "", "", ""), ("ä", "1", "你", "👋" * 5000)):
        assert sign(modules[abi], *case) == fnv(*case)


def test_the_other_runtime_agrees(modules):
    case = ("nonce", "1700000000", "device", "User: Hello, world!")
    assert OtherRuntime(modules["wasm-bindgen"]).sign(*case) == fnv(*case)


@pytest.mark.parametrize("abi", ["wasm-bindgen", "wasm-bindgen (multi-value)"])
def test_a_hundred_thousand_signatures_do_not_grow_an_instance(modules, abi):
    status, out, err = signet_sign("--module", modules[abi], "--bench", "100000", "--content", "User: Hello, world!")
    assert (status, err) == (0, "")
    found = re.search(r"\n1 instance, memory (\d+) KiB after the first, (\d+) KiB after the last\n", out)
    assert found and found.group(1) == found.group(2)
