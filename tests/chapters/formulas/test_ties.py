"""What the chapter on ties says to do, at matrices in general position."""

import types

import hard
import numpy as np
import pytest
from cases import CASES, named
from formulas import formula

from spectralgrad.theory import eigen
from spectralgrad.theory.symmetric import adjoint, hermitian_part, skew_part

# In single precision NumPy would decompose in double.
SCIPY = types.SimpleNamespace(
    linalg=types.SimpleNamespace(eigh=hard.eigh), arange=np.arange, where=np.where
)
EVERYWHERE = [
    pytest.param(n, dtype, id=f"{n}-{np.dtype(dtype)}") for n in hard.SIZES for dtype in hard.DTYPES
]


def weights(h, rng):
    """A random Hermitian matrix of the dtype of another."""
    is_complex = np.iscomplexobj(h.matrix)
    x = hard.orthonormal(rng, *h.matrix.shape, is_complex=is_complex)
    return hermitian_part(x).astype(h.matrix.dtype)


def eps(h):
    return float(np.finfo(h.matrix.dtype).eps)


def resolvent(h, k):
    """(λₖI − A)⁺ from the factors that the matrix was made from, and the gap of λₖ."""
    gaps = h.values[k] - h.values
    gaps[k] = np.inf
    return (h.right / gaps) @ adjoint(h.right), float(np.abs(gaps).min())


@pytest.mark.parametrize(("n", "dtype"), EVERYWHERE)
def test_a_simple_vector_by_its_factors_by_a_bordered_system_and_by_eigh_vjp(n, dtype):
    """`pinv` of λI − A, which the chapter once gave, fails here in each precision."""
    rng = np.random.default_rng(n)
    simple_vector, bordered = (formula("ties", name) for name in ("simple_vector", "bordered"))
    for kind in hard.SPECTRA:
        h = hard.hermitian(kind, n, dtype, rng)
        A, k, size = h.matrix, 2, h.values[-1]
        R, gap = resolvent(h, k)
        allowed = 30 * eps(h) * size / gap
        E, B = (size * weights(h, rng) for _ in range(2))
        values, V = hard.eigh(A)
        v = V[:, k]
        # With the factors held fixed, the function is linear in the matrix.
        at, there = (simple_vector(x, k, SCIPY, lambda _, A=A: A) for x in (A, A + E))
        assert at.dtype == dtype
        assert np.linalg.norm(at - v) < allowed, kind
        true = h.right[:, k] * np.vdot(h.right[:, k], v)
        scale = np.linalg.norm(E, 2) / gap
        for dv in (there - at, bordered(A, v, values[k], E @ v)):
            assert np.linalg.norm(dv - R @ E @ true) < allowed * scale, kind
        truth = 2 * hermitian_part(R @ B @ np.outer(true, true.conj()))
        found = eigen.eigh_vjp(values, V, 0, 2 * B @ V * (np.arange(n) == k))
        assert np.linalg.norm(found - truth) < allowed * scale, kind


@pytest.mark.parametrize(("n", "dtype"), EVERYWHERE)
def test_functions_projectors_and_sums_of_a_cluster_do_not_need_its_gap(n, dtype):
    """Divided differences, with a step for a projector: as exact at a tie as elsewhere."""
    rng = np.random.default_rng(n)
    for kind in hard.SPECTRA:
        h = hard.hermitian(kind, n, dtype, rng)
        B, size = weights(h, rng), h.values[-1]
        values, V = hard.eigh(h.matrix)
        tolerance = 30 * eps(h) * np.sqrt(n)
        cube = eigen.function_vjp(values, V, B, lambda x: x**3, lambda x: 3 * x**2)
        A = (h.right * h.values) @ adjoint(h.right)
        truth = A @ A @ B + A @ B @ A + B @ A @ A
        assert np.linalg.norm(cube - truth) < tolerance * np.linalg.norm(truth), kind
        low, gap = (h.values[1] + h.values[2]) / 2, h.values[2] - h.values[1]
        found = eigen.function_vjp(values, V, B, lambda x, c=low: (x < c) * 1.0, lambda x: 0 * x)
        pair, rest = h.right[:, :2], h.right[:, 2:]
        inner = adjoint(pair) @ B @ rest / (h.values[:2, None] - h.values[2:])
        truth = 2 * hermitian_part(pair @ inner @ adjoint(rest))
        assert np.linalg.norm(found - truth) < tolerance * size / gap**2, kind
        both = eigen.eigvalsh_vjp(V, np.arange(n) < 2)
        assert np.linalg.norm(both - pair @ adjoint(pair)) < tolerance * size / gap, kind


