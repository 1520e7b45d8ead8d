"""Start, signals, drain, log file, command line (config §1.1, signet-own (b))."""
import json
import os
import re
import signal
import subprocess
import time

import pytest

from lib import raw
from lib.mock import Mock, chat_answer, hang, json_answer, sse, text_chunks
from lib.raw import CHAT, chat
from lib.signet import Signet, binary, config, openai_model, plain

MODEL = openai_model("m", "http://127.0.0.1:1")


def run(*args, env=None):
    """The binary with these arguments: (exit status, stdout, stderr)."""
    done = subprocess.run([binary(), *args], capture_output=True, text=True, timeout=60, env={**os.environ, **(env or {})})
    return done.returncode, done.stdout, done.stderr


def ended(signet, seconds):
    """The exit status, which must come within that time."""
    return signet.process.wait(seconds)


# -- start ------------------------------------------------------------------------------------------
def test_the_line_that_says_it_listens():
    with Signet(config(MODEL), args=["--workers", "3"]) as s:
        line = next(l for l in s.logs() if "listening" in l["msg"])
        assert line["msg"] == f"listening on 127.0.0.1:{s.port}"
        assert (line["level"], line["workers"], line["store"], line["models"]) == ("info", 3, "off", 1)
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["t"])
        assert s.status()["signet"]["workers"] == 3


@pytest.mark.parametrize("value,told", [("0", "SIGNET_WORKERS: `0` is out of range (from 1 to 1024)"), ("1025", "is out of range"), ("-1", "is out of range"),
                                        ("two", "is out of range"), ("1", None), ("1024", None)])
def test_workers_of_the_environment(value, told):
    s = Signet(config(MODEL), env={"SIGNET_WORKERS": value}, start=False)
    if told:
        status, stderr = s.fails_to_start()
        assert status == 1 and told in stderr
    else:
        with s.start():
            assert s.status()["signet"]["workers"] == int(value)


def test_the_command_lines_workers_beat_the_environments():
    with Signet(config(MODEL, extra="[server]\nworkers = 4"), args=["--workers", "2"], env={"SIGNET_WORKERS": "3"}) as s:
        assert s.status()["signet"]["workers"] == 2
    with Signet(config(MODEL, extra="[server]\nworkers = 4"), env={"SIGNET_WORKERS": "3"}) as s:
        assert s.status()["signet"]["workers"] == 3


def test_every_worker_answers():
    with Signet(config(MODEL), args=["--workers", "4"]) as s:
        for _ in range(40):
            assert raw.get(s.port, "/status").status == 200
        assert {f'signet_loop_lag_seconds{{worker="{i}"}}' for i in range(4)} <= set(s.metrics())


def test_no_subcommand_and_a_flag_first_is_serve():
    s = Signet(config(MODEL), start=False)
    with open(s.stderr_path, "ab") as err:
        s.process = subprocess.Popen([binary(), "--config-file", s.toml_path], stderr=err, stdout=subprocess.DEVNULL, env=s.env, cwd=s.folder)
    raw.wait_for(lambda: "listening on" in s.stderr(), 20)
    s.stop()


def test_validate_and_exit_does_all_but_listen(tmp_path):
    s = Signet(config(MODEL), args=["--validate-and-exit"], start=False).spawn()
    assert ended(s, 20) == 0
    assert "Configuration is valid. Exiting." in s.stderr() and "listening" not in s.stderr()
    bad = Signet(config(MODEL.replace('"openai"', '"opnai"')), args=["--validate-and-exit"], start=False)
    status, err = bad.fails_to_start()
    assert status == 1 and "opnai" in err


def test_validate_and_exit_beside_a_running_gateway(tmp_path):
    """Who changes a configuration validates it where the old one still serves."""
    data = {"SIGNET_DATA_DIR": str(tmp_path / "data")}
    with Signet(config(MODEL, record=True), env=data):
        s = Signet(config(MODEL, record=True), args=["--validate-and-exit"], env=data, start=False).spawn()
        assert ended(s, 20) == 0 and "Configuration is valid. Exiting." in s.stderr()


def test_without_a_record_a_data_directory_is_no_condition(tmp_path):
    (tmp_path / "file").write_text("")
    with Signet(config(MODEL), env={"SIGNET_DATA_DIR": str(tmp_path / "file" / "data")}) as s:
        assert "compiled signers are not kept" in s.stderr()


