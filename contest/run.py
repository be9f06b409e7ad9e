"""Hold the contest, and write what was found into the book's data file.

Usage: python -m contest.run [--only NAME]... [--at POINT]... [--output FILE]

Each package has a process for each framework, and the truth has one. With --only, the entrants of
that name, library or framework take part, and with --at they are tried there; then a file is
written only if --output names one.
"""

import argparse
import hashlib
import importlib.metadata
import json
import os
import platform
import signal
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from contest import compositions, findings, points, processes
from contest.entrants import OPERATIONS

DATA = processes.ROOT / "src" / "spectralgrad" / "book" / "contest.json"
# Of a value that is another function's, the derivative is too.
VALUE = {np.dtype(x): limit for x, limit in (("f4", 1e-3), ("f8", 1e-6), ("c16", 1e-6))}
#: How many processes at a time.
CORES = max(1, min(2, os.cpu_count() or 1))
#: Seconds that the programs for one finding may take.
PATIENCE = 600


def chosen(only):
    """Entrants that take part, in the order of the tables."""
    known = compositions.everyone().values()
    found = [x for x in known if not only or {x.name, x.library, x.framework} & set(only)]
    if not found:
        names = ", ".join(sorted({x.name for x in known}))
        raise ValueError(f"--only {only[0]}: no such entrant; there are {names}")
    return found


def places(entrants, at):
    """Operation -> point -> matrix."""
    operations = [x for x in OPERATIONS if x in {e.operation for e in entrants}]
    found = {x: {n: a for n, a in points.of(x).items() if not at or n in at} for x in operations}
    if not all(found.values()):
        names = ", ".join(dict.fromkeys(n for x in operations for n in points.of(x)))
        raise ValueError(f"--at {at[0]}: not a point of all operations; there are {names}")
    return found


def truths(where):
    """Operations that share a matrix, and the name of their point: tasks of the worker."""
    groups = {}
    for operation, matrices in where.items():
        kind = operation if operation == "rotation" else operation in points.HERMITIAN
        for point, matrix in matrices.items():
            groups.setdefault((point, kind, matrix.shape), []).append(operation)
    return [[members, point] for (point, *_), members in groups.items()]


def parts(entrants, where, folder):
    """The truth, and the entrants of each package and framework, those of JAX first: they compile.

    What a package changes in a framework, such as its default precision, concerns no other one.
    """
    found = {"truth": truths(where)}
    for x in sorted(entrants, key=lambda x: x.framework != "jax"):
        tasks = found.setdefault(f"{x.framework} {x.library}", [])
        tasks += [[x.operation, point, x.name] for point in where[x.operation]]
    return [processes.Part(name, tasks, folder) for name, tasks in found.items()]


def array(nested, matrix):
    """What a worker wrote, as an array."""
    found = np.asarray(nested, dtype=float)
    return found[..., 0] + 1j * found[..., 1] if np.iscomplexobj(matrix) else found


def distance(found, right, operation, matrix):
    """Relative error of a derivative, None if it is not finite."""
    found, right = array(found, matrix), array(right, matrix)
    with np.errstate(over="ignore", invalid="ignore"):
        if points.is_hermitian(operation, matrix):
            found = (found + found.conj().T) / 2
        error = np.linalg.norm(found - right) / np.linalg.norm(right)
    # Two digits, because more are not the same in another run.
    return float(f"{error:.1e}") if np.isfinite(error) else None


def condition(first, second, operation, matrix):
    """By how much a relative error of A multiplies in G, as seen along E."""
    norms = [np.linalg.norm(array(x, matrix)) for x in (first, second)]
    e = points.direction(operation, matrix)
    return float(f"{norms[1] * np.linalg.norm(matrix) / norms[0] / np.linalg.norm(e):.1e}")


def judged(task, found, true):
    """Records of what an entrant got at a point."""
    operation, point, name = task
    matrix = points.of(operation)[point]
    if np.iscomplexobj(matrix) and "real" in compositions.everyone()[operation, name].meant.split():
        return [[*task, 1, None, "not applicable: it is meant for real matrices"]]
    value, *orders = true[operation, point]
    raised = found.get("raises", "")
    if "missing" in found:
        return [[*task[:2], name, 1, None, "not installed"]]
    if "first" not in found:
        crashed = raised.startswith(("crashes", "takes"))
        return [[*task[:2], name, 1, None, raised if crashed else f"raises: {raised}"]]
    records = []
    for order, key, right in zip((1, 2), ("first", "second"), orders, strict=True):
        if key in found:
            error = distance(found[key], right, operation, matrix)
            note = "nan" if error is None else ""
        else:
            error, note = None, f"no second derivative: {raised}"
        records.append([operation, point, name, order, error, note])
    off = abs(found["value"] - float(value)) / (abs(float(value)) or 1)
    if off > VALUE[matrix.dtype] and not records[0][-1]:
        records[0][-1] = f"the value is off by {off:.0e}"
    return records


