"""The recipes for JAX."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, NoReturn

import jax
import jax.numpy as jnp
import numpy as np
from jax.custom_derivatives import SymbolicZero
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir

from spectralgrad.recipes import bases, catalogue, rules, second_basis
from spectralgrad.recipes.rules import Factors, Namespace, Options, Rule, Sum, Tensor

_HALF = (jnp.float16, jnp.bfloat16)


def _svd(a: jax.Array, full: bool = False) -> Factors:
    # Of infinity it would not return.
    u, s, vh = jnp.linalg.svd(jnp.where(jnp.isfinite(a), a, jnp.nan), full_matrices=full)
    return u, s, vh


def _whitener(b: jax.Array) -> jax.Array:
    eye = jnp.broadcast_to(jnp.eye(b.shape[-1], dtype=b.dtype), b.shape)
    lower = jnp.linalg.cholesky(b)
    return jax.lax.linalg.triangular_solve(lower, eye, left_side=True, lower=True).mT.conj()


# A primitive, because a transposed custom_jvp forgets its rule: reverse over reverse would be 0.
_primitive_p = Primitive("spectralgrad")


def _primitive(
    rule: Rule | Sum, options: Options, matrix: jax.Array, factors: Factors, *directions: jax.Array
) -> jax.Array:
    given = {"rule": rule, "options": options, "number": len(directions)}
    result: jax.Array = _primitive_p.bind(matrix, *directions, *factors, **given)
    return result


@_primitive_p.def_impl
def _direct(_: Tensor, *arrays: Tensor, rule: Rule, options: Options, number: int) -> Tensor:
    return rule.direct(xp, arrays[number:], options, *arrays[:number])


@_primitive_p.def_abstract_eval
def _abstract(*arrays: Tensor, **given: Any) -> Tensor:
    shapes = [jax.ShapeDtypeStruct(x.shape, x.dtype) for x in arrays]
    result = jax.eval_shape(partial(_direct, **given), *shapes)
    return jax.core.ShapedArray(result.shape, result.dtype)


def _jvp(arrays: Factors, tangents: Factors, **given: Any) -> Factors:
    rule, options, number = given.values()
    matrix, directions, factors = arrays[0], arrays[1 : 1 + number], arrays[1 + number :]
    along = partial(_primitive, rule, options, matrix, factors)
    nonzero = [None if type(x) is ad.Zero else x for x in tangents[: 1 + number]]
    value = _primitive_p.bind(*arrays, **given)
    tangent = rules.forward(along, directions, nonzero)
    return value, jnp.zeros_like(value) if tangent is None else tangent


def _transpose(cotangent: Tensor, *arrays: Tensor, **given: Any) -> list[Tensor]:
    rule, options, number = given.values()
    (at,) = (i for i, x in enumerate(arrays) if ad.is_undefined_primal(x))
    directions = (*arrays[1:at], *arrays[at + 1 : 1 + number])
    through = partial(xp.pullback, rule, options, arrays[0], arrays[1 + number :])
    # JAX's cotangents are conjugated.
    gradient = through(*directions, cotangent.conj()).conj()
    return [gradient if i == at else None for i in range(len(arrays))]


def _batch(arrays: Factors, axes: tuple[int | None, ...], **given: Any) -> tuple[Tensor, int]:
    first = [
        jnp.expand_dims(x, 0) if axis is None else jnp.moveaxis(x, axis, 0)
        for x, axis in zip(arrays, axes, strict=True)
    ]
    return _primitive_p.bind(*first, **given), 0


ad.primitive_jvps[_primitive_p] = _jvp
ad.primitive_transposes[_primitive_p] = _transpose
batching.primitive_batchers[_primitive_p] = _batch
mlir.register_lowering(_primitive_p, mlir.lower_fun(_direct, multiple_results=False))


xp = Namespace(
    **{name: getattr(jnp, name) for name in rules.ELEMENTWISE},
    eigh=lambda a: tuple(jnp.linalg.eigh(a, symmetrize_input=False)),
    svd=_svd,
    det=jnp.linalg.det,
    whitener=_whitener,
    adjoint=lambda a: a.mT.conj(),
    array=jnp.asarray,
    concatenate=jnp.concatenate,
    cast=lambda x, like: x.astype(like.dtype),
    wide=lambda x: x.astype(jnp.float32) if x.dtype in _HALF else x,
    positions=lambda x: jnp.arange(x.shape[-1], dtype=x.dtype),
    dtype=lambda x: x.dtype,
    stop=jax.lax.stop_gradient,
    learns=lambda x: isinstance(x, jax.core.Tracer),
    known=lambda x: None if isinstance(x, jax.core.Tracer) else np.asarray(x),
    primitive=_primitive,
    # To compile a product with a vector takes longer than the decomposition.
    apply=lambda a, x: (a * x[..., None, :]).sum(-1),
    is_complex=jnp.iscomplexobj,
    asarray=lambda x, like: jnp.asarray(x, dtype=like.dtype),
    qr=lambda a: jnp.linalg.qr(a)[0],
)

globals().update(catalogue.operations(xp, __name__))


def _cotangents(loss: Callable[..., jax.Array], *factors: jax.Array) -> Factors:
    value, gradients = jax.value_and_grad(loss, argnums=tuple(range(len(factors))))(*factors)
    # JAX's cotangents are conjugated.
    return value, *(x.conj() for x in gradients)


@jax.custom_jvp
def _once(x: jax.Array, of: Tensor) -> jax.Array:
    """x, which hides how it depends on others: its derivative along them is refused."""
    return x


@partial(_once.defjvp, symbolic_zeros=True)
def _once_only(primals: Factors, tangents: Factors) -> NoReturn:
    raise NotImplementedError(second_basis.ONCE)


def _joined(rule: second_basis.Invariant) -> Callable[..., jax.Array]:
    """A loss, of which the derivative along the matrix is another function's."""

    @jax.custom_jvp
    def joined(found: jax.Array, matrix: jax.Array, factors: Factors, others: Factors) -> jax.Array:
        return found

    @partial(joined.defjvp, symbolic_zeros=True)
    def jvp(primals: Factors, tangents: Factors) -> tuple[jax.Array, jax.Array]:
        (found, matrix, factors, others), (dfound, dmatrix, *_) = primals, tangents
        along = jnp.zeros_like(found)
        if not isinstance(dfound, SymbolicZero):
            along += _once(jnp.ones_like(found), matrix) * dfound
        if not isinstance(dmatrix, SymbolicZero):
            fixed = [jax.lax.stop_gradient(x) for x in others]
            loss = replace(rule, loss=lambda *factors: rule.loss(*factors, *fixed))
            gradient = _once(loss.pullback(xp, factors), (matrix, others))
            along += jnp.sum((gradient.conj() * dmatrix).real, axis=(-2, -1))
        return found, along

    return joined


