"""The formulas of the chapter on singular vectors, at matrices in general position."""

import hard
import numpy as np
import pytest
import scipy.linalg
from formulas import formula

from spectralgrad.theory import singular
from spectralgrad.theory.symmetric import adjoint, skew_part

SHAPES = ((3, 3), (5, 3), (3, 5), (20, 20), (100, 20), (20, 100))
EVERYWHERE = [
    pytest.param(shape, dtype, id=f"{shape[0]}x{shape[1]}-{np.dtype(dtype)}")
    for shape in SHAPES
    for dtype in hard.DTYPES
]


def draw(h, rng):
    m, n = h.matrix.shape
    is_complex = np.iscomplexobj(h.matrix)
    x = hard.orthonormal(rng, max(m, n), min(m, n), is_complex=is_complex)
    return (x if m >= n else x.T).astype(h.matrix.dtype)


def one_pair(h, B, k):
    """Gradient of Re⟨B, uₖvₖᴴ⟩, from the vectors (u, ±v)/√2 of the matrix [[0, A], [Aᴴ, 0]]."""
    m, n = h.matrix.shape
    w = np.block([[h.left, h.left], [h.right, -h.right]]) / np.sqrt(2)
    values, size = np.append(h.values, -h.values), h.values[k]
    gaps = np.where(np.arange(len(values)) == k, np.inf, size - values)
    R = (w / gaps) @ adjoint(w) + (np.eye(m + n) - w @ adjoint(w)) / size
    weights = np.block([[np.zeros((m, m)), B], [adjoint(B), np.zeros((n, n))]])
    G = 2 * R @ weights @ np.outer(w[:, k], w[:, k].conj())
    return (G + adjoint(G))[:m, m:]


@pytest.mark.parametrize(("shape", "dtype"), EVERYWHERE)
def test_the_pullback_to_copy(shape, dtype):
    """And `svd_vjp`, which leaves out the tied pairs that the loss does not see."""
    pullback = formula("theory_svd", "svd_pullback")
    rng = np.random.default_rng(shape)
    eps = float(np.finfo(dtype).eps)
    # Of the values, descending, the third from the end is simple.
    k = min(shape) - 3
    for kind in hard.SPECTRA:
        h = hard.general(kind, *shape, dtype, rng)
        B, size = draw(h, rng), h.values[0]
        gaps = np.abs(np.delete(np.append(h.values, 0), k) - h.values[k])
        truth = one_pair(h, B, k)
        allowed = 30 * eps * size / gaps.min() ** 2
        U, s, Vh = hard.svd(h.matrix)
        only = (np.arange(len(s)) == k).astype(s.dtype)
        U_bar, V_bar = B @ adjoint(Vh) * only, adjoint(B) @ U * only
        found = singular.svd_vjp(U, s, Vh, U_bar, 0, adjoint(V_bar))
        assert np.linalg.norm(found - truth) < allowed, kind
        if "tied" not in kind:
            found = pullback(U, s, adjoint(Vh), U_bar, 0 * s, V_bar)
            assert found.dtype == dtype
            assert np.linalg.norm(found - truth) < allowed, kind
            # The values alone: Σ σᵢ³/3 has the gradient A AᴴA's factors with σ².
            found = pullback(U, s, adjoint(Vh), 0 * U, s**2, 0 * adjoint(Vh))
            cube = (h.left * h.values**2) @ adjoint(h.right)
            assert np.linalg.norm(found - cube) < 30 * eps * size**2 * np.sqrt(len(s)), kind


@pytest.mark.parametrize(("shape", "dtype"), EVERYWHERE)
def test_the_polar_factor_of_any_shape(shape, dtype):
    rng = np.random.default_rng(shape)
    eps = float(np.finfo(dtype).eps)
    for kind in hard.SPECTRA:
        h = hard.general(kind, *shape, dtype, rng)
        B = draw(h, rng)
        found = singular.polar_vjp(*hard.svd(h.matrix), B)
        tall = shape[0] >= shape[1]
        W, C = h.left @ adjoint(h.right), B
        W, C, V = (W, C, h.right) if tall else (adjoint(W), adjoint(C), h.left)
        H = (V * h.values) @ adjoint(V)
        Z = scipy.linalg.solve_sylvester(H, H, 2 * skew_part(adjoint(W) @ C))
        truth = W @ Z + (C - W @ (adjoint(W) @ C)) @ np.linalg.inv(H)
        condition = h.values[0] / h.values[-1]
        off = found - (truth if tall else adjoint(truth))
        assert np.linalg.norm(off) < 30 * eps * condition / h.values[-1], kind


