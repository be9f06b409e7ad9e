"""Sentences of single chapters that depend on a matrix, so that no page says what does not hold."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike

from spectralgrad.book.conclusions import convention
from spectralgrad.book.prose import agree, clause, count, listing, numbers
from spectralgrad.matrices.published import Printed
from spectralgrad.theory.arrays import Array
from spectralgrad.verdict import Judgement

# What the singular values of a single-precision matrix show if they are rounded doubles.
ROUNDED = (
    "Those that autograd returns are, bit for bit, the singular values found in double precision, "
    "rounded: the decompositions of `numpy.linalg` compute in double precision, whatever they are "
    "given."
)


def moved_apart(before: ArrayLike, after: Sequence[float] | Array, kind: str) -> str:
    """Say that the values of a spectrum, of a kind, were moved apart; empty if they were not."""
    if np.array_equal(before, after):
        return ""
    zero = " or zero" if kind == "singular value" else ""
    return (
        f"Its {kind}s are not all well apart{' and well above zero' if zero else ''}: some are "
        f"equal{zero}, or nearly so. Because the formulas below need them apart, the page goes on "
        f"with the matrix that has the same {kind.replace('value', 'vector')}s, and the {kind}s "
        f"{numbers(after, '.3g')}."
    )


def will_do(fine: Sequence[str], tried: int) -> str:
    """Say for which of the frameworks tried their own gradient will do."""
    if len(fine) == tried:
        return "Here each framework's own gradient will do."
    if not fine:
        return "Here no framework's own gradient will do at ties and near them: use the rule there."
    return f"Here the own gradient of {listing(fine)} will do at ties too; else use the rule there."


def last_null_vector(m: int, n: int, is_complex: bool, answer: str) -> str:
    """Say why a loss on the last left singular vector, of a zero, was or was not refused."""
    if "GaugeError" not in answer:
        return (
            f"The matrix is {m} × {n}, with one zero: its left null vector is determined up to its "
            "sign, and the loss is differentiable but for that sign."
        )
    if m > n:
        return (
            f"The matrix is {m} × {n}, and its left null space has dimension {m - n + 1}: the last "
            "column of U is one vector of many."
        )
    return (
        f"The matrix is complex and {m} × {n}, with one zero: its left null vector is determined "
        "up to its phase, on which the loss depends."
    )


def gauge_changes(changes: Mapping[str, Mapping[str, float]], is_complex: bool, size: int) -> str:
    """Say which losses change if signs, phases or bases of eigenvectors do, at a tie too."""

    def changing(*kinds: str) -> set[str]:
        return {loss for loss, row in changes.items() if any(row[k] > 1e-6 for k in kinds)}

    here = changing("signs", "phases", "rotations")
    text = f"At this matrix, {len(here)} of {len(changes)} losses [is|are] not defined."
    sentence = agree(len(here), text)
    hidden = changing("phases", "rotations") - changing("signs")
    if hidden:
        sentence += f" Signs alone would have shown {len(here) - len(hidden)} of them."
    elif not is_complex:
        sentence += " It is real, so that phases are signs."
    later = changing("at a tie") - here
    if later:
        sentence += f" With a tie, {len(later)} more."
    elif size == 1:
        sentence += " A matrix of one row has no ties."
    return sentence


def conjugate_step(matrix: ArrayLike, before: float, after: float) -> str:
    """Say what a step against the conjugate of the gradient does to ½‖A‖²."""
    if not np.any(np.imag(matrix)):
        return "The matrix is real, so that conjugating changes nothing."
    if after > before:
        return "The step against the conjugate climbs: the imaginary part outweighs the real one."
    return (
        "The step against the conjugate descends too, because the real part outweighs the "
        "imaginary one, but not as steeply."
    )


def near_tie(crossing: float, predicted: float, routes: Mapping[str, Sequence[float]]) -> str:
    """Say from which gap on two eigenvalues are better taken as equal, by errors at all gaps."""
    divided, equal, differences = routes.values()
    sentence = "In this run, dividing by the gap is never the worse choice."
    if crossing:
        sentence = (
            "In this run, taking the two as equal is the better choice from a gap of "
            f"{crossing:.0e} downwards; √ε‖A‖ is {predicted:.0e}."
        )
    best = np.minimum(divided, equal).max()
    return (
        f"{sentence} The largest error on the way is {max(divided):.0e} for the division, "
        f"{best:.0e} for the better of the two at each gap, and {max(differences):.0e} for divided "
        "differences."
    )


def one_sided(
    there: float,
    back: float,
    quotients: list[float] | None,
    step: float,
    blur: float,
    differentiable: bool,
) -> str:
    """Say what the slopes along a direction and against it are, and whether they are opposite."""
    sentence = f"The slope along E is {there:.10g}, that along −E is {back:.10g}. "
    if quotients is not None:
        sentence += (
            f"Difference quotients in 50 digits give {quotients[0]:.10g} and {quotients[1]:.10g}; "
            f"their step of {step:.0e} blurs them by at most about {blur:.0e}. "
        )
    if differentiable:
        return sentence + "They are opposite, as a gradient requires."
    if abs(there + back) <= 1e-12 * (abs(there) + abs(back)):
        return sentence + (
            "They are opposite, and still there is no gradient: that of a sum of directions is not "
            "the sum of their slopes."
        )
    return sentence + f"They add up to {there + back:.3g}; with a gradient that would be 0."


def same_digits(printed: Printed, values: ArrayLike, title: str, dtype: str) -> str:
    """Say whether the numbers of a framework today, given a dtype, print as they did."""
    size, misses = printed.values.size, printed.misses(values)
    who = f"{title}, given {dtype},"
    if misses == 0:
        return f"{who} meets every printed digit of the {printed.quantity} ({size} numbers)."
    return (
        f"{who} differs from the printed {printed.quantity} in {misses} of {count(size, 'number')}."
    )


def derivative(difference: float, gap: float | None) -> str:
    """Say how far a derivative is from a difference quotient, and why; None: it has no gap."""
    if gap is None:
        return "They need not agree: there is no gradient here."
    sentence = f"They differ by {difference:.0e}" if difference else "They are equal"
    if difference <= 1e-4:
        return f"{sentence}."
    return (
        f"{sentence}: the nearest other eigenvalue is only {gap:.0e} times the largest modulus "
        "away, and rounding errors grow as that gap shrinks."
    )


def slopes(kink: float | None, difference: float) -> str:
    """Say whether the slopes of the nuclear norm, of this sum (None: 0 by theory), are opposite."""
    sentence = "The two slopes are opposite, as a gradient requires."
    if kink is not None:
        sentence = (
            f"The two slopes add up to {kink:.2g}, not to 0: with what counts as zero taken as "
            "zero, f has a kink here, and no gradient."
        )
    if difference <= 1e-3:
        return sentence
    return (
        f"{sentence} The finite differences follow the formula only roughly here: no step is both "
        "large against rounding errors and the singular values that count as zero, and small "
        "against the smallest one that does not."
    )


def null_part(deviations: Mapping[str, tuple[float, float]], size: tuple[int, int]) -> str:
    """Say whether the null-space parts W are orthonormal, by their deviation and its bound."""
    if 0 in size:
        return (
            "The matrix has full rank: W has no entries, the second term is absent, and "
            "U₁V₁ᴴ is the only answer."
        )
    orthogonal = [n for n, (deviation, bound) in deviations.items() if deviation <= bound]
    others = [n for n in deviations if n not in orthogonal]
    kind = f"W is {size[0]} × {size[1]}"
    if not orthogonal:
        text = f"{kind}; not all of its singular values are 1 for {{}}."
        return clause(others, text, deviations, "any gradient in the table")
    if not others:
        text = f"{kind}, and all of its singular values are 1, to the accuracy that rounding leaves"
        return clause(orthogonal, f"{text}, for {{}}.", deviations, "every gradient in the table")
    return (
        f"{kind}; all of its singular values are 1 for {listing(orthogonal)}, but not for "
        f"{listing(others)}."
    )


def determinants(values: Mapping[str, float]) -> str:
    """Say on which piece of the orthogonal group W lies, by its determinants (NaN: unknown)."""
    positive = [name for name, value in values.items() if value > 0]
    negative = [name for name, value in values.items() if value < 0]
    if positive and negative:
        return (
            f"Its determinant is positive for {listing(positive)} and negative for "
            f"{listing(negative)}: no continuous path of orthogonal W leads from one to the other."
        )
    if not positive and not negative:
        return ""
    text = f"Its determinant is {'positive' if positive else 'negative'} for {{}}."
    return clause(positive or negative, text, values, "every gradient in the table")


def change(label: str, then: Judgement, title: str, now: Judgement) -> str:
    """Say whether a framework changed its convention since a gradient was printed."""
    was = f"{label} is in the convention “{convention(then)}”"
    if convention(now) == convention(then):
        return f"{was}, and so is the gradient of {title}."
    return f"{was}; the gradient of {title} is in “{convention(now)}”."


def doubled(derivative: float, doubled: float, alike: bool, differentiable: bool) -> str:
    """Say what the form with all off-diagonal entries doubled gives for a derivative."""
    if not differentiable:
        return (
            f"The eigenvalue has no derivative here, so that neither number is one: vvᴴ gives "
            f"{derivative:.6f}, the doubled form {doubled:.6f}."
        )
    sentence = f"The formula vvᴴ gives {derivative:.6f}."
    if alike:
        return f"{sentence} So does the doubled form, because vvᴴ is diagonal here."
    return f"{sentence} The doubled form is off by {abs(doubled - derivative):.2g}."


def descent(same: Mapping[str, bool], distance: Mapping[str, float]) -> str:
    """Say which descents ended where the symmetric one did, and how far from the start."""
    together = [f"“{name}”" for name in same if same[name]]
    elsewhere = [name for name in same if not same[name]]
    if not elsewhere:
        text = "All descents end at the same matrix, to a millionth of the way."
        return text if same else ""
    farther = all(distance[name] > distance["symmetric"] for name in elsewhere)
    end = ", farther from the start." if farther else "."
    others = clause([f"“{name}”" for name in elsewhere], "{} [ends|end] elsewhere")
    return f"{listing(together)} end at the same matrix; {others}{end}"
