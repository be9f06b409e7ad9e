"""Sentences that depend on a matrix, made from results, so that no page says what does not hold."""

from __future__ import annotations

import string
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from spectralgrad.theory.arrays import Array
from spectralgrad.verdict import digits

if TYPE_CHECKING:
    from spectralgrad.book.costs import Standing
    from spectralgrad.matrices.published import Printed
    from spectralgrad.theory.exact import Comparison
    from spectralgrad.theory.subgradient import GeneralisedGradient, Membership
    from spectralgrad.verdict import Judgement

#: What the singular values of a single-precision matrix show if they are rounded doubles.
ROUNDED = (
    "Those that autograd returns are, bit for bit, the singular values found in double precision, "
    "rounded: the decompositions of `numpy.linalg` compute in double precision, whatever they are "
    "given."
)


def literal(text: str) -> str:
    """Markdown and HTML that show a text as it stands, whatever it holds.

    Parameters
    ----------
    text : str
        A file name, say: nothing in it is trusted.

    Returns
    -------
    str
    """
    # As a numeric reference a character is text to Markdown and to HTML alike.
    return "".join(f"&#{ord(c)};" if c in string.punctuation else c for c in text)


def listing(items: Iterable[str], word: str = "and") -> str:
    """Join words as in "a, b and c".

    Parameters
    ----------
    items : iterable of str
    word : str, optional
        Before the last.

    Returns
    -------
    str
    """
    *most, last = items
    return f"{', '.join(most)} {word} {last}" if most else last


def _who(names: Collection[str], everyone: Collection[str], all_of_them: str) -> str:
    """List names, unless they are all that the reader has just seen."""
    return all_of_them if len(names) == len(everyone) > 2 else listing(names)