@pytest.mark.parametrize(("n", "dtype"), EVERYWHERE)
def test_a_second_basis_serves_any_other_smooth_loss(n, dtype):
    """What it promises at the worst gap is half of the digits."""
    rng = np.random.default_rng(n)
    for kind in ("tied", "nearly tied", "large", "small"):
        h = hard.hermitian(kind, n, dtype, rng)
        C, size = weights(h, rng), h.values[-1]

        def pullback(x, v, C=C, size=size):  # of Re⟨C, A³⟩/‖A‖³
            x = x / size
            return 3 * x**2 * np.diag(adjoint(v) @ C @ v).real / size, 2 * C @ v * x**3

        found = eigen.invariant_vjp(*hard.eigh(h.matrix), pullback)
        A = (h.right * h.values) @ adjoint(h.right) / size
        truth = (A @ A @ C + A @ C @ A + C @ A @ A) / size
        assert np.linalg.norm(found - truth) < 30 * eps(h) ** 0.5 * np.linalg.norm(truth), kind


def masked(values, V, B, h, slope, tolerance):
    """The chapter's reverse rule of Re⟨B, V diag(h) Vᴴ⟩ with a mask."""
    M = adjoint(V) @ B @ V
    gaps = values[None, :] - values[:, None]
    keep = np.abs(gaps) > tolerance
    K = skew_part(2 * M * h) * np.where(keep, 1 / np.where(keep, gaps, 1), 0)
    return V @ (K + np.diag(slope * np.diag(M).real)) @ adjoint(V)


@pytest.mark.parametrize("dtype", [np.float64, np.complex128])
@pytest.mark.parametrize("n", hard.SIZES)
def test_what_a_mask_loses_shows_along_the_pair_and_nowhere_else(n, dtype):
    rng = np.random.default_rng(n)
    h = hard.hermitian("tied", n, dtype, rng)
    A, B = h.matrix, weights(h, rng)
    values, V = hard.eigh(A)
    found = masked(values, V, B, values**3, 3 * values**2, eps(h) ** 0.6)
    truth = A @ A @ B + A @ B @ A + B @ A @ A

    def cube(x):
        return np.vdot(B, x @ x @ x).real

    def missing(E, step=1e-4):
        slope = (cube(A + step * E) - cube(A - step * E)) / (2 * step)
        assert slope == pytest.approx(np.vdot(truth, E).real, abs=1e-6)
        return slope - np.vdot(found, E).real

    v, w = V[:, :1], V[:, 1:2]
    M = adjoint(v) @ B @ w * 3 * values[0] ** 2
    along = {1.0: M.real, 1j: M.imag} if np.iscomplexobj(A) else {1.0: M.real}
    for phase, lost in along.items():
        E = phase * v @ adjoint(w)
        assert missing(E + adjoint(E)) == pytest.approx(2 * lost.item(), abs=1e-6)
    assert missing(v @ adjoint(v) + w @ adjoint(w)) == pytest.approx(0, abs=1e-6)
    # A loss that does not see the pair: there the mask is right, and removes an error.
    simple = (np.arange(n) == 2) * 1.0
    found = masked(values, V, B, simple, 0 * simple, eps(h) ** 0.6)
    R, gap = resolvent(h, 2)
    v = h.right[:, [2]]
    truth = 2 * hermitian_part(R @ B @ v @ adjoint(v))
    assert np.linalg.norm(found - truth) < 30 * eps(h) / gap**2


