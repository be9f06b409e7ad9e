"""Write chapters that need no framework and are quick to execute."""

import nbformat.v4 as v4

LOAD = "from spectralgrad import matrices\nA = matrices.load(matrix)"


def _code(source, *tags):
    return v4.new_code_cell(source, metadata={"tags": list(tags)})


def write_chapter(root, name, *sources):
    """Write a chapter of this name that takes a matrix A and then does what the sources say."""
    notebook = v4.new_notebook(
        cells=[
            v4.new_markdown_cell(f"# Title of {name}"),
            _code('matrix: str = "article-2x2"  # any', "parameters"),
            _code(LOAD, "input"),
            *map(_code, sources),
        ],
        metadata={
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}
        },
    )
    path = root / "chapters" / f"{name}.ipynb"
    path.write_text(v4.writes(notebook), encoding="utf-8")
