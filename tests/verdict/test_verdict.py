import functools
import itertools
from fractions import Fraction

import hard
import numpy as np
import pytest
from drawing import random_matrix, unitary

from spectralgrad.matrices import published
from spectralgrad.theory import eigen, gauge, subgradient, symmetric
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
    for _ in range(400):
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
    u0, v0 = valid.left[:, 2:], valid.right[:, 2:]
    w = u0 @ unitary(rng, 3, is_complex=False) @ v0.T
    assert judge(valid.minimum_norm + w, valid).verdict == "subgradient"
    assert judge(valid.minimum_norm + 1.001 * w, valid).verdict == "wrong"


def test_single_precision_is_judged_as_such():
    matrix = RANK_2.astype(np.float32)
    gradient = subgradient.svdvals(matrix, np.ones(5)).minimum_norm.astype(np.float32)
    assert judge(gradient, subgradient.svdvals(matrix, np.ones(5))).verdict == "subgradient"
    assert judge(gradient, subgradient.svdvals(RANK_2, np.ones(5))).verdict == "wrong"


# Ties that are exact, in matrices whose entries are rounded, or whole numbers.


def with_a_tie(rng, k, *, singular):
    """Values of random sizes, some of them equal; of singular values, sometimes zero."""
    values = rng.uniform(0.05, 1, k) * rng.choice([1.0, 1e6, 1e-6])
    if rng.random() < 0.3:
        values *= np.geomspace(1, 1e-3, k)
    if not singular:
        values *= rng.choice([-1, 1], k)
    values[rng.permutation(k)[: rng.integers(2, k + 1)]] = values[0]
    if singular and rng.random() < 0.5:
        values[rng.permutation(k)[: rng.integers(1, k)]] = 0.0
    return np.sort(values)[::-1] if singular else np.sort(values)


def assert_none_is_split(values, valid):
    """Others may be merged: in single precision, some random values are as close as that."""
    starts = [c.start for c in valid.clusters[1:]]
    assert all(values[i] != values[i - 1] for i in starts)


def answer_of_numpy(matrix, weights, *, singular):
    """In the precision of the matrix, from whatever basis it finds."""
    weights = weights.astype(matrix.real.dtype)
    if singular:
        u, _, vh = np.linalg.svd(matrix, full_matrices=False)
        return (u * weights) @ vh
    _, vectors = np.linalg.eigh(matrix)
    return (vectors * weights) @ vectors.conj().T


@pytest.mark.parametrize("dtype", hard.DTYPES)
def test_an_exact_tie_of_eigenvalues_is_seen(dtype, rng):
    """With max(m, n) · eps for the tolerance, one in sixty of these was missed, or more."""
    for _ in range(100):
        n = int(rng.integers(2, 21) if rng.random() < 0.5 else rng.integers(2, 5))
        values, weights = with_a_tie(rng, n, singular=False), rng.standard_normal(n)
        matrix = hard.hermitian("", n, dtype, rng, spectrum=values).matrix
        valid = subgradient.eigvalsh(matrix, weights)
        assert_none_is_split(values, valid)
        judgement = judge(answer_of_numpy(matrix, weights, singular=False), valid)
        assert (judgement.verdict, judgement.decided) == ("subgradient", True)
        index = next(i for i in range(n) if np.count_nonzero(values == values[i]) > 1)
        with pytest.raises(gauge.GaugeError):
            eigen.eigenvalue_gradient(matrix, index)


@pytest.mark.parametrize("dtype", hard.DTYPES)
def test_an_exact_tie_of_singular_values_is_seen_and_so_is_a_zero(dtype, rng):
    for _ in range(60):
        m, n = (int(x) for x in rng.integers(2, 16, 2))
        values, weights = (
            with_a_tie(rng, min(m, n), singular=True),
            rng.standard_normal(min(m, n)),
        )
        matrix = hard.general("", m, n, dtype, rng, spectrum=values).matrix
        valid = subgradient.svdvals(matrix, weights)
        assert valid.rank == np.count_nonzero(values)
        assert_none_is_split(values, valid)
        judgement = judge(answer_of_numpy(matrix, weights, singular=True), valid)
        assert (judgement.verdict, judgement.decided) == ("subgradient", True)


@functools.cache
def rank_of(hankel):
    """Exact, for fractions."""
    rows, rank = [list(map(Fraction, row)) for row in hankel], 0
    for column in range(len(rows)):
        pivot = next((row for row in rows[rank:] if row[column]), None)
        if pivot is None:
            continue
        rows.remove(pivot)
        rows.insert(rank, pivot)
        rank += 1
        for row in rows[rank:]:
            factor = row[column] / pivot[column]
            row[:] = [x - factor * y for x, y in zip(row, pivot, strict=True)]
    return rank


def number_of_eigenvalues(matrix):
    """Distinct ones: the rank of the Hankel matrix of the traces of powers (Hermite)."""
    n, power, traces = len(matrix), np.eye(len(matrix), dtype=int), []
    for _ in range(2 * n - 1):
        traces.append(int(np.trace(power)))
        power = power @ matrix
    return rank_of(tuple(tuple(traces[i : i + n]) for i in range(n)))


@pytest.mark.parametrize("n", [2, 3, 4, 5])
def test_ties_of_all_graphs_are_seen(n, rng):
    """Adjacency and Laplacian matrices, against whole numbers; the pentagon is among them."""
    pairs, weights = list(itertools.combinations(range(n), 2)), rng.standard_normal(n)
    for edges in itertools.product([0, 1], repeat=len(pairs)):
        adjacency = np.zeros((n, n), int)
        for (i, j), there in zip(pairs, edges, strict=True):
            adjacency[i, j] = adjacency[j, i] = there
        for matrix in (adjacency, np.diag(adjacency.sum(axis=0)) - adjacency):
            valid = subgradient.eigvalsh(matrix, weights)
            assert len(valid.clusters) == number_of_eigenvalues(matrix)
