"""Time `spectralgrad check` on a 5 × 5 matrix, and how much of it the imports take.

Usage: python benchmarks/check.py
"""

import statistics
import subprocess
import sys
import time

import numpy as np

from spectralgrad import frameworks, verdict

REPETITIONS = 3


def seconds(*command):
    """Median time of a command."""
    times = []
    for _ in range(REPETITIONS):
        start = time.perf_counter()
        subprocess.run([sys.executable, *command], check=True, stdout=subprocess.DEVNULL)
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def main():
    """Print the times, and their ratios within this run."""
    whole = seconds("-m", "spectralgrad", "check", "blog-rank-2")
    imports = "from spectralgrad import frameworks; [*map(frameworks.get, frameworks.NAMES)]"
    together = seconds("-c", imports)
    print(f"check of a 5 × 5 matrix: {whole:.1f} s")
    print(f"importing the frameworks alone: {together:.1f} s, {together / whole:.0%} of it")
    for name in frameworks.NAMES:
        alone = seconds("-c", f"from spectralgrad import frameworks; frameworks.get({name!r})")
        one = seconds("-m", "spectralgrad", "check", "blog-rank-2", "--frameworks", name)
        print(f"  {name}: import {alone:.1f} s, check {one:.1f} s")
    rng = np.random.default_rng(0)
    verdict.check(rng.standard_normal((5, 5)))
    start = time.perf_counter()
    verdict.check_stack(rng.standard_normal((20, 5, 5)))
    print(f"each further 5 × 5 matrix: {(time.perf_counter() - start) / 20 * 1e3:.1f} ms")


if __name__ == "__main__":
    main()
