import itertools
from collections import Counter

import numpy as np
import pytest
from drawing import random_matrix, seeds, unitary
from hypothesis import given
from hypothesis import strategies as st

from spectralgrad.theory import gauge, symmetric

cluster_sizes = st.lists(st.integers(1, 6), min_size=1, max_size=3)


def numbered(sizes):
    return np.repeat(np.arange(len(sizes)), sizes)


def rounds_for(size):
    """As the docstring of `mixtures` says; a single vector has no partner."""
    return 0 if size == 1 else size - 1 + size % 2


@given(cluster_sizes, st.booleans())
def test_mixtures_are_as_many_as_documented_and_unitary(sizes, is_complex):
    rotations = list(gauge.mixtures(numbered(sizes), is_complex=is_complex))
    assert len(rotations) == (1 + is_complex) * max(map(rounds_for, sizes))
    for rotation in rotations:
        assert rotation.conj().T @ rotation == pytest.approx(np.eye(sum(sizes)))
        assert np.iscomplexobj(rotation) == is_complex


@given(cluster_sizes, st.booleans())
def test_mixtures_mix_each_pair_of_a_cluster_once_for_each_phase(sizes, is_complex):
    labels = numbered(sizes)
    mixed = []
    for rotation in gauge.mixtures(labels, is_complex=is_complex):
        for i, j in itertools.combinations(range(len(labels)), 2):
            if rotation[j, i] != 0:
                # ±1 or ±i, whose signs are those of the columns, in their order.
                phase = rotation[j, i] / rotation[i, i]
                mixed.append((i, j, round((phase**2).real)))
                assert np.abs(rotation[[i, j], [i, j]]) == pytest.approx(np.sqrt([0.5, 0.5]))
    pairs = [
        (i, j) for i, j in itertools.combinations(range(len(labels)), 2) if labels[i] == labels[j]
    ]
    squares = [1, -1] if is_complex else [1]
    assert Counter(mixed) == Counter((*p, f) for p in pairs for f in squares)


@pytest.mark.parametrize("is_complex", [False, True])
@pytest.mark.parametrize("size", range(1, 7))
def test_the_diagonals_in_mixtures_determine_a_hermitian_block(size, is_complex):
    labels = np.zeros(size, int)
    rotations = [np.eye(size), *gauge.mixtures(labels, is_complex=is_complex)]
    hermitian = []
    for i, j in itertools.product(range(size), repeat=2):
        unit = np.zeros((size, size), complex)
        unit[i, j] = 1 if i >= j else 1j
        if i >= j or is_complex:
            hermitian.append(symmetric.hermitian_part(unit))
    seen = [
        np.concatenate([np.diagonal(q.conj().T @ m @ q).real for q in rotations]) for m in hermitian
    ]
    assert np.linalg.matrix_rank(np.array(seen)) == len(hermitian)
    # One rotation fewer does not.
    fewer = np.array(seen)[:, : -size or None]
    assert size == 1 or np.linalg.matrix_rank(fewer) < len(hermitian)


@pytest.mark.parametrize("is_complex", [False, True])
def test_vectors_with_negative_labels_are_not_mixed(is_complex):
    labels = np.array([0, 0, 1, 1, 1, -1, -1])
    mixtures = list(gauge.mixtures(labels, is_complex=is_complex))
    for rotation in [*mixtures, *gauge.trials(labels, is_complex=is_complex)]:
        assert rotation.conj().T @ rotation == pytest.approx(np.eye(7))
        assert np.array_equal(np.abs(rotation[5:]), np.eye(7)[5:])
        assert not rotation[2:5, :2].any()
        assert not rotation[:2, 2:5].any()
    assert all(np.array_equal(q[5:], np.eye(7)[5:]) for q in mixtures)


def test_negative_labels_alone_have_no_mixtures():
    assert list(gauge.mixtures([-1, -1, -1], is_complex=True)) == []


def test_a_stack_mixes_each_of_its_matrices_as_if_alone():
    labels = np.array([[0, 0, 0], [0, 1, 1], [0, 1, 2]])
    stacked = list(gauge.mixtures(labels, is_complex=False))
    assert len(stacked) == 3
    for place, row in enumerate(labels):
        alone = list(gauge.mixtures(row, is_complex=False))
        for step, rotation in enumerate(stacked):
            expected = alone[step] if step < len(alone) else np.eye(3)
            assert np.array_equal(rotation[place], expected)


@given(seeds, st.integers(1, 5), st.booleans())
def test_a_drawn_matrix_is_unitary(seed, size, is_complex):
    q = gauge.unitary(size, np.random.default_rng(seed), is_complex=is_complex)
    assert q.conj().T @ q == pytest.approx(np.eye(size))
    assert np.iscomplexobj(q) == is_complex


