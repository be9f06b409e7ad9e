"""The pages about the package: nothing public is left out."""

import re
from pathlib import Path

import pytest

from spectralgrad.book import reference

PACKAGE = Path(reference.__file__).parents[1]


def test_every_module_is_found():
    found = {m.name for m in reference.modules()}
    files = [path.relative_to(PACKAGE.parent) for path in PACKAGE.rglob("*.py")]
    names = {".".join(path.with_suffix("").parts).removesuffix(".__init__") for path in files}
    assert found == {name for name in names if "._" not in name} - {"spectralgrad"}


def test_what_is_private_stays_so(tmp_path):
    for name in ("shown.py", "_hidden.py"):
        (tmp_path / name).write_text('"""Purpose."""\n', encoding="utf-8")
    assert [name for name, _ in reference._walk([str(tmp_path)], "x.")] == ["x.shown"]


def test_modules_come_in_the_order_of_the_design():
    pages = list(dict.fromkeys(m.page for m in reference.modules()))
    known = [name for name in reference.ORDER if name in pages]
    assert pages[: len(known)] == known
    # Others follow: name them in ORDER once they are there to stay.
    assert pages[len(known) :] == sorted(set(pages) - set(known))


def test_a_package_has_one_page():
    page = reference.pages()["recipes"]
    assert page.startswith("# recipes\n")
    assert re.findall(r"^## (.*)", page, re.M)[:2] == ["recipes.autograd", "recipes.hermitian"]


def test_the_purpose_is_the_first_line(tmp_path):
    pages = reference.write(tmp_path / "api")
    assert sorted(f"{name}.md" for name in pages) == sorted(p.name for p in tmp_path.glob("api/*"))
    (eigen,) = (m for m in reference.modules() if m.name == "spectralgrad.theory.eigen")
    assert eigen.purpose.startswith("Gradients of the eigenvalues")


@pytest.mark.parametrize("framework", ["autograd", "torch", "jax", "tensorflow"])
def test_a_recipe_belongs_to_its_framework(framework):
    """Not to the module in which all are declared, where autodoc and pickle would look for it."""
    module = pytest.importorskip(f"spectralgrad.recipes.{framework}")
    assert module.polar.__module__ == module.__name__
