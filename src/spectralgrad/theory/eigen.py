"""Gradients of the eigenvalues and eigenvectors of Hermitian matrices, from theory.

A gradient G of a loss L satisfies dL = Re⟨G, dA⟩ for every Hermitian dA, and is Hermitian itself:
the ``"symmetric"`` convention of `spectralgrad.theory.symmetric`. Cotangents follow the same rule,
dL = Σ λ̄ᵢ dλᵢ + Re⟨V̄, dV⟩. Nothing is defined by the choice of a sign, a phase, or a basis of
equal eigenvalues; what asks for it raises `spectralgrad.theory.gauge.GaugeError`. The labels of
equations are those of the chapter on eigenvalues and eigenvectors, which derives them, with their
sources.

Parameters that mean the same everywhere, with stacks in the first dimensions:

``eigenvalues``, ``eigenvectors``
    λ, ``(..., n)``, ascending, and V, ``(..., n, n)``, orthonormal columns, real or complex; a
    gradient has the dtype of V.
``function``, ``derivative``
    g and g′: real, elementwise on arrays, defined between the eigenvalues too.
``index``
    One eigenvalue: from 0, the smallest, to n − 1; negative ones count from the largest. If there
    is no such, it is a ValueError.
``rtol``
    Eigenvalues this close, relative to the largest in modulus, are equal; by default
    `spectralgrad.theory.spectrum.default_rtol`.
``gauge_tol``
    What depends on the choice of basis, relative to the cotangents, must not exceed this; by
    default the square root of eps.
"""

import reprlib
from collections.abc import Callable, Sequence

import numpy as np
import scipy.linalg
from numpy.typing import ArrayLike

from spectralgrad.theory import gauge, second_basis, spectrum
from spectralgrad.theory.arrays import Array, as_finite, as_inexact, cotangents, divide
from spectralgrad.theory.symmetric import adjoint, hermitian_part, hermitian_product


def eigvalsh_vjp(eigenvectors: ArrayLike, eigenvalues_cotangent: ArrayLike) -> Array:
    """Pull a cotangent λ̄ of the eigenvalues back to the matrix: G = V diag(λ̄) Vᴴ (eq-simple).

    At a tie the formula is a gradient only if λ̄ is constant on the tied eigenvalues; otherwise it
    depends on the basis V (see `spectralgrad.theory.subgradient`).
    """
    V = np.asarray(eigenvectors)
    return hermitian_product(V * np.asarray(eigenvalues_cotangent)[..., None, :], V)


def select(index: int, n: int) -> Array:
    """Weights, (n,), that pick out one of n eigenvalues."""
    is_integer = isinstance(index, int | np.integer) and not isinstance(index, bool)
    if not is_integer or not -n <= index < n:
        raise ValueError(
            f"eigenvalue: there is no number {reprlib.repr(index)} among {n}; "
            f"choose from {-n} to {n - 1}"
        )
    weights = np.zeros(n)
    weights[index] = 1.0
    return weights


def eigh_vjp(
    eigenvalues: ArrayLike,
    eigenvectors: ArrayLike,
    eigenvalues_cotangent: ArrayLike,
    eigenvectors_cotangent: ArrayLike,
    *,
    rtol: float | None = None,
    gauge_tol: float | None = None,
) -> Array:
    """Pull cotangents of eigenvalues and eigenvectors back to the matrix (eq-pullback).

    At a tie, one pair of cotangents determines the gradient if the loss L(λ, V) is the same for all
    bases of the cluster whatever the values λ, as that of projectors is. Others, such as tr(C A²),
    do not always show in the cotangents, and the answer may then be wrong without an error: use
    `function_vjp` or `invariant_vjp`.

    Parameters
    ----------
    eigenvalues_cotangent, eigenvectors_cotangent : array_like
        λ̄, real, and V̄, broadcast to the shapes of λ and V: 0 if the loss does not use them.

    Raises
    ------
    GaugeError
        If the cotangents depend on the phase of an eigenvector, or on the basis of a cluster. A
        sign does not show, nor a phase in which the loss is stationary: `invariant_vjp` tries both.
    """
    values, V = as_inexact(eigenvalues), as_inexact(eigenvectors)
    values_bar, V_bar = cotangents((eigenvalues_cotangent, eigenvectors_cotangent), (values, V))
    tolerances = {"rtol": rtol, "gauge_tol": gauge_tol}
    return second_basis.one_basis(values, [V], values_bar, [V_bar], **tolerances)


