"""Gradients of a few eigenpairs or singular triplets of a matrix that no one can decompose.

The matrix is sparse, or an operator of which nothing is known but its products with vectors. A
Krylov method finds the pairs that are asked for and one more, so that a tie that k cuts in two is
seen. A gradient has low rank, and stays in factors. What the pairs that are not known contribute to
the derivative of a vector is the solution of a linear system (eq-complement of the chapter on large
matrices; Nelson 1976). Conventions are those of `spectralgrad.theory.eigen` and
`spectralgrad.theory.singular`.

Parameters that mean the same everywhere:

``matrix``
    A ``scipy.sparse`` array or matrix, a ``scipy.sparse.linalg.LinearOperator``, or an array, real
    or complex, in single or double precision. For eigenpairs it is Hermitian, which is not checked.
``k``
    How many pairs, from 1; of a matrix with more than `DENSE` rows, to two fewer than its values.
``which``
    ``"smallest"``, ``"largest"``, or a number s: the values nearest to it, by shift and invert.
``solve``
    x ↦ (A − sB)⁻¹ x. By default a sparse matrix is factorised, without pivoting. If s is itself an
    eigenvalue, the others lose digits: for the Laplacian of a graph take a number below 0.
``solver``
    ``"eigsh"``, ARPACK; or ``"lobpcg"``, which wants a good ``preconditioner``: x ↦ Tx with T
    positive definite and near to A⁻¹. That serves derivatives too, where there is no ``solve``.
``tol``, ``maxiter``
    Those of SciPy's solver; the tolerance 0 is the precision of the machine.
``rtol``
    Values closer than this times the size of the matrix count as equal; by default 8 eps. Those
    closer than ten times their residuals do too, if these are rounding errors.
``gauge_tol``
    As in `spectralgrad.theory.eigen`.

Errors: `ConvergenceError` where residual over gap leaves no digit, or a linear system was not
solved; `spectralgrad.theory.gauge.GaugeError` where the cotangents depend on the choice of a phase
or of the basis of a cluster, and where k cuts a cluster in two and that makes a difference.
"""

import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import scipy.linalg
import scipy.sparse
import scipy.sparse.linalg as iterative
from numpy.typing import ArrayLike
from scipy.sparse.linalg import LinearOperator

from spectralgrad.theory import gauge, spectrum
from spectralgrad.theory.arrays import Array, as_inexact, cotangents, divide
from spectralgrad.theory.symmetric import adjoint, hermitian_part, skew_part

#: Up to so many rows, LAPACK decomposes the matrix as a whole.
DENSE = 64

# Where an error may exceed this part of an answer, no digit can be trusted.
_NO_DIGIT = 0.1

Solve = Callable[[Array], Array]


class ConvergenceError(ValueError):
    """A solver stopped too early for a digit of the answer to be trusted."""


@dataclass(frozen=True, eq=False)
class LowRank:
    """A gradient G = L Rᴴ in factors (m, r) and (n, r); it is never formed.

    Its relative error, in Frobenius norm and to first order, is at most ``error``. Of a generalised
    problem, ``of_b`` is the gradient with respect to B.
    """

    left: Array
    right: Array
    error: float = 0.0
    of_b: "LowRank | None" = None

    def on(self, pattern: Any) -> Any:
        """The entries of G where a sparse matrix stores its own, in its format and order."""
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


@dataclass(frozen=True, eq=False)
class Pairs:
    """Eigenpairs A V = B V Λ with VᴴBV = 1, ascending, and how well they are known.

    Attributes
    ----------
    values, vectors : numpy.ndarray
        (k,) and (n, k).
    residuals : numpy.ndarray
        ‖Av − λBv‖, in the norm of B⁻¹: a true eigenvalue is no farther away.
    bounds : numpy.ndarray
        Residual over gap, which bounds the sine of the angle to the true vector, or to the space of
        a cluster. The gap is the distance to the next value outside of the cluster.
    """

    operator: LinearOperator
    b: LinearOperator | None
    preconditioner: Solve | None
    shift: float | None
    solve: Solve | None
    # Values, vectors and residuals of what is known, which is more than what was asked for.
    known: tuple[Array, Array, Array]
    labels: Array
    gaps: Array
    kept: Array

    values = property(lambda self: self.known[0][self.kept])
    vectors = property(lambda self: self.known[1][:, self.kept])
    residuals = property(lambda self: self.known[2][self.kept])
    bounds = property(lambda self: self.residuals / self.gaps[self.kept])


