"""Which spectral values count as equal, and which as zero."""

import itertools

import numpy as np


def default_rtol(shape, dtype):
    """Relative tolerance within which two spectral values count as equal.

    ``max(m, n) · eps(dtype)``: the size of the rounding errors that a backward stable
    decomposition makes, relative to the largest value. `numpy.linalg.matrix_rank` uses the same.

    Parameters
    ----------
    shape : tuple of int
        Shape of the matrix.
    dtype : dtype
        Precision in which the matrix is given.

    Returns
    -------
    float
    """
    return max(shape[-2:]) * float(np.finfo(dtype).eps)


def labels(values, rtol):
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


def same(numbers):
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
    return numbers[..., :, None] == numbers[..., None, :]


def merge(values, numbers):
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
    return (total / alike.sum(axis=-1)).astype(values.dtype)


def clusters(values, rtol):
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


def positive(singular_values, rtol):
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


def rank(singular_values, rtol):
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
