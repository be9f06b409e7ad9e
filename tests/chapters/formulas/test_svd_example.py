"""What the chapter says of the nuclear norm of rank-deficient matrices, in general position."""

import hard
import numpy as np
import pytest
import scipy.linalg

from spectralgrad.theory import subgradient

in_all = pytest.mark.parametrize("dtype", hard.DTYPES)
of_all_sizes = pytest.mark.parametrize("n", hard.SIZES)
scaled = pytest.mark.parametrize("scale", [1.0, 1e6, 1e-6])


def deficient(n, dtype, rng, scale=1.0):
    """(n + 2) × n with a third of its singular values zero, and U₁V₁ᴴ from the factors."""
    rank = n - n // 3
    values = np.append(hard.values("regular", rank, rng)[::-1], np.zeros(n - rank)) * scale
    h = hard.general("regular", n + 2, n, dtype, rng, values)
    u1, v1 = h.left[:, :rank], h.right[:, :rank]
    return h, u1, v1


def by_a_library(matrix):
    """What differentiating Σσᵢ gives: UVᴴ with vectors found in the precision of the matrix."""
    u, _, vh = scipy.linalg.svd(matrix, full_matrices=False)
    return u @ vh


@in_all
@of_all_sizes
@scaled
def test_what_all_valid_answers_share_and_the_one_of_smallest_norm(n, dtype, scale, rng):
    h, u1, v1 = deficient(n, dtype, rng, scale)
    valid, right = subgradient.svdvals(h.matrix, np.ones(n)), u1 @ v1.conj().T
    assert not valid.differentiable
    assert np.linalg.norm(valid.minimum_norm - right) <= 2 * valid.tolerance
    g = by_a_library(h.matrix)
    assert valid.contains(g).inside
    u1, v1 = valid.left[:, : valid.rank], valid.right[:, : valid.rank]
    shared = u1 @ (u1.conj().T @ g @ v1) @ v1.conj().T
    assert np.linalg.norm(shared - right) <= 2 * valid.tolerance
    # Entries are another matter.
    assert np.linalg.norm(g - right) > 0.9


@in_all
@of_all_sizes
def test_where_the_rank_is_full_the_gradient_is_uv(n, dtype, rng):
    for kind in ("regular", "tied", "nearly tied", "graded", "large", "small"):
        h = hard.general(kind, n, n, dtype, rng)
        valid, right = subgradient.svdvals(h.matrix, np.ones(n)), h.left @ h.right.conj().T
        assert valid.differentiable, kind
        for g in (by_a_library(h.matrix), valid.minimum_norm):
            assert np.linalg.norm(g - right) <= 2 * valid.tolerance, kind


@of_all_sizes
@pytest.mark.parametrize("dtype", [np.float64, np.complex128])
def test_the_slope_and_its_kink(n, dtype, rng):
    """Re⟨U₁V₁ᴴ, E⟩ + ‖U₀ᴴEV₀‖ in the nuclear norm, against differences."""
    h, u1, v1 = deficient(n, dtype, rng)
    e = rng.standard_normal(h.matrix.shape)
    e = e + 1j * rng.standard_normal(e.shape) if dtype == np.complex128 else e
    e /= np.linalg.norm(e, 2)
    u0, v0 = (np.linalg.qr(x, mode="complete")[0][:, x.shape[1] :] for x in (u1, v1))
    t = 1e-3 / n**2
    a = (h.left * h.values) @ h.right.conj().T
    for sign in (1, -1):
        slope = np.vdot(u1 @ v1.conj().T, sign * e).real
        slope += np.linalg.norm(u0.conj().T @ e @ v0, "nuc")
        first, second = (
            (np.linalg.norm(a + sign * s * e, "nuc") - h.values.sum()) / s for s in (t, t / 2)
        )
        assert 2 * second - first == pytest.approx(slope, abs=1e-3)


@of_all_sizes
def test_a_perturbation_fixes_w_to_its_polar_factor(n, rng):
    """The first exercise: UVᴴ of A + tP tends to U₁V₁ᴴ + U₀WV₀ᴴ, W the polar factor of U₀ᴴPV₀."""
    h, u1, v1 = deficient(n, np.float64, rng)
    p = rng.standard_normal(h.matrix.shape)
    u0, v0 = (np.linalg.qr(x, mode="complete")[0][:, x.shape[1] :] for x in (u1, v1))
    w = by_a_library(u0.T @ p @ v0)
    a = (h.left * h.values) @ h.right.T
    g = by_a_library(a + 1e-8 * p)
    assert g == pytest.approx(u1 @ v1.T + u0 @ w @ v0.T, abs=1e-4)


@of_all_sizes
@in_all
def test_numpy_decomposes_in_double_precision_whatever_it_is_given(n, dtype, rng):
    """And multiplies in single precision; SciPy's decompositions are in that of the matrix."""
    single = hard.hermitian("regular", n, dtype, rng).matrix
    single = single.astype(np.result_type(single.dtype, np.float32))
    double = single.astype(np.result_type(single, float))
    for decompose in (np.linalg.svd, np.linalg.eigh, np.linalg.qr):
        for x, y in zip(decompose(single), decompose(double), strict=True):
            assert np.array_equal(x, y.astype(x.dtype))
    if single.dtype.itemsize < double.dtype.itemsize:
        assert not np.array_equal(scipy.linalg.svdvals(single), np.linalg.svd(single)[1])
