from re import escape

import numpy as np
import pytest
from drawing import eigenvalue_sum_gradient, random_matrix, seeds, unitary
from hypothesis import given
from hypothesis import strategies as st

from spectralgrad.theory import eigen, exact, gauge, spectrum, subgradient, symmetric

EPS = np.finfo(float).eps
real_or_complex = pytest.mark.parametrize("is_complex", [False, True])
re = np.vectorize(exact.MP.re, otypes=[object])


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
    derivative = np.vdot(eigenvalue_sum_gradient(matrix, weights), step).real
    assert derivative == pytest.approx(difference, abs=1e-6)


@given(seeds, st.integers(1, 6), st.booleans())
def test_equivariance(seed, n, is_complex):
    rng = np.random.default_rng(seed)
    matrix, weights = hermitian(rng, n, is_complex=is_complex), rng.standard_normal(n)
    rotation = np.linalg.qr(random_matrix(rng, n, n, is_complex=is_complex))[0]
    rotated = rotation @ matrix @ rotation.conj().T
    expected = rotation @ eigenvalue_sum_gradient(matrix, weights) @ rotation.conj().T
    gap = np.diff(np.linalg.eigvalsh(matrix)).min(initial=1.0)
    assert eigenvalue_sum_gradient(rotated, weights) == pytest.approx(expected, abs=1e-12 / gap)


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
    assert eigenvalue_sum_gradient(matrix, np.ones(5)) == pytest.approx(np.eye(5))
    values, vectors = np.linalg.eigh(matrix)
    assert eigen.eigvalsh_vjp(vectors, 2 * values) == pytest.approx(2 * matrix)


@real_or_complex
@pytest.mark.parametrize("n", [1, 7, 8, 9, 20])
def test_a_product_in_blocks(n, is_complex, rng, monkeypatch):
    """Matrices larger than a block give the same, in stacks too, and exactly Hermitian."""
    stack = np.stack([unitary(rng, n, is_complex=is_complex) for _ in range(3)])
    weights = rng.standard_normal((2, 1, n))
    whole = (stack * weights[..., None, :]) @ adjoint(stack)
    monkeypatch.setattr(symmetric, "BLOCK", 8)
    found = eigen.eigvalsh_vjp(stack, weights)
    assert found == pytest.approx(whole, abs=50 * EPS)
    assert np.array_equal(found, adjoint(found))


def test_a_matrix_larger_than_a_block(rng):
    n = symmetric.BLOCK + 2
    matrix = hermitian(rng, n, is_complex=False)
    values, vectors = np.linalg.eigh(matrix)
    scale = np.abs(values).max()
    assert eigen.eigvalsh_vjp(vectors, values) == pytest.approx(matrix, abs=50 * EPS * scale)


def test_dtype_and_stacks(rng):
    stack = np.stack([hermitian(rng, 3, is_complex=False) for _ in range(4)]).astype(np.float32)
    weights = rng.standard_normal((4, 3))
    gradient = eigenvalue_sum_gradient(stack, weights)
    assert gradient.dtype == np.float32
    assert gradient[2] == pytest.approx(eigenvalue_sum_gradient(stack[2], weights[2]))


def test_integers_are_lifted():
    _, gradient = eigen.eigenvalue_gradient([[2, 1], [1, 2]])
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


def test_select_says_what_there_is():
    message = "eigenvalue: there is no number 3 among 3; choose from -3 to 2"
    with pytest.raises(ValueError, match=f"^{message}$"):
        eigen.select(3, 3)


def with_values(rng, values, *, is_complex):
    """A matrix with these eigenvalues, up to rounding."""
    v = unitary(rng, len(values), is_complex=is_complex)
    return symmetric.hermitian_part((v * np.asarray(values)) @ v.conj().T)


def turn_within(number, rng, *, is_complex):
    """Rotate each cluster at random, for a single vector its sign or phase."""
    return gauge.unitary(spectrum.in_one_cluster(number), rng, is_complex=is_complex)


def error(found, expected):
    """Relative, in the Frobenius norm, of floats that may be compared with 50 digits."""
    expected = np.asarray(expected).astype(complex)
    return np.linalg.norm(found - expected) / np.linalg.norm(expected)


def adjoint(matrix):
    return np.conj(np.swapaxes(matrix, -1, -2))


def coupled(b, vectors):
    """The numbers vᵢᴴ B vᵢ."""
    return np.sum(vectors.conj() * (b @ vectors), axis=-2).real


def of_function(b, g, slope):
    """Cotangents of Re⟨B, g(A)⟩ = Σ g(λᵢ) vᵢᴴ B vᵢ, for a Hermitian B."""

    def pullback(values, vectors):
        return slope(values) * coupled(b, vectors), 2 * (b @ vectors) * g(values)[..., None, :]

    return pullback


def of_blocks(b, sizes):
    """Cotangents of Σ tr(Bₖ Pₖ) with the projectors Pₖ on groups of eigenvectors."""
    number = np.repeat(np.arange(len(sizes)), sizes)

    def pullback(_, vectors):
        columns = [(2 * b[k] @ vectors[:, i]) for i, k in enumerate(number)]
        return 0, np.stack(columns, axis=1)

    return pullback


def square(x):
    return x**2


def double(x):
    return 2 * x


FUNCTIONS = {
    "exp": (np.exp, np.exp, exact.MP.exp),
    "log": (np.log, lambda x: 1 / x, exact.MP.log),
    "sqrt": (np.sqrt, lambda x: 0.5 / np.sqrt(x), exact.MP.sqrt),
    "power": (lambda x: x**2.5, lambda x: 2.5 * x**1.5, lambda x: x ** exact.MP.mpf(2.5)),
    "sin": (np.sin, np.cos, exact.MP.sin),
    "inverse": (lambda x: 1 / x, lambda x: -1 / x**2, lambda x: 1 / x),
    "constant": (np.ones_like, np.zeros_like, lambda x: exact.MP.mpf(1)),
}


# Accuracy, against derivatives in 50 digits that know no formula.


@real_or_complex
@pytest.mark.parametrize("gap", [1e-8, 1e-12, 1e-14, 0.0])
@pytest.mark.parametrize("name", ["exp", "sqrt", "sin"])
def test_functions_are_exact_to_rounding_whatever_the_gap(name, gap, is_complex, rng):
    g, slope, precise = FUNCTIONS[name]
    a = with_values(rng, [1.0, 1.0 + gap, 2.5], is_complex=is_complex)
    b = hermitian(rng, 3, is_complex=is_complex)

    def loss(x):
        values, v = exact.eigh(x)
        return np.sum([precise(t) for t in values] * re(np.sum(v.conj() * (b @ v), axis=0)))

    truth = exact.gradient(loss, a, hermitian=True)
    values, vectors = np.linalg.eigh(a)
    assert error(eigen.function_vjp(values, vectors, b, g, slope), truth) <= 50 * EPS
    # Not so the formula for vectors, which divides by the gap.
    if gap == 1e-12:
        plain = eigen.eigh_vjp(values, vectors, *of_function(b, g, slope)(values, vectors))
        assert 1e-7 < error(plain, truth) < 50 * EPS / gap


