import hard
import numpy as np
import pytest
from drawing import seeds
from hypothesis import given
from hypothesis import strategies as st

from spectralgrad.verdict.slopes import LADDER, Differences, directions, size

EPS = np.finfo(float).eps


def near(function, matrix, noise=0.0):
    """Differences of a function at a matrix, where it has rounding errors or more noise."""
    value = function(matrix)
    return Differences(function, matrix, value, max(noise, 4 * EPS * abs(value) or EPS), EPS, EPS)


def along(function, matrix, direction, noise=0.0):
    direction = direction / np.linalg.norm(direction)
    return near(function, matrix, noise).along(direction, size(matrix) * LADDER)


def scalar(function, noise=0.0):
    """The slope at 0 of a function of a number, the first entry of a matrix of norm 1."""
    e = np.array([[1.0, 0.0]])
    return along(lambda a: float(function(a[0, 0])), e[:, ::-1], e, noise)


@pytest.mark.parametrize("is_complex", [False, True])
@pytest.mark.parametrize(
    ("shape", "hermitian", "real", "imaginary"),
    [((3, 3), True, 6, 3), ((3, 3), False, 9, 9), ((2, 5), False, 10, 10), ((1, 1), True, 1, 0)],
)
def test_directions_are_an_orthonormal_basis(shape, hermitian, real, imaginary, is_complex):
    basis, mixing = directions(shape, is_complex=is_complex, hermitian=hermitian)
    flat = basis.reshape(len(basis), -1)
    assert len(basis) == real + (imaginary if is_complex else 0)
    assert (flat.conj() @ flat.T).real == pytest.approx(np.eye(len(basis)), abs=1e-15)
    assert not hermitian or np.array_equal(basis, basis.conj().swapaxes(1, 2))
    assert np.linalg.norm(mixing, axis=1) == pytest.approx(1)


@pytest.mark.parametrize("is_complex", [False, True])
@pytest.mark.parametrize("hermitian", [False, True])
def test_of_many_entries_a_few_directions_are_drawn(hermitian, is_complex):
    basis, mixing = directions((21, 21), is_complex=is_complex, hermitian=hermitian)
    assert np.linalg.norm(basis, axis=(1, 2)) == pytest.approx(1)
    assert np.linalg.norm(np.tensordot(mixing, basis, 1), axis=(1, 2)) == pytest.approx(1)
    assert np.linalg.matrix_rank(basis.reshape(20, -1)) == 20
    assert not hermitian or np.allclose(basis, basis.conj().swapaxes(1, 2))
    # None is a unit matrix, which would miss most entries.
    assert np.count_nonzero(np.abs(basis[0]) > 1e-3) > 200


@given(seeds, st.sampled_from([1e-6, 1.0, 1e6]), st.sampled_from([0.0, 1e-10, 1e-5]))
def test_an_error_covers_the_distance_from_the_derivative(seed, scale, noise):
    rng = np.random.default_rng(seed)
    a, b, c, d = rng.standard_normal((4, 3, 4))
    jitter = np.random.default_rng(0)

    def function(x):
        smooth = np.exp(np.sum(b * x / scale)) + np.sum(c * x / scale) ** 3
        return float(smooth + noise * jitter.uniform(-1, 1))

    rounding = 16 * EPS * (np.exp(np.sum(a * b)) + abs(np.sum(a * c) ** 3))
    slope = along(function, scale * a, d, noise + rounding)
    d = d / np.linalg.norm(d)
    true = np.exp(np.sum(a * b)) * np.sum(b * d) + 3 * np.sum(a * c) ** 2 * np.sum(c * d)
    assert abs(slope.derivative - true / scale) <= 10 * slope.error
    assert not slope.kink
    assert not slope.unbounded
    # An error of 1 would cover everything.
    assert slope.error <= 1e4 * (EPS + noise + rounding) * (1 + abs(true)) / scale


