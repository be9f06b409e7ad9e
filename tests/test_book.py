import json
import os
from pathlib import Path

import pytest

from spectralgrad import book


@pytest.fixture
def notebook():
    return json.loads(book.chapters()["eigh_example"].read_text(encoding="utf-8"))


def test_parameters_are_read_from_the_notebook(notebook):
    known = book.parameters(notebook)
    assert list(known) == ["matrix", "eigenvalue"]
    assert known["eigenvalue"] == book.Parameter("eigenvalue", "int", 0)


@pytest.mark.parametrize(
    ("type_", "text", "value"),
    [("str", "my.csv", "my.csv"), ("int", "-1", -1), ("float", "1e-3", 1e-3), ("list", "[1]", [1])],
)
def test_parse(type_, text, value):
    assert book.Parameter("p", type_, None).parse(text) == value


@pytest.mark.parametrize(
    ("type_", "text"),
    [
        *(("int", "x"), ("int", "1.5"), ("int", "true"), ("float", "NaN x"), ("list", "1")),
        ("list", "[" * 100_000),
    ],
)
def test_parse_refuses(type_, text):
    with pytest.raises(book.InputError, match=f"parameter p: must be of type {type_}, not"):
        book.Parameter("p", type_, None).parse(text)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"matrix": "[[1, 2], [3, 4]]"}, "row 1, column 2: holds 2.0, and its mirror image is 3.0"),
        ({"matrix": "[[1, 2, 3]]"}, "is 1 × 3"),
        ({"eigenvalue": 4}, "choose from -4 to 3"),
        ({"matrix": "blog-rank"}, "did you mean blog-rank-2?"),
    ],
)
def test_check_input_refuses_in_one_line(notebook, values, message):
    with pytest.raises(book.InputError) as caught:
        book.check_input(notebook, values)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_check_input_accepts_the_defaults(notebook):
    book.check_input(notebook, {})


