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
import threading
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from spectralgrad import frameworks
from spectralgrad.frameworks import elsewhere
from spectralgrad.survey import checking
from spectralgrad.survey.checking import Row
from spectralgrad.survey.files import Task
from spectralgrad.system import interruption
from spectralgrad.system.errors import CommandError, InputError, one_line, said
from spectralgrad.verdict import Question

# A chunk takes a few tenths of a second: long against the way there, short against a survey.
CHUNK = 16
CHUNK_BYTES = 2**20

# Seconds to wait for a scheduler's answer, as long as Dask itself would, and for a first worker.
ANSWERS_WITHIN = WORKS_WITHIN = 30


def chunks(tasks: Iterable[Task]) -> Iterator[list[Task]]:
    """Put matrices together that are sent to a worker at once."""
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
    crew: Crew,
    question: Question,
    idle: Callable[[str], None],
    timeout: float = elsewhere.TIMEOUT,
) -> Iterator[tuple[Task, list[Row]]]:
    """Have matrices checked, and yield each once, with its rows, in the order in which it is done.

    As many are under way as keep the workers busy, and no more. Once a second, `idle` is called
    with what keeps them from going on.
    """
    waiting, flying = chunks(tasks), {}
    suspects: collections.deque[Task] = collections.deque()

    def send(chunk: list[Task], alone: bool = False) -> None:
        matrices = [task.matrix for task in chunk]
        future = crew.submit(checking.check_all, matrices, question, timeout)
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
        idle(crew.trouble)
        for future in done:
            chunk, alone = flying.pop(future)
            rows = _result(future, crew)
            if rows is not None:
                yield from zip(chunk, rows, strict=True)
            elif alone:
                yield chunk[0], [checking.failed(_DEADLY, chunk[0].matrix)]
            else:
                suspects.extend(chunk)


_LOST = "the connection to the scheduler is lost; the same command goes on from here"
_DEADLY = "the process that checked this matrix died, and so did the next one, with it alone"


def _result(future: Future[list[list[Row]]], crew: Crew) -> list[list[Row]] | None:
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


@contextlib.contextmanager
def processes(jobs: int) -> Iterator[Processes]:
    """Processes on this machine, of one thread each: so they do not fight for the processors."""
    with contextlib.ExitStack() as stack:
        stack.callback(os.environ.update, dict(os.environ))
        for name, one in frameworks.ONE_THREAD.items():
            stack.callback(os.environ.pop, name)
            os.environ[name] = one
        yield stack.enter_context(contextlib.closing(Processes(jobs)))


class Processes:
    """Processes that may die: then there are new ones."""

    deaths = (BrokenProcessPool,)
    trouble = ""

    def __init__(self, jobs: int) -> None:
        self.width = jobs
        self._start()

    def submit(self, function: Callable[..., Any], *arguments: Any) -> Future[Any]:
        """Send a call to a process."""
        with contextlib.suppress(BrokenProcessPool):
            return self._submit(function, *arguments)
        self.close()
        self._start()
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
    def _start(self) -> None:
        # Not forked: frameworks have threads, and a fork would copy their locks without them.
        spawn = multiprocessing.get_context("spawn")
        self._pool = ProcessPoolExecutor(self.width, mp_context=spawn, initializer=_begin)

    def close(self) -> None:
        """End all, whatever they are doing."""
        # To end politely would take as long as the frameworks take to unload. Python 3.14 has
        # kill_workers for this.
        for process in list((self._pool._processes or {}).values()):
            process.kill()
        self._pool.shutdown(cancel_futures=True)


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


@contextlib.contextmanager
def cluster(address: str) -> Iterator[Cluster]:
    """The workers of the Dask scheduler at an address as "tcp://127.0.0.1:8786"."""
    try:
        from distributed import Client, KilledWorker
    except ImportError as error:
        raise InputError(
            f"a scheduler needs Dask ({error}); pip install 'spectralgrad[cluster]'"
        ) from error
    shown = one_line(address, 100)
    with warnings.catch_warnings(), contextlib.ExitStack() as stack:
        # What Dask tells its operators is not for those who read the results.
        warnings.simplefilter("ignore")
        stack.callback(logging.disable, logging.root.manager.disable)
        logging.disable()
        try:
            client = Client(address, timeout=ANSWERS_WITHIN, set_as_default=False)
        # Whatever is wrong with an address: it differs with the protocol.
        except Exception as error:
            text = said(error, 200)
            raise InputError(f"{shown}: no Dask scheduler answers ({text})") from error
        stack.enter_context(client)
        try:
            client.wait_for_workers(1, timeout=WORKS_WITHIN)
        except TimeoutError:
            raise InputError(
                f"{shown}: has no workers; start one with `dask worker {shown}`"
            ) from None
        yield Cluster(client, (KilledWorker,))


class Cluster:
    """Workers that come and go."""

    def __init__(self, client: Any, deaths: tuple[type[Exception], ...]) -> None:
        self._client, self.deaths = client, deaths
        self.submit: Callable[..., Future[Any]] = client.get_executor(pure=False).submit
        self._width, self._asked = 0, -float("inf")

    @property
    def width(self) -> int:
        """How many tasks they take at once."""
        if time.monotonic() > self._asked + 5:
            self._asked = time.monotonic()
            try:
                self._width = sum(self._client.nthreads().values())
            except OSError:
                raise CommandError(_LOST) from None
        return max(self._width, 1)

    @property
    def trouble(self) -> str:
        """What keeps them from going on."""
        return "" if self._width else "no workers left, waiting for some"


Crew = Processes | Cluster
