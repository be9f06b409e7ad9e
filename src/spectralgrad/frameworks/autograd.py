"""NumPy with HIPS autograd."""

from importlib.metadata import version
from typing import Any

import autograd.numpy as anp
import autograd.scipy.linalg
from autograd.core import make_vjp

from spectralgrad.frameworks import numpy
from spectralgrad.theory.arrays import Problem


class Library(numpy.Library):
    """What autograd does otherwise; see `spectralgrad.frameworks.numpy.Library`."""

    NAME, VERSION = "autograd", version("autograd")
    modules = (anp.linalg, autograd.scipy.linalg)
    conjugates = True

    def reverse(self, function: numpy.Function, *arrays: Any) -> tuple[Any, Any]:
        """By `autograd.core.make_vjp`."""
        pullback, value = make_vjp(lambda given: function(*given), arrays)
        return value, pullback

    def values(self, problem: Problem, a: Any) -> Any:
        """It has no gradient for eigvalsh itself."""
        return anp.linalg.eigh(a)[0] if problem == "eigh" else anp.linalg.svd(a, compute_uv=False)
