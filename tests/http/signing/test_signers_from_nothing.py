"""Three signers from nothing (issue 15, Done when 1, the fourth study): an author pastes the blocks of docs/signing.md as they stand, into an empty
folder, and then has a gateway use what he made."""
import functools
import os
import re
import shutil
import subprocess

import pytest
from lib import raw
from lib.signet import ROOT, Signet, binary, config, openai_model
from signing_lib import signet_sign
from test_sign_rust import TARGET, built

PAGE = os.path.join(ROOT, "docs", "signing.md")


def block(*words):
    with open(PAGE) as f:
        found = [b for b in re.findall(r"^```sh\n(.*?)^```$", f.read(), re.M | re.S) if all(w in b for w in words)]
    assert len(found) == 1, words
    return found[0]


def fnv(*strings):
    data = "\n".join(strings).encode()
    return "%016x" % functools.reduce(lambda h, b: ((h ^ b) * 0x100000001b3) % 2**64, data, 0xcbf29ce484222325)


ANSWER = fnv("n-1", "1700000000", "d-1", "Hello")


def paste(text, folder):
    """In an empty folder, with `signet` on the path; what it printed."""
    programs = folder / "bin"
    programs.mkdir(exist_ok=True)
    (programs / "signet").symlink_to(binary())
    cargo = os.path.expanduser("~/.cargo/bin")
    env = {k: v for k, v in os.environ.items() if not k.startswith(("WASM_BINDGEN", "RUSTFLAGS"))}
    done = subprocess.run(["bash", "-e", "-o", "pipefail", "-c", text], cwd=folder, capture_output=True, text=True, timeout=600,
                          env=env | {"PATH": f"{programs}:{os.environ['PATH']}:{cargo}"})
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert f"print `{ANSWER}`" in open(PAGE).read()
    assert "\nverdict  accepted\n" in done.stdout and done.stdout.endswith(f"\n{ANSWER}\n")
    return done.stdout


def in_a_gateway(module, mock):
    """Its signature is what the upstream can compute for itself; and a hundred thousand of them leave the module as it was."""
    keys = f'signer = {{ path = "{module}", inputs = ["nonce", "timestamp", "", "body"], header = "x-signature" }}'
    with Signet(config(openai_model("m", mock.url, keys=keys))) as s:
        for text in ("hi", "ä" * 3000, "x" * 200000):
            assert raw.post(s.port, "/v1/chat/completions", raw.chat(content=text)).status == 200
    for r in mock.requests:
        assert r.headers["x-signature"] == fnv(r.headers["nonce"], r.headers["timestamp"], "", r.body.decode())
    assert len(mock.requests) == 3
    status, out, err = signet_sign("--module", str(module), "--bench", "100000", "--content", "Hello")
    found = re.search(r"\n1 instance, memory (\d+) KiB after the first, (\d+) KiB after the last\n", out)
    assert (status, err) == (0, "") and found and found.group(1) == found.group(2)


def test_one_in_c(tmp_path, mock):
    out = paste(block("clang --target=wasm32"), tmp_path)
    assert "\nimports  none\n" in out
    in_a_gateway(tmp_path / "sign.wasm", mock)


def needs_rust(folder):
    if not shutil.which("rustc", path=f"{os.environ['PATH']}:{os.path.expanduser('~/.cargo/bin')}"):
        pytest.skip("there is no rustc here")
    built("rust-signer-today", folder)  # skips where Rust has no such target


def test_one_in_plain_rust(tmp_path, mock):
    needs_rust(tmp_path)
    out = paste(block("rustc --edition"), tmp_path)
    assert "\nimports  none\n" in out
    in_a_gateway(tmp_path / "sign-rust.wasm", mock)
    with open(os.path.join(ROOT, "examples/signers/rust/sign.rs")) as f:
        assert f.read() == (tmp_path / "sign.rs").read_text()  # the page and the example are one


def test_one_with_wasm_bindgen(tmp_path, mock):
    needs_rust(tmp_path)
    target, _ = built("rust-signer-today", tmp_path)
    programs = tmp_path / "bin"
    programs.mkdir()
    command = programs / "wasm-bindgen"  # the same version, as the tests have it from its library
    command.write_text(f'#!/bin/sh\nfor last; do :; done\nwhile [ "$1" != --out-dir ]; do shift; done\nexec {target}/release/bindgen "$last" "$2"\n')
    command.chmod(0o755)
    text = block("cargo new")
    version = re.search(r'wasm-bindgen = "=([\d.]+)"', text).group(1)
    assert f"--version {version} " in block("cargo install")
    kept = target + "-page"  # what the crate depends on is compiled once a machine
    os.makedirs(kept, exist_ok=True)
    made, rest = text.split("cargo build", 1)
    out = paste(f"{made}ln -s {kept} bindgen-signer/target\ncargo build{rest}", tmp_path)
    assert "__wbindgen_init_externref_table" in out
    in_a_gateway(tmp_path / "bindgen-signer/out/sign_bg.wasm", mock)
    unfinished = tmp_path / "bindgen-signer/target" / TARGET / "release/bindgen_signer.wasm"
    assert "run wasm-bindgen on it" in signet_sign("--module", str(unfinished), "--inspect")[1]
