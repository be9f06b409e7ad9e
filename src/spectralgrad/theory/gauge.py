"""What a decomposition leaves open: sign and phase of a vector, the basis of a tied cluster.

A loss on eigenvectors or singular vectors is a function of the matrix only if it does not depend
on that choice. `GaugeError` says that one does; the bases made here let a program try.
"""

import itertools
import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from spectralgrad.theory.arrays import Array
from spectralgrad.theory.symmetric import adjoint

TURNED = "the cotangent depends on the phase of the vectors or on the basis of their span"
SPREAD = (
    "equal values with different cotangents, so that the answer depends on the basis (see "
    "invariant_vjp and subgradient)"
)
AT_ZERO = (
    "a zero with a cotangent, so that the answer depends on the null vectors (see invariant_vjp "
    "and subgradient)"
)
VARIES = "the loss depends on the sign, phase or basis of vectors, and has no gradient"


class GaugeError(ValueError):
    """A cotangent asks for something that the choice of a sign, phase or basis decides.

    Attributes
    ----------
    pair : tuple of int
        The two vectors between which it does, from 0; one twice where its phase does.
    excess : float
        By how much.
    allowed : float
        How much would pass for rounding.
    """

    def __init__(self, message: str, pair: tuple[int, int], excess: float, allowed: float) -> None:
        super().__init__(message)
        self.pair = pair
        self.excess = excess
        self.allowed = allowed


def default_tol(dtype: DTypeLike) -> float:
    """Relative size up to which a dependence on the basis passes for rounding: √eps.

    Parameters
    ----------
    dtype : dtype

    Returns
    -------
    float
    """
    return float(np.sqrt(np.finfo(dtype).eps))


def tolerance(given: float | None, dtype: DTypeLike) -> float:
    """Return the tolerance that was given, or the default; finite, so that 0 times it is 0.

    Parameters
    ----------
    given : float or None
    dtype : dtype

    Returns
    -------
    float
    """
    return default_tol(dtype) if given is None else min(float(given), 1e100)


def largest(array: ArrayLike) -> Array:
    """Largest modulus in each row, in double precision, where products do not overflow.

    Parameters
    ----------
    array : (..., k) array_like

    Returns
    -------
    (...) numpy.ndarray of float
    """
    sizes: Array = np.max(np.abs(array), axis=-1, initial=0.0)
    return sizes.astype(float)


def slack(values: ArrayLike, rtol: float) -> Array:
    """What a cluster turns the cotangent of its values into: its width times 8, for rounding.

    Parameters
    ----------
    values : (..., k) array_like
    rtol : float
        Width of a cluster, relative to the largest value.

    Returns
    -------
    (...) numpy.ndarray of float
    """
    return 8 * rtol * largest(values)


def per_value(
    allowed: ArrayLike, values: ArrayLike, cotangent: ArrayLike, gauge_tol: float
) -> Array:
    """Tolerance for cotangents of values, from that for cotangents of vectors.

    Parameters
    ----------
    allowed : (...) array_like
        For the vectors; in the unit of the values times that of the result.
    values, cotangent : (..., k) array_like
    gauge_tol : float

    Returns
    -------
    (...) numpy.ndarray of float
    """
    size = largest(values)
    return gauge_tol * largest(cotangent) + allowed / np.where(size > 0, size, np.inf)


def turns(vectors: ArrayLike, basis: ArrayLike, cotangent: ArrayLike) -> Array:
    """Skew-Hermitian part of C Bᴴ for a cotangent C of the basis B, applied to vectors.

    To first order, dB = ΩB with a skew-Hermitian Ω, so that dL = Re⟨C, dB⟩ = Re⟨skew(C Bᴴ), Ω⟩:
    this is what a loss says of how the vectors turn, and it is the same in every basis if the loss
    does not depend on the basis.

    Parameters
    ----------
    vectors, basis, cotangent : (..., n, k) array_like

    Returns
    -------
    (..., n, k) numpy.ndarray
    """
    vectors, basis, cotangent = map(np.asarray, (vectors, basis, cotangent))
    there, back = adjoint(basis) @ vectors, adjoint(cotangent) @ vectors
    turned: Array = (cotangent @ there - basis @ back) / 2
    return turned


