"""The recipes for JAX."""

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir

from spectralgrad.recipes import catalogue, rules
from spectralgrad.recipes.large import require_alike
from spectralgrad.recipes.rules import At, Factors, Namespace, Options, Rule, Tensor
from spectralgrad.theory import gauge, krylov

_HALF = (jnp.float16, jnp.bfloat16)
Product = Callable[..., jax.Array]


def _svd(a: jax.Array, full: bool = False) -> Factors:
    # Of infinity it would not return.
    u, s, vh = jnp.linalg.svd(jnp.where(jnp.isfinite(a), a, jnp.nan), full_matrices=full)
    return u, s, vh


def _whitener(b: jax.Array) -> Factors:
    lower = jnp.linalg.cholesky(b)

    def solve(a: jax.Array, *, back: bool = False) -> jax.Array:
        options = {"left_side": True, "lower": True, "transpose_a": back, "conjugate_a": back}
        one = partial(jax.lax.linalg.triangular_solve, **options)
        return jnp.vectorize(one, signature="(n,n),(n,k)->(n,k)")(lower, a)

    return solve, partial(solve, back=True), xp.adjoint(lower)


# A primitive, because a transposed custom_jvp forgets its rule: reverse over reverse would be 0.
_primitive_p = Primitive("spectralgrad")


def _primitive(at: At, *directions: jax.Array) -> Tensor:
    given = {"rule": at.rule, "options": at.options, "number": len(directions)}
    return _primitive_p.bind(at.matrix, *directions, *at.factors, **given)


def _parts(arrays: Factors, rule: Rule, options: Options, number: int) -> tuple[At, Factors]:
    return At(rule, options, arrays[0], arrays[1 + number :]), arrays[1 : 1 + number]


@_primitive_p.def_impl
def _direct(_: Tensor, *arrays: Tensor, rule: Rule, options: Options, number: int) -> Tensor:
    return rule.direct(xp, arrays[number:], options, *arrays[:number])


@_primitive_p.def_abstract_eval
def _abstract(*arrays: Tensor, **given: Any) -> Tensor:
    shapes = [jax.ShapeDtypeStruct(x.shape, x.dtype) for x in arrays]
    result = jax.eval_shape(partial(_direct, **given), *shapes)
    return jax.core.ShapedArray(result.shape, result.dtype)


def _jvp(arrays: Factors, tangents: Factors, **given: Any) -> Factors:
    at, directions = _parts(arrays, **given)
    nonzero = [None if type(x) is ad.Zero else x for x in tangents[: 1 + len(directions)]]
    value = _primitive_p.bind(*arrays, **given)
    tangent = rules.forward(partial(_primitive, at), directions, nonzero)
    return value, jnp.zeros_like(value) if tangent is None else tangent


def _transpose(cotangent: Tensor, *arrays: Tensor, **given: Any) -> list[Tensor]:
    (unknown,) = (i for i, x in enumerate(arrays) if ad.is_undefined_primal(x))
    # JAX's cotangents are conjugated.
    gradient = xp.pullback(*_parts(arrays, **given), unknown, cotangent.conj())
    return [gradient.conj() if i == unknown else None for i in range(len(arrays))]


def _batch(arrays: Factors, axes: tuple[int | None, ...], **given: Any) -> tuple[Tensor, int]:
    return _primitive_p.bind(*_first(arrays, axes), **given), 0


def _first(arrays: Factors, axes: tuple[int | None, ...]) -> list[jax.Array]:
    return [
        jnp.expand_dims(x, 0) if axis is None else jnp.moveaxis(x, axis, 0)
        for x, axis in zip(arrays, axes, strict=True)
    ]


ad.primitive_jvps[_primitive_p] = _jvp
ad.primitive_transposes[_primitive_p] = _transpose
batching.primitive_batchers[_primitive_p] = _batch
mlir.register_lowering(_primitive_p, mlir.lower_fun(_direct, multiple_results=False))


def _known(x: jax.Array) -> Tensor:
    return None if isinstance(x, jax.core.Tracer) else np.asarray(x)


def _cotangents(loss: Callable[..., jax.Array], *factors: jax.Array) -> Factors:
    value, gradients = jax.value_and_grad(loss, argnums=tuple(range(len(factors))))(*factors)
    # JAX's cotangents are conjugated.
    return value, *(x.conj() for x in gradients)


