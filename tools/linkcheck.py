"""Check the external links of the book, with its chapters as they were executed last.

Usage: make linkcheck
"""

import json
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from pathlib import Path

from spectralgrad.book import building
from spectralgrad.system.errors import CommandError

#: Asked first: if they cannot be reached, then no link can.
HOSTS = ("https://doi.org", "https://github.com")
_JUPYTER_BOOK = "from jupyter_book.cli.main import main; main()"


def online():
    """Whether a host answers, be it with an error."""
    for host in HOSTS:
        try:
            # The two addresses above, and no others.
            urllib.request.urlopen(host, timeout=10).close()  # noqa: S310
        except urllib.error.HTTPError:
            return True
        except OSError:
            continue
        return True
    return False


def check(scratch):
    """Have Sphinx follow every link; return what it says of those that are broken, line by line."""
    source = scratch / "source"
    building.lay_out_book(source, building.root() / "_build" / "executed")
    command = [sys.executable, "-c", _JUPYTER_BOOK, "build", str(source), "--builder", "linkcheck"]
    command += ["--path-output", str(scratch)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    report = scratch / "_build" / "html" / "output.json"
    if not report.is_file():
        raise CommandError(f"Jupyter Book failed\n{done.stdout}{done.stderr}")
    links = map(json.loads, report.read_text(encoding="utf-8").splitlines())
    return [
        f"{link['filename']}: {_place(link['lineno'])}: {link['uri']}: {link['info']}"
        for link in links
        if link["status"] in ("broken", "timeout")
    ]


def _place(line):
    """Where a line is: in a notebook, each cell begins at another ten thousand."""
    return f"cell {line // 10_000}" if line >= 10_000 else f"line {line}"


def main():
    """Print the broken links; the status is 1 if there are any, and 2 if none could be checked."""
    try:
        if not online():
            raise CommandError("there is no network here, so that no link was checked")
        with tempfile.TemporaryDirectory(prefix="spectralgrad-") as scratch:
            broken = check(Path(scratch))
    except CommandError as error:
        print(f"linkcheck: {error}", file=sys.stderr)
        return 2
    except FileNotFoundError as error:
        print(f"linkcheck: no {error.filename}; run `make book` first", file=sys.stderr)
        return 2
    print(*broken, f"linkcheck: {len(broken)} broken", sep="\n")
    return int(bool(broken))


if __name__ == "__main__":
    sys.exit(main())
