"""Processes end with the one that started them, however that one ends."""

import signal
import subprocess
import sys
import time

import psutil
import pytest
import waiting

from spectralgrad.system import processes

pytestmark = pytest.mark.slow

_CHILD = """
import subprocess, sys, time
from spectralgrad.system import processes
processes.GRACE = 1000
processes.end_with_parent()
{what}
"""
_PARENT = """
import sys
from pathlib import Path
from spectralgrad.system import processes
process = processes.Process("child", log=Path(sys.argv[1]))
print(process.pid, flush=True)
process.wait()
"""


@pytest.fixture
def child(tmp_path, monkeypatch):
    """Write a module that processes run."""
    monkeypatch.syspath_prepend(tmp_path)
    # Whatever ends does so by itself, however long the machine takes for it.
    monkeypatch.setattr(processes, "GRACE", waiting.PATIENCE)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=":")

    def write(what):
        (tmp_path / "child.py").write_text(_CHILD.format(what=what), encoding="utf-8")
        return tmp_path / "log"

    return write


def test_a_process_prints_and_ends(child):
    log = child("print('é')\nprint('out', file=sys.stderr)\nsys.exit(3)")
    with processes.Process("child", log=log) as process:
        assert process.wait() == 3
    assert process.output().splitlines() == ["é", "out"]


def test_a_process_waits_until_it_may_go_on(child):
    log = child("print('here', flush=True)\nprocesses.ready()\nprint('there')")
    with processes.Process("child", log=log) as process:
        waiting.until(process.output)
        time.sleep(0.1)
        assert process.poll() is None
        process.go()
        assert process.wait() == 0
    assert process.output().splitlines() == ["here", "there"]


@pytest.mark.parametrize(
    "what",
    ["processes.ready()", "time.sleep(1000)", "try: time.sleep(999)\nfinally: print('mine')"],
)
def test_whoever_leaves_stops_it(child, what):
    log = child(f"print('here', flush=True)\n{what}")
    with processes.Process("child", log=log) as process:
        waiting.until(process.output)
    assert process.poll() != 0
    assert "KeyboardInterrupt" in process.output()
    assert ("mine" in process.output()) == ("mine" in what)


def test_what_does_not_listen_is_killed(child, monkeypatch):
    monkeypatch.setattr(processes, "GRACE", 0.2)
    log = child(
        "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "print('here', flush=True)\ntime.sleep(1000)"
    )
    with processes.Process("child", log=log) as process:
        waiting.until(process.output)
    assert process.poll() == -signal.SIGKILL


def test_several_are_stopped_at_once(child, monkeypatch, tmp_path):
    """They take as long as one of them."""
    log = child(
        "print('here', flush=True)\n"
        "try: time.sleep(1000)\n"
        "finally:\n"
        "    print('ends', flush=True)\n"
        "    while len(list(__import__('pathlib').Path(sys.argv[1]).glob('*.ended'))) < 2:\n"
        "        open(f'{sys.argv[1]}/{sys.argv[2]}.ended', 'w').close()\n"
        "        time.sleep(0.01)"
    )
    both = [
        processes.Process("child", tmp_path, name, log=log.with_suffix(f".{name}")) for name in "ab"
    ]
    for process in both:
        waiting.until(process.output)
    processes.stop(*both)
    # One that had to wait for the end of the other would have been killed.
    assert [process.poll() for process in both] == [-signal.SIGINT] * 2


def test_it_ends_when_its_parent_is_killed(child):
    log = child("print('here', flush=True)\ntime.sleep(1000)")
    command = [sys.executable, "-c", _PARENT, str(log)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as parent:
        process = psutil.Process(int(parent.stdout.readline()))
        waiting.until(log.read_text, parent)
        parent.kill()
        assert waiting.ended([process])
    assert "KeyboardInterrupt" in log.read_text(encoding="utf-8")


def test_a_process_that_is_dead_may_be_told_to_go(child):
    log = child("sys.exit(1)")
    with processes.Process("child", log=log) as process:
        process.wait()
        process.go()
        process.go()


def test_what_nobody_has_taken_ends_too(child):
    """As where an interruption comes between its start and the context that would end it."""
    log = child("processes.ready()")
    with processes.all_ended():
        forgotten = processes.Process("child", log=log)
        assert forgotten.poll() is None
    assert forgotten.poll() is not None


def test_what_outlives_its_process_is_waited_for(child, tmp_path):
    """As a kernel does whose process was interrupted while it started the kernel."""
    late = tmp_path / "late"
    alone = f"import time; time.sleep(0.5); open({str(late)!r}, 'w').close()"
    log = child(
        f"subprocess.Popen([sys.executable, '-c', {alone!r}], stdin=-1, start_new_session=True)"
    )
    with processes.Process("child", log=log) as process:
        process.wait()
    assert late.exists()
