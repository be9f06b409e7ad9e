"""A loss on vectors whose gradient is known at every matrix, tied or not.

With a fixed random B, Hermitian where A is, it is ⟨B, A²⟩ as Re⟨B, V Λ² Vᴴ⟩ through `eigh`, or
⟨B, A AᴴA⟩ as Re⟨B, U Σ³ Vᴴ⟩ through `svd`. The gradient is a sum of products, AB + BA or B AᴴA +
A BᴴA + A AᴴB, so that to judge an answer takes no theory of spectra.

What a gap allows is eq-use-vectors, of the page on use, which says why: beside what the backward
error c‖A‖ of a decomposition does, c of `spectralgrad.theory.spectrum.default_rtol`, a rule for
vectors divides the rounding errors of two products by the gap. Between values closer than 10c‖A‖ an
error above a tenth of what the gradient holds there is wrong, and one below it luck: undecided.
"""

from dataclasses import dataclass

import numpy as np

from spectralgrad.theory import spectrum, subgradient, symmetric
from spectralgrad.theory.arrays import Array, MatrixError, Problem


@dataclass(frozen=True, eq=False)
class VectorLoss(subgradient.GeneralisedGradient):
    """The loss at a matrix: B, its gradient, and the error above which an answer is wrong."""

    cotangent: Array
    exact: Array
    limit: float

    @property
    def minimum_norm(self) -> Array:
        """The gradient, there being one everywhere."""
        return self.exact


def pose(matrix: Array, problem: Problem, rtol: float | None) -> VectorLoss:
    """The loss at a matrix; a MatrixError if its fourth power is out of the range of the dtype."""
    eigen, k, dtype = problem == "eigh", min(matrix.shape), matrix.dtype
    find, power = (subgradient.eigvalsh, 2) if eigen else (subgradient.svdvals, 3)
    found = find(matrix, np.zeros(k), rtol=rtol)
    sizes, least = np.abs(found.values), 1e-9 if np.finfo(dtype).bits == 32 else 1e-75
    size = float(sizes.max())
    if size and not least <= size <= 1 / least:
        fault = f"has the value {size:.1g}, and its fourth power is out of the range of {dtype}"
        raise MatrixError(fault, "scale the matrix")
    real, imaginary = np.random.default_rng(0).standard_normal((2, *matrix.shape))
    b = real + 1j * imaginary if dtype.kind == "c" else real
    b = (symmetric.hermitian_part(b) if eigen else b).astype(dtype)
    exact = gradient(matrix, b, problem)
    error = spectrum.default_rtol(matrix.shape, dtype, singular=not eigen)
    gaps = np.abs(np.subtract.outer(found.values, found.values)) + np.diag(np.full(k, np.inf))
    with np.errstate(all="ignore"):
        # Of two zeros both products are 0.
        lost = np.nan_to_num(np.maximum.outer(sizes, sizes) ** power / gaps, posinf=np.inf)
    near, unit = gaps < 10 * error * size, 2 * error * float(np.linalg.norm(b))
    rounding = unit * power / 2 * size ** (power - 1)
    allowed, far = (rounding + unit * float(np.max(x, initial=0.0)) for x in (lost, lost[~near]))
    between = np.linalg.norm((found.left.conj().T @ exact @ found.right)[:k, :k][near])
    limit = min(allowed, far + float(between) / 10)
    known = vars(found) | {"rounding": rounding, "tolerance": allowed}
    return VectorLoss(**known, cotangent=b, exact=exact, limit=limit)


def gradient(matrix: Array, b: Array, problem: Problem) -> Array:
    """The gradient of ⟨B, A²⟩ or ⟨B, A AᴴA⟩, in double precision."""
    a, b = (x.astype(np.result_type(x, float)) for x in (matrix, b))
    ah, bh = symmetric.adjoint(a), symmetric.adjoint(b)
    return a @ b + b @ a if problem == "eigh" else b @ ah @ a + a @ bh @ a + a @ ah @ b
