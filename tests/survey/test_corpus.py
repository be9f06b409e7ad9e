"""Survey the corpus, and say what has changed since an earlier survey."""

import collections
import html
import re
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from spectralgrad import cli, frameworks, verdict
from spectralgrad.matrices import corpus
from spectralgrad.survey import results, running, status, workers
from spectralgrad.system import errors

pytestmark = pytest.mark.slow

QUICK = {"frameworks": "autograd", "reports": "none", "jobs": 1}


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def rows(path):
    return pq.read_table(path).to_pylist()


def rewrite(path, change):
    """Change the rows of a folder of results."""
    (part,) = results.parts(Path(path))
    schema = pq.read_schema(part)
    found = pq.read_table(part).to_pylist()
    change(found)
    pq.write_table(pa.Table.from_pylist(found, schema=schema), part)


def cells(page):
    """The table of a page: framework, family and dtype, and how often each verdict is."""
    found = [re.findall(r"<t[hd]>(.*?)</t[hd]>", row) for row in page.split("<tr>")[1:]]
    head, *body = [[html.unescape(cell) for cell in row] for row in found]
    return {tuple(row[:3]): dict(zip(head[3:], map(int, row[3:]), strict=True)) for row in body}


def test_twenty_by_two_frameworks(capsys, monkeypatch):
    command = ["survey", "--corpus", "20", "--frameworks", "autograd,torch", "--reports", "none"]
    assert cli.main([*command, "--jobs", "1"]) == 0
    found = rows("results.parquet")
    assert len(found) == 40
    assert {row["source"] for row in found} == {*corpus.names()[:20]}
    # A matrix of the survey is the one of its name, and the verdict the one on it.
    for row in found[:6]:
        said = verdict.check(row["source"], frameworks=row["framework"]).to_dict()
        assert row["dtype"] == said["dtype"]
        assert row["verdict"] == said["frameworks"][row["framework"]]["verdict"]
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("20 matrices: ")
    counts = collections.Counter(r["verdict"] for r in found if r["framework"] == "torch")
    listed = ", ".join(f"{counts[v]} {v}" for v in verdict.VERDICTS if counts[v])
    assert f"PyTorch {frameworks.get('torch').VERSION}: {listed}" in lines
    assert lines[-2:] == [
        f"results: {Path.cwd()}/results.parquet",
        f"status: {Path.cwd()}/results-status.html",
    ]
    table = cells(Path("results-status.html").read_text(encoding="utf-8"))
    for name, title in (("autograd", "autograd"), ("torch", "PyTorch")):
        title = f"{title} {frameworks.get(name).VERSION}"
        assert sum(table[title, "all", "all"].values()) == 20
        for (shown, family, dtype), counted in table.items():
            if shown == title and family != "all":
                is_one = [
                    r["verdict"]
                    for r in found
                    if (r["framework"], r["dtype"]) == (name, dtype)
                    and r["source"].startswith(f"{family}/")
                ]
                assert {v: n for v, n in counted.items() if n} == collections.Counter(is_one)
    # It goes on from there, and what it has is not done again.
    sent = []
    submit = workers.Processes.submit

    def count(self, function, stack, *arguments):
        sent.extend(stack)
        return submit(self, function, stack, *arguments)

    monkeypatch.setattr(workers.Processes, "submit", count)
    done = running.survey(corpus=23, frameworks="autograd,torch", reports="none", jobs=1)
    assert (done.matrices, done.before, len(sent)) == (23, 20, 3)


def test_a_survey_of_files_has_no_status_unless_it_is_compared():
    np.save("a.npy", np.eye(2))
    done = running.survey(["a.npy"], **QUICK)
    assert done.status is None
    assert not Path("results-status.html").exists()
    shutil.copytree("results.parquet", "old.parquet")
    done = running.survey(["a.npy"], **QUICK, since="old.parquet")
    assert "since old.parquet, 0 of 1 verdicts have changed" in done.summary
    assert done.status == Path.cwd() / "results-status.html"


ODD = "<img src=x onerror=alert(1)> & co.npy"


