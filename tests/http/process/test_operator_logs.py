"""What an operator reads: warnings, the access log, `signet log` (issue 15 C)."""
import json
import socket
import subprocess

import pytest

from lib import raw
from lib.mock import Mock, chat_answer, error, hang, json_answer, sse, text_chunks
from lib.raw import CHAT, chat
from lib.signet import Signet, binary, config, openai_model

ALL = '[server]\naccess_log = "all"\nworkers = 1\n'


@pytest.fixture(scope="module")
def mock():
    with Mock(default=json_answer(chat_answer("hello"))) as m:
        yield m


@pytest.fixture(scope="module")
def signet(mock):
    with Signet(config(openai_model("m", mock.url) + openai_model("other", mock.url), extra=ALL, record=True)) as s:
        yield s


def line_of(signet, **wanted):
    return raw.wait_for(lambda: next((l for l in signet.logs() if all(l.get(k) == v for k, v in wanted.items())), None))


def log(signet, *args):
    out = subprocess.run([binary(), "log", *args, "--data-dir", signet.data_dir], capture_output=True, text=True, timeout=30)
    assert out.returncode == 0, out.stderr
    return out.stdout


def ids(signet, *args):
    """What grep finds of all that this file asked."""
    return [json.loads(l)["id"] for l in log(signet, "grep", "hey", "--json", "--limit", "1000", *args).splitlines()]


def ask(signet, reply=None, mock=None, model="m", **more):
    if mock is not None:
        mock.reset(reply)
    return raw.post(signet.port, CHAT, chat(model=model, messages=[{"role": "user", "content": "hey"}], **more))


def test_failures_of_another_status_or_text_are_other_warnings(signet, mock):
    seen = []
    for status, text in ((500, "broken pipe"), (503, "broken pipe"), (500, "no disk"), (500, "broken pipe")):
        seen.append(ask(signet, error(status, text), mock).headers["x-request-id"])
    line_of(signet, msg="an attempt failed", request_id=seen[2])
    told = [l for l in signet.logs() if l["msg"] == "an attempt failed" and l["request_id"] in seen]
    assert [l["request_id"] for l in told] == seen[:3]  # the fourth is a repeat
    assert [l["status"] for l in told] == [500, 503, 500] and all(l["error_kind"] for l in told)


def test_a_warning_leads_to_its_record(signet, mock):
    got = ask(signet, error(500, "a failure of its own"), mock)
    line = line_of(signet, msg="an attempt failed", request_id=got.headers["x-request-id"])
    shown = json.loads(log(signet, "show", line["request_id"], "--json"))
    assert shown["row"]["id"] == line["inference_id"] and shown["row"]["status"] == got.status


def test_an_error_inside_a_stream_is_told_with_its_ids(signet, mock):
    got = ask(signet, sse([*text_chunks("hel")[:2], {"error": {"message": "the model fell over", "type": "server_error"}}]), mock, stream=True)
    line = line_of(signet, msg="an error inside a stream", request_id=got.headers["x-request-id"])
    assert (line["model"], line["provider"]) == ("m", "p") and line["inference_id"] and line["error_kind"]


def test_the_access_log_has_all_its_fields(signet, mock):
    body = chat(messages=[{"role": "user", "content": "hey"}])
    mock.reset(json_answer(chat_answer("hello")))
    got = raw.post(signet.port, CHAT + "?key=secret", body, [("user-agent", "x" * 300)])
    line = line_of(signet, msg="request", request_id=got.headers["x-request-id"])
    assert (line["method"], line["path"], line["route"], line["client"]) == ("POST", CHAT, CHAT, "127.0.0.1")
    assert line["user_agent"] == "x" * 200 and "secret" not in json.dumps(line)
    assert line["bytes_in"] > 50 and line["bytes_out"] > len(got.body)
    assert (line["status"], line["stream"], line["state"], line["finish"]) == (200, 0, "ok", "stop")
    assert (line["in_tokens"], line["out_tokens"]) == (got.json["usage"]["prompt_tokens"], got.json["usage"]["completion_tokens"])