@pytest.mark.parametrize("gap", [1.0, 1e-8])
def test_functions_at_exact_ties_of_a_matrix_that_is_not_diagonal(gap, rng):
    """Dyadic numbers, so that the tie is one in floating point as well."""
    reflection = np.eye(4) - 0.5
    a = reflection @ np.diag([1.0, 1.0, 1.0, 2.0]) @ reflection
    b = hermitian(rng, 4, is_complex=False)

    def loss(x):
        values, v = exact.eigh(x)
        return np.sum([exact.MP.exp(t) for t in values] * np.sum(v * (b @ v), axis=0))

    truth = exact.gradient(loss, a, hermitian=True)
    values, vectors = np.linalg.eigh(a)
    assert error(eigen.function_vjp(values, vectors, b, np.exp, np.exp), truth) <= 50 * EPS
    found = eigen.invariant_vjp(values, vectors, of_function(b, np.exp, np.exp))
    assert error(found, truth) <= 100 * EPS


@real_or_complex
@pytest.mark.parametrize("gap", [0.5, 1e-2, 1e-4, 1e-6])
@pytest.mark.parametrize("n", [2, 4])
def test_vectors_are_as_exact_as_their_condition_allows(n, gap, is_complex, rng):
    """Σᵢ wᵢλᵢ² + vᵢᴴ Cᵢ vᵢ: with a diagonal Cᵢ a sum of |vⱼᵢ|², with one Cᵢ ≠ 0 a projector."""
    values = np.array([1.0, 1.0 + gap, 2.1, 3.3])[:n]
    a = with_values(rng, values, is_complex=is_complex)
    c = [hermitian(rng, n, is_complex=is_complex) for _ in range(n)]
    c[0] = np.diag(rng.standard_normal(n))
    w = rng.standard_normal(n)

    def loss(x):
        values, v = exact.eigh(x)
        terms = [re(v[:, i].conj() @ (c[i] @ v[:, i])) for i in range(n)]
        return np.sum(w * values**2) + np.sum([t[()] for t in terms])

    truth = exact.gradient(loss, a, hermitian=True)
    values, v = np.linalg.eigh(a)
    dv = np.stack([2 * c[i] @ v[:, i] for i in range(n)], axis=1)
    allowed = 50 * EPS * values[-1] / np.diff(values).min()
    assert error(eigen.eigh_vjp(values, v, 2 * w * values, dv), truth) <= allowed


@real_or_complex
@pytest.mark.parametrize("gap", [0.5, 1e-3, 1e-6])
@pytest.mark.parametrize("index", [0, 1, -1])
def test_one_eigenvalue_and_its_two_derivatives(index, gap, is_complex, rng):
    a = with_values(rng, [-1.0, -1.0 + gap, 0.5, 2.0], is_complex=is_complex)
    e = hermitian(rng, 4, is_complex=is_complex)
    condition = 2.0 / (gap if index in (0, 1) else 1.5)
    value, gradient = eigen.eigenvalue_gradient(a, index)
    assert value == pytest.approx(float(exact.eigvalsh(a)[index]), rel=50 * EPS)
    truth = exact.gradient(lambda x: exact.eigvalsh(x)[index], a, hermitian=True)
    assert error(gradient, truth) <= 50 * EPS * condition

    with exact.MP.workdps(150):
        h = exact.MP.mpf(10) ** -40
        before, here, after = (
            exact.eigvalsh(exact.lift(a) + t * exact.lift(e))[index] for t in (-h, 0, h)
        )
        bend = float((before - 2 * here + after) / h**2)
    found = eigen.eigenvalue_second_derivative(*np.linalg.eigh(a), index, e)
    # Its own condition is that of the gap squared, times the coupling.
    size = condition * np.linalg.norm(e) ** 2
    assert abs(found - bend) <= 50 * EPS * condition * size


@pytest.mark.slow
@pytest.mark.parametrize(("n", "is_complex"), [(10, True), (25, True), (50, False)])
def test_rounding_of_functions_at_larger_sizes(n, is_complex, rng):
    """Closed forms, evaluated in 50 digits: CA + AC for A², CA² + ACA + A²C for A³."""
    a = with_values(rng, np.linspace(2 / 3, 3 / 2, n), is_complex=is_complex)
    b = hermitian(rng, n, is_complex=is_complex)
    values, vectors = np.linalg.eigh(a)
    lifted = exact.lift(a)
    ba, ab = exact.lift(b) @ lifted, lifted @ exact.lift(b)
    assert error(eigen.function_vjp(values, vectors, b, square, double), ba + ab) <= 50 * EPS
    cubic = ba @ lifted + lifted @ (ba + ab)
    found = eigen.function_vjp(values, vectors, b, lambda x: x**3, lambda x: 3 * x**2)
    assert error(found, cubic) <= 50 * EPS


def orthonormal(rng, n, *, is_complex):
    """Orthonormal to 30 digits, by Newton's iteration."""
    x = exact.lift(unitary(rng, n, is_complex=is_complex))
    return x * 1.5 - x @ (x.conj().T @ x) / 2


@pytest.mark.slow
@pytest.mark.parametrize(("n", "is_complex"), [(10, True), (25, False)])
def test_rounding_of_vectors_and_functions_at_larger_sizes(n, is_complex, rng):
    """The same formulas in more digits, with a decomposition that is known beforehand."""
    v, values = orthonormal(rng, n, is_complex=is_complex), np.linspace(2 / 3, 3 / 2, n)
    a = ((v * values) @ v.conj().T).astype(complex if is_complex else float)
    b, w = hermitian(rng, n, is_complex=is_complex), rng.standard_normal(n)
    inner = v.conj().T @ (b @ v)
    gaps = exact.lift(np.subtract.outer(values, values)) + np.eye(n)
    images = np.array([exact.MP.exp(exact.MP.mpf(x)) for x in values])
    table = (images[:, None] - images[None, :]) / gaps + np.diag(images)
    found_values, found_vectors = np.linalg.eigh(a)
    found = eigen.function_vjp(found_values, found_vectors, b, np.exp, np.exp)
    assert error(found, v @ (table * inner) @ v.conj().T) <= 50 * EPS

    # The loss Σ wᵢ vᵢᴴ B vᵢ has V̄ = 2BV diag(w), and K = −(wᵢ − wⱼ)/(λⱼ − λᵢ) VᴴBV.
    expected = v @ (np.subtract.outer(w, w) / gaps * inner) @ v.conj().T
    found = eigen.eigh_vjp(found_values, found_vectors, 0, 2 * (b @ found_vectors) * w)
    condition = values[-1] / (values[1] - values[0])
    assert error(found, expected) <= 50 * EPS * condition


