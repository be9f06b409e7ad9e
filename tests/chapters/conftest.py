"""A browser, and a small book that is quick to build."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from writing import write_chapter

from spectralgrad.book import building, reporting

CHROMIUM = os.environ.get("SPECTRALGRAD_CHROMIUM") or shutil.which("chromium")
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run "
    "--disable-background-networking --disable-component-update --disable-sync"
)


@pytest.fixture(scope="session")
def browser():
    if not CHROMIUM:
        pytest.skip("no Chromium on this machine: the rendered pages are not tested in a browser")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        # Playwright starts it with a new, empty profile.
        running = playwright.chromium.launch(
            executable_path=CHROMIUM, args=FLAGS.split(), timeout=0
        )
        running.on("context", lambda context: context.set_default_timeout(180_000))
        yield running
        running.close()


@pytest.fixture(scope="session")
def write_book():
    """Write a book of two quick chapters into a folder."""
    return lay_out


@pytest.fixture(scope="session")
def html():
    return building.build().parent


@pytest.fixture(scope="session")
def odd_report(tmp_path_factory):
    """Report whose arrays, tables and figures are wide, on a file whose name tries to be markup."""
    folder = tmp_path_factory.mktemp("report")
    code = r"</script><script>alert(2)</script>{{7*7}} ${{7*7}} $(x) \(y\) [z](javascript:x)"
    path = Path(f'{folder}/{code} "><img src=x onerror=alert(1)> *a* `b`.npy')
    path.parent.mkdir(parents=True)
    a = np.random.default_rng(0).standard_normal((2, 50, 50))
    a = a[0] + 1j * a[1]
    np.save(path, a + a.conj().T)
    return reporting.report(str(path), chapter="eigh_example", output=folder / "page")


def lay_out(root):
    real = building.root()
    (root / "chapters").mkdir(parents=True)
    shutil.copytree(real / "assets", root / "assets")
    for name in ("_config.yml", "references.bib", "requirements.lock"):
        shutil.copy(real / name, root)
    (root / "node_modules").symlink_to(real / "node_modules")
    (root / "intro.md").write_text("# A small book\n", encoding="utf-8")
    toc = "format: jb-book\nroot: intro\nchapters:\n- file: chapters/one\n- file: chapters/two\n"
    (root / "_toc.yml").write_text(toc, encoding="utf-8")
    write_chapter(root, "one", "print(A.sum())")
    write_chapter(root, "two", "print(A.shape)")


@pytest.fixture
def small_book(tmp_path, monkeypatch):
    """A book in a folder of its own, which the package takes for its root."""
    root = tmp_path / "repository"
    lay_out(root)
    monkeypatch.setattr(building, "root", lambda: root)
    return root


@pytest.fixture(scope="session")
def first_build(tmp_path_factory):
    root = tmp_path_factory.mktemp("book") / "repository"
    lay_out(root)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(building, "root", lambda: root)
        building.build()
    return root


@pytest.fixture
def built_book(first_build, tmp_path, monkeypatch):
    """The same, built: a copy, for nothing in a built book depends on where it is."""
    root = tmp_path / "repository"
    shutil.copytree(first_build, root, symlinks=True)
    monkeypatch.setattr(building, "root", lambda: root)
    return root
