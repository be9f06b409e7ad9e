"""Print the book as one PDF, through Chromium."""

from __future__ import annotations

import io
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from spectralgrad.book import building, onepage
from spectralgrad.system import storage
from spectralgrad.system.errors import CommandError, InputError, one_line

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

#: Width of the text on a printed page in CSS pixels: A4 less the margins that print.css sets.
TEXT_WIDTH = 657
NO_CHROMIUM = (
    "no Chromium on this machine, which prints the book; install it (on Debian: apt install "
    "chromium), or name one in SPECTRALGRAD_CHROMIUM"
)


def write(output: str | os.PathLike[str] | None = None) -> Path:
    """Build the book, as far as anything has changed, and print it to a file."""
    browser = chromium()
    output = storage.absolute(output or building.root() / "_build" / "spectralgrad.pdf")
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
            # Once to learn on which page each chapter begins, and once to say so.
            page.evaluate("numberContents", page_numbers(_printed(page)))
            return _printed(page)
    except Error as error:
        reason = error.message.splitlines()[0]
        raise CommandError(f"{browser} did not print the book: {reason}") from error


def _printed(page: Page) -> bytes:
    return page.pdf(outline=True, tagged=True, prefer_css_page_size=True)


def join(pages: Path, folder: Path) -> Path:
    """Write the joined pages to a folder in which a browser finds what they refer to."""
    for part in pages.glob("_*"):
        (folder / part.name).symlink_to(part.resolve())
    source = folder / "book.html"
    source.write_text(onepage.join(pages), encoding="utf-8")
    return source


def open_to_print(browser: Browser, source: Path) -> Page:
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
