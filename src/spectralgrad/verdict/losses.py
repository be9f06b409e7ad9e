"""A verdict on the gradient of a loss of eigenvectors or singular vectors.

It is one on a function of the matrix, see `spectralgrad.verdict.functions`, whose factors are known
here: a second basis (`spectralgrad.theory.second_basis`) finds the gradient, also at ties.
"""

import contextlib
import functools
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import scipy.linalg

from spectralgrad import frameworks as libraries
from spectralgrad import matrices
from spectralgrad.matrices import Source
from spectralgrad.system.errors import said
from spectralgrad.theory import eigen, gauge, singular, spectrum
from spectralgrad.theory.arrays import Array, Problem
from spectralgrad.theory.symmetric import hermitian_part
from spectralgrad.verdict import digits, functions, mending
from spectralgrad.verdict.functions import FunctionVerdict, Loss
from spectralgrad.verdict.slopes import BEYOND

_GRADIENT: dict[Problem, Callable[..., Array]] = {
    "eigh": eigen.invariant_vjp,
    "svd": singular.invariant_vjp,
}


@dataclass(frozen=True, eq=False)
class LossVerdict(FunctionVerdict):
    """What a framework's gradient of a loss of the factors of one matrix is worth.

    ``right`` is the gradient from a second basis, in this book's convention (symmetric, if of
    eigenvectors), None where there is none; ``right_digits`` of it are confirmed.
    """

    right: Array | None = None
    right_digits: int = 0


def check_losses(
    loss: Loss,
    stack: Source,
    problem: Problem = "eigh",
    framework: str = "torch",
    *,
    pullback: Loss | None = None,
    dtype: str = "auto",
) -> list[LossVerdict]:
    """Check a gradient of ``loss(values, vectors)``, or ``loss(u, s, vh)``, at every matrix.

    The loss takes what `eigh` or the thin `svd` of the framework returns, and is a real number. For
    ``"numpy"``, ``pullback(*factors)`` may return its cotangents, as for the ``invariant_vjp`` of
    `spectralgrad.theory.eigen` and `spectralgrad.theory.singular`, which then has the gradient. All
    else is as for `spectralgrad.verdict.functions.check_functions`; but the right gradient decides
    what is wrong, unless the slopes refute it.
    """
    if problem not in _GRADIENT:
        raise ValueError(f"problem: {problem!r} will not do; choose from {', '.join(_GRADIENT)}")

    @functools.wraps(loss)
    def function(matrix: Any) -> Any:
        return loss(*libraries.get(framework).decompose(problem, matrix))

    hermitian = problem == "eigh"
    found = functions.check_functions(function, stack, framework, symmetric=hermitian, dtype=dtype)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        return [_Loss(loss, problem, pullback, one).verdict() for one in found]


def check_loss(loss: Loss, matrix: Source, *arguments: Any, **options: Any) -> LossVerdict:
    """Check it at one matrix, as `check_losses` does."""
    matrices.load(matrix)
    (found,) = check_losses(loss, matrix, *arguments, **options)
    return found


