"""Independent truth: decompositions and derivatives in 50 digits, and finite differences.

Nothing here uses a formula for a gradient. A derivative is what its definition says, a quotient of
differences: in mpmath's arithmetic with steps so small and digits so many that 50 digits remain, or
in floating point with an estimate of its error.

Matrices of mpmath are NumPy arrays of dtype object, whose numbers keep their digits through ``@``,
``+`` and ``*``; ``.astype(float)`` rounds them. ``matrix`` and ``direction`` are ``(m, n)``, such
or of plain numbers. ``function`` takes a matrix, and returns one number; it must be differentiable
along the direction: at a kink, a central difference is the mean of the two slopes. ``step`` is a
multiple of the direction.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import mpmath
import numpy as np
from numpy.typing import ArrayLike
from scipy import differentiate

from spectralgrad.theory.arrays import Array, Decomposition

#: Decimal digits to which decompositions and derivatives hold.
DIGITS = 50

#: Above this size a chapter leaves out the 50 digits: they would take minutes.
LARGEST = 20

#: The arithmetic, apart from mpmath's global one, so that nobody's precision changes.
MP = mpmath.MPContext()
MP.dps = DIGITS


def lift(array: ArrayLike) -> Array:
    """Convert to numbers of 50 digits, without an error, unless they are such already."""
    return np.vectorize(MP.convert, otypes=[object])(array)


def eigvalsh(matrix: ArrayLike) -> Array:
    """Eigenvalues of a Hermitian matrix, ascending."""
    return _array(MP.eigh(_matrix(matrix), eigvals_only=True)).ravel()


def eigh(matrix: ArrayLike) -> tuple[Array, Array]:
    """Eigenvalues, ascending, and eigenvectors, as columns, of a Hermitian matrix."""
    values, vectors = MP.eigh(_matrix(matrix))
    return _array(values).ravel(), _array(vectors)


def svdvals(matrix: ArrayLike) -> Array:
    """Singular values, descending."""
    return _array(MP.svd(_matrix(matrix), compute_uv=False)).ravel()


def svd(matrix: ArrayLike) -> tuple[Array, Array, Array]:
    """Thin singular value decomposition, U, σ and Vᴴ, descending."""
    u, s, vh = MP.svd(_matrix(matrix))
    return _array(u), _array(s).ravel(), _array(vh)


def _matrix(matrix: ArrayLike) -> Any:
    return MP.matrix(lift(matrix).tolist())


def _array(matrix: Any) -> Array:
    return np.array(matrix.tolist(), dtype=object)


def derivative(function: Callable[[Array], Any], matrix: ArrayLike, direction: ArrayLike) -> Any:
    """Derivative of a function of a matrix along a direction, to 50 digits.

    A central difference in 150 digits, with a step of 1e-50 times the largest entry of the matrix
    over that of the direction; so the gaps that matter may be as small as 1e-25 times the matrix.
    """
    with MP.workdps(3 * DIGITS):
        a, e = lift(matrix), lift(direction)
        step = MP.mpf(10) ** -DIGITS * _largest(a) / _largest(e)
        return (function(a + step * e) - function(a - step * e)) / (2 * step)


def _largest(array: Array) -> Any:
    return max((abs(x) for x in array.ravel()), default=0) or MP.one


def one_sided(
    function: Callable[[Array], Any], matrix: ArrayLike, direction: ArrayLike, *, step: float
) -> list[float] | None:
    """Slopes of a continuous function along E and along −E: (f(A + tE) − f(A))/t.

    In 50 digits, so that the step t alone makes an error: it should be above the distances that
    count as ties, and below the gaps that do not. None if the matrix is larger than `LARGEST`.
    """
    if max(np.shape(matrix)) > LARGEST:
        return None
    with MP.workdps(DIGITS):
        a, e, t = lift(matrix), lift(direction), MP.mpf(step)
        here = function(a)
        return [float((function(a + sign * t * e) - here) / t) for sign in (1, -1)]


def gradient(
    function: Callable[[Array], Any], matrix: ArrayLike, *, hermitian: bool = False
) -> Array:
    """Gradient G of a real function, to 50 digits: df = Re Σ conj(Gᵢⱼ) dAᵢⱼ.

    Where the matrix holds a complex number, imaginary directions count as well. For a function that
    is defined on Hermitian matrices, ``hermitian`` admits Hermitian directions only; then the
    gradient is Hermitian.
    """
    shape = np.shape(matrix)
    units = (1, 1j) if any(isinstance(x, MP.mpc) for x in lift(matrix).ravel()) else (1,)
    result = lift(np.zeros(shape))
    for i, j in np.ndindex(*shape):
        if hermitian and i < j:
            continue
        for unit in units:
            direction = np.zeros(shape, dtype=object)
            direction[i, j] = unit
            if hermitian:
                direction = (direction + direction.conj().T) / 2
            if np.any(direction != 0):
                result[i, j] += unit * derivative(function, matrix, direction)
    if hermitian:
        lower = np.tril(result, -1)
        result = result + lower.conj().T
    return result


def finite_difference(
    function: Callable[[Array], Any],
    matrix: ArrayLike,
    direction: ArrayLike,
    *,
    step: float | None = None,
) -> tuple[float, float]:
    """Derivative along a direction, in floating point, and an estimate of its error.

    Central differences of order 8, with steps that are halved until they agree. The first should be
    well below the distance at which the function ceases to be smooth, such as half of a gap; by
    default it is one hundredth of the norm of the matrix, relative to that of the direction.
    """
    matrix, direction = np.asarray(matrix), np.asarray(direction)
    if step is None:
        step = float(np.linalg.norm(matrix) or 1.0) / float(np.linalg.norm(direction) or 1.0) / 100
    along = np.vectorize(lambda t: float(function(matrix + t * direction)))
    eps = np.finfo(float).eps
    found = differentiate.derivative(
        along, 0.0, initial_step=step, order=8, maxiter=8, tolerances={"rtol": 10 * eps}
    )
    # Two quotients may be equal by chance; neither is better than its rounding errors.
    rounding = eps * abs(float(along(0.0))) / (step / 2.0**found.nit)
    return float(found.df), float(found.error + rounding)


def relative_error(gradient: ArrayLike, truth: ArrayLike) -> float:
    """Distance of two matrices relative to the norm of the second (absolute where that is 0).

    Infinite where a number is not finite.
    """
    distance = np.linalg.norm(np.asarray(gradient) - truth) / (np.linalg.norm(truth) or 1.0)
    return float(distance) if np.isfinite(distance) else float("inf")


@dataclass(frozen=True)
class Comparison:
    """A derivative along a direction: ⟨G, E⟩, by finite differences, and to 50 digits, rounded.

    The error of the differences is their own estimate; that of the formula against the 50 digits is
    relative to ‖G‖‖E‖ (absolute where that is 0). None, both, if the matrix is larger than
    `LARGEST`.
    """

    formula: float
    difference: float
    difference_error: float
    digits: float | None
    relative_error: float | None


def compare(
    gradient: ArrayLike,
    loss: Callable[..., Any],
    decomposition: Decomposition,
    matrix: ArrayLike,
    direction: ArrayLike,
    *,
    step: float | None = None,
) -> Comparison:
    """Compare a gradient with finite differences and with 50 digits, along one direction.

    The loss is a real function of what the decomposition returns, here and in `numpy.linalg`
    (thin), for arrays of floats and of mpmath's numbers alike.
    """
    thin = functools.partial(np.linalg.svd, full_matrices=False)
    plain = thin if decomposition == "svd" else getattr(np.linalg, decomposition)
    precise = globals()[decomposition]
    # What returns one array does not return a tuple.
    spread = decomposition in ("eigh", "svd")

    def along(decompose: Callable[[Array], Any]) -> Callable[[Array], Any]:
        return lambda a: loss(*decompose(a)) if spread else loss(decompose(a))

    formula = float(np.vdot(np.asarray(gradient), np.asarray(direction)).real)
    found = finite_difference(along(plain), matrix, direction, step=step)
    if max(np.shape(matrix)) > LARGEST:
        return Comparison(formula, *found, None, None)
    with MP.workdps(DIGITS):
        digits = derivative(along(precise), matrix, direction)
        size = np.linalg.norm(gradient) * np.linalg.norm(direction) or 1.0
        error = float(abs(formula - MP.re(digits))) / float(size)
    return Comparison(formula, *found, float(MP.re(digits)), error)
