"""A reader's own file is executed as a program is, and what is wrong with it is one line."""

import re
import subprocess
import sys
import threading

import pytest

from spectralgrad.system import programs
from spectralgrad.system.errors import InputError


def test_it_runs_as_a_program_does_and_is_none(here):
    (here / "neighbour.py").write_text("FACTOR = 2\n", encoding="utf-8")
    (here / "loss.py").write_text(
        "import dataclasses, neighbour\n"
        "@dataclasses.dataclass\nclass Options:\n    factor: int = neighbour.FACTOR\n"
        "def f(a): return Options().factor * a\n"
        "if __name__ == '__main__': raise SystemExit('trains for a week')\n",
        encoding="utf-8",
    )
    f = programs.load("loss.py:f")
    assert f(3) == 6
    assert f.__code__.co_filename == "loss.py"
    # Compiled code is not left beside a file that was never imported.
    assert list(here.rglob("*loss*")) == [here / "loss.py"]


def test_a_file_in_another_folder_finds_its_own_neighbours(here):
    (here / "a").mkdir()
    (here / "a" / "beside_it.py").write_text("x = 1", encoding="utf-8")
    (here / "a" / "b:c.py").write_text("from beside_it import x\nf = lambda: x", encoding="utf-8")
    assert programs.load("a/b:c.py:f")() == 1


def test_a_file_with_the_name_of_a_library_does_not_take_its_place(here):
    (here / "json.py").write_text("def f(): return 'mine'", encoding="utf-8")
    import json

    assert programs.load("json.py:f")() == "mine"
    assert sys.modules["json"] is json


def test_what_a_file_says_now_counts(here):
    for number in (1, 2):
        (here / "loss.py").write_text(f"def f(): return {number}", encoding="utf-8")
        assert programs.load("loss.py:f")() == number


#: Source of loss.py, what is asked for, and how the line begins.
BAD = {
    "no file": ("", "other.py:f", "other.py: cannot be read (No such file or directory)"),
    "a folder": ("", "folder.py:f", "folder.py: cannot be read (Is a directory)"),
    "no name": ("", "loss.py", "loss.py: is no function; give FILE.py:NAME, as in loss.py:f"),
    "another kind of file": ("", "loss.ipynb:f", "loss.ipynb:f: is no function; give FILE.py"),
    "a call": ("", "loss.py:f()", "loss.py:f(): is no function; give FILE.py:NAME"),
    "no Exception": (
        *("import pytest\npytest.skip('no GPU')", "loss.py:f"),
        "loss.py:2: Skipped: no GPU",
    ),
    "not there": (
        *("from math import sin\ndef g(): ...\ndef h(): ...", "loss.py:f"),
        "loss.py: has no function f; choose from g, h",
    ),
    "no function at all": ("f = 3", "loss.py:f", "loss.py: has no function f; it defines none"),
    "syntax": ("def f(:\n", "loss.py:f", "loss.py: is not Python: invalid syntax (loss.py,"),
    "zero byte": ("\0", "loss.py:f", "loss.py: is not Python: source code string cannot contain"),
    "encoding": ("# coding: nonsense\n", "loss.py:f", "loss.py: is not Python: unknown encoding"),
    "too deep": ("-" * 100_000 + "1", "loss.py:f", "loss.py: is not Python: "),
    "raises": (
        *("def g():\n    return 1 / 0\n\ng()", "loss.py:f"),
        "loss.py:2: ZeroDivisionError: division by zero",
    ),
    "ends": ("import sys\nsys.exit(3)", "loss.py:f", "loss.py:2: SystemExit: 3"),
    "misses a library": (
        *("import nothing_of_this_name", "loss.py:f"),
        "loss.py:1: ModuleNotFoundError: No module named 'nothing_of_this_name'",
    ),
    "a neighbour raises": (
        *("\nimport broken", "loss.py:f"),
        "loss.py:2: SyntaxError: invalid syntax (broken.py, line 1)",
    ),
    "says several lines": (
        *("raise ValueError('a\\n\\x1b[31mb')", "loss.py:f"),
        r"loss.py:1: ValueError: a \x1b[31mb",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_what_is_wrong_is_one_line_with_its_place(case, here):
    source, given, line = BAD[case]
    (here / "folder.py").mkdir()
    (here / "broken.py").write_text("def", encoding="utf-8")
    (here / "loss.py").write_text(source, encoding="utf-8")
    with pytest.raises(InputError, match=re.escape(line)) as caught:
        programs.load(given)
    assert str(caught.value).startswith(line)
    assert str(caught.value).isprintable()


def test_nothing_is_executed_before_it_is_to_be(here):
    (here / "loss.py").write_text("raise RuntimeError", encoding="utf-8")
    name, code = programs.parse("loss.py:f")
    assert (name, code.co_filename) == ("f", "loss.py")


def program(folder, *lines):
    """Run a program that uses this, as the command does, in a process of its own."""
    source = "\n".join(["import os, sys", "from spectralgrad.system import programs", *lines])
    return subprocess.run(
        [sys.executable, "-c", source], cwd=folder, capture_output=True, text=True, check=False
    )


def test_what_is_printed_is_not_the_answer(here):
    source = "import os\nprint('he', 'llo')\ndef f(): print('x' * 500), os.system('echo outside')"
    (here / "loss.py").write_text(source, encoding="utf-8")
    done = program(
        here,
        "with programs.printing() as printed:",
        "    f = programs.load('loss.py:f')",
        "    f(), f()",
        "print(printed.getvalue()[:7], len(printed.getvalue()))",
        "os.system('echo answer')",
    )
    assert done.stdout.split() == ["he", "llo", "100", "answer"]
    assert done.stderr == "outside\noutside\n"


SLEEP = "import time\n\ndef f():\n    while True:\n        time.sleep(0.01)\n"


@pytest.mark.parametrize(
    ("source", "place"),
    [
        (SLEEP, "loss.py:5"),
        ("def f():\n    while True:\n        pass", "loss.py:3|loss.py:2"),
        (f"{SLEEP}f()", "loss.py:5"),
    ],
    ids=["sleeps", "works", "at import"],
)
def test_what_takes_for_ever_is_ended_with_one_line(source, place, here):
    (here / "loss.py").write_text(source, encoding="utf-8")
    done = program(
        here, "with programs.limit(1, 'loss.py'):", "    programs.load('loss.py:f')()", "print(1)"
    )
    line = rf"spectralgrad: ({place}): took longer than 1 s; --timeout gives it more\n"
    assert re.fullmatch(line, done.stderr)
    assert (done.returncode, done.stdout) == (2, "")


def test_what_ends_in_time_is_left_alone(here):
    done = program(
        here,
        "import threading",
        "with programs.limit(1, 'loss.py'): pass",
        "for thread in threading.enumerate()[1:]: thread.join()",
        "print('there')",
    )
    assert (done.stdout, done.stderr) == ("there\n", "")


def test_more_seconds_than_a_clock_has_are_no_limit():
    with programs.limit(10**14, "loss.py"):
        (watch,) = (x for x in threading.enumerate() if isinstance(x, threading.Timer))
        watch.join(0.2)
        assert watch.is_alive()
