"""A stand-in for `docker compose`, so that the guide's lines run as they stand: it reads the compose file, starts Signet's own binary
with what the file says for a service, and waits for the file's health check. Containers it has none.

up -d, ps, logs SERVICE, exec SERVICE COMMAND…, down. Environment: SHIM_STATE (a folder), SHIM_PORTS ({"3000": 40001, …}), SHIM_SERVICES
(those that run here, the others of the file are passed over), SHIM_DROP (variables that they get from nobody), SIGNET_BIN.
"""
import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import compose

STATE = pathlib.Path(os.environ["SHIM_STATE"])
PORTS = json.loads(os.environ["SHIM_PORTS"])
HERE = os.environ["SHIM_SERVICES"].split()


def local(text, file):
    """A container's view of the world as this machine has it."""
    for port, instead in PORTS.items():
        text = text.replace(f"localhost:{port}", f"127.0.0.1:{instead}")
    return text.replace("host.docker.internal", "127.0.0.1").replace("/app/config", str(file.parent / "config"))


def environment(service, file):
    own = {k: local(v, file) for k, v in service["environment"].items() if k not in os.environ.get("SHIM_DROP", "").split()}
    return {"PATH": os.environ["PATH"], "SIGNET_DATA_DIR": str(STATE / "signet-data"), "TENSORZERO_GATEWAY_BIND_ADDRESS": f"127.0.0.1:{PORTS['3000']}"} | own


def healthy(service, file):
    test = [local(part, file) for part in service["healthcheck"]["test"]]
    assert test[0] == "CMD"
    return subprocess.run(test[1:], capture_output=True).returncode == 0


def up(services, file):
    for name in HERE:
        with (STATE / f"{name}.log").open("w") as log:
            process = subprocess.Popen([os.environ["SIGNET_BIN"], *(local(part, file) for part in services[name]["command"])], cwd=STATE,
                                       env=environment(services[name], file), stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True)
        (STATE / f"{name}.pid").write_text(str(process.pid))
        end = time.monotonic() + 30
        while not healthy(services[name], file):
            if process.poll() is not None or time.monotonic() > end:
                sys.exit(f"dependency failed to start: container {name} is unhealthy")
            time.sleep(0.1)


def down():
    for name in HERE:
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
