"""The results of a survey: a folder of Parquet files, and each of them is whole at all times.

A part is written anew with all the rows that it has so far, until it is full: whatever interrupts
that, no row is lost and none is there twice. What has changed is taken out of the parts of earlier
runs before anything takes its place.
"""

import collections
import contextlib
import itertools
import json
import operator
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Self

import filelock
import pyarrow as pa
import pyarrow.parquet as pq

from spectralgrad.survey.checking import Row, flagged
from spectralgrad.survey.files import Task
from spectralgrad.system import storage
from spectralgrad.system.errors import InputError, one_line, said
from spectralgrad.verdict import Question

#: One row for each matrix and framework; for what cannot be checked, one without a framework.
SCHEMA = pa.schema(
    [
        pa.field("source", pa.string(), nullable=False),
        pa.field("place", pa.string(), nullable=False),
        ("digest", pa.string()),
        ("rows", pa.int32()),
        ("columns", pa.int32()),
        ("dtype", pa.string()),
        ("of", pa.string()),
        ("problem", pa.string()),
        ("weights", pa.string()),
        ("rtol", pa.float64()),
        ("differentiable", pa.bool_()),
        ("rank", pa.int32()),
        ("regimes", pa.list_(pa.string())),
        ("smallest_gap", pa.float64()),
        ("digits", pa.int8()),
        ("vector_digits", pa.int8()),
        ("framework", pa.string()),
        ("version", pa.string()),
        pa.field("verdict", pa.string(), nullable=False),
        ("convention", pa.string()),
        ("also", pa.list_(pa.string())),
        ("conjugated", pa.bool_()),
        ("relative_error", pa.float64()),
        ("framework_digits", pa.int8()),
        pa.field("message", pa.string(), nullable=False),
    ]
)

# Source, place and digest of a matrix.
Key = tuple[str, str, str | None]
_key = operator.itemgetter("source", "place", "digest")
# Its part and digest, and whether it was flagged.
_Earlier = tuple[Path, str | None, bool | None]

#: Key of the options, as JSON, in the metadata of each part.
OPTIONS = b"spectralgrad.survey"

