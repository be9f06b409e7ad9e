"""What the contest found, when `make contest` last held it; nothing here computes it again.

Entrants differentiate the same functions at the same matrices; `contest.json` keeps how far each
was from a derivative of 130 digits, with the date, the versions and a digest of each source.
"""

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from spectralgrad.book.prose import count, listing, literal, relative, table
from spectralgrad.frameworks import NAMES, TITLES

PATH = Path(__file__).with_suffix(".json")
PACKAGE = "spectralgrad"
_KEYS = {"date", "command", "python", "versions", "entrants", "points", "conditions", "findings"}
#: From this relative error on, a gradient is wrong.
WRONG = 1e-2
#: What a result is worth, from the worst on: a word, what a cell of the summary shows, a heading.
STANDINGS = {
    "wrong": ("✗", "Finite and wrong"),
    "not finite": ("NaN", "Not finite"),
    "raises": ("raises", "Raises"),
    "another value": ("≈", "Another function's value, and gradient"),
    "inexact": ("~", "Fewer than half of the digits"),
    "right": ("✓", "Right wherever tried"),
    "": ("", ""),
}


@dataclass(frozen=True)
class Result:
    """What an entrant got at a point; the error is inf if it is not finite, nan if it raises."""

    error: float
    standing: str

    def __str__(self) -> str:
        return "raises" if math.isnan(self.error) else relative(self.error)


def load(path: str | Path = "") -> dict[str, Any]:
    """Results of a file, or of the book; a ValueError says what is wrong with it."""
    path = Path(path or PATH)
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
        known["records"] = list(_records(known))
        fault = next(_faults(known), "")
    except OSError as error:
        fault = str(error.strerror)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        fault = "is not what make contest writes"
    if fault:
        raise ValueError(f"{path}: {fault}; give a file that make contest has written")
    return dict(known)


def _records(known: dict[str, Any]) -> Iterator[list[Any]]:
    """Operation, point, name, order, error or None, note: a list for each entry of the results."""
    for operation, rows in known["results"].items():
        points = known["points"][operation]
        for name, orders in rows.items():
            for order, row in enumerate(orders, 1):
                entries = [row] * len(points) if isinstance(row, str) else row
                for point, entry in zip(points, entries, strict=True):
                    if isinstance(entry, list):
                        yield [operation, point, name, order, *entry]
                    elif isinstance(entry, str):
                        yield [operation, point, name, order, None, entry]
                    else:
                        yield [operation, point, name, order, entry, ""]


def _faults(known: dict[str, Any]) -> Iterator[str]:
    if not known.keys() >= _KEYS:
        yield f"holds no {listing(sorted(_KEYS - known.keys()))}"
    names = {(e["operation"], e["name"]) for e in known["entrants"]}
    for operation, point, name, _, error, note in known["records"]:
        where = f"{operation}, {point}, {name}"
        if (operation, name) not in names or point not in known["points"][operation]:
            yield f"{where}: a record of no entrant, or at no point"
        if not (isinstance(error, float | int) or note):
            yield f"{where}: {error} is no result"
    if not known["records"]:
        yield "holds no results"


def operations(known: dict[str, Any]) -> list[str]:
    """The functions that were differentiated, in their order."""
    return [*known["points"]]


def names(known: dict[str, Any], operation: str = "") -> list[str]:
    """Who differentiated a function, or any: the package, frameworks, other packages, rules."""
    entered = [e for e in known["entrants"] if operation in ("", e["operation"])]
    return [*dict.fromkeys(e["name"] for e in sorted(entered, key=_kind))]


def _kind(entrant: dict[str, Any]) -> int:
    titles = [PACKAGE, *TITLES.values()]
    title = entrant["name"].partition(" (")[0].partition(",")[0]
    if title in titles:
        return titles.index(title)
    # The rules of papers run in a framework, and belong to no other package.
    return len(titles) + (entrant["library"] in NAMES)


def tried(known: dict[str, Any]) -> list[list[Any]]:
    """The records of what was tried: the others say why not."""
    return [record for record in known["records"] if not record[-1].startswith("not ")]


def allowed(known: dict[str, Any], operation: str, point: str) -> float:
    """Up to this error a gradient is right: half of the digits, or what rounding of A costs."""
    eps = float(np.finfo(np.float32 if "single" in point else np.float64).eps)
    return max(math.sqrt(eps), 100 * eps * known["conditions"][operation][point])


