"""The contest is held: in processes that may crash, with what is installed, into a whole file."""

import importlib.util
import math
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from contest import compositions, points, processes, run
from contest.entrants import OPERATIONS
from spectralgrad.book import contest

OURS = "spectralgrad (autograd)"
COMMAND = [sys.executable, "-m", "contest.run"]


def test_a_small_contest(tmp_path):
    """The package is right at the matrix of whole numbers, in a file that the chapter reads."""
    output = tmp_path / "small.json"
    run.main("--only", OURS, "--at", "integers", "--output", str(output))
    known = contest.load(output)
    found = {(operation, order): x for operation, _, _, order, *x in known["records"]}
    assert {operation for operation, _ in found} == {*OPERATIONS}
    for (operation, order), (error, note) in found.items():
        if order == 2 and operation.endswith("_loss"):
            assert "first derivatives only" in note
        else:
            assert error < 1e-13, operation
    assert [*tmp_path.iterdir()] == [output]


@pytest.mark.skipif(importlib.util.find_spec("torchspd") is not None, reason="it is installed")
def test_who_is_not_installed_is_named_so(tmp_path):
    known = run.main("--only", "torchspd", "--at", "integers", "--output", str(tmp_path / "k"))
    notes = {(error, note) for *_, error, note in known["records"]}
    assert notes == {(None, "not installed")}
    assert known["findings"] == []


@pytest.mark.parametrize("option", ["--only", "--at"])
def test_a_name_that_is_not_known_is_refused(option, capsys):
    with pytest.raises(SystemExit):
        run.main(option, "nobody")
    assert f"{option} nobody: " in capsys.readouterr().err


PROGRAM = """
import json, os, sys, time
tasks, results = sys.argv[2:]
with open(results, "a") as lines:
    for task in json.load(open(tasks)):
        print(json.dumps({"begins": task}), file=lines, flush=True)
        if task == ["crash"]:
            os.kill(os.getpid(), 11)
        if task == ["hang"]:
            time.sleep(60)
        print(json.dumps({"task": task, "found": {}}), file=lines, flush=True)
"""


def test_a_crash_and_a_hang_lose_one_task_each(tmp_path, monkeypatch):
    (tmp_path / "odd.py").write_text(PROGRAM, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    tasks = [["one"], ["crash"], ["two"], ["hang"], ["three"]]
    part = processes.Part("odd", tasks, tmp_path, limit=2, module="odd")
    processes.run([part], 1, lambda parts: None)
    found = {task: x for (task,), x in part.found}
    assert found.pop("crash") == {"raises": "crashes: signal 11"}
    assert found.pop("hang") == {"raises": "takes longer than 2 seconds"}
    assert found == {"one": {}, "two": {}, "three": {}}


def test_it_is_stopped_in_one_line(tmp_path):
    with subprocess.Popen([*COMMAND, "--only", OURS], stderr=subprocess.PIPE, text=True) as held:
        time.sleep(3)
        held.send_signal(signal.SIGINT)
        said = held.communicate(timeout=30)[1]
    assert held.returncode == 1
    assert said.strip().splitlines() == ["contest: stopped; the data file is as it was"]


A = points.of("expm")["regular"]
TRUE = {("expm", "regular"): ("2.0", *[[[str(x) for x in row] for row in A]] * 2)}
TASK = ("expm", "regular", "x")


def records(**found):
    return [x[3:] for x in run.judged(TASK, {"value": 2.0, **found}, TRUE)]


def test_what_an_entrant_got_is_judged():
    """A triangle will do for a symmetric gradient; NaN, another value and a refusal are told."""
    lower = np.tril(A + A.T) - np.diag(np.diag(A))
    assert records(first=lower.tolist(), second=(1.5 * A).tolist()) == [[1, 0.0, ""], [2, 0.5, ""]]
    assert records(first=(math.nan * A).tolist(), raises="E: no") == [
        [1, None, "nan"],
        [2, None, "no second derivative: E: no"],
    ]
    other = records(first=A.tolist(), second=A.tolist(), value=3.0)
    assert other[0] == [1, 0.0, "the value is off by 5e-01"]
    assert records(raises="E: no") == [[1, None, "raises: E: no"]]


def test_what_the_book_keeps_is_of_these_points_and_entrants():
    """Else the chapter would say of one program what another did: run make contest again."""
    known, entrants = contest.load(), [*compositions.everyone().values()]
    assert known["entrants"] == [run.entered(x) for x in entrants]
    assert known["points"] == {x: [*points.of(x)] for x in OPERATIONS}
    tried = {tuple(x[:3]) for x in known["records"] if x[3] == 1}
    assert tried == {(x.operation, n, x.name) for x in entrants for n in points.of(x.operation)}
    assert "not installed" not in {x[-1] for x in known["records"]}
