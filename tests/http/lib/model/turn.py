"""What a request asks for, whatever its format, and what the mock model says to it.

Each format's file reads its body into a Turn and writes a Said as its own answer, so that all upstreams of the tests are the same
model behind different formats: what a client sees through one pair of formats can be compared with any other.
"""
import base64
import hashlib
import json
import re
from dataclasses import dataclass, field

THOUGHT = "Let me think about it first."


class Wrong(Exception):
    """A request that the vendor would refuse."""

    def __init__(self, message, param=None, status=400, code=None):
        super().__init__(message)
        self.message, self.param, self.status, self.code = message, param, status, code


@dataclass
class Tool:
    name: str
    schema: dict = field(default_factory=dict)
    custom: bool = False  # takes a text, not a JSON object
    namespace: str = ""  # of Responses


@dataclass
class Turn:
    model: str
    system: str = ""
    words: list = field(default_factory=list)  # all texts of the conversation, the model's too
    last: str = ""  # the user's last words
    prefill: str = ""  # the conversation ends with the model's own words
    results: list = field(default_factory=list)  # texts of the tool results that stand at the end
    calling_turns: int = 0  # of the model, in all of the conversation
    tools: list = field(default_factory=list)
    choice: str = "auto"  # auto, none, required, or the name of a tool
    parallel: bool = True
    schema: dict = None  # the answer must fit it
    json: bool = False
    limit: int = None
    stops: list = field(default_factory=list)
    think: bool = False
    files: list = field(default_factory=list)  # (media type, bytes or URL)
    cache: str = ""  # what the client marked for caching, or its key
    stream: bool = False

    def tokens(self):
        return 3 + sum(len(w.split()) + 1 for w in [self.system, *self.words] if w)


@dataclass
class Call:
    id: str
    tool: Tool
    arguments: str  # JSON, or a custom tool's text


@dataclass
class Said:
    thought: str = ""
    text: str = ""
    calls: list = field(default_factory=list)
    finish: str = "stop"  # stop, length, calls, sequence
    sequence: str = None
    input: int = 0  # tokens, the cached and written ones among them
    cached: int = 0
    written: int = 0
    output: int = 0  # thoughts included
    reasoning: int = 0

    def pieces(self):
        return re.findall(r"\s*\S+\s*$|\s*\S+", self.text)


def instance(schema, root=None):
    """A value that fits a JSON schema."""
    root = root or schema
    if "$ref" in schema:
        at = root
        for part in schema["$ref"].lstrip("#/").split("/"):
            at = at[part]
        return instance(at, root)
    if "const" in schema:
        return schema["const"]
    if schema.get("enum"):
        return schema["enum"][0]
    for key in ("anyOf", "oneOf", "allOf"):
        if schema.get(key):
            return instance(schema[key][0], root)
    kind = schema.get("type", "object" if "properties" in schema else "string")
    kind = next((k for k in kind if k != "null"), "null") if isinstance(kind, list) else kind
    if kind == "object":
        return {k: instance(v, root) for k, v in schema.get("properties", {}).items()}
    if kind == "array":
        return [instance(schema.get("items", {}), root) for _ in range(max(1, schema.get("minItems", 1)))]
    if kind == "integer":
        return max(int(schema.get("minimum", 1)), 1)
    if kind == "number":
        return max(float(schema.get("minimum", 1.5)), 1.5)
    return {"boolean": True, "null": None}.get(kind, "Paris"[: schema.get("maxLength", 5)])


def seal(thought):
    """What proves that a thought is the model's own: a signature, an encrypted content."""
    return base64.b64encode(hashlib.sha256(thought.encode()).digest()).decode()


def number(*of):
    """A name that the same request always gets."""
    return hashlib.sha256(json.dumps(of, sort_keys=True, default=str).encode()).hexdigest()[:20]


