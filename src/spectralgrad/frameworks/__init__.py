"""The four frameworks, behind one small protocol.

Each framework is a module of this package with

``NAME``, ``VERSION``
    strings;
``eigvalsh(matrix, weights)``, ``svdvals(matrix, weights)``
    eigenvalues of a Hermitian matrix, ascending, or singular values, descending; and the gradient
    of Σ wᵢ λᵢ or Σ wᵢ σᵢ as the framework returns it, in its own convention;
``vjp(function, matrix, cotangent)``
    the gradient G of Re Σ conj(Cᵢⱼ) f(A)ᵢⱼ for a function f that is written in the framework, with
    the cotangent C; the framework's own reverse pass, in this book's convention for complex
    numbers, df = Re Σ conj(Gᵢⱼ) dAᵢⱼ.

All take NumPy arrays, return NumPy arrays, and compute in the dtype of the matrix. No framework is
imported before `get` asks for it.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import reprlib
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from spectralgrad.frameworks import autograd, jax, tensorflow, torch
    from spectralgrad.theory.arrays import Array


class _Framework(Protocol):
    NAME: str
    VERSION: str

    def eigvalsh(self, matrix: ArrayLike, weights: ArrayLike) -> tuple[Array, Array]: ...
    def svdvals(self, matrix: ArrayLike, weights: ArrayLike) -> tuple[Array, Array]: ...
    def vjp(
        self, function: Callable[[Any], Any], matrix: ArrayLike, cotangent: ArrayLike
    ) -> Array: ...


if TYPE_CHECKING:
    # What `get` promises of each, as mypy sees it.
    _MODULES: tuple[_Framework, ...] = (autograd, jax, tensorflow, torch)

#: In the order in which the book shows them.
NAMES = ("autograd", "torch", "tensorflow", "jax")

#: As their makers write them.
TITLES = {"autograd": "autograd", "torch": "PyTorch", "tensorflow": "TensorFlow", "jax": "JAX"}

#: Environment variables that hold each of them to one thread, if they are set before its import.
ONE_THREAD = {
    **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"),
    **dict.fromkeys(("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "NPROC"), "1"),
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false",
}


def select(choice: str | Iterable[str]) -> tuple[str, ...]:
    """Read which frameworks a person names, in the order of `NAMES`, each once.

    They are given as ``"all"``, as names with commas between them, or as several names. A
    ValueError says which name is unknown.
    """
    if choice == "all":
        return NAMES
    given = choice.split(",") if isinstance(choice, str) else choice
    given = [str(name).strip() for name in given]
    for name in given or [""]:
        if name not in NAMES:
            raise ValueError(
                f"unknown framework {reprlib.repr(name)}; choose from {', '.join(NAMES)}"
            )
    return tuple(name for name in NAMES if name in given)


def get(name: str) -> _Framework:
    """Import one framework of `NAMES`, silently; an ImportError says that it is not installed."""
    (name,) = select([name])
    with quiet():
        return importlib.import_module(f"{__name__}.{name}")


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep what compiled code writes to standard error, such as TensorFlow's start-up notices.

    If the block raises, then what was kept is written after all.
    """
    # Read by TensorFlow when it is imported; its earliest notices come whatever the level.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with tempfile.TemporaryFile() as kept:
        original = os.dup(2)
        os.dup2(kept.fileno(), 2)
        try:
            yield
        except BaseException:
            os.dup2(original, 2)
            kept.seek(0)
            sys.stderr.write(kept.read().decode(errors="replace"))
            raise
        finally:
            os.dup2(original, 2)
            os.close(original)
