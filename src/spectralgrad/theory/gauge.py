"""What a decomposition leaves open: sign and phase of a vector, the basis of a tied cluster.

A loss on eigenvectors or singular vectors is a function of the matrix only if it does not depend
on that choice. `GaugeError` says that one does; the bases made here let a program try.

Parameters that mean the same everywhere: ``labels``, ``(..., k)``, are the numbers of the clusters,
from `spectralgrad.theory.spectrum.labels`, negative for the vectors of zeros; ``tied`` are the
pairs that `spectralgrad.theory.spectrum.tied_pairs` makes of them; ``symbol`` is that of the
values, as ``"λ"``; ``gauge_tol`` is the size, relative to the cotangents, up to which a dependence
on the basis passes for rounding.
"""

import functools
import itertools
import math
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from spectralgrad.theory.arrays import Array, diagonal
from spectralgrad.theory.symmetric import adjoint, skew_part

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

# How a loss turns a basis, and what leads out of its span; from `rotation_cotangents`.
Rotation = tuple[Array, Array]


class GaugeError(ValueError):
    """A cotangent asks for something that the choice of a sign, phase or basis decides.

    The pair are the two vectors between which it does, from 0; one twice where its phase does. The
    excess is by how much, and what is allowed would pass for rounding.
    """

    def __init__(self, message: str, pair: tuple[int, int], excess: float, allowed: float) -> None:
        super().__init__(message)
        self.pair, self.excess, self.allowed = pair, excess, allowed


def default_tol(dtype: DTypeLike) -> float:
    """The gauge_tol of a precision: √eps."""
    return float(np.sqrt(np.finfo(dtype).eps))


def tolerance(given: float | None, dtype: DTypeLike) -> float:
    """Return the gauge_tol that was given, or the default; finite, so that 0 times it is 0."""
    return default_tol(dtype) if given is None else min(float(given), 1e100)


def largest(array: ArrayLike, dimensions: int = 1) -> Array:
    """Largest modulus over the last dimensions, in double precision: products do not overflow."""
    sizes = np.abs(array)
    for _ in range(dimensions):
        sizes = sizes.max(axis=-1, initial=0.0)
    return sizes.astype(float)


def allowance(
    values: Array, values_bar: Array, bars: Sequence[Array], *, rtol: float, gauge_tol: float
) -> Array:
    """How much of a dependence on the basis passes for rounding, for each matrix of a stack.

    Beside what `gauge_tol` grants for the cotangents of bases, it is what a cluster makes of those
    of values: its width, `rtol` times the largest value, and 8 for rounding.
    """
    size = functools.reduce(np.maximum, [largest(bar, 2) for bar in bars])
    allowed: Array = gauge_tol * size + 8 * rtol * largest(values) * largest(values_bar)
    return allowed


def allowance_of_values(
    allowed: ArrayLike, values: ArrayLike, sizes: ArrayLike, gauge_tol: float
) -> Array:
    """The same for cotangents of values, of some sizes, (..., k), from that of `allowance`."""
    scale = largest(values)
    return gauge_tol * largest(sizes) + allowed / np.where(scale > 0, scale, np.inf)


def rotation_cotangents(basis: Array, cotangent: Array) -> Rotation:
    """Skew-Hermitian part of BᴴB̄, and (I − BBᴴ) B̄ (of no rows if B is square, as it is 0).

    To first order, dB = BΩ + N with a skew-Hermitian Ω and an N outside of the span of B. So a loss
    with the cotangent B̄ has dL = Re⟨B̄, dB⟩ = Re⟨skew(BᴴB̄), Ω⟩ + Re⟨(I − BBᴴ) B̄, N⟩.
    """
    inner = adjoint(basis) @ cotangent
    if basis.shape[-2] == basis.shape[-1]:
        return skew_part(inner), cotangent[..., :0, :]
    return skew_part(inner), cotangent - basis @ inner


def require_invariant(
    rotations: Sequence[Rotation],
    labels: Array,
    tied: tuple[Array, ...],
    allowed: Array,
    symbol: str,
) -> None:
    """Raise if cotangents depend on phases, bases of clusters, or the choice of null vectors.

    The bases of a cluster turn together, so that the sum counts. Null vectors turn on their own,
    and may be exchanged for those that the thin decomposition leaves out.
    """
    together = sum(turn[tied] for turn, _ in rotations)
    require_within(np.abs(together), allowed, symbol, TURNED, pairs=tied)
    zero = labels < 0
    if zero.any():
        null = zero[..., :, None] & zero[..., None, :]
        excess = np.zeros(null.shape)
        for turn, out in rotations:
            leaving = np.max(np.abs(out), axis=-2, initial=0.0) * zero
            excess = np.maximum(excess, np.maximum(np.abs(turn) * null, diagonal(leaving)))
        require_within(excess, allowed, symbol, TURNED)


def require_equal(
    values_bar: Array, labels: Array, tied: tuple[Array, ...], allowed: Array, symbol: str
) -> None:
    """Raise if cotangents of equal values differ, or if a zero has one."""
    *stack, i, j = tied
    spread = np.abs(values_bar[*stack, i] - values_bar[*stack, j])
    require_within(spread, allowed, symbol, SPREAD, pairs=tied)
    zero = labels < 0
    if zero.any():
        require_within(diagonal(np.abs(values_bar) * zero), allowed, symbol, AT_ZERO)


