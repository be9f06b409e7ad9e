"""Gradients of the eigenvalues of Hermitian matrices, from theory."""

import operator
import reprlib

import numpy as np

from spectralgrad.matrices import as_inexact


def eigvalsh_vjp(eigenvectors, eigenvalues_cotangent):
    """Pull a cotangent of the eigenvalues back to the matrix: G = V diag(w) Vᴴ.

    For A = V diag(λ) Vᴴ with simple eigenvalues, dλᵢ = vᵢᴴ dA vᵢ, so that
    Σ wᵢ dλᵢ = ⟨V diag(w) Vᴴ, dA⟩. At a tie the formula is a gradient only if w is constant on
    the tied eigenvalues; otherwise it depends on the basis V
    (see `spectralgrad.subgradient`).

    Parameters
    ----------
    eigenvectors : (..., n, n) array_like
        Orthonormal columns V, real or complex.
    eigenvalues_cotangent : (..., n) array_like
        Real weights w.

    Returns
    -------
    (..., n, n) numpy.ndarray
        The gradient in the ``"symmetric"`` convention.

    References
    ----------
    Magnus (1985), "On differentiating eigenvalues and eigenvectors", Theorem 1.
    """
    vectors = np.asarray(eigenvectors)
    weights = np.asarray(eigenvalues_cotangent)
    return (vectors * weights[..., None, :]) @ np.conj(np.swapaxes(vectors, -1, -2))


def weighted_sum_gradient(matrix, weights):
    """Gradient of f(A) = Σ wᵢ λᵢ(A), eigenvalues ascending.

    Parameters
    ----------
    matrix : (..., n, n) array_like
        Hermitian; only the lower triangle is read.
    weights : (..., n) array_like
        Real.

    Returns
    -------
    (..., n, n) numpy.ndarray
        In the ``"symmetric"`` convention, in the dtype of the matrix (float64 if that is not
        inexact).
    """
    matrix = as_inexact(matrix)
    _, vectors = np.linalg.eigh(matrix)
    return eigvalsh_vjp(vectors, weights).astype(matrix.dtype, copy=False)


def select(index, n):
    """Weights that pick out one eigenvalue.

    Parameters
    ----------
    index : int
        From 0, the smallest eigenvalue, to n − 1; negative ones count from the largest.
    n : int
        How many eigenvalues there are.

    Returns
    -------
    (n,) numpy.ndarray

    Raises
    ------
    ValueError
        If there is no such eigenvalue.
    """
    try:
        place = range(n)[operator.index(index)]
    except (TypeError, IndexError):
        place = None
    if place is None or isinstance(index, bool | np.bool_):
        raise ValueError(
            f"eigenvalue: there is no number {reprlib.repr(index)} among {n}; "
            f"choose from {-n} to {n - 1}"
        )
    weights = np.zeros(n)
    weights[place] = 1.0
    return weights
