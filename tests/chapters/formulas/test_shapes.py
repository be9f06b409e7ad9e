"""What the chapter on shapes, batches and scale says to do, at matrices in general position."""

import hard
import numpy as np
import pytest
from formulas import formula

from spectralgrad.theory import eigen, singular
from spectralgrad.theory.symmetric import adjoint, hermitian_part, skew_part


@pytest.mark.parametrize("dtype", hard.DTYPES)
@pytest.mark.parametrize("shape", [(4, 3), (5, 3), (20, 5), (100, 20)])
def test_the_span_of_the_other_columns(shape, dtype):
    """Σ rᵢ|U₀ᵢⱼ|² is Re⟨D, I − AA⁺⟩, whose gradient is −2(I − AA⁺)D(A⁺)ᴴ, at ties too."""
    null_truth = formula("shapes", "null_truth")
    rng = np.random.default_rng(shape)
    r = rng.standard_normal(shape[0])
    for kind in hard.SPECTRA:
        h = hard.general(kind, *shape, dtype, rng)
        inverse = (h.left / h.values) @ adjoint(h.right)
        out = np.diag(r) - h.left @ (adjoint(h.left) * r)
        truth = -2 * out @ inverse
        found = null_truth(h.matrix, r)
        condition = h.values[0] / h.values[-1]
        allowed = 30 * np.finfo(dtype).eps * condition * np.linalg.norm(r) / h.values[-1]
        assert np.linalg.norm(found - truth) < allowed, kind


@pytest.mark.parametrize("dtype", hard.DTYPES)
@pytest.mark.parametrize("shape", [(4, 3), (5, 5), (3, 5), (100, 20)])
def test_vectors_of_positive_values_at_rank_less_than_full(shape, dtype):
    """The largest left vector is the largest of AAᴴ, and the zeros of A do not concern it."""
    rng = np.random.default_rng(shape)
    k = min(shape)
    s = np.linspace(3, 1, k)
    s[-2 if k > 3 else -1 :] = 0
    for scale in (1e-6, 1, 1e6):
        h = hard.general(None, *shape, dtype, rng, scale * s)
        u, x, vh = hard.svd(h.matrix)
        r = rng.standard_normal(shape[0]).astype(x.dtype)
        weights = 2 * r[:, None] * u * (np.arange(k) == 0)
        found = scale * singular.svd_vjp(u, x, vh, weights, 0, 0)
        first = h.left[:, :1]
        gaps = np.append(np.inf, s[0] ** 2 - s[1:] ** 2)
        R = (h.left / gaps) @ adjoint(h.left)
        R = R + (np.eye(shape[0]) - h.left @ adjoint(h.left)) / s[0] ** 2
        gram = 2 * hermitian_part(R @ (r[:, None] * first) @ adjoint(first))
        truth = 2 * gram @ ((h.left * s) @ adjoint(h.right))
        assert np.linalg.norm(found - truth) < 100 * np.finfo(dtype).eps * k * np.linalg.norm(r)


@pytest.mark.parametrize("dtype", hard.DTYPES)
@pytest.mark.parametrize("shape", [(3, 3), (4, 3), (20, 20)])
def test_scaling_first_takes_no_digit(shape, dtype):
    """A program that squares singular values, at a norm at which the squares overflow."""
    scaled = formula("shapes", "scaled")
    rng = np.random.default_rng(shape)
    real = np.finfo(dtype)
    h = hard.general("regular", *shape, dtype, rng)
    R, S = (rng.standard_normal(z.shape).astype(h.matrix.real.dtype) for z in (h.left, h.right))

    def squares(A, R, S):
        u, s, vh = hard.svd(A)
        gaps = s**2 - s[:, None] ** 2 + np.eye(len(s), dtype=s.dtype)
        X = skew_part(adjoint(u) @ (2 * R * u))
        Y = skew_part(vh @ (2 * S * adjoint(vh)))
        np.fill_diagonal(X, 0)
        np.fill_diagonal(Y, 0)
        K = 2 * (X / gaps * s + s[:, None] * (Y / gaps))
        out = 2 * R * u - u @ (adjoint(u) @ (2 * R * u))
        return (u @ K + out / s) @ vh

    known = squares(h.matrix, R, S)
    for exponent in (int(0.4 * np.log2(real.tiny)), -20, 20, int(0.6 * np.log2(real.max))):
        c = h.matrix.real.dtype.type(2.0) ** exponent
        found = scaled(squares, h.matrix * c, R, S)
        assert found.dtype == dtype
        error = np.linalg.norm(found * c - known) / np.linalg.norm(known)
        assert error < 10 * real.eps
    with np.errstate(all="ignore"):
        lost = squares(h.matrix * c, R, S) * c
    assert not np.linalg.norm(lost - known) < 0.1 * np.linalg.norm(known)


@pytest.mark.parametrize("dtype", hard.DTYPES)
@pytest.mark.parametrize("n", [3, 5, 20])
def test_the_mean_of_the_diagonal_is_worth_subtracting(n, dtype):
    """If the entries are exact after the addition of cI; what they have lost is lost."""
    shifted = formula("shapes", "shifted")
    rng = np.random.default_rng(n)
    h = hard.hermitian("regular", n, dtype, rng)
    eps = float(np.finfo(dtype).eps)
    # Multiples of 2⁻⁸ stay exact beside a c of 2⁻¹⁰/ε.
    A = (np.round(h.matrix.view(h.matrix.real.dtype) * 256) / 256).view(dtype)
    c = h.matrix.real.dtype.type(2.0**-10 / eps)
    R = rng.standard_normal((n, n)).astype(c.dtype)

    def program(A, R):
        x, V = hard.eigh(A)
        return eigen.eigh_vjp(x, V, 0, 2 * R * V, rtol=0, gauge_tol=np.inf)

    x, V = np.linalg.eigh(A.astype(np.result_type(dtype, float)))
    truth = eigen.eigh_vjp(x, V, 0, 2 * R * V)
    far = A + c * np.eye(n, dtype=dtype)
    errors = [np.linalg.norm(f(far, R) - truth) for f in (program, lambda *x: shifted(program, *x))]
    allowed = 30 * eps / np.diff(x).min() * np.linalg.norm(truth)
    assert errors[1] < allowed < errors[0]
