"""Render pages with Jupyter Book, in a process of its own: run as a program, this module is it."""

import importlib
import re
import sys
import tomllib
from pathlib import Path
from string import Template

from spectralgrad.system import processes, storage
from spectralgrad.system.errors import CommandError

# What Sphinx imports when it starts.
_NEEDED = (
    *("jupyter_book.sphinx", "myst_nb.sphinx_ext", "pydata_sphinx_theme", "sphinx_book_theme"),
    *("sphinxcontrib.bibtex", "sphinx_external_toc", "sphinx.builders.html"),
)

_REDIRECT = re.compile(r'\s*<meta http-equiv="Refresh" content="0; url=([^"]+)" />\s*')
# Source maps, for debuggers of the theme's scripts, are a fifth of the book; fonts in a format for
# browsers that know no other, and the theme in other languages, a twentieth.
_UNUSED = ("*.map", "*.ttf", "_static/locales/**/*.*")

# A tenth of the book are 2,000 icons: each as name:[width,height,[other names],"code",path].
_ICONS = "_static/scripts/fontawesome.js"
_ICON = re.compile(
    r'"?([a-z0-9-]+)"?:\[\d+,\d+,\[([^\]]*)\],"[0-9a-f]+",(?:"[^"]*"|\[[^\]]*\])\],?'
)


class Renderer(processes.Process):
    """A process that imports what rendering needs, and waits until the sources are there."""

    def __init__(self, source: Path, scratch: Path) -> None:
        self._scratch = scratch
        # In the order of hashes stand the words in the index of the search.
        fixed = {"PYTHONHASHSEED": "0"}
        super().__init__(__name__, source, scratch, log=scratch / "render.log", environment=fixed)

    def finish(self, keep: Path) -> Path:
        """Return the folder of the pages, or keep the messages: every warning is an error."""
        self.go()
        if self.wait():
            # Sphinx colours its messages wherever they go; the paths are those of a copy.
            output = re.sub(r"\x1b\[[\d;]*m", "", self.output())
            output = output.replace(f"{self._scratch}/source/", "")
            with storage.written(keep) as fresh:
                fresh.write_text(output, encoding="utf-8")
            raise CommandError(
                f"Jupyter Book refused the pages: {_problem(output)} (all of it: {keep})"
            )
        pages = self._scratch / "_build" / "html"
        mend(pages)
        return pages


def _problem(output: str) -> str:
    lines = [line.strip() for line in output.splitlines()]
    full = [line for line in lines if "[Errno 28]" in line]
    problems = full or [line for line in lines if "WARNING" in line or "ERROR" in line]
    return problems[0] if problems else "no message"


def mend(folder: Path) -> None:
    """Mend rendered pages in their folder, and leave out files that no browser asks for."""
    for pattern in _UNUSED:
        for path in folder.rglob(pattern):
            path.unlink()
    mends = tomllib.loads(_beside("mends.toml"))
    faults = mends["mend"]
    for path in pages(folder):
        text = path.read_text(encoding="utf-8")
        if redirect := _REDIRECT.fullmatch(text):
            text = _lead(path.parent, redirect[1])
        for fault in faults:
            text = re.sub(fault["pattern"], fault["replacement"], text, flags=re.DOTALL)
        path.write_text(text, encoding="utf-8")
    _keep_icons_in_use(folder)
    for old, new in mends["moved"].items():
        if (target := folder / new).exists():
            path = folder / old
            path.write_text(_lead(path.parent, target.name), encoding="utf-8")


def _keep_icons_in_use(folder: Path) -> None:
    script = folder / _ICONS
    if not script.exists():
        return
    others = [p for p in folder.glob("_static/**/*.js") if p != script]
    shown = "".join(p.read_text(encoding="utf-8") for p in (*pages(folder), *others))
    used = set(re.findall(r"\bfa-([a-z0-9-]+)", shown))

    def kept(icon: re.Match[str]) -> str:
        names = {icon[1], *re.findall(r'"([^"]+)"', icon[2])}
        return icon[0] if names & used else ""

    script.write_text(_ICON.sub(kept, script.read_text(encoding="utf-8")), encoding="utf-8")


def pages(folder: Path) -> list[Path]:
    """List the pages in a folder."""
    # The folders that start with an underscore hold the theme's own files.
    return sorted(p for p in folder.rglob("*.html") if p.relative_to(folder).parts[0][0] != "_")


def _lead(folder: Path, target: str) -> str:
    """What leads to a page, with a language, a title and a link."""
    page = (folder / target).read_text(encoding="utf-8")
    title = re.findall(r"<title>(.*?)</title>", page, re.DOTALL)[0].strip()
    return Template(_beside("redirect.html")).substitute(title=title, target=target)


def _beside(name: str) -> str:
    return Path(__file__).with_name(name).read_text(encoding="utf-8")


def _main() -> None:
    processes.end_with_parent()
    for name in _NEEDED:
        importlib.import_module(name)
    from jupyter_book.cli.main import main

    processes.ready()
    source, scratch = sys.argv[1:]
    sys.argv[1:] = ["build", source, "--path-output", scratch, "-W", "-n", "--keep-going"]
    main()


if __name__ == "__main__":
    _main()
