"""What both decompositions share; what it finds is tried in those of each."""

import numpy as np
import pytest

from spectralgrad.theory import second_basis


def compare(block, apart, turned, *, allowed=0.0, labels=(0, 0), gauge_tol=1e-8):
    """At 1 and 1.5, of which the vectors are the unit vectors."""
    eye, values, block = np.eye(2), np.array([1.0, 1.5]), np.array(block)
    bars = np.array(apart), [np.array(turned)]
    view = second_basis._View([eye], values, *bars, np.array(allowed), gauge_tol, "λ")
    second_basis._compare_unmerged(view, block, [eye], np.array(labels))


def test_values_that_are_nearly_equal_are_compared_in_diagonals_and_what_the_gap_divides():
    block, turned = [[1.0, 3.0], [3.0, 2.0]], [[0.0, 1.5], [-1.5, 0.0]]
    compare(block, [1.0, 2.0], turned)
    with pytest.raises(ValueError, match=r"λ₂: the gradient changes by 1.0e-01 .* smaller rtol"):
        compare(block, [1.0, 2.1], turned)
    # To the square root of gauge_tol, relative to the largest.
    compare(block, [1.0, 2.1], turned, gauge_tol=0.05**2)
    off = [[0.0, 1.4], [-1.4, 0.0]]
    with pytest.raises(ValueError, match=r"λ₁ and λ₂: the gradient changes by 2.0e-01"):
        compare(block, [1.0, 2.0], off)
    # As much as rounding errors over the gap may make of it, or in another cluster.
    compare(block, [1.0, 2.0], off, allowed=0.11)
    compare(block, [1.0, 2.0], off, labels=(0, 1))
    compare(block, [1.0, 2.0], off, labels=(-1, -1))
    with pytest.raises(ValueError, match="smaller rtol"):
        compare(block, [np.nan, 2.0], turned)
