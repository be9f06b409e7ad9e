"""The recipes for PyTorch."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, NoReturn

import torch

from spectralgrad.recipes import rules, second_basis

xp = SimpleNamespace(
    **{name: getattr(torch, name) for name in rules.ELEMENTWISE},
    eigh=torch.linalg.eigh,
    svd=lambda a: torch.linalg.svd(a, full_matrices=False),
    adjoint=lambda a: a.mH,
    cast=lambda x, like: x.to(like.dtype),
    positions=lambda x: torch.arange(x.shape[-1], dtype=x.dtype, device=x.device),
    eps=lambda x: torch.finfo(x.dtype).eps,
    max=torch.max,
    is_complex=torch.is_complex,
    asarray=lambda x, like: torch.as_tensor(x, dtype=like.dtype, device=like.device),
    none=lambda x: not x.any(),
)


def operation(rule: rules.Declared) -> Callable[..., torch.Tensor]:
    """Make a function of a matrix whose reverse pass is a rule."""
    decompose, value, pullback = rule.decompose, rule.value, rule.pullback

    class Operation(torch.autograd.Function):  # type: ignore[misc]
        generate_vmap_rule = True

        @staticmethod
        def forward(matrix: torch.Tensor, *options: rules.Option) -> rules.Factors:
            factors = decompose(xp, matrix)
            return value(xp, factors, *options), *factors

        @staticmethod
        def setup_context(ctx: Any, inputs: rules.Factors, output: rules.Factors) -> None:
            ctx.mark_non_differentiable(*output[1:])
            ctx.save_for_backward(inputs[0], *output[1:])
            ctx.options = inputs[1:]

        @staticmethod
        def backward(ctx: Any, cotangent: torch.Tensor, *_: object) -> rules.Factors:
            matrix, *factors = ctx.saved_tensors
            # A second derivative goes through PyTorch's own decomposition.
            if torch.is_grad_enabled():
                factors = decompose(xp, matrix)
            return pullback(xp, factors, cotangent, *ctx.options), *(None for _ in ctx.options)

    return rules.public(rule, lambda matrix, *options: Operation.apply(matrix, *options)[0])


nuclear_norm = operation(rules.nuclear_norm)
spectral_norm = operation(rules.spectral_norm)
soft_threshold = operation(rules.soft_threshold)
low_rank = operation(rules.low_rank)
polar = operation(rules.polar)
pinv = operation(rules.pinv)
sqrtm = operation(rules.sqrtm)
expm = operation(rules.expm)
projector = operation(rules.projector)


def _cotangents(loss: Callable[..., torch.Tensor]) -> Callable[..., rules.Factors]:
    def cotangents(*factors: torch.Tensor) -> rules.Factors:
        gradients: rules.Factors = torch.func.grad(loss, argnums=tuple(range(len(factors))))(
            *factors
        )
        return gradients

    return cotangents


class _First(torch.autograd.Function):  # type: ignore[misc]
    """Refuses a second derivative, which would silently be zero."""

    @staticmethod
    def forward(gradient: torch.Tensor, *_: object) -> torch.Tensor:
        return gradient.clone()

    @staticmethod
    def setup_context(ctx: Any, inputs: rules.Factors, output: torch.Tensor) -> None:
        pass

    @staticmethod
    def backward(ctx: Any, *_: object) -> NoReturn:
        raise NotImplementedError("a second basis gives first derivatives only")


def _invariant(
    decompose: Callable[..., rules.Factors],
    pullback: Callable[..., torch.Tensor],
    loss: Callable[..., torch.Tensor],
    rtol: float | None,
) -> Callable[[torch.Tensor], torch.Tensor]:
    class Invariant(torch.autograd.Function):  # type: ignore[misc]
        @staticmethod
        def forward(matrix: torch.Tensor, learning: bool) -> rules.Factors:
            factors = decompose(xp, matrix)
            with torch.set_grad_enabled(learning):
                value = loss(*factors)
            if value.requires_grad:
                raise ValueError("the loss depends on another tensor that requires a gradient")
            return value, *factors

        @staticmethod
        def setup_context(ctx: Any, inputs: rules.Factors, output: rules.Factors) -> None:
            ctx.mark_non_differentiable(*output[1:])
            ctx.save_for_backward(inputs[0], *output[1:])

        @staticmethod
        def backward(ctx: Any, cotangent: torch.Tensor, *_: object) -> tuple[torch.Tensor, None]:
            matrix, *factors = ctx.saved_tensors
            gradient = pullback(xp, *(x.detach() for x in factors), _cotangents(loss), rtol)
            return _First.apply(cotangent.detach() * gradient, matrix, cotangent), None

    return lambda matrix: Invariant.apply(matrix, torch.is_grad_enabled())[0]


def invariant_eigh(
    loss: Callable[..., torch.Tensor], rtol: float | None = None
) -> Callable[[torch.Tensor], torch.Tensor]:
    """Make of ``loss(values, vectors)`` a function of one Hermitian matrix.

    `spectralgrad.recipes.second_basis` says how.

    Parameters
    ----------
    loss : callable
        Real; depends on no basis, and on no other tensor that gets a gradient.
    rtol : float, optional
        Eigenvalues this close, relative to the largest in modulus, count as equal; by default the
        square root of eps.

    Returns
    -------
    callable
        Of an (n, n) tensor, whose Hermitian part counts; for first derivatives only.
    """
    return _invariant(rules.hermitian, second_basis.eigh_pullback, loss, rtol)


def invariant_svd(
    loss: Callable[..., torch.Tensor], rtol: float | None = None
) -> Callable[[torch.Tensor], torch.Tensor]:
    """Make of ``loss(u, s, vh)``, thin, a function of one matrix of full rank.

    `spectralgrad.recipes.second_basis` says how.

    Parameters
    ----------
    loss, rtol
        As for `invariant_eigh`.

    Returns
    -------
    callable
        Of an (m, n) tensor; for first derivatives only.
    """
    return _invariant(rules.thin, second_basis.svd_pullback, loss, rtol)
