"""Judge the puzzles of the book on old releases of the frameworks.

Usage: python tools/history.py FOLDER [NAME[-VERSION] ...]

`history.toml` lists puzzles and releases. The folder keeps an environment for each release, some
gigabytes in all; what a release answers is kept in `releases.json` of the package, in the place of
what it answered before. Named ones are asked alone.
"""

import json
import subprocess
import sys
import tomllib
from datetime import date
from pathlib import Path

from spectralgrad import verdict
from spectralgrad.book import releases
from spectralgrad.frameworks import NAMES, elsewhere
from spectralgrad.theory.symmetric import hermitian_part

ASKED = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
ABOUT = "import platform, numpy; print(platform.python_version(), numpy.__version__)"


def run(*command):
    """What a command prints; a RuntimeError is the last line of what it complains about."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = done.stderr.splitlines()
        errors = [line for line in lines if line.startswith("ERROR: ")]
        raise RuntimeError((errors or lines or ["killed"])[-1].removeprefix("ERROR: "))
    return done.stdout


def install(environment, python, requirements):
    """Set an environment up, unless the same is there already; its interpreter."""
    interpreter, done = environment / "bin" / "python", environment / "installed"
    if not done.exists() or done.read_text(encoding="utf-8") != f"{requirements}":
        run(f"python{python}", "-m", "venv", "--clear", environment)
        run(interpreter, "-m", "pip", "install", "--quiet", "--no-compile", *requirements)
        done.write_text(f"{requirements}", encoding="utf-8")
    return interpreter


def puzzles():
    """Key -> function and matrix in words, the matrix, and what is asked of it."""
    found = {}
    for of, names in ASKED["puzzles"].items():
        for name in names:
            function, matrix = ASKED["functions"][of], ASKED["matrices"][name]
            options = function | matrix
            titles = [function["title"], options.pop("title")]
            found[f"{of} {name}"] = titles, options.pop("matrix"), options
    return found


def answers(framework, interpreter):
    """Key of each puzzle -> what `spectralgrad check --python` says of one framework, in short."""
    found = {}
    with elsewhere.Crew([framework], interpreter, timeout=300) as crew:
        for key, (_, matrix, options) in puzzles().items():
            question = verdict.Question(frameworks=[framework], **options)
            told = verdict.answer(verdict.pose(matrix, question), question, crew.ask)
            found[key] = short(told, told.answers[framework])
    return found


def short(told, answer):
    """What is kept of an answer: two digits of an error, one line of a message."""
    judged, message = answer.judgement, " ".join(answer.message.split())[:200]
    if judged is None:
        return [answer.verdict, "", False, None, message]
    if answer.verdict == "wrong" and told.valid.problem == "eigh":
        symmetric = verdict.judge(hermitian_part(answer.gradient), told.valid)
        if symmetric.verdict != "wrong":
            message = "right once symmetrised"
    error = float(f"{judged.relative_error:.1e}") if answer.finite else None
    return [answer.verdict, judged.convention, judged.conjugated, error, message]


def ask(folder, framework, version, python, **how):
    """Install and ask one release: what is kept of it."""
    about = {"framework": framework, "version": version, "date": f"{date.today()}"}
    package = ASKED["releases"][framework]["package"].format(version)
    try:
        given = install(folder / f"{framework}-{version}", python, [package, *how.get("with", ())])
        version_of_python, numpy = run(given, "-c", ABOUT).split()
    except RuntimeError as error:
        return about | {"python": python, "missing": str(error)}
    told = answers(framework, given)
    if (first := next(iter(told.values())))[0] == "not installed":
        return about | {"python": python, "missing": first[-1]}
    return about | {"python": version_of_python, "numpy": numpy, "answers": told}


def write(found):
    """Put what a release answered in the place of what it did before, a line for each release."""
    titles = {key: words for key, (words, *_) in puzzles().items()}
    known = [found]
    if releases.PATH.exists():
        known += json.loads(releases.PATH.read_text(encoding="utf-8"))["releases"]
    kept = {}
    for release in known:
        # Puzzles may have been added since.
        if [*release.get("answers", titles)] == [*titles]:
            kept.setdefault((NAMES.index(release["framework"]), release["version"]), release)
    order = sorted(kept, key=lambda key: (key[0], releases.number(key[1])))
    lines = [json.dumps(kept[key], ensure_ascii=False) for key in order]
    about = [f"{json.dumps(k)}: {json.dumps(v, ensure_ascii=False)}" for k, v in titles.items()]
    parts = (",\n".join(part) for part in (about, lines))
    text = '{{"puzzles": {{\n{}\n}},\n"releases": [\n{}\n]}}\n'.format(*parts)
    releases.PATH.write_text(text, encoding="utf-8")


def main():
    """Ask one release after the other; what is known is written after each."""
    folder, *chosen = sys.argv[1:]
    for framework, table in ASKED["releases"].items():
        for release in table["versions"]:
            key = f"{framework}-{release['version']}"
            if chosen and not {framework, key} & {*chosen}:
                continue
            found = ask(Path(folder), framework, **release)
            write(found)
            print(key, found.get("missing", "was asked"), flush=True)


if __name__ == "__main__":
    main()
