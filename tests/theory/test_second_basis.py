"""What both decompositions share; what it finds is tried in those of each."""

import numpy as np
import pytest

from spectralgrad.theory import second_basis


def same(block, apart, turned, *, tolerance=1e-3, allowed=0.0, labels=(0, 0)):
    values = np.array([1.0, 1.5])
    arrays = (np.array(x, float) for x in (block, apart, turned))
    limits = np.array(tolerance), np.array(allowed)
    second_basis.require_smooth(*arrays, values, np.array(labels), *limits, "λ")


def test_require_smooth_compares_diagonals_and_what_the_gap_divides():
    block, turned = [[1.0, 3.0], [3.0, 2.0]], [[0.0, 1.5], [-1.5, 0.0]]
    same(block, [1.0, 2.0], turned)
    with pytest.raises(ValueError, match=r"λ₂: the gradient changes by 1.0e-01 .* smaller rtol"):
        same(block, [1.0, 2.1], turned)
    off = [[0.0, 1.4], [-1.4, 0.0]]
    with pytest.raises(ValueError, match=r"λ₁ and λ₂: the gradient changes by 2.0e-01"):
        same(block, [1.0, 2.0], off)
    # As much as rounding errors over the gap may make of it, or in another cluster.
    same(block, [1.0, 2.0], off, allowed=0.11)
    same(block, [1.0, 2.0], off, labels=(0, 1))
    same(block, [1.0, 2.0], off, labels=(-1, -1))
    with pytest.raises(ValueError, match="smaller rtol"):
        same(block, [np.nan, 2.0], turned)
