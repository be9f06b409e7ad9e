"""The recipes for PyTorch."""

import contextlib
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch

from spectralgrad.recipes import bases, catalogue, rules, second_basis
from spectralgrad.recipes.rules import Factors, Namespace, Options, Rule, Sum, Tensor

_DTYPES = {torch.float32: np.float32, torch.float64: np.float64}
_HALF = (torch.float16, torch.bfloat16)


def _known(x: torch.Tensor) -> Tensor:
    if torch.compiler.is_compiling() or x.device.type != "cpu":
        return None
    # Under torch.func.grad the first fails, and under vmap the second too.
    for read in (lambda: x.detach().numpy(), lambda: np.asarray(x.tolist())):
        with contextlib.suppress(RuntimeError):
            return read()
    return None


def _whitener(b: torch.Tensor) -> torch.Tensor:
    eye = torch.eye(b.shape[-1], dtype=b.dtype, device=b.device)
    return torch.linalg.solve_triangular(torch.linalg.cholesky(b), eye, upper=False).mH


@dataclass(frozen=True, eq=False)
class _Call:
    """What is no array; one object, because PyTorch takes tuples apart."""

    rule: Rule | Sum
    options: Options
    number: int


class _Primitive(torch.autograd.Function):  # type: ignore[misc]
    """A function of the matrix, of a number of directions, and of factors."""

    generate_vmap_rule = True

    @staticmethod
    def forward(call: _Call, *arrays: torch.Tensor) -> torch.Tensor:
        _, directions, factors = _parts(call, arrays)
        return call.rule.direct(xp, factors, call.options, *directions)

    @staticmethod
    def setup_context(ctx: Any, inputs: Factors, output: torch.Tensor) -> None:
        ctx.call = inputs[0]
        ctx.save_for_backward(*inputs[1:])
        ctx.save_for_forward(*inputs[1:])

    @staticmethod
    def backward(ctx: Any, cotangent: torch.Tensor) -> Factors:
        matrix, directions, factors = _parts(ctx.call, ctx.saved_tensors)
        through = partial(xp.pullback, ctx.call.rule, ctx.call.options, matrix, factors)
        gradients: list[Any] = [None] * len(ctx.needs_input_grad)
        if ctx.needs_input_grad[1]:
            gradients[1] = through(*directions, cotangent)
        for i in range(ctx.call.number):
            if ctx.needs_input_grad[2 + i]:
                gradients[2 + i] = through(*directions[:i], *directions[i + 1 :], cotangent)
        return tuple(gradients)

    @staticmethod
    def jvp(ctx: Any, _: None, *tangents: torch.Tensor | None) -> torch.Tensor:
        matrix, directions, factors = _parts(ctx.call, ctx.saved_tensors)
        along = partial(_primitive, ctx.call.rule, ctx.call.options, matrix, factors)
        tangent = rules.forward(along, directions, tangents[: 1 + ctx.call.number])
        return torch.zeros_like(along(*directions)) if tangent is None else tangent


# PyTorch asks for it in each call, and to find it takes longer than to multiply small matrices.
vars(_Primitive.forward)["__signature__"] = inspect.signature(_Primitive.forward)


def _parts(call: _Call, arrays: Factors) -> tuple[torch.Tensor, Factors, Factors]:
    return arrays[0], arrays[1 : 1 + call.number], arrays[1 + call.number :]


def _primitive(
    rule: Rule | Sum,
    options: Options,
    matrix: torch.Tensor,
    factors: Factors,
    *directions: torch.Tensor,
) -> torch.Tensor:
    given = matrix, *directions
    if not (torch.is_grad_enabled() or any(map(_is_dual, given))):
        return rule.direct(xp, factors, options, *directions)
    return _Primitive.apply(_Call(rule, options, len(directions)), *given, *factors)


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


xp = Namespace(
    **{name: getattr(torch, name) for name in rules.ELEMENTWISE},
    eigh=torch.linalg.eigh,
    svd=lambda a, full=False: torch.linalg.svd(a, full_matrices=full),
    det=torch.linalg.det,
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
    divide=lambda above, below, where, otherwise: torch.where(where, above / below, otherwise),
    known=_known,
    primitive=_primitive,
    in_graph=torch.compiler.allow_in_graph,
    is_complex=torch.is_complex,
    asarray=lambda x, like: torch.as_tensor(x, dtype=like.dtype, device=like.device),
    qr=lambda a: torch.linalg.qr(a)[0],
)

globals().update(catalogue.operations(xp, __name__))


