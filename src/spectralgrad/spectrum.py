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


def clusters(values, rtol):
    """Maximal runs of values in which each is within ``rtol · max|value|`` of the next.

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
    values = np.asarray(values)
    tolerance = rtol * np.max(np.abs(values), initial=0.0)
    breaks = np.flatnonzero(np.abs(np.diff(values)) > tolerance) + 1
    edges = [0, *breaks.tolist(), len(values)]
    return [slice(start, stop) for start, stop in itertools.pairwise(edges) if stop > start]


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
    # With 0 appended, the last cluster is the run that reaches zero.
    return clusters(np.append(singular_values, 0.0), rtol)[-1].start
