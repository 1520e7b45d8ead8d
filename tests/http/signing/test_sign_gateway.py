"""Signed requests through the gateway: the sample developer API verifies each of them natively."""
import hashlib
import json
import os
import stat
import subprocess
from concurrent.futures import ThreadPoolExecutor

import anthropic
import httpx
import pytest
from lib import raw, record
from lib.mock import answer as plain, chat_answer, json_answer
from lib.signet import ROOT, Signet, config
from signing_lib import DeveloperApi, OtherRuntime, build_sample, native

CANNED = ("Hello! This answer comes from the sample developer API. "
          "Your request carried a signature that a WebAssembly module made, and it was verified. Grüße, 你好, 👋")
CLANG = ["clang", "--target=wasm32", "-nostdlib", "-ffreestanding", "-fno-builtin", "-mbulk-memory", "-O1", "-w",
         "-Wl,--no-entry", "-Wl,-z,stack-size=4096"]


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    return build_sample(tmp_path_factory.mktemp("signer"))


@pytest.fixture(scope="module")
def bad_module(tmp_path_factory):
    folder = tmp_path_factory.mktemp("modules")

    def build(case, *flags):
        """It signs what it is tried with at the start, unless the flags say otherwise: a bad one would stop the start."""
        flags = flags or ("-DSPARES_TRIAL",)
        out = str(folder / f"{case}{''.join(flags)}.wasm")
        if not os.path.exists(out):
            subprocess.run([*CLANG, f"-DCASE={case}", f"-DIS_{case}", *flags, "-o", out,
                            os.path.join(ROOT, "tests", "unit", "wasm", "module.c")], check=True)
        return out
    return build


def provider(model, name, endpoint, signer, extra=""):
    return (f'[models.{model}.providers.{name}]\ntype = "rust-proxy"\nmodel_name = "claude-3.5-sonnet"\n'
            f'api_endpoint = "{endpoint}"\ndevice_id = "test-device"\nsession_id = "test-session"\n'
            f'signer = {{ path = "{signer}" }}\n{extra}\n')


def model(name, *providers):
    names = [p.split("]")[0].rsplit(".", 1)[1] for p in providers]
    return f"[models.{name}]\nrouting = {json.dumps(names)}\n" + "".join(providers)


def x_fail(how):
    return f'extra_headers = [{{ name = "x-fail", value = "{how}" }}]\n'


def ask(signet, name="rust-proxy", content="Hello, world!", **fields):
    body = {"model": name, "messages": [{"role": "user", "content": content}], **fields}
    return httpx.post(signet.url + "/v1/chat/completions", json=body, timeout=30)


def text_of(answer):
    assert answer.status_code == 200, answer.text
    return answer.json()["choices"][0]["message"]["content"]


def chunks(signet, **fields):
    lines = ask(signet, stream=True, **fields).text.split("\n\n")
    data = [line[len("data: "):] for line in lines if line.startswith("data: ")]
    assert data[-1] == "[DONE]", data
    return [json.loads(d) for d in data[:-1]]


def joined(parts, key):
    return "".join(p["choices"][0]["delta"].get(key) or "" for p in parts if p["choices"])


@pytest.fixture(scope="module")
def api():
    with DeveloperApi() as a:
        yield a


@pytest.fixture(scope="module")
def gateway(api, sample, bad_module):
    wrong = build_sample(os.path.dirname(sample) + "-wrong", "wrong-key")
    models = [model("rust-proxy", provider("rust-proxy", "devapi", api.endpoint, sample)),
              model("wrong", provider("wrong", "p", api.endpoint, wrong))]
    for how in ("error", "500", "cut"):
        models.append(model(f"fails-{how}", provider(f"fails-{how}", "p", api.endpoint, sample, x_fail(how))))
        models.append(model(f"falls-{how}", provider(f"falls-{how}", "a", api.endpoint, sample, x_fail(how)),
                            provider(f"falls-{how}", "b", api.endpoint, sample)))
    for case in ("LOOP", "TRAP", "FAR_ANSWER", "NOT_UTF8", "GROW"):
        bad = provider(f"bad-{case}", "bad", api.endpoint, bad_module(case))
        models.append(model(f"bad-{case}", bad))
        models.append(model(f"after-{case}", bad.replace(f"bad-{case}", f"after-{case}"),
                            provider(f"after-{case}", "good", api.endpoint, sample)))
    with Signet(config("\n".join(models))) as signet:
        yield signet


