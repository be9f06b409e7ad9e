"""Words of a verdict on a function."""

import numpy as np
import pytest

from spectralgrad import verdict
from spectralgrad.book import functions as words
from spectralgrad.verdict.functions import FunctionVerdict
from spectralgrad.verdict.slopes import Slope


def along(direction, left=1.0, right=1.0):
    steps = 4.0 ** -np.arange(3)
    return Slope(
        *(np.asarray(direction), left, right, (left + right) / 2, 1e-12, 2e-12),
        *(steps, np.ones((2, 3)), 1.0),
        unbounded=False,
    )


def found(word="agrees", **known):
    return FunctionVerdict("my.npy", "", np.eye(2), "torch", "2.0", word, **known)


@pytest.mark.parametrize("word", words.MEANINGS)
def test_every_verdict_has_a_meaning(word):
    headline = words.headline(found(word, digits=11))
    assert headline.startswith(f"{word} to 11 digits: " if word == "agrees" else f"{word}: ")
    assert "PyTorch" in headline


def test_a_word_that_a_check_of_sums_has_too_is_the_same_word():
    assert {*words.MEANINGS} - {*verdict.VERDICTS} == {
        "no gradient here",
        "not a function of the matrix",
    }


@pytest.mark.parametrize(
    ("direction", "place"),
    [
        ([[1, 0], [0, 0]], "along the entry (1, 1)"),
        ([[0, 1], [1, 0]], "along the entries (1, 2) and (2, 1)"),
        ([[1, 1], [1, 0]], "along a random direction"),
    ],
)
def test_a_direction_is_named_by_the_entries_that_change(direction, place):
    (head, *_), *_ = words.rows(along(direction), found())
    assert head == place


def test_of_a_kink_both_slopes_are_shown_and_no_mean_of_them():
    kink = along(np.eye(2), -1.0, 3.0)
    said = words.rows(kink, found("no gradient here"))[1:]
    assert said == [["from the left", "-1", "2e-12"], ["from the right", "3", "2e-12"]]


def test_where_nothing_is_to_be_done_no_line_is_left_for_it():
    right = {"gradient": np.eye(2), "expected": np.eye(2), "slopes": (along(np.eye(2)),)}
    assert "\n\n\n" not in words.text(found(**right), "loss.py:f")


def test_the_slope_of_a_page_is_the_worst_or_else_the_steepest():
    flat, steep, worst = (along(np.eye(2), x, x) for x in (0.0, -5.0, 1.0))
    assert words.slope(found(slopes=(flat, steep), worst_direction=worst)) is worst
    assert words.slope(found("not finite", slopes=(flat, steep))) is steep
    assert np.isnan(words.slope(found("failed")).derivative)


def test_a_triangle_comes_with_the_line_that_converts_it():
    text = words.summary(found(convention="lower", message="f is fine", calls=("eigh",)))
    assert "`(G + G.mH) / 2` has the form of this book." in text
    assert "f is fine" in text.replace("&#46;", ".")
    assert "The function calls `eigh`." in text
    assert "has the form" not in words.summary(found("wrong", convention="lower"))


@pytest.mark.parametrize("source", ["x = '```'", "plain", "# `````\n```"])
def test_source_cannot_leave_its_fence(source):
    opening, *lines, closing = words.code(source).splitlines()
    assert lines == source.splitlines()
    assert opening == f"{closing}python"
    assert closing not in source


def test_what_has_no_lines_says_so():
    assert words.code(np.sin) == "The lines of this function cannot be found."
