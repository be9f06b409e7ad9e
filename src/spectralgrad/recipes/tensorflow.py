"""The recipes for TensorFlow."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import tensorflow as tf

from spectralgrad.recipes import catalogue, large, rules
from spectralgrad.recipes.rules import At, Factors, Tensor

_HALF = (tf.float16, tf.bfloat16)


def _eigh(a: Tensor) -> Factors:
    values, vectors = tf.linalg.eigh(a)
    # TensorFlow gives the eigenvalues the dtype of the matrix.
    return tf.math.real(values), vectors


def _svd(a: Tensor, full: bool = False) -> Factors:
    s, u, v = tf.linalg.svd(a, full_matrices=full)
    return u, s, tf.linalg.adjoint(v)


def _whitener(b: Tensor) -> Factors:
    lower = tf.linalg.cholesky(b)
    solve = partial(tf.linalg.triangular_solve, lower)
    return solve, partial(solve, adjoint=True), tf.linalg.adjoint(lower)


def _primitive(at: At, *directions: Tensor) -> Tensor:
    @tf.custom_gradient
    def of_all(matrix: Tensor, *directions: Tensor) -> Factors:
        def gradients(cotangent: Tensor) -> list[Tensor]:
            through = partial(xp.pullback, at._replace(matrix=matrix), directions)
            every = range(1, 1 + len(directions))
            # TensorFlow asks for each gradient, wanted or not, so that a third derivative is NaN.
            if len(directions) == at.rule.orders:
                nan = math.nan * tf.cast(tf.reduce_sum(cotangent), matrix.dtype)
                return [nan + 0 * matrix, *(through(i, cotangent) for i in every)]
            return [through(i, cotangent) for i in (0, *every)]

        # TensorFlow's forward mode would follow the steps of the formula, and not the gradients.
        value = at.rule.at_once(xp, at.options, at.factors, *directions)
        if not tf.executing_eagerly():
            # In a graph it overlooks the gradients, and would silently give 0.
            total = sum(tf.reduce_sum(tf.math.real(x)) for x in (matrix, *directions))
            value += tf.cast(tf.sqrt(0 * total), value.dtype)
        return value, gradients

    return of_all(at.matrix, *directions)


def _cotangents(loss: Callable[..., Tensor], *factors: Tensor) -> Factors:
    with tf.GradientTape() as tape:
        tape.watch(factors)
        value = loss(*factors)
    return value, *tape.gradient(value, factors, unconnected_gradients="zero")


def _over(function: Callable[..., Factors], like: Factors) -> Callable[..., Factors]:
    dtypes = tuple(x.dtype for x in like)
    return lambda *stacks: tf.map_fn(lambda x: function(*x), stacks, fn_output_signature=dtypes)


def _once(pairs: Any, products: Tensor) -> Factors:
    def refuse(*_: Tensor) -> Factors:
        raise NotImplementedError(large.SECOND)

    @tf.custom_gradient
    def pull(_: Tensor, *cotangents: Tensor) -> Factors:
        return tf.convert_to_tensor(large.pull(pairs, *(x.numpy() for x in cotangents))), refuse

    @tf.custom_gradient
    def both(products: Tensor) -> Factors:
        values, vectors = map(tf.convert_to_tensor, (pairs.values, pairs.vectors))
        return (values, vectors), partial(pull, products)

    return both(products)


xp = rules.Namespace(
    **{x: getattr(tf.math, x, None) or getattr(tf, x) for x in rules.ELEMENTWISE if x != "sum"},
    sum=tf.reduce_sum,
    eigh=_eigh,
    svd=_svd,
    whitener=_whitener,
    adjoint=tf.linalg.adjoint,
    array=tf.convert_to_tensor,
    concatenate=tf.concat,
    cast=lambda x, like: tf.cast(x, like.dtype),
    wide=lambda x: tf.cast(x, tf.float32) if x.dtype in _HALF else x,
    positions=lambda x: tf.range(x.shape[-1], dtype=x.dtype),
    dtype=lambda x: x.dtype.as_numpy_dtype,
    stop=tf.stop_gradient,
    # Nobody can ask a tape whether it watches.
    learns=lambda x: None,
    known=lambda x: None if tf.is_symbolic_tensor(x) or "CPU" not in x.device else x.numpy(),
    pairs=lambda x: (tf.expand_dims(x, -1), tf.expand_dims(x, -2)),
    apply=tf.linalg.matvec,
    is_complex=lambda x: x.dtype.is_complex,
    primitive=_primitive,
    cotangents=_cotangents,
    over=_over,
    max=tf.reduce_max,
    asarray=lambda x, like: tf.cast(tf.convert_to_tensor(x), like.dtype),
)

globals().update(catalogue.operations(xp, __name__))
eigsh = large.on_host(xp, lambda x: x.numpy(), _once, __name__)
