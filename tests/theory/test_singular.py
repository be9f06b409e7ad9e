from re import escape

import numpy as np
import pytest
from drawing import random_matrix, seeds, singular_sum_gradient, unitary
from hypothesis import given
from hypothesis import strategies as st

from spectralgrad.theory import exact, gauge, singular, spectrum, subgradient

EPS = np.finfo(float).eps
real_or_complex = pytest.mark.parametrize("is_complex", [False, True])
re = np.vectorize(exact.MP.re, otypes=[object])

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
    derivative = np.vdot(singular_sum_gradient(matrix, weights), step).real
    assert derivative == pytest.approx(difference, abs=1e-6)


@given(seeds, shapes, st.booleans())
def test_equivariance(seed, shape, is_complex):
    rng = np.random.default_rng(seed)
    (m, n), k = shape, min(shape)
    matrix = with_values(rng, m, n, np.arange(k, 0, -1.0), is_complex=is_complex)
    left, right = (unitary(rng, size, is_complex=is_complex) for size in shape)
    weights = rng.standard_normal(k)
    expected = left @ singular_sum_gradient(matrix, weights) @ right
    assert singular_sum_gradient(left @ matrix @ right, weights) == pytest.approx(expected)


def test_closed_form_values_as_weights_give_the_matrix_back(rng):
    stack = rng.standard_normal((3, 4, 2)).astype(np.float32)
    u, s, vh = np.linalg.svd(stack, full_matrices=False)
    gradient = singular.svdvals_vjp(u, vh, s)
    assert gradient.dtype == np.float32
    assert gradient == pytest.approx(stack, abs=1e-5)


def test_precision_of_the_matrix_decides_its_rank():
    nearly = np.diag([1.0, 1e-9])
    assert subgradient.svdvals(nearly, [1, 1]).rank == 2
    assert subgradient.svdvals(nearly.astype(np.float32), [1, 1]).rank == 1
    assert subgradient.svdvals(nearly, [1, 1], rtol=1e-6).rank == 1
    assert singular.nuclear_norm_gradient(nearly) == pytest.approx(np.eye(2))
    assert singular.nuclear_norm_gradient(nearly.astype(np.float32)).tolist() == [[1, 0], [0, 0]]
    assert singular.polar_factor(nearly) == pytest.approx(np.eye(2))
    with pytest.raises(gauge.GaugeError):
        singular.polar_factor(nearly.astype(np.float32))


def turn_within(number, rng, *, is_complex):
    """Rotate each cluster at random, for a single vector its sign or phase."""
    return gauge.unitary(spectrum.in_one_cluster(number), rng, is_complex=is_complex)


def error(found, expected):
    """Relative, in the Frobenius norm, of floats that may be compared with 50 digits."""
    expected = np.asarray(expected).astype(complex)
    return np.linalg.norm(found - expected) / np.linalg.norm(expected)


def thin(matrix):
    return np.linalg.svd(matrix, full_matrices=False)


def adjoint(matrix):
    return np.conj(np.swapaxes(matrix, -1, -2))


def coupled(b, u, vh):
    """The numbers Re uᵢᴴ B vᵢ."""
    return np.sum(u.conj() * (b @ adjoint(vh)), axis=-2).real


def of_function(b, g, slope):
    """Cotangents of Σ g(σᵢ) Re uᵢᴴ B vᵢ: for g(x) = x of Re⟨B, A⟩, for g = 1 of the polar factor.

    It depends on no choice of bases; if singular values may be zero, then only for g(0) = 0.
    """

    def pullback(u, s, vh):
        images = g(s)
        left = (b @ adjoint(vh)) * images[..., None, :]
        right = images[..., :, None] * (adjoint(u) @ b)
        return left, slope(s) * coupled(b, u, vh), right

    return pullback


def identity(x):
    return x


def cube(x):
    return x**3


def slope_of_cube(x):
    return 3 * x**2


def of_left_projectors(b, sizes):
    """Cotangents of Σ tr(Bₖ Pₖ) with the projectors Pₖ on groups of left singular vectors."""
    number = np.repeat(np.arange(len(sizes)), sizes)

    def pullback(u, s, vh):
        return np.stack([2 * b[k] @ u[:, i] for i, k in enumerate(number)], axis=1), 0, 0

    return pullback


def hermitian(rng, n, *, is_complex):
    b = random_matrix(rng, n, n, is_complex=is_complex)
    return (b + b.conj().T) / 2


# Accuracy, against derivatives in 50 digits that know no formula.

small_shapes = pytest.mark.parametrize("shape", [(3, 3), (3, 2), (2, 3), (4, 2)], ids=str)


@real_or_complex
@small_shapes
@pytest.mark.parametrize("gap", [1.0, 1e-3, 1e-6])
def test_vectors_are_as_exact_as_their_condition_allows(shape, gap, is_complex):
    """Joint terms Re uᵢᴴ Bᵢ vᵢ, left ones Σ|uⱼᵢ|², right ones vᵢᴴ C vᵢ, and values."""
    # A draw in which what is divided by the gap is not small by chance.
    rng, k = np.random.default_rng(1), min(shape)
    values = [1.5 + gap, 1.5, 0.8][:k]
    a = with_values(rng, *shape, values, is_complex=is_complex)
    b = [random_matrix(rng, *shape, is_complex=is_complex) for _ in range(k)]
    left, w = rng.standard_normal((shape[0], k)), rng.standard_normal(k)
    right = hermitian(rng, shape[1], is_complex=is_complex)

    def loss(x):
        u, s, vh = exact.svd(x)
        joint = [u[:, i].conj() @ b[i] @ vh[i].conj() for i in range(k)]
        joint += [w[i] * (vh[i] @ right @ vh[i].conj()) for i in range(k)]
        return np.sum(re(joint)) + np.sum(left * re(u.conj() * u)) + np.sum(w * s**2)

    truth = exact.gradient(loss, a)
    u, s, vh = thin(a)
    v = vh.conj().T
    du = np.stack([b[i] @ v[:, i] for i in range(k)], axis=1) + 2 * left * u
    dv = np.stack([b[i].conj().T @ u[:, i] for i in range(k)], axis=1) + 2 * (right @ v) * w
    found = singular.svd_vjp(u, s, vh, du, 2 * w * s, dv.conj().T)
    gaps = np.append(-np.diff(s), s[-1])
    assert error(found, truth) <= 50 * EPS * s[0] / gaps.min()


