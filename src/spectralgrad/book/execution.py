"""Execute chapters with papermill, in parallel, each in a process of its own.

Run as a program, this module is such a process. What is made is written aside and moved into place
when it is whole; what depends on the moment of the execution is left out of it, so that the same
sources give the same notebook, byte for byte.
"""

import contextlib
import dataclasses
import errno
import hashlib
import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, Self

from spectralgrad.system import interruption, processes
from spectralgrad.system.errors import ChapterError, CommandError

if TYPE_CHECKING:
    from tqdm import tqdm

#: Seconds that one cell of a chapter may take, and its kernel to start.
TIMEOUT = 1800

# The number of threads changes the order in which sums are taken, and with it their last digits.
# Whoever sets another number gets it. Chapters run in parallel, so that no processor is idle.
_THREADS = {
    **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"),
    **dict.fromkeys(("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"), "1"),
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false",
}
_FIXED = {
    # Sets are walked through in the order of hashes.
    "PYTHONHASHSEED": "0",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "PYDEVD_DISABLE_FILE_VALIDATION": "1",
}

# Exit status of the process if nothing can be written: no other chapter will do better.
_NO_SPACE = 74
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG, errno.EIO)

# Bytes of a chapter's source that take about a second, if it was never executed.
_BYTES_A_SECOND = 8000


def variables() -> dict[str, str]:
    """Environment variables for a chapter, beside those of this process."""
    return {name: n for name, n in _THREADS.items() if name not in os.environ} | _FIXED


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
    values: dict[str, Any] = dataclasses.field(default_factory=dict)
    head: str = ""


def digest(*parts: bytes) -> str:
    """Hash of byte strings."""
    state = hashlib.sha256()
    for part in parts:
        state.update(len(part).to_bytes(8, "big") + part)
    return state.hexdigest()


def package() -> list[Path]:
    """Sources of this package."""
    return sorted(Path(__file__).parents[1].rglob("*.py"))


def key(page: Page, lock: Path) -> str:
    """Hash of everything that an executed chapter depends on.

    Parameters
    ----------
    page : Page
    lock : pathlib.Path
        ``requirements.lock``.

    Returns
    -------
    str
    """
    files = [page.chapter, lock, *package()]
    found = digest(sys.version.encode(), *(file.read_bytes() for file in files))
    return digest(found.encode(), json.dumps(page.values).encode()) if page.values else found


@dataclass(frozen=True)
class Record:
    """What is kept of an execution, beside the notebook.

    Attributes
    ----------
    key : str
    seconds : float
        How long it took: a build starts with the slowest.
    """

    key: str
    seconds: float

    @classmethod
    def read(cls, notebook: Path) -> Self | None:
        """Record of an executed notebook; None if there is none, or no such notebook."""
        with contextlib.suppress(OSError, ValueError, TypeError):
            if notebook.is_file():
                return cls(**json.loads(notebook.with_suffix(".key").read_text(encoding="utf-8")))
        return None

    def write(self, notebook: Path) -> None:
        """Keep it."""
        path = notebook.with_suffix(".key")
        fresh = path.with_suffix(".new")
        fresh.write_text(json.dumps(dataclasses.asdict(self)), encoding="utf-8")
        fresh.replace(path)


