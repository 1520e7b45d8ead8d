"""The two gateways on google.toml, with a service account of their own."""
import atexit
import json
import os
import shutil
import subprocess
import tempfile

from cases_google import HOSTS
from intercept import opened_tokens
from peers import ENV, Ours, TensorZero

FOLDER = tempfile.mkdtemp(prefix="compat-google-")
atexit.register(shutil.rmtree, FOLDER, True)


def credentials():
    key = subprocess.run(["openssl", "genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"], capture_output=True, text=True, check=True).stdout
    path = os.path.join(FOLDER, "sa.json")
    with open(path, "w") as f:
        json.dump({"type": "service_account", "private_key_id": "key1", "private_key": key, "client_email": "sa@proj.iam.gserviceaccount.com"}, f)
    os.chmod(path, 0o600)
    return path


class Google:
    toml_file, hosts = "google.toml", HOSTS
    env = {**ENV, "GCP_VERTEX_CREDENTIALS_PATH": credentials()}

    def run(self, case):
        return opened_tokens(super().run(case))


class TensorZeroGoogle(Google, TensorZero):
    pass


class OursGoogle(Google, Ours):
    pass
