"""The formats that an upstream of the tests speaks, each a row: how a provider of it stands in the configuration.

A new wire is a row here and a file in lib/model that speaks it.
"""
from dataclasses import dataclass


@dataclass(frozen=True)
class Wire:
    name: str
    provider: str  # TOML of the provider; {url} and {model} are filled in
    thinks: bool = True  # its thoughts reach the client


KEY = "sk-mock-upstream"
ENV = {"MOCK_KEY": KEY}  # of the gateway's process

WIRES = {w.name: w for w in (
    Wire("chat", 'type = "openai"\nmodel_name = "{model}"\napi_base = "{url}/v1/"\napi_key_location = "env::MOCK_KEY"\n'),
    Wire("responses", 'type = "openai"\napi_type = "responses"\nmodel_name = "{model}"\napi_base = "{url}/v1/"\napi_key_location = "env::MOCK_KEY"\n'),
    Wire("messages", 'type = "anthropic"\nmodel_name = "{model}"\napi_base = "{url}/v1/"\napi_key_location = "env::MOCK_KEY"\n'),
)}

# A body signed by the sample signer, and the provider that has a signer of its own. {signer} is its path.
SIGNED = 'signer = {{ path = "{signer}", device_id = "d" }}\n'
DEVAPI = Wire("developer API", 'type = "rust-proxy"\nmodel_name = "{model}"\napi_endpoint = "{url}/stream/chat"\ndevice_id = "d"\nsession_id = "s"\n'
              'estimate_usage = true\nsigner = {{ path = "{signer}" }}\n', thinks=False)


def model_toml(name, wire, url, model_name="mock-model", more="", signer=""):
    """TOML of a model with one provider, p, of that wire."""
    provider = (wire.provider + more).format(url=url, model=model_name, signer=signer)
    return f'[models."{name}"]\nrouting = ["p"]\n[models."{name}".providers.p]\n{provider}\n'
