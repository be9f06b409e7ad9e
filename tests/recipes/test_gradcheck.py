"""The checks that PyTorch and JAX have themselves, by finite differences, at ties."""

import json
import subprocess
import sys
from pathlib import Path

from recipes.points import POINTS
from recipes.problems import problem
from recipes.truth import DEFINED, smooth


def test_gradcheck_and_gradgradcheck():
    """All functions in one process of their own, as its start takes longest."""
    tests = Path(__file__).parents[1]
    command = [sys.executable, "-m", "recipes.gradchecks"]
    done = subprocess.run(command, cwd=tests, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    assert found.keys() == DEFINED.keys()
    assert not {name: failures for name, failures in found.items() if failures}


def test_check_grads():
    import jax
    from jax.test_util import check_grads

    (point,) = smooth("polar", [p for p in POINTS if p.name == "tie"])
    function, _ = problem("jax", "polar", point)
    with jax.enable_x64(True):
        check_grads(jax.jit(function), (point.matrix,), order=2, modes=("fwd", "rev"))
