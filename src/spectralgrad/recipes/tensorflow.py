"""The recipes for TensorFlow."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any, NoReturn

import tensorflow as tf

from spectralgrad.recipes import bases, catalogue, rules, second_basis
from spectralgrad.recipes.rules import Factors, Options, Pullback, Rule, Sum, Tensor

_HALF = (tf.float16, tf.bfloat16)
_MATH = ("abs", "conj", "exp", "expm1", "log", "log1p", "real", "reciprocal", "sign", "sqrt")


def _eigh(a: Tensor) -> Factors:
    values, vectors = tf.linalg.eigh(a)
    # TensorFlow gives the eigenvalues the dtype of the matrix.
    return tf.math.real(values), vectors


def _svd(a: Tensor, full: bool = False) -> Factors:
    s, u, v = tf.linalg.svd(a, full_matrices=full)
    return u, s, tf.linalg.adjoint(v)


def _whitener(b: Tensor) -> Tensor:
    lower = tf.linalg.cholesky(b)
    eye = tf.eye(b.shape[-1], batch_shape=tf.shape(b)[:-2], dtype=b.dtype)
    return tf.linalg.adjoint(tf.linalg.triangular_solve(lower, eye))


def _primitive(
    rule: Rule | Sum, options: Options, matrix: Tensor, factors: Factors, *directions: Tensor
) -> Tensor:
    @tf.custom_gradient
    def of_all(matrix: Tensor, *directions: Tensor) -> Factors:
        def gradients(cotangent: Tensor) -> list[Tensor]:
            through = partial(xp.pullback, rule, options, matrix, factors)
            # TensorFlow asks for each gradient, wanted or not, so that a third derivative is NaN.
            third = len(directions) == rule.orders
            nan = math.nan * tf.cast(tf.reduce_sum(cotangent), matrix.dtype)
            of_matrix = nan + 0 * matrix if third else through(*directions, cotangent)
            others = [(*directions[:i], *directions[i + 1 :]) for i in range(len(directions))]
            return [of_matrix, *(through(*x, cotangent) for x in others)]

        # TensorFlow's forward mode would follow the steps of the formula, and not the gradients.
        fixed = map(tf.stop_gradient, directions)
        value = rule.direct(xp, factors, options, *fixed)
        if not tf.executing_eagerly():
            # In a graph it overlooks the gradients, and would silently give 0.
            total = sum(tf.reduce_sum(tf.math.real(x)) for x in (matrix, *directions))
            value += tf.cast(tf.sqrt(0 * total), value.dtype)
        return value, gradients

    return of_all(matrix, *directions)


xp = rules.Namespace(
    **{name: getattr(tf.math, name) for name in _MATH},
    **{
        name: getattr(tf, name)
        for name in ("einsum", "maximum", "ones_like", "where", "zeros_like")
    },
    sum=tf.reduce_sum,
    eigh=_eigh,
    svd=_svd,
    det=tf.linalg.det,
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
    is_complex=lambda x: x.dtype.is_complex,
    primitive=_primitive,
)

globals().update(catalogue.operations(xp, __name__))


def _cotangents(loss: Callable[..., Tensor], *factors: Tensor) -> Factors:
    with tf.GradientTape() as tape:
        tape.watch(factors)
        value = loss(*factors)
    return value, *tape.gradient(value, factors, unconnected_gradients="zero")


def _mapped(
    function: Callable[..., Factors], dimensions: int, like: Factors, *stacks: Tensor
) -> Factors:
    if not dimensions:
        return function(*stacks)
    found: Factors = tf.map_fn(
        lambda part: _mapped(function, dimensions - 1, like, *part),
        stacks,
        fn_output_signature=tuple(x.dtype for x in like),
    )
    return found


def _total(function: Callable[..., Factors], count: Tensor, most: int, *zeros: Tensor) -> Factors:
    def add(r: Tensor, *total: Tensor) -> Factors:
        return r + 1, *map(tf.add, total, function(r))

    _, *found = tf.while_loop(lambda r, *_: r < count, add, (0 * count, *zeros))
    return tuple(found)


vars(xp).update(
    max=tf.reduce_max,
    stack=tf.stack,
    draw=bases.draw,
    asarray=lambda x, like: tf.cast(tf.convert_to_tensor(x), like.dtype),
    qr=lambda a: tf.linalg.qr(a)[0],
    cotangents=_cotangents,
    take=lambda a, at: tf.gather(a, tf.cast(at, tf.int32), axis=-1),
    mapped=_mapped,
    each=lambda function, like, *stacks: _mapped(function, 1, like, *stacks),
    total=_total,
)


def _once(x: Tensor, matrix: Tensor) -> tuple[Tensor, Pullback]:
    """A gradient, of which a derivative is refused."""

    def refuse(_: Tensor) -> NoReturn:
        raise NotImplementedError(second_basis.ONCE)

    return tf.identity(x), refuse


def _hidden(x: Tensor, matrix: Tensor) -> tuple[Tensor, Pullback]:
    """A number that hides how it depends on the matrix: along that, its derivative is NaN."""
    return tf.identity(x), lambda cotangent: (cotangent, math.nan * tf.ones_like(matrix))


def _invariant(rule: second_basis.Invariant) -> Callable[[Tensor], Tensor]:
    def of_matrix(matrix: Tensor) -> Tensor:
        matrix = tf.convert_to_tensor(matrix)
        factors = rule.decompose(xp, matrix)

        def joined(found: Tensor, matrix: Tensor) -> tuple[Tensor, Any]:
            def pullback(cotangent: Tensor) -> Factors:
                gradient = tf.custom_gradient(_once)(rule.pullback(xp, factors), matrix)
                scale = tf.cast(cotangent, matrix.dtype)[..., None, None]
                return tf.custom_gradient(_hidden)(cotangent, matrix), scale * gradient

            # Forward mode and `vectorized_map` overlook the pullback, and would silently give 0.
            mark = tf.sqrt(0 * tf.reduce_sum(tf.math.real(matrix), axis=(-2, -1)))
            return found + mark, pullback

        return tf.custom_gradient(joined)(rule.value(xp, factors), matrix)

    return of_matrix


invariant_eigh, invariant_svd = second_basis.public(_invariant)