@pytest.mark.parametrize("gap", [0, 1e-2, 1e-4, 1e-6, 1e-8, 1e-10])
def test_a_near_tie_is_no_kink(gap):
    """However close: it is smooth once the steps are smaller than the gap."""
    point = hard.hermitian("", 4, float, np.random.default_rng(1), spectrum=[0.3, 1, 2, 2 + gap])
    d = np.random.default_rng(2).standard_normal((4, 4))
    d = (d + d.T) / np.linalg.norm(d + d.T)
    slope = along(lambda a: float(np.linalg.eigvalsh(a)[-1]), point.matrix, d, 4 * EPS)
    v = point.left[:, 2:]
    if gap:
        assert not slope.kink
        assert abs(slope.derivative - v[:, 1] @ d @ v[:, 1]) <= 10 * slope.error
        assert slope.error < 5e3 * EPS / gap
    else:
        low, high = np.linalg.eigvalsh(v.T @ d @ v)
        assert slope.kink == pytest.approx(high - low)
        assert (slope.left, slope.right) == pytest.approx((low, high), abs=1e-7)


@pytest.mark.parametrize("where", [1e-1, 1e-3, 1e-6])
def test_a_kink_elsewhere_is_none_here(where):
    slope = scalar(lambda x: abs(x - where) + 2 * x)
    assert slope.kink == 0
    assert slope.derivative == pytest.approx(1)


@pytest.mark.parametrize("power", [1.3, 1.5, 2, 2.5])
def test_one_derivative_is_enough(power):
    slope = scalar(lambda x: abs(x) ** power + (x > 0) * x**2 + 3 * x)
    assert slope.kink == 0
    assert not slope.unbounded
    assert abs(slope.derivative - 3) <= 10 * slope.error


@pytest.mark.parametrize(
    "function",
    [
        lambda x: np.sqrt(abs(x)),
        lambda x: 5 - abs(x) ** 0.7,
        lambda x: abs(x) * np.log(abs(x)) if x else 0.0,
        lambda x: np.sqrt(max(x, 0)) - x,
    ],
    ids=["root", "power", "x log x", "one side"],
)
def test_a_slope_without_bound_is_seen(function):
    assert scalar(function).unbounded


def test_a_jump_is_no_slope_without_bound():
    assert not scalar(lambda x: float(x > 0)).unbounded


def test_a_function_that_ends_here_has_two_slopes():
    slope = scalar(lambda x: x if x >= 0 else np.nan)
    assert slope.kink == np.inf
    assert slope.right == pytest.approx(1)


def test_a_function_may_end_near_by():
    slope = scalar(lambda x: np.log(1e-5 + x) if x > -1e-5 else np.nan)
    assert slope.kink == 0
    assert slope.derivative == pytest.approx(1e5, rel=1e-4)


def test_slopes_that_add_up_make_the_gradient():
    b = np.random.default_rng(0).standard_normal((3, 3)) + 1j
    basis, mixing = directions((3, 3), is_complex=True, hermitian=False)
    found = near(lambda a: float(np.vdot(b, a).real + np.abs(a[0, 0]) ** 2), b).all(basis, mixing)
    expected = b.copy()
    expected[0, 0] += 2 * b[0, 0]
    assert found.full
    assert found.gradient == pytest.approx(expected, abs=1e-10)
    assert found.bent[0] == 0


def test_slopes_that_do_not_add_up_are_seen():
    """The middle one of three equal eigenvalues: straight along each line, and linear nowhere."""
    basis, mixing = directions((3, 3), is_complex=False, hermitian=True)
    found = near(lambda a: float(np.linalg.eigvalsh(a)[1]), 2 * np.eye(3)).all(basis, mixing)
    assert not any(s.kink for s in (*found.basis, *found.extra))
    far, slope, predicted = found.bent
    assert predicted == pytest.approx(0, abs=1e-10)
    assert far == pytest.approx(abs(np.linalg.eigvalsh(slope.direction)[1]))
    assert far > 0.01


def test_where_a_function_bends_early_the_steps_are_smaller():
    """Along one direction of the basis only: the random ones hardly see it."""
    basis, mixing = directions((2, 3), is_complex=False, hermitian=False)
    made = near(lambda a: float(np.sum(a) + 1e-6 * np.sin(1e4 * a[0, 0])), np.ones((2, 3)))
    found = made.all(basis, mixing)
    slope = found.basis[0]
    assert abs(slope.derivative - (1 + 1e-2 * np.cos(1e4))) <= 10 * slope.error
    assert slope.error < 1e-4
