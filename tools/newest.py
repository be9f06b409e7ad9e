"""Judge the book with the newest frameworks: the tests, and the statements of the chapters.

Usage: make newest PYTHON=python3.13 [TORCH='torch --index-url https://...']

It has an environment of its own, into which pip puts the newest releases. On Linux, PyPI has
PyTorch with CUDA only, several gigabytes: it takes part if TORCH says what pip is to install for
it, or if it is in the environment already. What comes out is a list of sentences, one for whatever
differs from the book; the status is 1 if there are any.
"""

import concurrent.futures
import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).parents[1]
TESTS = ("frameworks", "recipes", "verdict")
#: The Python that the book is built with.
BOOK = "3.11"
#: Seconds that a chapter may take.
LONGEST = 3600


def run(*command, **options):
    """What a program printed, and how it ended."""
    return subprocess.run(command, text=True, check=False, **options)


def install(folder):
    """Make the environment, or bring it up to date; return its Python."""
    python = folder / "bin" / "python"
    if not python.exists():
        run(sys.executable, "-m", "venv", folder)
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--upgrade"]
    project = ["--editable", f"{ROOT}[autograd,jax,tensorflow,book,test]"]
    wanted = [["--upgrade-strategy", "eager", *project]]
    torch = os.environ.get("TORCH", "" if sys.platform == "linux" else "torch")
    wanted += [shlex.split(torch)] if torch else []
    for what in wanted:
        if status := run(*pip, *what).returncode:
            sys.exit(f"newest: pip could not install {' '.join(what)} (status {status})")
    return python


#: How a sentence names what it is about.
WORDS = {
    "NumPy": r"NumPy",
    "SciPy": r"SciPy",
    "autograd": r"(?<!torch\.)autograd|HIPS",
    "PyTorch": r"PyTorch|torch\.",
    "TensorFlow": r"TensorFlow|\btf\.",
    "JAX": r"JAX|\bjax\.|\bjnp\.",
}


class Versions:
    """What is installed, beside what the book has."""

    def __init__(self, here, book):
        self.here, self.book = here, book

    def about(self, text):
        """The versions that a sentence is about, those that are not the book's before others."""
        named = [name for name, word in WORDS.items() if re.search(word, text)]
        changed = [name for name in self.here if self.here[name] != self.book.get(name)]
        shown = [name for name in named if name in changed] or changed or named or list(self.here)
        return ", ".join(self.title(name) for name in shown)

    def title(self, name):
        """A framework with its version, and that of the book if it is another."""
        here, book = self.here.get(name, "not installed"), self.book.get(name)
        return f"{name} {here}" + (f" (the book: {book})" if book not in (None, here) else "")


def pins(lock, named, python):
    """The versions that a lock holds for a version of Python."""
    from packaging.requirements import Requirement

    markers = {"python_version": python, "python_full_version": f"{python}.0"}
    found = {}
    for line in lock.splitlines():
        if line and not line.startswith("#"):
            pin = Requirement(line)
            if pin.marker is None or pin.marker.evaluate(markers):
                found[pin.name] = str(pin.specifier).removeprefix("==")
    return {
        title: next(found[name] for name in names if name in found)
        for title, names in named.items()
        if any(name in found for name in names)
    }


def of_statement(sentence, outcome, versions, absent=()):
    """What is to be said of a statement; nothing if it holds, or is about what is not there.

    Parameters
    ----------
    sentence : str
    outcome : dict
        As `statements.Judge.state` leaves it.
    versions : Versions
    absent : collection of str
        Frameworks that are not installed.
    """
    named = {name for name, word in WORDS.items() if re.search(word, sentence)}
    if named and named <= {*absent}:
        return ""
    who, said = versions.about(sentence), f"“{' '.join(sentence.split())}”"
    if outcome["now"]:
        return f"{who}: {said} does not hold any more ({outcome['at']}); now: {outcome['now'][0]}."
    known = [f"{name} is not installed" for name in absent]
    others = [why for why in outcome["lost"] if why not in known]
    if others:
        return f"{who}: {said} could not be tried ({outcome['at']}): {others[0]}."
    return ""


def of_tests(report, versions):
    """Sentences about the tests that failed, one for each way to fail; and how many did what."""
    failed, counts = {}, Counter()
    for case in ElementTree.fromstring(report).iter("testcase"):  # noqa: S314
        ends = {end.tag: end for end in case if end.tag in ("failure", "error", "skipped")}
        counts[next(iter(ends), "passed")] += 1
        for tag in ("failure", "error"):
            if tag in ends:
                lines = (ends[tag].get("message") or "no message").strip().split("\n")
                # What another process printed says at its end what was wrong.
                lines = lines[-1:] if "Traceback" in lines[0] else lines
                # Where numbers differ, it is the same way to fail.
                way = re.sub(r"[\d.e+-]+", "…", lines[0])
                name = f"{case.get('classname')}.{case.get('name')}"
                failed.setdefault(way, (lines[0].strip(), []))[1].append(name)
    said = [
        f"{versions.about(' '.join((*tests, line)))}: {', '.join(tests[:3])}"
        + (f" and {len(tests) - 3} more tests" if len(tests) > 3 else "")
        + f" failed: {line}."
        for line, tests in failed.values()
    ]
    return said, counts


