"""What pullbacks say of a gradient, in one basis, and in a second one where that is not enough.

One says all that there is off the blocks of ties and zeros (eq-pullback, eq-svd-pullback).

Of the block M of a cluster it gives the diagonal, and in rotated vectors that of QᴴMQ: a few
rotations determine M (thm-second-basis). U and V are rotated together; null vectors, also those
that the thin decomposition leaves out, are chosen independently (thm-svd-second-basis). The answer
is then tried in bases at random.

Tolerances of `invariant_vjp`, here and in `spectralgrad.theory.eigen` and
`spectralgrad.theory.singular`:

``rtol``
    Values this close, relative to the largest, are replaced by their mean, and singular values by 0
    if this close to zero. By default the square root of eps: for a loss that is smooth on the scale
    of the largest value, what this neglects then balances the rounding errors of a division by the
    gap. A loss that varies faster needs a smaller one. Where
    `spectralgrad.theory.spectrum.default_rtol` is larger, it counts instead.
``gauge_tol``
    By how much the answers in two bases may differ, relative to the cotangents; by default the
    square root of eps. Where the cotangents are rounding errors and nothing else, as at a minimum
    of the loss, ``numpy.inf`` leaves out the trials.

Errors: `spectralgrad.theory.gauge.GaugeError` if the loss depends on the bases: on the rotation of
a cluster, on a choice of null vectors, on a phase, on the sign of a vector or the product of two
signs. A product of three may pass unnoticed. ValueError if no `rtol` is given, and the loss is seen
to vary too fast for the default.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from spectralgrad.theory import gauge, spectrum
from spectralgrad.theory.arrays import Array, diagonal, divide
from spectralgrad.theory.symmetric import adjoint, hermitian_product


class _View(NamedTuple):
    """What the pullback says at values and in bases B Q, and how much of it may be rounding."""

    Q: list[Array]
    values: Array
    values_bar: Array
    bars: list[Array]
    allowed: Array
    gauge_tol: float
    symbol: str

    def rotations(self, bases: Sequence[Array]) -> list[gauge.Rotation]:
        """How the loss turns the bases B: dL = Re⟨C, dB Q⟩ = Re⟨C Qᴴ, dB⟩."""
        return [
            gauge.rotation_cotangents(B, bar @ adjoint(q))
            for B, bar, q in zip(bases, self.bars, self.Q, strict=True)
        ]

    @property
    def blocks(self) -> Array:
        """The cotangents of the values as blocks in the bases B."""
        return (self.Q[0] * self.values_bar[..., None, :]) @ adjoint(self.Q[-1])


def one_basis(
    values: Array,
    bases: Sequence[Array],
    values_bar: Array,
    bars: Sequence[Array],
    *,
    rtol: float | None,
    gauge_tol: float | None,
) -> Array:
    """Pull cotangents back, where they do not depend on the bases; else, a GaugeError.

    The bases are [V] of a Hermitian matrix, or [U, V] of a thin singular value decomposition.
    """
    symbol, finest = _kind(bases)
    labels = spectrum.labels(values, finest if rtol is None else rtol, singular=symbol == "σ")
    # How the loss turns the bases, within their spans and out of them.
    rotations = [gauge.rotation_cotangents(B, bar) for B, bar in zip(bases, bars, strict=True)]
    gauge_tol, rtol = gauge.tolerance(gauge_tol, bases[0].dtype), max(rtol or 0.0, finest)
    allowed = gauge.allowance(values, values_bar, bars, rtol=rtol, gauge_tol=gauge_tol)
    gauge.require_invariant(rotations, labels, allowed, symbol)
    allowed = gauge.allowance_of_values(allowed, values, values_bar, gauge_tol)
    gauge.require_equal(values_bar, labels, allowed, symbol)
    # Within the spans (eq-k).
    (X, U_out), (Y, V_out), U, V = rotations[0], rotations[-1], bases[0], bases[-1]
    tied, i = spectrum.in_one_cluster(labels), np.arange(values.shape[-1])
    one, other, zero = values[..., :, None], values[..., None, :], labels < 0
    if symbol == "λ":
        K = divide(X, other - one, tied)
        K[..., i, i] += values_bar
        return hermitian_product(V @ K, V).astype(V.dtype, copy=False)
    null = zero[..., :, None] & zero[..., None, :]
    K = divide(X + Y, other - one, tied, null) + divide(X - Y, other + one, null)
    K[..., i, i] += values_bar
    # Out of them: of a square factor, nothing.
    inverse = divide(np.ones_like(values), values, zero)[..., None, :]
    left = U @ K
    if U_out.size:
        left += U_out * inverse
    gradient: Array = left @ adjoint(V)
    if V_out.size:
        gradient += U @ adjoint(V_out * inverse)
    return gradient.astype(U.dtype, copy=False)


def _kind(bases: Sequence[Array]) -> tuple[str, float]:
    """The symbol of the values, and the distance at which two of them are one at least."""
    shape, singular = (bases[0].shape[-2], bases[-1].shape[-2]), len(bases) == 2
    finest = spectrum.default_rtol(shape, bases[0].dtype, singular=singular)
    return "σ" if singular else "λ", finest


def invariant_vjp(
    values: Array,
    bases: Sequence[Array],
    pull: Callable[..., tuple[Array, list[Array]]],
    *,
    rtol: float | None,
    gauge_tol: float | None,
) -> Array:
    """Gradient of a loss that does not depend on the choice of bases, (..., m, n).

    ``pull(values, *bases)`` returns the cotangents of values and, as a list, of bases.
    """
    dtype, k, (symbol, finest) = bases[0].dtype, values.shape[-1], _kind(bases)
    width = max(gauge.default_tol(dtype), finest) if rtol is None else rtol
    gauge_tol = gauge.tolerance(gauge_tol, dtype)
    labels = spectrum.labels(values, width, singular=symbol == "σ")
    merged = spectrum.merge(values, labels)

    def look(bases: Sequence[Array], Q: list[Array], at: Array = merged) -> _View:
        values_bar, bars = pull(at.copy(), *(B @ q for B, q in zip(bases, Q, strict=True)))
        allowed = gauge.allowance(at, values_bar, bars, rtol=finest, gauge_tol=gauge_tol)
        return _View(Q, at, values_bar, bars, allowed, gauge_tol, symbol)

    # The bases that are given.
    first = look(bases, [np.eye(k, dtype=dtype) for _ in bases])
    turned = first.rotations(bases)
    gauge.require_invariant(turned, labels, first.allowed, symbol)
    split = rtol is None and np.any(merged != values)
    as_they_are = look(bases, first.Q, values) if split else None
    # Where there are zeros, all null vectors count.
    full = bases
    if np.any(labels < 0):
        full = [_complete(B) for B in bases]
        first = first._replace(Q=[np.eye(B.shape[-1], k, dtype=dtype) for B in full])
        turned = first.rotations(full)
    # Bases that determine the blocks, and bases in which the answer is tried.
    M = first.blocks
    for Q, determines in _rotations(labels, [B.shape[-1] for B in full], dtype):
        view = look(full, Q)
        M = M + _news(view.blocks) if determines else M
        _compare(view, M, full, turned)
    if as_they_are:
        _compare_unmerged(as_they_are, M, bases, labels)
    off = one_basis(merged, bases, np.zeros(k), first.bars, rtol=0.0, gauge_tol=np.inf)
    gradient: Array = full[0] @ M @ adjoint(full[-1]) + off
    return gradient.astype(dtype, copy=False)


def _complete(basis: Array) -> Array:
    """The basis, and vectors that complete it to one of the space."""
    rest = np.linalg.qr(basis, "complete")[0][..., basis.shape[-1] :]
    return np.concatenate([basis, rest], axis=-1)


def _rotations(
    labels: Array, sizes: Sequence[int], dtype: np.dtype
) -> Iterator[tuple[list[Array], bool]]:
    """Rotations of the bases, and whether they belong to those that determine the blocks.

    They are joint rotations, but of null vectors, which are chosen on either side: at first so that
    each left one meets each right one once, or with 1 and with i, as the longer basis is shifted.
    """
    is_complex, k = np.issubdtype(dtype, np.complexfloating), labels.shape[-1]
    longer, ranks = int(np.argmax(sizes)), np.count_nonzero(labels >= 0, axis=-1)[..., None, None]
    null = [(np.arange(x)[:, None] >= ranks) & (ranks < k) for x in sizes]

    def shifts() -> Iterator[Array]:
        more, unit = np.maximum(sizes[longer] - ranks, 1), np.eye(sizes[longer], k)
        away = (np.arange(sizes[longer])[:, None] - np.arange(k)) % more
        for phase in (1, 1j) if is_complex else (1,):
            for step in range(int(more.max(initial=0, where=ranks < k))):
                moved = np.where(step < more, phase * (away == step), away == 0)
                yield np.where(null[longer] & (np.arange(k) >= ranks), moved, unit)

    def rotate(joint: Array, chosen: Iterable[Array]) -> list[Array]:
        return [(x[..., :k] @ joint).astype(dtype, copy=False) for x in chosen]

    mixed = gauge.pair_rotations(labels, is_complex=is_complex)
    # The first shift is none.
    for shift, joint in itertools.zip_longest(itertools.islice(shifts(), 1, None), mixed):
        chosen = [np.eye(size) for size in sizes]
        chosen[longer] = chosen[longer] if shift is None else shift
        yield rotate(np.eye(k) if joint is None else joint, chosen), True
    rng, alike = np.random.default_rng(0), [x & x.swapaxes(-1, -2) for x in null]
    for joint in gauge.random_bases(labels, is_complex=is_complex):
        yield rotate(joint, [gauge.unitary(x, rng, is_complex=is_complex) for x in alike]), False


def _news(blocks: Array) -> Array:
    """What rotated bases say beyond the real diagonal, which the given ones have said."""
    i = np.arange(min(blocks.shape[-2:]))
    blocks[..., i, i] -= blocks[..., i, i].real
    return blocks


def _compare(view: _View, M: Array, bases: Sequence[Array], expected: list[gauge.Rotation]) -> None:
    """Raise unless other bases say the same as blocks, and turn as expected."""
    k = view.values.shape[-1]
    found = np.sum(view.Q[0].conj() * (M @ view.Q[-1]), axis=-2).real
    sizes = np.maximum(gauge.largest(M, 2)[..., None], np.abs(view.values_bar))
    allowed = gauge.allowance_of_values(view.allowed, view.values, sizes, view.gauge_tol)
    missed = diagonal(np.abs(found - view.values_bar))
    gauge.require_within(missed, allowed, view.symbol, gauge.VARIES)
    for (turn, out), (first, first_out) in zip(view.rotations(bases), expected, strict=True):
        missed = np.abs(turn - first)
        if out.size:
            missed += diagonal(np.abs(out - first_out).max(axis=-2) / 2)
        if missed.shape[-1] > k:
            # Null vectors that the thin decomposition leaves out have no number of their own.
            for axis in (-2, -1):
                missed = np.maximum.reduceat(missed, np.arange(k), axis=axis)
        gauge.require_within(missed, view.allowed, view.symbol, gauge.VARIES)


def _compare_unmerged(view: _View, M: Array, bases: Sequence[Array], labels: Array) -> None:
    """Raise if the gradient is seen to change when nearly equal values are taken as equal.

    To the square root of gauge_tol, and to the rounding errors of a turn over the gap.
    """
    values, gauge_tol = view.values, view.gauge_tol
    allowed = gauge.allowance_of_values(view.allowed, values, view.values_bar, gauge_tol)
    turned = np.sum([turn for turn, _ in view.rotations(bases)], axis=0)
    block = M[..., : values.shape[-1], : values.shape[-1]]
    gaps = values[..., None, :] - values[..., :, None]
    alike = spectrum.in_one_cluster(labels) & (gaps != 0)
    gaps = np.where(alike, gaps, 1)
    found = np.where(alike, turned / gaps, block)
    i = np.arange(values.shape[-1])
    found[..., i, i] += view.values_bar - found[..., i, i].real
    limit = alike * (view.allowed[..., None, None] / np.abs(gaps))
    limit += allowed[..., None, None] / np.sqrt(gauge_tol)
    change = np.abs(found - block)
    bad = ~((change <= limit) | (change == 0))
    if bad.any():
        place = tuple(np.argwhere(bad)[0])
        first, last = sorted(int(x) for x in place[-2:])
        raise ValueError(
            f"{gauge.names(view.symbol, first, last)}: the gradient changes by "
            f"{float(change[place]):.1e} if nearly equal values are taken as equal; the loss "
            "varies too fast for that: give a smaller rtol"
        )
