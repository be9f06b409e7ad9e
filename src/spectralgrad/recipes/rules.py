"""Reverse rules that hold at ties, each written once for every framework.

A rule is a decomposition, a value and a pullback, in the array code of a framework: ``xp`` is a
namespace with the functions of `ELEMENTWISE` under NumPy's names, and

``eigh(a)``, ``svd(a)``
    (λ, V) with real λ, ascending; the thin (U, σ, Vᴴ), descending;
``adjoint(a)``
    conjugate transpose of the last two axes;
``cast(x, like)``, ``positions(x)``, ``eps(x)``
    x in the dtype of another array; 0, 1, 2, … along the last axis of x, in the dtype of x; the
    rounding unit of that dtype.

Matrices may come in stacks, (..., m, n). Cotangents and gradients satisfy df = Re Σ conj(Gᵢⱼ) dAᵢⱼ;
the gradient of a function of Hermitian matrices is Hermitian. Nothing here branches on a number, so
that every rule runs under ``jit`` and on any device. Where a function is not differentiable, a rule
divides by zero: the answer is not finite.

Nothing is subtracted that may be equal: a table of divided differences (f(a) − f(b))/(a − b) is
given by a formula without the difference, and for singular values by two
tables (the chapter `recipes` derives them): with M = Uᴴ G V, the Hermitian part of M is
multiplied by (f(σᵢ) − f(σⱼ))/(σᵢ − σⱼ), the skew part by (f(σᵢ) + f(σⱼ))/(σᵢ + σⱼ), and what is
outside of the singular vectors by f(σᵢ)/σᵢ.
"""

from collections.abc import Callable
from dataclasses import dataclass

#: Functions of a namespace that every framework calls as NumPy does.
ELEMENTWISE = ("abs", "exp", "expm1", "maximum", "ones_like", "sqrt", "sum", "where", "zeros_like")


@dataclass(frozen=True)
class Rule:
    """An operation on a matrix, and its pullback.

    Attributes
    ----------
    decompose : callable
        ``decompose(xp, matrix)``: the factors, a tuple of arrays.
    value : callable
        ``value(xp, factors, *options)``: the operation's value.
    pullback : callable
        ``pullback(xp, factors, cotangent, *options)``: the gradient.
    """

    decompose: Callable
    value: Callable
    pullback: Callable


def thin(xp, matrix):
    """Decompose a matrix of any shape: U, σ, Vᴴ, thin."""
    return xp.svd(matrix)


def hermitian(xp, matrix):
    """Decompose a Hermitian matrix: λ, V."""
    # So that no triangle is read more than the other, and the symmetric gradient is the gradient.
    return xp.eigh((matrix + xp.adjoint(matrix)) / 2)


def _rows(x):
    return x[..., :, None]


def _columns(x):
    return x[..., None, :]


def _times(xp, table, matrix):
    """Multiply entry by entry with real numbers."""
    return xp.cast(table, matrix) * matrix


def _ratio(xp, above, below):
    """Divide, where 0/0 counts as 0."""
    zero = (above == 0) & (below == 0)
    return xp.where(zero, xp.zeros_like(below), above / xp.where(zero, xp.ones_like(below), below))


def hermitian_function(tables):
    """Rule of V f(Λ) Vᴴ: the gradient is V (F ∘ VᴴGV) Vᴴ (Daleckii and Krein 1965).

    Parameters
    ----------
    tables : callable
        ``tables(xp, values, *options)``: f(λᵢ), and Fᵢⱼ = (f(λᵢ) − f(λⱼ))/(λᵢ − λⱼ).

    Returns
    -------
    Rule
    """

    def value(xp, factors, *options):
        values, v = factors
        function, _ = tables(xp, values, *options)
        return _times(xp, _columns(function), v) @ xp.adjoint(v)

    def pullback(xp, factors, cotangent, *options):
        values, v = factors
        _, divided = tables(xp, values, *options)
        cotangent = (cotangent + xp.adjoint(cotangent)) / 2
        return v @ _times(xp, divided, xp.adjoint(v) @ cotangent @ v) @ xp.adjoint(v)

    return Rule(hermitian, value, pullback)


def singular_function(tables):
    """Rule of U f(Σ) Vᴴ, the chapter `recipes`, eq. (recipes-singular).

    Parameters
    ----------
    tables : callable
        ``tables(xp, factors, *options)``: f(σᵢ), (f(σᵢ) − f(σⱼ))/(σᵢ − σⱼ),
        (f(σᵢ) + f(σⱼ))/(σᵢ + σⱼ) and f(σᵢ)/σᵢ.

    Returns
    -------
    Rule
    """

    def value(xp, factors, *options):
        u, _, vh = factors
        function, *_ = tables(xp, factors, *options)
        return _times(xp, _columns(function), u) @ vh

    def pullback(xp, factors, cotangent, *options):
        u, s, vh = factors
        uh, v = xp.adjoint(u), xp.adjoint(vh)
        _, minus, plus, ratio = tables(xp, factors, *options)
        inner = uh @ cotangent @ v
        even, odd = (inner + xp.adjoint(inner)) / 2, (inner - xp.adjoint(inner)) / 2
        gradient = u @ (_times(xp, minus, even) + _times(xp, plus, odd)) @ vh
        if u.shape[-2] > s.shape[-1]:
            gradient = gradient + _times(xp, _columns(ratio), cotangent @ v - u @ inner) @ vh
        if v.shape[-2] > s.shape[-1]:
            gradient = gradient + u @ _times(xp, _rows(ratio), uh @ cotangent - inner @ vh)
        return gradient

    return Rule(thin, value, pullback)


