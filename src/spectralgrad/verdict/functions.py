"""A verdict on the gradient that a framework has for a function of the reader's own.

The function takes an array of the framework and returns one real number. What its gradient has to
be is found from its values alone, by `spectralgrad.verdict.slopes`.
"""

import contextlib
import inspect
import math
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from spectralgrad import frameworks as libraries
from spectralgrad import matrices
from spectralgrad.frameworks import TITLES
from spectralgrad.frameworks.numpy import outcome
from spectralgrad.matrices import MatrixError, Source
from spectralgrad.matrices.checks import times
from spectralgrad.system.errors import one_line, said
from spectralgrad.theory import gauge
from spectralgrad.theory import symmetric as forms
from spectralgrad.theory.arrays import Array
from spectralgrad.verdict import digits, plain, turning
from spectralgrad.verdict.mending import advice, reproducer
from spectralgrad.verdict.slopes import BEYOND, Differences, Slope, Slopes, directions, size

Loss = Callable[..., Any]

# A change of the matrix, relative to its norm, that moves what moves at all.
_FAR = 4.0**-4


class FunctionError(ValueError):
    """A function that does not return one real number; the message is one line."""


@dataclass(frozen=True, eq=False)
class FunctionVerdict:
    """What a framework's gradient of a function of one matrix is worth.

    Source and place are as in `spectralgrad.verdict.Verdict`. The ``gradient`` is as it was
    returned, and the one that the slopes make, ``expected``, in this book's convention, Hermitian
    if the directions are; each is None where there is none. The error, of the slope that disagrees
    most, is relative to its norm. ``calls`` are the decompositions that the function called.
    """

    source: str
    place: str
    matrix: Array
    framework: str
    version: str = ""
    verdict: str = "not installed"
    digits: int = 0
    value: float = np.nan
    gradient: Array | None = None
    expected: Array | None = None
    convention: str = ""
    conjugated: bool = False
    relative_error: float = np.nan
    slopes: tuple[Slope, ...] = ()
    worst_direction: Slope | None = None
    message: str = ""
    calls: tuple[str, ...] = ()
    advice: str = ""
    reproducer: str = ""

    def predicted(self, slope: Slope) -> float:
        """The slope along the same direction according to the framework; NaN without gradient."""
        if self.gradient is None:
            return np.nan
        return slope.along(self.gradient.conj() if self.conjugated else self.gradient)

    def to_dict(self) -> dict[str, Any]:
        """Everything as objects that JSON has: complex numbers ``[re, im]``, None for no number."""
        left_out = "matrix", "slopes", "worst_direction", "calls", "reproducer"
        known = {name: found for name, found in vars(self).items() if name not in left_out}
        worst = self.worst_direction
        return {
            **{k: x if isinstance(x, str | int) else plain(x) for k, x in known.items()},
            "shape": [*self.matrix.shape],
            "dtype": str(self.matrix.dtype),
            "slopes": [self._slope(slope) for slope in self.slopes],
            "worst_direction": worst and {**self._slope(worst), "matrix": plain(worst.direction)},
            "calls": [*self.calls],
        }

    def _slope(self, slope: Slope) -> dict[str, Any]:
        found = {name: getattr(slope, name) for name in ("left", "right", "derivative", "error")}
        found["framework"] = self.predicted(slope)
        return {name: plain(number) for name, number in found.items()}


def check_functions(
    function: Loss,
    stack: Source,
    framework: str = "torch",
    *,
    symmetric: bool | None = None,
    dtype: str = "auto",
) -> list[FunctionVerdict]:
    """Check the gradient that a framework has for a function, at every matrix of a stack.

    **What counts as right.** Slopes along the directions of a basis (random directions, of a matrix
    of more than 400 entries) and along three more are found by differences, with their errors, in
    double precision where the function allows. The function has no gradient where left and right,
    or the slopes of the basis and of the three, differ by ten times their errors. The gradient is
    wrong where one of its slopes is off by as much, and by more than rounding explains: a hundred
    times what changes in it when the matrix changes by rounding errors, but no more than a quarter
    of the digits. The value must not move, beyond rounding errors, from call to call, nor with the
    signs, phases and bases of what `eigh`, `eig`, `svd` and `qr` return to the function, here or at
    another matrix of the same values.

    The stack, of shape (..., m, n), and the dtype are as for `spectralgrad.matrices.load`. A
    FunctionError is raised if the function has no real value there. With the framework ``"numpy"``
    there is no gradient.

    Parameters
    ----------
    symmetric : bool, optional
        Take the slopes along Hermitian directions only; by default where the matrix is Hermitian
        up to rounding. A MatrixError is raised if it has to be, and is not.
    """
    label, array = matrices.describe(stack), matrices.load(stack, dtype=dtype, stack=True)
    return [
        _check(function, a, framework, symmetric, label, place)
        for place, a in matrices.members(array)
    ]


