"""Open every rendered page in Chromium."""

import itertools
import re
import threading
from functools import partial
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urldefrag

import auditing
import numpy as np
import pytest
from watching import Watched

from spectralgrad import matrices
from spectralgrad.book import building, pdf, rendering, reporting
from spectralgrad.theory import subgradient


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture(scope="session")
def served(html):
    """Address of the pages on a static server, in a folder of its own as on most."""
    handler = partial(Quiet, directory=html.parent)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/{html.name}"
        server.shutdown()


@pytest.fixture(scope="session")
def your_report(tmp_path_factory):
    """The default report on a matrix of the largest size, in a file with an odd name."""
    folder = tmp_path_factory.mktemp("yours")
    path = folder / "<img src=x onerror=alert(1)> *a* `b`.npy"
    np.save(path, np.random.default_rng(0).standard_normal((reporting.LARGEST,) * 2))
    return reporting.report(str(path), output=folder / "page")


# Tables wider than the box around them that cannot be scrolled.
TABLES_CUT_OFF = """() => [...document.querySelectorAll("article table")].filter(table => {
    let box = table.parentElement;
    while (box.tagName !== "ARTICLE" && getComputedStyle(box).overflowX === "visible")
        box = box.parentElement;
    return table.scrollWidth > box.clientWidth + 2
        && !["auto", "scroll"].includes(getComputedStyle(box).overflowX);
}).length"""


# Whatever scrolls sideways must do so without a mouse: it, or something in it, takes the focus.
OUT_OF_REACH = """() => [...document.querySelectorAll("article :is(div, pre, span.math)")].filter(
  e => e.scrollWidth > e.clientWidth + 2 && e.clientWidth
    && ["auto", "scroll"].includes(getComputedStyle(e).overflowX)
    && e.tabIndex < 0 && !e.querySelector("a, button, [tabindex='0']")
).length"""


def check(watched):
    page = watched.page
    assert page.locator("html").get_attribute("lang") == "en"
    headings = page.locator("main :is(h1, h2, h3, h4, h5, h6):visible")
    levels = headings.evaluate_all("all => all.map(e => Number(e.tagName[1]))")
    assert (levels[0], levels.count(1)) == (1, 1)
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))
    formulas = page.locator("span.math, div.math").count()
    assert page.locator("mjx-container").count() >= formulas
    assert page.locator("mjx-merror, [data-mjx-error]").count() == 0
    wide = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    assert wide <= 0, "the page scrolls sideways"
    cut_off = """() => [...document.querySelectorAll("article span.math")].filter(
        e => e.scrollWidth > e.clientWidth + 2 && getComputedStyle(e).overflowX === "hidden"
    ).length"""
    assert page.evaluate(cut_off) == 0
    assert page.evaluate(TABLES_CUT_OFF) == 0
    # The theme's script sees to it a moment after the page has changed.
    page.wait_for_function(f"({OUT_OF_REACH})() === 0")
    described = page.locator("article img").evaluate_all("all => all.map(e => e.alt)")
    assert all(len(text.split()) > 3 for text in described)
    assert watched.problems == []


@pytest.mark.parametrize(
    ("where", "scheme", "widths"),
    [("disk", "light", (360, 1280)), ("server", "dark", (1280, 360))],
    ids=["disk", "server"],
)
def test_pages(browser, html, served, where, scheme, widths):
    """Every other page from disk, in one mode and narrow first; the rest from a server."""
    pages = rendering.pages(html)
    assert len(pages) > len(building.chapters())
    base, pages = (html.as_uri(), pages[::2]) if where == "disk" else (served, pages[1::2])
    # As a reader who goes on from page to page; a new window for each would take twice as long.
    with Watched(browser, f"{base}/intro.html") as watched:
        for path in pages:
            watched.page.emulate_media(color_scheme=scheme)
            watched.page.set_viewport_size({"width": widths[0], "height": 900})
            watched.open(f"{base}/{path.relative_to(html).as_posix()}")
            for width in widths:
                watched.page.set_viewport_size({"width": width, "height": 900})
                check(watched)
            watched.page.set_viewport_size({"width": 1280, "height": 900})
            # Around the pages about modules stands what stands around the others.
            found = auditing.findings(watched.page, frame=path.parent.name != "api")
            assert found == [], path.name


