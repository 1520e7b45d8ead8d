"""Public conformance suites, first at the mock model alone, then at Signet before it: nothing may be lost that the mock does not lose itself.

The mock speaks every format. Signet is asked three times, with the mock's chat completions, Responses and Messages behind it: where a
surface's own format is behind it, nothing may be lost; where another one is, what may be lost stands in lost.toml with its reason, and
nothing else may be. `python run.py [SUITE…] [--behind WIRE]`; pinned in package.json and requirements.txt; $SIGNET_BIN is the gateway.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile
import tomllib

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(os.path.dirname(HERE), "http")]
from lib.model import Model  # noqa: E402
from lib.signet import Signet, config  # noqa: E402
from lib.wires import ENV, WIRES, model_toml, there  # noqa: E402

KEY = "sk-conformance"
MODEL = "mock-gpt-5-claude-sonnet-4"  # some tests of thinking want such a name
BEHIND = ("chat", "responses", "messages")


def output_of(*command):
    with tempfile.TemporaryDirectory() as home:
        done = subprocess.run(command, cwd=HERE, capture_output=True, text=True, timeout=900, env={**os.environ, "HOME": home})
    return done.stdout, done.stderr


def node(name):
    return os.path.join(HERE, "node_modules", ".bin", name)


def llmprobe(url):
    """What it holds, what it says against it, {surface of each}. What it says of the model's ability means nothing here."""
    with tempfile.NamedTemporaryFile(suffix=".json") as report:
        out, err = output_of(node("llmprobe"), url, "-k", KEY, "-m", MODEL, "--no-bench", "--no-save", "--no-color", "--save", report.name)
        saved = json.load(report)
    of_responses = ("mcp-tools", "previous-response-id", "background")
    held = {(e["id"] if e["kind"] == "surface" else "responses" if e["id"] in of_responses else "chat", f"{e['tier']}: {e['label']}")
            for e in saved["coverage"]["entries"] if e["supported"]}
    held |= {(r["surface"], r["name"]) for r in saved["conformance"]["results"] if r["outcome"] == "pass"}
    against = {(r["surface"], f"{r['name']}: {f['severity']}: {f['label']}") for r in saved["conformance"]["results"] for f in r["failures"]}
    return held, against, out + err


def llm_comply(format, surface):
    def suite(url):
        out, err = output_of(os.path.join(HERE, ".venv", "bin", "llm-comply"), "-u", url, "-k", KEY, "-m", MODEL, "--format", format, "--json",
                             *(["-H", "anthropic-version:2023-06-01"] if surface == "messages" else []))
        results = json.loads(out)["results"]
        held = {(surface, r["name"]) for r in results if r["status"] == "passed"}
        return held, {(surface, f"{r['name']}: {e[:200]}") for r in results for e in r.get("errors", []) if r["status"] == "failed"}, out + err
    return suite


def compatcanary(url):
    out, err = output_of(node("compatcanary"), "scan", "--base-url", url, "--model", MODEL, "--api-key", KEY, "--format", "json", "--fail-on", "never")
    results = json.loads(out)["results"]
    surfaces = {"Responses": "responses"}
    held = {(surfaces.get(r["category"], "chat"), r["name"]) for r in results if r["status"] == "pass"}
    return held, {(surfaces.get(r["category"], "chat"), f"{r['name']}: {r['summary'][:200]}") for r in results if r["status"] != "pass"}, out + err


SUITES = {"llmprobe": llmprobe, "llm-comply chat": llm_comply("openai-chat", "chat"), "llm-comply responses": llm_comply("open-responses", "responses"),
          "llm-comply messages": llm_comply("anthropic", "messages"), "compatcanary": compatcanary}
# What the mock alone holds at least: a suite that runs nothing judges nothing.
LEAST = {"llmprobe": 90, "llm-comply chat": 8, "llm-comply responses": 12, "llm-comply messages": 9, "compatcanary": 7}
# The formats that stand in for a surface which has none of its own among the three.
FAMILY = {"models": None, "completions": "chat", "embeddings": None, "count-tokens": "messages"}


def listed():
    with open(os.path.join(HERE, "lost.toml"), "rb") as f:
        return tomllib.load(f).get("lost", [])


def reason_for(suite, behind, surface, what):
    """Why this may be lost; None: it may not."""
    for entry in listed():
        if suite in entry["suites"] and behind in entry["behind"] and surface == entry["surface"] and any(w in what for w in entry["what"]):
            return entry["why"]
    return None


def toml_of(wire, url):
    """The model over that wire, and an embedding model of the same name, if this build has them."""
    model = model_toml(MODEL, wire, url)
    embedding = model_toml(MODEL, WIRES["chat"], url).replace("[models.", "[embedding_models.")
    return config(model + (embedding if there(embedding) else ""), record=True)


def judge(suite, behind, alone, before):
    """How many losses that are not allowed."""
    lost = {(surface, what, "lost") for surface, what in alone[0] - before[0]} | {(surface, what, "says") for surface, what in before[1] - alone[1]}
    bad = 0
    for surface, what, how in sorted(lost):
        why = None if FAMILY.get(surface, surface) == behind else reason_for(suite, behind, surface, what)
        bad += why is None
        print(f"  {'LOST' if why is None else 'listed'} {surface}: {what}" + (f" ({why})" if why else ""))
    print(f"{suite:20} over {behind:10} mock alone {len(alone[0])}, Signet before it {len(before[0])}, lost {len(lost)}, of them not listed {bad}", flush=True)
    return bad


def main():
    asked = argparse.ArgumentParser()
    asked.add_argument("suites", nargs="*")
    asked.add_argument("--behind", choices=BEHIND, action="append")
    asked.add_argument("--alone", action="store_true", help="the mock alone, and all that a suite says against it")
    asked = asked.parse_args()
    bad = 0
    for name in asked.suites or SUITES:
        with Model(names=[MODEL, *{w.model for w in WIRES.values()}], checks=False) as model:
            alone = SUITES[name](model.url + "/v1")
            if asked.alone:
                print(alone[2])
                print(*(f"  against: {a}" for a in sorted(alone[1])), sep="\n")
            print(f"{name:20} the mock alone holds {len(alone[0])}; against it: {len(alone[1])}")
            if len(alone[0]) < LEAST[name]:
                bad += 1
                print(f"  it should hold {LEAST[name]} at least")
            for behind in [] if asked.alone else asked.behind or BEHIND:
                model.reset()
                with Signet(toml_of(WIRES[behind], model.url), env=ENV) as signet:
                    bad += judge(name, behind, alone, SUITES[name](signet.url + "/v1"))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
