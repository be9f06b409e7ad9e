"""Judge a gradient: right, one of several right ones, or wrong; and ask every framework for one."""

import math
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from spectralgrad import frameworks as libraries
from spectralgrad import matrices
from spectralgrad.matrices import MatrixError, Source
from spectralgrad.system.errors import one_line
from spectralgrad.theory import gauge, spectrum, subgradient, symmetric
from spectralgrad.theory.arrays import Array, Problem
from spectralgrad.verdict import nearness, reasons

# What a gradient is, and why there may be none.
Quality = Literal["agrees", "subgradient", "wrong", "not finite"]
Outcome = Literal["unsupported", "failed", "not installed", ""]


#: Every verdict with what it means; the last three are about the framework, not about a gradient.
VERDICTS = {
    "agrees": "equals the gradient, in the convention stated, up to rounding errors",
    "subgradient": "the function is not differentiable here, and this is one of the valid answers",
    "wrong": "finite, and neither",
    "undecided": "rounding errors alone may change the answer by a tenth of its norm or more, so "
    "that no digit can be trusted",
    "not finite": "holds NaN or infinity",
    "unsupported": "the framework refuses to compute it",
    "failed": "the framework raised another exception",
    "not installed": "there is no such framework in this environment",
}

#: Those that ask for a closer look: neither right nor absent.
FLAGGED = ("wrong", "undecided", "not finite", "unsupported", "failed")


@dataclass(frozen=True)
class Judgement:
    """What a gradient is, measured against theory.

    Attributes
    ----------
    verdict : {"agrees", "subgradient", "wrong", "not finite"}
        ``"subgradient"``: the function is not differentiable here, and the gradient is one of the
        valid ones.
    convention : str
        ``"general"`` for singular values; for eigenvalues the first of
        `spectralgrad.theory.symmetric.CONVENTIONS` that fits, ``""`` where none does.
    conjugated : bool
        Whether the complex conjugate of the gradient is what was judged.
    relative_error : float
        Frobenius distance from the gradient, or from the nearest of the valid ones, relative to the
        norm of the minimum-norm one (absolute where that is 0).
    allowed : float
        The relative error up to which the gradient counts as right.
    also : tuple of str
        Further conventions in which the gradient reads the same.
    """

    verdict: Quality
    convention: str
    conjugated: bool
    relative_error: float
    allowed: float
    also: tuple[str, ...] = ()

    @property
    def decided(self) -> bool:
        """Whether the verdict means anything.

        Where they leave no digit to be trusted, being within rounding errors does not.
        """
        return self.verdict in ("wrong", "not finite") or digits(self.allowed, float) > 0


def judge(
    gradient: ArrayLike, valid: subgradient.GeneralisedGradient, *, tolerance: float | None = None
) -> Judgement:
    """Judge a gradient of a weighted spectral sum.

    Parameters
    ----------
    gradient : (m, n) array_like
        As a framework returned it.
    valid : spectralgrad.theory.subgradient.GeneralisedGradient
    tolerance : float, optional
        Absolute error, in Frobenius norm, up to which the gradient is right; the rounding error
        that the condition of the problem permits if not given.

    Returns
    -------
    Judgement

    Raises
    ------
    ValueError
        If the gradient does not have the shape of the matrix.
    """
    gradient = np.asarray(gradient)
    shape = len(valid.left), len(valid.right)
    if gradient.shape != shape:
        raise ValueError(f"a gradient of shape {gradient.shape} for a matrix of shape {shape}")
    gradient = gradient.astype(np.result_type(gradient, float))
    # JAX and autograd return the conjugate, so that both readings are tried, the plain one first.
    plain = _judge(gradient, valid, tolerance)
    if np.isrealobj(gradient):
        return plain
    conjugate = _judge(gradient.conj(), valid, tolerance)
    # At a tie both readings may be valid: then their errors are rounding alone.
    noise = valid.rounding / _scale(valid)
    if conjugate.relative_error < plain.relative_error / 2 and plain.relative_error > noise:
        return replace(conjugate, conjugated=True)
    return plain


