"""The chapters `contest` and `maintainers`: the results that are kept, and what is new."""

import json

import numpy as np
import pytest
from executing import execute, require_refusal

from spectralgrad.book import contest


def test_the_page_shows_what_the_book_keeps(tmp_path):
    facts, text, _ = execute("contest", tmp_path)
    known = contest.load()
    assert facts["results"] == len(contest.tried(known))
    # "Thirteen functions", say the chapter and the front page.
    assert len(contest.operations(known)) == 13
    assert contest.summary(known) in text
    for operation in contest.operations(known):
        assert contest.grid(known, operation) in text, operation
        assert contest.said(known, operation) in text, operation
    assert all(facts["statements"].values())
    # Nobody takes what was found then for what was computed now.
    assert known["date"] in text
    assert "nothing of it was computed again" in text


COLUMNS = {
    "tie, zeros": np.diag([2.0, 0, 0]),
    "gap 1e-8": np.diag([1.0, 1 + 2e-8, 3]),
    "gap 1e-12": np.diag([1.0, 1 + 2e-12, 3]),
    "tie, all equal": np.eye(2, 3),
    "graded": np.array([[1.0, 1], [1, 1 + 1e-5]]),
    "scale, single": np.diag([1.0, 2, 3]).astype(np.float32) * 1e-5,
    "complex": np.array([[2, 1j], [-1j, 4]]),
    "regular": np.array([[2.0, 1], [0, 3]]),
}


@pytest.mark.parametrize("columns", COLUMNS)
def test_a_matrix_is_told_which_columns_are_about_it(columns, tmp_path):
    np.save(tmp_path / "my.npy", COLUMNS[columns])
    facts, _, _ = execute("contest", tmp_path, matrix="my.npy")
    assert ", ".join(facts["columns"] or ["*regular*"]) == ", ".join(
        f"*{name}*" for name in columns.split(", ")
    )


def test_where_the_package_is_behind_is_said(tmp_path):
    """Results in which it is not finite, and another is right."""
    known = json.loads(contest.PATH.read_text(encoding="utf-8"))
    ours = [n for n in known["results"]["expm"] if n.startswith(contest.PACKAGE)]
    for name in ours:
        first, _ = known["results"]["expm"][name]
        first[known["points"]["expm"].index("regular")] = "nan"
    (tmp_path / "other.json").write_text(json.dumps(known), encoding="utf-8")
    before, _, _ = execute("contest", tmp_path, matrix="[[1]]")
    facts, text, _ = execute("contest", tmp_path, matrix="[[1]]", held="other.json")
    assert facts["behind"] == before["behind"] + len(ours)
    assert not facts["statements"]["package_is_right_at_every_matrix"]
    assert "**Not finite:** spectralgrad" in text


def test_each_finding_is_a_text_to_paste(tmp_path):
    facts, text, cells = execute("maintainers", tmp_path)
    known = contest.load()
    assert len(facts["findings"]) == len(known["findings"]) > 10
    page = json.dumps(cells, ensure_ascii=False)
    for finding in known["findings"]:
        assert contest.pasted(known, finding) in text
        # It is what the contest found, too, and no more than was printed.
        row = contest.results(known, finding["operation"])[finding["name"]]
        assert row[finding["point"]].standing == "wrong"
        assert finding["error"] > contest.WRONG
        compile(finding["program"], finding["name"], "exec")
    assert "Traceback" not in page
    assert all(facts["statements"].values())
    assert max(facts["yours"].values()) < 1e-12


def test_the_findings_of_one_library_at_another_matrix(tmp_path):
    name = contest.load()["findings"][0]["name"]
    rng = np.random.default_rng(0)
    z = rng.standard_normal((4, 4)) + 1j * rng.standard_normal((4, 4))
    np.save(tmp_path / "my.npy", z @ z.conj().T + np.eye(4))
    facts, _, _ = execute("maintainers", tmp_path, matrix="my.npy", library=name)
    assert {found for found, _, _ in facts["findings"]} == {name}
    assert max(facts["yours"].values()) < 1e-12
    facts, *_ = execute("maintainers", tmp_path, matrix="[[1, 2, 3]]", library=name)
    assert facts["yours"] == {}


def test_a_library_that_is_not_listed_is_refused_in_one_line(tmp_path):
    require_refusal("maintainers", [("library", "nobody")], "nothing is listed of", tmp_path)


def test_a_file_of_something_else_is_refused_in_one_line(tmp_path):
    require_refusal("contest", [("held", "x.json")], "x.json: No such file", tmp_path)
