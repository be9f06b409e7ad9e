"""Execute the chapter on the article about GradientTape, and hold what it says against truth."""

import numpy as np
import pytest
from executing import execute

FRAMEWORKS = ("autograd", "torch", "tensorflow", "jax")


def test_the_article_as_it_stands(tmp_path):
    facts, text, cells = execute("gradienttape_claims", tmp_path)
    verdicts = list(facts["claims"].values())
    assert set(facts["claims"]) == {str(i) for i in range(1, 31)}
    assert {i for i, v in facts["claims"].items() if v == "true"} == {
        *("6", "7", "12"),  # near ties are a problem; rates of change; gradients exist
        *("22", "24"),  # the factorisation by QR is not accurate
        *("26", "27"),  # the loss of the reconstruction
    }
    conditional = {i for i, v in facts["claims"].items() if v.startswith("true only")}
    assert conditional == {"1", "4", "8", "10", "11", "21", "23", "28", "29"}
    assert verdicts.count("false") == 14
    assert "undecided" not in verdicts
    # Every claim is a row of the table.
    table = text.split("| | The article says |")[1]
    assert all(f"\n| {i} |" in table for i in range(1, 31))

    # The numbers of the article's matrix, by NumPy alone.
    a = np.array([[1.0, 2.0], [3.0, 4.0]])
    norm = np.linalg.svd(a, compute_uv=False).sum()
    diagonal = np.abs(np.linalg.qr(a)[1].diagonal()).sum()
    assert facts["article"]["sum"] == pytest.approx(norm, rel=1e-14)
    assert facts["article"]["ratio"] == pytest.approx(diagonal / norm, rel=1e-14)
    assert facts["article"]["far"] > 0.5
    assert facts["diagonal"] == pytest.approx([diagonal, norm], rel=1e-14)
    for key in ("sum", "values", "truncated", "held"):
        assert facts[key] == dict.fromkeys(FRAMEWORKS, "agrees")
    assert facts["cut"] == 1
    assert max(facts["noise"].values()) < 1e-13
    assert max(facts["mine"].values()) < 1e-13

    # Where the text says that TensorFlow goes wrong: the constant in its rule shows by its size.
    s = np.linalg.svd(a, compute_uv=False)
    b = np.cos(np.arange(1.0, 5.0)).reshape(2, 2)
    u, _, vh = np.linalg.svd(a)
    off = np.linalg.norm((u.T @ b @ vh.T) * (1 - np.eye(2))) / np.linalg.norm(b)
    for power in (-8, -6, -5, -4):
        x = 10.0 ** (2 * power) * (s[0] ** 2 - s[1] ** 2)
        expected = off * 1e-20 / (x**2 + 1e-20)
        assert facts["scale"][str(power)] == pytest.approx(expected, rel=1e-5)
    assert max(facts["scale"][str(power)] for power in (-2, -1, 0, 1, 2)) < 1e-13
    limits = facts["limits"]
    silent = [limits[name] for name in limits if name.startswith(("equal", "a zero", "small"))]
    assert len(silent) == 4
    assert all(0.1 < float(error) < 10 for error in silent)
    assert float(limits["two zeros: leading pair, 3 × 3 of rank 1"]) < 1e-13
    assert float(limits["second derivative, article's matrix"]) < 1e-13
    assert float(limits["second derivative, identity"]) > 0.1
    assert limits["unknown sizes, `tf.function`"] == "`NotImplementedError`"
    ends = list(facts["met"].values())
    assert (ends.count("None"), ends.count("LookupError")) == (4, 2)
    assert not [c for c in cells if "no longer holds" in str(c.get("outputs", ""))]


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
    values = np.linalg.svd(matrix, compute_uv=False)
    rank = np.linalg.matrix_rank(matrix)
    # What is said about the article does not depend on the reader's matrix.
    assert set(facts["claims"].values()) >= {"true", "false"}
    assert "undecided" not in facts["claims"].values()
    assert all(facts["statements"].values())
    dependent = np.linalg.matrix_rank(matrix[:, : len(values)]) < len(values)
    assert ("the leading columns of the matrix are dependent" in text) == dependent

    full = rank == len(values)
    expected = "agrees" if full else "subgradient"
    assert facts["values"] == dict.fromkeys(FRAMEWORKS, expected)
    if len(values) > 1:
        drops = values[:-1] - values[1:]
        assert facts["cut"] == np.argmax(drops) + 1
        # Where there is a gap, the gradient is 2(A − A_r), and all return it with A_r held fixed.
        smooth = drops.max() > 1e-10 * values[0]
        expected = "agrees" if smooth or values[0] == 0 else "subgradient"
        assert facts["held"] == dict.fromkeys(FRAMEWORKS, expected)
    else:
        assert facts["cut"] == 0
    diagonal = np.abs(np.linalg.qr(matrix)[1].diagonal()).sum()
    assert facts["diagonal"] == pytest.approx([diagonal, values.sum()], rel=1e-12)
    # Through vectors: right where values are apart and of ordinary size.
    mine = facts["mine"]
    if name == "1x1":
        assert max(mine.values()) < 1e-12
    if name == "identity":
        assert [mine[n] for n in ("autograd", "torch", "jax")] == [None] * 3
        assert mine["tensorflow"] > 0.1
    if name == "tiny":
        assert max(mine[n] for n in ("autograd", "torch", "jax")) < 1e-11
        assert mine["tensorflow"] > 0.1


def test_bad_input_is_refused_in_one_line(tmp_path):
    (tmp_path / "my.csv").write_text("1,2\n3,nan\n", encoding="utf-8")
    with pytest.raises(AssertionError, match="line 2, column 2"):
        execute("gradienttape_claims", tmp_path, matrix="my.csv")
