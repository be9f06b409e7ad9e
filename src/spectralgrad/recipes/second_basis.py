"""Any loss of eigenvectors or singular vectors that does not depend on their basis, also at ties.

One pullback leaves open how the gradient acts between two equal values; a pullback in a basis in
which their vectors are mixed supplies it. `spectralgrad.theory.eigen.invariant_vjp` derives this.

Values that a stable decomposition cannot tell apart (`spectralgrad.theory.spectrum.default_rtol`,
or what the caller says) are one cluster. Between two that it can, but that are within √eps,
relative to the largest λ, there are two answers: the quotient by their gap, with an error of about
rtol (‖V̄‖ + |λ| |quotient|)/gap for a cotangent V̄ of the vectors, and the answer as if they were
equal, with one of the order of the gap for a loss that is smooth, and without bound for one that is
not. The second is taken where the two differ by no more than the first allows. So that is the order
of the largest error between any two vectors, and for a smooth loss it is far smaller.

The loss is tried in bases whose clusters are turned at random, with other signs or phases. Where it
changes, or its cotangents of the values are not those of one matrix in both bases, as those of one
of two equal values, it has no gradient: an error says by how much, or the gradient is NaN where
nobody knows the numbers, as under ``jit``. A product of the signs of three vectors may pass.

Array code of any framework, as in `spectralgrad.recipes.rules`. The namespace ``xp`` has moreover

``asarray(x, like)``
    a NumPy array as one of the framework, with the dtype of another;
``qr(a)``
    the orthonormal factor;
``cotangents(loss, *factors)``
    the cotangents of a loss, in the convention of the rules.
"""

import functools
import math
from collections.abc import Callable

import numpy as np

from spectralgrad.recipes import rules
from spectralgrad.theory import gauge

Loss = Callable[..., rules.Tensor]


def require_matrix(matrix: rules.Tensor) -> None:
    """Refuse a stack, whose matrices the rules would take for one another.

    Parameters
    ----------
    matrix : array

    Raises
    ------
    ValueError
        Unless it is (m, n).
    """
    if len(matrix.shape) != 2:
        raise ValueError(
            f"an array of the shape {tuple(matrix.shape)}: give one matrix at a time (or map the "
            "function over a stack)"
        )


def _tied(xp: rules.Namespace, values: rules.Tensor, rtol: float) -> rules.Tensor:
    """Which pairs of values are in one cluster, as a matrix of ones and zeros."""
    n = values.shape[-1]
    distances = xp.abs(values[1:] - values[:-1])
    apart = xp.cast(distances > rtol * xp.max(xp.abs(values)), values)
    label = xp.asarray(np.tri(n, n - 1, -1), values) @ apart
    return xp.cast(label[:, None] == label[None, :], values)


def _between(
    xp: rules.Namespace,
    values: rules.Tensor,
    close: rules.Tensor,
    like: rules.Tensor,
    cotangent: Callable[[rules.Tensor, rules.Tensor], rules.Tensor],
) -> rules.Tensor:
    """The Hermitian part of the gradient between close values, as if they were equal.

    ``cotangent(values, rotation)`` is that of the values, in a rotated basis.
    """
    n = values.shape[-1]
    eye = np.eye(n)
    total = xp.cast(0 * close, like)
    # Pairs whose numbers have the same sum modulo n: each pair is in one of n rounds.
    for partner in [(r - np.arange(n)) % n for r in range(n)]:
        upper = np.arange(n) < partner
        swap = eye[partner] * (1 - eye)
        paired = xp.sum(xp.asarray(swap, close) * close, axis=-1) > 0
        known = xp.known(paired)
        if known is not None and not known.any():
            continue
        means = xp.where(paired, (values + xp.asarray(swap, values) @ values) / 2, values)
        for phase in (1, 1j) if xp.is_complex(like) else (1,):
            mixed = np.where(upper, 1, -phase) * eye + np.where(upper, phase, 1) * swap
            rotation = xp.where(paired, xp.asarray(mixed / np.sqrt(2), like), xp.asarray(eye, like))
            diagonal = cotangent(means, rotation)
            half = (diagonal[:, None] - diagonal[None, :]) / 2
            half = xp.cast(half * close * xp.asarray(np.triu(swap), close), like)
            # A complex number of NumPy would widen the dtype.
            total = total + phase.conjugate() * half + phase * half.mT
    return total


