"""One part of the contest, in a process of its own: the truth, the entrants of a package, findings.

Usage: python -m contest.worker PART TASKS RESULTS

TASKS is a JSON list. RESULTS gets a line of JSON when a task begins, and another when it is done,
so that a process that crashes or hangs loses one task.
"""

import contextlib
import functools
import json
import sys
import warnings
from pathlib import Path

import numpy as np

from contest import compositions, differentiate, findings, points, truth


def plain(array):
    """Nested lists of numbers; of complex ones, pairs."""
    array = np.asarray(array)
    if np.iscomplexobj(array):
        array = np.stack([array.real, array.imag], -1)
    return array.tolist()


def digits(array):
    """The same of mpmath's numbers, as strings."""
    if any(isinstance(x, truth.MP.mpc) for x in array.ravel()):
        parts = np.vectorize(lambda x: (truth.MP.re(x), truth.MP.im(x)), otypes=[object, object])
        array = np.stack(parts(array), -1)
    return np.vectorize(lambda x: truth.MP.nstr(x, truth.KEPT), otypes=[object])(array).tolist()


def said(error):
    """An exception's name and its first line."""
    line = (str(error).strip().splitlines() or [""])[0]
    return f"{type(error).__name__}: {line}"[:160].rstrip(": ")


def true(operations, point):
    """Value and derivatives of several operations at one point."""
    found = truth.derivatives(points.of(operations[0])[point], operations)
    return [
        [of, truth.MP.nstr(value, truth.KEPT), digits(first), digits(second)]
        for of, (value, first, second) in found.items()
    ]


@functools.cache
def _known(key):
    """The namespace of an entrant's setup, and its call, compiled."""
    entrant = compositions.everyone()[key]
    namespace = {}
    exec(compile(entrant.setup, f"<{entrant.name}>", "exec"), namespace)  # noqa: S102
    return namespace, compile(entrant.call, f"<{entrant.name}>", "eval")


def loss_of(framework, operation, matrix, namespace, call):
    """L(A) = Re Σ conj(W) F(A), or F(A) itself where that is a number; L(B) = L(B Bᵀ)."""
    w = framework.array(points.weights(operation, matrix))
    given = points.options(operation, matrix) | {"W": w}

    def loss(a):
        a = framework.gram(a) if points.is_factor(matrix) else a
        f = eval(call, {**namespace, **given, "A": a})  # noqa: S307
        return framework.inner(w, f) if len(f.shape) else f

    return loss


def entered(framework, operation, point, name):
    """What an entrant gets at a point: value and derivatives, or what it raises."""
    matrix = points.of(operation)[point]
    array = framework.array(matrix)
    found = {}
    try:
        loss = loss_of(framework, operation, matrix, *_known((operation, name)))
        value, first = framework.first(loss, array)
        found |= {"value": float(value), "first": plain(first)}
        along = framework.array(points.direction(operation, matrix))
        found["second"] = plain(framework.second(loss, array, along))
    except ModuleNotFoundError as error:
        found["missing"] = str(error.name)
    except Exception as error:
        found["raises"] = said(error)
    return found


def entering(name):
    """What lets entrants of a framework take part."""
    try:
        return functools.partial(entered, differentiate.framework(name))
    except ModuleNotFoundError as error:
        missing = {"missing": str(error.name)}
        return lambda *task: missing


def main(part, tasks, results):
    """Do the tasks of a part; the first word of its name says what they are."""
    kind, *_ = part.split()
    warnings.simplefilter("ignore")
    with Path(results).open("a", encoding="utf-8") as lines:

        def tell(**line):
            print(json.dumps(line), file=lines, flush=True)

        do = {"truth": true, "findings": findings.finding}.get(kind) or entering(kind)
        for task in json.loads(Path(tasks).read_text(encoding="utf-8")):
            tell(begins=task)
            # What packages print goes into the log.
            with contextlib.redirect_stdout(sys.stderr), np.errstate(all="ignore"):
                found = do(*task)
            tell(task=task, found=found)


if __name__ == "__main__":
    main(*sys.argv[1:])
