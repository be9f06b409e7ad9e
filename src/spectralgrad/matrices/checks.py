"""What is no usable matrix, and how that is said."""

import cmath
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any, SupportsIndex

import numpy as np

from spectralgrad.system.errors import one_line, said
from spectralgrad.theory.arrays import Array, MatrixError, as_inexact

#: The largest matrix or stack accepted, in entries.
MAX_ENTRIES = 2**24

#: The largest entry of a matrix lies between these, so that nobody's squares overflow.
RANGE = (1e-150, 1e150)

#: How numbers are written in text, where a pair would be another dimension.
HINT = 'complex ones as "1+2j"'


def fault(what: str, mend: str, place: str = "") -> MatrixError:
    """An error whose parts cannot break a line."""
    return MatrixError(one_line(what), one_line(mend), place=one_line(place))


def damaged(suffix: str, reason: str | Exception, writer: str, place: str = "") -> MatrixError:
    """The error for a file that does not hold what its format asks for."""
    reason = reason if isinstance(reason, str) else said(reason, 200)
    return fault(f"a damaged {suffix} file ({reason})", f"write it again with {writer}", place)


def shown(item: Any) -> str:
    """What stood where a number should have: text itself, of anything else the kind."""
    if isinstance(item, str):
        return f"'{one_line(item, 40)}'" if item.strip() else "an empty cell"
    kind = type(item).__name__
    is_name = item is None or isinstance(item, bool)
    return str(item) if is_name else f"a{'n' * (kind[0] in 'aeiou')} {kind}"


def place_of(index: Iterable[SupportsIndex], ndim: int) -> str:
    """Name the place of a (possibly partial) 0-based index, counting from 1."""
    index = tuple(int(i) + 1 for i in index)
    if ndim < 2:
        return f"entry {index[0]}"
    lead, rest = index[: ndim - 2], index[ndim - 2 :]
    parts = [f"matrix {lead[0] if len(lead) == 1 else lead}"] if lead else []
    parts += [f"{name} {i}" for name, i in zip(("row", "column"), rest, strict=False)]
    return ", ".join(parts)


def times(shape: Sequence[int]) -> str:
    """A shape, as ``"2 × 3"``."""
    return " × ".join(map(str, shape))


def counted(number: int, noun: str) -> str:
    """A number with its noun, as ``"2 rows"``."""
    plural = noun.replace("matrix", "matrice") + "s"
    return f"{number} {noun if number == 1 else plural}"


def stack_of(shape: Sequence[int]) -> str:
    """A shape, as ``"a stack of 2 matrices of 3 × 3"``."""
    return f"a stack of {counted(math.prod(shape[:-2]), 'matrix')} of {times(shape[-2:])}"


def check_size(shape: Sequence[int], stored: int | None = None) -> None:
    """Refuse what is empty or has too many entries; a sparse matrix, too many rows or stored."""
    if 0 in shape:
        raise fault(f"empty, of shape {times(shape)}", "give it at least one row and one column")
    if (math.prod(shape) if stored is None else max(*shape, stored)) > MAX_ENTRIES:
        kept = "" if stored is None else f", {stored} of them stored"
        what = f"{times(shape)} entries{kept}, over the limit of {MAX_ENTRIES}"
        raise fault(what, "pass a smaller matrix")


def too_many(place: str = "") -> MatrixError:
    """The error for a text whose numbers need not be counted to the end."""
    what = f"holds more numbers than the limit of {MAX_ENTRIES}"
    return fault(what, "pass a smaller matrix", place)


def check_shape(shape: Sequence[int], stack: bool) -> None:
    """Refuse what is no matrix and, unless it may be one, no stack of matrices."""
    check_size(shape)
    if len(shape) < 2:
        what = f"a vector of {counted(shape[0], 'number')}" if shape else "a single number"
        raise fault(f"{what}, not a matrix", "give it two dimensions, such as [[1, 2], [3, 4]]")
    if len(shape) > 2 and not stack:
        # Never drop the dimensions silently: the caller meant something by them.
        is_one = math.prod(shape[:-2]) == 1
        mend = f"reshape it to {times(shape[-2:])}" if is_one else "pass one of them"
        mend += f", and write numbers not as pairs but {HINT}" if shape[-1] == 2 else ""
        raise fault(f"is {stack_of(shape)}", mend)