def check_function(
    function: Loss, matrix: Source, *arguments: Any, **options: Any
) -> FunctionVerdict:
    """Check it at one matrix, as `check_functions` does."""
    matrices.load(matrix)  # It refuses a stack.
    (found,) = check_functions(function, matrix, *arguments, **options)
    return found


def _check(
    function: Loss, matrix: Array, framework: str, hermitian: bool | None, source: str, place: str
) -> FunctionVerdict:
    try:
        if hermitian is not False:
            named = f"{source}: {place}" if place else source
            matrix, hermitian = forms.require_hermitian(matrix, named), True
    except MatrixError:
        if hermitian:
            raise
    start = FunctionVerdict(source, place, matrix, framework)
    try:
        library = libraries.get(framework)
    except ModuleNotFoundError as error:
        start = replace(start, message=said(error))
        return replace(start, advice=advice(start))
    # At ties some divide by zero, and NumPy would warn of it.
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        found = _judge(_Subject(library, function, matrix.dtype), start, bool(hermitian))
    return replace(found, advice=advice(found), reproducer=reproducer(found, name(function)))


@dataclass(frozen=True)
class _Subject:
    """The function, as a framework evaluates it."""

    library: Any
    function: Loss
    dtype: np.dtype[Any]

    def gradient(self, matrix: Array) -> Array:
        """The gradient, in this book's convention; raises what the framework raises."""
        _, (found,) = self.library.value_and_gradient(self.function, matrix.astype(self.dtype))
        return np.asarray(found)

    def __call__(self, matrix: Array) -> float:
        """The value, or NaN where there is none: the matrix may have left the domain."""
        try:
            return float(self.library.value(self.function, matrix.astype(self.dtype)))
        except (Exception, SystemExit):
            return np.nan

    def value(self, matrix: Array) -> float:
        """The value; where there is none, a FunctionError says why."""
        code = getattr(inspect.unwrap(self.function), "__code__", None)
        file, line = (code.co_filename, code.co_firstlineno) if code else ("", 0)
        try:
            # What is compiled may have no signature.
            with contextlib.suppress(ValueError):
                inspect.signature(self.function, follow_wrapped=False).bind(matrix)
            found = self.library.value(self.function, matrix)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            frames = traceback.extract_tb(error.__traceback__)
            line = next((f.lineno or 0 for f in frames[::-1] if f.filename == file), line)
            fault = f"{type(error).__name__}: {said(error)}"
        else:
            if found.ndim or found.dtype.kind not in "fiub":
                kind = found.dtype if found.dtype.kind != "O" else type(found[()]).__name__
                kind = f"an array of {times(found.shape)}" if found.ndim else kind
                fault = f"returns {kind}, not one real number"
            elif not np.isfinite(found):
                fault = f"returns {found} at the matrix"
            else:
                return float(found)
        place = f"{file}:{line}: " if code else ""
        raise FunctionError(one_line(f"{place}{name(self.function)}: {fault}")) from None


def name(function: Loss) -> str:
    """What its maker calls it."""
    return str(getattr(function, "__name__", "f"))


