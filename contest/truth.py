"""The derivatives as their definition has them: differences of the function, in 130 digits.

Nothing here knows a formula of a derivative, and nothing is of the package. A function is evaluated
at A + h (i X + j E), for X along each entry and the fixed direction E, with i and j in −1, 0, 1 and
h = 1e-30 times the largest entry: an error of 1e-60 from the step, times the condition, and one
of 1e-70 from rounding. Where the function is smooth, ties do no harm.
"""

import itertools

import mpmath
import numpy as np

from contest import points

MP = mpmath.MPContext()
MP.dps = 130
STEP = MP.mpf(10) ** -30
#: Digits that are kept.
KEPT = 40


def lift(array):
    """An array of mpmath's numbers, which are the numbers of floating point that were given."""
    return np.vectorize(MP.convert, otypes=[object])(array)


def adjoint(a):
    """The conjugate transpose."""
    return a.conj().T


def _arrays(*matrices):
    return tuple(np.array(m.tolist(), dtype=object) for m in matrices)


def _inner(w, f):
    return MP.re(sum((w.conj() * f).ravel()))


def eigh(a):
    """λ, ascending, and V of the Hermitian part."""
    a = (a + adjoint(a)) / 2
    is_complex = any(isinstance(x, MP.mpc) for x in a.ravel())
    values, v = _arrays(*(MP.eighe if is_complex else MP.eigsy)(MP.matrix(a.tolist())))
    return values.ravel(), v


def svd(a):
    """U, σ, descending, and Vᴴ, thin."""
    u, s, vh = _arrays(*MP.svd(MP.matrix(a.tolist())))
    return u, s.ravel(), vh


def _each(function, values, rank=None):
    """A function of the last values, the largest ones, and zero of those before."""
    dropped = 0 if rank is None else len(values) - rank
    return np.array([function(x) if i >= dropped else 0 for i, x in enumerate(values)], object)


def _kept(values, places):
    return np.array([MP.mpf(i in places) for i in range(len(values))], dtype=object)


def _of_eigenvalues(operation, values, k=0, p=0, rank=None):
    functions = {
        "sqrtm": MP.sqrt,
        "inv_sqrtm": lambda x: 1 / MP.sqrt(x),
        "logm": MP.log,
        "powm": lambda x: x ** MP.convert(p),
        "expm": MP.exp,
        "eigh_loss": lambda x: x / (1 + x * x),
    }
    if operation in functions:
        return _each(functions[operation], values, rank)
    return _kept(values, range(k) if operation == "projector" else [k])


def _of_singular(operation, u, s, vh, k=0):
    if operation == "polar":
        return _each(MP.mpf, s * 0 + 1)
    if operation == "rotation":
        signs = _each(MP.mpf, s * 0 + 1)
        signs[-1] = MP.sign(MP.det(MP.matrix((u @ vh).tolist())))
        return signs
    if operation == "low_rank":
        return s * _kept(s, range(k))
    return s / (1 + s * s)


def value(operation, factors, w, rank=None, **options):
    """L = Re Σ conj(W) F, from what decomposes A."""
    if operation in points.HERMITIAN:
        values, v = factors
        return _inner(
            w, (v * _of_eigenvalues(operation, values, rank=rank, **options)) @ adjoint(v)
        )
    u, s, vh = factors
    if operation == "pinv":
        r = len(s) if rank is None else rank
        return _inner(w, (adjoint(vh)[:, :r] / s[:r]) @ adjoint(u)[:r])
    return _inner(w, (u * _of_singular(operation, u, s, vh, **options)) @ vh)


def units(matrix, *, hermitian):
    """Where a derivative along X belongs, by what it is multiplied there, and X."""
    m, n = matrix.shape
    for i, j in itertools.product(range(m), range(n)):
        for unit in (1, 1j) if np.iscomplexobj(matrix) else (1,):
            if hermitian and (j > i or (j == i and unit != 1)):
                continue
            x = np.zeros(matrix.shape, dtype=type(unit))
            x[i, j] = unit
            yield (i, j), unit, (x + x.conj().T) / 2 if hermitian else x


def derivatives(matrix, operations, weights=None):
    """Operation -> (L, gradient, gradient's derivative along E), for operations of one kind.

    Arrays hold mpmath's numbers, and the gradient G is that for which dL = Re Σ conj(Gᵢⱼ) dAᵢⱼ.
    """
    first, *_ = operations
    hermitian, factor = points.is_hermitian(first, matrix), points.is_factor(matrix)
    decompose = eigh if first in points.HERMITIAN else svd
    a, e = lift(matrix), lift(points.direction(first, matrix))
    step = STEP * max(map(abs, a.ravel()))
    given = {
        of: {"w": lift(points.weights(of, matrix) if weights is None else weights)}
        | points.options(of, matrix)
        | ({"rank": matrix.shape[1]} if factor else {})
        for of in operations
    }

    def at(x, i, j):
        moved = a + step * (i * x + j * e)
        factors = decompose(moved @ adjoint(moved) if factor else moved)
        return np.array([value(of, factors, **given[of]) for of in operations], dtype=object)

    slope, bend = (np.zeros((len(operations), *matrix.shape), dtype=object) for _ in range(2))
    for place, unit, x in units(matrix, hermitian=hermitian):
        x = lift(x)
        slope[:, *place] += unit * (at(x, 1, 0) - at(x, -1, 0)) / (2 * step)
        mixed = at(x, 1, 1) - at(x, 1, -1) - at(x, -1, 1) + at(x, -1, -1)
        bend[:, *place] += unit * mixed / (4 * step**2)
    if hermitian:
        slope, bend = (x + np.tril(x, -1).conj().swapaxes(1, 2) for x in (slope, bend))
    here = at(lift(np.zeros(matrix.shape)), 0, 0)
    return dict(zip(operations, zip(here, slope, bend, strict=True), strict=True))
