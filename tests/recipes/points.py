"""Where the recipes are tried: matrices in general position whose spectrum is known beforehand.

A ``Spectrum`` says which values they have and what is smooth there; ``POINTS`` has a matrix for
each, real and complex, Hermitian, of other shapes, and pairs of matrices A and B.
"""

import functools
from dataclasses import dataclass

import numpy as np

KINDS = ("hermitian", "general", "pair")


@dataclass(frozen=True)
class Spectrum:
    """Values, descending; which may be cut, and which one is simple.

    Between the ``cut`` largest values and the others there is a gap, and around the one at the
    place ``simple``; None where there is no such place. ``sign`` is that of the determinant of a
    real square matrix, where singular values are meant.
    """

    values: tuple
    cut: int | None = None
    simple: int | None = None
    sign: int = 1

    @property
    def rank(self):
        return sum(x != 0 for x in self.values)

    @property
    def is_positive(self):
        return self.values[-1] > 0

    @property
    def is_semidefinite(self):
        return self.values[-1] >= 0

    @property
    def is_distinct(self):
        scale = max(map(abs, self.values)) or 1
        return all(x - y > 1e-9 * scale for x, y in zip(self.values, self.values[1:], strict=False))


_TWENTY = (4.0, *[3.0] * 5, *[2.0] * 5, *[1.5 + 1e-12, 1.5], *[1.0 - 0.1 * i for i in range(7)])
SPECTRA = {
    "regular": Spectrum((3.5, 2.0, 1.0), 1, 1),
    "tie": Spectrum((3.0, 1.0, 1.0), 1, 0),
    "tie above": Spectrum((3.0, 3.0, 1.0), 2, 2),
    "equal": Spectrum((2.0, 2.0, 2.0)),
    "gap 1e-3": Spectrum((3.0, 1.001, 1.0), 1, 0),
    "gap 1e-5": Spectrum((3.0, 1.00001, 1.0), 1, 0),
    "gap 1e-8": Spectrum((3.0, 1.0 + 1e-8, 1.0), 1, 0),
    "gap 1e-12": Spectrum((3.0, 1.0 + 1e-12, 1.0), 1, 0),
    "gap 1e-14": Spectrum((3.0, 1.0 + 1e-14, 1.0), 1, 0),
    # Three values that are near each other: divided differences of second order.
    "three near": Spectrum((1.0 + 3e-5, 1.0 + 1e-5, 1.0)),
    "graded": Spectrum((1.0, 1e-4, 1e-8), 1, 0),
    "large": Spectrum((3e6, 1e6, 1e6), 1, 0),
    "small": Spectrum((3e-6, 1e-6, 1e-6), 1, 0),
    # The gap that a projector needs, and that a vector needs, is small itself.
    "cut 1e-6": Spectrum((3.0, 1.0 + 1e-6, 1.0), 2, 2),
    "one": Spectrum((2.0,), 1, 0),
    "two": Spectrum((2.0, 1.0), 1, 0),
    "two equal": Spectrum((2.0, 2.0)),
    "five": Spectrum((3.0, 2.0, 2.0, 1.0, 1.0), 1, 0),
    "five apart": Spectrum((3.0, 2.5, 1.0, 1.0, 0.5), 2, 1),
    "twenty": Spectrum(_TWENTY, 6, 0),
    # Zeros.
    "rank 2": Spectrum((3.0, 1.0, 0.0), 1, 0),
    "rank 1": Spectrum((2.0, 0.0, 0.0), 1, 0),
    "rank 2 of 5": Spectrum((1.0, 1.0, 0.0, 0.0, 0.0), 2),
    "zero": Spectrum((0.0, 0.0, 0.0)),
    # Only Hermitian.
    "indefinite": Spectrum((2.0, -1.0, -1.0), 1, 0),
    "of both signs": Spectrum((1.0, 0.0, -1.0), 1, 2),
    # Only general and real: U and V of different handedness.
    "reflection": Spectrum((3.0, 2.0, 1.0), 1, 1, sign=-1),
    "tied reflection": Spectrum((2.0, 2.0, 1.0), 2, 2, sign=-1),
    "reflected five": Spectrum((3.0, 2.0, 2.0, 2.0, 1.0), 1, 0, sign=-1),
}


