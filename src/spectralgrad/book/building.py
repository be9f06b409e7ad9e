"""Run chapters with papermill and render them with Jupyter Book.

Each chapter is executed in a process of its own and rendered with execution off. What is made is
written aside and moved into place when it is whole, so that a run that fails or is killed leaves
the last good book as it was.
"""

import ast
import json
import os
import re
import reprlib
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spectralgrad.book import environment, execution, reference
from spectralgrad.book.execution import Page, Run
from spectralgrad.book.rendering import Renderer
from spectralgrad.system import processes, storage
from spectralgrad.system.errors import ChapterError, CommandError, InputError, said
from spectralgrad.system.storage import MARK, absolute

# What `build` renders from, besides the pages, the chapters and the package.
_SOURCES = (
    *("_config.yml", "_toc.yml", "references.bib"),
    *("CITATION.cff", "pyproject.toml", "requirements.lock"),
)

#: The largest matrix that a report takes, in rows and in columns: its page stays under 5 MB.
LARGEST_REPORT = 300

MATHJAX = Path("node_modules/mathjax/es5/tex-svg-full.js")
NO_MATHJAX = (
    f"MathJax is missing ({MATHJAX}); run `make book` once, or `npm ci`, in the book's folder"
)
ML_MATRIX = Path("node_modules/ml-matrix/matrix.umd.js")
NO_ML_MATRIX = (
    f"ml-matrix is missing ({ML_MATRIX}); run `make book` once, or `npm ci`, in the book's folder"
)

#: Folder in a rendered one of reports: the matrices and the executed notebooks, to be used again.
EXECUTED = "_executed"


def root() -> Path:
    """Folder of the book: the checkout that this package runs from, or that one stands in.

    Returns
    -------
    pathlib.Path

    Raises
    ------
    InputError
        If there is none.
    """
    for folder in (Path(__file__).resolve().parents[3], Path.cwd(), *Path.cwd().parents):
        if (folder / "_toc.yml").is_file() and (folder / "chapters").is_dir():
            return folder
    raise InputError("the book is not here; run this in a clone of the spectralgrad repository")


def chapters() -> dict[str, Path]:
    """Notebooks of the book, by name.

    Returns
    -------
    dict of str to pathlib.Path
    """
    return {path.stem: path for path in sorted((root() / "chapters").glob("*.ipynb"))}


@dataclass(frozen=True)
class Parameter:
    """One parameter of a chapter: its name, the name of its type and its default value."""

    name: str
    type: str
    default: object

    def parse(self, text: str) -> object:
        """Read a value from the command line.

        Raises
        ------
        InputError
            If the text does not denote a value of the type.
        """
        if self.type == "str":
            return text
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            value = None
        if type(value).__name__ != self.type:
            raise InputError(
                f"parameter {self.name}: must be of type {self.type}, not {reprlib.repr(text)}; "
                f"the default is {self.default!r}"
            )
        return value


def _cell(notebook: Mapping[str, Any], tag: str) -> str:
    """Source of the one cell with a tag."""
    (cell,) = (c for c in notebook["cells"] if tag in c["metadata"].get("tags", ()))
    return "".join(cell["source"])


def parameters(notebook: Mapping[str, Any]) -> dict[str, Parameter]:
    """Parameters of a chapter, in order.

    Parameters
    ----------
    notebook : dict
        As `json.load` reads it. Its cell tagged ``parameters`` holds ``name: type = default``
        lines.

    Returns
    -------
    dict of str to Parameter
    """
    found = {}
    for line in ast.parse(_cell(notebook, "parameters")).body:
        match line:
            case ast.AnnAssign(ast.Name(name), annotation, ast.expr() as value):
                default = ast.literal_eval(value)
                found[name] = Parameter(name, ast.unparse(annotation), default)
    return found


def check_input(notebook: Mapping[str, Any], values: Mapping[str, object]) -> None:
    """Run the chapter's own check of its parameters, before anything is started.

    Parameters
    ----------
    notebook : dict
        Its cell tagged ``input`` loads and checks the parameters, with NumPy and this package only.
    values : dict

    Raises
    ------
    InputError
        If the cell refuses them.
    """
    scope = {p.name: p.default for p in parameters(notebook).values()} | dict(values)
    try:
        exec(compile(_cell(notebook, "input"), "<input>", "exec"), scope)
    except ValueError as error:
        raise InputError(said(error, None)) from error


