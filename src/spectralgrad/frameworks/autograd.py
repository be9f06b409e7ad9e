"""NumPy with HIPS autograd."""

from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import autograd
import autograd.core
import autograd.numpy as anp
import numpy as np
from numpy.typing import ArrayLike

from spectralgrad.theory.arrays import Array

NAME = "autograd"
VERSION = version("autograd")


def _gradient(
    function: Callable[[Any], Any], matrix: ArrayLike, weights: ArrayLike
) -> tuple[Array, Array]:
    matrix = np.asarray(matrix)
    values = function(matrix)
    weights = np.asarray(weights, dtype=values.dtype)
    gradient = autograd.grad(lambda a: anp.sum(function(a) * weights))(matrix)
    return values, gradient


def eigvalsh(matrix: ArrayLike, weights: ArrayLike) -> tuple[Array, Array]:
    """Eigenvalues and the gradient of their weighted sum; see `spectralgrad.frameworks`."""
    # autograd has no gradient for eigvalsh itself.
    return _gradient(lambda a: anp.linalg.eigh(a)[0], matrix, weights)


def svdvals(matrix: ArrayLike, weights: ArrayLike) -> tuple[Array, Array]:
    """Singular values and the gradient of their weighted sum; see `spectralgrad.frameworks`."""
    return _gradient(lambda a: anp.linalg.svd(a, compute_uv=False), matrix, weights)


def vjp(function: Callable[[Any], Any], matrix: ArrayLike, cotangent: ArrayLike) -> Array:
    """Gradient of Re Σ conj(Cᵢⱼ) f(A)ᵢⱼ; see `spectralgrad.frameworks`."""
    pullback, value = autograd.core.make_vjp(function, np.asarray(matrix))
    # autograd takes and returns conjugates.
    gradient: Array = pullback(np.conj(cotangent).astype(np.asarray(value).dtype))
    return gradient.conj()
