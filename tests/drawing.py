"""Random matrices for several test files."""

import numpy as np
from hypothesis import strategies as st

from spectralgrad.theory import eigen, singular


def random_matrix(rng, m, n, *, is_complex):
    matrix = rng.standard_normal((m, n))
    return matrix + 1j * rng.standard_normal((m, n)) if is_complex else matrix


def unitary(rng, n, *, is_complex):
    return np.linalg.qr(random_matrix(rng, n, n, is_complex=is_complex))[0]


seeds = st.integers(0, 2**32 - 1)


def eigenvalue_sum_gradient(matrix, weights):
    """Gradient of Σ wᵢ λᵢ(A), in the dtype of A; only its lower triangle is read."""
    return eigen.eigvalsh_vjp(np.linalg.eigh(matrix)[1], weights).astype(matrix.dtype)


def singular_sum_gradient(matrix, weights):
    """Gradient of Σ wᵢ σᵢ(A), in the dtype of A."""
    u, _, vh = np.linalg.svd(matrix, full_matrices=False)
    return singular.svdvals_vjp(u, vh, weights).astype(matrix.dtype)
