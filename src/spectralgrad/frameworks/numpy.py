"""NumPy, which has values and no gradients; and what all frameworks do alike.

This module and those of the frameworks are sent to other interpreters (see `elsewhere`): they need
Python 3.9, NumPy 1.20, and nothing else of this package.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

if TYPE_CHECKING:
    from spectralgrad.frameworks import Outcome
    from spectralgrad.theory.arrays import Array, Problem

Function = Callable[..., Any]
# Name and factors of a decomposition -> factors to put in their place.
Change = Callable[[str, Sequence[Any]], Iterable[Any]]

_NAMES = (
    "cholesky det eig eigh eigvals eigvalsh expm inv lobpcg logdet logm lstsq lu matrix_exp "
    "matrix_norm matrix_rank norm null_space orth pinv pinverse polar qr schur slogdet solve sqrtm "
    "svd svd_lowrank svdvals"
)
#: What `Library.watch` notes, whatever a framework puts before the name.
DECOMPOSITIONS = frozenset(_NAMES.split())


def outcome(error: BaseException) -> Outcome:
    """What a framework means that raises instead of differentiating."""
    # TensorFlow looks for a missing gradient in a dictionary, and has an error class of its own.
    refused = isinstance(error, (NotImplementedError, LookupError))
    return "unsupported" if refused or "Unimplemented" in type(error).__name__ else "failed"


class Library:
    """A framework: what it is asked in NumPy's arrays, in the dtype of the matrix.

    Each has ``reverse``, and overrides what else it does otherwise than NumPy.
    """

    NAME, VERSION = "numpy", np.__version__
    # Where its decompositions are, and, if that is imported, further ones.
    linalg: ModuleType = np.linalg
    further = "scipy.linalg"
    #: Whether its gradients, and the cotangents that it takes, are the conjugates of this book's.
    conjugates = False
    # Where U, σ, and Vᴴ or V, are in what its svd returns.
    order = (0, 1, 2)
    has_v = False

    def array(self, given: ArrayLike) -> Any:
        """One of its own arrays."""
        return np.array(given)

    def numpy(self, found: Any) -> Array:
        """One of NumPy's."""
        return np.asarray(found)

    def computing(self) -> AbstractContextManager[Any]:
        """In what state it computes."""
        return contextlib.nullcontext()

    def eager(self) -> AbstractContextManager[Any]:
        """In what state a compiled function calls what it is made of."""
        return contextlib.nullcontext()

    def call(self, function: Function, *given: Any, **named: Any) -> Any:
        """Call a decomposition in that state."""
        return function(*given, **named)

    def reverse(self, function: Function, *arrays: Any) -> tuple[Any, Callable[[Any], Any]]:
        """The value of a function, and its cotangent ↦ those of the arrays, by the framework."""
        raise NotImplementedError("NumPy alone has no gradients")

    def values(self, problem: Problem, a: Any) -> Any:
        """Eigenvalues, ascending, or singular values, by its own function for them alone."""
        linalg: Any = self.linalg
        return linalg.eigvalsh(a) if problem == "eigh" else linalg.svd(a, compute_uv=False)

    def decompose(self, problem: Problem, a: Any) -> tuple[Any, ...]:
        """λ and V, or the thin U, σ and Vᴴ, of one of its arrays."""
        linalg: Any = self.linalg
        return tuple(linalg.eigh(a) if problem == "eigh" else linalg.svd(a, full_matrices=False))

    def adjoint(self, a: Any) -> Any:
        """Aᴴ of one of its arrays."""
        return a.conj().T

    def cast(self, real: Any, like: Any) -> Any:
        """A real array to be multiplied with another."""
        return real

    # The same function each time: JAX compiles each that it has not seen.
    @functools.cache  # noqa: B019
    def product(self, problem: Problem) -> Function:
        """V Λ² Vᴴ or U Σ³ Vᴴ as a function of A, of the factors that the framework returns."""

        def product(a: Any) -> Any:
            if problem == "eigh":
                values, left = self.decompose("eigh", a)
                return (left * self.cast(values**2, left)) @ self.adjoint(left)
            left, values, right = self.decompose("svd", a)
            return (left * self.cast(values**3, left)) @ right

        return product

    def value(self, function: Function, *arrays: ArrayLike) -> Array:
        """What a function that is written in the framework returns."""
        with self.computing():
            return self.numpy(function(*map(self.array, arrays)))

    def value_and_gradient(
        self, function: Function, *arrays: ArrayLike, cotangent: ArrayLike = 1.0
    ) -> tuple[Array, list[Array]]:
        """The value f, and for each array G of df = Re Σ conj(Gᵢⱼ) dAᵢⱼ, 0 where f has none of it.

        If the value is an array, the gradient is that of Re Σ conj(Cᵢⱼ) fᵢⱼ with the cotangent C.
        """
        turn: Callable[..., Any] = np.conj if self.conjugates else np.asarray
        with self.computing():
            value, pullback = self.reverse(function, *map(self.array, arrays))
            value = self.numpy(value)
            found = pullback(self.array(np.full_like(value, turn(cotangent))))
            return value, [turn(self.numpy(g)) for g in found]

    def vjp(self, function: Function, matrix: ArrayLike, cotangent: ArrayLike) -> Array:
        """The gradient of Re Σ conj(Cᵢⱼ) f(A)ᵢⱼ; see `value_and_gradient`."""
        return self.value_and_gradient(function, matrix, cotangent=cotangent)[1][0]

    def answer(
        self, problem: Problem, of: str, matrix: Array, cotangent: Array
    ) -> tuple[Array | None, Outcome, str]:
        """A gradient in the convention of the framework, or why there is none, and what is said.

        The cotangent is that of the values, or of their `product` with the ``"vectors"``.
        """
        try:
            # At ties some divide by zero, and NumPy would warn of it.
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                if of == "vectors":
                    found = self.vjp(self.product(problem), matrix, cotangent)
                    return found.conj() if self.conjugates else found, "", ""
                weighted = self.eigvalsh if problem == "eigh" else self.svdvals
                return weighted(matrix, cotangent)[1], "", ""
        # Anything at all may come out of a framework.
        except Exception as error:
            return None, outcome(error), str(error) or type(error).__name__

    def eigvalsh(self, matrix: ArrayLike, weights: ArrayLike) -> tuple[Array, Array]:
        """Eigenvalues, and the gradient of Σ wᵢ λᵢ in the convention of the framework."""
        return self._weighted("eigh", matrix, weights)

    def svdvals(self, matrix: ArrayLike, weights: ArrayLike) -> tuple[Array, Array]:
        """Singular values, and the gradient of Σ wᵢ σᵢ in the convention of the framework."""
        return self._weighted("svd", matrix, weights)

    def _weighted(
        self, problem: Problem, matrix: ArrayLike, weights: ArrayLike
    ) -> tuple[Array, Array]:
        of = functools.partial(self.values, problem)
        values, (gradient,) = self.value_and_gradient(of, matrix, cotangent=weights)
        return np.real(values), gradient.conj() if self.conjugates else gradient

    @contextlib.contextmanager
    def watch(self, function: Function, change: Change | None = None) -> Iterator[list[str]]:
        """A context, in which a call of the function notes what it calls of `DECOMPOSITIONS`.

        ``change(name, factors)`` may put others in the place of the factors that an ``eigh``,
        ``eig``, ``svd`` (U, σ, Vᴴ in all frameworks) or ``qr`` returned, NumPy arrays both.
        """
        calls: list[str] = []

        def noted(name: str, original: Any) -> Function:
            @functools.wraps(original)
            def call(*given: Any, **named: Any) -> Any:
                calls.append(name)
                found = self.call(original, *given, **named)
                return self.changed(name, found, change, has_v=self.has_v)

            return call

        # There, and in the module of the function.
        further = sys.modules.get(self.further)
        spaces = [vars(self.linalg), *([vars(further)] if further else [])]
        known = {id(s[name]): name for s in spaces for name in DECOMPOSITIONS & s.keys()}
        spaces.append(getattr(inspect.unwrap(function), "__globals__", {}))
        found = [(s, key, f) for s in spaces for key, f in s.items() if id(f) in known]
        try:
            for space, key, original in found:
                space[key] = noted(known[id(original)], original)
            with self.eager():
                yield calls
        finally:
            for space, key, original in found:
                space[key] = original

    def changed(self, name: str, found: Any, change: Change | None, *, has_v: bool) -> Any:
        """Put other factors in the place of those found, in the tuple in which they came."""
        if (
            change is None
            or name not in ("eigh", "eig", "svd", "qr")
            or not isinstance(found, tuple)
        ):
            return found
        order = self.order if name == "svd" else (0, 1)
        adjoint = has_v and name == "svd"
        try:
            *old, last = (self.numpy(found[i]) for i in order)
        # What is traced or mapped has no numbers; each framework says so by an error of its own.
        except Exception:
            return found
        *new, end = change(name, [*old, last.conj().swapaxes(-1, -2) if adjoint else last])
        end = end.conj().swapaxes(-1, -2) if adjoint else end
        parts = [*found]
        for i, x, like in zip(order, (*new, end), (*old, last), strict=True):
            parts[i] = self.array(x.astype(like.dtype))
        return type(found)(*parts) if hasattr(found, "_fields") else type(found)(parts)
