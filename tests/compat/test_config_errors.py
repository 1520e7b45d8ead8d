"""Configurations that TensorZero 2026.6.0 refuses: Signet's report holds its text, whole.

The configurations are those of tests/unit/config_cases.txt, where each one's report is pinned. TensorZero reports
only the first error; Signet's report may hold more. Where the two are meant to differ, DIFFERENT says why.
"""
import os
import re
import subprocess
import sys

import pytest

from lib.signet import ROOT, binary

ASK = r"""
import sys
from tensorzero import TensorZeroGateway
for path in sys.argv[1:]:
    try:
        TensorZeroGateway.build_embedded(config_file=path)
        said = "OK"
    except Exception as e:
        said = str(e)
    print(f"\x02{path}\x03{said}\x04", flush=True)
"""

# What stands in the TOML -> why the answers differ.
DIFFERENT = {
    'base_path="foo"': "TensorZero checks it only when it binds",
    "global_outbound_http_timeout_ms=0\n": "every request would fail at once",
    "=0x10": "TensorZero cannot read hexadecimal numbers",
    '"path::': "files are taken on every type of provider",
    '"path_from_env::': "the same",
    '{default="env::NOPE_X",fallback="none"}': "one of the two is enough (config 5.2)",
    'api_base="localhost:8000"': "no request could ever reach it",
    'api_base="ftp://': "the same",
    'api_base="env::X"': "the same",
    '"env::"': "a name is missing: said as such",
    '"dynamic::"': "the same",
    '"rust-proxy::m"': "a prefix of Signet's own shorthand",
    'data_dir': "Signet's own tables",
    '"sk-1234567890"': "what may be a key is not echoed",
    '[gateway.auth]\nenabled = true': "what is asked here is embedded, which has no door",
    'backend = "postgres"': "Signet records to ClickHouse and SQLite",
    '"rust-prox"': "Signet's own type is in the list",
}
OWN = ("server", "upstream", "signing", "surfaces", "store", "journal", "record", "signer", "drop_fields",
       "unsupported_content", "tool_strict", "thinking_display", "rust-proxy", "sqlite", "[ui")


def cases():
    with open(os.path.join(ROOT, "tests", "unit", "config_cases.txt")) as f:
        for case in f.read().split("===\n")[1:]:
            yield case.split("---\n")[0]


CASES = [c for c in cases() if not any(key in c for key in (*DIFFERENT, *OWN))]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("config")
    for i, toml in enumerate(CASES):
        (path / f"{i}.toml").write_text(toml)
    return path


def environment():
    return {k: v for k, v in os.environ.items() if k in ("PATH", "HOME", "VIRTUAL_ENV", "SIGNET_BIN", "ASAN_OPTIONS")}


@pytest.fixture(scope="module")
def tensorzero(folder):
    """What TensorZero says of each file, in the one-line form."""
    paths = [str(folder / f"{i}.toml") for i in range(len(CASES))]
    out = subprocess.run([sys.executable, "-c", ASK, *paths], capture_output=True, text=True, env=environment(), timeout=120)
    said = {}
    for path, text in re.findall("\x02(.*?)\x03(.*?)\x04", out.stdout, re.S):
        message = re.search(r'message: "(.*?)" \}\)\)', text, re.S)
        text = message.group(1).encode("latin-1", "backslashreplace").decode("unicode_escape") if message else text
        text = re.sub(r"(TOML parse error at line \d+, column \d+)\n.*\n +\| *\^+\n(.*)\n", r"\1: \2", text, flags=re.S)
        said[path] = text
    assert len(said) == len(CASES), out.stderr[-2000:]
    return said


@pytest.mark.parametrize("i", range(len(CASES)))
def test_report_holds_tensorzeros_text(folder, tensorzero, i):
    path = str(folder / f"{i}.toml")
    ran = subprocess.run([binary(), "check", path], capture_output=True, text=True, env=environment(), timeout=30)
    report = ran.stderr
    want = tensorzero[path]
    if "does not support" in report:  # not built yet, and said as such
        assert ran.returncode == 1
    elif want == "OK":
        assert ran.returncode == 0, report
    else:
        assert want in report
        # what only the environment lacks is a warning of the offline check
        assert ran.returncode == 1 or "warning: " in report
