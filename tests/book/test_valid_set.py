"""What is said of the set of valid answers, against what is known of it."""

import numpy as np
import pytest
from drawing import random_matrix

from spectralgrad.book import sentences, valid_set
from spectralgrad.theory import subgradient


def test_places():
    valid = subgradient.eigvalsh(np.eye(2), [1, 0])
    answers = {"smallest norm": np.eye(2) / 2, "a": np.diag([1.0, 0]), "b": np.full((2, 2), np.nan)}
    lines = valid_set.places(answers, valid).splitlines()
    assert lines[2:5] == [
        # The smallest eigenvalue falls by |step| / √2 against I/2, and by all of it against v vᵀ.
        "| smallest norm | yes | 0 | no | 0.70711 | -0.7071 |",
        "| a | yes | 0 | yes | 1 | -1 |",
        "| b | no | – | no | – | – |",
    ]
    assert "a returns an extreme point, of norm 1" in lines[-1]
    assert "may promise more than the true slope" in lines[-1]
    alone = valid_set.places({"smallest norm": np.eye(2) / 2}, valid)
    assert alone.endswith(
        "f is not convex: a valid answer may promise more than the true slope, or less."
    )


@pytest.mark.parametrize(
    ("problem", "matrix", "weights", "words"),
    [
        ("eigh", np.diag([1.0, 2]), [1, 0], "One answer is valid: the gradient."),
        (
            *("eigh", np.diag([1.0, 1, 1, 2]), [1, 0, 0, 0]),
            "λ₁ to λ₃ are equal, with the weights 1, 0 and 0: any symmetric 3 × 3 matrix of "
            "trace 1 with eigenvalues from 0 to 1.\n\nThe set has 5 dimensions.",
        ),
        (
            *("eigh", np.eye(2) + 0j, [-1, 2]),
            "any Hermitian 2 × 2 matrix of trace 1 with eigenvalues from -1 to 2.\n\nThe set has "
            "3 dimensions.",
        ),
        (
            *("eigh", np.eye(3), [3, 1, 2]),
            "eigenvalues are majorised by 3, 2 and 1: for each j, the j largest add up to at most "
            "as much as the first j of these, and all of them to the same.",
        ),
        (
            *("svd", np.diag([1.0, 0]), [0, -2]),
            "σ₂ is zero, with the weight -2: any real number of modulus at most 2.\n\nThe set has "
            "1 dimension.",
        ),
        (
            *("svd", np.zeros((2, 3)), [1, 1]),
            "any 2 × 3 real matrix whose singular values are at most 1.\n\nThe set has 6 "
            "dimensions. In its element of smallest norm, a block of zeros is 0, and one of equal "
            "values the mean weight times the identity. All of it is 0 here, and f has its "
            "minimum.",
        ),
        ("svd", np.zeros((2, 2)), [1, -1], "All of it is 0 here."),
        (
            *("svd", np.zeros((2, 2)) + 0j, [0, 1]),
            "any 2 × 2 complex matrix whose singular values add up to at most 1.\n\nThe set has 8",
        ),
        (
            *("svd", np.zeros((2, 2)), [1, -3]),
            "are weakly majorised by 3 and 1: for each j",
        ),
        (
            *("eigh", np.diag(np.repeat(np.arange(5.0), 2)), np.arange(10)),
            "except in 5 blocks",
        ),
        ("eigh", np.diag(np.repeat(np.arange(5.0), 2)), np.arange(10), "- and 2 more of this kind"),
    ],
)
def test_valid_answers(problem, matrix, weights, words):
    find = subgradient.eigvalsh if problem == "eigh" else subgradient.svdvals
    assert words in valid_set.description(find(matrix, weights))


@pytest.mark.parametrize("weights", [[1, 0, 0], [2, 2, -1], [1, 1, 0]])
def test_two_weights_bound_eigenvalues_and_trace_and_nothing_else(weights, rng):
    """What is said of a block with two different weights is what majorisation comes to."""
    valid = subgradient.eigvalsh(np.eye(3), weights)
    low, high, total = min(weights), max(weights), sum(weights)
    seen = set()
    for _ in range(400):
        values = rng.uniform(low - 0.3, high + 0.3, 3)
        values[2] = total - values[:2].sum()
        inside = low <= values.min() and values.max() <= high
        assert valid.contains(np.diag(values)).inside == inside
        seen.add(inside)
    assert seen == {True, False}


@pytest.mark.parametrize("weights", [[1, 0], [2, 2]])
def test_singular_values_of_a_block_of_zeros(weights, rng):
    """One weight bounds their sum, and equal weights bound each."""
    valid = subgradient.svdvals(np.zeros((2, 3)), weights)
    seen = set()
    for _ in range(200):
        gradient = random_matrix(rng, 2, 3, is_complex=False) * rng.uniform(0, 1)
        values = np.linalg.svd(gradient, compute_uv=False)
        inside = values.sum() <= weights[0] if weights[1] == 0 else values[0] <= weights[0]
        assert valid.contains(gradient).inside == inside
        seen.add(bool(inside))
    assert seen == {True, False}


def extremes(weights, slopes, *, extreme=True, inside=True):
    valid = subgradient.eigvalsh(np.eye(2), weights)
    members = {"m": subgradient.Membership(True, 0.0, "", False, 1.0)}
    for name in slopes:
        members[name] = subgradient.Membership(inside, 0.0, "", extreme, 1.0)
    norms = dict.fromkeys(members, 0.5)
    return valid_set.extreme_points(members, norms, {"m": -0.5} | slopes, valid)


def test_extreme_points():
    four = dict.fromkeys("abcd", 0.4)
    text = extremes([0, 1], four)
    assert text.startswith("Every framework returns an extreme point, of norm 1; the smallest norm")
    assert text.endswith("A small step against the answer of any of them makes f larger.")
    assert "no smaller" in extremes([0, 1], dict.fromkeys("abcd", 0.0))
    assert "small step" not in extremes([0, 1], dict.fromkeys("abcd", -1.0))
    assert (
        extremes([0, 1], {"a": -1.0}, extreme=False) == "What a returns is valid, but not extreme."
    )
    one = extremes([1, 1], four)
    assert one == "There is one valid answer, the gradient, and every framework returns it."
    assert "; a, b, c and d return another." in extremes([1, 1], four, inside=False)


def test_what_is_outside_the_set_is_not_called_valid():
    text = extremes([0, 1], {"a": -1.0, "b": -1.0}, extreme=False, inside=False)
    assert text == "What a and b return is not a valid answer."


def test_where_rounding_decides_no_answer_is_judged():
    valid = subgradient.eigvalsh(np.diag([1.0, 1.0 + 4e-14, 3.0]), [2, -1, 0])
    assert valid.differentiable
    members = dict.fromkeys("mabcd", subgradient.Membership(True, 0.0, "", True, 1.0))
    norms = dict.fromkeys(members, 2.0)
    text = valid_set.extreme_points(members, norms, norms, valid)
    assert text.endswith("no answer can be judged.")


@pytest.mark.parametrize(
    ("weights", "words"),
    [([0, 1], "no valid answer promises more"), ([1, 0], "may promise more"), ([1, 1], "the true")],
)
def test_promises(weights, words):
    assert words in sentences.promises(subgradient.eigvalsh(np.eye(2), weights))
