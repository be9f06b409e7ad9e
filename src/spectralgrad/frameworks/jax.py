"""JAX."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike

from spectralgrad.theory.arrays import Array

NAME = "jax"
VERSION = jax.__version__


def _gradient(
    function: Callable[[Any], Any], matrix: ArrayLike, weights: ArrayLike
) -> tuple[Array, Array]:
    # JAX computes in 32 bits unless told otherwise; the reader's own setting stays as it is.
    with jax.enable_x64(True):
        values, pullback = jax.vjp(function, jnp.asarray(matrix))
        (gradient,) = pullback(jnp.asarray(weights, dtype=values.dtype))
        return np.asarray(values), np.asarray(gradient)


def eigvalsh(matrix: ArrayLike, weights: ArrayLike) -> tuple[Array, Array]:
    """Eigenvalues and the gradient of their weighted sum; see `spectralgrad.frameworks`."""
    return _gradient(jnp.linalg.eigvalsh, matrix, weights)


def svdvals(matrix: ArrayLike, weights: ArrayLike) -> tuple[Array, Array]:
    """Singular values and the gradient of their weighted sum; see `spectralgrad.frameworks`."""
    return _gradient(lambda a: jnp.linalg.svd(a, compute_uv=False), matrix, weights)


# It is compiled for a few calls: to optimise would take longer than it saves.
@partial(jax.jit, static_argnums=0, compiler_options={"xla_backend_optimization_level": 0})
def _vjp(function: Callable[[Any], Any], matrix: jax.Array, cotangent: jax.Array) -> jax.Array:
    value, pullback = jax.vjp(function, matrix)
    # JAX takes and returns conjugates.
    gradient: jax.Array = pullback(jnp.conj(cotangent).astype(value.dtype))[0]
    return gradient.conj()


def vjp(function: Callable[[Any], Any], matrix: ArrayLike, cotangent: ArrayLike) -> Array:
    """Gradient of Re Σ conj(Cᵢⱼ) f(A)ᵢⱼ; see `spectralgrad.frameworks`."""
    with jax.enable_x64(True):
        return np.asarray(_vjp(function, jnp.asarray(matrix), jnp.asarray(cotangent)))
