"""What is skipped where a framework is missing, and what must not be."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

#: Runs pytest where autograd cannot be found, and JAX can but is broken.
PROGRAM = """
import sys
from importlib.machinery import PathFinder

class Hidden(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name == "autograd" else super().find_spec(name, path, target)

sys.meta_path[:] = [Hidden if finder is PathFinder else finder for finder in sys.meta_path]
import pytest
sys.exit(pytest.main(["-p", "absent", "-p", "no:cacheprovider", "-q", "-rA", *sys.argv[1:]]))
"""

TESTS = """
import importlib
import pytest
from spectralgrad import frameworks

@pytest.fixture
def framework():
    return frameworks.get("autograd")

def test_in_a_fixture(framework): pass
def test_as_it_runs(): frameworks.get("autograd")
def test_a_part_of_it(): import autograd.numpy
def test_behind_another_error():
    try:
        frameworks.get("autograd")
    except ImportError as error:
        raise RuntimeError("no answer") from error

@pytest.mark.parametrize("name", ["autograd", "numpy"])
def test_case(name): frameworks.get(name)
def test_caught():
    with pytest.raises(ModuleNotFoundError):
        frameworks.get("autograd")
@pytest.mark.needs("autograd")
def test_marked(): assert False

def test_another_package(): import autogradient
def test_a_broken_framework(): import jax
@pytest.mark.needs("jax")
def test_a_broken_framework_that_is_needed(): import jax
def test_wrong():
    try:
        import autograd
    except ImportError:
        pass
    assert False
"""

# Programs are started.
pytestmark = pytest.mark.slow

SKIPPED = ("in_a_fixture", "as_it_runs", "a_part_of_it", "behind_another_error", "case", "marked")
FAILED = (
    "another_package",
    "a_broken_framework",
    "a_broken_framework_that_is_needed",
    "wrong",
)


@pytest.fixture
def run(tmp_path):
    """Run tests, of a file of their own, with pytest."""
    (tmp_path / "run.py").write_text(PROGRAM, encoding="utf-8")
    (tmp_path / "helper.py").write_text("import autograd\nx = 1\n", encoding="utf-8")
    (tmp_path / "jax.py").write_text("import jax_not_there\n", encoding="utf-8")
    paths = os.pathsep.join([str(tmp_path), str(Path(__file__).parent)])

    def run(source):
        (tmp_path / "test_small.py").write_text(source, encoding="utf-8")
        return subprocess.run(
            [sys.executable, "run.py", "test_small.py"],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": paths, "PYTEST_ADDOPTS": ""},
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def names(printed, outcome):
    """Tests with an outcome, by the short summary."""
    return {*re.findall(rf"^{outcome} [^:\n]*::test_(\w+)", printed, re.M)}


def test_only_what_needs_a_framework_that_is_not_there_is_skipped(run):
    printed = run(TESTS).stdout
    assert names(printed, "FAILED") == set(FAILED)
    assert names(printed, "PASSED") == {"case", "caught"}
    lines = [TESTS[: TESTS.index(f"def test_{name}(")].count("\n") + 1 for name in SKIPPED]
    skipped = {int(n) for n in re.findall(r"^SKIPPED .*py:(\d+): autograd is not ", printed, re.M)}
    # A decorator may be taken for the first line.
    assert skipped <= {line - above for line in lines for above in (0, 1)}
    assert len(skipped) == len(SKIPPED)
    assert f"autograd is not installed: {len(SKIPPED)} tests skipped" in printed.splitlines()


@pytest.mark.parametrize(
    ("source", "said", "status"),
    [
        ("import autograd.numpy", "autograd is not installed: 1 file skipped", 5),
        ("from helper import x", "autograd is not installed: 1 file skipped", 5),
        ("import autogradient", "autograd is not installed: no test skipped", 2),
        ("import jax", "autograd is not installed: no test skipped", 2),
        ("", "autograd is not installed: no test skipped", 0),
    ],
)
def test_a_file_that_imports_it_is_skipped_and_no_other(source, said, status, run):
    done = run(f"{source}\ndef test_it(): pass\n")
    assert done.returncode == status
    assert said in done.stdout.splitlines()
    # Broken it is, and not absent.
    assert "JAX is not installed" not in done.stdout
