"""The recipes for PyTorch."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NoReturn

import numpy as np
import torch

from spectralgrad.recipes import hermitian, rules, second_basis, singular
from spectralgrad.recipes.rules import Factors, Namespace, Option, Rule, Tensor

_DTYPES = {torch.float32: np.float32, torch.float64: np.float64}


def _known(x: torch.Tensor) -> Tensor:
    if torch.compiler.is_compiling():
        return None
    try:
        return np.asarray(x.tolist())
    except RuntimeError:
        # Under vmap.
        return None


def _cotangents(loss: Callable[..., torch.Tensor], *factors: torch.Tensor) -> Factors:
    gradients: Factors = torch.func.grad(loss, argnums=tuple(range(len(factors))))(*factors)
    return gradients


xp = Namespace(
    **{name: getattr(torch, name) for name in rules.ELEMENTWISE},
    eigh=torch.linalg.eigh,
    svd=lambda a: torch.linalg.svd(a, full_matrices=False),
    adjoint=lambda a: a.mH,
    cast=lambda x, like: x.to(like.dtype),
    positions=lambda x: torch.arange(x.shape[-1], dtype=x.dtype, device=x.device),
    dtype=lambda x: _DTYPES[x.dtype],
    known=_known,
    max=torch.max,
    is_complex=torch.is_complex,
    asarray=lambda x, like: torch.as_tensor(x, dtype=like.dtype, device=like.device),
    qr=lambda a: torch.linalg.qr(a)[0],
    cotangents=_cotangents,
)


def _apply(rule: Rule) -> Callable[..., torch.Tensor]:
    """A function of a matrix and options whose reverse pass is a rule."""
    decompose, value, pullback = rule.decompose, rule.value, rule.pullback

    class Operation(torch.autograd.Function):  # type: ignore[misc]
        generate_vmap_rule = True

        @staticmethod
        def forward(matrix: torch.Tensor, *options: Option) -> Factors:
            factors = decompose(xp, matrix)
            return value(xp, factors, *options), *factors

        @staticmethod
        def setup_context(ctx: Any, inputs: Factors, output: Factors) -> None:
            ctx.mark_non_differentiable(*output[1:])
            ctx.save_for_backward(inputs[0], *output[1:])
            ctx.options = inputs[1:]

        @staticmethod
        def backward(ctx: Any, cotangent: torch.Tensor, *_: object) -> Factors:
            matrix, *factors = ctx.saved_tensors
            # A second derivative goes through PyTorch's own decomposition.
            if torch.is_grad_enabled():
                factors = decompose(xp, matrix)
            return pullback(xp, factors, cotangent, *ctx.options), *(None for _ in ctx.options)

    return lambda matrix, *options: Operation.apply(matrix, *options)[0]


def operation(rule: Rule) -> Callable[..., torch.Tensor]:
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


class _First(torch.autograd.Function):  # type: ignore[misc]
    """Refuses a second derivative, which would silently be zero."""

    generate_vmap_rule = True

    @staticmethod
    def forward(gradient: torch.Tensor, *_: object) -> torch.Tensor:
        return gradient.clone()

    @staticmethod
    def setup_context(ctx: Any, inputs: Factors, output: torch.Tensor) -> None:
        pass

    @staticmethod
    def backward(ctx: Any, *_: object) -> NoReturn:
        raise NotImplementedError("a second basis gives first derivatives only")


def _invariant(rule: Rule) -> Callable[[torch.Tensor], torch.Tensor]:
    def value(xp: Namespace, factors: Factors, learning: bool) -> torch.Tensor:
        with torch.set_grad_enabled(learning):
            found: torch.Tensor = rule.value(xp, factors)
        if found.requires_grad:
            raise ValueError("the loss depends on another tensor that requires a gradient")
        return found

    def pullback(
        xp: Namespace, factors: Factors, cotangent: torch.Tensor, learning: bool
    ) -> torch.Tensor:
        gradient = rule.pullback(xp, [x.detach() for x in factors], cotangent.detach())
        return _First.apply(gradient, cotangent, *factors)

    apply = _apply(replace(rule, value=value, pullback=pullback))
    return lambda matrix: apply(matrix, torch.is_grad_enabled())


invariant_eigh, invariant_svd = second_basis.public(_invariant)
