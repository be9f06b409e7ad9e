"""Names for types that many modules share."""

import os
from collections.abc import Callable, Sequence
from typing import Any, Literal, Protocol

import numpy.typing as npt

#: The dtype is open: real or complex, in the precision of what was given, or numbers of mpmath.
Array = npt.NDArray[Any]

#: What `spectralgrad.matrices.load` reads; nested lists may hold numbers and texts.
Source = npt.ArrayLike | os.PathLike[str] | Sequence[Any]

Problem = Literal["eigh", "svd"]
Decomposition = Literal["eigh", "eigvalsh", "svd", "svdvals"]
Convention = Literal["symmetric", "lower", "upper"]

#: What a gradient is, and why there may be none.
Quality = Literal["agrees", "subgradient", "wrong", "not finite"]
Outcome = Literal["unsupported", "failed", "not installed", ""]


class Framework(Protocol):
    """What each module of `spectralgrad.frameworks` has; the docstring there says what it is."""

    NAME: str
    VERSION: str

    def eigvalsh(self, matrix: npt.ArrayLike, weights: npt.ArrayLike) -> tuple[Array, Array]: ...
    def svdvals(self, matrix: npt.ArrayLike, weights: npt.ArrayLike) -> tuple[Array, Array]: ...
    def vjp(
        self, function: Callable[[Any], Any], matrix: npt.ArrayLike, cotangent: npt.ArrayLike
    ) -> Array: ...
