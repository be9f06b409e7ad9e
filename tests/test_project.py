"""What holds the files of the project together."""

import importlib.metadata
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import absent
import nbformat
import numpy as np
import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from spectralgrad import __version__, cli
from spectralgrad.book import building, reporting

ROOT = building.root()


def direct_dependencies():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    found = {canonicalize_name(Requirement(r).name): Requirement(r) for g in groups for r in g}
    # A group of groups names the project itself.
    return {name: r for name, r in found.items() if name != project["name"]}


def applies(requirement, **environment):
    """Whether a requirement is one on a machine like this, but for what is named."""
    return requirement.marker is None or requirement.marker.evaluate(environment)


#: What the lock has to serve.
ELSEWHERE = [
    {
        "python_version": python,
        "python_full_version": f"{python}.9",
        "sys_platform": system,
        "platform_machine": machine,
    }
    for python in ("3.11", "3.12", "3.13", "3.14")
    for system, machine in (("linux", "x86_64"), ("linux", "aarch64"), ("darwin", "arm64"))
]


def locked():
    lines = (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if not line.startswith("#")]
    # No address, no local version, no hash: a name, a version, and where it holds.
    assert all(re.fullmatch(r"[a-z0-9-]+==[^+\s]+( ; [^:;]+)?", pin) for pin in pins)
    return [Requirement(pin) for pin in pins]


def pins(**environment):
    """The lock as pip reads it on some machine: one version of each package."""
    found = [(r.name, str(r.specifier)[2:]) for r in locked() if applies(r, **environment)]
    assert len(dict(found)) == len(found)
    return dict(found)


@pytest.fixture(scope="module")
def environment():
    return yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))["dependencies"]


@pytest.mark.parametrize("there", ELSEWHERE, ids=lambda there: "-".join(there.values()))
def test_the_lock_satisfies_pyproject(there):
    found = pins(**there)
    for name, requirement in direct_dependencies().items():
        # PyPI has PyTorch with CUDA, which the lock asks of nobody.
        if name == "torch" and there["python_version"] != "3.11":
            assert name not in found
        elif applies(requirement, **there):
            assert requirement.specifier.contains(found[name]), name
        else:
            assert name not in found
    assert not [name for name in found if re.match("nvidia|cuda|triton", name)]


@pytest.mark.parametrize("name", ["numpy", "scipy", "jax"])
def test_the_oldest_python_does_not_hold_the_others_back(name):
    oldest, *others = (
        Version(pins(**there)[name]) for there in ELSEWHERE if there["sys_platform"] == "darwin"
    )
    assert all(oldest < other for other in others)


def test_the_lock_knows_what_pytorch_asks_for(monkeypatch):
    """Its build for processors alone, which is installed here, and not that of PyPI."""
    monkeypatch.syspath_prepend(ROOT / "tools")
    import lock

    settings = tomllib.loads(lock.SETTINGS)["tool"]["uv"]
    (said,) = settings["dependency-metadata"]
    (override,) = map(Requirement, settings["override-dependencies"])
    assert (override.name, str(override.specifier)) == ("torch", f"=={said['version']}")
    assert direct_dependencies()["torch"].specifier.contains(said["version"])
    if "torch" in absent.ABSENT or not override.marker.evaluate():
        pytest.skip(absent.REASONS.get("torch", "another build than the one that is locked"))
    asked = [Requirement(r) for r in importlib.metadata.requires("torch")]
    assert {str(r) for r in asked if r.marker is None} == {
        str(Requirement(r)) for r in said["requires-dist"]
    }


def test_environment_yml_agrees_with_pyproject(environment):
    *conda, pip = environment
    assert conda == ["python=3.11", "pip"]
    constraint, *names, package = pip["pip"]
    assert (constraint, package) == ("--constraint requirements.lock", "--editable .")
    found = {Requirement(name).name: Requirement(name) for name in names}
    assert list(found) == sorted(direct_dependencies())
    for there in (there for there in ELSEWHERE if there["python_version"] == "3.11"):
        assert {name for name, r in found.items() if applies(r, **there)} <= set(pins(**there))


