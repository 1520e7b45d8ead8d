"""A stand-in for `docker compose`, so that the guide's lines run as they stand: it reads the compose file, starts Signet's own binary
with what the file says for a service, and waits for the file's health check. Containers it has none.

up -d, ps, logs SERVICE, exec SERVICE COMMAND…, down. Environment: SHIM_STATE (a folder), SHIM_PORTS ({"3000": 40001, …}), SHIM_SERVICES
(those that run here, the others of the file are passed over), SHIM_DROP (variables that they get from nobody), SIGNET_BIN.
What a service's image starts, and its health check where the compose file has none, stand in packaging/Dockerfile.
"""
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import time

import compose

sys.path.insert(0, str(compose.ROOT / "tests/roots"))
import dockerfile  # noqa: E402

STATE = pathlib.Path(os.environ["SHIM_STATE"])
PORTS = json.loads(os.environ["SHIM_PORTS"])
HERE = os.environ["SHIM_SERVICES"].split()


def local(text, file):
    """A container's view of the world as this machine has it: names of services and their ports, the folder that is mounted."""
    for port, instead in PORTS.items():
        text = re.sub(rf"\b(localhost|gateway|ui|clickhouse|0\.0\.0\.0):{port}\b", f"127.0.0.1:{instead}", text)
    return text.replace("host.docker.internal", "127.0.0.1").replace("/app/config", str(file.parent / "config"))


def image(service):
    """(entrypoint, health check) of the stage that the service is built from."""
    found, stage = {}, None
    for word, rest in dockerfile.instructions((compose.ROOT / "packaging/Dockerfile").read_text()):
        stage = rest.split()[-1] if word == "FROM" else stage
        if stage == service["build"]["target"] and word in ("ENTRYPOINT", "HEALTHCHECK"):
            found[word] = json.loads(rest[rest.index("["):])
    return found["ENTRYPOINT"], found["HEALTHCHECK"]


def environment(service, file):
    own = {k: local(v, file) for k, v in service["environment"].items() if k not in os.environ.get("SHIM_DROP", "").split()}
    bind = {"TENSORZERO_GATEWAY_BIND_ADDRESS": f"127.0.0.1:{PORTS['3000']}"} if service["build"]["target"] == "gateway" else {}
    return {"PATH": os.environ["PATH"], "SIGNET_DATA_DIR": str(STATE / "signet-data")} | bind | own


def healthy(service, file):
    test = service["healthcheck"]["test"] if "healthcheck" in service else ["CMD", *image(service)[1]]
    assert test[0] == "CMD"
    return subprocess.run([local(part, file) for part in test[1:]], capture_output=True).returncode == 0


def up(services, file):
    for name in HERE:
        with (STATE / f"{name}.log").open("w") as log:
            (program, *first), _ = image(services[name])
            assert program == "signet"
            process = subprocess.Popen([os.environ["SIGNET_BIN"], *(local(part, file) for part in [*first, *services[name].get("command", [])])], cwd=STATE,
                                       env=environment(services[name], file), stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True)
        (STATE / f"{name}.pid").write_text(str(process.pid))
        end = time.monotonic() + 30
        while not healthy(services[name], file):
            if process.poll() is not None or time.monotonic() > end:
                sys.exit(f"dependency failed to start: container {name} is unhealthy")
            time.sleep(0.1)


def down():
    for name in reversed(HERE):
        pid = int((STATE / f"{name}.pid").read_text())
        os.kill(pid, signal.SIGTERM)
        end = time.monotonic() + 60
        while pathlib.Path(f"/proc/{pid}").exists() and pathlib.Path(f"/proc/{pid}/stat").read_text().split(") ")[1][0] != "Z":
            if time.monotonic() > end:
                sys.exit(f"container {name} did not stop")
            time.sleep(0.05)


def main(argv):
    assert argv[:2] == ["compose", "-f"], argv
    file, (word, *rest) = pathlib.Path(argv[2]).resolve(), argv[3:]
    try:
        services = compose.by_hand(file, os.environ)["services"]
    except compose.Refused as e:
        sys.exit(f"error while interpolating: {e}")
    if word == "up":
        assert rest == ["-d"]
        up(services, file)
    elif word == "ps":
        for name in HERE:
            print(name, services[name]["image"], "healthy" if healthy(services[name], file) else "unhealthy")
    elif word == "logs":
        print((STATE / f"{rest[0]}.log").read_text(), end="")
    elif word == "exec":
        assert rest[1] == "signet"
        sys.exit(subprocess.run([os.environ["SIGNET_BIN"], *rest[2:]], cwd=STATE, env=environment(services[rest[0]], file)).returncode)
    elif word == "down":
        down()
    else:
        sys.exit(f"docker_shim: {word} is not known here")


if __name__ == "__main__":
    main(sys.argv[1:])
