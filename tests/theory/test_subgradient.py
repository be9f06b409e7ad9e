import numpy as np
import pytest
from drawing import eigenvalue_sum_gradient, random_matrix, seeds, singular_sum_gradient, unitary
from hypothesis import given
from hypothesis import strategies as st

from spectralgrad.matrices import published
from spectralgrad.theory import eigen, exact, gauge, singular, spectrum, subgradient

real_or_complex = pytest.mark.parametrize("is_complex", [False, True])

# Spectra with ties and zeros; the weights are drawn freely, also negative ones.
eigenvalues = st.sampled_from([[1, 2, 3], [1, 1, 3], [1, 1, 1], [-2, -2, 0, 0, 5], [4]])
singular_values = st.sampled_from([[3, 2, 1], [2, 2, 1], [3, 1, 0], [2, 2, 0, 0], [0, 0], [5]])


def eigh_case(seed, values, is_complex):
    rng = np.random.default_rng(seed)
    n = len(values)
    v = unitary(rng, n, is_complex=is_complex)
    return rng, (v * np.array(values, float)) @ v.conj().T, rng.standard_normal(n)


def svd_case(seed, values, extra, is_complex):
    rng = np.random.default_rng(seed)
    k = len(values)
    m, n = k + max(extra, 0), k + max(-extra, 0)
    u = unitary(rng, m, is_complex=is_complex)[:, :k]
    v = unitary(rng, n, is_complex=is_complex)[:, :k]
    return rng, (u * np.array(values, float)) @ v.conj().T, rng.standard_normal(k)


def hermitian(rng, n, is_complex):
    a = random_matrix(rng, n, n, is_complex=is_complex)
    return (a + a.conj().T) / 2


# The Clarke generalised gradient is the convex hull of the limits of gradients at points nearby.
# That definition uses nothing of the description by blocks and majorisation that is tested here.


@given(seeds, eigenvalues, st.booleans())
def test_limits_of_eigenvalue_gradients_and_their_means_belong(seed, values, is_complex):
    rng, matrix, weights = eigh_case(seed, values, is_complex)
    valid = subgradient.eigvalsh(matrix, weights, rtol=1e-9)
    t = 1e-7
    near = [
        eigenvalue_sum_gradient(matrix + t * hermitian(rng, len(values), is_complex), weights)
        for _ in range(4)
    ]
    for gradient in [*near, np.mean(near, axis=0), valid.minimum_norm]:
        assert valid.contains(gradient, tolerance=1e-4).inside


@given(seeds, singular_values, st.integers(-2, 2), st.booleans())
def test_limits_of_singular_value_gradients_and_their_means_belong(seed, values, extra, is_complex):
    rng, matrix, weights = svd_case(seed, values, extra, is_complex)
    valid = subgradient.svdvals(matrix, weights, rtol=1e-9)
    t = 1e-7
    near = [
        singular_sum_gradient(
            matrix + t * random_matrix(rng, *matrix.shape, is_complex=is_complex), weights
        )
        for _ in range(4)
    ]
    for gradient in [*near, np.mean(near, axis=0), valid.minimum_norm]:
        assert valid.contains(gradient, tolerance=1e-4).inside


@given(seeds, singular_values, st.integers(-2, 2), st.booleans())
def test_a_member_supports_the_nuclear_norm_and_the_doubled_rest_does_not(
    seed, values, extra, is_complex
):
    rng, matrix, _ = svd_case(seed, values, extra, is_complex)
    valid = subgradient.svdvals(matrix, np.ones(len(values)))
    u0, v0 = valid.left[:, valid.rank :], valid.right[:, valid.rank :]
    w = random_matrix(rng, u0.shape[1], v0.shape[1], is_complex=is_complex)
    w = w / max(np.linalg.norm(w, 2), 1e-300) if w.size else w
    member = valid.minimum_norm + u0 @ w @ v0.conj().T
    assert valid.contains(member).inside
    other = matrix + random_matrix(rng, *matrix.shape, is_complex=is_complex)
    lower_bound = np.linalg.norm(matrix, "nuc") + np.vdot(member, other - matrix).real
    assert np.linalg.norm(other, "nuc") >= lower_bound - 1e-9
    if w.size:
        outside = valid.minimum_norm + 2 * u0 @ w @ v0.conj().T
        membership = valid.contains(outside)
        assert not membership.inside
        assert membership.excess >= 1 - 1e-9
        assert membership.where.startswith("the block of σ")


