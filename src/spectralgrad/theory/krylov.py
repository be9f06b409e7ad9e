"""A few eigenpairs or singular triplets of a large matrix, and how well they are known.

The matrix is sparse, or an operator of which nothing is known but its products with vectors. One
pair more is found than is asked for, so that a tie is seen that k cuts in two. Lanczos' method may
overlook one of equal values; so the next one beside the vectors that were found is looked for too.

Values count as equal that are closer than 8 eps times the size of the matrix or, if all residuals
are below √eps times it, than ten times theirs.

Parameters that mean the same everywhere:

``matrix``
    A ``scipy.sparse`` array or matrix, a ``scipy.sparse.linalg.LinearOperator``, or an array, real
    or complex, in single or double precision. For eigenpairs it is Hermitian, which is not checked.
``k``
    How many pairs, from 1.
``which``
    ``"smallest"``, ``"largest"``, or a number s: the values nearest to it, by shift and invert.
``solve``
    x ↦ (A − sB)⁻¹ x; by default A − sB is factorised. Of a graph's Laplacian, take s below 0.
``preconditioner``
    x ↦ Tx, T positive definite and near to A⁻¹, for LOBPCG, and for derivatives without ``solve``.
``options``
    SciPy's: ``maxiter``; ``tol``, relative, by default 10 eps; for ``eigsh`` ``ncv`` and ``Minv``.
"""

import contextlib
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from numbers import Integral, Real
from typing import Any

import numpy as np
import scipy.linalg
import scipy.sparse
import scipy.sparse.linalg as iterative
from scipy.sparse.linalg import LinearOperator, aslinearoperator

from spectralgrad.theory import spectrum
from spectralgrad.theory.arrays import Array, as_inexact
from spectralgrad.theory.symmetric import adjoint, hermitian_part

#: Up to so many rows, and where a fourth of the pairs is wanted, LAPACK decomposes all.
DENSE = 64

Solve = Callable[[Array], Array]
Tools = tuple[Any, Any, Any]


class ConvergenceError(ValueError):
    """A solver stopped too early for a digit of the answer to be trusted."""


@dataclass(frozen=True, eq=False)
class Pairs:
    """Eigenpairs A V = B V Λ with VᴴBV = 1: ``values``, (k,), ascending, ``vectors``, (n, k).

    The ``residuals`` are ‖Av − λBv‖, in the norm of B⁻¹: a true eigenvalue is no farther away. The
    ``bounds`` are residual over gap, the distance to the next value outside of the cluster: so
    large is the sine of the angle to the true vector at most, or to the space of a cluster.
    """

    operator: LinearOperator
    b: LinearOperator | None
    # The preconditioner, the number near which values were wanted, and how to solve there.
    tools: Tools
    # Values, vectors and residuals of all that is known, and which of them were asked for.
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
    """Singular triplets A V = U Σ, descending, as eigenpairs (u; v)/√2 of H = [[0, A], [Aᴴ, 0]].

    The factors ``u``, ``s`` and ``vh`` have the shapes (m, k), (k,) and (k, n).
    """

    pairs: Pairs
    rows: int

    s = property(lambda self: self.pairs.values[::-1])
    u = property(lambda self: np.sqrt(2) * self.pairs.vectors[: self.rows, ::-1])
    vh = property(lambda self: np.sqrt(2) * adjoint(self.pairs.vectors[self.rows :, ::-1]))


