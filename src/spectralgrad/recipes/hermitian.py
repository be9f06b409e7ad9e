"""Rules of functions of a Hermitian matrix, V f(Λ) Vᴴ.

A rule is given by two tables, f(λᵢ) and the divided differences Fᵢⱼ = (f(λᵢ) − f(λⱼ))/(λᵢ − λⱼ),
by a formula in which nothing is subtracted that may be equal. `spectralgrad.recipes`
says what ``matrix`` and ``rtol`` are.
"""

from collections.abc import Callable
from functools import partial

from spectralgrad.recipes import rules
from spectralgrad.recipes.rules import Factors, Namespace, Option, Rule, Tensor
from spectralgrad.theory import spectrum


def decompose(xp: Namespace, matrix: Tensor) -> Factors:
    """λ and V of the Hermitian part."""
    if matrix.shape[-1] != matrix.shape[-2]:
        m, n = matrix.shape[-2:]
        raise ValueError(f"the matrix is {m} × {n}; a Hermitian one is square")
    # So that no triangle is read more than the other, and the symmetric gradient is the gradient.
    values, v = xp.eigh(xp.hermitian_part(matrix))
    return values, v + xp.cast(xp.mark(values[..., 1:] - values[..., :-1], values), v)


def default_rtol(xp: Namespace, factors: Factors) -> float:
    """What `spectralgrad.theory.spectrum.default_rtol` says of eigenvalues."""
    values, v = factors
    return spectrum.default_rtol(v.shape[-2:], xp.dtype(values))


def hermitian_function(tables: Callable[..., Factors], cut: rules.Cut | None = None) -> Rule:
    """Rule of V f(Λ) Vᴴ: the gradient is V (F ∘ VᴴCV) Vᴴ (eq-recipes-hermitian).

    ``tables(xp, values, *options)`` gives f(λᵢ) and F; its name, docstring and options are those of
    the operation, and rtol, if it is one, comes as a number. ``cut(n, *options)`` gives the places
    of the larger and the smaller of two eigenvalues that have to be apart by more than the last
    option, rtol, or None. The formula is that of Daleckii and Krein (1965).
    """

    def value(xp: Namespace, factors: Factors, *options: Option) -> Tensor:
        values, v = factors
        function, _ = tables(xp, values, *rules.chosen(options, default_rtol, xp, factors))
        return xp.times(function[..., None, :], v) @ xp.adjoint(v)

    def pullback(xp: Namespace, factors: Factors, c: Tensor, *options: Option) -> Tensor:
        values, v = factors
        options = rules.chosen(options, default_rtol, xp, factors)
        if cut and (pair := cut(values.shape[-1], *options)):
            c = rules.require_open(xp, c, values, pair, options[-1], "λ")
        _, f = tables(xp, values, *options)
        inner = xp.adjoint(v) @ xp.hermitian_part(c) @ v
        return v @ xp.times(f, inner) @ xp.adjoint(v)

    return Rule(decompose, value, pullback, tables)


@hermitian_function
def sqrtm(xp: Namespace, values: Tensor) -> Factors:
    """The positive definite square root: Fᵢⱼ = 1/(√λᵢ + √λⱼ).

    Where an eigenvalue is 0 there is no gradient, and where one is negative no root: then it is not
    finite. Of a zero, rounding makes either that or a small positive number, and then the gradient
    is finite and large, and means nothing.
    """
    roots = xp.sqrt(values)
    one, other = xp.pairs(roots)
    return roots, 1 / (one + other)


@hermitian_function
def expm(xp: Namespace, values: Tensor) -> Factors:
    """The exponential of a Hermitian matrix.

    Fᵢⱼ = exp(λᵢ) (1 − exp(−d))/d for d = λᵢ − λⱼ ≥ 0, and exp(λᵢ) for d = 0.
    """
    one, other = xp.pairs(values)
    gap = xp.abs(one - other)
    mean = xp.divide(-xp.expm1(-gap), gap, gap != 0, xp.ones_like(gap))
    return xp.exp(values), xp.exp(xp.maximum(one, other)) * mean


@partial(
    hermitian_function,
    cut=lambda n, rank, rtol: (n - rank, n - rank - 1) if 0 < rank < n else None,
)
def projector(xp: Namespace, values: Tensor, rank: int, rtol: Option = None) -> Factors:
    """The orthogonal projector on the eigenvectors of the r largest eigenvalues.

    Fᵢⱼ = 1/|λᵢ − λⱼ| between one of these and another one, and 0 otherwise. Where λₙ₋ᵣ₊₁ and λₙ₋ᵣ
    count as equal there is no gradient.

    Parameters
    ----------
    rank : int
        r, from 0 to n.
    """
    n = values.shape[-1]
    rules.require_sizes(n, n)
    if rank > n:
        raise ValueError(f"rank: {rank} will not do for a matrix of {n} rows; give 0 to {n}")
    kept = xp.positions(values) >= n - rank
    (one, other), (is_kept, other_is) = xp.pairs(values), xp.pairs(kept)
    gap = xp.abs(one - other)
    return xp.cast(kept, values), xp.divide(1, gap, is_kept != other_is, xp.zeros_like(gap))