def _lay_out(source: Path) -> None:
    """Copy what every rendered book needs into a source folder."""
    book = root()
    for path, problem in ((MATHJAX, NO_MATHJAX), (ML_MATRIX, NO_ML_MATRIX)):
        if not (book / path).is_file():
            raise CommandError(problem)
    for name in ("_config.yml", "references.bib"):
        shutil.copy(book / name, source)
    shutil.copytree(book / "assets", source / "assets")
    shutil.copy(book / MATHJAX, source / "assets")
    shutil.copy(book / ML_MATRIX, source / "assets" / "ml-matrix.js")


def _lay_out_pages(source: Path) -> None:
    """Copy the pages that are no chapters, and write those about the modules."""
    for page in root().glob("*.md"):
        shutil.copy(page, source)
    names = reference.write(source / "api")
    toc = (root() / "_toc.yml").read_text(encoding="utf-8")
    # A pattern would put them into alphabetical order.
    found = re.compile(r"^( *)- glob: api/\*$", re.MULTILINE)
    toc = found.sub(lambda m: "\n".join(f"{m[1]}- file: api/{name}" for name in names), toc)
    (source / "_toc.yml").write_text(toc, encoding="utf-8")


def lay_out_book(source: Path, executed: Path) -> None:
    """Copy the sources of the book into a folder, with its chapters as they were executed.

    Parameters
    ----------
    source : pathlib.Path
        Folder to make.
    executed : pathlib.Path
        Folder of the executed notebooks.
    """
    (source / "chapters").mkdir(parents=True)
    _lay_out(source)
    _lay_out_pages(source)
    for name in chapters():
        shutil.copy(executed / f"{name}.ipynb", source / "chapters")


def build(
    output: str | os.PathLike[str] | None = None,
    jobs: int | None = None,
    timeout: int = execution.TIMEOUT,
) -> Path:
    """Execute the chapters that changed, in parallel, and render the book.

    One build at a time: another waits until it has ended.

    Parameters
    ----------
    output : path, optional
        Folder for the pages; ``_build/html`` of the book if not given.
    jobs : int, optional
        Chapters executed at once; as many as there are processors if not given.
    timeout : int, optional
        Seconds that one cell of a chapter may take.

    Returns
    -------
    pathlib.Path
        The book's first page.

    Raises
    ------
    CommandError
        If a chapter fails or the pages cannot be rendered; the folder is as it was.
    """
    book = root()
    output = absolute(output or book / "_build" / "html")
    storage.require_ours(output)
    made = book / "_build"
    executed = made / "executed"
    executed.mkdir(parents=True, exist_ok=True)
    busy = f"spectralgrad: another build is at work in {made}; this one waits for its end"
    with storage.locked(made / "lock", busy), _scratch(made) as scratch:
        failures = execution.execute_all(
            [Page(path, name) for name, path in chapters().items()],
            executed,
            scratch,
            lock=book / "requirements.lock",
            facts=environment.describe(book),
            jobs=jobs,
            timeout=timeout,
        )
        if failures:
            raise ChapterError("\n".join(failures.values()))
        mark = _mark(executed)
        last = output / MARK
        if not (last.is_file() and last.read_text(encoding="utf-8") == mark):
            lay_out_book(scratch / "source", executed)
            with Renderer(scratch / "source", scratch) as renderer:
                pages = renderer.finish(made / "render.log")
            storage.publish(pages, output, mark)
    return output / "index.html"


@contextmanager
def _scratch(folder: Path) -> Iterator[Path]:
    """Make a folder for what is half done; those of builds that were killed are removed."""
    prefix = "scratch-"
    for old in folder.glob(f"{prefix}*"):
        shutil.rmtree(old, ignore_errors=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=prefix) as scratch, processes.all_ended():
        yield Path(scratch)


def _mark(executed: Path) -> str:
    """Hash of everything that the rendered book depends on."""
    book = root()
    sources = [path for name in _SOURCES if (path := book / name).is_file()]
    sources += [*sorted(book.glob("*.md")), *sorted((book / "assets").iterdir())]
    sources += [*(executed / f"{name}.ipynb" for name in chapters()), *execution.package()]
    contents = (path.name.encode() + path.read_bytes() for path in sources)
    # The pages say which commit they are of.
    built = json.dumps(environment.describe_build(book))
    return execution.digest(built.encode(), *contents)


