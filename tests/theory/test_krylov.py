import warnings

import numpy as np
import pytest
import scipy.linalg
import scipy.sparse as sp
from grids import grid, grid_values, path, path_pairs
from hard import general, hermitian
from scipy.sparse.linalg import LinearOperator, aslinearoperator, splu

from spectralgrad.theory import krylov

EPS = np.finfo(float).eps
real_or_complex = pytest.mark.parametrize("dtype", [np.float64, np.complex128])


def order(values, which):
    """The places of values in the order in which they are asked for."""
    far = {"smallest": values, "largest": -values}
    return np.argsort(far[which] if isinstance(which, str) else np.abs(values - which))


@pytest.mark.parametrize("which", ["smallest", "largest", 1.37])
@pytest.mark.parametrize("sizes", [(1, 1), (3, 3), (9, 9), (30, 30), (40, 17)])
def test_values_of_a_grid_with_their_ties(sizes, which):
    """Would catch an equal value that is overlooked, or a choice of the wrong ones."""
    exact = grid_values(*sizes)
    for k in range(1, min(6, len(exact) + 1)):
        pairs = krylov.eigen(grid(*sizes), k, which)
        expected = np.sort(exact[order(exact, which)[:k]])
        np.testing.assert_allclose(pairs.values, expected, atol=1e-12)
        assert np.all(pairs.residuals < 1e-12)


@pytest.mark.parametrize("n", [100, 1000])
def test_vectors_of_a_path(n):
    values, vectors = path_pairs(n)
    pairs = krylov.eigen(path(n).tocsr(), 3, -0.001)
    alike = np.abs(pairs.vectors.T @ vectors[:, :3])
    # The bound is on the sine; what a program loses of the cosine is its square.
    np.testing.assert_allclose(alike, np.eye(3), atol=1e-8)
    assert np.all(pairs.bounds < 1e-9)
    np.testing.assert_allclose(pairs.values, values[:3], atol=1e-14)


@pytest.mark.parametrize("tol", [0.0, 1e-8, 1e-4, 1e-2])
@pytest.mark.parametrize("which", ["smallest", "largest", "below", "inside"])
def test_no_copy_is_overlooked(which, tol):
    """Lanczos' method alone finds one of several equal values, if its tolerance is not 0."""
    for seed in range(8):
        rng = np.random.default_rng(seed)
        n, copies = int(rng.integers(40, 120)), int(rng.integers(2, 5))
        block = sp.random_array((n, n), density=5 / n, rng=rng)
        block = block + block.T + sp.diags_array(3 * rng.random(n))
        turn = rng.permutation(n * copies)
        matrix = sp.block_diag([block] * copies, format="csr")[turn][:, turn]
        values = np.linalg.eigvalsh(block.toarray())
        where = {"below": values[0] - 0.1, "inside": rng.uniform(values[0], values[-1])}
        pairs = krylov.eigen(matrix, 1, where.get(which, which), tol=tol)
        tied = np.count_nonzero(pairs.labels == pairs.labels[pairs.kept[0]]) > 1
        assert tied or pairs.bounds[0] > 0.1


@pytest.mark.parametrize("solver", ["eigsh", "lobpcg"])
@pytest.mark.parametrize("tol", [1e-2, 1e-4, 1e-6, 1e-8, 0.0])
def test_the_bound_holds_whatever_the_tolerance(solver, tol):
    """Would catch a gap taken too large, or residuals of other vectors."""
    hard = hermitian("regular", 150, np.float64, np.random.default_rng(1))
    pairs = krylov.eigen(hard.matrix, 3, "largest", solver=solver, tol=tol)
    for i in range(3):
        space = hard.left[:, -3 + i]
        v = pairs.vectors[:, i]
        sine = np.linalg.norm(v - space * (space @ v))
        assert sine <= 1.5 * pairs.bounds[i] + 1e-12
    assert np.all(np.abs(pairs.values - hard.values[-3:]) <= pairs.residuals + 1e-13)


