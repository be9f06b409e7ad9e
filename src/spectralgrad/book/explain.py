"""A verdict in words, tables, source code and files, for the command line and the pages."""

import base64
import html
import io
import itertools
import urllib.parse
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import ArrayLike

from spectralgrad.book import prose
from spectralgrad.frameworks import TITLES
from spectralgrad.theory import gauge
from spectralgrad.theory.arrays import Array
from spectralgrad.theory.subgradient import GeneralisedGradient
from spectralgrad.verdict import VERDICTS, Judgement, Verdict, reasons


def function(valid: GeneralisedGradient) -> str:
    """Say which function of the matrix is under study.

    Parameters
    ----------
    valid : spectralgrad.theory.subgradient.GeneralisedGradient

    Returns
    -------
    str
        One sentence.
    """
    k, w = len(valid.values), valid.weights
    eigen = valid.problem == "eigh"
    kind = "eigenvalue" if eigen else "singular value"
    first, last = ("smallest", "largest") if eigen else ("largest", "smallest")
    chosen = np.flatnonzero(w)
    if k == 1 and w[0] == 1:
        return f"f is the {kind} of the matrix."
    if len(chosen) == 1 and w[chosen[0]] == 1:
        place = {0: f"the {first}", k - 1: f"the {last}"}.get(int(chosen[0]))
        if place:
            return f"f is {place} of {k} {kind}s."
        return f"f is {kind} {chosen[0] + 1} of {k}, counted from the {first}."
    if np.all(w == 1):
        return f"f is the sum of the {k} {kind}s."
    weights = f"the weight{'' if k == 1 else 's'} {prose.some(w)}"
    if k == 1:
        return f"f is the {kind} of the matrix, with {weights}."
    return f"f is the sum of the {k} {kind}s, from the {first} on, with {weights}."


def trust(verdict: Verdict) -> str:
    """Say how many digits of an answer can be trusted, whoever computes it.

    Parameters
    ----------
    verdict : spectralgrad.verdict.Verdict

    Returns
    -------
    str
        One sentence.
    """
    held = int(np.finfo(verdict.matrix.dtype).precision)
    if verdict.digits == 0:
        return (
            f"In {verdict.matrix.dtype}, no digit of an answer can be trusted: rounding errors "
            f"alone may change it by {min(verdict.allowed, 1e9):.1g} times its norm."
        )
    return (
        f"In {verdict.matrix.dtype}, {verdict.digits} of {prose.count(held, 'digit')} of an answer "
        "can be trusted."
    )


def near(verdict: Verdict, option: str = "--rtol {}") -> str:
    """Say which values that f treats differently are nearly equal, and what would make them so.

    Parameters
    ----------
    verdict : spectralgrad.verdict.Verdict
    option : str, optional
        How a person sets rtol; the number takes the place of the braces.

    Returns
    -------
    str
        One sentence; empty where no such values are close.
    """
    close = verdict.near
    if close is None:
        return ""
    first, last = close.indices[0], close.indices[-1]
    who = gauge.names("λ" if verdict.valid.problem == "eigh" else "σ", first, last)
    sentence = (
        f"{who}, on which f depends, is only {close.distance:.1e}"
        if first == last
        else f"{who}, which f treats differently, are only {close.distance:.1e} apart"
    )
    sentence += f", {close.relative:.1e} times the largest"
    if verdict.digits:
        sentence += f": if your matrix is known no better than that, {_mend(verdict, option)}"
    return f"{sentence}."


def _mend(verdict: Verdict, option: str) -> str:
    close = verdict.near
    if close is None:
        return ""
    groups = [f"{verdict.valid.name(c)} as equal" for c in close.equal]
    if len(groups) > 3:
        groups = [*groups[:2], f"{len(groups) - 2} more groups as equal"]
    if close.zero.start < close.zero.stop:
        groups.append(f"{verdict.valid.name(close.zero)} as zero")
    return f"count {prose.listing(groups)}, with {option.format(close.rtol)}"


