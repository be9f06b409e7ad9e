"""Gradients of the eigenvalues and eigenvectors of Hermitian matrices, from theory.

A gradient G of a loss L satisfies dL = Re⟨G, dA⟩ for every Hermitian dA, and is Hermitian itself:
the ``"symmetric"`` convention of `spectralgrad.theory.symmetric`. Cotangents follow the same rule,
dL = Σ λ̄ᵢ dλᵢ + Re⟨V̄, dV⟩. Nothing is defined by the choice of a sign, a phase, or a basis of
equal eigenvalues; what asks for it raises `spectralgrad.theory.gauge.GaugeError`.
"""

import operator
import reprlib
from collections.abc import Callable, Sequence

import numpy as np
import scipy.linalg
from numpy.typing import ArrayLike

from spectralgrad.theory import gauge, spectrum
from spectralgrad.theory.arrays import Array, as_finite, as_inexact
from spectralgrad.theory.symmetric import adjoint, hermitian_part, skew_part

# Rows of a product that are computed at once: few enough that little is computed twice, and enough
# for the matrix product of the library to be as fast as it is for large matrices.
BLOCK = 128


def eigvalsh_vjp(eigenvectors: ArrayLike, eigenvalues_cotangent: ArrayLike) -> Array:
    """Pull a cotangent of the eigenvalues back to the matrix: G = V diag(w) Vᴴ.

    For A = V diag(λ) Vᴴ with simple eigenvalues, dλᵢ = vᵢᴴ dA vᵢ, so that
    Σ wᵢ dλᵢ = ⟨V diag(w) Vᴴ, dA⟩. At a tie the formula is a gradient only if w is constant on
    the tied eigenvalues; otherwise it depends on the basis V
    (see `spectralgrad.theory.subgradient`).

    Parameters
    ----------
    eigenvectors : (..., n, n) array_like
        Orthonormal columns V, real or complex.
    eigenvalues_cotangent : (..., n) array_like
        Real weights w.

    Returns
    -------
    (..., n, n) numpy.ndarray
        The gradient in the ``"symmetric"`` convention.

    References
    ----------
    Magnus (1985), "On differentiating eigenvalues and eigenvectors", Theorem 1.
    """
    vectors = np.asarray(eigenvectors)
    weights = np.asarray(eigenvalues_cotangent)
    return _hermitian_product(vectors * weights[..., None, :], vectors)


def _hermitian_product(left: Array, right: Array) -> Array:
    """Return left @ rightᴴ where that is Hermitian: only blocks of one triangle are computed.

    The product has the shape and the dtype of the left factor, which is made from the right one.
    """
    right = adjoint(right)
    n = left.shape[-2]
    if n <= BLOCK:
        return hermitian_part(left @ right)
    product = np.empty(left.shape, left.dtype)
    for start in range(0, n, BLOCK):
        rows = slice(start, start + BLOCK)
        product[..., rows, : rows.stop] = left[..., rows, :] @ right[..., : rows.stop]
        product[..., rows, rows] = hermitian_part(product[..., rows, rows])
        product[..., :start, rows] = adjoint(product[..., rows, :start])
    return product


def weighted_sum_gradient(matrix: ArrayLike, weights: ArrayLike) -> Array:
    """Gradient of f(A) = Σ wᵢ λᵢ(A), eigenvalues ascending.

    Parameters
    ----------
    matrix : (..., n, n) array_like
        Hermitian; only the lower triangle is read.
    weights : (..., n) array_like
        Real.

    Returns
    -------
    (..., n, n) numpy.ndarray
        In the ``"symmetric"`` convention, in the dtype of the matrix (float64 if that is not
        inexact).

    Raises
    ------
    ValueError
        If the matrix is not finite.
    """
    matrix = as_finite(matrix)
    _, vectors = np.linalg.eigh(matrix)
    return eigvalsh_vjp(vectors, weights).astype(matrix.dtype, copy=False)


