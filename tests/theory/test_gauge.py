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
    """As the docstring of `pair_rotations` says; a single vector has no partner."""
    return 0 if size == 1 else size - 1 + size % 2


@given(cluster_sizes, st.booleans())
def test_pair_rotations_are_as_many_as_documented_and_unitary(sizes, is_complex):
    rotations = list(gauge.pair_rotations(numbered(sizes), is_complex=is_complex))
    assert len(rotations) == (1 + is_complex) * max(map(rounds_for, sizes))
    for rotation in rotations:
        assert rotation.conj().T @ rotation == pytest.approx(np.eye(sum(sizes)))
        assert np.iscomplexobj(rotation) == is_complex


@given(cluster_sizes, st.booleans())
def test_pair_rotations_mix_each_pair_of_a_cluster_once_for_each_phase(sizes, is_complex):
    labels = numbered(sizes)
    mixed = []
    for rotation in gauge.pair_rotations(labels, is_complex=is_complex):
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
def test_the_diagonals_in_pair_rotations_determine_a_hermitian_block(size, is_complex):
    labels = np.zeros(size, int)
    rotations = [np.eye(size), *gauge.pair_rotations(labels, is_complex=is_complex)]
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
    mixtures = list(gauge.pair_rotations(labels, is_complex=is_complex))
    for rotation in [*mixtures, *gauge.random_bases(labels, is_complex=is_complex)]:
        assert rotation.conj().T @ rotation == pytest.approx(np.eye(7))
        assert np.abs(rotation[5:]) == pytest.approx(np.eye(7)[5:])
        assert not rotation[2:5, :2].any()
        assert not rotation[:2, 2:5].any()
    assert all(np.array_equal(q[5:], np.eye(7)[5:]) for q in mixtures)


def test_negative_labels_alone_have_no_pair_rotations():
    assert list(gauge.pair_rotations([-1, -1, -1], is_complex=True)) == []


def test_a_stack_mixes_each_of_its_matrices_as_if_alone():
    labels = np.array([[0, 0, 0], [0, 1, 1], [0, 1, 2]])
    stacked = list(gauge.pair_rotations(labels, is_complex=False))
    assert len(stacked) == 3
    for place, row in enumerate(labels):
        alone = list(gauge.pair_rotations(row, is_complex=False))
        for step, rotation in enumerate(stacked):
            expected = alone[step] if step < len(alone) else np.eye(3)
            assert np.array_equal(rotation[place], expected)


@given(seeds, st.integers(1, 5), st.booleans())
def test_a_drawn_matrix_is_unitary(seed, size, is_complex):
    alike = np.ones((size, size), bool)
    q = gauge.unitary(alike, np.random.default_rng(seed), is_complex=is_complex)
    assert q.conj().T @ q == pytest.approx(np.eye(size))
    assert np.iscomplexobj(q) == is_complex


@pytest.mark.parametrize("is_complex", [False, True])
@pytest.mark.parametrize("size", [1, 2, 3])
def test_a_drawn_matrix_is_uniform(size, is_complex, rng):
    """The mean is 0 and that of |qᵢⱼ|² is 1/n; without the signs of r, q₁₁ has one sign only."""
    drawn = gauge.unitary(np.ones((4000, size, size), bool), rng, is_complex=is_complex)
    assert np.abs(drawn.mean(axis=0)).max() < 0.07
    assert (np.abs(drawn) ** 2).mean(axis=0) == pytest.approx(
        np.full((size, size), 1 / size), abs=0.03
    )
    # The second moment without the conjugate is 0 for a uniform phase.
    assert np.abs((drawn**2).mean(axis=0) - (0 if is_complex else 1 / size)).max() < 0.07


@pytest.mark.parametrize("k", range(1, 10))
def test_random_bases_show_each_sign_and_each_product_of_two(k):
    tried = list(gauge.random_bases(np.arange(k), is_complex=False))
    assert len(tried) == np.ceil(np.log2(k + 1))
    assert all(np.array_equal(np.abs(q), np.eye(k)) for q in tried)
    signs = np.array([np.diagonal(q) for q in tried])
    assert (signs == -1).any(axis=0).all()
    for i, j in itertools.combinations(range(k), 2):
        assert (signs[:, i] != signs[:, j]).any()


@given(seeds, st.integers(1, 4), st.booleans())
def test_rotation_cotangents_are_those_of_a_turn_and_of_what_leads_out(seed, k, is_complex):
    """Re⟨C, dB⟩ = Re⟨X, Ω⟩ + Re⟨out, N⟩ for every dB = BΩ + N with BᴴN = 0."""
    rng = np.random.default_rng(seed)
    whole = unitary(rng, 4, is_complex=is_complex)
    basis, rest = whole[:, :k], whole[:, k:]
    cotangent = random_matrix(rng, 4, k, is_complex=is_complex)
    omega = symmetric.skew_part(random_matrix(rng, k, k, is_complex=is_complex))
    leaving = rest @ random_matrix(rng, 4 - k, k, is_complex=is_complex)
    turn, out = gauge.rotation_cotangents(basis, cotangent)
    expected = np.vdot(cotangent, basis @ omega + leaving).real
    outside = np.vdot(out, leaving).real if k < 4 else 0.0
    assert np.vdot(turn, omega).real + outside == pytest.approx(expected)
    assert np.array_equal(turn, -symmetric.adjoint(turn))
    assert out.shape == ((4, k) if k < 4 else (0, 4))
    assert k == 4 or basis.conj().T @ out == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("is_complex", [False, True])
