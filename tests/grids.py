"""Matrices of which the whole spectrum is known: paths, and grids, which have exact ties."""

import numpy as np
import scipy.sparse as sp


def path(n):
    """The second difference on n points, 0 at both ends."""
    return sp.diags_array([-np.ones(n - 1), np.full(n, 2.0), -np.ones(n - 1)], offsets=[-1, 0, 1])


def path_pairs(n):
    """Its eigenvalues, ascending, and its eigenvectors."""
    j = np.arange(1, n + 1)
    vectors = np.sqrt(2 / (n + 1)) * np.sin(np.pi * np.outer(j, j) / (n + 1))
    return 4 * np.sin(np.pi * j / (2 * (n + 1))) ** 2, vectors


def grid(m, n):
    """The Laplacian of a drum of m × n points; square ones have ties."""
    return (sp.kron(path(m), sp.eye_array(n)) + sp.kron(sp.eye_array(m), path(n))).tocsr()


def grid_values(m, n):
    """Its eigenvalues, ascending."""
    return np.sort(np.add.outer(path_pairs(m)[0], path_pairs(n)[0]), axis=None)
