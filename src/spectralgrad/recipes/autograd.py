"""The recipes for HIPS autograd."""

from collections.abc import Callable
from functools import partial
from typing import NoReturn

import autograd.numpy as anp
import numpy as np
from autograd import make_vjp
from autograd.extend import defjvp, defjvp_argnums, defvjp, primitive
from autograd.tracer import getval, isbox

from spectralgrad.recipes import bases, catalogue, hermitian, rules, second_basis
from spectralgrad.recipes.rules import Factors, Options, Pullback, Rule, Sum, Tensor


def _known(x: Tensor) -> Tensor:
    while isbox(x):
        x = getval(x)
    return x


def _cast(x: Tensor, like: Tensor) -> Tensor:
    if x.dtype == like.dtype:
        return x
    if x.dtype.itemsize < like.dtype.itemsize:
        # The product has a forward mode in autograd, and astype has none.
        return x * np.ones((), like.dtype)
    return x.astype(like.dtype)


def _primitive(
    rule: Rule | Sum, options: Options, matrix: Tensor, factors: Factors, *directions: Tensor
) -> Tensor:
    @primitive
    def of_all(matrix: Tensor, *directions: Tensor) -> Tensor:
        return rule.direct(xp, factors, options, *directions)

    def vjp(i: int, _: Tensor, matrix: Tensor, *directions: Tensor) -> Pullback:
        others = directions if i == 0 else (*directions[: i - 1], *directions[i:])
        through = partial(xp.pullback, rule, options, matrix, factors, *others)
        # autograd's cotangents are conjugated.
        return lambda c: anp.conj(through(anp.conj(c)))

    def jvp(places: Factors, changes: Factors, _: Tensor, given: Factors, __: object) -> Tensor:
        along = partial(_primitive, rule, options, given[0], factors)
        tangents = dict(zip(places, changes, strict=True))
        return rules.forward(along, given[1:], [tangents.get(i) for i in range(len(given))])

    defvjp(of_all, *(partial(vjp, i) for i in range(len(directions) + 1)))
    defjvp_argnums(of_all, jvp)
    return of_all(matrix, *directions)


xp: rules.Namespace = rules.Namespace(
    **{name: getattr(anp, name) for name in rules.ELEMENTWISE},
    eigh=np.linalg.eigh,
    # Of infinity it would not return.
    svd=lambda a, full=False: np.linalg.svd(
        np.where(np.isfinite(a), a, np.nan), full_matrices=full
    ),
    det=np.linalg.det,
    # autograd has no forward mode of Cholesky's decomposition.
    whitener=lambda b: rules.apply(xp, hermitian.inv_sqrtm, b, 0.0),
    adjoint=lambda a: anp.conj(anp.swapaxes(a, -1, -2)),
    array=lambda x: x if isbox(x) else np.asarray(x),
    concatenate=anp.concatenate,
    cast=_cast,
    wide=lambda x: x.astype(np.float32) if x.dtype == np.float16 else x,
    positions=lambda x: np.arange(x.shape[-1], dtype=x.dtype),
    dtype=lambda x: x.dtype,
    stop=_known,
    learns=isbox,
    known=_known,
    is_complex=np.iscomplexobj,
    primitive=_primitive,
)

globals().update(catalogue.operations(xp, __name__))


def _cotangents(loss: Callable[..., Tensor], *factors: Tensor) -> Factors:
    # autograd warns of a loss that does not depend on what it is differentiated by.
    pullback, value = make_vjp(lambda x: loss(*x) + 0 * x[0][0])(factors)
    # autograd's cotangents are conjugated.
    return value, *map(anp.conj, pullback(1.0))


def _mapped(
    function: Callable[..., Factors], dimensions: int, like: Factors, *stacks: Tensor
) -> Factors:
    if not dimensions:
        return function(*stacks)
    rows = [_mapped(function, dimensions - 1, like, *row) for row in zip(*stacks, strict=True)]
    return tuple(map(anp.stack, zip(*rows, strict=True)))


vars(xp).update(
    max=anp.max,
    stack=anp.stack,
    draw=bases.draw,
    asarray=lambda x, like: np.asarray(x, dtype=like.dtype),
    qr=lambda a: np.linalg.qr(a)[0],
    cotangents=_cotangents,
    take=lambda a, at: a[..., at.astype(int)],
    mapped=_mapped,
)


def _refuse(*_: object) -> NoReturn:
    raise NotImplementedError(second_basis.ONCE)


def _same(x: Tensor, *_: Tensor) -> Tensor:
    return x


#: A loss, its matrix, its gradient; a gradient, of which a derivative is refused, and its matrix; a
#: number that hides how it depends on a matrix.
_joined, _once, _hidden = (primitive(_same) for _ in range(3))


def _vjp(found: Tensor, _: Tensor, *given: Tensor) -> Pullback:
    gradient = _once(given[1], given[0])
    # autograd's cotangents are conjugated.
    return lambda cotangent: anp.conj(cotangent[..., None, None] * gradient)


def _jvp(tangent: Tensor, found: Tensor, *given: Tensor) -> Tensor:
    gradient = _once(given[2], given[1])
    return anp.sum(anp.real(anp.conj(gradient) * tangent), axis=(-2, -1))


defvjp(_once, _refuse, _refuse)
defjvp(_once, _refuse, _refuse)
defvjp(_hidden, lambda *_: lambda cotangent: cotangent, _refuse)
defjvp(_hidden, lambda tangent, *_: tangent, _refuse)
defvjp(_joined, lambda _, found, matrix, *__: lambda x: _hidden(x, matrix), _vjp, None)
defjvp(_joined, lambda x, _, found, matrix, *__: _hidden(x, matrix), _jvp, None)


def _invariant(rule: second_basis.Invariant) -> Callable[[Tensor], Tensor]:
    def of_matrix(matrix: Tensor) -> Tensor:
        factors = rule.decompose(xp, matrix)
        found = rule.value(xp, factors)
        if not isbox(matrix):
            return found
        return _joined(found, matrix, rule.pullback(xp, factors))

    return of_matrix


invariant_eigh, invariant_svd = second_basis.public(_invariant)
