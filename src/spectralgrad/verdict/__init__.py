"""Ask every framework for a gradient, and judge what it returns: right, wrong, or one of several.

A `question` says what is asked of a matrix, and `reasons` why the matrix is difficult, or is not.
The function is a weighted sum of its values, or the loss of `vectors`.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from spectralgrad import frameworks as libraries
from spectralgrad import matrices
from spectralgrad.frameworks import Outcome, Reply
from spectralgrad.matrices import Source
from spectralgrad.system.errors import one_line, said
from spectralgrad.theory import gauge, spectrum, symmetric
from spectralgrad.theory.arrays import Array
from spectralgrad.theory.subgradient import GeneralisedGradient
from spectralgrad.verdict import extreme, reasons, vectors
from spectralgrad.verdict.extreme import Extreme
from spectralgrad.verdict.question import Question as Question

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

    It is ``"subgradient"`` if the function is not differentiable, and this one of the valid ones.
    The convention is ``"general"`` for singular values, and for eigenvalues the first of
    `spectralgrad.theory.symmetric.CONVENTIONS` that fits, ``""`` where none does; ``also`` are
    further ones that do. ``conjugated``, it is the complex conjugate that was judged. Errors are
    Frobenius distances, from the gradient or the nearest of the valid ones, relative to the norm of
    the smallest one (absolute where that is 0); up to the one ``allowed``, it counts as right.
    """

    verdict: Literal["agrees", "subgradient", "wrong", "not finite"]
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
    gradient: ArrayLike, valid: GeneralisedGradient, *, tolerance: float | None = None
) -> Judgement:
    """Judge a gradient of a weighted spectral sum, as a framework returned it.

    A ValueError is raised if it has not the shape of the matrix. The tolerance is the absolute
    error, in Frobenius norm, up to which it is right; by default the rounding error that the
    condition of the problem permits.
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
    noise = valid.rounding / scale(valid)
    if conjugate.relative_error < plain.relative_error / 2 and plain.relative_error > noise:
        return replace(conjugate, conjugated=True)
    return plain


def _judge(gradient: Array, valid: GeneralisedGradient, tolerance: float | None) -> Judgement:
    size = scale(valid)
    allowed = valid.tolerance if tolerance is None else tolerance
    if not np.all(np.isfinite(gradient)):
        return Judgement("not finite", "", False, np.inf, allowed / size)
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
    convention, *also = conventions or ("",)
    limit = min(allowed, valid.limit) if isinstance(valid, vectors.VectorLoss) else allowed
    right = conventions and excess <= limit
    return Judgement(
        "wrong" if not right else "agrees" if valid.differentiable else "subgradient",
        convention,
        False,
        excess / size,
        allowed / size,
        tuple(also),
    )


def scale(valid: GeneralisedGradient) -> float:
    """What errors are relative to: the norm of the valid answer of smallest norm, or 1."""
    return (not isinstance(valid, Extreme) and float(np.linalg.norm(valid.minimum_norm))) or 1.0


def digits(error: float, dtype: DTypeLike) -> int:
    """How many decimal digits a relative error leaves of an answer, of the digits of its dtype."""
    most = int(np.finfo(dtype).precision)
    if error == 0:
        return most
    return int(np.clip(-math.log10(error), 0, most)) if error < math.inf else 0


@dataclass(frozen=True, eq=False)
class Answer:
    """What one framework returned, and what it is worth.

    Where there is no gradient, it is not judged: ``outcome`` says why there is none, and
    ``message`` what the framework said, in one line. Of one that is not installed, the version is
    empty.
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
    """What theory and each framework say of a function at one matrix.

    The matrix is as it was given to the frameworks: of one dtype and, for ``"eigh"``, Hermitian.
    Where it comes from is said for a person; its place in a stack is as ``"matrix 3"``, else empty.
    ``valid`` are all valid answers, with problem, weights, spectrum and clusters. Where another
    interpreter was asked, it is named, as it was given.
    """

    source: str
    place: str
    matrix: Array
    valid: GeneralisedGradient
    answers: dict[str, Answer]
    python: str = ""

    @property
    def gradient(self) -> Array:
        """The gradient from theory or, where there is none, the valid answer of smallest norm."""
        return self.valid.minimum_norm

    @property
    def allowed(self) -> float:
        """The relative error up to which an answer counts as right."""
        return self.valid.tolerance / scale(self.valid)

    @property
    def of(self) -> str:
        """What f is a function of, ``"values"`` or ``"vectors"``."""
        return "vectors" if isinstance(self.valid, vectors.VectorLoss) else "values"

    @property
    def reason(self) -> str:
        """Why f is, or is not, differentiable at the matrix, in one sentence."""
        of_vectors = self.of == "vectors"
        return (reasons.everywhere if of_vectors else reasons.reason)(self.valid)

    @property
    def digits(self) -> int:
        """How many decimal digits of an answer can be trusted, whoever computes it."""
        return digits(self.allowed, self.matrix.dtype)

    @property
    def vector_digits(self) -> int | None:
        """How many of them the nearest gap leaves to a loss on vectors, whatever f is."""
        if isinstance(self.valid, Extreme):
            return None
        return digits(reasons.vector_error(self.valid, self.matrix.dtype), self.matrix.dtype)

    @property
    def regimes(self) -> tuple[str, ...]:
        """What makes the matrix difficult; see `spectralgrad.verdict.reasons.regimes`."""
        if isinstance(self.valid, Extreme):
            return ()
        return reasons.regimes(self.valid, near=gauge.default_tol(self.matrix.dtype))

    @property
    def near(self) -> reasons.Near | None:
        """The closest two values that f treats differently, if that costs half of the digits."""
        if isinstance(self.valid, Extreme):
            return None
        shape, dtype, singular = self.matrix.shape, self.matrix.dtype, self.valid.problem == "svd"
        # At 16 backward errors, no digit is left.
        none = 16 * spectrum.default_rtol(shape, dtype, singular=singular)
        valid = self.valid
        if self.of == "vectors":
            # It tells all values apart, but not the last singular value from zero.
            order = np.arange(len(valid.values))[:: -1 if singular else 1]
            valid = replace(valid, weights=order)
        return reasons.nearest(valid, max(gauge.default_tol(dtype), none))

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
            "python": self.python,
            "shape": list(self.matrix.shape),
            "dtype": str(self.matrix.dtype),
            "of": self.of,
            "problem": valid.problem,
            "weights": None if self.of == "vectors" else plain(valid.weights),
            "spectrum": plain(valid.values),
            "rtol": valid.rtol,
            "clusters": [
                {"value": float(np.mean(valid.values[c])), "indices": [*range(c.start, c.stop)]}
                for c in valid.clusters
            ],
            "rank": valid.rank,
            "regimes": list(self.regimes),
            "differentiable": valid.differentiable,
            "reason": self.reason,
            "near": near and {name: plain(getattr(near, name)) for name in names},
            "allowed": plain(self.allowed),
            "digits": self.digits,
            "vector_digits": self.vector_digits,
            "gradient": plain(self.gradient),
            "frameworks": {name: self._answer(a) for name, a in self.answers.items()},
        }

    def _answer(self, answer: Answer) -> dict[str, Any]:
        judged, gradient = answer.judgement, answer.gradient
        return {
            "version": answer.version,
            "gradient": None if gradient is None else plain(gradient),
            "verdict": answer.verdict,
            "convention": judged.convention if judged else "",
            "also": list(judged.also) if judged else [],
            "conjugated": bool(judged and judged.conjugated),
            "relative_error": plain(judged.relative_error) if judged else None,
            "digits": self.digits_of(answer),
            "message": answer.message,
        }


