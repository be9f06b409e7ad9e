"""Frameworks asked in processes of their own, of this interpreter or of another.

One that crashes, or takes too long, is an answer, and not the end. Nothing is installed there: each
process executes `worker`, and the modules of this room that it needs.
"""

from __future__ import annotations

import collections
import contextlib
import io
import json
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from spectralgrad.frameworks import Reply
from spectralgrad.system.errors import one_line
from spectralgrad.theory.arrays import Array, Problem

#: Seconds that an answer may take, the import of the framework included.
TIMEOUT = 600

#: The oldest Python that is asked.
OLDEST = (3, 9)

_HERE = Path(__file__).parent

# What is in the current folder is no framework, and no module of Python's own.
_START = "import sys; sys.path[:] = filter(None, sys.path); exec(sys.argv.pop())"


def version(python: str) -> str:
    """Version of an interpreter; a ValueError says in one line why it cannot be asked."""
    shown, mend = one_line(python) or "''", "give a Python, as ~/project/.venv/bin/python"
    command = [python, "-c", "import sys; print('.'.join(map(str, sys.version_info[:3])))"]
    try:
        done = subprocess.run(command, input=b"", capture_output=True, timeout=60, check=True)
        # A wrapper may print before.
        found = done.stdout.decode().strip().rpartition("\n")[2]
        old = tuple(map(int, found.split("."))) < OLDEST
    except OSError as error:
        raise ValueError(f"{shown}: cannot be run ({error.strerror}); {mend}") from error
    except (subprocess.SubprocessError, ValueError) as error:
        raise ValueError(f"{shown}: does not answer as Python does; {mend}") from error
    if old:
        raise ValueError(f"{shown}: is Python {found}; give 3.9 or later")
    return found


class Crew:
    """A process for each of some frameworks, by default of this interpreter."""

    def __init__(self, names: Sequence[str], python: str = "", timeout: float = TIMEOUT) -> None:
        # The slowest to import first.
        self._names = sorted(names, key=("tensorflow", "torch", "jax", "autograd").index)
        # A selector waits for no more than 24 days.
        self._python, self._timeout = python or sys.executable, min(timeout, 2_000_000)
        # Without a name, as all files here, so that nothing is left behind, however this ends.
        self._given = tempfile.TemporaryFile()  # noqa: SIM115
        self._workers: dict[str, _Worker] = {}
        # Of each that ended before it answered anything, what became of it.
        self._silent = collections.defaultdict[str, list[Reply]](list)

    def start(self, most: int | None = None) -> None:
        """Have all that is not there imported, at once, or only those that take the longest.

        Who has ended twice before it answered is not tried again.
        """
        for name in self._names[:most]:
            is_there = name in self._workers and not self._workers[name].ended
            if not is_there and len(self._silent[name]) < 2:
                self._workers[name] = _Worker(name, self._python, self._given.fileno())

    def __enter__(self) -> Crew:
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self._workers.values():
            worker.end()
        self._given.close()

    def ask(
        self, names: Sequence[str], problem: Problem, of: str, matrix: Array, cotangent: Array
    ) -> Iterator[tuple[str, Reply]]:
        """As `spectralgrad.frameworks.ask`, in the order in which they answer."""
        self._given.truncate(self._given.seek(0))
        np.savez(self._given, matrix=matrix, cotangent=cotangent)
        self._given.flush()
        self.start()
        until = time.monotonic() + self._timeout
        waiting = selectors.DefaultSelector()
        try:
            for name in names:
                worker = self._workers[name]
                if worker.ended:
                    last = self._silent[name][-1]
                    yield name, replace(last, message=f"{last.message}; not asked again")
                else:
                    waiting.register(worker.send(problem, of), selectors.EVENT_READ, worker)
            while keys := [*waiting.get_map().values()]:
                ready = [k for k, _ in waiting.select(max(0, until - time.monotonic()))]
                for key in ready or keys:
                    worker = waiting.unregister(key.fileobj).data
                    reply = worker.receive() if ready else worker.late(self._timeout)
                    if worker.ended and not worker.has_answered:
                        self._silent[worker.name].append(reply)
                    yield worker.name, reply
        finally:
            # What they answer to this is no answer to the next question.
            for key in waiting.get_map().values():
                key.data.end()
            waiting.close()


class _Worker:
    """One process, and what is said to it and by it."""

    def __init__(self, name: str, python: str, given: int) -> None:
        self.name, self.ended, self.has_answered = name, False, False
        self._found, self._errors = tempfile.TemporaryFile(), tempfile.TemporaryFile()  # noqa: SIM115
        program = (_HERE / "worker.py").read_text(encoding="utf-8")
        answers, answered = os.pipe()
        self._answers: Any = os.fdopen(answers, "rb")
        with os.fdopen(answered, "wb"):
            files = given, self._found.fileno(), answered
            self._process = subprocess.Popen(
                [python, "-c", _START, str(_HERE), name, *map(str, files), program],
                env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"},
                stdin=subprocess.PIPE,
                # What is printed, by whatever starts it too, is no answer.
                stdout=self._errors,
                stderr=subprocess.STDOUT,
                pass_fds=files,
                # Ctrl-C on the terminal is for the one that started it.
                start_new_session=True,
            )
        self._questions: Any = self._process.stdin

    def send(self, problem: Problem, of: str) -> Any:
        """Put a question, and return the file from which to `receive` when it is ready."""
        # If it is dead, `receive` says so.
        with contextlib.suppress(BrokenPipeError):
            self._questions.write(json.dumps([problem, of]).encode() + b"\n")
            self._questions.flush()
        return self._answers

    def receive(self) -> Reply:
        """What it answers; if it ended instead, why."""
        try:
            said = json.loads(self._answers.readline())
            self._found.seek(0)
            array = self._found.read()
            # Where the disk is full, half of it may have been written.
            gradient = np.load(io.BytesIO(array), allow_pickle=False) if array else None
        except ValueError:
            return Reply("", None, "failed", self._last_words())
        self.has_answered = True
        # Of ten thousand answers, what is printed would fill the disk.
        self._errors.truncate(self._errors.seek(0))
        return Reply(one_line(said.get("version", "")), gradient, said["outcome"], said["message"])

    def _last_words(self) -> str:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(1)
        self._errors.seek(max(0, self._errors.seek(0, os.SEEK_END) - 10_000))
        words = self._errors.read().decode(errors="replace").strip().rpartition("\n")[2]
        status = self._process.poll()
        self.end()
        if status is None:
            return "the process gave no whole answer"
        if status < 0:
            named = {s.value: s.name for s in signal.Signals}.get(-status, f"signal {-status}")
            return f"the process was killed ({named})"
        return words or f"the process ended with status {status}"

    def late(self, seconds: float) -> Reply:
        """End it, because nobody waits any longer."""
        self.end()
        return Reply("", None, "failed", f"took longer than {seconds:g} s; --timeout gives it more")

    def end(self) -> None:
        """End it, whatever it is doing."""
        if self.ended:
            return
        self.ended = True
        # With it, what it has started, or a wrapper has.
        with contextlib.suppress(OSError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.kill()
        self._process.wait()
        for file in (self._answers, self._found, self._errors):
            file.close()
        with contextlib.suppress(BrokenPipeError):
            self._questions.close()
