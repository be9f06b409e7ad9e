"""NumPy with HIPS autograd."""

from importlib.metadata import version

import autograd
import autograd.core
import autograd.numpy as anp
import numpy as np

NAME = "autograd"
VERSION = version("autograd")


def _gradient(function, matrix, weights):
    matrix = np.asarray(matrix)
    values = function(matrix)
    weights = np.asarray(weights, dtype=values.dtype)
    gradient = autograd.grad(lambda a: anp.sum(function(a) * weights))(matrix)
    return values, gradient


def eigvalsh(matrix, weights):
    """Eigenvalues and the gradient of their weighted sum; see `spectralgrad.frameworks`."""
    # autograd has no gradient for eigvalsh itself.
    return _gradient(lambda a: anp.linalg.eigh(a)[0], matrix, weights)


def svdvals(matrix, weights):
    """Singular values and the gradient of their weighted sum; see `spectralgrad.frameworks`."""
    return _gradient(lambda a: anp.linalg.svd(a, compute_uv=False), matrix, weights)


def vjp(function, matrix, cotangent):
    """Gradient of Re Σ conj(Cᵢⱼ) f(A)ᵢⱼ; see `spectralgrad.frameworks`."""
    pullback, value = autograd.core.make_vjp(function, np.asarray(matrix))
    # autograd takes and returns conjugates.
    return pullback(np.conj(cotangent).astype(np.asarray(value).dtype)).conj()