def test_rotation_cotangents_of_an_invariant_loss_are_the_same_in_every_basis(is_complex, rng):
    """Of the cotangent 2CV of tr(C VVᴴ), carried back, and not of that of one entry."""
    v, q = (unitary(rng, n, is_complex=is_complex) for n in (5, 3))
    v, c = v[:, :3], symmetric.hermitian_part(random_matrix(rng, 5, 5, is_complex=is_complex))
    first = gauge.rotation_cotangents(v, 2 * c @ v)
    second = gauge.rotation_cotangents(v, 2 * c @ (v @ q) @ q.conj().T)
    for one, other in zip(first, second, strict=True):
        assert other == pytest.approx(one)
    entry = np.zeros((5, 3))
    entry[0, 0] = 1.0
    first, second = (gauge.rotation_cotangents(v, x)[0] for x in (entry, entry @ q.conj().T))
    assert np.abs(second - first).max() > 0.01


def test_require_names_the_worst_pair_of_the_worst_matrix():
    excess = np.zeros((2, 3, 3))
    excess[0, 0, 1], excess[1, 2, 1] = 0.25, 0.5
    with pytest.raises(gauge.GaugeError) as caught:
        gauge.require_within(excess, [0.125, 0.0625], "σ", "too much")
    assert (caught.value.pair, caught.value.excess, caught.value.allowed) == ((2, 1), 0.5, 0.0625)
    message = "matrix [1] of the stack: σ₂ and σ₃: too much: by 5.0e-01, allowed 6.2e-02"
    assert str(caught.value) == message
    gauge.require_within(excess, 0.5, "σ", "too much")


def test_a_gauge_error_is_a_value_error():
    with pytest.raises(ValueError, match=r"^λ₁: too much"):
        gauge.require_within(np.array([[1.0]]), 0.0, "λ", "too much")


@pytest.mark.parametrize(("excess", "allowed"), [(np.nan, 1.0), (1.0, np.nan), (np.nan, np.inf)])
def test_what_is_not_a_number_is_not_allowed(excess, allowed):
    gauge.require_within(np.array([[0.0]]), 1.0, "λ", "")
    with pytest.raises(gauge.GaugeError):
        gauge.require_within(np.array([[excess]]), allowed, "λ", "")


def test_a_nan_is_worse_than_any_number():
    excess = np.array([[0.0, 1e300], [np.nan, 0.0]])
    with pytest.raises(gauge.GaugeError) as caught:
        gauge.require_within(excess, 1.0, "λ", "")
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
    assert gauge.largest(rows, 2) == pytest.approx(4e30)


def test_tolerances_have_the_unit_of_what_they_bound():
    values, cotangent = np.array([2.0, 4.0]), np.array([1.0, 3.0])
    bars = [np.zeros((2, 2))]
    wide = gauge.allowance(values, cotangent, bars, rtol=1e-3, gauge_tol=1e-8)
    assert wide == pytest.approx(8 * 1e-3 * 4.0 * 3.0)
    wider = gauge.allowance(10 * values, cotangent, bars, rtol=1e-3, gauge_tol=1e-8)
    assert wider == pytest.approx(10 * wide)
    bars = [np.ones((2, 2)), np.array([[0.0, -5.0]])]
    assert gauge.allowance(values, 0 * cotangent, bars, rtol=1.0, gauge_tol=1e-8) == 5e-8
    small = gauge.allowance_of_values(1e-6, values, 0 * cotangent, 1e-8)
    assert gauge.allowance_of_values(1e-6, 10 * values, 0 * cotangent, 1e-8) == pytest.approx(
        small / 10
    )
    assert gauge.allowance_of_values(0.0, values, cotangent, 1e-8) == pytest.approx(3e-8)
    assert gauge.allowance_of_values(1.0, 0 * values, cotangent, 1e-8) == pytest.approx(3e-8)


def test_an_infinite_tolerance_lets_everything_pass():
    gauge.require_within(np.array([[0.0, 1e300]] * 2), np.array(np.inf), "λ", "x")
    # Where all cotangents are zero, it is inf · 0.
    gauge.require_within(np.zeros((2, 2)), np.array(np.nan), "λ", "x")


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_the_allowance_for_values_is_that_for_vectors_in_their_unit(scale):
    allowed = gauge.allowance_of_values(scale, [0.5 * scale, scale], [0.0], 1e-8)
    assert allowed == pytest.approx(1.0)
