"""Extension of Sphinx: what every page has besides its text, and the tables that are computed."""

import functools
import html
import json
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import yaml
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from spectralgrad.book import building, environment
from spectralgrad.book.prose import table

#: Folder of the rendered book with the notebooks, executed and as they are committed.
NOTEBOOKS = "notebooks"

_built_with = functools.cache(lambda: environment.describe_build(building.root()))


def _executed(app: Sphinx, page: str) -> dict[str, Any]:
    """What execution left in the metadata of the notebook that a page shows, if it shows one."""
    found: dict[str, Any] = json.loads(app.env.metadata[page].get("spectralgrad", "{}"))
    return found


def _notebooks(app: Sphinx, page: str) -> tuple[Path, str] | None:
    """The committed notebook of which a page shows the execution, and a name for the executed."""
    chapter = building.chapters().get(_executed(app, page).get("chapter", ""))
    return (chapter, f"{page.rpartition('/')[2]}.executed.ipynb") if chapter else None


def add_stamp(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: object
) -> None:
    """Put a stamp into the foot; in the text, a search for a framework would find every page."""
    executed = _executed(app, pagename)
    verb = "Executed" if executed else "Built"
    stamp = html.escape(environment.sentence(_built_with() | executed, verb))
    if "environment" in app.env.all_docs:
        stamp += f' <a href="{context["pathto"]("environment")}">Environment</a>'
    context["theme_extra_footer"] = f'<p class="sg-stamp">{stamp}</p>'


def add_downloads(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: object
) -> None:
    """Offer the notebook as it is committed beside the executed one."""
    if not (notebooks := _notebooks(app, pagename)):
        return
    committed, name = notebooks
    (menu,) = (b["buttons"] for b in context["header_buttons"] if b["label"] == "download-buttons")
    (button,) = (button for button in menu if button["label"] == "download-source-button")
    button |= {
        "url": context["pathto"](f"{NOTEBOOKS}/{name}", 1),
        "text": "Executed notebook",
        "tooltip": "With the results that this page shows",
    }
    other = button | {
        "url": context["pathto"](f"{NOTEBOOKS}/{committed.name}", 1),
        "text": "Source notebook",
        "tooltip": "Without results, to be executed",
        "label": "download-committed-button",
    }
    menu.insert(menu.index(button) + 1, other)


def place_notebooks(app: Sphinx, exception: Exception | None) -> None:
    """Put what `add_downloads` offers into one folder."""
    folder = Path(app.outdir, NOTEBOOKS)
    for page in () if exception else app.env.all_docs:
        if notebooks := _notebooks(app, page):
            committed, name = notebooks
            folder.mkdir(exist_ok=True)
            shutil.copyfile(committed, folder / committed.name)
            Path(app.outdir, "_sources", f"{page}.ipynb").replace(folder / name)


def read_docstring(
    app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]
) -> None:
    """Keep Sphinx from reading more into a docstring than is meant."""
    # Bars are absolute values, and no substitutions.
    lines[:] = [re.sub(r"(``.*?``)|\|", lambda found: found[1] or r"\|", line) for line in lines]
    # What stands before a colon in the first line of these would be taken for a type: let that line
    # be an empty comment.
    if what in ("attribute", "data", "property"):
        lines[:0] = ["..", ""]


def environment_lines() -> Iterator[str]:
    """What the book was built on and with: two tables, and the lock."""
    root = building.root()
    yield table(["", "this build"], environment.machine(root).items(), align="---")
    yield from ("", "The packages that the project asks for by name:", "")
    versions = ((n, v or "not installed", g) for n, v, g in environment.direct(root))
    yield table(["name", "version", "needed by"], versions, align="---")
    yield from ("", ":::{dropdown} Every package, as `requirements.lock` fixes it", "```text")
    yield (root / "requirements.lock").read_text(encoding="utf-8").rstrip()
    yield from ("```", ":::")


def citation_lines() -> Iterator[str]:
    """How to cite the book, from ``CITATION.cff``: a sentence, and an entry for BibTeX."""
    cff = yaml.safe_load((building.root() / "CITATION.cff").read_text(encoding="utf-8"))
    (author,) = (entity["name"] for entity in cff["authors"])
    year = environment.date(building.root())[:4]
    title, version = cff["title"], cff["version"]
    yield f"> {author}. *{title}* Version {version}, {year}."
    yield from ("", "```bibtex", "@software{spectralgrad,")
    fields = {"author": f"{{{author}}}", "title": title, "version": version, "year": year}
    yield from (f"  {name:<7} = {{{value}}}," for name, value in fields.items())
    yield from ("}", "```")


def _directive(lines: Callable[[], Iterator[str]]) -> type[SphinxDirective]:
    """A directive that takes nothing, and stands for text in MyST."""

    class Computed(SphinxDirective):
        def run(self) -> list[nodes.Node]:
            return self.parse_text_to_nodes("\n".join(lines()))

    return Computed


def setup(app: Sphinx) -> dict[str, bool]:
    """Register everything; called by Sphinx, as the functions above are."""
    app.add_directive("environment", _directive(environment_lines))
    app.add_directive("citation", _directive(citation_lines))
    # Napoleon reads them at 500.
    app.connect("autodoc-process-docstring", read_docstring, priority=400)
    app.connect("html-page-context", add_stamp)
    # The theme adds its buttons at 501.
    app.connect("html-page-context", add_downloads, priority=600)
    app.connect("build-finished", place_notebooks)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
