"""Sentences that depend on a matrix, made from results, so that no page says what does not hold."""

import string


def literal(text):
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


def listing(items):
    """Join words as in "a, b and c".

    Parameters
    ----------
    items : iterable of str

    Returns
    -------
    str
    """
    *most, last = items
    return f"{', '.join(most)} and {last}" if most else last


def _who(names, everyone, all_of_them="all of them"):
    """List names, unless they are all that the reader has just seen."""
    return all_of_them if len(names) == len(everyone) > 2 else listing(names)


def _count(number, noun):
    return f"{number} {noun}{'' if number == 1 else 's'}"


def printed_digits(printed, values, title, dtype):
    """Say whether today's numbers print as they did.

    Parameters
    ----------
    printed : spectralgrad.published.Printed
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
    who = f"{title} in {dtype}"
    if misses == 0:
        return f"{who} meets every printed digit of the {printed.quantity} ({size} numbers)."
    return (
        f"{who} differs from the printed {printed.quantity} in {misses} of "
        f"{_count(size, 'number')}."
    )


def derivative(difference, gap):
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


def slopes(kink, difference):
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
            f"The two slopes add up to {kink:.4f}, not to 0: f has a kink here, and no gradient."
        )
    if difference <= 1e-3:
        return sentence
    return (
        f"{sentence} The finite differences follow the formula only roughly here: no step is both "
        "large against rounding errors and the singular values that count as zero, and small "
        "against the smallest one that does not."
    )


def null_part(deviations, size):
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
            f"for {_who(deviations, deviations)}."
        )
    if not orthogonal:
        who = _who(others, deviations, "any of them")
        return f"{kind}; not all of its singular values are 1 for {who}."
    return (
        f"{kind}; all of its singular values are 1 for {listing(orthogonal)}, but not for "
        f"{listing(others)}."
    )


def verdicts(judgements):
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
    texts = {
        "agrees": ("{} returns the gradient", "{} return the gradient"),
        "subgradient": (
            "{} returns one of the valid answers",
            "{} return valid answers",
        ),
        "wrong": (
            "{} returns something that is not a valid answer",
            "{} return something that is not a valid answer",
        ),
        "not finite": (
            "{} returns numbers that are not finite",
            "{} return numbers that are not finite",
        ),
    }
    sentences = []
    for verdict, (one, many) in texts.items():
        names = [n for n, j in judgements.items() if j.verdict == verdict]
        if names:
            who = _who(names, judgements, "All of them")
            sentences.append((one if len(names) == 1 else many).format(who) + ".")
    conjugated = [n for n, j in judgements.items() if j.conjugated]
    if conjugated:
        verb = "returns" if len(conjugated) == 1 else "return"
        sentences.append(f"{listing(conjugated)} {verb} it conjugated.")
    allowed = max(j.allowed for j in judgements.values())
    if allowed > 1e-2:
        sentences.append(
            "That is as far as rounding errors let one tell: at this matrix they may change the "
            f"answer by {allowed:.1g} times its norm."
        )
    return " ".join(sentences)


def convention(judgement):
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


def change(label, then, title, now):
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


def determinants(values):
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
        return f"Its determinant is {sign} for {_who(positive or negative, values)}."
    return ""


def descent(same, distance):
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
    elsewhere = [name for name in same if not same[name]]
    if not elsewhere:
        return "All descents end at the same matrix: the gradient is diagonal here."
    together = [name for name in same if same[name]]
    farther = all(distance[name] > distance["symmetric"] for name in elsewhere)

    def quoted(names):
        return listing([f"“{name}”" for name in names])

    return (
        f"The same matrix is reached by {quoted(together)}. Elsewhere "
        f"{'ends' if len(elsewhere) == 1 else 'end'} {quoted(elsewhere)}"
        f"{', farther from the start.' if farther else '.'}"
    )
