"""Survey files and folders: what is recorded, what is done again, what a death leaves behind."""

import collections
import concurrent.futures
import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import distributed
import killing
import lame
import numpy as np
import pandas as pd
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import waiting
from pyarrow import dataset

from spectralgrad import cli, frameworks, matrices, verdict
from spectralgrad.book import building
from spectralgrad.survey import checking, files, results, running, workers
from spectralgrad.system import errors, storage

pytestmark = pytest.mark.slow

# One framework, which is soon imported.
QUICK = {"frameworks": "autograd", "reports": "none", "jobs": 2}
QUESTION = verdict.Question(frameworks="autograd")


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def rows(path="results.parquet"):
    return pq.read_table(path).to_pylist()


def contents(folder):
    """Each file in a folder, when it was written, and what is in it."""
    paths = [path for path in Path(folder).rglob("*") if path.is_file()]
    return {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in paths}


def places(path="results.parquet"):
    """How often each matrix is in the file; each has one framework."""
    return collections.Counter((row["source"], row["place"]) for row in rows(path))


def save(path, array):
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    np.save(path, array)


def stack(rng, number=40, size=4):
    return rng.standard_normal((number, size, size))


# What is recorded


def test_a_row_says_what_check_says(rng):
    a = np.diag([1.0, 1.0, 2.0])
    save("data/a.npy", a)
    save("data/b.npy", stack(rng, 2))
    done = running.survey(["data"], **QUICK, rtol="1e-12")
    assert (done.matrices, done.before, done.flagged, done.bad) == (3, 0, 0, 0)
    (part,) = results.parts(Path("results.parquet"))
    assert pq.read_schema(part).equals(results.SCHEMA)
    pd.testing.assert_frame_equal(pd.read_parquet("results.parquet"), pd.read_parquet(part))
    row, *others = rows()
    assert [r["place"] for r in others] == ["matrix 1", "matrix 2"]
    said = verdict.check(a, frameworks="autograd", rtol=1e-12).to_dict()
    answer = said["frameworks"]["autograd"]
    same = ("of", "problem", "rtol", "differentiable", "rank", "regimes", "digits", "dtype")
    for name in (*same, "vector_digits"):
        assert row[name] == said[name]
    for name in ("version", "verdict", "convention", "also", "conjugated", "relative_error"):
        assert row[name] == answer[name]
    assert row["framework_digits"] == answer["digits"]
    assert (row["source"], row["place"], row["rows"], row["columns"]) == ("data/a.npy", "", 3, 3)
    assert (row["weights"], row["smallest_gap"], row["message"]) == ("first", 0.0, "")
    assert row["digest"] == files.digest(a)


def test_a_survey_of_vectors_is_another_question():
    save("a.npy", np.stack([np.diag([1.0, 1.0, 2.0]), np.diag([1.0, 1.5, 2.0])]))
    done = running.survey(["a.npy"], **QUICK, of="vectors")
    assert (done.matrices, done.flagged) == (2, 1)
    for row, said in zip(rows(), verdict.check_stack("a.npy", of="vectors"), strict=True):
        assert (row["of"], row["weights"]) == ("vectors", None)
        assert (row["digits"], row["vector_digits"]) == (said.digits, said.vector_digits)
        assert row["verdict"] == said.answers["autograd"].verdict
    assert running.survey(["a.npy"], **QUICK, of="vectors").before == 2
    # What an earlier run found is about another function.
    with pytest.raises(errors.InputError, match="made with of vectors, not values; use the same"):
        running.survey(["a.npy"], **QUICK)


def test_each_framework_has_a_row_and_each_failure_a_message():
    good, bad = np.eye(2), np.array([[1.0, np.nan]])
    first, second = checking.check_all([good, bad], verdict.Question(), 600)
    assert [row["framework"] for row in first] == list(frameworks.NAMES)
    (row,) = second
    assert row == {
        "verdict": "unreadable",
        "message": "row 1, column 2: NaN; replace it by a finite number",
        "rows": 1,
        "columns": 2,
        "dtype": "float64",
    }


@pytest.mark.parametrize(
    ("error", "outcome", "message"),
    [
        (matrices.MatrixError("is odd", source="this matrix"), "unreadable", "is odd"),
        (np.linalg.LinAlgError("diverges"), "failed", "LinAlgError: diverges"),
        (MemoryError("1 GB"), "failed", "MemoryError: 1 GB"),
    ],
)
def test_whatever_check_raises_is_recorded(error, outcome, message, monkeypatch):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr(verdict, "answer", fail)
    (((row),),) = checking.check_all([np.eye(1)], QUESTION, 600)
    assert (row["verdict"], row["message"]) == (outcome, message)


