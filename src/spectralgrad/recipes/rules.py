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
that every rule runs under ``jit`` and on any device; it does branch on shapes, so that they have to
be known. What is returned where a function is not differentiable, its docstring says.

A second derivative differentiates a pullback, and with it the framework's own decomposition, which
loses its digits as two values meet; where more than half of them are lost, it is not finite.

Nothing is subtracted that may be equal: a table of divided differences (f(a) − f(b))/(a − b) is
given by a formula without the difference, and for singular values by two
tables (the chapter `recipes` derives them): with M = Uᴴ G V, the Hermitian part of M is
multiplied by (f(σᵢ) − f(σⱼ))/(σᵢ − σⱼ), the skew part by (f(σᵢ) + f(σⱼ))/(σᵢ + σⱼ), and what is
outside of the singular vectors by f(σᵢ)/σᵢ.
"""

import functools
import inspect
import numbers
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

#: Functions of a namespace that every framework calls as NumPy does.
ELEMENTWISE = ("abs", "exp", "expm1", "maximum", "ones_like", "sqrt", "sum", "where", "zeros_like")

# An array of whichever framework, and what its module calls xp.
Tensor = Any
Factors = tuple[Tensor, ...]
Namespace = SimpleNamespace
Option = float | None
Pullback = Callable[[Tensor], Tensor]


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

    decompose: Callable[..., Factors]
    value: Callable[..., Tensor]
    pullback: Callable[..., Tensor]


@dataclass(frozen=True)
class Declared(Rule):
    """A rule, and the operation as it is called.

    Attributes
    ----------
    declared : callable
        Has the name, the arguments and the docstring of the operation.
    """

    declared: Callable[..., Tensor]


def public(rule: Declared, apply: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Document a framework's function of a matrix and options, and check the options.

    Parameters
    ----------
    rule : Declared
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
    """
    signature = inspect.signature(rule.declared)
    _, *known = signature.parameters.values()
    least = sum(option.default is option.empty for option in known)
    usage = f"call it as {rule.declared.__name__}{_untyped(signature)}"

    @functools.wraps(rule.declared)
    def operation(matrix: Tensor, *options: Option, **named: Option) -> Tensor:
        if named:
            options = signature.bind(matrix, *options, **named).args[1:]
        if not least <= len(options) <= len(known):
            raise TypeError(usage)
        return apply(matrix, *map(_number, options))

    # It is found in the framework's module, by pickle and by the book's pages.
    operation.__module__ = apply.__module__
    return operation


def _untyped(signature: inspect.Signature) -> inspect.Signature:
    """A signature without annotations, as a person calls the function."""
    plain = [p.replace(annotation=p.empty) for p in signature.parameters.values()]
    return inspect.Signature(plain)


def _number(option: object) -> Option:
    """An option as a number of Python, which does not widen the dtype of an array."""
    if option is None:
        return None
    if isinstance(option, numbers.Integral):
        return int(option)
    if isinstance(option, numbers.Real):
        return float(option)
    raise TypeError(f"an option is a number, and this is of the type {type(option).__name__}")


def thin(xp: Namespace, matrix: Tensor) -> Factors:
    """Decompose a matrix of any shape: U, σ, Vᴴ, thin."""
    u, s, vh = xp.svd(matrix)
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


def _mark(xp: Namespace, distances: Tensor, values: Tensor) -> Tensor:
    """Zero, and if a distance is below the root of eps, with a derivative that is not finite."""
    size = xp.maximum(xp.abs(values[..., :1]), xp.abs(values[..., -1:]))
    close = distances <= xp.eps(values) ** 0.5 * size
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


def _ratio(xp: Namespace, above: Tensor, below: Tensor) -> Tensor:
    """Divide, where 0/0 counts as 0."""
    zero = (above == 0) & (below == 0)
    return xp.where(zero, xp.zeros_like(below), above / xp.where(zero, xp.ones_like(below), below))


