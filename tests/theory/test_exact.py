import itertools

import mpmath
import numpy as np
import pytest
from drawing import random_matrix

from spectralgrad.theory import exact
from spectralgrad.theory.symmetric import hermitian_part

re = np.vectorize(exact.MP.re, otypes=[object])
real_or_complex = pytest.mark.parametrize("is_complex", [False, True])
shapes = pytest.mark.parametrize("shape", [(1, 1), (4, 4), (2, 5), (5, 2)])


def size(array):
    """Largest modulus, as a float: 1e-49 survives the rounding."""
    return max((float(abs(x)) for x in np.ravel(array)), default=0.0)


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "complex128", "int64"])
def test_lift_makes_no_error(dtype, rng):
    array = (10 * random_matrix(rng, 3, 2, is_complex=dtype.startswith("c"))).astype(dtype)
    lifted = exact.lift(array)
    assert lifted.shape == (3, 2)
    assert np.array_equal(lifted.astype(dtype), array)
    assert size(lifted - exact.lift(lifted)) == 0
    # A third differs from its nearest double in the 17th digit, a lifted third of 50 does not.
    assert size(exact.lift(1.0) / 3 - exact.lift(1 / 3)) > 1e-18


@real_or_complex
@pytest.mark.parametrize("n", [1, 2, 5])
def test_eigh_holds_to_50_digits(n, is_complex, rng):
    matrix = exact.lift(hermitian_part(random_matrix(rng, n, n, is_complex=is_complex)))
    values, vectors = exact.eigh(matrix)
    assert size(matrix @ vectors - vectors * values) < 1e-48
    assert size(vectors.conj().T @ vectors - np.eye(n)) < 1e-48
    assert size(values - exact.eigvalsh(matrix)) < 1e-48
    assert values.shape == (n,)
    assert all(a <= b for a, b in itertools.pairwise(values))
    assert np.linalg.eigvalsh(matrix.astype(complex)) == pytest.approx(values.astype(float))


@real_or_complex
@shapes
def test_svd_holds_to_50_digits(shape, is_complex, rng):
    matrix = exact.lift(random_matrix(rng, *shape, is_complex=is_complex))
    u, s, vh = exact.svd(matrix)
    k = min(shape)
    assert (u.shape, s.shape, vh.shape) == ((shape[0], k), (k,), (k, shape[1]))
    assert size((u * s) @ vh - matrix) < 1e-48
    for q in (u.conj().T, vh):
        assert size(q @ q.conj().T - np.eye(k)) < 1e-48
    assert size(s - exact.svdvals(matrix)) < 1e-48
    assert all(a >= b for a, b in itertools.pairwise(s))


def test_nobodys_precision_changes(rng):
    exact.gradient(lambda a: np.trace(a @ a), rng.standard_normal((2, 2)))
    exact.eigvalsh(np.eye(2))
    assert (mpmath.mp.dps, exact.MP.dps) == (15, exact.DIGITS)


@real_or_complex
def test_derivative_and_gradient_of_a_polynomial(is_complex, rng):
    a = exact.lift(random_matrix(rng, 3, 3, is_complex=is_complex))
    e = exact.lift(random_matrix(rng, 3, 3, is_complex=is_complex))

    def f(x):
        return exact.MP.re(np.trace(x @ x @ x))

    slope = exact.MP.re(np.trace(3 * a @ a @ e))
    assert size(exact.derivative(f, a, e) - slope) < 1e-47
    gradient = exact.gradient(f, a)
    assert size(gradient - 3 * (a @ a).conj().T) < 1e-47
    assert size(np.sum(re(gradient.conj() * e)) - slope) < 1e-47


@real_or_complex
def test_a_hermitian_gradient_admits_hermitian_directions_only(is_complex, rng):
    """A function that reads the lower triangle alone: its gradient is Hermitian all the same."""
    a, e, c = (
        exact.lift(hermitian_part(random_matrix(rng, 3, 3, is_complex=is_complex)))
        for _ in range(3)
    )

    def f(x):
        return np.sum(re(np.tril(c.conj() * x)))

    gradient = exact.gradient(f, a, hermitian=True)
    assert size(gradient - gradient.conj().T) == 0
    assert size(np.sum(re(gradient.conj() * e)) - f(e)) < 1e-47
    everywhere = exact.gradient(f, a)
    assert size(everywhere - np.tril(c)) < 1e-47
    assert size(everywhere - gradient) > 0.1


def test_imaginary_directions_count_where_there_is_a_complex_number():
    def f(x):
        return exact.MP.im(x[0, 0]) + exact.MP.re(x[0, 0])

    assert exact.gradient(f, np.array([[1.0]])).astype(complex) == 1
    assert exact.gradient(f, np.array([[1.0 + 0j]])).astype(complex) == 1 + 1j


