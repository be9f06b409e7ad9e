"""Shapes, orders, batches and scale: the outcomes that the text relies on."""

from importlib.metadata import version

import numpy as np
import pytest
from executing import execute
from packaging.version import Version

CHAPTER = "shapes_and_orders"
ALL = ("autograd", "torch", "tensorflow", "jax")


def test_the_default_page(tmp_path):
    facts, _, _ = execute(CHAPTER, tmp_path)
    assert (facts["shape"], facts["hermitian"], facts["undefined"]) == ([4, 3], False, "")
    # Refusals, by their messages.
    full = facts["full"]
    assert full["5 × 3, first columns"]["tensorflow"].startswith(
        "NotImplementedError: svd gradient is not implemented for abs(m - n) > 1"
    )
    assert full["4 × 3, first columns"]["jax"] == (
        "NotImplementedError: Singular value decomposition JVP not implemented for full matrices"
    )
    assert full["3 × 3, first columns"]["autograd"] == (
        "NotImplementedError: Gradient of svd not implemented for full_matrices=True"
    )
    assert full["5 × 3, span of U₀"]["torch"] == "wrong: 0"
    assert facts["null"] < 1e-12
    # The second derivative of the squared norm is twice that of the direction's symmetric part.
    direction = np.array([[1.0, 2, 0], [0, 1, -1], [2, 1, 1]])
    squared = 2 * np.sum(((direction + direction.T) / 2) ** 2)
    for point in ("regular", "exact tie", "gap of 1e-14"):
        by_theory, by_digits = facts["digits"][f"Σ λ², {point}"]
        assert by_theory == pytest.approx(squared, rel=1e-12)
        assert by_digits == pytest.approx(squared, rel=1e-12)
    for by_theory, by_digits in facts["digits"].values():
        assert by_theory == pytest.approx(by_digits, rel=1e-9, abs=1e-9)
    for row in facts["gradient"].values():
        assert row == dict.fromkeys(ALL, "right")
    assert facts["hessian"]["Σ λ², exact tie"]["torch"] == "NaN"
    assert facts["hessian"]["Σ λ², exact tie"]["tensorflow"].startswith("wrong by")
    assert all(facts["hessian"]["Σ σ, gap of 1e-14"][f].startswith("wrong by") for f in ALL)
    assert facts["jvp"]["λ₃, regular"]["autograd"].startswith("NotImplementedError: JVP of eigh")
    # PyTorch returns G where the derivative of what it computes is the triangle of G + Gᵀ.
    lopsided = np.array([[1.0, 5, 2], [3, 4, -1], [0, 7, 2.5]])
    _, v = np.linalg.eigh(lopsided)
    g = (v * [1.0, -2.0, 0.5]) @ v.T
    triangle = np.tril(g) + np.tril(g, -1)
    off = np.linalg.norm(g - triangle) / np.linalg.norm(triangle)
    assert facts["consistent"]["torch"] == pytest.approx(off, rel=1e-5)
    assert max(facts["consistent"][f] for f in ("autograd", "tensorflow", "jax")) < 1e-6
    # What a batch with a NaN raises.
    raised = facts["batches"]["NaN"]
    assert raised["autograd"] == "LinAlgError: Eigenvalues did not converge"
    assert raised["torch"].startswith("_LinAlgError: linalg.eigh: (Batch element 1)")
    assert raised["tensorflow"].startswith("InvalidArgumentError: Self-adjoint eigen decomp")
    assert raised["jax"] == "good ones as alone; bad one NaN"
    # From which norm to which each is right.
    limits = facts["limits"]
    mended = Version(version("jax")) >= Version("0.11.2")
    for dtype, limit in (("float32", 2**24), ("float64", 2**53)):
        of_jax = [0, None] if mended else pytest.approx([0, limit])
        assert limits[f"eigh, jax, {dtype}"] == of_jax
    assert limits["eigh, torch, float64"] == [0, None]
    # The singular values of the first of the three matrices, divided by the largest.
    s = np.linalg.svd([[3.0, 0, 1], [4, 5, 0], [0, 2, 2], [1, 1, 1]], compute_uv=False)
    squares = (s / s[0]) ** 2
    gap = min(squares[0] - squares[1], squares[1] - squares[2])
    assert limits["svd, tensorflow, float64"][0] == pytest.approx(np.sqrt(1e-6 / gap))
    assert limits["svd, autograd, float64"][1] == pytest.approx(np.sqrt(np.finfo(float).max))
    assert facts["beyond"]["svd, tensorflow, float64"] == {"below": "wrong", "above": "wrong"}
    errors = facts["complex"]
    assert max(errors["1e0"].values()) < 1e-12
    assert errors["1e10"]["torch"] > 100 * errors["1e8"]["torch"] > 1e4 * errors["1e6"]["torch"]
    assert errors["1e10"]["jax"] < 1e-12
    assert max(facts["after_scaling"].values()) < 1e-12
    assert max(facts["far"].values()) < 1e-12
    # Yours.
    assert facts["your"]["thin"] == dict.fromkeys(ALL, "right")
    assert facts["your_hessian"] == dict.fromkeys(ALL, "right")
    assert facts["your_limits"]["torch"][:2] == [-140, 140]
    assert facts["about_symmetry"] == "Your matrix is 4 × 3: it has no eigenvalues."


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
    sigma = np.linalg.svd(matrix, compute_uv=False)
    regular = np.all(np.abs(np.diff(sigma)) > 1e-9 * sigma[0]) and sigma[-1] > 1e-9 * sigma[0]
    assert facts["hermitian"] == bool(np.array_equal(matrix, matrix.conj().T))
    thin = facts["your"]["thin"]
    if regular:
        assert facts["undefined"] == ""
        # TensorFlow squares differences of squares.
        expected = dict.fromkeys(ALL, "right")
        if name == "large":
            assert thin.pop("tensorflow").startswith("wrong")
            del expected["tensorflow"]
        assert thin == expected
        low, high, *_ = facts["your_limits"]["autograd"]
        assert low == -140
        assert high == (0 if np.iscomplexobj(matrix) else 140)
    else:
        assert set(thin.values()) <= {"finite", "NaN or infinite"}
        assert facts["your_limits"] == {}
        assert "there is no table" in text
    assert (facts["your_hessian"] == {}) == (name == "hermitian")
    if name == "identity":
        # exp at a tie: the Hessian is that of a smooth function.
        assert [facts["your_hessian"][f] for f in ("autograd", "torch", "jax")] == ["NaN"] * 3
        assert facts["your_hessian"]["tensorflow"].startswith("wrong")
    if name == "large":
        mirrored = np.linalg.eigvalsh(matrix)
        off = np.abs(mirrored - np.linalg.eigvalsh((matrix + matrix.T) / 2)).max()
        assert f"differ by up to {off:.3g}" in facts["about_symmetry"]
    if facts["hermitian"]:
        assert "is Hermitian: all four" in facts["about_symmetry"]


def test_bad_input_is_refused_in_one_line(tmp_path):
    (tmp_path / "bad.csv").write_text("1,2\n3,x\n", encoding="utf-8")
    with pytest.raises(AssertionError, match="line 2, column 2"):
        execute(CHAPTER, tmp_path, matrix="bad.csv")
