"""Read a matrix from wherever the reader has it, or say in one line why not."""

import cmath
import csv
import io
import itertools
import math
import numbers
import os
import re
import stat
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, SupportsIndex

import numpy as np
from numpy.typing import ArrayLike

from spectralgrad.system.errors import one_line
from spectralgrad.theory.arrays import Array
from spectralgrad.theory.arrays import MatrixError as MatrixError

# What `load` reads; nested lists may hold numbers and texts.
Source = ArrayLike | os.PathLike[str] | Sequence[Any]

#: The largest matrix or stack accepted, in entries.
MAX_ENTRIES = 2**24

#: The largest entry of a matrix lies between these, so that nobody's squares overflow.
RANGE = (1e-150, 1e150)

#: What `load` converts to; by ``"auto"``, to the nearest of the others.
DTYPES = ("auto", "float32", "float64", "complex64", "complex128")

_INLINE = "the matrix given inline"
_COMPLEX_HINT = 'complex ones as "1+2j"'
# NumPy's own limit; it also ends the walk into a list that contains itself.
_MAX_DEPTH = 64
# Bytes of the list of members of an archive, which takes ten times that in memory.
_LONGEST_LIST = 2**20
# Of an object in JSON it is enough that it is one.
_OBJECT: dict[str, object] = {}


def load(source: Source, *, dtype: str = "auto", stack: bool = False) -> Array:
    """Read a matrix and check it.

    Parameters
    ----------
    source : str, os.PathLike, list, tuple or array_like
        A string is looked up as a name in `spectralgrad.matrices.published.MATRICES`, else read as
        JSON if it starts with ``[``, else taken for a path.

        A file is read by its suffix, in either case. ``.csv`` (commas), ``.tsv`` (tabs) and
        ``.txt`` (white space or commas) are UTF-8, a row per line; blank lines and lines that
        start with ``#`` or ``%`` are skipped. ``.npy``, ``.npz`` (of one array), ``.json`` (a
        nested list) and ``.mtx`` (Matrix Market, dense or sparse) are the others.

        A text or an ``.npz`` file has at most ``32 * MAX_ENTRIES`` bytes, and an ``.npy`` file one
        array with nothing behind it. Nothing is unpickled. In a text, a number below the smallest
        float64 is 0.

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
        If `source` is no such matrix, has more than `MAX_ENTRIES` entries, does not fit in
        `dtype`, or has its largest entry outside `RANGE` (and is not zero).
    """
    label = _INLINE if _is_inline(source) else describe(source)
    try:
        if str(dtype) not in DTYPES:
            raise _fault("unknown", f"use {', '.join(DTYPES)}", f"dtype {_stood(str(dtype))}")
        array = _read(source)
        _check_shape(array.shape, stack)
        _check_finite(array)
        result = _cast(array, str(dtype))
        _check_range(result)
        return result
    except MatrixError as error:
        error.source = label
        raise


def describe(source: Any) -> str:
    """Name a source for a person.

    Parameters
    ----------
    source : str, os.PathLike, list, tuple or array_like
        As for `load`; need not be valid.

    Returns
    -------
    str
        One line: the published name, the path as given (odd characters escaped) or
        ``"a 2 × 2 matrix given inline"``.
    """
    if not _is_inline(source):
        return one_line(os.fsdecode(source), 200) or "''"
    try:
        shape = load(source, stack=True).shape
    except MatrixError:
        return "a matrix given inline"
    if len(shape) > 2:
        return f"{_stack_of(shape)} given inline"
    return f"a {_times(shape)} matrix given inline"


def members(stack: Array) -> Iterator[tuple[str, Array]]:
    """Yield the matrices of a stack.

    Parameters
    ----------
    stack : (..., m, n) numpy.ndarray

    Yields
    ------
    place : str
        As ``"matrix 3"``, counting from 1; empty if the stack is one matrix.
    matrix : (m, n) numpy.ndarray
    """
    for index in np.ndindex(stack.shape[:-2]):
        yield _place(index, stack.ndim) if index else "", stack[index]


