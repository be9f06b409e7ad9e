"""The formulas of the chapter on eigenvectors, at matrices in general position."""

import hard
import numpy as np
import pytest
import scipy.linalg
from formulas import formula

from spectralgrad.theory import eigen
from spectralgrad.theory.symmetric import adjoint, hermitian_part


def draw(h, rng):
    """A random Hermitian matrix of norm about 1, of the dtype of another."""
    x = hard.orthonormal(rng, *h.matrix.shape, is_complex=np.iscomplexobj(h.matrix))
    return hermitian_part(x).astype(h.matrix.dtype)


@pytest.mark.parametrize("dtype", hard.DTYPES)
@pytest.mark.parametrize("n", hard.SIZES)
def test_a_simple_eigenvalue_and_its_two_derivatives(n, dtype):
    rng = np.random.default_rng(n)
    eps = float(np.finfo(dtype).eps)
    for kind in hard.SPECTRA:
        h = hard.hermitian(kind, n, dtype, rng)
        # In single precision the lowest values of a graded matrix may count as equal.
        E, k, size = draw(h, rng), n - 1 if kind == "graded" else 2, h.values[-1]
        v = h.right[:, [k]]
        gaps = np.delete(h.values[k] - h.values, k)
        condition = size / abs(gaps).min()
        value, G = eigen.eigenvalue_gradient(h.matrix, k)
        assert value == pytest.approx(h.values[k], abs=10 * eps * size), kind
        assert np.linalg.norm(G - v @ adjoint(v)) < 30 * eps * condition, kind
        found = eigen.eigenvalue_second_derivative(*hard.eigh(h.matrix), k, E)
        couplings = abs(np.delete((adjoint(h.right) @ E @ v).ravel(), k)) ** 2
        truth, scale = np.sum(2 * couplings / gaps), np.sum(2 * couplings / abs(gaps))
        assert abs(found - truth) < 30 * eps * condition * (scale + 1 / abs(gaps).min()), kind


@pytest.mark.parametrize("dtype", hard.DTYPES)
@pytest.mark.parametrize("n", hard.SIZES)
def test_the_pullback_to_copy(n, dtype):
    """Of Σ wᵢλᵢ + Re⟨B, V diag(c) Vᴴ⟩, against the factors that the matrix was made from."""
    pullback = formula("theory_eigen", "eigh_pullback")
    rng = np.random.default_rng(n)
    eps = float(np.finfo(dtype).eps)
    for kind in ("regular", "graded", "large", "small"):
        h = hard.hermitian(kind, n, dtype, rng)
        B, size = draw(h, rng), h.values[-1]
        c = rng.standard_normal(n).astype(h.matrix.real.dtype)
        w = rng.standard_normal(n).astype(c.dtype) / c.dtype.type(size)
        gap = float(np.diff(h.values).min())
        x, V = hard.eigh(h.matrix)
        found = pullback(x, V, w, 2 * B @ V * c)
        quotients = np.subtract.outer(c, c) / (np.subtract.outer(h.values, h.values) + np.eye(n))
        inner = quotients * (adjoint(h.right) @ B @ h.right) + np.diag(w)
        truth = h.right @ inner @ adjoint(h.right)
        allowed = 100 * eps * size / gap * np.linalg.norm(truth)
        assert np.linalg.norm(found - truth) < allowed, kind
        again = eigen.eigh_vjp(x, V, w, 2 * B @ V * c)
        assert np.linalg.norm(again - truth) < allowed, kind


FUNCTIONS = {
    "root": (np.sqrt, lambda x: 0.5 / np.sqrt(x)),
    "inverse": (lambda x: 1 / x, lambda x: -1 / x**2),
}


@pytest.mark.parametrize("dtype", hard.DTYPES)
@pytest.mark.parametrize("n", hard.SIZES)
def test_a_function_of_the_matrix_solves_its_own_equation(n, dtype):
    """√A: SX + XS = B. A⁻¹: −A⁻¹BA⁻¹. log det A: A⁻¹. Neither equation knows of a gap."""
    rng = np.random.default_rng(n)
    eps = float(np.finfo(dtype).eps)
    for kind in hard.SPECTRA:
        h = hard.hermitian(kind, n, dtype, rng)
        B, values, V = draw(h, rng), *hard.eigh(h.matrix)
        S = (h.right * np.sqrt(h.values)) @ adjoint(h.right)
        inverse = (h.right / h.values) @ adjoint(h.right)
        truths = {"root": scipy.linalg.solve_sylvester(S, S, B), "inverse": -inverse @ B @ inverse}
        condition = h.values[-1] / h.values[0]
        for name, truth in truths.items():
            found = eigen.function_vjp(values, V, B, *FUNCTIONS[name])
            size = np.linalg.norm(FUNCTIONS[name][1](h.values), np.inf) * np.sqrt(n)
            assert np.linalg.norm(found - truth) < 30 * eps * condition * size, (kind, name)
        found = eigen.eigvalsh_vjp(V, 1 / values)
        assert np.linalg.norm(found - inverse) < 30 * eps * condition * np.linalg.norm(inverse), (
            kind
        )
