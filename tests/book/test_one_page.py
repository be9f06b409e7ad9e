import re

import pytest
from bs4 import BeautifulSoup
from writing import write_pages

from spectralgrad.book import pdf


@pytest.fixture
def joined(tmp_path):
    """Join pages whose articles are given."""

    def join(**articles):
        write_pages(tmp_path / "html", **articles)
        return BeautifulSoup(pdf.one_page(tmp_path / "html"), "html.parser")

    return join


SECTIONS = (
    '<section id="the-matrix"><h2>The <code>matrix</code></h2><p id="p">text</p>'
    "<h3>Deeper</h3></section>"
)


def test_chapters_stand_in_the_order_of_the_pages_and_below_their_part(joined):
    page = joined(intro=SECTIONS, one=SECTIONS, below=SECTIONS)
    headings = page.select("main :is(h1, h2, h3, h4, h5)")
    assert [(e.name, e.text) for e in headings] == [
        *(("h1", "Title of intro"), ("h2", "The matrix"), ("h3", "Deeper")),
        *(("h1", "The part"), ("h2", "Title of one"), ("h3", "The matrix"), ("h4", "Deeper")),
        *(("h2", "Title of two"),),
        *(("h3", "Title of below"), ("h4", "The matrix"), ("h5", "Deeper")),
    ]


def test_the_table_of_contents_lists_parts_chapters_and_what_is_below_them(joined):
    page = joined(one=SECTIONS, below=SECTIONS)
    lines = page.select(".sg-contents p")
    assert [(line["class"], line.text) for line in lines] == [
        (["sg-level-1"], "Title of intro"),
        (["sg-level-0"], "The part"),
        (["sg-level-1"], "Title of one"),
        (["sg-level-2"], "The matrix"),
        (["sg-level-1"], "Title of two"),
        (["sg-level-2"], "Title of below"),
    ]
    places = {e["id"] for e in page.select("main [id]")}
    assert {line.a["href"][1:] for line in lines} <= places


def test_names_are_unique_and_links_lead_to_the_same_places(joined):
    link = '<a href="{}">here</a>'.format
    page = joined(
        intro=SECTIONS + link("chapters/one.html#the-matrix"),
        one=SECTIONS + link("#p") + link("two.html") + link("../intro.html#p"),
        two=link("https://example.org/x") + '<p id="x">y</p><span aria-labelledby="x"></span>',
    )
    ids = [e["id"] for e in page.select("[id]")]
    assert len(ids) == len(set(ids))
    inside, outside = [], []
    for a in page.select("main a"):
        (outside, inside)[a["href"].startswith("#")].append(a["href"])
    assert inside == ["#c1-the-matrix", "#c1-p", "#c2", "#c0-p"]
    assert outside == ["https://example.org/x"]
    assert page.select_one("[aria-labelledby=c2-x]")


def test_links_to_what_is_not_in_the_book_are_left_as_text(joined):
    page = joined(one='<p><a href="../_sources/one.ipynb">the notebook</a></p>')
    assert page.select_one("#c1 p").decode_contents() == "the notebook"


def test_what_only_a_screen_needs_is_left_out(joined):
    fold = '<details class="{}"><summary><p>Show</p></summary>{}</details>'.format
    page = joined(
        one='<div class="cell">' + fold("hide above-input", "setup") + "</div>"
        '<div class="cell">' + fold("hide above-input", "setup") + "<img src='data:,'></div>"
        '<div class="noprint">press</div><script>run()</script>'
        + fold("sd-dropdown", '<div class="sd-card-body">because</div>'),
    )
    chapter = page.select_one("#c1")
    assert not chapter.select("details, summary, script, .noprint, .headerlink")
    assert "setup" not in chapter.text
    assert len(chapter.select(".cell")) == 1
    assert chapter.select_one(".sg-unfolded").text == "Showbecause"


def test_pictures_are_found_from_the_joined_page(joined):
    page = joined(one='<img src="../_images/a%20b.png"><img src="data:,">')
    assert [e["src"] for e in page.select("#c1 img")] == ["_images/a%20b.png", "data:,"]


def test_the_head_of_a_page_is_the_title_of_its_chapter(joined, tmp_path):
    joined(one="")
    path = tmp_path / "html" / "chapters" / "one.html"
    path.write_text(path.read_text("utf-8").replace("Title of one", '"1" \\ <em>2</em>'), "utf-8")
    page = pdf.one_page(tmp_path / "html")
    # The page below the last chapter has that chapter's head.
    assert 'id="c3" style="page: c2"' in page
    rules = re.findall(r"@page (c\d) { @top-right { content: (.*) } }", page)
    assert rules[1] == ("c1", r'"\"1\" \\ 2"')
    assert len(rules) == 3