def outcomes(verdict: Verdict) -> str:
    """Say what each framework returned.

    Parameters
    ----------
    verdict : spectralgrad.verdict.Verdict

    Returns
    -------
    str
        One sentence for each kind of outcome.
    """
    judged = {TITLES[n]: a.judgement for n, a in verdict.answers.items() if a.judgement}
    sentences = [prose.verdicts(judged)] if judged else []
    for outcome, one, many in (
        ("unsupported", "{} refuses", "{} refuse"),
        ("failed", "{} fails", "{} fail"),
        ("not installed", "{} is not installed", "{} are not installed"),
    ):
        who = [TITLES[n] for n, a in verdict.answers.items() if a.outcome == outcome]
        if who:
            sentences.append(f"{(one if len(who) == 1 else many).format(prose.listing(who))}.")
    return " ".join(sentences)


def advice(verdict: Verdict, option: str = "--rtol {}") -> str:
    """Say what to do with the answers.

    Parameters
    ----------
    verdict : spectralgrad.verdict.Verdict
    option : str, optional
        How a person sets rtol; the number takes the place of the braces.

    Returns
    -------
    str
        One sentence.
    """
    bad = [TITLES[n] for n, a in verdict.answers.items() if a.verdict in ("wrong", "not finite")]
    theirs = f"{prose.listing(bad)} {'returns' if len(bad) == 1 else 'return'}" if bad else ""
    if not verdict.digits:
        ways = filter(None, (_mend(verdict, option), "change the function"))
        text = f"{', or '.join(ways)}: in {verdict.matrix.dtype}, no digit of its gradient can be "
        return f"{text[0].upper()}{text[1:]}trusted."
    if not verdict.valid.differentiable:
        use = "Use the valid answer of smallest norm, which does not depend on a library"
        return f"{use}, not what {theirs}." if bad else f"{use}."
    if bad:
        return f"Use the gradient from theory, not what {theirs}."
    steps = []
    triangles = _reading(verdict, lambda j: j.convention in ("lower", "upper"))
    conjugates = _reading(verdict, lambda j: j.conjugated)
    if triangles:
        steps.append(f"replace G by (G + Gᴴ)/2, if it is from {prose.listing(triangles, 'or')}")
    if conjugates:
        steps.append(f"conjugate G, if it is from {prose.listing(conjugates, 'or')}")
    if steps:
        text = f"{'; '.join(steps)}, before you compare or take a step."
        return text[0].upper() + text[1:]
    return (
        "Use any of the answers that agree."
        if _reading(verdict, bool)
        else "Use the gradient from theory."
    )


def _reading(verdict: Verdict, test: Callable[[Judgement], bool]) -> list[str]:
    """Frameworks with a right answer whose judgement passes a test."""
    return [
        TITLES[n]
        for n, a in verdict.answers.items()
        if a.judgement and a.verdict in ("agrees", "subgradient") and test(a.judgement)
    ]


def headline(verdict: Verdict) -> str:
    """Say in a sentence or two what the page concludes.

    Parameters
    ----------
    verdict : spectralgrad.verdict.Verdict

    Returns
    -------
    str
    """
    valid, answers = verdict.valid, verdict.answers
    if not verdict.digits:
        return (
            f"In {verdict.matrix.dtype}, no digit of the gradient at this matrix can be trusted: "
            f"rounding errors alone may change it by {min(verdict.allowed, 1e9):.1g} times its "
            "norm."
        )
    there, it = "There is one gradient at this matrix", "it"
    if not valid.differentiable:
        there, it = "There is no gradient at this matrix but a set of valid answers", "one of them"
    asked = [n for n, a in answers.items() if a.outcome != "not installed"]
    right = [n for n in asked if answers[n].verdict in ("agrees", "subgradient")]
    wrong = [n for n in asked if n not in right]
    if not asked:
        return f"{there}; there was no framework to ask."
    if not wrong:
        who = "every framework" if len(asked) > 2 else prose.listing(TITLES[n] for n in right)
        verb = "return" if len(asked) == 2 else "returns"
        sentences = [f"{there}, and {who} {verb} {it}."]
    elif not right:
        who = "no framework returns" if len(asked) > 1 else f"{TITLES[wrong[0]]} does not return"
        sentences = [f"{there}, and {who} {it}."]
    else:
        verbs = ["returns" if len(right) == 1 else "return", "does" if len(wrong) == 1 else "do"]
        whose = [prose.listing(TITLES[n] for n in names) for names in (right, wrong)]
        sentences = [f"{there}; {whose[0]} {verbs[0]} {it}, and {whose[1]} {verbs[1]} not."]
    forms = []
    triangles = _reading(verdict, lambda j: j.convention in ("lower", "upper"))
    if triangles:
        verb = "writes" if len(triangles) == 1 else "write"
        forms.append(f"{prose.listing(triangles)} {verb} a triangle")
    conjugates = _reading(verdict, lambda j: j.conjugated)
    if conjugates:
        forms.append(f"{prose.listing(conjugates)} conjugate{'s' if len(conjugates) == 1 else ''}")
    if forms:
        sentences.append(f"{'; '.join(forms)}.")
    return " ".join(sentences)


