"""The program that asks one framework, in an interpreter where this package need not be.

`elsewhere` starts it with the folder of these modules and the name of one. It needs Python 3.9 and
NumPy 1.20, as they do. For each line on standard input it reads the arrays in one file, writes the
gradient into another, and says so in a line.
"""

from __future__ import annotations

import gc
import io
import json
import os
import select
import sys
import threading
import types
from pathlib import Path
from typing import Any

# JAX keeps about 5 MB of compiled code for each shape of matrix, for ever.
MOST_SHAPES = 64

_PACKAGE = "spectralgrad.frameworks"


def load(folder: str, name: str) -> Any:
    """The library of a module in a folder; of the package to which it belongs there is no other."""
    for module in (_PACKAGE.partition(".")[0], _PACKAGE):
        sys.modules[module] = types.ModuleType(module)
    for child in ("numpy", name):
        module = f"{_PACKAGE}.{child}"
        made = sys.modules[module] = types.ModuleType(module)
        setattr(sys.modules[_PACKAGE], child, made)
        path = Path(folder, f"{child}.py")
        exec(compile(path.read_text(encoding="utf-8"), str(path), "exec"), vars(made))
    return made.Library()


def absence(error: Exception, name: str) -> tuple[Any, str]:
    """What it means that a framework cannot be imported, and what is said."""
    # One whose own needs are not there is installed.
    lacks = getattr(error, "name", None) or name
    missing = lacks.partition(".")[0] in (name, "numpy", "spectralgrad")
    found = missing and isinstance(error, ModuleNotFoundError)
    return "not installed" if found else "failed", str(error) or type(error).__name__


def forget(shapes: set[Any], matrix: Any) -> None:
    """Note a shape; after many, drop what was compiled for them."""
    shapes.add((matrix.shape, matrix.dtype.char))
    if len(shapes) > MOST_SHAPES:
        shapes.clear()
        if "jax" in sys.modules:
            sys.modules["jax"].clear_caches()


def main(folder: str, name: str, given: int, found: int, answers: int) -> None:
    """Answer until nobody asks any more."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    about, trouble, told = {}, None, os.fdopen(answers, "w")
    # It takes a fifth of the time of an import, and finds nothing.
    gc.disable()
    if name == "tensorflow":
        # Of its parts, one that nobody uses here would import JAX.
        sys.modules["jax"] = None  # type: ignore[assignment]
    try:
        import numpy as np

        library = load(folder, name)
        about["version"] = str(library.VERSION)
    except Exception as error:
        trouble = absence(error, name)
    gc.enable()
    shapes: set[Any] = set()
    for line in sys.stdin:
        written = io.BytesIO()
        if not trouble:
            problem, of = json.loads(line)
            asked = io.BytesIO(os.pread(given, os.fstat(given).st_size, 0))
            with np.load(asked, allow_pickle=False) as arrays:
                matrix, cotangent = arrays["matrix"], arrays["cotangent"]
            forget(shapes, matrix)
            gradient, *said = library.answer(problem, of, matrix, cotangent)
            if gradient is not None:
                np.save(written, gradient, allow_pickle=False)
        outcome, message = trouble or said
        os.ftruncate(found, 0)
        os.pwrite(found, written.getbuffer(), 0)
        print(json.dumps({**about, "outcome": outcome, "message": message}), file=told, flush=True)


def _end_with_parent() -> None:
    # Whatever is computed then, nobody waits for it.
    line = select.poll()
    line.register(0, 0)
    line.poll()
    os._exit(1)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], *map(int, sys.argv[3:]))
