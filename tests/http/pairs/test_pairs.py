"""Every client over every provider's format, feature by feature; docs/pairs.md is what this saw.

A pair is a driver (a client over a surface: drivers.py) and a wire (lib/wires.py); what is tried of it is in features.py. The mock model
behind judges each request by its vendor's rules and schema. What a pair cannot do is said by the wire's row or in CANNOT, with the
reason that the page shows; such a feature must fail, so that no reason outlives its cause. The official Python clients are tried over
every wire, the others over two; SIGNET_PAIRS=all (./dev test pairs) tries all. SIGNET_WRITE=1 writes the page.
"""
import os

import pytest
from cannot import CANNOT
from drivers import DRIVERS, PYTHON
from embedders import CLIENTS, TYPES
from features import FEATURES
from signing_lib import build_sample

from lib import raw
from lib.model import Model
from lib.signet import ROOT, Signet, config
from lib.wires import DEVAPI, ENV, WIRES, allow_for, model_toml, there

PAGE = os.path.join(ROOT, "docs", "pairs.md")
ALL_WIRES = [*WIRES.values(), DEVAPI]
ALL = os.environ.get("SIGNET_PAIRS") == "all"
SHORT = {"chat", "messages"}  # one passes through and one is translated, whatever the surface


class Pair:
    def __init__(self, driver, wire, model, name):
        self.driver, self.wire, self.model, self.name = driver, wire, model, name
        self.user, self.assistant, self.results = driver.user, driver.assistant, driver.results

    def ask(self, turns, **options):
        return self.driver.ask(self.name, turns, **options)


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    """One gateway over a model a wire, of those that this build has."""
    signer = build_sample(tmp_path_factory.mktemp("signer"))
    models = {w.name: Model() for w in ALL_WIRES}
    tomls = {w.name: model_toml(w.name.replace(" ", "-"), w, models[w.name].url, signer=signer) for w in ALL_WIRES}
    have = [w for w in ALL_WIRES if there(tomls[w.name])]
    with Signet(config("".join(tomls[w.name] for w in have), record=True), env=ENV) as signet:
        allow_for(signet, have)
        served = {path for path in {d.path for d in DRIVERS} if raw.post(signet.port, path, {}).status != 404}
        drivers = {d: d(signet.url) for d in DRIVERS if d.path in served}
        yield signet, drivers, {w.name: (w, models[w.name]) for w in have}
        for d in drivers.values():
            d.close()
        signet.assert_idle()
    for m in models.values():
        m.mock.close()


def why_not(driver, wire, feature):
    return CANNOT.get((driver.client_name, driver.name), {}).get(feature) or wire.cannot.get(feature)


def outcome(driver, wire, model, feature):
    """None, or what went wrong."""
    model.reset()
    try:
        FEATURES[feature](Pair(driver, wire, model, wire.name.replace(" ", "-")))
    except Exception as e:  # an assertion, or whatever the client raises
        return f"{type(e).__name__}: {e}"[:3000]
    return "\n".join(c for _, _, c in model.complaints[:5]) or None


def label(driver):
    return f"{driver.client_name} {driver.name}".replace(" (", "-").replace(")", "").replace(" ", "-")


CASES = [pytest.param(d, w.name, id=f"{label(d)}-{w.name}") for d in DRIVERS for w in ALL_WIRES if ALL or d in PYTHON or w.name in SHORT]


@pytest.mark.parametrize("feature", FEATURES)
@pytest.mark.parametrize(("driver", "wire"), CASES)
def test_a_pair(house, driver, wire, feature):
    _, drivers, wires = house
    assert driver in drivers and wire in wires, "the gateway does not serve it any more"
    row, model = wires[wire]
    wrong, reason = outcome(drivers[driver], row, model, feature), why_not(driver, row, feature)
    assert not wrong or reason, wrong
    assert wrong or not reason, f"it works now: take its reason away ({reason})"


@pytest.fixture(scope="module")
def alone():
    """The mock model of each surface, and every driver at it."""
    models = {family: Model(names=[family]) for family in {d.family for d in DRIVERS}}
    drivers = {d: d(models[d.family].url) for d in DRIVERS}
    yield drivers, models
    for d in drivers.values():
        d.close()
    for m in models.values():
        m.mock.close()


