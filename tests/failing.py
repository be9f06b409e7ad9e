"""Try every call that changes what is on the disk: that it fails, and that it is the last one."""

import builtins
import contextlib
import errno
import io
import os
import traceback
from unittest import mock

from spectralgrad.system.errors import CommandError

#: What became of the work: the call was not met, or met and survived, or raised, or was the end.
DONE, SURVIVED, FAILED, KILLED = 0, 10, 11, 12

_NAMES = (
    *("fsync", "link", "mkdir", "open", "remove", "rename", "replace", "rmdir", "symlink"),
    "unlink",
)
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT
_open = io.open


class Calls:
    """Count such calls of this process; one of them fails, or ends it if there is no error."""

    def __init__(self, at=None, error=None):
        self.at, self.error, self.made = at, error, []

    def meet(self, *call):
        self.made.append(call)
        if len(self.made) - 1 == self.at:
            if self.error is None:
                os._exit(KILLED)
            raise OSError(self.error, os.strerror(self.error))

    def __enter__(self):
        self._stack = contextlib.ExitStack()
        counted = {name: self._counted(name) for name in _NAMES}
        self._stack.enter_context(mock.patch.multiple(os, **counted))
        for module in (builtins, io):
            self._stack.enter_context(mock.patch.object(module, "open", self._open))
        return self

    def __exit__(self, *_):
        self._stack.close()

    def _counted(self, name):
        real = getattr(os, name)

        def call(*arguments, **options):
            if name != "open" or arguments[1] & _WRITES:
                self.meet(name, *arguments)
            return real(*arguments, **options)

        return call

    def _open(self, path, mode="r", buffering=-1, *text, opener=None, **named):
        if not set(mode) & set("wxa+"):
            return _open(path, mode, buffering, *text, opener=opener, **named)
        self.meet("open", path)
        raw = _File(path, mode.replace("b", ""), opener=opener)
        raw.calls = self
        buffered = io.BufferedRandom(raw) if "+" in mode else io.BufferedWriter(raw)
        return buffered if "b" in mode else io.TextIOWrapper(buffered, *text, **named)


class _File(io.FileIO):
    def write(self, data):
        self.calls.meet("write", self.name)
        return super().write(data)


def each(work):
    """Do the work again and again, and yield how each trial ended.

    In each another call fails, or is the last one. Whoever asks looks at what is left, and puts
    all in order for the next.
    """
    # Nothing in the package tells a full disk from a broken one: they take turns.
    for errors in ((None,), (errno.ENOSPC, errno.EIO)):
        status, number = None, 0
        while status != DONE:
            status = forked(work, number, errors[number % len(errors)])
            number += 1
            yield status


def forked(work, number=None, error=None):
    """Do the work in a fork of this process, which must have no threads; how it ended."""
    process = os.fork()
    if not process:
        os._exit(_status(work, number, error))
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def _status(work, number, error):
    try:
        with Calls(number, error) as calls:
            work()
    except (OSError, CommandError):
        return FAILED
    except BaseException:
        traceback.print_exc()
        return 1
    return DONE if number is None or len(calls.made) <= number else SURVIVED
