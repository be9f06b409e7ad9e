"""Matrices at which a rule has to be tried: in general position, and where it is hard.

Never diagonal: each is turned by random orthogonal or unitary matrices. The spectrum is known
beforehand, and the factors let a reference be computed without a decomposition.
"""

from dataclasses import dataclass

import numpy as np
import scipy.linalg

SIZES = (3, 5, 20, 100)
SPECTRA = ("regular", "tied", "nearly tied", "graded", "large", "small")
DTYPES = (np.float64, np.float32, np.complex128, np.complex64)


@dataclass(frozen=True, eq=False)
class Hard:
    """A matrix, and the factors in double precision that it was made from.

    A Hermitian one is V diag(values) Vᴴ with ascending values and ``left`` = ``right`` = V; a
    general one U diag(values) Vᴴ with descending values, thin. The matrix has been rounded to its
    dtype, so that a reference made from the factors differs by its condition times rounding.
    """

    matrix: np.ndarray
    values: np.ndarray
    left: np.ndarray
    right: np.ndarray


def orthonormal(rng, m, k, *, is_complex):
    """Random orthonormal columns."""
    drawn = rng.standard_normal((m, k))
    if is_complex:
        drawn = drawn + 1j * rng.standard_normal((m, k))
    return np.linalg.qr(drawn)[0]


def values(kind, k, rng, dtype=np.float64):
    """Positive values, ascending, with gaps of about 1/k unless the kind says otherwise.

    "tied": the two smallest are equal, and so are the two largest if there are four. "nearly
    tied": the two smallest differ by 100 times the error of the precision. "graded": from 1 down
    to the cube root of eps. "large" and "small": regular, times 1e6 or 1e-6.
    """
    eps = float(np.finfo(dtype).eps)
    found = (1 + np.arange(k) + 0.3 * rng.random(k)) / k
    if kind == "tied":
        found[1] = found[0]
        if k >= 4:
            found[-1] = found[-2]
    elif kind == "nearly tied":
        found[1] = found[0] + 100 * eps * found[-1]
    elif kind == "graded":
        found = np.geomspace(eps ** (1 / 3), 1, k)
    elif kind in ("large", "small"):
        found = found * (1e6 if kind == "large" else 1e-6)
    elif kind != "regular":
        raise ValueError(kind)
    return found


def hermitian(kind, n, dtype, rng, spectrum=None):
    """Symmetric or Hermitian, positive definite unless another spectrum is given, ascending."""
    found = values(kind, n, rng, dtype) if spectrum is None else np.asarray(spectrum, float)
    v = orthonormal(rng, n, n, is_complex=np.issubdtype(dtype, np.complexfloating))
    matrix = (v * found) @ v.conj().T
    return Hard(((matrix + matrix.conj().T) / 2).astype(dtype), found, v, v)


def general(kind, m, n, dtype, rng, spectrum=None):
    """Of full rank unless another spectrum is given, descending."""
    k = min(m, n)
    found = values(kind, k, rng, dtype)[::-1] if spectrum is None else np.asarray(spectrum, float)
    is_complex = np.issubdtype(dtype, np.complexfloating)
    u, v = (orthonormal(rng, size, k, is_complex=is_complex) for size in (m, n))
    return Hard(((u * found) @ v.conj().T).astype(dtype), found, u, v)


def eigh(matrix):
    """Decompose in the precision of the matrix; NumPy does it in double and rounds."""
    return scipy.linalg.eigh(matrix, driver="evd")


def svd(matrix):
    """The thin decomposition, in the precision of the matrix."""
    return scipy.linalg.svd(matrix, full_matrices=False)