@real_or_complex
@pytest.mark.parametrize(
    ("shape", "gap"),
    [((3, 3), g) for g in (1e-8, 1e-12, 1e-14, 0.0)] + [((3, 2), 0.0), ((2, 3), 1e-12)],
    ids=str,
)
def test_the_polar_factor_is_exact_to_rounding_whatever_the_gap(shape, gap, is_complex, rng):
    k = min(shape)
    values = [1.0 + gap, 1.0, 0.25][:k]
    a = with_values(rng, *shape, values, is_complex=is_complex)
    b = random_matrix(rng, *shape, is_complex=is_complex)

    def loss(x):
        u, _, vh = exact.svd(x)
        return np.sum(re(b.conj() * (u @ vh)))

    truth = exact.gradient(loss, a)
    u, s, vh = thin(a)
    assert error(singular.polar_vjp(u, s, vh, b), truth) <= 50 * EPS * s[0] / s[-1]
    # Not so the formula for vectors, which divides rounding errors by the gap; those of a single
    # cotangent may be zero, as they are with the LAPACK of NumPy 2.5.
    if gap == 1e-12 and k == 3:
        errors = []
        for b in (random_matrix(rng, *shape, is_complex=is_complex) for _ in range(10)):
            plain = singular.svd_vjp(u, s, vh, b @ vh.conj().T, 0, u.conj().T @ b)
            errors.append(error(plain, singular.polar_vjp(u, s, vh, b)))
        assert 1e-8 < max(errors) < 50 * EPS / gap


@real_or_complex
@pytest.mark.parametrize("bottom", [1e-3, 1e-6])
def test_the_polar_factor_of_an_ill_conditioned_matrix(bottom, is_complex, rng):
    a = with_values(rng, 2, 2, [1.0, bottom], is_complex=is_complex)
    b = random_matrix(rng, 2, 2, is_complex=is_complex)
    truth = exact.gradient(lambda x: np.sum(re(b.conj() * np.matmul(*exact.svd(x)[::2]))), a)
    u, s, vh = thin(a)
    assert error(singular.polar_vjp(u, s, vh, b), truth) <= 50 * EPS * s[0] / s[-1]


@real_or_complex
@pytest.mark.parametrize("gap", [0.5, 1e-8, 0.0])
@pytest.mark.parametrize("shape", [(3, 3), (2, 4)], ids=str)
def test_the_nuclear_norm_is_exact_to_its_condition(shape, gap, is_complex, rng):
    values = [1.0 + gap, 1.0, 0.1][: min(shape)]
    a = with_values(rng, *shape, values, is_complex=is_complex)
    truth = exact.gradient(lambda x: np.sum(exact.svdvals(x)), a)
    allowed = 50 * EPS * values[0] / values[-1]
    assert error(singular.nuclear_norm_gradient(a), truth) <= allowed


def orthonormal(rng, m, k, *, is_complex):
    """Orthonormal to 30 digits, by Newton's iteration."""
    x = exact.lift(unitary(rng, m, is_complex=is_complex)[:, :k])
    return x * 1.5 - x @ (x.conj().T @ x) / 2


@pytest.mark.slow
@pytest.mark.parametrize(
    ("shape", "is_complex"),
    [((10, 10), True), ((25, 10), False), ((10, 25), True), ((25, 25), False)],
    ids=str,
)
def test_rounding_at_larger_sizes(shape, is_complex, rng):
    """The formulas in more digits, with a decomposition that is known beforehand."""
    (m, n), k = shape, min(shape)
    u, v = (orthonormal(rng, x, k, is_complex=is_complex) for x in shape)
    s = np.linspace(3 / 2, 2 / 3, k)
    a = ((u * s) @ v.conj().T).astype(complex if is_complex else float)
    b, w = random_matrix(rng, m, n, is_complex=is_complex), rng.standard_normal(k)
    bv = b @ v
    inner = u.conj().T @ bv
    bu = b.conj().T @ u
    total = exact.lift(np.add.outer(s, s))
    found_u, found_s, found_vh = thin(a)

    # The polar factor, with Ū = BV and V̄ = BᴴU.
    skew = inner - inner.conj().T
    expected = u @ (skew / total) @ v.conj().T
    if m > n:
        expected = expected + ((bv - u @ inner) / s) @ v.conj().T
    if n > m:
        expected = expected + u @ ((bu - v @ inner.conj().T) / s).conj().T
    assert error(singular.polar_vjp(found_u, found_s, found_vh, b), expected) <= 50 * EPS * 2.25

    # The loss Σ wᵢ Re uᵢᴴ B vᵢ: dL = Re⟨BVW, dU⟩ + Re⟨BᴴUW, dV⟩.
    left, right = inner * w, inner.conj().T * w
    x, y = (left - left.conj().T) / 2, (right - right.conj().T) / 2
    gaps = -exact.lift(np.subtract.outer(s, s)) + np.eye(k)
    core = (x + y) / gaps * (1 - np.eye(k)) + (x - y) / total
    expected = u @ core @ v.conj().T
    expected = expected + ((bv * w - u @ left) / s) @ v.conj().T
    expected = expected + u @ ((bu * w - v @ right) / s).conj().T
    du, dvh = (b @ found_vh.conj().T) * w, w[:, None] * (found_u.conj().T @ b)
    found = singular.svd_vjp(found_u, found_s, found_vh, du, 0, dvh)
    assert error(found, expected) <= 50 * EPS * s[0] / (s[0] - s[1])


@real_or_complex
@pytest.mark.parametrize("bottom", [1.0, 1e-1, 1e-2, 1e-3, 1e-6, 1e-9, 0.0])
@pytest.mark.parametrize("shape", [(12, 12), (20, 12), (12, 20)], ids=str)
def test_the_polar_factor_is_exact_to_its_condition(shape, bottom, is_complex, rng):
    """Against factors that are known beforehand."""
    k = min(shape)
    u, v = (orthonormal(rng, x, k, is_complex=is_complex) for x in shape)
    s = np.append(np.linspace(1, max(bottom, 1e-3), k - 1), bottom)
    exactly = (u * s) @ v.conj().T
    a = exactly.astype(complex if is_complex else float)
    found = singular.nuclear_norm_gradient(a)
    if bottom:
        assert error(found, u @ v.conj().T) <= 50 * EPS / bottom
        wide = found if shape[0] < shape[1] else adjoint(found)
        assert wide @ adjoint(wide) == pytest.approx(np.eye(k), abs=50 * EPS)
        assert np.array_equal(found, singular.polar_factor(a))
    else:
        assert error(found, u[:, :-1] @ v[:, :-1].conj().T) <= 50 * EPS / s[-2]


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "complex128"])
@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e30])
@pytest.mark.parametrize("shape", [(80, 64), (64, 64), (64, 90)], ids=str)
def test_the_polar_factor_has_the_dtype_of_the_matrix_at_every_scale(shape, scale, dtype):
    rng = np.random.default_rng(0)
    values = np.linspace(1, 0.5, min(shape))
    a = with_values(rng, *shape, values, is_complex=dtype.startswith("complex")) * scale
    a = a.astype(dtype)
    u, _, vh = thin(a)
    found = singular.polar_factor(a)
    assert found.dtype == a.dtype
    assert found == pytest.approx(u @ vh, abs=1e3 * float(np.finfo(dtype).eps))