def _each(function: Callable[..., Factors], points: Sequence[Factors]) -> list[Factors]:
    # Traced once, and not as often as there are points.
    found = jax.vmap(function)(*map(jnp.stack, zip(*points, strict=True)))
    return [tuple(x[i] for x in found) for i in range(len(points))]


def eigsh(
    matvec: Product,
    k: int = 1,
    which: str = "smallest",
    *,
    parameters: Sequence[Any] = (),
    n: int,
    dtype: str | None = None,
    maxiter: int = 1000,
) -> Factors:
    """A few eigenpairs of an operator, as `spectralgrad.recipes.large` says.

    By Lanczos' method in blocks, restarted up to ``maxiter`` times, and compiled for each
    ``matvec``: define it once. What that takes from elsewhere gets no gradient; parameters may be
    trees. Where the others raise an error so does a gradient, or it is NaN, as under ``jit`` and in
    forward mode; but that does not see what a loss makes of equal values: it serves those that
    count them alike. There are second derivatives, NaN where any two of the values count as equal.
    """
    if which not in ("smallest", "largest") or not 1 <= k <= n:
        raise ValueError(f"{k} and {which} will not do; give 1 to {n}, and smallest or largest")
    parameters = jax.tree.map(jnp.asarray, tuple(parameters))
    kind = jnp.dtype(dtype or jnp.result_type("f", *(x.dtype for x in jax.tree.leaves(parameters))))
    require_alike(jax.eval_shape(matvec, jnp.zeros(n, kind), *parameters), n, kind)
    return _pairs(matvec, (k, which == "largest", n, kind, maxiter), parameters)[:2]


@partial(jax.custom_jvp, nondiff_argnums=(0, 1))
@partial(jax.jit, static_argnums=(0, 1))
def _pairs(matvec: Product, how: Options, parameters: Factors) -> Factors:
    """Values, vectors, their clusters, residuals over gaps, ∞ where k cuts; the size of A."""
    (k, largest, n, kind, maxiter), product = how, _columns(matvec, parameters)
    X, eps = jax.random.normal(jax.random.key(0), (n, k + 1), kind), jnp.finfo(kind).eps
    AX = product(X)
    # The square of a small number may be none.
    top = jnp.maximum(jnp.abs(AX).max(), jnp.finfo(kind).tiny)
    size = top * (jnp.linalg.norm(AX / top) / jnp.linalg.norm(X))
    if n <= max(krylov.DENSE, (_BLOCKS + 1) * (k + 1)):
        X = jnp.eye(n, dtype=kind)
    else:
        X = jnp.linalg.qr(_lanczos(product, X, largest, maxiter))[0]
    values, turn = jnp.linalg.eigh(xp.adjoint(X) @ product(X))
    V = X @ turn
    residuals = top * jnp.linalg.norm((product(V) - V * values) / top, axis=0)
    near = 10 * (residuals[1:] + residuals[:-1]) * (residuals.max() < jnp.sqrt(eps) * size)
    apart = jnp.diff(values, prepend=values[0]) > jnp.pad(jnp.maximum(8 * eps * size, near), (1, 0))
    labels = jnp.cumsum(apart).astype(values.dtype)
    alike, kept = labels[:, None] == labels, slice(-k, None) if largest else slice(k)
    gaps = jnp.where(alike, jnp.inf, jnp.abs(values[:, None] - values)).min(axis=1)
    cut = alike.sum(axis=1) > alike[:, kept].sum(axis=1)
    bounds = jnp.where(cut, jnp.inf, residuals / gaps)
    return values[kept], V[:, kept], labels[kept], bounds[kept], size


@_pairs.defjvp
def _moved(matvec: Product, how: Options, at: Factors, along: Factors) -> Factors:
    values, V, labels, bounds, size = found = _pairs(matvec, how, *at)
    alike = labels[:, None] == labels
    # Of tied pairs, the derivatives from here on would be wrong: they are NaN.
    zero = jnp.sqrt(jnp.where(alike.sum() > len(labels), 0 * values.sum(), 1))
    zero -= jax.lax.stop_gradient(zero)
    tangents = _tangents(matvec, how, values + zero, V + zero, alike, size, *at, *along)
    facts = map(jax.lax.stop_gradient, (V, labels, bounds))
    return found, (*_checked_p.bind(*tangents, *facts), 0 * labels, 0 * labels, 0 * size)


