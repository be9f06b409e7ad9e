"""What is timed: four problems, and how the package and each framework is asked for a gradient.

A way is a library, or ``"floor"``: LAPACK's decomposition alone, through NumPy. Throughout,
``problem`` is a key of `PROBLEMS`; ``a`` is a NumPy array of double precision (in a loss, the array
of a framework), Hermitian except for the nuclear norm; ``c`` holds the real coefficients of the
problem ``"vectors"``, in the shape of ``a``. A gradient is what the library returns, in its own
convention; a function named after one makes the call for it, compiled or traced.
"""

import math
import re
from collections.abc import Callable
from functools import partial
from typing import Any, cast

import numpy as np

from spectralgrad import frameworks
from spectralgrad.theory import eigen, singular
from spectralgrad.theory.arrays import Array

Call = Callable[[], Any]

# Each with what a reader calls it.
PROBLEMS = {
    "values": "Values, Σ exp λᵢ",
    "one": "One eigenvalue, λ₁",
    "vectors": "Vectors, Σ CᵢⱼVᵢⱼ²",
    "nuclear": "Nuclear norm, Σ σᵢ",
}
# Ways that every problem is measured in.
WAYS = {"floor": "LAPACK alone", "package": "spectralgrad", **frameworks.TITLES}
# The same without compiling or tracing.
EAGER = {"tensorflow eager": "TensorFlow, eager", "jax eager": "JAX, without jit"}


def matrix(problem: str, n: int) -> Array:
    """Draw the matrix of a problem: of norm about 1, and always the same for one size."""
    drawn: Array = np.random.default_rng(n).standard_normal((n, n))
    if problem == "nuclear":
        return drawn / math.sqrt(4 * n)
    return (drawn + drawn.T) / math.sqrt(8 * n)


def coefficients(n: int) -> Array:
    """Draw the C of the problem ``"vectors"``, always the same for one size."""
    return np.random.default_rng(n + 1).standard_normal((n, n))


def prepare(way: str, problem: str, a: Array) -> Call:
    """Make the call whose time is taken."""
    return _CALLS[way](problem, a, coefficients(a.shape[-1]))


def floor(problem: str, a: Array, c: Array) -> Call:
    """Decompose a matrix, and do no more."""
    if problem == "nuclear":
        return lambda: np.linalg.svd(a, full_matrices=False)
    return lambda: np.linalg.eigh(a)


def package_gradient(problem: str, a: Array, c: Array) -> Call:
    """Gradient of a problem by this package, in the symmetric convention."""

    def gradient() -> Any:
        if problem == "one":
            return eigen.eigenvalue_gradient(a)[1]
        if problem == "nuclear":
            return singular.nuclear_norm_gradient(a)
        values, v = np.linalg.eigh(a)
        if problem == "values":
            return eigen.eigvalsh_vjp(v, np.exp(values))
        return eigen.eigh_vjp(values, v, 0, 2 * c * v)

    return gradient


def torch_loss(problem: str, a: Any, c: Array) -> Any:
    """Loss of a problem in PyTorch."""
    import torch

    if problem == "values":
        return torch.linalg.eigvalsh(a).exp().sum()
    if problem == "one":
        return torch.linalg.eigvalsh(a)[0]
    if problem == "vectors":
        _, v = torch.linalg.eigh(a)
        return (torch.from_numpy(c) * (v.conj() * v).real).sum()
    return torch.linalg.svdvals(a).sum()


def torch_gradient(problem: str, a: Array, c: Array) -> Call:
    """Gradient of a problem by PyTorch."""
    import torch

    def gradient() -> Any:
        x: Any = torch.tensor(a, requires_grad=True)
        torch_loss(problem, x, c).backward()
        return x.grad.resolve_conj().numpy()

    return gradient


def tensorflow_loss(problem: str, a: Any, c: Array) -> Any:
    """Loss of a problem in TensorFlow."""
    import tensorflow as tf

    if problem == "values":
        return tf.reduce_sum(tf.exp(tf.math.real(tf.linalg.eigvalsh(a))))
    if problem == "one":
        return tf.math.real(tf.linalg.eigvalsh(a))[0]
    if problem == "vectors":
        _, v = tf.linalg.eigh(a)
        return tf.reduce_sum(c * tf.math.real(tf.math.conj(v) * v))
    return tf.reduce_sum(tf.linalg.svd(a, compute_uv=False))


