"""Check every matrix in files and folders, and keep the results.

What is done is saved every few seconds, and not done again: a survey that is stopped, by whatever,
goes on from there. The verdicts are those of `spectralgrad.verdict.check`, about sums of values: a
matrix that need not be looked at for them may still be a bad place for a loss on vectors.
"""

import contextlib
import dataclasses
import os
import sys
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from tqdm import tqdm

from spectralgrad import matrices, verdict
from spectralgrad.matrices import MatrixError
from spectralgrad.survey import checking, files, pages, results, workers
from spectralgrad.survey.checking import Row
from spectralgrad.system import interruption
from spectralgrad.system.errors import CommandError, InputError, one_line, said

# How many of the bad ones a summary names.
_NAMED = 10
# The matrix of a file that cannot be read.
_NONE = np.empty((0, 0))


@dataclasses.dataclass
class Survey:
    """What came of a survey; a file that cannot be read counts as one matrix, which is bad."""

    output: Path
    #: The first page, if pages were asked for.
    index: Path | None = None
    matrices: int = 0
    #: How many of them an earlier run had checked.
    before: int = 0
    #: How many have an answer that asks for a closer look.
    flagged: int = 0
    bad: int = 0
    #: About the first of the bad ones.
    messages: list[str] = dataclasses.field(default_factory=list)
    #: About reports that failed.
    failures: list[str] = dataclasses.field(default_factory=list)

    @property
    def summary(self) -> str:
        """The same as a text, which ends with the path of what is to be opened."""
        number = f"{self.matrices} {'matrix' if self.matrices == 1 else 'matrices'}"
        before = f", {self.before} of them checked before" if self.before else ""
        lines = [f"{number}{before}: {self.flagged} to be looked at, {self.bad} not checked"]
        lines += _listed("not checked", self.messages, self.bad)
        lines += _listed("no report", self.failures, len(self.failures))
        lines.append(f"results: {self.output}")
        if self.index:
            lines.append(f"pages: {self.index}")
        return "\n".join(lines)

    def note_bad(self, source: str, place: str, message: str) -> None:
        """Count what could not be checked, and keep the first messages."""
        self.matrices += 1
        self.bad += 1
        if len(self.messages) < _NAMED:
            self.messages.append(": ".join(filter(None, (source, place, message))))


def _listed(what: str, lines: list[str], number: int) -> list[str]:
    more = number - len(lines[:_NAMED])
    return [
        *(f"{what}: {line}" for line in lines[:_NAMED]),
        *([f"{what}: {more} more"] if more else []),
    ]


def survey(
    paths: Iterable[str | os.PathLike[str]],
    *,
    output: str | os.PathLike[str] = "results.parquet",
    reports: Literal["flagged", "all", "none"] = "flagged",
    jobs: int | None = None,
    scheduler: str | None = None,
    **options: Any,
) -> Survey:
    """Check every matrix in files and folders, by processes or the workers of a Dask scheduler.

    The options are those of `spectralgrad.verdict.Question`. What the output has already is not
    done again, unless the matrix has changed or could not be checked. An InputError says that an
    argument is at fault; a CommandError, that the workers cannot do their part or the pages cannot
    be rendered, and the results are saved.
    """
    try:
        question = verdict.Question(**options)
    except ValueError as error:
        raise InputError(said(error, None)) from error
    if reports not in ("flagged", "all", "none"):
        raise InputError(f"reports: unknown {reports!r}; choose from flagged, all, none")
    roots = files.roots(paths)
    folder = _folder(output)
    done = Survey(folder)
    jobs = jobs or len(os.sched_getaffinity(0))
    opened: contextlib.AbstractContextManager[workers.Processes | workers.Cluster] = (
        workers.cluster(scheduler)
        if scheduler
        else workers.processes(jobs, tuple(question.frameworks))
    )
    with results.locked(folder):
        with results.Results(folder, question) as store, opened as crew:
            kept = None if reports == "none" else pages.Reports(folder, reports, question)
            with Progress(roots) as bar:
                run = Run(done, store, kept, bar)

                def idle() -> None:
                    store.save()
                    bar.say(crew.trouble)

                for task, rows in workers.run(run.tasks(roots), crew, question, idle):
                    run.note(task, rows)
        if kept:
            try:
                done.index, done.failures = kept.write(jobs)
            except CommandError as error:
                raise CommandError(f"{error}; the results are in {folder}") from error
    return done


def _folder(output: str | os.PathLike[str]) -> Path:
    # Of a link, what it points to is written.
    path = Path(os.path.realpath(output))
    shown = one_line(str(path))
    try:
        str(path).encode()
    except UnicodeEncodeError as error:
        raise InputError(f"{shown}: not a name in UTF-8; choose another") from error
    if path.suffix.lower() in matrices.SUFFIXES:
        raise InputError(f"{shown}: is named like a matrix; name it .parquet")
    return path


class Progress:
    """A bar of what is left to be done, which is counted while it is done."""

    @interruption.whole
    def __init__(self, roots: list[str]) -> None:
        # Into a file it writes now and then, on a terminal ten times a second.
        interval = 0.1 if sys.stderr.isatty() else 60
        self._bar = tqdm(unit=" matrices", mininterval=interval, maxinterval=interval)
        self._roots = roots
        self._counted: int | None = None
        #: How many more there are than are counted.
        self.correction = 0

    @interruption.whole
    def __enter__(self) -> Self:
        threading.Thread(target=self._count, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def _count(self) -> None:
        number = 0
        for path in files.paths(self._roots):
            if self._bar.disable:
                return
            number += files.count(path)
        self._counted = number

    def say(self, text: str) -> None:
        """Show a few words beside the bar."""
        if text != (self._bar.postfix or ""):
            self._bar.set_postfix_str(text)

    def advance(self) -> None:
        """Note that one is done."""
        if self._counted is not None:
            self._bar.total = self._counted + self.correction
        self._bar.update()


@dataclasses.dataclass
class Run:
    """What is met, and what comes back."""

    done: Survey
    store: results.Results
    kept: pages.Reports | None
    bar: Progress

    def tasks(self, roots: list[str]) -> Iterator[files.Task]:
        """Read the files, and yield what has to be checked."""
        for path in files.paths(roots):
            source, met = one_line(path), 0
            try:
                for task in files.read(path):
                    met += 1
                    flagged = self.store.visit(task)
                    if flagged is None:
                        yield task
                    else:
                        self.done.before += 1
                        self.bar.correction -= 1
                        self._judge(task, flagged)
            except MatrixError as error:
                met += 1
                self.note(files.Task(source, "", None, _NONE), [checking.unreadable(error)])
            self.store.leave(source)
            self.bar.correction += met - files.count(path)

    def note(self, task: files.Task, rows: list[Row]) -> None:
        """Keep what came back for a matrix, or is wrong with a file."""
        names = {"source": task.source, "place": task.place, "digest": task.digest}
        self.store.add([names | row for row in rows])
        if "framework" in rows[0]:
            self._judge(task, checking.flagged(rows))
        else:
            self.done.note_bad(task.source, task.place, rows[0]["message"])
        self.bar.advance()

    def _judge(self, task: files.Task, flagged: bool) -> None:
        self.done.matrices += 1
        self.done.flagged += flagged
        if self.kept:
            self.kept.keep(task, flagged)