def test_the_audit_finds_what_is_wrong(browser):
    page = browser.new_page()
    page.set_content(
        "<html><title>A</title><main><h1 style='color: #999'>One</h1><h3>B</h3><img src='data:,'>"
    )
    found = " ".join(auditing.findings(page))
    for rule in ("color-contrast", "heading-order", "html-has-lang", "image-alt"):
        assert rule in found
    page.close()


def test_the_audit_sees_what_only_one_mode_shows(browser):
    """The fault is in the fourth of four words that look alike in the light."""
    faint = [
        f"<p class=faint>{word}</p>" if i == 3 else f"<p>{word}</p>"
        for i, word in enumerate(["one", "two", "three", "four"])
    ]
    page = browser.new_page()
    page.set_content(
        "<html lang=en><title>A</title><style>@media (prefers-color-scheme: dark) "
        "{ body { background: #111; color: #eee } .faint { color: #333 } }</style>"
        f"<main><h1>One</h1>{''.join(faint)}</main>"
    )
    (found,) = auditing.findings(page)
    assert found.startswith("dark: serious: color-contrast: .faint")
    page.close()


CUT_OFF = """() => {
  const {left, right} = document.querySelector("main").getBoundingClientRect();
  const found = [];
  for (const e of document.querySelectorAll("main *:not(mjx-container *)")) {
    const box = e.getBoundingClientRect();
    const hidden = !e.closest(".math") && e.clientWidth && e.scrollWidth > e.clientWidth + 1;
    if (box.width && (hidden || box.left < left - 1 || box.right > right + 1)) found.push(e);
  }
  for (const e of document.querySelectorAll("main div.math > mjx-container > svg")) {
    if (e.getBoundingClientRect().width > e.parentElement.clientWidth + 1) found.push(e);
  }
  return found.map(e =>
    `${e.closest(".sg-chapter").id} ${e.tagName}: ${e.textContent.trim().slice(0, 40)}`
  );
}"""


def test_on_paper_nothing_is_cut_off_and_every_link_leads_to_its_page(browser, html, tmp_path):
    page = pdf.open_to_print(browser, pdf.join(html, tmp_path))
    assert page.evaluate(CUT_OFF) == []
    # All pages but the index, the search, and those that lead to another.
    shown = [p for p in rendering.pages(html) if 'http-equiv="Refresh"' not in p.read_text("utf-8")]
    assert page.locator(".sg-chapter").count() == len(shown) - 2
    assert page.locator("main mjx-container").count() >= page.locator("main .math").count() > 0
    assert page.locator("main details, main .above-input").count() == 0
    # Formulas have names of their own for their parts.
    ids = page.locator("[id]:not(svg *)").evaluate_all("all => all.map(e => e.id)")
    assert len(ids) == len(set(ids))
    links = page.locator("a[href]").evaluate_all("all => all.map(e => e.getAttribute('href'))")
    assert {link[1:] for link in links if link[0] == "#"} <= set(ids)
    assert all(link.startswith(("#", "http", "mailto:")) for link in links)
    page.close()


def test_the_report_opens_offline_and_shows_odd_names_as_text(browser, odd_report):
    with Watched(browser, odd_report.as_uri()) as watched:
        for width in (360, 1280):
            watched.page.set_viewport_size({"width": width, "height": 900})
            check(watched)
        text = watched.page.locator("article").inner_text()
        assert auditing.findings(watched.page) == []
    odd = r"</script><script>alert(2)</script>{{7*7}} ${{7*7}} $(x) \(y\) [z](javascript:x)"
    assert odd in text
    assert "><img src=x onerror=alert(1)> *a* `b`.npy" in text
    assert "eigenvalue 1 of 50" in text


