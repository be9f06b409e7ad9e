"""The chapter's theorem on slopes, and what it says to do, on matrices in general position."""

import autograd
import autograd.numpy as anp
import hard
import numpy as np
import pytest
import scipy.linalg

from spectralgrad.theory import subgradient, symmetric

SPECTRA = ("regular", "tied", "graded", "large", "small", "flat", "zeros")
everywhere = pytest.mark.parametrize("problem", ["eigh", "svd"])
of_all_sizes = pytest.mark.parametrize("n", hard.SIZES)


def case(problem, kind, n, dtype, rng):
    """A matrix with its factors, and weights that differ within every cluster.

    "flat": all values are equal. "zeros": of three neighbours each, and the smallest are zero.
    """
    spectrum = np.full(n, 0.7) if kind == "flat" else None
    if kind == "zeros":
        spectrum = np.arange(n) // 3 / n
    if problem == "eigh":
        h = hard.hermitian(kind, n, dtype, rng, spectrum)
    else:
        spectrum = None if spectrum is None else spectrum[::-1]
        h = hard.general(kind, n + 2, n, dtype, rng, spectrum)
    return h, rng.standard_normal(n)


def direction(rng, problem, matrix):
    e = rng.standard_normal(matrix.shape)
    e = e + 1j * rng.standard_normal(matrix.shape) if np.iscomplexobj(matrix) else e
    e = symmetric.hermitian_part(e) if problem == "eigh" else e
    return e / np.linalg.norm(e, 2)


def valid_at(problem, matrix, w, **options):
    of = subgradient.eigvalsh if problem == "eigh" else subgradient.svdvals
    return of(matrix, w, **options)


def orthogonal_complement(columns):
    return np.linalg.qr(columns, mode="complete")[0][:, columns.shape[1] :]


def by_theorem(problem, h, w, e):
    """The slope, by the theorem and the factors: equal values are equal numbers here."""
    total = 0.0
    for c in np.split(np.arange(len(w)), np.flatnonzero(np.diff(h.values)) + 1):
        if problem == "svd" and h.values[c[0]] == 0:
            u0, v0 = (orthogonal_complement(x[:, : c[0]]) for x in (h.left, h.right))
            moves = np.linalg.svd(u0.conj().T @ e @ v0, compute_uv=False)
        else:
            block = h.left[:, c].conj().T @ e @ h.right[:, c]
            moves = np.linalg.eigvalsh((block + block.conj().T) / 2)
            moves = moves if problem == "eigh" else moves[::-1]
        total += w[c] @ moves
    return total


def f(problem, w, matrix):
    values = np.linalg.eigvalsh(matrix) if problem == "eigh" else scipy.linalg.svdvals(matrix)
    return w @ values


def quotient(problem, h, w, e, step):
    """One-sided, extrapolated once; in double precision."""
    exact = (h.left * h.values) @ h.right.conj().T
    exact = symmetric.hermitian_part(exact) if problem == "eigh" else exact
    at = [w @ h.values, *(f(problem, w, exact + t * e) for t in (step, step / 2))]
    coarse, fine = (at[1] - at[0]) / step, (at[2] - at[0]) / (step / 2)
    return 2 * fine - coarse


@everywhere
@of_all_sizes
@pytest.mark.parametrize("kind", ["tied", "flat", "zeros"])
@pytest.mark.parametrize("dtype", hard.DTYPES)
def test_the_slopes_of_a_cluster_are_in_the_order_of_the_values(problem, kind, n, dtype, rng):
    """With the eigenvalues of a block in ascending order throughout, those of σ are wrong."""
    h, w = case(problem, kind, n, dtype, rng)
    e = direction(rng, problem, h.matrix)
    slope = by_theorem(problem, h, w, e)
    if dtype in (np.float64, np.complex128):
        assert slope == pytest.approx(quotient(problem, h, w, e, 1e-3 / n**2), abs=1e-3)
        assert abs(slope) > 1e-2
    valid = valid_at(problem, h.matrix, w)
    rounding = 4 * valid.tolerance * np.linalg.norm(e)
    assert valid.directional_derivative(e) == pytest.approx(slope, abs=rounding)


@pytest.mark.parametrize("sign", [1, -1])
def test_the_example_of_the_order(sign):
    e = sign * np.diag([1.0, -1.0])
    for w, slope in (([1, 0], 1), ([0, 1], -1)):
        assert subgradient.svdvals(np.eye(2), w).directional_derivative(e) == slope
        assert subgradient.eigvalsh(np.eye(2), w).directional_derivative(e) == -slope


@everywhere
@of_all_sizes
@pytest.mark.parametrize("kind", SPECTRA)
def test_f_falls_against_the_smallest_answer_and_if_convex_nowhere_faster(problem, kind, n, rng):
    h, w = case(problem, kind, n, np.float64, rng)
    w = np.sort(w) if problem == "eigh" else np.sort(np.abs(w))[::-1]
    valid = valid_at(problem, h.matrix, w)
    smallest = valid.minimum_norm
    size = np.linalg.norm(smallest)
    scale, step = h.values.max() or 1.0, 1e-6 / n**2
    fall = f(problem, w, h.matrix - step * scale * smallest) - f(problem, w, h.matrix)
    assert fall / (step * scale) == pytest.approx(-(size**2), rel=1e-3, abs=1e-3)
    points = [valid.extreme_point(direction(rng, problem, h.matrix)) for _ in range(3)]
    for x in [*points, direction(rng, problem, h.matrix)]:
        slope = valid.directional_derivative(-x / np.linalg.norm(x))
        assert slope >= -size - 10 * valid.tolerance


