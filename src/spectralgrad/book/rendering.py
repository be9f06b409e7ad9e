"""Render pages with Jupyter Book, in a process of its own: run as a program, this module is it."""

import importlib
import re
import sys
from pathlib import Path

from spectralgrad.book import theme
from spectralgrad.system import processes, storage
from spectralgrad.system.errors import CommandError

# What Sphinx imports when it starts.
_NEEDED = (
    *("jupyter_book.sphinx", "myst_nb.sphinx_ext", "pydata_sphinx_theme", "sphinx_book_theme"),
    *("sphinxcontrib.bibtex", "sphinx_external_toc", "sphinx.builders.html"),
)


class Renderer(processes.Process):
    """A process that imports what rendering needs, and waits until the sources are there."""

    def __init__(self, source: Path, scratch: Path) -> None:
        self._scratch = scratch
        # In the order of hashes stand the words in the index of the search.
        fixed = {"PYTHONHASHSEED": "0"}
        log = scratch / "render.log"
        super().__init__(__name__, source, scratch, log=log, environment=fixed)

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
        theme.mend(pages)
        return pages


def _problem(output: str) -> str:
    lines = [line.strip() for line in output.splitlines()]
    full = [line for line in lines if "[Errno 28]" in line]
    problems = full or [line for line in lines if "WARNING" in line or "ERROR" in line]
    return problems[0] if problems else "no message"


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