@pytest.mark.parametrize("n", hard.SIZES)
def test_one_small_value_of_a_real_square_matrix_does_not_hurt_the_polar_factor(n):
    """Its condition is 2/(σₙ₋₁ + σₙ); of a complex or a rectangular one it is 1/σₙ."""
    rng = np.random.default_rng(n)
    s = np.append(np.linspace(2, 1, n - 1), 1e-8)
    for shape, dtype, large in (
        ((n, n), float, False),
        ((n, n), complex, True),
        ((n + 1, n), float, True),
    ):
        h = hard.general(None, *shape, dtype, rng, s)
        size = np.linalg.norm(singular.polar_vjp(*hard.svd(h.matrix), draw(h, rng)), 2)
        assert (size > 1e4) == large, (shape, dtype)
        assert size <= 1.001 / s[-1]
        assert large or size <= 2.001 / (s[-2] + s[-1])


@pytest.mark.parametrize(("shape", "dtype"), EVERYWHERE)
def test_the_nuclear_norm_and_smooth_functions_at_ties_and_zeros(shape, dtype):
    rng = np.random.default_rng(shape)
    eps = float(np.finfo(dtype).eps)
    s = np.sort(1 + rng.random(min(shape)))[::-1]
    s[1], s[-1] = s[0], 0
    for scale in (1e-6, 1e6) if max(shape) < 100 else (1,):
        h = hard.general(None, *shape, dtype, rng, scale * s)
        found = singular.nuclear_norm_gradient(h.matrix)
        truth = h.left[:, :-1] @ adjoint(h.right[:, :-1])
        assert np.linalg.norm(found - truth) < 100 * eps * np.sqrt(len(s))
        B, A = draw(h, rng), (h.left * s) @ adjoint(h.right)

        def pullback(u, x, vh, B=B, scale=scale):  # of Re⟨B, AAᴴA⟩/scale³
            x = x / x.dtype.type(scale)
            slopes = 3 * x**2 * np.diag(adjoint(u) @ B @ adjoint(vh)).real
            return B @ adjoint(vh) * x**3, slopes / x.dtype.type(scale), adjoint(u * x**3) @ B

        found = scale * singular.invariant_vjp(*hard.svd(h.matrix), pullback)
        truth = B @ adjoint(A) @ A + A @ adjoint(B) @ A + A @ adjoint(A) @ B
        assert np.linalg.norm(found - truth) < 30 * eps**0.5 * np.linalg.norm(truth)


@pytest.mark.parametrize("dtype", hard.DTYPES)
@pytest.mark.parametrize("n", hard.SIZES)
def test_the_solutions_of_the_exercises(n, dtype):
    rng = np.random.default_rng(n)
    eps = float(np.finfo(dtype).eps)
    for kind in hard.SPECTRA:
        h = hard.general(kind, n, n, dtype, rng)
        u, s, vh = hard.svd(h.matrix)
        truth = (h.left / h.values) @ adjoint(h.right)  # A⁻ᴴ, of log|det A|
        condition = h.values[0] / h.values[-1]
        off = np.linalg.norm(singular.svdvals_vjp(u, vh, 1 / s) - truth)
        assert off < 30 * eps * condition * np.linalg.norm(truth), kind
    # A small value alone does no harm to the left vectors of a wide matrix.
    s = np.append(np.linspace(2, 1, n - 1), 1e-4)
    h = hard.general(None, n, n + 2, dtype, rng, s)
    u, s, vh = hard.svd(h.matrix)
    weights = rng.standard_normal(u.shape).astype(s.dtype)
    found = singular.svd_vjp(u, s, vh, 2 * weights * u, 0, 0)
    assert np.linalg.norm(found) < 10 * np.linalg.norm(weights) * (n - 1)