def results(known: dict[str, Any], operation: str, order: int = 1) -> dict[str, dict[str, Result]]:
    """Name -> point -> result, of the entrants that offer derivatives of an order.

    What is not applicable, or was not installed, is left out.
    """
    found: dict[str, dict[str, Result]] = {name: {} for name in names(known, operation)}
    for of, point, name, degree, error, note in known["records"]:
        if (of, degree) != (operation, order) or note.startswith("no"):
            continue
        most = allowed(known, operation, point)
        if error is None:
            missing = (math.inf, "not finite") if note == "nan" else (math.nan, "raises")
            found[name][point] = Result(*missing)
        elif note:
            found[name][point] = Result(error, "another value")
        else:
            kind = "right" if error <= most else "wrong" if error > max(WRONG, most) else "inexact"
            found[name][point] = Result(error, kind)
    return {name: row for name, row in found.items() if row}


def when(known: dict[str, Any]) -> str:
    """Say when and with what the contest was held."""
    versions = listing(f"{literal(name)} {v}" for name, v in sorted(known["versions"].items()))
    made = len(tried(known))
    return (
        f"Held on {known['date']} by `{known['command']}`, with Python {known['python']}: "
        f"{count(made, 'result')} with {versions}. "
        "When this page was made, nothing of it was computed again."
    )


def errors(known: dict[str, Any], operation: str = "") -> dict[str, dict[str, float]]:
    """Name -> point -> error; without an operation, name -> operation -> the largest error.

    The largest is of matrices in double precision, and of finite ones if one of these is wrong.
    """
    if operation:
        found = results(known, operation).items()
        return {name: {p: r.error for p, r in row.items()} for name, row in found}
    largest: dict[str, dict[str, float]] = {name: {} for name in names(known)}
    for of in operations(known):
        for name, row in results(known, of).items():
            double = {p: r for p, r in row.items() if "single" not in p}
            finite = [r.error for r in double.values() if math.isfinite(r.error)]
            hidden = worst(double)[0] in ("not finite", "raises") or not finite
            largest[name][of] = math.inf if hidden else max(finite)
    return largest


def grid(known: dict[str, Any], operation: str, order: int = 1) -> str:
    """Lay out what each entrant got at each point."""
    found = results(known, operation, order)
    points = [p for p in known["points"][operation] if any(p in row for row in found.values())]
    rows = ([literal(n), *(str(row.get(p, "–")) for p in points)] for n, row in found.items())
    return table(["", *points], rows)


def worst(row: Mapping[str, Result]) -> tuple[str, list[str]]:
    """The worst standing of an entrant in an operation, and the points at which it has it."""
    kinds = {result.standing for result in row.values()}
    worst = next((kind for kind in STANDINGS if kind in kinds), "")
    return worst, [point for point, result in row.items() if result.standing == worst]


def summary(known: dict[str, Any]) -> str:
    """Lay out the worst standing of each entrant in each operation."""
    found = {operation: results(known, operation) for operation in operations(known)}
    rows = (
        [literal(name), *(STANDINGS[worst(rows.get(name, {}))[0]][0] for rows in found.values())]
        for name in names(known)
    )
    return table(["", *(f"`{operation}`" for operation in found)], rows, align=":---:")


def said(known: dict[str, Any], operation: str) -> str:
    """Say who is right wherever it was tried, and at how many matrices the others are not."""
    lines: dict[str, list[str]] = {kind: [] for kind in reversed(STANDINGS)}
    for name, row in results(known, operation).items():
        kind, points = worst(row)
        where = f"at {len(points)} of {len(row)}"
        if kind in ("wrong", "inexact", "another value"):
            where += f", up to {relative(max(row[point].error for point in points))}"
        lines[kind].append(literal(name) + (f" ({where})" if kind != "right" else ""))
    said = (f"- **{STANDINGS[kind][1]}:** {listing(who)}." for kind, who in lines.items() if who)
    return "\n".join(said)


def behind(known: dict[str, Any]) -> list[tuple[str, str, str, Result, str, Result]]:
    """Where another entrant is ten times as exact as one of the package, beyond 1000 eps.

    Operation, point, the package's entrant and its result, the best of the others and its.
    """
    found = []
    for operation in operations(known):
        rows = results(known, operation)
        for point in known["points"][operation]:
            at = {n: row[point] for n, row in rows.items() if point in row}
            finite = {
                n: r for n, r in at.items() if r.error < math.inf and not n.startswith(PACKAGE)
            }
            if finite:
                best = min(finite, key=lambda n: finite[n].error)
                eps = float(np.finfo(np.float32 if "single" in point else np.float64).eps)
                most = max(10 * finite[best].error, 1e3 * eps)
                ours = (n for n, r in at.items() if n.startswith(PACKAGE) and not r.error <= most)
                found += [(operation, point, n, at[n], best, finite[best]) for n in ours]
    return found


def tally(row: Iterable[Result]) -> str:
    """Of results: right / tried, and the largest finite error."""
    found = [*row]
    right = sum(result.standing == "right" for result in found)
    finite = [result.error for result in found if math.isfinite(result.error)]
    return f"{right} / {len(found)}" + (f", {relative(max(finite))}" if finite else "")


