"""What a page was made with: the versions, the platform, and the lock that fixes them."""

import contextlib
import hashlib
import importlib.metadata
import os
import platform
import re
import subprocess
import tomllib
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from spectralgrad import __version__

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
    """The time, UTC, or that of ``SOURCE_DATE_EPOCH``, so that builds can be reproduced."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    at = datetime.fromtimestamp(int(epoch), UTC) if epoch else datetime.now(UTC)
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def date(folder: Path) -> str:
    """The date of ``SOURCE_DATE_EPOCH``, or else of the commit that a folder holds, or today's."""
    of_commit = "" if "SOURCE_DATE_EPOCH" in os.environ else _last(folder, "%cd")
    return of_commit or now()[:10]


def commit(folder: Path) -> str:
    """As ``"0123abc of 2026-01-31 with changes"``; empty if git does not say."""
    last = _last(folder, "%h of %cd")
    # Unlike diff-index, this sees that a file which was only copied is the same.
    changed = last and _git(folder, "status", "--porcelain", "--untracked-files=no")
    return f"{last} with changes" if changed else last


def _last(folder: Path, what: str) -> str:
    return _git(folder, "log", "-1", "--abbrev=7", "--date=short-local", f"--format={what}")


def _git(folder: Path, *arguments: str) -> str:
    """What git says of a folder; an empty string if it does not."""
    # A copy without history may lie in another project's repository.
    if not (folder / ".git").exists():
        return ""
    with contextlib.suppress(OSError, subprocess.CalledProcessError):
        # Several chapters may ask at once, and to ask needs no lock.
        command = ["git", "--no-optional-locks", "-C", str(folder), *arguments]
        utc = os.environ | {"TZ": "UTC"}
        return subprocess.check_output(command, env=utc, stderr=subprocess.DEVNULL).decode().strip()
    return ""


def describe(folder: Path) -> dict[str, Any]:
    """What a chapter of the book in a folder is executed with, as JSON holds it."""
    versions = {name: version(*distributions) for name, distributions in NAMED.items()}
    return {
        "python": platform.python_version(),
        "versions": {name: number for name, number in versions.items() if number},
        "platform": f"{platform.system()} {platform.machine()}",
        "package": __version__,
        "lock": _lock(folder / "requirements.lock"),
    }


def _lock(file: Path) -> str:
    """Hash of the lock; empty where there is none, or where a page names what it does not fix."""
    lock = file.read_bytes() if file.is_file() else b""
    pinned = re.findall(r"^[\w-]+==[^\s;]+", lock.decode(), re.MULTILINE)
    named = [name for names in NAMED.values() for name in names if version(name)]
    fixed = all(f"{name}=={version(name)}" in pinned for name in named)
    return hashlib.sha256(lock).hexdigest()[:12] if fixed else ""


def describe_build(folder: Path) -> dict[str, Any]:
    """What the book is built from and with.

    Two builds of one commit do not differ: without ``SOURCE_DATE_EPOCH``, ``time`` is empty.
    """
    time = now() if "SOURCE_DATE_EPOCH" in os.environ else ""
    return describe(folder) | {"commit": commit(folder), "time": time}


def sentence(facts: Mapping[str, Any], verb: str) -> str:
    """What `describe_build` found, in one line that begins with a verb: Executed, or Built."""
    tools = {"Python": facts["python"]} | facts["versions"]
    with_what = ", ".join(f"{name} {number}" for name, number in tools.items())
    sources = f"spectralgrad {facts['package']}"
    for source in ("lock", "commit"):
        sources += f", {source} {facts[source]}" if facts[source] else ""
    when = f" on {facts['time'][:10]} (UTC)" if facts["time"] else ""
    return f"{verb}{when} with {with_what}, on {facts['platform']}; {sources}."


def direct(folder: Path) -> list[tuple[str, str, str]]:
    """Each direct dependency on this machine, its version and the groups that need it."""
    from packaging.requirements import Requirement

    project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    groups = {"package": project["dependencies"], **project["optional-dependencies"]}
    needed: dict[str, list[str]] = {}
    for group, requirements in groups.items():
        for requirement in map(Requirement, requirements):
            # A group of groups names the project itself.
            here = requirement.marker is None or requirement.marker.evaluate()
            if here and requirement.name != project["name"]:
                needed.setdefault(requirement.name, []).append(group)
    return [(n, version(n) or "not installed", ", ".join(g)) for n, g in sorted(needed.items())]


def libraries() -> dict[str, str]:
    """The BLAS and LAPACK that NumPy and SciPy were built with."""
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
    with contextlib.suppress(OSError, IndexError):
        # On Linux `platform` knows the architecture only.
        known = Path("/proc/cpuinfo").read_text(encoding="utf-8")
        return str(re.findall(r"model name\s*:\s*(.*)", known)[0])
    return platform.processor() or platform.machine()


def machine(folder: Path) -> dict[str, str]:
    """What the whole book was built on."""
    facts = describe_build(folder)
    time = facts["time"].replace("T", " ").replace("Z", " UTC")
    lock = {"requirements.lock": f"SHA-256 {facts['lock']}…"} if facts["lock"] else {}
    return ({"Built": time} if time else {}) | {
        "Commit": facts["commit"] or "unknown",
        "Python": f"{platform.python_implementation()} {facts['python']}",
        "Platform": platform.platform(),
        "Processors": f"{os.cpu_count()} × {processor()}",
        **libraries(),
        **lock,
    }
