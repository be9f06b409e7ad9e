"""Gradients of the singular values and singular vectors, from theory.

A gradient G of a loss L satisfies dL = Re⟨G, dA⟩ for every dA. Cotangents follow the same rule,
dL = Re⟨Ū, dU⟩ + Σ σ̄ᵢ dσᵢ + Re⟨V̄ʰ, dVʰ⟩, with Vʰ = Vᴴ as `numpy.linalg.svd` returns it. Nothing
is defined by the choice of signs, phases, or bases of equal singular values; what asks for it
raises `spectralgrad.theory.gauge.GaugeError`.
"""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from spectralgrad.theory import gauge, spectrum
from spectralgrad.theory.arrays import Array, as_finite, as_inexact
from spectralgrad.theory.symmetric import adjoint, skew_part

# Within the span of the singular vectors, and outside of it if that is not everything.
_Side = tuple[Array, Array | None]
_Choice = Callable[[Array, Array], Sequence[Array]]

# Smallest size of a matrix for which its Gram matrix is a quicker way to the polar factor.
GRAM_SIZE = 64


def svdvals_vjp(u: ArrayLike, vh: ArrayLike, singular_values_cotangent: ArrayLike) -> Array:
    """Pull a cotangent of the singular values back to the matrix: G = U diag(w) Vᴴ.

    For A = U diag(σ) Vᴴ with simple σᵢ > 0, dσᵢ = Re uᵢᴴ dA vᵢ, so that
    Σ wᵢ dσᵢ = Re ⟨U diag(w) Vᴴ, dA⟩. At ties with unequal weights, and at zeros with nonzero
    weights, the formula depends on the bases U and V (see `spectralgrad.theory.subgradient`).

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
    gradient: Array = (np.asarray(u) * weights[..., None, :]) @ np.asarray(vh)
    return gradient


def weighted_sum_gradient(matrix: ArrayLike, weights: ArrayLike) -> Array:
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

    Raises
    ------
    ValueError
        If the matrix is not finite.
    """
    matrix = as_finite(matrix)
    u, _, vh = np.linalg.svd(matrix, full_matrices=False)
    return svdvals_vjp(u, vh, weights).astype(matrix.dtype, copy=False)


def nuclear_norm_gradient(matrix: ArrayLike, *, rtol: float | None = None) -> Array:
    """Gradient of Σ σᵢ(A); where A is rank-deficient, the valid answer of smallest norm.

    It is U₁V₁ᴴ, with the singular vectors of the positive singular values; see
    `spectralgrad.theory.subgradient.svdvals` for the others.

    Parameters
    ----------
    matrix : (..., m, n) array_like
    rtol : float, optional
        Singular values this close to zero, relative to the largest, are zero; see
        `spectralgrad.theory.spectrum.default_rtol`.

    Returns
    -------
    (..., m, n) numpy.ndarray
        In the dtype of the matrix (float64 if that is not inexact).

    Raises
    ------
    ValueError
        If the matrix is not finite.

    References
    ----------
    Watson (1992), "Characterization of the subdifferential of some matrix norms".
    """
    matrix, rtol = _prepare(matrix, rtol)
    factor = _polar_by_gram(matrix, rtol)
    if factor is not None:
        return factor
    u, values, vh = np.linalg.svd(matrix, full_matrices=False)
    weights = spectrum.positive(values, rtol)
    return svdvals_vjp(u, vh, weights).astype(matrix.dtype, copy=False)


def _prepare(matrix: ArrayLike, rtol: float | None) -> tuple[Array, float]:
    matrix = as_finite(matrix)
    if rtol is None:
        rtol = spectrum.default_rtol(matrix.shape, matrix.dtype, singular=True)
    return matrix, rtol