def meant(known: dict[str, Any]) -> str:
    """What entrants are meant for, where they say so, and where that stands."""
    by: dict[tuple[str, str, str], list[str]] = {}
    for e in known["entrants"]:
        if e["meant"]:
            by.setdefault((e["name"], e["meant"], e["source"]), []).append(e["operation"])
    return "\n".join(
        f"- **{literal(name)}** ({listing(f'`{of}`' for of in operations)}): {literal(words)}"
        + (f" [Source]({source})." if source else "")
        for (name, words, source), operations in by.items()
    )


#: Why each function has a derivative at the matrices of the contest, in a sentence.
SMOOTH = {
    "polar": "The nearest orthogonal matrix is a smooth function of every matrix of full column "
    "rank: its derivative divides by sums of singular values, and never by differences.",
    "rotation": "The nearest rotation is a smooth function of every matrix for which it is unique: "
    "its derivative divides by sums of (signed) singular values, and never by differences.",
    "sqrtm": "The square root X of a positive definite matrix A is a smooth function of it: its "
    "derivative solves X dX + dX X = dA, which has one solution whatever eigenvalues are equal.",
    "projector": "The projector on some eigenvectors is a smooth function wherever there is a gap "
    "between their eigenvalues and the others; what is equal on either side makes no difference.",
    "eigenvector": "v vᵀ is a smooth function of the matrix wherever its eigenvalue is simple; "
    "that others are equal makes no difference.",
    "low_rank": "The best approximation of rank k is a smooth function wherever σₖ > σₖ₊₁; what is "
    "equal on either side makes no difference.",
    "pinv": "The pseudo-inverse is a smooth function among matrices of one rank, at equal singular "
    "values and at small scales, too.",
    "svd_loss": "U g(Σ) Vᵀ with a smooth odd function g is a smooth function of the matrix, at "
    "equal and at zero singular values, too: only the formula through U and V divides by "
    "differences.",
}
_SMOOTH_EIGH = (
    "V g(Λ) Vᵀ with a smooth function g is a smooth function of the matrix, at equal eigenvalues, "
    "too: only the formula through V divides by differences."
)


def issue(known: dict[str, Any], finding: dict[str, Any]) -> str:
    """The text of an issue for a tracker, in Markdown: what is wrong, a program, and the truth."""
    name, operation = finding["name"], finding["operation"]
    version = f"{finding['library']} {known['versions'][finding['library']]}"
    rows = {key: "\n".join(map(_row, finding[key])) for key in ("printed", "right")}
    also = "; ".join(f"{of} at {', '.join(at)}" for of, at in finding["also"].items())
    reason = SMOOTH.get(operation, _SMOOTH_EIGH)
    if finding["point"] == "zeros" and "of_factor" in finding["program"]:
        reason = "As a function of B, of full column rank, that of B Bᵀ is smooth."
    meant = f"It is meant for: {finding['meant']}.\n\n" if finding["meant"] else ""
    return (
        f"{name}: the gradient of {operation} is finite and wrong\n\n"
        f"{reason} At the matrix below, the gradient is off by "
        f"{finding['error']:.2g} of its norm.\n\n{meant}"
        f"```python\n{finding['program'].strip()}\n```\n\n"
        f"With {version} and Python {known['python']} it prints (rounded)\n\n"
        f"```\n{rows['printed']}\n```\n\n"
        "and the gradient is, from central differences of the function in 130 digits,\n\n"
        f"```\n{rows['right']}\n```\n\n"
        f"Matrices at which it is wrong in the same experiment: {also}.\n"
    )


def _row(numbers: list[str]) -> str:
    """A row of a matrix, in a line if it fits."""
    line = "  ".join(numbers)
    return line if len(line) < 76 else "\n  ".join(numbers)


def findings(known: dict[str, Any], name: str = "") -> list[dict[str, Any]]:
    """What is finite and wrong, of one entrant or of all; a ValueError if none has that name."""
    names = [*dict.fromkeys(finding["name"] for finding in known["findings"])]
    if name and name not in names:
        raise ValueError(f"library: nothing is listed of {name!r}; give one of {listing(names)}")
    return [f for f in known["findings"] if name in ("", f["name"])]


def overview(found: Iterable[dict[str, Any]]) -> str:
    """Lay out findings: who, which function, how wrong, and at which matrix."""
    rows = (
        [literal(f["name"]), f"`{f['operation']}`", f"{f['error']:.2g}", f["point"]] for f in found
    )
    return table(["", "function", "relative error", "at the matrix"], rows, align="---")


def pasted(known: dict[str, Any], finding: dict[str, Any]) -> str:
    """An issue as a block to copy, under a heading of its own."""
    title = f"{finding['name']}, {finding['operation']}"
    return f"**{literal(title)}**\n\n````markdown\n{issue(known, finding)}````"
