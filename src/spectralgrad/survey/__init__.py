"""Check every matrix in files and folders, and keep the results.

What is done is saved every few seconds, and not done again: a survey that is stopped, by whatever,
goes on from there. The verdicts are those of ``verdict.check``, about sums of values: a
matrix that need not be looked at for them may still be a bad place for a loss on vectors.
"""

from __future__ import annotations

import dataclasses
import importlib
import os
import sys
import threading
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self

from spectralgrad import matrices, verdict
from spectralgrad.matrices import MatrixError
from spectralgrad.survey import files, workers
from spectralgrad.system import interruption
from spectralgrad.system.errors import CommandError, InputError, one_line
from spectralgrad.theory.arrays import Problem

if TYPE_CHECKING:
    from spectralgrad.survey import pages, results

# How many of the bad ones a summary names.
_NAMED = 10


@dataclasses.dataclass
class Survey:
    """What came of a survey.

    Attributes
    ----------
    output : pathlib.Path
        The results, a Parquet file.
    index : pathlib.Path or None
        The first page, if pages were asked for.
    matrices : int
        How many there are in the files; a file that cannot be read counts as one.
    before : int
        How many of them an earlier run had checked.
    flagged : int
        How many have an answer that asks for a closer look.
    bad : int
        How many, files included, could not be checked.
    messages : list of str
        About the first of these, one line each.
    failures : list of str
        About reports that failed, one line each.
    """

    output: Path
    index: Path | None = None
    matrices: int = 0
    before: int = 0
    flagged: int = 0
    bad: int = 0
    messages: list[str] = dataclasses.field(default_factory=list)
    failures: list[str] = dataclasses.field(default_factory=list)

    @property
    def summary(self) -> str:
        """The same as a text, which ends with the path of a file to be opened."""
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
        """Count what could not be checked, and keep the first messages.

        Parameters
        ----------
        source, place, message : str
        """
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
    problem: Problem | Literal["auto"] = "auto",
    weights: str | Sequence[float] = "auto",
    frameworks: str | Iterable[str] = "all",
    dtype: str = "auto",
    rtol: float | str = "auto",
    symmetrize: bool = False,
) -> Survey:
    """Check every matrix in files and folders.

    Parameters
    ----------
    paths : iterable of path
        Files, as for `spectralgrad.matrices.load`, and folders, which are walked through.
    output : path, optional
        Parquet file for the results; see `spectralgrad.survey.results.SCHEMA`. What it has already
        is not done again, unless the content of the matrix has changed or it could not be checked.
    reports : {"flagged", "all", "none"}, optional
        Which matrices get a page, in a folder beside the results.
    jobs : int, optional
        Processes on this machine; as many as there are processors if not given.
    scheduler : str, optional
        Address of a Dask scheduler, whose workers check the matrices instead.
    problem, weights, frameworks, dtype, rtol, symmetrize
        As for ``spectralgrad.verdict.check``.

    Returns
    -------
    Survey

    Raises
    ------
    spectralgrad.system.errors.InputError
        If an argument is at fault.
    spectralgrad.system.errors.CommandError
        If the workers cannot do their part or the pages cannot be rendered; the results so far are
        saved.
    """
    try:
        question = verdict.Question(problem, weights, frameworks, dtype, rtol, symmetrize)
    except ValueError as error:
        raise InputError(" ".join(str(error).split())) from error
    options = question.to_dict()
    if reports not in ("flagged", "all", "none"):
        raise InputError(f"reports: unknown {reports!r}; choose from flagged, all, none")
    roots = files.roots(paths)
    output = _output(output)
    _require_extra()
    # Imported here: workers do without, and without pyarrow there has been one clear line.
    from spectralgrad.survey import pages, results

    done = Survey(output)
    asked = options | {"frameworks": tuple(options["frameworks"])}
    jobs = jobs or len(os.sched_getaffinity(0))
    cluster = workers.Cluster(scheduler) if scheduler else None
    crew = cluster or workers.Processes(jobs, asked["frameworks"])
    with results.locked(output):
        with results.Results(output, options) as store, crew:
            kept = None if reports == "none" else pages.Reports(output, reports, options)
            with _Progress(roots) as progress:
                run = _Run(done, store, kept, progress)

                def idle() -> None:
                    store.save()
                    progress.say(crew.trouble)

                for task, rows in workers.run(run.tasks(roots), crew, asked, idle):
                    run.note(task, rows)
        if kept:
            try:
                done.index, done.failures = kept.write(jobs)
            except CommandError as error:
                raise CommandError(f"{error}; the results are in {output}") from error
    return done


