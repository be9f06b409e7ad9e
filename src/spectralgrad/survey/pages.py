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
from spectralgrad.survey.checking import Row, flagged
from spectralgrad.survey.files import Task
from spectralgrad.system import storage
from spectralgrad.system.errors import InputError, one_line
from spectralgrad.theory import symmetric
from spectralgrad.verdict import VERDICTS, Question

CHAPTER = "your_matrix"

#: Reports in one book at most: to execute one takes seconds, and its name stands on every page.
MOST_REPORTS = 200

#: Rows of the index at most, so that a browser opens it at once.
MOST_ROWS = 20_000

_TABULATOR = Path("node_modules/tabulator-tables/dist")
_SCRIPTS = (_TABULATOR / "js/tabulator.min.js", _TABULATOR / "css/tabulator_simple.min.css")


@dataclass(frozen=True)
class Entry:
    """A matrix in the index: the name of its page, and its row of the table, but for the link."""

    name: str
    row: Row
    flagged: bool
    checked: bool

    @property
    def title(self) -> str:
        """Source and place, in one line."""
        return ": ".join(filter(None, (self.row["source"], self.row["place"])))


class Reports:
    """The pages, in a folder beside the results."""

    def __init__(self, output: Path, which: Literal["flagged", "all"], question: Question) -> None:
        self.folder = output.with_name(f"{output.stem}-reports")
        self._output, self._which, self._question = output, which, question
        self._kept = {True: 0, False: 0}
        _require_book()
        _require_no_links(self.folder)
        self._executed = reporting.open_folder(self.folder)

    def keep(self, task: Task, flagged: bool) -> None:
        """Keep a matrix, if it is to have a report."""
        wanted = flagged or self._which == "all"
        if not wanted or _is_large(task.matrix.shape) or self._kept[flagged] >= MOST_REPORTS:
            return
        self._kept[flagged] += 1
        path = self._matrix(_name(task.source, task.place, task.digest))
        if not path.exists():
            matrix = task.matrix
            if self._question.symmetrize:
                matrix = symmetric.hermitian_part(matrices.load(matrix))
            with storage.written(path) as aside, aside.open("xb") as file:
                np.save(file, matrix)

    def write(self, jobs: int | None = None) -> tuple[Path, list[str]]:
        """Execute the reports and render all pages; the first one, and a line for each failure."""
        entries, counts = _entries(self._output)
        wanted = [e for e in entries if e.flagged or (self._which == "all" and e.checked)]
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
            _write_table(folder / "assets", entries, links)
            index = _index(one_line(self._output.name), len(entries), counts, links)
            (folder / "index.md").write_text(index, encoding="utf-8")

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
                f"{one_line(str(path))}: is a link; remove it, or name another folder with --output"
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
    source, place = prose.literal(entry.row["source"]), entry.row["place"]
    return (
        f"{_title(entry.title)}\n\nThis page is about {source}{place and ', '}{place}, one of the "
        "matrices of [a survey](../index.md)."
    )


def _link(entry: Entry, reported: Container[str], failures: Container[str]) -> str:
    """What the index says of a report that is wanted: the page, or why there is none."""
    if _is_large((entry.row["rows"], entry.row["columns"])):
        return "too large"
    if entry.name in failures:
        return "failed"
    return f"reports/{entry.name}.html" if entry.name in reported else "not made"


def _entries(folder: Path) -> tuple[list[Entry], list[int]]:
    """What the table shows, and how many are flagged, not checked, and neither."""
    kinds: list[list[Entry]] = [[], [], []]
    counts = [0, 0, 0]
    for key, rows in results.by_matrix(*results.parts(folder)):
        entry = _entry(key, rows)
        kind = 0 if entry.flagged else 2 if entry.checked else 1
        counts[kind] += 1
        if len(kinds[kind]) < MOST_ROWS:
            kinds[kind].append(entry)
    for entries in kinds:
        entries.sort(key=lambda entry: _natural(entry.row["source"], entry.row["place"]))
    return [entry for entries in kinds for entry in entries][:MOST_ROWS], counts


def _entry(key: results.Key, rows: list[Row]) -> Entry:
    first = rows[0]
    verdicts = {row["framework"]: row["verdict"] for row in rows if row["framework"]}
    row = {name: first[name] for name in ("source", "place", "rows", "columns", "digits")} | {
        "look": ("yes" if flagged(rows) else "no") if verdicts else first["verdict"],
        "dtype": first["dtype"] or "",
        "problem": first["problem"] or "",
        "differentiable": {True: "yes", False: "no", None: ""}[first["differentiable"]],
        "regimes": ", ".join(first["regimes"] or ()),
        # Of a matrix that is checked, the messages are in its report.
        "message": "" if verdicts else first["message"],
    }
    return Entry(_name(*key), row | verdicts, flagged(rows), bool(verdicts))


def _natural(*texts: str) -> list[Any]:
    """Order in which 10 stands behind 9."""
    parts = re.split(r"(\d+)", "\0".join(texts))
    # Every second part is a number, but not all that are called digits are.
    return [part if i % 2 == 0 else (len(part), part) for i, part in enumerate(parts)]


def _write_table(assets: Path, entries: list[Entry], links: Mapping[str, str]) -> None:
    for path in _SCRIPTS:
        shutil.copy(building.root() / path, assets)
    asked = [name for name in TITLES if any(name in entry.row for entry in entries)]
    data = {
        "frameworks": [[name, TITLES[name]] for name in asked],
        "rows": [entry.row | {"report": links.get(entry.name, "")} for entry in entries],
    }
    text = f"window.SURVEY = {json.dumps(data)};\n"
    (assets / "survey-data.js").write_text(text.replace("<", "\\u003c"), encoding="utf-8")


def _index(name: str, shown: int, counts: list[int], links: Mapping[str, str]) -> str:
    """The first page, in Markdown."""
    number = sum(counts)
    found = [
        prose.agree(number, f"{number} matri[x|ces] in {prose.literal(name)}"),
        f"{counts[0]} with an answer that asks for a closer look",
        f"{counts[1]} that could not be checked",
    ]
    # Without a list of contents at its side, the table has more room.
    parts = ["---\nhtml_theme.sidebar_secondary.remove: true\n---"]
    parts += [_title(f"Survey: {name}"), f"{prose.listing(found)}.", _OF_VALUES]
    if number > shown:
        parts.append(
            f"The table has the first {shown} of them, those first that matter most; "
            f"{number - shown} are left out. The results have them all."
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
<noscript><p>The table needs JavaScript; the same is in the Parquet files.</p></noscript>
<link rel="stylesheet" href="_static/tabulator_simple.min.css">
<link rel="stylesheet" href="_static/survey.css">
<script src="_static/tabulator.min.js"></script>
<script src="_static/survey-data.js"></script>
<script src="_static/survey.js"></script>
""".strip()
