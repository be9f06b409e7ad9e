"""What the ``spectralgrad`` command does."""

import argparse
import io
import json
import os
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from spectralgrad import __version__
from spectralgrad.book.execution import TIMEOUT
from spectralgrad.system import interruption
from spectralgrad.system.errors import CommandError, InputError

if TYPE_CHECKING:
    from spectralgrad.verdict import Verdict


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}; see {self.prog} --help\n")


def _parser() -> _Parser:
    parser = _Parser(
        prog="spectralgrad",
        description="Which gradient is right? A verdict on every framework, for your own matrix.",
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    check = commands.add_parser(
        "check",
        help="ask every framework for a gradient at your matrix, and judge the answers",
        description=f"Ask every framework for a gradient at your matrix. {_OF_VALUES}",
    )
    check.add_argument("matrix", metavar="MATRIX", help=f"{_MATRIX}, or a stack of matrices")
    _add_options(check)
    check.add_argument("--json", action="store_true", help="print one JSON object, or a list")

    survey = commands.add_parser(
        "survey",
        help="check every matrix in files and folders; resumes where it was stopped",
        description=f"Check every matrix in files and folders. {_OF_VALUES}",
    )
    survey.add_argument("paths", metavar="PATH", nargs="+", help="a file of matrices, or a folder")
    _add_options(survey)
    survey.add_argument(
        "--output",
        metavar="FILE",
        default="results.parquet",
        help="Parquet file for the results (default: results.parquet)",
    )
    survey.add_argument(
        "--reports",
        choices=["flagged", "all", "none"],
        default="flagged",
        help="which matrices get a page (default: flagged, those that need a closer look)",
    )
    survey.add_argument(
        "--jobs", type=_positive, metavar="N", help="processes at once (default: processors)"
    )
    survey.add_argument(
        "--scheduler", metavar="ADDRESS", help="run on this Dask cluster, as tcp://host:8786"
    )

    build = commands.add_parser("build", help="execute all chapters and render the book")
    build.add_argument(
        "--output", metavar="DIR", help="folder for the pages (default: _build/html)"
    )
    build.add_argument(
        "--jobs",
        type=_positive,
        metavar="N",
        help="chapters executed at once (default: processors)",
    )
    build.add_argument(
        "--timeout",
        type=_positive,
        metavar="SECONDS",
        default=TIMEOUT,
        help=f"time that a cell of a chapter may take (default: {TIMEOUT})",
    )

    pdf = commands.add_parser("pdf", help="print the book as one PDF, through Chromium")
    pdf.add_argument("--output", metavar="FILE", help="the PDF (default: _build/spectralgrad.pdf)")

    report = commands.add_parser(
        "report", help="re-execute one chapter with your matrix and render it as a page"
    )
    report.add_argument("matrix", metavar="MATRIX", help=_MATRIX)
    report.add_argument(
        "--chapter", metavar="NAME", default="your_matrix", help="default: your_matrix"
    )
    report.add_argument(
        "-p",
        dest="parameters",
        action="append",
        nargs=2,
        default=[],
        metavar=("NAME", "VALUE"),
        help="set another parameter of the chapter; may be given several times",
    )
    report.add_argument(
        "--output", metavar="DIR", help="folder for the page (default: NAME-report)"
    )
    return parser


_OF_VALUES = "The verdicts are about sums of values; a loss on vectors needs another criterion."

_MATRIX = (
    "a file (.csv .tsv .txt .npy .npz .json .mtx), a nested list as JSON, or the name of a "
    "published matrix; after -- it may begin with a dash"
)


def _add_options(parser: argparse.ArgumentParser) -> None:
    """What `verdict.check` can be told."""
    parser.add_argument(
        "--problem",
        choices=["eigh", "svd"],
        default="auto",
        help="eigenvalues or singular values (default: eigh if the matrix is Hermitian)",
    )
    parser.add_argument(
        "--weights",
        metavar="W",
        default="auto",
        help="sum (default for svd), first (default for eigh: the smallest eigenvalue), last, or "
        "a JSON list with a weight per value",
    )
    parser.add_argument(
        "--frameworks",
        metavar="A,B",
        default="all",
        help="which to ask (default: all; autograd, torch, tensorflow, jax)",
    )
    parser.add_argument(
        "--dtype",
        metavar="D",
        default="auto",
        help="compute in float32 or float64, complex64 or complex128 (default: as the matrix is)",
    )
    parser.add_argument(
        "--rtol",
        metavar="R",
        default="auto",
        help="values this close, relative to the largest, count as equal (default: the backward "
        "error of a decomposition, 8 max(m, n) eps, for singular values somewhat more)",
    )
    parser.add_argument(
        "--symmetrize", action="store_true", help="take the Hermitian part of the matrix"
    )


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError("must be a whole number of at least 1")
    return int(text)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    arguments : list of str, optional
        ``sys.argv[1:]`` if not given.

    Returns
    -------
    int
        0, or 1 where a chapter or the rendering failed, or 2 where the input is at fault, or
        `spectralgrad.system.interruption.STATUS`.
    """
    try:
        status = _run(arguments)
        # Here, where what goes wrong with it is one line.
        print(end="", flush=True)
        return status
    except CommandError as error:
        print(f"spectralgrad: {error}", file=sys.stderr)
        return 2 if isinstance(error, InputError) else 1
    except BrokenPipeError:
        # Whoever read the output has seen enough; nothing is left to be written when Python ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        print(f"spectralgrad: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"spectralgrad: {interruption.work.stopped}", file=sys.stderr)
        return interruption.STATUS


def _run(arguments: Sequence[str] | None) -> int:
    try:
        options = _parser().parse_args(arguments)
    except SystemExit as said:
        return int(said.code or 0)
    interruption.work.stopped = _STOPPED[options.command]
    for stream in (sys.stdout, sys.stderr):
        # A terminal that knows no Greek gets it escaped.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    return _COMMANDS[options.command](options)


# A command imports what it needs, so that --help answers at once.


def _build(options: argparse.Namespace) -> int:
    from spectralgrad.book import building

    with interruption.work:
        page = building.build(options.output, options.jobs, options.timeout)
    print(page)
    return 0


def _report(options: argparse.Namespace) -> int:
    from spectralgrad.book import building

    with interruption.work:
        page = building.report(
            options.matrix, chapter=options.chapter, given=options.parameters, output=options.output
        )
    print(page)
    return 0


def _asked(options: argparse.Namespace) -> dict[str, Any]:
    """The options that `verdict.check` takes."""
    names = ("problem", "weights", "frameworks", "dtype", "rtol", "symmetrize")
    return {name: getattr(options, name) for name in names}


def _check(options: argparse.Namespace) -> int:
    from spectralgrad import verdict

    try:
        verdicts = verdict.check_stack(options.matrix, **_asked(options))
    except ValueError as error:
        raise InputError(" ".join(str(error).split())) from error
    if options.json:
        objects = [v.to_dict() for v in verdicts]
        # A stack of one is a list of one: its matrix has a place in it.
        is_stack = verdicts[0].place != ""
        print(json.dumps(objects if is_stack else objects[0], allow_nan=False))
    else:
        print("\n\n".join(map(_as_text, verdicts)))
    return 0


def _as_text(verdict: "Verdict") -> str:
    """What a person wants to know of a verdict."""
    import numpy as np

    from spectralgrad import frameworks
    from spectralgrad.book import explain
    from spectralgrad.verdict import reasons

    m, n = verdict.matrix.shape
    where = f"{verdict.source}: {verdict.place}" if verdict.place else verdict.source
    lines = [
        f"{where}: {m} × {n}, {verdict.matrix.dtype}. {explain.function(verdict.valid)}",
        reasons.reason(verdict.valid),
        explain.trust(verdict),
        *filter(None, [explain.near(verdict)]),
        "",
        *_table(verdict),
    ]
    lines += [
        f"{frameworks.TITLES[name]}: {answer.message}"
        for name, answer in verdict.answers.items()
        if answer.outcome in ("unsupported", "failed")
    ]
    lines += ["", explain.outcomes(verdict), f"What to do: {explain.advice(verdict)}"]
    if n <= 6 and m <= 12:
        what = "gradient" if verdict.valid.differentiable else "valid answer of smallest norm"
        digits = np.array2string(verdict.gradient, precision=6, suppress_small=True)
        lines += ["", f"The {what}, from theory:", digits]
    return "\n".join(lines)


_COLOURS = {"agrees": 32, "subgradient": 36, "undecided": 33, "not installed": 2}


def _table(verdict: "Verdict") -> Iterator[str]:
    """One row for each framework, in columns."""
    from spectralgrad import frameworks
    from spectralgrad.book import prose

    rows = [["", "version", "verdict", "convention", "digits", "error"]]
    for name, answer in verdict.answers.items():
        convention = digits = error = "–"
        judgement = answer.judgement
        if judgement and answer.finite:
            convention = prose.convention(judgement) + (
                ", conjugated" if judgement.conjugated else ""
            )
            digits = str(verdict.digits_of(answer))
            error = f"{judgement.relative_error:.0e}" if judgement.relative_error else "0"
        rows.append(
            [
                frameworks.TITLES[name],
                answer.version or "–",
                answer.verdict,
                convention,
                digits,
                error,
            ]
        )
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        if row is not rows[0] and sys.stdout.isatty() and "NO_COLOR" not in os.environ:
            cells[2] = f"\x1b[{_COLOURS.get(row[2], 31)}m{cells[2]}\x1b[0m"
        yield "  ".join(cells).rstrip()


def _survey(options: argparse.Namespace) -> int:
    from spectralgrad import survey

    with interruption.work:
        done = survey.survey(
            options.paths,
            output=options.output,
            reports=options.reports,
            jobs=options.jobs,
            scheduler=options.scheduler,
            **_asked(options),
        )
    print(done.summary)
    return 1 if done.bad or done.failures else 0


def _pdf(options: argparse.Namespace) -> int:
    from spectralgrad.book import pdf

    with interruption.work:
        written = pdf.write(options.output)
    print(written)
    return 0


_COMMANDS = {
    "build": _build,
    "check": _check,
    "pdf": _pdf,
    "report": _report,
    "survey": _survey,
}
_STOPPED = {
    "build": "stopped; the book that is there is whole",
    "check": "stopped",
    "pdf": "stopped; a file that is there is whole",
    "report": "stopped; a report that is there is whole",
    "survey": "stopped; the same command goes on from here",
}
