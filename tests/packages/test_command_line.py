"""--help, the manual page and the completions agree with each other and with the vocabulary of commands (signet-own (b)).

The completions come from the tables by which the commands read their flags; --help is written beside them. So a flag that stands in
only one of the two shows here, and so does a command or a flag whose name is not in the vocabulary.
"""
import os
import pathlib
import re
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
SIGNET = os.environ.get("SIGNET_BIN") or str(ROOT / "build/signet")

# signet-own (b): command -> verbs, flags. All of them; what is not built yet does not exist.
EVERYWHERE = {"--help", "--data-dir", "--config-file", "--default-config", "--json"}
VOCABULARY = {
    "serve": (set(), {"--bind-address", "--log-format", "--validate-and-exit", "--run-clickhouse-migrations", "--run-migrations",
                      "--run-postgres-migrations", "--create-api-key", "--expiration", "--disable-api-key", "--migrate-config",
                      "--workers", "--log-file", "--on-sighup", "--strict"}),
    "check": (set(), {"--strict", "--against"}),
    "sign": (set(), {"--module", "--nonce", "--timestamp", "--device-id", "--content", "--content-file", "--input", "--inspect", "--bench",
                     "--memory-limit-mb", "--timeout-ms"}),
    "log": ({"tail", "show", "grep"}, {"--limit", "--since", "--until", "--errors", "--model", "--provider", "--slow", "--raw"}),
    "keys": ({"create", "list", "disable", "enable", "rotate"}, {"--description", "--expiration", "--role", "--keep-s"}),
    "store": ({"sql", "check", "vacuum", "export", "import", "dead", "copy-to-clickhouse", "retention", "purge-dataset"},
              {"--from", "--to", "--out", "--clickhouse-days", "--sink"}),
    "evaluate": (set(), {"--evaluation-name", "--dataset-name", "--variant-name", "--concurrency"}),
    "ui": ({"link", "hash-password"}, {"--gateway-url", "--bind-address"}),
    "completions": ({"bash", "zsh", "fish", "man"}, set()),
    "version": (set(), set()),
}


def signet(*args):
    got = subprocess.run([SIGNET, *args], capture_output=True, text=True)
    assert got.returncode == 0, got.stderr
    return got.stdout


COMMANDS = re.findall(r"^  ([a-z]+)  +\S", signet("--help"), re.M)


@pytest.fixture(scope="module")
def scripts():
    return {shell: signet("completions", shell) for shell in ("bash", "zsh", "fish", "man")}


def offered(script, command):
    """What the completions of bash have for a command: verbs and flags."""
    line = re.search(rf"^\t{command}\) (.*) ;;$", script, re.M).group(1)
    of = lambda name: set(re.search(rf"\b{name}='([^']*)'", line).group(1).split())
    return of("verbs"), of("words")


def helped(command):
    return set(re.findall(r"^  (--[a-z-]+)", signet(command, "--help"), re.M)) | {"--help"}