def invariant_vjp(
    eigenvalues: ArrayLike,
    eigenvectors: ArrayLike,
    pullback: Callable[[Array, Array], Sequence[ArrayLike]],
    *,
    rtol: float | None = None,
    gauge_tol: float | None = None,
) -> Array:
    """Gradient of a loss L(λ, V) that does not depend on the basis of a cluster, at ties too.

    `spectralgrad.theory.second_basis` says how (eq-block), what the tolerances mean here, and what
    is refused.

    Parameters
    ----------
    pullback : callable
        ``pullback(eigenvalues, eigenvectors)`` returns the cotangents ``(λ̄, V̄)`` of the loss, in
        the shapes of its arguments (or broadcast to them). With clusters of up to d eigenvalues it
        is called at most d + 2 + ⌈log₂(n + 1)⌉ times, 2d + 2 + ⌈log₂(n + 1)⌉ if V is complex: once
        with the eigenvalues as they are, and then with those of a cluster exactly equal.
    """
    values, V = as_inexact(eigenvalues), as_inexact(eigenvectors)

    def pull(values: Array, V: Array) -> tuple[Array, list[Array]]:
        values_bar, V_bar = cotangents(pullback(values, V), (values, V))
        return values_bar, [V_bar]

    gradient = second_basis.invariant_vjp(values, [V], pull, rtol=rtol, gauge_tol=gauge_tol)
    return hermitian_part(gradient)


def divided_differences(
    values: ArrayLike,
    function: Callable[[Array], ArrayLike],
    derivative: Callable[[Array], ArrayLike],
) -> Array:
    """Table D, (..., n, n), of g[λᵢ, λⱼ] = (g(λᵢ) − g(λⱼ))/(λᵢ − λⱼ), g′(λᵢ) where they are equal.

    Where the rounding errors of the quotient matter (eq-rounding), the mean of g′ over the interval
    (eq-mean), by Gauss's rule with six nodes, is taken if it differs from the rule with five nodes,
    and from the quotient, by no more than those.

    The values are real, in any order; the table has their dtype.
    """
    values = as_inexact(values)
    images, slopes = (
        np.broadcast_to(np.asarray(g(values), values.dtype), values.shape)
        for g in (function, derivative)
    )
    gaps = values[..., :, None] - values[..., None, :]
    equal = np.nonzero(gaps == 0)
    table = divide(images[..., :, None] - images[..., None, :], gaps, equal)
    table[equal] = slopes[equal[:-1]]
    eps = np.finfo(values.dtype).eps
    sizes = eps * (np.abs(images) + np.abs(values * slopes))
    rounding = divide(sizes[..., :, None] + sizes[..., None, :], np.abs(gaps), equal)
    close = rounding > 16 * eps * np.abs(table)
    *stack, i, j = np.nonzero(close & np.tri(values.shape[-1], dtype=bool))
    start, length, quotients = values[*stack, j], gaps[*stack, i, j], table[*stack, i, j]
    means, rough = (_mean(derivative, start, length, nodes) for nodes in (6, 5))
    # Nodes that miss a steep part of g′ may agree with one another, but not with the quotient.
    doubt = np.maximum(np.abs(means - rough), np.abs(means - quotients) / 2)
    best = np.where(doubt <= rounding[*stack, i, j], means, quotients)
    table[*stack, i, j] = table[*stack, j, i] = best
    return table


def _mean(
    derivative: Callable[[Array], ArrayLike], start: Array, length: Array, nodes: int
) -> Array:
    """Mean of a function over intervals, by the Gauss-Legendre rule."""
    places, weights = np.polynomial.legendre.leggauss(nodes)
    places, weights = (x.astype(start.dtype) for x in ((1 + places) / 2, weights / 2))
    slopes = np.asarray(derivative(start[..., None] + length[..., None] * places), start.dtype)
    return np.broadcast_to(slopes, (*start.shape, nodes)) @ weights


