"""The chapter `large_and_sparse`: its errors, what it says of times, and other matrices."""

import json

import numpy as np
import pytest
from executing import execute, require_refusal, shown

QUICK = {"largest": 100, "repetitions": 1}


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """The page of the book: a copy of it, and its facts, text and cells."""
    path = tmp_path_factory.mktemp("large") / "page.ipynb"
    facts, text, cells = execute("large_and_sparse", path.parent)
    path.write_text(json.dumps({"cells": cells}), encoding="utf-8")
    return path, facts, text, cells


def test_every_error_is_as_small_as_the_page_says(page):
    """Against the dense rules, closed forms and difference quotients; the estimates are above."""
    _, facts, _, _ = page
    errors = [*facts["checked"].values(), facts["tie"]]
    assert max(error for error, _ in errors) < 1e-10
    assert all(error < estimate < 1e-8 for error, estimate in errors)
    assert max(facts["own"], facts["copied"], facts["edges"]) < 1e-10
    assert max(*facts["drum"].values(), facts["update"]) < 1e-6
    assert set(facts["drum"]) == {"λ", "left half", "PyTorch", "JAX"}
    assert facts["csr"] < 1e-12
    gradients = [v for name, v in facts["far"].items() if name.startswith("gradient")]
    assert len(gradients) == 3
    assert max(gradients) < facts["eps_over_gap"]


def test_the_tolerance_is_swept_over_all_that_can_be_seen(page):
    """A bound is no news where everything is rounding, or where nothing converges."""
    curves = page[1]["curves"]
    rule = np.array(curves["100 τ |λ| / gap"])
    for name in ("value", "vector"):
        error, said = (
            np.array(curves[n]) for n in (f"{name}'s gradient", f"error, for the {name}")
        )
        assert error.max() > 1e-7 > 1e-13 > error.min()
        assert np.all(error <= np.minimum(said, rule) + 1e-13)
        assert np.all(said[error > 1e-12] < 1e3 * error[error > 1e-12])


def test_a_factorisation_saves_steps(page):
    plain, shifted = page[1]["steps"]
    assert shifted < plain / 10


def test_times_are_shown_again_byte_for_byte(page, tmp_path):
    path, _, _, cells = page
    *_, again = execute("large_and_sparse", tmp_path, times=path)
    assert list(shown(again)) == list(shown(cells))


def test_multiples_follow_from_the_times(page, tmp_path):
    """Of times that are steady, with an interval; of one reading, without; of none, not at all."""
    found = json.loads(json.dumps(page[1]["measured"]))
    factors = {"pair": 1.0, "value": 0.5, "vector": 3.0}

    def cost(problem, way, n, rounds):
        slow = 1 if way in ("eigsh", "package") else 14
        seconds = [slow * factors[problem] * 1e-4 * n] * rounds
        return {"problem": problem, "way": way, "n": n, "seconds": seconds, "cores": 1.0}

    package = [(p, "eigsh" if p == "pair" else "package") for p in factors]
    dense = [(p, way) for p in ("value", "vector") for way in ("torch", "jax")]
    found["sweep"] = [cost(*way, 200, 9) for way in package + dense]
    found["sweep"] += [cost(*way, 5000, 1) for way in package]
    found["memory"] = [[p, w, 5000, 2**20 * 8 * factors[p]] for p, w in package]
    output = {"output_type": "stream", "text": json.dumps({"measured": found})}
    cell = {"metadata": {"tags": ["facts"]}, "outputs": [output]}
    (tmp_path / "made.ipynb").write_text(json.dumps({"cells": [cell]}), encoding="utf-8")
    _, text, _ = execute("large_and_sparse", tmp_path, times="made.ipynb", **QUICK)
    assert "| 200 | 0.5 (0.5–0.5) | 3 (3–3) |" in text
    assert "| 5000 | 0.5, read once | 3, read once |" in text
    assert "one call of `eigsh` took 500 ms; the value with its gradient took 0.5 times" in text
    assert "Their peak memory was 0.5 and 3 times that of `eigsh`, 8 MiB" in text
    assert "At 200 rows, for the value, PyTorch took 14 times as long as" in text


def hermitian(n):
    rng = np.random.default_rng(n)
    a = rng.standard_normal((n, n)) + 1j * rng.standard_normal((n, n))
    return a + a.conj().T


def banded(n):
    a = np.random.default_rng(n).standard_normal((n, n))
    return np.triu(np.tril(a + a.T, 1), -1)


MATRICES = {
    "1x1": (np.array([[-2.0]]), 0, 1),
    "complex": (hermitian(4), -1, 16),
    "tied": (np.eye(3), 1, None),
    "zero": (np.zeros((2, 2)), 0, None),
    # Beyond what LAPACK decomposes as a whole; from either end.
    "sparse, lowest": (banded(70), 0, 3 * 70 - 2),
    "sparse, from above": (banded(70), -2, 3 * 70 - 2),
}


@pytest.mark.parametrize("name", MATRICES)
def test_other_matrices(name, tmp_path):
    matrix, eigenvalue, stored = MATRICES[name]
    np.save(tmp_path / "my.npy", matrix)
    parameters = {"matrix": "my.npy", "eigenvalue": eigenvalue, **QUICK}
    facts, text, _ = execute("large_and_sparse", tmp_path, **parameters)
    assert facts["chosen"] == eigenvalue % len(matrix)
    assert facts["refused"] == (stored is None)
    assert ("has no gradient: GaugeError" in text.replace("&#58;", ":")) == (stored is None)
    if stored:
        assert facts["own"] < 1e-11
        assert f"a gradient of {stored} number" in text
    assert all(facts["statements"].values())


REFUSED = {
    "largest, repetitions: 3 and 9": [("largest", "3")],
    "and 0 will not do": [("repetitions", "0")],
    "eigenvalue": [("eigenvalue", "7")],
    "missing.ipynb: No such file": [("times", "missing.ipynb")],
}


@pytest.mark.parametrize("message", REFUSED)
def test_bad_input_is_refused_in_one_line(message, tmp_path):
    require_refusal("large_and_sparse", REFUSED[message], message, tmp_path)