@given(seeds, eigenvalues, st.booleans())
def test_minimum_norm_is_smallest_among_members(seed, values, is_complex):
    rng, matrix, weights = eigh_case(seed, values, is_complex)
    valid = subgradient.eigvalsh(matrix, weights, rtol=1e-9)
    gradient = eigenvalue_sum_gradient(
        matrix + 1e-7 * hermitian(rng, len(values), is_complex), weights
    )
    assert np.linalg.norm(valid.minimum_norm) <= np.linalg.norm(gradient) + 1e-4


@given(seeds, eigenvalues, st.booleans())
def test_differentiable_means_one_gradient(seed, values, is_complex):
    _, matrix, weights = eigh_case(seed, values, is_complex)
    simple = len(set(values)) == len(values)
    assert subgradient.eigvalsh(matrix, weights, rtol=1e-9).differentiable == simple
    equal = subgradient.eigvalsh(matrix, np.ones(len(values)), rtol=1e-9)
    assert equal.differentiable
    assert equal.minimum_norm == pytest.approx(np.eye(len(values)))


@given(seeds, st.tuples(st.integers(1, 5), st.integers(1, 5)), st.integers(0, 5), st.booleans())
def test_ranges_and_null_spaces_of_the_sum_of_singular_values(seed, shape, rank, is_complex):
    """U₁V₁ᴴ and W of every matrix, from orthonormal bases of all of both spaces."""
    rank = min(rank, *shape)
    values = np.where(np.arange(min(shape)) < rank, 2.0, 0.0)
    rng, matrix, _ = svd_case(seed, values, shape[0] - shape[1], is_complex)
    valid = subgradient.svdvals(matrix, np.ones(len(values)))
    assert valid.rank == rank
    for basis in (valid.left, valid.right):
        assert basis.conj().T @ basis == pytest.approx(np.eye(len(basis)))
    u0, v0 = valid.left[:, rank:], valid.right[:, rank:]
    assert np.linalg.norm(u0.conj().T @ matrix) == pytest.approx(0, abs=1e-12)
    assert np.linalg.norm(matrix @ v0) == pytest.approx(0, abs=1e-12)
    assert valid.minimum_norm == pytest.approx(matrix / 2)
    gradient = random_matrix(rng, *matrix.shape, is_complex=is_complex)
    w = valid.null_part(gradient)
    assert w.shape == (u0.shape[1], v0.shape[1])
    assert np.linalg.norm(w) == pytest.approx(np.linalg.norm(u0.conj().T @ gradient @ v0))


@given(seeds)
def test_the_null_part_recovers_w_and_its_determinant_is_that_of_the_gradient(seed):
    rng = np.random.default_rng(seed)
    valid = subgradient.svdvals(published.MATRICES["blog-rank-2"], np.ones(5))
    w = unitary(rng, 3, is_complex=False)
    gradient = valid.minimum_norm + valid.left[:, 2:] @ w @ valid.right[:, 2:].T
    found = valid.null_part(gradient)
    assert found[:-1] == pytest.approx(w[:-1])
    assert np.abs(found[-1]) == pytest.approx(np.abs(w[-1]))
    assert valid.residual(gradient) == pytest.approx(0, abs=1e-12)
    assert np.linalg.det(gradient) == pytest.approx(np.linalg.det(found))


@pytest.mark.parametrize("sign", [1, -1])
def test_the_sign_of_the_null_part_means_the_same_whatever_the_library_returns(sign):
    matrix = np.diag([3.0, 2.0, 0.0, 0.0])
    matrix[0] *= sign
    valid = subgradient.svdvals(matrix, np.ones(4))
    gradient = valid.minimum_norm + np.diag([0.0, 0.0, 0.5, 0.5])
    assert np.linalg.det(valid.null_part(gradient)) == pytest.approx(np.linalg.det(gradient))


