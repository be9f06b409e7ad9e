"""Read a matrix from wherever the reader has it, or say in one line why not.

`files` finds what reads a file: `text`, `binary` or `market`; `inline` is for arrays, nested lists,
and JSON. `checks` holds what is refused, and `published` what the three source pages print.
"""

import contextlib
import os
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from spectralgrad.matrices import checks, published
from spectralgrad.matrices.binary import count_npy, each_npy
from spectralgrad.matrices.checks import MAX_ENTRIES as MAX_ENTRIES
from spectralgrad.matrices.checks import RANGE as RANGE
from spectralgrad.matrices.files import READERS, read_file
from spectralgrad.matrices.inline import as_array, from_json, from_nested
from spectralgrad.system.errors import one_line
from spectralgrad.theory.arrays import Array
from spectralgrad.theory.arrays import MatrixError as MatrixError

# What `load` reads; nested lists may hold numbers and texts.
Source = ArrayLike | os.PathLike[str] | Sequence[Any]

#: Of the files that `load` reads.
SUFFIXES = tuple(READERS)

#: What `load` converts to; with ``"auto"``, to the nearest of the others.
DTYPES = ("auto", "float32", "float64", "complex64", "complex128")


def load(source: Source, *, dtype: str = "auto", stack: bool = False) -> Array:
    """Read a matrix and check it.

    Parameters
    ----------
    source : str, os.PathLike, list, tuple or array_like
        A string is looked up as a name in `spectralgrad.matrices.published.MATRICES`, else read as
        JSON if it starts with ``[``, else taken for a path.

        A file is read by its suffix: ``.csv`` (commas), ``.tsv`` (tabs), ``.txt`` (white space or
        commas), ``.npy``, ``.npz`` (of one array), ``.json`` (a nested list) or ``.mtx`` (Matrix
        Market, dense or sparse). Text is UTF-8. Of a table, blank lines and lines that start with
        ``#`` or ``%`` are skipped, and a number below the smallest float64 is 0. An ``.npy`` file
        has nothing behind its array, any other at most ``32 * MAX_ENTRIES`` bytes. Nothing is
        unpickled.

        In text a complex number is written ``1+2j`` or ``1+2i``, in JSON and nested lists as a
        string, ``"1+2j"``: a pair ``[re, im]`` would turn the matrix into a stack.
    dtype : {"auto", "float32", "float64", "complex64", "complex128"}, optional
        Convert to this. A real `dtype` only sets the precision: it makes complex data complex64
        or complex128, and never drops an imaginary part.
    stack : bool, optional
        Accept stacks of matrices, of shape ``(..., m, n)``.

    Returns
    -------
    numpy.ndarray
        Shape ``(m, n)``, or ``(..., m, n)`` with `stack`; finite, C-contiguous, and sharing no
        memory with `source`. With ``"auto"``, float32, float64, complex64 and complex128 are
        kept, float16 becomes float32, longer types are shortened to float64 or complex128, and
        booleans, integers, text and nested lists give float64 (complex128 where complex).

    Raises
    ------
    MatrixError
        If `source` is no such matrix, does not fit in `dtype`, has more entries than
        `spectralgrad.matrices.checks.MAX_ENTRIES`, or has its largest one (if not zero) outside
        `spectralgrad.matrices.checks.RANGE`.
    """
    with _naming("the matrix given inline" if _is_inline(source) else describe(source)):
        dtype = str(dtype)
        if dtype not in DTYPES:
            mend = f"use {', '.join(DTYPES)}"
            raise checks.fault("unknown", mend, f"dtype {checks.shown(dtype)}")
        array = _read(source)
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
    if not _is_inline(source):
        array: Array = read_file(source)
        return array
    if isinstance(source, str):
        return from_json(source)
    return from_nested(source) if isinstance(source, list | tuple) else as_array(source)


def describe(source: Any) -> str:
    """Name a source in one line for a person, be it valid or not.

    A published name or a path is as it was given, with odd characters escaped; what has no name is
    ``"a 2 × 2 matrix given inline"``.
    """
    if not _is_inline(source):
        return one_line(os.fsdecode(source), 200) or "''"
    try:
        shape = load(source, stack=True).shape
    except MatrixError:
        return "a matrix given inline"
    kind = f"a {checks.times(shape)} matrix" if len(shape) == 2 else checks.stack_of(shape)
    return f"{kind} given inline"


def members(stack: Array) -> Iterator[tuple[str, Array]]:
    """Yield the matrices of a stack with their places, as ``"matrix 3"``, counting from 1.

    The place is empty if the stack is one matrix.
    """
    for index in np.ndindex(stack.shape[:-2]):
        yield checks.place_of(index, stack.ndim) if index else "", stack[index]


def each(path: str | os.PathLike[str]) -> Iterator[tuple[str, Array]]:
    """Read the matrices of a file one after another, as `members`; entries are not checked.

    So a survey goes on behind a matrix that `load` refuses. A stack in an .npy file may have any
    number of matrices: it is not read as a whole. MatrixError is raised where the file is not one
    of matrices, or ends too early.
    """
    with _naming(describe(path)):
        found = read_file(path, READERS | {".npy": each_npy})
        if isinstance(found, np.ndarray):
            checks.check_shape(found.shape, stack=True)
            found = members(found)
        yield from found


def count(path: str | os.PathLike[str]) -> int:
    """Count the matrices of a file at a glance: what the header of an .npy file says, or 1."""
    with contextlib.suppress(MatrixError, OSError):
        number: int = read_file(path, dict.fromkeys(READERS, lambda _: 1) | {".npy": count_npy})
        return number
    return 1
