"""The set of valid answers at one matrix, in words."""

from collections.abc import Mapping

import numpy as np

from spectralgrad.book import sentences
from spectralgrad.book.prose import comparisons, count, paragraph, relative, shortened, table
from spectralgrad.theory.arrays import Array
from spectralgrad.theory.exact import Comparison
from spectralgrad.theory.subgradient import GeneralisedGradient, Membership
from spectralgrad.verdict import digits


def description(valid: GeneralisedGradient) -> str:
    """Describe the set of valid answers at one matrix, as Markdown."""
    if valid.differentiable:
        return "One answer is valid: the gradient."
    where = "eigenvectors V of the matrix, VᴴGV"
    if valid.problem == "svd":
        where = "singular vectors, UᴴGV"
    blocks = [_block(valid, c) for c in valid.undecided]
    items = shortened([f"- {text}" for text, _ in blocks], 4, "- and {} more of this kind.")
    which = "one block" if len(blocks) == 1 else f"{len(blocks)} blocks"
    text = (
        f"Written in the {where}, all valid answers have the same entries, except in {which}:\n\n"
        + "\n".join(items)
        + f"\n\nThe set has {count(sum(free for _, free in blocks), 'dimension')}. In its element "
        "of smallest norm, a block of zeros is 0, and one of equal values the mean weight times "
        "the identity."
    )
    if not np.any(valid.minimum_norm):
        text += " All of it is 0 here" + (", and f has its minimum." if valid.convex else ".")
    return text


def _block(valid: GeneralisedGradient, cluster: slice) -> tuple[str, int]:
    """What the block of a cluster may be, and how many real numbers are free in it."""
    is_complex, weights = np.iscomplexobj(valid.left), valid.weights[cluster]
    p = q = len(weights)
    free = p * p - 1 if is_complex else p * (p + 1) // 2 - 1
    if valid.is_zero(cluster):
        # Null vectors beyond the k-th belong to the zero cluster.
        p, q = (len(x) - cluster.start for x in (valid.left, valid.right))
        free = (2 if is_complex else 1) * p * q
    return sentences.block(valid, cluster, weights, p, q, is_complex), free


def places(answers: Mapping[str, Array], valid: GeneralisedGradient) -> str:
    """Lay out where answers lie in the set, and what follows; the first is of smallest norm."""
    members = {name: valid.contains(g) for name, g in answers.items()}
    norms = {name: float(np.linalg.norm(g)) for name, g in answers.items()}
    slopes = {
        name: valid.directional_derivative(-answers[name] / norm) if 0 < norm < np.inf else 0 * norm
        for name, norm in norms.items()
    }
    rows = [
        [
            name,
            "yes" if member.inside else "no",
            relative(member.excess) if np.isfinite(member.excess) else "–",
            "yes" if member.extreme else "no",
            f"{norms[name]:.5g}" if np.isfinite(norms[name]) else "–",
            f"{slopes[name]:.4g}" if np.isfinite(slopes[name]) else "–",
        ]
        for name, member in members.items()
    ]
    head = ["", "valid", "distance from the set", "extreme", "norm", "slope along −G/‖G‖"]
    text = paragraph(extreme_points(members, norms, slopes, valid), sentences.promises(valid))
    return f"{table(head, rows)}\n\n{text}"


def extreme_points(
    members: Mapping[str, Membership],
    norms: Mapping[str, float],
    slopes: Mapping[str, float],
    valid: GeneralisedGradient,
) -> str:
    """Say which answers are extreme, or no use for a descent; the first is of smallest norm."""
    smallest, *others = members
    loss = valid.tolerance / (norms[smallest] or 1.0)
    if not digits(loss, float):
        return sentences.too_near(loss)
    outside = [n for n in others if not members[n].inside]
    if valid.differentiable:
        return sentences.one_answer(outside)
    largest = float(np.linalg.norm(valid.weights))
    extreme = [n for n in others if members[n].extreme]
    inner = [n for n in others if n not in outside and n not in extreme]
    stuck = [n for n in others if members[n].inside and slopes[n] >= -1e-9 * largest]
    rises = all(slopes[n] > 1e-9 * largest for n in stuck)
    found = (extreme, inner, outside, stuck, rises)
    return sentences.extreme_points(others, largest, norms[smallest], *found)


def three_ways(found: Comparison) -> str:
    """Show the slope that a gradient promises beside two that need no formula."""
    return (
        "Here is its derivative along one random direction E, beside two that need no "
        f"formula: finite differences, and the definition in 50 digits.\n\n"
        f"{comparisons({'theory': found})}"
    )
