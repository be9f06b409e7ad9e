"""What a rule is: an operation on matrices, with derivatives that hold at ties.

A rule is written once, in the array code of any framework, a `Namespace` ``xp``. No rule branches
on a number that may be unknown, so that it runs under ``jit`` and on any device; it may branch on
shapes, so that those of the matrices have to be known, though not how many there are.

Most operations are gradients G = ∇h of real functions of a matrix, with dh = Re Σ conj(Gᵢⱼ) dAᵢⱼ.
So Re⟨C, DG[B]⟩ and Re⟨C, D²G[B, B′]⟩ are symmetric in B, B′ and C: the derivative along a tangent
and the gradient for a cotangent are one formula. Of another operation G, as of a vector, the
gradient of Re⟨C, G⟩ has a formula of its own, and is symmetric in all that follows C.
``xp.primitive`` makes of those for 0, 1 and 2 directions functions that a framework can
differentiate, each by the next, in both modes.
"""

import functools
import inspect
import math
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np

from spectralgrad.theory import gauge, spectrum

#: What every framework calls as NumPy does.
ELEMENTWISE = (
    *("abs", "exp", "expm1", "log", "log1p", "maximum", "ones_like", "sqrt", "sum", "where"),
    *("conj", "einsum", "real", "reciprocal", "sign", "zeros_like", "linalg"),
)

#: How many derivatives there are.
ORDERS = 2

# An array of whichever framework, and what its module calls xp.
Tensor = Any
Factors = tuple[Tensor, ...]
Pullback = Callable[[Tensor], Tensor]
# A number, or a function of an array. None, which rtol may be, is the default of the precision.
Option = Any
Options = tuple[Option, ...]


class At(NamedTuple):
    """A rule with its options, at a matrix that has been decomposed."""

    rule: "Rule"
    options: Options
    matrix: Tensor
    factors: Factors


# The places of two values that have to be apart: of the larger one first, None for 0.
Pair = tuple[int, int | None]


