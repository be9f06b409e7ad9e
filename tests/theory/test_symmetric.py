import numpy as np
import pytest
from drawing import random_matrix, seeds
from hypothesis import given
from hypothesis import strategies as st

from spectralgrad.matrices import MatrixError
from spectralgrad.theory import symmetric

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
    with pytest.raises(ValueError, match=r"'L'; choose from symmetric, lower, upper$"):
        symmetric.convert(np.eye(2), "L")


@pytest.mark.parametrize("convention", symmetric.CONVENTIONS)
def test_what_is_written_exactly_needs_no_tolerance(convention):
    gradient = symmetric.convert([[1.0, 2.0], [2.0, 3.0]], convention)
    assert symmetric.recognise(gradient, tolerance=0.0) == (convention,)


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
    with pytest.raises(MatrixError, match=r"^the matrix: row 1, column 2: "):
        symmetric.require_hermitian(matrix)


@pytest.mark.parametrize("dtype", ["float32", "complex64"])
def test_the_precision_of_the_matrix_says_what_is_rounding(dtype):
    matrix = np.array([[1.0, 0.5], [0.5 + 1e-7, 1.0]])
    symmetric.require_hermitian(matrix.astype(dtype))
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
            "my.csv: row 1, column 2: holds 2.0, and its mirror image is 2.5 "
            r"\(‖A − Aᵀ‖ is 2.0e-01 times ‖A‖\); make the matrix symmetric, or ask",
        ),
        (np.array([[1, 2], [2.00000001, 1]]), "is 2.00000001"),
        (
            np.array([[0.0, 2j], [2j, 0.0]]),
            r"holds 2j, and its mirror image is 2j, not the conjugate "
            r"\(‖A − Aᴴ‖ is 2.0e\+00 times ‖A‖\); make the matrix Hermitian",
        ),
        (np.array([[1.0 + 1j]]), "row 1, column 1: holds .*, but the diagonal .* is real"),
    ],
)
def test_require_hermitian_names_the_place(matrix, message):
    with pytest.raises(MatrixError, match=message):
        symmetric.require_hermitian(matrix, "my.csv")


@given(seeds, sizes, st.booleans())
def test_the_two_parts_are_a_whole_and_orthogonal(seed, n, is_complex):
    rng = np.random.default_rng(seed)
    matrix = random_matrix(rng, n, n, is_complex=is_complex)
    even, odd = symmetric.hermitian_part(matrix), symmetric.skew_part(matrix)
    assert even + odd == pytest.approx(matrix)
    assert np.array_equal(even, symmetric.adjoint(even))
    assert np.array_equal(odd, -symmetric.adjoint(odd))
    assert np.vdot(even, odd).real == pytest.approx(0, abs=1e-12)


@given(seeds, st.booleans())
def test_the_adjoint_moves_to_the_other_side(seed, is_complex):
    rng = np.random.default_rng(seed)
    a, x, y = (
        random_matrix(rng, *shape, is_complex=is_complex) for shape in [(3, 2), (2, 1), (3, 1)]
    )
    assert np.vdot(y, a @ x) == pytest.approx(np.vdot(symmetric.adjoint(a) @ y, x))


def test_the_adjoint_of_a_real_matrix_is_a_view():
    matrix = np.ones((2, 3))
    assert np.shares_memory(symmetric.adjoint(matrix), matrix)


def test_parts_and_adjoints_of_stacks_keep_their_dtype(rng):
    stack = random_matrix(rng, 6, 9, is_complex=True).reshape(2, 3, 3, 3).astype(np.complex64)
    for part in (symmetric.adjoint, symmetric.hermitian_part, symmetric.skew_part):
        found = part(stack)
        assert (found.shape, found.dtype) == (stack.shape, stack.dtype)
        assert np.array_equal(found[1, 2], part(stack[1, 2]))
    assert symmetric.adjoint(np.zeros((2, 3, 5))).shape == (2, 5, 3)


def test_the_skew_part_does_not_overflow():
    matrix = np.array([[0.0, 1.7e308], [-1.7e308, 0.0]])
    assert np.array_equal(symmetric.skew_part(matrix), matrix)
    assert not symmetric.hermitian_part(matrix).any()


@pytest.mark.parametrize("convention", symmetric.CONVENTIONS)
def test_the_empty_matrix_is_converted(convention):
    assert symmetric.convert(np.zeros((0, 0)), convention).shape == (0, 0)


@pytest.mark.parametrize("scale", [1e-20, 1e20])
def test_require_hermitian_does_not_mind_the_scale(scale):
    matrix = scale * np.array([[1.0, 2.0], [2.0, 5.0]])
    assert np.array_equal(symmetric.require_hermitian(matrix), matrix)
    matrix[0, 1] *= 1.001
    with pytest.raises(MatrixError):
        symmetric.require_hermitian(matrix)