def test_a_wide_tolerance_takes_the_singular_values(rng):
    a = with_values(rng, 64, 64, np.linspace(1, 0.5, 64), is_complex=False)
    assert np.all(singular.nuclear_norm_gradient(a, rtol=0.6) == 0)
    assert np.linalg.norm(singular.nuclear_norm_gradient(a)) == pytest.approx(8)
    with pytest.raises(gauge.GaugeError, match="is zero to a tolerance"):
        singular.polar_factor(a, rtol=0.6)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("n", [3, 64])
@pytest.mark.parametrize("function", [singular.nuclear_norm_gradient, singular.polar_factor])
def test_a_matrix_that_is_not_finite_is_refused(function, n, bad, rng):
    """LAPACK makes a warning of it, a NaN, or an error, as the size and the library will."""
    a = rng.standard_normal((n, n))
    a[1, 2] = bad
    with pytest.raises(ValueError, match=r"^a matrix that is not finite; give finite numbers$"):
        function(a)


def test_a_large_matrix_of_zeros_has_the_smallest_answer():
    assert np.all(singular.nuclear_norm_gradient(np.zeros((64, 65))) == 0)


# Closed forms, at ties and zeros too.

any_shape = st.tuples(st.integers(1, 5), st.integers(1, 5))


@given(seeds, any_shape, st.booleans())
def test_a_linear_function_has_itself_as_gradient(seed, shape, is_complex):
    """Re⟨B, UΣVᴴ⟩, the sum of what values and vectors contribute, has B, whatever A is."""
    rng = np.random.default_rng(seed)
    k = min(shape)
    a = with_values(rng, *shape, 2.0 + np.arange(k, 0, -1.0), is_complex=is_complex)
    b = random_matrix(rng, *shape, is_complex=is_complex)
    u, s, vh = thin(a)
    cotangents = of_function(b, identity, np.ones_like)(u, s, vh)
    assert singular.svd_vjp(u, s, vh, *cotangents) == pytest.approx(b, abs=1e-11)
    values_only = singular.svd_vjp(u, s, vh, 0, cotangents[1], 0)
    if shape != (1, 1) or is_complex:
        assert np.linalg.norm(values_only - b) > 1e-6


@given(
    seeds,
    any_shape,
    st.sampled_from([[2, 2, 1, 1, 1], [3, 1, 0, 0, 0], [2, 2, 0, 0, 0], [0] * 5, [1] * 5]),
    st.booleans(),
)
def test_a_linear_function_at_ties_and_zeros(seed, shape, spectrum, is_complex):
    rng = np.random.default_rng(seed)
    values = np.array(spectrum[: min(shape)], float)
    a = with_values(rng, *shape, values, is_complex=is_complex)
    b = random_matrix(rng, *shape, is_complex=is_complex)
    found = singular.invariant_vjp(*thin(a), of_function(b, identity, np.ones_like))
    assert found == pytest.approx(b, abs=1e-11)


@real_or_complex
@pytest.mark.parametrize("shape", [(1, 1), (3, 3), (2, 4), (4, 2), (1, 3)], ids=str)
def test_a_linear_function_at_the_zero_matrix(shape, is_complex, rng):
    b = random_matrix(rng, *shape, is_complex=is_complex)
    a = np.zeros(shape, b.dtype)
    found = singular.invariant_vjp(*thin(a), of_function(b, identity, np.ones_like))
    assert found == pytest.approx(b, abs=1e-13)
    with pytest.raises(gauge.GaugeError):
        singular.svd_vjp(*thin(a), *of_function(b, identity, np.ones_like)(*thin(a)))


@real_or_complex
def test_the_polar_factor_at_the_identity(is_complex, rng):
    b = random_matrix(rng, 4, 4, is_complex=is_complex)
    expected, eye = (b - b.conj().T) / 2, np.eye(4, dtype=b.dtype)
    q = unitary(rng, 4, is_complex=is_complex)
    for u, vh in ((eye, eye), (q, q.conj().T)):
        found = singular.polar_vjp(u, np.ones(4), vh, b)
        assert found == pytest.approx(expected, abs=1e-13)
        pullback = of_function(b, np.ones_like, np.zeros_like)
        found = singular.invariant_vjp(u, np.ones(4), vh, pullback)
        assert found == pytest.approx(expected, abs=1e-13)


@real_or_complex
@pytest.mark.parametrize("shape", [(4, 4), (4, 2), (2, 4)], ids=str)
def test_the_polar_factor_and_bases_are_two_ways_to_one_gradient(shape, is_complex, rng):
    """They agree, and not because one calls the other."""
    values = np.array([2.0, 2.0, 2.0, 1.0])[: min(shape)]
    a = with_values(rng, *shape, values, is_complex=is_complex)
    same = 0
    for _ in range(10):
        b = random_matrix(rng, *shape, is_complex=is_complex)
        first = singular.polar_vjp(*thin(a), b)
        second = singular.invariant_vjp(*thin(a), of_function(b, np.ones_like, np.zeros_like))
        assert second == pytest.approx(first, abs=1e-11)
        same += np.array_equal(first, second)
    # Of a small matrix both may be rounded alike.
    assert same < 10
    u, _, vh = thin(a)
    assert singular.polar_factor(a) == pytest.approx(u @ vh)


@real_or_complex
def test_the_logarithm_of_the_determinant_has_the_inverse(is_complex, rng):
    """Σ log σᵢ = log|det A|, also of a matrix that is not Hermitian, and at ties."""
    for values in ([3.0, 2.0, 0.5], [2.0, 2.0, 0.5]):
        a = with_values(rng, 3, 3, values, is_complex=is_complex)
        u, s, vh = thin(a)
        for found in (
            singular.svdvals_vjp(u, vh, 1 / s),
            singular.svd_vjp(u, s, vh, 0, 1 / s, 0, rtol=1e-9),
            singular.invariant_vjp(u, s, vh, lambda _u, s, _vh: (0, 1 / s, 0)),
        ):
            assert found == pytest.approx(np.linalg.inv(a).conj().T, rel=1e-12)


