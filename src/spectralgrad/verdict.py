"""Judge a gradient: right, one of several right ones, or wrong."""

from dataclasses import dataclass, replace

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
        Frobenius distance from the gradient, or from the nearest of the valid ones, relative to the
        norm of the minimum-norm one (absolute where that is 0).
    allowed : float
        The relative error up to which the gradient counts as right.
    also : tuple of str
        Further conventions in which the gradient reads the same.
    """

    verdict: str
    convention: str
    conjugated: bool
    relative_error: float
    allowed: float
    also: tuple = ()

    @property
    def decided(self):
        """Whether the verdict means anything.

        Where rounding errors alone may change the answer by half its norm or more, being within
        them does not.
        """
        return self.verdict in ("wrong", "not finite") or self.allowed < 0.5


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


def _scale(valid):
    """What errors are relative to."""
    return float(np.linalg.norm(valid.minimum_norm)) or 1.0


def _judge(gradient, valid, tolerance):
    scale = _scale(valid)
    allowed = valid.tolerance if tolerance is None else tolerance
    if not np.all(np.isfinite(gradient)):
        return Judgement("not finite", "", False, np.inf, allowed / scale)
    conventions, written = ("general",), gradient
    if valid.problem == "eigh":
        # A form shows in zeros and in mirrored entries, which no condition disturbs.
        form = valid.rounding if tolerance is None else tolerance
        conventions = symmetric.recognise(gradient, tolerance=form)
        written = symmetric.hermitian_part(gradient) if conventions else gradient
    if valid.differentiable:
        excess, right = float(np.linalg.norm(written - valid.minimum_norm)), "agrees"
    else:
        excess, right = valid.contains(written).excess, "subgradient"
    verdict = right if conventions and excess <= allowed else "wrong"
    return Judgement(
        verdict,
        (*conventions, "")[0],
        False,
        max(excess, 0.0) / scale,
        allowed / scale,
        conventions[1:],
    )
