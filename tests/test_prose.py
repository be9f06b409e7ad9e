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
    p = published.find("blog-full-rank", "gradient")["tensorflow"]
    met = prose.printed_digits(p, p.values, "TensorFlow 2", "float32")
    assert met == "TensorFlow 2 in float32 meets every printed digit of the gradient (25 numbers)."
    shifted = p.values + np.diag([1, 0, 0, 0, 0])
    missed = prose.printed_digits(p, shifted, "TensorFlow 2", "float32")
    assert missed == "TensorFlow 2 in float32 differs from the printed gradient in 1 of 25 numbers."


def judged(verdict, conjugated=False, convention="general", also=(), allowed=1e-15):
    return Judgement(verdict, convention, conjugated, 0.0, allowed, also)


@pytest.mark.parametrize(
    ("judgements", "text"),
    [
        ({"a": judged("agrees")}, "a returns the gradient."),
        (
            {"a": judged("agrees"), "b": judged("agrees", conjugated=True)},
            "a and b return the gradient. b returns it conjugated.",
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
    assert "they may change the answer by 0.2 times its norm" in text


def test_derivative():
    assert prose.derivative(1.0, None) == "They need not agree: there is no gradient here."
    assert prose.derivative(0.0, 0.1) == "They are equal."
    assert prose.derivative(2e-10, 0.1) == "They differ by 2e-10."
    assert "differ by 2e-02: the nearest other eigenvalue is only 1e-13" in prose.derivative(
        0.02, 1e-13
    )


def test_slopes():
    assert prose.slopes(None, 1e-8) == "The two slopes are opposite, as a gradient requires."
    assert prose.slopes(0.5, 1e-8).startswith("The two slopes add up to 0.5000, not to 0")
    assert "only roughly" not in prose.slopes(0.5, 1e-8)
    assert "only roughly" in prose.slopes(None, 0.1)


@pytest.mark.parametrize(
    ("deviations", "size", "words"),
    [
        ({"a": (0, 1)}, (0, 2), "full rank"),
        ({"a": (1e-9, 1e-8), "b": (0, 1)}, (3, 3), "all of its singular values are 1, to the acc"),
        ({"a": (1e-7, 1e-8), "b": (0, 1)}, (3, 3), "are 1 for b, but not for a"),
        (dict.fromkeys("abc", (0, 1)), (3, 3), "rounding leaves, for all of them."),
        (
            dict.fromkeys("abc", (1, 0)),
            (3, 3),
            "not all of its singular values are 1 for any of them.",
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


def test_descent():
    assert prose.descent({}, {}) == ""
    same = {"symmetric": True, "x": True, "y": False}
    farther = prose.descent(same, {"symmetric": 1.0, "x": 1.0, "y": 1.5})
    assert "reached by “symmetric” and “x”. Elsewhere ends “y”, farther from the start." in farther
    assert "farther" not in prose.descent(same, {"symmetric": 1.0, "x": 1.0, "y": 1.0})
    assert "All descents end at the same matrix" in prose.descent({"symmetric": True}, {})