def _polar_by_gram(matrix: Array, rtol: float) -> Array | None:
    """Polar factor of one large matrix that is far from rank-deficient; else None, for an SVD.

    The eigenvectors V of AᴴA are orthonormal to rounding, but the squares have cost digits of the
    small singular values. So X = AV has columns of lengths d that are orthogonal but for a small F,
    XᴴX = D(I + F)D, and A = X Vᴴ the polar factor X (XᴴX)^(−1/2) Vᴴ. Up to F², the square root is
    D + K with KD + DK = DFD, and its inverse D⁻¹ (I − KD⁻¹), (KD⁻¹)ᵢⱼ = dᵢFᵢⱼ/(dᵢ + dⱼ).
    """
    if matrix.ndim != 2 or min(matrix.shape) < GRAM_SIZE:
        return None
    if matrix.shape[0] < matrix.shape[1]:
        factor = _polar_by_gram(adjoint(matrix), rtol)
        return None if factor is None else adjoint(factor)
    size = np.max(np.abs(matrix))
    if not size:
        return None
    lossy = gauge.default_tol(matrix.dtype)
    # What overflows or underflows in a square would not otherwise do so.
    scaled = matrix / size
    gram = adjoint(scaled) @ scaled
    try:
        # Takes a small part of the time, and tells most matrices that need the SVD.
        pivots = np.diagonal(np.linalg.cholesky(gram)).real ** 2
    except np.linalg.LinAlgError:
        return None
    if not pivots.min() > lossy * pivots.max():
        return None
    _, v = np.linalg.eigh(gram)
    x = scaled @ v
    lengths = np.linalg.norm(x, axis=0)
    x /= lengths
    f = adjoint(x) @ x
    f[np.diag_indices(len(f))] = 0
    if not (np.linalg.norm(f) < lossy and lengths.min() > 2 * rtol * lengths.max()):
        return None
    f *= lengths[:, None] / (lengths[:, None] + lengths)
    corrected: Array = (x - x @ f) @ adjoint(v)
    return corrected


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
    """Pull cotangents of a thin singular value decomposition back to the matrix.

    With X and Y the skew-Hermitian parts of UᴴŪ and VᴴV̄,

    G = U (diag(σ̄) + K) Vᴴ + (I − UUᴴ) Ū Σ⁻¹ Vᴴ + U Σ⁻¹ V̄ᴴ (I − VVᴴ),

    where Kᵢⱼ = (X + Y)ᵢⱼ/(σⱼ − σᵢ) + (X − Y)ᵢⱼ/(σᵢ + σⱼ). The first term is 0 within a cluster, the
    second one where both values are zero; its diagonal is the phase term of complex matrices.

    At ties and zeros, one set of cotangents does not determine the gradient of every loss, and not
    all such losses show in the cotangents: see `spectralgrad.theory.eigen.eigh_vjp`, and use
    `invariant_vjp`.

    Parameters
    ----------
    u : (..., m, k) array_like
        Orthonormal columns, k = min(m, n).
    s : (..., k) array_like
        Descending.
    vh : (..., k, n) array_like
        Orthonormal rows.
    u_cotangent, s_cotangent, vh_cotangent : array_like
        Broadcast to the shapes of `u`, `s` and `vh`: 0 for what the loss does not use.
    rtol : float, optional
        Singular values this close, relative to the largest, are equal, and zero if this close to
        zero; see `spectralgrad.theory.spectrum.default_rtol`.
    gauge_tol : float, optional
        What depends on the choice of bases, relative to the cotangents, must not exceed this; by
        default the square root of eps.

    Returns
    -------
    (..., m, n) numpy.ndarray
        In the dtype of `u`.

    Raises
    ------
    GaugeError
        If the cotangents depend on the joint phase of uᵢ and vᵢ, on the basis of a cluster, or on
        the choice of null vectors. Signs do not show in a cotangent, nor do phases in which the
        loss is stationary; `invariant_vjp` tries both.
    ValueError
        If the decomposition is not thin.

    References
    ----------
    Townsend (2016), "Differentiating the singular value decomposition", for real matrices; Wan
    and Zhang (2019), arXiv:1909.02659, for the phase term.
    """
    u, s, vh = as_inexact(u), as_inexact(s), as_inexact(vh)
    rtol = _default_rtol(u, vh) if rtol is None else rtol
    gauge_tol = gauge.tolerance(gauge_tol, u.dtype)
    positive = spectrum.positive(s, rtol)
    same = _tied(np.where(positive, spectrum.labels(s, rtol), -1))
    v = adjoint(vh)
    du, ds, dv = _cotangents(u, s, v, (u_cotangent, s_cotangent, vh_cotangent))
    sides = [_split(basis, cotangent) for basis, cotangent in ((u, du), (v, dv))]
    allowed = _allowed(u, s, v, (du, ds, dv), rtol, gauge_tol)
    _require_invariance(sides, same, positive, allowed)
    tolerance = gauge.per_value(allowed, s, ds, gauge_tol)
    *stack, i, j = same
    spread = np.abs(ds[*stack, i] - ds[*stack, j])
    gauge.require(spread, tolerance, "σ", gauge.SPREAD, places=same)
    gauge.require(_diagonal(np.abs(ds) * ~positive), tolerance, "σ", gauge.AT_ZERO)
    return _gradient(u, s, v, ds, sides, same, positive).astype(u.dtype, copy=False)


