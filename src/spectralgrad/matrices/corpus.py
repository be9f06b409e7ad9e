"""A corpus of named matrices, on which frameworks, and their versions, are compared.

The name is the seed: ``corpus:lapack/general-geometric-worst-16x10-float32-1`` is family, kind,
size, dtype and draw, and makes the same matrix again. Random numbers are those of
`numpy.random.RandomState`, which is frozen, and products are summed in extended precision, without
BLAS, before they are rounded: machines differ in a last bit at most.

* ``lapack``: the types of the test programs ``dchkst`` and ``dchkbd`` (``TESTING/EIG``): spectra of
  ``dlatm1``, modes 1 to 6 (Working Note 9), ``worst`` of condition 1/eps, also ``large`` and
  ``small``; the condition numbers 2, √(0.1/eps) (``medium``) and 0.1/eps (``bad``) of ``dlatb4``.
* ``gallery``: of Higham's Test Matrix Toolbox (Numerical Analysis Report 276, Manchester 1995).
* ``graphs``: Laplacians and adjacency matrices, whose entries are integers.
* ``ties``: equal, nearly equal and vanishing values. ``scales``: random entries, graded or of any
  size. ``random``: of other kinds, among them covariances of few samples.
"""

import functools
import hashlib
import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from spectralgrad.matrices.checks import fault
from spectralgrad.theory.arrays import Array

PREFIX = "corpus:"
DTYPES = ("float32", "float64", "complex64", "complex128")


class Draw:
    """What a matrix is made of: its size, its precision, and random numbers.

    ``i`` and ``j`` number rows and columns from 0, ``t`` the values, and ``u`` these from 0 to 1;
    ``sizes`` are those of LAPACK's programs, well within the range of the dtype.
    """

    def __init__(self, name: str, m: int, n: int, dtype: str) -> None:
        seed = np.frombuffer(hashlib.sha256(name.encode()).digest(), "<u4")
        self.m, self.n, self.k, self.random = m, n, min(m, n), np.random.RandomState(seed)
        self.i, self.j = np.indices((m, n))
        self.t, self.is_complex = np.arange(self.k, dtype=np.longdouble), dtype[0] == "c"
        self.u = self.t / max(self.k - 1, 1)
        self.eps, tiny = map(np.longdouble, (np.finfo(dtype).eps, np.finfo(dtype).tiny))
        large = self.eps / np.sqrt(tiny) / max(m, n)
        self.sizes = {"large": large, "small": 1 / large}

    def normal(self, *shape: int) -> Array:
        """Independent normal entries."""
        re, im = self.random.standard_normal((2, *shape)).astype(np.longdouble)
        return re + 1j * im if self.is_complex else re

    def unitary(self, n: int) -> Array:
        """Return a product of random reflections, as in ``dlagsy``."""
        q = np.eye(n) * np.ones_like(self.normal())
        for size in range(2, n + 1):
            u = self.normal(size)
            u /= np.sqrt(np.sum(np.abs(u) ** 2))
            q[:, -size:] -= 2 * np.outer(q[:, -size:] @ u, u.conj())
        return q


def _mirrored(a: Array) -> Array:
    return (a + a.conj().T) / 2


# Of the least value, which is a factor times a power of eps.
_SPECTRA: dict[str, Callable[[Draw, Any], Any]] = {
    "one-large": lambda d, least: np.where(d.t == 0, 1, least),
    "one-small": lambda d, least: np.where(d.u == 1, least, 1),
    "geometric": lambda d, least: least**d.u,
    "even": lambda d, least: 1 - d.u * (1 - least),
    "log-uniform": lambda d, least: (v := least ** d.random.random_sample(d.k)) / v.max(),
    "normal": lambda d, least: d.random.standard_normal(d.k),
    "pair": lambda d, least: np.maximum(d.t, 1),
    "triple": lambda d, least: np.maximum(d.t, 2),
    "top": lambda d, least: np.minimum(d.t + 1, d.k - 1),
    "pairs": lambda d, least: d.t // 2 + 1,
    "all": lambda d, least: d.t**0,
    "opposite": lambda d, least: (-1) ** d.t,
    "zero": lambda d, least: d.t,
    "zeros": lambda d, least: np.maximum(d.t - 1, 0),
    "gap": lambda d, least: np.where(d.t, d.t, 1 - least),
    "tiny": lambda d, least: np.where(d.t, d.t, least),
}
_MODES, _TIES, _NEAR_TIES = [*_SPECTRA][:6], [*_SPECTRA][6:14], [*_SPECTRA][14:]
_LEAST = {"2": (0.5, 0), "medium": (math.sqrt(10), 0.5), "bad": (10, 1), "worst": (1, 1)}
_LEAST |= {"large": (1, 1), "small": (1, 1)}
_POWERS = ("0.25", "0.5", "0.75", "0.9", "1")


