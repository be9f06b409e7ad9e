"""Nothing is written, replaced or removed but in the place that was named."""

import os
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from writing import write_chapter

from spectralgrad import cli, matrices
from spectralgrad.book import building, reporting
from spectralgrad.survey import running
from spectralgrad.system import storage

# One of its singular values can hardly be told from zero, so that it gets a report.
FLAGGED = np.diag([1.0, 1e-13, 0.0])
QUICK = {"frameworks": "autograd", "problem": "svd", "jobs": 1}


def contents(folder):
    """Every file, link and folder, with what is in it."""
    return {
        str(path.relative_to(folder)): os.readlink(path)
        if path.is_symlink()
        else path.read_bytes()
        if path.is_file()
        else None
        for path in folder.rglob("*")
    }


@pytest.fixture
def outside(tmp_path, monkeypatch):
    """A folder that is not to be touched, beside the one in which this runs; checked at the end."""
    folder = tmp_path / "outside"
    (folder / "inner").mkdir(parents=True)
    (folder / "thesis.tex").write_text("years of work", encoding="utf-8")
    (folder / "inner" / "data.npy").write_text("more of it", encoding="utf-8")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    before = contents(folder)
    yield folder
    assert contents(folder) == before
    assert sorted(set(os.listdir(tmp_path)) - {"repository"}) == ["here", "outside"]


# Reports


@pytest.mark.parametrize(
    "chapter", ["../x", "/etc/passwd", "chapters/ties", "ties.ipynb", "", ".", "..", "a\nb", "<b>"]
)
def test_a_chapter_is_one_of_the_book(chapter, outside, capsys):
    assert cli.main(["report", "[[1]]", "--chapter", chapter]) == 2
    error = capsys.readouterr().err
    assert error.startswith("spectralgrad: unknown chapter") and error.count("\n") == 1
    assert os.listdir() == []


@pytest.mark.parametrize("output", ["link", "up/..", "file", ".", "..", "/", "../outside"])
def test_a_report_takes_no_folder_that_is_not_its_own(output, outside, capsys):
    Path("link").symlink_to(outside)
    Path("up").mkdir()
    Path("file").write_text("a file", encoding="utf-8")
    before = contents(Path.cwd())
    assert cli.main(["report", "[[1]]", "--output", output]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert contents(Path.cwd()) == before


def test_a_report_stays_in_its_folder(outside, small_book):
    """Whatever the name of the matrix, and whatever is in the folder already."""
    np.savetxt("...csv", np.eye(2), delimiter=",")
    # Links that somebody has put into a report of ours.
    page = Path.cwd() / "..-report" / "one.html"
    page.parent.mkdir()
    (page.parent / storage.MARK).touch()
    (page.parent / "_static").symlink_to(outside)
    page.symlink_to(outside / "thesis.tex")
    assert reporting.report("../here/...csv", chapter="one") == page
    assert page.is_file() and not page.is_symlink()
    assert (page.parent / "_static").is_dir() and not (page.parent / "_static").is_symlink()
    assert sorted(os.listdir()) == ["..-report", "...csv"]


@pytest.fixture
def other_disk(tmp_path, monkeypatch):
    """Have temporary files elsewhere, from where they cannot just be renamed."""
    shared = Path("/dev/shm")
    if not shared.is_dir() or shared.stat().st_dev == Path(tempfile.gettempdir()).stat().st_dev:
        pytest.skip("there is one file system only")
    with tempfile.TemporaryDirectory(dir=shared) as folder:
        monkeypatch.setattr(tempfile, "tempdir", folder)
        yield


@pytest.mark.usefixtures("other_disk")
@pytest.mark.parametrize("source", ["1 / 0", "import sys; print('noise', file=sys.stderr)"])
def test_what_a_failed_report_leaves_is_not_written_through_a_link(source, small_book, tmp_path):
    write_chapter(small_book, "one", source)
    thesis, here = tmp_path / "thesis.tex", tmp_path / "here"
    thesis.write_text("years of work", encoding="utf-8")
    here.mkdir()
    for name in ("page.log", "page.failed.ipynb"):
        (here / name).symlink_to(thesis)
    with pytest.raises(building.CommandError):
        reporting.report("[[1]]", chapter="one", output=here / "page")
    assert thesis.read_text(encoding="utf-8") == "years of work"


# Surveys


def test_members_of_archives_name_no_files(outside):
    with tempfile.TemporaryFile() as file:
        np.save(file, FLAGGED)
        file.seek(0)
        content = file.read()
    for number, member in enumerate(("../x.npy", "../outside/inner/data.npy", f"{outside}/y.npy")):
        with zipfile.ZipFile(f"{number}.npz", "w") as archive:
            archive.writestr(member, content)
        assert np.array_equal(matrices.load(f"{number}.npz"), FLAGGED)
    running.survey(["."], **QUICK, reports="none")
    assert sorted(os.listdir()) == ["0.npz", "1.npz", "2.npz", "results.parquet"]


@pytest.mark.parametrize(
    "name", [".results.parquet.lock", "results.parquet/.part-000001.parquet.new"]
)
def test_a_survey_writes_through_no_link_beside_its_results(name, outside):
    np.save("a.npy", FLAGGED)
    Path(name).parent.mkdir(exist_ok=True)
    Path(name).symlink_to(outside / "thesis.tex")
    if name.endswith("lock"):
        with pytest.raises(building.InputError, match="cannot be written"):
            running.survey(["a.npy"], **QUICK, reports="none")
        assert sorted(os.listdir()) == [name, "a.npy"]
    else:
        running.survey(["a.npy"], **QUICK, reports="none")
        assert sorted(os.listdir()) == ["a.npy", "results.parquet"]


def linked_folder(outside):
    Path("results-reports").symlink_to(outside)


def linked_inner_folder(outside):
    Path("results-reports").mkdir()
    Path("results-reports", storage.MARK).touch()
    Path("results-reports", reporting.EXECUTED).symlink_to(outside)


def linked_mark(outside):
    Path("results-reports").mkdir()
    Path("results-reports", storage.MARK).symlink_to(outside / "new")


def linked_file(outside):
    Path("results-reports", reporting.EXECUTED).mkdir(parents=True)
    Path("results-reports", storage.MARK).touch()
    Path("results-reports", reporting.EXECUTED, "0.failed.ipynb").symlink_to(outside / "thesis.tex")


LINKED = [linked_folder, linked_inner_folder, linked_mark, linked_file]


@pytest.mark.parametrize("prepare", LINKED, ids=lambda prepare: prepare.__name__)
def test_the_pages_of_a_survey_go_through_no_link(prepare, outside):
    np.save("a.npy", FLAGGED)
    prepare(outside)
    before = contents(Path.cwd())
    with pytest.raises(
        building.InputError, match=r"is a link; remove it|is not a folder; name another"
    ):
        running.survey(["a.npy"], **QUICK)
    assert contents(Path.cwd()) == before


def test_the_names_of_matrices_and_braces_in_that_of_the_results_lead_nowhere(
    outside, small_book, monkeypatch
):
    """Papermill fills in the parameters of a notebook where its path has braces."""
    write_chapter(small_book, "your_matrix", "print(A.shape)")
    np.save("a.npy", FLAGGED)
    done = running.survey(["../here/a.npy"], **QUICK, output="{matrix}.parquet")
    assert done.failures == []
    assert sorted(os.listdir()) == ["a.npy", "{matrix}-reports", "{matrix}.parquet"]
    assert len(list(Path("{matrix}-reports", "reports").glob("*.html"))) == 1