def select(index: int, n: int) -> Array:
    """Weights that pick out one eigenvalue.

    Parameters
    ----------
    index : int
        From 0, the smallest eigenvalue, to n − 1; negative ones count from the largest.
    n : int
        How many eigenvalues there are.

    Returns
    -------
    (n,) numpy.ndarray

    Raises
    ------
    ValueError
        If there is no such eigenvalue.
    """
    try:
        place = range(n)[operator.index(index)]
    except (TypeError, IndexError):
        place = None
    if place is None or isinstance(index, bool | np.bool_):
        raise ValueError(
            f"eigenvalue: there is no number {reprlib.repr(index)} among {n}; "
            f"choose from {-n} to {n - 1}"
        )
    weights = np.zeros(n)
    weights[place] = 1.0
    return weights


def eigh_vjp(
    eigenvalues: ArrayLike,
    eigenvectors: ArrayLike,
    eigenvalues_cotangent: ArrayLike,
    eigenvectors_cotangent: ArrayLike,
    *,
    rtol: float | None = None,
    gauge_tol: float | None = None,
) -> Array:
    """Pull cotangents of eigenvalues and eigenvectors back to the matrix.

    With S the skew-Hermitian part of VᴴV̄, the gradient is G = V (diag(λ̄) + K) Vᴴ, where
    Kᵢⱼ = Sᵢⱼ/(λⱼ − λᵢ), and 0 within a cluster.

    At a tie, one pair of cotangents does not determine the gradient of every loss. It does if the
    loss L(λ, V) is the same for all bases of the cluster whatever the values λ, as a sum of a
    symmetric function of the eigenvalues and a function of the projectors is. Others, such as
    tr(C A²), do not always show in the cotangents, and the answer may then be wrong without an
    error: use `function_vjp` or `invariant_vjp`.

    Parameters
    ----------
    eigenvalues : (..., n) array_like
        Ascending.
    eigenvectors : (..., n, n) array_like
        Orthonormal columns V, real or complex.
    eigenvalues_cotangent : array_like
        Real λ̄, broadcast to the shape of the eigenvalues: 0 if the loss does not use them.
    eigenvectors_cotangent : array_like
        V̄, with dL = Re⟨V̄, dV⟩, broadcast to the shape of the eigenvectors.
    rtol : float, optional
        Eigenvalues this close, relative to the largest in modulus, are equal; see
        `spectralgrad.theory.spectrum.default_rtol`.
    gauge_tol : float, optional
        What depends on the choice of basis, relative to the cotangents, must not exceed this; by
        default the square root of eps.

    Returns
    -------
    (..., n, n) numpy.ndarray
        The gradient in the ``"symmetric"`` convention, in the dtype of the eigenvectors.

    Raises
    ------
    GaugeError
        If the cotangents depend on the phase of an eigenvector, or on the basis of a cluster. A
        sign never shows in a cotangent, and a phase does not where the loss is stationary in it;
        `invariant_vjp` tries both.

    References
    ----------
    Magnus (1985), "On differentiating eigenvalues and eigenvectors", for dV; Giles
    (2008), "An extended collection of matrix derivative results", for the reverse mode.
    """
    values, vectors = as_inexact(eigenvalues), as_inexact(eigenvectors)
    finest = spectrum.default_rtol(vectors.shape, vectors.dtype)
    rtol = finest if rtol is None else rtol
    gauge_tol = gauge.tolerance(gauge_tol, vectors.dtype)
    same = _tied(spectrum.labels(values, rtol))
    dvalues, dvectors = _cotangents(
        values, vectors, (eigenvalues_cotangent, eigenvectors_cotangent)
    )
    turns = skew_part(adjoint(vectors) @ dvectors)
    allowed = gauge_tol * gauge.largest(gauge.largest(dvectors))
    allowed = allowed + gauge.slack(values, max(rtol, finest)) * gauge.largest(dvalues)
    gauge.require(np.abs(turns[same]), allowed, "λ", gauge.TURNED, places=same)
    *stack, i, j = same
    spread = np.abs(dvalues[*stack, i] - dvalues[*stack, j])
    allowed = gauge.per_value(allowed, values, dvalues, gauge_tol)
    gauge.require(spread, allowed, "λ", gauge.SPREAD, places=same)
    inner = _divide(turns, values, same)
    diagonal = np.arange(values.shape[-1])
    inner[..., diagonal, diagonal] = dvalues
    gradient = _hermitian_product(vectors @ inner, vectors)
    return gradient.astype(vectors.dtype, copy=False)


