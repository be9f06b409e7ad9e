"""Mend what the theme and the extensions leave wrong in rendered pages.

The tests audit every page with axe-core, so that a new version of the theme which needs another
mend, or none, is noticed.
"""

import re
from pathlib import Path

# Pattern and replacement, for each page.
_MENDS = [
    # What is read aloud must hold the words that are seen; "Show code cell source", for one.
    (r'<summary aria-label="Toggle hidden content">', "<summary>"),
    (r'(<button class="btn search-button-field [^>]*) aria-label="Search"', r"\1"),
    (r'<summary>(<span class="toctree-toggle")', r'<summary aria-label="The pages below">\1'),
    (
        r'aria-label="Color mode" data-bs-title',
        'aria-label="Color mode: Light, Dark or System Settings" data-bs-title',
    ),
    # Whoever jumps from landmark to landmark would pass over the title of the book, which belongs
    # in the banner; the theme's is empty.
    (r'<header (id="pst-header".*?)</header>', r"<div \1</div>"),
    (
        r'<div (class="sidebar-primary-item">\s*<a class="navbar-brand logo".*?</a>\s*)</div>',
        r"<header \1</header>",
    ),
    # The items of a list have this role; theirs is withdrawn from the standard.
    (r'role="doc-biblioentry"', 'role="listitem"'),
    # Above the names of rows, a table has no heading.
    (r"<th( class=\"[^\"]*\")?>(\s*|<p></p>)</th>", r"<td\1></td>"),
    # sphinx-proof gives each proof one name, and each statement another.
    (r'(class="(?:proof [^"]*|[^"]*-content)") id="proof(?:-content)?"', r"\1"),
]
_REDIRECT = re.compile(r'\s*<meta http-equiv="Refresh" content="0; url=([^"]+)" />\s*')
# Source maps, for debuggers of the theme's scripts, are a fifth of the book; fonts in a format for
# browsers that know no other, and the theme in other languages, a twentieth.
_UNUSED = ("*.map", "*.ttf", "_static/locales/**/*.*")


def mend(folder: Path) -> None:
    """Mend rendered pages in their folder, and leave out files that no browser asks for."""
    for pattern in _UNUSED:
        for path in folder.rglob(pattern):
            path.unlink()
    for path in pages(folder):
        text = path.read_text(encoding="utf-8")
        redirect = _REDIRECT.fullmatch(text)
        path.write_text(_redirect(path, redirect[1]) if redirect else _mend(text), "utf-8")


def pages(folder: Path) -> list[Path]:
    """List the pages in a folder."""
    # The folders that start with an underscore hold the theme's own files.
    return sorted(p for p in folder.rglob("*.html") if p.relative_to(folder).parts[0][0] != "_")


def _mend(text: str) -> str:
    for pattern, replacement in _MENDS:
        text = re.sub(pattern, replacement, text, flags=re.DOTALL)
    return text


def _redirect(path: Path, target: str) -> str:
    """Page that leads to another, with a language, a title and a link."""
    page = Path(path.parent, target).read_text(encoding="utf-8")
    title, *_ = (t.strip() for t in re.findall(r"<title>(.*?)</title>", page, re.DOTALL))
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<title>{title}</title>\n<link rel="icon" href="data:,">\n'
        f'<meta http-equiv="Refresh" content="0; url={target}">\n</head>\n'
        f'<body><main><h1><a href="{target}">{title}</a></h1></main></body>\n</html>\n'
    )
