"""Whether a gradient is right, one of several right ones, or wrong."""

import math
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from spectralgrad.theory import symmetric
from spectralgrad.theory.arrays import Array
from spectralgrad.theory.subgradient import GeneralisedGradient

# What a gradient is.
Quality = Literal["agrees", "subgradient", "wrong", "not finite"]


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
    gradient: ArrayLike, valid: GeneralisedGradient, *, tolerance: float | None = None
) -> Judgement:
    """Judge a gradient of a weighted spectral sum.

    Parameters
    ----------
    gradient : (m, n) array_like
        As a framework returned it. A ValueError is raised if it has not the shape of the matrix.
    valid : spectralgrad.theory.subgradient.GeneralisedGradient
        All valid answers.
    tolerance : float, optional
        Absolute error, in Frobenius norm, up to which the gradient is right; the rounding error
        that the condition of the problem permits if not given.
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
    right: Quality = "agrees" if valid.differentiable else "subgradient"
    verdict: Quality = right if conventions and excess <= allowed else "wrong"
    convention, *also = conventions or ("",)
    error = max(excess, 0.0) / size
    return Judgement(verdict, convention, False, error, allowed / size, tuple(also))


def scale(valid: GeneralisedGradient) -> float:
    """What errors are relative to: the norm of the valid answer of smallest norm, or 1."""
    return float(np.linalg.norm(valid.minimum_norm)) or 1.0


def digits(error: float, dtype: DTypeLike) -> int:
    """How many decimal digits a relative error leaves of an answer, of the digits of its dtype."""
    most = int(np.finfo(dtype).precision)
    if error == 0:
        return most
    return int(np.clip(-math.log10(error), 0, most)) if error < math.inf else 0