def test_the_guides_request_answers(gateway):
    answer = ask(gateway)
    assert text_of(answer) == CANNED
    body = answer.json()
    assert body["object"] == "chat.completion"
    assert body["model"] == "rust-proxy"
    assert body["choices"][0]["finish_reason"] == "stop"


def test_the_same_streamed(gateway):
    parts = chunks(gateway)
    assert joined(parts, "content") == CANNED
    assert [p["choices"][0]["finish_reason"] for p in parts if p["choices"]][-1] == "stop"


def test_reasoning_comes_before_the_answer(gateway):
    parts = chunks(gateway, content="Hello [think]")
    assert joined(parts, "reasoning_content") == "The user asks to see reasoning, so here is some."
    assert joined(parts, "content") == CANNED


def test_two_hundred_at_once_are_all_verified_and_no_nonce_is_used_twice(gateway):
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda i: text_of(ask(gateway, content=f"Hello {i} ä你👋\n\"\\")), range(200)))
    assert answers == [CANNED] * 200


def test_a_large_content_is_signed_too(gateway):
    assert text_of(ask(gateway, content="x" * 2_000_000)) == CANNED


def test_a_signature_by_the_wrong_key_is_the_gateways_own_trouble(gateway):
    answer = ask(gateway, name="wrong")
    assert answer.status_code == 502
    assert "Dev API Error (401)" in answer.text
    assert "test-session" not in answer.text


@pytest.mark.parametrize("how", ["error", "500"])
def test_a_failure_before_the_first_text_falls_through(gateway, how):
    assert ask(gateway, name=f"fails-{how}").status_code >= 500
    assert text_of(ask(gateway, name=f"falls-{how}")) == CANNED
    assert joined(chunks(gateway, name=f"falls-{how}"), "content") == CANNED


def test_a_connection_cut_in_mid_event(gateway):
    assert ask(gateway, name="fails-cut").status_code >= 500
    assert text_of(ask(gateway, name="falls-cut")) == CANNED
    streamed = ask(gateway, name="fails-cut", stream=True).text
    assert '"error"' in streamed


@pytest.mark.parametrize("case, result, reason", [
    ("LOOP", "timeout", "cut after 100 ms of CPU time"),
    ("TRAP", "trap", "it gave up"),
    ("FAR_ANSWER", "answer", "its answer points outside of its memory"),
    ("NOT_UTF8", "answer", "its answer is not UTF-8"),
    ("GROW", "memory", "at its memory limit of 16 MiB"),
])
def test_a_bad_signer_fails_its_request_and_nothing_else(gateway, case, result, reason):
    signer = f"models.bad-{case}.providers.bad"
    before = gateway.metric("signet_signer_calls_total", signer=signer, result=result)
    for _ in range(2):
        answer = ask(gateway, name=f"bad-{case}")
        assert answer.status_code == 500
        assert "Signing failed: " in answer.text and reason in answer.text
        assert answer.json()["error"]["code"] == "signer_failed"
    assert gateway.metric("signet_signer_calls_total", signer=signer, result=result) == before + 2
    assert gateway.metric("signet_signer_instances", signer=signer) == 0
    assert text_of(ask(gateway, name=f"after-{case}")) == CANNED
    assert text_of(ask(gateway)) == CANNED


def test_what_the_api_cannot_carry_is_named_and_each_list_warned_of_once(gateway):
    for _ in range(3):
        answer = ask(gateway, temperature=0.3, max_tokens=5)
        assert text_of(answer) == CANNED
        assert answer.headers["x-signet-ignored"] == "temperature, max_tokens"
    tool = {"type": "function", "function": {"name": "f", "parameters": {}}}
    answer = ask(gateway, tools=[tool], parallel_tool_calls=True)
    assert answer.headers["x-signet-ignored"] == "tools, parallel_tool_calls"
    warnings = [l for l in gateway.logs() if l["msg"] == "the developer API does not take all of a request"]
    assert [w["key"] for w in warnings] == ["temperature, max_tokens", "tools, parallel_tool_calls"]


def test_a_forced_tool_choice_is_refused(gateway):
    tool = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
    answer = ask(gateway, tools=[tool], tool_choice="required")
    assert answer.status_code == 400
    assert "RustProxy provider cannot call tools" in answer.text


def test_an_image_is_refused_by_its_name(gateway):
    part = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    answer = ask(gateway, content=[part])
    assert answer.status_code == 400
    assert "Unsupported content block type `image` for provider `rust-proxy`" in answer.text


