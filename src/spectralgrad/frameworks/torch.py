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
