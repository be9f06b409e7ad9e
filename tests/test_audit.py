import json
import subprocess

import pytest

from spectralgrad.book import building


@pytest.fixture
def audit(monkeypatch):
    monkeypatch.syspath_prepend(building.root() / "tools")
    import audit

    return audit


FINE = {"name": "a", "version": "1", "vulns": []}
FLAWED = {"name": "b", "version": "2", "vulns": [{"id": "X-1", "fix_versions": ["2.1", "3"]}]}
HOPELESS = {"name": "d", "version": "3", "vulns": [{"id": "X-2", "fix_versions": []}]}
SKIPPED = {"name": "c", "skip_reason": "not found"}
BOTH = "audit: b 2 (X-1, mended in 2.1), d 3 (X-2); 3 of 3 packages looked up\n"
SILENT = "audit: no package was looked up: the database does not answer from here\n"


def answers(monkeypatch, output):
    """Have pip-audit print this."""
    done = subprocess.CompletedProcess([], 1, stdout=output, stderr="Traceback …")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: done)


@pytest.mark.parametrize(
    ("packages", "line", "status"),
    [
        ([FINE, FINE], "audit: no known vulnerability; 2 of 2 packages looked up\n", 0),
        ([FINE, SKIPPED], "audit: no known vulnerability; 1 of 2 packages looked up\n", 0),
        ([FINE, FLAWED, HOPELESS], BOTH, 1),
        ([SKIPPED, SKIPPED], SILENT, 2),
        ([], SILENT, 2),
    ],
)  # fmt: skip
def test_one_line_says_what_was_found(packages, line, status, audit, monkeypatch, capsys):
    answers(monkeypatch, json.dumps({"dependencies": packages, "fixes": []}))
    assert audit.main() == status
    assert "".join(capsys.readouterr()) == line


@pytest.mark.parametrize("output", ["", "no JSON", "{}"])
def test_without_a_database_there_is_one_line(output, audit, monkeypatch, capsys):
    answers(monkeypatch, output)
    assert audit.main() == 2
    assert "".join(capsys.readouterr()) == SILENT


def test_what_does_not_end_is_ended(audit, monkeypatch, capsys):
    def run(command, *, timeout, **_):
        raise subprocess.TimeoutExpired(command, timeout)

    monkeypatch.setattr(subprocess, "run", run)
    assert audit.main() == 2
    assert "".join(capsys.readouterr()) == SILENT


def test_the_lock_is_one_that_the_audit_reads(audit, tmp_path):
    """With one package, and whatever network there is."""
    first = audit.LOCK.read_text(encoding="utf-8").splitlines()[1]
    lock = tmp_path / "requirements.lock"
    lock.write_text(f"{first}\n", encoding="utf-8")
    packages = audit.look_up(lock)
    assert [package["name"] for package in packages] in ([], [first.split("==")[0]])
    assert all("vulns" in package or "skip_reason" in package for package in packages)
