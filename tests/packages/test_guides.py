"""docs/guides: the signer guide's commands run, the three error texts are those of the program, every alarm has its section."""
import functools
import hashlib
import http.client
import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
GUIDES = ROOT / "docs/guides"
SIGNET = os.path.abspath(os.environ.get("SIGNET_BIN") or ROOT / "build/signet")
LANGUAGES = ["", ".zh-CN"]
BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.M | re.S)


def blocks(name):
    return BLOCK.findall((GUIDES / name).read_text())


@pytest.mark.parametrize("guide", ["quickstart", "signer", "troubleshooting", "operations"])
def test_both_languages_have_the_same_commands_and_headings(guide):
    english, chinese = ((GUIDES / f"{guide}{l}.md").read_text() for l in LANGUAGES)
    assert BLOCK.findall(english) == BLOCK.findall(chinese)
    texts = lambda page: [re.findall(r"`([^`]*)`", h) for h in re.findall(r"^#+ .*$", page, re.M)]
    assert texts(english) == texts(chinese)


# ---- the signer guide ----

@pytest.fixture
def checkout(tmp_path):
    """What the guide's commands see: examples/ and build/signet."""
    shutil.copytree(ROOT / "examples", tmp_path / "examples", ignore=shutil.ignore_patterns("*.wasm"))
    (tmp_path / "build").mkdir()
    (tmp_path / "build/signet").symlink_to(SIGNET)
    return tmp_path


def shell(text, cwd, env=None):
    got = subprocess.run(["bash", "-e", "-o", "pipefail", "-c", text], cwd=cwd, capture_output=True, text=True, timeout=600, env=env)
    assert got.returncode == 0, f"{text}\n{got.stdout}\n{got.stderr}"
    return got.stdout


def test_the_c_signer_of_the_guide(checkout):
    steps = [b for b in blocks("signer.md") if "my-signer" in b]
    assert len(steps) == 4
    shell(steps[0], checkout)
    mine, openssl = shell(steps[1], checkout).splitlines()
    assert re.fullmatch(r"[0-9a-f]{64}", mine) and openssl.endswith(mine)
    assert "p99" in shell(steps[2], checkout)
    assert re.search(r"^imports  none$", shell(steps[3], checkout), re.M)


def test_the_rust_signer_of_the_guide(checkout):
    """The command wasm-bindgen is the one of the same version that the tests of signatures build from its library."""
    make, install, build = [b for b in blocks("signer.md") if "cargo" in b or "wasm-bindgen" in b]
    crate, shared = ROOT / "tests/http/signing/rust-signer-today", ROOT / "tests/http/signing/rust-signer"
    probe = subprocess.run(["rustc", "--target", "wasm32-unknown-unknown", "--crate-type", "lib", "--crate-name", "probe", "-o", checkout / "probe", "-"],
                           input="pub fn nothing() {}", capture_output=True, text=True)
    if probe.returncode:
        pytest.skip("Rust has no target wasm32-unknown-unknown here, and ./dev setup found none")
    version = re.search(r'wasm-bindgen = "=([\d.]+)"', make).group(1)
    assert f"--version {version} " in install and f'"={version}"' in (crate / "bindgen/Cargo.toml").read_text()
    names = ("Cargo.toml", "Cargo.lock", "signer/Cargo.toml", "signer/src/lib.rs", "bindgen/Cargo.toml", "bindgen/src/main.rs")
    key = hashlib.sha256(b"".join((crate / n if (crate / n).exists() else shared / n).read_bytes() for n in names)).hexdigest()[:16]
    target = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / f"signet/rust-signer-{key}"
    subprocess.run(["cargo", "build", "--quiet", "--release", "--locked", "--target-dir", target, "-p", "bindgen"], cwd=crate, check=True)
    programs = checkout / "bin"
    programs.mkdir()
    command = programs / "wasm-bindgen"
    command.write_text(f'#!/bin/sh\nfor last; do :; done\nwhile [ "$1" != --out-dir ]; do shift; done\nexec {target}/release/bindgen "$last" "$2"\n')
    command.chmod(0o755)
    env = {k: v for k, v in os.environ.items() if not k.startswith(("WASM_BINDGEN", "RUSTFLAGS"))}
    shell(make, checkout, env)
    kept = target.with_name(target.name + "-guide")  # what the crate depends on is compiled once a machine
    kept.mkdir(exist_ok=True)
    (checkout / "rust-signer/target").symlink_to(kept)
    out = shell(build, checkout, env | {"PATH": f"{programs}:{os.environ['PATH']}"}).split()[-1]
    data = "n-1\n1700000000\nd-1\nUser: Hello".encode()
    assert out == "%016x" % functools.reduce(lambda h, b: ((h ^ b) * 0x100000001b3) % 2**64, data, 0xcbf29ce484222325)


# ---- troubleshooting ----

def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@pytest.fixture
def quickstart(tmp_path):
    shutil.copy(ROOT / "examples/quickstart/config/tensorzero-rustproxy.toml", tmp_path / "signet.toml")
    (tmp_path / "rust_proxy").mkdir()
    subprocess.run([ROOT / "examples/signers/hmac/build.sh", tmp_path / "rust_proxy/sign_bg.wasm"], check=True)
    return tmp_path


def serve(folder, **env):
    return subprocess.Popen([SIGNET, "--config-file", folder / "signet.toml", "--data-dir", folder / "data"], cwd=folder, stderr=subprocess.PIPE, text=True,
                            env={"PATH": os.environ["PATH"], "TENSORZERO_GATEWAY_BIND_ADDRESS": "127.0.0.1:0"} | env)


