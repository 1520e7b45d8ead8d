"""`signet sign` (signet-own (b)): a signature from the command line, a look into a module, its speed."""
import json
import re
import subprocess

import pytest
from lib import raw
from lib.signet import Signet, config, openai_model
from signing_lib import build_sample, native, sign, signet_sign


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    return build_sample(tmp_path_factory.mktemp("signer"))


ARGS = ("--nonce", "n", "--timestamp", "1700000000", "--device-id", "d")


def test_prints_the_signature_alone(sample):
    status, out, err = signet_sign("--module", sample, *ARGS, "--content", "User: Hello, world!")
    assert (status, err) == (0, "")
    assert out == native("n", "1700000000", "d", "User: Hello, world!") + "\n"


def test_takes_values_after_an_equals_sign(sample):
    status, out, _ = signet_sign(f"--module={sample}", *ARGS, "--content=a=b")
    assert status == 0
    assert out == native("n", "1700000000", "d", "a=b") + "\n"


def test_content_of_a_file_is_signed_to_the_last_byte(sample, tmp_path):
    text = "Zeile eins\r\nZeile zwei, 你好\n\n"
    path = tmp_path / "content"
    path.write_bytes(text.encode())
    status, out, _ = signet_sign("--module", sample, *ARGS, "--content-file", str(path))
    assert (status, out) == (0, native("n", "1700000000", "d", text) + "\n")
    assert sign(sample, "n", "1700000000", "d", text) == native("n", "1700000000", "d", text)


def test_a_key_of_ones_own(tmp_path):
    module = build_sample(tmp_path, "another_key-7")
    assert sign(module, "n", "1", "d", "c") == native("n", "1", "d", "c", b"another_key-7")


def test_a_large_content(sample):
    text = "x" * (3 << 20)
    assert sign(sample, "n", "1", "d", text) == native("n", "1", "d", text)


def test_inspect_prints_what_the_module_is(sample):
    status, out, err = signet_sign("--module", sample, "--inspect")
    assert (status, err) == (0, "")
    lines = out.splitlines()
    assert re.fullmatch(r"module   .*sign\.wasm \(\d+ bytes\)", lines[0])
    assert re.fullmatch(r"sha256   [0-9a-f]{64}", lines[1])
    assert lines[2] == "abi      wasm-bindgen"
    assert lines[3] == "imports  none"
    assert "         sign: function (i32 i32 i32 i32 i32 i32 i32 i32 i32) -> ()" in lines
    assert lines[-1] == "verdict  accepted"
    assert lines[-2].startswith("memory   2 pages at start (128 KiB)")


def test_inspect_of_what_would_be_refused_is_1(tmp_path):
    """The whole list, also where the engine refuses the module, and a last line that says why (issue 15 H3)."""
    body = lambda n, *items: bytes([n]) + b"".join(items)
    section = lambda id, content: bytes([id, len(content)]) + content
    module = tmp_path / "large.wasm"  # a memory of 64 bits
    module.write_bytes(b"\0asm\1\0\0\0" + section(1, body(1, b"\x60\x01\x7f\x00")) + section(2, body(1, b"\x03env\x03log\x00\x00")) +
                       section(5, body(1, b"\x04\x01")) + section(7, body(1, b"\x06memory\x02\x00")))
    status, out, err = signet_sign("--module", str(module), "--inspect")
    assert (status, err) == (1, "")
    lines = out.splitlines()
    assert lines[2].startswith("abi      none: ") and "64" in lines[2]
    assert lines[3:6] == ["imports  env.log: function (i32) -> ()", "exports  memory: memory", "memory   at start 1 pages, 64-bit"]
    assert lines[6].startswith("verdict  refused: ") and "64" in lines[6] and len(lines) == 7


