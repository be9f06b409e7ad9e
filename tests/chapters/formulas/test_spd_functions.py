"""What the chapter on covariance matrices offers, where it is hard, by equations that hold for it.

PyTorch stands for the four frameworks, which the chapter itself compares at small matrices.
"""

import functools

import hard
import numpy as np
import pytest
import scipy.linalg
from formulas import formula

from spectralgrad import frameworks
from spectralgrad.theory import eigen, exact
from spectralgrad.theory.symmetric import adjoint, hermitian_part, skew_part

EVERYWHERE = [
    pytest.param(n, dtype, id=f"{n}-{np.dtype(dtype)}") for n in hard.SIZES for dtype in hard.DTYPES
]


@functools.cache
def offered(name):
    with frameworks.quiet():
        return formula("spd_functions", name)


def gradient(name, matrix, *others, C=1.0):
    import torch

    given = [torch.tensor(x) for x in others]
    library = frameworks.get("torch")
    return library.vjp(lambda x: offered(name)(x, *given), matrix, np.asarray(C))


def pairs(n, dtype):
    """Two matrices of each kind, with the precision, and the conditions of both."""
    rng = np.random.default_rng(n)
    for kind in hard.SPECTRA:
        a, b = (hard.hermitian(kind, n, dtype, rng) for _ in range(2))
        yield kind, a, b, float(np.finfo(dtype).eps), a.values[-1] / a.values[0]


def function(h, f):
    return (h.left * f(h.values)) @ adjoint(h.left)


@pytest.mark.parametrize(("n", "dtype"), EVERYWHERE)
def test_the_gradient_of_the_fidelity_is_half_of_the_map_that_takes_one_to_the_other(n, dtype):
    """T A T = B; and of equal matrices, T = I."""
    for kind, a, b, eps, condition in pairs(n, dtype):
        allowed = 50 * n * eps * condition
        T = 2 * hermitian_part(gradient("torch_fidelity", a.matrix, b.matrix))
        assert T.dtype == dtype
        assert exact.relative_error(T @ a.matrix @ T, b.matrix) < allowed, kind
        assert np.all(np.linalg.eigvalsh(T) > 0)
        same = 2 * hermitian_part(gradient("torch_fidelity", a.matrix, a.matrix))
        assert exact.relative_error(same, np.eye(n)) < allowed, kind


@pytest.mark.parametrize(("n", "dtype"), EVERYWHERE)
def test_the_gradients_of_two_distances(n, dtype):
    for kind, a, b, eps, condition in pairs(n, dtype):
        allowed = 50 * n * eps * condition
        apart = function(a, np.log) - function(b, np.log)
        truth = eigen.function_vjp(a.values, a.left, 2 * apart, np.log, np.reciprocal)
        found = gradient("torch_log_euclidean", a.matrix, b.matrix)
        assert exact.relative_error(found, truth) < allowed, kind
        half = function(a, lambda x: x**-0.5)
        mu, v = np.linalg.eigh(hermitian_part(half @ function(b, lambda x: x) @ half))
        truth = -2 * half @ (v * np.log(mu)) @ adjoint(v) @ half
        found = hermitian_part(gradient("torch_affine_invariant", a.matrix, b.matrix))
        assert found.dtype == dtype
        # The condition of the relative matrix counts as well.
        assert exact.relative_error(found, truth) < allowed * condition, kind


@pytest.mark.parametrize(("n", "dtype"), EVERYWHERE)
def test_the_gradient_of_the_log_determinant_is_the_inverse(n, dtype):
    for kind, a, _, eps, condition in pairs(n, dtype):
        found = hermitian_part(gradient("torch_logdet", a.matrix))
        truth = function(a, np.reciprocal)
        assert exact.relative_error(found, truth) < 10 * n * eps * condition, kind


