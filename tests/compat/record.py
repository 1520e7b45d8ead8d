"""python record.py [GROUP…]: asks TensorZero every case and writes golden/. Look at the diff before you commit."""
import importlib
import json
import os
import sys

sys.path[:0] = [os.path.join(os.path.dirname(os.path.abspath(__file__)), d) for d in (".", "../http")]

from peers import HERE, TensorZero  # noqa: E402
from google import TensorZeroGoogle  # noqa: E402

groups = sys.argv[1:] or ["request", "answer", "stream", "errors", "fields", "found", "google", "responses", "anthropic", "aws"]
PEERS = {"google": TensorZeroGoogle}  # those with a configuration of their own
os.makedirs(os.path.join(HERE, "golden"), exist_ok=True)
for group in groups:
    records, peer = {}, PEERS.get(group, TensorZero)()
    for case in importlib.import_module("cases_" + group).CASES:
        assert case.name not in records, case.name
        records[case.name] = peer.run(case)
    with open(os.path.join(HERE, "golden", group + ".json"), "w") as f:
        json.dump(records, f, indent=1, ensure_ascii=False)
        f.write("\n")
    print(f"{group}: {len(records)} cases")
    peer.close()