def _spectral(d: Draw, form: str, spectrum: str, least: str = "1") -> Array:
    factor, power = _LEAST.get(least) or (1, float(least))
    values = _SPECTRA[spectrum](d, factor * d.eps**power) * d.sizes.get(least, 1)
    if form in ("diagonal", "signed"):
        values = values * d.random.choice([-1, 1], d.k)
    left = np.eye(d.m) if form == "diagonal" else d.unitary(d.m)
    right = d.unitary(d.n) if form == "general" else left
    a = (left[:, : d.k] * values) @ right[:, : d.k].conj().T
    return a if form == "general" else _mirrored(a)


_GALLERY: dict[str, Callable[[Any, Any, int], Any]] = {
    "hilbert": lambda i, j, n: 1 / (i + j + 1),
    "pascal": lambda i, j, n: np.vectorize(math.comb)(i + j, i),
    "lehmer": lambda i, j, n: (np.minimum(i, j) + 1) / (np.maximum(i, j) + 1),
    "minij": lambda i, j, n: np.minimum(i, j) + 1,
    "fiedler": lambda i, j, n: abs(i - j),
    "kms": lambda i, j, n: 0.5 ** abs(i - j),
    "pei": lambda i, j, n: 1 + (i == j),
    "clement": lambda i, j, n: (abs(i - j) == 1) * np.sqrt((k := np.maximum(i, j)) * (n - k)),
    "wilkinson": lambda i, j, n: abs(n - 1 - 2 * i) / 2 * (i == j) + (abs(i - j) == 1),
    "wilkinson-negative": lambda i, j, n: -_GALLERY["wilkinson"](i, j, n),
    "hartley": lambda i, j, n: np.sqrt(2 / n) * np.sin(2 * np.pi * i * j / n + np.pi / 4),
    "hadamard": lambda i, j, n: (-1) ** sum((i & j) >> bit & 1 for bit in range(5)),
    "identity": lambda i, j, n: i == j,
    "zero": lambda i, j, n: 0 * i,
    "ones": lambda i, j, n: 1 + 0 * i,
    "parter": lambda i, j, n: 1 / (i - j + 0.5),
    "grcar": lambda i, j, n: ((j >= i) & (j <= i + 3)) - 1 * (i == j + 1),
    "kahan": lambda i, j, n: np.sin(1.2) ** i * ((i == j) - np.cos(1.2) * (j > i)),
    "circulant": lambda i, j, n: (j - i) % n + 1,
    "helmert": lambda i, j, n: (
        ((i > j) - i * (i == j) + (i < 1)) / (i * i + i + n * (i < 1)) ** 0.5
    ),
    "companion": lambda i, j, n: (i == j + 1) - 1 * (i == 0),
}