@pytest.mark.parametrize("is_complex", [False, True])
@pytest.mark.parametrize("size", [1, 2, 3])
def test_a_drawn_matrix_is_uniform(size, is_complex, rng):
    """The mean is 0 and that of |qᵢⱼ|² is 1/n; without the signs of r, q₁₁ has one sign only."""
    drawn = np.array([gauge.unitary(size, rng, is_complex=is_complex) for _ in range(4000)])
    assert np.abs(drawn.mean(axis=0)).max() < 0.07
    assert (np.abs(drawn) ** 2).mean(axis=0) == pytest.approx(
        np.full((size, size), 1 / size), abs=0.03
    )
    # The second moment without the conjugate is 0 for a uniform phase.
    assert np.abs((drawn**2).mean(axis=0) - (0 if is_complex else 1 / size)).max() < 0.07


@pytest.mark.parametrize("k", range(1, 10))
def test_trials_show_each_sign_and_each_product_of_two(k):
    tried = list(gauge.trials(np.arange(k), is_complex=False))
    assert len(tried) == np.ceil(np.log2(k + 1))
    assert all(np.array_equal(np.abs(q), np.eye(k)) for q in tried)
    signs = np.array([np.diagonal(q) for q in tried])
    assert (signs == -1).any(axis=0).all()
    for i, j in itertools.combinations(range(k), 2):
        assert (signs[:, i] != signs[:, j]).any()


@given(seeds, st.booleans())
def test_turns_do_not_see_a_derivative_that_is_no_turn(seed, is_complex):
    """Re⟨C, dB⟩ = Re⟨skew(CBᴴ), Ω⟩ for every turn dB = ΩB."""
    rng = np.random.default_rng(seed)
    basis = unitary(rng, 4, is_complex=is_complex)[:, :3]
    cotangent = random_matrix(rng, 4, 3, is_complex=is_complex)
    omega = symmetric.skew_part(random_matrix(rng, 4, 4, is_complex=is_complex))
    whole = gauge.turns(np.eye(4), basis, cotangent)
    assert whole == pytest.approx(symmetric.skew_part(cotangent @ basis.conj().T))
    expected = np.vdot(cotangent, omega @ basis).real
    assert np.vdot(whole, omega).real == pytest.approx(expected)


@pytest.mark.parametrize("is_complex", [False, True])
def test_turns_of_an_invariant_loss_are_the_same_in_every_basis(is_complex, rng):
    """The cotangent 2CVV₁₁… of tr(C VVᴴ), and not that of a loss on one entry."""
    v, q = (unitary(rng, n, is_complex=is_complex) for n in (5, 3))
    v, c = v[:, :3], symmetric.hermitian_part(random_matrix(rng, 5, 5, is_complex=is_complex))
    first, second = (gauge.turns(np.eye(5), b, 2 * c @ b) for b in (v, v @ q))
    assert second == pytest.approx(first)
    entry = np.zeros((5, 3))
    entry[0, 0] = 1.0
    first, second = (gauge.turns(np.eye(5), b, entry) for b in (v, v @ q))
    assert np.abs(second - first).max() > 0.01


def test_require_names_the_worst_pair_of_the_worst_matrix():
    excess = np.zeros((2, 3, 3))
    excess[0, 0, 1], excess[1, 2, 1] = 0.25, 0.5
    with pytest.raises(gauge.GaugeError) as caught:
        gauge.require(excess, [0.125, 0.0625], "σ", "too much")
    assert (caught.value.pair, caught.value.excess, caught.value.allowed) == ((2, 1), 0.5, 0.0625)
    message = "matrix [1] of the stack: σ₂ and σ₃: too much: by 5.0e-01, allowed 6.2e-02"
    assert str(caught.value) == message
    gauge.require(excess, 0.5, "σ", "too much")


def test_a_gauge_error_is_a_value_error():
    with pytest.raises(ValueError, match=r"^λ₁: too much"):
        gauge.require(np.array([[1.0]]), 0.0, "λ", "too much")


@pytest.mark.parametrize(("excess", "allowed"), [(np.nan, 1.0), (1.0, np.nan), (np.nan, np.inf)])
def test_what_is_not_a_number_is_not_allowed(excess, allowed):
    gauge.require(np.array([[0.0]]), 1.0, "λ", "")
    with pytest.raises(gauge.GaugeError):
        gauge.require(np.array([[excess]]), allowed, "λ", "")