@real_or_complex
@pytest.mark.parametrize("scale", [1e-30, 1e-6, 1.0, 1e6, 1e30])
@pytest.mark.parametrize("which", ["largest", 0.9])
def test_operators_and_scales(which, scale, dtype):
    """ARPACK stops too early at values below 4e-11."""
    rng = np.random.default_rng(2)
    hard = hermitian("graded", 120, dtype, rng)
    make = aslinearoperator if which == "largest" else sp.csr_array
    expected = scale * np.sort(hard.values[order(hard.values, which)[:2]])
    which = which if which == "largest" else which * scale
    pairs = krylov.eigen(make(scale * hard.matrix), 2, which)
    np.testing.assert_allclose(pairs.values, expected, rtol=1e-12)
    assert np.all(pairs.residuals <= 1e-13 * scale)
    assert pairs.vectors.dtype == dtype
    np.testing.assert_allclose(pairs.vectors.conj().T @ pairs.vectors, np.eye(2), atol=1e-12)


@pytest.mark.parametrize("solver", ["eigsh", "lobpcg"])
@pytest.mark.parametrize("dtype", [None, int])
def test_an_operator_that_does_not_say_in_which_numbers_it_computes(dtype, solver):
    whole, pairs = path(100).astype(int), krylov.eigen(path(100))

    class Operator(LinearOperator):
        def _matvec(self, x):
            return whole @ x

    found = krylov.eigen(Operator(dtype, (100, 100)), 1, solver=solver)
    np.testing.assert_allclose(found.values, pairs.values, rtol=1e-4)


def test_a_solver_of_ones_own_is_used():
    """Would catch a factorisation of a matrix that is not there."""
    low = np.random.default_rng(3).standard_normal((400, 2))
    base, shift = grid(20, 20), -0.5
    factors = splu((base - shift * sp.eye_array(400)).tocsc())
    inner = np.linalg.inv(np.eye(2) + low.T @ factors.solve(low))

    def solve(x):
        y = factors.solve(x)
        return y - factors.solve(low @ (inner @ (low.T @ y)))

    def product(x):
        return base @ x + low @ (low.T @ x)

    update = LinearOperator((400, 400), product, dtype=float)
    pairs = krylov.eigen(update, 3, shift, solve=solve)
    dense = np.linalg.eigvalsh(base.toarray() + low @ low.T)
    np.testing.assert_allclose(pairs.values, dense[:3], atol=1e-12)
    with pytest.raises(ValueError, match="take a sparse matrix, or solve"):
        krylov.eigen(update, 3, shift)


def test_the_generalised_problem_of_a_beam():
    """Linear elements on (0, π): the values tend to 1, 4, 9 as those of −u″ = λ u do."""
    n, h = 500, np.pi / 501
    stiffness = (path(n) / h).tocsr()
    mass = sp.diags_array([np.full(n - 1, h / 6), np.full(n, 2 * h / 3), np.full(n - 1, h / 6)],
                          offsets=[-1, 0, 1]).tocsr()  # fmt: skip
    near, plain = (krylov.eigen(stiffness, 3, which, b=mass) for which in (0.5, "smallest"))
    np.testing.assert_allclose(near.values, [1, 4, 9], rtol=1e-3)
    np.testing.assert_allclose(near.values, plain.values, rtol=1e-9)
    inner = near.vectors.T @ (mass @ near.vectors)
    np.testing.assert_allclose(inner, np.eye(3), atol=1e-12)


@pytest.mark.parametrize("which", ["smallest", 0.3])
def test_a_real_matrix_with_a_complex_one(which):
    """ARPACK in real numbers leaves out what is imaginary in B, and only SciPy warns."""
    rng = np.random.default_rng(21)
    A, B = (hermitian("regular", 100, dtype, rng).matrix for dtype in (float, complex))
    pairs = krylov.eigen(sp.csr_array(A), 2, which, b=sp.csr_array(B + np.eye(100)))
    values = scipy.linalg.eigvalsh(A.astype(complex), B + np.eye(100))
    np.testing.assert_allclose(pairs.values, np.sort(values[order(values, which)[:2]]), rtol=1e-9)