def open_reports(output: str | os.PathLike[str]) -> Path:
    """Make the folder in which `reports` finds what it is to work with.

    Parameters
    ----------
    output : path
        Of the rendered pages.

    Returns
    -------
    pathlib.Path
        A folder in it, for the matrices.

    Raises
    ------
    InputError
        If the folder cannot be written, or was not made by this program.
    """
    output = absolute(output)
    storage.require_ours(output)
    folder = output / EXECUTED
    folder.mkdir(parents=True, exist_ok=True)
    mark = output / MARK
    if not mark.exists():
        mark.touch()
    return folder


def reports(
    pages: Sequence[Page],
    output: str | os.PathLike[str],
    *,
    front: Callable[[Path, Mapping[str, str]], None],
    jobs: int | None = None,
) -> Path:
    """Execute one chapter for several matrices, and render them as one book.

    What was executed before, with the same sources and parameters, is not executed again.

    Parameters
    ----------
    pages : list of Page
    output : path
        Folder for the pages, ``reports/NAME.html``; opened with `open_reports`.
    front : callable
        Is given a folder and the messages of the pages that failed, by name. Writes ``index.md``
        to the folder and, to its folder ``assets``, what that page needs.
    jobs : int, optional
        Chapters executed at once; as many as there are processors if not given.

    Returns
    -------
    pathlib.Path
        The first page.

    Raises
    ------
    CommandError
        If the pages cannot be rendered; those in the folder are as they were.
    """
    output = absolute(output)
    executed = open_reports(output)
    with tempfile.TemporaryDirectory(prefix="spectralgrad-") as folder, processes.all_ended():
        scratch = Path(folder)
        failures = execution.execute_all(
            pages,
            executed,
            scratch,
            lock=root() / "requirements.lock",
            facts=_dated(),
            jobs=jobs,
            unit="report",
        )
        source = scratch / "source"
        (source / "reports").mkdir(parents=True)
        _lay_out(source)
        toc = ["format: jb-book", "root: index"]
        for page in pages:
            if page.name not in failures:
                shutil.copy(executed / f"{page.name}.ipynb", source / "reports")
                _adapt(source / "reports" / f"{page.name}.ipynb", page)
                toc += ["chapters:"] * (toc[-1] == "root: index") + [f"- file: reports/{page.name}"]
        (source / "_toc.yml").write_text("\n".join(toc), encoding="utf-8")
        front(source, failures)
        with Renderer(source, scratch) as renderer:
            html = renderer.finish(output.with_name(f"{output.name}.log"))
        names = {page.name for page in pages}
        (html / EXECUTED).mkdir()
        for path in executed.iterdir():
            if path.name.split(".")[0] in names:
                shutil.copy2(path, html / EXECUTED)
        mark = execution.digest(*sorted(name.encode() for name in names))
        storage.publish(html, output, mark)
    return output / "index.html"


def _dated() -> dict[str, Any]:
    """Describe what a report is executed with, and when."""
    return environment.describe(root()) | {"time": environment.now()}


def _adapt(path: Path, page: Page) -> None:
    """Make a page of an executed chapter that can stand beside others of the same chapter."""
    _unlink_chapters(path)
    text = path.read_text(encoding="utf-8")
    # In one book, a label stands once.
    for label in _labels(json.loads(text)["cells"]):
        text = re.sub(rf"(?<![\w-]){re.escape(label)}(?![\w-])", f"{label}-{page.name}", text)
    notebook = json.loads(text)
    if page.head:
        first = notebook["cells"][0]
        first["source"] = re.sub(r"\A# .*", lambda _: page.head, "".join(first["source"]))
    path.write_text(json.dumps(notebook), encoding="utf-8")


def _labels(cells: Sequence[Mapping[str, Any]]) -> set[str]:
    """What the cells of a notebook define to be referred to: targets in text, and figures."""
    labels: set[str] = set()
    for cell in cells:
        labels.update(re.findall(r"^\(([\w-]+)\)=$", "".join(cell["source"]), re.MULTILINE))
        figure = cell["metadata"].get("mystnb", {}).get("figure", {})
        labels.update({figure["name"]} if "name" in figure else ())
    return labels


