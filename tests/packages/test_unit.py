"""packaging/signet.service: what systemd itself thinks of it. tests/roots runs it."""
import pathlib
import re
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
EXPOSURE_MAX = 1.5  # of 10; what is left is the network and the compiler of WebAssembly


@pytest.fixture
def unit(tmp_path):
    file = tmp_path / "signet.service"
    file.write_text((ROOT / "packaging/signet.service").read_text().replace("@PREFIX@/bin/signet", "/bin/true"))
    return file


def analyze(*args):
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd-analyze is not installed")
    return subprocess.run(["systemd-analyze", *map(str, args)], capture_output=True, text=True)


def test_systemd_finds_nothing_wrong_with_it(unit):
    got = analyze("verify", "--man=no", unit)
    mine = [l for l in got.stderr.splitlines() if "signet.service" in l]
    assert not mine and got.returncode == 0, got.stderr


def test_its_exposure_is_small(unit):
    got = analyze("security", "--offline=true", unit)
    if "unrecognized option" in got.stderr:
        pytest.skip("this systemd-analyze cannot judge a file (before 250)")
    exposure = float(re.search(r"exposure level for signet.service: ([\d.]+)", got.stdout).group(1))
    assert exposure <= EXPOSURE_MAX, got.stdout


def test_a_unit_without_its_hardening_would_be_noticed(unit):
    unit.write_text(re.sub(r"(?m)^(Protect|Restrict|System|Private|Cap|NoNew).*\n", "", unit.read_text()))
    got = analyze("security", "--offline=true", unit)
    if "unrecognized option" in got.stderr:
        pytest.skip("this systemd-analyze cannot judge a file (before 250)")
    assert float(re.search(r"exposure level for signet.service: ([\d.]+)", got.stdout).group(1)) > 5


def test_names_files_and_stop_time_as_documented():
    text = (ROOT / "packaging/signet.service").read_text()
    for line in ("User=signet", "StateDirectory=signet", "StateDirectoryMode=0700", "ExecStart=@PREFIX@/bin/signet serve --config-file /etc/signet/signet.toml",
                 "Environment=SIGNET_DATA_DIR=/var/lib/signet", "Restart=on-failure", "Type=notify", "ExecReload=/bin/kill -HUP $MAINPID"):
        assert f"\n{line}\n" in text
    assert int(re.search(r"TimeoutStopSec=(\d+)", text).group(1)) > 30 + 10  # drain_s and shutdown_drain_s
