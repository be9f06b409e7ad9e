"""The wheel, installed outside of a clone, offline: each command, with frameworks and without."""

import importlib.util
import json
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from watching import Watched
from writing import write_chapter

import spectralgrad
from spectralgrad import frameworks
from spectralgrad.book import building, reporting

ROOT = building.root()
PRESENT = [name for name in frameworks.NAMES if importlib.util.find_spec(name)]

# Notes what is asked of other machines, also where whoever asked does without the answer.
OFFLINE = """
import sys

def watch(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo"):
        asked = arguments[1] if event == "socket.connect" else arguments
        if isinstance(asked, tuple) and asked[0] not in ("127.0.0.1", "::1", "localhost", "", None):
            with open({noted!r}, "a") as file:
                print(event, *asked, file=file)
            raise OSError("there is no network here")

sys.addaudithook(watch)
"""

FUNCTION = """
from autograd import numpy as np

def f(a):
    return np.linalg.eigh(a)[0][0]
"""

# One of its singular values can hardly be told from zero, so that it gets a report.
FLAGGED = np.diag([1.0, 1e-13, 0.0])


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (path,) = folder.glob("*.whl")
    return path


def needed(wheel, extras):
    """Distributions of this environment that a wheel asks for, and what these ask for in turn."""
    inside = zipfile.Path(wheel, f"spectralgrad-{spectralgrad.__version__}.dist-info/")
    waiting, seen = [(metadata.PathDistribution(inside), frozenset(extras))], set()
    while waiting:
        distribution, asked = waiting.pop()
        for requirement in map(Requirement, distribution.requires or ()):
            marker, name = requirement.marker, canonicalize_name(requirement.name)
            wanted = not marker or any(marker.evaluate({"extra": e}) for e in (*asked, ""))
            key = name, frozenset(requirement.extras)
            if not wanted or key in seen:
                continue
            seen.add(key)
            found = distribution if name == "spectralgrad" else metadata.distribution(name)
            waiting.append((found, key[1]))
            yield found


