"""Where a function of src/ can be mutated: libclang says what an expression is and where its text begins and ends.

A site is (start, end, kind, function, original text, mutated text) in bytes of its file. What must be a constant for
the compiler (static initialisers, case labels, sizes of arrays, sizeof) and what lies inside a macro's use is left alone.
"""
import bisect
import json
import os
import re
import shlex
import subprocess
from dataclasses import dataclass

from clang.cindex import CursorKind as K
from clang.cindex import Index, StorageClass, TranslationUnit, TypeKind

OTHERS = {"==": ["!="], "!=": ["=="], "<": ["<=", ">="], "<=": ["<", ">"], ">": [">=", "<="], ">=": [">", "<"],
          "&&": ["||"], "||": ["&&"], "+": ["-"], "-": ["+"]}
KINDS = {"&&": "logic", "||": "logic", "+": "sum", "-": "sum"}  # of an operator; a comparison if it is not here
RETURNS = {"-1": "0", "0": "-1", "1": "0", "true": "false", "false": "true"}
LEFT_ALONE = {"assert", "static_assert", "va_start", "va_end", "va_arg", "va_copy"}
INTEGER = re.compile(r"(?:0[xX][0-9a-fA-F]+|\d+)[uUlL]*\Z")
UNSET = re.compile(r"\{\s*(?:NULL\s*,\s*)?0\s*\}")  # what length is there beside a NULL says nothing
COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.S)


@dataclass(frozen=True)
class Site:
    file: str
    line: int
    start: int
    end: int
    kind: str
    function: str
    original: str
    mutated: str

    @property
    def floor(self):
        return self.file.split("/")[1]

    def shown(self):
        """(original, mutated) on one line each; of long ones the part around the difference."""
        a, b = " ".join(self.original.split()), " ".join(self.mutated.split())
        same = len(os.path.commonprefix([a, b]))
        first = max(0, same - 40) if b and len(a) > 90 else 0
        return tuple(("…" if first else "") + x[first : first + 90] + ("…" if x[first + 90 :] else "") for x in (a, b))


def compile_arguments(build):
    """{file: its -I, -isystem, -D and -std} of a meson build, with clang's own headers."""
    resources = subprocess.run(["clang", "-print-resource-dir"], capture_output=True, text=True, check=True).stdout.strip()
    out = {}
    with open(os.path.join(build, "compile_commands.json")) as f:
        for entry in json.load(f):
            words, kept = shlex.split(entry["command"]), []
            for i, word in enumerate(words):
                if word == "-isystem":
                    kept += [word, words[i + 1]]
                elif word.startswith(("-I", "-D", "-std=")):
                    kept.append(word)
            path = os.path.relpath(os.path.join(entry["directory"], entry["file"]))
            out[path] = ["-resource-dir", resources, "-working-directory=" + entry["directory"], "-w", *kept]
    return out


def parse(path, arguments, text=None, extra=()):
    """`text` stands in for what is on disk."""
    full = os.path.abspath(path)
    return Index.create().parse(full, [*arguments, *extra], [(full, text)] if text else None,
                                TranslationUnit.PARSE_DETAILED_PROCESSING_RECORD)


def errors(unit, path):
    """Those in the file itself: the headers of another clang's intrinsics are not for this libclang."""
    return [str(d) for d in unit.diagnostics if d.severity >= 3 and d.location.file and d.location.file.name == os.path.abspath(path)]


