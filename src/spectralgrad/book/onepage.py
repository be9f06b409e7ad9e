"""Join the rendered pages of a book, in reading order, into one page to be printed."""

import datetime
import itertools
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urldefrag, urljoin, urlsplit

from bs4 import BeautifulSoup, Tag
from jinja2 import Template

from spectralgrad import __version__

# What the screen needs and paper does not: code that is folded, for it sets up, or lays out what
# stands below it, and listings that are; links to the place where one is; what runs.
_LEFT_OUT = (
    "details.above-input, details.below-input, a.headerlink, script, .noprint, .d-print-none"
)
# Attributes that name other elements.
_REFERENCES = ("for", "aria-labelledby", "aria-describedby")
# Half of all elements, each of which would have a place in the structure of the PDF.
_UNCOLOURED = "pre :is(.n, .p, .w)"

_PAGE: Template = Template(
    Path(__file__).with_name("print.html").read_text("utf-8"), trim_blocks=True, lstrip_blocks=True
)


class _Chapter(NamedTuple):
    """A page of the book, and where it will stand."""

    #: Its address in the folder of the book.
    page: str
    article: Tag
    anchor: str
    #: Anchor of the chapter below which it stands; its own, if it is a chapter.
    home: str
    #: How many levels its headings are further down than on the page.
    depth: int
    #: That it begins, or nothing.
    part: str

    @property
    def heading(self) -> Tag:
        return _one(self.article, "h1")

    @property
    def running(self) -> str:
        """Title at the head of each page: a string is written in CSS as in JSON."""
        return json.dumps(self.heading.text, ensure_ascii=False)

    def lowered(self) -> Tag:
        """The article; in a part, its headings are a level further down."""
        if self.home == self.anchor:
            self.heading["class"] = "sg-chapter-title"
        for e in self.article.select("h1, h2, h3, h4, h5, h6"):
            e.name = f"h{min(int(e.name[1]) + self.depth, 6)}"
        return self.article


def join(folder: Path) -> str:
    """Join rendered pages into one, to be opened beside their folders ``_static`` and so on.

    Each line of its contents ends in an empty ``.sg-number``.
    """
    refresh = _one(_read(folder / "index.html"), "meta[http-equiv=Refresh]")
    first = str(refresh["content"]).partition("url=")[2]
    soup = _read(folder / first)
    chapters = list(_in_reading_order(folder, first))
    anchors = {chapter.page: chapter.anchor for chapter in chapters}
    for chapter in chapters:
        _strip(chapter.article)
        _rename(chapter, anchors)
    scripts = soup.select("head script")
    mathjax = [s for s in scripts if "MathJax" in s.text or "/tex-" in str(s.get("src"))]
    return _PAGE.render(
        title=_one(soup, ".logo__title").decode_contents(),
        author=_one(soup, ".component-author").text.strip(),
        version=__version__,
        today=datetime.date.today().isoformat(),
        head=[*soup.select("link[rel=stylesheet]"), *mathjax],
        chapters=chapters,
    )


def _read(path: Path) -> BeautifulSoup:
    return BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")


def _one(tag: Tag, selector: str) -> Tag:
    """First element that fits; there has to be one."""
    return tag.select(selector, limit=1)[0]


def _in_reading_order(folder: Path, page: str) -> Iterator[_Chapter]:
    """The pages, of which each leads to the next, and each shows its own place in the sidebar."""
    home = begun = ""
    for number in itertools.count():
        soup, anchor = _read(folder / page), f"c{number}"
        # The first page has no place there.
        here = soup.select_one("nav.bd-docs-nav a.current")
        depth = len(here.find_parents("li")) if here else 0
        caption = here.find_previous("p", class_="caption") if here else None
        part = caption.decode_contents() if caption else ""
        home = home if depth > 1 else anchor
        begins = "" if part == begun else part
        yield _Chapter(page, _one(soup, "article"), anchor, home, depth, begins)
        begun = part
        following = soup.select_one("a.right-next")
        if not following:
            return
        page = urljoin(page, str(following["href"]))


def _strip(article: Tag) -> None:
    """Leave out what paper has no use for, and unfold what is left."""
    for e in article.select(_LEFT_OUT):
        e.decompose()
    for e in article.select(_UNCOLOURED):
        e.unwrap()
    for e in article.select("details"):
        e.name, e["class"] = "div", "sg-unfolded"
    for e in article.select("summary"):
        e.name, e["class"], e.string = "p", "sg-unfolded-title", e.text.strip()
    for e in article.select("div.cell"):
        if not e.text.strip() and not e.select("img, svg"):
            e.decompose()


def _rename(chapter: _Chapter, anchors: Mapping[str, str]) -> None:
    """Make names unique, and let links and pictures be found from the joined page."""
    page, article, here, *_ = chapter
    for e in article.select("[id]"):
        e["id"] = f"{here}-{e['id']}"
    for attribute in _REFERENCES:
        for e in article.select(f"[{attribute}]"):
            e[attribute] = " ".join(f"{here}-{name}" for name in str(e[attribute]).split())
    for e in article.select("[src]"):
        e["src"] = urljoin(page, str(e["src"]))
    for e in article.select("a[href]"):
        target, place = urldefrag(urljoin(page, str(e["href"])))
        if target in anchors:
            e["href"] = f"#{anchors[target]}-{place}" if place else f"#{anchors[target]}"
        elif not urlsplit(target).scheme:
            e.unwrap()
