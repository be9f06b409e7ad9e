"""Slopes of a function of a matrix, by extrapolated differences, each with an error estimate.

A function takes a matrix and returns a number, which is NaN where it has none. Its differences
along a direction are taken over a ladder of steps, each a quarter of the one before, and three
neighbours, a window, are extrapolated to the step 0 (Richardson). Large steps are wrong by
truncation and small ones by rounding; between them lies the window of least error. Its estimate
must not contradict those of smaller steps within the errors: so a function that is smooth, but only
closer than a near-tie is wide, is not taken for one with a kink, nor the other way round.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from spectralgrad.theory.arrays import Array
from spectralgrad.theory.symmetric import hermitian_part

Function = Callable[[Array], float]

#: Steps, relative to the norm of the matrix: from where a function bends to where it is rounded.
LADDER = 4.0 ** -np.arange(3, 25)

#: A disagreement counts if it is so many times its error.
BEYOND = 10.0

# As many entries as a matrix may have for slopes along all directions of a basis, and along how
# many random ones they are taken else.
_MOST, _SOME = 400, 20


@dataclass(frozen=True, eq=False)
class Slope:
    """The derivative along a direction of unit norm, from the left, from the right, and from both.

    The ``error`` is that of the ``derivative``, and ``sided`` that of ``left`` and ``right``. For
    each of the ``steps``, ``quotients`` has those from the left and from the right, (2, k), and
    ``window`` is the first step of the best window. It is ``unbounded`` where the quotients grow as
    far as rounding lets one see.
    """

    direction: Array
    left: float
    right: float
    derivative: float
    error: float
    sided: float
    steps: Array
    quotients: Array
    window: float
    unbounded: bool

    @property
    def kink(self) -> float:
        """By how much left and right differ, or 0 where the errors may be the reason."""
        if np.isfinite(self.left) != np.isfinite(self.right):
            return float(np.inf)
        apart = abs(self.right - self.left)
        return apart if apart > BEYOND * self.sided else 0.0

    def along(self, gradient: Array) -> float:
        """The slope that a gradient in this book's convention predicts."""
        return float(np.vdot(gradient, self.direction).real)


@dataclass(frozen=True, eq=False)
class Slopes:
    """Those along a basis (none where the others settle it), and along some ``extra`` directions.

    The latter are combinations of the basis, of which ``mixing``, (extra, k), has the coefficients.
    """

    basis: list[Slope]
    extra: list[Slope]
    mixing: Array

    @property
    def gradient(self) -> Array:
        """What the slopes along the basis make."""
        return np.asarray(sum(s.derivative * s.direction for s in self.basis))

    @property
    def full(self) -> bool:
        """Whether they are along all directions, so that they determine a gradient."""
        return bool(self.basis) and self.basis[0].direction.size <= _MOST

    @property
    def reach(self) -> float:
        """How far the function moved where it was tried."""
        return float(max(np.nanmax(np.abs(s.quotients * s.steps)) for s in self.extra))

    @property
    def bent(self) -> tuple[float, Slope, float]:
        """How far an extra slope is from what those of the basis predict, or 0; which, and that."""
        derivatives, errors = np.array([(s.derivative, s.error) for s in self.basis]).T
        predicted = self.mixing @ derivatives
        allowed = BEYOND * np.hypot(np.abs(self.mixing) @ errors, [s.error for s in self.extra])
        allowed += 1e-6 * np.linalg.norm(derivatives)
        far = np.abs(predicted - [s.derivative for s in self.extra])
        i = int(np.argmax(np.where(far > allowed, far, 0)))
        return float(far[i] if far[i] > allowed[i] else 0), self.extra[i], float(predicted[i])


