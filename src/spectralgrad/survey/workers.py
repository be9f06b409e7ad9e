"""Have many matrices checked: by processes on this machine, or by a Dask cluster.

Both are used through `concurrent.futures`. A worker may die, of a matrix or of anything else: then
what it had is done again, one matrix at a time, so that no matrix is blamed for another.
"""

from __future__ import annotations

import collections
import concurrent.futures
import contextlib
import logging
import multiprocessing
import os
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from typing import Any, Literal, Self

import numpy as np

from spectralgrad import frameworks, verdict
from spectralgrad.survey.files import Task
from spectralgrad.system import interruption
from spectralgrad.system.errors import CommandError, InputError, one_line
from spectralgrad.theory import spectrum
from spectralgrad.theory.arrays import Array, MatrixError

Row = dict[str, Any]

# A chunk takes a few tenths of a second: long against the way there, short against a survey.
CHUNK = 16
CHUNK_BYTES = 2**20

# JAX keeps about 5 MB of compiled code for each shape of matrix, for ever.
MOST_SHAPES = 64

# Processes share the processors; threads in each would fight for them.
_ONE_THREAD = dict.fromkeys(
    (
        *("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"),
        *("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "NPROC"),
    ),
    "1",
)

_LABEL = "this matrix"

# Standard error, NumPy's error state and the list of warnings belong to the whole process, and a
# worker of Dask may have several threads.
_LOCK = threading.Lock()
_shapes: set[tuple[tuple[int, ...], str]] = set()


def check_all(stack: list[Array], options: Mapping[str, Any]) -> list[list[Row]]:
    """Check some matrices, in a worker.

    Parameters
    ----------
    stack : list of numpy.ndarray
    options : dict
        As for ``spectralgrad.verdict.check``.

    Returns
    -------
    list of list of dict
        For each matrix its rows, one for each framework; see `spectralgrad.survey.results.SCHEMA`.
        One that cannot be checked has one row, without a framework.
    """
    with _LOCK:
        return [_check(matrix, options) for matrix in stack]


def _check(matrix: Array, options: Mapping[str, Any]) -> list[Row]:
    _forget_shapes(matrix)
    outcome: Literal["unreadable", "failed"]
    try:
        return _rows(verdict.check(matrix, label=_LABEL, **options), options["weights"])
    except np.linalg.LinAlgError as error:
        outcome, message = "failed", str(error)
    except MatrixError as error:
        # The row names the matrix.
        error.source = ""
        outcome, message = "unreadable", str(error)
    except ValueError as error:
        outcome, message = "unreadable", str(error)
    # A survey goes on, whatever is wrong with one matrix.
    except Exception as error:
        outcome, message = "failed", f"{type(error).__name__}: {error}"
    return [fault(outcome, message, matrix)]


def _forget_shapes(matrix: Array) -> None:
    _shapes.add((matrix.shape, matrix.dtype.char))
    if len(_shapes) > MOST_SHAPES:
        _shapes.clear()
        if "jax" in sys.modules:
            sys.modules["jax"].clear_caches()


def fault(
    outcome: Literal["unreadable", "failed"], message: str, matrix: Array | None = None
) -> Row:
    """Make the row of a matrix or a file that cannot be checked.

    Parameters
    ----------
    outcome : {"unreadable", "failed"}
    message : str
    matrix : numpy.ndarray, optional

    Returns
    -------
    dict
    """
    row = {"verdict": outcome, "message": one_line(" ".join(message.split()), 500)}
    if matrix is not None:
        row |= {"rows": matrix.shape[0], "columns": matrix.shape[1], "dtype": str(matrix.dtype)}
    return row


def _rows(result: verdict.Verdict, weights: str) -> list[Row]:
    valid = result.valid
    size = float(np.max(np.abs(valid.values)))
    if weights == "auto":
        weights = "first" if valid.problem == "eigh" else "sum"
    facts = {
        "rows": result.matrix.shape[0],
        "columns": result.matrix.shape[1],
        "dtype": str(result.matrix.dtype),
        "problem": valid.problem,
        "weights": weights,
        "rtol": float(valid.rtol),
        "differentiable": bool(valid.differentiable),
        "rank": valid.rank,
        "regimes": list(result.regimes),
        "smallest_gap": spectrum.smallest_gap(valid.values) / size if size else 0.0,
        "digits": result.digits,
    }
    return [facts | _answer(result, name) for name in result.answers]


def _answer(result: verdict.Verdict, name: str) -> Row:
    answer = result.answers[name]
    judgement = answer.judgement
    row: Row = {
        "framework": name,
        "version": answer.version,
        "verdict": answer.verdict,
        "framework_digits": result.digits_of(answer),
        "message": answer.message,
    }
    if judgement:
        row |= {
            "convention": judgement.convention,
            "also": list(judgement.also),
            "conjugated": bool(judgement.conjugated),
        }
        if np.isfinite(judgement.relative_error):
            row["relative_error"] = float(judgement.relative_error)
    return row


def chunks(tasks: Iterable[Task]) -> Iterator[list[Task]]:
    """Put matrices together that are sent to a worker at once.

    Parameters
    ----------
    tasks : iterable of spectralgrad.survey.files.Task

    Yields
    ------
    list of Task
    """
    chunk, size = [], 0
    for task in tasks:
        chunk.append(task)
        size += task.matrix.nbytes
        if len(chunk) == CHUNK or size >= CHUNK_BYTES:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


def run(
    tasks: Iterable[Task],
    crew: Processes | Cluster,
    options: Mapping[str, Any],
    idle: Callable[[], None],
) -> Iterator[tuple[Task, list[Row]]]:
    """Have matrices checked; as many are under way as keep the workers busy, and no more.

    Parameters
    ----------
    tasks : iterable of spectralgrad.survey.files.Task
        Taken from as workers become free.
    crew : Processes or Cluster
    options : dict
        As for ``spectralgrad.verdict.check``.
    idle : callable
        Called about once a second.

    Yields
    ------
    task : spectralgrad.survey.files.Task
        Each once, in the order in which they are done.
    rows : list of dict
        As from `check_all`.

    Raises
    ------
    spectralgrad.system.errors.CommandError
        If the workers cannot do their part, whatever the matrix.
    """
    waiting, flying = chunks(tasks), {}
    suspects: collections.deque[Task] = collections.deque()

    def send(chunk: list[Task], alone: bool = False) -> None:
        future = crew.submit(check_all, [task.matrix for task in chunk], options)
        flying[future] = chunk, alone

    while True:
        if suspects:
            # Alone, so that nobody else is blamed for what it does.
            if not flying:
                send([suspects.popleft()], alone=True)
        else:
            while len(flying) < 2 * crew.width and (chunk := next(waiting, None)):
                send(chunk)
        if not flying:
            return
        done, _ = concurrent.futures.wait(flying, 1, concurrent.futures.FIRST_COMPLETED)
        idle()
        for future in done:
            chunk, alone = flying.pop(future)
            rows = _result(future, crew)
            if rows is not None:
                yield from zip(chunk, rows, strict=True)
            elif alone:
                yield chunk[0], [fault("failed", _DEADLY, chunk[0].matrix)]
            else:
                suspects.extend(chunk)


_LOST = "the connection to the scheduler is lost; the same command goes on from here"
_DEADLY = "the process that checked this matrix died, and so did the next one, with it alone"


def _result(future: Future[list[list[Row]]], crew: Processes | Cluster) -> list[list[Row]] | None:
    """What a worker returned; None if it died."""
    try:
        return future.result()
    except crew.deaths:
        return None
    except concurrent.futures.CancelledError:
        raise CommandError(_LOST) from None
    except Exception as error:
        text = f"{type(error).__name__}: {error}"
        raise CommandError(f"the workers cannot do their part ({one_line(text, 300)})") from error


class Processes:
    """Processes on this machine.

    Parameters
    ----------
    jobs : int
        How many.
    names : tuple of str
        The frameworks that they will be asked for.
    """

    deaths = (BrokenProcessPool,)
    trouble = ""
    _pool: concurrent.futures.ProcessPoolExecutor

    def __init__(self, jobs: int, names: Sequence[str]) -> None:
        self.width = jobs
        self._names = names
        self._environment = contextlib.ExitStack()

    def __enter__(self) -> Self:
        self._environment.enter_context(_environment(_ONE_THREAD))
        self._pool = self._start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end()
        self._environment.close()

    def submit(self, function: Callable[..., Any], *arguments: Any) -> Future[Any]:
        """Send a call to a process; see `concurrent.futures.Executor.submit`.

        Raises
        ------
        spectralgrad.system.errors.CommandError
            If new processes end before they have done anything.
        """
        try:
            return self._submit(function, *arguments)
        except BrokenProcessPool:
            self._renew()
            return self._submit(function, *arguments)

    @interruption.whole
    def _submit(self, function: Callable[..., Any], *arguments: Any) -> Future[Any]:
        # A process that is started here starts with the signal blocked: Ctrl-C is for the parent.
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            return self._pool.submit(function, *arguments)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)

    @interruption.whole
    def _start(self) -> concurrent.futures.ProcessPoolExecutor:
        # Not forked: frameworks have threads, and a fork would copy their locks without them.
        spawn = multiprocessing.get_context("spawn")
        return concurrent.futures.ProcessPoolExecutor(
            self.width, mp_context=spawn, initializer=_begin
        )

    def _renew(self) -> None:
        """Start again after a death, and see that it was not a framework that is to blame."""
        self._end()
        self._pool = self._start()
        try:
            self._submit(_import, self._names).result()
        except BrokenProcessPool:
            raise CommandError(
                f"a new process dies while it imports {', '.join(self._names)}"
            ) from None

    def _end(self) -> None:
        # To end politely would take as long as the frameworks take to unload. Python 3.14 has
        # kill_workers for this.
        for process in list((self._pool._processes or {}).values()):
            process.kill()
        self._pool.shutdown(cancel_futures=True)


