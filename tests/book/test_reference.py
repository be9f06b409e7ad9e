"""The pages about the package: nothing public is left out."""

import ast
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
    assert re.findall(r"^## (.*)", page, re.M)[:2] == ["recipes.autograd", "recipes.jax"]


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


def section(docstring, title):
    """What a section of a docstring names; None if there is no such section."""
    _, found, rest = docstring.partition(f"\n{title}\n{'-' * len(title)}\n")
    lines = re.split(r"\n\w+\n-+\n", rest)[0].splitlines()
    heads = [line.partition(" :")[0] for line in lines if line and line[0] != " "]
    return [name for head in heads for name in head.split(", ")] if found else None


def taken(function):
    """The parameters of a function, with their stars."""
    a = function.args
    starred = ((a.vararg, "*"), (a.kwarg, "**"))
    plain = [x.arg for x in (*a.posonlyargs, *a.args, *a.kwonlyargs) if x.arg != "self"]
    return plain + [star + x.arg for x, star in starred if x]


def undocumented(source):
    """Public functions and classes of which docstring and signature say different things."""
    tree = ast.parse(source)
    classes = [n for n in tree.body if isinstance(n, ast.ClassDef) and n.name[0] != "_"]
    functions = [
        n
        for parent in (tree, *classes)
        for n in parent.body
        if isinstance(n, ast.FunctionDef) and (n.name[0] != "_" or n.name == "__call__")
    ]
    for function in functions:
        docstring, names = ast.get_docstring(function), taken(function)
        known = section(docstring, "Parameters")
        returned, yielded = (section(docstring, title) for title in ("Returns", "Yields"))
        # One line, or a few words without sections, may say all about a small function.
        if known is None and len(names) > 1 and (returned or yielded):
            yield f"{function.name}: no section of parameters"
        if known is not None and sorted(known) != sorted(names):
            yield f"{function.name}: takes {names}, and documents {known}"
        if returned and function.returns and ast.unparse(function.returns) == "None":
            yield f"{function.name}: documents what it returns, and returns nothing"
    for node in classes:
        docstring = ast.get_docstring(node)
        fields = [n.target.id for n in node.body if isinstance(n, ast.AnnAssign)]
        fields = [name for name in fields if name[0] != "_"]
        known = section(docstring, "Attributes")
        if fields and known is not None and sorted(known) != sorted(fields):
            yield f"{node.name}: holds {fields}, and documents {known}"
        for init in (n for n in node.body if getattr(n, "name", "") == "__init__"):
            known = section(docstring, "Parameters")
            if known is not None and sorted(known) != sorted(taken(init)):
                yield f"{node.name}: takes {taken(init)}, and documents {known}"


@pytest.mark.parametrize("module", reference.modules(), ids=lambda module: module.name)
def test_docstrings_name_what_the_signatures_do(module):
    inner = Path(*module.name.split(".")[1:])
    path = PACKAGE / inner / "__init__.py" if (PACKAGE / inner).is_dir() else PACKAGE / inner
    assert list(undocumented(path.with_suffix(".py").read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    ("taken", "written", "fault"),
    [
        ("a, *b, c=1, **d", "a, c\n*b, **d", None),
        ("a, b", "a, c : float\n    b : not a name", "documents ['a', 'c']"),
        ("a, *b", "a, b", "documents ['a', 'b']"),
        ("a, b", "a", "documents ['a']"),
        ("a, b", None, "no section of parameters"),
        ("", "", "returns nothing"),
    ],
)
def test_the_check_of_docstrings_finds_faults(taken, written, fault):
    parameters = "" if not written else f"Parameters\n----------\n{written}\n\n"
    gives = "None" if fault == "returns nothing" else "int"
    docstring = f"Do.\n\n{parameters}Returns\n-------\nint\n"
    found = list(undocumented(f"def f({taken}) -> {gives}:\n    {docstring!r}"))
    assert len(found) == (fault is not None)
    assert fault is None or fault in found[0]