def tensorflow_gradient(problem: str, a: Array, c: Array, *, traced: bool = True) -> Call:
    """Gradient of a problem by TensorFlow: traced by ``tf.function``, or eager."""
    import tensorflow as tf

    def gradient(x: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = tensorflow_loss(problem, x, c)
        return tape.gradient(loss, x)

    if traced:
        gradient = tf.function(gradient, autograph=False).get_concrete_function(
            tf.TensorSpec(a.shape, a.dtype)
        )
    return lambda: gradient(tf.constant(a)).numpy()


def jax_loss(problem: str, a: Any, c: Array) -> Any:
    """Loss of a problem in JAX."""
    import jax.numpy as jnp

    if problem == "values":
        return jnp.exp(jnp.linalg.eigvalsh(a)).sum()
    if problem == "one":
        return jnp.linalg.eigvalsh(a)[0]
    if problem == "vectors":
        _, v = jnp.linalg.eigh(a)
        return (c * (v.conj() * v).real).sum()
    return jnp.linalg.svd(a, compute_uv=False).sum()


def jax_gradient(problem: str, a: Array, c: Array, *, compiled: bool = True) -> Call:
    """Gradient of a problem by JAX: compiled by ``jax.jit``, or without it."""
    import jax
    import jax.numpy as jnp

    gradient: Any = jax.grad(lambda x: jax_loss(problem, x, c))
    if compiled:
        gradient = jax.jit(gradient).lower(jnp.asarray(a)).compile()
    return lambda: np.asarray(gradient(jnp.asarray(a)))


def autograd_loss(problem: str, a: Any, c: Array) -> Any:
    """Loss of a problem in autograd, which has no function for the eigenvalues alone."""
    import autograd.numpy as anp

    if problem == "values":
        return anp.sum(anp.exp(anp.linalg.eigh(a)[0]))
    if problem == "one":
        return anp.linalg.eigh(a)[0][0]
    if problem == "vectors":
        _, v = anp.linalg.eigh(a)
        return anp.sum(c * anp.real(anp.conj(v) * v))
    return anp.sum(anp.linalg.svd(a, compute_uv=False))


def autograd_gradient(problem: str, a: Array, c: Array) -> Call:
    """Gradient of a problem by autograd."""
    import autograd

    return lambda: autograd.grad(lambda x: autograd_loss(problem, x, c))(a)


_CALLS: dict[str, Callable[[str, Array, Array], Call]] = {
    "floor": floor,
    "package": package_gradient,
    "autograd": autograd_gradient,
    "torch": torch_gradient,
    "tensorflow": tensorflow_gradient,
    "tensorflow eager": partial(tensorflow_gradient, traced=False),
    "jax": jax_gradient,
    "jax eager": partial(jax_gradient, compiled=False),
}


def routines() -> dict[str, str]:
    """What each library says of the routines that it calls, by way, found by asking it."""
    import jax
    import tensorflow as tf
    import torch

    built = cast(Any, np.show_config(mode="dicts"))["Build Dependencies"]["lapack"]
    numpy = f"{built['name']} {built['version']}"
    said = re.search(r"LAPACK_INFO=(\w+)", torch.__config__.show())
    a = np.eye(2)
    lowered = "".join(
        jax.jit(partial(jax_loss, problem)).lower(a, a).as_text()
        for problem in ("values", "nuclear")
    )
    calls = re.findall(r"custom_call @(\w+)", lowered)
    spec = tf.TensorSpec(a.shape, a.dtype)
    types: set[str] = set()
    for problem in ("values", "nuclear"):
        loss = tf.function(partial(tensorflow_loss, problem, c=a), autograph=False)
        graph = loss.get_concrete_function(spec).graph
        types |= {operation.type for operation in graph.get_operations()}
    return {
        "floor": numpy,
        "package": f"{numpy}, and for one eigenvalue the LAPACK of SciPy",
        "autograd": numpy,
        "torch": said[1] if said else "",
        "tensorflow": ", ".join(sorted(types & {"SelfAdjointEigV2", "Svd"})),
        "jax": ", ".join(dict.fromkeys(calls)),
    }