def function_vjp(
    eigenvalues: ArrayLike,
    eigenvectors: ArrayLike,
    cotangent: ArrayLike,
    function: Callable[[Array], ArrayLike],
    derivative: Callable[[Array], ArrayLike],
) -> Array:
    """Gradient of Re⟨B, g(A)⟩ for g(A) = V diag(g(λ)) Vᴴ: exact at ties and near them.

    By the theorem of Daleckii and Krein, G = V (D ∘ VᴴBV) Vᴴ with the table D of
    `divided_differences` of g (eq-function). Only the Hermitian part of the cotangent B counts,
    because g(A) is Hermitian.
    """
    V = as_inexact(eigenvectors)
    (B,) = cotangents([hermitian_part(cotangent)], [V])
    D = divided_differences(eigenvalues, function, derivative)
    inner = D * hermitian_product(adjoint(V) @ B, adjoint(V))
    return hermitian_product(V @ inner, V).astype(V.dtype, copy=False)


def eigenvalue_gradient(
    matrix: ArrayLike, index: int = 0, *, rtol: float | None = None
) -> tuple[Array, Array]:
    """One eigenvalue and its gradient vvᴴ, without the full decomposition (eq-simple).

    Parameters
    ----------
    matrix : (..., n, n) array_like
        Hermitian and finite; LAPACK reads the lower triangle, the tolerance for ties both. The
        gradient has its dtype (float64 if that is not inexact).
    rtol : float, optional
        A neighbour this close, relative to the Frobenius norm of the matrix, makes it a tie. The
        norm stands for the largest modulus, which would take all eigenvalues; it is at most √n
        times as large. A tie is a GaugeError; see `spectralgrad.theory.subgradient.eigvalsh`.
    """
    matrix = as_finite(matrix)
    n = matrix.shape[-1]
    k = int(np.argmax(select(index, n)))
    rtol = spectrum.default_rtol(matrix.shape, matrix.dtype) if rtol is None else rtol
    # The neighbours tell whether there is a tie.
    first, last = max(k - 1, 0), min(k + 1, n - 1)
    value = np.empty(matrix.shape[:-2], matrix.real.dtype)
    gradient = np.empty_like(matrix)
    for place in np.ndindex(value.shape):
        # LAPACK wants columns, which are the rows of the transpose, and that has conjugate vectors.
        values, vectors = scipy.linalg.eigh(
            matrix[place].T, lower=False, subset_by_index=(first, last), check_finite=False
        )
        # Of a vector, SciPy's takes no squares, which may overflow.
        norm = float(scipy.linalg.norm(np.abs(matrix[place]).astype(float).ravel()))
        _require_simple(values, k - first, rtol * norm, first)
        v = vectors[:, k - first]
        value[place], gradient[place] = values[k - first], np.outer(v.conj(), v)
    return value[()], gradient


def _require_simple(values: Array, k: int, tie: float | Array, first: int = 0) -> None:
    gaps = np.abs(values - values[k])
    gaps[k] = np.inf
    nearest = int(np.argmin(gaps))
    if len(gaps) > 1 and not gaps[nearest] > tie:
        pair = first + min(k, nearest), first + max(k, nearest)
        raise gauge.GaugeError(
            f"{gauge.names('λ', *pair)} are equal to a tolerance of {tie:.1e}: neither is "
            "differentiable (subgradient.eigvalsh gives the set of valid answers)",
            pair,
            float(gaps[nearest]),
            float(tie),
        )


def eigenvalue_second_derivative(
    eigenvalues: ArrayLike,
    eigenvectors: ArrayLike,
    index: int,
    direction: ArrayLike,
    *,
    rtol: float | None = None,
) -> Array:
    """d²λₖ(A + tE)/dt² at t = 0, of a simple eigenvalue: 2 Σ |vⱼᴴ E vₖ|²/(λₖ − λⱼ) (eq-second).

    E is Hermitian. A tie with another eigenvalue is a GaugeError.
    """
    values, V = as_inexact(eigenvalues), as_inexact(eigenvectors)
    k = int(np.argmax(select(index, values.shape[-1])))
    rtol = spectrum.default_rtol(V.shape, V.dtype) if rtol is None else rtol
    for place in np.ndindex(values.shape[:-1]):
        _require_simple(values[place], k, rtol * gauge.largest(values[place]))
    couplings = np.abs(adjoint(V) @ direction @ V[..., [k]])[..., 0].astype(float)
    gaps = values[..., [k]] - values
    couplings, gaps = (np.delete(x, k, axis=-1) for x in (couplings, gaps))
    # The square alone may overflow.
    return np.sum(2 * couplings * (couplings / gaps), axis=-1).astype(values.dtype)[()]
