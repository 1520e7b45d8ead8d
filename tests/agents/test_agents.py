"""A whole session of Claude Code and of Codex: the agent reads, edits a file, runs a command and says what came out.

The model behind it is the mock, which plays a script; it is asked directly first (what fails there is not Signet's), then through
Signet: over the agent's own format, over the others, signed, and over rust-proxy, which can only talk. SIGNET_RECORD=1 writes what the
agents send to recorded/, scrubbed, for tests/http/test_agents_recorded.py.
"""
import os

import pytest
from agents_lib import AGENTS, PROMPT, Claude, Place
from signing_lib import build_sample

from lib import recorded
from lib.model import Model
from lib.signet import Signet, config
from lib.wires import DEVAPI, ENV, SIGNED, WIRES, model_toml, there

agents = pytest.mark.parametrize("agent", AGENTS, ids=lambda a: a.name)


@pytest.fixture
def place(tmp_path):
    return Place(str(tmp_path))


def assert_done(place, model, ended):
    status, said, everything = ended
    assert status == 0, everything[-4000:]
    assert place.edited() and place.ran() == "hello, world\n", everything[-4000:]
    assert said.startswith("The tools said: ") and "hello, world" in said, said
    assert not model.complaints, [c for _, _, c in model.complaints][:5]


@agents
def test_at_the_mock_alone(agent, place):
    with Model(play=agent.play(place)) as model:
        assert_done(place, model, agent.run(place, model.url, agent.model))
        if os.environ.get("SIGNET_RECORD"):
            recorded.write(agent.name, place, model.requests)


@agents
@pytest.mark.parametrize("wire", WIRES)
def test_a_session(agent, wire, place):
    if not there(model_toml("m", WIRES[wire], "http://127.0.0.1:9")):
        pytest.skip(f"this build has no provider for {wire}")
    with Model(play=agent.play(place)) as model, Signet(config(model_toml(agent.model, WIRES[wire], model.url), record=True), env=ENV) as signet:
        assert_done(place, model, agent.run(place, signet.url, agent.model))
        assert len(model.requests) == 4, [r.target for r in model.requests]


@pytest.fixture(scope="module")
def signer(tmp_path_factory):
    return build_sample(tmp_path_factory.mktemp("signer"))


@agents
def test_a_signed_session(agent, place, signer):
    with Model(play=agent.play(place), signed=True) as model:
        toml = config(model_toml(agent.model, WIRES[agent.surface], model.url, more=SIGNED, signer=signer))
        with Signet(toml, env=ENV) as signet:
            assert_done(place, model, agent.run(place, signet.url, agent.model))


@agents
def test_rust_proxy_talks(agent, place, signer):
    """Its API takes a text and gives a text: an agent's tools are left out, and it gets an answer."""
    with Model() as model, Signet(config(model_toml(agent.model, DEVAPI, model.url, signer=signer), record=True), env=ENV) as signet:
        status, said, everything = agent.run(place, signet.url, agent.model)
        assert status == 0 and PROMPT in said, everything[-4000:]
        sent = model.requests[-1].json["content"]
        assert sent.count(PROMPT) == 1 and sent.startswith("System: "), sent[:300]


@agents
def test_rust_proxy_goes_on_with_a_session_that_called_tools(agent, place, signer):
    """A file is edited and a command run over another provider; then the same session, calls and results in its history, over rust-proxy."""
    with Model(play=agent.play(place)) as model:
        toml = config(model_toml(agent.model, WIRES["chat"], model.url) + model_toml("talker", DEVAPI, model.url, signer=signer))
        with Signet(toml, env=ENV) as signet:
            assert_done(place, model, agent.run(place, signet.url, agent.model))
            status, said, everything = agent.resume(place, signet.url, "talker", "And what did it print?")
            assert status == 0 and said.startswith("You said "), everything[-4000:]
            sent = model.requests[-1].json["content"]
            assert sent.count("And what did it print?") == 1 and "nobody" in sent and "Tool: " in sent and "hello, world" in sent, sent[-2000:]


def test_an_answer_that_breaks_off_is_tried_again(place):
    """Claude Code takes an honest error for what it is, and asks once more."""
    with Model(play=Claude.play(place)) as model, Signet(config(model_toml(Claude.model, WIRES["chat"], model.url)), env=ENV) as signet:
        model.break_next()
        assert_done(place, model, Claude.run(place, signet.url, Claude.model))
        assert len(model.requests) == 5
