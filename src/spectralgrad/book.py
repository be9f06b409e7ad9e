"""Run chapters with papermill and render them with Jupyter Book.

Each chapter is executed in a process of its own and rendered with execution off. What is made is
written aside and moved into place when it is whole, so that a run that fails or is killed leaves
the last good book as it was.
"""

import ast
import concurrent.futures
import contextlib
import dataclasses
import hashlib
import json
import os
import re
import reprlib
import shutil
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from spectralgrad import environment, reference, theme

# What `build` renders from, besides the pages, the chapters and the package.
_SOURCES = (
    *("_config.yml", "_toc.yml", "references.bib"),
    *("CITATION.cff", "pyproject.toml", "requirements.lock"),
)

#: File in every rendered folder, with a hash of its sources: the folder is ours to replace.
MARK = ".spectralgrad"

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

# Parameters come on standard input, where they may be long. Every output has arrived when the last
# cell is done; to end the kernel politely would take as long as the frameworks take to unload.
_EXECUTOR = """
import json, sys
import papermill
from spectralgrad import environment
values = json.load(sys.stdin)
source, target, book = sys.argv[1:]
papermill.execute_notebook(
    source, target, values, kernel_name="python3", progress_bar=False, shutdown_kernel="immediate"
)
environment.record(target, book)
"""

# Imports what rendering needs, then waits for a line before it starts: a report imports while its
# chapter still executes.
_RENDERER = """
import sys
from jupyter_book.cli.main import main
import jupyter_book.sphinx, myst_nb.sphinx_ext, pydata_sphinx_theme, sphinx_book_theme
import sphinxcontrib.bibtex, sphinx_external_toc, sphinx.builders.html
sys.stdin.readline() and main()
"""


class BookError(Exception):
    """Something outside the program's power stopped a build; the message is one line."""


class InputError(BookError):
    """The reader asked for something that cannot be; the message says what to do."""


class ChapterError(BookError):
    """A chapter failed while it was executed."""


def root():
    """Folder of the book: the checkout that this package runs from, or that one stands in.

    Returns
    -------
    pathlib.Path

    Raises
    ------
    InputError
        If there is none.
    """
    for folder in (Path(__file__).resolve().parents[2], Path.cwd(), *Path.cwd().parents):
        if (folder / "_toc.yml").is_file() and (folder / "chapters").is_dir():
            return folder
    raise InputError("the book is not here; run this in a clone of the spectralgrad repository")


def chapters():
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

    def parse(self, text):
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


def _cell(notebook, tag):
    """Source of the one cell with a tag."""
    (cell,) = (c for c in notebook["cells"] if tag in c["metadata"].get("tags", ()))
    return "".join(cell["source"])


def parameters(notebook):
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
    lines = ast.parse(_cell(notebook, "parameters")).body
    return {
        line.target.id: Parameter(
            line.target.id, ast.unparse(line.annotation), ast.literal_eval(line.value)
        )
        for line in lines
    }


def check_input(notebook, values):
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
    scope = {p.name: p.default for p in parameters(notebook).values()} | values
    try:
        exec(compile(_cell(notebook, "input"), "<input>", "exec"), scope)
    except ValueError as error:
        raise InputError(" ".join(str(error).split())) from error


def _start_papermill(source, target):
    """Start papermill in a process of its own; it waits for the parameters."""
    command = [sys.executable, "-c", _EXECUTOR, str(source), str(target), str(root())]
    environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3", "PYDEVD_DISABLE_FILE_VALIDATION": "1"}
    # In a session of its own, where Ctrl-C on the terminal does not interrupt it a second time.
    return subprocess.Popen(
        command,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def _finish_papermill(process, values, name, executed):
    """Execute a notebook.

    Raises
    ------
    ChapterError
        If it failed; names the chapter, the cell and the exception, and the notebook that is kept.
    """
    with _ended(process):
        output, _ = process.communicate(json.dumps(values))
    if process.returncode:
        raise ChapterError(f"chapter {name}: {_failure(executed, output)}")


@contextlib.contextmanager
def _ended(process):
    """Leave no process and no pipe behind, whatever happens."""
    with process:
        try:
            yield process
        finally:
            # Papermill, interrupted, ends its kernel; killed, it would leave it behind for a while.
            process.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=5)
            process.kill()


