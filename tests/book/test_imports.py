"""What a piece of code can import."""

import subprocess
import sys
from pathlib import Path

import pytest

import spectralgrad
from spectralgrad.book import imports

PACKAGE = Path(spectralgrad.__file__).parent


def found(source):
    return {path.relative_to(PACKAGE).as_posix() for path in imports.files([source])}


ROOT = {"__init__.py"}
EXACT = ROOT | {"theory/__init__.py", "theory/arrays.py", "theory/exact.py"}


@pytest.mark.parametrize(
    ("source", "files"),
    [
        ("x = 1", ROOT),
        ("from spectralgrad.theory import exact", EXACT),
        ("from spectralgrad.theory.exact import svd", EXACT),
        ("import spectralgrad.theory.exact as e  # (by name)", EXACT),
        ("def f():\n    from spectralgrad.theory import (\n        exact,\n    )", EXACT),
        ("code = '''\nfrom spectralgrad.theory import exact\n'''", EXACT),
        ("'Numbers from spectralgrad are exact.'", ROOT),
        ("import spectralgradient", ROOT),
    ],
)
def test_statements_are_followed_wherever_they_stand(source, files):
    assert found(source) == files


def test_data_beside_a_module_belong_to_it():
    assert {"book/sentences.py", "book/sentences.jinja"} <= found(
        "from spectralgrad.book import sentences"
    )


@pytest.mark.slow
def test_what_is_loaded_was_found():
    """Frameworks are imported by name, when a check asks for them."""
    source = "from spectralgrad import verdict"
    code = f"import sys\n{source}\nverdict.check('[[2, 1], [1, 2]]')\n"
    code += "print(*(m.__file__ for n, m in sys.modules.items() if n.startswith('spectralgrad')))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {Path(path).relative_to(PACKAGE).as_posix() for path in done.stdout.split()}
    assert "frameworks/jax.py" in loaded
    assert loaded <= found(source)