def _scale(valid: subgradient.GeneralisedGradient) -> float:
    """What errors are relative to."""
    return float(np.linalg.norm(valid.minimum_norm)) or 1.0


def _judge(
    gradient: Array, valid: subgradient.GeneralisedGradient, tolerance: float | None
) -> Judgement:
    scale = _scale(valid)
    allowed = valid.tolerance if tolerance is None else tolerance
    if not np.all(np.isfinite(gradient)):
        return Judgement("not finite", "", False, np.inf, allowed / scale)
    conventions: tuple[str, ...] = ("general",)
    written = gradient
    if valid.problem == "eigh":
        # A form shows in zeros and in mirrored entries, which no condition disturbs.
        form = valid.rounding if tolerance is None else tolerance
        conventions = symmetric.recognise(gradient, tolerance=form)
        written = symmetric.hermitian_part(gradient) if conventions else gradient
    if valid.differentiable:
        excess = float(np.linalg.norm(written - valid.minimum_norm))
    else:
        excess = valid.contains(written).excess
    right: Quality = "agrees" if valid.differentiable else "subgradient"
    verdict: Quality = right if conventions and excess <= allowed else "wrong"
    return Judgement(
        verdict,
        (*conventions, "")[0],
        False,
        max(excess, 0.0) / scale,
        allowed / scale,
        conventions[1:],
    )


@dataclass(frozen=True, eq=False)
class Answer:
    """What one framework returned, and what it is worth.

    Attributes
    ----------
    version : str
        Of the framework; empty if it is not installed.
    gradient : (m, n) numpy.ndarray or None
        As the framework returned it; None if it returned none.
    judgement : Judgement or None
        Of the gradient.
    outcome : str
        Why there is no gradient: ``"unsupported"``, ``"failed"``, ``"not installed"``; else empty.
    message : str
        What the framework said if there is no gradient, in one line.
    """

    version: str
    gradient: Array | None = None
    judgement: Judgement | None = None
    outcome: Outcome = ""
    message: str = ""

    @property
    def verdict(self) -> str:
        """One of `VERDICTS`."""
        if self.judgement is None:
            return self.outcome
        return self.judgement.verdict if self.judgement.decided else "undecided"

    @property
    def finite(self) -> bool:
        """Whether there is a gradient, and all of it finite."""
        return self.judgement is not None and self.judgement.verdict != "not finite"


