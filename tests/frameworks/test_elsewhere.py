"""Frameworks in processes of their own: the same answers, and whatever may happen to them."""

import ast
import os
import stat
import subprocess
import sys
import time
import warnings
from pathlib import Path

import lame
import numpy as np
import psutil
import pytest

from spectralgrad import frameworks, verdict
from spectralgrad.frameworks import elsewhere, worker

SENT = ("numpy", "worker", *frameworks.NAMES)
A = np.array([[2.0, 1, 0], [1, 3, 1], [0, 1, 4]])
FIRST = np.array([1.0, 0, 0])


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def crew():
    with elsewhere.Crew(frameworks.NAMES) as crew:
        yield crew


@pytest.mark.parametrize("of", ["values", "vectors"])
@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "complex128"])
@pytest.mark.parametrize("problem", ["eigh", "svd"])
def test_they_answer_as_in_this_process(crew, problem, dtype, of, rng):
    shape = (3, 3) if problem == "eigh" else (3, 2)
    matrix, b = (rng.standard_normal((2, *shape)) + 1j * rng.standard_normal((2, *shape))).astype(
        np.result_type(dtype, "complex64")
    )
    matrix, b = ((x if dtype[0] == "c" else x.real).astype(dtype) for x in (matrix, b))
    if problem == "eigh":
        matrix, b = matrix + matrix.conj().T, b + b.conj().T
    cotangent = b if of == "vectors" else rng.standard_normal(min(shape))
    asked = frameworks.NAMES, problem, of, matrix, cotangent
    expected, found = dict(frameworks.ask(*asked)), dict(crew.ask(*asked))
    assert found.keys() == expected.keys()
    for name, reply in found.items():
        other = expected[name]
        assert (reply.version, reply.outcome) == (other.version, other.outcome)
        # An address is not the same in another process.
        assert reply.message[:40] == other.message[:40]
        if other.gradient is not None:
            assert reply.gradient.dtype == other.gradient.dtype
            assert np.allclose(reply.gradient, other.gradient, rtol=1e-5)


def ask(names, *given, timeout=60, **options):
    with elsewhere.Crew(names, timeout=timeout, **options) as crew:
        return dict(crew.ask(names, "eigh", "values", A, FIRST))


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("text", "outcome", "message"),
    [
        (lame.CRASHES, "failed", "the process was killed (SIGSEGV)"),
        (lame.SIGNALLED, "failed", "the process was killed (signal 40)"),
        (lame.CLOSES, "failed", "the process gave no whole answer"),
        (lame.ENDS, "failed", "Illegal thing"),
        (lame.RAISES, "failed", "built for another processor"),
        (lame.MISSES, "not installed", "there is none"),
        (lame.LACKS, "failed", "No module named 'there_is_none'"),
        (lame.HANGS, "failed", "took longer than 5 s; --timeout gives it more"),
    ],
    ids=["crashes", "signalled", "closes", "ends", "raises", "misses", "lacks", "hangs"],
)
def test_one_that_goes_wrong_is_an_answer_and_the_others_go_on(text, outcome, message, monkeypatch):
    lame.make(monkeypatch, "tensorflow", text)
    found = ask(("autograd", "tensorflow"), timeout=5)
    reply = found["tensorflow"]
    assert (reply.version, reply.gradient) == ("", None)
    assert (reply.outcome, reply.message) == (outcome, message)
    assert found["autograd"].gradient is not None


@pytest.mark.usefixtures("here")
def test_one_that_has_ended_is_started_again_but_not_for_ever(monkeypatch):
    """Of ten thousand matrices, each would wait for the same failure."""
    text = "print(file=open('met', 'a'))\nraise SystemExit\n"
    lame.make(monkeypatch, "tensorflow", text)
    with elsewhere.Crew(["tensorflow"]) as crew:
        replies = [dict(crew.ask(["tensorflow"], "eigh", "values", A, FIRST)) for _ in range(4)]
    said = [reply["tensorflow"].message for reply in replies]
    ended = "the process ended with status 0"
    assert said == [*2 * [ended], *2 * [f"{ended}; not asked again"]]
    assert Path("met").read_text() == "\n\n"


