"""Why a weighted spectral sum is, or is not, differentiable at a matrix, and what is difficult.

Or would be, with another tolerance: values may be close, but not equal.
"""

import itertools
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import DTypeLike

from spectralgrad.theory import spectrum
from spectralgrad.theory.subgradient import GeneralisedGradient
from spectralgrad.verdict.extreme import Extreme


def reason(valid: GeneralisedGradient) -> str:
    """One sentence: why f is, or is not, differentiable at the matrix of its valid gradients."""
    tolerance = f"to a relative tolerance of {valid.rtol:.1e}"
    if valid.differentiable:
        why = _why_differentiable(valid)
        return f"f is differentiable at this matrix: {tolerance}, {why}."
    causes = [_cause(valid, cluster) for cluster in valid.undecided]
    if len(causes) > 3:
        causes = [*causes[:2], f"the same holds for {len(causes) - 2} further clusters"]
    return f"f is not differentiable at this matrix: {tolerance}, {'; '.join(causes)}."


def everywhere(valid: GeneralisedGradient) -> str:
    """The same for a loss on vectors that is smooth, and what the rule for vectors meets there."""
    kind = "eigenvalue" if valid.problem == "eigh" else "singular value"
    tied = [
        f"{valid.name(c)} are {'zero' if valid.is_zero(c) else 'equal'}"
        for c in valid.clusters
        if c.stop - c.start > 1
    ]
    if len(tied) > 3:
        tied = [*tied[:2], f"so it is with {len(tied) - 2} further groups"]
    alone = "there is one only" if len(valid.values) == 1 else f"no two {kind}s are equal"
    found = f"to a relative tolerance of {valid.rtol:.1e}, {'; '.join(tied) or alone}"
    return f"f is differentiable at every matrix; at this one, {found}."


def vector_error(valid: GeneralisedGradient, dtype: DTypeLike) -> float:
    """Relative error that the nearest gap lets into a loss on vectors.

    An error of c in a matrix of norm 1 turns two vectors by c over their gap: c is the tolerance,
    or the backward error of a decomposition, if that is larger. The vectors of a singular value
    turn against those of zero too, unless the matrix is real and square.
    """
    values, singular = valid.values, valid.problem == "svd"
    if singular and (len(valid.left) != len(valid.right) or np.iscomplexobj(valid.left)):
        values = np.append(values, 0.0)
    shape = len(valid.left), len(valid.right)
    error = max(valid.rtol, spectrum.default_rtol(shape, dtype, singular=singular))
    gap = spectrum.smallest_gap(values)
    return error * float(np.max(np.abs(values))) / gap if gap else math.inf


def _cause(valid: GeneralisedGradient, cluster: slice) -> str:
    name = valid.name(cluster)
    if not valid.is_zero(cluster):
        return f"{name} are equal, and f treats them differently"
    if cluster.stop - cluster.start == 1:
        return f"{name} is zero, and f depends on it"
    return f"{name} are zero, and f depends on them"


def _why_differentiable(valid: GeneralisedGradient) -> str:
    if isinstance(valid, Extreme):
        name, gap = valid.name(valid.clusters[int(valid.weights[1])]), np.ptp(valid.values)
        return f"{name} is {gap:.1e} from the next, with a residual of {valid.defect:.0e}"
    tied = any(c.stop - c.start > 1 and not valid.is_zero(c) for c in valid.clusters)
    kind = "eigenvalue" if valid.problem == "eigh" else "singular value"
    if len(valid.values) == 1:
        among, nonzero = f"there is one {kind} only", "it is not zero"
    else:
        among = f"f treats equal {kind}s alike" if tied else f"no two {kind}s are equal"
        nonzero = "none is zero"
    if valid.problem == "eigh":
        return among
    full = valid.rank == len(valid.values)
    return f"{among} and {nonzero if full else 'f does not depend on what is zero'}"


def regimes(valid: GeneralisedGradient, *, near: float) -> tuple[str, ...]:
    """Say in what ways a spectrum makes gradients difficult, whatever the function of it.

    One or more of ``"tie"`` (two values are equal, and not zero), ``"near-tie"`` (two are nearer
    than ``near`` times the largest modulus: at √eps, an error of eps in the matrix takes half of
    the digits of a vector), ``"rank-deficient"`` (a singular value is zero), ``"nearly
    rank-deficient"`` (one is near zero) and ``"extreme scale"`` (the largest modulus is below 1e-3
    or above 1/near², where the rules of some frameworks fail); else ``"regular"``.
    """
    size = float(np.max(np.abs(valid.values), initial=0.0))
    centres = [float(np.mean(valid.values[c])) for c in valid.clusters if not valid.is_zero(c)]
    gap, singular = spectrum.smallest_gap(centres), valid.problem == "svd"
    words = {
        "tie": len(centres) < valid.rank,
        "near-tie": len(centres) > 1 and gap < near * size,
        "rank-deficient": valid.rank < len(valid.values),
        "nearly rank-deficient": singular and bool(centres) and centres[-1] < near * size,
        "extreme scale": size > 0 and not 1e-3 <= size <= near**-2,
    }
    return tuple(word for word, holds in words.items() if holds) or ("regular",)


@dataclass(frozen=True)
class Near:
    """Two values that f treats differently, and that are close, but not equal.

    Their places are from 0; there is one place, and the distance is from zero, where a singular
    value is close to that. ``relative`` is to the largest modulus. With ``rtol`` they count as
    equal (as zero), and what is farther apart does not: of what matters to f, ``equal`` are the
    clusters that this makes, and ``zero`` is what counts as zero then, or empty.
    """

    indices: tuple[int, ...]
    distance: float
    relative: float
    rtol: float
    equal: list[slice]
    zero: slice


def nearest(valid: GeneralisedGradient, below: float) -> Near | None:
    """Find the closest two values of different clusters that f treats differently.

    Their distance is below a limit, relative to the largest modulus.
    """
    k, values, weights = len(valid.values), valid.values, valid.weights
    if valid.problem == "svd":
        # Zero is one more, on which f does not depend.
        values, weights = np.append(values, 0.0), np.append(weights, 0.0)
    clusters, size = spectrum.clusters(values, valid.rtol), np.max(np.abs(values), initial=0.0)
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
    distance = float(abs(values[i] - values[j]))
    relative = distance / float(size)
    # What is as far apart up to rounding goes with them, and the two may not be neighbours.
    as_close = gaps <= gap + valid.rtol
    rtol = _between(max(np.max(gaps[as_close]), relative), np.min(gaps[~as_close], initial=1.0))
    new = [c for c in spectrum.clusters(values, rtol) if c not in clusters and np.ptp(weights[c])]
    zero = slice(new.pop().start, k) if new and new[-1].stop > k else slice(k, k)
    pair = tuple(x for x in (i, j) if x < k)
    return Near(pair, distance, relative, rtol, new, zero)


def _between(low: float, high: float) -> float:
    """A number well above one and below another, of as few digits as that takes."""
    middle = min(2 * low, math.sqrt(low * high))
    rounded = (float(f"{middle:.{digits}e}") for digits in range(17))
    return next((x for x in rounded if low < x < high), float(low))
