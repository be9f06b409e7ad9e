"""What a page was made with: the versions, the platform, and the lock that fixes them."""

import contextlib
import datetime
import hashlib
import importlib.metadata
import os
import platform
import re
import subprocess
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

StrPath = str | os.PathLike[str]

#: Distributions whose versions stand on every page, by the name that their makers write.
NAMED = {
    "NumPy": ("numpy",),
    "SciPy": ("scipy",),
    "autograd": ("autograd",),
    "PyTorch": ("torch",),
    # The same program for processors alone is another distribution.
    "TensorFlow": ("tensorflow-cpu", "tensorflow"),
    "JAX": ("jax",),
}


def version(*distributions: str) -> str:
    """Version of the first of these distributions that is installed, or an empty string."""
    for distribution in distributions:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            return importlib.metadata.version(distribution).split("+")[0]
    return ""


def now() -> str:
    """The time, UTC, or that of ``SOURCE_DATE_EPOCH``, so that builds can be reproduced.

    Returns
    -------
    str
        In the form of ISO 8601, to the second.
    """
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    utc = datetime.UTC
    at = datetime.datetime.fromtimestamp(int(epoch), utc) if epoch else datetime.datetime.now(utc)
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def date(folder: StrPath) -> str:
    """The date of ``SOURCE_DATE_EPOCH``, or else of the commit that a folder holds, or today's.

    Returns
    -------
    str
        In the form of ISO 8601, UTC.
    """
    seconds = "SOURCE_DATE_EPOCH" not in os.environ and _git(folder, "log", "-1", "--format=%ct")
    if not seconds:
        return now()[:10]
    return datetime.datetime.fromtimestamp(int(seconds), datetime.UTC).date().isoformat()


def commit(folder: StrPath) -> str:
    """The commit that a folder holds, its date, and whether the files differ from it.

    Returns
    -------
    str
        As ``"0123abc of 2026-01-31"`` or ``"0123abc of 2026-01-31 with changes"``; empty if git
        does not say.
    """
    name = _git(folder, "log", "-1", "--abbrev=7", "--format=%h")
    if not name:
        return ""
    seconds = int(_git(folder, "log", "-1", "--format=%ct"))
    day = datetime.datetime.fromtimestamp(seconds, datetime.UTC).date()
    # Unlike diff-index, this sees that a file which was only copied is the same.
    changes = (
        " with changes" if _git(folder, "status", "--porcelain", "--untracked-files=no") else ""
    )
    return f"{name} of {day}{changes}"


def _git(folder: StrPath, *arguments: str) -> str:
    """What git says of a folder; an empty string if it does not."""
    # A copy without history may lie in another project's repository.
    if not Path(folder, ".git").exists():
        return ""
    with contextlib.suppress(OSError):
        # Several chapters may ask at once, and to ask needs no lock.
        done = subprocess.run(
            ["git", "--no-optional-locks", "-C", str(folder), *arguments],  # noqa: S607
            capture_output=True,
            text=True,
            check=False,
        )
        return done.stdout.strip()
    return ""


def describe(folder: StrPath) -> dict[str, Any]:
    """Describe what a chapter is executed with.

    Parameters
    ----------
    folder : path
        Of the book: it holds ``requirements.lock``.

    Returns
    -------
    dict
        ``python``, ``versions`` (of what is installed of `NAMED`), ``platform`` and ``lock`` (the
        first digits of the file's SHA-256): strings, as JSON holds them.
    """
    lock = Path(folder, "requirements.lock").read_bytes()
    versions = {name: version(*distributions) for name, distributions in NAMED.items()}
    return {
        "python": platform.python_version(),
        "versions": {name: number for name, number in versions.items() if number},
        "platform": f"{platform.system()} {platform.machine()}",
        "lock": hashlib.sha256(lock).hexdigest()[:12],
    }


def describe_build(folder: StrPath) -> dict[str, Any]:
    """Describe what the book is built from and with.

    Two builds of one commit do not differ: there is no time in it, unless ``SOURCE_DATE_EPOCH``
    gives one.

    Parameters
    ----------
    folder : path
        Of the book.

    Returns
    -------
    dict
        `describe`, with ``commit``, and ``time``, which may be empty.
    """
    time = now() if "SOURCE_DATE_EPOCH" in os.environ else ""
    return describe(folder) | {"commit": commit(folder), "time": time}


def sentence(facts: Mapping[str, Any], verb: str) -> str:
    """Say in one line what `describe` found.

    Parameters
    ----------
    facts : dict
        As of `describe_build`.
    verb : str
        What was done to the page: ``"Executed"`` or ``"Built"``.

    Returns
    -------
    str
    """
    tools = {"Python": facts["python"]} | facts["versions"]
    with_what = ", ".join(f"{name} {number}" for name, number in tools.items())
    sources = f"lock {facts['lock']}"
    if facts["commit"]:
        sources += f", commit {facts['commit']}"
    when = f" on {facts['time'][:10]} (UTC)" if facts["time"] else ""
    return f"{verb}{when} with {with_what}, on {facts['platform']}; {sources}."


def direct(folder: StrPath) -> list[tuple[str, str, str]]:
    """Direct dependencies of the project, and the versions that are installed.

    Parameters
    ----------
    folder : path
        Of the book: it holds ``pyproject.toml``.

    Returns
    -------
    list of (str, str, str)
        Name, version (empty if it is not installed) and the groups that need it.
    """
    text = Path(folder, "pyproject.toml").read_text(encoding="utf-8")
    project = tomllib.loads(text)["project"]
    groups = {"package": project["dependencies"], **project["optional-dependencies"]}
    needed: dict[str, list[str]] = {}
    for group, requirements in groups.items():
        for requirement in requirements:
            name = re.split(r"[^\w.-]", requirement, maxsplit=1)[0]
            needed.setdefault(name, []).append(group)
    return [(name, version(name), ", ".join(needed[name])) for name in sorted(needed)]


def libraries() -> dict[str, str]:
    """The BLAS and LAPACK that NumPy and SciPy were built with.

    Returns
    -------
    dict of str to str
    """
    import numpy as np
    import scipy

    found = {}
    for title, module in (("NumPy", np), ("SciPy", scipy)):
        built = module.show_config(mode="dicts")["Build Dependencies"]
        for library in ("blas", "lapack"):
            # What a build does not say is empty there, or missing.
            known = [built.get(library, {}).get(key, "") for key in ("name", "version")]
            found[f"{library.upper()} of {title}"] = " ".join(filter(None, known)) or "unknown"
    return found


def processor() -> str:
    """Name of the processor: with it the code that LAPACK runs changes, and its null vectors."""
    with contextlib.suppress(OSError):
        names = re.findall(r"model name\s*:\s*(.*)", Path("/proc/cpuinfo").read_text("utf-8"))
        if names:
            return str(names[0])
    return platform.processor() or platform.machine()


def machine(folder: StrPath) -> dict[str, str]:
    """What the whole book was built on.

    Parameters
    ----------
    folder : path
        Of the book.

    Returns
    -------
    dict of str to str
    """
    facts = describe_build(folder)
    time = facts["time"].replace("T", " ").replace("Z", " UTC")
    return ({"Built": time} if time else {}) | {
        "Commit": facts["commit"] or "unknown",
        "Python": f"{platform.python_implementation()} {facts['python']}",
        "Platform": platform.platform(),
        "Processors": f"{os.cpu_count()} × {processor()}",
        **libraries(),
        "requirements.lock": f"SHA-256 {facts['lock']}…",
    }
