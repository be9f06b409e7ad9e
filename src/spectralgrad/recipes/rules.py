"""What a rule is: an operation on matrices, with a gradient that holds at ties.

A rule is a decomposition, a value and a pullback, each written once, in the array code of any
framework, a `Namespace` ``xp``. Matrices may come in stacks. Cotangents and gradients satisfy
df = Re Σ conj(Gᵢⱼ) dAᵢⱼ; the gradient of a function of Hermitian matrices is Hermitian. No rule
branches on a number that may be unknown, so that it runs under ``jit`` and on any device; it may
branch on shapes, so that those of the matrices have to be known, though not how many there are.

A second derivative differentiates a pullback, and with it the framework's own decomposition, which
loses its digits as two values meet; where more than half of them are lost, it is not finite.
"""

import functools
import inspect
import math
import numbers
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np

from spectralgrad.theory import gauge

#: Functions of a namespace that every framework calls as NumPy does.
ELEMENTWISE = (
    *("abs", "exp", "expm1", "log", "log1p", "maximum", "ones_like", "sqrt", "sum", "where"),
    "zeros_like",
)

# An array of whichever framework, and what its module calls xp.
Tensor = Any
Factors = tuple[Tensor, ...]
# A number. None, which only rtol may be, is the default of the precision.
Option = Any
Options = tuple[Option, ...]
Pullback = Callable[[Tensor], Tensor]
# Places of the larger value and of the other one, None for 0.
Pair = tuple[int, int | None]
Cut = Callable[..., Pair | None]


class Namespace(SimpleNamespace):
    """Array functions of a framework: those of `ELEMENTWISE` under NumPy's names, and more.

    ``eigh(a)``, ``svd(a)``
        (λ, V) with real λ, ascending; the thin (U, σ, Vᴴ), descending;
    ``adjoint(a)``
        conjugate transpose of the last two axes;
    ``cast(x, like)``, ``positions(x)``, ``dtype(x)``
        x in the dtype of another array; 0, 1, 2, … along the last axis of x, in the dtype of x;
        that dtype, as NumPy's;
    ``known(x)``
        x as an array of NumPy, or None where its numbers are not known: under ``jit``, ``vmap``,
        ``tf.function``, ``torch.compile``.
    """

    def pairs(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """xᵢ and xⱼ, as tables with the rows i and the columns j."""
        return x[..., :, None], x[..., None, :]

    def times(self, table: Tensor, matrix: Tensor) -> Tensor:
        """Multiply entry by entry with real numbers."""
        return self.cast(table, matrix) * matrix

    def divide(self, above: Tensor, below: Tensor, where: Tensor, otherwise: Tensor) -> Tensor:
        """Divide where that is asked for, and nowhere by what may be zero elsewhere."""
        below = self.where(where, below, self.ones_like(below))
        return self.where(where, above / below, otherwise)

    def hermitian_part(self, a: Tensor) -> Tensor:
        """(A + Aᴴ)/2."""
        return (a + self.adjoint(a)) / 2

    def skew_part(self, a: Tensor) -> Tensor:
        """(A − Aᴴ)/2."""
        return (a - self.adjoint(a)) / 2

    def largest(self, values: Tensor) -> Tensor:
        """The largest modulus of values in order, along a last axis of length 1."""
        return self.maximum(self.abs(values[..., :1]), self.abs(values[..., -1:]))

    def mark(self, distances: Tensor, values: Tensor) -> Tensor:
        """Zero, with a derivative that is not finite if a distance is below the root of eps."""
        close = distances <= gauge.default_tol(self.dtype(values)) * self.largest(values)
        # The derivative of TensorFlow's own root, times 0, is 0.
        roots = self.where(close, 0 * distances, self.ones_like(distances)) ** 0.5
        return 0 * self.sum(roots, axis=-1)[..., None, None]


@dataclass(frozen=True)
class Rule:
    """An operation on a matrix, and its pullback; ``operation`` of a framework's module takes it.

    ``decompose(xp, matrix)`` gives factors, a tuple of arrays, ``value(xp, factors, *options)`` the
    value, and ``pullback(xp, factors, cotangent, *options)`` the gradient. ``declared`` has the
    name and the docstring of the operation and, after two arguments, its options.
    """

    decompose: Callable[..., Factors]
    value: Callable[..., Tensor]
    pullback: Callable[..., Tensor]
    declared: Callable[..., Tensor]


def public(rule: Rule, apply: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Make ``apply(matrix, *options)`` of a framework a function with a name and a docstring.

    It takes options by name too, and refuses those that make no sense: with a TypeError one that is
    missing, unknown or an array, which would get no gradient, and with a ValueError a number.
    """
    _, _, *known = inspect.signature(rule.declared).parameters.values()
    defaults = tuple(option.default for option in known)
    least = defaults.count(inspect.Parameter.empty)
    matrix = inspect.Parameter("matrix", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    signature = inspect.Signature([matrix, *(x.replace(annotation=x.empty) for x in known)])
    usage = f"call it as {rule.declared.__name__}{signature}"

    def operation(matrix: Tensor, *options: Option, **named: Option) -> Tensor:
        if named:
            bound = signature.bind(matrix, *options, **named)
            bound.apply_defaults()
            options = bound.args[1:]
        if not least <= len(options) <= len(known):
            raise TypeError(usage)
        options += defaults[len(options) :]
        given = zip(known, options, strict=True)
        return apply(matrix, *(_number(option.name, x) for option, x in given))

    functools.update_wrapper(operation, rule.declared)
    operation.__signature__ = signature  # type: ignore[attr-defined]
    place(operation, apply.__module__)
    return operation


def place(function: Callable[..., Any], module: str) -> None:
    """Say that a function is a framework's, for pickle and for the book's pages."""
    function.__module__, function.__qualname__ = module, function.__name__


#: For the options of the rules: what they have to be, in words and as a test.
_SENSIBLE: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "rank": ("a whole number from 0", lambda x: isinstance(x, int) and x >= 0),
    "rtol": ("a number from 0 to below 1", lambda x: 0 <= x < 1),
    "threshold": ("a number from 0", lambda x: x >= 0),
}


def _number(name: str, option: Option) -> Option:
    """An option as a number of Python, which does not widen the dtype of an array."""
    if option is None and name == "rtol":
        return None
    if not isinstance(option, numbers.Real):
        raise TypeError(f"an option is a number, and this is of the type {type(option).__name__}")
    number = int(option) if isinstance(option, numbers.Integral) else float(option)
    wanted, is_sensible = _SENSIBLE.get(name, ("a finite number", math.isfinite))
    if isinstance(option, bool) or not (is_sensible(number) and math.isfinite(number)):
        raise ValueError(f"{name}: {option} will not do; give {wanted}")
    return number


def chosen(
    options: Options, default_rtol: Callable[..., float], xp: Namespace, factors: Factors
) -> Options:
    """The options, with a default for an rtol of None."""
    if None not in options:
        return options
    return tuple(default_rtol(xp, factors) if x is None else x for x in options)


def require_sizes(m: int | None, n: int | None) -> None:
    """Refuse a matrix of which TensorFlow does not know the shape."""
    if None in (m, n):
        raise ValueError(
            f"the matrix is {m or '?'} × {n or '?'}: how many rows and columns it has must be "
            "known when the function is traced (tf.ensure_shape says it)"
        )


def require_open(
    xp: Namespace, cotangent: Tensor, values: Tensor, pair: Pair, rtol: Option, symbol: str
) -> Tensor:
    """Return the cotangent of an operation that has a gradient only where two values are apart.

    Where they are not, it is NaN if nobody knows, and else a GaugeError names them.
    """
    first, last = pair
    upper = values[..., first]
    lower = 0 * upper if last is None else values[..., last]
    limit = rtol * xp.largest(values)[..., 0]
    closed = upper - lower <= limit
    known = xp.known(closed)
    if known is None:
        return xp.where(closed[..., None, None], math.nan * xp.ones_like(cotangent), cotangent)
    for place in map(tuple, np.argwhere(known)):
        raise _closed(symbol, pair, place, *(xp.known(x)[place] for x in (upper, lower, limit)))
    return cotangent


def _closed(symbol: str, pair: Pair, place: tuple[int, ...], *found: float) -> gauge.GaugeError:
    """The error that says in which matrix of a stack two values, or one and zero, are equal."""
    (first, last), (upper, lower, limit) = pair, map(float, found)
    where = f"matrix {[*map(int, place)]} of the stack: " if place else ""
    name = gauge.names(symbol, first, first)
    if last is None:
        last, said, counted = first, f"{name} = {upper:.1e}", "0"
    else:
        other, apart = gauge.names(symbol, last, last), f"{upper - lower:.1e} apart"
        said, counted = f"{name} = {upper:.9g} and {other} = {lower:.9g} are {apart}", "equal"
    message = (
        f"{where}{said}, and up to {limit:.1e} that counts as {counted}: there is no gradient "
        "(rtol says what counts)"
    )
    return gauge.GaugeError(message, (first, last), upper - lower, limit)
