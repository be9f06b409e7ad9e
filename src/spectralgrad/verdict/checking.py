"""Ask every framework for a gradient, and judge what it returns."""

import warnings
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from spectralgrad import frameworks as libraries
from spectralgrad import matrices
from spectralgrad.matrices import Source
from spectralgrad.system.errors import said
from spectralgrad.theory import gauge, spectrum
from spectralgrad.theory.arrays import Array
from spectralgrad.theory.subgradient import GeneralisedGradient
from spectralgrad.verdict import nearness, reasons
from spectralgrad.verdict.judgement import Judgement, digits, judge, scale
from spectralgrad.verdict.question import Question

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

# Why there is no gradient.
Outcome = Literal["unsupported", "failed", "not installed", ""]


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
    valid: GeneralisedGradient
    answers: dict[str, Answer]

    @property
    def gradient(self) -> Array:
        """The gradient from theory or, where there is none, the valid answer of smallest norm."""
        return self.valid.minimum_norm

    @property
    def allowed(self) -> float:
        """The relative error up to which an answer counts as right."""
        return self.valid.tolerance / scale(self.valid)

    @property
    def reason(self) -> str:
        """Why f is, or is not, differentiable at the matrix, in one sentence."""
        return reasons.reason(self.valid)

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
        """How many of the digits that can be trusted an answer has; None if there is none."""
        if answer.judgement is None:
            return None
        error = max(answer.judgement.relative_error, self.allowed)
        return digits(error, self.matrix.dtype)

    def to_dict(self) -> dict[str, Any]:
        """Everything as objects that JSON has: complex numbers ``[re, im]``, None for no number."""
        valid, near = self.valid, self.near
        names = ("indices", "distance", "relative", "rtol")
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
            "reason": self.reason,
            "near": near and {name: _plain(getattr(near, name)) for name in names},
            "allowed": _plain(self.allowed),
            "digits": self.digits,
            "gradient": _plain(self.gradient),
            "frameworks": {name: self._answer(a) for name, a in self.answers.items()},
        }

    def _answer(self, answer: Answer) -> dict[str, Any]:
        judged, gradient = answer.judgement, answer.gradient
        return {
            "version": answer.version,
            "gradient": None if gradient is None else _plain(gradient),
            "verdict": answer.verdict,
            "convention": judged.convention if judged else "",
            "also": list(judged.also) if judged else [],
            "conjugated": bool(judged and judged.conjugated),
            "relative_error": _plain(judged.relative_error) if judged else None,
            "digits": self.digits_of(answer),
            "message": answer.message,
        }


def _plain(values: ArrayLike) -> Any:
    values = np.asarray(values)
    if np.iscomplexobj(values):
        values = np.stack([values.real, values.imag], axis=-1)
    plain = values.astype(object)
    plain[~np.isfinite(values)] = None
    return plain.tolist()


def check(matrix: Source, *, label: str | None = None, **options: Any) -> Verdict:
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
    matrix : str, os.PathLike, list or array_like
        As for `spectralgrad.matrices.load`.
    label : str, optional
        What a message calls the matrix; `spectralgrad.matrices.describe` by default.
    **options
        The fields of `spectralgrad.verdict.question.Question`, which raises ValueError where they
        cannot be meant, and MatrixError where they cannot be asked of the matrix. Whatever a
        framework raises is in its answer, and the others go on.
    """
    return answer(matrix, Question(**options), label)


def check_stack(stack: Source, *, label: str | None = None, **options: Any) -> list[Verdict]:
    """Check every matrix of a stack, of shape (..., m, n), in its order; else as `check`."""
    question, label = Question(**options), label or matrices.describe(stack)
    array = matrices.load(stack, dtype=question.dtype, stack=True)
    verdicts = []
    for place, member in matrices.members(array):
        name = f"{label}: {place}" if place else label
        verdicts.append(replace(answer(member, question, name), source=label, place=place))
    return verdicts


def answer(matrix: Source, question: Question, label: str | None = None) -> Verdict:
    """Answer a question about one matrix, as `check` does."""
    label = label or matrices.describe(matrix)
    matrix, valid = question.pose(matrix, label)
    answers = {name: _ask(name, matrix, valid) for name in question.frameworks}
    return Verdict(label, "", matrix, valid, answers)


def _ask(name: str, matrix: Array, valid: GeneralisedGradient) -> Answer:
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
        return Answer(version, outcome=_outcome(error), message=said(error))


def _outcome(error: Exception) -> Outcome:
    if isinstance(error, ModuleNotFoundError):
        return "not installed"
    # TensorFlow looks for a missing gradient in a dictionary, and has an error class of its own.
    refused = isinstance(error, NotImplementedError | LookupError)
    return "unsupported" if refused or "Unimplemented" in type(error).__name__ else "failed"
