"""Random configurations: a valid one with a line (of one in ten: two) changed, doubled, taken out or added. Asked is what a start says to them; but
TensorZero in a process of ours binds no address, so it cannot say what is wrong with one, nor with a base_path."""
import re

BASE = """\
[gateway]
bind_address = "127.0.0.1:3000"
debug = false
unstable_error_json = false
global_outbound_http_timeout_ms = 5000
[gateway.observability]
enabled = false
[object_storage]
type = "disabled"
[models.m]
routing = ["p", "q"]
timeouts = { non_streaming.total_ms = 1000, streaming.ttft_ms = 500 }
[models.m.providers.p]
type = "openai"
model_name = "x"
api_base = "http://127.0.0.1:9/v1/"
api_key_location = "none"
timeouts = { non_streaming.total_ms = 1000 }
extra_body = [{ pointer = "/a", value = { b = [1, 2.5, "x"] } }, { pointer = "/t", delete = true }]
extra_headers = [{ name = "x-a", value = "b" }]
discard_unknown_chunks = true
content_type_overrides = { "image/webp" = "file" }
[models.m.providers.q]
type = "openai"
model_name = "y"
api_key_location = "env::FUZZ_KEY"
[models.second]
routing = ["p"]
[models.second.providers.p]
type = "openai"
model_name = "z"
api_key_location = { default = "env::FUZZ_KEY", fallback = "none" }
""".splitlines()

VALUES = ['""', '"x"', '"none"', '"env::FUZZ_KEY"', '"env::NOPE"', '"dynamic::k"', '"sdk"', '"path::/nope"', "0", "1", "-1", "1.5", "nan", "inf", "true", "false", "[]", "{}", '["p"]', '["p", "p"]', '["zz"]', "[1]", '[["p"]]', "{ a = 1 }",
          '{ x.y = 1 }', "1979-05-27", "12:00:00", "0x10", "1e3", "18446744073709551615", "9223372036854775807", '"é\\u200d"', "'''a\nb'''", '"openai"', '"http://x.example"', '"https://u:p@x.example/v1"', '" https://x.example/v1 "',
          '"http://127.1:080/a/../b/"', '"http://127.=.0.1/"', '"ftp://x.example/"', '"localhost:80"', '"http://"', '"http://bücher.example/"', '"http://[::1]/"', '"/"', '"x/"', '"disabled"', '"127.0.0.1:80"', '"0.0.0.0:0"', '"[::1]:3000"',
          "{ non_streaming.total_ms = 0 }", "{ streaming.ttft_ms = 0, streaming.total_ms = 0 }", "{ streaming.ttft_ms = 500, streaming.total_ms = 100 }", '{ default = "sdk", fallback = "none" }', '{ default = "none" }', '{ "image/png" = "odd" }', '{ "x" = "file" }',
          '[{ pointer = "/a", value = nan }]', '[{ pointer = "a", value = 1 }]', '[{ pointer = "/a" }]', '[{ pointer = "/a", value = 1, delete = true }]', '[{ pointer = "/a", delete = false }]', "[{ }]", "[1]", '[{ name = "x-a", delete = true }]',
          '[{ name = "a b", value = "c" }]', '[{ name = "x", value = 5 }]', '[{ pointer = 5, value = 1 }]', '[{ model_name = "m", pointer = "/a", value = 1 }]']
ADDED = ["zz = 1", "optimizers = []", "embedding_models = []", "functions = []", "metrics = []", "tools = []", "evaluations = []", "[zz]", "[models.m.zz]", "[gateway.zz]", "[tools]", "[metrics]", "[functions]", "[optimizers]",
         "[embedding_models]", "[provider_types]", "[provider_types.openai]", "[provider_types.openai.defaults]", 'api_key_location = "env::FUZZ_KEY"', "[clickhouse]", "[postgres]", "[rate_limiting]", "models = 1", "[models]", "[[models.m]]",
         '[models."a::b"]', '[models."tensorzero::x"]', '[models."openai::x"]', '[models.""]', "[models.empty]", "routing = []", 'skip_relay = true', 'namespace = "n"', 'namespace = ""', "[gateway.auth]", "enabled = true", "[gateway.cache]",
         "[gateway.export.otlp.traces]", "[gateway.metrics]", "async_writes = true", "api_type = \"responses\"", 'api_type = "odd"', "include_encrypted_reasoning = true", "# comment", "x", "= 1", "a = ", "[", "cost = []", 'type = "dummy"',
         'type = "odd"', 'fetch_and_encode_input_files_before_inference = true', 'disable_pseudonymous_usage_analytics = true', "template_filesystem_access = {}", "[autopilot]", 'provider_tools = []', "retries = { num_retries = 1 }"]


def key_of(line):
    found = re.match(r"([\w.\-\"]+) = ", line)
    return found.group(1) if found else None


def fault(rng, lines):
    lines = list(lines)
    i = rng.randrange(len(lines))
    kind = rng.randrange(12)
    if kind < 6:
        keyed = [n for n, line in enumerate(lines) if key_of(line)]
        i = rng.choice(keyed)
        lines[i] = f"{key_of(lines[i])} = {rng.choice(VALUES)}"
    elif kind < 8:
        del lines[i]
    elif kind < 9:
        lines.insert(i, lines[i])
    elif kind < 10 and key_of(lines[i]):
        key = key_of(lines[i])
        lines[i] = lines[i].replace(key, rng.choice(["zz", key + "x", key.upper(), f'"{key}"', f"{key}.zz"]), 1)
    else:
        lines.insert(i, rng.choice(ADDED))
    return lines


class Config:
    part = "configurations"

    def __init__(self, lines):
        self.lines = lines

    def text(self):
        return "\n".join(self.lines) + "\n"

    show = text

    def smaller(self):
        for i in range(len(self.lines)):
            yield Config(self.lines[:i] + self.lines[i + 1 :])


def make(rng):
    lines = fault(rng, BASE)
    if rng.random() < 0.1:
        lines = fault(rng, lines)
    return Config(lines)
