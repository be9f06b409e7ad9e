"""Any loss of eigenvectors or singular vectors that does not depend on their basis, also at ties.

One pullback leaves open how the gradient acts within a cluster of equal values; pullbacks in bases
in which the vectors of the cluster are mixed in pairs supply it. `spectralgrad.eigen.invariant_vjp`
derives this and, in NumPy, also tests that the loss does not depend on the basis; here it is taken
for granted.

Array code of any framework, as in `spectralgrad.recipes.rules`. The namespace ``xp`` has moreover

``asarray(x, like)``
    a NumPy array as one of the framework, with the dtype of another;
``none(x)``
    whether x is known to have no entry that is true. Under ``jit`` nothing is known.
"""

from collections.abc import Callable, Sequence

import numpy as np

from spectralgrad.recipes import rules


def _clusters(
    xp: rules.Namespace, values: rules.Tensor, rtol: float | None
) -> tuple[rules.Tensor, rules.Tensor]:
    """Which values belong together, as a matrix of ones and zeros; and their means."""
    n = values.shape[-1]
    rtol = xp.eps(values) ** 0.5 if rtol is None else rtol
    distances = xp.abs(values[1:] - values[:-1])
    apart = xp.cast(distances > rtol * xp.max(xp.abs(values)), values)
    label = xp.asarray(np.tri(n, n - 1, -1), values) @ apart
    same = xp.cast(label[:, None] == label[None, :], values)
    return same, same @ values / xp.sum(same, axis=-1)


def _within(
    xp: rules.Namespace,
    same: rules.Tensor,
    like: rules.Tensor,
    cotangents: Callable[[rules.Tensor], rules.Tensor],
) -> rules.Tensor:
    """The Hermitian part of the gradient within the clusters, but for its diagonal.

    ``cotangents(rotation)`` gives the cotangent of the values, clusters merged, in a rotated basis.
    """
    n = same.shape[-1]
    eye = np.eye(n)
    total = xp.cast(0 * same, like)
    # Pairs whose numbers have the same sum modulo n: each pair is in one of n rounds.
    for partner in [(r - np.arange(n)) % n for r in range(n)]:
        upper = np.arange(n) < partner
        swap = eye[partner] * (1 - eye)
        paired = xp.sum(xp.asarray(swap, same) * same, axis=-1) > 0
        if xp.none(paired):
            continue
        for phase in (1, 1j) if xp.is_complex(like) else (1,):
            mixed = np.where(upper, 1, -phase) * eye + np.where(upper, phase, 1) * swap
            rotation = xp.where(paired, xp.asarray(mixed / np.sqrt(2), like), xp.asarray(eye, like))
            diagonal = cotangents(rotation)
            half = (diagonal[:, None] - diagonal[None, :]) / 2
            half = xp.cast(half * same * xp.asarray(np.triu(swap), same), like)
            # A complex number of NumPy would widen the dtype.
            total = total + phase.conjugate() * half + phase * half.mT
    return total


def eigh_pullback(
    xp: rules.Namespace,
    values: rules.Tensor,
    vectors: rules.Tensor,
    cotangents: Callable[..., Sequence[rules.Tensor]],
    rtol: float | None,
) -> rules.Tensor:
    """Gradient of a loss of the eigenvalues and eigenvectors.

    Parameters
    ----------
    xp : namespace
    values, vectors : (n,) and (n, n) arrays
        As ``xp.eigh`` returns them.
    cotangents : callable
        ``cotangents(values, vectors)``: the loss's cotangents (λ̄, V̄).
    rtol : float or None
        Eigenvalues this close, relative to the largest in modulus, count as equal; by default the
        square root of eps.

    Returns
    -------
    (n, n) array
        Hermitian. Where eigenvalues that count as equal are not quite, it has an error of the order
        of their distance; where they are a little farther apart, of the order of eps/rtol. The loss
        is differentiated at most n + 1 times, 2n + 1 times if it is complex.
    """
    same, merged = _clusters(xp, values, rtol)
    dvalues, dvectors = cotangents(values, vectors)
    turns = xp.adjoint(vectors) @ dvectors
    gap = values[None, :] - values[:, None]
    inverse = (1 - same) / xp.where(same > 0, xp.ones_like(gap), gap)
    inner = xp.cast(inverse, turns) * (turns - xp.adjoint(turns)) / 2
    inner = inner + xp.asarray(np.eye(len(values)), turns) * xp.cast(dvalues, turns)
    inner = inner + _within(
        xp, same, vectors, lambda rotation: cotangents(merged, vectors @ rotation)[0]
    )
    return vectors @ inner @ xp.adjoint(vectors)


def svd_pullback(
    xp: rules.Namespace,
    u: rules.Tensor,
    s: rules.Tensor,
    vh: rules.Tensor,
    cotangents: Callable[..., Sequence[rules.Tensor]],
    rtol: float | None,
) -> rules.Tensor:
    """Gradient of a loss of the singular values and the thin singular vectors, at full rank.

    Parameters
    ----------
    xp : namespace
    u, s, vh : (m, k), (k,) and (k, n) arrays
        As ``xp.svd`` returns them.
    cotangents : callable
        ``cotangents(u, s, vh)``: the loss's cotangents.
    rtol : float or None
        Singular values this close, relative to the largest, count as equal; by default the square
        root of eps.

    Returns
    -------
    (m, n) array
        Not finite, or without meaning, where a singular value is zero.
    """
    same, merged = _clusters(xp, s, rtol)
    v = xp.adjoint(vh)
    du, ds, dvh = cotangents(u, s, vh)
    left, right = xp.adjoint(u) @ du, vh @ xp.adjoint(dvh)
    left, right = (left - xp.adjoint(left)) / 2, (right - xp.adjoint(right)) / 2
    gap, total = s[None, :] - s[:, None], s[None, :] + s[:, None]
    inverse = (1 - same) / xp.where(same > 0, xp.ones_like(gap), gap)
    inner = xp.cast(inverse, u) * (left + right) + xp.cast(1 / total, u) * (left - right)
    inner = inner + xp.asarray(np.eye(len(s)), u) * xp.cast(ds, u)
    inner = inner + _within(
        xp,
        same,
        u,
        lambda rotation: cotangents(u @ rotation, merged, xp.adjoint(v @ rotation))[1],
    )
    gradient = u @ inner @ vh
    if u.shape[0] > len(s):
        gradient = gradient + (du - u @ (xp.adjoint(u) @ du)) / xp.cast(s, u) @ vh
    if v.shape[0] > len(s):
        gradient = gradient + u @ ((dvh - (dvh @ v) @ vh) / xp.cast(s, u)[:, None])
    return gradient
