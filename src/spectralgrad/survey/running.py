"""Check every matrix in files and folders, and keep the results.

What is done is saved every few seconds, and not done again: a survey that is stopped, by whatever,
goes on from there. The verdicts are those of `spectralgrad.verdict.check`, about sums of values or
about a loss on vectors: a matrix that need not be looked at for one may be a bad place for another.
"""

import contextlib
import dataclasses
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Literal, NoReturn

import numpy as np
from tqdm import tqdm

from spectralgrad import frameworks, matrices, verdict
from spectralgrad.book import environment
from spectralgrad.frameworks import elsewhere
from spectralgrad.matrices import MatrixError
from spectralgrad.survey import checking, files, pages, results, status, workers
from spectralgrad.survey.checking import Row
from spectralgrad.system import interruption
from spectralgrad.system.errors import InputError, one_line, said

# How many of the bad ones a summary names.
_NAMED = 10
# The matrix of a file that cannot be read.
_NONE = np.empty((0, 0))


@dataclasses.dataclass
class Survey:
    """What came of a survey; a file that cannot be read counts as one matrix, which is bad."""

    output: Path
    #: The first page, if pages were asked for, and the page on the status, if there is one.
    index: Path | None = None
    status: Path | None = None
    matrices: int = 0
    #: How many of them an earlier run had checked.
    before: int = 0
    #: How many have an answer that asks for a closer look.
    flagged: int = 0
    bad: int = 0
    #: About the first of the bad ones.
    messages: list[str] = dataclasses.field(default_factory=list)
    #: About frameworks that were others before, and the status.
    notes: list[str] = dataclasses.field(default_factory=list)
    #: About reports that failed.
    failures: list[str] = dataclasses.field(default_factory=list)

    @property
    def summary(self) -> str:
        """The same as a text, which ends with the path of what is to be opened."""
        known = f"{self.matrices} {'matrix' if self.matrices == 1 else 'matrices'}"
        before = f", {self.before} of them checked before" if self.before else ""
        lines = [f"{known}{before}: {self.flagged} to be looked at, {self.bad} not checked"]
        for what, messages, number in (
            ("not checked", self.messages, self.bad),
            ("no report", self.failures, len(self.failures)),
        ):
            lines += [f"{what}: {message}" for message in messages[:_NAMED]]
            if number > _NAMED:
                lines.append(f"{what}: {number - _NAMED} more")
        paths = {"results": self.output, "status": self.status, "pages": self.index}
        written = [f"{name}: {path}" for name, path in paths.items() if path]
        return "\n".join([*lines, *self.notes, *written])

    def note_bad(self, source: str, place: str, message: str) -> None:
        """Count what could not be checked, and keep the first messages."""
        self.matrices += 1
        self.bad += 1
        if len(self.messages) < _NAMED:
            self.messages.append(": ".join(filter(None, (source, place, message))))


def survey(
    paths: Iterable[str | os.PathLike[str]] = (),
    *,
    corpus: int | None = None,
    since: str | os.PathLike[str] = "",
    output: str | os.PathLike[str] = "results.parquet",
    reports: Literal["flagged", "all", "none"] = "flagged",
    jobs: int | None = None,
    scheduler: str | None = None,
    timeout: float = elsewhere.TIMEOUT,
    **options: Any,
) -> Survey:
    """Check every matrix in files and folders, by processes or the workers of a Dask scheduler.

    The options are those of `spectralgrad.verdict.Question`; the time is that for one answer. What
    the output has already is not done again, unless the matrix has changed or could not be checked.
    In place of paths, so many matrices of the corpus can be asked for, 0 for all. It, and what has
    changed since an earlier survey, has a page on the status.
    An InputError says that an argument is at fault; a CommandError, that the workers cannot do
    their part or the pages cannot be rendered, and the results are saved.
    """
    try:
        question = verdict.Question(**options)
    except ValueError as error:
        raise InputError(said(error, None)) from error
    if reports not in ("flagged", "all", "none"):
        raise InputError(f"reports: unknown {reports!r}; choose from flagged, all, none")
    roots = _roots(paths, corpus)
    folder = _folder(output)
    before = status.earlier(Path(since), question) if since else {}
    done = Survey(folder)
    jobs = jobs or len(os.sched_getaffinity(0))
    opened: contextlib.AbstractContextManager[workers.Crew]
    opened = workers.cluster(scheduler) if scheduler else workers.processes(jobs)
    with results.locked(folder):
        with results.Results(folder, question) as store, opened as crew:
            kept = None if reports == "none" else pages.Reports(folder, reports, question)
            # At a glance: that takes a small part of the time of the work itself.
            number = sum(map(files.count, files.paths(roots)))
            with _bar(number) as bar:
                run = Run(done, store, kept, bar, number)
                for task, rows in workers.run(run.tasks(roots), crew, question, run.idle, timeout):
                    run.note(task, rows)
        done.notes = run.changed_versions()
        if since or corpus is not None:
            done.status, lines = status.write(folder, before, one_line(os.fspath(since)))
            done.notes += lines
        if kept:
            done.index, done.failures = kept.write(jobs)
    return done