def report(
    matrix: str,
    *,
    chapter: str = "your_matrix",
    given: Sequence[tuple[str, str]] = (),
    output: str | os.PathLike[str] | None = None,
) -> Path:
    """Execute one chapter with another matrix and render it as a one-page book.

    Parameters
    ----------
    matrix : str
        Anything that `spectralgrad.matrices.load` takes, of at most `LARGEST_REPORT` rows and
        columns.
    chapter : str, optional
    given : sequence of (str, str), optional
        Further parameters, as typed.
    output : path, optional
        Folder for the page; named after the matrix, in the current folder, if not given.

    Returns
    -------
    pathlib.Path
        The page.

    Raises
    ------
    InputError
        If an argument is at fault; nothing was written.
    CommandError
        If the chapter fails or the page cannot be rendered.
    """
    try:
        matrix.encode()
    except UnicodeEncodeError as error:
        raise InputError(f"{matrix!a}: not a name in UTF-8; rename the file") from error
    known = chapters()
    if chapter not in known:
        raise InputError(f"unknown chapter {chapter!r}; choose from {', '.join(known)}")
    notebook = json.loads(known[chapter].read_text(encoding="utf-8"))
    values = _values(parameters(notebook), [("matrix", matrix), *given], chapter)
    _check_size(matrix)
    check_input(notebook, values)
    output = absolute(output or f"{_stem(matrix)}-report")
    storage.require_ours(output)

    with tempfile.TemporaryDirectory(prefix="spectralgrad-") as folder, processes.all_ended():
        scratch = Path(folder)
        source = scratch / "source"
        source.mkdir()
        page = Page(known[chapter], chapter, values)
        with (
            Renderer(source, scratch) as renderer,
            Run(page, scratch, _dated()) as run,
        ):
            _lay_out(source)
            toc = f"format: jb-book\nroot: {chapter}\n"
            (source / "_toc.yml").write_text(toc, encoding="utf-8")
            run.finish(output.with_name(f"{output.name}.failed.ipynb"))
            notebook = Path(shutil.move(run.notebook, source))
            _unlink_chapters(notebook)
            pages = renderer.finish(output.with_name(f"{output.name}.log"))
        storage.publish(pages, output, execution.digest(notebook.read_bytes()))
    return output / f"{chapter}.html"


def _check_size(matrix: str) -> None:
    """Refuse a matrix that would make a page too large; before it is decomposed."""
    from spectralgrad import matrices

    try:
        rows, columns = matrices.load(matrix).shape
    except matrices.MatrixError as error:
        raise InputError(str(error)) from error
    if max(rows, columns) > LARGEST_REPORT:
        raise InputError(
            f"{matrices.describe(matrix)}: is {rows} × {columns}, too large for a report, whose "
            f"limit is {LARGEST_REPORT} rows or columns; use spectralgrad check"
        )


def _values(
    known: Mapping[str, Parameter], given: Sequence[tuple[str, str]], chapter: str
) -> dict[str, object]:
    values: dict[str, object] = {}
    for name, text in given:
        if name not in known:
            raise InputError(
                f"unknown parameter {name!r} of chapter {chapter}; choose from {', '.join(known)}"
            )
        if name in values:
            raise InputError(f"parameter {name}: given twice; give it once")
        values[name] = known[name].parse(text)
    return values


def _stem(matrix: str) -> str:
    """Name for the files made from a matrix; with what is added, no longer than systems allow."""
    return "matrix" if matrix.lstrip().startswith("[") else Path(matrix).stem[:50]


def _unlink_chapters(path: Path) -> None:
    """Leave of each link to another chapter its text: a report has one page."""
    notebook = json.loads(path.read_text(encoding="utf-8"))
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "markdown"]
    texts = ["".join(cell["source"]) for cell in cells]
    here = set(re.findall(r"^\(([\w-]+)\)=$", "\n".join(texts), re.MULTILINE))

    def unless_here(match: re.Match[str]) -> str:
        return match[0] if match[2] in here else match[1]

    for cell, text in zip(cells, texts, strict=True):
        text = re.sub(r"\[([^]]+)\]\(\w+\.ipynb(#[^)]*)?\)", r"\1", text)
        cell["source"] = re.sub(r"\{ref\}`([^`<]+?) *<([\w-]+)>`", unless_here, text)
    path.write_text(json.dumps(notebook), encoding="utf-8")