def labels(verdict: Verdict) -> dict[str, str]:
    """Name each framework with its version.

    Parameters
    ----------
    verdict : spectralgrad.verdict.Verdict

    Returns
    -------
    dict of str to str
    """
    return {n: f"{TITLES[n]} {a.version}".strip() for n, a in verdict.answers.items()}


def summary(verdict: Verdict) -> str:
    """Say what the page concludes, why, and what to do, as Markdown.

    Parameters
    ----------
    verdict : spectralgrad.verdict.Verdict

    Returns
    -------
    str
    """
    option = "`-p rtol {}`"
    sentences = [f"**{headline(verdict)}**", reasons.reason(verdict.valid)]
    # If no digit can be trusted, then the headline is about that.
    sentences += [trust(verdict)] if verdict.digits else []
    sentences += filter(None, [near(verdict, option)])
    return f"{' '.join(sentences)}\n\n**What to do.** {advice(verdict, option)}"


def answers(verdict: Verdict) -> str:
    """Lay out what each framework's answer is worth, as Markdown.

    Parameters
    ----------
    verdict : spectralgrad.verdict.Verdict

    Returns
    -------
    str
        A table, and what its words mean.
    """
    names, rows, notes = labels(verdict), [], {}
    for name, answer in verdict.answers.items():
        form = error = digits = "–"
        if answer.finite and (judged := answer.judgement):
            form = _form(judged)
            error = prose.relative(judged.relative_error)
            digits = f"{verdict.digits_of(answer)} of {verdict.digits}" if verdict.digits else "0"
        rows.append([names[name], answer.verdict, form, error, digits])
        notes[f"*{answer.verdict}*"] = VERDICTS[answer.verdict]
    what, norm = "gradient", "its norm"
    if not verdict.valid.differentiable:
        what, norm = "nearest valid answer", "the norm of the smallest one"
    notes["*error*"] = (
        f"distance from the {what}, once converted, over {norm}; up to {verdict.allowed:.0e} it "
        "may be rounding"
    )
    notes["*digits*"] = "how many an answer has, of those that any answer can have here"
    notes |= {
        f"{names[n]} says": prose.literal(a.message)
        for n, a in verdict.answers.items()
        if a.message
    }
    items = "\n".join(f"- {term}: {meaning}" for term, meaning in notes.items())
    head = ["", "verdict", "convention", "error", "digits"]
    return f"{prose.table(head, rows)}\n\n{items}"


def _form(judgement: Judgement) -> str:
    return prose.convention(judgement) + (", conjugated" if judgement.conjugated else "")


#: How to turn an answer G into the symmetric, unconjugated gradient, in each framework's own words:
#: of a triangle, of a conjugate, and of a triangle that is conjugated too.
CONVERSIONS = {
    "autograd": ("(G + G.conj().T) / 2", "G.conj()", "(G.conj() + G.T) / 2"),
    "torch": ("(G + G.mH) / 2", "G.conj()", "(G.conj() + G.mT) / 2"),
    "tensorflow": (
        "(G + tf.linalg.adjoint(G)) / 2",
        "tf.math.conj(G)",
        "(tf.math.conj(G) + tf.linalg.matrix_transpose(G)) / 2",
    ),
    "jax": ("(G + G.conj().T) / 2", "G.conj()", "(G.conj() + G.T) / 2"),
}


def conversion(name: str, judgement: Judgement) -> str:
    """Write the line that turns a framework's answer into the gradient of this book.

    Parameters
    ----------
    name : str
        Of the framework.
    judgement : spectralgrad.verdict.Judgement

    Returns
    -------
    str
        Source code; empty where nothing is to be done.
    """
    triangle, conjugate, both = CONVERSIONS[name]
    if judgement.convention in ("lower", "upper"):
        return both if judgement.conjugated else triangle
    return conjugate if judgement.conjugated else ""


