"""The formulas of the chapter on selected vectors, at matrices in general position."""

import hard
import numpy as np
import pytest
from formulas import formula

from spectralgrad.theory.symmetric import adjoint, hermitian_part

EVERYWHERE = [
    pytest.param(n, dtype, id=f"{n}-{np.dtype(dtype)}") for n in hard.SIZES for dtype in hard.DTYPES
]


def drawn(shape, h, rng):
    """A random array of the dtype of a matrix."""
    x = rng.standard_normal(shape)
    if np.iscomplexobj(h.matrix):
        x = x + 1j * rng.standard_normal(shape)
    return x.astype(h.matrix.dtype)


def eps(h):
    return float(np.finfo(h.matrix.dtype).eps)


@pytest.mark.parametrize(("n", "dtype"), EVERYWHERE)
def test_one_eigenvector(n, dtype):
    """Its value is none of the tied; the loss is Re⟨B, vvᴴ⟩, whatever the phase of v."""
    pullback, rng = formula("selected_vectors", "eigenvector_vjp"), np.random.default_rng(n)
    for kind in hard.SPECTRA:
        h = hard.hermitian(kind, n, dtype, rng)
        k, B = 2 % n, hermitian_part(drawn((n, n), h, rng))
        values, V = hard.eigh(h.matrix)
        found = pullback(values, V, k, 2 * B @ V[:, k])
        others = np.delete(np.arange(n), k)
        gaps = h.values[k] - h.values[others]
        v, rest = h.right[:, [k]], h.right[:, others]
        y = rest @ ((adjoint(rest) @ B @ v) / gaps[:, None])
        truth = 2 * hermitian_part(y @ adjoint(v))
        gap = np.abs(gaps).min()
        allowed = 100 * eps(h) * h.values[-1] / gap * np.linalg.norm(B, 2) / gap
        assert found.dtype == dtype
        assert np.linalg.norm(found - truth) < allowed, kind


@pytest.mark.parametrize(("n", "dtype"), EVERYWHERE)
def test_the_vector_of_the_smallest_singular_value(n, dtype):
    """Positive or zero, whatever ties above it; the condition is not squared."""
    pullback, rng = formula("selected_vectors", "null_vector_vjp"), np.random.default_rng(n)
    for kind in hard.SPECTRA:
        above = hard.values(kind, n - 1, rng, dtype)[::-1] if n > 3 else np.array([1.0, 1.0])
        for last in (0.0, 0.5 * above[-1]):
            h = hard.general(None, n + 3, n, dtype, rng, np.append(above, last))
            B = hermitian_part(drawn((n, n), h, rng))
            U, s, Vh = hard.svd(h.matrix)
            v = Vh[-1].conj()
            found = pullback(U, s, Vh, 2 * B @ v)
            u, v, rest = h.left[:, [-1]], h.right[:, [-1]], h.right[:, :-1]
            c = 2 * (adjoint(rest) @ B @ v) / (last**2 - above[:, None] ** 2)
            truth = h.left[:, :-1] @ (above[:, None] * c) @ adjoint(v)
            truth = truth + last * u @ adjoint(rest @ c)
            gap = above[-1] - last
            allowed = 100 * eps(h) * above[0] / gap * np.linalg.norm(B, 2) / gap
            assert found.dtype == dtype
            assert np.linalg.norm(found - truth) < allowed, (kind, last)


@pytest.mark.parametrize(("n", "dtype"), EVERYWHERE)
def test_a_projector_needs_the_gap_of_its_cut_only(n, dtype):
    """With a tie among the kept and one among the dropped."""
    pullback, rng = formula("selected_vectors", "projector_vjp"), np.random.default_rng(n)
    for kind in hard.SPECTRA:
        h = hard.hermitian(kind, n, dtype, rng)
        k = n - 2  # the two smallest are dropped
        B = drawn((n, n), h, rng)
        values, V = hard.eigh(h.matrix)
        found = pullback(values, V, k, B)
        kept, dropped = h.right[:, 2:], h.right[:, :2]
        inner = adjoint(kept) @ hermitian_part(B) @ dropped
        inner = inner / (h.values[2:, None] - h.values[:2])
        truth = 2 * hermitian_part(kept @ inner @ adjoint(dropped))
        gap = h.values[2] - h.values[1]
        allowed = 100 * eps(h) * h.values[-1] / gap * np.linalg.norm(B, 2) / gap
        assert found.dtype == dtype
        assert np.linalg.norm(found - truth) < allowed, kind
