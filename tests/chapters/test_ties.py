"""The chapter on ties: what frameworks and fixes return, and that it stays true elsewhere."""

import numpy as np
import pytest
from executing import execute, shown

from spectralgrad.book import building, reporting

PRECISIONS = {"float64": 2.0**-52, "float32": 2.0**-23}
LOSSES = ("cube", "projector", "polar")
FINITE = ("mask", "Lorentzian", "clip", "pinv", "Taylor", "jitter")
PACKAGE = "function_vjp / eigh_vjp"
HONEST = ("divide", "checked mask", PACKAGE, "invariant_vjp")


def fixes(facts):
    """Method, loss and gap to the verdict on that fix."""
    rows = ((key.rsplit(" / ", 2), verdict) for key, verdict in facts["fixes"].items())
    return {(method, f"{loss} {gap}"): verdict for (method, loss, gap), verdict in rows}


def check_sweep(facts):
    """Errors grow near the tie in the frameworks, and not at all in the formulas."""
    for precision, eps in PRECISIONS.items():
        for loss in LOSSES:
            largest = facts["largest"][f"{loss} / {precision}"]
            percent = facts["percent"][f"{loss} / {precision}"]
            assert largest["formula"] < 1000 * eps
            assert percent["formula"] == -1
            for framework in ("autograd", "PyTorch", "JAX"):
                assert largest[framework] > 1e-3 or loss == "projector"
                assert percent[framework] < 1e4 * eps
    # A constant in h changes the error, as the cotangent tells, and not the gradient.
    for c in ("100", "1000"):
        measured, told = facts["constants"][c]
        assert 0.02 * told < measured < 3 * told
    # The part that TensorFlow leaves out is missing long before rounding errors are that large.
    assert facts["largest"]["cube / float64"]["TensorFlow"] > 1e-2
    # Half of the pair's entry is gone at 1e-10; a per cent of the whole takes no smaller a gap.
    assert 1e-12 < facts["percent"]["cube / float64"]["TensorFlow"] < 1e-8


def check_fixes(facts):
    found = fixes(facts)
    for method in FINITE:
        assert found[method, "one tie"] == "a number"
    for method in HONEST:
        assert found[method, "one tie"] in ("NaN", "error")
    share, left = facts["lost"]
    assert left < 1e-13
    for method in ("mask", "Lorentzian", "clip", "pinv", "checked mask"):
        assert found[method, "smooth tie"] == pytest.approx(share, rel=1e-3)
    for method in ("mask", "clip", "pinv", "checked mask", PACKAGE, "invariant_vjp"):
        assert found[method, "both tie"] < 1e-12
    for gap in ("regular", "1e-8", "1e-14", "tie"):
        assert found[PACKAGE, f"smooth {gap}"] < 1e-12
        assert found[PACKAGE, f"both {gap}"] < 1e-12
        assert found["invariant_vjp", f"smooth {gap}"] < 1e-6
        assert 1e-11 < found["jitter", f"smooth {gap}"] < 1e-3
    assert found["divide", "smooth tie"] == "NaN"
    assert 1e-12 < found["divide", "smooth 1e-8"] < 1e-6
    assert found["divide", "smooth 1e-14"] > 1e-6
    # x·F(x) is what is left of the entry of the pair, which is nearly all of the gradient here.
    assert found["Lorentzian", "one 1e-8"] == pytest.approx(1 - 1e-4, abs=1e-3)
    assert found["clip", "one 1e-8"] == pytest.approx(1, abs=1e-3)
    assert found["mask", "one 1e-14"] == pytest.approx(1, abs=1e-3)
    assert found["Taylor", "smooth regular"] > 1e-3


def test_ties_as_given(tmp_path):
    facts, text, _ = execute("ties", tmp_path)
    assert (facts["size"], facts["moved"]) == (4, False)
    check_sweep(facts)
    check_fixes(facts)
    # Entries 1/2 and 1 of the gradient, at gaps of 2e-10 and 1e-10, times x²/(x² + 1e-20).
    short = np.hypot(0.5 * (1 - 4 / 5), 1 * (1 - 1 / 2)) / np.hypot(0.5, 1)
    assert facts["scaled"]["TensorFlow"][2] == pytest.approx(short, rel=1e-6)
    assert max(facts["scaled"]["PyTorch"]) < 1e-14
    # A gap of 10⁻ᵏ leaves the digits of ε/gap, within one, as long as there are any.
    for title, digits in facts["left"].items():
        if title.startswith("one vector"):
            eps = PRECISIONS["float64" if title.endswith("double") else "float32"]
            told = -np.arange(1, 16) - np.log10(eps)
            assert np.abs(digits - told)[told > 1].max() < 1.2
            assert max(np.array(digits)[told < -1], default=0) < 0.1
    assert "moved apart" not in text


def hermitian(n):
    rng = np.random.default_rng(n)
    a = rng.standard_normal((n, n)) + 1j * rng.standard_normal((n, n))
    return a + a.conj().T


MATRICES = {
    "1x1": np.array([[-2.0]]),
    "identity": np.eye(3),
    "25x25-tiny": 1e-100 * hermitian(25),
}


@pytest.mark.parametrize("name", MATRICES)
def test_ties_with_other_matrices(name, tmp_path):
    matrix = MATRICES[name]
    np.save(tmp_path / "my.npy", matrix)
    facts, text, cells = execute("ties", tmp_path, matrix="my.npy")
    assert facts["alone"] == (name == "1x1")
    assert facts["size"] == max(len(matrix), 2)
    values = np.array([1.0, 3.0]) if name == "1x1" else np.linalg.eigvalsh(matrix)
    scaled = values / np.abs(values).max()
    moved = np.diff(scaled).min() < 0.5 / len(scaled)
    assert facts["moved"] == moved
    assert ("moved apart" in text) == moved
    if not moved:
        assert facts["values"] == pytest.approx(scaled + 2)
    assert np.diff(facts["values"]).min() > 0.4 / len(scaled)
    assert ("nothing to tie" in text) == (name == "1x1")
    # At an exact tie three frameworks return NaN; rounding makes the tie exact or not.
    exact = facts["at_zero"]["PyTorch"] is None
    assert exact or name != "identity"
    printed = " ".join(lines for lines, _ in shown(cells))
    assert ("PyTorch NaN" in printed) == exact
    check_sweep(facts)
    check_fixes(facts)


@pytest.mark.parametrize(
    ("matrix", "message"),
    [("[[1, 2], [3, 4]]", "make the matrix symmetric"), ("[[1, 2, 3]]", "need a square one")],
)
def test_ties_refuses_in_one_line(matrix, message, tmp_path):
    with pytest.raises((ValueError, building.CommandError), match=message):
        reporting.report(matrix, chapter="ties", given=[], output=tmp_path / "x")
    assert list(tmp_path.iterdir()) == []