@dataclass(frozen=True, eq=False)
class Point:
    """A matrix, or a stack of A and B, and what is smooth there."""

    name: str
    kind: str
    matrix: np.ndarray
    spectrum: Spectrum

    def __repr__(self):
        return self.name

    @functools.cached_property
    def is_complex(self):
        return np.iscomplexobj(self.matrix)

    @functools.cached_property
    def real(self):
        """The dtype of its values."""
        return self.matrix.real.dtype

    @functools.cached_property
    def is_rotatable(self):
        """Whether the nearest rotation is smooth here: σₙ₋₁ ± σₙ is not 0."""
        m, n = self.matrix.shape[-2:]
        if self.kind != "general" or self.is_complex or m != n or n < 2:
            return False
        *_, upper, lower = self.spectrum.values
        return upper + self.spectrum.sign * lower > 0

    @functools.cached_property
    def threshold(self):
        """Between the values that a cut separates, else below all."""
        values, cut = self.spectrum.values, self.spectrum.cut
        if cut is None or cut == len(values):
            return values[-1] / 2
        return (values[cut - 1] + values[cut]) / 2

    def draw(self, shape, number):
        """A random array, always the same for the same number: as large as the matrix."""
        rng = np.random.default_rng([number, *shape])
        drawn = rng.standard_normal(shape)
        if self.is_complex:
            drawn = drawn + 1j * rng.standard_normal(shape)
        return drawn.astype(self.matrix.dtype)

    @functools.cached_property
    def directions(self):
        """Two, of the size of the matrix; not Hermitian, as a recipe sees the Hermitian part."""
        size = np.abs(self.matrix).max(axis=(-1, -2), keepdims=True)
        size = np.where(size > 0, size, 1).astype(self.matrix.real.dtype)
        return tuple(size * self.draw(self.matrix.shape, i) for i in (1, 2))


def orthogonal(rng, n, *, is_complex):
    drawn = rng.standard_normal((n, n)) + is_complex * 1j * rng.standard_normal((n, n))
    return np.linalg.qr(drawn if is_complex else drawn.real)[0]


def hermitian(spectrum, seed, *, is_complex):
    v = orthogonal(np.random.default_rng(seed), len(spectrum.values), is_complex=is_complex)
    matrix = (v * np.array(spectrum.values)) @ v.conj().T
    return (matrix + matrix.conj().T) / 2


def general(spectrum, shape, seed, *, is_complex):
    k, (m, n), rng = len(spectrum.values), shape, np.random.default_rng(seed)
    u, v = (orthogonal(rng, size, is_complex=is_complex) for size in (m, n))
    if m == n and not is_complex:
        u[:, -1] *= spectrum.sign * np.sign(np.linalg.det(u) * np.linalg.det(v))
    return (u[:, :k] * np.array(spectrum.values)) @ v[:, :k].conj().T


def pair(spectrum, seed, *, is_complex):
    """A and B, positive definite, whose generalised eigenvalues are those of the spectrum."""
    n = len(spectrum.values)
    drawn = orthogonal(np.random.default_rng(seed + 1), n, is_complex=is_complex)
    root = drawn * np.linspace(1, 2, n)
    a = root @ hermitian(spectrum, seed, is_complex=is_complex) @ root.conj().T
    b = root @ root.conj().T
    return np.stack([(x + x.conj().T) / 2 for x in (a, b)])


def _points():
    complex_too = ("regular", "tie", "gap 1e-8", "equal", "five", "one", "rank 2", "rank 2 of 5")
    wide = ("regular", "tie", "five", "one", "rank 2", "graded", "two equal")
    for seed, (name, spectrum) in enumerate(SPECTRA.items()):
        n = len(spectrum.values)
        for is_complex in (False, True)[: 1 + (name in complex_too)]:
            field = ", complex" if is_complex else ""
            if spectrum.sign > 0:
                matrix = hermitian(spectrum, seed, is_complex=is_complex)
                yield Point(name + field, "hermitian", matrix, spectrum)
            if spectrum.is_semidefinite:
                shapes = [(n, n), (n + 1, n), (n, n + 1)][: 3 if name in wide else 1]
                for shape in shapes:
                    matrix = general(spectrum, shape, seed, is_complex=is_complex)
                    size = {n: "", n + 1: ", tall"}[shape[0]] if shape[1] == n else ", wide"
                    yield Point(name + size + field, "general", matrix, spectrum)
            if n in (2, 3, 5) and spectrum.sign > 0 and (spectrum.cut or name == "equal"):
                matrix = pair(spectrum, seed, is_complex=is_complex)
                yield Point(name + field, "pair", matrix, spectrum)
    # Of integers, and with exactly equal values.
    six = 6 * np.eye(3) - np.ones((3, 3))
    for kind in ("hermitian", "general"):
        yield Point("six minus ones", kind, six, Spectrum((6.0, 6.0, 3.0), 2, 2))
        yield Point("identity", kind, np.eye(3), Spectrum((1.0, 1.0, 1.0)))


POINTS = tuple(_points())
_SINGLE = ("regular", "tie", "equal", "five, complex", "rank 2", "six minus ones")


def single(point):
    """The same in single precision: another matrix, because it is rounded."""
    dtype = np.complex64 if point.is_complex else np.float32
    return Point(f"{point.name}, single", point.kind, point.matrix.astype(dtype), point.spectrum)


SINGLE = tuple(single(point) for point in POINTS if point.name in _SINGLE)
