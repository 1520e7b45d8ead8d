"""Public conformance suites, first at the mock alone, then at Signet before it: nothing may be lost that the mock does not lose itself.

Pinned in package.json and requirements.txt; nothing here needs a network. `python run.py [SUITE…]`; $SIGNET_BIN is the gateway.
"""
import json
import os
import re
import subprocess
import sys
import tempfile
import threading

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(os.path.dirname(HERE), "http")]
from lib.signet import Signet, config, openai_model  # noqa: E402
from mock import MODEL, serve  # noqa: E402

KEY = "sk-conformance"


def output_of(*command):
    with tempfile.TemporaryDirectory() as home:
        done = subprocess.run(command, cwd=HERE, capture_output=True, text=True, timeout=600, env={**os.environ, "HOME": home})
    return done.stdout, done.stderr


def node(name):
    return os.path.join(HERE, "node_modules", ".bin", name)


def llmprobe(url):
    """Its part on chat and models: {what it asserts: whether it holds}. What it says of the model means nothing here."""
    with tempfile.NamedTemporaryFile(suffix=".json") as report:
        out, err = output_of(node("llmprobe"), url, "-k", KEY, "-m", MODEL, "--no-bench", "--no-save", "--no-color", "--save", report.name)
        saved = json.load(report)
    found = {name: mark == "\u2713" for mark, name in re.findall(r"^\s*([\u2713\u2717]) ((?:chat/completions|/v1/models): .*?)\s*$", out, re.M)}
    for surface in saved["conformance"]["bySurface"]:
        if surface["surface"] in ("chat", "models"):
            found |= {f"{surface['surface']}, assertion {i + 1}": i < surface["passed"] for i in range(surface["total"])}
    core = next(t for t in saved["coverage"]["byTier"] if t["tier"] == "core")
    return found | {f"core {i + 1}": i < core["supported"] for i in range(core["total"])}, out + err


def llm_comply(url):
    out, err = output_of(os.path.join(HERE, ".venv", "bin", "llm-comply"), "-u", url, "-k", KEY, "-m", MODEL, "--format", "openai-chat", "--json")
    return {r["name"]: r["status"] == "passed" for r in json.loads(out)["results"] if r["status"] != "skipped"}, out + err


def compatcanary(url):
    out, err = output_of(node("compatcanary"), "scan", "--base-url", url, "--model", MODEL, "--api-key", KEY, "--profile", "chat", "--format", "json")
    return {r["name"]: r["status"] == "pass" for r in json.loads(out)["results"]}, out + err


SUITES = {"llmprobe": llmprobe, "llm-comply": llm_comply, "compatcanary": compatcanary}
LEAST = {"llmprobe": 80, "llm-comply": 8, "compatcanary": 5}  # that the mock alone holds: a suite that runs nothing judges nothing


def main(names):
    mock = serve()
    threading.Thread(target=mock.serve_forever, daemon=True).start()
    upstream = f"http://127.0.0.1:{mock.server_address[1]}"
    bad = 0
    with Signet(config(openai_model(MODEL, upstream, model_name=MODEL))) as signet:
        for name in names or SUITES:
            alone, _ = SUITES[name](upstream + "/v1")
            before, told = SUITES[name](signet.url + "/v1")
            held = {k for k, good in alone.items() if good}
            lost = sorted(k for k in held if not before.get(k))
            print(f"{name:14} mock alone {len(held)} of {len(alone)}, Signet before it {sum(before.values())} of {len(before)}, lost {len(lost)}", flush=True)
            if len(held) < LEAST[name]:
                print(f"  the mock alone should hold {LEAST[name]} at least")
            for what in lost:
                print(f"  lost: {what}")
            if lost:
                print(told)
            bad += len(lost) + (len(held) < LEAST[name])
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