def knows(turn):
    """The little that this model knows."""
    exactly = re.search(r'exactly the word "(\w+)"', turn.system)
    if exactly:
        return exactly[1]
    if turn.prefill:
        return "is, of course."
    last = turn.last
    sum_of = re.search(r"(\d+) ([+*]) (\d+)", last)
    name = re.search(r"\b[Mm]y name is (\w+)", " ".join(turn.words))
    if m := re.search(r"(?:[Ss]ay|[Rr]eply with) exactly:? (.+)", last, re.S):
        return m[1]
    if sum_of:
        return str(int(sum_of[1]) + int(sum_of[3]) if sum_of[2] == "+" else int(sum_of[1]) * int(sum_of[3]))
    if "my name?" in last and name:
        return name[1]
    if "capital of France" in last:
        return "Paris"
    return ""


def text_for(turn):
    if turn.schema is not None:
        return json.dumps(instance(turn.schema))
    if turn.json:
        return '{"answer": "Paris"}'
    if m := re.search(r"\[(\d+) words\]", turn.last):
        return " ".join(f"word{i}" for i in range(int(m[1])))
    text = knows(turn) or f"You said {turn.last[-200:]!r}. One two three four five six seven eight nine ten."
    if turn.results:
        text = "The tools said: " + "; ".join(turn.results) + "."
    if turn.files:
        text += " I see " + ", ".join(f"{kind} ({n})" for kind, n in turn.files) + "."
    return text


def long_enough(turn):
    """What OpenAI keeps of a prompt without being asked."""
    return number(turn.system) if len(turn.system.split()) > 1000 else ""


def call_of(tool, turn, arguments=None):
    if arguments is None:
        arguments = "Paris" if tool.custom else instance(tool.schema or {"type": "object"})
    if isinstance(arguments, str) and not tool.custom:  # a custom tool, as a gateway gives it to a model that knows none
        arguments = {"input": arguments}
    text = arguments if isinstance(arguments, str) else json.dumps(arguments)
    return Call("call_" + number(tool.name, text, turn.calling_turns), tool, text)


def calls_for(turn, play):
    """The calls that this turn makes: those of the play's next step, or one of the tools that the request brings."""
    by_name = {t.name.rsplit("__", 1)[-1]: t for t in turn.tools} | {t.name: t for t in turn.tools}  # a gateway puts a namespace in front
    if turn.choice == "none" or not turn.tools:
        return []
    if play is not None:
        step = play[turn.calling_turns] if turn.calling_turns < len(play) else []
        return [call_of(by_name[name], turn, arguments) for name, arguments in step if name in by_name]
    if turn.results:
        return []
    tool = by_name.get(turn.choice, turn.tools[0])
    calls = [call_of(tool, turn)]
    if turn.parallel and re.search(r"\bboth\b|\bparallel\b|\band also\b", turn.last):
        other = next((t for t in turn.tools if t is not tool), tool)
        calls.append(call_of(other, turn))
        calls[1].id = calls[1].id[:-1] + "z"
    return calls


def keep_to(limit, said):
    """A limit holds for thoughts and text together; a word is a token."""
    for part in ("thought", "text"):
        words = re.findall(r"\s*\S+", getattr(said, part))
        if len(words) > limit:
            setattr(said, part, "".join(words[:limit]))
            said.finish, said.sequence = "length", None
        limit = max(0, limit - len(words))


def say(turn, seen, play=None):
    """`seen`: what was marked for caching before; grows."""
    told = re.search(r"\[fail (\d{3})\]", turn.last)
    if told:
        raise Wrong("The mock was told to fail.", status=int(told[1]))
    said = Said(input=turn.tokens(), thought=THOUGHT if turn.think else "")
    said.calls = calls_for(turn, play)
    if said.calls:
        said.finish = "calls"
    else:
        said.text = text_for(turn)
        for stop in turn.stops:
            if stop in said.text:
                said.text, said.finish, said.sequence = said.text[: said.text.index(stop)], "sequence", stop
        if turn.limit and turn.schema is None:
            keep_to(turn.limit, said)
    said.reasoning = len(said.thought.split())
    said.output = said.reasoning + (len(said.text.split()) or 12 * len(said.calls) or 1)
    if turn.cache:
        marked = min(said.input - 1, 1 + len(turn.system.split()))
        said.cached, said.written = (marked, 0) if turn.cache in seen else (0, marked)
        seen.add(turn.cache)
    return said
