import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spectralgrad.theory import spectrum


def indices(values, rtol):
    return [list(range(c.start, c.stop)) for c in spectrum.clusters(values, rtol)]


def test_clusters_are_runs_of_neighbours():
    assert indices([-1.0, -1.0 + 1e-9, 0.0, 2.0], 1e-8) == [[0, 1], [2], [3]]


def test_a_chain_of_close_values_is_one_cluster():
    assert indices([1.0, 1.0 + 0.9e-8, 1.0 + 1.8e-8], 1e-8) == [[0, 1, 2]]


def test_equal_values_cluster_without_tolerance():
    assert indices([0.0, 0.0, 0.0], 0.0) == [[0, 1, 2]]


def test_no_values_have_no_clusters():
    assert spectrum.clusters([], 1e-8) == []


@given(st.lists(st.floats(-1e6, 1e6), min_size=1), st.floats(0, 0.1))
def test_clusters_partition_and_ignore_scale_and_direction(values, rtol):
    values = np.sort(values)
    groups = indices(values, rtol)
    assert [i for group in groups for i in group] == list(range(len(values)))
    assert indices(4.0 * values, rtol) == groups
    backwards = [[len(values) - 1 - i for i in g][::-1] for g in indices(values[::-1], rtol)][::-1]
    assert backwards == groups


@pytest.mark.parametrize(
    ("values", "rank"),
    [([3, 2, 1], 3), ([3, 2, 0], 2), ([3, 1e-17, 1e-18], 1), ([0, 0], 0), ([], 0)],
)
def test_rank_counts_what_is_not_zero(values, rank):
    assert spectrum.rank(np.array(values, dtype=float), 1e-15) == rank


@pytest.mark.parametrize(
    ("dtype", "eps", "stop"),
    # xBDSQR stops at max(10, u^(−1/8)) u, for u = 2⁻²⁴ and 2⁻⁵³: from 10 and 2^(53/8).
    [("float32", 2.0**-23, 10 * 2.0**-24), ("complex128", 2.0**-52, 2.0 ** (53 / 8 - 53))],
)
def test_the_default_tolerance_is_the_backward_error_that_is_documented(dtype, eps, stop):
    assert spectrum.default_rtol((2, 3, 7), dtype) == 8 * 7 * eps
    of_singular_values = spectrum.default_rtol((7, 3), dtype, singular=True)
    assert of_singular_values == pytest.approx(8 * 7 * eps + 2 * stop, rel=1e-12, abs=0)


rows = st.lists(
    st.lists(st.sampled_from([0.0, 1.0, 1.0 + 1e-9, 2.0]), min_size=4, max_size=4), min_size=1
)


@given(rows)
def test_labels_and_clusters_say_the_same_and_stacks_are_loops(values):
    values = np.sort(values, axis=-1)
    numbers = spectrum.labels(values, 1e-8)
    assert numbers.shape == values.shape
    for row, found in zip(values, numbers, strict=True):
        assert np.array_equal(found, spectrum.labels(row, 1e-8))
        groups = indices(row, 1e-8)
        assert [[i for i in range(4) if found[i] == c] for c in range(len(groups))] == groups


@given(rows)
def test_same_is_true_within_clusters_only(values):
    numbers = spectrum.labels(np.sort(values, axis=-1), 1e-8)
    alike = spectrum.in_one_cluster(numbers)
    assert alike.dtype == bool
    for place in np.ndindex(*alike.shape):
        *row, i, j = place
        assert alike[place] == (numbers[*row, i] == numbers[*row, j])


@given(rows, st.sampled_from(["float32", "float64"]))
def test_merged_values_are_exactly_equal_within_a_cluster_and_have_its_mean(values, dtype):
    values = np.sort(values, axis=-1).astype(dtype)
    numbers = spectrum.labels(values, 1e-6)
    merged = spectrum.merge(values, numbers)
    assert merged.dtype == dtype
    for row, group, found in zip(values, numbers, merged, strict=True):
        for c in set(group.tolist()):
            assert len(set(found[group == c].tolist())) == 1
            assert found[group == c] == pytest.approx(row[group == c].astype(float).mean())
    assert np.array_equal(spectrum.labels(merged, 1e-6), numbers)