# Closed forms, at ties too.


@real_or_complex
@pytest.mark.parametrize("values", [[1, 2, 4], [1, 1, 4], [0, 0, 0], [-1, -1, 2, 2], [3]])
def test_the_sum_of_squares_has_the_gradient_2a(values, is_complex, rng):
    a = with_values(rng, np.array(values, float), is_complex=is_complex)
    values, v = np.linalg.eigh(a)
    rtol = 1e-9
    for gradient in (
        eigen.eigvalsh_vjp(v, 2 * values),
        eigen.eigh_vjp(values, v, 2 * values, 0, rtol=rtol),
        eigen.function_vjp(values, v, np.eye(len(a)), square, double),
        eigen.invariant_vjp(values, v, lambda x, _: (2 * x, 0)),
    ):
        assert gradient == pytest.approx(2 * a, abs=1e-13)


@real_or_complex
def test_the_logarithm_of_the_determinant_has_the_inverse(is_complex, rng):
    for values in ([0.5, 1.0, 4.0], [0.5, 0.5, 4.0]):
        a = with_values(rng, values, is_complex=is_complex)
        found = eigen.function_vjp(*np.linalg.eigh(a), np.eye(3), np.log, lambda x: 1 / x)
        assert found == pytest.approx(np.linalg.inv(a), rel=1e-12)


@real_or_complex
def test_the_projector_on_a_whole_block(is_complex, rng):
    """Cross entries only, B₁₃/(λ₁ − λ₃), whatever basis of the block is given."""
    b, turn = hermitian(rng, 3, is_complex=is_complex), np.eye(3, dtype=complex)
    turn[:2, :2] = unitary(rng, 2, is_complex=is_complex)
    turn = turn if is_complex else turn.real
    expected = np.zeros_like(b)
    expected[:2, 2], expected[2, :2] = b[:2, 2] / (1 - 3), b[2, :2] / (1 - 3)
    values, pullback = np.array([1.0, 1.0, 3.0]), of_blocks([b, 0 * b], [2, 1])
    found = eigen.eigh_vjp(values, turn, *pullback(values, turn))
    assert found == pytest.approx(expected, abs=1e-14)
    assert eigen.invariant_vjp(values, turn, pullback) == pytest.approx(expected, abs=1e-14)
    # A projector on a part of the block is no function of the matrix.
    pullback = of_blocks([b, 0 * b], [1, 2])
    with pytest.raises(gauge.GaugeError, match=r"^λ₁ and λ₂: "):
        eigen.eigh_vjp(values, turn, *pullback(values, turn))
    with pytest.raises(gauge.GaugeError, match=f"^λ₁ and λ₂: {gauge.TURNED}: "):
        eigen.invariant_vjp(values, turn, pullback)


@real_or_complex
def test_a_simple_eigenvector_beside_a_tie(is_complex, rng):
    """Σⱼ wⱼ|vⱼ|² of the third one, by the resolvent: 2 Re vᴴ W (λ − A)⁺ dA v."""
    a = with_values(rng, [1.0, 1.0, 3.0], is_complex=is_complex)
    w = np.diag(rng.standard_normal(3))
    values, v = np.linalg.eigh(a)
    resolvent = v[:, :2] @ v[:, :2].conj().T / 2
    projector = np.outer(v[:, 2], v[:, 2].conj())
    expected = 2 * symmetric.hermitian_part(resolvent @ w @ projector)
    pullback = of_blocks([0 * w, w], [2, 1])
    for found in (
        eigen.eigh_vjp(values, v, *pullback(values, v), rtol=1e-9),
        eigen.invariant_vjp(values, v, pullback),
    ):
        assert found == pytest.approx(expected, abs=1e-13)


@real_or_complex
@pytest.mark.parametrize("gap", [0.0, 1e-13, 1e-3])
def test_functions_and_bases_are_two_ways_to_one_gradient(gap, is_complex, rng):
    """They agree, and not because one calls the other."""
    a = with_values(rng, [1.0, 1.0 + gap, 1.0 + gap, 2.0, 3.0], is_complex=is_complex)
    b = hermitian(rng, 5, is_complex=is_complex)
    values, v = np.linalg.eigh(a)
    first = eigen.function_vjp(values, v, b, np.exp, np.exp)
    second = eigen.invariant_vjp(values, v, of_function(b, np.exp, np.exp))
    assert second == pytest.approx(first, abs=1e-11)
    assert not np.array_equal(first, second)


# Shapes, scales, dtypes, stacks.

CASES = [(0,), (1,), (4,), (5,), (2, 5), (25,), (0, 3), (2, 3, 2)]


def stack_of(rng, shape, *, is_complex):
    *stack, n = shape
    values = np.linspace(2 / 3, 3 / 2, n) if n else np.zeros(0)
    matrices = [with_values(rng, values, is_complex=is_complex) for _ in np.ndindex(*stack)]
    return np.array(matrices).reshape(*stack, n, n)


def answers(a, b):
    """Every gradient of this module that takes stacks, for losses that are invariant."""
    values, v = np.linalg.eigh(a)
    w = (1 + np.arange(a.shape[-1])).astype(values.dtype)
    cotangents = w * coupled(b, v), 2 * (b @ v) * (w * values)[..., None, :]
    weighted = 2 * (b @ v) * w
    found = {
        "eigvalsh": eigen.eigvalsh_vjp(v, w * values),
        "weighted": eigenvalue_sum_gradient(a, w),
        "eigh": eigen.eigh_vjp(values, v, *cotangents),
        "vectors": eigen.eigh_vjp(values, v, 0, weighted),
        "function": eigen.function_vjp(values, v, b, np.sqrt, lambda x: 0.5 / np.sqrt(x)),
        "invariant": eigen.invariant_vjp(
            values, v, of_function(b, np.sqrt, lambda x: 0.5 / np.sqrt(x))
        ),
    }
    if a.shape[-1]:
        found["one"] = eigen.eigenvalue_gradient(a, -1)[1]
    return found


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "complex128"])
@pytest.mark.parametrize("shape", CASES, ids=str)
def test_stacks_are_loops_and_dtypes_are_kept(shape, dtype, rng):
    is_complex = dtype.startswith("complex")
    a = stack_of(rng, shape, is_complex=is_complex).astype(dtype)
    b = symmetric.hermitian_part(random_matrix(rng, *a.shape[-2:], is_complex=is_complex))
    b = b.astype(dtype)
    whole = answers(a, b)
    for name, gradient in whole.items():
        assert (gradient.shape, gradient.dtype) == (a.shape, dtype), name
    for place in np.ndindex(*shape[:-1]):
        for name, gradient in answers(a[place], b).items():
            scale = float(np.abs(gradient).max(initial=1.0))
            tolerance = 1e4 * float(np.finfo(dtype).eps) * scale
            assert whole[name][place] == pytest.approx(gradient, abs=tolerance), name


