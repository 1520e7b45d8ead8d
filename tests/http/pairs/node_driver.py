"""Clients for Node: openai, @anthropic-ai/sdk, the Vercel AI SDK. One process of Node serves all of them, a line of JSON for a step (pairs.mjs)."""
import json
import os
import select
import shutil
import subprocess
import threading

from shapes import Chat, Messages, Responses, Seen, encoded

from lib.signet import ROOT

HERE = os.path.join(ROOT, "tests", "node")
STEP_S = 20


class NodeError(Exception):
    def __init__(self, name, message, status):
        super().__init__(f"{name}: {message}")
        self.status = status


class Process:
    """The one process; made by the first driver, ended with the last."""
    users, child, lock = 0, None, threading.Lock()

    @classmethod
    def take(cls):
        with cls.lock:
            if not cls.users:
                assert shutil.which("node"), "node is not installed: ./dev setup"
                assert os.path.isdir(os.path.join(HERE, "node_modules", "@anthropic-ai")), "run `npm ci` in tests/node (./dev setup does)"
                cls.child = subprocess.Popen(["node", "pairs.mjs"], cwd=HERE, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            cls.users += 1

    @classmethod
    def leave(cls):
        with cls.lock:
            cls.users -= 1
            if not cls.users:
                cls.child.stdin.close()
                cls.child.wait(timeout=STEP_S)
                cls.child.stdout.close()

    @classmethod
    def step(cls, **step):
        with cls.lock:
            cls.child.stdin.write(json.dumps(step).encode() + b"\n")
            cls.child.stdin.flush()
            assert select.select([cls.child.stdout], [], [], STEP_S)[0], f"Node says nothing to {str(step)[:500]}"
            line = cls.child.stdout.readline()
        assert line, f"Node ended with {cls.child.wait(timeout=STEP_S)}"
        said = json.loads(line)
        if "error" in said:
            raise NodeError(said["name"], said["error"], said.get("status"))
        return said


class Begun:
    """A stream that the client reads event by event, and leaves."""

    def __init__(self, **step):
        Process.step(op="begin", **step)

    def __iter__(self):
        return self

    def __next__(self):
        if Process.step(op="next")["done"]:
            raise StopIteration
        return True

    def close(self):
        Process.step(op="close")


class Node:
    error = NodeError

    def __init__(self, url, key="none"):
        self.at = {"client": self.package, "surface": self.name, "url": url, "key": key}
        Process.take()

    def close(self):
        Process.leave()

    def status(self, e):
        return 503 if e.status == 529 else e.status  # Anthropic's own word for it, which the official clients raise as the same error

    def talk(self, fields, stream):
        said = Process.step(op="ask", **self.at, fields=fields, stream=stream)
        return said["got"], said["deltas"], said["thought"]

    def begin(self, model, turns):
        return Begun(**self.at, fields=self.fields(model, turns))


class NodeChat(Node, Chat):
    client_name, package = "openai (Node)", "openai"


class NodeResponses(Node, Responses):
    client_name, package = "openai (Node)", "openai"


class NodeMessages(Node, Messages):
    client_name, package = "anthropic (Node)", "anthropic"


class AiSdk(Node):
    """It has messages of its own; `own_options` is what a program tells one provider of it."""
    client_name, package = "Vercel AI SDK", "ai"
    finishes = {"stop": "stop", "tool-calls": "calls", "length": "length"}

    def user(self, text, *files):
        parts = [{"type": "file", "data": encoded(data), "mediaType": kind, **({} if kind.startswith("image/") else {"filename": "a.pdf"})} for kind, data in files]
        return [{"role": "user", "content": [{"type": "text", "text": text}, *parts]}]

    def assistant(self, seen):
        return seen.own

    def results(self, calls, texts):
        return [{"role": "tool", "content": [{"type": "tool-result", "toolCallId": call[0], "toolName": call[1], "output": {"type": "text", "value": text}}
                                             for call, text in zip(calls, texts)]}]

    def fields(self, model, turns, system="", tools=(), choice=None, schema=None, think=False, limit=None, cache=False):
        out = {"model": model, "messages": turns, "tools": [{"name": n, "schema": s} for n, s in tools], "own": self.own_options(think)}
        if system:
            out["system"] = {"role": "system", "content": system, **({"providerOptions": {"anthropic": {"cacheControl": {"type": "ephemeral"}}}} if cache else {})}
        return out | ({"choice": choice} if choice else {}) | ({"schema": schema} if schema else {}) | ({"limit": limit} if limit else {})

    def ask(self, model, turns, stream=False, **options):
        got, deltas, _ = self.talk(self.fields(model, turns, **options), stream)
        calls = [(c["toolCallId"], c["toolName"], c["input"]) for c in got["calls"]]
        return Seen(text=got["text"], thought=got["thought"], calls=calls, finish=self.finishes.get(got["finish"], got["finish"]),
                    usage=tuple(got["usage"]), deltas=deltas, own=got["messages"])


class AiSdkChat(AiSdk):
    name, path, family = Chat.name, Chat.path, Chat.family

    def own_options(self, think):
        return {"openai": {"reasoningEffort": "low", "forceReasoning": True} if think else {}}


class AiSdkResponses(AiSdk):
    name, path, family = Responses.name, Responses.path, Responses.family

    def own_options(self, think):
        more = {"reasoningEffort": "low", "reasoningSummary": "auto", "forceReasoning": True} if think else {}
        return {"openai": {"store": False, "include": ["reasoning.encrypted_content"], **more}}


class AiSdkMessages(AiSdk):
    name, path, family = Messages.name, Messages.path, Messages.family

    def own_options(self, think):
        return {"anthropic": {"structuredOutputMode": "outputFormat", **({"thinking": {"type": "adaptive", "display": "summarized"}, "effort": "low"} if think else {})}}