def test_a_bad_file_is_recorded_and_the_rest_goes_on(rng, capsys):
    a = stack(rng, 3)
    a[1, 2, 0] = np.inf
    save("data/nan.npy", a)
    Path("data/bad.csv").write_text("1,2\nx,3\n", encoding="utf-8")
    Path("data/short.npy").write_bytes(Path("data/nan.npy").read_bytes()[:-1])
    Path("data/vector.json").write_text("[1, 2]", encoding="utf-8")
    Path("data/empty.npy").touch()
    os.mkfifo("data/pipe.npy")
    Path("data/gone.npy").symlink_to("nowhere.npy")
    command = ["survey", "data", "named.xyz", "--reports", "none", "--frameworks", "autograd"]
    Path("named.xyz").touch()
    assert cli.main(command) == 1
    bad = {(row["source"], row["place"]): row for row in rows() if row["framework"] is None}
    assert {Path(source).name: row["message"][:30] for (source, _), row in bad.items()} == {
        "bad.csv": "line 2, column 1: 'x' is not a",
        "short.npy": "a damaged .npy file (1 bytes f",
        "vector.json": "a vector of 2 numbers, not a m",
        "empty.npy": "an empty file; put a matrix in",
        "pipe.npy": "not a regular file; copy its c",
        "gone.npy": "no such file; check the path, ",
        "named.xyz": "unknown suffix '.xyz'; known a",
        "nan.npy": "row 3, column 1: infinity, or ",
    }
    assert bad["data/nan.npy", "matrix 2"]["verdict"] == "unreadable"
    assert max(places().values()) == 1
    assert len(places()) == 10
    out = capsys.readouterr()
    assert out.out.startswith("10 matrices: 0 to be looked at, 8 not checked\nnot checked: data/")
    assert "not checked: data/nan.npy: matrix 2: row 3" in out.out
    assert out.out.endswith(f"results: {Path.cwd()}/results.parquet\n")
    assert "10/10" in out.err


def test_a_folder_that_cannot_be_listed_is_a_bad_file(monkeypatch):
    save("data/a.npy", np.eye(2))
    save("data/sub/b.npy", np.eye(2))
    listdir = os.listdir

    def refuse(path):
        if str(path).endswith("sub"):
            raise PermissionError(13, "Permission denied")
        return listdir(path)

    with monkeypatch.context() as patch:
        patch.setattr(os, "listdir", refuse)
        assert running.survey(["data"], **QUICK).bad == 1
    assert places() == {("data/a.npy", ""): 1, ("data/sub", ""): 1}
    # Once it can be, nothing is left of that.
    assert running.survey(["data"], **QUICK).bad == 0
    assert places() == {("data/a.npy", ""): 1, ("data/sub/b.npy", ""): 1}


def test_a_summary_names_a_few():
    done = running.Survey(Path("r.parquet"), before=1)
    for i in range(12):
        done.note_bad(f"{i}.csv", "", "empty")
    assert done.summary.splitlines() == [
        "12 matrices, 1 of them checked before: 0 to be looked at, 12 not checked",
        *(f"not checked: {i}.csv: empty" for i in range(10)),
        "not checked: 2 more",
        "results: r.parquet",
    ]
    assert running.Survey(Path("r"), matrices=1).summary.startswith("1 matrix: 0 to be")


# Files and folders


def test_the_walk_is_sorted_and_knows_what_to_leave_out():
    for name in ("b/2.csv", "b/1.TXT", "a.npy", ".hidden.npy", "r.parquet"):
        Path("data", name).parent.mkdir(parents=True, exist_ok=True)
        Path("data", name).touch()
    Path("data/pages").mkdir()
    Path("data/pages", storage.MARK).touch()
    Path("data/pages/x.json").touch()
    Path("data/b/loop").symlink_to("..")
    Path("data/b/link.csv").symlink_to("2.csv")
    assert list(files.paths(["data", "data/.hidden.npy"])) == [
        *("data", "data/a.npy", "data/b", "data/b/1.TXT", "data/b/2.csv", "data/b/link.csv"),
        "data/.hidden.npy",
    ]


