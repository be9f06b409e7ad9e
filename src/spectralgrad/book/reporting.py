"""Execute a chapter with a reader's matrices, and render it as a book of its own."""

import ast
import contextlib
import json
import os
import re
import reprlib
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from spectralgrad import matrices
from spectralgrad.book import TIMEOUT, building, environment, execution
from spectralgrad.book.execution import Page, Run
from spectralgrad.book.rendering import Renderer
from spectralgrad.frameworks import TITLES
from spectralgrad.system import storage
from spectralgrad.system.errors import ChapterError, InputError, said

#: The largest matrix that a report takes, in rows and in columns: its page stays under 5 MB.
LARGEST = 300

#: Folder in a rendered one of reports: the matrices and the executed notebooks, to be used again.
EXECUTED = "_executed"

# What a chapter stops at through no fault of its own.
_FAULT = re.compile(r": cell \d+: (?:Function|Input|Matrix)Error: (.*) \(kept: ")
_MISSING = re.compile(rf": cell \d+: ModuleNotFoundError: No module named '({'|'.join(TITLES)})\b")

Notebook = Mapping[str, Any]


def parameters(notebook: Notebook) -> dict[str, object]:
    """Parameters of a chapter and their defaults, in the order of the cell of that tag."""
    lines = ast.parse(_cell(notebook, "parameters")).body
    return {
        line.target.id: ast.literal_eval(line.value)
        for line in lines
        if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name) and line.value
    }


def parse(name: str, text: str, default: object) -> object:
    """Read a parameter from the command line: a value of the type that the default has."""
    if isinstance(default, str):
        return text
    value = None
    with contextlib.suppress(ValueError, RecursionError):
        value = json.loads(text)
    if type(value) is not type(default):
        raise InputError(
            f"parameter {name}: must be of type {type(default).__name__}, not "
            f"{reprlib.repr(text)}; the default is {default!r}"
        )
    return value


def check_input(notebook: Notebook, values: Mapping[str, object]) -> None:
    """Have the cell tagged ``input`` check the parameters, before anything is started."""
    scope = {**parameters(notebook), **values}
    try:
        exec(compile(_cell(notebook, "input"), "<input>", "exec"), scope)
    except ValueError as error:
        raise InputError(said(error, None)) from error


def _cell(notebook: Notebook, tag: str) -> str:
    (cell,) = (c for c in notebook["cells"] if tag in c["metadata"].get("tags", ()))
    return "".join(cell["source"])


def report(
    matrix: str,
    *,
    chapter: str = "your_matrix",
    given: Sequence[tuple[str, str]] = (),
    output: str | os.PathLike[str] | None = None,
    timeout: int = TIMEOUT,
) -> Path:
    """Make a page of a chapter with another matrix, and parameters as typed; return it."""
    building.require("mathjax", "ml-matrix")
    page = _page(matrix, chapter, given)
    output = storage.absolute(output or f"{_stem(matrix)}-report")
    storage.require_ours(output)
    with building.scratch() as scratch:
        source = scratch / "source"
        source.mkdir()
        # The one imports what it needs while the other executes.
        with Renderer(source, scratch) as renderer, Run(page, scratch, _dated(), timeout) as run:
            _lay_out(source, f"root: {chapter}")
            _finish(run, output.with_name(f"{output.name}.failed.ipynb"))
            notebook = source / run.notebook.name
            _adapt(run.notebook, notebook)
            _start_panel(notebook, matrix)
            pages = renderer.finish(output.with_name(f"{output.name}.log"))
        storage.publish(pages, output, execution.digest(notebook.read_bytes()))
    return output / f"{chapter}.html"


def _finish(run: Run, keep: Path) -> None:
    """Wait for the end; what a reader's own function does wrong is no fault of the chapter."""
    try:
        run.finish(keep)
    except ChapterError as error:
        if fault := _FAULT.search(str(error)):
            message = fault[1]
        elif missing := _MISSING.search(str(error)):
            # Most chapters need all of them.
            extra = missing[1] if run.page.name == "your_function" else "frameworks"
            message = (
                f"chapter {run.page.name}: needs {TITLES[missing[1]]}, which is not installed; "
                f"pip install 'spectralgrad[{extra}]'"
            )
        else:
            raise
        keep.unlink()
        raise InputError(message) from None


def _page(matrix: str, chapter: str, given: Sequence[tuple[str, str]]) -> Page:
    """What is to be executed, once nothing speaks against it."""
    try:
        matrix.encode()
    except UnicodeEncodeError as error:
        raise InputError(f"{matrix!a}: not a name in UTF-8; rename the file") from error
    chapters = building.chapters()
    if chapter not in chapters:
        raise InputError(f"unknown chapter {chapter!r}; choose from {', '.join(chapters)}")
    notebook = json.loads(chapters[chapter].read_text(encoding="utf-8"))
    values = _values(parameters(notebook), [("matrix", matrix), *given], chapter)
    try:
        rows, columns = matrices.load(matrix).shape
    except matrices.MatrixError as error:
        raise InputError(str(error)) from error
    # Before it is decomposed: the page would be too large.
    if max(rows, columns) > LARGEST:
        raise InputError(
            f"{matrices.describe(matrix)}: is {rows} × {columns}, too large for a report, whose "
            f"limit is {LARGEST} rows or columns; use spectralgrad check"
        )
    check_input(notebook, values)
    return Page(chapters[chapter], chapter, values)


