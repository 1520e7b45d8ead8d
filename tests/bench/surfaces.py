#!/usr/bin/env python3
"""What other formats than chat cost (docs/performance.md holds a run): Messages and Responses passed through, translated answers and
events, large prompts. Signet runs one worker with the record off; nginx is the mock of every format, and for large prompts the floor.

    surfaces.py --signet build-release/signet --tool build-release/bench-tool [--quick] [--markdown] [ROW…]
"""

import argparse
import json
import os
import shutil
import sys
import time

import bench
import machine
from bench import CHAT, FAST_EVENTS, Bench
from machine import ANSWER_TEXT, PROSE, Nginx, Process, Wrong, free_port, streams, streams_result

MESSAGES, RESPONSES = "/v1/messages", "/v1/responses"
QUESTION = "What is the capital of France?"
TEXT = ANSWER_TEXT + ", and has been since the tenth century."
MESSAGE = {
    "id": "msg_01XFDUDYJgAACzvnptvVoYEL", "type": "message", "role": "assistant", "model": "mock-model",
    "content": [{"type": "text", "text": TEXT}], "stop_reason": "end_turn", "stop_sequence": None,
    "usage": {"input_tokens": 219, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0, "output_tokens": 24,
              "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0}, "service_tier": "standard"}}
RESPONSE = {
    "id": "resp_67ccd2bed1ec8190b14f964abc0542670bb6a6b452d3795b", "object": "response", "created_at": 1741476542, "status": "completed",
    "background": False, "error": None, "incomplete_details": None, "instructions": None, "max_output_tokens": 256, "max_tool_calls": None,
    "model": "mock-model",
    "output": [{"type": "message", "id": "msg_67ccd2bf17f0819081ff3bb2cf6508e60bb6a6b452d3795b", "status": "completed", "role": "assistant",
                "content": [{"type": "output_text", "text": TEXT, "annotations": [], "logprobs": []}]}],
    "parallel_tool_calls": True, "previous_response_id": None, "prompt_cache_key": None, "reasoning": {"effort": None, "summary": None},
    "safety_identifier": None, "service_tier": "default", "store": False, "temperature": 0.7, "text": {"format": {"type": "text"}},
    "tool_choice": "auto", "tools": [], "top_logprobs": 0, "top_p": 1.0, "truncation": "disabled",
    "usage": {"input_tokens": 219, "input_tokens_details": {"cached_tokens": 0}, "output_tokens": 24,
              "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": 243}, "user": None, "metadata": {}}
GENERATED = {
    "candidates": [{"content": {"parts": [{"text": TEXT}], "role": "model"}, "finishReason": "STOP", "index": 0}],
    "usageMetadata": {"promptTokenCount": 219, "candidatesTokenCount": 24, "totalTokenCount": 243,
                      "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 219}]},
    "modelVersion": "mock-model", "responseId": "mAitaLmkHPPlz7IPvtfUqQ4"}
LARGE = {"100 KB": (100_000, 1.3), "1 MB": (1_000_000, 1.5)} # bytes of a prompt, and the bar


def prose(size):
    return (PROSE * (size // len(PROSE) + 1))[:size]


def messages_body(model, stream=False, size=1100):
    return {"model": model, **({"stream": True} if stream else {}), "system": prose(size - 240),
            "messages": [{"role": "user", "content": QUESTION}], "temperature": 0.7, "max_tokens": 256}


def responses_body(model, stream=False, size=1100):
    return {"model": model, **({"stream": True} if stream else {}), "instructions": prose(size - 240),
            "input": [{"role": "user", "content": QUESTION}], "temperature": 0.7, "max_output_tokens": 256, "store": False}


class Surfaces(Bench):
    def __init__(self, args):
        super().__init__(args)
        port = free_port()
        answers = {"/messages": MESSAGE, "/responses": RESPONSE, ":generateContent": GENERATED}
        places = "".join(f"location ~ {path}$ {{ return 200 '{json.dumps(answer, separators=(',', ':'))}'; }} " for path, answer in answers.items())
        large = "client_max_body_size 8m;"
        self.formats = Nginx(self.folder / "formats", f"""server {{ listen 127.0.0.1:{port}; default_type application/json; {large}
            {places} location / {{ return 200 '{machine.ANSWER}'; }} }}""", port)
        self.large, self.memory = [Nginx(self.folder / name, f"""
            upstream plain {{ server 127.0.0.1:{port}; keepalive 128; }}
            server {{ listen 127.0.0.1:{at}; proxy_http_version 1.1; proxy_set_header Connection ""; {large} {more}
            location / {{ proxy_pass http://plain; }} }}""", at) for name, at, more in (
                ("large", free_port(), ""), ("memory", free_port(), "client_body_buffer_size 8m;"))] # by default a larger body goes through a file

    def written(self, name, value):
        file = self.folder / f"{name}.json"
        if not file.exists():
            file.write_text(json.dumps(value))
        return file

    def toml(self):
        base = f"http://127.0.0.1:{self.formats.port}/v1"

        def model(name, kind, base, more=""):
            return (f'[models.{name}]\nrouting = ["p"]\n[models.{name}.providers.p]\ntype = "{kind}"\nmodel_name = "mock-model"\n'
                    f'api_base = "{base}"\n{more}')
        return (model("chat", "openai", base, 'api_key_location = "none"\n') + model("messages", "anthropic", base, 'api_key_location = "env::BENCH_KEY"\n')
                + model("responses", "openai", base, 'api_key_location = "none"\napi_type = "responses"\n')
                + model("gemini", "google_ai_studio_gemini", base, 'api_key_location = "env::BENCH_KEY"\n'))

    def server(self, name, toml=""):
        return self.signet(name, self.toml() + toml, env={"BENCH_KEY": "bench-key"})

    def plain_answers(self, *rows):
        s = self.server("formats")
        asked = [("chat", CHAT, self.body("chat")), ("messages", MESSAGES, self.written("messages", messages_body("messages"))),
                 ("responses", RESPONSES, self.written("responses", responses_body("responses"))),
                 ("messages over chat", MESSAGES, self.written("messages-chat", messages_body("chat"))),
                 ("responses over chat", RESPONSES, self.written("responses-chat", responses_body("chat"))),
                 ("chat over gemini", CHAT, self.body("gemini")), ("chat over messages", CHAT, self.body("messages"))]
        us, _ = self.alternate(*[lambda path=path, body=body: self.requests(s, s.port, path, body) for _, path, body in asked])
        for row, each in zip(rows, us[1:]):
            row.set(each / us[0], f"{each:.1f} us", f"{us[0]:.1f} us", "floor here: chat passed through")
        s.stop()

    def events(self, *rows):
        mode = f"fast-{FAST_EVENTS}"
        s = self.server("events", self.models(mode))

        def one(path, body):
            before = s.cpu_ns()
            out, err = streams(self.tool, s.port, path, body, 16, self.seconds).communicate()
            got = json.loads(out.strip().splitlines()[-1])
            whole = got["streams"] * FAST_EVENTS
            if not got["streams"] or got["broken"] or got["bad_status"] or got["without_done"] or got["least"] < FAST_EVENTS:
                raise Wrong(f"streams: {got} {err[-300:]}")
            return {"us": (s.cpu_ns() - before) / 1000 / whole, **got}

        us, _ = self.alternate(lambda: one(CHAT, self.body("fast", True)),
                               lambda: one(MESSAGES, self.written("messages-fast", messages_body("fast", True))),
                               lambda: one(RESPONSES, self.written("responses-fast", responses_body("fast", True))))
        for row, each in zip(rows, us[1:]):
            row.set(each / us[0], f"{each:.2f} us", f"{us[0]:.2f} us", "floor here: chat passed through, an event")
        s.stop()

    def prompts(self, *rows):
        s = self.server("prompts")
        for (row, beside), (size, _) in zip((rows[:2], rows[2:]), LARGE.values()):
            body = self.written(f"large-{size}", {
                "model": "chat", "messages": [{"role": "system", "content": prose(size)}, {"role": "user", "content": QUESTION}],
                "temperature": 0.7, "max_tokens": 256})
            us, _ = self.alternate(*[lambda p=p: self.requests(p, p.port, CHAT, body) for p in (self.large, self.memory, s)])
            for one, floor in ((row, us[0]), (beside, us[1])):
                one.set(us[2] / floor, f"{us[2]:.0f} us", f"{floor:.0f} us", f"{body.stat().st_size / us[2]:.0f} bytes/us, nginx {body.stat().st_size / floor:.0f}")
        s.stop()

    def idle(self, row):
        n, hold = (500, 6000) if self.args.quick else (5000, 25000)
        s = self.server("idle", self.models(f"hold-{hold}", f"fast-{FAST_EVENTS}"))
        streams(self.tool, s.port, MESSAGES, self.written("messages-fast", messages_body("fast", True)), 16, 1).communicate()
        before = s.memory_kib()
        run = streams(self.tool, s.port, MESSAGES, self.written("messages-hold", messages_body("hold", True)), n, 0, 1)
        run.stdout.readline()
        time.sleep(hold / 1000 * 0.7)
        open_now, during = s.metric("signet_streams"), s.memory_kib()
        got = streams_result(run, 7) # message_start, a block with two deltas, its end, message_delta, message_stop
        if got["streams"] != n or open_now < n:
            raise Wrong(f"{open_now:.0f} streams were open, {got['streams']} of {n} ended well")
        row.set((during - before) / n, f"{during / 1024:.1f} MB", f"{before / 1024:.1f} MB", f"{n} open streams of Messages over chat, all ended well")
        s.stop()

    def table(self):
        self.run([("Messages passed through: CPU a request", "x", 1.1), ("Responses passed through: CPU a request", "x", 1.1),
                  ("Messages over chat: CPU a request", "x", 1.6), ("Responses over chat: CPU a request", "x"),
                  ("chat over Gemini: CPU a request", "x", 1.6), ("chat over Messages: CPU a request", "x", 1.6)], self.plain_answers)
        self.run([("Messages over chat: CPU a streamed event", "x", 2), ("Responses over chat: CPU a streamed event", "x", 2)], self.events)
        self.run([row for name, (_, bar) in LARGE.items() for row in ((f"a prompt of {name}: CPU a request", "x", bar),
                                                                      (f"a prompt of {name}, nginx keeps it in memory", "x"))], self.prompts)
        self.run([("memory of a translated idle stream", "KiB", 32)], self.idle)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--signet", required=True)
    p.add_argument("--tool", required=True)
    p.add_argument("--quick", action="store_true")
    p.add_argument("--markdown", action="store_true")
    p.add_argument("rows", nargs="*")
    args = p.parse_args()
    args.signer = args.peer = args.long = None
    machine.raise_file_limit()
    print(bench.describe())
    it = None
    try:
        it = Surfaces(args)
        it.table()
        head = ["figure", "floor", "Signet"]
        status = bench.print_rows(it.rows, head)
        if args.markdown:
            bench.print_markdown(it.rows, head)
        return status
    finally:
        Process.stop_all()
        if it and not os.environ.get("BENCH_KEEP"):
            shutil.rmtree(it.folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
