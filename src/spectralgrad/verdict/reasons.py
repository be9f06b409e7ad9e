"""Why a weighted spectral sum is, or is not, differentiable at a matrix, and what is difficult."""

import numpy as np

from spectralgrad.theory import spectrum
from spectralgrad.theory.subgradient import GeneralisedGradient


def reason(valid: GeneralisedGradient) -> str:
    """One sentence: why f is, or is not, differentiable at the matrix of its valid gradients."""
    tolerance = f"to a relative tolerance of {valid.rtol:.1e}"
    if valid.differentiable:
        why = _why_differentiable(valid)
        return f"f is differentiable at this matrix: {tolerance}, {why}."
    causes = [_cause(valid, cluster) for cluster in valid.undecided]
    if len(causes) > 3:
        causes = [*causes[:2], f"the same holds for {len(causes) - 2} further clusters"]
    return f"f is not differentiable at this matrix: {tolerance}, {'; '.join(causes)}."


def _cause(valid: GeneralisedGradient, cluster: slice) -> str:
    name = valid.name(cluster)
    if not valid.is_zero(cluster):
        return f"{name} are equal, and f treats them differently"
    if cluster.stop - cluster.start == 1:
        return f"{name} is zero, and f depends on it"
    return f"{name} are zero, and f depends on them"


def _why_differentiable(valid: GeneralisedGradient) -> str:
    tied = any(c.stop - c.start > 1 and not valid.is_zero(c) for c in valid.clusters)
    kind = "eigenvalue" if valid.problem == "eigh" else "singular value"
    if len(valid.values) == 1:
        among, nonzero = f"there is one {kind} only", "it is not zero"
    else:
        among = f"f treats equal {kind}s alike" if tied else f"no two {kind}s are equal"
        nonzero = "none is zero"
    if valid.problem == "eigh":
        return among
    full = valid.rank == len(valid.values)
    return f"{among} and {nonzero if full else 'f does not depend on what is zero'}"


def regimes(valid: GeneralisedGradient, *, near: float) -> tuple[str, ...]:
    """Say in what ways a spectrum makes gradients difficult, whatever the function of it.

    One or more of ``"tie"`` (two values are equal, and not zero), ``"near-tie"`` (two are nearer
    than ``near`` times the largest modulus: at √eps, an error of eps in the matrix takes half of
    the digits of a vector), ``"rank-deficient"`` (a singular value is zero), ``"nearly
    rank-deficient"`` (one is near zero) and ``"extreme scale"`` (the largest modulus is below 1e-3
    or above 1/near², where the rules of some frameworks fail); else ``"regular"``.
    """
    size = float(np.max(np.abs(valid.values), initial=0.0))
    centres = [float(np.mean(valid.values[c])) for c in valid.clusters if not valid.is_zero(c)]
    gap, singular = spectrum.smallest_gap(centres), valid.problem == "svd"
    words = {
        "tie": len(centres) < valid.rank,
        "near-tie": len(centres) > 1 and gap < near * size,
        "rank-deficient": valid.rank < len(valid.values),
        "nearly rank-deficient": singular and bool(centres) and centres[-1] < near * size,
        "extreme scale": size > 0 and not 1e-3 <= size <= near**-2,
    }
    return tuple(word for word, holds in words.items() if holds) or ("regular",)