def test_what_is_given_twice_counts_once():
    for name in ("data/b/c.csv", "data/.d/e.csv", "data/f.xyz"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()
    Path("link").symlink_to("data")
    given = ["data/b", "./data/", "data/b/c.csv", "link/b/c.csv", "data/.d/e.csv", "data/f.xyz"]
    assert list(files.paths(files.roots(given))) == [
        *("data/b", "data", "data/b/c.csv", "data/.d/e.csv", "data/f.xyz"),
    ]
    assert files.roots(["link", "data"]) == ["link"]
    assert list(files.paths(files.roots(["link/b", "data"]))) == ["link/b", "link/b/c.csv", "data"]


def test_odd_names_are_one_line_and_come_back():
    odd = os.fsdecode(b"data/\xff\n<img src=x onerror=alert(1)>.npy")
    save(odd, np.eye(2))
    assert running.survey(["data"], **QUICK).before == 0
    assert running.survey(["data"], **QUICK).before == 1
    assert places() == {("data/\\udcff\\n<img src=x onerror=alert(1)>.npy", ""): 1}


def test_a_stack_of_any_size_is_read_one_matrix_at_a_time(rng, monkeypatch):
    a = stack(rng, 6)
    save("a.npy", a.reshape(2, 3, 4, 4))
    monkeypatch.setattr(matrices.checks, "MAX_ENTRIES", 16)
    read = list(matrices.each("a.npy"))
    assert [place for place, _ in read] == [f"matrix ({i}, {j})" for i in (1, 2) for j in (1, 2, 3)]
    assert np.array_equal([matrix for _, matrix in read], a)
    assert matrices.count("a.npy") == 6
    with pytest.raises(matrices.MatrixError, match="over the limit of 16"):
        matrices.load("a.npy", stack=True)


@pytest.mark.parametrize("suffix", ["npy", "npz", "json"])
def test_all_that_load_reads_can_be_read_one_by_one(suffix, rng):
    a = np.asfortranarray(stack(rng, 3))
    path = f"a.{suffix}"
    if suffix == "json":
        Path(path).write_text(json.dumps(a.tolist()), encoding="utf-8")
    else:
        (np.save if suffix == "npy" else np.savez)(path, a)
    assert np.array_equal([matrix for _, matrix in matrices.each(path)], a)


def test_a_file_that_becomes_shorter_is_recorded_behind_what_was_read(rng):
    save("a.npy", stack(rng, 5000))
    tasks = files.read("a.npy")
    next(tasks)
    os.truncate("a.npy", 2**19)
    with pytest.raises(matrices.MatrixError, match=r"^a damaged .npy file .it became shorter"):
        list(tasks)


# What is done again


def test_what_is_done_is_not_done_again(rng, monkeypatch, capfd):
    save("a.npy", stack(rng))
    running.survey(["a.npy"], **QUICK)
    before = contents("results.parquet")

    def refuse(*_):
        raise AssertionError("nothing is to be done")

    with monkeypatch.context() as patch:
        patch.setattr(workers.Processes, "submit", refuse)
        done = running.survey(["a.npy"], **QUICK)
    assert (done.matrices, done.before) == (40, 40)
    assert contents("results.parquet") == before
    save("b.npy", np.eye(3))
    capfd.readouterr()
    done = running.survey(["a.npy", "b.npy"], **QUICK)
    assert (done.matrices, done.before) == (41, 40)
    # The bar shows what is left to be done.
    assert "| 1/1 " in capfd.readouterr().err
    assert len(places()) == len(rows()) == 41


def test_what_has_changed_is_done_again(rng):
    a = stack(rng)
    save("data/a.npy", a)
    save("data/b.npy", a)
    Path("data/c.json").write_text("[[1, x]]", encoding="utf-8")
    assert running.survey(["data"], **QUICK).bad == 1
    a[7] += 1
    save("data/a.npy", a[:30])
    Path("data/c.json").write_text("[[[1, 2]], [[3, 4]]]", encoding="utf-8")
    done = running.survey(["data"], **QUICK)
    assert (done.matrices, done.before, done.bad) == (72, 69, 0)
    assert max(places().values()) == 1
    assert {(r["source"], r["place"]): r["digest"] for r in rows()} == {
        (task.source, task.place): task.digest
        for path in ("data/a.npy", "data/b.npy", "data/c.json")
        for task in files.read(path)
    }


def test_what_could_not_be_checked_is_tried_again_and_counted_once():
    Path("bad.csv").write_text("x", encoding="utf-8")
    save("nan.npy", np.array([[np.nan]]))
    for _ in range(3):
        done = running.survey(["bad.csv", "nan.npy"], **QUICK)
        assert (done.matrices, done.before, done.bad) == (2, 0, 2)
    assert places() == {("bad.csv", ""): 1, ("nan.npy", ""): 1}


def test_what_is_not_asked_for_stays():
    for name in ("a.npy", "b.npy"):
        save(name, np.eye(2))
        running.survey([name], **QUICK)
    Path("a.npy").unlink()
    assert running.survey(["b.npy"], **QUICK).before == 1
    assert places() == {("a.npy", ""): 1, ("b.npy", ""): 1}


def test_what_was_flagged_before_is_counted():
    save("a.npy", np.diag([1.0, 1e-13, 0.0]))
    for before in (0, 1):
        done = running.survey(["a.npy"], **QUICK, problem="svd")
        assert (done.before, done.flagged) == (before, 1)


def test_no_matrix_at_all_is_a_file_without_rows():
    Path("data").mkdir()
    assert running.survey(["data"], **QUICK).matrices == 0
    assert rows() == []


# The folder


def fill(store, names, digest="0" * 32, text="agrees"):
    for name in names:
        row = {"source": name, "place": "", "digest": digest, "framework": "autograd"}
        store.add([row | {"verdict": text, "message": ""}] * 2)
        store.save()


def fill_at_once(store, names):
    store._due = 0
    fill(store, names)


def sources(path):
    """Of each second row: each matrix has two."""
    return [row["source"] for row in rows(path)][::2]


def test_the_folder_grows_in_whole_parts(monkeypatch):
    monkeypatch.setattr(results, "PART", 8)
    path = Path("r")
    for run in range(2):
        with results.Results(path, QUESTION) as store:
            fill(store, [f"{run}-{i}" for i in range(5)])
    assert [pq.read_metadata(part).num_rows for part in results.parts(path)] == [8, 2] * 2
    assert sources(path) == [f"{run}-{i}" for run in range(2) for i in range(5)]


def test_what_has_changed_is_taken_out_once(monkeypatch):
    monkeypatch.setattr(results, "PART", 8)
    path = Path("r")
    with results.Results(path, QUESTION) as store:
        fill(store, map(str, range(10)))
    with results.Results(path, QUESTION) as store:
        for i in (1, 8, 9):
            assert store.visit(files.Task(str(i), "", "1" * 32, None)) is None
        assert store.visit(files.Task("0", "", "0" * 32, None)) is False
        store.leave("0")
        store.leave("2")
        fill(store, ["1", "8"], "1" * 32)
        store._due = 0
        store.save()
        fill(store, ["9"], "1" * 32)
    assert sources(path) == ["0", "3", "4", "5", "6", "7", "1", "8", "9"]
    assert [part.name[5:11] for part in results.parts(path)] == ["000001", "000002", "000004"]


def test_results_are_saved_while_it_goes_on():
    path = Path("r")
    with results.Results(path, QUESTION) as store:
        for i in range(5):
            store._due = 0
            fill(store, [str(i)])
            assert len(rows(path)) == 2 * (i + 1)
    assert os.listdir() == ["r"]
    assert len(os.listdir("r")) == 1


@pytest.mark.parametrize("when", ["before", "after"])
def test_who_interrupts_a_save_loses_nothing_and_doubles_nothing(when, monkeypatch):
    replace, calls = results.Results._replace, []

    def interrupt(*arguments):
        calls.append(arguments)
        if when == "after" or len(calls) > 1:
            replace(*arguments)
        if len(calls) == 1:
            raise KeyboardInterrupt

    monkeypatch.setattr(results.Results, "_replace", interrupt)
    with pytest.raises(KeyboardInterrupt), results.Results(Path("r"), QUESTION) as store:
        fill_at_once(store, ["a", "b"])
    assert len(calls) == 2
    assert sources("r") == ["a"]


def test_a_write_that_fails_leaves_what_was_there(monkeypatch):
    path = Path("r")
    with results.Results(path, QUESTION) as store:
        fill(store, ["a"])
    before = contents(path)

    def fail(*_, **__):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(pq, "write_table", fail)
        with (
            pytest.raises(OSError, match="No space left"),
            results.Results(path, QUESTION) as store,
        ):
            fill(store, ["b"])
    assert contents(path) == before


def test_an_error_before_there_is_anything_leaves_no_file():
    with pytest.raises(ZeroDivisionError), results.Results(Path("r.parquet"), QUESTION):
        1 / 0  # noqa: B018
    assert os.listdir() == []


def test_two_surveys_do_not_write_to_one_file():
    save("a.npy", np.eye(2))
    refused = pytest.raises(errors.InputError, match="another survey writes to it; name another")
    with results.locked(Path("results.parquet").absolute()), refused:
        running.survey(["a.npy"], **QUICK)
    running.survey(["a.npy"], **QUICK)
    assert sorted(os.listdir()) == ["a.npy", "results.parquet"]


# What is refused


BAD = {
    "nofile: no such file or folder; check the path": ["nofile"],
    "unknown framework 'keras'; choose from autograd": ["a.npy", "--frameworks", "keras"],
    "rtol: '2' will not do": ["a.npy", "--rtol", "2"],
    "dtype: 'half' will not do; choose from auto, float32": ["a.npy", "--dtype", "half"],
    "weights: 'some' will not do": ["a.npy", "--weights", "some"],
    "weights: '[]' will not do": ["a.npy", "--weights", "[]"],
    "weights: are for sums of values": ["a.npy", "--of", "vectors", "--weights", "sum"],
    "symmetrize: is for eigenvalues": ["a.npy", "--symmetrize", "--problem", "svd"],
    "holds files that are not the results": ["a.npy", "--output", "."],
    "is named like a matrix": ["a.npy", "--output", "b.npy"],
    "cannot be written (File exists)": ["a.npy", "--output", "/dev/null/x.parquet"],
    "\\udcff.parquet: not a name in UTF-8": ["a.npy", "--output", "\udcff.parquet"],
    "is not a folder; name another": ["a.npy", "--output", "thesis.tex"],
    "part-000001.parquet: is not a Parquet file": ["a.npy", "--output", "damaged"],
    "does not hold the results of a survey": ["a.npy", "--output", "other"],
    "with frameworks torch, not autograd, rtol 1e-09, not auto; use the same options, or name": [
        *("a.npy", "--output", "ours.parquet", "--frameworks", "autograd"),
    ],
    "no Dask scheduler answers": ["a.npy", "--scheduler", "tcp://127.0.0.1:1"],
    "nonsense://: no Dask scheduler answers": ["a.npy", "--scheduler", "nonsense://"],
}


@pytest.mark.parametrize("message", BAD)
def test_bad_input_is_one_line_and_leaves_nothing(message, monkeypatch, capsys):
    save("a.npy", np.eye(2))
    Path("thesis.tex").write_text("years of work", encoding="utf-8")
    for name in ("damaged", "other"):
        Path(name).mkdir()
    Path("damaged/part-000001.parquet").write_text("years of work", encoding="utf-8")
    pq.write_table(pa.table({"source": ["a"]}), "other/part-000001.parquet")
    question = verdict.Question(frameworks="torch", rtol="1e-9")
    with results.Results(Path("ours.parquet"), question):
        pass
    before = contents(".")
    monkeypatch.setattr(workers, "ANSWERS_WITHIN", 1)
    assert cli.main(["survey", *BAD[message]]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert len(error) < 500
    assert contents(".") == before
    assert len(os.listdir()) == 5


@pytest.mark.parametrize(
    ("module", "arguments"),
    [("pyarrow", []), ("distributed", ["--scheduler", "tcp://127.0.0.1:1"])],
)
def test_a_package_that_is_missing_is_named(module, arguments):
    save("a.npy", np.eye(2))
    code = f"import sys; sys.modules[{module!r}] = None\nfrom spectralgrad import cli\n"
    code += f"sys.exit(cli.main(['survey', 'a.npy', '--reports', 'none', *{arguments!r}]))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "pip install 'spectralgrad[" in done.stderr


@pytest.mark.parametrize("package", building.SCRIPTS)
def test_what_the_pages_need_is_looked_for_first(package, monkeypatch):
    save("a.npy", np.eye(2))
    missing, is_file = [*building.scripts(package)][-1], Path.is_file
    monkeypatch.setattr(Path, "is_file", lambda self: self != missing and is_file(self))
    with pytest.raises(errors.CommandError, match=r"is missing .*; run `make book` .*reports none"):
        running.survey(["a.npy"], frameworks="autograd")
    assert os.listdir() == ["a.npy"]


def test_options_that_mean_the_same_are_the_same(rng):
    save("a.npy", stack(rng, size=2))
    running.survey(["a.npy"], weights="[1,0]", rtol="1e-3", **QUICK)
    done = running.survey(["a.npy"], weights=[1, 0.0], rtol=0.001, **QUICK)
    assert done.before == 40
    written = json.loads(dataset.dataset("results.parquet").schema.metadata[results.OPTIONS])
    assert written == {
        "problem": "auto",
        "dtype": "auto",
        "rtol": "0.001",
        "symmetrize": False,
        "of": "values",
        "weights": "[1.0, 0.0]",
        "frameworks": ["autograd"],
    }


# Workers


class Fake:
    """Workers that are done a moment later."""

    width, deaths, trouble = 3, (ZeroDivisionError,), ""

    def __init__(self):
        self.calls, self.flying = [], set()

    def submit(self, function, *arguments):
        future = concurrent.futures.Future()
        self.calls.append((len(arguments[0]), len(self.flying)))
        self.flying.add(future)
        threading.Timer(0.003, self._finish, [future, function, arguments]).start()
        return future

    def _finish(self, future, function, arguments):
        self.flying.discard(future)
        try:
            future.set_result(function(*arguments))
        except ZeroDivisionError as error:
            future.set_exception(error)


def tasks(number):
    for i in range(number):
        yield files.Task("s", str(i), "", np.array([[float(i)]]))


def test_no_more_is_read_than_is_soon_checked(monkeypatch):
    monkeypatch.setattr(checking, "check_all", lambda stack, *_: [[{}] for _ in stack])
    taken = []
    run = workers.run((taken.append(t) or t for t in tasks(2_000)), Fake(), {}, lambda _: None)
    for number, _ in enumerate(run):
        assert len(taken) <= number + 7 * workers.CHUNK
    assert number == 1_999


def test_a_chunk_is_bounded_in_bytes_too(monkeypatch):
    monkeypatch.setattr(workers, "CHUNK_BYTES", 24)
    assert [len(chunk) for chunk in workers.chunks(tasks(7))] == [3, 3, 1]


def test_only_what_kills_when_it_is_alone_is_blamed(monkeypatch):
    def check_all(stack, *_):
        assert all(1 / (int(matrix[0, 0]) - 20) for matrix in stack)
        return [[{"verdict": "agrees"}] for _ in stack]

    monkeypatch.setattr(checking, "check_all", check_all)
    crew = Fake()
    run = list(workers.run(tasks(100), crew, {}, lambda _: None))
    assert sorted(int(task.place) for task, _ in run) == list(range(100))
    assert {task.place: row["verdict"] for task, (row,) in run if row["verdict"] != "agrees"} == {
        "20": "failed"
    }
    # Its neighbours were checked alone, the other chunks once and as they were.
    alone = [others for number, others in crew.calls if number == 1]
    assert alone == [0] * workers.CHUNK
    assert len(crew.calls) == 7 + workers.CHUNK


def test_a_matrix_that_kills_its_process_is_recorded(rng, monkeypatch):
    monkeypatch.setattr(checking, "check_all", killing.check_all)
    a = stack(rng, 60)
    a[33] = killing.DEADLY
    save("a.npy", a)
    done = running.survey(["a.npy"], **QUICK)
    assert (done.matrices, done.bad) == (60, 1)
    assert places() == {("a.npy", f"matrix {i + 1}"): 1 for i in range(60)}
    (row,) = (row for row in rows() if row["framework"] is None)
    assert (row["place"], row["verdict"]) == ("matrix 34", "failed")
    assert "died, and so did the next one" in row["message"]


def test_a_process_has_one_thread_and_the_parent_its_own_settings(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    with workers.processes(1) as crew:
        names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")
        assert [crew.submit(os.getenv, name).result() for name in names] == ["1", "1"]
    assert os.environ["OMP_NUM_THREADS"] == "7"
    assert "OPENBLAS_NUM_THREADS" not in os.environ


def children(**options):
    """Worker processes; Python's own helper stays until the end."""
    for process in psutil.Process().children(**options):
        with contextlib.suppress(psutil.Error):
            command = " ".join(process.cmdline())
            # Dask gives its workers a title, where setproctitle is installed.
            if "spawn_main" in command or command.startswith("dask worker"):
                yield process


def kill_a_worker_at(number, monkeypatch, **options):
    """When so many matrices have been checked; by then the others are at work."""
    met = []
    note = running.Run.note

    def kill(self, task, found):
        note(self, task, found)
        met.append(task.place)
        if len(met) == number:
            next(children(**options)).kill()

    monkeypatch.setattr(running.Run, "note", kill)
    return met


@pytest.mark.usefixtures("measured")
def test_a_worker_that_is_killed_costs_no_matrix(rng, monkeypatch):
    save("a.npy", stack(rng, 500))
    met = kill_a_worker_at(100, monkeypatch)
    done = running.survey(["a.npy"], **QUICK)
    assert len(met) == 500
    assert (done.matrices, done.bad) == (500, 0)
    assert len(places()) == len(rows()) == 500
    assert not list(children())


def test_what_is_no_matrix_at_fault_ends_it(monkeypatch):
    save("a.npy", np.eye(2))
    monkeypatch.setattr(checking, "check_all", killing.fail)
    message = r"the workers cannot do their part \(RuntimeError: no\\nsuch thing\)"
    with pytest.raises(errors.CommandError, match=message):
        running.survey(["a.npy"], **QUICK)
    assert not list(children())
    assert os.listdir() == ["a.npy"]


def test_a_framework_that_takes_too_long_is_a_row_and_the_others_go_on(rng, monkeypatch):
    save("a.npy", stack(rng, 2))
    lame.make(monkeypatch, "tensorflow", lame.HANGS)
    options = {"frameworks": "autograd,tensorflow", "reports": "none", "jobs": 1}
    done = running.survey(["a.npy"], timeout=4, **options)
    assert (done.matrices, done.flagged, done.bad) == (2, 2, 0)
    said = {(r["framework"], r["verdict"], r["message"]) for r in rows()}
    late = "took longer than 4 s; --timeout gives it more"
    assert said == {("autograd", "agrees", ""), ("tensorflow", "failed", late)}


def test_a_framework_of_another_version_is_named_with_what_to_do(rng, monkeypatch):
    save("a.npy", stack(rng, 3))
    running.survey(["a.npy"], **QUICK)
    assert running.survey(["a.npy"], **QUICK).notes == []
    path = "results.parquet/part-000001.parquet"
    table = pq.read_table(path)
    old = pa.array(["1.0"] * len(table), pa.string())
    at = table.schema.get_field_index("version")
    pq.write_table(table.set_column(at, table.schema.field(at), old), path)
    here = frameworks.get("autograd").VERSION
    told = (
        f"autograd: 1.0 judged what was checked before, and {here} is here now; to have all judged "
        "by it, name another output folder"
    )
    # Whether or not anything is left to be done.
    assert running.survey(["a.npy"], **QUICK).notes == [told]
    save("b.npy", stack(rng, 1))
    again = running.survey(["a.npy", "b.npy"], **QUICK)
    assert again.notes == [told]
    assert told in again.summary


# Stopped in the middle

# Once it has saved something, it goes no further.
START = """
import sys
from pathlib import Path
from spectralgrad import __main__
from spectralgrad.survey import results, running
results.SAVE_AFTER = 0
note = running.Run.note
def wait(self, *found):
    note(self, *found)
    if any(Path().glob("results.parquet/*")):
        print("saved", flush=True)
        sys.stdin.readline()
running.Run.note = wait
__main__.main()
"""


@contextlib.contextmanager
def started(*arguments):
    """A survey in a process of its own, once it has saved something."""
    command = [sys.executable, "-c", START, "survey", *arguments]
    command += ["--reports", "none", "--frameworks", "autograd"]
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    with subprocess.Popen(command, text=True, **pipes) as process:
        try:
            assert process.stdout.readline() == "saved\n"
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGKILL])
def test_a_stopped_survey_goes_on(by, rng):
    # A background job ignores Ctrl-C, and passes that on.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    save("a.npy", stack(rng, 400))
    with started("a.npy", "--jobs", "2") as process:
        others = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(by)
        _, error = process.communicate()
    signal.signal(signal.SIGINT, before)
    if by != signal.SIGKILL:
        assert process.returncode == 130
        # The bar, as it began and as it ended, and what was said then.
        *_, bar, said = error.splitlines()
        assert "/400" in bar
        assert said == "spectralgrad: stopped; the same command goes on from here"
        assert "Traceback" not in error
    assert len(others) >= 2
    assert waiting.ended(others)
    saved = places()
    assert 0 < len(saved) < 400
    assert max(saved.values()) == 1
    done = running.survey(["a.npy"], **QUICK)
    assert (done.matrices, done.before) == (400, len(saved))
    assert len(places()) == len(rows()) == 400
    assert sorted(os.listdir()) == ["a.npy", "results.parquet"]


# Dask


@pytest.fixture
def patient(monkeypatch):
    """On a slow machine a scheduler and its workers take long to start."""
    monkeypatch.setattr(workers, "ANSWERS_WITHIN", waiting.PATIENCE)
    monkeypatch.setattr(workers, "WORKS_WITHIN", waiting.PATIENCE)


@contextlib.contextmanager
def cluster(workers):
    """A scheduler and its workers, each a process of its own, on this machine only."""
    environment = os.environ | {
        "PYTHONPATH": os.path.dirname(killing.__file__),
        "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "0",
    }
    common = ["--host", "127.0.0.1", "--no-dashboard", "--scheduler-file", "scheduler.json"]

    def start(name, *options):
        command = [sys.executable, "-m", f"distributed.cli.dask_{name}", *options, *common]
        return subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)

    processes = [start("scheduler", "--port", "0")]
    try:
        processes += [start("worker", "--nthreads", "1") for _ in range(workers)]
        waiting.until(Path("scheduler.json").exists, processes[0])
        waiting.until(Path("scheduler.json").read_text, processes[0])
        address = json.loads(Path("scheduler.json").read_text(encoding="utf-8"))["address"]
        # The survey waits for them only so long, which a slow machine may need for the imports.
        with distributed.Client(address, timeout=600, set_as_default=False) as client:
            if workers:
                client.wait_for_workers(workers)
        yield address
    finally:
        found = [c for p in processes for c in psutil.Process(p.pid).children(recursive=True)]
        for process in [*processes, *found]:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        for process in processes:
            process.wait()


