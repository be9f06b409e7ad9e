"""Print a small book: what is made to fit, what the PDF holds, and what a failure leaves."""

import io
import re
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from pypdf import PdfReader
from writing import write_pages

from spectralgrad import cli
from spectralgrad.book import building, pdf

WIDE_TABLE = f"<table><tr>{'<td>123456</td>' * 40}</tr></table>"
LONG_LINE = f"<pre>{'long_name + ' * 40}</pre>"
WIDE_FORMULA = (
    '<div class="math"><mjx-container style="display: block"><svg width="2000" height="20"></svg>'
    "</mjx-container></div>"
)
SECTIONS = '<section id="s"><h2>A section</h2><p style="break-before: page">text</p></section>'


@pytest.fixture
def small(tmp_path):
    """Rendered pages with the real styles."""
    write_pages(tmp_path / "html", one=SECTIONS + WIDE_TABLE + LONG_LINE + WIDE_FORMULA)
    shutil.copy(building.root() / "assets" / "print.css", tmp_path / "html" / "_static")
    return tmp_path / "html"


@pytest.fixture
def aside(tmp_path):
    folder = tmp_path / "aside"
    folder.mkdir()
    return folder


def print_pages(*arguments):
    """Print in a thread of its own, for Playwright runs once in each: here it has the browser."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(pdf.print_pages, *arguments).result()


def titles(outline):
    """Titles of an outline, a list for what is below the one before it."""
    return [titles(e) if isinstance(e, list) else e.title for e in outline]


def test_what_is_too_wide_is_made_smaller_or_broken_into_lines(browser, small, aside):
    source = pdf.join(small, aside)
    page = pdf.open_to_print(browser, source)
    zooms = page.locator("table, svg").evaluate_all("all => all.map(e => Number(e.style.zoom))")
    assert all(0 < zoom < 1 for zoom in zooms)
    for e in page.locator("main :is(table, svg, pre)").all():
        assert e.bounding_box()["x"] + e.bounding_box()["width"] <= pdf.TEXT_WIDTH
    assert page.evaluate("document.documentElement.scrollWidth") <= pdf.TEXT_WIDTH
    lines = "e => e.clientHeight / parseFloat(getComputedStyle(e).lineHeight)"
    assert page.locator("pre").evaluate(lines) > 3
    page.close()


@pytest.mark.usefixtures("browser")
def test_the_pdf_has_an_outline_tags_and_the_numbers_of_its_pages(small, aside):
    data = print_pages(small, aside, pdf.chromium())
    printed = PdfReader(io.BytesIO(data))
    assert titles(printed.outline) == [
        *("Contents", "Title of intro", "The part"),
        ["Title of one", ["A section"], "Title of two", ["Title of below"]],
    ]
    assert "/StructTreeRoot" in printed.root_object
    assert printed.root_object["/Lang"] == "en"
    numbers = pdf.page_numbers(data)
    # A title page, the contents, the chapters, of which the second takes two pages.
    assert numbers == {"c0": 3, "part-c1": 4, "c1": 4, "c1-s": 4, "c2": 6, "c3": 6}
    assert len(printed.pages) == 6
    # What the contents say is where their links lead; before it stands the page's own number.
    contents = printed.pages[1]
    links = [link["/Dest"].lstrip("/") for link in contents["/Annots"]]
    own, *said = re.findall(r"(\d+)$", contents.extract_text(), re.M)
    assert own == "2"
    assert list(map(int, said)) == [numbers[name] for name in links]


@pytest.mark.usefixtures("browser")
def test_the_same_pages_give_the_same_file(small, tmp_path, monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "86400")
    files = []
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        files.append(print_pages(small, tmp_path / name, pdf.chromium()))
    assert files[0] == files[1]
    said = PdfReader(io.BytesIO(files[0]))
    for date in (said.metadata.creation_date, said.metadata.modification_date):
        assert date.date().isoformat() == "1970-01-02"
    assert "printed on 1970-01-02" in said.pages[0].extract_text()


@pytest.fixture
def printer(tmp_path, monkeypatch):
    """Have the book built already, and its printing stand in for Chromium's."""
    (tmp_path / "pages").mkdir()
    monkeypatch.setattr(building, "build", lambda: tmp_path / "pages" / "index.html")
    monkeypatch.setattr(pdf, "chromium", lambda: "chromium")

    monkeypatch.setattr(pdf, "print_pages", lambda *_: b"%PDF-1.4 new")
    return tmp_path / "out"


@pytest.mark.usefixtures("printer")
def test_a_file_is_replaced_only_by_a_whole_one(printer, monkeypatch, capsys):
    target = printer / "new" / "book.pdf"
    assert cli.main(["pdf", "--output", str(target)]) == 0
    assert capsys.readouterr().out == f"{target}\n"
    assert target.read_bytes() == b"%PDF-1.4 new"

    def fail(*_):
        raise building.CommandError("no paper")

    monkeypatch.setattr(pdf, "print_pages", fail)
    assert cli.main(["pdf", "--output", str(target)]) == 1
    assert capsys.readouterr().err == "spectralgrad: no paper\n"
    assert [path.name for path in target.parent.iterdir()] == ["book.pdf"]
    assert target.read_bytes() == b"%PDF-1.4 new"


def test_a_file_that_is_no_pdf_is_not_replaced(printer, capsys):
    printer.mkdir()
    thesis = printer / "thesis.tex"
    thesis.write_text("years of work", encoding="utf-8")
    for target, reason in ((thesis, "is not a PDF"), (printer, "cannot be written")):
        assert cli.main(["pdf", "--output", str(target)]) == 2
        error = capsys.readouterr().err
        assert reason in error
        assert error.endswith("name another output file\n")
    assert thesis.read_text(encoding="utf-8") == "years of work"


@pytest.mark.parametrize("named", ["/no/such/browser", ""])
def test_without_chromium_there_is_one_clear_line(named, monkeypatch, capsys):
    monkeypatch.setenv("SPECTRALGRAD_CHROMIUM", named)
    monkeypatch.setenv("PATH", "/nowhere")
    assert cli.main(["pdf"]) == 2
    assert capsys.readouterr().err == f"spectralgrad: {pdf.NO_CHROMIUM}\n"


@pytest.mark.parametrize("name", ["playwright", "pypdf"])
def test_what_only_a_clone_needs_is_named(name, monkeypatch, capsys):
    # Importing what has none of it, as after pip install 'spectralgrad[book]'.
    monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.delitem(sys.modules, f"{name}.sync_api", raising=False)
    assert cli.main(["pdf"]) == 2
    error = capsys.readouterr().err
    assert re.fullmatch(
        r"spectralgrad: a PDF needs more \(.*\); pip install '.*\[clone\]'\n", error
    )


@pytest.mark.usefixtures("browser")
def test_a_browser_that_does_not_start_is_one_line(small, aside):
    with pytest.raises(
        building.CommandError, match=r"^/bin/false did not print the book: .*closed$"
    ):
        print_pages(small, aside, "/bin/false")
