"""The recipes for TensorFlow."""

from collections.abc import Callable

import tensorflow as tf

from spectralgrad.recipes import hermitian, rules, singular


def _size(a: rules.Tensor) -> rules.Tensor:
    # TensorFlow adds 1e-20 to the squares of gaps: a second derivative would not survive scaling.
    size = tf.stop_gradient(tf.reduce_max(tf.abs(a), axis=(-2, -1), keepdims=True))
    return tf.where(size > 0, size, tf.ones_like(size))


def _eigh(a: rules.Tensor) -> rules.Factors:
    size = _size(a)
    values, vectors = tf.linalg.eigh(a / tf.cast(size, a.dtype))
    # TensorFlow gives the eigenvalues the dtype of the matrix.
    return tf.math.real(values) * size[..., 0], vectors


def _svd(a: rules.Tensor) -> rules.Factors:
    size = _size(a)
    s, u, v = tf.linalg.svd(a / tf.cast(size, a.dtype))
    return u, s * size[..., 0], tf.linalg.adjoint(v)


xp = rules.Namespace(
    **{name: getattr(tf.math, name) for name in ("abs", "exp", "expm1", "log", "log1p", "sqrt")},
    **{name: getattr(tf, name) for name in ("maximum", "ones_like", "where", "zeros_like")},
    sum=tf.reduce_sum,
    eigh=_eigh,
    svd=_svd,
    adjoint=tf.linalg.adjoint,
    cast=lambda x, like: tf.cast(x, like.dtype),
    positions=lambda x: tf.range(x.shape[-1], dtype=x.dtype),
    dtype=lambda x: x.dtype.as_numpy_dtype,
    known=lambda x: None if tf.is_symbolic_tensor(x) else x.numpy(),
)


def operation(rule: rules.Rule) -> Callable[..., rules.Tensor]:
    """Make a function of a matrix whose reverse pass is a rule."""

    def apply(matrix: rules.Tensor, *options: rules.Option) -> rules.Tensor:
        def of_matrix(matrix: rules.Tensor) -> tuple[rules.Tensor, rules.Pullback]:
            factors = rule.decompose(xp, matrix)

            def pullback(cotangent: rules.Tensor) -> rules.Tensor:
                return rule.pullback(xp, factors, cotangent, *options)

            return rule.value(xp, factors, *options), pullback

        return tf.custom_gradient(of_matrix)(tf.convert_to_tensor(matrix))

    return rules.public(rule, apply)


nuclear_norm = operation(singular.nuclear_norm)
spectral_norm = operation(singular.spectral_norm)
soft_threshold = operation(singular.soft_threshold)
low_rank = operation(singular.low_rank)
polar = operation(singular.polar)
pinv = operation(singular.pinv)
sqrtm = operation(hermitian.sqrtm)
expm = operation(hermitian.expm)
projector = operation(hermitian.projector)