def eigen(
    matrix: Any,
    k: int = 1,
    which: str | float = "smallest",
    *,
    b: Any = None,
    solver: str = "eigsh",
    solve: Solve | None = None,
    preconditioner: Solve | None = None,
    **options: Any,
) -> Pairs:
    """A few eigenpairs of A v = λ v or, with ``b``, of A v = λ B v, B positive definite.

    The ``solver`` is SciPy's ``"eigsh"``, which is ARPACK, or ``"lobpcg"``.
    """
    A, B = _inexact(matrix), None if b is None else _inexact(b)
    # A smaller tolerance is not reached where many values are equal.
    n, tol = A.shape[0], options.pop("tol", None) or 10 * np.finfo(A.dtype).eps
    if others := options.keys() - {"maxiter", *(("ncv", "Minv") if solver == "eigsh" else ())}:
        raise ValueError(f"options: {', '.join(sorted(others))} will not do; give maxiter or tol")
    if A.shape != (n, n) or (B is not None and B.shape != A.shape):
        shapes = " and ".join(f"{x.shape[0]} × {x.shape[1]}" for x in (A, B) if x is not None)
        raise ValueError(f"{shapes} will not do for eigenvalues; give square matrices of one size")
    if B is not None:
        dtype = np.result_type(A.dtype, B.dtype)
        A, B = (x.astype(dtype) if hasattr(x, "astype") else x for x in (A, B))
    shift = _require(k, which, n)
    if solver not in ("eigsh", "lobpcg" if shift is None else ""):
        raise ValueError(f"solver: {solver!r} will not do; give eigsh, or lobpcg without a number")
    tools = preconditioner, shift, None if shift is None else solve
    if n <= max(DENSE, 4 * k):
        return _known(A, B, tools, np.eye(n, dtype=A.dtype), k, which)
    if solver == "lobpcg":
        # The only one to take the tolerance as it is.
        options = {"tol": tol * _size(A, B)} | options
        options = {"M": _linear(preconditioner, A), "maxiter": n} | options
        start, largest = _start(n, k + 1, A.dtype), which == "largest"
        _, found = _found(iterative.lobpcg, A, start, B, largest=largest, **options)
        return _known(A, B, tools, found, k, which)
    if shift is not None and solve is None:
        tools = preconditioner, shift, _factorised(A, B, shift)
    return _lanczos(A, B, tools, k, which, tol, options)


def singular(
    matrix: Any,
    k: int = 1,
    which: str | float = "largest",
    *,
    solve: Solve | None = None,
    **options: Any,
) -> Triplets:
    """A few singular triplets; ``solve`` and ``preconditioner`` are for H − s and for H.

    The smallest are found through AᴴA, so that what is below √eps of the largest is lost: give a
    number next to them. Where the vector v alone is wanted of a value near 0, it is better had as
    an eigenvector of the operator AᴴA, in which a gradient G gives 2AG in A.
    """
    A = _inexact(matrix)
    m, n = A.shape
    product, back = aslinearoperator(A), aslinearoperator(A).H

    def both(x: Array) -> Array:
        return np.concatenate([product @ x[m:], back @ x[:m]])

    try:
        back @ np.zeros(m)
    except (TypeError, NotImplementedError):
        raise ValueError("an operator without rmatvec; give also x ↦ Aᴴx") from None
    H: Any = LinearOperator((m + n, m + n), both, matmat=both, dtype=A.dtype)
    if scipy.sparse.issparse(A):
        H = scipy.sparse.block_array([[None, A], [A.conj().T, None]], format="csr")
    _require(k, which, min(m, n))
    if which != "smallest" or m + n <= DENSE:
        pairs = eigen(H, k, which, solve=solve, **options)
        if which == "smallest":
            pairs = replace(pairs, kept=np.arange(k) + max(m, n))
    else:
        first, second = (product, back) if m >= n else (back, product)
        v = eigen(second @ first, k, which, **options).known[1]
        u = first @ v
        u /= np.maximum(np.linalg.norm(u, axis=0), np.finfo(u.dtype).tiny)
        found = np.concatenate([u, v] if m >= n else [v, u])
        # Of H, −σ is an eigenvalue too, and so is 0 if A is not square.
        pairs = _known(H, None, (None, None, None), found, k, which)
        gaps = np.minimum(pairs.gaps, pairs.known[0] + (0.0 if m != n else pairs.known[0][0]))
        pairs = replace(pairs, gaps=gaps)
    if pairs.values[0] <= 10 * pairs.residuals[0]:
        # At 0 a vector of H is not (u; v)/√2.
        raise ValueError(f"which: {which} leads to 0 or −σ; give a number near σ, or a smaller k")
    return Triplets(pairs, m)


def times(b: Any, x: Array) -> Array:
    """B x, where B may be left out."""
    return x if b is None else b @ x


def norm(x: Array, b: Any) -> float:
    """‖x‖ in the norm of B."""
    # The square of a number in single precision may be none.
    x = x.astype(np.result_type(x, float))
    return float(np.sqrt(abs(np.vdot(x, times(b, x)))))