@real_or_complex
def test_a_stack_with_other_clusters_in_each_matrix(is_complex, rng):
    spectra = [[1, 2, 3, 4], [1, 1, 2, 3], [1, 1, 1, 2], [1, 1, 2, 2], [2, 2, 2, 2], [0, 0, 0, 0]]
    a = np.array([with_values(rng, np.array(s, float), is_complex=is_complex) for s in spectra])
    b = hermitian(rng, 4, is_complex=is_complex)
    pullback = of_function(b, square, double)
    values, v = np.linalg.eigh(a)
    found = eigen.invariant_vjp(values, v, pullback)
    assert found == pytest.approx(b @ a + a @ b, abs=1e-12)
    for place in range(len(a)):
        alone = eigen.invariant_vjp(values[place], v[place], pullback)
        assert found[place] == pytest.approx(alone, abs=1e-12)


@pytest.mark.parametrize("scale", [1e-20, 1e20])
@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64"])
def test_homogeneity(dtype, scale, rng):
    """Each gradient is homogeneous of one degree less than its loss."""
    a = stack_of(rng, (3,), is_complex=dtype.startswith("complex")).astype(dtype)
    b = symmetric.hermitian_part(random_matrix(rng, 3, 3, is_complex=np.iscomplexobj(a)))
    b = b.astype(dtype)
    degrees = {"eigvalsh": 1, "weighted": 0, "vectors": -1, "function": -0.5, "invariant": -0.5}
    near, far = answers(a, b), answers((a * scale).astype(dtype), b)
    for name, degree in {**degrees, "one": 0}.items():
        assert far[name].dtype == dtype
        reference = near[name] * np.float64(scale) ** degree
        tolerance = 1e3 * np.finfo(dtype).eps * np.linalg.norm(reference)
        assert np.linalg.norm(far[name] - reference) <= tolerance, name


def test_scale_does_not_matter_to_one_eigenvalue():
    for scale in (1e-300, 1e300):
        assert eigen.eigenvalue_gradient(scale * np.diag([1.0, 2.0, 4.0]))[1][0, 0] == 1
        with pytest.raises(gauge.GaugeError):
            eigen.eigenvalue_gradient(scale * np.eye(2))


def test_large_eigenvalues_that_single_precision_can_barely_tell_apart():
    """2²⁴ + {0, 2, 4}: neighbouring floats. By default they are equal; without tolerance not."""
    values = np.float32(2.0**24) + np.array([0, 2, 4], np.float32)
    assert len(set(values.tolist())) == 3
    v, b = np.eye(3, dtype=np.float32), np.array([[1, 2, 3], [2, 4, 5], [3, 5, 6]], np.float32)
    cotangents = 0, 2 * (b @ v) * np.array([1, 0, 0], np.float32)
    with pytest.raises(gauge.GaugeError, match="λ₁ and λ₃"):
        eigen.eigh_vjp(values, v, *cotangents)
    found = eigen.eigh_vjp(values, v, *cotangents, rtol=0.0)
    expected = np.array([[0, -1, -0.75], [-1, 0, 0], [-0.75, 0, 0]])
    assert found.dtype == np.float32
    assert found == pytest.approx(expected)
    with pytest.raises(gauge.GaugeError, match="λ₁ and λ₂ are equal"):
        eigen.eigenvalue_gradient(np.diag(values))
    scaled = eigen.function_vjp(values, v, b, square, double)
    assert scaled == pytest.approx(b * (values[:, None] + values), rel=1e-6)


# What depends on the basis is refused.


def test_a_loss_on_a_phase_is_refused(rng):
    values, v = np.linalg.eigh(hermitian(rng, 3, is_complex=True))
    # LAPACK makes some of the entries real.
    v = v * np.exp(1j * np.arange(1, 4))
    entry = np.zeros((3, 3))
    entry[0, 1] = 1.0
    with pytest.raises(gauge.GaugeError, match=f"^λ₂: {gauge.TURNED}") as caught:
        eigen.eigh_vjp(values, v, 0, entry)
    assert caught.value.pair == (1, 1)
    assert caught.value.excess == pytest.approx(abs(v[0, 1].imag))
    assert caught.value.allowed == pytest.approx(gauge.default_tol(float))
    # Its modulus does not depend on the phase.
    eigen.eigh_vjp(values, v, 0, 2 * entry * v)


def test_a_loss_on_one_vector_of_a_tie_is_refused(rng):
    a = with_values(rng, [1.0, 2.0, 2.0], is_complex=False)
    values, v = np.linalg.eigh(a)
    b = hermitian(rng, 3, is_complex=False)
    with pytest.raises(gauge.GaugeError) as caught:
        eigen.eigh_vjp(values, v, *of_blocks([0 * b, b, 0 * b], [1, 1, 1])(values, v), rtol=1e-9)
    assert sorted(caught.value.pair) == [1, 2]
    assert caught.value.excess == pytest.approx(abs(v[:, 1] @ b @ v[:, 2]))
    assert 0 < caught.value.allowed < 1e-6
    eigen.eigh_vjp(values, v, *of_blocks([0 * b, b], [1, 2])(values, v), rtol=1e-9)


def test_a_loss_on_one_of_two_equal_values_is_refused():
    values, v = np.array([1.0, 1.0, 3.0]), np.eye(3)
    with pytest.raises(gauge.GaugeError, match=f"^λ₁ and λ₂: {escape(gauge.SPREAD)}") as caught:
        eigen.eigh_vjp(values, v, [1.0, 0.25, 0], 0)
    assert caught.value.excess == 0.75
    assert eigen.eigh_vjp(values, v, [0.5, 0.5, 0], 0) == pytest.approx(np.diag([0.5, 0.5, 0]))
    # Unequal only where the eigenvalues are.
    eigen.eigh_vjp(values, v, [0.5, 0.5, 7.0], 0)


