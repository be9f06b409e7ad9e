"""Shapes, symmetry, batches and scale: the outcomes that the text relies on."""

from importlib.metadata import version

import numpy as np
import pytest
from executing import execute
from packaging.version import Version

CHAPTER = "shapes"
ALL = ("autograd", "torch", "tensorflow", "jax")


def test_the_default_page(tmp_path):
    facts, text, _ = execute(CHAPTER, tmp_path)
    assert (facts["shape"], facts["judged"]) == ([4, 3], True)
    full = facts["full"]
    assert full["5 × 3, first columns"]["tensorflow"] == "NotImplementedError"
    assert full["4 × 3, first columns"]["jax"] == "NotImplementedError"
    assert full["3 × 3, first columns"]["autograd"] == "NotImplementedError"
    assert full["5 × 3, span of U₀"]["torch"] == "zero"
    # PyTorch returns G where the derivative of what it computes is the triangle of G + Gᵀ.
    lopsided = np.array([[1.0, 5, 2], [3, 4, -1], [0, 7, 2.5]])
    _, v = np.linalg.eigh(lopsided)
    g = (v * [1.0, -2.0, 0.5]) @ v.T
    triangle = np.tril(g) + np.tril(g, -1)
    off = np.linalg.norm(g - triangle) / np.linalg.norm(triangle)
    assert facts["off"]["torch"] == pytest.approx(off, rel=1e-5)
    # What a batch with a NaN raises.
    raised = facts["batches"]["NaN"]
    assert raised["autograd"] == "LinAlgError"
    assert raised["tensorflow"] == "InvalidArgumentError"
    assert facts["place"].startswith("_LinAlgError: linalg.eigh: (Batch element 1)")
    assert raised["jax"] == "kept, NaN"
    # From which norm to which each is right.
    limits = facts["limits"]
    mended = Version(version("jax")) >= Version("0.11.2")
    for dtype, limit in (("float32", 2**24), ("float64", 2**53)):
        of_jax = [0, None] if mended else pytest.approx([0, limit / 0.7])
        assert limits[f"eigh, jax, {dtype}"] == of_jax
    assert limits["eigh, torch, float64"] == [0, None]
    # The singular values of the matrix, divided by the largest.
    s = np.linalg.svd([[3.0, 0, 1], [4, 5, 0], [0, 2, 2], [1, 1, 1]], compute_uv=False)
    squares = (s / s[0]) ** 2
    gap = min(squares[0] - squares[1], squares[1] - squares[2])
    assert limits["svd, tensorflow, float64"][0] == pytest.approx(np.sqrt(1e-6 / gap))
    assert limits["svd, autograd, float64"][1] == pytest.approx(np.sqrt(np.finfo(float).max))
    errors = facts["complex"]
    assert max(errors[f][0] for f in ALL) < 1e-12
    assert errors["torch"][-1] > 100 * errors["torch"][-2] > 1e4 * errors["torch"][-3]
    # Yours.
    assert facts["your"]["as it is"] == dict.fromkeys(ALL, "right")
    assert facts["your"]["norm 1e-3"] == dict.fromkeys(ALL, "right") | {"tensorflow": "wrong"}
    assert "It is 4 × 3, and has no eigenvalues." in text


RNG = np.random.default_rng(3)
COMPLEX = RNG.standard_normal((4, 4)) + 1j * RNG.standard_normal((4, 4))
MATRICES = {
    "identity": np.eye(2),
    "hermitian": COMPLEX + COMPLEX.conj().T,
    "large": np.array([[1.0, 2.0], [3.0, 4.0]]) * 1e100,
}


@pytest.mark.parametrize("name", MATRICES)
def test_other_matrices(name, tmp_path):
    matrix = MATRICES[name]
    np.save(tmp_path / "my.npy", matrix)
    facts, text, _ = execute(CHAPTER, tmp_path, matrix="my.npy")
    assert all(facts["statements"].values())
    own = facts["your"]["as it is"]
    if name == "identity":
        assert not facts["judged"]
        assert [own[f] for f in ("autograd", "torch", "jax")] == ["not finite"] * 3
        assert own["tensorflow"] == "finite"
        assert list(facts["your"]) == ["as it is"]
        assert "No answer can be judged at this matrix" in text
        assert "It is Hermitian" in text
    elif name == "hermitian":
        assert own == dict.fromkeys(ALL, "right")
        # The diagonal that is zero but for rounding.
        huge = facts["your"]["norm 1e140"]
        assert "right" not in (huge["autograd"], huge["torch"])
        assert huge["jax"] == "right"
    else:
        assert own == dict.fromkeys(ALL, "right") | {"tensorflow": "zero"}
        mirrored = np.linalg.eigvalsh(matrix)
        off = np.abs(mirrored - np.linalg.eigvalsh((matrix + matrix.T) / 2)).max()
        assert f"differ by up to {off:.3g}" in text


def test_bad_input_is_refused_in_one_line(tmp_path):
    (tmp_path / "bad.csv").write_text("1,2\n3,x\n", encoding="utf-8")
    with pytest.raises(AssertionError, match="line 2, column 2"):
        execute(CHAPTER, tmp_path, matrix="bad.csv")