def _roots(paths: Iterable[str | os.PathLike[str]], corpus: int | None) -> list[str]:
    roots = files.roots(paths)
    if bool(roots) == (corpus is not None):
        mend = "drop one of the two" if roots else "give one of the two"
        raise InputError(f"a survey is of paths or of the corpus (--corpus); {mend}")
    return roots or matrices.corpus.names()[: corpus or None]


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


@interruption.whole
def _bar(total: int) -> "tqdm[NoReturn]":
    # Into a file it writes now and then, on a terminal ten times a second.
    interval = 0.1 if sys.stderr.isatty() else 60
    return tqdm(total=total, unit=" matrices", mininterval=interval, maxinterval=interval)


@dataclasses.dataclass
class Run:
    """What is met, and what comes back; the bar has what is left to be done."""

    done: Survey
    store: results.Results
    kept: pages.Reports | None
    bar: "tqdm[NoReturn]"
    #: How many there are to be done, beside those of an earlier run.
    number: int
    #: Of each framework, those that have answered in this run.
    versions: dict[str, set[str]] = dataclasses.field(default_factory=dict)

    def idle(self, trouble: str) -> None:
        """Save, if it is time to, and say what keeps the workers from going on."""
        self.store.save()
        if trouble != (self.bar.postfix or ""):
            self.bar.set_postfix_str(trouble)

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
                        self.number -= 1
                        self._judge(task, flagged)
            except MatrixError as error:
                met += 1
                self.note(files.Task(source, "", None, _NONE), [checking.unreadable(error)])
            self.store.leave(source)
            self.number += met - files.count(path)

    def note(self, task: files.Task, rows: list[Row]) -> None:
        """Keep what came back for a matrix, or is wrong with a file."""
        names = {"source": task.source, "place": task.place, "digest": task.digest}
        self.store.add([names | row for row in rows])
        if "framework" in rows[0]:
            results.note_versions(rows, self.versions)
            self._judge(task, checking.flagged(rows))
        else:
            self.done.note_bad(task.source, task.place, rows[0]["message"])
        self.bar.total = self.number
        self.bar.update()

    def changed_versions(self) -> list[str]:
        """What is to be said of results by frameworks of other versions than those of today."""
        lines = []
        for name, before in self.store.versions.items() if self.done.before else ():
            title = frameworks.TITLES[name]
            here = environment.version(*environment.NAMED[title])
            now = self.versions.get(name, {here} - {""})
            if now - before:
                old, new = (", ".join(sorted(versions)) for versions in (before, now))
                lines.append(
                    f"{title}: {old} judged what was checked before, and {new} is here now; to "
                    "have all judged by it, name another output folder"
                )
        return lines

    def _judge(self, task: files.Task, flagged: bool) -> None:
        self.done.matrices += 1
        self.done.flagged += flagged
        if self.kept:
            self.kept.keep(task, flagged)
