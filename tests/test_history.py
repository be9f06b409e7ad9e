"""The program that asks old releases, without any."""

import json
import sys

import pytest

from spectralgrad import frameworks
from spectralgrad.book import building, conclusions, releases


@pytest.fixture
def history(monkeypatch, tmp_path):
    """The program; what it finds is kept in a folder of its own."""
    monkeypatch.syspath_prepend(building.root() / "tools")
    import history

    monkeypatch.setattr(releases, "PATH", tmp_path / "releases.json")
    return history


def kept_by(history):
    return json.loads(history.releases.PATH.read_text(encoding="utf-8"))["releases"]


def refuse(*_):
    raise RuntimeError("No matching distribution found for jaxlib==0.4.1")


def test_the_book_keeps_what_the_program_lists(history, monkeypatch):
    monkeypatch.undo()
    known = releases.load()
    assert known["puzzles"] == {key: words for key, (words, *_) in history.puzzles().items()}
    kept = {(r["framework"], r["version"]) for r in known["releases"]}
    listed = {
        (n, r["version"]) for n, t in history.ASKED["releases"].items() for r in t["versions"]
    }
    assert kept == listed


def test_a_release_that_cannot_be_installed_is_a_line_with_the_reason(
    history, monkeypatch, tmp_path, capsys
):
    monkeypatch.setattr(history, "run", refuse)
    monkeypatch.setattr(sys, "argv", ["history.py", str(tmp_path), "jax-0.4.1"])
    history.main()
    assert capsys.readouterr().out == (
        "jax-0.4.1 No matching distribution found for jaxlib==0.4.1\n"
    )
    (kept,) = kept_by(history)
    assert kept["missing"] == "No matching distribution found for jaxlib==0.4.1"


def test_a_release_takes_its_own_place_and_no_other(history):
    """In the order of versions, whenever it was asked; what answered other puzzles goes."""
    about = {"framework": "jax", "date": "2026-01-02", "python": "3.9"}
    for version in ("0.10", "0.9", "0.10"):
        history.write(about | {"version": version, "missing": "gone"})
    assert [r["version"] for r in kept_by(history)] == ["0.9", "0.10"]
    old = json.loads(releases.PATH.read_text(encoding="utf-8"))
    old["releases"][0] = about | {"version": "0.9", "numpy": "1", "answers": {"other": []}}
    releases.PATH.write_text(json.dumps(old), encoding="utf-8")
    history.write(about | {"version": "0.11", "missing": "gone"})
    assert [r["version"] for r in kept_by(history)] == ["0.10", "0.11"]


@pytest.mark.slow
@pytest.mark.parametrize("framework", frameworks.NAMES)
def test_a_release_that_is_installed_answers_as_the_book_has_kept(framework, history, monkeypatch):
    """Where rounding decides, it may be wrong in another way; what is right is so everywhere."""
    pytest.importorskip(framework)
    found, version = history.answers(framework, sys.executable), frameworks.get(framework).VERSION
    assert [*found] == [*history.puzzles()]
    monkeypatch.undo()
    known = {(r["framework"], r["version"]): r for r in releases.load()["releases"]}
    kept = known.get((framework, version), {}).get("answers")
    if kept is None:
        pytest.skip(f"{framework} {version} is not among the releases that were asked")
    for key, answer in kept.items():
        right = answer[0] in conclusions.RIGHT
        assert (found[key][0] in conclusions.RIGHT) == right, key
        if right:
            assert releases.words(found[key]) == releases.words(answer), key