def each(path: str | os.PathLike[str]) -> Iterator[tuple[str, Array]]:
    """Read the matrices of a file one after another; their entries are not checked.

    So a survey goes on behind a matrix that `load` refuses. A stack in an .npy file may have any
    number of matrices: it is not read as a whole.

    Parameters
    ----------
    path : str or os.PathLike
        As for `load`: of a file.

    Yields
    ------
    place : str
        As ``"matrix 3"``, counting from 1; empty if the file holds one matrix.
    matrix : (m, n) numpy.ndarray

    Raises
    ------
    MatrixError
        If the file is not one of matrices, or ends too early.
    """
    try:
        found = _read_file(path, _READERS | {".npy": _each_npy})
        if isinstance(found, np.ndarray):
            _check_shape(found.shape, stack=True)
            found = members(found)
        yield from found
    except OSError as error:
        fault = _unreadable(error)
        fault.source = describe(path)
        raise fault from None
    except MatrixError as error:
        error.source = describe(path)
        raise


def count(path: str | os.PathLike[str]) -> int:
    """Count the matrices of a file, at a glance.

    Parameters
    ----------
    path : str or os.PathLike

    Returns
    -------
    int
        What the header of an .npy file says; 1 for any other file, and if that cannot be read.
    """
    try:
        number: int = _read_file(
            path, {suffix: lambda _: 1 for suffix in _READERS} | {".npy": _count_npy}
        )
        return number
    except MatrixError:
        return 1


def _is_inline(source: object) -> bool:
    if isinstance(source, str):
        return source.lstrip().startswith("[")
    return not isinstance(source, os.PathLike)


def _read(source: Any) -> Array:
    if isinstance(source, str):
        # Imported late: nobody who passes an array needs the published tables.
        from spectralgrad.matrices.published import MATRICES

        if source in MATRICES:
            return np.asarray(MATRICES[source])
        if _is_inline(source):
            return _from_json(source)
    if not _is_inline(source):
        array: Array = _read_file(source)
        return array
    if isinstance(source, list | tuple):
        return _from_nested(source)
    return _as_array(source)


# Faults


def _fault(what: str, mend: str, place: str = "") -> MatrixError:
    return MatrixError(one_line(what), one_line(mend), place=one_line(place))


def _stood(item: Any) -> str:
    """Show what stood where a number should have: text itself, of anything else the kind."""
    if isinstance(item, str):
        return f"'{one_line(item, 40)}'" if item.strip() else "an empty cell"
    if item is None or isinstance(item, bool):
        return str(item)
    return f"a {type(item).__name__}"


def _place(index: Iterable[SupportsIndex], ndim: int) -> str:
    """Name the place of a (possibly partial) 0-based index, counting from 1."""
    index = tuple(int(i) + 1 for i in index)
    if ndim < 2:
        return f"entry {index[0]}"
    lead, rest = index[: ndim - 2], index[ndim - 2 :]
    parts = [f"matrix {lead[0] if len(lead) == 1 else lead}"] if lead else []
    parts += [f"{name} {i}" for name, i in zip(("row", "column"), rest, strict=False)]
    return ", ".join(parts)


def _times(shape: Sequence[int]) -> str:
    return " × ".join(map(str, shape))


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _stack_of(shape: Sequence[int]) -> str:
    number = math.prod(shape[:-2])
    return f"a stack of {number} {'matrix' if number == 1 else 'matrices'} of {_times(shape[-2:])}"


# Checks


def _check_shape(shape: Sequence[int], stack: bool) -> None:
    _check_size(shape)
    if len(shape) < 2:
        what = f"a vector of {_count(shape[0], 'number')}" if shape else "a single number"
        raise _fault(f"{what}, not a matrix", "give it two dimensions, such as [[1, 2], [3, 4]]")
    if len(shape) > 2 and not stack:
        if math.prod(shape[:-2]) == 1:
            # Never drop the dimensions silently: the caller meant something by them.
            mend = f"reshape it to {_times(shape[-2:])}"
        else:
            mend = "pass one of them"
        if shape[-1] == 2:
            mend += f", and write numbers not as pairs but {_COMPLEX_HINT}"
        raise _fault(f"is {_stack_of(shape)}", mend)


