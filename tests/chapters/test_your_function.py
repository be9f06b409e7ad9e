"""The page about a reader's own function: what it says, against derivatives known on paper."""

import html
import json
import re

import numpy as np
import pytest
from executing import execute
from watching import Watched

from spectralgrad.book import building, reporting
from spectralgrad.system.errors import ChapterError, InputError

SOURCE = """
import numpy as np
import torch

def square(a): return (a * a.conj()).real.sum() / 2
def half(a): return (a.detach() * a).sum() / 2
def smallest(a): return torch.linalg.eigvalsh(a)[0]
def sign(a): return torch.linalg.eigh(a).eigenvectors[0, 0]
def nuclear(a): return torch.linalg.matrix_norm(a, "nuc")
def prints(a):
    print("<b>loss</b> of the", 1)
    return square(a)
def of_factors(values, v): return ((v * values**2) @ v.mH)[0, 1].real
def in_jax(a):
    import jax.numpy as jnp
    return jnp.linalg.eigh(a)[0][-1]
def in_numpy(a): return np.abs(a).sum()
"""

rng = np.random.default_rng(0)
GENERAL = rng.standard_normal((5, 5))
SYMMETRIC = GENERAL + GENERAL.T
WIDE = rng.standard_normal((2, 4))
COMPLEX = WIDE + 1j * rng.standard_normal((2, 4))
HERMITIAN = COMPLEX.conj().T @ COMPLEX
q = np.linalg.qr(GENERAL)[0]
TIED = (q * [1.0, 1, 2, 3, 5]) @ q.T
TIED = (TIED + TIED.T) / 2


def square_of(a):
    """The gradient of (A²)₀₁ among symmetric matrices."""
    e = np.zeros_like(a)
    e[0, 1] = 1
    g = e @ a + a @ e
    return (g + g.T) / 2


#: Function, matrix, other parameters, the verdict, and the gradient, where there is one.
CASES = {
    "1x1": ("square", [[3.0]], {}, "agrees", [[3.0]]),
    "symmetric": ("square", SYMMETRIC, {}, "agrees", SYMMETRIC),
    "wide": ("square", WIDE, {}, "agrees", WIDE),
    "complex": ("square", COMPLEX, {}, "agrees", COMPLEX),
    "hermitian": ("square", HERMITIAN, {}, "agrees", HERMITIAN),
    "zero": ("square", np.zeros((2, 2)), {}, "agrees", np.zeros((2, 2))),
    "float32": ("square", WIDE.astype(np.float32), {}, "agrees", WIDE),
    "large": ("square", rng.standard_normal((21, 21)), {}, "agrees", None),
    "wrong": ("half", SYMMETRIC, {}, "wrong", SYMMETRIC),
    "kink": ("smallest", TIED, {}, "no gradient here", None),
    "nuclear at zero": ("nuclear", np.zeros((2, 3)), {}, "no gradient here", None),
    "sign": ("sign", SYMMETRIC, {}, "not a function of the matrix", None),
    "factors": ("of_factors", TIED, {"problem": "eigh"}, None, square_of(TIED)),
    "jax": ("in_jax", SYMMETRIC, {"framework": "jax"}, "agrees", None),
    "numpy": ("in_numpy", GENERAL, {"framework": "numpy"}, "unsupported", np.sign(GENERAL)),
}


@pytest.fixture
def loss(tmp_path):
    path = tmp_path / "loss.py"
    path.write_text(SOURCE, encoding="utf-8")
    return path


def alternatives(cells):
    """What the figures of a page show, in words."""
    outputs = [o.get("data", {}) for c in cells for o in c.get("outputs", ())]
    shown = "".join("".join(data.get("text/html", "")) for data in outputs)
    return [html.unescape(alt) for alt in re.findall(r'alt="([^"]*)"', shown)]


@pytest.mark.parametrize("name", CASES)
def test_what_it_says(name, loss, tmp_path):
    function, matrix, parameters, verdict, gradient = CASES[name]
    np.save(tmp_path / "my.npy", np.asarray(matrix))
    given = {"matrix": "my.npy", "function": f"loss.py:{function}", **parameters}
    facts, text, cells = execute("your_function", tmp_path, **given)
    # Whether LAPACK splits the tie decides whether it is not finite, or what is left of it.
    assert facts["verdict"] == verdict or (verdict is None and facts["verdict"] != "undecided")
    word, _, said = facts["headline"].partition(": ")
    assert f"**{word.capitalize()}: {said}**" in text
    assert facts["statements"] == {}
    assert facts["after"] is None

    assert f"```python\ndef {function}(" in text
    quotients, *maps = alternatives(cells)
    assert quotients.startswith("Difference quotients over the step, from ")
    assert (len(maps) == 1) == ("There is no gradient to show." not in text)
    if gradient is not None:
        found = np.array(facts.get("right") or facts["expected"])
        found = found @ [1, 1j] if np.iscomplexobj(matrix) else found
        assert np.allclose(found, gradient, atol=1e-6)
        assert ("differences" in maps[0]) or ("a second basis" in maps[0])
    if verdict == "no gradient here":
        worst = facts["worst_direction"]
        assert worst["left"] != pytest.approx(worst["right"], abs=0.01)


