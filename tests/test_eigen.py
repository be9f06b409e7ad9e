import numpy as np
import pytest
from drawing import random_matrix, seeds
from hypothesis import given
from hypothesis import strategies as st

from spectralgrad import eigen, symmetric


def hermitian(rng, n, *, is_complex):
    return symmetric.hermitian_part(random_matrix(rng, n, n, is_complex=is_complex))


@given(seeds, st.integers(1, 6), st.booleans())
def test_gradient_against_finite_differences(seed, n, is_complex):
    rng = np.random.default_rng(seed)
    # Prescribed gaps, so that the central difference is accurate.
    basis = np.linalg.qr(random_matrix(rng, n, n, is_complex=is_complex))[0]
    matrix = (basis * np.arange(n)) @ basis.conj().T
    weights, step = rng.standard_normal(n), hermitian(rng, n, is_complex=is_complex)

    def f(t):
        return np.linalg.eigvalsh(matrix + t * step) @ weights

    t = 1e-5
    difference = (f(t) - f(-t)) / (2 * t)
    derivative = np.vdot(eigen.weighted_sum_gradient(matrix, weights), step).real
    assert derivative == pytest.approx(difference, abs=1e-6)


@given(seeds, st.integers(1, 6), st.booleans())
def test_equivariance(seed, n, is_complex):
    rng = np.random.default_rng(seed)
    matrix, weights = hermitian(rng, n, is_complex=is_complex), rng.standard_normal(n)
    rotation = np.linalg.qr(random_matrix(rng, n, n, is_complex=is_complex))[0]
    rotated = rotation @ matrix @ rotation.conj().T
    expected = rotation @ eigen.weighted_sum_gradient(matrix, weights) @ rotation.conj().T
    gap = np.diff(np.linalg.eigvalsh(matrix)).min(initial=1.0)
    assert eigen.weighted_sum_gradient(rotated, weights) == pytest.approx(expected, abs=1e-12 / gap)


@given(seeds, st.booleans())
def test_the_choice_of_sign_or_phase_does_not_matter(seed, is_complex):
    rng = np.random.default_rng(seed)
    vectors = np.linalg.qr(random_matrix(rng, 4, 4, is_complex=is_complex))[0]
    weights = rng.standard_normal(4)
    phases = np.exp(2j * np.pi * rng.random(4)) if is_complex else rng.choice([-1, 1], 4)
    turned = eigen.eigvalsh_vjp(vectors * phases, weights)
    assert turned == pytest.approx(eigen.eigvalsh_vjp(vectors, weights))


def test_closed_forms(rng):
    matrix = hermitian(rng, 5, is_complex=True)
    assert eigen.weighted_sum_gradient(matrix, np.ones(5)) == pytest.approx(np.eye(5))
    values, vectors = np.linalg.eigh(matrix)
    assert eigen.eigvalsh_vjp(vectors, 2 * values) == pytest.approx(2 * matrix)


def test_dtype_and_stacks(rng):
    stack = np.stack([hermitian(rng, 3, is_complex=False) for _ in range(4)]).astype(np.float32)
    weights = rng.standard_normal((4, 3))
    gradient = eigen.weighted_sum_gradient(stack, weights)
    assert gradient.dtype == np.float32
    assert gradient[2] == pytest.approx(eigen.weighted_sum_gradient(stack[2], weights[2]))


def test_integers_are_lifted():
    gradient = eigen.weighted_sum_gradient([[2, 1], [1, 2]], [1, 0])
    assert gradient == pytest.approx(np.array([[0.5, -0.5], [-0.5, 0.5]]))


@pytest.mark.parametrize(("index", "place"), [(0, 0), (2, 2), (-1, 2), (-3, 0)])
def test_select(index, place):
    assert eigen.select(index, 3).tolist() == [float(i == place) for i in range(3)]


def test_select_takes_the_integers_of_numpy():
    assert eigen.select(np.int64(1), 3).tolist() == [0.0, 1.0, 0.0]


@pytest.mark.parametrize("index", [3, -4, 1.0, "0", None, True, 10**3000])
def test_select_refuses(index):
    with pytest.raises(ValueError, match="choose from -3 to 2"):
        eigen.select(index, 3)
