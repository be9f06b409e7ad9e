"""Which spectral values count as equal, and which as zero; and how much each counts."""

import itertools
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from spectralgrad.theory.arrays import Array


def default_rtol(shape: Sequence[int], dtype: DTypeLike, *, singular: bool = False) -> float:
    """Relative tolerance within which two spectral values count as equal.

    It is the backward error that a program is allowed: two values that a stable decomposition may
    split are one value. For eigenvalues it is ``8 max(m, n) · eps``: the factor leaves room for
    what the libraries lose beyond the first rounding. For singular values LAPACK's iteration adds
    the relative precision at which it stops, twice, because ours and the one under test may both
    stop there.

    Parameters
    ----------
    shape : tuple of int
        Shape of the matrix.
    dtype : dtype
        Precision in which the matrix is given.
    singular : bool, optional
        Whether they are singular values.

    Returns
    -------
    float

    References
    ----------
    The documentation of LAPACK's routine DBDSQR, on TOLMUL.
    """
    eps = float(np.finfo(dtype).eps)
    return 8 * max(shape[-2:]) * eps + (2 * _qr_precision(eps) if singular else 0.0)


def _qr_precision(eps: float) -> float:
    """Relative precision of singular values at which LAPACK's iteration (xBDSQR) stops.

    In double precision 49 eps, so that for small matrices it outweighs all rounding errors.
    """
    roundoff = eps / 2
    # xBDSQR has 100 as an upper bound too, which in double precision is just not reached.
    factor: float = roundoff**-0.125
    return max(10.0, factor) * roundoff


def labels(values: ArrayLike, rtol: float) -> Array:
    """Number the clusters: equal numbers for the values of one cluster.

    A cluster is a maximal run of values in which each is within ``rtol · max|value|`` of the next.

    Parameters
    ----------
    values : (..., k) array_like
        Sorted, in either direction.
    rtol : float

    Returns
    -------
    (..., k) numpy.ndarray of int
        From 0, in order.
    """
    values = np.asarray(values)
    tolerance = rtol * np.max(np.abs(values), axis=-1, initial=0.0, keepdims=True)
    breaks = np.abs(np.diff(values, prepend=values[..., :1])) > tolerance
    return np.cumsum(breaks, axis=-1)


def same(numbers: ArrayLike) -> Array:
    """Tell which pairs of values lie in one cluster.

    Parameters
    ----------
    numbers : (..., k) array_like of int
        Of clusters, from `labels`.

    Returns
    -------
    (..., k, k) numpy.ndarray of bool
    """
    numbers = np.asarray(numbers)
    alike: Array = numbers[..., :, None] == numbers[..., None, :]
    return alike


def merge(values: ArrayLike, numbers: ArrayLike) -> Array:
    """Replace each value by the mean of its cluster.

    Parameters
    ----------
    values : (..., k) array_like
    numbers : (..., k) array_like of int
        Of clusters, from `labels`.

    Returns
    -------
    (..., k) numpy.ndarray
        Same dtype; exactly equal within each cluster.
    """
    values, alike = np.asarray(values), same(numbers)
    total = np.where(alike, values[..., None, :], 0).sum(axis=-1)
    means: Array = total / alike.sum(axis=-1)
    return means.astype(values.dtype)


def clusters(values: ArrayLike, rtol: float) -> list[slice]:
    """Return the clusters of one list of values as slices; see `labels`.

    Parameters
    ----------
    values : (k,) array_like
        Sorted, in either direction.
    rtol : float

    Returns
    -------
    list of slice
        In order; they cover ``range(k)``.
    """
    numbers = labels(values, rtol)
    edges = [0, *(np.flatnonzero(np.diff(numbers)) + 1).tolist(), len(numbers)]
    return [slice(start, stop) for start, stop in itertools.pairwise(edges) if stop > start]