def test_the_tolerances_are_the_callers(rng):
    values, v = np.array([1.0, 1.0 + 1e-6, 3.0]), np.eye(3)
    eigen.eigh_vjp(values, v, [1.0, 0, 0], 0)
    with pytest.raises(gauge.GaugeError):
        eigen.eigh_vjp(values, v, [1.0, 0, 0], 0, rtol=1e-5)
    with pytest.raises(gauge.GaugeError):
        eigen.eigh_vjp(np.ones(3), v, [1.0, 1.0 - 1e-6, 1.0], 0)
    eigen.eigh_vjp(np.ones(3), v, [1.0, 1.0 - 1e-6, 1.0], 0, gauge_tol=1e-5)


@pytest.mark.parametrize("matrix", [np.eye(2), np.diag([1.0, 1.0, 2.0]), np.zeros((3, 3))])
def test_one_eigenvalue_at_a_tie_is_refused(matrix):
    with pytest.raises(gauge.GaugeError, match=r"λ₁ and λ₂ are equal .*subgradient") as caught:
        eigen.eigenvalue_gradient(matrix, 0)
    assert caught.value.pair == (0, 1)
    assert caught.value.excess <= caught.value.allowed
    values, v = np.linalg.eigh(matrix)
    with pytest.raises(gauge.GaugeError) as caught:
        eigen.eigenvalue_second_derivative(values, v, 1, matrix)
    assert caught.value.pair == (0, 1)


def test_one_eigenvalue_names_its_neighbour():
    """Also where that is not among the first, which LAPACK is not asked for."""
    message = (
        r"^λ₄ and λ₅ are equal to a tolerance of 9\.[0-9]e-14: neither is differentiable "
        r"\(subgradient\.eigvalsh gives the set of valid answers\)$"
    )
    for index in (-1, -2):
        with pytest.raises(gauge.GaugeError, match=message) as caught:
            eigen.eigenvalue_gradient(np.diag([1.0, 2.0, 3.0, 7.0, 7.0]), index)
        assert caught.value.pair == (3, 4)


def test_the_tolerance_of_one_eigenvalue_is_the_callers():
    matrix = np.diag([3.0, 4.0])
    eigen.eigenvalue_gradient(matrix, rtol=0.19)
    with pytest.raises(gauge.GaugeError) as caught:
        eigen.eigenvalue_gradient(matrix, rtol=0.21)
    # The Frobenius norm is 5.
    assert (caught.value.excess, caught.value.allowed) == pytest.approx((1.0, 1.05))
    # What has no neighbour is equal to none.
    assert eigen.eigenvalue_gradient([[3.0]], rtol=np.inf)[0] == 3.0


@real_or_complex
def test_one_eigenvalue_reads_the_lower_triangle(is_complex, rng):
    matrix = hermitian(rng, 4, is_complex=is_complex)
    whole, half = (eigen.eigenvalue_gradient(x, 1) for x in (matrix, np.tril(matrix)))
    assert half[0] == pytest.approx(whole[0])
    assert half[1] == pytest.approx(whole[1])


@pytest.mark.parametrize("dtype", [np.complex64, np.float32])
def test_one_eigenvalue_is_real_in_the_precision_of_the_matrix(dtype):
    value, gradient = eigen.eigenvalue_gradient(np.diag([1.0, 2.0]).astype(dtype)[None])
    assert (value.dtype, gradient.dtype) == (np.float32, dtype)


def test_one_simple_eigenvalue_beside_a_tie():
    matrix = np.diag([1.0, 1.0, 2.0])
    value, gradient = eigen.eigenvalue_gradient(matrix, -1)
    assert (value, gradient.tolist()) == (2.0, np.diag([0.0, 0.0, 1.0]).tolist())
    values, v = np.linalg.eigh(matrix)
    assert eigen.eigenvalue_second_derivative(values, v, 2, np.ones((3, 3))) == pytest.approx(4.0)


def test_what_a_program_may_split_is_always_merged_by_default():
    """In single precision and for large matrices, the backward error is more than √eps."""
    values = np.linspace(0, 1, 400, dtype=np.float32)
    values[1] = values[0] + 3.65e-4
    assert gauge.default_tol(np.float32) < values[1] < spectrum.default_rtol((400, 400), np.float32)
    seen = []

    def pullback(values, vectors):
        seen.append(values)
        return 0, 0

    eigen.invariant_vjp(values, np.eye(400, dtype=np.float32), pullback)
    assert seen[0][0] == seen[0][1] < seen[0][2]


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_matrix_that_is_not_finite_is_refused(bad):
    with pytest.raises(ValueError, match=r"^a matrix that is not finite; give finite numbers$"):
        eigen.eigenvalue_gradient(np.diag([1.0, bad, 2.0]))


def test_one_eigenvalue_of_a_single_one():
    assert eigen.eigenvalue_gradient([[3]]) == (3.0, [[1.0]])
    assert eigen.eigenvalue_second_derivative([3.0], [[1.0]], 0, [[2.0]]) == 0.0


@pytest.mark.parametrize("place", [(0, 0), (1, 2)])
def test_nan_is_refused(place, rng):
    """Also at a simple spectrum, where no pair is compared but each with itself."""
    values, v = np.linalg.eigh(hermitian(rng, 3, is_complex=False))
    dv, dvalues = np.zeros((3, 3)), np.zeros(3)
    eigen.eigh_vjp(values, v, dvalues, dv)
    dv[place] = dvalues[place[0]] = np.nan
    for cotangents in ((0, dv), (dvalues, 0), (dvalues, dv)):
        with pytest.raises(gauge.GaugeError):
            eigen.eigh_vjp(values, v, *cotangents)
        with pytest.raises(gauge.GaugeError):
            eigen.invariant_vjp(values, v, lambda *_, c=cotangents: c)


def test_a_stack_names_the_matrix_that_is_at_fault():
    values, v = np.array([[1.0, 2.0], [1.0, 1.0]]), np.broadcast_to(np.eye(2), (2, 2, 2))
    with pytest.raises(gauge.GaugeError, match=r"^matrix \[1\] of the stack: λ₁ and λ₂: "):
        eigen.eigh_vjp(values, v, [1.0, 0.0], 0)


def test_a_sign_is_refused_where_several_bases_are_tried(rng):
    """To first order no sign shows, so that one pair of cotangents cannot tell."""
    values, v = np.linalg.eigh(hermitian(rng, 4, is_complex=False))
    w = rng.standard_normal((4, 4))
    eigen.eigh_vjp(values, v, 0, w)
    with pytest.raises(gauge.GaugeError, match=f"^λ. and λ.: {gauge.VARIES}: "):
        eigen.invariant_vjp(values, v, lambda *_: (0, w))
    eigen.invariant_vjp(values, v, lambda _, v: (0, 2 * w * v))


