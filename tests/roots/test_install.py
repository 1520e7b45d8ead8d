"""./dev install below a prefix and a destdir: what it places, and what the unit then names."""
import gzip
import os
import subprocess

from root import ROOT


def test_places_the_files_below_destdir_and_names_the_prefix(tmp_path):
    got = subprocess.run([ROOT / "dev", "install", "--prefix", "/opt/gateway", "--destdir", tmp_path], capture_output=True, text=True)
    assert got.returncode == 0, got.stderr[-3000:]
    placed = sorted(os.path.relpath(os.path.join(d, f), tmp_path) for d, _, files in os.walk(tmp_path) for f in files)
    assert placed == [f"opt/gateway/{f}" for f in (
        "bin/signet", "lib/systemd/system/signet.service", "share/bash-completion/completions/signet", "share/doc/signet/changelog.gz",
        "share/doc/signet/copyright", "share/doc/signet/examples/signet.toml", "share/fish/vendor_completions.d/signet.fish",
        "share/man/man1/signet.1.gz", "share/zsh/site-functions/_signet")]
    base = tmp_path / "opt/gateway"
    assert "\nExecStart=/opt/gateway/bin/signet serve --config-file /etc/signet/signet.toml\n" in (base / "lib/systemd/system/signet.service").read_text()
    page = gzip.decompress((base / "share/man/man1/signet.1.gz").read_bytes()).decode()
    assert "Signet 0.1.0" in page and ".SS signet serve" in page and "@" not in page
    assert subprocess.run([base / "bin/signet", "version"], capture_output=True, text=True).stdout.startswith("signet 0.1.0")
    libraries = subprocess.run(["ldd", base / "bin/signet"], capture_output=True, text=True).stdout
    assert "libssl" in libraries and "yyjson" not in libraries and "llhttp" not in libraries


def test_wrong_usage_places_nothing(tmp_path):
    for args, status in ((["--prefix", "relative", "--destdir", tmp_path], 1), (["--nonsense"], 2)):
        assert subprocess.run([ROOT / "dev", "install", *args], capture_output=True).returncode == status
    assert not list(tmp_path.iterdir())