@dataclass(frozen=True, eq=False)
class Verdict:
    """What theory and each framework say of a weighted spectral sum at one matrix.

    Made by `check`.

    Attributes
    ----------
    source : str
        Where the matrix comes from, for a person.
    place : str
        Of the matrix in a stack, as ``"matrix 3"``; else empty.
    matrix : (m, n) numpy.ndarray
        As it was given to the frameworks: of one dtype and, for ``"eigh"``, Hermitian.
    valid : spectralgrad.theory.subgradient.GeneralisedGradient
        All valid answers; also problem, weights, spectrum and clusters.
    answers : dict of str to Answer
        By framework.
    """

    source: str
    place: str
    matrix: Array
    valid: subgradient.GeneralisedGradient
    answers: dict[str, Answer]

    @property
    def gradient(self) -> Array:
        """The gradient from theory or, where there is none, the valid answer of smallest norm."""
        return self.valid.minimum_norm

    @property
    def allowed(self) -> float:
        """The relative error up to which an answer counts as right."""
        return self.valid.tolerance / _scale(self.valid)

    @property
    def digits(self) -> int:
        """How many decimal digits of an answer can be trusted, whoever computes it."""
        return digits(self.allowed, self.matrix.dtype)

    @property
    def regimes(self) -> tuple[str, ...]:
        """What makes the matrix difficult; see `spectralgrad.verdict.reasons.regimes`."""
        return reasons.regimes(self.valid, near=gauge.default_tol(self.matrix.dtype))

    @property
    def near(self) -> nearness.Near | None:
        """The closest two values that f treats differently, if that costs half of the digits."""
        shape, dtype, singular = self.matrix.shape, self.matrix.dtype, self.valid.problem == "svd"
        # At 16 backward errors, no digit is left.
        none = 16 * spectrum.default_rtol(shape, dtype, singular=singular)
        return nearness.nearest(self.valid, max(gauge.default_tol(dtype), none))

    @property
    def flagged(self) -> bool:
        """Whether some answer asks for a closer look: neither right nor absent."""
        return any(answer.verdict in FLAGGED for answer in self.answers.values())

    def digits_of(self, answer: Answer) -> int | None:
        """How many of the digits that can be trusted an answer has.

        Parameters
        ----------
        answer : Answer

        Returns
        -------
        int or None
            None if there is no answer.
        """
        if answer.judgement is None:
            return None
        error = max(answer.judgement.relative_error, self.allowed)
        return digits(error, self.matrix.dtype)

    def to_dict(self) -> dict[str, Any]:
        """Everything as objects that JSON has: no NaN, complex numbers as ``[re, im]``.

        Returns
        -------
        dict
            A number that is not finite is None.
        """
        valid, near = self.valid, self.near
        return {
            "source": self.source,
            "place": self.place,
            "shape": list(self.matrix.shape),
            "dtype": str(self.matrix.dtype),
            "problem": valid.problem,
            "weights": _plain(valid.weights),
            "spectrum": _plain(valid.values),
            "rtol": valid.rtol,
            "clusters": [
                {"value": float(np.mean(valid.values[c])), "indices": [*range(c.start, c.stop)]}
                for c in valid.clusters
            ],
            "rank": valid.rank,
            "regimes": list(self.regimes),
            "differentiable": valid.differentiable,
            "reason": reasons.reason(valid),
            "near": near
            and {
                "indices": list(near.indices),
                "distance": near.distance,
                "relative": near.relative,
                "rtol": near.rtol,
            },
            "allowed": _plain(self.allowed),
            "digits": self.digits,
            "gradient": _plain(self.gradient),
            "frameworks": {name: self._answer(a) for name, a in self.answers.items()},
        }

    def _answer(self, answer: Answer) -> dict[str, Any]:
        judgement = answer.judgement
        return {
            "version": answer.version,
            "gradient": None if answer.gradient is None else _plain(answer.gradient),
            "verdict": answer.verdict,
            "convention": judgement.convention if judgement else "",
            "also": list(judgement.also) if judgement else [],
            "conjugated": bool(judgement and judgement.conjugated),
            "relative_error": _plain(judgement.relative_error) if judgement else None,
            "digits": self.digits_of(answer),
            "message": answer.message,
        }


def digits(error: float, dtype: DTypeLike) -> int:
    """How many decimal digits a relative error leaves.

    Parameters
    ----------
    error : float
    dtype : dtype
        Of the answer, which has no more digits than it holds.

    Returns
    -------
    int
    """
    most = int(np.finfo(dtype).precision)
    return (
        int(np.clip(-math.log10(error), 0, most)) if 0 < error < math.inf else most * (error == 0)
    )


def _plain(values: ArrayLike) -> Any:
    values = np.asarray(values)
    if np.iscomplexobj(values):
        values = np.stack([values.real, values.imag], axis=-1)
    plain = values.astype(object)
    plain[~np.isfinite(values)] = None
    return plain.tolist()


