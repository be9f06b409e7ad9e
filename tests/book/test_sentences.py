"""Sentences of single chapters, against cases that differ."""

import numpy as np
import pytest
from jinja2 import UndefinedError
from judging import judged

from spectralgrad.book import sentences
from spectralgrad.matrices import published


def test_printed_digits():
    p = published.find("blog-full-rank", "gradient of the nuclear norm")["tensorflow"]
    met = sentences.same_digits(p, p.values, "TensorFlow 2", "float32")
    assert met == (
        "TensorFlow 2, given float32, meets every printed digit of the gradient of the nuclear "
        "norm (25 numbers)."
    )
    shifted = p.values + np.diag([1, 0, 0, 0, 0])
    missed = sentences.same_digits(p, shifted, "TensorFlow 2", "float32")
    assert missed == (
        "TensorFlow 2, given float32, differs from the printed gradient of the nuclear norm in "
        "1 of 25 numbers."
    )


@pytest.mark.parametrize(
    ("orthonormal", "size", "words"),
    [
        ({"a": True}, (0, 2), "full rank"),
        ({"a": True, "b": True}, (3, 3), "all of its singular values are 1, to the accuracy"),
        ({"a": np.False_, "b": np.True_}, (3, 3), "are 1 for b, but not for a"),
        (dict.fromkeys("abc", True), (3, 3), "rounding leaves, for every gradient in the table."),
        (
            dict.fromkeys("abc", False),
            (3, 3),
            "not all of its singular values are 1 for any gradient in the table.",
        ),
        ({"a": False}, (3, 3), "W is 3 × 3; not all of its singular values are 1 for a."),
    ],
)
def test_null_part(orthonormal, size, words):
    assert words in sentences.null_part(orthonormal, size)


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
    assert words in sentences.determinants(values)
    assert bool(words) == bool(sentences.determinants(values))


def test_change():
    upper, symmetric = (
        judged("agrees", convention="upper"),
        judged("agrees", convention="symmetric"),
    )
    assert "“upper”; the gradient of T 2 is in “symmetric”" in sentences.change(
        "T 1", upper, "T 2", symmetric
    )
    assert "and so is the gradient of T 2" in sentences.change("T 1", upper, "T 2", upper)


def test_doubled():
    assert sentences.doubled(0.5, 0.75, False, True).endswith("The doubled form is off by 0.25.")
    assert "So does the doubled form" in sentences.doubled(0.5, 0.5, True, True)
    tie = sentences.doubled(0.5, 0.75, False, False)
    assert "no derivative" in tie
    assert "0.500000, the doubled form 0.750000" in tie


def test_descent():
    assert sentences.descent({}, {}) == ""
    same = {"symmetric": True, "x": True, "y": False}
    farther = sentences.descent(same, {"symmetric": 1.0, "x": 1.0, "y": 1.5})
    assert farther == (
        "“symmetric” and “x” end at the same matrix; “y” ends elsewhere, farther from the start."
    )
    assert "farther" not in sentences.descent(same, {"symmetric": 1.0, "x": 1.0, "y": 1.0})
    assert "All descents end at the same matrix" in sentences.descent({"symmetric": True}, {})


def test_moved_apart():
    assert sentences.moved_apart([1.0, 2.0], [1.0, 2.0], "eigenvalue") == ""
    moved = sentences.moved_apart([1.0, 1.0], [1.5, 2.0], "eigenvalue")
    assert "same eigenvectors, and the eigenvalues 1.5 and 2." in moved
    assert "zero" not in moved
    moved = sentences.moved_apart(np.zeros(9), np.arange(9.0, 0, -1), "singular value")
    assert "equal or zero, or nearly so" in moved
    assert "9, 8, 7, 6, 5, 4 and so on." in moved


@pytest.mark.parametrize(
    ("shape", "is_complex", "answer", "words"),
    [
        ((4, 4), False, "no objection", "up to its sign"),
        ((4, 3), False, "GaugeError: x", "has dimension 2: the last column of U is one of many"),
        ((3, 3), True, "GaugeError: x", "up to its phase"),
    ],
)
def test_last_null_vector(shape, is_complex, answer, words):
    sentence = sentences.last_null_vector(*shape, is_complex, answer)
    assert words.replace("one of many", "one vector of many") in sentence


