"""What is said of the regimes of matrices that have them."""

import numpy as np
import pytest
from judging import verdict_at

from spectralgrad.book import regimes

EPS10, PAIRS = 1 + 1e-10, np.repeat(np.arange(4.0), 2)


#: Problem, values, weights, and some of what is said.
REGIMES = [
    (
        *("eigh", [1, 2, 4], [1, 0, 0]),
        "**regular**: the closest eigenvalues, λ₁ and λ₂, are 1 apart, 0.25 times the largest "
        "modulus (near begins at 1.5e-08).",
    ),
    (
        *("svd", [4, 2, 1], [1, 0, 0]),
        "σ₂ and σ₃, are 1 apart, 0.25 times the largest modulus; the smallest is 0.25 times the",
    ),
    ("svd", [4], [1], "**regular**: there is one singular value only."),
    ("eigh", [0], [1], "**regular**: the only value is zero."),
    (
        *("eigh", [1, 1, 2], [1, 0, 0]),
        "**tie**: λ₁ and λ₂ are equal, to within 1.1e-14. f gives them different weights, and has "
        "no gradient.",
    ),
    (
        *("eigh", [1, 1, 2, 2], [1, 1, 0, 1]),
        "λ₁ and λ₂ are equal, so are λ₃ and λ₄, to within 1.4e-14. f gives some of them different",
    ),
    ("eigh", [1, 1, 2], [3, 3, 0], "f gives equal ones the same weight, and loses nothing here."),
    (
        *("eigh", PAIRS, np.ones(8)),
        "λ₁ and λ₂ are equal, so are λ₃ and λ₄, so are 2 more groups, to within",
    ),
    ("eigh", [0, 0], [1, 1], "λ₁ and λ₂ are equal, exactly."),
    (
        *("eigh", [1, EPS10, 4], [1, 0, 0]),
        "**near-tie**: λ₁ and λ₂ are not equal, but only 1.0e-10 apart, 2.5e-11 times the "
        "largest. The gradient of f turns within steps of that size, and predicts smaller steps "
        "only. If the entries of your matrix are no better known than that, count the two as "
        "equal, with a larger `rtol`.",
    ),
    ("eigh", [1, EPS10, 4], [1, 1, 0], "f gives both the same weight, and loses nothing here."),
    # Two other values are closer, but have equal weights.
    (
        *("eigh", [1, EPS10, 2, 2 + 1e-9], [1, 1, 1, 0]),
        "**near-tie**: λ₃ and λ₄ are not equal, but only 1.0e-09 apart",
    ),
    (
        *("eigh", [1, 1, 2, 2 + 1e-9], [1, 0, 1, 0]),
        "The valid answers turn within steps of that size, and predict smaller steps only.",
    ),
    (
        *("svd", [1, 0], [1, 1]),
        "**rank-deficient**: 1 of 2 singular values is zero, to within 2.5e-14. f depends on it, "
        "and has no gradient.",
    ),
    (
        *("svd", [2, 0, 0], [1, 0, 0]),
        "2 of 3 singular values are zero, to within 5.4e-14. f does not depend on them.",
    ),
    ("svd", [0, 0], [1, 1], "2 of 2 singular values are zero, exactly. f depends on them, and"),
    (
        *("svd", [2, 1e-9], [1, 1]),
        "**nearly rank-deficient**: σ₂ is not zero, but only 1.0e-09, 5.0e-10 times the largest. "
        "The gradient of f turns within steps of that size, and predicts smaller steps only. If "
        "the entries of your matrix are no better known than that, count it as zero, with a",
    ),
    ("svd", [2, 1e-9], [1, 0], "times the largest. f does not depend on it."),
    ("svd", [2, 1e-9, 1e-9], [1, 1, 1], "σ₂ and σ₃ are not zero, but only 1.0e-09"),
    # The smallest has no weight, but another small one has.
    ("svd", [2, 2e-9, 1e-9], [1, 1, 0], "σ₂ is not zero, but only 2.0e-09"),
    (
        *("eigh", [1e-6, 2e-6], [1, 0]),
        "**extreme scale**: the largest eigenvalue is 2.0e-06 in modulus. f does not mind",
    ),
]


@pytest.mark.parametrize(("problem", "values", "weights", "words"), REGIMES)
def test_regime(problem, values, weights, words):
    verdict = verdict_at(np.diag(np.array(values, dtype=float)), weights, problem)
    text = regimes.why(verdict)
    assert words in text
    assert [line.split("**")[1] for line in text.splitlines()] == list(verdict.regimes)


def test_regime_knows_the_precision():
    matrix = np.diag([1, 1.0001, 2])
    assert "**regular**" in regimes.why(verdict_at(matrix, [1, 0, 0]))
    single = verdict_at(matrix.astype(np.float32), [1, 0, 0])
    assert "**near-tie**" in regimes.why(single)
