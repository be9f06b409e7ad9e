"""What is needed to publish the project: addresses, workflows, citation, recipe, release note."""

import re
import shutil
import subprocess
import tomllib
from itertools import chain

import pytest
import yaml

from spectralgrad.book import building

ROOT = building.root()
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
HASH = "0123456789abcdef" * 4
#: Of nobody; the ORCID is the one of ORCID's own documentation.
SAMPLE = {
    "repository": "https://github.com/owner/name",
    "pages": "https://owner.example/name",
    "index": "spectralgrad",
    "orcid": "https://orcid.org/0000-0002-1825-0097",
    "doi": "10.1234/abc.5",
    "sha256": HASH,
    "maintainer": "owner",
}


@pytest.fixture
def publish(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "tools")
    import publish

    return publish


@pytest.fixture
def release_note(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "tools")
    import release_note

    return release_note


@pytest.fixture
def project(tmp_path, publish):
    """A copy of the files that addresses are written into, with these values."""

    def made(**values):
        for file in {publish.VALUES, *(file for file, _ in publish.PLACES)}:
            (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / file, tmp_path / file)
        path = tmp_path / publish.VALUES
        text = re.sub(r'^(\w+) = ".*"', r'\1 = ""', path.read_text("utf-8"), flags=re.M)
        for key, value in values.items():
            text, count = re.subn(rf'^{key} = ""', f'{key} = "{value}"', text, flags=re.M)
            assert count == 1
        path.write_text(text, encoding="utf-8")
        return tmp_path

    return made


def contents(root, publish):
    return {file: (root / file).read_text("utf-8") for file, _ in publish.PLACES}


def test_what_is_not_published_yet_is_named(publish):
    # Whatever is wrong but not open fails; `pytest -ra` prints what is open.
    still = [f"{publish.VALUES}: {name} is open" for name in open_names(publish)]
    assert list(publish.faults("release")) == still
    if still:
        pytest.skip(f"still open in {publish.VALUES}: {', '.join(open_names(publish))}")


def open_names(publish):
    return publish.open_values(publish.values())


def test_the_files_hold_what_the_tool_writes(publish, project):
    """Neither is an address written by hand into its place, nor one forgotten."""
    known = {k: v for held in publish.values().values() for k, v in held.items() if v}
    copy = project(**known)
    publish.publish(copy)
    assert contents(copy, publish) == contents(ROOT, publish)


def addresses(text):
    """What looks like an address of this project, or like a place to put one."""
    of_project = r"https?://[^\s\"'<>)`]*spectralgrad[^\s\"'<>)`]*"
    return re.findall(rf"{of_project}|10\.5281/zenodo\S*|orcid\.org/\d\S*|\bOWNER\b", text)


def test_no_other_file_holds_an_address_of_the_project(publish):
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    values = publish.values()
    known = [values["home"]["repository"], values["home"]["pages"], values["release"]["doi"]]
    found = {}
    for file in set(listed.stdout.split("\0")) - {"", publish.VALUES, "tests/test_publishing.py"}:
        if not (ROOT / file).is_file():
            continue
        text = (ROOT / file).read_text(encoding="utf-8")
        for place in (place for held, place in publish.PLACES if held == file):
            text = publish.filled(text, place, "")
        if invented := [a for a in addresses(text) if not any(v and v in a for v in known)]:
            found[file] = invented
    assert found == {}


@pytest.mark.parametrize(
    "text",
    [
        "see https://github.com/someone/spectralgrad/issues",
        'url = "https://spectralgrad.readthedocs.io"',
        "doi: 10.5281/zenodo.1234567",
        SAMPLE["orcid"],
        "https://github.com/OWNER/NAME",
    ],
)
def test_an_invented_address_is_found(text):
    assert addresses(text)
    assert not addresses("import spectralgrad  # https://jax.readthedocs.io, doi 10.1137/0911052")


