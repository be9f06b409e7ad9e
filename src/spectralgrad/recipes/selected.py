"""Eigenvalues, selected vectors and projectors, also of the generalised problem, and `pinv`.

Vectors and values are written as what a small change of the matrix makes of them, to second order
(Nelson 1976 for the first): the change is 0, and only its derivatives are not. So no term is
divided by a distance that does not belong to it, and none is left of a pseudo-inverse that would
keep a zero up to rounding; an n × n matrix is multiplied by vectors only.

Parameters that mean the same in the whole module: ``index`` counts the values from 0, or from the
end if it is negative. ``like`` is a vector with which the result has a positive inner product; it
gets no gradient, and without it the sign or phase is that of the decomposition. ``b``, a stack of
Hermitian positive definite matrices, makes the problem A v = λ B v, with vᴴ B v = 1 and a gradient
in B too; of A and B the Hermitian part counts.
"""

import math

from spectralgrad.recipes import hermitian, rules, singular
from spectralgrad.recipes.rules import Cut, Factors, Namespace, Option, Options, Pair, Rule, Tensor
from spectralgrad.theory import spectrum


def pinv(xp: Namespace, matrix: Tensor, rtol: Option = None) -> Tensor:
    """The Moore-Penrose inverse; its derivative along matrices of the same rank.

    That is the formula of Golub and Pereyra (1973).
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
    a, w = whitened(xp, matrix, b)
    p = rules.apply(xp, hermitian.projector, a, rank, rtol)
    # V Vᴴ B = W P W⁻¹, and W⁻¹ = Wᴴ B.
    return p if w is None else w @ p @ xp.adjoint(w) @ xp.hermitian_part(xp.wide(xp.array(b)))


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
    fixed, (a, w) = constant(xp, like, matrix), whitened(xp, matrix, b)
    a = xp.hermitian_part(a)
    values, v = hermitian.decompose(xp, xp.stop(a))
    n = values.shape[-1]
    index = rules.place_of(n, index)
    rtol = hermitian.default_rtol(xp, (values, v)) if rtol is None else rtol
    pairs: list[Pair] = [(i + 1, i) for i in (index - 1, index) if 0 <= i < n - 1]
    shut = rules.closed(xp, values, pairs, rtol, "λ", refuse=xp.learns(a) is not False)
    x = moved(xp, a, values, v, index, shut)
    return towards(xp, x if w is None else xp.apply(w, x), fixed)


def null_vector(
    xp: Namespace, matrix: Tensor, rtol: Option = None, *, like: Option = None
) -> Tensor:
    """The unit vector v, (..., n), for which ‖A v‖ is least.

    It is the right singular vector of the smallest singular value, or of 0 if there are more
    columns than rows. Where the next one counts as equal to it there is no derivative.
    """
    fixed, (m, n) = constant(xp, like, matrix), matrix.shape[-2:]
    rules.require_sizes(m, n)
    _, s, vh = xp.svd(xp.stop(matrix), n > m)
    if n > m:
        s = xp.concatenate([s, xp.zeros_like(xp.real(vh[..., m:, 0]))], -1)
    if rtol is None:
        rtol = spectrum.default_rtol((m, n), xp.dtype(s), singular=True)
    pairs: list[Pair] = [(n - 2, n - 1)] if n > 1 else []
    shut = rules.closed(xp, s, pairs, rtol, "σ", refuse=xp.learns(matrix) is not False)
    # Of AᴴA, whose eigenvalues and eigenvectors are not computed from it.
    gram = xp.adjoint(matrix) @ matrix
    return towards(xp, moved(xp, gram, s**2, xp.adjoint(vh), n - 1, shut), fixed)


def moved(
    xp: Namespace, a: Tensor, values: Tensor, v: Tensor, index: int, shut: Tensor | None
) -> Tensor:
    """The eigenvector vᵢ of A, of which the eigenvalues and the eigenvectors V are known.

    With R = Σₖ vₖ vₖᴴ/(λᵢ − λₖ) over the others, and ⟨vᵢ, v⟩ = 1 until the end,
    v = vᵢ + R (D v − v vᵢᴴ D vᵢ) for A + D, of which two steps from vᵢ are taken. It has no
    derivative where its value is ``shut`` in by another one.
    """
    change, own = a - xp.stop(a), v[..., :, index]
    gap = values[..., index : index + 1] - values
    others = xp.positions(gap) != index
    weights = xp.divide(1 + 0 * gap, gap, others, 0 * gap)

    def resolve(x: Tensor) -> Tensor:
        return xp.apply(v, xp.times(weights, xp.apply(xp.adjoint(v), x)))

    along = xp.apply(change, own)
    step = resolve(along)
    slope = xp.sum(xp.conj(own) * along, axis=-1)[..., None]
    second = resolve(xp.apply(change, step) - slope * step)
    x = own + step + second + edge(xp, along, shut if shut is None else shut[..., None], 1)
    return x / xp.cast(xp.sqrt(xp.sum(xp.real(x * xp.conj(x)), axis=-1)), x)[..., None]


def edge(xp: Namespace, zeros: Tensor, where: Tensor | None, order: int) -> Tensor:
    """Zeros with two derivatives, which are 0, and no third.

    Where that is asked for there are fewer: from an order on they are NaN.
    """
    where = xp.real(zeros) != 0 if where is None else where
    return xp.primitive(_EDGE, (order,), zeros, (where, xp.stop(zeros)))


def _edge(xp: Namespace, factors: Factors, options: Options, *directions: Tensor) -> Tensor:
    where, zeros = factors
    zeros = 0 * (sum(directions) if directions else zeros)
    if len(directions) < options[0]:
        return zeros
    return xp.where(where, math.nan * xp.ones_like(zeros), zeros)


def _nowhere(xp: Namespace, factors: Factors, options: Options) -> Cut:
    return factors[1], []


_EDGE = Rule(hermitian.decompose, _edge, _edge, _nowhere, hermitian.default_rtol, "λ")


def eigvalsh(xp: Namespace, matrix: Tensor, *, b: Option = None) -> Tensor:
    """The eigenvalues, ascending, (..., n).

    Their first derivatives serve every loss in which equal values count alike, and their second
    ones, 2 Σ |Dᵢₖ|²/(λᵢ − λₖ), those of values that are simple; of a value that counts as tied they
    are not finite. ``trace_function`` has them there.
    """
    a, _ = whitened(xp, matrix, b)
    a = xp.hermitian_part(a)
    values, v = hermitian.decompose(xp, xp.stop(a))
    change = xp.adjoint(v) @ ((a - xp.stop(a)) @ v)
    one, other = xp.pairs(values)
    gap, limit = one - other, hermitian.default_rtol(xp, (values, v)) * xp.largest(values)
    apart = xp.abs(gap) > limit[..., None]
    weights = xp.divide(1 + 0 * gap, gap, apart, 0 * gap)
    second = xp.sum(weights * xp.real(change * xp.conj(change)), axis=-1)
    tied = xp.sum(xp.cast(~apart, values), axis=-1) > 1
    first = xp.real(xp.diagonal(change))
    return values + first + second + edge(xp, first, tied, 2)


def singular_vectors(
    xp: Namespace, matrix: Tensor, index: int, rtol: Option = None, *, like: Option = None
) -> Factors:
    """Unit vectors u and v with A v = σ u, (..., m) and (..., n), of a simple singular value σ > 0.

    Where another one, or 0, counts as equal to it there is no derivative. ``like`` is for v.
    """
    fixed = constant(xp, like, matrix)
    term, (_, _, vh) = rules.applied(xp, singular.one_term, matrix, index, rtol)
    u = xp.apply(term, xp.conj(vh[..., index, :]))
    u = u / xp.cast(xp.sqrt(xp.sum(xp.real(u * xp.conj(u)), axis=-1)), u)[..., None]
    v = towards(xp, xp.apply(xp.adjoint(term), u), fixed)
    return xp.apply(term, v), v


def towards(xp: Namespace, x: Tensor, like: Tensor | None) -> Tensor:
    """A vector with the sign or phase of another one, if that is given."""
    if like is None:
        return x
    inner = xp.sum(xp.conj(x) * like, axis=-1)
    known = xp.known(xp.abs(xp.stop(inner)))
    if known is not None and (known == 0).any():
        raise ValueError("like is orthogonal to the vector, and says nothing of its sign")
    return x * (inner / xp.cast(xp.sqrt(xp.real(inner * xp.conj(inner))), inner))[..., None]


def constant(xp: Namespace, like: Option, matrix: Tensor) -> Tensor | None:
    """A vector without derivatives, as long as the rows of a matrix, and in its dtype."""
    if like is None:
        return None
    if xp.is_complex(xp.array(like)) and not xp.is_complex(matrix):
        raise ValueError("like is complex, and the vector is real")
    fixed = xp.stop(xp.cast(xp.array(like), matrix))
    if fixed.shape[-1] != matrix.shape[-1]:
        raise ValueError(f"like has {fixed.shape[-1]} entries, and the vector {matrix.shape[-1]}")
    return fixed


def whitened(xp: Namespace, matrix: Tensor, b: Option) -> tuple[Tensor, Tensor]:
    """Wᴴ A W and W, with Wᴴ B W = 1; without B, A and None."""
    hermitian.require_square(matrix)
    if b is None:
        return matrix, None
    b = xp.wide(xp.array(b))
    if matrix.shape[-2:] != b.shape[-2:]:
        sizes = (" × ".join(map(str, x.shape[-2:])) for x in (matrix, b))
        raise ValueError("A is {} and B is {}: they have to have the same size".format(*sizes))
    if matrix.dtype != b.dtype:
        raise ValueError(
            f"A is {matrix.dtype} and B is {b.dtype}: they have to have the same dtype"
        )
    w = xp.whitener(xp.hermitian_part(b))
    return xp.adjoint(w) @ matrix @ w, w