def test_values_that_lie_alone_are_merged_with_nothing():
    values = np.array([0.1, 0.2, 0.7])
    assert np.array_equal(spectrum.merge(values, [0, 1, 2]), values)
    assert spectrum.merge(values, [0, 0, 1]).tolist() == [pytest.approx(0.15)] * 2 + [0.7]


def test_merging_large_values_in_single_precision_keeps_to_their_range():
    values = np.float32(2.0**24) + np.array([0, 2, 4], np.float32)
    merged = spectrum.merge(values, np.zeros(3, int))
    assert values[0] <= merged[0] == merged[1] == merged[2] <= values[2]


@pytest.mark.parametrize("scale", [1e-300, 1e-20, 1.0, 1e20, 1e300])
def test_the_scale_does_not_matter(scale):
    values = scale * np.array([2.0, 2.0 * (1 + 1e-15), 1.0, 1e-16])[[1, 0, 2, 3]]
    assert spectrum.labels(values, 1e-14).tolist() == [0, 0, 1, 2]
    assert spectrum.positive(values, 1e-14).tolist() == [True, True, True, False]
    assert spectrum.merge(values, [0, 0, 1, 2])[0] == pytest.approx(2 * scale)


@given(st.lists(st.sampled_from([3.0, 1.0, 1e-17, 0.0]), max_size=5))
def test_rank_counts_what_is_positive(values):
    values = np.sort(values)[::-1]
    found = spectrum.positive(values, 1e-15)
    assert found.dtype == bool
    assert spectrum.rank(values, 1e-15) == np.count_nonzero(found)
    small = values <= 1e-15 * max(values, default=0.0)
    assert np.array_equal(found, ~small)


def test_a_run_that_reaches_zero_is_zero():
    """Each within the tolerance of the next; but not if one step is longer."""
    values = np.array([1.0, 1.8e-8, 0.9e-8])
    assert spectrum.positive(values, 1e-8).tolist() == [True, False, False]
    assert spectrum.positive(values, 0.8e-8).tolist() == [True, True, True]


def test_stacks_of_singular_values():
    values = np.array([[[3.0, 2.0], [3.0, 0.0]], [[0.0, 0.0], [1.0, 1e-17]]])
    expected = [[[True, True], [True, False]], [[False, False], [True, False]]]
    assert spectrum.positive(values, 1e-15).tolist() == expected
    assert spectrum.positive(np.zeros((3, 0)), 1e-15).shape == (3, 0)


def test_smallest_gap():
    assert spectrum.smallest_gap([1.0, 4.0, 6.0]) == 2.0
    assert spectrum.smallest_gap([6.0, 4.0, 1.0]) == 2.0
    assert spectrum.smallest_gap([-3.0]) == 3.0
    assert spectrum.smallest_gap([]) == 0.0


@pytest.mark.parametrize(
    ("values", "singular"),
    [
        ([1.0, 1.0, 1.0], False),
        ([0.0, 0.0], False),
        ([0.0], False),
        ([-1.0, -1.0 + 1e-6, 5.0], False),
        ([3.0, 2.0, 1e-6], True),
        ([0.0, 0.0], True),
        ([1e100, 1e100], True),
    ],
)
def test_values_are_moved_apart_in_order(values, singular):
    moved = spectrum.move_apart(values, singular=singular)
    assert not np.array_equal(moved, values)
    with_zero = np.append(moved, 0.0) if singular else moved
    assert spectrum.smallest_gap(with_zero) >= 1e-3 * np.abs(moved).max()
    assert np.all(np.diff(moved) < 0) if singular else np.all(np.diff(moved) > 0)


@pytest.mark.parametrize(("values", "singular"), [([1.0, 2.0], False), ([2.0, 1.0], True)])
def test_values_that_are_apart_stay_where_they_are(values, singular):
    assert np.array_equal(spectrum.move_apart(values, singular=singular), values)
