"""What the chapter on the contest says, from made-up results, and those that the book keeps."""

import json
import math
from datetime import date

import pytest

from contest import run
from spectralgrad.book import contest, figures

OURS, THEIRS, RULE = "spectralgrad (JAX)", "roma", "a <rule>"
POINTS = ("regular", "tie", "single")


def held(*records):
    """A file with records of one operation."""
    entrants = [
        {"operation": "polar", "name": name, "library": library}
        for name, library in ((OURS, "spectralgrad"), (THEIRS, "roma"), (RULE, "torch"))
    ]
    known = dict.fromkeys(("date", "command", "python"), "x") | {"versions": {"roma": "1.8"}}
    known |= {"entrants": entrants, "points": {"polar": {point: [[1.0]] for point in POINTS}}}
    known |= {"conditions": {"polar": dict.fromkeys(POINTS, 1.0)}}
    known |= {"records": [["polar", *r] for r in records], "findings": []}
    return known | {"results": run.packed(known)["results"]}


@pytest.fixture
def known():
    return held(
        ("regular", OURS, 1, 1e-16, ""),
        ("tie", OURS, 1, 2e-15, ""),
        ("single", OURS, 1, 1e-5, ""),
        ("regular", THEIRS, 1, 1e-16, ""),
        ("tie", THEIRS, 1, 0.8, ""),
        ("single", THEIRS, 1, None, "nan"),
        ("regular", RULE, 1, 1e-5, ""),
        ("tie", RULE, 1, None, "raises: ValueError: no"),
        ("single", RULE, 1, None, "not applicable: takes no single precision"),
        ("tie", OURS, 2, 1e-12, ""),
    )


@pytest.mark.parametrize(
    ("error", "note", "point", "condition", "standing"),
    [
        (1e-9, "", "tie", 1, "right"),
        (1e-5, "", "tie", 1, "inexact"),
        (0.02, "", "tie", 1, "wrong"),
        (1e-5, "", "single", 1, "right"),
        (1e-5, "", "tie", 1e10, "right"),
        (0.5, "the value is off by 1e-2", "tie", 1, "another value"),
        (None, "nan", "tie", 1, "not finite"),
        (None, "raises: ValueError: no", "tie", 1, "raises"),
        (None, "crashes: signal 11", "tie", 1, "raises"),
    ],
)
def test_what_a_result_is_worth(error, note, point, condition, standing):
    """Half of the digits of its precision, and what rounding of the matrix costs anyway."""
    known = held((point, OURS, 1, error, note))
    known["conditions"]["polar"][point] = condition
    assert contest.results(known, "polar")[OURS][point].standing == standing


def test_the_table_of_an_operation(known):
    """Names are text; what was not tried is no success, and second derivatives stand apart."""
    assert contest.grid(known, "polar").splitlines()[2:] == [
        "| spectralgrad &#40;JAX&#41; | 1e-16 | 2e-15 | 1e-05 |",
        "| roma | 1e-16 | 0.8 | not finite |",
        "| a &#60;rule&#62; | 1e-05 | raises | – |",
    ]
    assert contest.grid(known, "polar", 2).splitlines()[2:] == [
        "| spectralgrad &#40;JAX&#41; | 1e-12 |"
    ]


def test_the_worst_comes_first(known):
    """That it is wrong at a tie counts for more than that it is not finite, which is seen."""
    found = contest.results(known, "polar")
    assert contest.worst(found[THEIRS]) == ("wrong", ["tie"])
    assert contest.worst(found[RULE]) == ("raises", ["tie"])
    assert contest.worst(found[OURS]) == ("right", list(POINTS))
    assert contest.worst({}) == ("", [])
    assert contest.summary(known).splitlines()[2:] == [
        "| spectralgrad &#40;JAX&#41; | ✓ |",
        "| roma | ✗ |",
        "| a &#60;rule&#62; | raises |",
    ]


def test_who_is_right_is_said_by_operation(known):
    assert contest.said(known, "polar").splitlines() == [
        "- **Right wherever tried:** spectralgrad &#40;JAX&#41;.",
        "- **Raises:** a &#60;rule&#62; (at 1 of 2).",
        "- **Finite and wrong:** roma (at 1 of 3, up to 0.8).",
    ]


def test_where_the_package_is_behind():
    known = held(
        ("regular", OURS, 1, 1e-15, ""),
        ("regular", THEIRS, 1, 1e-17, ""),  # rounding
        ("tie", OURS, 1, 1e-10, ""),
        ("tie", THEIRS, 1, 1e-12, ""),
        ("single", OURS, 1, None, "nan"),
        ("single", THEIRS, 1, 0.5, ""),
    )
    found = [(p, mine.error, best) for _, p, _, mine, best, _ in contest.behind(known)]
    assert found == [("tie", 1e-10, THEIRS), ("single", math.inf, THEIRS)]


def test_the_figure_says_who_is_lost(known):
    made = figures.errors(contest.errors(known, "polar"), POINTS)
    assert made.alt.endswith("wrong or not finite somewhere: roma, a <rule>.")
    assert made.svg.count("<image") == 2  # the errors, and their scale


FAULTS = {
    "no findings": lambda k: k.pop("findings"),
    "holds no results": lambda k: k["results"].clear(),
    "of no entrant": lambda k: k["results"]["polar"].update(nobody=[[0.0] * 3, "not tried"]),
    "is no result": lambda k: k["results"]["polar"][OURS][0].__setitem__(0, None),
    "is not what make contest writes": lambda k: k["results"]["polar"][OURS][0].pop(),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_file_with_a_fault_is_refused_in_one_line(fault, known, tmp_path):
    path = tmp_path / "k.json"
    path.write_text(run.written(known), encoding="utf-8")
    read = contest.load(path)
    assert contest.results(read, "polar") == contest.results(known, "polar")
    broken = run.packed(known)
    FAULTS[fault](broken)
    path.write_text(json.dumps(broken), encoding="utf-8")
    with pytest.raises(ValueError, match=f"k.json: .*{fault}.*; give a file") as refused:
        contest.load(path)
    assert "\n" not in str(refused.value)


def test_what_the_book_keeps_is_whole():
    """Small, not from the future, and each entrant was tried at the regular matrix."""
    known = contest.load()
    assert contest.PATH.stat().st_size < 500_000
    assert date.fromisoformat(known["date"]) <= date.today()
    for operation in contest.operations(known):
        found = contest.results(known, operation)
        assert [*found] == contest.names(known, operation), operation