def require(
    excess: Array,
    allowed: ArrayLike,
    symbol: str,
    fault: str,
    *,
    places: tuple[Array, ...] | None = None,
) -> None:
    """Raise unless nothing that depends on the choice of basis is above what is allowed.

    Parameters
    ----------
    excess : (..., k, k) numpy.ndarray
        Nonnegative; for each pair of vectors, what depends on it.
    allowed : (...) numpy.ndarray
    symbol : str
        Of the values that belong to the vectors, as ``"λ"``.
    fault : str
        What the message says of the pair.
    places : tuple of numpy.ndarray, optional
        Indices of the pairs in question; then `excess` has one number for each.

    Raises
    ------
    GaugeError
        For the pair that is worst; also where an entry is not a number.
    """
    allowed = np.asarray(allowed)
    if places is None:
        limits = np.broadcast_to(allowed[..., None, None], excess.shape)
    else:
        limits = allowed[places[:-2]] if allowed.ndim else np.broadcast_to(allowed, excess.shape)
    # With an infinite tolerance, 0 · inf is not a number.
    bad = ~((excess <= limits) | (excess == 0))
    if not bad.any():
        return
    worst = np.argmax(np.where(bad, np.where(np.isnan(excess), np.inf, excess), -1.0))
    place = np.unravel_index(worst, excess.shape)
    size, limit = float(excess[place]), float(limits[place])
    indices = place if places is None else tuple(axis[place] for axis in places)
    *stack, i, j = (int(x) for x in indices)
    where = f"matrix {stack} of the stack: " if stack else ""
    pair = names(symbol, min(i, j), max(i, j))
    message = f"{where}{pair}: {fault}: by {size:.1e}, allowed {limit:.1e}"
    raise GaugeError(message, (i, j), size, limit)


def names(symbol: str, first: int, last: int, joint: str = " and ") -> str:
    """Name two values of a spectrum, counted from 0, as a reader counts: "λ₁ and λ₂"."""
    subscripts = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
    both = [symbol + str(i + 1).translate(subscripts) for i in (first, last)]
    return both[0] if first == last else joint.join(both)


def require_same(
    block: Array,
    apart: Array,
    turned: Array,
    values: Array,
    labels: Array,
    tolerance: Array,
    allowed: Array,
    symbol: str,
) -> None:
    """Raise if the gradient is seen to change when nearly equal values are taken as equal.

    Parameters
    ----------
    block : (..., k, k) numpy.ndarray
        The gradient within the clusters, in the basis of the vectors, at values taken as equal.
    apart, turned : (..., k), (..., k, k) numpy.ndarray
        At the values as they are: their cotangents, and how the loss turns the vectors.
    values : (..., k) numpy.ndarray
    labels : (..., k) numpy.ndarray of int
        Of clusters; off the diagonal, negative ones are left out.
    tolerance, allowed : (...) numpy.ndarray
        For the gradient, and for the rounding errors of a turn before it is divided by a gap.
    symbol : str
        Of the values, as ``"λ"``.

    Raises
    ------
    ValueError
    """
    gaps = values[..., None, :] - values[..., :, None]
    alike = (labels[..., :, None] == labels[..., None, :]) & (labels[..., None] >= 0) & (gaps != 0)
    gaps = np.where(alike, gaps, 1)
    found = np.where(alike, turned / gaps, block)
    diagonal = np.arange(values.shape[-1])
    found[..., diagonal, diagonal] = apart
    limit = tolerance[..., None, None] + alike * (allowed[..., None, None] / np.abs(gaps))
    change = np.abs(found - block)
    bad = ~((change <= limit) | (change == 0))
    if bad.any():
        place = tuple(np.argwhere(bad)[0])
        i, j = sorted(int(x) for x in place[-2:])
        raise ValueError(
            f"{names(symbol, i, j)}: the gradient changes by {float(change[place]):.1e} if nearly "
            "equal values are taken as equal; the loss varies too fast for that: give a smaller "
            "rtol"
        )


