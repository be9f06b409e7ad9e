"""`check` with a function of the reader's own: one verdict, or one line."""

import json
import re
import subprocess
import sys

import numpy as np
import pytest

from spectralgrad import cli

MATRIX = "[[2, 1, 0], [1, 2, 0], [0, 0, 1]]"
SOURCE = """
import os, sys
import numpy as np
import torch

def f(a): return (a * a).sum() / 2
def vector(a): return torch.linalg.eigh(a).eigenvectors[:2, -1].sum() ** 2
def largest(a): return torch.linalg.eigvalsh(a)[0]
def half(a): return (a.detach() * a).sum() / 2
def with_tf(a):
    import tensorflow as tf
    return tf.reduce_sum(a * a) / 2
def with_numpy(a): return np.linalg.eigvalsh(a)[-1] if type(a) is np.ndarray else None
def prints(a):
    print("on the", "way", end="")
    os.system("echo outside")
    return f(a)

def of_values(values, vectors): return values.sum()
def of_vectors(values, vectors): return ((vectors * values**2) @ vectors.mT)[0, 2]
def one_vector(values, vectors): return vectors[0, 0]
def of_three(u, s, vh): return ((u * s**3) @ vh)[0, 2]

def two(a, b): return a.sum()
def itself(a): return a
def text(a): return "no number"
def nothing(a): pass
def nan(a): return a.sum() * float("nan")
def imaginary(a): return a.sum() * 1j
def inner(a): return a[7, 7]
def raises(a):
    return inner(a)
def ends(a): sys.exit("enough")
"""

# It imports PyTorch.
pytestmark = pytest.mark.needs("torch")


@pytest.fixture(autouse=True)
def loss(here):
    (here / "loss.py").write_text(SOURCE, encoding="utf-8")


def line(name):
    """Where a function of the file begins."""
    return (
        SOURCE.splitlines().index(next(x for x in SOURCE.splitlines() if f"def {name}(" in x)) + 1
    )


def check(capsys, *arguments):
    status = cli.main(["check", MATRIX, *arguments])
    return status, *capsys.readouterr()


def object_of(capsys, *arguments):
    status, out, err = check(capsys, *arguments, "--json")
    assert (status, err) == (0, "")
    return json.loads(out)


def test_the_verdict_comes_first_and_then_what_shows_it(capsys):
    status, out, err = check(capsys, "--function", "loss.py:half")
    assert (status, err) == (0, "")
    head, verdict, *_ = out.splitlines()
    assert head.startswith("a 3 × 3 matrix given inline: 3 × 3, float64. f is loss.py:half, in Py")
    assert verdict.startswith("wrong: ")
    assert re.search(r"^along (a random direction|the entr\S+ .*) +slope +error$", out, re.M)
    true, claimed = (
        float(re.search(rf"^{who} +(\S+) ", out, re.M)[1])
        for who in ("from both sides", "by PyTorch")
    )
    assert claimed == pytest.approx(true / 2)
    assert out.endswith("[[2. 1. 0.]\n [1. 2. 0.]\n [0. 0. 1.]]\n")


def test_no_verdict_is_a_failure_of_the_command(capsys):
    found = {
        name: object_of(capsys, "--function", f"loss.py:{name}")["verdict"]
        for name in ("f", "vector", "half", "largest")
    }
    assert found == {
        "f": "agrees",
        "vector": "not finite",
        "half": "wrong",
        "largest": "no gradient here",
    }


@pytest.mark.parametrize(
    ("framework", "name"),
    [("torch", "f"), ("jax", "f"), ("autograd", "f"), ("tensorflow", "with_tf")],
)
def test_a_function_is_asked_in_its_framework(framework, name, capsys):
    pytest.importorskip(framework)
    found = object_of(capsys, "--function", f"loss.py:{name}", "--framework", framework)
    assert (found["framework"], found["verdict"]) == (framework, "agrees")
    assert np.allclose(found["gradient"], json.loads(MATRIX))


def test_numpy_has_slopes_and_no_gradient(capsys):
    found = object_of(capsys, "--function", "loss.py:with_numpy", "--framework", "numpy")
    assert (found["verdict"], found["gradient"]) == ("unsupported", None)
    # vvᵀ of the largest eigenvalue.
    assert np.allclose(found["expected"], np.outer([1, 1, 0], [1, 1, 0]) / 2, atol=1e-8)


@pytest.mark.parametrize(
    ("name", "problem", "verdicts"),
    [
        ("of_values", "eigh", {"agrees"}),
        # What is asked of a tie may be found to be NaN, or wrong where rounding has parted it.
        ("of_vectors", "eigh", {"not finite", "wrong"}),
        ("one_vector", "eigh", {"not a function of the matrix"}),
        ("of_three", "svd", {"not finite", "wrong"}),
    ],
)
def test_a_loss_takes_the_factors(name, problem, verdicts, capsys):
    found = object_of(capsys, "--loss", f"loss.py:{name}", "--problem", problem)
    assert found["verdict"] in verdicts
    if name == "of_vectors":
        # ⟨E, A²⟩ has the gradient EA + AE, at ties too.
        a, e = np.array(json.loads(MATRIX)), np.zeros((3, 3))
        e[0, 2] = e[2, 0] = 0.5
        assert np.allclose(found["right"], e @ a + a @ e, atol=1e-12)
        assert found["right_digits"] >= 12


