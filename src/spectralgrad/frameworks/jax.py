"""JAX."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike

from spectralgrad.frameworks import numpy

if TYPE_CHECKING:
    from spectralgrad.theory.arrays import Array


# It is compiled for a few calls: to optimise would take longer than it saves. The oldest releases
# cannot be told so; and before 0.8, enable_x64 has another place.
_TOLD = "compiler_options" in inspect.signature(jax.jit).parameters
_OPTIONS: Any = {"compiler_options": {"xla_backend_optimization_level": 0}} if _TOLD else {}
_HOME: Any = jax if hasattr(jax, "enable_x64") else jax.experimental


@partial(jax.jit, static_argnums=0, **_OPTIONS)
def _vjp(function: Callable[[Any], Any], matrix: jax.Array, cotangent: jax.Array) -> jax.Array:
    value, pullback = jax.vjp(function, matrix)
    # JAX takes and returns conjugates.
    gradient: jax.Array = pullback(jnp.conj(cotangent).astype(value.dtype))[0]
    return gradient.conj()


class Library(numpy.Library):
    """What JAX does otherwise; see `spectralgrad.frameworks.numpy.Library`."""

    NAME, VERSION = "jax", jax.__version__
    linalg = jnp.linalg
    further = "jax.scipy.linalg"
    conjugates = True

    def array(self, given: ArrayLike) -> jax.Array:
        """One of its own arrays."""
        return jnp.asarray(given)

    def computing(self) -> AbstractContextManager[Any]:
        """It computes in 32 bits unless told otherwise; the reader's own setting stays as it is."""
        state: AbstractContextManager[Any] = _HOME.enable_x64(True)
        return state

    def eager(self) -> AbstractContextManager[Any]:
        """What is compiled calls nothing."""
        return jax.disable_jit()

    def call(self, function: numpy.Function, *given: Any, **named: Any) -> Any:
        """JAX's own functions take long if they are not compiled."""
        with jax.disable_jit(False):
            return function(*given, **named)

    def reverse(self, function: numpy.Function, *arrays: Any) -> tuple[Any, Any]:
        """By `jax.vjp`."""
        value, pullback = jax.vjp(function, *arrays)
        return value, pullback

    def vjp(self, function: numpy.Function, matrix: ArrayLike, cotangent: ArrayLike) -> Array:
        """Compiled once for a function."""
        with self.computing():
            return np.asarray(_vjp(function, jnp.asarray(matrix), jnp.asarray(cotangent)))
