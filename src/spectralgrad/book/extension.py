"""Extension of Sphinx: what every page has besides its text, tabs, and two computed pages."""

import functools
import html
import itertools
import json
import re
import shutil
from pathlib import Path
from typing import Any

import yaml
from docutils import nodes
from jinja2 import Template
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform
from sphinx_design.shared import create_component

from spectralgrad.book import building, environment
from spectralgrad.book.prose import table
from spectralgrad.frameworks import TITLES

#: Folder of the rendered book with the notebooks, executed and as they are committed.
NOTEBOOKS = "notebooks"

_built_with = functools.cache(lambda: environment.describe_build(building.root()))


def _executed(app: Sphinx, page: str) -> dict[str, Any]:
    """What execution left in the metadata of the notebook that a page shows, if it shows one."""
    return dict(json.loads(app.env.metadata[page].get("spectralgrad", "{}")))


def _notebooks(app: Sphinx, page: str) -> tuple[Path, str] | None:
    """The committed notebook of which a page shows the execution, and a name for the executed."""
    chapter = building.chapters().get(_executed(app, page).get("chapter", ""))
    return (chapter, f"{page.rpartition('/')[2]}.executed.ipynb") if chapter else None


def add_to_page(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: object
) -> None:
    """Stamp a page, and offer the notebook as it is committed beside the executed one."""
    executed, path = _executed(app, pagename), context["pathto"]
    verb = "Executed" if executed else "Built"
    stamp = html.escape(environment.sentence(_built_with() | executed, verb))
    if "environment" in app.env.all_docs:
        stamp += f' <a href="{path("environment")}">Environment</a>'
    # In the foot: in the text, a search for a framework would find every page.
    context["theme_extra_footer"] = f'<p class="sg-stamp">{stamp}</p>'
    if not (notebooks := _notebooks(app, pagename)):
        return
    committed, name = notebooks
    (menu,) = (b["buttons"] for b in context["header_buttons"] if b["label"] == "download-buttons")
    (button,) = (button for button in menu if button["label"] == "download-source-button")
    button |= {
        "url": path(f"{NOTEBOOKS}/{name}", 1),
        "text": "Executed notebook",
        "tooltip": "With the results that this page shows",
    }
    other = button | {
        "url": path(f"{NOTEBOOKS}/{committed.name}", 1),
        "text": "Source notebook",
        "tooltip": "Without results, to be executed",
        "label": "download-committed-button",
    }
    menu.insert(menu.index(button) + 1, other)


def place_notebooks(app: Sphinx, exception: Exception | None) -> None:
    """Put what `add_to_page` offers into one folder."""
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


def fill_in(app: Sphinx, page: str, source: list[str]) -> None:
    """Have a page that is a template say what the book was built on and with, and is cited as."""
    if page not in ("environment", "bibliography"):
        return
    root = building.root()
    source[0] = Template(source[0]).render(
        table=functools.partial(table, align="---"),
        machine=environment.machine(root),
        packages=environment.direct(root),
        lock=(root / "requirements.lock").read_text(encoding="utf-8").rstrip(),
        cff=yaml.safe_load((root / "CITATION.cff").read_text(encoding="utf-8")),
        year=environment.date(root)[:4],
    )


def know_address(app: Sphinx, config: Any) -> None:
    """Where it is known, have pages say their address, and show a card wherever one is shared."""
    config.ogp_site_url = config.html_baseurl
    config.ogp_social_cards = {"enable": bool(config.html_baseurl)}


def list_pages(app: Sphinx, exception: Exception | None) -> None:
    """Tell search engines which pages there are, if the address of the book is known."""
    if exception or not (address := app.config.html_baseurl):
        return
    pages = (html.escape(address + app.builder.get_target_uri(p)) for p in sorted(app.env.all_docs))
    lines = "".join(f"<url><loc>{page}</loc></url>\n" for page in pages)
    space = "http://www.sitemaps.org/schemas/sitemap/0.9"
    text = f'<?xml version="1.0" encoding="UTF-8"?>\n<urlset xmlns="{space}">\n{lines}</urlset>\n'
    Path(app.outdir, "sitemap.xml").write_text(text, encoding="utf-8")


class Folds(SphinxTransform):
    """Fold neighbouring hidden cells into one, as long as none of them but the last shows anything.

    Otherwise a row of lines would say that code is hidden.
    """

    default_priority = 500

    def apply(self, **_: Any) -> None:
        """Put the code of such a cell before that of the next."""
        for cell in [n for n in self.document.findall(nodes.container) if self._is_silent(n)]:
            after = cell.next_node(descend=False, siblings=True)
            if isinstance(after, nodes.container) and after.get("hide_mode") == "input":
                after[0][:0] = cell[0].children
                cell.parent.remove(cell)

    def _is_silent(self, cell: nodes.container) -> bool:
        return cell.get("hide_mode") == "input" and len(cell) == 1


class Tabs(SphinxTransform):
    """Make one set of tabs of neighbouring cells that are tagged with more than one framework.

    A reader chooses a framework once. The notebook, paper, and a page without JavaScript have the
    cells one below the other.
    """

    default_priority = 500
    titles = {"numpy": "NumPy"} | TITLES

    def _framework(self, node: nodes.Node) -> str:
        classes = node.get("classes", ()) if isinstance(node, nodes.container) else ()
        return next((name for name in self.titles if f"tag_{name}" in classes), "")

    def apply(self, **_: Any) -> None:
        """Look among the children of each part of the document."""
        for parent in {n.parent: None for n in self.document.findall(self._framework)}:
            groups = itertools.groupby(parent.children, lambda node: bool(self._framework(node)))
            parent[:] = [node for tagged, run in groups for node in self._set(tagged, [*run])]

    def _set(self, tagged: bool, run: list[nodes.Node]) -> list[nodes.Node]:
        names = [*dict.fromkeys(map(self._framework, run))] if tagged else []
        if len(names) < 2:
            return run
        items = []
        for name in names:
            label = nodes.rubric("", self.titles[name], classes=["sd-tab-label"])
            label["sync_id"], label["sync_group"] = name, "framework"
            cells = [node for node in run if self._framework(node) == name]
            content = create_component("tab-content", ["sd-tab-content"], children=cells)
            items.append(create_component("tab-item", ["sd-tab-item"], children=[label, content]))
        return [create_component("tab-set", ["sd-tab-set"], children=items)]


def setup(app: Sphinx) -> dict[str, bool]:
    """Register everything; called by Sphinx, as the functions above are."""
    app.connect("source-read", fill_in)
    # Napoleon reads them at 500.
    app.connect("autodoc-process-docstring", read_docstring, priority=400)
    # The theme adds its buttons at 501.
    app.connect("html-page-context", add_to_page, priority=600)
    app.connect("build-finished", place_notebooks)
    app.connect("config-inited", know_address)
    app.connect("build-finished", list_pages)
    app.add_transform(Folds)
    app.add_transform(Tabs)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
