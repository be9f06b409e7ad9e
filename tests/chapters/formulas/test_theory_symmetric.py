"""What the chapter on symmetric matrices says of forms, at gradients in general position."""

import hard
import numpy as np
import pytest

from spectralgrad.theory import eigen, exact, symmetric
from spectralgrad.theory.symmetric import hermitian_part


def mirror(x):
    low = np.tril(x, -1)
    return low + low.conj().T + np.diag(np.diag(x).real)


@pytest.mark.parametrize("dtype", [np.float64, np.complex128])
@pytest.mark.parametrize("n", [3, 5, 20])
def test_a_program_has_the_form_of_the_triangle_that_it_reads(n, dtype):
    """By differences in directions that are not Hermitian, at a simple value beside a tie."""
    rng = np.random.default_rng(n)
    h = hard.hermitian("tied", n, dtype, rng)
    _, G = eigen.eigenvalue_gradient(h.matrix, 2)
    for read, form in ((mirror, "lower"), (hermitian_part, "symmetric")):
        X = symmetric.convert(G, form)
        E = hard.orthonormal(rng, n, n, is_complex=dtype == np.complex128)
        slope, _ = exact.finite_difference(
            lambda x, r=read: np.linalg.eigvalsh(r(x))[2], h.matrix, E, step=0.1 / n
        )
        assert np.vdot(X, E).real == pytest.approx(slope, abs=1e-8)


@pytest.mark.parametrize("dtype", hard.DTYPES)
@pytest.mark.parametrize("n", hard.SIZES)
def test_any_array_that_says_the_same_is_brought_back_and_the_doubled_one_is_not(n, dtype):
    rng = np.random.default_rng(n)
    is_complex = np.issubdtype(dtype, np.complexfloating)
    for kind in hard.SPECTRA:
        G = hard.hermitian(kind, n, dtype, rng).matrix
        E = hermitian_part(hard.orthonormal(rng, n, n, is_complex=is_complex)).astype(dtype)
        rounding = 30 * float(np.finfo(dtype).eps) * float(np.linalg.norm(G))
        skew = symmetric.skew_part(hard.orthonormal(rng, n, n, is_complex=is_complex))
        size = np.linalg.norm(G)
        for form in symmetric.CONVENTIONS:
            X = symmetric.convert((G + np.linalg.norm(G) * skew).astype(dtype), form)
            assert np.vdot(X, E).real == pytest.approx(np.vdot(G, E).real, abs=rounding)
            assert np.linalg.norm((X + X.conj().T) / 2 - G) < rounding
            assert symmetric.recognise(X, tolerance=rounding) == (form,)
            assert size - rounding <= np.linalg.norm(X) <= np.sqrt(2) * size + rounding
        doubled = G + G.conj().T - np.diag(np.diag(G))
        assert abs(np.vdot(doubled - G, E).real) > 100 * rounding
