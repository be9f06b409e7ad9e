"""Find the matrices in files and folders, one after another."""

import contextlib
import hashlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from spectralgrad import matrices
from spectralgrad.matrices import MatrixError
from spectralgrad.system import storage
from spectralgrad.system.errors import InputError, one_line, said
from spectralgrad.theory.arrays import Array


@dataclass(frozen=True, eq=False)
class Task:
    """A matrix as it is in its file; its place in a stack, as "matrix 3", or empty; its digest."""

    source: str
    place: str
    digest: str | None
    matrix: Array


def digest(matrix: Array) -> str:
    """Hash dtype, shape and entries, row by row: 32 hexadecimal digits of SHA-256."""
    head = f"{matrix.dtype.str} {matrix.shape} ".encode()
    return hashlib.sha256(head + matrix.tobytes()).hexdigest()[:32]


def roots(paths: Iterable[str | os.PathLike[str]]) -> list[str]:
    """Check that all paths are there, and leave out those that lead to the same place."""
    places: dict[str, str] = {}
    for path in (str(Path(os.fsdecode(path))) for path in paths):
        if not os.path.lexists(path):
            raise InputError(
                f"{one_line(path, 200)}: no such file or folder; check the path, which is relative "
                f"to {one_line(os.getcwd())}"
            )
        places.setdefault(_place(path), path)
    return list(places.values())


def _place(path: str) -> str:
    """Where a path is, without links on the way; a file that is a link is not its target."""
    if os.path.isdir(path):
        return os.path.realpath(path)
    folder, last = os.path.split(os.path.abspath(path))
    return os.path.join(os.path.realpath(folder), last)


def paths(roots: list[str]) -> Iterator[str]:
    """Walk through folders, in the order of the names; a folder comes before what is in it.

    A file that is named counts whatever it is called. In a folder those count that have a suffix
    of matrices; what is hidden, folders of rendered pages, links to folders, and what is a root
    itself are left out.
    """
    places = set(map(_place, roots))
    for root in roots:
        waiting = [root]
        while waiting:
            path = waiting.pop()
            if path != root and (_is_left_out(path) or _place(path) in places):
                continue
            yield path
            if os.path.isdir(path):
                # One that cannot be listed is for `read` to say.
                with contextlib.suppress(OSError):
                    names = sorted(os.listdir(path), reverse=True)
                    waiting += [os.path.join(path, name) for name in names if name[0] != "."]


def _is_left_out(path: str) -> bool:
    if os.path.isdir(path):
        # The files of rendered pages are no matrices.
        return os.path.islink(path) or os.path.isfile(os.path.join(path, storage.MARK))
    return os.path.splitext(path)[1].lower() not in matrices.SUFFIXES


def count(path: str) -> int:
    """Count the matrices that `read` yields, at a glance; where there is none, its message."""
    return 0 if os.path.isdir(path) else matrices.count(path)


def read(path: str) -> Iterator[Task]:
    """Read the matrices of a file; a folder has none of its own, but it must be possible to list.

    A MatrixError says what is wrong and does not name the file.
    """
    source = one_line(path)
    try:
        if os.path.isdir(path):
            os.listdir(path)
            return
        for place, matrix in matrices.each(path):
            yield Task(source, place, digest(matrix), matrix)
    except MatrixError as error:
        error.source = ""
        raise
    except OSError as error:
        raise MatrixError(f"cannot be listed ({error.strerror}); check its permissions") from None
    # One bad file, whatever is wrong with it, does not stop a survey.
    except Exception as error:
        raise MatrixError(f"cannot be read ({said(error)})") from error