def hermitian_function(tables: Callable[..., Factors]) -> Rule:
    """Rule of V f(Λ) Vᴴ: the gradient is V (F ∘ VᴴGV) Vᴴ (Daleckii and Krein 1965).

    Parameters
    ----------
    tables : callable
        ``tables(xp, values, *options)``: f(λᵢ), and Fᵢⱼ = (f(λᵢ) − f(λⱼ))/(λᵢ − λⱼ).

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
        _, divided = tables(xp, values, *options)
        cotangent = (cotangent + xp.adjoint(cotangent)) / 2
        return v @ _times(xp, divided, xp.adjoint(v) @ cotangent @ v) @ xp.adjoint(v)

    return Rule(hermitian, value, pullback)


def singular_function(tables: Callable[..., Factors]) -> Rule:
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

    def value(xp: Namespace, factors: Factors, *options: Option) -> Tensor:
        u, _, vh = factors
        function, *_ = tables(xp, factors, *options)
        return _times(xp, _columns(function), u) @ vh

    def pullback(xp: Namespace, factors: Factors, cotangent: Tensor, *options: Option) -> Tensor:
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

    return Rule(thin, value, pullback)


def _kept(xp: Namespace, factors: Factors, rtol: float | None) -> Tensor:
    """Which singular values count as positive."""
    u, s, vh = factors
    if rtol is None:
        rtol = max(u.shape[-2], vh.shape[-1]) * xp.eps(s)
    return s > rtol * s[..., :1]


def _nuclear(xp: Namespace, factors: Factors, rtol: float | None = None) -> Factors:
    s = factors[1]
    return s, xp.cast(_kept(xp, factors, rtol), s)


def _spectral(xp: Namespace, factors: Factors, rtol: float | None = None) -> Factors:
    u, s, vh = factors
    if rtol is None:
        rtol = max(u.shape[-2], vh.shape[-1]) * xp.eps(s)
    largest = xp.cast((s >= (1 - rtol) * s[..., :1]) & (s > 0), s)
    share = _ratio(xp, largest, xp.sum(largest, axis=-1, keepdims=True))
    return share * s[..., :1], share


def _polar(xp: Namespace, factors: Factors) -> Factors:
    s = factors[1]
    total = _rows(s) + _columns(s)
    return xp.ones_like(s), xp.zeros_like(total), 2 / total, 1 / s


def _shrunk(xp: Namespace, s: Tensor, function: Tensor, kept: Tensor) -> Factors:
    """Tables of an f with slope 1 on the singular values that are kept, and 0 on the others."""
    alike = _rows(kept) == _columns(kept)
    gap = _rows(s) - _columns(s)
    gap = xp.where(alike, xp.ones_like(gap), gap)
    quotient = (_rows(function) - _columns(function)) / gap
    minus = xp.where(alike, xp.cast(_rows(kept) & _columns(kept), s), quotient)
    plus = _ratio(xp, _rows(function) + _columns(function), _rows(s) + _columns(s))
    return function, minus, plus, _ratio(xp, function, s)


def _soft(xp: Namespace, factors: Factors, threshold: float) -> Factors:
    s = factors[1]
    kept = s > threshold
    return _shrunk(xp, s, xp.where(kept, s - threshold, xp.zeros_like(s)), kept)


def _truncated(xp: Namespace, factors: Factors, rank: int) -> Factors:
    s = factors[1]
    kept = xp.positions(s) < rank
    return _shrunk(xp, s, xp.where(kept, s, xp.zeros_like(s)), kept)


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

    return Rule(rule.decompose, value, pullback)


def _root(xp: Namespace, values: Tensor) -> Factors:
    roots = xp.sqrt(values)
    return roots, 1 / (_rows(roots) + _columns(roots))


def _exponential(xp: Namespace, values: Tensor) -> Factors:
    a, b = _rows(values), _columns(values)
    gap = xp.abs(a - b)
    mean = xp.where(gap == 0, xp.ones_like(gap), _ratio(xp, -xp.expm1(-gap), gap))
    return xp.exp(values), xp.exp(xp.maximum(a, b)) * mean


def _projector(xp: Namespace, values: Tensor, rank: int) -> Factors:
    kept = xp.positions(values) >= values.shape[-1] - rank
    alike = _rows(kept) == _columns(kept)
    gap = xp.abs(_rows(values) - _columns(values))
    divided = 1 / xp.where(alike, xp.ones_like(gap), gap)
    return xp.cast(kept, values), xp.where(alike, xp.zeros_like(gap), divided)


def _declare(rule: Rule) -> Callable[[Callable[..., Tensor]], Declared]:
    return lambda declared: Declared(rule.decompose, rule.value, rule.pullback, declared)


@_declare(singular_sum(_nuclear))
def nuclear_norm(matrix: Tensor, rtol: float | None = None) -> Tensor:
    """Σ σᵢ; its gradient where it is differentiable, else the smallest subgradient.

    Parameters
    ----------
    matrix : (..., m, n) array
        Real or complex.
    rtol : float, optional
        Singular values up to rtol · σ₁ count as 0; by default max(m, n) · eps.

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
        Singular values from (1 − rtol) σ₁ count as equal to σ₁; by default max(m, n) · eps.

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
        t > 0. For a gradient with respect to t as well, write ``t * soft_threshold(a / t, 1)``.

    Returns
    -------
    (..., m, n) array
    """


@_declare(singular_function(_truncated))
def low_rank(matrix: Tensor, rank: int) -> Tensor:
    """The sum of the first r terms σᵢ uᵢ vᵢᴴ, the nearest matrix of rank r.

    Parameters
    ----------
    matrix : (..., m, n) array
        Real or complex. Where σᵣ equals σᵣ₊₁ the gradient is not finite.
    rank : int
        r.

    Returns
    -------
    (..., m, n) array
    """


@_declare(singular_function(_polar))
def polar(matrix: Tensor) -> Tensor:
    """U Vᴴ, the nearest matrix with orthonormal columns, or rows.

    Parameters
    ----------
    matrix : (..., m, n) array
        Real or complex, of full rank; where a singular value is 0 the gradient is not finite.

    Returns
    -------
    (..., m, n) array
    """


@_declare(_adjoint_of(singular_function(_inverse)))
def pinv(matrix: Tensor, rtol: float | None = None) -> Tensor:
    """The Moore-Penrose inverse; its derivative along matrices of the same rank.

    Parameters
    ----------
    matrix : (..., m, n) array
        Real or complex.
    rtol : float, optional
        Singular values up to rtol · σ₁ count as 0; by default max(m, n) · eps.

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
        Real or complex; its Hermitian part counts. Where an eigenvalue is 0 the gradient is not
        finite; where one is negative, the root is not either.

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


@_declare(hermitian_function(_projector))
def projector(matrix: Tensor, rank: int) -> Tensor:
    """The orthogonal projector on the eigenvectors of the r largest eigenvalues.

    Parameters
    ----------
    matrix : (..., n, n) array
        Real or complex; its Hermitian part counts. Where λₙ₋ᵣ equals λₙ₋ᵣ₊₁ the gradient is not
        finite.
    rank : int
        r.

    Returns
    -------
    (..., n, n) array
    """
