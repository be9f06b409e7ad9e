"""The sentences of `make newest`: what has changed in the frameworks since the book."""

import json
from collections import Counter

import pytest

from spectralgrad import frameworks
from spectralgrad.book import building, environment

HERE = {"NumPy": "2.5.5", "TensorFlow": "2.21.0", "JAX": "0.12.0.1"}
BOOK = {"NumPy": "2.4.6", "TensorFlow": "2.21.0", "JAX": "0.10.2", "PyTorch": "2.13.0"}
ABSENT = "PyTorch is not installed"


@pytest.fixture
def newest(monkeypatch):
    monkeypatch.syspath_prepend(building.root() / "tools")
    import newest

    return newest


@pytest.fixture
def statements(monkeypatch):
    monkeypatch.syspath_prepend(building.root() / "tools")
    import statements

    return statements


@pytest.fixture
def versions(newest):
    return newest.Versions(HERE, BOOK)


def outcome(now=(), lost=(), held=0):
    return {"at": "chapter ties, cell 3", "now": [*now], "lost": [*lost], "held": held}


@pytest.mark.parametrize(
    ("sentence", "found", "said"),
    [
        ("JAX is right.", outcome(held=1), ""),
        ("JAX is right.", outcome(lost=[ABSENT], held=1), ""),
        ("PyTorch is right.", outcome(["its verdict is false"]), ""),
        (
            "JAX is\n right.",
            outcome(["error < 1 is false: error is 2.0"], [ABSENT]),
            "JAX 0.12.0.1 (the book: 0.10.2): “JAX is right.” does not hold any more "
            "(chapter ties, cell 3); now: error < 1 is false: error is 2.0.",
        ),
        (
            "TensorFlow is right.",
            outcome(lost=[ABSENT, "chapter ties, cell 2: AttributeError: no symeig"]),
            "NumPy 2.5.5 (the book: 2.4.6), JAX 0.12.0.1 (the book: 0.10.2): “TensorFlow is "
            "right.” could not be tried (chapter ties, cell 3): chapter ties, cell 2: "
            "AttributeError: no symeig.",
        ),
    ],
)
def test_an_outcome_is_a_sentence_with_versions(sentence, found, said, newest, versions):
    assert newest.of_statement(sentence, found, versions, {"PyTorch"}) == said


def test_tests_that_fail_alike_are_one_sentence(newest, versions):
    cases = "".join(
        f'<testcase classname="tests.recipes" name="test_{k}"><failure message="{line}"/>'
        "</testcase>"
        for k, line in enumerate(
            [
                "jax: 1e-3 &gt; 2&#10;more",
                "jax: 4.5 &gt; 2",
                "E: Traceback (…):&#10; At&#10;other",
            ]
        )
    )
    report = f'<s><testcase name="a"/><testcase name="b"><skipped/></testcase>{cases}</s>'
    said, counts = newest.of_tests(report, versions)
    assert counts == Counter(failure=3, passed=1, skipped=1)
    assert len(said) == 2
    assert said[1].endswith("tests.recipes.test_2 failed: other.")
    assert "tests.recipes.test_0, tests.recipes.test_1 failed: jax: 1e-3 > 2." in said[0]


def test_the_versions_of_the_book_are_those_of_its_python(newest):
    lock = (
        "# by hand\njax==0.10.2 ; python_version < '3.12'\njax==0.12.0 ; python_version >= '3.12'"
    )
    assert newest.pins(lock, {"JAX": ("jax",), "NumPy": ("numpy",)}, "3.11") == {"JAX": "0.10.2"}
    real = (building.root() / "requirements.lock").read_text(encoding="utf-8")
    assert set(newest.pins(real, environment.NAMED, "3.11")) == set(environment.NAMED)


def judged(statements, *cells, missing=()):
    judge = statements.Judge("one", missing)
    for number, source in enumerate(cells, 1):
        judge.cell(number, source)
    return judge.found


