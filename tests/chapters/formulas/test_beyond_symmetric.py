"""The formulas of the chapter beyond symmetric matrices, at matrices in general position.

No reference is a formula: the factors move along a direction of their own, and with them the
matrix, so that the derivative of the loss is known from both.
"""

import hard
import numpy as np
import pytest
import scipy.linalg
from formulas import formula

from spectralgrad import frameworks
from spectralgrad.theory.symmetric import hermitian_part

CHAPTER = "beyond_symmetric"
CASES = [(kind, n, dtype) for kind in hard.SPECTRA for n in hard.SIZES for dtype in hard.DTYPES]


def drawn(rng, *shape, dtype):
    """Random numbers in double precision, complex if the dtype is."""
    x = rng.standard_normal(shape)
    is_complex = np.issubdtype(dtype, np.complexfloating)
    return x + 1j * rng.standard_normal(shape) if is_complex else x


def real_diagonal(x):
    return x - 1j * np.diag(np.diag(x).imag) if np.iscomplexobj(x) else x


def close(slope, wanted, gradient, moved, condition):
    """To within 100 times rounding and the condition of the problem."""
    size = np.linalg.norm(gradient) * np.linalg.norm(moved)
    eps = float(np.finfo(gradient.dtype).eps)
    return abs(slope - wanted) < 100 * eps * condition * size


@pytest.mark.parametrize(("kind", "n", "dtype"), CASES)
def test_cholesky(kind, n, dtype):
    """Ties do no harm."""
    rng = np.random.default_rng(n)
    h = hard.hermitian(kind, n, dtype, rng)
    C, dL = (np.tril(drawn(rng, n, n, dtype=dtype)) for _ in range(2))
    L = scipy.linalg.cholesky(h.matrix, lower=True)
    dA = real_diagonal(dL) @ L.conj().T
    dA = dA + dA.conj().T
    G = formula(CHAPTER, "cholesky_vjp")(L, C.astype(dtype))
    assert G.dtype == dtype
    assert np.array_equal(G, G.conj().T)
    wanted = np.vdot(C, real_diagonal(dL)).real
    assert close(np.vdot(G, dA).real, wanted, G, dA, h.values[-1] / h.values[0])


@pytest.mark.parametrize(("kind", "n", "dtype"), CASES)
def test_qr(kind, n, dtype):
    rng = np.random.default_rng(n)
    h = hard.general(kind, n + 2, n, dtype, rng)
    C, dQ = (drawn(rng, n + 2, n, dtype=dtype) for _ in range(2))
    D, dR = (np.triu(drawn(rng, n, n, dtype=dtype)) for _ in range(2))
    Q, R = scipy.linalg.qr(h.matrix, mode="economic")
    # What keeps the columns orthonormal.
    dQ, dR = dQ - Q @ hermitian_part(Q.conj().T @ dQ), real_diagonal(dR)
    dA = dQ @ R + Q @ dR
    G = formula(CHAPTER, "qr_vjp")(Q, R, C.astype(dtype), D.astype(dtype))
    assert G.dtype == dtype
    wanted = (np.vdot(C, dQ) + np.vdot(D, dR)).real
    assert close(np.vdot(G, dA).real, wanted, G, dA, h.values[0] / h.values[-1])


@pytest.mark.parametrize("scale", [1.0, 1e6, 1e-6])
@pytest.mark.parametrize("dtype", hard.DTYPES)
@pytest.mark.parametrize("n", [3, 5, 20])
def test_eig(n, dtype, scale):
    """Of vectors that are far from orthogonal, and values with gaps of about 1/n."""
    rng = np.random.default_rng(n)
    is_complex = np.issubdtype(dtype, np.complexfloating)
    left, right = (hard.orthonormal(rng, n, n, is_complex=is_complex) for _ in range(2))
    V = (left * np.geomspace(1, 0.1, n)) @ right
    values = hard.values("regular", n, rng) * scale
    A = (V * values) @ np.linalg.inv(V)
    values, V = scipy.linalg.eig(A.astype(dtype))
    d_values, dV = drawn(rng, n, dtype=dtype), drawn(rng, n, n, dtype=np.complex128)
    # What keeps the columns of norm 1; the phase is free to move.
    dV = dV - V * (V.conj() * dV).sum(axis=0).real
    dA = (dV * values + V * d_values - A @ dV) @ np.linalg.inv(V)
    x = rng.standard_normal((n, 1))
    G = formula(CHAPTER, "eig_vjp")(values, V, values, (x * V).astype(V.dtype))
    assert G.dtype == np.result_type(dtype, np.complex64)
    wanted = (np.vdot(values, d_values) + np.vdot(x * V, dV)).real
    condition = np.linalg.cond(V) ** 2 * n
    assert close(np.vdot(G, dA).real, wanted, G, dA, condition)
    assert abs(np.vdot(values, d_values).real) < 1e3 * scale * n


