"""Pages about the modules of this package, from their docstrings."""

import ast
import os
import pkgutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.machinery import FileFinder
from pathlib import Path

import spectralgrad

#: In the order of the design: each module needs only those before it. Others follow.
ORDER = (
    *("matrices", "theory", "frameworks", "recipes", "verdict", "survey", "book", "system", "cli"),
)


@dataclass(frozen=True)
class Module:
    """A module, as its source describes it.

    Attributes
    ----------
    name : str
        With the names of the packages that it is in.
    purpose : str
        First line of its docstring.
    """

    name: str
    purpose: str

    @property
    def page(self) -> str:
        """Name of the page, in the folder ``api``: a package has one with all its modules."""
        return self.name.split(".")[1]


def modules() -> list[Module]:
    """All modules, in the order of `ORDER`, each package before what is in it.

    Nothing is imported, for a module may need a framework.

    Returns
    -------
    list of Module
    """
    found = [_read(name, path) for name, path in _walk(spectralgrad.__path__, "spectralgrad.")]
    places = {name: place for place, name in enumerate(ORDER)}
    return sorted(found, key=lambda m: (places.get(m.page, len(places)), m.page, m.name))


def _walk(path: Iterable[str], prefix: str) -> Iterator[tuple[str, Path]]:
    for finder, name, is_package in pkgutil.iter_modules(path, prefix):
        last = name.rpartition(".")[2]
        if last.startswith("_") or not isinstance(finder, FileFinder):
            continue
        folder = Path(finder.path, last)
        yield name, folder / "__init__.py" if is_package else folder.with_suffix(".py")
        if is_package:
            yield from _walk([str(folder)], f"{name}.")


def _read(name: str, path: Path) -> Module:
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    purpose, *_ = (docstring or "").splitlines()
    return Module(name, purpose)


def pages() -> dict[str, str]:
    """Sources of the pages, in MyST.

    Returns
    -------
    dict of str to str
        By name, in order.
    """
    texts: dict[str, str] = {}
    for module in modules():
        heading = "#" if module.page not in texts else "##"
        directive = f"```{{eval-rst}}\n.. automodule:: {module.name}\n```\n"
        # The full name would not fit a phone.
        text = f"{heading} {module.name.partition('.')[2]}\n\n{directive}\n"
        texts[module.page] = texts.get(module.page, "") + text
    return texts


def write(folder: str | os.PathLike[str]) -> list[str]:
    """Write the pages.

    Parameters
    ----------
    folder : path
        Is made.

    Returns
    -------
    list of str
        Their names, in order.
    """
    folder = Path(folder)
    folder.mkdir()
    for name, text in pages().items():
        (folder / f"{name}.md").write_text(text, encoding="utf-8")
    return list(pages())
