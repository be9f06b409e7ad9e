"""Which regimes a matrix is in, and why, in sentences."""

from itertools import pairwise

import numpy as np

from spectralgrad.book import sentences
from spectralgrad.theory import gauge
from spectralgrad.verdict import Verdict


def why(verdict: Verdict) -> str:
    """Say which regimes the matrix is in, and why, as a Markdown list."""
    valid, near = verdict.valid, gauge.default_tol(verdict.matrix.dtype)
    size, weights = float(np.max(np.abs(valid.values), initial=0.0)), valid.weights
    distinct = [(c, np.mean(valid.values[c])) for c in valid.clusters if not valid.is_zero(c)]
    several = [c for c, _ in distinct if c.stop - c.start > 1]
    tied = [(valid.name(c), bool(np.ptp(weights[c]))) for c in several]
    gaps = [
        (c, d, abs(x - y), bool(np.ptp(weights[c.start : d.stop])))
        for (c, x), (d, y) in pairwise(distinct)
    ]
    # Those that are near and that f feels come first, the closest before the others.
    gaps.sort(key=lambda gap: (gap[2] >= near * size or not gap[3], gap[2]))
    small = [(c, x, bool(np.any(weights[c]))) for c, x in distinct if x < near * size]
    # One that f feels comes last.
    small.sort(key=lambda cluster: cluster[2])
    found = (valid, size, near, distinct, tied, gaps, small)
    return "\n".join(f"- **{r}**: {sentences.regime(r, *found)}" for r in verdict.regimes)
