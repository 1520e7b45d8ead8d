"""The compose files, the Dockerfile and the Kubernetes example: what they must say (the guide's names, guards, ports, checks)."""
import os
import subprocess
import sys

import pytest
import yaml

from compose import QUICKSTART, ROOT, Refused, readers

sys.path.insert(0, str(ROOT / "tests/roots"))
from dockerfile import instructions  # noqa: E402

GUIDE, SQLITE = QUICKSTART / "docker-compose-rustproxy.yml", QUICKSTART / "docker-compose-sqlite.yml"
FOUR = {"API_ENDPOINT": "https://api.example.com/stream/chat", "DEVICE_ID": "d-1", "SID": "s-1"}
CLICKHOUSE_URL = "http://chuser:chpassword@clickhouse:8123/tensorzero"


@pytest.fixture(params=readers(), ids=lambda r: r.__name__)
def read(request):
    return request.param


def test_the_guide_s_services_ports_and_dependencies(read):
    services = read(GUIDE, FOUR)["services"]
    assert sorted(services) == ["clickhouse", "gateway", "ui"]
    assert {n: s["ports"] for n, s in services.items()} == {"clickhouse": {8123: 8123}, "gateway": {3000: 3000}, "ui": {4000: 4000}}
    assert set(services["gateway"]["depends_on"]) == {"clickhouse"} and set(services["ui"]["depends_on"]) == {"clickhouse", "gateway"}
    assert all(d["condition"] == "service_healthy" for n in ("gateway", "ui") for d in services[n]["depends_on"].values())
    assert services["clickhouse"]["image"] == "clickhouse/clickhouse-server:24.12-alpine"


def test_only_signet_s_images_differ_and_they_come_from_this_checkout(read):
    services = read(GUIDE, FOUR)["services"]
    for name, image in [("gateway", "signet/gateway"), ("ui", "signet/ui")]:
        s = services[name]
        assert (s["image"], s["pull_policy"], s["build"]["target"]) == (image, "build", name)
        context = os.path.normpath(os.path.join(QUICKSTART, s["build"]["context"]))
        assert context == str(ROOT) and (ROOT / s["build"]["dockerfile"]).exists()
    stages = [rest.split()[-1] for word, rest in instructions((ROOT / "packaging/Dockerfile").read_text()) if word == "FROM"]
    assert {"gateway", "ui"} <= set(stages)


@pytest.mark.parametrize("service", ["gateway", "ui"])
def test_the_guide_s_variables_reach_both_services(read, service):
    env = read(GUIDE, FOUR | {"OS_TYPE": "7"})["services"][service]["environment"]
    assert {k: env[k] for k in ("API_ENDPOINT", "DEVICE_ID", "SID", "OS_TYPE")} == FOUR | {"OS_TYPE": "7"}
    assert env["TENSORZERO_CLICKHOUSE_URL"] == CLICKHOUSE_URL
    assert service == "gateway" or env["TENSORZERO_GATEWAY_URL"] == "http://gateway:3000"
    assert read(GUIDE, FOUR)["services"][service]["environment"]["OS_TYPE"] == "3"


@pytest.mark.parametrize("file", [GUIDE, SQLITE], ids=lambda f: f.name)
@pytest.mark.parametrize("missing", sorted(FOUR))
def test_a_missing_variable_is_refused_by_name(read, file, missing):
    with pytest.raises(Refused, match=f"Environment variable {missing} must be set."):
        read(file, {k: v for k, v in FOUR.items() if k != missing})


@pytest.mark.parametrize("file", [GUIDE, SQLITE], ids=lambda f: f.name)
def test_the_gateway_s_command_configuration_and_data(read, file):
    config = read(file, FOUR)
    gateway = config["services"]["gateway"]
    assert gateway["command"] == ["--config-file", "/app/config/tensorzero-rustproxy.toml"]
    assert gateway["mounts"]["/app/config"] == ("./config", True) and (QUICKSTART / "config/tensorzero-rustproxy.toml").exists()
    assert gateway["mounts"]["/var/lib/signet"] == ("signet-data", False) and "signet-data" in config["volumes"]
    assert gateway["stop_grace_period"] in ("60s", "1m0s")


