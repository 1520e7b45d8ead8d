"""Runs a coding agent without a person: in a folder of its own, with a home of its own, and with no way out but loopback."""
import json
import os
import subprocess

HERE = os.path.dirname(os.path.abspath(__file__))
BIN = os.path.join(HERE, "node_modules", ".bin")
PROMPT = "Greet the world instead, then run the program."
BEFORE = 'print("hello, nobody")\n'
AFTER = 'print("hello, world")\n'


def surroundings(home):
    """Nothing of the machine's own environment but the path; a proxy that does not answer holds all that is not loopback."""
    return {"PATH": os.environ["PATH"], "HOME": home, "LANG": "C.UTF-8", "TERM": "dumb", "HTTPS_PROXY": "http://127.0.0.1:9", "HTTP_PROXY": "http://127.0.0.1:9",
            "NO_PROXY": "127.0.0.1,localhost"}


class Place:
    """A folder with the file that the agent is to edit, and a home beside it."""

    def __init__(self, folder):
        self.home, self.work = os.path.join(folder, "home"), os.path.join(folder, "work")
        os.makedirs(self.home)
        os.makedirs(self.work)
        self.file = os.path.join(self.work, "greeting.py")
        with open(self.file, "w") as f:
            f.write(BEFORE)

    def edited(self):
        with open(self.file) as f:
            return f.read() == AFTER

    def ran(self):
        """What the command wrote."""
        try:
            with open(os.path.join(self.work, "out.txt")) as f:
                return f.read()
        except FileNotFoundError:
            return None


def run(command, place, env, seconds=120):
    done = subprocess.run(command, cwd=place.work, env={**surroundings(place.home), **env}, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=seconds)
    return done.returncode, done.stdout, done.stderr


class Claude:
    name = "claude-code"
    model = "claude-sonnet-4-5"
    surface = "messages"

    @staticmethod
    def play(place):
        """What the model does in each of its turns; two calls side by side in the first."""
        return [[("Read", {"file_path": place.file}), ("Bash", {"command": "ls", "description": "List files"})],
                [("Edit", {"file_path": place.file, "old_string": "nobody", "new_string": "world"})],
                [("Bash", {"command": "python3 greeting.py > out.txt && cat out.txt", "description": "Run it"})]]

    @staticmethod
    def run(place, url, model, prompt=PROMPT, more=()):
        """(exit status, what it said last, everything)"""
        env = {"ANTHROPIC_BASE_URL": url, "ANTHROPIC_AUTH_TOKEN": "sk-agent", "ANTHROPIC_MODEL": model, "ANTHROPIC_DEFAULT_HAIKU_MODEL": model,
               "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1", "DISABLE_TELEMETRY": "1", "DISABLE_AUTOUPDATER": "1", "DISABLE_ERROR_REPORTING": "1",
               "CLAUDE_CODE_SUBAGENT_MODEL": model}
        status, out, err = run([os.path.join(BIN, "claude"), "-p", prompt, "--output-format", "json", "--permission-mode", "acceptEdits",
                                "--allowedTools", "Bash", "Read", "Edit", "Write", *more], place, env)
        try:
            said = json.loads(out)
            said = said[-1] if isinstance(said, list) else said
        except ValueError:
            said = {}
        return status, said.get("result", ""), out + err

    @classmethod
    def resume(cls, place, url, model, prompt):
        return cls.run(place, url, model, prompt, ["--continue"])


class Codex:
    name = "codex"
    model = "gpt-5.5"  # one that the program knows: it decides by the name which tools it brings
    surface = "responses"
    PATCH = "*** Begin Patch\n*** Update File: greeting.py\n@@\n-print(\"hello, nobody\")\n+print(\"hello, world\")\n*** End Patch\n"

    @staticmethod
    def play(place):
        return [[("exec_command", {"cmd": "cat greeting.py"}), ("exec_command", {"cmd": "ls"})],
                [("apply_patch", Codex.PATCH)],
                [("exec_command", {"cmd": "python3 greeting.py > out.txt && cat out.txt"})]]

    @staticmethod
    def run(place, url, model, prompt=PROMPT, resume=()):
        os.makedirs(os.path.join(place.home, ".codex"), exist_ok=True)
        with open(os.path.join(place.home, ".codex", "config.toml"), "w") as f:
            f.write(f'model = "{model}"\nmodel_provider = "local"\napproval_policy = "never"\nsandbox_mode = "danger-full-access"\ncheck_for_update_on_startup = false\n'
                    f'[analytics]\nenabled = false\n[model_providers.local]\nname = "local"\nbase_url = "{url}/v1"\nenv_key = "AGENT_KEY"\nwire_api = "responses"\n'
                    'request_max_retries = 0\nstream_max_retries = 0\n')
        last = os.path.join(place.home, "last.txt")
        status, out, err = run([os.path.join(BIN, "codex"), "exec", *resume, "--skip-git-repo-check", "--json", "-o", last, prompt], place, {"AGENT_KEY": "sk-agent"})
        said = ""
        if os.path.exists(last):
            with open(last) as f:
                said = f.read()
        return status, said, out + err

    @classmethod
    def resume(cls, place, url, model, prompt):
        return cls.run(place, url, model, prompt, ["resume", "--last"])


class CodexCode(Codex):
    """The same program with a newer model: all its tools are one, `exec`, which takes JavaScript; it comes in a namespace in the input."""
    name = "codex-code"
    model = "gpt-6.2-sol"

    @staticmethod
    def play(place):
        return [[("exec", 'text((await tools.exec_command({cmd: "cat greeting.py"})).output)')],
                [("exec", f"text(await tools.apply_patch({json.dumps(Codex.PATCH)}))")],
                [("exec", 'text((await tools.exec_command({cmd: "python3 greeting.py > out.txt && cat out.txt"})).output)')]]


AGENTS = (Claude, Codex, CodexCode)