class Namespace(SimpleNamespace):
    """Array functions of a framework: those of `ELEMENTWISE` under NumPy's names, and more.

    ``eigh(a)``, ``svd(a, full=False)``
        (λ, V) with real λ, ascending; (U, σ, Vᴴ), descending, thin or not;
    ``whitener(b)``
        of a W with Wᴴ B W = 1: the functions A ↦ Wᴴ A and A ↦ W A, and W⁻¹, with derivatives;
    ``adjoint(a)``, ``array(x)``, ``concatenate(arrays, axis)``
        conjugate transpose; what the framework takes for an array, as one; as NumPy's;
    ``cast(x, like)``, ``wide(x)``, ``dtype(x)``, ``positions(x)``
        x in the dtype of another array; in single precision, if it is in half; the dtype, as
        NumPy's; 0, 1, 2, … along the last axis of x, in the dtype of x;
    ``stop(x)``, ``learns(x)``
        x without derivatives; whether one is wanted, None if nobody knows;
    ``known(x)``
        x as an array of NumPy, or None where its numbers are not known: under ``jit``, ``vmap``,
        ``tf.function``, ``torch.compile``, or on another device;
    ``cotangents(loss, *factors)``, ``over(function, like)``
        the value of a real function and its gradients; a function that returns a tuple of arrays,
        in the dtypes of ``like``, as one of stacks;
    ``max``, ``is_complex``, ``asarray(x, like)``
        as in NumPy; a NumPy array in the dtype of another;
    ``primitive(at, *directions)``
        `Rule.direct` as a function of the matrix and the directions: its tangents are those of
        `forward`, its gradients those of ``pullback``.
    """

    def each(self, function: Callable[..., Factors], points: Sequence[Factors]) -> list[Factors]:
        """A function at each of several points."""
        return [function(*point) for point in points]

    @staticmethod
    def draw(m: int, n: int, *, is_complex: bool) -> np.ndarray:
        """The first columns of an orthogonal or unitary matrix drawn at random, always the same."""
        x = np.random.default_rng(0).standard_normal((2, m, n))
        return np.linalg.qr(x[0] + 1j * x[1] if is_complex else x[0])[0]

    def mapped(
        self, function: Callable[..., Factors], dimensions: int, like: Factors, *stacks: Tensor
    ) -> Factors:
        """A function of each part of stacks with that many dimensions."""
        for _ in range(dimensions):
            function = self.over(function, like)
        return function(*stacks)

    def in_graph(self, operation: Callable[..., Tensor]) -> Callable[..., Tensor]:
        """Let a compiler take an operation as a whole."""
        return operation

    def pullback(self, at: At, directions: Factors, i: int, cotangent: Tensor) -> Tensor:
        """The gradient in the matrix, for i = 0, or in a direction, for i = 1, 2, …."""
        others, rule = (*directions[: i - 1], *directions[i:]) if i else directions, at.rule
        if rule.slope is not None:
            gradient = self.primitive(at._replace(rule=rule.slope), *others)
            return self.times(cotangent[..., None, None], gradient)
        if rule.of is not None and i != 1:
            return self.primitive(at, *others, cotangent)
        return self.primitive(at._replace(rule=rule.of or rule.pulled), cotangent, *others)

    def pairs(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """xᵢ and xⱼ, as tables with the rows i and the columns j."""
        return x[..., :, None], x[..., None, :]

    def times(self, table: Tensor, matrix: Tensor) -> Tensor:
        """Multiply entry by entry with real numbers."""
        return self.cast(table, matrix) * matrix

    def divide(
        self, above: Tensor, below: Tensor, where: Tensor, otherwise: Tensor | float = 0
    ) -> Tensor:
        """Divide where that is asked for, and nowhere by what may be zero elsewhere."""
        return self.where(where, above / self.where(where, below, 1), otherwise)

    def inverse(self, x: Tensor, where: Tensor, otherwise: float = 0) -> Tensor:
        """1/x where that is asked for."""
        return self.where(where, self.reciprocal(self.where(where, x, 1)), otherwise)

    def hermitian_part(self, a: Tensor) -> Tensor:
        """(A + Aᴴ)/2."""
        return (a + self.adjoint(a)) * 0.5

    def skew_part(self, a: Tensor) -> Tensor:
        """(A − Aᴴ)/2."""
        return (a - self.adjoint(a)) * 0.5

    def is_diagonal(self, x: Tensor) -> Tensor:
        """Where a table of x has its diagonal."""
        one, other = self.pairs(self.positions(x))
        return one == other

    def apply(self, matrix: Tensor, vector: Tensor) -> Tensor:
        """A x."""
        return (matrix @ vector[..., None])[..., 0]

    def largest(self, values: Tensor) -> Tensor:
        """The largest modulus of values in order, along a last axis of length 1."""
        return self.maximum(self.abs(values[..., :1]), self.abs(values[..., -1:]))


#: Of arrays whose numbers are known: many steps take other frameworks longer than NumPy.
NUMPY = Namespace(
    **{name: getattr(np, name) for name in ELEMENTWISE},
    adjoint=lambda a: np.conj(np.swapaxes(a, -1, -2)),
    concatenate=np.concatenate,
    cast=lambda x, like: x.astype(like.dtype, copy=False),
    times=np.multiply,
    positions=lambda x: np.arange(x.shape[-1], dtype=x.dtype),
    dtype=lambda x: x.dtype,
    is_complex=np.iscomplexobj,
    known=lambda x: x,
)


@dataclass(frozen=True, eq=False)
class Rule:
    """An operation on a matrix, and its derivatives.

    ``decompose(xp, matrix)`` gives factors, a tuple of arrays; ``formula(xp, factors, options,
    *directions)`` the value for no direction, and the derivative along one or two. Where it is no
    gradient of a function, ``pull(xp, factors, options, cotangent, *directions)`` is that of
    Re⟨C, G⟩. Of ``declared`` come the name, the docstring and, after two arguments, the options,
    of which rtol is the last. ``cut(n, *options)`` says which of the n ``values(xp, factors)``, in
    order and of the name ``symbol``, have to be apart by more than rtol if there are to be more
    derivatives than those that there are ``always``.
    """

    decompose: Callable[..., Factors]
    formula: Callable[..., Tensor]
    declared: Callable[..., Any]
    symbol: str
    cut: Callable[..., list[Pair]] = lambda n, *options: []
    values: Callable[[Namespace, Factors], Tensor] = lambda xp, factors: factors[0]
    pull: Callable[..., Tensor] | None = None
    always: int = 0
    #: Of a rule that takes a cotangent as its first direction, that of which it is the gradient.
    of: "Rule | None" = None
    #: Of a real function, that of its gradient.
    slope: "Rule | None" = None
    orders: int = ORDERS
    last: str = "there are first and second derivatives, and no third"

    @functools.cached_property
    def pulled(self) -> "Rule":
        """The rule of the gradient for a cotangent, which comes before the directions."""
        if self.pull is None:
            return self
        return replace(self, formula=self.pull, pull=None, of=self)

    @functools.cached_property
    def apart(self) -> "Rule":
        """The rule for values of which it is known that they are apart."""
        return replace(self, always=ORDERS)

    def direct(
        self, xp: Namespace, factors: Factors, options: Options, *directions: Tensor
    ) -> Tensor:
        """The derivative where there is one; else a GaugeError, or NaN if nobody knows."""
        if len(directions) > self.orders:
            raise NotImplementedError(self.last)
        if len(directions) > self.always:
            shut = self.closed(xp, factors, options)
            if shut is not None:
                first, *others = directions
                shut = shut[(..., *[None] * (len(first.shape) - len(shut.shape)))]
                directions = xp.where(shut, math.nan * xp.ones_like(first), first), *others
        return self.formula(xp, factors, options, *directions)

    def at_once(self, xp: Namespace, options: Options, factors: Factors, *given: Tensor) -> Tensor:
        """What `direct` gives, computed by NumPy if the numbers are known."""
        arrays = [xp.known(x) for x in (*factors, *given)]
        if any(x is None for x in arrays):
            return self.direct(xp, factors, options, *map(xp.stop, given))

        def known(option: Option) -> Option:
            return (lambda x: xp.known(option(xp.array(x)))) if callable(option) else option

        k = len(factors)
        with np.errstate(all="ignore"):
            found = self.direct(NUMPY, tuple(arrays[:k]), tuple(map(known, options)), *arrays[k:])
        return xp.array(found)

    def closed(self, xp: Namespace, factors: Factors, options: Options) -> Tensor | None:
        """Where values count as equal that have to be apart, if nobody knows; None for nowhere.

        If they are known, a GaugeError names the first ones.
        """
        values = self.values(xp, factors)
        pairs = self.cut(values.shape[-1], *options)
        known = xp.known(values) if pairs else None
        of, shut = values if known is None else known, None
        for first, last in pairs:
            gap, rtol = of[..., first] - (0 if last is None else of[..., last]), options[-1]
            here = (gap <= rtol * abs(of[..., 0])) | (gap <= rtol * abs(of[..., -1]))
            if known is not None and here.any():
                raise self.fault((first, last), np.argwhere(here)[0].tolist(), known, rtol)
            shut = here if shut is None else shut | here
        return shut if known is None else None

    def fault(self, pair: Pair, place: list[int], values: Any, rtol: float) -> gauge.GaugeError:
        """The error that says in which matrix of a stack two values, or one and zero, are equal."""
        values, (first, last) = values[tuple(place)], pair
        limit = rtol * max(abs(values[0]), abs(values[-1]))
        upper, lower = float(values[first]), 0.0 if last is None else float(values[last])
        name = gauge.names(self.symbol, first, first)
        if last is None:
            last, said, counted = first, f"{name} = {upper:.1e}", "0"
        else:
            other, apart = gauge.names(self.symbol, last, last), f"{upper - lower:.1e} apart"
            said, counted = f"{name} = {upper:.9g} and {other} = {lower:.9g} are {apart}", "equal"
        safe = _safe_ranks(values, min(first, last), limit) if "rank" in self.options else ""
        message = (
            f"{said}, and up to {limit:.1e} that counts as {counted}: there is no "
            f"derivative ({safe}rtol says what counts)"
        )
        return gauge.GaugeError(message, (first, last), upper - lower, limit, *place)

    @functools.cached_property
    def options(self) -> list[str]:
        """The names of the options."""
        return [*inspect.signature(self.declared).parameters][2:]


def real_function(gradient: Rule, declared: Callable[..., Tensor]) -> Rule:
    """Rule of a real function, of which the gradient's rule is given.

    ``declared(xp, factors, *options)`` is the value, from the same factors.
    """

    def formula(xp: Namespace, factors: Factors, options: Options, *directions: Tensor) -> Tensor:
        if not directions:
            return declared(xp, factors, *options)
        *others, last = directions
        found = gradient.formula(xp, factors, options, *others)
        return xp.sum(xp.real(xp.conj(found) * last), axis=(-2, -1))

    slope = replace(gradient, orders=gradient.orders - 1)
    return replace(gradient, formula=formula, declared=declared, slope=slope, always=1)


def forward(
    along: Callable[..., Tensor], directions: Factors, tangents: Sequence[Tensor | None]
) -> Tensor | None:
    """The tangent of a derivative along directions, for those of the matrix and of each of them.

    None stands for 0.
    """
    parts = [
        along(*directions[: i - 1], x, *directions[i:]) if i else along(*directions, x)
        for i, x in enumerate(tangents)
        if x is not None
    ]
    return functools.reduce(operator.add, parts) if parts else None


def apply(xp: Namespace, rule: Rule, matrix: Tensor, *options: Option) -> Tensor:
    """Apply a rule to a matrix, with a default for an rtol of None."""
    return of_factors(xp, rule, matrix, rule.decompose(xp, xp.stop(matrix)), *options)


def of_factors(
    xp: Namespace, rule: Rule, matrix: Tensor, factors: Factors, *options: Option
) -> Tensor:
    """Apply a rule to a matrix that has been decomposed."""
    if rule.options[-1:] == ["rtol"] and options[-1] is None:
        singular, dtype = rule.symbol == "σ", xp.dtype(factors[0])
        rtol = spectrum.default_rtol(matrix.shape, dtype, singular=singular)
        options = (*options[:-1], rtol)
    # So that a fault is told here, and not by a reverse pass that runs later.
    if not rule.always and xp.learns(matrix) and rule.closed(xp, factors, options) is None:
        rule = rule.apart
    return xp.primitive(At(rule, options, matrix, factors))


def place(function: Callable[..., Any], module: str) -> None:
    """Say that a function is a framework's, for pickle and for the book's pages."""
    function.__module__, function.__qualname__ = module, function.__name__


def sizes(matrix: Tensor) -> tuple[int, int]:
    """How many rows and columns there are, which TensorFlow may not know."""
    if len(matrix.shape) < 2:
        raise ValueError(f"an array of the shape {tuple(matrix.shape)} is not a matrix")
    m, n = matrix.shape[-2:]
    if None in (m, n):
        raise ValueError(
            f"the matrix is {m or '?'} × {n or '?'}: how many rows and columns it has must be "
            "known when the function is traced (tf.ensure_shape says it)"
        )
    return m, n


def place_of(n: int, index: int) -> int:
    """The place of one of n values; a negative index counts from the end."""
    if not -n <= index < n:
        raise ValueError(f"index: {index} will not do for {n} values; give {-n} to {n - 1}")
    return index % n


def _safe_ranks(values: Any, cut: int, limit: float) -> str:
    """Which ranks on either side would not part a cluster."""
    ascending = values[0] < values[-1]
    places = np.flatnonzero(np.abs(np.diff(values)) > limit)
    below, above = [-1, *places[places < cut]][-1], [*places[places > cut], len(values) - 1][0]
    ranks = sorted(len(values) - 1 - x if ascending else x + 1 for x in (below, above))
    return f"the ranks {ranks[0]} and {ranks[1]} part no such values; "