def test_what_is_known_is_written_where_it_is_wanted(publish, project):
    root = project(**SAMPLE)
    assert publish.main(["release"], root) == 0
    urls = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]["urls"]
    assert urls["Source"] == SAMPLE["repository"]
    assert urls["Documentation"] == SAMPLE["pages"]
    cff = yaml.safe_load((root / "CITATION.cff").read_text("utf-8"))
    told = {key: cff[key] for key in ("repository-code", "url", "doi")}
    assert list(told.values()) == [SAMPLE["repository"], SAMPLE["pages"], SAMPLE["doi"]]
    assert cff["authors"][0]["orcid"] == SAMPLE["orcid"]
    book = yaml.safe_load((root / "_config.yml").read_text("utf-8"))
    assert book["html"]["baseurl"] == SAMPLE["pages"] + "/"
    assert book["sphinx"]["config"]["html_theme_options"]["repository_url"] == SAMPLE["repository"]
    release = yaml.safe_load((root / ".github/workflows/release.yml").read_text("utf-8"))
    environment = release["jobs"]["publish"]["environment"]
    assert environment == {"name": "pypi", "url": "https://pypi.org/project/spectralgrad/"}
    recipe = yaml.safe_load((root / "recipe/recipe.yaml").read_text("utf-8"))
    assert recipe["source"]["sha256"] == HASH
    source = "https://pypi.org/packages/source/s/spectralgrad/spectralgrad-${{ version }}.tar.gz"
    assert recipe["source"]["url"] == source
    assert recipe["about"]["homepage"] == SAMPLE["pages"]
    assert recipe["extra"] == {"recipe-maintainers": ["owner"]}
    written = contents(root, publish)
    publish.publish(root)
    assert contents(root, publish) == written
    # The other way, too: what is open again is in no file.
    publish.publish(project())
    assert "github.com/owner" not in "".join(contents(root, publish).values())


def test_before_the_first_release_a_home_is_enough(publish, project):
    root = project(**{k: SAMPLE[k] for k in ("repository", "pages", "index", "orcid")})
    assert publish.main(["home"], root) == 0
    cff = yaml.safe_load((root / "CITATION.cff").read_text("utf-8"))
    assert "url" in cff
    assert "doi" not in cff
    assert "source" not in yaml.safe_load((root / "recipe/recipe.yaml").read_text("utf-8"))


@pytest.mark.parametrize(
    ("table", "changed", "fault"),
    [
        ("home", {"pages": ""}, "home.pages is open"),
        ("release", {"pages": ""}, "home.pages is open"),
        ("release", {"doi": ""}, "release.doi is open"),
        ("home", {"repository": "https://github.com"}, "'https://github.com' does not look like"),
        (
            "home",
            {"repository": "http://github.com/a/b"},
            "'http://github.com/a/b' does not look like",
        ),
        ("home", {"pages": "https://a.b/c/"}, "'https://a.b/c/' does not look like"),
        ("home", {"doi": "https://doi.org/10.1234/5"}, "does not look like"),
        ("release", {"sha256": "abc"}, "'abc' does not look like"),
        ("home", {"index": "other-name"}, "the index has 'other-name', pyproject.toml"),
    ],
)
def test_what_is_open_or_wrong_is_refused_and_nothing_is_written(
    table, changed, fault, publish, project, capsys
):
    root = project(**(SAMPLE | changed))
    before = contents(root, publish)
    assert publish.main([table], root) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("tools/publish.toml: ")
    assert fault in line
    assert contents(root, publish) == before


