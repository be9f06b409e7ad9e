"""What the ``spectralgrad`` command does. A command imports what it needs when it runs."""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import sys
import tomllib
from collections.abc import Callable, Iterator, Sequence
from json import dumps
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from spectralgrad import __version__
from spectralgrad.system import interruption
from spectralgrad.system.errors import CommandError, InputError, one_line, said

if TYPE_CHECKING:
    from spectralgrad.verdict import Verdict

    #: What a command prints, and its status.
    Said = tuple[object, int]


class _Parser(argparse.ArgumentParser):
    def __init__(self, **described: Any) -> None:
        super().__init__(argument_default=argparse.SUPPRESS, **described)
        self.register("type", "positive", _positive)

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
    interruption.work.stopped = options.pop("stopped")
    for stream in (sys.stdout, sys.stderr):
        # A terminal that knows no Greek gets it escaped.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    said, status = _COMMANDS[options.pop("command")](**options)
    print(said)
    return int(status)


def _parser() -> _Parser:
    parser = _Parser(
        prog="spectralgrad",
        description="Which gradient is right? A verdict on every framework, for your own matrix.",
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    declared = tomllib.loads(Path(__file__).with_name("commands.toml").read_text("utf-8"))
    for name in _COMMANDS:
        table = declared[name]
        command = commands.add_parser(
            name, help=table["help"], description=table.get("description")
        )
        command.set_defaults(stopped=table["stopped"])
        shared = declared[table["shares"]]["arguments"] if "shares" in table else {}
        for argument, described in (shared | table["arguments"]).items():
            if isinstance(described.get("metavar"), list):
                described["metavar"] = tuple(described["metavar"])
            command.add_argument(argument, **described)
    return parser


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError("must be a whole number of at least 1")
    return int(text)


def _check(matrix: str, *, json: bool = False, timeout: int = 600, **asked: Any) -> Said:
    from spectralgrad.system import programs

    given = asked.get("function", asked.get("loss"))
    _require_together(asked)
    try:
        with programs.limit(timeout, matrix if given is None else given.rpartition(":")[0]):
            verdicts, as_text = (_ask_all if given is None else _ask_one)(matrix, **asked)
    except ValueError as error:
        raise InputError(said(error, None)) from error
    if not json:
        return "\n\n".join(map(as_text, verdicts)), 0
    objects = [v.to_dict() for v in verdicts]
    # A stack of one is a list of one: its matrix has a place in it.
    is_stack = verdicts[0].place != ""
    return dumps(objects if is_stack else objects[0], allow_nan=False), 0


def _ask_all(matrix: str, **question: Any) -> tuple[list[Any], Callable[[Any], str]]:
    from spectralgrad import verdict

    return verdict.check_stack(matrix, **question), _as_text


def _ask_one(
    matrix: str, *, function: str = "", loss: str = "", framework: str = "torch", **options: Any
) -> tuple[list[Any], Callable[[Any], str]]:
    """What becomes of a reader's own function, or of a loss of factors."""
    from spectralgrad import frameworks, matrices
    from spectralgrad.book import functions as words
    from spectralgrad.system import programs
    from spectralgrad.verdict import functions, losses

    given = function or loss
    # What can be refused at once is.
    programs.parse(given)
    matrices.load(matrix, stack=True)
    with programs.printing() as printed:
        with contextlib.suppress(ImportError):
            # Here, where it is quiet.
            frameworks.get(framework)
        check = losses.check_losses if loss else functions.check_functions
        verdicts = check(programs.load(given), matrix, framework=framework, **options)
    if said := printed.getvalue():
        first = one_line(said.partition("\n")[0][:80])
        print(f"spectralgrad: {given}: prints “{first}”, and so on", file=sys.stderr)
    return verdicts, lambda verdict: words.text(verdict, given)


# What `check` can be asked of a function, and of a loss.
_GO_TOGETHER = {
    "function": ("framework", "symmetric", "dtype"),
    "loss": ("framework", "problem", "dtype"),
}


def _require_together(asked: dict[str, Any]) -> None:
    """Refuse options that are not meant for one another."""
    of = next((option for option in _GO_TOGETHER if option in asked), "")
    for name in sorted(asked.keys() - {of, *_GO_TOGETHER.get(of, ())}):
        if of:
            raise InputError(f"--{name} does not go with --{of}; drop one of the two")
        if name in ("framework", "symmetric"):
            raise InputError(f"--{name} goes with --function or --loss; add one, or drop it")
    if of == "loss" and "problem" not in asked:
        raise InputError("--loss goes with --problem eigh or --problem svd; add one")


def _as_text(verdict: Verdict) -> str:
    """What a person wants to know of a verdict."""
    import numpy as np

    from spectralgrad import frameworks
    from spectralgrad.book import conclusions

    m, n = verdict.matrix.shape
    where = f"{verdict.source}: {verdict.place}" if verdict.place else verdict.source
    head = f"{where}: {m} × {n}, {verdict.matrix.dtype}. {conclusions.function(verdict.valid)}"
    trust = f"{conclusions.trust(verdict)} {conclusions.vectors(verdict)}"
    about = [head, verdict.reason, trust, conclusions.near(verdict)]
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


def _survey(paths: list[str], **options: Any) -> Said:
    try:
        from spectralgrad.survey import running
    except ImportError as error:
        mend = "pip install 'spectralgrad[survey]'"
        raise InputError(f"a survey needs more ({error}); {mend}") from error
    with interruption.work:
        done = running.survey(paths, **options)
    return done.summary, 1 if done.bad or done.failures else 0


def _build(**options: Any) -> Said:
    from spectralgrad.book import building

    with interruption.work:
        return building.build(**options), 0


def _pdf(**options: Any) -> Said:
    from spectralgrad.book import pdf

    with interruption.work:
        return pdf.write(**options), 0


def _report(**options: Any) -> Said:
    from spectralgrad.book import reporting

    with interruption.work:
        return reporting.report(**options), 0


_COMMANDS: dict[str, Callable[..., Said]] = {
    "check": _check,
    "survey": _survey,
    "build": _build,
    "pdf": _pdf,
    "report": _report,
}
