"""Execute chapters with papermill, in parallel, each in a process of its own.

Run as a program, this module is such a process. What depends on the moment of the execution is left
out of what is made, so that the same sources give the same notebook, byte for byte.
"""

import contextlib
import errno
import hashlib
import itertools
import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent import futures
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from spectralgrad.book import TIMEOUT, environment, imports
from spectralgrad.frameworks import ONE_THREAD
from spectralgrad.system import interruption, processes, storage
from spectralgrad.system.errors import ChapterError, CommandError

Facts = Mapping[str, Any]

_FIXED = {
    # Sets are walked through in the order of hashes.
    "PYTHONHASHSEED": "0",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "PYDEVD_DISABLE_FILE_VALIDATION": "1",
}

# A kernel that is stopped while it starts would leave a file elsewhere; elsewhere may be one of the
# same name, of another environment; and to make a folder takes room that may not be there.
_PLACES = ("TMPDIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR")

# Exit status of the process if nothing can be written: no other chapter will do better.
_NO_SPACE = 74
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG, errno.EIO)

# Bytes of a chapter's source that take about a second, if it was never executed.
_BYTES_A_SECOND = 8000


def variables() -> dict[str, str]:
    """Environment variables that change what a chapter says, and how they are set for it."""
    # The number of threads changes the order in which sums are taken, and with it their last
    # digits. Whoever sets another number gets it. Chapters run in parallel, so that no processor is
    # idle.
    return {name: os.environ.get(name, one) for name, one in ONE_THREAD.items()} | _FIXED


@dataclass(frozen=True)
class Page:
    """A chapter to be executed as `name` with parameters; `head` is for its title, in Markdown."""

    chapter: Path
    name: str
    values: dict[str, Any] = field(default_factory=dict)
    head: str = ""


def digest(*parts: bytes) -> str:
    """Hash of byte strings."""
    return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()


def key(page: Page, facts: Facts) -> str:
    """Hash of everything that an executed chapter depends on, but the time."""
    chapter = page.chapter.read_bytes()
    given = json.dumps([{**facts, "time": ""}, variables(), page.values])
    # These two make something of what is in the notebook.
    files = [Path(__file__), Path(environment.__file__), *imports.files(_code(chapter))]
    return digest(given.encode(), chapter, *(file.read_bytes() for file in files))


def _code(chapter: bytes) -> list[str]:
    # What is wrong with a chapter is said when it is executed.
    with contextlib.suppress(ValueError, LookupError, TypeError):
        return ["".join(cell["source"]) for cell in json.loads(chapter)["cells"]]
    return []


def record(notebook: Path) -> dict[str, Any]:
    """Key and seconds of an execution; empty if there is none, or no such notebook."""
    with contextlib.suppress(OSError, ValueError, TypeError):
        if notebook.is_file():
            return dict(json.loads(notebook.with_suffix(".key").read_text(encoding="utf-8")))
    return {}


def keep(made: Path, notebook: Path, **done: object) -> None:
    """Move a notebook into place; at no time is there another beside its record."""
    beside = notebook.with_suffix(".key")
    beside.unlink(missing_ok=True)
    with storage.written(notebook) as fresh:
        shutil.move(made, fresh)
    with storage.written(beside) as fresh:
        fresh.write_text(json.dumps(done), encoding="utf-8")


class Run(processes.Process):
    """The execution of a chapter; the facts, as JSON, are put into its metadata."""

    def __init__(self, page: Page, scratch: Path, facts: Facts, timeout: int = TIMEOUT) -> None:
        self.page = page
        self.notebook = scratch / f"{page.name}.ipynb"
        request = scratch / f"{page.name}.json"
        # Parameters may be long.
        asked = {"values": page.values, "timeout": timeout, "facts": dict(facts)}
        request.write_text(json.dumps(asked), encoding="utf-8")
        self._since = time.monotonic()
        super().__init__(
            *(__name__, page.chapter, self.notebook, request),
            log=scratch / f"{page.name}.log",
            environment=variables() | dict.fromkeys(_PLACES, str(scratch)),
        )

    def finish(self, keep: Path) -> float:
        """Wait for the end; return the seconds that it took, or keep a notebook that failed."""
        status = self.wait()
        if status == 0:
            return time.monotonic() - self._since
        message = self.output().strip().rpartition("\n")[2]
        if status == _NO_SPACE:
            raise CommandError(message or f"{os.strerror(errno.ENOSPC)}: {self.notebook.parent}")
        if status < 0:
            name = signal.Signals(-status).name
            message = f"the process was killed ({name}); memory may have run out"
        place = failure(self.notebook, message or "papermill ended without a message")
        if self.notebook.is_file():
            with storage.written(keep) as fresh:
                shutil.move(self.notebook, fresh)
            place += f" (kept: {keep})"
        raise ChapterError(f"chapter {self.page.chapter.stem}: {place}")


