"""PyTorch."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike

from spectralgrad.theory.arrays import Array

NAME = "torch"
VERSION = torch.__version__.split("+")[0]


def _gradient(
    function: Callable[[Any], Any], matrix: ArrayLike, cotangent: ArrayLike
) -> tuple[Array, Array]:
    a = torch.tensor(np.asarray(matrix), requires_grad=True)
    value = function(a)
    value.backward(torch.tensor(cotangent, dtype=value.dtype))
    return value.detach().resolve_conj().numpy(), a.grad.resolve_conj().numpy()


def eigvalsh(matrix: ArrayLike, weights: ArrayLike) -> tuple[Array, Array]:
    """Eigenvalues and the gradient of their weighted sum; see `spectralgrad.frameworks`."""
    return _gradient(torch.linalg.eigvalsh, matrix, weights)


def svdvals(matrix: ArrayLike, weights: ArrayLike) -> tuple[Array, Array]:
    """Singular values and the gradient of their weighted sum; see `spectralgrad.frameworks`."""
    return _gradient(torch.linalg.svdvals, matrix, weights)


def vjp(function: Callable[[Any], Any], matrix: ArrayLike, cotangent: ArrayLike) -> Array:
    """Gradient of Re Σ conj(Cᵢⱼ) f(A)ᵢⱼ; see `spectralgrad.frameworks`."""
    return _gradient(function, matrix, cotangent)[1]