def test_the_residual_sees_what_does_not_fit():
    valid = subgradient.svdvals(np.diag([1.0, 0.0]), np.ones(2))
    assert valid.residual(np.diag([3.0, 0.5])) == pytest.approx(2.0)


@pytest.mark.parametrize("diagonal", [[1.0, -2.0], [3.0, -2.0, 0.0]])
def test_null_vectors_are_oriented_and_nothing_else(diagonal):
    """Of a regular matrix there are none, and its sign is its own."""
    valid = subgradient.svdvals(np.diag(diagonal).astype(np.float32), np.ones(len(diagonal)))
    assert valid.minimum_norm == pytest.approx(np.diag(np.sign(diagonal)))
    assert valid.null_part(np.diag(diagonal)).shape == (diagonal.count(0.0),) * 2
    assert all(x.dtype == float for x in (valid.left, valid.right))


def test_zero_is_an_eigenvalue_like_any_other():
    assert subgradient.eigvalsh(np.zeros((2, 2)), [1, 1]).differentiable
    assert not subgradient.eigvalsh(np.zeros((2, 2)), [1, 0]).differentiable


def test_membership_says_where_it_fails():
    valid = subgradient.eigvalsh(np.diag([1.0, 1.0, 3.0]), [1, 0, 0])
    assert valid.contains(np.diag([0.25, 0.75, 0.0])).inside
    off_block = valid.contains([[0.5, 0, 0.1], [0, 0.5, 0], [0.1, 0, 0]])
    assert not off_block.inside
    assert off_block.where == "the entries off the blocks"
    too_far = valid.contains(np.diag([1.5, -0.5, 0.0]))
    assert (too_far.where, too_far.inside) == ("the block of λ₁ and λ₂", False)
    # The nearest member is diag(1, 0, 0).
    assert too_far.excess == pytest.approx(np.sqrt(0.5))
    wrong_trace = valid.contains(np.diag([0.5, 0.25, 0.0]))
    assert wrong_trace.excess == pytest.approx(0.25 / np.sqrt(2))
    skew = valid.contains([[0.5, 0.2, 0], [-0.2, 0.5, 0], [0, 0, 0]])
    assert skew.excess == pytest.approx(0.2 * np.sqrt(2))


@given(seeds, singular_values, st.booleans())
def test_what_lies_within_the_tolerance_belongs(seed, values, is_complex):
    """A member plus something of norm t is at most t away, so that its excess is no more."""
    rng, matrix, weights = svd_case(seed, values, 1, is_complex)
    valid = subgradient.svdvals(matrix, weights, rtol=1e-9)
    t = 10.0 ** rng.uniform(-3, 1)
    move = random_matrix(rng, *matrix.shape, is_complex=is_complex)
    moved = valid.minimum_norm + t * move / np.linalg.norm(move)
    assert valid.contains(moved).excess <= t * (1 + 1e-9) + 1e-12


def test_the_excess_is_the_distance_where_all_values_are_scaled():
    valid = subgradient.svdvals(np.zeros((4, 4)), np.ones(4))
    assert valid.contains(1.5 * np.eye(4)).excess == pytest.approx(np.linalg.norm(0.5 * np.eye(4)))


@pytest.mark.parametrize("weights", [[1.0], [1.0, 1.0, 1.0], 1.0])
@pytest.mark.parametrize("of", [subgradient.eigvalsh, subgradient.svdvals])
def test_the_wrong_number_of_weights_is_refused(of, weights):
    with pytest.raises(ValueError, match="give 2 of them"):
        of(np.eye(2), weights)


@pytest.mark.parametrize("n", [2, 8, 50])
def test_the_tolerance_is_no_larger_than_the_condition_asks(n):
    """For a perfect condition, rounding errors and nothing more."""
    valid = subgradient.svdvals(np.eye(n), np.ones(n))
    assert valid.tolerance <= (16 * n + 100) * np.finfo(float).eps
    assert subgradient.svdvals(np.diag([1.0, 1e-9]), np.ones(2)).tolerance < 1e-4


