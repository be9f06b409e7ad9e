"""The generalised gradient of a weighted spectral sum, at ties and zeros too.

Let f(A) = Σ wᵢ λᵢ(A) or f(A) = Σ wᵢ σᵢ(A). Write a matrix G in the singular (or eigen-) vectors of
A, M = Uᴴ G V. The Clarke generalised gradient of f at A consists of the G for which M is block
diagonal, with one block for each cluster of equal values:

* on a cluster of eigenvalues, or of positive singular values, with weights w_c: a Hermitian block
  whose eigenvalues are majorised by w_c;
* on the zero cluster of the singular values, with weights w_0: a rectangular block, which takes in
  all left and right null vectors, whose singular values are weakly majorised by |w_0|.

It is a single matrix, the gradient, exactly if the weights are equal within each cluster and zero
on the zero cluster.

References
----------
Clarke (1983), "Optimization and nonsmooth analysis", for the definition; Watson (1992),
"Characterization of the subdifferential of some matrix norms", for norms of real matrices; Lewis
(1996), "Derivatives of spectral functions", for eigenvalues.
"""

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import isotonic_regression

from spectralgrad.theory import gauge, spectrum, symmetric
from spectralgrad.theory.arrays import Array, Problem, as_finite


@dataclass(frozen=True)
class Membership:
    """Whether a matrix lies in a generalised gradient.

    Attributes
    ----------
    inside : bool
        Whether `excess` is within `tolerance`.
    excess : float
        Frobenius distance to the nearest element of the set.
    where : str
        The part of the matrix that contributes most to it.
    extreme : bool
        Whether the matrix is, up to the tolerance, an extreme point of the set, one that is not
        the mean of two others: inside, and of the norm of the weights, which none exceeds. Where f
        is differentiable, the gradient is the only point, and extreme.
    tolerance : float
    """

    inside: bool
    excess: float
    where: str
    extreme: bool
    tolerance: float


@dataclass(frozen=True)
class Near:
    """Two values that f treats differently, and that are close, but not equal.

    Attributes
    ----------
    indices : tuple of int
        Their places, from 0; one alone, of a singular value that is close to zero.
    distance, relative : float
        Between the two (from zero); absolute, and relative to the largest modulus.
    rtol : float
        A tolerance with which they count as equal (as zero), and what is farther apart does not.
    equal : list of slice
        The clusters which that makes, of those that matter to f.
    zero : slice
        What counts as zero then, if that matters to f; else empty.
    """

    indices: tuple[int, ...]
    distance: float
    relative: float
    rtol: float
    equal: list[slice]
    zero: slice


