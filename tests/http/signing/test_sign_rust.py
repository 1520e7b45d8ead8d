"""Signers as most of them are made: Rust and wasm-bindgen. rust-signer/ through both ABIs of wasm-bindgen 0.2.92, whose modules
import nothing; rust-signer-today/, the same source, through a current one, whose modules have a table of externref and an import
that fills it."""
import functools
import hashlib
import os
import re
import shutil
import subprocess

import pytest
from lib import raw
from lib.signet import Signet, config, openai_model
from signing_lib import OtherRuntime, sign, signet_sign

HERE = os.path.dirname(os.path.abspath(__file__))
FILES = ("Cargo.toml", "Cargo.lock", "signer/Cargo.toml", "signer/src/lib.rs", "bindgen/Cargo.toml", "bindgen/src/main.rs")
TARGET = "wasm32-unknown-unknown"


def fnv(*strings):
    data = "\n".join(strings).encode()
    return "%016x" % functools.reduce(lambda h, b: ((h ^ b) * 0x100000001b3) % 2**64, data, 0xcbf29ce484222325)


def crate_key(crate):
    """Of the crate's own files; the sources are shared."""
    h = hashlib.sha256()
    for name in FILES:
        own = os.path.join(HERE, crate, name)
        with open(own if os.path.exists(own) else os.path.join(HERE, "rust-signer", name), "rb") as f:
            h.update(f.read())
    return h.hexdigest()[:16]


def built(crate, folder):
    """cargo's results, which are kept beside the engines' cache: a minute the first time."""
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    target = os.path.join(cache, "signet", "rust-signer-" + crate_key(crate))
    cargo = shutil.which("cargo") or os.path.expanduser("~/.cargo/bin/cargo")
    build = [cargo, "build", "--quiet", "--release", "--locked", "--target-dir", target, "-p"]
    env = {k: v for k, v in os.environ.items() if not k.startswith(("WASM_BINDGEN", "RUSTFLAGS"))}
    rustc = shutil.which("rustc") or os.path.join(os.path.dirname(cargo), "rustc")
    probe = subprocess.run([rustc, "--target", TARGET, "--crate-type", "lib", "--crate-name", "probe", "-"], input=b"pub fn nothing() {}",
                           cwd=folder, capture_output=True)
    if probe.returncode:
        pytest.skip(f"Rust has no target {TARGET} here, and ./dev setup found none")
    subprocess.run([*build, "bindgen"], cwd=os.path.join(HERE, crate), check=True, env=env)
    subprocess.run([*build, "signer", "--target", TARGET], cwd=os.path.join(HERE, crate), check=True, env=env)
    return target, env


def bindgen(target, folder, env):
    subprocess.run([os.path.join(target, "release", "bindgen"), os.path.join(target, TARGET, "release", "signer.wasm"), str(folder)],
                   check=True, env=env)
    return os.path.join(str(folder), "sign_bg.wasm")


@pytest.fixture(scope="module")
def modules(tmp_path_factory):
    """Both modules of the old version by ABI."""
    target, env = built("rust-signer", tmp_path_factory.mktemp("probe"))
    return {abi: bindgen(target, tmp_path_factory.mktemp("bindgen"), {**env, **extra})
            for abi, extra in (("wasm-bindgen", {}), ("wasm-bindgen (multi-value)", {"WASM_BINDGEN_MULTI_VALUE": "1"}))}


@pytest.fixture(scope="module")
def today(tmp_path_factory):
    target, env = built("rust-signer-today", tmp_path_factory.mktemp("probe"))
    return bindgen(target, tmp_path_factory.mktemp("bindgen"), env)


def test_a_module_of_todays_toolchain_signs(today):
    status, out, _ = signet_sign("--module", today, "--inspect")
    assert status == 0
    assert ("\nabi      wasm-bindgen (multi-value)\n"
            "imports  ./sign_bg.js.__wbindgen_init_externref_table: function () -> (), fills the module's own table of externref\n") in out
    for case in (("n", "1700000000", "device", "User: Hello"), ("", "", "", ""), ("ä", "1", "你", "👋" * 5000)):
        assert sign(today, *case) == fnv(*case)


def test_a_module_of_todays_toolchain_signs_in_the_gateway(today, mock):
    keys = f'signer = {{ path = "{today}", inputs = ["nonce", "timestamp", "", "body"] }}'
    with Signet(config(openai_model("m", mock.url, keys=keys))) as signet:
        for _ in range(3):
            assert raw.post(signet.port, "/v1/chat/completions", {"model": "m", "messages": [{"role": "user", "content": "hi"}]}).status == 200
    for request in mock.requests:
        assert request.headers["sign"] == fnv(request.headers["nonce"], request.headers["timestamp"], "", request.body.decode())
    assert len(mock.requests) == 3


@pytest.mark.parametrize("crate", ["rust-signer", "rust-signer-today"])
def test_cargos_own_output_is_told_what_it_still_needs(crate, tmp_path):
    """The file before wasm-bindgen, which looks like the one after it (issue 15 H3)."""
    raw = os.path.join(built(crate, tmp_path)[0], TARGET, "release", "signer.wasm")
    reason = "it is cargo's own output: run wasm-bindgen on it (wasm-bindgen --target web --out-dir OUT ‹this file›) and take OUT/‹name›_bg.wasm"
    status, out, err = signet_sign("--module", raw, "--inspect")
    assert (status, err) == (1, "")
    assert out.endswith(f"\nverdict  refused: {reason}\n") and "exports  " in out
    assert signet_sign("--module", raw, "--bench", "1") == (1, "", f"Failed to get WasmSigner instance: {raw}: {reason}\n")


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


@pytest.mark.parametrize("abi", ["wasm-bindgen", "wasm-bindgen (multi-value)", "today"])
def test_a_hundred_thousand_signatures_do_not_grow_an_instance(modules, today, abi):
    status, out, err = signet_sign("--module", today if abi == "today" else modules[abi], "--bench", "100000", "--content", "User: Hello, world!")
    assert (status, err) == (0, "")
    found = re.search(r"\n1 instance, memory (\d+) KiB after the first, (\d+) KiB after the last\n", out)
    assert found and found.group(1) == found.group(2)
