"""The recipes for PyTorch."""

import contextlib
from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np
import scipy.sparse
import torch

from spectralgrad.recipes import catalogue, large, rules
from spectralgrad.recipes.rules import At, Factors, Namespace, Tensor
from spectralgrad.theory.krylov import eigen
from spectralgrad.theory.large import eigen_vjp

_NAMES = ("float32", "float64", "complex64", "complex128")
_DTYPES = {getattr(torch, name): np.dtype(name) for name in _NAMES}
_HALF = (torch.float16, torch.bfloat16)


def _known(x: torch.Tensor) -> Tensor:
    if torch.compiler.is_compiling() or x.device.type != "cpu":
        return None
    # Under torch.func.grad the first fails, and under vmap the second too.
    for read in (lambda: x.detach().numpy(), lambda: np.asarray(x.tolist()).reshape(x.shape)):
        with contextlib.suppress(RuntimeError):
            return read()
    return None


def _whitener(b: torch.Tensor) -> Factors:
    lower = torch.linalg.cholesky(b)
    solve = partial(torch.linalg.solve_triangular, upper=False)
    back = partial(torch.linalg.solve_triangular, lower.mH, upper=True)
    return partial(solve, lower), back, lower.mH


class _Primitive(torch.autograd.Function):  # type: ignore[misc]
    """A function of the matrix, of a number of directions, and of factors."""

    generate_vmap_rule = True

    @staticmethod
    def forward(call: SimpleNamespace, *arrays: torch.Tensor) -> torch.Tensor:
        at, directions = _parts(call, arrays)
        return at.rule.direct(xp, at.factors, at.options, *directions)

    @staticmethod
    def setup_context(ctx: Any, inputs: Factors, output: torch.Tensor) -> None:
        ctx.call = inputs[0]
        ctx.save_for_backward(*inputs[1:])
        ctx.save_for_forward(*inputs[1:])

    @staticmethod
    def backward(ctx: Any, cotangent: torch.Tensor) -> Factors:
        through = partial(xp.pullback, *_parts(ctx.call, ctx.saved_tensors))
        _, *wanted = ctx.needs_input_grad
        return None, *(through(i, cotangent) if x else None for i, x in enumerate(wanted))

    @staticmethod
    def jvp(ctx: Any, _: None, *tangents: torch.Tensor | None) -> torch.Tensor:
        at, directions = _parts(ctx.call, ctx.saved_tensors)
        along = partial(_primitive, at)
        tangent = rules.forward(along, directions, tangents[: 1 + ctx.call.number])
        return torch.zeros_like(along(*directions)) if tangent is None else tangent

    @classmethod
    def apply(cls, *given: Any) -> torch.Tensor:
        if torch._C._are_functorch_transforms_active():
            return super().apply(*given)
        # Without binding a signature, which takes longer than to multiply small matrices.
        alive = torch._functorch.utils.unwrap_dead_wrappers(given)
        return super(torch.autograd.Function, cls).apply(*alive)


def _parts(call: SimpleNamespace, arrays: Factors) -> tuple[At, Factors]:
    k = 1 + call.number
    return At(call.rule, call.options, arrays[0], arrays[k:]), arrays[1:k]


def _primitive(at: At, *directions: torch.Tensor) -> Tensor:
    given = at.matrix, *directions
    if not (torch.is_grad_enabled() or any(map(_is_dual, given))):
        return at.rule.direct(xp, at.factors, at.options, *directions)
    # One object, because PyTorch takes tuples apart.
    call = SimpleNamespace(rule=at.rule, options=at.options, number=len(directions))
    return _Primitive.apply(call, *given, *at.factors)


def _is_dual(x: torch.Tensor) -> bool:
    """Whether forward mode follows."""
    return (
        torch._C._functorch.is_functorch_wrapped_tensor(x)
        or torch.autograd.forward_ad.unpack_dual(x).tangent is not None
    )