@pytest.mark.usefixtures("here")
def test_what_nobody_waited_for_does_not_answer_the_next_question(monkeypatch):
    lame.make(monkeypatch, "tensorflow", "import time\ntime.sleep(1)\n" + lame.RAISES)
    names = ("autograd", "tensorflow")
    with elsewhere.Crew(names) as crew:
        asked = crew.ask(names, "eigh", "values", A, FIRST)
        assert next(asked)[0] == "autograd"
        asked.close()
        again = dict(crew.ask(names, "eigh", "values", A, FIRST[::-1]))
    assert again["tensorflow"].message == "built for another processor"
    assert np.trace(again["autograd"].gradient) == pytest.approx(1)


@pytest.mark.usefixtures("here")
def test_what_it_prints_is_no_answer_and_what_lies_around_no_framework(monkeypatch):
    for name in ("autograd", "json", "select", "typing"):
        Path(f"{name}.py").write_text("raise RuntimeError('a file of the same name')")
    lame.make(
        monkeypatch, "tensorflow", "import os\nos.write(1, b'{}\\n')\nprint('{}')\n" + lame.RAISES
    )
    found = ask(("autograd", "tensorflow"))
    assert found["autograd"].version
    assert found["tensorflow"].message == "built for another processor"


@pytest.mark.usefixtures("here")
def test_they_end_with_the_one_that_started_them(monkeypatch):
    """Whatever they are doing, and whoever kills it."""
    lame.make(monkeypatch, "tensorflow", lame.HANGS)
    code = "from spectralgrad.frameworks import elsewhere\nimport numpy as np\n"
    code += "crew = elsewhere.Crew(['tensorflow'])\ncrew.start()\nprint('up', flush=True)\n"
    code += "[*crew.ask(['tensorflow'], 'eigh', 'values', np.eye(2), np.ones(2))]"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as parent:
        assert parent.stdout.readline()
        (child,) = psutil.Process(parent.pid).children()
        parent.kill()
    child.wait(30)


@pytest.mark.usefixtures("here")
def test_what_is_printed_around_it_is_no_answer_and_nobody_waits_for_the_rest_of_a_line():
    """A wrapper may say hello; and a line that has begun may never end."""
    greets = script("greets", f'echo hello\nexec {sys.executable} "$@"')
    assert elsewhere.version(greets) == elsewhere.version(sys.executable)
    assert ask(["autograd"], python=greets)["autograd"].version
    reply = ask(["autograd"], python=script("mute", "printf {; exec sleep 60"), timeout=2)[
        "autograd"
    ]
    assert reply.message == "took longer than 2 s; --timeout gives it more"


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ("np.full((3, 3), 'x')", "ufunc 'isfinite' not supported"),
        ("np.zeros((3, 3), 'V2')", "The DType"),
        ("np.zeros((2, 3))", "a gradient of shape (2, 3) for a matrix of shape (3, 3)"),
        ("np.full((3, 3), None)", "ValueError: Object arrays cannot be saved"),
    ],
)
def test_a_gradient_of_no_numbers_or_another_shape_is_an_answer(answer, message, monkeypatch):
    lame.make(monkeypatch, "tensorflow", f"{lame.FAKE}def answer(a):\n    return {answer}\n")
    question = verdict.Question(frameworks="tensorflow")
    with elsewhere.Crew(["tensorflow"]) as crew:
        found = verdict.answer(verdict.pose(A, question), question, crew.ask)
    assert found.answers["tensorflow"].verdict == "failed"
    assert found.answers["tensorflow"].message.startswith(message)


@pytest.mark.usefixtures("here")
def test_half_an_answer_where_the_disk_is_full_is_none(monkeypatch):
    text = "import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, (99, 99))\n"
    lame.make(monkeypatch, "tensorflow", f"{lame.FAKE}{text}def answer(a):\n    return a\n")
    assert ask(["tensorflow"])["tensorflow"].message == "the process gave no whole answer"


@pytest.mark.usefixtures("here")
def test_what_it_prints_is_not_kept_for_ever_and_a_version_is_one_line(monkeypatch):
    text = "def answer(a):\n    os.write(2, b'x' * 9999)\n    return a\n__version__ = '9\\n\x1b'\n"
    lame.make(monkeypatch, "tensorflow", lame.FAKE + text)
    with elsewhere.Crew(["tensorflow"]) as crew:
        for _ in range(3):
            (found,) = crew.ask(["tensorflow"], "eigh", "values", A, FIRST)
            assert found[1].version == "9\\n\\x1b"
            assert os.fstat(crew._workers["tensorflow"]._errors.fileno()).st_size == 0