@pytest.mark.parametrize("shape", [(2, 2), (2, 3), (3, 2)])
def test_a_small_value_counts_in_the_tolerance_though_the_weights_are_equal(shape):
    """Its vectors turn easily: against those of the sum, and against null vectors."""
    matrix = np.zeros(shape)
    np.fill_diagonal(matrix, [1.0, 1e-6])
    small, large = subgradient.svdvals(matrix, [1, 1]), subgradient.svdvals(np.eye(2), [1, 1])
    assert small.tolerance > 1e5 * large.tolerance


@pytest.mark.parametrize("n", [1, 3])
@pytest.mark.parametrize(
    ("dtype", "eps", "stop"),
    # xBDSQR stops at max(10, u^(−1/8)) u, for u = 2⁻²⁴ and 2⁻⁵³: from 10 and 2^(53/8).
    [("float32", 2.0**-23, 10 * 2.0**-24), ("complex128", 2.0**-52, 2.0 ** (53 / 8 - 53))],
)
def test_the_tolerances_are_those_that_are_documented(dtype, eps, stop, n):
    identity, weights, rounding = np.eye(n, dtype=dtype), np.full(n, 0.25), 8 * n * eps * 0.25
    valid = subgradient.eigvalsh(identity, weights)
    # No divided difference counts, since all weights are equal.
    assert valid.rounding == valid.tolerance == rounding
    valid = subgradient.svdvals(2 * identity, weights)
    assert valid.rounding == rounding
    backward = (8 * n * eps + 2 * stop) * 2 * (0.25 / 2)
    assert valid.tolerance == pytest.approx(rounding + backward, rel=1e-12, abs=0)


@pytest.mark.parametrize("of", [subgradient.eigvalsh, subgradient.svdvals])
def test_what_is_said_of_the_set_is_in_double_precision(of):
    matrix, weights = np.diag([1.0, 0.75]).astype(np.float32), [2, 3]
    valid = of(matrix, weights, rtol=0.5)
    assert (valid.rtol, valid.clusters) == (0.5, [slice(0, 2)])
    assert sorted(valid.values) == [0.75, 1.0]
    assert valid.weights.tolist() == weights
    for array in (valid.values, valid.weights, valid.left, valid.right):
        assert array.dtype == float


@pytest.mark.parametrize("given", [None, 0.5])
def test_what_is_not_finite_does_not_belong(given):
    valid = subgradient.eigvalsh(np.eye(2), [1, 0])
    membership = valid.contains([[np.nan, 0], [0, 1]], tolerance=given)
    tolerance = given or valid.tolerance
    assert membership == subgradient.Membership(
        False, np.inf, "a number that is not finite", False, tolerance
    )


def test_an_extreme_point_that_is_exact_needs_no_tolerance():
    valid = subgradient.eigvalsh(np.diag([1.0, 1.0, 3.0]), [1, 0, 0])
    membership = valid.contains(np.diag([1.0, 0.0, 0.0]), tolerance=0.0)
    assert membership.excess == 0.0
    assert (membership.inside, membership.extreme, membership.tolerance) == (True, True, 0.0)


@pytest.mark.parametrize("gap", [1e-2, 1e-4, 1e-6])
def test_the_tolerance_grows_as_the_condition_does(gap):
    def tolerance(g, weights):
        return subgradient.eigvalsh(np.diag([1.0, 1.0 + g, 3.0]), weights).tolerance

    assert tolerance(gap / 10, [1, 0, 0]) == pytest.approx(10 * tolerance(gap, [1, 0, 0]), rel=0.01)
    # With equal weights the pair does not matter, however close.
    assert tolerance(gap / 10, [1, 1, 0]) == pytest.approx(tolerance(gap, [1, 1, 0]), rel=0.01)