class Run:
    """The execution of a chapter: a context manager, which ends it when it is left.

    Parameters
    ----------
    page : Page
    scratch : pathlib.Path
        Folder for what is made.
    facts : mapping
        JSON, put into the metadata of the executed notebook.
    timeout : int
        Seconds that a cell may take.
    """

    def __init__(
        self, page: Page, scratch: Path, facts: Mapping[str, Any], timeout: int = TIMEOUT
    ) -> None:
        self.page = page
        self.notebook = scratch / f"{page.name}.ipynb"
        request = scratch / f"{page.name}.json"
        # Parameters may be long.
        asked = {"values": page.values, "timeout": timeout, "facts": dict(facts)}
        request.write_text(json.dumps(asked), encoding="utf-8")
        self._since = time.monotonic()
        self.process = processes.Process(
            *(__name__, page.chapter, self.notebook, request),
            log=scratch / f"{page.name}.log",
            # A kernel that is stopped while it starts would leave a file elsewhere.
            environment=variables() | {"TMPDIR": str(scratch)},
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        processes.stop(self.process)

    def finish(self, keep: Path) -> float:
        """Wait for the end of the execution.

        Parameters
        ----------
        keep : pathlib.Path
            Where the notebook goes if it fails.

        Returns
        -------
        float
            Seconds that it took.

        Raises
        ------
        ChapterError
            If it failed; names the chapter, the cell and the exception, and the notebook that is
            kept.
        CommandError
            If there is no space for what is written.
        """
        status = self.process.wait()
        if status == 0:
            return time.monotonic() - self._since
        message = self.process.output().strip().rpartition("\n")[2]
        if status == _NO_SPACE:
            raise CommandError(message or f"{os.strerror(errno.ENOSPC)}: {self.notebook.parent}")
        if status < 0:
            message = f"was killed ({signal.Signals(-status).name}); memory may have run out"
        place = failure(self.notebook) or message or "papermill ended without a message"
        if self.notebook.is_file():
            # A copy from another disk would be written through a link there.
            keep.unlink(missing_ok=True)
            shutil.move(self.notebook, keep)
            place += f" (kept: {keep})"
        raise ChapterError(f"chapter {self.page.chapter.stem}: {place}")


def failure(notebook: Path) -> str:
    """Say in one line which cell of a notebook failed, and why; an empty string if none did."""
    cells: list[dict[str, Any]] = []
    # A process that is killed may leave no notebook, or half of one.
    with contextlib.suppress(OSError, ValueError):
        cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    # Papermill puts a note of its own before the cell that failed and at the top.
    cells = [c for c in cells if "papermill-error-cell-tag" not in c["metadata"].get("tags", ())]
    last = ""
    for number, cell in enumerate(cells, 1):
        for out in cell.get("outputs", ()):
            if out["output_type"] == "error":
                message = " ".join(out["evalue"].split())
                return f"cell {number}: {out['ename']}: {message}"
        if cell["metadata"].get("papermill", {}).get("status") == "running":
            last = f"cell {number}: the process was killed; memory may have run out"
    return last


def execute_all(
    pages: Sequence[Page],
    executed: Path,
    scratch: Path,
    *,
    lock: Path,
    facts: Mapping[str, Any],
    jobs: int | None = None,
    timeout: int = TIMEOUT,
    unit: str = "chapter",
) -> dict[str, str]:
    """Execute what was not yet executed with the same sources and parameters, the slowest first.

    Parameters
    ----------
    pages : sequence of Page
    executed : pathlib.Path
        Folder for the executed notebooks.
    scratch : pathlib.Path
        Folder for what is half done.
    lock : pathlib.Path
        ``requirements.lock``.
    facts : mapping
        Put into the metadata of each notebook.
    jobs : int, optional
        How many at once; as many as there are processors if not given.
    timeout : int, optional
        Seconds that one cell may take.
    unit : str, optional
        What the pages are called.

    Returns
    -------
    dict of str to str
        The messages of those that failed, by name.

    Raises
    ------
    CommandError
        If there is no space for what is written.
    """
    keys = {page.name: key(page, lock) for page in pages}
    last = {page.name: Record.read(executed / f"{page.name}.ipynb") for page in pages}
    waiting = [p for p in pages if (old := last[p.name]) is None or old.key != keys[p.name]]
    waiting.sort(key=lambda page: _expected(page, last[page.name]))
    if not waiting:
        return {}
    failures: dict[str, str] = {}
    running: list[Run] = []
    at_once = jobs or len(os.sched_getaffinity(0))
    bar = _bar(len(pages), len(pages) - len(waiting), unit)
    try:
        while waiting or running:
            while waiting and len(running) < at_once:
                running.append(Run(waiting.pop(), scratch, facts, timeout))
            for run in [run for run in running if run.process.status() is not None]:
                running.remove(run)
                name = run.page.name
                failed = executed / f"{name}.failed.ipynb"
                try:
                    with run:
                        seconds = run.finish(failed)
                    _keep(run.notebook, executed, Record(keys[name], round(seconds, 1)))
                    failed.unlink(missing_ok=True)
                    bar.write(f"{unit} {name}: {seconds:.1f} s", file=sys.stderr)
                except ChapterError as error:
                    failures[name] = str(error)
                    bar.write(f"{unit} {name}: failed", file=sys.stderr)
                bar.update()
            time.sleep(0.02)
    finally:
        processes.stop(*(run.process for run in running))
        bar.close()
    return failures


@interruption.whole
def _bar(total: int, done: int, unit: str) -> "tqdm[NoReturn]":
    # Imported here: a bad argument is answered before it.
    from tqdm import tqdm

    return tqdm(total=total, initial=done, unit=unit, disable=None)


def _expected(page: Page, last: Record | None) -> float:
    """Seconds that a chapter will take, about."""
    if last:
        return last.seconds
    text = page.chapter.read_bytes()
    # What is wrong with a chapter is said when it is executed.
    with contextlib.suppress(ValueError, LookupError, TypeError):
        return float(json.loads(text)["metadata"]["spectralgrad"]["seconds"])
    return len(text) / _BYTES_A_SECOND


def _keep(notebook: Path, executed: Path, record: Record) -> None:
    """Move a notebook into place; at no time is there another beside its record."""
    target = executed / notebook.name
    fresh = target.with_suffix(".new")
    # From another file system it is copied, and would be through a link there.
    fresh.unlink(missing_ok=True)
    shutil.move(notebook, fresh)
    target.with_suffix(".key").unlink(missing_ok=True)
    fresh.replace(target)
    record.write(target)


def _execute(source: str, target: Path, request: dict[str, Any]) -> None:
    """Execute a notebook, and leave out of it what another execution would not repeat."""
    import papermill
    from nbclient.exceptions import CellTimeoutError, DeadKernelError

    try:
        # Every output has arrived when the last cell is done; to end the kernel politely would take
        # as long as the frameworks take to unload.
        papermill.execute_notebook(
            source,
            str(target),
            request["values"],
            kernel_name="python3",
            progress_bar=False,
            shutdown_kernel="immediate",
            start_timeout=TIMEOUT,
            execution_timeout=request["timeout"],
            # By then a cell has ended, and its outputs are on their way.
            iopub_timeout=TIMEOUT,
        )
    except DeadKernelError:
        message = "the kernel died; memory may have run out"
        _put_error(target, "DeadKernelError", message)
        raise
    except CellTimeoutError:
        message = f"took longer than {request['timeout']} s"
        _put_error(target, "CellTimeoutError", message)
        raise
    notebook = json.loads(target.read_text(encoding="utf-8"))
    del notebook["metadata"]["papermill"]
    for cell in notebook["cells"]:
        for name in ("papermill", "execution"):
            cell["metadata"].pop(name, None)
        if "outputs" in cell:
            cell["outputs"] = _join(cell["outputs"])
    notebook["metadata"]["spectralgrad"] = {"chapter": Path(source).stem, **request["facts"]}
    _write(target, notebook)


def _join(outputs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Make one of what a cell printed in one go; in how many pieces it arrives is chance."""
    joined: list[dict[str, Any]] = []
    for output in outputs:
        stream = output.get("name")
        if stream and joined and joined[-1].get("name") == stream:
            text = "".join([*joined[-1]["text"], *output["text"]])
            joined[-1]["text"] = text.splitlines(keepends=True)
        else:
            joined.append(output)
    return joined


def _put_error(path: Path, name: str, message: str) -> None:
    """Put into a notebook that ended early what ended it."""
    notebook = json.loads(path.read_text(encoding="utf-8"))
    begun = [c for c in notebook["cells"] if c["metadata"]["papermill"]["start_time"]]
    error = {"output_type": "error", "ename": name, "evalue": message, "traceback": [message]}
    begun[-1].setdefault("outputs", []).append(error)
    _write(path, notebook)


def _write(path: Path, notebook: dict[str, Any]) -> None:
    # As papermill writes it.
    path.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _main() -> int:
    processes.end_with_parent()
    source, target, request = sys.argv[1:]
    try:
        _execute(source, Path(target), json.loads(Path(request).read_text(encoding="utf-8")))
    except OSError as error:
        if error.errno not in _FULL:
            raise
        # Where nothing can be written, this cannot either.
        with contextlib.suppress(OSError):
            print(error, flush=True)
        os._exit(_NO_SPACE)
    return 0


if __name__ == "__main__":
    sys.exit(_main())