def _check_size(shape: Sequence[int]) -> None:
    if 0 in shape:
        raise _fault(f"empty, of shape {_times(shape)}", "give it at least one row and one column")
    if math.prod(shape) > MAX_ENTRIES:
        raise _fault(
            f"{_times(shape)} entries, over the limit of {MAX_ENTRIES}", "pass a smaller matrix"
        )


def _too_many(place: str = "") -> MatrixError:
    what = f"holds more numbers than the limit of {MAX_ENTRIES}"
    return _fault(what, "pass a smaller matrix", place)


def _check_kind(dtype: np.dtype[Any]) -> None:
    if dtype.kind not in "biufc":
        kind = "Python objects (pickled data is never read)" if dtype.hasobject else dtype.name
        is_text = dtype.hasobject or dtype.kind in "SU"
        mend = "convert it with .astype(float)" if is_text else "pass a plain array of numbers"
        raise _fault(f"holds {kind}, not numbers", mend)


def _check_finite(array: Array) -> None:
    finite = np.isfinite(array)
    if not finite.all():
        index = np.unravel_index(np.argmin(finite), array.shape)
        raise _not_finite(_place(index, array.ndim), array[index])


def _check_range(array: Array) -> None:
    largest = max(float(np.abs(part).max()) for part in _parts(array))
    smallest_allowed, largest_allowed = RANGE
    if largest > largest_allowed or 0 < largest < smallest_allowed:
        way = "down" if largest > 1 else "up"
        raise _fault(
            f"{largest:.2g} is its largest entry, too {'large' if way == 'down' else 'small'} to "
            "be squared in a float64",
            f"scale the matrix {way}, which leaves the gradients of its eigenvalues and singular "
            "values as they are",
        )


def _not_finite(place: str, value: complex) -> MatrixError:
    what = "NaN" if cmath.isnan(value) else "infinity, or too large for a float64"
    return _fault(what, "replace it by a finite number", place)


def _cast(array: Array, dtype: str) -> Array:
    asked = array.dtype.name if dtype == "auto" else dtype
    bits = 32 if asked in ("float16", "float32", "complex64") else 64
    is_complex = array.dtype.kind == "c" or asked.startswith("complex")
    target = f"complex{2 * bits}" if is_complex else f"float{bits}"
    with np.errstate(all="ignore"):
        result = np.array(array, dtype=target, order="C")
    vanished = [
        (new == 0) & (old != 0) for new, old in zip(_parts(result), _parts(array), strict=True)
    ]
    for lost, size, way in (
        (~np.isfinite(result), "large", "down"),
        (np.logical_or(*vanished), "small", "up"),
    ):
        if lost.any():
            index = np.unravel_index(np.argmax(lost), array.shape)
            mend = f"scale the matrix {way}"
            if bits == 32:
                mend += f", or use {'complex128' if is_complex else 'float64'}"
            what = f"{array[index]!s} is too {size} for {target}"
            raise _fault(what, mend, _place(index, array.ndim))
    return result


def _parts(array: Array) -> tuple[Array, Array]:
    return array.real, array.imag


# Arrays and nested lists


def _as_array(source: Any) -> Array:
    if np.ma.is_masked(source):
        raise _fault("has masked entries", "fill them in with .filled(value)")
    try:
        array = np.asarray(source)
    # __array__ is anybody's code: a PyTorch tensor that requires a gradient raises RuntimeError.
    except Exception as error:
        raise _fault(
            f"a {type(source).__name__} that NumPy cannot read ({one_line(str(error), 200)})",
            "pass a NumPy array",
        ) from None
    if array.dtype == object and array.ndim == 0:
        raise _fault(
            f"a {type(source).__name__}, not a matrix",
            "pass a published name, a path, a nested list or an array",
        )
    _check_kind(array.dtype)
    _check_size(array.shape)
    return array


