"""Two builds of the same sources, with the same lock and on the same machine, are the same.

What one page measures, the time that a gradient takes, is never the same twice: the second build
shows the times of the first.
"""

import shutil
import subprocess
import sys

import pytest
from executing import without_coverage

from spectralgrad import book

ROOT = book.root()
COPIED = shutil.ignore_patterns("_build", ".venv", "node_modules", "__pycache__", ".*_cache")


def files(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture(scope="module")
def built_again(tmp_path_factory, html):
    """Everything that a cold build makes, in another folder, at another time."""
    copy = tmp_path_factory.mktemp("again") / "copy"
    shutil.copytree(ROOT, copy, symlinks=True, ignore=COPIED)
    (copy / "node_modules").symlink_to(ROOT / "node_modules")
    times = html.parent / "executed" / "performance.ipynb"
    # The package in the copy is not the one whose coverage is measured.
    environment = without_coverage() | {
        "PYTHONPATH": str(copy / "src"),
        "SPECTRALGRAD_TIMES": str(times),
    }
    # Executed at other times of each other than those before.
    command = [sys.executable, "-m", "spectralgrad.cli", "build", "--jobs", "1"]
    done = subprocess.run(
        command, cwd=copy, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("chapter ") == len(book.chapters())
    return copy / "_build"


@pytest.mark.parametrize("what", ["executed", "html"])
def test_two_builds_are_the_same_byte_for_byte(what, html, built_again):
    first, second = (files(folder / what) for folder in (html.parent, built_again))
    # How long a chapter took is kept beside it, for the next build.
    first, second = (
        {n: b for n, b in s.items() if not n.endswith(".key")} for s in (first, second)
    )
    assert first.keys() == second.keys()
    assert not [name for name in first if first[name] != second[name]]


def test_no_folder_of_this_machine_is_in_the_book(html, built_again):
    for folder in (ROOT, built_again.parent):
        text = str(folder).encode()
        assert not [name for name, content in files(html).items() if text in content]
