"""Every RUN line of packaging/Dockerfile in bare roots, then what the images would start, started there.

The first run compiles the engines in the root, with the distribution's Rust: minutes. Later ones find them in the cache mount.
"""
import http.client
import json
import pathlib
import re
import subprocess
import time

import pytest

from dockerfile import Dockerfile, instructions
from root import ROOT, running

FILE = ROOT / "packaging/Dockerfile"


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    docker = Dockerfile(FILE, tmp_path_factory.mktemp("stages"))
    stage = docker.build("gateway")
    stage.docker = docker
    return stage


def test_every_run_line_ran(gateway):
    ran = [line for stage in gateway.docker.stages.values() for line in stage.ran]
    written = [re.sub(r"--mount=\S+\s*", "", rest) for word, rest in instructions(FILE.read_text()) if word == "RUN"]
    assert ran == written and len(ran) == 4


def test_the_last_stage_is_the_gateway_and_it_carries_no_build_tools(gateway):
    assert [rest for word, rest in instructions(FILE.read_text()) if word == "FROM"][-1].endswith(" AS gateway")
    have = gateway.root.good("dpkg-query", "-W", "-f", "${Package}\n").split()
    assert "signet" in have and not {"gcc", "cargo-web", "rustc-web", "meson", "libyyjson0"} & set(have)
    size = int(subprocess.run(["du", "-sxm", "--exclude=proc", gateway.root.path], capture_output=True, text=True).stdout.split()[0])
    base = int(subprocess.run(["du", "-sxm", gateway.docker.stages["build"].root.path], capture_output=True, text=True).stdout.split()[0])
    print(f"gateway root {size} MB, build root {base} MB")
    assert size < 240 and size < base / 2


def test_user_data_and_entrypoint(gateway):
    assert (gateway.user, gateway.entrypoint, gateway.volumes, gateway.ports) == ("10001:10001", ["signet"], ["/var/lib/signet"], [3000])
    assert gateway.env["SIGNET_DATA_DIR"] == "/var/lib/signet"
    assert gateway.root.good("stat", "-c", "%u:%g %a", "/var/lib/signet").strip() == "10001:10001 700"


def start(gateway, *command, env=None):
    return subprocess.Popen(gateway.root.command(*gateway.entrypoint, *command, user=gateway.user, cwd=gateway.workdir, env=gateway.env | (env or {})),
                            stderr=subprocess.PIPE, text=True)


def health(gateway, port):
    return gateway.root.run(*[a.replace(":3000", f":{port}") for a in gateway.health], user=gateway.user)


def test_a_signed_answer_from_the_image_s_entrypoint_and_its_health_check(gateway, tmp_path):
    """As the compose file starts it: the same command, ./config at /app/config."""
    config = gateway.root.path / "app/config"
    config.mkdir(parents=True)
    (config / "tensorzero-rustproxy.toml").write_text((ROOT / "examples/quickstart/config/tensorzero-rustproxy.toml").read_text())
    subprocess.run([ROOT / "examples/signers/hmac/build.sh", config / "rust_proxy/sign_bg.wasm"], check=True)
    (config / "rust_proxy").chmod(0o755)
    with running(subprocess.Popen(["python3", ROOT / "examples/developer-api/server.py", "--port", "0"], stdout=subprocess.PIPE, text=True)) as api:
        at = int(api.stdout.readline().split()[-1])
        with gateway.root:
            env = {"API_ENDPOINT": f"http://127.0.0.1:{at}/stream/chat", "DEVICE_ID": "d-1", "SID": "s-1", "TENSORZERO_GATEWAY_BIND_ADDRESS": "0.0.0.0:0"}
            with running(start(gateway, "--config-file", "/app/config/tensorzero-rustproxy.toml", env=env)) as signet:
                lines = []
                while not (found := re.search(r"listening on [\d.]+:(\d+)", line := signet.stderr.readline())):
                    lines.append(line)
                    assert line, lines
                port = int(found.group(1))
                assert health(gateway, port).returncode == 0, health(gateway, port).stderr
                c = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
                c.request("POST", "/v1/chat/completions", json.dumps({"model": "rust-proxy", "messages": [{"role": "user", "content": "Hello, world!"}]}),
                          {"content-type": "application/json"})
                answer = c.getresponse()
                assert answer.status == 200 and json.loads(answer.read())["object"] == "chat.completion"
                signet.terminate()
                assert signet.wait(60) == 0
            assert health(gateway, port).returncode != 0, "a health check that cannot fail"
    assert gateway.root.good("find", "/var/lib/signet", "-not", "-uid", "10001") == ""


def test_the_default_command_starts_without_any_file(gateway):
    with gateway.root, running(start(gateway, *gateway.cmd, env={"TENSORZERO_GATEWAY_BIND_ADDRESS": "127.0.0.1:0"})) as signet:
        while "listening on" not in (line := signet.stderr.readline()):
            assert line, "it ended"
        signet.terminate()
        assert signet.wait(60) == 0