def ask(process):
    while not (found := re.search(r"listening on [\d.]+:(\d+)", line := process.stderr.readline())):
        assert line, "it ended"
    c = http.client.HTTPConnection("127.0.0.1", int(found.group(1)), timeout=30)
    c.request("POST", "/v1/chat/completions", json.dumps({"model": "rust-proxy", "messages": [{"role": "user", "content": "x"}]}), {"content-type": "application/json"})
    text = c.getresponse().read().decode()
    process.terminate()
    assert process.wait(60) == 0
    return text


def refused(process):
    _, err = process.communicate(timeout=30)
    assert process.returncode == 1
    return err


def without_signer(folder):
    (folder / "rust_proxy/sign_bg.wasm").unlink()


def with_text_for_signer(folder):
    (folder / "rust_proxy/sign_bg.wasm").write_text("<html>")


def with_other_pin(folder):
    with (folder / "signet.toml").open("a") as f:
        f.write(f'[models.rust-proxy.providers.rust_proxy_provider.signer]\nsha256 = "{1:064d}"\n')


WELL = {"DEVICE_ID": "d", "SID": "s"}
TROUBLE = [  # what happens, what the guide calls it: texts that both the program and the guide's tables have
    ("variables", lambda f: refused(serve(f)), ["Failed to create DevApiClient: ", " not set (models."]),
    ("placeholders", lambda f: refused(serve(f, API_ENDPOINT="https://xxx", DEVICE_ID="xxxx", SID="sid")), ["Failed to create DevApiClient: "]),
    ("no module", lambda f: without_signer(f) or refused(serve(f, API_ENDPOINT="http://127.0.0.1:1/", **WELL)), ["Failed to get WasmSigner instance", "No such file or directory"]),
    ("a page for a module", lambda f: with_text_for_signer(f) or refused(serve(f, API_ENDPOINT="http://127.0.0.1:1/", **WELL)), ["Failed to get WasmSigner instance", "not a WebAssembly module"]),
    ("another module", lambda f: with_other_pin(f) or refused(serve(f, API_ENDPOINT="http://127.0.0.1:1/", **WELL)), ["Failed to get WasmSigner instance", "its SHA-256 is ", ", signer.sha256 asks for "]),
    ("nobody listens", lambda f: ask(serve(f, API_ENDPOINT=f"http://127.0.0.1:{free_port()}/", **WELL)), ["Request failed: ", "cannot connect to ", ": Connection refused"]),
    ("no such host", lambda f: ask(serve(f, API_ENDPOINT="http://nowhere.invalid/", **WELL)), ["Request failed: ", "cannot resolve "]),
]


@pytest.mark.parametrize("happens,texts", [t[1:] for t in TROUBLE], ids=[t[0] for t in TROUBLE])
def test_the_texts_of_the_troubleshooting_table_are_the_program_s(quickstart, happens, texts):
    said = happens(quickstart)
    for text in texts:
        assert text in said, said
        for language in LANGUAGES:
            assert text.strip() in (GUIDES / f"troubleshooting{language}.md").read_text(), text


# ---- alarms ----

LITERALS = r'((?:"(?:[^"\\]|\\.)*"|SQLITE_FILE|PRI\w+|\s)+)'
VALUE = re.compile(r"%[-.*\d]*(?:l|ll|z)?[a-zA-Z]|%$")


def alarms(folder=ROOT / "src/store"):
    """Every text that src/store logs as a warning or an error, or raises as an alarm, as the list of its fixed parts."""
    found = set()
    for file in sorted(folder.glob("*.c")):
        text = file.read_text()
        patterns = [rf'log_(?:warn|error)\(\s*"store",\s*{LITERALS}']
        if file.name in ("drainer.c", "store.c") or file.name.startswith("sink_"):
            patterns.append(rf"snprintf\(text, (?:n|sizeof\(text\)),\s*{LITERALS}")
        for pattern in patterns:
            for m in re.finditer(pattern, text):
                whole = "".join(p[1:-1] if p[0] == '"' else {"SQLITE_FILE": "signet.db"}.get(p, "u") for p in re.findall(r'"(?:[^"\\]|\\.)*"|\w+', m.group(1)))
                parts = tuple(p for p in (part.strip(" .:,") for part in VALUE.split(whole.replace("\\n", ""))) if len(p) > 3)
                if parts:
                    found.add(parts)
    return sorted(found)


def test_the_alarms_are_found():
    found = {" … ".join(a) for a in alarms()}
    assert len(found) > 20 and {"the journal's disk is full", "signet.db is locked by process", "the journal has no room … bytes free … waiting"} <= found


@pytest.mark.parametrize("language", LANGUAGES, ids=["english", "chinese"])
@pytest.mark.parametrize("parts", alarms(), ids=" … ".join)
def test_every_alarm_has_a_section(parts, language):
    headings = [h for h in re.findall(r"^### .*$", (GUIDES / f"operations{language}.md").read_text(), re.M)]
    assert any(all(part in h for part in parts) for h in headings), f"docs/guides/operations{language}.md: no section for the alarm {' … '.join(parts)!r}"


@pytest.mark.parametrize("language", LANGUAGES, ids=["english", "chinese"])
def test_a_record_that_could_not_be_built_has_its_section_too(language):
    text = "a record could not be built"
    assert text in (ROOT / "src/route/record.c").read_text() and f"`{text}`" in (GUIDES / f"operations{language}.md").read_text()