def test_the_sign_of_one_vector_is_mostly_refused(rng):
    """As documented, in 7 of 8 cases at least; each vector of each size is one."""
    refused = []
    for n in range(2, 9):
        values, v = np.linalg.eigh(hermitian(rng, n, is_complex=False))
        for i in range(n):
            w = np.zeros((n, n))
            w[:, i] = rng.standard_normal(n)
            try:
                eigen.invariant_vjp(values, v, lambda *_, w=w: (0, w))
            except gauge.GaugeError:
                refused.append(True)
            else:
                refused.append(False)
    assert np.mean(refused) >= 7 / 8


def test_a_phase_is_refused_where_several_bases_are_tried(rng):
    """Stationary in the phase of the given vectors, so that the first basis shows nothing."""
    values, v = np.linalg.eigh(hermitian(rng, 3, is_complex=True))
    v = v * (np.abs(v[0]) / v[0])

    def pullback(_, v):
        dv = np.zeros_like(v)
        dv[0] = 1.0
        return 0, dv

    eigen.eigh_vjp(values, v, *pullback(values, v))
    with pytest.raises(gauge.GaugeError):
        eigen.invariant_vjp(values, v, pullback)


def test_a_rotation_is_refused_that_shows_in_other_bases_only():
    """Σ|vᵢⱼ|⁴ is stationary where V is the identity, and after a turn by 45° again."""
    values, turn = np.array([1.0, 1.0, 3.0]), np.eye(3)
    turn[:2, :2] = np.array([[1, 1], [1, -1]]) / np.sqrt(2)

    def pullback(_, v):
        return 0, 4 * v**3

    for v in (np.eye(3), turn):
        assert eigen.eigh_vjp(values, v, *pullback(values, v)) == pytest.approx(0, abs=1e-12)
        with pytest.raises(gauge.GaugeError):
            eigen.invariant_vjp(values, v, pullback)
    # With simple eigenvalues, the same loss is a function of the matrix.
    eigen.invariant_vjp(np.array([1.0, 2.0, 3.0]), turn, pullback)


@pytest.mark.parametrize("dvalues", [[1.0, 0, 0], [0, 1.0, 2.0], [-1.0, 1.0, 0]])
def test_cotangents_of_values_that_belong_to_no_matrix_are_refused(dvalues):
    values = np.array([1.0, 1.0, 3.0])
    with pytest.raises(gauge.GaugeError, match=f"^λ.: {gauge.VARIES}: "):
        eigen.invariant_vjp(values, np.eye(3), lambda *_: (dvalues, 0))
    dvalues = [dvalues[0], dvalues[0], dvalues[2]]
    found = eigen.invariant_vjp(values, np.eye(3), lambda *_: (dvalues, 0))
    assert found == pytest.approx(np.diag(dvalues))


@real_or_complex
@pytest.mark.parametrize("clusters", [[1, 1, 1], [2, 1], [3], [4], [3, 2], [5], [1]])
def test_the_pullback_is_called_as_often_as_documented(clusters, is_complex, rng):
    d, n = max(clusters), sum(clusters)
    values = np.repeat(np.arange(1.0, 1.0 + len(clusters)), clusters)
    b, calls = hermitian(rng, n, is_complex=is_complex), []

    def pullback(values, vectors):
        calls.append(values)
        return of_function(b, square, double)(values, vectors)

    eigen.invariant_vjp(values, unitary(rng, n, is_complex=is_complex), pullback)
    allowed = (2 * d if is_complex else d) + 2 + np.ceil(np.log2(n + 1))
    assert 1 < len(calls) <= allowed
    assert all(np.array_equal(x, calls[0]) for x in calls)


def test_the_pullback_is_given_values_that_are_exactly_equal_but_once():
    values, seen = np.array([1.0, 1.0 + 1e-9, 3.0]), []

    def pullback(values, vectors):
        seen.append(values)
        return 2 * values, 0

    eigen.invariant_vjp(values, np.eye(3), pullback)
    given = [x for x in seen if x[0] != x[1]]
    assert [x.tolist() for x in given] == [values.tolist()]
    for x in seen:
        assert x[2] == 3.0
        assert x[:2].mean() == pytest.approx(1.0 + 5e-10, abs=1e-15)


# Symmetries.


@given(seeds, st.sampled_from([[1, 2, 4], [1, 1, 4], [1, 1, 1, 2], [2, 2, 5, 5]]), st.booleans())
def test_every_gradient_turns_with_the_matrix(seed, spectrum, is_complex):
    rng = np.random.default_rng(seed)
    n = len(spectrum)
    v, q = (unitary(rng, n, is_complex=is_complex) for _ in range(2))
    values, b = np.array(spectrum, float), hermitian(rng, n, is_complex=is_complex)
    turned = q @ b @ q.conj().T

    def gradients(v, b):
        sizes = np.unique(spectrum, return_counts=True)[1]
        projector = of_blocks([k * b for k in range(len(sizes))], sizes)
        exponential = of_function(b, np.exp, np.exp)
        return [
            eigen.eigh_vjp(values, v, *projector(values, v)),
            eigen.function_vjp(values, v, b, np.exp, np.exp),
            eigen.invariant_vjp(values, v, projector),
            eigen.invariant_vjp(values, v, exponential),
        ]

    for first, second in zip(gradients(v, b), gradients(q @ v, turned), strict=True):
        assert second == pytest.approx(q @ first @ q.conj().T, abs=1e-11)


@given(seeds, st.sampled_from([[1, 2, 4], [1, 1, 4], [1, 1, 1, 2], [2, 2, 5, 5]]), st.booleans())
def test_the_basis_that_is_given_does_not_matter(seed, spectrum, is_complex):
    rng = np.random.default_rng(seed)
    values, number = np.array(spectrum, float), np.unique(spectrum, return_inverse=True)[1]
    n = len(values)
    v, b = unitary(rng, n, is_complex=is_complex), hermitian(rng, n, is_complex=is_complex)
    q = turn_within(number, rng, is_complex=is_complex)
    weights = 1.0 + number

    def gradients(v):
        pull = of_function(b, np.exp, np.exp)
        return [
            eigen.eigvalsh_vjp(v, weights),
            eigen.eigh_vjp(values, v, weights, 2 * (b @ v) * weights),
            eigen.function_vjp(values, v, b, np.exp, np.exp),
            eigen.invariant_vjp(values, v, pull),
        ]

    for first, second in zip(gradients(v), gradients(v @ q), strict=True):
        assert second == pytest.approx(first, abs=1e-11)


