import numpy as np
import pytest
from drawing import random_matrix, seeds, unitary
from hypothesis import given
from hypothesis import strategies as st

from spectralgrad import published, singular

shapes = st.tuples(st.integers(1, 5), st.integers(1, 5))


def with_values(rng, m, n, values, *, is_complex):
    k = min(m, n)
    u = unitary(rng, m, is_complex=is_complex)[:, :k]
    v = unitary(rng, n, is_complex=is_complex)[:, :k]
    return (u * values) @ v.conj().T


@given(seeds, shapes, st.booleans())
def test_gradient_against_finite_differences(seed, shape, is_complex):
    rng = np.random.default_rng(seed)
    k = min(shape)
    matrix = with_values(rng, *shape, np.arange(k, 0, -1.0), is_complex=is_complex)
    weights = rng.standard_normal(k)
    step = random_matrix(rng, *shape, is_complex=is_complex)

    def f(t):
        return np.linalg.svd(matrix + t * step, compute_uv=False) @ weights

    t = 1e-5
    difference = (f(t) - f(-t)) / (2 * t)
    derivative = np.vdot(singular.weighted_sum_gradient(matrix, weights), step).real
    assert derivative == pytest.approx(difference, abs=1e-6)


@given(seeds, shapes, st.booleans())
def test_equivariance(seed, shape, is_complex):
    rng = np.random.default_rng(seed)
    (m, n), k = shape, min(shape)
    matrix = with_values(rng, m, n, np.arange(k, 0, -1.0), is_complex=is_complex)
    left, right = (unitary(rng, size, is_complex=is_complex) for size in shape)
    weights = rng.standard_normal(k)
    expected = left @ singular.weighted_sum_gradient(matrix, weights) @ right
    assert singular.weighted_sum_gradient(left @ matrix @ right, weights) == pytest.approx(expected)


def test_closed_form_values_as_weights_give_the_matrix_back(rng):
    stack = rng.standard_normal((3, 4, 2)).astype(np.float32)
    u, s, vh = np.linalg.svd(stack, full_matrices=False)
    gradient = singular.svdvals_vjp(u, vh, s)
    assert gradient.dtype == np.float32
    assert gradient == pytest.approx(stack, abs=1e-5)


@given(seeds, shapes, st.integers(0, 5), st.booleans())
def test_rank_split_is_an_orthonormal_split(seed, shape, rank, is_complex):
    rng = np.random.default_rng(seed)
    (m, n), rank = shape, min(rank, *shape)
    values = np.where(np.arange(min(shape)) < rank, 2.0, 0.0)
    matrix = with_values(rng, m, n, values, is_complex=is_complex)
    split = singular.rank_split(matrix)
    assert split.rank == rank
    for first, rest, size in ((split.u1, split.u0, m), (split.v1, split.v0, n)):
        basis = np.hstack([first, rest])
        assert basis.conj().T @ basis == pytest.approx(np.eye(size))
    assert np.linalg.norm(split.u0.conj().T @ matrix) == pytest.approx(0, abs=1e-12)
    assert np.linalg.norm(matrix @ split.v0) == pytest.approx(0, abs=1e-12)
    assert split.regular_part == pytest.approx(matrix / 2)


@given(seeds)
def test_null_part_recovers_w_and_its_determinant_is_that_of_the_gradient(seed):
    rng = np.random.default_rng(seed)
    split = singular.rank_split(published.MATRICES["blog-rank-2"])
    w = unitary(rng, 3, is_complex=False)
    gradient = split.regular_part + split.u0 @ w @ split.v0.T
    assert split.null_part(gradient) == pytest.approx(w)
    assert split.residual(gradient) == pytest.approx(0, abs=1e-12)
    assert np.linalg.det(gradient) == pytest.approx(np.linalg.det(w))


def test_residual_sees_what_does_not_fit():
    split = singular.rank_split(np.diag([1.0, 0.0]))
    assert split.residual(np.diag([3.0, 0.5])) == pytest.approx(2.0)


def test_precision_of_the_matrix_decides_its_rank():
    nearly = np.diag([1.0, 1e-9])
    assert singular.rank_split(nearly).rank == 2
    assert singular.rank_split(nearly.astype(np.float32)).rank == 1
    assert singular.rank_split(nearly, rtol=1e-6).rank == 1


def test_integers_are_lifted():
    gradient = singular.weighted_sum_gradient([[2, 0], [0, 1]], [1, 3])
    assert gradient == pytest.approx(np.diag([1.0, 3.0]))


@pytest.mark.parametrize("sign", [1, -1])
def test_the_split_is_oriented_whatever_the_library_returns(sign):
    matrix = np.diag([3.0, 2.0, 0.0, 0.0])
    matrix[0] *= sign
    split = singular.rank_split(matrix)
    u, v = np.hstack([split.u1, split.u0]), np.hstack([split.v1, split.v0])
    assert np.linalg.det(u) * np.linalg.det(v) == pytest.approx(1)
