"""What the book's extension of Sphinx adds to pages: tabs, folds, addresses, redirects."""

import re

import pytest
from watching import Watched
from writing import write_chapter

from spectralgrad.book import building

ADDRESS = "https://example.org/book/"


@pytest.fixture(scope="module")
def published(tmp_path_factory, write_book):
    """The pages of a small book that knows its address, with a chapter that has moved."""
    root = tmp_path_factory.mktemp("published") / "repository"
    write_book(root)
    config = root / "_config.yml"
    place = "# publish: pages\n"
    text = config.read_text(encoding="utf-8")
    assert place in text
    config.write_text(text.replace(place, f"{place}  baseurl: {ADDRESS}\n"), encoding="utf-8")
    toc = root / "_toc.yml"
    toc.write_text(toc.read_text("utf-8") + "- file: chapters/shapes\n", encoding="utf-8")
    alike = [(f"print('{name}')", name) for name in ("torch", "torch", "jax")]
    hidden = [(source, "hide-input") for source in ("x = 1", "y = 2", "print(x + y)", "print(y)")]
    write_chapter(root, "shapes", *alike, "1", ("print('alone')", "torch"), *hidden)
    write_chapter(root, "one", ("print('one')", "jax"), ("print('other')", "torch"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(building, "root", lambda: root)
        return building.build().parent


def test_a_page_says_its_address_and_has_a_card(published):
    for name in ("intro", "chapters/one"):
        page = (published / f"{name}.html").read_text(encoding="utf-8")
        (address,) = re.findall(r'<link rel="canonical" href="([^"]*)"', page)
        found = dict(re.findall(r'<meta property="(og:\w+)" content="([^"]*)"', page))
        assert address == found["og:url"] == f"{ADDRESS}{name}.html"
        assert "book" in found["og:title"] or "one" in found["og:title"]
        card = published / found["og:image"].removeprefix(ADDRESS)
        assert card.read_bytes()[:4] == b"\x89PNG"
    listed = re.findall(r"<loc>(.*?)</loc>", (published / "sitemap.xml").read_text("utf-8"))
    assert sorted(listed) == [
        f"{ADDRESS}{name}.html"
        for name in ("chapters/one", "chapters/shapes", "chapters/two", "intro")
    ]


def test_a_book_without_an_address_names_none(first_build):
    pages = first_build / "_build" / "html"
    assert not (pages / "sitemap.xml").exists()
    page = (pages / "chapters" / "one.html").read_text(encoding="utf-8")
    assert "og:title" in page
    assert not re.search(r"canonical|og:image|https?://example", page)


def test_the_old_name_of_a_chapter_leads_to_it(browser, published):
    old = (published / "chapters" / "shapes_and_orders.html").as_uri()
    with Watched(browser, old) as watched:
        watched.page.wait_for_url("**/shapes.html")
        assert watched.page.locator("article h1").inner_text().startswith("Title of shapes")


def shown(page):
    return [e.is_visible() for e in page.locator(".sd-tab-content").all()]


def test_a_framework_is_chosen_once(browser, published):
    """Cells of one framework stand in one tab, a cell that is alone in none."""
    with Watched(browser, (published / "chapters" / "shapes.html").as_uri()) as watched:
        page = watched.page
        assert page.locator(".sd-tab-set > label").all_inner_texts() == ["PyTorch", "JAX"]
        contents = page.locator(".sd-tab-content")
        cells = [contents.nth(i).locator(".cell_output pre").all_inner_texts() for i in range(2)]
        assert [[text.strip() for text in some] for some in cells] == [["torch", "torch"], ["jax"]]
        assert shown(page) == [True, False]
        page.get_by_text("JAX", exact=True).click()
        assert shown(page) == [False, True]
        watched.open((published / "chapters" / "one.html").as_uri())
        # The other way round, and still JAX.
        assert shown(page) == [True, False]
        page.emulate_media(media="print")
        assert shown(page) == [True, True]
        assert watched.problems == []


def test_without_scripts_all_tabs_are_shown(browser, published):
    page = browser.new_page(java_script_enabled=False)
    page.goto((published / "chapters" / "shapes.html").as_uri())
    assert shown(page) == [True, True]
    page.close()


def test_neighbouring_hidden_cells_are_one_fold(published):
    page = (published / "chapters" / "shapes.html").read_text(encoding="utf-8")
    folds = re.findall(r'<details class="admonition hide above-input">(.*?)</details>', page, re.S)
    code = [re.sub(r"<[^>]*>|\s", "", fold.split("</summary>")[1]) for fold in folds]
    assert code == ["x=1y=2print(x+y)", "print(y)"]
