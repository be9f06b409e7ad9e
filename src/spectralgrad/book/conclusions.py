"""What was asked, and what the verdict comes to: who is right, how sure that is, what to do.

At the end, the answers of the frameworks in tables: their worth, their form, their distances.
"""

import inspect
import textwrap
from collections.abc import Mapping
from typing import Any

import numpy as np

from spectralgrad import frameworks
from spectralgrad.book import prose
from spectralgrad.frameworks import TITLES
from spectralgrad.theory import gauge
from spectralgrad.theory.arrays import Array
from spectralgrad.theory.subgradient import GeneralisedGradient
from spectralgrad.verdict import VERDICTS, Judgement, Verdict
from spectralgrad.verdict.extreme import Extreme
from spectralgrad.verdict.vectors import VectorLoss

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


# The loss on vectors: as it is written, and what it is.
_LOSSES = {
    "eigh": ("Re⟨B, V Λ² Vᴴ⟩", "⟨B, A²⟩"),
    "svd": ("Re⟨B, U Σ³ Vᴴ⟩", "Re⟨B, A Aᴴ A⟩"),
}


def function(valid: GeneralisedGradient) -> str:
    """Say which function of the matrix is under study."""
    if isinstance(valid, VectorLoss):
        loss, product = _LOSSES[valid.problem]
        return f"f is {loss}, through the vectors, with a fixed random B: {product}."
    if isinstance(valid, Extreme):
        count, first = min(len(valid.left), len(valid.right)), valid.weights[0] > 0
        end = "smallest" if first == (valid.problem == "eigh") else "largest"
        return f"f is the {end} of {count} {prose.kind_of_values(valid)}s."
    k, w, kind = len(valid.values), valid.weights, prose.kind_of_values(valid)
    first, last = ("smallest", "largest") if kind == "eigenvalue" else ("largest", "smallest")
    chosen = np.flatnonzero(w)
    weights = prose.agree(k, f"with the weight[|s] {prose.numbers(w)}")
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
        return f"{prose.listing([judgement.convention, *judgement.also])} alike"
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
        text = text.replace("{allowed}", f"{min(allowed, 1e9):.1g}")
        everyone = "any of them" if verdict == "undecided" else "All of them"
        sentences.append(prose.clause(found, f"{text}.", judgements, everyone))
    conjugated = [n for n, j in judgements.items() if j.conjugated]
    return prose.paragraph(
        *sentences, prose.clause(conjugated, "{} [returns its|return theirs] conjugated.")
    )


def outcomes(verdict: Verdict) -> str:
    """Say what each framework returned, or why it did not."""
    judged = {TITLES[n]: a.judgement for n, a in verdict.answers.items() if a.judgement}
    others = (
        prose.clause(_who_got(verdict, outcome), text) for outcome, text in _OF_OUTCOMES.items()
    )
    return prose.paragraph(who_is_right(judged), *others)


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
    if isinstance(verdict.valid, Extreme) and not verdict.valid.differentiable:
        # Nothing is known of the distance to a third value, and there is no gradient to be had.
        return ""
    if verdict.digits == 0:
        return (
            f"In {dtype}, no digit of {answer} can be trusted: rounding errors alone may change it "
            f"by {min(verdict.allowed, 1e9):.1g} times its norm."
        )
    held = prose.count(int(np.finfo(dtype).precision), "digit")
    return f"In {dtype}, {verdict.digits} of {held} of {answer} can be trusted."


def vectors(verdict: Verdict) -> str:
    """Say how many digits the nearest gap leaves to a loss on vectors, whatever f is."""
    if verdict.vector_digits is None:
        return ""
    left = prose.count(verdict.vector_digits, "digit") if verdict.vector_digits else "no digit"
    a = "another" if verdict.of == "vectors" else "a"
    return f"To {a} loss on vectors, the nearest gap leaves {left}."


def near(verdict: Verdict, option: str = "--rtol {}") -> str:
    """Say which values that f treats differently are nearly equal; the option is to set rtol."""
    close = verdict.near
    if close is None:
        return ""
    symbol = "λ" if verdict.valid.problem == "eigh" else "σ"
    who = gauge.names(symbol, close.indices[0], close.indices[-1])
    sentence = prose.agree(
        len(close.indices),
        f"{who}, [on which f depends, is|which f treats differently, are] only "
        f"{close.distance:.1e}[| apart], {close.relative:.1e} times the largest",
    )
    if verdict.of == "vectors":
        return sentence.replace(", which f treats differently,", "") + "."
    if verdict.digits:
        sentence += f": if your matrix is known no better than that, {_mend(verdict, option)}"
    return f"{sentence}."


