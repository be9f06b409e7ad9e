"""What the chapter on second derivatives says to do, at matrices in general position."""

import hard
import numpy as np
import pytest
import scipy.linalg
import torch
from formulas import formula

from spectralgrad.theory import eigen, singular
from spectralgrad.theory.symmetric import adjoint, hermitian_part, skew_part

REAL = [d for d in hard.DTYPES if not np.issubdtype(d, np.complexfloating)]


@pytest.mark.parametrize("dtype", hard.DTYPES)
@pytest.mark.parametrize("n", hard.SIZES)
def test_second_derivatives_do_not_need_the_gap(n, dtype):
    """tr A³ has 6 tr AE²; the nuclear norm has ⟨E, dW⟩, by Sylvester's equation."""
    rng = np.random.default_rng(n)
    eps = float(np.finfo(dtype).eps)
    is_complex = np.issubdtype(dtype, np.complexfloating)
    for kind in hard.SPECTRA:
        h = hard.hermitian(kind, n, dtype, rng)
        E = hermitian_part(hard.orthonormal(rng, n, n, is_complex=is_complex))
        x, V = hard.eigh(h.matrix)
        table = eigen.divided_differences(x, lambda x: 3 * x**2, lambda x: 6 * x)
        found = np.sum(table * abs(adjoint(V) @ E @ V) ** 2)
        A = (h.right * h.values) @ adjoint(h.right)
        assert found == pytest.approx(6 * np.trace(A @ E @ E).real, rel=100 * eps), kind
        h = hard.general(kind, n, n, dtype, rng)
        E = hard.orthonormal(rng, n, n, is_complex=is_complex)
        found = np.vdot(E, singular.polar_vjp(*hard.svd(h.matrix), E)).real
        W, H = h.left @ adjoint(h.right), (h.right * h.values) @ adjoint(h.right)
        dW = W @ scipy.linalg.solve_sylvester(H, H, 2 * skew_part(adjoint(W) @ E))
        bound = 100 * eps * h.values[0] / h.values[-1] ** 2
        assert found == pytest.approx(np.vdot(E, dW).real, abs=bound), kind


def second_along(f, A, E):
    """The second derivative of a function of a tensor, in reverse mode twice."""
    a, e = torch.tensor(A, requires_grad=True), torch.tensor(E)
    (g,) = torch.autograd.grad(f(a), a, create_graph=True)
    (change,) = torch.autograd.grad((g * e).sum(), a)
    return float((change * e).sum())


def directions(h, rng):
    """A symmetric direction and a cotangent, of norm 1."""
    drawn = rng.standard_normal((2, *h.matrix.shape))
    E, C = (x / np.linalg.norm(x) for x in drawn)
    return [x.astype(h.matrix.dtype) for x in (hermitian_part(E), C)]


@pytest.mark.parametrize("dtype", REAL)
@pytest.mark.parametrize("n", hard.SIZES)
def test_the_root_is_differentiated_twice(n, dtype):
    """By Lyapunov's equation for the first derivative X, and for the second: −2X² on its right."""
    sqrtm_at = formula("orders", "sqrtm_at")
    rng = np.random.default_rng(n)
    for kind in hard.SPECTRA:
        h = hard.hermitian(kind, n, dtype, rng)
        E, C = directions(h, rng)
        root = sqrtm_at(h.matrix, const=torch.tensor)
        found = second_along(lambda a: (torch.tensor(C) * root(a)).sum(), h.matrix, E)  # noqa: B023
        s = np.sqrt(h.values)
        sums, V = s[:, None] + s, h.right
        first = (V.T @ E @ V) / sums
        truth = np.sum((V.T @ C @ V) * (-2 * first @ first / sums))
        # The rounding of A, as seen by a third derivative; s[0] is the smallest root.
        allowed = 100 * n * np.finfo(dtype).eps * h.values[-1] / s[0] ** 5
        assert abs(found - truth) < allowed, kind


@pytest.mark.parametrize("dtype", REAL)
@pytest.mark.parametrize("n", hard.SIZES)
@pytest.mark.parametrize("rotation", [False, True])
def test_the_polar_factor_is_differentiated_twice(n, dtype, rotation):
    """By {eq-orders-rotation}, differentiated once more; reflections and rotations among them."""
    polar_at = formula("orders", "polar_at")
    rng = np.random.default_rng(n)
    for kind in hard.SPECTRA:
        h = hard.general(kind, n, n, dtype, rng)
        E, C = (directions(h, rng)[1] for _ in range(2))
        sign = np.ones(n)
        sign[-1] = np.linalg.det(h.left @ h.right.T) if rotation else 1
        gap = h.values[-2] + sign[-1] * h.values[-1]
        if gap < 1e-3 * h.values[0]:
            continue
        program = polar_at(h.matrix, const=torch.tensor, T=torch.t, rotation=rotation)
        found = second_along(lambda a: (torch.tensor(C) * program(a)).sum(), h.matrix, E)  # noqa: B023
        R = (h.left * sign) @ h.right.T
        P = (h.right * (h.values * sign)) @ h.right.T
        one = scipy.linalg.solve_sylvester(P, P, 2 * skew_part(R.T @ E))
        # R = R₀ exp(tΩ + t²Ω₂/2): what is symmetric in P stays so to second order.
        F = R.T @ E
        right = 2 * skew_part(one @ one @ P - 2 * one @ F)
        two = scipy.linalg.solve_sylvester(P, P, right)
        truth = np.sum(C * (R @ (one @ one + two)))
        allowed = 100 * n * np.finfo(dtype).eps * h.values[0] / gap**3
        assert abs(found - truth) < allowed, kind
        assert dtype != np.float64 or n > 20 or abs(truth) > allowed, kind


@pytest.mark.parametrize("dtype", REAL)
@pytest.mark.parametrize("n", hard.SIZES)
def test_an_eigenvector_beside_ties_is_differentiated_twice(n, dtype):
    """By its two equations: (λ − A)v″ = 2(E − λ′)v′, and vᵀv″ = −‖v′‖²."""
    eigenvector_at = formula("orders", "eigenvector_at")
    rng = np.random.default_rng(n)
    for kind in hard.SPECTRA:
        h = hard.hermitian(kind, n, dtype, rng)
        E, C = directions(h, rng)
        w, k = C[:1], 2  # the third value is none of the tied
        program = eigenvector_at(h.matrix, k, const=torch.tensor)

        def loss(a, program=program, w=w):
            return (torch.tensor(w) @ program(a)[0]).sum() ** 2

        found = second_along(loss, h.matrix, E)
        gaps = h.values[k] - h.values
        inverse = np.divide(1, gaps, where=np.arange(n) != k, out=np.zeros(n))
        G, v = (h.right * inverse) @ h.right.T, h.right[:, k]
        one = G @ E @ v
        two = 2 * G @ (E @ one - (v @ E @ v) * one) - (one @ one) * v
        truth = 2 * (w @ one).item() ** 2 + 2 * ((w @ v) * (w @ two)).item()
        allowed = 100 * n * np.finfo(dtype).eps * h.values[-1] * np.abs(inverse).max() ** 3
        assert abs(found - truth) < allowed, kind