def test_a_folder_that_is_not_ours_is_not_replaced(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work", encoding="utf-8")
    with pytest.raises(book.InputError, match="holds files that are not a rendered book"):
        book._require_ours(tmp_path)
    book._require_ours(tmp_path / "new" / "folder")
    with pytest.raises(book.InputError, match="is not a folder"):
        book._require_ours(tmp_path / "thesis.tex")
    link = tmp_path / "link"
    link.symlink_to(tmp_path)
    with pytest.raises(book.InputError, match="is not a folder"):
        book._require_ours(link)


def test_two_dots_do_not_lead_to_a_folder_that_is_not_ours(tmp_path, monkeypatch):
    """As long as new is not there, new/../thesis is not there either."""
    monkeypatch.chdir(tmp_path)
    Path("thesis").mkdir()
    Path("thesis", "work.tex").write_text("years of work", encoding="utf-8")
    with pytest.raises(book.InputError, match="holds files that are not a rendered book"):
        book.report("[[1]]", chapter="svd_example", output="new/../thesis")
    assert os.listdir() == ["thesis"]


def test_names_made_from_a_long_name_are_short():
    assert len(book._stem("x" * 240 + ".csv").encode()) < 100
    assert len(book._stem("ü" * 120 + ".csv").encode()) <= 200


@pytest.mark.parametrize("output", ["/proc/x/y", "/dev/null/x"])
def test_a_place_that_cannot_be_written_is_refused(output):
    with pytest.raises(book.InputError, match=r"cannot be written .*; name another folder"):
        book._require_ours(Path(output))


def test_publishing_replaces_the_old_pages_as_a_whole(tmp_path):
    output = tmp_path / "book"
    for text in ("old", "new"):
        pages = tmp_path / "pages"
        pages.mkdir()
        (pages / f"{text}.html").write_text(text, encoding="utf-8")
        book._publish(pages, output, mark=text)
    assert sorted(os.listdir(output)) == [book.MARK, "new.html"]
    assert sorted(os.listdir(tmp_path)) == ["book"]
    book._require_ours(output)


def test_publishing_that_is_stopped_leaves_the_old_pages(tmp_path, monkeypatch):
    output, pages = tmp_path / "book", tmp_path / "pages"
    pages.mkdir()
    book._publish(pages, output, mark="old")
    pages.mkdir()
    rename = Path.rename

    def stop(self, target):
        if self.name == "new":
            raise KeyboardInterrupt
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", stop)
    with pytest.raises(KeyboardInterrupt):
        book._publish(pages, output, mark="new")
    assert (output / book.MARK).read_text(encoding="utf-8") == "old"
    assert os.listdir(tmp_path) == ["book"]


def test_a_folder_that_was_filled_meanwhile_is_not_replaced(tmp_path):
    output, pages = tmp_path / "book", tmp_path / "pages"
    pages.mkdir()
    output.mkdir()
    (output / "thesis.tex").write_text("years of work", encoding="utf-8")
    with pytest.raises(book.InputError, match="holds files"):
        book._publish(pages, output, mark="new")
    assert os.listdir(output) == ["thesis.tex"]


def test_a_failure_names_the_cell_and_the_exception(tmp_path):
    cells = [
        {"cell_type": "markdown", "metadata": {"tags": ["papermill-error-cell-tag"]}, "source": ""},
        {"cell_type": "code", "metadata": {}, "outputs": [], "source": "x = 1"},
        {
            "cell_type": "code",
            "metadata": {},
            "source": "1 / 0",
            "outputs": [
                {"output_type": "error", "ename": "ZeroDivisionError", "evalue": "division\nby"}
            ],
        },
    ]
    kept = tmp_path / "out.ipynb"
    kept.write_text(json.dumps({"cells": cells}), encoding="utf-8")
    assert book._failure(kept, "") == f"cell 2: ZeroDivisionError: division by (kept: {kept})"
    assert book._failure(tmp_path / "none.ipynb", "a\nDead kernel\n") == "Dead kernel"
    kept.write_text("", encoding="utf-8")
    assert book._failure(kept, "Killed") == "Killed"


def test_the_key_of_a_chapter_changes_with_its_source(tmp_path):
    chapter = tmp_path / "c.ipynb"
    chapter.write_text("1", encoding="utf-8")
    first = book._chapter_key(chapter)
    assert book._chapter_key(chapter) == first
    chapter.write_text("2", encoding="utf-8")
    assert book._chapter_key(chapter) != first


def test_the_key_of_a_chapter_changes_with_the_lock_and_the_package(tmp_path, monkeypatch):
    chapter, lock, package = (tmp_path / name for name in ("c.ipynb", "requirements.lock", "p"))
    package.mkdir()
    module = package / "module.py"
    for path in (chapter, lock, module):
        path.write_text("1", encoding="utf-8")
    monkeypatch.setattr(book, "root", lambda: tmp_path)
    monkeypatch.setattr(book, "__file__", str(package / "book.py"))
    keys = [book._chapter_key(chapter)]
    for path in (lock, module):
        path.write_text("2", encoding="utf-8")
        keys.append(book._chapter_key(chapter))
    assert len(set(keys)) == 3


def test_a_chapter_whose_execution_was_not_recorded_is_executed_again(tmp_path, monkeypatch):
    """Even if its source is put back to what was recorded last."""
    chapter, executed = tmp_path / "c.ipynb", tmp_path / "executed"
    executed.mkdir()
    runs, write = [], Path.write_text

    def finish(process, values, name, target):
        runs.append(chapter.read_text(encoding="utf-8"))
        target.write_text(runs[-1], encoding="utf-8")

    def stop(self, *arguments, **named):
        if self.suffix == ".key":
            raise KeyboardInterrupt
        return write(self, *arguments, **named)

    monkeypatch.setattr(book, "_start_papermill", lambda *_: None)
    monkeypatch.setattr(book, "_finish_papermill", finish)
    chapter.write_text("1", encoding="utf-8")
    book._execute(chapter, executed, [])
    chapter.write_text("2", encoding="utf-8")
    with monkeypatch.context() as stopped:
        stopped.setattr(Path, "write_text", stop)
        with pytest.raises(KeyboardInterrupt):
            book._execute(chapter, executed, [])
    chapter.write_text("1", encoding="utf-8")
    book._execute(chapter, executed, [])
    assert runs == ["1", "2", "1"]