@pytest.mark.parametrize("file", [GUIDE, SQLITE], ids=lambda f: f.name)
def test_health_checks(read, file):
    services = read(file, FOUR)["services"]
    check = services["gateway"]["healthcheck"]
    assert check["test"] == ["CMD", "wget", "--no-verbose", "--tries=1", "--spider", "http://localhost:3000/health"]
    assert check["start_period"] == check["start_interval"] == check["timeout"] == "1s"
    if file == GUIDE:
        test = services["clickhouse"]["healthcheck"]["test"]
        assert (test if isinstance(test, str) else test[-1]) == "wget --spider --tries 1 http://chuser:chpassword@clickhouse:8123/ping"


def test_without_clickhouse_nothing_speaks_of_it(read):
    services = read(SQLITE, FOUR)["services"]
    assert sorted(services) == ["gateway", "ui"] and "clickhouse" not in str(services).lower()
    assert services["ui"]["environment"]["TENSORZERO_GATEWAY_URL"] == "http://gateway:3000" and services["ui"]["ports"] == {4000: 4000}


def test_the_image_has_what_the_compose_files_take_for_granted():
    lines = instructions((ROOT / "packaging/Dockerfile").read_text())
    runtime = lines[[i for i, (w, r) in enumerate(lines) if w == "FROM" and r.endswith(" AS runtime")][0]:]
    words = lambda word: [r for w, r in runtime if w == word]
    assert " wget " in words("RUN")[0] and "--uid 10001" in words("RUN")[0] and words("USER") == ["10001:10001"]
    assert words("ENTRYPOINT")[-1] == '["signet"]' and "SIGNET_DATA_DIR=/var/lib/signet" in words("ENV")
    assert words("WORKDIR") == ["/app"] and len(words("HEALTHCHECK")) == 2


@pytest.fixture(scope="module")
def kubernetes():
    return {d["kind"]: d for d in yaml.safe_load_all((ROOT / "examples/kubernetes/signet.yaml").read_text())}


def test_kubernetes_has_a_deployment_a_service_and_probes(kubernetes):
    assert sorted(kubernetes) == ["ConfigMap", "Deployment", "PersistentVolumeClaim", "Service"]
    spec = kubernetes["Deployment"]["spec"]
    pod, container = spec["template"]["spec"], spec["template"]["spec"]["containers"][0]
    assert spec["replicas"] == 1 and spec["strategy"]["type"] == "Recreate"  # a data directory belongs to one process
    assert {p: container[p]["httpGet"]["path"] for p in ("startupProbe", "readinessProbe", "livenessProbe")} == {
        "startupProbe": "/health", "readinessProbe": "/health", "livenessProbe": "/status"}
    assert pod["securityContext"]["runAsUser"] == 10001 and container["securityContext"]["readOnlyRootFilesystem"]
    assert pod["terminationGracePeriodSeconds"] > 40
    volumes = {v["name"] for v in pod["volumes"]}
    assert {m["name"] for m in container["volumeMounts"]} == volumes
    selector, port = kubernetes["Service"]["spec"]["selector"], kubernetes["Service"]["spec"]["ports"][0]
    assert selector.items() <= spec["template"]["metadata"]["labels"].items()
    assert port["targetPort"] == container["ports"][0]["name"] and container["ports"][0]["containerPort"] == 3000


@pytest.mark.parametrize("what", ["kubernetes", "compose", "package"])
def test_the_configurations_that_ship_are_valid(what, kubernetes, tmp_path):
    text = {"kubernetes": lambda: kubernetes["ConfigMap"]["data"]["signet.toml"],
            "compose": (QUICKSTART / "config/tensorzero-rustproxy.toml").read_text,
            "package": (ROOT / "packaging/signet.toml").read_text}[what]()
    (tmp_path / "rust_proxy").mkdir()
    subprocess.run([ROOT / "examples/signers/hmac/build.sh", tmp_path / "rust_proxy/sign_bg.wasm"], check=True)
    # and what is commented out there, as who takes the marks away has it
    (tmp_path / "signet.toml").write_text(text)
    (tmp_path / "all.toml").write_text("\n".join(l.removeprefix("# ") if l.startswith(("# [", "# routing", "# type", "# model_name", "# api_")) else l for l in text.splitlines()))
    for file in ("signet.toml", "all.toml"):
        got = subprocess.run([os.environ.get("SIGNET_BIN", ROOT / "build/signet"), "check", tmp_path / file], capture_output=True, text=True)
        assert got.returncode == 0, got.stderr