def _is_followed(x: torch.Tensor) -> bool:
    """Whether a derivative may be taken."""
    learning = x.requires_grad and torch.is_grad_enabled()
    return torch.compiler.is_compiling() or learning or _is_dual(x)


def _cotangents(loss: Callable[..., torch.Tensor], *factors: torch.Tensor) -> Factors:
    every = tuple(range(len(factors)))
    gradients, value = torch.func.grad_and_value(loss, argnums=every)(*factors)
    return value, *gradients


class _Once(torch.autograd.Function):  # type: ignore[misc]
    @staticmethod
    def forward(ctx: Any, pairs: Any, pull: Any, of: torch.Tensor) -> Factors:
        ctx.pull, ctx.device = pull, of.device
        return tuple(torch.as_tensor(x, device=of.device) for x in (pairs.values, pairs.vectors))

    @staticmethod
    def backward(ctx: Any, *cotangents: torch.Tensor) -> Factors:
        # PyTorch's own decorator overlooks a gradient that depends on the matrix alone.
        if torch.is_grad_enabled():
            raise NotImplementedError(large.SECOND)
        return None, None, torch.as_tensor(ctx.pull(*map(_numpy, cotangents)), device=ctx.device)


def _numpy(x: torch.Tensor) -> Any:
    return x.detach().cpu().resolve_conj().numpy()


def _once(pairs: Any, products: torch.Tensor) -> Factors:
    return _Once.apply(pairs, partial(large.pull, pairs), products)


def eigsh_csr(
    matrix: torch.Tensor, k: int = 1, which: str | float = "smallest", **options: Any
) -> Factors:
    """`eigsh` of a sparse CSR tensor, which gets a gradient on its pattern.

    From there PyTorch pulls it back to what the values were made of, if they are real.
    """
    places = matrix.crow_indices(), matrix.col_indices()
    entries, *parts = map(_numpy, (matrix.values(), *reversed(places)))
    A = scipy.sparse.csr_array((entries, *parts), matrix.shape)
    pairs = eigen(A, k, which, **options)

    def pull(*cotangents: Tensor) -> torch.Tensor:
        gradient = torch.as_tensor(eigen_vjp(pairs, *cotangents).on(A).data, device=matrix.device)
        return torch.sparse_csr_tensor(*places, gradient, matrix.shape, check_invariants=False)

    return _Once.apply(pairs, pull, matrix)


xp = Namespace(
    **{name: getattr(torch, name) for name in rules.ELEMENTWISE},
    eigh=torch.linalg.eigh,
    svd=lambda a, full=False: torch.linalg.svd(a, full_matrices=full),
    whitener=_whitener,
    adjoint=lambda a: a.mH,
    array=torch.as_tensor,
    concatenate=torch.cat,
    cast=lambda x, like: x.to(like.dtype),
    wide=lambda x: x.float() if x.dtype in _HALF else x,
    positions=lambda x: torch.arange(x.shape[-1], dtype=x.dtype, device=x.device),
    dtype=lambda x: _DTYPES[x.dtype],
    stop=torch.Tensor.detach,
    learns=_is_followed,
    divide=lambda above, below, where, otherwise=0: torch.where(where, above / below, otherwise),
    inverse=lambda x, where, otherwise=0: torch.where(where, x.reciprocal(), otherwise),
    # These are shorter ways, which count where matrices are small.
    pairs=lambda x: (x.unsqueeze(-1), x.unsqueeze(-2)),
    apply=lambda a, x: (a @ x.unsqueeze(-1)).squeeze(-1),
    times=torch.mul,
    known=_known,
    primitive=_primitive,
    in_graph=torch.compiler.allow_in_graph,
    is_complex=torch.is_complex,
    asarray=lambda x, like: torch.as_tensor(x, dtype=like.dtype, device=like.device),
    cotangents=_cotangents,
    over=lambda function, like: torch.func.vmap(function),
    max=torch.amax,
    draw=torch.compiler.assume_constant_result(Namespace.draw),
)

globals().update(catalogue.operations(xp, __name__))
eigsh = large.on_host(xp, _numpy, _once, __name__)
