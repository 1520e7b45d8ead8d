"""What stands in signet.db beside the rows of requests (test_record_whole.py has those)."""
import json
import subprocess

import pytest

from lib import raw, record
from lib.mock import Mock
from lib.raw import CHAT, chat
from lib.signet import Signet, binary, config, openai_model

@pytest.fixture
def up():
    with Mock() as mock:
        yield mock


def shown(signet, id):
    out = subprocess.run([binary(), "log", "show", id, "--json", "--data-dir", signet.data_dir], capture_output=True, text=True, timeout=30)
    assert out.returncode == 0, out.stderr
    return json.loads(out.stdout)


def test_the_configuration_has_one_hash_in_two_forms(up):
    """Hex for people, in /status and `signet log`; decimal in the table, as TensorZero keeps it."""
    with Signet(config(openai_model("m", up.url), record=True)) as s:
        id = raw.post(s.port, CHAT, chat()).headers["x-signet-inference-id"]
        row = record.wait_row(s.data_dir, id)
        hex = shown(s, id)["config_hash"]
        assert len(hex) == 64 and s.status()["config_hash"] == hex
        kept = record.rows(s.data_dir, "select n, hash, config from ConfigSnapshot")
        assert [k["hash"] for k in kept] == [str(int(hex, 16))]
        assert kept[0]["n"] == row["snapshot_hash"] and "[models.m" in kept[0]["config"]


def test_sums_are_kept_for_those_who_read_them(up):
    with Signet(config(openai_model("m", up.url), record=True)) as s:
        record.wait_row(s.data_dir, raw.post(s.port, CHAT, chat()).headers["x-signet-inference-id"])
        assert record.rows(s.data_dir, "select (select sum(count) from Rollup where dim = 'model') as n, (select count from Facet where dim = 'model') as m") == [{"n": 1, "m": 1}]
