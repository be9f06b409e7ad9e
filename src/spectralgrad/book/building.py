"""Build the book: execute the chapters that changed, and render all of it with execution off.

What is made is written aside and moved into place when it is whole, so that a build that fails or
is killed leaves the last good book as it was.
"""

import importlib.util
import json
import os
import shutil
import tempfile
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from spectralgrad.book import TIMEOUT, environment, execution
from spectralgrad.book.execution import Page
from spectralgrad.book.rendering import Renderer
from spectralgrad.system import processes, storage
from spectralgrad.system.errors import ChapterError, CommandError, InputError

# What every rendered book is made of; what this one is, beside its chapters; and where its pages
# look up what they are made with.
_EVERY = ("_config.yml", "references.bib", "assets/*")
_BOOK = ("_toc.yml", "*.md", "api/*.md")
_LOOKED_UP = ("CITATION.cff", "pyproject.toml", "requirements.lock")

#: What npm brings, by package: the place of each file, and its name among the assets of a page.
SCRIPTS = tomllib.loads(Path(__file__).with_name("scripts.toml").read_text(encoding="utf-8"))
_SCRATCH = "spectralgrad-"
# In a wheel alone; hatch_build.py puts it there.
_INSIDE = Path(__file__).with_name("sources")


def root() -> Path:
    """Folder of the sources: a clone that this package runs from, or that of an installed one."""
    clone = Path(__file__).resolve().parents[3]
    for folder in (clone, _INSIDE, Path.cwd(), *Path.cwd().parents):
        if (folder / "_config.yml").is_file() and (folder / "chapters").is_dir():
            return folder
    raise InputError("the book is not here; run this in a clone of the spectralgrad repository")


def clone() -> Path:
    """The same, for what needs all of the book: its pages, and a folder to write into."""
    if not (root() / "_toc.yml").is_file():
        raise InputError("the whole book needs a clone of the repository; run `make book` in one")
    return root()


def chapters() -> dict[str, Path]:
    """Notebooks of the book, by name."""
    return {path.stem: path for path in sorted((root() / "chapters").glob("*.ipynb"))}


def scripts(*packages: str) -> dict[Path, str]:
    """Where the files of npm's packages are, and what their names are to be."""
    return {
        root() / "node_modules" / path: name
        for package in packages
        for path, name in SCRIPTS[package].items()
    }


def require(*packages: str, mend: str = "") -> None:
    """Refuse to go on without what makes pages, and what npm brings for them."""
    for module in ("jupyter_book", "papermill"):
        if not importlib.util.find_spec(module):
            raise InputError(f"{module} is missing; pip install 'spectralgrad[book]'{mend}")
    how = "run `make book` once, or `npm ci`, in the book's folder"
    if root() == _INSIDE:
        how = "it was built without npm's files: install a wheel that `make wheel` builds"
    for path in scripts(*packages):
        if not path.is_file():
            place = path.relative_to(root())
            raise CommandError(f"{place.parts[1]} is missing ({place}); {how}{mend}")


def place_scripts(assets: Path, *packages: str) -> None:
    """Copy what npm brings, and the licences, into the assets of some pages."""
    for path, name in scripts(*packages).items():
        shutil.copyfile(path, assets / name)


def _sources(*patterns: str) -> list[Path]:
    return [path for pattern in patterns for path in sorted(root().glob(pattern))]


def lay_out(source: Path, *patterns: str) -> None:
    """Copy sources into a folder: what every rendered book needs, and what is named."""
    require("mathjax", "ml-matrix")
    for path in _sources(*_EVERY, *patterns):
        target = source / path.relative_to(root())
        target.parent.mkdir(parents=True, exist_ok=True)
        # Without the mode: an installed file may be one that nobody may write.
        shutil.copyfile(path, target)
    place_scripts(source / "assets", "mathjax", "ml-matrix")


def lay_out_book(source: Path, executed: Path) -> None:
    """Copy the sources of the book into a folder, with its chapters as they were executed."""
    lay_out(source, *_BOOK)
    (source / "chapters").mkdir()
    for name in chapters():
        shutil.copy(executed / f"{name}.ipynb", source / "chapters")


@contextmanager
def scratch(folder: Path | None = None) -> Iterator[Path]:
    """A folder for what is half done; nothing runs any more when it is removed."""
    with tempfile.TemporaryDirectory(dir=folder, prefix=_SCRATCH) as made, processes.all_ended():
        yield Path(made)


def build(
    output: str | os.PathLike[str] | None = None,
    jobs: int | None = None,
    timeout: int = TIMEOUT,
) -> Path:
    """Build the book into a folder, as far as anything has changed; return its first page.

    One build at a time: another waits until it has ended.
    """
    made = clone() / "_build"
    output = storage.absolute(output or made / "html")
    storage.require_ours(output)
    executed = made / "executed"
    executed.mkdir(parents=True, exist_ok=True)
    busy = f"spectralgrad: another build is at work in {made}; this one waits for its end"
    with storage.locked(made / "lock", busy), scratch(made) as here:
        for old in {*made.glob(f"{_SCRATCH}*")} - {here}:
            # Of a build that was killed.
            shutil.rmtree(old, ignore_errors=True)
        failures = execution.execute_all(
            [Page(path, name) for name, path in chapters().items()],
            executed,
            here,
            facts=environment.describe(root()),
            jobs=jobs,
            timeout=timeout,
        )
        if failures:
            raise ChapterError("\n".join(failures.values()))
        mark = _mark(executed)
        last = output / storage.MARK
        if not (last.is_file() and last.read_text(encoding="utf-8") == mark):
            lay_out_book(here / "source", executed)
            with Renderer(here / "source", here) as renderer:
                pages = renderer.finish(made / "render.log")
            storage.publish(pages, output, mark)
    return output / "index.html"


def _mark(executed: Path) -> str:
    """Hash of everything that the rendered book depends on."""
    beside = Path(__file__).parents[1].rglob("*.*")
    package = sorted(path for path in beside if path.suffix in (".py", ".html", ".toml"))
    notebooks = [executed / f"{name}.ipynb" for name in chapters()]
    sources = [*_sources(*_EVERY, *_BOOK, *_LOOKED_UP), *notebooks, *package]
    contents = (path.name.encode() + path.read_bytes() for path in sources)
    # The pages say which commit they are of.
    built = json.dumps(environment.describe_build(root()))
    return execution.digest(built.encode(), *contents)
