"""Judge the statements of a chapter one by one, with the frameworks that are installed.

Unlike a build, this goes on after a line that fails: what the line would have computed is lost, and
with it whatever needs that, but nothing else. What a chapter says of a framework that is not
installed is left out of the conditions that it shares with others.

Usage: python tools/statements.py CHAPTER.ipynb RESULT.json [FRAMEWORK ...], those left out
"""

import ast
import contextlib
import io
import json
import linecache
import sys
import textwrap
import traceback
from pathlib import Path

from spectralgrad import frameworks
from spectralgrad.book import prose

#: Parameters with which a chapter is quick; its statements do not depend on them.
QUICK = {
    "performance": {"largest": 4, "repetitions": 1},
    "large_and_sparse": {"largest": 100, "repetitions": 1},
}

_CHANGES = ("add", "append", "extend", "setdefault", "update")
_SCOPES = (ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


class LossError(BaseException):
    """Why something is lost; no chapter that catches an Exception takes it for an outcome."""


def _lose(self, *_, **__):
    raise LossError(self.why)


_OPERATIONS = """
    getattr call getitem setitem iter next bool len contains hash array float int index str format
    enter exit eq ne lt le gt ge neg invert abs add radd sub rsub mul rmul truediv rtruediv pow
    rpow matmul rmatmul or ror and rand
"""
Lost = type(
    "Lost",
    (),
    {
        "__doc__": "What could not be computed: to use it is a LossError with the same reason.",
        "__init__": lambda self, why: self.__dict__.update(why=why),
        # Where isinstance asks.
        "__class__": property(_lose),
        **{f"__{name}__": _lose for name in _OPERATIONS.split()},
    },
)


def named(node, names):
    """Whether this is one of these names, in quotes."""
    return isinstance(node, ast.Constant) and node.value in names


class LeaveOut(ast.NodeTransformer):
    """Rewrite a cell so that nothing in it asks for some of the frameworks."""

    def __init__(self, missing):
        self.missing = set(missing)
        self.others = set(frameworks.NAMES) - self.missing

    def _lost(self, name):
        return ast.parse(f"__lost__({name!r})", mode="eval").body

    def _shorter(self, nodes):
        """Without them, if others are named beside them: else the whole is about them alone."""
        if any(named(node, self.others) for node in nodes):
            return [node for node in nodes if not named(node, self.missing)]
        return [self._lost(n.value) if named(n, self.missing) else n for n in nodes]

    def _visit_elements(self, node):
        node.elts = self._shorter(node.elts)
        return self.generic_visit(node)

    visit_List = visit_Tuple = visit_Set = _visit_elements

    def visit_Call(self, node):
        """Names that are arguments are treated as in a list."""
        if getattr(node.func, "id", "") == "__lost__":
            return node
        node.args = self._shorter(node.args)
        return self.generic_visit(node)

    def visit_Attribute(self, node):
        """All names are those of the others."""
        if node.attr == "NAMES" and getattr(node.value, "id", "") in ("frameworks", "libraries"):
            kept = [name for name in frameworks.NAMES if name not in self.missing]
            return ast.parse(repr(tuple(kept)), mode="eval").body
        return self.generic_visit(node)

    def visit_Dict(self, node):
        """Their entries go."""
        pairs = zip(node.keys, node.values, strict=True)
        kept = [(key, value) for key, value in pairs if not named(key, self.missing)]
        node.keys, node.values = [key for key, _ in kept], [value for _, value in kept]
        return self.generic_visit(node)

    def visit_Subscript(self, node):
        """What is looked up is lost."""
        if named(node.slice, self.missing):
            return self._lost(node.slice.value)
        return self.generic_visit(node)

    def visit_Assign(self, node):
        """No entry is made for them."""
        for target in node.targets:
            if isinstance(target, ast.Subscript) and named(target.slice, self.missing):
                return ast.Pass()
        return self.generic_visit(node)

    def _visit_import(self, node):
        """A module of theirs is a name of which every use is lost."""
        kept, lost = [], []
        module = getattr(node, "module", "") or ""
        for alias in node.names:
            path = f"{module}.{alias.name}" if module else alias.name
            parts = path.split(".")
            at = parts[2:3] if parts[0] == "spectralgrad" else parts[:1]
            if not self.missing & {*at}:
                kept.append(alias)
                continue
            name = alias.asname or (alias.name if module else parts[0])
            lost += ast.parse(f"{name} = __lost_value__({at[0]!r})").body
        node.names = kept
        return [*([node] if kept else []), *lost]

    visit_Import = visit_ImportFrom = _visit_import


def conditions(node):
    """The parts of a condition that all have to hold."""
    if isinstance(node, ast.BoolOp) and isinstance(node.op, ast.And):
        return [part for value in node.values for part in conditions(value)]
    return [node]


def operands(node):
    """What a comparison compares, but for constants."""
    if not isinstance(node, ast.Compare):
        return []
    return [x for x in (node.left, *node.comparators) if not isinstance(x, ast.Constant)]


def is_claims(node):
    """Whether this is the call by which a chapter tries what its text claims."""
    return isinstance(node, ast.Call) and getattr(node.func, "id", "") == "claims"


class Unfold(ast.NodeTransformer):
    """Have a statement told what it says and depends on, and each part computed on its own."""

    def __init__(self, chapter, cell, told):
        self.at = f"chapter {chapter}, cell {cell}"
        self.told = told

    def visit_Call(self, node):
        """Each claim of a call becomes a call of `Judge.state`."""
        self.generic_visit(node)
        if not is_claims(node):
            return node
        stated = [self._state(self.told.get(k.arg, k.arg), k.value) for k in node.keywords]
        return ast.copy_location(ast.Tuple(stated, ast.Load()), node)

    def _state(self, text, whole):
        """A call of `Judge.state`."""
        parts = []
        for part in conditions(whole):
            seen = ", ".join(
                f"({ast.unparse(x)!r}, lambda: {ast.unparse(x)})" for x in operands(part)
            )
            code = ast.unparse(part)
            parts.append(f"({code!r}, lambda: {code}, [{seen}])")
        call = f"__state__({self.at!r}, {text!r}, [{', '.join(parts)}])"
        return ast.parse(call, mode="eval").body


def touched(node):
    """Names that are something else after a line than before."""
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        yield node.name
    elif isinstance(node, ast.Import | ast.ImportFrom):
        yield from (alias.asname or alias.name.partition(".")[0] for alias in node.names)
    elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
        yield node.id
    elif not isinstance(node, _SCOPES):
        base = node
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") in _CHANGES:
            base = node.func.value
        elif not isinstance(getattr(node, "ctx", None), ast.Store):
            base = None
        while isinstance(base, ast.Subscript | ast.Attribute):
            base = base.value
        if isinstance(base, ast.Name):
            yield base.id
        for child in ast.iter_child_nodes(node):
            yield from touched(child)


class Judge:
    """The cells of one chapter, executed as far as that goes."""

    def __init__(self, chapter, missing=(), told=()):
        self.chapter, self.missing = chapter, set(missing)
        self.told = dict(told)
        self.found = {}
        self._space = {
            "__name__": "__main__",
            "__lost__": self._lose,
            "__lost_value__": lambda name: Lost(self.absent(name)),
            "__state__": self.state,
            "display": lambda *_: None,
        }

    @staticmethod
    def absent(name):
        """Say that a framework is not there."""
        return f"{frameworks.TITLES[name]} is not installed"

    def _lose(self, name):
        raise LossError(self.absent(name))

    def reason(self, error, cell):
        """Why something is lost, in one line."""
        if isinstance(error, LossError):
            return str(error)
        message = "".join(traceback.format_exception_only(error)).strip()
        for name in self.missing:
            if f"No module named '{name}'" in message:
                return self.absent(name)
        return f"{cell}: {textwrap.shorten(message, 160, placeholder=' …')}"

    def state(self, at, text, parts):
        """Judge a claim, part by part."""
        lost, now, held = [], [], 0
        for code, holds, seen in parts:
            try:
                if holds():
                    held += 1
                    continue
                shown = [f"{what} is {short(value())}" for what, value in seen]
                now.append(f"{code} is false" + (f": {', '.join(shown)}" if shown else ""))
            except (LossError, Exception) as error:
                lost.append(self.reason(error, at))
        self.found[text] = {"at": at, "now": now, "lost": lost, "held": held}

    def cell(self, number, source):
        """Execute a cell, line by line."""
        name, at = f"<cell {number}>", f"chapter {self.chapter}, cell {number}"
        lines = source.splitlines(keepends=True)
        # As in a kernel, functions know their source.
        linecache.cache[name] = len(source), None, lines, name
        tree = Unfold(self.chapter, number, self.told).visit(
            LeaveOut(self.missing).visit(ast.parse(source))
        )
        for node in ast.fix_missing_locations(tree).body:
            why = self._run(node, name, at)
            if not why:
                continue
            for lost in {*touched(node)}:
                self._space[lost] = Lost(why)
            self._state_alone(node, why, name, at)

    def _state_alone(self, node, why, name, at):
        """Judge what a line that failed was to state beside other things."""
        for call in ast.walk(node):
            if getattr(getattr(call, "func", None), "id", "") != "__state__":
                continue
            before = len(self.found)
            self._run(ast.copy_location(ast.Expr(call), node), name, at)
            text = call.args[1].value
            if len(self.found) == before and text not in self.found:
                self.found[text] = {"at": at, "now": [], "lost": [why], "held": 0}

    def _run(self, node, name, at):
        try:
            exec(compile(ast.Module([node], []), name, "exec"), self._space)  # noqa: S102
        except (LossError, Exception) as error:
            return self.reason(error, at)
        return ""


def short(value):
    """A value in one line."""
    return textwrap.shorten(repr(value), 120, placeholder=" …")


def judge(chapter, missing=()):
    """The outcome of each statement of a chapter."""
    cells = json.loads(chapter.read_text(encoding="utf-8"))["cells"]
    judge = Judge(chapter.stem, missing, prose.claimed(cells))
    for number, cell in enumerate(cells, 1):
        if cell["cell_type"] == "code":
            judge.cell(number, "".join(cell["source"]))
        if "parameters" in cell["metadata"].get("tags", ()):
            judge._space.update(QUICK.get(chapter.stem, {}))
    return judge.found


if __name__ == "__main__":
    chapter, result, *missing = sys.argv[1:]
    with contextlib.redirect_stdout(io.StringIO()):
        found = judge(Path(chapter), missing)
    Path(result).write_text(json.dumps(found), encoding="utf-8")
