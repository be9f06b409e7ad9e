"""Random matrices for several test files."""

import numpy as np
from hypothesis import strategies as st


def random_matrix(rng, m, n, *, is_complex):
    matrix = rng.standard_normal((m, n))
    return matrix + 1j * rng.standard_normal((m, n)) if is_complex else matrix


def unitary(rng, n, *, is_complex):
    return np.linalg.qr(random_matrix(rng, n, n, is_complex=is_complex))[0]


seeds = st.integers(0, 2**32 - 1)