def singular_sum(terms):
    """Rule of Σ f(σᵢ): the gradient is U diag(f′(σ)) Vᴴ.

    Parameters
    ----------
    terms : callable
        ``terms(xp, factors, *options)``: f(σᵢ), and f′(σᵢ), equal where singular values are.

    Returns
    -------
    Rule
    """

    def value(xp, factors, *options):
        function, _ = terms(xp, factors, *options)
        return xp.sum(function, axis=-1)

    def pullback(xp, factors, cotangent, *options):
        u, _, vh = factors
        _, derivative = terms(xp, factors, *options)
        return _times(xp, _columns(derivative * cotangent[..., None]), u) @ vh

    return Rule(thin, value, pullback)


def _kept(xp, factors, rtol):
    """Which singular values count as positive."""
    u, s, vh = factors
    if rtol is None:
        rtol = max(u.shape[-2], vh.shape[-1]) * xp.eps(s)
    return s > rtol * s[..., :1]


def _nuclear(xp, factors, rtol=None):
    s = factors[1]
    return s, xp.cast(_kept(xp, factors, rtol), s)


def _spectral(xp, factors, rtol=None):
    u, s, vh = factors
    if rtol is None:
        rtol = max(u.shape[-2], vh.shape[-1]) * xp.eps(s)
    largest = xp.cast((s >= (1 - rtol) * s[..., :1]) & (s > 0), s)
    share = _ratio(xp, largest, xp.sum(largest, axis=-1, keepdims=True))
    return share * s[..., :1], share


def _polar(xp, factors):
    s = factors[1]
    total = _rows(s) + _columns(s)
    return xp.ones_like(s), xp.zeros_like(total), 2 / total, 1 / s


def _shrunk(xp, s, function, kept):
    """Tables of an f with slope 1 on the singular values that are kept, and 0 on the others."""
    alike = _rows(kept) == _columns(kept)
    gap = _rows(s) - _columns(s)
    gap = xp.where(alike, xp.ones_like(gap), gap)
    quotient = (_rows(function) - _columns(function)) / gap
    minus = xp.where(alike, xp.cast(_rows(kept) & _columns(kept), s), quotient)
    plus = _ratio(xp, _rows(function) + _columns(function), _rows(s) + _columns(s))
    return function, minus, plus, _ratio(xp, function, s)


def _soft(xp, factors, threshold):
    s = factors[1]
    kept = s > threshold
    return _shrunk(xp, s, xp.where(kept, s - threshold, xp.zeros_like(s)), kept)


def _truncated(xp, factors, rank):
    s = factors[1]
    kept = xp.positions(s) < rank
    return _shrunk(xp, s, xp.where(kept, s, xp.zeros_like(s)), kept)


def _inverse(xp, factors, rtol=None):
    s = factors[1]
    kept = _kept(xp, factors, rtol)
    inverse = xp.where(kept, 1 / xp.where(kept, s, xp.ones_like(s)), xp.zeros_like(s))
    both = _rows(inverse) * _columns(inverse)
    # A dropped value counts as 0, and stays 0: the rank is taken to be constant.
    one = xp.where(
        _rows(kept) == _columns(kept), 0 * both, _rows(inverse**2) + _columns(inverse**2)
    )
    return inverse, one - both, one + both, inverse**2


def _adjoint_of(rule):
    """The rule of the conjugate transpose."""

    def value(xp, factors, *options):
        return xp.adjoint(rule.value(xp, factors, *options))

    def pullback(xp, factors, cotangent, *options):
        return rule.pullback(xp, factors, xp.adjoint(cotangent), *options)

    return Rule(rule.decompose, value, pullback)


def _root(xp, values):
    roots = xp.sqrt(values)
    return roots, 1 / (_rows(roots) + _columns(roots))


def _exponential(xp, values):
    a, b = _rows(values), _columns(values)
    gap = xp.abs(a - b)
    mean = xp.where(gap == 0, xp.ones_like(gap), _ratio(xp, -xp.expm1(-gap), gap))
    return xp.exp(values), xp.exp(xp.maximum(a, b)) * mean


def _projector(xp, values, rank):
    kept = xp.positions(values) >= values.shape[-1] - rank
    alike = _rows(kept) == _columns(kept)
    gap = xp.abs(_rows(values) - _columns(values))
    divided = 1 / xp.where(alike, xp.ones_like(gap), gap)
    return xp.cast(kept, values), xp.where(alike, xp.zeros_like(gap), divided)


#: Σ σᵢ, with the smallest subgradient; values up to rtol · σ₁ count as 0.
nuclear_norm = singular_sum(_nuclear)
#: σ₁, with the smallest subgradient; values within rtol · σ₁ count as equal to it.
spectral_norm = singular_sum(_spectral)
#: U max(Σ − t, 0) Vᴴ, the proximal operator of t times the nuclear norm.
soft_threshold = singular_function(_soft)
#: The sum of the first r terms σᵢ uᵢ vᵢᴴ.
low_rank = singular_function(_truncated)
#: U Vᴴ, at full rank.
polar = singular_function(_polar)
#: The Moore-Penrose inverse; values up to rtol · σ₁ count as 0, and its derivative is the one
#: along matrices of the same rank (Golub and Pereyra 1973).
pinv = _adjoint_of(singular_function(_inverse))
#: The positive definite square root.
sqrtm = hermitian_function(_root)
#: The exponential.
expm = hermitian_function(_exponential)
#: Onto the eigenvectors of the r largest eigenvalues.
projector = hermitian_function(_projector)