def mixtures(labels: ArrayLike, *, is_complex: bool) -> Iterator[Array]:
    """Yield rotations that mix the vectors of each cluster in pairs, each pair once.

    Columns i and j of a rotation are (eᵢ ± eⱼ)/√2 and, for complex matrices, in a second round
    (eᵢ ± i·eⱼ)/√2. For a Hermitian block M of d vectors, the diagonals of QᴴMQ for the identity
    and for these rotations determine M: d − 1 of them, d where d is odd and more than 1, twice as
    many for complex matrices.

    Parameters
    ----------
    labels : (..., k) array_like of int
        Of clusters, in order; vectors with negative ones are left as they are.
    is_complex : bool

    Yields
    ------
    (..., k, k) numpy.ndarray
    """
    flat, rotations = _identities(labels, is_complex)
    phases = (1.0, 1j) if is_complex else (1.0,)
    schedules = [
        itertools.zip_longest(
            *([(p, r) for p in phases for r in _rounds(c)] for c in _members(row)),
            fillvalue=(1, ()),
        )
        for row in flat
    ]
    for steps in itertools.zip_longest(*schedules, fillvalue=()):
        mixed = rotations.copy()
        for rotation, step in zip(mixed, steps, strict=True):
            for phase, pairs in step:
                for i, j in pairs:
                    pair = np.array([[1, 1], [phase, -phase]]) / np.sqrt(2)
                    rotation[np.ix_([i, j], [i, j])] = pair
        yield mixed.reshape(*np.shape(labels), flat.shape[-1])


def _identities(labels: ArrayLike, is_complex: bool) -> tuple[Array, Array]:
    """The labels of a stack as one list, and an identity matrix for each."""
    *stack, k = np.shape(labels)
    flat = np.reshape(labels, (math.prod(stack), k))
    rotations = np.zeros((*flat.shape, k), complex if is_complex else float)
    rotations[:] = np.eye(k)
    return flat, rotations


def _members(labels: Array) -> list[list[int]]:
    """Lists of the places of each cluster."""
    return [np.flatnonzero(labels == c).tolist() for c in np.unique(labels) if c >= 0]


def _rounds(players: list[int]) -> Iterator[list[tuple[int, int]]]:
    """All pairs, in rounds in which each player has at most one partner: a round robin."""
    circle = [*players, *[None] * (len(players) % 2)]
    half = len(circle) // 2
    if len(players) < 2:
        return
    for _ in circle[1:]:
        pairs = zip(circle[:half], circle[: half - 1 : -1], strict=True)
        yield [(i, j) for i, j in pairs if i is not None and j is not None]
        circle.insert(1, circle.pop())


def trials(labels: ArrayLike, *, is_complex: bool) -> Iterator[Array]:
    """Yield rotations in which to try an answer: of each cluster at random, with other signs.

    In one of them at least, the signs of two given vectors differ, and in one that of a given
    vector is negative: that takes ⌈log₂(k + 1)⌉ of them.

    Parameters
    ----------
    labels : (..., k) array_like of int
        Of clusters, in order; vectors with negative ones keep all but their signs.
    is_complex : bool

    Yields
    ------
    (..., k, k) numpy.ndarray
    """
    rng = np.random.default_rng(0)
    flat, identities = _identities(labels, is_complex)
    k = flat.shape[-1]
    for bit in range(k.bit_length()):
        signs = 1 - 2 * (np.arange(1, k + 1) >> bit & 1)
        rotations = identities * signs
        for rotation, row in zip(rotations, flat, strict=True):
            for places in _members(row):
                block = np.ix_(places, places)
                if len(places) > 1 or is_complex:
                    rotation[block] = unitary(len(places), rng, is_complex=is_complex)
        yield rotations.reshape(*np.shape(labels), k)


def unitary(size: int, rng: np.random.Generator, *, is_complex: bool) -> Array:
    """Draw an orthogonal or unitary matrix.

    Parameters
    ----------
    size : int
    rng : numpy.random.Generator
    is_complex : bool

    Returns
    -------
    (size, size) numpy.ndarray
    """
    normal = rng.standard_normal((size, size))
    if is_complex:
        normal = normal + 1j * rng.standard_normal((size, size))
    q, r = np.linalg.qr(normal)
    # QR fixes the signs of r; without this, Q is not uniform, and for size 1 always the same.
    diagonal = np.diagonal(r)
    drawn: Array = q * (diagonal / np.abs(diagonal))
    return drawn