@pytest.mark.usefixtures("here")
def test_what_it_has_started_ends_with_it(monkeypatch):
    """Whatever that is doing: it may be deaf to all but the signal."""
    text = (
        "import os, sys, time\nif not os.fork():\n    os.closerange(0, 99)\n    time.sleep(600)\n"
    )
    lame.make(monkeypatch, "tensorflow", text + lame.HANGS)
    with elsewhere.Crew(["tensorflow"], timeout=600) as crew:
        crew.start()
        process = psutil.Process(crew._workers["tensorflow"]._process.pid)
        while not (started := process.children()):
            time.sleep(0.02)
    started[0].wait(30)


def script(name, text):
    path = Path(name).absolute()
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


@pytest.mark.usefixtures("here")
def test_an_interpreter_that_cannot_be_asked_is_refused_in_one_line():
    mend = "give a Python, as ~/project/.venv/bin/python"
    refused = {
        "nothing": f"nothing: cannot be run (No such file or directory); {mend}",
        script("cat", "cat"): f"cat: does not answer as Python does; {mend}",
        script("fail", "exit 3"): f"fail: does not answer as Python does; {mend}",
        script("old", "echo 3.8.18"): "old: is Python 3.8.18; give 3.9 or later",
    }
    for python, message in refused.items():
        with pytest.raises(ValueError, match="give") as caught:
            elsewhere.version(python)
        assert str(caught.value).endswith(message)


@pytest.mark.usefixtures("here")
def test_where_this_package_is_not_installed_a_framework_may_be():
    """And where there is none, that is the answer."""
    bare = script("bare", f'exec {sys.executable} -S "$@"')
    assert elsewhere.version(bare) == ".".join(map(str, sys.version_info[:3]))
    reply = ask(["autograd"], python=bare)["autograd"]
    assert (reply.outcome, reply.message) == ("not installed", "No module named 'numpy'")
    import autograd
    import numpy

    folders = {str(Path(m.__file__).parents[1]) for m in (autograd, numpy)}
    path = os.pathsep.join(folders)
    hidden = script("hidden", f'PYTHONPATH={path} exec {sys.executable} -S "$@"')
    code = "import autograd, importlib.util as u; print(u.find_spec('spectralgrad'))"
    said = subprocess.run([hidden, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout == "None\n"
    assert ask(["autograd"], python=hidden)["autograd"].version


@pytest.mark.parametrize("name", SENT)
def test_what_is_sent_is_python_3_9_and_imports_nothing_else_of_this_package(name):
    source = (Path(elsewhere.__file__).parent / f"{name}.py").read_text(encoding="utf-8")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tree = ast.parse(source, feature_version=elsewhere.OLDEST)
    assert "from __future__ import annotations" in source
    for_types = [node for node in tree.body if isinstance(node, ast.If)]
    skipped = {id(n) for block in for_types for n in ast.walk(block)}
    imported = [n for n in ast.walk(tree) if isinstance(n, ast.Import | ast.ImportFrom)]
    found = [ast.unparse(n) for n in imported if id(n) not in skipped]
    ours = {line for line in found if "spectralgrad" in line}
    allowed = {"from spectralgrad.frameworks import numpy"}
    allowed |= {"from spectralgrad.frameworks.numpy import DECOMPOSITIONS, Change, Function"}
    assert ours <= allowed


def test_compiled_code_for_many_shapes_is_dropped(monkeypatch):
    class Jax:
        cleared = 0

        @classmethod
        def clear_caches(cls):
            cls.cleared += 1

    monkeypatch.setitem(sys.modules, "jax", Jax)
    shapes = set()
    for i in range(1, 3 * worker.MOST_SHAPES):
        worker.forget(shapes, np.zeros((1, i)))
        worker.forget(shapes, np.zeros((1, i)))
    assert Jax.cleared == 2


@pytest.mark.usefixtures("here")
def test_nobody_waits_for_the_slowest_to_hear_the_first(monkeypatch):
    lame.make(monkeypatch, "tensorflow", lame.HANGS)
    with elsewhere.Crew(("autograd", "tensorflow"), timeout=600) as crew:
        asked = crew.ask(("autograd", "tensorflow"), "eigh", "values", A, FIRST)
        assert next(asked)[0] == "autograd"
        asked.close()