def test_a_refused_configuration_is_told_under_tensorzeros_first_lines():
    s = Signet(config(MODEL) + "[nope]\nx = 1\n", start=False)
    status, err = s.fails_to_start()
    lines = err.splitlines()
    assert status == 1
    assert lines[0] == f"Failed to load config. Config file glob `{s.toml_path}` resolved to the following files:"
    assert lines[1] == s.toml_path
    assert any(l.startswith(s.toml_path + ":") and "nope" in l for l in lines[2:])


def test_debug_of_the_gateway_shows_debug_lines_unless_the_environment_speaks():
    gateway = "debug = true"
    with Signet(config(MODEL, gateway), env={"RUST_LOG": ""}) as s:
        raw.get(s.port, "/api/unknown")
        raw.wait_for(lambda: any(l["level"] == "debug" for l in s.logs()))
    with Signet(config(MODEL, gateway), env={"SIGNET_LOG": "info"}) as s:
        raw.get(s.port, "/api/unknown")
        assert not any(l["level"] == "debug" for l in s.logs())


def test_a_log_level_that_is_none_stops_the_start():
    s = Signet(config(MODEL), env={"SIGNET_LOG": "loud"}, start=False)
    status, err = s.fails_to_start()
    assert status == 1 and 'SIGNET_LOG: "loud" is no log level' in err


def test_pretty_logs_on_demand():
    with Signet(config(MODEL), args=["--log-format", "pretty"]) as s:
        assert re.search(r"^\S+Z  INFO serve: listening on 127", s.stderr(), re.M)


def test_access_log_only_when_asked_for():
    with Signet(config(MODEL)) as s:
        raw.get(s.port, "/health")
        assert not any(l["msg"] == "request" for l in s.logs())
    with Signet(config(MODEL, extra="[server]\naccess_log = true")) as s:
        got = raw.get(s.port, "/health")
        line = raw.wait_for(lambda: next((l for l in s.logs() if l.get("request_id") == got.headers["x-request-id"]), None))
        assert (line["msg"], line["route"], line["status"], line["level"]) == ("request", "/health", 200, "info")
        assert line["ms"] >= 0
        assert "model" not in line
        got = raw.post(s.port, CHAT, chat())
        line = raw.wait_for(lambda: next((l for l in s.logs() if l.get("request_id") == got.headers["x-request-id"] and l["msg"] == "request"), None))
        assert (line["profile"], line["model"]) == ("openai", "m")
        assert line["inference_id"] == got.headers["x-signet-inference-id"]


def test_access_log_has_the_time_to_the_first_delta(mock):
    with Signet(config(openai_model("m", mock.url), extra="[server]\naccess_log = true")) as s:
        for stream in (False, True):
            mock.reset(sse(text_chunks("hi")) if stream else json_answer(chat_answer("hi")))
            got = raw.post(s.port, CHAT, chat(stream=stream))
            assert got.status == 200
            line = raw.wait_for(lambda: next((l for l in s.logs() if l.get("request_id") == got.headers["x-request-id"]), None))
            assert ("ttft_ms" in line) == stream
        assert 0 <= line["ttft_ms"] <= line["ms"] + 1


# -- command line -----------------------------------------------------------------------------------
def test_help_lists_what_there_is():
    status, out, err = run("--help")
    assert (status, err) == (0, "")
    found = re.findall(r"^  ([a-z]+)  ", out, re.M)  # tests/packages compares them with the vocabulary
    assert found[:4] == ["serve", "check", "sign", "log"] and found[-2:] == ["completions", "version"]


@pytest.mark.parametrize("command,flags", [
    ("serve", ["--config-file GLOB", "--default-config", "--bind-address IP:PORT", "--data-dir D", "--workers N", "--log-format F",
               "--log-file F", "--on-sighup ACTION", "--validate-and-exit", "--run-clickhouse-migrations", "--create-api-key", "--expiration TIME", "--disable-api-key ID"]),
    ("check", ["--config-file GLOB", "--default-config", "--json", "--strict"]),
    ("sign", ["--module M.wasm", "--nonce N", "--timestamp T", "--device-id D", "--content C", "--content-file F", "--input NAME=VALUE", "--inspect", "--bench N",
              "--memory-limit-mb N", "--timeout-ms N"]),
    ("log", ["--data-dir D", "--config-file GLOB", "--json", "--limit N", "--since 1h", "--until 10m", "--errors", "--model M", "--provider P", "--slow MS", "--raw"]),
    ("keys", ["--data-dir D", "--description S", "--expiration TIME", "--role R", "--keep-s N", "--json"]),
    ("version", []),
])
def test_every_command_lists_exactly_its_flags(command, flags):
    status, out, err = run(command, "--help")
    assert (status, err) == (0, "")
    assert f"signet {command}" in out and "usage" in out.lower()
    listed = [re.sub(r" +", " ", f).strip() for f in re.findall(r"^  (--[a-z-]+(?: [A-Z0-9][A-Za-z0-9.:=]*)?)(?=  |$)", out, re.M)]
    assert sorted(set(listed) - {"--help"}) == sorted(flags)
    assert set(re.findall(r"(?<![\w-])--[a-z-]+", out)) <= {f.split(" ")[0] for f in flags} | {"--help"}


