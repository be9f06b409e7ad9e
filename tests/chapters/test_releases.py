"""The chapter `releases`: what was measured once, with other measurements and another matrix."""

import json

import pytest
from executing import execute

from spectralgrad.book import building, releases, reporting

ABOUT = {"date": "2026-01-02", "python": "3.9.1", "numpy": "1.20.0"}


def measured(folder, **verdicts):
    """A file in which releases of JAX got these verdicts on a loss, at each matrix."""
    known = {"puzzles": {f"svd {name}": ["Σ", name] for name in verdicts}, "releases": []}
    for number, found in enumerate(zip(*verdicts.values(), strict=True), 1):
        answers = {
            f"svd {name}": [verdict, "general", False, 0.5, ""]
            for name, verdict in zip(verdicts, found, strict=True)
        }
        release = {"framework": "jax", "version": f"{number}.0", **ABOUT, "answers": answers}
        known["releases"].append(release)
    path = folder / "other.json"
    path.write_text(json.dumps(known), encoding="utf-8")
    return path.name


def test_the_page_shows_what_the_book_keeps(tmp_path):
    facts, text, _ = execute("releases", tmp_path)
    known = releases.load()
    assert releases.answers(known) in text
    for framework, number in facts["asked"].items():
        assert number == len(releases.asked(known, framework))
        assert releases.changes(known, framework) in text
    # Nobody takes what was measured then for what was computed now.
    assert known["releases"][0]["date"] in text
    assert "nothing of it was computed again" in text


def test_what_an_update_has_broken_at_a_tie_is_no_longer_denied(tmp_path):
    """And of frameworks that were not asked, nothing is said."""
    name = measured(tmp_path, tied=("agrees", "wrong"), wide=("wrong", "agrees"))
    matrix = "[[2, 0], [0, 3]]"
    facts, text, _ = execute("releases", tmp_path, measured=name, matrix=matrix)
    assert list(facts["statements"].values()) == [False]
    assert facts["lost"] == {"autograd": [], "torch": [], "tensorflow": [], "jax": ["svd tied"]}
    assert facts["asked"] == {"autograd": 0, "torch": 0, "tensorflow": 0, "jax": 2}
    assert "`agrees` up to 1.0; `wrong` from 2.0 on" in text
    assert set(facts["verdicts"].values()) == {"agrees"}


def test_what_always_failed_at_a_tie_is_no_loss(tmp_path):
    """Whatever an update has broken elsewhere."""
    tied, wide = ("wrong", "not finite", "undecided"), ("agrees", "agrees", "failed")
    facts, _, _ = execute("releases", tmp_path, measured=measured(tmp_path, tied=tied, wide=wide))
    assert list(facts["statements"].values()) == [True]
    assert facts["lost"]["jax"] == ["svd wide"]


def test_a_file_of_something_else_is_refused_in_one_line(tmp_path):
    (tmp_path / "x.json").write_text("[]", encoding="utf-8")
    given = [("measured", str(tmp_path / "x.json"))]
    with pytest.raises((ValueError, building.CommandError), match="is not what tools/history"):
        reporting.report("[[1]]", chapter="releases", given=given, output=tmp_path / "page")
    assert not (tmp_path / "page").exists()