def _plain(item: Any) -> Any:
    if not isinstance(item, list | tuple | str) and hasattr(item, "__array__"):
        return _as_array(item).tolist()
    return item


def _from_nested(source: Any, booleans: bool = True) -> Array:
    shape, item = [], _plain(source)
    while isinstance(item, list | tuple):
        shape.append(len(item))
        if len(shape) > _MAX_DEPTH:
            raise _too_deep()
        item = _plain(item[0]) if item else None
    _check_size(shape)
    flat: list[complex] = []
    _flatten(_plain(source), tuple(shape), (), booleans, flat)
    return np.array(flat).reshape(shape)


def _flatten(
    item: Any, shape: Sequence[int], index: Sequence[int], booleans: bool, flat: list[complex]
) -> None:
    ndim, depth = len(shape), len(index)
    if depth == ndim:
        # Naming the place of every entry would take most of the time.
        is_plain = type(item) in (float, complex)
        flat.append(item if is_plain else _entry(item, _place(index, ndim), booleans))
        return
    noun = "number" if depth == ndim - 1 else "row" if depth == ndim - 2 else "item"
    if not isinstance(item, list | tuple):
        what = f"{_stood(item)}, where a list of {_count(shape[depth], noun)} was expected"
        raise _fault(what, "make all rows alike", _place(index, ndim))
    if len(item) != shape[depth]:
        what = f"{_count(len(item), noun)}, where {shape[depth]} were expected"
        raise _fault(what, "make all rows equally long", _place(index, ndim))
    for i, child in enumerate(item):
        _flatten(_plain(child), shape, (*index, i), booleans, flat)


def _entry(item: Any, place: str, booleans: bool) -> complex:
    mend = f"write a number there ({_COMPLEX_HINT})"
    if isinstance(item, str):
        value = _number(item)
        if value is None:
            raise _fault(f"{_stood(item)} is not a number", mend, place)
        return value
    if isinstance(item, list | tuple):
        raise _fault("a list, where a number was expected", mend, place)
    if not isinstance(item, numbers.Complex) or (isinstance(item, bool) and not booleans):
        stood = _stood(item)
        if not booleans:
            stood = {"None": "null", "a dict": "an object"}.get(stood, stood.lower())
        raise _fault(f"{stood} is not a number", mend, place)
    try:
        return float(item) if isinstance(item, numbers.Real) else complex(item)
    except OverflowError:
        raise _fault("too large for a float64", "scale the matrix down", place) from None


def _number(text: str) -> complex | None:
    """Read a float or a complex number; None where it is neither."""
    # Python takes 1_000 for a number; in a data file it is more likely a slip.
    if "_" in text:
        return None
    try:
        return float(text)
    except ValueError:
        pass
    text = re.sub(r"[iIJ](\)?)$", r"j\1", text.strip())
    # A run of spaces is looked at once, and the sign of an exponent stays where it is.
    text = re.sub(r"(?<![\seE])\s*([+-])\s*", r"\1", text)
    # Older NumPy saved 1-2j as 1+-2j.
    text = re.sub(r"(?<![eE])\+-", "-", text)
    try:
        # Python takes (5) for a complex number, and an accountant for -5.
        return complex(text) if "j" in text else None
    except ValueError:
        return None


def _too_deep() -> MatrixError:
    return _fault("nested too deeply", "pass a list of rows, such as [[1, 2], [3, 4]]")


def _from_json(text: str) -> Array:
    import json

    # Of whatever Python would make, each has one of these before it, or is the first.
    if sum(map(text.count, ",[{")) > 2 * MAX_ENTRIES + 1:
        raise _too_many()
    try:
        # As floats, because Python refuses to read an integer of thousands of digits.
        value = json.loads(text, parse_int=float, object_pairs_hook=lambda _: _OBJECT)
    except json.JSONDecodeError as error:
        raise _fault(
            f"not valid JSON ({error.msg})",
            f"write a nested list, such as [[1, 2], [3, 4]], {_COMPLEX_HINT}",
            f"line {error.lineno}, column {error.colno}",
        ) from None
    except RecursionError:
        raise _too_deep() from None
    if not isinstance(value, list):
        raise _fault("JSON, but not a nested list", "write a list of rows: [[1, 2], [3, 4]]")
    return _from_nested(value, booleans=False)


