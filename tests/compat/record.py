"""python record.py [GROUP…]: asks TensorZero every case and writes golden/. Look at the diff before you commit.

`types-signet` asks Signet ($SIGNET_BIN) the cases of `types` and writes what differs to golden/types_signet.json."""
import importlib
import json
import os
import sys

sys.path[:0] = [os.path.join(os.path.dirname(os.path.abspath(__file__)), d) for d in (".", "../http")]

from compare import of_signet  # noqa: E402
from peers import HERE, TensorZero  # noqa: E402
from google import TensorZeroGoogle  # noqa: E402
from types_peers import TypesOurs, TypesTensorZero  # noqa: E402

def write(name, records):
    with open(os.path.join(HERE, "golden", name + ".json"), "w") as f:
        json.dump(records, f, indent=1, ensure_ascii=False)
        f.write("\n")


def of_signet_types():
    with open(os.path.join(HERE, "golden", "types.json")) as f:
        golden = json.load(f)
    peer = TypesOurs()
    records = {case.name: peer.run(case) for case in importlib.import_module("cases_types").CASES}
    peer.close()
    write("types_signet", {k: r for k, r in records.items() if of_signet(r) != of_signet(golden[k])})


if sys.argv[1:] == ["types-signet"]:
    of_signet_types()
    sys.exit()
groups = sys.argv[1:] or ["request", "answer", "stream", "errors", "fields", "found", "google", "responses", "anthropic", "aws", "types", "cost"]
PEERS = {"google": TensorZeroGoogle, "types": TypesTensorZero}  # those with a configuration of their own
os.makedirs(os.path.join(HERE, "golden"), exist_ok=True)
for group in groups:
    records, peer = {}, PEERS.get(group, TensorZero)()
    for case in importlib.import_module("cases_" + group).CASES:
        assert case.name not in records, case.name
        records[case.name] = peer.run(case)
    write(group, records)
    print(f"{group}: {len(records)} cases")
    peer.close()