def _values(
    known: Mapping[str, object], given: Sequence[tuple[str, str]], chapter: str
) -> dict[str, object]:
    values: dict[str, object] = {}
    for name, text in given:
        if name not in known:
            raise InputError(
                f"unknown parameter {name!r} of chapter {chapter}; choose from {', '.join(known)}"
            )
        if name in values:
            raise InputError(f"parameter {name}: given twice; give it once")
        values[name] = parse(name, text, known[name])
    return values


def _stem(matrix: str) -> str:
    """Name for the files made from a matrix; with what is added, no longer than systems allow."""
    return "matrix" if matrix.lstrip().startswith("[") else Path(matrix).stem[:50]


def open_folder(output: Path) -> Path:
    """Make, in the `absolute` folder of some reports, the folder for their matrices."""
    storage.require_ours(output)
    folder = output / EXECUTED
    folder.mkdir(parents=True, exist_ok=True)
    (output / storage.MARK).touch()
    return folder


def reports(
    pages: Sequence[Page],
    output: Path,
    *,
    front: Callable[[Path, Mapping[str, str]], None],
    jobs: int | None = None,
) -> Path:
    """Execute one chapter for several matrices, and render them as one book; return its index.

    The front is given a folder and the messages of the pages that failed, by name. It writes
    ``index.md`` and what else that needs, into ``assets``.
    """
    executed = open_folder(output)
    with building.scratch() as scratch:
        failures = execution.execute_all(
            pages, executed, scratch, facts=_dated(), jobs=jobs, unit="report"
        )
        source = scratch / "source"
        (source / "reports").mkdir(parents=True)
        made = [page for page in pages if page.name not in failures]
        for page in made:
            name = f"{page.name}.ipynb"
            _adapt(executed / name, source / "reports" / name, page)
        listed = ["chapters:", *(f"- file: reports/{page.name}" for page in made)]
        _lay_out(source, "root: index", *(listed if made else ()))
        front(source, failures)
        with Renderer(source, scratch) as renderer:
            html = renderer.finish(output.with_name(f"{output.name}.log"))
        names = sorted(page.name for page in pages)
        (html / EXECUTED).mkdir()
        for path in executed.iterdir():
            if path.name.split(".")[0] in names:
                shutil.copy2(path, html / EXECUTED)
        storage.publish(html, output, execution.digest(*map(str.encode, names)))
    return output / "index.html"


def _dated() -> dict[str, Any]:
    """Describe what a report is executed with, and when."""
    return environment.describe(building.root()) | {"time": environment.now()}


def _lay_out(source: Path, *toc: str) -> None:
    building.lay_out(source)
    (source / "_toc.yml").write_text("\n".join(["format: jb-book", *toc]), encoding="utf-8")


def _start_panel(notebook: Path, matrix: str) -> None:
    """Have the panel of a page begin with the reader's matrix, where it is small enough for one."""
    text = notebook.read_text(encoding="utf-8")
    if "sg-try" not in text:
        return
    A = matrices.load(matrix)
    if np.iscomplexobj(A) or not {*A.shape} <= {2, 3, 4, 5} or np.abs(A).max() > 1e9:
        return
    numbers = json.dumps(A.astype(float).tolist())
    for problem in ("eigh", "svd") if np.array_equal(A, A.T) else ("svd",):
        panel = f'data-problem=\\"{problem}\\"'
        text = text.replace(panel, f"{panel} data-matrix='{numbers}'")
    notebook.write_text(text, encoding="utf-8")


def _adapt(executed: Path, adapted: Path, page: Page | None = None) -> None:
    """Leave of what leads to other pages its words; and make it one page of several."""
    notebook = json.loads(executed.read_text(encoding="utf-8"))
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "markdown"]
    texts = ["".join(cell["source"]) for cell in cells]
    here = set(re.findall(r"^\(([\w-]+)\)=$", "\n".join(texts), re.MULTILINE))

    def unless_here(match: re.Match[str]) -> str:
        return match[0] if match[2] in here else match[1]

    for cell, text in zip(cells, texts, strict=True):
        text = re.sub(r"\[([^]]+)\]\(\w+\.ipynb(#[^)]*)?\)", r"\1", text)
        text = re.sub(r"\{term\}`([^`<]+?) *(<[^`]*>)?`", r"\1", text)
        cell["source"] = re.sub(r"\{ref\}`([^`<]+?) *<([\w-]+)>`", unless_here, text)
    tags = {tag: c for c in notebook["cells"] for tag in c["metadata"].get("tags", ())}
    if "injected-parameters" in tags and "hide-input" in tags["parameters"]["metadata"]["tags"]:
        tags["injected-parameters"]["metadata"]["tags"].append("hide-input")
    if page:
        head = cells[0]["source"]
        cells[0]["source"] = re.sub(r"\A# .*", lambda title: page.head or title[0], head)
        figures = (c["metadata"].get("mystnb", {}).get("figure", {}) for c in notebook["cells"])
        labels = here | {figure["name"] for figure in figures if "name" in figure}
        # In one book, a label stands once. Where there is none, the last pattern fits nothing.
        label = rf"(?<![\w-])({'|'.join(map(re.escape, labels)) or '(?!)'})(?![\w-])"
        notebook = json.loads(re.sub(label, rf"\1-{page.name}", json.dumps(notebook)))
    adapted.write_text(json.dumps(notebook), encoding="utf-8")
