"""Execute the chapter on the article about GradientTape, and hold what it says against truth."""

import numpy as np
import pytest
from executing import execute

FRAMEWORKS = ("autograd", "torch", "tensorflow", "jax")
EPSILON = 1e-20


def test_the_article_as_it_stands(tmp_path):
    facts, _, cells = execute("gradienttape_claims", tmp_path)
    # Each row of the table of claims has a check.
    (table,) = (t for t in ("".join(c["source"]) for c in cells) if "| The article says |" in t)
    rows = [line for line in table.splitlines() if line.startswith("| ")][1:]
    assert len(rows) == 9
    assert all("<!-- claim: " in row for row in rows)

    # The numbers of the article's matrix, by NumPy alone.
    a = np.array([[1.0, 2.0], [3.0, 4.0]])
    norm = np.linalg.svd(a, compute_uv=False).sum()
    diagonal = np.abs(np.linalg.qr(a)[1].diagonal()).sum()
    assert facts["article"]["sum"] == pytest.approx(norm, rel=1e-14)
    assert facts["article"]["ratio"] == pytest.approx(diagonal / norm, rel=1e-14)
    assert (facts["truncated"], facts["held"], facts["cut"]) == ("agrees", "agrees", 1)
    assert max(facts["mine"].values()) < 1e-13

    # Where the text says that TensorFlow goes wrong: the constant in its rule shows by its size.
    s = np.linalg.svd(a, compute_uv=False)
    b = np.cos(np.arange(1.0, 5.0)).reshape(2, 2)
    u, _, vh = np.linalg.svd(a)
    off = np.linalg.norm((u.T @ b @ vh.T) * (1 - np.eye(2))) / np.linalg.norm(b)
    for power in (-8, -6, -5, -4):
        x = 10.0 ** (2 * power) * (s[0] ** 2 - s[1] ** 2)
        expected = off * EPSILON / (x**2 + EPSILON)
        assert facts["scale"][str(power)] == pytest.approx(expected, rel=1e-5)
    assert max(facts["scale"][str(power)] for power in (-2, -1, 0, 1, 2)) < 1e-13
    # Of diag(1, 1, ½) the tied pair is lost; of a gap g in squares what the factor leaves.
    tie, gap = (facts["cases"][c] for c in ("equal: diag(1, 1, ½)", "gap of 1e-10"))
    b = np.cos(np.arange(1.0, 10.0)).reshape(3, 3)
    pair = np.linalg.norm(b[[0, 1], [1, 0]]) / np.linalg.norm(b)
    assert tie["tensorflow"] == pytest.approx(pair, rel=1e-12)
    x = 1 - (1 - 1e-10) ** 2
    assert gap["tensorflow"] == pytest.approx(pair * EPSILON / (x**2 + EPSILON), rel=1e-4)
    assert [tie[n] for n in FRAMEWORKS if n != "tensorflow"] == [None] * 3
    ends = list(facts["ends"].values())
    assert ends == ["None"] * 4 + ["AttributeError", "LookupError"]


RNG = np.random.default_rng(3)
MATRICES = {
    "1x1": np.array([[-2.0]]),
    "zero": np.zeros((2, 3)),
    "identity": np.eye(3),
    "tiny": 1e-100 * (RNG.standard_normal((2, 3)) + 1j * RNG.standard_normal((2, 3))),
}


@pytest.mark.parametrize("name", MATRICES)
def test_other_matrices(name, tmp_path):
    matrix = MATRICES[name]
    np.save(tmp_path / "my.npy", matrix)
    facts, text, _ = execute("gradienttape_claims", tmp_path, matrix="my.npy")
    # What is said about the article does not depend on the reader's matrix.
    assert all(facts["statements"].values())
    values = np.linalg.svd(matrix, compute_uv=False)
    if len(values) > 1:
        drops = values[:-1] - values[1:]
        assert facts["cut"] == np.argmax(drops) + 1
        # Where there is a gap, TensorFlow returns 2(A − A_r) if A_r is held fixed.
        smooth = drops.max() > 1e-10 * values[0] or values[0] == 0
        assert facts["held"] == ("agrees" if smooth else "subgradient")
        assert ("f is not differentiable" in text) == (not smooth)
    else:
        assert facts["cut"] == 0
    # Through vectors: right where values are apart and of ordinary size.
    mine = facts["mine"]
    if name == "1x1":
        assert max(mine.values()) < 1e-12
    if name == "identity":
        assert [mine[n] for n in FRAMEWORKS if n != "tensorflow"] == [None] * 3
        assert mine["tensorflow"] > 0.1
    if name == "tiny":
        assert max(mine[n] for n in FRAMEWORKS if n != "tensorflow") < 1e-11
        assert mine["tensorflow"] > 0.1


def test_bad_input_is_refused_in_one_line(tmp_path):
    (tmp_path / "my.csv").write_text("1,2\n3,nan\n", encoding="utf-8")
    with pytest.raises(AssertionError, match="line 2, column 2"):
        execute("gradienttape_claims", tmp_path, matrix="my.csv")
