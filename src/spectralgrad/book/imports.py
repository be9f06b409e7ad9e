"""What of this package a piece of code can import, and so depends on."""

import ast
import contextlib
import functools
import re
from collections.abc import Iterable
from pathlib import Path

_PACKAGE = Path(__file__).parents[1]

# To parse a whole module takes long; and so what is executed from a string is found as well.
_STATEMENT = re.compile(r"\b(?:from|import) spectralgrad\b(?:.*\([^)]*\)|.*)")


def files(sources: Iterable[str]) -> list[Path]:
    """Modules that are imported wherever in the sources, and what these can import in turn."""
    waiting = [name for source in sources for name in _named(source)]
    found: dict[str, Path | None] = {}
    while waiting:
        if (name := waiting.pop()) not in found:
            found[name], imported = _module(name)
            waiting += imported
    modules = {*filter(None, found.values()), _PACKAGE / "__init__.py"}
    # What a module reads stands beside it, under its name.
    return sorted(file for path in modules for file in path.parent.glob(f"{path.stem}.*"))


@functools.cache
def _module(name: str) -> tuple[Path | None, list[str]]:
    path, room = _PACKAGE.parent.joinpath(*name.split(".")), name.rpartition(".")[0]
    file = next(filter(Path.is_file, (path / "__init__.py", path.with_suffix(".py"))), None)
    imported = _named(file.read_text(encoding="utf-8")) if file else []
    # A name that is no module is one in it. A module brings its room, but not what the package
    # offers to those who import nothing else, nor does the package's own version.
    if room and not (room == "spectralgrad" and (file or name.endswith("__version__"))):
        imported.append(room)
    return file, imported


def _named(source: str) -> list[str]:
    names = []
    for statement in _STATEMENT.findall(source):
        with contextlib.suppress(SyntaxError):
            (node,) = ast.parse(statement).body
            module = f"{node.module}." if isinstance(node, ast.ImportFrom) else ""
            names += [module + alias.name for alias in node.names]
    return names