def some(numbers: Sequence[float] | Array) -> str:
    """List the first six numbers.

    Parameters
    ----------
    numbers : (k,) array_like

    Returns
    -------
    str
    """
    shown = [f"{x:.4g}" for x in numbers[:6]]
    return f"{', '.join(shown)} and so on" if len(numbers) > 6 else listing(shown)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Lay out texts as a Markdown table whose first column is a heading.

    Parameters
    ----------
    head : list of str
    rows : list of list of str

    Returns
    -------
    str
    """
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def count(number: int, noun: str) -> str:
    """Put a number before a noun.

    Parameters
    ----------
    number : int
    noun : str
        In the singular.

    Returns
    -------
    str
    """
    return f"{number} {noun}{'' if number == 1 else 's'}"


class Statements(dict[str, bool]):
    """What a page says about the frameworks: each sentence with whether the page saw it hold.

    A cell calls it with a sentence and the outcome of an experiment, and shows what it returns. So
    a page that meets a framework which behaves otherwise does not go on saying the sentence, and a
    test that reads the page's facts can name it.

    Examples
    --------
    >>> statements = Statements()
    >>> statements("One and one is two.", 1 + 1 == 2)
    'One and one is two.'
    >>> statements
    {'One and one is two.': True}
    """

    def __call__(self, sentence: str, holds: bool) -> str:
        """Record a sentence and whether it holds.

        Parameters
        ----------
        sentence : str
            Markdown; whole sentences.
        holds : bool

        Returns
        -------
        str
            The sentence or, if it does not hold, a note that says so.
        """
        self[sentence] = bool(holds)
        if holds:
            return sentence
        return f"**With the versions of this page, the following no longer holds:** {sentence}"


def will_do(fine: Sequence[str], number: int) -> str:
    """Say for which frameworks their own gradient will do, and for which it takes a rule.

    Parameters
    ----------
    fine : sequence of str
        Frameworks whose own gradient has no more than a rounding error at every point tried.
    number : int
        How many frameworks were tried.

    Returns
    -------
    str
    """
    if len(fine) == number:
        return "Here each framework's own gradient will do."
    if not fine:
        return "Here no framework's own gradient will do at ties and near them: use the rule there."
    return f"Here the own gradient of {listing(fine)} will do at ties too; else use the rule there."


def comparisons(rows: Mapping[str, Comparison]) -> str:
    """Lay out derivatives that were computed in three ways, as a Markdown table.

    Parameters
    ----------
    rows : dict of str to spectralgrad.theory.exact.Comparison
        By what was differentiated.

    Returns
    -------
    str
    """
    head = [
        "",
        "⟨G, E⟩",
        "differences",
        "± estimate",
        "50 digits",
        "error / (‖G‖‖E‖)",
    ]
    lines = [head, ["---"] + ["---:"] * (len(head) - 1)]
    for name, c in rows.items():
        exact = ["–", "–"]
        if c.digits is not None and c.relative_error is not None:
            exact = [f"{c.digits:.9g}", relative(c.relative_error)]
        lines.append(
            [name, f"{c.formula:.9g}", f"{c.difference:.9g}", f"{c.difference_error:.0e}", *exact]
        )
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    if any(c.digits is None for c in rows.values()):
        table += "\n\nThe matrix is too large for 50 digits, which would take minutes."
    return table


def relative(size: float) -> str:
    """Write a relative error with one digit.

    Parameters
    ----------
    size : float

    Returns
    -------
    str
    """
    # Far below the precision, an error says nothing.
    return f"{size:.0e}" if size > 1e-20 else "0"


def error(size: float) -> str:
    """Say how large a relative error is.

    Parameters
    ----------
    size : float

    Returns
    -------
    str
    """
    return f"relative error {relative(size)}" if np.isfinite(size) else "not finite"


def moved_apart(before: ArrayLike, after: Sequence[float] | Array, kind: str) -> str:
    """Say that the values of a spectrum were moved apart, if they were.

    Parameters
    ----------
    before, after : (k,) array_like
    kind : str
        Of the values, as ``"eigenvalue"``.

    Returns
    -------
    str
        Two sentences, or none.
    """
    if np.array_equal(before, after):
        return ""
    zero = " or zero" if kind == "singular value" else ""
    return (
        f"Its {kind}s are not all well apart{' and well above zero' if zero else ''}: some are "
        f"equal{zero}, or nearly so. Because the formulas below need them apart, the page goes on "
        f"with the matrix that has the same {kind.replace('value', 'vector')}s, and the {kind}s "
        f"{listing(f'{x:.3g}' for x in after[:6])}{' and so on' if len(after) > 6 else ''}."
    )


def last_null_vector(m: int, n: int, k: int, is_complex: bool, answer: str) -> str:
    """Say why a loss on the last left singular vector, of a zero, was or was not refused.

    Parameters
    ----------
    m, n, k : int
        Shape of the matrix, and the smaller of the two.
    is_complex : bool
    answer : str
        What `singular.svd_vjp` had to say.

    Returns
    -------
    str
        One sentence.
    """
    if "GaugeError" not in answer:
        return (
            f"The matrix is {m} × {n}, with one zero: its left null vector is determined up to its "
            "sign, and the loss is differentiable but for that sign."
        )
    if m > n:
        return (
            f"The matrix is {m} × {n}, and its left null space has dimension {m - k + 1}: the last "
            "column of U is one vector of many."
        )
    return (
        f"The matrix is complex and {m} × {n}, with one zero: its left null vector is determined "
        "up to its phase, on which the loss depends."
    )


def gauge_changes(changes: Mapping[str, Mapping[str, float]], is_complex: bool, size: int) -> str:
    """Say which losses change if signs, phases or bases of eigenvectors do.

    Parameters
    ----------
    changes : dict of str to dict of str to float
        By loss, the relative changes for ``"signs"``, ``"phases"``, ``"rotations"`` and, with two
        eigenvalues made equal, ``"at a tie"``.
    is_complex : bool
        Whether the matrix is.
    size : int
        Of the matrix.

    Returns
    -------
    str
        One or two sentences.
    """

    def changing(*kinds: str) -> set[str]:
        return {loss for loss, row in changes.items() if any(row[k] > 1e-6 for k in kinds)}

    here = changing("signs", "phases", "rotations")
    verb = "is" if len(here) == 1 else "are"
    sentence = f"At this matrix, {len(here)} of {len(changes)} losses {verb} not defined."
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
    """Say what a step against the conjugate of the gradient ½‖A‖² does.

    Parameters
    ----------
    matrix : (n, n) array_like
        Hermitian.
    before, after : float
        Of the function.

    Returns
    -------
    str
        One sentence.
    """
    if not np.any(np.imag(matrix)):
        return "The matrix is real, so that conjugating changes nothing."
    if after > before:
        return "The step against the conjugate climbs: the imaginary part outweighs the real one."
    return (
        "The step against the conjugate descends too, because the real part outweighs the "
        "imaginary one, but not as steeply."
    )


def near_tie(crossing: float, predicted: float, routes: Mapping[str, Sequence[float]]) -> str:
    """Say from which gap on it is better to take two eigenvalues as equal.

    Parameters
    ----------
    crossing : float
        That gap; 0 if there is none.
    predicted : float
        The same by theory.
    routes : dict of str to list of float
        Relative errors of dividing, of taking as equal, and of divided differences, at the gaps.

    Returns
    -------
    str
        Two sentences.
    """
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
    """Say what the slopes along a direction and against it are, and whether they are opposite.

    Parameters
    ----------
    there, back : float
        By the formula.
    quotients : list of float or None
        The same by difference quotients; None if there are none.
    step, blur : float
        Of the quotients, and how far from the slopes that leaves them.
    differentiable : bool

    Returns
    -------
    str
        Two or three sentences.
    """
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


def extreme_points(
    members: Mapping[str, Membership],
    norms: Mapping[str, float],
    slopes: Mapping[str, float],
    largest: float,
    valid: GeneralisedGradient,
) -> str:
    """Say which answers are extreme points of the set, and which are no use for a descent.

    Parameters
    ----------
    members : dict of str to spectralgrad.theory.subgradient.Membership
        By the name of the answer; the first is that of smallest norm.
    norms, slopes : dict of str to float
        Norm of each answer, and slope of f against it.
    largest : float
        Norm of the weights.
    valid : spectralgrad.theory.subgradient.GeneralisedGradient

    Returns
    -------
    str
    """
    smallest, *others = members
    loss = valid.tolerance / (norms[smallest] or 1.0)
    if not digits(loss, float):
        return (
            "So near a tie or a zero, rounding errors alone may change an answer by "
            f"{loss:.1g} times its norm: no answer can be judged."
        )
    if valid.differentiable:
        outside = [n for n in others if not members[n].inside]
        if outside:
            verb = "returns" if len(outside) == 1 else "return"
            return f"There is one valid answer, the gradient; {listing(outside)} {verb} another."
        return "There is one valid answer, the gradient, and every framework returns it."
    extreme = [n for n in others if members[n].extreme]
    inner = [n for n in others if members[n].inside and not members[n].extreme]
    outside = [n for n in others if not members[n].inside]
    sentences = []
    if extreme:
        who = _who(extreme, others, "Every framework")
        verb = "returns" if len(extreme) == 1 or who == "Every framework" else "return"
        sentences.append(
            f"{who} {verb} an extreme point, of norm {largest:.5g}; the smallest norm in the set "
            f"is {norms[smallest]:.5g}."
        )
    for names, what in ((inner, "is valid, but not extreme"), (outside, "is not a valid answer")):
        if names:
            verb = "returns" if len(names) == 1 else "return"
            sentences.append(f"What {listing(names)} {verb} {what}.")
    stuck = [n for n in others if members[n].inside and slopes[n] >= -1e-9 * largest]
    if stuck:
        who = _who(stuck, others, "any of them")
        rises = all(slopes[n] > 1e-9 * largest for n in stuck)
        sentences.append(
            f"A small step against the answer of {who} makes f "
            f"{'larger' if rises else 'no smaller'}."
        )
    return " ".join(sentences)


def promises(valid: GeneralisedGradient) -> str:
    """Say how the slopes that valid answers promise compare with the true one.

    Parameters
    ----------
    valid : spectralgrad.theory.subgradient.GeneralisedGradient

    Returns
    -------
    str
        One sentence.
    """
    if valid.differentiable:
        return "Here f is differentiable: the only valid answer promises the true slope."
    if valid.convex:
        return "Here f is convex: no valid answer promises more than the true slope."
    return "Here f is not convex: a valid answer may promise more than the true slope, or less."


def printed_digits(printed: Printed, values: ArrayLike, title: str, dtype: str) -> str:
    """Say whether today's numbers print as they did.

    Parameters
    ----------
    printed : spectralgrad.matrices.published.Printed
    values : array_like
        The same quantity today.
    title : str
        Name and version of the framework that computed `values`.
    dtype : str
        In which it did.

    Returns
    -------
    str
        One sentence.
    """
    size, misses = printed.values.size, printed.misses(values)
    who = f"{title}, given {dtype},"
    if misses == 0:
        return f"{who} meets every printed digit of the {printed.quantity} ({size} numbers)."
    return (
        f"{who} differs from the printed {printed.quantity} in {misses} of {count(size, 'number')}."
    )


def derivative(difference: float, gap: float | None) -> str:
    """Say how far an eigenvalue's derivative is from a difference quotient, and why.

    Parameters
    ----------
    difference : float
        Between the two.
    gap : float or None
        Distance to the nearest other eigenvalue, relative to the largest modulus; None where the
        eigenvalue is not differentiable.

    Returns
    -------
    str
        One sentence.
    """
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
    """Say whether the two one-sided slopes of the nuclear norm are opposite.

    Parameters
    ----------
    kink : float or None
        Their sum; None where it is zero by theory.
    difference : float
        Largest distance of a slope from its difference quotient.

    Returns
    -------
    str
        One or two sentences.
    """
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
    """Say whether the null-space parts W have orthonormal rows or columns.

    Parameters
    ----------
    deviations : dict of str to (float, float)
        Label to how far the singular values of W are from 1, and how far rounding may take them.
    size : tuple of int
        Shape of W.

    Returns
    -------
    str
        One sentence.
    """
    if 0 in size:
        return (
            "The matrix has full rank: W has no entries, the second term is absent, and "
            "U₁V₁ᴴ is the only answer."
        )
    orthogonal = [n for n, (deviation, bound) in deviations.items() if deviation <= bound]
    others = [n for n in deviations if n not in orthogonal]
    kind = f"W is {size[0]} × {size[1]}"
    if not others:
        return (
            f"{kind}, and all of its singular values are 1, to the accuracy that rounding leaves, "
            f"for {_who(deviations, deviations, 'every gradient in the table')}."
        )
    if not orthogonal:
        who = _who(others, deviations, "any gradient in the table")
        return f"{kind}; not all of its singular values are 1 for {who}."
    return (
        f"{kind}; all of its singular values are 1 for {listing(orthogonal)}, but not for "
        f"{listing(others)}."
    )


def verdict(judgement: Judgement) -> str:
    """Name a verdict, or say that there is none.

    Parameters
    ----------
    judgement : spectralgrad.verdict.Judgement

    Returns
    -------
    str
    """
    return judgement.verdict if judgement.decided else "undecided"


#: Verdict -> sentence about one, sentence about several, and what all that are in question are.
_VERDICTS = {
    "agrees": ("{} returns the gradient", "{} return the gradient", "All of them"),
    "subgradient": ("{} returns a valid answer", "{} return valid answers", "All of them"),
    "wrong": (
        "{} returns something that is not a valid answer",
        "{} return something that is not a valid answer",
        "All of them",
    ),
    "not finite": (
        "{} returns numbers that are not finite",
        "{} return numbers that are not finite",
        "All of them",
    ),
    "undecided": ("There is no verdict on {}", "There is no verdict on {}", "any of them"),
}


def verdicts(judgements: Mapping[str, Judgement]) -> str:
    """Say which gradients are right.

    Parameters
    ----------
    judgements : dict of str to spectralgrad.verdict.Judgement
        By name of the framework, or any other label.

    Returns
    -------
    str
        One or more sentences.
    """
    sentences = []
    for word, (one, many, all_of_them) in _VERDICTS.items():
        found = {n: j for n, j in judgements.items() if verdict(j) == word}
        if not found:
            continue
        who = _who(found, judgements, all_of_them)
        sentence = (one if len(found) == 1 else many).format(who)
        allowed = max(j.allowed for j in found.values())
        if word == "undecided":
            sentence += (
                ": at this matrix rounding errors alone may change the answer by "
                f"{allowed:.1g} times its norm"
            )
        elif word in ("agrees", "subgradient") and allowed > 1e-2:
            sentence += (
                f", as far as that can be told: an error below {allowed:.1g} times the norm of the "
                "answer may be rounding"
            )
        sentences.append(f"{sentence}.")
    conjugated = [n for n, j in judgements.items() if j.conjugated]
    if conjugated:
        verb = "returns its" if len(conjugated) == 1 else "return theirs"
        sentences.append(f"{listing(conjugated)} {verb} conjugated.")
    return " ".join(sentences)


def convention(judgement: Judgement) -> str:
    """Name the convention of a gradient, with what is ambiguous said to be so.

    Parameters
    ----------
    judgement : spectralgrad.verdict.Judgement

    Returns
    -------
    str
    """
    if judgement.also:
        return f"{listing([judgement.convention, *judgement.also])} alike"
    return judgement.convention or "none of the three"


def change(label: str, then: Judgement, title: str, now: Judgement) -> str:
    """Say whether a framework changed its convention since a gradient was printed.

    Parameters
    ----------
    label, title : str
        Of the printed gradient, and of today's framework.
    then, now : spectralgrad.verdict.Judgement
        Of the printed gradient, and of today's at the same matrix.

    Returns
    -------
    str
        One sentence.
    """
    was = f"{label} is in the convention “{convention(then)}”"
    if convention(now) == convention(then):
        return f"{was}, and so is the gradient of {title}."
    return f"{was}; the gradient of {title} is in “{convention(now)}”."


def determinants(values: Mapping[str, float]) -> str:
    """Say on which of the two pieces of the orthogonal group W lies.

    Parameters
    ----------
    values : dict of str to float
        Label to det W; NaN where W has no determinant, or none whose sign means anything.

    Returns
    -------
    str
        One sentence; empty where nothing can be said.
    """
    positive = [name for name, value in values.items() if value > 0]
    negative = [name for name, value in values.items() if value < 0]
    if positive and negative:
        return (
            f"Its determinant is positive for {listing(positive)} and negative for "
            f"{listing(negative)}: no continuous path of orthogonal W leads from one to the other."
        )
    if positive or negative:
        sign = "positive" if positive else "negative"
        who = _who(positive or negative, values, "every gradient in the table")
        return f"Its determinant is {sign} for {who}."
    return ""


def doubled(derivative: float, doubled: float, alike: bool, differentiable: bool) -> str:
    """Say what the form with all off-diagonal entries doubled gives for a derivative.

    Parameters
    ----------
    derivative, doubled : float
        By the formula, and by the doubled form.
    alike : bool
        Whether the gradient is diagonal, so that doubling changes nothing.
    differentiable : bool
        Whether there is a derivative.

    Returns
    -------
    str
        One or two sentences.
    """
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
    """Say which descents ended at the matrix where the symmetric gradient leads.

    Parameters
    ----------
    same : dict of str to bool
        Name of the descent to whether it ended there; empty where none was made.
    distance : dict of str to float
        How far each ended from where it began.

    Returns
    -------
    str
        One or two sentences; empty where no descent was made.
    """
    if not same:
        return ""

    def quoted(names: Iterable[str]) -> str:
        return listing([f"“{name}”" for name in names])

    elsewhere = [name for name in same if not same[name]]
    if not elsewhere:
        return "All descents end at the same matrix, to a millionth of the way."
    together = quoted(name for name in same if same[name])
    farther = all(distance[name] > distance["symmetric"] for name in elsewhere)
    return (
        f"{together} end at the same matrix; {quoted(elsewhere)} "
        f"{'ends' if len(elsewhere) == 1 else 'end'} elsewhere"
        f"{', farther from the start.' if farther else '.'}"
    )


def standings(found: list[Standing], titles: Mapping[str, str]) -> str:
    """Say at which sizes the package is ahead of the fastest framework, and at which it is not.

    Parameters
    ----------
    found : list of spectralgrad.book.costs.Standing
    titles : dict of str to str
        Of the frameworks, by name.

    Returns
    -------
    str
        One sentence.
    """
    parts = []
    for word in ("ahead", "level", "behind"):
        there = [s for s in found if s.word == word]
        if not there:
            continue
        sizes = listing(str(s.n) for s in there)
        factors = [f"{max(s.ratio, 1 / s.ratio):.2g}" for s in there]
        lowest, highest = (f(factors, key=float) for f in (min, max))
        span = lowest if lowest == highest else f"{lowest} to {highest}"
        rivals = listing(dict.fromkeys(titles[s.rival] for s in there))
        detail = {
            "ahead": f" ({span} times as fast)",
            "behind": f" ({rivals}: {span} times as fast)",
        }
        how = {"ahead": "ahead of it", "level": "within the spread of it", "behind": "behind it"}
        parts.append(f"{how[word]} at n = {sizes}{detail.get(word, '')}")
    if not parts:
        return "There is such a ratio at no size."
    return f"Against the fastest framework, the package is {listing(parts)}."
