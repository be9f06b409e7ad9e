"""The pages about the package: nothing public is left out, and nothing else is in."""

import re

import pytest
import yaml
from rooms import ROOMS, modules

from spectralgrad.book import building

ROOT = building.root()


@pytest.mark.parametrize("room", ROOMS)
def test_every_module_of_a_room_is_on_its_page(room):
    page = (ROOT / "api" / f"{room}.md").read_text(encoding="utf-8")
    headings = re.findall(r"^##? (.*)$", page, re.M)
    assert page.startswith(f"# {room}\n")
    assert re.findall(r"automodule:: spectralgrad\.(.*)", page) == headings
    assert sorted(headings) == sorted(modules(room))


def test_the_pages_of_the_rooms_are_in_the_book_and_no_others():
    assert {path.stem for path in (ROOT / "api").iterdir()} == set(ROOMS)
    parts = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))["parts"]
    (api,) = (c for part in parts for c in part["chapters"] if c["file"] == "api")
    assert [section["file"] for section in api["sections"]] == [f"api/{r}" for r in ROOMS]
    links = re.findall(r"\]\((api/\w+)\.md\)", (ROOT / "api.md").read_text(encoding="utf-8"))
    assert links == [f"api/{room}" for room in ROOMS]


@pytest.mark.parametrize("framework", ["autograd", "torch", "jax", "tensorflow"])
def test_a_recipe_belongs_to_its_framework(framework):
    """Not to the module in which all are declared, where autodoc and pickle would look for it."""
    module = pytest.importorskip(f"spectralgrad.recipes.{framework}")
    assert module.polar.__module__ == module.__name__
