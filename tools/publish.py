"""Write the addresses of publish.toml into the files that want them, once they are known.

Usage: python tools/publish.py home | release
"""

import re
import sys
import tomllib
from pathlib import Path
from string import Template

ROOT = Path(__file__).parents[1]
VALUES = "tools/publish.toml"
#: What a value looks like.
FORMS = {
    "repository": r"https://github\.com/[\w.-]+/[\w.-]*\w",
    "pages": r"https://[\w./-]*\w",
    "index": r"[a-z0-9]+(-[a-z0-9]+)*",
    "orcid": r"https://orcid\.org/(\d{4}-){3}\d{3}[\dX]",
    "doi": r"10\.\d{4,9}/\S+",
    "sha256": r"[0-9a-f]{64}",
    "maintainer": r"[A-Za-z0-9-]+",
}
#: (file, name of a place in it) -> what is written there when all its values are known. A place
#: is what stands between the comments "publish: NAME" and "publish: end".
PLACES = {
    ("pyproject.toml", "urls"): """\
[project.urls]
Documentation = "$pages"
Source = "$repository"
Issues = "$repository/issues"
Changelog = "$repository/blob/main/CHANGELOG.md"
""",
    ("CITATION.cff", "orcid"): "orcid: $orcid\n",
    ("CITATION.cff", "addresses"): "repository-code: $repository\nurl: $pages\n",
    ("CITATION.cff", "doi"): "doi: $doi\n",
    ("_config.yml", "pages"): "baseurl: $pages/\n",
    # Here, because theme options that are given take the place of those that Jupyter Book makes.
    ("_config.yml", "buttons"): """\
repository_url: $repository
repository_branch: main
use_repository_button: true
use_issues_button: true
""",
    (".github/workflows/release.yml", "index"): "url: https://pypi.org/project/$index/\n",
    ("recipe/recipe.yaml", "source"): """\
source:
  url: https://pypi.org/packages/source/${initial}/$index/$index-$${{ version }}.tar.gz
  sha256: $sha256
""",
    ("recipe/recipe.yaml", "addresses"): """\
homepage: $pages
repository: $repository
documentation: $pages
""",
    ("recipe/recipe.yaml", "maintainers"): "extra:\n  recipe-maintainers: [$maintainer]\n",
}


def values(root=ROOT):
    """Read table -> key -> value; an open value is ""."""
    return tomllib.loads((root / VALUES).read_text(encoding="utf-8"))


def open_values(found):
    """Name the open values of some tables, as ``table.key``."""
    return [f"{table}.{key}" for table, held in found.items() for key in held if not held[key]]


def filled(text, name, lines):
    """Put lines into a place of a text, indented like its comments, instead of what is there.

    Raises
    ------
    ValueError
        The text does not have that place exactly once.
    """
    place = re.compile(rf"^( *)(# publish: {name}\n).*?^\1(# publish: end$)", re.M | re.S)

    def written(match):
        indent, begin, end = match.groups()
        inside = "".join(f"{indent}{line}" for line in lines.splitlines(keepends=True))
        return f"{indent}{begin}{inside}{indent}{end}"

    new, count = place.subn(written, text)
    if count != 1:
        raise ValueError(f'the place "# publish: {name}" is there {count} times, and not once')
    return new


def publish(root=ROOT):
    """Fill every place whose values are all known, and empty the others."""
    known = {key: value for held in values(root).values() for key, value in held.items() if value}
    if "index" in known:
        known["initial"] = known["index"][0]
    for (file, name), template in PLACES.items():
        path, wanted = root / file, Template(template)
        lines = wanted.substitute(known) if known.keys() >= {*wanted.get_identifiers()} else ""
        try:
            path.write_text(filled(path.read_text("utf-8"), name, lines), encoding="utf-8")
        except ValueError as error:
            raise ValueError(f"{file}: {error}") from None


def faults(table, root=ROOT):
    """Say what keeps the project from being published as far as a table goes, line by line."""
    found = values(root)
    # A release needs a home.
    asked = {name: held for name, held in found.items() if name in ("home", table)}
    yield from (f"{VALUES}: {name} is open" for name in open_values(asked))
    for key, value in ((k, v) for held in found.values() for k, v in held.items() if v):
        if not re.fullmatch(FORMS[key], value):
            yield f"{VALUES}: {key} = {value!r} does not look like one"
    name = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]["name"]
    if found["home"]["index"] not in ("", name):
        yield f"{VALUES}: the index has {found['home']['index']!r}, pyproject.toml {name!r}"


def main(arguments, root=ROOT):
    """Fill the places, or write nothing and end with 1, if something is open or wrong."""
    if arguments not in (["home"], ["release"]):
        print(__doc__, file=sys.stderr)
        return 2
    if lines := list(faults(*arguments, root)):
        print(*lines, sep="\n", file=sys.stderr)
        return 1
    publish(root)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
