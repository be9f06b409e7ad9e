import numpy as np
import pytest

from spectralgrad.theory import subgradient
from spectralgrad.verdict import reasons


@pytest.mark.parametrize(
    ("values", "weights", "differentiable", "reason"),
    [
        ([3, 2, 1], [1, 1, 1], True, "no two singular values are equal and none is zero"),
        ([2, 2, 1], [1, 1, 5], True, "f treats equal singular values alike and none is zero"),
        (
            [2, 1, 0],
            [1, 1, 0],
            True,
            "no two singular values are equal and f does not depend on what is zero",
        ),
        ([2], [1], True, "there is one singular value only and it is not zero"),
        ([0], [0], True, "there is one singular value only and f does not depend on what is zero"),
        (
            [2, 2, 1],
            [1, 2, 1],
            False,
            "σ₁ and σ₂ are equal, and f treats them differently",
        ),
        ([2, 1, 1], [1, 1, 2], False, "σ₂ and σ₃ are equal, and f treats them differently"),
        ([2, 1, 0], [1, 1, 1], False, "σ₃ is zero, and f depends on it"),
        (
            [0, 0, 0],
            [1, 0, 0],
            False,
            "tolerance of 2.7e-14, σ₁ to σ₃ are zero, and f depends on them",
        ),
    ],
)
def test_reason(values, weights, differentiable, reason):
    valid = subgradient.svdvals(np.diag(np.array(values, float)), weights)
    assert valid.differentiable == differentiable
    assert reason in reasons.reason(valid)
    assert reasons.reason(valid).startswith(
        "f is differentiable" if differentiable else "f is not differentiable"
    )


@pytest.mark.parametrize(
    ("values", "weights", "reason"),
    [
        ([1, 2], [1, 2], "no two eigenvalues are equal"),
        ([0, 2], [1, 2], "no two eigenvalues are equal"),
        ([2, 2], [3, 3], "f treats equal eigenvalues alike"),
        ([2], [1], "there is one eigenvalue only"),
    ],
)
def test_reason_of_eigenvalues(values, weights, reason):
    """Where zero is a value like any other."""
    valid = subgradient.eigvalsh(np.diag(np.array(values, float)), weights, rtol=1e-9)
    start = "f is differentiable at this matrix: to a relative tolerance of 1.0e-09, "
    assert reasons.reason(valid) == f"{start}{reason}."


@pytest.mark.parametrize(("ties", "named"), [(3, 3), (4, 2), (6, 2)])
def test_reason_stays_one_sentence_with_many_ties(ties, named):
    values, weights = np.repeat(np.arange(float(ties)), 2), np.arange(2.0 * ties)
    valid = subgradient.eigvalsh(np.diag(values), weights, rtol=1e-9)
    pairs = ["λ₁ and λ₂", "λ₃ and λ₄", "λ₅ and λ₆"][:named]
    causes = [f"{pair} are equal, and f treats them differently" for pair in pairs]
    if named < ties:
        causes.append(f"the same holds for {ties - named} further clusters")
    start = "f is not differentiable at this matrix: to a relative tolerance of 1.0e-09, "
    assert reasons.reason(valid) == f"{start}{'; '.join(causes)}."


def test_an_eigenvalue_near_zero_is_nothing_special_and_a_singular_value_is():
    matrix = np.diag([1e-12, 1.0])
    eigen, singular = subgradient.eigvalsh(matrix, [1, 0]), subgradient.svdvals(matrix, [1, 0])
    assert reasons.regimes(eigen, near=1e-8) == ("regular",)
    assert reasons.regimes(singular, near=1e-8) == ("nearly rank-deficient",)