@partial(jax.jit, static_argnums=(0, 1))
def _tangents(matvec: Product, how: Options, values: jax.Array, V: jax.Array, *of: Any) -> Factors:
    """Of values and vectors (eq-complement)."""
    alike, size, parameters, directions = of
    sign = 1 if how[1] else -1
    _, along = jax.jvp(lambda *x: _columns(matvec, x)(V), parameters, directions)
    inner = xp.adjoint(V) @ along
    moved = V @ jnp.where(alike, 0, inner / jnp.where(alike, 1, values - values[:, None]))

    def within(x: jax.Array) -> jax.Array:
        return V @ (xp.adjoint(V) @ x)

    def definite(x: jax.Array) -> jax.Array:
        # On the span of V anything positive will do, and with 0 rounding would add up there.
        inside, out = within(x), x - within(x)
        left = sign * (out * values - _columns(matvec, parameters)(out)) / size
        return left - within(left) + inside

    if V.shape[0] > V.shape[1]:
        y = jax.lax.custom_linear_solve(definite, (along - V @ inner) / size, _solve, _solve)
        moved += sign * (y - within(y))
    return jnp.real(jnp.diagonal(inner)), moved


def _solve(product: Product, right: jax.Array) -> jax.Array:
    eps = float(jnp.finfo(right.dtype).eps)
    x, _ = jax.scipy.sparse.linalg.cg(product, right, tol=eps)
    missed = jnp.linalg.norm(product(x) - right)
    return jnp.where(missed <= math.sqrt(eps) * jnp.linalg.norm(right), x, jnp.nan)


def _columns(matvec: Product, parameters: Factors) -> Product:
    return jax.vmap(lambda x: matvec(x, *parameters), 1, 1)


# How many blocks of k + 1 vectors there are, and how many of them the next round begins with.
_BLOCKS, _KEPT = 10, 5


def _lanczos(product: Product, start: jax.Array, largest: bool, maxiter: int) -> jax.Array:
    """Nearly k + 1 eigenvectors, by thick restarts (Wu and Simon 2000)."""
    (n, p), eps = start.shape, jnp.finfo(start.dtype).eps
    last, kept = _BLOCKS * p, _KEPT * p

    def extend(i: int, Q: jax.Array) -> jax.Array:
        new = product(jax.lax.dynamic_slice(Q, (0, p * (i - 1)), (n, p)))
        for _ in range(2):
            new = jnp.linalg.qr(new - Q @ (xp.adjoint(Q) @ new))[0]
        return jax.lax.dynamic_update_slice(Q, new, (0, p * i))

    def restart(state: Factors) -> Factors:
        i, _, Q = state
        Q = jax.lax.fori_loop(jnp.where(i == 0, 1, _KEPT + 1), _BLOCKS + 1, extend, Q)
        # These products take little beside the orthogonalisation.
        W, AW = Q[:, :last], product(Q[:, :last])
        values, turn = jnp.linalg.eigh(xp.adjoint(W) @ AW)
        values, turn = (x[..., ::-1] if largest else x for x in (values, turn))
        missed, size = AW @ turn[:, :p] - W @ turn[:, :p] * values[:p], jnp.abs(values).max()
        first, _ = jnp.linalg.qr(jnp.hstack([W @ turn[:, :kept], Q[:, last:]]))
        Q = jnp.zeros_like(Q).at[:, : kept + p].set(first)
        # Rounding leaves about 20 eps.
        return i + 1, jnp.linalg.norm(missed / size, axis=0).max() > 50 * eps, Q

    Q = jnp.zeros((n, last + p), start.dtype).at[:, :p].set(jnp.linalg.qr(start)[0])
    found = jax.lax.while_loop(lambda x: x[1] & (x[0] < maxiter), restart, (0, jnp.array(True), Q))
    return found[2][:, :p]


_CUT = "k cuts this cluster in two: ask for more, or fewer"

