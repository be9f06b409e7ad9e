"""Eigenvalues, selected vectors and projectors, also of the generalised problem, and `pinv`.

A vector's derivatives are written with the resolvent of the others, from the factors (Nelson 1976
for the first). An n × n matrix is multiplied by vectors only.

Parameters that mean the same in the whole module: ``index`` counts the values from 0, or from the
end if it is negative. ``like`` is a vector with which the result has a positive inner product; it
gets no gradient, and without it the sign or phase is that of the decomposition. ``b``, a stack of
Hermitian positive definite matrices, makes the problem A v = λ B v, with vᴴ B v = 1 and a gradient
in B too; of A and B the Hermitian part counts.
"""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from spectralgrad.recipes import hermitian, rules, singular
from spectralgrad.recipes.rules import Factors, Namespace, Option, Options, Rule, Tensor
from spectralgrad.theory import spectrum


def inner(xp: Namespace, y: Tensor, z: Tensor) -> Tensor:
    """Re⟨y, z⟩, as a factor of vectors."""
    return xp.cast(xp.sum(xp.real(xp.conj(y) * z), axis=-1), y)[..., None]


def outer(xp: Namespace, y: Tensor, z: Tensor) -> Tensor:
    """The Hermitian part of y zᴴ."""
    return xp.hermitian_part(xp.pairs(y)[0] * xp.pairs(xp.conj(z))[1])


def own(xp: Namespace, factors: Factors, options: Options) -> tuple[Tensor, Callable[..., Tensor]]:
    """The vector vᵢ, and how to multiply with R = Σₖ vₖ vₖᴴ/(λᵢ − λₖ) over the others."""
    values, v, index = *factors[:2], options[0]
    index = rules.place_of(values.shape[-1], index)

    def resolve(y: Tensor) -> Tensor:
        gap = values[..., index : index + 1] - values
        weights = xp.inverse(gap, gap != 0)
        return xp.apply(v, xp.times(weights, xp.apply(xp.adjoint(v), y)))

    return v[..., :, index], resolve


def _vector(xp: Namespace, factors: Factors, options: Options, *directions: Tensor) -> Tensor:
    x, resolve = own(xp, factors, options)
    along = [xp.apply(xp.hermitian_part(d), x) for d in directions]
    moved = [resolve(y) for y in along]
    if len(moved) < 2:
        # PyTorch's forward mode takes no view of a factor.
        return moved[0] if moved else 1 * x
    both = sum(
        xp.apply(xp.hermitian_part(d), y) - inner(xp, x, slope) * y
        for d, y, slope in zip(directions, reversed(moved), along, strict=True)
    )
    return resolve(both) - inner(xp, *moved) * x


def _cotangent(
    xp: Namespace, factors: Factors, options: Options, cotangent: Tensor, *directions: Tensor
) -> Tensor:
    x, resolve = own(xp, factors, options)
    y = resolve(cotangent)
    if not directions:
        return outer(xp, y, x)
    (d,) = map(xp.hermitian_part, directions)
    along = xp.apply(d, x)
    moved = resolve(along)
    turned = xp.apply(d, y) - inner(xp, x, along) * y - inner(xp, cotangent, x) * moved
    return outer(xp, resolve(turned) - inner(xp, y, moved) * x, x) + outer(xp, y, moved)


def _of_eigenvector(xp: Namespace, values: Tensor, index: int, rtol: Option = None) -> None:
    """The options."""


def _beside(n: int, index: int, rtol: float) -> list[rules.Pair]:
    # The eigenvalues ascend.
    return [(j, i) for i, j in singular.beside(n, index)]


_EIGENVECTOR = Rule(hermitian.decompose, _vector, _of_eigenvector, "λ", _beside, pull=_cotangent)
#: Of AᴴA, with σ², V and σ, which are not computed from it.
_KERNEL = replace(
    _EIGENVECTOR,
    symbol="σ",
    cut=lambda n, index, rtol: [*singular.beside(n, index)],
    values=lambda xp, factors: factors[2],
)


def pinv(xp: Namespace, matrix: Tensor, rtol: Option = None) -> Tensor:
    """The Moore-Penrose inverse; its derivative along matrices of the same rank.

    By the formula of Golub and Pereyra (1973).
    """
    return xp.adjoint(rules.apply(xp, singular.adjoint_pinv, matrix, rtol))


def projector(
    xp: Namespace, matrix: Tensor, rank: int, rtol: Option = None, *, b: Option = None
) -> Tensor:
    """The projector on the eigenvectors of the r largest eigenvalues, V Vᴴ, or V Vᴴ B.

    Fᵢⱼ = 1/|λᵢ − λⱼ| between one of these and another one, and 0 otherwise. Where λₙ₋ᵣ₊₁ and λₙ₋ᵣ
    count as equal there is no derivative.

    Parameters
    ----------
    rank : int
        r, from 0 to n.
    """
    (a, back, inverse), n = whitened(xp, matrix, b), matrix.shape[-1]
    if rank > n:
        raise ValueError(f"rank: {rank} will not do for a matrix of {n} rows; give 0 to {n}")
    p = rules.apply(xp, hermitian.projector, a, rank, rtol)
    # V Vᴴ B = W P W⁻¹.
    return p if b is None else back(p @ inverse)


def eigenvector(
    xp: Namespace,
    matrix: Tensor,
    index: int,
    rtol: Option = None,
    *,
    like: Option = None,
    b: Option = None,
) -> Tensor:
    """A unit eigenvector, (..., n), of an eigenvalue that is simple.

    Where another one counts as equal to it there is no derivative.
    """
    a, back, _ = whitened(xp, matrix, b)
    x = rules.apply(xp, _EIGENVECTOR, a, index, rtol)
    return towards(xp, x if b is None else back(x[..., None])[..., 0], like)


