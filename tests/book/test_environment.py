"""What a page was made with, and when."""

import hashlib
import json
import os
import re
import shutil
import subprocess

import numpy as np
import pytest
from absent import ABSENT
from test_project import applies, direct_dependencies

from spectralgrad import __version__
from spectralgrad.book import building, environment
from spectralgrad.frameworks import TITLES

ROOT = building.root()


def test_versions_are_those_that_are_installed():
    facts = environment.describe(ROOT)
    assert facts["versions"]["NumPy"] == np.__version__
    absent = {TITLES[name] for name in ABSENT}
    assert list(facts["versions"]) == [name for name in environment.NAMED if name not in absent]
    assert facts["lock"] == hashlib.sha256(book_lock()).hexdigest()[:12]
    assert json.loads(json.dumps(facts)) == facts
    assert environment.describe_build(ROOT).items() >= facts.items()


def book_lock():
    return (ROOT / "requirements.lock").read_bytes()


def test_a_lock_that_does_not_fix_what_is_installed_is_not_named(tmp_path):
    """As with the newest versions, in the clone that has the lock of others."""
    lock = tmp_path / "requirements.lock"
    assert environment.describe(tmp_path)["lock"] == ""
    lock.write_bytes(book_lock())
    assert environment.describe(tmp_path)["lock"] != ""
    found = environment.version("numpy").encode()
    lock.write_bytes(book_lock().replace(b"numpy==" + found, b"numpy==" + found + b"1"))
    assert environment.describe(tmp_path)["lock"] == ""
    assert "requirements.lock" not in environment.machine(tmp_path)
    said = environment.sentence(environment.describe_build(tmp_path), "Built")
    assert said.endswith(f"; spectralgrad {__version__}.")


def test_what_is_not_installed_has_no_version():
    assert environment.version("no-such-distribution", "numpy") == np.__version__
    assert environment.version("no-such-distribution") == ""


def test_the_time_can_be_set(monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "86400")
    assert environment.now() == "1970-01-02T00:00:00Z"
    monkeypatch.delenv("SOURCE_DATE_EPOCH")
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ", environment.now())


def git(folder, *arguments):
    names = {"GIT_AUTHOR_NAME": "A", "GIT_AUTHOR_EMAIL": "a@b", "GIT_CONFIG_GLOBAL": os.devnull}
    names |= {"GIT_COMMITTER_NAME": "A", "GIT_COMMITTER_EMAIL": "a@b"}
    names |= {"GIT_COMMITTER_DATE": "2001-02-03T12:00:00Z"}
    command = ["git", "-C", str(folder), *arguments]
    return subprocess.run(
        command, env=os.environ | names, check=True, capture_output=True, text=True
    ).stdout


def test_the_commit_and_whether_it_was_changed(tmp_path):
    assert environment.commit(tmp_path) == ""
    git(tmp_path, "init")
    file = tmp_path / "file"
    file.write_text("1", encoding="utf-8")
    git(tmp_path, "add", "file")
    git(tmp_path, "commit", "-m", "first")
    git(tmp_path, "tag", "v1")
    head = git(tmp_path, "rev-parse", "HEAD")[:7]
    assert environment.commit(tmp_path) == f"{head} of 2001-02-03"
    shutil.copytree(tmp_path, tmp_path / "clone")
    assert environment.commit(tmp_path / "clone") == f"{head} of 2001-02-03"
    file.write_text("2", encoding="utf-8")
    assert environment.commit(tmp_path) == f"{head} of 2001-02-03 with changes"
    # A copy without history, in another repository.
    (tmp_path / "copy").mkdir()
    assert environment.commit(tmp_path / "copy") == ""


def test_a_sentence_says_it_all():
    facts = {
        "time": "2026-01-31T23:59:59Z",
        "python": "3.11.7",
        "versions": {"NumPy": "2.4.6"},
        "platform": "Linux x86_64",
        "package": "0.1",
        "lock": "0123456789ab",
        "commit": "",
    }
    start = "Executed on 2026-01-31 (UTC) with Python 3.11.7, NumPy 2.4.6, on Linux x86_64; "
    start += "spectralgrad 0.1"
    assert environment.sentence(facts, "Executed") == f"{start}, lock 0123456789ab."
    facts["commit"] = "abcdef0"
    both = f"{start}, lock 0123456789ab, commit abcdef0."
    assert environment.sentence(facts, "Executed") == both
    # In a wheel there is neither.
    assert environment.sentence(facts | {"lock": "", "commit": ""}, "Executed") == f"{start}."


def test_a_build_bears_no_time_unless_one_is_set(tmp_path, monkeypatch):
    """Two builds of one commit, at different times, are the same."""
    (tmp_path / "requirements.lock").touch()
    (tmp_path / "CITATION.cff").touch()
    git(tmp_path, "init")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-m", "old")
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    facts = environment.describe_build(tmp_path)
    assert facts["time"] == ""
    assert " of 2001-02-03" in facts["commit"]
    assert environment.date(tmp_path) == "2001-02-03"
    assert "Built with Python" in environment.sentence(facts, "Built")
    assert "Built" not in environment.machine(tmp_path)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "86400")
    facts = environment.describe_build(tmp_path)
    assert environment.date(tmp_path) == "1970-01-02"
    assert "Built on 1970-01-02 (UTC) with Python" in environment.sentence(facts, "Built")
    assert environment.machine(tmp_path)["Built"] == "1970-01-02 00:00:00 UTC"


def test_without_history_the_date_is_today(tmp_path, monkeypatch):
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    assert environment.date(tmp_path) == environment.now()[:10]


def test_direct_dependencies():
    found = {name.lower(): version for name, version, _ in environment.direct(ROOT)}
    assert set(found) == {name for name, r in direct_dependencies().items() if applies(r)}
    assert {name for name, version in found.items() if version == "not installed"} <= set(ABSENT)
    (groups,) = (groups for name, _, groups in environment.direct(ROOT) if name == "numpy")
    assert groups.split(", ")[0] == "package"


@pytest.mark.parametrize("what", ["BLAS of NumPy", "LAPACK of SciPy"])
def test_the_libraries_have_names(what):
    assert re.match(r"\w", environment.libraries()[what])


def test_the_machine():
    found = environment.machine(ROOT)
    assert found["Processors"].startswith(f"{os.cpu_count()} × ")
    assert all(found.values())
