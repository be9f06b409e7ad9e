"""The chapter's remedies and propositions, on matrices in general position."""

import hard
import numpy as np
import pytest
import scipy.linalg
from formulas import formula

from spectralgrad import frameworks

DOUBLE = (np.float64, np.complex128)


@pytest.fixture(scope="module")
def tf():
    frameworks.get("tensorflow")
    import tensorflow

    return tensorflow


def tape_of(tf, function, a):
    a = tf.constant(a)
    with tf.GradientTape() as tape:
        tape.watch(a)
        f = function(a)
    return tape.gradient(f, a).numpy()


def rebuilt_error(tf, matrix, svd, rng):
    """Of the gradient of Re⟨B, U diag(σ) Vᴴ⟩, which is B."""
    b = rng.standard_normal(matrix.shape)
    b = b + 1j * rng.standard_normal(matrix.shape) if np.iscomplexobj(matrix) else b
    b = (b / np.linalg.norm(b)).astype(matrix.dtype)

    def f(a):
        s, u, v = svd(a)
        product = tf.matmul(u * tf.cast(s, u.dtype), v, adjoint_b=True)
        return tf.math.real(tf.reduce_sum(b.conj() * product))

    return np.linalg.norm(tape_of(tf, f, matrix) - b)


@pytest.mark.parametrize("kind", ["regular", "nearly tied", "graded", "large", "small"])
@pytest.mark.parametrize("dtype", hard.DTYPES)
def test_scaled_svd(kind, dtype, tf, rng):
    """Brought to 1, graded matrices would be off by up to 1e-4, and near ties by a half."""
    scaled_svd, eps = formula("gradienttape_claims", "scaled_svd"), np.finfo(dtype).eps
    for m, n in [(3, 5), (5, 5), (20, 15), (100, 100)]:
        h = hard.general(kind, m, n, dtype, rng)
        k = min(m, n)
        gap = 100 * eps if kind == "nearly tied" else 1 / k
        allowed = 1e-2 if kind == "nearly tied" else 100 * eps / gap
        assert rebuilt_error(tf, h.matrix, scaled_svd, rng) < allowed, (m, n)
    if kind in ("small", "graded") and dtype in DOUBLE:
        assert rebuilt_error(tf, h.matrix, tf.linalg.svd, rng) > 1e-4


@pytest.mark.parametrize("kind", ["regular", "tied", "nearly tied", "graded", "large", "small"])
@pytest.mark.parametrize("dtype", hard.DTYPES)
def test_a_truncated_reconstruction_that_is_held_fixed(kind, dtype, tf, rng):
    """Its gradient is 2(A − Aᵣ), with ties among the kept or the dropped values too."""
    reconstruction = formula("gradienttape_claims", "reconstruction")
    for m, n in [(3, 3), (5, 5), (20, 15), (100, 100)]:
        h = hard.general(kind, m, n, dtype, rng)
        rank = int(np.argmax(h.values[:-1] - h.values[1:])) + 1
        found = tape_of(tf, lambda a, r=rank: reconstruction(a, r, hold=True), h.matrix)
        right = 2 * (h.left[:, rank:] * h.values[rank:]) @ h.right[:, rank:].conj().T
        gap = h.values[rank - 1] - h.values[rank]
        allowed = 100 * n * np.finfo(dtype).eps * h.values[0] * h.values[0] / gap
        assert np.linalg.norm(found - right) < allowed, (m, n)


@pytest.mark.parametrize("n", [3, 5, 20])
@pytest.mark.parametrize("scale", [1.0, 1e-4, 1e-5, 1e-6])
def test_the_built_in_regularisation_by_its_formula(n, scale, tf, rng):
    h = hard.general("regular", n, n, np.float64, rng)
    b = rng.standard_normal((n, n))

    def f(a):
        s, u, v = tf.linalg.svd(a)
        return tf.reduce_sum(b * tf.matmul(u * s, v, transpose_b=True))

    g = tape_of(tf, f, scale * h.matrix)
    x = np.subtract.outer((scale * h.values) ** 2, (scale * h.values) ** 2) ** 2
    factor = np.where(np.eye(n), 1, x / (x + 1e-20))
    expected = h.left @ (factor * (h.left.T @ b @ h.right)) @ h.right.T
    assert g == pytest.approx(expected, abs=1e-9 * np.linalg.norm(b))


@pytest.mark.parametrize("n", hard.SIZES)
@pytest.mark.parametrize("kind", hard.SPECTRA)
def test_the_diagonal_of_r_against_the_singular_values(n, kind, rng):
    """At most their sum, equal where the columns are orthogonal; the same product if square."""
    for m in (n, n + 2):
        h = hard.general(kind, m, n, np.complex128, rng)
        diagonal = np.abs(scipy.linalg.qr(h.matrix, mode="economic")[1].diagonal())
        assert diagonal.sum() < (1 - 1e-3 / n) * h.values.sum()
        if m == n:
            assert np.log(diagonal).sum() == pytest.approx(np.log(h.values).sum(), rel=1e-6)
        orthogonal = h.left * h.values
        diagonal = np.abs(scipy.linalg.qr(orthogonal, mode="economic")[1].diagonal())
        assert diagonal.sum() == pytest.approx(h.values.sum())


def test_two_by_two_by_hand(rng):
    """The second exercise."""
    for a, b, c in rng.random((20, 3)):
        sigma = scipy.linalg.svdvals([[a, b], [0, c]])
        assert sigma.sum() == pytest.approx(np.hypot(a + c, b))


@pytest.mark.parametrize("n", [3, 5, 20, 100])
def test_newton_s_iteration_gives_the_polar_factor(n, rng):
    h = hard.general("regular", n, n, np.complex128, rng)
    x = h.matrix
    for _ in range(12):
        x = (x + np.linalg.inv(x.conj().T)) / 2
    assert x == pytest.approx(h.left @ h.right.conj().T, abs=1e-10)
