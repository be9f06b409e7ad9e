"""The chapter `beyond_symmetric` with other matrices: what it says of their eigenvalues."""

import numpy as np
import pytest
from executing import execute

rng = np.random.default_rng(0)
GENERAL = rng.standard_normal((9, 9)) + 1j * rng.standard_normal((9, 9))

# A matrix, how many of its eigenvalues have no gradient, and what the page says.
MATRICES = {
    "1x1": ([[2.0]], 0, "Its eigenvalue: 2 (condition 1)."),
    "defective": ([[1.0, 1, 0], [0, 1, 0], [0, 0, 5]], 2, "2 eigenvalues cannot be told"),
    "complex": (GENERAL, 0, "and 4 better ones."),
}


@pytest.mark.parametrize("name", MATRICES)
def test_other_matrices(name, tmp_path):
    matrix, unclear, sentence = MATRICES[name]
    np.save(tmp_path / "my.npy", matrix)
    facts, text, _ = execute("beyond_symmetric", tmp_path, matrix="my.npy")
    assert facts["unclear"] == unclear
    assert sentence in text
    _, vectors = np.linalg.eig(matrix)
    if not unclear:
        wanted = np.sort(np.linalg.norm(np.linalg.inv(vectors), axis=1))[::-1]
        assert facts["condition"] == pytest.approx(wanted)
    # None of them depends on the matrix of the page.
    assert all(facts["statements"].values())


def test_a_matrix_that_is_not_square_is_refused_in_one_line(tmp_path):
    np.save(tmp_path / "my.npy", np.ones((2, 3)))
    with pytest.raises(AssertionError, match="eigenvalues need a square one"):
        execute("beyond_symmetric", tmp_path, matrix="my.npy")