TRAPS = r"""
#define EXPORT(name) __attribute__((export_name(name)))
static char heap[4096]; static unsigned at;
EXPORT("__wbindgen_malloc") char *take(unsigned n, unsigned a) { (void)a; at = (at + n) % 2048; return heap + at; }
EXPORT("__wbindgen_free") void give(char *p, unsigned n, unsigned a) { (void)p, (void)n, (void)a; }
EXPORT("__wbindgen_add_to_stack_pointer") char *stack(int by) { (void)by; return heap + 4080; }
__attribute__((noinline)) static void check_key(char c) { if (c == 'b') __builtin_trap(); }
__attribute__((noinline)) static void read_content(char *p) { check_key(p[0]); heap[4000] = 'x'; }
EXPORT("sign") void sign(unsigned *ret, char *a, int an, char *b, int bn, char *c, int cn, char *d, int dn)
{ (void)a, (void)an, (void)b, (void)bn, (void)c, (void)cn, (void)dn; read_content(d); ret[0] = (unsigned)(unsigned long)(heap + 4000); ret[1] = 1; }
"""


@pytest.fixture(scope="module")
def traps(tmp_path_factory):
    folder = tmp_path_factory.mktemp("traps")
    (folder / "traps.c").write_text(TRAPS)
    subprocess.run(["clang", "--target=wasm32", "-nostdlib", "-O1", "-fno-optimize-sibling-calls", "-Wl,--no-entry", "-o", folder / "traps.wasm",
                    folder / "traps.c"], check=True)
    return str(folder / "traps.wasm")


def test_a_trap_names_the_functions_it_happened_in(traps, mock):
    """On the command line and in the gateway's log; the client of the gateway learns nothing of the module's inside (issue 15 H4)."""
    way = r"check_key 0x[0-9a-f]+ <- read_content <- sign"
    status, out, err = signet_sign("--module", traps, *ARGS, "--content", "boom")
    assert (status, out) == (1, "")
    assert re.fullmatch(rf"Signing failed: it gave up \(unreachable: a panic or abort\)\n  in {way}\n", err), err
    assert signet_sign("--module", traps, *ARGS, "--content", "fine")[:2] == (0, "x\n")
    # The trial at the start has a device of its own, the requests have this one.
    toml = config(openai_model("m", mock.url, keys=f'signer = {{ path = "{traps}", inputs = ["nonce", "timestamp", "body", "device_id"], '
                               'device_id = "boom" }'))
    with Signet(toml) as s:
        answer = raw.post(s.port, "/v1/chat/completions", raw.chat())
        assert (answer.status, answer.json["error"]["code"]) == (500, "signer_failed")
        assert "it gave up" in answer.text and "check_key" not in answer.text
        line = next(json.loads(x) for x in s.stderr().splitlines() if "a signature failed inside its module" in x)
        assert re.fullmatch(way, line["backtrace"]) and line["signer"] == "models.m.providers.p"
        assert line["error"] == "it gave up (unreachable: a panic or abort)"


def test_inputs_are_given_as_a_configuration_names_them(sample, tmp_path):
    """In the order of signer.inputs (issue 15 H5)."""
    run = lambda *inputs: signet_sign("--module", sample, *(x for i in inputs for x in ("--input", i)))
    assert run("nonce=n", "timestamp=17", "device_id=d", "content=a=b") == (0, native("n", "17", "d", "a=b") + "\n", "")
    assert run("body={}", "timestamp=17", "", "path=/v1/x?y=z") == (0, native("{}", "17", "", "/v1/x?y=z") + "\n", "")
    assert run("method=POST") == (0, native("POST", "", "", "") + "\n", "")
    assert run("url=@x") == (0, native("@x", "", "", "") + "\n", "")
    (tmp_path / "body.json").write_bytes(b'{"a": "\xc3\xa4"}\n')
    assert run(f"body=@{tmp_path}/body.json", "nonce=") == (0, native('{"a": "ä"}\n', "", "", "") + "\n", "")
    one, other = run("nonce", "timestamp"), run("nonce", "timestamp")
    assert one[0] == 0 and one != other  # a nonce is made for each


