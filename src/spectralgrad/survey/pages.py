"""Pages for people: an index of all matrices, and a report on each that needs a closer look."""

import collections
import hashlib
import heapq
import json
import os
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from string import Template
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
from spectralgrad.system.errors import CommandError, InputError, one_line
from spectralgrad.theory import symmetric
from spectralgrad.verdict import VERDICTS, Question

#: Reports in one book at most: to execute one takes seconds, and its name stands on every page.
MOST_REPORTS = 200

#: Rows of the index at most, so that a browser opens it at once.
MOST_ROWS = 20_000

_INDEX = Template(Path(__file__).with_name("index.md").read_text(encoding="utf-8"))


# What is said on the page of a matrix, and on the first page.
_NOTES = {
    "values": "",
    "vectors": " The survey is about a loss on vectors, and this page about a function of the "
    "values. What it says of gaps and recipes holds for both.",
}
_ABOUT = {
    "values": "The verdicts are about sums of values. A loss on vectors may lose digits wherever "
    "values are close, whatever their weights: *vector digits* are those that the nearest gap "
    "leaves, and a survey of vectors (`--of vectors`) tries it.",
    "vectors": "The verdicts are about a loss on vectors whose gradient is known, tied or not. "
    "*Digits* are those that any answer can have; *vector digits*, those that the nearest gap "
    "leaves to other losses on vectors.",
}


class Reports:
    """The pages, in a folder beside the results."""

    def __init__(self, output: Path, which: Literal["flagged", "all"], question: Question) -> None:
        self.folder = output.with_name(f"{output.stem}-reports")
        self._output, self._question = output, question
        self._looks = ("yes", "no") if which == "all" else ("yes",)
        self._kept: collections.Counter[str] = collections.Counter()
        # Before hours are spent what would be refused after them.
        building.require(*building.SCRIPTS, mend=", or ask for no reports (reports none)")
        _require_no_links(self.folder)
        self._executed = reporting.open_folder(self.folder)

    def keep(self, task: Task, flagged: bool) -> None:
        """Keep a matrix, if it is to have a report."""
        look, matrix = "yes" if flagged else "no", task.matrix
        if look not in self._looks or self._kept[look] >= MOST_REPORTS or _is_large(matrix.shape):
            return
        self._kept[look] += 1
        path = self._matrix(_name(task.source, task.place, task.digest))
        if not path.exists():
            if self._question.symmetrize:
                matrix = symmetric.hermitian_part(matrices.load(matrix))
            with storage.written(path) as aside, aside.open("xb") as file:
                np.save(file, matrix)

    def write(self, jobs: int | None = None) -> tuple[Path, list[str]]:
        """Execute the reports and render all pages; the first one, and a line for each failure."""
        rows, counts = _table(self._output)
        wanted = [name for name, row in rows.items() if row["look"] in self._looks]
        reported = [name for name in wanted if self._matrix(name).exists()][:MOST_REPORTS]
        failed: dict[str, str] = {}

        def front(folder: Path, failures: Mapping[str, str]) -> None:
            failed.update(failures)
            for name in wanted:
                size = rows[name]["rows"], rows[name]["columns"]
                rows[name]["report"] = "too large" if _is_large(size) else "not made"
            for name in reported:
                rows[name]["report"] = "failed" if name in failed else f"reports/{name}.html"
            _write_table(folder / "assets", rows.values())
            index = _index(one_line(self._output.name), len(rows), counts, self._question.of)
            (folder / "index.md").write_text(index, encoding="utf-8")

        pages = [self._page(name, rows[name]) for name in reported]
        try:
            index = reporting.reports(pages, self.folder, front=front, jobs=jobs)
        except CommandError as error:
            raise CommandError(f"{error}; the results are in {self._output}") from error
        failures = [f"{_title(rows[n])}: {failed[n]}" for n in reported if n in failed]
        return index, list(map(one_line, failures))

    def _matrix(self, name: str) -> Path:
        return self._executed / f"{name}.npy"

    def _page(self, name: str, row: Row) -> Page:
        values = self._question.to_dict() | {
            "matrix": os.path.relpath(self._matrix(name)),
            "frameworks": ",".join(self._question.frameworks),
        }
        # It has been done, and the page is about values.
        del values["symmetrize"], values["of"]
        source, place = prose.literal(row["source"]), row["place"]
        head = (
            f"{_heading(_title(row))}\n\nThis page is about {source}{place and ', '}{place}, one "
            f"of the matrices of [a survey](../index.md).{_NOTES[self._question.of]}"
        )
        return Page(building.chapters()["your_matrix"], name, values, head)


