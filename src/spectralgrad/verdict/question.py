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
from spectralgrad.theory.arrays import Array, Problem

_PROBLEMS = ("auto", "eigh", "svd")
_NAMED = ("auto", "sum", "first", "last")


@dataclass(frozen=True)
class Question:
    """Which function of the values of a matrix is differentiated, by whom, and how exactly.

    What means the same is kept as the same, so that ``Question(weights="[1, 2]")`` equals
    ``Question(weights=[1, 2])``. What cannot be meant raises a ValueError, in one line.

    Attributes
    ----------
    problem : {"auto", "eigh", "svd"}
        Eigenvalues or singular values; by default eigenvalues if the matrix is Hermitian.
    weights : str or tuple of float
        ``"sum"`` for 1 everywhere, ``"first"`` or ``"last"`` for the first or last value in the
        order of the decomposition, or a finite number for each value, given as a sequence or as
        JSON. By default ``"first"``, the smallest eigenvalue, or ``"sum"`` of the singular values.
    frameworks : tuple of str
        Given as for `spectralgrad.frameworks.select`.
    dtype : str
        As for `spectralgrad.matrices.load`; by default that of the matrix.
    rtol : float or "auto"
        Values this close, relative to the largest, count as equal, and singular values this close
        to zero as zero; by default `spectralgrad.theory.spectrum.default_rtol`.
    symmetrize : bool
        Take the Hermitian part of the matrix, and its eigenvalues.
    """

    problem: Problem | Literal["auto"] = "auto"
    weights: str | Sequence[float] = "auto"
    frameworks: str | Iterable[str] = "all"
    dtype: str = "auto"
    rtol: float | str = "auto"
    symmetrize: bool = False

    def __post_init__(self) -> None:
        _require_one("problem", self.problem, _PROBLEMS)
        _require_one("dtype", str(self.dtype), matrices.DTYPES)
        _require_one("symmetrize", self.symmetrize, (False, True))
        if self.symmetrize and self.problem == "svd":
            raise ValueError("symmetrize: is for eigenvalues, not for singular values; drop it")
        # It is frozen from here on.
        vars(self).update(
            weights=_read_weights(self.weights),
            frameworks=libraries.select(self.frameworks),
            dtype=str(self.dtype),
            rtol=_read_rtol(self.rtol),
            symmetrize=bool(self.symmetrize),
        )

    def to_dict(self) -> dict[str, Any]:
        """What makes this question again, as objects that JSON has; numbers are in texts."""
        weights = self.weights if isinstance(self.weights, str) else json.dumps(self.weights)
        rtol = self.rtol if isinstance(self.rtol, str) else repr(self.rtol)
        return asdict(self) | {"weights": weights, "frameworks": [*self.frameworks], "rtol": rtol}

    def pose(
        self, matrix: Source, label: str | None = None
    ) -> tuple[Array, subgradient.GeneralisedGradient]:
        """Read a matrix, and find all valid answers; no framework is asked.

        Parameters
        ----------
        matrix : str, os.PathLike, list or array_like
            As for `spectralgrad.matrices.load`.
        label : str, optional
            What a message calls the matrix; `spectralgrad.matrices.describe` by default.

        Returns
        -------
        matrix : (m, n) numpy.ndarray
            For eigenvalues Hermitian.
        valid : spectralgrad.theory.subgradient.GeneralisedGradient
            Its attribute ``problem`` is the one that was chosen.

        Raises
        ------
        MatrixError
            If the matrix cannot be read, has no eigenvalues of this kind, or not as many values as
            there are weights.
        """
        label = label or matrices.describe(matrix)
        try:
            array, problem = self._settle(matrices.load(matrix, dtype=self.dtype))
            weights = self._weigh(problem, min(array.shape), array.dtype)
        except MatrixError as error:
            error.source = label
            raise
        find = subgradient.eigvalsh if problem == "eigh" else subgradient.svdvals
        return array, find(array, weights, rtol=None if isinstance(self.rtol, str) else self.rtol)

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
        named = self.weights
        if isinstance(named, str):
            if named == "auto":
                named = "first" if problem == "eigh" else "sum"
            picked: Array = np.ones(k) if named == "sum" else np.eye(k)[-(named == "last")]
            return picked
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


def _require_one(field: str, given: object, choices: Sequence[object]) -> None:
    if given not in choices:
        known = ", ".join(map(str, choices))
        raise ValueError(f"{field}: unknown {_shown(given)}; choose from {known}")


def _shown(value: object) -> str:
    return one_line(reprlib.repr(value), 60)


def _read_weights(given: str | Sequence[float]) -> str | tuple[float, ...]:
    if isinstance(given, str) and given in _NAMED:
        return given
    try:
        numbers = np.array(json.loads(given) if isinstance(given, str) else given, dtype=float)
    except (TypeError, ValueError, OverflowError, RecursionError):
        numbers = np.array(math.nan)
    if numbers.ndim != 1 or not numbers.size or not np.all(np.isfinite(numbers)):
        raise ValueError(
            f"weights: {_shown(given)} will not do; {_GIVE} finite numbers, one for each value"
        )
    return tuple(numbers.tolist())


def _read_rtol(given: float | str) -> float | str:
    if isinstance(given, str) and given == "auto":
        return given
    try:
        number = float(given)
    except (TypeError, ValueError):
        number = math.nan
    if not 0 <= number < 1:
        raise ValueError(f"rtol: {_shown(given)} will not do; give a number from 0 to below 1")
    return number
