"""TensorFlow."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf
from numpy.typing import ArrayLike

from spectralgrad.frameworks import numpy

if TYPE_CHECKING:
    from spectralgrad.theory.arrays import Problem


class Library(numpy.Library):
    """What TensorFlow does otherwise; see `spectralgrad.frameworks.numpy.Library`."""

    NAME, VERSION = "tensorflow", tf.__version__
    linalg = tf.linalg
    further = ""
    order = (1, 0, 2)
    has_v = True

    def array(self, given: ArrayLike) -> Any:
        """One of its own arrays."""
        return tf.constant(np.asarray(given))

    @contextlib.contextmanager
    def eager(self) -> Iterator[None]:
        """What is compiled calls nothing."""
        given = tf.config.functions_run_eagerly()
        tf.config.run_functions_eagerly(True)
        try:
            yield
        finally:
            tf.config.run_functions_eagerly(given)

    def reverse(self, function: numpy.Function, *arrays: Any) -> tuple[Any, Any]:
        """By a tape."""
        with tf.GradientTape() as tape:
            tape.watch(arrays)
            value = tf.convert_to_tensor(function(*arrays))

        def pullback(cotangent: Any) -> list[Any]:
            found = tape.gradient(value, arrays, cotangent, unconnected_gradients="zero")
            # What is picked out of an array has a sparse gradient.
            return [tf.convert_to_tensor(g) for g in found]

        return value, pullback

    def decompose(self, problem: Problem, a: Any) -> tuple[Any, ...]:
        """Its eigenvalues have the dtype of the matrix; its svd returns σ, U and V."""
        if problem == "eigh":
            values, vectors = tf.linalg.eigh(a)
            return tf.math.real(values), vectors
        s, u, v = tf.linalg.svd(a)
        return u, s, tf.linalg.adjoint(v)

    def adjoint(self, a: Any) -> Any:
        """Its arrays have no method for it."""
        return tf.linalg.adjoint(a)

    def cast(self, real: Any, like: Any) -> Any:
        """It multiplies arrays of one dtype only."""
        return tf.cast(real, like.dtype)
