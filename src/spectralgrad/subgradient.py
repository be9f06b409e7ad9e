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
Watson (1992), "Characterization of the subdifferential of some matrix norms", for norms of the
singular values; Lewis (1996), "Derivatives of spectral functions", for eigenvalues.
"""

from dataclasses import dataclass

import numpy as np

from spectralgrad import spectrum, symmetric
from spectralgrad.matrices import as_inexact


@dataclass(frozen=True)
class Membership:
    """Whether a matrix lies in a generalised gradient.

    Attributes
    ----------
    inside : bool
        Whether `excess` is within `tolerance`.
    excess : float
        Largest amount by which one of the conditions fails; 0 inside. The Frobenius distance to
        the set is at least this.
    where : str
        The condition that fails by most.
    tolerance : float
    """

    inside: bool
    excess: float
    where: str
    tolerance: float


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
        ``8 max(m, n) · eps · ‖A‖`` times the largest divided difference of the weights or, for
        singular values, the largest |wᵢ|/σᵢ if that is more.
    """

    problem: str
    values: np.ndarray
    weights: np.ndarray
    left: np.ndarray
    right: np.ndarray
    clusters: list
    rank: int
    rtol: float
    rounding: float
    tolerance: float

    @property
    def _undecided(self):
        """The clusters whose block is not fixed by the weights alone."""
        return [
            c
            for c in self.clusters
            if (np.any(self.weights[c]) if self._is_zero(c) else np.ptp(self.weights[c]) > 0)
        ]

    def _is_zero(self, cluster):
        return cluster.start >= self.rank

    @property
    def differentiable(self):
        """Whether the set is one matrix only: the gradient."""
        return not self._undecided

    @property
    def minimum_norm(self):
        """The gradient, or the element of smallest Frobenius norm, (m, n).

        It has the mean weight on each cluster and 0 on the zero cluster.
        """
        means = np.zeros_like(self.weights)
        for c in self.clusters:
            means[c] = 0.0 if self._is_zero(c) else np.mean(self.weights[c])
        k = len(means)
        return (self.left[:, :k] * means) @ self.right[:, :k].conj().T

    def contains(self, gradient, *, tolerance=None):
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
        tolerance = self.tolerance if tolerance is None else tolerance
        rest = self.left.conj().T @ np.asarray(gradient) @ self.right
        if not np.all(np.isfinite(rest)):
            return Membership(False, np.inf, "a number that is not finite", tolerance)
        failures = []
        for c in self.clusters:
            # Null vectors beyond the k-th belong to the zero cluster.
            block = np.s_[c.start :, c.start :] if self._is_zero(c) else np.s_[c, c]
            check = _zero_block_excess if self._is_zero(c) else _block_excess
            failures.append((check(rest[block], self.weights[c]), f"the block of {self.name(c)}"))
            rest[block] = 0
        failures.append((float(np.linalg.norm(rest)), "the entries off the blocks"))
        excess, where = max(failures)
        return Membership(excess <= tolerance, excess, where, tolerance)

    def name(self, cluster):
        """Name the values of a cluster, as ``"σ₃ to σ₅"``."""
        symbol = "λ" if self.problem == "eigh" else "σ"
        first, last = (
            symbol + str(i).translate(str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉"))
            for i in (cluster.start + 1, cluster.stop)
        )
        joint = " and " if cluster.stop - cluster.start == 2 else " to "
        return first if first == last else first + joint + last

    @property
    def reason(self):
        """One sentence: why f is, or is not, differentiable at this matrix."""
        if self.differentiable:
            return f"f is differentiable at this matrix: {self._why_differentiable}."
        causes = [
            f"{self.name(c)} {'is' if c.stop - c.start == 1 else 'are'} zero, and f depends on "
            + ("it" if c.stop - c.start == 1 else "them")
            if self._is_zero(c)
            else f"{self.name(c)} are equal, and f treats them differently"
            for c in self._undecided
        ]
        if len(causes) > 3:
            causes = [*causes[:2], f"the same holds for {len(causes) - 2} further clusters"]
        return (
            f"f is not differentiable at this matrix: to a relative tolerance of {self.rtol:.1e}, "
            f"{'; '.join(causes)}."
        )

    @property
    def _why_differentiable(self):
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


def _block_excess(block, weights):
    """Bound from below how far a block is from Hermitian with eigenvalues majorised by weights."""
    skew = np.linalg.norm(block - block.conj().T) / 2
    eigenvalues = np.linalg.eigvalsh(symmetric.hermitian_part(block))[::-1]
    partial = _partial_excess(eigenvalues, np.sort(weights)[::-1])
    return float(max(skew, np.max(partial), abs(partial[-1])))


def _zero_block_excess(block, weights):
    """Bound from below how far a block is from singular values weakly majorised by |weights|."""
    singular_values = np.linalg.svd(block, compute_uv=False)
    bounds = np.sort(np.abs(weights))[::-1]
    return float(np.max(_partial_excess(singular_values, bounds), initial=0.0))


def _partial_excess(values, bounds):
    """Excess of the partial sums; j values can move their sum by √j times what they move."""
    return np.cumsum(values - bounds) / np.sqrt(np.arange(1, len(values) + 1))


def _errors(values, weights, groups, unit, *, singular):
    """The attributes `rounding` and `tolerance` of a generalised gradient.

    A backward stable decomposition is exact for a matrix within ``p · eps · ‖A‖`` of A,
    p = max(m, n). That turns the vectors of two different clusters into one another, which moves
    the gradient by the divided difference (wᵢ − wⱼ)/(λᵢ − λⱼ) per unit of ‖dA‖. Singular vectors
    bring (wᵢ + wⱼ)/(σᵢ + σⱼ) as well, and wᵢ/σᵢ against null vectors: at most max |wᵢ|/σᵢ.
    """
    labels = np.repeat(np.arange(len(groups)), [c.stop - c.start for c in groups])
    apart = labels[:, None] != labels[None, :]
    differences = [np.abs(np.subtract.outer(x, x))[apart] for x in (weights, values)]
    largest = np.max(np.divide(*differences), initial=0.0)
    if singular:
        positive = values > 0
        largest = np.max(np.abs(weights[positive]) / values[positive], initial=largest)
    rounding = float(unit * np.max(np.abs(weights), initial=0.0))
    return rounding, rounding + float(unit * np.max(np.abs(values), initial=0.0) * largest)


def _prepare(matrix, weights, rtol):
    """Lift to double precision; tolerances stay those of the dtype that was given."""
    matrix, weights = as_inexact(matrix), np.asarray(weights, dtype=float)
    if weights.shape != (min(matrix.shape),):
        raise ValueError(
            f"weights of shape {weights.shape} for a matrix of shape {matrix.shape}; "
            f"give {min(matrix.shape)} of them"
        )
    rtol = spectrum.default_rtol(matrix.shape, matrix.dtype) if rtol is None else rtol
    # The factor leaves room for what the libraries lose beyond the first rounding.
    unit = 8 * max(matrix.shape) * float(np.finfo(matrix.dtype).eps)
    return matrix.astype(np.result_type(matrix, float)), weights, rtol, unit


def eigvalsh(matrix, weights, *, rtol=None):
    """Generalised gradient of Σ wᵢ λᵢ(A), eigenvalues ascending.

    Parameters
    ----------
    matrix : (n, n) array_like
        Hermitian. Computed with in double precision; its dtype sets the tolerances.
    weights : (n,) array_like
        Real.
    rtol : float, optional
        Eigenvalues this close, relative to the largest in modulus, are equal; see
        `spectralgrad.spectrum.default_rtol`.

    Returns
    -------
    GeneralisedGradient

    Raises
    ------
    ValueError
        If there are not as many weights as eigenvalues.
    """
    matrix, weights, rtol, unit = _prepare(matrix, weights, rtol)
    values, vectors = np.linalg.eigh(matrix)
    groups = spectrum.clusters(values, rtol)
    rounding, tolerance = _errors(values, weights, groups, unit, singular=False)
    return GeneralisedGradient(
        "eigh", values, weights, vectors, vectors, groups, len(values), rtol, rounding, tolerance
    )


def svdvals(matrix, weights, *, rtol=None):
    """Generalised gradient of Σ wᵢ σᵢ(A), singular values descending.

    Parameters
    ----------
    matrix : (m, n) array_like
        Computed with in double precision; its dtype sets the tolerances.
    weights : (min(m, n),) array_like
        Real.
    rtol : float, optional
        Singular values this close, relative to the largest, are equal, and zero if this close to
        zero; see `spectralgrad.spectrum.default_rtol`.

    Returns
    -------
    GeneralisedGradient

    Raises
    ------
    ValueError
        If there are not as many weights as singular values.
    """
    matrix, weights, rtol, unit = _prepare(matrix, weights, rtol)
    left, values, vh = np.linalg.svd(matrix)
    rank = spectrum.rank(values, rtol)
    values = np.where(np.arange(len(values)) < rank, values, 0.0)
    groups = spectrum.clusters(values, rtol)
    rounding, tolerance = _errors(values, weights, groups, unit, singular=True)
    return GeneralisedGradient(
        "svd", values, weights, left, vh.conj().T, groups, rank, rtol, rounding, tolerance
    )