# At most this long, in seconds, or twenty times as long as it takes, until results are saved.
SAVE_AFTER = 5
# A part of so many rows is full: they are kept in memory until then, and written every time.
PART = 2**14
_MEND = "name another folder"


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep other surveys away from a folder; refuse one in which nothing can be written."""
    shown = one_line(str(folder))
    with contextlib.ExitStack() as stack:
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder if folder.is_dir() else folder.parent):
                pass
            lock = folder.with_name(f".{folder.name}.lock")
            stack.enter_context(storage.locked(lock, wait=False))
        except filelock.Timeout:
            raise InputError(f"{shown}: another survey writes to it; {_MEND}") from None
        except OSError as error:
            raise InputError(f"{shown}: cannot be written ({error.strerror}); {_MEND}") from error
        yield


def parts(folder: Path) -> list[Path]:
    """The files of a folder of results, in the order in which they were written."""
    return sorted(folder.glob(f"part-{'[0-9]' * 6}.parquet"))


def by_matrix(*paths: Path) -> Iterator[tuple[Key, list[Row]]]:
    """Read parts; the rows of one matrix come together."""
    for path in paths:
        with pq.ParquetFile(path) as file:
            rows = file.read(use_threads=False).to_pylist()
        for matrix, group in itertools.groupby(rows, key=_key):
            yield matrix, list(group)


def earlier(
    folder: Path, question: Question, but: Sequence[str] = ()
) -> Iterator[tuple[Path, Key, list[Row]]]:
    """Read the parts of a survey that asked the same, but for some options; refuse any other."""
    for part in parts(folder) if _is_ours(folder) else []:
        try:
            _require_equal(part, question, but)
            for matrix, rows in by_matrix(part):
                yield part, matrix, rows
        except (pa.ArrowException, OSError) as error:
            what = f"is not a Parquet file, or damaged ({said(error, 200)})"
            raise _refused(part, what) from error


def note_versions(rows: list[Row], versions: dict[str, set[str]]) -> None:
    """Note, of each framework that has answered, its version."""
    for row in rows:
        if row["framework"] and row["version"]:
            versions.setdefault(row["framework"], set()).add(row["version"])


class Results:
    """Rows on their way into a folder; saved now and then, and at the end, whatever ends it."""

    def __init__(self, folder: Path, question: Question) -> None:
        self._folder = folder
        self._schema = SCHEMA.with_metadata({OPTIONS: json.dumps(question.to_dict())})
        # By source and place, what the parts of earlier runs hold, but for what has been met since.
        self._earlier: dict[str, dict[str, _Earlier]] = collections.defaultdict(dict)
        #: Of each framework, those whose answers are kept.
        self.versions: dict[str, set[str]] = {}
        # By part, what has to be taken out of it.
        self._outdated: dict[Path, set[tuple[str, str]]] = collections.defaultdict(set)
        for part, (source, place, digest), rows in earlier(folder, question):
            # What could not be checked is neither flagged nor not.
            judged = flagged(rows) if rows[0]["framework"] else None
            self._earlier[source][place] = part, digest, judged
            note_versions(rows, self.versions)
        # Of one that was killed.
        for path in folder.glob(".part-*"):
            storage.remove(path)
        self._begin()
        self._due = time.monotonic() + SAVE_AFTER

    def _begin(self) -> None:
        number = 1 + max((int(path.stem[5:]) for path in parts(self._folder)), default=0)
        # In one step: rows that have been written must not get into the next part, too.
        self._part: tuple[Path, list[Row]] = self._folder / f"part-{number:06}.parquet", []
        self._saved = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        # At the end an empty part says that there is nothing; before, it would say too much.
        self._write(even_nothing=kind is None)

    def visit(self, task: Task) -> bool | None:
        """Whether a matrix was flagged; None if it is new, has changed or could not be checked."""
        part, digest, judged = self._earlier[task.source].pop(task.place, (None, None, None))
        if digest == task.digest and judged is not None:
            return judged
        if part:
            self._outdated[part].add((task.source, task.place))
        return None

    def leave(self, source: str) -> None:
        """Note that a file has been read to its end: what was not met is not in it any more."""
        for place, (part, _, _) in self._earlier.pop(source, {}).items():
            self._outdated[part].add((source, place))

    def add(self, rows: list[Row]) -> None:
        """Add all rows of one matrix."""
        self._part[1].extend(rows)

    def save(self) -> None:
        """Save, if it is time to."""
        if time.monotonic() >= self._due or len(self._part[1]) >= PART:
            start = time.monotonic()
            self._write()
            end = time.monotonic()
            self._due = end + max(SAVE_AFTER, 20 * (end - start))

    def _write(self, even_nothing: bool = False) -> None:
        for part, gone in list(self._outdated.items()):
            self._take_out(part, gone)
            del self._outdated[part]
        path, rows = self._part
        if len(rows) > self._saved or (even_nothing and not parts(self._folder)):
            self._replace(path, pa.Table.from_pylist(rows, schema=self._schema))
            self._saved = len(rows)
        if len(rows) >= PART:
            self._begin()

    def _take_out(self, part: Path, gone: set[tuple[str, str]]) -> None:
        with pq.ParquetFile(part) as file:
            table = file.read(use_threads=False)
        names = zip(table["source"].to_pylist(), table["place"].to_pylist(), strict=True)
        stay = [name not in gone for name in names]
        if any(stay):
            self._replace(part, table.filter(pa.array(stay)))
        else:
            part.unlink()

    def _replace(self, part: Path, table: pa.Table) -> None:
        if not self._folder.is_dir():
            self._folder.mkdir()
            storage.sync(self._folder.parent)
        with storage.written(part) as aside, aside.open("xb") as file:
            pq.write_table(table, file, compression="zstd")


def _is_ours(folder: Path) -> bool:
    """Whether there is a folder; one with other files in it, or a file, is refused."""
    if not folder.is_dir():
        if folder.exists() or folder.is_symlink():
            raise _refused(folder, "is not a folder")
        return False
    others = {path for path in folder.iterdir() if path.name[0] != "."} - {*parts(folder)}
    if others:
        raise _refused(folder, "holds files that are not the results of a survey")
    return True


def _require_equal(part: Path, question: Question, but: Sequence[str]) -> None:
    schema = pq.read_schema(part)
    written = (schema.metadata or {}).get(OPTIONS)
    if written is None or not schema.equals(SCHEMA):
        raise _refused(part, "does not hold the results of a survey by this version")
    written = json.loads(written)
    changed = [
        f"{name} {_shown(written.get(name))}, not {_shown(value)}"
        for name, value in question.to_dict().items()
        if name not in but and written.get(name) != value
    ]
    if changed:
        what = f"was made with {', '.join(changed)}; use the same options, or"
        raise InputError(one_line(f"{part.parent}: {what} {_MEND}"))


def _shown(value: object) -> str:
    return one_line(",".join(value) if isinstance(value, list) else str(value), 60)


def _refused(path: Path, what: str) -> InputError:
    return InputError(one_line(f"{path}: {what}; {_MEND}"))
