"""Judge a gradient: right, one of several right ones, or wrong."""

from dataclasses import dataclass

import numpy as np

from spectralgrad import symmetric


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
        `spectralgrad.symmetric.CONVENTIONS` that fits, ``""`` where none does.
    conjugated : bool
        Whether the complex conjugate of the gradient is what was judged.
    relative_error : float
        Distance from the gradient, or from the set of valid ones, relative to the norm of the
        minimum-norm one (absolute where that is 0).
    also : tuple of str
        Further conventions in which the gradient reads the same.
    """

    verdict: str
    convention: str
    conjugated: bool
    relative_error: float
    also: tuple = ()


def judge(gradient, valid, *, tolerance=None):
    """Judge a gradient of a weighted spectral sum.

    Parameters
    ----------
    gradient : (m, n) array_like
        As a framework returned it.
    valid : spectralgrad.subgradient.GeneralisedGradient
    tolerance : float, optional
        Absolute error, in Frobenius norm, up to which the gradient is right; the rounding error
        that the condition of the problem permits if not given.

    Returns
    -------
    Judgement
    """
    gradient = np.asarray(gradient)
    gradient = gradient.astype(np.result_type(gradient, float))
    if not np.all(np.isfinite(gradient)):
        return Judgement("not finite", "", False, np.inf)
    # JAX and autograd return the conjugate, so that both readings are tried, the plain one first.
    readings = [gradient, gradient.conj()] if np.iscomplexobj(gradient) else [gradient]
    judged = [_judge(reading, valid, tolerance) for reading in readings]
    conjugated = len(judged) > 1 and judged[1].relative_error < judged[0].relative_error / 2
    best = judged[conjugated]
    return Judgement(
        best.verdict, best.convention, bool(conjugated), best.relative_error, best.also
    )


def _judge(gradient, valid, tolerance):
    tolerance = valid.tolerance if tolerance is None else tolerance
    conventions, written = ("general",), gradient
    if valid.problem == "eigh":
        # Twice the off-diagonal entries, twice their error.
        conventions = symmetric.recognise(gradient, tolerance=2 * tolerance)
        written = symmetric.hermitian_part(gradient) if conventions else gradient
    reference = valid.minimum_norm
    scale = np.linalg.norm(reference) or 1.0
    if valid.differentiable:
        excess, right = float(np.linalg.norm(written - reference)), "agrees"
    else:
        excess, right = valid.contains(written).excess, "subgradient"
    verdict = right if conventions and excess <= tolerance else "wrong"
    return Judgement(
        verdict, (*conventions, "")[0], False, float(max(excess, 0.0) / scale), conventions[1:]
    )