def _cotangents(
    u: Array, s: Array, v: Array, given: Sequence[ArrayLike]
) -> tuple[Array, Array, Array]:
    """Cotangents of U, σ and V, in their shapes."""
    du, ds, dvh = (np.asarray(x) for x in given)
    du = np.broadcast_to(du, u.shape)
    dv = adjoint(np.broadcast_to(dvh, adjoint(v).shape))
    if not np.iscomplexobj(u):
        # Along real dU and dV, only the real part counts.
        du, dv = du.real, dv.real
    return du, np.broadcast_to(ds.real, s.shape), dv


def _allowed(
    u: Array, s: Array, v: Array, cotangents: Sequence[Array], rtol: float, gauge_tol: float
) -> Array:
    """Up to which size a dependence on the basis passes for rounding."""
    du, ds, dv = cotangents
    size = np.maximum(*(gauge.largest(gauge.largest(x)) for x in (du, dv)))
    rtol = max(rtol, _default_rtol(u, adjoint(v)))
    allowed: Array = gauge_tol * size + gauge.slack(s, rtol) * gauge.largest(ds)
    return allowed


def _split(basis: Array, cotangent: Array) -> _Side:
    """How a loss turns a basis: skew-Hermitian part within its span, and what leads out of it."""
    inner = adjoint(basis) @ cotangent
    if basis.shape[-2] == basis.shape[-1]:
        return skew_part(inner), None
    return skew_part(inner), cotangent - basis @ inner


def _tied(labels: Array) -> tuple[Array, ...]:
    """Indices of the pairs in one cluster of positive values, each with itself too."""
    return np.nonzero(spectrum.same(labels) & (labels >= 0)[..., None])


def _diagonal(values: Array) -> Array:
    diagonal: Array = values[..., None] * np.eye(values.shape[-1], dtype=values.dtype)
    return diagonal


def _require_invariance(
    sides: Sequence[_Side], same: tuple[Array, ...], positive: Array, allowed: Array
) -> None:
    (x, x_rest), (y, y_rest) = sides
    gauge.require(np.abs(x[same] + y[same]), allowed, "σ", gauge.TURNED, places=same)
    if np.all(positive):
        return
    null = ~positive[..., :, None] & ~positive[..., None, :]
    excess = np.maximum(np.abs(x), np.abs(y)) * null
    for rest in (x_rest, y_rest):
        if rest is not None:
            # Null vectors may be exchanged for those that the thin decomposition leaves out.
            out = np.max(np.abs(rest), axis=-2) * ~positive
            excess = np.maximum(excess, _diagonal(out))
    gauge.require(excess, allowed, "σ", gauge.TURNED)


