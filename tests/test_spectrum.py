import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spectralgrad import spectrum


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


def test_default_tolerance_is_that_of_matrix_rank():
    assert spectrum.default_rtol((3, 7), np.float32) == 7 * np.finfo(np.float32).eps
    assert spectrum.default_rtol((2, 3, 7), np.complex128) == 7 * np.finfo(float).eps