def test_the_access_log_of_the_api_alone(mock):
    with Signet(config(openai_model("m", mock.url), extra='[server]\naccess_log = "api"\n')) as s:
        raw.get(s.port, "/health")
        models = raw.get(s.port, "/v1/models")
        line_of(s, msg="request", request_id=models.headers["x-request-id"])
        assert [l["path"] for l in s.logs() if l["msg"] == "request"] == ["/v1/models"]


def test_an_unknown_route_is_told_once_a_minute_with_its_path(mock):
    with Signet(config(openai_model("m", mock.url))) as s:
        for _ in range(3):
            raw.get(s.port, "/chat/completions?key=secret")
        for i in range(100):
            last = raw.get(s.port, f"/nothing/{i}")
        assert last.status == 404
        raw.get(s.port, "/v1/" + "y" * 400)
        told = [l for l in s.logs() if l["msg"] == "no such route"]
        assert [l["path"] for l in told].count("/chat/completions") == 1
        assert 10 < len(told) <= 64 and all(len(l["path"]) <= 200 for l in told)


def test_a_client_that_left_was_sent_nothing_and_tried_once(signet, mock):
    mock.reset(hang())
    before = set(ids(signet))
    with socket.create_connection(("127.0.0.1", signet.port)) as c:
        body = json.dumps({"model": "m", "messages": [{"role": "user", "content": "hey"}]}).encode()
        c.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
        raw.wait_for(lambda: mock.requests)
    (id,) = raw.wait_for(lambda: set(ids(signet)) - before)
    row = json.loads(log(signet, "show", id, "--json"))["row"]
    assert (row["state"], row["status"]) == ("cancelled", None)
    line = next(l for l in log(signet, "grep", "hey", "--limit", "1000").splitlines() if id in l)
    assert " R1" not in line and " cancelled" in line and "   - m/p" in line
    access = line_of(signet, msg="request", state="cancelled")
    assert access["status"] == 0


def test_signet_log_takes_its_filters(signet, mock, tmp_path):
    good = ask(signet, json_answer(chat_answer("hello")), mock).headers["x-signet-inference-id"]
    other = ask(signet, json_answer(chat_answer("hello")), mock, model="other").headers["x-signet-inference-id"]
    bad = json.loads(log(signet, "show", ask(signet, error(500, "filters"), mock).headers["x-request-id"], "--json"))["row"]["id"]
    every = ids(signet)
    assert {good, other, bad} <= set(every)
    errors = ids(signet, "--errors")
    assert bad in errors and good not in errors and other not in errors
    assert ids(signet, "--model", "other") == [other]
    assert good in ids(signet, "--provider", "p") and ids(signet, "--provider", "q") == []
    assert ids(signet, "--slow", "3600000") == []
    assert ids(signet, "--until", "1h") == [] and ids(signet, "--since", "1h", "--until", "2100-01-01T00:00:00Z") == every
    tail = log(signet, "tail", "--json", "--until", "2100-01-01T00:00:00Z", "--model", "other")  # ends by itself
    assert [json.loads(l)["id"] for l in tail.splitlines()] == [other]


def test_signet_log_takes_the_data_directory_of_a_configuration(signet, tmp_path):
    toml = tmp_path / "signet.toml"
    toml.write_text(f'[store]\ndata_dir = "{signet.data_dir}"\n')
    out = subprocess.run([binary(), "log", "grep", "hey", "--config-file", str(toml)], capture_output=True, text=True, timeout=30)
    assert out.returncode == 0 and "hey" in out.stdout
    out = subprocess.run([binary(), "log", "grep", "hey", "--config-file", str(toml), "--data-dir", "x"], capture_output=True, text=True, timeout=30)
    assert out.returncode == 2 and "not both" in out.stderr
    toml.write_text("[store]\ndata_dirr = 1\n")
    out = subprocess.run([binary(), "log", "grep", "hey", "--config-file", str(toml)], capture_output=True, text=True, timeout=30)
    assert out.returncode == 1 and "signet.toml:2:" in out.stderr
