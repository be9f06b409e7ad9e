"""The pages of a survey, in Chromium: an index to sort and filter, and reports on matrices."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import auditing
import numpy as np
import pandas as pd
import psutil
import pytest
import waiting
from watching import Watched
from writing import write_chapter

from spectralgrad.book import building, reporting
from spectralgrad.survey import pages, running, status
from spectralgrad.verdict import Question

ODD = "<img src=x onerror=alert(1)> *a* `b` $x$.npy"
QUICK = {"frameworks": "autograd", "problem": "svd", "jobs": 2}

# One of its singular values can hardly be told from zero, so that there is no verdict.
FLAGGED = np.diag([1.0, 1e-13, 0.0])


def lay_out(root):
    """Write a book whose report is quick, and fails for a matrix of two rows."""
    real = building.root()
    (root / "chapters").mkdir(parents=True)
    shutil.copytree(real / "assets", root / "assets")
    for name in ("_config.yml", "references.bib", "requirements.lock", "_toc.yml"):
        shutil.copy(real / name, root)
    (root / "node_modules").symlink_to(real / "node_modules")
    write_chapter(root, "your_matrix", "print(A.shape)", "1 / (len(A) - 2)")


def write(folder):
    """Write matrices of every kind."""
    folder.mkdir()
    np.save(folder / ODD, FLAGGED)
    np.save(folder / "stack.npy", np.array([np.eye(3)] * 9 + [FLAGGED] * 3))
    np.save(folder / "fails.npy", np.diag([1.0, 1e-13, 0.0])[:2])
    np.save(folder / "large.npy", np.diag([1.0, 2e-12, *[0.0] * 299]))
    (folder / "bad.csv").write_text("1,<b>\n", encoding="utf-8")


@pytest.fixture(scope="module")
def surveyed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("survey")
    lay_out(folder / "repository")
    write(folder / "data")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(building, "root", lambda: folder / "repository")
        patch.chdir(folder)
        return running.survey(["data"], **QUICK)


def opened(browser, done, *arguments, **options):
    watched = Watched(browser, done.index.as_uri(), *arguments, **options)
    watched.page.wait_for_selector("#survey-table .tabulator-row")
    return watched


def column(page, field):
    cells = page.locator(f"#survey-table .tabulator-row [tabulator-field='{field}']")
    return cells.all_inner_texts()


def test_the_summary_counts_and_names_what_failed(surveyed):
    assert (surveyed.matrices, surveyed.flagged, surveyed.bad) == (16, 6, 1)
    (failure,) = surveyed.failures
    kept = surveyed.index.parent / reporting.EXECUTED
    assert failure.startswith("data/fails.npy: chapter your_matrix: cell 6: ZeroDivisionError")
    assert Path(failure.split("(kept: ")[1][:-1]).parent == kept
    assert surveyed.summary.splitlines()[-3:] == [
        f"no report: {failure}",
        f"results: {surveyed.output}",
        f"pages: {surveyed.index}",
    ]
    assert surveyed.index == surveyed.output.with_name("results-reports") / "index.html"


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (360, "dark")])
def test_the_index_shows_what_matters_first_and_nothing_goes_wrong(
    browser, surveyed, width, scheme
):
    with opened(browser, surveyed, width, scheme) as watched:
        page = watched.page
        assert column(page, "source")[:7] == [
            *(f"data/{ODD}", "data/fails.npy", "data/large.npy", *["data/stack.npy"] * 3),
            "data/bad.csv",
        ]
        assert column(page, "place")[3:6] == ["matrix 10", "matrix 11", "matrix 12"]
        looks = column(page, "look")
        assert looks == ["yes"] * 6 + ["unreadable"] + ["no"] * 9
        assert column(page, "autograd")[:8] == [*["undecided"] * 6, "", "agrees"]
        assert column(page, "report")[:4] == ["report", "failed", "too large", "report"]
        assert set(column(page, "report")[6:]) == {""}
        assert "<b>" in column(page, "message")[6]
        text = page.locator("article").inner_text()
        assert "16 matrices in results.parquet, 6 with an answer that asks for a closer" in text
        assert "more than 300 rows or columns has no report" in text
        wide = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        assert wide <= 0, "the page scrolls sideways"
        assert watched.problems == []


def test_the_index_is_dark_in_dark_mode(browser, surveyed):
    seen = []
    for scheme in ("light", "dark"):
        with opened(browser, surveyed, 1280, scheme) as watched:
            watched.page.locator("input[aria-label='filter by autograd']").click()
            watched.page.wait_for_selector(".tabulator-edit-list-item")
            seen.append(
                [
                    watched.page.evaluate(
                        """selector => {
                            const style = getComputedStyle(document.querySelector(selector));
                            return [style.color, style.backgroundColor];
                        }""",
                        selector,
                    )
                    for selector in (
                        *(".tabulator-row", ".tabulator-col", ".tabulator-row-even"),
                        *("#survey-table input", ".tabulator-edit-list"),
                    )
                ]
            )
    for light, dark in zip(*seen, strict=True):
        assert all(a != b for a, b in zip(light, dark, strict=True))


def test_the_index_sorts_by_mouse_and_by_keyboard(browser, surveyed):
    with opened(browser, surveyed) as watched:
        page = watched.page
        rows = page.locator(".tabulator-col[tabulator-field='rows']")
        rows.locator(".tabulator-col-title").click()
        assert rows.get_attribute("aria-sort") == "ascending"
        found = [int(text or 0) for text in column(page, "rows")]
        assert found == sorted(found)
        place = page.locator(".tabulator-col[tabulator-field='place']")
        place.locator("[role=button]").focus()
        page.keyboard.press("Enter")
        page.keyboard.press("Space")
        assert place.get_attribute("aria-sort") == "descending"
        assert column(page, "place")[:4] == [f"matrix {i}" for i in (12, 11, 10, 9)]
        assert watched.problems == []


def test_the_index_filters(browser, surveyed):
    with opened(browser, surveyed) as watched:
        page = watched.page
        shown = page.locator("#survey-shown")
        assert shown.inner_text() == "16 of 16 rows shown"
        page.get_by_label("filter by source").press_sequentially("STACK")
        page.wait_for_function("document.querySelector('#survey-shown').textContent < '13'")
        assert shown.inner_text() == "12 of 16 rows shown"
        page.get_by_label("filter by look closer").click()
        page.get_by_text("yes", exact=True).last.click()
        page.wait_for_function("document.querySelector('#survey-shown').textContent[0] === '3'")
        assert column(page, "place") == ["matrix 10", "matrix 11", "matrix 12"]
        assert watched.problems == []


def test_the_links_lead_to_reports_that_name_their_matrix(browser, surveyed):
    with opened(browser, surveyed) as watched:
        page = watched.page
        page.get_by_role("link", name=f"report on data/{ODD}").click()
        page.wait_for_selector("article section h1")
        # In a heading, the theme would take the brackets for markup.
        title = f"data/{ODD}".replace("<", "‹").replace(">", "›")
        assert page.locator("article section h1").inner_text().startswith(title)
        text = page.locator("article").inner_text()
        assert f"This page is about data/{ODD}, one of the matrices" in text
        assert "(3, 3)" in text
        # The others are listed at the side, and the index is one click away.
        side = page.locator("nav.bd-links").inner_text()
        assert "data/stack.npy: matrix 10" in side
        page.locator(".navbar-brand").click()
        page.wait_for_selector("#survey-table")
        assert watched.problems == []


def test_without_javascript_there_is_a_sentence(browser, surveyed):
    with Watched(browser, surveyed.index.as_uri(), java_script_enabled=False) as watched:
        assert "The table needs JavaScript" in watched.page.locator("article").inner_text()


def test_the_status_reads_on_a_phone_and_in_the_dark(browser, surveyed):
    before = status.earlier(surveyed.output, Question(frameworks="autograd", problem="svd"))
    changed = {
        key: row | {"verdict": "not finite", "version": "0.9"} for key, row in before.items()
    }
    path, _ = status.write(surveyed.output, changed, "<b>old</b>")
    grounds = []
    for scheme in ("light", "dark"):
        with Watched(browser, path.as_uri(), 360, scheme) as watched:
            page = watched.page
            assert len(page.locator("li").all()) == 15
            assert f"data/{ODD}: autograd 0.9: not finite" in page.locator("ul").inner_text()
            assert "since <b>old</b>, 15 of 15" in page.locator("p").inner_text()
            wide = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
            assert wide <= 0, "the page scrolls sideways"
            # What a browser paints where a page names no colour.
            grounds.append(page.evaluate("getComputedStyle(document.body).color"))
            assert auditing.findings(page) == []
            assert watched.problems == []
    assert grounds == ["rgb(0, 0, 0)", "rgb(255, 255, 255)"]


def test_reports_are_used_again_and_those_of_old_content_go(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    lay_out(tmp_path / "repository")
    monkeypatch.setattr(building, "root", lambda: tmp_path / "repository")
    np.save("a.npy", FLAGGED)
    np.save("b.npy", FLAGGED)
    done = running.survey(["a.npy", "b.npy"], **QUICK)
    executed = done.index.parent / reporting.EXECUTED
    first = {path: path.stat().st_mtime_ns for path in executed.glob("*.ipynb")}
    assert len(first) == len(list((done.index.parent / "reports").glob("*.html"))) == 2
    np.save("b.npy", FLAGGED[:, ::-1])
    done = running.survey(["a.npy", "b.npy"], **QUICK)
    second = {path: path.stat().st_mtime_ns for path in executed.glob("*.ipynb")}
    assert len(second) == len(list((done.index.parent / "reports").glob("*.html"))) == 2
    assert len(first.items() & second.items()) == 1
    assert len(list(executed.glob("*.npy"))) == 2
    # Without reports, nothing is touched.
    before = os.stat(done.index).st_mtime_ns
    assert running.survey(["a.npy", "b.npy"], **QUICK, reports="none").index is None
    assert os.stat(done.index).st_mtime_ns == before


def test_a_folder_that_is_not_ours_is_not_replaced(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save("a.npy", FLAGGED)
    Path("results-reports").mkdir()
    Path("results-reports/thesis.tex").write_text("years of work", encoding="utf-8")
    with pytest.raises(building.InputError, match="holds files that are not a rendered book"):
        running.survey(["a.npy"], **QUICK)
    assert os.listdir("results-reports") == ["thesis.tex"]
    assert sorted(os.listdir()) == ["a.npy", "results-reports"]


@pytest.mark.parametrize("which", ["flagged", "all"])
def test_an_index_is_bounded_and_says_so(which, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(pages, "MOST_ROWS", 4)
    monkeypatch.setattr(pages, "MOST_REPORTS", 2)
    np.save("a.npy", np.array([np.eye(3)] * 5 + [FLAGGED] * 3))
    given = []

    def render(wanted, output, *, front, jobs):
        given.extend(wanted)
        (tmp_path / "assets").mkdir(exist_ok=True)
        front(tmp_path, {})

    monkeypatch.setattr(reporting, "reports", render)
    running.survey(["a.npy"], **QUICK, reports=which)
    text = (tmp_path / "assets" / "survey-data.js").read_text(encoding="utf-8")
    rows = json.loads(text.removeprefix("window.SURVEY = ").removesuffix(";\n"))["rows"]
    assert [row["place"] for row in rows] == [f"matrix {i}" for i in (6, 7, 8, 1)]
    assert [row["report"].split("/")[0] for row in rows] == [
        *("reports", "reports", "not made"),
        "" if which == "flagged" else "not made",
    ]
    assert len(given) == 2
    index = (tmp_path / "index.md").read_text(encoding="utf-8")
    assert "has the first 4 of them, those first that matter most; 4 are left out" in index
    assert "There are at most 2 reports" in index


def test_what_the_chapter_is_given(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    a = np.array([[1, 2], [0, 1]])
    np.save("a.npy", a)
    options = {"symmetrize": True, "weights": "[1, 2]", "rtol": 0.1, "frameworks": "autograd"}
    given = []
    monkeypatch.setattr(reporting, "reports", lambda wanted, *_, **__: given.extend(wanted))
    running.survey(["a.npy"], **options, jobs=1, reports="all")
    (page,) = given
    matrix = page.values.pop("matrix")
    assert np.array_equal(np.load(matrix), [[1, 1], [1, 1]])
    assert page.values == {
        "problem": "auto",
        "weights": "[1.0, 2.0]",
        "dtype": "auto",
        "frameworks": "autograd",
        "rtol": "0.1",
    }


def test_two_reports_of_the_real_chapter_stand_in_one_book(browser, tmp_path, monkeypatch):
    """Its labels would be there twice, which Jupyter Book refuses."""
    monkeypatch.chdir(tmp_path)
    np.save("a.npy", np.array([FLAGGED, np.eye(3)]))
    done = running.survey(["a.npy"], **QUICK, reports="all")
    assert done.failures == []
    reports = sorted((done.index.parent / "reports").glob("*.html"))
    assert len(reports) == 2
    for path in reports:
        with Watched(browser, path.as_uri()) as watched:
            title = watched.page.locator("article section h1").inner_text()
            assert title.startswith(("a.npy: matrix 1", "a.npy: matrix 2"))
            label = watched.page.locator("a.reference.internal[href^='#sec-']").first
            anchor = label.get_attribute("href")
            assert watched.page.locator(f"[id='{anchor[1:]}']").count() == 1
            assert watched.problems == []


def is_kernel(process):
    with contextlib.suppress(psutil.Error):
        return "ipykernel_launcher" in " ".join(process.cmdline())
    return False


def test_reports_that_are_stopped_leave_the_results(tmp_path):
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    np.save(tmp_path / "a.npy", FLAGGED)
    command = [sys.executable, "-m", "spectralgrad", "survey", "a.npy", "--problem", "svd"]
    command += ["--frameworks", "autograd", "--reports", "all"]
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as process:
        parent = psutil.Process(process.pid)
        waiting.until(lambda: any(map(is_kernel, parent.children(recursive=True))), process)
        started = parent.children(recursive=True)
        process.send_signal(signal.SIGINT)
        _, error = process.communicate()
    signal.signal(signal.SIGINT, before)
    assert process.returncode == 130
    assert error.splitlines()[-1] == "spectralgrad: stopped; the same command goes on from here"
    assert "Traceback" not in error
    assert waiting.ended(started)
    assert len(pd.read_parquet(tmp_path / "results.parquet")) == 1
    assert not (tmp_path / "results-reports" / "index.html").exists()
