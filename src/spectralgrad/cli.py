"""What the ``spectralgrad`` command does. A command imports what it needs when it runs."""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import sys
import tomllib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from json import dumps
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from spectralgrad import __version__
from spectralgrad.system import interruption
from spectralgrad.system.errors import CommandError, InputError, one_line, said

if TYPE_CHECKING:
    from spectralgrad.verdict import Answer, Verdict

    #: What a command prints, and its status.
    Said = tuple[Iterable[object], int]


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
    lines, status = _COMMANDS[options.pop("command")](**options)
    for line in lines:
        print(line, flush=True)
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


def _check(matrix: str, **asked: Any) -> Said:
    _require_together(asked)
    ask = _ask_one if {"function", "loss"} & asked.keys() else _ask_all
    return _as_input_errors(ask(matrix, **asked)), 0


def _as_input_errors(lines: Iterator[str]) -> Iterator[str]:
    try:
        yield from lines
    except ValueError as error:
        raise InputError(said(error, None)) from error


def _as_json(verdicts: Sequence[Any], *, several: bool = False) -> str:
    objects = [v.to_dict() for v in verdicts]
    # A stack of one is a list of one: its matrix has a place in it.
    several = several or verdicts[0].place != ""
    return dumps(objects if several else objects[0], allow_nan=False)


def _ask_all(
    matrix: str,
    *,
    json: bool = False,
    timeout: int = 600,
    python: Sequence[str] = (),
    **options: Any,
) -> Iterator[str]:
    """What theory says, and then each framework, of one interpreter after the other."""
    from spectralgrad import frameworks
    from spectralgrad.frameworks import elsewhere

    for given in python:
        elsewhere.version(given)
    python = python or ("",)
    names = frameworks.select(options.get("frameworks", "all"))
    with contextlib.ExitStack() as stack:
        crews = [stack.enter_context(elsewhere.Crew(names, p, timeout)) for p in python]
        # One of them, while theory is at work: all would delay that.
        crews[0].start(1)
        from spectralgrad import verdict

        question = verdict.Question(**options)
        # What is wrong with the last matrix of a stack is said before anything else.
        posed = [
            [(replace(v, python=p), crew.ask) for p, crew in zip(python, crews, strict=True)]
            for v in verdict.pose_stack(matrix, question)
        ]
        if json:
            done = [verdict.answer(v, question, ask) for group in posed for v, ask in group]
            yield _as_json(done, several=len(python) > 1)
            return
        for number, group in enumerate(posed):
            yield from [""] if number else ()
            yield from _lines([(v, verdict.answers(v, question, ask)) for v, ask in group])


def _ask_one(
    matrix: str,
    *,
    json: bool = False,
    timeout: int = 600,
    function: str = "",
    loss: str = "",
    framework: str = "torch",
    **options: Any,
) -> Iterator[str]:
    """What becomes of a reader's own function, or of a loss of factors."""
    from spectralgrad import frameworks, matrices
    from spectralgrad.book import functions as words
    from spectralgrad.system import programs
    from spectralgrad.verdict import functions, losses

    given = function or loss
    with programs.limit(timeout, given.rpartition(":")[0]):
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
    texts = "\n\n".join(words.text(verdict, given) for verdict in verdicts)
    yield _as_json(verdicts) if json else texts


# What `check` can be asked of a function, and of a loss.
_GO_TOGETHER = {
    "function": ("framework", "symmetric", "dtype"),
    "loss": ("framework", "problem", "dtype"),
}


def _require_together(asked: dict[str, Any]) -> None:
    """Refuse options that are not meant for one another."""
    of = next((option for option in _GO_TOGETHER if option in asked), "")
    for name in sorted(asked.keys() - {of, *_GO_TOGETHER.get(of, ()), "json", "timeout"}):
        if of:
            raise InputError(f"--{name} does not go with --{of}; drop one of the two")
        if name in ("framework", "symmetric"):
            raise InputError(f"--{name} goes with --function or --loss; add one, or drop it")
    if of == "loss" and "problem" not in asked:
        raise InputError("--loss goes with --problem eigh or --problem svd; add one")


def _as_text(verdict: Verdict) -> str:
    """What a person wants to know of a verdict."""
    return "\n".join(_lines([(verdict, verdict.answers.items())]))