@pytest.mark.usefixtures("patient")
def test_a_cluster_whose_worker_is_killed_reports_every_matrix_once(rng, monkeypatch):
    monkeypatch.setattr(checking, "check_all", killing.check_all)
    a = stack(rng, 600, size=16)
    a[5] = killing.DEADLY
    save("a.npy", a)
    with cluster(workers=2) as address:
        met = kill_a_worker_at(200, monkeypatch, recursive=True)
        done = running.survey(["a.npy"], scheduler=address, **QUICK)
    assert (done.matrices, done.bad) == (600, 1)
    assert len(met) == 600
    assert len(places()) == len(rows()) == 600
    (row,) = (row for row in rows() if row["framework"] is None)
    assert (row["place"], row["verdict"]) == ("matrix 6", "failed")


@pytest.mark.usefixtures("patient")
def test_a_cluster_without_workers_says_so(monkeypatch):
    monkeypatch.setattr(workers, "WORKS_WITHIN", 1)
    save("a.npy", np.eye(2))
    refused = pytest.raises(errors.InputError, match="has no workers; start one with `dask worker")
    with cluster(workers=0) as address, refused:
        running.survey(["a.npy"], scheduler=address, **QUICK)


@pytest.mark.usefixtures("patient")
def test_a_scheduler_that_ends_is_one_line(rng, monkeypatch, capfd):
    save("a.npy", stack(rng, 2000))
    with cluster(workers=1) as address:
        port = int(address.split(":")[-1])

        def listens(process):
            found = process.net_connections()
            return any(c.status == "LISTEN" and c.laddr.port == port for c in found)

        note = running.Run.note

        def end(self, task, found):
            note(self, task, found)
            if task.place == "matrix 100":
                (scheduler,) = filter(listens, psutil.Process().children())
                scheduler.kill()

        monkeypatch.setattr(running.Run, "note", end)
        command = ["survey", "a.npy", "--frameworks", "autograd", "--reports", "none"]
        assert cli.main([*command, "--scheduler", address]) == 1
    error = capfd.readouterr().err
    assert error.endswith("lost; the same command goes on from here\n")
    assert error.count("\n") == 2
    assert 100 <= len(places()) == len(rows()) < 2000