@pytest.mark.parametrize(("n", "dtype"), EVERYWHERE)
def test_the_rounding_error_of_the_division_is_told_by_the_cotangent(n, dtype):
    """By ε‖V̄‖/gap: constants added to h change the error, and no gradient."""
    rng = np.random.default_rng(n)
    for kind in ("nearly tied", "regular"):
        h = hard.hermitian(kind, n, dtype, rng)
        values, V = hard.eigh(h.matrix)
        B, gap = weights(h, rng), values[1] - values[0]
        A = (h.right * h.values) @ adjoint(h.right)
        truth = A @ A @ B + A @ B @ A + B @ A @ A
        for c in (0, 1, 1000):
            cotangent = 2 * B @ V * (values**3 + values.dtype.type(c))
            gaps = values[None, :] - values[:, None] + np.eye(n, dtype=values.dtype)
            K = skew_part(adjoint(V) @ cotangent) / gaps
            np.fill_diagonal(K, 3 * values**2 * np.diag(adjoint(V) @ B @ V).real)
            error = np.linalg.norm(V @ K @ adjoint(V) - truth)
            assert error < 10 * eps(h) * np.linalg.norm(cotangent) / gap, (kind, c)


@pytest.mark.parametrize("dtype", hard.DTYPES)
def test_the_gap_from_which_one_vector_can_be_trusted(dtype):
    """At 10⁴ ε at most one gradient of a hundred is wrong by 1 %; the error is what is said."""
    rng = np.random.default_rng(0)
    wrong = []
    for n in (3, 10, 50):
        gap = 1e4 * float(np.finfo(dtype).eps)
        spectrum = np.linspace(1 / n, 1, n)
        spectrum[-2] = 1 - gap
        for _ in range(100 if n < 50 else 20):
            h = hard.hermitian(None, n, dtype, rng, spectrum)
            B = weights(h, rng)
            values, V = hard.eigh(h.matrix)
            found = eigen.eigh_vjp(values, V, 0, 2 * B @ V * (np.arange(n) == n - 1), rtol=0)
            R, _ = resolvent(h, n - 1)
            v = h.right[:, [-1]]
            truth = 2 * hermitian_part(R @ B @ v @ adjoint(v))
            error = np.linalg.norm(found - truth)
            assert error < 10 * eps(h) / gap * np.linalg.norm(B, 2) / gap
            wrong.append(error > 0.01 * np.linalg.norm(truth))
    assert np.mean(wrong) <= 0.01


@pytest.mark.parametrize("dtype", hard.DTYPES)
@pytest.mark.parametrize("n", [3, 20, 100])
def test_the_digits_that_the_closest_pair_leaves(n, dtype):
    """As many as its vectors have; told from the values alone, whatever their order and scale."""
    digits_left, rng = formula("ties", "digits_left"), np.random.default_rng(n)
    eps = float(np.finfo(dtype).eps)
    for gap in (0.5 / n, 1e4 * eps, 100 * eps, 0.0):
        spectrum = np.linspace(1 / n, 1, n)
        spectrum[-2] = 1 - gap
        stack, errors = [], []
        for _ in range(20 if n < 100 else 3):
            h = hard.hermitian(None, n, dtype, rng, spectrum)
            values, V = hard.eigh(h.matrix)
            v, true = V[:, [-1]], h.right[:, [-1]]
            stack.append(values)
            errors.append(np.linalg.norm(v @ adjoint(v) - true @ adjoint(true)))
        found = digits_left(np.array(stack))
        assert np.all(errors < 30 * 10.0**-found) or gap == 0
        assert np.median(errors) > 1e-2 * 10.0 ** -np.median(found)
        assert found == pytest.approx(np.log10(max(gap / eps, 1)), abs=1.2)
        assert found == pytest.approx(digits_left(-8 * np.array(stack)[:, ::-1]), abs=1e-3)
    # A tie leaves none, and one value has no neighbour.
    assert digits_left(np.zeros((2, 3), values.dtype)) == pytest.approx([0, 0])
    assert digits_left(np.ones((1, 1), values.dtype)) == np.inf


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", named("vector-beside-tie"))
def test_vectors_beside_a_tie_with_60_digits(name, dtype):
    simple_vector = formula("ties", "simple_vector")
    A, B, G = (np.array(CASES[name][key], dtype) for key in ("matrix", "B", "gradient"))
    E = np.random.default_rng(0).standard_normal((20, *A.shape)).astype(dtype)
    E = hermitian_part(E)
    v = simple_vector(A, -1, SCIPY)
    for e in E:
        dv = simple_vector(A + e, -1, SCIPY, lambda _: A) - simple_vector(A, -1, SCIPY)
        allowed = 100 * float(np.finfo(dtype).eps * np.linalg.norm(e))
        assert 2 * v @ B @ dv == pytest.approx(np.sum(G * e), abs=allowed)