def test_eig_refuses_a_loss_of_the_phase():
    values, V = np.linalg.eig(drawn(np.random.default_rng(0), 5, 5, dtype=np.complex128))
    with pytest.raises(ValueError, match="phase"):
        formula(CHAPTER, "eig_vjp")(values, V, 0 * values, V.real)


@pytest.mark.parametrize(("kind", "n", "dtype"), CASES)
def test_pair(kind, n, dtype):
    """A loss of values and of the projector on the two smallest, which may be tied."""
    rng = np.random.default_rng(n)
    values = hard.hermitian(kind, n, dtype, rng).values
    V = hard.general("regular", n, n, dtype, rng).matrix
    dV, C = drawn(rng, n, n, dtype=dtype), hermitian_part(drawn(rng, n, n, dtype=dtype))
    # Tied values move together.
    d_values = rng.standard_normal(n)
    d_values[1] = d_values[0] if values[1] == values[0] else d_values[1]
    low = np.arange(n) < 2
    inverse = np.linalg.inv(V.astype(np.result_type(dtype, float)))
    B = inverse.conj().T @ inverse
    A = (inverse.conj().T * values) @ inverse
    dA = (inverse.conj().T * d_values) @ inverse - 2 * hermitian_part(A @ dV @ inverse)
    dB = -2 * hermitian_part(B @ dV @ inverse)
    c = np.where(low, 1.0, np.linspace(0, 1, n))
    V_bar = (2 * C @ V * low).astype(dtype)
    eps = float(np.finfo(dtype).eps)
    real = np.finfo(dtype).dtype
    vjp = formula(CHAPTER, "pair_vjp")
    gap = 200 * eps * values[-1]
    G_A, G_B = vjp(values.astype(real), V, c.astype(real), V_bar, gap=gap)
    assert G_A.dtype == G_B.dtype == dtype
    wanted = c @ d_values + np.vdot(V_bar, dV).real
    slope = (np.vdot(G_A, dA) + np.vdot(G_B, dB)).real
    size = np.linalg.norm(G_A) * np.linalg.norm(dA) + np.linalg.norm(G_B) * np.linalg.norm(dB)
    assert abs(slope - wanted) < 1000 * eps * size


@pytest.mark.parametrize("name", frameworks.NAMES)
def test_pairs_in_each_framework(name):
    """Values ascending, A V = B V Λ and Vᴴ B V = I, in both precisions."""
    frameworks.get(name)  # for double precision in JAX
    eigh_ab, rng = formula(CHAPTER, f"{name}_eigh_ab"), np.random.default_rng(0)
    for dtype in hard.DTYPES[: 2 if name == "autograd" else 4]:
        for kind in hard.SPECTRA:
            A = hard.hermitian(kind, 20, dtype, rng).matrix
            B = hard.hermitian("graded", 20, dtype, rng).matrix
            given = A, B
            if name == "torch":
                import torch

                given = map(torch.tensor, given)
            values, V = map(np.asarray, eigh_ab(*given))
            assert V.dtype == dtype
            assert np.all(np.diff(values) >= 0)
            allowed = 100 * float(np.finfo(dtype).eps) ** (2 / 3)
            assert abs(V.conj().T @ B @ V - np.eye(20)).max() < allowed
            size = abs(A).max() * abs(V).max() ** 2
            assert abs(V.conj().T @ A @ V - np.diag(values)).max() < allowed * size


@pytest.mark.parametrize("dtype", [np.float64, np.complex128])
@pytest.mark.parametrize("n", [3, 20])
def test_pencil(n, dtype):
    rng, c = np.random.default_rng(n), 0.6 - 0.8j
    A, B, EA, EB = (drawn(rng, n, n, dtype=dtype) for _ in range(4))
    value, of_a, of_b = formula(CHAPTER, "pencil_gradients")(A, B, 0, c)

    def moved(t):
        values = scipy.linalg.eigvals(A + t * EA, B + t * EB)
        return (c.conjugate() * values[np.argmin(abs(values - value))]).real

    slope = (moved(1e-6) - moved(-1e-6)) / 2e-6
    assert (np.vdot(of_a, EA) + np.vdot(of_b, EB)).real == pytest.approx(slope, rel=1e-4)
