"""Build a small book: what is done again, what is not, and what a failure leaves behind."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from writing import write_chapter

from spectralgrad import book


def contents(folder):
    return {
        path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def executed(root):
    return {p.name: p.stat().st_mtime_ns for p in (root / "_build" / "executed").glob("*.ipynb")}


def test_only_what_changed_is_done_again(built_book):
    html = built_book / "_build" / "html"
    assert "10.0" in (html / "chapters" / "one.html").read_text(encoding="utf-8")
    first, pages = executed(built_book), html.stat().st_ino
    index = book.build()
    assert index.read_text(encoding="utf-8")
    assert executed(built_book) == first
    assert html.stat().st_ino == pages
    write_chapter(built_book, "one", "print(A.sum() + 1)")
    assert book.build() == index
    second = executed(built_book)
    assert second["two.ipynb"] == first["two.ipynb"]
    assert second["one.ipynb"] != first["one.ipynb"]
    assert "11.0" in (html / "chapters" / "one.html").read_text(encoding="utf-8")


def test_a_failing_chapter_leaves_the_last_book_and_says_where(built_book):
    before = contents(built_book / "_build" / "html")
    write_chapter(built_book, "one", "x = 1", "raise RuntimeError('no\\nway')")
    write_chapter(built_book, "two", "print(A.size)")
    with pytest.raises(book.ChapterError) as caught:
        book.build()
    kept = built_book / "_build" / "executed" / "one.failed.ipynb"
    assert str(caught.value) == f"chapter one: cell 5: RuntimeError: no way (kept: {kept})"
    assert "Traceback" in kept.read_text(encoding="utf-8")
    assert contents(built_book / "_build" / "html") == before
    # The other chapter went on, and is not executed again once the first is mended.
    two = executed(built_book)["two.ipynb"]
    write_chapter(built_book, "one", "x = 1")
    book.build()
    assert executed(built_book)["two.ipynb"] == two


def test_a_page_with_a_warning_is_no_book(built_book):
    before = contents(built_book / "_build" / "html")
    (built_book / "intro.md").write_text("# A\n\n[lost](nowhere.md)\n", encoding="utf-8")
    with pytest.raises(book.BookError, match=r"refused the pages: intro.md:3: WARNING: .*nowhere"):
        book.build()
    assert contents(built_book / "_build" / "html") == before


def test_what_a_chapter_writes_to_standard_error_is_no_book(small_book):
    write_chapter(small_book, "one", "import sys; print('noise', file=sys.stderr)")
    with pytest.raises(book.BookError, match="stderr"):
        book.build()
    assert not (small_book / "_build" / "html").exists()


def test_without_mathjax_there_is_one_clear_line(small_book):
    (small_book / "node_modules").unlink()
    with pytest.raises(book.BookError, match=r"MathJax is missing .*; run `make book` once"):
        book.build()


def test_report(small_book, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "86400")
    Path("my.csv").write_text("1,2\n3,5\n", encoding="utf-8")
    page = book.report("my.csv", chapter="one")
    assert page == tmp_path / "my-report" / "one.html"
    assert "11.0" in page.read_text(encoding="utf-8")
    assert "Executed on 1970-01-02 (UTC)" in page.read_text(encoding="utf-8")
    assert "one.html" in (page.parent / "index.html").read_text(encoding="utf-8")
    assert book.report("[[1, 2]]", chapter="two", output="here") == tmp_path / "here" / "two.html"
    assert sorted(os.listdir()) == ["here", "my-report", "my.csv", "repository"]


def test_a_failing_report_keeps_its_notebook_and_the_last_page(small_book, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    book.report("[[1]]", chapter="one", output="page")
    before = contents(tmp_path / "page")
    write_chapter(small_book, "one", "1 / 0")
    with pytest.raises(book.ChapterError) as caught:
        book.report("[[1]]", chapter="one", output="page")
    # In the kept notebook: papermill has put a cell with the parameters into it.
    kept = tmp_path / "page.failed.ipynb"
    assert str(caught.value) == (
        f"chapter one: cell 5: ZeroDivisionError: division by zero (kept: {kept})"
    )
    assert kept.is_file()
    assert contents(tmp_path / "page") == before


def with_mark(mark):
    """Processes started with a mark in their environment."""
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.environ().get("SPECTRALGRAD_TEST") == mark:
                yield process


@pytest.fixture
def interruptible():
    """Let signals reach what a test starts: a background job ignores some, and passes that on."""
    handlers = {signal.SIGINT: signal.default_int_handler, signal.SIGHUP: signal.SIG_DFL}
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def ended(mark):
    """Whether all of them end soon: a kernel stopped while it starts looks for its parent first."""
    _, alive = psutil.wait_procs(list(with_mark(mark)), timeout=10)
    return not alive and not list(with_mark(mark))


def begun(scratch, mark):
    return list(scratch.glob("spectralgrad-*"))


def executing(scratch, mark):
    return any("ipykernel_launcher" in " ".join(p.cmdline()) for p in with_mark(mark))


def rendering(scratch, mark):
    return list(scratch.glob("spectralgrad-*/_build"))


@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize(
    ("stage", "by"),
    [
        *((begun, signal.SIGINT), (executing, signal.SIGINT), (rendering, signal.SIGINT)),
        *((executing, signal.SIGTERM), (executing, signal.SIGHUP)),
    ],
)
def test_a_stopped_report_leaves_nothing(stage, by, tmp_path):
    command = [sys.executable, "-m", "spectralgrad.cli", "report", "blog-rank-2"]
    # It loads no framework, so that it is soon rendered.
    command += ["--chapter", "theory_svd"]
    here, scratch = tmp_path / "here", tmp_path / "scratch"
    here.mkdir()
    scratch.mkdir()
    environment = os.environ | {"SPECTRALGRAD_TEST": str(tmp_path), "TMPDIR": str(scratch)}
    with subprocess.Popen(
        command, cwd=here, env=environment, stderr=subprocess.PIPE, text=True
    ) as process:
        while not stage(scratch, str(tmp_path)):
            assert process.poll() is None
            time.sleep(0.05)
        process.send_signal(by)
        _, error = process.communicate()
    assert process.returncode == 130
    assert error == "spectralgrad: stopped; the last report is as it was\n"
    assert not os.listdir(here)
    # Jupyter's own connection file may stay, if the kernel had no time to start.
    assert not list(scratch.glob("spectralgrad-*"))
    assert ended(str(tmp_path))


@pytest.mark.usefixtures("interruptible")
def test_a_stopped_build_stops_its_chapters(small_book, monkeypatch, tmp_path):
    """The chapters would take a minute each; nothing waits for that."""
    monkeypatch.setenv("SPECTRALGRAD_TEST", str(tmp_path))
    for name in ("one", "two"):
        write_chapter(small_book, name, "import time; time.sleep(60)")
    started = []

    def interrupt(*_, **__):
        while len(list(with_mark(str(tmp_path)))) < 4:
            time.sleep(0.1)
        started.extend(with_mark(str(tmp_path)))
        raise KeyboardInterrupt

    monkeypatch.setattr("tqdm.tqdm", interrupt)
    with pytest.raises(KeyboardInterrupt):
        book.build()
    assert len(started) >= 4
    assert ended(str(tmp_path))
    assert not (small_book / "_build" / "html").exists()
