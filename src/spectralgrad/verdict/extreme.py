"""The first or the last value of a sparse matrix that is too large for an array.

`spectralgrad.theory.krylov` finds it by Lanczos' method or, where that is slow and a factorisation
is not, by shift and invert. The smallest singular value is found through AᴴA: below √(8 eps) times
the largest it counts as zero.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from spectralgrad import matrices
from spectralgrad.system.errors import said
from spectralgrad.theory import gauge, subgradient, symmetric
from spectralgrad.theory.arrays import Array, MatrixError, Problem

# Operations that a factorisation may take: minutes.
_MOST_WORK = 1e12


@dataclass(frozen=True, eq=False)
class Extreme(subgradient.GeneralisedGradient):
    """All that is known of a spectrum: a value, with the norm of its residual, and the next."""

    defect: float

    @property
    def minimum_norm(self) -> Any:
        """The gradient, a `spectralgrad.theory.large.LowRank`, or None where there is none."""
        from spectralgrad.theory.large import LowRank

        return LowRank(self.left, self.right, self.tolerance) if self.differentiable else None

    def name(self, cluster: slice) -> str:
        """Name one of the two, or both, as counted among all."""
        before = min(len(self.left), len(self.right)) - 2 if self.weights[1] else 0
        return super().name(slice(cluster.start + before, cluster.stop + before))


def refusal(matrix: Any) -> str:
    """Why no framework has an answer."""
    size = matrix.dtype.itemsize * math.prod(matrix.shape) / 1e9
    room = f"{size:.1f} GB" if size < 1e3 else f"{size / 1e3:,.1f} TB"
    return f"its eigh and svd take arrays: as one, this needs {room}, and its gradient as much"


def pose(matrix: Any, problem: Problem, weights: Any, rtol: float | None) -> Extreme:
    """Find the value that the weights choose, the first or the last, and its gradient."""
    from scipy.sparse import block_array

    (m, n), eps = matrix.shape, float(np.finfo(matrix.dtype).eps)
    chosen = np.flatnonzero(weights).tolist()
    if chosen not in ([0], [min(m, n) - 1]) or weights[chosen[0]] != 1:
        what = f"is {m} × {n}, too large for more than the first or the last of its values"
        raise MatrixError(what, "ask for values, and give the weights first, or last")
    last, singular = chosen != [0], problem == "svd"
    # Solvers have limits that are absolute.
    scale = float(2.0 ** np.round(np.log2(abs(matrix).max() or 1.0)))
    H = A = matrix.astype(np.result_type(matrix.dtype, float)) / scale
    if singular and last:
        A = symmetric.adjoint(A).tocsr() if m < n else A
        if np.sum(np.diff(A.indptr).astype(float) ** 2) > 4 * matrices.MAX_ENTRIES:
            raise MatrixError("of it, AᴴA may have too many entries", "give the weights first")
        H = (symmetric.adjoint(A) @ A).tocsr()
    elif singular:
        H = block_array([[None, A], [symmetric.adjoint(A), None]], format="csr")
    values, residual, V, size = _find(H, last != singular, 0.0 if singular and last else -np.inf)
    unit, left, right = max(8 * eps, 20 * residual / size), V, V
    if singular and last:
        unit, size, values = unit**0.5, size**0.5, np.sqrt(np.maximum(values, 0))
    unit = max(unit, rtol or 0.0)
    gap = abs(values[0] - values[1])
    clusters = [slice(0, 2)] if gap <= unit * size else [slice(0, 1), slice(1, 2)]
    if singular and not last:
        left, right = np.sqrt(2) * V[:m], np.sqrt(2) * V[m:]
    elif singular:
        values[values <= unit * size] = 0
        left, residual = A @ V / (values[0] or 1), residual / (values[0] or 1)
        left, right = (V, left) if m < n else (left, V)
        # Of [[0, A], [Aᴴ, 0]], −σ is an eigenvalue too, and 0 if it is not square.
        gap = min(gap, values[0] * (1 + (m == n)))
    error = 8 * eps + float(2 * residual / gap if len(clusters) > 1 and gap else np.inf)
    order = slice(None, None, -1 if last else 1)
    rank = int(np.count_nonzero(values)) if singular else 2
    known = values[order] * scale, np.array([1.0, 0.0])[order], left, right, clusters, rank
    return Extreme(problem, *known, float(unit), 8 * eps, error, float(residual * scale))


def _find(H: Any, largest: bool, least: float) -> tuple[Array, float, Array, float]:
    """The value at one end and the next, its residual, its vector, and the size of H."""
    from spectralgrad.theory import krylov

    # The circles of Gershgorin.
    centres, radii = H.diagonal().real, abs(H).sum(axis=1) - abs(H.diagonal())
    low, high = max((centres - radii).min(), least), (centres + radii).max()
    which, end, width = ("largest", high, high - low) if largest else ("smallest", low, low - high)
    tol, fault = gauge.default_tol(float), "its solver stops early"
    ways: list[tuple[Any, int]] = [(which, 60), (end + tol * width, 50), (which, 500)]
    for where, maxiter in ways if _work(H) < _MOST_WORK else ways[::2]:
        try:
            pairs = krylov.eigen(H, 1, where, maxiter=maxiter)
        except (ValueError, MemoryError) as error:
            fault = said(error).partition(";")[0]
            continue
        (value,), (residual,) = pairs.values, pairs.residuals
        others = np.delete(pairs.known[0], pairs.kept)
        if residual < tol * abs(width):
            near = others[np.argmin(abs(others - value))]
            return np.array([value, near]), float(residual), pairs.vectors, max(-low, high)
    mend = "help spectralgrad.theory.large.eigen, with a preconditioner or a number near it"
    raise MatrixError(f"its {which} value is not found ({fault})", mend)


def _work(H: Any) -> float:
    """Operations of a factorisation, about: those within the envelope of a good order."""
    from scipy.sparse.csgraph import reverse_cuthill_mckee

    places, widths = np.argsort(reverse_cuthill_mckee(H, symmetric_mode=True)), np.zeros(H.shape[0])
    rows, columns = (places[x] for x in H.tocoo().coords)
    np.maximum.at(widths, rows, rows - columns)
    return float(np.sum(widths**2))
