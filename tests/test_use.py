"""The page that says how to use the commands, against what they do."""

import argparse
import re
import shlex

import pytest

from spectralgrad import cli, frameworks, matrices, verdict
from spectralgrad.book import building, reporting
from spectralgrad.book import functions as words
from spectralgrad.survey import pages, results
from spectralgrad.theory import spectrum
from spectralgrad.verdict import functions, losses

PAGE = (building.root() / "use.md").read_text(encoding="utf-8")


def table(label):
    """First column of the first table below a label: what is written as code, by row."""
    section = PAGE.split(f"({label})=", 1)[1]
    rows = re.search(r"(?:^\|.*\n)+", section, re.M)[0].splitlines()
    return [re.findall(r"`([^`]+)`", row.split("|")[1]) for row in rows[2:]]


@pytest.mark.needs
def test_the_console_example_is_what_the_command_prints(capsys):
    shown = re.search(r"```console\n\$ spectralgrad (.*?)\n(.*?)```", PAGE, re.S)
    assert cli.main(shown[1].split()) == 0

    def without_noise(text):
        # The last column is rounding, and may differ from machine to machine, and versions from
        # Python to Python; who answers first is chance.
        text = re.sub(r" +(0|\de-\d+)$", "", text.strip(), flags=re.M)
        return sorted(re.sub(r"\d+(\.\d+){2,} *", "", text).splitlines())

    assert without_noise(capsys.readouterr().out) == without_noise(shown[2])


@pytest.mark.needs("torch")
def test_so_is_that_with_a_function(here, capsys):
    section = PAGE.split("(sec-use-function)=", 1)[1]
    source, shown = (
        re.search(rf"```{kind}\n(.*?)```", section, re.S)[1] for kind in ("python", "console")
    )
    (here / "loss.py").write_text(source, encoding="utf-8")
    command, expected = shown.removeprefix("$ spectralgrad ").split("\n", 1)
    assert cli.main(shlex.split(command)) == 0

    def without_noise(text):
        # Behind the sixth digit; and errors may differ from machine to machine.
        text = re.sub(r"(\d\.\d{5})\d+", r"\1", re.sub(r" +\de-\d+$", "", text.strip(), flags=re.M))
        return re.sub(r" {2,}", "  ", text)

    assert without_noise(capsys.readouterr().out) == without_noise(expected)


def test_every_verdict_is_explained():
    assert table("sec-verdicts") == [[word] for word in verdict.VERDICTS]


def test_every_key_of_the_json_is_explained():
    written = verdict.check("stack-overflow", frameworks="torch").to_dict()
    keys = [key for row in table("sec-use-json") for key in row]
    assert keys == list(written)
    of_an_answer = PAGE.split("| `frameworks` | by name: ", 1)[1].splitlines()[0]
    assert set(written["frameworks"]["torch"]) <= set(re.findall(r"`(\w+)`", of_an_answer))


def test_so_is_every_one_of_a_function():
    explained = [word for (word,) in table("sec-function-verdicts")]
    assert [*explained, "unsupported", "failed", "not installed"] == [*words.MEANINGS]


@pytest.mark.parametrize("check", [functions.check_function, losses.check_loss])
def test_so_is_every_key_of_that(check):
    if check is functions.check_function:
        written = check(lambda a: (a * a).sum(), [[1.0]], "numpy").to_dict()
    else:
        written = check(lambda values, vectors: values.sum(), [[1.0]], "eigh", "numpy").to_dict()
    keys = [key for row in table("sec-use-function-json") for key in row]
    of_a_loss = {"right", "right_digits"}
    assert {*keys} - {*written} == (of_a_loss if check is functions.check_function else set())
    assert {*written} <= {*keys}
    of_a_slope = PAGE.split("| `slopes` | ", 1)[1].splitlines()[0]
    assert {*written["slopes"][0]} <= {*re.findall(r"`(\w+)`", of_a_slope)}


def test_the_test_of_the_page_passes():
    section = PAGE.split("(sec-use-testing)=", 1)[1]
    source = re.search(r"```python\n(.*?)```", section, re.S)[1]
    scope = {}
    exec(source, scope)
    (test,) = (made for name, made in scope.items() if name.startswith("test_"))
    (mark,) = test.pytestmark
    for values in mark.args[1]:
        test(values)


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