def test_of_a_stack_there_is_a_list(capsys):
    np.save("stack.npy", np.stack([np.eye(2), 2 * np.eye(2)]))
    assert cli.main(["check", "stack.npy", "--function", "loss.py:f", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [v["place"] for v in found] == ["matrix 1", "matrix 2"]
    assert [v["value"] for v in found] == [1, 4]


#: What is asked for, and what the one line says.
BAD = {
    "loss.py:two": f"loss.py:{line('two')}: two: TypeError: missing a required argument: 'b'",
    "loss.py:itself": f"loss.py:{line('itself')}: itself: returns an array of 3 × 3, not one real",
    "loss.py:text": f"loss.py:{line('text')}: text: ",
    "loss.py:nothing": f"loss.py:{line('nothing')}: nothing: ",
    "loss.py:nan": f"loss.py:{line('nan')}: nan: returns nan",
    "loss.py:imaginary": f"loss.py:{line('imaginary')}: imaginary: returns complex128, not one",
    "loss.py:raises": f"loss.py:{line('inner')}: raises: IndexError: ",
    "loss.py:ends": f"loss.py:{line('ends')}: ends: SystemExit: enough",
    "loss.py:of_three": f"loss.py:{line('of_three')}: of_three: TypeError: missing a required",
    "loss.py:other": "loss.py: has no function other; choose from f, vector, largest",
    "loss.py:torch": "loss.py: has no function torch; choose from f, vector, largest",
    "other.py:f": "other.py: cannot be read (No such file or directory)",
    "loss.py": "loss.py: is no function; give FILE.py:NAME, as in loss.py:f",
    "syntax.py:f": "syntax.py: is not Python: invalid syntax (syntax.py, line 2)",
    "import.py:f": "import.py:3: ZeroDivisionError: division by zero",
}


@pytest.mark.parametrize("given", BAD)
def test_what_is_wrong_is_one_line_with_its_place(given, here, capsys):
    (here / "syntax.py").write_text("\ndef f(:", encoding="utf-8")
    (here / "import.py").write_text("def g():\n    '''None.'''\n    1 / 0\ng()", encoding="utf-8")
    status, out, err = check(capsys, "--function", given)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert err.startswith(f"spectralgrad: {BAD[given]}")


TOGETHER = {
    "--weights does not go with --function": ["--function", "loss.py:f", "--weights", "sum"],
    "--frameworks does not go with --function": ["--function", "loss.py:f", "--frameworks", "jax"],
    "--problem does not go with --function": ["--function", "loss.py:f", "--problem", "svd"],
    "--symmetrize does not go with --function": ["--function", "loss.py:f", "--symmetrize"],
    "--loss does not go with --function": ["--function", "loss.py:f", "--loss", "loss.py:f"],
    "--rtol does not go with --loss": ["--loss", "loss.py:f", "--problem", "svd", "--rtol", "1"],
    "--symmetric does not go with --loss": [
        *("--loss", "loss.py:f", "--problem", "svd", "--symmetric"),
    ],
    "--loss goes with --problem eigh or --problem svd; add one": ["--loss", "loss.py:f"],
    "--framework goes with --function or --loss": ["--framework", "jax"],
    "--symmetric goes with --function or --loss": ["--symmetric"],
}


@pytest.mark.parametrize("message", TOGETHER)
def test_options_that_do_not_go_together_are_one_line(message, capsys):
    status, out, err = check(capsys, *TOGETHER[message])
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert err.startswith(f"spectralgrad: {message}")


@pytest.mark.parametrize(
    ("matrix", "message"),
    [("[[1, 2], [3]]", "row 2"), ("[[1, 2], [3, 4]]", "its mirror image is 3.0")],
)
def test_so_is_what_is_wrong_with_the_matrix(matrix, message, capsys):
    assert cli.main(["check", matrix, "--function", "loss.py:f", "--symmetric"]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert message in err


def run(folder, *arguments):
    command = [sys.executable, "-m", "spectralgrad", "check", MATRIX, *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_what_the_program_prints_is_not_in_the_answer(here):
    done = run(here, "--function", "loss.py:prints", "--json")
    assert json.loads(done.stdout)["verdict"] == "agrees"
    lines = set(done.stderr.splitlines())
    assert lines == {
        "outside",
        f"spectralgrad: loss.py:prints: prints “{'on the way' * 8}”, and so on",
    }


@pytest.mark.slow
@pytest.mark.parametrize(
    ("source", "status", "said"),
    [
        # On a slow machine it may not have begun.
        ("while True: pass", 2, r"loss\.py(:3)?: took longer than 5 s; --timeout gives it more"),
        ("os.kill(os.getpid(), signal.SIGINT)", 130, "stopped"),
    ],
)
def test_whatever_stops_it_is_one_line(source, status, said, here):
    source = f"import os, signal\ndef f(a):\n    {source}\n"
    (here / "loss.py").write_text(source, encoding="utf-8")
    done = run(here, "--function", "loss.py:f", "--framework", "numpy", "--timeout", "5")
    assert (done.returncode, done.stdout) == (status, "")
    assert re.fullmatch(f"spectralgrad: {said}\n", done.stderr)
