"""What stops this program: Ctrl-C, a signal that asks it to end, a terminal that is closed.

A `KeyboardInterrupt` is a traceback where nobody waits for it; a library that is being imported may
take it for a mistake of its own, and a destructor loses it. So one is raised only where there is
something to be put in order, and never in the middle of an import; elsewhere the process says its
line and ends at once. All imports but those of Python itself come after `catch`.
"""

# The module `signal` makes enumerations, and takes longer than Python does to start.
import _signal  # type: ignore[import-not-found]
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType, FrameType
    from typing import Any, NoReturn, TypeVar

    Function = TypeVar("Function", bound=Callable[..., Any])

#: Exit status of a program that was stopped, as shells have it.
STATUS = 130

_DEFAULTS = (_signal.SIG_DFL, _signal.default_int_handler)

# Seconds after which a signal that comes in the middle of something comes again.
_LATER = 0.02


class _Work:
    """A context for what leaves something to be put in order if it is stopped."""

    #: What is said then.
    stopped = "stopped"

    begun = raised = False
    signals = 0
    error = 2

    def __enter__(self) -> None:
        self.begun = True

    def __exit__(self, *_: object) -> None:
        self.begun = False


#: In this context a signal raises `KeyboardInterrupt`, once; who insists ends the process.
work = _Work()


def catch() -> None:
    """Take the signals from here on, but those that are ignored, as in the background."""
    for number in (_signal.SIGINT, _signal.SIGTERM, _signal.SIGHUP):
        if _signal.getsignal(number) in _DEFAULTS:
            _signal.signal(number, _stop)
    _signal.signal(_signal.SIGALRM, _stop)
    sys.unraisablehook = _take_back
    if sys.stderr:
        # Standard error is elsewhere while compiled code is kept quiet.
        work.error = os.dup(2)


def _stop(number: int, frame: "FrameType | None") -> None:
    work.signals += number != _signal.SIGALRM
    insists = work.begun and work.signals > 2
    if work.raised and not insists:
        return
    if insists or not work.begun:
        _end()
    if _is_busy(frame):
        _signal.setitimer(_signal.ITIMER_REAL, _LATER)
    else:
        work.raised = True
        raise KeyboardInterrupt


def _end() -> "NoReturn":
    try:
        os.write(work.error, f"spectralgrad: {work.stopped}\n".encode())
    finally:
        os._exit(STATUS)


_whole: "set[CodeType]" = set()


def whole(function: "Function") -> "Function":
    """Mark a function that is not left before it returns: what it starts would be forgotten."""
    _whole.add(function.__code__)
    return function


def _is_busy(frame: "FrameType | None") -> bool:
    while frame:
        if frame.f_code in _whole or frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False


def _take_back(lost: "sys.UnraisableHookArgs") -> None:
    """Raise once more what was raised in a destructor, where Python would print and forget it."""
    if issubclass(lost.exc_type, KeyboardInterrupt):
        work.raised = False
        _signal.setitimer(_signal.ITIMER_REAL, _LATER)
    else:
        sys.__unraisablehook__(lost)