@given(seeds, st.integers(2, 8), st.floats(-9, 0), st.booleans(), st.booleans())
def test_rounding_of_lapack_stays_within_the_tolerance(seed, n, exponent, is_complex, singular_):
    """A backward stable routine must not be called wrong, whatever the gaps."""
    rng = np.random.default_rng(seed)
    values = np.sort(rng.random(n) + 0.5)
    values[1] = values[0] + 10.0**exponent
    values, weights = np.sort(values), rng.standard_normal(n)
    u, v = (unitary(rng, n, is_complex=is_complex) for _ in range(2))
    if singular_:
        values = values[::-1]
        matrix = (u * values) @ v.conj().T
        valid, reference = subgradient.svdvals(matrix, weights), (u * weights) @ v.conj().T
    else:
        matrix = (u * values) @ u.conj().T
        valid, reference = subgradient.eigvalsh(matrix, weights), (u * weights) @ u.conj().T
    # The matrix is built with rounding errors of its own, hence the factor.
    assert np.linalg.norm(valid.minimum_norm - reference) <= 2 * valid.tolerance


# The set, its nearest points and its extreme ones.


def drawn_set(seed, problem, values, extra, is_complex):
    """A generalised gradient, and a direction in which its rows and columns are not special."""
    if problem == "eigh":
        rng, matrix, weights = eigh_case(seed, values, is_complex)
        return rng, matrix, subgradient.eigvalsh(matrix, weights, rtol=1e-9)
    rng, matrix, weights = svd_case(seed, values, extra, is_complex)
    return rng, matrix, subgradient.svdvals(matrix, weights, rtol=1e-9)


def direction_for(rng, valid, is_complex):
    shape = valid.left.shape[0], valid.right.shape[0]
    e = random_matrix(rng, *shape, is_complex=is_complex)
    return e if valid.problem == "svd" else (e + e.conj().T) / 2


cases = st.one_of(
    st.tuples(st.just("eigh"), eigenvalues, st.just(0)),
    st.tuples(st.just("svd"), singular_values, st.integers(-2, 2)),
)


@given(seeds, cases, st.booleans())
def test_the_projection_is_the_nearest_point(seed, case, is_complex):
    """⟨G − P, X − P⟩ ≤ 0 for all X of a convex set, in particular for its extreme points."""
    rng, _, valid = drawn_set(seed, *case, is_complex)
    e = direction_for(rng, valid, is_complex)
    far = valid.minimum_norm + 10.0 ** rng.uniform(-2, 1) * e
    # Not Hermitian, and off the blocks as well.
    far = far + 0.1 * random_matrix(rng, *e.shape, is_complex=is_complex)
    nearest = valid.project(far)
    # What is subtracted leaves rounding errors of its own size.
    rounding = valid.tolerance + 1e-14 * np.linalg.norm(far)
    assert valid.contains(nearest, tolerance=rounding).inside
    points = [valid.extreme_point(direction_for(rng, valid, is_complex)) for _ in range(5)]
    points += [valid.extreme_point(far - nearest), valid.minimum_norm, np.mean(points, axis=0)]
    for point in points:
        assert valid.contains(point).inside
        assert np.vdot(far - nearest, point - nearest).real <= 1e-10
    membership = valid.contains(far)
    assert membership.excess == pytest.approx(np.linalg.norm(far - nearest))
    assert membership.excess <= np.linalg.norm(far - valid.minimum_norm) + 1e-12


@given(seeds, cases, st.booleans())
def test_the_projection_leaves_members_alone(seed, case, is_complex):
    rng, _, valid = drawn_set(seed, *case, is_complex)
    first, second = (valid.extreme_point(direction_for(rng, valid, is_complex)) for _ in range(2))
    for share in (0.0, 0.3, 1.0):
        member = share * first + (1 - share) * second
        assert valid.project(member) == pytest.approx(member, abs=1e-12)
        # The norm of a member is at most that of the weights.
        assert valid.contains(member + 5 * np.eye(*member.shape)).excess > 1e-3


