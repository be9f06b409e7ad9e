import numpy as np
import pytest
from drawing import random_matrix, unitary

from spectralgrad import published, singular, subgradient, symmetric
from spectralgrad.verdict import judge

STACK_OVERFLOW = published.MATRICES["stack-overflow"]
RANK_2 = published.MATRICES["blog-rank-2"]


@pytest.mark.parametrize(
    ("framework", "convention"),
    [("numpy", "symmetric"), ("torch", "upper"), ("tensorflow", "lower")],
)
def test_the_printed_conventions_are_recognised(framework, convention):
    p = published.find("stack-overflow", "gradient of the smallest eigenvalue")[framework]
    valid = subgradient.eigvalsh(STACK_OVERFLOW, [1, 0, 0, 0])
    judgement = judge(p.values, valid, tolerance=p.rounding)
    assert (judgement.verdict, judgement.convention, judgement.also) == ("agrees", convention, ())


@pytest.mark.parametrize("framework", ["autograd", "tensorflow"])
def test_the_printed_answers_of_the_blog_are_valid(framework):
    p = published.find("blog-rank-2", "gradient of the nuclear norm")[framework]
    valid = subgradient.svdvals(RANK_2, np.ones(5))
    assert judge(p.values, valid, tolerance=p.rounding).verdict == "subgradient"


def test_another_number_in_a_printed_answer_is_wrong():
    p = published.find("blog-rank-2", "gradient of the nuclear norm")["autograd"]
    spoilt = p.values.copy()
    spoilt[2, 3] += 0.01
    valid = subgradient.svdvals(RANK_2, np.ones(5))
    judgement = judge(spoilt, valid, tolerance=p.rounding)
    assert judgement.verdict == "wrong"
    assert 1e-3 < judgement.relative_error < 0.01


@pytest.mark.parametrize("convention", symmetric.CONVENTIONS)
@pytest.mark.parametrize("conjugated", [False, True])
def test_convention_and_conjugation(convention, conjugated, rng):
    matrix = symmetric.hermitian_part(random_matrix(rng, 4, 4, is_complex=True))
    valid = subgradient.eigvalsh(matrix, [0, 1, 0, 0])
    gradient = symmetric.convert(valid.minimum_norm, convention)
    judgement = judge(gradient.conj() if conjugated else gradient, valid)
    assert judgement.verdict == "agrees"
    assert (judgement.convention, judgement.conjugated) == (convention, conjugated)


def test_doubled_on_both_sides_is_wrong():
    valid = subgradient.eigvalsh(STACK_OVERFLOW, [1, 0, 0, 0])
    doubled = 2 * valid.minimum_norm - np.diag(np.diag(valid.minimum_norm))
    assert judge(doubled, valid).verdict == "wrong"


def test_neither_hermitian_nor_triangular_is_wrong():
    valid = subgradient.eigvalsh(STACK_OVERFLOW, [1, 0, 0, 0])
    skewed = valid.minimum_norm + np.array([[0, 1, 0, 0], [-1, 0, 0, 0], [0] * 4, [0] * 4])
    judgement = judge(skewed, valid)
    assert (judgement.verdict, judgement.convention) == ("wrong", "")
    assert judgement.relative_error > 0.1


def test_a_diagonal_gradient_fits_every_convention():
    valid = subgradient.eigvalsh(np.diag([1.0, 2.0]), [1, 0])
    judgement = judge(np.diag([1.0, 0.0]), valid)
    assert judgement.also == ("lower", "upper")


def test_another_shape_is_refused():
    valid = subgradient.svdvals(np.eye(2), [1, 1])
    for gradient in (1.0, [[1.0]], np.ones((2, 3))):
        with pytest.raises(ValueError, match="shape"):
            judge(gradient, valid)


def test_where_both_readings_are_valid_none_is_called_conjugated(rng):
    """The tied eigenvectors are real, so that both are; which error is smaller is chance."""
    nearer = 0
    for _ in range(2000):
        q, block = unitary(rng, 4, is_complex=False), np.diag([1.0, 1, 0, 0]).astype(complex)
        u = unitary(rng, 2, is_complex=True)
        block[2:, 2:] = (u * [3.0, 5.0]) @ u.conj().T
        matrix = symmetric.hermitian_part(q @ block @ q.T)
        valid = subgradient.eigvalsh(matrix, [1, 0, 0, 0], rtol=1e-14)
        v = q[:, :2] @ random_matrix(rng, 2, 1, is_complex=True)[:, 0]
        v /= np.linalg.norm(v)
        gradient = np.outer(v, v.conj())
        judgement = judge(gradient, valid)
        assert (judgement.verdict, judgement.conjugated) == ("subgradient", False)
        plain, conjugate = (valid.contains(g).excess for g in (gradient, gradient.conj()))
        nearer += conjugate < plain / 2
    assert nearer, "no case in which the other reading had the smaller error"


def test_what_is_wrong_either_way_is_not_called_conjugated(rng):
    matrix = symmetric.hermitian_part(random_matrix(rng, 3, 3, is_complex=True))
    valid = subgradient.eigvalsh(matrix, [1, 0, 0])
    right = valid.minimum_norm
    gradient = 0.1 * right.conj() + 5 * np.eye(3)
    assert np.linalg.norm(gradient.conj() - right) < np.linalg.norm(gradient - right)
    judgement = judge(gradient, valid)
    assert (judgement.verdict, judgement.conjugated) == ("wrong", False)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_not_finite(bad):
    valid = subgradient.svdvals(np.eye(2), [1, 1])
    judgement = judge(np.diag([1.0, bad]), valid)
    assert (judgement.verdict, judgement.relative_error) == ("not finite", np.inf)


def test_the_answer_zero_is_measured_absolutely():
    valid = subgradient.svdvals(np.zeros((2, 2)), [1, 1])
    assert judge(np.eye(2), valid).verdict == "subgradient"
    judgement = judge(3 * np.eye(2), valid)
    assert judgement.verdict == "wrong"
    assert judgement.relative_error == pytest.approx(np.linalg.norm(2 * np.eye(2)))


def test_any_orthogonal_null_part_is_valid_and_a_longer_one_is_not(rng):
    valid = subgradient.svdvals(RANK_2, np.ones(5))
    split = singular.rank_split(RANK_2)
    w = split.u0 @ unitary(rng, 3, is_complex=False) @ split.v0.T
    assert judge(split.regular_part + w, valid).verdict == "subgradient"
    assert judge(split.regular_part + 1.001 * w, valid).verdict == "wrong"


def test_single_precision_is_judged_as_such():
    matrix = RANK_2.astype(np.float32)
    gradient = subgradient.svdvals(matrix, np.ones(5)).minimum_norm.astype(np.float32)
    assert judge(gradient, subgradient.svdvals(matrix, np.ones(5))).verdict == "subgradient"
    assert judge(gradient, subgradient.svdvals(RANK_2, np.ones(5))).verdict == "wrong"