def test_help_of_log_lists_its_three_ways():
    _, out, _ = run("log", "--help")
    assert re.findall(r"^(?:usage:|      ) signet log ([a-z]+(?: [A-Z]+)?)", out, re.M) == ["tail", "show ID", "grep WORDS"]
    for way in ("tail", "show", "grep"):
        assert run("log", way, "--help") == (0, out, "")


def test_version():
    for args in (["version"], ["--version"]):
        status, out, _ = run(*args)
        lines = out.splitlines()
        assert status == 0 and re.fullmatch(r"signet \d+\.\d+\.\d+ \(TensorZero 2026\.6\.0\)", lines[0])
        assert [l.split(" ")[0] for l in lines[1:]] == ["SQLite", "OpenSSL", "Wasmtime"]


@pytest.mark.parametrize("args", [[], ["nope"], ["serve", "--nope"], ["serve", "--config-file"], ["version", "x"], ["--nope"],
                                  ["serve", "--default-config", "--bind-address", "3000"], ["serve", "--default-config", "--workers", "0"], ["logs"],
                                  ["serve", "a.toml", "--default-config"], ["serve"], ["--config-file", "x", "--default-config"]])
def test_wrong_usage_is_2(args):
    status, out, err = run(*args)
    assert (status, out) == (2, "") and err


@pytest.mark.parametrize("args,text", [
    (["serve"], "You must specify either `--config-file` or `--default-config`."),
    (["--config-file", "x", "--default-config"], "You must not specify both `--config-file` and `--default-config`."),
    (["logs"], "signet: unknown command logs (did you mean log?)"),
    (["chekc"], "(did you mean check?)"),
])
def test_wrong_usage_says_what_was_meant(args, text):
    status, out, err = run(*args)
    assert (status, out) == (2, "") and text in err


def test_serve_takes_a_file_as_check_does(tmp_path):
    for name in ("a", "b"):
        (tmp_path / f"{name}.toml").write_text(f'[models.{name}]\nrouting = ["p"]\n[models.{name}.providers.p]\ntype = "openai"\nmodel_name = "x"\n'
                                               'api_key_location = "none"\n')
    (tmp_path / "g.toml").write_text('[gateway.observability]\nenabled = false\n')
    one, both = [str(tmp_path / "g.toml")], [str(tmp_path / n) for n in ("a.toml", "b.toml", "g.toml")]
    for files in (one, both):
        assert run("serve", *files, "--validate-and-exit", "--bind-address", "127.0.0.1:0", "--data-dir", str(tmp_path / "d"))[0] == 0
        assert run("check", *files)[0] == 0
    assert run("serve", str(tmp_path / "none.toml"), "--validate-and-exit")[0] == 1


@pytest.mark.parametrize("args,text", [
    (["--create-api-key", "--expiration", "2020-01-01T00:00:00Z"], "Expiration datetime needs to be in the future"),
    (["--run-clickhouse-migrations"], "--run-clickhouse-migrations needs the variable TENSORZERO_CLICKHOUSE_URL"),
])
def test_starts_that_are_refused(args, text):
    status, out, err = run(*args)
    assert (status, out) == (1, "") and text in err