def _failure(executed, output):
    """What went wrong, in one line."""
    cells = []
    # A process that is killed may leave no notebook, or half of one.
    with contextlib.suppress(OSError, ValueError):
        cells = json.loads(executed.read_text(encoding="utf-8"))["cells"]
    # Papermill puts a note of its own before the cell that failed and at the top.
    cells = [c for c in cells if "papermill-error-cell-tag" not in c["metadata"].get("tags", ())]
    for number, cell in enumerate(cells, 1):
        for out in cell.get("outputs", ()):
            if out["output_type"] == "error":
                message = " ".join(out["evalue"].split())
                return f"cell {number}: {out['ename']}: {message} (kept: {executed})"
    lines = output.strip().splitlines() or ["papermill ended without a message"]
    return lines[-1]


def _start_renderer(source, scratch):
    command = [sys.executable, "-c", _RENDERER, "build", str(source), "--path-output", str(scratch)]
    command += ["-W", "-n", "--keep-going"]
    return subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def _finish_renderer(process, scratch, log):
    """Let a started renderer render; return the folder of pages."""
    output, _ = process.communicate("render\n")
    # Sphinx colours its messages wherever they go; the paths are those of a copy.
    output = re.sub(r"\x1b\[[\d;]*m", "", output).replace(f"{scratch}/source/", "")
    pages = Path(scratch, "_build", "html")
    if process.returncode:
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text(output, encoding="utf-8")
        problems = [line for line in output.splitlines() if "WARNING" in line or "ERROR" in line]
        first = problems[0].strip() if problems else "no message"
        raise BookError(f"Jupyter Book refused the pages: {first} (all of it: {log})")
    theme.mend(pages)
    return pages


def _lay_out(source):
    """Copy what every rendered book needs into a source folder."""
    book = root()
    for path, problem in ((MATHJAX, NO_MATHJAX), (ML_MATRIX, NO_ML_MATRIX)):
        if not (book / path).is_file():
            raise BookError(problem)
    for name in ("_config.yml", "references.bib"):
        shutil.copy(book / name, source)
    shutil.copytree(book / "assets", source / "assets")
    shutil.copy(book / MATHJAX, source / "assets")
    shutil.copy(book / ML_MATRIX, source / "assets" / "ml-matrix.js")


def _lay_out_pages(source):
    """Copy the pages that are no chapters, and write those about the modules."""
    for page in root().glob("*.md"):
        shutil.copy(page, source)
    names = reference.write(source / "api")
    toc = (root() / "_toc.yml").read_text(encoding="utf-8")
    # A pattern would put them into alphabetical order.
    found = re.compile(r"^( *)- glob: api/\*$", re.MULTILINE)
    toc = found.sub(lambda m: "\n".join(f"{m[1]}- file: api/{name}" for name in names), toc)
    (source / "_toc.yml").write_text(toc, encoding="utf-8")


def lay_out_book(source, executed):
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


def _publish(pages, output, mark):
    """Move a folder of pages into place; the old one stays until the new one is whole."""
    (pages / MARK).write_text(mark, encoding="utf-8")
    # Once more: it may have been filled since.
    _require_ours(output)
    with tempfile.TemporaryDirectory(dir=output.parent, prefix=".spectralgrad-") as aside:
        fresh = Path(aside, "new")
        shutil.move(pages, fresh)
        old = Path(aside, "old")
        try:
            if output.exists():
                output.rename(old)
            fresh.rename(output)
        finally:
            if old.exists() and not output.exists():
                old.rename(output)


def _absolute(path):
    """Path without "..", which would lead elsewhere once a folder on the way is made."""
    return Path(os.path.abspath(path))


def _require_ours(output):
    """Refuse a folder that cannot be written, or that this program did not make."""
    mend = "name another folder with --output"
    if Path.cwd().is_relative_to(output):
        raise InputError(f"{output}: is the folder in which this runs, or holds it; {mend}")
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        if output.is_symlink() or (output.exists() and not output.is_dir()):
            raise InputError(f"{output}: is not a folder; {mend}")
        if output.is_dir() and any(output.iterdir()) and not (output / MARK).is_file():
            raise InputError(f"{output}: holds files that are not a rendered book; {mend}")
        with tempfile.TemporaryFile(dir=output.parent):
            pass
    except OSError as error:
        raise InputError(f"{output}: cannot be written ({error.strerror}); {mend}") from error


