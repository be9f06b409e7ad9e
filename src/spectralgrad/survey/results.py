"""The results of a survey: a Parquet file that is whole at all times."""

import array
import bisect
import concurrent.futures
import contextlib
import fcntl
import hashlib
import itertools
import json
import os
import queue
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from spectralgrad.survey.files import Task
from spectralgrad.survey.workers import Row
from spectralgrad.system.errors import InputError, one_line
from spectralgrad.theory.arrays import Array
from spectralgrad.verdict import FLAGGED

#: One row for each matrix and framework; for what cannot be checked, one without a framework.
SCHEMA = pa.schema(
    [
        pa.field("source", pa.string(), nullable=False),
        pa.field("place", pa.string(), nullable=False),
        ("digest", pa.string()),
        ("rows", pa.int32()),
        ("columns", pa.int32()),
        ("dtype", pa.string()),
        ("problem", pa.string()),
        ("weights", pa.string()),
        ("rtol", pa.float64()),
        ("differentiable", pa.bool_()),
        ("rank", pa.int32()),
        ("regimes", pa.list_(pa.string())),
        ("smallest_gap", pa.float64()),
        ("digits", pa.int8()),
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

#: Key of the options, as JSON, in the metadata of the file.
OPTIONS = b"spectralgrad.survey"

# At most this long, in seconds, or twenty times as long as it takes, until results are saved.
SAVE_AFTER = 5
# Or until there are so many rows, which would take up memory.
_MOST_UNSAVED = 2**17
_ROWS = 2**15
_MEND = "name another file with --output"


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Keep other surveys from writing to a file.

    Parameters
    ----------
    path : pathlib.Path

    Raises
    ------
    spectralgrad.system.errors.InputError
        If another one does, or if nothing can be written there.
    """
    lock = path.with_name(f".{path.name}.lock")
    shown = one_line(str(path))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path.parent):
            pass
        file = _lock(lock)
    except BlockingIOError:
        raise InputError(f"{shown}: another survey writes to it; {_MEND}") from None
    except OSError as error:
        raise InputError(f"{shown}: cannot be written ({error.strerror}); {_MEND}") from error
    with file:
        try:
            yield
        finally:
            lock.unlink(missing_ok=True)


def _lock(path: Path) -> IO[str]:
    while True:
        # A lock goes with its process, however that ends. What a link leads to is not ours.
        flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW
        file = os.fdopen(os.open(path, flags, 0o666), "w")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.exists(path) and os.path.samestat(os.fstat(file.fileno()), path.stat()):
                return file
        except BaseException:
            file.close()
            raise
        # Its last owner has just removed it.
        file.close()


def read(path: Path, columns: Sequence[str]) -> Iterator[list[list[Any]]]:
    """Read some columns, a batch at a time.

    Parameters
    ----------
    path : pathlib.Path
    columns : list of str

    Yields
    ------
    list
        One for each column.
    """
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(_ROWS, columns=columns, use_threads=False):
            yield [batch.column(name).to_pylist() for name in columns]


def by_matrix(
    path: Path, columns: Sequence[str]
) -> Iterator[tuple[Key, Iterator[tuple[Any, ...]]]]:
    """Read some columns, the rows of one matrix together.

    Parameters
    ----------
    path : pathlib.Path
    columns : list of str

    Yields
    ------
    key : tuple of (str, str, str or None)
        Source, place and digest.
    rows : iterator of tuple
    """
    batches = read(path, ["source", "place", "digest", *columns])
    rows = (row for batch in batches for row in zip(*batch, strict=True))
    for key, group in itertools.groupby(rows, key=lambda row: row[:3]):
        yield key, (row[3:] for row in group)


def _hash(*texts: str) -> int:
    state = hashlib.blake2b("\0".join(texts).encode(), digest_size=8)
    return int.from_bytes(state.digest(), "big")


class Earlier:
    """What is in the file already: a few numbers for each matrix, because there may be many.

    Parameters
    ----------
    path : pathlib.Path or None
        Of the file, if there is one.
    """

    UNSEEN, KEPT, OUTDATED = range(3)

    def __init__(self, path: Path | None = None) -> None:
        sources, places = array.array("Q"), array.array("Q")
        contents, counts, flags = array.array("Q"), array.array("H"), bytearray()
        groups = by_matrix(path, ["framework", "verdict"]) if path else ()
        for (source, place, digest), rows in groups:
            answers = list(rows)
            sources.append(_hash(source))
            places.append(_hash(source, place))
            # What could not be checked is tried again.
            contents.append(int(digest[:16], 16) if digest and answers[0][0] else 0)
            counts.append(len(answers))
            flags.append(any(verdict in FLAGGED for _, verdict in answers))
        self._contents, self._flags = contents, flags
        self._counts = np.array(counts, dtype=np.int64)
        self._state = np.full(len(flags), self.UNSEEN, dtype=np.uint8)
        self._by_source, self._sources = _sorted(sources)
        self._by_place, self._places = _sorted(places)

    def visit(self, task: Task) -> bool | None:
        """Look a matrix up.

        Parameters
        ----------
        task : spectralgrad.survey.files.Task

        Returns
        -------
        bool or None
            None if it has to be checked, because it is new, has changed or could not be checked;
            else whether it was flagged.
        """
        found = None
        content = int(task.digest[:16], 16)
        for record in _records(self._by_place, self._places, _hash(task.source, task.place)):
            if found is None and self._contents[record] == content:
                self._state[record] = self.KEPT
                found = bool(self._flags[record])
            else:
                self._state[record] = self.OUTDATED
        return found

    def leave(self, source: str) -> None:
        """Note that a file has been read to its end: what was not met is not in it any more.

        Parameters
        ----------
        source : str
        """
        records = _records(self._by_source, self._sources, _hash(source))
        unseen = records[self._state[records] == self.UNSEEN]
        self._state[unseen] = self.OUTDATED

    def outdated(self) -> Array:
        """Return which matrices are to be left out when the file is written next.

        Returns
        -------
        numpy.ndarray of bool
        """
        gone: Array = (self._state == self.OUTDATED) & (self._counts > 0)
        return gone

    def rows(self, outdated: Array) -> Array:
        """Return which of the file's first rows stay.

        Parameters
        ----------
        outdated : numpy.ndarray of bool

        Returns
        -------
        numpy.ndarray of bool
        """
        stay: Array = np.repeat(~outdated, self._counts)
        return stay

    def drop(self, outdated: Array) -> None:
        """Note that the rows of some matrices have been left out.

        Parameters
        ----------
        outdated : numpy.ndarray of bool
        """
        self._counts[outdated] = 0


def _sorted(keys: Sequence[int]) -> tuple[Array, Array]:
    numbers = np.array(keys, dtype=np.uint64)
    order = np.argsort(numbers, kind="stable")
    return order, numbers[order]


def _records(order: Array, keys: Array, key: int) -> Array:
    # Bisection, for NumPy would convert all keys to compare them with one Python integer.
    start = bisect.bisect_left(keys, key)
    return order[start : bisect.bisect_right(keys, key, lo=start)]


class Results:
    """Rows on their way into the file.

    They are saved now and then, and at the end, whatever ends it. The file is written anew beside
    the old one and takes its place when it is whole, in a thread of its own: a signal interrupts
    the main thread only, so that no row is lost or saved twice.

    Parameters
    ----------
    path : pathlib.Path
    options : dict
        Of the survey; a file that was made with others is refused.

    Raises
    ------
    spectralgrad.system.errors.InputError
        If the file cannot be read, was made by something else, or with other options.
    """

    def __init__(self, path: Path, options: Mapping[str, Any]) -> None:
        self._path = path
        self._aside = path.with_name(f".{path.name}.partial")
        self._schema = SCHEMA.with_metadata({OPTIONS: json.dumps(options)})
        self._is_new = not os.path.lexists(path)
        if self._is_new:
            self.earlier = Earlier()
        else:
            _require_ours(path, options)
            try:
                self.earlier = Earlier(path)
            except (pa.ArrowException, OSError) as error:
                raise _no_results(path, f"is damaged ({error})") from error
        self._incoming: queue.SimpleQueue[list[Row]] = queue.SimpleQueue()
        self._batches: list[pa.RecordBatch] = []
        self._thread = concurrent.futures.ThreadPoolExecutor(1)
        self._saving: concurrent.futures.Future[None] | None = None
        self._due = time.monotonic() + SAVE_AFTER

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        # At the end an empty file says that there is nothing; before, it would say too much.
        last = self._thread.submit(self._write_what_is_left, even_nothing=kind is None)
        interrupted = None
        while not last.done():
            # Whoever presses Ctrl-C wants to leave, but not to lose anything.
            try:
                concurrent.futures.wait([last])
            except KeyboardInterrupt as error:
                interrupted = error
        self._thread.shutdown()
        last.result()
        if interrupted:
            raise interrupted

    def _write_what_is_left(self, even_nothing: bool) -> None:
        self._take()
        if self._batches or self.earlier.outdated().any() or (even_nothing and self._is_new):
            self._write()

    def add(self, rows: list[Row]) -> None:
        """Add the rows of one matrix.

        Parameters
        ----------
        rows : list of dict
        """
        self._incoming.put(rows)

    def save(self) -> None:
        """Save, if it is time to.

        Raises
        ------
        OSError
            If the last time it failed.
        """
        if self._saving and not self._saving.done():
            return
        if self._saving:
            self._saving.result()
        unsaved = sum(map(len, self._batches))
        if time.monotonic() >= self._due or unsaved >= _MOST_UNSAVED:
            self._saving = self._thread.submit(self._write_what_is_left, even_nothing=False)
        elif self._incoming.qsize() >= 1024:
            # As columns, they take a tenth of the memory.
            self._saving = self._thread.submit(self._take)

    def _take(self) -> None:
        rows = []
        with contextlib.suppress(queue.Empty):
            while True:
                rows += self._incoming.get_nowait()
        if rows:
            self._batches.append(pa.RecordBatch.from_pylist(rows, schema=self._schema))

    def _write(self) -> None:
        start = time.monotonic()
        self._take()
        outdated = self.earlier.outdated()
        try:
            # What stands there may be a link, which would be written through.
            self._aside.unlink(missing_ok=True)
            with self._aside.open("xb") as file:
                with pq.ParquetWriter(file, self._schema, compression="zstd") as writer:
                    for table in _regrouped(self._all(self.earlier.rows(outdated))):
                        writer.write_table(table, row_group_size=_ROWS)
                file.flush()
                os.fsync(file.fileno())
            self._aside.replace(self._path)
        finally:
            self._aside.unlink(missing_ok=True)
        self._is_new = False
        self._batches = []
        self.earlier.drop(outdated)
        end = time.monotonic()
        self._due = end + max(SAVE_AFTER, 20 * (end - start))

    def _all(self, stay: Array) -> Iterator[pa.RecordBatch]:
        """What is in the file and stays, then what is new."""
        if not self._is_new:
            with pq.ParquetFile(self._path) as file:
                for batch in file.iter_batches(_ROWS, use_threads=False):
                    mask, stay = stay[: len(batch)], stay[len(batch) :]
                    if not mask.all():
                        # What this run has added stands behind, and stays.
                        added = np.ones(len(batch) - len(mask), dtype=bool)
                        batch = batch.filter(pa.array(np.concatenate([mask, added])))
                    yield batch
        yield from self._batches


def _regrouped(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.Table]:
    """Tables of as many rows as a row group has; the last one as it comes."""
    held: list[pa.RecordBatch] = []
    number = 0
    for batch in batches:
        while number + len(batch) >= _ROWS:
            cut = _ROWS - number
            yield pa.Table.from_batches([*held, batch.slice(0, cut)])
            batch, held, number = batch.slice(cut), [], 0
        held.append(batch)
        number += len(batch)
    if number:
        yield pa.Table.from_batches(held)


def _require_ours(path: Path, options: Mapping[str, Any]) -> None:
    try:
        schema = pq.read_schema(path)
    except (pa.ArrowException, OSError) as error:
        raise _no_results(path, "is not a Parquet file") from error
    written = (schema.metadata or {}).get(OPTIONS)
    if written is None or not schema.equals(SCHEMA):
        raise _no_results(path, "does not hold the results of a survey by this version")
    written = json.loads(written)
    changed = [
        f"{name} {_shown(written.get(name))}, not {_shown(value)}"
        for name, value in options.items()
        if written.get(name) != value
    ]
    if changed:
        raise _no_results(path, f"was made with {', '.join(changed)}; use the same options, or")


def _shown(value: object) -> str:
    return one_line(",".join(value) if isinstance(value, list) else str(value), 60)


def _no_results(path: Path, what: str) -> InputError:
    joint = "" if what.endswith(", or") else ";"
    return InputError(one_line(f"{path}: {what}{joint} {_MEND}"))