def null_vector(
    xp: Namespace, matrix: Tensor, rtol: Option = None, *, like: Option = None
) -> Tensor:
    """The unit vector v, (..., n), for which ‖A v‖ is least.

    It is the right singular vector of the smallest singular value, or of 0 if there are more
    columns than rows. Where the next one counts as equal to it there is no derivative.
    """
    m, n = rules.sizes(matrix)
    _, s, vh = xp.svd(xp.stop(matrix), n > m)
    if n > m:
        s = xp.concatenate([s, xp.zeros_like(xp.real(vh[..., m:, 0]))], -1)
    if rtol is None:
        rtol = spectrum.default_rtol((m, n), xp.dtype(s), singular=True)
    gram, factors = xp.adjoint(matrix) @ matrix, (s**2, xp.adjoint(vh), s)
    return towards(xp, rules.of_factors(xp, _KERNEL, gram, factors, n - 1, rtol), like)


def singular_vectors(
    xp: Namespace, matrix: Tensor, index: int, rtol: Option = None, *, like: Option = None
) -> Factors:
    """Unit vectors u and v with A v = σ u, (..., m) and (..., n), of a simple singular value σ > 0.

    Where another one, or 0, counts as equal to it there is no derivative. ``like`` is for v.
    """
    factors = singular.decompose(xp, xp.stop(matrix))
    term = rules.of_factors(xp, singular.one_term, matrix, factors, index, rtol)
    u = xp.apply(term, xp.conj(factors[2][..., index, :]))
    u = u / xp.cast(xp.sqrt(xp.sum(xp.real(u * xp.conj(u)), axis=-1)), u)[..., None]
    v = towards(xp, xp.apply(xp.adjoint(term), u), like)
    return xp.apply(term, v), v


def _distances(xp: Namespace, values: Tensor, v: Tensor) -> Tensor:
    """1/(λᵢ − λₖ), NaN where they are tied, and 0 for i = k."""
    one, other = xp.pairs(values)
    gap, limit = one - other, spectrum.default_rtol(v.shape, xp.dtype(values)) * xp.largest(values)
    found = xp.inverse(gap, xp.abs(gap) > limit[..., None], math.nan)
    return xp.where(~xp.is_diagonal(values), found, 0)


def _move(xp: Namespace, factors: Factors, _: Options, *directions: Tensor) -> Tensor:
    values, v = factors
    if not directions:
        return 1 * values
    if len(directions) == 1:
        (d,) = map(xp.hermitian_part, directions)
        return xp.sum(xp.real(xp.conj(v) * (d @ v)), axis=-2)
    d, e = (xp.adjoint(v) @ xp.hermitian_part(x) @ v for x in directions)
    return 2 * xp.sum(_distances(xp, *factors) * xp.real(d * xp.conj(e)), axis=-1)


def _pull(
    xp: Namespace, factors: Factors, _: Options, cotangent: Tensor, *directions: Tensor
) -> Tensor:
    v = factors[1]
    if not directions:
        return xp.times(cotangent[..., None, :], v) @ xp.adjoint(v)
    one, other = xp.pairs(cotangent)
    counts = (one != 0) | (other != 0)
    table = xp.where(counts, (one - other) * _distances(xp, *factors), 0)
    return hermitian.first_derivative(xp, v, table, *map(xp.hermitian_part, directions))


_VALUES = replace(hermitian.expm, formula=_move, pull=_pull, always=rules.ORDERS)


def eigvalsh(xp: Namespace, matrix: Tensor, *, b: Option = None) -> Tensor:
    """The eigenvalues, ascending, (..., n).

    Their first derivatives serve every loss in which equal values count alike, and their second
    ones, 2 Σ |Dᵢₖ|²/(λᵢ − λₖ), those of values that are simple; of a value that counts as tied they
    are not finite. ``trace_function`` has them there.
    """
    return rules.apply(xp, _VALUES, whitened(xp, matrix, b)[0])


def towards(xp: Namespace, x: Tensor, like: Option) -> Tensor:
    """A vector with the sign or phase of another one, if that is given."""
    if like is None:
        return x
    like = xp.array(like)
    if xp.is_complex(like) and not xp.is_complex(x):
        raise ValueError("like is complex, and the vector is real")
    if like.shape[-1] != x.shape[-1]:
        raise ValueError(f"like has {like.shape[-1]} entries, and the vector {x.shape[-1]}")
    inner = xp.sum(xp.conj(x) * xp.stop(xp.cast(like, x)), axis=-1)
    known = xp.known(xp.abs(xp.stop(inner)))
    if known is not None and (known == 0).any():
        raise ValueError("like is orthogonal to the vector, and says nothing of its sign")
    return x * (inner / xp.cast(xp.sqrt(xp.real(inner * xp.conj(inner))), inner))[..., None]


def whitened(xp: Namespace, matrix: Tensor, b: Option) -> tuple[Tensor, Any, Any]:
    """Wᴴ A W, the function A ↦ W A, and W⁻¹, with Wᴴ B W = 1; without B, A."""
    hermitian.require_square(matrix)
    if b is None:
        return matrix, None, None
    b = xp.wide(xp.array(b))
    sizes = (" × ".join(map(str, x.shape[-2:])) for x in (matrix, b))
    for what, one, other in (("size", *sizes), ("dtype", matrix.dtype, b.dtype)):
        if one != other:
            raise ValueError(f"A is {one} and B is {other}: they have to have the same {what}")
    solve, back, inverse = xp.whitener(xp.hermitian_part(b))
    # Of the adjoint, which has the same Hermitian part.
    return solve(xp.adjoint(solve(matrix))), back, inverse
