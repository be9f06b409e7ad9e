"""Sentences of single chapters that depend on a matrix, so that no page says what does not hold.

Each is the macro of its name in ``sentences.jinja``, which says what it is given.
"""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from jinja2 import StrictUndefined, Template

from spectralgrad.book import prose
from spectralgrad.book.conclusions import convention


def changing(changes: Mapping[str, Mapping[str, float]], *kinds: str) -> set[str]:
    """Losses that change if any of these does."""
    return {loss for loss, row in changes.items() if any(row[k] > 1e-6 for k in kinds)}


def quoted(names: Iterable[str]) -> list[str]:
    """Put each name in quotes."""
    return [f"“{name}”" for name in names]


_MACROS = Template(
    Path(__file__).with_suffix(".jinja").read_text(encoding="utf-8"), undefined=StrictUndefined
).make_module({**vars(prose), "changing": changing, "convention": convention, "quoted": quoted})


def __getattr__(name: str) -> Callable[..., str]:
    macro = getattr(_MACROS, name)
    return lambda *facts: " ".join(macro(*facts).split())