@pytest.mark.parametrize("feature", FEATURES)
@pytest.mark.parametrize("driver", DRIVERS, ids=label)
def test_the_mock_alone(alone, driver, feature):
    """What fails here is not Signet's."""
    drivers, models = alone
    row = WIRES[driver.family]
    wrong, reason = outcome(drivers[driver], row, models[driver.family], feature), why_not(driver, row, feature)
    assert bool(wrong) == bool(reason), wrong or reason


def numbered(notes, reason):
    if reason not in notes:
        notes.append(reason)
    return f"no ({notes.index(reason) + 1})"


def table(first, rows, notes):
    """`rows`: a name, and a reason or nothing for each feature."""
    lines = [f"| {first} | " + " | ".join(FEATURES) + " |", "|---" * (len(FEATURES) + 1) + "|"]
    for name, reasons in rows:
        lines.append(f"| {name} | " + " | ".join(numbered(notes, r) if r else "yes" for r in reasons) + " |")
    return lines


def page(drivers, wires):
    lines, notes = [*HEAD], []
    lines += ["## Providers' formats, whatever the client", ""]
    lines += table("over", [(row.name, [row.cannot.get(f) for f in FEATURES]) for row, _ in wires.values()], notes)
    lines += ["", "## Clients, whatever the provider", ""]
    lines += table("client, over", [(f"{d.client_name}, {TITLES[d.name]}", [CANNOT.get((d.client_name, d.name), {}).get(f) for f in FEATURES]) for d in drivers], notes)
    lines += ["", "## Embeddings, `/v1/embeddings`", "", "Several texts in order, fewer dimensions, the count of tokens (LangChain tells none), an unknown model.", ""]
    lines += ["| over | " + " | ".join(c.name for c in CLIENTS) + " |", "|---" * (len(CLIENTS) + 1) + "|"]
    lines += [f"| {kind} | " + " | ".join("yes" for _ in CLIENTS) + " |" for kind in TYPES]
    return "\n".join(lines + ["", "## Why not", ""] + [f"{i + 1}. {note}" for i, note in enumerate(notes)]) + "\n"


TITLES = {"chat": "`/v1/chat/completions`", "responses": "`/v1/responses`", "messages": "`/v1/messages`"}
SAYS = {"chat": "an answer, and one cut by a limit", "stream": "the same in pieces", "tools": "a call, forced, and its result", "parallel": "two calls in one turn",
        "images": "two PNGs, byte for byte", "pdf": "a document, likewise", "schema": "JSON that fits a schema", "thinking": "thoughts shown, and sent back before their call",
        "caching": "a prompt that is read from the cache the second time", "usage": "the provider's counts", "errors": "400, 429, 503, an unknown model",
        "cancel": "a client that leaves ends the upstream's stream"}
HEAD = ["# Pairs", "",
        "Which client works over which provider's format, feature by feature, as tests/http/pairs tries it: each client below over each format, each",
        "feature of the pair a test of `./dev test pairs`. A pair has a feature when neither its format nor its client lacks it: the two tables are all",
        "there is to know. What is marked *no* is tried, too, and has to fail. Generated by `SIGNET_WRITE=1 ./dev test pairs`; a test fails when this page",
        "is not what it would write.", "",
        "What each feature is: " + "; ".join(f"**{n}** {d}" for n, d in SAYS.items()) + ".", "",
        "The mock provider behind judges every request by its vendor's rules, and by the vendor's own schema where one is published (as the package",
        "llm-comply ships them): chat completions (SageMaker's containers too), Responses, Messages and embeddings have one. Gemini, Bedrock's Converse and",
        "the developer API have none there; of them the mock knows the rules alone.", ""]


def test_the_page_is_true(house):
    _, drivers, wires = house
    new = page(drivers, wires)
    if os.environ.get("SIGNET_WRITE"):
        with open(PAGE, "w") as f:
            f.write(new)
    with open(PAGE) as f:
        assert f.read() == new, "docs/pairs.md is not what the tests saw: SIGNET_WRITE=1 ./dev test pairs"
