"""Gradients of the singular values and singular vectors, from theory.

A gradient G of a loss L satisfies dL = Re⟨G, dA⟩ for every dA. Cotangents follow the same rule,
dL = Re⟨Ū, dU⟩ + Σ σ̄ᵢ dσᵢ + Re⟨V̄ʰ, dVʰ⟩, with Vʰ = Vᴴ as `numpy.linalg.svd` returns it. Nothing
is defined by the choice of signs, phases, or bases of equal singular values; what asks for it
raises `spectralgrad.theory.gauge.GaugeError`. The labels of equations are those of the chapter on
the singular value decomposition, which derives them, with their sources.

Parameters that mean the same everywhere, with stacks in the first dimensions:

``matrix``
    ``(..., m, n)``, finite (a ValueError if not); a gradient with respect to it has its dtype,
    float64 if that is not inexact.
``u``, ``s``, ``vh``
    The thin decomposition (a ValueError if it is not): U, ``(..., m, k)`` with k = min(m, n),
    orthonormal columns; σ, ``(..., k)``, descending; Vᴴ, ``(..., k, n)``, orthonormal rows. A
    gradient that is made of them has the dtype of U.
``rtol``
    Singular values this close, relative to the largest, are equal, and zero if this close to zero;
    by default `spectralgrad.theory.spectrum.default_rtol`.
``gauge_tol``
    What depends on the choice of bases, relative to the cotangents, must not exceed this; by
    default the square root of eps.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike

from spectralgrad.theory import gauge, second_basis, spectrum
from spectralgrad.theory.arrays import Array, as_finite, as_inexact, cotangents
from spectralgrad.theory.symmetric import adjoint, skew_part


def svdvals_vjp(u: ArrayLike, vh: ArrayLike, singular_values_cotangent: ArrayLike) -> Array:
    """Pull a cotangent σ̄ of the singular values back to the matrix: G = U diag(σ̄) Vᴴ (eq-turns).

    At ties with unequal σ̄ᵢ, and at zeros with σ̄ᵢ ≠ 0, the formula depends on the bases U and V
    (see `spectralgrad.theory.subgradient`).
    """
    values_bar = np.asarray(singular_values_cotangent)
    return (np.asarray(u) * values_bar[..., None, :]) @ np.asarray(vh)


def svd_vjp(
    u: ArrayLike,
    s: ArrayLike,
    vh: ArrayLike,
    u_cotangent: ArrayLike,
    s_cotangent: ArrayLike,
    vh_cotangent: ArrayLike,
    *,
    rtol: float | None = None,
    gauge_tol: float | None = None,
) -> Array:
    """Pull cotangents of a thin singular value decomposition back to the matrix (eq-svd-pullback).

    At ties and zeros, one set of cotangents does not determine the gradient of every loss, and not
    all such losses show in the cotangents: see `spectralgrad.theory.eigen.eigh_vjp`, and use
    `invariant_vjp`.

    Parameters
    ----------
    u_cotangent, s_cotangent, vh_cotangent : array_like
        Broadcast to the shapes of `u`, `s` and `vh`: 0 for what the loss does not use.

    Raises
    ------
    GaugeError
        If the cotangents depend on the joint phase of uᵢ and vᵢ, on the basis of a cluster, or on
        the choice of null vectors, as far as they show: see `spectralgrad.theory.eigen.eigh_vjp`.
    """
    U, sigma, Vh = as_inexact(u), as_inexact(s), as_inexact(vh)
    _default_rtol(U, Vh)
    U_bar, sigma_bar, Vh_bar = cotangents((u_cotangent, s_cotangent, vh_cotangent), (U, sigma, Vh))
    bases, bars = [U, adjoint(Vh)], [U_bar, adjoint(Vh_bar)]
    tolerances = {"rtol": rtol, "gauge_tol": gauge_tol}
    return second_basis.one_basis(sigma, bases, sigma_bar, bars, **tolerances)


def _default_rtol(u: Array, vh: Array) -> float:
    if u.shape[-1] != min(u.shape[-2], vh.shape[-1]) or u.shape[-1] != vh.shape[-2]:
        raise ValueError(
            f"singular vectors of shapes {u.shape} and {vh.shape}: give the thin decomposition, "
            "numpy.linalg.svd(A, full_matrices=False)"
        )
    return spectrum.default_rtol((u.shape[-2], vh.shape[-1]), u.dtype, singular=True)


def invariant_vjp(
    u: ArrayLike,
    s: ArrayLike,
    vh: ArrayLike,
    pullback: Callable[[Array, Array, Array], Sequence[ArrayLike]],
    *,
    rtol: float | None = None,
    gauge_tol: float | None = None,
) -> Array:
    """Gradient of a loss L(U, σ, Vᴴ) that does not depend on the choice of bases, at ties too.

    As `spectralgrad.theory.eigen.invariant_vjp` (thm-svd-second-basis).

    Parameters
    ----------
    pullback : callable
        ``pullback(u, s, vh)`` returns the cotangents ``(ū, s̄, v̄h)`` of the loss, in the shapes of
        its arguments (or broadcast to them). With clusters of up to d positive values, and null
        spaces of dimensions up to q, it is called at most max(d, q) + 2 + ⌈log₂(k + 1)⌉ times,
        2 max(d, q) + 2 + ⌈log₂(k + 1)⌉ if the matrix is complex: once with the singular values as
        they are, and then with those of a cluster exactly equal, and zeros exactly zero.
    """
    U, sigma, Vh = as_inexact(u), as_inexact(s), as_inexact(vh)
    _default_rtol(U, Vh)

    def pull(sigma: Array, U: Array, V: Array) -> tuple[Array, list[Array]]:
        factors = U, sigma, adjoint(V)
        U_bar, sigma_bar, Vh_bar = cotangents(pullback(*factors), factors)
        return sigma_bar, [U_bar, adjoint(Vh_bar)]

    bases = [U, adjoint(Vh)]
    return second_basis.invariant_vjp(sigma, bases, pull, rtol=rtol, gauge_tol=gauge_tol)


def polar_vjp(
    u: ArrayLike, s: ArrayLike, vh: ArrayLike, cotangent: ArrayLike, *, rtol: float | None = None
) -> Array:
    """Pull a cotangent B of the unitary polar factor UVᴴ back to the matrix, at ties too.

    It is what is left of `svd_vjp` for Ū = BV and V̄ = BᴴU (eq-polar): no difference σᵢ − σⱼ occurs.
    If a singular value is zero, the polar factor depends on the choice of vectors: a GaugeError.
    """
    U, sigma, Vh = as_inexact(u), as_inexact(s), as_inexact(vh)
    finest = _default_rtol(U, Vh)
    _require_full_rank(sigma, finest if rtol is None else rtol)
    # Along a real dA, only the real part counts.
    B = np.asarray(cotangent) if np.iscomplexobj(U) else np.asarray(cotangent).real
    BV = B @ adjoint(Vh)
    M = adjoint(U) @ BV
    left = U @ (2 * skew_part(M) / (sigma[..., None, :] + sigma[..., :, None]))
    if U.shape[-2] > U.shape[-1]:
        left += (BV - U @ M) / sigma[..., None, :]
    gradient: Array = left @ Vh
    if Vh.shape[-1] > Vh.shape[-2]:
        gradient += (U / sigma[..., None, :]) @ (adjoint(U) @ B - M @ Vh)
    return gradient.astype(U.dtype, copy=False)


def _require_full_rank(sigma: Array, rtol: float) -> None:
    positive = spectrum.positive(sigma, rtol)
    if not positive.all():
        *stack, i = map(int, np.argwhere(~positive)[0])
        row: Array = sigma[tuple(stack)]
        value, tolerance = float(row[i]), float(rtol * np.max(row))
        fault = f"= {value:.1e} is zero to a tolerance of {tolerance:.1e}: the polar factor depends"
        message = f"{gauge.names('σ', i, i)} {fault} on the choice of singular vectors there"
        raise gauge.GaugeError(message, (i, i), value, tolerance, *stack)


def polar_factor(matrix: ArrayLike, *, rtol: float | None = None) -> Array:
    """Unitary polar factor UVᴴ: the matrix with orthonormal rows or columns nearest to A.

    If a singular value is zero, there are several: a GaugeError.
    """
    u, sigma, vh, rtol = _decompose(matrix, rtol)
    _require_full_rank(sigma, rtol)
    return svdvals_vjp(u, vh, np.ones_like(sigma))


def nuclear_norm_gradient(matrix: ArrayLike, *, rtol: float | None = None) -> Array:
    """Gradient of Σ σᵢ(A); where A is rank-deficient, the valid answer of smallest norm.

    It is U₁V₁ᴴ, with the singular vectors of the positive singular values; see
    `spectralgrad.theory.subgradient.svdvals` for the others.
    """
    u, sigma, vh, rtol = _decompose(matrix, rtol)
    return svdvals_vjp(u, vh, spectrum.positive(sigma, rtol))


def _decompose(matrix: ArrayLike, rtol: float | None) -> tuple[Array, Array, Array, float]:
    u, sigma, vh = np.linalg.svd(as_finite(matrix), full_matrices=False)
    return u, sigma, vh, _default_rtol(u, vh) if rtol is None else rtol
