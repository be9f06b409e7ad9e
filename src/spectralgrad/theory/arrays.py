"""Arrays in which one can compute, and what is said of those in which one cannot."""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from numpy.typing import ArrayLike

# The dtype is open: real or complex, in the precision of what was given, or numbers of mpmath.
Array = npt.NDArray[Any]

Problem = Literal["eigh", "svd"]
Decomposition = Literal["eigh", "eigvalsh", "svd", "svdvals"]
Convention = Literal["symmetric", "lower", "upper"]


class MatrixError(ValueError):
    """Something that is no usable matrix. The message is one line, made of the attributes.

    They say where the fault is, in a source (a name or a path) and a place in it (a row, column or
    line), which may be empty, what is wrong, and how to mend it.
    """

    def __init__(self, what: str, mend: str = "", *, source: str = "", place: str = "") -> None:
        super().__init__(what, mend)
        self.source, self.place, self.what, self.mend = source, place, what, mend

    def __str__(self) -> str:
        where = ": ".join(filter(None, (self.source, self.place, self.what)))
        return f"{where}; {self.mend}" if self.mend else where


def is_sparse(matrix: Any) -> bool:
    """Whether it is a matrix of SciPy that stores no zeros."""
    return hasattr(matrix, "tocsr")


def as_inexact(array: Any) -> Array:
    """Return the array, or sparse matrix, itself if it is floating-point or complex.

    float16 becomes float32, longer types are shortened to float64 or complex128; booleans, integers
    and nested lists give float64.
    """
    array = array if is_sparse(array) else np.asarray(array)
    if not np.issubdtype(array.dtype, np.inexact):
        return array.astype(float)
    return array.astype(
        {"e": "f", "g": "d", "G": "D"}.get(array.dtype.char, array.dtype), copy=False
    )


def as_finite(array: ArrayLike) -> Array:
    """Return an array as `as_inexact` does, if all of it is finite; else it is a ValueError.

    What LAPACK makes of NaN and infinity depends on the library.
    """
    array = as_inexact(array)
    if not np.all(np.isfinite(array)):
        raise ValueError("a matrix that is not finite; give finite numbers")
    return array


def cotangents(given: Sequence[ArrayLike], factors: Sequence[Array]) -> list[Array]:
    """Return cotangents in the shapes of their factors; of a real factor, the real part counts."""
    found = []
    for x, factor in zip(map(np.asarray, given), factors, strict=True):
        x = x if np.iscomplexobj(factor) else x.real
        found.append(x if x.shape == factor.shape else np.broadcast_to(x, factor.shape))
    return found


def divide(numerator: Array, denominator: Array, *zeros: Any) -> Array:
    """Divide, with 0 at those places, masks or indices, where the denominator counts as zero."""
    denominator = denominator.copy()
    for places in zeros:
        denominator[places] = np.inf
    return numerator / denominator


def diagonal(values: Array) -> Array:
    """Square matrices, (..., k, k), with values, (..., k), on the diagonal."""
    return values[..., None] * np.eye(values.shape[-1], dtype=values.dtype)