def test_metrics_tell_of_the_signer(gateway):
    name = "models.rust-proxy.providers.devapi"
    before = gateway.metric("signet_signer_calls_total", signer=name, result="ok")
    assert text_of(ask(gateway)) == CANNED
    assert gateway.metric("signet_signer_calls_total", signer=name, result="ok") == before + 1
    assert gateway.metric("signet_signer_seconds_count", signer=name) >= before + 1
    assert gateway.metric("signet_signer_instances", signer=name) >= 1


def test_the_conversation_as_the_api_sees_it(sample):
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Grüße"},
                {"role": "assistant", "content": "Hi"}, {"role": "user", "content": "你好 👋"}]
    with DeveloperApi("--answer", "echo") as echo, Signet(config(model("m", provider("m", "p", echo.endpoint, sample)))) as signet:
        answer = httpx.post(signet.url + "/v1/chat/completions", json={"model": "m", "messages": messages}, timeout=30)
        assert text_of(answer) == "System: Be brief.\nUser: Grüße\nAssistant: Hi\nUser: 你好 👋"


def test_a_thousand_signatures_equal_those_of_another_runtime(sample, mock):
    """Done when 3, end to end: nonce and time are the gateway's own, the content is random."""
    other = OtherRuntime(sample)
    mock.default = plain("event: c\ndata: ok\n\nevent: finish\ndata:\n\n", content_type="text/event-stream")
    with Signet(config(model("m", provider("m", "p", mock.url + "/stream/chat", sample)))) as signet:
        def one(i):
            return text_of(ask(signet, name="m", content=("ä你👋x\n\"" * (i * 7 % 400))[: i * 3 % 1500] + str(i)))
        with ThreadPoolExecutor(8) as pool:
            assert list(pool.map(one, range(1000))) == ["ok"] * 1000
    assert len(mock.requests) == 1000
    nonces = set()
    for r in mock.requests:
        h = r.headers
        case = (h["nonce"], h["timestamp"], h["device-id"], r.json["content"])
        assert h["sign"] == other.sign(*case) == native(*case)
        nonces.add(h["nonce"])
    assert len(nonces) == 1000


def test_a_signer_stands_on_any_provider(sample, mock):
    mock.default = json_answer(chat_answer())
    toml = ('[models.m]\nrouting = ["p"]\n[models.m.providers.p]\ntype = "openai"\nmodel_name = "mock-model"\n'
            f'api_base = "{mock.url}/v1/"\napi_key_location = "none"\n'
            f'signer = {{ path = "{sample}", inputs = ["nonce", "timestamp", "", "body"], header = "x-signature", '
            'nonce_header = "x-nonce" }\n')
    with Signet(config(toml)) as signet:
        ask(signet, name="m").raise_for_status()
    r = mock.last()
    assert r.headers["x-signature"] == native(r.headers["x-nonce"], r.headers["timestamp"], "", r.body.decode())
    assert "sign" not in r.headers and "device-id" not in r.headers


def test_compilations_are_kept_in_the_data_directory(sample, mock):
    toml = config(model("m", provider("m", "p", mock.url + "/stream/chat", sample)))
    with Signet(toml) as signet:
        folder = os.path.join(signet.data_dir, "modules")
        kept = [f for f in os.listdir(folder) if f.endswith(".cwasm")]
        assert len(kept) == 1
        path = os.path.join(folder, kept[0])
        assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
        assert stat.S_IMODE(os.stat(folder).st_mode) == 0o700


def test_a_pinned_module_comes_from_its_cache_as_from_its_file(api, sample, tmp_path):
    """signer.sha256 is checked against the module, whichever way its code is loaded; in capital letters too."""
    with open(sample, "rb") as f:
        digest = hashlib.sha256(f.read()).hexdigest()
    for pin in (digest, digest.upper()):
        signer = f'{{ path = "{sample}", sha256 = "{pin}" }}'
        toml = config(model("m", provider("m", "p", api.endpoint, "x").replace('{ path = "x" }', signer)))
        for cached in (False, True):  # the second start finds what the first one compiled
            with Signet(toml, folder=str(tmp_path)) as signet:
                assert text_of(ask(signet, name="m")) == CANNED
                assert signet.status()["signet"]["signers"] == [{"id": "models.m.providers.p", "sha256": digest, "calls": 1, "failures": 0, "refused": 0, "moved": 0}]
                assert len(os.listdir(os.path.join(signet.data_dir, "modules"))) == 1