def require_within(
    excess: Array,
    allowed: ArrayLike,
    symbol: str,
    fault: str,
    *,
    pairs: tuple[Array, ...] | None = None,
) -> None:
    """Raise unless nothing that depends on the choice of basis is above what is allowed.

    The GaugeError is for the worst pair; also where an entry is not a number. The excess is
    nonnegative, ``(..., k, k)``, for each pair of vectors, or one number for each of the ``pairs``
    of which the indices are given. What is allowed is so for each matrix of the stack.
    """
    allowed = np.asarray(allowed)
    limits = allowed[..., None, None] if pairs is None else allowed[pairs[:-2]]
    # With an infinite tolerance, 0 · inf is not a number.
    bad = ~((excess <= limits) | (excess == 0))
    if not bad.any():
        return
    sizes = np.where(bad, np.where(np.isnan(excess), np.inf, excess), -1.0)
    worst = np.unravel_index(np.argmax(sizes), excess.shape)
    size, limit = float(excess[worst]), float(np.broadcast_to(limits, excess.shape)[worst])
    *stack, i, j = map(int, worst if pairs is None else (axis[worst] for axis in pairs))
    where = f"matrix {stack} of the stack: " if stack else ""
    pair = names(symbol, min(i, j), max(i, j))
    message = f"{where}{pair}: {fault}: by {size:.1e}, allowed {limit:.1e}"
    raise GaugeError(message, (i, j), size, limit)


def names(symbol: str, first: int, last: int, joint: str = " and ") -> str:
    """Name two values of a spectrum, counted from 0, as a reader counts: "λ₁ and λ₂"."""
    subscripts = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
    both = [symbol + str(i + 1).translate(subscripts) for i in (first, last)]
    return both[0] if first == last else joint.join(both)


def pair_rotations(labels: ArrayLike, *, is_complex: bool) -> Iterator[Array]:
    """Yield rotations, (..., k, k), that mix the vectors of each cluster in pairs, each pair once.

    Columns i and j of a rotation are (eᵢ ± eⱼ)/√2 and, for complex matrices, in a second round
    (eᵢ ± i·eⱼ)/√2. For a Hermitian block M of d vectors, the diagonals of QᴴMQ for the identity
    and for these rotations determine M (prop-rotations of the chapter on eigenvalues): d − 1 of
    them, d where d is odd and more than 1, twice as many for complex matrices. Vectors with
    negative labels are left as they are.
    """
    flat, identities = _identities(labels, is_complex)
    phases = (1.0, 1j) if is_complex else (1.0,)
    plans = [
        (row, [(phase, pairs) for phase in phases for pairs in _rounds(places)])
        for row, numbers in enumerate(flat)
        for places in _members(numbers)
    ]
    for step in range(max((len(plan) for _, plan in plans), default=0)):
        rotations = identities.copy()
        for row, (phase, pairs) in ((row, plan[step]) for row, plan in plans if step < len(plan)):
            for pair in pairs:
                mixed = np.array([[1, 1], [phase, -phase]]) / np.sqrt(2)
                rotations[row][np.ix_(pair, pair)] = mixed
        yield rotations.reshape(*np.shape(labels), flat.shape[-1])


def _identities(labels: ArrayLike, is_complex: bool) -> tuple[Array, Array]:
    """The labels of a stack as one list, and an identity matrix for each."""
    *stack, k = np.shape(labels)
    flat = np.reshape(labels, (math.prod(stack), k))
    rotations = np.zeros((*flat.shape, k), complex if is_complex else float)
    rotations[:] = np.eye(k)
    return flat, rotations


def _members(labels: Array) -> list[list[int]]:
    """Lists of the places of each cluster."""
    runs = itertools.groupby(range(len(labels)), labels.tolist().__getitem__)
    return [list(places) for label, places in runs if label >= 0]


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


def random_bases(labels: ArrayLike, *, is_complex: bool) -> Iterator[Array]:
    """Yield rotations, (..., k, k), of each cluster at random, with other signs.

    In one of them at least, the signs of two given vectors differ, and in one that of a given
    vector is negative: that takes ⌈log₂(k + 1)⌉ of them. Vectors with negative labels keep all but
    their signs.
    """
    rng = np.random.default_rng(0)
    flat, identities = _identities(labels, is_complex)
    members, k = [_members(row) for row in flat], flat.shape[-1]
    for bit in range(k.bit_length()):
        signs = 1 - 2 * (np.arange(1, k + 1) >> bit & 1)
        rotations = identities * signs
        for rotation, clusters in zip(rotations, members, strict=True):
            for places in clusters:
                if len(places) > 1 or is_complex:
                    drawn = unitary(len(places), rng, is_complex=is_complex)
                    rotation[np.ix_(places, places)] = drawn
        yield rotations.reshape(*np.shape(labels), k)


def unitary(size: int, rng: np.random.Generator, *, is_complex: bool) -> Array:
    """Draw an orthogonal or unitary matrix, (size, size), from the uniform distribution."""
    normal = rng.standard_normal((size, size))
    if is_complex:
        normal = normal + 1j * rng.standard_normal((size, size))
    q, r = np.linalg.qr(normal)
    # QR fixes the signs of r; without this, Q is not uniform, and for size 1 always the same.
    signs = np.diagonal(r)
    drawn: Array = q * (signs / np.abs(signs))
    return drawn