@dataclass(frozen=True, eq=False)
class Triplets:
    """Singular triplets A V = U Σ, descending, as eigenpairs (u; v)/√2 of [[0, A], [Aᴴ, 0]].

    Attributes
    ----------
    u, s, vh : numpy.ndarray
        (m, k), (k,) and (k, n).
    residuals, bounds : numpy.ndarray
        Those of the eigenpairs, to which −σ, and 0 if m ≠ n, are neighbours too.
    """

    pairs: Pairs
    rows: int

    s = property(lambda self: self.pairs.values[::-1])
    u = property(lambda self: np.sqrt(2) * self.pairs.vectors[: self.rows, ::-1])
    vh = property(lambda self: np.sqrt(2) * adjoint(self.pairs.vectors[self.rows :, ::-1]))
    residuals = property(lambda self: self.pairs.residuals[::-1])
    bounds = property(lambda self: self.pairs.bounds[::-1])


def eigen(
    matrix: Any,
    k: int = 1,
    which: str | float = "smallest",
    *,
    b: Any = None,
    solver: str = "eigsh",
    solve: Solve | None = None,
    preconditioner: Solve | None = None,
    tol: float = 0.0,
    maxiter: int | None = None,
    rtol: float | None = None,
) -> Pairs:
    """A few eigenpairs of A v = λ v or, with ``b``, of A v = λ B v, B positive definite."""
    A, B = _inexact(matrix), None if b is None else _inexact(b)
    n = A.shape[0]
    if A.shape != (n, n) or (B is not None and B.shape != A.shape):
        shapes = " and ".join(f"{x.shape[0]} × {x.shape[1]}" for x in (A, B) if x is not None)
        raise ValueError(f"{shapes} will not do for eigenvalues; give square matrices of one size")
    shift = _require(k, which, n, n)
    if shift is not None and solve is None and n > DENSE:
        solve = _factorised(A, B, shift)
    start, options = _start(n, k + 1, A.dtype), {"tol": tol, "maxiter": maxiter}
    edges: list[float] = []
    if n <= DENSE:
        found = np.eye(n, dtype=A.dtype)
    elif solver == "lobpcg" and shift is None:
        tools = {"M": _linear(preconditioner, A), "largest": which == "largest"}
        _, found = _found(iterative.lobpcg, A, start, B, **tools, **options)
    elif solver == "eigsh":
        tools = {"sigma": shift, "OPinv": _linear(solve, A), "which": _ARPACK.get(which, "LM")}
        values, found = _found(iterative.eigsh, A, k + 1, B, v0=start[:, 0], **tools, **options)
        edges = _edges(values, shift)
    else:
        raise ValueError(f"solver: {solver!r} will not do; give eigsh, or lobpcg without a number")
    return _known(A, B, (preconditioner, shift, solve), found, (k, which), rtol, edges)


