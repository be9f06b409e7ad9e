"""Rules of functions of the singular values, U f(Σ) Vᴴ, and of sums of them.

A rule is given by `Tables` in which nothing is subtracted that may be equal, and no quotient is of
zeros unless there is no derivative. They are divided differences of the odd function of ±σᵢ and
zeros, the eigenvalues of [[0, A], [Aᴴ, 0]] (Noferini 2017), of which U f(Σ) Vᴴ is the corner.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

from spectralgrad.recipes import hermitian, rules
from spectralgrad.recipes.rules import Factors, Namespace, Option, Options, Rule, Tensor


class Tables(NamedTuple):
    """What a rule needs of an odd function of ±σᵢ, each part when it is called.

    ``function()`` is f(σᵢ), and ``first()`` F⁻, or None for 0, and F⁺ (eq-recipes-tables) and
    f(σᵢ)/σᵢ. ``pieces`` numbers the pieces on which f is linear, 0 for that of zero; those of −σᵢ
    have the same numbers, or, if ``split``, the opposite ones. ``within(values, pieces, b, c)`` is
    that of `spectralgrad.recipes.hermitian.Tables`.
    """

    function: Callable[[], Tensor]
    first: Callable[[], Factors]
    pieces: Tensor
    split: bool
    within: Callable[..., Tensor] | None = None


def decompose(xp: Namespace, matrix: Tensor) -> Factors:
    """U, σ and Vᴴ, thin."""
    rules.sizes(matrix)
    u, s, vh = xp.svd(matrix)
    return u, s, vh


def first_derivative(xp: Namespace, factors: Factors, tables: Factors, b: Tensor) -> Tensor:
    """The derivative along B, in the symbols of eq-recipes-singular.

    The derivatives of U and V alone (Papadopoulo and Lourakis 2000; Ionescu, Vantzos and
    Sminchisescu 2015) have differences of singular values below the line; here they have gone.
    """
    (u, s, vh), (minus, plus, r) = factors, tables
    uh, v = xp.adjoint(u), xp.adjoint(vh)
    m = uh @ b @ v
    inner = xp.times(plus, xp.skew_part(m))
    if minus is not None:
        inner = inner + xp.times(minus, xp.hermitian_part(m))
    result = u @ inner @ vh
    if u.shape[-2] > s.shape[-1]:
        result = result + xp.times(r[..., None, :], b @ v - u @ m) @ vh
    if v.shape[-2] > s.shape[-1]:
        result = result + u @ xp.times(r[..., :, None], uh @ b - m @ vh)
    return result


def second_derivative(
    xp: Namespace, factors: Factors, tables: Tables, b: Tensor, c: Tensor
) -> Tensor:
    """The derivative along B and C, as the corner of that of [[0, A], [Aᴴ, 0]]."""
    u, s, vh = factors
    if u.shape[-2] < vh.shape[-1]:
        turned = xp.adjoint(vh), s, xp.adjoint(u)
        return xp.adjoint(second_derivative(xp, turned, tables, *map(xp.adjoint, (b, c))))
    left, right, of_both = dilated(xp, factors, tables)
    halves = [xp.adjoint(left) @ x @ right for x in (b, c)]
    inner = hermitian.second_derivative(xp, of_both, *(x + xp.adjoint(x) for x in halves))
    return left @ inner @ xp.adjoint(right)


def dilated(
    xp: Namespace, factors: Factors, tables: Tables
) -> tuple[Tensor, Tensor, hermitian.Tables]:
    """Upper and lower part of the eigenvectors of [[0, A], [Aᴴ, 0]], and the tables of its values.

    A is tall or square. In the place of a basis of the left null vectors stand the projections of
    all unit vectors: sums over the one and over the others are the same.
    """
    (u, s, vh), (minus, plus, r) = factors, tables.first()
    v, minus = xp.adjoint(vh), xp.zeros_like(plus) if minus is None else minus
    left, right, values = [u / 2**0.5, u / 2**0.5], [v / 2**0.5, -v / 2**0.5], [s, -s]
    # By places they are numbered once for all matrices of a stack.
    own = tables.pieces * xp.ones_like(s)
    pieces = [own, -own if tables.split else own]
    rows = [[minus, plus], [plus, minus]]
    if u.shape[-2] > s.shape[-1]:
        zeros = 0 * xp.sum(xp.real(u), axis=-1)
        null = xp.cast(xp.is_diagonal(zeros), u) - u @ xp.adjoint(u)
        left, right = [*left, null], [*right, 0 * v @ xp.adjoint(u)]
        values, pieces = [*values, zeros], [*pieces, zeros]
        edge, flat = r[..., :, None] + zeros[..., None, :], zeros[..., :, None] + r[..., None, :]
        corner = zeros[..., :, None] + zeros[..., None, :]
        rows = [[minus, plus, edge], [plus, minus, edge], [flat, flat, corner]]
    table = xp.concatenate([xp.concatenate(row, -1) for row in rows], -2)
    both, numbers = xp.concatenate(values, -1), xp.concatenate(pieces, -1)
    within = tables.within and partial(tables.within, both, numbers)
    of_both = hermitian.Tables(tables.function, lambda: table, within, lambda: (numbers, both))
    return xp.concatenate(left, -1), xp.concatenate(right, -1), of_both


def singular_function(tables: Callable[..., Tables], **fields: Any) -> Rule:
    """Rule of U f(Σ) Vᴴ, declared by ``tables(xp, s, *options)``, with other fields."""

    def formula(xp: Namespace, factors: Factors, options: Options, *directions: Tensor) -> Tensor:
        u, s, vh = factors
        found = tables(xp, s, *options)
        if not directions:
            return xp.times(found.function()[..., None, :], u) @ vh
        if len(directions) == 1:
            return first_derivative(xp, factors, found.first(), *directions)
        return second_derivative(xp, factors, found, *directions)

    rule = Rule(decompose, formula, tables, "σ", values=lambda xp, factors: factors[1])
    return replace(rule, **fields)


def by_pieces(
    xp: Namespace, s: Tensor, f: Tensor, slope: Tensor, pieces: Tensor, *, split: bool
) -> Tables:
    """Tables of a function that is linear, with a slope, on each of its pieces.

    Of two values of one piece the divided difference is the slope; of a value and its opposite,
    too, unless these are ``split``.
    """

    def first() -> Factors:
        (si, sj), (fi, fj), (pi, pj) = map(xp.pairs, (s, f, pieces))
        constant = slope[..., :, None] + 0 * sj
        minus = xp.divide(fi - fj, si - sj, pi != pj, constant)
        apart = (pi != pj) | (pi != 0) if split else pi != pj
        plus = xp.divide(fi + fj, si + sj, apart, constant)
        return minus, plus, xp.divide(f, s, (pieces != 0) & (s != 0), slope)

    return Tables(lambda: f, first, pieces, split)


def isometry(xp: Namespace, s: Tensor, f: Tensor) -> Tables:
    """F⁻ = 0 and F⁺ᵢⱼ = 2/(σᵢ + σⱼ), where no value is 0."""

    def first() -> Factors:
        si, sj = xp.pairs(s)
        return None, 2 * xp.reciprocal(si + sj), xp.reciprocal(s)

    return Tables(lambda: f, first, xp.ones_like(s), split=True)


def last(k: int, rtol: float) -> list[rules.Pair]:
    """The smallest value and 0."""
    return [(k - 1, None)] if k else []


@partial(singular_function, cut=last)
def polar(xp: Namespace, s: Tensor, rtol: Option = None) -> Tables:
    """U Vᴴ, the nearest matrix with orthonormal columns, or rows: F⁻ = 0, F⁺ᵢⱼ = 2/(σᵢ + σⱼ).

    Where the smallest singular value counts as 0 there is no derivative.
    """
    return isometry(xp, s, xp.ones_like(s))


@partial(singular_function, cut=last)
def _nearest_isometry(xp: Namespace, s: Tensor, rtol: Option = None) -> Tables:
    return isometry(xp, s, xp.cast(s > rtol * s[..., :1], s))


@partial(rules.real_function, _nearest_isometry)
def nuclear_norm(xp: Namespace, factors: Factors, rtol: Option = None) -> Tensor:
    """Σ σᵢ; its gradient where it is differentiable, else the smallest subgradient.

    Where it is not differentiable there is no second derivative.
    """
    return xp.sum(factors[1], axis=-1)


def _signed(xp: Namespace, matrix: Tensor) -> Factors:
    """U, σ and Vᵀ of a square matrix, with the sign of its determinant in the last of U and σ."""
    m, n = rules.sizes(matrix)
    if m != n:
        raise ValueError(f"the matrix is {m} × {n}; a rotation is square")
    if xp.is_complex(matrix):
        raise ValueError("the matrix is complex; a rotation is real")
    u, s, vh = decompose(xp, matrix)
    sign = xp.sign(xp.linalg.det(u @ vh))[..., None]
    signs = xp.where(xp.positions(s) == n - 1, sign, 1)
    return u * signs[..., None, :], s * signs, vh


def _last_opposite(xp: Namespace, factors: Factors) -> Tensor:
    """The values so that the difference of the last two is the sum that has to be positive."""
    s = factors[1]
    return xp.where(xp.positions(s) == s.shape[-1] - 1, -s, s)


@partial(
    singular_function,
    cut=lambda n, rtol: [(n - 2, n - 1)] if n > 1 else [],
    decompose=_signed,
    values=_last_opposite,
)
def rotation(xp: Namespace, s: Tensor, rtol: Option = None) -> Tables:
    """The nearest rotation, of determinant 1: U diag(1, …, 1, det U det V) Vᵀ, of Kabsch (1976).

    As ``polar`` if the last singular value has the sign of the determinant, and differentiated so
    by Brégier (2021) too. It is smooth where σₙ₋₁ and that are not opposite, which is where it is
    unique (Myronenko and Song 2009, Lemma 1): also at a matrix of rank n − 1, as of points in a
    plane, and at one with a negative determinant. Of a real, square matrix.
    """

    def first() -> Factors:
        si, sj = xp.pairs(s)
        # A real matrix turns no vector in its own plane, so that the diagonal does not count.
        plus = xp.divide(2, si + sj, ~xp.is_diagonal(s))
        return None, plus, s

    return Tables(lambda: xp.ones_like(s), first, xp.ones_like(s), split=True)


@partial(singular_function, cut=lambda k, rtol: [(0, 1 if k > 1 else None)] if k else [])
def _leading(xp: Namespace, s: Tensor, rtol: Option = None) -> Tables:
    largest = xp.cast((s >= (1 - rtol) * s[..., :1]) & (s > 0), s)
    number = xp.sum(largest, axis=-1, keepdims=True)
    share = largest / xp.maximum(number, xp.ones_like(number))
    return by_pieces(xp, s, share, 0 * s, xp.cast(xp.positions(s) == 0, s), split=True)


@partial(rules.real_function, _leading)
def spectral_norm(xp: Namespace, factors: Factors, rtol: Option = None) -> Tensor:
    """σ₁; its gradient where it is differentiable, else the smallest subgradient.

    Where it is not differentiable there is no second derivative.
    """
    return xp.sum(factors[1][..., :1], axis=-1)


@partial(singular_function, cut=lambda k, rank, rtol: [(rank - 1, rank)] if 0 < rank < k else [])
def low_rank(xp: Namespace, s: Tensor, rank: int, rtol: Option = None) -> Tables:
    """The sum of the first r terms σᵢ uᵢ vᵢᴴ, the nearest matrix of rank r.

    Where σᵣ and σᵣ₊₁ count as equal there is no derivative.

    Parameters
    ----------
    rank : int
        r ≥ 0; from min(m, n) on, the operation is the identity.
    """
    kept = xp.cast(xp.positions(s) < rank, s)
    f = kept * s
    return by_pieces(xp, s, f, kept, kept, split=False)


@singular_function
def soft_threshold(xp: Namespace, s: Tensor, threshold: float) -> Tables:
    """U max(Σ − t, 0) Vᴴ, the proximal operator of t times the nuclear norm.

    Parameters
    ----------
    threshold : float
        t ≥ 0. A singular value that equals t counts as smaller, though there is no derivative. For
        a gradient with respect to t as well, write ``t * soft_threshold(a / t, 1)``.
    """
    if threshold == 0:
        return low_rank.declared(xp, s, s.shape[-1])
    kept = s > threshold
    f = xp.where(kept, s - threshold, 0)
    kept = xp.cast(kept, s)
    return by_pieces(xp, s, f, kept, kept, split=True)


@singular_function
def adjoint_pinv(xp: Namespace, s: Tensor, rtol: Option = None) -> Tables:
    """The conjugate transpose of the Moore-Penrose inverse."""
    kept = s > rtol * s[..., :1]
    f = xp.inverse(s, kept)
    pieces = xp.cast(kept, s)

    def first() -> Factors:
        (fi, fj), (ki, kj) = xp.pairs(f), xp.pairs(kept)
        both = fi * fj
        # A dropped value counts as 0, and stays 0: the rank is taken to be constant.
        one = xp.where(ki != kj, fi**2 + fj**2, 0)
        return one - both, one + both, f**2

    def within(values: Tensor, kept: Tensor, b: Tensor, c: Tensor) -> Tensor:
        yi, yj = xp.pairs(xp.divide(kept, values, kept > 0))
        return xp.times(yi * yj, b @ xp.times(yi, c))

    return Tables(lambda: f, first, pieces, False, within)


def beside(k: int, index: int) -> list[tuple[int, int]]:
    """Of k values in order, the pairs of neighbours to which one belongs."""
    index = rules.place_of(k, index)
    return [(i, i + 1) for i in (index - 1, index) if 0 <= i < k - 1]


def _beside_or_zero(k: int, index: int, rtol: float) -> list[rules.Pair]:
    return [*beside(k, index), *([(k - 1, None)] if index in (-1, k - 1) else [])]


@partial(singular_function, cut=_beside_or_zero)
def one_term(xp: Namespace, s: Tensor, index: int, rtol: Option = None) -> Tables:
    """uᵢ vᵢᴴ for one singular value."""
    kept = xp.cast(xp.positions(s) == rules.place_of(s.shape[-1], index), s)
    return by_pieces(xp, s, kept, 0 * s, kept, split=True)
