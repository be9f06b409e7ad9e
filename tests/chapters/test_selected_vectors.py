"""The chapter `selected_vectors`: which cut it recommends, for other matrices and other cuts."""

import numpy as np
import pytest
from executing import execute, require_refusal


def noise(m, n, *, is_complex=False):
    rng = np.random.default_rng(m + n)
    a = rng.standard_normal((m, n))
    return a + 1j * rng.standard_normal((m, n)) if is_complex else a


def with_values(m, values):
    rng = np.random.default_rng(m)
    u, v = (np.linalg.qr(rng.standard_normal((s, len(values))))[0] for s in (m, len(values)))
    return (u * values) @ v.T


def test_the_page_of_the_book(tmp_path):
    facts, text, _ = execute("selected_vectors", tmp_path)
    assert facts["best"] == facts["cut"] == 2
    assert "the best cut is after k = 2, with the condition 2.05" in text
    assert "The worst open cut is after k = 3: 20.9." in text
    assert facts["eight"] < 1e-10


MATRICES = {
    # One column: nothing to cut.
    "1x1": (np.array([[-2.0]]), 0, None, "no cut has a gradient: there is one vector"),
    # Every cut goes through a tie.
    "tied": (np.eye(3), 0, None, "all singular values count as equal"),
    "zero": (np.zeros((2, 2)), 1, None, "all singular values count as equal"),
    # The one asked for is not the best one, and one goes through a tie.
    "a tie inside": (with_values(6, [5.0, 3, 3, 1]), 3, 1, "After k = 2 two values count as"),
    # The null vectors that a wide matrix has too many of.
    "wide, complex": (noise(2, 4, is_complex=True), 2, 2, "After k = 3 two values count as"),
    "large": (1e8 * noise(7, 5), 4, None, "The one asked for, after k = 4: "),
}


@pytest.mark.parametrize("name", MATRICES)
def test_other_matrices(name, tmp_path):
    matrix, keep, best, said = MATRICES[name]
    np.save(tmp_path / "my.npy", matrix)
    facts, text, _ = execute("selected_vectors", tmp_path, matrix="my.npy", keep=keep)
    assert said in text
    s = np.append(np.linalg.svd(matrix, compute_uv=False), np.zeros(matrix.shape[1]))
    bounds = [1 / g if g > 1e-12 * s[0] else None for g in -np.diff(s)[: matrix.shape[1] - 1]]
    for gap_bound, found in zip(bounds, facts["condition"], strict=True):
        # Between 1/gap and √2/gap, or no cut.
        assert (found is None) == (gap_bound is None)
        assert found is None or 1 - 1e-9 < found / (s[0] * gap_bound) < 1.4143
    if facts["cut"] and facts["open"][facts["cut"] - 1]:
        assert facts["attained"] == pytest.approx(1, abs=1e-4)
        assert facts["cut"] == (keep or facts["best"])
    if best:
        assert facts["best"] == best
    assert all(facts["statements"].values())


def test_a_cut_that_is_none_is_refused(tmp_path):
    require_refusal("selected_vectors", [("keep", "2")], "keep: 2 will not do", tmp_path)