@given(seeds, cases, st.booleans())
def test_the_support_is_the_largest_inner_product(seed, case, is_complex):
    rng, _, valid = drawn_set(seed, *case, is_complex)
    e = direction_for(rng, valid, is_complex)
    support = valid.support(e)
    assert np.vdot(valid.extreme_point(e), e).real == pytest.approx(support, abs=1e-11)
    for _ in range(5):
        member = valid.extreme_point(direction_for(rng, valid, is_complex))
        assert np.vdot(member, e).real <= support + 1e-11
    assert np.vdot(valid.minimum_norm, e).real <= support + 1e-11
    assert valid.support(2 * e) == pytest.approx(2 * support)


@given(seeds, cases, st.booleans())
def test_the_slope_lies_between_the_extremes(seed, case, is_complex):
    rng, _, valid = drawn_set(seed, *case, is_complex)
    e = direction_for(rng, valid, is_complex)
    slope, back = valid.directional_derivative(e), -valid.directional_derivative(-e)
    for x in (slope, back):
        assert -valid.support(-e) - 1e-11 <= x <= valid.support(e) + 1e-11
    gradient = np.vdot(valid.minimum_norm, e).real
    if valid.differentiable:
        assert slope == pytest.approx(gradient, abs=1e-11)
        assert valid.support(e) == pytest.approx(gradient, abs=1e-11)
    else:
        assert valid.support(e) + valid.support(-e) > 1e-9


@given(seeds, st.booleans())
def test_the_slope_is_the_largest_inner_product_for_convex_functions(seed, is_complex):
    """The largest eigenvalue and the nuclear norm; for the smallest eigenvalue, the smallest."""
    rng = np.random.default_rng(seed)
    e = hermitian(rng, 3, is_complex)
    largest = subgradient.eigvalsh(np.diag([1.0, 3.0, 3.0]), [0, 0, 1])
    assert largest.directional_derivative(e) == pytest.approx(largest.support(e))
    assert -largest.directional_derivative(-e) <= largest.directional_derivative(e) + 1e-12
    block = np.linalg.eigvalsh(e[1:, 1:])
    assert largest.directional_derivative(e) == pytest.approx(block[-1])
    smallest = subgradient.eigvalsh(np.diag([1.0, 1.0, 3.0]), [1, 0, 0])
    assert smallest.directional_derivative(e) == pytest.approx(-smallest.support(-e))
    assert -smallest.directional_derivative(-e) >= smallest.directional_derivative(e) - 1e-12
    nuclear = subgradient.svdvals(np.diag([2.0, 0.0, 0.0]), [1, 1, 1])
    assert nuclear.directional_derivative(e) == pytest.approx(nuclear.support(e))


def orthonormal(rng, m, k, is_complex):
    """Orthonormal to 50 digits, by Newton's iteration."""
    x = exact.lift(unitary(rng, m, is_complex=is_complex)[:, :k])
    for _ in range(2):
        x = x * 1.5 - x @ (x.conj().T @ x) / 2
    return x


@real_or_complex
@pytest.mark.parametrize(
    ("values", "weights"),
    [
        ([1, 1, 3], [1, 0, 0]),
        ([1, 1, 3], [0, 1, 0]),
        ([1, 3, 3], [0, 0, 1]),
        ([2, 2, 2], [0.5, -1, 2]),
        ([0, 0, 1, 1], [3, 1, -2, 0.25]),
    ],
)
def test_slopes_of_eigenvalues_against_quotients_in_50_digits(values, weights, is_complex, rng):
    v = orthonormal(rng, len(values), len(values), is_complex)
    a, e = (v * np.array(values)) @ v.conj().T, hermitian(rng, len(values), is_complex)

    def f(x):
        return np.sum(exact.eigvalsh(x) * np.array(weights))

    t = exact.MP.mpf(10) ** -20
    valid = subgradient.eigvalsh(a.astype(complex if is_complex else float), weights, rtol=1e-12)
    assert not valid.differentiable
    for direction in (e, -e):
        slope = float((f(a + t * exact.lift(direction)) - f(a)) / t)
        assert valid.directional_derivative(direction) == pytest.approx(slope, abs=1e-13)


