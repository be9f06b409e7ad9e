"""A program that is stopped says one line, at any moment; here it stops itself, untimed."""

import os
import signal
import subprocess
import sys

import pytest

from spectralgrad import cli

_FORMS = {
    "package": ["-m", "spectralgrad"],
    "script": ["-c", "from spectralgrad.__main__ import main; main()"],
}
_COMMANDS = {
    "build": ["build"],
    "check": ["check", "[[1]]"],
    "pdf": ["pdf"],
    "report": ["report", "[[1]]"],
    "survey": ["survey", "a.npy"],
}
# Compiled code that is being imported may take an interruption for a mistake of its own.
_HEAVY = "import os, signal\nos.kill(os.getpid(), signal.SIGINT)\nraise ImportError('compiled')\n"


def run(*arguments, folder, handler=signal.default_int_handler):
    """Run Python where the modules in a folder come before all others."""
    path = os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])])
    before = signal.signal(signal.SIGINT, handler)
    try:
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=folder,
            env=os.environ | {"PYTHONPATH": path},
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("form", _FORMS)
def test_before_the_command_line_is_read(form, tmp_path):
    (tmp_path / "argparse.py").write_text(_HEAVY, encoding="utf-8")
    done = run(*_FORMS[form], "--help", folder=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "spectralgrad: stopped\n")


@pytest.mark.parametrize("command", _COMMANDS)
def test_while_a_library_is_imported(command, tmp_path):
    # A build does without NumPy.
    library = "hashlib.py" if command in ("build", "pdf") else "numpy.py"
    (tmp_path / library).write_text(_HEAVY, encoding="utf-8")
    done = run(*_FORMS["package"], *_COMMANDS[command], folder=tmp_path)
    line = f"spectralgrad: {cli._parser().parse_args(_COMMANDS[command]).stopped}\n"
    assert (done.returncode, done.stdout, done.stderr) == (130, "", line)


def test_nothing_is_imported_before(tmp_path):
    """What takes time to import is time in which Ctrl-C is a traceback."""
    code = "import sys\nbefore = set(sys.modules)\nimport spectralgrad.__main__\n"
    code += "print(*sorted(set(sys.modules) - before))"
    done = run("-c", code, folder=tmp_path)
    assert done.stdout.split() == [
        *("spectralgrad", "spectralgrad.__main__", "spectralgrad.system"),
        "spectralgrad.system.interruption",
    ]


def program(folder, what):
    """Run a program that puts in order what it has begun."""
    code = (
        "from spectralgrad.system import interruption\n"
        "interruption.catch()\n"
        "import os, signal, sys, time\n"
        "def stop(): os.kill(os.getpid(), signal.SIGINT)\n"
        f"{what}"
    )
    return run("-c", code, folder=folder)


_WORK = """
try:
    with interruption.work:
        {}
finally:
    print("in order")
"""


@pytest.mark.parametrize(
    "work",
    [
        "stop()",
        # Not in the middle of an import, nor of what starts something; and not in a destructor,
        # where Python would print it and go on.
        "import heavy; time.sleep(1000)",
        "interruption.whole(lambda: [stop(), print('whole')])(); time.sleep(1000)",
        "del Doomed.one; time.sleep(1000)",
    ],
)
def test_work_is_left_in_order(work, tmp_path):
    heavy = _HEAVY.rpartition("raise")[0] + "print('whole')"
    (tmp_path / "heavy.py").write_text(heavy, encoding="utf-8")
    doomed = "class Doomed:\n    def __del__(self): stop()\nDoomed.one = Doomed()\n"
    done = program(tmp_path, doomed + _WORK.format(work))
    whole = "whole\n" if "heavy" in work or "whole" in work else ""
    assert done.stdout == f"{whole}in order\n"
    # Python's own end, for nobody has caught it here.
    assert done.stderr.endswith("KeyboardInterrupt\n")
    assert "ignored" not in done.stderr


@pytest.mark.parametrize("call", ["mkdir", "unlink"])
def test_a_folder_is_made_whole_and_removed_whole(call, tmp_path):
    """The signal is there when the system has made it, or removes what is in it."""
    what = f"""
import tempfile
from pathlib import Path
from spectralgrad.system import storage
def stopping(*arguments, call=os.{call}, **options):
    call(*arguments, **options)
    stop()
with interruption.work:
    os.{call} = stopping
    with tempfile.TemporaryDirectory(dir={str(tmp_path)!r}) as folder:
        Path(folder, "one").touch()
        Path(folder, "two").touch()
        {"time.sleep(1000)" if call == "mkdir" else "pass"}
    time.sleep(1000)
"""
    done = program(tmp_path, what)
    assert done.stderr.endswith("KeyboardInterrupt\n")
    assert os.listdir(tmp_path) == []


def test_who_stops_it_twice_has_it_put_in_order_and_who_insists_does_not(tmp_path):
    tidy = "try:\n            stop()\n        finally:\n            stop(); {}print('tidy')"
    done = program(tmp_path, _WORK.format(tidy.format("")))
    assert done.stdout == "tidy\nin order\n"
    done = program(tmp_path, _WORK.format(tidy.format("stop(); ")))
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "spectralgrad: stopped\n")


def test_at_the_end(tmp_path):
    """While what was imported is told to end."""
    what = (
        "import atexit\natexit.register(stop)\nsys.argv[1:] = ['--version']\n"
        "from spectralgrad import __main__\n__main__.main()"
    )
    done = program(tmp_path, what)
    assert done.stdout.startswith("spectralgrad ")
    assert (done.returncode, done.stderr) == (130, "spectralgrad: stopped\n")


def test_where_standard_error_is_elsewhere(tmp_path):
    """As while TensorFlow is imported."""
    what = "from spectralgrad import frameworks\nwith frameworks.quiet(): stop()"
    done = program(tmp_path, what)
    assert (done.returncode, done.stderr) == (130, "spectralgrad: stopped\n")


def test_what_is_ignored_remains_so(tmp_path):
    """A shell has what runs in the background ignore it."""
    (tmp_path / "heavy.py").write_text(_HEAVY.rpartition("raise")[0], encoding="utf-8")
    code = "import sys; sys.argv[1:] = ['--version']; import heavy\n"
    code += "from spectralgrad.__main__ import main; main()"
    done = run("-c", code, folder=tmp_path, handler=signal.SIG_IGN)
    assert (done.returncode, done.stderr) == (0, "")
