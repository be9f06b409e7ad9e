"""NumPy with HIPS autograd."""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import autograd.numpy as anp
from autograd.core import make_vjp

from spectralgrad.frameworks import numpy

if TYPE_CHECKING:
    from spectralgrad.theory.arrays import Problem


class Library(numpy.Library):
    """What autograd does otherwise; see `spectralgrad.frameworks.numpy.Library`."""

    NAME, VERSION = "autograd", version("autograd")
    linalg = anp.linalg
    further = "autograd.scipy.linalg"
    conjugates = True

    def reverse(self, function: numpy.Function, *arrays: Any) -> tuple[Any, Any]:
        """By `autograd.core.make_vjp`."""
        pullback, value = make_vjp(lambda given: function(*given), arrays)
        return value, pullback

    def values(self, problem: Problem, a: Any) -> Any:
        """It has no gradient for eigvalsh itself."""
        return anp.linalg.eigh(a)[0] if problem == "eigh" else anp.linalg.svd(a, compute_uv=False)

    def adjoint(self, a: Any) -> Any:
        """Its arrays have no method for the conjugate."""
        return anp.conj(a).T
