"""What was asked, and what the verdict comes to: who is right, how sure that is, what to do."""

from collections.abc import Mapping

import numpy as np

from spectralgrad.book.prose import (
    agree,
    clause,
    count,
    kind_of_values,
    listing,
    numbers,
    paragraph,
    shortened,
)
from spectralgrad.frameworks import TITLES
from spectralgrad.theory import gauge
from spectralgrad.theory.subgradient import GeneralisedGradient
from spectralgrad.verdict import Judgement, Verdict

RIGHT = ("agrees", "subgradient")

# What is said of those who got a verdict, and how much that is worth.
_OF_VERDICTS = {
    "agrees": "{} [returns|return] the gradient",
    "subgradient": "{} [returns a valid answer|return valid answers]",
    "wrong": "{} [returns|return] something that is not a valid answer",
    "not finite": "{} [returns|return] numbers that are not finite",
    "undecided": "There is no verdict on {}: at this matrix rounding errors alone may change the "
    "answer by {allowed} times its norm",
}
_CAVEAT = (
    ", as far as that can be told: an error below {allowed} times the norm of the answer may be "
    "rounding"
)
# What is said of those who gave no gradient.
_OF_OUTCOMES = {
    "unsupported": "{} [refuses|refuse].",
    "failed": "{} [fails|fail].",
    "not installed": "{} [is|are] not installed.",
}


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


def verdict_of(judgement: Judgement) -> str:
    """Name a verdict, or say that there is none."""
    return judgement.verdict if judgement.decided else "undecided"


def convention(judgement: Judgement) -> str:
    """Name the convention of a gradient, with what is ambiguous said to be so."""
    if judgement.also:
        return f"{listing([judgement.convention, *judgement.also])} alike"
    return judgement.convention or "none of the three"


def form(judgement: Judgement) -> str:
    """Name the convention of a gradient, and say whether it is conjugated."""
    return convention(judgement) + (", conjugated" if judgement.conjugated else "")


def who_is_right(judgements: Mapping[str, Judgement]) -> str:
    """Say which gradients are right, by name of the framework or any other label."""
    sentences = []
    for verdict, text in _OF_VERDICTS.items():
        found = [n for n, j in judgements.items() if verdict_of(j) == verdict]
        allowed = max((judgements[n].allowed for n in found), default=0.0)
        if verdict in RIGHT and allowed > 1e-2:
            text += _CAVEAT
        text = text.replace("{allowed}", f"{allowed:.1g}")
        everyone = "any of them" if verdict == "undecided" else "All of them"
        sentences.append(clause(found, f"{text}.", judgements, everyone))
    conjugated = [n for n, j in judgements.items() if j.conjugated]
    return paragraph(*sentences, clause(conjugated, "{} [returns its|return theirs] conjugated."))


def outcomes(verdict: Verdict) -> str:
    """Say what each framework returned, or why it did not."""
    judged = {TITLES[n]: a.judgement for n, a in verdict.answers.items() if a.judgement}
    others = (clause(_who_got(verdict, outcome), text) for outcome, text in _OF_OUTCOMES.items())
    return paragraph(who_is_right(judged), *others)


def _who_got(verdict: Verdict, *verdicts: str) -> list[str]:
    return [TITLES[name] for name, a in verdict.answers.items() if a.verdict in verdicts]


def _forms(verdict: Verdict) -> tuple[list[str], list[str]]:
    """Frameworks whose right answer is a triangle, and those whose right answer is a conjugate."""
    right = {
        TITLES[name]: answer.judgement
        for name, answer in verdict.answers.items()
        if answer.judgement and answer.verdict in RIGHT
    }
    triangles = [who for who, judged in right.items() if judged.convention in ("lower", "upper")]
    return triangles, [who for who, judged in right.items() if judged.conjugated]


def trust(verdict: Verdict, answer: str = "an answer") -> str:
    """Say how many digits of an answer can be trusted, whoever computes it."""
    dtype = verdict.matrix.dtype
    if verdict.digits == 0:
        return (
            f"In {dtype}, no digit of {answer} can be trusted: rounding errors alone may change it "
            f"by {min(verdict.allowed, 1e9):.1g} times its norm."
        )
    held = count(int(np.finfo(dtype).precision), "digit")
    return f"In {dtype}, {verdict.digits} of {held} of {answer} can be trusted."


