import warnings

import numpy as np
import pytest
import scipy.linalg
import scipy.sparse as sp
from grids import grid, grid_values, path, path_pairs
from hard import general, hermitian
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse.linalg import LinearOperator, aslinearoperator

from spectralgrad.theory import eigen, gauge, krylov, large, singular
from spectralgrad.theory.symmetric import adjoint, hermitian_part

real_or_complex = pytest.mark.parametrize("dtype", [np.float64, np.complex128])


def normal(rng, shape, dtype):
    drawn = rng.standard_normal(shape)
    return drawn + 1j * rng.standard_normal(shape) if np.dtype(dtype).kind == "c" else drawn


def places(values, which, k):
    """Where the values stand that are asked for, ascending."""
    far = {"smallest": values, "largest": -values}
    return np.sort(np.argsort(far[which] if which in far else np.abs(values - which))[:k])


def error(found, expected):
    return np.linalg.norm(found - expected) / np.linalg.norm(expected)


def weighing(weights, C):
    """The cotangent of Σ wᵢ vᵢᴴ C vᵢ, which no phase changes."""
    return lambda vectors: 2 * hermitian_part(C) @ vectors * weights


@real_or_complex
@pytest.mark.parametrize("n", [1, 2, 3, 5, 20, 65, 200])
@pytest.mark.parametrize("kind", ["regular", "graded", "large", "small"])
@pytest.mark.parametrize("which", ["smallest", "largest", "near"])
def test_as_the_dense_rule(n, kind, which, dtype):
    """Values and vectors, of sparse matrices and of operators, to 1e-10 and to the bound."""
    if n == 1 and kind == "graded":
        pytest.skip("one value has no grades")
    rng = np.random.default_rng(n)
    hard = hermitian("regular" if n < 2 else kind, n, dtype, rng)
    values, V = np.linalg.eigh(hard.matrix)
    k, which = min(2, n), values[n // 2] + 1e-3 * values[-1] if which == "near" else which
    if kind == "graded" and which == "smallest":
        # Beside 1, these are one value to Lanczos' method.
        which = 0.0
    kept = places(values, which, k)
    lam, cotangent = rng.standard_normal(k), weighing(1 + np.arange(k), normal(rng, (n, n), dtype))
    all_lam, all_bar = np.zeros(n), np.zeros_like(V)
    all_lam[kept], all_bar[:, kept] = lam, cotangent(V[:, kept])
    expected = eigen.eigh_vjp(values, V, all_lam, all_bar)
    for make in (sp.csr_array, aslinearoperator):
        if make is aslinearoperator and not isinstance(which, str) and n > krylov.DENSE:
            continue
        pairs = krylov.eigen(make(hard.matrix), k, which)
        found = large.eigen_vjp(pairs, lam, cotangent(pairs.vectors))
        # To what a backward error does in either of them.
        gaps = np.abs(np.subtract.outer(values, values[kept]))
        gap = gaps[gaps > 0].min(initial=values[-1])
        assert error(found.toarray(), expected) <= 1e-10 * max(1, 1e-3 * values[-1] / gap)
        assert error(found.toarray(), expected) <= max(100 * found.error, 1e-13)


@real_or_complex
@pytest.mark.parametrize("shape", [(1, 1), (2, 3), (5, 3), (60, 50), (100, 100)])
@pytest.mark.parametrize("which", ["smallest", "largest", "near"])
def test_singular_values_and_vectors_as_the_dense_rule(shape, which, dtype):
    rng = np.random.default_rng(5)
    hard = general("regular", *shape, dtype, rng)
    u, s, vh = np.linalg.svd(hard.matrix, full_matrices=False)
    k, which = min(2, *shape), float(s.mean()) if which == "near" else which
    kept, C, sigma = places(s, which, k), normal(rng, shape, dtype), rng.standard_normal(k)

    def cotangent(u, vh):
        return C @ adjoint(vh) * np.arange(1, k + 1), adjoint(adjoint(C) @ u * np.arange(1, k + 1))

    bars = [np.zeros_like(x) for x in (u, s, vh)]
    bars[1][kept] = sigma
    bars[0][:, kept], bars[2][kept] = cotangent(u[:, kept], vh[kept])
    expected = singular.svd_vjp(u, s, vh, *bars)
    triplets = krylov.singular(sp.csr_array(hard.matrix), k, which)
    u_bar, vh_bar = cotangent(triplets.u, triplets.vh)
    found = large.singular_vjp(triplets, u_bar, sigma, vh_bar)
    assert error(found.toarray(), expected) <= 1e-9
    assert error(found.toarray(), expected) <= max(100 * found.error, 1e-13)


@real_or_complex
@pytest.mark.parametrize("n", [5, 100])
@pytest.mark.parametrize("which", ["smallest", "largest", "near"])
def test_generalised_gradients_against_differences(n, which, dtype):
    rng = np.random.default_rng(6)
    A, E, F, C = (hermitian_part(normal(rng, (n, n), dtype)) for _ in range(4))
    B = hermitian("graded", n, dtype, rng).matrix + np.eye(n)
    which, lam, k = 0.01 if which == "near" else which, rng.standard_normal(3), 3
    cotangent = weighing(np.arange(1, k + 1), C)

    def loss(A, B):
        values, V = scipy.linalg.eigh(A, B)
        kept = places(values, which, k)
        of_vectors = np.vdot(V[:, kept], cotangent(V[:, kept])).real / 2
        return values[kept] @ lam + of_vectors

    pairs = krylov.eigen(sp.csr_array(A), k, which, b=sp.csr_array(B))
    found, h = large.eigen_vjp(pairs, lam, cotangent(pairs.vectors)), 1e-5
    in_a = (loss(A + h * E, B) - loss(A - h * E, B)) / (2 * h)
    in_b = (loss(A, B + h * F) - loss(A, B - h * F)) / (2 * h)
    assert found.along(E) == pytest.approx(in_a, rel=1e-5, abs=1e-6)
    assert found.of_b.along(F) == pytest.approx(in_b, rel=1e-5, abs=1e-6)


@real_or_complex
@pytest.mark.parametrize("scale", [1e-8, 1.0, 1e6])
@pytest.mark.parametrize("which", ["smallest", "largest"])
def test_the_error_of_a_generalised_gradient(which, scale, dtype):
    """Would catch one in the norm of B, or that of the gradient in A said of that in B."""
    n, rng = 100, np.random.default_rng(20)
    A, C = (hermitian_part(normal(rng, (n, n), dtype)) for _ in range(2))
    B = scale * (hermitian("graded", n, dtype, rng).matrix + np.eye(n) / 10)
    one, other = (
        krylov.eigen(sp.csr_array(A), 2, which, b=sp.csr_array(B), tol=t) for t in (0, 1e-6)
    )
    cotangent, lam = weighing([1, 2], C), [1, 2]
    for values, vectors in ((lam, False), (0, True)):
        exact, found = (
            large.eigen_vjp(x, values, cotangent(x.vectors) * vectors) for x in (one, other)
        )
        assert error(found.toarray(), exact.toarray()) <= found.error
        assert error(found.of_b.toarray(), exact.of_b.toarray()) <= found.of_b.error


@real_or_complex
@pytest.mark.parametrize("n", [3, 20, 150])
def test_second_derivative_as_the_dense_one(n, dtype):
    rng = np.random.default_rng(7)
    hard, E = hermitian("regular", n, dtype, rng), hermitian_part(normal(rng, (n, n), dtype))
    values, V = np.linalg.eigh(hard.matrix)
    pairs = krylov.eigen(hard.matrix, 2, "largest")
    for i in range(2):
        expected = eigen.eigenvalue_second_derivative(values, V, n - 2 + i, E)
        found = large.eigenvalue_second_derivative(pairs, i, sp.csr_array(E))
        assert found == pytest.approx(expected, rel=1e-9)


@given(st.integers(3, 40), st.integers(3, 40), st.integers(0, 2**16))
@settings(max_examples=15, deadline=None)
def test_gradient_of_a_value_on_the_pattern(m, n, seed):
    """It is vvᴴ where the matrix has entries, in the order of these, whatever the format."""
    if m == n:
        n += 1
    rng = np.random.default_rng(seed)
    matrix = grid(m, n) + sp.diags_array(rng.random(m * n))
    pairs = krylov.eigen(matrix, 1, -0.01)
    v = pairs.vectors[:, 0]
    for kind in ("csr", "csc", "coo", "dia"):
        given_one = matrix.asformat(kind)
        found = large.eigen_vjp(pairs, 2.0).on(given_one)
        rows, columns = found.tocoo().coords
        np.testing.assert_allclose(found.tocoo().data, 2 * v[rows] * v[columns], atol=1e-15)
        if kind in ("csr", "csc"):
            np.testing.assert_array_equal(found.indices, given_one.indices)


@pytest.mark.parametrize("pattern", [path(99), path(101), np.eye(100), aslinearoperator(path(100))])
def test_a_pattern_of_another_shape_is_refused(pattern):
    """Would catch entries of a smaller one, which are those of other places."""
    found = large.eigen_vjp(krylov.eigen(path(100)), 1.0)
    with pytest.raises(ValueError, match="pattern: give a sparse matrix, 100 × 100"):
        found.on(pattern)


def test_shift_and_invert_says_the_same():
    """Would catch a system that is not the same as the plain one."""
    matrix, C = (
        grid(40, 23),
        sp.random_array((920, 920), density=0.01, rng=np.random.default_rng(8)),
    )
    plain, near = krylov.eigen(matrix, 3), krylov.eigen(matrix, 3, -0.01)
    one, other = (large.projector_vjp(pairs, C).toarray() for pairs in (plain, near))
    assert error(one, other) <= 1e-10


@pytest.mark.parametrize("which", [-0.01, "smallest"])
def test_ties_of_a_square_grid(which):
    """λ₂ = λ₃: the sum and the projector have gradients, and nothing that tells them apart."""
    matrix, n = grid(25, 25), 625
    C = hermitian_part(np.random.default_rng(9).standard_normal((n, n)))
    values, V = np.linalg.eigh(matrix.toarray())
    pairs = krylov.eigen(matrix, 3, which)
    assert error(pairs.values, grid_values(25, 25)[:3]) < 1e-12
    bar = np.zeros_like(V)
    bar[:, :3] = 2 * C @ V[:, :3]
    expected = eigen.eigh_vjp(values, V, np.r_[1, 2, 2, np.zeros(n - 3)], bar, rtol=1e-11)
    found = large.eigen_vjp(pairs, [1, 2, 2], 2 * C @ pairs.vectors)
    assert error(found.toarray(), expected) <= 1e-10
    assert error(large.projector_vjp(pairs, C).toarray(),
                 eigen.eigh_vjp(values, V, np.zeros(n), bar, rtol=1e-11)) <= 1e-10  # fmt: skip
    with pytest.raises(gauge.GaugeError, match="λ₂ and λ₃: equal values with different cotangents"):
        large.eigen_vjp(pairs, [1, 2, 3])
    with pytest.raises(gauge.GaugeError, match="λ₂ and λ₃: the cotangent depends"):
        large.eigen_vjp(pairs, 0, C @ pairs.vectors * [1, 2, 3])
    with pytest.raises(gauge.GaugeError, match="λ₂ and λ₃"):
        large.eigenvalue_second_derivative(pairs, 1, C)
    # What leaves the tie alone has a gradient.
    large.eigen_vjp(pairs, [1, 0, 0], 2 * C @ pairs.vectors * [1, 0, 0])


@real_or_complex
@pytest.mark.parametrize("gap", [1e-6, 1e-9, 1e-12])
def test_a_projector_on_what_is_nearly_tied(gap, dtype):
    """Would catch an error that is not a number, from a norm in which all digits cancel."""
    n, rng = 90, np.random.default_rng(16)
    far = np.sort(np.r_[0, gap, 1 + rng.random(n - 2)])
    hard, C = hermitian("regular", n, dtype, rng, far), hermitian_part(normal(rng, (n, n), dtype))
    bar = np.zeros_like(hard.left)
    bar[:, :2] = 2 * C @ hard.left[:, :2]
    expected = eigen.eigh_vjp(far, hard.left, np.zeros(n), bar, rtol=1e-11)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = large.projector_vjp(krylov.eigen(hard.matrix, 2), C)
    assert error(found.toarray(), expected) <= min(1e-13 + 1e-15 / gap, found.error)
    assert found.error <= 0.1


def test_many_vectors_leave_little_to_solve_in():
    """MINRES goes astray where it is not stopped in time: with 24 of 100 vectors it did."""
    n, k, rng = 100, 24, np.random.default_rng(17)
    far = np.sort(rng.standard_normal(n))
    hard, C = hermitian("regular", n, np.float64, rng, far), normal(rng, (n, n), np.float64)
    bar = np.zeros_like(hard.left)
    bar[:, :k] = (C + C.T) @ hard.left[:, :k]
    expected = eigen.eigh_vjp(far, hard.left, np.zeros(n), bar)
    found = large.projector_vjp(krylov.eigen(hard.matrix, k), C)
    assert error(found.toarray(), expected) <= 1e-10


def test_a_cluster_that_k_cuts_in_two():
    pairs = krylov.eigen(grid(25, 25), 2, -0.01)
    with pytest.raises(gauge.GaugeError, match="k = 2 cuts this cluster in two: ask for more"):
        large.eigen_vjp(pairs, [0, 1])
    with pytest.raises(gauge.GaugeError, match="k = 2 cuts"):
        large.projector_vjp(pairs, sp.eye_array(625, format="csr") + path(625))
    found = large.eigen_vjp(pairs, [1, 0]).toarray()
    _, first = path_pairs(25)
    v = np.kron(first[:, 0], first[:, 0])
    assert error(found, np.outer(v, v)) <= 1e-11


@pytest.mark.parametrize("solver", ["eigsh", "lobpcg"])
@pytest.mark.parametrize("tol", [1e-2, 1e-4, 1e-6, 1e-8, 0.0])
def test_the_error_is_at_most_what_is_said(solver, tol):
    """And that at most 100 times the tolerance over the gap, for a gradient of values."""
    rng = np.random.default_rng(10)
    hard, C = hermitian("regular", 150, np.float64, rng), rng.standard_normal((150, 150))
    values, V = np.linalg.eigh(hard.matrix)
    cotangent, bar = weighing([1, 2], C), np.zeros_like(V)
    bar[:, -2:] = cotangent(V[:, -2:])
    pairs = krylov.eigen(hard.matrix, 2, "largest", solver=solver, tol=tol)
    try:
        found = large.eigen_vjp(pairs, [1, 2])
        expected = eigen.eigh_vjp(values, V, np.r_[np.zeros(148), 1, 2], 0)
        gap = np.diff(values[-3:]).min()
        wrong = error(found.toarray(), expected)
        assert wrong <= found.error + 1e-13
        assert wrong <= 100 * max(tol, np.finfo(float).eps) * values[-1] / gap
        found = large.eigen_vjp(pairs, 0, cotangent(pairs.vectors))
        expected = eigen.eigh_vjp(values, V, np.zeros(150), bar)
        assert error(found.toarray(), expected) <= found.error + 1e-12
    except krylov.ConvergenceError:
        assert tol == 1e-2


def test_what_has_not_converged_has_no_gradient():
    """A residual as large as the gap is an error, and not a wrong number."""
    pairs = krylov.eigen(grid(50, 40), 1, solver="lobpcg", maxiter=5)
    with pytest.raises(krylov.ConvergenceError, match=r"λ₁: a residual of .* leaves no digit"):
        large.eigen_vjp(pairs, 1.0)


def test_a_linear_system_that_is_not_solved_has_no_gradient():
    """MINRES meets rounding errors where the gap is small beside the matrix: no wrong number."""
    n, rng = 300, np.random.default_rng(11)
    far = np.concatenate([[0.0, 1e-9], np.geomspace(1e-3, 1e6, n - 2)])
    hard = hermitian("regular", n, np.float64, rng, far)
    exact = krylov.Pairs(
        aslinearoperator(hard.matrix), None, (None, None, None),
        (far[:2], hard.left[:, :2], np.full(2, 1e-16)), np.arange(2),
        np.full(2, 1e-9), np.array([0]),
    )  # fmt: skip
    with pytest.raises(krylov.ConvergenceError, match="MINRES leaves the derivative"):
        large.eigen_vjp(exact, 0, rng.standard_normal((n, 1)))


def test_a_preconditioner_serves_the_derivative():
    """Would catch one that is left out, or used where it is not positive definite."""
    matrix = grid(40, 30) + sp.diags_array(np.geomspace(1e-3, 1e3, 1200))
    calls, diagonal = [], matrix.diagonal()

    def jacobi(x):
        calls.append(1)
        return x.ravel() / diagonal

    C = sp.random_array((1200, 1200), density=0.01, rng=np.random.default_rng(12))
    found = krylov.eigen(matrix, 2, solver="lobpcg", preconditioner=jacobi)
    calls.clear()
    with_it = large.projector_vjp(found, C).toarray()
    assert calls
    assert error(with_it, large.projector_vjp(krylov.eigen(matrix, 2, -1.0), C).toarray()) < 1e-9


@real_or_complex
@pytest.mark.parametrize("which", ["smallest", 0.5])
def test_the_error_is_near_to_what_is_said(which, dtype):
    """Would catch a bound that takes in how little is known of the pair beside those asked for."""
    rng = np.random.default_rng(18)
    hard, C = hermitian("regular", 150, dtype, rng), normal(rng, (150, 150), dtype)
    found = large.projector_vjp(krylov.eigen(sp.csr_array(hard.matrix), 2, which), C)
    assert found.error <= 1e-9


@pytest.mark.parametrize("dtype", [np.float32, np.complex64])
def test_a_preconditioner_may_compute_in_double_precision(dtype):
    rng = np.random.default_rng(19)
    hard, C = hermitian("regular", 100, dtype, rng), normal(rng, (100, 100), dtype)
    diagonal = np.linspace(1, 2, 100)
    plain = krylov.eigen(hard.matrix, 1)
    pairs = krylov.eigen(hard.matrix, 1, preconditioner=lambda x: x / diagonal)
    one, other = (large.projector_vjp(x, C).toarray() for x in (plain, pairs))
    assert error(one, other) < 1e-3


def test_a_preconditioner_that_fails_is_an_error():
    pairs = krylov.eigen(path(100), 1, preconditioner=lambda x: x * np.nan)
    with pytest.raises(krylov.ConvergenceError, match="wrong by nan"):
        large.projector_vjp(pairs, path(100) @ path(100) @ sp.diags_array(np.arange(100.0)))


@pytest.mark.parametrize("dtype", [np.float32, np.complex64])
def test_single_precision_stays(dtype):
    rng = np.random.default_rng(13)
    hard, C = hermitian("regular", 100, dtype, rng), normal(rng, (100, 100), dtype)
    cotangent, bar = weighing([1.0], C), np.zeros((100, 100), hard.left.dtype)
    pairs = krylov.eigen(hard.matrix, 1, "largest")
    found = large.eigen_vjp(pairs, 1.0, cotangent(pairs.vectors))
    bar[:, -1:] = cotangent(hard.left[:, -1:])
    expected = eigen.eigh_vjp(hard.values, hard.left, np.r_[np.zeros(99), 1], bar)
    assert found.left.dtype == dtype
    assert found.toarray().dtype == dtype
    assert error(found.toarray(), expected) <= min(found.error, 1e-3)


def test_an_operator_of_which_nothing_is_known():
    """The gradient of a parameter of a product that has no matrix, against differences."""
    field = np.sin(np.arange(900.0)) ** 2

    def drum(theta):
        def product(x):
            x = x.reshape(30, 30)
            away = np.pad(x, 1)
            near = away[2:, 1:-1] + away[:-2, 1:-1] + away[1:-1, 2:] + away[1:-1, :-2]
            return (4 * x - near).ravel() + theta * field * x.ravel()

        return LinearOperator((900, 900), product, dtype=float)

    pairs, h = krylov.eigen(drum(0.3), 2), 1e-4
    found = large.eigen_vjp(pairs, [1.0, 2.0]).along(sp.diags_array(field))
    up, down = (krylov.eigen(drum(0.3 + s * h), 2).values @ [1, 2] for s in (1, -1))
    assert found == pytest.approx((up - down) / (2 * h), rel=1e-7)