@real_or_complex
@pytest.mark.parametrize("shape", [(1, 1), (2, 3), (5, 3), (60, 50), (100, 100), (80, 120)])
@pytest.mark.parametrize("which", ["smallest", "largest", "near"])
@pytest.mark.parametrize("make", [np.asarray, sp.csr_array, aslinearoperator])
def test_singular_triplets(shape, which, dtype, make):
    hard = general("regular", *shape, dtype, np.random.default_rng(4))
    s = hard.values
    which = float(s.mean()) if which == "near" else which
    if which == s.mean() and make is not sp.csr_array and sum(shape) > krylov.DENSE:
        pytest.skip("there is nothing to factorise")
    k = min(2, *shape)
    found = krylov.singular(make(hard.matrix), k, which)
    expected = -np.sort(-s[order(s, which)[:k]])
    np.testing.assert_allclose(found.s, expected, rtol=1e-9)
    np.testing.assert_allclose(hard.matrix @ found.vh.conj().T, found.u * found.s, atol=1e-9)
    np.testing.assert_allclose(found.vh @ found.vh.conj().T, np.eye(k), atol=1e-10)


def test_a_solver_that_stops_too_early_is_an_error():
    with pytest.raises(krylov.ConvergenceError, match=r"No convergence.*maxiter or tol"):
        krylov.eigen(grid(60, 60), 2, "smallest", maxiter=1)


