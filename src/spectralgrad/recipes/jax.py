"""The recipes for JAX."""

from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import NoReturn

import jax
import jax.numpy as jnp
import numpy as np

from spectralgrad.recipes import rules, second_basis


def _cotangents(loss: Callable[..., jax.Array], *factors: jax.Array) -> rules.Factors:
    gradients = jax.grad(loss, argnums=tuple(range(len(factors))))(*factors)
    # JAX's cotangents are conjugated.
    return tuple(x.conj() for x in gradients)


xp = SimpleNamespace(
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


def operation(rule: rules.Rule) -> Callable[..., jax.Array]:
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


@jax.custom_jvp
def _first(gradient: jax.Array) -> jax.Array:
    return gradient


@_first.defjvp
def _refuse(primals: rules.Factors, tangents: rules.Factors) -> NoReturn:
    # Near a tie it would be finite, and wrong.
    raise NotImplementedError("a second basis gives first derivatives only")


@jax.custom_jvp
def _fixed(x: jax.Array) -> jax.Array:
    return x


@_fixed.defjvp
def _refuse_another(primals: rules.Factors, tangents: rules.Factors) -> NoReturn:
    raise ValueError("the loss depends on another array that requires a gradient")


def _invariant(
    decompose: Callable[..., rules.Factors],
    pullback: Callable[..., jax.Array],
    loss: Callable[..., jax.Array],
    *tolerances: float | None,
) -> Callable[[jax.Array], jax.Array]:
    @jax.custom_vjp
    def apply(matrix: jax.Array) -> jax.Array:
        return loss(*decompose(xp, matrix))

    def forward(matrix: jax.Array) -> tuple[jax.Array, rules.Factors]:
        factors = decompose(xp, matrix)
        return loss(*factors), factors

    def backward(factors: rules.Factors, cotangent: jax.Array) -> tuple[jax.Array]:
        gradient = pullback(xp, *factors, loss, *tolerances)
        return (_first(cotangent * gradient.conj()),)

    apply.defvjp(forward, backward)

    def of_matrix(matrix: jax.Array) -> jax.Array:
        second_basis.require_matrix(matrix)
        factors = jax.eval_shape(partial(decompose, xp), matrix)
        _, others = jax.closure_convert(loss, *factors)
        for other in others:
            _fixed(other)
        return apply(matrix)

    return of_matrix


def invariant_eigh(
    loss: Callable[..., jax.Array], rtol: float | None = None, gauge_tol: float | None = None
) -> Callable[[jax.Array], jax.Array]:
    """Make of ``loss(values, vectors)`` a function of one Hermitian matrix.

    `spectralgrad.recipes.second_basis` says how, and how large the error may be.

    Parameters
    ----------
    loss : callable
        Real; depends on no basis, and on no other array that gets a gradient.
    rtol : float, optional
        Eigenvalues this close, relative to the largest in modulus, count as equal; by default that
        of `spectralgrad.theory.spectrum.default_rtol`.
    gauge_tol : float, optional
        By how much the loss may differ between two bases, relative to what it changes if all
        vectors are turned together; by default √eps. ``inf`` leaves out the trials, for a minimum
        whose loss is rounding errors and nothing else.

    Returns
    -------
    callable
        Of an (n, n) array, whose Hermitian part counts; for first derivatives only.

    Raises
    ------
    GaugeError
        By the reverse pass, if the loss depends on the basis. NaN where numbers are not known.
    ValueError
        By the callable, for a stack, or if another array is to get a gradient.
    """
    return _invariant(rules.hermitian, second_basis.eigh_pullback, loss, rtol, gauge_tol)


def invariant_svd(
    loss: Callable[..., jax.Array], rtol: float | None = None, gauge_tol: float | None = None
) -> Callable[[jax.Array], jax.Array]:
    """Make of ``loss(u, s, vh)``, thin, a function of one matrix of full rank.

    `spectralgrad.recipes.second_basis` says how, and how large the error may be.

    Parameters
    ----------
    loss, rtol, gauge_tol
        As for `invariant_eigh`.

    Returns
    -------
    callable
        Of an (m, n) array; for first derivatives only.

    Raises
    ------
    GaugeError
        By the reverse pass, if the loss depends on the basis, or a singular value counts as zero.
        NaN where numbers are not known.
    ValueError
        As for `invariant_eigh`.
    """
    return _invariant(rules.thin, second_basis.svd_pullback, loss, rtol, gauge_tol)