def versions(entrants):
    """Of what is installed."""
    found = {}
    for name in sorted({x.library for x in entrants} | {"numpy", "mpmath"}):
        try:
            found[name] = importlib.metadata.version(name).partition("+")[0]
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def results(entrants, where, done):
    """What was found of each entrant at each point, and how well conditioned each is."""
    true = {(of, x[1]): known for x, found in done.pop("truth") for of, *known in found}
    answers = {tuple(task): found for tasks in done.values() for task, found in tasks}
    everywhere = [(x.operation, n, x.name) for x in entrants for n in where[x.operation]]
    return {
        "conditions": {
            x: {n: condition(*true[x, n][1:], x, a) for n, a in of.items()}
            for x, of in where.items()
        },
        "records": [r for task in everywhere for r in judged(task, answers[task], true)],
    }


def entered(entrant):
    """An entrant in the data file: its source is in the repository, and here is its digest."""
    source = f"{entrant.setup}\n{entrant.call}".encode()
    known = {key: value for key, value in vars(entrant).items() if key != "setup"}
    return known | {"digest": hashlib.sha256(source).hexdigest()[:8]}


def about(entrants, where):
    """All that the data file holds but the results."""
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "command": "make contest",
        "python": platform.python_version(),
        "machine": platform.machine(),
        "versions": versions(entrants),
        "entrants": [entered(x) for x in entrants],
        "points": {x: [*of] for x, of in where.items()},
        "inapplicable": {x: points.INAPPLICABLE.get(x, {}) for x in where},
    }


def packed(known):
    """Records as results: operation -> name -> [first, second], an entry for each point.

    An entry is an error, a note, or both; one note for all is said once.
    """
    found = {}
    for operation, point, name, order, error, note in known["records"]:
        orders = found.setdefault(operation, {}).setdefault(name, [{}, {}])
        orders[order - 1][point] = note if error is None else [error, note] if note else error
    for operation, rows in found.items():
        for name, orders in rows.items():
            tried = [[x.get(p, "not tried") for p in known["points"][operation]] for x in orders]
            alike = [len({*map(str, row)}) == 1 and isinstance(row[0], str) for row in tried]
            rows[name] = [r[0] if same else r for r, same in zip(tried, alike, strict=True)]
    return {key: value for key, value in known.items() if key != "records"} | {"results": found}


def written(known):
    """JSON with one entry a line."""
    lines = []
    for key, value in packed(known).items():
        if isinstance(value, list):
            rows = ",\n".join(json.dumps(x, ensure_ascii=False) for x in value)
            lines.append(f"{json.dumps(key)}: [\n{rows}\n]")
        elif isinstance(value, dict):
            rows = ",\n".join(
                f"{json.dumps(k)}: {json.dumps(x, ensure_ascii=False)}" for k, x in value.items()
            )
            lines.append(f"{json.dumps(key)}: {{\n{rows}\n}}")
        else:
            lines.append(f"{json.dumps(key)}: {json.dumps(value)}")
    return "{\n" + ",\n".join(lines) + "\n}\n"


def tell(every):
    """Say in one line how far it is."""
    if sys.stderr.isatty():
        left = [str(x) for x in every if x.left]
        line = f"contest: {'; '.join(left[:4])}" if left else ""
        print(f"\r\033[K{line}", end="", file=sys.stderr, flush=True)


def hold(entrants, where):
    """Let everyone take part, then write programs of what is wrong."""
    with tempfile.TemporaryDirectory() as folder:
        every = parts(entrants, where, folder)
        processes.run(every, CORES, tell)
        known = results(entrants, where, {x.name: x.found for x in every})
        # Where the value is another one, the function is, and nothing is claimed.
        tasks = findings.groups(known["records"], known["conditions"])
        writing = [
            processes.Part(f"findings {i}", tasks[i::CORES], folder, PATIENCE)
            for i in range(CORES)
            if tasks[i::CORES]
        ]
        processes.run(writing, CORES, tell)
    found = {json.dumps(task): x for part in writing for task, x in part.found}
    kept = [x for x in (found[json.dumps(task)] for task in tasks) if "program" in x]
    return known | {"findings": kept}


def main(*arguments):
    """Hold the contest, and move the data file into place."""
    parser = argparse.ArgumentParser(prog="contest", description=__doc__.partition("\n")[0])
    parser.add_argument("--only", action="append", metavar="NAME", help="entrants that take part")
    parser.add_argument("--at", action="append", metavar="POINT", help="where they are tried")
    parser.add_argument("--output", type=Path, metavar="FILE", help="where the results go")
    given = parser.parse_args(arguments)
    output = given.output or (None if given.only or given.at else DATA)
    try:
        entrants = chosen(given.only)
        where = places(entrants, given.at)
    except ValueError as error:
        parser.error(str(error))
    known = about(entrants, where) | hold(entrants, where)
    if output:
        new = output.with_suffix(".new")
        new.write_text(written(known), encoding="utf-8")
        new.replace(output)
    return known


def stopped(*_):
    """Stop, as on Ctrl-C."""
    raise KeyboardInterrupt


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, stopped)
    try:
        main(*sys.argv[1:])
    except KeyboardInterrupt:
        sys.exit("\ncontest: stopped; the data file is as it was")
