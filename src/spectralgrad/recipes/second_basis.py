"""Any loss of eigenvectors or singular vectors that does not depend on their basis, also at ties.

One pullback leaves open how the gradient acts between two equal values; a pullback in a basis in
which their vectors are mixed supplies it. `spectralgrad.theory.eigen.invariant_vjp` derives this,
and does it for a pullback in NumPy, cluster by cluster. This one is for a loss in the array code of
any framework, and has to run under ``jit``, where nobody knows what is tied: so it decides pair by
pair.

Values that a stable decomposition cannot tell apart (`spectralgrad.theory.spectrum.default_rtol`,
or what the caller says) are one cluster. Between two that it can, but that are within √eps,
relative to the largest λ, there are two answers: the quotient by their gap, with an error of about
rtol (‖V̄‖ + |λ| |quotient|)/gap for a cotangent V̄ of the vectors, and the answer as if they were
equal, with one of the order of the gap for a loss that is smooth, and without bound for one that is
not. The second is taken where the two differ by no more than the first allows. So that is the order
of the largest error between any two vectors, and for a smooth loss it is far smaller.

The loss is tried in bases whose clusters are turned at random, with other signs or phases. Where it
changes, or its cotangents of the values are not those of one matrix in both bases, it has no
gradient. A product of the signs of three vectors may pass. ``gauge_tol`` says by how much the loss
may differ between two bases, relative to what it changes if all vectors are turned together; by
default √eps. ``inf`` leaves out the trials, for a minimum whose loss is rounding errors.

The namespace ``xp`` of `spectralgrad.recipes.rules` has moreover ``max``, ``is_complex`` and

``asarray(x, like)``, ``qr(a)``, ``cotangents(loss, *factors)``
    a NumPy array as one of the framework, in the dtype of another; the orthonormal factor; the
    cotangents of a loss, in the convention of the rules.
"""

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from spectralgrad.recipes import hermitian, rules, singular
from spectralgrad.recipes.rules import Factors, Namespace, Option, Rule, Tensor
from spectralgrad.theory import gauge

Function = Callable[..., Tensor]


def public(invariant: Callable[[Rule], Function]) -> tuple[Function, Function]:
    """`invariant_eigh` and `invariant_svd` of a framework that makes functions of such rules."""

    def invariant_eigh(loss: Function, rtol: Option = None, gauge_tol: Option = None) -> Function:
        """Make of ``loss(values, vectors)`` a function of one Hermitian matrix.

        It has first derivatives only; `spectralgrad.recipes.second_basis` says how large their
        error may be, and what ``gauge_tol`` is. The loss is real. If it depends on the basis, the
        reverse pass raises a GaugeError, or gives NaN where numbers are not known. A stack, or
        another array in the loss that is to get a gradient, is a ValueError.
        """
        return invariant(_rule(hermitian.decompose, eigh_pullback, loss, rtol, gauge_tol))

    def invariant_svd(loss: Function, rtol: Option = None, gauge_tol: Option = None) -> Function:
        """Make of ``loss(u, s, vh)``, thin, a function of one matrix of full rank.

        As `invariant_eigh`. A singular value that counts as zero is a GaugeError too.
        """
        return invariant(_rule(singular.decompose, svd_pullback, loss, rtol, gauge_tol))

    for function in (invariant_eigh, invariant_svd):
        rules.place(function, invariant.__module__)
    return invariant_eigh, invariant_svd


def _rule(
    decompose: Callable[..., Factors], pullback: Function, loss: Function, *tolerances: Option
) -> Rule:
    """The rule of one matrix, with a loss and two tolerances."""

    def of_one(xp: Namespace, matrix: Tensor) -> Factors:
        if len(matrix.shape) != 2:
            raise ValueError(
                f"an array of the shape {tuple(matrix.shape)}: give one matrix at a time (or map "
                "the function over a stack)"
            )
        return decompose(xp, matrix)

    def value(xp: Namespace, factors: Factors) -> Tensor:
        return loss(*factors)

    def gradient(xp: Namespace, factors: Factors, cotangent: Tensor) -> Tensor:
        return cotangent * pullback(xp, factors, loss, *tolerances)

    return Rule(of_one, value, gradient, loss)


