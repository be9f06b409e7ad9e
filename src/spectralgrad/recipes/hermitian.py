"""Rules of functions of a Hermitian matrix, V f(Λ) Vᴴ, and of their traces.

A rule is given by `Tables`: f(λᵢ) and its divided differences, by formulas in which nothing is
subtracted that may be equal. Where f is constant, or linear, on each of several *pieces* of the
spectrum (kept and dropped eigenvalues), the second derivative is made of products of matrices.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from spectralgrad.recipes import differences, rules
from spectralgrad.recipes.rules import Factors, Namespace, Option, Options, Rule, Tensor


class Tables(NamedTuple):
    """What a rule needs of a function of the eigenvalues, each part when it is called.

    ``function()`` and ``first()`` are f(λᵢ) and Fᵢⱼ = f[λᵢ, λⱼ]; ``within(b, c)``, or None for 0,
    is Σₖ f[λᵢ, λₖ, λⱼ] Bᵢₖ Cₖⱼ within a piece. If there are several, ``pieces()`` gives their
    numbers and λᵢ as they count there.
    """

    function: Callable[[], Tensor]
    first: Callable[[], Tensor]
    within: Callable[[Tensor, Tensor], Tensor] | None = None
    pieces: Callable[[], Factors] | None = None


def decompose(xp: Namespace, matrix: Tensor) -> Factors:
    """λ and V of the Hermitian part."""
    require_square(matrix)
    # So that no triangle is read more than the other, and the symmetric gradient is the gradient.
    values, v = xp.eigh(xp.hermitian_part(matrix))
    return values, v


def require_square(matrix: Tensor) -> None:
    """Refuse a matrix that cannot be Hermitian."""
    m, n = rules.sizes(matrix)
    if m != n:
        raise ValueError(f"the matrix is {m} × {n}; a Hermitian one is square")


def first_derivative(xp: Namespace, v: Tensor, first: Tensor, b: Tensor) -> Tensor:
    """V (F ∘ VᴴBV) Vᴴ (eq-recipes-hermitian), by Daleckii and Krein (1965)."""
    vh = xp.adjoint(v)
    return v @ xp.times(first, vh @ b @ v) @ vh


def second_derivative(xp: Namespace, tables: Tables, b: Tensor, c: Tensor) -> Tensor:
    """Σₖ f[λᵢ, λₖ, λⱼ] (Bᵢₖ Cₖⱼ + Cᵢₖ Bₖⱼ) (eq-recipes-second), in the basis of eigenvectors."""
    parts = [] if tables.within is None else [tables.within]
    if tables.pieces is not None:
        parts.append(partial(between_pieces, xp, tables.first(), *tables.pieces()))
    if not parts:
        raise NotImplementedError("the tables of this rule say nothing of a second derivative")
    return sum(part(b, c) + part(c, b) for part in parts)


def by_table(xp: Namespace, table: Callable[[], Tensor]) -> Callable[[Tensor, Tensor], Tensor]:
    """Σₖ f[λᵢ, λₖ, λⱼ] Bᵢₖ Cₖⱼ from a table, (..., n, n, n)."""

    def within(b: Tensor, c: Tensor) -> Tensor:
        return xp.einsum("...ikj,...ik,...kj->...ij", xp.cast(table(), b), b, c)

    return within


def smooth(
    xp: Namespace, x: Tensor, f: Callable[..., Tensor], first: Callable[..., Tensor], d2f: Option
) -> Tables:
    """Tables of a function, from f, its divided differences and f″ as functions of the values."""

    def second() -> Tensor:
        return differences.second(xp, x, first(x), d2f)

    return Tables(lambda: f(x), lambda: first(x), by_table(xp, second))


def between_pieces(
    xp: Namespace, first: Tensor, pieces: Tensor, values: Tensor, b: Tensor, c: Tensor
) -> Tensor:
    """The part of Σₖ f[λᵢ, λₖ, λⱼ] Bᵢₖ Cₖⱼ in which the three are not of one piece."""
    (pi, pj), (li, lj) = xp.pairs(pieces), xp.pairs(values)
    apart = (pi != pj) & (li != lj)
    d = xp.inverse(li - lj, apart)
    fb, fc, db = xp.times(first, b), xp.times(first, c), xp.times(d, b)
    within = xp.times(first, db @ c) - db @ fc
    return xp.times(d, fb @ c - b @ fc) + xp.times(xp.cast(pi == pj, d), within)


def hermitian_function(tables: Callable[..., Tables], **fields: Any) -> Rule:
    """Rule of V f(Λ) Vᴴ, declared by ``tables(xp, values, *options)``, with other fields."""

    def formula(xp: Namespace, factors: Factors, options: Options, *directions: Tensor) -> Tensor:
        values, v = factors
        found = tables(xp, values, *options)
        if not directions:
            return xp.times(found.function()[..., None, :], v) @ xp.adjoint(v)
        b, *others = map(xp.hermitian_part, directions)
        if not others:
            return first_derivative(xp, v, found.first(), b)
        vh = xp.adjoint(v)
        inner = second_derivative(xp, found, *(vh @ x @ v for x in (b, *others)))
        return v @ inner @ vh

    return Rule(decompose, formula, tables, "λ", **fields)


@hermitian_function
def function(xp: Namespace, values: Tensor, f: Option, df: Option, d2f: Option = None) -> Tables:
    """A function of a Hermitian matrix, V f(Λ) Vᴴ.

    Parameters
    ----------
    f, df, d2f : function
        f, f′ and f″ of an array of real numbers, entry by entry, in the framework's own functions.
        They are evaluated between the eigenvalues too, and without d2f there is no second
        derivative. What else they depend on gets no gradient.
    """
    return smooth(xp, values, f, lambda x: differences.first(xp, x, f, df), d2f or _missing)


def _missing(x: Tensor) -> Tensor:
    raise TypeError("d2f is missing: this derivative needs f″")


def _slope(xp: Namespace, values: Tensor, f: Option, df: Option, d2f: Option = None) -> Tables:
    return Tables(lambda: df(values), lambda: differences.first(xp, values, df, d2f or _missing))


@partial(rules.real_function, hermitian_function(_slope))
def trace_function(
    xp: Namespace, factors: Factors, f: Option, df: Option, d2f: Option = None
) -> Tensor:
    """Σ f(λᵢ), the trace of V f(Λ) Vᴴ, with the gradient V f′(Λ) Vᴴ.

    One eigenvalue has no second derivative where it is tied, and so has a list of them none; a sum
    of a function of all of them has.

    Parameters
    ----------
    f, df, d2f : function
        As for `function`.
    """
    return xp.sum(f(factors[0]), axis=-1)


def positive(xp: Namespace, values: Tensor, rtol: float, tables: Callable[[Tensor], Any]) -> Tables:
    """Tables of a function of positive eigenvalues that is 0 on those that count as 0.

    So it is smooth along matrices of the same rank, and near them. ``tables``, those of positive
    values, get 1 in the place of a zero.
    """
    kept = xp.abs(values) > rtol * xp.abs(values[..., -1:])
    known = xp.known(kept)
    if known is not None and known.all():
        return tables(values)
    x = xp.where(kept, values, 1)
    found = tables(x)

    def f() -> Tensor:
        return xp.where(kept, found.function(), 0)

    def first() -> Tensor:
        (ki, kj), (edge_i, edge_j) = xp.pairs(kept), xp.pairs(f() / x)
        return xp.where(ki & kj, found.first(), edge_i + edge_j)

    def within(b: Tensor, c: Tensor) -> Tensor:
        ki, kj = xp.pairs(xp.cast(kept, b))
        return ki * found.within(ki * b * kj, ki * c * kj) * kj

    return Tables(f, first, within, lambda: (xp.cast(kept, values), xp.where(kept, values, 0)))


@hermitian_function
def sqrtm(xp: Namespace, values: Tensor, rtol: Option = None) -> Tables:
    """The positive semidefinite square root: Fᵢⱼ = 1/(√λᵢ + √λⱼ).

    An eigenvalue that counts as 0 has the root 0, and the derivatives are those along matrices of
    the same rank. Where one is negative, there is no root, and the result is not finite.
    """

    def tables(x: Tensor) -> Tables:
        def first() -> Tensor:
            one, other = xp.pairs(xp.sqrt(x))
            return xp.reciprocal(one + other)

        def within(b: Tensor, c: Tensor) -> Tensor:
            # S dX + dX S = B, once more differentiated.
            f = first()
            return -xp.times(f, xp.times(f, b) @ xp.times(f, c))

        return Tables(lambda: xp.sqrt(x), first, within)

    return positive(xp, values, rtol, tables)


@hermitian_function
def inv_sqrtm(xp: Namespace, values: Tensor, rtol: Option = None) -> Tables:
    """The inverse of the square root: Fᵢⱼ = −1/(√λᵢ √λⱼ (√λᵢ + √λⱼ)).

    Zeros are those of `sqrtm`: of a singular matrix it is the pseudo-inverse of the root.
    """
    return powm.declared(xp, values, -0.5, rtol)


@hermitian_function
def powm(xp: Namespace, values: Tensor, p: float, rtol: Option = None) -> Tables:
    """The power Sᵖ of a positive semidefinite matrix.

    Zeros are those of `sqrtm`: they stay 0, also where p is negative.

    Parameters
    ----------
    p : float
        The exponent.
    """
    first, d2f = partial(differences.power, xp, p=p), lambda x: p * (p - 1) * x ** (p - 2)
    return positive(xp, values, rtol, lambda x: smooth(xp, x, lambda x: x**p, first, d2f))


@hermitian_function
def logm(xp: Namespace, values: Tensor) -> Tables:
    """The logarithm of a positive definite matrix; of another one it is not finite."""
    return smooth(xp, values, xp.log, partial(differences.logarithm, xp), lambda x: -1 / x**2)


@hermitian_function
def expm(xp: Namespace, values: Tensor) -> Tables:
    """The exponential of a Hermitian matrix."""
    return smooth(xp, values, xp.exp, partial(differences.exponential, xp), xp.exp)


def _below(n: int, rank: int, rtol: float) -> list[rules.Pair]:
    return [(n - rank, n - rank - 1)] if 0 < rank < n else []


@partial(hermitian_function, cut=_below)
def projector(xp: Namespace, values: Tensor, rank: int, rtol: Option = None) -> Tables:
    """The orthogonal projector on the eigenvectors of the r largest eigenvalues."""
    kept = xp.positions(values) >= values.shape[-1] - rank
    ones = xp.cast(kept, values)

    def first() -> Tensor:
        (one, other), (is_kept, other_is) = xp.pairs(values), xp.pairs(kept)
        return xp.inverse(xp.abs(one - other), is_kept != other_is)

    return Tables(lambda: ones, first, None, lambda: (ones, values))