@real_or_complex
@pytest.mark.parametrize("shape", [(3, 3), (4, 2), (2, 4)], ids=str)
@pytest.mark.parametrize("rank", [0, 1, 2])
def test_the_nuclear_norm_where_it_is_not_differentiable(rank, shape, is_complex, rng):
    """U₁V₁ᴴ is a valid gradient, the one of smallest norm; the slopes are those of the norm."""
    values = np.where(np.arange(min(shape)) < rank, 2.0, 0.0)
    a = with_values(rng, *shape, values, is_complex=is_complex)
    found, valid = singular.nuclear_norm_gradient(a, rtol=1e-9), subgradient.svdvals(a, values**0)
    assert found == pytest.approx(a / 2, abs=1e-13)
    assert found == pytest.approx(valid.minimum_norm, abs=1e-13)
    e = random_matrix(rng, *shape, is_complex=is_complex)
    t = 1e-7
    slope = (np.linalg.norm(a + t * e, "nuc") - np.linalg.norm(a, "nuc")) / t
    assert valid.directional_derivative(e) == pytest.approx(slope, abs=1e-5)
    short_of = valid.directional_derivative(e) - np.vdot(found, e).real
    assert short_of >= -1e-12
    assert (short_of > 1e-3) == (rank < min(shape))
    if rank == 0:
        assert not found.any()
        assert valid.directional_derivative(e) == pytest.approx(np.linalg.norm(e, "nuc"))


@real_or_complex
def test_the_projector_on_a_cluster_of_left_vectors(is_complex, rng):
    """At diag(2, 2, 1): X₁₃ alone, 2 σ₁ B₁₃/(σ₁² − σ₃²) and its mirror image."""
    b = hermitian(rng, 3, is_complex=is_complex)
    q = np.eye(3, dtype=b.dtype)
    q[:2, :2] = unitary(rng, 2, is_complex=is_complex)
    s, pullback = np.array([2.0, 2.0, 1.0]), of_left_projectors([b, 0 * b], [2, 1])
    expected = np.zeros_like(b)
    # P is the eigenprojector of AAᵀ, whose eigenvalues are 4, 4, 1: G = 2 (dAAᵀ) A.
    expected[:2, 2], expected[2, :2] = b[:2, 2] / 3, b[2, :2] / 3
    expected = 2 * expected @ np.diag(s)
    found = singular.svd_vjp(q, s, q.conj().T, *pullback(q, s, q.conj().T))
    assert found == pytest.approx(expected, abs=1e-13)
    found = singular.invariant_vjp(q, s, q.conj().T, pullback)
    assert found == pytest.approx(expected, abs=1e-13)
    pullback = of_left_projectors([b, 0 * b], [1, 2])
    with pytest.raises(gauge.GaugeError, match=r"^σ₁ and σ₂: "):
        singular.svd_vjp(q, s, q.conj().T, *pullback(q, s, q.conj().T))
    with pytest.raises(gauge.GaugeError, match=r"^σ₁ and σ₂: "):
        singular.invariant_vjp(q, s, q.conj().T, pullback)


@real_or_complex
@pytest.mark.parametrize("shape", [(3, 3), (4, 3), (3, 4)], ids=str)
def test_a_simple_vector_beside_a_tie(shape, is_complex, rng):
    """|uⱼ₁|² with weights, σ = 3, 1, 1, against 50 digits."""
    a = with_values(rng, *shape, [3.0, 1.0, 1.0], is_complex=is_complex)
    w = np.diag(rng.standard_normal(shape[0]))

    def loss(x):
        u = exact.svd(x)[0][:, 0]
        return np.sum(np.diagonal(w) * re(u.conj() * u))

    truth = exact.gradient(loss, a)
    pullback, usv = of_left_projectors([w, 0 * w], [1, 2]), thin(a)
    assert error(singular.svd_vjp(*usv, *pullback(*usv), rtol=1e-9), truth) <= 100 * EPS
    assert error(singular.invariant_vjp(*usv, pullback), truth) <= 100 * EPS


# Shapes, scales, dtypes, stacks.

CASES = [(0, 0), (1, 1), (4, 4), (2, 5), (5, 2), (5, 5), (2, 5, 5), (3, 5), (5, 3), (25, 25)]
CASES += [(0, 3), (3, 0), (0, 2, 3), (2, 2, 3, 2), (2, 5, 3), (2, 3, 5)]


def stack_of(rng, shape, *, is_complex):
    *stack, m, n = shape
    values = np.linspace(3 / 2, 2 / 3, min(m, n)) if min(m, n) else np.zeros(0)
    matrices = [with_values(rng, m, n, values, is_complex=is_complex) for _ in np.ndindex(*stack)]
    return np.array(matrices).reshape(shape)


def answers(a, b):
    """Every gradient of this module that takes stacks, for losses that are invariant."""
    u, s, vh = thin(a)
    w = (1 + np.arange(s.shape[-1])).astype(s.dtype)
    left, right = (b @ adjoint(vh)) * w, w[:, None] * (adjoint(u) @ b)
    return {
        "svdvals": singular.svdvals_vjp(u, vh, w * s),
        "weighted": singular_sum_gradient(a, w),
        "nuclear": singular.nuclear_norm_gradient(a),
        "factor": singular.polar_factor(a),
        "vectors": singular.svd_vjp(u, s, vh, left, 0, right),
        "values": singular.svd_vjp(u, s, vh, 0, w * s, 0),
        "polar": singular.polar_vjp(u, s, vh, b),
        "invariant": singular.invariant_vjp(u, s, vh, of_function(b, np.ones_like, np.zeros_like)),
    }


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "complex128"])
@pytest.mark.parametrize("shape", CASES, ids=str)
def test_stacks_are_loops_and_dtypes_are_kept(shape, dtype, rng):
    is_complex = dtype.startswith("complex")
    a = stack_of(rng, shape, is_complex=is_complex).astype(dtype)
    b = random_matrix(rng, *shape[-2:], is_complex=is_complex).astype(dtype)
    whole = answers(a, b)
    for name, gradient in whole.items():
        assert (gradient.shape, gradient.dtype) == (a.shape, dtype), name
    for place in np.ndindex(*shape[:-2]):
        for name, gradient in answers(a[place], b).items():
            scale = float(np.abs(gradient).max(initial=1.0))
            tolerance = 1e4 * float(np.finfo(dtype).eps) * scale
            assert whole[name][place] == pytest.approx(gradient, abs=tolerance), name