def conversions(verdict: Verdict) -> str:
    """Lay out in which form each framework answers, and how to convert it, as Markdown.

    Parameters
    ----------
    verdict : spectralgrad.verdict.Verdict

    Returns
    -------
    str
    """
    rows, needed = [], False
    for name, answer in verdict.answers.items():
        judged = answer.judgement
        if judged and answer.verdict in ("agrees", "subgradient", "undecided"):
            line = conversion(name, judged)
            needed = needed or bool(line)
            rows.append([TITLES[name], _form(judged), f"`{line}`" if line else "as it is"])
    if not rows:
        return "There is no answer to convert."
    if not needed:
        who = prose.listing(row[0] for row in rows)
        verb = "return" if len(rows) > 1 else "returns"
        return f"Nothing is to be converted: {who} {verb} G in this form."
    return prose.table(["", "writes G", "to convert it"], rows)


def differences(raw: Mapping[str, Array], converted: Mapping[str, Array], verdict: Verdict) -> str:
    """Lay out how far answers lie apart, as returned and converted, as Markdown.

    Parameters
    ----------
    raw, converted : dict of str to (m, n) numpy.ndarray
        By label; the first is from theory, and distances are relative to its norm.
    verdict : spectralgrad.verdict.Verdict

    Returns
    -------
    str
    """
    names = list(raw)
    if len(names) == 1:
        return "No framework returned a gradient to compare with."
    scale = float(np.linalg.norm(raw[names[0]])) or 1.0
    apart = {}
    # The difference of two infinities is not finite either.
    with np.errstate(all="ignore"):
        for (i, a), (j, b) in itertools.combinations(enumerate(names), 2):
            # Above the diagonal as returned, below it converted.
            apart[i, j] = float(np.linalg.norm(raw[a] - raw[b])) / scale
            apart[j, i] = float(np.linalg.norm(converted[a] - converted[b])) / scale

    def cell(i: int, j: int) -> str:
        if i == j:
            return "·"
        return _size(apart[i, j]) if np.isfinite(apart[i, j]) else "not finite"

    places = range(len(names))
    rows = [[names[i], *(cell(i, j) for j in places)] for i in places]
    known = {place: x for place, x in apart.items() if np.isfinite(x)}
    before = max((x for (i, j), x in known.items() if i < j), default=np.nan)
    after = max((x for (i, j), x in known.items() if i > j), default=np.nan)
    sentence = "Not all of them are finite."
    if before == after == 0:
        sentence = "All of them are equal."
    elif np.isfinite(before):
        sentence = f"Answers lie up to {_size(before)} apart"
        if before != after:
            sentence += f" as returned, and up to {_size(after)} converted"
        # Each of the two may be off.
        if after <= 2 * verdict.allowed:
            sentence += ", which rounding errors can explain."
        elif all(a.verdict == "subgradient" for a in verdict.answers.values() if a.judgement):
            sentence += ". All of them are valid."
        else:
            sentence += ". Not all of them are valid."
    return f"{prose.table(['', *names], rows)}\n\n{sentence}"


def _size(number: float) -> str:
    """Two digits of a number, or one where it is tiny."""
    if number <= 1e-20:
        return "0"
    return f"{number:.2g}" if number > 1e-3 else f"{number:.0e}"


def places(answers: Mapping[str, Array], valid: GeneralisedGradient) -> str:
    """Lay out where answers lie in the set of valid ones, as Markdown.

    Parameters
    ----------
    answers : dict of str to (m, n) numpy.ndarray
        Converted, by label; the first is that of smallest norm.
    valid : spectralgrad.theory.subgradient.GeneralisedGradient

    Returns
    -------
    str
        A table, and what follows from it.
    """
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
            _size(member.excess) if np.isfinite(member.excess) else "–",
            "yes" if member.extreme else "no",
            f"{norms[name]:.5g}" if np.isfinite(norms[name]) else "–",
            f"{slopes[name]:.4g}" if np.isfinite(slopes[name]) else "–",
        ]
        for name, member in members.items()
    ]
    head = ["", "valid", "distance from the set", "extreme", "norm", "slope along −G/‖G‖"]
    largest = float(np.linalg.norm(valid.weights))
    sentences = [
        prose.extreme_points(members, norms, slopes, largest, valid),
        prose.promises(valid),
    ]
    return f"{prose.table(head, rows)}\n\n{' '.join(filter(None, sentences))}"