def positive(singular_values: ArrayLike, rtol: float) -> Array:
    """Tell the singular values outside the cluster of zero.

    Parameters
    ----------
    singular_values : (..., k) array_like
        Descending, nonnegative.
    rtol : float

    Returns
    -------
    (..., k) numpy.ndarray of bool
    """
    values = np.asarray(singular_values)
    # With 0 appended, the last cluster is the run that reaches zero.
    numbers = labels(
        np.concatenate([values, np.zeros_like(values, shape=(*values.shape[:-1], 1))], axis=-1),
        rtol,
    )
    return numbers[..., :-1] < numbers[..., -1:]


def rank(singular_values: ArrayLike, rtol: float) -> int:
    """Count the singular values outside the cluster of zero.

    Parameters
    ----------
    singular_values : (k,) array_like
        Descending, nonnegative.
    rtol : float

    Returns
    -------
    int
    """
    return int(np.count_nonzero(positive(singular_values, rtol)))


def smallest_gap(values: ArrayLike) -> float:
    """Smallest distance between neighbours; the largest modulus if there is one value only.

    Parameters
    ----------
    values : (k,) array_like
        Sorted, in either direction.

    Returns
    -------
    float
    """
    values = np.asarray(values)
    gaps = np.abs(np.diff(values))
    return float(gaps.min() if gaps.size else np.max(np.abs(values), initial=0.0))


def regimes(
    values: ArrayLike, rtol: float, *, near: float, singular: bool = False
) -> tuple[str, ...]:
    """Say in what ways a spectrum makes gradients difficult, whatever the function of it.

    Parameters
    ----------
    values : (k,) array_like
        Eigenvalues, ascending, or singular values, descending.
    rtol : float
        Width of a cluster, relative to the largest modulus.
    near : float
        Distance, relative to the largest modulus, below which neighbours are near. At the square
        root of eps, an error of eps in the matrix takes half of the digits of a vector.
    singular : bool, optional
        Whether they are singular values, for which zero is special.

    Returns
    -------
    tuple of str
        One or more of ``"tie"`` (two values are equal, and not zero), ``"near-tie"`` (two are
        near), ``"rank-deficient"`` (a singular value is zero), ``"nearly rank-deficient"`` (one is
        near zero) and ``"extreme scale"`` (the largest modulus is below 1e-3 or above 1/near²,
        where the rules of some frameworks fail); else ``("regular",)``.
    """
    values = np.asarray(values, dtype=float)
    size = float(np.max(np.abs(values), initial=0.0))
    found = values[: rank(values, rtol)] if singular else values
    centres = [float(np.mean(found[c])) for c in clusters(found, rtol)]
    words = []
    if len(centres) < len(found):
        words.append("tie")
    if len(centres) > 1 and smallest_gap(centres) < near * size:
        words.append("near-tie")
    if len(found) < len(values):
        words.append("rank-deficient")
    if singular and centres and centres[-1] < near * size:
        words.append("nearly rank-deficient")
    if size and not 1e-3 <= size <= near**-2:
        words.append("extreme scale")
    return tuple(words) or ("regular",)


def move_apart(values: ArrayLike, *, singular: bool = False, least: float = 1e-3) -> Array:
    """Move values apart unless they are, for what can be shown only where they are.

    Parameters
    ----------
    values : (k,) array_like
        Eigenvalues, ascending, or singular values, descending.
    singular : bool, optional
        Whether they are singular values, which are kept away from zero too.
    least : float, optional
        Smallest gap that will do, relative to the largest modulus.

    Returns
    -------
    (k,) numpy.ndarray
        The values as they are, or with equal steps added, in the same order.
    """
    values = np.asarray(values, dtype=float)
    size = float(np.max(np.abs(values), initial=0.0)) or 1.0
    gap = smallest_gap(np.append(values, 0.0) if singular else values)
    if gap >= least * size and values.any():
        return values
    steps = np.arange(1.0, len(values) + 1) / len(values) * size
    return values + (steps[::-1] if singular else steps)