def _tied(labels: Array) -> tuple[Array, ...]:
    """Indices of the pairs in one cluster, each value with itself too."""
    if np.all(np.diff(labels)):
        *stack, i = np.indices(labels.shape).reshape(labels.ndim, -1)
        return *stack, i, i
    return np.nonzero(spectrum.same(labels))


def _cotangents(values: Array, vectors: Array, given: Sequence[ArrayLike]) -> tuple[Array, Array]:
    dvalues = np.broadcast_to(np.asarray(given[0]).real, values.shape)
    dvectors = np.broadcast_to(np.asarray(given[1]), vectors.shape)
    # Along a real dV, only the real part counts.
    return dvalues, dvectors if np.iscomplexobj(vectors) else dvectors.real


def _divide(turns: Array, values: Array, same: tuple[Array, ...]) -> Array:
    """Off the clusters, divide by λⱼ − λᵢ; within them, 0."""
    gaps = values[..., None, :] - values[..., :, None]
    gaps[same] = 1
    quotients: Array = turns / gaps
    quotients[same] = 0
    return quotients


def invariant_vjp(
    eigenvalues: ArrayLike,
    eigenvectors: ArrayLike,
    pullback: Callable[[Array, Array], Sequence[ArrayLike]],
    *,
    rtol: float | None = None,
    gauge_tol: float | None = None,
) -> Array:
    """Gradient of a loss L(λ, V) that does not depend on the basis of a cluster, at ties too.

    Where eigenvalues are equal, the pullback in one basis V_c of their span leaves the block
    M = V_cᴴ G V_c of the gradient open but for its diagonal, which is λ̄. The pullback in the basis
    V_c Q gives the diagonal of QᴴMQ. A few rotations Q determine M; then the answer is tried in
    bases drawn at random.

    Parameters
    ----------
    eigenvalues : (..., n) array_like
        Ascending.
    eigenvectors : (..., n, n) array_like
        Orthonormal columns V, real or complex.
    pullback : callable
        ``pullback(eigenvalues, eigenvectors)`` returns the cotangents ``(λ̄, V̄)`` of the loss, in
        the shapes of its arguments (or broadcast to them). With clusters of up to d eigenvalues it
        is called at most d + 2 + ⌈log₂(n + 1)⌉ times, 2d + 2 + ⌈log₂(n + 1)⌉ if V is complex: once
        with the eigenvalues as they are, and then with those of a cluster exactly equal.
    rtol : float, optional
        Eigenvalues this close, relative to the largest in modulus, are replaced by their mean. By
        default the square root of eps: for a loss that is smooth on the scale of the largest
        eigenvalue, what this neglects then balances the rounding errors of a division by the gap.
        A loss that varies faster needs a smaller one. Where
        `spectralgrad.theory.spectrum.default_rtol` is larger, in single precision above n = 362,
        it counts instead.
    gauge_tol : float, optional
        By how much the answers in two bases may differ, relative to the cotangents; by default the
        square root of eps. Where the cotangents are rounding errors and nothing else, as at a
        minimum of the loss, ``numpy.inf`` leaves out the trials.

    Returns
    -------
    (..., n, n) numpy.ndarray
        The gradient in the ``"symmetric"`` convention, in the dtype of the eigenvectors.

    Raises
    ------
    GaugeError
        If the loss depends on the basis: on the rotation of a cluster, on a phase, on the sign of a
        vector or the product of two signs. A product of three may pass unnoticed.
    ValueError
        If no `rtol` is given, and the loss is seen to vary too fast for the default.
    """
    values, vectors = as_inexact(eigenvalues), as_inexact(eigenvectors)
    finest = spectrum.default_rtol(vectors.shape, vectors.dtype)
    given, rtol = rtol, max(gauge.default_tol(vectors.dtype), finest) if rtol is None else rtol
    gauge_tol = gauge.tolerance(gauge_tol, vectors.dtype)
    labels = spectrum.labels(values, rtol)
    same, merged = _tied(labels), spectrum.merge(values, labels)
    is_complex, n = np.iscomplexobj(vectors), values.shape[-1]

    def pull(rotation: Array, at: Array = merged) -> tuple[Array, Array, Array]:
        basis = (vectors @ rotation).astype(vectors.dtype, copy=False)
        dvalues, dvectors = _cotangents(at, basis, pullback(at.copy(), basis))
        size = gauge.largest(gauge.largest(dvectors))
        allowed = gauge_tol * size + gauge.slack(at, finest) * gauge.largest(dvalues)
        turns = adjoint(vectors) @ gauge.turns(vectors, basis, dvectors)
        return dvalues, turns, allowed

    def compare(rotation: Array, dvalues: Array, other: Array, allowed: Array) -> None:
        expected = np.diagonal(adjoint(rotation) @ block @ rotation, axis1=-2, axis2=-1)
        missed = np.abs(expected - dvalues)[..., None] * eye
        largest = np.maximum(gauge.largest(block), np.abs(dvalues))
        tolerance = gauge.per_value(allowed, merged, largest, gauge_tol)
        gauge.require(missed, tolerance, "λ", gauge.VARIES)
        gauge.require(np.abs(other - turns), allowed, "λ", gauge.VARIES)

    eye = np.eye(n, dtype=values.dtype)
    unrotated = np.broadcast_to(eye, (*values.shape, n))
    diagonal, turns, allowed = pull(unrotated)
    gauge.require(np.abs(turns[same]), allowed, "λ", gauge.TURNED, places=same)
    unmerged = None
    if given is None and np.any(merged != values):
        unmerged = pull(unrotated, values)
    block = diagonal[..., None] * eye
    for rotation in gauge.mixtures(labels, is_complex=is_complex):
        dvalues, *others = pull(rotation)
        block = block + (rotation * dvalues[..., None, :]) @ adjoint(rotation) * (1 - eye)
        compare(rotation, dvalues, *others)
    for rotation in gauge.trials(labels, is_complex=is_complex):
        compare(rotation, *pull(rotation))
    if unmerged is not None:
        apart, turned, allowed = unmerged
        tolerance = gauge.per_value(allowed, values, apart, gauge_tol) / np.sqrt(gauge_tol)
        gauge.require_same(block, apart, turned, values, labels, tolerance, allowed, "λ")
    inner = block + _divide(turns, merged, same)
    gradient = _hermitian_product(vectors @ inner, vectors)
    return gradient.astype(vectors.dtype, copy=False)