@real_or_complex
@pytest.mark.parametrize("shape", [(3, 3), (4, 3), (3, 5)], ids=str)
def test_a_stack_with_other_ranks_and_clusters_in_each_matrix(shape, is_complex, rng):
    spectra = [[3, 2, 1], [2, 2, 1], [2, 2, 2], [2, 1, 0], [2, 2, 0], [1, 0, 0], [0, 0, 0]]
    a = np.array(
        [with_values(rng, *shape, np.array(s, float), is_complex=is_complex) for s in spectra]
    )
    b = random_matrix(rng, *shape, is_complex=is_complex)
    u, s, vh = thin(a)
    found = singular.invariant_vjp(u, s, vh, of_function(b, identity, np.ones_like))
    assert found == pytest.approx(np.broadcast_to(b, a.shape), abs=1e-12)
    pullback = of_function(b, cube, slope_of_cube)
    found = singular.invariant_vjp(u, s, vh, pullback)
    # ⟨B, A AᴴA⟩ is a polynomial.
    ah, bh = adjoint(a), b.conj().T
    assert found == pytest.approx(b @ ah @ a + a @ bh @ a + a @ ah @ b, abs=1e-11)
    for place in range(len(a)):
        alone = singular.invariant_vjp(u[place], s[place], vh[place], pullback)
        assert found[place] == pytest.approx(alone, abs=1e-11)


@pytest.mark.parametrize("scale", [1e-20, 1e20])
@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64"])
@pytest.mark.parametrize("shape", [(3, 3), (3, 2)], ids=str)
def test_homogeneity(shape, dtype, scale, rng):
    """Each gradient is homogeneous of one degree less than its loss."""
    a = stack_of(rng, shape, is_complex=dtype.startswith("complex")).astype(dtype)
    b = random_matrix(rng, *shape, is_complex=np.iscomplexobj(a)).astype(dtype)
    near, far = answers(a, b), answers((a * scale).astype(dtype), b)
    degrees = {"svdvals": 1, "values": 1, "weighted": 0, "nuclear": 0, "factor": 0}
    for name, gradient in near.items():
        reference = gradient * np.float64(scale) ** degrees.get(name, -1)
        tolerance = 1e3 * np.finfo(dtype).eps * np.linalg.norm(reference)
        assert far[name].dtype == dtype
        assert np.linalg.norm(far[name] - reference) <= tolerance, name


def test_large_values_that_single_precision_can_barely_tell_apart():
    """2²⁴ + {4, 2, 0}: neighbouring floats, no trouble for the polar factor."""
    s, eye = np.float32(2.0**24) + np.array([4, 2, 0], np.float32), np.eye(3, dtype=np.float32)
    b = np.array([[1, 2, 3], [0, 4, 5], [0, 0, 6]], np.float32)
    found = singular.polar_vjp(eye, s, eye, b)
    assert found.dtype == np.float32
    expected = (b - b.T) / (s[:, None] + s)
    assert np.abs(found - expected).max() <= 1e-6 * np.abs(expected).max()
    du = np.zeros((3, 3), np.float32)
    du[1, 0] = 2.0
    with pytest.raises(gauge.GaugeError, match="σ₁ and σ₂"):
        singular.svd_vjp(eye, s, eye, du, 0, 0)
    found = singular.svd_vjp(eye, s, eye, du, 0, 0, rtol=0.0)
    # X₂₁ = 1: 1/(σ₁ − σ₂) + 1/(σ₁ + σ₂) below the diagonal.
    assert found[1, 0] == pytest.approx(0.5, rel=1e-6)
    assert found[0, 1] == pytest.approx(0.5, rel=1e-6)


@pytest.mark.parametrize("shape", [(4, 2), (2, 4)], ids=str)
def test_a_decomposition_that_is_not_thin_is_refused(shape, rng):
    u, s, vh = np.linalg.svd(rng.standard_normal(shape))
    message = (
        f"singular vectors of shapes {u.shape} and {vh.shape}: give the thin decomposition, "
        "numpy.linalg.svd(A, full_matrices=False)"
    )
    for call in (
        lambda: singular.svd_vjp(u, s, vh, 0, 0, 0),
        lambda: singular.polar_vjp(u, s, vh, np.ones(shape)),
        lambda: singular.invariant_vjp(u, s, vh, lambda *_: (0, 0, 0)),
    ):
        with pytest.raises(ValueError, match=f"^{escape(message)}$"):
            call()


@pytest.mark.parametrize("stack", [(), (1,)], ids=str)
def test_a_decomposition_that_is_cut_short_is_refused(stack, rng):
    u, s, vh = np.linalg.svd(rng.standard_normal((*stack, 4, 4)))
    with pytest.raises(ValueError, match="give the thin decomposition"):
        singular.svd_vjp(u[..., :2], s[..., :2], vh[..., :2, :], 0, 0, 0)


@pytest.mark.parametrize("shape", [(2, 100), (1, 2, 100), (100, 2), (1, 100, 2)], ids=str)
def test_the_larger_side_sets_the_tolerance(shape):
    u, s, vh = thin(np.broadcast_to(np.eye(*shape[-2:]), shape))
    s = s - np.array([0, 50 * EPS])
    with pytest.raises(gauge.GaugeError, match="σ₁ and σ₂"):
        singular.svd_vjp(u, s, vh, 0, [1.0, 0.0], 0)
    singular.svd_vjp(u, s, vh, 0, [1.0, 0.0], 0, rtol=40 * EPS)


# What depends on the bases is refused.


def test_a_loss_on_the_joint_phase_is_refused(rng):
    u, s, vh = thin(random_matrix(rng, 3, 3, is_complex=True))
    du = np.zeros((3, 3))
    du[0, 1] = 1.0
    phase = np.exp(1j)
    u, vh = u * phase, vh / phase
    with pytest.raises(gauge.GaugeError, match=f"^σ₂: {gauge.TURNED}") as caught:
        singular.svd_vjp(u, s, vh, du, 0, 0)
    assert caught.value.pair == (1, 1)
    assert caught.value.excess == pytest.approx(abs(u[0, 1].imag))
    assert caught.value.allowed == pytest.approx(gauge.default_tol(float))
    # u₁₂ v̄₁₂ does not change with a joint phase.
    dvh = np.zeros((3, 3), complex)
    dvh[1, 0] = u[0, 1].conj()
    singular.svd_vjp(u, s, vh, du * vh[1, 0].conj(), 0, dvh)
    with pytest.raises(gauge.GaugeError):
        singular.invariant_vjp(u, s, vh, lambda *_: (du, 0, 0))


null_shapes = pytest.mark.parametrize("shape", [(3, 3), (5, 3), (3, 5)], ids=str)


