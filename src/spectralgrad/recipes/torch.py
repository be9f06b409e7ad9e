"""The recipes for PyTorch."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, NoReturn

import numpy as np
import torch

from spectralgrad.recipes import rules, second_basis

_DTYPES = {torch.float32: np.float32, torch.float64: np.float64}


def _known(x: torch.Tensor) -> rules.Tensor:
    if torch.compiler.is_compiling():
        return None
    try:
        return np.asarray(x.tolist())
    except RuntimeError:
        # Under vmap.
        return None


def _cotangents(loss: Callable[..., torch.Tensor], *factors: torch.Tensor) -> rules.Factors:
    gradients: rules.Factors = torch.func.grad(loss, argnums=tuple(range(len(factors))))(*factors)
    return gradients


xp = SimpleNamespace(
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


def operation(rule: rules.Rule) -> Callable[..., torch.Tensor]:
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
    *tolerances: float | None,
) -> Callable[[torch.Tensor], torch.Tensor]:
    class Invariant(torch.autograd.Function):  # type: ignore[misc]
        @staticmethod
        def forward(matrix: torch.Tensor, learning: bool) -> rules.Factors:
            second_basis.require_matrix(matrix)
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
            gradient = pullback(xp, *(x.detach() for x in factors), loss, *tolerances)
            return _First.apply(cotangent.detach() * gradient, matrix, cotangent), None

    return lambda matrix: Invariant.apply(matrix, torch.is_grad_enabled())[0]


def invariant_eigh(
    loss: Callable[..., torch.Tensor], rtol: float | None = None, gauge_tol: float | None = None
) -> Callable[[torch.Tensor], torch.Tensor]:
    """Make of ``loss(values, vectors)`` a function of one Hermitian matrix.

    `spectralgrad.recipes.second_basis` says how, and how large the error may be.

    Parameters
    ----------
    loss : callable
        Real; depends on no basis, and on no other tensor that gets a gradient.
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
        Of an (n, n) tensor, whose Hermitian part counts; for first derivatives only.

    Raises
    ------
    GaugeError
        By the reverse pass, if the loss depends on the basis. NaN where numbers are not known.
    ValueError
        By the callable, for a stack, or if another tensor is to get a gradient.
    """
    return _invariant(rules.hermitian, second_basis.eigh_pullback, loss, rtol, gauge_tol)


def invariant_svd(
    loss: Callable[..., torch.Tensor], rtol: float | None = None, gauge_tol: float | None = None
) -> Callable[[torch.Tensor], torch.Tensor]:
    """Make of ``loss(u, s, vh)``, thin, a function of one matrix of full rank.

    `spectralgrad.recipes.second_basis` says how, and how large the error may be.

    Parameters
    ----------
    loss, rtol, gauge_tol
        As for `invariant_eigh`.

    Returns
    -------
    callable
        Of an (m, n) tensor; for first derivatives only.

    Raises
    ------
    GaugeError
        By the reverse pass, if the loss depends on the basis, or a singular value counts as zero.
        NaN where numbers are not known.
    ValueError
        As for `invariant_eigh`.
    """
    return _invariant(rules.thin, second_basis.svd_pullback, loss, rtol, gauge_tol)
