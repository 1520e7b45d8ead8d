"""The hardened unit under a real systemd: whether the service, and the signer in it, live with all that the unit forbids."""
import http.client
import json
import re
import subprocess
import time

import pytest

from root import ROOT, Booted, Root, free_port, running
from test_debian import MODEL, package


@pytest.fixture(scope="module")
def booted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("booted")
    with Root(folder / "debian") as r:
        r.good("apt-get", "update")
        r.good("apt-get", "install", "-y", "--no-install-recommends", "systemd", "dbus")
        (r.path / "root/signet.deb").write_bytes(package("0.1.0+test").read_bytes())
    with (folder / "boot.log").open("w") as log, Booted(r, log) as b:
        yield b


def installed(booted):
    """With a free port: 3000 may be someone else's here. (An administrator may place a configuration before the package.)"""
    toml = booted.root.path / "etc/signet/signet.toml"
    if not toml.exists():
        toml.parent.mkdir()
        toml.write_text((ROOT / "packaging/signet.toml").read_text().replace("127.0.0.1:3000", f"127.0.0.1:{free_port()}"))
        booted.good("apt-get", "install", "-y", "--no-install-recommends", "-o", "Dpkg::Options::=--force-confold", "/root/signet.deb")
    return toml


def port(booted):
    return int(re.search(r':(\d+)"', (booted.root.path / "etc/signet/signet.toml").read_text()).group(1))


def request(booted, path, body=None):
    c = http.client.HTTPConnection("127.0.0.1", port(booted), timeout=20)
    c.request("POST" if body else "GET", path, json.dumps(body) if body else None, {"content-type": "application/json"})
    answer = c.getresponse()
    return answer.status, answer.read().decode()


def wait_up(booted):
    for _ in range(200):
        try:
            if request(booted, "/health")[0] == 200:
                return
        except OSError:
            time.sleep(0.05)
    raise AssertionError(booted.run("journalctl", "-u", "signet", "--no-pager").stdout[-3000:])


def main_pid(booted):
    return booted.good("systemctl", "show", "-P", "MainPID", "signet").strip()


def test_installing_enables_and_starts_the_service(booted):
    installed(booted)
    wait_up(booted)
    assert booted.good("systemctl", "is-enabled", "signet").strip() == "enabled"
    assert booted.good("systemctl", "is-active", "signet").strip() == "active"


def test_runs_as_its_user_without_capabilities_behind_a_filter(booted):
    installed(booted)
    status = booted.good("cat", f"/proc/{main_pid(booted)}/status")
    field = lambda name: re.search(rf"^{name}:\s+(\S+)", status, re.M).group(1)
    assert field("Uid") == booted.good("id", "-u", "signet").strip() != "0"
    assert int(field("CapEff"), 16) == int(field("CapBnd"), 16) == 0
    assert field("NoNewPrivs") == "1" and field("Seccomp") == "2"


def test_signs_and_records_under_the_unit_s_limits(booted):
    toml = installed(booted)
    with running(subprocess.Popen(["python3", ROOT / "examples/developer-api/server.py", "--port", "0"], stdout=subprocess.PIPE, text=True)) as api:
        at = int(api.stdout.readline().split()[-1])
        toml.write_text(toml.read_text() + MODEL)
        (toml.parent / "environment").write_text(f"API_ENDPOINT=http://127.0.0.1:{at}/stream/chat\nDEVICE_ID=d-1\nSID=s-1\n")
        subprocess.run([ROOT / "examples/signers/hmac/build.sh", toml.parent / "rust_proxy/sign_bg.wasm"], check=True)
        (toml.parent / "rust_proxy").chmod(0o755)
        booted.good("systemctl", "restart", "signet")
        wait_up(booted)
        got, body = request(booted, "/v1/chat/completions", {"model": "rust-proxy", "messages": [{"role": "user", "content": "a bittern"}]})
        assert got == 200 and json.loads(body)["object"] == "chat.completion", body
    assert list((booted.root.path / "var/lib/signet/modules").glob("*.cwasm"))
    assert "bittern" in booted.good("signet", "log", "grep", "bittern", "--data-dir", "/var/lib/signet")


def test_is_started_again_after_a_crash_and_stops_by_draining(booted):
    installed(booted)
    first = main_pid(booted)
    booted.good("sh", "-c", f"kill -9 {first}")
    time.sleep(2.5)
    wait_up(booted)
    assert main_pid(booted) not in ("0", first)
    booted.good("systemctl", "stop", "signet")
    assert booted.good("systemctl", "show", "-P", "Result", "signet").strip() == "success"


def test_an_upgrade_restarts_it_and_a_removal_stops_it(booted):
    installed(booted)
    booted.good("systemctl", "start", "signet")
    wait_up(booted)
    first, listened = main_pid(booted), port(booted)
    booted.good("apt-get", "install", "-y", "--reinstall", "-o", "Dpkg::Options::=--force-confold", "/root/signet.deb")
    wait_up(booted)
    assert main_pid(booted) not in ("0", first)
    booted.good("apt-get", "purge", "-y", "signet")
    with pytest.raises(ConnectionRefusedError):
        http.client.HTTPConnection("127.0.0.1", listened, timeout=2).connect()
    assert booted.run("systemctl", "is-active", "signet").stdout.strip() != "active"
