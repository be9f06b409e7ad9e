"""TensorFlow."""

import numpy as np
import tensorflow as tf

NAME = "tensorflow"
VERSION = tf.__version__


def _gradient(function, matrix, weights):
    a = tf.constant(np.asarray(matrix))
    with tf.GradientTape() as tape:
        tape.watch(a)
        values = function(a)
        loss = tf.reduce_sum(values * tf.constant(weights, dtype=values.dtype))
    return values.numpy(), tape.gradient(loss, a).numpy()


def eigvalsh(matrix, weights):
    """Eigenvalues and the gradient of their weighted sum; see `spectralgrad.frameworks`."""
    values, gradient = _gradient(tf.linalg.eigvalsh, matrix, weights)
    return np.real(values), gradient


def svdvals(matrix, weights):
    """Singular values and the gradient of their weighted sum; see `spectralgrad.frameworks`."""
    return _gradient(lambda a: tf.linalg.svd(a, compute_uv=False), matrix, weights)


def vjp(function, matrix, cotangent):
    """Gradient of Re Σ conj(Cᵢⱼ) f(A)ᵢⱼ; see `spectralgrad.frameworks`."""
    a = tf.constant(np.asarray(matrix))
    with tf.GradientTape() as tape:
        tape.watch(a)
        value = function(a)
    return tape.gradient(value, a, tf.constant(cotangent, dtype=value.dtype)).numpy()
