"""What the tests of signing share: the sample signer, `signet sign`, a native HMAC, another WebAssembly
runtime, and the sample developer API."""
import hashlib
import hmac
import os
import struct
import subprocess
import sys

from lib.signet import ROOT, binary

KEY = b"signet-sample-key"
SAMPLE_API = os.path.join(ROOT, "examples", "developer-api", "server.py")


def build_sample(folder, key=None):
    out = os.path.join(str(folder), "sign.wasm")
    script = os.path.join(ROOT, "examples", "signers", "hmac", "build.sh")
    subprocess.run([script, out] + ([key] if key else []), check=True)
    return out


def native(nonce, timestamp, device_id, content, key=KEY):
    text = "\n".join((nonce, timestamp, device_id, content)).encode()
    return hmac.new(key, text, hashlib.sha256).hexdigest()


def signet_sign(*args, stdin=None):
    """(exit status, stdout, stderr) of `signet sign`."""
    done = subprocess.run([binary(), "sign", *args], input=stdin, capture_output=True, timeout=60)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def sign(module, nonce, timestamp, device_id, content):
    status, out, err = signet_sign("--module", module, "--nonce", nonce, "--timestamp", timestamp,
                                   "--device-id", device_id, "--content-file", "-", stdin=content.encode())
    assert (status, err) == (0, ""), err
    assert out.endswith("\n")
    return out[:-1]


class OtherRuntime:
    """The same module in PyPI's wasmtime, driven by the ABI as rust-proxy.md describes it."""

    def __init__(self, path):
        import wasmtime
        self.store = wasmtime.Store(wasmtime.Engine())
        module = wasmtime.Module.from_file(self.store.engine, path)
        exports = wasmtime.Instance(self.store, module, []).exports(self.store)
        self.memory = exports["memory"]
        self.call_sign = exports["sign"]
        self.malloc = exports["__wbindgen_malloc"]
        self.free = exports["__wbindgen_free"]
        self.stack = exports.get("__wbindgen_add_to_stack_pointer")

    def sign(self, *strings):
        ret = self.stack(self.store, -16)
        args = []
        for text in strings:
            data = text.encode()
            at = self.malloc(self.store, len(data), 1)
            self.memory.write(self.store, data, at)
            args += [at, len(data)]
        self.call_sign(self.store, ret, *args)
        at, n = struct.unpack("<II", self.memory.read(self.store, ret, ret + 8))
        answer = bytes(self.memory.read(self.store, at, at + n)).decode()
        self.free(self.store, at, n, 1)
        self.stack(self.store, 16)
        return answer


class DeveloperApi:
    """examples/developer-api as a process of its own."""

    def __init__(self, *args):
        self.process = subprocess.Popen([sys.executable, SAMPLE_API, "--port", "0", *args],
                                        stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        assert line.startswith("listening on "), line
        self.port = int(line.split()[-1])
        self.endpoint = f"http://127.0.0.1:{self.port}/stream/chat"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()
        self.process.stdout.close()