@dataclass(frozen=True)
class _Loss:
    """A loss at one matrix, and what is found of it as a function of the matrix."""

    loss: Loss
    problem: Problem
    pullback: Loss | None
    found: FunctionVerdict

    def verdict(self) -> LossVerdict:
        """The verdict on a function, what theory makes of it, and what to do."""
        known = LossVerdict(**vars(self.found) | self.judge())
        code = mending.of_matrix(functions.name(self.loss), self.problem, known.framework)
        advice = mending.advice(known)
        if known.right is not None and known.verdict in ("wrong", "not finite", "failed"):
            place = f"recipes.{known.framework}.invariant_{self.problem}"
            advice = f"Give the loss to spectralgrad.{place}, which has the right gradient."
        elif known.verdict == "wrong":
            advice = "Look in the loss for a rule of your own, a detach or a stop_gradient."
        return replace(known, advice=advice, reproducer=mending.reproducer(known, code))

    def judge(self) -> dict[str, Any]:
        """What changes in the verdict on a function."""
        found = self.found
        if found.verdict in ("not installed", "no gradient here", "not a function of the matrix"):
            return {}
        if found.framework == "numpy" and not self.pullback:
            return {}
        try:
            return self.compare(*self.gradient())
        # Anything at all may come out of a framework, and of a pullback.
        except Exception as error:
            return {"message": f"{found.message}; {said(error)}"}

    def factors(self, matrix: Array, step: int = 1) -> Sequence[Array]:
        """The factors; with a step of −1, found from the matrix upside down."""
        if self.problem == "eigh":
            values, vectors = scipy.linalg.eigh(matrix[::step, ::step], driver="evd")
            return values, vectors[::step]
        u, s, vh = scipy.linalg.svd(matrix[::step], full_matrices=False)
        return u[::step], s, vh

    def finest(self, dtype: np.dtype[Any]) -> float:
        """The distance of values that no stable decomposition tells apart."""
        singular = self.problem == "svd"
        return spectrum.default_rtol(self.found.matrix.shape, dtype, singular=singular)

    def pull(self, *factors: Array) -> Sequence[Any]:
        """The cotangents of the loss."""
        if self.pullback:
            found: Sequence[Any] = self.pullback(*factors)
        else:
            library = libraries.get(self.found.framework)
            _, found = library.value_and_gradient(self.loss, *factors)
        if not all(np.all(np.isfinite(x)) for x in found):
            raise ValueError("the loss has no finite gradient for its factors")
        return found

    def gradient(self) -> tuple[Array, float]:
        """The gradient, and how far it is from one with other rounding errors."""
        matrix, dtype = self.found.matrix, self.found.matrix.dtype
        find = _GRADIENT[self.problem]
        rough = find(*self.factors(matrix, -1), self.pull, rtol=self.finest(dtype))
        # In double precision, and with what is nearly equal as equal, if the loss allows that.
        for kind in (np.result_type(dtype, float), dtype):
            given = self.factors(matrix.astype(kind))
            for rtol in (None, self.finest(kind)):
                with contextlib.suppress(Exception):
                    right = find(*given, self.pull, rtol=rtol)
                    return right, float(np.linalg.norm(rough - right))
        return rough, float(np.linalg.norm(rough))

    def compare(self, right: Array, rounding: float) -> dict[str, Any]:
        """What the right gradient changes, unless the slopes refute it."""
        found, dtype, given = self.found, self.found.matrix.dtype, self.found.gradient
        eps, near = float(np.finfo(dtype).eps), gauge.default_tol(dtype)
        # Of a gradient that is 0, up to rounding, there is no relative error.
        reach = abs(found.value) / (float(np.linalg.norm(found.matrix)) or 1.0)
        norm = max(float(np.linalg.norm(right)), near * reach) or 1.0
        rounding = max(rounding / norm, self.finest(dtype))
        off = np.array([abs(s.along(right) - s.derivative) / norm for s in found.slopes])
        rough = max((s.error for s in found.slopes), default=0.0) / norm
        refuted = any(off > near + 100 * rough)
        error = rounding
        if found.expected is not None:
            seen = float(np.linalg.norm(found.expected - right)) / norm
            error = max(min(error, seen), self.finest(dtype))
        known = {} if refuted else {"right": right, "right_digits": digits(error, dtype)}
        if found.framework == "numpy":
            far, wrong = float(np.max(off)), refuted
            known |= {"gradient": right, "worst_direction": found.slopes[int(np.argmax(off))]}
        elif refuted:
            both = "the gradient of the loss for its factors is not right either"
            return {"message": f"{found.message}; {both}"}
        elif given is None or not np.all(np.isfinite(given)):
            return known
        else:
            read = given.conj() if found.conjugated else given
            read = hermitian_part(read) if self.problem == "eigh" else read
            far = float(np.linalg.norm(read - right)) / norm
            # What rounding explains, but no more than a quarter of the digits.
            wrong = far > max(near, min(BEYOND * rounding, eps**0.25), BEYOND * error)
        left = digits(max(far, error), dtype)
        than = "the slopes" if found.framework == "numpy" else "the right gradient"
        rounding = min(rounding, eps**0.25)
        message = f"off from {than} by {far:.1e} of the norm, and rounding explains {rounding:.0e}"
        known |= {"digits": left, "relative_error": far, "message": message}
        verdict = "wrong" if wrong else "agrees" if left >= 2 else "undecided"
        return known | {"verdict": verdict}
