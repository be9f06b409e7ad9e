"""Print the book as one PDF, through Chromium: its pages, in reading order, joined into one."""

import functools
import io
import itertools
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urldefrag, urljoin, urlsplit

from bs4 import BeautifulSoup, Tag
from jinja2 import Template

from spectralgrad import __version__
from spectralgrad.book import building, environment
from spectralgrad.system import storage
from spectralgrad.system.errors import CommandError, InputError, one_line

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

#: Width of the text on a printed page in CSS pixels: A4 less the margins that print.css sets.
TEXT_WIDTH = 680
NO_CHROMIUM = (
    "no Chromium on this machine, which prints the book; install it (on Debian: apt install "
    "chromium), or name one in SPECTRALGRAD_CHROMIUM"
)

# What the screen needs and paper does not: code that is folded, for it sets up, or lays out what
# stands below it, and listings that are; links to the place where one is; what runs.
_LEFT_OUT = (
    "details.above-input, details.below-input, a.headerlink, script, .noprint, .d-print-none"
)
# Attributes that name other elements.
_REFERENCES = ("for", "aria-labelledby", "aria-describedby")
# Half of all elements, each of which would have a place in the structure of the PDF.
_UNCOLOURED = "pre :is(.n, .p, .w)"

_HEAD = 'link[rel=stylesheet], head script:is([src*="/tex-"], :-soup-contains("MathJax"))'
_PAGE: Template = Template(
    Path(__file__).with_name("print.html").read_text("utf-8"), trim_blocks=True, lstrip_blocks=True
)


def write(output: str | os.PathLike[str] | None = None) -> Path:
    """Build the book, as far as anything has changed, and print it to a file."""
    try:
        import playwright.sync_api  # noqa: F401
        import pypdf  # noqa: F401
    except ImportError as error:
        mend = "pip install 'spectralgrad[clone]'"
        raise InputError(f"a PDF needs more ({error}); {mend}") from error
    browser = chromium()
    output = storage.absolute(output or building.clone() / "_build" / "spectralgrad.pdf")
    _require_ours(output)
    pages = building.build().parent
    with tempfile.TemporaryDirectory(dir=output.parent, prefix=".spectralgrad-") as aside:
        printed = print_pages(pages, Path(aside), browser)
    with storage.locked(output.with_name(f".{output.name}.lock")):
        # Once more: something else may have been put there since.
        _require_ours(output)
        with storage.written(output) as fresh:
            fresh.write_bytes(printed)
    return output


def chromium() -> str:
    """Find the browser that prints."""
    named = os.environ.get("SPECTRALGRAD_CHROMIUM")
    for name in [named] if named else ("chromium", "chromium-browser", "google-chrome"):
        if path := shutil.which(name):
            return path
    raise InputError(NO_CHROMIUM)


def _require_ours(output: Path) -> None:
    """Refuse a file that cannot be written, or that is no PDF."""
    mend = "name another output file"
    with storage.writable(output, mend):
        if output.exists():
            with output.open("rb") as file:
                if file.read(5) != b"%PDF-":
                    raise InputError(f"{one_line(str(output))}: is not a PDF; {mend}")


def print_pages(pages: Path, folder: Path, browser: str) -> bytes:
    """Print rendered pages, which are joined in an empty folder."""
    from playwright.sync_api import Error, sync_playwright

    source = join(pages, folder)
    # Killed, Chromium leaves there what it would have removed.
    temporary = tempfile.TemporaryDirectory(prefix="spectralgrad-", ignore_cleanup_errors=True)
    try:
        with temporary as place, sync_playwright() as playwright:
            started = playwright.chromium.launch(
                executable_path=browser, env={**os.environ, "TMPDIR": place}, timeout=0
            )
            page = open_to_print(started, source)
            made = functools.partial(page.pdf, outline=True, tagged=True, prefer_css_page_size=True)
            # Once to learn on which page each chapter begins, and once to say so.
            page.evaluate("numberContents", page_numbers(made()))
            return _dated(made(), environment.date(building.root()))
    except Error as error:
        reason = error.message.splitlines()[0]
        raise CommandError(f"{browser} did not print the book: {reason}") from error


def _dated(pdf: bytes, date: str) -> bytes:
    """The same file, said to be of a date: that of its sources, so that two of them are equal."""
    moment = f"D:{date.replace('-', '')}000000".encode()
    return re.sub(rb"(?<=Date \()D:\d{14}", moment, pdf)


def join(pages: Path, folder: Path) -> Path:
    """Write the joined pages to a folder in which a browser finds what they refer to."""
    for part in pages.glob("_*"):
        (folder / part.name).symlink_to(part.resolve())
    source = folder / "book.html"
    source.write_text(one_page(pages), encoding="utf-8")
    return source


def open_to_print(browser: "Browser", source: Path) -> "Page":
    """Open the joined pages as they will be printed, with every formula in place."""
    page = browser.new_page(viewport={"width": TEXT_WIDTH, "height": 900})
    # A whole book may take longer than one page is given.
    page.set_default_timeout(0)
    page.emulate_media(media="print")
    page.goto(source.as_uri())
    page.evaluate("window.MathJax?.startup.promise")
    page.evaluate("fitIntoPage()")
    return page


def page_numbers(pdf: bytes) -> dict[str, int]:
    """On which page of a PDF each place is that a link leads to."""
    from pypdf import PdfReader

    reader = PdfReader(io.BytesIO(pdf))
    places = reader.named_destinations.items()
    pages = {name: reader.get_destination_page_number(place) for name, place in places}
    return {name.lstrip("/"): page + 1 for name, page in pages.items() if page is not None}


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

    def lowered(self) -> Tag:
        """The article; in a part, its headings are a level further down."""
        if self.home == self.anchor:
            self.heading["class"] = "sg-chapter-title"
        for e in self.article.select("h1, h2, h3, h4, h5, h6"):
            e.name = f"h{min(int(e.name[1]) + self.depth, 6)}"
        return self.article


def one_page(folder: Path) -> str:
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
    return _PAGE.render(
        title=_one(soup, ".logo__title").decode_contents(),
        author=_one(soup, ".component-author").text.strip(),
        version=__version__,
        today=environment.date(building.root()),
        head=soup.select(_HEAD),
        chapters=chapters,
        # A string is written in CSS as in JSON.
        quoted=functools.partial(json.dumps, ensure_ascii=False),
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