# Edges, in one direction at least; with 10 vertices, the graph of Petersen is that of the name.
_GRAPHS: dict[str, Callable[[Any, Any, int], Any]] = {
    "path": lambda i, j, n: j == i + 1,
    "cycle": lambda i, j, n: (j - i) % n == 1,
    "complete": lambda i, j, n: i < j,
    "star": lambda i, j, n: i == 0,
    "wheel": lambda i, j, n: (i == 0) | (j == i + 1) | (i == 1) & (j == n - 1),
    "grid": lambda i, j, n: (j == i + 2) | (j == i + 1) & (i % 2 == 0),
    "hypercube": lambda i, j, n: (i ^ j) & ((i ^ j) - 1) == 0,
    "petersen": lambda i, j, n: np.where(
        (i < n // 2) == (j < n // 2), (j - i) % (n // 2) == 1 + (i >= n // 2), j == i + n // 2
    ),
    "bipartite": lambda i, j, n: (i - j) % 2 == 1,
    "tree": lambda i, j, n: i == (j - 1) // 2,
    "windmill": lambda i, j, n: (i == 0) | (i % 2 == 1) & (j == i + 1),
}


def _graphs(d: Draw, matrix: str, name: str) -> Array:
    edges = _GRAPHS[name](d.i, d.j, d.n) & (d.i != d.j)
    a = 1 * (edges | edges.T)
    return np.diag(a.sum(axis=0)) - a if matrix == "laplacian" else a


_SCALES = ["large", "small", "graded-2", "graded-4", "graded-8"]
_SCALES += [f"1e{power}" for power in (-18, -12, -6, -3, 0, 3, 6, 12, 18)]


def _scales(d: Draw, form: str, scale: str) -> Any:
    a = d.normal(d.m, d.n)
    a = a if form == "general" else _mirrored(a)
    if scale[:6] == "graded":
        grades = 10.0 ** -np.linspace(0, int(scale[7:]), d.n)
        return np.outer(grades, grades) * a
    return a * (d.sizes.get(scale) or np.longdouble(scale))


_RANDOM: dict[str, Callable[[Draw], Array]] = {
    "data": lambda d: (x := d.normal(d.n, d.n)) - x.mean(axis=0),
    "covariance-two": lambda d: np.cov(d.normal(d.n, 2)),
    "covariance-few": lambda d: np.cov(d.normal(d.n, d.n // 2 + 1)),
    "covariance-equal": lambda d: np.cov(d.normal(d.n, d.n)),
    "covariance-many": lambda d: np.cov(d.normal(d.n, 3 * d.n)),
    "low-rank": lambda d: d.normal(d.n, 2) @ d.normal(2, d.n),
    "toeplitz": lambda d: d.normal(2 * d.n)[d.i - d.j + d.n],
    "skew": lambda d: (x := d.normal(d.n, d.n)) - x.T,
    "integers": lambda d: d.random.randint(-2, 3, (d.n, d.n)),
    "exact-low-rank": lambda d: (x := d.random.randint(-2, 3, (d.n, 4)))[:, :2] @ x[:, 2:].T,
    "exact-permutation": lambda d: np.eye(d.n)[d.random.permutation(d.n)],
    "exact-doubled": lambda d: (d.i % 2 == d.j % 2) * d.random.randint(-2, 3, d.n)[abs(d.i - d.j)],
    # Type 21 of dchkst, and 16 of dchkbd.
    "tridiagonal": lambda d: (
        (10 * d.n * d.eps) ** ((d.i + d.j) / (2 * d.n - 2))
        * (abs(d.i - d.j) < 2)
        / (1 + (d.i != d.j))
    ),
    "bidiagonal": lambda d: np.tril(np.triu(d.eps ** d.random.uniform(-2, 2, (d.n, d.n))), 1),
}

_SMALL, _EVEN = ((3, 3), (5, 5), (10, 10), (20, 20)), ((4, 4), (8, 8), (10, 10), (16, 16))
_OBLONG, _FORMS = ((3, 3), (10, 10), (16, 10), (10, 16)), ("hermitian", "general")

# Family, how a matrix is made of a draw and words, all words, all sizes, and how many draws.
_FAMILIES: tuple[tuple[str, Callable[..., Any], Any, Any, int], ...] = (
    ("lapack", _spectral, (("diagonal", "signed", "hermitian"), _MODES, _LEAST), _SMALL, 1),
    ("lapack", _spectral, (("general",), _MODES, _LEAST), _OBLONG, 3),
    ("ties", _spectral, (_FORMS, _TIES), _SMALL, 4),
    ("ties", _spectral, (_FORMS, _NEAR_TIES, _POWERS), _SMALL, 4),
    ("gallery", lambda d, x: _GALLERY[x](d.i, d.j, d.n), (_GALLERY,), ((2, 2), *_SMALL, *_EVEN), 1),
    ("graphs", _graphs, (("laplacian", "adjacency"), _GRAPHS), ((6, 6), *_EVEN), 1),
    ("scales", _scales, (_FORMS, _SCALES), ((2, 2), *_SMALL), 3),
    ("random", lambda d, x: _RANDOM[x](d), (_RANDOM,), _EVEN, 7),
)


@functools.cache
def _recipes() -> dict[str, tuple[Callable[..., Any], tuple[str, ...], int, int, str]]:
    found = {}
    for family, make, words, sizes, draws in _FAMILIES:
        kinds = itertools.product(*words)
        for kind, (m, n), dtype, draw in itertools.product(kinds, sizes, DTYPES, range(draws)):
            name = f"{PREFIX}{family}/{'-'.join(kind)}-{m}x{n}-{dtype}-{draw}"
            found[name] = make, kind, m, n, dtype
    return found


def names() -> list[str]:
    """All of them, families mixed, so that the first few are a fair sample."""
    return sorted(_recipes(), key=lambda name: hashlib.sha256(name.encode()).digest())


def matrix(name: str) -> Array:
    """Make the matrix of a name; a MatrixError is raised where it is none."""
    if name not in _recipes():
        raise fault("no matrix of the corpus", "take a name from a survey of it (--corpus)")
    make, kind, m, n, dtype = _recipes()[name]
    d = Draw(name, m, n, dtype)
    a = np.asarray(make(d, *kind))
    if d.is_complex and np.isrealobj(a):
        # A diagonal similarity, which is exact.
        a = a * np.array([1, 1j, -1, -1j])[(d.i - d.j) % 4]
    return a.astype(dtype)