def _cotangents(loss: Callable[..., torch.Tensor], *factors: torch.Tensor) -> Factors:
    every = tuple(range(len(factors)))
    gradients, value = torch.func.grad_and_value(loss, argnums=every)(*factors)
    return value, *gradients


class _Once(torch.autograd.Function):  # type: ignore[misc]
    """A number that hides how it depends on a matrix: a derivative along that is refused."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x: torch.Tensor, *_: object) -> torch.Tensor:
        return x.clone()

    @staticmethod
    def setup_context(ctx: Any, inputs: Factors, output: torch.Tensor) -> None:
        ctx.is_gradient = inputs[2]
        ctx.set_materialize_grads(False)

    @staticmethod
    def backward(ctx: Any, cotangent: torch.Tensor) -> Factors:
        if ctx.is_gradient or ctx.needs_input_grad[1]:
            raise NotImplementedError(second_basis.ONCE)
        return cotangent, None, None

    @staticmethod
    def jvp(ctx: Any, tangent: Tensor, along: Tensor, _: object) -> torch.Tensor:
        if ctx.is_gradient or along is not None:
            raise NotImplementedError(second_basis.ONCE)
        return tangent.clone()


class _Joined(torch.autograd.Function):  # type: ignore[misc]
    """A loss, and its gradient with respect to a matrix."""

    generate_vmap_rule = True

    @staticmethod
    def forward(found: torch.Tensor, *_: torch.Tensor) -> torch.Tensor:
        return found.clone()

    @staticmethod
    def setup_context(ctx: Any, inputs: Factors, output: torch.Tensor) -> None:
        ctx.save_for_backward(*inputs[1:])
        ctx.save_for_forward(*inputs[1:])
        ctx.set_materialize_grads(False)

    @staticmethod
    def backward(ctx: Any, cotangent: torch.Tensor) -> Factors:
        matrix, gradient = ctx.saved_tensors
        # Else a second derivative would silently be 0. Dynamo has none.
        if torch.is_grad_enabled() and not torch.compiler.is_compiling():
            found = _Once.apply(cotangent, matrix, False)
            gradient = _Once.apply(gradient, matrix, True) if ctx.needs_input_grad[1] else gradient
        else:
            found = cotangent
        along = cotangent[..., None, None] * gradient if ctx.needs_input_grad[1] else None
        return found, along, None


class _Dual(_Joined):
    """The same, in forward mode too, which Dynamo does not trace."""

    @staticmethod
    def jvp(ctx: Any, found: Tensor, tangent: Tensor, _: object) -> torch.Tensor:
        matrix, gradient = ctx.saved_tensors
        along = 0 if found is None else _Once.apply(found, matrix, False)
        if tangent is not None:
            gradient = _Once.apply(gradient, matrix, True)
            along = along + (gradient.conj() * tangent).real.sum(dim=(-2, -1))
        return along


def _mapped(
    function: Callable[..., Factors], dimensions: int, like: Factors, *stacks: torch.Tensor
) -> Factors:
    for _ in range(dimensions):
        function = torch.func.vmap(function)
    return function(*stacks)


def _total(
    function: Callable[..., Factors], count: torch.Tensor, most: int, *zeros: torch.Tensor
) -> Factors:
    # How many are needed is not known, and the others are 0.
    if torch.compiler.is_compiling():
        every = torch.func.vmap(function)(torch.arange(most, device=count.device))
        return tuple(x.sum(dim=0) for x in every)
    for r in range(most):
        zeros = tuple(map(torch.add, zeros, function(r)))
    return zeros


vars(xp).update(
    cotangents=_cotangents,
    max=torch.amax,
    draw=torch.compiler.assume_constant_result(bases.draw),
    stack=torch.stack,
    take=lambda a, at: a[..., at.long()],
    mapped=_mapped,
    each=None,
    total=_total,
)


def _invariant(rule: second_basis.Invariant) -> Callable[[torch.Tensor], torch.Tensor]:
    def of_matrix(matrix: torch.Tensor) -> torch.Tensor:
        factors = rule.decompose(xp, matrix)
        found = rule.value(xp, factors)
        if not _is_followed(matrix):
            return found
        # At once: what else the loss depends on may belong to a transform that ends before.
        gradient = rule.pullback(xp, factors)
        joined = _Joined if torch.compiler.is_compiling() else _Dual
        return joined.apply(found, matrix, gradient)

    return of_matrix


invariant_eigh, invariant_svd = second_basis.public(_invariant)
