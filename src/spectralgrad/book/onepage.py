"""Join the rendered pages of a book, in reading order, into one page to be printed."""

import datetime
import itertools
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urldefrag, urljoin, urlsplit

from bs4 import BeautifulSoup, Tag

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

_PAGE = """<!DOCTYPE html>
<html lang="en" data-theme="light" data-mode="light">
<head>
<meta charset="utf-8">
<title>{title}</title>
{head}
<link rel="stylesheet" href="_static/print.css">
<style>
{running}
</style>
</head>
<body>
<section class="sg-front">
<p class="sg-title">{title}</p>
<p class="sg-subtitle">The gradients of eigenvalues and singular values in autograd, PyTorch,
TensorFlow and JAX: derived, executed and checked</p>
<img src="_static/gradients.svg" alt="Heat maps of three gradients of one matrix, which differ.">
<p>{author}</p>
<p>spectralgrad {version}, printed on {today}</p>
<p class="sg-note">Every number was computed when the book was built, except those quoted as printed
elsewhere. Code that is folded on the screen, which sets up or lays out what is shown, is left out
here, and so is what it prints if that is folded too. The notebooks hold both.</p>
</section>
<nav class="sg-contents" aria-labelledby="contents">
<h1 id="contents">Contents</h1>
{contents}
</nav>
<main class="bd-content">
{chapters}
</main>
</body>
</html>
"""


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
    def title(self) -> str:
        return _one(self.article, "h1").decode_contents()


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
    return _PAGE.format(
        title=_one(soup, ".logo__title").decode_contents(),
        author=_one(soup, ".component-author").text.strip(),
        version=__version__,
        today=datetime.date.today().isoformat(),
        head="\n".join(map(str, [*soup.select("link[rel=stylesheet]"), *mathjax])),
        running="\n".join(_running(c) for c in chapters if c.home == c.anchor),
        contents="\n".join(line for c in chapters for line in _contents(c)),
        # Last, for it moves the headings.
        chapters="\n".join(map(_lay_out, chapters)),
    )


def _read(path: Path) -> BeautifulSoup:
    return BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")


def _one(tag: Tag, selector: str) -> Tag:
    """First element that fits; there has to be one."""
    return tag.select(selector, limit=1)[0]


def _in_reading_order(folder: Path, page: str) -> Iterator[_Chapter]:
    """The pages, of which each leads to the next."""
    soup = _read(folder / page)
    listed = _sidebar(page, soup)
    for number in itertools.count():
        article, anchor = _one(soup, "article"), f"c{number}"
        if page in listed:
            home, (part, depth) = anchor, listed[page]
            yield _Chapter(page, article, anchor, home, depth, part)
        else:
            # The first page's sidebar has no pages that are below a chapter.
            yield _Chapter(page, article, anchor, home, depth + 1, "")
        following = soup.select_one("a.right-next")
        if not following:
            return
        page = urljoin(page, str(following["href"]))
        soup = _read(folder / page)


def _sidebar(first: str, soup: BeautifulSoup) -> dict[str, tuple[str, int]]:
    """For each chapter the part that it begins, if it begins one, and whether it is in any."""
    listed, part, depth = {first: ("", 0)}, "", 0
    for e in soup.select("nav.bd-docs-nav :is(p.caption, a.internal)"):
        if e.name == "p":
            part, depth = e.decode_contents(), 1
        else:
            listed[urljoin(first, str(e["href"]))] = part, depth
            part = ""
    return listed


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


def _contents(chapter: _Chapter) -> Iterator[str]:
    """Lines of the table of contents: the part that a chapter begins, the chapter, its sections."""
    if chapter.part:
        yield _line(0, chapter.part, f"part-{chapter.anchor}")
    if chapter.home != chapter.anchor:
        yield _line(2, chapter.title, chapter.anchor)
        return
    yield _line(1, chapter.title, chapter.anchor)
    for section in chapter.article.select("section:has(> h2)"):
        yield _line(2, _one(section, ":scope > h2").decode_contents(), str(section["id"]))


def _line(level: int, title: str, anchor: str) -> str:
    """On which page its place is, is known once it is printed."""
    return (
        f'<p class="sg-level-{level}"><a href="#{anchor}"><span>{title}</span>'
        '<span class="sg-dots"></span><span class="sg-number"></span></a></p>'
    )


def _running(chapter: _Chapter) -> str:
    """Title at the head of each page of a chapter."""
    title = BeautifulSoup(chapter.title, "html.parser").text.replace("\\", "\\\\")
    text = title.replace('"', '\\"')
    return f'@page {chapter.anchor} {{ @top-right {{ content: "{text}" }} }}'


def _lay_out(chapter: _Chapter) -> str:
    """A chapter in its section; in a part, its headings are a level further down."""
    article, kind = chapter.article, "sg-chapter sg-below"
    if chapter.home == chapter.anchor:
        _one(article, "h1")["class"], kind = "sg-chapter-title", "sg-chapter"
    for e in article.select("h1, h2, h3, h4, h5, h6"):
        e.name = f"h{min(int(e.name[1]) + chapter.depth, 6)}"
    part = f'<h1 class="sg-part" id="part-{chapter.anchor}">{chapter.part}</h1>'
    return (
        f'<section class="{kind}" id="{chapter.anchor}" style="page: {chapter.home}">\n'
        f"{part if chapter.part else ''}\n{article}\n</section>"
    )