def valid_answers(valid: GeneralisedGradient) -> str:
    """Describe the set of valid answers at one matrix, as Markdown.

    Parameters
    ----------
    valid : spectralgrad.theory.subgradient.GeneralisedGradient

    Returns
    -------
    str
    """
    undecided = valid.undecided
    if not undecided:
        return "One answer is valid: the gradient."
    eigen = valid.problem == "eigh"
    where = "eigenvectors V of the matrix, VᴴGV" if eigen else "singular vectors, UᴴGV"
    blocks, dimension = [], 0
    for c in undecided:
        text, free = _block(valid, c)
        blocks.append(f"- {text}")
        dimension += free
    if len(blocks) > 4:
        blocks = [*blocks[:3], f"- and {len(blocks) - 3} more of this kind."]
    one = len(undecided) == 1
    text = (
        f"Written in the {where}, all valid answers have the same entries, except in "
        f"{'one block' if one else f'{len(undecided)} blocks'}:\n\n"
    )
    text += "\n".join(blocks)
    text += (
        f"\n\nThe set has {prose.count(dimension, 'dimension')}. In its element of smallest norm, "
        "a block of zeros is 0, and one of equal values the mean weight times the identity."
    )
    if not np.any(valid.minimum_norm):
        text += " All of it is 0 here" + (", and f has its minimum." if valid.convex else ".")
    return text


def _block(valid: GeneralisedGradient, cluster: slice) -> tuple[str, int]:
    """What the block of a cluster may be, and how many real numbers are free in it."""
    is_complex = np.iscomplexobj(valid.left)
    w = np.sort(valid.weights[cluster])[::-1]
    name, one = valid.name(cluster), len(w) == 1
    weights = f"with the weight{'' if one else 's'} {prose.some(valid.weights[cluster])}"
    if cluster.start >= valid.rank:
        w = np.sort(np.abs(w))[::-1]
        p, q = (len(x) - cluster.start for x in (valid.left, valid.right))
        kind = f"any {p} × {q} {'complex' if is_complex else 'real'} matrix"
        if p == q == 1:
            kind = f"any {'complex' if is_complex else 'real'} number"
            limit = f"of modulus at most {w[0]:.4g}"
        elif w[0] == w[-1]:
            limit = f"whose singular values are at most {w[0]:.4g}"
        elif not np.any(w[1:]):
            limit = f"whose singular values add up to at most {w[0]:.4g}"
        else:
            limit = (
                f"whose singular values are weakly majorised by {prose.some(w)}: for each j, the j "
                "largest add up to at most as much as the first j of these"
            )
        head = f"{name} {'is' if one else 'are'} zero, {weights}"
        return f"{head}: {kind} {limit}.", p * q * (2 if is_complex else 1)
    d, total = len(w), float(np.sum(w))
    kind = f"any {'Hermitian' if is_complex else 'symmetric'} {d} × {d} matrix"
    if len(set(w)) == 2:
        limit = f"of trace {total:.4g} with eigenvalues from {w[-1]:.4g} to {w[0]:.4g}"
    else:
        limit = (
            f"whose eigenvalues are majorised by {prose.some(w)}: for each j, the j largest add "
            "up to at most as much as the first j of these, and all of them to the same"
        )
    free = d * d - 1 if is_complex else d * (d + 1) // 2 - 1
    return f"{name} are equal, {weights}: {kind} {limit}.", free


def regime(verdict: Verdict) -> str:
    """Say which regimes the matrix is in, and why, as a Markdown list.

    Parameters
    ----------
    verdict : spectralgrad.verdict.Verdict

    Returns
    -------
    str
        One item for each of `verdict.regimes`.
    """
    valid = verdict.valid
    size = float(np.max(np.abs(valid.values), initial=0.0))
    near = gauge.default_tol(verdict.matrix.dtype)
    reasons = {
        "regular": _why_regular,
        "tie": _why_tie,
        "near-tie": _why_near_tie,
        "rank-deficient": _why_deficient,
        "nearly rank-deficient": _why_nearly_deficient,
        "extreme scale": _why_extreme,
    }
    return "\n".join(f"- **{r}**: {reasons[r](valid, size, near)}" for r in verdict.regimes)


