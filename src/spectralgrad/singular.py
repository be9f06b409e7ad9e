"""Gradients of the singular values, from theory."""

from dataclasses import dataclass

import numpy as np

from spectralgrad import spectrum
from spectralgrad.matrices import as_inexact


def svdvals_vjp(u, vh, singular_values_cotangent):
    """Pull a cotangent of the singular values back to the matrix: G = U diag(w) Vᴴ.

    For A = U diag(σ) Vᴴ with simple σᵢ > 0, dσᵢ = Re uᵢᴴ dA vᵢ, so that
    Σ wᵢ dσᵢ = Re ⟨U diag(w) Vᴴ, dA⟩. At ties with unequal weights, and at zeros with nonzero
    weights, the formula depends on the bases U and V (see `spectralgrad.subgradient`).

    Parameters
    ----------
    u : (..., m, k) array_like
        Orthonormal columns, k = min(m, n).
    vh : (..., k, n) array_like
        Orthonormal rows.
    singular_values_cotangent : (..., k) array_like
        Real weights w.

    Returns
    -------
    (..., m, n) numpy.ndarray

    References
    ----------
    Giles (2008), "An extended collection of matrix derivative results for forward and reverse
    mode algorithmic differentiation", section on the singular value decomposition.
    """
    weights = np.asarray(singular_values_cotangent)
    return (np.asarray(u) * weights[..., None, :]) @ np.asarray(vh)


def weighted_sum_gradient(matrix, weights):
    """Gradient of f(A) = Σ wᵢ σᵢ(A), singular values descending.

    Parameters
    ----------
    matrix : (..., m, n) array_like
    weights : (..., k) array_like
        Real, k = min(m, n).

    Returns
    -------
    (..., m, n) numpy.ndarray
        In the dtype of the matrix (float64 if that is not inexact).
    """
    matrix = as_inexact(matrix)
    u, _, vh = np.linalg.svd(matrix, full_matrices=False)
    return svdvals_vjp(u, vh, weights).astype(matrix.dtype, copy=False)


@dataclass(frozen=True, eq=False)
class RankSplit:
    """Bases of the range and the null space of A, and of Aᴴ.

    Attributes
    ----------
    u1, v1 : (m, r), (n, r) numpy.ndarray
        Singular vectors of the positive singular values.
    u0, v0 : (m, m − r), (n, n − r) numpy.ndarray
        Orthonormal bases of what is left.
    """

    u1: np.ndarray
    v1: np.ndarray
    u0: np.ndarray
    v0: np.ndarray

    @property
    def rank(self):
        """The number r of positive singular values."""
        return self.u1.shape[1]

    @property
    def regular_part(self):
        """U₁V₁ᴴ, (m, n): the part that every gradient of Σσᵢ shares."""
        return self.u1 @ self.v1.conj().T

    def null_part(self, gradient):
        """W = U₀ᴴ G V₀, (m − r, n − r): the part that no theory fixes."""
        return self.u0.conj().T @ gradient @ self.v0

    def residual(self, gradient):
        """Norm of what G holds beyond U₁V₁ᴴ + U₀WV₀ᴴ."""
        rebuilt = self.regular_part + self.u0 @ self.null_part(gradient) @ self.v0.conj().T
        return float(np.linalg.norm(gradient - rebuilt))


def rank_split(matrix, *, rtol=None):
    """Split the singular vectors of a matrix at its rank.

    Real square matrices get U₀ and V₀ oriented so that det[U₁ U₀] · det[V₁ V₀] = 1. Then
    det G = det W for every G = U₁V₁ᵀ + U₀WV₀ᵀ, and the sign of det W means something: it does not
    change with the bases that a library happens to return.

    Parameters
    ----------
    matrix : (m, n) array_like
    rtol : float, optional
        Singular values this close to zero, relative to the largest, are zero; see
        `spectralgrad.spectrum.default_rtol`.

    Returns
    -------
    RankSplit
        In float64 or complex128, whatever the dtype of the matrix.
    """
    matrix = as_inexact(matrix)
    rtol = spectrum.default_rtol(matrix.shape, matrix.dtype) if rtol is None else rtol
    u, values, vh = np.linalg.svd(matrix.astype(np.result_type(matrix, float)))
    v = vh.conj().T
    r = spectrum.rank(values, rtol)
    if u.shape == v.shape and r < len(u) and np.isrealobj(u):
        u[:, -1] *= np.sign(np.linalg.det(u) * np.linalg.det(v))
    return RankSplit(u[:, :r], v[:, :r], u[:, r:], v[:, r:])
