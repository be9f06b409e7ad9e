"""What is made of the same sources, with the same lock and on the same machine, is the same.

Each chapter is executed again, in another process and folder and at another time; and the book is
rendered again from what was executed. What two pages measure, the time that a gradient takes, is
never the same twice: their own tests have them show the times of the first again.
"""

import os
import shutil
import subprocess
import sys

import pytest
from executing import execute_again, shown

from spectralgrad.book import building

ROOT = building.root()
MEASURING = {"performance", "large_and_sparse"}
COPIED = shutil.ignore_patterns("_build", ".venv*", "node_modules", "__pycache__", ".*_cache")


@pytest.mark.parametrize("chapter", sorted(set(building.chapters()) - MEASURING))
def test_two_executions_show_the_same(chapter, html, tmp_path):
    first, second = execute_again(chapter, tmp_path)
    assert list(shown(first)) == list(shown(second))


def files(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture(scope="module")
def rendered_again(tmp_path_factory, html):
    """The pages of a build in another folder, at another time, from what was executed here."""
    copy = tmp_path_factory.mktemp("again") / "copy"
    shutil.copytree(ROOT, copy, symlinks=True, ignore=COPIED)
    (copy / "node_modules").symlink_to(ROOT / "node_modules")
    shutil.copytree(html.parent / "executed", copy / "_build" / "executed")
    environment = os.environ | {"PYTHONPATH": str(copy / "src")}
    command = [sys.executable, "-m", "spectralgrad", "build"]
    done = subprocess.run(
        command, cwd=copy, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    # Where the book is does not count among what a chapter depends on.
    assert "chapter " not in done.stderr
    return copy / "_build" / "html"


def test_two_renderings_are_the_same_byte_for_byte(html, rendered_again):
    first, second = files(html), files(rendered_again)
    assert first.keys() == second.keys()
    assert not [name for name in first if first[name] != second[name]]


def test_no_folder_of_this_machine_is_in_the_book(html, rendered_again):
    for folder in (ROOT, rendered_again.parents[1]):
        text = str(folder).encode()
        assert not [name for name, content in files(html).items() if text in content]
