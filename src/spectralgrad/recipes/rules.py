"""Reverse rules that hold at ties, each written once for every framework.

A rule is a decomposition, a value and a pullback, in the array code of a framework: ``xp`` is a
namespace with the functions of `ELEMENTWISE` under NumPy's names, and

``eigh(a)``, ``svd(a)``
    (λ, V) with real λ, ascending; the thin (U, σ, Vᴴ), descending;
``adjoint(a)``
    conjugate transpose of the last two axes;
``cast(x, like)``, ``positions(x)``, ``dtype(x)``
    x in the dtype of another array; 0, 1, 2, … along the last axis of x, in the dtype of x; that
    dtype, as NumPy's;
``known(x)``
    x as an array of NumPy, or None where its numbers are not known: under ``jit``, ``vmap``,
    ``tf.function``, ``torch.compile``.

Matrices may come in stacks, (..., m, n). Cotangents and gradients satisfy df = Re Σ conj(Gᵢⱼ) dAᵢⱼ;
the gradient of a function of Hermitian matrices is Hermitian. Nothing here branches on a number
that may be unknown, so that every rule runs under ``jit`` and on any device; it does branch on
shapes, so that those of the matrices have to be known, though not how many there are. Where an
operation has no gradient because two values count as equal, or one as zero, an error names them;
where numbers are not known, the gradient is NaN instead. The operation itself has a value there.

A second derivative differentiates a pullback, and with it the framework's own decomposition, which
loses its digits as two values meet; where more than half of them are lost, it is not finite.

Nothing is subtracted that may be equal: a table of divided differences (f(a) − f(b))/(a − b) is
given by a formula without the difference, and for singular values by two
tables (the chapter `recipes` derives them): with M = Uᴴ G V, the Hermitian part of M is
multiplied by (f(σᵢ) − f(σⱼ))/(σᵢ − σⱼ), the skew part by (f(σᵢ) + f(σⱼ))/(σᵢ + σⱼ), and what is
outside of the singular vectors by f(σᵢ)/σᵢ. No quotient is of zeros, unless there is no gradient.
"""

import functools
import inspect
import math
import numbers
from collections.abc import Callable
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

import numpy as np

from spectralgrad.theory import gauge, spectrum

#: Functions of a namespace that every framework calls as NumPy does.
ELEMENTWISE = (
    *("abs", "exp", "expm1", "log", "log1p", "maximum", "ones_like", "sqrt", "sum", "where"),
    "zeros_like",
)

# An array of whichever framework, and what its module calls xp.
Tensor = Any
Factors = tuple[Tensor, ...]
Namespace = SimpleNamespace
Option = float | None
Pullback = Callable[[Tensor], Tensor]
Cut = Callable[..., Any]


@dataclass(frozen=True)
class Rule:
    """An operation on a matrix, and its pullback; ``operation`` of a framework's module takes it.

    Attributes
    ----------
    decompose : callable
        ``decompose(xp, matrix)``: the factors, a tuple of arrays.
    value : callable
        ``value(xp, factors, *options)``: the operation's value.
    pullback : callable
        ``pullback(xp, factors, cotangent, *options)``: the gradient.
    declared : callable, optional
        Has the name, the arguments and the docstring of the operation; by default those of `value`,
        or of the function that gave the tables, with a matrix for the first two arguments.
    """

    decompose: Callable[..., Factors]
    value: Callable[..., Tensor]
    pullback: Callable[..., Tensor]
    declared: Callable[..., Tensor] | None = None


