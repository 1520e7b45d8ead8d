"""Reload (config §1, ui §7): files are loaded beside, validated, swapped; requests under way keep what they began with; a bad file
changes nothing and says why; what is read at start only is named with both values."""
import json
import os
import signal
import threading
import time

import pytest

from lib import raw, record
from lib.mock import Mock, chat_answer, json_answer, sse, text_chunks
from lib.raw import CHAT, chat
from lib.signet import Signet, config, openai_model
from test_sign_in import PASSWORD, SESSION, Browser, request, users_env, users_toml

CONFIG, CHECK, RELOAD, ACTIVATE = (f"/internal/signet/config{x}" for x in ("", "/check", "/reload", "/activate"))


def put(s, text):
    """As editors and ConfigMaps do: a new file in the place of the old one."""
    fresh = s.toml_path + ".new"
    with open(fresh, "w") as f:
        f.write(text)
    os.rename(fresh, s.toml_path)


def write(port, method, path, body=None, headers=(), **more):
    """From a page of this machine: with the token that pages have."""
    csrf = request(port, "GET", SESSION, **more)
    proof = [("x-signet-csrf", csrf.json["csrf"])] if csrf.status == 200 else [("x-signet-csrf", "1")]
    return request(port, method, path, [("content-type", "application/json"), *proof, *headers], body, **more)


def reload(s, body=None, status=200):
    answer = write(s.port, "POST", RELOAD, body)
    assert answer.status == status, answer.text
    return answer.json


def logged(s, message, **fields):
    def found():
        return [l for l in s.logs() if l.get("message", l.get("msg")) == message and all(l.get(k) == v for k, v in fields.items())]
    return raw.wait_for(found, 10)


def ask(s, model, status=200):
    answer = raw.post(s.port, CHAT, chat(model))
    assert answer.status == status, answer.text
    return answer


def two(mock):
    return config(openai_model("a", mock.url)), config(openai_model("a", mock.url) + openai_model("b", mock.url))


def test_a_signal_puts_the_files_in_force_on_every_worker():
    with Mock(default=json_answer(chat_answer("hello"))) as mock:
        one, both = two(mock)
        with Signet(one, args=["--workers", "3"]) as s:
            hash = s.status()["config_hash"]
            ask(s, "b", 404)
            put(s, both)
            s.process.send_signal(signal.SIGHUP)
            logged(s, "reloaded")
            for _ in range(12):  # connections spread over the workers
                ask(s, "b")
            assert s.status()["config_hash"] != hash
            assert s.metric("signet_config_reloads_total", result="ok") == 1
            put(s, one)
            s.process.send_signal(signal.SIGHUP)
            raw.wait_for(lambda: s.metric("signet_config_reloads_total", result="ok") == 2, 10)
            for _ in range(12):
                ask(s, "b", 404)
            assert s.status()["config_hash"] == hash


def test_on_sighup_exit_is_tensorzeros_meaning():
    with Mock() as mock, Signet(config(openai_model("m", mock.url)), args=["--on-sighup", "exit"]) as s:
        began = time.monotonic()
        s.process.send_signal(signal.SIGHUP)
        time.sleep(0.5)
        assert raw.get(s.port, "/health").status == 200, "it still serves in that second"
        assert s.process.wait(10) == 0 and time.monotonic() - began >= 1