def near(verdict: Verdict, option: str = "--rtol {}") -> str:
    """Say which values that f treats differently are nearly equal; the option is to set rtol."""
    close = verdict.near
    if close is None:
        return ""
    symbol = "λ" if verdict.valid.problem == "eigh" else "σ"
    who = gauge.names(symbol, close.indices[0], close.indices[-1])
    sentence = agree(
        len(close.indices),
        f"{who}, [on which f depends, is|which f treats differently, are] only "
        f"{close.distance:.1e}[| apart], {close.relative:.1e} times the largest",
    )
    if verdict.digits:
        sentence += f": if your matrix is known no better than that, {_mend(verdict, option)}"
    return f"{sentence}."


def _mend(verdict: Verdict, option: str) -> str:
    """What to count as equal, or as zero, so that nothing is near; empty where nothing is."""
    close = verdict.near
    if close is None:
        return ""
    groups = [f"{verdict.valid.name(c)} as equal" for c in close.equal]
    groups = shortened(groups, 3, "{} more groups as equal")
    if close.zero.start < close.zero.stop:
        groups.append(f"{verdict.valid.name(close.zero)} as zero")
    return f"count {listing(groups)}, with {option.format(close.rtol)}"


def advice(verdict: Verdict, option: str = "--rtol {}") -> str:
    """Say what to do with the answers; the option is to set rtol."""
    bad = _who_got(verdict, "wrong", "not finite")
    instead = clause(bad, ", not what {} [returns|return]")
    if not verdict.digits:
        ways = ", or ".join(filter(None, (_mend(verdict, option), "change the function")))
        text = f"{ways}: in {verdict.matrix.dtype}, no digit of its gradient can be trusted"
    elif not verdict.valid.differentiable:
        text = f"use the valid answer of smallest norm, which does not depend on a library{instead}"
    elif bad or not _who_got(verdict, *RIGHT):
        text = f"use the gradient from theory{instead}"
    else:
        mends = zip(("replace G by (G + Gᴴ)/2", "conjugate G"), _forms(verdict), strict=True)
        steps = [f"{mend}, if it is from {listing(who, 'or')}" for mend, who in mends if who]
        text = f"{'; '.join(steps)}, before you compare or take a step"
        text = text if steps else "use any of the answers that agree"
    return f"{text[0].upper()}{text[1:]}."


def headline(verdict: Verdict) -> str:
    """Say in a sentence or two what the page concludes."""
    if not verdict.digits:
        return trust(verdict, "the gradient at this matrix")
    there, it = "There is one gradient at this matrix", "it"
    if not verdict.valid.differentiable:
        there, it = "There is no gradient at this matrix but a set of valid answers", "one of them"
    right = _who_got(verdict, *RIGHT)
    fine = (*right, *_who_got(verdict, "not installed"))
    wrong = [TITLES[name] for name in verdict.answers if TITLES[name] not in fine]
    if right and wrong:
        they = clause(right, "; {} [returns|return] ") + it
        they += clause(wrong, ", and {} [does|do] not")
    elif right:
        they = clause(right, ", and {} [returns|return] ", right, "every framework") + it
    elif wrong:
        they = "no framework returns" if len(wrong) > 1 else f"{wrong[0]} does not return"
        they = f", and {they} {it}"
    else:
        they = "; there was no framework to ask"
    said = zip(_forms(verdict), ("{} [writes|write] a triangle", "{} conjugate[s|]"), strict=True)
    forms = "; ".join(clause(who, text) for who, text in said if who)
    return paragraph(f"{there}{they}.", forms and f"{forms}.")


def summary(verdict: Verdict) -> str:
    """Say what the page concludes, why, and what to do, as Markdown."""
    option = "`-p rtol {}`"
    # If no digit can be trusted, then the headline is about that.
    trusted = trust(verdict) if verdict.digits else ""
    text = paragraph(f"**{headline(verdict)}**", verdict.reason, trusted, near(verdict, option))
    return f"{text}\n\n**What to do.** {advice(verdict, option)}"
