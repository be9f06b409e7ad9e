"""The chapter `recipes`: where the frameworks' own gradients hold, and that the rules do."""

from pathlib import Path

import numpy as np
import pytest
from executing import execute

from spectralgrad import frameworks

#: Frameworks whose own gradient holds at the tie and near it, whatever the matrix.
OWN = {
    "polar": set(),
    "soft_threshold": set(),
    "low_rank": set(),
    "pinv": {"autograd", "torch", "jax"},
    "sqrtm": {"autograd", "tensorflow"},
    "expm": {"torch", "tensorflow", "jax"},
    "projector": set(),
}


def check_rules(facts):
    """Right to rounding errors at the regular point, the tie and the near tie."""
    assert set(facts["errors"]) == set(OWN)
    for operation, rows in facts["errors"].items():
        assert set(rows) == set(frameworks.NAMES)
        for name, (*_, rule) in rows.items():
            assert rule < 1e-12, (operation, name)
    assert set(facts["verdicts"]) <= {"agrees", "subgradient"}
    assert facts["longer_than_smallest"] < 1e-9
    assert max(e for row in facts["logdet"].values() for e in row.values()) < 1e-13
    assert len(facts["tasks"]) == 14
    assert max(facts["tasks"].values()) < 1e-10
    assert all(facts["statements"].values())


def test_recipes(tmp_path):
    facts, text, _ = execute("recipes", tmp_path)
    check_rules(facts)
    for operation, rows in facts["errors"].items():
        for name, (regular, tie, near, _) in rows.items():
            assert regular < 1e-13, (operation, name)
            if name in OWN[operation]:
                assert max(tie, near) < 1e-12, (operation, name)
            elif operation != "projector":
                # Finite or not, it is wrong: that the rules are needed is no figure of speech.
                assert tie is None or tie > 1e-6, (operation, name)
    assert set(facts["own_verdicts"]) <= {"agrees", "subgradient"}
    assert "its singular values are positive, distinct and not close" in text
    # The rules, and what each framework adds, are on the page, whole.
    for source in (Path(frameworks.__file__).parents[1] / "recipes").glob("[!_]*.py"):
        assert source.read_text(encoding="utf-8").strip() in text, source.name


CASES = {
    "1x1": np.array([[-2.0]]),
    "large-deficient": 1e100 * np.outer(np.arange(1, 23), 1j ** np.arange(25)),
}


@pytest.mark.parametrize("name", CASES)
def test_recipes_with_other_matrices(name, tmp_path):
    np.save(tmp_path / "my.npy", CASES[name])
    facts, text, _ = execute("recipes", tmp_path, matrix="my.npy")
    check_rules(facts)
    assert facts["shape"] == [min(4, x) for x in CASES[name].shape]
    assert ("leading" in text.split("Of the matrix")[0]) == (max(CASES[name].shape) > 4)
    assert ("there is no tie" in text) == (name == "1x1")
    assert ("it has the rank 1 and 22 singular values" in text) == (name == "large-deficient")
