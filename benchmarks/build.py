"""Time a cold build of the whole book against its chapters one after another.

Usage: .venv/bin/python benchmarks/build.py

One after another means plain papermill for each chapter, as the README shows it, and then Jupyter
Book. A build does the same work in parallel; in a copy of the book in which nothing was executed.
Takes some minutes, on a machine that does nothing else.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from spectralgrad.book import building

_IGNORED = shutil.ignore_patterns("_build", ".venv*", "node_modules", "__pycache__", ".*_cache")
_RENDER = """
import sys
from pathlib import Path
from spectralgrad.book import building, rendering
scratch, executed = map(Path, sys.argv[1:])
building.lay_out_book(scratch / "source", executed)
with rendering.Renderer(scratch / "source", scratch) as renderer:
    renderer.finish(scratch / "failed.log")
"""


def seconds(*command, cwd):
    """Wall time of a command."""
    environment = os.environ | {"PYTHONPATH": str(cwd / "src"), "TF_CPP_MIN_LOG_LEVEL": "3"}
    start = time.perf_counter()
    subprocess.run([sys.executable, *command], cwd=cwd, env=environment, check=True)
    return time.perf_counter() - start


def main():
    """Print both times, and their ratio."""
    with tempfile.TemporaryDirectory() as folder:
        copy, executed, scratch = (Path(folder, name) for name in ("copy", "executed", "scratch"))
        shutil.copytree(building.root(), copy, symlinks=True, ignore=_IGNORED)
        (copy / "node_modules").symlink_to(building.root() / "node_modules")
        executed.mkdir()
        scratch.mkdir()
        chapters = sorted((copy / "chapters").glob("*.ipynb"))
        papermill = ("-m", "papermill", "--no-progress-bar", "--log-level", "ERROR")
        alone = [seconds(*papermill, str(c), str(executed / c.name), cwd=copy) for c in chapters]
        rendering = seconds("-c", _RENDER, str(scratch), str(executed), cwd=copy)
        build = seconds("-m", "spectralgrad", "build", cwd=copy)
    for chapter, spent in zip(chapters, alone, strict=True):
        print(f"{chapter.stem:<24}{spent:6.1f} s")
    print(f"{'rendering':<24}{rendering:6.1f} s")
    one_by_one = sum(alone) + rendering
    print(f"one after another {one_by_one:.1f} s, build {build:.1f} s: {build / one_by_one:.2f}")


if __name__ == "__main__":
    main()