def failure(notebook: Path, message: str) -> str:
    """Say in one line in which cell a notebook failed, and why, if it says so itself."""
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
                return f"cell {number}: {out['ename']}: {' '.join(out['evalue'].split())}"
        if cell["metadata"].get("papermill", {}).get("start_time"):
            last = f"cell {number}: "
    return last + message


def execute_all(
    pages: Sequence[Page],
    executed: Path,
    scratch: Path,
    *,
    facts: Facts,
    jobs: int | None = None,
    timeout: int = TIMEOUT,
    unit: str = "chapter",
) -> dict[str, str]:
    """Execute what was not yet executed with the same sources and parameters, the slowest first.

    Returns the messages of those that failed, by name.
    """
    keys = {page.name: key(page, facts) for page in pages}
    last = {page.name: record(executed / f"{page.name}.ipynb") for page in pages}
    waiting = [page for page in pages if last[page.name].get("key") != keys[page.name]]
    waiting.sort(key=lambda page: last[page.name].get("seconds") or _expected(page))
    if not waiting:
        return {}
    failures: dict[str, str] = {}
    at_once = jobs or len(os.sched_getaffinity(0))
    with (
        futures.ThreadPoolExecutor(at_once) as pool,
        _bar(len(pages), len(pages) - len(waiting), unit) as bar,
        processes.all_ended(),
    ):
        running: dict[futures.Future[int], Run] = {}
        while waiting or running:
            while waiting and len(running) < at_once:
                run = Run(waiting.pop(), scratch, facts, timeout)
                running[pool.submit(run.wait)] = run
            for ended in futures.wait(running, return_when=futures.FIRST_COMPLETED).done:
                run = running.pop(ended)
                name = run.page.name
                try:
                    said = f"{_finish(run, executed, keys[name]):.1f} s"
                except ChapterError as error:
                    failures[name] = str(error)
                    said = "failed"
                bar.write(f"{unit} {name}: {said}", file=sys.stderr)
                bar.update()
    return failures


def _finish(run: Run, executed: Path, key: str) -> float:
    failed = executed / f"{run.page.name}.failed.ipynb"
    with run:
        seconds = run.finish(failed)
    keep(run.notebook, executed / run.notebook.name, key=key, seconds=round(seconds, 1))
    failed.unlink(missing_ok=True)
    return seconds


@interruption.whole
def _bar(total: int, done: int, unit: str) -> Any:
    # Imported here: a bad argument is answered before it.
    from tqdm import tqdm

    return tqdm(total=total, initial=done, unit=unit, disable=None)


def _expected(page: Page) -> float:
    """Seconds that a chapter which was never executed will take, about."""
    text = page.chapter.read_bytes()
    # As in `_code`.
    with contextlib.suppress(ValueError, LookupError, TypeError):
        return float(json.loads(text)["metadata"]["spectralgrad"]["seconds"])
    return len(text) / _BYTES_A_SECOND


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
        _end(target, "DeadKernelError", "the kernel died; memory may have run out")
    except CellTimeoutError:
        _end(target, "CellTimeoutError", f"took longer than {request['timeout']} s")
    notebook = json.loads(target.read_text(encoding="utf-8"))
    del notebook["metadata"]["papermill"]
    for cell in notebook["cells"]:
        for name in ("papermill", "execution"):
            cell["metadata"].pop(name, None)
        if "outputs" in cell:
            cell["outputs"] = _join(cell["outputs"])
    notebook["metadata"]["spectralgrad"] = {"chapter": Path(source).stem, **request["facts"]}
    _write(target, notebook)


def _write(path: Path, notebook: dict[str, Any]) -> None:
    # As papermill writes it.
    path.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _end(path: Path, name: str, message: str) -> NoReturn:
    """Put into a notebook that ended early what ended it, where its reader looks for it."""
    notebook = json.loads(path.read_text(encoding="utf-8"))
    begun = [c for c in notebook["cells"] if c["metadata"]["papermill"]["start_time"]]
    error = {"output_type": "error", "ename": name, "evalue": message, "traceback": [message]}
    begun[-1].setdefault("outputs", []).append(error)
    _write(path, notebook)
    sys.exit(f"{name}: {message}")


def _join(outputs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Make one of what a cell printed in one go; in how many pieces it arrives is chance."""
    joined = []
    for stream, pieces in itertools.groupby(outputs, lambda output: output.get("name")):
        first, *others = pieces
        if stream:
            text = "".join(line for output in (first, *others) for line in output["text"])
            first["text"], others = text.splitlines(keepends=True), []
        joined += [first, *others]
    return joined


def _main() -> None:
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


if __name__ == "__main__":
    _main()
