"""Pages for people: an index of all matrices, and a report on each that needs a closer look."""

import hashlib
import importlib.util
import json
import os
import re
import shutil
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from spectralgrad import matrices
from spectralgrad.book import building, prose, reporting
from spectralgrad.book.execution import Page
from spectralgrad.frameworks import TITLES
from spectralgrad.survey import results
from spectralgrad.survey.files import Task
from spectralgrad.system import storage
from spectralgrad.system.errors import InputError, one_line
from spectralgrad.theory import symmetric
from spectralgrad.verdict import FLAGGED, VERDICTS, Question

CHAPTER = "your_matrix"

#: Reports in one book at most: to execute one takes seconds, and its name stands on every page.
MOST_REPORTS = 200

#: Rows of the index at most, so that a browser opens it at once.
MOST_ROWS = 20_000

_TABULATOR = Path("node_modules/tabulator-tables/dist")
_SCRIPTS = (_TABULATOR / "js/tabulator.min.js", _TABULATOR / "css/tabulator_simple.min.css")
_COLUMNS = [
    *("rows", "columns", "dtype", "problem", "differentiable", "regimes", "digits"),
    *("framework", "verdict", "message"),
]


@dataclass(frozen=True)
class Entry:
    """A row of the index.

    Attributes
    ----------
    name : str
        Of its page.
    source, place : str
        Of the matrix.
    facts : dict
        Of the matrix: the columns of the file that do not depend on the framework.
    verdicts : dict of str to str
        By framework; empty if it could not be checked.
    """

    name: str
    source: str
    place: str
    facts: dict[str, Any]
    verdicts: dict[str, str]

    @property
    def flagged(self) -> bool:
        """Whether some answer asks for a closer look."""
        return any(verdict in FLAGGED for verdict in self.verdicts.values())

    @property
    def title(self) -> str:
        """Source and place, in one line."""
        return f"{self.source}: {self.place}" if self.place else self.source


class Reports:
    """The pages beside the results.

    Parameters
    ----------
    output : pathlib.Path
        Of the results; the pages are in a folder beside it.
    which : {"flagged", "all"}
        Which matrices get a report.
    options : dict
        Of the survey.

    Raises
    ------
    spectralgrad.system.errors.CommandError
        If something that the pages need is missing.
    """

    def __init__(self, output: Path, which: Literal["flagged", "all"], question: Question) -> None:
        self.folder = output.with_name(f"{output.stem}-reports")
        self._output, self._which, self._question = output, which, question
        self._kept = {True: 0, False: 0}
        _require_book()
        _require_no_links(self.folder)
        self._executed = reporting.open_folder(self.folder)

    def keep(self, task: Task, flagged: bool) -> None:
        """Keep a matrix, if it is to have a report.

        Parameters
        ----------
        task : spectralgrad.survey.files.Task
        flagged : bool
        """
        wanted = flagged or self._which == "all"
        if not wanted or _is_large(task.matrix.shape) or self._kept[flagged] >= MOST_REPORTS:
            return
        self._kept[flagged] += 1
        path = self._matrix(_name(task.source, task.place, task.digest))
        if not path.exists():
            matrix = task.matrix
            if self._question.symmetrize:
                matrix = symmetric.hermitian_part(matrices.load(matrix))
            aside = path.with_suffix(".part")
            with aside.open("wb") as file:
                np.save(file, matrix)
            aside.replace(path)

    def write(self, jobs: int | None = None) -> tuple[Path, list[str]]:
        """Execute the reports and render all pages.

        Parameters
        ----------
        jobs : int, optional
            Reports executed at once.

        Returns
        -------
        index : pathlib.Path
            The first page.
        failures : list of str
            One line for each report that failed.
        """
        entries, counts = _entries(self._output)
        wanted = [e for e in entries if e.flagged or (self._which == "all" and e.verdicts)]
        reported = [e for e in wanted if self._matrix(e.name).exists()][:MOST_REPORTS]
        chapter = building.chapters()[CHAPTER]
        pages = [
            Page(chapter, entry.name, self._values(chapter, entry), _head(entry))
            for entry in reported
        ]
        failed: dict[str, str] = {}

        def front(folder: Path, failures: Mapping[str, str]) -> None:
            failed.update(failures)
            names = {entry.name for entry in reported}
            links = {e.name: _link(e, names, failures) for e in wanted}
            name = one_line(self._output.name)
            _write_index(folder, name, entries, counts, links)

        index = reporting.reports(pages, self.folder, front=front, jobs=jobs)
        failures = [f"{e.title}: {failed[e.name]}" for e in reported if e.name in failed]
        return index, list(map(one_line, failures))

    def _matrix(self, name: str) -> Path:
        return self._executed / f"{name}.npy"

    def _values(self, chapter: Path, entry: Entry) -> dict[str, Any]:
        """Parameters of the chapter, of those that it has."""
        values = self._question.to_dict() | {
            "matrix": os.path.relpath(self._matrix(entry.name)),
            "frameworks": ",".join(self._question.frameworks),
        }
        known = reporting.parameters(json.loads(chapter.read_text(encoding="utf-8")))
        return {name: value for name, value in values.items() if name in known}


