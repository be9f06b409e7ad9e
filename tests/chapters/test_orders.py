"""Second derivatives and forward mode: the outcomes that the text relies on."""

import numpy as np
import pytest
from executing import execute

CHAPTER = "orders"
ALL = ("autograd", "torch", "tensorflow", "jax")


def test_the_default_page(tmp_path):
    facts, _, _ = execute(CHAPTER, tmp_path)
    assert (facts["shape"], facts["hermitian"]) == ([3, 3], True)
    found = {tuple(key): outcome for *key, outcome in ((*x[:3], x[3:]) for x in facts["found"])}
    assert len(found) == 3 * 3 * 4
    assert found["Σ λ²", "tie", "torch"] == ["right", "right", "NaN"]
    assert found["Σ λ²", "tie", "tensorflow"] == ["right", "right", "wrong"]
    assert found["λ₃", "tie", "jax"] == ["right", "right", "NaN"]
    assert found["λ₃", "regular", "autograd"] == ["refused", "right", "right"]
    assert {found["Σ σ", "gap of 1e-14", f][2] for f in ALL} == {"wrong"}
    assert max(facts["by_equation"]) < 1e-13 < 1e-3 < min(facts["worst"].values())
    assert facts["passed"] == ["True", "True", "True", "False"]
    # The default matrix has the eigenvalues 2, 2 and 5: no framework is right, by its own text.
    assert facts["your"].keys() == {*ALL}
    assert "right" not in facts["your"].values()


MATRICES = {
    "rectangular": [[3.0, 0, 1], [4, 5, 0], [0, 2, 2], [1, 1, 1]],
    "identity": [[1.0, 0], [0, 1]],
    "singular": [[1.0, 2], [2, 4.5], [0, 0]],
    "rank 1, not symmetric": [[1.0, 2], [3, 6]],
}


@pytest.mark.parametrize("name", MATRICES)
def test_other_matrices(name, tmp_path):
    matrix = np.array(MATRICES[name])
    facts, text, _ = execute(CHAPTER, tmp_path, matrix=matrix.tolist())
    assert all(facts["statements"].values())
    if name == "rank 1, not symmetric":
        assert facts["your"] == {}
        assert "Σ σ has no gradient there" in text
    elif name == "identity":
        # The polynomial ‖A‖² at a tie.
        assert [facts["your"][f] for f in ("autograd", "torch", "jax")] == ["NaN"] * 3
        assert facts["your"]["tensorflow"] == "wrong"
    else:
        assert facts["your"] == dict.fromkeys(ALL, "right")


def test_a_complex_matrix_has_no_table(tmp_path):
    np.save(tmp_path / "my.npy", np.array([[1, 2j], [-2j, 3]]))
    facts, text, _ = execute(CHAPTER, tmp_path, matrix="my.npy")
    assert all(facts["statements"].values())
    assert facts["your"] == {}
    assert "The matrix is complex" in text


def test_bad_input_is_refused_in_one_line(tmp_path):
    (tmp_path / "bad.csv").write_text("1,2\n3,x\n", encoding="utf-8")
    with pytest.raises(AssertionError, match="line 2, column 2"):
        execute(CHAPTER, tmp_path, matrix="bad.csv")