# Files


def _read_file(
    source: str | os.PathLike[str], readers: Mapping[str, Callable[[Path], Any]] | None = None
) -> Any:
    readers = readers or _READERS
    # To pathlib the empty path is the current directory.
    if source == "":
        raise _unknown_name(source)
    path = Path(os.fsdecode(source))
    try:
        status = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        status = None
    except (OSError, ValueError) as error:
        raise _unreadable(error) from None
    if status is not None and stat.S_ISDIR(status.st_mode):
        raise _fault("a directory, not a file", "give the path of a file in it")
    suffix = path.suffix.lower()
    if status is None and not suffix and source == path.name:
        raise _unknown_name(source)
    if suffix not in _READERS and (suffix or status is not None):
        raise _unknown_suffix(suffix)
    if status is None:
        raise _fault("no such file", f"check the path, which is relative to {Path.cwd()}")
    # A pipe or a device would block, or never end.
    if not stat.S_ISREG(status.st_mode):
        raise _fault("not a regular file", "copy its contents to a file")
    if status.st_size == 0:
        raise _fault("an empty file", "put a matrix into it")
    if suffix != ".npy" and status.st_size > 32 * MAX_ENTRIES:
        raise _fault(
            f"a file of {status.st_size} bytes, over the limit of {32 * MAX_ENTRIES}",
            "pass a smaller matrix, or save it as .npy",
        )
    try:
        return readers[suffix](path)
    except OSError as error:
        raise _unreadable(error) from None


def _unreadable(error: Exception) -> MatrixError:
    reason = getattr(error, "strerror", None) or error
    return _fault(f"cannot be read ({reason})", "check the path and its permissions")


def _unknown_name(name: str) -> MatrixError:
    import difflib

    from spectralgrad.matrices.published import MATRICES

    nearest = difflib.get_close_matches(name[:100].lower(), MATRICES, 1)
    if nearest:
        return _fault("unknown matrix, and no such file", f"did you mean {nearest[0]}?")
    return _fault("unknown matrix, and no such file", f"known are {', '.join(sorted(MATRICES))}")


