"""Build a small book: what is done again, what is not, and what a failure leaves behind."""

import contextlib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import waiting
from writing import write_chapter

from spectralgrad.book import building, reporting


def contents(folder):
    return {
        path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def executed(root):
    return {p.name: p.stat().st_mtime_ns for p in (root / "_build" / "executed").glob("*.ipynb")}


@pytest.mark.usefixtures("measured")
def test_only_what_changed_is_done_again(built_book):
    html = built_book / "_build" / "html"
    assert "10.0" in (html / "chapters" / "one.html").read_text(encoding="utf-8")
    first, pages = executed(built_book), html.stat().st_ino
    index = building.build()
    assert index.read_text(encoding="utf-8")
    assert executed(built_book) == first
    assert html.stat().st_ino == pages
    write_chapter(built_book, "one", "print(A.sum() + 1)")
    assert building.build() == index
    second = executed(built_book)
    assert second["two.ipynb"] == first["two.ipynb"]
    assert second["one.ipynb"] != first["one.ipynb"]
    assert "11.0" in (html / "chapters" / "one.html").read_text(encoding="utf-8")


def test_a_failing_chapter_leaves_the_last_book_and_says_where(built_book):
    before = contents(built_book / "_build" / "html")
    write_chapter(built_book, "one", "x = 1", "raise RuntimeError('no\\nway')")
    write_chapter(built_book, "two", "print(A.size)")
    with pytest.raises(building.ChapterError) as caught:
        building.build()
    kept = built_book / "_build" / "executed" / "one.failed.ipynb"
    assert str(caught.value) == f"chapter one: cell 5: RuntimeError: no way (kept: {kept})"
    assert "Traceback" in kept.read_text(encoding="utf-8")
    assert contents(built_book / "_build" / "html") == before
    # The other chapter went on, and is not executed again once the first is mended.
    two = executed(built_book)["two.ipynb"]
    write_chapter(built_book, "one", "x = 1")
    building.build()
    assert executed(built_book)["two.ipynb"] == two


def test_a_page_with_a_warning_is_no_book(built_book):
    before = contents(built_book / "_build" / "html")
    (built_book / "intro.md").write_text("# A\n\n[lost](nowhere.md)\n", encoding="utf-8")
    with pytest.raises(
        building.CommandError, match=r"refused the pages: intro.md:3: WARNING: .*nowhere"
    ):
        building.build()
    assert contents(built_book / "_build" / "html") == before


def test_what_a_chapter_writes_to_standard_error_is_no_book(built_book):
    before = contents(built_book / "_build" / "html")
    write_chapter(built_book, "one", "import sys; print('noise', file=sys.stderr)")
    with pytest.raises(building.CommandError, match="stderr"):
        building.build()
    assert contents(built_book / "_build" / "html") == before


def test_without_mathjax_there_is_one_clear_line(built_book):
    (built_book / "node_modules").unlink()
    (built_book / "intro.md").write_text("# Another book\n", encoding="utf-8")
    with pytest.raises(building.CommandError, match=r"mathjax is missing .*; run `make book` once"):
        building.build()


@pytest.mark.usefixtures("measured")
def test_report(small_book, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "86400")
    Path("my.csv").write_text("1,2\n3,5\n", encoding="utf-8")
    page = reporting.report("my.csv", chapter="one")
    assert page == tmp_path / "my-report" / "one.html"
    assert "11.0" in page.read_text(encoding="utf-8")
    assert "Executed on 1970-01-02 (UTC)" in page.read_text(encoding="utf-8")
    assert "one.html" in (page.parent / "index.html").read_text(encoding="utf-8")
    assert sorted(os.listdir()) == ["my-report", "my.csv", "repository"]


@pytest.mark.usefixtures("small_book")
def test_a_kernel_of_the_same_name_is_not_taken_from_another_environment(tmp_path, monkeypatch):
    """As `python -m ipykernel install --user` leaves one, where Python is not a virtual one."""
    kernel = {"argv": ["/nowhere/python", "{connection_file}"], "display_name": "Python 3"}
    folder = tmp_path / "data" / "kernels" / "python3"
    folder.mkdir(parents=True)
    (folder / "kernel.json").write_text(json.dumps(kernel | {"language": "python"}), "utf-8")
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("JUPYTER_PREFER_ENV_PATH", "0")
    reporting.report("[[1]]", chapter="one", output=tmp_path / "page")


def test_a_failing_report_keeps_its_notebook_and_the_last_page(small_book, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    page = reporting.report("[[1]]", chapter="one", output="page")
    assert page == tmp_path / "page" / "one.html"
    before = contents(tmp_path / "page")
    write_chapter(small_book, "one", "1 / 0")
    with pytest.raises(building.ChapterError) as caught:
        reporting.report("[[1]]", chapter="one", output="page")
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
    """Whether all of them end: a kernel stopped while it starts looks for its parent first."""
    return waiting.ended(with_mark(mark)) and not list(with_mark(mark))


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
    command = [sys.executable, "-m", "spectralgrad", "report", "blog-rank-2"]
    # It loads no framework, so that it is soon rendered.
    command += ["--chapter", "theory_svd"]
    here, scratch = tmp_path / "here", tmp_path / "scratch"
    here.mkdir()
    scratch.mkdir()
    environment = os.environ | {"SPECTRALGRAD_TEST": str(tmp_path), "TMPDIR": str(scratch)}
    with subprocess.Popen(
        command, cwd=here, env=environment, stderr=subprocess.PIPE, text=True
    ) as process:
        waiting.until(lambda: stage(scratch, str(tmp_path)), process)
        process.send_signal(by)
        _, error = process.communicate()
    assert process.returncode == 130
    assert error == "spectralgrad: stopped; a report that is there is whole\n"
    assert not os.listdir(here)
    assert not os.listdir(scratch)
    assert ended(str(tmp_path))


_BUILD = """
from spectralgrad.system import interruption
interruption.catch()
print("caught", flush=True)
import sys
from pathlib import Path
from spectralgrad import __main__
from spectralgrad.book import building
root = Path(sys.argv[1])
building.root = lambda: root
sys.argv[1] = "build"
__main__.main()
"""


@contextlib.contextmanager
def started(root, mark, *arguments, **options):
    """A build of a small book in a process of its own; it and all that it starts bear a mark.

    From here on it takes signals: before, while Python starts, there is nobody to.
    """
    with subprocess.Popen(
        [sys.executable, "-c", _BUILD, str(root), *arguments],
        env=os.environ | {"SPECTRALGRAD_TEST": str(mark)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    ) as process:
        try:
            assert process.stdout.readline() == "caught\n"
            yield process
        finally:
            process.kill()


def whole(html):
    """Whether no part of a book is of another build: both chapters print the same number."""
    numbers = set()
    for name in ("one", "two"):
        text = (html / "chapters" / f"{name}.html").read_text(encoding="utf-8")
        numbers.update(re.findall(r"number (\d+)\n", text))
    return len(numbers) == 1


def renumber(root, number):
    """Change both chapters."""
    for name in ("one", "two"):
        write_chapter(root, name, f"print('number', 1000 + {number})")


def scratches(root):
    return set((root / "_build").glob("spectralgrad-*"))


# Before the command line is read, nobody knows what was to be done.
STOPPED = "spectralgrad: stopped(; the book that is there is whole)?"


@pytest.mark.usefixtures("interruptible")
def test_a_build_may_be_stopped_at_any_moment(small_book, tmp_path):
    """Set SPECTRALGRAD_KILLS to try more moments; three hundred take half an hour.

    What is asserted holds at each, so that it does not matter where on the way it finds the build.
    """
    html = small_book / "_build" / "html"
    renumber(small_book, 0)
    with started(small_book, tmp_path) as build:
        begin = time.monotonic()
        build.communicate()
        takes = time.monotonic() - begin
    assert build.returncode == 0
    moments = random.Random()
    for number in range(1, 1 + int(os.environ.get("SPECTRALGRAD_KILLS", "3"))):
        before = contents(html)
        # What is killed leaves its own, which the next build removes unless it is stopped first.
        left = scratches(small_book)
        renumber(small_book, number)
        by = (signal.SIGINT, signal.SIGTERM, signal.SIGKILL)[number % 3]
        moment = moments.uniform(0, takes)
        with started(small_book, tmp_path) as build:
            with contextlib.suppress(subprocess.TimeoutExpired):
                build.wait(moment)
            build.send_signal(by)
            _, error = build.communicate()
        told = f"{by.name} after {moment:.3f} s: {error}"
        assert ended(str(tmp_path)), told
        assert whole(html), told
        # A moment before its end, the new book is there.
        page = (html / "chapters" / "one.html").read_text(encoding="utf-8")
        assert contents(html) == before or f"number {1000 + number}\n" in page, told
        said = [line for line in error.splitlines() if not line.startswith("chapter ")]
        if build.returncode == 130:
            assert re.fullmatch(STOPPED, "\n".join(said)), told
            assert scratches(small_book) <= left, told
        else:
            assert build.returncode in (0, -signal.SIGKILL), told
            assert said == [], told
    renumber(small_book, 999)
    building.build()
    assert "number 1999\n" in (html / "chapters" / "one.html").read_text(encoding="utf-8")
    assert whole(html)
    assert sorted(os.listdir(small_book / "_build")) == ["executed", "html"]
    assert sorted(os.listdir(small_book / "_build" / "executed")) == [
        f"{name}.{suffix}" for name in ("one", "two") for suffix in ("ipynb", "key")
    ]


def test_two_builds_at_once_take_turns(small_book, tmp_path):
    begun, go = tmp_path / "begun", tmp_path / "go"
    wait = f"import os, time\nopen({str(begun)!r}, 'w').close()\n"
    wait += f"while not os.path.exists({str(go)!r}): time.sleep(0.02)"
    write_chapter(small_book, "one", wait)
    with started(small_book, tmp_path, "--output", str(tmp_path / "first")) as first:
        waiting.until(begun.exists, first)
        with started(small_book, tmp_path, "--output", str(tmp_path / "second")) as second:
            assert "another build is at work" in second.stderr.readline()
            go.touch()
            outputs = [process.communicate() for process in (first, second)]
    assert (first.returncode, second.returncode) == (0, 0)
    # By its turn, everything is executed.
    assert [errors.count("chapter one") for _, errors in outputs] == [1, 0]
    pages = [contents(tmp_path / name) for name in ("first", "second")]
    assert pages[0] == pages[1]
    # With the same output, the second finds it made.
    with started(small_book, tmp_path) as first, started(small_book, tmp_path) as second:
        outputs = [process.communicate() for process in (first, second)]
    assert (first.returncode, second.returncode) == (0, 0)
    assert contents(small_book / "_build" / "html") == pages[0]


@pytest.fixture
def full_disk(tmp_path):
    """A disk with no more space than its size, in kB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = []

    def mount(size):
        command = ["mount", "-t", "tmpfs", "-o", f"size={size}k", "none", str(folder)]
        if os.geteuid() or subprocess.run(command, capture_output=True, check=False).returncode:
            pytest.skip("no file system can be mounted here")
        mounted.append(folder)
        return folder

    yield mount
    for place in mounted:
        subprocess.run(["umount", str(place)], check=True)


@pytest.mark.parametrize("size", [8, 100, 3000])
def test_a_full_disk_is_one_clear_line(small_book, full_disk, size):
    """It is full when notebooks are written, when sources are copied, and when pages are."""
    (small_book / "_build").symlink_to(full_disk(size))
    with started(small_book, "full") as build:
        _, error = build.communicate()
    lines = [line for line in error.splitlines() if not line.startswith("chapter ")]
    assert build.returncode == 1
    assert len(lines) == 1, error
    assert lines[0].startswith("spectralgrad: ")
    assert "No space left on device" in lines[0]
    assert not (small_book / "_build" / "html").exists()


def test_a_disk_that_is_full_at_the_last_step_leaves_the_last_book(built_book, full_disk, tmp_path):
    disk = full_disk(20_000)
    html = disk / "html"
    shutil.copytree(built_book / "_build" / "html", html)
    before = contents(html)
    write_chapter(built_book, "one", "print('number', 1)")
    (disk / "filler").write_bytes(bytes(shutil.disk_usage(disk).free - 100_000))
    with started(built_book, tmp_path, "--output", str(html)) as build:
        _, error = build.communicate()
    assert build.returncode == 1
    assert "No space left on device" in error.splitlines()[-1]
    assert contents(html) == before
    assert sorted(os.listdir(disk)) == ["filler", "html"]


def test_a_place_that_is_read_only_is_one_clear_line(small_book, full_disk):
    disk = full_disk(100)
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    with started(small_book, "full", "--output", str(disk / "html")) as build:
        _, error = build.communicate()
    assert build.returncode == 2
    assert error == (
        f"spectralgrad: {disk / 'html'}: cannot be written (Read-only file system); "
        "name another output folder\n"
    )
    (small_book / "_build").symlink_to(disk)
    with started(small_book, "full") as build:
        _, error = build.communicate()
    assert build.returncode != 0
    assert error.count("\n") == 1
    assert "Read-only file system" in error