def _output(output: str | os.PathLike[str]) -> Path:
    # Of a link, the file that it points to is replaced.
    path = Path(os.path.realpath(output))
    shown = one_line(str(path))
    try:
        str(path).encode()
    except UnicodeEncodeError as error:
        raise InputError(f"{shown}: not a name in UTF-8; choose another") from error
    if path.is_dir():
        raise InputError(f"{shown}: is a folder; name a file in it with --output")
    if path.suffix.lower() in matrices.SUFFIXES:
        raise InputError(f"{shown}: is named like a matrix; name it .parquet")
    return path


def _require_extra() -> None:
    try:
        for module in ("pyarrow.parquet", "tqdm"):
            importlib.import_module(module)
    except ImportError as error:
        raise InputError(
            f"a survey needs more ({error}); pip install 'spectralgrad[survey]'"
        ) from error


class _Run:
    """What is met, and what comes back."""

    def __init__(
        self, done: Survey, store: results.Results, kept: pages.Reports | None, progress: _Progress
    ) -> None:
        self._done, self._store, self._kept, self._progress = done, store, kept, progress

    def tasks(self, roots: list[str]) -> Iterator[files.Task]:
        """Read the files, and yield what has to be checked."""
        for path in files.paths(roots):
            source, met = files.name(path), 0
            try:
                for task in files.read(path):
                    met += 1
                    if self._is_new(task):
                        yield task
            except MatrixError as error:
                met += 1
                self._fail(source, workers.fault("unreadable", str(error)))
            self._store.earlier.leave(source)
            self._progress.correct(met - files.count(path))

    def _is_new(self, task: files.Task) -> bool:
        flagged = self._store.earlier.visit(task)
        if flagged is None:
            return True
        self._done.matrices += 1
        self._done.before += 1
        self._progress.correct(-1)
        self._judge(task, flagged)
        return False

    def _fail(self, source: str, row: workers.Row) -> None:
        self._done.matrices += 1
        self._done.note_bad(source, "", row["message"])
        self._store.add([row | {"source": source, "place": ""}])
        self._progress.advance()

    def note(self, task: files.Task, rows: list[workers.Row]) -> None:
        """Keep what came back for a matrix."""
        names = {"source": task.source, "place": task.place, "digest": task.digest}
        self._store.add([names | row for row in rows])
        self._done.matrices += 1
        if "framework" in rows[0]:
            self._judge(task, any(row["verdict"] in verdict.FLAGGED for row in rows))
        else:
            self._done.note_bad(task.source, task.place, rows[0]["message"])
        self._progress.advance()

    def _judge(self, task: files.Task, flagged: bool) -> None:
        self._done.flagged += flagged
        if self._kept:
            self._kept.keep(task, flagged)


class _Progress:
    """A bar of what is left to be done; how much that is, is counted meanwhile."""

    @interruption.whole
    def __init__(self, roots: list[str]) -> None:
        from tqdm import tqdm

        # Into a file it writes now and then, on a terminal ten times a second.
        interval = 0.1 if sys.stderr.isatty() else 60
        self._bar = tqdm(unit=" matrices", mininterval=interval, maxinterval=interval)
        self._roots, self._correction = roots, 0
        self._counted: int | None = None
        self._said, self._is_over = "", False

    @interruption.whole
    def __enter__(self) -> Self:
        threading.Thread(target=self._count, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over = True
        self._bar.close()

    def _count(self) -> None:
        number = 0
        for path in files.paths(self._roots):
            if self._is_over:
                return
            number += files.count(path)
        self._counted = number

    def correct(self, difference: int) -> None:
        """Note that there are more to be done than was counted, or fewer."""
        self._correction += difference

    def say(self, text: str) -> None:
        """Show a few words beside the bar."""
        if text != self._said:
            self._said = text
            self._bar.set_postfix_str(text)

    def advance(self) -> None:
        """Note that one is done."""
        if self._counted is not None:
            self._bar.total = self._counted + self._correction
        self._bar.update()
