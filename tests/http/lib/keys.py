"""`signet keys` beside a gateway, and requests with what it made."""
import json
import os
import subprocess

from .signet import binary


def run(data_dir, *args, status=0):
    """stdout of `signet keys ...`."""
    env = {**os.environ, "SIGNET_DATA_DIR": data_dir}
    done = subprocess.run([binary(), "keys", *args], env=env, capture_output=True, text=True, timeout=60)
    assert done.returncode == status, (args, done.returncode, done.stderr)
    return done.stdout if status == 0 else done.stderr


def create(data_dir, *args):
    out = run(data_dir, "create", *args)
    assert out.count("\n") == 1
    return out.strip()


def public_id(key):
    return key.split("-")[2]


def listed(data_dir):
    return [json.loads(line) for line in run(data_dir, "list", "--json").splitlines()]


def bearer(key):
    return ("authorization", f"Bearer {key}")