def _distinct(valid: GeneralisedGradient) -> tuple[list[slice], list[float]]:
    """Clusters that are not zero (of eigenvalues all), with their means."""
    found = [c for c in valid.clusters if c.start < valid.rank]
    return found, [float(np.mean(valid.values[c])) for c in found]


def _gaps(valid: GeneralisedGradient) -> list[tuple[slice, slice, float]]:
    """Neighbouring clusters that are not zero, with their distance; the closest first."""
    pairs = itertools.pairwise(zip(*_distinct(valid), strict=True))
    return sorted(((c, d, abs(x - y)) for (c, x), (d, y) in pairs), key=lambda gap: gap[2])


def _kind(valid: GeneralisedGradient) -> str:
    return "eigenvalue" if valid.problem == "eigh" else "singular value"


def _within(valid: GeneralisedGradient, size: float) -> str:
    return f"to within {valid.rtol * size:.1e}" if valid.rtol * size else "exactly"


def _why_regular(valid: GeneralisedGradient, size: float, near: float) -> str:
    found, centres = _distinct(valid)
    if not size:
        return "the only value is zero."
    if len(found) == 1:
        return f"there is one {_kind(valid)} only."
    first, second, gap = _gaps(valid)[0]
    text = (
        f"the closest {_kind(valid)}s, {valid.name(first)} and {valid.name(second)}, are "
        f"{gap:.2g} apart, {gap / size:.2g} times the largest modulus"
    )
    if valid.problem == "svd":
        text += f"; the smallest is {centres[-1] / size:.2g} times the largest"
    return f"{text} (near begins at {near:.1e})."


def _why_tie(valid: GeneralisedGradient, size: float, near: float) -> str:
    tied = [c for c in _distinct(valid)[0] if c.stop - c.start > 1]
    first, *others = [valid.name(c) for c in tied]
    if len(others) > 2:
        others = [others[0], f"{len(others) - 1} more groups"]
    text = f"{first} are equal{''.join(f', so are {x}' for x in others)}, {_within(valid, size)}. "
    unequal = [c for c in tied if np.ptp(valid.weights[c])]
    if unequal:
        where = "them" if len(unequal) == len(tied) else "some of them"
        return f"{text}f gives {where} different weights, and has no gradient."
    return f"{text}f gives equal ones the same weight, and loses nothing here."


def _why_near_tie(valid: GeneralisedGradient, size: float, near: float) -> str:
    close = [gap for gap in _gaps(valid) if gap[2] < near * size]
    felt = [gap for gap in close if np.ptp(valid.weights[gap[0].start : gap[1].stop])]
    first, second, gap = (felt or close)[0]
    text = (
        f"{valid.name(first)} and {valid.name(second)} are not equal, but only {gap:.1e} apart, "
        f"{gap / size:.1e} times the largest. "
    )
    if not felt:
        return f"{text}f gives both the same weight, and loses nothing here."
    return f"{text}{_short_sighted(valid, 'the two as equal')}"


def _short_sighted(valid: GeneralisedGradient, mend: str) -> str:
    what = "The gradient of f turns" if valid.differentiable else "The valid answers turn"
    return (
        f"{what} within steps of that size, and predict{'s' * valid.differentiable} smaller steps "
        "only. If the entries of your matrix are no better known than that, count "
        f"{mend}, with a larger `rtol`."
    )


def _why_deficient(valid: GeneralisedGradient, size: float, near: float) -> str:
    zeros, k = len(valid.values) - valid.rank, len(valid.values)
    text = (
        f"{zeros} of {prose.count(k, 'singular value')} {'is' if zeros == 1 else 'are'} zero, "
        f"{_within(valid, size)}. "
    )
    if np.any(valid.weights[valid.rank :]):
        return f"{text}f depends on {'it' if zeros == 1 else 'them'}, and has no gradient."
    return f"{text}f does not depend on {'it' if zeros == 1 else 'them'}."