@everywhere
@of_all_sizes
def test_beside_a_tie_the_gradient_holds_for_steps_below_the_gap(problem, n, rng):
    """Beyond it the valid answer that counts the two as equal does, and the gradient does not."""
    h, _ = case(problem, "regular", n, np.float64, rng)
    a, b = (0, 1) if problem == "eigh" else (-1, -2)
    gap = 1e-6 * h.values.max()
    h.values[b] = h.values[a] + gap
    w = np.zeros(n)
    w[b] = 1  # the larger of the two
    matrix = symmetric.hermitian_part((h.left * h.values) @ h.right.conj().T) if a == 0 else None
    matrix = (h.left * h.values) @ h.right.conj().T if matrix is None else matrix
    gradient = valid_at(problem, matrix, w).minimum_norm
    joined = valid_at(problem, matrix, w, rtol=1e-4).minimum_norm

    def fall(x, t):
        return (f(problem, w, matrix) - f(problem, w, matrix - t * x)) / (t * np.vdot(x, x).real)

    assert fall(gradient, gap / 10) == pytest.approx(1, rel=1e-3)
    assert fall(gradient, 100 * gap) < 0.1
    assert fall(joined, 100 * gap) == pytest.approx(1, abs=0.1)


def weighted(problem, matrix, w):
    """Σ wᵢ vᵢvᵢᵀ or Σ wᵢ uᵢvᵢᵀ, with vectors found in the precision of the matrix."""
    if problem == "eigh":
        left = scipy.linalg.eigh(matrix)[1]
        right = left.T
    else:
        left, _, right = scipy.linalg.svd(matrix, full_matrices=False)
    return (left * w.astype(matrix.dtype)) @ right


@everywhere
@of_all_sizes
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_with_equal_weights_nothing_is_lost_at_a_near_tie(problem, n, dtype, rng):
    h, w = case(problem, "nearly tied", n, dtype, rng)
    first, second = (0, 1) if problem == "eigh" else (-1, -2)
    unit = n**1.5 * np.finfo(dtype).eps
    w[first] = w[second]
    assert np.linalg.norm(weighted(problem, h.matrix, w) - (h.left * w) @ h.right.T) < 60 * unit
    w[first] += 1
    if dtype == np.float64:
        off = weighted(problem, h.matrix, w) - (h.left * w) @ h.right.T
        assert np.linalg.norm(off) > 1e6 * unit


@everywhere
@of_all_sizes
def test_a_small_random_matrix_selects_an_extreme_point(problem, n, rng):
    h, w = case(problem, "zeros", n, np.float64, rng)
    valid = valid_at(problem, h.matrix, w)
    found = []
    for _ in range(2):
        moved = h.matrix + 1e-9 * direction(rng, problem, h.matrix)
        found.append(valid_at(problem, moved, w).minimum_norm)
        member = valid.contains(found[-1], tolerance=1e-5)
        assert (member.inside, member.extreme) == (True, True)
    assert np.linalg.norm(found[0] - found[1]) > 0.1


@pytest.mark.parametrize("n", [3, 5, 20])
def test_max_divides_evenly_among_values_that_are_equal_to_the_last_bit(n, rng):
    """So that it is the smallest answer, an extreme one or neither, as rounding has it."""
    largest = autograd.grad(lambda a: anp.max(anp.linalg.eigh(a)[0]))
    kinds = set()
    for matrix in [np.eye(n), *(case("eigh", "flat", n, float, rng)[0].matrix for _ in range(20))]:
        values, vectors = np.linalg.eigh(matrix)
        top = values == values[-1]
        kinds.add(int(top.sum()))
        expected = (vectors * (top / top.sum())) @ vectors.T
        assert symmetric.hermitian_part(largest(matrix)) == pytest.approx(expected, abs=1e-14)
    assert {1, n} <= kinds


@of_all_sizes
def test_another_function_of_the_values_has_kinks_of_its_own(n, rng):
    """Σ max(σ − 1, 0) where σₙ = 1, which is neither tied nor zero."""
    spectrum = np.append(np.linspace(3, 2, n - 1), 1.0)
    h = hard.general("regular", n, n, np.float64, rng, spectrum)
    assert valid_at("svd", h.matrix, np.ones(n)).differentiable
    e, t = np.outer(h.left[:, -1], h.right[:, -1]), 1e-6
    at = [np.maximum(scipy.linalg.svdvals(h.matrix + s * e) - 1, 0).sum() for s in (t, 0, -t)]
    assert (at[0] + at[2] - 2 * at[1]) / t == pytest.approx(1, abs=1e-6)
