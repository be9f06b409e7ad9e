"""Gradients of a few eigenpairs or singular triplets of a matrix that no one can decompose.

The matrix is sparse, or an operator of which nothing is known but its products with vectors. A
Krylov method finds the pairs that are asked for and one more, so that a tie that k cuts in two is
seen. A gradient has low rank, and stays in factors. What the pairs that are not known contribute to
the derivative of a vector is the solution of a linear system (eq-complement of the chapter on large
matrices; Nelson 1976). Conventions are those of `spectralgrad.theory.eigen` and
`spectralgrad.theory.singular`.

``gauge_tol`` is that of `spectralgrad.theory.eigen`.

Errors: `spectralgrad.theory.krylov.ConvergenceError` where residual over gap leaves no digit, or a
linear system was not solved; `spectralgrad.theory.gauge.GaugeError` where the cotangents depend on
the choice of a phase or of the basis of a cluster, and where k cuts a cluster in two of which they
are not equal.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import scipy.sparse
import scipy.sparse.linalg as iterative
from numpy.typing import ArrayLike
from scipy.sparse.linalg import LinearOperator

from spectralgrad.theory import gauge, spectrum
from spectralgrad.theory.arrays import Array, cotangents, divide
from spectralgrad.theory.krylov import ConvergenceError as ConvergenceError
from spectralgrad.theory.krylov import Pairs, Solve, Triplets, dual_norm, norm, times
from spectralgrad.theory.krylov import eigen as eigen
from spectralgrad.theory.krylov import singular as singular
from spectralgrad.theory.symmetric import adjoint, hermitian_part, skew_part

# Where an error may exceed this part of an answer, no digit can be trusted.
_NO_DIGIT = 0.1


@dataclass(frozen=True, eq=False)
class LowRank:
    """A gradient G = L Rᴴ in factors (m, r) and (n, r); it is never formed.

    Its relative error, in Frobenius norm and to first order, is at most ``error``, for cotangents
    that are exact. Of a generalised problem, ``of_b`` is the gradient with respect to B.
    """

    left: Array
    right: Array
    error: float = 0.0
    of_b: "LowRank | None" = None

    def on(self, pattern: Any) -> Any:
        """The entries of G where a sparse matrix stores its own, in its format and order."""
        shape = len(self.left), len(self.right)
        if not scipy.sparse.issparse(pattern) or pattern.shape != shape:
            raise ValueError(f"pattern: give a sparse matrix, {shape[0]} × {shape[1]}")
        result = pattern if pattern.format in ("csr", "csc") else pattern.tocoo()
        rows, columns = result.tocoo(copy=False).coords
        entries = np.zeros(len(rows), self.left.dtype)
        for x, y in zip(self.left.T, self.right.T, strict=True):
            entries += x[rows] * y[columns].conj()
        result = result.astype(entries.dtype)
        result.data = entries
        return result

    def along(self, direction: Any) -> float:
        """The derivative Re⟨G, E⟩ along a matrix or an operator E."""
        return float(np.vdot(self.left, direction @ self.right).real)

    def toarray(self) -> Array:
        """G as an array."""
        return self.left @ adjoint(self.right)


def eigen_vjp(
    pairs: Pairs,
    values_cotangent: ArrayLike = 0.0,
    vectors_cotangent: ArrayLike = 0.0,
    *,
    gauge_tol: float | None = None,
) -> LowRank:
    """Pull cotangents, (k,) and (n, k) or broadcast to that, back to A, and to B.

    At a tie as `spectralgrad.theory.eigen.eigh_vjp`: it is the gradient of a loss of projectors.
    """
    X, X_b, wrong = _pulled(pairs, values_cotangent, vectors_cotangent, gauge_tol)
    values, V, _ = pairs.known
    of_a = _gradient(np.hstack([X, V]) / 2, np.hstack([V, X]), wrong)
    if pairs.b is None:
        return of_a
    wrong *= 2 * float(np.abs(values).max())
    return replace(of_a, of_b=_gradient(np.hstack([X_b, V]) / 2, np.hstack([V, X_b]), wrong))


def projector_vjp(pairs: Pairs, cotangent: Any) -> LowRank:
    """Pull a cotangent C, a matrix or an operator, of the projector V Vᴴ back."""
    C, V = iterative.aslinearoperator(cotangent), pairs.vectors
    return eigen_vjp(pairs, 0.0, C.matmat(V) + C.rmatmat(V))


def singular_vjp(
    triplets: Triplets,
    u_cotangent: ArrayLike = 0.0,
    s_cotangent: ArrayLike = 0.0,
    vh_cotangent: ArrayLike = 0.0,
    *,
    gauge_tol: float | None = None,
) -> LowRank:
    """Pull cotangents, (m, k), (k,) and (k, n) or broadcast to that, back to A."""
    factors = triplets.u, triplets.s, triplets.vh
    u, s, vh = cotangents((u_cotangent, s_cotangent, vh_cotangent), factors)
    bar = np.sqrt(2) * np.concatenate([u, adjoint(vh)])
    pairs, m = triplets.pairs, triplets.rows
    X, _, wrong = _pulled(pairs, s[::-1], bar[:, ::-1].astype(u.dtype), gauge_tol)
    W = pairs.known[1]
    return _gradient(np.hstack([X[:m], W[:m]]), np.hstack([W[m:], X[m:]]), 2 * wrong)


def eigenvalue_second_derivative(pairs: Pairs, index: int, direction: Any) -> float:
    """d²λ(A + tE)/dt² at t = 0 of a simple one of the values: 2 (Ev)ᴴ (λB − A)⁺ Ev (eq-second)."""
    place, (values, V, _) = int(pairs.kept[index]), pairs.known
    one = np.eye(len(values))[place]
    _require_invariant(pairs, one, np.zeros((1, 1)), one, None)
    _require_digits(pairs, [place])
    along = direction @ V[:, place]
    inner = np.delete(np.abs(adjoint(V) @ along) ** 2, place)
    y, _ = _complement(pairs, place, along)
    known = np.sum(inner / np.delete(values[place] - values, place))
    return float(2 * (known - np.vdot(along, y).real))


def _pulled(
    pairs: Pairs, values_bar: ArrayLike, vectors_bar: ArrayLike, gauge_tol: float | None
) -> tuple[Array, Array, float]:
    """X with the gradients X Vᴴ in A and in B, and their absolute error (eq-complement)."""
    values, V, residuals = pairs.known
    lam, bar = np.zeros_like(values), np.zeros_like(V)
    given = cotangents((values_bar, vectors_bar), (pairs.values, pairs.vectors))
    lam[pairs.kept], bar[:, pairs.kept] = given
    alike, C = spectrum.in_one_cluster(pairs.labels), adjoint(V) @ bar
    moved = np.flatnonzero(bar.any(axis=0))
    _require_invariant(pairs, lam, C, np.linalg.norm(bar, axis=0), gauge_tol)
    _require_digits(pairs, {*np.flatnonzero(lam), *moved})
    distances = values[None, :] - values[:, None]
    # Of the Hermitian part of a gradient, so that nearly equal values do not have to cancel.
    turn = skew_part(C)
    X = V * lam + V @ divide(turn, distances, alike)
    wrong, distances = 0.0, np.where(alike, pairs.gaps, np.abs(distances))
    for i in moved:
        y, missed = _complement(pairs, int(i), bar[:, i])
        X[:, i] -= y
        mixed = norm(y, pairs.b) + 2 * np.abs(turn[:, i]) / pairs.gaps[i]
        wrong += missed + float(np.sum(residuals * mixed / distances[:, i]))
    sizes = [norm(X[:, i], pairs.b) for i in pairs.kept]
    wrong += float(np.sqrt(8) * np.dot(sizes, pairs.bounds))
    # So far in the norm of B, in which a vector has the size 1.
    wrong *= float(np.linalg.norm(V, axis=0).max() ** 2)
    return X, -(X * values + V @ hermitian_part(C) / 2), wrong


def _gradient(left: Array, right: Array, wrong: float) -> LowRank:
    """Without the terms that are 0, and with the relative error."""
    used = left.any(axis=0) & right.any(axis=0)
    left, right = left[:, used], right[:, used]
    one, other = (np.linalg.qr(x)[1].astype(complex) for x in (left, right))
    size = np.linalg.norm(one @ adjoint(other))
    return LowRank(left, right, float(wrong) / max(float(size), 1e-300))


def _complement(pairs: Pairs, i: int, given: Array) -> tuple[Array, float]:
    """Y with (A − λᵢB) y = x on the complement of what is known, and what y may be wrong by.

    With (A − sB)⁻¹ it is (B − (λ − s) B (A − sB)⁻¹ B) y = B (A − sB)⁻¹ x, where values far from s
    make eigenvalues near 1; and Hermitian, as MINRES needs it.
    """
    A, B, V, value = pairs.operator, pairs.b, pairs.known[1], pairs.known[0][i]
    (preconditioner, shift, solve), BV = pairs.tools, times(B, V)

    def onto(x: Array) -> Array:
        return x - BV @ (adjoint(V) @ x)

    def within(x: Array) -> Array:
        return x - V @ (adjoint(BV) @ x)

    def plain(x: Array) -> Array:
        return onto(A @ within(x) - value * times(B, within(x)))

    def shifted(x: Array) -> Array:
        z = times(B, within(x))
        return onto(z - (value - shift) * times(B, solve(z)))

    right = onto(given)
    if len(pairs.labels) == len(V) or not right.any():
        return np.zeros_like(right), 0.0
    if solve is None:
        y = within(_minres(plain, right, preconditioner))
    else:
        y = within(_minres(shifted, onto(times(B, solve(right))), None))
    missed, most = (dual_norm(x, B) / float(pairs.gaps[i]) for x in (plain(y) - right, given))
    if not missed <= max(_NO_DIGIT * norm(y, B), gauge.default_tol(V.dtype) * most):
        mend = "give a preconditioner, or a number near the value and so a factorisation"
        raise ConvergenceError(
            f"{gauge.names('λ', i, i)}: MINRES leaves the derivative of the vector wrong by "
            f"{missed:.1e}; {mend}"
        )
    return y, missed


def _minres(product: Solve, right: Array, preconditioner: Solve | None) -> Array:
    """Solve a Hermitian system; a complex one as the real one that it is, of twice the size."""
    real, dtype, one = right.real.dtype, right.dtype, np.linalg.norm(right)
    # Of the size 1, because SciPy's rules of stopping are for that.
    size = float(np.linalg.norm(product(right)) / one)

    def in_real(f: Solve, size: float) -> LinearOperator:
        n = right.view(real).size

        def in_parts(x: Array) -> Array:
            return f(x.astype(real).view(dtype)).astype(dtype).view(real) / size

        return LinearOperator((n, n), in_parts)

    A, M = in_real(product, size), preconditioner and in_real(preconditioner, 1.0)
    x, _ = iterative.minres(A, (right / one).view(real), rtol=10 * np.finfo(dtype).eps, M=M)
    return x.astype(real).view(dtype) * (one / size)


def _require_invariant(
    pairs: Pairs, lam: Array, C: Array, sizes: Array, gauge_tol: float | None
) -> None:
    """Raise where the cotangents depend on a phase, or on the basis of a cluster."""
    tol, alike = gauge.tolerance(gauge_tol, C.dtype), spectrum.in_one_cluster(pairs.labels)
    try:
        gauge.require_equal(lam, pairs.labels, tol * gauge.largest(lam), "λ")
        excess = np.where(alike, np.abs(skew_part(C)), 0)
        gauge.require_within(excess, tol * gauge.largest(sizes), "λ", gauge.TURNED)
    except gauge.GaugeError as error:
        if np.all(np.isin(np.flatnonzero(alike[error.pair[0]]), pairs.kept)):
            raise
        cut = f"{error}; k = {len(pairs.kept)} cuts this cluster in two: ask for more, or fewer"
        raise gauge.GaugeError(cut, error.pair, error.excess, error.allowed) from None


def _require_digits(pairs: Pairs, places: Iterable[int]) -> None:
    for i in places:
        residual, gap = float(pairs.known[2][i]), float(pairs.gaps[i])
        if not residual <= _NO_DIGIT * gap:
            raise ConvergenceError(
                f"{gauge.names('λ', i, i)}: a residual of {residual:.1e} over a gap of {gap:.1e} "
                "leaves no digit; give a smaller tol, more iterations, or ask for more pairs"
            )