class Finder:
    def __init__(self, path, arguments):
        self.path, self.full = path, os.path.abspath(path)
        with open(path, "rb") as f:
            self.source = f.read()
        self.unit = parse(path, arguments)
        if errors(self.unit, path):
            raise SystemExit(f"mutate: libclang cannot read {path}: {errors(self.unit, path)[0]}")
        uses = [(c.extent.start.offset, c.extent.end.offset, c.spelling) for c in self.unit.cursor.get_children()
                if c.kind == K.MACRO_INSTANTIATION and self._here(c)]
        self.macros = sorted((s, -e, name) for s, e, name in uses)
        self.sites = []

    def _here(self, cursor):
        file = cursor.location.file
        return file is not None and file.name == self.full

    def find(self):
        for cursor in self.unit.cursor.get_children():
            if cursor.kind == K.FUNCTION_DECL and cursor.is_definition() and self._here(cursor):
                self.function = cursor
                self.returns = cursor.result_type.get_canonical().kind
                for child in cursor.get_children():
                    if child.kind == K.COMPOUND_STMT:
                        self._visit(child)
        return self.sites

    # -- text ------------------------------------------------------------------------------------
    def _range(self, cursor):
        return cursor.extent.start.offset, cursor.extent.end.offset

    def _text(self, start, end):
        return self.source[start:end].decode("utf-8", "replace")

    def _macro(self, start, end):
        """The outermost macro's use around this range: (start, end, name)."""
        for s, e, name in self.macros[: bisect.bisect_right(self.macros, (start, 0, "~"))][-40:]:
            if s <= start and end <= -e:
                return s, -e, name
        return None

    def _add(self, kind, start, end, mutated):
        original = self._text(start, end)
        if "\n#" in original or start >= end:
            return
        line = self.source.count(b"\n", 0, start) + 1
        self.sites.append(Site(self.path, line, start, end, kind, self.function.spelling, original, mutated))

    # -- the walk ----------------------------------------------------------------------------------
    def _visit(self, cursor):
        start, end = self._range(cursor)
        if self._macro(start, end) or cursor.kind in (K.CXX_UNARY_EXPR, K.STRUCT_DECL, K.ENUM_DECL, K.TYPEDEF_DECL):
            return
        children = list(cursor.get_children())
        kind = cursor.kind
        if kind == K.VAR_DECL:
            if cursor.storage_class == StorageClass.STATIC:
                return
            name = cursor.location.offset
            children = [c for c in children if "=" in self._text(name, self._range(c)[0])]  # not the size of an array
        elif kind == K.CASE_STMT:
            self._statement(children[-1])
            return
        elif kind == K.RETURN_STMT:
            if self._return(children):
                return
        elif kind in (K.COMPOUND_STMT, K.LABEL_STMT, K.DEFAULT_STMT):
            for child in children:
                self._statement(child)
            return
        elif kind in (K.IF_STMT, K.WHILE_STMT, K.FOR_STMT, K.DO_STMT):
            self._control(kind, children)
            return
        elif kind == K.BINARY_OPERATOR and len(children) == 2:
            self._operator(cursor, *children)
        elif kind == K.INTEGER_LITERAL:
            self._integer(start, end)
            return
        elif kind == K.INIT_LIST_EXPR and UNSET.fullmatch(self._text(start, end)):
            return
        for child in children:
            self._visit(child)

    def _control(self, kind, children):
        bodies = {K.IF_STMT: children[1:], K.WHILE_STMT: children[1:], K.DO_STMT: children[:1], K.FOR_STMT: children[-1:]}[kind]
        for child in children:
            if any(child == b for b in bodies):
                self._statement(child)
                continue
            start, end = self._range(child)
            if kind != K.FOR_STMT:
                text = self._text(start, end)
                self._add("condition", start, end, f"!({text})")
            self._visit(child)

    def _statement(self, cursor):
        start, end = self._range(cursor)
        macro = self._macro(start, end)
        if macro:
            s, e, name = macro
            if (s, e) == (start, end) and name not in LEFT_ALONE and "(" in self._text(s, e) and cursor.kind != K.DECL_STMT:
                self._add("call", start, end, "")
            return
        kind = cursor.kind
        called = kind == K.CALL_EXPR or kind == K.CSTYLE_CAST_EXPR and any(
            c.kind == K.CALL_EXPR for c in cursor.get_children())
        if called:
            name = self._text(start, end).split("(")[0].strip()
            if name not in LEFT_ALONE:
                self._add("call", start, end, "")
        elif self._assigns(cursor, self._text(start, end)):
            self._add("assignment", start, end, "")
        self._visit(cursor)

    def _assigns(self, cursor, text):
        if cursor.kind == K.UNARY_OPERATOR:
            return text[:2] in ("++", "--") or text[-2:] in ("++", "--")
        return cursor.kind == K.COMPOUND_ASSIGNMENT_OPERATOR or cursor.kind == K.BINARY_OPERATOR and self._between(cursor) == "="

    def _between(self, cursor):
        """The operator of a binary expression: what stands between its two sides."""
        children = list(cursor.get_children())
        if len(children) != 2:
            return ""
        return COMMENT.sub("", self._text(self._range(children[0])[1], self._range(children[1])[0])).strip()

    def _operator(self, cursor, left, right):
        op = self._between(cursor)
        if op not in OTHERS:
            return
        start, end = self._range(cursor)
        pointer = [c.type.get_canonical().kind in (TypeKind.POINTER, TypeKind.CONSTANTARRAY, TypeKind.INCOMPLETEARRAY)
                   for c in (left, right)]
        if KINDS.get(op) == "sum" and pointer[1]:
            return
        a, b = self._range(left)[1], self._range(right)[0]
        for other in OTHERS[op]:
            middle = self._text(a, b).replace(op, other, 1)
            self._add(KINDS.get(op, "comparison"), start, end, self._text(start, a) + middle + self._text(b, end))

    def _return(self, children):
        if len(children) != 1:
            return False
        start, end = self._range(children[0])
        text = self._text(start, end)
        if text not in RETURNS or self.returns == TypeKind.POINTER:
            return False
        other = "true" if text == "0" and self.returns == TypeKind.BOOL else RETURNS[text]
        self._add("return", start, end, other)
        return True

    def _integer(self, start, end):
        text = self._text(start, end)
        before = self._text(max(0, start - 8), start).rstrip()
        if INTEGER.match(text) and not re.search(r"(^|[{,]\s*)\[$", before):
            self._add("constant", start, end, f"({text} + 1)")


def find(job):
    path, arguments = job
    return Finder(path, arguments).find()
