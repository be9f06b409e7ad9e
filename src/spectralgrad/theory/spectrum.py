"""Which spectral values count as equal, and which as zero; and how much each counts.

``values`` are eigenvalues, ascending, or singular values, descending and nonnegative: ``(..., k)``
is a stack of lists, ``(k,)`` one list. ``rtol`` says how close two of them are that count as equal
(or one to zero, that counts as zero), relative to the largest modulus. A *cluster* is a maximal run
of values in which each is so close to the next.
"""

import itertools
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from spectralgrad.theory.arrays import Array


def default_rtol(shape: Sequence[int], dtype: DTypeLike, *, singular: bool = False) -> float:
    """Relative tolerance for a matrix of some shape and precision.

    It is the backward error that a program is allowed: two values that a stable decomposition may
    split are one value. ``8 max(m, n) · eps`` leaves room for what the libraries lose beyond the
    first rounding. For singular values LAPACK's iteration adds the relative precision at which it
    stops (DBDSQR's TOLMUL), twice, because ours and the one under test may both stop there.
    """
    eps = float(np.finfo(dtype).eps)
    rtol = 8 * max(shape[-2:]) * eps
    if singular:
        # xBDSQR stops at max(10, min(100, roundoff^(-1/8))) · roundoff: 49 eps in double precision,
        # in which the 100 is just not reached.
        roundoff = eps / 2
        rtol += 2 * max(10.0, roundoff**-0.125) * roundoff
    return rtol


def labels(values: ArrayLike, rtol: float, *, singular: bool = False) -> Array:
    """Number the clusters of each list from 0; of singular values, that of zero is −1."""
    values = np.asarray(values)
    if singular:
        zero = np.zeros_like(values, shape=(*values.shape[:-1], 1))
        values = np.concatenate([values, zero], axis=-1)
    tolerance = rtol * np.max(np.abs(values), axis=-1, initial=0.0, keepdims=True)
    breaks = np.abs(np.diff(values, prepend=values[..., :1])) > tolerance
    numbers = np.cumsum(breaks, axis=-1)
    if singular:
        # The last cluster is the run that reaches the zero.
        return np.where(numbers[..., :-1] < numbers[..., -1:], numbers[..., :-1], -1)
    return numbers


def in_one_cluster(labels: ArrayLike) -> Array:
    """Tell which pairs of values lie in one cluster, (..., k, k), from their `labels`."""
    numbers = np.asarray(labels)
    alike: Array = numbers[..., :, None] == numbers[..., None, :]
    return alike & (numbers >= 0)[..., None]


def merge(values: ArrayLike, labels: ArrayLike) -> Array:
    """Replace each value by the mean of its cluster, and by 0 if its label is negative."""
    values, alike = np.asarray(values), in_one_cluster(labels)
    total = np.where(alike, values[..., None, :], 0).sum(axis=-1)
    means: Array = total / np.maximum(alike.sum(axis=-1), 1)
    return means.astype(values.dtype)


def clusters(values: ArrayLike, rtol: float) -> list[slice]:
    """Return the clusters of one list of values as slices, in order."""
    numbers = labels(values, rtol)
    edges = [0, *(np.flatnonzero(np.diff(numbers)) + 1).tolist(), len(numbers)]
    return [slice(start, stop) for start, stop in itertools.pairwise(edges) if stop > start]


def positive(singular_values: ArrayLike, rtol: float) -> Array:
    """Tell the singular values outside the cluster of zero, (..., k)."""
    return labels(singular_values, rtol, singular=True) >= 0


def rank(singular_values: ArrayLike, rtol: float) -> int:
    """Count the singular values, (k,), outside the cluster of zero."""
    return int(np.count_nonzero(positive(singular_values, rtol)))


def smallest_gap(values: ArrayLike) -> float:
    """Smallest distance between neighbours, (k,); the largest modulus if there is one only."""
    values = np.asarray(values)
    gaps = np.abs(np.diff(values))
    return float(gaps.min() if gaps.size else np.max(np.abs(values), initial=0.0))


def move_apart(values: ArrayLike, *, singular: bool = False, least: float = 1e-3) -> Array:
    """Add equal steps to values, (k,), unless they are apart, for what shows only where they are.

    By ``least`` times the largest modulus; singular values from zero too.
    """
    values = np.asarray(values, dtype=float)
    size = float(np.max(np.abs(values), initial=0.0)) or 1.0
    gap = smallest_gap(np.append(values, 0.0) if singular else values)
    if gap >= least * size and values.any():
        return values
    steps = np.arange(1.0, len(values) + 1) / len(values) * size
    return values + (steps[::-1] if singular else steps)
