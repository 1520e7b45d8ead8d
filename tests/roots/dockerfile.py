"""A Dockerfile's stages in bare roots: every RUN line is run by a shell in a root, as root or as USER says, COPY copies, and what
only a container engine can do (ENTRYPOINT, HEALTHCHECK, USER, VOLUME, EXPOSE) is kept for the test to look at and to run.

FROM a Debian image is the root of root.py. A cache mount is a folder of the host that stays, so that a second run is short. An
instruction that this file does not know is an error, not a line passed over.
"""
import fnmatch
import json
import pathlib
import re
import shlex
import shutil
import subprocess

from root import CACHE, ROOT, Root

BASES = ("debian:bookworm", "debian:bookworm-slim")


def instructions(text):
    """[(WORD, rest)], continued lines joined."""
    lines = [l for l in text.splitlines() if not l.startswith("#")]
    return [tuple(part.strip() for part in i.split(None, 1)) for i in re.sub(r"\\\n\s*", "", "\n".join(lines)).splitlines() if i.strip()]


def ignored(text):
    rules = [l for l in text.splitlines() if l and not l.startswith("#")]

    def test(path):
        parts = path.split("/")
        return any(fnmatch.fnmatch("/".join(parts[:i + 1]), rule) or (rule.startswith("**/") and fnmatch.fnmatch(parts[i], rule[3:]))
                   for rule in rules for i in range(len(parts)))
    return test


class Stage:
    def __init__(self, name, root):
        self.name, self.root = name, root
        self.workdir, self.env, self.user, self.ran = "/", {}, None, []
        self.entrypoint, self.cmd, self.health, self.volumes, self.ports = None, None, None, [], []


class Dockerfile:
    def __init__(self, path, folder):
        self.folder, self.stages = pathlib.Path(folder), {}
        self.ignored = ignored(pathlib.Path(f"{path}.dockerignore").read_text())
        self.instructions = instructions(pathlib.Path(path).read_text())

    def stages_for(self, target):
        """The instructions that `target` needs, in order."""
        blocks, needs = {}, [target]
        for word, rest in self.instructions:
            if word == "FROM":
                source, _, name = rest.split()
                blocks[name] = [(word, rest)]
            else:
                blocks[name].append((word, rest))
        for name in needs:
            needs += [n for n in re.findall(r"(?:^|from=)([\w-]+)", " ".join([blocks[name][0][1]] + [r for _, r in blocks[name][1:] if "from=" in r])) if n in blocks and n not in needs]
        return [block for name, block in blocks.items() if name in needs]

    def build(self, target):
        for block in self.stages_for(target):
            for word, rest in block:
                getattr(self, word.lower())(rest)
        return self.stages[target]

    def from_(self, rest):
        source, _, name = rest.split()
        if source in self.stages:
            of = self.stages[source]
            self.stage = Stage(name, Root(self.folder / name, of.root.path))
            self.stage.workdir, self.stage.env, self.stage.user = of.workdir, dict(of.env), of.user
        else:
            assert source in BASES, f"FROM {source}: no root stands for it"
            self.stage = Stage(name, Root(self.folder / name))
        self.stages[name] = self.stage

    def __getattr__(self, name):
        if name == "from":
            return self.from_
        raise AttributeError(f"the Dockerfile's instruction {name.upper()} is not known here")

    def workdir(self, rest):
        self.stage.workdir = rest
        self.inside(rest).mkdir(parents=True, exist_ok=True)

    def env(self, rest):
        self.stage.env |= dict(v.split("=", 1) for v in shlex.split(rest))

    def user(self, rest):
        self.stage.user = rest

    def entrypoint(self, rest):
        self.stage.entrypoint = json.loads(rest)

    def cmd(self, rest):
        self.stage.cmd = json.loads(rest)

    def healthcheck(self, rest):
        self.stage.health = json.loads(rest[rest.index("CMD ") + 4:])

    def volume(self, rest):
        self.stage.volumes.append(rest)

    def expose(self, rest):
        self.stage.ports.append(int(rest))

    def inside(self, path):
        return self.stage.root.path / (pathlib.PurePosixPath(self.stage.workdir) / path).relative_to("/")

    def copy(self, rest):
        source, target = rest.split()
        for file in ([ROOT / source] if (ROOT / source).is_file() else (ROOT / source).rglob("*")):
            name = file.relative_to(ROOT).as_posix()
            if self.ignored(name) or not (file.is_file() or file.is_symlink()):
                continue
            to = self.inside(target) / (file.name if (ROOT / source).is_file() else file.relative_to(ROOT / source))
            to.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(file, to, follow_symlinks=False)

    def run(self, rest):
        mounts = re.findall(r"--mount=(\S+)", rest)
        line = re.sub(r"--mount=\S+\s*", "", rest)
        with self.stage.root as root:
            for mount in mounts:
                self.mount(root, dict(part.split("=", 1) for part in mount.split(",")))
            print(f"{self.stage.name}: RUN {line}", flush=True)
            root.good("sh", "-c", line, user=self.stage.user, cwd=self.stage.workdir, env=self.stage.env)
        self.stage.ran.append(line)

    def mount(self, root, how):
        target = how["target"].lstrip("/")
        if how["type"] == "cache":
            kept = CACHE / "cache" / how["target"].strip("/").replace("/", "-")
            kept.mkdir(parents=True, exist_ok=True)
            root.mount("--bind", str(kept), target)
        else:
            source = self.stages[how["from"]].root.path / how["source"].lstrip("/")
            if source.is_file():
                (root.path / target).touch()
                subprocess.run(["mount", "--bind", str(source), str(root.path / target)], check=True)
                root.mounts.append(root.path / target)
            else:
                root.mount("--bind", str(source), target)