@real_or_complex
@null_shapes
@pytest.mark.parametrize("rank", [1, 2])
def test_a_loss_on_null_vectors_is_refused(rank, shape, is_complex, rng):
    """Also through the null vectors that the thin decomposition leaves out."""
    values = np.where(np.arange(3) < rank, np.arange(3, 0, -1.0), 0.0)
    usv = thin(with_values(rng, *shape, values, is_complex=is_complex))
    # A joint term of the last pair: its sign is open, and its basis unless there is one vector.
    b = random_matrix(rng, *shape, is_complex=is_complex)
    last = of_function(b, lambda s: (s <= 1e-9) * 1.0, np.zeros_like)
    with pytest.raises(gauge.GaugeError):
        singular.invariant_vjp(*usv, last)
    unique = rank == 2 and shape == (3, 3) and not is_complex
    if unique:
        # Only a sign is open, which no cotangent shows.
        singular.svd_vjp(*usv, *last(*usv))
    else:
        with pytest.raises(gauge.GaugeError, match=r"σ₂|σ₃"):
            singular.svd_vjp(*usv, *last(*usv), rtol=1e-9)

    # The projectors on the ranges do not depend on them.
    c = hermitian(rng, shape[0], is_complex=is_complex)
    first = of_left_projectors([c, 0 * c], [rank, 3 - rank])
    found = singular.svd_vjp(*usv, *first(*usv), rtol=1e-9)
    assert np.linalg.norm(found) > 0.01
    assert singular.invariant_vjp(*usv, first) == pytest.approx(found, abs=1e-11)


def test_the_projector_on_a_part_of_the_left_null_vectors_is_refused(rng):
    """For a tall matrix, u₃uᵀ₃ is such a part, and for a square one it is the whole."""
    c = hermitian(rng, 4, is_complex=False)
    usv = thin(with_values(rng, 4, 3, [2.0, 1.0, 0.0], is_complex=False))
    part = of_left_projectors([0 * c, c], [2, 1])
    with pytest.raises(gauge.GaugeError, match=f"^σ₃: {gauge.TURNED}: ") as caught:
        singular.svd_vjp(*usv, *part(*usv))
    assert caught.value.excess > caught.value.allowed > 0
    with pytest.raises(gauge.GaugeError, match=r"^σ₃: "):
        singular.invariant_vjp(*usv, part)
    c = c[:3, :3]
    usv = thin(with_values(rng, 3, 3, [2.0, 1.0, 0.0], is_complex=False))
    whole = of_left_projectors([0 * c, c], [2, 1])
    found = singular.svd_vjp(*usv, *whole(*usv))
    assert singular.invariant_vjp(*usv, whole) == pytest.approx(found, abs=1e-11)


def test_a_loss_on_one_of_two_equal_values_is_refused():
    s, eye = np.array([2.0, 1.0, 1.0]), np.eye(3)
    with pytest.raises(gauge.GaugeError, match=f"^σ₂ and σ₃: {escape(gauge.SPREAD)}") as caught:
        singular.svd_vjp(eye, s, eye, 0, [5.0, 1.0, 0.25], 0)
    assert caught.value.excess == 0.75
    found = singular.svd_vjp(eye, s, eye, 0, [5.0, 0.25, 0.25], 0)
    assert found == pytest.approx(np.diag([5.0, 0.25, 0.25]))


def test_a_dependence_on_the_basis_passes_up_to_the_tolerance():
    """Half of 0.1 turns U, and half of that is a turn of U against V, over σ₁ + σ₂."""
    eye, du = np.eye(2), np.array([[0.0, 0.1], [0.0, 0.0]])
    found = singular.svd_vjp(eye, np.ones(2), eye, du, 0, 0, gauge_tol=0.6)
    assert found == pytest.approx(np.array([[0, 0.025], [-0.025, 0]]))
    with pytest.raises(gauge.GaugeError) as caught:
        singular.svd_vjp(eye, np.ones(2), eye, du, 0, 0, gauge_tol=0.4)
    assert (caught.value.excess, caught.value.allowed) == pytest.approx((0.05, 0.04))


def test_a_loss_on_a_value_that_is_zero_is_refused():
    s, eye = np.array([2.0, 0.0]), np.eye(2)
    with pytest.raises(gauge.GaugeError, match=f"^σ₂: {escape(gauge.AT_ZERO)}") as caught:
        singular.svd_vjp(eye, s, eye, 0, [1.0, 0.5], 0)
    assert (caught.value.pair, caught.value.excess) == ((1, 1), 0.5)
    assert singular.svd_vjp(eye, s, eye, 0, [1.0, 0.0], 0) == pytest.approx(np.diag([1.0, 0]))
    # Equal cotangents do not help at zero.
    with pytest.raises(gauge.GaugeError):
        singular.svd_vjp(eye, np.zeros(2), eye, 0, [1.0, 1.0], 0)
    with pytest.raises(gauge.GaugeError):
        singular.invariant_vjp(eye, np.zeros(2), eye, lambda *_: (0, [1.0, 1.0], 0))
    # Nor is a value that is positive any trouble.
    singular.svd_vjp(eye, np.array([2.0, 1e-9]), eye, 0, [1.0, 0.5], 0)


@pytest.mark.parametrize("shape", [(2, 2), (3, 2), (2, 3)], ids=str)
def test_the_polar_factor_of_a_singular_matrix_is_refused(shape, rng):
    a = with_values(rng, *shape, [2.0, 0.0], is_complex=False)
    message = (
        r"^σ₂ = .* is zero to a tolerance of .*: the polar factor depends on the choice of "
        r"singular vectors there$"
    )
    for call in (lambda: singular.polar_factor(a), lambda: singular.polar_vjp(*thin(a), a)):
        with pytest.raises(gauge.GaugeError, match=message) as caught:
            call()
        assert caught.value.pair == (1, 1)
        assert caught.value.excess <= caught.value.allowed
    nearly = with_values(rng, *shape, [2.0, 1e-12], is_complex=False)
    assert np.isfinite(singular.polar_vjp(*thin(nearly), a)).all()
    with pytest.raises(gauge.GaugeError, match=r"^matrix \[1\] of the stack: σ₂ = "):
        singular.polar_factor(np.array([nearly, a]))
    with pytest.raises(gauge.GaugeError, match=r"^σ₁ = 0"):
        singular.polar_factor(0 * a)


@pytest.mark.parametrize("which", range(3))
def test_nan_is_refused(which, rng):
    usv = thin(rng.standard_normal((3, 2)))
    cotangents = [np.zeros_like(x) for x in usv]
    singular.svd_vjp(*usv, *cotangents)
    cotangents[which].flat[-1] = np.nan
    with pytest.raises(gauge.GaugeError):
        singular.svd_vjp(*usv, *cotangents)
    with pytest.raises(gauge.GaugeError):
        singular.invariant_vjp(*usv, lambda *_: cotangents)