@contextlib.contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables, for the processes that are started in the block."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _begin() -> None:
    """Prepare a process: it heeds its parent, not the terminal, and is silent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    # A parent that is killed cannot end its processes, which would wait for work for ever.
    if parent := multiprocessing.parent_process():
        parent.join()
    os._exit(1)


def _import(names: Sequence[str]) -> None:
    for name in names:
        with contextlib.suppress(ImportError):
            frameworks.get(name)


class Cluster:
    """The workers of a Dask scheduler.

    Parameters
    ----------
    address : str
        As ``"tcp://127.0.0.1:8786"``.
    """

    # Seconds to wait for an answer, as long as Dask itself would, and for a first worker.
    answers_within = works_within = 30

    def __init__(self, address: str) -> None:
        self._address = address
        self._stack = contextlib.ExitStack()
        self._width, self._asked = 0, -np.inf

    def __enter__(self) -> Self:
        try:
            from distributed import Client
            from distributed.scheduler import KilledWorker
        except ImportError as error:
            raise InputError(
                f"--scheduler needs Dask ({error}); pip install 'spectralgrad[cluster]'"
            ) from error
        self.deaths = (KilledWorker,)
        address = one_line(self._address, 100)
        with contextlib.ExitStack() as stack:
            stack.enter_context(_silence())
            try:
                client = Client(self._address, timeout=self.answers_within, set_as_default=False)
            # Whatever is wrong with an address: it differs with the protocol.
            except Exception as error:
                text = one_line(" ".join(str(error).split()), 200)
                raise InputError(f"{address}: no Dask scheduler answers ({text})") from error
            self._client = stack.enter_context(client)
            try:
                client.wait_for_workers(1, timeout=self.works_within)
            except TimeoutError:
                raise InputError(
                    f"{address}: has no workers; start one with `dask worker {address}`"
                ) from None
            self._pool = client.get_executor(pure=False)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def width(self) -> int:
        """How many tasks the cluster takes at once; it may grow and shrink."""
        if time.monotonic() > self._asked + 5:
            self._asked = time.monotonic()
            try:
                self._width = sum(self._client.nthreads().values())
            except OSError:
                raise CommandError(_LOST) from None
        return max(self._width, 1)

    @property
    def trouble(self) -> str:
        """What keeps it from going on."""
        return "" if self._width else "no workers left, waiting for some"

    def submit(self, function: Callable[..., Any], *arguments: Any) -> Future[Any]:
        """Send a call to a worker; see `concurrent.futures.Executor.submit`."""
        future: Future[Any] = self._pool.submit(function, *arguments)
        return future


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Keep what Dask tells its operators from those who read the results."""
    # When it is imported, it gives levels of their own to some.
    names = [n for n in logging.root.manager.loggerDict if n.split(".")[0] in _TALKATIVE]
    loggers = {logging.getLogger(name): logging.getLogger(name).level for name in names}
    for logger in loggers:
        logger.setLevel(logging.CRITICAL + 1)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in loggers.items():
            logger.setLevel(level)


_TALKATIVE = ("asyncio", "distributed", "tornado")
