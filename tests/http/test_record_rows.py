"""What a whole request leaves in signet.db, and what `signet log` and /status say of it (storage §2, §6.3)."""
import json
import subprocess

import pytest

from lib import raw, record
from lib.mock import Mock, chat_answer, json_answer
from lib.raw import CHAT, chat
from lib.signet import Signet, binary, config, openai_model

WEATHER = {"type": "function", "function": {"name": "weather", "description": "of a place", "strict": True,
           "parameters": {"type": "object", "properties": {"at": {"type": "string"}}, "required": ["at"], "additionalProperties": False}}}
CALL = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"at":"sea"}'}}


@pytest.fixture
def up():
    with Mock() as mock:
        yield mock


def shown(signet, id):
    out = subprocess.run([binary(), "log", "show", id, "--json", "--data-dir", signet.data_dir], capture_output=True, text=True, timeout=30)
    assert out.returncode == 0, out.stderr
    return json.loads(out.stdout)


def test_a_request_with_tools_is_recorded_whole(up):
    with Signet(config(openai_model("m", up.url), record=True)) as s:
        answer = chat_answer(None)
        answer["choices"][0]["message"]["tool_calls"] = [CALL]
        answer["choices"][0]["finish_reason"] = "tool_calls"
        answer["usage"] = {"prompt_tokens": 50, "completion_tokens": 9, "total_tokens": 59, "prompt_tokens_details": {"cached_tokens": 32}}
        up.then(json_answer(answer))
        got = raw.post(s.port, CHAT, chat(tools=[WEATHER], tool_choice={"type": "function", "function": {"name": "weather"}}, parallel_tool_calls=False, temperature=0.5))
        assert got.status == 200
        id = got.headers["x-signet-inference-id"]
        row = record.wait_row(s.data_dir, id)
        assert (row["state"], row["tools"], row["finish_reason"], row["attempts"], row["input_tokens"], row["output_tokens"]) == ("ok", 1, "tool_call", 1, 50, 9)

        one = record.rows(s.data_dir, "select * from ChatInference where id = ?", id)[0]
        tool = {"description": "of a place", "parameters": WEATHER["function"]["parameters"], "name": "weather", "strict": True}
        assert json.loads(one["dynamic_tools"]) == [{"type": "function", **tool}]
        assert json.loads(one["dynamic_provider_tools"]) == []
        assert json.loads(one["tool_choice"]) == {"specific": "weather"}
        assert one["parallel_tool_calls"] == 0
        assert json.loads(one["tool_params"]) == {"tools_available": [tool], "tool_choice": {"specific": "weather"}, "parallel_tool_calls": False}
        assert json.loads(one["inference_params"])["chat_completion"]["temperature"] == 0.5
        assert json.loads(one["output"]) == [{"type": "tool_call", "id": "call_1", "raw_name": "weather", "raw_arguments": '{"at":"sea"}', "name": "weather", "arguments": {"at": "sea"}}]

        models = record.rows(s.data_dir, "select * from ModelInference where inference_id = ?", id)
        assert len(models) == 1
        assert json.loads(models[0]["output"]) == [{"type": "tool_call", "id": "call_1", "name": "weather", "arguments": '{"at":"sea"}'}]
        assert json.loads(models[0]["raw_request"])["tools"] == [WEATHER]
        assert json.loads(models[0]["raw_response"]) == answer
        assert (models[0]["provider_cache_read_input_tokens"], models[0]["provider_cache_write_input_tokens"], models[0]["cost_nano"]) == (32, None, None)

        told = shown(s, id)
        assert told["tools"]["parallel_tool_calls"] is False and told["tools"]["tool_choice"] == {"specific": "weather"}
        assert told["row"]["tools"] == 1 and told["row"]["finish"] == "tool_call"


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


def test_no_sums_are_kept_while_nothing_reads_them(up):
    with Signet(config(openai_model("m", up.url), record=True)) as s:
        record.wait_row(s.data_dir, raw.post(s.port, CHAT, chat()).headers["x-signet-inference-id"])
        assert record.rows(s.data_dir, "select (select count(*) from Rollup) + (select count(*) from Facet) as n") == [{"n": 0}]