def _require_no_links(folder: Path) -> None:
    """Refuse what would lead out of the folder whatever is written, or removed, in it."""
    executed = folder / reporting.EXECUTED
    inner = executed.iterdir() if executed.is_dir() and not executed.is_symlink() else ()
    for path in (folder / storage.MARK, executed, *inner):
        if path.is_symlink():
            raise InputError(
                f"{one_line(str(path))}: is a link; remove it, or name another output folder"
            )


def _is_large(shape: Sequence[int]) -> bool:
    return max(shape) > reporting.LARGEST


def _name(source: str, place: str, digest: str | None) -> str:
    text = "\0".join((source, place, digest or ""))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _title(row: Row) -> str:
    return ": ".join(filter(None, (row["source"], row["place"])))


def _heading(text: str) -> str:
    # The theme puts headings on the page a second time, for printing, and there "<" is markup.
    return f"# {prose.literal(text.translate(str.maketrans('<>', '‹›')))}"


def _table(folder: Path) -> tuple[dict[str, Row], collections.Counter[str]]:
    """What the index shows, by the names of reports, and how many matrices look how."""
    counts: collections.Counter[str] = collections.Counter()

    def counted() -> Iterator[tuple[str, Row]]:
        for key, found in results.by_matrix(*results.parts(folder)):
            row = _row(found)
            counts[row["look"]] += 1
            yield _name(*key), row

    return dict(heapq.nsmallest(MOST_ROWS, counted(), key=lambda entry: _order(entry[1]))), counts


_COLUMNS = ("source", "place", "rows", "columns", "digits", "vector_digits")


def _row(found: list[Row]) -> Row:
    first = found[0]
    verdicts = {row["framework"]: row["verdict"] for row in found if row["framework"]}
    return {name: first[name] for name in _COLUMNS} | {
        "look": ("yes" if flagged(found) else "no") if verdicts else first["verdict"],
        "report": "",
        "dtype": first["dtype"] or "",
        "problem": first["problem"] or "",
        "differentiable": {True: "yes", False: "no", None: ""}[first["differentiable"]],
        "regimes": ", ".join(first["regimes"] or ()),
        # Of a matrix that is checked, the messages are in its report.
        "message": "" if verdicts else first["message"],
        **verdicts,
    }


def _order(row: Row) -> tuple[int, list[Any]]:
    """What matters most is first, and 10 stands behind 9."""
    parts = re.split(r"(\d+)", f"{row['source']}\0{row['place']}")
    # Every second part is a number, but not all that are called digits are.
    natural = [part if i % 2 == 0 else (len(part), part) for i, part in enumerate(parts)]
    return {"yes": 0, "no": 2}.get(row["look"], 1), natural


def _write_table(assets: Path, rows: Collection[Row]) -> None:
    building.place_scripts(assets, "tabulator")
    asked = [[name, title] for name, title in TITLES.items() if any(name in row for row in rows)]
    text = f"window.SURVEY = {json.dumps({'frameworks': asked, 'rows': [*rows]})};\n"
    (assets / "survey-data.js").write_text(text.replace("<", "\\u003c"), encoding="utf-8")


def _index(name: str, shown: int, counts: collections.Counter[str], of: str) -> str:
    """The first page, in Markdown."""
    number, rest = counts.total(), counts.total() - shown
    found = [
        prose.agree(number, f"{number} matri[x|ces] in {prose.literal(name)}"),
        f"{counts['yes']} with an answer that asks for a closer look",
        f"{number - counts['yes'] - counts['no']} that could not be checked",
    ]
    left_out = (
        f"The table has the first {shown} of them, those first that matter most; {rest} are left "
        "out. The results have them all."
    )
    return _INDEX.substitute(
        title=_heading(f"Survey: {name}"),
        found=prose.listing(found),
        about=_ABOUT[of],
        left_out=left_out if rest else "",
        largest=reporting.LARGEST,
        most=MOST_REPORTS,
        verdicts="\n".join(f"- **{verdict}**: {text}" for verdict, text in VERDICTS.items()),
    )