# Residual over gap from which no digit can be trusted.
_NO_DIGIT = 0.1
# The identity of tangents, but NaN where that is, or where cotangents depend on the basis. With a
# custom_vjp there would be no forward mode.
_checked_p = Primitive("spectralgrad_checked")
_checked_p.multiple_results = True


@_checked_p.def_impl
def _same(lam: jax.Array, bar: jax.Array, _: Tensor, __: Tensor, bounds: jax.Array) -> Factors:
    factor = jnp.where(bounds <= _NO_DIGIT, 1, jnp.nan).astype(bounds.dtype)
    return factor * lam, factor[..., None, :] * bar


def _check(cotangents: Factors, *arrays: Any) -> list[Tensor]:
    (lam, bar), (V, labels, bounds) = map(ad.instantiate_zeros, cotangents), arrays[2:]
    (one, other), tol = xp.pairs(labels), gauge.default_tol(V.dtype)
    # JAX's cotangents are conjugated.
    inner, sizes = xp.adjoint(V) @ bar.conj(), jnp.linalg.norm(bar, axis=-2)
    loose = jnp.where((lam != 0) | (sizes != 0), bounds, 0)
    cut = jnp.where(loose == jnp.inf, jnp.abs(lam) + sizes, 0)[..., None] * jnp.eye(lam.shape[-1])
    spread, turned = jnp.subtract(*xp.pairs(lam)), (inner - xp.adjoint(inner)) / 2
    fine = jnp.all(loose <= _NO_DIGIT, axis=-1)
    checks = (spread, lam, gauge.SPREAD), (turned, sizes, gauge.TURNED), (cut, 0 * lam, _CUT)
    for x, scale, fault in checks:
        excess, allowed = jnp.where(one == other, jnp.abs(x), 0), tol * jnp.abs(scale).max(axis=-1)
        if _known(excess) is not None:
            gauge.require_within(_known(excess), _known(allowed), "λ", fault)
        fine &= jnp.all(excess <= allowed[..., None, None], axis=(-2, -1))
    if _known(fine) is not None and not fine.all():
        raise krylov.ConvergenceError(f"a residual over a gap of {loose.max():.1e} leaves no digit")
    factor = jnp.where(fine, 1, jnp.nan)[..., None]
    return [factor * lam, factor[..., None] * bar, None, None, None]


def _check_jvp(arrays: Factors, tangents: Factors) -> Factors:
    moved = map(ad.instantiate_zeros, tangents[:2])
    return _checked_p.bind(*arrays), _checked_p.bind(*moved, *arrays[2:])


def _check_batch(arrays: Factors, axes: tuple[int | None, ...]) -> tuple[Factors, list[int]]:
    return _checked_p.bind(*_first(arrays, axes)), [0, 0]


_checked_p.def_abstract_eval(lambda *arrays: arrays[:2])
ad.primitive_jvps[_checked_p] = _check_jvp
ad.primitive_transposes[_checked_p] = _check
batching.primitive_batchers[_checked_p] = _check_batch
mlir.register_lowering(_checked_p, mlir.lower_fun(_same, multiple_results=True))


xp = Namespace(
    **{name: getattr(jnp, name) for name in (*rules.ELEMENTWISE, "concatenate", "max")},
    eigh=lambda a: tuple(jnp.linalg.eigh(a, symmetrize_input=False)),
    svd=_svd,
    whitener=_whitener,
    adjoint=lambda a: a.mT.conj(),
    array=jnp.asarray,
    cast=lambda x, like: x.astype(like.dtype),
    wide=lambda x: x.astype(jnp.float32) if x.dtype in _HALF else x,
    positions=lambda x: jnp.arange(x.shape[-1], dtype=x.dtype),
    dtype=lambda x: x.dtype,
    stop=jax.lax.stop_gradient,
    learns=lambda x: isinstance(x, jax.core.Tracer),
    known=_known,
    primitive=_primitive,
    # To compile a product with one vector takes longer than the decomposition.
    apply=lambda a, x: (a @ jnp.stack([x, jnp.zeros_like(x)], -1))[..., 0],
    is_complex=jnp.iscomplexobj,
    asarray=lambda x, like: jnp.asarray(x, dtype=like.dtype),
    cotangents=_cotangents,
    over=lambda function, like: jax.vmap(function),
    each=_each,
)

globals().update(catalogue.operations(xp, __name__))
