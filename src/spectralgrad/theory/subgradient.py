"""The generalised gradient of a weighted spectral sum, at ties and zeros too.

Let f(A) = Σ wᵢ λᵢ(A) or f(A) = Σ wᵢ σᵢ(A). Write a matrix G in the singular (or eigen-) vectors of
A, M = Uᴴ G V. The Clarke generalised gradient of f at A consists of the G for which M is block
diagonal, with one block for each cluster of equal values:

* on a cluster of eigenvalues, or of positive singular values, with weights w_c: a Hermitian block
  whose eigenvalues are majorised by w_c;
* on the zero cluster of the singular values, with weights w_0: a rectangular block, which takes in
  all left and right null vectors, whose singular values are weakly majorised by |w_0|.

It is a single matrix, the gradient, exactly if the weights are equal within each cluster and zero
on the zero cluster. The chapter on generalised gradients proves it, and says whose it is.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from spectralgrad.theory import gauge, spectrum, symmetric
from spectralgrad.theory.arrays import Array, Problem, as_finite


@dataclass(frozen=True)
class Membership:
    """Whether a matrix lies in a generalised gradient.

    Its ``excess``, the Frobenius distance to the nearest element, is within the tolerance if it is
    ``inside``; ``where`` names the part of the matrix that contributes most to that. It is
    ``extreme`` if it is, up to the tolerance, not the mean of two other elements: inside, and of
    the norm of the weights, which none exceeds. Where f is differentiable, the gradient is the only
    element, and extreme.
    """

    inside: bool
    excess: float
    where: str
    extreme: bool
    tolerance: float


@dataclass(frozen=True, eq=False)
class GeneralisedGradient:
    """All valid gradients of a weighted spectral sum at one matrix, from `eigvalsh` or `svdvals`.

    ``values`` are eigenvalues ascending, or singular values descending; they and their ``weights``
    are ``(k,)``, of float64. The columns of ``left`` and ``right`` are all singular vectors, or
    both the eigenvectors. Values as close as ``rtol``, relative to the largest, are one of the
    ``clusters``. Where ``rank`` < k, the last one is the zero cluster; of eigenvalues there is
    none.

    ``rounding``, ``8 max(m, n) · eps · max|w|``, is the Frobenius norm of the rounding errors that
    the dtype of the matrix brings into any answer, however good the condition. ``tolerance``, the
    distance to which they may take a correct answer, adds what the condition permits (eq-use-slope,
    of the page on use): `spectralgrad.theory.spectrum.default_rtol` times ‖A‖ and the largest
    |wᵢ − wⱼ|/|λᵢ − λⱼ| of two clusters, for singular values also |wᵢ|/σᵢ.
    """

    problem: Problem
    values: Array
    weights: Array
    left: Array
    right: Array
    clusters: list[slice]
    rank: int
    rtol: float
    rounding: float
    tolerance: float

    @property
    def undecided(self) -> list[slice]:
        """The clusters whose block is not fixed by the weights alone."""
        return [
            c
            for c in self.clusters
            if (np.any(self.weights[c]) if self.is_zero(c) else np.ptp(self.weights[c]) > 0)
        ]

    def is_zero(self, cluster: slice) -> bool:
        """Whether a cluster is that of the singular values that are zero."""
        return bool(cluster.start >= self.rank)

    @property
    def differentiable(self) -> bool:
        """Whether the set is one matrix only: the gradient."""
        return not self.undecided

    @property
    def convex(self) -> bool:
        """Whether f is convex: larger values, larger weights; of singular values, none negative."""
        rising = self.weights if self.problem == "eigh" else self.weights[::-1]
        steps = np.diff(rising) if self.problem == "eigh" else np.diff(rising, prepend=0.0)
        return bool(np.all(steps >= 0))

    @property
    def minimum_norm(self) -> Array:
        """The gradient, or the element of smallest Frobenius norm, (m, n).

        It has the mean weight on each cluster and 0 on the zero cluster: U₁V₁ᴴ for f = Σσᵢ, with
        the vectors of the positive singular values.
        """
        means = np.zeros_like(self.weights)
        for c in self.clusters:
            means[c] = 0.0 if self.is_zero(c) else np.mean(self.weights[c])
        k = len(means)
        return (self.left[:, :k] * means) @ self.right[:, :k].conj().T

    def _blocks(self, rotated: Array) -> Iterator[tuple[slice, Array]]:
        """Clusters with the place of their blocks in UᴴXV, and a view of each."""
        for c in self.clusters:
            # Null vectors beyond the k-th belong to the zero cluster.
            yield c, rotated[c.start :, c.start :] if self.is_zero(c) else rotated[c, c]

    def _rotate(self, matrix: ArrayLike) -> Array:
        return self.left.conj().T @ np.asarray(matrix) @ self.right

    def null_part(self, gradient: ArrayLike) -> Array:
        """W = U₀ᴴ G V₀ in bases of all null vectors: what differs between valid gradients of Σσᵢ.

        For real square matrices, W is that of bases with det[U₁ U₀] · det[V₁ V₀] = 1. Then
        det G = det W for every G = U₁V₁ᵀ + U₀WV₀ᵀ, and the sign of det W means something: it does
        not change with the bases that a library happens to return.
        """
        W = self._rotate(gradient)[self.rank :, self.rank :]
        if W.size and self.left.shape == self.right.shape and np.isrealobj(self.left):
            W[-1] *= np.sign(np.linalg.det(self.left) * np.linalg.det(self.right))
        return W

    def residual(self, gradient: ArrayLike) -> float:
        """Norm of what a matrix holds beyond `minimum_norm` and its null part."""
        rest = self._rotate(gradient - self.minimum_norm)
        rest[self.rank :, self.rank :] = 0
        return float(np.linalg.norm(rest))

    def project(self, gradient: ArrayLike) -> Array:
        """Return the valid gradient nearest to a finite matrix, in the Frobenius norm.

        The nearest block has the same eigenvectors (singular vectors), and the eigenvalues
        (singular values) that the projection on the set of majorised vectors gives: by isotonic
        regression, as of Blondel, Teboul, Berthet and Djolonga (2020), "Fast differentiable sorting
        and ranking".
        """
        gradient = np.asarray(gradient)
        # All elements of the set of a real matrix are real.
        gradient = gradient if np.iscomplexobj(self.left) else gradient.real
        return self._with_values(gradient, _majorised)

    def _with_values(
        self, matrix: ArrayLike, choose: Callable[[Array, Array, bool], Array]
    ) -> Array:
        """The blocks of a matrix with their own vectors, and values made of theirs and the weights.

        Both come in descending order; the third argument of `choose` tells the zero cluster.
        """
        rotated = self._rotate(matrix)
        blocks = np.zeros_like(rotated)
        pairs = zip(self._blocks(rotated), self._blocks(blocks), strict=True)
        for (c, block), (_, image) in pairs:
            if self.is_zero(c):
                u, x, vh = np.linalg.svd(block, full_matrices=False)
                image[:] = (u * choose(x, np.sort(np.abs(self.weights[c]))[::-1], True)) @ vh
            else:
                x, v = np.linalg.eigh(symmetric.hermitian_part(block))
                y = choose(x[::-1], np.sort(self.weights[c])[::-1], False)[::-1]
                image[:] = (v * y) @ v.conj().T
        return self.left @ blocks @ self.right.conj().T

    def contains(self, gradient: ArrayLike, *, tolerance: float | None = None) -> Membership:
        """Test whether a matrix is one of the valid gradients.

        A tolerance, as for how many digits were printed, replaces the attribute of that name.
        """
        gradient = np.asarray(gradient)
        tolerance = self.tolerance if tolerance is None else tolerance
        if not np.all(np.isfinite(gradient)):
            return Membership(False, np.inf, "a number that is not finite", False, tolerance)
        rest = self._rotate(gradient - self.project(gradient))
        parts = [
            (float(np.linalg.norm(block)), f"the block of {self.name(c)}")
            for c, block in self._blocks(rest)
        ]
        excess = float(np.linalg.norm(rest))
        for _, block in self._blocks(rest):
            block[:] = 0
        parts.append((float(np.linalg.norm(rest)), "the entries off the blocks"))
        inside = excess <= tolerance
        short = np.linalg.norm(self.weights) - np.linalg.norm(gradient)
        extreme = inside and (self.differentiable or bool(short <= tolerance))
        return Membership(inside, excess, max(parts)[1], extreme, tolerance)

    def directional_derivative(self, direction: ArrayLike) -> float:
        """One-sided derivative of f along a direction: lim (f(A + tE) − f(A))/t for t ↓ 0.

        On each cluster, the weights in the order of the values meet the eigenvalues of the block of
        E in the same order; on the zero cluster its singular values. It lies between the smallest
        and the largest Re⟨G, E⟩ over the set, and is the largest if `convex`.
        """
        slope = 0.0
        for c, block in self._blocks(self._rotate(direction)):
            if self.is_zero(c):
                moves = np.linalg.svd(block, compute_uv=False)
            else:
                rising = np.linalg.eigvalsh(symmetric.hermitian_part(block))
                moves = rising if self.problem == "eigh" else rising[::-1]
            slope += float(self.weights[c] @ moves)
        return slope

    def support(self, direction: ArrayLike) -> float:
        """Largest Re⟨G, E⟩ over the valid gradients; the smallest is ``-support(-direction)``.

        It is Clarke's generalised derivative of f along E.
        """
        return float(np.vdot(self.extreme_point(direction), direction).real)

    def extreme_point(self, direction: ArrayLike) -> Array:
        """Return the valid gradient with the largest Re⟨G, E⟩, an extreme point of the set.

        So is V diag(w) Vᴴ for any eigenbasis V, which automatic differentiation of Σ wᵢ λᵢ returns;
        ``max`` averages over values that are equal to the last bit, and need not be extreme.
        """
        return self._with_values(direction, lambda values, weights, weakly: weights)

    def name(self, cluster: slice) -> str:
        """Name the values of a cluster, as ``"σ₃ to σ₅"``."""
        symbol = "λ" if self.problem == "eigh" else "σ"
        joint = " and " if cluster.stop - cluster.start == 2 else " to "
        return gauge.names(symbol, cluster.start, cluster.stop - 1, joint)


def _majorised(values: Array, weights: Array, weakly: bool) -> Array:
    """Project on the vectors majorised by weights (weakly: nonnegative ones); all descending."""
    # Here, because to import it takes longer than all else that a verdict needs.
    from scipy.optimize import isotonic_regression

    moved: Array = isotonic_regression(values - weights, increasing=False).x
    return values - (np.maximum(moved, 0) if weakly else moved)


def eigvalsh(
    matrix: ArrayLike, weights: ArrayLike, *, rtol: float | None = None
) -> GeneralisedGradient:
    """Generalised gradient of Σ wᵢ λᵢ(A), eigenvalues ascending, of a Hermitian A."""
    matrix, weights = as_finite(matrix), _weights(weights, np.shape(matrix))
    values, vectors = np.linalg.eigh(matrix.astype(np.result_type(matrix, float)))
    return _generalised("eigh", matrix, weights, (vectors, values, vectors), rtol)


def svdvals(
    matrix: ArrayLike, weights: ArrayLike, *, rtol: float | None = None
) -> GeneralisedGradient:
    """Generalised gradient of Σ wᵢ σᵢ(A), singular values descending."""
    matrix, weights = as_finite(matrix), _weights(weights, np.shape(matrix))
    left, values, vh = np.linalg.svd(matrix.astype(np.result_type(matrix, float)))
    return _generalised("svd", matrix, weights, (left, values, symmetric.adjoint(vh)), rtol)


def _weights(weights: ArrayLike, shape: tuple[int, ...]) -> Array:
    weights = np.asarray(weights, dtype=float)
    if weights.shape != (min(shape),):
        raise ValueError(
            f"weights of shape {weights.shape} for a matrix of shape {shape}; "
            f"give {min(shape)} of them"
        )
    if not np.all(np.isfinite(weights)):
        raise ValueError("weights that are not finite; give finite numbers")
    return weights


def _generalised(
    problem: Problem, matrix: Array, weights: Array, factors: Sequence[Array], rtol: float | None
) -> GeneralisedGradient:
    """The generalised gradient, from a decomposition in double precision."""
    (left, values, right), singular = factors, problem == "svd"
    unit = spectrum.default_rtol(matrix.shape, matrix.dtype)
    backward = spectrum.default_rtol(matrix.shape, matrix.dtype, singular=singular)
    rtol = backward if rtol is None else rtol
    labels = spectrum.labels(values, rtol, singular=singular)
    values = np.where(labels >= 0, values, 0.0)
    apart = labels[:, None] != labels
    differences = [np.abs(np.subtract.outer(x, x))[apart] for x in (weights, values)]
    slope = np.max(np.divide(*differences), initial=0.0)
    if singular:
        positive = values > 0
        slope = np.max(np.abs(weights[positive]) / values[positive], initial=slope)
    rounding = float(unit * np.max(np.abs(weights), initial=0.0))
    tolerance = rounding + float(backward * np.max(np.abs(values), initial=0.0) * slope)
    clusters, rank = spectrum.clusters(values, rtol), int(np.count_nonzero(labels >= 0))
    return GeneralisedGradient(
        problem, values, weights, left, right, clusters, rank, rtol, rounding, tolerance
    )