def singular(
    matrix: Any,
    k: int = 1,
    which: str | float = "largest",
    *,
    solve: Solve | None = None,
    tol: float = 0.0,
    maxiter: int | None = None,
    rtol: float | None = None,
) -> Triplets:
    """A few singular triplets; ``solve`` is for [[−s, A], [Aᴴ, −s]], with a number s > 0.

    The smallest are found through AᴴA, so that what is below √eps of the largest is lost. The
    vector v alone is then better had as an eigenvector of the operator AᴴA, in which a gradient G
    gives 2AG in A.
    """
    A = _inexact(matrix)
    m, n = A.shape
    product, back = iterative.aslinearoperator(A), iterative.aslinearoperator(A).H

    def both(x: Array) -> Array:
        return np.concatenate([product @ x[m:], back @ x[:m]])

    shift, size = _require(k, which, m + n, min(m, n)), (m + n, m + n)
    H: Any = LinearOperator(size, both, matmat=both, dtype=A.dtype)
    if shift is not None and solve is None and m + n > DENSE:
        sparse = scipy.sparse.issparse(A)
        blocks = scipy.sparse.block_array([[None, A], [A.conj().T, None]]) if sparse else H
        solve = _factorised(blocks, None, shift)
    options, edges = {"tol": tol, "maxiter": maxiter}, [0.0] * (m != n)
    if m + n <= DENSE or shift is None:
        if m + n <= DENSE:
            u, _, vh = np.linalg.svd(product @ np.eye(n, dtype=A.dtype), full_matrices=False)
        else:
            tools = {"which": _ARPACK[f"{which} σ"], "v0": _start(min(m, n), 1, A.dtype)[:, 0]}
            u, _, vh = _found(iterative.svds, A, k + 1, **tools, **options)
        found = np.concatenate([u, adjoint(vh)])
    else:
        tools = {"sigma": shift, "OPinv": _linear(solve, H), "v0": _start(m + n, 1, A.dtype)[:, 0]}
        values, found = _found(iterative.eigsh, H, k + 1, **tools, **options)
        found, edges = found[:, values > 0], edges + _edges(values, shift)
    pairs = _known(H, None, (None, shift, solve), found, (k, which), rtol, edges)
    # Of H, −σ is an eigenvalue too.
    gaps = np.minimum(pairs.gaps, pairs.known[0] + pairs.known[0].min())
    return Triplets(replace(pairs, gaps=gaps), m)


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
    V = pairs.known[1]
    of_a, of_b = (_gradient(np.hstack([x, V]) / 2, np.hstack([V, x]), wrong) for x in (X, X_b))
    return of_a if pairs.b is None else replace(of_a, of_b=of_b)


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
    others = np.delete(np.flatnonzero(pairs.labels == pairs.labels[place]), 0)
    if others.size:
        pair = int(others[0]) - 1, int(others[-1])
        fault = f"{gauge.names('λ', *pair)} count as equal: neither is differentiable"
        raise gauge.GaugeError(fault, pair, float(np.ptp(values[[*pair]])), 0.0)
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
    sizes, bounds = np.linalg.norm(bar, axis=0), np.zeros_like(residuals)
    C, alike = adjoint(V) @ bar, spectrum.in_one_cluster(pairs.labels)
    _require_invariant(pairs, lam, C, sizes, gauge_tol)
    used = np.flatnonzero((lam != 0) | (sizes != 0))
    _require_digits(pairs, used)
    bounds[used] = residuals[used] / pairs.gaps[used]
    among = V @ (C * alike)
    X = V * lam + V @ divide(C, values[None, :] - values[:, None], alike)
    wrong = float(np.sqrt(2) * np.abs(lam) @ bounds)
    for i in np.flatnonzero(sizes):
        y, _ = _complement(pairs, i, bar[:, i])
        X[:, i] -= y
        # What the whole equation leaves: the other vectors that are known have residuals too.
        left = bar[:, i] + pairs.operator @ X[:, i]
        left -= _times(pairs.b, among[:, i] + values[i] * X[:, i])
        missed = _dual_norm(left, pairs.b) + 4 * float(sizes[i] * bounds[i])
        wrong += missed / float(pairs.gaps[i])
    return X, -(X * values + among / 2), wrong


def _gradient(left: Array, right: Array, wrong: float) -> LowRank:
    """Without the terms that are 0, and with the relative error."""
    used = left.any(axis=0) & right.any(axis=0)
    left, right = left[:, used], right[:, used]
    norm = np.sqrt(np.sum((adjoint(left) @ left) * (adjoint(right) @ right).conj()).real)
    return LowRank(left, right, float(wrong / norm) if wrong else 0.0)