def test_a_claim_is_judged_by_the_sentence_that_the_text_gives_it(statements, tmp_path):
    cells = [
        ("markdown", "Two parts. <!-- claim: two -->"),
        ("code", "size = 1\nclaims('torch', two=size == 1 and size == 2)"),
    ]
    cells = [{"cell_type": kind, "metadata": {}, "source": text} for kind, text in cells]
    (tmp_path / "one.ipynb").write_text(json.dumps({"cells": cells}), encoding="utf-8")
    (said, found), *more = statements.judge(tmp_path / "one.ipynb", ["torch"]).items()
    assert (said, found["held"], found["now"], found["lost"]) == (
        *("Two parts.", 1, ["size == 2 is false: size is 1"]),
        [],
    )
    assert not more


def test_a_chapter_goes_on_after_a_line_that_fails(statements):
    found = judged(
        statements,
        "import inspect\nfrom spectralgrad.book import prose\nclaims = prose.Claims()\n"
        "def f():\n    return 1\nrows = {}\n",
        "for n in 'ab':\n    rows[n] = {'a': 1}[n]\nsize = f()",
        "claims(one=size == 1, two=size == 2)\n"
        "claims(rows='b' in rows and size == 1)\n"
        "claims(source='return 1' in inspect.getsource(f))",
    )
    at, failed = "chapter one, cell 3", "chapter one, cell 2: KeyError: 'b'"
    assert found == {
        "one": {"at": at, "now": [], "lost": [], "held": 1},
        "two": {"at": at, "now": ["size == 2 is false: size is 1"], "lost": [], "held": 0},
        "rows": {"at": at, "now": [], "lost": [failed], "held": 1},
        "source": {"at": at, "now": [], "lost": [], "held": 1},
    }


def test_what_is_said_of_an_absent_framework_is_left_out(statements):
    found = judged(
        statements,
        "import torch\nfrom spectralgrad.recipes import torch as of_torch, rules\n"
        "out = {'torch': 1, 'jax': 2}\nall_of = ('torch', 'jax')\n"
        "out['tensorflow'] = 3\nout['torch'] = 4",
        "try:\n    x = torch.tensor(1)\nexcept Exception:\n    x = 'refused'",
        "claims(names=[*out] == ['torch', 'jax', 'tensorflow'] and len(all_of) == 1)\n"
        "claims(a_part=out['torch'] == 5 and max(out.values()) == 3)\n"
        "claims(alone=[*out] == ['torch'])\n"
        "claims(refused=x == 'refused')\n"
        "claims(a_recipe=of_torch.polar is None)\n"
        "claims(rules=rules is not None)",
        missing=["torch"],
    )
    assert not any(outcome["now"] for outcome in found.values())
    held = {name: (outcome["held"], outcome["lost"]) for name, outcome in found.items()}
    assert held == {
        "names": (2, []),
        "a_part": (1, [ABSENT]),
        "alone": (0, [ABSENT]),
        "refused": (0, [ABSENT]),
        "a_recipe": (0, [ABSENT]),
        "rules": (1, []),
    }


@pytest.mark.slow
@pytest.mark.parametrize(
    ("chapter", "left_out", "least"),
    [("shapes", ("torch",), 25), ("gradienttape_claims", ("tensorflow", "jax"), 4)],
)
def test_without_some_frameworks_no_statement_is_said_to_fail(
    chapter, left_out, least, tmp_path, newest
):
    found = newest.statements(building.chapters()[chapter], tmp_path, left_out)
    absent, versions = {frameworks.TITLES[n] for n in left_out}, newest.Versions({}, {})
    told = [newest.of_statement(*item, versions, absent) for item in found.items()]
    assert [line for line in told if line] == []
    assert sum(not outcome["lost"] for outcome in found.values()) >= least


def test_every_statement_of_a_chapter_is_reported(newest, monkeypatch, tmp_path, capsys):
    """One line of sentences, no traceback, whatever ends a chapter."""
    monkeypatch.setattr(newest, "importable", lambda: (["jax"], {"torch": "PyTorch fails"}))
    monkeypatch.setattr(newest, "tests", lambda *_: (["A test failed."], Counter(passed=1)))
    monkeypatch.setattr(newest, "statements", lambda *_: "chapter x ended with status 139: ")
    assert newest.judge() == 1
    text = capsys.readouterr().out
    assert "Traceback" not in text
    assert (
        "A test failed.\n" in text and "ended with status 139" in text and "PyTorch fails" in text
    )