def _of_matrix(tables: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """A function of ``(xp, factors, *options)``, declared as one of a matrix and the options."""
    _, _, *options = inspect.signature(tables).parameters.values()
    options = [x for x in options if x.kind is x.POSITIONAL_OR_KEYWORD]

    @functools.wraps(tables)
    def declared(matrix: Tensor, *options: Option) -> Tensor: ...

    matrix = inspect.Parameter("matrix", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    declared.__signature__ = inspect.Signature([matrix, *options])  # type: ignore[attr-defined]
    return declared


def public(rule: Rule, apply: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Document a framework's function of a matrix and options, and check the options.

    Parameters
    ----------
    rule : Rule
    apply : callable
        ``apply(matrix, *options)``.

    Returns
    -------
    callable
        Takes options by name too.

    Raises
    ------
    TypeError
        By that callable, for an option that is missing, unknown, or an array, which would get no
        gradient.
    ValueError
        By that callable, for a number that is not finite, or of which the option makes no sense.
    """
    declared = rule.declared or _of_matrix(rule.value)
    signature = inspect.signature(declared)
    _, *known = signature.parameters.values()
    least = sum(option.default is option.empty for option in known)
    usage = f"call it as {declared.__name__}{_untyped(signature)}"

    @functools.wraps(declared)
    def operation(matrix: Tensor, *options: Option, **named: Option) -> Tensor:
        if named:
            options = signature.bind(matrix, *options, **named).args[1:]
        if not least <= len(options) <= len(known):
            raise TypeError(usage)
        given = zip(known, options, strict=False)
        return apply(matrix, *(_number(o.name, o.default, x) for o, x in given))

    # It is found in the framework's module, by pickle and by the book's pages.
    operation.__module__ = apply.__module__
    return operation


def _untyped(signature: inspect.Signature) -> inspect.Signature:
    """A signature without annotations, as a person calls the function."""
    plain = [p.replace(annotation=p.empty) for p in signature.parameters.values()]
    return inspect.Signature(plain)


#: For the options of this module: what they have to be, in words and as a test.
_SENSIBLE: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "rank": ("a whole number from 0", lambda x: isinstance(x, int) and x >= 0),
    "rtol": ("a number from 0 to below 1", lambda x: 0 <= x < 1),
    "threshold": ("a number from 0", lambda x: x >= 0),
}


def _number(name: str, default: object, option: object) -> Option:
    """An option as a number of Python, which does not widen the dtype of an array."""
    if option is None and default is None:
        return None
    if not isinstance(option, numbers.Real):
        raise TypeError(f"an option is a number, and this is of the type {type(option).__name__}")
    number = int(option) if isinstance(option, numbers.Integral) else float(option)
    wanted, is_sensible = _SENSIBLE.get(name, ("a finite number", math.isfinite))
    if isinstance(option, bool) or not (is_sensible(number) and math.isfinite(number)):
        raise ValueError(f"{name}: {option} will not do; give {wanted}")
    return number


def thin(xp: Namespace, matrix: Tensor) -> Factors:
    """Decompose a matrix of any shape: U, σ, Vᴴ, thin."""
    u, s, vh = xp.svd(matrix)
    _require_sizes(u.shape[-2], vh.shape[-1])
    mark = _mark(xp, s, s) + _mark(xp, s[..., :-1] - s[..., 1:], s)
    return u + xp.cast(mark, u), s, vh


def hermitian(xp: Namespace, matrix: Tensor) -> Factors:
    """Decompose a Hermitian matrix: λ, V."""
    if matrix.shape[-1] != matrix.shape[-2]:
        m, n = matrix.shape[-2:]
        raise ValueError(f"the matrix is {m} × {n}; a Hermitian one is square")
    # So that no triangle is read more than the other, and the symmetric gradient is the gradient.
    values, v = xp.eigh((matrix + xp.adjoint(matrix)) / 2)
    return values, v + xp.cast(_mark(xp, values[..., 1:] - values[..., :-1], values), v)


def _require_sizes(m: int | None, n: int | None) -> None:
    if None in (m, n):
        raise ValueError(
            f"the matrix is {m or '?'} × {n or '?'}: how many rows and columns it has must be "
            "known when the function is traced (tf.ensure_shape says it)"
        )


def _mark(xp: Namespace, distances: Tensor, values: Tensor) -> Tensor:
    """Zero, and if a distance is below the root of eps, with a derivative that is not finite."""
    size = xp.maximum(xp.abs(values[..., :1]), xp.abs(values[..., -1:]))
    close = distances <= gauge.default_tol(xp.dtype(values)) * size
    # The derivative of TensorFlow's own root, times 0, is 0.
    roots = xp.where(close, 0 * distances, xp.ones_like(distances)) ** 0.5
    return 0 * xp.sum(roots, axis=-1)[..., None, None]


def _rows(x: Tensor) -> Tensor:
    return x[..., :, None]


def _columns(x: Tensor) -> Tensor:
    return x[..., None, :]


def _times(xp: Namespace, table: Tensor, matrix: Tensor) -> Tensor:
    """Multiply entry by entry with real numbers."""
    return xp.cast(table, matrix) * matrix


def _nowhere(_: int, *__: Option) -> Any:
    return None, None


def _from_zero(k: int, rtol: float | None = None) -> Any:
    return (k - 1, None) if k else None, rtol


def _after(k: int, rank: int, rtol: float | None = None) -> Any:
    return (rank - 1, rank) if 0 < rank < k else None, rtol


def _before(n: int, rank: int, rtol: float | None = None) -> Any:
    return (n - rank, n - rank - 1) if 0 < rank < n else None, rtol


def require_open(
    xp: Namespace,
    cotangent: Tensor,
    values: Tensor,
    bases: Factors,
    pair: tuple[int, int | None] | None,
    rtol: float | None,
) -> Tensor:
    """Return the cotangent of an operation that has a gradient only where two values are apart.

    Parameters
    ----------
    xp : namespace
    cotangent : (..., m, n) array
    values : (..., k) array
        Eigenvalues, ascending, or singular values, descending.
    bases : tuple of arrays
        The eigenvectors; or the left and the right singular vectors.
    pair : tuple of int, or None
        Places of the larger value and of the other one, None for 0. None for no such values.
    rtol : float or None
        Values this close, relative to the largest in modulus, count as equal.

    Returns
    -------
    (..., m, n) array
        NaN where they count as equal, if nobody knows.

    Raises
    ------
    GaugeError
        If it is known.
    """
    if pair is None:
        return cotangent
    first, last = pair
    upper = values[..., first]
    lower = 0 * upper if last is None else values[..., last]
    size = xp.maximum(xp.abs(values[..., 0]), xp.abs(values[..., -1]))
    limit = tolerance(xp, bases, values, rtol) * size
    closed = upper - lower <= limit
    known = xp.known(closed)
    if known is None:
        return xp.where(closed[..., None, None], math.nan * xp.ones_like(cotangent), cotangent)
    for place in map(tuple, np.argwhere(known)):
        symbol = "σ" if len(bases) > 1 else "λ"
        one, other, least = (float(xp.known(x)[place]) for x in (upper, lower, limit))
        names = [gauge.names(symbol, i, i) for i in pair if i is not None]
        found = f"{names[0]} = {one:.9g} and {names[-1]} = {other:.9g} are {one - other:.1e} apart"
        found = f"{names[0]} = {one:.1e}" if last is None else found
        raise gauge.GaugeError(
            f"{f'matrix {[*map(int, place)]} of the stack: ' if place else ''}{found}, and up to "
            f"{least:.1e} that counts as {0 if last is None else 'equal'}: there is no gradient "
            "(rtol says what counts)",
            (first, first if last is None else last),
            one - other,
            least,
        )
    return cotangent


def hermitian_function(tables: Callable[..., Factors], cut: Cut = _nowhere) -> Rule:
    """Rule of V f(Λ) Vᴴ: the gradient is V (F ∘ VᴴGV) Vᴴ (Daleckii and Krein 1965).

    Parameters
    ----------
    tables : callable
        ``tables(xp, values, *options)``: f(λᵢ), and Fᵢⱼ = (f(λᵢ) − f(λⱼ))/(λᵢ − λⱼ).
    cut : callable, optional
        ``cut(n, *options)``: the last two arguments of `require_open`.

    Returns
    -------
    Rule
    """

    def value(xp: Namespace, factors: Factors, *options: Option) -> Tensor:
        values, v = factors
        function, _ = tables(xp, values, *options)
        return _times(xp, _columns(function), v) @ xp.adjoint(v)

    def pullback(xp: Namespace, factors: Factors, cotangent: Tensor, *options: Option) -> Tensor:
        values, v = factors
        cotangent = require_open(xp, cotangent, values, (v,), *cut(values.shape[-1], *options))
        _, divided = tables(xp, values, *options)
        cotangent = (cotangent + xp.adjoint(cotangent)) / 2
        return v @ _times(xp, divided, xp.adjoint(v) @ cotangent @ v) @ xp.adjoint(v)

    return Rule(hermitian, value, pullback, _of_matrix(tables))


def singular_function(tables: Callable[..., Factors], cut: Cut = _nowhere) -> Rule:
    """Rule of U f(Σ) Vᴴ, the chapter `recipes`, eq. (recipes-singular).

    Parameters
    ----------
    tables : callable
        ``tables(xp, factors, *options)``: f(σᵢ), (f(σᵢ) − f(σⱼ))/(σᵢ − σⱼ),
        (f(σᵢ) + f(σⱼ))/(σᵢ + σⱼ) and f(σᵢ)/σᵢ.
    cut : callable, optional
        As for `hermitian_function`.

    Returns
    -------
    Rule
    """

    def value(xp: Namespace, factors: Factors, *options: Option) -> Tensor:
        u, _, vh = factors
        function, *_ = tables(xp, factors, *options)
        return _times(xp, _columns(function), u) @ vh

    def pullback(xp: Namespace, factors: Factors, cotangent: Tensor, *options: Option) -> Tensor:
        u, s, vh = factors
        uh, v = xp.adjoint(u), xp.adjoint(vh)
        cotangent = require_open(xp, cotangent, s, (u, v), *cut(s.shape[-1], *options))
        _, minus, plus, ratio = tables(xp, factors, *options)
        inner = uh @ cotangent @ v
        even, odd = (inner + xp.adjoint(inner)) / 2, (inner - xp.adjoint(inner)) / 2
        gradient = u @ (_times(xp, minus, even) + _times(xp, plus, odd)) @ vh
        if u.shape[-2] > s.shape[-1]:
            gradient = gradient + _times(xp, _columns(ratio), cotangent @ v - u @ inner) @ vh
        if v.shape[-2] > s.shape[-1]:
            gradient = gradient + u @ _times(xp, _rows(ratio), uh @ cotangent - inner @ vh)
        return gradient

    return Rule(thin, value, pullback, _of_matrix(tables))


def singular_sum(terms: Callable[..., Factors]) -> Rule:
    """Rule of Σ f(σᵢ): the gradient is U diag(f′(σ)) Vᴴ.

    Parameters
    ----------
    terms : callable
        ``terms(xp, factors, *options)``: f(σᵢ), and f′(σᵢ), equal where singular values are.

    Returns
    -------
    Rule
    """

    def value(xp: Namespace, factors: Factors, *options: Option) -> Tensor:
        function, _ = terms(xp, factors, *options)
        return xp.sum(function, axis=-1)

    def pullback(xp: Namespace, factors: Factors, cotangent: Tensor, *options: Option) -> Tensor:
        u, _, vh = factors
        _, derivative = terms(xp, factors, *options)
        return _times(xp, _columns(derivative * cotangent[..., None]), u) @ vh

    return Rule(thin, value, pullback, _of_matrix(terms))


def tolerance(xp: Namespace, bases: Factors, values: Tensor, rtol: float | None) -> float:
    """Return the rtol that was given, or that of `spectralgrad.theory.spectrum.default_rtol`.

    Parameters
    ----------
    xp : namespace
    bases : tuple of (..., n, k) arrays
        The eigenvectors; or the left and the right singular vectors.
    values : (..., k) array
    rtol : float or None

    Returns
    -------
    float
    """
    if rtol is not None:
        return rtol
    shape = [x.shape[-2] for x in bases]
    return spectrum.default_rtol(shape, xp.dtype(values), singular=len(bases) > 1)


def _relative(xp: Namespace, factors: Factors, rtol: float | None) -> float:
    u, s, vh = factors
    return tolerance(xp, (u, xp.adjoint(vh)), s, rtol)


def _kept(xp: Namespace, factors: Factors, rtol: float | None) -> Tensor:
    """Which singular values count as positive."""
    s = factors[1]
    return s > _relative(xp, factors, rtol) * s[..., :1]


def _nuclear(xp: Namespace, factors: Factors, rtol: float | None = None) -> Factors:
    s = factors[1]
    return s, xp.cast(_kept(xp, factors, rtol), s)


def _spectral(xp: Namespace, factors: Factors, rtol: float | None = None) -> Factors:
    s = factors[1]
    largest = xp.cast((s >= (1 - _relative(xp, factors, rtol)) * s[..., :1]) & (s > 0), s)
    number = xp.sum(largest, axis=-1, keepdims=True)
    share = largest / xp.maximum(number, xp.ones_like(number))
    return share * s[..., :1], share


def _polar(xp: Namespace, factors: Factors, _: float | None = None) -> Factors:
    s = factors[1]
    total = _rows(s) + _columns(s)
    return xp.ones_like(s), xp.zeros_like(total), 2 / total, 1 / s


def _between(xp: Namespace, kept: Tensor, above: Tensor, below: Tensor) -> Tensor:
    """1 for two values that are kept, 0 for two others, and a quotient for one of each."""
    alike = _rows(kept) == _columns(kept)
    quotient = above / xp.where(alike, xp.ones_like(below), below)
    return xp.where(alike, xp.cast(_rows(kept) & _columns(kept), below), quotient)


def _soft(xp: Namespace, factors: Factors, threshold: float) -> Factors:
    s = factors[1]
    if threshold == 0:
        return _truncated(xp, factors, s.shape[-1])
    kept = s > threshold
    function = xp.where(kept, s - threshold, xp.zeros_like(s))
    minus = _between(xp, kept, _rows(function) - _columns(function), _rows(s) - _columns(s))
    total = _rows(s) + _columns(s)
    total = xp.where(_rows(kept) | _columns(kept), total, xp.ones_like(total))
    plus = (_rows(function) + _columns(function)) / total
    return function, minus, plus, function / xp.where(kept, s, xp.ones_like(s))


def _truncated(xp: Namespace, factors: Factors, rank: int, _: float | None = None) -> Factors:
    s = factors[1]
    kept = xp.positions(s) < rank
    function = xp.where(kept, s, xp.zeros_like(s))
    minus, plus = (
        _between(
            xp, kept, _rows(function) + sign * _columns(function), _rows(s) + sign * _columns(s)
        )
        for sign in (-1, 1)
    )
    return function, minus, plus, xp.cast(kept, s)


def _inverse(xp: Namespace, factors: Factors, rtol: float | None = None) -> Factors:
    s = factors[1]
    kept = _kept(xp, factors, rtol)
    inverse = xp.where(kept, 1 / xp.where(kept, s, xp.ones_like(s)), xp.zeros_like(s))
    both = _rows(inverse) * _columns(inverse)
    # A dropped value counts as 0, and stays 0: the rank is taken to be constant.
    one = xp.where(
        _rows(kept) == _columns(kept),
        xp.zeros_like(both),
        _rows(inverse**2) + _columns(inverse**2),
    )
    return inverse, one - both, one + both, inverse**2


def _adjoint_of(rule: Rule) -> Rule:
    """The rule of the conjugate transpose."""
    # torch.compile takes functions from a closure, and no other objects.
    of_matrix, back = rule.value, rule.pullback

    def value(xp: Namespace, factors: Factors, *options: Option) -> Tensor:
        return xp.adjoint(of_matrix(xp, factors, *options))

    def pullback(xp: Namespace, factors: Factors, cotangent: Tensor, *options: Option) -> Tensor:
        return back(xp, factors, xp.adjoint(cotangent), *options)

    return replace(rule, value=value, pullback=pullback)


def _root(xp: Namespace, values: Tensor) -> Factors:
    roots = xp.sqrt(values)
    return roots, 1 / (_rows(roots) + _columns(roots))


def _exponential(xp: Namespace, values: Tensor) -> Factors:
    a, b = _rows(values), _columns(values)
    gap = xp.abs(a - b)
    one = xp.ones_like(gap)
    apart = xp.where(gap == 0, one, gap)
    mean = xp.where(gap == 0, one, -xp.expm1(-apart) / apart)
    return xp.exp(values), xp.exp(xp.maximum(a, b)) * mean


def _projector(xp: Namespace, values: Tensor, rank: int, _: float | None = None) -> Factors:
    n = values.shape[-1]
    _require_sizes(n, n)
    if rank > n:
        raise ValueError(f"rank: {rank} will not do for a matrix of {n} rows; give 0 to {n}")
    kept = xp.positions(values) >= n - rank
    alike = _rows(kept) == _columns(kept)
    gap = xp.abs(_rows(values) - _columns(values))
    divided = 1 / xp.where(alike, xp.ones_like(gap), gap)
    return xp.cast(kept, values), xp.where(alike, xp.zeros_like(gap), divided)


def _declare(rule: Rule) -> Callable[[Callable[..., Tensor]], Rule]:
    return lambda declared: replace(rule, declared=declared)


@_declare(singular_sum(_nuclear))
def nuclear_norm(matrix: Tensor, rtol: float | None = None) -> Tensor:
    """Σ σᵢ; its gradient where it is differentiable, else the smallest subgradient.

    Parameters
    ----------
    matrix : (..., m, n) array
        Real or complex.
    rtol : float, optional
        Singular values up to rtol · σ₁ count as 0; by default those of
        `spectralgrad.theory.spectrum.default_rtol`.

    Returns
    -------
    (...) array
        Real.
    """


@_declare(singular_sum(_spectral))
def spectral_norm(matrix: Tensor, rtol: float | None = None) -> Tensor:
    """σ₁; its gradient where it is differentiable, else the smallest subgradient.

    Parameters
    ----------
    matrix : (..., m, n) array
        Real or complex.
    rtol : float, optional
        Singular values from (1 − rtol) σ₁ count as equal to σ₁; by default those of
        `spectralgrad.theory.spectrum.default_rtol`.

    Returns
    -------
    (...) array
        Real.
    """


@_declare(singular_function(_soft))
def soft_threshold(matrix: Tensor, threshold: float) -> Tensor:
    """U max(Σ − t, 0) Vᴴ, the proximal operator of t times the nuclear norm.

    Parameters
    ----------
    matrix : (..., m, n) array
        Real or complex. Where a singular value equals t there is no gradient; it counts as smaller.
    threshold : float
        t ≥ 0. For a gradient with respect to t as well, write ``t * soft_threshold(a / t, 1)``.

    Returns
    -------
    (..., m, n) array
    """


@_declare(singular_function(_truncated, _after))
def low_rank(matrix: Tensor, rank: int, rtol: float | None = None) -> Tensor:
    """The sum of the first r terms σᵢ uᵢ vᵢᴴ, the nearest matrix of rank r.

    Parameters
    ----------
    matrix : (..., m, n) array
        Real or complex.
    rank : int
        r ≥ 0; from min(m, n) on, the operation is the identity.
    rtol : float, optional
        Where σᵣ − σᵣ₊₁ ≤ rtol · σ₁ there is no gradient; by default that of
        `spectralgrad.theory.spectrum.default_rtol`.

    Returns
    -------
    (..., m, n) array

    Raises
    ------
    GaugeError
        By the reverse pass, where there is no gradient; NaN where numbers are not known.
    """


@_declare(singular_function(_polar, _from_zero))
def polar(matrix: Tensor, rtol: float | None = None) -> Tensor:
    """U Vᴴ, the nearest matrix with orthonormal columns, or rows.

    Parameters
    ----------
    matrix : (..., m, n) array
        Real or complex.
    rtol : float, optional
        Where the smallest singular value is at most rtol · σ₁ there is no gradient; by default that
        of `spectralgrad.theory.spectrum.default_rtol`.

    Returns
    -------
    (..., m, n) array

    Raises
    ------
    GaugeError
        By the reverse pass, where there is no gradient; NaN where numbers are not known.
    """


@_declare(_adjoint_of(singular_function(_inverse)))
def pinv(matrix: Tensor, rtol: float | None = None) -> Tensor:
    """The Moore-Penrose inverse; its derivative along matrices of the same rank.

    Parameters
    ----------
    matrix : (..., m, n) array
        Real or complex.
    rtol : float, optional
        Singular values up to rtol · σ₁ count as 0; by default those of
        `spectralgrad.theory.spectrum.default_rtol`.

    Returns
    -------
    (..., n, m) array

    References
    ----------
    Golub and Pereyra (1973), "The differentiation of pseudo-inverses and nonlinear least squares
    problems whose variables separate".
    """


@_declare(hermitian_function(_root))
def sqrtm(matrix: Tensor) -> Tensor:
    """The positive definite square root.

    Parameters
    ----------
    matrix : (..., n, n) array
        Real or complex; its Hermitian part counts. Where an eigenvalue is 0 there is no gradient,
        and where one is negative no root: then it is not finite. Of a zero, rounding makes either
        that or a small positive number, and then the gradient is finite and large, and means
        nothing.

    Returns
    -------
    (..., n, n) array
    """


@_declare(hermitian_function(_exponential))
def expm(matrix: Tensor) -> Tensor:
    """The exponential of a Hermitian matrix.

    Parameters
    ----------
    matrix : (..., n, n) array
        Real or complex; its Hermitian part counts.

    Returns
    -------
    (..., n, n) array
    """


@_declare(hermitian_function(_projector, _before))
def projector(matrix: Tensor, rank: int, rtol: float | None = None) -> Tensor:
    """The orthogonal projector on the eigenvectors of the r largest eigenvalues.

    Parameters
    ----------
    matrix : (..., n, n) array
        Real or complex; its Hermitian part counts.
    rank : int
        r, from 0 to n.
    rtol : float, optional
        Where λₙ₋ᵣ₊₁ − λₙ₋ᵣ ≤ rtol · max|λ| there is no gradient; by default that of
        `spectralgrad.theory.spectrum.default_rtol`.

    Returns
    -------
    (..., n, n) array

    Raises
    ------
    GaugeError
        By the reverse pass, where there is no gradient; NaN where numbers are not known.
    """
