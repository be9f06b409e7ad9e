"""The status of a survey, on one page: verdicts by framework and version, and what has changed."""

import collections
from collections.abc import Iterable
from html import escape
from pathlib import Path, PurePath
from string import Template

from spectralgrad.book import prose
from spectralgrad.frameworks import TITLES
from spectralgrad.survey import results
from spectralgrad.survey.checking import Row
from spectralgrad.system import storage
from spectralgrad.system.errors import InputError, one_line
from spectralgrad.verdict import VERDICTS, Question

#: Changes at most, on the page and in the summary.
MOST, FEW = 1000, 10

# What a framework said, by source, place and digest of the matrix, and its name.
Said = dict[tuple[str | None, ...], Row]
_PAGE = Template(Path(__file__).with_name("status.html").read_text(encoding="utf-8"))


def earlier(folder: Path, question: Question) -> Said:
    """Read what those said that answered an earlier survey, which may have asked others."""
    found = results.earlier(folder, question, but=["frameworks"])
    rows = ((key, row) for _, key, rows in found for row in rows if row["version"])
    said: Said = {(*key, row["framework"]): row for key, row in rows}
    if not said:
        raise InputError(f"{one_line(str(folder))}: no results of a survey; check the path")
    return said


def write(folder: Path, before: Said, since: str) -> tuple[Path, list[str]]:
    """Write the page, beside the results; what it says, in a few lines."""
    counts = collections.defaultdict[tuple[str, ...], collections.Counter[str]](collections.Counter)
    changes, compared = [], 0
    for key, rows in results.by_matrix(*results.parts(folder)):
        for row in rows if rows[0]["framework"] else ():
            title, verdict = _title(row), row["verdict"]
            old = before.get((*key, row["framework"])) if row["version"] else None
            for group in (str(PurePath(key[0]).parent), row["dtype"]), ("all", "all"):
                counts[title, *group][verdict] += 1
            compared += bool(old)
            if old and old["verdict"] != verdict:
                name = ": ".join(filter(None, key[:2]))
                changes.append(f"{name}: {_title(old)}: {old['verdict']}; {title}: {verdict}")
    verdicts = [v for v in VERDICTS if any(count[v] for count in counts.values())]
    changed = f"since {since}, {len(changes)} of {compared} verdicts have changed" if since else ""
    page = _PAGE.substitute(
        title=escape(f"Status: {folder.name}"),
        changed=escape(changed),
        changes=_tagged("li", prose.shortened(changes, MOST, "{} more")),
        head=_tagged("th", ["framework", "family", "dtype", *verdicts]),
        rows="".join(
            f"<tr>{_tagged('th', group)}{_tagged('td', [str(count[v]) for v in verdicts])}</tr>"
            for group, count in sorted(counts.items())
        ),
    )
    path = folder.with_name(f"{folder.stem}-status.html")
    with storage.written(path) as aside:
        aside.write_text(page, encoding="utf-8")
    totals = [
        f"{title}: {', '.join(f'{count[v]} {v}' for v in verdicts if count[v])}"
        for (title, family, _), count in sorted(counts.items())
        if family == "all"
    ]
    return path, [*totals, *[changed] * bool(since), *prose.shortened(changes, FEW, "{} more")]


def _title(row: Row) -> str:
    return f"{TITLES[row['framework']]} {row['version'] or '–'}"


def _tagged(tag: str, texts: Iterable[str]) -> str:
    return "".join(f"<{tag}>{escape(text)}</{tag}>\n" for text in texts)