def _judge(subject: _Subject, start: FunctionVerdict, hermitian: bool) -> FunctionVerdict:
    """Go through the questions, in the order in which an answer makes the next ones pointless."""
    library, matrix = subject.library, start.matrix
    known = replace(start, version=library.VERSION, value=subject.value(matrix))
    known = _differentiate(subject, known, hermitian)
    is_complex = np.iscomplexobj(matrix)
    basis, mixing = directions(matrix.shape, is_complex=is_complex, hermitian=hermitian)
    along = np.tensordot(mixing, basis, 1)
    near, noise, jump = _settle(subject, matrix, known.value, along)
    watch = partial(library.watch, subject.function)
    allowed = noise * (0.01 if jump else 1e3 * max(matrix.shape))
    calls, fault = turning.tried(watch, partial(subject, matrix), allowed)
    if not (fault or jump):
        # At the given one, it may by chance be stationary.
        other = _elsewhere(matrix, hermitian)
        spread = _spread(subject, other, along, near.grain)
        allowed = 1e3 * max(matrix.shape) * max(spread, near.grain * abs(subject(other)))
        _, moved = turning.tried(watch, partial(subject, other), allowed)
        fault = moved and f"at another matrix of this spectrum, {moved}"
    known = replace(known, calls=calls)
    if fault := fault or jump:
        return replace(known, verdict="not a function of the matrix", message=fault)
    found = near.all(basis, mixing)
    known = replace(known, slopes=(*found.basis, *found.extra))
    if bend := _bend(found, near.noise):
        worst, message = bend
        return replace(known, verdict="no gradient here", worst_direction=worst, message=message)
    if found.full:
        known = replace(known, expected=found.gradient)
    if known.gradient is None:
        return known
    if bad := np.count_nonzero(~np.isfinite(known.gradient)):
        whose = f"{TITLES[known.framework]}'s gradient"
        message = f"{bad} of {matrix.size} entries of {whose} are not finite, and the slopes of f "
        message += f"make one of norm {np.linalg.norm(found.gradient):.3g}"
        return replace(known, verdict="not finite", message=message)
    return _compare(subject, known, near, found)


def _elsewhere(matrix: Array, hermitian: bool) -> Array:
    """A matrix of the same values in general position, of the same kind."""
    (m, n), rng = matrix.shape, np.random.default_rng(0)
    p, q = (
        gauge.unitary(np.ones((k, k), bool), rng, is_complex=np.iscomplexobj(matrix))
        for k in (m, n)
    )
    other = p @ matrix @ (forms.adjoint(p) if m == n else q)
    return forms.hermitian_part(other) if hermitian else other


def _differentiate(subject: _Subject, known: FunctionVerdict, hermitian: bool) -> FunctionVerdict:
    """Ask the framework for the gradient."""
    try:
        gradient = subject.gradient(known.matrix)
    # Anything at all may come out of a framework.
    except (Exception, SystemExit) as error:
        return replace(known, verdict=outcome(error), message=said(error))
    form = np.sqrt(np.finfo(gradient.dtype).eps) * float(np.linalg.norm(gradient))
    named = forms.recognise(gradient, tolerance=form) if hermitian else ()
    conjugated = np.iscomplexobj(gradient) and subject.library.conjugates
    return replace(
        known,
        gradient=gradient.conj() if conjugated else gradient,
        conjugated=conjugated,
        convention=(*named, "general")[0] if np.isfinite(form) else "",
    )


def _settle(
    subject: _Subject, matrix: Array, value: float, along: Array
) -> tuple[Differences, float, str]:
    """In what precision to take differences; how far the value moves by rounding, and if it jumps.

    The last two are about the precision of the matrix, which also says which vectors are tied.
    """
    wide = matrix.astype(np.result_type(matrix, float))
    at = replace(subject, dtype=wide.dtype)
    center = at(wide)
    if not abs(center - value) <= 1e-2 * abs(value) + 1e-6:
        wide, at, center = matrix, subject, value
    single, eps, grain = (float(np.finfo(x).eps) for x in (np.float32, wide.dtype, matrix.dtype))
    near, less, far = (_spread(at, wide, along, x) for x in (eps, 1e-12, _FAR))
    coarse = eps
    # What does not move inside computes in single precision, or in half.
    if less == 0 and far * 1e-12 / _FAR > BEYOND * eps * abs(center):
        eps = single
        coarse = eps if _spread(at, wide, along, 1e-6) else 2.0**-7
    noise, grain = max(near, coarse * abs(center)), max(eps, grain)
    moved = near if wide.dtype == matrix.dtype else _spread(subject, matrix, along, grain)
    jump = ""
    if moved > max(0.1 * far, max(1e-9, 1e3 * grain) * abs(center), 1e-12, 1e2 * grain):
        jump = f"f moves by {moved:.2g} when the matrix changes by rounding errors, and by no more "
        jump += f"than {far:.2g} when it changes by {_FAR:.0e} of its norm"
    rounding = max(moved, grain * abs(value))
    return Differences(at, wide, center, noise, eps, grain), rounding, jump


def _spread(subject: _Subject, matrix: Array, along: Array, step: float) -> float:
    """How far the value moves along some directions, with a step relative to the matrix."""
    t, center = step * size(matrix), subject(matrix)
    moved = np.array([subject(matrix + x * e) - center for e in along for x in (t, -t)])
    return float(np.max(np.abs(moved), where=np.isfinite(moved), initial=0.0))


