"""python record.py [GROUP…]: asks TensorZero every case and writes golden/. Look at the diff before you commit.

`signet [GROUP…]` asks Signet ($SIGNET_BIN) the cases of `types`, `others` and `others_google`, and writes what differs to golden/GROUP_signet.json."""
import importlib
import json
import os
import sys

sys.path[:0] = [os.path.join(os.path.dirname(os.path.abspath(__file__)), d) for d in (".", "../http")]

from compare import loosened, meant, of_signet  # noqa: E402
from peers import HERE, Ours, TensorZero  # noqa: E402
from google import OursGoogle, TensorZeroGoogle  # noqa: E402
from types_peers import TypesOurs, TypesTensorZero  # noqa: E402

def write(name, records):
    with open(os.path.join(HERE, "golden", name + ".json"), "w") as f:
        json.dump(records, f, indent=1, ensure_ascii=False)
        f.write("\n")


def of_signet_group(group):
    """What Signet does where that is not what TensorZero does."""
    with open(os.path.join(HERE, "golden", group + ".json")) as f:
        golden = json.load(f)
    peer = OURS[group]()
    records = {case.name: (peer.run(case), case) for case in importlib.import_module("cases_" + group).CASES}
    peer.close()
    write(group + "_signet", {k: r for k, (r, case) in records.items() if loosened(of_signet(r), case) != meant(golden[k], case)})


OURS = {"types": TypesOurs, "others": Ours, "others_google": OursGoogle}
if sys.argv[1:2] == ["signet"]:
    for group in sys.argv[2:] or OURS:
        of_signet_group(group)
    sys.exit()
groups = sys.argv[1:] or ["request", "answer", "stream", "errors", "fields", "found", "google", "responses", "anthropic", "aws", "types", "cost", "others", "others_google"]
PEERS = {"google": TensorZeroGoogle, "others_google": TensorZeroGoogle, "types": TypesTensorZero}  # those with a configuration of their own
os.makedirs(os.path.join(HERE, "golden"), exist_ok=True)
for group in groups:
    records, peer = {}, PEERS.get(group, TensorZero)()
    for case in importlib.import_module("cases_" + group).CASES:
        assert case.name not in records, case.name
        records[case.name] = peer.run(case)
    write(group, records)
    print(f"{group}: {len(records)} cases")
    peer.close()