@given(seeds, st.booleans())
def test_gradients_are_hermitian_and_real_for_real_vectors(seed, is_complex):
    rng = np.random.default_rng(seed)
    values, v = np.linalg.eigh(hermitian(rng, 3, is_complex=is_complex))
    b = random_matrix(rng, 3, 3, is_complex=True)
    found = eigen.function_vjp(values, v, b, np.exp, np.exp)
    assert np.iscomplexobj(found) == is_complex
    assert found == pytest.approx(found.conj().T, abs=1e-12)
    # Only the Hermitian part of B counts, and for real matrices only the real one.
    part = symmetric.hermitian_part(b if is_complex else b.real)
    assert found == pytest.approx(eigen.function_vjp(values, v, part, np.exp, np.exp), abs=1e-12)
    found = eigen.eigh_vjp(values, v, 0, 2 * symmetric.hermitian_part(b) @ v)
    assert np.iscomplexobj(found) == is_complex


def test_a_gradient_of_the_largest_eigenvalue_at_a_tie_needs_a_direction(rng):
    """Where `eigenvalue_gradient` refuses, the directional derivative is λ_max(V₁ᵀEV₁)."""
    matrix, e = np.diag([3.0, 3.0, 1.0]), hermitian(rng, 3, is_complex=False)
    with pytest.raises(gauge.GaugeError):
        eigen.eigenvalue_gradient(matrix, -1)
    valid = subgradient.eigvalsh(matrix, eigen.select(-1, 3))
    assert valid.directional_derivative(e) == pytest.approx(np.linalg.eigvalsh(e[:2, :2])[-1])


# Divided differences.

GAPS = [1.0, 1e-1, 1e-2, 1e-3, 1e-4, 1e-6, 1e-8, 1e-10, 1e-12, 1e-14, 1e-16, 0.0]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("start", [0.3, 1.0, 2.0])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_divided_differences_against_50_digits(name, start, dtype):
    """Entry by entry, relative to the largest |g′| between the two."""
    g, slope, precise = FUNCTIONS[name]
    values = np.sort(np.array([start, *(start + gap for gap in GAPS)], dtype))
    table = eigen.divided_differences(values, g, slope)
    assert table.dtype == dtype
    for i, j in np.ndindex(*table.shape):
        a, b = (exact.MP.mpf(float(values[k])) for k in (i, j))
        truth = exact.MP.diff(precise, a) if a == b else (precise(a) - precise(b)) / (a - b)
        between = np.linspace(values[i].astype(float), values[j].astype(float), 20)
        scale = max(np.abs(slope(between)).max(), 1e-300)
        allowed = 50 * np.finfo(dtype).eps * scale
        assert abs(float(table[i, j] - truth)) <= allowed
        assert abs(float(table[i, j] - table[j, i])) <= allowed


def test_the_plain_quotient_is_far_worse():
    """So that the test above has something to find."""
    values = np.array([1.0, 1.0 + 1e-12])
    quotient = np.diff(np.exp(values)) / np.diff(values)
    assert abs(quotient[0] / np.e - 1) > 1e-6
    assert eigen.divided_differences(values, np.exp, np.exp)[0, 1] == pytest.approx(np.e, rel=1e-11)


def test_divided_differences_of_stacks_and_integers():
    values = np.array([[1.0, 2.0], [3.0, 3.0]])
    table = eigen.divided_differences(values, square, double)
    assert table == pytest.approx(np.array([[[2.0, 3], [3, 4]], [[6, 6], [6, 6]]]))
    assert eigen.divided_differences([1, 3], square, double).tolist() == [[2.0, 4.0], [4.0, 6.0]]
    assert eigen.divided_differences(np.zeros(0), square, double).shape == (0, 0)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_functions_are_asked_between_the_values_only(dtype):
    """Also at ties, and in the dtype of the values, whatever they answer in."""
    values, seen = np.array([1, 1 + 1e-6, 3, 3], dtype), []

    def g(x):
        seen.append(x)
        return 1000 + np.asarray(x, float) ** 2

    table = eigen.divided_differences(values, g, lambda x: g(x) * 0 + 2 * np.asarray(x, float))
    assert table.dtype == dtype
    assert table == pytest.approx(np.add.outer(values, values), rel=1e-6)
    assert len(seen) > 2
    for x in seen:
        assert x.dtype == dtype
        assert np.all((values[0] <= x) & (x <= values[-1]))


@pytest.mark.parametrize("size", [0.0, 1e-17])
def test_at_a_minimum_the_trials_can_be_left_out(size, rng):
    """There, all cotangents are rounding errors, which differ from basis to basis."""
    values, vectors = np.linalg.eigh(np.eye(3) + 1e-12 * np.diag([0.0, 1.0, 2.0]))

    def noise(values, vectors):
        return size * rng.standard_normal(3), size * rng.standard_normal((3, 3))

    gradient = eigen.invariant_vjp(values, vectors, noise, gauge_tol=np.inf)
    assert np.abs(gradient).max() <= 100 * size
    if size:
        with pytest.raises(gauge.GaugeError):
            eigen.invariant_vjp(values, vectors, noise)


def test_a_loss_that_varies_too_fast_for_the_default_is_refused():
    """Its diagonal cotangents do not show it, but the block that they leave open does."""
    values, vectors = np.array([1e-9, 2e-9, 1.0]), np.eye(3)
    c = np.zeros((3, 3))
    c[0, 1] = c[1, 0] = 1

    def pullback(values, v):
        return np.diag(v.T @ c @ v) / values, 2 * c @ v * np.log(values)

    with pytest.raises(ValueError, match=r"λ₁ and λ₂: the gradient changes by .* smaller rtol"):
        eigen.invariant_vjp(values, vectors, pullback)
    ours = eigen.invariant_vjp(values, vectors, pullback, rtol=1e-14)
    theirs = eigen.function_vjp(values, vectors, c, np.log, lambda x: 1 / x)
    assert ours == pytest.approx(theirs, rel=1e-12)


@pytest.mark.parametrize("is_complex", [False, True])
def test_cotangents_of_the_values_may_be_rounding_errors(is_complex, rng):
    """The loss couples the two clusters only, so that each λ̄ is zero but for rounding."""
    q = unitary(rng, 4, is_complex=is_complex)
    matrix = symmetric.hermitian_part((q * np.array([1.0, 1.0, 2.0, 2.0])) @ q.conj().T)
    c = np.zeros((4, 4), q.dtype)
    c[:2, 2:] = random_matrix(rng, 2, 2, is_complex=is_complex)
    c = q @ (c + c.conj().T) @ q.conj().T

    def pullback(values, v):
        return 2 * values * np.diag(v.conj().T @ c @ v).real, 2 * c @ v * values**2

    gradient = eigen.invariant_vjp(*np.linalg.eigh(matrix), pullback)
    assert gradient == pytest.approx(c @ matrix + matrix @ c, abs=1e-13)


TURN = np.array([[0.0, 1.0], [-1.0, 0.0]])


