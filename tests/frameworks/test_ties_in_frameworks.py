"""Losses on vectors: where the frameworks give an answer, and where they cannot."""

import subprocess
import sys
import textwrap
import warnings
from types import SimpleNamespace

import numpy as np
import pytest
from drawing import random_matrix, unitary

from spectralgrad import frameworks
from spectralgrad.theory import eigen, singular, symmetric

framework = pytest.mark.parametrize("name", frameworks.NAMES)
real_or_complex = pytest.mark.parametrize("is_complex", [False, True])


def torch_gradient(kind, loss, matrix):
    import torch

    ops = SimpleNamespace(
        constant=torch.tensor,
        conj=torch.conj,
        as_type_of=lambda x, other: x.to(other.dtype),
        total=lambda x: x.real.sum() if x.is_complex() else x.sum(),
    )
    a = torch.tensor(matrix, requires_grad=True)
    if kind == "eigh":
        parts = torch.linalg.eigh(a)
    else:
        u, s, vh = torch.linalg.svd(a, full_matrices=False)
        parts = u, s, vh.mH
    loss(ops, *parts).backward()
    return a.grad.numpy()


def numpy_like(np_):
    return SimpleNamespace(
        constant=np_.array,
        conj=np_.conj,
        as_type_of=lambda x, other: x,
        total=lambda x: np_.sum(np_.real(x)),
    )


def jax_gradient(kind, loss, matrix):
    import jax
    import jax.numpy as jnp

    with jax.enable_x64(True):
        return np.asarray(jax.grad(numpy_like_loss(kind, loss, jnp))(jnp.asarray(matrix)))


def autograd_gradient(kind, loss, matrix):
    import autograd
    import autograd.numpy as anp

    return autograd.grad(numpy_like_loss(kind, loss, anp))(matrix)


def numpy_like_loss(kind, loss, np_):
    def of_matrix(a):
        if kind == "eigh":
            parts = np_.linalg.eigh(a)
        else:
            u, s, vh = np_.linalg.svd(a, full_matrices=False)
            parts = u, s, np_.conj(vh.T)
        return loss(numpy_like(np_), *parts)

    return of_matrix


def tensorflow_gradient(kind, loss, matrix):
    import tensorflow as tf

    ops = SimpleNamespace(
        constant=tf.constant,
        conj=tf.math.conj,
        as_type_of=lambda x, other: tf.cast(x, other.dtype),
        total=lambda x: tf.reduce_sum(tf.math.real(x)),
    )
    a = tf.constant(matrix)
    with tf.GradientTape() as tape:
        tape.watch(a)
        if kind == "eigh":
            parts = tf.linalg.eigh(a)
        else:
            s, u, v = tf.linalg.svd(a, full_matrices=False)
            parts = u, s, v
        value = loss(ops, *parts)
    return tape.gradient(value, a).numpy()


GRADIENTS = {
    "torch": torch_gradient,
    "jax": jax_gradient,
    "autograd": autograd_gradient,
    "tensorflow": tensorflow_gradient,
}


def gradient(name, kind, loss, matrix):
    """What a framework returns; for Hermitian matrices in the "symmetric" convention."""
    frameworks.get(name)
    found = GRADIENTS[name](kind, loss, matrix)
    # JAX and autograd return the conjugate: the book says so.
    found = found.conj() if name in ("jax", "autograd") else found
    return symmetric.convert(found, "symmetric") if kind == "eigh" else found


def eigen_loss(b, weights):
    """Σ w(λᵢ)ᵢ vᵢᴴ B vᵢ."""

    def loss(ops, values, vectors):
        w = ops.as_type_of(weights(ops, values), vectors)
        return ops.total(ops.conj(vectors) * (ops.constant(b) @ vectors) * w)

    return loss


def singular_loss(b, weights):
    """Σ w(σᵢ)ᵢ Re uᵢᴴ B vᵢ."""

    def loss(ops, u, s, v):
        w = ops.as_type_of(weights(ops, s), u)
        return ops.total(ops.conj(u) * (ops.constant(b) @ v) * w)

    return loss


def square(ops, values):
    return values**2


def fixed(weights):
    return lambda ops, values: ops.constant(weights)


def with_eigenvalues(rng, values, *, is_complex):
    v = unitary(rng, len(values), is_complex=is_complex)
    return symmetric.hermitian_part((v * values) @ v.conj().T)


def with_singular_values(rng, shape, values, *, is_complex):
    u, v = (unitary(rng, n, is_complex=is_complex)[:, : len(values)] for n in shape)
    return (u * values) @ v.conj().T


@framework
@real_or_complex
def test_eigenvectors_and_functions_of_distinct_eigenvalues(name, is_complex, rng):
    a = with_eigenvalues(rng, np.array([-1.0, 0.5, 1.25, 3.0]), is_complex=is_complex)
    b = symmetric.hermitian_part(random_matrix(rng, 4, 4, is_complex=is_complex))
    w = rng.standard_normal(4)
    values, v = np.linalg.eigh(a)

    found = gradient(name, "eigh", eigen_loss(b, fixed(w)), a)
    assert found == pytest.approx(eigen.eigh_vjp(values, v, 0, 2 * b @ v * w), abs=1e-11)
    found = gradient(name, "eigh", eigen_loss(b, square), a)
    ours = eigen.function_vjp(values, v, b, np.square, lambda x: 2 * x)
    assert found == pytest.approx(ours, abs=1e-11)
    assert ours == pytest.approx(a @ b + b @ a, abs=1e-11)