def test_the_report_on_the_largest_matrix(browser, your_report):
    assert your_report.stat().st_size < 5e6
    with Watched(browser, your_report.as_uri(), 360, "dark") as watched:
        for width in (360, 1280):
            watched.page.set_viewport_size({"width": width, "height": 900})
            check(watched)
        text = watched.page.locator("article").inner_text()
    assert "<img src=x onerror=alert(1)> *a* `b`.npy: 300 × 300, float64" in text
    assert "There is one gradient at this matrix, and every framework returns it." in text
    # Of 300 numbers in a line, the first and the last few are printed.
    assert max(map(len, text.splitlines())) < 1500


def test_the_answer_can_be_saved(browser, your_report, tmp_path):
    matrix = np.load(next(your_report.parents[1].glob("*.npy")))
    answer = subgradient.svdvals(matrix, np.ones(len(matrix))).minimum_norm
    with Watched(browser, your_report.as_uri()) as watched:
        for name in ("gradient.npy", "gradient.csv"):
            with watched.page.expect_download() as download:
                watched.page.get_by_role("link", name=name).click()
            assert download.value.suggested_filename == name
            download.value.save_as(tmp_path / name)
            saved = matrices.load(tmp_path / name)
            # All digits: but the report is computed with one thread, and this test with more.
            assert np.max(np.abs(saved - answer)) < 1e-14
        assert watched.problems == []


def test_theme_switch(browser, html):
    with Watched(browser, (html / "intro.html").as_uri()) as watched:
        page = watched.page
        seen = set()
        for _ in range(3):
            page.locator("button.theme-switch-button:visible").first.click()
            seen.add(page.evaluate("document.documentElement.dataset.theme"))
        assert seen == {"light", "dark"}
        assert watched.problems == []


SOUGHT = {
    "doubled off-diagonal": {"eigh_example", "theory_symmetric"},
    "NaN": {"ties", "recipes", "shapes", "orders"},
    "rank deficient": {"svd_example", "theory_subgradient", "shapes"},
    "Hessian": {"orders"},
    "forward mode": {"orders"},
    "jvp": {"orders"},
    "gradgradcheck": {"orders"},
    "single precision": {"shapes", "ties"},
    "Kabsch": {"rotations"},
    "rotation": {"rotations"},
    "Procrustes": {"rotations"},
    "Newton-Schulz": {"rotations"},
    "whitening": {"spd_functions"},
    "jitter": {"spd_functions", "ties"},
    "FID": {"spd_functions"},
    "matrix logarithm": {"spd_functions"},
    "signs": {"gauge"},
    "signs of singular vectors": {"gauge"},
    "matrix_norm": {"selected_vectors"},
    "null vector": {"selected_vectors"},
    "PCA": {"selected_vectors"},
    "point cloud": {"selected_vectors"},
    "spectral normalization": {"selected_vectors"},
    "Cholesky": {"beyond_symmetric"},
    "defective": {"beyond_symmetric"},
    "generalised eigenvalue problem": {"beyond_symmetric"},
    "gradcheck": {"gauge", "your_function"},
    "dangerous": {"ties"},
    "nuclear norm": {"glossary"},
    "polar factor": {"glossary"},
    "GaugeError": {"gauge"},
    "sparse": {"large_and_sparse"},
    "eigsh": {"large_and_sparse"},
    "LOBPCG": {"large_and_sparse"},
    "Lanczos": {"large_and_sparse"},
    "ARPACK": {"large_and_sparse"},
    "matvec": {"large_and_sparse"},
    "LinearOperator": {"large_and_sparse"},
    "Laplacian": {"large_and_sparse"},
    "Fiedler": {"large_and_sparse"},
    "generalized eigenvalue": {"large_and_sparse"},
    "photonics": {"large_and_sparse"},
    "tensor network": {"large_and_sparse"},
}


def test_search_lists_first_what_settles_the_matter(browser, html):
    search = (html / "search.html").as_uri()
    with Watched(browser, search) as watched:
        for words, wanted in SOUGHT.items():
            watched.open(f"{search}?q={words.replace(' ', '+')}")
            watched.page.wait_for_selector(".search-summary:has-text('finished')")
            links = watched.page.locator("#search-results ul.search li > a")
            found = links.evaluate_all("all => all.map(e => e.getAttribute('href'))")
            # What is listed before the pages that merely hold the words.
            first = {Path(urldefrag(href)[0]).stem for href in found[: len(wanted) + 1]}
            assert wanted <= first, words
        assert watched.problems == []


