"""The recipes for JAX."""

from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import NoReturn

import jax
import jax.numpy as jnp

from spectralgrad.recipes import rules, second_basis

xp = SimpleNamespace(
    **{name: getattr(jnp, name) for name in rules.ELEMENTWISE},
    eigh=lambda a: tuple(jnp.linalg.eigh(a)),
    svd=lambda a: tuple(jnp.linalg.svd(a, full_matrices=False)),
    adjoint=lambda a: a.mT.conj(),
    cast=lambda x, like: x.astype(like.dtype),
    positions=lambda x: jnp.arange(x.shape[-1], dtype=x.dtype),
    eps=lambda x: jnp.finfo(x.dtype).eps,
    max=jnp.max,
    is_complex=jnp.iscomplexobj,
    asarray=lambda x, like: jnp.asarray(x, dtype=like.dtype),
    none=lambda x: not isinstance(x, jax.core.Tracer) and not x.any(),
)


def operation(rule: rules.Declared) -> Callable[..., jax.Array]:
    """Make a function of a matrix whose reverse pass is a rule."""

    @partial(jax.custom_vjp, nondiff_argnums=(1,))
    def apply(matrix: jax.Array, options: tuple[rules.Option, ...]) -> rules.Tensor:
        return rule.value(xp, rule.decompose(xp, matrix), *options)

    def forward(
        matrix: jax.Array, options: tuple[rules.Option, ...]
    ) -> tuple[jax.Array, rules.Factors]:
        factors = rule.decompose(xp, matrix)
        return rule.value(xp, factors, *options), factors

    def backward(
        options: tuple[rules.Option, ...], factors: rules.Factors, cotangent: jax.Array
    ) -> tuple[jax.Array]:
        # JAX's cotangents are conjugated.
        return (rule.pullback(xp, factors, cotangent.conj(), *options).conj(),)

    apply.defvjp(forward, backward)
    return rules.public(rule, lambda matrix, *options: apply(matrix, options))


nuclear_norm = operation(rules.nuclear_norm)
spectral_norm = operation(rules.spectral_norm)
soft_threshold = operation(rules.soft_threshold)
low_rank = operation(rules.low_rank)
polar = operation(rules.polar)
pinv = operation(rules.pinv)
sqrtm = operation(rules.sqrtm)
expm = operation(rules.expm)
projector = operation(rules.projector)


def _cotangents(loss: Callable[..., jax.Array]) -> Callable[..., rules.Factors]:
    def cotangents(*factors: jax.Array) -> rules.Factors:
        gradients = jax.grad(loss, argnums=tuple(range(len(factors))))(*factors)
        return tuple(x.conj() for x in gradients)

    return cotangents


@jax.custom_jvp
def _first(gradient: jax.Array) -> jax.Array:
    return gradient


@_first.defjvp
def _refuse(primals: rules.Factors, tangents: rules.Factors) -> NoReturn:
    # Near a tie it would be finite, and wrong.
    raise NotImplementedError("a second basis gives first derivatives only")


def _invariant(
    decompose: Callable[..., rules.Factors],
    pullback: Callable[..., jax.Array],
    loss: Callable[..., jax.Array],
    rtol: float | None,
) -> Callable[[jax.Array], jax.Array]:
    @jax.custom_vjp
    def apply(matrix: jax.Array) -> jax.Array:
        return loss(*decompose(xp, matrix))

    def forward(matrix: jax.Array) -> tuple[jax.Array, rules.Factors]:
        factors = decompose(xp, matrix)
        return loss(*factors), factors

    def backward(factors: rules.Factors, cotangent: jax.Array) -> tuple[jax.Array]:
        gradient = pullback(xp, *factors, _cotangents(loss), rtol)
        return (_first(cotangent * gradient.conj()),)

    apply.defvjp(forward, backward)
    return apply


def invariant_eigh(
    loss: Callable[..., jax.Array], rtol: float | None = None
) -> Callable[[jax.Array], jax.Array]:
    """Make of ``loss(values, vectors)`` a function of one Hermitian matrix.

    `spectralgrad.recipes.second_basis` says how.

    Parameters
    ----------
    loss : callable
        Real; depends on no basis, and on no other array that gets a gradient.
    rtol : float, optional
        Eigenvalues this close, relative to the largest in modulus, count as equal; by default the
        square root of eps.

    Returns
    -------
    callable
        Of an (n, n) array, whose Hermitian part counts; for first derivatives only.
    """
    return _invariant(rules.hermitian, second_basis.eigh_pullback, loss, rtol)


def invariant_svd(
    loss: Callable[..., jax.Array], rtol: float | None = None
) -> Callable[[jax.Array], jax.Array]:
    """Make of ``loss(u, s, vh)``, thin, a function of one matrix of full rank.

    `spectralgrad.recipes.second_basis` says how.

    Parameters
    ----------
    loss, rtol
        As for `invariant_eigh`.

    Returns
    -------
    callable
        Of an (m, n) array; for first derivatives only.
    """
    return _invariant(rules.thin, second_basis.svd_pullback, loss, rtol)