def test_a_place_that_is_not_there_once_is_an_error(publish, project):
    root = project(**SAMPLE)
    (root / "CITATION.cff").write_text("# publish: orcid\n# publish: end\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"^CITATION.cff: the place .* is there 0 times"):
        publish.publish(root)
    assert publish.main([]) == 2


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_may_do_little_and_not_for_long(path):
    workflow = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert workflow["permissions"] == {}
    assert "group" in workflow["concurrency"]
    for job in workflow["jobs"].values():
        assert job["permissions"]
        assert job["timeout-minutes"] <= 150
        for step in job["steps"]:
            if "actions/checkout" in step.get("uses", ""):
                assert step["with"] == {"persist-credentials": False}
            # What comes from outside would be text of the script.
            assert "${{" not in step.get("run", "")


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_an_action_is_pinned_to_a_commit_with_its_version(path):
    for line in path.read_text(encoding="utf-8").splitlines():
        if "uses:" in line:
            assert re.fullmatch(r" +(- )?uses: [\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line)


def test_what_the_workflows_run_exists():
    workflows = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in WORKFLOWS]
    jobs = chain.from_iterable(w["jobs"].values() for w in workflows)
    script = "\n".join(step.get("run", "") for job in jobs for step in job["steps"])
    targets = re.findall(r"\bmake (\w+)", script)
    assert {"newest", "quick", "wheel"} <= set(targets)
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in targets:
        assert re.search(rf"^(\w+ )*{target}( \w+)*:", makefile, re.M), target
    files = re.findall(r"(?:^|python )(\.ci/\w+|tools/\w+\.py)", script, re.M)
    assert {".ci/run", "tools/publish.py", "tools/release_note.py"} == set(files)
    assert all((ROOT / file).is_file() for file in files)


def test_no_release_takes_a_token_and_only_one_job_can_publish():
    text = (ROOT / ".github/workflows/release.yml").read_text(encoding="utf-8")
    jobs = yaml.safe_load(text)["jobs"]
    assert "secrets." not in text
    assert [name for name, job in jobs.items() if "id-token" in job["permissions"]] == ["publish"]
    assert not any("run" in step for step in jobs["publish"]["steps"])


def test_the_pythons_that_are_promised_are_those_that_are_tested_weekly():
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    promised = re.findall(r'"Programming Language :: Python :: (3\.\d+)"', text)
    weekly = yaml.safe_load((ROOT / ".github/workflows/weekly.yml").read_text(encoding="utf-8"))
    assert weekly["jobs"]["pythons"]["strategy"]["matrix"]["python"] == promised


def test_the_recipe_needs_what_the_package_needs():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    recipe = yaml.safe_load((ROOT / "recipe/recipe.yaml").read_text(encoding="utf-8"))
    python, *run = recipe["requirements"]["run"]
    assert python == "python >=${{ python_min }}"
    assert [need.replace(" ", "") for need in run] == project["project"]["dependencies"]
    assert project["project"]["requires-python"].startswith(f">={recipe['context']['python_min']}")
    host = [need.replace(" ", "") for need in recipe["requirements"]["host"]]
    assert set(project["build-system"]["requires"]) <= set(host)
    scripts = [f"{name} = {call}" for name, call in project["project"]["scripts"].items()]
    assert recipe["build"]["python"]["entry_points"] == scripts
    assert recipe["about"]["license"] == project["project"]["license"]


def test_version_and_date_are_said_alike(release_note):
    cff = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    recipe = yaml.safe_load((ROOT / "recipe/recipe.yaml").read_text(encoding="utf-8"))
    assert recipe["context"]["version"] == cff["version"]
    changelog = release_note.CHANGELOG.read_text(encoding="utf-8")
    found = release_note.sections(changelog)
    # Every head of a section is one that the tool reads.
    assert len(found) == len(re.findall(r"^## ", changelog, re.M))
    released = {version: date for version, (date, _) in found.items() if version != "Unreleased"}
    assert cff.get("date-released", "") == released.get(cff["version"], "")
    assert all(released.values())


CHANGES = """# Changelog

Head.

## Unreleased

- New.

## 0.2.0 - 2030-02-01

The second.

### Fixed

- It.

## 0.1.0 - 2030-01-01

## 0.0.1

- Without a date.
"""


def test_the_note_of_a_release_is_cut_out_of_the_changelog(release_note, monkeypatch, capsys):
    assert release_note.note(CHANGES, "0.2.0") == "The second.\n\n### Fixed\n\n- It."
    assert release_note.sections(CHANGES)["Unreleased"] == ("", "- New.")

    class Changelog:
        def read_text(self, encoding):
            return CHANGES

    monkeypatch.setattr(release_note, "CHANGELOG", Changelog())
    assert release_note.main("v0.2.0") == 0
    assert capsys.readouterr().out == "The second.\n\n### Fixed\n\n- It.\n"
    assert release_note.main("v0.3.0") == 1
    assert capsys.readouterr().err.startswith("CHANGELOG.md has no section '0.3.0', only ")


@pytest.mark.parametrize(
    ("version", "fault"),
    [
        ("0.3.0", "has no section '0.3.0', only Unreleased, 0.2.0, 0.1.0, 0.0.1"),
        ("0.2", "has no section"),
        ("Unreleased", "has no date"),
        ("0.0.1", "'0.0.1' has no date, as in: ## 0.0.1 - 2030-01-31"),
        ("0.1.0", "says nothing of '0.1.0'"),
    ],
)
def test_a_release_without_a_note_is_refused(version, fault, release_note):
    with pytest.raises(ValueError, match=re.escape(fault)):
        release_note.note(CHANGES, version)
