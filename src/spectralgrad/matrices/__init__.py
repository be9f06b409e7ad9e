"""Read a matrix from wherever the reader has it, or say in one line why not.

`text` and `binary` read files; `inline` is for arrays, nested lists, and JSON. `checks` holds what
is refused, `published` what the three source pages print, and `corpus` what a survey can take.
"""

import contextlib
import difflib
import os
import stat
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from spectralgrad.matrices import binary, checks, corpus, inline, published, text
from spectralgrad.matrices.checks import MAX_ENTRIES as MAX_ENTRIES
from spectralgrad.matrices.checks import RANGE as RANGE
from spectralgrad.matrices.checks import fault, shown
from spectralgrad.system.errors import one_line
from spectralgrad.theory.arrays import Array
from spectralgrad.theory.arrays import MatrixError as MatrixError

# What `load` reads; nested lists may hold numbers and texts.
Source = ArrayLike | os.PathLike[str] | Sequence[Any]

#: By suffix, what makes an array of a file.
READERS: dict[str, Callable[[Path], Array]] = {
    ".csv": text.read_csv,
    ".tsv": text.read_tsv,
    ".txt": text.read_txt,
    ".npy": binary.read_npy,
    ".npz": binary.read_npz,
    ".json": inline.read_json,
    ".mtx": text.read_mtx,
}

#: Of the files that `load` reads.
SUFFIXES = tuple(READERS)

#: What `load` converts to; with ``"auto"``, to the nearest of the others.
DTYPES = ("auto", "float32", "float64", "complex64", "complex128")


def load(source: Source, *, dtype: str = "auto", stack: bool = False, large: bool = False) -> Array:
    """Read a matrix and check it.

    A MatrixError is raised if it is none, does not fit in `dtype`, has more entries than
    `spectralgrad.matrices.checks.MAX_ENTRIES`, or has its largest one (if not zero) outside
    `spectralgrad.matrices.checks.RANGE`.

    Parameters
    ----------
    source : str, os.PathLike, list, tuple or array_like
        A string is looked up as a name in `spectralgrad.matrices.published.MATRICES`, else read as
        JSON if it starts with ``[``, as a name of `spectralgrad.matrices.corpus` if it starts with
        ``corpus:``, else taken for a path.

        A file is read by its suffix: ``.csv`` (commas), ``.tsv`` (tabs), ``.txt`` (white space or
        commas), ``.npy``, ``.npz`` (of one array, or of ``scipy.sparse.save_npz``),
        ``.json`` (a nested list) or ``.mtx`` (Matrix Market, dense or sparse). Text is UTF-8. Of a
        table, blank lines and lines that start with ``#`` or ``%`` are skipped, and a number below
        the smallest float64 is 0. An ``.npy`` file has nothing behind its array, any other at most
        ``32 * MAX_ENTRIES`` bytes. Nothing is unpickled.

        In text a complex number is written ``1+2j`` or ``1+2i``, in JSON and nested lists as a
        string, ``"1+2j"``: a pair ``[re, im]`` would turn the matrix into a stack.
    dtype : {"auto", "float32", "float64", "complex64", "complex128"}, optional
        Convert to this. A real `dtype` only sets the precision: it makes complex data complex64
        or complex128, and never drops an imaginary part.
    stack : bool, optional
        Accept stacks of matrices, of shape ``(..., m, n)``.
    large : bool, optional
        Accept what is sparse, and too large for an array, as a ``scipy.sparse.csr_array``; it has
        at most so many rows, columns, and entries that are stored.

    Returns
    -------
    numpy.ndarray
        Shape ``(m, n)``, or ``(..., m, n)`` with `stack`; finite, C-contiguous, and sharing no
        memory with `source`. With ``"auto"``, float32, float64, complex64 and complex128 are
        kept, float16 becomes float32, longer types are shortened to float64 or complex128, and
        booleans, integers, text and nested lists give float64 (complex128 where complex).
    """
    with _naming("the matrix given inline" if _is_inline(source) else describe(source)):
        dtype = str(dtype)
        if dtype not in DTYPES:
            mend = f"use {', '.join(DTYPES)}"
            raise fault("unknown", mend, f"dtype {shown(dtype)}")
        array = _read(source)
        if large and not isinstance(array, np.ndarray):
            return checks.checked(array, dtype)
        checks.check_shape(array.shape, stack)
        checks.check_finite(array)
        return checks.cast(array, dtype)