@pytest.mark.parametrize("bad, place", [
    ("[models.a\n", "signet.toml:1"), ("[models.a]\nrouting = [\"x\"]\n", "signet.toml:1"), ("[gatway]\n", "signet.toml:1"),
    ("", "signet.toml"), (None, "signet.toml"),
])
def test_a_bad_file_changes_nothing_and_says_why(bad, place):
    with Mock(default=json_answer(chat_answer("hello"))) as mock:
        one, _ = two(mock)
        with Signet(one) as s:
            hash = s.status()["config_hash"]
            if bad is None:
                os.unlink(s.toml_path)
            else:
                put(s, bad)
            if bad == "":  # an empty file is a configuration without models, and valid
                assert reload(s)["ok"]
                ask(s, "a", 404)
                return
            said = reload(s, status=422)
            assert not said["ok"] and said["hash"] is None and said["errors"] and "error" in said
            assert place in json.dumps(said["errors"]) or place in f'{said["errors"][0]["file"]}:{said["errors"][0]["line"]}'
            s.process.send_signal(signal.SIGHUP)
            raw.wait_for(lambda: s.metric("signet_config_reloads_total", result="invalid") == 2, 10)
            assert logged(s, "not reloaded: the files have errors, nothing has changed", in_force=hash)
            ask(s, "a")
            assert s.status()["config_hash"] == hash


def test_requests_under_way_keep_what_they_began_with():
    chunks = text_chunks("one two three four five six seven eight")
    with Mock(default=sse(chunks, delay=0.2)) as mock, Mock(default=json_answer(chat_answer("new"))) as other:
        with Signet(config(openai_model("a", mock.url), extra="[surfaces]\naliases = { alias = \"a\" }\n")) as s:
            answers = []
            threads = [threading.Thread(target=lambda: answers.append(raw.post(s.port, CHAT, chat(m, stream=True)))) for m in ("a", "alias")]
            for t in threads:
                t.start()
            raw.wait_for(lambda: len(mock.requests) == 2, 10)
            for turn in range(10):  # more than are kept
                put(s, config(openai_model("a", other.url) + openai_model(f"turn{turn}", other.url)))
                reload(s)
            assert ask(s, "a").json["choices"][0]["message"]["content"] == "new"
            for t in threads:
                t.join()
            for answer in answers:
                assert answer.status == 200 and "eight" in answer.text and "[DONE]" in answer.text
            ask(s, "alias", 404)


def test_what_is_read_at_start_only_is_named_with_both_values():
    with Mock(default=json_answer(chat_answer("hello"))) as mock:
        text = config(openai_model("a", mock.url), extra="[server]\nkeepalive_ms = 5000\naccess_log = false\n")
        with Signet(text) as s:
            port = s.port
            put(s, text.replace("5000", "70000").replace("access_log = false", "access_log = true").replace("127.0.0.1:0", "127.0.0.1:1"))
            checked = write(s.port, "POST", CHECK).json
            assert checked["ok"] and [(d["key"], d["old"], d["new"], d["when"]) for d in checked["diff"]] == [
                ("gateway.bind_address", "127.0.0.1:0", "127.0.0.1:1", "restart"),
                ("server.access_log", False, True, "now"), ("server.keepalive_ms", 5000, 70000, "restart")]
            assert all(d["file"].endswith("signet.toml") and d["line"] > 0 for d in checked["diff"])
            assert reload(s, {"hash": checked["hash"]})["hash"] == checked["hash"]
            assert logged(s, "server.keepalive_ms takes effect with the next start only", running="5000", file="70000")
            assert logged(s, "server.access_log changed", old="false", new="true")
            entries = {e["key"]: e for e in json.loads(s.get(CONFIG))["entries"]}
            assert entries["server.keepalive_ms"]["needs_restart"] and entries["server.keepalive_ms"]["running"] == 5000
            assert "needs_restart" not in entries["server.access_log"]
            ask(s, "a")
            assert logged(s, "request")
            # twice is not new: against what the process runs with, not against the file of before
            put(s, text)
            reload(s)
            assert not [e for e in json.loads(s.get(CONFIG))["entries"] if "needs_restart" in e]
            assert s.port == port