def test_a_sign_is_refused_where_several_bases_are_tried(rng):
    u, s, vh = thin(rng.standard_normal((4, 3)))
    w = rng.standard_normal((4, 3))
    singular.svd_vjp(u, s, vh, w, 0, 0)
    with pytest.raises(gauge.GaugeError, match=f"^σ.*: {gauge.VARIES}"):
        singular.invariant_vjp(u, s, vh, lambda *_: (w, 0, 0))
    singular.invariant_vjp(u, s, vh, lambda u, s, vh: (2 * w * u, 0, 0))


@pytest.mark.parametrize("spectrum", [[1.0, 1.0, 0.5], [1.0, 0.0, 0.0]])
def test_a_rotation_is_refused_that_shows_in_other_bases_only(spectrum):
    """Σ|uᵢⱼ|⁴ is stationary where U is the identity."""
    s, eye = np.array(spectrum), np.eye(3)

    def pullback(u, s, vh):
        return 4 * u**3, 0, 0

    assert singular.svd_vjp(eye, s, eye, *pullback(eye, s, eye)) == pytest.approx(0, abs=1e-12)
    with pytest.raises(gauge.GaugeError):
        singular.invariant_vjp(eye, s, eye, pullback)
    singular.invariant_vjp(eye, np.array([3.0, 2.0, 1.0]), eye, pullback)


@pytest.mark.parametrize(("s", "ds"), [([1.0, 1.0], [1.0, 0]), ([1.0, 0], [1.0, 0.5])])
def test_cotangents_of_values_that_belong_to_no_matrix_are_refused(s, ds):
    with pytest.raises(gauge.GaugeError, match=f"^σ.: {gauge.VARIES}"):
        singular.invariant_vjp(np.eye(2), np.array(s), np.eye(2), lambda *_: (0, ds, 0))
    ds = [ds[0] * (x > 0) for x in s]
    found = singular.invariant_vjp(np.eye(2), np.array(s), np.eye(2), lambda *_: (0, ds, 0))
    assert found == pytest.approx(np.diag(ds))


@real_or_complex
@pytest.mark.parametrize("shape", [(3, 3), (4, 3), (3, 6)], ids=str)
@pytest.mark.parametrize(
    "spectrum", [[3, 2, 1], [2, 2, 1], [2, 2, 2], [2, 2, 0], [1, 0, 0], [0] * 3]
)
def test_the_pullback_is_called_as_often_as_documented(spectrum, shape, is_complex, rng):
    positive = [x for x in spectrum if x > 0]
    d = max((positive.count(x) for x in positive), default=0)
    q = max(shape) - len(positive) if len(positive) < 3 else 0
    a = with_values(rng, *shape, np.array(spectrum, float), is_complex=is_complex)
    b, calls = random_matrix(rng, *shape, is_complex=is_complex), []

    def pullback(u, s, vh):
        calls.append(s)
        return of_function(b, identity, np.ones_like)(u, s, vh)

    singular.invariant_vjp(*thin(a), pullback)
    trials = np.ceil(np.log2(3 + 1))
    mixtures = 2 * max(d, q) + 1 if is_complex else max(d + 1, q)
    # Once with the singular values as they are.
    assert 1 < len(calls) <= mixtures + 1 + trials
    merged = [x for x in calls if np.array_equal(x == 0, np.array(spectrum) == 0)]
    merged = [x for x in merged if len(set(x.tolist())) == len(set(spectrum))]
    assert len(merged) >= len(calls) - 1


# Symmetries.

spectra = st.sampled_from([[3, 2, 1], [2, 2, 1], [1, 1, 1], [3, 1, 0], [2, 2, 0], [1, 0, 0]])
around = st.sampled_from([(3, 3), (5, 3), (3, 4)])


@given(seeds, spectra, around, st.booleans())
def test_every_gradient_turns_with_the_matrix(seed, spectrum, shape, is_complex):
    rng = np.random.default_rng(seed)
    a = with_values(rng, *shape, np.array(spectrum, float), is_complex=is_complex)
    b = random_matrix(rng, *shape, is_complex=is_complex)
    p, q = (unitary(rng, n, is_complex=is_complex) for n in shape)
    u, s, vh = thin(a)

    def gradients(u, vh, b):
        pullback = of_function(b, cube, slope_of_cube)
        found = [singular.invariant_vjp(u, s, vh, pullback)]
        if min(spectrum) > 0:
            found.append(singular.polar_vjp(u, s, vh, b))
        if len(set(spectrum)) == len(spectrum) and min(spectrum) > 0:
            found.append(singular.svd_vjp(u, s, vh, *pullback(u, s, vh)))
        return found

    for first, second in zip(gradients(u, vh, b), gradients(p @ u, vh @ q, p @ b @ q), strict=True):
        assert second == pytest.approx(p @ first @ q, abs=1e-10)


@given(seeds, spectra, around, st.booleans())
def test_the_bases_that_are_given_do_not_matter(seed, spectrum, shape, is_complex):
    rng = np.random.default_rng(seed)
    a = with_values(rng, *shape, np.array(spectrum, float), is_complex=is_complex)
    b = random_matrix(rng, *shape, is_complex=is_complex)
    c = [k * hermitian(rng, shape[0], is_complex=is_complex) for k in range(3)]
    u, s, vh = thin(a)
    number = np.unique(-np.array(spectrum), return_inverse=True)[1]
    left = right = turn_within(number, rng, is_complex=is_complex)
    if min(spectrum) == 0:
        # The null vectors turn on either side for themselves.
        right = left @ turn_within(
            np.where(np.array(spectrum) > 0, -1, 0), rng, is_complex=is_complex
        )
        c = [c[0] * (x > 0) for x in sorted(set(spectrum), reverse=True)]

    def gradients(u, vh):
        projectors = of_left_projectors(c, np.unique(number, return_counts=True)[1])
        found = [
            singular.invariant_vjp(u, s, vh, of_function(b, cube, slope_of_cube)),
            singular.svd_vjp(u, s, vh, *projectors(u, s, vh), rtol=1e-9),
        ]
        if min(spectrum) > 0:
            found.append(singular.polar_vjp(u, s, vh, b))
        return found

    turned = gradients(u @ left, right.conj().T @ vh)
    for first, second in zip(gradients(u, vh), turned, strict=True):
        assert second == pytest.approx(first, abs=1e-10)


