"""NumPy with HIPS autograd."""

from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import autograd.numpy as anp
import numpy as np
from autograd.core import make_vjp
from numpy.typing import ArrayLike

from spectralgrad.theory.arrays import Array

NAME = "autograd"
VERSION = version("autograd")


def _gradient(
    function: Callable[[Any], Any], matrix: ArrayLike, cotangent: ArrayLike
) -> tuple[Array, Array]:
    pullback, value = make_vjp(function, np.asarray(matrix))
    return value, pullback(np.asarray(cotangent).astype(np.asarray(value).dtype))


def eigvalsh(matrix: ArrayLike, weights: ArrayLike) -> tuple[Array, Array]:
    """Eigenvalues and the gradient of their weighted sum; see `spectralgrad.frameworks`."""
    # autograd has no gradient for eigvalsh itself.
    return _gradient(lambda a: anp.linalg.eigh(a)[0], matrix, weights)


def svdvals(matrix: ArrayLike, weights: ArrayLike) -> tuple[Array, Array]:
    """Singular values and the gradient of their weighted sum; see `spectralgrad.frameworks`."""
    return _gradient(lambda a: anp.linalg.svd(a, compute_uv=False), matrix, weights)


def vjp(function: Callable[[Any], Any], matrix: ArrayLike, cotangent: ArrayLike) -> Array:
    """Gradient of Re Σ conj(Cᵢⱼ) f(A)ᵢⱼ; see `spectralgrad.frameworks`."""
    # autograd takes and returns conjugates.
    return _gradient(function, matrix, np.conj(cotangent))[1].conj()