@pytest.mark.parametrize(("dtype", "size"), [("float32", 1e-6), ("float64", 1e-15)])
def test_rounding_errors_of_a_cotangent_are_no_dependence_on_the_basis(dtype, size):
    """The cotangents of the values tell how large they may be."""
    values, v = np.ones(2, dtype), np.eye(2, dtype=dtype)
    for of_values in (1.0, 0.0):

        def pullback(_, v, of_values=of_values):
            return of_values, size * (v @ TURN).astype(dtype)

        for call in (
            lambda: eigen.eigh_vjp(values, v, *pullback(values, v)),
            lambda: eigen.invariant_vjp(values, v, pullback),
        ):
            if of_values:
                assert call() == pytest.approx(np.eye(2))
            else:
                with pytest.raises(gauge.GaugeError):
                    call()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_precision_of_the_vectors_says_how_much_a_loss_may_vary(dtype):
    values, v = np.ones(2, dtype), np.eye(2, dtype=dtype)

    def pullback(_, v):
        return 0, (v @ (np.eye(2) + 1e-5 * TURN)).astype(dtype)

    if dtype == "float32":
        assert not eigen.invariant_vjp(values, v, pullback).any()
    else:
        with pytest.raises(gauge.GaugeError):
            eigen.invariant_vjp(values, v, pullback)


@pytest.mark.parametrize(("dtype", "equal"), [("float32", True), ("float64", False)])
def test_the_precision_of_the_vectors_says_what_is_nearly_equal(dtype, equal):
    values, v, seen = np.array([1, 1 + 1e-4], dtype), np.eye(2, dtype=dtype), []

    def pullback(values, _):
        seen.append(values)
        return 2 * values, 0

    assert eigen.invariant_vjp(values, v, pullback).dtype == dtype
    assert sum(x[0] == x[1] for x in seen) == (len(seen) - 1) * equal


def near_tie(slope, **settings):
    """At λ = 1 and 1 + 10⁻⁹, the gradient of Σ g(λᵢ) for a slope g′."""
    values = np.array([1.0, 1.0 + 1e-9])
    return eigen.invariant_vjp(values, np.eye(2), lambda x, _: (slope(x), 0), **settings)


def test_the_default_takes_nearly_equal_values_as_equal_where_that_can_be_seen_to_do():
    """Also where all of them are, so that none stays as it was."""
    assert near_tie(double) == pytest.approx(2 * np.eye(2), abs=1e-8)

    def steep(x):
        return np.cos((x - 1) / 1e-9)

    with pytest.raises(ValueError, match=r"^λ₁: the gradient changes by 1\.2e-01 "):
        near_tie(steep)
    # Who gives a tolerance, has it.
    assert near_tie(steep, rtol=1e-8) == pytest.approx(np.cos(0.5) * np.eye(2))
    assert near_tie(steep, rtol=1e-12) == pytest.approx(np.diag(np.cos([0.0, 1.0])), abs=1e-6)


def test_a_phase_is_refused_that_neither_signs_nor_right_angles_show():
    """Re v₁₁⁴ is the same for v, −v and ±iv, and stationary in the phase of a real v."""
    values, v = np.array([1.0, 2.0]), np.eye(2, dtype=complex)

    def pullback(_, v):
        return 0, np.array([[np.conj(4 * v[0, 0] ** 3), 0], [0, 0]])

    assert not eigen.eigh_vjp(values, v, *pullback(values, v)).any()
    with pytest.raises(gauge.GaugeError, match=gauge.VARIES):
        eigen.invariant_vjp(values, v, pullback)


def test_a_tie_of_the_second_derivative_is_one_to_a_tolerance():
    """The caller's, and by default that of the precision of the vectors."""
    values, v, e = np.array([1.0, 1.0 + 1e-9, 3.0]), np.eye(3), np.ones((3, 3))
    found = eigen.eigenvalue_second_derivative(values, v, 0, e)
    assert found == pytest.approx(2 * (-1e9 - 1 / 2), rel=1e-6)
    for vectors, settings in ((v, {"rtol": 1e-8}), (v.astype(np.float32), {})):
        with pytest.raises(gauge.GaugeError, match=r"^λ₁ and λ₂ are equal"):
            eigen.eigenvalue_second_derivative(values, vectors, 0, e, **settings)


def test_a_steep_function_between_the_nodes_is_not_missed():
    def g(x):
        return 1000 + np.tanh(1000 * (x - 0.4))

    def derivative(x):
        return 1000 / np.cosh(np.clip(1000 * (x - 0.4), -300, 300)) ** 2

    table = eigen.divided_differences(np.array([-1.0, 1.0]), g, derivative)
    assert table[0, 1] == pytest.approx(1.0)


@pytest.mark.parametrize("is_complex", [False, True])
def test_gradients_are_hermitian_to_the_last_bit(is_complex, rng):
    values, vectors = np.linalg.eigh(hermitian(rng, 6, is_complex=is_complex))
    c = rng.standard_normal((6, 6))
    gradients = [
        eigen.eigh_vjp(values, vectors, 0, c * vectors),
        eigen.invariant_vjp(values, vectors, lambda x, v: (0, c * v)),
        eigen.function_vjp(values, vectors, c, np.exp, np.exp),
    ]
    for gradient in gradients:
        assert np.array_equal(gradient, gradient.conj().T)


def test_a_pullback_may_write_into_what_it_is_given():
    def pullback(values, v):
        cotangent = 2 * values
        values[:] = np.nan
        return cotangent, 0

    gradient = eigen.invariant_vjp(np.ones(3), np.eye(3), pullback)
    assert gradient == pytest.approx(2 * np.eye(3))


@pytest.mark.parametrize("dtype", [float, complex])
def test_eigenvalues_are_real_and_so_is_their_cotangent(dtype):
    vectors = np.eye(2, dtype=dtype)
    gradient = eigen.eigh_vjp([1.0, 2.0], vectors, np.array([1 + 1j, 2]), 0)
    assert np.array_equal(gradient, np.diag([1.0, 2.0]))


def test_second_derivatives_of_a_stack(rng):
    stack = np.stack([hermitian(rng, 4, is_complex=False) for _ in range(6)]).reshape(2, 3, 4, 4)
    direction = hermitian(rng, 4, is_complex=False)
    values, vectors = np.linalg.eigh(stack.astype(np.float32))
    second = eigen.eigenvalue_second_derivative(values, vectors, 1, direction)
    assert (second.shape, second.dtype) == ((2, 3), np.float32)
    one = eigen.eigenvalue_second_derivative(values[1, 2], vectors[1, 2], 1, direction)
    assert second[1, 2] == pytest.approx(one)
