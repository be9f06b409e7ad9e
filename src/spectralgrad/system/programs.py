"""A reader's own program, which is executed because its reader says so; nothing else ever is."""

import contextlib
import io
import os
import sys
import threading
import traceback
import types
import warnings
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NoReturn

from spectralgrad.system import interruption
from spectralgrad.system.errors import InputError, one_line, said


class Printed(io.StringIO):
    """How what a program prints begins; of a loss, which is called many times, that is enough."""

    def write(self, text: str) -> int:
        """Keep no more than a line."""
        super().write(text[: 100 - self.tell()])
        return len(text)


@contextlib.contextmanager
def printing() -> Iterator[Printed]:
    """Keep what a program prints out of standard output, which is for answers.

    What compiled code and other programs write there goes to standard error.
    """
    original, printed = os.dup(1), Printed()
    os.dup2(2, 1)
    try:
        with contextlib.redirect_stdout(printed):
            yield printed
    finally:
        os.dup2(original, 1)
        os.close(original)


def parse(given: str) -> tuple[str, types.CodeType]:
    """Name of a function, and code of its file; nothing is executed."""
    file, _, name = given.rpartition(":")
    if not file.endswith(".py") or not name.isidentifier():
        raise InputError(f"{one_line(given)}: is no function; give FILE.py:NAME, as in loss.py:f")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            code = compile(Path(file).read_bytes(), file, "exec", dont_inherit=True)
    except OSError as error:
        raise InputError(f"{one_line(file)}: cannot be read ({error.strerror})") from None
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise InputError(f"{one_line(file)}: is not Python: {said(error)}") from None
    return name, code


def load(given: str) -> Callable[..., Any]:
    """Execute a file and return its function of a name, both given as ``FILE.py:NAME``.

    As for a program, the folder of the file comes first where modules are looked for; but its
    ``__name__`` is that of a module. An InputError says in one line what is wrong, and where.
    """
    name, code = parse(given)
    path = Path(code.co_filename).absolute()
    # A file with the name of a library does not take its place.
    module = types.ModuleType(path.stem if path.stem not in sys.modules else str(path))
    sys.modules[module.__name__], module.__file__ = module, str(path)
    sys.path.insert(0, str(path.parent))
    try:
        exec(code, vars(module))
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        place = _place(code.co_filename, reversed([*traceback.walk_tb(error.__traceback__)]))
        raise InputError(f"{place}: {type(error).__name__}: {said(error)}") from None
    function: Callable[..., Any] | None = getattr(module, name, None)
    if callable(function):
        return function
    own = [n for n, x in vars(module).items() if callable(x) and x.__module__ == module.__name__]
    there = f"choose from {', '.join(own)}" if own else "it defines none"
    raise InputError(f"{one_line(code.co_filename)}: has no function {name}; {there}")


@contextlib.contextmanager
def limit(seconds: int, file: str) -> Iterator[None]:
    """End the process with one line if this takes longer; the line says where in the file it is."""
    longest = min(seconds, threading.TIMEOUT_MAX)
    watch = threading.Timer(longest, _end, (seconds, file, threading.get_ident()))
    watch.daemon = True
    watch.start()
    try:
        yield
    finally:
        watch.cancel()


def _end(seconds: int, file: str, thread: int) -> NoReturn:
    place = _place(file, traceback.walk_stack(sys._current_frames()[thread]))
    line = f"spectralgrad: {place}: took longer than {seconds} s; --timeout gives it more\n"
    try:
        os.write(interruption.work.error, line.encode())
    finally:
        os._exit(2)


def _place(file: str, stack: Iterable[tuple[types.FrameType, int]]) -> str:
    """A file, and the line in it of the innermost call, which comes first."""
    lines = (f":{n}" for frame, n in stack if frame.f_code.co_filename == file)
    return one_line(file) + next(lines, "")