def _inner(
    xp: rules.Namespace,
    values: rules.Tensor,
    tied: rules.Tensor,
    turns: rules.Tensor,
    noise: rules.Tensor,
    rtol: float,
    cotangent: Callable[[rules.Tensor, rules.Tensor], rules.Tensor],
) -> rules.Tensor:
    """The Hermitian part of the gradient between the vectors, but for its diagonal.

    ``turns`` is the quotient times the gap, with an error of ``noise``, where the values have one
    of rtol.
    """
    gap = values[None, :] - values[:, None]
    size = xp.max(xp.abs(values))
    near = xp.abs(gap) <= gauge.default_tol(xp.dtype(values)) * size
    gap = xp.where((tied > 0) | (gap == 0), xp.ones_like(gap), gap)
    quotient = turns / xp.cast(gap, turns)
    close = xp.cast((tied > 0) | near, values)
    equal = _between(xp, values, close, turns, cotangent)
    error = (noise + rtol * size * xp.abs(quotient)) / xp.abs(gap)
    agree = near & (xp.abs(quotient - equal) <= error)
    inner = xp.where((tied > 0) | agree, equal, quotient)
    return inner * (1 - xp.asarray(np.eye(len(values)), inner))


def _require_invariance(
    xp: rules.Namespace,
    gradient: rules.Tensor,
    inner: rules.Tensor,
    loss: Callable[[rules.Tensor, rules.Tensor], rules.Tensor],
    values: rules.Tensor,
    dvalues: rules.Tensor,
    tied: rules.Tensor,
    finest: float,
    gauge_tol: float | None,
    symbol: str,
) -> rules.Tensor:
    """Return the gradient if ``loss(values, rotation)`` is the same in other bases of the clusters.

    Nobody knows how large the loss might be; so it is compared with what a turn of all vectors
    together changes. Where all values are equal, that is nothing: what rounding errors in values
    and vectors change passes too.
    """
    if gauge_tol == math.inf:
        return gradient
    n, is_complex, rng = len(values), xp.is_complex(gradient), np.random.default_rng(0)
    means = tied @ values / xp.sum(tied, axis=-1)
    draw = gauge.unitary(n, rng, is_complex=is_complex)
    eye, drawn = (xp.asarray(x, gradient) for x in (np.eye(n), draw))
    here, elsewhere = loss(means, eye), loss(means, drawn)
    spread = xp.abs(elsewhere - here)
    spread = xp.where(spread < math.inf, spread, 0 * here)
    gauge_tol = gauge.tolerance(gauge_tol, xp.dtype(values))
    turned = xp.qr(xp.cast(tied, gradient) * drawn)
    size = xp.max(xp.abs(means))
    # Not here, where a loss at its minimum may happen to be computed without an error.
    dmeans, dturned = xp.cotangents(loss, means, turned)
    noise = finest * (size * xp.sum(xp.abs(dmeans)) + xp.sum(xp.abs(dturned)))
    noise = xp.where(noise < math.inf, noise, 0 * here)
    # Two given signs differ in one of them, and one given sign is negative in one.
    signs = [1 - 2 * (np.arange(1, n + 1) >> bit & 1) for bit in range(n.bit_length())]
    signs = [draw[0] / np.abs(draw[0])] if is_complex else signs
    changes = [xp.abs(loss(means, turned * xp.asarray(x, gradient)) - here) for x in signs]
    worst = functools.reduce(xp.maximum, changes)
    limit = gauge_tol * spread + 64 * finest * xp.abs(here) + noise
    bad = ~(worst <= limit) & (xp.abs(here) < math.inf)
    gradient = _refuse(xp, gradient, bad, worst, limit, tied, gauge.VARIES, symbol)

    block = xp.cast(tied, inner) * (inner + xp.adjoint(inner)) / 2
    diagonal = xp.sum(turned.conj() * (block @ turned), axis=-2)
    worst = xp.max(xp.abs(diagonal - xp.cast(dmeans, diagonal)))
    # What the width of the clusters changes, which a caller may have made large.
    width = xp.max(xp.abs(dvalues - xp.cotangents(loss, means, eye)[0]))
    # How large a cotangent is where the loss is not at its minimum.
    apart = means + xp.where(size > 0, size, 1 + size) * (1 + xp.positions(means)) / n
    usual = xp.max(xp.abs(xp.cotangents(loss, apart, drawn)[0]))
    usual = xp.where(usual < math.inf, usual, 0 * usual)
    largest = xp.maximum(xp.max(xp.abs(block)), xp.max(xp.abs(dmeans)))
    limit = (gauge_tol + 8 * finest) * largest + 8 * width + 64 * finest * usual
    limit = limit + gauge_tol * xp.max(xp.abs(dturned)) / xp.where(size > 0, size, 1 + size)
    return _refuse(xp, gradient, worst > limit, worst, limit, tied, gauge.SPREAD, symbol)


def _refuse(
    xp: rules.Namespace,
    gradient: rules.Tensor,
    bad: rules.Tensor,
    worst: rules.Tensor,
    limit: rules.Tensor,
    tied: rules.Tensor,
    fault: str,
    symbol: str,
) -> rules.Tensor:
    """Return the gradient, as NaN where nobody knows whether it is bad, unless it is."""
    known = xp.known(bad)
    if known is None:
        return xp.where(bad, math.nan, gradient)
    if known:
        pairs = [*map(tuple, np.argwhere(np.triu(xp.known(tied), 1))), (0, 0)]
        size, allowed = float(xp.known(worst)), float(xp.known(limit))
        equal = f"; {gauge.names(symbol, *pairs[0])} count as equal" if len(pairs) > 1 else ""
        raise gauge.GaugeError(
            f"{fault}: by {size:.1e}, allowed {allowed:.1e}{equal}", pairs[0], size, allowed
        )
    return gradient


