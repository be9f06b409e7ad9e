"""The bases of a matrix that `spectralgrad.recipes.second_basis` needs, and what they say.

Everything is of one matrix, in fixed shapes: nothing branches on a number that may be unknown.
"""

import math
from collections.abc import Callable, Sequence
from functools import partial, reduce

import numpy as np

from spectralgrad.recipes.rules import Factors, Namespace, Option, Tensor
from spectralgrad.theory import gauge

Function = Callable[..., Tensor]


def draw(m: int, n: int, *, is_complex: bool) -> np.ndarray:
    """The first columns of an orthogonal or unitary matrix drawn at random, always the same."""
    x = np.random.default_rng(0).standard_normal((2, m, n))
    return np.linalg.qr(x[0] + 1j * x[1] if is_complex else x[0])[0]


def clusters(xp: Namespace, values: Tensor, rtol: float, *, singular: bool) -> Factors:
    """Numbers of the clusters, and which values count as zero, as ones and zeros."""
    n = values.shape[-1]
    limit = rtol * xp.largest(values)
    apart = xp.cast(xp.abs(values[..., 1:] - values[..., :-1]) > limit, values)
    before = xp.asarray(np.tri(n, n - 1, -1), values)
    labels = xp.sum(before * apart[..., None, :], axis=-1)
    zero = xp.cast((labels == labels[..., -1:]) & (values[..., -1:] <= limit), values)
    return labels, zero if singular else 0 * zero


def _same(xp: Namespace, labels: Tensor) -> Tensor:
    """Which pairs have the same number, as ones and zeros."""
    one, other = xp.pairs(labels)
    return xp.cast(one == other, labels)


def rounds_needed(
    xp: Namespace, values: Tensor, bases: Sequence[Tensor], rtol: float, *, singular: bool
) -> Tensor:
    """How many bases let each vector meet each other one of its cluster; null vectors, all."""
    labels, zero = clusters(xp, values, rtol, singular=singular)
    largest = xp.max(xp.sum(_same(xp, labels), axis=-1) * (1 - zero), -1)
    zeros = xp.sum(zero, axis=-1)
    more = bases[0].shape[-2] - values.shape[-1]
    mixed = largest * xp.cast(largest > 1, largest)
    return xp.maximum(mixed, (zeros + more) * xp.cast(zeros > 0, zeros))


