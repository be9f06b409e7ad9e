"""What the chapter on gauge says to do, at matrices in general position."""

import hard
import numpy as np
import pytest
from formulas import formula

from spectralgrad.theory import eigen, exact, gauge, singular
from spectralgrad.theory.symmetric import adjoint, hermitian_part

COMPLEX = (np.complex128, np.complex64)


def cotangent(place):
    """A pullback for a loss that is linear in the vectors, with 1 at these places."""

    def pullback(values, V):
        weights = np.zeros_like(V)
        weights[place] = 1
        return 0, weights

    return pullback


@pytest.mark.parametrize("dtype", hard.DTYPES)
@pytest.mark.parametrize("n", [3, 5, 20])
def test_the_test_to_copy(n, dtype):
    """It passes a function of the matrix, and fails a sum of entries and the vector of a tie."""
    change = formula("gauge", "change")
    rng = np.random.default_rng(n)
    C = hermitian_part(rng.standard_normal((n, n)))
    precision = np.finfo(dtype).eps ** 0.5
    for kind in hard.SPECTRA:
        h = hard.hermitian(kind, n, dtype, rng)
        values, V = hard.eigh(h.matrix)
        size = values[-1]
        losses = {
            "function": lambda x, v, s=size: np.vdot(C, v * (x / s) ** 3 @ adjoint(v)).real + 10,
            "modulus": lambda x, v: np.sum(C[:, 0] * abs(v[:, 0]) ** 2) + 10,
            "entries": lambda x, v: v.real.sum(),
        }
        found = {
            name: {k: change(f, values, V, k, 4) for k in ("signs", "phases", "rotations")}
            for name, f in losses.items()
        }
        assert max(found["function"].values()) < n * precision, kind
        assert found["modulus"]["phases"] < 100 * precision**2, kind
        assert (found["modulus"]["rotations"] > 1e-4) == ("tied" in kind), kind
        assert min(found["entries"].values()) > 1e-2, kind


@pytest.mark.parametrize("dtype", COMPLEX)
@pytest.mark.parametrize("n", hard.SIZES)
def test_zero_on_the_diagonal_proves_nothing(n, dtype):
    """LAPACK's first row is real, so that no cotangent shows that a loss on it is not defined."""
    change = formula("gauge", "change")
    rng = np.random.default_rng(n)
    for kind in ("regular", "graded", "large", "small") if n < 100 else ("regular",):
        h = hard.hermitian(kind, n, dtype, rng)
        values, V = hard.eigh(h.matrix)
        pullback = cotangent(0)
        assert np.abs((adjoint(V) @ pullback(values, V)[1]).diagonal().imag).max() == 0
        eigen.eigh_vjp(values, V, *pullback(values, V))
        assert change(lambda x, v: v[0].real.sum(), values, V, "phases", 4) > 1e-2
        with pytest.raises(gauge.GaugeError, match="sign, phase or basis"):
            eigen.invariant_vjp(values, V, pullback, rtol=1e-12)
        # The second row is not real, and shows it.
        with pytest.raises(gauge.GaugeError, match="phase"):
            eigen.eigh_vjp(values, V, *cotangent(1)(values, V))


PHASE_UNSEEN = np.array([[2, 1 + 1j, 0.5], [1 - 1j, 3, 1j], [0.5, -1j, 5]])


def test_a_phase_that_is_not_seen():
    values, V = np.linalg.eigh(PHASE_UNSEEN)
    assert V[0].real.sum() == pytest.approx(1.2502, abs=1e-4)
    eigen.eigh_vjp(values, V, *cotangent(0)(values, V))
    with pytest.raises(gauge.GaugeError):
        eigen.invariant_vjp(values, V, cotangent(0))


@pytest.mark.parametrize("dtype", COMPLEX)
@pytest.mark.parametrize("shape", [(3, 3), (5, 3), (20, 10), (3, 5)])
def test_nor_does_it_for_singular_vectors(shape, dtype):
    """The first row of V is real, of U for a wide matrix."""
    rng = np.random.default_rng(sum(shape))
    h = hard.general("regular", *shape, dtype, rng)
    u, s, vh = hard.svd(h.matrix)
    wide = shape[0] < shape[1]

    def pullback(u, s, vh):
        u_bar, vh_bar = np.zeros_like(u), np.zeros_like(vh)
        u_bar[0], vh_bar[:, 0] = wide, not wide
        return u_bar, 0, vh_bar

    singular.svd_vjp(u, s, vh, *pullback(u, s, vh))
    with pytest.raises(gauge.GaugeError):
        singular.invariant_vjp(u, s, vh, pullback)


@pytest.mark.parametrize("dtype", hard.DTYPES)
@pytest.mark.parametrize("shape", [(3, 3), (5, 3), (3, 20)])
def test_the_test_to_copy_of_an_svd(shape, dtype):
    change = formula("gauge", "change_svd")
    rng = np.random.default_rng(sum(shape))
    x = rng.standard_normal((2, *shape))
    weights = x[0] + 1j * x[1] if np.issubdtype(dtype, np.complexfloating) else x[0]
    for kind in hard.SPECTRA:
        h = hard.general(kind, *shape, dtype, rng)
        product = change(lambda u, s, vh: np.vdot(weights, u @ vh).real, h.matrix)
        assert product < 100 * np.finfo(dtype).eps ** 0.5, kind
        assert change(lambda u, s, vh: u.real.sum(), h.matrix) > 1e-2, kind
        smallest = abs(weights[:, 0])
        one = change(lambda u, s, vh, w=smallest: w @ abs(u[:, -1]) ** 2, h.matrix)
        assert (one > 1e-3) == ("tied" in kind), kind


@pytest.mark.parametrize("n", [3, 5, 20])
def test_a_phase_that_the_loss_fixes_itself(n):
    """v·conj(cᴴv)/|cᴴv|: the same for all phases, and with the right gradient."""
    rng = np.random.default_rng(n)
    A = hard.hermitian("regular", n, np.complex128, rng).matrix
    c, d = hard.orthonormal(rng, n, 2, is_complex=True).T
    E = hermitian_part(hard.orthonormal(rng, n, n, is_complex=True))

    def loss(_, V):
        inner = np.vdot(c, V[:, 0])
        return np.vdot(d, V[:, 0] * inner.conj() / abs(inner)).real

    def pullback(values, V):
        v, z = V[:, 0], np.vdot(c, V[:, 0])
        q = z.conj() / abs(z)
        # d(v·q) = dv·q + v·dq, and q turns by −Im(dz/z).
        turn = np.vdot(d, 1j * v * q).real
        weights = np.zeros_like(V)
        weights[:, 0] = d * q.conj() - turn * 1j * c / z.conj()
        return 0, weights

    assert formula("gauge", "change")(loss, *np.linalg.eigh(A), "phases") < 1e-12
    G = eigen.invariant_vjp(*np.linalg.eigh(A), pullback)
    slope, error = exact.finite_difference(lambda x: loss(*np.linalg.eigh(x)), A, E)
    assert np.vdot(G, E).real == pytest.approx(slope, abs=max(10 * error, 1e-8))
