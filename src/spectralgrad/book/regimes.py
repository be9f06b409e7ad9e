"""Which regimes a matrix is in, and why, in sentences."""

import itertools

import numpy as np

from spectralgrad.book.prose import agree, count, kind_of_values, shortened
from spectralgrad.theory import gauge
from spectralgrad.theory.subgradient import GeneralisedGradient
from spectralgrad.verdict import Verdict

# Below, `size` is the largest modulus, and `near` the distance, relative to it, from which on two
# values are near one another, or one is near zero.


def why(verdict: Verdict) -> str:
    """Say which regimes the matrix is in, and why, as a Markdown list."""
    valid = verdict.valid
    size = float(np.max(np.abs(valid.values), initial=0.0))
    near = gauge.default_tol(verdict.matrix.dtype)
    return "\n".join(f"- **{r}**: {_REASONS[r](valid, size, near)}" for r in verdict.regimes)


def _distinct(valid: GeneralisedGradient) -> list[tuple[slice, float]]:
    """Clusters that are not zero (of eigenvalues all), with their means."""
    return [(c, float(np.mean(valid.values[c]))) for c in valid.clusters if c.start < valid.rank]


def _gaps(valid: GeneralisedGradient) -> list[tuple[slice, slice, float]]:
    """Neighbouring clusters that are not zero, with their distance; the closest first."""
    pairs = itertools.pairwise(_distinct(valid))
    return sorted(((c, d, abs(x - y)) for (c, x), (d, y) in pairs), key=lambda gap: gap[2])


def _within(valid: GeneralisedGradient, size: float) -> str:
    return f"to within {valid.rtol * size:.1e}" if valid.rtol * size else "exactly"


def _regular(valid: GeneralisedGradient, size: float, near: float) -> str:
    distinct, kind = _distinct(valid), kind_of_values(valid)
    if not size:
        return "the only value is zero."
    if len(distinct) == 1:
        return f"there is one {kind} only."
    first, second, gap = _gaps(valid)[0]
    text = (
        f"the closest {kind}s, {valid.name(first)} and {valid.name(second)}, are {gap:.2g} apart, "
        f"{gap / size:.2g} times the largest modulus"
    )
    if valid.problem == "svd":
        text += f"; the smallest is {distinct[-1][1] / size:.2g} times the largest"
    return f"{text} (near begins at {near:.1e})."


def _tie(valid: GeneralisedGradient, size: float, near: float) -> str:
    tied = [c for c, _ in _distinct(valid) if c.stop - c.start > 1]
    first, *others = map(valid.name, tied)
    also = "".join(f", so are {x}" for x in shortened(others, 2, "{} more groups"))
    text = f"{first} are equal{also}, {_within(valid, size)}. "
    unequal = [c for c in tied if np.ptp(valid.weights[c])]
    if not unequal:
        return f"{text}f gives equal ones the same weight, and loses nothing here."
    where = "them" if len(unequal) == len(tied) else "some of them"
    return f"{text}f gives {where} different weights, and has no gradient."


def _near_tie(valid: GeneralisedGradient, size: float, near: float) -> str:
    close = [gap for gap in _gaps(valid) if gap[2] < near * size]
    felt = [(c, d, gap) for c, d, gap in close if np.ptp(valid.weights[c.start : d.stop])]
    first, second, gap = (felt or close)[0]
    text = (
        f"{valid.name(first)} and {valid.name(second)} are not equal, but only {gap:.1e} apart, "
        f"{gap / size:.1e} times the largest. "
    )
    if not felt:
        return f"{text}f gives both the same weight, and loses nothing here."
    return text + _short_sighted(valid, "the two as equal")


def _short_sighted(valid: GeneralisedGradient, mend: str) -> str:
    what = "[The gradient of f turns|The valid answers turn] within steps of that size, and "
    return (
        agree(1 if valid.differentiable else 2, f"{what}[predicts|predict] smaller steps ")
        + "only. If the entries of your matrix are no better known than that, count "
        f"{mend}, with a larger `rtol`."
    )


def _deficient(valid: GeneralisedGradient, size: float, near: float) -> str:
    zeros, all_of_them = len(valid.values) - valid.rank, count(len(valid.values), "singular value")
    felt = np.any(valid.weights[valid.rank :])
    end = "depends on [it|them], and has no gradient" if felt else "does not depend on [it|them]"
    return agree(zeros, f"{zeros} of {all_of_them} [is|are] zero, {_within(valid, size)}. f {end}.")


def _nearly_deficient(valid: GeneralisedGradient, size: float, near: float) -> str:
    small = [(c, x) for c, x in _distinct(valid) if x < near * size]
    felt = [(c, x) for c, x in small if np.any(valid.weights[c])]
    cluster, value = (felt or small)[-1]
    end = _short_sighted(valid, "[it|them] as zero") if felt else "f does not depend on [it|them]."
    return agree(
        cluster.stop - cluster.start,
        f"{valid.name(cluster)} [is|are] not zero, but only {value:.1e}, {value / size:.1e} times "
        f"the largest. {end}",
    )


def _extreme(valid: GeneralisedGradient, size: float, near: float) -> str:
    return (
        f"the largest {kind_of_values(valid)} is {size:.1e} in modulus. f does not mind; the rules "
        "of some frameworks for vectors do."
    )


_REASONS = {
    "regular": _regular,
    "tie": _tie,
    "near-tie": _near_tie,
    "rank-deficient": _deficient,
    "nearly rank-deficient": _nearly_deficient,
    "extreme scale": _extreme,
}
