"""The chapter `performance`: what it says follows from what it measured, and can be shown again."""

import itertools
import json

import numpy as np
import pytest
from executing import execute, require_refusal, shown
from formulas import formula

from spectralgrad.book import building, reporting

PROBLEMS, WAYS = (formula("performance", name) for name in ("problems", "titles"))
EACH = list(itertools.product(PROBLEMS, WAYS))


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """The page of the book: a copy of it, and its facts, text and cells."""
    path = tmp_path_factory.mktemp("measured") / "page.ipynb"
    facts, text, cells = execute("performance", path.parent)
    path.write_text(json.dumps({"cells": cells}), encoding="utf-8")
    return path, facts, text, cells


def test_everything_is_measured(measured):
    _, facts, text, _ = measured
    rounds = {
        (c["problem"], c["way"], c["n"]): len(c["seconds"]) for c in facts["measured"]["sweep"]
    }
    wanted = {(p, w, n) for p, w in EACH for n in (4, 64, 256, 512)}
    wanted |= {(p, w, 64) for p in PROBLEMS for w in formula("performance", "eager")}
    assert set(rounds) == wanted
    assert {n: r for (_, _, n), r in rounds.items()} == {4: 9, 64: 9, 256: 9, 512: 1}
    assert "taken 9 times, and once at 512 rows" in text
    assert max(facts["measured"]["agreement"].values()) < 1e-9
    assert all(facts["statements"].values())
    here = {(c["problem"], c["way"]) for c in facts["measured"]["here"]}
    assert here == set(EACH)


def test_times_are_shown_again_byte_for_byte(measured, tmp_path):
    """In another process, from another folder; and the name of the file is not on the page."""
    path, _, _, cells = measured
    *_, again = execute("performance", tmp_path, times=path)
    assert list(shown(again)) == list(shown(cells))
    assert str(path) not in str(list(shown(again)))


@pytest.fixture
def shown_with(measured, tmp_path):
    """Show the page with other times: a function of problem, way and size gives the readings."""

    def show(sizes, seconds):
        found = json.loads(json.dumps(measured[1]["measured"]))
        found["sweep"] = [
            {"problem": p, "way": w, "n": n, "seconds": seconds(p, w, n), "cores": 1.0}
            for n in sizes
            for p, w in EACH
            if seconds(p, w, n)
        ]
        output = {"output_type": "stream", "text": json.dumps({"measured": found})}
        cell = {"metadata": {"tags": ["facts"]}, "outputs": [output]}
        (tmp_path / "made.ipynb").write_text(json.dumps({"cells": [cell]}), encoding="utf-8")
        facts, text, _ = execute("performance", tmp_path, times="made.ipynb")
        return facts, text

    return show


SLOWING = np.linspace(1, 3, 9)


def test_who_is_ahead_and_the_ratios_follow_from_the_times(shown_with):
    """A machine that gets slower hides no ratio; a scattered one does."""

    def seconds(problem, way, n):
        quick = (way == "package") == (problem != "one")
        steady = (1 if quick else 5) * n**3 * 1e-6 * SLOWING
        return list(steady * SLOWING[::-1] if way == "jax" else steady)

    facts, text = shown_with([4, 16], seconds)
    words = {p: [row[3] for row in rows] for p, rows in facts["standings"].items()}
    assert words == {p: ["behind" if p == "one" else "ahead"] * 2 for p in PROBLEMS}
    assert text.count("the package is ahead of it at n = 4 and 16 (5 times as fast)") == 3
    assert text.count("the package is behind it at n = 4 and 16 (autograd: 5 times as fast)") == 1
    # Of two whose repetitions overlap, no ratio is claimed.
    assert "| Values, 16 | 0.2 (0.2–0.2) | 1–1 | 1–1 | 1–1 | – |" in text
    assert "rounds were made for 40 of 40 ratios; 32 of these have an interval, and 8 are" in text
    assert "execute the page again" in text


def test_exponents_without_ratios(shown_with):
    """With a floor of n³ and the rest of n²; one point is missing, and nothing was repeated."""
    powers = {"floor": 3.0, "package": 2.5}

    def seconds(problem, way, n):
        gone = (problem, way, n) == ("vectors", "torch", 1024)
        return [] if gone else [1e-9 * n ** powers.get(way, 2.0)]

    facts, text = shown_with([64, 256, 1024], seconds)
    assert facts["exponents"]["values"]["floor"] == pytest.approx(3, abs=1e-3)
    assert facts["exponents"]["nuclear"]["package"] == pytest.approx(2.5, abs=1e-3)
    assert facts["exponents"]["vectors"]["torch"] is None
    assert "They lie between 2.0 and 3.0" in text
    assert "rounds were made for 0 of 59 ratios; 0 of these have an interval, and 0 are" in text
    assert text.count("There is such a ratio at no size.") == 4


CASES = {
    "rectangular": np.arange(6.0).reshape(2, 3) + np.eye(2, 3),
    "complex, tied": np.eye(3, dtype=complex),
}


@pytest.mark.parametrize("name", CASES)
def test_other_matrices(name, tmp_path):
    np.save(tmp_path / "my.npy", CASES[name])
    facts, text, _ = execute("performance", tmp_path, matrix="my.npy", largest=4, repetitions=1)
    problems = {c["problem"] for c in facts["measured"]["here"]}
    rectangular = name == "rectangular"
    assert problems == ({"nuclear"} if rectangular else set(PROBLEMS))
    assert ("It is not Hermitian" in text) == rectangular
    assert facts["measured"]["refused"].get("one") == (
        None if rectangular else {"package": "GaugeError"}
    )
    assert ("what was raised" in text) == bool(facts["measured"]["refused"])


REFUSED = {
    "largest, repetitions: 3 and 9": [("largest", "3")],
    "and 0 will not do": [("repetitions", "0")],
    "missing.ipynb: No such file": [("times", "missing.ipynb")],
}


@pytest.mark.parametrize("message", REFUSED)
def test_bad_input_is_refused_in_one_line(message, tmp_path):
    require_refusal("performance", REFUSED[message], message, tmp_path)


def test_times_of_another_matrix_are_refused(measured, tmp_path):
    with pytest.raises((ValueError, building.CommandError), match="give both the same one"):
        reporting.report(
            "[[2, 1], [1, 2]]",
            chapter="performance",
            given=[("times", str(measured[0]))],
            output=tmp_path / "page",
        )
