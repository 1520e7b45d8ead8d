"""A compose file as its engine would read it: `docker compose config` where that is installed, and always the same by hand."""
import json
import pathlib
import re
import shlex
import shutil
import subprocess

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
QUICKSTART = ROOT / "examples/quickstart"
VARIABLE = re.compile(r"\$\{(\w+)(?::([?-])([^}]*))?\}")


class Refused(Exception):
    pass


def by_hand(file, env):
    def value(m):
        name, kind, text = m.groups()
        if env.get(name):
            return env[name]
        if kind == "?":
            raise Refused(f"{name}: {text}")
        return text or ""
    config = yaml.safe_load(VARIABLE.sub(value, "\n".join(l for l in file.read_text().splitlines() if not l.lstrip().startswith("#"))))
    for service in config["services"].values():
        if isinstance(service.get("command"), str):
            service["command"] = shlex.split(service["command"])
        service["ports"] = {int(p.split(":")[0]): int(p.split(":")[1]) for p in service.get("ports", [])}
        service["mounts"] = {v.split(":")[1]: (v.split(":")[0], v.endswith(":ro")) for v in service.get("volumes", [])}
        service["environment"] = {k: str(v) for k, v in service.get("environment", {}).items()}
    return config


def by_docker(file, env):
    got = subprocess.run(["docker", "compose", "-f", file, "config", "--format", "json"], env={"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": "/nonexistent"} | env,
                         capture_output=True, text=True)
    if got.returncode:
        raise Refused(got.stderr)
    config = json.loads(got.stdout)
    for service in config["services"].values():
        service["ports"] = {int(p["published"]): p["target"] for p in service.get("ports", [])}
        service["mounts"] = {}
        for v in service.get("volumes", []):
            source = v["source"] if v["type"] == "volume" else "./" + str(pathlib.Path(v["source"]).relative_to(file.parent))
            service["mounts"][v["target"]] = (source, bool(v.get("read_only")))
    return config


def readers():
    docker = shutil.which("docker") and subprocess.run(["docker", "compose", "version"], capture_output=True).returncode == 0
    return [by_hand, by_docker] if docker else [by_hand]