def check_kind(dtype: np.dtype[Any]) -> None:
    """Refuse what holds no numbers."""
    if dtype.kind not in "biufc":
        kind = "Python objects (pickled data is never read)" if dtype.hasobject else dtype.name
        is_text = dtype.hasobject or dtype.kind in "SU"
        mend = "convert it with .astype(float)" if is_text else "pass a plain array of numbers"
        raise fault(f"holds {kind}, not numbers", mend)


def not_finite(place: str, value: complex) -> MatrixError:
    """The error for NaN and infinity."""
    what = "NaN" if cmath.isnan(value) else "infinity, or too large for a float64"
    return fault(what, "replace it by a finite number", place)


def settle(matrix: Any) -> Any:
    """Make an array of a sparse matrix of SciPy if it is small, else one in CSR format."""
    from scipy.sparse import csr_array

    check_kind(matrix.dtype)
    check_size(matrix.shape, matrix.nnz)
    try:
        # Before SciPy believes it; of blocks that do not fit it writes beyond its arrays.
        getattr(matrix, "check_format", bool)()
        if np.mod(matrix.shape, getattr(matrix, "blocksize", 1)).any():
            raise ValueError(f"blocks of {times(matrix.blocksize)}")
    except ValueError as error:
        raise fault(f"damaged ({said(error)})", "make it anew, with scipy.sparse") from None
    with np.errstate(over="ignore"):
        matrix = csr_array(matrix.astype(as_inexact(np.empty(0, matrix.dtype)).dtype))
        matrix.sum_duplicates()
    return matrix.toarray() if math.prod(matrix.shape) <= MAX_ENTRIES else matrix


def checked(matrix: Any, dtype: str) -> Any:
    """The sparse matrix, of which what is stored is looked at and cast as another is."""
    places = np.stack(matrix.tocoo().coords, axis=-1)

    def where(index: Sequence[int], _: int) -> str:
        return place_of(places[index[0]], 2)

    check_finite(matrix.data, where)
    data = cast(matrix.data, dtype, where)
    return type(matrix)((data, matrix.indices, matrix.indptr), shape=matrix.shape)


def check_finite(array: Array, where: Callable[..., str] = place_of) -> None:
    """Refuse NaN and infinity."""
    finite = np.isfinite(array)
    if not finite.all():
        index = np.unravel_index(np.argmin(finite), array.shape)
        raise not_finite(where(index, array.ndim), array[index])


def cast(array: Array, dtype: str, where: Callable[..., str] = place_of) -> Array:
    """Copy into a dtype in which one computes; refuse what gets lost, there or in a square."""
    asked = array.dtype.name if dtype == "auto" else dtype
    bits = 32 if asked in ("float16", "float32", "complex64") else 64
    is_complex = array.dtype.kind == "c" or asked.startswith("complex")
    target = f"complex{2 * bits}" if is_complex else f"float{bits}"
    with np.errstate(all="ignore"):
        result = np.array(array, dtype=target, order="C")
    vanished = ((result.real == 0) & (array.real != 0)) | ((result.imag == 0) & (array.imag != 0))
    for lost, size, way in ((~np.isfinite(result), "large", "down"), (vanished, "small", "up")):
        if lost.any():
            index = np.unravel_index(np.argmax(lost), array.shape)
            wider = f", or use {'complex128' if is_complex else 'float64'}" if bits == 32 else ""
            what = f"{array[index]!s} is too {size} for {target}"
            raise fault(what, f"scale the matrix {way}{wider}", where(index, array.ndim))
    largest = max(float(np.abs(part).max(initial=0)) for part in (result.real, result.imag))
    if not (RANGE[0] <= largest <= RANGE[1] or largest == 0):
        size, way = ("large", "down") if largest > 1 else ("small", "up")
        what = f"{largest:.2g} is its largest entry, too {size} to be squared in a float64"
        gain = "which leaves the gradients of its eigenvalues and singular values as they are"
        raise fault(what, f"scale the matrix {way}, {gain}")
    return result