def _digest(*parts):
    """Hash of byte strings."""
    state = hashlib.sha256()
    for part in parts:
        state.update(len(part).to_bytes(8, "big") + part)
    return state.hexdigest()


def _package():
    """Sources of this package."""
    return sorted(Path(__file__).parent.rglob("*.py"))


def _chapter_key(path):
    """Hash of everything that an executed chapter depends on."""
    files = [path, root() / "requirements.lock", *_package()]
    return _digest(sys.version.encode(), *(file.read_bytes() for file in files))


@dataclass(frozen=True)
class Page:
    """A chapter to be executed.

    Attributes
    ----------
    chapter : pathlib.Path
    name : str
        Of the file that is made, without suffix.
    values : dict
        Parameters, by name.
    head : str
        Markdown, in place of the chapter's title; empty to leave that.
    """

    chapter: Path
    name: str
    values: dict = dataclasses.field(default_factory=dict)
    head: str = ""


def _execute(path, executed, started, *, name="", values=None):
    """Execute a chapter, unless that was done with the same sources and parameters."""
    name = name or path.stem
    target = executed / f"{name}.ipynb"
    stamp = target.with_suffix(".key")
    key = _chapter_key(path)
    if values:
        key = _digest(key.encode(), json.dumps(values).encode())
    if target.is_file() and stamp.is_file() and stamp.read_text(encoding="utf-8") == key:
        return
    aside = target.with_name(f"{name}.failed.ipynb")
    papermill = _start_papermill(path, aside)
    started.append(papermill)
    _finish_papermill(papermill, values or {}, path.stem, aside)
    stamp.unlink(missing_ok=True)
    aside.replace(target)
    stamp.write_text(key, encoding="utf-8")


def build(output=None, jobs=None):
    """Execute the chapters that changed, in parallel, and render the book.

    Parameters
    ----------
    output : path, optional
        Folder for the pages; ``_build/html`` of the book if not given.
    jobs : int, optional
        Chapters executed at once; as many as there are processors if not given.

    Returns
    -------
    pathlib.Path
        The book's first page.

    Raises
    ------
    BookError
        If a chapter fails or the pages cannot be rendered; the folder is as it was.
    """
    book = root()
    output = _absolute(output or book / "_build" / "html")
    _require_ours(output)
    executed = book / "_build" / "executed"
    executed.mkdir(parents=True, exist_ok=True)
    wanted = [Page(path, name) for name, path in chapters().items()]
    failures = _execute_all(wanted, executed, jobs, "chapter")
    if failures:
        raise ChapterError("\n".join(failures.values()))

    sources = [path for name in _SOURCES if (path := book / name).is_file()]
    sources += [*sorted(book.glob("*.md")), *sorted((book / "assets").iterdir())]
    sources += [*sorted(executed.glob("*.key")), *_package()]
    contents = (path.name.encode() + path.read_bytes() for path in sources)
    # The pages say which commit they are of.
    mark = _digest(environment.commit(book).encode(), *contents)
    last = output / MARK
    if not (last.is_file() and last.read_text(encoding="utf-8") == mark):
        with tempfile.TemporaryDirectory(prefix="spectralgrad-") as scratch:
            source = Path(scratch, "source")
            lay_out_book(source, executed)
            with _ended(_start_renderer(source, scratch)) as renderer:
                pages = _finish_renderer(renderer, scratch, book / "_build" / "render.log")
            _publish(pages, output, mark)
    return output / "index.html"


def _execute_all(pages, executed, jobs, unit):
    """Execute chapters in parallel; return the messages of those that fail, by name."""
    # Imported here: a bad argument is answered before it.
    from tqdm import tqdm

    failures, started = {}, []
    with concurrent.futures.ThreadPoolExecutor(jobs or len(os.sched_getaffinity(0))) as pool:
        running = {
            pool.submit(
                _execute, page.chapter, executed, started, name=page.name, values=page.values
            ): page.name
            for page in pages
        }
        try:
            done = concurrent.futures.as_completed(running)
            for future in tqdm(done, total=len(running), desc=f"{unit}s", unit=unit):
                try:
                    future.result()
                except ChapterError as error:
                    failures[running[future]] = str(error)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for process in started:
                process.send_signal(signal.SIGINT)
            raise
    return failures


