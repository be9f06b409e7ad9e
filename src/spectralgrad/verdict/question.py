"""What is asked of a matrix."""

import json
import math
import reprlib
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from spectralgrad import frameworks as libraries
from spectralgrad import matrices
from spectralgrad.matrices import MatrixError, Source
from spectralgrad.system.errors import one_line
from spectralgrad.theory import subgradient, symmetric
from spectralgrad.theory.arrays import Array, Problem, is_sparse
from spectralgrad.verdict import extreme, vectors

_CHOICES = {
    "problem": ("auto", "eigh", "svd"),
    "dtype": matrices.DTYPES,
    "symmetrize": ("False", "True"),
    "of": ("values", "vectors"),
}
_NAMED = ("auto", "sum", "first", "last")


@dataclass(frozen=True)
class Question:
    """Which function of a matrix is differentiated, by whom, and how exactly.

    The fields are the options of ``spectralgrad check``, which the page on use explains. What means
    the same is kept as the same, so that ``Question(weights="[1, 2]")`` equals
    ``Question(weights=[1, 2])``. What cannot be meant raises a ValueError, in one line.

    Attributes
    ----------
    weights : str or tuple of float
        ``"sum"``, ``"first"``, ``"last"``, or a number for each value, as a sequence or as JSON.
    frameworks : tuple of str
        Given as for `spectralgrad.frameworks.select`.
    of : {"values", "vectors"}
        The sum of values that the weights make, or the loss of `spectralgrad.verdict.vectors`.
    """

    problem: Problem | Literal["auto"] = "auto"
    weights: str | Sequence[float] = "auto"
    frameworks: str | Iterable[str] = "all"
    dtype: str = "auto"
    rtol: float | str = "auto"
    symmetrize: bool = False
    of: Literal["values", "vectors"] = "values"

    def __post_init__(self) -> None:
        for field, choices in _CHOICES.items():
            given = str(getattr(self, field))
            if given not in choices:
                raise _refusal(field, given, f"choose from {', '.join(choices)}")
        # It is frozen from here on.
        vars(self).update(
            weights=_read_weights(self.weights),
            frameworks=libraries.select(self.frameworks),
            dtype=str(self.dtype),
            rtol=_read_rtol(self.rtol),
            symmetrize=str(self.symmetrize) == "True",
        )
        if self.symmetrize and self.problem == "svd":
            raise ValueError("symmetrize: is for eigenvalues, not for singular values; drop it")
        if self.of == "vectors" and self.weights != "auto":
            raise ValueError(
                "weights: are for sums of values, not for a loss on vectors; drop them"
            )

    def to_dict(self) -> dict[str, Any]:
        """What makes this question again, as objects that JSON has; numbers are in texts."""
        weights = self.weights if isinstance(self.weights, str) else json.dumps(self.weights)
        rtol = self.rtol if isinstance(self.rtol, str) else repr(self.rtol)
        return asdict(self) | {"weights": weights, "frameworks": [*self.frameworks], "rtol": rtol}

    def pose(
        self, matrix: Source, label: str | None = None
    ) -> tuple[Array, subgradient.GeneralisedGradient]:
        """Read a matrix as `spectralgrad.matrices.load` does, and find all valid answers.

        No framework is asked. For eigenvalues, the matrix that is returned is Hermitian.
        MatrixError, in which the matrix is called by the label, is raised too if it has no
        eigenvalues of this kind, or not as many values as there are weights.
        """
        label = label or matrices.describe(matrix)
        rtol = None if isinstance(self.rtol, str) else self.rtol
        try:
            array, problem = self._settle(matrices.load(matrix, dtype=self.dtype, large=True))
            if self.of == "vectors" and not is_sparse(array):
                return array, vectors.pose(array, problem, rtol)
            weights = self._weigh(problem, min(array.shape), array.dtype)
            if is_sparse(array):
                return array, extreme.pose(array, problem, weights * (self.of == "values"), rtol)
        except MatrixError as error:
            error.source = label
            raise
        find = subgradient.eigvalsh if problem == "eigh" else subgradient.svdvals
        return array, find(array, weights, rtol=rtol)

    def _settle(self, matrix: Array) -> tuple[Array, Problem]:
        """Choose the problem; for eigenvalues the matrix becomes Hermitian to the last bit."""
        if self.problem == "svd":
            return matrix, "svd"
        if self.symmetrize and matrix.shape[0] == matrix.shape[1]:
            matrix = symmetric.hermitian_part(matrix)
        try:
            return symmetric.require_hermitian(matrix), "eigh"
        except MatrixError as error:
            if self.problem == "auto" and not self.symmetrize:
                return matrix, "svd"
            if error.place:
                error.mend = _MEND
            raise

    def _weigh(self, problem: Problem, k: int, dtype: np.dtype[Any]) -> Array:
        """One weight for each of k values."""
        name = self.weights
        if name == "auto":
            name = "first" if problem == "eigh" else "sum"
        if isinstance(name, str):
            weights = np.full(k, float(name == "sum"))
            weights[-(name == "last")] = 1.0
            return weights
        if len(self.weights) != k:
            what = f"weights: {reprlib.repr([*self.weights])} will not do for {k} values"
            raise MatrixError(what, f"{_GIVE} {k} finite numbers")
        weights = np.array(self.weights)
        # Others would overflow, or vanish, where gradients are compared.
        smallest, largest = (1e-30, 1e30) if np.finfo(dtype).bits == 32 else matrices.RANGE
        size = float(np.abs(weights).max())
        if size and not smallest <= size <= largest:
            way = "large" if size > 1 else "small"
            what = f"weights: {size:.2g} is the largest, too {way} for {dtype}"
            raise MatrixError(what, "scale them all, which scales the gradient")
        return weights


_GIVE = "give sum, first, last, or a list of"
_MEND = "take its Hermitian part (symmetrize), or ask for its singular values (problem svd)"


def _refusal(field: str, given: object, mend: str) -> ValueError:
    return ValueError(f"{field}: {one_line(reprlib.repr(given), 60)} will not do; {mend}")


def _read_weights(given: str | Sequence[float]) -> str | tuple[float, ...]:
    if isinstance(given, str) and given in _NAMED:
        return given
    try:
        numbers = np.array(json.loads(given) if isinstance(given, str) else given, dtype=float)
    except (TypeError, ValueError, OverflowError, RecursionError):
        numbers = np.array(math.nan)
    if numbers.ndim != 1 or not numbers.size or not np.all(np.isfinite(numbers)):
        raise _refusal("weights", given, f"{_GIVE} finite numbers, one for each value")
    return tuple(numbers.tolist())


def _read_rtol(given: float | str) -> float | str:
    if isinstance(given, str) and given == "auto":
        return given
    try:
        number = float(given)
    except (TypeError, ValueError):
        number = math.nan
    if not 0 <= number < 1:
        raise _refusal("rtol", given, "give a number from 0 to below 1")
    return number
