"""The Debian package in a bare Debian 12: installed, started as its own user, upgraded, removed and purged.

The tests follow each other on one root. No systemd runs in it, so the service is started as its unit says: the unit's own
ExecStart, environment and user. What the unit forbids is judged by tests/packages/test_unit.py.
"""
import http.client
import json
import pathlib
import re
import shlex
import shutil
import subprocess
import time

import pytest

from root import ROOT, Root, free_port, running

MODEL = """
[models.rust-proxy]
routing = ["devapi"]

[models.rust-proxy.providers.devapi]
type = "rust-proxy"
model_name = "claude-3.5-sonnet"
"""


def package(version=None):
    built = subprocess.run([ROOT / "dev", "package", *(["--version", version] if version else [])], capture_output=True, text=True)
    assert built.returncode == 0, built.stderr[-3000:]
    return ROOT / built.stdout.strip().splitlines()[-1]


@pytest.fixture(scope="module")
def debs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("debs")
    return [pathlib.Path(shutil.move(package(v), folder)) for v in ("0.1.0+test", "0.2.0+test")]


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    with Root(tmp_path_factory.mktemp("root") / "debian") as r:
        r.good("apt-get", "update")
        yield r


@pytest.fixture(scope="module")
def sample_api():
    """The sample developer API on the host: the root has the host's network."""
    api = subprocess.Popen(["python3", ROOT / "examples/developer-api/server.py", "--port", "0"], stdout=subprocess.PIPE, text=True)
    with running(api):
        yield int(api.stdout.readline().split()[-1])


def apt(root, *args, env=None):
    return root.good("apt-get", "install", "-y", "--no-install-recommends", *args, env=env)


def place(root, deb):
    (root.path / "tmp" / deb.name).write_bytes(deb.read_bytes())
    return f"/tmp/{deb.name}"


def stat(root, path):
    return root.good("stat", "-c", "%a %U:%G", path).strip()


def unit(root):
    """The lines of the unit's [Service], as {key: [values]}."""
    keys = {}
    for line in (root.path / "usr/lib/systemd/system/signet.service").read_text().splitlines():
        if "=" in line and not line.startswith("#"):
            key, value = line.split("=", 1)
            keys.setdefault(key, []).append(value)
    return keys


class Service:
    def __init__(self, root):
        u, self.root = unit(root), root
        env = dict(shlex.split(v)[0].split("=", 1) for v in u["Environment"])
        extra = root.path / u["EnvironmentFile"][0].lstrip("-/")
        if extra.exists():
            env |= dict(line.split("=", 1) for line in extra.read_text().split())
        self.port = int(re.search(r':(\d+)"', (root.path / "etc/signet/signet.toml").read_text()).group(1))
        self.process = subprocess.Popen(root.command(*shlex.split(u["ExecStart"][0]), user=f"{u['User'][0]}:{u['Group'][0]}", env=env),
                                        stderr=subprocess.PIPE, text=True)
        self.wait_up()

    def wait_up(self):
        for _ in range(200):
            try:
                if self.get("/health")[0] == 200:
                    return
            except OSError:
                pass
            assert self.process.poll() is None, self.process.stderr.read()
            time.sleep(0.05)
        raise AssertionError("the service did not come up")

    def get(self, path, body=None):
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        c.request("POST" if body else "GET", path, json.dumps(body) if body else None, {"content-type": "application/json"})
        answer = c.getresponse()
        return answer.status, answer.read().decode()

    def ask(self, text):
        status, body = self.get("/v1/chat/completions", {"model": "rust-proxy", "messages": [{"role": "user", "content": text}]})
        assert status == 200 and json.loads(body)["object"] == "chat.completion", body

    def stop(self):
        self.process.terminate()
        assert self.process.wait(60) == 0, self.process.stderr.read()


def recorded(root, word):
    return root.run("signet", "log", "grep", word, "--data-dir", "/var/lib/signet", user="signet:signet").stdout


def test_installs_with_nothing_but_the_distribution_s_packages(root, debs):
    apt(root, place(root, debs[0]))
    have = root.good("dpkg-query", "-W", "-f", "${Package} ${db:Status-Status}\n")
    assert "signet installed" in have and "yyjson" not in have and "llhttp" not in have
    assert "not found" not in root.good("ldd", "/usr/bin/signet")
    assert root.good("dpkg", "--verify", "signet") == ""
    assert root.good("signet", "version").startswith("signet 0.1.0 (TensorZero 2026.6.0)")


def test_makes_its_user_and_its_modes(root):
    assert re.fullmatch(r"signet:x:\d{3}:\d{3}:[^:]*:/var/lib/signet:/usr/sbin/nologin\n", root.good("getent", "passwd", "signet"))
    assert stat(root, "/etc/signet/signet.toml") == "640 root:signet"
    assert stat(root, "/var/lib/signet") == "700 signet:signet"
    assert root.good("dpkg-query", "-W", "-f", "${Conffiles}", "signet").split()[0] == "/etc/signet/signet.toml"
    assert (root.path / "etc/systemd/system/multi-user.target.wants/signet.service").is_symlink()