def divided_differences(
    values: ArrayLike,
    function: Callable[[Array], ArrayLike],
    derivative: Callable[[Array], ArrayLike],
) -> Array:
    """Table of (g(λᵢ) − g(λⱼ))/(λᵢ − λⱼ), with g′(λᵢ) where the two are equal.

    The quotient loses digits as λᵢ and λⱼ come close; the mean of g′ over the interval between
    them, which is the same number, by Gauss's rule with six nodes, is inaccurate if they are far
    apart. Each entry is computed both ways where the rounding errors of the quotient matter, and
    the mean is taken if it differs from the rule with five nodes, and from the quotient, by no more
    than those.

    Parameters
    ----------
    values : (..., n) array_like
        Real.
    function, derivative : callable
        g and g′: real, elementwise on arrays, defined between the values too.

    Returns
    -------
    (..., n, n) numpy.ndarray
        In the dtype of the values (float64 if that is not inexact).

    References
    ----------
    Higham (2008), "Functions of Matrices", Theorem 3.11, for the table.
    """
    values = as_inexact(values)
    images, slopes = (
        np.broadcast_to(np.asarray(g(values), values.dtype), values.shape)
        for g in (function, derivative)
    )
    gaps = values[..., :, None] - values[..., None, :]
    equal = np.nonzero(gaps == 0)
    gaps[equal] = 1
    table: Array = (images[..., :, None] - images[..., None, :]) / gaps
    table[equal] = slopes[equal[:-1]]
    eps = np.finfo(values.dtype).eps
    sizes = eps * (np.abs(images) + np.abs(values * slopes))
    rounding = (sizes[..., :, None] + sizes[..., None, :]) / np.abs(gaps)
    close = rounding > 16 * eps * np.abs(table)
    close[equal] = False
    *stack, i, j = np.nonzero(close & np.tri(values.shape[-1], dtype=bool))
    start, length, quotients = values[*stack, j], gaps[*stack, i, j], table[*stack, i, j]
    means, rough = (_mean(derivative, start, length, nodes) for nodes in (6, 5))
    # Nodes that miss a steep part of g′ may agree with one another, but not with the quotient.
    doubt = np.maximum(np.abs(means - rough), np.abs(means - quotients) / 2)
    best = np.where(doubt <= rounding[*stack, i, j], means, quotients)
    table[*stack, i, j] = table[*stack, j, i] = best
    return table


