"""Values that are close, but not equal, and what another tolerance would make of them."""

import itertools
import math
from dataclasses import dataclass

import numpy as np

from spectralgrad.theory import spectrum
from spectralgrad.theory.subgradient import GeneralisedGradient


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


def nearest(valid: GeneralisedGradient, below: float) -> Near | None:
    """Find the closest two values of different clusters that f treats differently.

    Parameters
    ----------
    below : float
        Distance, relative to the largest modulus, from which on they are not close.
    """
    k, values, weights, clusters = len(valid.values), valid.values, valid.weights, valid.clusters
    if valid.problem == "svd":
        # Zero is one more, on which f does not depend.
        values, weights = np.append(values, 0.0), np.append(weights, 0.0)
        clusters = [*(c for c in clusters if not valid.is_zero(c)), slice(valid.rank, k + 1)]
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
    as_close = gaps <= gap + valid.rtol
    rtol = _between(np.max(gaps[as_close]), np.min(gaps[~as_close], initial=1.0))
    new = [c for c in spectrum.clusters(values, rtol) if c not in clusters and np.ptp(weights[c])]
    zero = slice(new.pop().start, k) if new and new[-1].stop > k else slice(k, k)
    distance = float(abs(values[i] - values[j]))
    pair = tuple(x for x in (i, j) if x < k)
    return Near(pair, distance, distance / size, rtol, new, zero)


def _between(low: float, high: float) -> float:
    """A number well above one and below another, of as few digits as that takes."""
    middle = min(2 * low, math.sqrt(low * high))
    rounded = (float(f"{middle:.{digits}e}") for digits in range(17))
    return next((x for x in rounded if low < x < high), float(low))
