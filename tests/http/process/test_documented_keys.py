"""docs/configuration.md lists every key that is read, and no other: both lists are compared through `signet check`.

The code's list is what it says of a key that nobody knows ("unknown field `zzz`, expected one of …"), table by table. The page's
list is its tables; what it says of a key holds for the place it says it of, so `provider_types.openai.defaults` counts too.
"""
import json
import re
import subprocess

import pytest
from lib.signet import ROOT, binary

PAGE = open(f"{ROOT}/docs/configuration.md").read()
PROVIDER = "models.NAME.providers.PROVIDER"
NO_KEYS = {"true", "false", "none"}


def words(cell):
    """Names in backticks: "`a.b`, `c`", "`{ target, name }`"."""
    for text in re.findall(r"`([^`]+)`", cell):
        if re.fullmatch(r"[a-z_][a-z0-9_]*(\.([a-z0-9_]+|[A-Z]+|\*))*", text) and text not in NO_KEYS:
            yield text
        elif text.startswith("{") and "=" not in text and '"' not in text:
            yield from ("." + w for w in re.findall(r"[a-z_]+", text))


def documented():
    """{table: {key}}, where a table's own tables stand under their parent, too; and {section: {words of its text}}."""
    keys, prose, table = {}, {}, None

    def add(path):
        parent, key = path.rsplit(".", 1) if "." in path else ("", path)
        keys.setdefault(parent, set()).add(key)
        if parent:
            add(parent)

    for line in PAGE.split("\n"):
        if line.startswith("#"):
            title = line.strip("# ")
            kind = re.match(r'type = "([a-z_-]+)"', title)
            if title.startswith("["):
                table = title[1:title.index("]")]
            elif kind:
                table = f"{PROVIDER}:{kind.group(1)}"
            else:
                table = None
            prose[table] = set()
        elif table and not line.startswith("|"):
            prose[table] |= {w.partition(".")[0] for w in words(line)}
        elif line.startswith("| `") and table:
            first, *rest = line.strip("| ").split(" | ")
            names = [w for w in words(first) if not w.endswith("*")]
            for name in names:
                add(f"{table}.{name}")
                inside = name
                for word in words(" ".join(rest)):  # `users.NAME.role`; `{ target, display_name }`
                    if word.startswith(f"{name}."):
                        inside = word
                        add(f"{table}.{word}")
                    elif word.startswith("."):
                        add(f"{table}.{inside}{word}")
                for place in re.findall(r"also `\[([a-z_.]+)\]`", " ".join(rest)):
                    add(f"{place}.{name}")
                if "a table, see" in " ".join(rest) or "checked as TensorZero does" in " ".join(rest):
                    for inner in words(re.split(r"Rows always|see ", " ".join(rest))[0 if "checked" in " ".join(rest) else 1]):
                        add(f"{table}.{name}.{inner}")
    return keys, prose


def toml_of(table, text):
    """A configuration with this text in that table."""
    path, _, kind = table.partition(":")
    path = path.replace("NAME", "n").replace("PROVIDER", "p")
    kind, _, inner = kind.partition(".")
    extra = ""
    if path.startswith("models.n.providers.p"):
        extra = f'[models.n]\nrouting = ["p"]\n[models.n.providers.p]\ntype = "{kind or "openai"}"\n'
        if path == "models.n.providers.p" and not inner:
            return extra + text
    return extra + (f"[{path}{'.' + inner if inner else ''}]\n" if path else "") + text


def issues(tmp_path, toml):
    (tmp_path / "a.toml").write_text(toml)
    out = subprocess.run([binary(), "check", "--json", str(tmp_path / "a.toml")], capture_output=True, text=True, timeout=30)
    return [i["text"] for i in json.loads(out.stdout)]


def read_keys(tmp_path, table):
    for text in issues(tmp_path, toml_of(table, "zzz = 1\n")):
        if "unknown field `zzz`" in text:
            return set(re.findall(r"`(\w+)`", text.split("expected", 1)[1].split(" (")[0]))
    return None


def told(tmp_path, table, keys, values):
    """What is said of these keys with each of these values, all keys at once."""
    return ["\n".join(issues(tmp_path, toml_of(table, "".join(f"{k} = {v}\n" for k in sorted(keys))))) for v in values]


DOCUMENTED, PROSE = documented()
TABLES = sorted(DOCUMENTED)


def test_the_page_is_read():
    assert len(TABLES) > 25 and sum(map(len, DOCUMENTED.values())) > 140, DOCUMENTED
    assert DOCUMENTED["provider_types.openai.defaults"] == {"api_base", "api_key_location"}
    assert "password_hash_location" in str(DOCUMENTED) and "ttft_ms" in DOCUMENTED["models.NAME.timeouts.streaming"]


@pytest.mark.parametrize("table", TABLES)
def test_what_is_documented_is_read(tmp_path, table):
    keys = {k for k in DOCUMENTED[table] if not re.fullmatch("[A-Z]+", k.split(":")[0])}
    if table.startswith(PROVIDER):
        keys -= {"type"}
    texts = told(tmp_path, table, keys, ["{}", "3.25"])
    unknown = [k for k in sorted(keys) if all(f"unknown field `{k}`" in t for t in texts)]
    assert not unknown, f"docs/configuration.md lists in [{table}] what is not read there"


@pytest.mark.parametrize("table", [t for t in TABLES if t != PROVIDER])
def test_what_is_read_is_documented(tmp_path, table):
    found = read_keys(tmp_path, table)
    if found is None:
        pytest.skip("names of the user's own stand there")
    place = table.partition(":")[0]
    missing = found - DOCUMENTED[table] - DOCUMENTED.get(place, set()) - PROSE.get(place, set())
    texts = told(tmp_path, table, missing, ["{ x = 1 }", '"x"', "[1]"]) if missing else []
    later = {k for k in missing if any(re.search(rf"\b{k}\b[^\n]*does not support|does not support[^\n]*\b{k}\b", t) for t in texts)}
    assert not missing - later, f"docs/configuration.md does not list in [{table}] what is read there"
