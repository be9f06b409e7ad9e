import subprocess
import sys

import pytest

from spectralgrad import book, cli

pytestmark = pytest.mark.slow

HEAVY = ("torch", "tensorflow", "jax", "autograd", "papermill", "sphinx", "matplotlib", "pandas")


def run(*arguments, folder=None):
    command = [sys.executable, "-m", "spectralgrad", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


BAD = {
    "no such file": ["report", "nofile.csv"],
    "did you mean blog-rank-2?": ["report", "blog-rank2"],
    "did you mean .csv?": ["report", "my.cvs"],
    "row 2: 1 number instead of 2 numbers": ["report", "[[1, 2], [3]]"],
    "unknown chapter 'x'; choose from beyond_symmetric": [
        "report",
        "blog-rank-2",
        "--chapter",
        "x",
    ],
    "unknown parameter 'x' of chapter your_matrix; choose from matrix, problem, weights": [
        *("report", "blog-rank-2", "-p", "x", "1"),
    ],
    "unknown chapter '../x'": ["report", "blog-rank-2", "--chapter", "../x"],
    "parameter eigenvalue: must be of type int": [
        *("report", "stack-overflow", "--chapter", "eigh_example", "-p", "eigenvalue", "one"),
    ],
    "there is no number 9 among 4": [
        *("report", "stack-overflow", "--chapter", "eigh_example", "-p", "eigenvalue", "9"),
    ],
    "holds 2.0, and its mirror image is 3.0": [
        "report",
        "[[1,2],[3,4]]",
        "--chapter",
        "eigh_example",
    ],
    "choose from auto, float32, float64": [
        "report",
        "blog-rank-2",
        "-p",
        "dtype",
        "half",
    ],
    "name another output folder": ["report", "[[1]]", "--output", "/dev/null/x"],
    "line 1, column 1": ["report", "header.csv"],
    "parameter matrix: given twice": ["report", "blog-rank-2", "-p", "matrix", "[[1]]"],
    "not a name in UTF-8; rename the file": ["report", b"\xff.csv"],
    "eigenvalue: must be of type int, not '[[[[": [
        *("report", "stack-overflow", "--chapter", "eigh_example"),
        *("-p", "eigenvalue", "[" * 100_000),
    ],
    "is the folder in which this runs": ["report", "[[1]]", "--output", "."],
    "File name too long": ["report", "[[1]]", "--output", "x" * 300],
    "too large to be squared": ["report", "[[1.7e308]]"],
}


@pytest.mark.parametrize("message", BAD)
def test_bad_input_is_one_line_and_leaves_nothing(message, tmp_path):
    (tmp_path / "header.csv").write_text("a,b\n1,2\n", encoding="utf-8")
    done = run(*BAD[message], folder=tmp_path)
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("spectralgrad: ")
    assert len(done.stderr) < 1000
    assert done.stdout == ""
    assert [p.name for p in tmp_path.iterdir()] == ["header.csv"]


@pytest.mark.parametrize(
    "arguments", [["--help"], ["report", "--help"], ["build", "--help"], ["--version"]]
)
def test_help(arguments):
    done = run(*arguments)
    assert done.returncode == 0
    assert "spectralgrad" in done.stdout


def test_the_help_says_how_long_a_cell_may_take(capsys):
    assert cli.main(["build", "--help"]) == 0
    assert f"(default: {book.TIMEOUT})" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments",
    [
        *([], ["nonsense"], ["build", "--jobs", "0"], ["build", "--jobs", "x"]),
        *(["report"], ["report", "-x.csv"], ["report", "[[1]]", "-p", "dtype"]),
    ],
)
def test_misuse_is_one_line(arguments):
    done = run(*arguments)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert done.stderr.rstrip().endswith("--help")


@pytest.mark.parametrize("arguments", [["--help"], ["check", "--help"], ["report", "--x"]])
def test_what_the_command_line_says_takes_no_imports(arguments):
    """Whoever asks for help, or errs, has the answer at once."""
    code = (
        "import sys\nfrom spectralgrad import cli\n"
        f"cli.main({arguments!r})\n"
        f"print([m for m in {(*HEAVY, 'numpy', 'asyncio')!r} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.splitlines()[-1] == "[]", done.stderr


@pytest.mark.parametrize("arguments", [["report", "nofile.csv"], ["report", "[[1,2],[3]]"]])
def test_no_framework_is_imported_for_an_error(arguments):
    code = (
        "import sys\nfrom spectralgrad import cli\n"
        f"assert cli.main({arguments!r}) == 2\n"
        f"print([m for m in {HEAVY!r} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "[]", done.stderr


def test_a_failed_build_has_status_1(monkeypatch, capsys):
    from spectralgrad.book import building

    def fail(*_):
        raise building.ChapterError("chapter x: cell 3: ValueError: no")

    monkeypatch.setattr(building, "build", fail)
    assert cli.main(["build"]) == 1
    assert capsys.readouterr().err == "spectralgrad: chapter x: cell 3: ValueError: no\n"
