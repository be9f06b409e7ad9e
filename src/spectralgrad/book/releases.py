"""What old releases of the frameworks answered to the puzzles, when `tools/history.py` asked them.

That is kept in `releases.json`, with the date; nothing here asks anybody.
"""

import itertools
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from spectralgrad.book.conclusions import RIGHT
from spectralgrad.book.prose import literal, table
from spectralgrad.frameworks import NAMES, TITLES
from spectralgrad.verdict import VERDICTS

PATH = Path(__file__).with_suffix(".json")
# An answer: its verdict, convention, whether it is conjugated, relative error, message.
_KINDS = (str, str, bool, float | None, str)
_ASKED = {"framework", "version", "date", "python", "numpy", "answers"}
_MISSING = {"framework", "version", "date", "python", "missing"}


def load(path: str | Path = "") -> dict[str, Any]:
    """Puzzles and releases of a file, or of the book; a ValueError says what is wrong with it."""
    path = Path(path or PATH)
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
        fault = next(_faults(known), "")
    except OSError as error:
        fault = str(error.strerror)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        fault = "is not what tools/history.py writes"
    if fault:
        raise ValueError(f"{path}: {fault}; give a file that tools/history.py has written")
    return dict(known)


def _faults(known: dict[str, Any]) -> Iterator[str]:
    if known.keys() != {"puzzles", "releases"}:
        yield "holds no puzzles and releases"
    order = [(NAMES.index(r["framework"]), number(r["version"])) for r in known["releases"]]
    if order != sorted(set(order)):
        yield "holds releases twice, or not from the oldest to the newest"
    for r in known["releases"]:
        name, answers = f"{r['framework']} {r['version']}", r.get("answers", {})
        texts = [v for v in r.values() if v is not answers]
        if r.keys() not in (_ASKED, _MISSING) or not all(isinstance(t, str) for t in texts):
            yield f"{name}: holds something else"
        if "answers" in r and [*answers] != [*known["puzzles"]]:
            yield f"{name}: answers other puzzles"
        for key, answer in answers.items():
            sound = len(answer) == len(_KINDS) and all(map(isinstance, answer, _KINDS))
            if not sound or answer[0] not in VERDICTS:
                yield f"{name}: {key}: {answer} is no answer"
    if not any(asked(known, name) for name in NAMES):
        yield "holds no answers"


def number(version: str) -> tuple[int, ...]:
    """A version, to be compared."""
    return tuple(map(int, version.split(".")))


_ORDER: dict[str, Callable[[str], Any]] = {"date": str, "python": number, "numpy": number}


def asked(known: dict[str, Any], framework: str) -> list[dict[str, Any]]:
    """The releases of a framework that answered, the oldest first."""
    return [r for r in known["releases"] if r["framework"] == framework and "answers" in r]


def when(known: dict[str, Any]) -> str:
    """Say when and with what the releases were asked, and which could not be."""
    found = [r for name in NAMES for r in asked(known, name)]
    ends = {key: sorted({r[key] for r in found}, key=by) for key, by in _ORDER.items()}
    dates, pythons, numpys = (" to ".join(dict.fromkeys((e[0], e[-1]))) for e in ends.values())
    lines = [
        f"Measured on {dates}, by `tools/history.py`, with Python {pythons} and NumPy {numpys}; "
        "when this page was made, nothing of it was computed again.",
        "",
    ]
    for r in known["releases"]:
        if "missing" in r:
            name = f"{TITLES[r['framework']]} {r['version']}"
            lines.append(f"- {name} could not be asked: {literal(r['missing'])}.")
    return "\n".join(lines)


def words(answer: list[Any]) -> str:
    """A verdict, and how a right gradient is written down."""
    verdict, convention, conjugated, _, message = answer
    right = verdict in RIGHT
    forms = [f"{convention} triangle"] * (right and convention in ("lower", "upper"))
    forms += ["conjugated"] * (right and conjugated) + [message] * (verdict == "wrong")
    return ", ".join([f"`{verdict}`", *filter(None, forms)])


#: Words, and the first and the last of the releases, one after the other, that have them.
Span = tuple[str, str, str]


def spans(known: dict[str, Any], framework: str, puzzle: str) -> tuple[Span, ...]:
    """What the releases of a framework answered to a puzzle, from the oldest to the newest."""
    given = [(words(r["answers"][puzzle]), r["version"]) for r in asked(known, framework)]
    runs = [[*run] for _, run in itertools.groupby(given, lambda pair: pair[0])]
    return tuple((run[0][0], run[0][1], run[-1][1]) for run in runs)


def course(found: Sequence[Span]) -> str:
    """Say when the words changed, as far as the releases that were asked tell."""
    (said, _, last), *between, (newest, since, _) = found
    parts = [f"{said} up to {last}"]
    for words, first, last in between:
        parts.append(f"{words} " + (f"in {first}" if first == last else f"from {first} to {last}"))
    return "; ".join([*parts, f"{newest} from {since} on"])


def changes(known: dict[str, Any], framework: str) -> str:
    """Say which answers of a framework changed, and between which of its releases."""
    tried, title = asked(known, framework), TITLES[framework]
    ends = [r["version"] for r in (tried[:1] + tried[-1:])]
    if len(tried) < 2:
        return f"**{title}**: {f'{ends[0]} alone' if ends else 'no release'} was asked."
    moved: dict[tuple[str, str], list[str]] = {}
    for key, (of, where) in known["puzzles"].items():
        if len(found := spans(known, framework, key)) > 1:
            verdict, _, _, error, _ = tried[-1]["answers"][key]
            said = course(found) + f", error {error:.0e}" * (verdict == "wrong")
            moved.setdefault((of, said), []).append(where)
    lines = [f"- **{of}** ({'; '.join(where)}): {said}." for (of, said), where in moved.items()]
    number = len(known["puzzles"])
    alike = (
        f"{number - sum(map(len, moved.values()))} of the {number}" if moved else f"all {number}"
    )
    head = (
        f"**{title}**: {len(tried)} releases from {' to '.join(ends)} answer {alike} puzzles alike."
    )
    return "\n".join([head, "", *lines]).strip()


def answers(known: dict[str, Any]) -> str:
    """Lay out what each framework answers, and since when it is that; alike answers in one row."""
    frameworks = [name for name in NAMES if asked(known, name)]
    rows: dict[tuple[str, ...], list[str]] = {}
    for key, (of, where) in known["puzzles"].items():
        cells = []
        for name in frameworks:
            (first, *_), *rest = spans(known, name, key)
            cells.append(" ".join([first, *(f"→ {since}: {said}" for said, since, _ in rest)]))
        rows.setdefault((of, *cells), []).append(where)
    lines = [[f"{of}: {'; '.join(where)}", *cells] for (of, *cells), where in rows.items()]
    return table(["", *(TITLES[name] for name in frameworks)], lines, align="---")
