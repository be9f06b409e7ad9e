"""The four frameworks, and NumPy, behind one small protocol.

Each is a module of this package, with a class `spectralgrad.frameworks.numpy.Library` of its own.
No framework is imported before `get` asks for it. `ask` has them differentiate in this process, and
`elsewhere` in others.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import os
import reprlib
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from spectralgrad.frameworks import worker

if TYPE_CHECKING:
    # What `get` imports by name, for those who read what a module depends on.
    from spectralgrad.frameworks import autograd, jax, tensorflow, torch  # noqa: F401
    from spectralgrad.frameworks.numpy import Library
    from spectralgrad.theory.arrays import Array, Problem

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


# One of each module, however often it is asked for.
_library = functools.cache(lambda module: module.Library())


def get(name: str) -> Library:
    """Import one of `NAMES`, or NumPy, silently; an ImportError says that it is not installed."""
    if name != "numpy":
        (name,) = select([name])
    with quiet():
        library: Library = _library(importlib.import_module(f"{__name__}.{name}"))
    return library


#: Why there is no gradient; empty if there is one.
Outcome = Literal["unsupported", "failed", "not installed", ""]


@dataclass(frozen=True)
class Reply:
    """A gradient in the convention of the framework, or why there is none, and what was said.

    The version is empty where the framework is not installed, or did not live to say it.
    """

    version: str
    gradient: Array | None
    outcome: Outcome
    message: str


def ask(
    names: Sequence[str], problem: Problem, of: str, matrix: Array, cotangent: Array
) -> Iterator[tuple[str, Reply]]:
    """Have frameworks differentiate, in this process, one after the other; yield name and reply.

    The function has the ``"values"`` or the ``"vectors"``, as for `numpy.Library.answer`.
    """
    for name in names:
        try:
            library = get(name)
        except Exception as error:
            yield name, Reply("", None, *worker.absence(error, name))
            continue
        # TensorFlow tells its log that the cotangent of a real factor is real.
        with quiet() if of == "vectors" else contextlib.nullcontext():
            gradient, outcome, message = library.answer(problem, of, matrix, cotangent)
        yield name, Reply(library.VERSION, gradient, outcome, message)


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
