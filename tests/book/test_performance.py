"""The chapter `performance`: what it says follows from what it measured, and can be shown again."""

import json

import numpy as np
import pytest
from executing import execute, execute_afresh

from spectralgrad import book, costs

SMALL = {"largest": 16, "repetitions": 2, "patience": 1e9}


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """A page executed with small matrices: its folder, facts, text and cells."""
    folder = tmp_path_factory.mktemp("measured")
    result = execute_afresh("performance", folder, **SMALL)
    return folder, *result


def outputs(cells):
    """What a page shows and prints, wherever it was split into pieces."""
    for cell in cells:
        made = cell.get("outputs", ())
        text = "".join(line for out in made for line in out.get("text", ()))
        yield text, [out["data"] for out in made if "data" in out]


def test_everything_is_measured(measured):
    _, facts, text, _ = measured
    swept = {(c["problem"], c["way"], c["n"]) for c in facts["measured"]["sweep"]}
    assert swept == {(p, w, n) for p in costs.PROBLEMS for w in costs.WAYS for n in (4, 16)}
    for c in facts["measured"]["sweep"]:
        assert 0 < c["lower"] <= c["median"] <= c["upper"]
        assert c["repetitions"] == 2
    assert facts["measured"]["left_out"] == []
    assert "every gradient was timed at every size" in text
    assert max(facts["measured"]["agreement"].values()) < 1e-9
    assert all(facts["statements"].values())
    assert "too few sizes" in text
    here = {(c["problem"], c["way"]) for c in facts["measured"]["here"]}
    assert here == {(p, w) for p in costs.PROBLEMS for w in costs.WAYS}


def test_times_are_shown_again_byte_for_byte(measured, tmp_path):
    """In another process, from another folder; and the name of the file is not on the page."""
    folder, _, _, cells = measured
    path = folder / "out.ipynb"
    *_, again = execute_afresh("performance", tmp_path, **SMALL, times=path)
    assert list(outputs(again)) == list(outputs(cells))
    assert str(path) not in str(list(outputs(again)))
    # Nothing was measured: where a framework is imported to be timed, it would be.
    *_, mixed = execute("performance", tmp_path, times=path)
    assert list(outputs(mixed)) == list(outputs(cells))


def made_up(measured, path, change, *, left_out=()):
    """Write a page with other times, and what it says it left out."""
    folder, facts, *_ = measured
    notebook = json.loads((folder / "out.ipynb").read_text(encoding="utf-8"))
    made = json.loads(json.dumps(facts["measured"]))
    made["sweep"] = [c for c in map(change, made["sweep"]) if c]
    made["left_out"] = list(left_out)
    (cell,) = (c for c in notebook["cells"] if "facts" in c["metadata"].get("tags", ()))
    printed = json.dumps({"measured": made})
    cell["outputs"] = [{"output_type": "stream", "name": "stdout", "text": [printed]}]
    path.write_text(json.dumps(notebook), encoding="utf-8")


@pytest.mark.parametrize("ahead", [True, False])
def test_who_is_ahead_follows_from_the_times(ahead, measured, tmp_path):
    def change(cost):
        quick = (cost["way"] == "package") == ahead
        size = (1 if quick else 5) * cost["n"] ** 3 * 1e-6
        return cost | {"lower": 0.8 * size, "median": size, "upper": 1.1 * size}

    made_up(measured, tmp_path / "made.ipynb", change)
    facts, text, _ = execute("performance", tmp_path, times="made.ipynb")
    word = "ahead" if ahead else "behind"
    for rows in facts["standings"].values():
        assert [row[3] for row in rows] == [word, word]
    where = "ahead of it at n = 4 and 16 (5 times" if ahead else "behind it at n = 4 and 16 ("
    assert text.count(f"the package is {where}") == 4
    assert "spans 30% of the median in the usual case, and 30% in the worst" in text
    assert "The machine had other things to do" in text
    assert f"the package is {'behind' if ahead else 'ahead'}" not in text


def test_exponents_and_what_was_left_out(measured, tmp_path):
    """With a floor of 2 n³, ratios are half of the rest; one point is missing, and said to be."""
    powers = {"floor": 3.0, "package": 2.5}

    def change(cost):
        # Three sizes are needed, and the page has two.
        found = []
        for n in (64, 256, 1024):
            t = 1e-9 * n ** powers.get(cost["way"], 2.0)
            found.append(cost | {"n": n, "lower": t, "median": t, "upper": t})
        return found

    def first(cost):
        return change(cost) if cost["n"] == 4 else []

    folder, facts, *_ = measured
    many = [c for cost in facts["measured"]["sweep"] for c in first(cost)]
    gone = ("vectors", "torch", 1024)
    many = [c for c in many if (c["problem"], c["way"], c["n"]) != gone]
    rest = iter([*many, *[None] * len(facts["measured"]["sweep"])])
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(facts["measured"], "sweep", many)
        made_up(measured, tmp_path / "made.ipynb", lambda _: next(rest), left_out=[gone])
    facts, text, _ = execute("performance", tmp_path, times="made.ipynb")
    assert facts["exponents"]["values"]["floor"] == pytest.approx(3, abs=1e-3)
    assert facts["exponents"]["nuclear"]["package"] == pytest.approx(2.5, abs=1e-3)
    assert facts["exponents"]["vectors"]["torch"] is None
    assert "They lie between 2.00 and 3.00" in text
    assert "spans 0% of the median" in text
    assert "- n = 1024, Vectors: PyTorch" in text
    assert folder.is_dir()


CASES = {
    "complex": np.array([[2.0, 1j, 0], [-1j, 3, 1], [0, 1, 5]]),
    "rectangular": np.arange(6.0).reshape(2, 3) + np.eye(2, 3),
    "tied": np.eye(3),
}


@pytest.mark.parametrize("name", CASES)
def test_other_matrices(name, tmp_path):
    np.save(tmp_path / "my.npy", CASES[name])
    facts, text, _ = execute("performance", tmp_path, matrix="my.npy", largest=4, repetitions=1)
    problems = {c["problem"] for c in facts["measured"]["here"]}
    rectangular = name == "rectangular"
    assert problems == ({"nuclear"} if rectangular else set(costs.PROBLEMS))
    assert ("It is not Hermitian" in text) == rectangular
    tied = name == "tied"
    assert (facts["measured"]["refused"].get("one") == {"package": "GaugeError"}) == tied
    assert ("what was raised" in text) == bool(facts["measured"]["refused"])


REFUSED = {
    "largest, repetitions, patience: 3, 3": [("largest", "3")],
    "and 0.0 will not do": [("patience", "0.0")],
    "missing.ipynb: No such file": [("times", "missing.ipynb")],
}


@pytest.mark.parametrize("message", REFUSED)
def test_bad_input_is_refused_in_one_line(message, tmp_path):
    with pytest.raises((ValueError, book.BookError), match=message):
        book.report(
            "[[2, 1], [1, 2]]",
            chapter="performance",
            given=REFUSED[message],
            output=tmp_path / "page",
        )
    assert list(tmp_path.iterdir()) == []


def test_times_of_another_matrix_are_refused(measured, tmp_path):
    path = str(measured[0] / "out.ipynb")
    with pytest.raises((ValueError, book.BookError), match="give both the same one"):
        book.report(
            "[[2, 1], [1, 2]]",
            chapter="performance",
            given=[("times", path)],
            output=tmp_path / "page",
        )
