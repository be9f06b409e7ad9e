"""The chapter on rotations: what it computes at its own matrix, and at others."""

import numpy as np
import pytest
from executing import execute

from spectralgrad.book import building, reporting


def rotation(n):
    q = np.linalg.qr(np.random.default_rng(n).standard_normal((n, n)))[0]
    q[:, 0] *= np.linalg.det(q)
    return q


def check(facts):
    assert all(facts["statements"].values())
    assert facts["determinant"] == pytest.approx(1)
    assert facts["kabsch"] < 1e-12
    assert facts["learned"][0] == pytest.approx(facts["learned"][1])
    if facts["own"]:
        formula, difference, error = facts["own"]
        assert formula == pytest.approx(difference, rel=1e-7)
        assert error is None or error < 1e-14


def test_rotations_as_given(tmp_path):
    facts, text, _ = execute("rotations", tmp_path)
    check(facts)
    assert facts["least"] == 2
    assert "it moves at most 1 times as far" in text
    # All singular values are equal: the frameworks' own code has nothing to say.
    assert "PyTorch not finite, TensorFlow 1 and JAX not finite" in text
    # The smaller the last singular value, the longer the error grows.
    assert facts["steps"]["smallest 5e-05"] > 20 * facts["steps"]["smallest 0.005"]


MATRICES = {
    "1x1": np.array([[-2.0]]),
    "planar": rotation(3) @ np.diag([3.0, 2, 0]) @ rotation(5)[:3, :3].T,
    "mirrored": rotation(3) @ np.diag([1e-6, 1e-6, -1e-6]),
    "on a line": np.outer([1.0, 2, 3], [3.0, 2, 1]),
    "25x25": np.random.default_rng(25).standard_normal((25, 25)),
}


@pytest.mark.parametrize("name", MATRICES)
def test_rotations_with_other_matrices(name, tmp_path):
    matrix = MATRICES[name]
    np.save(tmp_path / "my.npy", matrix)
    facts, text, _ = execute("rotations", tmp_path, matrix="my.npy")
    check(facts)
    n, sigma = len(matrix), np.linalg.svd(matrix)[1]
    assert facts["unique"] == (name not in ("mirrored", "on a line"))
    assert ("there is more than one nearest rotation" in text) == (not facts["unique"])
    assert ("it is no gradient: there is none" in text) == (not facts["unique"])
    assert ("Relative errors at the matrix of this page" in text) == facts["unique"]
    assert ("one rotation of a line" in text) == (n == 1)
    if n > 1 and facts["unique"]:
        last = np.sign(np.linalg.det(matrix)) * sigma[-1]
        assert facts["least"] == pytest.approx(sigma[-2] + last)
        # Of the large one, no derivative is taken in 50 digits.
        assert (facts["own"][2] is None) == (n == 25)


@pytest.mark.parametrize(
    ("matrix", "message"),
    [("[[1, 2, 3], [4, 5, 6]]", "real and 2 × 3"), ('[[1, "2j"], [3, 4]]', "complex and 2 × 2")],
)
def test_only_real_square_matrices_have_a_rotation(matrix, message, tmp_path):
    with pytest.raises((ValueError, building.CommandError), match=message):
        reporting.report(matrix, chapter="rotations", given=[], output=tmp_path / "x")
    assert list(tmp_path.iterdir()) == []
