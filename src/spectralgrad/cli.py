"""The ``spectralgrad`` command."""

import argparse
import signal
import sys

from spectralgrad import __version__


class _Parser(argparse.ArgumentParser):
    def error(self, message):
        self.exit(2, f"{self.prog}: {message}; see {self.prog} --help\n")


def _parser():
    parser = _Parser(
        prog="spectralgrad",
        description="Which gradient is right? Re-execute the book with your own matrix.",
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

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

    pdf = commands.add_parser("pdf", help="print the book as one PDF, through Chromium")
    pdf.add_argument("--output", metavar="FILE", help="the PDF (default: _build/spectralgrad.pdf)")

    report = commands.add_parser(
        "report", help="re-execute one chapter with your matrix and render it as a page"
    )
    report.add_argument(
        "matrix",
        metavar="MATRIX",
        help="a file (.csv .tsv .txt .npy .npz .json .mtx), a nested list as JSON, "
        "or the name of a published matrix; after -- it may begin with a dash",
    )
    report.add_argument(
        "--chapter",
        metavar="NAME",
        help="default: eigh_example for a symmetric or Hermitian matrix, otherwise svd_example",
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


def _positive(text):
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError("must be a whole number of at least 1")
    return int(text)


def _interrupt(*_):
    raise KeyboardInterrupt


def main(arguments=None):
    """Run the command line.

    Parameters
    ----------
    arguments : list of str, optional
        ``sys.argv[1:]`` if not given.

    Returns
    -------
    int
        0, or 1 where a chapter or the rendering failed, or 2 where the input is at fault.
    """
    options = _parser().parse_args(arguments)
    # Whoever ends this program ends the chapters that it runs.
    for name in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(name) == signal.SIG_DFL:
            signal.signal(name, _interrupt)
    # Imported here, so that --help answers at once.
    from spectralgrad import book

    try:
        if options.command == "build":
            page = book.build(options.output, options.jobs)
        elif options.command == "pdf":
            return _pdf(options)
        else:
            page = book.report(
                options.matrix,
                chapter=options.chapter,
                given=options.parameters,
                output=options.output,
            )
    except book.BookError as error:
        print(f"spectralgrad: {error}", file=sys.stderr)
        return 2 if isinstance(error, book.InputError) else 1
    except OSError as error:
        print(f"spectralgrad: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("spectralgrad: stopped; the last book is as it was", file=sys.stderr)
        return 130
    print(page)
    return 0


def _pdf(options):
    from spectralgrad import pdf

    print(pdf.write(options.output))
    return 0


if __name__ == "__main__":
    sys.exit(main())
