"""Three ways to write one gradient with respect to a Hermitian matrix.

A gradient G of f satisfies df = Re Σ conj(Gᵢⱼ) dAᵢⱼ. If dA is Hermitian, then only the Hermitian
part of G counts, so that many arrays G say the same. Three of them are in use: ``"symmetric"``, the
Hermitian one; ``"lower"``, zero above the diagonal and twice that below it; and ``"upper"``.

The last dimensions of an array are those of the matrix; what stands before is a stack, except where
``(n, n)`` is written. Results have the dtype of the argument.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from spectralgrad.theory.arrays import Array, Convention, MatrixError, as_inexact, is_sparse

#: The ways to write a gradient with respect to a Hermitian matrix.
CONVENTIONS: tuple[Convention, ...] = ("symmetric", "lower", "upper")

# Rows of a product that are computed at once: few enough that little is computed twice, and enough
# for the matrix product of the library to be as fast as it is for large matrices.
BLOCK = 128


def adjoint(matrix: Any) -> Any:
    """Aᴴ, of (..., m, n) or sparse; a view if A is real."""
    transposed = matrix.T if is_sparse(matrix) else np.asarray(matrix).swapaxes(-1, -2)
    return transposed.conj() if np.iscomplexobj(transposed) else transposed


def skew_part(matrix: ArrayLike) -> Array:
    """(A − Aᴴ)/2."""
    half = np.asarray(matrix) / 2
    return half - adjoint(half)


def hermitian_part(matrix: Any) -> Any:
    """(A + Aᴴ)/2; A may be sparse."""
    # SciPy makes a float64 of a float32 that is divided.
    half = matrix * 0.5 if is_sparse(matrix) else np.asarray(matrix) / 2
    return half + adjoint(half)


def hermitian_product(left: Array, right: Array) -> Array:
    """Return left @ rightᴴ where that is Hermitian: only blocks of one triangle are computed.

    The product has the shape and the dtype of the left factor, which is made from the right one.
    """
    right = adjoint(right)
    n = left.shape[-2]
    if n <= BLOCK:
        return hermitian_part(left @ right)
    product = np.empty(left.shape, left.dtype)
    for start in range(0, n, BLOCK):
        rows = slice(start, start + BLOCK)
        product[..., rows, : rows.stop] = left[..., rows, :] @ right[..., : rows.stop]
        product[..., rows, rows] = hermitian_part(product[..., rows, rows])
        product[..., :start, rows] = adjoint(product[..., rows, :start])
    return product


def convert(gradient: ArrayLike, convention: Convention) -> Array:
    """Write a gradient in another convention; df stays the same for every Hermitian dA.

    It may be given in any of them: they share their Hermitian part, so none needs to be named. A
    convention that is none of the three is a ValueError.
    """
    if convention not in CONVENTIONS:
        raise ValueError(f"unknown convention {convention!r}; choose from {', '.join(CONVENTIONS)}")
    symmetric = hermitian_part(gradient)
    if convention == "symmetric":
        return symmetric
    triangle = np.tril if convention == "lower" else np.triu
    diagonal = np.eye(symmetric.shape[-1], dtype=symmetric.dtype)
    return triangle((2 - diagonal) * symmetric)


def recognise(gradient: ArrayLike, *, tolerance: float) -> tuple[Convention, ...]:
    """Name the conventions in which a gradient, (n, n), can be written as it stands.

    In the order of `CONVENTIONS`. None, if the gradient is neither Hermitian nor triangular; all
    three if it is diagonal, because then they coincide. The tolerance is for the distance, in
    Frobenius norm, of the gradient from its own conversion.
    """
    gradient = np.asarray(gradient)
    return tuple(
        convention
        for convention in CONVENTIONS
        if np.linalg.norm(gradient - convert(gradient, convention)) <= tolerance
    )


def require_hermitian(matrix: ArrayLike, label: str = "the matrix") -> Array:
    """Return the Hermitian part of a matrix, (n, n), that is Hermitian up to rounding.

    float64, where the dtype of the matrix is not inexact. A MatrixError, which calls it ``label``,
    is raised if it is not square, or differs from its conjugate transpose by more than
    ``n · eps · max|A|``; the message names the entry that differs most, and says how far the whole
    matrix is from its conjugate transpose.
    """
    matrix = as_inexact(matrix)
    rows, columns = matrix.shape
    if rows != columns:
        need = "eigenvalues of a Hermitian matrix need a square one"
        raise MatrixError(f"is {rows} × {columns}", need, source=label)
    difference = abs(matrix - matrix.conj().T)
    i, j = np.unravel_index(difference.argmax(), matrix.shape)
    if difference[i, j] > rows * np.finfo(matrix.dtype).eps * abs(matrix).max():
        kind, sign, conjugate = "symmetric", "ᵀ", ""
        if np.iscomplexobj(matrix):
            kind, sign, conjugate = "Hermitian", "ᴴ", ", not the conjugate"
        fault = f"holds {matrix[i, j]}, and its mirror image is {matrix[j, i]}{conjugate}"
        if i == j:
            fault = f"holds {matrix[i, j]}, but the diagonal of a Hermitian matrix is real"
        far = np.divide(*(np.sqrt((abs(x) ** 2).sum()) for x in (difference, matrix)))
        raise MatrixError(
            f"{fault} (‖A − A{sign}‖ is {far:.1e} times ‖A‖)",
            f"make the matrix {kind}, or ask for its singular values",
            source=label,
            place=f"row {i + 1}, column {j + 1}",
        )
    return hermitian_part(matrix)