@pytest.mark.parametrize("stream", [False, True])
def test_the_record_of_a_signed_request(sample, mock, stream):
    """What was signed, by which module, and what it gave: enough to check the signature again."""
    mock.default = plain("event: c\ndata: ok\n\nevent: finish\ndata:\n\n", content_type="text/event-stream")
    with open(sample, "rb") as f:
        digest = hashlib.sha256(f.read()).hexdigest()
    with Signet(config(model("m", provider("m", "p", mock.url + "/stream/chat", sample)), record=True)) as signet:
        answer = ask(signet, name="m", stream=stream)
        rows = record.whole(signet.data_dir, answer.headers["x-signet-inference-id"])
    h, row, call = mock.last().headers, rows["InferenceById"][0], rows["ModelInference"][0]
    assert (row["signed"], row["state"], row["preview_out"], call["raw_request"]) == (1, "ok", "ok", mock.last().body.decode())
    signature = call["signature"]
    assert {k: signature[k] for k in ("signer", "module_sha256", "nonce", "timestamp", "us")} == {
        "signer": "models.m.providers.p", "module_sha256": digest, "nonce": h["nonce"], "timestamp": h["timestamp"], "us": "ms"}
    assert h["sign"] == native(signature["nonce"], signature["timestamp"], "test-device", mock.last().json["content"])
    assert "test-session" not in json.dumps(rows)


@pytest.mark.parametrize("stream", [False, True])
def test_events_of_other_names_are_told(sample, mock, stream):
    mock.default = plain("event: c\ndata: ok\n\nevent: mood\ndata: good\n\nevent: weather\ndata: fair\n\nevent: finish\ndata:\n\n",
                         content_type="text/event-stream")
    with Signet(config(model("m", provider("m", "p", mock.url + "/stream/chat", sample)))) as signet:
        ask(signet, name="m", stream=stream).raise_for_status()
        raw.wait_for(lambda: "were left out" in signet.stderr())  # the call is closed behind its answer
        told = [json.loads(line) for line in signet.stderr().splitlines() if "were left out" in line]
    assert [(t["level"], t["msg"], t["model"], t["provider"], t["records"]) for t in told] == [
        ("warn", "events that Signet does not know were left out", "m", "p", 2)]


def test_the_record_of_a_signature_that_failed(bad_module, mock):
    toml = config(model("m", provider("m", "p", mock.url + "/stream/chat", bad_module("TRAP"))), record=True)
    with Signet(toml) as signet:
        answer = ask(signet, name="m")
        rows = record.whole(signet.data_dir, answer.headers["x-signet-inference-id"])
    assert (rows["InferenceById"][0]["error_kind"], rows["InferenceById"][0]["status"]) == ("signer", 500)
    (attempt,) = rows["RequestError"][0]["attempts"]
    assert attempt["status"] is None and "Signing failed: " in attempt["error"] and not mock.requests


