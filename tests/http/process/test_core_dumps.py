"""Core dumps hold keys: off, unless SIGNET_CORE=1. Looked at in a build without sanitizers, whose leak check must attach."""
import resource

import pytest

from lib.signet import Signet, config, openai_model, plain


def core_limit(process):
    with open(f"/proc/{process.pid}/limits") as f:
        return [line.split()[4:6] for line in f if line.startswith("Max core file size")][0]


@pytest.mark.parametrize("env,off", [({}, True), ({"SIGNET_CORE": "0"}, True), ({"SIGNET_CORE": "1"}, False)], ids=["unset", "0", "1"])
def test_a_core_is_dumped_only_where_it_is_asked_for(env, off):
    program = plain()
    if not program:
        pytest.skip("needs a build without sanitizers (./dev build)")
    allow = lambda: resource.setrlimit(resource.RLIMIT_CORE, (1 << 20, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    with Signet(config(openai_model("m", "http://127.0.0.1:9")), env=env, program=program, preexec=allow) as signet:
        limits = core_limit(signet.process)
        assert (limits == ["0", "0"]) == off