def prepare(
    matrix: Source,
    *,
    problem: Problem | Literal["auto"] = "auto",
    weights: str | Sequence[float] = "auto",
    dtype: str = "auto",
    rtol: float | str = "auto",
    symmetrize: bool = False,
    label: str | None = None,
) -> tuple[Array, subgradient.GeneralisedGradient]:
    """Read what is to be checked, and find all valid answers; no framework is asked.

    Parameters
    ----------
    matrix : str, os.PathLike, list or array_like
        As for `spectralgrad.matrices.load`.
    problem : {"auto", "eigh", "svd"}, optional
        Eigenvalues or singular values; by default eigenvalues if the matrix is Hermitian.
    weights : str or sequence of float, optional
        As for `spectralgrad.theory.spectrum.weights`; by default ``"first"``, the smallest
        eigenvalue, or ``"sum"`` of the singular values.
    dtype : str, optional
        As for `spectralgrad.matrices.load`; by default that of the matrix.
    rtol : float or str, optional
        Values this close, relative to the largest, count as equal, and singular values this close
        to zero as zero; by default `spectralgrad.theory.spectrum.default_rtol`.
    symmetrize : bool, optional
        Take the Hermitian part of the matrix, and its eigenvalues.
    label : str, optional
        What a message calls the matrix; `spectralgrad.matrices.describe` by default.

    Returns
    -------
    matrix : (m, n) numpy.ndarray
        For eigenvalues Hermitian.
    valid : spectralgrad.theory.subgradient.GeneralisedGradient

    Raises
    ------
    MatrixError
        If the matrix cannot be read, or has no eigenvalues of this kind.
    ValueError
        If another argument is none of these. The message is one line, as for MatrixError.
    """
    if problem not in ("auto", "eigh", "svd"):
        raise ValueError(f"problem: unknown {_shown(problem)}; choose from auto, eigh, svd")
    if symmetrize and problem == "svd":
        raise ValueError("symmetrize: is for eigenvalues, not for singular values; leave it out")
    width = _read_rtol(rtol)
    label = label or matrices.describe(matrix)
    matrix = _load(matrix, dtype)
    if symmetrize and matrix.shape[0] == matrix.shape[1]:
        matrix = symmetric.hermitian_part(matrix)
    if problem != "svd":
        try:
            matrix = symmetric.require_hermitian(matrix, label, mend=_MEND)
        except MatrixError:
            if problem == "eigh" or symmetrize:
                raise
            problem = "svd"
        else:
            problem = "eigh"
    if isinstance(weights, str) and weights == "auto":
        weights = "first" if problem == "eigh" else "sum"
    try:
        numbers = spectrum.weights(weights, min(matrix.shape))
        _require_moderate(numbers, matrix.dtype)
    except ValueError as error:
        raise ValueError(f"{label}: {error}") from None
    find = subgradient.eigvalsh if problem == "eigh" else subgradient.svdvals
    return matrix, find(matrix, numbers, rtol=width)


def _require_moderate(weights: Array, dtype: np.dtype[Any]) -> None:
    """Refuse weights whose gradient overflows, or vanishes, where it is compared with others."""
    is_single = np.finfo(dtype).bits == 32
    smallest, largest = (1e-30, 1e30) if is_single else matrices.RANGE
    size = float(np.abs(weights).max())
    if size and not smallest <= size <= largest:
        way = "large" if size > 1 else "small"
        raise ValueError(
            f"weights: {size:.2g} is the largest, too {way} for {dtype}; scale them all, which "
            "scales the gradient"
        )


_MEND = (
    "take its Hermitian part (check and survey: --symmetrize), or ask for its singular values "
    "(problem svd)"
)


def _shown(value: object) -> str:
    return one_line(repr(value), 60)


def _load(matrix: Source, dtype: str, **options: Any) -> Array:
    return matrices.load(matrix, dtype=None if dtype == "auto" else dtype, **options)


def _read_rtol(rtol: float | str) -> float | None:
    if isinstance(rtol, str) and rtol == "auto":
        return None
    try:
        number = float(rtol)
    except (TypeError, ValueError):
        number = math.nan
    if not 0 <= number < 1:
        raise ValueError(f"rtol: {_shown(rtol)} will not do; give a number from 0 to below 1")
    return number


