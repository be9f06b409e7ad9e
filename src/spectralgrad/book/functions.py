"""Words of a verdict on a reader's own function, for a terminal and for a page."""

import inspect
import re
from collections.abc import Callable
from typing import Any

import numpy as np

from spectralgrad.book.conclusions import conversion
from spectralgrad.book.prose import agree, count, listing, literal, paragraph
from spectralgrad.frameworks import TITLES
from spectralgrad.theory.arrays import Array
from spectralgrad.verdict.functions import FunctionVerdict
from spectralgrad.verdict.slopes import Slope

#: Every verdict with what it means; the last three are about the framework, as in `verdict`.
MEANINGS = {
    "agrees": "{} returns the gradient",
    "wrong": "there is a gradient, and {} returns another array",
    "not finite": "there is a gradient, and {} does not return it",
    "no gradient here": "the function has no gradient at this matrix, whatever {} returns",
    "not a function of the matrix": "the matrix does not determine the value, whatever {} returns",
    "undecided": "the differences are too rough to judge what {} returns",
    "unsupported": "{} has no gradient of this function",
    "failed": "{} raises an exception where it is asked for the gradient",
    "not installed": "{} is not in this environment",
}


def title(verdict: FunctionVerdict) -> str:
    """The framework as its makers write it."""
    return TITLES.get(verdict.framework, "NumPy")


def judged(verdict: FunctionVerdict) -> str:
    """The verdict, with the digits that are confirmed."""
    agrees = verdict.verdict == "agrees"
    return verdict.verdict + f" to {count(verdict.digits, 'digit')}" * agrees


def headline(verdict: FunctionVerdict) -> str:
    """The verdict, and what it means."""
    return f"{judged(verdict)}: {MEANINGS[verdict.verdict].format(title(verdict))}."


def about(verdict: FunctionVerdict, given: str) -> str:
    """Which function was differentiated, where, and by whom."""
    m, n = verdict.matrix.shape
    where = f"{verdict.source}: {verdict.place}" if verdict.place else verdict.source
    by = f"{title(verdict)} {verdict.version}".strip()
    value = f", where it is {verdict.value:.6g}" if np.isfinite(verdict.value) else ""
    return f"{where}: {m} × {n}, {verdict.matrix.dtype}. f is {given}, in {by}{value}."


def gradients(verdict: FunctionVerdict) -> dict[str, Array]:
    """The framework's gradient as it is, and what it has to be, as far as that is known."""
    found = {title(verdict): verdict.gradient, "differences": verdict.expected}
    found["a second basis"] = getattr(verdict, "right", None)
    return {name: g for name, g in found.items() if g is not None}


def slope(verdict: FunctionVerdict) -> Slope:
    """The slope of which a page shows the quotients: where most is wrong, or the steepest one."""
    if verdict.worst_direction or verdict.slopes:
        steepest = sorted(verdict.slopes, key=lambda s: abs(np.nan_to_num(s.derivative)))
        return verdict.worst_direction or steepest[-1]
    along, nan, none = np.ones(verdict.matrix.shape), np.nan, np.empty((2, 0))
    return Slope(along, nan, nan, nan, nan, nan, none[0], none, nan, unbounded=False)


def rows(slope: Slope, verdict: FunctionVerdict) -> list[list[str]]:
    """Whose slope along a direction, the slope, and its error."""
    places = [f"({i + 1}, {j + 1})" for i, j in np.argwhere(slope.direction)]
    where = agree(len(places), f"the entr[y|ies] {listing(places[:2])}")
    found = {f"from the {side}": (getattr(slope, side), slope.sided) for side in ("left", "right")}
    if verdict.verdict != "no gradient here":
        found["from both sides"] = slope.derivative, slope.error
    if verdict.gradient is not None:
        found[f"by {title(verdict)}"] = verdict.predicted(slope), np.nan
    return [
        [f"along {where if len(places) < 3 else 'a random direction'}", "slope", "error"],
        *([k, f"{x:.10g}", f"{e:.0e}" if np.isfinite(e) else "–"] for k, (x, e) in found.items()),
    ]


def text(verdict: FunctionVerdict, given: str) -> str:
    """What a person wants to know, in a terminal."""
    lines = [about(verdict, given), f"{judged(verdict)}: {verdict.message.rstrip('.')}."]
    if verdict.slopes:
        table = rows(slope(verdict), verdict)
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        cells = [[c.ljust(w) for c, w in zip(row, widths, strict=True)] for row in table]
        lines += ["", *("  ".join(row).rstrip() for row in cells)]
    lines += ["", f"What to do: {verdict.advice}"] * bool(verdict.advice)
    lines += ["", "To reproduce it:", verdict.reproducer] * bool(verdict.reproducer)
    *_, (by, gradient) = ("", None), *gradients(verdict).items()
    if by != title(verdict) and gradient is not None and max(gradient.shape) <= 6:
        digits = np.array2string(gradient, precision=6, suppress_small=True)
        lines += ["", f"The gradient, by {by}:", digits]
    return "\n".join(lines)


def summary(verdict: FunctionVerdict) -> str:
    """What the page concludes and what to do, as Markdown."""
    word, _, rest = headline(verdict).partition(": ")
    message = verdict.message.rstrip(".")
    found = message if message[1:2] == " " else message[:1].upper() + message[1:]
    called = listing([f"`{name}`" for name in verdict.calls] or ["no decomposition"])
    line = conversion(verdict.framework, verdict) if verdict.verdict == "agrees" else ""
    form = f"`{line}` has the form of this book." if line else ""
    calls = f"The function calls {called}."
    parts = [paragraph(f"**{word.capitalize()}: {rest}**", literal(f"{found}."), form, calls)]
    parts += [f"**What to do.** {literal(verdict.advice)}"] * bool(verdict.advice)
    parts += [f"To reproduce it:\n\n{code(verdict.reproducer)}"] * bool(verdict.reproducer)
    return "\n\n".join(parts)


def code(source: str | Callable[..., Any]) -> str:
    """Source code, or that of a function, as Markdown that shows it as it stands."""
    try:
        text = source if isinstance(source, str) else inspect.getsource(inspect.unwrap(source))
    except (OSError, TypeError):
        return "The lines of this function cannot be found."
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", text)), default=0))
    return f"{fence}python\n{text.rstrip()}\n{fence}"
