import numpy as np
import pytest
from drawing import seeds, unitary
from hypothesis import example, given
from hypothesis import strategies as st

from spectralgrad.theory import subgradient
from spectralgrad.verdict import reasons


@given(
    seeds,
    st.sampled_from(["eigh", "svd"]),
    st.lists(st.sampled_from([0.0, 1e-13, 1e-12, 1e-10, 2e-10, 1e-9, 1e-4, 0.1]), min_size=1),
    st.booleans(),
)
# The pair lies on either side of a tie, whose width counts.
@example(5325, "eigh", [2e-10, 1e-10, 0.0, 0.0], False)
def test_the_tolerance_that_is_proposed_makes_the_pair_equal_and_nothing_farther_apart(
    seed, problem, steps, is_complex
):
    rng = np.random.default_rng(seed)
    values = np.append(1.0, 1.0 + np.cumsum(steps)) - rng.integers(0, 2)
    values = values[::-1] if problem == "svd" else values
    weights = rng.integers(0, 2, len(values))
    left, right = (unitary(rng, len(values), is_complex=is_complex) for _ in range(2))
    right, of = (left, "eigvalsh") if problem == "eigh" else (right, "svdvals")
    matrix, of = (left * values) @ right.conj().T, getattr(subgradient, of)
    before = of(matrix, weights)
    near = reasons.nearest(before, 1e-8)
    found = np.append(before.values, 0.0) if problem == "svd" else before.values
    padded = np.append(weights, 0)[: len(found)]
    gaps = np.abs(np.diff(found)) / (np.abs(found).max() or 1.0)
    if near is None:
        close = (before.rtol < gaps) & (gaps < 1e-8)
        assert not np.any(close & (np.diff(padded) != 0))
        return
    assert before.rtol < near.relative < near.rtol < 3 * near.relative
    assert np.all(gaps[gaps > near.relative + 2 * before.rtol] > near.rtol)
    first, second = (*near.indices, len(values))[:2]
    assert padded[first] != padded[second]
    after = of(matrix, weights, rtol=near.rtol)
    # What is named is what becomes of the clusters that matter to f.
    new = [c for c in after.clusters if c not in before.clusters and np.ptp(weights[c])]
    assert [c for c in new if c.stop <= after.rank] == near.equal
    if first < after.rank:
        assert any({first, second} <= set(range(c.start, c.stop)) for c in near.equal)
    else:
        assert near.zero == slice(after.rank, len(values))


@pytest.mark.parametrize(
    ("of", "values", "weights", "indices", "rtol", "equal", "zero"),
    [
        # The closest pair has one weight, so that it does not matter; the next one does.
        ("eigvalsh", [1, 1 + 1e-10, 2, 2 + 1e-9], [1, 1, 1, 0], (2, 3), 1e-9, [(2, 4)], (4, 4)),
        # Equal steps go together.
        ("eigvalsh", [1, 1 + 1e-9, 1 + 2e-9], [1, 0, 0], (0, 1), 2e-9, [(0, 3)], (3, 3)),
        # A tie that f treats differently, and a third value beside it.
        ("eigvalsh", [1, 1, 1 + 1e-9], [1, 0, 0], (0, 2), 2e-9, [(0, 3)], (3, 3)),
        ("svdvals", [2, 1e-9], [1, 1], (1,), 1e-9, [], (1, 2)),
        ("svdvals", [2, 1e-9, 0], [1, 1, 1], (1,), 1e-9, [], (1, 3)),
        ("svdvals", [2, 1e-9, 0], [1, 0, 1], (1, 2), 1e-9, [], (1, 3)),
        ("svdvals", [2, 2 - 4e-9, 1e-9], [1, 0, 1], (2,), 1e-9, [], (2, 3)),
    ],
)
def test_the_nearest_values_that_f_treats_differently(
    of, values, weights, indices, rtol, equal, zero
):
    valid = getattr(subgradient, of)(np.diag(np.array(values, float)), weights)
    near = reasons.nearest(valid, 1.5e-8)
    assert (near.indices, near.rtol) == (indices, rtol)
    assert [(c.start, c.stop) for c in near.equal] == equal
    assert (near.zero.start, near.zero.stop) == zero
    assert near.relative == pytest.approx(near.distance / np.abs(values).max())
    assert reasons.nearest(valid, near.relative / 2) is None


@pytest.mark.parametrize(
    ("of", "values", "weights"),
    [
        ("eigvalsh", [1, 1 + 1e-9, 2], [1, 1, 0]),
        ("eigvalsh", [1e-9, 1, 2], [1, 1, 0]),
        ("eigvalsh", [0, 0], [1, 0]),
        ("svdvals", [2, 1e-9], [1, 0]),
        ("svdvals", [2, 1e-9, 0], [1, 0, 0]),
        ("svdvals", [0, 0], [1, 0]),
    ],
)
def test_values_that_f_treats_alike_are_not_near(of, values, weights):
    valid = getattr(subgradient, of)(np.diag(np.array(values, float)), weights)
    assert reasons.nearest(valid, 1e-8) is None