@dataclass(frozen=True)
class Differences:
    """A function near a matrix, at which it has a value.

    It moves by some noise when the matrix changes by rounding errors, a part eps of its norm. What
    is closer than the ``grain``, another part of it, is one point: the precision of the matrix.
    """

    function: Function
    matrix: Array
    value: float
    noise: float
    eps: float
    grain: float

    def along(self, direction: Array, steps: Array) -> Slope:
        """The slope along a direction, from four steps or more."""
        quotients = np.array(
            [
                [(self.function(self.matrix + t * direction) - self.value) / t for t in side]
                for side in (-steps, steps)
            ]
        )
        # Where the slope changes, it matters that the steps are rounded, too.
        bend = np.nan_to_num(np.abs(quotients[1] - quotients[0]))
        rounding = (self.noise + self.eps * size(self.matrix) * bend) / steps
        derivative, error, best = _windows(quotients.mean(axis=0), 2, rounding)
        (left, behind, i), (right, ahead, j) = (_windows(q, 1, 3 * rounding) for q in quotients)
        # Of the same steps: one side may see more than the other.
        side = max(i, j)
        return Slope(
            direction,
            float(left[side]),
            float(right[side]),
            float(derivative[best]),
            float(error[best]),
            sum(float(e[side]) for e in (behind, ahead) if np.isfinite(e[side])),
            steps,
            quotients,
            float(steps[best]),
            any(_grows(q, self.noise / steps) for q in quotients),
        )

    def all(self, basis: Array, mixing: Array) -> Slopes:
        """Slopes along a basis, and along combinations of it, which show what steps are best."""
        ladder = size(self.matrix) * LADDER[16 * self.grain <= LADDER]
        extra = [self.along(e, ladder) for e in np.tensordot(mixing, basis, 1)]
        if any(s.kink or s.unbounded for s in extra):
            return Slopes([], extra, mixing)
        steps = min(s.window for s in extra) * 4.0 ** -np.arange(4)
        rough = 100 * max(s.error for s in extra)
        slopes = [self.along(e, steps) for e in basis]
        # Along some directions a function may bend, or end, much earlier.
        for i, slope in enumerate(slopes):
            if slope.kink or not slope.error <= rough:
                slopes[i] = self.along(slope.direction, ladder)
        return Slopes(slopes, extra, mixing)


def directions(
    shape: tuple[int, ...], *, is_complex: bool, hermitian: bool, extra: int = 3
) -> tuple[Array, Array]:
    """Directions of unit norm, (k, m, n), and coefficients, (extra, k), of random others.

    They are an orthonormal basis of the matrices, or of the Hermitian ones, if a matrix has no more
    than 400 entries; else twenty random ones.
    """
    (m, n), rng = shape, np.random.default_rng(0)
    if m * n <= _MOST:
        units = np.eye(m * n).reshape(-1, m, n)
        kept = [~np.tri(m, n, k, dtype=bool).ravel() | (not hermitian) for k in (-1, 0)]
        real, imaginary = units[kept[0]], 1j * units[kept[1]]
        found = np.concatenate([real, imaginary]) if is_complex else real
    else:
        real, imaginary = rng.standard_normal((2, _SOME, m, n))
        found = real + 1j * imaginary if is_complex else real
    found = hermitian_part(found) if hermitian else found
    found = found / np.linalg.norm(found, axis=(1, 2), keepdims=True)
    mixing = rng.standard_normal((extra, len(found)))
    norms = np.linalg.norm(np.tensordot(mixing, found, 1), axis=(1, 2))
    return found, mixing / norms[:, None]


def size(matrix: Array) -> float:
    """What steps are relative to: the norm of the matrix, or 1."""
    return float(np.linalg.norm(matrix)) or 1.0


def _windows(quotients: Array, order: int, rounding: Array) -> tuple[Array, Array, int]:
    """Extrapolated values and errors of all windows, and the place of the best one.

    The truncation errors of the quotients are powers of the step, multiples of an order.
    """
    ratio = 4.0**order
    once = (ratio * quotients[1:] - quotients[:-1]) / (ratio - 1)
    twice = (ratio**2 * once[1:] - once[:-1]) / (ratio**2 - 1)
    errors = np.abs(twice - once[1:]) + rounding[2:]
    # The next window has to confirm it.
    errors, twice = np.maximum(errors[:-1], np.abs(np.diff(twice))), twice[:-1]
    # What scatters at small steps is a noise, which larger ones have, too.
    part = 4.0 ** -np.arange(len(errors))
    scatter = np.where(np.isfinite(errors), errors, 0) * part
    errors = np.maximum(errors, np.maximum.accumulate(scatter[::-1])[::-1] / part)
    errors[~np.isfinite(errors)] = np.inf
    near = np.abs(twice[:, None] - twice) <= 4 * (errors[:, None] + errors)
    # A window without a value contradicts nothing.
    near |= np.isinf(errors) | np.tri(len(errors), dtype=bool)
    return twice, errors, int(np.argmin(np.where(near.all(axis=1), errors, np.inf)))


def _grows(quotients: Array, rounding: Array) -> bool:
    """Whether the quotients of one side go on growing until rounding hides it."""
    change = np.diff(quotients)
    seen = np.flatnonzero(np.abs(change) > BEYOND * rounding[1:])
    least = min(7, len(change) - 1)
    if least < 5 or len(seen) < least or seen[-1] < least:
        return False
    last = change[seen[-1] + 1 - least : seen[-1] + 1]
    ratio = last[1:] / last[:-1]
    grows = np.diff(np.abs(quotients[seen[-1] + 1 - least : seen[-1] + 2])) > 0
    # √t has 2 and t·log t has 1; a smooth function has 1/4, and a jump 4.
    return bool(np.all((ratio > 0.93) & (ratio < 3.2)) and np.all(grows))
