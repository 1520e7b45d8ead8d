"""Runs the scenarios of clients for Node against Signet: the official openai client, the Vercel AI SDK."""
import os
import re
import shutil
import subprocess

from lib.mock import CLOSE, HANG, chat_answer, chunk, error, hang, json_answer, sse, text_chunks, tool_call, usage_chunk
from lib.signet import config, openai_model

HERE = os.path.dirname(os.path.abspath(__file__))
TOOLS = json_answer(chat_answer(None, message={"tool_calls": [
    tool_call("call_1", "get_weather", '{"city":"Oslo"}'), tool_call("call_2", "get_weather", '{"city":"Rome"}')]},
    finish_reason="tool_calls"))
ONE_TOOL = json_answer(chat_answer(None, message={"tool_calls": [tool_call("call_1", "get_weather", '{"city":"Oslo"}')]},
                                   finish_reason="tool_calls"))
CALL = {"type": "function", "function": {"name": "get_weather", "arguments": ""}}


def tools_once(conn, request):
    roles = [m["role"] for m in request.json["messages"]]
    (json_answer(chat_answer("It is sunny.")) if "tool" in roles else ONE_TOOL)(conn, request)


def echo_parts(conn, request):
    parts = request.json["messages"][0]["content"]
    said = [p["type"] + (f":{p['image_url']['url']}:{p['image_url'].get('detail')}" if "image_url" in p else "") for p in parts]
    json_answer(chat_answer(",".join(said)))(conn, request)


def flaky():
    answers = [error(503, "busy", headers=[("retry-after", "0")]), json_answer(chat_answer("at last"))]
    return lambda conn, request: answers.pop(0)(conn, request)


SCRIPTS = {
    "plain": json_answer(chat_answer("Good day.")),
    "stream": sse(text_chunks("Grüße \U0001f600!", 5), delay=0.005),
    "tools": TOOLS,
    "tools-once": tools_once,
    "tools-stream": sse([
        chunk({"role": "assistant", "content": None}),
        chunk({"tool_calls": [{"index": 0, "id": "call_A", **CALL}]}),
        chunk({"tool_calls": [{"index": 0, "function": {"arguments": '{"city":'}}]}),
        chunk({"tool_calls": [{"index": 1, "id": "call_B", **CALL}]}),
        chunk({"tool_calls": [{"index": 1, "function": {"arguments": '{"city":"Rome"}'}}]}),
        chunk({"tool_calls": [{"index": 0, "function": {"arguments": '"Oslo"}'}}]}),
        chunk({}, "tool_calls"), usage_chunk()]),
    "echo-parts": echo_parts,
    "schema": json_answer(chat_answer('{"name":"Oslo"}')),
    **{f"fail-{s}": error(s, "the cause") for s in (400, 401, 404, 429, 500, 503)},
    "broken": sse([chunk({"content": "Half"}), {"error": {"message": "overloaded", "code": 502}}], done=False, end=CLOSE),
    "hang": hang(),
    "hang-stream": sse([chunk({"content": "a"}), HANG], done=False),
    "reasoning": json_answer(chat_answer("So.", message={"reasoning_content": "hm"})),
    "flaky-openai": flaky(),
    "flaky-tensorzero": flaky(),
}


def signet_toml(mock):
    return config("".join(openai_model(name, f"{mock.url}/{name}") for name in SCRIPTS),
                  extra='[object_storage]\ntype = "disabled"')


def run(signet, mock, file):
    assert shutil.which("node"), "node is not installed: ./dev setup"
    assert os.path.isdir(os.path.join(HERE, "node_modules", "ai")), "run `npm ci` in tests/node (./dev setup does)"
    mock.requests.clear()
    for name, script in SCRIPTS.items():
        mock.route(f"/{name}/", script)
    done = subprocess.run(["node", "--test", "--test-reporter=tap", file], cwd=HERE, capture_output=True, text=True,
                          env={**os.environ, "SIGNET_URL": signet.url}, timeout=120)
    failed = re.findall(r"^not ok \d+ - (.*)$", done.stdout, re.M)
    assert done.returncode == 0 and not failed, f"failed: {failed}\n{done.stdout[-8000:]}{done.stderr[-2000:]}"
    hung = [r for r in mock.requests if r.target.startswith("/hang")]
    assert all(r.gone.wait(5) for r in hung), "an upstream call outlived its client"
    signet.assert_idle()
    return len(hung)


def test_node(module_signet, module_mock):
    assert run(module_signet, module_mock, "chat.test.mjs") == 6


def test_ai_sdk(module_signet, module_mock):
    assert run(module_signet, module_mock, "ai_sdk.test.mjs") == 2
