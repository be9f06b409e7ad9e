"""Folders of pages: which may be replaced, and how one takes the place of another."""

import contextlib
import ctypes
import errno
import fcntl
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from spectralgrad.system import interruption
from spectralgrad.system.errors import InputError, one_line

#: File in every rendered folder, with a hash of its sources: the folder is ours to replace.
MARK = ".spectralgrad"

# A folder that is half removed, or made and not yet noted, would stay.
interruption.whole(tempfile.TemporaryDirectory.__init__)
interruption.whole(tempfile.TemporaryDirectory.cleanup)

_MEND = "name another folder with --output"


def absolute(path: str | os.PathLike[str]) -> Path:
    """Path without "..", which would lead elsewhere once a folder on the way is made."""
    return Path(os.path.abspath(path))


def require_ours(output: Path) -> None:
    """Refuse a folder that cannot be written, or that this program did not make.

    Parameters
    ----------
    output : pathlib.Path
        As `absolute` makes it. The folder that it is in is made.

    Raises
    ------
    InputError
        If the folder is not to be used.
    """
    shown = one_line(str(output))
    if Path.cwd().is_relative_to(output):
        raise InputError(f"{shown}: is the folder in which this runs, or holds it; {_MEND}")
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        if output.is_symlink() or (output.exists() and not output.is_dir()):
            raise InputError(f"{shown}: is not a folder; {_MEND}")
        if output.is_dir() and any(output.iterdir()) and not _is_file(output / MARK):
            raise InputError(f"{shown}: holds files that are not a rendered book; {_MEND}")
        with tempfile.TemporaryFile(dir=output.parent):
            pass
    except OSError as error:
        raise InputError(f"{shown}: cannot be written ({error.strerror}); {_MEND}") from error


def _is_file(path: Path) -> bool:
    return path.is_file() and not path.is_symlink()


def publish(pages: Path, output: Path, mark: str) -> None:
    """Move a folder of pages into place, in one step where the system can.

    Whenever this is stopped, be it by SIGKILL, the output is either the old pages or the new ones.

    Parameters
    ----------
    pages : pathlib.Path
        Is moved.
    output : pathlib.Path
    mark : str
        Content of the file `MARK` in the output.

    Raises
    ------
    InputError
        If the output has been filled with something else since `require_ours`.
    """
    (pages / MARK).write_text(mark, encoding="utf-8")
    aside = output.with_name(f".{output.name}{MARK}")
    with locked(output.parent):
        # Once more: it may have been filled since.
        require_ours(output)
        try:
            # Of one that was killed.
            remove(aside)
            shutil.move(pages, aside)
            if output.exists():
                _exchange(aside, output)
            else:
                aside.rename(output)
        finally:
            remove(aside)


def remove(folder: Path) -> None:
    """Remove a folder, or the link of that name, if there is one."""
    if folder.is_symlink():
        folder.unlink()
    elif folder.exists():
        shutil.rmtree(folder)


_AT_FDCWD = -100
_EXCHANGE = 2


def _exchange(new: Path, old: Path) -> None:
    """Let two folders change places: in one step on Linux and macOS, otherwise in three."""
    libc = ctypes.CDLL(None, use_errno=True)
    names = os.fsencode(new), os.fsencode(old)
    status, code = -1, errno.ENOSYS
    with contextlib.suppress(AttributeError):
        if sys.platform == "darwin":
            status = libc.renamex_np(*names, _EXCHANGE)
        else:
            status = libc.renameat2(_AT_FDCWD, names[0], _AT_FDCWD, names[1], _EXCHANGE)
        code = ctypes.get_errno()
    if status == 0:
        return
    # Not every file system can.
    if code not in (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EXDEV):
        raise OSError(code, os.strerror(code), str(old))
    with tempfile.TemporaryDirectory(dir=old.parent, prefix=".spectralgrad-") as between:
        aside = Path(between, "old")
        old.rename(aside)
        try:
            new.rename(old)
        except BaseException:
            aside.rename(old)
            raise
        aside.rename(new)


@contextlib.contextmanager
def locked(path: Path, waiting: str = "") -> Iterator[None]:
    """Keep other processes out, for as long as this one lives at most.

    Parameters
    ----------
    path : pathlib.Path
        An existing folder, or a file, which is made.
    waiting : str, optional
        Said on standard error if somebody else has the lock.
    """
    flags = os.O_RDONLY if path.is_dir() else os.O_RDWR | os.O_CREAT
    # The system gives the lock back when the last process that has it open ends, however it ends.
    descriptor = os.open(path, flags | os.O_NOFOLLOW, 0o666)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if waiting:
                print(waiting, file=sys.stderr, flush=True)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
