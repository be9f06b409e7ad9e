"""The recipes for JAX."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir

from spectralgrad.recipes import catalogue, rules
from spectralgrad.recipes.rules import At, Factors, Namespace, Options, Rule, Tensor

_HALF = (jnp.float16, jnp.bfloat16)


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
    first = [
        jnp.expand_dims(x, 0) if axis is None else jnp.moveaxis(x, axis, 0)
        for x, axis in zip(arrays, axes, strict=True)
    ]
    return _primitive_p.bind(*first, **given), 0


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