def _gradient(
    u: Array,
    s: Array,
    v: Array,
    ds: Array,
    sides: Sequence[_Side],
    same: tuple[Array, ...],
    positive: Array,
) -> Array:
    (x, x_rest), (y, y_rest) = sides
    difference = s[..., None, :] - s[..., :, None]
    total = s[..., None, :] + s[..., :, None]
    apart = x - y
    together = x + y
    if not np.all(positive):
        null = ~positive[..., :, None] & ~positive[..., None, :]
        for quotient in (together, apart):
            quotient[null] = 0
        difference[null] = total[null] = 1
    difference[same] = 1
    together[same] = 0
    together /= difference
    apart /= total
    inner = together + apart
    inner[..., *np.diag_indices(s.shape[-1])] += ds
    left = u @ inner
    inverse = (positive / np.where(positive, s, 1))[..., None, :]
    if x_rest is not None:
        left += x_rest * inverse
    gradient: Array = left @ adjoint(v)
    if y_rest is not None:
        gradient += u @ adjoint(y_rest * inverse)
    return gradient


def _default_rtol(u: Array, vh: Array) -> float:
    if u.shape[-1] != min(u.shape[-2], vh.shape[-1]) or u.shape[-1] != vh.shape[-2]:
        raise ValueError(
            f"singular vectors of shapes {u.shape} and {vh.shape}: give the thin decomposition, "
            "numpy.linalg.svd(A, full_matrices=False)"
        )
    return spectrum.default_rtol((u.shape[-2], vh.shape[-1]), u.dtype, singular=True)


def polar_vjp(
    u: ArrayLike, s: ArrayLike, vh: ArrayLike, cotangent: ArrayLike, *, rtol: float | None = None
) -> Array:
    """Pull a cotangent B of the unitary polar factor UVᴴ back to the matrix, at ties too.

    With M = UᴴBV, G = U [(M − Mᴴ)ᵢⱼ/(σᵢ + σⱼ)] Vᴴ + (I − UUᴴ) B V Σ⁻¹ Vᴴ + U Σ⁻¹ Uᴴ B (I − VVᴴ):
    no difference σᵢ − σⱼ occurs.

    Parameters
    ----------
    u : (..., m, k) array_like
        Orthonormal columns, k = min(m, n).
    s : (..., k) array_like
        Descending, positive.
    vh : (..., k, n) array_like
        Orthonormal rows.
    cotangent : (..., m, n) array_like
        B.
    rtol : float, optional
        Singular values this close to zero, relative to the largest, are zero; see
        `spectralgrad.theory.spectrum.default_rtol`.

    Returns
    -------
    (..., m, n) numpy.ndarray
        In the dtype of `u`.

    Raises
    ------
    GaugeError
        If a singular value is zero: then the polar factor depends on the choice of vectors.
    ValueError
        If the decomposition is not thin.

    References
    ----------
    The terms of `svd_vjp` that are left of Ū = BV, V̄ = BᴴU.
    """
    u, s, vh = as_inexact(u), as_inexact(s), as_inexact(vh)
    rtol = _default_rtol(u, vh) if rtol is None else rtol
    _require_full_rank(s, rtol)
    cotangent = np.asarray(cotangent)
    # Along a real dA, only the real part counts.
    cotangent = cotangent if np.iscomplexobj(u) else cotangent.real
    v = adjoint(vh)
    right = cotangent @ v
    inner = adjoint(u) @ right
    total = s[..., None, :] + s[..., :, None]
    left = u @ (2 * skew_part(inner) / total)
    if u.shape[-2] > u.shape[-1]:
        left += (right - u @ inner) / s[..., None, :]
    gradient: Array = left @ vh
    if v.shape[-2] > v.shape[-1]:
        rest = adjoint(u) @ cotangent - inner @ vh
        gradient += (u / s[..., None, :]) @ rest
    return gradient.astype(u.dtype, copy=False)


