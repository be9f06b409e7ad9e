"""The function under study and the set of its valid answers, in words."""

from collections.abc import Mapping

import numpy as np

from spectralgrad.book.prose import (
    agree,
    clause,
    count,
    kind_of_values,
    numbers,
    paragraph,
    relative,
    shortened,
    table,
)
from spectralgrad.theory.arrays import Array
from spectralgrad.theory.subgradient import GeneralisedGradient, Membership
from spectralgrad.verdict import digits


def function(valid: GeneralisedGradient) -> str:
    """Say which function of the matrix is under study."""
    k, w, kind = len(valid.values), valid.weights, kind_of_values(valid)
    first, last = ("smallest", "largest") if kind == "eigenvalue" else ("largest", "smallest")
    chosen = np.flatnonzero(w)
    weights = agree(k, f"with the weight[|s] {numbers(w)}")
    if k == 1:
        return f"f is the {kind} of the matrix{'' if w[0] == 1 else f', {weights}'}."
    if len(chosen) == 1 and w[chosen[0]] == 1:
        place = {0: f"the {first}", k - 1: f"the {last}"}.get(int(chosen[0]))
        if place:
            return f"f is {place} of {k} {kind}s."
        return f"f is {kind} {chosen[0] + 1} of {k}, counted from the {first}."
    if np.all(w == 1):
        return f"f is the sum of the {k} {kind}s."
    return f"f is the sum of the {k} {kind}s, from the {first} on, {weights}."


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
    of_zeros = cluster.start >= valid.rank
    what, free = (_block_of_zeros if of_zeros else _block_of_a_tie)(valid, cluster)
    weights = valid.weights[cluster]
    head = agree(
        len(weights),
        f"{valid.name(cluster)} [is|are] {'zero' if of_zeros else 'equal'}, "
        f"with the weight[|s] {numbers(weights)}",
    )
    return f"{head}: any {what}.", free


def _block_of_zeros(valid: GeneralisedGradient, cluster: slice) -> tuple[str, int]:
    w = np.sort(np.abs(valid.weights[cluster]))[::-1]
    # Null vectors beyond the k-th belong to the zero cluster.
    p, q = (len(x) - cluster.start for x in (valid.left, valid.right))
    is_complex = np.iscomplexobj(valid.left)
    field, free = ("complex", 2 * p * q) if is_complex else ("real", p * q)
    if p == q == 1:
        return f"{field} number of modulus at most {w[0]:.4g}", free
    if w[0] == w[-1]:
        limit = f"are at most {w[0]:.4g}"
    elif not np.any(w[1:]):
        limit = f"add up to at most {w[0]:.4g}"
    else:
        limit = (
            f"are weakly majorised by {numbers(w)}: for each j, the j largest add up to at most as "
            "much as the first j of these"
        )
    return f"{p} × {q} {field} matrix whose singular values {limit}", free


def _block_of_a_tie(valid: GeneralisedGradient, cluster: slice) -> tuple[str, int]:
    w = np.sort(valid.weights[cluster])[::-1]
    d = len(w)
    field, free = "symmetric", d * (d + 1) // 2 - 1
    if np.iscomplexobj(valid.left):
        field, free = "Hermitian", d * d - 1
    if len(set(w)) == 2:
        limit = f"of trace {np.sum(w):.4g} with eigenvalues from {w[-1]:.4g} to {w[0]:.4g}"
    else:
        limit = (
            f"whose eigenvalues are majorised by {numbers(w)}: for each j, the j largest add "
            "up to at most as much as the first j of these, and all of them to the same"
        )
    return f"{field} {d} × {d} matrix {limit}", free


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
    text = paragraph(extreme_points(members, norms, slopes, valid), promises(valid))
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
        return (
            "So near a tie or a zero, rounding errors alone may change an answer by "
            f"{loss:.1g} times its norm: no answer can be judged."
        )
    outside = [n for n in others if not members[n].inside]
    if valid.differentiable:
        they = (
            clause(outside, "; {} [returns|return] another") or ", and every framework returns it"
        )
        return f"There is one valid answer, the gradient{they}."
    largest = float(np.linalg.norm(valid.weights))
    extreme = [n for n in others if members[n].extreme]
    inner = [n for n in others if n not in outside and n not in extreme]
    stuck = [n for n in others if members[n].inside and slopes[n] >= -1e-9 * largest]
    rises = all(slopes[n] > 1e-9 * largest for n in stuck)
    text = f"{{}} [returns|return] an extreme point, of norm {largest:.5g}; the smallest norm in "
    text += f"the set is {norms[smallest]:.5g}."
    step = f"A small step against the answer of {{}} makes f {'larger' if rises else 'no smaller'}."
    return paragraph(
        clause(extreme, text, others, "Every framework"),
        clause(inner, "What {} [returns|return] is valid, but not extreme."),
        clause(outside, "What {} [returns|return] is not a valid answer."),
        clause(stuck, step, others, "any of them"),
    )


def promises(valid: GeneralisedGradient) -> str:
    """Say how the slopes that valid answers promise compare with the true one."""
    if valid.differentiable:
        return "Here f is differentiable: the only valid answer promises the true slope."
    if valid.convex:
        return "Here f is convex: no valid answer promises more than the true slope."
    return "Here f is not convex: a valid answer may promise more than the true slope, or less."
