"""The formulas of the chapter on large matrices, at matrices in general position."""

import hard
import numpy as np
import pytest
import scipy.sparse
from formulas import formula


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("n", hard.SIZES)
def test_the_factors_to_copy(n, dtype):
    """One vector whose value is none of the tied, against the factors of the matrix."""
    factors = formula("large_and_sparse", "vector_factors")
    on_pattern = formula("large_and_sparse", "on_pattern")
    rng = np.random.default_rng(n)
    eps = float(np.finfo(dtype).eps)
    for kind in hard.SPECTRA:
        h = hard.hermitian(kind, n, dtype, rng)
        k = n - 1 if kind == "graded" else 2
        gaps = np.delete(h.values - h.values[k], k)
        gap = abs(gaps).min()
        s = float(h.values[k] - gap / 2)
        inverse = np.linalg.inv(h.matrix.astype(float) - s * np.eye(n)).astype(dtype)
        v, bar = h.right[:, k].astype(dtype), rng.standard_normal(n).astype(dtype)
        left, right = factors(lambda x, a=inverse: a @ x, s, dtype(h.values[k]), v, bar)
        others = np.delete(h.right, k, axis=1)
        y = others @ ((others.T @ bar) / gaps)
        truth = -(np.outer(y, v) + np.outer(v, y)) / 2
        pattern = scipy.sparse.coo_array(rng.random((n, n)) < 0.5)
        found, wanted = on_pattern(pattern, left, right), truth[pattern.coords]
        allowed = 100 * eps * h.values[-1] / gap * np.linalg.norm(bar) / gap
        assert np.linalg.norm(found - wanted) < allowed, kind
        assert np.linalg.norm(left) > 0.01 * np.linalg.norm(y)


def test_grids_have_the_spectra_of_the_text():
    grid = formula("large_and_sparse", "grid")
    for ends, first, moved in ((1, 0, 0), (2, 1, 1)):
        one, other = (
            2 - 2 * np.cos(np.pi * np.arange(first, m + first) / (m + moved)) for m in (4, 6)
        )
        wanted = np.sort(np.add.outer(one, other).ravel())
        assert np.linalg.eigvalsh(grid(4, 6, ends).toarray()) == pytest.approx(wanted, abs=1e-13)
