"""Whatever call of a build to the system fails, or is the last one, the book is whole."""

import os
import shutil
import subprocess
import sys

import failing
import pytest
from writing import write_chapter

from spectralgrad.book import building, execution

# Set in the process in which the trials are made.
ALONE = "SPECTRALGRAD_ALONE"


class Executed(execution.Run):
    """Take a chapter as it is for executed."""

    def __init__(self, page, scratch, *_):
        self.page, self.notebook = page, scratch / f"{page.name}.ipynb"

    def wait(self):
        return 0

    def finish(self, keep):
        shutil.copy(self.page.chapter, self.notebook)
        return 1.0

    def __exit__(self, *_):
        pass


class Rendered:
    """Take the chapters for pages."""

    def __init__(self, source, scratch):
        self.source = source

    def finish(self, keep):
        return self.source

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass


@pytest.fixture
def book(tmp_path, monkeypatch):
    """A book of two chapters; to execute and to render them takes no time."""
    (tmp_path / "chapters").mkdir()
    for name in ("_toc.yml", "requirements.lock"):
        (tmp_path / name).touch()
    for module, name, value in (
        (building, "root", lambda: tmp_path),
        (building, "lay_out_book", lambda source, executed: shutil.copytree(executed, source)),
        (building, "Renderer", Rendered),
        (execution, "Run", Executed),
        # It takes longer than all else.
        (os, "fsync", lambda _: None),
        (execution, "key", lambda page, _: execution.digest(page.chapter.read_bytes())),
    ):
        monkeypatch.setattr(module, name, value)
    return tmp_path


def renumber(book, number):
    for name in ("one", "two"):
        write_chapter(book, name, f"print({number})")


def pages(book):
    return {p.name: p.read_bytes() for p in (book / "_build" / "html").glob("*.ipynb")}


def chapters(book):
    return {p.name: p.read_bytes() for p in (book / "chapters").iterdir()}


def test_whatever_call_fails_or_is_the_last_one_the_book_is_whole(tmp_path):
    """In a process of its own: those in which other tests have run have threads, and are no good to
    be forked.
    """
    alone = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--no-header"]
    alone += [f"--basetemp={tmp_path / 'alone'}", "-k", "every_trial", __file__]
    done = subprocess.run(
        alone, env=os.environ | {ALONE: "1"}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-3000:]
    assert "1 passed" in done.stdout


@pytest.mark.skipif(ALONE not in os.environ, reason="the test before starts it")
def test_every_trial(book):
    renumber(book, 0)
    building.build()
    old = pages(book)
    renumber(book, 1)
    found = set()
    for number, status in enumerate(failing.each(building.build), 2):
        found.add(status)
        new = chapters(book)
        assert status in (failing.DONE, failing.SURVIVED, failing.FAILED, failing.KILLED)
        finished = status in (failing.DONE, failing.SURVIVED)
        assert pages(book) == new or (not finished and pages(book) == old)
        if not finished:
            building.build()
        assert pages(book) == new
        # What ends once the new book is there leaves the old one aside, for the next to remove.
        left = set(os.listdir(book / "_build")) - {"executed", "html"}
        assert left <= {".html.spectralgrad", ".html.spectralgrad.lock"}
        assert len(list((book / "_build" / "executed").iterdir())) == 4
        old = new
        renumber(book, number)
    assert found >= {failing.DONE, failing.FAILED, failing.KILLED}
    assert not left
    assert number > 120
