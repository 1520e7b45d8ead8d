"""JSON for the fuzzer: values that Python's own printer cannot say (doubled keys, numbers and strings as they are written), one fault
somewhere in a value, and all values that are a little smaller."""
import copy
import json


class Text(str):
    """Printed as it stands: a number (1e400, -0), a string with escapes ("\\ud83d"), bytes as latin-1 of broken UTF-8."""


class Doubled(dict):
    """A dict with further members behind its own: `more`, a list of pairs."""

    def __init__(self, members, more=()):
        super().__init__(members)
        self.more = list(more)


def dump(v):
    """The value's bytes, compact, UTF-8 as it is."""
    if isinstance(v, Text):
        return v.encode("latin-1")
    if isinstance(v, dict):
        pairs = list(v.items()) + getattr(v, "more", [])
        return b"{" + b",".join(dump(str(k)) + b":" + dump(x) for k, x in pairs) + b"}"
    if isinstance(v, list):
        return b"[" + b",".join(map(dump, v)) + b"]"
    return json.dumps(v, ensure_ascii=False).encode("utf-8", "surrogatepass")


def places(v, path=()):
    """The path of every value below v."""
    items = v.items() if isinstance(v, dict) else enumerate(v) if isinstance(v, list) else ()
    for k, x in items:
        yield (*path, k)
        yield from places(x, (*path, k))


def get(v, path):
    for k in path:
        v = v[k]
    return v


# -- values ------------------------------------------------------------------------------------------------------------------
WORDS = ["", "x", "auto", "none", "text", "function", "é", "\u200d", "a\u0301", "\xa0", "\u2028", "\U0001f600", "\0", "\x01\x1f\x7f", 'q"\\\n\t', "null",
         "tensorzero::x", "json", " ", "a b", "/", "~", "$", "\x9f", "\ufeff", "\u202e", "\xad", "\ue000"]
NUMBERS = ["0", "1", "-1", "2", "1.0", "-0", "0.5", "1e2", "1E-3", "1e400", "4294967295", "4294967296", "9223372036854775807", "-9223372036854775808",
           "18446744073709551615", "18446744073709551616", "3.4e38", "1e39", "-1.5", "0.1", "1e15", "1e16", "1e17", "123456.789", "5e-324", "1e-7", "0.0001", "1e21"]


def scalar(rng):
    kind = rng.randrange(10)
    if kind < 4:
        return rng.choice(WORDS)
    if kind < 7:
        return Text(rng.choice(NUMBERS))
    return rng.choice([None, True, False, None])


def value(rng, depth=0):
    kind = rng.randrange(10)
    if depth > 2 or kind < 7:
        return scalar(rng)
    if kind < 8:
        return [value(rng, depth + 1) for _ in range(rng.randrange(3))]
    return {rng.choice(["a", "type", "x", "name", "text", "tensorzero::y", "0"]): value(rng, depth + 1) for _ in range(rng.randrange(3))}


# -- one fault ---------------------------------------------------------------------------------------------------------------
def fault(rng, tree):
    """A copy with one thing wrong, at a random place."""
    tree = copy.deepcopy(tree)
    where = list(places(tree))
    if not where:
        return tree
    *parents, key = rng.choice(where)
    at = get(tree, parents)
    kind = rng.randrange(12)
    if kind < 4:
        at[key] = value(rng)
    elif kind < 6:
        del at[key]
    elif kind < 7:
        at[key] = None
    elif kind < 8:
        at[key] = rng.choice([[at[key]], {"x": at[key]}, [], {}])
    elif kind < 9:
        inner = at[key] if isinstance(at[key], dict) else at
        if isinstance(inner, dict):
            inner[rng.choice(["x", "zz", "tensorzero::zz", "id", "type"])] = value(rng)
        else:
            inner.insert(key, value(rng))
    elif kind < 10:
        if isinstance(at, dict):
            double = Doubled(at, [(key, value(rng))])
            tree = put(tree, parents, double)
        else:
            at.append(copy.deepcopy(at[key]))
    elif kind < 11 and isinstance(at, dict):
        items = [(rng.choice(["zz", str(k).upper(), str(k) + " "]) if k == key else k, x) for k, x in at.items()]
        tree = put(tree, parents, dict(items))
    elif isinstance(at[key], str) and not isinstance(at[key], Text):
        s = at[key]
        i = rng.randrange(len(s) + 1)
        at[key] = rng.choice([s[:i] + rng.choice(WORDS) + s[i:], s[:i], s.upper(), " " + s, s + " ", s + s])
    else:
        at[key] = value(rng)
    return tree


def put(tree, path, new):
    if not path:
        return new
    get(tree, path[:-1])[path[-1]] = new
    return tree


# -- smaller values ----------------------------------------------------------------------------------------------------------
def smaller(tree):
    """Copies with one member or element less, the big ones first; then with one value plainer."""
    where = sorted(places(tree), key=lambda p: -len(dump(get(tree, p))))
    for path in where:
        less = copy.deepcopy(tree)
        del get(less, path[:-1])[path[-1]]
        yield less
    for path in where:
        at = get(tree, path)
        if isinstance(at, Doubled) and at.more:
            continue
        plain = "x" if isinstance(at, str) and not isinstance(at, Text) and len(at) > 1 else None
        if plain:
            for text in (plain, at[: len(at) // 2], at[len(at) // 2 :]):
                yield put(copy.deepcopy(tree), path, text)