@given(seeds, around)
def test_only_the_real_part_counts_for_real_vectors(seed, shape):
    rng = np.random.default_rng(seed)
    usv = thin(with_values(rng, *shape, [3.0, 2.0, 1.0], is_complex=False))
    b = random_matrix(rng, *shape, is_complex=True)
    found = singular.polar_vjp(*usv, b)
    assert found.dtype == float
    assert found == pytest.approx(singular.polar_vjp(*usv, b.real))
    pullback, part = (of_function(x, cube, slope_of_cube) for x in (b, b.real))
    found = singular.svd_vjp(*usv, *pullback(*usv))
    assert found.dtype == float
    assert found == pytest.approx(singular.svd_vjp(*usv, *part(*usv)))


def test_a_loss_that_varies_too_fast_for_the_default_is_refused(rng):
    """The logarithms of singular values, of which the default takes two as equal."""
    s, c = np.array([1.0, 2e-9, 1e-9]) + 2e-8, rng.standard_normal((3, 3))

    def pullback(u, s, vh):
        inner = u.T @ c @ vh.T
        return c @ vh.T * np.log(s), np.diag(inner) / s, (u * np.log(s)).T @ c

    eye = np.eye(3)
    with pytest.raises(ValueError, match=r"σ₂.*: the gradient changes by .* smaller rtol"):
        singular.invariant_vjp(eye, s, eye, pullback)
    # Exact for a diagonal matrix: (log σᵢ − log σⱼ)/(σᵢ − σⱼ) for the symmetric part of c.
    ours = singular.invariant_vjp(eye, s, eye, pullback, rtol=1e-14)
    expected = c[1, 2] + c[2, 1]
    ratio = np.log(s[1] / s[2]) / (s[1] - s[2])
    assert ours[1, 2] + ours[2, 1] == pytest.approx(expected * ratio, rel=1e-8)


def near_tie(slope, **settings):
    """At σ = 1 + 10⁻⁹ and 1, the gradient of Σ g(σᵢ) for a slope g′."""
    s, eye = np.array([1.0 + 1e-9, 1.0]), np.eye(2)
    return singular.invariant_vjp(eye, s, eye, lambda u, s, vh: (0, slope(s), 0), **settings)


def test_the_default_takes_nearly_equal_values_as_equal_where_that_can_be_seen_to_do():
    """Also where all of them are, so that none stays as it was."""
    assert near_tie(slope_of_cube) == pytest.approx(3 * np.eye(2), abs=1e-8)

    def steep(x):
        return np.cos((x - 1) / 1e-9)

    with pytest.raises(ValueError, match=r"^σ₁: the gradient changes by 3\.4e-01 "):
        near_tie(steep)
    # Who gives a tolerance, has it.
    assert near_tie(steep, rtol=1e-8) == pytest.approx(np.cos(0.5) * np.eye(2))
    assert near_tie(steep, rtol=1e-12) == pytest.approx(np.diag(np.cos([1.0, 0.0])), abs=1e-6)


@pytest.mark.parametrize(("dtype", "equal"), [("float32", True), ("float64", False)])
def test_the_precision_of_the_vectors_says_what_is_nearly_equal(dtype, equal):
    s, eye, seen = np.array([1 + 1e-4, 1], dtype), np.eye(2, dtype=dtype), []

    def pullback(u, s, vh):
        seen.append(s)
        return 0, 3 * s**2, 0

    found = singular.invariant_vjp(eye, s, eye, pullback)
    assert found.dtype == dtype
    assert sum(x[0] == x[1] for x in seen) == (len(seen) - 1) * equal


@pytest.mark.parametrize("size", [0.0, 1e-17])
def test_at_a_minimum_the_trials_can_be_left_out(size, rng):
    """There, all cotangents are rounding errors, which differ from basis to basis."""
    usv = thin(rng.standard_normal((4, 3)))

    def noise(*usv):
        return tuple(size * rng.standard_normal(x.shape) for x in usv)

    gradient = singular.invariant_vjp(*usv, noise, gauge_tol=np.inf)
    assert np.abs(gradient).max() <= 100 * size
    if size:
        with pytest.raises(gauge.GaugeError):
            singular.invariant_vjp(*usv, noise)


def quartic(z):
    """The cotangent of Re z⁴: it is the same for z, −z and ±iz, and stationary for a real z."""
    return np.conj(4 * z**3)


def of_left_phase(u, s, vh):
    du = np.zeros_like(u)
    du[0, 0] = quartic(u[0, 0])
    return du, 0, 0


def of_phase_between_null_vectors(u, s, vh):
    left, right, dz = u[:, 1], vh[1].conj(), quartic(u[:, 1].conj() @ vh[1].conj()).conj()
    du, dvh = np.zeros_like(u), np.zeros_like(vh)
    du[:, 1], dvh[1] = dz * right, dz * left.conj()
    return du, 0, dvh


@pytest.mark.parametrize("pullback", [of_left_phase, of_phase_between_null_vectors])
def test_a_phase_is_refused_that_neither_signs_nor_right_angles_show(pullback):
    s, eye = np.array([1.0, 0.0]), np.eye(2, dtype=complex)
    assert not singular.svd_vjp(eye, s, eye, *pullback(eye, s, eye)).any()
    with pytest.raises(gauge.GaugeError, match=gauge.VARIES):
        singular.invariant_vjp(eye, s, eye, pullback)


def test_the_bases_that_are_tried_are_the_same_each_time(rng):
    usv = thin(with_values(rng, 4, 3, [2.0, 0.0, 0.0], is_complex=False))
    runs = []
    for _ in range(2):
        seen = []
        singular.invariant_vjp(*usv, lambda *usv, seen=seen: seen.append(usv) or (0, 0, 0))
        runs.append([x for usv in seen for x in usv])
    assert all(map(np.array_equal, *runs))


def test_a_wide_tolerance_makes_a_small_value_zero(rng):
    a = with_values(rng, 3, 2, [2.0, 0.5], is_complex=False)
    for of in (singular.polar_factor, lambda a, **rtol: singular.polar_vjp(*thin(a), a, **rtol)):
        of(a, rtol=0.2)
        with pytest.raises(gauge.GaugeError, match=r"^σ₂ = 5\.0e-01 is zero to a tolerance of"):
            of(a, rtol=0.3)


def test_what_lapack_may_leave_of_a_zero_is_zero_to_the_polar_factor():
    """The iteration for singular values stops at 49 eps, which outweighs 8 n eps for small n."""
    rng = np.random.default_rng(5)
    smallest = 60 * np.finfo(float).eps
    matrix = unitary(rng, 2, is_complex=False) * [1, smallest]
    matrix = matrix @ unitary(rng, 2, is_complex=False)
    with pytest.raises(gauge.GaugeError, match="is zero to a tolerance"):
        singular.polar_factor(matrix)
    assert np.all(np.isfinite(singular.polar_factor(matrix, rtol=1e-15)))