def plain(values: Any) -> Any:
    """Return numbers, or factors, as JSON: a complex one as ``[re, im]``, None if not finite."""
    if values is None:
        return None
    if hasattr(values, "left"):
        return {"left": plain(values.left), "right": plain(values.right)}
    values = np.asarray(values)
    if np.iscomplexobj(values):
        values = np.stack([values.real, values.imag], axis=-1)
    found = values.astype(object)
    found[~np.isfinite(values)] = None
    return found.tolist()


def check(matrix: Source, **options: Any) -> Verdict:
    """Ask every framework for a gradient at one matrix, and judge what it returns.

    The function is a weighted spectral sum, Σ wᵢ λᵢ(A) or Σ wᵢ σᵢ(A), or a loss on vectors, which
    `spectralgrad.verdict.vectors` has, with what counts as right for that.

    **What counts as right** of a sum. A backward stable decomposition is exact for a matrix within
    ``c · ‖A‖`` of A, with c of `spectralgrad.theory.spectrum.default_rtol`: values that are no
    farther apart may be one value. Such a change of A moves the gradient by at most ``c · ‖A‖``
    times the largest divided difference ``|wᵢ − wⱼ| / |λᵢ − λⱼ|`` between clusters (for singular
    values, ``|wᵢ|/σᵢ`` too). So an answer within that distance of the gradient (of the set of valid
    answers, where there is no gradient), plus ``8 max(m, n) · eps · max|w|`` for writing it down,
    is right, and any other is wrong. Where the sum is more than a tenth of the norm of the
    gradient, no digit can be trusted, and the verdict is ``"undecided"``. The precision, eps, is
    that of the dtype in which the framework computes.

    A loss on vectors may lose digits at every near-tie, whatever the weights: `Verdict` says how
    many the nearest gap leaves.

    The matrix is read by `spectralgrad.matrices.load`. The options are the fields of
    `spectralgrad.verdict.question.Question`, which raises ValueError where they cannot be meant,
    and MatrixError where they cannot be asked of the matrix. Whatever a framework raises is in its
    answer, and the others go on.
    """
    question = Question(**options)
    return answer(pose(matrix, question), question)