def _complement(pairs: Pairs, i: int, given: Array) -> tuple[Array, float]:
    """Y with (A − λᵢB) y = x on the complement of what is known, and what y may be wrong by.

    With (A − sB)⁻¹ it is (B − (λ − s) B (A − sB)⁻¹ B) y = B (A − sB)⁻¹ x, where values far from
    s make eigenvalues near 1; and Hermitian, as MINRES needs it.
    """
    A, B, V, value = pairs.operator, pairs.b, pairs.known[1], pairs.known[0][i]
    solve, BV = pairs.solve, _times(B, V)

    def onto(x: Array) -> Array:
        return x - BV @ (adjoint(V) @ x)

    def within(x: Array) -> Array:
        return x - V @ (adjoint(BV) @ x)

    def plain(x: Array) -> Array:
        return onto(A @ within(x) - value * _times(B, within(x)))

    def shifted(x: Array) -> Array:
        z = _times(B, within(x))
        return onto(z - (value - pairs.shift) * _times(B, solve(z)))

    right = onto(given)
    if len(pairs.labels) == len(V) or not right.any():
        return np.zeros_like(right), 0.0
    if solve is None:
        y = within(_minres(plain, right, pairs.preconditioner))
    else:
        y = within(_minres(shifted, onto(_times(B, solve(right))), None))
    missed, most = (_dual_norm(x, B) / float(pairs.gaps[i]) for x in (plain(y) - right, given))
    size = np.sqrt(np.vdot(y, _times(B, y)).real)
    if missed > max(_NO_DIGIT * size, gauge.default_tol(V.dtype) * most):
        raise ConvergenceError(
            f"{gauge.names('λ', i, i)}: MINRES leaves an error of {missed:.1e} in what moves the "
            "vector; give a preconditioner, or a number near the value and so a factorisation"
        )
    return y, missed


def _minres(product: Solve, right: Array, preconditioner: Solve | None) -> Array:
    """Solve a Hermitian system; a complex one as the real one that it is, of twice the size."""
    real, dtype = right.real.dtype, right.dtype

    def in_real(f: Solve) -> LinearOperator:
        size = right.view(real).size
        return LinearOperator((size, size), lambda x: f(x.astype(real).view(dtype)).view(real))

    M = preconditioner and in_real(preconditioner)
    # SciPy counts the right-hand side into the norm of the matrix, by which it stops.
    size, eps = np.vdot(right, right).real / np.linalg.norm(product(right)), np.finfo(dtype).eps
    x, _ = iterative.minres(in_real(product), (right / size).view(real), rtol=eps, M=M)
    return (size * x).astype(real).view(dtype)


def _times(b: Any, x: Array) -> Array:
    return x if b is None else b @ x


def _dual_norm(residual: Array, b: Any) -> float:
    """‖r‖ in the norm of B⁻¹, in which a residual bounds the error of an eigenvalue."""
    solved = residual if b is None else iterative.cg(b, residual, rtol=0.01)[0]
    return float(np.sqrt(abs(np.vdot(residual, solved))))


def _known(
    A: Any,
    B: Any,
    tools: tuple[Solve | None, float | None, Solve | None],
    found: Array,
    asked: tuple[int, str | float],
    rtol: float | None,
    edges: Sequence[float],
) -> Pairs:
    """The pairs in the span of some vectors (Rayleigh and Ritz), and what is next to them."""
    k, which = asked
    A, B = (x if x is None else iterative.aslinearoperator(x) for x in (A, B))
    X = np.linalg.qr(found)[0] if B is None else found
    weights = None if B is None else hermitian_part(adjoint(X) @ (B @ X))
    values, turn = scipy.linalg.eigh(hermitian_part(adjoint(X) @ (A @ X)), weights)
    if len(values) < k:
        raise ConvergenceError(f"{len(values)} values of {k} were found; give another number")
    V = X @ turn
    residuals = np.array([_dual_norm(r, B) for r in (A @ V - _times(B, V) * values).T])
    start = _start(len(V), 1, V.dtype)[:, 0]
    size = _dual_norm(A @ start, B) / np.sqrt(np.vdot(start, _times(B, start)).real)
    width = (8 * np.finfo(V.dtype).eps if rtol is None else rtol) * size
    if residuals.max() < gauge.default_tol(V.dtype) * size:
        width = np.maximum(width, 10 * (residuals[1:] + residuals[:-1]))
    labels = np.concatenate([[0], np.cumsum(np.diff(values) > width)])
    order = np.abs(values - which) if not isinstance(which, str) else values
    kept = np.sort(np.argsort(-order if which == "largest" else order, kind="stable")[:k])
    distances = np.abs(values[:, None] - np.concatenate([values, edges]))
    distances[:, : len(values)][spectrum.in_one_cluster(labels)] = np.inf
    gaps = distances.min(axis=1, initial=np.inf)
    return Pairs(A, B, *tools, (values, V, residuals), labels, gaps, kept)


