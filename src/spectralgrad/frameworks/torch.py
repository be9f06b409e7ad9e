"""PyTorch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch.overrides import TorchFunctionMode

from spectralgrad.frameworks import numpy
from spectralgrad.frameworks.numpy import DECOMPOSITIONS, Change, Function

if TYPE_CHECKING:
    from spectralgrad.theory.arrays import Array, Problem


class Library(numpy.Library):
    """What PyTorch does otherwise; see `spectralgrad.frameworks.numpy.Library`."""

    NAME, VERSION = "torch", torch.__version__.split("+")[0]
    linalg = torch.linalg

    def array(self, given: ArrayLike) -> Any:
        """One of its own arrays."""
        return torch.tensor(np.asarray(given))

    def numpy(self, found: Any) -> Array:
        """One of NumPy's."""
        if isinstance(found, torch.Tensor):
            found = found.detach().resolve_conj().resolve_neg()
            # NumPy has no bfloat16.
            found = (found.float() if found.dtype == torch.bfloat16 else found).numpy()
        return np.asarray(found)

    def value(self, function: Function, *arrays: ArrayLike) -> Array:
        """As in training: a function may differentiate inside."""
        return self.numpy(self.reverse(function, *map(self.array, arrays))[0])

    def reverse(self, function: Function, *arrays: Any) -> tuple[Any, Any]:
        """By `torch.autograd.grad`."""
        given = [a.requires_grad_() for a in arrays]
        value = function(*given)
        if not getattr(value, "requires_grad", False):
            return value, lambda _: map(torch.zeros_like, given)
        return value, partial(torch.autograd.grad, value, given, materialize_grads=True)

    def values(self, problem: Problem, a: Any) -> Any:
        """By its own functions for values alone."""
        return torch.linalg.eigvalsh(a) if problem == "eigh" else torch.linalg.svdvals(a)

    @contextmanager
    def watch(self, function: Function, change: Change | None = None) -> Iterator[list[str]]:
        """Methods, and functions under other names, are seen too."""
        with _Watch(partial(self.changed, change=change)) as watch:
            yield watch.calls


class _Watch(TorchFunctionMode):  # type: ignore[misc]
    def __init__(self, changed: Function) -> None:
        super().__init__()
        self.calls: list[str] = []
        self.changed = changed

    def __torch_function__(self, call: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        found, full = call(*args, **(kwargs or {})), getattr(call, "__name__", "")
        name = full.removeprefix("linalg_")
        if name in DECOMPOSITIONS:
            self.calls.append(name)
        # torch.svd, which is older, returns V.
        return self.changed(name, found, has_v=full == "svd")
