"""The chapter on signs, phases and conjugates, with the matrix of the page and with others."""

import re

import numpy as np
import pytest
import torch
from executing import execute
from formulas import formula

from spectralgrad.book import building, reporting

FRAMEWORKS = ["autograd", "torch", "tensorflow", "jax"]
LINEAR, SQUARE, MODULI, FUNCTION = ("Re Σ V", "Re Σ C∘V∘V", "Σ C∘abs(V)²", "Re⟨C, exp A⟩")


def hermitian(n):
    x = np.random.default_rng(5).standard_normal((2, n, n))
    return x[0] + x[0].T + 1j * (x[1] - x[1].T)


def failing(facts, kind):
    return {loss for loss, row in facts["changes"].items() if row[kind] > 1e-6}


def check_numbers_that_do_not_depend_on_the_matrix(facts):
    # The slope of Σ C∘|V|² along E, by differences in NumPy.
    c = np.random.default_rng(1).standard_normal((3, 3))
    weights = (c + c.T) / 2
    x = np.random.default_rng(2).standard_normal((2, 3, 3))
    e = {"complex": x[0] + 1j * x[1], "real": x[0]}
    h = {
        "complex": np.array([[2, 1 + 1j, 0.5], [1 - 1j, 3, 1j], [0.5, -1j, 5]]),
        "real": np.array([[2, 1, 0.5], [1, 3, 1.5], [0.5, 1.5, 5]]),
    }

    def loss(a):
        return np.sum(weights * abs(np.linalg.eigh(a)[1]) ** 2)

    for kind, a in h.items():
        step = 1e-5 * (e[kind] + e[kind].conj().T) / 2
        truth = (loss(a + step) - loss(a - step)) / 2e-5
        for name in FRAMEWORKS:
            assert facts["slopes"][f"{MODULI} | {kind} | {name}"] == pytest.approx(truth, abs=1e-7)
    # A phase-dependent loss: PyTorch refuses, whatever the others say.
    assert facts["slopes"][f"{LINEAR} | complex | torch"] is None
    assert facts["slopes"][f"{LINEAR} | real | torch"] is not None
    below, above = facts["threshold"]
    assert 0.005 < below < 0.01 < above < 0.02
    refused = [key for key, answer in facts["svd"].items() if answer != "finite"]
    assert refused == ["complex | Re Σ U"]
    # f = |z|² and Re z² at 1 + 2i: 2z and the conjugate of 2z, or the conjugates of these.
    for name, rows in facts["scalars"].items():
        sign = 1 if name in ("torch", "tensorflow") else -1
        assert np.array(rows) == pytest.approx(np.array([[2, 4 * sign], [2, -4 * sign]]))


def test_gauge_as_it_is_published(tmp_path):
    facts, text, _ = execute("gauge", tmp_path)
    assert facts["complex"]
    check_numbers_that_do_not_depend_on_the_matrix(facts)
    assert facts["message"].startswith("RuntimeError: linalg_eigh_backward")
    # Each freedom shows one loss more.
    assert failing(facts, "signs") == {LINEAR}
    assert failing(facts, "phases") == failing(facts, "rotations") == {LINEAR, SQUARE}
    assert failing(facts, "at a tie") == {LINEAR, SQUARE, MODULI}
    refusing = {loss for loss, answers in facts["outcomes"].items() if "refused" in answers}
    assert refusing == {LINEAR, SQUARE}
    assert max(float(facts["differences"][loss]) for loss in (MODULI, FUNCTION)) < 1e-12
    # Outcomes at a regular matrix and at a tie.
    everywhere = {name: ["passes", "fails"] for name in FRAMEWORKS}
    checks = facts["checks"]
    assert checks["λ"] == everywhere | {"torch": ["fails", "fails"]}
    assert checks["λ, symmetrised"] == everywhere
    nowhere = {name: ["fails", "fails"] for name in FRAMEWORKS}
    assert checks["V, symmetrised"] == nowhere | {"torch": ["refuses", "refuses"]}
    assert checks["|V|², symmetrised"] == checks["exp, symmetrised"] == everywhere
    assert facts["real_checks"] == ["passes", "fails"]
    assert "No longer so" not in text


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex64, np.complex128])
def test_copied_bases_are_of_the_same_matrix_and_turn_what_is_tied(dtype):
    another_basis, change = formula("gauge", "another_basis"), formula("gauge", "change")
    eps = float(np.finfo(dtype).eps)
    start = hermitian(4)
    q, _ = np.linalg.qr(
        (start if np.issubdtype(dtype, np.complexfloating) else start.real).astype(dtype)
    )
    matrix = (q * np.array([1, 1, 2, 3], dtype)) @ q.conj().T
    matrix = (matrix + matrix.conj().T) / 2
    values, vectors = np.linalg.eigh(matrix)
    for kind in ("signs", "phases", "rotations"):
        other = another_basis(values, vectors, kind, np.random.default_rng(0))
        assert other.dtype == dtype
        assert other * values @ other.conj().T == pytest.approx(matrix, abs=100 * eps)
        overlaps = abs(vectors.conj().T @ other)
        assert (abs(overlaps - np.eye(4)).max() > 0.1) == (kind == "rotations")

    def moduli(x, v):
        return abs(v[0, 0]) ** 2

    # Rounding leaves the tie a gap: it must count as a tie in every precision.
    assert change(moduli, values, vectors, "phases") < 100 * eps
    assert change(moduli, values, vectors) > 1e-2
    traced = change(lambda x, v: np.trace(v * x**2 @ v.conj().T).real, values, vectors)
    assert traced < 100 * eps**0.5