def _mean(
    derivative: Callable[[Array], ArrayLike], start: Array, length: Array, nodes: int
) -> Array:
    """Mean of a function over intervals, by the Gauss-Legendre rule."""
    places, weights = np.polynomial.legendre.leggauss(nodes)
    places, weights = (x.astype(start.dtype) for x in ((1 + places) / 2, weights / 2))
    slopes = np.asarray(derivative(start[..., None] + length[..., None] * places), start.dtype)
    return np.broadcast_to(slopes, (*start.shape, nodes)) @ weights


def function_vjp(
    eigenvalues: ArrayLike,
    eigenvectors: ArrayLike,
    cotangent: ArrayLike,
    function: Callable[[Array], ArrayLike],
    derivative: Callable[[Array], ArrayLike],
) -> Array:
    """Gradient of Re⟨B, g(A)⟩ for g(A) = V diag(g(λ)) Vᴴ: exact at ties and near them.

    By the theorem of Daleckii and Krein, G = V (D ∘ VᴴBV) Vᴴ with the table D of divided
    differences of g.

    Parameters
    ----------
    eigenvalues : (..., n) array_like
    eigenvectors : (..., n, n) array_like
        Orthonormal columns V, real or complex.
    cotangent : (..., n, n) array_like
        B; only its Hermitian part counts, because g(A) is Hermitian.
    function, derivative : callable
        g and g′: real, elementwise on arrays, defined between the eigenvalues too.

    Returns
    -------
    (..., n, n) numpy.ndarray
        The gradient in the ``"symmetric"`` convention, in the dtype of the eigenvectors.

    References
    ----------
    Daleckii and Krein (1965); Higham (2008), "Functions of Matrices", Theorem 3.11.
    """
    vectors = as_inexact(eigenvectors)
    cotangent = hermitian_part(cotangent)
    # Along a real Hermitian dA, only the real part counts.
    cotangent = cotangent if np.iscomplexobj(vectors) else cotangent.real
    inner = _hermitian_product(adjoint(vectors) @ cotangent, adjoint(vectors))
    inner = divided_differences(eigenvalues, function, derivative) * inner
    return _hermitian_product(vectors @ inner, vectors).astype(vectors.dtype, copy=False)