@pytest.mark.parametrize("args, reason", [
    (("--input", "bodi=x"), "--input wants nonce, timestamp, device_id, body, content, method, url or path, and =VALUE, not 'bodi=x'"),
    (("--input", "body"), "--input wants NAME=VALUE (only nonce and timestamp are made up), not 'body'"),
    (("--input", "a=1", "--nonce", "n"), "--input takes the place of --nonce, --timestamp, --device-id and --content"),
    (("--input", "nonce") * 5, "--input is there more than 4 times"),
])
def test_wrong_inputs_are_2(args, reason):
    status, out, err = signet_sign("--module", "m", *args)
    assert (status, out) == (2, "")
    assert err.startswith(f"signet sign: {reason}\n")


def test_an_input_from_a_file_that_is_not_there_is_1(sample, tmp_path):
    assert signet_sign("--module", sample, "--input", f"body=@{tmp_path}/none") == (1, "", f"{tmp_path}/none: No such file or directory\n")
    (tmp_path / "f").write_text("x")
    both = ("--input", f"body=@{tmp_path}/f", "--input", f"content=@{tmp_path}/f")
    assert signet_sign("--module", sample, *both) == (1, "", "only one --input may be a file\n")


def test_bench_prints_p50_and_p99(sample):
    status, out, err = signet_sign("--module", sample, "--bench", "200", "--content", "x" * 1024)
    assert (status, err) == (0, "")
    assert re.match(r"200 signatures, 1024 bytes of content: p50 [\d.]+ us, p99 [\d.]+ us, mean [\d.]+ us\n", out)


@pytest.mark.parametrize("n", [1, 2, 3, 100, 101])
def test_bench_of_few_prints_numbers_in_order(sample, n):
    status, out, err = signet_sign("--module", sample, "--bench", str(n))
    found = re.match(rf"{n} signatures, \d+ bytes of content: p50 ([\d.]+) us, p99 ([\d.]+) us, mean ([\d.]+) us\n1 instance, memory \d+ KiB", out)
    assert (status, err) == (0, "") and found, out
    half, most, mean = map(float, found.groups())
    assert 0 < half <= most < 1e8 and 0 < mean < 1e8


def test_a_hundred_thousand_signatures_do_not_grow_an_instance(sample):
    status, out, _ = signet_sign("--module", sample, "--bench", "100000", "--content", "User: Hello, world!")
    assert status == 0
    assert out.startswith("100000 signatures")
    found = re.search(r"\n1 instance, memory (\d+) KiB after the first, (\d+) KiB after the last\n", out)
    assert found and found.group(1) == found.group(2)


def test_help_teaches_and_ends_well():
    status, out, err = signet_sign("--help")
    assert (status, err) == (0, "")
    for flag in ("--module", "--nonce", "--timestamp", "--device-id", "--content", "--content-file", "--inspect",
                 "--bench", "--memory-limit-mb", "--timeout-ms"):
        assert flag in out


@pytest.mark.parametrize("args, reason", [
    ((), "--module is missing"),
    (("--module", "m"), "--nonce is missing"),
    (("--module", "m", *ARGS), "--content or --content-file is missing"),
    (("--module", "m", *ARGS, "--content", "a", "--content-file", "b"), "--content and --content-file exclude each other"),
    (("--frobnicate",), "unknown argument --frobnicate"),
    (("--module",), "--module needs a value"),
    (("--module", "m", "--bench", "many"), "--bench wants a number from 1 to 10000000, not 'many'"),
    (("--module", "m", "--bench", "5", "--timeout-ms", "0"), "--timeout-ms wants a number from 1 to 3600000, not '0'"),
    (("--module", "m", "--bench", "0"), "--bench wants a number from 1 to 10000000, not '0'"),
    (("--module", "m", "--bench", "10000001"), "--bench wants a number from 1 to 10000000, not '10000001'"),
    (("--module", "m", "--bench", "1", "--timeout-ms", "3600001"), "--timeout-ms wants a number from 1 to 3600000, not '3600001'"),
    (("--module", "m", "--bench", "1", "--memory-limit-mb", "4097"), "--memory-limit-mb wants a number from 1 to 4096, not '4097'"),
    (("--module", "m", "--nonce", "n"), "--timestamp is missing"),
    (("--module", "m", "--nonce", "n", "--timestamp", "1"), "--device-id is missing"),
    (("--module", "m", *ARGS, "--content"), "--content needs a value"),
    (("=x",), "unknown argument =x"),
    (("--modul=x",), "unknown argument --modul=x"),
])
def test_wrong_usage_is_2(args, reason):
    status, out, err = signet_sign(*args)
    assert (status, out) == (2, "")
    assert err.startswith(f"signet sign: {reason}\n")


