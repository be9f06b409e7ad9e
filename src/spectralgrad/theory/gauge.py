"""What a decomposition leaves open: sign and phase of a vector, the basis of a tied cluster.

A loss on eigenvectors or singular vectors is a function of the matrix only if it does not depend
on that choice. `GaugeError` says that one does; the bases made here let a program try.

Parameters that mean the same everywhere: ``labels``, ``(..., k)``, are the numbers of the clusters,
from `spectralgrad.theory.spectrum.labels`, negative for the vectors of zeros; ``symbol`` is that
of the values, as ``"λ"``; ``gauge_tol`` is the size, relative to the cotangents, up to which a
dependence on the basis passes for rounding.
"""

import functools
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from spectralgrad.theory import spectrum
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
    excess is by how much, and what is allowed would pass for rounding. In a stack, the message says
    of which matrix.
    """

    def __init__(
        self, message: str, pair: tuple[int, int], excess: float, allowed: float, *stack: int
    ) -> None:
        super().__init__(f"matrix {[*stack]} of the stack: {message}" if stack else message)
        self.pair, self.excess, self.allowed = pair, excess, allowed


def default_tol(dtype: DTypeLike) -> float:
    """The gauge_tol of a precision: √eps."""
    return float(np.sqrt(np.finfo(dtype).eps))


def tolerance(given: float | None, dtype: DTypeLike) -> float:
    """Return the gauge_tol that was given, or the default; finite, so that 0 times it is 0."""
    return default_tol(dtype) if given is None else min(float(given), 1e100)


def largest(array: ArrayLike, dimensions: int = 1) -> Array:
    """Largest modulus over the last dimensions, in double precision: products do not overflow."""
    sizes: Array = np.abs(array).max(axis=tuple(range(-dimensions, 0)), initial=0.0)
    return sizes.astype(float)


def allowance(
    values: Array, values_bar: Array, bars: Sequence[Array], *, rtol: float, gauge_tol: float
) -> Array:
    """How much of a dependence on the basis passes for rounding, for each matrix of a stack.

    Beside what `gauge_tol` grants for the cotangents of bases, it is what a cluster makes of those
    of values: its width, `rtol` times the largest value, and 8 for rounding.
    """
    size = functools.reduce(np.maximum, [largest(bar, 2) for bar in bars])
    return gauge_tol * size + 8 * rtol * largest(values) * largest(values_bar)


def allowance_of_values(
    allowed: ArrayLike, values: ArrayLike, sizes: ArrayLike, gauge_tol: float
) -> Array:
    """The same for cotangents of values, of some sizes, (..., k), from that of `allowance`."""
    scale = largest(values)
    return gauge_tol * largest(sizes) + allowed / np.where(scale > 0, scale, np.inf)


def rotation_cotangents(basis: Array, cotangent: Array) -> Rotation:
    """Skew-Hermitian part of BᴴB̄, and (I − BBᴴ) B̄ (of no rows if B is square, as it is 0).

    So a loss turns with dB = BΩ + N, Ω skew-Hermitian and N outside of the span of B.
    """
    inner = adjoint(basis) @ cotangent
    if basis.shape[-2] == basis.shape[-1]:
        return skew_part(inner), cotangent[..., :0, :]
    return skew_part(inner), cotangent - basis @ inner


def require_invariant(
    rotations: Sequence[Rotation], labels: Array, allowed: Array, symbol: str
) -> None:
    """Raise if cotangents depend on phases, bases of clusters, or the choice of null vectors.

    The bases of a cluster turn together, so that the sum counts. Null vectors turn on their own,
    and may be exchanged for those that the thin decomposition leaves out.
    """
    alike, zero = spectrum.in_one_cluster(labels), labels < 0
    excess = np.where(alike, np.abs(sum(turn for turn, _ in rotations)), 0.0)
    if zero.any():
        null = zero[..., :, None] & zero[..., None, :]
        for turn, out in rotations:
            leaving = np.max(np.abs(out), axis=-2, initial=0.0) * zero
            excess = np.maximum(excess, np.maximum(np.abs(turn) * null, diagonal(leaving)))
    require_within(excess, allowed, symbol, TURNED)


def require_equal(values_bar: Array, labels: Array, allowed: Array, symbol: str) -> None:
    """Raise if cotangents of equal values differ, or if a zero has one."""
    alike, zero = spectrum.in_one_cluster(labels), labels < 0
    spread = np.abs(values_bar[..., :, None] - values_bar[..., None, :])
    require_within(np.where(alike, spread, 0.0), allowed, symbol, SPREAD)
    if zero.any():
        require_within(diagonal(np.abs(values_bar) * zero), allowed, symbol, AT_ZERO)


def require_within(excess: Array, allowed: ArrayLike, symbol: str, fault: str) -> None:
    """Raise unless nothing that depends on the choice of basis is above what is allowed.

    The GaugeError is for the worst pair; also where an entry is not a number. The excess is
    nonnegative, ``(..., k, k)``, for each pair of vectors. What is allowed is so for each matrix of
    the stack.
    """
    limits = np.asarray(allowed)[..., None, None]
    # With an infinite tolerance, 0 · inf is not a number.
    bad = ~((excess <= limits) | (excess == 0))
    if not bad.any():
        return
    sizes = np.where(bad, np.where(np.isnan(excess), np.inf, excess), -1.0)
    worst = np.unravel_index(np.argmax(sizes), excess.shape)
    size, limit = float(excess[worst]), float(np.broadcast_to(limits, excess.shape)[worst])
    *stack, i, j = map(int, worst)
    pair = names(symbol, min(i, j), max(i, j))
    message = f"{pair}: {fault}: by {size:.1e}, allowed {limit:.1e}"
    raise GaugeError(message, (i, j), size, limit, *stack)


def names(symbol: str, first: int, last: int, joint: str = " and ") -> str:
    """Name two values of a spectrum, counted from 0, as a reader counts: "λ₁ and λ₂"."""
    subscripts = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
    both = [symbol + str(i + 1).translate(subscripts) for i in (first, last)]
    return both[0] if first == last else joint.join(both)


def pair_rotations(labels: ArrayLike, *, is_complex: bool) -> Iterator[Array]:
    """Yield rotations, (..., k, k), that mix the vectors of each cluster in pairs, each pair once.

    Columns i and j of a rotation are (eᵢ ± eⱼ)/√2 and, for complex matrices, in a second round
    (eᵢ ± i·eⱼ)/√2 (prop-rotations): of a cluster of d vectors d − 1, or d where d is odd and more
    than 1, twice as many for complex matrices. Vectors with negative labels are left as they are.
    """
    alike = spectrum.in_one_cluster(labels)
    number, rounds = np.tril(alike, -1).sum(axis=-1), alike.sum(axis=-1)[..., None]
    rounds = rounds - 1 + rounds % 2
    # A round robin: in round r, numbers in a cluster meet that add up to r, modulo the rounds; in a
    # cluster of an even size, who would meet himself meets the last.
    one, other = number[..., :, None], number[..., None, :]
    last = np.maximum(one, other) == rounds
    meet = np.where(last, 2 * np.minimum(one, other), one + other) % rounds
    meet = np.where(alike & (one != other), meet, -1)
    for phase in (1 + 0j, 1j) if is_complex else (1.0,):
        for step in range(int(meet.max(initial=-1)) + 1):
            upper, lower = np.triu(meet == step), np.tril(meet == step)
            first, second = lower.any(axis=-2), upper.any(axis=-2)
            own = np.where(first | second, (first - phase * second) / np.sqrt(2), 1)
            yield (upper + phase * lower) / np.sqrt(2) + diagonal(own)


def random_bases(labels: ArrayLike, *, is_complex: bool) -> Iterator[Array]:
    """Yield rotations, (..., k, k), of each cluster at random, with other signs, or phases.

    In one of them at least, the signs of two given vectors differ, and in one that of a given
    vector is negative: that takes ⌈log₂(k + 1)⌉ of them. Vectors with negative labels keep all but
    their signs and phases.
    """
    rng = np.random.default_rng(0)
    alike = spectrum.in_one_cluster(labels)
    # A vector alone has the sign or phase that is meant for it.
    alike &= alike.sum(axis=-1, keepdims=True) > 1
    k = alike.shape[-1]
    for bit in range(k.bit_length()):
        turns = 1 - 2 * (np.arange(1, k + 1) >> bit & 1)
        if is_complex:
            turns = turns * np.exp(2j * np.pi * rng.random(k))
        yield unitary(alike, rng, is_complex=is_complex) * turns


def unitary(alike: Array, rng: np.random.Generator, *, is_complex: bool) -> Array:
    """Draw a unitary matrix, (..., k, k), uniformly among those that mix only what is alike.

    That is a table of pairs, as `spectralgrad.theory.spectrum.in_one_cluster` makes it; what is
    not like itself stays as it is.
    """
    eye = np.eye(alike.shape[-1])
    if not alike.any():
        return np.broadcast_to(eye, alike.shape)
    normal = rng.standard_normal(alike.shape)
    if is_complex:
        normal = normal + 1j * rng.standard_normal(alike.shape)
    q, r = np.linalg.qr(np.where(alike, normal, eye))
    # QR fixes the signs of r; without this, Q is not uniform, and for size 1 always the same.
    signs = np.diagonal(r, axis1=-2, axis2=-1)[..., None, :]
    return q * (signs / np.abs(signs))