@dataclass(frozen=True, eq=False)
class GeneralisedGradient:
    """All valid gradients of a weighted spectral sum at one matrix.

    Made by `eigvalsh` and `svdvals`.

    Attributes
    ----------
    problem : {"eigh", "svd"}
    values : (k,) numpy.ndarray
        Eigenvalues ascending, or singular values descending, float64.
    weights : (k,) numpy.ndarray
        float64.
    left, right : (m, m), (n, n) numpy.ndarray
        All singular vectors, as columns; for ``"eigh"`` both are the eigenvectors.
    clusters : list of slice
        Of `values`. Where `rank` < k, the last one is the zero cluster.
    rank : int
        How many singular values lie outside the zero cluster; k for ``"eigh"``, where zero is a
        value like any other.
    rtol : float
        Values this close, relative to the largest, count as equal, and as zero.
    rounding : float
        Frobenius norm of the rounding errors that the dtype of the matrix brings into any answer,
        however good the condition: ``8 max(m, n) · eps · max|w|``.
    tolerance : float
        Frobenius distance up to which rounding errors may take a correct answer: `rounding`, plus
        `spectralgrad.theory.spectrum.default_rtol` · ‖A‖ times the largest divided difference of
        the weights; for singular values the largest |wᵢ|/σᵢ counts if that is more.
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
            if (np.any(self.weights[c]) if self._is_zero(c) else np.ptp(self.weights[c]) > 0)
        ]

    def _is_zero(self, cluster: slice) -> bool:
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

        It has the mean weight on each cluster and 0 on the zero cluster.
        """
        means = np.zeros_like(self.weights)
        for c in self.clusters:
            means[c] = 0.0 if self._is_zero(c) else np.mean(self.weights[c])
        k = len(means)
        smallest: Array = (self.left[:, :k] * means) @ self.right[:, :k].conj().T
        return smallest

    def _blocks(self, rotated: Array) -> Iterator[tuple[slice, Array]]:
        """Clusters with the place of their blocks in UᴴXV, and a view of each."""
        for c in self.clusters:
            # Null vectors beyond the k-th belong to the zero cluster.
            yield c, rotated[c.start :, c.start :] if self._is_zero(c) else rotated[c, c]

    def _rotate(self, matrix: ArrayLike) -> Array:
        rotated: Array = self.left.conj().T @ np.asarray(matrix) @ self.right
        return rotated

    def project(self, gradient: ArrayLike) -> Array:
        """Return the valid gradient nearest to a matrix, in the Frobenius norm.

        The nearest block has the same eigenvectors (singular vectors), and the eigenvalues
        (singular values) that the projection on the set of majorised vectors gives.

        Parameters
        ----------
        gradient : (m, n) array_like
            Finite; for ``"eigh"`` in the ``"symmetric"`` convention.

        Returns
        -------
        (m, n) numpy.ndarray

        References
        ----------
        Blondel, Teboul, Berthet and Djolonga (2020), "Fast differentiable sorting and ranking", for
        the projection by isotonic regression.
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
            if self._is_zero(c):
                u, x, vh = np.linalg.svd(block, full_matrices=False)
                image[:] = (u * choose(x, np.sort(np.abs(self.weights[c]))[::-1], True)) @ vh
            else:
                x, v = np.linalg.eigh(symmetric.hermitian_part(block))
                y = choose(x[::-1], np.sort(self.weights[c])[::-1], False)[::-1]
                image[:] = (v * y) @ v.conj().T
        result: Array = self.left @ blocks @ self.right.conj().T
        return result

    def contains(self, gradient: ArrayLike, *, tolerance: float | None = None) -> Membership:
        """Test whether a matrix is one of the valid gradients.

        Parameters
        ----------
        gradient : (m, n) array_like
            For ``"eigh"`` in the ``"symmetric"`` convention.
        tolerance : float, optional
            Replaces the attribute of the same name; say how many digits were printed.

        Returns
        -------
        Membership
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

        Parameters
        ----------
        direction : (m, n) array_like
            E; for ``"eigh"`` Hermitian.

        Returns
        -------
        float
        """
        slopes = [self.weights[c] @ x for c, x in self._spectra(direction)]
        return float(np.sum(slopes))

    def support(self, direction: ArrayLike) -> float:
        """Largest Re⟨G, E⟩ over the valid gradients; the smallest is ``-support(-direction)``.

        It is Clarke's generalised derivative of f along E.

        Parameters
        ----------
        direction : (m, n) array_like
            E; for ``"eigh"`` Hermitian.

        Returns
        -------
        float
        """
        slopes = [
            np.sort(np.abs(self.weights[c]) if self._is_zero(c) else self.weights[c]) @ np.sort(x)
            for c, x in self._spectra(direction)
        ]
        return float(np.sum(slopes))

    def extreme_point(self, direction: ArrayLike) -> Array:
        """Return the valid gradient that is farthest in a direction, an extreme point of the set.

        So is V diag(w) Vᴴ for any eigenbasis V, which automatic differentiation of Σ wᵢ λᵢ returns;
        ``max`` averages over values that are equal to the last bit, and need not be extreme.

        Parameters
        ----------
        direction : (m, n) array_like
            E; for ``"eigh"`` Hermitian.

        Returns
        -------
        (m, n) numpy.ndarray
            G with Re⟨G, E⟩ = ``support(direction)``.
        """
        return self._with_values(direction, lambda values, weights, weakly: weights)

    def _spectra(self, direction: ArrayLike) -> Iterator[tuple[slice, Array]]:
        """For each cluster, how its values move along a direction, in the order of the values."""
        for c, block in self._blocks(self._rotate(direction)):
            if self._is_zero(c):
                yield c, np.linalg.svd(block, compute_uv=False)
            else:
                moves = np.linalg.eigvalsh(symmetric.hermitian_part(block))
                yield c, moves if self.problem == "eigh" else moves[::-1]

    def nearest(self, below: float) -> Near | None:
        """Find the closest two values of different clusters that f treats differently.

        Parameters
        ----------
        below : float
            Distance, relative to the largest modulus, from which on they are not close.

        Returns
        -------
        Near or None
            None if there are none so close.
        """
        k, values, weights, clusters = len(self.values), self.values, self.weights, self.clusters
        if self.problem == "svd":
            # Zero is one more, on which f does not depend.
            values, weights = np.append(values, 0.0), np.append(weights, 0.0)
            clusters = [*(c for c in clusters if not self._is_zero(c)), slice(self.rank, k + 1)]
        size = float(np.max(np.abs(values), initial=0.0))
        gaps = np.abs(np.diff(values)) / (size or 1.0)
        pairs = [
            (gaps[d.start - 1], c, d)
            for c, d in itertools.pairwise(clusters)
            if np.ptp(weights[c.start : d.stop])
        ]
        gap, c, d = min(pairs, key=lambda pair: pair[0], default=(np.inf, slice(0), slice(0)))
        if not gap < below:
            return None
        places = itertools.product(range(c.start, c.stop)[::-1], range(d.start, d.stop))
        i, j = next((i, j) for i, j in places if weights[i] != weights[j])
        # What is as far apart up to rounding goes with them.
        as_close = gaps <= gap + self.rtol
        rtol = _between(np.max(gaps[as_close]), np.min(gaps[~as_close], initial=1.0))
        new = [
            c for c in spectrum.clusters(values, rtol) if c not in clusters and np.ptp(weights[c])
        ]
        zero = slice(new.pop().start, k) if new and new[-1].stop > k else slice(k, k)
        distance = float(abs(values[i] - values[j]))
        pair = tuple(x for x in (i, j) if x < k)
        return Near(pair, distance, distance / size, rtol, new, zero)

    def name(self, cluster: slice) -> str:
        """Name the values of a cluster, as ``"σ₃ to σ₅"``."""
        symbol = "λ" if self.problem == "eigh" else "σ"
        joint = " and " if cluster.stop - cluster.start == 2 else " to "
        return gauge.names(symbol, cluster.start, cluster.stop - 1, joint)

    @property
    def reason(self) -> str:
        """One sentence: why f is, or is not, differentiable at this matrix."""
        if self.differentiable:
            return (
                f"f is differentiable at this matrix: to a relative tolerance of {self.rtol:.1e}, "
                f"{self._why_differentiable}."
            )
        causes = [
            f"{self.name(c)} {'is' if c.stop - c.start == 1 else 'are'} zero, and f depends on "
            + ("it" if c.stop - c.start == 1 else "them")
            if self._is_zero(c)
            else f"{self.name(c)} are equal, and f treats them differently"
            for c in self.undecided
        ]
        if len(causes) > 3:
            causes = [*causes[:2], f"the same holds for {len(causes) - 2} further clusters"]
        return (
            f"f is not differentiable at this matrix: to a relative tolerance of {self.rtol:.1e}, "
            f"{'; '.join(causes)}."
        )

    @property
    def _why_differentiable(self) -> str:
        tied = [c for c in self.clusters if c.stop - c.start > 1 and not self._is_zero(c)]
        kind = "eigenvalue" if self.problem == "eigh" else "singular value"
        if len(self.values) == 1:
            among, nonzero = f"there is one {kind} only", "it is not zero"
        else:
            among = f"f treats equal {kind}s alike" if tied else f"no two {kind}s are equal"
            nonzero = "none is zero"
        if self.problem == "eigh":
            return among
        full = self.rank == len(self.values)
        return f"{among} and {nonzero if full else 'f does not depend on what is zero'}"


def _majorised(values: Array, weights: Array, weakly: bool) -> Array:
    """Project on the vectors majorised by weights (weakly: nonnegative ones); all descending."""
    moved: Array = isotonic_regression(values - weights, increasing=False).x
    return values - (np.maximum(moved, 0) if weakly else moved)


def _between(low: float, high: float) -> float:
    """A number well above one and below another, of as few digits as that takes."""
    middle = min(2 * low, math.sqrt(low * high))
    rounded = (float(f"{middle:.{digits}e}") for digits in range(17))
    return next((x for x in rounded if low < x < high), float(low))


def _errors(
    values: Array,
    weights: Array,
    groups: list[slice],
    errors: tuple[float, float],
    *,
    singular: bool,
) -> tuple[float, float]:
    """The attributes `rounding` and `tolerance` of a generalised gradient.

    A backward stable decomposition is exact for a matrix within ``backward · ‖A‖`` of A. That turns
    the vectors of two different clusters into one another, which moves the gradient by the
    divided difference (wᵢ − wⱼ)/(λᵢ − λⱼ) per unit of ‖dA‖. Singular vectors bring
    (wᵢ + wⱼ)/(σᵢ + σⱼ) as well, and wᵢ/σᵢ against null vectors: at most max |wᵢ|/σᵢ.
    """
    unit, backward = errors
    labels = np.repeat(np.arange(len(groups)), [c.stop - c.start for c in groups])
    apart = labels[:, None] != labels[None, :]
    differences = [np.abs(np.subtract.outer(x, x))[apart] for x in (weights, values)]
    slope = np.max(np.divide(*differences), initial=0.0)
    if singular:
        positive = values > 0
        slope = np.max(np.abs(weights[positive]) / values[positive], initial=slope)
    rounding = float(unit * np.max(np.abs(weights), initial=0.0))
    return rounding, rounding + float(backward * np.max(np.abs(values), initial=0.0) * slope)


def _prepare(
    matrix: ArrayLike, weights: ArrayLike, *, singular: bool
) -> tuple[Array, Array, tuple[float, float]]:
    """Lift to double precision; the errors allowed stay those of the dtype that was given."""
    matrix, weights = as_finite(matrix), np.asarray(weights, dtype=float)
    if weights.shape != (min(matrix.shape),):
        raise ValueError(
            f"weights of shape {weights.shape} for a matrix of shape {matrix.shape}; "
            f"give {min(matrix.shape)} of them"
        )
    if not np.all(np.isfinite(weights)):
        raise ValueError("weights that are not finite; give finite numbers")
    unit, backward = (
        spectrum.default_rtol(matrix.shape, matrix.dtype, singular=one) for one in (False, singular)
    )
    return matrix.astype(np.result_type(matrix, float)), weights, (unit, backward)


def eigvalsh(
    matrix: ArrayLike, weights: ArrayLike, *, rtol: float | None = None
) -> GeneralisedGradient:
    """Generalised gradient of Σ wᵢ λᵢ(A), eigenvalues ascending.

    Parameters
    ----------
    matrix : (n, n) array_like
        Hermitian. Computed with in double precision; its dtype sets the tolerances.
    weights : (n,) array_like
        Real.
    rtol : float, optional
        Eigenvalues this close, relative to the largest in modulus, are equal; see
        `spectralgrad.theory.spectrum.default_rtol`.

    Returns
    -------
    GeneralisedGradient

    Raises
    ------
    ValueError
        If there are not as many weights as eigenvalues, or a number is not finite.
    """
    matrix, weights, errors = _prepare(matrix, weights, singular=False)
    rtol = errors[1] if rtol is None else rtol
    values, vectors = np.linalg.eigh(matrix)
    groups = spectrum.clusters(values, rtol)
    rounding, tolerance = _errors(values, weights, groups, errors, singular=False)
    return GeneralisedGradient(
        "eigh", values, weights, vectors, vectors, groups, len(values), rtol, rounding, tolerance
    )


def svdvals(
    matrix: ArrayLike, weights: ArrayLike, *, rtol: float | None = None
) -> GeneralisedGradient:
    """Generalised gradient of Σ wᵢ σᵢ(A), singular values descending.

    Parameters
    ----------
    matrix : (m, n) array_like
        Computed with in double precision; its dtype sets the tolerances.
    weights : (min(m, n),) array_like
        Real.
    rtol : float, optional
        Singular values this close, relative to the largest, are equal, and zero if this close to
        zero; see `spectralgrad.theory.spectrum.default_rtol`.

    Returns
    -------
    GeneralisedGradient

    Raises
    ------
    ValueError
        If there are not as many weights as singular values, or a number is not finite.
    """
    matrix, weights, errors = _prepare(matrix, weights, singular=True)
    rtol = errors[1] if rtol is None else rtol
    left, values, vh = np.linalg.svd(matrix)
    rank = spectrum.rank(values, rtol)
    values = np.where(np.arange(len(values)) < rank, values, 0.0)
    groups = spectrum.clusters(values, rtol)
    rounding, tolerance = _errors(values, weights, groups, errors, singular=True)
    return GeneralisedGradient(
        "svd", values, weights, left, vh.conj().T, groups, rank, rtol, rounding, tolerance
    )
