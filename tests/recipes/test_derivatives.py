"""Values, first and second derivatives of each recipe, in both modes, against high precision.

Where a function is smooth: regular points, exact ties, near ties, equal values, zeros. An error is
relative to the norm of the derivative, and allowed up to a thousandth of a millionth of a
thousandth for first derivatives, times the condition that `truth.Jet` derives.
"""

import functools
import itertools

import numpy as np
import pytest
from recipes import truth
from recipes.modes import ALL, FRAMEWORKS, derivative
from recipes.points import POINTS, SINGLE
from recipes.problems import options, problem

#: Where TensorFlow, which takes long for each operation, is tried: the hardest points of one shape.
HARDEST = ("tie", "gap 1e-8", "graded", "rank 2", "tied reflection")
#: And other types and shapes, for which it and JAX compile afresh, with some functions.
OTHERS = {
    "tie, complex": ("trace_function", "sqrtm", "projector, b", "polar", "pinv"),
    "five, wide, complex": ("low_rank", "pinv"),
    "tie, single": ("sqrtm", "polar"),
}
#: At how many of each it is tried where a forward pass goes through all steps of another pass.
SLOW = {
    "forward over reverse": (2, 1),
    "reverse over forward": (2, 1),
    "forward over forward": (0, 1),
}


def points_for(framework, name, mode):
    """All for PyTorch, because a rule is the same for all; for others what tries their adapter.

    JAX compiles once for all of a shape.
    """
    if framework == "torch":
        return (*POINTS, *SINGLE)
    smooth = functools.partial(truth.smooth, name)
    others = smooth([p for p in (*POINTS, *SINGLE) if name in OTHERS.get(p.name, ())])
    if framework in ("jax", "autograd"):
        return [*alike(name), *others]
    hardest = smooth([p for p in POINTS if p.name in HARDEST])
    few, fewer = SLOW.get(mode, (len(hardest), len(others)))
    return [*hardest[:few], *others[:fewer]]


def alike(name):
    """Of one shape, type, and options, which are those at a tie."""
    points = [p for p in POINTS if p.matrix.shape[-2:] == (3, 3) and not p.is_complex]
    (tie,) = (p for p in points if p.name == "tie" and p.kind == truth.DEFINED[name][0])
    smooth = truth.smooth(name, points)
    return [p for p in smooth if options(name, p) == options(name, tie)]


#: For values, first and second derivatives, as the number of digits of the type allows.
TOLERANCE = {"d": (1e-13, 1e-12, 1e-10), "f": (1e-5, 1e-5, 1e-4)}


#: What is real of a complex matrix too.
REAL = ("trace_function", "eigvalsh", "eigvalsh, b", "nuclear_norm", "spectral_norm")


@functools.cache
def cotangent(name, point):
    drawn = point.draw(truth.jet(name, point).value.shape, 3)
    return drawn.real if name in REAL else drawn


def found(framework, mode, name, point):
    function, like = problem(framework, name, point)
    arrays = (point.matrix, *point.directions, cotangent(name, point), *like)
    return derivative(framework, mode, function, *arrays)


def error(mode, answer, name, point):
    """Relative to the derivative; of a gradient, in its products with two directions."""
    jet, c = truth.jet(name, point), cotangent(name, point)
    (e, f) = point.directions

    def of_products(*pairs):
        size = np.linalg.norm(c) * max(np.linalg.norm(x) for _, x in pairs)
        return max(abs(np.vdot(answer, d).real - np.vdot(c, x).real) for d, x in pairs), size

    def of_arrays(right):
        return np.linalg.norm(answer - right), np.linalg.norm(right)

    match mode.split(" over "):
        case ["value"]:
            distance, size = of_arrays(jet.value)
        case ["forward"]:
            distance, size = of_arrays(jet.first)
        case ["reverse"]:
            distance, size = of_products((e, jet.first), (f, jet.other))
        case ["forward", "forward"]:
            distance, size = of_arrays(jet.second)
        case _:
            distance, size = of_products((f, jet.second))
    return distance / (size or 1.0)


def shape(mode, name, point):
    is_value = mode in ("value", "forward", "forward over forward")
    return truth.jet(name, point).value.shape if is_value else point.matrix.shape


def excess(framework, mode, name, point):
    """The error as a multiple of what is allowed, or what kept an answer from being given."""
    order = 0 if mode == "value" else 1 + (" over " in mode)
    allowed = TOLERANCE[point.real.char][order] * truth.jet(name, point).conditions[order]
    try:
        answer = found(framework, mode, name, point)
    except Exception as refusal:
        return f"{type(refusal).__name__}: {str(refusal)[:100]}"
    if answer.dtype not in (point.real, point.matrix.dtype):
        return f"dtype {answer.dtype}"
    if answer.shape != shape(mode, name, point):
        return f"shape {answer.shape}"
    return error(mode, answer, name, point) / allowed


def misses(framework, mode, name, points):
    """The points at which an answer is not right."""
    at = {point: excess(framework, mode, name, point) for point in truth.smooth(name, points)}
    return {repr(p): x for p, x in at.items() if isinstance(x, str) or not x <= 1}


def of(*kinds):
    names = [name for name, (kind, *_) in truth.DEFINED.items() if kind in kinds]
    cases = itertools.product(FRAMEWORKS, ALL, names)
    return pytest.mark.parametrize(
        ("framework", "mode", "name"), [(f, m, n) for f, m, n in cases if points_for(f, n, m)]
    )


class Each:
    """At many points in each test, of which a failure names those that are missed."""

    def test(self, framework, name, mode):
        assert not misses(framework, mode, name, points_for(framework, name, mode))


# What is true at a point serves all functions of a kind: it is computed in one process.
@of("hermitian", "pair")
class TestHermitian(Each):
    """Of eigenvalues and eigenvectors."""


@of("general")
class TestGeneral(Each):
    """Of singular values and singular vectors."""