def importable():
    """The frameworks that are there, and sentences about those that are there and do not start."""
    from spectralgrad import frameworks

    there, broken = [], {}
    for name in frameworks.NAMES:
        code = f"from spectralgrad import frameworks; frameworks.get({name!r})"
        done = run(sys.executable, "-c", code, capture_output=True)
        last = done.stderr.strip().rpartition("\n")[2]
        if not done.returncode:
            there.append(name)
        elif f"No module named '{name}'" not in last:
            broken[name] = f"{frameworks.TITLES[name]} cannot be imported: {last}"
    return there, broken


def tests(folder, versions):
    """Run the tests; return sentences, and how many did what."""
    report = folder / "tests.xml"
    command = ["-m", "pytest", *(f"tests/{room}" for room in TESTS), "-n", "2", "-q"]
    command += ["--tb=no", "--no-header", "-p", "no:randomly", "--hypothesis-profile=quick"]
    command += ["-o", f"cache_dir={Path(sys.prefix) / 'cache'}", f"--junitxml={report}"]
    threads = {"OMP_NUM_THREADS": "1"}
    with (folder / "tests.log").open("w") as log:
        done = run(
            *(sys.executable, *command), cwd=ROOT, env=threads | os.environ, stdout=log, stderr=log
        )
    if not report.exists():
        return [f"The tests did not run: pytest ended with status {done.returncode}."], Counter()
    return of_tests(report.read_text(encoding="utf-8"), versions)


def statements(chapter, folder, absent):
    """The outcomes of the statements of a chapter, or why there are none."""
    from spectralgrad.book import execution

    result = folder / f"{chapter.stem}.json"
    command = [sys.executable, ROOT / "tools" / "statements.py", chapter, result, *absent]
    environment = os.environ | execution.variables()
    options = {"cwd": folder, "env": environment, "capture_output": True, "timeout": LONGEST}
    try:
        done = run(*command, **options)
    except subprocess.TimeoutExpired:
        return f"chapter {chapter.stem} took longer than {LONGEST} s"
    if done.returncode or not result.exists():
        last = done.stderr.strip().rpartition("\n")[2]
        return f"chapter {chapter.stem} ended with status {done.returncode}: {last}"
    return json.loads(result.read_text(encoding="utf-8"))


def chapters(folder, there, versions):
    """Judge the statements of all chapters; return sentences, and how many did what."""
    from spectralgrad import frameworks
    from spectralgrad.book import building

    absent = [name for name in frameworks.NAMES if name not in there]
    titles = {frameworks.TITLES[name] for name in absent}
    all_of = building.chapters().values()
    stating = [c for c in all_of if "claims(" in c.read_text("utf-8")]
    said, counts = [], Counter()
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for found in pool.map(lambda c: statements(c, folder, absent), stating):
            if isinstance(found, str):
                said.append(f"{versions.about('')}: {found}.")
                continue
            for sentence, outcome in found.items():
                line = of_statement(sentence, outcome, versions, titles)
                said += [line] if line else []
                tried = outcome["held"] and not outcome["now"]
                counts["changed" if line else "hold" if tried else "were passed over"] += 1
    return said, counts


def judge():
    """Print what has changed since the book; the status is 1 if anything has."""
    from spectralgrad.book import environment

    here = {"Python": f"{sys.version_info.major}.{sys.version_info.minor}"}
    here |= {title: environment.version(*names) for title, names in environment.NAMED.items()}
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    book = {"Python": BOOK} | pins(lock, environment.NAMED, BOOK)
    versions = Versions({name: number for name, number in here.items() if number}, book)
    print("newest: " + ", ".join(map(versions.title, versions.here)), flush=True)
    there, broken = importable()
    with tempfile.TemporaryDirectory(prefix="spectralgrad-") as scratch:
        said, tested = tests(Path(scratch), versions)
        more, stated = chapters(Path(scratch), there, versions)
    for name in set(book) - set(versions.here):
        print(f"newest: {name} is not installed: what is said of it was passed over")
    said = [f"{versions.about(line)}: {line}." for line in broken.values()] + said + more
    print(f"newest: tests: {listed(tested)}; statements: {listed(stated)}")
    print(*(said or ["Every statement holds, and no test failed."]), sep="\n")
    return int(bool(said))


def listed(counts):
    """Numbers with what they count."""
    return ", ".join(f"{number} {what}" for what, number in sorted(counts.items())) or "none"


def main():
    """Set up the environment, and judge inside of it."""
    folder = ROOT / f".venv-newest-{sys.version_info.major}.{sys.version_info.minor}"
    if Path(sys.prefix) == folder:
        return judge()
    return run(install(folder), Path(__file__)).returncode


if __name__ == "__main__":
    sys.exit(main())