def test_only_what_was_checked():
    with Mock(default=json_answer(chat_answer("hello"))) as mock:
        one, both = two(mock)
        with Signet(one) as s:
            hash = s.status()["config_hash"]
            put(s, both)
            checked = write(s.port, "POST", CHECK).json
            assert checked["hash"] != hash and s.status()["config_hash"] == hash, "a check changes nothing"
            put(s, both + openai_model("c", mock.url))
            said = reload(s, {"hash": checked["hash"]}, 409)
            assert "check them again" in said["error"] and s.status()["config_hash"] == hash
            assert s.metric("signet_config_reloads_total", result="conflict") == 1
            put(s, both)
            reload(s, {"hash": checked["hash"]})
            ask(s, "b")
            for body in ({"hash": 1}, [], "x"):
                reload(s, body, 400)


def test_one_returns_to_an_earlier_one():
    with Mock(default=json_answer(chat_answer("hello"))) as mock:
        one, both = two(mock)
        with Signet(one) as s:
            hash = s.status()["config_hash"]
            put(s, both)
            reload(s)
            ask(s, "b")
            history = json.loads(s.get(CONFIG))["history"]
            assert [h["hash"] for h in history][1:] == [hash]
            said = write(s.port, "POST", ACTIVATE, {"hash": hash}).json
            assert said["ok"] and said["hash"] == hash
            ask(s, "b", 404)
            assert json.loads(s.get("/internal/signet/health"))["files_changed"], "the files say something else"
            assert write(s.port, "POST", ACTIVATE, {"hash": "0" * 64}).status == 409
            assert write(s.port, "POST", ACTIVATE).status == 400


def test_rows_name_the_configuration_that_they_were_made_under():
    with Mock(default=json_answer(chat_answer("hello"))) as mock:
        text = config(openai_model("a", mock.url), record=True)
        with Signet(text) as s:
            ask(s, "a")
            first = s.status()["config_hash"]
            put(s, text + openai_model("b", mock.url))
            reload(s)
            ask(s, "b")
            second = s.status()["config_hash"]
            record.wait_rows(s.data_dir, 2)
            hashes = [r["n"] for r in record.rows(s.data_dir, "SELECT snapshot_hash AS n FROM InferenceById ORDER BY seq")]
            kept = {r["n"]: r["config"] for r in record.rows(s.data_dir, "SELECT n, config FROM ConfigSnapshot")}
            assert len(set(hashes)) == 2 and set(hashes) <= set(kept)
            assert "models.b" in kept[hashes[1]].replace('"', "") and "models.b" not in kept[hashes[0]].replace('"', "")
            assert first != second


def test_who_may_reload():
    with Mock(default=json_answer(chat_answer("hello"))) as mock, Signet(users_toml(mock), env=users_env()) as s:
        admin, editor = (Browser(s.port, {"user": n, "password": f"{n} {PASSWORD}"}) for n in ("admin", "editor"))
        assert editor.write("POST", CHECK).status == 403 and editor.write("POST", ACTIVATE, {"hash": "0"}).status == 403
        assert admin.write("POST", CHECK).json["ok"] and admin.write("POST", RELOAD).json["ok"]
        # a process of this machine may, without gateway.auth; whoever comes through a proxy may not
        assert write(s.port, "POST", RELOAD).status == 200
        assert write(s.port, "POST", RELOAD, headers=[("x-forwarded-for", "10.0.0.1")]).status == 403
        assert write(s.port, "POST", RELOAD, host="gateway.example.com").status == 403
        events = admin.get("/internal/signet/audit").json["events"]
        assert [e["action"] for e in events if e["action"].startswith("config.")] == ["config.reload"] * 2


def test_many_reloads_under_load_lose_no_request():
    with Mock(default=json_answer(chat_answer("hello"))) as mock:
        one, both = two(mock)
        with Signet(one, args=["--workers", "2"]) as s:
            failed, ended = [], threading.Event()

            def load():
                while not ended.is_set():
                    answer = raw.post(s.port, CHAT, chat("a"))
                    if answer.status != 200:
                        failed.append(answer.text)
            threads = [threading.Thread(target=load) for _ in range(4)]
            for t in threads:
                t.start()
            for turn in range(30):
                put(s, both if turn % 2 else one)
                reload(s)
            ended.set()
            for t in threads:
                t.join()
            assert not failed