def open_reports(output):
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
    output = _absolute(output)
    _require_ours(output)
    folder = output / EXECUTED
    folder.mkdir(parents=True, exist_ok=True)
    mark = output / MARK
    if not mark.exists():
        mark.touch()
    return folder


def reports(pages, output, *, front, jobs=None):
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
    BookError
        If the pages cannot be rendered; those in the folder are as they were.
    """
    output = _absolute(output)
    executed = open_reports(output)
    failures = _execute_all(pages, executed, jobs, "report") if pages else {}
    with tempfile.TemporaryDirectory(prefix="spectralgrad-") as scratch:
        source = Path(scratch, "source")
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
        with _ended(_start_renderer(source, scratch)) as renderer:
            html = _finish_renderer(renderer, scratch, output.with_name(f"{output.name}.log"))
        names = {page.name for page in pages}
        for path in executed.iterdir():
            if path.name.split(".")[0] not in names:
                path.unlink()
        shutil.move(executed, html / EXECUTED)
        _publish(html, output, _digest(*sorted(name.encode() for name in names)))
    return output / "index.html"


def _adapt(path, page):
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


def _labels(cells):
    """What the cells of a notebook define to be referred to: targets in text, and figures."""
    labels = set()
    for cell in cells:
        labels.update(re.findall(r"^\(([\w-]+)\)=$", "".join(cell["source"]), re.MULTILINE))
        figure = cell["metadata"].get("mystnb", {}).get("figure", {})
        labels.update({figure["name"]} if "name" in figure else ())
    return labels


def report(matrix, *, chapter="your_matrix", given=(), output=None):
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
    BookError
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
    output = _absolute(output or f"{_stem(matrix)}-report")
    _require_ours(output)

    with tempfile.TemporaryDirectory(prefix="spectralgrad-") as scratch:
        source = Path(scratch, "source")
        source.mkdir()
        page = source / known[chapter].name
        with _ended(_start_renderer(source, scratch)) as renderer:
            papermill = _start_papermill(known[chapter], page)
            with _ended(papermill):
                _lay_out(source)
                toc = f"format: jb-book\nroot: {chapter}\n"
                (source / "_toc.yml").write_text(toc, encoding="utf-8")
                try:
                    _finish_papermill(papermill, values, chapter, page)
                except ChapterError as error:
                    kept = output.with_name(f"{output.name}.failed.ipynb")
                    if page.is_file():
                        shutil.move(page, kept)
                    raise ChapterError(str(error).replace(str(page), str(kept))) from error
            _unlink_chapters(page)
            log = output.with_name(f"{output.name}.log")
            pages = _finish_renderer(renderer, scratch, log)
        _publish(pages, output, _digest(page.read_bytes()))
    return output / f"{chapter}.html"


def _check_size(matrix):
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


def _values(known, given, chapter):
    values = {}
    for name, text in given:
        if name not in known:
            raise InputError(
                f"unknown parameter {name!r} of chapter {chapter}; choose from {', '.join(known)}"
            )
        if name in values:
            raise InputError(f"parameter {name}: given twice; give it once")
        values[name] = known[name].parse(text)
    return values


def _stem(matrix):
    """Name for the files made from a matrix; with what is added, no longer than systems allow."""
    return "matrix" if matrix.lstrip().startswith("[") else Path(matrix).stem[:50]


def _unlink_chapters(path):
    """Leave of each link to another chapter its text: a report has one page."""
    notebook = json.loads(path.read_text(encoding="utf-8"))
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "markdown"]
    texts = ["".join(cell["source"]) for cell in cells]
    here = set(re.findall(r"^\(([\w-]+)\)=$", "\n".join(texts), re.MULTILINE))

    def unless_here(match):
        return match[0] if match[2] in here else match[1]

    for cell, text in zip(cells, texts, strict=True):
        text = re.sub(r"\[([^]]+)\]\(\w+\.ipynb(#[^)]*)?\)", r"\1", text)
        cell["source"] = re.sub(r"\{ref\}`([^`<]+?) *<([\w-]+)>`", unless_here, text)
    path.write_text(json.dumps(notebook), encoding="utf-8")