def _require_full_rank(s: Array, rtol: float) -> None:
    zero = np.argwhere(~spectrum.positive(s, rtol))
    if zero.size:
        *stack, i = map(int, zero[0])
        row: Array = s[tuple(stack)]
        value, tolerance = float(row[i]), float(rtol * np.max(row))
        raise gauge.GaugeError(
            f"{f'matrix {stack} of the stack: ' if stack else ''}{gauge.names('σ', i, i)} = "
            f"{value:.1e} is zero to a tolerance of {tolerance:.1e}: the polar factor depends on "
            "the choice of singular vectors there",
            (i, i),
            value,
            tolerance,
        )


def polar_factor(matrix: ArrayLike, *, rtol: float | None = None) -> Array:
    """Unitary polar factor UVᴴ: the matrix with orthonormal rows or columns nearest to A.

    Parameters
    ----------
    matrix : (..., m, n) array_like
        Of full rank.
    rtol : float, optional
        Singular values this close to zero, relative to the largest, are zero; see
        `spectralgrad.theory.spectrum.default_rtol`.

    Returns
    -------
    (..., m, n) numpy.ndarray
        In the dtype of the matrix (float64 if that is not inexact).

    Raises
    ------
    GaugeError
        If a singular value is zero: then there are several.
    ValueError
        If the matrix is not finite.
    """
    matrix, rtol = _prepare(matrix, rtol)
    factor = _polar_by_gram(matrix, rtol)
    if factor is not None:
        return factor
    u, s, vh = np.linalg.svd(matrix, full_matrices=False)
    _require_full_rank(s, rtol)
    polar: Array = u @ vh
    return polar.astype(matrix.dtype, copy=False)


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

    As `spectralgrad.theory.eigen.invariant_vjp`: the bases U_c and V_c of a cluster are rotated
    jointly; those of the null spaces, including the null vectors that the thin decomposition
    leaves out, are chosen independently of one another.

    Parameters
    ----------
    u : (..., m, k) array_like
        Orthonormal columns, k = min(m, n).
    s : (..., k) array_like
        Descending.
    vh : (..., k, n) array_like
        Orthonormal rows.
    pullback : callable
        ``pullback(u, s, vh)`` returns the cotangents ``(ū, s̄, v̄h)`` of the loss, in the shapes of
        its arguments (or broadcast to them). With clusters of up to d positive values, and null
        spaces of dimensions up to q, it is called at most max(d, q) + 2 + ⌈log₂(k + 1)⌉ times,
        2 max(d, q) + 2 + ⌈log₂(k + 1)⌉ if the matrix is complex: once with the singular values as
        they are, and then with those of a cluster exactly equal, and zeros exactly zero.
    rtol : float, optional
        Singular values this close, relative to the largest, are replaced by their mean, and by 0 if
        this close to zero. By default the square root of eps: for a loss that is smooth on the
        scale of the largest singular value, what this neglects then balances the rounding errors of
        a division by the gap. A loss that varies faster needs a smaller one. Where
        `spectralgrad.theory.spectrum.default_rtol` is larger, it counts instead.
    gauge_tol : float, optional
        By how much the answers in two bases may differ, relative to the cotangents; by default the
        square root of eps. Where the cotangents are rounding errors and nothing else, as at a
        minimum of the loss, ``numpy.inf`` leaves out the trials.

    Returns
    -------
    (..., m, n) numpy.ndarray
        In the dtype of `u`.

    Raises
    ------
    GaugeError
        If the loss depends on the bases: on the rotation of a cluster, on a choice of null vectors,
        on a phase, a sign or the product of two signs. A product of three may pass unnoticed.
    ValueError
        If the decomposition is not thin; or if no `rtol` is given, and the loss is seen to vary
        too fast for the default.
    """
    u, s, vh = as_inexact(u), as_inexact(s), as_inexact(vh)
    finest = _default_rtol(u, vh)
    given, rtol = rtol, max(gauge.default_tol(u.dtype), finest) if rtol is None else rtol
    gauge_tol = gauge.tolerance(gauge_tol, u.dtype)
    positive = spectrum.positive(s, rtol)
    labels = np.where(positive, spectrum.labels(s, rtol), -1)
    same, merged = _tied(labels), np.where(positive, spectrum.merge(s, labels), 0)
    is_complex, v, k = np.iscomplexobj(u), adjoint(vh), s.shape[-1]
    eye, null = np.eye(k, dtype=s.dtype), _null_bases(u, v, positive)

    def pull(rotation: Array, choose: _Choice, at: Array = merged) -> Any:
        left, right = (x @ rotation.astype(u.dtype, copy=False) for x in (u, v))
        for place, bases in null.items():
            zero = ~positive[place]
            left[place][:, zero], right[place][:, zero] = choose(*bases)
        du, ds, dv = _cotangents(left, at, right, pullback(left, at.copy(), adjoint(right)))
        allowed = _allowed(u, at, v, (du, ds, dv), finest, gauge_tol)
        turned = [gauge.turns(*x) for x in ((u, left, du), (v, right, dv))]
        return (left, right), ds, turned, allowed

    def compare(
        bases: tuple[Array, Array], ds: Array, turned: Sequence[Array], allowed: Array
    ) -> None:
        left, right = bases
        blocks = u @ block @ vh + null_block
        missed = np.abs(np.sum(left.conj() * (blocks @ right), axis=-2).real - ds)
        largest = np.maximum(gauge.largest(block), np.abs(ds))
        tolerance = gauge.per_value(allowed, merged, largest, gauge_tol)
        gauge.require(_diagonal(missed), tolerance, "σ", gauge.VARIES)
        for one, other in zip(turned, turns, strict=True):
            missed = np.max(np.abs(one - other), axis=-2)
            gauge.require(_diagonal(missed), allowed, "σ", gauge.VARIES)

    unrotated = np.broadcast_to(eye, (*s.shape, k))
    _, ds, turns, allowed = pull(unrotated, _pairing(0, is_complex))
    # The turns are half of what leads out of the span, and all of what stays in it.
    sides = [_split(basis, turn) for basis, turn in zip((u, v), turns, strict=True)]
    sides = [(inner, None if rest is None else 2 * rest) for inner, rest in sides]
    _require_invariance(sides, same, positive, allowed)
    unmerged = None
    if given is None and np.any(merged != s):
        unmerged = pull(unrotated, _pairing(0, is_complex), s)
    first = ds
    block, null_block = _diagonal(ds * positive), svdvals_vjp(u, vh, ds * ~positive)
    rounds = {p: (1 + is_complex) * max(x.shape[1] for x in bases) for p, bases in null.items()}
    mixtures = gauge.mixtures(labels, is_complex=is_complex)
    for step in itertools.count(1):
        rotation = next(mixtures, None)
        if rotation is None and step >= max(rounds.values(), default=0):
            break
        rotation = unrotated if rotation is None else rotation
        bases, ds, *others = pull(rotation, _pairing(step, is_complex))
        mixed = (rotation * (ds * positive)[..., None, :]) @ adjoint(rotation)
        block = block + mixed * (1 - eye)
        for place in (p for p in null if step < rounds[p]):
            left, right = (x[place] for x in bases)
            null_block[place] += svdvals_vjp(left, adjoint(right), ds[place] * ~positive[place])
        compare(bases, ds, *others)
    rng = np.random.default_rng(0)
    for rotation in gauge.trials(labels, is_complex=is_complex):
        compare(*pull(rotation, _random_choice(rng, is_complex)))
    if unmerged is not None:
        _, apart, (x, y), allowed = unmerged
        tolerance = gauge.per_value(allowed, s, apart, gauge_tol) / np.sqrt(gauge_tol)
        values = block + _diagonal(first * ~positive)
        turned = adjoint(u) @ x + vh @ y
        gauge.require_same(values, apart, turned, s, labels, tolerance, allowed, "σ")
    gradient = u @ block @ vh + null_block
    gradient = gradient + _gradient(u, merged, v, 0 * merged, sides, same, positive)
    return gradient.astype(u.dtype, copy=False)


def _null_bases(u: Array, v: Array, positive: Array) -> Any:
    """For each rank-deficient matrix of a stack, all of its left and right null vectors."""
    places = np.argwhere(~positive[..., -1]) if positive.shape[-1] else ()
    bases = {}
    for place in map(tuple, places):
        bases[place] = tuple(
            np.hstack(
                [
                    x[place][:, ~positive[place]],
                    np.linalg.qr(x[place], "complete")[0][:, x.shape[-1] :],
                ]
            )
            for x in (u, v)
        )
    return bases


def _pairing(step: int, is_complex: bool) -> _Choice:
    """Pair null vectors so that, as the steps go on, each left one meets each right one once."""

    def choose(left: Array, right: Array) -> Sequence[Array]:
        fewer, more = sorted((left.shape[1], right.shape[1]))
        places = (np.arange(fewer) + step) % more
        phase = 1j if is_complex and step >= more else 1
        if left.shape[1] == fewer:
            return left, phase * right[:, places]
        return left[:, places], phase * right

    return choose


def _random_choice(rng: np.random.Generator, is_complex: bool) -> _Choice:
    def choose(left: Array, right: Array) -> Sequence[Array]:
        fewer = min(left.shape[1], right.shape[1])
        return [
            x @ gauge.unitary(x.shape[1], rng, is_complex=is_complex)[:, :fewer]
            for x in (left, right)
        ]

    return choose


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

    u1: Array
    v1: Array
    u0: Array
    v0: Array

    @property
    def rank(self) -> int:
        """The number r of positive singular values."""
        return int(self.u1.shape[1])

    @property
    def regular_part(self) -> Array:
        """U₁V₁ᴴ, (m, n): the part that every gradient of Σσᵢ shares."""
        return self.u1 @ self.v1.conj().T

    def null_part(self, gradient: ArrayLike) -> Array:
        """W = U₀ᴴ G V₀, (m − r, n − r): the part that no theory fixes."""
        return self.u0.conj().T @ gradient @ self.v0

    def residual(self, gradient: ArrayLike) -> float:
        """Norm of what G holds beyond U₁V₁ᴴ + U₀WV₀ᴴ."""
        rebuilt = self.regular_part + self.u0 @ self.null_part(gradient) @ self.v0.conj().T
        return float(np.linalg.norm(gradient - rebuilt))


def rank_split(matrix: ArrayLike, *, rtol: float | None = None) -> RankSplit:
    """Split the singular vectors of a matrix at its rank.

    Real square matrices get U₀ and V₀ oriented so that det[U₁ U₀] · det[V₁ V₀] = 1. Then
    det G = det W for every G = U₁V₁ᵀ + U₀WV₀ᵀ, and the sign of det W means something: it does not
    change with the bases that a library happens to return.

    Parameters
    ----------
    matrix : (m, n) array_like
    rtol : float, optional
        Singular values this close to zero, relative to the largest, are zero; see
        `spectralgrad.theory.spectrum.default_rtol`.

    Returns
    -------
    RankSplit
        In float64 or complex128, whatever the dtype of the matrix.

    Raises
    ------
    ValueError
        If the matrix is not finite.
    """
    matrix, rtol = _prepare(matrix, rtol)
    u, values, vh = np.linalg.svd(matrix.astype(np.result_type(matrix, float)))
    v = vh.conj().T
    r = spectrum.rank(values, rtol)
    if u.shape == v.shape and r < len(u) and np.isrealobj(u):
        u[:, -1] *= np.sign(np.linalg.det(u) * np.linalg.det(v))
    return RankSplit(u[:, :r], v[:, :r], u[:, r:], v[:, r:])
