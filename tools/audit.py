"""Look the locked packages up in the database of known vulnerabilities, and say in one line.

Usage: make audit
"""

import json
import subprocess
import sys
from pathlib import Path

LOCK = Path(__file__).parents[1] / "requirements.lock"
#: Of the whole audit, in seconds: with a network it takes less than one.
LONGEST = 180


def look_up(lock=LOCK):
    """Ask pip-audit about every package of a lock.

    Returns
    -------
    list of dict
        With ``name``, ``version`` and ``vulns``, or ``name`` and ``skip_reason``; empty if
        nothing was found out.
    """
    command = [sys.executable, "-m", "pip_audit", "--requirement", str(lock), "--no-deps"]
    # Everything is pinned already, so that pip need not resolve it.
    command += ["--disable-pip", "--progress-spinner", "off", "--timeout", "10", "--format", "json"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=LONGEST)
        return json.loads(done.stdout)["dependencies"]
    # Without a network it ends with a traceback or a message, or not at all.
    except (subprocess.TimeoutExpired, ValueError, KeyError):
        return []


def told(packages):
    """Say what was found.

    Parameters
    ----------
    packages : list of dict
        As `look_up` returns it.

    Returns
    -------
    line : str
    status : int
        0 if there is nothing to be done, 1 if there is, and 2 if nothing was found out.
    """
    known = [package for package in packages if "vulns" in package]
    if not known:
        return "no package was looked up: the database does not answer from here", 2
    found = [
        f"{package['name']} {package['version']} ({flaw['id']}{_mended(flaw)})"
        for package in known
        for flaw in package["vulns"]
    ]
    what = ", ".join(found) if found else "no known vulnerability"
    return f"{what}; {len(known)} of {len(packages)} packages looked up", int(bool(found))


def _mended(flaw):
    versions = flaw.get("fix_versions")
    return f", mended in {versions[0]}" if versions else ""


def main():
    """Print one line; the status is that of `told`."""
    line, status = told(look_up())
    print(f"audit: {line}", file=sys.stderr if status else sys.stdout)
    return status


if __name__ == "__main__":
    sys.exit(main())
