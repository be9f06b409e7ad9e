"""Why a weighted spectral sum is, or is not, differentiable at a matrix, in one sentence."""

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
