"""Rules of functions of the singular values, U f(Σ) Vᴴ, and of sums of them.

A rule is given by tables in which nothing is subtracted that may be equal, and no quotient is of
zeros unless there is no gradient; the chapter on recipes derives them. `spectralgrad.recipes`
says what ``matrix`` and ``rtol`` are.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from spectralgrad.recipes import rules
from spectralgrad.recipes.rules import Factors, Namespace, Option, Rule, Tensor
from spectralgrad.theory import spectrum


def decompose(xp: Namespace, matrix: Tensor) -> Factors:
    """U, σ and Vᴴ, thin."""
    u, s, vh = xp.svd(matrix)
    rules.require_sizes(u.shape[-2], vh.shape[-1])
    meeting = xp.mark(s, s) + xp.mark(s[..., :-1] - s[..., 1:], s)
    return u + xp.cast(meeting, u), s, vh


def default_rtol(xp: Namespace, factors: Factors) -> float:
    """What `spectralgrad.theory.spectrum.default_rtol` says of singular values."""
    u, s, vh = factors
    return spectrum.default_rtol((u.shape[-2], vh.shape[-1]), xp.dtype(s), singular=True)


def singular_function(tables: Callable[..., Factors], cut: rules.Cut | None = None) -> Rule:
    """Rule of U f(Σ) Vᴴ, in the symbols of its gradient (eq-recipes-singular).

    ``tables(xp, s, *options)`` gives f(σᵢ), F⁻ and F⁺ (eq-recipes-tables), and the diagonal of
    R, f(σᵢ)/σᵢ. ``cut(k, *options)`` may give None for the smaller value, 0. Else as for
    `spectralgrad.recipes.hermitian.hermitian_function`.
    """

    def value(xp: Namespace, factors: Factors, *options: Option) -> Tensor:
        u, s, vh = factors
        function, *_ = tables(xp, s, *rules.chosen(options, default_rtol, xp, factors))
        return xp.times(function[..., None, :], u) @ vh

    def pullback(xp: Namespace, factors: Factors, c: Tensor, *options: Option) -> Tensor:
        u, s, vh = factors
        uh, v = xp.adjoint(u), xp.adjoint(vh)
        options = rules.chosen(options, default_rtol, xp, factors)
        if cut and (pair := cut(s.shape[-1], *options)):
            c = rules.require_open(xp, c, s, pair, options[-1], "σ")
        _, minus, plus, r = tables(xp, s, *options)
        m = uh @ c @ v
        h, k = xp.hermitian_part(m), xp.skew_part(m)
        gradient = u @ (xp.times(minus, h) + xp.times(plus, k)) @ vh
        if u.shape[-2] > s.shape[-1]:
            gradient = gradient + xp.times(r[..., None, :], c @ v - u @ m) @ vh
        if v.shape[-2] > s.shape[-1]:
            gradient = gradient + u @ xp.times(r[..., :, None], uh @ c - m @ vh)
        return gradient

    return Rule(decompose, value, pullback, tables)


def singular_sum(terms: Callable[..., Factors]) -> Rule:
    """Rule of Σ f(σᵢ), with the gradient U diag(f′(σ)) Vᴴ.

    ``terms(xp, s, *options)`` gives f(σᵢ), and f′(σᵢ), equal where singular values are.
    """

    def value(xp: Namespace, factors: Factors, *options: Option) -> Tensor:
        function, _ = terms(xp, factors[1], *rules.chosen(options, default_rtol, xp, factors))
        return xp.sum(function, axis=-1)

    def pullback(xp: Namespace, factors: Factors, c: Tensor, *options: Option) -> Tensor:
        u, s, vh = factors
        _, derivative = terms(xp, s, *rules.chosen(options, default_rtol, xp, factors))
        return xp.times((derivative * c[..., None])[..., None, :], u) @ vh

    return Rule(decompose, value, pullback, terms)


def adjoint_of(rule: Rule) -> Rule:
    """The rule of the conjugate transpose."""
    # torch.compile takes functions from a closure, and no other objects.
    value, pullback = rule.value, rule.pullback
    return replace(
        rule,
        value=lambda xp, factors, *options: xp.adjoint(value(xp, factors, *options)),
        pullback=lambda xp, factors, c, *options: pullback(xp, factors, xp.adjoint(c), *options),
    )


@singular_sum
def nuclear_norm(xp: Namespace, s: Tensor, rtol: Option = None) -> Factors:
    """Σ σᵢ; its gradient where it is differentiable, else the smallest subgradient."""
    return s, xp.cast(s > rtol * s[..., :1], s)


@singular_sum
def spectral_norm(xp: Namespace, s: Tensor, rtol: Option = None) -> Factors:
    """σ₁; its gradient where it is differentiable, else the smallest subgradient."""
    largest = xp.cast((s >= (1 - rtol) * s[..., :1]) & (s > 0), s)
    number = xp.sum(largest, axis=-1, keepdims=True)
    share = largest / xp.maximum(number, xp.ones_like(number))
    return share * s[..., :1], share


@partial(singular_function, cut=lambda k, rank, rtol: (rank - 1, rank) if 0 < rank < k else None)
def low_rank(xp: Namespace, s: Tensor, rank: int, rtol: Option = None) -> Factors:
    """The sum of the first r terms σᵢ uᵢ vᵢᴴ, the nearest matrix of rank r.

    Where σᵣ and σᵣ₊₁ count as equal there is no gradient.

    Parameters
    ----------
    rank : int
        r ≥ 0; from min(m, n) on, the operation is the identity.
    """
    kept = xp.positions(s) < rank
    f = xp.where(kept, s, xp.zeros_like(s))
    (si, sj), (fi, fj), (ki, kj) = map(xp.pairs, (s, f, kept))
    one, both = ki != kj, xp.cast(ki & kj, s)
    minus = xp.divide(fi - fj, si - sj, one, both)
    plus = xp.divide(fi + fj, si + sj, one, both)
    return f, minus, plus, xp.cast(kept, s)


@singular_function
def soft_threshold(xp: Namespace, s: Tensor, threshold: float) -> Factors:
    """U max(Σ − t, 0) Vᴴ, the proximal operator of t times the nuclear norm.

    Parameters
    ----------
    threshold : float
        t ≥ 0. A singular value that equals t counts as smaller, though there is no gradient. For a
        gradient with respect to t as well, write ``t * soft_threshold(a / t, 1)``.
    """
    if threshold == 0:
        tables: Factors = low_rank.declared(xp, s, s.shape[-1])
        return tables
    kept = s > threshold
    f = xp.where(kept, s - threshold, xp.zeros_like(s))
    (si, sj), (fi, fj), (ki, kj) = map(xp.pairs, (s, f, kept))
    minus = xp.divide(fi - fj, si - sj, ki != kj, xp.cast(ki & kj, s))
    plus = xp.divide(fi + fj, si + sj, ki | kj, xp.zeros_like(minus))
    return f, minus, plus, xp.divide(f, s, kept, f)


@partial(singular_function, cut=lambda k, rtol: (k - 1, None) if k else None)
def polar(xp: Namespace, s: Tensor, rtol: Option = None) -> Factors:
    """U Vᴴ, the nearest matrix with orthonormal columns, or rows: F⁻ = 0, F⁺ᵢⱼ = 2/(σᵢ + σⱼ).

    Where the smallest singular value counts as 0 there is no gradient.
    """
    si, sj = xp.pairs(s)
    return xp.ones_like(s), xp.zeros_like(si + sj), 2 / (si + sj), 1 / s


@adjoint_of
@singular_function
def pinv(xp: Namespace, s: Tensor, rtol: Option = None) -> Factors:
    """The Moore-Penrose inverse; its derivative along matrices of the same rank.

    That is the formula of Golub and Pereyra (1973).
    """
    kept = s > rtol * s[..., :1]
    f = xp.divide(1, s, kept, xp.zeros_like(s))
    (fi, fj), (ki, kj) = xp.pairs(f), xp.pairs(kept)
    both = fi * fj
    # A dropped value counts as 0, and stays 0: the rank is taken to be constant.
    one = xp.where(ki == kj, xp.zeros_like(both), fi**2 + fj**2)
    return f, one - both, one + both, f**2