@pytest.fixture
def two():
    """Two surveys of a stack, of which the earlier is by another version that said other things."""
    Path("data").mkdir()
    np.save(f"data/{ODD}", np.stack([np.diag([1.0, 2.0, i]) for i in range(3, 8)]))
    running.survey(["data"], **QUICK)
    shutil.copytree("results.parquet", "old.parquet")

    def change(found):
        for row in found:
            row["version"] = "0.9"
        found[0]["verdict"] = "wrong"
        found[3]["verdict"] = "not finite"
        # Of another matrix, which had the same name, nothing is said.
        found[4] |= {"verdict": "wrong", "digest": "0" * 32}

    rewrite("old.parquet", change)


@pytest.mark.usefixtures("two")
def test_what_has_changed_is_listed_by_name(capsys):
    here = f"autograd {frameworks.get('autograd').VERSION}"
    expected = [
        f"data/{ODD}: matrix 1: autograd 0.9: wrong; {here}: agrees",
        f"data/{ODD}: matrix 4: autograd 0.9: not finite; {here}: agrees",
    ]
    command = ["survey", "data", "--frameworks", "autograd", "--reports", "none"]
    assert cli.main([*command, "--since", "old.parquet"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1:5] == [
        f"{here}: 5 agrees",
        "since old.parquet, 2 of 4 verdicts have changed",
        *expected,
    ]
    page = Path("results-status.html").read_text(encoding="utf-8")
    listed = re.findall(r"<li>(.*?)</li>", page)
    assert [html.unescape(item) for item in listed] == expected
    assert "<img" not in page
    assert cells(page)[here, "data", "float64"] == {"agrees": 5}


@pytest.mark.usefixtures("two")
def test_a_list_of_changes_is_bounded_and_says_so(monkeypatch):
    monkeypatch.setattr(status, "FEW", 1)
    monkeypatch.setattr(status, "MOST", 1)
    done = running.survey(["data"], **QUICK, since="old.parquet")
    assert done.notes[-1] == "2 more"
    assert "<li>2 more</li>" in done.status.read_text(encoding="utf-8")


@pytest.mark.usefixtures("two")
def test_a_framework_that_is_not_there_has_changed_nothing():
    def absent(found):
        for row in found:
            row |= {"version": "", "verdict": "not installed"}

    rewrite("results.parquet", absent)
    path, lines = status.write(Path("results.parquet"), {}, "")
    assert lines == ["autograd –: 5 not installed"]
    earlier = status.earlier(Path("old.parquet"), verdict.Question(frameworks="torch"))
    assert "0 of 0 verdicts" in "".join(
        status.write(path.parent / "results.parquet", earlier, "x")[1]
    )
    with pytest.raises(errors.InputError, match=r"results.parquet: no results of a survey; check"):
        status.earlier(Path("results.parquet"), verdict.Question(frameworks="autograd"))


BAD = {
    "a survey is of paths or of the corpus (--corpus); give one of the two": [],
    "(--corpus); drop one of the two": ["a.npy", "--corpus", "3"],
    "--corpus: must be a whole number of at least 1": ["--corpus", "0"],
    "argument --corpus: must be a whole": ["--corpus", "a.npy"],
    "nowhere: no results of a survey; check the path": ["a.npy", "--since", "nowhere"],
    "a.npy: is not a folder; name another folder": ["a.npy", "--since", "a.npy"],
    ".: holds files that are not the results of a survey": ["a.npy", "--since", "."],
    "was made with rtol 0.1, not auto; use the same options, or name": ["a.npy", "--since", "old"],
}


@pytest.mark.parametrize("message", BAD)
def test_bad_input_is_one_line_and_leaves_nothing(message, capsys):
    np.save("a.npy", np.eye(2))
    with results.Results(Path("old"), verdict.Question(rtol=0.1)):
        pass
    assert cli.main(["survey", *BAD[message], "--frameworks", "autograd"]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert sorted(p.name for p in Path().iterdir()) == ["a.npy", "old"]
