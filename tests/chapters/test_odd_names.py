"""Whatever a file, a cell or a member is called, it is text on a page, and nothing else."""

import os
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
from watching import Watched
from writing import write_chapter

from spectralgrad.book import building
from spectralgrad.survey import running

# One of its singular values can hardly be told from zero, so that it gets a report.
FLAGGED = np.diag([1.0, 1e-13, 0.0])

#: Each would say so if it were more than text. A name with "/" is that of a file in a folder.
RUNS = "</script><script>window.pwned=1</script>"
IMAGE = "\"><img src=x onerror=window.pwned=2> '><svg onload=window.pwned=3>"
TEMPLATES = r"${{7*7}} {{7*7}} {%raw%} $(touch pwned) `touch pwned` $x$ \(y\) \[z\] \begin{align}"
MARKDOWN = "[x](javascript:window.pwned=4) ![i](x) *a* __b__ ~~c~~ a@b.example www.b.example"
MYST = "{raw}`html x` {include} e [^1] <!-- c -- d... 'q' \"r\" it's #h :::{raw} html"
CONTROL = "\n\n```{raw} html\n<b id=pwned>\n\x1b[31m\u202egpj.\x07\r\x85\u2028"
ENTITIES = "&lt;b&gt; &#60;i&#62; %3Cu%3E &copy; | - --- === > +"
FLAGS = "--output=x -rf"
NAMES = (RUNS, IMAGE, TEMPLATES, MARKDOWN, MYST, CONTROL, ENTITIES, FLAGS)


def shown(name):
    """A name in one line, as people get to see it."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in name)


def text(page):
    """Of an article. The book's typography turns quotes, in names too."""
    return page.locator("article").inner_text().translate(str.maketrans("‘’“”", "''\"\""))


def write(folder):
    """Matrices with all of the names: those of some have a report, those of one a failing one."""
    for number, name in enumerate(NAMES):
        path = Path(f"{folder}/{name}.npy")
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, np.eye(2) if number % 2 else FLAGGED)
    np.save(f"{folder}/fails {IMAGE}.npy", FLAGGED[:2])
    Path(folder, "cells.csv").write_text(f"1,{IMAGE.replace(',', '')}\n", encoding="utf-8")
    with zipfile.ZipFile(f"{folder}/members.npz", "w") as archive:
        for name in (RUNS, IMAGE):
            archive.writestr(f"{name}.npy", b"")


@pytest.fixture(scope="module")
def surveyed(tmp_path_factory):
    """The pages of a survey whose results have an odd name, too."""
    here, real = tmp_path_factory.mktemp("odd"), building.root()
    root = here / "repository"
    (root / "chapters").mkdir(parents=True)
    shutil.copytree(real / "assets", root / "assets")
    for name in ("_config.yml", "references.bib", "requirements.lock", "_toc.yml"):
        shutil.copy(real / name, root)
    (root / "node_modules").symlink_to(real / "node_modules")
    write_chapter(root, "your_matrix", f"if len(A) == 2:\n    raise RuntimeError({RUNS!r})")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(building, "root", lambda: root)
        patch.chdir(here)
        write("data")
        done = running.survey(
            ["data"], frameworks="autograd", problem="svd", jobs=2, output="a\n<b>.parquet"
        )
        assert not list(here.rglob("pwned"))
    return done


def untouched(watched):
    """That nothing ran, and that no name has become an element."""
    page = watched.page
    assert page.evaluate("window.pwned") is None
    assert (
        page.locator("#pwned, [onerror], [onload], [href^='javascript:'], img[src='x']").count()
        == 0
    )
    assert page.locator("main a[href*='example'], main mjx-container").count() == 0
    assert watched.problems == []


def test_the_index(browser, surveyed):
    with Watched(browser, surveyed.index.as_uri()) as watched:
        page = watched.page
        page.wait_for_selector("#survey-table .tabulator-row")
        sources = page.locator(".tabulator-row [tabulator-field='source']").all_text_contents()
        for name in NAMES:
            assert f"data/{shown(name)}.npy" in sources
        messages = " ".join(page.locator("[tabulator-field='message']").all_text_contents())
        assert IMAGE[:39] in messages
        assert RUNS[:39] in messages
        assert r"in a\n<b>.parquet, " in text(page)
        assert page.locator("article h1").inner_text().startswith(r"Survey: a\n‹b›.parquet")
        untouched(watched)


def test_the_reports(browser, surveyed):
    seen = set()
    for path in (surveyed.index.parent / "reports").glob("*.html"):
        with Watched(browser, path.as_uri()) as watched:
            (name,) = (
                name
                for name in NAMES
                if f"This page is about data/{shown(name)}.npy, one of" in text(watched.page)
            )
            title = f"data/{shown(name)}.npy".replace("<", "‹").replace(">", "›")
            assert text(watched.page).startswith(title)
            untouched(watched)
        seen.add(name)
    assert seen == set(NAMES[::2])


def test_a_search_for_what_a_name_holds(browser, surveyed):
    url = surveyed.index.with_name("search.html").as_uri()
    for word in ("survey", "html", "touch"):
        with Watched(browser, f"{url}?q={word}") as watched:
            found = (
                "document.querySelector('.search-summary')?.textContent.startsWith('Search fin')"
            )
            watched.page.wait_for_function(found)
            untouched(watched)


def test_what_is_printed_is_one_line_for_each(surveyed):
    failures = [line for line in surveyed.failures if "fails" in line]
    assert len(failures) == len(surveyed.failures) == 1
    assert RUNS in failures[0]
    assert all(line.isprintable() for line in [*surveyed.messages, *surveyed.failures])
    assert surveyed.bad == 2
    assert os.path.basename(surveyed.output) == "a\n<b>.parquet"