def eigh_pullback(
    xp: rules.Namespace,
    values: rules.Tensor,
    vectors: rules.Tensor,
    loss: Loss,
    rtol: float | None,
    gauge_tol: float | None,
) -> rules.Tensor:
    """Gradient of a loss of the eigenvalues and eigenvectors.

    Parameters
    ----------
    xp : namespace
    values, vectors : (n,) and (n, n) arrays
        As ``xp.eigh`` returns them.
    loss : callable
        ``loss(values, vectors)``, real.
    rtol : float or None
        Eigenvalues this close, relative to the largest in modulus, are one cluster; by default
        `spectralgrad.theory.spectrum.default_rtol`.
    gauge_tol : float or None
        By how much the loss may differ between two bases, relative to what it changes if all
        vectors are turned together; by default √eps. ``inf`` leaves out the trials.

    Returns
    -------
    (n, n) array
        Hermitian. The loss is differentiated at most n + 4 times, 2n + 4 times if it is complex,
        and evaluated at most ⌈log₂(n + 1)⌉ + 2 times more.

    Raises
    ------
    GaugeError
        If the loss depends on the basis.
    """
    finest = rules.tolerance(xp, (vectors,), values, None)
    tied = _tied(xp, values, finest if rtol is None else rtol)
    dvalues, dvectors = xp.cotangents(loss, values, vectors)
    turns = xp.adjoint(vectors) @ dvectors
    inner = _inner(
        xp,
        values,
        tied,
        (turns - xp.adjoint(turns)) / 2,
        finest * xp.max(xp.abs(dvectors)),
        finest,
        lambda at, rotation: xp.cotangents(loss, at, vectors @ rotation)[0],
    )
    inner = inner + xp.asarray(np.eye(len(values)), inner) * xp.cast(dvalues, inner)
    return _require_invariance(
        xp,
        vectors @ inner @ xp.adjoint(vectors),
        inner,
        lambda at, rotation: loss(at, vectors @ rotation),
        values,
        dvalues,
        tied,
        finest,
        gauge_tol,
        "λ",
    )


def svd_pullback(
    xp: rules.Namespace,
    u: rules.Tensor,
    s: rules.Tensor,
    vh: rules.Tensor,
    loss: Loss,
    rtol: float | None,
    gauge_tol: float | None,
) -> rules.Tensor:
    """Gradient of a loss of the singular values and the thin singular vectors, at full rank.

    Parameters
    ----------
    xp : namespace
    u, s, vh : (m, k), (k,) and (k, n) arrays
        As ``xp.svd`` returns them.
    loss : callable
        ``loss(u, s, vh)``, real.
    rtol, gauge_tol : float or None
        As for `eigh_pullback`.

    Returns
    -------
    (m, n) array

    Raises
    ------
    GaugeError
        If the loss depends on the basis, or a singular value counts as zero.
    """
    v = xp.adjoint(vh)
    finest = rules.tolerance(xp, (u, v), s, None)
    tied = _tied(xp, s, finest if rtol is None else rtol)
    du, ds, dvh = xp.cotangents(loss, u, s, vh)
    left, right = xp.adjoint(u) @ du, vh @ xp.adjoint(dvh)
    left, right = (left - xp.adjoint(left)) / 2, (right - xp.adjoint(right)) / 2
    inner = _inner(
        xp,
        s,
        tied,
        left + right,
        finest * xp.maximum(xp.max(xp.abs(du)), xp.max(xp.abs(dvh))),
        finest,
        lambda at, q: xp.cotangents(loss, u @ q, at, xp.adjoint(v @ q))[1],
    )
    inner = inner + (left - right) / xp.cast(s[None, :] + s[:, None], u)
    inner = inner + xp.asarray(np.eye(len(s)), u) * xp.cast(ds, u)
    gradient = u @ inner @ vh
    if u.shape[0] > len(s):
        gradient = gradient + (du - u @ (xp.adjoint(u) @ du)) / xp.cast(s, u) @ vh
    if v.shape[0] > len(s):
        gradient = gradient + u @ ((dvh - (dvh @ v) @ vh) / xp.cast(s, u)[:, None])
    gradient = rules.require_open(xp, gradient, s, (u, v), (len(s) - 1, None), finest)
    return _require_invariance(
        xp,
        gradient,
        inner,
        lambda at, q: loss(u @ q, at, xp.adjoint(v @ q)),
        s,
        ds,
        tied,
        finest,
        gauge_tol,
        "σ",
    )
