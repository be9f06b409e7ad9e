"""What a verdict comes to, against what is known of it."""

import numpy as np
import pytest
from judging import (
    FOUR,
    HERMITIAN,
    NEAR,
    REGULAR,
    doubled,
    judged,
    lost,
    lower,
    lower_conjugated,
    same,
    verdict_at,
)

from spectralgrad.book import conclusions
from spectralgrad.theory import subgradient


@pytest.mark.parametrize(
    ("problem", "weights", "text"),
    [
        ("eigh", [1], "f is the eigenvalue of the matrix."),
        ("eigh", [2], "f is the eigenvalue of the matrix, with the weight 2."),
        ("eigh", [1, 0, 0], "f is the smallest of 3 eigenvalues."),
        ("svd", [1, 0, 0], "f is the largest of 3 singular values."),
        ("svd", [0, 0, 1], "f is the smallest of 3 singular values."),
        ("eigh", [0, 1, 0], "f is eigenvalue 2 of 3, counted from the smallest."),
        ("svd", [1, 1], "f is the sum of the 2 singular values."),
        (
            *("eigh", [0.5, -1]),
            "f is the sum of the 2 eigenvalues, from the smallest on, with the weights 0.5 and -1.",
        ),
        (
            *("svd", np.arange(8)),
            "f is the sum of the 8 singular values, from the largest on, with the weights "
            "0, 1, 2, 3, 4, 5 and so on.",
        ),
    ],
)
def test_function(problem, weights, text):
    find = subgradient.eigvalsh if problem == "eigh" else subgradient.svdvals
    assert conclusions.function(find(np.diag(np.arange(1.0, len(weights) + 1)), weights)) == text


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
    assert conclusions.who_is_right(judgements) == text


def test_a_verdict_that_allows_much_says_so():
    text = conclusions.who_is_right({"a": judged("agrees"), "b": judged("agrees", allowed=0.05)})
    assert text.startswith("a and b return the gradient, as far as that can be told")
    assert "below 0.05 times the norm" in text


def test_what_allows_anything_is_no_verdict():
    vacuous, wrong = judged("agrees", allowed=0.2), judged("wrong", allowed=2.0)
    assert [conclusions.verdict_of(j) for j in (vacuous, wrong)] == ["undecided", "wrong"]
    text = conclusions.who_is_right({"a": vacuous, "b": wrong})
    assert "There is no verdict on a: at this matrix" in text
    assert "may change the answer by 0.2 times its norm" in text
    assert "b returns something that is not a valid answer." in text
    everything = conclusions.who_is_right(dict.fromkeys("abc", vacuous))
    assert everything.startswith("There is no verdict on any of them: ")


def test_convention_says_what_is_ambiguous():
    assert conclusions.convention(judged("agrees", convention="lower")) == "lower"
    alike = judged("agrees", convention="symmetric", also=("lower", "upper"))
    assert conclusions.convention(alike) == "symmetric, lower and upper alike"
    assert conclusions.convention(judged("wrong", convention="")) == "none of the three"


@pytest.mark.parametrize(
    ("verdict", "text"),
    [
        (
            verdict_at(REGULAR, [1, 0], **FOUR),
            "There is one gradient at this matrix, and every framework returns it. autograd and "
            "TensorFlow write a triangle.",
        ),
        (
            verdict_at(REGULAR, [1, 0], torch=same, jax=same),
            "There is one gradient at this matrix, and PyTorch and JAX return it.",
        ),
        (
            verdict_at(HERMITIAN, [1, 0], autograd=lower_conjugated),
            "There is one gradient at this matrix, and autograd returns it. autograd writes a "
            "triangle; autograd conjugates.",
        ),
        (
            verdict_at(np.eye(2), [1, 0], torch=np.diag([1, 0]), jax=lost),
            "There is no gradient at this matrix but a set of valid answers; PyTorch returns one "
            "of them, and JAX does not.",
        ),
        (
            verdict_at(REGULAR, [1, 0], torch=doubled, tensorflow="failed", jax=lost),
            "There is one gradient at this matrix, and no framework returns it.",
        ),
        (
            verdict_at(REGULAR, [1, 0], torch=doubled, tensorflow="not installed"),
            "There is one gradient at this matrix, and PyTorch does not return it.",
        ),
        (
            verdict_at(REGULAR, [1, 0], torch="not installed"),
            "There is one gradient at this matrix; there was no framework to ask.",
        ),
    ],
)
def test_headline(verdict, text):
    assert conclusions.headline(verdict) == text
    assert conclusions.summary(verdict).startswith(f"**{text}** {verdict.reason} In ")


def test_where_nothing_can_be_told_the_headline_says_so():
    verdict = verdict_at(NEAR, [1, 0, 0], rtol=0.0, **FOUR)
    text = conclusions.headline(verdict)
    assert text.startswith("In float64, no digit of the gradient at this matrix can be trusted: ")
    assert "no digit of an answer can be trusted" in conclusions.trust(verdict)
    summary = conclusions.summary(verdict)
    assert summary.count("trusted") == 2
    assert "λ₁ and λ₂, which f treats differently, are only 4.4e-16 apart" in summary
    assert "Count λ₁ and λ₂ as equal, with `-p rtol 4e-16`, or change the function: in " in summary
    assert "| 0 |" in conclusions.worth(verdict)


@pytest.mark.parametrize(
    ("verdict", "text"),
    [
        (
            verdict_at(HERMITIAN, [1, 0], torch=same, autograd=lower_conjugated, tensorflow=lower),
            "Replace G by (G + Gᴴ)/2, if it is from autograd or TensorFlow; conjugate G, if it is "
            "from autograd, before you compare or take a step.",
        ),
        (verdict_at(REGULAR, [1, 0], torch=same), "Use any of the answers that agree."),
        (verdict_at(REGULAR, [1, 0], torch="failed"), "Use the gradient from theory."),
        (
            verdict_at(REGULAR, [1, 0], torch=same, jax=lost),
            "Use the gradient from theory, not what JAX returns.",
        ),
        (
            verdict_at(np.eye(2), [1, 0], torch=np.diag([1, 0])),
            "Use the valid answer of smallest norm, which does not depend on a library.",
        ),
        (
            verdict_at(np.eye(2), [1, 0], torch=doubled, jax=lost),
            "Use the valid answer of smallest norm, which does not depend on a library, not what "
            "PyTorch and JAX return.",
        ),
    ],
)
def test_advice(verdict, text):
    assert conclusions.advice(verdict) == text
