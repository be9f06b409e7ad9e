"""The recipes for HIPS autograd."""

from collections.abc import Callable
from functools import partial
from typing import Any

import autograd.numpy as anp
import numpy as np
from autograd import make_vjp
from autograd.extend import defjvp_argnums, defvjp, primitive
from autograd.tracer import getval, isbox

from spectralgrad.recipes import catalogue, hermitian, large, rules
from spectralgrad.recipes.rules import At, Factors, Pullback, Tensor


def _known(x: Tensor) -> Tensor:
    while isbox(x):
        x = getval(x)
    return x


def _whitener(b: Tensor) -> Factors:
    # autograd has no forward mode of Cholesky's decomposition.
    w = rules.apply(xp, hermitian.inv_sqrtm, b, 0.0)
    return partial(anp.matmul, w), partial(anp.matmul, w), w @ b


def _cast(x: Tensor, like: Tensor) -> Tensor:
    if x.dtype == like.dtype:
        return x
    if x.dtype.itemsize < like.dtype.itemsize:
        # The product has a forward mode in autograd, and astype has none.
        return x * np.ones((), like.dtype)
    return x.astype(like.dtype)


def _primitive(at: At, *directions: Tensor) -> Tensor:
    @primitive
    def of_all(matrix: Tensor, *directions: Tensor) -> Tensor:
        return at.rule.at_once(xp, at.options, at.factors, *directions)

    def vjp(i: int, _: Tensor, matrix: Tensor, *directions: Tensor) -> Pullback:
        through = partial(xp.pullback, at._replace(matrix=matrix), directions, i)
        # autograd's cotangents are conjugated.
        return lambda c: anp.conj(through(anp.conj(c)))

    def jvp(places: Factors, changes: Factors, _: Tensor, given: Factors, __: object) -> Tensor:
        along = partial(_primitive, at._replace(matrix=given[0]))
        tangents = dict(zip(places, changes, strict=True))
        return rules.forward(along, given[1:], [tangents.get(i) for i in range(len(given))])

    defvjp(of_all, *(partial(vjp, i) for i in range(len(directions) + 1)))
    defjvp_argnums(of_all, jvp)
    return of_all(at.matrix, *directions)


def _cotangents(loss: Callable[..., Tensor], *factors: Tensor) -> Factors:
    # autograd warns of a loss that does not depend on what it is differentiated by.
    pullback, value = make_vjp(lambda x: loss(*x) + 0 * anp.sum(anp.real(x[0])))(factors)
    # autograd's cotangents are conjugated.
    return value, *map(anp.conj, pullback(1.0))


def _over(function: Callable[..., Factors], like: Factors) -> Callable[..., Factors]:
    return lambda *stacks: tuple(map(anp.stack, zip(*map(function, *stacks), strict=True)))


def _once(pairs: Any, products: Tensor) -> Factors:
    def vjp(_: Tensor, products: Tensor) -> Pullback:
        def through(cotangents: Factors) -> Tensor:
            if any(map(isbox, (products, cotangents, *cotangents))):
                raise NotImplementedError(large.SECOND)
            # autograd's cotangents are conjugated.
            return np.conj(large.pull(pairs, *map(np.conj, cotangents)))

        return through

    both = primitive(lambda _: (pairs.values, pairs.vectors))
    defvjp(both, vjp)
    return both(products)


xp = rules.Namespace(
    **vars(rules.NUMPY)
    | {name: getattr(anp, name) for name in (*rules.ELEMENTWISE, "concatenate", "max")}
    | {
        "eigh": np.linalg.eigh,
        # Of infinity it would not return.
        "svd": lambda a, full=False: np.linalg.svd(
            np.where(np.isfinite(a), a, np.nan), full_matrices=full
        ),
        "whitener": _whitener,
        "adjoint": lambda a: anp.conj(anp.swapaxes(a, -1, -2)),
        "array": lambda x: x if isbox(x) else np.asarray(x),
        "cast": _cast,
        "times": anp.multiply,
        "wide": lambda x: x.astype(np.float32) if x.dtype == np.float16 else x,
        "stop": _known,
        "learns": isbox,
        "known": _known,
        "primitive": _primitive,
        "cotangents": _cotangents,
        "over": _over,
        "asarray": lambda x, like: np.asarray(x, dtype=like.dtype),
    }
)

globals().update(catalogue.operations(xp, __name__))
eigsh = large.on_host(xp, _known, _once, __name__)
