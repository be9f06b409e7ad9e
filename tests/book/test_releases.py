"""What the chapter on releases says, from made-up answers, and the answers that the book keeps."""

import json
from datetime import date

import pytest

from spectralgrad.book import releases
from spectralgrad.frameworks import NAMES

ABOUT = {"date": "2026-01-02", "python": "3.9.1", "numpy": "1.9.5"}
RIGHT = ["agrees", "general", False, 1e-16, ""]
LOWER = ["agrees", "lower", True, 0.0, ""]
WRONG = ["wrong", "", False, 2.0, ""]
NAN = ["not finite", "", False, None, ""]


def release(version, *answers, framework="jax", **other):
    about = {"framework": framework, "version": version, **ABOUT, **other}
    if answers:
        return about | {"answers": dict(zip("abc", answers, strict=False))}
    del about["numpy"]
    return about | {"missing": "no <wheel>"}


def history(*asked):
    puzzles = {"a": ["Σ", "one"], "b": ["Σ", "two"], "c": ["λ", "three"]}
    (keys,) = {tuple(r["answers"]) for r in asked if "answers" in r}
    return {"puzzles": {key: puzzles[key] for key in keys}, "releases": [*asked]}


def test_an_answer_that_changes_back_is_told_in_order():
    known = history(
        release("0.4.9", WRONG), release("0.4.10", RIGHT), release("0.5", RIGHT),
        release("0.6", WRONG), release("0.10", LOWER), release("0.11", RIGHT),
    )  # fmt: skip
    assert releases.changes(known, "jax") == (
        "**JAX**: 6 releases from 0.4.9 to 0.11 answer 0 of the 1 puzzles alike.\n"
        "\n"
        "- **Σ** (one): `wrong` up to 0.4.9; `agrees` from 0.4.10 to 0.5; `wrong` in 0.6; "
        "`agrees`, lower triangle, conjugated in 0.10; `agrees` from 0.11 on."
    )


def test_a_release_that_was_not_asked_is_none_of_those_tried():
    """What lies between is not known: it is neither counted nor named as the first or the last."""
    known = history(
        release("1.0"), release("1.1", WRONG), release("1.2"), release("1.3", RIGHT), release("1.4")
    )
    text = releases.changes(known, "jax")
    assert "2 releases from 1.1 to 1.3" in text
    assert text.endswith("`wrong` up to 1.1; `agrees` from 1.3 on.")


def test_puzzles_that_change_together_share_a_line():
    known = history(release("1", WRONG, WRONG, WRONG), release("2", RIGHT, RIGHT, WRONG))
    text = releases.changes(known, "jax")
    assert "answer 1 of the 3 puzzles alike" in text
    assert text.count("\n- ") == 1
    assert "- **Σ** (one; two): `wrong` up to 1; `agrees` from 2 on." in text


def test_where_nothing_changed_there_is_one_sentence():
    known = history(release("1", WRONG, NAN), release("2", WRONG, NAN))
    text = "**JAX**: 2 releases from 1 to 2 answer all 2 puzzles alike."
    assert releases.changes(known, "jax") == text


def test_an_answer_that_has_become_wrong_is_told_with_its_error():
    known = history(release("1", RIGHT), release("2", ["wrong", "", False, 2.3e-5, ""]))
    assert releases.changes(known, "jax").endswith("`wrong` from 2 on, error 2e-05.")


def test_of_one_release_nothing_is_said_of_changes():
    known = history(release("2", WRONG))
    assert releases.changes(known, "jax") == "**JAX**: 2 alone was asked."
    assert releases.changes(known, "torch") == "**PyTorch**: no release was asked."


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (LOWER, "`agrees`, lower triangle, conjugated"),
        (["agrees", "symmetric", False, 0.0, ""], "`agrees`"),
        # How a wrong one is written down is no difference.
        (["wrong", "lower", True, 1.0, ""], "`wrong`"),
        (["wrong", "", False, 1.0, "right once symmetrised"], "`wrong`, right once symmetrised"),
        # What is said when nothing is returned changes with every release.
        (["failed", "", False, None, "see line 7"], "`failed`"),
    ],
)
def test_the_words_are_the_verdict_and_the_form_of_what_is_right(answer, words):
    assert releases.words(answer) == words


def test_the_table_has_one_row_for_what_is_alike_everywhere():
    known = history(
        release("1", RIGHT, RIGHT, RIGHT, framework="autograd"),
        release("1", WRONG, WRONG, NAN),
        release("2", RIGHT, RIGHT, NAN),
    )
    assert releases.answers(known).splitlines()[2:] == [
        "| Σ: one; two | `agrees` | `wrong` → 2: `agrees` |",
        "| λ: three | `agrees` | `not finite` |",
    ]


def test_when_and_with_what_is_said():
    known = history(
        release("1", RIGHT, python="3.9.18"),
        release("2", RIGHT, python="3.10.2", numpy="1.26.0", date="2026-02-01"),
        release("3"),
    )
    text = releases.when(known)
    assert "2026-01-02 to 2026-02-01" in text
    assert "with Python 3.9.18 to 3.10.2 and NumPy 1.9.5 to 1.26.0" in text
    assert "\n- JAX 3 could not be asked: no &#60;wheel&#62;." in text


FAULTS = {
    "no puzzles and releases": lambda k: k.pop("puzzles"),
    "holds no answers": lambda k: k["releases"].clear(),
    "jax 1: holds something else": lambda k: k["releases"][0].pop("numpy"),
    "jax 2: holds something else": lambda k: k["releases"][1].update(date=2026),
    "jax 1: answers other puzzles": lambda k: k["releases"][0]["answers"].pop("a"),
    "jax 2: b: .* is no answer": lambda k: k["releases"][1]["answers"]["b"].append(""),
    "jax 1: b: .* is no answer": lambda k: k["releases"][0]["answers"].update(
        b=["right", *RIGHT[1:]]
    ),
    "jax 1: a: .* is no answer": lambda k: k["releases"][0]["answers"].update(
        a=["agrees", "", 0, 0.0, ""]
    ),
    "from the oldest to the newest": lambda k: k["releases"].reverse(),
    "releases twice": lambda k: k["releases"].append(k["releases"][-1]),
    "not what tools/history.py writes": lambda k: k["releases"].append({"framework": "mxnet"}),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_file_with_a_fault_is_refused_in_one_line(fault, tmp_path):
    made, path = history(release("1", RIGHT, NAN), release("2", RIGHT, NAN)), tmp_path / "k.json"
    path.write_text(json.dumps(made), encoding="utf-8")
    known = releases.load(path)
    assert known == made
    FAULTS[fault](known)
    path.write_text(json.dumps(known), encoding="utf-8")
    with pytest.raises(ValueError, match=f"k.json: .*{fault}.*; give a file") as refused:
        releases.load(path)
    assert "\n" not in str(refused.value)


def test_a_file_that_is_none_is_refused_in_one_line(tmp_path):
    with pytest.raises(ValueError, match=r"missing\.json: No such file or directory; give"):
        releases.load(tmp_path / "missing.json")


def test_what_the_book_keeps_is_whole():
    """Some kilobytes: each release that was asked has an answer to each puzzle, in its order."""
    known = releases.load()
    assert releases.PATH.stat().st_size < 100_000
    for r in known["releases"]:
        assert date.fromisoformat(r["date"]) <= date.today()
        assert r["version"].replace(".", "").isdecimal()
    asked = {name: len(releases.asked(known, name)) for name in NAMES}
    assert asked["torch"] == 1
    assert min(asked[name] for name in ("autograd", "tensorflow", "jax")) >= 7