def _mend(verdict: Verdict, option: str) -> str:
    """What to count as equal, or as zero, so that nothing is near; empty where nothing is."""
    close = verdict.near
    if close is None:
        return ""
    groups = [f"{verdict.valid.name(c)} as equal" for c in close.equal]
    groups = prose.shortened(groups, 3, "{} more groups as equal")
    if close.zero.start < close.zero.stop:
        groups.append(f"{verdict.valid.name(close.zero)} as zero")
    return f"count {prose.listing(groups)}, with {option.format(close.rtol)}"


def advice(verdict: Verdict, option: str = "--rtol {}") -> str:
    """Say what to do with the answers; the option is to set rtol."""
    bad = _who_got(verdict, "wrong", "not finite")
    instead = prose.clause(bad, ", not what {} [returns|return]")
    if verdict.of == "vectors" and (bad or not verdict.digits or not _who_got(verdict, *RIGHT)):
        text = (
            "write the loss as a function of the matrix, or through "
            f"invariant_{verdict.valid.problem} of spectralgrad.recipes, which does not divide by "
            "the gap"
        )
        text = prose.clause(bad, f"do not take what {{}} [returns|return]; {text}") or text
        return f"{text[0].upper()}{text[1:]}."
    if isinstance(verdict.valid, Extreme):
        way = "Use the gradient from theory, in two factors"
        if not verdict.valid.differentiable:
            way = "Do not differentiate this value, but what treats it and its equals alike"
        return f"{way}: spectralgrad.theory.large, eigsh of spectralgrad.recipes.torch and .jax."
    if not verdict.digits:
        ways = ", or ".join(filter(None, (_mend(verdict, option), "change the function")))
        text = f"{ways}: in {verdict.matrix.dtype}, no digit of its gradient can be trusted"
    elif not verdict.valid.differentiable:
        text = f"use the valid answer of smallest norm, which does not depend on a library{instead}"
    elif bad or not _who_got(verdict, *RIGHT):
        text = f"use the gradient from theory{instead}"
    else:
        mends = zip(("replace G by (G + Gᴴ)/2", "conjugate G"), _forms(verdict), strict=True)
        steps = [f"{mend}, if it is from {prose.listing(who, 'or')}" for mend, who in mends if who]
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
        they = prose.clause(right, "; {} [returns|return] ") + it
        they += prose.clause(wrong, ", and {} [does|do] not")
    elif right:
        they = prose.clause(right, ", and {} [returns|return] ", right, "every framework") + it
    elif wrong:
        they = "no framework returns" if len(wrong) > 1 else f"{wrong[0]} does not return"
        they = f", and {they} {it}"
    else:
        they = "; there was no framework to ask"
    said = zip(_forms(verdict), ("{} [writes|write] a triangle", "{} conjugate[s|]"), strict=True)
    forms = "; ".join(prose.clause(who, text) for who, text in said if who)
    return prose.paragraph(f"{there}{they}.", forms and f"{forms}.")


def summary(verdict: Verdict) -> str:
    """Say what the page concludes, why, and what to do, as Markdown."""
    option = "`-p rtol {}`"
    # If no digit can be trusted, then the headline is about that.
    trusted = trust(verdict) if verdict.digits else ""
    text = prose.paragraph(
        f"**{headline(verdict)}**", verdict.reason, trusted, near(verdict, option)
    )
    return f"{text}\n\n**What to do.** {advice(verdict, option)}"


def labels(verdict: Verdict) -> dict[str, str]:
    """Name each framework with its version."""
    return {n: f"{TITLES[n]} {a.version}".strip() for n, a in verdict.answers.items()}


def programs(verdict: Verdict) -> str:
    """Show, for each framework that was asked, the lines that were differentiated."""
    sources = []
    for name, answer in verdict.answers.items():
        if answer.outcome != "not installed":
            library = frameworks.get(name)
            parts = [inspect.getsource(f) for f in (library.reverse, library.values)]
            source = textwrap.dedent("\n".join(parts))
            sources.append(f"{labels(verdict)[name]}:\n\n```python\n{source}```")
    return "\n\n".join(sources) or "No framework is installed."