def dual_norm(residual: Array, b: Any) -> float:
    """‖r‖ in the norm of B⁻¹, in which a residual bounds the error of an eigenvalue."""
    residual = residual.astype(np.result_type(residual, float))
    solved = residual if b is None else iterative.cg(b, residual, rtol=0.01)[0]
    return float(np.sqrt(abs(np.vdot(residual, solved))))


def _size(A: Any, B: Any) -> float:
    """The size of the eigenvalues: of what A makes of a vector at random."""
    x = _start(A.shape[0], 1, A.dtype)[:, 0]
    return dual_norm(A @ x, B) / norm(x, B) or 1.0


def _order(values: Array, which: str | float) -> Array:
    """In which order values are asked for."""
    if isinstance(which, str):
        return values if which == "smallest" else -values
    return np.abs(values - which)


def _lanczos(
    A: Any, B: Any, tools: Tools, k: int, which: str | float, tol: float, options: dict[str, Any]
) -> Pairs:
    """The pairs that ARPACK finds, and those that it overlooks at first.

    A tolerance is relative to a number in the middle, or to that which is given.
    """
    (n, _), (_, middle, solve), size = A.shape, tools, _size(A, B)
    x = _start(n, 1, A.dtype)[:, 0]
    mean = np.vdot(x, A @ x).real / np.vdot(x, times(B, x)).real
    if dual_norm(A @ x - mean * times(B, x), B) <= np.finfo(A.dtype).eps * size * norm(x, B):
        # A multiple of B, of which ARPACK despairs.
        return _known(A, B, tools, _start(n, k + 1, A.dtype), k, which)
    middle = mean if middle is None else middle

    def beside(values: Array, V: Array, tol: float, k: int = 1) -> tuple[Array, Array]:
        """The next pairs beside those that are known, whose values are moved to the middle."""
        W = times(B, V)

        # ARPACK takes values of the size 1.
        def product(x: Array) -> Array:
            known = W @ ((middle - values) * (adjoint(W) @ x))
            return (A @ x - middle * times(B, x) + known) / size

        def inverse(x: Array) -> Array:
            # To subtract 1/(λ − s) leaves its rounding error, which may look like a value near s.
            y = solve(x - W @ (adjoint(V) @ x))
            return size * (y - V @ (adjoint(W) @ y))

        # Of a space of equal values, a start that was used has only the vector that was found.
        given = {"v0": _start(n, 1, A.dtype, V.shape[1])[:, 0], "tol": tol} | options
        given |= {"which": _ENDS.get(str(which), "LM")}
        if solve is not None:
            given |= {"sigma": 0.0, "OPinv": _linear(inverse, A)}
        value, vector = _found(iterative.eigsh, _linear(product, A), k, B, **given)
        return middle + size * value, vector

    _, found = beside(np.empty(0), np.empty((n, 0), A.dtype), tol, k + 1)
    for _ in range(k + 1):
        pairs = _known(A, B, tools, found, k, which)
        values, V, _ = pairs.known
        margin = 0.1 * pairs.gaps[pairs.kept].min()
        # Whether one was overlooked takes less precision than to find it.
        rough = margin / np.abs(values - middle).max()
        value, _ = beside(values, V, np.clip(rough, 10 * np.finfo(A.dtype).eps, 0.1))
        if _order(value, which) > max(_order(values, which)) - margin:
            break
        found = np.hstack([V, beside(values, V, tol)[1]])
    return pairs


def _known(A: Any, B: Any, tools: Tools, found: Array, k: int, which: str | float) -> Pairs:
    """The pairs in a span (Rayleigh and Ritz), and their gaps."""
    A, B = (x if x is None else aslinearoperator(x) for x in (A, B))
    X = np.linalg.qr(found)[0] if B is None else found
    weights = None if B is None else hermitian_part(adjoint(X) @ (B @ X))
    values, turn = scipy.linalg.eigh(hermitian_part(adjoint(X) @ (A @ X)), weights)
    V, n = X @ turn, len(X)
    residuals = np.array([dual_norm(r, B) for r in (A @ V - times(B, V) * values).T])
    size, eps = _size(A, B), np.finfo(V.dtype).eps
    width = 8 * eps * size
    if residuals.max() < np.sqrt(eps) * size:
        width = np.maximum(width, 10 * (residuals[1:] + residuals[:-1]))
    labels = np.concatenate([[0], np.cumsum(np.diff(values) > width)])
    order = _order(values, which)
    kept = np.sort(np.argsort(order, kind="stable")[:k])
    # A value is known up to its residual; those that are not known are farther than all that are.
    distances = np.abs(values[:, None] - values) - residuals
    distances[spectrum.in_one_cluster(labels)] = np.inf
    far = np.inf if len(values) == n else order.max()
    gaps = np.maximum(np.minimum(distances.min(axis=1), far - order), eps * size)
    return Pairs(A, B, tools, (values, V, residuals), labels, gaps, kept)


