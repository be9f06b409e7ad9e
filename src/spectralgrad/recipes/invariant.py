"""Any loss of eigenvectors or singular vectors that does not depend on their basis, also at ties.

Where a pullback would be divided by a gap of 0, its derivative is taken, along values that move
apart while the vectors stay (eq-recipes-moved). So this is for a loss that has second derivatives,
as a function of its factors. `spectralgrad.theory.second_basis` needs first ones only, and decides
cluster by cluster. This has to run under ``jit``, where nobody knows what is tied, and decides pair
by pair.

Values that a stable decomposition cannot tell apart (`spectralgrad.theory.spectrum.default_rtol`,
or what the caller says) are one cluster, and those that it cannot tell from 0 are zeros. Between
two that it can, but that are within √eps, relative to the largest λ, there are two answers: the
quotient by their gap, with an error of about rtol (‖V̄‖ + |λ| |quotient|)/gap for a cotangent V̄ of
the vectors, and the answer as if they were equal, with one of the order of the gap for a loss that
is smooth, and without bound for one that is not. The second is taken where the two differ by no
more than the first allows. So that is the order of the largest error between any two vectors, and
for a smooth loss it is far smaller. The same holds for singular values near 0.

The loss is tried in a second basis, whose clusters are turned at random, with other signs or
phases, and other null vectors. Where it changes, or its cotangents of the values are not those of
one matrix in both bases, it has no gradient. A product of the signs of three vectors may pass.
``gauge_tol`` says by how much the loss may differ between two bases, relative to what it changes if
all vectors are turned together; by default √eps. ``inf`` leaves out the trials, for a minimum whose
loss is rounding errors.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial, reduce

import numpy as np

from spectralgrad.recipes import hermitian, rules, singular
from spectralgrad.recipes.rules import Factors, Namespace, Option, Tensor
from spectralgrad.theory import gauge, spectrum

Function = Callable[..., Tensor]
Tolerances = tuple[float, float, float]


def clusters(xp: Namespace, values: Tensor, rtol: float, *, singular: bool) -> Factors:
    """Which pairs are in one cluster, and which values count as zero, as ones and zeros."""
    n = values.shape[-1]
    limit = rtol * xp.largest(values)
    apart = xp.cast(xp.abs(values[..., 1:] - values[..., :-1]) > limit, values)
    before = xp.asarray(np.tri(n, n - 1, -1), values)
    labels = xp.sum(before * apart[..., None, :], axis=-1)
    zero = xp.cast((labels == labels[..., -1:]) & (values[..., -1:] <= limit), values)
    one, other = xp.pairs(labels)
    return xp.cast(one == other, values), zero if singular else 0 * zero


class Basis:
    """A loss at one matrix, tall or square; the bases are [V], or [U, V].

    ``tolerances`` are the least rtol that a stable decomposition allows, that of the caller, and
    the one up to which two answers are compared. Whether there are close values is said by
    ``close``, if it is known.
    """

    def __init__(
        self, xp: Namespace, of: "Invariant", factors: Factors, tolerances: Tolerances, close: bool
    ) -> None:
        self.xp, self.loss, self.singular, self.gauge_tol = xp, of.loss, of.singular, of.gauge_tol
        self.values, *self.bases = factors
        self.finest, rtol, self.near = tolerances
        n = self.values.shape[-1]
        self.eye = xp.asarray(np.eye(n), self.values)
        # The largest modulus, and the same, or 1 for 0.
        self.size = xp.largest(self.values)[..., 0]
        self.unit = xp.where(self.size > 0, self.size, 1 + self.size)
        # Values that count as equal, and each as the mean of its cluster, or 0.
        self.tied, self.zero = clusters(xp, self.values, rtol, singular=of.singular)
        sums = xp.sum(self.tied * self.values, axis=-1)
        self.means = (1 - self.zero) * sums / xp.sum(self.tied, axis=-1)
        # Those of which two answers are compared, and how they are moved apart.
        same, self.near_zero = clusters(xp, self.values, self.near, singular=of.singular)
        place, members = (xp.sum(same * x, axis=-1) for x in (xp.asarray(np.tri(n), self.eye), 1))
        # About a mean, so that two near values stay about theirs; but no null value stays 0.
        self.steps = place - (1 - self.near_zero) * (members + 1) / 2 if close else None
        # A random rotation of all vectors.
        self.draw = xp.draw(int(n), int(n), is_complex=xp.is_complex(self.bases[0]))

    def array(self, x: np.ndarray) -> Tensor:
        """A matrix in the dtype of the vectors."""
        return self.xp.asarray(x, self.bases[0])

    def largest(self, x: Tensor) -> Tensor:
        """The largest modulus."""
        return self.xp.max(self.xp.abs(x), tuple(range(-len(x.shape), 0)))

    def turned(self, rotation: Tensor) -> Factors:
        """The bases, rotated together."""
        return tuple(basis @ rotation for basis in self.bases)

    def gradient(self) -> Factors:
        """The gradient; by how much the loss varies, and equal values do, and what may pass."""
        xp, n = self.xp, self.values.shape[-1]
        here = xp.cotangents(self.loss, self.values, *self.bases)
        blocks, gradient = self.blocks(*here[1:])
        if self.gauge_tol == math.inf:
            return gradient, *(0 * self.size,) * 4
        draw, mixed = self.array(self.draw), self.mixed()
        apart = self.means + self.unit * (1 + xp.positions(self.means)) / n
        points = [(self.means, *self.bases), (apart, *self.turned(draw))]
        points += [(self.means, *bases) for bases in mixed]
        seen = [here, *xp.each(partial(xp.cotangents, self.loss), points)]
        others = [(self.means, *x) for x in (self.turned(draw), *self.signed(mixed[0]))]
        values = xp.each(lambda *factors: (self.loss(*factors),), others)
        tol = gauge.tolerance(self.gauge_tol, xp.dtype(self.values))
        change = self.change([seen[1], *values, *seen[4:]], seen[3], tol)
        return gradient, *change, *self.kink(blocks, mixed, seen, tol)

    def blocks(self, dvalues: Tensor, *dbases: Tensor) -> Factors:
        """What a change of the bases of clusters turns, and all of the gradient."""
        xp, v = self.xp, self.bases[-1]
        one, other = xp.pairs(self.values)
        noise = self.finest * reduce(xp.maximum, map(self.largest, dbases))
        inner, same = self.quotients(dbases, self.values)
        out = self.outside(dbases[0], self.values)
        if self.steps is not None:
            slope = lambda *bases: xp.sum(  # noqa: E731
                self.steps * xp.cotangents(lambda x: self.loss(x, *bases), self.means)[1]
            )
            _, *moved = xp.cotangents(slope, *self.bases)
            equal, null = self.quotients(moved, self.steps)
            found = self.doubt(inner, other - one, noise)
            near = (xp.abs(other - one) <= self.near * self.size) & (xp.abs(inner - equal) <= found)
            inner = xp.where((self.tied > 0) | near, equal, inner)
            found = found + self.doubt(same, one + other, noise)
            near = (self.tied > self.eye) | (xp.abs(inner + same - equal - null) <= found)
            low, zero = self.outside(moved[0], self.steps), self.zero > 0
            unsure = self.doubt(out, self.values, noise)
            clear = xp.max(xp.abs(out - low) - unsure, -2) <= 0
            out = xp.where(zero | ((self.near_zero > 0) & clear), low, out)
            zero, near_zero = (x[:, None] * x > 0 for x in (self.zero, self.near_zero))
            inner = xp.where(zero | (near_zero & near), equal + null, inner + same)
        else:
            inner = inner + same
        inner = inner + xp.cast(self.eye * dvalues, v)
        tied = self.bases[0] @ (xp.cast(self.tied, v) * inner) + xp.cast(self.zero, v) * out
        whole = self.bases[0] @ inner + out
        gradients = tied @ xp.adjoint(v), whole @ xp.adjoint(v)
        return gradients if self.singular else tuple(map(xp.hermitian_part, gradients))

    def quotients(self, dbases: Sequence[Tensor], values: Tensor) -> Factors:
        """How a pullback acts between the vectors: what differences divide, and what sums do."""
        xp = self.xp
        one, other = xp.pairs(values)
        turns = [xp.skew_part(xp.adjoint(x) @ dx) for x, dx in zip(self.bases, dbases, strict=True)]
        apart = self.divide(xp.cast(1 - self.eye, turns[0]) * sum(turns), other - one)
        return apart, self.divide(turns[0] - turns[1] if self.singular else 0 * apart, one + other)

    def outside(self, x: Tensor, values: Tensor) -> Tensor:
        """How it acts on what the left basis leaves out."""
        b = self.bases[0]
        return self.divide(x - b @ (self.xp.adjoint(b) @ x), values) * (b.shape[0] > b.shape[1])

    def divide(self, x: Tensor, gap: Tensor) -> Tensor:
        """A quotient, where a gap is not 0."""
        return x / self.xp.cast(self.xp.where(gap == 0, self.xp.ones_like(gap), gap), x)

    def doubt(self, quotient: Tensor, gap: Tensor, noise: Tensor) -> Tensor:
        """The error of a quotient."""
        return self.divide(
            noise + self.finest * self.size * self.xp.abs(quotient), self.xp.abs(gap)
        )

    def mixed(self) -> list[Factors]:
        """Bases of which each cluster is rotated at random; of zeros, on either side, and twice."""
        xp, zero, tied = self.xp, self.zero, self.xp.cast(self.tied, self.bases[0])
        bases = self.turned(xp.linalg.qr(tied * self.array(self.draw))[0])
        if not self.singular:
            return [bases]
        shape = tuple(map(int, self.bases[0].shape))
        drawn = xp.draw(*shape, is_complex=xp.is_complex(self.bases[0]))
        left, right = bases
        drawn, _ = xp.linalg.qr(xp.where(zero > 0, self.array(drawn), left))
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


@dataclass(frozen=True)
class Invariant:
    """A ``loss(values, *bases)`` of one matrix, as a function of stacks of matrices."""

    loss: Function
    rtol: Option
    gauge_tol: Option
    singular: bool

    def decompose(self, xp: Namespace, matrix: Tensor) -> Factors:
        """The factors, of which no derivative is seen: values, and bases."""
        if not self.singular:
            return hermitian.decompose(xp, xp.stop(matrix))
        u, s, vh = singular.decompose(xp, xp.stop(matrix))
        return s, u, xp.adjoint(vh)

    def pullback(self, xp: Namespace, values: Tensor, *bases: Tensor) -> Factors:
        """The gradients, and where there is none; refused there, if that is known."""
        if bases[0].shape[-2] < bases[-1].shape[-2]:
            tall = replace(self, loss=lambda s, v, u: self.loss(s, u, v))
            gradient, bad = tall.pullback(xp, values, *bases[::-1])
            return xp.adjoint(gradient), bad
        shape, dtype = (bases[0].shape[-2], bases[-1].shape[-2]), xp.dtype(values)
        finest = spectrum.default_rtol(shape, dtype, singular=self.singular)
        rtol = finest if self.rtol is None else self.rtol
        tolerances = finest, rtol, max(rtol, gauge.default_tol(dtype))
        same, zero = clusters(xp, values, tolerances[-1], singular=self.singular)
        count = xp.known(xp.sum(same, axis=(-2, -1)) + xp.sum(zero, axis=-1))
        close = count is None or bool(np.any(count > values.shape[-1]))

        def one(*factors: Tensor) -> Factors:
            return Basis(xp, self, factors, tolerances, close).gradient()

        like = bases[0], *(values,) * 4
        gradient, *found = xp.mapped(one, len(values.shape) - 1, like, values, *bases)
        total = xp.sum(xp.abs(gradient), axis=(-2, -1))
        bad = ~(total < math.inf)
        for fault, *by in ((gauge.VARIES, *found[:2]), (gauge.SPREAD, *found[2:])):
            bad = bad | self.refused(xp, fault, values, rtol, *by)
        return gradient, bad

    def refused(
        self, xp: Namespace, fault: str, values: Tensor, rtol: float, size: Tensor, allowed: Tensor
    ) -> Tensor:
        """Where a loss has a fault; a GaugeError, if that is known."""
        bad = ~(size <= allowed)
        known = xp.known(bad)
        if known is None or not np.any(known):
            return bad
        place = tuple(np.argwhere(known)[0].tolist())
        by, limit = (float(xp.known(x)[place]) for x in (size, allowed))
        labels = spectrum.labels(xp.known(values)[place], rtol, singular=self.singular)
        pairs = np.argwhere(np.triu(spectrum.in_one_cluster(labels), 1)).tolist()
        zeros = np.flatnonzero(labels < 0).tolist()
        pair, symbol, said = (0, 0), "σ" if self.singular else "λ", ""
        if pairs:
            pair = pairs[0][0], pairs[0][1]
            said = f"; {gauge.names(symbol, *pair)} count as equal"
        elif zeros:
            pair = zeros[0], zeros[0]
            said = f"; {gauge.names(symbol, *pair)} counts as 0"
            fault = gauge.AT_ZERO if fault == gauge.SPREAD else fault
        message = f"{fault}: by {by:.1e}, allowed {limit:.1e}{said}"
        raise gauge.GaugeError(message, pair, by, limit, *place)


def _no_gradient(xp: Namespace, factors: Factors, options: Option) -> Tensor:
    zeros, bad = factors
    return xp.where(bad[..., None, None], math.nan * xp.ones_like(zeros), zeros)


_LAST = "a loss of vectors has first derivatives only"
_NONE = replace(hermitian.expm, formula=_no_gradient, orders=1, last=_LAST)


@partial(rules.real_function, _NONE)
def _once(xp: Namespace, factors: Factors) -> Tensor:
    """Zero, with a gradient of 0, or of NaN, and no second derivative."""
    return xp.sum(xp.real(factors[0]), axis=(-2, -1))


def functions(xp: Namespace, module: str) -> tuple[Function, Function]:
    """``invariant_eigh`` and ``invariant_svd`` of a framework's module."""
    once = xp.in_graph(lambda matrix, *factors: xp.primitive(rules.At(_once, (), matrix, factors)))

    def invariant(rule: Invariant) -> Function:
        def of_matrix(matrix: Tensor) -> Tensor:
            matrix = xp.array(matrix)
            fixed, factors = xp.stop(matrix), rule.decompose(xp, matrix)
            one, deep = lambda *factors: (rule.loss(*factors),), len(matrix.shape) - 2
            if 0 in matrix.shape[:-2]:
                return xp.sum(xp.real(matrix), axis=(-2, -1))
            (value,) = xp.mapped(one, deep, factors[:1], *factors)
            if 0 in matrix.shape:
                # Nothing can be turned.
                return value + xp.sum(xp.real(matrix), axis=(-2, -1))
            if xp.learns(matrix) is False:
                return value
            # At once: what else the loss depends on may belong to a transform that ends before.
            gradient, bad = rule.pullback(xp, *factors)
            gradient = xp.where(bad[..., None, None], xp.zeros_like(gradient), gradient)
            # The change is 0, and only its derivative is not.
            change = xp.sum(xp.real(xp.conj(gradient) * (matrix - fixed)), axis=(-2, -1))
            return (value + change) * (1 + once(matrix, xp.zeros_like(fixed), bad))

        return of_matrix

    def invariant_eigh(loss: Function, rtol: Option = None, gauge_tol: Option = None) -> Function:
        """Make of ``loss(values, vectors)`` a function of Hermitian matrices.

        The loss is real, and of one matrix; of a stack, the function gives as many losses. Other
        arrays in the loss get their gradients, too. There is no second derivative in the matrix: it
        raises a NotImplementedError, or is NaN. `spectralgrad.recipes.invariant` says how large the
        error may be, and what ``gauge_tol`` is. If the loss depends on the basis, its derivative
        raises a GaugeError, or is NaN where numbers are not known.
        """
        return invariant(Invariant(loss, rtol, gauge_tol, singular=False))

    def invariant_svd(loss: Function, rtol: Option = None, gauge_tol: Option = None) -> Function:
        """Make of ``loss(u, s, vh)``, thin, a function of matrices, as `invariant_eigh` does.

        Vectors of singular values that count as zero may be any of the null spaces, on either side.
        """
        of_factors = lambda s, u, v: loss(u, s, xp.adjoint(v))  # noqa: E731
        return invariant(Invariant(of_factors, rtol, gauge_tol, singular=True))

    rules.place(invariant_eigh, module)
    rules.place(invariant_svd, module)
    return invariant_eigh, invariant_svd
