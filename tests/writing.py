"""Write chapters that need no framework and are quick to execute."""

import itertools

import nbformat.v4 as v4

LOAD = "from spectralgrad import matrices\nA = matrices.load(matrix)"


def _code(source, *tags):
    return v4.new_code_cell(source, metadata={"tags": list(tags)})


def write_chapter(root, name, *sources):
    """Write a chapter of this name that takes a matrix A and then does what the sources say.

    A source may come with tags, as in ``("print(A)", "torch")``.
    """
    tagged = [(source,) if isinstance(source, str) else source for source in sources]
    notebook = v4.new_notebook(
        cells=[
            v4.new_markdown_cell(f"# Title of {name}"),
            _code('matrix: str = "article-2x2"  # any', "parameters"),
            _code(LOAD, "input"),
            *(_code(*source) for source in tagged),
        ],
        metadata={
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}
        },
    )
    path = root / "chapters" / f"{name}.ipynb"
    path.write_text(v4.writes(notebook), encoding="utf-8")


_SIDEBAR = """
<p class="title logo__title">A small book</p>
<nav class="bd-docs-nav">
<p class="caption"><span class="caption-text">The part</span></p>
<ul><li><a class="reference internal" href="{up}chapters/one.html">One</a></li>
<li><a class="reference internal" href="{up}chapters/two.html">Two</a>
<ul><li><a class="reference internal" href="{up}below.html">Below</a></li></ul></li></ul>
</nav>
"""
_PAGES = ("intro", "chapters/one", "chapters/two", "below")


def write_pages(folder, **articles):
    """Write pages as the theme does: a first one, "one" and "two" in a part, one "below" the last.

    The articles are given by name and without the title.
    """
    (folder / "_static").mkdir(parents=True)
    (folder / "chapters").mkdir()
    redirect = '<meta http-equiv="Refresh" content="0; url=intro.html" />'
    (folder / "index.html").write_text(redirect, encoding="utf-8")
    for place, following in itertools.zip_longest(_PAGES, _PAGES[1:]):
        name, up = place.rpartition("/")[2], "../" * place.count("/")
        link = f'<a class="right-next" href="{up}{following}.html">next</a>' if following else ""
        text = (
            f"<html><head><title>{name}</title></head><body>{_SIDEBAR.format(up=up)}"
            f'<article><section id="the-title"><h1>Title of {name}<a class="headerlink" '
            f'href="#the-title">#</a></h1>{articles.get(name, "")}</section></article>{link}'
            '<p class="component-author">By A. Writer</p></body></html>'
        )
        linked = f'"reference internal" href="{up}{place}.html"'
        text = text.replace(linked, '"current reference internal" href="#"')
        (folder / f"{place}.html").write_text(text, encoding="utf-8")