@pytest.mark.slow
@pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="environment.yml has Python 3.11")
def test_pip_resolves_the_pip_section(environment, tmp_path):
    requirements = ROOT / ".environment-test.txt"
    requirements.write_text("\n".join(environment[-1]["pip"]), encoding="utf-8")
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--no-build-isolation"]
    try:
        done = subprocess.run(
            [*command, "-r", requirements.name],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        requirements.unlink()
    assert done.returncode == 0, done.stderr
    # The environment of the tests is the locked one, so that nothing else is left to install.
    (would,) = re.findall(r"Would install (.*)", done.stdout)
    assert would.split() == [f"spectralgrad-{__version__}"]


def notebooks():
    return [pytest.param(path, id=name) for name, path in building.chapters().items()]


#: Nothing that an editor, or whoever executed the notebook, leaves behind.
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def untidy(notebook):
    """What does not belong into a notebook that is a source."""
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    tags = [tag for cell in code for tag in cell["metadata"].get("tags", ())]
    if any(cell["outputs"] for cell in code):
        yield "outputs"
    if any(cell["execution_count"] is not None for cell in code):
        yield "execution counts"
    if any(len("".join(cell["source"]).splitlines()) > 25 for cell in code):
        yield "a cell of more than 25 lines"
    if any(tags.count(tag) != 1 for tag in ("parameters", "input", "facts")):
        yield "not one cell each for parameters, input and facts"
    # How long it takes may be said; see `execution.execute_all`.
    hint = {
        "spectralgrad": {"seconds": notebook["metadata"].get("spectralgrad", {}).get("seconds")}
    }
    if notebook["metadata"] not in (METADATA, METADATA | hint):
        yield "metadata"
    if any(set(cell["metadata"]) - {"tags", "mystnb"} for cell in notebook["cells"]):
        yield "metadata of a cell"


@pytest.mark.parametrize("path", notebooks())
def test_notebooks_are_sources(path):
    notebook = json.loads(path.read_text(encoding="utf-8"))
    nbformat.validate(notebook)
    assert list(untidy(notebook)) == []


@pytest.mark.parametrize(
    ("cell", "fault"),
    [
        ({}, None),
        ({"outputs": [{"output_type": "stream", "name": "stdout", "text": "1"}]}, "outputs"),
        ({"execution_count": 1}, "execution counts"),
        ({"source": ["x = 1\n"] * 25}, None),
        ({"source": ["x = 1\n"] * 26}, "a cell of more than 25 lines"),
        ({"metadata": {"tags": ["facts"]}}, "not one cell each for parameters, input and facts"),
        ({"metadata": {"papermill": {"status": "completed"}}}, "metadata of a cell"),
    ],
)
def test_the_check_of_notebooks_finds_what_does_not_belong(cell, fault):
    blank = {"cell_type": "code", "execution_count": None, "metadata": {}, "outputs": []}
    tagged = [{"metadata": {"tags": [tag]}} for tag in ("parameters", "input", "facts")]
    cells = [blank | {"source": []} | given for given in (*tagged, cell)]
    assert list(untidy({"cells": cells, "metadata": METADATA})) == ([fault] if fault else [])
    version = METADATA["language_info"] | {"version": "3.11.9"}
    noisy = {"cells": cells, "metadata": METADATA | {"language_info": version}}
    assert "metadata" in untidy(noisy)


@pytest.mark.parametrize("path", notebooks())
def test_code_that_is_shown_fits_the_column(path):
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    hidden = {"hide-input", "remove-cell"}
    shown = [c for c in cells if not hidden & set(c["metadata"].get("tags", ()))]
    code = ["".join(c["source"]) for c in shown if c["cell_type"] == "code"]
    assert max(len(line) for source in code for line in source.splitlines()) <= 76


@pytest.mark.parametrize("path", notebooks())
def test_a_chapter_hides_no_more_lines_of_code_than_it_shows(path):
    lines = {True: 0, False: 0}
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        tags = set(cell["metadata"].get("tags", ()))
        if cell["cell_type"] == "code":
            source = "".join(cell["source"]).splitlines()
            hidden = bool({"hide-input", "remove-cell", "remove-input"} & tags)
            lines[hidden] += sum(bool(line.strip()) for line in source)
    assert lines[True] <= lines[False]


@pytest.mark.parametrize("path", notebooks())
def test_links_are_such_as_a_report_can_leave_out(path):
    """One to a page that is no chapter is a ``{ref}``; else the report would be refused."""
    assert re.findall(r"\]\((?!http)[^)\s]*\.md[)#]", path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("path", notebooks())
def test_every_parameter_has_a_comment(path):
    source = reporting._cell(json.loads(path.read_text(encoding="utf-8")), "parameters")
    assert all(re.search(r"#\s+\S", line) for line in source.splitlines())


@pytest.mark.parametrize("path", notebooks())
def test_every_chapter_says_how_to_execute_it_again(path):
    notebook = json.loads(path.read_text(encoding="utf-8"))
    text = "\n\n".join("".join(c["source"]) for c in notebook["cells"])
    asked = "\n\nRe-execute this page with your own matrix:\n\n```bash\n(.*?)```"
    (commands,) = re.findall(asked, text, re.DOTALL)
    for command in commands.splitlines():
        program, *arguments = shlex.split(command)
        options = cli._parser().parse_args(arguments)
        assert (program, options.command) == ("spectralgrad", "report")
        assert (options.matrix, getattr(options, "chapter", "your_matrix")) == ("my.csv", path.stem)
        # Raises for a parameter that the chapter does not have, or a value that is none of its.
        reporting._values(reporting.parameters(notebook), getattr(options, "given", ()), path.stem)


def test_the_hooks_of_pre_commit_are_valid_and_can_be_run():
    path = ROOT / ".pre-commit-config.yaml"
    check = [sys.executable, "-m", "pre_commit", "validate-config", path]
    done = subprocess.run(check, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    repositories = yaml.safe_load(path.read_text(encoding="utf-8"))["repos"]
    for hook in (hook for repository in repositories for hook in repository["hooks"]):
        program, *arguments = shlex.split(hook["entry"])
        assert (hook["language"], Path(program).parent) == ("system", Path(".venv/bin"))
        assert Path(sys.executable).with_name(Path(program).name).is_file(), program
        for file, test in (word.split("::") for word in arguments if "::" in word):
            assert f"def {test}(" in (ROOT / file).read_text(encoding="utf-8")


def test_the_citation_file_is_valid_and_up_to_date():
    """By the schema of the Citation File Format 1.2.0, as far as it concerns the keys in use."""
    cff = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    keywords, authors = cff.pop("keywords"), cff.pop("authors")
    assert all(isinstance(word, str) for word in keywords)
    assert [{"name": author["name"]} for author in authors] == project["authors"]
    assert all(isinstance(value, str) and value for value in cff.values())
    needed = {"cff-version", "message", "type", "title", "abstract", "version", "license"}
    # What only a published version has.
    published = {"date-released", "doi", "repository-code", "url"}
    assert needed <= set(cff) <= needed | published
    assert (cff["cff-version"], cff["type"]) == ("1.2.0", "software")
    assert cff["version"] == __version__
    # What is shipped with it, and not cited, is under the others.
    assert cff["license"] == project["license"].split(" AND ")[0]


def test_the_changelog_ends_with_this_version_or_before_it():
    heads = re.findall(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.M)
    released = [Version(head) for head in heads if head != "Unreleased"]
    assert heads[0] in ("Unreleased", __version__)
    assert [version for version in released if version > Version(__version__)] == []


def test_every_work_of_the_bibliography_is_cited():
    """The page lists all of them, as works cited."""
    keys = re.findall(r"^@\w+\{([^,]+),", (ROOT / "references.bib").read_text("utf-8"), re.M)
    pages = [*ROOT.glob("*.md"), *building.chapters().values()]
    text = "".join(path.read_text(encoding="utf-8") for path in pages)
    assert len(keys) == len(set(keys)) > 50
    assert [key for key in keys if key not in text] == []


def test_the_table_of_contents_lists_every_chapter():
    toc = (ROOT / "_toc.yml").read_text(encoding="utf-8")
    assert set(re.findall(r"chapters/(\w+)", toc)) == set(building.chapters())


def test_the_picture_of_the_readme_is_what_the_package_draws(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "tools")
    import picture

    def without_rasters(svg):
        # The last bit of a colour may depend on the machine; the numbers in the cells do not.
        return re.sub(r'xlink:href="data:[^"]*"', "", svg)

    drawn = picture.draw()
    assert "They differ" in drawn.alt
    assert without_rasters(drawn.svg) == without_rasters(picture.PICTURE.read_text("utf-8"))


def test_the_examples_of_the_readme_run():
    sources = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.S)
    results = []
    for source in sources:
        scope = {}
        exec(source, scope)
        results.append(eval(source.strip().splitlines()[-1], scope))
    judged, answered, gradient = results
    assert (judged.verdict, answered) == ("subgradient", "agrees")
    # At I the gradient of ⟨C, UVᴴ⟩ is the skew part of C.
    assert gradient.numpy() == pytest.approx(np.array([[0, 0.5, 0], [-0.5, 0, 0], [0, 0, 0]]))


def made(python):
    """What `make lint` would do with an interpreter."""
    environment = {name: os.environ[name] for name in os.environ if not name.startswith("MAKE")}
    return subprocess.run(
        ["make", "-n", "lint", f"PYTHON={python}"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_make_has_an_environment_for_each_python(tmp_path):
    other = tmp_path / "python"
    other.write_text("#!/bin/sh\necho 3.99\n", encoding="utf-8")
    other.chmod(0o755)
    done = made(other)
    assert ".venv-3.99/bin/ruff check" in done.stdout
    assert f"{other} -m venv .venv-3.99" in done.stdout
    default = shutil.which("python3.11") or "python3"
    assert ".venv/bin/ruff check" in made(default).stdout


def test_make_takes_no_other_python_than_the_one_that_is_named():
    done = made("no-such-python")
    assert done.returncode == 2
    assert "PYTHON=no-such-python does not start" in done.stderr
    assert ".venv" not in done.stdout


@pytest.mark.parametrize("name", ['it\'s $HOME; "x".csv', "-x.csv"])
def test_make_report_takes_any_file_name(name):
    # -o: this environment is set up already.
    command = ["make", "-o", "here", "report", "READY=here", f"BIN={Path(sys.executable).parent}"]
    environment = os.environ | {"MATRIX": name}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stderr.startswith(f"spectralgrad: {name}: no such file")