def _require_book() -> None:
    """Refuse before hours are spent what would be refused after them."""
    missing = [m for m in ("jupyter_book", "papermill") if not importlib.util.find_spec(m)]
    mend = "or use --reports none"
    if missing:
        raise InputError(f"reports need the book's tools ({missing[0]} is missing), {mend}")
    try:
        building.root()
    except InputError as error:
        raise InputError(f"{error}, {mend}") from None
    building.require_scripts(building.MATHJAX, *_SCRIPTS, mend=f"; {mend}")


def _require_no_links(folder: Path) -> None:
    """Refuse what would lead out of the folder whatever is written, or removed, in it."""
    executed = folder / reporting.EXECUTED
    inner = executed.iterdir() if executed.is_dir() and not executed.is_symlink() else ()
    for path in (folder / storage.MARK, executed, *inner):
        if path.is_symlink():
            raise InputError(
                f"{one_line(str(path))}: is a link; remove it, or name another file with --output"
            )


def _is_large(shape: Sequence[int]) -> bool:
    return max(shape) > reporting.LARGEST


def _name(source: str, place: str, digest: str | None) -> str:
    text = "\0".join((source, place, digest or ""))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _title(text: str) -> str:
    """Make a heading of a file name."""
    # The theme puts headings on the page a second time, for printing, and there "<" is markup.
    return f"# {prose.literal(text.translate(_HARMLESS))}"


_HARMLESS = str.maketrans("<>", "‹›")


def _head(entry: Entry) -> str:
    place = f", {entry.place}" if entry.place else ""
    return (
        f"{_title(entry.title)}\n\n"
        f"This page is about {prose.literal(entry.source)}{place}, one of the matrices of "
        "[a survey](../index.md)."
    )


def _link(entry: Entry, reported: Container[str], failures: Container[str]) -> str:
    """What the index says of a report that is wanted: the page, or why there is none."""
    if _is_large((entry.facts["rows"], entry.facts["columns"])):
        return "too large"
    if entry.name in failures:
        return "failed"
    return f"reports/{entry.name}.html" if entry.name in reported else "not made"


def _entries(path: Path) -> tuple[list[Entry], list[int]]:
    """Rows of the index, those first that matter most; and how many of each kind there are.

    The kinds are: flagged, not checked, and the others.
    """
    kinds: list[list[Entry]] = [[], [], []]
    counts = [0, 0, 0]
    for key, rows in results.by_matrix(*results.parts(path)):
        verdicts = {row["framework"]: row["verdict"] for row in rows if row["framework"]}
        facts = {name: rows[0][name] for name in _COLUMNS[:7]}
        # Of a matrix that is checked, the messages are in its report.
        facts["message"] = "" if verdicts else rows[0]["message"]
        facts["outcome"] = "" if verdicts else rows[0]["verdict"]
        entry = Entry(_name(*key), key[0], key[1], facts, verdicts)
        place = 0 if entry.flagged else 1 if not verdicts else 2
        counts[place] += 1
        if len(kinds[place]) < MOST_ROWS:
            kinds[place].append(entry)
    for kind in kinds:
        kind.sort(key=lambda entry: (_natural(entry.source), _natural(entry.place)))
    return [entry for kind in kinds for entry in kind][:MOST_ROWS], counts