def test_a_damaged_cache_is_compiled_anew(api, sample, tmp_path):
    toml = config(model("m", provider("m", "p", api.endpoint, sample)))
    for damage in (lambda code: code[: len(code) // 2], lambda code: b"", lambda code: code[:-64] + bytes(64), lambda code: b"\0" * 100 + code[100:]):
        with Signet(toml, folder=str(tmp_path)) as signet:
            assert text_of(ask(signet, name="m")) == CANNED
            folder = os.path.join(signet.data_dir, "modules")
        (name,) = os.listdir(folder)
        with open(os.path.join(folder, name), "r+b") as f:
            code = f.read()
            f.seek(0)
            f.truncate()
            f.write(damage(code))


def test_status_with_several_signers_is_json(gateway, bad_module):
    before = {s["id"]: s for s in gateway.status()["signet"]["signers"]}
    ask(gateway)
    ask(gateway, name="bad-TRAP")
    now = {s["id"]: s for s in gateway.status()["signet"]["signers"]}
    assert len(now) == 7  # one for each module and its options
    good, bad = "models.rust-proxy.providers.devapi", "models.bad-TRAP.providers.bad"
    assert (now[good]["calls"] - before[good]["calls"], now[good]["failures"]) == (1, 0)
    assert (now[bad]["calls"] - before[bad]["calls"], now[bad]["failures"] - before[bad]["failures"]) == (1, 1)
    with open(bad_module("TRAP"), "rb") as f:
        assert now[bad]["sha256"] == hashlib.sha256(f.read()).hexdigest()


@pytest.mark.parametrize("signer, reason", [
    ('{ path = "/nowhere/sign.wasm" }', "Failed to get WasmSigner instance: /nowhere/sign.wasm: No such file or directory"),
    ('{ path = "SAMPLE", sha256 = "' + "0" * 64 + '" }', "signer.sha256 asks for " + "0" * 64),
    ('{ path = "WASI" }', "its first signature failed: it called its import wasi_snapshot_preview1.fd_write: a signer may only compute"),
    ('{ path = "TRAP" }', "its first signature failed: it gave up (unreachable: a panic or abort)"),
    ('{ path = "GROW" }', "at its memory limit of 16 MiB (signer.memory_limit_mb)"),
    ('{ path = "NO_SIGN" }', "it has no `sign` with 9 i32 parameters"),
])
def test_a_module_that_cannot_be_used_stops_the_start(sample, bad_module, signer, reason):
    signer = signer.replace("SAMPLE", sample)
    for case in ("WASI", "NO_SIGN", "TRAP", "GROW"):
        signer = signer.replace(f'"{case}"', f'"{bad_module(case, "-DTRIED")}"')
    toml = provider("m", "p", "http://127.0.0.1:9/stream/chat", "x").replace('{ path = "x" }', signer)
    refused = Signet(config('[models.m]\nrouting = ["p"]\n' + toml), start=False)
    status, stderr = refused.fails_to_start()
    assert status == 1
    assert reason in stderr


@pytest.mark.parametrize("fault, failures", [
    ("sign.trap:2", 1), ("sign.answer:2", 1), ("sign.instance:3", 1), ("sign.cache_write:1+", 0)])
def test_injected_failures_of_a_signer_cost_one_request(api, sample, fault, failures):
    toml = config(model("m", provider("m", "p", api.endpoint, sample)))
    with Signet(toml, env={"SIGNET_FAULT": fault}) as signet:
        if not signet.debug():
            pytest.skip("this build has no injection points")
        answers = [ask(signet, name="m") for _ in range(4)]
        bad = [a for a in answers if a.status_code != 200]
        assert len(bad) == failures
        assert all(a.status_code == 500 and a.json()["error"]["code"] == "signer_failed" for a in bad)
        assert text_of(answers[-1]) == CANNED


@pytest.mark.parametrize("case, said", [("LOOP", "cut after 100 ms of CPU time"), ("NOT_UTF8", "its answer is not UTF-8")])
def test_a_signer_that_is_only_cut_or_answers_badly_when_it_is_tried_is_warned_of(bad_module, case, said):
    toml = config(model("m", provider("m", "p", "http://127.0.0.1:9/stream/chat", bad_module(case, "-DTRIED"))))
    with Signet(toml) as signet:
        (line,) = [l for l in signet.logs() if l["msg"] == "a signer failed when it was tried"]
        assert line["signer"] == "models.m.providers.p" and said in line["error"]
        assert signet.status()["signet"]["signers"][0]["calls"] == 0  # it was tried, not called


def test_a_signer_that_has_no_instance_at_the_start_stops_it(sample):
    toml = config(model("m", provider("m", "p", "http://127.0.0.1:9/stream/chat", sample)))
    refused = Signet(toml, env={"SIGNET_FAULT": "sign.instance"}, start=False)
    with Signet(config()) as running:
        if not running.debug():
            pytest.skip("this build has no injection points")
    status, stderr = refused.fails_to_start()
    assert status == 1
    assert "Failed to get WasmSigner instance: " in stderr and "out of memory" in stderr


def test_anthropics_client_over_a_signed_upstream(gateway):
    """POST /v1/messages (surfaces §5) on top of the developer API: thoughts, text, order of blocks."""
    with anthropic.Anthropic(base_url=gateway.url, api_key="none", max_retries=0, timeout=20) as client:
        plain = client.messages.create(model="rust-proxy", max_tokens=64, messages=[{"role": "user", "content": "Hello, world!"}])
        assert plain.content[0].text == CANNED and plain.stop_reason == "end_turn" and plain.usage.input_tokens > 0
        with client.messages.stream(model="rust-proxy", max_tokens=64, messages=[{"role": "user", "content": "Hello [think]"}]) as stream:
            final = stream.get_final_message()
    assert [b.type for b in final.content] == ["thinking", "text"] and final.content[1].text == CANNED
    assert final.content[0].signature.startswith("sgn1.")