def _bend(found: Slopes, noise: float) -> tuple[Slope, str] | None:
    """Where the slopes are not those of one gradient, and how."""
    slopes = (*found.basis, *found.extra)
    for slope in (s for s in slopes if s.unbounded):
        seen = np.nanmax(np.abs(slope.quotients), axis=0)
        where = f"{slope.steps[0]:.0e} to {slope.steps[-6]:.0e}"
        grows = f"from {seen[0]:.2g} to {seen[-6]:.2g} as the step goes from {where}"
        return slope, f"the slope is infinite: the difference quotient grows {grows}"
    worst = max(slopes, key=lambda s: s.kink)
    if worst.kink:
        sides = f"{worst.left:.6g} from the left and {worst.right:.6g} from the right"
        least = max(worst.steps[-1], BEYOND * noise / worst.kink)
        return worst, f"along one direction the slope is {sides}, down to steps of {least:.0e}"
    far, slope, predicted = found.bent if found.basis else (0.0, worst, 0.0)
    if far:
        made = f"where the slopes along a basis make {predicted:.6g}"
        return slope, f"along one direction the slope is {slope.derivative:.6g}, {made}"
    return None


def _compare(
    subject: _Subject, known: FunctionVerdict, near: Differences, found: Slopes
) -> FunctionVerdict:
    """Hold the gradient against the slopes."""
    slopes, dtype = known.slopes, known.matrix.dtype
    off = np.array([abs(known.predicted(s) - s.derivative) for s in slopes])
    errors = np.array([s.error for s in slopes])
    gradient = np.asarray(known.gradient)
    rough, norm = float(errors.max()), float(np.linalg.norm(found.gradient))
    reach = max(abs(near.value), found.reach) / size(near.matrix)
    if norm <= BEYOND * rough and np.linalg.norm(gradient) <= 1e3 * near.grain * reach:
        # Both are 0 up to rounding.
        norm = reach
    norm = norm or 1.0
    beyond = off > BEYOND * errors
    place = int(np.argmax(np.where(beyond, off, 0) if beyond.any() else off))
    worst, by = slopes[place], float(off[place])
    left = digits(max(by, rough) / norm if np.isfinite(norm) else 1.0, dtype)
    single = "; the differences are in single precision, as f takes no other"
    single = single if near.matrix.dtype != np.result_type(near.matrix, float) else ""
    whose = f"{TITLES[known.framework]}'s gradient"
    # Beside a pole, differences are of what surrounds it.
    pole = near.noise > max(5e-3 * found.reach, BEYOND * near.eps * abs(near.value))
    if not pole and beyond[place] and by > max(3 * rough, _rounding(subject, known, norm)):
        verdict, left = "wrong", digits(by / norm, dtype)
        sides = f"{known.predicted(worst):.6g}, and that of f is {worst.derivative:.6g}"
        message = f"along one direction the slope of {whose} is {sides} ± {worst.error:.0e}, "
        message += f"off by {by / norm:.1e} of the norm of the gradient"
    elif left >= 2:
        verdict, along = "agrees", f"the slopes of f along {len(slopes)} directions"
        message = f"{whose} has {along}: off by {by / norm:.1e} of its norm, with errors up to "
        message += f"{rough / norm:.1e}"
    else:
        verdict, known_to = "undecided", f"the slopes of f are known up to {rough:.1e} only"
        message = f"{known_to}, and their norm is {norm:.1e}"
    return replace(
        known,
        verdict=verdict,
        digits=left,
        message=message + single,
        relative_error=by / norm,
        worst_direction=worst,
    )


def _rounding(subject: _Subject, known: FunctionVerdict, norm: float) -> float:
    """What rounding errors may change in a slope of the framework's gradient."""
    matrix, eps = known.matrix, float(np.finfo(known.matrix.dtype).eps)
    most = math.inf
    with contextlib.suppress(Exception):
        now, t = subject.gradient(matrix), eps * size(matrix)
        others = (subject.gradient(matrix + t * s.direction) for s in known.slopes[-2:])
        most = 100 * max(float(np.linalg.norm(other - now)) for other in others)
    most = float(np.nan_to_num(most, nan=np.inf))
    return float(np.clip(most, eps**0.5 * norm, min(eps**0.25, 1e-2) * norm))
