"""The formats that an upstream of the tests speaks, each a row: how a provider of it stands in the configuration.

A new wire is a row here and a file in lib/model that speaks it.
"""
import os
import subprocess
import tempfile
from dataclasses import dataclass, field

from .model.turn import THOUGHT, seal
from .signet import binary


@dataclass(frozen=True)
class Wire:
    name: str
    provider: str  # TOML of the provider; {url} and {model} are filled in
    model: str = "mock-model"  # as the upstream names it: some types look at the name
    thinks: bool = True  # its thoughts reach the client
    limits: bool = True  # it takes a limit of tokens
    thought_in_history: object = None  # whether an upstream body has the model's own thought, signed; None: it signs none
    cannot: dict = field(default_factory=dict)  # feature: why, for every surface

    @property
    def signs_thoughts(self):
        return self.thought_in_history is not None


KEY = "sk-mock-upstream"
ENV = {"MOCK_KEY": KEY, "AWS_ACCESS_KEY_ID": "AKIDMOCK", "AWS_SECRET_ACCESS_KEY": "mock-secret"}  # of the gateway's process
AWS_KEYS = ""  # the environment's

WIRES = {w.name: w for w in (
    Wire("chat", 'type = "openai"\nmodel_name = "{model}"\napi_base = "{url}/v1/"\napi_key_location = "env::MOCK_KEY"\n'),
    Wire("responses", 'type = "openai"\napi_type = "responses"\nmodel_name = "{model}"\napi_base = "{url}/v1/"\napi_key_location = "env::MOCK_KEY"\n',
         thought_in_history=lambda body: any(i.get("type") == "reasoning" and i.get("encrypted_content") == seal(THOUGHT) for i in body["input"])),
    Wire("messages", 'type = "anthropic"\nmodel_name = "{model}"\napi_base = "{url}/v1/"\napi_key_location = "env::MOCK_KEY"\n', model="claude-sonnet-4-5",
         thought_in_history=lambda body: any(b.get("signature") == seal(THOUGHT) for m in body["messages"] if m["role"] == "assistant" for b in m["content"])),
    Wire("gemini", 'type = "google_ai_studio_gemini"\nmodel_name = "{model}"\napi_base = "{url}/v1beta/"\napi_key_location = "env::MOCK_KEY"\n', model="gemini-2.5-pro",
         thought_in_history=lambda body: any(p.get("thoughtSignature") == seal(THOUGHT) for c in body["contents"] for p in c["parts"])),
    Wire("bedrock", 'type = "aws_bedrock"\nmodel_id = "{model}"\nregion = "us-east-1"\nendpoint_url = "{url}"\n' + AWS_KEYS, model="anthropic.claude-sonnet-4-5-20250929-v1:0",
         thought_in_history=lambda body: any("reasoningContent" in b for m in body["messages"] for b in m["content"])),
    Wire("sagemaker", 'type = "aws_sagemaker"\nendpoint_name = "e"\nmodel_name = "{model}"\nhosted_provider = "openai"\nregion = "us-east-1"\n'
         'endpoint_url = "{url}"\n' + AWS_KEYS),
    Wire("sagemaker tgi", 'type = "aws_sagemaker"\nendpoint_name = "e"\nmodel_name = "{model}"\nhosted_provider = "tgi"\nregion = "us-east-1"\n'
         'endpoint_url = "{url}"\n' + AWS_KEYS, cannot={
             "schema": "TGI's form of chat has no such mode, as in TensorZero: it is left out and said so", "thinking": "TGI's form of chat has no thoughts",
         }),
)}

# A body signed by the sample signer, and the provider that has a signer of its own. {signer} is its path.
SIGNED = 'signer = {{ path = "{signer}", device_id = "d" }}\n'
DEVAPI = Wire("developer API", 'type = "rust-proxy"\nmodel_name = "{model}"\napi_endpoint = "{url}/stream/chat"\ndevice_id = "d"\nsession_id = "s"\n'
              'estimate_usage = true\nsigner = {{ path = "{signer}" }}\n', thinks=False, limits=False, cannot={
                  "tools": "its API takes a text and gives a text: tools are left out, a forced one is refused",
                  "parallel": "as tools", "images": "its API takes text alone", "pdf": "its API takes text alone", "schema": "its API has no such mode",
                  "thinking": "its thoughts come without being asked for", "caching": "its API tells nothing of it", "usage": "its API counts nothing; estimated",
              })


def model_toml(name, wire, url, model_name=None, more="", signer=""):
    """TOML of a model with one provider, p, of that wire."""
    provider = (wire.provider + more).format(url=url, model=model_name or wire.model, signer=signer)
    return f'[models."{name}"]\nrouting = ["p"]\n[models."{name}".providers.p]\n{provider}\n'


def there(toml):
    """Whether this build has the provider types of a configuration's models."""
    with tempfile.NamedTemporaryFile("w", suffix=".toml") as f:
        f.write(toml)
        f.flush()
        done = subprocess.run([binary(), "check", "--config-file", f.name], capture_output=True, text=True, env={**os.environ, **ENV}, timeout=30)
    if done.returncode and "does not support" not in done.stdout + done.stderr:
        raise AssertionError(done.stdout + done.stderr)
    return done.returncode == 0


def allow_for(signet, wires):
    """What an idle gateway keeps after it has called these: AWS's credentials, as first found, are in an arena of their own."""
    if any("aws_" in w.provider for w in wires) and "arenas" in signet.idle:
        signet.idle["arenas"] += 1