def _lines(asked: Sequence[tuple[Verdict, Iterable[tuple[str, Answer]]]]) -> Iterator[str]:
    """The same of one matrix, by each of some interpreters, as it becomes known."""
    import numpy as np

    from spectralgrad import frameworks
    from spectralgrad.book import conclusions

    verdict = asked[0][0]
    m, n = verdict.matrix.shape
    where = f"{verdict.source}: {verdict.place}" if verdict.place else verdict.source
    stored = f", {verdict.matrix.nnz} entries" if hasattr(verdict.matrix, "nnz") else ""
    kind = f"{m} × {n}{stored}, {verdict.matrix.dtype}"
    head = f"{where}: {kind}. {conclusions.function(verdict.valid)}"
    trust = f"{conclusions.trust(verdict)} {conclusions.vectors(verdict)}".rstrip()
    yield from filter(None, (head, verdict.reason, trust, conclusions.near(verdict)))
    yield from ("", _row(*_HEAD, "Python" if verdict.python else ""))
    done = []
    for posed, answers in asked:
        found = {}
        for name, answer in answers:
            found[name] = answer
            yield _answer_row(posed, name, answer)
        done.append(replace(posed, answers={n: found[n] for n in frameworks.NAMES if n in found}))
    for verdict in done:
        by = f"With {one_line(verdict.python)}: " if len(done) > 1 else ""
        for name, answer in verdict.answers.items():
            if answer.outcome in ("unsupported", "failed"):
                yield f"{by}{frameworks.TITLES[name]}: {answer.message}"
        yield from ("", by + conclusions.outcomes(verdict))
        yield f"What to do: {conclusions.advice(verdict)}"
    if n <= 6 and m <= 12:
        what = "gradient" if verdict.valid.differentiable else "valid answer of smallest norm"
        digits = np.array2string(verdict.gradient, precision=6, suppress_small=True)
        yield from ("", f"The {what}, from theory:", digits)


_HEAD = ("", "version", "verdict", "convention", "digits", "error")
# Of what is usual: a row stands there before the next is known.
_WIDTHS = (10, 8, 13, 21, 6, 5)
_COLOURS = {"agrees": 32, "subgradient": 36, "undecided": 33, "not installed": 2}


def _row(*cells: str, colour: int = 0) -> str:
    padded = [cell.ljust(width) for cell, width in zip(cells, _WIDTHS, strict=False)]
    if colour and sys.stdout.isatty() and "NO_COLOR" not in os.environ:
        padded[2] = f"\x1b[{colour}m{padded[2]}\x1b[0m"
    return "  ".join([*padded, *cells[len(_WIDTHS) :]]).rstrip()


def _answer_row(verdict: Verdict, name: str, answer: Answer) -> str:
    from spectralgrad import frameworks
    from spectralgrad.book import conclusions

    cells = [frameworks.TITLES[name], answer.version or "–", answer.verdict, *["–"] * 3]
    judgement = answer.judgement
    if judgement and answer.finite:
        error = f"{judgement.relative_error:.0e}" if judgement.relative_error else "0"
        cells[3:] = conclusions.form(judgement), str(verdict.digits_of(answer)), error
    return _row(*cells, one_line(verdict.python), colour=_COLOURS.get(answer.verdict, 31))


def _survey(**options: Any) -> Said:
    try:
        from spectralgrad.survey import running
    except ImportError as error:
        mend = "pip install 'spectralgrad[survey]'"
        raise InputError(f"a survey needs more ({error}); {mend}") from error
    with interruption.work:
        done = running.survey(**options)
    return [done.summary], 1 if done.bad or done.failures else 0


def _build(**options: Any) -> Said:
    from spectralgrad.book import building

    with interruption.work:
        return [building.build(**options)], 0


def _pdf(**options: Any) -> Said:
    from spectralgrad.book import building

    # It needs more than the package does.
    building.clone()
    from spectralgrad.book import pdf

    with interruption.work:
        return [pdf.write(**options)], 0


def _report(**options: Any) -> Said:
    from spectralgrad.book import reporting

    with interruption.work:
        return [reporting.report(**options)], 0


_COMMANDS: dict[str, Callable[..., Said]] = {
    "check": _check,
    "survey": _survey,
    "build": _build,
    "pdf": _pdf,
    "report": _report,
}
