"""What the ``spectralgrad`` command does. A command imports what it needs when it runs."""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Iterator, Sequence
from json import dumps
from typing import TYPE_CHECKING, Any, NoReturn

from spectralgrad import __version__
from spectralgrad.book import TIMEOUT
from spectralgrad.system import interruption
from spectralgrad.system.errors import CommandError, InputError, said

if TYPE_CHECKING:
    from spectralgrad.verdict import Verdict

    Commands = argparse._SubParsersAction["_Parser"]
    #: What a command prints, and its status.
    Said = tuple[object, int]

_OF_VALUES = "The verdicts are about sums of values; a loss on vectors needs another criterion."
_MATRIX = (
    "a file (.csv .tsv .txt .npy .npz .json .mtx), a nested list as JSON, or the name of a "
    "published matrix; after -- it may begin with a dash"
)


class _Parser(argparse.ArgumentParser):
    """What is not given is left out: the function that is called has the defaults."""

    def __init__(self, **described: Any) -> None:
        super().__init__(argument_default=argparse.SUPPRESS, **described)

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}; see {self.prog} --help\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; the status is 1 after a failure, and 2 if the input is at fault."""
    try:
        status = _run(arguments)
        # Here, where what goes wrong with it is one line.
        print(end="", flush=True)
        return status
    except BrokenPipeError:
        # Whoever read the output has seen enough; nothing is left to be written when Python ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (CommandError, OSError) as error:
        print(f"spectralgrad: {error}", file=sys.stderr)
        return 2 if isinstance(error, InputError) else 1
    except KeyboardInterrupt:
        print(f"spectralgrad: {interruption.work.stopped}", file=sys.stderr)
        return interruption.STATUS


def _run(arguments: Sequence[str] | None) -> int:
    try:
        options = vars(_parser().parse_args(arguments))
    except SystemExit as end:
        return int(end.code or 0)
    options.pop("command")
    interruption.work.stopped = options.pop("stopped")
    run = options.pop("run")
    for stream in (sys.stdout, sys.stderr):
        # A terminal that knows no Greek gets it escaped.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    said, status = run(**options)
    print(said)
    return int(status)


def _parser() -> _Parser:
    parser = _Parser(
        prog="spectralgrad",
        description="Which gradient is right? A verdict on every framework, for your own matrix.",
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for declare in (_declare_check, _declare_survey, _declare_build, _declare_pdf, _declare_report):
        declare(commands)
    return parser


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError("must be a whole number of at least 1")
    return int(text)


def _question() -> _Parser:
    """The fields of `verdict.Question`."""
    parser = _Parser(add_help=False)
    add = parser.add_argument
    add(
        "--problem",
        choices=["eigh", "svd"],
        help="eigenvalues or singular values (default: eigh if the matrix is Hermitian)",
    )
    add(
        "--weights",
        metavar="W",
        help="sum (default for svd), first (default for eigh: the smallest eigenvalue), last, or "
        "a JSON list with a weight per value",
    )
    add("--frameworks", metavar="A,B", help="of autograd, torch, tensorflow, jax (default: all)")
    add(
        "--dtype", metavar="D", help="float32, float64, complex64 or complex128 (default: as it is)"
    )
    add(
        "--rtol",
        metavar="R",
        help="values this close, relative to the largest, count as equal (default: the backward "
        "error of a decomposition, 8 max(m, n) eps, for singular values somewhat more)",
    )
    add("--symmetrize", action="store_true", help="take the Hermitian part of the matrix")
    return parser


def _declare_check(commands: Commands) -> None:
    check = commands.add_parser(
        "check",
        parents=[_question()],
        help="ask every framework for a gradient at your matrix, and judge the answers",
        description=f"Ask every framework for a gradient at your matrix. {_OF_VALUES}",
    )
    check.set_defaults(run=_check, stopped="stopped")
    check.add_argument("matrix", metavar="MATRIX", help=f"{_MATRIX}, or a stack of matrices")
    check.add_argument("--json", action="store_true", help="print one JSON object, or a list")


def _check(matrix: str, *, json: bool = False, **question: Any) -> Said:
    from spectralgrad import verdict

    try:
        verdicts = verdict.check_stack(matrix, **question)
    except ValueError as error:
        raise InputError(said(error, None)) from error
    if not json:
        return "\n\n".join(map(_as_text, verdicts)), 0
    objects = [v.to_dict() for v in verdicts]
    # A stack of one is a list of one: its matrix has a place in it.
    is_stack = verdicts[0].place != ""
    return dumps(objects if is_stack else objects[0], allow_nan=False), 0


def _as_text(verdict: Verdict) -> str:
    """What a person wants to know of a verdict."""
    import numpy as np

    from spectralgrad import frameworks
    from spectralgrad.book import conclusions, valid_set

    m, n = verdict.matrix.shape
    where = f"{verdict.source}: {verdict.place}" if verdict.place else verdict.source
    head = f"{where}: {m} × {n}, {verdict.matrix.dtype}. {valid_set.function(verdict.valid)}"
    about = [head, verdict.reason, conclusions.trust(verdict), conclusions.near(verdict)]
    lines = [*filter(None, about), "", *_table(verdict)]
    lines += [
        f"{frameworks.TITLES[name]}: {answer.message}"
        for name, answer in verdict.answers.items()
        if answer.outcome in ("unsupported", "failed")
    ]
    lines += ["", conclusions.outcomes(verdict), f"What to do: {conclusions.advice(verdict)}"]
    if n <= 6 and m <= 12:
        what = "gradient" if verdict.valid.differentiable else "valid answer of smallest norm"
        digits = np.array2string(verdict.gradient, precision=6, suppress_small=True)
        lines += ["", f"The {what}, from theory:", digits]
    return "\n".join(lines)


_COLOURS = {"agrees": 32, "subgradient": 36, "undecided": 33, "not installed": 2}


def _table(verdict: Verdict) -> Iterator[str]:
    """One row for each framework, in columns."""
    from spectralgrad import frameworks
    from spectralgrad.book import conclusions

    rows = [["", "version", "verdict", "convention", "digits", "error"]]
    for name, answer in verdict.answers.items():
        row = [frameworks.TITLES[name], answer.version or "–", answer.verdict]
        judgement = answer.judgement
        if judgement and answer.finite:
            error = f"{judgement.relative_error:.0e}" if judgement.relative_error else "0"
            row += [conclusions.form(judgement), str(verdict.digits_of(answer)), error]
        rows.append(row + ["–"] * (6 - len(row)))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        if row is not rows[0] and sys.stdout.isatty() and "NO_COLOR" not in os.environ:
            cells[2] = f"\x1b[{_COLOURS.get(row[2], 31)}m{cells[2]}\x1b[0m"
        yield "  ".join(cells).rstrip()


def _declare_survey(commands: Commands) -> None:
    survey = commands.add_parser(
        "survey",
        parents=[_question()],
        help="check every matrix in files and folders; resumes where it was stopped",
        description=f"Check every matrix in files and folders. {_OF_VALUES}",
    )
    survey.set_defaults(run=_survey, stopped="stopped; the same command goes on from here")
    survey.add_argument("paths", metavar="PATH", nargs="+", help="a file of matrices, or a folder")
    add = survey.add_argument
    add("--output", metavar="DIR", help="folder for the results (default: results.parquet)")
    add(
        "--reports",
        choices=["flagged", "all", "none"],
        help="which matrices get a page (default: flagged, those that need a closer look)",
    )
    add("--jobs", type=_positive, metavar="N", help="processes at once (default: processors)")
    add("--scheduler", metavar="ADDRESS", help="run on this Dask cluster, as tcp://host:8786")


def _survey(paths: list[str], **options: Any) -> Said:
    try:
        from spectralgrad.survey import running
    except ImportError as error:
        mend = "pip install 'spectralgrad[survey]'"
        raise InputError(f"a survey needs more ({error}); {mend}") from error
    with interruption.work:
        done = running.survey(paths, **options)
    return done.summary, 1 if done.bad or done.failures else 0


def _declare_build(commands: Commands) -> None:
    build = commands.add_parser("build", help="execute all chapters and render the book")
    build.set_defaults(run=_build, stopped="stopped; the book that is there is whole")
    add = build.add_argument
    add("--output", metavar="DIR", help="folder for the pages (default: _build/html)")
    add("--jobs", type=_positive, metavar="N", help="chapters at once (default: processors)")
    add(
        "--timeout",
        type=_positive,
        metavar="SECONDS",
        help=f"time that a cell of a chapter may take (default: {TIMEOUT})",
    )


def _build(**options: Any) -> Said:
    from spectralgrad.book import building

    with interruption.work:
        return building.build(**options), 0


def _declare_pdf(commands: Commands) -> None:
    pdf = commands.add_parser("pdf", help="print the book as one PDF, through Chromium")
    pdf.set_defaults(run=_pdf, stopped="stopped; a file that is there is whole")
    pdf.add_argument("--output", metavar="FILE", help="the PDF (default: _build/spectralgrad.pdf)")


def _pdf(**options: Any) -> Said:
    from spectralgrad.book import pdf

    with interruption.work:
        return pdf.write(**options), 0


def _declare_report(commands: Commands) -> None:
    report = commands.add_parser(
        "report", help="re-execute one chapter with your matrix and render it as a page"
    )
    report.set_defaults(run=_report, stopped="stopped; a report that is there is whole")
    add = report.add_argument
    add("matrix", metavar="MATRIX", help=_MATRIX)
    add("--chapter", metavar="NAME", help="default: your_matrix")
    add(
        "-p",
        dest="parameters",
        action="append",
        nargs=2,
        default=[],
        metavar=("NAME", "VALUE"),
        help="set another parameter of the chapter; may be given several times",
    )
    add("--output", metavar="DIR", help="folder for the page (default: NAME-report)")


def _report(parameters: list[tuple[str, str]], **options: Any) -> Said:
    from spectralgrad.book import reporting

    with interruption.work:
        return reporting.report(given=parameters, **options), 0