def eigh_pullback(
    xp: Namespace, factors: Factors, loss: Function, rtol: Option, gauge_tol: Option
) -> Tensor:
    """Gradient of ``loss(values, vectors)``, Hermitian.

    The loss is differentiated at most n + 4 times, 2n + 4 times if it is complex, and evaluated at
    most ⌈log₂(n + 1)⌉ + 2 times more.
    """
    values, v = factors
    finest = hermitian.default_rtol(xp, factors)
    turned = _Turned(xp, values, v, lambda x, q: loss(x, v @ q), "λ", finest, rtol)
    dvalues, dv = xp.cotangents(loss, values, v)
    noise = finest * xp.max(xp.abs(dv))
    inner = turned.inner(dvalues, xp.skew_part(xp.adjoint(v) @ dv), noise)
    return turned.require_invariance(v @ inner @ xp.adjoint(v), inner, dvalues, gauge_tol)


def svd_pullback(
    xp: Namespace, factors: Factors, loss: Function, rtol: Option, gauge_tol: Option
) -> Tensor:
    """Gradient of ``loss(u, s, vh)``, of thin singular vectors at full rank."""
    u, s, vh = factors
    uh, v = xp.adjoint(u), xp.adjoint(vh)
    finest = singular.default_rtol(xp, factors)
    turned = _Turned(xp, s, u, lambda x, q: loss(u @ q, x, xp.adjoint(v @ q)), "σ", finest, rtol)
    du, ds, dvh = xp.cotangents(loss, u, s, vh)
    noise = finest * xp.maximum(xp.max(xp.abs(du)), xp.max(xp.abs(dvh)))
    left, right = xp.skew_part(uh @ du), xp.skew_part(vh @ xp.adjoint(dvh))
    si, sj = xp.pairs(xp.cast(s, u))
    inner = turned.inner(ds, left + right, noise) + (left - right) / (si + sj)
    gradient = u @ inner @ vh
    if u.shape[0] > len(s):
        gradient = gradient + (du - u @ (uh @ du)) / sj @ vh
    if v.shape[0] > len(s):
        gradient = gradient + u @ ((dvh - (dvh @ v) @ vh) / si)
    gradient = rules.require_open(xp, gradient, s, (len(s) - 1, None), finest, "σ")
    return turned.require_invariance(gradient, inner, ds, gauge_tol)