@framework
@pytest.mark.parametrize("shape", [(3, 3), (4, 3), (3, 4)], ids=str)
@real_or_complex
def test_singular_vectors_and_polar_factors_of_distinct_values(name, shape, is_complex, rng):
    a = with_singular_values(rng, shape, [3.0, 2.0, 0.5], is_complex=is_complex)
    b, w = random_matrix(rng, *shape, is_complex=is_complex), rng.standard_normal(3)
    u, s, vh = np.linalg.svd(a, full_matrices=False)

    found = gradient(name, "svd", singular_loss(b, fixed(w)), a)
    left, right = (b @ vh.conj().T) * w, w[:, None] * (u.conj().T @ b)
    assert found == pytest.approx(singular.svd_vjp(u, s, vh, left, 0, right), abs=1e-11)
    found = gradient(name, "svd", singular_loss(b, fixed(np.ones(3))), a)
    assert found == pytest.approx(singular.polar_vjp(u, s, vh, b), abs=1e-11)


def answer_at_a_tie(name, kind, loss, matrix):
    """What comes back, NaN for an exception; autograd warns of its divisions by zero."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore", RuntimeWarning)
        return gradient(name, kind, loss, matrix)


@framework
def test_a_function_at_an_exact_tie(name, rng):
    """tr(B A²) at diag(1, 1, 3), whose gradient is AB + BA."""
    a, b = np.diag([1.0, 1.0, 3.0]), symmetric.hermitian_part(rng.standard_normal((3, 3)))
    right = a @ b + b @ a
    values, v = np.linalg.eigh(a)
    ours = eigen.function_vjp(values, v, b, np.square, lambda x: 2 * x)
    assert ours == pytest.approx(right, abs=1e-14)
    theirs = answer_at_a_tie(name, "eigh", eigen_loss(b, square), a)
    if name == "tensorflow":
        # What would be divided by zero is left out: all but the entry within the cluster is right.
        wrong = theirs - right
        assert np.linalg.norm(wrong) > 0.1
        assert wrong[0, 1] == pytest.approx(-right[0, 1])
        wrong[0, 1] = wrong[1, 0] = 0
        assert wrong == pytest.approx(0, abs=1e-12)
    else:
        assert np.isnan(theirs).any()


@framework
def test_the_polar_factor_at_the_identity(name, rng):
    """The gradient of ⟨B, UVᵀ⟩ is (B − Bᵀ)/2."""
    a, b = np.eye(3), rng.standard_normal((3, 3))
    assert singular.polar_vjp(a, np.ones(3), a, b) == pytest.approx((b - b.T) / 2)
    theirs = answer_at_a_tie(name, "svd", singular_loss(b, fixed(np.ones(3))), a)
    if name == "tensorflow":
        assert theirs == pytest.approx(0, abs=1e-12)
    else:
        assert np.isnan(theirs).any()


@framework
def test_near_a_tie_the_frameworks_lose_digits_that_we_keep(name, rng):
    """Those of the gap, ten of sixteen; TensorFlow, for which 1/x is x/(x² + 1e-20), all."""
    a = with_eigenvalues(rng, np.array([1.0, 1.0 + 1e-10, 3.0]), is_complex=False)
    b = symmetric.hermitian_part(rng.standard_normal((3, 3)))
    values, v = np.linalg.eigh(a)
    right = a @ b + b @ a
    ours = eigen.function_vjp(values, v, b, np.square, lambda x: 2 * x)
    assert np.linalg.norm(ours - right) < 1e-13
    theirs = gradient(name, "eigh", eigen_loss(b, square), a)
    bounds = (1e-3, 1) if name == "tensorflow" else (1e-9, 1e-3)
    assert bounds[0] < np.linalg.norm(theirs - right) < bounds[1]


@pytest.mark.needs("torch")
def test_gradcheck_of_torch_agrees_that_what_equals_ours_is_right():
    """In a process without TensorFlow, beside which gradcheck may abort."""
    code = """
        import numpy as np, torch
        from spectralgrad.theory import eigen, singular, symmetric

        rng = np.random.default_rng(0)
        for dtype in (float, complex):
            draw = lambda *shape: rng.standard_normal(shape) + (
                1j * rng.standard_normal(shape) if dtype is complex else 0)
            a, b = (symmetric.hermitian_part(draw(4, 4)) for _ in range(2))
            w = rng.standard_normal(4)

            def on_vectors(x):
                _, v = torch.linalg.eigh((x + x.mH) / 2)
                return (v.conj() * (torch.tensor(b) @ v) * torch.tensor(w)).sum().real

            x = torch.tensor(a, requires_grad=True)
            assert torch.autograd.gradcheck(on_vectors, x)
            on_vectors(x).backward()
            values, v = np.linalg.eigh(a)
            ours = eigen.eigh_vjp(values, v, 0, 2 * b @ v * w)
            assert np.allclose(ours, x.grad.numpy(), atol=1e-11, rtol=0), dtype

            for shape in ((3, 3), (4, 3), (2, 3)):
                a2, b2 = draw(*shape), draw(*shape)
                w2 = torch.tensor(w[:min(shape)])

                def on_pairs(x):
                    u, s, vh = torch.linalg.svd(x, full_matrices=False)
                    return (u.conj() * (torch.tensor(b2) @ vh.mH) * w2).sum().real

                x = torch.tensor(a2, requires_grad=True)
                assert torch.autograd.gradcheck(on_pairs, x)
                on_pairs(x).backward()
                u, s, vh = np.linalg.svd(a2, full_matrices=False)
                du, dvh = (b2 @ vh.conj().T) * w2.numpy(), w2.numpy()[:, None] * (u.conj().T @ b2)
                ours = singular.svd_vjp(u, s, vh, du, 0, dvh)
                assert np.allclose(ours, x.grad.numpy(), atol=1e-10, rtol=0), (dtype, shape)
        print("agrees")
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=False
    )
    assert (done.stdout.strip(), done.returncode) == ("agrees", 0), done.stderr