# -- signals ----------------------------------------------------------------------------------------
@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGINT])
def test_an_idle_gateway_ends_at_once(sig):
    with Signet(config(MODEL, record=True)) as s:
        idle = raw.Client(s.port)
        idle.send(b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n").read()
        began = time.monotonic()
        s.process.send_signal(sig)
        assert ended(s, 10) == 0 and time.monotonic() - began < 5
        assert idle.at_end()


def test_sigpipe_is_ignored():
    with Signet(config(MODEL)) as s:
        s.process.send_signal(signal.SIGPIPE)
        assert raw.get(s.port, "/health").status == 200


def test_a_drain_lets_running_requests_end_and_takes_no_new_ones():
    with Mock(default=json_answer(chat_answer("late"), delay=1.5)) as mock:
        with Signet(config(openai_model("m", mock.url))) as s:
            running = raw.Client(s.port).send(raw.post_bytes(CHAT, chat()))
            mock.wait_requests(1)
            s.process.send_signal(signal.SIGTERM)
            time.sleep(0.4)
            with pytest.raises(OSError):
                raw.Client(s.port, timeout=2)
            got = running.read()
            assert got.status == 200 and "late" in got.text and got.headers["connection"] == "close"
            assert ended(s, 10) == 0


def test_a_drain_that_takes_too_long_cancels_and_says_how_many():
    with Mock(default=hang()) as mock:
        with Signet(config(openai_model("m", mock.url), extra="[server]\ndrain_s = 6")) as s:
            clients = [raw.Client(s.port).send(raw.post_bytes(CHAT, chat())) for _ in range(3)]
            mock.wait_requests(3)
            began = time.monotonic()
            s.process.send_signal(signal.SIGTERM)
            assert ended(s, 15) == 0
            assert 6 <= time.monotonic() - began < 10
            told = [l for l in s.logs() if l["msg"] == "draining"]
            assert [l["running"] for l in told] == [3], "a line each five seconds"
            assert any("cancelled" in l["msg"] and l["running"] == 3 for l in s.logs())
            for client in clients:
                got = client.read()
                assert (got.status, got.headers["retry-after"], got.message) == (503, "1", "The gateway is shutting down")
            assert all(r.gone.wait(5) for r in mock.requests), "the upstream calls end with them"


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_at_once(sig):
    with Mock(default=hang()) as mock:
        s = Signet(config(openai_model("m", mock.url)))
        running = raw.Client(s.port).send(raw.post_bytes(CHAT, chat()))
        mock.wait_requests(1)
        s.process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        began = time.monotonic()
        s.process.send_signal(sig)
        assert ended(s, 5) == 128 + sig and time.monotonic() - began < 2
        assert running.at_end()


def test_sigusr1_opens_the_log_file_anew(tmp_path):
    log = tmp_path / "signet.log"
    s = Signet(config(MODEL, extra="[server]\naccess_log = true"), args=["--log-file", str(log)], start=False).spawn()
    raw.wait_for(lambda: log.exists() and "listening" in log.read_text(), 20)
    s.port = int(re.search(r"listening on 127.0.0.1:(\d+)", log.read_text()).group(1))
    old = tmp_path / "signet.log.1"
    log.rename(old)
    raw.get(s.port, "/health")
    raw.wait_for(lambda: '"route":"/health"' in old.read_text())
    s.process.send_signal(signal.SIGUSR1)
    raw.wait_for(log.exists)
    raw.get(s.port, "/status")
    raw.wait_for(lambda: '"route":"/status"' in log.read_text())
    assert '"route":"/status"' not in old.read_text()
    assert all(json.loads(l) for l in log.read_text().splitlines())
    s.stop()
    assert "listening" not in s.stderr()


# -- crash ------------------------------------------------------------------------------------------
@pytest.mark.parametrize("sig,name", [(signal.SIGSEGV, "SIGSEGV"), (signal.SIGBUS, "SIGBUS"), (signal.SIGFPE, "SIGFPE"), (signal.SIGILL, "SIGILL"),
                                      (signal.SIGABRT, "SIGABRT")])
def test_a_crash_prints_a_trace(sig, name):
    if not plain():
        pytest.skip("sanitizers have their own report, and build/signet is not there (./dev build)")
    s = Signet(config(MODEL), program=plain())
    s.process.send_signal(sig)
    assert ended(s, 10) == -sig
    text = s.stderr()
    assert re.search(rf"signet \d+\.\d+\.\d+ crashed: signal {int(sig)} \({name}\).*process {s.process.pid}\nbacktrace:\n", text)
    assert len(re.findall(r"^\S+signet\(.*\[0x[0-9a-f]+\]$", text, re.M)) >= 2


# -- metrics that look at the floors below -----------------------------------------------------------
def test_upstream_connections_by_host_and_state():
    with Mock(default=json_answer(chat_answer(), delay=0.6)) as mock:
        with Signet(config(openai_model("m", mock.url)), args=["--workers", "2"]) as s:
            clients = [raw.Client(s.port).send(raw.post_bytes(CHAT, chat())) for _ in range(4)]
            mock.wait_requests(4)
            assert s.metric("signet_upstream_connections", host="127.0.0.1", state="busy") == 4
            assert all(c.read().status == 200 for c in clients)
            raw.wait_for(lambda: s.metric("signet_upstream_connections", host="127.0.0.1", state="idle") == 4)
            assert s.metric("signet_upstream_connections", host="127.0.0.1", state="busy") == 0
            mock.drop_idle()
            raw.wait_for(lambda: s.metric("signet_upstream_connections", host="127.0.0.1") == 0)