@real_or_complex
@pytest.mark.parametrize("shape", [(3, 3), (2, 3), (3, 2), (4, 3)], ids=str)
@pytest.mark.parametrize("values", [[2, 2, 1], [2, 1, 0], [2, 0, 0], [0, 0, 0], [3, 3, 3]])
def test_slopes_of_singular_values_against_quotients_in_50_digits(values, shape, is_complex, rng):
    k = min(shape)
    u, v = (orthonormal(rng, size, k, is_complex) for size in shape)
    a = (u * np.array(values[:k])) @ v.conj().T
    weights, e = rng.standard_normal(k), random_matrix(rng, *shape, is_complex=is_complex)

    def f(x):
        return np.sum(exact.svdvals(x) * weights)

    t = exact.MP.mpf(10) ** -20
    valid = subgradient.svdvals(a.astype(complex if is_complex else float), weights, rtol=1e-12)
    for direction in (e, -e):
        slope = float((f(a + t * exact.lift(direction)) - f(a)) / t)
        assert valid.directional_derivative(direction) == pytest.approx(slope, abs=1e-13)
    assert valid.differentiable == (len(set(values[:k])) == k and values[k - 1] > 0)


@given(seeds, cases, st.booleans())
def test_what_a_library_returns_is_extreme_and_the_mean_is_not(seed, case, is_complex):
    rng, matrix, valid = drawn_set(seed, *case, is_complex)
    if valid.problem == "eigh":
        answer = eigenvalue_sum_gradient(matrix, valid.weights)
    else:
        answer = singular_sum_gradient(matrix, valid.weights)
    membership = valid.contains(answer)
    assert (membership.inside, membership.extreme) == (True, True)
    assert valid.contains(valid.extreme_point(direction_for(rng, valid, is_complex))).extreme
    middle = valid.contains(valid.minimum_norm)
    assert (middle.inside, middle.extreme) == (True, valid.differentiable)


@real_or_complex
@pytest.mark.parametrize("problem", ["eigh", "svd"])
def test_a_random_basis_of_a_cluster_gives_extreme_points(problem, is_complex, rng):
    values, weights = np.array([3.0, 3.0, 3.0, 1.0]), np.array([1.0, -2.0, 0.5, 4.0])
    alike = spectrum.in_one_cluster([0, 0, 0, -1])
    q = gauge.unitary(alike, rng, is_complex=is_complex)
    matrix = np.diag(values).astype(q.dtype)
    if problem == "eigh":
        valid = subgradient.eigvalsh(matrix[::-1, ::-1], weights[::-1])
        q = q[::-1, ::-1]
        answer, equal = (eigen.eigvalsh_vjp(q, w) for w in (weights[::-1], [4.0, 0, 0, 0]))
    else:
        valid = subgradient.svdvals(matrix, weights)
        answer, equal = (singular.svdvals_vjp(q, q.conj().T, w) for w in (weights, [0, 0, 0, 4.0]))
    assert valid.contains(answer).extreme
    assert not valid.contains(equal).inside
    assert valid.contains(valid.minimum_norm).inside


def test_the_mean_of_two_extreme_points_is_none():
    valid = subgradient.svdvals(np.zeros((2, 3)), [1, 1])
    first, second = np.eye(2, 3), np.eye(2, 3)[::-1]
    assert all(valid.contains(x).extreme for x in (first, second, -first))
    middle = valid.contains((first + second) / 2)
    assert (middle.inside, middle.extreme) == (True, False)


def test_the_empty_matrix_has_the_empty_gradient():
    for of in (subgradient.eigvalsh, subgradient.svdvals):
        valid = of(np.zeros((0, 0)), [])
        assert valid.differentiable
        assert valid.minimum_norm.shape == (0, 0)
        assert valid.contains(np.zeros((0, 0))).inside
        assert (
            valid.support(np.zeros((0, 0))) == valid.directional_derivative(np.zeros((0, 0))) == 0
        )