def _mapped(
    function: Callable[..., Factors], dimensions: int, like: Factors, *stacks: jax.Array
) -> Factors:
    for _ in range(dimensions):
        function = jax.vmap(function)
    return function(*stacks)


def _total(
    function: Callable[..., Factors], count: jax.Array, most: int, *zeros: jax.Array
) -> Factors:
    def add(r: jax.Array, total: Factors) -> Factors:
        return tuple(x + y for x, y in zip(total, function(r), strict=True))

    found: Factors = jax.lax.fori_loop(0, count.astype(int), add, zeros)
    return found


vars(xp).update(
    cotangents=_cotangents,
    max=jnp.max,
    stack=jnp.stack,
    draw=bases.draw,
    take=lambda a, at: a[..., at.astype(int)],
    mapped=_mapped,
    each=lambda function, like, *stacks: jax.lax.map(lambda x: function(*x), stacks),
    total=_total,
)


def _invariant(rule: second_basis.Invariant) -> Callable[[jax.Array], jax.Array]:
    def of_matrix(matrix: jax.Array) -> jax.Array:
        matrix = jnp.asarray(matrix)
        factors = rule.decompose(xp, matrix)
        stack = matrix.ndim - 2
        one = jax.eval_shape(lambda: [jnp.zeros(x.shape[stack:], x.dtype) for x in factors])
        # What else the loss depends on, and may get a gradient.
        loss, others = jax.closure_convert(rule.loss, *one)
        traced = replace(rule, loss=lambda *factors: loss(*factors, *others))
        found = traced.value(xp, factors)
        return _joined(replace(rule, loss=loss))(found, matrix, factors, others)

    return of_matrix


invariant_eigh, invariant_svd = second_basis.public(_invariant)