def test_a_module_that_is_not_there_is_1():
    status, out, err = signet_sign("--module", "/nowhere/sign.wasm", *ARGS, "--content", "c")
    assert (status, out) == (1, "")
    assert err == "Failed to get WasmSigner instance: /nowhere/sign.wasm: No such file or directory\n"


def test_a_module_that_is_none_is_1(tmp_path):
    path = tmp_path / "page.wasm"
    path.write_text("<html>")
    status, out, err = signet_sign("--module", str(path), "--inspect")
    assert (status, out) == (1, "")
    assert err == f"Failed to get WasmSigner instance: {path}: not a WebAssembly module (no \\0asm at its beginning)\n"


def test_a_signature_that_fails_is_1(sample):
    status, out, err = signet_sign("--module", sample, *ARGS, "--memory-limit-mb", "1", "--content-file", "-",
                                   stdin=b"x" * (2 << 20))
    assert (status, out) == (1, "")
    assert err.startswith("Signing failed: its arguments are ")


def test_content_that_cannot_be_read_is_1(sample):
    status, _, err = signet_sign("--module", sample, *ARGS, "--content-file", "/nowhere/content")
    assert (status, err) == (1, "/nowhere/content: No such file or directory\n")


def test_the_largest_numbers_are_taken_and_help_has_a_short_name():
    for flags in (("--bench", "10000000"), ("--memory-limit-mb", "4096"), ("--timeout-ms", "3600000")):
        status, _, err = signet_sign("--module", "/nowhere.wasm", *ARGS, "--content", "c", *flags)
        assert (status, err) == (1, "Failed to get WasmSigner instance: /nowhere.wasm: No such file or directory\n")
    assert signet_sign("-h") == signet_sign("--help")
    assert signet_sign("--frobnicate", "--help")[0] == 2


def test_a_bench_ends_with_the_signature_that_failed(sample):
    status, out, err = signet_sign("--module", sample, "--bench", "3", "--memory-limit-mb", "1", "--content", "x" * 100,
                                   "--content-file=/nowhere")
    assert (status, out) == (2, "") and "exclude each other" in err
    status, out, err = signet_sign("--module", sample, "--bench", "3", "--memory-limit-mb", "1", "--content-file", "-", stdin=b"x" * (2 << 20))
    assert (status, out) == (1, "")
    assert err.startswith("signature 1 of 3: Signing failed: its arguments are ")


def test_standard_input_is_content(sample):
    status, out, _ = signet_sign("--module", sample, *ARGS, "--content-file", "-", stdin="Grüße".encode())
    assert (status, out) == (0, native("n", "1700000000", "d", "Grüße") + "\n")
    status, out, _ = signet_sign("--module", sample, *ARGS, "--content-file", "-", stdin=b"")
    assert (status, out) == (0, native("n", "1700000000", "d", "") + "\n")


def test_a_bench_makes_up_what_is_not_given(sample):
    status, out, err = signet_sign("--module", sample, "--bench", "1", "--content-file", "-", stdin=b"abc")
    assert (status, err) == (0, "") and out.startswith("1 signatures, 3 bytes of content: ")
