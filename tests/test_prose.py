import html
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spectralgrad import prose, published
from spectralgrad.verdict import Judgement


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"])))
def test_literal_shows_the_text_and_nothing_else(text):
    shown = prose.literal(text)
    assert html.unescape(shown) == text
    assert not re.search(r"[<>*_`\[\]\\!|$\"']|&(?!#\d+;)", shown)


@pytest.mark.parametrize(
    ("items", "text"), [(["a"], "a"), (["a", "b"], "a and b"), (["a", "b", "c"], "a, b and c")]
)
def test_listing(items, text):
    assert prose.listing(items) == text


def test_printed_digits():
    p = published.find("blog-full-rank", "gradient of the nuclear norm")["tensorflow"]
    met = prose.printed_digits(p, p.values, "TensorFlow 2", "float32")
    assert met == (
        "TensorFlow 2, given float32, meets every printed digit of the gradient of the nuclear "
        "norm (25 numbers)."
    )
    shifted = p.values + np.diag([1, 0, 0, 0, 0])
    missed = prose.printed_digits(p, shifted, "TensorFlow 2", "float32")
    assert missed == (
        "TensorFlow 2, given float32, differs from the printed gradient of the nuclear norm in "
        "1 of 25 numbers."
    )


def judged(verdict, conjugated=False, convention="general", also=(), allowed=1e-15):
    return Judgement(verdict, convention, conjugated, 0.0, allowed, also)


@pytest.mark.parametrize(
    ("judgements", "text"),
    [
        ({"a": judged("agrees")}, "a returns the gradient."),
        (
            {"a": judged("agrees"), "b": judged("agrees", conjugated=True)},
            "a and b return the gradient. b returns its conjugated.",
        ),
        (
            {"a": judged("subgradient"), "b": judged("subgradient"), "c": judged("wrong")},
            "a and b return valid answers. c returns something that is not a valid answer.",
        ),
        ({"a": judged("not finite")}, "a returns numbers that are not finite."),
        (dict.fromkeys("abc", judged("agrees")), "All of them return the gradient."),
    ],
)
def test_verdicts(judgements, text):
    assert prose.verdicts(judgements) == text


def test_a_verdict_that_allows_much_says_so():
    text = prose.verdicts({"a": judged("agrees"), "b": judged("agrees", allowed=0.25)})
    assert text.startswith("a and b return the gradient, as far as that can be told")
    assert "below 0.2 times the norm" in text


def test_what_allows_anything_is_no_verdict():
    vacuous, wrong = judged("agrees", allowed=2.0), judged("wrong", allowed=2.0)
    assert [prose.verdict(j) for j in (vacuous, wrong)] == ["undecided", "wrong"]
    text = prose.verdicts({"a": vacuous, "b": wrong})
    assert "There is no verdict on a: at this matrix" in text
    assert "may change the answer by 2 times its norm" in text
    assert "b returns something that is not a valid answer." in text
    everything = prose.verdicts(dict.fromkeys("abc", vacuous))
    assert everything.startswith("There is no verdict on any of them: ")


@pytest.mark.parametrize(
    ("deviations", "size", "words"),
    [
        ({"a": (0, 1)}, (0, 2), "full rank"),
        ({"a": (1e-9, 1e-8), "b": (0, 1)}, (3, 3), "all of its singular values are 1, to the acc"),
        ({"a": (1e-7, 1e-8), "b": (0, 1)}, (3, 3), "are 1 for b, but not for a"),
        (dict.fromkeys("abc", (0, 1)), (3, 3), "rounding leaves, for every gradient in the table."),
        (
            dict.fromkeys("abc", (1, 0)),
            (3, 3),
            "not all of its singular values are 1 for any gradient in the table.",
        ),
        ({"a": (1e-7, 1e-8)}, (3, 3), "W is 3 × 3; not all of its singular values are 1 for a"),
    ],
)
def test_null_part(deviations, size, words):
    assert words in prose.null_part(deviations, size)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"a": 1.0, "b": -1.0}, "positive for a and negative for b: no continuous path"),
        ({"a": 1.0, "b": 1.0}, "positive for a and b."),
        ({"a": -1.0}, "negative for a."),
        ({"a": np.nan}, ""),
    ],
)
def test_determinants(values, words):
    assert words in prose.determinants(values)
    assert bool(words) == bool(prose.determinants(values))


def test_change():
    upper, symmetric = (
        judged("agrees", convention="upper"),
        judged("agrees", convention="symmetric"),
    )
    assert "“upper”; the gradient of T 2 is in “symmetric”" in prose.change(
        "T 1", upper, "T 2", symmetric
    )
    assert "and so is the gradient of T 2" in prose.change("T 1", upper, "T 2", upper)


def test_convention_says_what_is_ambiguous():
    assert prose.convention(judged("agrees", convention="lower")) == "lower"
    alike = judged("agrees", convention="symmetric", also=("lower", "upper"))
    assert prose.convention(alike) == "symmetric, lower and upper alike"
    assert prose.convention(judged("wrong", convention="")) == "none of the three"


def test_doubled():
    assert prose.doubled(0.5, 0.75, False, True).endswith("The doubled form is off by 0.25.")
    assert "So does the doubled form" in prose.doubled(0.5, 0.5, True, True)
    tie = prose.doubled(0.5, 0.75, False, False)
    assert "no derivative" in tie
    assert "0.500000, the doubled form 0.750000" in tie


def test_descent():
    assert prose.descent({}, {}) == ""
    same = {"symmetric": True, "x": True, "y": False}
    farther = prose.descent(same, {"symmetric": 1.0, "x": 1.0, "y": 1.5})
    assert farther == (
        "“symmetric” and “x” end at the same matrix; “y” ends elsewhere, farther from the start."
    )
    assert "farther" not in prose.descent(same, {"symmetric": 1.0, "x": 1.0, "y": 1.0})
    assert "All descents end at the same matrix" in prose.descent({"symmetric": True}, {})