def worth(verdict: Verdict) -> str:
    """Lay out what each framework's answer is worth, and what the words of the table mean."""
    names, rows, notes = labels(verdict), [], {}
    for name, answer in verdict.answers.items():
        cells = ["–"] * 3
        if answer.finite and (judged := answer.judgement):
            digits = f"{verdict.digits_of(answer)} of {verdict.digits}" if verdict.digits else "0"
            cells = [form(judged), prose.relative(judged.relative_error), digits]
        rows.append([names[name], answer.verdict, *cells])
        notes[f"*{answer.verdict}*"] = VERDICTS[answer.verdict]
    what, norm = "gradient", "its norm"
    if not verdict.valid.differentiable:
        what, norm = "nearest valid answer", "the norm of the smallest one"
    notes["*error*"] = (
        f"distance from the {what}, once converted, over {norm}; up to {verdict.allowed:.0e} it "
        "may be rounding"
    )
    notes["*digits*"] = "how many an answer has, of those that any answer can have here"
    messages = {name: a.message for name, a in verdict.answers.items() if a.message}
    notes |= {f"{names[name]} says": prose.literal(text) for name, text in messages.items()}
    items = "\n".join(f"- {term}: {meaning}" for term, meaning in notes.items())
    return f"{prose.table(['', 'verdict', 'convention', 'error', 'digits'], rows)}\n\n{items}"


# Adjoint, conjugate and transpose of G, in each framework's own words.
_OF_G = {
    "autograd": ("G.conj().T", "G.conj()", "G.T"),
    "torch": ("G.mH", "G.conj()", "G.mT"),
    "tensorflow": ("tf.linalg.adjoint(G)", "tf.math.conj(G)", "tf.linalg.matrix_transpose(G)"),
    "jax": ("G.conj().T", "G.conj()", "G.T"),
}


def conversion(name: str, judgement: Any) -> str:
    """Source code that turns an answer, as it was judged, into this book's gradient, or nothing."""
    adjoint, conjugate, transpose = _OF_G[name]
    if judgement.convention in ("lower", "upper"):
        return (
            f"({conjugate} + {transpose}) / 2" if judgement.conjugated else f"(G + {adjoint}) / 2"
        )
    return conjugate if judgement.conjugated else ""


def conversions(verdict: Verdict) -> str:
    """Lay out in which form each framework answers, and how to convert it, as Markdown."""
    usable = {
        name: answer.judgement
        for name, answer in verdict.answers.items()
        if answer.judgement and answer.verdict in (*RIGHT, "undecided")
    }
    lines = {name: conversion(name, judged) for name, judged in usable.items()}
    if not usable:
        return "There is no answer to convert."
    if not any(lines.values()):
        return prose.clause(
            [TITLES[name] for name in usable],
            "Nothing is to be converted: {} [returns|return] G in this form.",
        )
    rows = [
        [TITLES[name], form(judged), f"`{lines[name]}`" if lines[name] else "as it is"]
        for name, judged in usable.items()
    ]
    return prose.table(["", "writes G", "to convert it"], rows)


def distances(raw: Mapping[str, Array], converted: Mapping[str, Array], verdict: Verdict) -> str:
    """Lay out how far answers lie apart, relative to the first: as returned, and converted."""
    names = list(raw)
    if len(names) == 1:
        return "No framework returned a gradient to compare with."
    scale = float(np.linalg.norm(raw[names[0]])) or 1.0

    def apart(answers: Mapping[str, Array]) -> Array:
        stack = np.stack([answers[name] for name in names])
        # The difference of two infinities is not finite either.
        with np.errstate(all="ignore"):
            far: Array = np.linalg.norm(stack[:, None] - stack, axis=(2, 3)) / scale
        return far

    returned, mended = apart(raw), apart(converted)
    cells = [list(map(prose.relative, row)) for row in np.triu(returned) + np.tril(mended)]
    for i, name in enumerate(names):
        cells[i][i] = "·"
        cells[i].insert(0, name)
    pairs = np.triu_indices(len(names), 1)
    before, after = (
        float(max(filter(np.isfinite, far[pairs]), default=np.nan)) for far in (returned, mended)
    )
    return f"{prose.table(['', *names], cells)}\n\n{_agreement(before, after, verdict)}"


def _agreement(before: float, after: float, verdict: Verdict) -> str:
    """What follows from the largest finite distances, as returned and converted."""
    if before == after == 0:
        return "All of them are equal."
    if not np.isfinite(before):
        return "Not all of them are finite."
    text = f"Answers lie up to {prose.relative(before)} apart"
    if before != after:
        text += f" as returned, and up to {prose.relative(after)} converted"
    # Each of the two may be off.
    if after <= 2 * verdict.allowed:
        return f"{text}, which rounding errors can explain."
    valid = all(a.verdict == "subgradient" for a in verdict.answers.values() if a.judgement)
    return f"{text}. {'All of them are valid' if valid else 'Not all of them are valid'}."