def check_stack(stack: Source, **options: Any) -> list[Verdict]:
    """Check every matrix of a stack, of shape (..., m, n), in its order; else as `check`."""
    question = Question(**options)
    return [answer(posed, question) for posed in pose_stack(stack, question)]


def pose(matrix: Source, question: Question, label: str | None = None, place: str = "") -> Verdict:
    """What theory says of one matrix, which for a person has a name and a place; no answers yet."""
    label = label or matrices.describe(matrix)
    posed = question.pose(matrix, f"{label}: {place}" if place else label)
    return Verdict(label, place, *posed, answers={})


def pose_stack(stack: Source, question: Question) -> list[Verdict]:
    """As `pose`, of each matrix of a stack."""
    label = matrices.describe(stack)
    array = matrices.load(stack, dtype=question.dtype, stack=True, large=True)
    return [pose(a, question, label, place) for place, a in matrices.members(array)]


# As `spectralgrad.frameworks.ask`: here, or elsewhere.
Ask = Callable[..., Iterator[tuple[str, Reply]]]


def answer(posed: Verdict, question: Question, ask: Ask = libraries.ask) -> Verdict:
    """With what each framework answers, in the order in which the question names them."""
    found = dict(answers(posed, question, ask))
    return replace(posed, answers={name: found[name] for name in question.frameworks})


def answers(posed: Verdict, question: Question, ask: Ask) -> Iterator[tuple[str, Answer]]:
    """What each framework answers, judged, as it comes; to a large matrix, that it has no room."""
    if isinstance(posed.valid, Extreme):
        refusal = Answer("", outcome="unsupported", message=extreme.refusal(posed.matrix))
        return iter([(name, refusal) for name in question.frameworks])
    valid = posed.valid
    cotangent = valid.cotangent if isinstance(valid, vectors.VectorLoss) else valid.weights
    asked = ask(question.frameworks, valid.problem, posed.of, posed.matrix, cotangent)
    return ((name, _judged(reply, valid)) for name, reply in asked)


def _judged(reply: Reply, valid: GeneralisedGradient) -> Answer:
    if reply.gradient is None:
        message = one_line(" ".join(reply.message.split()), 300)
        return Answer(reply.version, outcome=reply.outcome, message=message)
    try:
        return Answer(reply.version, reply.gradient, judge(reply.gradient, valid))
    # Of another shape, or no numbers.
    except (TypeError, ValueError) as error:
        return Answer(reply.version, outcome="failed", message=said(error))
