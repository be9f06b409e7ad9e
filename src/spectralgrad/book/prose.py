"""Words that all pages share: lists, numbers, tables, and claims with their outcomes."""

import re
import string
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from spectralgrad.book import environment
from spectralgrad.frameworks import TITLES
from spectralgrad.theory.arrays import Array
from spectralgrad.theory.exact import Comparison
from spectralgrad.theory.subgradient import GeneralisedGradient


def literal(text: str) -> str:
    """Markdown and HTML that show a text as it stands, whatever it holds."""
    # As a numeric reference a character is text to Markdown and to HTML alike.
    return "".join(f"&#{ord(c)};" if c in string.punctuation else c for c in text)


def listing(items: Iterable[str], word: str = "and") -> str:
    """Join words as in "a, b and c"."""
    *most, last = items
    return f"{', '.join(most)} {word} {last}" if most else last


def shortened(items: Sequence[str], most: int, rest: str) -> list[str]:
    """At most so many items: the last is the rest, with the number of the others for {}."""
    if len(items) <= most:
        return list(items)
    return [*items[: most - 1], rest.format(len(items) - most + 1)]


def numbers(values: Sequence[float] | Array, form: str = ".4g") -> str:
    """List the first six numbers."""
    shown = [f"{x:{form}}" for x in values[:6]]
    return f"{', '.join(shown)} and so on" if len(values) > 6 else listing(shown)


def count(number: int, noun: str) -> str:
    """Put a number before a noun."""
    return agree(number, f"{number} {noun}[|s]")


def agree(number: int, text: str) -> str:
    """Choose a form in every place like [one|many], as in "it [is|they are] zero"."""
    return re.sub(r"\[([^|\]]*)\|([^\]]*)\]", r"\1" if number == 1 else r"\2", text)


def clause(
    names: Collection[str], text: str, among: Collection[str] = (), everyone: str = ""
) -> str:
    """Fill in names for {}, or everyone for all of more than two; of nobody nothing is said."""
    if len(names) == len(among) > 2:
        return agree(1 if everyone.lower().startswith("every ") else 2, text).replace(
            "{}", everyone
        )
    return agree(len(names), text).replace("{}", listing(names)) if names else ""


def paragraph(*sentences: str) -> str:
    """Join sentences, of which some may be empty."""
    return " ".join(filter(None, sentences))


def kind_of_values(valid: GeneralisedGradient) -> str:
    """What f is a sum of, in the singular."""
    return "eigenvalue" if valid.problem == "eigh" else "singular value"


def tied(valid: GeneralisedGradient, cluster: slice) -> str:
    """Say that the values of a cluster are equal, or zero."""
    what = "zero" if cluster.start >= valid.rank else "equal"
    return agree(cluster.stop - cluster.start, f"{valid.name(cluster)} [is|are] {what}")


def table(head: Sequence[str], rows: Iterable[Sequence[str]], align: str = "---:") -> str:
    """Lay out texts as a Markdown table whose first column is a heading."""
    lines = [head, ["---"] + [align] * (len(head) - 1), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def relative(size: float) -> str:
    """Write an error or a distance: two digits, or one where it is tiny."""
    if not np.isfinite(size):
        return "not finite"
    # Far below the precision, an error says nothing.
    return f"{size:.2g}" if size > 1e-3 else f"{size:.0e}" if size > 1e-20 else "0"


def error(size: float) -> str:
    """Say how large a relative error is."""
    return f"relative error {relative(size)}" if np.isfinite(size) else relative(size)


def comparisons(rows: Mapping[str, Comparison]) -> str:
    """Lay out derivatives that were computed in three ways, by what was differentiated."""
    head = ["", "⟨G, E⟩", "differences", "± estimate", "50 digits", "error / (‖G‖‖E‖)"]
    lines = []
    for name, c in rows.items():
        exact = ["–", "–"]
        if c.digits is not None and c.relative_error is not None:
            exact = [f"{c.digits:.9g}", relative(c.relative_error)]
        differences = [f"{c.formula:.9g}", f"{c.difference:.9g}", f"{c.difference_error:.0e}"]
        lines.append([name, *differences, *exact])
    text = table(head, lines)
    if any(c.digits is None for c in rows.values()):
        text += "\n\nThe matrix is too large for 50 digits, which would take minutes."
    return text


class Outcome(str):
    """One line below an experiment; a notebook shows it as text, not as a string."""

    __repr__ = str.__str__

    def _repr_html_(self) -> str:
        return f'<p class="sg-outcome">{self}</p>'


class Claims(dict[str, bool]):
    """What a page claims, by label, with whether the page saw it hold; its facts keep both.

    The sentence stands in a Markdown cell before the experiment, and ``<!-- claim: label -->``
    behind it gives it the label.
    """

    def __call__(self, *by: str, **tried: bool) -> Outcome:
        """Record whether claims hold, by label, and say with which of the frameworks, by name."""
        self.update((label, bool(holds)) for label, holds in tried.items())
        titles = [TITLES.get(name, name) for name in by]
        versions = [f"{title} {environment.version(*environment.NAMED[title])}" for title in titles]
        used = f" with {listing(versions)}" if by else ""
        if false := [label.replace("_", " ") for label in tried if not self[label]]:
            return Outcome(f"<strong>✗ No longer so{used}:</strong> {listing(false)}.")
        return Outcome(agree(len(tried), f"✓ [Holds|All {len(tried)} hold]{used}."))


def claimed(cells: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Label -> sentence of each claim that the Markdown cells of a notebook make."""
    texts = ["".join(c["source"]) for c in cells if c["cell_type"] == "markdown"]
    found: list[tuple[str, str]] = []
    for part in re.split(r"\n\s*\n|\n(?=\s*(?:[-*|]|\d+\.) )", "\n\n".join(texts)):
        *marked, _ = re.split(r"<!-- claim: (\w+) -->", part)
        found += zip(marked[1::2], (" ".join(t.split()) for t in marked[::2]), strict=False)
    if len(labels := dict(found)) < len(found):
        raise ValueError(f"a claim is made twice: {sorted(label for label, _ in found)}")
    return labels
