"""The recipes and their derivatives, from their definitions, in high precision.

Nothing here knows a formula of a derivative. A function is evaluated with decompositions in 100
digits at A + i·h·E₁ + j·h·E₂ for i, j in −1, 0, 1 and h = 1e-25, and what its derivatives are is
seen from differences. As the functions are smooth, ties do no harm: rounding makes an error of
1e-100/h³ in the third derivative, and the step one of h², times the condition.
"""

import functools
import itertools
from dataclasses import dataclass

import mpmath
import numpy as np
from tracing import untraced

MP = mpmath.MPContext()
MP.dps = 100
STEP = MP.mpf(10) ** -25
#: The exponent for which `powm` is tried.
POWER = 1 / 3


def lift(array):
    return np.vectorize(MP.convert, otypes=[object])(array)


def adjoint(a):
    return a.conj().T


def each(function, values):
    return np.array([function(x) for x in values], dtype=object)


def _arrays(*matrices):
    return tuple(np.array(m.tolist(), dtype=object) for m in matrices)


def _is_complex(a):
    return any(isinstance(x, MP.mpc) for x in a.ravel())


def eigh(a):
    a = (a + adjoint(a)) / 2
    values, v = (MP.eighe if _is_complex(a) else MP.eigsy)(MP.matrix(a.tolist()))
    values, v = _arrays(values, v)
    return values.ravel(), v


def svd(a):
    u, s, vh = _arrays(*MP.svd(MP.matrix(a.tolist())))
    return u, s.ravel(), vh


def generalised(stack):
    """Λ and V of A V = B V Λ with VᴴBV = I."""
    a, b = ((x + adjoint(x)) / 2 for x in stack)
    (inverse,) = _arrays(MP.cholesky(MP.matrix(b.tolist())) ** -1)
    values, v = eigh(inverse @ a @ adjoint(inverse))
    return values, adjoint(inverse) @ v, b


DECOMPOSE = {"hermitian": eigh, "general": svd, "pair": generalised}


@functools.cache
@untraced
def grid(point):
    """Matrix and factors at the nine places."""
    a, e, f = map(lift, (point.matrix, *point.directions))
    places = [(i, j) for i in (-1, 0, 1) for j in (-1, 0, 1)]
    moved = {(i, j): a + STEP * (i * e + j * f) for i, j in places}
    return {place: (x, DECOMPOSE[point.kind](x)) for place, x in moved.items()}


def like(point):
    """A vector that is near to the selected one, and not the same: it fixes sign or phase."""
    matrix, factors = grid(point)[0, 0]
    of = {"hermitian": eigenvector, "pair": eigenvector, "general": right_vector}[point.kind]
    v = of(matrix, factors, point, None).astype(complex)
    v = v / np.linalg.norm(v)
    v = v if point.is_complex else v.real
    return (v + point.draw(v.shape, 5) / (4 * np.sqrt(len(v)))).astype(point.matrix.dtype)


def like_null(point):
    matrix, factors = grid(point)[0, 0]
    v = null_vector(matrix, factors, point, None).astype(complex)
    v = v if point.is_complex else v.real
    return (v + point.draw(v.shape, 6) / (4 * np.sqrt(len(v)))).astype(point.matrix.dtype)


def aligned(v, towards):
    """With a real and positive ⟨like, v⟩."""
    if towards is None:
        return v
    inner = sum(lift(towards).conj() * v)
    return v * (MP.conj(inner) / abs(inner))


def of_values(values, v):
    return (v * values) @ adjoint(v)


def kept(function, count, values):
    """A function of the largest values, the last ones, and 0 of the others."""
    cut = len(values) - count
    return np.array([function(x) if i >= cut else MP.zero for i, x in enumerate(values)], object)


def scalar(function):
    return lambda matrix, factors, point: of_values(each(function, factors[0]), factors[1])


def of_kept(function):
    """As f·1[kept]: the dropped ones are 0 nearby, too."""

    def value(matrix, factors, point):
        values, v = factors
        return of_values(kept(function, point.spectrum.rank, values), v)

    return value


def projector(matrix, factors, point):
    values, v, *b = factors
    p = of_values(kept(lambda x: MP.one, point.spectrum.cut, values), v)
    return p @ b[0] if b else p


def eigenvector(matrix, factors, point, towards):
    return aligned(factors[1][:, -1 - point.spectrum.simple], towards)


def right_vector(matrix, factors, point, towards):
    return aligned(adjoint(factors[2])[:, point.spectrum.simple], towards)


def singular_vectors(matrix, factors, point, towards):
    """Left and right vector, in one array."""
    v = right_vector(matrix, factors, point, towards)
    return np.concatenate([matrix @ v / factors[1][point.spectrum.simple], v])


def null_vector(matrix, factors, point, towards):
    """The last right vector, and where the thin decomposition leaves that out, of AᴴA."""
    m, n = matrix.shape
    v = adjoint(factors[2])[:, -1] if m >= n else eigh(adjoint(matrix) @ matrix)[1][:, 0]
    return aligned(v, towards)


def singular(function):
    def value(matrix, factors, point):
        u, s, vh = factors
        return (u * function(s, point)) @ vh

    return value


def first(function, count, s):
    return np.array([function(x) if i < count else MP.zero for i, x in enumerate(s)], object)


def rotation(matrix, factors, point):
    u, s, vh = factors
    signs = each(lambda x: MP.one, s)
    signs[-1] = MP.mpf(1 if MP.det(MP.matrix((u @ vh).tolist())) > 0 else -1)
    return (u * signs) @ vh


def pinv(matrix, factors, point):
    u, s, vh = factors
    return adjoint(vh) @ np.diag(first(lambda x: 1 / x, point.spectrum.rank, s)) @ adjoint(u)


