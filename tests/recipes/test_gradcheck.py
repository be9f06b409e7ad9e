"""The checks that PyTorch and JAX have themselves, by finite differences, at ties."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from recipes.points import POINTS
from recipes.problems import problem
from recipes.truth import DEFINED, smooth


@pytest.mark.needs("torch")
def test_gradcheck_and_gradgradcheck():
    """All functions in one process of their own, as its start takes longest."""
    tests = Path(__file__).parents[1]
    command = [sys.executable, "-m", "recipes.gradchecks"]
    done = subprocess.run(command, cwd=tests, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    assert found.keys() == DEFINED.keys()
    assert not {name: failures for name, failures in found.items() if failures}


# In one process, for what JAX has compiled for one function serves the next.
@pytest.mark.xdist_group("check_grads")
@pytest.mark.parametrize("name", DEFINED)
def test_check_grads(name):
    import jax
    from jax.test_util import check_grads

    ties, apart = (
        smooth(name, [p for p in POINTS if p.name in names])
        for names in (("tie", "tied reflection"), ("regular",))
    )
    point = (ties or apart)[0]
    function, like = problem("jax", name, point)
    with jax.enable_x64(True):
        check_grads(lambda a: function(a, *like), (point.matrix,), order=2, modes=("fwd", "rev"))
