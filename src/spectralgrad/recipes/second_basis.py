"""Any loss of eigenvectors or singular vectors that does not depend on their basis, also at ties.

One pullback leaves open how the gradient acts between two equal values, and between null vectors; a
pullback in a basis in which they are mixed supplies it. `spectralgrad.theory.eigen.invariant_vjp`
derives this, and does it for a pullback in NumPy, cluster by cluster. This one is for a loss in the
array code of any framework, and has to run under ``jit``, where nobody knows what is tied: so it
decides pair by pair.

Values that a stable decomposition cannot tell apart (`spectralgrad.theory.spectrum.default_rtol`,
or what the caller says) are one cluster, and those that it cannot tell from 0 are zeros. Between
two that it can, but that are within √eps, relative to the largest λ, there are two answers: the
quotient by their gap, with an error of about rtol (‖V̄‖ + |λ| |quotient|)/gap for a cotangent V̄ of
the vectors, and the answer as if they were equal, with one of the order of the gap for a loss that
is smooth, and without bound for one that is not. The second is taken where the two differ by no
more than the first allows. So that is the order of the largest error between any two vectors, and
for a smooth loss it is far smaller. The same holds for singular values near 0.

The loss is tried in bases whose clusters are turned at random, with other signs or phases, and
other null vectors. Where it changes, or its cotangents of the values are not those of one matrix
in both bases, it has no gradient. A product of the signs of three vectors may pass. ``gauge_tol``
says by how much the loss may differ between two bases, relative to what it changes if all vectors
are turned together; by default √eps. ``inf`` leaves out the trials, for a minimum whose loss is
rounding errors.

Of these it needs, in a `spectralgrad.recipes.rules.Namespace`,

``max``, ``real``, ``conj``, ``is_complex``, ``stack``, ``qr(a)``, ``asarray(x, like)``
    as in NumPy; the orthonormal factor; a NumPy array as one of the framework, in the dtype of
    another;
``take(x, at)``, ``draw(m, n, is_complex=…)``
    parts along the last axis, at whole numbers in any dtype; what `spectralgrad.recipes.bases.draw`
    makes, as a constant for a compiler;
``stop(x)``
    x, of which no derivative is seen;
``cotangents(loss, *factors)``
    the value of a loss and its cotangents, in the convention of the rules;
``mapped(function, dimensions, like, *stacks)``, ``each(function, like, *stacks)``
    a function that returns a tuple of arrays, in the dtypes of ``like``, of each part of stacks
    with that many dimensions; in a loop over one, where numbers are not known (None: one of
    Python);
``total(function, count, most, *zeros)``
    its sum over 0, 1, … below a count that is not known, but for its bound.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from spectralgrad.recipes import rules
from spectralgrad.recipes.bases import Basis, rounds_needed
from spectralgrad.recipes.rules import Factors, Namespace, Option, Tensor
from spectralgrad.theory import gauge, spectrum

Function = Callable[..., Tensor]

ONCE = "a second basis gives first derivatives only"


@dataclass(frozen=True)
class Invariant:
    """A loss of the factors of one matrix, as a function of stacks of matrices."""

    loss: Function
    rtol: Option
    gauge_tol: Option
    singular: bool

    def decompose(self, xp: Namespace, matrix: Tensor) -> Factors:
        """The factors, of which no derivative is seen."""
        rules.require_sizes(*matrix.shape[-2:])
        if self.singular:
            return tuple(xp.svd(xp.stop(matrix)))
        if matrix.shape[-1] != matrix.shape[-2]:
            m, n = matrix.shape[-2:]
            raise ValueError(f"the matrix is {m} × {n}; a Hermitian one is square")
        return tuple(xp.eigh(xp.hermitian_part(xp.stop(matrix))))

    def value(self, xp: Namespace, factors: Factors) -> Tensor:
        """The losses, in the shape of the stack."""
        values = factors[self.singular]
        one = lambda *factors: (self.loss(*factors),)  # noqa: E731
        return xp.mapped(one, len(values.shape) - 1, (values,), *factors)[0]

    def pullback(self, xp: Namespace, factors: Factors) -> Tensor:
        """The gradients; refused where the loss depends on a basis."""
        if not self.singular:
            return self.tall(xp, self.loss, *factors)
        u, s, vh = factors
        if u.shape[-2] >= vh.shape[-1]:
            of_tall = lambda s, u, v: self.loss(u, s, xp.adjoint(v))  # noqa: E731
            return self.tall(xp, of_tall, s, u, xp.adjoint(vh))
        of_adjoint = lambda s, v, u: self.loss(u, s, xp.adjoint(v))  # noqa: E731
        return xp.adjoint(self.tall(xp, of_adjoint, s, xp.adjoint(vh), u))

    def tall(self, xp: Namespace, loss: Function, values: Tensor, *bases: Tensor) -> Tensor:
        """The same of a ``loss(values, *bases)``, the first of which is not the smaller one."""
        shape, dtype = (bases[0].shape[-2], bases[-1].shape[-2]), xp.dtype(values)
        finest = spectrum.default_rtol(shape, dtype, singular=self.singular)
        rtol = finest if self.rtol is None else self.rtol
        near = max(rtol, gauge.default_tol(dtype))
        rounds = xp.known(rounds_needed(xp, values, bases, near, singular=self.singular))
        rounds = None if rounds is None else int(np.max(rounds, initial=0))

        def one(*factors: Tensor) -> Factors:
            tolerances = finest, rtol, near
            basis = Basis(xp, loss, factors, tolerances, rounds, singular=self.singular)
            return basis.gradient(self.gauge_tol)

        like = bases[0], *(values,) * 4
        gradient, *found = xp.mapped(one, len(values.shape) - 1, like, values, *bases)
        gradient = self._refuse(xp, gradient, values, rtol, found[:2], gauge.VARIES)
        return self._refuse(xp, gradient, values, rtol, found[2:], gauge.SPREAD)

    def _refuse(
        self,
        xp: Namespace,
        gradient: Tensor,
        values: Tensor,
        rtol: float,
        found: Factors,
        fault: str,
    ) -> Tensor:
        """Return the gradient, as NaN where nobody knows whether it is bad, unless it is."""
        bad = ~(found[0] <= found[1])
        known = xp.known(bad)
        if known is None:
            nan = math.nan * xp.ones_like(gradient)
            return xp.where(bad[..., None, None], nan, gradient)
        for place in map(tuple, np.argwhere(known)):
            size, allowed = (float(xp.known(x)[place]) for x in found)
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
            where = f"matrix {[*map(int, place)]} of the stack: " if place else ""
            message = f"{where}{fault}: by {size:.1e}, allowed {allowed:.1e}{said}"
            raise gauge.GaugeError(message, pair, size, allowed)
        return gradient


def public(invariant: Callable[[Invariant], Function]) -> tuple[Function, Function]:
    """Make ``invariant_eigh`` and ``invariant_svd`` of a framework's function of an `Invariant`."""

    def invariant_eigh(loss: Function, rtol: Option = None, gauge_tol: Option = None) -> Function:
        """Make of ``loss(values, vectors)`` a function of Hermitian matrices.

        The loss is real, and of one matrix; of a stack, the function gives as many losses. Other
        arrays in the loss get their gradients, too. There are first derivatives only; another one
        raises a NotImplementedError, or is NaN. `spectralgrad.recipes.second_basis` says how large
        the error may be, and what ``gauge_tol`` is. If the loss depends on the basis, its
        derivative raises a GaugeError, or is NaN where numbers are not known.
        """
        return invariant(Invariant(loss, rtol, gauge_tol, singular=False))

    def invariant_svd(loss: Function, rtol: Option = None, gauge_tol: Option = None) -> Function:
        """Make of ``loss(u, s, vh)``, thin, a function of matrices, as `invariant_eigh` does.

        Vectors of singular values that count as zero may be any of the null spaces, on either side.
        """
        return invariant(Invariant(loss, rtol, gauge_tol, singular=True))

    for function in (invariant_eigh, invariant_svd):
        rules.place(function, invariant.__module__)
    return invariant_eigh, invariant_svd
