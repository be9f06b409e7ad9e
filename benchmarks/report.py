"""Time `spectralgrad report` against a bare Python process that runs the same cells.

Usage: .venv/bin/python benchmarks/report.py [REPETITIONS]

The two alternate, so that a slow moment of the machine meets both; the ratio is what counts.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

CHAPTERS = Path(__file__).parents[1] / "chapters"


def script(chapter, matrix):
    """Return the code of a chapter, with its matrix set after the parameters."""
    cells = json.loads((CHAPTERS / f"{chapter}.ipynb").read_text(encoding="utf-8"))["cells"]
    sources = []
    for cell in cells:
        if cell["cell_type"] == "code":
            sources.append("".join(cell["source"]))
            if "parameters" in cell["metadata"].get("tags", ()):
                sources.append(f"matrix = {str(matrix)!r}")
    return "\n".join(sources)


def seconds(command, folder):
    """Wall time of a command that must succeed."""
    start = time.perf_counter()
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return time.perf_counter() - start


def main(repetitions=5):
    """Print medians, ranges and the ratio for each chapter."""
    rng = np.random.default_rng(0)
    a = rng.standard_normal((5, 5))
    with tempfile.TemporaryDirectory() as folder:
        matrix = Path(folder, "five.csv")
        np.savetxt(matrix, a + a.T, delimiter=",")
        for path in sorted(CHAPTERS.glob("*.ipynb")):
            bare = [sys.executable, "-c", script(path.stem, matrix)]
            report = [sys.executable, "-m", "spectralgrad", "report", str(matrix)]
            report += ["--chapter", path.stem]
            times = {"bare process": [], "spectralgrad report": []}
            for _ in range(int(repetitions)):
                times["bare process"].append(seconds(bare, folder))
                times["spectralgrad report"].append(seconds(report, folder))
            medians = {name: statistics.median(t) for name, t in times.items()}
            print(path.stem)
            for name, t in times.items():
                print(f"  {name}: {medians[name]:.2f} s (from {min(t):.2f} to {max(t):.2f})")
            print(f"  ratio {medians['spectralgrad report'] / medians['bare process']:.2f}")


if __name__ == "__main__":
    main(*sys.argv[1:])