def test_every_command_is_in_the_vocabulary():
    assert len(COMMANDS) >= 6 and set(COMMANDS) <= set(VOCABULARY)
    assert {"serve", "check", "sign", "log", "version", "completions"} <= set(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_s_verbs_and_flags_are_those_of_the_vocabulary(scripts, command):
    verbs, flags = offered(scripts["bash"], command)
    assert verbs <= VOCABULARY[command][0] and (verbs or command not in ("log", "keys", "store", "completions"))
    assert flags <= VOCABULARY[command][1] | EVERYWHERE


@pytest.mark.parametrize("command", COMMANDS)
def test_help_and_completions_have_the_same_flags(scripts, command):
    _, flags = offered(scripts["bash"], command)
    assert flags == helped(command)
    block = re.search(rf"^{command}\)\n(.*?)^\t;;$", scripts["zsh"], re.M | re.S).group(1)
    assert set(re.findall(r"^\t\t'(--[a-z-]+)", block, re.M)) == flags
    fish = re.findall(rf"'__fish_seen_subcommand_from {command}' -l ([a-z-]+)", scripts["fish"])
    assert {"--" + f for f in fish} == flags


@pytest.mark.parametrize("command", COMMANDS)
def test_every_flag_is_explained_in_the_completions(scripts, command):
    for line in scripts["fish"].splitlines():
        if f"from {command}' -l" in line:
            assert re.search(r"-d '.+'$", line), line


@pytest.mark.parametrize("command", COMMANDS)
def test_the_manual_page_has_the_same_flags(scripts, command):
    page = scripts["man"].replace("\\-", "-")
    section = re.search(rf"^\.SS signet {command}\n(.*?)(?=^\.SS|\Z)", page, re.M | re.S).group(1)
    assert set(re.findall(r"^\\fB(--[a-z-]+)", section, re.M)) | {"--help"} == helped(command)


def test_the_whole_manual_page_is_valid(scripts, tmp_path):
    page = tmp_path / "signet.1"
    page.write_text((ROOT / "packaging/signet.1.in").read_text().replace("@COMMANDS@", scripts["man"].strip()).replace("@VERSION@", "0"))
    if not shutil.which("mandoc"):
        pytest.skip("mandoc is not installed")
    lint = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", page], capture_output=True, text=True)
    assert lint.returncode == 0, lint.stdout
    text = subprocess.run(["mandoc", "-T", "ascii", page], capture_output=True, text=True).stdout
    text = re.sub(r".\x08", "", text)
    for command in COMMANDS:
        assert f"signet {command}" in text
    assert "--config-file GLOB" in text and "--device-id \"$DEVICE_ID\"" in text


def bash(line, script, cwd):
    """What bash would offer behind `line`."""
    words = line.split(" ")
    program = f'{script}\ncompopt() {{ :; }}\nCOMP_WORDS=({" ".join(repr(w) for w in words)})\nCOMP_CWORD={len(words) - 1}\n_signet\nprintf "%s\\n" "${{COMPREPLY[@]}}"'
    got = subprocess.run(["bash", "-c", program], capture_output=True, text=True, cwd=cwd)
    assert got.returncode == 0 and not got.stderr, got.stderr
    return set(got.stdout.split())


@pytest.mark.parametrize("line,has,not_has", [
    ("signet ", {"serve", "log", "--help"}, {"tail"}),
    ("signet se", {"serve"}, {"sign"}),
    ("signet --con", {"--config-file"}, {"--bind-address"}),
    ("signet log ", {"tail", "show", "grep"}, {"serve", "--json"}),
    ("signet log tail --", {"--limit", "--json", "--help"}, {"--module", "tail"}),
    ("signet serve --config-file ", {"a.toml", "folder"}, {"--bind-address"}),
    ("signet --config-file ", {"a.toml"}, {"serve"}),
    ("signet serve --data-dir ", {"folder"}, {"a.toml"}),
    ("signet serve --workers ", set(), {"--config-file", "a.toml"}),
    ("signet check ", {"a.toml"}, {"tail"}),
    ("signet check --", {"--json"}, {"a.toml"}),
    ("signet sign --module ", {"a.toml", "m.wasm"}, {"--nonce"}),
    ("signet completions ", {"bash", "zsh", "fish"}, {"a.toml"}),
])
def test_bash_offers(scripts, tmp_path, line, has, not_has):
    (tmp_path / "a.toml").touch()
    (tmp_path / "m.wasm").touch()
    (tmp_path / "folder").mkdir()
    got = bash(line, scripts["bash"], tmp_path)
    assert has <= got and not not_has & got, got


def fish(line, script):
    got = subprocess.run(["fish", "--no-config", "-c", f"{script}\ncomplete -C {line!r}"], capture_output=True, text=True)
    assert got.returncode == 0 and not got.stderr, got.stderr
    return {l.split("\t")[0] for l in got.stdout.splitlines()}


@pytest.mark.parametrize("line,has,not_has", [
    ("signet ", {"serve", "log", "completions"}, {"tail"}),
    ("signet log ", {"tail", "show", "grep"}, {"serve"}),
    ("signet log tail --", {"--limit", "--json"}, {"--module"}),
    ("signet sign --", {"--module", "--bench"}, {"--limit"}),
])
def test_fish_offers(scripts, line, has, not_has):
    if not shutil.which("fish"):
        pytest.skip("fish is not installed")
    got = fish(line, scripts["fish"])
    assert has <= got and not not_has & got, got




def zsh(line, script, folder):
    """The widget _main_complete, with compadd listened to: what zsh would offer behind `line`."""
    (folder / "_signet").write_text(script)
    program = rf'''
zmodload zsh/zpty
zpty z 'zsh -f -i'
zpty -w z 'PROMPT=; fpath=({folder} $fpath); autoload -U compinit; compinit -u -d {folder}/dump; bindkey "^I" complete-word; compadd-list() {{ :; }}; zle -C listing complete-word show; show() {{ compadd() {{ local -a got; if [[ ${{@[(I)-(O|A|D)]}} -eq 0 ]]; then builtin compadd -O got "$@"; (( $#got )) && print -l -- $got >>{folder}/offered; fi; builtin compadd "$@" }}; _main_complete; print END >>{folder}/offered }}; bindkey "^X" listing; echo REA""DY'
repeat 100; do zpty -r -t z out && [[ $out = *READY* ]] && break; sleep 0.05; done
zpty -w -n z "{line}"$'\x18'
repeat 100; do grep -q END {folder}/offered 2>/dev/null && break; sleep 0.05; done
zpty -d z
'''
    subprocess.run(["zsh", "-f", "-c", program], capture_output=True, text=True, timeout=60)
    return set((folder / "offered").read_text().split()) if (folder / "offered").exists() else set()


@pytest.mark.parametrize("line,has,not_has", [
    ("signet log ", {"tail", "show", "grep"}, {"serve"}),
    ("signet log tail --", {"--limit", "--json"}, {"--module"}),
    ("signet sign --", {"--module", "--inspect"}, {"--limit"}),
])
def test_zsh_offers(scripts, tmp_path, line, has, not_has):
    if not shutil.which("zsh"):
        pytest.skip("zsh is not installed")
    assert subprocess.run(["zsh", "-n", "-c", scripts["zsh"]], capture_output=True).returncode == 0
    got = zsh(line, scripts["zsh"], tmp_path)
    assert has <= got and not not_has & got, got


@pytest.mark.parametrize("args,status,said", [
    ((), 2, "name one of bash, zsh and fish"), (("tcsh",), 2, "tcsh is none of bash, zsh and fish"),
    (("bash", "zsh"), 2, "name one of"), (("bash", "--verbose"), 2, "unknown argument --verbose"),
])
def test_wrong_usage_of_completions(args, status, said):
    got = subprocess.run([SIGNET, "completions", *args], capture_output=True, text=True)
    assert (got.returncode, got.stdout) == (status, "") and said in got.stderr