def _why_nearly_deficient(valid: GeneralisedGradient, size: float, near: float) -> str:
    small = [(c, x) for c, x in zip(*_distinct(valid), strict=True) if x < near * size]
    felt = [(c, x) for c, x in small if np.any(valid.weights[c])]
    cluster, value = (felt or small)[-1]
    one = cluster.stop - cluster.start == 1
    it = "it" if one else "them"
    text = (
        f"{valid.name(cluster)} {'is' if one else 'are'} not zero, but only {value:.1e}, "
        f"{value / size:.1e} times the largest. "
    )
    if not felt:
        return f"{text}f does not depend on {it}."
    return f"{text}{_short_sighted(valid, f'{it} as zero')}"


def _why_extreme(valid: GeneralisedGradient, size: float, near: float) -> str:
    return (
        f"the largest {_kind(valid)} is {size:.1e} in modulus. f does not mind; the rules of some "
        "frameworks for vectors do."
    )


def python_source(array: ArrayLike) -> str:
    """Write a matrix as Python source, with every digit.

    Parameters
    ----------
    array : (m, n) array_like

    Returns
    -------
    str
        Evaluates to an equal array, where ``np`` is NumPy.
    """
    # Adding 0 turns −0.0, which complex numbers in source code cannot express, into 0.0.
    rows = (np.asarray(array) + 0).tolist()
    lines = [f"    [{', '.join(map(repr, row))}]," for row in rows]
    return "\n".join(["np.array([", *lines, "])"])


#: Rows and columns of the largest matrix that a page writes out as source code.
LARGEST_SOURCE = 10


def to_copy(gradient: ArrayLike, verdict: Verdict) -> str:
    """Say what a gradient is, and write it as source code unless it is large, as Markdown.

    Parameters
    ----------
    gradient : (m, n) array_like
        From theory.
    verdict : spectralgrad.verdict.Verdict

    Returns
    -------
    str
    """
    valid = verdict.valid
    what = "the gradient" if valid.differentiable else "the valid answer of smallest norm"
    sentences = [f"This is {what}."]
    is_complex = np.iscomplexobj(gradient)
    if valid.problem == "eigh":
        kind = "Hermitian" if is_complex else "symmetric"
        sentences.append(f"It is {kind}, and holds for {kind} dA.")
    if is_complex:
        sentences.append("Programs of autograd and JAX need its conjugate, `G.conj()`.")
    if max(np.shape(gradient)) > LARGEST_SOURCE:
        return " ".join(sentences)
    trusted = f", of which {verdict.digits} can be trusted" if verdict.digits else ""
    sentences.append(f"With all digits{trusted}:")
    return f"{' '.join(sentences)}\n\n```python\nG = {python_source(gradient)}\n```"


#: Bytes that all downloads of one page may take.
LARGEST_DOWNLOADS = 3_500_000


def downloads(array: ArrayLike) -> str:
    """Write links from which a matrix can be saved, with every digit, as HTML.

    Parameters
    ----------
    array : (m, n) array_like

    Returns
    -------
    str
        A table of ``gradient.npy`` and, unless that makes the page too heavy, ``gradient.csv``;
        nothing is fetched from elsewhere.
    """
    array = np.asarray(array)
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    data = base64.b64encode(buffer.getvalue()).decode()
    npy = f"data:application/octet-stream;base64,{data}"
    text = "".join(f"{','.join(map(_cell, row))}\n" for row in array.tolist())
    csv = f"data:text/csv;charset=utf-8,{urllib.parse.quote(text, safe=',+')}"
    rows = [(_link("gradient.npy", npy), "to save, for <code>numpy.load</code>")]
    if len(npy) + len(csv) <= LARGEST_DOWNLOADS:
        rows.append((_link("gradient.csv", csv), "to save, for other programs"))
    else:
        line = 'np.savetxt("gradient.csv", np.load("gradient.npy"), delimiter=",")'
        size = f"would take {len(csv) / 1e6:.1f} MB of this page"
        rows.append(("gradient.csv", f"{size}: <code>{html.escape(line)}</code>"))
    body = "".join(f"<tr><th>{name}</th><td>{what}</td></tr>" for name, what in rows)
    # The theme gives any other HTML a light ground in dark mode too.
    return f'<table class="dataframe noprint"><tbody>{body}</tbody></table>'


def _link(name: str, data: str) -> str:
    return f'<a download="{name}" href="{data}">{name}</a>'


def _cell(number: complex) -> str:
    # A complex number is written in parentheses, which few programs read.
    return repr(number).strip("()")
