"""Join the rendered pages of a book, in reading order, into one page to be printed."""

import datetime
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote, urldefrag, urlsplit

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


@dataclass(frozen=True)
class _Chapter:
    """A page of the book, and where it will stand.

    Attributes
    ----------
    path : pathlib.Path
    article : bs4.Tag
    anchor : str
    home : str
        Anchor of the chapter whose page it belongs to; its own, if it is not below another one.
    depth : int
        How many levels its headings are further down than on the page.
    part : str
        That it begins, or nothing.
    """

    path: Path
    article: Tag
    anchor: str
    home: str
    depth: int
    part: str


@dataclass(frozen=True)
class _Entry:
    """A line of the table of contents: a part (0), a chapter (1), a section or a page below (2)."""

    level: int
    title: str
    anchor: str


def join(folder: Path) -> str:
    """Join the pages of a rendered book.

    Parameters
    ----------
    folder : pathlib.Path
        Of the rendered book. The page must be opened beside its folders ``_static`` and so on.

    Returns
    -------
    str
        HTML: a title page, a table of contents whose lines end in an empty ``.sg-number``, and the
        chapters. The names in a chapter begin with that of the chapter, and links between chapters
        are links inside the page.
    """
    folder = folder.resolve()
    first = _front(folder)
    soup = _read(first)
    chapters = _reading_order(first, soup)
    places = {chapter.path: chapter.anchor for chapter in chapters}
    entries: list[_Entry] = []
    articles = []
    for chapter in chapters:
        _strip(chapter.article)
        _rename(chapter.article, chapter.path, places, folder)
        entries += _entries(chapter)
        articles.append(_lay_out(chapter))
    scripts = soup.select("head script")
    mathjax = [s for s in scripts if "MathJax" in s.text or "/tex-" in str(s.get("src"))]
    return _PAGE.format(
        title=_one(soup, ".logo__title").decode_contents(),
        author=_one(soup, ".component-author").text.strip(),
        version=__version__,
        today=datetime.date.today().isoformat(),
        head="\n".join(map(str, [*soup.select("link[rel=stylesheet]"), *mathjax])),
        running="\n".join(_running(entry) for entry in entries if entry.level == 1),
        contents="\n".join(map(_line, entries)),
        chapters="\n".join(articles),
    )


def _read(path: Path) -> BeautifulSoup:
    return BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")


def _one(tag: Tag, selector: str) -> Tag:
    """First element that fits; there has to be one."""
    return tag.select(selector, limit=1)[0]


def _front(folder: Path) -> Path:
    """First page, to which the index may lead."""
    index = folder / "index.html"
    redirect = _read(index).select_one("meta[http-equiv=Refresh]")
    return folder / str(redirect["content"]).partition("url=")[2] if redirect else index


def _reading_order(first: Path, soup: BeautifulSoup) -> list[_Chapter]:
    """Chapters in the order in which each page leads to the next."""
    listed, path = _sidebar(first, soup), first
    chapters: list[_Chapter] = []
    while True:
        article, anchor = _one(soup, "article"), f"c{len(chapters)}"
        if path in listed:
            part, depth = listed[path]
            above = _Chapter(path, article, anchor, anchor, depth, part)
            chapters.append(above)
        else:
            # The first page's sidebar has no pages that are below a chapter.
            chapters.append(_Chapter(path, article, anchor, above.anchor, above.depth + 1, ""))
        following = soup.select_one("a.right-next")
        if not following:
            return chapters
        path = _target(path, following)
        soup = _read(path)


def _sidebar(first: Path, soup: BeautifulSoup) -> dict[Path, tuple[str, int]]:
    """For each chapter the part that it begins, if it begins one, and whether it is in any."""
    listed, part, depth = {first: ("", 0)}, "", 0
    for e in soup.select("nav.bd-docs-nav :is(p.caption, a.internal)"):
        if e.name == "p":
            part, depth = e.decode_contents(), 1
        else:
            listed[_target(first, e)] = part, depth
            part = ""
    return listed


def _target(path: Path, link: Tag) -> Path:
    return (path.parent / unquote(str(link["href"]))).resolve()


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


def _rename(article: Tag, path: Path, places: Mapping[Path, str], folder: Path) -> None:
    """Make names unique, and let links and pictures be found from the joined page."""
    here = places[path]
    for e in article.select("[id]"):
        e["id"] = f"{here}-{e['id']}"
    for attribute in _REFERENCES:
        for e in article.select(f"[{attribute}]"):
            e[attribute] = " ".join(f"{here}-{name}" for name in str(e[attribute]).split())
    for e in article.select("a[href]"):
        target, anchor = urldefrag(str(e["href"]))
        if urlsplit(target).scheme:
            continue
        page = (path.parent / unquote(target)).resolve() if target else path
        if page in places:
            e["href"] = f"#{places[page]}-{anchor}" if anchor else f"#{places[page]}"
        else:
            e.unwrap()
    for e in article.select("[src]"):
        source = str(e["src"])
        if not urlsplit(source).scheme:
            file = (path.parent / unquote(source)).resolve()
            e["src"] = quote(file.relative_to(folder).as_posix())


def _entries(chapter: _Chapter) -> Iterator[_Entry]:
    """Lines of the table of contents: the part that a chapter begins, the chapter, its sections."""
    if chapter.part:
        yield _Entry(0, chapter.part, f"part-{chapter.anchor}")
    nested = chapter.home != chapter.anchor
    title = _one(chapter.article, "h1").decode_contents()
    yield _Entry(2 if nested else 1, title, chapter.anchor)
    for section in () if nested else chapter.article.select("section:has(> h2)"):
        yield _Entry(2, _one(section, ":scope > h2").decode_contents(), str(section["id"]))


def _lay_out(chapter: _Chapter) -> str:
    """A chapter in its section; in a part, its headings are a level further down."""
    article, kind = chapter.article, "sg-chapter sg-below"
    if chapter.home == chapter.anchor:
        _one(article, "h1")["class"], kind = "sg-chapter-title", "sg-chapter"
    for level in range(6, 0, -1):
        for e in article.select(f"h{level}"):
            e.name = f"h{min(level + chapter.depth, 6)}"
    part = f'<h1 class="sg-part" id="part-{chapter.anchor}">{chapter.part}</h1>'
    return (
        f'<section class="{kind}" id="{chapter.anchor}" style="page: {chapter.home}">\n'
        f"{part if chapter.part else ''}\n{article}\n</section>"
    )


def _running(entry: _Entry) -> str:
    """Title at the head of each page of a chapter."""
    title = BeautifulSoup(entry.title, "html.parser").text.replace("\\", "\\\\")
    text = title.replace('"', '\\"')
    return f'@page {entry.anchor} {{ @top-right {{ content: "{text}" }} }}'


def _line(entry: _Entry) -> str:
    """Line of the table of contents; on which page its place is, is known once it is printed."""
    return (
        f'<p class="sg-level-{entry.level}"><a href="#{entry.anchor}"><span>{entry.title}</span>'
        '<span class="sg-dots"></span><span class="sg-number"></span></a></p>'
    )