def samples(kind, n, dtype, rng):
    """Centred samples in rows, with the factors of their covariance, the rows' basis first."""
    rows = rng.standard_normal((2 * n + 3, n))
    u = np.linalg.qr(rows - rows.mean(0))[0]
    v = hard.orthonormal(rng, n, n, is_complex=False)
    s = np.sqrt(hard.values(kind, n, rng, dtype))
    return ((u * s) @ v.T).astype(dtype), u, s, v


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("n", hard.SIZES)
def test_whitening_by_the_covariance_and_by_the_polar_factor(n, dtype):
    """R = U Vᵀ of X = R P: Ω P + P Ω = RᵀdX − dXᵀR, in reverse; centred."""
    rng, eps = np.random.default_rng(n), float(np.finfo(dtype).eps)
    for kind in hard.SPECTRA:
        x, u, s, v = samples(kind, n, dtype, rng)
        C = rng.standard_normal(x.shape).astype(dtype)
        R, P = u @ v.T, (v * s) @ v.T
        turned = scipy.linalg.solve_sylvester(P, P, 2 * skew_part(R.T @ C))
        truth = R @ turned + (C - R @ (R.T @ C)) @ (v / s) @ v.T
        truth = len(x) ** 0.5 * (truth - truth.mean(0))
        condition = s[-1] / s[0]
        found = gradient("torch_zca_polar", x, C=C)
        assert exact.relative_error(found, truth) < 50 * n * eps * condition, kind
        found = gradient("torch_zca", x, C=C)
        assert exact.relative_error(found, truth) < 50 * n * eps * condition**2, kind


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("kind", hard.SPECTRA)
def test_pooling_of_fewer_positions_than_channels(kind, dtype):
    """(XᵀX)^½ = Xᵀ (XXᵀ)^-½ X, with the gradient of each factor."""
    rng, eps = np.random.default_rng(3), float(np.finfo(dtype).eps)
    s = np.sqrt(hard.values(kind, 4, rng, dtype))
    rows, v = rng.standard_normal((5, 4)), hard.orthonormal(rng, 9, 4, is_complex=False)
    x = ((np.linalg.qr(rows - rows.mean(0))[0] * s) @ v.T).astype(dtype)
    C, E = rng.standard_normal(45), s[-1] * rng.standard_normal(x.shape)
    found = np.sum(gradient("torch_pooled", x, C=C.astype(dtype)) * E)

    def pooled(y):
        y = y - y.mean(0)
        _, t, w = np.linalg.svd(y, full_matrices=False)
        root = (w[:4].T * t[:4]) @ w[:4] / 5**0.5
        return np.sum(C * root[np.triu_indices(9)])

    step = 1e-3 * s[0] / np.linalg.norm(E)
    slope, error = exact.finite_difference(pooled, x.astype(float), E, step=step)
    size = np.linalg.norm(gradient("torch_pooled", x, C=C.astype(dtype))) * np.linalg.norm(E)
    assert abs(found - slope) < error + 1e-8 * size + 500 * eps * (s[-1] / s[0]) ** 2 * size


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
@pytest.mark.parametrize(("rows", "n"), [((3, 4), 9), ((4, 3), 9), ((2, 12), 20), ((40, 30), 5)])
def test_a_frechet_distance_of_few_samples_and_of_many(rows, n, scale, dtype):
    """2 (x − y) of the means, and of the rest what difference quotients say."""
    rng = np.random.default_rng(n)
    x, y = (scale * (rng.standard_normal((m, n)) + 1) for m in rows)
    x, y = x.astype(dtype), y.astype(dtype)
    E = scale * rng.standard_normal(x.shape)

    def distance(z):
        sets = z, y.astype(float)
        means = [a.mean(0) for a in sets]
        a, b = ((a - m) / (len(a) - 1) ** 0.5 for a, m in zip(sets, means, strict=True))
        root = np.linalg.svd(a @ b.T, compute_uv=False).sum()
        return np.sum((means[0] - means[1]) ** 2) + np.sum(a**2) + np.sum(b**2) - 2 * root

    G = gradient("torch_frechet", x, y)
    slope, error = exact.finite_difference(distance, x.astype(float), E, step=1e-3)
    size = np.linalg.norm(G) * np.linalg.norm(E)
    lost = 1000 * float(np.finfo(dtype).eps)
    assert abs(np.sum(G * E) - slope) < error + (1e-8 + lost) * size
