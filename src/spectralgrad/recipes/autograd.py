"""The recipes for HIPS autograd."""

from collections.abc import Callable

import autograd.numpy as anp
import numpy as np
from autograd.extend import defvjp, primitive
from autograd.tracer import getval, isbox

from spectralgrad.recipes import hermitian, rules, singular


def _known(x: rules.Tensor) -> rules.Tensor:
    while isbox(x):
        x = getval(x)
    return x


xp = rules.Namespace(
    **{name: getattr(anp, name) for name in rules.ELEMENTWISE},
    eigh=anp.linalg.eigh,
    # Of infinity it would not return.
    svd=lambda a: anp.linalg.svd(anp.where(anp.isfinite(a), a, np.nan), full_matrices=False),
    adjoint=lambda a: anp.conj(anp.swapaxes(a, -1, -2)),
    cast=lambda x, like: x.astype(like.dtype),
    positions=lambda x: np.arange(x.shape[-1], dtype=x.dtype),
    dtype=lambda x: x.dtype,
    known=_known,
)


def operation(rule: rules.Rule) -> Callable[..., rules.Tensor]:
    """Make a function of a matrix whose reverse pass is a rule."""

    def decomposed(matrix: rules.Tensor, *options: rules.Option) -> rules.Factors:
        factors = rule.decompose(xp, matrix)
        return rule.value(xp, factors, *options), *factors

    def vjp(results: rules.Factors, matrix: rules.Tensor, *options: rules.Option) -> rules.Pullback:
        # A second derivative goes through autograd's own decomposition.
        factors = rule.decompose(xp, matrix) if isbox(matrix) else results[1:]

        def pullback(cotangents: rules.Factors) -> rules.Tensor:
            # autograd's cotangents are conjugated.
            return anp.conj(rule.pullback(xp, factors, anp.conj(cotangents[0]), *options))

        return pullback

    traced = primitive(decomposed)
    defvjp(traced, vjp, argnums=(0,))
    return rules.public(rule, lambda matrix, *options: traced(matrix, *options)[0])


nuclear_norm = operation(singular.nuclear_norm)
spectral_norm = operation(singular.spectral_norm)
soft_threshold = operation(singular.soft_threshold)
low_rank = operation(singular.low_rank)
polar = operation(singular.polar)
pinv = operation(singular.pinv)
sqrtm = operation(hermitian.sqrtm)
expm = operation(hermitian.expm)
projector = operation(hermitian.projector)