def _natural(text: str) -> list[Any]:
    """Order in which 10 stands behind 9."""
    parts = re.split(r"(\d+)", text)
    # Every second part is a number, but not all that are called digits are.
    return [part if i % 2 == 0 else (len(part), part) for i, part in enumerate(parts)]


def _write_index(
    folder: Path, name: str, entries: list[Entry], counts: list[int], links: Mapping[str, str]
) -> None:
    assets = folder / "assets"
    for path in _SCRIPTS:
        shutil.copy(building.root() / path, assets)
    frameworks = list(dict.fromkeys(name for entry in entries for name in entry.verdicts))
    data = {
        "frameworks": [[name, TITLES[name]] for name in frameworks],
        "rows": [_row(entry, links.get(entry.name, "")) for entry in entries],
    }
    text = f"window.SURVEY = {json.dumps(data)};\n"
    (assets / "survey-data.js").write_text(text.replace("<", "\\u003c"), encoding="utf-8")
    index = _index(name, len(entries), counts, links)
    (folder / "index.md").write_text(index, encoding="utf-8")


def _row(entry: Entry, link: str) -> dict[str, Any]:
    facts = entry.facts
    differentiable = {True: "yes", False: "no", None: ""}[facts["differentiable"]]
    return {
        "source": entry.source,
        "place": entry.place,
        "look": facts["outcome"] or ("yes" if entry.flagged else "no"),
        "rows": facts["rows"],
        "columns": facts["columns"],
        "dtype": facts["dtype"] or "",
        "problem": facts["problem"] or "",
        "differentiable": differentiable,
        "regimes": ", ".join(facts["regimes"] or ()),
        "digits": facts["digits"],
        "message": facts["message"],
        "report": link,
    } | entry.verdicts


def _index(name: str, shown: int, counts: list[int], links: Mapping[str, str]) -> str:
    """The first page, in Markdown."""
    number = sum(counts)
    found = [
        f"{number} {'matrix' if number == 1 else 'matrices'} in {prose.literal(name)}",
        f"{counts[0]} with an answer that asks for a closer look",
        f"{counts[1]} that could not be checked",
    ]
    # Without a list of contents at its side, the table has more room.
    parts = ["---\nhtml_theme.sidebar_secondary.remove: true\n---"]
    parts += [_title(f"Survey: {name}"), f"{prose.listing(found)}.", _OF_VALUES]
    if number > shown:
        parts.append(
            f"The table has the first {shown} of them, those first that matter most; "
            f"{number - shown} are left out. The file has them all."
        )
    if "too large" in links.values():
        parts.append(f"A matrix of more than {reporting.LARGEST} rows or columns has no report.")
    if "not made" in links.values():
        parts.append(
            f"There are at most {MOST_REPORTS} reports; `spectralgrad report` makes any other."
        )
    parts += [_TABLE, "## What the verdicts mean"]
    parts += [f"- **{verdict}**: {meaning}" for verdict, meaning in VERDICTS.items()]
    parts.append("- **unreadable**: the file or the matrix is no good; the message says why")
    return "\n\n".join(parts) + "\n"


_OF_VALUES = (
    "The verdicts are about sums of values. A loss on vectors needs another criterion: it may lose "
    "digits wherever values are close, whatever their weights; the regimes say where."
)

# Without a blank line, which would end the block of HTML.
_TABLE = """
<p id="survey-shown" role="status"></p>
<div id="survey-table"></div>
<noscript><p>The table needs JavaScript; the same is in the Parquet file.</p></noscript>
<link rel="stylesheet" href="_static/tabulator_simple.min.css">
<link rel="stylesheet" href="_static/survey.css">
<script src="_static/tabulator.min.js"></script>
<script src="_static/survey-data.js"></script>
<script src="_static/survey.js"></script>
""".strip()
