"""Divided differences of first and second order, for values in any order and as close as they like.

Far apart, a quotient (eq-recipes-second); close by, a mean of f′ over an interval, or of f″ over a
triangle (eq-recipes-genocchi), by a few nodes of Gauss. Which of the two it is, is decided by their
numbers, not by a scale that a function may not have: means by two and by three nodes have to agree
as well as the rounding of f and of its argument allows.
"""

from collections.abc import Callable

import numpy as np

from spectralgrad.recipes.rules import Namespace, Tensor

#: Nodes and weights on the interval from 0 to 1, by two and by three, as numbers of Python.
GAUSS = tuple(
    tuple(((1 + x) / 2, w / 2) for x, w in zip(*map(np.ndarray.tolist, rule), strict=True))
    for rule in map(np.polynomial.legendre.leggauss, (2, 3))
)
Function = Callable[[Tensor], Tensor]


def first(xp: Namespace, x: Tensor, f: Function, df: Function) -> Tensor:
    """f[xᵢ, xⱼ], (..., n, n)."""
    (one, other), (f_one, f_other) = xp.pairs(x), xp.pairs(f(x))
    gap = one - other
    quotient = xp.divide(f_one - f_other, gap, gap != 0)
    means = [sum(w * df(other + t * gap) for t, w in nodes) for nodes in GAUSS]
    size = xp.abs(f_one) + xp.abs(f_other) + (xp.abs(one) + xp.abs(other)) * xp.abs(means[1])
    return _closer(xp, quotient, *means, xp.abs(gap), np.finfo(xp.dtype(x)).eps * size)


def second(xp: Namespace, x: Tensor, first: Tensor, d2f: Function) -> Tensor:
    """f[xᵢ, xₖ, xⱼ], (..., n, n, n), from f[xᵢ, xⱼ].

    The quotient is by the widest of the three distances.
    """
    xi, xk, xj = x[..., :, None, None], x[..., None, :, None], x[..., None, None, :]
    ik, kj, ij = first[..., :, :, None], first[..., None, :, :], first[..., :, None, :]
    gap, above = xi - xj, ik - kj
    for other_gap, other_above in ((xi - xk, ij - kj), (xk - xj, ik - ij)):
        wider = xp.abs(other_gap) > xp.abs(gap)
        gap = xp.where(wider, other_gap, gap)
        above = xp.where(wider, other_above, above)
    quotient = xp.divide(above, gap, gap != 0)
    means = [
        sum(
            v * w * s * d2f(xi + s * ((xk - xi) + t * (xj - xk)))
            for s, v in nodes
            for t, w in nodes
        )
        for nodes in GAUSS
    ]
    far = xp.maximum(xp.maximum(xp.abs(xi), xp.abs(xk)), xp.abs(xj))
    size = xp.abs(ik) + xp.abs(kj) + xp.abs(ij) + 2 * far * xp.abs(means[1])
    return _closer(xp, quotient, *means, xp.abs(gap), np.finfo(xp.dtype(x)).eps * size)


def _closer(xp: Namespace, quotient: Tensor, rough: Tensor, fine: Tensor, *known: Tensor) -> Tensor:
    """The mean, where it is as good as the quotient, of which the error times the gap is known."""
    gap, error = known
    agree = (xp.abs(fine - rough) * gap <= error) & (xp.abs(fine - quotient) * gap <= 64 * error)
    return xp.where(agree, fine, quotient)


def logarithm(xp: Namespace, x: Tensor) -> Tensor:
    """f[xᵢ, xⱼ] of the logarithm: log(1 + d/xⱼ)/d for d = xᵢ − xⱼ ≥ 0."""
    one, other = xp.pairs(x)
    low, gap = -xp.maximum(-one, -other), xp.abs(one - other)
    return xp.divide(xp.log1p(gap / low), gap, gap != 0, 1 / low)


def exponential(xp: Namespace, x: Tensor) -> Tensor:
    """f[xᵢ, xⱼ] of the exponential: exp(xᵢ) (1 − exp(−d))/d for d = xᵢ − xⱼ ≥ 0."""
    one, other = xp.pairs(x)
    gap = xp.abs(one - other)
    mean = xp.divide(-xp.expm1(-gap), gap, gap != 0, 1)
    return xp.exp(xp.maximum(one, other)) * mean


def power(xp: Namespace, x: Tensor, p: float) -> Tensor:
    """f[xᵢ, xⱼ] of xᵖ, x > 0: xᵢᵖ⁻¹ (1 − (1 − r)ᵖ)/r for r = (xᵢ − xⱼ)/xᵢ ≥ 0."""
    one, other = xp.pairs(x)
    high, low = xp.maximum(one, other), -xp.maximum(-one, -other)
    ratio = (high - low) / high
    logarithm = xp.where(ratio < 0.5, xp.log1p(-ratio), xp.log(low / high))
    mean = xp.divide(-xp.expm1(p * logarithm), ratio, ratio != 0, p)
    return high ** (p - 1) * mean