#: What SciPy's solver calls the ends of a spectrum.
_ENDS = {"smallest": "SA", "largest": "LA"}


def _inexact(matrix: Any) -> Any:
    """A matrix that is no operator, in single or double precision."""
    if scipy.sparse.issparse(matrix):
        dtype = as_inexact(np.empty(0, matrix.dtype)).dtype
        matrix = scipy.sparse.csr_array(matrix, dtype=dtype)
    elif not isinstance(matrix, LinearOperator):
        matrix = as_inexact(matrix)
    elif matrix.dtype is None or matrix.dtype.kind not in "fc":
        dtype = (matrix @ np.zeros(matrix.shape[1])).dtype
        matrix = LinearOperator(matrix.shape, matrix.matvec, matrix.rmatvec, dtype=dtype)
    if len(matrix.shape) != 2:
        raise ValueError(f"a matrix of {len(matrix.shape)} dimensions; give one of two")
    if not np.all(np.isfinite(matrix @ _start(matrix.shape[1], 1, matrix.dtype))):
        raise ValueError("a matrix that is not finite; give finite numbers")
    return matrix


def _require(k: int, which: str | float, most: int) -> float | None:
    """The number, if it is one, near which values are wanted."""
    if str(which) not in _ENDS and not (isinstance(which, Real) and np.isfinite(which)):
        raise ValueError(f"which: {which!r} will not do; give smallest, largest, or a number")
    if isinstance(k, bool) or not (isinstance(k, Integral) and 1 <= k <= most):
        raise ValueError(f"k: {k} will not do; give a whole number from 1 to {most}")
    return None if isinstance(which, str) else float(which)


def _factorised(A: Any, B: Any, shift: float) -> Solve:
    """Solve with A − sB, of sparse matrices."""
    if not all(x is None or scipy.sparse.issparse(x) for x in (A, B)):
        raise ValueError("values near a number take a sparse matrix, or solve, x ↦ (A − sB)⁻¹ x")
    moved = A - shift * (scipy.sparse.eye_array(A.shape[0], dtype=A.dtype) if B is None else B)
    moved, right = moved.tocsc(), _start(A.shape[0], 1, A.dtype)[:, 0]
    size, eps = iterative.norm(moved, 1), np.finfo(A.dtype).eps
    options = {"permc_spec": "MMD_AT_PLUS_A", "options": {"SymmetricMode": True}}
    # Without pivots it takes a fraction of the time and memory, and mostly goes well.
    for further in ({"diag_pivot_thresh": 0.0} | options, {}):
        with contextlib.suppress(RuntimeError):
            solve: Solve = iterative.splu(moved, **further).solve
            x = solve(right)
            if np.linalg.norm(moved @ x - right) <= eps**0.75 * size * np.linalg.norm(x):
                return solve
    raise ValueError(f"which: {shift} is an eigenvalue; give a number beside it")


def _linear(product: Solve | None, like: Any) -> LinearOperator | None:
    return product and LinearOperator(like.shape, lambda x: product(x.ravel()), dtype=like.dtype)


def _start(n: int, k: int, dtype: np.dtype, seed: int = 0) -> Array:
    """Vectors at random, the same ones every time."""
    real, imaginary = np.random.default_rng(seed).standard_normal((2, n, k))
    start: Array = (real + 1j * imaginary if dtype.kind == "c" else real).astype(dtype)
    return start


def _found(solver: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
    try:
        with warnings.catch_warnings():
            # What was not reached shows in the residuals.
            warnings.simplefilter("ignore")
            return solver(*arguments, **options)
    except RuntimeError as error:
        mend = "give a larger maxiter or tol, or a number near the values"
        raise ConvergenceError(f"{error}; {mend}") from None