def test_what_it_ships_is_valid_and_another_user_cannot_read_its_configuration(root):
    assert "valid" in root.good("signet", "check", "/etc/signet/signet.toml", user="signet:signet")
    assert root.run("cat", "/etc/signet/signet.toml", user="nobody").returncode != 0
    for file in ("man/man1/signet.1.gz", "bash-completion/completions/signet", "zsh/vendor-completions/_signet",
                 "fish/vendor_completions.d/signet.fish", "doc/signet/copyright", "doc/signet/examples/signet.toml"):
        assert (root.path / "usr/share" / file).stat().st_size > 0, file


def test_starts_as_its_own_user_as_shipped(root):
    toml = root.path / "etc/signet/signet.toml"
    shipped = toml.read_text()
    toml.write_text(shipped.replace("127.0.0.1:3000", f"127.0.0.1:{free_port()}"))  # 3000 may be someone else's here
    service = Service(root)
    with running(service.process):
        assert service.get("/health")[0] == 200
        service.stop()
    foreign = root.good("find", "/var/lib/signet", "(", "-not", "-user", "signet", "-o", "-perm", "/077", ")")
    assert foreign == "" and (root.path / "var/lib/signet/signet.db").exists()
    toml.write_text(shipped)


def test_answers_a_signed_request_and_records_it(root, sample_api):
    toml = root.path / "etc/signet/signet.toml"
    toml.write_text(toml.read_text().replace("127.0.0.1:3000", f"127.0.0.1:{free_port()}") + MODEL)
    (root.path / "etc/signet/environment").write_text(f"API_ENDPOINT=http://127.0.0.1:{sample_api}/stream/chat\nDEVICE_ID=d-1\nSID=s-1\n")
    subprocess.run([ROOT / "examples/signers/hmac/build.sh", root.path / "etc/signet/rust_proxy/sign_bg.wasm"], check=True)
    root.good("chmod", "755", "/etc/signet/rust_proxy")
    service = Service(root)
    with running(service.process):
        service.ask("a pelican before the upgrade")
        service.stop()
    assert "pelican" in recorded(root, "pelican")


def test_an_upgrade_keeps_configuration_data_and_modes(root, debs):
    toml = root.path / "etc/signet/signet.toml"
    before = toml.read_text()
    apt(root, place(root, debs[1]))
    assert root.good("dpkg-query", "-W", "-f", "${Version}", "signet") == "0.2.0+test"
    assert toml.read_text() == before and stat(root, "/etc/signet/signet.toml") == "640 root:signet"
    assert stat(root, "/var/lib/signet") == "700 signet:signet"
    service = Service(root)
    with running(service.process):
        service.ask("a heron after the upgrade")
        service.stop()
    assert "pelican" in recorded(root, "pelican") and "heron" in recorded(root, "heron")


def test_an_administrator_s_own_mode_survives_an_upgrade(root, debs):
    root.good("chown", "root:nogroup", "/etc/signet/signet.toml")
    root.good("chmod", "644", "/etc/signet/signet.toml")
    root.good("apt-get", "install", "-y", "--allow-downgrades", place(root, debs[0]))
    assert stat(root, "/etc/signet/signet.toml") == "644 root:nogroup"


def test_removal_keeps_configuration_and_data(root):
    root.good("apt-get", "remove", "-y", "signet")
    assert not (root.path / "usr/bin/signet").exists()
    assert (root.path / "etc/signet/signet.toml").exists() and (root.path / "var/lib/signet/signet.db").exists()


def test_purge_keeps_the_data_and_says_so(root, debs):
    said = root.run("apt-get", "purge", "-y", "signet")
    assert said.returncode == 0 and "the record is kept in /var/lib/signet" in said.stdout + said.stderr
    assert not (root.path / "etc/signet/signet.toml").exists()
    assert (root.path / "etc/signet/rust_proxy/sign_bg.wasm").exists()  # the administrator's own
    assert stat(root, "/var/lib/signet/signet.db") == "600 signet:signet"  # its user is still there to own it
    apt(root, place(root, debs[0]))
    assert "pelican" in recorded(root, "pelican")


def test_purge_deletes_the_data_when_asked(root):
    root.good("apt-get", "purge", "-y", "signet", env={"SIGNET_PURGE_DATA": "1"})
    assert not (root.path / "var/lib/signet").exists()
    assert root.run("getent", "passwd", "signet").returncode == 2
    assert not list((root.path / "etc/systemd/system").rglob("signet*"))
