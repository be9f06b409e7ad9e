"""Print what CHANGELOG.md says of a version, for the page of its release.

Usage: python tools/release_note.py v0.1.0
"""

import re
import sys
from pathlib import Path

CHANGELOG = Path(__file__).parents[1] / "CHANGELOG.md"
_HEAD = r"^## (?P<version>\S+)(?: - (?P<date>\d{4}-\d\d-\d\d))?$"


def sections(text):
    """Take a changelog apart.

    Returns
    -------
    dict
        Version, or "Unreleased" -> its date, "" if it has none, and what is said of it.
    """
    heads = list(re.finditer(_HEAD, text, re.M))
    ends = [*(head.start() for head in heads[1:]), len(text)]
    return {
        head["version"]: (head["date"] or "", text[head.end() : end].strip())
        for head, end in zip(heads, ends, strict=True)
    }


def note(text, version):
    """Cut out what is said of a version.

    Raises
    ------
    ValueError
        The version has no section, no date, or nothing is said of it.
    """
    found = sections(text)
    if version not in found:
        raise ValueError(f"CHANGELOG.md has no section {version!r}, only {', '.join(found)}")
    date, said = found[version]
    if not date:
        raise ValueError(f"CHANGELOG.md: {version!r} has no date, as in: ## {version} - 2030-01-31")
    if not said:
        raise ValueError(f"CHANGELOG.md says nothing of {version!r}")
    return said


def main(tag):
    """Print the note; the status is 1 if there is none."""
    try:
        print(note(CHANGELOG.read_text(encoding="utf-8"), tag.removeprefix("v")))
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