def _soft(s, point):
    return each(lambda x: max(x - MP.convert(point.threshold), MP.zero), s)


def _with_like(function, vector):
    def value(matrix, factors, point):
        return function(matrix, factors, point, vector(point))

    return value


like, like_null = functools.cache(like), functools.cache(like_null)
_always, _real = (lambda p: True), MP.mpf(POWER)


def _cut(p):
    return p.spectrum.cut is not None


def _simple(p):
    return p.spectrum.simple is not None


def _definite(p):
    return p.spectrum.is_positive


def _semidefinite(p):
    return p.spectrum.is_semidefinite


def _small(p):
    return max(map(abs, p.spectrum.values)) < 100


def _null(p):
    """The smallest singular value, 0 where there are more columns than rows, is a simple one."""
    m, n = p.matrix.shape
    values = (*p.spectrum.values, *[0.0] * (n - m))
    return n <= m + 1 and (n == 1 or values[-2] - values[-1] > 1e-5 * values[0])


def _distinct(p):
    return p.spectrum.is_distinct


#: For each function: the kind of its points, whether it is smooth at one, and its value.
DEFINED = {
    "function": ("hermitian", _always, scalar(MP.sin)),
    "trace_function": ("hermitian", _always, lambda a, f, p: sum(each(MP.sin, f[0]))),
    "sqrtm": ("hermitian", _semidefinite, of_kept(MP.sqrt)),
    "inv_sqrtm": ("hermitian", _semidefinite, of_kept(lambda x: 1 / MP.sqrt(x))),
    "powm": ("hermitian", _semidefinite, of_kept(lambda x: x**_real)),
    "logm": ("hermitian", _definite, scalar(MP.log)),
    "expm": ("hermitian", _small, scalar(MP.exp)),
    "projector": ("hermitian", _cut, projector),
    "eigenvector": ("hermitian", _simple, _with_like(eigenvector, like)),
    "eigvalsh": ("hermitian", _distinct, lambda a, f, p: f[0]),
    "projector, b": ("pair", _cut, projector),
    "eigenvector, b": ("pair", _simple, _with_like(eigenvector, like)),
    "eigvalsh, b": ("pair", _distinct, lambda a, f, p: f[0]),
    "polar": ("general", _definite, singular(lambda s, p: each(lambda x: MP.one, s))),
    "rotation": ("general", lambda p: p.is_rotatable, rotation),
    "low_rank": ("general", _cut, singular(lambda s, p: first(lambda x: x, p.spectrum.cut, s))),
    "soft_threshold": ("general", lambda p: p.threshold > 0 and p.name != "zero", singular(_soft)),
    "pinv": ("general", _always, pinv),
    "null_vector": ("general", _null, _with_like(null_vector, like_null)),
    "singular_vectors": (
        *("general", lambda p: _simple(p) and p.spectrum.values[p.spectrum.simple] > 0),
        _with_like(singular_vectors, like),
    ),
    "nuclear_norm": ("general", _definite, lambda a, f, p: sum(f[1])),
    "spectral_norm": ("general", lambda p: p.spectrum.simple == 0, lambda a, f, p: f[1][0]),
}


def smooth(name, points):
    """The points at which a function is smooth."""
    kind, is_smooth, _ = DEFINED[name]
    return [p for p in points if p.kind == kind and is_smooth(p)]


@dataclass(frozen=True)
class Jet:
    """Value; derivatives along E₁, along E₂, along both; and the condition of each order.

    A program that is backward stable gives the value of a matrix that differs by a few eps times
    its size, and so for derivatives. By how much that changes a derivative, relative to itself, the
    next derivative says along directions of the size of the matrix, as E₁ and E₂ are: its norm over
    that of the derivative, at least 1, is the condition, by which eps is multiplied.
    """

    value: np.ndarray
    first: np.ndarray
    other: np.ndarray
    second: np.ndarray
    conditions: tuple[float, float, float]


def _norm(array):
    return float(MP.sqrt(sum(abs(x) ** 2 for x in np.ravel(array))))


@functools.cache
@untraced
def differences(name, point):
    """In digits: the value; both first derivatives; the mixed second one, and the pure ones; third.

    Two of the third ones: along E₁ twice, or along E₂ twice.
    """
    _, _, function = DEFINED[name]
    f = {place: np.asarray(function(*x, point)) for place, x in grid(point).items()}
    first = [(f[i, j] - f[-i, -j]) / (2 * STEP) for i, j in ((1, 0), (0, 1))]
    mixed = (f[1, 1] - f[1, -1] - f[-1, 1] + f[-1, -1]) / (4 * STEP**2)
    pure = [(f[i, j] - 2 * f[0, 0] + f[-i, -j]) / STEP**2 for i, j in ((1, 0), (0, 1))]
    third = [
        (f[1, 1] - 2 * f[1, 0] + f[1, -1] - f[-1, 1] + 2 * f[-1, 0] - f[-1, -1]) / (2 * STEP**3),
        (f[1, 1] - 2 * f[0, 1] + f[-1, 1] - f[1, -1] + 2 * f[0, -1] - f[-1, -1]) / (2 * STEP**3),
    ]
    return [f[0, 0]], first, [mixed, *pure], third


@functools.cache
def jet(name, point):
    """Value and derivatives of a function at a point."""
    orders = differences(name, point)
    sizes = [max(map(_norm, x)) for x in orders]
    conditions = tuple(max(1.0, y / x) if x else 1.0 for x, y in itertools.pairwise(sizes))
    (value,), (first, other), (second, *_), _ = orders
    rounded = (np.asarray(x).astype(complex) for x in (value, first, other, second))
    return Jet(*(x if point.is_complex else x.real for x in rounded), conditions)