SVD_MATRICES = {
    "identity": np.eye(2),
    "zero": np.zeros((2, 3)),
    "row": np.array([[1.0, 2, 3]]),
    "rank 1": np.ones((3, 3)),
    "tall, complex": 1j * np.arange(8).reshape(4, 2),
    "small": 1e-100 * np.ones((2, 3)),
    "single": np.diag([1.0, 1, 0]).astype(np.float32),
}


@pytest.mark.parametrize("name", SVD_MATRICES)
def test_copied_svds_are_of_the_same_matrix(name):
    matrix = SVD_MATRICES[name]
    change_svd = formula("gauge", "change_svd")
    u, s, vh = formula("gauge", "another_svd")(matrix, np.random.default_rng(0))
    eps, k = float(np.finfo(matrix.dtype).eps), min(matrix.shape)
    assert u * s @ vh == pytest.approx(matrix, rel=0, abs=100 * eps * float(abs(matrix).max()))
    assert u.conj().T @ u == pytest.approx(np.eye(k), abs=100 * eps)
    assert vh @ vh.conj().T == pytest.approx(np.eye(k), abs=100 * eps)
    assert change_svd(lambda u, s, vh: u.real.sum(), matrix) > 1e-2
    x = np.random.default_rng(3).standard_normal((2, *matrix.shape))
    weights = x[0] + 1j * x[1]
    product = change_svd(lambda u, s, vh: (weights * (u @ vh)).real.sum(), matrix)
    assert (product > 1e-2) == (np.linalg.matrix_rank(matrix) < k)


def test_what_the_exercises_say_of_pytorch():
    h = torch.tensor([[2, 1 + 1j, 0.5], [1 - 1j, 3, 1j], [0.5, -1j, 5]], dtype=torch.complex128)
    c = torch.tensor([1, 2, 1j], dtype=h.dtype)

    def fixed(v):
        q = torch.vdot(c, v)
        return (v * q.conj() / q.abs()).real.sum()

    def gradient(loss, matrix):
        a = matrix.clone().requires_grad_()
        loss(torch.linalg.eigh(a)[1]).backward()
        return a.grad

    assert gradient(lambda v: fixed(v[:, 0]), h).isfinite().all()
    for power in (2, 3):
        assert gradient(lambda v, p=power: v[0, 0] ** p, h.real).isfinite().all()
        with pytest.raises(RuntimeError, match="ill-defined"):
            gradient(lambda v, p=power: (v[0, 0] * (1 + 1j)).real ** p, h)
    assert gradient(lambda v: v[0, 0].abs() ** 2, h).isfinite().all()


GAUGE_MATRICES = {
    "1x1": np.array([[-2.0]]),
    "identity": np.eye(3),
    "8x8-small": 1e-100 * hermitian(8),
    "float32": hermitian(4).real.astype(np.float32),
}


@pytest.mark.parametrize("name", GAUGE_MATRICES)
def test_gauge_with_other_matrices(name, tmp_path):
    matrix = GAUGE_MATRICES[name]
    n, is_complex = len(matrix), np.iscomplexobj(matrix)
    np.save(tmp_path / "my.npy", matrix)
    facts, text, _ = execute("gauge", tmp_path, matrix="my.npy")
    assert facts["shape"] == [n, n]
    assert facts["complex"] == is_complex
    tied = name == "identity"
    assert failing(facts, "signs") == {LINEAR}
    assert failing(facts, "phases") == ({LINEAR, SQUARE} if is_complex else {LINEAR})
    assert (MODULI in failing(facts, "rotations")) == tied
    assert (MODULI in failing(facts, "at a tie")) == (n > 1)
    assert FUNCTION not in failing(facts, "at a tie")
    # PyTorch sees phases; signs and bases it does not.
    torch = {loss: row[FRAMEWORKS.index("torch")] for loss, row in facts["outcomes"].items()}
    refused = {loss for loss, answer in torch.items() if answer == "refused"}
    assert refused == ({LINEAR, SQUARE} if is_complex else set())
    if tied:
        assert torch[FUNCTION] == "not finite"
    assert max(facts["converted"].values()) < 1e-12
    # The step against the conjugate, from the definition of f.
    scaled = matrix.astype(complex if is_complex else float)
    scaled = scaled / np.abs(np.linalg.eigvalsh(scaled)).max()
    wrong = np.linalg.norm(scaled - 0.1 * scaled.conj()) ** 2 / 2
    assert facts["energies"][2] == pytest.approx(wrong)
    assert ("climbs" in text) == (wrong > np.linalg.norm(scaled) ** 2 / 2 * (1 + 1e-12))
    assert ("conjugating changes nothing" in text) == (not is_complex)


@pytest.mark.parametrize(
    ("source", "message"),
    [("[[1, 2], [3, 4]]", "make the matrix symmetric"), ("blog-rank-3", "did you mean")],
)
def test_gauge_refuses_in_one_line(source, message, tmp_path):
    with pytest.raises((ValueError, building.CommandError), match=re.escape(message)) as caught:
        reporting.report(source, chapter="gauge", given=[], output=tmp_path / "x")
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []
