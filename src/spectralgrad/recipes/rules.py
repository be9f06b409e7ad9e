"""What a rule is: an operation on matrices, with derivatives that hold at ties.

A rule is written once, in the array code of any framework, a `Namespace` ``xp``. It decomposes a
matrix, and makes of the factors the value and the first two derivatives along given directions.
Matrices may come in stacks. No rule branches on a number that may be unknown, so that it runs under
``jit`` and on any device; it may branch on shapes, so that those of the matrices have to be known,
though not how many there are.

The operations are gradients G = ∇h of real functions of a matrix, with dh = Re Σ conj(Gᵢⱼ) dAᵢⱼ.
So Re⟨C, DG[B]⟩ and Re⟨C, D²G[B, B′]⟩ are symmetric in B, B′ and C: the derivative along a tangent
and the gradient for a cotangent are one formula. ``xp.primitive`` makes of those for 0, 1 and 2
directions functions that a framework can differentiate, each by the next, in both modes.
"""

import functools
import inspect
import math
import numbers
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np

from spectralgrad.theory import gauge

#: Functions of a namespace that every framework calls as NumPy does.
ELEMENTWISE = (
    *("abs", "exp", "expm1", "log", "log1p", "maximum", "ones_like", "sqrt", "sum", "where"),
    *("conj", "einsum", "real", "reciprocal", "sign", "zeros_like"),
)

# An array of whichever framework, and what its module calls xp.
Tensor = Any
Factors = tuple[Tensor, ...]
Pullback = Callable[[Tensor], Tensor]
# A number, or a function of an array. None, which rtol may be, is the default of the precision.
Option = Any
Options = tuple[Option, ...]
# Values in order, and the places of pairs that have to be apart: the larger one first, None for 0.
Pair = tuple[int, int | None]
Cut = tuple[Tensor, list[Pair]]


class Namespace(SimpleNamespace):
    """Array functions of a framework: those of `ELEMENTWISE` under NumPy's names, and more.

    ``eigh(a)``, ``svd(a, full=False)``
        (λ, V) with real λ, ascending; (U, σ, Vᴴ), descending, thin or not;
    ``whitener(b)``
        W with Wᴴ B W = 1, and with derivatives;
    ``adjoint(a)``, ``array(x)``, ``concatenate(arrays, axis)``
        conjugate transpose of the last two axes; what the framework takes for an array, as one; as
        NumPy's;
    ``cast(x, like)``, ``wide(x)``, ``dtype(x)``, ``positions(x)``
        x in the dtype of another array; in single precision, if it is in half; that dtype, as
        NumPy's; 0, 1, 2, … along the last axis of x, in the dtype of x;
    ``stop(x)``, ``learns(x)``
        x without derivatives; whether one is wanted, None if nobody knows;
    ``known(x)``
        x as an array of NumPy, or None where its numbers are not known: under ``jit``, ``vmap``,
        ``tf.function``, ``torch.compile``, or on another device;
    ``primitive(rule, options, matrix, factors, *directions)``
        ``rule.direct`` as a function of the matrix and the directions: its tangents are those of
        `forward`, its gradients those of ``pullback``.
    """

    def in_graph(self, operation: Callable[..., Tensor]) -> Callable[..., Tensor]:
        """Let a compiler take an operation as a whole."""
        return operation

    def pullback(
        self, rule: "Rule | Sum", options: Options, matrix: Tensor, factors: Factors, *given: Tensor
    ) -> Tensor:
        """The gradient in the matrix or a direction, for the others and, last, a cotangent."""
        if isinstance(rule, Rule):
            return self.primitive(rule, options, matrix, factors, *given)
        *directions, cotangent = given
        gradient = self.primitive(rule.gradient, options, matrix, factors, *directions)
        return self.times(cotangent[..., None, None], gradient)

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
        return (a + self.adjoint(a)) * 0.5

    def skew_part(self, a: Tensor) -> Tensor:
        """(A − Aᴴ)/2."""
        return (a - self.adjoint(a)) * 0.5

    def diagonal(self, a: Tensor) -> Tensor:
        """The diagonal of a square matrix."""
        return self.sum(self.unit(a) * a, axis=-1)

    def is_diagonal(self, x: Tensor) -> Tensor:
        """Where a table of x has its diagonal."""
        one, other = self.pairs(self.positions(x))
        return one == other

    def unit(self, vectors: Tensor) -> Tensor:
        """The identity that has as many rows as a matrix."""
        return self.cast(self.is_diagonal(self.real(vectors[..., :, 0])), vectors)

    def apply(self, matrix: Tensor, vector: Tensor) -> Tensor:
        """A x."""
        return (matrix @ vector[..., None])[..., 0]

    def largest(self, values: Tensor) -> Tensor:
        """The largest modulus of values in order, along a last axis of length 1."""
        return self.maximum(self.abs(values[..., :1]), self.abs(values[..., -1:]))


@dataclass(frozen=True, eq=False)
class Rule:
    """An operation on a matrix, and its derivatives.

    ``decompose(xp, matrix)`` gives factors, a tuple of arrays; ``formula(xp, factors, options,
    *directions)`` the value for no direction, and the derivative along one or as many as there are
    ``orders``. Of ``declared`` come the name, the docstring and, after two arguments, the options,
    of which rtol is the last. ``cut(xp, factors, options)`` says which values, of the name
    ``symbol``, have to be apart by more than rtol if there is to be a derivative.
    """

    decompose: Callable[..., Factors]
    formula: Callable[..., Tensor]
    declared: Callable[..., Any]
    cut: Callable[..., Cut]
    default_rtol: Callable[[Namespace, Factors], float]
    symbol: str
    orders: int = 2

    @property
    def gradient(self) -> "Rule":
        """The rule that holds the derivatives."""
        return self

    def direct(
        self, xp: Namespace, factors: Factors, options: Options, *directions: Tensor
    ) -> Tensor:
        """The derivative where there is one; else a GaugeError, or NaN if nobody knows."""
        if len(directions) > self.orders:
            raise NotImplementedError("there are first and second derivatives, and no third")
        if directions:
            first, *others = directions
            shut = self.closed(xp, factors, options)
            if shut is not None:
                first = xp.where(shut[..., None, None], math.nan * xp.ones_like(first), first)
            directions = (first, *others)
        return self.formula(xp, factors, options, *directions)

    def closed(self, xp: Namespace, factors: Factors, options: Options) -> Tensor | None:
        """Where there is no derivative, by `closed`; refused, if that is known."""
        values, pairs = self.cut(xp, factors, options)
        if not pairs:
            return None
        ranked = "rank" in self.options
        return closed(xp, values, pairs, options[-1], self.symbol, refuse=True, ranked=ranked)

    @functools.cached_property
    def options(self) -> list[str]:
        """The names of the options."""
        return [*inspect.signature(self.declared).parameters][2:]


@dataclass(frozen=True, eq=False)
class Sum:
    """A real function of a matrix: its value, and the rule of its gradient.

    ``declared(xp, factors, *options)`` is the value, from the factors of the gradient's rule.
    """

    declared: Callable[..., Tensor]
    gradient: Rule

    @property
    def orders(self) -> int:
        """How many derivatives there are."""
        return self.gradient.orders + 1

    def direct(
        self, xp: Namespace, factors: Factors, options: Options, *directions: Tensor
    ) -> Tensor:
        """The value, or the inner product of the gradient's derivative with the last direction."""
        if not directions:
            return self.declared(xp, factors, *options)
        gradient = self.gradient.direct(xp, factors, options, *directions[:-1])
        return xp.sum(xp.real(xp.conj(gradient) * directions[-1]), axis=(-2, -1))


def forward(
    along: Callable[..., Tensor], directions: Factors, tangents: Sequence[Tensor | None]
) -> Tensor | None:
    """The tangent of a derivative along directions, for those of the matrix and of each of them.

    None stands for 0.
    """
    moved, *turned = tangents
    parts = [] if moved is None else [along(*directions, moved)]
    for i, tangent in enumerate(turned):
        if tangent is not None:
            parts.append(along(*directions[:i], tangent, *directions[i + 1 :]))
    return functools.reduce(operator.add, parts) if parts else None


def apply(xp: Namespace, rule: Rule | Sum, matrix: Tensor, *options: Option) -> Tensor:
    """Apply a rule to a matrix, with a default for an rtol of None."""
    value, _ = applied(xp, rule, matrix, *options)
    return value


def applied(
    xp: Namespace, rule: Rule | Sum, matrix: Tensor, *options: Option
) -> tuple[Tensor, Factors]:
    """Apply a rule to a matrix, and return the factors too."""
    if len(matrix.shape) < 2:
        raise ValueError(f"an array of the shape {tuple(matrix.shape)} is not a matrix")
    gradient = rule.gradient
    factors = gradient.decompose(xp, xp.stop(matrix))
    if gradient.options[-1:] == ["rtol"] and options[-1] is None:
        options = (*options[:-1], gradient.default_rtol(xp, factors))
    if rule is gradient and xp.learns(matrix):
        # So that a fault is told here, and not by a reverse pass that runs later.
        gradient.closed(xp, factors, options)
    return xp.primitive(rule, options, matrix, factors), factors


def operation(
    xp: Namespace, of: Rule | Sum | Callable[..., Any], module: str
) -> Callable[..., Tensor]:
    """Make a function of a framework's module, of a rule or of a function of ``(xp, matrix, …)``.

    It takes options by name too, and refuses those that make no sense: with a TypeError one that is
    missing, unknown or an array, which would get no gradient, and with a ValueError a number. Half
    precision is computed in single precision.
    """
    if isinstance(of, Rule | Sum):
        declared, call = of.declared, functools.partial(apply, xp, of)
    else:
        declared, call = of, functools.partial(of, xp)
    _, _, *known = inspect.signature(declared).parameters.values()
    places = [x for x in known if x.kind is not inspect.Parameter.KEYWORD_ONLY]
    defaults = tuple(option.default for option in places)
    least = defaults.count(inspect.Parameter.empty)
    matrix = inspect.Parameter("matrix", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    signature = inspect.Signature([matrix, *(x.replace(annotation=x.empty) for x in known)])
    usage = f"call it as {declared.__name__}{signature}"

    def of_matrix(matrix: Tensor, *options: Option, **named: Option) -> Tensor:
        arrays: dict[str, Tensor] = {}
        if named:
            bound = signature.bind(matrix, *options, **named)
            bound.apply_defaults()
            options, arrays = bound.args[1:], bound.kwargs
        if not least <= len(options) <= len(places):
            raise TypeError(usage)
        options += defaults[len(options) :]
        given = zip(places, options, strict=True)
        numbers = [checked(option.name, x) for option, x in given]
        matrix = xp.array(matrix)
        wide = xp.wide(matrix)
        result = call(wide, *numbers, **arrays)
        if wide is matrix:
            return result
        narrow = functools.partial(xp.cast, like=matrix)
        return tuple(map(narrow, result)) if isinstance(result, tuple) else narrow(result)

    functools.update_wrapper(of_matrix, declared)
    of_matrix.__signature__ = signature  # type: ignore[attr-defined]
    place(of_matrix, module)
    # A graph holds no functions as options.
    return of_matrix if set(_FUNCTIONS) & {x.name for x in known} else xp.in_graph(of_matrix)


def place(function: Callable[..., Any], module: str) -> None:
    """Say that a function is a framework's, for pickle and for the book's pages."""
    function.__module__, function.__qualname__ = module, function.__name__


#: For the options of the rules: what they have to be, in words and as a test.
_SENSIBLE: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "rank": ("a whole number from 0", lambda x: isinstance(x, int) and x >= 0),
    "index": ("a whole number", lambda x: isinstance(x, int)),
    "rtol": ("a number from 0 to below 1", lambda x: 0 <= x < 1),
    "threshold": ("a number from 0", lambda x: x >= 0),
}
_FUNCTIONS = ("f", "df", "d2f")