def _require_invariant(
    pairs: Pairs, lam: Array, C: Array, sizes: Array, gauge_tol: float | None
) -> None:
    """Raise where the cotangents depend on a phase, or on the basis of a cluster."""
    tol = gauge.tolerance(gauge_tol, C.dtype)
    try:
        gauge.require_equal(lam, pairs.labels, tol * gauge.largest(lam), "λ")
        excess = np.where(spectrum.in_one_cluster(pairs.labels), np.abs(skew_part(C)), 0)
        gauge.require_within(excess, tol * gauge.largest(sizes), "λ", gauge.TURNED)
    except gauge.GaugeError as error:
        cluster = np.flatnonzero(pairs.labels == pairs.labels[error.pair[0]])
        if set(cluster) <= set(pairs.kept):
            raise
        cut = f"{error}; {len(pairs.kept)} pairs cut this cluster in two: ask for more, or fewer"
        raise gauge.GaugeError(cut, error.pair, error.excess, error.allowed) from None


def _require_digits(pairs: Pairs, places: Iterable[int]) -> None:
    for i in places:
        residual, gap = float(pairs.known[2][i]), float(pairs.gaps[i])
        if not residual <= _NO_DIGIT * gap:
            raise ConvergenceError(
                f"{gauge.names('λ', i, i)}: a residual of {residual:.1e} over a gap of {gap:.1e} "
                "leaves no digit; give a smaller tol, more iterations, or ask for more pairs"
            )


#: What SciPy's solvers call the ends of a spectrum; of singular values it has other names.
_ARPACK = {"smallest": "SA", "largest": "LA", "smallest σ": "SM", "largest σ": "LM"}


def _inexact(matrix: Any) -> Any:
    """A matrix that is no operator, in single or double precision."""
    if isinstance(matrix, LinearOperator):
        return matrix
    if scipy.sparse.issparse(matrix):
        return matrix.astype(as_inexact(np.empty(0, matrix.dtype)).dtype, copy=False)
    return as_inexact(matrix)


def _require(k: int, which: str | float, n: int, values: int) -> float | None:
    """The number, if it is one, near which values are wanted."""
    if isinstance(which, str) and which not in _ARPACK:
        raise ValueError(f"which: {which!r} will not do; give smallest, largest, or a number")
    most = values if n <= DENSE else values - 2
    if not 1 <= k <= most:
        raise ValueError(f"k: {k} will not do; give a whole number from 1 to {most}")
    return None if isinstance(which, str) else float(which)


def _factorised(A: Any, B: Any, shift: float) -> Solve:
    """Solve with A − sB, of sparse matrices."""
    if not all(x is None or scipy.sparse.issparse(x) for x in (A, B)):
        raise ValueError("values near a number take a sparse matrix, or solve, x ↦ (A − sB)⁻¹ x")
    moved = A - shift * (scipy.sparse.eye_array(A.shape[0], dtype=A.dtype) if B is None else B)
    options = {"SymmetricMode": True}
    try:
        factors = iterative.splu(
            moved.tocsc(), permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options=options
        )
    except RuntimeError:
        raise ValueError(f"{shift} is an eigenvalue itself; give a number beside it") from None
    solve: Solve = factors.solve
    return solve


def _linear(product: Solve | None, like: Any) -> LinearOperator | None:
    return product and LinearOperator(like.shape, product, dtype=like.dtype)


def _start(n: int, k: int, dtype: np.dtype) -> Array:
    """Vectors at random, the same ones every time."""
    real, imaginary = np.random.default_rng(0).standard_normal((2, n, k))
    start: Array = (real + 1j * imaginary if dtype.kind == "c" else real).astype(dtype)
    return start


def _edges(values: Array, shift: float | None) -> list[float]:
    """Where the values may begin that are not known, on both sides of a number."""
    if shift is None:
        return []
    far = float(np.max(np.abs(values - shift)))
    return [shift - far, shift + far]


def _found(solver: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
    try:
        with warnings.catch_warnings():
            # What it did not reach shows in the residuals.
            warnings.simplefilter("ignore")
            return solver(*arguments, **options)
    except iterative.ArpackError as error:
        mend = "give a larger maxiter or tol, or a number near the values"
        raise ConvergenceError(f"{error}; {mend}") from None