def test_code_can_be_copied(browser, html):
    with Watched(browser, (html / "chapters" / "svd_example.html").as_uri()) as watched:
        page = watched.page
        blocks = "article div.highlight:not(.cell_output div.highlight)"
        assert page.locator(f"{blocks} button.copybtn").count() == page.locator(blocks).count() > 10


@pytest.mark.parametrize("place", ["intro", "chapters/svd_example"])
def test_figures_keep_their_ground_in_dark_mode(place, browser, html):
    with Watched(browser, (html / f"{place}.html").as_uri(), scheme="dark") as watched:
        figure = watched.page.locator("img.sg-figure").first
        ground = figure.evaluate("e => getComputedStyle(e).backgroundColor")
        around = watched.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert min(map(int, re.findall(r"\d+", ground))) > 200
    assert max(map(int, re.findall(r"\d+", around))) < 50


def test_wide_tables_scroll_in_their_box(browser, html):
    with Watched(browser, (html / "chapters" / "theory_eigen.html").as_uri(), 360) as watched:
        box = watched.page.locator("article table").first.locator("..")
        wide = box.evaluate("e => e.scrollWidth - e.clientWidth")
        box.evaluate("e => e.scrollBy(1000, 0)")
        assert box.evaluate("e => e.scrollLeft") == wide > 0


def test_no_scroll_bar_stands_under_a_formula_that_has_room(browser, html):
    """The hidden text for screen readers, wider than the formula, made some."""
    with Watched(browser, (html / "chapters" / "theory_eigen.html").as_uri()) as watched:
        formulas = watched.page.locator("article p span.math")
        scrolled = "all => all.filter(e => e.scrollWidth > e.clientWidth).map(e => e.textContent)"
        assert formulas.count() > 100
        assert formulas.evaluate_all(scrolled) == []


class Links(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.hrefs, self.ids, self.loaded = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        if attributes.get("id"):
            self.ids.append(attributes["id"])
        if tag == "a" and attributes.get("href"):
            self.hrefs.append(attributes["href"])
        self.loaded += [
            attributes[name] for name in ("src", "srcset", "data") if name in attributes
        ]
        if tag == "link":
            self.loaded.append(attributes["href"])


@pytest.mark.parametrize("kind", ["html", "odd_report", "your_report"])
def test_every_link_and_anchor_resolves(kind, request):
    made = request.getfixturevalue(kind)
    folder = made if kind == "html" else made.parent
    pages = {path: Links(path.read_text(encoding="utf-8")) for path in rendering.pages(folder)}
    for path, links in pages.items():
        assert len(links.ids) == len(set(links.ids)), path.name
        assert not [place for place in links.loaded if re.match(r"(https?:)?//", place)]
        for href in links.hrefs:
            if re.match(r"[a-z]+:", href):
                continue
            target, anchor = urldefrag(href)
            file = (path.parent / unquote(target)).resolve() if target else path
            assert file.is_file(), f"{path.name}: {href}"
            if anchor and file in pages:
                assert unquote(anchor) in pages[file].ids, f"{path.name}: {href}"


def test_no_page_is_heavy(html):
    files = [path for path in html.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 19.5e6
    assert not [path for path in files if path.suffix in (".map", ".ttf")]


def test_figures_are_numbered_and_described(html):
    pages = {name: Path(html, "chapters", f"{name}.html") for name in building.chapters()}
    texts = {name: page.read_text(encoding="utf-8") for name, page in pages.items()}
    described = (
        r'alt="(Heat maps of \d+ × \d+ matrices on one colour scale'
        r"|Curves over |Disc of |Errors of |Spectrum |Difference quotients over )"
    )
    figures = {name: len(re.findall(r'class="sg-figure"', text)) for name, text in texts.items()}
    for name, text in texts.items():
        assert len(re.findall(described, text)) == figures[name]
        assert text.count('"caption-number">Fig. ') == figures[name]
    without = [name for name, number in figures.items() if not number]
    assert without == ["maintainers", "recipes", "releases"]