@contextlib.contextmanager
def _naming(label: str) -> Iterator[None]:
    """Say of which matrix an error is."""
    try:
        yield
    except OSError as error:
        what = f"cannot be read ({error.strerror or error})"
        raise MatrixError(what, "check the path and its permissions", source=label) from None
    except MatrixError as error:
        error.source = label
        raise


def _is_inline(source: object) -> bool:
    if isinstance(source, str):
        return source.lstrip().startswith("[")
    return not isinstance(source, os.PathLike)


def _read(source: Any) -> Array:
    if isinstance(source, str) and source in published.MATRICES:
        return published.MATRICES[source]
    if isinstance(source, str) and source.startswith(corpus.PREFIX):
        return corpus.matrix(source)
    if not _is_inline(source):
        suffix, path = _find_file(source)
        return READERS[suffix](path)
    if isinstance(source, str):
        return inline.from_json(source)
    if isinstance(source, list | tuple):
        return inline.from_nested(source)
    if hasattr(source, "tocsr") and source.ndim == 2:
        return checks.settle(source)
    return inline.as_array(source)


def _find_file(source: str | os.PathLike[str]) -> tuple[str, Path]:
    """Suffix and path of a file that one of the readers may open."""
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
    return suffix, path


def _unknown(what: str, name: str, known: Collection[str]) -> MatrixError:
    nearest = difflib.get_close_matches(name[:100].lower(), known, 1)
    guess = f"did you mean {nearest[0]}? Known" if nearest else "known"
    return fault(what, f"{guess} are {', '.join(known)}")


def describe(source: Any) -> str:
    """Name a source in one line for a person, be it valid or not.

    A published name or a path is as it was given, with odd characters escaped; what has no name is
    ``"a 2 × 2 matrix given inline"``.
    """
    if not _is_inline(source):
        return one_line(os.fsdecode(source), 200) or "''"
    try:
        shape = load(source, stack=True, large=True).shape
    except MatrixError:
        return "a matrix given inline"
    kind = f"a {checks.times(shape)} matrix" if len(shape) == 2 else checks.stack_of(shape)
    return f"{kind} given inline"


def members(stack: Array) -> Iterator[tuple[str, Array]]:
    """Yield the matrices of a stack with their places, as ``"matrix 3"``, counting from 1.

    The place is empty if the stack is one matrix.
    """
    for index in np.ndindex(stack.shape[:-2]):
        yield checks.place_of(index, stack.ndim), stack[index] if index else stack


def each(path: str | os.PathLike[str]) -> Iterator[tuple[str, Array]]:
    """Read the matrices of a file one after another, as `members`; entries are not checked.

    So a survey goes on behind a matrix that `load` refuses. A stack in an .npy file may have any
    number of matrices: it is not read as a whole. MatrixError is raised where the file is not one
    of matrices, or ends too early.
    """
    with _naming(describe(path)):
        if str(path).startswith(corpus.PREFIX):
            yield "", corpus.matrix(str(path))
            return
        suffix, file = _find_file(path)
        found = binary.each_npy(file) if suffix == ".npy" else READERS[suffix](file)
        if not isinstance(found, Iterator):
            checks.check_shape(found.shape, stack=True)
            found = members(found)
        yield from found


def count(path: str | os.PathLike[str]) -> int:
    """Count the matrices of a file at a glance: what the header of an .npy file says, or 1."""
    with contextlib.suppress(MatrixError, OSError):
        suffix, file = _find_file(path)
        return binary.count_npy(file) if suffix == ".npy" else 1
    return 1
