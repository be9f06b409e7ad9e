"""How each framework takes the derivatives of a loss: of the first order, and along a direction.

A `Framework` has ``array(x)``, ``inner(x, y)`` = Re Σ conj(x) y, ``gram(b)`` = B Bᴴ,
``first(loss, a)``, the value and G, and ``second(loss, a, e)``, the derivative of G along E as the
gradient of ⟨E, G⟩. G is in the convention of the book: dL = Re Σ conj(Gᵢⱼ) dAᵢⱼ.
"""

import os
from types import SimpleNamespace as Framework

import numpy as np


def _torch():
    import torch

    torch.set_num_threads(1)

    def inner(x, y):
        return (x.conj() * y).real.sum()

    def gradient(loss, a, **options):
        a = a.clone().requires_grad_()
        value = loss(a)
        return value, a, torch.autograd.grad(value, a, **options)[0]

    def first(loss, a):
        value, _, g = gradient(loss, a)
        return value.item(), g.resolve_conj().numpy()

    def second(loss, a, e):
        _, a, g = gradient(loss, a, create_graph=True)
        return torch.autograd.grad(inner(e, g), a)[0].resolve_conj().numpy()

    return Framework(
        array=torch.tensor, inner=inner, gram=lambda b: b @ b.mH, first=first, second=second
    )


def _tensorflow():
    # Notices of TensorFlow about processors.
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    import tensorflow as tf

    tf.get_logger().setLevel("ERROR")
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)

    def inner(x, y):
        return tf.reduce_sum(tf.math.real(tf.math.conj(x) * y))

    def gradient(loss, a):
        with tf.GradientTape() as tape:
            tape.watch(a)
            value = loss(a)
        return value, tape.gradient(value, a)

    def first(loss, a):
        value, g = gradient(loss, a)
        return float(value), g.numpy()

    def second(loss, a, e):
        with tf.GradientTape() as tape:
            tape.watch(a)
            slope = inner(e, gradient(loss, a)[1])
        return tape.gradient(slope, a).numpy()

    def gram(b):
        return b @ tf.linalg.adjoint(b)

    return Framework(array=tf.constant, inner=inner, gram=gram, first=first, second=second)


def _jax():
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", True)

    def inner(x, y):
        return jnp.sum(jnp.real(jnp.conj(x) * y))

    def first(loss, a):
        value, g = jax.value_and_grad(loss)(a)
        return float(value), np.conj(g)

    def second(loss, a, e):
        slope = lambda a: inner(e, jnp.conj(jax.grad(loss)(a)))  # noqa: E731
        return np.conj(jax.grad(slope)(a))

    def gram(b):
        return b @ b.conj().T

    return Framework(array=jnp.asarray, inner=inner, gram=gram, first=first, second=second)


def _autograd():
    import autograd
    import autograd.numpy as anp

    def inner(x, y):
        return anp.sum(anp.real(anp.conj(x) * y))

    def first(loss, a):
        value, g = autograd.value_and_grad(loss)(a)
        return float(value), np.conj(g)

    def second(loss, a, e):
        slope = lambda a: inner(e, anp.conj(autograd.grad(loss)(a)))  # noqa: E731
        return np.conj(autograd.grad(slope)(a))

    def gram(b):
        return b @ anp.conj(b).T

    return Framework(array=np.asarray, inner=inner, gram=gram, first=first, second=second)


def framework(name):
    """Import a framework, on one thread and without notices."""
    return {"torch": _torch, "tensorflow": _tensorflow, "jax": _jax, "autograd": _autograd}[name]()
