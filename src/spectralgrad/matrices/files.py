"""Which file is read, and by what."""

import difflib
import os
import stat
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

from spectralgrad.matrices import checks, published
from spectralgrad.matrices.binary import read_npy, read_npz
from spectralgrad.matrices.checks import fault, shown
from spectralgrad.matrices.inline import read_json
from spectralgrad.matrices.market import read_mtx
from spectralgrad.matrices.text import read_csv, read_tsv, read_txt
from spectralgrad.theory.arrays import Array, MatrixError

#: By suffix, what makes an array of a file.
READERS: dict[str, Callable[[Path], Array]] = {
    ".csv": read_csv,
    ".tsv": read_tsv,
    ".txt": read_txt,
    ".npy": read_npy,
    ".npz": read_npz,
    ".json": read_json,
    ".mtx": read_mtx,
}


def read_file(
    source: str | os.PathLike[str], readers: Mapping[str, Callable[[Path], Any]] = READERS
) -> Any:
    """Have a file read by one of the readers, which know the suffixes of `READERS`."""
    path = Path(os.fsdecode(source))
    suffix = path.suffix.lower()
    try:
        # To pathlib the empty path is the current directory.
        status = path.stat() if source != "" else None
    except (FileNotFoundError, NotADirectoryError):
        status = None
    # Of a path that no system knows, as one with a zero byte.
    except ValueError as error:
        raise OSError(str(error)) from None
    if status is None:
        if not suffix and source in ("", path.name):
            what = "unknown matrix, and no such file"
            raise _unknown(what, os.fsdecode(source), published.MATRICES)
        if suffix in ("", *READERS):
            raise fault("no such file", f"check the path, which is relative to {Path.cwd()}")
    elif stat.S_ISDIR(status.st_mode):
        raise fault("a directory, not a file", "give the path of a file in it")
    if status is None or suffix not in READERS:
        what = f"unknown suffix {shown(suffix)}" if suffix else "a file without a suffix"
        raise _unknown(what, suffix, READERS)
    # A pipe or a device would block, or never end.
    if not stat.S_ISREG(status.st_mode):
        raise fault("not a regular file", "copy its contents to a file")
    if status.st_size == 0:
        raise fault("an empty file", "put a matrix into it")
    if suffix != ".npy" and status.st_size > 32 * checks.MAX_ENTRIES:
        what = f"a file of {status.st_size} bytes, over the limit of {32 * checks.MAX_ENTRIES}"
        raise fault(what, "pass a smaller matrix, or save it as .npy")
    return readers[suffix](path)


def _unknown(what: str, name: str, known: Collection[str]) -> MatrixError:
    nearest = difflib.get_close_matches(name[:100].lower(), known, 1)
    guess = f"did you mean {nearest[0]}? Known" if nearest else "known"
    return fault(what, f"{guess} are {', '.join(known)}")