def test_as_committed_it_is_about_an_eigenvector_beside_a_tie(tmp_path):
    facts, text, cells = execute("your_function", tmp_path)
    assert (facts["verdict"], facts["after"]) == ("not finite", "agrees")
    # v = (1, 1, 0)/√2 and B = (i + j mod 4): half of (B v vᵀ + v vᵀB)/2 without its part along v.
    on_paper = np.array([[-0.5, 0, 1.25], [0, 0.5, 1.25], [1.25, 1.25, 0]])
    assert np.allclose(facts["expected"], on_paper, atol=1e-9)
    assert "```python" not in text
    assert "**What to do.** " in text
    assert "PyTorch: not finite" in alternatives(cells)[0]


def test_with_another_matrix_the_claims_are_about_their_own(tmp_path):
    facts, _, _ = execute("your_function", tmp_path, matrix="stack-overflow")
    assert (facts["verdict"], facts["after"]) == ("agrees", "agrees")
    assert list(facts["statements"].values()) == [True, True]


def test_the_exercise(tmp_path):
    tied = "[[2, 1, 0], [1, 2, 0], [0, 0, 3]]"
    facts, text, cells = execute("your_function", tmp_path, matrix=tied)
    assert (facts["verdict"], facts["after"]) == ("not a function of the matrix", None)
    assert "Not a function of the matrix: " in text
    printed = "".join("".join(o.get("text", "")) for c in cells for o in c.get("outputs", ()))
    assert "mended: GaugeError: " in printed
    assert "Of this one, the verdict is" not in text


def test_what_a_function_prints_is_a_sentence(loss, tmp_path):
    given = {"matrix": "[[1, 2], [2, 1]]", "function": "loss.py:prints"}
    _, text, cells = execute("your_function", tmp_path, **given)
    assert "It prints “&#60;b&#62;loss&#60;&#47;b&#62; of the 1" in text
    printed = [o for c in cells[:-1] for o in c.get("outputs", ()) if o["output_type"] == "stream"]
    assert all("loss" not in str(o["text"]) for o in printed)


BAD = {
    "function: that of this page is for torch; give one": {"framework": "jax"},
    "unknown framework 'pytorch'; choose from": {
        "framework": "pytorch",
        "function": "loss.py:half",
    },
    "problem: choose from eigh, svd": {"problem": "qr", "function": "loss.py:half"},
    "none.py: cannot be read": {"function": "none.py:half"},
    "loss.py: is no function; give FILE.py:NAME": {"function": "loss.py"},
    "parameter symmetric: must be of type bool": {"symmetric": "yes"},
    # These are found out when the program is executed.
    "loss.py: has no function f; choose from square": {"function": "loss.py:f"},
    "of_factors: TypeError: missing a required argument: 'v'": {"function": "loss.py:of_factors"},
}


@pytest.mark.parametrize("message", BAD)
def test_bad_input_is_one_line_and_leaves_nothing(message, loss, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    given = [*BAD[message].items()]
    with pytest.raises(InputError, match=re.escape(message)) as caught:
        reporting.report("blog-rank-2", chapter="your_function", given=given, output="page")
    assert "\n" not in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["loss.py"]


def test_a_function_that_takes_for_ever_ends_with_its_cell(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "loss.py").write_text("def f(a):\n    while True: pass\n", encoding="utf-8")
    given = [("function", "loss.py:f"), ("framework", "numpy")]
    with pytest.raises(ChapterError, match=r"cell \d+: CellTimeoutError: took longer than 9 s"):
        reporting.report("[[1]]", chapter="your_function", given=given, output="page", timeout=9)


def test_names_and_source_are_text(tmp_path, browser, monkeypatch):
    """Whatever the file is called, and whatever it holds, nothing of it is markup."""
    folder = tmp_path / "</script><script>window.pwned=1<"
    folder.mkdir(parents=True)
    odd = '"><img src=x onerror=window.pwned=2> {{7*7}} $(x) `b` [z](javascript:x)'
    source = (
        f'def f(a):\n    """```\n    # Big\n    {odd} </pre><script>window.pwned=3</script>"""\n'
    )
    path = folder / f"{odd.replace('/', '')}.py"
    path.write_text(f"{source}    print({odd!r})\n    return (a * a).sum()\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    given = [("function", f"{path}:f")]
    page = reporting.report("[[2, 1], [1, 3]]", chapter="your_function", given=given)
    with Watched(browser, page.as_uri()) as watched:
        shown = watched.page.locator("article").inner_text()
        assert watched.page.evaluate("window.pwned") is None
        found = "[onerror], [href^='javascript:'], img[src='x'], article h1:has-text('Big')"
        assert watched.page.locator(found).count() == 0
        assert "</pre><script>window.pwned=3</script>" in shown
        assert "{{7*7}}" in shown
        assert watched.problems == []


def test_the_notebook_holds_what_was_asked(loss, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    given = [("function", "loss.py:square")]
    page = reporting.report("[[2, 1], [1, 3]]", chapter="your_function", given=given)
    (path,) = (page.parent / "notebooks").glob("*.executed.ipynb")
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    assert any("loss.py:square" in "".join(cell["source"]) for cell in cells)
    assert building.chapters()["your_function"].name == "your_function.ipynb"