@dataclass(frozen=True, eq=False)
class _Turned:
    """A ``loss(values, rotation)`` of values and of a rotation of their vectors, at one matrix.

    ``finest`` is the least rtol that a stable decomposition allows, and the default.
    """

    xp: Namespace
    values: Tensor
    vectors: Tensor
    loss: Function
    symbol: str
    finest: float
    rtol: Option

    def array(self, x: np.ndarray) -> Tensor:
        """A matrix in the dtype of the vectors."""
        return self.xp.asarray(x, self.vectors)

    def dvalues(self, values: Tensor, rotation: Tensor) -> Tensor:
        """The cotangent of the values in a rotated basis."""
        (found,) = self.xp.cotangents(lambda at: self.loss(at, rotation), values)
        return found

    @cached_property
    def size(self) -> Tensor:
        """The largest modulus."""
        return self.xp.max(self.xp.abs(self.values))

    @cached_property
    def tied(self) -> Tensor:
        """Which pairs of values are in one cluster, as a matrix of ones and zeros."""
        xp, n = self.xp, len(self.values)
        distances = xp.abs(self.values[1:] - self.values[:-1])
        rtol = self.finest if self.rtol is None else self.rtol
        apart = xp.cast(distances > rtol * self.size, self.values)
        one, other = xp.pairs(xp.asarray(np.tri(n, n - 1, -1), self.values) @ apart)
        return xp.cast(one == other, self.values)

    @cached_property
    def means(self) -> Tensor:
        """Each value as the mean of its cluster."""
        return self.tied @ self.values / self.xp.sum(self.tied, axis=-1)

    def inner(self, dvalues: Tensor, turns: Tensor, noise: Tensor) -> Tensor:
        """The Hermitian part of the gradient between two vectors.

        ``turns`` is the quotient times the gap, with an error of ``noise``, where the values have
        one of ``finest``.
        """
        xp = self.xp
        one, other = xp.pairs(self.values)
        gap = other - one
        near = xp.abs(gap) <= gauge.default_tol(xp.dtype(gap)) * self.size
        gap = xp.where((self.tied > 0) | (gap == 0), xp.ones_like(gap), gap)
        quotient = turns / xp.cast(gap, turns)
        equal = self.as_if_equal(xp.cast((self.tied > 0) | near, gap))
        error = (noise + self.finest * self.size * xp.abs(quotient)) / xp.abs(gap)
        agree = near & (xp.abs(quotient - equal) <= error)
        inner = xp.where((self.tied > 0) | agree, equal, quotient)
        eye = self.array(np.eye(len(gap)))
        return inner * (1 - eye) + eye * xp.cast(dvalues, inner)

    def as_if_equal(self, close: Tensor) -> Tensor:
        """The same between close values, as if these were equal, from mixtures of their vectors."""
        xp, n = self.xp, len(self.values)
        eye = np.eye(n)
        total = xp.cast(0 * close, self.vectors)
        # Pairs whose numbers have the same sum modulo n: each pair is in one of n rounds.
        for partner in [(r - np.arange(n)) % n for r in range(n)]:
            upper = np.arange(n) < partner
            swap = eye[partner] * (1 - eye)
            paired = xp.sum(xp.asarray(swap, close) * close, axis=-1) > 0
            known = xp.known(paired)
            if known is not None and not known.any():
                continue
            swapped = xp.asarray(swap, self.values) @ self.values
            means = xp.where(paired, (self.values + swapped) / 2, self.values)
            for phase in (1, 1j) if xp.is_complex(total) else (1,):
                mixed = np.where(upper, 1, -phase) * eye + np.where(upper, phase, 1) * swap
                rotation = xp.where(paired, self.array(mixed / np.sqrt(2)), self.array(eye))
                one, other = xp.pairs(self.dvalues(means, rotation))
                half = xp.cast((one - other) / 2 * close * xp.asarray(np.triu(swap), close), total)
                # A complex number of NumPy would widen the dtype.
                total = total + phase.conjugate() * half + phase * half.mT
        return total

    @cached_property
    def draw(self) -> np.ndarray:
        """A random rotation of all vectors."""
        rng, is_complex = np.random.default_rng(0), self.xp.is_complex(self.vectors)
        return gauge.unitary(len(self.values), rng, is_complex=is_complex)

    @cached_property
    def mixed(self) -> Tensor:
        """A random rotation of each cluster."""
        return self.xp.qr(self.xp.cast(self.tied, self.vectors) * self.array(self.draw))

    def require_invariance(
        self, gradient: Tensor, inner: Tensor, dvalues: Tensor, gauge_tol: float | None
    ) -> Tensor:
        """Return the gradient if the loss is the same in other bases, and has no kink."""
        if gauge_tol == math.inf:
            return gradient
        gauge_tol = gauge.tolerance(gauge_tol, self.xp.dtype(self.values))
        # Not where nothing is mixed: a loss at its minimum may be computed there without an error.
        cotangents = self.xp.cotangents(self.loss, self.means, self.mixed)
        gradient = self.refuse(gradient, gauge.VARIES, *self.change(cotangents, gauge_tol))
        kink = self.kink(inner, dvalues, cotangents, gauge_tol)
        return self.refuse(gradient, gauge.SPREAD, *kink)

    def change(self, cotangents: Factors, tol: float) -> Factors:
        """Whether the loss changes in other bases of the clusters; by how much, and what may pass.

        Nobody knows how large the loss might be; so it is compared with what a turn of all vectors
        together changes. Where all values are equal, that is nothing: what rounding errors in
        values and vectors change passes too.
        """
        xp, n = self.xp, len(self.values)
        here = self.loss(self.means, self.array(np.eye(n)))
        spread = xp.abs(self.loss(self.means, self.array(self.draw)) - here)
        dmeans, dmixed = cotangents
        noise = xp.max(xp.abs(self.means)) * xp.sum(xp.abs(dmeans)) + xp.sum(xp.abs(dmixed))
        # Two given signs differ in one of them, and one given sign is negative in one.
        signs = [1 - 2 * (np.arange(1, n + 1) >> bit & 1) for bit in range(n.bit_length())]
        if xp.is_complex(self.vectors):
            signs = [self.draw[0] / np.abs(self.draw[0])]
        others = [self.loss(self.means, self.mixed * self.array(x)) for x in signs]
        worst = functools.reduce(xp.maximum, [xp.abs(other - here) for other in others])
        limit = tol * self.finite(spread) + 64 * self.finest * xp.abs(here)
        limit = limit + self.finite(self.finest * noise)
        return ~(worst <= limit) & (xp.abs(here) < math.inf), worst, limit

    def kink(self, inner: Tensor, dvalues: Tensor, cotangents: Factors, tol: float) -> Factors:
        """Whether equal values have different cotangents; by how much, and what may pass."""
        xp, n = self.xp, len(self.values)
        dmeans, dmixed = cotangents
        block = xp.hermitian_part(xp.cast(self.tied, inner) * inner)
        diagonal = xp.sum(self.mixed.conj() * (block @ self.mixed), axis=-2)
        worst = xp.max(xp.abs(diagonal - xp.cast(dmeans, diagonal)))
        # What the width of the clusters changes, which a caller may have made large.
        width = xp.max(xp.abs(dvalues - self.dvalues(self.means, self.array(np.eye(n)))))
        size = xp.max(xp.abs(self.means))
        unit = xp.where(size > 0, size, 1 + size)
        # How large a cotangent is where the loss is not at its minimum.
        apart = self.means + unit * (1 + xp.positions(self.means)) / n
        usual = self.finite(xp.max(xp.abs(self.dvalues(apart, self.array(self.draw)))))
        largest = xp.maximum(xp.max(xp.abs(block)), xp.max(xp.abs(dmeans)))
        limit = (tol + 8 * self.finest) * largest + 8 * width + 64 * self.finest * usual
        limit = limit + tol * xp.max(xp.abs(dmixed)) / unit
        return worst > limit, worst, limit

    def finite(self, x: Tensor) -> Tensor:
        """A number, or 0 if it is not finite."""
        return self.xp.where(x < math.inf, x, self.xp.zeros_like(x))

    def refuse(
        self, gradient: Tensor, fault: str, bad: Tensor, worst: Tensor, limit: Tensor
    ) -> Tensor:
        """Return the gradient, as NaN where nobody knows whether it is bad, unless it is."""
        known = self.xp.known(bad)
        if known is None:
            return self.xp.where(bad, math.nan, gradient)
        if known:
            pairs = [*map(tuple, np.argwhere(np.triu(self.xp.known(self.tied), 1))), (0, 0)]
            size, allowed = (float(self.xp.known(x)) for x in (worst, limit))
            names = gauge.names(self.symbol, *pairs[0])
            equal = f"; {names} count as equal" if len(pairs) > 1 else ""
            raise gauge.GaugeError(
                f"{fault}: by {size:.1e}, allowed {allowed:.1e}{equal}", pairs[0], size, allowed
            )
        return gradient
