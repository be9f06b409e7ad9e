"""Processes that do the work of a build, and end with the one that started them."""

import contextlib
import fcntl
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from spectralgrad.system import interruption

#: Seconds that a process has to end by itself, and to end what it has started.
GRACE = 5.0

_running: "set[Process]" = set()


class Process(subprocess.Popen[bytes]):
    """A module of this package, run as a program that ends with this one; what it prints is logged.

    It calls `end_with_parent` first: if this is killed, the standard input of that ends.
    """

    @interruption.whole
    def __init__(
        self,
        module: str,
        *arguments: str | Path,
        log: Path,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._log = log
        listened, ours = os.pipe()
        self._line = os.fdopen(ours, "wb", buffering=0)
        with os.fdopen(listened, "rb") as given, log.open("wb") as output:
            # Whoever prints into it holds it: the process, and what that starts.
            fcntl.flock(output, fcntl.LOCK_EX)
            super().__init__(
                [sys.executable, "-m", module, *map(str, arguments)],
                env=os.environ | (environment or {}),
                stdin=given,
                stdout=output,
                stderr=subprocess.STDOUT,
                # Ctrl-C on the terminal is for the one that started it.
                start_new_session=True,
            )
        _running.add(self)

    def __exit__(self, *_: object) -> None:
        stop(self)

    def go(self) -> None:
        """Let a process go on that waits in `ready`."""
        with contextlib.suppress(BrokenPipeError):
            self._line.write(b"\n")

    def output(self) -> str:
        """All that it printed."""
        return self._log.read_text(encoding="utf-8", errors="replace")


def stop(*started: Process) -> None:
    """End processes, at the same time, and whatever they have started."""
    with contextlib.ExitStack() as ending:
        for process in started:
            # The stack is left even if this is interrupted.
            ending.callback(process.wait)
            ending.callback(process.kill)
        for process in started:
            process._line.close()
        until = time.monotonic() + GRACE
        for process in started:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(max(0, until - time.monotonic()))
    # A kernel whose process was interrupted while it started the kernel lives until it notices, and
    # writes its files as if the folder were still there.
    for process in started:
        with contextlib.suppress(FileNotFoundError), process._log.open("rb") as log:
            fcntl.flock(log, fcntl.LOCK_EX)
    _running.difference_update(started)


@contextlib.contextmanager
def all_ended() -> Iterator[None]:
    """A context after which nothing runs that was started."""
    # Not even what nobody has taken yet: an interruption may come between the start of a process
    # and the context that ends it; and that would write into a folder while it is removed.
    try:
        yield
    finally:
        stop(*_running)


_GO = threading.Event()


def end_with_parent() -> None:
    """See to it, in a process that was started, that it ends when the one that started it does."""
    # Whoever is started in the background ignores it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    threading.Thread(target=_listen, daemon=True).start()


def ready() -> None:
    """Wait, in a process that was started, until `Process.go` is called."""
    _GO.wait()


def _listen() -> None:
    while os.read(sys.stdin.fileno(), 1):
        _GO.set()
    # Papermill, interrupted, ends its kernel; killed, it would leave it behind for a while.
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(GRACE - 1)
    os._exit(1)
