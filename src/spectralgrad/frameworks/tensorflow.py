"""TensorFlow."""

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import ArrayLike

from spectralgrad.theory.arrays import Array

NAME = "tensorflow"
VERSION = tf.__version__


def _gradient(
    function: Callable[[Any], Any], matrix: ArrayLike, cotangent: ArrayLike
) -> tuple[Array, Array]:
    a = tf.constant(np.asarray(matrix))
    with tf.GradientTape() as tape:
        tape.watch(a)
        value = function(a)
    gradient = tape.gradient(value, a, tf.constant(cotangent, dtype=value.dtype))
    return value.numpy(), gradient.numpy()


def eigvalsh(matrix: ArrayLike, weights: ArrayLike) -> tuple[Array, Array]:
    """Eigenvalues and the gradient of their weighted sum; see `spectralgrad.frameworks`."""
    values, gradient = _gradient(tf.linalg.eigvalsh, matrix, weights)
    return np.real(values), gradient


def svdvals(matrix: ArrayLike, weights: ArrayLike) -> tuple[Array, Array]:
    """Singular values and the gradient of their weighted sum; see `spectralgrad.frameworks`."""
    return _gradient(lambda a: tf.linalg.svd(a, compute_uv=False), matrix, weights)


def vjp(function: Callable[[Any], Any], matrix: ArrayLike, cotangent: ArrayLike) -> Array:
    """Gradient of Re Σ conj(Cᵢⱼ) f(A)ᵢⱼ; see `spectralgrad.frameworks`."""
    return _gradient(function, matrix, cotangent)[1]
