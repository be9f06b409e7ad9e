"""PyTorch."""

import numpy as np
import torch

NAME = "torch"
VERSION = torch.__version__.split("+")[0]


def _gradient(function, matrix, weights):
    a = torch.tensor(np.asarray(matrix), requires_grad=True)
    values = function(a)
    (values * torch.tensor(weights, dtype=values.dtype)).sum().backward()
    return values.detach().numpy(), a.grad.numpy()


def eigvalsh(matrix, weights):
    """Eigenvalues and the gradient of their weighted sum; see `spectralgrad.frameworks`."""
    return _gradient(torch.linalg.eigvalsh, matrix, weights)


def svdvals(matrix, weights):
    """Singular values and the gradient of their weighted sum; see `spectralgrad.frameworks`."""
    return _gradient(torch.linalg.svdvals, matrix, weights)


def vjp(function, matrix, cotangent):
    """Gradient of Re Σ conj(Cᵢⱼ) f(A)ᵢⱼ; see `spectralgrad.frameworks`."""
    a = torch.tensor(np.asarray(matrix), requires_grad=True)
    value = function(a)
    value.backward(torch.tensor(cotangent, dtype=value.dtype))
    return a.grad.resolve_conj().numpy()