def eigenvalue_gradient(
    matrix: ArrayLike, index: int = 0, *, rtol: float | None = None
) -> tuple[Array, Array]:
    """One eigenvalue and its gradient vvᴴ, without the full decomposition.

    Parameters
    ----------
    matrix : (..., n, n) array_like
        Hermitian and finite; LAPACK reads the lower triangle, the tolerance for ties both.
    index : int
        From 0, the smallest eigenvalue, to n − 1; negative ones count from the largest.
    rtol : float, optional
        A neighbour this close, relative to the Frobenius norm of the matrix, makes it a tie; see
        `spectralgrad.theory.spectrum.default_rtol`. The norm stands for the largest modulus, which
        would take all eigenvalues; it is at most √n times as large.

    Returns
    -------
    eigenvalue : (...) numpy.ndarray
    gradient : (..., n, n) numpy.ndarray
        In the ``"symmetric"`` convention, in the dtype of the matrix (float64 if that is not
        inexact).

    Raises
    ------
    GaugeError
        If the eigenvalue is tied with a neighbour; see `spectralgrad.theory.subgradient.eigvalsh`.
    ValueError
        If there is no such eigenvalue, or the matrix is not finite.

    References
    ----------
    Magnus (1985), "On differentiating eigenvalues and eigenvectors", Theorem 1.
    """
    matrix = as_finite(matrix)
    n = matrix.shape[-1]
    k = int(np.argmax(select(index, n)))
    rtol = spectrum.default_rtol(matrix.shape, matrix.dtype) if rtol is None else rtol
    # The neighbours tell whether there is a tie.
    first, last = max(k - 1, 0), min(k + 1, n - 1)
    value = np.empty(matrix.shape[:-2], matrix.real.dtype)
    gradient = np.empty_like(matrix)
    for place in np.ndindex(value.shape):
        # LAPACK wants columns, which are the rows of the transpose, and that has conjugate vectors.
        values, vectors = scipy.linalg.eigh(
            matrix[place].T, lower=False, subset_by_index=(first, last), check_finite=False
        )
        size = float(np.max(np.abs(matrix[place])))
        # The squares in a norm may overflow.
        tie = rtol * size * float(np.linalg.norm(matrix[place] / (size or 1.0)))
        _require_simple(values, k - first, tie, first)
        v = vectors[:, k - first]
        value[place], gradient[place] = values[k - first], np.outer(v.conj(), v)
    return value[()], gradient


def _require_simple(values: Array, k: int, tie: float | Array, first: int = 0) -> None:
    gaps = np.abs(values - values[k])
    gaps[k] = np.inf
    nearest = int(np.argmin(gaps))
    if len(gaps) > 1 and not gaps[nearest] > tie:
        pair = first + min(k, nearest), first + max(k, nearest)
        raise gauge.GaugeError(
            f"{gauge.names('λ', *pair)} are equal to a tolerance of {tie:.1e}: neither is "
            "differentiable (subgradient.eigvalsh gives the set of valid answers)",
            pair,
            float(gaps[nearest]),
            float(tie),
        )


def eigenvalue_second_derivative(
    eigenvalues: ArrayLike,
    eigenvectors: ArrayLike,
    index: int,
    direction: ArrayLike,
    *,
    rtol: float | None = None,
) -> Array:
    """Second derivative of a simple eigenvalue along a direction: 2 Σ |vⱼᴴ E vₖ|²/(λₖ − λⱼ).

    Parameters
    ----------
    eigenvalues : (..., n) array_like
    eigenvectors : (..., n, n) array_like
        Orthonormal columns V, real or complex.
    index : int
        From 0, the smallest eigenvalue, to n − 1; negative ones count from the largest.
    direction : (..., n, n) array_like
        E, Hermitian.
    rtol : float, optional
        Eigenvalues this close, relative to the largest in modulus, are equal; see
        `spectralgrad.theory.spectrum.default_rtol`.

    Returns
    -------
    (...) numpy.ndarray
        d²λₖ(A + tE)/dt² at t = 0, in the precision of the eigenvalues.

    Raises
    ------
    GaugeError
        If the eigenvalue is tied with another one.
    ValueError
        If there is no such eigenvalue.

    References
    ----------
    Magnus (1985), "On differentiating eigenvalues and eigenvectors".
    """
    values, vectors = as_inexact(eigenvalues), as_inexact(eigenvectors)
    k = int(np.argmax(select(index, values.shape[-1])))
    rtol = spectrum.default_rtol(vectors.shape, vectors.dtype) if rtol is None else rtol
    for place in np.ndindex(values.shape[:-1]):
        _require_simple(values[place], k, rtol * gauge.largest(values[place]))
    couplings = np.abs(adjoint(vectors) @ direction @ vectors[..., [k]])[..., 0].astype(float)
    gaps = values[..., [k]] - values
    couplings, gaps = (np.delete(x, k, axis=-1) for x in (couplings, gaps))
    # The square alone may overflow.
    curvature: Array = np.sum(2 * couplings * (couplings / gaps), axis=-1).astype(values.dtype)[()]
    return curvature