def checked(name: str, option: Option) -> Option:
    """An option as a number of Python, which does not widen the dtype of an array."""
    if option is None and name in ("rtol", "d2f"):
        return None
    if name in _FUNCTIONS:
        if not callable(option):
            raise TypeError(
                f"{name} is a function of an array, and this is of the type {type(option).__name__}"
            )
        return option
    if not isinstance(option, numbers.Real):
        raise TypeError(f"an option is a number, and this is of the type {type(option).__name__}")
    number = int(option) if isinstance(option, numbers.Integral) else float(option)
    wanted, is_sensible = _SENSIBLE.get(name, ("a finite number", math.isfinite))
    if isinstance(option, bool) or not (is_sensible(number) and math.isfinite(number)):
        raise ValueError(f"{name}: {option} will not do; give {wanted}")
    return number


def require_sizes(m: int | None, n: int | None) -> None:
    """Refuse a matrix of which TensorFlow does not know the shape."""
    if None in (m, n):
        raise ValueError(
            f"the matrix is {m or '?'} × {n or '?'}: how many rows and columns it has must be "
            "known when the function is traced (tf.ensure_shape says it)"
        )


def place_of(n: int, index: int) -> int:
    """The place of one of n values; a negative index counts from the end."""
    if not -n <= index < n:
        raise ValueError(f"index: {index} will not do for {n} values; give {-n} to {n - 1}")
    return index % n


def closed(
    xp: Namespace,
    values: Tensor,
    pairs: list[Pair],
    rtol: float,
    symbol: str,
    *,
    refuse: bool,
    ranked: bool = False,
) -> Tensor | None:
    """Where values count as equal that have to be apart, if nobody knows; None for nowhere.

    If they are known, a GaugeError names the first ones, unless it is not to ``refuse``.
    """
    if not pairs:
        return None
    numbers = xp.known(values)
    if numbers is not None:
        limit = rtol * np.maximum(np.abs(numbers[..., 0]), np.abs(numbers[..., -1]))
        for pair in pairs:
            at = np.argwhere(_gap(numbers, pair) <= limit).tolist()
            if at and refuse:
                place = tuple(at[0])
                raise _closed(symbol, ranked, pair, place, numbers[place], float(limit[place]))
        return None
    limit = rtol * xp.largest(values)[..., 0]
    return functools.reduce(operator.or_, [_gap(values, pair) <= limit for pair in pairs])


def _gap(values: Tensor, pair: Pair) -> Tensor:
    """The distance of two values, or of one and 0."""
    first, last = pair
    return values[..., first] - (0 if last is None else values[..., last])


def _closed(
    symbol: str, ranked: bool, pair: Pair, place: tuple[int, ...], values: Any, limit: float
) -> gauge.GaugeError:
    """The error that says in which matrix of a stack two values, or one and zero, are equal."""
    first, last = pair
    upper, lower = float(values[first]), 0.0 if last is None else float(values[last])
    where = f"matrix {[*map(int, place)]} of the stack: " if place else ""
    name = gauge.names(symbol, first, first)
    if last is None:
        last, said, counted = first, f"{name} = {upper:.1e}", "0"
    else:
        other, apart = gauge.names(symbol, last, last), f"{upper - lower:.1e} apart"
        said, counted = f"{name} = {upper:.9g} and {other} = {lower:.9g} are {apart}", "equal"
    safe = _safe_ranks(values, min(first, last), limit) if ranked else ""
    message = (
        f"{where}{said}, and up to {limit:.1e} that counts as {counted}: there is no derivative "
        f"({safe}rtol says what counts)"
    )
    return gauge.GaugeError(message, (first, last), upper - lower, limit)


def _safe_ranks(values: Any, cut: int, limit: float) -> str:
    """Which ranks on either side would not part a cluster."""
    ascending = values[0] < values[-1]
    places = np.flatnonzero(np.abs(np.diff(values)) > limit)
    below, above = [-1, *places[places < cut]][-1], [*places[places > cut], len(values) - 1][0]
    ranks = sorted(len(values) - 1 - x if ascending else x + 1 for x in (below, above))
    return f"the ranks {ranks[0]} and {ranks[1]} part no such values; "
