"""The recipes for JAX."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import NoReturn

import jax
import jax.numpy as jnp
import numpy as np

from spectralgrad.recipes import hermitian, rules, second_basis, singular
from spectralgrad.recipes.rules import Factors, Namespace, Options, Rule, Tensor


def _cotangents(loss: Callable[..., jax.Array], *factors: jax.Array) -> Factors:
    gradients = jax.grad(loss, argnums=tuple(range(len(factors))))(*factors)
    # JAX's cotangents are conjugated.
    return tuple(x.conj() for x in gradients)


xp = Namespace(
    **{name: getattr(jnp, name) for name in rules.ELEMENTWISE},
    eigh=lambda a: tuple(jnp.linalg.eigh(a)),
    # Of infinity it would not return.
    svd=lambda a: tuple(
        jnp.linalg.svd(jnp.where(jnp.isfinite(a), a, jnp.nan), full_matrices=False)
    ),
    adjoint=lambda a: a.mT.conj(),
    cast=lambda x, like: x.astype(like.dtype),
    positions=lambda x: jnp.arange(x.shape[-1], dtype=x.dtype),
    dtype=lambda x: x.dtype,
    known=lambda x: None if isinstance(x, jax.core.Tracer) else np.asarray(x),
    max=jnp.max,
    is_complex=jnp.iscomplexobj,
    asarray=lambda x, like: jnp.asarray(x, dtype=like.dtype),
    qr=lambda a: jnp.linalg.qr(a)[0],
    cotangents=_cotangents,
)


def _apply(rule: Rule) -> Callable[..., jax.Array]:
    """A function of a matrix and options whose reverse pass is a rule."""

    @partial(jax.custom_vjp, nondiff_argnums=(1,))
    def apply(matrix: jax.Array, options: Options) -> Tensor:
        return rule.value(xp, rule.decompose(xp, matrix), *options)

    def forward(matrix: jax.Array, options: Options) -> tuple[jax.Array, Factors]:
        factors = rule.decompose(xp, matrix)
        return rule.value(xp, factors, *options), factors

    def backward(options: Options, factors: Factors, cotangent: jax.Array) -> tuple[jax.Array]:
        # JAX's cotangents are conjugated.
        return (rule.pullback(xp, factors, cotangent.conj(), *options).conj(),)

    apply.defvjp(forward, backward)
    return lambda matrix, *options: apply(matrix, options)


def operation(rule: Rule) -> Callable[..., jax.Array]:
    """Make a function of a matrix whose reverse pass is a rule."""
    return rules.public(rule, _apply(rule))


nuclear_norm = operation(singular.nuclear_norm)
spectral_norm = operation(singular.spectral_norm)
soft_threshold = operation(singular.soft_threshold)
low_rank = operation(singular.low_rank)
polar = operation(singular.polar)
pinv = operation(singular.pinv)
sqrtm = operation(hermitian.sqrtm)
expm = operation(hermitian.expm)
projector = operation(hermitian.projector)


def _refusing(error: type[Exception], message: str) -> Callable[[jax.Array], jax.Array]:
    """The identity, of which a derivative is an error."""

    @jax.custom_jvp
    def identity(x: jax.Array) -> jax.Array:
        return x

    @identity.defjvp
    def refuse(primals: Factors, tangents: Factors) -> NoReturn:
        raise error(message)

    return identity


# Near a tie a second derivative would be finite, and wrong.
_first = _refusing(NotImplementedError, "a second basis gives first derivatives only")
_fixed = _refusing(ValueError, "the loss depends on another array that requires a gradient")


def _invariant(rule: Rule) -> Callable[[jax.Array], jax.Array]:
    apply = _apply(replace(rule, pullback=lambda *given: _first(rule.pullback(*given))))

    def of_matrix(matrix: jax.Array) -> jax.Array:
        factors = jax.eval_shape(partial(rule.decompose, xp), matrix)
        _, others = jax.closure_convert(partial(rule.value, xp), factors)
        for other in others:
            _fixed(other)
        return apply(matrix)

    return of_matrix


invariant_eigh, invariant_svd = second_basis.public(_invariant)
