"""How files and folders are put into place: as a whole, or not at all.

Whenever a program is stopped, be it by SIGKILL or by a power cut, what is there is old or new.
"""

import contextlib
import ctypes
import errno
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


def absolute(path: str | os.PathLike[str]) -> Path:
    """Path without "..", which would lead elsewhere once a folder on the way is made."""
    return Path(os.path.abspath(path))


@contextlib.contextmanager
def writable(output: Path, mend: str) -> Iterator[None]:
    """Refuse a place that cannot be written, after a look in this context at what is there."""
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        yield
        with tempfile.TemporaryFile(dir=output.parent):
            pass
    except OSError as error:
        shown = one_line(str(output))
        raise InputError(f"{shown}: cannot be written ({error.strerror}); {mend}") from error


def require_ours(output: Path) -> None:
    """Refuse an `absolute` folder that cannot be written, or that this program did not make."""
    shown, mend = one_line(str(output)), "name another output folder"
    if Path.cwd().is_relative_to(output):
        raise InputError(f"{shown}: is the folder in which this runs, or holds it; {mend}")
    with writable(output, mend):
        if output.is_symlink() or (output.exists() and not output.is_dir()):
            raise InputError(f"{shown}: is not a folder; {mend}")
        mark = output / MARK
        is_ours = mark.is_file() and not mark.is_symlink()
        if output.is_dir() and any(output.iterdir()) and not is_ours:
            raise InputError(f"{shown}: holds files that are not a rendered book; {mend}")


@contextlib.contextmanager
def locked(path: Path, waiting: str = "", *, wait: bool = True) -> Iterator[None]:
    """Keep other processes out by a file, which is removed; a lock ends with its process.

    If somebody else has it, this says `waiting` on standard error and waits, or raises a
    `TimeoutError` if it is not to wait.
    """
    # Imported here: what is missing is said before.
    import filelock

    lock = filelock.FileLock(path)
    try:
        lock.acquire(blocking=False)
    except filelock.Timeout:
        if not wait:
            raise
        if waiting:
            print(waiting, file=sys.stderr, flush=True)
        lock.acquire()
    try:
        yield
    finally:
        # While it is held: whoever waits for this file sees that it is gone, and makes another.
        path.unlink(missing_ok=True)
        lock.release()


@contextlib.contextmanager
def written(path: Path) -> Iterator[Path]:
    """A path beside this one; the file that was written there takes its place, as a whole.

    Two who write the same file need a lock.
    """
    aside = path.with_name(f".{path.name}.new")
    # Of one that was killed; or a link, which would be written through.
    remove(aside)
    try:
        yield aside
        sync(aside)
        aside.replace(path)
        sync(path.parent)
    finally:
        remove(aside)


def sync(path: Path) -> None:
    """See to it that a power cut leaves a file as it is, or a folder with what is in it."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        # Not every file system can do it with a folder.
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(descriptor)


def publish(pages: Path, output: Path, mark: str) -> None:
    """Move a folder of pages into place, in one step where the system can; it gets this mark."""
    (pages / MARK).write_text(mark, encoding="utf-8")
    aside = output.with_name(f".{output.name}{MARK}")
    with locked(aside.with_name(f"{aside.name}.lock")):
        # Once more: it may have been filled since.
        require_ours(output)
        try:
            # Of one that was killed.
            remove(aside)
            shutil.move(pages, aside)
            for path in (aside, *aside.rglob("*")):
                sync(path)
            if output.exists():
                _exchange(aside, output)
            else:
                aside.rename(output)
            sync(output.parent)
        finally:
            remove(aside)


def remove(path: Path) -> None:
    """Remove a folder, a file, or the link of that name, if there is one."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


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
    aside = new.with_name(f"{new.name}.old")
    remove(aside)
    old.rename(aside)
    try:
        new.rename(old)
    except BaseException:
        aside.rename(old)
        raise
    aside.rename(new)