def test_gauge_changes():
    same = dict.fromkeys(("signs", "phases", "rotations", "at a tie"), 0.0)
    signs = dict.fromkeys(same, 2.0)
    phases = signs | {"signs": 0.0}
    later = same | {"at a tie": 1.0}
    sentence = sentences.gauge_changes({"a": signs, "b": phases, "c": later}, True, 3)
    assert sentence == (
        "At this matrix, 2 of 3 losses are not defined. Signs alone would have shown 1 of them. "
        "With a tie, 1 more."
    )
    sentence = sentences.gauge_changes({"a": signs, "b": same}, False, 1)
    assert sentence == (
        "At this matrix, 1 of 2 losses is not defined. It is real, so that phases are signs. "
        "A matrix of one row has no ties."
    )


def test_conjugate_step():
    assert "changes nothing" in sentences.conjugate_step(np.eye(2), 1.0, 0.8)
    assert "climbs" in sentences.conjugate_step(np.array([[0, -1j], [1j, 0]]), 1.0, 1.2)
    assert "descends too" in sentences.conjugate_step(np.array([[3, -1j], [1j, 0]]), 1.0, 0.9)


def test_near_tie():
    routes = {"divide": [1e-15, 1e-2], "equal": [1e-3, 1e-12], "differences": [1e-15, 2e-15]}
    sentence = sentences.near_tie(1e-8, 3e-8, routes)
    assert "from a gap of 1e-08 downwards; √ε‖A‖ is 3e-08." in sentence
    assert "1e-02 for the division, 1e-12 for the better of the two" in sentence
    assert sentence.endswith("and 2e-15 for divided differences.")
    assert "never the worse choice" in sentences.near_tie(0.0, 3e-8, routes)


def test_one_sided():
    kink = sentences.one_sided(1.0, 2.0, [1.0, 2.0], 1e-8, 1e-7, False)
    assert "The slope along E is 1, that along −E is 2." in kink
    assert "their step of 1e-08 blurs them by at most about 1e-07" in kink
    assert kink.endswith("They add up to 3; with a gradient that would be 0.")
    smooth = sentences.one_sided(1.0, -1.0, None, 1e-8, 1e-7, True)
    assert "quotients" not in smooth
    assert smooth.endswith("They are opposite, as a gradient requires.")


def test_slopes_may_be_opposite_without_a_gradient():
    text = sentences.one_sided(0.5, -0.5, None, 1e-8, 1e-7, False)
    assert "They are opposite, and still there is no gradient" in text
    assert "add up" not in text


@pytest.mark.parametrize(
    ("difference", "gap", "sentence"),
    [
        (0.0, 1e-3, "They are equal."),
        (1e-9, 1e-3, "They differ by 1e-09."),
        (1e-3, None, "They need not agree: there is no gradient here."),
    ],
)
def test_derivative(difference, gap, sentence):
    assert sentences.derivative(difference, gap) == sentence


def test_a_derivative_that_is_off_says_why():
    sentence = sentences.derivative(1e-3, 1e-7)
    assert sentence.startswith("They differ by 1e-03: the nearest other eigenvalue is only 1e-07 ")
    assert sentence.endswith("rounding errors grow as that gap shrinks.")


def test_slopes_of_the_nuclear_norm():
    assert sentences.slopes(None, 0.0) == "The two slopes are opposite, as a gradient requires."
    kink = sentences.slopes(1.25, 0.0)
    assert kink.startswith("The two slopes add up to 1.2, not to 0: with what counts as zero")
    assert kink.endswith("and no gradient.")
    assert "follow the formula only roughly here" in sentences.slopes(None, 1e-2)


def test_a_sentence_is_one_line_and_what_it_lacks_is_an_error():
    assert "\n" not in sentences.rounded()
    with pytest.raises(UndefinedError):
        sentences.moved_apart()
    with pytest.raises(AttributeError):
        sentences.will_not_do()
