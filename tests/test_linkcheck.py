import json
import subprocess
from pathlib import Path

import pytest

from spectralgrad.book import building


@pytest.fixture
def linkcheck(monkeypatch):
    monkeypatch.syspath_prepend(building.root() / "tools")
    import linkcheck

    return linkcheck


def link(status, line, uri="https://example.org"):
    return {"filename": "a.ipynb", "lineno": line, "status": status, "uri": uri, "info": "gone"}


def with_links(monkeypatch, linkcheck, *links):
    """Have Sphinx find these links."""

    def run(command, **_):
        folder = Path(command[command.index("--path-output") + 1], "_build", "html")
        folder.mkdir(parents=True)
        lines = "\n".join(map(json.dumps, links))
        (folder / "output.json").write_text(lines, encoding="utf-8")

    monkeypatch.setattr(linkcheck, "online", lambda: True)
    monkeypatch.setattr(building, "lay_out_book", lambda *_: None)
    monkeypatch.setattr(subprocess, "run", run)


def test_without_a_network_there_is_one_line(linkcheck, monkeypatch, capsys):
    # Nothing listens at this port.
    monkeypatch.setattr(linkcheck, "HOSTS", ["http://127.0.0.1:9"])
    assert linkcheck.main() == 2
    assert capsys.readouterr().err == (
        "linkcheck: there is no network here, so that no link was checked\n"
    )


def test_broken_links_are_listed_with_their_places(linkcheck, monkeypatch, capsys):
    links = [link("working", 1), link("broken", 640008), link("timeout", 7), link("ignored", 2)]
    with_links(monkeypatch, linkcheck, *links)
    assert linkcheck.main() == 1
    assert capsys.readouterr().out.splitlines() == [
        "a.ipynb: cell 64: https://example.org: gone",
        "a.ipynb: line 7: https://example.org: gone",
        "linkcheck: 2 broken",
    ]


def test_no_broken_link_is_a_success(linkcheck, monkeypatch, capsys):
    with_links(monkeypatch, linkcheck, link("working", 1))
    assert linkcheck.main() == 0
    assert capsys.readouterr().out == "linkcheck: 0 broken\n"


def test_without_a_built_book_it_says_what_to_do(linkcheck, monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(linkcheck, "online", lambda: True)
    monkeypatch.setattr(building, "lay_out_book", lambda *_: (tmp_path / "ties.ipynb").read_text())
    assert linkcheck.main() == 2
    error = capsys.readouterr().err
    assert error.endswith("ties.ipynb; run `make book` first\n")
    assert error.count("\n") == 1
