"""The page that says how to use the commands, against what they do."""

import argparse
import re
import shlex

import pytest

from spectralgrad import cli, frameworks, matrices, verdict
from spectralgrad.book import building, reporting
from spectralgrad.survey import pages, results
from spectralgrad.theory import spectrum

PAGE = (building.root() / "use.md").read_text(encoding="utf-8")


def table(label):
    """First column of the first table below a label: what is written as code, by row."""
    section = PAGE.split(f"({label})=", 1)[1]
    rows = re.search(r"(?:^\|.*\n)+", section, re.M)[0].splitlines()
    return [re.findall(r"`([^`]+)`", row.split("|")[1]) for row in rows[2:]]


def test_the_console_example_is_what_the_command_prints(capsys):
    shown = re.search(r"```console\n\$ spectralgrad (.*?)\n(.*?)```", PAGE, re.S)
    assert cli.main(shown[1].split()) == 0

    def without_noise(text):
        # The last column is rounding, and may differ from machine to machine.
        return re.sub(r" +(0|\de-\d+)$", "", text.strip(), flags=re.M)

    assert without_noise(capsys.readouterr().out) == without_noise(shown[2])


def test_every_verdict_is_explained():
    assert table("sec-verdicts") == [[word] for word in verdict.VERDICTS]


def test_every_key_of_the_json_is_explained():
    written = verdict.check("stack-overflow", frameworks="torch").to_dict()
    keys = [key for row in table("sec-use-json") for key in row]
    assert keys == list(written)
    of_an_answer = PAGE.split("| `frameworks` | by name: ", 1)[1].splitlines()[0]
    assert set(written["frameworks"]["torch"]) <= set(re.findall(r"`(\w+)`", of_an_answer))


def options(command):
    """Every option of a command, but for its positional arguments and --help."""
    parser = cli._parser()
    (commands,) = (a for a in parser._actions if isinstance(a, argparse._SubParsersAction))
    actions = commands.choices[command]._actions
    return [a.option_strings[-1] for a in actions if a.option_strings and a.dest != "help"]


@pytest.mark.parametrize(
    ("label", "command"), [("sec-use-check", "check"), ("sec-use-survey", "survey")]
)
def test_every_option_is_explained(label, command):
    assert [option for row in table(label) for option in row if option[0] == "-"] == options(
        command
    )


def test_every_column_of_the_parquet_file_is_explained():
    assert [name for row in table("sec-use-parquet") for name in row] == results.SCHEMA.names


def test_the_limits_are_those_of_the_package():
    assert f"matrices of up to {reporting.LARGEST} rows and columns" in PAGE
    assert f"at most {pages.MOST_REPORTS} pages, and {pages.MOST_ROWS:,} rows" in PAGE
    # Beside 8 eps for one row and one column, it is twice that precision.
    in_double, in_single = (
        round((spectrum.default_rtol((1, 1), dtype, singular=True) / eps - 8) / 2)
        for dtype, eps in (("float64", 2.0**-52), ("float32", 2.0**-23))
    )
    assert f"{matrices.MAX_ENTRIES:,} numbers" in PAGE
    assert f"{32 * matrices.MAX_ENTRIES // 2**20} MiB" in PAGE
    stops = rf"about ${in_double}\,\varepsilon$ in double and ${in_single}\,\varepsilon$ in single"
    assert stops in PAGE


@pytest.mark.parametrize(("dtype", "power"), [("float64", 150), ("float32", 30)])
def test_so_are_those_of_the_weights(dtype, power):
    assert f"$10^{{-{power}}}$ and $10^{{{power}}}$" in PAGE
    for inside, outside in ((f"1e{power}", f"1.1e{power}"), (f"1e-{power}", f"0.9e-{power}")):
        verdict.Question(weights=f"[{inside}]", dtype=dtype).pose([[1.0]])
        with pytest.raises(ValueError, match="weights"):
            verdict.Question(weights=f"[{outside}]", dtype=dtype).pose([[1.0]])


def test_the_frameworks_are_named():
    assert ",".join(frameworks.NAMES) in PAGE


def test_every_command_of_the_page_is_one():
    for line in re.findall(r"^spectralgrad (.*)$", PAGE, re.M):
        cli._parser().parse_args(shlex.split(line, comments=True))