class Basis:
    """A ``loss(values, *bases)`` at one matrix, tall or square.

    The bases are [V], or [U, V]. ``finest`` is the least rtol that a stable decomposition allows,
    ``near`` says where two answers are compared, and ``rounds`` how many bases that takes, if that
    is known.
    """

    def __init__(
        self,
        xp: Namespace,
        loss: Function,
        factors: Factors,
        tolerances: tuple[float, float, float],
        rounds: int | None,
        *,
        singular: bool,
    ) -> None:
        self.xp, self.loss, self.rounds, self.singular = xp, loss, rounds, singular
        self.values, *self.bases = factors
        self.finest, rtol, self.near = tolerances
        n = self.values.shape[-1]
        self.eye = xp.asarray(np.eye(n), self.values)
        self.below = xp.asarray(np.tri(n, k=-1), self.values)
        # The largest modulus, and the same, or 1 for 0.
        self.size = self.largest(self.values)
        self.unit = xp.where(self.size > 0, self.size, 1 + self.size)
        # Values that count as equal, and those of which two answers are compared.
        self.labels, self.zero = clusters(xp, self.values, rtol, singular=singular)
        self.close, self.near_zero = clusters(xp, self.values, self.near, singular=singular)
        self.tied = _same(xp, self.labels)
        # Each value as the mean of its cluster, or 0.
        sums = xp.sum(self.tied * self.values, axis=-1)
        self.means = (1 - self.zero) * sums / xp.sum(self.tied, axis=-1)
        self.kernel = self.complement()
        # A random rotation of all vectors.
        self.draw = xp.draw(int(n), int(n), is_complex=xp.is_complex(self.bases[0]))

    def complement(self) -> Factors:
        """W and K with a unitary I − WKWᴴ, of which the first columns span those of the left basis.

        They are UZ for Z = −QPᴴ where U = PSQᴴ in its first rows: with W = UZ − E, where E are the
        first columns of I, and K = (I + PSPᴴ)⁻¹, is I − WKWᴴ unitary, and (I − WKWᴴ) E = UZ.
        """
        xp, u = self.xp, self.bases[0]
        m, k = u.shape
        if m == k:
            return ()
        p, s, qh = xp.svd(u[:k])
        w = -u @ xp.adjoint(p @ qh) - self.array(np.eye(m, k))
        return w, (p / xp.cast(1 + s, p)) @ xp.adjoint(p)

    def array(self, x: np.ndarray) -> Tensor:
        """A matrix in the dtype of the vectors."""
        return self.xp.asarray(x, self.bases[0])

    def largest(self, x: Tensor) -> Tensor:
        """The largest modulus."""
        return self.xp.max(self.xp.abs(x), tuple(range(-len(x.shape), 0)))

    def turned(self, rotation: Tensor) -> Factors:
        """The bases, rotated together."""
        return tuple(basis @ rotation for basis in self.bases)

    def looks(self, points: list[Factors], more: list[Factors]) -> list[Factors]:
        """Value and cotangents at values and bases; of the latter, the value suffices."""
        xp = self.xp
        if self.rounds is not None or xp.each is None:
            found = [xp.cotangents(self.loss, *point) for point in points]
            return found + [(self.loss(*point),) for point in more]
        like = self.values, self.values, *self.bases
        stacks = map(xp.stack, zip(*points, *more, strict=True))
        found = xp.each(partial(xp.cotangents, self.loss), like, *stacks)
        return [tuple(x[i] for x in found) for i in range(len(points + more))]

    def extend(self, x: Tensor) -> Tensor:
        """The left basis, completed to one of the space, times a matrix of that many rows."""
        m, k = self.bases[0].shape
        found = self.bases[0] @ x[:k]
        if m == k:
            return found
        w, kernel = self.kernel
        low = self.array((np.arange(m) >= k)[:, None]) * x
        return found + low - w @ (kernel @ (self.xp.adjoint(w) @ low))

    def gradient(self, gauge_tol: Option) -> Factors:
        """The gradient; by how much the loss varies, and equal values do, and what may pass."""
        xp, n = self.xp, self.values.shape[-1]
        if gauge_tol == math.inf:
            _, *cotangents = xp.cotangents(self.loss, self.values, *self.bases)
            return self.blocks(*cotangents)[1], *(0 * self.size,) * 4
        draw, mixed = self.array(self.draw), self.mixed()
        apart = self.means + self.unit * (1 + xp.positions(self.means)) / n
        points = [(self.values, *self.bases), (self.means, *self.bases)]
        points += [(apart, *self.turned(draw)), *((self.means, *bases) for bases in mixed)]
        others = [self.turned(draw), *self.signed(mixed[0])]
        seen = self.looks(points, [(self.means, *bases) for bases in others])
        blocks, gradient = self.blocks(*seen[0][1:])
        tol = gauge.tolerance(gauge_tol, xp.dtype(self.values))
        change = self.change(seen[1:2] + seen[len(points) :] + seen[4 : len(points)], seen[3], tol)
        return gradient, *change, *self.kink(blocks, mixed, seen, tol)

    def blocks(self, dvalues: Tensor, *dbases: Tensor) -> Factors:
        """What a change of the bases of clusters turns, and all of the gradient."""
        xp, tied, zero, near_zero = self.xp, self.tied, self.zero, self.near_zero
        b, v = self.bases[0], self.bases[-1]
        turns = [xp.skew_part(xp.adjoint(x) @ dx) for x, dx in zip(self.bases, dbases, strict=True)]
        noise = self.finest * reduce(xp.maximum, map(self.largest, dbases))
        equal, null = self.as_if_equal()
        one, other = xp.pairs(self.values)
        gap = other - one
        near = xp.abs(gap) <= self.near * self.size
        quotient, found = self.divide(sum(turns), gap, noise)
        agree = near & (xp.abs(quotient - equal) <= found)
        inner = xp.where((tied > 0) | agree, equal, quotient)
        inner = self.off_diagonal(inner) + self.diagonal(dvalues)
        if not self.singular:
            block = b @ (xp.cast(tied, b) * inner) @ xp.adjoint(v)
            return block, xp.hermitian_part(b @ inner @ xp.adjoint(v))
        # Within the spans, null vectors against null vectors, and out of the span.
        k = v.shape[-1]
        square = null[:k]
        # Of a value that is not 0, the cotangent is known.
        known = dvalues - xp.sum(self.eye * xp.real(square), axis=-1)
        square = square + self.diagonal((1 - zero) * known)
        rest, unsure = self.divide(turns[0] - turns[1], one + other, noise)
        inner = inner + rest
        both = zero[:, None] * zero
        agree = xp.abs(inner - square) <= found + unsure
        agree = agree | (self.off_diagonal(tied) > 0)
        nulls = (both > 0) | ((near_zero[:, None] * near_zero > 0) & agree)
        inner = xp.where(nulls, square, inner)
        left = b @ inner
        block = b @ (xp.cast((1 - both) * tied, b) * inner)
        block = block + self.extend(null * xp.cast(zero, null))
        if b.shape[0] > k:
            out, unsure = self.divide(dbases[0] - b @ (xp.adjoint(b) @ dbases[0]), one[:, 0], noise)
            low = null * self.array((np.arange(b.shape[0]) >= k)[:, None])
            low = self.extend(low)
            agree = xp.max(xp.abs(out - low) - unsure, -2) <= 0
            left = left + xp.where((zero > 0) | ((near_zero > 0) & agree), low, out)
        return block @ xp.adjoint(v), left @ xp.adjoint(v)

    def divide(self, turns: Tensor, gap: Tensor, noise: Tensor) -> Factors:
        """A quotient, where a gap is not 0, and its error."""
        xp = self.xp
        gap = xp.where(gap == 0, xp.ones_like(gap), gap)
        quotient = turns / xp.cast(gap, turns)
        return quotient, (noise + self.finest * self.size * xp.abs(quotient)) / xp.abs(gap)

    def diagonal(self, x: Tensor) -> Tensor:
        """Real numbers as a diagonal matrix, in the dtype of the vectors."""
        return self.xp.cast(self.eye * x, self.bases[0])

    def off_diagonal(self, x: Tensor) -> Tensor:
        """A matrix without its diagonal."""
        return self.xp.cast(1 - self.eye, x) * x

    def as_if_equal(self) -> Factors:
        """The gradient between close vectors, as if their values were equal, from mixed vectors.

        As a Hermitian table of pairs with values above 0, and as a table of the left null vectors,
        all of them, and the right ones.
        """
        xp = self.xp
        zeros = xp.cast(0 * self.eye, self.bases[0]), 0 * self.bases[0]
        if self.rounds is not None:
            return reduce(self.add, map(self.round, range(self.rounds)), zeros)
        count = rounds_needed(xp, self.values, self.bases, self.near, singular=self.singular)
        most = self.bases[0].shape[0]
        found: Factors = xp.total(self.round, count, most, *zeros)
        return found

    def add(self, total: Factors, more: Factors) -> Factors:
        """Sums of two tuples."""
        return tuple(x + y for x, y in zip(total, more, strict=True))

    def round(self, r: Tensor) -> Factors:
        """What one round adds: that in which those meet whose sum is r, modulo their number."""
        xp, basis, zero = self.xp, self.bases[0], self.near_zero
        at, r = xp.positions(self.values), r * xp.ones_like(self.size)
        same = _same(xp, self.close)
        local, members = xp.sum(same * self.below, axis=-1), xp.sum(same, axis=-1)
        partner = at - 2 * local + r + members * xp.cast(r < local, at)
        partner = xp.where((r < members) & (zero == 0), partner, at)
        near = xp.abs(xp.take(self.values, partner) - self.values) <= self.near * self.size
        near = (near | (xp.take(self.labels, partner) == self.labels)) & (partner != at)
        upper = xp.cast(near & (at < partner), at)
        values = xp.where(near, (self.values + xp.take(self.values, partner)) / 2, self.values)
        values = (1 - zero) * values
        meets = xp.cast(partner[:, None] == at, at) * upper[:, None]
        total, null = xp.cast(0 * self.eye, basis), 0 * basis
        upper, places = xp.cast(upper, basis), self.places(r)
        for phase in (1, 1j) if xp.is_complex(basis) else (1,):
            own, other = upper * (1 + phase) - phase, upper * (phase - 1) + 1
            bases = [
                xp.where(near, (own * b + other * xp.take(b, partner)) / math.sqrt(2), b)
                for b in self.bases
            ]
            if self.singular:
                bases[0] = xp.where(zero > 0, phase * self.extend(places), bases[0])
            _, found = xp.cotangents(lambda x, bases=bases: self.loss(x, *bases), values)
            half = xp.cast(meets * ((found - xp.take(found, partner)) / 2)[:, None], basis)
            # A complex number of NumPy would widen the dtype.
            total = total + phase.conjugate() * half + phase * xp.adjoint(half)
            null = null + phase * places * xp.cast(found, basis)
        return total, null

    def places(self, r: Tensor) -> Tensor:
        """Which left null vector each right one meets in a round, as columns of ones and zeros."""
        xp, zero = self.xp, self.near_zero
        m, k = self.bases[0].shape
        count = m - k + xp.sum(zero)
        at = xp.positions(self.values)
        partner = at + r
        partner = partner - count * xp.cast(partner >= m, at)
        rows = xp.asarray(np.arange(m)[:, None], self.values)
        found = xp.cast(rows == partner, self.values) * zero * xp.cast(r < count, at)
        return xp.cast(found, self.bases[0])

    def mixed(self) -> list[Factors]:
        """Bases of which each cluster is rotated at random; of zeros, on either side, and twice."""
        xp, zero, tied = self.xp, self.zero, self.xp.cast(self.tied, self.bases[0])
        bases = self.turned(xp.qr(tied * self.array(self.draw)))
        if not self.singular:
            return [bases]
        shape = tuple(map(int, self.bases[0].shape))
        drawn = xp.draw(*shape, is_complex=xp.is_complex(self.bases[0]))
        left, right = bases
        drawn = xp.qr(xp.where(zero > 0, self.array(drawn), left))
        left = xp.where(zero > 0, drawn, left)
        last = self.array(np.arange(shape[-1]) == shape[-1] - 1) * xp.cast(zero, left)
        return [(left, right), (left * (1 - 2 * last), right)]

    def signed(self, bases: Factors) -> list[Factors]:
        """Two given signs differ in one of these bases, and a given sign is negative in one."""
        n = self.values.shape[-1]
        signs = [1 - 2 * (np.arange(1, n + 1) >> bit & 1) for bit in range(n.bit_length())]
        if self.xp.is_complex(self.bases[0]):
            signs = [self.draw[0] / np.abs(self.draw[0])]
        return [tuple(x * self.array(sign) for x in bases) for sign in signs]

    def change(self, seen: list[Factors], mixed: Factors, tol: float) -> Factors:
        """By how much the loss changes in other bases of the clusters, and what may pass.

        Nobody knows how large the loss might be; so it is compared with what a turn of all vectors
        together changes. Where all values are equal, that is nothing: what rounding errors in
        values and vectors change passes too.
        """
        xp = self.xp
        (here, turned, *others), (_, dmeans, *dbases) = (x[0] for x in seen), mixed
        worst = reduce(xp.maximum, [xp.abs(other - here) for other in others])
        noise = self.largest(self.means) * xp.sum(xp.abs(dmeans))
        for x, dx in zip(self.bases, dbases, strict=True):
            noise = noise + xp.sum(xp.abs(xp.adjoint(x) @ dx))
        limit = tol * self.finite(xp.abs(turned - here)) + 64 * self.finest * xp.abs(here)
        limit = limit + self.finite(self.finest * noise)
        finite = xp.abs(here) < math.inf
        return tuple(xp.where(finite, x, xp.zeros_like(x)) for x in (worst, limit))

    def kink(
        self, blocks: Tensor, mixed: list[Factors], seen: list[Factors], tol: float
    ) -> Factors:
        """By how much cotangents of the values miss those of one matrix, and what may pass."""
        xp, worst = self.xp, 0 * self.size
        for bases, (_, found, *_) in zip(mixed, seen[3:], strict=False):
            expected = xp.sum(xp.real(xp.conj(bases[0]) * (blocks @ bases[-1])), axis=-2)
            worst = xp.maximum(worst, self.largest(expected - found))
        # What the width of the clusters changes, which a caller may have made large.
        width = self.largest(seen[0][1] - seen[1][1])
        # How large a cotangent is where the loss is not at its minimum.
        usual = self.finite(self.largest(seen[2][1]))
        inner = xp.adjoint(self.bases[0]) @ blocks @ self.bases[-1]
        largest = xp.maximum(self.largest(inner), self.largest(seen[3][1]))
        limit = (tol + 8 * self.finest) * largest + 8 * width + 64 * self.finest * usual
        limit = limit + tol * reduce(xp.maximum, map(self.largest, seen[3][2:])) / self.unit
        bad = worst > limit
        return tuple(xp.where(bad, x, xp.zeros_like(x)) for x in (worst, limit))

    def finite(self, x: Tensor) -> Tensor:
        """A number, or 0 if it is not finite."""
        return self.xp.where(x < math.inf, x, self.xp.zeros_like(x))