class Installed:
    """The wheel in a fresh environment, which has nothing but what its extras bring."""

    def __init__(self, folder, wheel, *extras):
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / "venv"], check=True)
        self.python, self.folder = folder / "venv/bin/python", folder / "a folder"
        self.noted = folder / "noted"
        (site,) = folder.glob("venv/lib/python*/site-packages")
        (site / "sitecustomize.py").write_text(OFFLINE.format(noted=str(self.noted)), "utf-8")
        (folder / "links").mkdir()
        (site / "links.pth").write_text(f"{folder / 'links'}\n", "utf-8")
        for distribution in needed(wheel, extras):
            names = {file.parts[0] for file in distribution.files or ()}
            for name in names - {"..", "__pycache__"}:
                link = folder / "links" / name
                if not link.is_symlink():
                    link.symlink_to(Path(distribution.locate_file(name)).resolve())
        pip = [sys.executable, "-m", "pip", "--python", self.python, "install", "--no-index"]
        subprocess.run([*pip, f"{wheel}[{','.join(extras)}]"], check=True, capture_output=True)
        self.package = site / "spectralgrad"
        self.before = self.contents()
        self.folder.mkdir()
        np.savetxt(self.folder / "my.csv", [[1, 2, 3], [2, 5, 6], [3, 6, 9]], delimiter=",")
        np.savetxt(self.folder / "odd.csv", FLAGGED, delimiter=",")
        (self.folder / "loss.py").write_text(FUNCTION, "utf-8")

    def contents(self):
        """What is installed, and when it was written."""
        return {p: p.stat().st_mtime_ns for p in self.package.rglob("*") if p.is_file()}

    def run(self, *arguments):
        """Run the command; its status, what it prints, and what it says of a fault."""
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "COV"))}
        done = subprocess.run(
            [self.python.with_name("spectralgrad"), *arguments],
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert not self.noted.exists(), self.noted.read_text("utf-8")
        assert self.contents() == self.before
        return done.returncode, done.stdout, done.stderr

    def page(self, *arguments):
        """Run a command that makes pages; the one that it names last."""
        status, out, error = self.run(*arguments)
        assert status == 0, error
        return Path(out.splitlines()[-1].removeprefix("pages: "))


@pytest.fixture(scope="module")
def full(wheel, tmp_path_factory):
    return Installed(tmp_path_factory.mktemp("full"), wheel, "book", *PRESENT)


@pytest.fixture(scope="module")
def one(wheel, tmp_path_factory):
    if "autograd" not in PRESENT:
        pytest.skip("autograd is not installed")
    extras = ("book", "survey", "autograd")
    return Installed(tmp_path_factory.mktemp("one"), wheel, *extras)


def verdicts(done):
    status, printed, error = done
    assert (status, error) == (0, "")
    return {n: answer["verdict"] for n, answer in json.loads(printed)["frameworks"].items()}


@pytest.mark.slow
def test_all_frameworks(full, browser):
    judged = {name: "agrees" if name in PRESENT else "not installed" for name in frameworks.NAMES}
    assert verdicts(full.run("check", "my.csv", "--json")) == judged
    page = full.page("report", "my.csv")
    assert page == full.folder / "my-report" / "your_matrix.html"
    (stamp,) = re.findall(r'class="sg-stamp">(.*?)</p>', page.read_text("utf-8"))
    assert stamp.endswith(f"; spectralgrad {spectralgrad.__version__}.")
    licences = {p.name for p in (page.parent / "_static").glob("*.LICENSE.txt")}
    assert {"mathjax.LICENSE.txt", "ml-matrix.LICENSE.txt"} < licences
    with Watched(browser, page.as_uri()) as watched:
        assert watched.page.locator("mjx-container svg").count() > 20
        assert watched.problems == []


@pytest.mark.slow
def test_one_framework(one, browser):
    judged = dict.fromkeys(frameworks.NAMES, "not installed") | {"autograd": "agrees"}
    assert verdicts(one.run("check", "my.csv", "--json")) == judged
    asked = ["-p", "function", "loss.py:f", "-p", "framework", "autograd"]
    page = one.page("report", "my.csv", "--chapter", "your_function", *asked)
    assert "Agrees to " in page.read_text("utf-8")
    index = one.page("survey", "odd.csv", "--problem", "svd")
    assert (index.parent / "_static" / "tabulator.LICENSE.txt").is_file()
    (report,) = (index.parent / "reports").glob("*.html")
    for made in (page, index, report):
        with Watched(browser, made.as_uri()) as watched:
            assert watched.problems == []
    # What needs a clone says so, and leaves nothing.
    before = sorted(one.folder.iterdir())
    said = "the whole book needs a clone of the repository; run `make book` in one"
    for command in ("build", "pdf"):
        assert one.run(command) == (2, "", f"spectralgrad: {said}\n")
    assert sorted(one.folder.iterdir()) == before


@pytest.mark.parametrize(("chapter", "extra"), [("your_function", "jax"), ("one", "frameworks")])
def test_a_chapter_that_needs_a_framework_names_it(chapter, extra, small_book, monkeypatch):
    monkeypatch.chdir(small_book.parent)
    write_chapter(small_book, chapter, "raise ModuleNotFoundError(\"No module named 'jax.numpy'\")")
    with pytest.raises(building.InputError) as caught:
        reporting.report("[[1]]", chapter=chapter)
    mend = f"pip install 'spectralgrad[{extra}]'"
    assert str(caught.value) == f"chapter {chapter}: needs JAX, which is not installed; {mend}"
    assert os.listdir() == ["repository"]


def shipped():
    """The npm packages whose code is shipped: what is asked for, and what that is made with."""
    packages = json.loads((ROOT / "package-lock.json").read_text("utf-8"))["packages"]
    return {name: p["license"] for name, p in packages.items() if name and not p.get("dev")}


def test_each_licence_of_what_is_shipped_is_shipped():
    paths = [f"node_modules/{path}" for files in building.SCRIPTS.values() for path in files]
    licences = {Path(path).parent.as_posix() for path in paths if path.endswith("/LICENSE")}
    assert licences == shipped().keys()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert set(project["license"].split(" AND ")) == {"MIT", *shipped().values()}
    readme = (ROOT / "README.md").read_text("utf-8")
    assert [name for name in shipped() if Path(name).name.lower() not in readme.lower()] == []


@pytest.fixture
def hook(monkeypatch, tmp_path):
    """What is added to a wheel or an sdist, of a clone in which npm did not run."""
    monkeypatch.syspath_prepend(ROOT)
    import hatch_build

    listed = Path("src/spectralgrad/book/scripts.toml")
    for path in (listed, Path("chapters/one.ipynb"), Path("_config.yml")):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes((ROOT / path).read_bytes() if path == listed else b"")

    def added(target, version="standard"):
        data = {"force_include": {}}
        hook = hatch_build.Sources(str(tmp_path), {}, None, None, "", target)
        hook.initialize(version, data)
        return {Path(name).as_posix() for name in data["force_include"].values()}

    return added


def test_without_npm_a_wheel_has_no_scripts_and_an_sdist_is_refused(hook, tmp_path):
    inside = "spectralgrad/book/sources"
    assert hook("wheel") == {f"{inside}/_config.yml", f"{inside}/chapters/one.ipynb"}
    assert hook("wheel", "editable") == set()
    with pytest.raises(FileNotFoundError, match=r"tex-svg-full.js is missing; run `npm ci`"):
        hook("sdist")
    for path in (path for files in building.SCRIPTS.values() for path in files):
        (tmp_path / "node_modules" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "node_modules" / path).touch()
    added = hook("sdist")
    assert {name.partition("/")[0] for name in added} == {"node_modules"}
    assert {f"{inside}/{name}" for name in added} < hook("wheel")


def test_an_installation_without_scripts_says_so(small_book, monkeypatch):
    monkeypatch.setattr(building, "_INSIDE", small_book)
    (small_book / "node_modules").unlink()
    with pytest.raises(building.CommandError, match=r"mathjax is missing .*`make wheel` builds"):
        building.require("mathjax")


@pytest.mark.parametrize("module", ["papermill", "jupyter_book"])
def test_a_report_without_the_extra_says_so(module, monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name != module and find(name))
    with pytest.raises(building.InputError, match=rf"{module} is missing; pip install '.*\[book\]"):
        building.require()