def test_no_warning_escapes():
    """SciPy's LOBPCG warns of what it did not reach; here that is in the residuals."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pairs = krylov.eigen(grid(30, 30), 2, solver="lobpcg", maxiter=3)
    assert np.all(pairs.bounds > 1e-6)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"k": True}, "k: True will not do"),
        ({"k": 0}, "k: 0 will not do; give a whole number from 1 to 100"),
        ({"k": 101}, "k: 101 will not do"),
        ({"k": 1.5}, "k: 1.5 will not do"),
        ({"sigma": 3.0, "v0": 1}, "options: sigma, v0 will not do; give maxiter or tol"),
        ({"solver": "lobpcg", "ncv": 9}, "ncv will not do"),
        ({"which": "least"}, "which: 'least' will not do; give smallest, largest, or a number"),
        ({"which": None}, "which: None will not do"),
        ({"which": 1j}, "which: 1j will not do"),
        ({"which": np.inf}, "which: inf will not do"),
        ({"solver": "qr"}, "solver: 'qr' will not do"),
        ({"solver": "lobpcg", "which": 1.0}, "lobpcg without a number"),
        ({"b": sp.eye_array(99)}, "100 × 100 and 99 × 99 will not do"),
    ],
)
def test_what_makes_no_sense_is_refused(asked, said):
    with pytest.raises(ValueError, match=said):
        krylov.eigen(path(100), **asked)


@pytest.mark.parametrize("find", [krylov.eigen, krylov.singular])
@pytest.mark.parametrize("shape", [(5,), (), (100, 100), (2, 2)])
def test_what_is_no_matrix_is_refused(find, shape):
    """ARPACK says of NaN that it could not build a factorisation."""
    with pytest.raises(ValueError, match=r"a matrix (that is not finite|of . dimensions); give"):
        find(np.full(shape, np.nan))


@real_or_complex
@pytest.mark.parametrize("which", ["smallest", "largest", 0.3])
@pytest.mark.parametrize("k", [50, 198, 200])
def test_all_pairs_or_many(k, which, dtype):
    """SciPy refuses a complex matrix, and then so many pairs, with a TypeError."""
    hard = hermitian("tied", 200, dtype, np.random.default_rng(14))
    pairs = krylov.eigen(sp.csr_array(hard.matrix), k, which)
    expected = np.sort(hard.values[order(hard.values, which)[:k]])
    np.testing.assert_allclose(pairs.values, expected, atol=1e-13)


def test_a_cluster_of_which_no_end_is_seen_has_no_gap():
    """Would catch a bound of 0, where what is outside of the cluster is not known."""
    spectrum = np.r_[np.zeros(10), 1 + np.arange(60.0)]
    hard = hermitian("regular", 70, np.float64, np.random.default_rng(15), spectrum)
    pairs = krylov.eigen(hard.matrix, 1)
    assert pairs.bounds[0] > 1e-6


@pytest.mark.parametrize("shape", [(1, 1), (3, 3), (5, 3), (3, 5), (70, 70), (100, 50), (50, 100)])
@pytest.mark.parametrize("which", ["smallest", 0.001])
@pytest.mark.parametrize("zeros", [0, 1, 2])
def test_a_zero_of_the_two_sided_matrix_is_no_singular_value(shape, which, zeros):
    """It has 0 also where A is not square, and at 0 its vectors are not made of u and v."""
    spectrum = np.linspace(2, 1, min(shape))
    spectrum[len(spectrum) - zeros :] = 0
    hard = general("regular", *shape, np.float64, np.random.default_rng(16), spectrum)
    if zeros == 0 and (which == "smallest" or shape == (1, 1)):
        found = krylov.singular(sp.csr_array(hard.matrix), 1, which)
        assert found.s[0] == pytest.approx(spectrum[-1])
        return
    with pytest.raises(ValueError, match="leads to 0 or −σ; give a number near σ"):
        krylov.singular(sp.csr_array(hard.matrix), min(2, *shape), which)


@pytest.mark.parametrize("times", [0.0, 1.0, -3.0, 1e-30])
@pytest.mark.parametrize("which", ["smallest", "largest", 0.5])
def test_a_multiple_of_one(times, which):
    """ARPACK says of such a matrix that the starting vector is zero."""
    pairs = krylov.eigen(times * sp.eye_array(100, format="csr"), 2, which)
    np.testing.assert_allclose(pairs.values, [times, times], rtol=1e-12)
    assert len(set(pairs.labels)) == 1
    assert np.all(np.isfinite(pairs.bounds))


@pytest.mark.parametrize("k", [1, 12])
def test_a_matrix_with_many_zeros(k):
    """With a tolerance of eps, ARPACK does not converge."""
    far = np.r_[np.zeros(60), 0.01 + np.random.default_rng(13).random(60)]
    hard = hermitian("regular", 120, np.float64, np.random.default_rng(13), far)
    pairs = krylov.eigen(hard.matrix, k)
    np.testing.assert_allclose(pairs.values, np.zeros(k), atol=1e-13)


def test_whether_a_copy_is_overlooked_is_asked_with_a_tolerance_that_can_be_met():
    """Where k cuts a tie in two the gap is eps, and a tenth of that was the tolerance."""
    rng = np.random.default_rng(0)
    far = np.abs(np.sort(rng.standard_normal(90)))
    far[:45] = 0
    hard = hermitian("regular", 90, complex, rng, np.sort(far))
    pairs = krylov.eigen(sp.csr_array(hard.matrix), 2)
    np.testing.assert_allclose(pairs.values, [0, 0], atol=1e-13)


def test_an_operator_of_which_only_one_side_is_known():
    one_sided = LinearOperator((80, 70), lambda x: np.ones(80) * x.sum(), dtype=float)
    with pytest.raises(ValueError, match="an operator without rmatvec"):
        krylov.singular(one_sided, 1)


@pytest.mark.parametrize("which", [290.0, 1.0, 299.0])
def test_a_factorisation_that_needs_pivots(which):
    """Of a complete graph, the tenth pivot on the diagonal of A − 290 is 0 in exact arithmetic."""
    n = 300
    pairs = krylov.eigen(sp.csr_array(n * np.eye(n) - np.ones((n, n))), 1, which)
    np.testing.assert_allclose(pairs.values, n * (which > n / 2), atol=1e-10)
    assert pairs.residuals[0] < 1e-10


def test_a_diagonal_of_zeros():
    """Would catch an eigenvalue said to be 0 where only the first pivot is."""
    A = sp.csr_array(path(200) - 2 * sp.eye_array(200))
    values = np.sort(path_pairs(200)[0] - 2)
    expected = values[order(values, 0.0)[:2]]
    np.testing.assert_allclose(krylov.eigen(A, 2, 0.0).values, np.sort(expected), atol=1e-12)


def test_a_number_that_is_an_eigenvalue():
    with pytest.raises(ValueError, match=r"which: 0\.0 is an eigenvalue; give a number beside it"):
        krylov.eigen(sp.diags_array(np.arange(100.0)), 1, 0.0)


@pytest.mark.parametrize("distance", [1e-3, 1e-8, 1e-11, 1e-14])
@pytest.mark.parametrize("kind", [np.float64, np.complex128])
def test_a_number_close_to_an_eigenvalue(kind, distance):
    """The rounding error of 1/(λ − s) was taken for values that had been overlooked."""
    hard = hermitian("regular", 120, kind, np.random.default_rng(2))
    s, places = hard.values[50] + distance, order(hard.values, hard.values[50] + distance)
    for k in (1, 3):
        pairs = krylov.eigen(sp.csr_array(hard.matrix), k, s)
        np.testing.assert_allclose(pairs.values, np.sort(hard.values[places[:k]]), atol=1e-12)
        assert len(pairs.known[0]) == k + 1