def test_a_nan_is_worse_than_any_number():
    excess = np.array([[0.0, 1e300], [np.nan, 0.0]])
    with pytest.raises(gauge.GaugeError) as caught:
        gauge.require(excess, 1.0, "λ", "")
    assert caught.value.pair == (1, 0)


def test_names_count_from_one():
    assert gauge.names("σ", 0, 11) == "σ₁ and σ₁₂"
    assert gauge.names("λ", 9, 9) == "λ₁₀"
    assert gauge.names("σ", 2, 4, " to ") == "σ₃ to σ₅"


def test_default_tolerance():
    assert gauge.default_tol(np.float32) == pytest.approx(3.45e-4, rel=0.01)
    assert gauge.default_tol(np.complex64) == gauge.default_tol(np.float32)
    assert gauge.default_tol(float) == pytest.approx(1.49e-8, rel=0.01)


def test_largest_of_rows_in_double_precision():
    rows = np.array([[3e30, -4e30], [1j, 0]], np.complex64)
    assert gauge.largest(rows).dtype == float
    assert gauge.largest(rows) == pytest.approx([4e30, 1])
    assert gauge.largest(np.zeros((2, 0))).tolist() == [0, 0]


def same(block, apart, turned, *, tolerance=1e-3, allowed=0.0, labels=(0, 0)):
    values = np.array([1.0, 1.5])
    arrays = (np.array(x, float) for x in (block, apart, turned))
    limits = np.array(tolerance), np.array(allowed)
    gauge.require_same(*arrays, values, np.array(labels), *limits, "λ")


def test_require_same_compares_diagonals_and_what_the_gap_divides():
    block, turned = [[1.0, 3.0], [3.0, 2.0]], [[0.0, 1.5], [-1.5, 0.0]]
    same(block, [1.0, 2.0], turned)
    with pytest.raises(ValueError, match=r"λ₂: the gradient changes by 1.0e-01 .* smaller rtol"):
        same(block, [1.0, 2.1], turned)
    off = [[0.0, 1.4], [-1.4, 0.0]]
    with pytest.raises(ValueError, match=r"λ₁ and λ₂: the gradient changes by 2.0e-01"):
        same(block, [1.0, 2.0], off)
    # As much as rounding errors over the gap may make of it, or in another cluster.
    same(block, [1.0, 2.0], off, allowed=0.11)
    same(block, [1.0, 2.0], off, labels=(0, 1))
    same(block, [1.0, 2.0], off, labels=(-1, -1))
    with pytest.raises(ValueError, match="smaller rtol"):
        same(block, [np.nan, 2.0], turned)


def test_tolerances_have_the_unit_of_what_they_bound():
    values, cotangent = np.array([2.0, 4.0]), np.array([1.0, 3.0])
    assert gauge.slack(10 * values, 1e-3) == pytest.approx(10 * gauge.slack(values, 1e-3))
    small = gauge.per_value(1e-6, values, 0 * cotangent, 1e-8)
    assert gauge.per_value(1e-6, 10 * values, 0 * cotangent, 1e-8) == pytest.approx(small / 10)
    assert gauge.per_value(0.0, values, cotangent, 1e-8) == pytest.approx(3e-8)
    assert gauge.per_value(1.0, 0 * values, cotangent, 1e-8) == pytest.approx(3e-8)


@pytest.mark.parametrize("places", [None, (np.array([0, 1]), np.array([1, 1]))])
def test_require_takes_all_pairs_or_some(places):
    excess = np.array([[0.0, 3.0], [0.0, 5.0]]) if places is None else np.array([3.0, 5.0])
    gauge.require(excess, np.array(5.0), "λ", "fault", places=places)
    with pytest.raises(gauge.GaugeError) as caught:
        gauge.require(excess, np.array(4.0), "λ", "fault", places=places)
    assert (caught.value.pair, caught.value.excess, caught.value.allowed) == ((1, 1), 5.0, 4.0)


def test_require_with_places_in_a_stack():
    places = tuple(np.array(x) for x in ([0, 1], [0, 1], [1, 0]))
    with pytest.raises(gauge.GaugeError, match=r"matrix \[1\] of the stack: λ₁ and λ₂") as caught:
        gauge.require(np.array([2.0, 2.0]), np.array([3.0, 1.0]), "λ", "x", places=places)
    assert caught.value.pair == (1, 0)


def test_an_infinite_tolerance_lets_everything_pass():
    gauge.require(np.array([[0.0, 1e300]] * 2), np.array(np.inf), "λ", "x")
    # Where all cotangents are zero, it is inf · 0.
    gauge.require(np.zeros((2, 2)), np.array(np.nan), "λ", "x")