def _unknown_suffix(suffix: str) -> MatrixError:
    import difflib

    nearest = difflib.get_close_matches(suffix, _READERS, 1)
    mend = f"did you mean {nearest[0]}? Known" if nearest else "known"
    what = f"unknown suffix {_stood(suffix)}" if suffix else "a file without a suffix"
    return _fault(what, f"{mend} are {', '.join(_READERS)}")


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Number the lines of a text, of which there is no second copy in memory."""
    content = path.read_bytes()
    try:
        for line, text in enumerate(io.TextIOWrapper(io.BytesIO(content), "utf-8-sig"), 1):
            if len(text) > MAX_ENTRIES:
                separators = re.finditer(r"[\s,]", text)
                if next(itertools.islice(separators, MAX_ENTRIES, None), None):
                    raise _too_many(f"line {line}")
            yield line, text
    except UnicodeDecodeError:
        # For the place, which a part of the text does not tell.
        _decoded(content)


def _decoded(content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        what = f"not UTF-8 text (byte 0x{error.object[error.start]:02x})"
        raise _fault(what, "save the matrix as text in UTF-8", f"line {line}") from None


def _read_table(path: Path, split: Callable[[str], list[str]], separator: str) -> Array:
    numbers: list[Any] = []
    height, width, first = 0, 0, 0
    for line, text in _lines(path):
        if not text.strip() or text.lstrip().startswith(("#", "%")):
            continue
        try:
            cells = split(text)
        except csv.Error as error:
            mend = f"write one number per cell, separated by {separator}"
            raise _fault(str(error), mend, f"line {line}") from None
        row = [_number(cell) for cell in cells]
        for column, (cell, value) in enumerate(zip(cells, row, strict=True), 1):
            if value is not None and cmath.isfinite(value):
                continue
            place = f"line {line}, column {column}"
            if value is None:
                mend = f"write one number per cell, separated by {separator} ({_COMPLEX_HINT})"
                if not numbers:
                    is_header = not any(re.search(r"\d", cell) for cell in cells)
                    mend = "remove the header row" if is_header else f"{mend}; no header row"
                raise _fault(f"{_stood(cell)} is not a number", mend, place)
            raise _not_finite(place, value)
        if numbers and len(row) != width:
            what = f"{_count(len(row), 'number')}, where line {first} has {width}"
            raise _fault(what, "make all rows equally long", f"line {line}")
        first, height, width = first or line, height + 1, len(row)
        numbers += row
        _check_size((height, width))
    if not numbers:
        raise _fault("empty: no line with numbers", "put a matrix into it, a row per line")
    return np.array(numbers).reshape(height, width)


def _read_separated(delimiter: str, separator: str) -> Callable[[Path], Array]:
    def split(text: str) -> list[str]:
        # Line by line, so that an unclosed quote spoils one line and line numbers stay true.
        lines = [text.rstrip("\n")]
        return next(csv.reader(lines, delimiter=delimiter, skipinitialspace=True, strict=True))

    return lambda path: _read_table(path, split, separator)


def _read_txt(path: Path) -> Array:
    def split(text: str) -> list[str]:
        text = text.strip()
        # 1,5 2,5 is more likely two decimal commas than four numbers.
        if "," in text and re.search(r"[^\s,]\s+[^\s,]", text):
            raise csv.Error("both commas and white space between numbers, or decimal commas")
        # Two commas in a row stay an empty cell: a number is missing there.
        return re.split(r"\s*,\s*|\s+", text)

    return _read_table(path, split, "white space or commas")


def _read_json(path: Path) -> Array:
    return _from_json(_decoded(path.read_bytes()))


def _read_npy(path: Path) -> Array:
    with path.open("rb") as file:
        return _npy(file)


def _read_npz(path: Path) -> Array:
    import zipfile

    with path.open("rb") as file:
        try:
            # The list is read as a whole; that of one member is short.
            end = zipfile._EndRecData(file)  # type: ignore[attr-defined]
            if end and end[zipfile._ECD_SIZE] > _LONGEST_LIST:  # type: ignore[attr-defined]
                raise _fault("holds too many members", "save one matrix alone, with numpy.save")
            archive = zipfile.ZipFile(file)
            members = [m for m in archive.infolist() if m.filename.endswith(".npy")]
            if len(members) != 1:
                found = (m.filename.removesuffix(".npy") for m in members[:10])
                names = ", ".join(one_line(name, 40) for name in found)
                names += ", …" if len(members) > 10 else ""
                what = f"{len(members)} arrays ({names})" if members else "no arrays"
                raise _fault(f"holds {what}", "save one matrix alone, with numpy.save")
            # Other methods unpack without bound before the first byte can be looked at.
            if members[0].compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise _fault("compressed by an unusual method", "save it with numpy.savez")
            with archive.open(members[0]) as member:
                return _npy(member)
        except MatrixError:
            raise
        # A damaged archive makes zipfile raise BadZipFile, zlib.error, OSError and others.
        except Exception as error:
            raise _damaged(".npz", error, "numpy.savez") from None


# numpy.load would leave out what follows: a second array, say.
_MORE = "more data than the header promises"


def _npy(file: IO[bytes]) -> Array:
    """Read one array, looking at what the header claims before believing it.

    `numpy.load` would allocate what the header asks for, and needs to be told not to unpickle.
    """
    head = _head(file)
    shape, is_fortran, dtype = _npy_header(head)
    _check_size(shape)
    try:
        start = head.read()
        size = math.prod(shape) * dtype.itemsize
        data = start + file.read(max(0, size - len(start)))
        if len(data) < size:
            raise ValueError(f"{len(data)} bytes of data, where the header promises {size}")
        # At its end, the check sum of a member is looked at.
        if len(data) > size or file.read(1):
            raise ValueError(_MORE)
        array = np.frombuffer(data, dtype=dtype)
        return array.reshape(shape, order="F" if is_fortran else "C")
    except ValueError as error:
        raise _damaged(".npy", error, "numpy.save") from None


def _head(file: IO[bytes]) -> io.BytesIO:
    # A header is at most 10000 bytes, whatever length it states.
    return io.BytesIO(file.read(2**14))


def _npy_header(head: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Read shape, order and dtype; the file stands where the data begin."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            version = np.lib.format.read_magic(head)
            if version == (1, 0):
                header = np.lib.format.read_array_header_1_0(head)
            elif version in ((2, 0), (3, 0)):
                # Version 3 differs from 2 in the names of fields only, which are refused anyway.
                header = np.lib.format.read_array_header_2_0(head)
            else:
                raise ValueError(f"of version {version[0]}.{version[1]}")
        if len(header[0]) > _MAX_DEPTH:
            raise ValueError(f"{len(header[0])} dimensions")
        if not all(0 <= size < 2**63 for size in header[0]):
            raise ValueError("an impossible size")
        _check_kind(header[2])
        return header
    except (MatrixError, OSError):
        raise
    # The header is Python source: parsing garbage raises SyntaxError, TypeError and others.
    except Exception as error:
        raise _damaged(".npy", error, "numpy.save") from None


def _count_npy(path: Path) -> int:
    with path.open("rb") as file:
        head = _head(file)
        shape, _, dtype = _npy_header(head)
        size = math.prod(shape) * dtype.itemsize
        # Of a file that does not hold what it promises, there is one message.
        is_whole = 0 < size == os.fstat(file.fileno()).st_size - head.tell()
        return math.prod(shape[:-2]) if is_whole else 1


def _each_npy(path: Path) -> Iterator[tuple[str, Array]]:
    """Read one matrix of a stack after another, and no more of the file than that."""
    with path.open("rb") as file:
        head = _head(file)
        shape, is_fortran, dtype = _npy_header(head)
        if is_fortran or len(shape) <= 2:
            file.seek(0)
            array = _npy(file)
            _check_shape(array.shape, stack=True)
            yield from members(array)
            return
        *lead, m, n = shape
        # For the whole stack, emptiness is a fault and size is none.
        _check_size((*(min(k, 1) for k in lead), m, n))
        file.seek(head.tell())
        size = m * n * dtype.itemsize
        missing = math.prod(lead) * size - (os.fstat(file.fileno()).st_size - file.tell())
        if missing:
            reason = f"{missing} bytes fewer than the header promises" if missing > 0 else _MORE
            raise _damaged(".npy", reason, "numpy.save")
        for index in np.ndindex(*lead):
            data = file.read(size)
            if len(data) < size:
                raise _damaged(".npy", "it became shorter while it was read", "numpy.save")
            yield _place(index, len(shape)), np.frombuffer(data, dtype=dtype).reshape(m, n)


# Entries given twice add up, and may overflow; that is checked at the end.
@np.errstate(over="ignore")
def _read_mtx(path: Path) -> Array:
    # Not scipy.io.mmread, which ends the whole process on some damaged files (SciPy 1.17).
    content = (
        (line, text.split())
        for line, text in _lines(path)
        if text.strip() and (line == 1 or not text.startswith("%"))
    )
    layout, field, symmetry = _mtx_banner(next(content, (1, []))[1])
    is_coordinate, is_general = layout == "coordinate", symmetry == "general"
    line, words = next(content, (2, []))
    size = [number for word in words if (number := _whole(word)) is not None]
    if not len(size) == len(words) == 2 + is_coordinate:
        raise _mtx_fault("no line of sizes", line)
    rows, columns, *stored = size
    _check_size((rows, columns))
    if not is_general and rows != columns:
        raise _mtx_fault(f"{symmetry}, but {rows} × {columns}", line)

    # Dense files run down the columns, and leave out what symmetry implies.
    skip = symmetry == "skew-symmetric"
    places = ((i, j) for j in range(columns) for i in range(0 if is_general else j + skip, rows))
    if not is_coordinate:
        lower = rows * (rows - 1) // 2 + (0 if skip else rows)
        stored = [rows * columns if is_general else lower]
    width = 2 * is_coordinate + {"pattern": 0, "complex": 2}.get(field, 1)
    mirror = {"skew-symmetric": lambda z: -z, "hermitian": lambda z: z.conjugate()}
    matrix = np.zeros((rows, columns), dtype=complex if field == "complex" else float)
    found, sides = 0, set()
    for line, words in content:
        found += 1
        if len(words) != width or found > stored[0]:
            many = "more entries than promised" if found > stored[0] else f"not {width} numbers"
            raise _mtx_fault(many, line)
        if is_coordinate:
            i, j = ((_whole(word) or 0) - 1 for word in words[:2])
            if not (0 <= i < rows and 0 <= j < columns):
                raise _mtx_fault(f"{_stood(' '.join(words[:2]))} is no place in the matrix", line)
        else:
            i, j = next(places)
        parts: list[Any] = [_number(word) for word in words[2 * is_coordinate :]] or [1.0]
        for word, part in zip(words[-len(parts) :], parts, strict=True):
            if not isinstance(part, float):
                raise _mtx_fault(f"{_stood(word)} is not a number", line)
            if not math.isfinite(part):
                raise _not_finite(f"line {line}", part)
        value = complex(*parts) if field == "complex" else parts[0]
        if not is_general:
            sides.add((i > j) - (i < j))
            if {-1, 1} <= sides:
                raise _mtx_fault(f"{symmetry}, but with entries on both sides", line)
            if i == j and value != mirror.get(symmetry, lambda z: z)(value):
                raise _mtx_fault(f"no {symmetry} matrix has this on its diagonal", line)
        # As in SciPy.
        matrix[i, j] += value
        if not is_general and i != j:
            matrix[j, i] += mirror.get(symmetry, lambda z: z)(value)
    if found < stored[0]:
        raise _mtx_fault(f"ends after {found} of the {stored[0]} entries", line)
    return matrix


def _mtx_banner(words: list[str]) -> tuple[str, str, str]:
    head, layout, field, symmetry = (
        [" ".join(words[:2]).lower(), *(word.lower() for word in words[2:])]
        if len(words) == 5
        else [""] * 4
    )
    if (
        head != "%%matrixmarket matrix"
        or layout not in (("coordinate",) if field == "pattern" else ("coordinate", "array"))
        or field not in ("real", "double", "integer", "unsigned-integer", "complex", "pattern")
        or symmetry not in ("general", "symmetric", "skew-symmetric", "hermitian")
    ):
        raise _mtx_fault("no Matrix Market banner", 1)
    return layout, field, symmetry


def _mtx_fault(reason: str, line: int) -> MatrixError:
    return _damaged(".mtx", reason, "scipy.io.mmwrite", f"line {line}")


def _whole(text: str) -> int | None:
    return int(text) if text.isdecimal() and len(text) < 20 else None


def _damaged(suffix: str, error: object, writer: str, place: str = "") -> MatrixError:
    reason = one_line(str(error) or type(error).__name__, 200)
    return _fault(f"a damaged {suffix} file ({reason})", f"write it again with {writer}", place)


_READERS = {
    ".csv": _read_separated(",", "commas"),
    ".tsv": _read_separated("\t", "tabs"),
    ".txt": _read_txt,
    ".npy": _read_npy,
    ".npz": _read_npz,
    ".json": _read_json,
    ".mtx": _read_mtx,
}

#: Of the files that `load` reads.
SUFFIXES = tuple(_READERS)
