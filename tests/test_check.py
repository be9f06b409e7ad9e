"""The command `check`: rows as they come, other interpreters, frameworks that go wrong, a stop."""

import json
import os
import re
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import lame
import pytest

from spectralgrad import cli

MATRIX = "[[2, 1], [1, 3]]"
CHECK = (sys.executable, "-m", "spectralgrad", "check", MATRIX)


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def python(name):
    """Another interpreter, which is this one under another name."""
    path = Path(name)
    path.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return f"./{name}"


def test_theory_and_each_row_come_before_the_slowest_has_answered(monkeypatch):
    lame.make(monkeypatch, "tensorflow", lame.HANGS)
    asked = [*CHECK, "--frameworks", "autograd,tensorflow"]
    with subprocess.Popen(asked, stdout=subprocess.PIPE, text=True) as process:
        lines = [process.stdout.readline() for _ in range(6)]
        assert process.poll() is None
        process.kill()
    assert lines[0].startswith("a 2 × 2 matrix given inline: 2 × 2, float64. f is the smallest of")
    assert re.match(r"autograd +\S+ +agrees +lower", lines[5])


def test_one_that_is_late_is_a_row(monkeypatch, capsys):
    lame.make(monkeypatch, "tensorflow", lame.HANGS)
    asked = ["check", MATRIX, "--frameworks", "autograd,tensorflow", "--timeout", "4"]
    assert cli.main(asked) == 0
    text = capsys.readouterr().out
    assert re.search(r"^TensorFlow +– +failed", text, re.M)
    assert "TensorFlow: took longer than 4 s; --timeout gives it more" in text
    assert "autograd returns the gradient. TensorFlow fails." in text


@pytest.mark.parametrize("closed", [(0,), (1,), (0, 2), (0, 1, 2)])
def test_what_is_closed_is_not_missed(closed):
    """Some that start programs leave it so."""
    code = f"import os, sys\n[os.close(i) for i in {closed}]\nos.execv(sys.argv[1], sys.argv[1:])"
    asked = [sys.executable, "-c", code, *CHECK, "--frameworks", "autograd"]
    done = subprocess.run(asked, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert 1 in closed or "autograd returns the gradient." in done.stdout


def test_longer_than_a_machine_can_wait_is_not_refused(capsys):
    asked = ["check", MATRIX, "--frameworks", "autograd", "--timeout", "9" * 40]
    assert cli.main(asked) == 0
    assert "autograd returns the gradient." in capsys.readouterr().out


@pytest.mark.needs("autograd", "torch")
def test_several_interpreters_are_one_table(capsys):
    one, two = python("one"), python("two")
    asked = ["check", MATRIX, "--frameworks", "autograd,torch", "--python", one, "--python", two]
    assert cli.main(asked) == 0
    table, text = capsys.readouterr().out.split("\n\n")[1:3]
    head, *rows = table.splitlines()
    assert head.endswith("error  Python")
    assert [row.rpartition("  ")[2] for row in rows] == [one, one, two, two]
    assert text.startswith("With ./one: autograd and PyTorch return the gradient.")
    assert cli.main([*asked, "--json"]) == 0
    first, second = json.loads(capsys.readouterr().out)
    assert (first["python"], second["python"]) == (one, two)
    assert first["frameworks"].keys() == second["frameworks"].keys() == {"autograd", "torch"}
    assert first["gradient"] == second["gradient"]


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        (["--python", "nothing"], "nothing: cannot be run (No such file or directory); give a"),
        (["--python", "x", "--function", "f.py:f"], "--python does not go with --function; drop"),
        (["--frameworks", "theano"], "unknown framework 'theano'; choose from autograd, torch"),
        (["--weights", "[1]"], "weights: [1.0] will not do for 2 values; give"),
        (["--python", ""], "'': cannot be run ("),
        (["--timeout", "0"], "must be a whole number of at least 1"),
    ],
)
def test_what_cannot_be_asked_is_one_line_and_nothing_else(options, fault, capsys):
    assert cli.main(["check", MATRIX, *options]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert fault in err
    assert err.count("\n") == 1


def test_a_stack_of_which_the_last_is_bad_is_not_begun(capsys):
    assert cli.main(["check", "[[[2,1],[1,3]],[[1,2],[0,1]]]", "--problem", "eigh"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "matrix 2" in err


def test_it_is_stopped_in_one_line_and_leaves_no_process(monkeypatch):
    lame.make(
        monkeypatch,
        "tensorflow",
        "import os\nopen('met', 'w').write(str(os.getpid()))\n" + lame.HANGS,
    )
    process = subprocess.Popen(
        [*CHECK, "--frameworks", "tensorflow"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    while not (Path("met").is_file() and Path("met").read_text()):
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate()
    assert (process.returncode, err) == (130, b"spectralgrad: stopped\n")
    child = int(Path("met").read_text())
    for _ in range(600):
        try:
            os.kill(child, 0)
        except ProcessLookupError:
            break
        if Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
            break
        time.sleep(0.05)
    else:
        pytest.fail("it goes on alone")