@pytest.mark.parametrize("scale", [1e-20, 1e20])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_set_does_not_change_with_the_scale(scale, dtype, rng):
    """The function is homogeneous of degree 1."""
    matrix, e = np.diag([2.0, 2.0, 1.0]), hermitian(rng, 3, False)
    for of in (subgradient.eigvalsh, subgradient.svdvals):
        near, far = (of((s * matrix).astype(dtype), [1, 2, 3]) for s in (1.0, scale))
        assert far.minimum_norm == pytest.approx(near.minimum_norm)
        assert far.clusters == near.clusters
        assert far.tolerance == pytest.approx(near.tolerance)
        assert far.support(e) == pytest.approx(near.support(e))
        assert far.directional_derivative(e) == pytest.approx(near.directional_derivative(e))


def test_large_eigenvalues_that_single_precision_can_barely_tell_apart():
    values = np.float32(2.0**24) + np.array([0, 2, 4], np.float32)
    assert len(subgradient.eigvalsh(np.diag(values), [1, 0, 0]).clusters) == 1
    assert len(subgradient.eigvalsh(np.diag(values).astype(float), [1, 0, 0]).clusters) == 3
    valid = subgradient.eigvalsh(np.diag(values), [1, 0, 0], rtol=0.0)
    assert valid.minimum_norm == pytest.approx(np.diag([1.0, 0, 0]))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("of", [subgradient.eigvalsh, subgradient.svdvals])
def test_what_is_not_finite_is_refused(of, bad):
    with pytest.raises(ValueError, match=r"^weights that are not finite; give finite numbers$"):
        of(np.eye(2), [1.0, bad])
    with pytest.raises(ValueError, match=r"^a matrix that is not finite; give finite numbers$"):
        of(np.diag([1.0, bad]), [1.0, 1.0])


def test_the_set_of_a_real_matrix_is_real():
    valid = subgradient.eigvalsh(np.eye(2), [0, 1])
    complex_element = np.array([[0.5, 0.5j], [-0.5j, 0.5]])
    assert not valid.contains(complex_element).inside
    assert valid.contains(complex_element).excess == pytest.approx(np.sqrt(0.5))
    assert subgradient.eigvalsh(np.eye(2, dtype=complex), [0, 1]).contains(complex_element).extreme


@pytest.mark.parametrize(
    ("of", "weights", "convex"),
    [
        (subgradient.eigvalsh, [-1, 0, 2], True),
        (subgradient.eigvalsh, [1, 0, 2], False),
        (subgradient.svdvals, [2, 1, 0], True),
        (subgradient.svdvals, [1, 2, 0], False),
        (subgradient.svdvals, [1, 0, -1], False),
    ],
)
def test_convex(of, weights, convex, rng):
    valid = of(np.diag([1.0, 2.0, 3.0]), weights)
    assert valid.convex == convex

    # Convex means: f at the mean of two matrices is at most the mean of f.
    def f(a):
        spectrum_of = np.linalg.eigvalsh if of is subgradient.eigvalsh else np.linalg.svdvals
        return spectrum_of(a) @ np.array(weights, float)

    pairs = [[hermitian(rng, 3, False) for _ in range(2)] for _ in range(200)]
    assert all(2 * f((a + b) / 2) <= f(a) + f(b) + 1e-12 for a, b in pairs) == convex


def test_one_weight_on_the_zeros_is_enough_for_a_kink():
    """The zero cluster is fixed only if none of its values has a weight."""
    matrix = np.diag([2.0, 0.0, 0.0])
    assert not subgradient.svdvals(matrix, [1, 1, 0]).differentiable
    assert subgradient.svdvals(matrix, [1, 0, 0]).differentiable


def test_a_cluster_is_named_by_its_first_and_last_value():
    valid = subgradient.svdvals(np.diag([3.0, 3.0, 1.0, 0.0, 0.0]), np.ones(5))
    assert [valid.name(slice(*c)) for c in ((3, 4), (3, 5), (2, 5))] == [
        "σ₄",
        "σ₄ and σ₅",
        "σ₃ to σ₅",
    ]