def check(
    matrix: Source,
    *,
    problem: Problem | Literal["auto"] = "auto",
    weights: str | Sequence[float] = "auto",
    frameworks: str | Iterable[str] = "all",
    dtype: str = "auto",
    rtol: float | str = "auto",
    symmetrize: bool = False,
    label: str | None = None,
) -> Verdict:
    """Ask every framework for a gradient at one matrix, and judge what it returns.

    The function is a weighted spectral sum, Σ wᵢ λᵢ(A) or Σ wᵢ σᵢ(A).

    **What counts as right.** A backward stable decomposition is exact for a matrix within ``c ·
    ‖A‖`` of A, with c of `spectralgrad.theory.spectrum.default_rtol`: values that are no farther
    apart may be one value. Such a change of A moves the gradient by at most ``c · ‖A‖`` times the
    largest divided difference ``|wᵢ − wⱼ| / |λᵢ − λⱼ|`` between clusters (for singular values,
    ``|wᵢ|/σᵢ`` too). So an answer within that distance of the gradient (of the set of valid
    answers, where there is no gradient), plus ``8 max(m, n) · eps · max|w|`` for writing it down,
    is right, and any other is wrong. Where the sum is more than a tenth of the norm of the
    gradient, no digit can be trusted, and the verdict is ``"undecided"``. The precision, eps, is
    that of the dtype in which the framework computes.

    It is a verdict on a sum of values. A loss on vectors needs another one: it may lose
    digits at every near-tie, whatever the weights.

    Parameters
    ----------
    matrix, problem, weights, dtype, rtol, symmetrize, label
        As for `prepare`.
    frameworks : str or iterable of str, optional
        As for `spectralgrad.frameworks.select`.

    Returns
    -------
    Verdict
        Whatever a framework raises is in its answer, and the others go on.

    Raises
    ------
    ValueError
        As `prepare` does, and for an unknown framework.
    """
    names = libraries.select(frameworks)
    label = label or matrices.describe(matrix)
    matrix, valid = prepare(
        matrix,
        problem=problem,
        weights=weights,
        dtype=dtype,
        rtol=rtol,
        symmetrize=symmetrize,
        label=label,
    )
    return Verdict(label, "", matrix, valid, {name: _ask(name, matrix, valid) for name in names})


def check_stack(stack: Source, *, label: str | None = None, **options: Any) -> list[Verdict]:
    """Check every matrix of a stack; see `check`.

    Parameters
    ----------
    stack : str, os.PathLike, list or array_like
        As for `spectralgrad.matrices.load`: of shape (..., m, n), or one matrix.
    label : str, optional
        What a message calls the stack.
    **options
        As for `check`.

    Returns
    -------
    list of Verdict
        In the order of the stack.

    Raises
    ------
    ValueError
        As `check` does.
    """
    label = label or matrices.describe(stack)
    array = _load(stack, options.get("dtype", "auto"), stack=True)
    verdicts = []
    for place, member in matrices.members(array):
        name = f"{label}: {place}" if place else label
        verdicts.append(replace(check(member, label=name, **options), source=label, place=place))
    return verdicts


def _ask(name: str, matrix: Array, valid: subgradient.GeneralisedGradient) -> Answer:
    """Have one framework differentiate, and judge the answer."""
    version = ""
    try:
        library = libraries.get(name)
        version = library.VERSION
        differentiate = library.eigvalsh if valid.problem == "eigh" else library.svdvals
        # At ties some divide by zero, and NumPy would warn of it.
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            _, gradient = differentiate(matrix, valid.weights)
        return Answer(version, gradient, judge(gradient, valid))
    # Anything at all may come out of a framework.
    except Exception as error:
        message = " ".join(str(error).split()) or type(error).__name__
        return Answer(version, outcome=_outcome(error), message=one_line(message, 300))


def _outcome(error: Exception) -> Outcome:
    if isinstance(error, ModuleNotFoundError):
        return "not installed"
    # TensorFlow looks for a missing gradient in a dictionary, and has an error class of its own.
    refused = isinstance(error, NotImplementedError | LookupError)
    return "unsupported" if refused or "Unimplemented" in type(error).__name__ else "failed"
