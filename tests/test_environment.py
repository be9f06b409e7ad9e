"""What a page was made with, and when."""

import hashlib
import json
import os
import re
import subprocess

import numpy as np
import pytest
from test_project import direct_dependencies

from spectralgrad import book, environment

ROOT = book.root()


def test_versions_are_those_that_are_installed():
    facts = environment.describe(ROOT)
    assert facts["versions"]["NumPy"] == np.__version__
    assert list(facts["versions"]) == list(environment.NAMED)
    assert facts["lock"] == hashlib.sha256(book_lock()).hexdigest()[:12]
    assert json.loads(json.dumps(facts)) == facts


def book_lock():
    return (ROOT / "requirements.lock").read_bytes()


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
    assert environment.commit(tmp_path) == head
    file.write_text("2", encoding="utf-8")
    assert environment.commit(tmp_path) == f"{head} with changes"
    # A copy without history, in another repository.
    (tmp_path / "copy").mkdir()
    assert environment.commit(tmp_path / "copy") == ""


def test_a_sentence_says_it_all():
    facts = {
        "time": "2026-01-31T23:59:59Z",
        "python": "3.11.7",
        "versions": {"NumPy": "2.4.6"},
        "platform": "Linux x86_64",
        "lock": "0123456789ab",
        "commit": "",
    }
    start = "Executed on 2026-01-31 (UTC) with Python 3.11.7, NumPy 2.4.6, on Linux x86_64; "
    assert environment.sentence(facts, "Executed") == f"{start}lock 0123456789ab."
    facts["commit"] = "abcdef0"
    assert environment.sentence(facts, "Executed").endswith("lock 0123456789ab, commit abcdef0.")


def test_a_notebook_remembers_what_it_was_executed_with(tmp_path):
    path = tmp_path / "executed.ipynb"
    notebook = {"cells": [{"source": "“λ”"}], "metadata": {"kernelspec": {}}}
    path.write_text(json.dumps(notebook), encoding="utf-8")
    environment.record(path, ROOT)
    recorded = json.loads(path.read_text(encoding="utf-8"))
    assert set(recorded["metadata"].pop("spectralgrad")) == set(environment.describe(ROOT))
    assert recorded == notebook


def test_direct_dependencies():
    found = {name.lower(): version for name, version, _ in environment.direct(ROOT)}
    assert set(found) == set(direct_dependencies())
    assert all(found.values())
    (groups,) = (groups for name, _, groups in environment.direct(ROOT) if name == "numpy")
    assert groups.split(", ")[0] == "package"


@pytest.mark.parametrize("what", ["BLAS of NumPy", "LAPACK of SciPy"])
def test_the_libraries_have_names(what):
    assert re.match(r"\w", environment.libraries()[what])


def test_the_machine():
    found = environment.machine(ROOT)
    assert found["Processors"].startswith(f"{os.cpu_count()} × ")
    assert all(found.values())
