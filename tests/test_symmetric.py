import numpy as np
import pytest
from drawing import random_matrix, seeds
from hypothesis import given
from hypothesis import strategies as st

from spectralgrad import symmetric
from spectralgrad.matrices import MatrixError

sizes = st.integers(1, 6)


@given(seeds, sizes, st.booleans(), st.sampled_from(symmetric.CONVENTIONS))
def test_conversion_preserves_df_for_every_hermitian_step(seed, n, is_complex, convention):
    rng = np.random.default_rng(seed)
    gradient = random_matrix(rng, n, n, is_complex=is_complex)
    step = symmetric.hermitian_part(random_matrix(rng, n, n, is_complex=is_complex))
    before = np.vdot(gradient, step).real
    after = np.vdot(symmetric.convert(gradient, convention), step).real
    assert after == pytest.approx(before, abs=1e-12)


@given(
    seeds,
    sizes,
    st.booleans(),
    st.sampled_from(symmetric.CONVENTIONS),
    st.sampled_from(symmetric.CONVENTIONS),
)
def test_conversion_round_trips(seed, n, is_complex, first, second):
    rng = np.random.default_rng(seed)
    gradient = symmetric.hermitian_part(random_matrix(rng, n, n, is_complex=is_complex))
    there = symmetric.convert(gradient, first)
    assert symmetric.convert(symmetric.convert(there, second), first) == pytest.approx(there)
    assert symmetric.recognise(there, tolerance=1e-12) == (
        (first,) if n > 1 else symmetric.CONVENTIONS
    )


def test_conversion_by_hand():
    gradient = np.array([[1.0, 2.0], [2.0, 3.0]])
    assert symmetric.convert(gradient, "lower").tolist() == [[1, 0], [4, 3]]
    assert symmetric.convert(gradient, "upper").tolist() == [[1, 4], [0, 3]]


def test_conversion_keeps_dtype_and_stacks(rng):
    stack = rng.standard_normal((2, 3, 4, 4)).astype(np.float32)
    lower = symmetric.convert(stack, "lower")
    assert lower.dtype == np.float32
    assert np.array_equal(lower[1, 2], symmetric.convert(stack[1, 2], "lower"))


def test_unknown_convention():
    with pytest.raises(ValueError, match=r"unknown convention 'L'; choose from symmetric"):
        symmetric.convert(np.eye(2), "L")


def test_a_diagonal_gradient_is_ambiguous():
    assert symmetric.recognise(np.diag([1.0, 0.0]), tolerance=1e-12) == symmetric.CONVENTIONS


def test_what_is_neither_symmetric_nor_triangular_is_not_recognised():
    assert symmetric.recognise([[1.0, 2.0], [3.0, 4.0]], tolerance=1e-12) == ()


@pytest.mark.parametrize("factor", [3, 100])
def test_require_hermitian_takes_rounding_errors_only(factor):
    matrix = np.array([[1.0, 0.5], [0.5, 1.0]])
    matrix[0, 1] += 2 * np.finfo(float).eps
    symmetric.require_hermitian(matrix)
    matrix[0, 1] += factor * np.finfo(float).eps
    with pytest.raises(MatrixError):
        symmetric.require_hermitian(matrix)


def test_integers_are_lifted():
    assert symmetric.require_hermitian([[2, 1], [1, 2]]).dtype == float


def test_the_hermitian_part_does_not_overflow():
    assert symmetric.hermitian_part(np.array([[1.7e308]])) == 1.7e308


def test_require_hermitian_averages_rounding_errors():
    matrix = np.array([[1.0, 0.1], [0.1 + 1e-17, 2.0]])
    assert np.array_equal(symmetric.require_hermitian(matrix), symmetric.hermitian_part(matrix))


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        (np.ones((2, 3)), "my.csv: is 2 × 3;"),
        (
            np.array([[1.0, 2.0], [2.5, 1.0]]),
            "my.csv: row 1, column 2: holds 2.0, and its mirror image is 2.5; .* symm",
        ),
        (np.array([[1, 2], [2.00000001, 1]]), "is 2.00000001"),
        (np.array([[1.0, 2j], [2j, 1.0]]), "not the conjugate; make the matrix Hermitian"),
        (np.array([[1.0 + 1j]]), "row 1, column 1: holds .*, but the diagonal .* is real"),
    ],
)
def test_require_hermitian_names_the_place(matrix, message):
    with pytest.raises(MatrixError, match=message):
        symmetric.require_hermitian(matrix, "my.csv")
