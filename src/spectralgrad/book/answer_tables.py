"""What the frameworks answered at one matrix, in tables: its worth, its form, and its distances."""

from collections.abc import Mapping

import numpy as np

from spectralgrad.book.conclusions import RIGHT, form
from spectralgrad.book.prose import clause, literal, relative, table
from spectralgrad.frameworks import TITLES
from spectralgrad.theory.arrays import Array
from spectralgrad.verdict import VERDICTS, Judgement, Verdict


def labels(verdict: Verdict) -> dict[str, str]:
    """Name each framework with its version."""
    return {n: f"{TITLES[n]} {a.version}".strip() for n, a in verdict.answers.items()}


def worth(verdict: Verdict) -> str:
    """Lay out what each framework's answer is worth, and what the words of the table mean."""
    names, rows, notes = labels(verdict), [], {}
    for name, answer in verdict.answers.items():
        cells = ["–"] * 3
        if answer.finite and (judged := answer.judgement):
            digits = f"{verdict.digits_of(answer)} of {verdict.digits}" if verdict.digits else "0"
            cells = [form(judged), relative(judged.relative_error), digits]
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
    notes |= {f"{names[name]} says": literal(text) for name, text in messages.items()}
    items = "\n".join(f"- {term}: {meaning}" for term, meaning in notes.items())
    return f"{table(['', 'verdict', 'convention', 'error', 'digits'], rows)}\n\n{items}"


# Adjoint, conjugate and transpose of G, in each framework's own words.
_OF_G = {
    "autograd": ("G.conj().T", "G.conj()", "G.T"),
    "torch": ("G.mH", "G.conj()", "G.mT"),
    "tensorflow": ("tf.linalg.adjoint(G)", "tf.math.conj(G)", "tf.linalg.matrix_transpose(G)"),
    "jax": ("G.conj().T", "G.conj()", "G.T"),
}


def conversion(name: str, judgement: Judgement) -> str:
    """Source code that turns a framework's answer into the gradient of this book; may be empty."""
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
        return clause(
            [TITLES[name] for name in usable],
            "Nothing is to be converted: {} [returns|return] G in this form.",
        )
    rows = [
        [TITLES[name], form(judged), f"`{lines[name]}`" if lines[name] else "as it is"]
        for name, judged in usable.items()
    ]
    return table(["", "writes G", "to convert it"], rows)


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
    cells = [list(map(relative, row)) for row in np.triu(returned) + np.tril(mended)]
    for i, name in enumerate(names):
        cells[i][i] = "·"
        cells[i].insert(0, name)
    pairs = np.triu_indices(len(names), 1)
    before, after = (
        float(max(filter(np.isfinite, far[pairs]), default=np.nan)) for far in (returned, mended)
    )
    return f"{table(['', *names], cells)}\n\n{_agreement(before, after, verdict)}"


def _agreement(before: float, after: float, verdict: Verdict) -> str:
    """What follows from the largest finite distances, as returned and converted."""
    if before == after == 0:
        return "All of them are equal."
    if not np.isfinite(before):
        return "Not all of them are finite."
    text = f"Answers lie up to {relative(before)} apart"
    if before != after:
        text += f" as returned, and up to {relative(after)} converted"
    # Each of the two may be off.
    if after <= 2 * verdict.allowed:
        return f"{text}, which rounding errors can explain."
    valid = all(a.verdict == "subgradient" for a in verdict.answers.values() if a.judgement)
    return f"{text}. {'All of them are valid' if valid else 'Not all of them are valid'}."
