"""Rules of functions of a Hermitian matrix, V f(Λ) Vᴴ, and of their traces.

A rule is given by `Tables`: f(λᵢ) and its divided differences, by formulas in which nothing is
subtracted that may be equal. `spectralgrad.recipes` says what ``matrix`` and ``rtol`` are.

Where f is constant, or linear, on each of several *pieces* of the spectrum (kept and dropped
eigenvalues), its divided difference of second order is 0 within a piece, and else the quotient of
two of first order by a distance between pieces: for λᵢ and λⱼ of different ones
(Fᵢₖ − Fₖⱼ)/(λᵢ − λⱼ), and for λᵢ and λⱼ of one and λₖ of another (Fᵢⱼ − Fₖⱼ)/(λᵢ − λₖ). So the
second derivative is made of products of matrices, the solutions X of Sylvester's equation
Λ X − X Λ = B between the pieces among them.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from spectralgrad.recipes import differences, rules
from spectralgrad.recipes.rules import Cut, Factors, Namespace, Option, Options, Rule, Sum, Tensor
from spectralgrad.theory import spectrum


@dataclass(frozen=True)
class Tables:
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
    m, n = matrix.shape[-2:]
    rules.require_sizes(m, n)
    if m != n:
        raise ValueError(f"the matrix is {m} × {n}; a Hermitian one is square")


def default_rtol(xp: Namespace, factors: Factors) -> float:
    """What `spectralgrad.theory.spectrum.default_rtol` says of eigenvalues."""
    values, v = factors
    return spectrum.default_rtol(v.shape[-2:], xp.dtype(values))


def first_derivative(xp: Namespace, v: Tensor, first: Tensor, b: Tensor) -> Tensor:
    """V (F ∘ VᴴBV) Vᴴ (eq-recipes-hermitian), by Daleckii and Krein (1965)."""
    vh = xp.adjoint(v)
    return v @ xp.times(first, vh @ b @ v) @ vh


def second_derivative(xp: Namespace, tables: Tables, b: Tensor, c: Tensor) -> Tensor:
    """Σₖ f[λᵢ, λₖ, λⱼ] (Bᵢₖ Cₖⱼ + Cᵢₖ Bₖⱼ) (eq-recipes-second), in the basis of eigenvectors."""
    parts: list[Callable[[Tensor, Tensor], Tensor]] = []
    if tables.pieces is not None:
        parts.append(partial(between_pieces, xp, tables.first(), *tables.pieces()))
    if tables.within is not None:
        parts.append(tables.within)
    if not parts:
        raise NotImplementedError("the tables of this rule say nothing of a second derivative")
    return sum(part(b, c) + part(c, b) for part in parts)


def by_table(xp: Namespace, table: Callable[[], Tensor]) -> Callable[[Tensor, Tensor], Tensor]:
    """Σₖ f[λᵢ, λₖ, λⱼ] Bᵢₖ Cₖⱼ from a table, (..., n, n, n)."""

    def within(b: Tensor, c: Tensor) -> Tensor:
        return xp.einsum("...ikj,...ik,...kj->...ij", xp.cast(table(), b), b, c)

    return within


def between_pieces(
    xp: Namespace, first: Tensor, pieces: Tensor, values: Tensor, b: Tensor, c: Tensor
) -> Tensor:
    """The part of Σₖ f[λᵢ, λₖ, λⱼ] Bᵢₖ Cₖⱼ in which the three are not of one piece."""
    (pi, pj), (li, lj) = xp.pairs(pieces), xp.pairs(values)
    apart = (pi != pj) & (li != lj)
    d = xp.divide(xp.ones_like(li - lj), li - lj, apart, xp.zeros_like(li - lj))
    fb, fc, db = xp.times(first, b), xp.times(first, c), xp.times(d, b)
    within = xp.times(first, db @ c) - db @ fc
    return xp.times(d, fb @ c - b @ fc) + xp.times(xp.cast(pi == pj, d), within)


def hermitian_function(
    tables: Callable[..., Tables],
    cut: Callable[..., list[rules.Pair]] = lambda n, *options: [],
    decompose: Callable[..., Factors] = decompose,
) -> Rule:
    """Rule of V f(Λ) Vᴴ, from ``tables(xp, values, *options)``.

    Their name, docstring and options are those of the operation; ``cut(n, *options)`` gives the
    places of pairs of n eigenvalues that have to be apart.
    """

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

    def pairs(xp: Namespace, factors: Factors, options: Options) -> Cut:
        return factors[0], cut(factors[0].shape[-1], *options)

    return Rule(decompose, formula, tables, pairs, default_rtol, "λ")


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

    def first() -> Tensor:
        return differences.first(xp, values, f, df)

    def second() -> Tensor:
        return differences.second(xp, values, first(), _given(d2f))

    return Tables(lambda: f(values), first, by_table(xp, second))


def _given(d2f: Option) -> Option:
    if d2f is None:
        raise TypeError("d2f is missing: this derivative needs f″")
    return d2f


def _slope(xp: Namespace, values: Tensor, f: Option, df: Option, d2f: Option = None) -> Tables:
    return Tables(lambda: df(values), lambda: differences.first(xp, values, df, _given(d2f)))


@partial(Sum, gradient=replace(hermitian_function(_slope), orders=1))
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


def positive(
    xp: Namespace,
    values: Tensor,
    rtol: float,
    f: Callable[[Tensor], Tensor],
    first: Callable[[Tensor], Tensor],
    within: Callable[[Tensor, Tensor, Tensor], Tensor],
) -> Tables:
    """Tables of a function of positive eigenvalues that is 0 on those that count as 0.

    So it is smooth along matrices of the same rank, and near them. The functions, which make the
    tables of positive values, get 1 in the place of a zero.
    """
    kept = xp.abs(values) > rtol * xp.largest(values)
    x = xp.where(kept, values, xp.ones_like(values))
    zeros = xp.zeros_like(values)

    def first_of_all() -> Tensor:
        (ki, kj), edges = xp.pairs(kept), xp.where(kept, f(x) / x, zeros)
        edge_i, edge_j = xp.pairs(edges)
        return xp.where(ki & kj, first(x), edge_i + edge_j)

    def within_kept(b: Tensor, c: Tensor) -> Tensor:
        ki, kj = xp.pairs(xp.cast(kept, b))
        return ki * within(x, ki * b * kj, ki * c * kj) * kj

    return Tables(
        lambda: xp.where(kept, f(x), zeros),
        first_of_all,
        within_kept,
        lambda: (xp.cast(kept, values), xp.where(kept, values, zeros)),
    )


@hermitian_function
def sqrtm(xp: Namespace, values: Tensor, rtol: Option = None) -> Tables:
    """The positive semidefinite square root: Fᵢⱼ = 1/(√λᵢ + √λⱼ).

    An eigenvalue that counts as 0 has the root 0, and the derivatives are those along matrices of
    the same rank. Where one is negative, there is no root, and the result is not finite.
    """

    def first(x: Tensor) -> Tensor:
        one, other = xp.pairs(xp.sqrt(x))
        return xp.reciprocal(one + other)

    def within(x: Tensor, b: Tensor, c: Tensor) -> Tensor:
        # S dX + dX S = B, once more differentiated.
        f = first(x)
        return -xp.times(f, xp.times(f, b) @ xp.times(f, c))

    return positive(xp, values, rtol, xp.sqrt, first, within)


@hermitian_function
def inv_sqrtm(xp: Namespace, values: Tensor, rtol: Option = None) -> Tables:
    """The inverse of the square root: Fᵢⱼ = −1/(√λᵢ √λⱼ (√λᵢ + √λⱼ)).

    Zeros are those of `sqrtm`: of a singular matrix it is the pseudo-inverse of the root.
    """
    tables: Tables = powm.declared(xp, values, -0.5, rtol)
    return tables


@hermitian_function
def powm(xp: Namespace, values: Tensor, p: float, rtol: Option = None) -> Tables:
    """The power Sᵖ of a positive semidefinite matrix.

    Zeros are those of `sqrtm`: they stay 0, also where p is negative.

    Parameters
    ----------
    p : float
        The exponent.
    """

    def first(x: Tensor) -> Tensor:
        return differences.power(xp, x, p)

    def within(x: Tensor, b: Tensor, c: Tensor) -> Tensor:
        def table() -> Tensor:
            return differences.second(xp, x, first(x), lambda x: p * (p - 1) * x ** (p - 2))

        return by_table(xp, table)(b, c)

    return positive(xp, values, rtol, lambda x: x**p, first, within)


@hermitian_function
def logm(xp: Namespace, values: Tensor) -> Tables:
    """The logarithm of a positive definite matrix; of another one it is not finite."""

    def first() -> Tensor:
        return differences.logarithm(xp, values)

    def second() -> Tensor:
        return differences.second(xp, values, first(), lambda x: -1 / x**2)

    return Tables(lambda: xp.log(values), first, by_table(xp, second))


@hermitian_function
def expm(xp: Namespace, values: Tensor) -> Tables:
    """The exponential of a Hermitian matrix."""

    def first() -> Tensor:
        return differences.exponential(xp, values)

    def second() -> Tensor:
        return differences.second(xp, values, first(), xp.exp)

    return Tables(lambda: xp.exp(values), first, by_table(xp, second))


def _require_rank(rank: int, n: int) -> list[rules.Pair]:
    if rank > n:
        raise ValueError(f"rank: {rank} will not do for a matrix of {n} rows; give 0 to {n}")
    return [(n - rank, n - rank - 1)] if 0 < rank < n else []


@partial(hermitian_function, cut=lambda n, rank, rtol: _require_rank(rank, n))
def projector(xp: Namespace, values: Tensor, rank: int, rtol: Option = None) -> Tables:
    """The orthogonal projector on the eigenvectors of the r largest eigenvalues."""
    n = values.shape[-1]
    _require_rank(rank, n)
    kept = xp.positions(values) >= n - rank
    ones = xp.cast(kept, values)

    def first() -> Tensor:
        (one, other), (is_kept, other_is) = xp.pairs(values), xp.pairs(kept)
        gap = xp.abs(one - other)
        return xp.divide(xp.ones_like(gap), gap, is_kept != other_is, xp.zeros_like(gap))

    return Tables(lambda: ones, first, None, lambda: (ones, values))