def test_at_a_kink_the_derivative_is_the_mean_of_two_slopes():
    def f(x):
        return exact.svdvals(x)[0] + exact.eigvalsh(x)[0] / 2

    assert exact.derivative(f, np.zeros((1, 1)), np.ones((1, 1))) == 0.5


@pytest.mark.parametrize("gap", [0.0, 1e-14, 1e-3])
def test_derivatives_hold_however_small_the_gap(gap):
    """tr(C A²) through the eigenvectors, against CA + AC."""
    a = exact.lift(np.diag([1.0, 1.0 + gap, 3.0]))
    c = exact.lift(np.array([[1.0, 2, 3], [2, -1, 5], [3, 5, 2]]))

    def f(x):
        values, v = exact.eigh(x)
        return np.sum(values**2 * np.sum(v * (c @ v), axis=0))

    assert size(exact.gradient(f, a, hermitian=True) - (c @ a + a @ c)) < 1e-45


@real_or_complex
@pytest.mark.parametrize("scale", [1e-12, 1.0, 1e12])
def test_finite_difference_knows_its_error(scale, is_complex, rng):
    a, e = (scale * random_matrix(rng, 3, 4, is_complex=is_complex) for _ in range(2))
    u, _, vh = np.linalg.svd(a, full_matrices=False)
    slope = np.vdot(u @ vh, e).real
    found, error = exact.finite_difference(lambda x: np.linalg.norm(x, "nuc"), a, e)
    assert found == pytest.approx(slope, rel=1e-9)
    assert abs(found - slope) <= 20 * error
    assert error < 1e-8 * scale


def test_finite_difference_takes_a_first_step():
    """The default one leads across a kink at a distance of 1e-5."""

    def f(x):
        return abs(x[0, 0] - 1 + 1e-5)

    across, error = exact.finite_difference(f, np.ones((1, 1)), np.ones((1, 1)))
    assert abs(across - 1) > 0.01
    assert error > 0.001
    found, error = exact.finite_difference(f, np.ones((1, 1)), np.ones((1, 1)), step=5e-6)
    assert found == pytest.approx(1.0)
    assert error < 1e-8


def test_finite_difference_at_the_zero_matrix():
    found, _ = exact.finite_difference(lambda x: x[0, 0] + x[0, 1] ** 2, np.zeros((1, 2)), [[1, 1]])
    assert found == pytest.approx(1.0)


def test_slopes_at_a_kink():
    slopes = exact.one_sided(lambda a: abs(a[0, 0]), [[0.0]], [[2.0]], step=1e-8)
    assert slopes == [2.0, 2.0]
    slopes = exact.one_sided(lambda a: a[0, 0] ** 2, [[1.0]], [[1.0]], step=1e-8)
    assert slopes == pytest.approx([2.0, -2.0], abs=3e-8)
    assert exact.one_sided(None, np.eye(exact.LARGEST + 1), np.eye(2), step=1e-8) is None


def test_relative_error():
    assert exact.relative_error([[3.0]], [[2.0]]) == 0.5
    assert exact.relative_error([[3.0]], [[0.0]]) == 3.0
    assert exact.relative_error([[np.nan]], [[1.0]]) == np.inf


@pytest.mark.parametrize("decomposition", ["eigh", "eigvalsh", "svd", "svdvals"])
def test_compare_tells_a_right_gradient_from_a_wrong_one(decomposition, rng):
    a = rng.standard_normal((3, 3))
    a = a + a.T + 5 * np.diag([0.0, 1.0, 3.0])
    e = np.eye(3) + np.ones((3, 3))

    def loss(*found):
        values = found[0] if len(found) < 3 else found[1]
        return sum(values**2)

    right = exact.compare(2 * a, loss, decomposition, a, e)
    assert right.relative_error < 1e-15
    assert right.digits == pytest.approx(right.formula, rel=1e-14)
    assert abs(right.difference - right.digits) <= 20 * right.difference_error + 1e-12
    wrong = exact.compare(2 * np.tril(a), loss, decomposition, a, e)
    assert wrong.relative_error > 1e-2


def test_compare_leaves_out_the_digits_where_they_take_minutes():
    a = np.diag(np.arange(1.0, exact.LARGEST + 2))
    found = exact.compare(np.eye(len(a)), sum, "eigvalsh", a, np.eye(len(a)))
    assert (found.digits, found.relative_error) == (None, None)
    assert found.difference == pytest.approx(found.formula)


@pytest.mark.parametrize("scale", [1e-140, 1e100])
def test_50_digits_hold_at_any_scale(scale):
    a = scale * np.array([[2.0, 1.0], [1.0, 3.0]])
    found = exact.derivative(lambda x: exact.eigvalsh(x)[0], a, np.eye(2))
    assert abs(found - 1) < exact.MP.mpf(10) ** -48
